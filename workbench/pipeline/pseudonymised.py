"""A run as it may be handed on: its files with pseudonyms, its pictures and its report drawn anew from these."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from workbench.errors import Problems
from workbench.pipeline.external_results import with_external
from workbench.pipeline.reports import FILE as REPORT
from workbench.pipeline.reports import html_from
from workbench.records import LoggedRun
from workbench.study import Study

if TYPE_CHECKING:
    from workbench.export import Pseudonyms

FIGURES = "figures"
KEY_FILE = "pseudonyms.key"
"""In ``mlruns/``: it stays in the study."""


@contextmanager
def pseudonymised_run(
    study: Study, logged: LoggedRun, more: Mapping[str, bytes]
) -> Iterator[tuple[LoggedRun, dict[str, bytes]]]:
    """A run whose files name nobody, for as long as the block lasts.

    Parameters
    ----------
    study : Study
    logged : LoggedRun
    more : mapping of str to bytes
        Further files of the export, by name.

    Yields
    ------
    LoggedRun
        With other artifacts.
    dict of str to bytes
        The further files, with pseudonyms.

    Raises
    ------
    StoreError
        If a file would still name a participant.
    """
    from workbench import export

    with TemporaryDirectory(prefix="workbench-") as folder:
        place = Path(folder) / "files"
        for name, content in more.items():
            (Path(folder) / "more" / name).parent.mkdir(parents=True, exist_ok=True)
            (Path(folder) / "more" / name).write_bytes(content)
        pseudonyms = _pseudonyms(study, logged, Path(folder) / "more")
        export.write_pseudonymised(logged.artifacts, place, pseudonyms, leave_out=(FIGURES, REPORT))
        named = replace(logged, artifacts=place)
        _draw(study, logged, named)
        others = {name: export.pseudonymised(name, content, pseudonyms) for name, content in more.items()}
        files = {path.relative_to(place).as_posix(): path for path in place.rglob("*") if path.is_file()}
        export.refuse_ids({**files, **others}, pseudonyms)
        yield named, others


def _pseudonyms(study: Study, logged: LoggedRun, more: Path) -> Pseudonyms:
    """Of everybody whom the run names, and of everybody in the study where its data are here."""
    from workbench import export
    from workbench.sources.cohort.participants import read_cohort

    ids = export.ids_in(path for folder in (logged.artifacts, more) for path in folder.rglob("*.tsv"))
    problems, spellings = Problems(), {}
    cohort = None if study.data_problem() else read_cohort(study.cohort, study.data, problems=problems)
    if cohort is not None:
        spellings = {raw: participant for raw, participant in cohort.keys.items() if raw}
        ids |= set(spellings.values())
    features = logged.artifacts / "features.tsv"
    names = features.read_text(encoding="utf-8") if features.is_file() else ""
    return export.Pseudonyms(export.key_of_study(study.mlruns_dir / KEY_FILE), ids, spellings, names)


def _draw(study: Study, logged: LoggedRun, named: LoggedRun) -> None:
    """Pictures and report, from files that name nobody: a drawing holds its points in the order of the participants."""
    from workbench import export, figures

    result = export.read_run(named.artifacts, tags=named.tags)
    if (logged.artifacts / FIGURES).is_dir():
        figures.draw_run(result, named.artifacts / FIGURES)
    if (logged.artifacts / REPORT).is_file():
        html = html_from(with_external(study, logged, result), named.artifacts, run_id=named.run_id)
        (named.artifacts / REPORT).write_text(html, encoding="utf-8")
