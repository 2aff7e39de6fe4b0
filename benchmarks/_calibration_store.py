"""Keeps every simulation as a line of a file, and spreads those that are missing over processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from _calibration_cells import Cell, Values, simulate_batch

BATCH_S, LARGEST_BATCH = 5.0, 50
"""Simulations are handed out in batches of about so many seconds."""
SAY_EVERY_S = 20.0


@dataclass(frozen=True)
class Simulated:
    """One simulation as it was stored."""

    values: Mapping[str, float]
    cpu_s: float
    commit: str
    day: str


class Store:
    """A file with one line per simulation, which only ever grows; a torn last line is passed over."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.found: dict[str, dict[int, Simulated]] = {}
        if path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                self._take(line)
        path.parent.mkdir(parents=True, exist_ok=True)

    def _take(self, line: str) -> None:
        try:
            entry = json.loads(line)
            simulated = Simulated(entry["values"], entry["cpu_s"], entry["commit"], entry["day"])
            self.found.setdefault(entry["cell"], {})[entry["number"]] = simulated
        except (ValueError, KeyError, TypeError):
            return

    def of(self, cell: Cell, n: int) -> list[Simulated]:
        """The first n simulations of a cell, as far as they are there."""
        here = self.found.get(cell.key, {})
        return [here[number] for number in range(n) if number in here]

    def missing(self, cell: Cell, n: int) -> list[int]:
        """Numbers of the first n simulations that are not there."""
        here = self.found.get(cell.key, {})
        return [number for number in range(n) if number not in here]

    def add(self, cell: Cell, done: Sequence[tuple[int, Values, float]]) -> None:
        """Append simulations, each a line, and let the system have them at once."""
        when, commit = time.strftime("%Y-%m-%d"), commit_here()
        lines = [
            json.dumps(
                {"cell": cell.key, "number": number, "values": values, "cpu_s": cpu, "commit": commit, "day": when}
            )
            for number, values, cpu in done
        ]
        begin = "" if self._ends_well() else "\n"
        with self.path.open("a", encoding="utf-8") as file:
            file.write(begin + "".join(f"{line}\n" for line in lines))
        for line in lines:
            self._take(line)

    def _ends_well(self) -> bool:
        """Whether the file ends with a whole line, as it does unless a run was killed while it wrote."""
        if not self.path.exists() or not self.path.stat().st_size:
            return True
        with self.path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) == b"\n"


def simulate_missing(cell: Cell, n: int, store: Store, jobs: int, label: str) -> None:
    """Simulate what is missing of a cell; Ctrl-C loses what is under way at most."""
    numbers = store.missing(cell, n)
    if not numbers:
        return
    started, said, before = time.perf_counter(), 0.0, n - len(numbers)
    for done in _batches(cell, numbers, jobs):
        store.add(cell, done)
        have = n - len(store.missing(cell, n))
        elapsed = time.perf_counter() - started
        if have == n or elapsed - said > SAY_EVERY_S:
            said = elapsed
            left = elapsed / max(1, have - before) * (n - have)
            print(f"  {label}: {have} of {n}, {_minutes(left)} left", file=sys.stderr, flush=True)


def _batches(cell: Cell, numbers: list[int], jobs: int) -> Iterator[list[tuple[int, Values, float]]]:
    """Numbers depend on the simulation alone, so it does not matter which process takes it, nor when."""
    first = simulate_batch(cell, numbers[:1])
    yield first
    size = max(1, min(LARGEST_BATCH, round(BATCH_S / max(first[0][2], 1e-3))))
    rest = [numbers[start : start + size] for start in range(1, len(numbers), size)]
    if jobs == 1 or not rest:
        yield from (simulate_batch(cell, each) for each in rest)
        return
    from joblib import Parallel, delayed, parallel_config

    with parallel_config(backend="loky", n_jobs=jobs, inner_max_num_threads=1):
        yield from Parallel(return_as="generator_unordered")(delayed(simulate_batch)(cell, each) for each in rest)


@cache
def commit_here() -> str:
    """The commit of the working tree, with a plus where files differ from it; empty outside git."""
    root = Path(__file__).resolve().parents[1]

    def git(*words: str) -> str:
        try:
            return subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=True).stdout.strip()
        except (OSError, subprocess.CalledProcessError):
            return ""

    changed = git("status", "--porcelain", "--untracked-files=no", "--", "workbench")
    return git("rev-parse", "--short", "HEAD") + ("+" if changed else "")


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"
