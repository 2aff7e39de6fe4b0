"""The runs of an experiment, one after another or, where they are short, side by side in worker processes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from workbench.pipeline.experiment_plan import ExperimentPlan, PlannedRun
from workbench.pipeline.progress import Progress
from workbench.pipeline.single_run import run_one
from workbench.pipeline.study_data import StudyData
from workbench.records import RunResult

if TYPE_CHECKING:
    from workbench.execution.fitting import Workers
    from workbench.forks import Forks, Report

SHORT_RUN = 5e8
"""Most work units x rows^2 x targets of a run that is left to one process, which takes it a few seconds: the units of a
longer one are spread over all cores."""


@dataclass(frozen=True)
class _Reported:
    """Progress of a worker process, shown by the process that forked it."""

    report: Report

    def say(self, text: str) -> None:
        self.report("say", text)

    def advance(self, label: str, done: int, total: int) -> None:
        self.report("advance", label, done, total)


def _is_short(planned: PlannedRun) -> bool:
    """Many small fits, mostly Python, of which there are not too many."""
    from workbench.evaluation.refits import are_fitted_together

    dataset, validation = planned.dataset, planned.validation
    units = (planned.learner.repeats or validation.repeats) * validation.outer
    work = units * dataset.n_rows**2 * (1 + validation.permutations)
    return work <= SHORT_RUN and are_fitted_together(dataset, planned.learner)


def run_all(
    loaded: StudyData,
    plan: ExperimentPlan,
    *,
    jobs: int,
    resume: bool,
    progress: Progress,
    forks: Forks | None,
    workers: Workers | None = None,
) -> list[RunResult]:
    """Every run of one experiment, in its order.

    Parameters
    ----------
    loaded : StudyData
    plan : ExperimentPlan
    jobs : int
        Work units at a time; never changes a number.
    resume : bool
        Take up the stored work units of an interrupted run.
    progress : Progress
    forks : Forks or None
        Worker processes for short runs.
    workers : Workers, optional
        Of a backend that the user chose.

    Returns
    -------
    list of RunResult
        Not yet corrected for each other.
    """
    made: dict[int, RunResult] = {}
    if forks is not None:
        short = [place for place, planned in enumerate(plan.runs) if _is_short(planned)]
        calls: list[Callable[[Report], RunResult]] = [
            partial(_run_in_worker, replace(loaded, tables={}), replace(plan, runs=()), plan.runs[place], resume)
            for place in short
        ]
        for number, result in forks.start(calls, partial(_pass_on, progress)):
            made[short[number]] = result
    for place, planned in enumerate(plan.runs):
        if place not in made:
            made[place] = run_one(loaded, plan, planned, jobs=jobs, resume=resume, progress=progress, workers=workers)
    return [made[place] for place in range(len(plan.runs))]


def _run_in_worker(
    loaded: StudyData, plan: ExperimentPlan, planned: PlannedRun, resume: bool, report: Report
) -> RunResult:
    return run_one(loaded, plan, planned, jobs=1, resume=resume, progress=_Reported(report))


def _pass_on(progress: Progress, kind: str, *content: object) -> None:
    getattr(progress, kind)(*content)
