"""Quality control as data: motion, volumes and coverage of every scan become covariates of the participants.

Mean FD has one definition here, whoever wrote the file: the mean of framewise displacement (mm) over all volumes of the
run but the first, which has none. fMRIPrep writes ``n/a`` for that volume and MRIQC leaves it out; XCP-D writes 0.0 and
HALFpipe counts it as 0, so that their means are n - 1 to n too small: corrected, and noted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from workbench.errors import Problem, Problems, SourceError, did_you_mean, listed
from workbench.json_values import json_values
from workbench.records import Cohort
from workbench.sources.contract.identity import Row, identity_notes, identity_problems, owner_of
from workbench.sources.contract.parsed import SourceFile
from workbench.sources.files.delimited import LISTED, TextTable, read_text, read_text_table
from workbench.sources.files.number_cells import NumberReader
from workbench.sources.finding.file_names import matching
from workbench.specs.quality import QualitySpec

MISSING = ("n/a", "", "nan", "NaN")
FD = "framewise_displacement"
COUNTS = ("n_volumes", "n_retained", "retained_s")
"""Columns that runs taken together add up."""
WORST: Mapping[str, Callable[[Sequence[float]], float]] = {
    "mean_fd": np.max,  # unknown where one of them is
    "max_fd": np.max,
    "n_volumes": np.min,
    "n_retained": np.min,
    "retained_s": np.min,
    "coverage": np.min,
    "tsnr": np.min,
}
"""Every column that there may be, and which of several values is the worst."""


@dataclass(frozen=True)
class Scan:
    """What a file says of one scan.

    Parameters
    ----------
    row : Row
        Whose scan it is, as the file or its name says.
    values : mapping of str to float
        By column of `WORST`.
    """

    row: Row
    values: Mapping[str, float]


def quality_columns(
    declared: Mapping[str, QualitySpec], cohort: Cohort, people: Sequence[str], data: Path, problems: Problems
) -> tuple[pd.DataFrame, dict[str, str], list[str]]:
    """Covariates of every ``[quality.NAME]``.

    Parameters
    ----------
    declared : mapping of str to QualitySpec
        By name.
    cohort : Cohort
        Who is in the study, and the rules by which ids meet.
    people : sequence of str
        Participant ids, in order.
    data : Path
        Folder that patterns are relative to.
    problems : Problems
        Takes what is wrong with the files.

    Returns
    -------
    DataFrame
        Index participant id, float, NaN for who has no scan.
    sessions : dict of str to str
        Session of each column, where its files have one.
    notes : list of str
        What was corrected, no participant ids.
    """
    made = pd.DataFrame(index=pd.Index(people, name="participant_id", dtype="str"))
    sessions: dict[str, str] = {}
    notes: list[str] = []
    for name, spec in declared.items():
        with problems.gather():
            label = f"quality.{name}"
            scans = _scans(label, spec, cohort, data)
            columns = _by_participant(label, spec, scans, cohort, problems)
            notes += [*identity_notes([scan.row for scan in scans], cohort, label), *_corrected(label, spec)]
            for column in columns:
                if spec.prefix + column in made:
                    hint = 'give one of them a prefix, such as prefix = "rest_"'
                    raise SourceError(Problem(label, f"makes {spec.prefix + column!r}, which is there already", hint))
                made[spec.prefix + column] = columns[column].reindex(made.index)
                sessions |= {spec.prefix + column: spec.at} if spec.at is not None else {}
    return made, sessions, notes


def quality_files_not_there(declared: Mapping[str, QualitySpec], data: Path) -> Iterator[Problem]:
    """Patterns that no file fits, of each ``[quality.NAME]``.

    Parameters
    ----------
    declared : mapping of str to QualitySpec
        By name.
    data : Path
        Folder that patterns are relative to.

    Yields
    ------
    Problem
    """
    for name, spec in declared.items():
        try:
            if not list(matching(spec.files, data)):
                yield _no_file_fits(f"quality.{name}", spec, data)
        except SourceError as error:
            yield from error.problems


def _no_file_fits(label: str, spec: QualitySpec, data: Path) -> Problem:
    return Problem(f"{label}: files", f"no file fits {spec.files!r}", f"relative to {data.name}/")


def _corrected(label: str, spec: QualitySpec) -> Iterator[str]:
    if spec.reader in ("xcpd-qc", "halfpipe"):
        yield f"{label}: {spec.reader} counts the first volume as 0 in its mean FD: multiplied by n / (n - 1)"
    elif spec.reader == "xcpd-motion":
        yield f"{label}: mean_fd is over all volumes but the first, whose 0.0 is no displacement"


# ---------------------------------------------------------------------------------------------------------------- files


def _scans(label: str, spec: QualitySpec, cohort: Cohort, data: Path) -> list[Scan]:
    """Every scan of the session that is taken, in the order of the files."""
    files = list(matching(spec.files, data))
    if not files:
        raise SourceError(_no_file_fits(label, spec, data))
    problems, scans = Problems(), list[Scan]()
    for file in files:
        session = _session_of(file, spec)
        if session is None:
            continue
        with problems.gather():
            if spec.reader == "mriqc" and file.path.name.endswith((".tsv", ".csv")):
                scans += _group_table(file, spec)
            else:
                scans.append(Scan(Row(file.label, _id_of(file, cohort), session), _READERS[spec.reader](file, spec)))
    problems.raise_if_any(SourceError)
    if not scans:
        found = f"no file is of the session {spec.at!r}"
        raise SourceError(Problem(f"{label}: at", found, f"files are such as {files[0].label}"))
    return scans


def _session_of(file: SourceFile, spec: QualitySpec) -> str | None:
    """The session of a file, None where another is taken, empty where names hold none."""
    if spec.at is None or not file.sessions:
        return ""
    return spec.at if spec.at in file.sessions else None


def _id_of(file: SourceFile, cohort: Cohort) -> str:
    known = [raw for raw in file.ids if cohort.resolve(raw) is not None]
    return (known or list(file.ids))[0]


def _by_participant(
    label: str, spec: QualitySpec, scans: Sequence[Scan], cohort: Cohort, problems: Problems
) -> dict[str, pd.Series]:
    """Columns by participant; several runs by the declared rule."""
    rows = list({(scan.row.raw_id, scan.row.raw_session): scan.row for scan in scans}.values())
    problems.extend(identity_problems(rows, cohort, label, sessions=False))
    own: dict[str, list[Scan]] = {}
    for scan in scans:
        person = owner_of(scan.row, cohort).participant_id
        if person is not None:
            own.setdefault(person, []).append(scan)
    several = [person for person, each in own.items() if len(each) > 1]
    if several and spec.runs is None:
        places = listed([scan.row.place for scan in own[several[0]]], 3)
        found = f"{len(several)} participants have several scans ({several[0]}: {places})"
        hint = 'runs = "mean", "worst" or "first" says what becomes of them, or make the pattern of files narrower'
        raise SourceError(Problem(label, found, hint))
    if spec.runs == "mean" and any("n_volumes" not in scan.values for person in several for scan in own[person]):
        found = "do not say how many volumes a run has, by which means over runs are weighted"
        raise SourceError(Problem(f"{label}: runs", found, 'give a table with size_t, or runs = "worst" or "first"'))
    together = {person: _together([scan.values for scan in each], spec) for person, each in own.items()}
    columns = [column for column in WORST if any(column in values for values in together.values())]
    return {
        column: pd.Series({person: values.get(column, np.nan) for person, values in together.items()}, dtype=float)
        for column in columns
    }


def _together(runs: Sequence[Mapping[str, float]], spec: QualitySpec) -> dict[str, float]:
    """Several runs as one, by the declared rule."""
    if len(runs) == 1 or spec.runs == "first":
        return dict(runs[0])
    shared = [column for column in WORST if all(column in run for run in runs)]
    if spec.runs == "worst":
        return {column: float(WORST[column]([run[column] for run in runs])) for column in shared}
    made = {}
    for column in shared:
        values = np.array([run[column] for run in runs])
        if column in COUNTS:
            made[column] = float(values.sum())
        elif column == "max_fd":
            made[column] = float(values.max())
        else:  # FD has one value fewer than there are volumes
            volumes = np.array([run["n_volumes"] for run in runs]) - (column == "mean_fd")
            made[column] = float(values @ volumes / volumes.sum())
    return made


# -------------------------------------------------------------------------------------------------------------- readers


def _displacements(file: SourceFile, spec: QualitySpec) -> dict[str, float]:
    """``mean_fd``, ``max_fd`` and ``n_volumes`` of a table with one row per volume."""
    table = read_text_table(file.path, file.label)
    if FD not in table.columns:
        hint = did_you_mean(FD, table.columns)
        raise SourceError(Problem(file.label, f"has no column {FD!r}", hint))
    cells = table.columns[FD]
    numbers = NumberReader(MISSING)
    read = [numbers.one(cell) for cell in cells]
    bad = [f"line {line}: {cell!r}" for line, cell, one in zip(table.lines, cells, read, strict=True) if one is None]
    if bad:
        found = f"{FD} has cells that are no numbers ({listed(bad, LISTED)})"
        raise SourceError(Problem(file.label, found, "it is a displacement in mm, n/a for the first volume"))
    values = np.array([math.nan if one is None else one for one in read])
    if len(values) < 2:
        raise SourceError(Problem(file.label, f"has {len(values)} volumes", "a run has two or more"))
    first, rest = values[0], values[1:]
    holes = int(np.isnan(rest).sum())
    if holes or (not math.isnan(first) and first != 0):
        found = f"{holes} volumes after the first have no {FD}" if holes else f"its first volume has the {FD} {first:g}"
        hint = (
            "the first volume of a run has none, and every other one has: the table was cut, or runs were put together"
        )
        raise SourceError(Problem(file.label, found, hint))
    return {"mean_fd": float(rest.mean()), "max_fd": float(rest.max()), "n_volumes": float(len(values))}


def _xcpd_qc(file: SourceFile, spec: QualitySpec) -> dict[str, float]:
    """The one row of ``*_desc-linc_qc.tsv`` (``.csv`` of 0.5 and 0.6)."""
    table = read_text_table(file.path, file.label)
    if len(table) != 1:
        raise SourceError(Problem(file.label, f"has {len(table)} rows", "the QC file of XCP-D has one"))
    censored, retained = (_cell(table, f"num_{what}_volumes") for what in ("censored", "retained"))
    if _cell(table, "num_dummy_volumes") > 0:
        found = "dummy volumes were removed, and it does not say whether the first of the others counts as 0"
        hint = 'reader = "xcpd-motion" reads the displacement of every volume (*_motion.tsv)'
        raise SourceError(Problem(file.label, found, hint))
    n = censored + retained
    values = {"mean_fd": _without_first(_cell(table, "mean_fd"), n, file), "n_volumes": n, "n_retained": retained}
    if spec.repetition_time_s is not None:
        values["retained_s"] = retained * spec.repetition_time_s
    return values


def _cell(table: TextTable, column: str) -> float:
    (cell,) = table.column(column)
    number = NumberReader(MISSING).one(cell)
    if number is None or math.isnan(number):
        raise SourceError(Problem(f"{table.label}: {column}", f"is {cell!r}, which is no number"))
    return float(number)


def _without_first(mean: float, n_volumes: float, file: SourceFile) -> float:
    """A mean FD that counts the first volume as 0, over the others."""
    if n_volumes < 2:
        raise SourceError(Problem(file.label, f"has {n_volumes:g} volumes", "a run has two or more"))
    return mean * n_volumes / (n_volumes - 1)


def _halfpipe(file: SourceFile, spec: QualitySpec) -> dict[str, float]:
    """``*_timeseries.json`` beside the time series of an atlas."""
    said = _json(file)
    n = _entry(said, "NumberOfVolumes", file)
    values = {"mean_fd": _without_first(_entry(said, "FDMean", file), n, file), "n_volumes": n}
    coverage, tsnr = said.get("Coverage"), said.get("MeanGMTSNR")
    if isinstance(coverage, list) and coverage:  # a region outside of the image has no share: nothing is covered
        covered = np.array([math.nan if one is None else float(one) for one in coverage])
        values["coverage"] = float(np.nan_to_num(covered).mean())
    if isinstance(tsnr, int | float):
        values["tsnr"] = float(tsnr)
    return values


def _mriqc(file: SourceFile, spec: QualitySpec) -> dict[str, float]:
    """The JSON file of one scan."""
    said = _json(file)
    names = {"mean_fd": "fd_mean", "n_volumes": "size_t", "tsnr": "tsnr"}
    return {column: _entry(said, key, file) for column, key in names.items()}


def _json(file: SourceFile) -> dict[str, object]:
    try:
        said = json_values(read_text(file.path, file.label))
    except ValueError as error:
        raise SourceError(Problem(file.label, f"is no JSON ({error})", "fetch it again")) from None
    if not isinstance(said, dict):
        raise SourceError(Problem(file.label, "is JSON without keys", "name the JSON file of a scan"))
    return said


def _entry(said: Mapping[str, object], key: str, file: SourceFile) -> float:
    value = said.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        found = f"has no {key}" if key not in said else f"{key} is {value!r}, which is no number"
        raise SourceError(Problem(file.label, found, did_you_mean(key, said)))
    return float(value)


def _group_table(file: SourceFile, spec: QualitySpec) -> list[Scan]:
    """Every row of ``group_bold.tsv`` that is of the session and task taken."""
    table = read_text_table(file.path, file.label)
    names = table.column("bids_name")
    entities = [dict(part.split("-", 1) for part in name.split("_") if "-" in part) for name in names]
    tasks = sorted({each.get("task", "") for each in entities})
    if spec.task is None and len(tasks) > 1:
        found = f"has scans of {listed(tasks, 5)}"
        raise SourceError(Problem(file.label, found, f'task = "{tasks[0]}" says which is taken'))
    if spec.task is not None and spec.task not in tasks:
        raise SourceError(Problem(file.label, f"has no scan of task {spec.task!r}", did_you_mean(spec.task, tasks)))
    numbers, scans = NumberReader(MISSING), []
    for at, (name, each) in enumerate(zip(names, entities, strict=True)):
        session = f"ses-{each['ses']}" if "ses" in each else ""
        if spec.task not in (None, each.get("task")) or (spec.at and session and spec.at not in (session, each["ses"])):
            continue
        values = {}
        for column, key in {"mean_fd": "fd_mean", "n_volumes": "size_t", "tsnr": "tsnr"}.items():
            if key in table.columns or column != "n_volumes":
                number = numbers.one(table.column(key)[at])
                if number is None:
                    found = f"{key} is {table.columns[key][at]!r} in line {table.lines[at]}, which is no number"
                    raise SourceError(Problem(file.label, found))
                values[column] = float(number)
        scans.append(Scan(Row(f"line {table.lines[at]} ({name})", f"sub-{each.get('sub', '')}", ""), values))
    return scans


_READERS: Mapping[str, Callable[[SourceFile, QualitySpec], dict[str, float]]] = {
    "fmriprep-confounds": _displacements,
    "xcpd-motion": _displacements,
    "xcpd-qc": _xcpd_qc,
    "halfpipe": _halfpipe,
    "mriqc": _mriqc,
}
