"""The canary: a learner that looks at those it predicts is caught, and every learner of the project passes."""

from typing import Literal

import numpy as np
import pytest

from workbench.errors import GuardError
from workbench.evaluation.canary import canary
from workbench.models import estimators
from workbench.models.learner import Fitted
from workbench.models.nested_cv import plan_units
from workbench.specs.experiment import ValidationSpec
from workbench.specs.learners import LEARNERS, LearnerSpec

SMALL = {
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


class LearnsTheMeanOfEverybody(Honest):
    """Says what it learnt, and what it learnt is everybody's."""

    def fit(self, fold, Y, *, seed, explain=0):
        return Fitted(np.zeros((len(fold.test), Y.shape[1])), fitted_digest=repr(float(Y[:, 0].mean())))


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
