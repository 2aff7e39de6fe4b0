"""One fitted scikit-learn estimator with all that it predicts from: preparation, nuisance model, scale.

Everything here is learnt from one training set, and applied to whatever rows are to be predicted: held-out ones in the
folds, new participants afterwards. No reference to the data is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.errors import FitError, Problem
from workbench.models.forest import GRID
from workbench.models.preprocessing import (
    NIL_SHARE,
    Floats,
    NuisanceModel,
    Units,
    check_enough_rows,
    residual_scale,
    spanning_basis,
)
from workbench.models.probabilities import expit, log_odds

FAILURES = (ValueError, TypeError, ArithmeticError, AttributeError, IndexError, RuntimeError, np.linalg.LinAlgError)
"""What an estimator raises that cannot be fitted, or cannot predict."""
MEND = "change its params, or the values that are tried"


@dataclass(frozen=True, eq=False)
class Line:
    """Least squares on covariates, as scikit-learn's ``LinearRegression`` makes it, to the last bit.

    Solvers of some estimators stop early enough to make 1e-5 of a last bit: that an estimator predicts here what it
    does in a plain pipeline needs the same inputs, not only the same mathematics.

    Attributes
    ----------
    slopes : ndarray of shape (n_targets, n_nuisance)
    intercept : ndarray of shape (n_targets,)
    """

    slopes: Floats
    intercept: Floats

    @classmethod
    def of(cls, N: Floats, Y: Floats) -> Line:
        """Of training rows; with no covariate nothing is taken out."""
        if N.shape[1] == 0:
            return cls(np.zeros((Y.shape[1], 0)), np.zeros(Y.shape[1]))
        from sklearn.linear_model import LinearRegression

        fitted = LinearRegression().fit(N, Y)
        basis = spanning_basis(N, N[:0])
        if fitted.rank_ == basis.train.shape[1] - 1:
            return cls(fitted.coef_, fitted.intercept_)
        # Covariates of very different size, of which it drops the small ones.
        coefficients = basis.raw @ (basis.train.T @ Y)
        return cls(coefficients[1:].T, coefficients[0])

    def left(self, Y: Floats, N: Floats) -> Floats:
        """What it leaves, (n_rows, n_targets)."""
        if N.shape[1] == 0:
            return Y
        residual: Floats = Y - (N @ self.slopes.T + self.intercept)
        return residual


@dataclass(frozen=True, eq=False)
class Preparation:
    """What an estimator is given in place of raw features, learnt in some training rows.

    Attributes
    ----------
    means : ndarray of shape (n_features,)
        What a missing value becomes.
    line : Line or None
        Of every feature on N, which is taken out; None for trees, which are offered N.
    kept : ndarray of bool, shape (n_features,)
        False where nothing is left of a feature, which is 0 then.
    units : Units
        Center and SD: of what is left, for trees of the features and of N beside them.
    """

    means: Floats
    line: Line | None
    kept: NDArray[np.bool_]
    units: Units

    @classmethod
    def of(cls, X: Floats, N: Floats, *, residualise: bool) -> Preparation:
        """Learn from training rows: as every other learner residualises, or as trees are given features.

        Raises
        ------
        FitError
            If there are too few rows for this many covariates, or a feature is infinite.
        """
        check_enough_rows(*N.shape)
        present = ~np.isnan(X)
        means = np.where(present, X, 0.0).sum(axis=0) / np.maximum(present.sum(axis=0), 1)
        complete = np.where(present, X, means)
        every = np.ones(X.shape[1], dtype=bool)
        if not residualise:
            return cls(means, None, every, standard_units(np.column_stack([complete, N])))
        if X.shape[1] == 0:
            return cls(means, Line.of(N, complete), every, Units(np.zeros(0), np.ones(0)))
        refuse_infinite(complete)
        line = Line.of(N, complete)
        left = line.left(complete, N)
        kept = left.std(axis=0) > NIL_SHARE * np.sqrt(np.square(complete).mean(axis=0))
        return cls(means, line, kept, standard_units(np.where(kept, left, 0.0)))

    def applied(self, X: Floats, N: Floats) -> Floats:
        """Any rows as the estimator sees them, (n_rows, n_features), for trees with N beside."""
        complete = np.where(np.isnan(X), self.means, X)
        if self.line is None:
            return self.units.applied(np.column_stack([complete, N]))
        return self.units.applied(np.where(self.kept, self.line.left(complete, N), 0.0))


def refuse_infinite(columns: Floats) -> None:
    """Refuse features of which a square is no number, as every learner does."""
    Units.of(columns)


def standard_units(columns: Floats) -> Units:
    """Center and SD as scikit-learn's ``StandardScaler`` has them, to the last bit; 1 where nothing varies."""
    from sklearn.preprocessing import StandardScaler

    if columns.shape[1] == 0:
        return Units(np.zeros(0), np.ones(0))
    refuse_infinite(columns)
    scaler = StandardScaler().fit(columns)
    return Units(scaler.mean_, scaler.scale_)


@dataclass(frozen=True, eq=False)
class Target:
    """One target in some training rows, as an estimator is given it, with what its predictions are added to.

    Attributes
    ----------
    given : ndarray of shape (n_train,)
        SD of what the nuisance model leaves; of a binary outcome the labels.
    offset, center, basis, scale, share
        As in `EstimatorModel`.
    constant : bool
        Whether there is nothing to learn.
    weights : ndarray of shape (n_train,), or None
        Of the rows, where a tree ensemble learns labels that covariates tell something of.
    """

    given: Floats
    offset: NuisanceModel
    center: Floats
    basis: Floats
    scale: float
    share: float
    constant: bool
    weights: Floats | None

    @classmethod
    def of(cls, y: Floats, N: Floats, *, binary: bool, residualise: bool) -> Target:
        """From the target and the covariates of the training rows.

        Of a tree ensemble a case whose label the covariates make likely counts for less, by the inverse of that
        likelihood: in the rows so weighted label and covariates are independent, and what is learnt beside the
        covariates is the evidence that may be added to them.
        """
        basis = spanning_basis(N, N[:0])
        offset = NuisanceModel.of(basis, y[:, None], binary=binary)
        center, raw = N.sum(axis=0) / len(N), np.ascontiguousarray(basis.raw)
        margin = offset.margin(basis.train)[:, 0]
        if binary:
            share, labels = float(y.mean()), (y > 0.5).astype(int)
            weights = None
            if not residualise and N.shape[1]:
                likely = np.where(labels == 1, expit(margin), 1 - expit(margin))
                weights = np.round(np.where(labels == 1, share, 1 - share) / likely / GRID) * GRID
            return cls(labels, offset, center, raw, 1.0, share, bool(np.ptp(y) == 0), weights)
        scale = residual_scale(y - margin, y)
        if scale == 0:
            return cls(np.zeros(len(y)), offset, center, raw, 0.0, 0.0, True, None)
        if not residualise:
            given = np.round((y - margin) / scale / GRID) * GRID
            return cls(given, offset, center, raw, scale, 0.0, False, None)
        left = Line.of(N, y[:, None]).left(y[:, None], N)
        units = standard_units(left)
        return cls(units.applied(left)[:, 0], offset, center, raw, float(units.scale[0]), 0.0, False, None)


@dataclass(frozen=True, eq=False)
class EstimatorModel:
    """An estimator of one target, with what it is added to.

    A continuous outcome is ``offset + scale * estimator.predict``: the estimator learns what the nuisance model leaves
    of it, in SD. For a binary outcome without covariates the prediction is ``predict_proba``. With covariates it is
    the probability of the log-odds of the nuisance model plus those of the estimator, less those of the share of cases
    in training: the evidence of the features is added to what the covariates say (Bayes' rule in odds).

    Attributes
    ----------
    estimator : BaseEstimator or None
        Fitted; None where nothing can be learnt, since the outcome or every feature is constant.
    offset : NuisanceModel
        Of the training rows, on the columns of `basis`.
    center : ndarray of shape (n_nuisance,)
        Of N in the training rows.
    basis : ndarray of shape (1 + n_nuisance, rank)
        Turns [1 | N] into those columns; the slopes are used on N from its center.
    scale : float
        SD of what the nuisance model leaves of the outcome; 1 for a binary one.
    share : float
        Of cases among the training rows, of a binary outcome.
    """

    preparation: Preparation
    estimator: Any
    offset: NuisanceModel
    center: Floats
    basis: Floats
    scale: float
    share: float

    @property
    def adds_odds(self) -> bool:
        """Whether log-odds of covariates and of features are added."""
        return self.offset.binary and len(self.basis) > 1

    def predict(self, X: Floats, N: Floats) -> Floats:
        """Predictions of raw features and covariates, (n_rows,)."""
        return self.combined(self.raw(self.preparation.applied(X, N)), self.margin(N))

    def margin(self, N: Floats) -> Floats:
        """What the nuisance model says, on the scale that is added to, (n_rows,)."""
        # As `preprocessing.spanning_basis` makes them, to the last bit: what is added to is what is scored against.
        rows = np.empty((len(N), self.basis.shape[1]))
        rows[:, 0], rows[:, 1:] = self.basis[0, 0], (N - self.center) @ self.basis[1:, 1:]
        return self.offset.margin(rows)[:, 0]

    def raw(self, prepared: Floats) -> Floats:
        """What the estimator alone says of prepared rows: SD of the outcome, or a probability."""
        if self.estimator is None or len(prepared) == 0:
            return np.full(len(prepared), self.share if self.offset.binary else 0.0)
        name = type(self.estimator).__name__
        try:
            if self.offset.binary:
                case = int(np.flatnonzero(self.estimator.classes_ == 1)[0])
                said = np.asarray(self.estimator.predict_proba(prepared), dtype=float)[:, case]
            else:
                said = np.asarray(self.estimator.predict(prepared), dtype=float).reshape(len(prepared))
        except FAILURES as error:
            raise FitError(Problem(name, f"cannot predict: {' '.join(str(error).split())}", MEND)) from error
        if not np.isfinite(said).all():
            raise FitError(Problem(name, "predicts values that are no numbers", MEND))
        return said

    def combined(self, raw: Floats, margin: Floats) -> Floats:
        """Predictions in units of the outcome, from what the estimator and the nuisance model say."""
        if not self.offset.binary:
            return margin + self.scale * raw
        if self.estimator is None:
            return expit(margin)
        return expit(margin + self.evidence(raw)) if self.adds_odds else raw

    def evidence(self, probability: Floats) -> Floats:
        """Log-odds of the estimator less those of the share of cases, kept as finite as those of the covariates."""
        n = self.offset.n_train
        return log_odds(probability, n) - log_odds(np.array([self.share]), n)


def fit_model(estimator: Any, preparation: Preparation, prepared: Floats, target: Target) -> EstimatorModel:
    """Fit an estimator, already seeded, to one target.

    Parameters
    ----------
    prepared : ndarray of shape (n_train, n_columns)
        The training rows as `preparation` makes them.
    """
    learnt = (target.offset, target.center, target.basis, target.scale, target.share)
    if target.constant or not prepared.any():
        return EstimatorModel(preparation, None, *learnt)
    weights = {}
    if target.weights is not None and _takes_weights(estimator):
        weights = {"sample_weight": target.weights}
    estimator.fit(prepared, target.given, **weights)
    return EstimatorModel(preparation, estimator, *learnt)


def _takes_weights(estimator: Any) -> bool:
    from sklearn.utils.validation import has_fit_parameter

    return bool(has_fit_parameter(estimator, "sample_weight"))
