"""The files of a plan: its tables, and its sentences."""

from __future__ import annotations

from pathlib import Path

from workbench.planning.words import curve_table, power_table, size_table, text
from workbench.records import SetPlan
from workbench.whole_files import folder_to_write

TABLES = {"power.tsv": power_table, "learning_curve.tsv": curve_table, "sample_size.tsv": size_table}


def write_plan(plan: SetPlan, folder: Path) -> tuple[Path, ...]:
    """Write ``plan.txt`` and one TSV per table that has rows; the folder is made where it does not exist.

    Parameters
    ----------
    plan : SetPlan
    folder : Path

    Returns
    -------
    tuple of Path
        Files written, ``plan.txt`` first.
    """
    folder_to_write(folder)
    written = [folder / "plan.txt"]
    written[0].write_text(text(plan), encoding="utf-8")
    for name, table in TABLES.items():
        frame = table(plan)
        if len(frame):
            frame.to_csv(folder / name, sep="\t", index=False, float_format="%.17g", lineterminator="\n")
            written.append(folder / name)
    return tuple(written)
