"""Scans of a simulated trial as text, in the formats of XCP-D and petsurfer-km, and as a table of betas."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import numpy as np

from workbench.simulate.anatomy import PET_REFERENCE, TRACER, features, parcels
from workbench.simulate.generator import Trial
from workbench.simulate.missingness import MIN_COVERAGE
from workbench.simulate.modalities import ACQUIRED_VOLUMES
from workbench.simulate.study_files import PET_FOLDER, SPACE, XCPD_FOLDER, kinpar_file, xcpd_file
from workbench.simulate.tables import MISSING, number, table

XCPD_VERSION = "0.14.1"
"""The version whose names and columns are written: seg- in the names, QC as TSV."""

QC_COLUMNS = (
    "sub",
    "ses",
    "task",
    "space",
    "mean_fd",
    "mean_fd_post_censoring",
    "mean_relative_rms",
    "max_relative_rms",
    "mean_dvars_initial",
    "mean_dvars_final",
    "num_dummy_volumes",
    "num_censored_volumes",
    "num_retained_volumes",
    "fd_dvars_correlation_initial",
    "fd_dvars_correlation_final",
)
"""Of ``*_desc-linc_qc.tsv``; what is not simulated is ``n/a``."""

K2 = 0.08
"""Clearance from tissue, per minute, of every region; k2a is then k2 / (1 + BPND)."""


def scan_files(trial: Trial) -> Iterator[tuple[str, str]]:
    """Files of XCP-D and petsurfer-km, with the descriptions of both datasets.

    Parameters
    ----------
    trial : Trial

    Yields
    ------
    tuple of (str, str)
        Path relative to the data, text.
    """
    yield f"{XCPD_FOLDER}/dataset_description.json", description("xcp_d", XCPD_VERSION)
    yield f"{PET_FOLDER}/dataset_description.json", description("petsurfer-km", "")
    for session, values in trial.scans["connectivity"].items():
        for row, participant_id in enumerate(trial.participant_ids):
            yield _motion(trial, row, participant_id, session)
            if not np.isnan(values[row]).all():
                yield from _matrix(trial, row, participant_id, session)
    for session, values in trial.scans["pet"].items():
        for row, participant_id in enumerate(trial.participant_ids):
            if not np.isnan(values[row]).all():
                yield from _kinpar(participant_id, session, values[row])


def description(program: str, version: str) -> str:
    """``dataset_description.json`` of derivatives in the format of a program, which says that it did not make them.

    Parameters
    ----------
    program, version : str

    Returns
    -------
    str
    """
    made = {
        "Name": program,
        "Version": f"{version} (simulated)".strip(),
        "Description": "Simulated by biomarker-workbench in the format of this program. No image was processed.",
    }
    content = {
        "Name": f"Simulated trial in the format of {program}",
        "BIDSVersion": "1.9.0",
        "DatasetType": "derivative",
        "GeneratedBy": [made],
    }
    return json.dumps(content, indent=2) + "\n"


def _matrix(trial: Trial, row: int, participant_id: str, session: str) -> Iterator[tuple[str, str]]:
    """Correlations and the coverage beside them: a parcel that was not covered is n/a throughout."""
    n_regions = trial.config.n_regions
    names = [name for name, _ in parcels(n_regions)]
    upper = np.triu_indices(len(names), 1)
    matrix = np.eye(len(names))
    matrix[upper] = matrix.T[upper] = trial.scans["connectivity"][session][row]
    shares = trial.coverage[session][row]
    matrix[np.diag_indices(len(names))] = np.where(shares < MIN_COVERAGE, np.nan, 1.0)
    rows = [["Node", *names]]
    rows += [[name, *(number(v, 6) for v in line)] for name, line in zip(names, matrix, strict=True)]
    yield xcpd_file("relmat", participant_id, session, n_regions), table(rows)
    covered = [["Node", "coverage"], *([name, number(v, 4)] for name, v in zip(names, shares, strict=True))]
    yield xcpd_file("coverage", participant_id, session, n_regions), table(covered)


def _motion(trial: Trial, row: int, participant_id: str, session: str) -> tuple[str, str]:
    """The quality control of a scan, there for scans too of which too little was left for a matrix.

    XCP-D counts the first volume, which has no displacement, as 0: its mean is (n - 1) / n of that of the others.
    """
    retained = int(trial.volumes[session][row])
    mean_fd = round(float(trial.people.fd[row]), 5) * (ACQUIRED_VOLUMES - 1) / ACQUIRED_VOLUMES
    known = {
        "sub": participant_id.removeprefix("sub-"),
        "ses": session.removeprefix("ses-"),
        "task": "rest",
        "space": SPACE,
        "mean_fd": f"{mean_fd:.12g}",
        "num_dummy_volumes": "0",
        "num_censored_volumes": str(ACQUIRED_VOLUMES - retained),
        "num_retained_volumes": str(retained),
    }
    rows = [QC_COLUMNS, [known.get(column, MISSING) for column in QC_COLUMNS]]
    return xcpd_file("qc", participant_id, session, trial.config.n_regions), table(rows)


def _kinpar(participant_id: str, session: str, values: np.ndarray) -> Iterator[tuple[str, str]]:
    """Parameters of MRTM2, as petsurfer-km writes them: there is no column of BPND, which is k2/k2a - 1."""
    rows = [["ROI", "k2", "k2a", "k2-k2a"]]
    for feature, value in zip(features("pet"), values, strict=True):
        k2a = K2 / (1 + round(float(value), 5))
        rows.append([feature.region_a, f"{K2:g}", f"{k2a:.12g}", f"{K2 - k2a:.12g}"])
    path = kinpar_file(participant_id, session)
    yield path, table(rows)
    sidecar = {"ModelName": "MRTM2", "ReferenceRegion": [PET_REFERENCE], "TracerName": TRACER}
    yield path.replace(".tsv", ".json"), json.dumps(sidecar, indent=2, ensure_ascii=False) + "\n"


def beta_table(trial: Trial) -> Iterator[Sequence[str]]:
    """Task betas, a wide table in the order of enrolment: rows meet other files by id or not at all.

    Parameters
    ----------
    trial : Trial

    Yields
    ------
    sequence of str
        The header, then a row for each participant and session; ids are numbers (``7``).
    """
    yield ["subject", "session_id", *(feature.name for feature in features("task"))]
    for session, values in trial.scans["task"].items():
        for row in np.argsort(trial.people.enrolled, kind="stable"):
            if not np.isnan(values[row]).all():
                subject = str(int(trial.participant_ids[row].removeprefix("sub-")))
                yield [subject, session, *(number(v, 5) for v in values[row])]
