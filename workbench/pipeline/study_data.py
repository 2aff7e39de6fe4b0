"""A study opened with its data: the cohort read, its feature tables built or taken from the cache."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.errors import Problem, Problems, SourceError
from workbench.module_search import import_ahead
from workbench.pipeline.interrupting import can_be_interrupted
from workbench.pipeline.notebook_progress import usual_progress
from workbench.pipeline.permissions import no_wider_than_study
from workbench.pipeline.progress import Progress
from workbench.records import Cohort, Dataset, FeatureTable
from workbench.specs import spec_hash
from workbench.specs.experiment import ExperimentSpec
from workbench.study import Study, open_study

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


READING = ("pyarrow.parquet", "workbench.sources.cohort.participants", "workbench.tables.feature_table")
"""What is imported to read a cohort and its tables, pandas among it: the garbage collector never looks at these."""


@dataclass(frozen=True, eq=False)
class StudyData:
    """A study with its cohort read and its feature tables built."""

    study: Study
    cohort: Cohort
    tables: Mapping[str, FeatureTable]
    rebuilt: tuple[str, ...] = ()


def load_study_data(
    study: Study, names: Iterable[str] | None = None, *, problems: Problems, progress: Progress | None = None
) -> StudyData | None:
    """Read the cohort and build, or take from the cache, the feature tables of some sources (default: all).

    Problems are collected, not raised; None where there is no cohort to join anything to.

    Parameters
    ----------
    study : Study
    names : iterable of str, optional
    problems : Problems
        Takes the problems that are met; a source with one is not among the tables.
    progress : Progress, optional

    Returns
    -------
    StudyData or None
    """
    import_ahead(READING)
    from workbench.sources.cohort.participants import read_cohort

    progress = progress or usual_progress()
    cohort = read_cohort(study.cohort, study.data, problems=problems)
    wanted = list(study.sources if names is None else names)
    if cohort is None:
        problems.extend([each for each in _files_not_there(study, wanted) if each not in list(problems)])
        return None
    tables: dict[str, FeatureTable] = {}
    rebuilt: list[str] = []
    for position, name in enumerate(wanted):
        progress.advance("feature tables", position, len(wanted))
        with problems.gather():
            tables[name], fresh = load_table(study, cohort, name)
            if fresh:
                rebuilt.append(name)
    progress.advance("feature tables", len(wanted), len(wanted))
    return StudyData(study, cohort, tables, tuple(rebuilt))


def _files_not_there(study: Study, sources: Sequence[str]) -> Iterator[Problem]:
    """Files that the study names and nobody has opened yet, since there is no cohort to join them to."""
    from workbench.sources.cohort.quality import quality_files_not_there
    from workbench.sources.files.file_kinds import no_file
    from workbench.sources.producers import producer_of

    cohort = study.cohort
    of_cohort = [cohort.participants, *(each.file for each in cohort.columns.values())]
    of_cohort += [each.file for each in cohort.scores.values()]
    # Of a file for each participant there is no name before somebody is known.
    named = {label: study.data / label for label in of_cohort if label and "{participant}" not in label}
    for source in sources:
        spec = study.sources[source]
        files = producer_of(spec.reader, study=study.root).find(spec, study.data)
        named |= {file.label: file.path for file in files}
    for label, path in named.items():
        if not path.is_file():
            yield no_file(path, label)
    yield from quality_files_not_there(cohort.quality or {}, study.data)


def load_table(study: Study, cohort: Cohort, name: str) -> tuple[FeatureTable, bool]:
    """One feature table, rebuilt only where its spec, its files or the cohort's ids and covariates changed."""
    from workbench.knowledge.vocabulary import published_text
    from workbench.sources import read_source, source_files
    from workbench.sources.producers import producer_of
    from workbench.tables.feature_table import cached_table, content_key
    from workbench.tables.file_digests import FileDigests

    spec = study.sources[name]
    files = source_files(spec, data=study.data, features_dir=study.features_dir)
    ids = (sorted(cohort.keys.items()), sorted(cohort.sessions), cohort.id_column, cohort.missing)
    # Covariates count too: a file that repeats one of them is read against it (T15).
    version = producer_of(spec.reader, study=study.root).version
    digests = FileDigests(study.tables_dir)
    key = content_key(
        f"{spec_hash(spec)}\n{version}\n{ids}\n{cohort.participants.to_csv()}\n{published_text()}", files, digests
    )
    digests.remember()
    build = partial(read_source, name, spec, cohort, data=study.data, features_dir=study.features_dir)
    return cached_table(name, key, build, study.tables_dir)


def left_out(loaded: StudyData, dataset: Dataset, spec: ExperimentSpec) -> dict[str, np.ndarray]:
    """By source of a dataset: the columns of its file that are not among its features, by row (trap T6).

    Parameters
    ----------
    loaded : StudyData
    dataset : Dataset
    spec : ExperimentSpec

    Returns
    -------
    dict of str to ndarray of shape (n_rows, n_columns)
        Only sources whose file has such columns.
    """
    from workbench.tables.measurements import values_for

    people = list(dataset.rows["participant_id"])
    columns = {}
    for name in dataset.sources:
        table = loaded.tables[name]
        if table.left_out is not None and table.left_out.columns:
            columns[name] = values_for(replace(table, values=table.left_out.values), spec, people)
    return columns


def one_or_several(names: str | Sequence[str]) -> tuple[str, ...]:
    """Names, also where a single one was given as a text.

    Parameters
    ----------
    names : str or sequence of str

    Returns
    -------
    tuple of str
    """
    return (names,) if isinstance(names, str) else tuple(names)


@can_be_interrupted
@no_wider_than_study
def features(
    names: str | Sequence[str] = (),
    *,
    study: str | Path = ".",
    data: str | Path | None = None,
    progress: Progress | None = None,
) -> dict[str, tuple[FeatureTable, bool]]:
    """Build feature tables, or take them from the cache where nothing changed.

    Parameters
    ----------
    names : str or sequence of str
        Sources; default: all of the study.
    study, data : path
        The study folder, and where its data are if not where ``cohort.toml`` says.
    progress : Progress, optional

    Returns
    -------
    dict of str to (FeatureTable, bool)
        The table of each source, and whether it was built afresh.
    """
    names = one_or_several(names)
    problems = Problems()
    opened = study_with_data(study, data)
    for name in names:
        opened.source(name)
    loaded = load_study_data(opened, names or None, problems=problems, progress=progress)
    problems.raise_if_any()
    assert loaded is not None  # without a cohort there is a problem
    return {name: (table, name in loaded.rebuilt) for name, table in loaded.tables.items()}


def describe(table: FeatureTable) -> pd.DataFrame:
    """A feature table by circuit: features, missing values, range.

    Parameters
    ----------
    table : FeatureTable

    Returns
    -------
    DataFrame
        One row per session: source, modality, session, participants, features, missing (share of single values),
        constant (features that are the same in everyone), circuits, unit.
    """
    from workbench.tables.feature_table import describe as by_circuit

    return by_circuit(table)


def study_with_data(study: str | Path, data: str | Path | None) -> Study:
    """The study, its data folder known to exist.

    Parameters
    ----------
    study : path
    data : path or None
        Where the data are if not where ``cohort.toml`` says.

    Returns
    -------
    Study

    Raises
    ------
    SourceError
        If the data folder does not exist.
    """
    opened = open_study(Path(study), optional_path(data))
    missing = opened.data_problem()
    if missing:
        raise SourceError(missing)
    return opened


def optional_path(data: str | Path | None) -> Path | None:
    """A path where one was given.

    Parameters
    ----------
    data : path, optional

    Returns
    -------
    Path or None
    """
    return None if data is None else Path(data)
