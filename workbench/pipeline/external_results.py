"""What the frozen model of a run predicted since, found again: the run is judged with it whenever it is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.records import LoggedRun, RunResult
from workbench.study import Study

if TYPE_CHECKING:
    from workbench.records import ExternalValidation


def folder_of(logged: LoggedRun, run_id: str) -> Path:
    """Where the files of an external prediction lie.

    Parameters
    ----------
    logged : LoggedRun
        The run that left the model.
    run_id : str
        Of the prediction.

    Returns
    -------
    Path
    """
    return logged.artifacts.parents[1] / run_id / logged.artifacts.name


def from_here(path: Path) -> str:
    """A path as the terminal names it: from the current folder where it lies below it.

    Parameters
    ----------
    path : Path

    Returns
    -------
    str
    """
    path, folder = path.resolve(), Path.cwd().resolve()
    return str(path.relative_to(folder) if path.is_relative_to(folder) else path)


def external_runs(study: Study, logged: LoggedRun) -> tuple[str, ...]:
    """Ids of the external predictions of a run that the ledger counts, oldest first.

    Parameters
    ----------
    study : Study
    logged : LoggedRun

    Returns
    -------
    tuple of str
    """
    from workbench.preregistration.viewed import read_looks

    return tuple(look.run_id for look in read_looks(study) if look.model_run == logged.run_id)


def read_external_of(study: Study, logged: LoggedRun) -> tuple[ExternalValidation, ...]:
    """Every external prediction of a run that the ledger counts, oldest first.

    Parameters
    ----------
    study : Study
    logged : LoggedRun

    Returns
    -------
    tuple of ExternalValidation
    """
    return tuple(each for _, each in _read_external(study, logged))


def _read_external(study: Study, logged: LoggedRun) -> list[tuple[str, ExternalValidation]]:
    """Those whose files are still there, with their ids."""
    from workbench.export.external_files import read_external

    read = [(run_id, read_external(folder_of(logged, run_id))) for run_id in external_runs(study, logged)]
    return [(run_id, each) for run_id, each in read if each is not None]


def with_external(
    study: Study, logged: LoggedRun, result: RunResult, more: Sequence[ExternalValidation] = ()
) -> RunResult:
    """A run with what its frozen model predicted since, its claim judged anew where there is any.

    Parameters
    ----------
    study : Study
    logged : LoggedRun
    result : RunResult
    more : sequence of ExternalValidation
        Predictions that are not written yet.

    Returns
    -------
    RunResult
    """
    from workbench.results.claims import judge

    external = (*read_external_of(study, logged), *more)
    if not external:
        return result
    scores = replace(result.scores, external=external)
    return replace(result, scores=scores, claim=judge(scores))


def files_of_external(study: Study, logged: LoggedRun) -> dict[str, bytes]:
    """Every file of the external predictions of a run, by its name in an export.

    Parameters
    ----------
    study : Study
    logged : LoggedRun

    Returns
    -------
    dict of str to bytes
        ``external/COHORT/external.json`` and so on; a number follows the name of a cohort that was predicted before.
    """
    files: dict[str, bytes] = {}
    names: list[str] = []
    for run_id, each in _read_external(study, logged):
        names.append(each.cohort)
        again = names.count(each.cohort)
        folder = f"external/{each.cohort.replace(' ', '_')}{f'_{again}' if again > 1 else ''}"
        own = folder_of(logged, run_id)
        files |= {f"{folder}/{path.name}": path.read_bytes() for path in sorted(own.iterdir()) if path.is_file()}
    return files
