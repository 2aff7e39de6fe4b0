"""The flow: composes the stages, and is what a notebook calls.

    files -> sources -> tables -> models -> results -> figures / export / tracking

Stages never import each other; whatever two of them must agree on travels in a record through here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, Protocol

from workbench.errors import GuardError, Problem, Problems, SourceError, SpecError, StoreError, did_you_mean
from workbench.new_study import init_study
from workbench.records import Cohort, Dataset, FeatureTable, FlowStep, Outcome, RunResult, SetPlan, UnitResult, WorkUnit
from workbench.specs import spec_hash, to_toml
from workbench.specs.experiment import ExperimentSpec, ValidationSpec
from workbench.specs.learners import LearnerSpec
from workbench.study import Study, open_study

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from workbench.models.cost import Cost
    from workbench.planning.plan import Question
    from workbench.planning.power import Engine
    from workbench.preregistration.frozen import FrozenPlan, Record
    from workbench.preregistration.viewed import Look
    from workbench.tracking import Recorder

EXPLAINED_PERMUTATIONS = 200
"""Permuted outcomes whose |SHAP| is summed by circuit: enough for the 95th percentile that the figure marks."""

INFLUENCE_REPEATS, INFLUENCE_REFITS = 5, 130
"""Repeats refitted without each participant in turn: five, fewer where that would be many refits, never none.

Who carries a result matters in a small sample, where five are affordable; the number used is said with the result.
"""


MANY_UNITS = 200
"""Work units for which worker processes are started at once, to be there when the data are: fewer are often done
sooner without."""

FILE = re.compile(r"\.\w{1,4}(:|$)")
"""What names a file in a problem's place."""


class Progress(Protocol):
    """What a person sees while work goes on; the command line draws bars, a notebook may pass its own."""

    def say(self, text: str) -> None:
        """One line about what is done now."""

    def advance(self, label: str, done: int, total: int) -> None:
        """So much of one piece of work is done."""


class Silent:
    """Shows nothing."""

    def say(self, text: str) -> None:
        """Nothing is shown."""

    def advance(self, label: str, done: int, total: int) -> None:
        """Nothing is shown."""


# ------------------------------------------------------------------------------------------------------------- planning


@dataclass(frozen=True, eq=False)
class PlannedRun:
    """One feature set with one model, ready to be run."""

    dataset: Dataset
    learner: LearnerSpec
    validation: ValidationSpec
    """With the model's own repeats and permutations."""
    warnings: tuple[str, ...] = ()
    """What the guards said about its data."""

    @property
    def name(self) -> str:
        """Short, most distinguishing part first."""
        return f"{self.learner.label} . {self.dataset.feature_set}"

    @property
    def cost(self) -> Cost:
        """Fits, time, memory and disk, to the nearest order."""
        from workbench.models.cost import estimate

        return estimate(self.dataset, self.validation, self.learner)

    @property
    def best_verdict(self) -> str:
        """What n and design allow at best, in words."""
        from workbench.tables.guards import best_verdict

        return best_verdict(self.dataset)


@dataclass(frozen=True, eq=False)
class ExperimentPlan:
    """One experiment with its data joined and its runs laid out."""

    name: str
    spec: ExperimentSpec
    outcome: Outcome
    flow: tuple[FlowStep, ...]
    runs: tuple[PlannedRun, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class CheckReport:
    """What is wrong, what is worth knowing, and what would run."""

    problems: tuple[Problem, ...]
    plans: tuple[ExperimentPlan, ...]
    tables: Mapping[str, FeatureTable] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class StudyData:
    """A study with its cohort read and its feature tables built."""

    study: Study
    cohort: Cohort
    tables: Mapping[str, FeatureTable]
    rebuilt: tuple[str, ...] = ()
    left_out: dict[str, FeatureTable | None] = field(default_factory=dict)
    """Columns of a source's file that are not its features, once they were asked for."""


def load_study_data(
    study: Study, names: Iterable[str] | None = None, *, problems: Problems, progress: Progress | None = None
) -> StudyData | None:
    """Read the cohort and build, or take from the cache, the feature tables of some sources (default: all).

    Problems are collected, not raised; None where there is no cohort to join anything to.
    """
    from workbench.sources.participants import read_cohort

    progress = progress or Silent()
    cohort = read_cohort(study.cohort, study.data, problems=problems)
    if cohort is None:
        return None
    tables: dict[str, FeatureTable] = {}
    rebuilt: list[str] = []
    wanted = list(study.sources if names is None else names)
    for position, name in enumerate(wanted):
        progress.advance("feature tables", position, len(wanted))
        with problems.gather():
            tables[name], fresh = load_table(study, cohort, name)
            if fresh:
                rebuilt.append(name)
    progress.advance("feature tables", len(wanted), len(wanted))
    return StudyData(study, cohort, tables, tuple(rebuilt))


def load_table(study: Study, cohort: Cohort, name: str) -> tuple[FeatureTable, bool]:
    """One feature table, rebuilt only where its spec, its files or the cohort's ids and covariates changed."""
    from workbench.sources import read_source, source_files
    from workbench.tables.feature_table import cached_table, content_key

    spec = study.sources[name]
    files = source_files(spec, data=study.data, features_dir=study.features_dir)
    ids = (sorted(cohort.keys.items()), sorted(cohort.sessions), cohort.id_column, cohort.missing)
    # Covariates count too: a file that repeats one of them is read against it (T15).
    key = content_key(f"{spec_hash(spec)}\n{ids}\n{cohort.participants.to_csv()}", files)
    build = partial(read_source, name, spec, cohort, data=study.data, features_dir=study.features_dir)
    return cached_table(name, key, build, study.tables_dir)


def left_out(loaded: StudyData, dataset: Dataset, spec: ExperimentSpec) -> dict[str, np.ndarray]:
    """By source of a dataset: the columns of its file that are not among its features, by row (trap T6)."""
    from workbench.sources import read_left_out
    from workbench.tables.dataset import values_for

    study, found = loaded.study, {}
    for name in dataset.sources:
        if name not in loaded.left_out:
            source = study.sources[name]
            loaded.left_out[name] = read_left_out(name, source, loaded.tables[name], loaded.cohort, data=study.data)
        table = loaded.left_out[name]
        if table is not None:
            found[name] = values_for(table, spec, list(dataset.rows["participant_id"]))
    return found


def plan_experiment(loaded: StudyData, name: str, spec: ExperimentSpec, *, problems: Problems) -> ExperimentPlan | None:
    """Join the data of one experiment and lay out its runs; problems are collected, each with the experiment's file."""
    found = Problems()
    plan = _laid_out(loaded, name, spec, found)
    file = f"experiments/{name}.toml"
    problems.extend(
        problem
        if FILE.search(problem.where)
        else replace(problem, where=": ".join(filter(None, (file, problem.where))))
        for problem in found
    )
    return plan


def _laid_out(loaded: StudyData, name: str, spec: ExperimentSpec, problems: Problems) -> ExperimentPlan | None:
    from workbench.sources.participants import read_exclusions, read_folds
    from workbench.tables import dataset as joining
    from workbench.tables.guards import check_dataset, check_experiment
    from workbench.tables.outcomes import make_outcome
    from workbench.tables.upstream import undeclared

    study, cohort = loaded.study, loaded.cohort
    found, warnings = check_experiment(spec, cohort, study.sources)
    every_warning = list(warnings)
    problems.extend(found)
    exclusions: Mapping[str, str] = {}
    folds: pd.DataFrame | None = None
    with problems.gather():
        if spec.exclude_file is not None:
            exclusions = read_exclusions(study.data / spec.exclude_file, cohort, study.cohort.missing)
        if spec.validation.folds is not None:
            folds = read_folds(study.data / spec.validation.folds, cohort)
    outcome = None
    sets: dict[str, tuple[str, ...]] = {}
    with problems.gather():
        people, flow = joining.select_people(spec, cohort, exclusions)
        outcome = make_outcome(spec.outcome, cohort, people, seed=spec.validation.seed)
    with problems.gather():
        sets = joining.feature_sets(spec, study.sources)
    if outcome is None or not sets:
        return None
    runs: list[PlannedRun] = []
    common = tuple(sets.values()) if spec.validation.people == "common" else ()
    for feature_set, sources in sets.items():
        if not all(source in loaded.tables for source in sources):
            continue
        with problems.gather():
            dataset = joining.assemble(
                spec,
                feature_set,
                sources,
                loaded.tables,
                cohort,
                outcome,
                people,
                flow,
                given_folds=folds,
                common_to=common,
            )
            found, heard = check_dataset(dataset, cohort, study.sources, left_out(loaded, dataset, spec))
            problems.extend(found)
            said = (*warnings, *heard, *filter(None, [undeclared(study.sources, sources)]))
            every_warning += heard
            runs.extend(replace(run, warnings=said) for run in planned_runs(dataset, spec))
    return ExperimentPlan(name, spec, outcome, flow, tuple(runs), tuple(dict.fromkeys(every_warning)))


def planned_runs(dataset: Dataset, spec: ExperimentSpec) -> list[PlannedRun]:
    """The models that run on one feature set, each with its own repeats and permutations."""
    runs = []
    for learner in spec.models:
        if learner.feature_sets is not None and dataset.feature_set not in learner.feature_sets:
            continue
        overrides = {key: value for key in ("repeats", "permutations") if (value := getattr(learner, key)) is not None}
        runs.append(PlannedRun(dataset, learner, spec.validation.model_copy(update=overrides)))
    return runs


def check(
    experiments: Sequence[str] = (),
    *,
    study: str | Path = ".",
    data: str | Path | None = None,
    progress: Progress | None = None,
) -> CheckReport:
    """Check every spec, join and guard, and lay out what would run; nothing is fitted and nothing raised.

    Parameters
    ----------
    experiments : sequence of str
        Names or paths; default: all of the study.
    study, data : path
        The study folder, and where its data are if not where ``cohort.toml`` says.

    Returns
    -------
    CheckReport
        All problems of all files at once.
    """
    problems = Problems()
    opened = open_study(Path(study), _path(data), problems=problems)
    if opened is None:
        return CheckReport(tuple(problems), ())
    specs = {}
    for wanted in experiments or opened.experiment_paths:
        with problems.gather():
            examined = opened.examine(wanted)
            problems.extend(examined.problems)
            if examined.spec is not None:
                specs[examined.name] = examined.spec
    with problems.gather():
        _read_history(opened, specs)
    missing = opened.data_problem()
    problems.extend([missing] if missing else [])
    loaded = None if missing else load_study_data(opened, problems=problems, progress=progress)
    if loaded is None:
        return CheckReport(tuple(problems), ())
    plans = [plan_experiment(loaded, name, spec, problems=problems) for name, spec in specs.items()]
    notes = [
        *loaded.cohort.notes,
        *(f"{table.source}: {note}" for table in loaded.tables.values() for note in table.notes),
    ]
    return CheckReport(tuple(problems), tuple(plan for plan in plans if plan), loaded.tables, tuple(notes))


def features(
    names: Sequence[str] = (),
    *,
    study: str | Path = ".",
    data: str | Path | None = None,
    progress: Progress | None = None,
) -> dict[str, tuple[FeatureTable, bool]]:
    """Build feature tables, or take them from the cache where nothing changed.

    Returns
    -------
    dict of str to (FeatureTable, bool)
        The table of each source, and whether it was built afresh.
    """
    problems = Problems()
    opened = _opened(study, data)
    for name in names:
        opened.source(name)
    loaded = load_study_data(opened, names or None, problems=problems, progress=progress)
    problems.raise_if_any()
    assert loaded is not None  # without a cohort there is a problem
    return {name: (table, name in loaded.rebuilt) for name, table in loaded.tables.items()}


# -------------------------------------------------------------------------------------------------------------- running


@dataclass(frozen=True, eq=False)
class FinishedRun:
    """A result with where it is kept; ``run_id`` is empty for a rehearsal, which is not kept."""

    result: RunResult
    run_id: str = ""
    artifacts: Path | None = None

    def abstract(self, next_command: str = "") -> str:
        """The result as the terminal shows it."""
        from workbench.results.summary import abstract

        return abstract(self.result, next_command=next_command)

    def one_line(self) -> str:
        """Run, r2, p and verdict."""
        from workbench.results.summary import one_line

        return one_line(self.result)

    def comparators(self) -> pd.DataFrame:
        """What each model reaches on the same folds, in words and rounded numbers."""
        from workbench.results.summary import comparator_table

        return comparator_table(self.result)

    def circuits(self) -> pd.DataFrame:
        """Every circuit tested with its q, in words and rounded numbers."""
        from workbench.results.summary import circuit_table

        return circuit_table(self.result)

    @property
    def figures(self) -> tuple[Path, ...]:
        """Its pictures on a light ground, as PNG; each lies there as SVG and for a dark ground too."""
        found = sorted((self.artifacts / "figures").glob("*.png")) if self.artifacts else []
        return tuple(path for path in found if not path.stem.endswith("-dark"))


def run(
    experiments: Sequence[str],
    *,
    study: str | Path = ".",
    data: str | Path | None = None,
    only: Sequence[str] = (),
    jobs: int | None = None,
    resume: bool = False,
    rehearse: bool = False,
    progress: Progress | None = None,
    on_finished: Callable[[FinishedRun], None] | None = None,
) -> tuple[FinishedRun, ...]:
    """Run experiments and log them.

    Parameters
    ----------
    experiments : sequence of str
        Names or paths of experiment files.
    only : sequence of str
        Only these models (kind or name).
    jobs : int, optional
        Work units at a time; default: all cores. Never changes a number.
    resume : bool
        Take up the stored work units of an interrupted run.
    rehearse : bool
        Run on shuffled scores; nothing is kept, and it does not count as viewing a result.

    Raises
    ------
    WorkbenchError
        With every problem of the study that stands in the way; nothing is fitted then.
    """
    from workbench.execution import cores, start_workers
    from workbench.tracking import Recorder

    progress = progress or Silent()
    problems = Problems()
    opened = _opened(study, data)
    chosen = dict(opened.experiment(wanted) for wanted in experiments)
    if rehearse:
        chosen = {name: _shuffled(spec) for name, spec in chosen.items()}
    _read_history(opened, chosen)
    jobs, recorder = cores(jobs), Recorder(opened)
    many = sum(_units(spec, only) for spec in chosen.values()) >= MANY_UNITS
    helpers = start_workers(jobs) if many and jobs > 1 else None
    loaded = load_study_data(opened, problems=problems, progress=progress)
    problems.raise_if_any()
    assert loaded is not None
    plans = [plan_experiment(loaded, name, spec, problems=problems) for name, spec in chosen.items()]
    problems.raise_if_any(GuardError)
    finished: list[FinishedRun] = []
    for plan in plans:
        assert plan is not None
        asked = _only(plan, only)
        with _meanwhile(None if rehearse or helpers is None else recorder.make_ready):
            runs = [run_one(loaded, asked, each, jobs=jobs, resume=resume, progress=progress) for each in asked.runs]
        store = partial(keep, recorder, progress=progress, jobs=jobs if helpers else 1)
        for kept in _rehearsed(runs) if rehearse else _viewed(opened, plan, asked, runs, store):
            finished.append(kept)
            if on_finished is not None:
                on_finished(kept)
    for _ in helpers or ():  # else letting go of them would stop what they do
        pass
    return tuple(finished)


def _units(spec: ExperimentSpec, only: Sequence[str]) -> int:
    """About how many work units an experiment has; known before any data are read."""
    validation = spec.validation
    return sum(
        (learner.repeats or validation.repeats) * validation.outer * len(learner.feature_sets or spec.feature_sets)
        for learner in spec.models
        if not only or {learner.label, learner.kind} & set(only)
    )


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
    from workbench.execution import all_kept

    with suppress(Exception), all_kept():
        prepare()


def _rehearsed(runs: Sequence[RunResult]) -> Iterator[FinishedRun]:
    from workbench.results.run_result import finish_experiment

    yield from map(FinishedRun, finish_experiment(runs))


def _viewed(
    study: Study,
    plan: ExperimentPlan,
    asked: ExperimentPlan,
    runs: Sequence[RunResult],
    store: Callable[[RunResult], FinishedRun],
) -> Iterator[FinishedRun]:
    """Correct and judge the runs of one experiment; store each, and write it into the ledger before it is shown.

    Other processes of the study wait meanwhile: of two results, one must be the second to be viewed.

    Parameters
    ----------
    plan, asked : ExperimentPlan
        With all runs of the experiment, and with those of `runs`, whose p-values are corrected together.
    """
    from workbench.preregistration.append_only import locked
    from workbench.preregistration.viewed import as_viewed, record_look
    from workbench.results.run_result import finish_experiment

    looks = [_look(plan, planned) for planned in asked.runs]
    with locked(study):
        record = _record(study, plan, looks)
        results = finish_experiment(runs, [record.viewing(look) for look in looks])
        for look, result in zip(looks, results, strict=True):
            kept = store(result)
            scores, verdict = result.scores, result.claim.verdict
            seen = as_viewed(look, verdict=verdict, r2=scores.performance.r2, p=scores.p_family, run_id=kept.run_id)
            record_look(study, seen)
            yield kept


def _look(plan: ExperimentPlan, planned: PlannedRun) -> Look:
    """What is looked at in a run, before it is."""
    from workbench.preregistration.viewed import Look, settings_digest

    dataset = planned.dataset
    return Look(
        date="",
        experiment=plan.name,
        run=planned.name,
        outcome=dataset.outcome.label,
        arms=", ".join(dataset.outcome.arms),
        family=plan.spec.family or "",
        seed=planned.validation.seed,
        spec_hash=spec_hash(plan.spec),
        settings=settings_digest(planned.learner, planned.validation),
        data_hash=dataset.data_hash,
        people_digest=dataset.people_digest,
    )


def _record(study: Study, plan: ExperimentPlan, together: Sequence[Look]) -> Record:
    from workbench.preregistration.frozen import Record, plan_of, read_frozen
    from workbench.preregistration.viewed import read_looks
    from workbench.tables.feature_sets import feature_sets

    sources = {source for members in feature_sets(plan.spec, study.sources).values() for source in members}
    return Record(
        ledger=read_looks(study),
        frozen=read_frozen(study, plan.name),
        plan=plan_of(study, plan.name, plan.spec, sources),
        planned=tuple(_look(plan, planned) for planned in plan.runs),
        together=tuple(together),
    )


def _read_history(study: Study, experiments: Iterable[str]) -> None:
    """Read the ledger and the frozen plans: damage is told before hours of work, not after.

    Raises
    ------
    StoreError
        With every damaged line of both files.
    """
    from workbench.preregistration.frozen import read_frozen
    from workbench.preregistration.viewed import read_looks

    problems = Problems()
    with problems.gather():
        read_looks(study)
    for name in experiments:
        with problems.gather():
            read_frozen(study, name)
    problems.raise_if_any(StoreError)


def run_one(
    loaded: StudyData, plan: ExperimentPlan, planned: PlannedRun, *, jobs: int, resume: bool, progress: Progress
) -> RunResult:
    """One feature set with one model: permuted targets, work units, influence, circuit test, reduction."""
    from workbench.execution import one_blas_thread, run_units, spread
    from workbench.models import nested_cv, permutations
    from workbench.models.cross_conformal import conformal_folds
    from workbench.models.estimators import make_learner
    from workbench.models.learner import residualises
    from workbench.models.marginal import circuit_test
    from workbench.results.run_result import RunInputs, reduce_run

    dataset, validation = planned.dataset, planned.validation
    learner = make_learner(planned.learner)
    refused = permutations.refusal(dataset, validation.permutations) if validation.permutations else ""
    n_permutations = 0 if refused else validation.permutations
    validation = validation.model_copy(update={"permutations": n_permutations})
    targets = nested_cv.target_matrices(dataset, validation)
    explain = 1 + (min(EXPLAINED_PERMUTATIONS, n_permutations) if learner.batched else 0)
    units = nested_cv.plan_units(dataset, validation, planned.learner, explain=explain)
    with one_blas_thread():
        blind_fits = nested_cv.canary(dataset, units, planned.learner, permuted=n_permutations > 0)
    fit = partial(_fit, dataset=dataset, learner=planned.learner, targets=targets, explain=explain)
    label = f"{plan.name}: {planned.name}"
    results = run_units(
        fit,
        units,
        folder=loaded.study.units_dir / plan.name,
        jobs=jobs,
        backend="threads" if learner.batched and nested_cv.ORDER not in targets else "processes",
        resume=resume,
        progress=partial(progress.advance, label),
    )
    influence = nested_cv.leave_one_out_r2(
        dataset,
        units,
        planned.learner,
        results=results,
        repeats=max(1, min(INFLUENCE_REPEATS, INFLUENCE_REFITS // dataset.n_participants)),
        progress=partial(progress.advance, f"{label}, leaving one out"),
        spread=partial(spread, jobs=jobs),
    )
    pairs = _without_pairs(dataset, units, planned.learner, results, influence, spread=partial(spread, jobs=jobs))
    with one_blas_thread():
        unobserved = nested_cv.predict_unobserved(dataset, planned.learner, validation)
        circuits = circuit_test(dataset, nested_cv.marginal_targets(dataset, validation))
        shuffled = None
        if not permutations.refusal(dataset, 1):
            repeats = len({unit.repeat for unit in units})
            shuffled = nested_cv.on_shuffled_outcomes(dataset, validation, planned.learner, repeats=repeats)
        conformal = conformal_folds(
            dataset, units, planned.learner, validation, progress=partial(progress.advance, f"{label}, intervals")
        )
    return reduce_run(
        RunInputs(
            dataset=dataset,
            experiment=plan.name,
            spec=plan.spec,
            learner=planned.learner,
            validation=validation,
            residualised=residualises(learner),
            units=units,
            unit_results=results,
            circuit_test=circuits,
            conformal=conformal,
            influence=influence,
            site_results=_without_each_site(loaded, plan, planned, results, jobs=jobs, resume=resume),
            permutation_scheme=permutations.scheme(dataset),
            permutation_refused=refused,
            synthetic=loaded.study.cohort.synthetic,
            design=loaded.cohort.design,
            spec_toml=to_toml(plan.spec),
            spec_hash=spec_hash(plan.spec),
            warnings=planned.warnings,
            blind_fits=blind_fits,
            shuffled=shuffled,
            pairs=pairs,
            unobserved=unobserved,
        )
    )


def _without_pairs(
    dataset: Dataset,
    units: Sequence[WorkUnit],
    learner: LearnerSpec,
    results: Sequence[UnitResult],
    influence: tuple[Mapping[str, float], bool, int],
    *,
    spread: Callable[..., Iterable[Any]],
) -> tuple[tuple[str, str, float], ...]:
    """r2 refitted without both of the pairs that are expected to carry most; none for models that are not refitted."""
    from workbench.models import nested_cv
    from workbench.results.influence import lowest_pairs
    from workbench.results.metrics import long_table

    without_each, refitted, repeats = influence
    if not refitted or dataset.n_participants < 3:
        return ()
    table = long_table(dataset, results, "main")
    chosen = [(one, other) for one, other, _ in lowest_pairs(table[table["repeat"] < repeats], without_each)]
    r2 = nested_cv.leave_pairs_out_r2(dataset, units, learner, chosen, results=results, repeats=repeats, spread=spread)
    return tuple((one, other, value) for (one, other), value in zip(chosen, r2, strict=True))


def _without_each_site(
    loaded: StudyData,
    plan: ExperimentPlan,
    planned: PlannedRun,
    results: Sequence[UnitResult],
    *,
    jobs: int,
    resume: bool,
) -> Sequence[UnitResult]:
    """The model with each whole site left out in turn, where a claim could hang on it (METHODS 7)."""
    from workbench.execution import run_units
    from workbench.models import nested_cv
    from workbench.models.estimators import make_learner
    from workbench.models.splitters import for_leaving_sites_out
    from workbench.results.claims import SITES_TO_LEAVE_OUT
    from workbench.results.inference import permuted_r2

    sites = planned.dataset.sites
    tried = planned.validation.leave_out == "site" or sites is None or len(set(sites)) < SITES_TO_LEAVE_OUT
    if tried or not permuted_r2(results, "main")[0] > 0:
        return ()
    dataset, validation = for_leaving_sites_out(planned.dataset, planned.validation)
    fit = partial(
        _fit,
        dataset=dataset,
        learner=planned.learner,
        targets=nested_cv.target_matrices(dataset, validation),
        explain=0,
    )
    return run_units(
        fit,
        nested_cv.plan_units(dataset, validation, planned.learner, explain=0),
        folder=loaded.study.units_dir / plan.name,
        jobs=jobs,
        backend="threads" if make_learner(planned.learner).batched else "processes",
        resume=resume,
    )


def _fit(
    unit: WorkUnit, *, dataset: Dataset, learner: LearnerSpec, targets: Mapping[str, Any], explain: int
) -> UnitResult:
    from workbench.models.nested_cv import fit_unit

    return fit_unit(dataset, unit, learner, targets, explain=explain)


def keep(recorder: Recorder, result: RunResult, progress: Progress | None = None, *, jobs: int = 1) -> FinishedRun:
    """Write everything a run leaves, and log it; worker processes draw meanwhile where there is more than one job."""
    from workbench import export as exporting
    from workbench import figures
    from workbench.execution import in_workers

    (progress or Silent()).say(f"writing {result.scores.run_name}")
    with recorder.open_run(result) as opened:
        draw = partial(figures.draw_picture, result=result, folder=opened.artifacts / "figures")
        drawing = in_workers(draw, tuple(figures.PICTURES), jobs=jobs)
        exporting.write_run(result, opened.artifacts, run_id=opened.run_id)
        for _ in drawing:
            pass
    return FinishedRun(result, opened.run_id, opened.artifacts)


def _only(plan: ExperimentPlan, only: Sequence[str]) -> ExperimentPlan:
    """The plan with some models alone; an unknown name is refused with those there are."""
    if not only:
        return plan
    names = {id(run): {run.learner.label, run.learner.kind} for run in plan.runs}
    known = sorted(set().union(*names.values()))
    problems = Problems()
    for name in only:
        if name not in known:
            problems.add(f"--only {name}", f"experiment {plan.name} has no such model", f"it has: {', '.join(known)}")
    problems.raise_if_any()
    return replace(plan, runs=tuple(run for run in plan.runs if names[id(run)] & set(only)))


def _shuffled(spec: ExperimentSpec) -> ExperimentSpec:
    return spec.model_copy(update={"outcome": spec.outcome.model_copy(update={"shuffle": True})})


# ------------------------------------------------------------------------------------------------------------- freezing


@dataclass(frozen=True, eq=False)
class Frozen:
    """A plan that is frozen: now, or already and unchanged."""

    plan: FrozenPlan
    runs: tuple[str, ...]
    again: bool = False
    """Whether it had been frozen before, otherwise."""
    unchanged: bool = False
    """Whether nothing was written, since this very plan is frozen already."""


def freeze(
    experiments: Sequence[str],
    *,
    study: str | Path = ".",
    data: str | Path | None = None,
    again: bool = False,
    because: str = "",
    progress: Progress | None = None,
) -> tuple[Frozen, ...]:
    """Check experiments and write their plans down, so that every later run can say whether it is the plan of before.

    Parameters
    ----------
    experiments : sequence of str
        Names or paths. Where the study has no data yet, only its files are checked.
    again, because : bool, str
        Freeze a plan anew that was changed after it had been frozen, and why; every later run says both.

    Raises
    ------
    WorkbenchError
        With every problem of the study; if a plan is frozen already and changed; if an experiment of several runs
        names no primary one. Nothing is written then.
    """
    if again != bool(because.strip()):
        raise SpecError(Problem("--again", "goes with --because", 'say why: --again --because "the atlas was wrong"'))
    opened = open_study(Path(study), _path(data))
    chosen = dict(opened.experiment(wanted) for wanted in experiments)
    plans: dict[str, ExperimentPlan] = {}
    if opened.data_problem() is None:
        report = check(experiments, study=study, data=data, progress=progress)
        if report.problems:
            raise SpecError(report.problems)
        plans = {plan.name: plan for plan in report.plans}
    from workbench.preregistration.append_only import locked
    from workbench.preregistration.frozen import record_frozen

    problems = Problems()
    done: list[Frozen] = []
    with locked(opened):
        for name, spec in chosen.items():
            with problems.gather():
                done.append(_to_freeze(opened, name, spec, plans.get(name), because.strip()))
        problems.raise_if_any(SpecError)
        for each in done:
            if not each.unchanged:
                record_frozen(opened, each.plan)
    return tuple(done)


def _to_freeze(study: Study, name: str, spec: ExperimentSpec, laid_out: ExperimentPlan | None, because: str) -> Frozen:
    """The plan as it would be written down, or as it stands already."""
    from workbench.preregistration.append_only import now
    from workbench.preregistration.frozen import FrozenPlan, differences, plan_hash, plan_of, read_frozen, viewed_by
    from workbench.preregistration.viewed import read_looks
    from workbench.tables.feature_sets import feature_sets

    sets = feature_sets(spec, study.sources)
    plan = plan_of(study, name, spec, {source for members in sets.values() for source in members})
    runs = tuple(
        f"{model.label} . {feature_set}"
        for feature_set in sets
        for model in spec.models
        if model.feature_sets is None or feature_set in model.feature_sets
    )
    earlier = read_frozen(study, name)
    changed = differences(earlier[-1].plan, plan) if earlier else ()
    if earlier and not changed:
        return Frozen(earlier[-1], runs, again=len(earlier) > 1, unchanged=True)
    _may_be_frozen(name, spec, runs, earlier, changed, because)
    date = now()
    planned = laid_out.runs if laid_out else ()
    looks = read_looks(study)
    frozen = FrozenPlan(
        date=date,
        experiment=name,
        plan_hash=plan_hash(plan),
        primary=spec.primary or runs[0],
        plan=plan,
        data={each.name: each.dataset.data_hash for each in planned},
        viewed_before=viewed_by(looks, _look(laid_out, planned[0]), date) if laid_out and planned else 0,
        because=because,
    )
    return Frozen(frozen, runs, again=bool(earlier))


def _may_be_frozen(
    name: str,
    spec: ExperimentSpec,
    runs: Sequence[str],
    earlier: Sequence[FrozenPlan],
    changed: Sequence[str],
    because: str,
) -> None:
    problems, file = Problems(), f"experiments/{name}.toml"
    if len(runs) > 1 and spec.primary is None:
        found = f"has {len(runs)} runs and names none as the one that may carry a claim"
        problems.add(f"{file}: primary", found, f'write it above the first [table], such as primary = "{runs[0]}"')
    if spec.primary is not None and spec.primary not in runs:
        problems.add(f"{file}: primary", f"{spec.primary!r} is not a run", did_you_mean(spec.primary, runs))
    if earlier and not because:
        found = f"was frozen on {earlier[-1].date[:10]} and has changed: {', '.join(changed)}"
        problems.add(file, found, 'change it back, or say why it changed: --again --because "..."')
    if because and not earlier:
        problems.add(file, "was never frozen", "leave out --again and --because")
    problems.raise_if_any(SpecError)


# ---------------------------------------------------------------------------------------------------- what can be shown


PLAN_REPEATS = 3
"""Repeats of the folds of a simulated trial, where a run has more: power depends little on them."""


@dataclass(frozen=True, eq=False)
class StudyPlan:
    """What one feature set of an experiment can show, with the files that say so."""

    plan: SetPlan
    files: tuple[Path, ...] = ()

    @property
    def verdict(self) -> str:
        """What so many people can show and what they cannot, in words."""
        from workbench.planning.words import verdict

        return verdict(self.plan)

    @property
    def notes(self) -> tuple[str, ...]:
        """What else to know, one paragraph each."""
        from workbench.planning.words import notes

        return tuple(notes(self.plan))

    @property
    def tables(self) -> tuple[tuple[str, pd.DataFrame], ...]:
        """Power, learning curve and sample size, each with a title, in words and rounded numbers."""
        from workbench.planning.words import shown_curve, shown_power, shown_sizes

        titled = (
            ("Power: of trials like this one, how many would show it", shown_power(self.plan)),
            ("Learning curve: R2 reached on average, with its 95 % band", shown_curve(self.plan)),
            ("Sample size (Riley 2019)", shown_sizes(self.plan)),
        )
        return tuple((title, table) for title, table in titled if len(table))


def plan(
    experiment: str,
    *,
    study: str | Path = ".",
    data: str | Path | None = None,
    people: int | None = None,
    r2: Sequence[float] = (),
    simulations: int = 200,
    permutations: int = 99,
    prevalence: float = 0.5,
    mean: float | None = None,
    sd: float | None = None,
    to: str | Path | None = None,
    force: bool = False,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> tuple[StudyPlan, ...]:
    """What an experiment can show with the people it has, or with another number: nothing of its outcome is looked at.

    Parameters
    ----------
    experiment : str
        Name or path.
    people : int, optional
        Ask about so many people instead of those there are.
    r2 : sequence of float
        What the features may explain in the population; default .1, .25 and .4.
    prevalence, mean, sd : float
        Of the outcome, as earlier studies found them.
    to : path, optional
        Folder for the tables, the sentences and the picture, one folder in it for every feature set.
    force : bool
        Overwrite the files of an earlier plan.
    jobs : int, optional
        Folds at a time; never changes a number.

    Returns
    -------
    tuple of StudyPlan
        One per feature set.
    """
    from workbench.planning.plan import Question

    _check_question(people, r2, simulations, permutations, prevalence, mean, sd)
    opened = _opened(study, data)
    name, spec = opened.experiment(experiment)
    problems = Problems()
    loaded = load_study_data(opened, problems=problems, progress=progress)
    problems.raise_if_any()
    assert loaded is not None
    laid_out = plan_experiment(loaded, name, spec, problems=problems)
    problems.raise_if_any(GuardError)
    assert laid_out is not None
    runs = {run.dataset.feature_set: run for run in reversed(laid_out.runs)}
    folders = {each: Path(to) / each for each in reversed(runs)} if to is not None else {}
    _free(folders.values(), force)
    question = Question(tuple(r2) or Question.r2s, simulations, permutations, people, prevalence, mean, sd)
    done = []
    for feature_set in reversed(runs):
        found = _plan_set(loaded, laid_out, runs[feature_set], question, jobs, progress or Silent())
        done.append(StudyPlan(found, _keep_plan(found, folders[feature_set]) if folders else ()))
    return tuple(done)


def _plan_set(
    loaded: StudyData,
    laid_out: ExperimentPlan,
    planned: PlannedRun,
    question: Question,
    jobs: int | None,
    progress: Progress,
) -> SetPlan:
    import numpy as np

    from workbench.execution import one_blas_thread
    from workbench.planning.plan import asked_about, plan_set
    from workbench.specs.learners import RidgeSpec
    from workbench.tables.guards import best_verdict

    dataset, validation = planned.dataset, planned.validation
    ridges = [one for one in laid_out.spec.models if isinstance(one, RidgeSpec)]
    learner = (ridges[0] if ridges else RidgeSpec(kind="ridge")).model_copy(update={"repeats": None})
    repeats = min(PLAN_REPEATS, validation.repeats)
    drawn = f"{repeats} x {validation.outer}-fold" if validation.leave_out is None else "sites left out in turn"
    about = SetPlan(
        experiment=laid_out.name,
        feature_set=dataset.feature_set,
        outcome=dataset.outcome.label,
        outcome_type=dataset.outcome.type,
        n_participants=dataset.n_rows,
        n_own=dataset.n_rows,
        n_features=dataset.X.shape[1],
        missing=float(np.isnan(dataset.X).mean()),
        n_nuisance=dataset.nuisance.values.shape[1],
        people="",
        validation=f"ridge, {drawn} with {validation.inner} inner folds",
        permutations=question.permutations,
        n_runs=len(laid_out.runs),
        criteria=(),
        power=(),
        detectable=None,
        curve=(),
        ceiling=dataset.outcome.reliability,
        best_verdict=best_verdict(asked_about(dataset, question.people)),
        synthetic=loaded.study.cohort.synthetic,
    )
    with one_blas_thread():
        return plan_set(
            dataset,
            question,
            _engine(validation, learner, repeats, jobs),
            _engine(validation, learner, 1, jobs),
            seed=validation.seed,
            fewest=_fewest_people(validation, dataset),
            about=about,
            progress=lambda piece, done, total: progress.advance(f"{dataset.feature_set}: {piece}", done, total),
        )


def _engine(validation: ValidationSpec, learner: LearnerSpec, repeats: int, jobs: int | None) -> Engine:
    """Nested cross-validation of ridge and its permutations, for outcomes that are made up: many share one fold."""
    from workbench.execution import cores, spread
    from workbench.models import nested_cv, permutations
    from workbench.planning.power import Engine
    from workbench.results.inference import permuted_r2

    settings = {"repeats": repeats, "permutations": 0, "balance_outcome": False}

    def score(dataset: Dataset, targets: np.ndarray, seed: int) -> np.ndarray:
        asked = validation.model_copy(update={**settings, "seed": seed})
        units = nested_cv.plan_units(dataset, asked, learner.model_copy(update={"repeats": repeats}))
        alone = [replace(unit, procedures=("main",)) for unit in units]
        fit = partial(_fit, dataset=dataset, learner=learner, targets={"main": targets}, explain=0)
        return permuted_r2(tuple(spread(fit, alone, jobs=cores(jobs))), "main")

    def shuffle(dataset: Dataset, target: np.ndarray, n: int, seed: int) -> np.ndarray:
        nuisance = dataset.nuisance.values
        return permutations.target_matrix(target, nuisance, dataset.blocks, dataset.groups, n, seed)

    return Engine(score, shuffle, permutations.refusal)


def _fewest_people(validation: ValidationSpec, dataset: Dataset) -> int:
    """People who fill the folds, with three training rows for every covariate in the smallest of them."""
    n = 2 * validation.inner + 2
    held = 3 * (1 + dataset.nuisance.values.shape[1])
    while n - -(-n // validation.outer) < max(2 * validation.inner, held * validation.inner / (validation.inner - 1)):
        n += 1
    return n


def _keep_plan(found: SetPlan, folder: Path) -> tuple[Path, ...]:
    from workbench.figures import draw_learning_curve
    from workbench.planning.writing import write_plan

    return (*write_plan(found, folder), *draw_learning_curve(found, folder))


def _free(folders: Iterable[Path], force: bool) -> None:
    """Nothing of an earlier plan is overwritten unasked."""
    problems = Problems()
    for folder in folders:
        if (folder / "plan.txt").exists() and not force:
            problems.add(folder / "plan.txt", "is there already", "name another folder, or add --force")
    problems.raise_if_any(StoreError)


def _check_question(
    people: int | None,
    r2: Sequence[float],
    simulations: int,
    permutations: int,
    prevalence: float,
    mean: float | None,
    sd: float | None,
) -> None:
    problems = Problems()
    for value in r2:
        if not 0 < value < 1:
            problems.add("--r2", f"{value:g} is no share of variance to be found", "between 0 and 1, such as 0.25")
    if people is not None and people < 20:
        problems.add("--people", f"{people} people are too few to validate anything", "at least 20")
    if simulations < 20:
        problems.add("--simulations", f"{simulations} say next to nothing about power", "at least 20; 200 and more")
    if permutations < 19:
        problems.add("--permutations", f"with {permutations} no p is .05 or below", "at least 19")
    if not 0 < prevalence < 1:
        problems.add("--prevalence", f"{prevalence:g} is no share of people", "between 0 and 1")
    if (mean is None) != (sd is None) or (sd is not None and sd <= 0):
        problems.add("--mean and --sd", "go together, and the spread is above 0", "such as --mean 10 --sd 8")
    problems.raise_if_any(SpecError)


# ------------------------------------------------------------------------------------------------- the other commands


def export_run(
    run: str = "latest", *, to: str | Path, study: str | Path = ".", force: bool = False
) -> tuple[Path, ...]:
    """Copy everything a supplement needs of one run into a folder.

    Parameters
    ----------
    run : str
        MLflow run id, a unique prefix of one, a run name, or ``latest``.
    """
    from workbench import export, tracking

    return export.export_run(tracking.find_run(open_study(Path(study)), run), Path(to), force=force)


def show_run(run: str = "latest", *, study: str | Path = ".") -> FinishedRun:
    """A finished run as it was kept, from its files: nothing is fitted again.

    Parameters
    ----------
    run : str
        MLflow run id, a unique prefix of one, a run name, or ``latest``.

    Raises
    ------
    StoreError
        If there is no such run, or its files are not whole or of another version.
    """
    from workbench import export, tracking

    logged = tracking.find_run(open_study(Path(study)), run)
    result = export.read_run(logged.artifacts, tags=logged.tags, shap=False)
    return FinishedRun(result, logged.run_id, logged.artifacts)


def describe(table: FeatureTable) -> pd.DataFrame:
    """A feature table by circuit: features, missing values, range."""
    from workbench.tables.feature_table import describe as by_circuit

    return by_circuit(table)


def ui(*, study: str | Path = ".", port: int = 5000) -> None:
    """Serve the MLflow UI of a study on 127.0.0.1 until interrupted."""
    from workbench.tracking import serve_ui

    serve_ui(open_study(Path(study)), port)


def init(target: str | Path, *, design: str | None = None) -> tuple[Path, ...]:
    """A copy of the demo study, or with a design a commented skeleton without data."""
    return init_study(Path(target), design)


def simulate_study(
    target: str | Path,
    *,
    preset: str | None = None,
    patients: int | None = None,
    design: str | None = None,
    r2: float | None = None,
    seed: int | None = None,
    achievable: bool = True,
) -> tuple[Path, ...]:
    """Write a trial of known truth, with a study that reads it.

    Parameters
    ----------
    preset : str, optional
        ``demo`` (the repository's own study) or ``review`` (623 people, as many as the imaging studies reviewed).
    patients, design, r2
        Replace those of the preset; the default is a crossover of 120 with the r2 of the simulator's default cohort.
    achievable : bool
        Work out, too, what ridge trained on so many people can achieve in fresh people: a few seconds.
    """
    from workbench.simulate.config import DEMO_SEED, TrialConfig
    from workbench.simulate.generator import simulate_trial
    from workbench.simulate.writers import write_study, write_trial

    presets = {"demo": TrialConfig.demo, "review": TrialConfig.review}
    if preset is not None and preset not in presets:
        raise SpecError(Problem("--preset", f"no preset {preset!r}", did_you_mean(preset, presets)))
    config = presets[preset]() if preset else TrialConfig()
    wanted = {"n_patients": patients, "design": design, "r2": r2}
    config = replace(config, **{key: value for key, value in wanted.items() if value is not None})  # type: ignore[arg-type]
    trial = simulate_trial(config, DEMO_SEED if seed is None else seed, achievable=achievable)
    root = Path(target)
    written = write_study(trial, root)
    return (*written, *write_trial(trial, root / open_study(root).cohort.data))


MAIN_DEMO, CONTROL_DEMO = "shaps_ketamine_minus_placebo", "shuffled_outcome"

DEMO_MODELS: Mapping[str, tuple[str, ...]] = {"demo": (), "review": ("ridge",)}
"""Models that the demo runs of a preset: all, or where there are many people only what takes minutes."""


def demo(
    *,
    study: str | Path = ".",
    preset: str = "demo",
    jobs: int | None = None,
    say: Callable[[str], None] = print,
    progress: Progress | None = None,
) -> tuple[FinishedRun, ...]:
    """Simulate a trial, build its tables, run its experiments, and set what was found beside what was planted.

    Parameters
    ----------
    preset : str
        ``demo``, in the demo study or a new folder; ``review`` (623 people, ridge alone), in a new folder.
    say : callable
        Takes each line of the story; every step begins with the command that a user would type.

    Returns
    -------
    tuple of FinishedRun
        Those of the main question first.
    """
    root = Path(study)
    where = "" if root == Path(".") else f" --study {root}"
    say(f"$ workbench simulate {root} --preset {preset}")
    written = simulate_study(root, preset=preset)
    truth = _truth(open_study(root))
    say(f"  {_who_was_made_up(truth)}: {len(written)} files; what is true of it is in sources/truth.json.")
    say(f"$ workbench features{where}")
    for name, (table, _) in features(study=root, progress=progress).items():
        n = table.rows["participant_id"].nunique()
        say(f"  {name}: {n} participants, {table.values.shape[1]} features")
    say(f"$ workbench freeze {MAIN_DEMO}{where}")
    for plan in freeze([MAIN_DEMO], study=root, progress=progress):
        say(f"  its plan is written down before any result is viewed; the claim rests on {plan.plan.primary}.")
    names = list(open_study(root).experiment_paths)
    finished: list[FinishedRun] = []
    for name in sorted(names, key=lambda each: (each == MAIN_DEMO, each != CONTROL_DEMO, each)):
        only = DEMO_MODELS[preset]
        say(f"$ workbench run {name}{''.join(f' --only {model}' for model in only)}{where}")
        for each in run([name], study=root, only=only, jobs=jobs, progress=progress):
            finished.append(each)
            say(f"  {each.one_line()}")
    main = [each for each in finished if each.result.scores.experiment == MAIN_DEMO]
    for line in found_beside_planted(truth, main):
        say(line)
    best = main[0]
    say(f"$ workbench export {best.run_id[:8]} --to OUT{where}     everything a supplement needs")
    say(f"$ workbench ui{where}                         compare the runs in the browser")
    say("$ workbench init mystudy --design crossover     begin your own")
    return (*main, *(each for each in finished if each not in main))


def _who_was_made_up(truth: Mapping[str, Any]) -> str:
    config = truth["config"]
    controls = f" and {config['n_controls']} healthy controls" if config["n_controls"] else ""
    return f"A made-up placebo-controlled crossover of {config['n_patients']} patients{controls}"


def found_beside_planted(truth: Mapping[str, Any], runs: Sequence[FinishedRun]) -> Iterator[str]:
    """What the first run found, circuit by circuit, beside the part each circuit was given when the trial was made."""
    first = runs[0].result
    planted = truth["planted"]
    yield ""
    yield (
        f"What was planted, and what {first.scores.run_name} found. In everybody an R2 of {planted['r2']:.2f} can be "
        f"reached; models trained on {first.scores.n_participants * 4 // 5} people reached "
        f"{first.scores.performance.r2:.2f}{_usual_r2(truth, first.scores.feature_set)}."
    )
    circuits = first.circuits.set_index("circuit")
    ranks = circuits["mean_abs_shap"].rank(ascending=False)
    yield f"  {'circuit':32}{'part':18}{'rank of SHAP':>14}{'q':>9}  candidate"
    for entry in sorted(truth["circuits"], key=lambda each: ranks.get(each["circuit"], 99.0)):
        name = entry["circuit"]
        if name not in circuits.index:
            continue
        row = circuits.loc[name]
        candidate = "yes" if row["candidate"] else "no"
        yield f"  {name:32}{entry['role']:18}{ranks[name]:>14.0f}{row['q']:>9.3f}  {candidate}"
    yield ""


def _usual_r2(truth: Mapping[str, Any], feature_set: str) -> str:
    """What ridge reaches on average with as many people, where it was worked out."""
    for row in truth.get("r2_achievable", ()):
        if row["score"] == "SHAPS" and row["feature_set"] == feature_set.replace("_", "+"):
            return f", where {row['r2_achievable']:.2f} is usual in trials of this size"
    return ""


def _truth(study: Study) -> dict[str, Any]:
    import json

    truth: dict[str, Any] = json.loads((study.data / "truth.json").read_text(encoding="utf-8"))
    return truth


def _opened(study: str | Path, data: str | Path | None) -> Study:
    """The study, its data folder known to exist."""
    opened = open_study(Path(study), _path(data))
    missing = opened.data_problem()
    if missing:
        raise SourceError(missing)
    return opened


def _path(data: str | Path | None) -> Path | None:
    return None if data is None else Path(data)
