"""Writes a simulated trial in the kinds of files that labs have, traps of ids and order included; simulates nothing."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

from workbench.errors import Problem, Problems, StoreError
from workbench.simulate.config import TrialConfig
from workbench.simulate.generator import Trial
from workbench.simulate.phenotype_files import phenotype_files
from workbench.simulate.scan_files import beta_table, scan_files
from workbench.simulate.study_files import PET_FOLDER, TASK_FILE, XCPD_FOLDER, study_files
from workbench.simulate.tables import table
from workbench.whole_files import folder_to_write

TRUTH_FILE = "truth.json"
OF_SCANS = (f"{XCPD_FOLDER}/sub-*/ses-*/func/sub-*", f"{PET_FOLDER}/sub-*/ses-*/pet/sub-*")
"""Files of single participants: those of an earlier trial are removed before others are written."""


def write_trial(trial: Trial, folder: Path) -> tuple[Path, ...]:
    """Write the data of a trial, the same bytes for the same trial.

    Parameters
    ----------
    trial : Trial
    folder : Path
        The data folder of a study, ``sources``; files of an earlier trial of the same names are replaced, and its
        scans removed, so that nobody of that trial is left among these people.

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
    for pattern in OF_SCANS:
        for stale in sorted(folder.glob(pattern)):
            stale.unlink()
    # The truth first: a write that was interrupted is known to be simulated, and can be repeated.
    truth = json.dumps(_rounded(trial.truth), indent=2, ensure_ascii=False) + "\n"
    written = [_write(folder / TRUTH_FILE, truth)]
    written += [_write(folder / name, text) for name, text in phenotype_files(trial)]
    written.append(_write(folder / TASK_FILE, table(beta_table(trial))))
    written += [_write(folder / name, text) for name, text in scan_files(trial)]
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
    refuse_other_study(trial.config, folder)
    return tuple(_write(folder / name, text) for name, text in study_files(trial.config).items())


def refuse_other_study(config: TrialConfig, folder: Path) -> None:
    """Refuse a folder that the study of a trial cannot be written to, which is known before the trial is drawn.

    Parameters
    ----------
    config : TrialConfig
    folder : Path
        The study folder.

    Raises
    ------
    StoreError
        If the folder holds such files with other content.
    OSError
        If a file is in the way of the folder.
    """
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))
    problems = Problems()
    for name, text in study_files(config).items():
        path = folder / name
        if path.exists() and path.read_bytes() != text.encode("utf-8"):
            problems.add(path, "exists and says something else", "choose a new folder, or move the file away")
    problems.raise_if_any(StoreError)


def _write(path: Path, text: str) -> Path:
    folder_to_write(path.parent)
    path.write_bytes(text.encode("utf-8"))
    return path


def _rounded(value: Any) -> Any:
    """Truth with numbers of six decimals, as plain JSON values."""
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(each) for each in value]
    return round(value, 6) if isinstance(value, float) else value
