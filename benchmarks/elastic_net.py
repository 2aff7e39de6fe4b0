"""Elastic-net paths: our working sets against scikit-learn's path and against a grid of cold fits, in one run.

    python benchmarks/elastic_net.py [--sizes 120x6670 300x5000] [--l1-ratio 0.5] [--quick]

One l1_ratio, 30 alphas over three powers of ten, 5 folds, columns standardised beforehand and no intercept on
any side, solver tolerance 1e-4. Two data sets: *factors* is what the workbench meets (8 latent factors run through all
columns), *sparse* has independent columns of which 20 matter, which is kindest to coordinate descent.

ours           `workbench.models.elastic_net.elastic_net_path`, the training rows of one fold after another
warm path      scikit-learn's enet_path on the same rows and alphas, each alpha from the solution before; with the mean
               squared errors this is what ElasticNetCV does
ElasticNetCV   scikit-learn's own class, refit included
cold grid      GridSearchCV over ElasticNet: every alpha from nothing. What people run; one fold of it is measured, x 5

Equality first, at tolerance 1e-10: the largest difference of predictions over the path. Then that at tolerance 1e-4,
where both sides stop at the same certificate but in different places.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
from _paired import arguments, cpu_seconds, peak_memory, print_machine, print_result, sizes_of, time_in_turn
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import ElasticNet, ElasticNetCV, enet_path
from sklearn.model_selection import GridSearchCV, KFold
from threadpoolctl import threadpool_limits

from workbench.models.elastic_net import MAX_SWEEPS, elastic_net_path

N_ALPHAS, SMALLEST, FOLDS = 30, 1e-3, 5
EQUAL_TO = 1e-6
Path = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def make_data(kind: str, n: int, p: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Standardised columns in Fortran order, centred target."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p))
    if kind == "factors":
        latent = rng.standard_normal((n, 8))
        X += latent @ rng.standard_normal((8, p))
        y = latent[:, 0] + rng.standard_normal(n)
    else:
        y = X[:, :20].sum(axis=1) / np.sqrt(20) + rng.standard_normal(n)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    return np.asfortranarray(X), y - y.mean()


def ours(l1_ratio: float, tolerance: float = 1e-4) -> Path:
    return lambda X, y, alphas: elastic_net_path(X, y, alphas, l1_ratio=l1_ratio, tolerance=tolerance)[0]


def warm(l1_ratio: float, tolerance: float = 1e-4) -> Path:
    options = {"l1_ratio": l1_ratio, "tol": tolerance, "max_iter": MAX_SWEEPS, "copy_X": False}
    return lambda X, y, alphas: enet_path(X, y, alphas=alphas, **options)[1]


def cross_validated(path: Path, X: np.ndarray, y: np.ndarray, alphas: np.ndarray) -> np.ndarray:
    """Mean squared error by alpha over the folds."""
    losses = []
    for train, test in KFold(FOLDS).split(X):
        coefficients = path(np.asfortranarray(X[train]), y[train], alphas)
        losses.append(np.square(y[test, None] - X[test] @ coefficients).mean(axis=0))
    mean: np.ndarray = np.mean(losses, axis=0)
    return mean


def cold(X: np.ndarray, y: np.ndarray, alphas: np.ndarray, l1_ratio: float) -> None:
    fold = [next(iter(KFold(FOLDS).split(X)))]
    model = ElasticNet(l1_ratio=l1_ratio, fit_intercept=False, max_iter=MAX_SWEEPS)
    GridSearchCV(model, {"alpha": alphas}, cv=fold, scoring="neg_mean_squared_error", refit=False).fit(X, y)


def difference(X: np.ndarray, y: np.ndarray, alphas: np.ndarray, one: Path, other: Path) -> float:
    """Largest difference of predictions over a path, as a share of the largest prediction."""
    expected = X @ other(X, y, alphas)
    return float(np.abs(X @ one(X, y, alphas) - expected).max() / np.abs(expected).max())


def run_size(kind: str, n: int, p: int, l1_ratio: float, *, quick: bool) -> dict[str, float]:
    """Check, time and print one data set of one size."""
    X, y = make_data(kind, n, p)
    alphas = np.abs(X.T @ y).max() / n / l1_ratio * np.geomspace(1.0, SMALLEST, N_ALPHAS)
    fold = next(iter(KFold(FOLDS).split(X)))[0]
    shorter = alphas[:20]  # at 1e-10 the last third of the path takes the solver minutes, on either side
    tight = difference(np.asfortranarray(X[fold]), y[fold], shorter, ours(l1_ratio, 1e-10), warm(l1_ratio, 1e-10))
    print(f"\n{kind}, {n} x {p}, l1_ratio {l1_ratio}", flush=True)
    if tight > EQUAL_TO:
        raise SystemExit(f"NOT EQUAL: predictions differ by {tight:.1e} at tolerance 1e-10")
    loose = difference(X, y, alphas, ours(l1_ratio), warm(l1_ratio))
    print(f"  equal: predictions of the path differ by {tight:.0e} at tolerance 1e-10, by {loose:.0e} at 1e-4")
    library = ElasticNetCV(l1_ratio=l1_ratio, alphas=alphas, cv=KFold(FOLDS), fit_intercept=False, max_iter=MAX_SWEEPS)
    sides = {
        "ours": lambda: cross_validated(ours(l1_ratio), X, y, alphas),
        "warm": lambda: cross_validated(warm(l1_ratio), X, y, alphas),
        "ElasticNetCV": lambda: library.fit(X, y),
    }
    times = {name: timing.cpu for name, timing in time_in_turn(sides, runs=1 if quick else 3).items()}
    grid = FOLDS * cpu_seconds(lambda: cold(X, y, alphas, l1_ratio))
    memory = peak_memory(sides["ours"])
    seconds = times["ours"]
    print(
        f"  ours {seconds:.3f} s CPU | warm path {times['warm']:.2f} s: {times['warm'] / seconds:.1f} times | "
        f"ElasticNetCV with its refit {times['ElasticNetCV']:.2f} s: {times['ElasticNetCV'] / seconds:.1f} times | "
        f"cold grid {grid:.1f} s (x {FOLDS} from 1 fold): {grid / seconds:.0f} times\n"
        f"  peak memory of ours {memory.growth_mb:.0f} MB above what was resident (X is {X.nbytes / 2**20:.0f} MB)",
        flush=True,
    )
    return {
        "seconds": seconds,
        "over_warm": times["warm"] / seconds,
        "over_elasticnetcv": times["ElasticNetCV"] / seconds,
        "over_cold_grid": grid / seconds,
        "growth_mb": memory.growth_mb,
        "difference": tight,
    }


def main() -> None:
    parser = arguments(__doc__, ("120x6670", "300x5000"), quick=("120x500",))
    parser.add_argument("--l1-ratio", type=float, default=0.5)
    options = parser.parse_args()
    print_machine("numpy", "scikit-learn")
    warnings.simplefilter("ignore", ConvergenceWarning)
    found: list[tuple[str, float]] = []
    with threadpool_limits(limits=1):
        for n, p in sizes_of(options):
            for kind in ("factors", "sparse"):
                row = run_size(kind, n, p, options.l1_ratio, quick=options.quick)
                found += [(f"elastic_net_{kind}_{n}x{p}_{name}", value) for name, value in row.items()]
    print_result(found)


if __name__ == "__main__":
    main()
