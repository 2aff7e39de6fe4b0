"""The canary: a learner that looks at those it predicts is caught, and every learner of the project passes."""

from dataclasses import replace
from typing import Literal

import numpy as np
import pytest

from workbench.errors import GuardError
from workbench.evaluation.canary import _blinded, canary
from workbench.models import estimators
from workbench.models.learner import Fitted
from workbench.models.nested_cv import plan_units
from workbench.records import ABSENT, FeatureBlock, FeatureBlocks
from workbench.specs.experiment import ValidationSpec
from workbench.specs.learners import LEARNERS, LearnerSpec, RidgeSpec

SMALL = {
    "estimator": {"estimator": "sklearn.svm.NuSVR", "grid": {"C": (0.1, 1.0)}},
    "xgboost": {"trials": 2, "rounds": 20},
    "random-forest": {"trees": 20},
    "elastic-net": {"n_alphas": 8},
}
"""Options that make a learner quick; the others are as they come."""


class LeakySpec(LearnerSpec):
    """Least squares behind a step that may look at everybody."""

    kind: Literal["leaky"]


def least_squares(X, fold, Y):
    design = np.column_stack([np.ones(len(X)), X])
    weights = np.linalg.lstsq(design[fold.train], Y[fold.train], rcond=None)[0]
    return Fitted(design[fold.test] @ weights)


class Honest:
    linear, batched = True, True

    def __init__(self, spec):
        pass

    def rows(self, fold):
        return fold.train

    def fit(self, fold, Y, *, seed, explain=0):
        rows = self.rows(fold)
        r = np.abs(np.corrcoef(fold.X[rows].T, Y[rows, 0])[-1, :-1])
        best = np.sort(np.argsort(-r)[:3])
        return least_squares(fold.X[:, best], fold, Y)


class SelectsOnAllRows(Honest):
    def rows(self, fold):
        return np.arange(len(fold.X))


class ScalesOnAllRows(Honest):
    """Ridge on features standardised in everybody: least squares would not notice a scale."""

    def fit(self, fold, Y, *, seed, explain=0):
        rows = self.rows(fold)
        Z = (fold.X - fold.X[rows].mean(axis=0)) / fold.X[rows].std(axis=0)
        train = Z[fold.train]
        penalty = 5.0 * np.eye(train.shape[1])
        weights = np.linalg.solve(train.T @ train + penalty, train.T @ Y[fold.train])
        return Fitted(Z[fold.test] @ weights)

    def rows(self, fold):
        return np.arange(len(fold.X))


class ScalesOnTrainingRows(ScalesOnAllRows):
    def rows(self, fold):
        return fold.train


class Remembers:
    kind = "one number"

    def __init__(self, learnt):
        self.learnt = learnt

    def state(self):
        return {"learnt": self.learnt}


class LearnsTheMeanOfEverybody(Honest):
    """Says what it learnt, and what it learnt is everybody's."""

    def fit(self, fold, Y, *, seed, explain=0):
        return Fitted(np.zeros((len(fold.test), Y.shape[1])), model=lambda: Remembers(float(Y[:, 0].mean())))


class TunesOnTheHeldOut(Honest):
    def fit(self, fold, Y, *, seed, explain=0):
        penalty = float(np.abs(fold.X[fold.test]).mean())
        return Fitted(np.zeros((len(fold.test), Y.shape[1])), chosen={"penalty": penalty})


VALIDATION = ValidationSpec(repeats=1, outer=4, inner=3)


def checked(monkeypatch, dataset, learner):
    monkeypatch.setitem(estimators.LEARNERS, "leaky", learner)
    spec = LeakySpec(kind="leaky")
    return canary(dataset, plan_units(dataset, VALIDATION, spec), spec, permuted=False)


@pytest.mark.parametrize(
    ("learner", "what"),
    [
        (SelectsOnAllRows, "the prediction for one of 10 held-out participants"),
        (ScalesOnAllRows, "the prediction for one of 10 held-out participants"),
        (LearnsTheMeanOfEverybody, "what was learnt"),
        (TunesOnTheHeldOut, "the tuning"),
    ],
)
def test_a_learner_that_looks_at_the_held_out_people_is_stopped_by_name(monkeypatch, make_dataset, learner, what):
    with pytest.raises(GuardError) as caught:
        checked(monkeypatch, make_dataset(n=40, p=12), learner)
    (problem,) = caught.value.problems
    assert problem.where == "repeat 1, fold 1, model leaky"
    assert problem.found.startswith(f"{what} changed when the held-out participants were replaced by noise")
    assert "may read the rows of fold.train alone" in problem.hint
    assert problem.code == "T6"


@pytest.mark.parametrize("learner", [Honest, ScalesOnTrainingRows])
def test_the_same_steps_on_training_people_alone_pass(monkeypatch, make_dataset, learner):
    assert checked(monkeypatch, make_dataset(n=40, p=12), learner) == 1


@pytest.mark.parametrize("kind", sorted(LEARNERS))
def test_every_learner_of_the_project_passes_with_covariates_and_missing_values(make_dataset, kind):
    rng = np.random.default_rng(1)
    age = rng.normal(size=40)
    age[4] = np.nan
    dataset = make_dataset(
        n=40,
        p=9,
        r2=0.3,
        missing=0.05,
        binary="continuous" not in LEARNERS[kind].outcome_types,
        confounds={"motion": rng.normal(size=40)},
        forced={"MADRS@ses-b0": rng.normal(size=40)},
        clinical={"age": age},
    )
    spec = LEARNERS[kind](kind=kind, **SMALL.get(kind, {}))
    compared = canary(dataset, plan_units(dataset, VALIDATION, spec), spec, permuted=True)
    batched = estimators.make_learner(spec).batched
    assert compared == (3 if batched else 1), "main, increment and joint of a batched learner"


def test_a_feature_screen_passes(make_dataset):
    spec = LEARNERS["ridge"](kind="ridge", screen=3)
    dataset = make_dataset(n=40, p=12)
    assert canary(dataset, plan_units(dataset, VALIDATION, spec), spec, permuted=False) == 1


def test_of_fifty_units_five_are_fitted_blind(make_dataset):
    dataset = make_dataset(n=40, p=6)
    spec = LEARNERS["ridge"](kind="ridge")
    units = plan_units(dataset, ValidationSpec(repeats=10), spec)
    assert canary(dataset, units, spec, permuted=False) == 5


class CountsPresenceOfTraining(Honest):
    """Least squares on the mean of each block, an absent one being as far from it as it is rare among some rows."""

    takes = frozenset({"blocks"})

    def fit(self, fold, Y, *, seed, explain=0):
        columns = []
        for block in fold.feature_blocks.blocks:
            column = np.full(len(block.at), np.nan)
            column[block.present] = block.values[block.at[block.present]].mean(axis=1)
            rare = np.nanmean(column[fold.train]) + 1 - block.present[self.rows(fold)].mean()
            columns.append(np.where(block.present, column, rare))
        return least_squares(np.column_stack(columns), fold, Y)


class CountsPresenceOfAll(CountsPresenceOfTraining):
    def rows(self, fold):
        return np.arange(len(fold.feature_blocks))


@pytest.fixture
def with_absence(make_dataset):
    """Sixty rows of two blocks, some of which lack one."""
    dataset = make_dataset(60, 12, r2=0.4)
    rows, absent = np.arange(60), np.random.default_rng(5).random((60, 2)) < 0.3
    absent[absent.all(axis=1)] = False
    blocks = [
        FeatureBlock(name, "", dataset.features[columns], dataset.X[:, columns], np.where(absent[:, k], ABSENT, rows))
        for k, (name, columns) in enumerate((("fc", slice(0, 6)), ("pet", slice(6, 12))))
    ]
    return replace(dataset, feature_blocks=FeatureBlocks(tuple(blocks)))


def test_a_learner_that_takes_blocks_may_look_at_the_presence_of_training_rows_alone(with_absence, monkeypatch):
    spec, validation = LeakySpec(kind="leaky"), ValidationSpec(repeats=2, permutations=0)
    monkeypatch.setitem(estimators.LEARNERS, "leaky", CountsPresenceOfTraining)
    units = plan_units(with_absence, validation, spec)
    assert canary(with_absence, units, spec, permuted=False) >= 1
    monkeypatch.setitem(estimators.LEARNERS, "leaky", CountsPresenceOfAll)
    with pytest.raises(GuardError, match="learns from those it predicts"):
        canary(with_absence, units, spec, permuted=False)


def test_presence_of_the_first_held_out_row_and_of_training_rows_stays(with_absence):
    unit = plan_units(with_absence, ValidationSpec(repeats=1, permutations=0), RidgeSpec(kind="ridge"))[0]
    blind = _blinded(with_absence, unit)
    changed = (blind.feature_blocks.present != with_absence.feature_blocks.present).any(axis=1)
    assert set(np.flatnonzero(changed)) <= set(unit.outer.test[1:])
    assert changed.sum() > len(unit.outer.test) / 4
    for before, after in zip(with_absence.feature_blocks.blocks, blind.feature_blocks.blocks, strict=True):
        rows = unit.outer.train[before.present[unit.outer.train]]
        np.testing.assert_array_equal(after.values[after.at[rows]], before.values[before.at[rows]])


def test_only_rounding_is_forgiven_where_rows_lack_modalities():
    from workbench.evaluation.canary import ROUNDING, _alike

    weights = np.array([2.0, -1e-3, np.nan])
    assert _alike(weights, weights * (1 + 1e-14))
    assert not _alike(weights, weights + np.array([2.1 * ROUNDING * 2, 0, 0]))
    assert not _alike(weights, weights[:2])
    assert not _alike(np.array([1, 2]), np.array([1, 3]))
    assert _alike(np.array(["pet"]), np.array(["pet"]))
