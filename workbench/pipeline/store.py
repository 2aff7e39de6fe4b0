"""Finished runs and where they are kept: written and logged, found again and shown, copied for a supplement."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from workbench.pipeline.comparing import row_of, words_of
from workbench.pipeline.external_results import files_of_external, from_here, with_external
from workbench.pipeline.permissions import no_wider_than_study
from workbench.pipeline.progress import Progress, Silent
from workbench.pipeline.pseudonymised import pseudonymised_run
from workbench.pipeline.reports import FILE as REPORT
from workbench.pipeline.reports import write_report
from workbench.records import GateRow, RunResult
from workbench.study import open_study

if TYPE_CHECKING:
    import pandas as pd

    from workbench.forks import Forks, Shared
    from workbench.models.everyone import StudyModel
    from workbench.results.layout import Page
    from workbench.tracking import Recorder
    from workbench.tracking.recording import OpenRun


REHEARSAL = "Rehearsal: all scores were simulated, so that no number below says anything about the participants."


@dataclass(frozen=True, eq=False, repr=False)
class FinishedRun:
    """A result with where it is kept; ``run_id`` is empty for a rehearsal, which is not kept."""

    result: RunResult
    run_id: str = ""
    artifacts: Path | None = None

    @property
    def next_step(self) -> str:
        """The command to type next: what the claim proposes, for this run; after a rehearsal, the run itself."""
        if not self.run_id:
            return f"workbench run {self.result.scores.experiment}"
        return self.result.claim.next_step.replace("latest", self.run_id[:8])

    @property
    def report(self) -> str:
        """Its report, from the current folder where it lies below it; the folder of its files for a run of an older
        version, which has none, and empty for a rehearsal."""
        if self.artifacts is None:
            return ""
        own = self.artifacts / REPORT
        return from_here(own if own.is_file() else self.artifacts)

    def abstract(self, next_command: str = "") -> str:
        """The result on one page of plain text, as the terminal shows it; where that names ``show -v``, `details`."""
        from workbench.results.summary import abstract

        command = next_command or self.next_step
        text = abstract(self.result, next_command=command, report=self.report, show="run.details()")
        return text if self.run_id else f"{REHEARSAL}\n\n{text}"

    def page(self, next_command: str = "", show: str = "show -v") -> Page:
        """The same before it is set to a width."""
        from workbench.results.summary import page

        return page(self.result, next_command=next_command or self.next_step, report=self.report, show=show)

    def details(self) -> str:
        """Everything beyond the page, in labelled paragraphs."""
        from workbench.results.details import details

        return details(self.result)

    def one_line(self) -> str:
        """Run, r2, p and verdict; of a rehearsal, that it is one."""
        from workbench.results.summary import one_line

        return one_line(self.result) if self.run_id else f"rehearsal on simulated scores, {one_line(self.result)}"

    @property
    def predictions(self) -> pd.DataFrame:
        """Held-out predictions in units of the outcome: participant_id, session, repeat, fold, observed, predicted,
        reference (the prediction without the features)."""
        return self.result.predictions

    @property
    def explanations(self) -> pd.DataFrame | None:
        """SHAP values of the held-out predictions in units of the outcome, mean over repeats: participant_id, session,
        base, one column per feature; None for a model that is not explained."""
        shap = self.artifacts / "shap.parquet" if self.artifacts else None
        if self.result.shap is None and shap is not None and shap.exists():
            import pandas as pd

            return pd.read_parquet(shap)
        return self.result.shap

    @property
    def biomarkers(self) -> pd.DataFrame:
        """Candidate biomarkers, one row per circuit and per feature within it; empty where none may be named."""
        return self.result.biomarkers.assign(run_id=self.run_id)

    def __repr__(self) -> str:
        return f"<{self.result.scores.experiment} | {self.one_line()}>"

    def _repr_html_(self) -> str:
        return FinishedRuns([self])._repr_html_()

    @property
    def gate(self) -> tuple[GateRow, ...]:
        """Every row of the claim gate, with why the run misses it."""
        from workbench.results.requirements import gate_rows

        return gate_rows(self.result.scores)

    @property
    def verdict_now(self) -> str:
        """The verdict of this version's claim gate, which may ask for more than the one that judged the run."""
        from workbench.results.claims import judge

        return judge(self.result.scores).verdict

    def comparators(self) -> pd.DataFrame:
        """What each model reaches on the same folds, in words and rounded numbers."""
        from workbench.results.details import comparator_table

        return comparator_table(self.result)

    def circuits(self) -> pd.DataFrame:
        """Every circuit tested with its q, in words and rounded numbers."""
        from workbench.results.details import circuit_table

        return circuit_table(self.result)

    @property
    def figures(self) -> tuple[Path, ...]:
        """Its pictures on a light ground, as PNG; each lies there as SVG and for a dark ground too."""
        found = sorted((self.artifacts / "figures").glob("*.png")) if self.artifacts else []
        return tuple(path for path in found if not path.stem.endswith("-dark"))


class FinishedRuns(tuple[FinishedRun, ...]):
    """Several finished runs; shown as a table with one row per run."""

    __slots__ = ()

    def __new__(cls, runs: Iterable[FinishedRun] = ()) -> FinishedRuns:
        """Of any runs, in their order."""
        return super().__new__(cls, runs)

    def table(self) -> pd.DataFrame:
        """One row per run: experiment, run, n, r2 and the ends of its 95 % interval, mae, p, verdict, run_id.

        p is the one that the claim is judged by: corrected for the family of runs and for results viewed before.
        """
        return self._with(row_of)

    def _with(self, numbers: Callable[[RunResult], dict[str, object]]) -> pd.DataFrame:
        import pandas as pd

        rows = [
            {
                "experiment": run.result.scores.experiment,
                "run": run.result.scores.run_name,
                **numbers(run.result),
                "run_id": run.run_id[:8] or "rehearsal",
            }
            for run in self
        ]
        return pd.DataFrame(rows)

    def __repr__(self) -> str:
        return self._with(words_of).to_string(index=False) if self else "no finished run"

    def _repr_html_(self) -> str:
        return str(self._with(words_of).to_html(index=False)) if self else "no finished run"


def keep_each(
    recorder: Recorder,
    judged: Iterable[tuple[RunResult, str]],
    progress: Progress | None = None,
    *,
    jobs: int = 1,
    forks: Forks | None = None,
) -> Iterator[FinishedRun]:
    """Write everything that runs leave, and log them one after another; worker processes draw meanwhile.

    The figures of a run are begun before the report of the one before it is written, which needs no worker.

    Parameters
    ----------
    recorder : Recorder
    judged : iterable of (RunResult, str)
        Each with the id of the run that was begun for it, and counted.
    progress : Progress, optional
    jobs : int
        Worker processes that draw, where there is more than one and there are no forks.
    forks : Forks, optional
        Draw, where there are any.

    Yields
    ------
    FinishedRun
    """
    before: _Unfinished | None = None
    with ExitStack() as unfinished:
        for result, run_id in judged:
            (progress or Silent()).say(f"writing {result.scores.run_name}")
            try:
                begun = _Unfinished.begin(recorder, result, run_id, unfinished)
                drawing = _drawing(replace(result, model=None), begun.opened.artifacts / "figures", jobs, forks)
            except BaseException:
                if before is not None:  # all but its report is there
                    before.finish()
                raise
            if before is not None:
                yield before.finish()
            begun.write_tables()
            for _ in drawing:
                pass
            before = begun
        if before is not None:
            yield before.finish()


@dataclass(frozen=True)
class _Unfinished:
    """A run that is open in the store until it is finished; if anything fails meanwhile it is taken away again."""

    result: RunResult
    opened: OpenRun
    closing: ExitStack

    @classmethod
    def begin(cls, recorder: Recorder, result: RunResult, run_id: str, unfinished: ExitStack) -> _Unfinished:
        closing = unfinished.enter_context(ExitStack())
        return cls(result, closing.enter_context(recorder.open_run(result, run_id)), closing)

    def write_tables(self) -> None:
        from workbench import export as exporting
        from workbench import model_files

        result, folder = self.result, self.opened.artifacts
        exporting.write_run(result, folder, run_id=self.opened.run_id)
        if result.model is not None and result.claim.shows_prediction:
            model_files.write_model(result, folder / exporting.MODEL_FOLDER)

    def finish(self) -> FinishedRun:
        write_report(self.result, self.opened.artifacts, run_id=self.opened.run_id)
        self.closing.close()
        return FinishedRun(self.result, self.opened.run_id, self.opened.artifacts)


def _drawing(result: RunResult, folder: Path, jobs: int, forks: Forks | None) -> Iterator[object]:
    """Begin to draw every picture where there are workers; all are drawn when this is used up."""
    from workbench import figures
    from workbench.execution import in_workers
    from workbench.forks import Shared

    if forks is None:
        return in_workers(
            partial(figures.draw_picture, result=result, folder=folder), tuple(figures.PICTURES), jobs=jobs
        )
    shared = Shared(result)
    return forks.start([partial(_draw, name, shared, folder) for name in figures.PICTURES])


def _draw(name: str, result: Shared[RunResult], folder: Path, _report: object) -> None:
    from workbench import figures

    figures.draw_picture(name, result=result.value, folder=folder)


def show_run(run: str = "latest", *, study: str | Path = ".") -> FinishedRun:
    """A finished run as it was kept, from its files: nothing is fitted again.

    Parameters
    ----------
    run : str
        MLflow run id, a unique prefix of one, a run name, an experiment (its last run), or ``latest``.
    study : path
        The study folder.

    Returns
    -------
    FinishedRun

    Raises
    ------
    StoreError
        If there is no such run, or its files are not whole or of another version.
    """
    from workbench import export, tracking

    opened = open_study(Path(study))
    logged = tracking.find_run(opened, run)
    result = with_external(opened, logged, export.read_run(logged.artifacts, tags=logged.tags, shap=False))
    return FinishedRun(result, logged.run_id, logged.artifacts)


def list_runs(experiment: str | None = None, *, study: str | Path = ".") -> FinishedRuns:
    """Every finished run of a study that the ledger counts, or of one experiment; the last finished first.

    Parameters
    ----------
    experiment : str, optional
        Only the runs of this experiment.
    study : path
        The study folder.

    Returns
    -------
    FinishedRuns

    Raises
    ------
    StoreError
        If nothing has been run yet, or the files of a run are not whole or of another version.
    """
    from workbench import export, tracking

    opened = open_study(Path(study))
    finished = []
    for run in tracking.list_runs(opened, experiment):
        result = with_external(opened, run, export.read_run(run.artifacts, tags=run.tags, shap=False))
        finished.append(FinishedRun(result, run.run_id, run.artifacts))
    return FinishedRuns(finished)


def export_run(
    run: str = "latest",
    *,
    to: str | Path,
    study: str | Path = ".",
    force: bool = False,
    model: bool = False,
    participant_data: bool = False,
    theme: Literal["light", "dark", "both"] = "both",
    images: bool = False,
    pseudonyms: bool = False,
) -> tuple[Path, ...]:
    """Copy everything a supplement needs of one run into a folder.

    Parameters
    ----------
    run : str
        MLflow run id, a unique prefix of one, a run name, an experiment (its last run), or ``latest``.
    to : path
        Made where it does not exist; files of other names in it are left alone.
    study : path
        The study folder.
    force : bool
        Overwrite files that differ.
    model : bool
        Also the model fitted to everyone analysed, for `load_model`; only a run whose prediction is shown has one.
    participant_data : bool
        Even a model that holds values of single participants (support vectors, neighbours).
    theme : {"light", "dark", "both"}
        Ground of the figures.
    images : bool
        Also candidate effects as NIfTI images in the atlas of each source that names one, with their labels; the atlas
        must lie where the study says.
    pseudonyms : bool
        Pseudonyms in place of participant ids, in every file, the report and the pictures among them. They are made
        with a key that stays in the study (``mlruns/pseudonyms.key``), so that all its exports have the same.

    Returns
    -------
    tuple of Path
        The files that now lie in `to`, sorted.
    """
    from workbench import export, tracking

    opened = open_study(Path(study))
    logged = tracking.find_run(opened, run)
    more = files_of_external(opened, logged)
    if images:
        from workbench.sources.atlas.coordinates import atlases_of

        atlases = atlases_of(opened.sources, features_dir=opened.features_dir, data=opened.data)
        more |= export.effect_images(export.read_run(logged.artifacts, shap=False), atlases)
    how = partial(export.export_run, force=force, model=model, participant_data=participant_data, theme=theme)
    if not pseudonyms:
        return how(logged, Path(to), more=more)
    with pseudonymised_run(opened, logged, more) as (named, others):
        return how(named, Path(to), more=others, pseudonyms=True)


def load_model(folder: str | Path) -> StudyModel:
    """A model as a run or an export left it, checked file by file; it predicts bit for bit what it predicted then.

    Parameters
    ----------
    folder : path
        ``model/`` of a run or of an export.

    Returns
    -------
    StudyModel
        `predict` and `explain` take raw features and covariates.

    Raises
    ------
    StoreError
        If a file is missing or was changed, holds pickled objects or a type that is not trusted, or was written by
        another version.
    """
    from workbench import model_files

    return model_files.load_model(Path(folder))


@no_wider_than_study
def ui(*, study: str | Path = ".", port: int = 5000, browser: bool = False, say: Callable[[str], None] = print) -> None:
    """Serve the UI of a study on 127.0.0.1 until interrupted; it shows what the ledger counts, and no more.

    Parameters
    ----------
    study : path
        The study folder.
    port : int
    browser : bool
        Open the start page in this machine's browser.
    say : callable
        Takes each line for the user; one has the address, with the token that opens it.
    """
    from workbench.tracking import hide_uncounted, serve_ui

    opened = open_study(Path(study))
    hide_uncounted(opened)
    serve_ui(opened, port, server="workbench.pipeline.start_page", open_browser=browser, say=say)
