"""One fitted scikit-learn estimator with all that it predicts from; it holds no reference to the data.

Everything here is learnt from one training set, and applied to whatever rows are to be predicted: held-out ones in the
folds, new participants afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from workbench.errors import FitError, Problem
from workbench.models.estimator_explained import SmallGame, Way, attributed, slopes_of, way_of
from workbench.models.forest import GRID
from workbench.models.preparation import CovariateBasis
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
from workbench.models.state import State, Stateful

FAILURES = (ValueError, TypeError, ArithmeticError, AttributeError, IndexError, RuntimeError, np.linalg.LinAlgError)
"""What an estimator raises that cannot be fitted, or cannot predict."""
MEND = "change its params, or the values that are tried"
PROBES = 64
"""Made-up rows by whose predictions two fits are told apart."""


@dataclass(frozen=True, eq=False)
class Inputs(Stateful):
    """What an estimator is given in place of raw features, learnt in some training rows.

    Solvers of some estimators stop early enough to make 1e-5 of a last bit: that an estimator predicts here what it
    does in a plain pipeline needs the same inputs, not only the same mathematics. What is learnt is therefore that of
    scikit-learn's ``SimpleImputer``, ``LinearRegression`` and ``StandardScaler``, to the last bit.

    Attributes
    ----------
    means : ndarray of shape (n_features,)
        What a missing value becomes.
    residualise : bool
        Whether features are residualised on N; trees are offered N beside the features instead.
    slopes, intercept : ndarray of shape (n_features, n_nuisance) and (n_features,)
        Least squares of every feature on N.
    kept : ndarray of bool, shape (n_features,)
        False where nothing is left of a feature, which is 0 then.
    units : Units
        Center and SD: of what is left, for trees of the features and of N beside them.
    """

    means: Floats
    residualise: bool
    slopes: Floats
    intercept: Floats
    kept: NDArray[np.bool_]
    units: Units

    @classmethod
    def of(cls, X: Floats, N: Floats, *, residualise: bool) -> Inputs:
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
        if not residualise:
            every = np.ones(X.shape[1], dtype=bool)
            units = standard_units(np.column_stack([complete, N]))
            return cls(means, False, np.empty((0, 0)), np.empty(0), every, units)
        refuse_infinite(complete)
        slopes, intercept = line_on(N, complete)
        left = left_of(complete, N, slopes, intercept)
        kept = left.std(axis=0) > NIL_SHARE * np.sqrt(np.square(complete).mean(axis=0))
        return cls(means, True, slopes, intercept, kept, standard_units(np.where(kept, left, 0.0)))

    def applied(self, X: Floats, N: Floats) -> Floats:
        """Any rows as the estimator sees them, (n_rows, n_features), for trees with N beside."""
        complete = np.where(np.isnan(X), self.means, X)
        if not self.residualise:
            return self.units.applied(np.column_stack([complete, N]))
        left = left_of(complete, N, self.slopes, self.intercept)
        return self.units.applied(np.where(self.kept, left, 0.0))


def line_on(N: Floats, Y: Floats) -> tuple[Floats, Floats]:
    """Least squares of every column on covariates as ``LinearRegression`` makes it; nothing without a covariate.

    Returns
    -------
    slopes : ndarray of shape (n_columns, n_nuisance)
    intercept : ndarray of shape (n_columns,)
    """
    if N.shape[1] == 0 or Y.shape[1] == 0:
        return np.zeros((Y.shape[1], N.shape[1])), np.zeros(Y.shape[1])
    from sklearn.linear_model import LinearRegression

    fitted = LinearRegression().fit(N, Y)
    basis = spanning_basis(N, N[:0])
    if fitted.rank_ == basis.train.shape[1] - 1:
        return fitted.coef_, fitted.intercept_
    # Covariates of very different size, of which it drops the small ones.
    coefficients = basis.raw @ (basis.train.T @ Y)
    return coefficients[1:].T, coefficients[0]


def left_of(Y: Floats, N: Floats, slopes: Floats, intercept: Floats) -> Floats:
    """What covariates leave of every column, (n_rows, n_columns)."""
    if N.shape[1] == 0:
        return Y
    residual: Floats = Y - (N @ slopes.T + intercept)
    return residual


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
    nuisance, basis, scale, share
        As in `EstimatorModel`.
    constant : bool
        Whether there is nothing to learn.
    weights : ndarray of shape (n_train,), or None
        Of the rows, where a tree ensemble learns labels that covariates tell something of.
    """

    given: Floats
    nuisance: NuisanceModel
    basis: CovariateBasis
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
        nuisance, kept = NuisanceModel.of(basis, y[:, None], binary=binary), CovariateBasis.of(basis)
        margin = nuisance.margin(basis.train)[:, 0]
        if binary:
            share, labels = float(y.mean()), (y > 0.5).astype(int)
            weights = None
            if not residualise and N.shape[1]:
                likely = np.where(labels == 1, expit(margin), 1 - expit(margin))
                weights = np.round(np.where(labels == 1, share, 1 - share) / likely / GRID) * GRID
            return cls(labels, nuisance, kept, 1.0, share, bool(np.ptp(y) == 0), weights)
        scale = residual_scale(y - margin, y)
        if scale == 0:
            return cls(np.zeros(len(y)), nuisance, kept, 0.0, 0.0, True, None)
        if not residualise:
            given = np.round((y - margin) / scale / GRID) * GRID
            return cls(given, nuisance, kept, scale, 0.0, False, None)
        left = left_of(y[:, None], N, *line_on(N, y[:, None]))
        units = standard_units(left)
        return cls(units.applied(left)[:, 0], nuisance, kept, float(units.scale[0]), 0.0, False, None)


@dataclass(frozen=True, eq=False)
class EstimatorModel:
    """An estimator of one target, with what it is added to; a `workbench.models.learner.Model`.

    A continuous outcome is ``offset + scale * estimator.predict``: the estimator learns what the nuisance model leaves
    of it, in SD. For a binary outcome without covariates the prediction is ``predict_proba``. With covariates it is
    the probability of the log-odds of the nuisance model plus those of the estimator, less those of the share of cases
    in training: the evidence of the features is added to what the covariates say (Bayes' rule in odds).

    Attributes
    ----------
    estimator : BaseEstimator or None
        Fitted; None where nothing can be learnt, since the outcome or every feature is constant.
    inputs : Inputs
    basis : CovariateBasis
    nuisance : NuisanceModel
        The offset of the training rows.
    scale : float
        SD of what the nuisance model leaves of the outcome; 1 for a binary one.
    share : float
        Of cases among the training rows, of a binary outcome.
    players : ndarray of int, shape (n_features,)
        What features are explained together where nothing finer can be had: their circuit.
    seed : int
        Of random orders of the players.
    """

    estimator: Any
    inputs: Inputs
    basis: CovariateBasis
    nuisance: NuisanceModel
    scale: float
    share: float
    players: NDArray[np.intp]
    seed: int

    kind: ClassVar[str] = "estimator"

    def predict(self, X: Floats, N: Floats) -> Floats:
        """Predictions, (n,); see `Model`."""
        return self.combined(self.raw(self.inputs.applied(X, N)), self.margin(N))

    def covariates_alone(self, N: Floats) -> Floats:
        """What the estimator adds to, (n,); see `Model`."""
        return self.nuisance.predicted(self.basis.rows(N))[:, 0]

    def explain(self, X: Floats, N: Floats) -> tuple[Floats, Floats]:
        """Base (n,) and SHAP values (n, n_features); see `Model`.

        Raises
        ------
        FitError
            If it cannot be explained (`explains`).
        """
        prepared, margin = self.inputs.applied(X, N), self.margin(N)
        if self.estimator is None:
            return self.combined(self.raw(prepared), margin), np.zeros(X.shape)
        if not self.explains:
            raise FitError(Problem(type(self.estimator).__name__, "is not explained: too many circuits"))

        def outcome(said: Floats) -> Floats:
            return self.combined(said, np.tile(margin, len(said) // max(len(margin), 1)))

        return attributed(SmallGame(self.estimator, self.raw, outcome, self.players, self.seed, self.binary), prepared)

    def weights(self, predicted: Floats) -> Floats | None:
        """Change of the prediction per SD of each feature, of a classifier the mean over people; see `Model`."""
        line = None if self.way != "coefficients" or self.estimator is None else self._slopes
        if line is None:
            return None
        change = float((predicted * (1 - predicted)).mean()) if self.binary else self.scale
        return change * line

    @property
    def binary(self) -> bool:
        """Whether probabilities are predicted."""
        return self.nuisance.binary

    @property
    def explains(self) -> bool:
        """Whether it can be explained."""
        return self.way != "none"

    @cached_property
    def way(self) -> Way:
        """How it is explained."""
        if self.estimator is None:
            return "coefficients"
        n_columns = len(self.inputs.units.center)
        return way_of(self.estimator, self.raw, n_columns, self.players, binary=self.binary)

    @cached_property
    def _slopes(self) -> Floats | None:
        line = slopes_of(self.estimator, self.raw, len(self.inputs.units.center), binary=self.binary)
        return None if line is None else line[0]

    # ------------------------------------------------------------------------------------------------- predictions

    def margin(self, N: Floats) -> Floats:
        """What the nuisance model says, on the scale that is added to, (n_rows,)."""
        return self.nuisance.margin(self.basis.rows(N))[:, 0]

    def raw(self, prepared: Floats) -> Floats:
        """What the estimator alone says of prepared rows: SD of the outcome, or a probability."""
        if self.estimator is None or len(prepared) == 0:
            return np.full(len(prepared), self.share if self.binary else 0.0)
        name = type(self.estimator).__name__
        try:
            if self.binary:
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
        if not self.binary:
            return margin + self.scale * raw
        if self.estimator is None:
            return expit(margin)
        if not len(self.basis.center):
            return raw
        n = self.nuisance.n_train  # log-odds are kept as finite as those of the covariates
        return expit(margin + log_odds(raw, n) - log_odds(np.array([self.share]), n))

    # ------------------------------------------------------------------------------------------------------- state

    def fingerprint(self) -> dict[str, Any]:
        """What tells two fits apart: all that was learnt, the estimator by what it says of made-up rows.

        The state of an estimator is no digest: it is written with names that differ from one program to the next.
        """
        probes = np.random.default_rng(0).standard_normal((PROBES, len(self.inputs.units.center)))
        return {**self._learnt(), "class": type(self.estimator).__name__, "probes": self.raw(probes)}

    def state(self) -> dict[str, Any]:
        """Everything learnt, the estimator as skops writes it, without pickle; see `Model`.

        Raises
        ------
        FitError
            If skops cannot write an estimator of this class.
        """
        packed = np.empty(0, dtype=np.uint8)
        if self.estimator is not None:
            from skops.io import dumps

            name = type(self.estimator).__name__
            try:
                packed = np.frombuffer(dumps(self.estimator), dtype=np.uint8)
            except Exception as error:  # a class of anybody's, of which skops knows nothing
                raise FitError(Problem(name, f"cannot be written without pickle ({error})")) from error
        return {**self._learnt(), "estimator": packed}

    def _learnt(self) -> dict[str, Any]:
        flat: dict[str, Any] = {}
        for one in fields(self):
            value = getattr(self, one.name)
            if isinstance(value, Stateful):
                flat |= {f"{one.name}.{name}": part for name, part in value.state().items()}
            elif one.name != "estimator":
                flat[one.name] = value
        return flat

    @classmethod
    def from_state(cls, state: State) -> EstimatorModel:
        """The model with this state, bit for bit.

        Raises
        ------
        FitError
            If the estimator is of a class that is neither of scikit-learn nor allowed on this machine.
        """
        from workbench.models.estimator_lookup import unpacked
        from workbench.models.state import plain, substate

        parts: Mapping[str, Any] = {"inputs": Inputs, "basis": CovariateBasis, "nuisance": NuisanceModel}
        made = {name: part.from_state(substate(state, name)) for name, part in parts.items()}
        made |= {name: plain(state[name]) for name in ("scale", "share", "players", "seed")}
        packed = np.asarray(state["estimator"], dtype=np.uint8)
        return cls(estimator=unpacked(packed.tobytes()) if len(packed) else None, **made)


def fit_model(
    estimator: Any, inputs: Inputs, prepared: Floats, target: Target, players: NDArray[np.intp], seed: int
) -> EstimatorModel:
    """Fit an estimator, already seeded, to one target.

    Parameters
    ----------
    estimator : BaseEstimator
        Fitted in place.
    inputs : Inputs
    prepared : ndarray of shape (n_train, n_columns)
        The training rows as `inputs` makes them.
    target : Target
        Of the same rows.
    players, seed : ndarray of int of shape (n_features,), int
        As in `EstimatorModel`.

    Returns
    -------
    EstimatorModel
        Without an estimator where the target is constant or every prepared value is 0.
    """
    learnt = (inputs, target.basis, target.nuisance, target.scale, target.share, players, seed)
    if target.constant or not prepared.any():
        return EstimatorModel(None, *learnt)
    weights = {}
    if target.weights is not None and _takes_weights(estimator):
        weights = {"sample_weight": target.weights}
    estimator.fit(prepared, target.given, **weights)
    return EstimatorModel(estimator, *learnt)


def _takes_weights(estimator: Any) -> bool:
    from sklearn.utils.validation import has_fit_parameter

    return bool(has_fit_parameter(estimator, "sample_weight"))
