"""CONN: region-to-region results of the first level, all subjects of the project in one file for each condition."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from workbench.errors import Problem, Problems, SourceError, did_you_mean, listed
from workbench.sources.contract.identity import Row
from workbench.sources.contract.parsed import Parsed, ParsedMatrix, ParseOptions, SourceFile
from workbench.sources.files.delimited import read_text
from workbench.sources.matrices.matlab_files import read_matlab, real_numbers
from workbench.specs.matlab_source import FISHER_Z_ALREADY, ConnSource

CONDITIONS = "_list_conditions.txt"
"""Beside the results: one condition a line, in the order of their numbers."""


def find(spec: ConnSource, data: Path) -> list[SourceFile]:
    """The file of each condition, whether or not it is there.

    Parameters
    ----------
    spec : ConnSource
    data : Path
        Folder that `folder` is relative to.

    Returns
    -------
    list of SourceFile
        Without ids, which the list of subjects holds; with the session of the condition where it is one.

    Raises
    ------
    SourceError
        If a condition is not in the list beside the results.
    """
    folder = data / spec.folder
    names = _condition_names(folder, f"{spec.folder}/{CONDITIONS}")
    problems, files = Problems(), []
    for condition in spec.conditions or [spec.condition or ""]:
        number = int(condition) if condition.isdecimal() else 0
        if not number and condition in names:
            number = names.index(condition) + 1
        if not number:
            hint = did_you_mean(condition, names) if names else f"there is no {CONDITIONS}: give its number"
            problems.add(f"{spec.folder}/{CONDITIONS}", f"has no condition {condition!r}", hint)
            continue
        name = f"resultsROI_Condition{number:03d}.mat"
        session = (spec.conditions[condition],) if spec.conditions else ()
        files.append(SourceFile(folder / name, f"{spec.folder}/{name}", sessions=session))
    problems.raise_if_any(SourceError)
    return files


def _condition_names(folder: Path, label: str) -> list[str]:
    path = folder / CONDITIONS
    return [line.strip() for line in read_text(path, label).splitlines()] if path.is_file() else []


def parse(file: SourceFile, options: ParseOptions) -> Parsed:
    """All subjects of one condition.

    Parameters
    ----------
    file : SourceFile
    options : ParseOptions

    Returns
    -------
    Parsed
        Edges of bivariate correlation are undirected; of the other measures they run from source to target. Subjects
        that were not processed (all their values are missing) are counted in its notes.

    Raises
    ------
    SourceError
        If it is no file of CONN, or the list of subjects is not as long as the file.
    """
    spec: ConnSource = options.spec
    Z, sources, targets = _results(read_matlab(file), file.label)
    ids = [line.strip() for line in read_text(options.beside(spec.subjects), spec.subjects).splitlines()]
    ids = [raw_id for raw_id in ids if raw_id]
    if len(ids) != Z.shape[2]:
        found = f"holds {Z.shape[2]} subjects, and {spec.subjects} lists {len(ids)}"
        hint = "one id a line for every subject of the CONN project, in its order, those that were not processed too"
        raise SourceError(Problem(file.label, found, hint))
    names = targets if spec.targets else sources
    processed = [at for at in range(len(ids)) if not np.isnan(Z[:, :, at]).all()]
    n_empty = len(ids) - len(processed)
    notes = (f"{n_empty} of {len(ids)} subjects were not processed by CONN: all their values are missing",)
    session = next(iter(file.sessions), "")
    rows = [Row(f"subject {at + 1} of {spec.subjects}", ids[at], session) for at in processed]
    return Parsed(
        file.label,
        names,
        [_entry(Z[:, :, at], len(names), row, spec) for at, row in zip(processed, rows, strict=True)],
        order=names,
        order_label=file.label,
        measure=f"{spec.analysis} (CONN)",
        unit="z" if spec.analysis in FISHER_Z_ALREADY else "beta",
        notes=notes if n_empty else (),
        provenance=(f"CONN ({spec.analysis}: {'Fisher z' if spec.analysis in FISHER_Z_ALREADY else 'beta'})",),
    )


def _results(variables: Mapping[str, Any], label: str) -> tuple[np.ndarray, tuple[str, ...], tuple[str, ...]]:
    """Z of shape (n_sources, n_targets, n_subjects), and the names of sources and targets, sources first."""
    absent = [name for name in ("Z", "names", "names2") if name not in variables]
    if absent:
        found = f"has no variable {listed(map(repr, absent))}, but {listed(sorted(variables), 5)}"
        raise SourceError(Problem(label, found, "resultsROI_Condition###.mat of results/firstlevel/<analysis>"))
    Z = real_numbers(variables["Z"], "Z", label)
    sources, targets = (tuple(str(name).strip() for name in variables[key]) for key in ("names", "names2"))
    if Z.ndim != 3:
        found = f"holds Z of {Z.ndim} dimensions, that of one subject"
        raise SourceError(Problem(label, found, "resultsROI_Condition###.mat holds all subjects of the project"))
    if Z.shape[:2] != (len(sources), len(targets)) or targets[: len(sources)] != sources:
        found = f"holds Z of {Z.shape[0]} x {Z.shape[1]} for {len(sources)} sources and {len(targets)} targets"
        raise SourceError(Problem(label, found, "sources are the first targets in every file of CONN"))
    return Z, sources, targets


def _entry(Z: np.ndarray, n_regions: int, row: Row, spec: ConnSource) -> ParsedMatrix:
    """A square for one subject; what no source was related to is missing, or the same edge the other way round."""
    n_sources = len(Z)
    values = np.full((n_regions, n_regions), np.nan)
    values[:n_sources] = Z[:, :n_regions]
    symmetric = spec.analysis == "correlation"
    if symmetric:
        values[n_sources:, :n_sources] = values[:n_sources, n_sources:].T
    return ParsedMatrix(row, values, symmetric=symmetric)
