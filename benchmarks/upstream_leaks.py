"""What steps fitted on everybody before cross-validation add to R2 (traps T5 and T7).

    python benchmarks/upstream_leaks.py [--trials 40]

The task betas of simulated trials (120 patients, three sites, those with a scan; scanners differ between sites) and two
outcomes for each: one that has nothing to do with them, and one of which twelve betas explain a quarter. Each step is
fitted in everybody before the folds, and in the training people of every fold; ridge, 5 folds, scored as pooled R2
against the training mean. Prints the mean of both, and of the difference with its standard error.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import KFold

from workbench.simulate.config import TrialConfig
from workbench.simulate.generator import simulate_trial

COMPONENTS, FEWEST = 20, 10
CARRIERS, R2 = 12, 0.25


@dataclass(frozen=True)
class Sample:
    """Some people: features, sites as 0/1 columns, outcome."""

    X: np.ndarray
    site: np.ndarray
    y: np.ndarray

    def take(self, rows: np.ndarray) -> Sample:
        """Some of them."""
        return Sample(self.X[rows], self.site[rows], self.y[rows])


def standardise(known: Sample) -> Callable[[Sample], np.ndarray]:
    mean, spread = known.X.mean(axis=0), known.X.std(axis=0)
    return lambda new: (new.X - mean) / spread


def components(known: Sample) -> Callable[[Sample], np.ndarray]:
    scaled = standardise(known)
    axes = np.linalg.svd(scaled(known), full_matrices=False)[2][:COMPONENTS]
    return lambda new: scaled(new) @ axes.T


def harmonise(known: Sample, preserve: bool = False) -> Callable[[Sample], np.ndarray]:
    """Location of each site, and scale where it has ten people or more (Johnson 2007, without shrinkage)."""
    preserved = (known.y - known.y.mean())[:, None] if preserve else np.empty((len(known.y), 0))
    design = np.column_stack([known.site, preserved])
    weights = np.linalg.lstsq(design, known.X, rcond=None)[0]
    left = known.X - design @ weights
    n_sites = known.site.shape[1]
    whole = left.std(axis=0)
    members = [known.site[:, k] > 0 for k in range(n_sites)]
    scale = np.vstack([left[rows].std(axis=0) if rows.sum() >= FEWEST else whole for rows in members])
    kept, centre = weights[n_sites:], known.y.mean()

    def apply(new: Sample) -> np.ndarray:
        signal = (new.y - centre)[:, None] @ kept if preserve else 0.0
        return signal + (new.X - new.site @ weights[:n_sites] - signal) / (new.site @ scale) * whole

    return apply


def r2_of(people: Sample, everybody: bool, fit: Callable[[Sample], Callable[[Sample], np.ndarray]], seed: int) -> float:
    """Pooled cross-validated R2 with a step fitted in everybody, or in the training people."""
    before = fit(people)(people) if everybody else None
    of_model = of_mean = 0.0
    for train, test in KFold(5, shuffle=True, random_state=seed).split(people.X):
        if before is None:
            step = fit(people.take(train))
            one, other = step(people.take(train)), step(people.take(test))
        else:
            one, other = before[train], before[test]
        scaled = standardise(Sample(one, people.site[train], people.y[train]))
        model = RidgeCV(np.logspace(0, 4, 9)).fit(scaled(Sample(one, one, one)), people.y[train])
        predicted = model.predict(scaled(Sample(other, other, other)))
        of_model += float(np.square(people.y[test] - predicted).sum())
        of_mean += float(np.square(people.y[test] - people.y[train].mean()).sum())
    return 1 - of_model / of_mean


def people_of(seed: int, r2: float) -> Sample:
    trial = simulate_trial(TrialConfig(n_patients=120, r2=0.0), seed)
    scans = trial.scans["task"]["ses-b0"]
    rows = np.flatnonzero(~np.isnan(scans).all(axis=1))
    X = scans[rows]
    X = np.where(np.isnan(X), np.nanmean(X, axis=0), X)
    sites = np.asarray(trial.people.site)[rows]
    rng = np.random.default_rng(seed)
    signal = X[:, :CARRIERS].mean(axis=1)
    signal = (signal - signal.mean()) / signal.std()
    y = np.sqrt(r2) * signal + np.sqrt(1 - r2) * rng.standard_normal(len(rows))
    return Sample(X, (sites[:, None] == np.unique(sites)).astype(float), y)


STEPS: dict[
    str, tuple[Callable[..., Callable[[Sample], np.ndarray]], Callable[..., Callable[[Sample], np.ndarray]]]
] = {
    "standardised": (standardise, standardise),
    f"{COMPONENTS} principal components": (components, components),
    "sites harmonised": (harmonise, harmonise),
    "sites harmonised, the outcome preserved": (harmonise, lambda known: harmonise(known, preserve=True)),
}
"""In the training people, and in everybody."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=40)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    print(f"{'step':42}{'R2 planted':>12}{'in training':>13}{'in everybody':>14}{'difference (SE)':>20}")
    for planted in (0.0, R2):
        people = [people_of(seed, planted) for seed in range(asked.trials)]
        for name, (inside, outside) in STEPS.items():
            honest = np.array([r2_of(each, False, inside, k) for k, each in enumerate(people)])
            leaky = np.array([r2_of(each, True, outside, k) for k, each in enumerate(people)])
            gain = leaky - honest
            error = gain.std(ddof=1) / np.sqrt(len(gain))
            both = f"{honest.mean():>13.3f}{leaky.mean():>14.3f}"
            print(f"{name:42}{planted:>12.2f}{both}{gain.mean():>12.3f} ({error:.3f})")


if __name__ == "__main__":
    main()
