"""The models behind CV+ intervals, against ridge refitted by hand."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from workbench.evaluation.conformal import affordable, conformal_folds
from workbench.evaluation.refits import Store
from workbench.models import nested_cv
from workbench.specs.experiment import ValidationSpec
from workbench.specs.learners import ElasticNetSpec, RidgeSpec, XGBoostSpec

ONE_ALPHA = RidgeSpec(kind="ridge", alphas=(10.0,))
VALIDATION = ValidationSpec(repeats=2, permutations=0, seed=4)


def ridge(X, y, train, new):
    scaler = StandardScaler().fit(X[train])
    return Ridge(10.0).fit(scaler.transform(X[train]), y[train]).predict(scaler.transform(X[new]))


def test_every_training_row_is_predicted_by_the_model_without_its_part(make_dataset):
    dataset = make_dataset()
    units = nested_cv.plan_units(dataset, VALIDATION, ONE_ALPHA)
    for unit, found in zip(units, conformal_folds(dataset, units, ONE_ALPHA, VALIDATION), strict=False):
        np.testing.assert_array_equal(found.test, unit.outer.test)
        for part, split in enumerate(unit.inner):
            here = np.isin(unit.outer.train, split.test)
            assert set(found.part_of[here]) == {part}
            missed = np.abs(dataset.y[split.test] - ridge(dataset.X, dataset.y, split.train, split.test))
            np.testing.assert_allclose(found.residual[here], missed, atol=1e-8)
            expected = ridge(dataset.X, dataset.y, split.train, unit.outer.test)
            np.testing.assert_allclose(found.predicted[:, part], expected, atol=1e-8)


def test_one_partition_is_made_however_many_repeats_there_are(make_dataset):
    dataset = make_dataset()
    found = conformal_folds(dataset, nested_cv.plan_units(dataset, VALIDATION, ONE_ALPHA), ONE_ALPHA, VALIDATION)
    assert [(each.repeat, each.fold) for each in found] == [(0, fold) for fold in range(5)]


def test_outcomes_of_people_held_out_change_nothing(make_dataset):
    dataset = make_dataset()
    learner = RidgeSpec(kind="ridge")
    units = nested_cv.plan_units(dataset, VALIDATION, learner)
    before = conformal_folds(dataset, units, learner, VALIDATION)[0]
    dataset.y[units[0].outer.test] += 1e6
    after = conformal_folds(dataset, units, learner, VALIDATION)[0]
    np.testing.assert_array_equal(before.residual, after.residual)
    np.testing.assert_array_equal(before.predicted, after.predicted)


@pytest.mark.parametrize("learner", [ElasticNetSpec(kind="elastic-net"), XGBoostSpec(kind="xgboost")])
def test_learners_that_are_tuned_for_each_target_alone_give_no_intervals(make_dataset, learner):
    dataset = make_dataset()
    assert not affordable(dataset, learner)
    assert conformal_folds(dataset, nested_cv.plan_units(dataset, VALIDATION, learner), learner, VALIDATION) == ()


def test_models_that_are_stored_are_taken_up_and_give_the_same_intervals(make_dataset, tmp_path, monkeypatch):
    dataset = make_dataset()
    units = nested_cv.plan_units(dataset, VALIDATION, ONE_ALPHA)
    fresh = conformal_folds(dataset, units, ONE_ALPHA, VALIDATION)
    store = Store(tmp_path, jobs=1, resume=True)
    conformal_folds(dataset, units, ONE_ALPHA, VALIDATION, fit_units=store)
    assert len(list(tmp_path.glob("*.npz"))) == 5 * 5, "one for every part of every fold of one repeat"
    monkeypatch.setattr("workbench.models.nested_cv.fit_unit", None)  # nothing is fitted again
    for one, other in zip(fresh, conformal_folds(dataset, units, ONE_ALPHA, VALIDATION, fit_units=store), strict=True):
        np.testing.assert_array_equal(one.residual, other.residual)
        np.testing.assert_array_equal(one.predicted, other.predicted)
