"""Experiments run: checked as a whole first, then every run of them fitted, judged together and handed on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

from workbench.errors import GuardError, Problems, SpecError, StoreError
from workbench.pipeline.claim_gate import first_result_warnings
from workbench.pipeline.experiment_plan import ExperimentPlan, plan_experiment
from workbench.pipeline.interrupting import can_be_interrupted
from workbench.pipeline.ledger import make_ready, read_history, viewed
from workbench.pipeline.named_estimators import all_settled, with_estimators
from workbench.pipeline.notebook_progress import usual_progress
from workbench.pipeline.permissions import no_wider_than_study
from workbench.pipeline.progress import Progress
from workbench.pipeline.side_by_side import run_all
from workbench.pipeline.store import FinishedRun, FinishedRuns, keep_each
from workbench.pipeline.study_data import load_study_data, one_or_several, study_with_data
from workbench.records import RunResult
from workbench.specs.experiment import ExperimentSpec

if TYPE_CHECKING:
    from workbench.study import Study
    from workbench.tracking import Server

MANY_UNITS = 50
"""Work units for which worker processes are started at once, to be there when the data are: fewer are often done
sooner without."""


@can_be_interrupted
@no_wider_than_study
def run(
    experiments: str | Sequence[str],
    *,
    study: str | Path = ".",
    data: str | Path | None = None,
    only: str | Sequence[str] = (),
    jobs: int | None = None,
    resume: bool = False,
    rehearse: bool = False,
    backend: str | None = None,
    scheduler: str | None = None,
    slurm_options: Sequence[str] = (),
    server: str | None = None,
    server_files: bool = False,
    progress: Progress | None = None,
    on_finished: Callable[[FinishedRun], None] | None = None,
    on_warning: Callable[[str], None] | None = None,
    estimator: Any = None,
    grid: Mapping[str, Sequence[Any]] | None = None,
) -> FinishedRuns:
    """Run experiments and log them.

    Parameters
    ----------
    experiments : str or sequence of str
        Names or paths of experiment files.
    study, data : path
        The study folder, and where its data are if not where ``cohort.toml`` says.
    only : str or sequence of str
        Only these models (kind or name).
    jobs : int, optional
        Work units at a time; default: all cores. Never changes a number.
    resume : bool
        Take up the stored work units of an interrupted run.
    rehearse : bool
        Run on simulated scores: of the real ones only who has them is read. Nothing is kept, and it does not count as
        viewing a result.
    backend : {"loky", "dask", "slurm"}, optional
        Where work units are fitted; default: on this machine, in threads or processes, whichever they suit. Never
        changes a number.
    scheduler : str, optional
        Address of a Dask scheduler that runs already, with workers of its own.
    slurm_options : sequence of str
        For sbatch, such as ``--partition=short``.
    server : str, optional
        Address of an MLflow server that a copy of each run is sent to once it is kept here.
    server_files : bool
        Send files as well, ids and ratings of participants among them.
    progress : Progress, optional
        Default: a line under the cell of a notebook that is drawn again as work is done; nothing elsewhere.
    on_finished : callable, optional
        Takes each `FinishedRun` once it is judged and, where this is no rehearsal, kept.
    on_warning : callable, optional
        Takes, before anything is fitted, what the first result of an outcome would cost; default: as progress.
    estimator : BaseEstimator, or mapping of str to BaseEstimator, optional
        Scikit-learn estimators that take the place of the experiment's models, several by name. They are cloned; their
        claims are exploratory at most, since no frozen plan holds them.
    grid : mapping of str to sequence, optional
        Values of the estimator's parameters, all combinations of which are tried in the inner folds.

    Returns
    -------
    FinishedRuns
        A tuple with one `FinishedRun` per feature set and model, in the order of the experiments.

    Raises
    ------
    WorkbenchError
        With every problem of the study that stands in the way, a ledger that cannot be written and another process that
        runs one of the experiments among them; nothing is fitted then.
    """
    from workbench.execution import cores, forked, start_workers
    from workbench.execution.backends import chosen_backend
    from workbench.execution.backends import opened as opened_workers
    from workbench.tracking import Recorder, Server, held_alone

    progress = progress or usual_progress()
    experiments, only = one_or_several(experiments), one_or_several(only)
    _refuse_contradictions(experiments, jobs, estimator, grid)
    fitted_by = chosen_backend(backend, scheduler=scheduler, slurm_options=slurm_options, jobs=jobs)
    sent_to = None if server is None or rehearse else Server(server)
    problems = Problems()
    opened = study_with_data(study, data)
    chosen = dict(opened.experiment(wanted) for wanted in experiments)
    if estimator is not None:
        chosen = {name: with_estimators(spec, estimator, grid) for name, spec in chosen.items()}
    else:
        chosen = all_settled(opened, chosen)
    if not rehearse:
        make_ready(opened)
    read_history(opened, chosen)
    jobs, recorder = cores(jobs), Recorder(opened)
    repeated = [each for spec in chosen.values() for each in _units(spec, only)]
    n_runs, many = len(repeated), sum(repeated) >= MANY_UNITS and fitted_by.name is None
    with ExitStack() as open_until_done:
        if not rehearse:
            open_until_done.enter_context(held_alone(opened, chosen))
        several = many and jobs > 1
        forks = open_until_done.enter_context(forked(min(jobs, max(2, n_runs)))) if several else None
        helpers = start_workers(jobs) if several and forks is None else None
        workers = open_until_done.enter_context(
            opened_workers(fitted_by, jobs=jobs, folder=opened.mlruns_dir / "slurm", say=progress.say)
        )
        loaded = load_study_data(opened, problems=problems, progress=progress)
        problems.raise_if_any()
        assert loaded is not None
        planned = [
            plan_experiment(loaded, name, spec, problems=problems, rehearsal=rehearse) for name, spec in chosen.items()
        ]
        problems.raise_if_any(GuardError)
        plans = [plan for plan in planned if plan is not None]  # all of them, since there was no problem
        requested = [_only(plan, only) for plan in plans]
        finished: list[FinishedRun] = []
        for warning in () if rehearse else first_result_warnings(opened, requested):
            (on_warning or progress.say)(warning)
        store = partial(keep_each, recorder, progress=progress, jobs=jobs if helpers else 1, forks=forks)
        runs_of = run_all(loaded, requested, jobs=jobs, resume=resume, progress=progress, forks=forks, workers=workers)
        for plan, part in zip(plans, requested, strict=True):
            with _meanwhile(recorder.make_ready if (forks or helpers) and not rehearse else None):
                runs = next(runs_of)
            for kept in _rehearsed(runs) if rehearse else viewed(opened, plan, part, runs, recorder, store):
                finished.append(kept)
                if sent_to is not None:
                    _send(opened, kept, sent_to, files=server_files, warn=on_warning or progress.say)
                if on_finished is not None:
                    on_finished(kept)
        for _ in helpers or ():  # else letting go of them would stop what they do
            pass
        return FinishedRuns(finished)


def _refuse_contradictions(
    experiments: Sequence[str], jobs: int | None, estimator: Any, grid: Mapping[str, Sequence[Any]] | None
) -> None:
    """What a call from Python may get wrong and the command line cannot."""
    problems = Problems()
    if not experiments:
        problems.add("run", "names no experiment", 'such as run("madrs_change")')
    if jobs is not None and not (isinstance(jobs, int) and jobs >= 1):
        problems.add("jobs", f"is {jobs!r}", "1 or more; None takes all cores")
    if grid is not None and estimator is None:
        hint = "give the estimator that it belongs to; the models of an experiment file have their grid in the file"
        problems.add("grid", "stands without estimator", hint)
    problems.raise_if_any(SpecError)


def _send(study: Study, run: FinishedRun, server: Server, *, files: bool, warn: Callable[[str], None]) -> None:
    """A copy of a run for the server; where that fails the run is kept all the same, and can be sent later."""
    from workbench.tracking import find_run

    try:
        server.send(study, [find_run(study, run.run_id)], files=files)
    except StoreError as error:
        again = f"workbench send {run.run_id[:8]} --to {server.address}{' --files' if files else ''}"
        warn(f"{run.result.scores.display_name} is kept here and was not sent: {error}; send it later: {again}")


def _units(spec: ExperimentSpec, only: Sequence[str]) -> list[int]:
    """About how many work units each run of an experiment has; known before any data are read."""
    validation = spec.validation
    return [
        (learner.repeats or validation.repeats) * validation.outer
        for learner in spec.models
        if not only or {learner.label, learner.kind} & set(only)
        for _ in learner.feature_sets or spec.feature_sets
    ]


@contextmanager
def _meanwhile(prepare: Callable[[], None] | None) -> Iterator[None]:
    """Do something in a thread of its own, while this one mostly waits; what fails there will fail again here."""
    if prepare is None:
        yield
        return
    thread = Thread(target=_quietly, args=(prepare,), daemon=True)
    thread.start()
    yield
    thread.join()


def _quietly(prepare: Callable[[], None]) -> None:
    from workbench.module_search import all_kept

    with suppress(Exception), all_kept():
        prepare()


def _rehearsed(runs: Sequence[RunResult]) -> Iterator[FinishedRun]:
    from workbench.results.family import finish_experiment

    yield from map(FinishedRun, finish_experiment(runs))


def _only(plan: ExperimentPlan, only: Sequence[str]) -> ExperimentPlan:
    """The plan with some models alone; an unknown name is refused with those there are."""
    if not only:
        return plan
    names = {id(run): {run.learner.label, run.learner.kind} for run in plan.runs}
    known = sorted(set().union(*names.values()))
    models_of_runs = {name: run.learner.label for run in plan.runs for name in (run.name, run.display_name)}
    problems = Problems()
    for name in only:
        if name in models_of_runs:  # the runs of a model are one family
            hint = f"name its model, which runs on every feature set: {models_of_runs[name]}"
            problems.add(f"--only {name}", "is a run, and models are taken", hint)
        elif name not in known:
            problems.add(f"--only {name}", f"experiment {plan.name} has no such model", f"it has: {', '.join(known)}")
    problems.raise_if_any()
    return replace(plan, runs=tuple(run for run in plan.runs if names[id(run)] & set(only)))
