"""The models behind CV+ intervals, against ridge refitted by hand."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from workbench.evaluation.cross_conformal import affordable, conformal_folds
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
