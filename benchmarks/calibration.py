"""Whether what the workbench says is as sure as it says: the criteria of METHODS 4.3, each by simulation.

    python benchmarks/calibration.py [--sims N] [--criteria P1 P5] [--learners ridge elastic-net xgboost] [--jobs 2]

Cohorts of known truth are drawn, joined, analysed and judged by the product's own code (`_calibration_people.py`,
`_calibration_cells.py`); here p-values and intervals are only counted. P10 to P13 are in biomarkers.py, P17 in
modalities.py.

Every simulation has its own seed and becomes a line of the store, so what was interrupted with Ctrl-C goes on where it
stopped, numbers depend neither on --jobs nor on --sims, and a finished cell is not simulated again. With fewer
simulations than the table asks for, bars are widened by what chance allows.

`make bench` gives no options and gets 20 simulations of the cells of ridge; the table of a release is --full, some
hours on two cores, with --summary docs/validity.json; docs/validity_page.py makes docs/validity.md of that.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from _calibration_bars import Row, rows_of
from _calibration_cells import Cell, cells
from _calibration_store import Store, simulate_missing
from _paired import print_machine

ROOT = Path(__file__).resolve().parents[1]
CRITERIA = ("P1", "P2", "P3", "P4", "P5", "P6", "P7", "P8", "P9", "P14", "P15", "P16", "P19", "P20", "P21")
JUDGED = ("ridge", "late-fusion", "elastic-net", "xgboost", "logistic-ridge", "linear-svm")
FEW = 20


def main() -> int:
    """Simulate what is missing, then print the table; 1 where a criterion fails."""
    asked = _arguments()
    chosen = [cell for cell in cells(asked.learners) if set(cell.criteria) & set(asked.criteria)]
    if asked.list:
        for cell in chosen:
            print(f"{' '.join(cell.criteria):12} {cell.learner:12} N = {cell.n_sims:5} {cell.setting.in_words()}, "
                  f"n = {cell.setting.n}, R2 = {cell.setting.r2:g}")  # fmt: skip
        return 0
    print_machine("numpy", "scikit-learn", "xgboost")
    store = Store(asked.store)
    if asked.stored:
        chosen = [cell for cell in chosen if len(store.of(cell, cell.n_sims)) >= min(cell.n_sims, FEW)]
    try:
        for number, cell in enumerate(chosen, start=1):
            label = f"[{number}/{len(chosen)}] {'-'.join(cell.criteria)} {cell.learner}, {cell.setting.in_words()}"
            if not asked.stored:
                simulate_missing(cell, _n_sims(cell, asked), store, asked.jobs, label)
    except KeyboardInterrupt:
        print(f"\nstopped; what is done is in {asked.store}: the same command goes on from there", file=sys.stderr)
        return 130
    rows = [row for cell in chosen for row in rows_of(cell, store.of(cell, _n_sims(cell, asked)))]
    rows = [row for row in rows if row.criterion in asked.criteria]
    rows.sort(key=lambda row: CRITERIA.index(row.criterion))
    print_table(rows)
    if asked.summary is not None:
        asked.summary.write_text(json.dumps([row.record() for row in rows], indent=1) + "\n", encoding="utf-8")
    return int(any(row.passed is False for row in rows))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="as many simulations as METHODS 4.3 asks for")
    parser.add_argument("--sims", type=int, default=FEW, help=f"simulations per cell at most (default {FEW})")
    parser.add_argument("--criteria", nargs="+", choices=CRITERIA, default=list(CRITERIA), metavar="P")
    parser.add_argument("--learners", nargs="+", choices=JUDGED, help="default: ridge, with --full all")
    parser.add_argument("--jobs", type=int, default=2, help="processes; never changes a number")
    parser.add_argument("--store", type=Path, default=ROOT / "mlruns" / "calibration.jsonl", help="one line each")
    parser.add_argument("--summary", type=Path, help="write the table as JSON too, for docs/validity_page.py")
    parser.add_argument("--stored", action="store_true", help=f"judge what the store holds, cells of {FEW} and more")
    parser.add_argument("--list", action="store_true", help="say which cells there are, and stop")
    asked = parser.parse_args()
    asked.learners = asked.learners or (list(JUDGED) if asked.full or asked.stored else ["ridge"])
    return asked


def _n_sims(cell: Cell, asked: argparse.Namespace) -> int:
    return cell.n_sims if asked.full or asked.stored else min(cell.n_sims, asked.sims)


def print_table(rows: Sequence[Row]) -> None:
    """Criterion, cell, n, p, N, value, bar, and whether it passes; then the RESULT line."""
    print(f"\n{'':5}{'learner':12}{'n':>4}{'p':>4}{'N':>6}{'s each':>8}  cell | value | bar")
    for row in rows:
        verdict = {True: "pass", False: "FAIL", None: "-"}[row.passed]
        print(
            f"{row.criterion:5}{row.learner:12}{row.n:>4}{row.p:>4}{row.sims:>6}{row.cpu_s:>8.2f}  "
            f"{row.cell} | {row.value} | {row.bar} | {verdict}"
        )
    judged = [row for row in rows if row.passed is not None]
    passed = sum(bool(row.passed) for row in judged)
    print(f"\nRESULT calibration_rows={len(judged)} calibration_passed={passed}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
