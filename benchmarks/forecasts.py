"""What `check` forecasts of a run beside what the run takes: CPU time, peak of memory, bytes left on the disk.

    python benchmarks/forecasts.py [--only WORD ..] [--at-once N] [--store FILE] [--page docs/performance.md] [--quick]

Every case of `_forecast_studies.py` is written, checked, and run as a person would, each step in a process of its own
with one job and an empty registry. Forecast is what `check` says of a run that did what this one did (predicted or
not, passed its permutation test or not), on this machine, whose speed `check` measures itself. Time is user and system
seconds of the command and all that it starts, memory the peak of its largest process (that of all together is printed
beside it), disk what lies below ``mlruns/`` afterwards. A forecast holds where it is within a factor of 2.

--only: cases whose name holds one of the words. --at-once: so many cases side by side, on a machine with so many cores
and memory for them. --store: a file that keeps every finished case, from which a stopped benchmark goes on. --page:
writes the table into a page, between its marks.
--quick: four small cases.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from _forecast_studies import CASES, Case, write_study
from _paired import arguments, print_machine, print_result

FACTOR, BAR = 2.0, 0.9
BEGIN, END = "<!-- forecasts: benchmarks/forecasts.py --page -->", "<!-- end of forecasts -->"
MEASURES = ("time", "memory", "disk")
SAMPLED_EVERY_S = 0.5
ONE_AT_A_TIME = threading.Lock()
FORECAST = """
import json, sys
import workbench
from workbench.evaluation.machine_speed import slowness
report = workbench.check(study=sys.argv[1])
if report.problems:
    sys.exit("\\n".join(map(str, report.problems)))
(run,) = report.plans[0].runs
sides = {}
for predicts, claims in ((False, False), (True, False), (True, True)):
    cost = run.forecast.of(predicts=predicts, claims=claims)
    sides[f"{predicts} {claims}"] = [cost.seconds, cost.memory_bytes, cost.disk_bytes]
print(json.dumps({"sides": sides, "slowness": slowness(), "n": run.dataset.n_participants}))
"""


@dataclass(frozen=True)
class Taken:
    """What a process took: CPU seconds, peak of its largest process and of all together, bytes."""

    seconds: float
    peak: float
    peak_together: float
    output: str


@dataclass(frozen=True)
class Row:
    """One case: forecast and measured, by measure."""

    case: Case
    forecast: Mapping[str, float]
    measured: Mapping[str, float]
    together: float
    check: Taken
    outcome: str
    slowness: float

    @classmethod
    def stored(cls, entry: Mapping[str, Any]) -> Row:
        """A row as `asdict` gave it, of the case by that name."""
        case = next(each for each in CASES if each.name == entry["case"]["name"])
        return cls(**{**entry, "case": case, "check": Taken(**entry["check"])})

    def ratio(self, measure: str) -> float:
        """Forecast over measured."""
        return self.forecast[measure] / self.measured[measure]

    def holds(self, measure: str) -> bool:
        """Within the factor."""
        return 1 / FACTOR <= self.ratio(measure) <= FACTOR


def taken_by(command: Sequence[str], environment: Mapping[str, str]) -> Taken:
    """Run a command and see what it took, everything that it starts included."""
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=dict(environment))
        highest, done = [0.0], threading.Event()
        watching = threading.Thread(target=_watch, args=(process.pid, highest, done), daemon=True)
        watching.start()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        done.set()
        watching.join()
        output.seek(0)
        said = output.read()
    if process.returncode:
        raise SystemExit(f"{' '.join(command[:4])} ended with {process.returncode}:\n{said}")
    peak = usage.ru_maxrss * 1024.0
    return Taken(usage.ru_utime + usage.ru_stime, peak, max(peak, highest[0]), said)


def _watch(pid: int, highest: list[float], done: threading.Event) -> None:
    while not done.wait(SAMPLED_EVERY_S):
        highest[0] = max(highest[0], sum(map(_resident_bytes, _tree(pid))))


def _tree(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return [pid]
    return [pid, *(each for child in children for each in _tree(int(child)))]


def _resident_bytes(pid: int) -> float:
    """Of one process; pages that it shares with others are counted in each."""
    try:
        return float(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE"))
    except (OSError, IndexError):
        return 0.0


def row_of(case: Case) -> Row:
    """One case written, checked and run."""
    with tempfile.TemporaryDirectory() as folder:
        study = Path(folder) / "study"
        environment = {**os.environ, "WORKBENCH_STATE": str(Path(folder) / "state")}
        write_study(case, study)
        check = taken_by([sys.executable, "-c", FORECAST, str(study)], environment)
        told = json.loads(check.output.splitlines()[-1])
        command = [sys.executable, "-m", "workbench.cli", "run", "asked", "--jobs", "1", "--quiet"]
        run = taken_by([*command, "--study", str(study)], environment)
        runs = study / "mlruns"
        scores = json.loads(next(runs.glob("artifacts/**/scores.json")).read_text())
        stored = float(sum(path.stat().st_size for path in runs.rglob("*") if path.is_file()))
    p = scores["test"]["p"]
    predicts = scores["performance"]["r2"] > 0
    claims = predicts and p is not None and p <= 0.05
    outcome = "passes its test" if claims else "predicts" if predicts else "does not predict"
    return Row(
        case,
        dict(zip(MEASURES, told["sides"][f"{predicts} {claims}"], strict=True)),
        dict(zip(MEASURES, (run.seconds, run.peak, stored), strict=True)),
        run.peak_together,
        check,
        outcome,
        told["slowness"],
    )


def line_of(row: Row) -> str:
    """A case in the terminal."""
    each = (
        f"{measure} {_words(measure, row.forecast[measure])} / {_words(measure, row.measured[measure])}"
        f" = {row.ratio(measure):.2f}{'' if row.holds(measure) else ' MISSED'}"
        for measure in MEASURES
    )
    return (
        f"  {row.case.name:32} {_size(row.case):>16}  {' | '.join(each)} | {row.outcome}; all processes "
        f"{row.together / 1e6:.0f} MB; check {row.check.seconds:.1f} s, {row.check.peak / 1e6:.0f} MB; "
        f"slowness {row.slowness:.2f}"
    )


def _size(case: Case) -> str:
    return f"{case.n} x {' + '.join(f'{p:,}' for p in case.p)}"


def _words(measure: str, value: float) -> str:
    if measure == "time":
        return f"{value:.1f} s"
    return f"{value / 1e6:,.0f} MB" if value >= 1e7 else f"{value / 1e6:.1f} MB"


def table(rows: Sequence[Row]) -> str:
    """The rows in Markdown, and the shares that hold."""
    lines = ["| run | size | the run | time | memory | disk |", "|---|---|---|---|---|---|"]
    for row in rows:
        cells = (
            f"{_words(measure, row.forecast[measure])} / {_words(measure, row.measured[measure])}"
            f"{'' if row.holds(measure) else ' **(missed)**'}"
            for measure in MEASURES
        )
        lines.append(f"| {row.case.name} | {_size(row.case)} | {row.outcome} | {' | '.join(cells)} |")
    held = (f"{sum(row.holds(measure) for row in rows)} of {len(rows)}" for measure in MEASURES)
    return "\n".join([*lines, f"| **within a factor of 2** | | | {' | '.join(held)} |"])


def _taken_up(store: Path | None) -> dict[str, Row]:
    """Finished cases of a stopped benchmark whose case is as it was."""
    if store is None or not store.is_file():
        return {}
    entries = map(json.loads, store.read_text(encoding="utf-8").splitlines())
    same = {each.name: json.loads(json.dumps(asdict(each))) for each in CASES}
    return {
        entry["case"]["name"]: Row.stored(entry)
        for entry in entries
        if same.get(entry["case"]["name"]) == entry["case"]
    }


def _made(case: Case, store: Path | None, made: Mapping[str, Row]) -> Row:
    """The row of a case, taken up or made and kept; printed when it is there."""
    row = made.get(case.name) or row_of(case)
    with ONE_AT_A_TIME:
        print(line_of(row), flush=True)
        if store is not None and case.name not in made:
            with store.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(row)) + "\n")
    return row


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--only", nargs="+", default=[], help="cases whose name holds one of these words")
    parser.add_argument("--at-once", type=int, default=1, help="cases side by side (default: one)")
    parser.add_argument("--store", type=Path, help="file that keeps every finished case")
    parser.add_argument("--page", type=Path, help="page to write the table into")
    options = parser.parse_args()
    print_machine("numpy", "scikit-learn", "xgboost-cpu", "mlflow")
    cases = [case for case in CASES if not options.quick or case.quick]
    cases = [case for case in cases if not options.only or any(word in case.name for word in options.only)]
    start = time.perf_counter()
    with ThreadPoolExecutor(options.at_once) as side_by_side:
        rows = list(side_by_side.map(partial(_made, store=options.store, made=_taken_up(options.store)), cases))
    shares = {measure: sum(row.holds(measure) for row in rows) / len(rows) for measure in MEASURES}
    cpu = sum(row.check.seconds + row.measured["time"] for row in rows)
    for measure, share in shares.items():
        verdict = "pass" if share >= BAR else "fail"
        print(f"  {measure}: {share:.0%} of {len(rows)} runs within a factor of {FACTOR:g}, asked {BAR:.0%}: {verdict}")
    print(f"  {cpu:.0f} s CPU in all, {time.perf_counter() - start:.0f} s")
    if options.page:
        page = options.page.read_text(encoding="utf-8")
        before, rest = page.split(BEGIN)
        after = rest.split(END)[1]
        options.page.write_text(f"{before}{BEGIN}\n{table(rows)}\n{END}{after}", encoding="utf-8")
    print_result({"forecasts_runs": len(rows)} | {f"forecasts_{name}_share": share for name, share in shares.items()})


if __name__ == "__main__":
    main()
