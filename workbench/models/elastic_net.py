"""Elastic net along warm-started paths, solved on the few columns that matter and certified on all of them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from workbench.models.learner import Fitted, Fold, fitted_one_by_one
from workbench.models.linear_model import LinearModel, nuisance_of
from workbench.models.preparation import CovariateBasis, Preparation
from workbench.models.preprocessing import PreparedFold, nuisance_basis, prepare_on_basis, residual_scale
from workbench.models.training_sets import TrainingSet
from workbench.specs.learners import ElasticNetSpec

MAX_SWEEPS = 10_000
"""Coordinate-descent sweeps per alpha and working set."""
TOLERANCE = 1e-4
"""Duality gap, as a share of y'y, at which a solution is taken: scikit-learn's default."""
ADDED_SHARE = 0.25
"""Columns added to a working set at once, as a share of the rows: fewer need more passes over X, more cost sweeps.
Between 1/4 and 1 the time differed by a third at 96 x 6670 and 240 x 5000."""


class ElasticNetLearner:
    """Elastic net on features imputed, residualised on N and standardised in the fold, along warm-started paths.

    What N leaves of the outcome, e, is divided by its SD in every training set too, since neither the solver's
    tolerance nor its way along the path follows the unit of the outcome; alpha therefore has no unit. For each l1_ratio
    the alphas of an outer fold are `n_alphas` geometric steps from the smallest alpha that empties the model on its
    whole training set, max|X'e| / (n l1_ratio), down to `smallest` times it. The same alphas are tried in every inner
    fold, with all preprocessing learnt again there; the pair (l1_ratio, alpha) of smallest mean over inner folds of the
    mean squared error is refitted. Of equal pairs the first l1_ratio and the largest alpha win. This is
    ``GridSearchCV`` over a scikit-learn pipeline with those alphas, ``ElasticNet`` in a ``TransformedTargetRegressor``
    that standardises, to the tolerance of the solver. Every target has its own path: no work is shared between
    permutations.

    References
    ----------
    Zou, H., Hastie, T. (2005). J. Royal Statistical Society B 67, 301-320.
    Friedman, J., Hastie, T., Tibshirani, R. (2010). J. Statistical Software 33(1).
    """

    linear = True
    batched = False

    def __init__(self, spec: ElasticNetSpec, kept: Mapping[str, float | int | str] | None = None) -> None:
        """Tuned by a search, or with the l1_ratio and alpha that an earlier search chose."""
        self.spec, self.kept = spec, kept

    def fit(self, fold: Fold, Y: np.ndarray, *, seed: int, explain: int = 0) -> Fitted:
        """Tune in the inner folds, fit on the training rows, predict the held-out rows; see `Learner`."""
        searched = fold.inner if self.kept is None else ()
        inner = [_LinearFold.of(fold, split.train, split.test, Y) for split in searched]
        outer = _LinearFold.of(fold, fold.train, fold.test, Y)
        chosen = [self._tune(outer, inner, target) for target in range(Y.shape[1])]
        coefficients = np.column_stack([one.coefficients for one in chosen])
        coefficients *= outer.scales
        predicted = outer.nuisance_test + outer.prepared.test_X @ coefficients
        first = {"l1_ratio": chosen[0].l1_ratio, "alpha": chosen[0].alpha, "not_converged": chosen[0].n_not_converged}
        models = tuple(partial(outer.model, y, column) for y, column in zip(Y.T, coefficients.T, strict=True))
        return fitted_one_by_one(predicted, first, fold, models[: max(explain, 1)])

    def _tune(self, outer: _LinearFold, inner: Sequence[_LinearFold], target: int) -> _Chosen:
        if self.kept is not None:
            return self._with(float(self.kept["l1_ratio"]), float(self.kept["alpha"]), outer, target)
        paths = [self._alphas(outer, l1_ratio, target) for l1_ratio in self.spec.l1_ratio]
        if not paths[0][0]:
            return self._with(self.spec.l1_ratio[0], 0.0, outer, target)
        loss = np.array(
            [
                np.mean([held_out.path_loss(alphas, l1_ratio, target) for held_out in inner], axis=0)
                for l1_ratio, alphas in zip(self.spec.l1_ratio, paths, strict=True)
            ]
        )
        ratio, step = np.unravel_index(int(np.argmin(loss)), loss.shape)
        l1_ratio, alphas = self.spec.l1_ratio[ratio], paths[ratio][: step + 1]
        coefficients, n_not_converged = outer.path(alphas, l1_ratio, target)
        return _Chosen(l1_ratio, float(alphas[-1]), coefficients[:, -1], n_not_converged)

    def _with(self, l1_ratio: float, alpha: float, outer: _LinearFold, target: int) -> _Chosen:
        """One solution, without a path that leads to it; alpha 0 stands for a target that nothing correlates with."""
        if not alpha:
            return _Chosen(l1_ratio, 0.0, np.zeros(outer.prepared.train_X.shape[1]), 0)
        coefficients, n_not_converged = outer.path(np.array([alpha]), l1_ratio, target)
        return _Chosen(l1_ratio, alpha, coefficients[:, -1], n_not_converged)

    def _alphas(self, outer: _LinearFold, l1_ratio: float, target: int) -> np.ndarray:
        correlation = outer.prepared.train_X.T @ outer.residual[:, target]
        largest = np.abs(correlation).max(initial=0.0) / (len(outer.residual) * l1_ratio)
        path: np.ndarray = largest * np.geomspace(1.0, self.spec.smallest, self.spec.n_alphas)
        return path


@dataclass(frozen=True, eq=False)
class _Chosen:
    l1_ratio: float
    alpha: float
    coefficients: np.ndarray
    n_not_converged: int


@dataclass(frozen=True, eq=False)
class _LinearFold:
    """Prepared features and residual targets of one training set and the rows it predicts."""

    one: TrainingSet
    prepared: PreparedFold
    """`train_X` in Fortran order: working sets are taken column by column."""
    residual: np.ndarray
    """What least squares on N leaves of the targets, divided by `scales`; 0 where that is nothing."""
    scales: np.ndarray
    """SD of what is left of each target, (n_targets,)."""
    nuisance_train: np.ndarray
    nuisance_test: np.ndarray
    y_test: np.ndarray

    @classmethod
    def of(cls, fold: Fold, train: np.ndarray, test: np.ndarray, Y: np.ndarray) -> _LinearFold:
        basis = nuisance_basis(fold.nuisance[train], fold.nuisance[test])
        prepared = prepare_on_basis(fold.X[train], fold.X[test], basis)
        prepared = replace(prepared, train_X=np.asfortranarray(prepared.train_X))
        one = TrainingSet(train, test, basis, fold.outcome_type == "binary")
        nuisance, residual = one.nuisance(Y[train]), one.residual(Y[train])
        scales = np.array([residual_scale(*columns) for columns in zip(residual.T, Y[train].T, strict=True)])
        residual = np.divide(residual, scales, out=np.zeros_like(residual), where=scales > 0)
        return cls(one, prepared, residual, scales, nuisance.train, nuisance.test, Y[test])

    def model(self, y: np.ndarray, coefficients: np.ndarray) -> LinearModel:
        """Of a target (n_rows,) and its coefficients in units of the outcome."""
        preparation = Preparation.empty(len(coefficients), self.one.basis.train.shape[1])
        preparation.put(slice(None), self.prepared)
        nuisance = nuisance_of(self.one, y[self.one.train])
        return LinearModel(CovariateBasis.of(self.one.basis), preparation, nuisance, coefficients)

    def path(self, alphas: np.ndarray, l1_ratio: float, target: int) -> tuple[np.ndarray, int]:
        """Coefficients of the standardised target (n_features, n_alphas), and how many alphas the solver gave up on."""
        return elastic_net_path(self.prepared.train_X, self.residual[:, target], alphas, l1_ratio=l1_ratio)

    def path_loss(self, alphas: np.ndarray, l1_ratio: float, target: int) -> np.ndarray:
        """Mean squared error in the held-out rows, one per alpha."""
        coefficients, _ = self.path(alphas, l1_ratio, target)
        error = (self.y_test - self.nuisance_test)[:, target, None]
        error = error - self.scales[target] * (self.prepared.test_X @ coefficients)
        loss: np.ndarray = np.square(error).mean(axis=0)
        return loss


# ------------------------------------------------------------------------------------------------------------- the path


def elastic_net_path(
    X: np.ndarray, y: np.ndarray, alphas: np.ndarray, *, l1_ratio: float, tolerance: float = TOLERANCE
) -> tuple[np.ndarray, int]:
    """scikit-learn's ``enet_path`` without an intercept, solved on working sets of columns.

    For each alpha, scikit-learn solves the problem on the columns in use and on those that break the optimality
    conditions most, until the duality gap of the problem on *all* columns is within the tolerance. That is the
    certificate that ``enet_path`` itself stops at; only the way there is shorter, since most columns are never swept.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_features)
        Fortran order; centred.
    y : ndarray of shape (n_rows,)
        Centred.
    alphas : ndarray of shape (n_alphas,)
        Positive, from large to small.
    l1_ratio : float
        In (0, 1].
    tolerance : float
        Largest duality gap, as a share of y'y.

    Returns
    -------
    coefficients : ndarray of shape (n_features, n_alphas)
    n_not_converged : int
        Alphas of which the gap is larger.

    References
    ----------
    Johnson, T., Guestrin, C. (2015). Blitz: a principled meta-algorithm for scaling sparse optimization. ICML 37.
    Massias, M., Gramfort, A., Salmon, J. (2018). Celer: a fast solver for the lasso with dual extrapolation. ICML 80.
    """
    from sklearn import config_context
    from sklearn.exceptions import ConvergenceWarning

    path = np.zeros((X.shape[1], len(alphas)), order="F")
    y = np.ascontiguousarray(y)
    solution = _Solution.of(X, y, np.zeros(X.shape[1]))
    n_not_converged = 0
    # Checking our own parameters hundreds of times would take longer than solving.
    with warnings.catch_warnings(), config_context(skip_parameter_validation=True):
        warnings.simplefilter("ignore", ConvergenceWarning)  # counted instead
        for step, alpha in enumerate(alphas):
            penalty = _Penalty(float(alpha), l1_ratio, len(y))
            solution, converged = _solve(X, y, solution, penalty, tolerance)
            path[:, step] = solution.weights
            n_not_converged += not converged
    return path, n_not_converged


@dataclass(frozen=True)
class _Penalty:
    """Of 1/2 |y - Xw|^2 + l1 |w|_1 + l2 / 2 |w|^2: scikit-learn's objective times the number of rows."""

    alpha: float
    l1_ratio: float
    n_rows: int

    @property
    def l1(self) -> float:
        return self.alpha * self.l1_ratio * self.n_rows

    @property
    def l2(self) -> float:
        return self.alpha * (1.0 - self.l1_ratio) * self.n_rows


@dataclass(frozen=True, eq=False)
class _Solution:
    weights: np.ndarray
    residual: np.ndarray
    correlation: np.ndarray
    """X' residual, all columns: the one pass over X that a working set costs."""

    @classmethod
    def of(cls, X: np.ndarray, y: np.ndarray, weights: np.ndarray) -> _Solution:
        used = np.flatnonzero(weights)
        residual = y - X[:, used] @ weights[used]
        return cls(weights, residual, X.T @ residual)

    def slope(self, penalty: _Penalty) -> np.ndarray:
        """|derivative of the smooth part|; at the optimum l1 where a column is used, at most l1 elsewhere."""
        slope: np.ndarray = np.abs(self.correlation - penalty.l2 * self.weights)
        return slope

    def gap(self, y: np.ndarray, penalty: _Penalty) -> float:
        """Duality gap: an upper bound of how far the objective is from its minimum (scikit-learn's formulation A)."""
        steepest = float(self.slope(penalty).max(initial=0.0))
        shrunk = min(1.0, penalty.l1 / steepest) if steepest > 0 else 1.0
        squares = self.residual @ self.residual + penalty.l2 * (self.weights @ self.weights)
        primal = 0.5 * squares + penalty.l1 * np.abs(self.weights).sum()
        return float(primal + 0.5 * shrunk**2 * squares - shrunk * (self.residual @ y))


def _solve(
    X: np.ndarray, y: np.ndarray, start: _Solution, penalty: _Penalty, tolerance: float
) -> tuple[_Solution, bool]:
    """Solution for one alpha from that of the alpha before, and whether its gap is within the tolerance."""
    enough = tolerance * float(y @ y) * (1 + 1e-6)  # the solver sums in another order
    solution, working = start, start.weights != 0
    n_added = max(1, round(ADDED_SHARE * len(y)))
    while solution.gap(y, penalty) > enough:
        slope = solution.slope(penalty)
        new = np.flatnonzero((slope > penalty.l1) & ~working)
        if len(new) == 0 and solution is not start:
            return solution, False
        if len(new) > n_added:
            new = new[np.argpartition(-slope[new], n_added)[:n_added]]
        working[new] = True
        solution = _Solution.of(X, y, _solved_on(np.flatnonzero(working), X, y, solution.weights, penalty, tolerance))
    return solution, True


def _solved_on(
    working: np.ndarray, X: np.ndarray, y: np.ndarray, weights: np.ndarray, penalty: _Penalty, tolerance: float
) -> np.ndarray:
    """Weights of all columns, those outside the working set 0."""
    from sklearn.linear_model import enet_path

    columns = X[:, working]
    _, found, _ = enet_path(
        columns,
        y,
        l1_ratio=penalty.l1_ratio,
        alphas=[penalty.alpha],
        precompute=columns.T @ columns,
        Xy=columns.T @ y,
        coef_init=weights[working],
        copy_X=False,
        check_input=False,
        max_iter=MAX_SWEEPS,
        tol=tolerance,
    )
    solved = np.zeros_like(weights)
    solved[working] = found[:, 0]
    return solved
