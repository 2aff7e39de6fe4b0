"""What `features.py` reads: a study with matrices as XCP-D writes them, or with a wide table of described columns."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np

COHORT = """design = "observational"
data = "sources"
participants = "participants.tsv"
missing = ["n/a"]
[ids]
strip = ["sub-"]
"""


NETWORKS = ("Vis", "SomMot", "DorsAttn", "SalVentAttn", "Limbic", "Cont", "Default")
RELMAT = "stat-pearsoncorrelation_relmat.tsv"


def write_cohort(folder: Path, people: int) -> list[str]:
    """A study folder with so many participants; their ids."""
    ids = [f"sub-{number:04d}" for number in range(1, people + 1)]
    ages = np.random.default_rng(0).integers(18, 65, people)
    for name in ("sources", "features", "experiments"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    rows = ["participant_id\tage", *(f"{person}\t{age}" for person, age in zip(ids, ages, strict=True))]
    (folder / "sources" / "participants.tsv").write_text("\n".join(rows) + "\n")
    (folder / "features" / "cohort.toml").write_text(COHORT)
    return ids


def write_source(folder: Path, name: str, **keys: object) -> None:
    """The file of one source."""
    lines = [f"{key} = {json.dumps(value)}" for key, value in keys.items()]
    (folder / "features" / f"{name}.toml").write_text("\n".join(lines) + "\n")


def write_xcpd_cohort(folder: Path, files: int, regions: int) -> None:
    """A matrix of Pearson r each, with the digits that XCP-D writes and two uncovered parcels, in its folders."""
    rng = np.random.default_rng(1)
    names = [f"{side}_{network}_{number}" for side in ("LH", "RH") for network in NETWORKS for number in range(1, 99)]
    names = names[:: len(names) // regions][:regions]
    root = folder / "sources" / "derivatives" / "xcp_d"
    for person in write_cohort(folder, files):
        series = rng.standard_normal((regions, 150)) + 0.5 * rng.standard_normal(150)
        r = np.corrcoef(series)
        np.fill_diagonal(r, 1.0)
        uncovered = rng.choice(regions, 2, replace=False)
        r[uncovered] = r[:, uncovered] = np.nan
        path = root / person / "func" / f"{person}_task-rest_space-MNI152NLin2009cAsym_seg-4S456Parcels_{RELMAT}"
        path.parent.mkdir(parents=True)
        path.write_text("\n".join(_lines(names, (r + r.T) / 2)) + "\n")
    write_source(
        folder,
        "fc",
        modality="connectivity",
        reader="xcpd",
        files="derivatives/xcp_d/**/*_relmat.tsv",
        atlas="4S456Parcels",
        gsr=False,
        transform="fisher-z",
    )


def _lines(names: list[str], values: np.ndarray) -> Iterable[str]:
    yield "\t".join(["Node", *names])
    for name, row in zip(names, values.tolist(), strict=True):
        yield "\t".join([name, *("n/a" if number != number else repr(number) for number in row)])


def write_wide(folder: Path, people: int, columns: int, *, described: bool) -> None:
    """A wide table with one column in a hundred missing somewhere, and a table that describes its columns."""
    rng = np.random.default_rng(2)
    names = [f"edge_{number}" for number in range(columns)]
    lines = ["\t".join(["participant_id", *names])]
    for person in write_cohort(folder, people):
        cells = list(map(repr, rng.standard_normal(columns).tolist()))
        for at in rng.integers(0, columns, columns // 100):
            cells[at] = "n/a"
        lines.append("\t".join([person, *cells]))
    (folder / "sources" / "wide.tsv").write_text("\n".join(lines) + "\n")
    more = {}
    if described:
        rows = [f"{name}\tregion {number % 400}\tregion {number // 400}\tHz" for number, name in enumerate(names)]
        table = "\n".join(["column\tregion_a\tregion_b\tunit", *rows]) + "\n"
        (folder / "sources" / "columns.tsv").write_text(table)
        more = {"columns": "columns.tsv"}
    write_source(folder, "wide", modality="task", reader="table", file="wide.tsv", **more)
