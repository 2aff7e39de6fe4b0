"""What is learnt about the features before a model sees them: impute, residualise, scale, screen; training rows alone.

One procedure, in this order, for every training set:

1. a single missing value becomes the mean of its column in the training rows;
2. the column is residualised on [1 | N] by least squares fitted in the training rows (N empty: centred);
3. it is divided by the standard deviation (ddof 0) of its residuals in the training rows;
4. a column of which nothing is left, or without any value in the training rows, is screened out: 0 everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from workbench.errors import FitError, Problem
from workbench.models.probabilities import expit, log_odds
from workbench.models.state import Stateful

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]

NIL_SHARE = 1e-10
"""A column is nil when the SD of its residuals is below this share of its root mean square (rounding leaves 1e-15)."""

NIL_OUTCOME_SHARE = 1e-12
"""And what is left of an outcome, of which nothing is divided by a small number beforehand."""


class NuisanceBasis(NamedTuple):
    """Least squares on [1 | N], ready to be applied: prediction of new rows = ``test @ (train.T @ y)``.

    Attributes
    ----------
    train : ndarray of shape (n_train, rank)
        Orthonormal columns spanning [1 | N] in the training rows; the first is constant.
    test : ndarray of shape (n_test, rank)
        The same functions of N in the new rows.
    raw : ndarray of shape (1 + n_nuisance, rank)
        Turns coefficients on the basis into coefficients on [1 | N].
    center : ndarray of shape (n_nuisance,)
        Training means of N.
    """

    train: Floats
    test: Floats
    raw: Floats
    center: Floats


class NuisancePredictions(NamedTuple):
    """Predictions of the nuisance model M0: what a model of the features adds to, and is scored against.

    Attributes
    ----------
    test, train : ndarray of shape (n_test, n_targets) and (n_train, n_targets)
        In units of the outcome; probabilities of a binary one.
    test_margin, train_margin : ndarray of the same shapes
        What they are on the scale of a learner that adds to log-odds: of a binary outcome ``test`` is
        ``expit(test_margin)`` to the last bit, of others they are the predictions themselves.
    """

    test: Floats
    train: Floats
    test_margin: Floats
    train_margin: Floats


@dataclass(frozen=True, eq=False)
class NuisanceModel(Stateful):
    """The nuisance model of some training rows, on the columns of their basis.

    Attributes
    ----------
    center : ndarray of shape (n_targets,)
        Training means.
    coefficients : ndarray of shape (rank, n_targets)
    n_train : int
    binary : bool
    """

    center: Floats
    coefficients: Floats
    n_train: int
    binary: bool

    @classmethod
    def of(cls, basis: NuisanceBasis, Y_train: Floats, *, binary: bool) -> NuisanceModel:
        """Least squares of each target on [1 | N].

        A linear-probability model leaves the scale of probabilities where a confound is strong, and log-odds cannot
        follow it there. Its predictions are therefore kept 1 / (2 n_train) away from 0 and 1 for whoever asks, the
        score as much as the learner: clipped for one of them alone, noise has an R2 above 0 (METHODS 2.2).
        """
        center = Y_train.mean(axis=0)  # taken out first: an outcome far from 0 must not cost digits
        if not binary:
            return cls(center, basis.train.T @ (Y_train - center), len(Y_train), binary)
        # One target after the other, since BLAS sums in another order beside others: whoever asks gets the same bits.
        each = np.ascontiguousarray((Y_train - center).T)[:, :, None]
        return cls(center, np.matmul(basis.train.T, each)[:, :, 0].T, len(Y_train), binary)

    def margin(self, rows: Floats) -> Floats:
        """Prediction on the scale that learners add to, (n_rows, n_targets), for rows of a basis (n_rows, rank)."""
        if not self.binary:
            predicted: Floats = self.center + rows @ self.coefficients
            return predicted
        each = np.matmul(rows, np.ascontiguousarray(self.coefficients.T)[:, :, None])[:, :, 0]
        return log_odds(self.center[:, None] + each, self.n_train).T

    def predicted(self, rows: Floats) -> Floats:
        """Prediction in units of the outcome, (n_rows, n_targets), for rows of a basis."""
        margin = self.margin(rows)
        return expit(margin) if self.binary else margin


@dataclass(frozen=True, eq=False)
class PreparedFold:
    """Features of one fold, imputed, residualised, scaled and screened with what the training rows say.

    Attributes
    ----------
    train_X, test_X : ndarray of shape (n_train, n_features) and (n_test, n_features)
        In SD of the residualised feature; screened columns are 0.
    means : ndarray of shape (n_features,)
        Of the observed training values: what a missing value becomes. NaN where no training row has a value.
    nuisance_coefficients : ndarray of shape (1 + n_nuisance, n_features)
        Least squares of the imputed feature on [1 | N].
    basis_coefficients : ndarray of shape (rank, n_features)
        The same of the imputed, centred feature on the columns of `NuisanceBasis`.
    scales : ndarray of shape (n_features,)
        SD of the residuals in the training rows, ddof 0; 1 for screened columns.
    kept : ndarray of bool, shape (n_features,)
    """

    train_X: Floats  # noqa: N815 X is a matrix to every reader of the field
    test_X: Floats  # noqa: N815
    means: Floats
    nuisance_coefficients: Floats
    basis_coefficients: Floats
    scales: Floats
    kept: NDArray[np.bool_]


def check_enough_rows(n_train: int, n_nuisance: int) -> None:
    """Refuse a training set that the nuisance model would fit exactly, or nearly so.

    Parameters
    ----------
    n_train, n_nuisance : int
        Training rows, and columns of N without its intercept.

    Raises
    ------
    FitError
        If ``n_train <= n_nuisance + 2``.
    """
    if n_train > n_nuisance + 2:
        return
    found = f"a training fold has {n_train} rows for {n_nuisance} confounds; {n_nuisance + 3} are needed"
    raise FitError(
        Problem("", found, "use fewer covariates (`confounds`, `adjust`), more participants or larger training folds")
    )


def nuisance_basis(N_train: Floats, N_test: Floats) -> NuisanceBasis:
    """`spanning_basis` of training rows, of which there must be enough.

    Parameters
    ----------
    N_train, N_test : ndarray of shape (n_train, n_nuisance) and (n_test, n_nuisance)

    Returns
    -------
    NuisanceBasis

    Raises
    ------
    FitError
        If there are too few training rows for this many covariates.
    """
    check_enough_rows(*N_train.shape)
    return spanning_basis(N_train, N_test)


def spanning_basis(N_train: Floats, N_test: Floats) -> NuisanceBasis:
    """Orthonormal basis of [1 | N] in the training rows.

    Columns of N that do not vary in the training rows, and directions that others already span, get no coefficient: the
    least-squares solution of smallest norm on standardised covariates.

    Parameters
    ----------
    N_train, N_test : ndarray of shape (n_train, n_nuisance) and (n_test, n_nuisance)
        Complete values, without intercept; may have no column.

    Returns
    -------
    NuisanceBasis
    """
    n_train, n_nuisance = N_train.shape
    height = 1.0 / np.sqrt(n_train)
    if n_nuisance == 0:
        train, test, raw = (np.full((n_rows, 1), height) for n_rows in (n_train, len(N_test), 1))
        return NuisanceBasis(train, test, raw, np.empty(0))
    center = N_train.sum(axis=0) / n_train
    centred = N_train - center
    spread = np.sqrt(np.einsum("ij,ij->j", centred, centred) / n_train)
    varies = spread > NIL_SHARE * np.sqrt(np.square(spread) + np.square(center))
    per_spread = varies / np.where(varies, spread, 1.0)
    left, singular, right = np.linalg.svd(centred * per_spread, full_matrices=False)
    rank = int(np.count_nonzero(singular > NIL_SHARE * max(singular[0], 1.0)))
    slopes = per_spread[:, None] * right[:rank].T / singular[:rank]
    train, test, raw = (
        np.empty((n_train, 1 + rank)),
        np.empty((len(N_test), 1 + rank)),
        np.zeros((1 + n_nuisance, 1 + rank)),
    )
    train[:, 0], train[:, 1:] = height, left[:, :rank]
    test[:, 0], test[:, 1:] = height, (N_test - center) @ slopes
    raw[0, 0], raw[0, 1:], raw[1:, 1:] = height, -center @ slopes, slopes
    return NuisanceBasis(train, test, raw, center)


def fit_nuisance(Y_train: Floats, N_train: Floats, N_test: Floats, *, binary: bool = False) -> NuisancePredictions:
    """Predictions of the nuisance model M0: least squares of each target on [1 | N], fitted in the training rows.

    Parameters
    ----------
    Y_train : ndarray of shape (n_train, n_targets)
    N_train, N_test : ndarray of shape (n_train, n_nuisance) and (n_test, n_nuisance)
        Complete values, without intercept; with no column the prediction is the training mean.
    binary : bool
        Whether the outcome is 0 or 1, and predictions are kept within (0, 1) (`NuisanceModel.of`).

    Returns
    -------
    NuisancePredictions

    Raises
    ------
    FitError
        If there are too few training rows for this many covariates.
    """
    return nuisance_on_basis(Y_train, nuisance_basis(N_train, N_test), binary=binary)


def nuisance_on_basis(Y_train: Floats, basis: NuisanceBasis, *, binary: bool = False) -> NuisancePredictions:
    """`fit_nuisance` on a basis already made.

    Parameters
    ----------
    Y_train : ndarray of shape (n_train, n_targets)
    basis : NuisanceBasis
    binary : bool

    Returns
    -------
    NuisancePredictions
    """
    model = NuisanceModel.of(basis, Y_train, binary=binary)
    test, train = model.margin(basis.test), model.margin(basis.train)
    return (
        NuisancePredictions(expit(test), expit(train), test, train)
        if binary
        else NuisancePredictions(test, train, test, train)
    )


def residual_scale(residual: Floats, y_train: Floats) -> float:
    """SD of what the nuisance model leaves of an outcome, which learners are given as 1, whatever the unit; 0 if nil.

    Parameters
    ----------
    residual, y_train : ndarray of shape (n_train,)

    Returns
    -------
    float
        In units of the outcome.
    """
    scale = float(residual.std())
    # Relative, since in another unit a share of 1 would be another: rounding leaves 1e-15 of the outcome.
    return scale if scale > NIL_OUTCOME_SHARE * float(np.sqrt(np.square(y_train).mean())) else 0.0


@dataclass(frozen=True, eq=False)
class Units(Stateful):
    """Mean and SD of features in some training rows, for learners that would otherwise see the unit of a feature.

    Trees do not, in theory; those of scikit-learn and XGBoost read 32-bit numbers, and scikit-learn's take values that
    differ by less than 1e-7 for equal.

    Attributes
    ----------
    center : ndarray of shape (n_features,)
        Of the observed values; 0 where there is none.
    scale : ndarray of shape (n_features,)
        SD, ddof 0; the root mean square of a feature that does not vary, and 1 where that is 0.
    """

    center: Floats
    scale: Floats

    @classmethod
    def of(cls, train_X: Floats) -> Units:
        """Of training rows, NaN left out.

        Raises
        ------
        FitError
            If a value is infinite, or so large that its square is.
        """
        observed = ~np.isnan(train_X)
        count = np.maximum(observed.sum(axis=0), 1)
        with np.errstate(over="ignore", invalid="ignore"):
            center = np.where(observed, train_X, 0.0).sum(axis=0) / count
            centred = np.where(observed, train_X - center, 0.0)
            spread = np.sqrt(np.square(centred).sum(axis=0) / count)
            size = np.sqrt(np.square(np.where(observed, train_X, 0.0)).sum(axis=0) / count)
        if not np.isfinite(size).all() or not np.isfinite(spread).all():
            raise FitError(
                Problem(
                    "", "infinite values among the features", "look for infinite or enormous values among the features"
                )
            )
        scale = np.where(spread > NIL_SHARE * size, spread, size)
        return cls(center, np.where(scale > 0, scale, 1.0))

    def applied(self, X: Floats) -> Floats:
        """Features in SD from the mean, NaN as they are."""
        standardised: Floats = (X - self.center) / self.scale
        return standardised


def prepare_fold(X: Floats, nuisance: Floats, train: Rows, test: Rows) -> PreparedFold:
    """Impute, residualise, scale and screen the features of one fold.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_features)
        Raw features, NaN for single missing values; not written to.
    nuisance : ndarray of shape (n_rows, n_nuisance)
        N without its intercept, complete values; with no column features are centred.
    train, test : ndarray of int
        Positions in the rows.

    Raises
    ------
    FitError
        If there are too few training rows for this many covariates.
    """
    return prepare_on_basis(X[train], X[test], nuisance_basis(nuisance[train], nuisance[test]))


def prepare_on_basis(train_X: Floats, test_X: Floats, basis: NuisanceBasis) -> PreparedFold:
    """`prepare_fold` on rows already taken, which are written to, and a basis already made.

    Parameters
    ----------
    train_X, test_X : ndarray of shape (n_train, n_features) and (n_test, n_features)
        Raw features, NaN for missing values.
    basis : NuisanceBasis

    Returns
    -------
    PreparedFold
        Its features lie in the memory of `train_X` and `test_X`.
    """
    means = impute_centred(train_X, test_X)
    total = np.einsum("ij,ij->j", train_X, train_X)
    coefficients = basis.train.T @ train_X
    train_X -= basis.train @ coefficients
    test_X -= basis.test @ coefficients
    scales = np.sqrt(np.einsum("ij,ij->j", train_X, train_X) / len(train_X))
    kept = scales > NIL_SHARE * np.sqrt(np.square(means) + total / len(train_X))  # False where no mean exists
    scales[~kept] = 1.0
    factors = kept / scales
    train_X *= factors
    test_X *= factors
    on_nuisance = basis.raw @ coefficients
    on_nuisance[0] += means
    return PreparedFold(train_X, test_X, means, on_nuisance, coefficients, scales, kept)


def impute_centred(train_X: Floats, test_X: Floats) -> Floats:
    """Subtract the mean of the observed training values in place and put 0, the mean, where values are missing.

    Returns
    -------
    ndarray of shape (n_features,)
        The means; NaN where no training row has a value (such a column becomes 0 everywhere).
    """
    means: Floats = train_X.sum(axis=0) / len(train_X)
    broken = np.flatnonzero(np.isnan(means))
    if len(broken):
        values = train_X[:, broken]
        missing = np.isnan(values)
        values[missing] = 0.0
        count = len(values) - missing.sum(axis=0)
        means[broken] = np.divide(values.sum(axis=0), count, out=np.full(len(broken), np.nan), where=count > 0)
        values -= means[broken]
        values[missing] = 0.0
    train_X -= means
    test_X -= means
    if len(broken):
        train_X[:, broken] = values
    test_X[np.isnan(test_X)] = 0.0
    return means


def impute_means(values: Floats, train: Rows) -> Floats:
    """Missing values replaced by the mean of the training rows (0 where these have no value at all).

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_columns)
    train : ndarray of int
        Rows that may be learnt from.

    Returns
    -------
    ndarray of shape (n_rows, n_columns)
        `values` itself where none is missing.
    """
    missing = np.isnan(values)
    return np.where(missing, training_means(values, train), values) if missing.any() else values


def training_means(values: Floats, train: Rows) -> Floats:
    """Mean of the training rows that have a value, (n_columns,); 0 where none has.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_columns)
    train : ndarray of int

    Returns
    -------
    ndarray of shape (n_columns,)
    """
    present = ~np.isnan(values[train])
    totals = np.where(present, values[train], 0.0).sum(axis=0)
    means: Floats = totals / np.maximum(present.sum(axis=0), 1)
    return means
