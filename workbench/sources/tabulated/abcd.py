"""Task betas of the ABCD study: what the names of its columns mean, in releases 2 to 5 and in release 6."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.errors import Problem, SourceError, did_you_mean, listed
from workbench.knowledge.contrasts import contrast_named
from workbench.sources.contract.identity import Row
from workbench.sources.contract.parsed import Parsed, ParsedRow, ParseOptions, SourceFile
from workbench.sources.files.delimited import LISTED, open_table
from workbench.sources.files.file_kinds import fetched_bytes
from workbench.specs.task_tables import AbcdSource

ID_COLUMNS = ("participant_id", "src_subject_id", "subjectkey")
SESSION_COLUMNS = ("session_id", "eventname")
"""Release 6, then releases 2 to 5."""

PARQUET = b"PAR1"
NO_BETA = "no task beta"

OLD = (
    re.compile(r"tfmri_(?P<task>ma)_(?P<contrast>[a-z0-9]+)_b_(?:scs|cds)_(?P<region>[a-z]+?)(?P<side>lh|rh)?"),
    re.compile(r"tfmri_(?P<task>sa)(?P<contrast>[a-z0-9]+)_b(?:scs|cds)_(?P<region>[a-z]+?)(?P<side>lh|rh)?"),
)
"""Columns of releases 2 to 5, of the incentive and the stop task: ``tfmri_ma_acdn_b_scs_aalh``,
``tfmri_sacgvf_bscs_pdrh``."""

NEW = re.compile(
    r"mr_y_tfmri__(?P<task>[a-z]+)__(?P<contrast>[a-z0-9]+)__(?:aseg|dsk|dst)__(?P<region>[a-z0-9]+)(?:__(?P<side>lh|rh))?_beta"
)
"""Columns of release 6: ``mr_y_tfmri__mid__arvn__aseg__cwm__lh_beta``."""

REGIONS: Mapping[str, str] = {
    "aa": "Accumbens-area",
    "ay": "Amygdala",
    "cd": "Caudate",
    "cde": "Caudate",
    "cbwm": "Cerebral-White-Matter",
    "cwm": "Cerebral-White-Matter",
    "crbcx": "Cerebellum-Cortex",
    "crbwm": "Cerebellum-White-Matter",
    "hp": "Hippocampus",
    "pd": "Pallidum",
    "pt": "Putamen",
    "pu": "Putamen",
    "tp": "Thalamus-Proper",
}
"""Codes of regions of aseg, under their FreeSurfer names; other codes are left as they are."""

SIDES = {"lh": "Left", "rh": "Right"}


@dataclass(frozen=True)
class Beta:
    """What the name of a column says."""

    task: str
    contrast: str
    region: str


def beta_of(column: str) -> Beta | None:
    """Contrast and region of a column of betas; None for any other column, standard errors among them.

    Parameters
    ----------
    column : str

    Returns
    -------
    Beta or None

    Examples
    --------
    >>> beta_of("tfmri_ma_acdn_b_scs_aalh")
    Beta(task='ma', contrast='acdn', region='Left-Accumbens-area')
    >>> beta_of("mr_y_tfmri__mid__arvn__aseg__cwm__lh_beta").region, beta_of("tfmri_mid_all_b_dof")
    ('Left-Cerebral-White-Matter', None)
    """
    match = next((found for pattern in (*OLD, NEW) if (found := pattern.fullmatch(column))), None)
    if match is None:
        return None
    name = REGIONS.get(match["region"])
    side = SIDES.get(match["side"] or "", "")
    region = "-".join(filter(None, (side, name))) if name else match["region"] + (match["side"] or "")
    return Beta(match["task"], match["contrast"], region)


def find(spec: AbcdSource, data: Path) -> list[SourceFile]:
    """The one file, whether or not it is there.

    Parameters
    ----------
    spec : AbcdSource
    data : Path

    Returns
    -------
    list of SourceFile
    """
    return [SourceFile(data / spec.file, spec.file)]


def parse(file: SourceFile, options: ParseOptions) -> Parsed:
    """One table of a release; the betas are its features, everything else is left out.

    Parameters
    ----------
    file : SourceFile
    options : ParseOptions

    Returns
    -------
    Parsed

    Raises
    ------
    SourceError
        If the file cannot be read, or has no column of ids, of events or of betas.
    """
    spec: AbcdSource = options.spec
    if fetched_bytes(file.path, file.label, at_most=1000).startswith(PARQUET):
        return _from_parquet(file, spec)
    header, lines = open_table(file.path, file.label)
    at = _places(header, spec, file.label)
    return _parsed(file.label, header, at, _text_rows(lines, at))


@dataclass(frozen=True)
class _Places:
    """Where ids, sessions and betas stand."""

    participant: int
    session: int
    betas: list[int]


def _places(header: Sequence[str], spec: AbcdSource, label: str) -> _Places:
    participant = _one_of(header, spec.id, ID_COLUMNS, f"{label}: id")
    session = _one_of(header, spec.session, SESSION_COLUMNS, f"{label}: session")
    betas = [at for at, column in enumerate(header) if beta_of(column)]
    if not betas:
        hint = 'such as tfmri_ma_acdn_b_scs_aalh or mr_y_tfmri__mid__arvn__aseg__cwm__lh_beta; else reader = "table"'
        raise SourceError(Problem(label, "has no column that is named like a task beta of the ABCD study", hint))
    return _Places(participant, session, betas)


def _one_of(header: Sequence[str], declared: str | None, usual: Sequence[str], where: str) -> int:
    wanted = (declared,) if declared else usual
    there = next((name for name in wanted if name in header), None)
    if there is None:
        hint = did_you_mean(wanted[0], header[:200])
        raise SourceError(Problem(where, f"has no column {listed(map(repr, wanted), LISTED)}", hint))
    return list(header).index(there)


def _parsed(label: str, header: Sequence[str], at: _Places, entries: Iterator[ParsedRow]) -> Parsed:
    betas = {header[each]: beta for each in at.betas if (beta := beta_of(header[each]))}
    others = {column: NO_BETA for column in header if column not in betas}
    others |= {header[at.participant]: "participant id", header[at.session]: "session"}
    return Parsed(
        label=label,
        columns=tuple(betas),
        entries=entries,
        described={column: _described(beta) for column, beta in betas.items()},
        left_out=others,
        provenance=("the tabulated imaging of the ABCD study",),
    )


def _described(beta: Beta) -> dict[str, str]:
    known = contrast_named(beta.contrast)
    return {"region_a": beta.region, "contrast": known.name if known else beta.contrast, "measure": "beta"}


def _text_rows(lines: Iterator[tuple[int, list[str]]], at: _Places) -> Iterator[ParsedRow]:
    """Rows of a text file, without the descriptions that the NDA writes under its header."""
    for line, cells in lines:
        if line <= 2 and " " in cells[at.participant].strip() and " " in cells[at.session].strip():
            continue  # "Subject ID how it's defined in lab/project", "The event name for which the data was collected"
        yield ParsedRow(
            Row(f"line {line}", cells[at.participant], cells[at.session]), [cells[each] for each in at.betas]
        )


def _from_parquet(file: SourceFile, spec: AbcdSource) -> Parsed:
    import pyarrow
    from pyarrow import parquet

    try:
        header = parquet.read_schema(file.path).names
        at = _places(header, spec, file.label)
        names = [header[at.participant], header[at.session], *(header[each] for each in at.betas)]
        table = parquet.read_table(file.path, columns=names)
    except (pyarrow.ArrowException, OSError) as error:
        found = f"is a Parquet file that cannot be read ({error})"
        raise SourceError(Problem(file.label, found, "copy or download it again")) from None
    return _parsed(file.label, header, at, _parquet_rows(table, file.label))


def _parquet_rows(table: Any, label: str) -> Iterator[ParsedRow]:
    import numpy as np
    import pyarrow

    texts = [["" if each is None else str(each) for each in table.column(at).to_pylist()] for at in (0, 1)]
    columns = []
    for at in range(2, table.num_columns):
        column = table.column(at)
        if not (pyarrow.types.is_floating(column.type) or pyarrow.types.is_integer(column.type)):
            found = f"holds {column.type} in {table.column_names[at]!r}, not numbers"
            raise SourceError(Problem(label, found, "a column of betas holds numbers"))
        columns.append(column.to_numpy().astype(float))
    values = np.stack(columns, axis=1)
    for number, (participant, session) in enumerate(zip(*texts, strict=True)):
        yield ParsedRow(Row(f"row {number + 1}", participant, session), values[number])
