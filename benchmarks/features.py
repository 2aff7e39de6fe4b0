"""Building feature tables against plain pandas: a wide table, matrix files, a cohort of XCP-D, many columns.

    python benchmarks/features.py [--people 200] [--columns 5000] [--regions 100] [--cohort 623x400] [--described 80000]
                                  [--wide 100000] [--only KIND ..] [--quick]

wide, matrices   `workbench.sources.read_source`: ids matched by rule, duplicates, cells that are not numbers, symmetry,
                 region names and identical files checked, features described; *plain* is pandas.read_csv of the wide
                 table, and of each matrix file with its upper triangle, no check at all; *cached* is what the next
                 command does: the table is taken from the cache after the content of all files was hashed
xcpd             a cohort of matrices as XCP-D writes them (`Node`, ``n/a``, Pearson r with all digits), N files of R
                 regions, against `pandas.read_csv` (C engine) alone on the same files, in turn; then `workbench
                 features` twice, each in a process of its own, start of the interpreter included
described,   time of so many columns over that of half as many: 2 where it is linear, 4 where it is quadratic; with a
many_columns `columns` table that describes each of them, and of a wide table alone

Equality first: every value, bit for bit. Memory is the growth of the resident set while the table is built, each side
in a process of its own; of `workbench features` it is the peak of the process.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
from _feature_files import write_wide, write_xcpd_cohort
from _paired import Memory, arguments, parsed_size, peak_memory, print_machine, print_result, time_in_turn

from workbench.records import Cohort
from workbench.sources import read_source, source_files
from workbench.sources.cohort.participants import read_cohort
from workbench.specs.cohort import CohortSpec
from workbench.specs.matrix_source import MatrixSource
from workbench.specs.table_source import TableSource
from workbench.study import open_study
from workbench.tables.feature_table import cached_table, content_key

WIDE = TableSource.model_validate({"reader": "table", "modality": "task", "file": "wide.tsv"})
MATRICES = MatrixSource.model_validate(
    {
        "reader": "matrix",
        "modality": "connectivity",
        "measure": "partial correlation",
        "gsr": False,
        "files": "conn/sub-{participant}.tsv",
    }
)
ALL_KINDS = ("wide", "matrices", "xcpd", "described", "many_columns")
Reader = Callable[[Path], np.ndarray]


def write_study(folder: Path, people: int, columns: int, regions: int) -> None:
    """Participants, a wide table and a symmetric matrix each, numbers with 17 digits as software writes them."""
    rng = np.random.default_rng(0)
    ids = [f"sub-{number:04d}" for number in range(1, people + 1)]
    index = pd.Index(ids, name="participant_id")
    pd.DataFrame({"age": rng.integers(18, 65, people)}, index=index).to_csv(folder / "participants.tsv", sep="\t")
    wide = pd.DataFrame(rng.standard_normal((people, columns)), index=index)
    wide.columns = [f"roi_{number}" for number in range(columns)]
    wide.to_csv(folder / "wide.tsv", sep="\t")
    (folder / "conn").mkdir()
    names = [f"region_{number:03d}" for number in range(regions)]
    for person in ids:
        values = rng.uniform(-0.9, 0.9, (regions, regions))
        matrix = pd.DataFrame(np.triu(values) + np.triu(values, 1).T, index=names, columns=names)
        matrix.to_csv(folder / "conn" / f"{person}.tsv", sep="\t")


def cohort_of(folder: Path) -> Cohort:
    spec = {"design": "observational", "participants": "participants.tsv", "ids": {"strip": ("sub-",)}}
    return read_cohort(CohortSpec.model_validate(spec), folder)


def ours(spec: TableSource | MatrixSource) -> Reader:
    return lambda folder: read_source("x", spec, cohort_of(folder), data=folder, features_dir=folder).values


def plain_wide(folder: Path) -> np.ndarray:
    return pd.read_csv(folder / "wide.tsv", sep="\t", index_col=0).to_numpy()


def plain_matrices(folder: Path) -> np.ndarray:
    def triangle(path: Path) -> np.ndarray:
        values = pd.read_csv(path, sep="\t", index_col=0).to_numpy()
        return values[np.triu_indices(len(values), 1)]

    return np.array([triangle(path) for path in sorted((folder / "conn").glob("*.tsv"))])


def from_cache(spec: TableSource | MatrixSource) -> Reader:
    def read(folder: Path) -> np.ndarray:
        def build() -> None:
            raise SystemExit("the table should have been in the cache")

        key = content_key("spec", source_files(spec, data=folder, features_dir=folder))
        return cached_table("x", key, build, folder / "tables" / spec.reader)[0].values  # type: ignore[arg-type]

    return read


def fill_cache(spec: TableSource | MatrixSource, folder: Path) -> None:
    key = content_key("spec", source_files(spec, data=folder, features_dir=folder))
    (folder / "tables" / spec.reader).mkdir(parents=True)
    table = read_source("x", spec, cohort_of(folder), data=folder, features_dir=folder)
    cached_table("x", key, lambda: table, folder / "tables" / spec.reader)


KINDS: dict[str, tuple[TableSource | MatrixSource, Reader]] = {
    "wide": (WIDE, plain_wide),
    "matrices": (MATRICES, plain_matrices),
}


def memory_of(kind: str, side: str, folder: Path) -> Memory:
    """Growth of the resident set of a fresh process while one side reads."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh:
        return fresh.submit(_memory, kind, side, folder).result()


def _memory(kind: str, side: str, folder: Path) -> Memory:
    spec, plain = KINDS[kind]
    read = ours(spec) if side == "ours" else plain
    return peak_memory(lambda: read(folder))


def run_kind(kind: str, folder: Path, *, quick: bool) -> dict[str, float]:
    """Check, time and print one kind of source."""
    spec, plain = KINDS[kind]
    values, expected = ours(spec)(folder), plain(folder)
    if not np.array_equal(values, expected):
        raise SystemExit(f"NOT EQUAL: {kind}: {values.shape} against {expected.shape}")
    fill_cache(spec, folder)
    sides = {"ours": ours(spec), "plain": plain, "cached": from_cache(spec)}
    timings = time_in_turn(
        {name: lambda read=read: read(folder) for name, read in sides.items()}, runs=1 if quick else 3
    )
    seconds = {name: timing.cpu for name, timing in timings.items()}
    grown = {side: memory_of(kind, side, folder).growth_mb for side in ("ours", "plain")}
    print(
        f"\n{kind}: {values.shape[0]} x {values.shape[1]} values, {values.nbytes / 2**20:.0f} MB; equal bit for bit\n"
        f"  ours {seconds['ours']:.2f} s CPU, {grown['ours']:.0f} MB | plain {seconds['plain']:.2f} s, "
        f"{grown['plain']:.0f} MB: {seconds['ours'] / seconds['plain']:.2f} times the time, "
        f"{grown['ours'] / grown['plain']:.2f} times the memory | cached {seconds['cached']:.3f} s",
        flush=True,
    )
    return {
        "seconds": seconds["ours"],
        "over_plain": seconds["ours"] / seconds["plain"],
        "cached_seconds": seconds["cached"],
        "growth_mb": grown["ours"],
        "plain_growth_mb": grown["plain"],
    }


# ---------------------------------------------------------------------------------------------------- a cohort of XCP-D


def run_xcpd(folder: Path, size: str, *, quick: bool) -> dict[str, float]:
    """A cohort of XCP-D matrices: checked, timed against reading alone, and the command run twice."""
    files, regions = parsed_size(size)
    write_xcpd_cohort(folder, files, regions)
    study = open_study(folder)
    cohort = read_cohort(study.cohort, study.data)
    paths = sorted(study.data.rglob("*_relmat.tsv"))

    def table() -> np.ndarray:
        return read_source("fc", study.sources["fc"], cohort, data=study.data, features_dir=study.features_dir).values

    def read_csv() -> None:
        for path in paths:
            pd.read_csv(path, sep="\t", index_col="Node")

    values = table()
    for at in (0, len(paths) // 2, len(paths) - 1):
        if not np.array_equal(values[at], _edges_by_hand(paths[at]), equal_nan=True):
            raise SystemExit(f"NOT EQUAL: {paths[at].name}")
    n_rows, n_features, megabytes = *values.shape, values.nbytes / 2**20
    del values
    timings = time_in_turn({"ours": table, "pandas": read_csv}, runs=1 if quick else 2)
    first, second = (_workbench_features(folder) for _ in range(2))
    pandas = timings["pandas"].cpu
    print(
        f"\nxcpd: {n_rows} files of {regions} regions, {n_features} edges, {megabytes:.0f} MB; equal bit for bit\n"
        f"  table {timings['ours'].cpu:.2f} s CPU | pandas.read_csv alone {pandas:.2f} s: "
        f"{timings['ours'].cpu / pandas:.2f} times\n"
        f"  workbench features: {first.cpu:.2f} s CPU ({first.cpu / pandas:.2f} times), peak {first.peak_mb:.0f} MB; "
        f"again: {second.cpu:.2f} s CPU, {second.wall:.2f} s, peak {second.peak_mb:.0f} MB",
        flush=True,
    )
    return {
        "over_pandas": timings["ours"].cpu / pandas,
        "command_over_pandas": first.cpu / pandas,
        "peak_mb": first.peak_mb,
        "again_cpu_s": second.cpu,
        "again_wall_s": second.wall,
    }


def _edges_by_hand(path: Path) -> np.ndarray:
    """Fisher z of the upper triangle, regions in the order of the alphabet, read with Python's own float."""
    header, *rows = (line.split("\t") for line in path.read_text().splitlines())
    cells = [[float("nan" if cell == "n/a" else cell) for cell in row[1:]] for row in rows]
    matrix = pd.DataFrame(cells, index=[row[0] for row in rows], columns=header[1:])
    names = sorted(matrix.columns)
    return np.arctanh(matrix.loc[names, names].to_numpy()[np.triu_indices(len(names), 1)])


@dataclass(frozen=True)
class Process:
    """What one command took."""

    cpu: float
    wall: float
    peak_mb: float


def _workbench_features(study: Path) -> Process:
    """`workbench features` in a process of its own."""
    command = [sys.executable, "-P", "-m", "workbench.cli", "features", "--study", str(study), "--quiet"]
    # Modules are compiled once, as those of an installed package are, whatever the environment says; not in the tree.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = str(study / "compiled")
    begun = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment)
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"workbench features ended with {os.waitstatus_to_exitcode(status)}")
    return Process(used.ru_utime + used.ru_stime, time.perf_counter() - begun, used.ru_maxrss / 1024)


# --------------------------------------------------------------------------------------------------------- many columns


def run_columns(folder: Path, columns: int, people: int, *, described: bool) -> dict[str, float]:
    """CPU seconds of a table with so many columns over those of one with half as many."""
    readers = {}
    for n_columns in (columns // 2, columns):
        study_folder = folder / str(n_columns)
        write_wide(study_folder, people, n_columns, described=described)
        study = open_study(study_folder)
        cohort = read_cohort(study.cohort, study.data)
        readers[str(n_columns)] = partial(
            read_source, "wide", study.sources["wide"], cohort, data=study.data, features_dir=study.features_dir
        )
    half, whole = (timing.cpu for timing in time_in_turn(readers, runs=3).values())
    what = "described columns" if described else "columns of a wide table"
    print(
        f"\n{columns} {what}, {people} participants: {whole:.2f} s CPU, {whole / half:.2f} times that of half as many",
        flush=True,
    )
    return {"seconds": whole, "over_half": whole / half}


def main() -> None:
    parser: argparse.ArgumentParser = arguments(__doc__)
    parser.add_argument("--people", type=int, default=200)
    parser.add_argument("--columns", type=int, default=5000, help="of the wide table")
    parser.add_argument("--regions", type=int, default=100, help="of a matrix")
    parser.add_argument("--cohort", default="623x400", help="files x regions of the XCP-D cohort")
    parser.add_argument("--described", type=int, default=80_000, help="columns that a table describes")
    parser.add_argument("--wide", type=int, default=100_000, help="columns of the widest table")
    parser.add_argument("--only", nargs="+", choices=ALL_KINDS, default=ALL_KINDS, metavar="KIND")
    options = parser.parse_args()
    quick = options.quick
    people = min(options.people, 40) if quick else options.people
    print_machine("numpy", "pandas", "pyarrow")
    found: list[tuple[str, float]] = []

    def measured(kind: str, run: Callable[[Path], dict[str, float]]) -> None:
        if kind in options.only:
            with tempfile.TemporaryDirectory() as name:
                found.extend((f"features_{kind}_{key}", value) for key, value in run(Path(name)).items())

    for kind in KINDS:

        def plain_kind(folder: Path, kind: str = kind) -> dict[str, float]:
            write_study(folder, people, options.columns, options.regions)
            return run_kind(kind, folder, quick=quick)

        measured(kind, plain_kind)
    measured("xcpd", lambda folder: run_xcpd(folder, "20x100" if quick else options.cohort, quick=quick))
    size = (options.described // 10 if quick else options.described), 5
    measured("described", lambda folder: run_columns(folder, *size, described=True))
    wide = (options.wide // 10 if quick else options.wide), 20
    measured("many_columns", lambda folder: run_columns(folder, *wide, described=False))
    print_result(found)


if __name__ == "__main__":
    main()
