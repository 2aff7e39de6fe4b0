"""Files as labs have them -> records: one module per kind of file, and malformed files end here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from workbench.records import Cohort, FeatureTable
from workbench.sources.connectivity import matrix_files, read_matrix
from workbench.sources.left_out import read_left_out as read_left_out
from workbench.sources.wide_table import read_table, table_files
from workbench.specs.source import AnySource

READERS: dict[str, Callable[..., FeatureTable]] = {"table": read_table, "matrix": read_matrix}
"""Readers by name; their options are in `workbench.specs.source.READERS` under the same names."""

FILES: dict[str, Callable[..., tuple[Path, ...]]] = {"table": table_files, "matrix": matrix_files}
"""For each reader, the files it would read: their content decides whether a table is built anew."""


def read_source(name: str, spec: AnySource, cohort: Cohort, *, data: Path, features_dir: Path) -> FeatureTable:
    """Build the feature table of one source.

    Raises
    ------
    SourceError
        Every problem of its files, naming file, line and subject.
    """
    return READERS[spec.reader](name, spec, cohort, data=data, features_dir=features_dir)


def source_files(spec: AnySource, *, data: Path, features_dir: Path) -> tuple[Path, ...]:
    """Every file that a source is made from, whether or not it exists."""
    return FILES[spec.reader](spec, data=data, features_dir=features_dir)
