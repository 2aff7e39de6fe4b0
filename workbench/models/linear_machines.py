"""Linear machines that see the features only through their kernel: logistic ridge, linear SVM, linear SVR.

Each minimises a loss of the decision plus |w|^2 / 2, so w is a combination of the training rows, w = X'a, and the
decision is K a with K = X X'. The features of an outer fold are therefore reduced once to the space of people, exactly
as for ridge (`gram.decompose`: imputed, residualised on N and standardised by what each training set says); every
setting and every target is then fitted there, on n x n numbers whatever the number of features, and nothing is
approximated.

SVM and SVR are scikit-learn's own solvers (libsvm) on the precomputed kernel. Logistic ridge is solved here, by Newton
steps in the space of people: scikit-learn's takes no offset, through which the nuisance model enters; without it it
is `LogisticRegression`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np

from workbench.errors import FitError, Problem
from workbench.models.gram import decompose
from workbench.models.learner import Fitted, Fold, fitted_one_by_one
from workbench.models.linear_model import LinearModel, LinearSolution
from workbench.models.preprocessing import Floats, NuisancePredictions, residual_scale
from workbench.models.probabilities import CONVERGED, NEWTON_STEPS, expit, log_loss, log_odds, platt_line
from workbench.models.ridge_refit import Decomposition
from workbench.models.training_sets import TrainingSet, training_sets
from workbench.specs.learners import LinearSVMSpec, LinearSVRSpec, LogisticRidgeSpec

LIBSVM_TOLERANCE = 1e-4
"""Of scikit-learn's `tol` (default 1e-3): machines, and orders of arithmetic, agree to this instead."""
LEAST_WEIGHT = 1e-10
"""Of a row in a Newton step: a row predicted with certainty must not make the step infinite."""


@dataclass(frozen=True, eq=False)
class PeopleSpace:
    """One training set in the space of people: its kernel and that of the rows it predicts."""

    one: TrainingSet
    ridge: Decomposition

    @cached_property
    def factor(self) -> Floats:
        """L of shape (n_train, rank) with L L' = K."""
        wide = self.ridge.loadings is None
        return self.ridge.scores * np.sqrt(self.ridge.values) if wide else self.ridge.scores

    @cached_property
    def kernel(self) -> Floats:
        """K of the training rows."""
        kernel: Floats = self.factor @ self.factor.T
        return kernel

    def held_out(self, dual: Floats) -> Floats:
        """Decision in the rows that are predicted, w = X'dual."""
        decision: Floats = self.ridge.held_out @ (self.ridge.scores.T @ dual)
        return decision

    @cached_property
    def without_features(self) -> bool:
        """Whether no feature varies, so that there is nothing to add to the nuisance model."""
        return not self.ridge.scores.any()

    def nuisance(self, y: Floats) -> NuisancePredictions:
        """Predictions of the nuisance model for one target, each with one column."""
        return self.one.nuisance(y[self.one.train, None])


@dataclass(frozen=True, eq=False)
class Machine:
    """One target learnt in one training set: base and features' part, on the scale in which they add up.

    Attributes
    ----------
    dual : ndarray of shape (n_train,)
        Weights of the features are X'dual.
    shift : float
        What is predicted without the features, less what the nuisance model predicts.
    base_test : ndarray of shape (n_test,)
        That prediction in the rows held out; log-odds for a binary outcome.
    """

    dual: Floats
    shift: float
    base_test: Floats
    chosen: dict[str, float | int | str]


class LinearMachine:
    """What the machines share: reduction to the space of people, one fit per target, explanation in closed form.

    Weights and SHAP values are per SD of the residualised feature. For a binary outcome contributions to the log-odds
    are rescaled to probabilities, as for trees (`probabilities.chord`), so that they add up to the prediction; a weight
    is the mean over the training people of the change of the probability.
    """

    linear = True
    batched = False
    binary = True

    def fit(self, fold: Fold, Y: Floats, *, seed: int, explain: int = 0) -> Fitted:
        """Tune in the inner folds, fit on the training rows, predict the held-out rows; see `Learner`.

        Nothing is random here: `seed` is not used.
        """
        sets = training_sets(fold, tune=self._needs_inner())
        spaces = [PeopleSpace(one, ridge) for one, ridge in zip(sets, decompose(fold.X, sets), strict=True)]
        outer = spaces[-1]
        machines = [self._learn(spaces[:-1], outer, np.ascontiguousarray(y)) for y in Y.T]
        margins = np.column_stack([machine.base_test + outer.held_out(machine.dual) for machine in machines])
        models = tuple(
            partial(self._model, fold, outer, y, machine)
            for y, machine in zip(Y.T[: max(explain, 1)], machines, strict=False)
        )
        return fitted_one_by_one(expit(margins) if self.binary else margins, machines[0].chosen, fold, models)

    def _model(self, fold: Fold, outer: PeopleSpace, y: Floats, machine: Machine) -> LinearModel:
        y_train = np.ascontiguousarray(y[outer.one.train])
        ridge, weights = outer.ridge, lambda: ridge.weights(ridge.scores.T @ machine.dual)
        return LinearSolution(fold, outer.one, y_train, weights, shift=machine.shift, logistic=self.binary).model

    def _needs_inner(self) -> bool:
        raise NotImplementedError

    def _learn(self, inner: Sequence[PeopleSpace], outer: PeopleSpace, y: Floats) -> Machine:
        """Choose the settings for one target in the inner folds, and fit it to the whole training set."""
        raise NotImplementedError


# ------------------------------------------------------------------------------------------------------ logistic ridge


class LogisticRidgeLearner(LinearMachine):
    """Logistic regression with a ridge penalty, C chosen in the inner folds by Brier score.

    Minimises ``C sum_i loss_i + |w|^2 / 2`` (scikit-learn's C) over w and a free intercept, beside the log-odds of the
    nuisance model. A training set in which everybody has the same label, or in which no feature varies, predicts its
    nuisance model.

    References
    ----------
    le Cessie, S., van Houwelingen, J. C. (1992). Applied Statistics 41, 191-201.
    """

    def __init__(self, spec: LogisticRidgeSpec) -> None:
        self.grid = spec.C

    def _needs_inner(self) -> bool:
        return len(self.grid) > 1

    def _learn(self, inner: Sequence[PeopleSpace], outer: PeopleSpace, y: Floats) -> Machine:
        losses = np.zeros(len(self.grid))
        for space in inner:
            path = _logistic_path(space, y, self.grid)
            losses += [
                _mean_square(y[space.one.test] - expit(one.base_test + space.held_out(one.dual))) for one in path
            ]
        best = int(np.argmin(losses))  # the first of equals, as GridSearchCV
        return replace(_logistic_path(outer, y, self.grid[best : best + 1])[0], chosen={"C": self.grid[best]})


def _logistic_path(space: PeopleSpace, y: Floats, grid: Sequence[float]) -> list[Machine]:
    """Logistic ridge of one training set for every C, each started from the one before."""
    labels, nuisance = y[space.one.train], space.nuisance(y)
    train, test = nuisance.train_margin[:, 0], nuisance.test_margin[:, 0]
    dual, intercept = np.zeros(len(labels)), 0.0
    path = []
    for C in grid:
        if np.ptp(labels) > 0 and not space.without_features:
            dual, intercept = solve_logistic(space, labels, train, C, (dual, intercept))
        path.append(Machine(dual, intercept, test + intercept, {}))
    return path


def solve_logistic(
    space: PeopleSpace, labels: Floats, offset: Floats, C: float, start: tuple[Floats, float]
) -> tuple[Floats, float]:
    """Minimise ``C sum(log(1 + exp(f)) - labels f) + a'K a / 2`` with f = offset + b + K a.

    Each Newton step is weighted ridge with an intercept: with p = expit(f), D = C p (1 - p) and working response
    z = f - offset + (labels - p) / (p (1 - p)), solve (K + 1/D) a + b = z and sum(a) = 0. Steps are halved until the
    objective falls.

    Parameters
    ----------
    labels, offset : ndarray of shape (n_train,)
        Labels 0 and 1, not all equal.
    start : (ndarray of shape (n_train,), float)
        Where to begin.

    Returns
    -------
    dual : ndarray of shape (n_train,)
    intercept : float

    Raises
    ------
    FitError
        If `probabilities.NEWTON_STEPS` steps do not suffice.
    """
    K = space.kernel
    dual, intercept = start
    features = K @ dual
    objective = C * log_loss(offset + intercept + features, labels) + 0.5 * float(dual @ features)
    for _ in range(NEWTON_STEPS):
        margin = offset + intercept + features
        new_dual, new_intercept = _newton_target(space, labels, offset, margin, C)
        step, step_intercept = new_dual - dual, new_intercept - intercept
        moved = K @ step
        largest = float(np.abs(moved + step_intercept).max())
        share = 1.0
        while True:
            trial = features + share * moved
            value = C * log_loss(offset + intercept + share * step_intercept + trial, labels)
            value += 0.5 * float((dual + share * step) @ trial)
            if value <= objective + 1e-12 * abs(objective) or share * largest <= CONVERGED:
                break
            share /= 2
        dual, intercept, features = dual + share * step, intercept + share * step_intercept, trial
        objective = value
        if share * largest <= CONVERGED * max(1.0, float(np.abs(margin).max())):
            return dual, intercept
    raise FitError(Problem("", f"logistic ridge did not converge at C = {C:g}", "leave out the largest C"))


def _newton_target(
    space: PeopleSpace, labels: Floats, offset: Floats, margin: Floats, C: float
) -> tuple[Floats, float]:
    probability = expit(margin)
    weight = np.maximum(probability * (1 - probability), LEAST_WEIGHT)
    D = C * weight
    response = margin - offset + (labels - probability) / weight
    solved = _solve_ridge(space, D, np.column_stack([np.ones(len(D)), response]))
    intercept = float(solved[:, 1].sum() / solved[:, 0].sum())
    return solved[:, 1] - intercept * solved[:, 0], intercept


def _solve_ridge(space: PeopleSpace, D: Floats, right: Floats) -> Floats:
    """(K + 1/D)^-1 right, through the smaller of the rank of K and its order (Woodbury)."""
    from scipy.linalg import cho_factor, cho_solve

    L = space.factor
    n_train, rank = L.shape
    if 2 * rank < n_train:
        weighted = L * D[:, None]
        factor = cho_factor(L.T @ weighted + np.eye(rank), lower=True, overwrite_a=True, check_finite=False)
        inner: Floats = cho_solve(factor, weighted.T @ right, check_finite=False)
        return D[:, None] * right - weighted @ inner
    root = np.sqrt(D)
    matrix = space.kernel * root
    matrix *= root[:, None]
    matrix.flat[:: n_train + 1] += 1.0
    factor = cho_factor(matrix, lower=True, overwrite_a=True, check_finite=False)
    solved: Floats = cho_solve(factor, root[:, None] * right, check_finite=False)
    return root[:, None] * solved


# --------------------------------------------------------------------------------------------- support vector machines


class LinearSVMLearner(LinearMachine):
    """Linear support vector machine with probabilities, C chosen in the inner folds by Brier score.

    The decision of scikit-learn's ``SVC(kernel="linear", C)`` becomes a probability by Platt's line, fitted inside the
    training fold to the decisions of the inner folds in their held-out rows, what covariates add to the log-odds as
    offset: ``CalibratedClassifierCV(SVC(..), method="sigmoid", ensemble=False, cv=inner)``. Where the line would turn
    decisions round (`probabilities.platt_line`) the features say nothing, and the prediction is that of the nuisance
    model. The C of smallest Brier score of those calibrated decisions is refitted; with two parameters for all inner
    folds that score is slightly optimistic, and it only ranks.

    References
    ----------
    Cortes, C., Vapnik, V. (1995). Machine Learning 20, 273-297. Platt, J. (1999): see `probabilities.platt_line`.
    """

    def __init__(self, spec: LinearSVMSpec) -> None:
        self.grid = spec.C

    def _needs_inner(self) -> bool:
        return True

    def _learn(self, inner: Sequence[PeopleSpace], outer: PeopleSpace, y: Floats) -> Machine:
        test = outer.nuisance(y).test_margin[:, 0]
        if outer.without_features:
            return Machine(np.zeros(len(outer.one.train)), 0.0, test, {"C": self.grid[0]})
        held_out = np.concatenate([space.one.test for space in inner])
        labels, nuisance = y[held_out], [space.nuisance(y) for space in inner]
        base = np.concatenate([one.test_margin[:, 0] for one in nuisance])
        # Platt's intercept holds the share of cases of the whole training fold; the offset is what covariates add.
        shares = [_log_odds_of_share(space, y) for space in inner]
        offset = base - np.repeat(shares, [len(space.one.test) for space in inner])
        fold = np.repeat(np.arange(len(inner)), [len(space.one.test) for space in inner])
        best: tuple[float, float, float, float] | None = None
        for C in self.grid:
            decision = np.concatenate([_decide(space, y, C) for space in inner])
            slope, intercept = platt_line(decision, labels, offset)
            margin = slope * decision + intercept + offset if slope > 0 else base
            squares = np.square(labels - expit(margin))
            loss = float(np.mean(np.bincount(fold, squares) / np.bincount(fold)))
            if best is None or loss < best[0]:
                best = (loss, C, slope, intercept)
        assert best is not None  # the grid has one value at least
        _, C, slope, intercept = best
        dual, bias = fit_svc(outer.kernel, y[outer.one.train], C)
        shift = slope * bias + intercept - _log_odds_of_share(outer, y) if slope > 0 else 0.0
        return Machine(slope * dual, shift, test + shift, {"C": C})


def _log_odds_of_share(space: PeopleSpace, y: Floats) -> float:
    """Log-odds of the share of cases among the training rows."""
    train = space.one.train
    return float(log_odds(y[train].mean(keepdims=True), len(train))[0])


def _decide(space: PeopleSpace, y: Floats, C: float) -> Floats:
    dual, bias = fit_svc(space.kernel, y[space.one.train], C)
    return space.held_out(dual) + bias


def fit_svc(kernel: Floats, labels: Floats, C: float, tol: float = LIBSVM_TOLERANCE) -> tuple[Floats, float]:
    """Dual coefficients and intercept of scikit-learn's ``SVC`` on a kernel; zeros where there is one class only.

    Parameters
    ----------
    labels : ndarray of shape (n,)
        0 and 1.
    """
    from sklearn.svm import SVC

    dual = np.zeros(len(labels))
    if np.ptp(labels) == 0:
        return dual, 0.0
    svc = SVC(kernel="precomputed", C=C, tol=tol).fit(kernel, (labels > 0).astype(int))
    dual[svc.support_] = svc.dual_coef_[0]
    return dual, float(svc.intercept_[0])


class LinearSVRLearner(LinearMachine):
    """Linear support vector regression, C chosen in the inner folds by squared error.

    scikit-learn's ``SVR(kernel="linear", C, epsilon)`` on the residual of the nuisance model in SD of the training
    residuals, so that C and epsilon mean the same for every outcome.

    References
    ----------
    Smola, A., Schoelkopf, B. (2004). Statistics and Computing 14, 199-222.
    """

    binary = False

    def __init__(self, spec: LinearSVRSpec) -> None:
        self.grid, self.epsilon = spec.C, spec.epsilon

    def _needs_inner(self) -> bool:
        return len(self.grid) > 1

    def _learn(self, inner: Sequence[PeopleSpace], outer: PeopleSpace, y: Floats) -> Machine:
        losses = np.zeros(len(self.grid))
        for space in inner:
            machines = [self._machine(space, y, C) for C in self.grid]
            losses += [_mean_square(y[space.one.test] - one.base_test - space.held_out(one.dual)) for one in machines]
        return self._machine(outer, y, self.grid[int(np.argmin(losses))])  # the first of equals, as GridSearchCV

    def _machine(self, space: PeopleSpace, y: Floats, C: float) -> Machine:
        nuisance = space.nuisance(y)
        train, test = nuisance.train[:, 0], nuisance.test[:, 0]
        residual = y[space.one.train] - train
        scale = residual_scale(residual, y[space.one.train])
        if scale == 0:
            return Machine(np.zeros(len(residual)), 0.0, test, {"C": C})
        dual, bias = fit_svr(space.kernel, residual / scale, C, self.epsilon)
        return Machine(scale * dual, scale * bias, test + scale * bias, {"C": C})


def fit_svr(
    kernel: Floats, target: Floats, C: float, epsilon: float, tol: float = LIBSVM_TOLERANCE
) -> tuple[Floats, float]:
    """Dual coefficients and intercept of scikit-learn's ``SVR`` on a kernel."""
    from sklearn.svm import SVR

    svr = SVR(kernel="precomputed", C=C, epsilon=epsilon, tol=tol).fit(kernel, target)
    dual = np.zeros(len(target))
    dual[svr.support_] = svr.dual_coef_[0]
    return dual, float(svr.intercept_[0])


def _mean_square(error: Floats) -> float:
    return float(error @ error) / len(error)
