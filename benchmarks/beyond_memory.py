"""Ridge on 40,000 participants x 80,000 features, at a hundredth of its values: three ways, each with its price.

    python benchmarks/beyond_memory.py [--sizes 400x80000 4000x8000 4000x800] [--sketch 2000] [--quick]

Features lie in a file of float32 that is mapped into memory and read in blocks of columns; every way standardises them
by means and SDs of the training rows alone, and predicts a fifth of the participants from the rest.

dual    one n x n Gram matrix of the training rows, block after block of columns, then Cholesky
primal  one p x p cross-product, block after block of rows, then Cholesky; left out above 10,000 features
sketch  columns are added up with random signs into k others (count sketch), then as dual or primal, whichever is less

400 x 80,000 has a hundredth of the participants, 4,000 x 8,000 a tenth of both, so that features are twice as many as
participants as in the whole; 4,000 x 800 is where the features are few. Equality first: dual, primal and
scikit-learn's Ridge on a small case. Each way runs in a process of its own, for its peak of memory. The last lines
carry the measured rates to 40,000 x 80,000.

--quick: sizes of a fifth.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from _paired import arguments, peak_memory, print_machine, print_result, sizes_of

SIZES, QUICK = ("400x80000", "4000x8000", "4000x800"), ("400x16000", "1000x2000", "1000x200")
WHOLE = (40_000, 80_000)
BLOCK_BYTES = 64e6
"""Standardised values held at once, float64."""
MOST_PRIMAL = 10_000
SAME = 1e-8
WAYS = ("dual", "primal", "sketch")
FOLDS, INNER = 5, 5
TRAINING_SETS = FOLDS * (INNER + 1)
"""Of one repeat of nested cross-validation."""


Made = tuple[np.ndarray, float, float]
"""Predictions, CPU seconds of the products, and those of solving."""


@dataclass(frozen=True)
class Way:
    """What one way gave and took; seconds are CPU seconds."""

    predicted: np.ndarray
    products: float
    solving: float
    units: float
    """Multiplications of the products; of the sketch values that were read."""
    peak_mb: float

    @property
    def seconds(self) -> float:
        """All of it."""
        return self.products + self.solving


def write_features(path: Path, n: int, p: int) -> np.ndarray:
    """Features with forty latent dimensions, a block of rows at a time, and the outcome, which is in ten of them."""
    rng = np.random.default_rng(n + p)
    loadings = rng.standard_normal((40, p), dtype=np.float32) / np.sqrt(40)
    latent = rng.standard_normal((n, 40), dtype=np.float32)
    features = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(n, p))
    for rows in _blocks(n, p):
        features[rows] = latent[rows] @ loadings + rng.standard_normal((rows.stop - rows.start, p), dtype=np.float32)
    features.flush()
    outcome = latent[:, :10].sum(axis=1) / np.sqrt(10) + rng.standard_normal(n)
    return np.asarray(outcome, dtype=float)


def _blocks(length: int, width: int) -> Iterator[slice]:
    step = max(1, int(BLOCK_BYTES / 8 / width))
    for start in range(0, length, step):
        yield slice(start, min(start + step, length))


def _scale(X: np.ndarray, train: np.ndarray, columns: slice) -> tuple[np.ndarray, np.ndarray]:
    block = np.asarray(X[train, columns], dtype=np.float64)
    return block.mean(axis=0), block.std(axis=0)


def dual(X: np.ndarray, y: np.ndarray, train: np.ndarray, test: np.ndarray, alpha: float) -> Made:
    """Predictions through the Gram matrix of the training rows."""
    kernel, across = np.zeros((len(train), len(train))), np.zeros((len(test), len(train)))
    start = time.process_time()
    for columns in _blocks(X.shape[1], len(train)):
        mean, sd = _scale(X, train, columns)
        block = (np.asarray(X[train, columns], dtype=np.float64) - mean) / sd
        kernel += block @ block.T
        across += ((np.asarray(X[test, columns], dtype=np.float64) - mean) / sd) @ block.T
    return _solved(kernel, y[train], alpha, start, lambda weights: across @ weights, y[train].mean())


def primal(X: np.ndarray, y: np.ndarray, train: np.ndarray, test: np.ndarray, alpha: float) -> Made:
    """Predictions through the cross-product of the features."""
    p, centred = X.shape[1], y[train] - y[train].mean()
    start = time.process_time()
    moments = [_scale(X, train, columns) for columns in _blocks(p, len(train))]
    mean, sd = (np.concatenate(each) for each in zip(*moments, strict=True))
    cross, with_outcome = np.zeros((p, p)), np.zeros(p)
    for rows in _blocks(len(train), p):
        block = (np.asarray(X[train[rows]], dtype=np.float64) - mean) / sd
        cross += block.T @ block
        with_outcome += block.T @ centred[rows]

    def predict(weights: np.ndarray) -> np.ndarray:
        return ((np.asarray(X[test], dtype=np.float64) - mean) / sd) @ weights

    return _solved(cross, with_outcome, alpha, start, predict, y[train].mean(), centre=False)


def sketch(X: np.ndarray, y: np.ndarray, train: np.ndarray, test: np.ndarray, alpha: float, k: int) -> Made:
    """Predictions from k sums of features with random signs, whose products are those of the features on average."""
    rng = np.random.default_rng(0)
    rows = np.concatenate([train, test])
    sums = np.zeros((len(rows), k))
    start = time.process_time()
    for columns in _blocks(X.shape[1], len(rows)):
        mean, sd = _scale(X, train, columns)
        block = (np.asarray(X[rows, columns], dtype=np.float64) - mean) / sd
        into = rng.integers(0, k, block.shape[1])
        order = np.argsort(into, kind="stable")
        signed = (block * rng.choice([-1.0, 1.0], block.shape[1]))[:, order]
        filled, first = np.unique(into[order], return_index=True)
        sums[:, filled] += np.add.reduceat(signed, first, axis=1)
    Z, Z_test = sums[: len(train)], sums[len(train) :]
    if k < len(train):
        cross, with_outcome = Z.T @ Z, Z.T @ (y[train] - y[train].mean())
        return _solved(
            cross, with_outcome, alpha, start, lambda weights: Z_test @ weights, y[train].mean(), centre=False
        )
    return _solved(Z @ Z.T, y[train], alpha, start, lambda weights: Z_test @ (Z.T @ weights), y[train].mean())


def _solved(
    matrix: np.ndarray,
    right: np.ndarray,
    alpha: float,
    start: float,
    predict: Callable[[np.ndarray], np.ndarray],
    mean: float,
    *,
    centre: bool = True,
) -> Made:
    """Predictions, and CPU seconds of the products and of the Cholesky decomposition."""
    from scipy.linalg import cho_factor, cho_solve

    made = time.process_time()
    matrix[np.diag_indices_from(matrix)] += alpha
    weights = cho_solve(cho_factor(matrix, overwrite_a=True), right - mean if centre else right)
    predicted = mean + predict(weights)
    return predicted, made - start, time.process_time() - made


def in_a_process(way: str, path: Path, y: np.ndarray, alpha: float, k: int) -> Way:
    """One way in a fresh process."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh:
        return fresh.submit(_measured, way, path, y, alpha, k).result()


def _measured(way: str, path: Path, y: np.ndarray, alpha: float, k: int) -> Way:
    X = np.load(path, mmap_mode="r")
    n, p = X.shape
    test = np.arange(0, n, FOLDS)
    train = np.setdiff1d(np.arange(n), test)
    made: list[Made] = []

    def run() -> None:
        sides = {"dual": dual, "primal": primal}
        made.append(sketch(X, y, train, test, alpha, k) if way == "sketch" else sides[way](X, y, train, test, alpha))

    memory = peak_memory(run)
    m = len(train)
    units = {"dual": float(m) * n * p, "primal": float(m) * p * p, "sketch": float(n) * p}[way]
    return Way(*made[0], units, memory.peak_mb)


def check_equality(folder: Path) -> None:
    """Dual, primal and scikit-learn give the same predictions."""
    from sklearn.linear_model import Ridge

    path = folder / "small.npy"
    y = write_features(path, 150, 400)
    X = np.load(path).astype(np.float64)
    test = np.arange(0, 150, FOLDS)
    train = np.setdiff1d(np.arange(150), test)
    mean, sd = X[train].mean(axis=0), X[train].std(axis=0)
    model = Ridge(alpha=200.0).fit((X[train] - mean) / sd, y[train])
    expected = model.predict((X[test] - mean) / sd)
    for way in ("dual", "primal"):
        worst = float(np.abs(in_a_process(way, path, y, 200.0, 0).predicted - expected).max())
        if not worst < SAME:
            raise SystemExit(f"NOT EQUAL: {way} differs from scikit-learn by {worst:.2g}")
    print(f"  dual and primal are scikit-learn's Ridge to {SAME:g} at 150 x 400")


def run_size(folder: Path, n: int, p: int, k: int) -> dict[str, float]:
    """Every way at one size."""
    path = folder / f"{n}x{p}.npy"
    y = write_features(path, n, p)
    alpha, values = 0.5 * p, 4.0 * n * p
    ways = ["dual", *(["primal"] if p <= MOST_PRIMAL else []), *(["sketch"] if k < p else [])]
    made = {way: in_a_process(way, path, y, alpha, k) for way in ways}
    path.unlink()
    observed = y[::FOLDS]
    print(f"\n  {n:,} x {p:,}: {values / 1e6:,.0f} MB of float32")
    results = {}
    for way, each in made.items():
        r2 = 1 - np.square(observed - each.predicted).sum() / np.square(observed - y.mean()).sum()
        agrees = np.corrcoef(each.predicted, made["dual"].predicted)[0, 1]
        print(
            f"    {way:7} products {each.products:6.2f} s, solving {each.solving:6.2f} s CPU; peak "
            f"{each.peak_mb:,.0f} MB; R2 {r2:.3f}, r with exact {agrees:.4f}"
        )
        name = f"beyond_{n}x{p}_{way}"
        results |= {f"{name}_s": each.seconds, f"{name}_peak_mb": each.peak_mb, f"{name}_r2": float(r2)}
        results |= {f"{name}_agreement": float(agrees), f"{name}_rate": each.units / max(each.products, 1e-9)}
    return results


def extrapolate(results: dict[str, float], k: int) -> None:
    """The whole at the measured rates, with the arithmetic; the sketch keeps its share of the participants."""
    n, p = WHOLE
    m, k = n * (FOLDS - 1) // FOLDS, 10 * k
    rates = {way: [value for name, value in results.items() if name.endswith(f"{way}_rate")] for way in WAYS}
    rate, values = max(rates["dual"]), max(rates["sketch"], default=float("nan"))
    print(
        f"\n  {n:,} x {p:,}, {m:,} training rows, on one core: {rate / 1e9:.1f} thousand million multiplications and "
        f"additions a second in products, {values / 1e6:.0f} million values a second read and summed"
    )
    for way, seconds, solving, held, moved in (
        ("dual", m * n * p / rate, m**3 / 6 / rate, 8.0 * m * m, 4.0 * m * (m + 1)),
        ("primal", m * p * p / rate, p**3 / 6 / rate, 8.0 * p * p, 4.0 * p * (p + 1)),
        (f"sketch, k = {k:,}", n * p / values + m * k * k / rate, k**3 / 6 / rate, 8.0 * (n + k) * k, 8.0 * n * k),
    ):
        hours, solve = seconds / 3600, solving / 3600
        print(
            f"    {way:18} products {hours:6.2f} h, one Cholesky {solve:6.2f} h, holds {held / 1e9:5.1f} GB, "
            f"each worker sends {moved / 1e9:5.1f} GB; {TRAINING_SETS} training sets: "
            f"{TRAINING_SETS * (hours + solve):6.0f} core hours"
        )
    print(f"    features in float32: {4.0 * n * p / 1e9:.1f} GB, read once for every pass")


def main() -> None:
    parser = arguments(__doc__, SIZES, quick=QUICK)
    parser.add_argument("--sketch", type=int, default=2000, help="sums of the sketch (default: 2000)")
    options = parser.parse_args()
    print_machine("numpy", "scipy", "scikit-learn")
    results: dict[str, float] = {}
    k = min(options.sketch, 500) if options.quick else options.sketch
    with tempfile.TemporaryDirectory() as folder:
        check_equality(Path(folder))
        for n, p in sizes_of(options):
            results |= run_size(Path(folder), n, p, k)
    extrapolate(results, k)
    print_result({name: value for name, value in results.items() if not name.endswith("_rate")})


if __name__ == "__main__":
    main()
