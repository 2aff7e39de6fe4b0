"""Feature tables described: numbers as tables, a picture for each source, nothing fitted and no outcome looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.errors import Problem, Problems, SpecError
from workbench.pipeline.circuits import WithoutCircuit, without_circuit, write_templates
from workbench.pipeline.interrupting import can_be_interrupted
from workbench.pipeline.permissions import no_wider_than_study
from workbench.pipeline.progress import Progress
from workbench.pipeline.study_data import load_study_data, one_or_several, study_with_data

if TYPE_CHECKING:
    from workbench.tables.describing import Description


@dataclass(frozen=True, eq=False)
class DescribedSource:
    """One source described, with the files that say so.

    Parameters
    ----------
    description : Description
    without_circuit : WithoutCircuit or None
    files : tuple of Path
        Written, where a folder was named.
    """

    description: Description
    without_circuit: WithoutCircuit | None
    files: tuple[Path, ...] = ()

    def __repr__(self) -> str:
        lines = [f"{title}: {words}" for title, words in self.description.lines]
        written = [f"{len(self.files)} files in {self.files[0].parent}"] if self.files else []
        return "\n".join([repr(self.description.table), *lines, *written])


@can_be_interrupted
@no_wider_than_study
def describe_features(
    names: str | Sequence[str] = (),
    *,
    study: str | Path = ".",
    data: str | Path | None = None,
    to: str | Path | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> tuple[DescribedSource, ...]:
    """Describe sources: participants and sessions, missing values, constant features, ranges, zeros, circuits.

    Parameters
    ----------
    names : str or sequence of str
        Sources; default: all of the study.
    study, data : path
        The study folder, and where its data are if not where ``cohort.toml`` says.
    to : path, optional
        Folder for the tables and pictures, one folder in it for each source. ``rows.tsv`` names participants.
    force : bool
        Write over the files of an earlier description.
    progress : Progress, optional

    Returns
    -------
    tuple of DescribedSource

    Raises
    ------
    WorkbenchError
        With every problem of the sources; if a folder holds files already.
    """
    from workbench.tables.describing import describe_table

    opened = study_with_data(study, data)
    wanted = one_or_several(names)
    for name in wanted:
        opened.source(name)
    folders = {name: Path(to) / name for name in (wanted or opened.sources)} if to is not None else {}
    problems = Problems()
    for folder in folders.values():
        if folder.exists() and any(folder.iterdir()) and not force:
            problems.add(str(folder), "holds files already", "name another folder, or add --force to write over them")
    problems.raise_if_any(SpecError)
    loaded = load_study_data(opened, wanted or None, problems=problems, progress=progress)
    problems.raise_if_any()
    assert loaded is not None  # without a cohort there is a problem
    done = []
    for name, table in loaded.tables.items():
        description = describe_table(table, transformed=opened.sources[name].transform == "fisher-z")
        lacking = without_circuit(opened, [table])
        files = _written(description, folders[name], synthetic=opened.cohort.synthetic) if folders else ()
        done.append(DescribedSource(description, lacking[0] if lacking else None, files))
    return tuple(done)


def _written(description: Description, folder: Path, *, synthetic: bool) -> tuple[Path, ...]:
    from workbench.figures import draw_features

    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, frame in (
        ("features", description.by_feature),
        ("rows", description.by_row),
        ("sessions", description.by_session),
        ("circuits", description.by_circuit),
    ):
        path = folder / f"{name}.tsv"
        frame.to_csv(path, sep="\t", index=False, na_rep="n/a", float_format="%.6g")
        written.append(path)
    return (*written, *draw_features(description, folder, synthetic=synthetic))


@no_wider_than_study
def circuits_template(
    names: str | Sequence[str] = (),
    *,
    study: str | Path = ".",
    data: str | Path | None = None,
    progress: Progress | None = None,
) -> tuple[tuple[WithoutCircuit, ...], tuple[Path, ...], tuple[Path, ...]]:
    """Write, for each source with features of no circuit, a table to fill in beside its file.

    Parameters
    ----------
    names : str or sequence of str
        Sources; default: all of the study.
    study, data : path
        The study folder, and where its data are if not where ``cohort.toml`` says.
    progress : Progress, optional

    Returns
    -------
    (tuple of WithoutCircuit, tuple of Path, tuple of Path)
        What lacks a circuit; files written; files that were there and stay as they are.

    Raises
    ------
    WorkbenchError
        With every problem of the sources.
    """
    opened = study_with_data(study, data)
    for name in one_or_several(names):
        opened.source(name)
    problems = Problems()
    loaded = load_study_data(opened, one_or_several(names) or None, problems=problems, progress=progress)
    problems.raise_if_any()
    if loaded is None:
        raise SpecError(Problem("features/cohort.toml", "names no participants"))
    found = without_circuit(opened, loaded.tables.values())
    return found, *write_templates(found, opened.root)
