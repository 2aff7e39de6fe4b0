"""Candidates for the 95 % interval of R2 on studies of known truth: how often each covers, and how wide it is.

    python benchmarks/intervals.py [--studies 400] [--refits 60] [--generator first second] [--n 40 100 240]

Every study is 10 x 5-fold cross-validation of ridge (alpha chosen in 5 inner folds) on people of a population that is
known, so what each of its models is worth in new people is computed and not estimated. The target is their average
error: R2 = 1 - E[error of the model] / E[error of the training mean] over training sets of .8 n people. ``first`` is
the generator of METHODS 2.8 (60 Gaussian features in 12 blocks of 5, r = .5, two blocks active), on which form and
constants of the interval were chosen; ``second`` has 300 such features and noise of Student's t with 5 degrees of
freedom, on which they were judged. Elastic net is judged by `calibration.py`, through the product.

Ridge is written out for many training sets at once, since an interval needs thousands of studies; it is the product's
procedure but for the order of arithmetic. The interval itself is the product's
(`evaluation.intervals.log_ratio_limits`).
docs/interval.md has the table of 400 studies and what was made of it.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from _paired import print_machine, print_result
from scipy.stats import norm, t

from workbench.evaluation.intervals import log_ratio_limits
from workbench.specs.learners import POWERS_OF_TEN

ALPHAS = np.array(POWERS_OF_TEN)
FOLDS, REPEATS, REFITTED_REPEATS, JACKKNIFE_GROUPS = 5, 10, 3, 20
BLOCK, WITHIN_BLOCK, ACTIVE_BLOCKS = 5, 0.5, 2
SHARES = (0.0, 0.1, 0.25, 0.5)
Z = float(norm.ppf(0.975))
VALUES_AT_ONCE = 2e7
"""Of standardised features, 160 MB."""

COLUMNS = (
    "generator", "n", "R2", "target", "SD", "interval", "studies", "covers %", "low > target %", "low > 0 %", "width",
)  # fmt: skip

Values = np.ndarray
Limits = tuple[float, float]


@dataclass(frozen=True)
class Generator:
    """A population: how many features, and what the noise is."""

    n_features: int
    heavy_tails: bool

    def draw(self, rng: np.random.Generator, n: int, r2: float) -> tuple[Values, Values, Values]:
        """Features, outcome (variance 1) and weights."""
        shared = rng.standard_normal((n, self.n_features // BLOCK)).repeat(BLOCK, axis=1)
        X = np.sqrt(WITHIN_BLOCK) * shared
        X += np.sqrt(1 - WITHIN_BLOCK) * rng.standard_normal((n, self.n_features))
        weights = np.zeros(self.n_features)
        variance = ACTIVE_BLOCKS * (BLOCK + BLOCK * (BLOCK - 1) * WITHIN_BLOCK)
        weights[: BLOCK * ACTIVE_BLOCKS] = np.sqrt(r2 / variance)
        noise = rng.standard_t(5, n) / np.sqrt(5 / 3) if self.heavy_tails else rng.standard_normal(n)
        return X, X @ weights + np.sqrt(1 - r2) * noise, weights


GENERATORS = {"first": Generator(60, heavy_tails=False), "second": Generator(300, heavy_tails=True)}


# ------------------------------------------------------------------------------------------ ridge, many training sets


def ridge(X: Values, y: Values, train: Values) -> tuple[Values, Values, Values]:
    """Ridge of standardised features in every training set, for every alpha.

    Parameters
    ----------
    train : ndarray of bool, shape (n_sets, n)

    Returns
    -------
    intercepts : ndarray of shape (n_sets, n_alphas)
    weights : ndarray of shape (n_sets, n_features, n_alphas)
    means : ndarray of shape (n_sets,)
        Of the outcome of the training sets.
    """
    inside = train.astype(float)
    sizes = inside.sum(axis=1)
    centres, means = inside @ X / sizes[:, None], inside @ y / sizes
    scales = np.sqrt(inside @ (X * X) / sizes[:, None] - centres**2)
    residuals = inside * (y - means[:, None])
    weights = np.empty((len(train), X.shape[1], len(ALPHAS)))
    step = max(1, int(VALUES_AT_ONCE / X.size))
    for start in range(0, len(train), step):
        chosen = slice(start, start + step)
        Z_train = (X - centres[chosen, None, :]) / scales[chosen, None, :] * inside[chosen, :, None]
        transposed, target = Z_train.transpose(0, 2, 1), residuals[chosen, :, None]
        if X.shape[1] < sizes.min():
            values, vectors = np.linalg.eigh(transposed @ Z_train)
            coordinates = vectors.transpose(0, 2, 1) @ (transposed @ target)
            found = vectors @ (coordinates / (values[:, :, None] + ALPHAS))
        else:
            values, vectors = np.linalg.eigh(Z_train @ transposed)
            coordinates = vectors.transpose(0, 2, 1) @ target
            found = transposed @ (vectors @ (coordinates / (np.maximum(values, 0)[:, :, None] + ALPHAS)))
        weights[chosen] = found / scales[chosen, :, None]
    return means[:, None] - np.einsum("sp,spa->sa", centres, weights), weights, means


@dataclass(frozen=True)
class Fits:
    """Tuned models, one per training set, as linear functions."""

    intercepts: Values
    weights: Values
    means: Values

    def squared_errors(self, X: Values, y: Values) -> tuple[Values, Values]:
        """Of every model and of the mean it was trained on, in everyone: (n_sets, n) each."""
        predicted = self.weights @ X.T + self.intercepts[:, None]
        return np.square(y - predicted), np.square(y - self.means[:, None])

    def risks(self, weights: Values, r2: float) -> tuple[Values, Values]:
        """The same on average over new people of the population."""
        off = self.weights - weights
        by_block = np.square(off.reshape(len(off), -1, BLOCK).sum(axis=2)).sum(axis=1)
        varied = (1 - WITHIN_BLOCK) * np.square(off).sum(axis=1) + WITHIN_BLOCK * by_block
        return 1 - r2 + np.square(self.intercepts) + varied, 1 + np.square(self.means)


def tuned(X: Values, y: Values, train: Values, inner: Values) -> Fits:
    """Ridge in every training set, alpha chosen in the inner folds, whose numbers are in `inner`."""
    held_out = np.stack([train & (inner == fold) for fold in range(FOLDS)], axis=1).reshape(-1, len(y))
    intercepts, weights, _ = ridge(X, y, np.repeat(train, FOLDS, axis=0) & ~held_out)
    errors = np.square(y[None, :, None] - X @ weights - intercepts[:, None, :])
    losses = np.einsum("sn,sna->sa", held_out / held_out.sum(axis=1, keepdims=True), errors)
    best = losses.reshape(len(train), FOLDS, -1).mean(axis=1).argmin(axis=1)
    intercepts, weights, means = ridge(X, y, train)
    own = np.arange(len(train))
    return Fits(intercepts[own, best], weights[own, :, best], means)


def dealt(rng: np.random.Generator, train: Values) -> Values:
    """Inner fold of every member of every training set."""
    folds = np.full(train.shape, -1)
    for row, members in zip(folds, train, strict=True):
        row[rng.permutation(np.flatnonzero(members))] = np.arange(members.sum()) % FOLDS
    return folds


# ------------------------------------------------------------------------------------------------------- one study


@dataclass(frozen=True)
class Study:
    """What cross-validation of one sample leaves; losses are squared errors.

    Attributes
    ----------
    model, reference : ndarray of shape (n, n_repeats)
    fold : ndarray of int, shape (n, n_repeats)
    risk, reference_risk : ndarray of shape (n_models,)
        Of its models, in new people.
    deleted : ndarray of shape (n_deleted,) or None
        log(1 - R2) without each of 20 groups, everything refitted.
    nested : tuple of float or None
        Estimate and standard error of Bates, Hastie and Tibshirani, of the linearised loss.
    """

    model: Values
    reference: Values
    fold: Values
    risk: Values
    reference_risk: Values
    deleted: Values | None = None
    nested: tuple[float, float] | None = None

    @property
    def n(self) -> int:
        """People."""
        return len(self.model)

    @cached_property
    def q(self) -> float:
        """log(1 - R2), R2 averaged over repeats."""
        return float(np.log((self.model.sum(axis=0) / self.reference.sum(axis=0)).mean()))

    @cached_property
    def losses(self) -> Values:
        """Influence of every held-out prediction on q, (n, n_repeats)."""
        return self.model / self.model.mean() - self.reference / self.reference.mean()

    @cached_property
    def by_fold(self) -> Values:
        """Their means over the folds, (n_folds,)."""
        return by_fold(self.losses, self.fold)

    @cached_property
    def people_variance(self) -> float:
        """Variance of q from the people, the models taken as they are."""
        return float(self.losses.mean(axis=1).var(ddof=1)) / self.n

    @cached_property
    def training_variance(self) -> float:
        """Variance of q between training sets, from what folds differ in beyond their people.

        Training sets of m = .8 n out of n people vary by 1/m - 1/n of what they vary over all samples, their average
        over repeats by 1/n: that is m / (n - m) = 4 times as much (first-order terms).
        """
        left = by_fold(self.losses - self.losses.mean(axis=1, keepdims=True), self.fold)
        return 4 * float(np.square(left).sum()) / (len(left) - FOLDS)


def by_fold(losses: Values, fold: Values) -> Values:
    """Mean over each fold of each repeat."""
    means = [
        losses[fold[:, repeat] == number, repeat].mean() for repeat in range(fold.shape[1]) for number in range(FOLDS)
    ]
    return np.array(means)


def study_of(generator: Generator, n: int, r2: float, number: int, *, refitted: bool) -> Study:
    """Draw a sample and cross-validate; the refits of the jackknife and of nested cross-validation where asked for."""
    rng = np.random.default_rng([generator.n_features, n, round(100 * r2), number])
    X, y, weights = generator.draw(rng, n, r2)
    fold = np.stack([rng.permutation(np.arange(n) % FOLDS) for _ in range(REPEATS)], axis=1)
    train = np.concatenate([number != fold.T for number in range(FOLDS)])  # all repeats of fold 0, then of fold 1 ..
    inner = dealt(rng, train)
    fits = tuned(X, y, train, inner)
    model, reference = (held_out(errors, fold) for errors in fits.squared_errors(X, y))
    study = Study(model, reference, fold, *fits.risks(weights, r2))
    if not refitted:
        return study
    group = rng.permutation(np.arange(n) % JACKKNIFE_GROUPS)
    deleted = _deleted(X, y, fold, train, inner, group)
    return Study(model, reference, fold, study.risk, study.reference_risk, deleted, _nested(rng, X, y, study))


def held_out(errors: Values, fold: Values) -> Values:
    """Of every person and repeat, the error of the model that did not see them: (n, n_repeats)."""
    n, repeats = fold.shape
    cube = errors.reshape(FOLDS, repeats, n)
    return cube[fold, np.arange(repeats), np.arange(n)[:, None]]


def _deleted(X: Values, y: Values, fold: Values, train: Values, inner: Values, group: Values) -> Values:
    """log(1 - R2) without each group in turn, on the folds of the first repeats without its members."""
    used = np.tile(np.arange(REPEATS) < REFITTED_REPEATS, FOLDS)
    logs = []
    for number in range(JACKKNIFE_GROUPS):
        kept = group != number
        fits = tuned(X, y, train[used] & kept, inner[used])
        model, reference = (
            held_out(errors, fold[:, :REFITTED_REPEATS])[kept].sum(axis=0) for errors in fits.squared_errors(X, y)
        )
        logs.append(np.log((model / reference).mean()))
    return np.array(logs)


def _nested(rng: np.random.Generator, X: Values, y: Values, study: Study) -> tuple[float, float]:
    """Nested cross-validation of the linearised loss: with fold j held out, all pairs (j, k) are left out as well."""
    pairs = [(one, other) for one in range(FOLDS) for other in range(one)]
    train = np.concatenate([(study.fold != one).T & (study.fold != other).T for one, other in pairs])
    errors = tuned(X, y, train, dealt(rng, train)).squared_errors(X, y)
    cube = (errors[0] / study.model.mean() - errors[1] / study.reference.mean()).reshape(len(pairs), REPEATS, study.n)
    squares, inner_means = [], []
    for repeat in range(REPEATS):
        fold = study.fold[:, repeat]
        for left in range(FOLDS):
            out = study.losses[fold == left, repeat]
            inside = [
                cube[number, repeat, fold == (other if one == left else one)]
                for number, (one, other) in enumerate(pairs)
                if left in (one, other)
            ]
            inner_means.append(np.concatenate(inside).mean())
            squares.append((inner_means[-1] - out.mean()) ** 2 - out.var(ddof=1) / len(out))
    naive = float(np.sqrt(study.losses.mean(axis=1).var(ddof=1) / study.n))
    error = float(np.clip(np.sqrt(max(np.mean(squares), 0.0)), naive, np.sqrt(FOLDS) * naive))
    bias = (1 + (FOLDS - 2) / FOLDS) * (float(np.mean(inner_means)) - study.losses.mean())
    return float(np.mean(inner_means) - bias), error * np.sqrt((FOLDS - 1) / FOLDS)


# ------------------------------------------------------------------------------------------------------ candidates


def around(study: Study, half: float) -> Limits:
    """The same distance to either side, on log(1 - R2)."""
    return study.q - half, study.q + half


def nadeau_bengio(study: Study, degrees_of_freedom: int) -> Limits:
    """Corrected resampled t on fold means."""
    variance = study.by_fold.var(ddof=1) * (1 / len(study.by_fold) + 1 / (FOLDS - 1))
    return around(study, float(t.ppf(0.975, degrees_of_freedom)) * np.sqrt(variance))


def linear_scale(study: Study) -> Limits:
    """The interval of the earlier version: corrected resampled t, K - 1 df, on R2; beyond 1 it has no logarithm."""
    below, above = nadeau_bengio(study, FOLDS - 1)
    half = (above - below) / 2 * np.exp(study.q)
    r2 = 1 - np.exp(study.q)
    return float(np.log(max(1 - r2 - half, 1e-12))), float(np.log(1 - r2 + half))


def satterthwaite(study: Study) -> Limits:
    """People and training sets as two components, degrees of freedom of their sum (Satterthwaite)."""
    people, training = study.people_variance, study.training_variance
    freedom = (people + training) ** 2 / (people**2 / (study.n - 1) + training**2 / (FOLDS - 1))
    return around(study, float(t.ppf(0.975, freedom)) * np.sqrt(people + training))


def jackknife(study: Study) -> Limits:
    """Delete-group jackknife with 20 groups, everything refitted."""
    assert study.deleted is not None
    groups = len(study.deleted)
    variance = (groups - 1) / groups * np.square(study.deleted - study.deleted.mean()).sum()
    return around(study, float(t.ppf(0.975, groups - 1)) * np.sqrt(variance))


def nested(study: Study) -> Limits:
    """Bates, Hastie and Tibshirani, of the linearised loss."""
    assert study.nested is not None
    estimate, error = study.nested
    return study.q + estimate - Z * error, study.q + estimate + Z * error


def chosen(study: Study) -> Limits:
    """The product's."""
    limits = log_ratio_limits(study.model, study.reference)
    assert limits is not None
    return limits[0], limits[2]


def inflated(study: Study, factor: float) -> Limits:
    """People's losses, their variance multiplied."""
    return around(study, Z * np.sqrt(factor * study.people_variance))


CANDIDATES: Mapping[str, Callable[[Study], Limits]] = {
    "Nadeau-Bengio, J - 1 df": lambda study: nadeau_bengio(study, FOLDS * REPEATS - 1),
    "Nadeau-Bengio, K - 1 df": lambda study: nadeau_bengio(study, FOLDS - 1),
    "the same on R2 (as before)": linear_scale,
    "people's losses": lambda study: inflated(study, 1.0),
    "people's losses, variance x 2": lambda study: inflated(study, 2.0),
    "people and training sets, z": lambda study: around(
        study, Z * np.sqrt(study.people_variance + study.training_variance)
    ),
    "people and training sets, Satterthwaite": satterthwaite,
    "chosen: x 2, solved for the limit, floor": chosen,
}
REFITTED: Mapping[str, Callable[[Study], Limits]] = {
    "delete-group jackknife, 20 groups": jackknife,
    "nested CV (Bates et al.)": nested,
}


# ----------------------------------------------------------------------------------------------------------- table


@dataclass(frozen=True)
class Judged:
    """How a candidate did in one cell."""

    covered: float
    too_high: float
    """Share of studies whose lower limit is above the target."""
    above_0: float
    width: float
    """Median, in units of the oracle's: 2 x 1.96 SD of R2 over studies."""
    studies: int


def judged(studies: Sequence[Study], candidate: Callable[[Study], Limits], target: float, spread: float) -> Judged:
    """Count, on the scale of R2."""
    limits = np.array([candidate(study) for study in studies])
    high, low = (1 - np.exp(limits)).T
    return Judged(
        covered=float(np.mean((low <= target) & (target <= high))),
        too_high=float(np.mean(low > target)),
        above_0=float(np.mean(low > 0)),
        width=float(np.median(high - low)) / (2 * Z * spread),
        studies=len(studies),
    )


def cell(name: str, n: int, r2: float, n_studies: int, n_refits: int) -> dict[str, Judged]:
    """Every candidate in one cell, printed as lines of a Markdown table."""
    start = time.process_time()
    studies = [study_of(GENERATORS[name], n, r2, k, refitted=k < n_refits) for k in range(n_studies)]
    target = 1 - np.mean([study.risk for study in studies]) / np.mean([study.reference_risk for study in studies])
    spread = float(np.std([1 - np.exp(study.q) for study in studies], ddof=1))
    found = {label: judged(studies, candidate, target, spread) for label, candidate in CANDIDATES.items()}
    for label, candidate in REFITTED.items() if n_refits else ():
        found[label] = judged(studies[:n_refits], candidate, target, spread)
    for label, one in found.items():
        shares = " | ".join(f"{100 * share:.1f}" for share in (one.covered, one.too_high, one.above_0))
        place = f"{name} | {n} | {r2:g} | {target:.3f} | {spread:.3f}"
        print(f"| {place} | {label} | {one.studies} | {shares} | {one.width:.2f} |", flush=True)
    print(f"<!-- {(time.process_time() - start) / n_studies:.2f} s a study -->", flush=True)
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=20, help="per cell")
    parser.add_argument("--refits", type=int, default=0, help="of these, with jackknife and nested cross-validation")
    parser.add_argument("--generator", nargs="+", choices=GENERATORS, default=["first"])
    parser.add_argument("--n", nargs="+", type=int, default=[40, 100, 240], help="participants")
    parser.add_argument("--r2", nargs="+", type=float, default=list(SHARES), help="in the population")
    options = parser.parse_args()
    print_machine("numpy", "scipy")
    print(f"\n| {' | '.join(COLUMNS)} |")
    print(f"|{'|'.join(' --- ' if name in COLUMNS[0:6:5] else ' ---: ' for name in COLUMNS)}|")
    cells = [(name, n, r2) for name in options.generator for n in options.n for r2 in options.r2]
    found = [cell(*each, options.studies, min(options.refits, options.studies)) for each in cells]
    label = next(label for label in CANDIDATES if label.startswith("chosen"))
    print_result({"interval_least_coverage": min(each[label].covered for each in found)})


if __name__ == "__main__":
    main()
