"""One pass over the features finds, for every training set, what preparing each of them explicitly finds."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.model_selection import KFold

from workbench.models.fold_pass import pass_over, plan_pass
from workbench.models.gram import linear_kernels
from workbench.models.learner import Fold
from workbench.models.preprocessing import prepare_fold
from workbench.models.training_sets import training_sets
from workbench.records import Split


def make_fold(n, p, q, *, seed=0, folds=5):
    rng = np.random.default_rng(seed)
    N = rng.standard_normal((n, q)) + 5
    X = rng.standard_normal((n, p)) + 0.5 * N @ rng.standard_normal((q, p))
    X = X * 10.0 ** rng.uniform(-3, 3, p) + rng.standard_normal(p)
    train, test = next(KFold(folds, shuffle=True, random_state=seed).split(X))
    inner = KFold(folds, shuffle=True, random_state=seed).split(train)
    return Fold(X, N, train, test, tuple(Split(train[a], train[b]) for a, b in inner))


def with_trouble(fold):
    """Missing values in training and held-out rows, a far offset, constant columns, one that N explains."""
    X = fold.X.copy()
    X[fold.train[2], 3] = X[fold.test[0], 5] = X[fold.train[0], 7] = X[fold.test[1], 7] = np.nan
    X[fold.train, 9] = np.nan
    X[:, 11], X[:, 12] = 4.0, 0.0
    X[:, 13] += 1e6
    X[:, 14] = 2 * fold.nuisance[:, 0] + 1e-9 * X[:, 14] if fold.nuisance.size else 1.0
    return Fold(X, fold.nuisance, fold.train, fold.test, fold.inner)


@pytest.mark.parametrize(("n", "p", "q"), [(40, 60, 2), (57, 225, 5), (31, 193, 0), (120, 1000, 3), (26, 700, 1)])
def test_every_kernel_is_that_of_features_prepared_explicitly(n, p, q):
    fold = with_trouble(make_fold(n, p, q))
    sets = training_sets(fold, tune=True)
    kernels = linear_kernels(fold.X, sets)
    for one, kernel in zip(sets, kernels, strict=True):
        prepared = prepare_fold(fold.X, fold.nuisance, one.train, one.test)
        train, test = prepared.train_X, prepared.test_X
        near = {"rtol": 0, "atol": 1e-9 * p}
        assert_allclose(kernel.among, train @ train.T, **near)
        assert_allclose(kernel.across, test @ train.T, **near)
        assert_allclose(kernel.own, np.square(test).sum(axis=1), **near)


def test_the_columns_that_need_care_are_named_and_left_out():
    fold = with_trouble(make_fold(57, 225, 2))
    plan = plan_pass(training_sets(fold, tune=True))
    found = pass_over(fold.X, plan)
    assert {3, 7, 9, 11, 12, 14} <= set(found.delicate.tolist())
    assert 5 not in found.delicate  # only a held-out row misses it
    without = fold.X.copy()
    without[:, found.delicate] = 0.0
    for gram, expected in zip(found.grams, pass_over(without, plan).grams, strict=True):
        assert_allclose(gram, expected, rtol=1e-12)


@pytest.mark.parametrize(
    "layout",
    [
        np.asfortranarray,
        lambda X: np.repeat(X, 2, axis=1)[:, ::2],
        lambda X: np.repeat(X, 2, axis=0)[::2],
        lambda X: X[::-1].copy()[::-1],
        lambda X: X.astype(">f8"),
    ],
    ids=["columns first", "every second column", "every second row", "rows backwards", "other byte order"],
)
def test_how_the_features_lie_in_memory_changes_no_number(layout):
    fold = with_trouble(make_fold(40, 300, 2))
    plan = plan_pass(training_sets(fold, tune=True))
    before = fold.X.copy()
    for gram, expected in zip(pass_over(layout(fold.X), plan).grams, pass_over(fold.X, plan).grams, strict=True):
        assert_array_equal(gram, expected)
    assert_array_equal(fold.X, before)  # never written to
