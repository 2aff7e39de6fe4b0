"""Nested ridge with whole-procedure permutations: our path against the incumbents, in one run, one BLAS thread.

    python benchmarks/ridge_permutations.py [--sizes 57x225 120x6670] [--quick] [--memmap] [--peers]

One repeat of 5 x 5-fold cross-validation, 20 alphas, 5 covariates, y and 1,000 permuted targets. Every size is checked
for equality with plain scikit-learn first, chosen alphas included, then timed in CPU seconds, all sides in turn:

ours          `workbench.models.gram.RidgeLearner`
kernel ridge  the rival that counts: scikit-learn's KernelRidge(kernel="precomputed") takes many targets at once;
              features prepared and kernel built once per training set, then one fit per alpha
refit         GridSearchCV over a pipeline, one target at a time: what people run. One target is measured, or less
              (labelled x), and multiplied
floor         useful floating-point operations at the measured dgemm rate, plus the measured eigendecompositions

The floor of the features: a Gram matrix of n rows takes n^2 p operations (half of a general product); each outer fold
needs one over all n rows and 5 over the 0.8 n training rows, 5 (1 + 5 * 0.64) n^2 p = 21 n^2 p. The floor of the
targets: each of the 25 inner folds rotates P targets, 2 m^2 P, and predicts v rows for A alphas, 2 A v m P, with
m = 0.64 n and v = 0.16 n. Two dgemm rates are taken: the best of this machine (1000 x 1000 x 1000), which makes the
floor, and that of (n x 2048) @ (2048 x n), which is what BLAS reaches at this n and is printed beside it. A shared
machine changes its speed from second to second, so floor and path are measured next to each other in many short rounds,
and the ratio is the median of those of the rounds.

Peak memory is that of our path: growth of the resident set above what was resident before, X and Y included there.
With --memmap X lies in a temporary file that is mapped into memory. Pages of it that were read count as resident until
the system wants them back, so the largest sum of what was allocated (tracemalloc, one outer fold) stands beside.

A forced OPENBLAS_CORETYPE is unset for all sides, and the kernels in use are printed.

With --peers himalaya and julearn are timed too (`_ridge_peers`, where it says what they leave out).
"""

from __future__ import annotations

import argparse
import resource
import statistics
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from _paired import blas_kernels, print_machine, with_best_blas_kernels
from _ridge_peers import ABSENT, himalaya_seconds, julearn_seconds
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.impute import SimpleImputer
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from workbench.models.gram import RidgeLearner
from workbench.models.learner import Fold
from workbench.models.preprocessing import fit_nuisance, prepare_fold
from workbench.records import Split
from workbench.specs.learners import RidgeSpec

SIZES = ("57x225", "120x6670", "300x20000", "623x79800")
ALPHAS = tuple(np.logspace(-1, 6, 20).tolist())
N_COVARIATES = 5
OUTER = INNER = 5
N_CHECKED = 6
TOLERANCE = 1e-8


@dataclass(frozen=True, eq=False)
class Problem:
    """Folds of one repeat over one data set, and its targets."""

    folds: tuple[Fold, ...]
    Y: np.ndarray


def make_problem(n: int, p: int, n_permutations: int, seed: int = 0, *, mapped: Path | None = None) -> Problem:
    """Eight latent factors, five covariates that go with everything, 1 % of columns with 3 % missing.

    The same numbers where X is made in a file, `mapped`, that is then mapped into memory to be read.
    """
    rng = np.random.default_rng(seed)
    latent, N = rng.standard_normal((n, 8)), rng.standard_normal((n, N_COVARIATES))
    X = np.empty((n, p)) if mapped is None else np.lib.format.open_memmap(mapped, mode="w+", shape=(n, p))
    for row in X:
        row[:] = rng.standard_normal(p)
    for columns in (slice(start, start + 4096) for start in range(0, p, 4096)):
        width = X[:, columns].shape[1]
        X[:, columns] += latent @ rng.standard_normal((8, width)) + 0.3 * N @ rng.standard_normal((N_COVARIATES, width))
    for column in rng.choice(p, max(1, p // 100), replace=False):
        X[rng.random(n) < 0.03, column] = np.nan
    y = latent[:, 0] + 0.5 * N[:, 0] + rng.standard_normal(n)
    Y = np.column_stack([y, *(rng.permutation(y) for _ in range(n_permutations))])
    if mapped is not None:
        X.flush()
        X = np.load(mapped, mmap_mode="r")
    folds = []
    for train, test in KFold(OUTER, shuffle=True, random_state=seed).split(X):
        inner = KFold(INNER, shuffle=True, random_state=seed).split(train)
        folds.append(Fold(X, N, train, test, tuple(Split(train[a], train[b]) for a, b in inner)))
    return Problem(tuple(folds), Y)


# ----------------------------------------------------------------------------------------------------------- four sides


def ours(folds: Sequence[Fold], Y: np.ndarray, alphas: Sequence[float] = ALPHAS) -> tuple[np.ndarray, np.ndarray]:
    """Held-out predictions of every fold, one below the other, and the alpha of target 0 in each fold."""
    learner = RidgeLearner(RidgeSpec(kind="ridge", alphas=tuple(alphas)))
    fitted = [learner.fit(fold, Y, seed=0) for fold in folds]
    return np.vstack([one.predicted for one in fitted]), np.array([[one.chosen["alpha"]] for one in fitted])


def kernel_ridge(folds: Sequence[Fold], Y: np.ndarray, alphas: Sequence[float] = ALPHAS) -> np.ndarray:
    """The same procedure out of multi-column KernelRidge fits on kernels made once per training set."""
    predictions = []
    for fold in folds:
        losses = np.mean([_kernel_losses(fold, one, Y, alphas) for one in fold.inner], axis=0)
        chosen = losses.argmin(axis=0)
        among, across, residual, base = _kernels(fold, fold.train, fold.test, Y)
        predicted = np.empty_like(base)
        for number in np.unique(chosen):
            which = chosen == number
            model = KernelRidge(alpha=alphas[number], kernel="precomputed").fit(among, residual[:, which])
            predicted[:, which] = base[:, which] + model.predict(across)
        predictions.append(predicted)
    return np.vstack(predictions)


def _kernels(fold: Fold, train: np.ndarray, test: np.ndarray, Y: np.ndarray) -> tuple[np.ndarray, ...]:
    prepared = prepare_fold(fold.X, fold.nuisance, train, test)
    nuisance = fit_nuisance(Y[train], fold.nuisance[train], fold.nuisance[test])
    among, across = prepared.train_X @ prepared.train_X.T, prepared.test_X @ prepared.train_X.T
    return among, across, Y[train] - nuisance.train, nuisance.test


def _kernel_losses(fold: Fold, one: Split, Y: np.ndarray, alphas: Sequence[float]) -> list[np.ndarray]:
    among, across, residual, base = _kernels(fold, one.train, one.test, Y)
    observed = Y[one.test] - base
    models = (KernelRidge(alpha=alpha, kernel="precomputed").fit(among, residual) for alpha in alphas)
    return [np.square(observed - model.predict(across)).mean(axis=0) for model in models]


class PlainRidge(RegressorMixin, BaseEstimator):
    """Impute, residualise on the covariates (the last columns of X), standardise, ridge: scikit-learn step by step."""

    def __init__(self, n_covariates: int = 0, alpha: float = 1.0) -> None:
        self.n_covariates = n_covariates
        self.alpha = alpha

    def fit(self, X: np.ndarray, y: np.ndarray) -> PlainRidge:
        """Learn every step from these rows."""
        residual = self.prepare(X, y)
        self.ridge_ = Ridge(self.alpha, fit_intercept=False).fit(residual, y - self.of_outcome_.predict(self._N(X)))
        return self

    def prepare(self, X: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Learn every step before the ridge; gives back the standardised residuals."""
        N = self._N(X)
        self.imputer_ = SimpleImputer().fit(X[:, : -self.n_covariates])
        filled = self.imputer_.transform(X[:, : -self.n_covariates])
        self.of_features_, self.of_outcome_ = LinearRegression().fit(N, filled), LinearRegression().fit(N, y)
        self.scaler_ = StandardScaler().fit(filled - self.of_features_.predict(N))
        return self.standardised(X)

    def standardised(self, X: np.ndarray) -> np.ndarray:
        """Features as the ridge sees them."""
        filled = self.imputer_.transform(X[:, : -self.n_covariates])
        return self.scaler_.transform(filled - self.of_features_.predict(self._N(X)))

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Covariates' part and features' part."""
        return self.of_outcome_.predict(self._N(X)) + self.ridge_.predict(self.standardised(X))

    def _N(self, X: np.ndarray) -> np.ndarray:  # noqa: N802
        return X[:, -self.n_covariates :]


def grid_search(fold: Fold, y: np.ndarray, alphas: Sequence[float] = ALPHAS) -> tuple[np.ndarray, float]:
    """What people run: prediction of the held-out rows and the chosen alpha, for one target."""
    place = {row: k for k, row in enumerate(fold.train)}
    splits = [([place[row] for row in one.train], [place[row] for row in one.test]) for one in fold.inner]
    both = np.column_stack([fold.X, fold.nuisance])
    search = GridSearchCV(
        PlainRidge(N_COVARIATES), {"alpha": list(alphas)}, cv=splits, scoring="neg_mean_squared_error"
    ).fit(both[fold.train], y[fold.train])
    return search.predict(both[fold.test]), search.best_params_["alpha"]


def plain_predictions(fold: Fold, Y: np.ndarray, alphas: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """The scikit-learn steps with GridSearchCV's rule, prepared once for a few targets: predictions, chosen alphas."""
    both = np.column_stack([fold.X, fold.nuisance])

    def predict(one: Split, model_alphas: Sequence[float]) -> list[np.ndarray]:
        model = PlainRidge(N_COVARIATES)
        train, test = model.prepare(both[one.train], Y[one.train]), model.standardised(both[one.test])
        of_outcome = model.of_outcome_.predict(fold.nuisance)
        residual = (Y - of_outcome)[one.train]
        ridges = (Ridge(alpha, fit_intercept=False).fit(train, residual) for alpha in model_alphas)
        return [of_outcome[one.test] + ridge.predict(test) for ridge in ridges]

    losses = np.mean(
        [[np.square(Y[one.test] - found).mean(axis=0) for found in predict(one, alphas)] for one in fold.inner], axis=0
    )
    chosen = losses.argmin(axis=0)
    used = np.unique(chosen)
    found = predict(Split(fold.train, fold.test), [alphas[number] for number in used])
    predicted = np.empty((len(fold.test), Y.shape[1]))
    for number, prediction in zip(used, found, strict=True):
        predicted[:, chosen == number] = prediction[:, chosen == number]
    return predicted, np.asarray(alphas)[chosen]


# ------------------------------------------------------------------------------------------------------------- equality


def check_equality(problem: Problem, n_folds: int, alphas: Sequence[float]) -> float:
    """Largest relative difference to scikit-learn over y and five permuted targets; stops where an alpha differs."""
    worst = 0.0
    for fold in problem.folds[:n_folds]:
        Y = problem.Y[:, :N_CHECKED]
        predicted, expected_alphas = plain_predictions(fold, Y, alphas)
        together, _ = ours([fold], Y, alphas)
        for target, expected_alpha in enumerate(expected_alphas):
            alone, alpha = ours([fold], Y[:, [target]], alphas)
            expected = predicted[:, target]
            difference = max(np.abs(together[:, target] - expected).max(), np.abs(alone[:, 0] - expected).max())
            worst = max(worst, float(difference / np.abs(expected).max()))
            if worst > TOLERANCE or not np.isclose(alpha[0, 0], expected_alpha, rtol=1e-12):
                raise SystemExit(
                    f"NOT EQUAL: target {target}, alpha {alpha[0, 0]} against {expected_alpha}, {worst:.1e}"
                )
    return worst


# --------------------------------------------------------------------------------------------------------------- timing


def cpu_seconds(run: Callable[[], object]) -> float:
    """CPU seconds of one call."""
    start = time.process_time()
    run()
    return time.process_time() - start


def dgemm_rates(n: int) -> tuple[float, float]:
    """Operations per second of a 1000 x 1000 x 1000 product, and of (n, 2048) @ (2048, n); medians, as of all sides."""
    rng = np.random.default_rng(0)
    square, wide = rng.standard_normal((1000, 1000)), rng.standard_normal((n, 2048))
    tall, repeats = rng.standard_normal((2048, n)), max(1, 10**8 // (n * n * 2048))
    best = 2e9 / statistics.median(cpu_seconds(lambda: square @ square) for _ in range(9))
    here = statistics.median(cpu_seconds(lambda: [wide @ tall for _ in range(repeats)]) for _ in range(9))
    return best, 2.0 * n * n * 2048 * repeats / here


def eigh_seconds(n: int) -> float:
    """CPU seconds of the eigendecompositions of all training sets of a repeat."""
    total = 0.0
    for rows, how_many in ((round(0.64 * n), OUTER * INNER), (round(0.8 * n), OUTER)):
        factor = np.random.default_rng(0).standard_normal((rows, 2 * rows))
        total += how_many * _eigh_seconds(factor @ factor.T, repeats=max(1, 10**7 // rows**3))
    return total


def _eigh_seconds(kernel: np.ndarray, repeats: int) -> float:
    runs = (cpu_seconds(lambda: [np.linalg.eigh(kernel) for _ in range(repeats)]) for _ in range(5))
    return statistics.median(runs) / repeats


def useful_operations(n: int, p: int, n_targets: int) -> float:
    """Floating-point operations that no exact path with a decomposition per training set avoids (see the top)."""
    m, v = 0.64 * n, 0.16 * n
    return 21.0 * n * n * p + 25.0 * (2 * m * m + 2 * len(ALPHAS) * v * m) * n_targets


class Round(NamedTuple):
    """Floor and path side by side: dgemm rates in operations per second, the floor and the rest in CPU seconds."""

    best: float
    here: float
    eigh: float
    floor: float
    floor_here: float
    ours: float


def run_round(problem: Problem, n: int, operations: float) -> Round:
    """Measure what the floor is made of, and our path."""
    best, here = dgemm_rates(n)
    seconds = cpu_seconds(lambda: ours(problem.folds, problem.Y))
    eigh = eigh_seconds(n)
    return Round(best, here, eigh, operations / best + eigh, operations / here + eigh, seconds)


def resident_peak() -> float | None:
    """Largest resident set since `reset_peak`, bytes; None where the system does not tell."""
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
    return float(fields["VmHWM"].split()[0]) * 1024


def reset_peak() -> float | None:
    """Forget the peak; gives back what is resident now."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return None
    return resident_peak()


def refit_seconds(problem: Problem, *, whole: bool) -> tuple[float, str]:
    """CPU seconds of the GridSearchCV pipeline for one target over the repeat, and how much of it was measured."""
    fold = problem.folds[0]
    y = problem.Y[:, 0]
    if whole:
        return sum(cpu_seconds(lambda: grid_search(fold, y)) for fold in problem.folds), "measured"  # noqa: B023
    few = (ALPHAS[10],)
    seconds = cpu_seconds(lambda: grid_search(fold, y, few))  # 5 inner fits and the refit
    fits = OUTER * (INNER * len(ALPHAS) + 1)
    return seconds * fits / (INNER + 1), f"x {fits / (INNER + 1):.0f} from {INNER + 1} fits"


def extra_memory(problem: Problem) -> tuple[float, float]:
    """Peak resident set of our path and its growth above what was resident, MB."""
    before = reset_peak()
    ours(problem.folds, problem.Y)
    peak = resident_peak()
    if before is None or peak is None:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, float("nan")
    return peak / 2**20, (peak - before) / 2**20


def largest_allocation(problem: Problem) -> float:
    """Largest sum of what our path allocates at a time in one outer fold, MB: what it needs beside X and Y."""
    tracemalloc.start()
    try:
        ours(problem.folds[:1], problem.Y)
        return tracemalloc.get_traced_memory()[1] / 2**20
    finally:
        tracemalloc.stop()


# --------------------------------------------------------------------------------------------------------------- report


def run_size(n: int, p: int, *, n_permutations: int, quick: bool, mapped: Path | None = None) -> dict[str, float]:
    """Check, time and print one size."""
    print(f"\n{n} x {p}, y + {n_permutations} permutations", flush=True)
    problem = make_problem(n, p, n_permutations, mapped=mapped)
    large = n * p > 2e7
    peak, extra = extra_memory(problem)
    folds, alphas = (1, ALPHAS[2::8]) if large else (1 if quick or n * p > 2e6 else OUTER, ALPHAS)
    worst = check_equality(problem, folds, alphas)
    print(f"  equal to scikit-learn: y and {N_CHECKED - 1} permuted targets, {folds} of {OUTER} outer folds, ", end="")
    print(f"{len(alphas)} alphas, same alphas chosen, largest relative difference {worst:.1e}", flush=True)

    repeats, rounds = (1, 1) if quick or large else (3, 15 if n * p <= 2e6 else 5)
    operations = useful_operations(n, p, problem.Y.shape[1])
    side_by_side = [run_round(problem, n, operations) for _ in range(rounds)]
    middle = Round(*(statistics.median(column) for column in zip(*side_by_side, strict=True)))
    over_floor = statistics.median(one.ours / one.floor for one in side_by_side)
    over_floor_here = statistics.median(one.ours / one.floor_here for one in side_by_side)
    rival_folds = problem.folds[:1] if large else problem.folds
    rivals = [cpu_seconds(lambda: kernel_ridge(rival_folds, problem.Y)) for _ in range(repeats)]
    rival = statistics.median(rivals) * len(problem.folds) / len(rival_folds)
    single = statistics.median(cpu_seconds(lambda: ours(problem.folds, problem.Y[:, :1])) for _ in range(repeats))
    agreement = _agreement(problem)
    refit, how = refit_seconds(problem, whole=n * p <= 2e6 and not quick)
    size = problem.folds[0].X.nbytes / 2**20
    seconds, n_targets = middle.ours, problem.Y.shape[1]
    print(
        f"  ours {seconds:.3f} s CPU | kernel ridge {rival:.2f} s{' (x 5 from 1 outer fold)' if large else ''}: "
        f"{rival / seconds:.1f} times (predictions of a fold differ by {agreement:.0e})\n"
        f"  floor {middle.floor:.3f} s at {middle.best / 1e9:.0f} Gflop/s, eigh {middle.eigh:.3f} s: "
        f"ours / floor {over_floor:.2f} | at {middle.here / 1e9:.0f} Gflop/s of this shape: {over_floor_here:.2f} "
        f"(medians of {rounds})\n"
        f"  refit, one target {refit:.1f} s ({how}); ours, one target {single:.3f} s: {refit / single:.0f} times; "
        f"all targets {refit * n_targets / seconds:,.0f} times (extrapolated x {n_targets})\n"
        f"  peak memory {peak:.0f} MB: {extra:.0f} MB above what was resident, X ({size:.0f} MB) and Y among it",
        flush=True,
    )
    if mapped is not None:
        print(f"  X in a memory map: at most {largest_allocation(problem):.0f} MB allocated in a fold", flush=True)
    return {
        "seconds": seconds,
        "over_kernel_ridge": rival / seconds,
        "over_floor": over_floor,
        "over_floor_at_shape": over_floor_here,
        "single_over_refit": refit / single,
        "extra_mb": extra,
        "difference": worst,
    }


def _agreement(problem: Problem) -> float:
    """Largest difference between our path and the rival over all targets of one outer fold: both did the same work."""
    found, _ = ours(problem.folds[:1], problem.Y)
    return float(np.abs(found - kernel_ridge(problem.folds[:1], problem.Y)).max())


def run_peers(n: int, p: int, *, n_permutations: int, julearn: Path) -> dict[str, float]:
    """Time and print what other tools take, and ours beside them."""
    problem = make_problem(n, p, n_permutations)
    y, few = problem.Y[:, 0], ALPHAS[10:12]
    theirs = himalaya_seconds(problem.folds, problem.Y, ALPHAS)
    one = julearn_seconds(problem.folds[0], y, few, julearn)
    seconds = cpu_seconds(lambda: ours(problem.folds, problem.Y))
    single = cpu_seconds(lambda: ours(problem.folds, problem.Y[:, :1]))
    fits, measured = OUTER * (INNER * len(ALPHAS) + 1), INNER * len(few) + 1
    found = {}
    if theirs is None:
        print(f"  himalaya: {ABSENT}")
    else:
        print(f"  himalaya {theirs:.3f} s, no covariates, scaled before inner folds: {theirs / seconds:.2f} x ours")
        found["himalaya_over_ours"] = theirs / seconds
    if one is None:
        print(f"  julearn: {ABSENT}")
    else:
        whole = one * fits / measured
        print(
            f"  julearn, one target {whole:.1f} s (x {fits / measured:.0f} from {measured} fits), nothing imputed: "
            f"{whole / single:.0f} x ours"
        )
        found["julearn_over_ours"] = whole / single
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Ridge with permutations against scikit-learn.")
    parser.add_argument("--sizes", nargs="+", default=SIZES[:3], help=f"rows x features (all: {' '.join(SIZES)})")
    parser.add_argument("--quick", action="store_true", help="one run each, less of the slow sides")
    parser.add_argument("--permutations", type=int, default=1000)
    parser.add_argument("--memmap", action="store_true", help="X in a temporary file, mapped into memory")
    parser.add_argument("--peers", action="store_true", help="himalaya and julearn too, where they are installed")
    parser.add_argument(
        "--julearn-python", type=Path, default=Path(sys.executable), help="interpreter that has julearn (default: this)"
    )
    options = parser.parse_args()
    with_best_blas_kernels()
    print_machine("numpy", "scikit-learn")
    print(f"BLAS kernels: {blas_kernels()}")
    found = []
    with threadpool_limits(limits=1), tempfile.TemporaryDirectory() as folder:
        for size in options.sizes:
            n, p = (int(part) for part in size.split("x"))
            mapped = Path(folder) / f"{size}.npy" if options.memmap else None
            row = run_size(n, p, n_permutations=options.permutations, quick=options.quick, mapped=mapped)
            if options.peers:
                row |= run_peers(n, p, n_permutations=options.permutations, julearn=options.julearn_python)
            found += [f"ridge_{size}_{name}={value:.4g}" for name, value in row.items()]
    print("\nRESULT " + " ".join(found))


if __name__ == "__main__":
    main()
