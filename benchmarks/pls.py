"""Nested partial least squares with whole-procedure permutations against scikit-learn refitted, in one run.

    python benchmarks/pls.py [--sizes 57x225 120x6670 300x20000] [--quick]

One repeat of 5 x 5-fold cross-validation, 1 to 8 components, 5 covariates, y and 1,000 permuted targets; data, folds
and covariates as in ridge_permutations.py. Equality first: y and five permuted targets, chosen numbers of components
included. Then CPU seconds on one BLAS thread, all sides in turn:

ours        `workbench.models.pls.PLSLearner`, all targets
refit       GridSearchCV over a pipeline, one target at a time: what people run. One target is measured over all outer
            folds (one outer fold, labelled, where features are many), and multiplied by the number of targets
by hand     what a careful user would write: features prepared once per training set for all targets, then one
            PLSRegression of 8 components per target, whose leading components are the smaller models. The preparation
            and 3 targets are measured, targets multiplied

Peak memory is that of our path: growth of the resident set above what was resident before.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from _paired import arguments, peak_memory, print_machine, print_result, sizes_of, time_in_turn
from ridge_permutations import N_COVARIATES, PlainRidge, make_problem
from sklearn.cross_decomposition import PLSRegression
from sklearn.model_selection import GridSearchCV
from threadpoolctl import threadpool_limits

from workbench.models.learner import Fold
from workbench.models.pls import PLSLearner
from workbench.models.preprocessing import fit_nuisance, prepare_fold
from workbench.specs.learners import PLSSpec

COMPONENTS = tuple(range(1, 9))
N_PERMUTATIONS, N_CHECKED, BY_HAND = 1000, 6, 3
TOLERANCE = 1e-8
LARGE = 2e6


def ours(folds: Sequence[Fold], Y: np.ndarray) -> tuple[np.ndarray, list[int]]:
    """Held-out predictions of every fold, one below the other, and the components chosen for target 0."""
    fitted = [PLSLearner(PLSSpec(kind="pls", n_components=COMPONENTS)).fit(fold, Y, seed=0) for fold in folds]
    return np.vstack([one.predicted for one in fitted]), [int(one.chosen["n_components"]) for one in fitted]


class PlainPLS(PlainRidge):
    """Impute, residualise, standardise, PLSRegression: scikit-learn step by step."""

    def __init__(self, n_covariates: int = 0, n_components: int = 1) -> None:
        self.n_covariates = n_covariates
        self.n_components = n_components

    def fit(self, X: np.ndarray, y: np.ndarray) -> PlainPLS:
        """Learn every step from these rows."""
        features = self.prepare(X, y)
        residual = y - self.of_outcome_.predict(self._N(X))
        self.pls_ = PLSRegression(self.n_components, scale=False).fit(features, residual)
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Covariates' part and features' part."""
        return self.of_outcome_.predict(self._N(X)) + self.pls_.predict(self.standardised(X)).ravel()


def refit(folds: Sequence[Fold], y: np.ndarray) -> tuple[np.ndarray, list[int]]:
    """Predictions and numbers of components of one target by GridSearchCV."""
    predicted, chosen = [], []
    for fold in folds:
        place = {row: k for k, row in enumerate(fold.train)}
        splits = [([place[row] for row in one.train], [place[row] for row in one.test]) for one in fold.inner]
        both = np.column_stack([fold.X, fold.nuisance])
        grid = {"n_components": list(COMPONENTS)}
        search = GridSearchCV(PlainPLS(N_COVARIATES), grid, cv=splits, scoring="neg_mean_squared_error")
        search.fit(both[fold.train], y[fold.train])
        predicted.append(search.predict(both[fold.test]))
        chosen.append(search.best_params_["n_components"])
    return np.concatenate(predicted), chosen


def by_hand(folds: Sequence[Fold], Y: np.ndarray) -> np.ndarray:
    """Predictions of a few targets, preparation shared, one fit of all components per target and training set."""
    found = []
    for fold in folds:
        losses = np.mean([_held_out(fold, one.train, one.test, Y)[1] for one in fold.inner], axis=0)
        predicted = _held_out(fold, fold.train, fold.test, Y)[0]
        found.append(predicted[losses.argmin(axis=0), :, np.arange(Y.shape[1])].T)
    return np.vstack(found)


def _held_out(fold: Fold, train: np.ndarray, test: np.ndarray, Y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Predictions (n_components, n_test, n_targets) and their mean squared errors (n_components, n_targets)."""
    prepared = prepare_fold(fold.X, fold.nuisance, train, test)
    nuisance = fit_nuisance(Y[train], fold.nuisance[train], fold.nuisance[test])
    predicted = np.repeat(nuisance.test[None], len(COMPONENTS), axis=0)
    for target in range(Y.shape[1]):
        residual = (Y[train] - nuisance.train)[:, target]
        model = PLSRegression(COMPONENTS[-1], scale=False).fit(prepared.train_X, residual)
        steps = (prepared.test_X @ model.x_rotations_) * model.y_loadings_
        predicted[:, :, target] += np.cumsum(steps, axis=1).T
    return predicted, np.square(Y[test] - predicted).mean(axis=1)


def check_equality(folds: Sequence[Fold], Y: np.ndarray) -> float:
    """Largest relative difference to scikit-learn over y and five permuted targets; stops where a choice differs."""
    together, _ = ours(folds, Y)
    worst = 0.0
    for target in range(N_CHECKED):
        expected, components = refit(folds, Y[:, target])
        alone, found = ours(folds, Y[:, [target]])
        difference = max(np.abs(one - expected).max() for one in (together[:, target], alone[:, 0]))
        worst = max(worst, float(difference / np.abs(expected).max()))
        if worst > TOLERANCE or found != components:
            raise SystemExit(f"NOT EQUAL: target {target}, {found} against {components}, {worst:.1e}")
    return worst


def run_size(n: int, p: int, *, quick: bool) -> dict[str, float]:
    """Check, time and print one size."""
    print(f"\n{n} x {p}, y + {N_PERMUTATIONS} permutations", flush=True)
    problem = make_problem(n, p, N_PERMUTATIONS)
    folds, Y = problem.folds, problem.Y
    checked = folds[:1] if quick or n * p > 2e5 else folds
    worst = check_equality(checked, Y)
    print(
        f"  equal to scikit-learn: y and {N_CHECKED - 1} permuted targets, {len(checked)} of {len(folds)} outer folds, "
        f"same numbers of components, largest relative difference {worst:.1e}",
        flush=True,
    )
    refitted = folds[:1] if quick or n * p > LARGE else folds
    share = len(folds) / len(refitted)
    sides = {
        "ours": lambda: ours(folds, Y),
        "one": lambda: ours(folds, Y[:, :1]),
        "refit": lambda: refit(refitted, Y[:, 0]),
        "prepared": lambda: by_hand(refitted, Y[:, :0]),
        "by hand": lambda: by_hand(refitted, Y[:, :BY_HAND]),
    }
    times = {name: timing.cpu for name, timing in time_in_turn(sides, runs=1 if quick or n * p > LARGE else 3).items()}
    memory = peak_memory(sides["ours"])
    n_targets, seconds = Y.shape[1], times["ours"]
    refit_seconds = times["refit"] * share
    per_target = (times["by hand"] - times["prepared"]) / BY_HAND
    hand_seconds = (times["prepared"] + per_target * n_targets) * share
    scaled = "" if share == 1 else f", x {share:.0f} from 1 outer fold"
    print(
        f"  ours {seconds:.3f} s CPU, one target {times['one']:.3f} s\n"
        f"  refit, one target {refit_seconds:.2f} s{scaled}: {refit_seconds / times['one']:.0f} times; all targets "
        f"{refit_seconds * n_targets / seconds:,.0f} times (extrapolated x {n_targets})\n"
        f"  by hand, all targets {hand_seconds:.0f} s (extrapolated from {BY_HAND}{scaled}): "
        f"{hand_seconds / seconds:,.0f} times\n"
        f"  peak memory {memory.peak_mb:.0f} MB: {memory.growth_mb:.0f} MB above what was resident "
        f"(X is {folds[0].X.nbytes / 2**20:.0f} MB)",
        flush=True,
    )
    return {
        "seconds": seconds,
        "over_refit": refit_seconds * n_targets / seconds,
        "over_by_hand": hand_seconds / seconds,
        "single_over_refit": refit_seconds / times["one"],
        "growth_mb": memory.growth_mb,
        "difference": worst,
    }


def main() -> None:
    options = arguments(__doc__ or "", ("57x225", "120x6670", "300x20000"), quick=("57x225", "120x6670")).parse_args()
    warnings.filterwarnings("ignore", message="y residual is constant")
    print_machine("numpy", "scikit-learn")
    ours(*_warm_up())
    found = []
    with threadpool_limits(limits=1):
        for n, p in sizes_of(options):
            row = run_size(n, p, quick=options.quick)
            found += [(f"pls_{n}x{p}_{name}", value) for name, value in row.items()]
    print_result(found)


def _warm_up() -> tuple[Sequence[Fold], np.ndarray]:
    problem = make_problem(40, 60, 10)
    return problem.folds, problem.Y


if __name__ == "__main__":
    main()
