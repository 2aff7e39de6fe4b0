"""Whether candidate biomarkers are what they are called: criteria P10 to P13 of METHODS 4.3, by simulation.

    python benchmarks/biomarkers.py [--sims N] [--jobs 2]

Trials of known circuits (`_biomarker_people.py`) are drawn, joined, analysed, tested, judged and exported by the
product's own code: ridge, 5-fold cross-validation with repeats and permutations as below, the circuit test with
Benjamini-Hochberg at .10 over 12 circuits, the claim gate. Complete data, three sites, age, motion and site held fixed.
Of every trial it counts, at circuit level,

    FDP          circuits exported that carry nothing, as a share of those exported (0 where none is)
    power        of the three planted circuits, those exported
    sign         of the planted circuits exported, those whose Haufe pattern has the planted sign
    untagged     of the suppressor, confound-only and site-only circuit, those exported without a tag
    any          whether anything was exported; beside it the circuit test alone, without the gate (*ungated*)

Every trial has its own seed and becomes a line of the store: what was interrupted with Ctrl-C goes on where it stopped,
and numbers depend neither on --jobs nor on --sims. Bars are held to 2 standard errors of the mean over trials.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from _biomarker_people import LOOKALIKES, PLANTED, Trial, draw_trial
from _calibration_cells import Analysis
from _calibration_store import Simulated, Store
from _paired import print_machine

from workbench.evaluation.circuit_test import circuit_test
from workbench.execution import one_blas_thread
from workbench.models import nested_cv
from workbench.records import RunResult
from workbench.results.biomarkers import FALSE_DISCOVERY_RATE
from workbench.results.family import finish_experiment
from workbench.specs.experiment import ValidationSpec
from workbench.specs.learners import RidgeSpec

ROOT = Path(__file__).resolve().parents[1]
FEW = 10
REPEATS, PERMUTATIONS = 2, 199


@dataclass(frozen=True)
class Cell:
    """One kind of trial, analysed in one way."""

    trial: Trial
    n_sims: int

    @property
    def key(self) -> str:
        """By which its trials are found in the store."""
        return f"biomarkers {self.trial} repeats={REPEATS} permutations={PERMUTATIONS}"


CELLS = (Cell(Trial(240, 0.25), 200), Cell(Trial(240, 0.0), 200), Cell(Trial(60, 0.25), 100), Cell(Trial(60, 0.0), 300))


class Bar(NamedTuple):
    """One figure of the table, and whether it is as it must be."""

    what: str
    value: str
    bar: str
    passed: bool | None


def main() -> int:
    """Simulate what is missing, then print the table; 1 where a criterion fails."""
    asked = _arguments()
    print_machine("numpy", "scikit-learn")
    store = Store(asked.store)
    try:
        for cell in () if asked.stored else CELLS:
            _simulate_missing(cell, _n_sims(cell, asked), store, asked.jobs)
    except KeyboardInterrupt:
        print(f"\nstopped; what is done is in {asked.store}: the same command goes on from there", file=sys.stderr)
        return 130
    failed, figures = False, {}
    for cell in CELLS:
        found = store.of(cell, _n_sims(cell, asked))  # type: ignore[arg-type]
        if not found:
            continue
        print(f"\nn = {cell.trial.n}, R2_pop = {cell.trial.r2:g}, {len(found)} trials, "
              f"{np.mean([one.cpu_s for one in found]):.2f} s each")  # fmt: skip
        for row in bars_of(cell, found):
            print(f"  {row.what:44} {row.value:>18}   {row.bar:28} {VERDICT[row.passed]}")
            failed |= row.passed is False
            figures[f"{row.what.partition(',')[0].replace(' ', '_')}_n{cell.trial.n}_r{cell.trial.r2:g}"] = row.value
    print(
        f"\nRESULT {' '.join(f'biomarkers_{name}={value.split()[0]}' for name, value in figures.items())}", flush=True
    )
    return int(failed)


VERDICT = {True: "pass", False: "FAIL", None: "-"}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="200 trials of 240 participants, 100 and 300 of 60")
    parser.add_argument("--sims", type=int, default=FEW, help=f"trials per cell at most (default {FEW})")
    parser.add_argument("--jobs", type=int, default=2, help="processes; never changes a number")
    parser.add_argument("--store", type=Path, default=ROOT / "mlruns" / "biomarkers.jsonl", help="one line each")
    parser.add_argument("--stored", action="store_true", help="judge what the store holds")
    return parser.parse_args()


def _n_sims(cell: Cell, asked: argparse.Namespace) -> int:
    return cell.n_sims if asked.full or asked.stored else min(cell.n_sims, asked.sims)


# ------------------------------------------------------------------------------------------------------------ one trial


def simulate(cell: Cell, number: int) -> dict[str, float]:
    """One trial from its participants to its candidates, counted."""
    stream = np.random.SeedSequence([cell.trial.n, round(100 * cell.trial.r2), number])
    people, analysis = stream.spawn(2)
    dataset = draw_trial(cell.trial, np.random.default_rng(people))
    seed = int(analysis.generate_state(1)[0])
    validation = ValidationSpec.model_validate({"repeats": REPEATS, "permutations": PERMUTATIONS, "seed": seed})
    run = analysed(Analysis(dataset, cell.trial.setting, RidgeSpec(kind="ridge"), validation))
    return counted(run)


def analysed(analysis: Analysis) -> RunResult:
    """The run as the product analyses it, explained and tested, alone in its family."""
    dataset, validation = analysis.dataset, analysis.validation
    targets = nested_cv.target_matrices(dataset, validation)
    units = tuple(
        replace(unit, procedures=analysis.needed(unit))
        for unit in nested_cv.plan_units(dataset, validation, analysis.learner, explain=1)
    )
    results = tuple(nested_cv.fit_unit(dataset, unit, analysis.learner, targets, explain=1) for unit in units)
    fitted = replace(analysis, units=units, results=results, targets=targets)
    test = circuit_test(dataset, nested_cv.marginal_targets(dataset, validation))
    return finish_experiment([fitted.reduced(circuit_test=test)])[0]


def counted(run: RunResult) -> dict[str, float]:
    """What of a trial enters the table; nan where a share has no denominator."""
    circuits = run.biomarkers[run.biomarkers["level"] == "circuit"].set_index("circuit")
    named, planted = set(circuits.index), set(PLANTED)
    passing = set(run.circuits.loc[run.circuits["q"] <= FALSE_DISCOVERY_RATE, "circuit"])
    right = [circuits.loc[name, "haufe_sign"] == sign for name, sign in PLANTED.items() if name in named]
    one_way = {"higher": "positive", "lower": "negative"}
    direct = [one_way.get(str(circuits.loc[name, "direction"])) == PLANTED[name] for name in sorted(named & planted)]
    return {
        "shown": float(run.claim.shows_prediction),
        "r2": run.scores.performance.r2,
        "exported": float(len(named)),
        "false": float(len(named - planted)),
        "true": float(len(named & planted)),
        "signs_right": float(sum(right)),
        "directions_right": float(sum(direct)),
        "untagged": float(sum(circuits.loc[name, "tag"] == "" for name in LOOKALIKES if name in named)),
        "ungated_false": float(len(passing - planted)),
        "ungated_true": float(len(passing & planted)),
    }


def simulate_batch(cell: Cell, numbers: Sequence[int]) -> list[tuple[int, dict[str, float], float]]:
    """Some trials of a cell: number, values and CPU seconds of each."""
    done = []
    with one_blas_thread():
        for number in numbers:
            start = time.process_time()
            values = simulate(cell, number)
            done.append((number, values, time.process_time() - start))
    return done


def _simulate_missing(cell: Cell, n: int, store: Store, jobs: int) -> None:
    numbers = store.missing(cell, n)  # type: ignore[arg-type]
    for done in _batches(cell, numbers, jobs):
        store.add(cell, done)  # type: ignore[arg-type]
        left = len(store.missing(cell, n))  # type: ignore[arg-type]
        print(f"  n = {cell.trial.n}, R2 = {cell.trial.r2:g}: {n - left} of {n}", file=sys.stderr, flush=True)


def _batches(cell: Cell, numbers: list[int], jobs: int) -> Iterator[list[tuple[int, dict[str, float], float]]]:
    batches = [numbers[start : start + 5] for start in range(0, len(numbers), 5)]
    if jobs == 1 or len(batches) < 2:
        yield from (simulate_batch(cell, each) for each in batches)
        return
    from joblib import Parallel, delayed, parallel_config

    with parallel_config(backend="loky", n_jobs=jobs, inner_max_num_threads=1):
        yield from Parallel(return_as="generator_unordered")(delayed(simulate_batch)(cell, each) for each in batches)


# ------------------------------------------------------------------------------------------------------------ the table


def bars_of(cell: Cell, found: Sequence[Simulated]) -> Iterator[Bar]:
    """The figures of a cell; bars stand where METHODS 4.3 and the issue set one."""
    of = {name: np.array([one.values[name] for one in found], dtype=float) for name in found[0].values}
    judged = cell.trial.n == 240
    gated, ungated = (
        of[false] / np.maximum(1, of[false] + of[true])
        for false, true in (("false", "true"), ("ungated_false", "ungated_true"))
    )
    if cell.trial.r2 == 0:
        # Whatever is exported is false, so the share of trials with an export is the mean FDP too.
        any_ = {
            "null trials with an export": of["exported"] > 0,
            "ungated null trials with a circuit": of["ungated_false"] + of["ungated_true"] > 0,
        }
        for what, those in any_.items():
            yield _at_most(what, those.astype(float), 0.10, judged=True)
        return
    yield _at_most("FDP, mean", gated, 0.10, judged=judged)
    yield _at_most("ungated FDP, mean", ungated, 0.10, judged=judged)
    yield _at_least("power, planted circuits", of["true"] / len(PLANTED), 0.7, judged=judged)
    yield Bar("ungated power, planted circuits", _with_error(of["ungated_true"] / len(PLANTED)), "reported", None)
    yield _pooled("signs right, Haufe", of["signs_right"].sum(), of["true"].sum(), judged=judged)
    yield _pooled("directions right, circuit test", of["directions_right"].sum(), of["true"].sum(), judged=judged)
    yield _at_most("untagged lookalikes, of all", of["untagged"] / len(LOOKALIKES), 0.05, judged=judged)
    yield Bar("prediction shown", _with_error(of["shown"]), "reported", None)
    yield Bar("cross-validated R2", _with_error(of["r2"]), "reported", None)


def _standard_error(values: np.ndarray) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("inf")


def _with_error(values: np.ndarray) -> str:
    return f"{values.mean():.3f} +- {2 * _standard_error(values):.3f}"


def _at_most(what: str, values: np.ndarray, bar: float, *, judged: bool) -> Bar:
    # Under a proportion at the bar, so that a lucky cell without any has an error too.
    error = max(_standard_error(values), np.sqrt(bar * (1 - bar) / len(values)) if set(values) <= {0.0, 1.0} else 0.0)
    passed = bool(values.mean() <= bar + 2 * error) if judged else None
    return Bar(what, _with_error(values), f"at most {bar:g} + 2 SE" if judged else "reported", passed)


def _at_least(what: str, values: np.ndarray, bar: float, *, judged: bool) -> Bar:
    passed = bool(values.mean() >= bar) if judged else None
    return Bar(what, _with_error(values), f"at least {bar:g}" if judged else "reported", passed)


def _pooled(what: str, right: float, of: float, *, judged: bool) -> Bar:
    share = right / of if of else float("nan")
    passed = bool(share >= 0.95) if judged and of else None
    return Bar(what, f"{share:.3f} of {of:.0f}", "at least .95" if judged else "reported", passed)


if __name__ == "__main__":
    sys.exit(main())
