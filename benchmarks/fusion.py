"""What late fusion brings where PET is missing for most, and what it costs beside early fusion.

    python benchmarks/fusion.py [--trials 200] [--jobs 2] [--only gain|cost]

**Gain.** Trials of 240 participants: one circuit in each of three modalities (60 features in 12 circuits of 5, r = .5
within a circuit), each of which explains R2 .15 of the outcome. PET is missing for 60 %, at random or for those with
the worse outcome. On the same held-out participants, those with every modality, and relative to what the nuisance model
of everyone predicts for them: late fusion of everyone against complete cases (late fusion, and ridge on the joined
matrix), and against the best single modality, fixed by what it explains in the population. Bars: mean gain .015 over
complete cases and .05 over the single modality, each with a lower 95 % limit above 0.

**Cost.** CPU seconds of one nested cross-validation with 1,000 permutations: late fusion of three modalities beside
ridge on the joined matrix of the same participants, in turns in one process. Bar: 4 times.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from statistics import median

import numpy as np
import pandas as pd
from _paired import print_machine

from workbench.evaluation.availability import availability, refit_complete_cases
from workbench.evaluation.refits import Fits
from workbench.models.nested_cv import fit_units, plan_units, target_matrices
from workbench.records import ABSENT, FEATURE_COLUMNS, Covariates, Dataset, FeatureBlock, FeatureBlocks, Outcome
from workbench.specs.experiment import ValidationSpec
from workbench.specs.fusion import LateFusionSpec
from workbench.specs.learners import RidgeSpec
from workbench.tables.presence import availability as held_fixed
from workbench.tables.presence import inside_patterns

MODALITIES = ("connectivity", "pet", "task")
CIRCUITS, IN_CIRCUIT, WITHIN = 12, 5, 0.5
N, R2, MISSING = 240, 0.15, 0.6
GAIN_OVER_COMPLETE, GAIN_OVER_SINGLE, TIMES = 0.015, 0.05, 4.0
FUSION = LateFusionSpec(kind="late-fusion")
SINGLE = "connectivity"
"""What every participant has: each modality explains as much, so among those with every modality all are the best; of
the cohort the best is one that nobody lacks."""


def trial(seed: int, *, how: str, n: int = N, r2: float = R2, n_features: int = CIRCUITS * IN_CIRCUIT) -> Dataset:
    """One simulated trial; *how* PET is missing: ``at random``, ``by outcome`` or ``nowhere``."""
    rng = np.random.default_rng([seed, 17])
    blocks, y, names = [], np.zeros(n), []
    for modality in MODALITIES:
        circuits = n_features // IN_CIRCUIT
        shared = rng.standard_normal((n, circuits))
        own = rng.standard_normal((n, circuits, IN_CIRCUIT))
        X = (np.sqrt(WITHIN) * shared[:, :, None] + np.sqrt(1 - WITHIN) * own).reshape(n, -1)
        mean = X[:, :IN_CIRCUIT].mean(axis=1)
        y += np.sqrt(r2) * mean / np.sqrt(WITHIN + (1 - WITHIN) / IN_CIRCUIT)
        names.append(_described(modality, X.shape[1]))
        blocks.append(X)
    y += np.sqrt(1 - len(MODALITIES) * r2) * rng.standard_normal(n)
    rows, lacks = np.arange(n), np.zeros(n, dtype=bool)
    if how == "at random":
        lacks[rng.permutation(n)[: round(MISSING * n)]] = True
    elif how == "by outcome":  # the worse, the likelier to have none
        lacks[np.argsort(y + rng.standard_normal(n))[: round(MISSING * n)]] = True
    made = FeatureBlocks(
        tuple(
            FeatureBlock(name, "", features, X, np.where(lacks, ABSENT, rows) if name == "pet" else rows)
            for name, features, X in zip(MODALITIES, names, blocks, strict=True)
        )
    )
    people = [f"sub-{number:04d}" for number in range(n)]
    nothing = Covariates((), (), np.empty((n, 0)))
    outcome = Outcome(
        label="outcome", unit="SD", kind="change", type="continuous", claim="prognostic", estimand="simulated",
        improvement_positive=True, values=pd.Series(y, index=people), missing={},
    )  # fmt: skip
    return Dataset(
        feature_set="all", sources=MODALITIES, rows=pd.DataFrame({"participant_id": people, "session": ""}),
        feature_blocks=made, y=y, outcome=outcome, confounds=nothing, forced=held_fixed(made), clinical=nothing,
        groups=rows, blocks=inside_patterns(np.zeros(n, dtype=int), made), strata=None, sites=None,
        availability=pd.DataFrame(made.available, index=people, columns=list(MODALITIES)), flow=(),
        people_digest=str(seed), data_hash=f"{seed} {how}",
    )  # fmt: skip


def _described(modality: str, n_features: int) -> pd.DataFrame:
    features = pd.DataFrame({column: [""] * n_features for column in FEATURE_COLUMNS})
    features["name"] = [f"{modality}:f{number}" for number in range(n_features)]
    features["source"] = features["modality"] = modality
    features["circuit"] = [f"{modality} {number // IN_CIRCUIT}" for number in range(n_features)]
    return features


# ---------------------------------------------------------------------------------------------------------------- gain


def gains(seed: int, how: str) -> dict[str, float]:
    """Mean R2 of one trial, of late fusion less that of what it is compared with, on complete held-out participants."""
    dataset, validation = trial(seed, how=how), ValidationSpec(repeats=1, outer=5, inner=5, permutations=0)
    fused = _run(dataset, validation, FUSION)
    complete = refit_complete_cases(fused, FUSION)
    assert complete is not None
    single = _run(dataset, validation, FUSION.model_copy(update={"modalities": (SINGLE,)}))
    found = availability(fused, fused, complete)
    assert found is not None
    assert found.complete is not None
    has_all = dataset.feature_blocks.whole
    other = _errors(single, has_all)
    own, reference = _errors(fused, has_all), _errors(fused, has_all, reference=True)
    joined = _ridge_on_complete(fused, has_all)
    everyone = np.ones(dataset.n_rows, dtype=bool)
    of_all = _errors(fused, everyone, reference=True)
    return {
        "fused": found.complete.fused,
        "complete": found.complete.alone,
        "joined": 1 - joined / reference,
        "single": 1 - other / reference,
        "fused, everyone": 1 - _errors(fused, everyone) / of_all,
        "single, everyone": 1 - _errors(single, everyone) / of_all,
        "n predicted": float(sum(len(result.test) for result in fused.results)),
        "check": float(abs(found.complete.fused - (1 - own / reference))),
    }


def _run(dataset: Dataset, validation: ValidationSpec, spec: LateFusionSpec) -> Fits:
    units = plan_units(dataset, validation, spec)
    results = fit_units(dataset, units, spec, target_matrices(dataset, validation), explain=0)
    return Fits(dataset, units, results)


def _errors(run: Fits, keep: np.ndarray, *, reference: bool = False) -> float:
    """Sum of squared errors over some held-out rows."""
    total = 0.0
    for result in run.results:
        main, kept = result.procedures["main"], keep[result.test]
        predicted = main.reference if reference else main.predicted
        total += float(np.square(run.dataset.y[result.test] - predicted)[kept].sum())
    return total


def _ridge_on_complete(run: Fits, has_all: np.ndarray) -> float:
    """Squared errors of early fusion, ridge on the joined matrix of complete cases, in the folds of the run."""
    place = np.cumsum(has_all) - 1
    complete = run.dataset.having_all()
    complete = replace(complete, forced=complete.forced.only())
    units = [
        replace(
            unit,
            key=f"{number}",
            outer=_kept(unit.outer, has_all, place),
            inner=tuple(_kept(split, has_all, place) for split in unit.inner),
            procedures=("main",),
        )
        for number, unit in enumerate(run.units)
    ]
    results = fit_units(complete, units, RidgeSpec(kind="ridge"), {"main": complete.y[:, None]}, explain=0)
    return _errors(Fits(complete, units, results), np.ones(complete.n_rows, dtype=bool))


def _kept(split, has_all, place):
    return type(split)(place[split.train[has_all[split.train]]], place[split.test[has_all[split.test]]])


def report_gains(trials: int, jobs: int) -> bool:
    """Print the gains of both ways of missing; True where every bar is met."""
    met = True
    for how in ("at random", "by outcome"):
        with ProcessPoolExecutor(jobs) as pool:
            rows = pd.DataFrame(list(pool.map(partial(gains, how=how), range(trials), chunksize=4)))
        assert (rows["n predicted"] == N).all(), "every participant is predicted"
        assert rows["check"].max() < 1e-9
        print(f"\nPET missing for {100 * MISSING:.0f} % {how}; {trials} trials, n = {N}, R2 {R2} per modality")
        for name in ("fused", "complete", "joined", "single", "fused, everyone", "single, everyone"):
            print(f"  {name:18} R2 {rows[name].mean():6.3f}")
        for what, others, bar in (
            ("complete cases, late fusion", rows["fused"] - rows["complete"], GAIN_OVER_COMPLETE),
            ("complete cases, joined ridge", rows["fused"] - rows["joined"], GAIN_OVER_COMPLETE),
            ("best single modality", rows["fused"] - rows["single"], GAIN_OVER_SINGLE),
            ("single modality, everyone", rows["fused, everyone"] - rows["single, everyone"], GAIN_OVER_SINGLE),
        ):
            mean, error = others.mean(), others.std(ddof=1) / np.sqrt(len(others))
            passed = mean >= bar and mean - 1.96 * error > 0
            met &= passed
            limits = f"{mean - 1.96 * error:+.4f} to {mean + 1.96 * error:+.4f}"
            print(f"  gain over {what:30} {mean:+.4f} ({limits}), bar {bar:+.3f}: {'met' if passed else 'MISSED'}")
    return bool(met)


# ---------------------------------------------------------------------------------------------------------------- cost


def report_cost(rounds: int = 3) -> bool:
    """CPU of both fusions with 1,000 permutations, side by side; True where the bar is met."""
    met = True
    print("\nCPU seconds of 1 x 5-fold with 1,000 permutations, in turns")
    for n, n_features in ((72, 60), (240, 60), (240, 400), (120, 2000)):
        dataset = trial(0, how="nowhere", n=n, n_features=n_features)
        validation = ValidationSpec(repeats=1, outer=5, inner=5, permutations=1000)
        targets = target_matrices(dataset, validation)
        specs = {"early": RidgeSpec(kind="ridge"), "late": FUSION}
        seconds: dict[str, list[float]] = {name: [] for name in specs}
        for _ in range(rounds):
            for name, spec in specs.items():
                units = plan_units(dataset, validation, spec)
                seconds[name].append(_cpu(partial(fit_units, dataset, units, spec, targets, explain=0)))
        early, late = (median(seconds[name]) for name in ("early", "late"))
        passed = late <= TIMES * early
        met &= passed
        print(
            f"  n = {n:3}, 3 x {n_features:4} features: early {early:6.2f} s, late {late:6.2f} s, "
            f"{late / early:.2f} times, bar {TIMES:g}: {'met' if passed else 'MISSED'}"
        )
    return met


def _cpu(call: Callable[[], object]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


def main() -> int:
    """Both questions; 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=40, help="simulated trials of each kind; 200 for a release")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", choices=("gain", "cost"))
    asked = parser.parse_args()
    print_machine("numpy", "scipy")
    met = [report_gains(asked.trials, asked.jobs)] if asked.only != "cost" else []
    met += [report_cost()] if asked.only != "gain" else []
    return int(not all(met))


if __name__ == "__main__":
    sys.exit(main())
