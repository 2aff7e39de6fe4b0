"""Covariances become tangent vectors at the geometric mean of the rows that were fitted: known answers, nilearn's."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.validation import check_is_fitted, validate_data

from workbench.errors import FitError
from workbench.models.tangent_space import TangentSpace, geometric_mean, matrices, upper_triangle

ARBITRARY = "hands over numbers that are no covariances, which have no tangent space; `OfAnyNumbers` passes it"
NEED_COVARIANCES = {
    name: ARBITRARY
    for name in (
        "check_dict_unchanged",
        "check_dont_overwrite_parameters",
        "check_dtype_object",
        "check_estimators_dtypes",
        "check_estimators_fit_returns_self",
        "check_estimators_nan_inf",
        "check_estimators_overwrite_params",
        "check_estimators_pickle",
        "check_f_contiguous_array_estimator",
        "check_fit2d_1sample",
        "check_fit2d_predict1d",
        "check_fit_check_is_fitted",
        "check_fit_idempotent",
        "check_fit_score_takes_y",
        "check_methods_sample_order_invariance",
        "check_methods_subset_invariance",
        "check_n_features_in",
        "check_n_features_in_after_fitting",
        "check_pipeline_consistency",
        "check_positive_only_tag_during_fit",
        "check_readonly_memmap_input",
        "check_transformer_data_not_an_array",
        "check_transformer_general",
        "check_transformer_preserve_dtypes",
    )
}


class OfAnyNumbers(TransformerMixin, BaseEstimator):
    """A tangent space behind the exponential of symmetric matrices, which makes covariances of any numbers."""

    def fit(self, X, y=None):
        X = validate_data(self, X, dtype=np.float64)
        self.space_ = TangentSpace().fit(self._covariances(X))
        return self

    def transform(self, X):
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        return self.space_.transform(self._covariances(X))

    def _covariances(self, X):
        n_regions = int(np.ceil((np.sqrt(8 * X.shape[1] + 1) - 1) / 2))
        padded = np.zeros((len(X), n_regions * (n_regions + 1) // 2))
        padded[:, : X.shape[1]] = np.arctan(X)
        pairs = upper_triangle(padded.shape[1])
        values, vectors = np.linalg.eigh(matrices(padded, pairs))
        whole = (vectors * np.exp(values)[:, None, :]) @ vectors.swapaxes(1, 2)
        return whole[:, pairs[0], pairs[1]]


@parametrize_with_checks([TangentSpace()], expected_failed_checks=lambda estimator: NEED_COVARIANCES)
def test_the_tangent_space_is_a_scikit_learn_transformer(estimator, check):
    check(estimator)


@parametrize_with_checks([OfAnyNumbers()])
def test_what_checks_ask_with_any_numbers_holds_of_covariances(estimator, check):
    check(estimator)


@pytest.fixture
def series():
    rng = np.random.default_rng(3)
    return [rng.standard_normal((60, 8)) @ rng.normal(size=(8, 8)) for _ in range(25)]


def covariances_of(series):
    from sklearn.covariance import LedoitWolf

    return np.array([LedoitWolf().fit(one).covariance_ for one in series])


def test_vectors_of_new_people_are_those_of_nilearn(series):
    from nilearn.connectome import ConnectivityMeasure
    from sklearn.covariance import LedoitWolf

    measure = ConnectivityMeasure(cov_estimator=LedoitWolf(store_precision=False), kind="tangent", vectorize=True)
    expected = measure.fit(series[:15]).transform(series)
    pairs = np.array(np.tril_indices(8))
    triangles = covariances_of(series)[:, pairs[0], pairs[1]]
    space = TangentSpace(pairs).fit(triangles[:15])
    assert_allclose(space.transform(triangles), expected, atol=1e-8)
    assert_allclose(space.mean_, measure.mean_, rtol=1e-8)


def test_the_order_of_entries_is_that_of_the_features_whatever_it_is(series):
    whole, pairs = covariances_of(series), upper_triangle(36)
    shuffled = pairs[:, np.random.default_rng(0).permutation(36)]
    straight = TangentSpace().fit_transform(whole[:, pairs[0], pairs[1]])
    other = TangentSpace(shuffled[::-1]).fit_transform(whole[:, shuffled[0], shuffled[1]])
    where = {tuple(pair): at for at, pair in enumerate(pairs.T.tolist())}
    assert_allclose(other, straight[:, [where[tuple(pair)] for pair in shuffled.T.tolist()]], atol=1e-12)


def test_tangent_vectors_of_the_fitted_rows_have_mean_zero(series):
    pairs = upper_triangle(36)
    vectors = TangentSpace().fit_transform(covariances_of(series)[:, pairs[0], pairs[1]])
    assert np.abs(vectors.mean(axis=0)).max() < 1e-6
    assert np.abs(vectors).max() > 0.1


def test_the_geometric_mean_of_commuting_matrices_is_that_of_their_eigenvalues():
    rotation = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    scales = np.array([[1.0, 2.0, 8.0], [4.0, 2.0, 2.0]])
    mean = geometric_mean(np.array([(rotation * each) @ rotation.T for each in scales]))
    assert_allclose(mean, (rotation * np.sqrt(scales.prod(axis=0))) @ rotation.T, atol=1e-7)


def test_a_stack_larger_than_what_is_decomposed_at_once_has_the_same_mean(series, monkeypatch):
    whole = covariances_of(series)
    expected = geometric_mean(whole)
    monkeypatch.setattr("workbench.models.tangent_space.BYTES_AT_ONCE", 8 * 64 * 4)
    assert_allclose(geometric_mean(whole), expected, rtol=1e-12)


def test_matrices_that_are_not_positive_definite_are_refused():
    with pytest.raises(FitError, match="1 of 2 matrices are not positive definite; covariances of more volumes than"):
        TangentSpace().fit(np.array([[4.0, 0.0, 4.0], [1.0, 1.5, 1.0]]))


def test_features_that_are_no_triangle_are_refused():
    with pytest.raises(ValueError, match="4 features are not the triangle of a square matrix with its diagonal"):
        TangentSpace().fit(np.ones((3, 4)))
