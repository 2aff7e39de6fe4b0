"""What is learnt from the features before a learner is learnt in every training set by itself, for any step."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from fits import digest, explained_fit

from workbench.models import fitted_models
from workbench.models.estimators import make_learner
from workbench.models.prepared_learner import PreparedLearner
from workbench.models.state import Stateful
from workbench.records import Batches
from workbench.specs.learners import KernelRidgeSpec, LinearSVRSpec, RidgeSpec, XGBoostSpec

SPECS = [
    RidgeSpec(kind="ridge", alphas=(0.1, 1.0, 10.0)),
    KernelRidgeSpec(kind="kernel-ridge", gammas=(0.1, 1.0), alphas=(0.1, 1.0)),
    LinearSVRSpec(kind="linear-svr", C=(0.01, 0.1)),
    XGBoostSpec(kind="xgboost", trials=2, rounds=10),
]


@dataclass(frozen=True, eq=False)
class SiteMeans(Stateful):
    """A step as harmonising will be: each site at the mean of all training rows, other sites as they are."""

    sites: np.ndarray
    shifts: np.ndarray

    kind = "site means"
    keeps_columns = True

    def transform(self, X, N, batches):
        same = batches.labels[:, None] == self.sites
        return X - same.astype(float) @ self.shifts

    def attributed(self, values):
        return values


class CentreSites:
    supervised = False

    def __init__(self):
        self.seen = []

    def needed(self, n_features):
        return True

    def fit(self, X, N, batches, Y):
        sites = batches.labels
        self.seen.append((len(X), N.shape, sites.shape, Y.shape))
        each = np.unique(sites)
        shifts = np.array([np.nanmean(X[sites == site], axis=0) - np.nanmean(X, axis=0) for site in each])
        return [SiteMeans(each, shifts)]


@pytest.fixture
def at_sites(make_fold, monkeypatch):
    monkeypatch.setitem(fitted_models.STEPS, "site means", SiteMeans)
    fold, y = make_fold(n=60, p=30, n_nuisance=1, missing=0.02)
    sites = np.resize(["A", "B", "C"], 60)
    fold.X[:] += 5 * (sites == "B")[:, None]
    return replace(fold, batches=Batches(sites, np.empty((60, 0)))), y


def prepared_by_hand(fold, rows):
    X = fold.X.copy()
    sites = fold.batches.labels
    for site in np.unique(sites):
        of_site = rows[sites[rows] == site]
        X[sites == site] -= np.nanmean(fold.X[of_site], axis=0) - np.nanmean(fold.X[rows], axis=0)
    return X


@pytest.mark.parametrize("spec", SPECS[:3], ids=lambda spec: spec.kind)
def test_a_step_is_fitted_in_the_training_rows_and_applied_to_those_held_out(spec, at_sites):
    """Without inner folds the learner sees one training set: as if its features had been prepared by hand."""
    fold, y = at_sites
    fixed = {"alphas": (1.0,), "gammas": (1.0,), "C": (0.1,)}
    spec = spec.model_copy(update={name: value for name, value in fixed.items() if name in type(spec).model_fields})
    fold = replace(fold, inner=())
    expected = make_learner(spec).fit(replace(fold, X=prepared_by_hand(fold, fold.train)), y[:, None], seed=1)
    found = PreparedLearner(make_learner(spec), CentreSites()).fit(fold, y[:, None], seed=1)
    assert np.allclose(found.predicted, expected.predicted, rtol=1e-9)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.kind)
def test_every_training_set_inner_ones_too_has_a_step_of_its_own(spec, at_sites):
    fold, y = at_sites
    step = CentreSites()
    PreparedLearner(make_learner(spec), step).fit(fold, np.column_stack([y, y[::-1]]), seed=0)
    trains = [split.train for split in fold.inner] + [fold.train]
    assert step.seen == [(len(one), (len(one), 1), (len(one),), (len(one), 2)) for one in trains]


def test_the_choice_of_settings_sees_each_inner_fold_as_its_own_step_makes_it(at_sites):
    fold, y = at_sites
    spec = SPECS[0]
    losses = []
    for alpha in spec.alphas:
        one = spec.model_copy(update={"alphas": (alpha,)})
        errors = []
        for split in fold.inner:
            inner = replace(fold, X=prepared_by_hand(fold, split.train), train=split.train, test=split.test, inner=())
            predicted = make_learner(one).fit(inner, y[:, None], seed=0).predicted[:, 0]
            errors.append(np.square(y[split.test] - predicted).mean())
        losses.append(np.mean(errors))
    fitted = PreparedLearner(make_learner(spec), CentreSites()).fit(fold, y[:, None], seed=0)
    assert fitted.chosen["alpha"] == spec.alphas[int(np.argmin(losses))]


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.kind)
def test_a_step_that_does_not_look_at_the_outcome_is_shared_by_all_targets(spec, at_sites):
    fold, y = at_sites
    targets = np.column_stack([y, y[::-1], np.roll(y, 7)])
    learner = PreparedLearner(make_learner(spec), CentreSites())
    assert learner.batched == make_learner(spec).batched
    together = explained_fit(learner, fold, targets, explain=3)
    for column in range(3):
        alone = explained_fit(learner, fold, targets[:, [column]])
        assert np.allclose(together.predicted[:, column], alone.predicted[:, 0], rtol=1e-9)
        assert np.allclose(together.circuit_shap[column], alone.circuit_shap[0], rtol=1e-6)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.kind)
def test_the_model_takes_its_step_along(spec, at_sites):
    fold, y = at_sites
    fitted = explained_fit(PreparedLearner(make_learner(spec), CentreSites()), fold, y[:, None])
    model = fitted.model()
    again = fitted_models.from_state(fitted_models.state_of(model))
    rows = fold.X[fold.test], fold.nuisance[fold.test], fold.batches.take(fold.test)
    assert np.abs(model.predict(*rows) - fitted.predicted[:, 0]).max() <= 1e-10 * y.std()
    assert again.predict(*rows).tobytes() == model.predict(*rows).tobytes()
    assert np.abs(fitted.shap_base + fitted.shap.sum(axis=1) - fitted.predicted[:, 0]).max() <= 1e-5 * y.std()
    assert fitted_models.digest(again) == digest(fitted)


def test_what_a_step_learns_tells_models_apart(at_sites):
    fold, y = at_sites
    learner = PreparedLearner(make_learner(SPECS[0]), CentreSites())
    X = fold.X.copy()
    X[fold.train[0]] += 0.5
    assert digest(learner.fit(fold, y[:, None], seed=0)) != digest(learner.fit(replace(fold, X=X), y[:, None], seed=0))
    X = fold.X.copy()
    X[fold.test] += 0.5
    assert digest(learner.fit(fold, y[:, None], seed=0)) == digest(learner.fit(replace(fold, X=X), y[:, None], seed=0))
