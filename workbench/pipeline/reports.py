"""Reports written: of a run when it is kept, or again from its files, and of the runs of an experiment side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from workbench.errors import Problem, StoreError
from workbench.pipeline.external_results import with_external
from workbench.pipeline.permissions import no_wider_than_study
from workbench.records import LoggedRun, RunResult
from workbench.study import Study, open_study
from workbench.whole_files import folder_to_write, sweep, written_whole

FILE = "report.html"
FOLDER = "reports"
"""Below ``mlruns/``: reports on several runs."""


@no_wider_than_study
def report(run: str = "latest", *, study: str | Path = ".", to: str | Path | None = None) -> Path:
    """Write the report of a finished run from its files, or of an experiment the runs side by side.

    Nothing is fitted again. A report written earlier is replaced.

    Parameters
    ----------
    run : str
        MLflow run id, a unique prefix of one, a run name, an experiment, or ``latest``.
    study : path
        The study folder.
    to : path, optional
        File to write; default: beside the files of the run, or ``mlruns/reports/EXPERIMENT.html``.

    Returns
    -------
    Path
        One HTML file that needs no other.

    Raises
    ------
    StoreError
        If there is no such run, its files are not whole, or `to` is a folder.
    """
    from workbench import tracking

    opened = open_study(Path(study))
    target = None if to is None else Path(to).expanduser()
    if target is not None and target.is_dir():
        raise StoreError(Problem(str(target), "is a folder", f"name a file in it, such as {target / FILE}"))
    several = tracking.list_runs(opened, run)
    if several:
        return _write(side_by_side(run, several), target or opened.root / "mlruns" / FOLDER / f"{run}.html")
    logged = tracking.find_run(opened, run)
    return write_report_again(opened, logged, target or logged.artifacts / FILE)


def write_report_again(study: Study, logged: LoggedRun, path: Path) -> Path:
    """Write the report of a run from its files, with what its frozen model predicted since.

    Parameters
    ----------
    study : Study
    logged : LoggedRun
    path : Path
        File to write.

    Returns
    -------
    Path
    """
    from workbench.export import read_run

    result = with_external(study, logged, read_run(logged.artifacts, tags=logged.tags))
    return _write(html_from(result, logged.artifacts, run_id=logged.run_id), path)


def html_of(folder: Path, *, run_id: str = "", tags: Mapping[str, str] | None = None) -> str:
    """The report of a run from its artifacts.

    Parameters
    ----------
    folder : Path
        The artifacts of a run.
    run_id : str
    tags : mapping of str to str, optional
        What the tracker says of the run.

    Returns
    -------
    str
    """
    from workbench.export import read_run

    return html_from(read_run(folder, tags=tags), folder, run_id=run_id)


def html_from(result: RunResult, folder: Path, *, run_id: str = "") -> str:
    """The report of a run from its result and the files that it has left already.

    Parameters
    ----------
    result : RunResult
        With its SHAP values where participants are to be explained.
    folder : Path
        Its artifacts: versions and figures are taken from there.
    run_id : str

    Returns
    -------
    str
    """
    from workbench.reporting import pictures_in, report_html
    from workbench.results.sections import report_of

    versions = folder / "environment.txt"
    text = versions.read_text(encoding="utf-8") if versions.is_file() else ""
    return report_html(report_of(result, run_id=run_id, environment=text, pictures=pictures_in(folder / "figures")))


def side_by_side(experiment: str, runs: Sequence[LoggedRun]) -> str:
    """The runs of an experiment as one page, from their files.

    Parameters
    ----------
    experiment : str
    runs : sequence of LoggedRun
        The last finished first.

    Returns
    -------
    str
        HTML.
    """
    from workbench.export import read_run
    from workbench.pipeline.comparing import compared, difference_table, last_of_each_name
    from workbench.reporting import comparison_html
    from workbench.results.sections import report_of

    results = {each.run_id: read_run(each.artifacts, tags=each.tags, shap=False) for each in runs}
    last = [results[each.run_id] for each in last_of_each_name(runs)]
    tables = [difference_table(compared(experiment, last))] if len(runs) > 1 else []
    return comparison_html(experiment, [report_of(result, run_id=run_id) for run_id, result in results.items()], tables)


def _write(html: str, path: Path) -> Path:
    sweep(folder_to_write(path.parent))
    with written_whole(path) as unfinished:
        unfinished.write_text(html, encoding="utf-8")
    return path


def write_report(result: RunResult, folder: Path, *, run_id: str) -> Path:
    """Write the report of a run beside its other files.

    Parameters
    ----------
    result : RunResult
    folder : Path
        Its artifacts, figures drawn.
    run_id : str

    Returns
    -------
    Path
    """
    return _write(html_from(result, folder, run_id=run_id), folder / FILE)
