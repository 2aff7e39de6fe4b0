"""The runs of experiments, one after another or, where they are short, side by side in worker processes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from workbench.errors import WorkbenchError
from workbench.pipeline.experiment_plan import ExperimentPlan, PlannedRun
from workbench.pipeline.progress import Progress
from workbench.pipeline.single_run import run_one
from workbench.pipeline.study_data import StudyData
from workbench.records import RunResult

if TYPE_CHECKING:
    from workbench.evaluation.cost import Cost
    from workbench.execution.fitting import Workers
    from workbench.forks import Forks, Report

SHORT_RUN = 5e8
"""Most work units x rows^2 x targets of a run that is left to one process, which takes it a few seconds: the units of a
longer one are spread over all cores."""
LONGER_RUN_S, LONGER_RUN_BYTES = 120.0, 1e9
"""Most seconds and memory, on the machine that forecasts are stated for, of a run that is left to one process where
there are two such runs or more for each: none waits for the others for long, and what one core does alone, from the
folds to what explains a run, is done side by side. Several experiments are made together where all of them take no
longer than this."""


@dataclass(frozen=True)
class _Reported:
    """Progress of a worker process, shown by the process that forked it."""

    report: Report

    def say(self, text: str) -> None:
        self.report("say", text)

    def advance(self, label: str, done: int, total: int) -> None:
        self.report("advance", label, done, total)


def run_all(
    loaded: StudyData,
    plans: Sequence[ExperimentPlan],
    *,
    jobs: int,
    resume: bool,
    progress: Progress,
    forks: Forks | None,
    workers: Workers | None = None,
) -> Iterator[list[RunResult]]:
    """The runs of every experiment, made when it is asked for, or before where all experiments are done soon.

    Parameters
    ----------
    loaded : StudyData
    plans : sequence of ExperimentPlan
    jobs : int
        Work units at a time; never changes a number.
    resume : bool
        Take up the stored work units of an interrupted run.
    progress : Progress
    forks : Forks or None
        Worker processes for runs that are left to one process each; they are free whenever an experiment is given back.
    workers : Workers, optional
        Of a backend that the user chose.

    Yields
    ------
    list of RunResult
        Of one experiment, in its order; not yet corrected for each other.

    Raises
    ------
    WorkbenchError
        If a run cannot be made; the experiments before its own are given back first.
    """
    for together in [[plan] for plan in plans] if forks is None else _made_together(plans, len(forks)):
        made = {} if forks is None else _in_forks(loaded, together, forks, resume=resume, progress=progress)
        for plan in together:
            results = []
            for planned in plan.runs:
                result = made.pop((plan.name, planned.name), None)
                if isinstance(result, WorkbenchError):
                    raise result
                results.append(
                    result
                    or run_one(loaded, plan, planned, jobs=jobs, resume=resume, progress=progress, workers=workers)
                )
            yield results


def _made_together(plans: Sequence[ExperimentPlan], n_processes: int) -> list[Sequence[ExperimentPlan]]:
    """All experiments at once where nobody waits long for the first of them, else one after another."""
    seconds = sum(_cost(planned).seconds for plan in plans for planned in plan.runs)
    return [plans] if seconds <= LONGER_RUN_S * n_processes else [[plan] for plan in plans]


def _in_forks(
    loaded: StudyData, plans: Sequence[ExperimentPlan], forks: Forks, *, resume: bool, progress: Progress
) -> dict[tuple[str, str], RunResult | WorkbenchError]:
    """Runs that are left to one process each, by experiment and name; an error in place of one that cannot be made."""
    planned = [(plan, run) for plan in plans for run in plan.runs]
    chosen = [planned[place] for place in _left_to_one_process([run for _, run in planned], len(forks))]
    calls = [
        partial(_run_in_worker, replace(loaded, tables={}), replace(plan, runs=()), run, resume) for plan, run in chosen
    ]
    made = {}
    for number, result in forks.start(calls, partial(_pass_on, progress)):
        plan, run = chosen[number]
        if isinstance(result, WorkbenchError) and plan is plans[0]:
            raise result  # nothing before it is waited for
        made[plan.name, run.name] = result
    return made


def _left_to_one_process(runs: Sequence[PlannedRun], n_processes: int) -> list[int]:
    """Places of the runs that are made side by side, the longest first."""
    most = [_cost(planned) for planned in runs]
    longer = [
        place for place, cost in enumerate(most)
        if cost.seconds <= LONGER_RUN_S and cost.memory_bytes <= LONGER_RUN_BYTES
    ]  # fmt: skip
    short = [place for place, planned in enumerate(runs) if _is_short(planned)]
    chosen = longer if len(longer) >= 2 * n_processes else short
    return sorted(chosen, key=lambda place: -most[place].seconds)


def _cost(planned: PlannedRun) -> Cost:
    """Of a run that predicts, but for a control with a shuffled outcome."""
    forecast = planned.stated_forecast
    return forecast.least if planned.dataset.outcome.shuffled else forecast.most


def _is_short(planned: PlannedRun) -> bool:
    """Many small fits, mostly Python, of which there are not too many."""
    from workbench.evaluation.refits import are_fitted_together

    dataset, validation = planned.dataset, planned.validation
    units = (planned.learner.repeats or validation.repeats) * validation.outer
    work = units * dataset.n_rows**2 * (1 + validation.permutations)
    return work <= SHORT_RUN and are_fitted_together(dataset, planned.learner)


def _run_in_worker(
    loaded: StudyData, plan: ExperimentPlan, planned: PlannedRun, resume: bool, report: Report
) -> RunResult | WorkbenchError:
    try:
        return run_one(loaded, plan, planned, jobs=1, resume=resume, progress=_Reported(report))
    except WorkbenchError as error:
        return error


def _pass_on(progress: Progress, kind: str, *content: object) -> None:
    getattr(progress, kind)(*content)
