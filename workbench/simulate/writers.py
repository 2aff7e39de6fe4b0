"""Writes a simulated trial in the kinds of files that labs have, traps of ids and order included; simulates nothing."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from workbench.errors import Problem, Problems, StoreError
from workbench.simulate.anatomy import features, parcels
from workbench.simulate.generator import Trial
from workbench.simulate.outcomes import N_ITEMS
from workbench.simulate.study_files import (
    CADSS_FILE,
    CONNECTIVITY_FILES,
    MADRS_FILE,
    MOTION_FILE,
    PET_FILE,
    SHAPS_FILE,
    TASK_FILE,
    TEPS_FILE,
    shaps_column,
    study_files,
)
from workbench.whole_files import folder_to_write

MISSING = "n/a"
TRUTH_FILE = "truth.json"
FIRST_DAY, DAYS = date(2023, 1, 9), 900
"""The trial enrols over two and a half years."""


def write_trial(trial: Trial, folder: Path) -> tuple[Path, ...]:
    """Write the data of a trial, the same bytes for the same trial.

    Parameters
    ----------
    trial : Trial
    folder : Path
        The data folder of a study, ``sources``; files of an earlier trial of the same names are replaced, and its
        connectivity matrices removed, so that nobody of that trial is left among these people.

    Returns
    -------
    tuple of Path
        Files written, truth.json first.

    Raises
    ------
    StoreError
        If the folder holds anything but a simulated trial; nothing is touched then.
    """
    _refuse_real_data(folder)
    pattern = folder / CONNECTIVITY_FILES.format(participant="*", session="*")
    for stale in sorted(pattern.parent.glob(pattern.name)):
        stale.unlink()
    tables = {
        "participants.tsv": _participants(trial),
        MOTION_FILE: _motion(trial),
        MADRS_FILE: _long(trial, "MADRS_Total", trial.madrs),
        TEPS_FILE: _long(trial, "TEPS_ANT", trial.teps),
        CADSS_FILE: _long(trial, "CADSS_Total", trial.cadss),
        SHAPS_FILE: _shaps_totals(trial),
        "phenotype/shaps_items.tsv": _shaps_items(trial),
        TASK_FILE: _by_enrolment(trial, "task", padded=False),
        PET_FILE: _by_enrolment(trial, "pet", padded=True),
    }
    # The truth first: a write that was interrupted is known to be simulated, and can be repeated.
    truth = json.dumps(_rounded(trial.truth), indent=2, ensure_ascii=False) + "\n"
    written = [_write(folder / TRUTH_FILE, truth)]
    written += [_write(folder / name, _table(rows)) for name, rows in tables.items()]
    written += [_write(folder / name, text) for name, text in _matrices(trial)]
    return tuple(written)


def _refuse_real_data(folder: Path) -> None:
    """Only what says itself that it was simulated may be written over."""
    if folder.exists() and any(folder.iterdir()) and not (folder / TRUTH_FILE).exists():
        hint = f"choose a new folder; a simulated trial is written only over another, which has a {TRUTH_FILE}"
        raise StoreError(Problem(str(folder), "holds files that were not simulated", hint))


def write_study(trial: Trial, folder: Path) -> tuple[Path, ...]:
    """Write the study that reads a trial: ``features/`` and ``experiments/``.

    Parameters
    ----------
    trial : Trial
    folder : Path
        The study folder.

    Returns
    -------
    tuple of Path
        Files written.

    Raises
    ------
    StoreError
        If the folder holds such files with other content; nothing is written then.
    """
    texts = study_files(trial.config)
    problems = Problems()
    for name, text in texts.items():
        path = folder / name
        if path.exists() and path.read_bytes() != text.encode("utf-8"):
            problems.add(path, "exists and says something else", "choose a new folder, or move the file away")
    problems.raise_if_any(StoreError)
    return tuple(_write(folder / name, text) for name, text in texts.items())


def _write(path: Path, text: str) -> Path:
    folder_to_write(path.parent)
    path.write_bytes(text.encode("utf-8"))
    return path


def _table(rows: Iterable[Sequence[str]]) -> str:
    return "".join("\t".join(row) + "\n" for row in rows)


def _number(value: float, decimals: int = 0) -> str:
    """A number as text; rounded, so that the last bit of another machine does not change the file."""
    return MISSING if np.isnan(value) else f"{value:.{decimals}f}"


# -------------------------------------------------------------------------------------------------- people and ratings


def _participants(trial: Trial) -> Iterable[Sequence[str]]:
    people, design = trial.people, trial.config.design
    arms = {"crossover": ["infusion_1", "infusion_2"], "parallel": ["arm"], "single-arm": []}[design]
    yield ["participant_id", "group", "age", "sex", "site", "enrolled", *arms]
    for row, participant_id in enumerate(trial.participant_ids):
        first = bool(people.ketamine_first[row])
        given = {
            "crossover": ["k", "p"] if first else ["p", "k"],
            "parallel": ["ketamine" if first else "placebo"],
            "single-arm": [],
        }[design]
        yield [
            participant_id,
            "MDD" if people.patient[row] else "HC",
            str(int(people.age[row])),
            "F" if people.female[row] else "M",
            f"site-{people.site[row] + 1}",
            (FIRST_DAY + timedelta(days=int(people.enrolled[row] * DAYS))).isoformat(),
            *given,
        ]


def _motion(trial: Trial) -> Iterable[Sequence[str]]:
    yield ["participant_id", "fd_mean"]
    for participant_id, fd in zip(trial.participant_ids, trial.people.fd, strict=True):
        yield [participant_id, _number(fd, 5)]


def _long(trial: Trial, column: str, totals: Mapping[str, np.ndarray]) -> Iterable[Sequence[str]]:
    """One row per person and session, those of visits that were missed too."""
    yield ["participant_id", "session_id", column]
    for row, participant_id in enumerate(trial.participant_ids):
        for session in totals:
            yield [participant_id, session, _number(totals[session][row])]


def _shaps_totals(trial: Trial) -> Iterable[Sequence[str]]:
    yield ["participant_id", *map(shaps_column, trial.sessions)]
    for row, participant_id in enumerate(trial.participant_ids):
        yield [participant_id, *(_number(trial.shaps[session][row].sum()) for session in trial.sessions)]


def _shaps_items(trial: Trial) -> Iterable[Sequence[str]]:
    """Items 1 to 4: their sum is scored 14-56, the number of items of 3 or 4 is scored 0-14."""
    yield ["participant_id", "session_id", *(f"SHAPS_{item:02d}" for item in range(1, N_ITEMS + 1))]
    for row, participant_id in enumerate(trial.participant_ids):
        for session in trial.sessions:
            yield [participant_id, session, *map(_number, trial.shaps[session][row])]


# --------------------------------------------------------------------------------------------------------------- scans


def _by_enrolment(trial: Trial, modality: str, *, padded: bool) -> Iterable[Sequence[str]]:
    """A wide table in the order of enrolment, so that rows meet other files by id or not at all."""
    yield ["subject", "session_id", *(feature.name for feature in features(modality))]
    for session, values in trial.scans[modality].items():
        for row in np.argsort(trial.people.enrolled, kind="stable"):
            if not np.isnan(values[row]).all():
                number = trial.participant_ids[row].removeprefix("sub-")
                yield [number if padded else str(int(number)), session, *(_number(v, 5) for v in values[row])]


def _matrices(trial: Trial) -> Iterable[tuple[str, str]]:
    names = [name for name, _ in parcels(trial.config.n_regions)]
    upper = np.triu_indices(len(names), 1)
    for session, values in trial.scans["connectivity"].items():
        for row, participant_id in enumerate(trial.participant_ids):
            if np.isnan(values[row]).all():
                continue
            matrix = np.eye(len(names))
            matrix[upper] = matrix.T[upper] = values[row]
            rows = [["Node", *names]]
            rows += [[name, *(_number(v, 6) for v in line)] for name, line in zip(names, matrix, strict=True)]
            file = CONNECTIVITY_FILES.format(
                participant=participant_id.removeprefix("sub-"), session=session.removeprefix("ses-")
            )
            yield file, _table(rows)


def _rounded(value: Any) -> Any:
    """Truth with numbers of six decimals, as plain JSON values."""
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(each) for each in value]
    return round(value, 6) if isinstance(value, float) else value
