"""The runs of an experiment, one after another or, where they are short, side by side in worker processes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
LONGER_RUN_S, LONGER_RUN_BYTES = 120.0, 1e9
"""Most seconds and memory, on the machine that forecasts are stated for, of a run that is left to one process where
there are two such runs or more for each: none waits for the others for long, and what one core does alone, from the
folds to what explains a run, is done side by side."""


@dataclass(frozen=True)
class _Reported:
    """Progress of a worker process, shown by the process that forked it."""

    report: Report

    def say(self, text: str) -> None:
        self.report("say", text)

    def advance(self, label: str, done: int, total: int) -> None:
        self.report("advance", label, done, total)


def _left_to_one_process(runs: Sequence[PlannedRun], n_processes: int) -> list[int]:
    """Places of the runs that are made side by side, the longest first."""
    from workbench.evaluation.forecast import forecast

    most = [forecast(planned.dataset, planned.validation, planned.learner).most for planned in runs]
    longer = [
        place for place, cost in enumerate(most)
        if cost.seconds <= LONGER_RUN_S and cost.memory_bytes <= LONGER_RUN_BYTES
    ]  # fmt: skip
    short = [place for place, planned in enumerate(runs) if _is_short(planned)]
    chosen = longer if len(longer) >= 2 * n_processes else short
    return sorted(chosen, key=lambda place: -most[place].seconds)


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
        Worker processes for runs that are left to one process each.
    workers : Workers, optional
        Of a backend that the user chose.

    Returns
    -------
    list of RunResult
        Not yet corrected for each other.
    """
    made: dict[int, RunResult] = {}
    if forks is not None:
        places = _left_to_one_process(plan.runs, len(forks))
        calls: list[Callable[[Report], RunResult]] = [
            partial(_run_in_worker, replace(loaded, tables={}), replace(plan, runs=()), plan.runs[place], resume)
            for place in places
        ]
        for number, result in forks.start(calls, partial(_pass_on, progress)):
            made[places[number]] = result
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
