"""The pages that the UI has of a study besides those of MLflow: start page, reports, runs side by side."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from workbench.errors import StoreError
from workbench.pipeline.comparing import last_of_each_name
from workbench.pipeline.reports import FILE as REPORT
from workbench.pipeline.reports import side_by_side
from workbench.records import LoggedExperiment, LoggedRun, QuestionCard, RunLine, StudyPage
from workbench.study import Study, open_study

if TYPE_CHECKING:
    from workbench.tracking.access import App
    from workbench.tracking.server import Pages

NOT_SHOWN = ("not tested", "prediction not shown")
"""Verdicts that claim no prediction."""


def study_page(study: Study) -> StudyPage:
    """What the start page says: every finished run that the ledger counts, as it was judged.

    Parameters
    ----------
    study : Study

    Returns
    -------
    StudyPage
    """
    from workbench.tracking import list_experiments

    experiments = list_experiments(study)
    runs = [run for each in experiments for run in each.runs]
    simulated = bool(runs) and all(run.tags.get("data") == "synthetic" for run in runs)
    return StudyPage(study.root.name or "study", simulated, tuple(map(_card, experiments)), len(runs))


def _card(experiment: LoggedExperiment) -> QuestionCard:
    last = last_of_each_name(experiment.runs)
    names = [run.name for run in experiment.runs]
    newest = sorted(last, key=lambda run: names.index(run.name))
    lines = tuple(_line(run, experiment.experiment_id, names.count(run.name) - 1) for run in newest)
    outcome = experiment.runs[0].tags.get("outcome", "")
    return QuestionCard(experiment.name, experiment.question, outcome, lines, _links(experiment, newest))


def _line(run: LoggedRun, experiment_id: str, earlier: int) -> RunLine:
    verdict, metrics = run.tags.get("claim", ""), run.metrics
    n = metrics.get("n")
    return RunLine(
        name=run.name,
        verdict=verdict,
        kind=run.tags.get("claim_kind", ""),
        shown=verdict not in NOT_SHOWN,
        n=None if n is None else int(n),
        r2=metrics.get("r2"),
        r2_low=metrics.get("r2_low"),
        r2_high=metrics.get("r2_high"),
        p=_p(run),
        mae=_text(metrics.get("mae")),
        mae_clinical=_text(metrics.get("mae_clinical")),
        finished=run.finished,
        page=f"/#/experiments/{experiment_id}/runs/{run.run_id}",
        report=f"/workbench/runs/{run.run_id}/report" if (run.artifacts / REPORT).is_file() else "",
        earlier=earlier,
    )


def _p(run: LoggedRun) -> str:
    """As text; runs of earlier versions have it as a number."""
    from workbench.results.wording import p_text

    number = run.metrics.get("p_value")
    return run.tags.get("p_value", "") or ("" if number is None else p_text(number))


def _text(error: float | None) -> str:
    return "" if error is None else f"{error:.3g}"


def _links(experiment: LoggedExperiment, runs: Sequence[LoggedRun]) -> tuple[tuple[str, str], ...]:
    table = f"/#/experiments/{experiment.experiment_id}/runs"
    links = [
        (f"{name} in MLflow", f"{table}?viewStateShareKey={quote(key)}&workflowType=machine_learning")
        for name, key in experiment.views
    ]
    if len(runs) < 2:
        return tuple(links)
    compared = quote(json.dumps([run.run_id for run in runs], separators=(",", ":")))
    beside = f"/#/compare-runs?runs={compared}&experiments={quote(json.dumps([experiment.experiment_id]))}"
    page = f"/workbench/experiments/{quote(experiment.name, safe='')}/comparison"
    return (("Runs side by side", page), *links, ("Compare in MLflow", beside))


def report_page(study: Study, run_id: str) -> str | None:
    """The report of a run, as it lies beside its files.

    Parameters
    ----------
    study : Study
    run_id : str

    Returns
    -------
    str or None
        None where the ledger counts no such run, or it has no report among the files of this study.
    """
    from workbench.tracking import list_runs

    run = next((each for each in list_runs(study) if each.run_id == run_id), None)
    path = None if run is None else (run.artifacts / REPORT).resolve()
    if path is None or not path.is_relative_to(study.artifacts_dir.resolve()) or not path.is_file():
        return None
    return path.read_text(encoding="utf-8")


class Comparisons:
    """The runs of an experiment side by side, worked out once for the runs that there are."""

    def __init__(self, study: Study) -> None:
        self._study = study
        self._pages: dict[str, tuple[tuple[str, ...], str]] = {}

    def page(self, experiment: str) -> str | None:
        """HTML; None where the experiment has no finished run that the ledger counts."""
        from workbench.tracking import list_runs

        runs = list_runs(self._study, experiment)
        if not runs:
            return None
        run_ids = tuple(run.run_id for run in runs)
        known, html = self._pages.get(experiment, ((), ""))
        if known != run_ids:
            html = side_by_side(experiment, runs)
            self._pages[experiment] = run_ids, html
        return html


def pages_of(folder: Path) -> Pages:
    """The pages of the study in a folder, made anew for every request.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    Pages
    """
    from workbench.reporting import study_html
    from workbench.tracking import list_experiments, remember_script
    from workbench.tracking.server import Pages

    study = open_study(folder)
    return Pages(
        start=lambda: study_html(study_page(study)),
        remember=lambda: remember_script(study.database, [each.experiment_id for each in list_experiments(study)]),
        report=partial(report_page, study),
        comparison=Comparisons(study).page,
    )


def create() -> App:
    """The app for ``mlflow server --app-name workbench``, told by the environment what it serves.

    ``WORKBENCH_UI_STUDY`` is the study folder, ``WORKBENCH_UI_TOKEN`` the token, ``WORKBENCH_UI_PORT`` the port, which
    names the cookie.

    Returns
    -------
    ASGI app

    Raises
    ------
    StoreError
        If one of them is missing: without a token whoever uses the machine would read and delete runs.
    """
    import os

    from workbench.tracking.server import Settings, make_app

    names = ("WORKBENCH_UI_STUDY", "WORKBENCH_UI_TOKEN", "WORKBENCH_UI_PORT")
    missing = [name for name in names if not os.environ.get(name)]
    if missing:
        raise StoreError(f"{', '.join(missing)}: not set; start the server with: workbench ui --study DIR")
    folder, token, port = (os.environ[name] for name in names)
    study = open_study(Path(folder))
    where = (str(study.root), str(study.database), str(study.artifacts_dir.resolve()))
    return make_app(pages_of(study.root), Settings(token, int(port), *where))


def main() -> None:
    """Serve the study that standard input names, until that ends."""
    from workbench.tracking.server import serve

    serve(pages_of)


if __name__ == "__main__":
    main()
