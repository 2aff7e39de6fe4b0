"""Whether prognosis is mistaken for prediction, in crossovers and parallel trials, and the power for real interactions.

    python benchmarks/treatment.py [--sims N] [--power N] [--permutations B] [--store FILE]

Generator: METHODS 2.8 with its 12 blocks of 5 features (r = .5). Two circuits predict the course under both arms alike,
R2 .25 of the outcome given the arm; in the cells of power a third circuit predicts the benefit, with an SD of .7 of the
SD of the outcome given prognosis and arm. A baseline score with a correlation of .5 is held fixed. Ridge, 3 x 5-fold,
the whole procedure on trials that are randomised again. A simulation counts as *called predictive* where p is at most
.05 and R2 above 0, the least that any claim needs; --sims 200 is the bar of the release, 21 of 200. Simulations have
seeds of their own and lie in the store: an interrupted command goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from _paired import print_machine

from workbench.evaluation.inference import permutation_test, permuted_r2
from workbench.models.nested_cv import fit_units, plan_units, target_matrices
from workbench.records import FEATURE_COLUMNS, Covariates, Dataset, FeatureBlocks, Outcome, Treatment
from workbench.specs.experiment import ValidationSpec
from workbench.specs.learners import RidgeSpec

CIRCUITS, PER_CIRCUIT, WITHIN = 12, 5, 0.5
PROGNOSTIC_R2, BASELINE_R = 0.25, 0.5
INTERACTION_SD = 0.7
RIDGE = RidgeSpec(kind="ridge")
FALSE_OF_200, POWER_AT_120 = 21, 0.15


@dataclass(frozen=True)
class Cell:
    """One kind of trial."""

    design: str
    n: int
    average: float
    """Average effect, SD of the outcome given the arm."""
    share: float
    """Share of the active arm; a crossover has both orders 1:1."""
    interaction: float = 0.0

    @property
    def name(self) -> str:
        """In words, as the table and the store have it."""
        ratio = "" if self.design == "crossover" else f", {'1:1' if self.share == 0.5 else '2:1'}"
        planted = f", interaction SD {self.interaction:g}" if self.interaction else ", prognostic circuits only"
        return f"{self.design}{ratio}, n = {self.n}, average effect {self.average:g} SD{planted}"


NULLS = tuple(
    Cell(design, 120, average, share)
    for average in (0.0, 1.0)
    for design, share in (("crossover", 0.5), ("parallel", 0.5), ("parallel", 2 / 3))
)
PLANTED = tuple(Cell("parallel", n, 1.0, 0.5, INTERACTION_SD) for n in (120, 60, 240))


def simulated(cell: Cell, seed: int) -> Dataset:
    """One trial of a cell."""
    rng = np.random.default_rng([seed, cell.n, round(10 * cell.average), round(100 * cell.share)])
    n = cell.n
    shared = np.repeat(rng.normal(size=(n, CIRCUITS)), PER_CIRCUIT, axis=1)
    X = np.sqrt(WITHIN) * shared + np.sqrt(1 - WITHIN) * rng.normal(size=shared.shape)
    circuits = X.reshape(n, CIRCUITS, PER_CIRCUIT).mean(axis=2) / np.sqrt(WITHIN + (1 - WITHIN) / PER_CIRCUIT)
    baseline, noise = rng.normal(size=n), rng.normal(size=(n, 2))
    course = np.sqrt(PROGNOSTIC_R2 / 2) * circuits[:, :2].sum(axis=1) + BASELINE_R * baseline
    left = np.sqrt(1 - PROGNOSTIC_R2 - BASELINE_R**2)
    W = np.zeros(n)
    W[rng.permutation(n)[: round(cell.share * n)]] = 1.0
    benefit = cell.average + cell.interaction * left * circuits[:, 2]
    if cell.design == "crossover":
        period = 0.3 * (2 * W - 1)
        return dataset(X, benefit + period + left * (noise[:, 0] - noise[:, 1]), {"sequence": W}, seed)
    made = dataset(X, course + W * benefit + left * noise[:, 0], {"baseline": baseline}, seed)
    arms = np.where(W == 1, "ketamine", "placebo")
    return replace(made, treatment=Treatment("ketamine", arms, np.full(n, cell.share)))


def dataset(X: np.ndarray, y: np.ndarray, forced: dict[str, np.ndarray], seed: int) -> Dataset:
    """Features, outcome and what is held fixed, as a join of a study would give them."""
    n, p = X.shape
    people = [f"sub-{k:04d}" for k in range(1, n + 1)]
    features = pd.DataFrame({column: [""] * p for column in FEATURE_COLUMNS})
    features["name"] = [f"conn:f{k}" for k in range(p)]
    features["circuit"] = [f"circuit {k // PER_CIRCUIT + 1}" for k in range(p)]
    features["source"], features["modality"] = "conn", "connectivity"
    none = Covariates((), (), np.empty((n, 0)))
    outcome = Outcome(
        label="benefit", unit="SD", kind="treatment-effect", type="continuous", claim="predictive", estimand="made up",
        improvement_positive=True, values=pd.Series(y, index=people), missing={},
    )  # fmt: skip
    return Dataset(
        feature_set="conn", sources=("conn",), rows=pd.DataFrame({"participant_id": people, "session": ""}),
        feature_blocks=FeatureBlocks.of(X, features), y=y, outcome=outcome, confounds=none,
        forced=Covariates(tuple(forced), tuple(forced), np.column_stack(list(forced.values()))), clinical=none,
        groups=np.arange(n), blocks=np.zeros(n, dtype=int), strata=None, sites=None,
        availability=pd.DataFrame({"conn": True}, index=people), flow=(), people_digest="", data_hash=str(seed),
    )  # fmt: skip


def analysed(cell: Cell, seed: int, permutations: int) -> dict[str, float]:
    """R2 and p of one trial, by the product's own procedure."""
    trial = simulated(cell, seed)
    validation = ValidationSpec(repeats=3, outer=5, inner=5, permutations=permutations, seed=seed)
    units = plan_units(trial, validation, RIDGE)
    targets = target_matrices(trial, validation)
    r2 = permuted_r2(fit_units(trial, units, RIDGE, targets, explain=0), "main")
    p = permutation_test(r2, scheme="").p
    return {"r2": float(r2[0]), "p": float(p if p is not None else np.nan)}


def main() -> int:
    """Simulate what is missing, print the table; 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sims", type=int, default=20, help="simulations of a cell without interaction; the bar: 200")
    parser.add_argument("--power", type=int, default=20, help="simulations of a cell with one")
    parser.add_argument("--permutations", type=int, default=99)
    parser.add_argument("--store", type=Path, default=Path("benchmarks/results/treatment.jsonl"))
    asked = parser.parse_args()
    print_machine("numpy", "scikit-learn")
    done = _stored(asked.store)
    failed = 0
    for cell in (*NULLS, *PLANTED):
        n_sims = asked.power if cell.interaction else asked.sims
        results = []
        for seed in range(n_sims):
            key = f"{cell.name}, B = {asked.permutations}, {seed}"
            if key not in done:
                done[key] = analysed(cell, seed, asked.permutations)
                with asked.store.open("a", encoding="utf-8") as file:
                    file.write(json.dumps({"key": key, **done[key]}) + "\n")
            results.append(done[key])
        failed += _judged(cell, results, asked.permutations)
    return min(failed, 1)


def _stored(path: Path) -> dict[str, dict[str, float]]:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return {record.pop("key"): record for record in map(json.loads, lines)}


def _judged(cell: Cell, results: list[dict[str, float]], permutations: int) -> bool:
    n = len(results)
    r2 = np.array([one["r2"] for one in results])
    low = np.array([one["p"] for one in results]) <= 0.05
    called = int((low & (r2 > 0)).sum())
    mean = f"mean R2 {r2.mean():+.4f} (SE {r2.std(ddof=1) / np.sqrt(n):.4f})"
    if cell.interaction:
        missed = cell.n == 120 and called / n < POWER_AT_120
        bar = f"bar: at least {POWER_AT_120}" if cell.n == 120 else "no bar"
        verdict = "FAIL" if missed else "ok"
        print(f"{verdict:4} {cell.name}: power {called / n:.2f} (N = {n}, B = {permutations}; {bar}), {mean}")
        return missed
    from scipy.stats import binom

    most = FALSE_OF_200 if n == 200 else int(binom.ppf(0.999, n, 0.05))
    missed = int(low.sum()) > most or r2.mean() - 2 * r2.std(ddof=1) / np.sqrt(n) > 0
    print(
        f"{'FAIL' if missed else 'ok':4} {cell.name}: p <= .05 in {int(low.sum())} of {n} (at most {most}), "
        f"called predictive in {called}, B = {permutations}, {mean}"
    )
    return missed


if __name__ == "__main__":
    sys.exit(main())
