"""What is learnt about features inside a fold, checked against scikit-learn and known answers."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from workbench.errors import FitError
from workbench.models.preprocessing import fit_nuisance, nuisance_basis, prepare_fold

TRAIN, TEST = np.arange(30), np.arange(30, 40)
NOTHING = np.empty((40, 0))


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(name="N")
def nuisance(rng):
    return rng.standard_normal((40, 3)) + np.array([0, 50, 2019])


@pytest.fixture(name="X")
def features(rng, N):
    X = 10.0 ** np.arange(-3, 9) * (rng.standard_normal((40, 12)) + (N - N.mean(axis=0)) @ rng.standard_normal((3, 12)))
    X[rng.random((40, 12)) < 0.05] = np.nan
    return X


def test_prepared_fold_equals_imputer_residualiser_and_scaler_of_scikit_learn(X, N):
    filled = SimpleImputer().fit(X[TRAIN]).transform(X)
    residual = filled - LinearRegression().fit(N[TRAIN], filled[TRAIN]).predict(N)
    expected = StandardScaler().fit(residual[TRAIN]).transform(residual)
    prepared = prepare_fold(X, N, TRAIN, TEST)
    assert_allclose(prepared.train_X, expected[TRAIN], atol=1e-9)
    assert_allclose(prepared.test_X, expected[TEST], atol=1e-9)
    assert prepared.kept.all()


def test_what_a_prepared_fold_learnt_reproduces_its_features(X, N):
    prepared = prepare_fold(X, N, TRAIN, TEST)
    filled = np.where(np.isnan(X), prepared.means, X)
    on_nuisance = np.column_stack([np.ones(40), N]) @ prepared.nuisance_coefficients
    assert_allclose(((filled - on_nuisance) / prepared.scales)[TEST], prepared.test_X, atol=1e-6)


def test_without_nuisance_features_are_centred_and_scaled(X):
    expected = make_pipeline(SimpleImputer(), StandardScaler()).fit(X[TRAIN]).transform(X[TEST])
    assert_allclose(prepare_fold(X, NOTHING, TRAIN, TEST).test_X, expected, atol=1e-9)


def test_held_out_rows_teach_nothing(X, N, rng):
    noise = X.copy()
    noise[TEST] = rng.standard_normal((10, 12)) * 1e6
    ours, theirs = prepare_fold(X, N, TRAIN, TEST), prepare_fold(noise, N, TRAIN, TEST)
    for name in ("train_X", "means", "scales", "kept", "nuisance_coefficients"):
        assert getattr(ours, name).tobytes() == getattr(theirs, name).tobytes()


def test_raw_features_are_not_written_to(X, N):
    before = X.copy()
    prepare_fold(X, N, TRAIN, TEST)
    assert before.tobytes() == X.tobytes()


@pytest.mark.parametrize(
    "column",
    [
        np.full(40, 7.1),
        np.zeros(40),
        np.full(40, np.nan),
        np.r_[np.full(30, np.nan), np.arange(10.0)],
        np.r_[np.full(30, 3.3), np.arange(10.0)],
    ],
    ids=["constant", "zero", "missing", "missing in training", "constant in training"],
)
def test_a_column_without_anything_to_learn_is_screened_out(column, N):
    prepared = prepare_fold(column[:, None], N, TRAIN, TEST)
    assert not prepared.kept[0]
    assert prepared.scales[0] == 1
    assert not prepared.train_X.any()
    assert not prepared.test_X.any()


def test_a_column_that_covariates_explain_entirely_is_screened_out(N):
    assert not prepare_fold(N @ [[1.0], [2.0], [-3.0]] + 4, N, TRAIN, TEST).kept[0]


def test_a_column_far_from_zero_is_kept(rng):
    column = 1e6 + rng.standard_normal((40, 1))
    assert_allclose(prepare_fold(column, NOTHING, TRAIN, TEST).train_X.std(axis=0), 1)


def test_nuisance_model_is_least_squares_with_intercept(N, rng):
    Y = rng.standard_normal((40, 4)) + 20
    expected = LinearRegression().fit(N[TRAIN], Y[TRAIN])
    predictions = fit_nuisance(Y[TRAIN], N[TRAIN], N[TEST])
    assert_allclose(predictions.test, expected.predict(N[TEST]), atol=1e-9)
    assert_allclose(predictions.train, expected.predict(N[TRAIN]), atol=1e-9)


def test_nuisance_model_without_covariates_is_the_training_mean(rng):
    Y = rng.standard_normal((40, 2))
    expected = np.broadcast_to(Y[TRAIN].mean(axis=0), (10, 2))
    assert_allclose(fit_nuisance(Y[TRAIN], NOTHING[TRAIN], NOTHING[TEST]).test, expected)


def test_collinear_covariates_count_once(N, rng):
    Y = rng.standard_normal((40, 2))
    twice = np.column_stack([N, N[:, 0], N[:, 1] - 3 * N[:, 0], np.full(40, 2.0)])
    assert nuisance_basis(twice[TRAIN], twice[TEST]).train.shape == (30, 4)
    ours = fit_nuisance(Y[TRAIN], twice[TRAIN], twice[TEST]).test
    assert_allclose(ours, fit_nuisance(Y[TRAIN], N[TRAIN], N[TEST]).test, atol=1e-9)


def test_a_site_that_training_rows_lack_gets_no_coefficient(rng):
    """A dummy that is constant in training must not share the intercept: rows of a new site would be halved."""
    Y = rng.standard_normal((40, 1)) + 10
    present = np.r_[np.ones(30), np.zeros(10)][:, None]
    assert_allclose(fit_nuisance(Y[TRAIN], present[TRAIN], present[TEST]).test, np.full((10, 1), Y[TRAIN].mean()))


def test_too_few_rows_for_the_covariates_is_an_error(N):
    with pytest.raises(FitError, match=r"a training fold has 5 rows for 3 confounds; 6 are needed; use"):
        prepare_fold(N, N, np.arange(5), TEST)
