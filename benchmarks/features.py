"""Building feature tables: one wide table, and matrix files of many people, against plain pandas and numpy.

    python benchmarks/features.py [--people 200] [--columns 5000] [--regions 100] [--quick]

ours     `workbench.sources.read_source`: ids matched by rule, duplicates, cells that are not numbers, symmetry, region
         names and identical files checked, features described
plain    pandas.read_csv of the wide table; for each matrix file pandas.read_csv and the upper triangle. No check at all
cached   what the next command does: the table is taken from the cache after the content of all files was hashed

Equality first: every value, bit for bit. Memory is the growth of the resident set while the table is built, each side
in a process of its own.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
from _paired import Memory, arguments, peak_memory, print_machine, print_result, time_in_turn

from workbench.records import Cohort
from workbench.sources import read_source, source_files
from workbench.sources.participants import read_cohort
from workbench.specs.cohort import CohortSpec
from workbench.specs.matrix_source import MatrixSource
from workbench.specs.table_source import TableSource
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


def main() -> None:
    parser: argparse.ArgumentParser = arguments(__doc__)
    parser.add_argument("--people", type=int, default=200)
    parser.add_argument("--columns", type=int, default=5000, help="of the wide table")
    parser.add_argument("--regions", type=int, default=100, help="of a matrix")
    options = parser.parse_args()
    people = min(options.people, 40) if options.quick else options.people
    print_machine("numpy", "pandas")
    found: list[tuple[str, float]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_study(folder, people, options.columns, options.regions)
        for kind in KINDS:
            found += [
                (f"features_{kind}_{key}", value) for key, value in run_kind(kind, folder, quick=options.quick).items()
            ]
    print_result(found)


if __name__ == "__main__":
    main()
