"""What benchmarks share: sides timed in turn, peak memory, sizes from the command line, and the RESULT line.

Not a benchmark itself: `make bench` runs the scripts whose names begin with a letter. A script imports it as a sibling,
``from _paired import ...``, since Python puts the folder of a script on its path.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

MB = 2**20


@dataclass(frozen=True)
class Timing:
    """Medians over the runs of one side, seconds; `cpu` is that of this process alone."""

    cpu: float
    wall: float
    runs: int


@dataclass(frozen=True)
class Memory:
    """Peak resident set while one side ran, and its growth above what was resident before, MB; NaN where unknown."""

    peak_mb: float
    growth_mb: float


def with_best_blas_kernels() -> None:
    """Start this script again without `OPENBLAS_CORETYPE`, by which some machines force an old BLAS kernel.

    OpenBLAS reads it when it is loaded, so it is too late to unset it in this process.
    """
    forced = os.environ.pop("OPENBLAS_CORETYPE", None)
    if forced:
        print(f"OPENBLAS_CORETYPE={forced} is unset: every side uses the best kernels of this processor", flush=True)
        os.execv(sys.executable, [sys.executable, *sys.argv])


def blas_kernels() -> str:
    """Which kernels numpy's BLAS chose, as threadpoolctl names them."""
    from threadpoolctl import threadpool_info

    libraries = [library for library in threadpool_info() if library["user_api"] == "blas"]
    names = (str(library.get("architecture", library["internal_api"])) for library in libraries)
    return ", ".join(sorted(set(names))) or "unknown"


def time_in_turn(sides: Mapping[str, Callable[[], object]], *, runs: int = 3) -> dict[str, Timing]:
    """Time every side `runs` times, one side after the other in each round, so that noise of the machine meets all."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    for _ in range(runs):
        for name, run in sides.items():
            taken[name].append(_seconds(run))
    return {
        name: Timing(statistics.median(cpu for cpu, _ in pairs), statistics.median(wall for _, wall in pairs), runs)
        for name, pairs in taken.items()
    }


def cpu_seconds(run: Callable[[], object]) -> float:
    """CPU seconds of one call."""
    return _seconds(run)[0]


def _seconds(run: Callable[[], object]) -> tuple[float, float]:
    cpu, wall = time.process_time(), time.perf_counter()
    run()
    return time.process_time() - cpu, time.perf_counter() - wall


def peak_memory(run: Callable[[], object]) -> Memory:
    """Run once and see how far the resident set of this process grew (Linux; NaN elsewhere)."""
    try:
        Path("/proc/self/clear_refs").write_text("5")  # forgets the peak so far
        before = _resident_mb("VmRSS")
    except OSError:
        run()
        return Memory(float("nan"), float("nan"))
    run()
    peak = _resident_mb("VmHWM")
    return Memory(peak, peak - before)


def _resident_mb(field: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) * 1024 / MB for line in lines if line.startswith(f"{field}:"))


# ------------------------------------------------------------------------------------------------- command line, report


def arguments(description: str, sizes: Sequence[str] = (), *, quick: Sequence[str] = ()) -> argparse.ArgumentParser:
    """A parser with --sizes (rows x features) and --quick; `quick` are the sizes that --quick takes by default."""
    parser = argparse.ArgumentParser(description=description.strip().splitlines()[0])
    if sizes:
        parser.add_argument("--sizes", nargs="+", metavar="NxP", help=f"rows x features (default: {' '.join(sizes)})")
    parser.add_argument("--quick", action="store_true", help=f"one run each{'; ' + ' '.join(quick) if quick else ''}")
    parser.set_defaults(usual_sizes=list(sizes), quick_sizes=list(quick or sizes))
    return parser


def sizes_of(options: argparse.Namespace) -> list[tuple[int, int]]:
    """The sizes asked for, or those of a quick or a usual run, as numbers."""
    usual = options.quick_sizes if options.quick else options.usual_sizes
    return [parsed_size(size) for size in options.sizes or usual]


def parsed_size(size: str) -> tuple[int, int]:
    """Rows and features of a size such as 120x6670."""
    rows, _, columns = size.partition("x")
    if not (rows.isdigit() and columns.isdigit()):
        raise SystemExit(f"--sizes {size}: expected rows x features, such as 120x6670")
    return int(rows), int(columns)


def print_machine(*packages: str) -> None:
    """One line on what the figures below were measured on, with the load that was there before."""
    versions = ", ".join(f"{package} {_version(package)}" for package in packages)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    today = time.strftime("%Y-%m-%d")
    print(f"{today}, {platform.machine()}, {cores} cores, load {load}, Python {platform.python_version()}, {versions}")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def print_result(values: Mapping[str, float] | Iterable[tuple[str, float]]) -> None:
    """The last line: RESULT name=value ..."""
    pairs = values.items() if isinstance(values, Mapping) else values
    print("\nRESULT " + " ".join(f"{name}={value:.4g}" for name, value in pairs), flush=True)
