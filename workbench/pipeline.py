"""The flow: composes the stages, and is what a notebook calls.

    files -> sources -> tables -> models -> results -> figures / export / tracking

Stages never import each other; whatever two of them must agree on travels in a record through here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from workbench.errors import GuardError, Problem, Problems, SourceError, SpecError, did_you_mean
from workbench.new_study import init_study
from workbench.records import Cohort, Dataset, FeatureTable, FlowStep, Outcome, RunResult, UnitResult, WorkUnit
from workbench.specs import spec_hash, to_toml
from workbench.specs.experiment import ExperimentSpec, ValidationSpec
from workbench.specs.learners import LearnerSpec
from workbench.study import Study, open_study

if TYPE_CHECKING:
    import pandas as pd

    from workbench.models.cost import Cost

EXPLAINED_PERMUTATIONS = 200
"""Permuted outcomes whose |SHAP| is summed by circuit: enough for the 95th percentile that the figure marks."""

INFLUENCE_REPEATS, INFLUENCE_REFITS = 5, 130
"""Repeats refitted without each participant in turn: five, fewer where that would be many refits, never none.

Who carries a result matters in a small sample, where five are affordable; the number used is said with the result.
"""


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

    study, cohort = loaded.study, loaded.cohort
    found, warnings = check_experiment(spec, cohort, study.sources)
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
            found, heard = check_dataset(dataset, cohort)
            problems.extend(found)
            warnings = [*warnings, *heard]
            runs.extend(planned_runs(dataset, spec))
    return ExperimentPlan(name, spec, outcome, flow, tuple(runs), tuple(dict.fromkeys(warnings)))


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
    progress = progress or Silent()
    problems = Problems()
    opened = _opened(study, data)
    chosen = dict(opened.experiment(wanted) for wanted in experiments)
    if rehearse:
        chosen = {name: _shuffled(spec) for name, spec in chosen.items()}
    loaded = load_study_data(opened, problems=problems, progress=progress)
    problems.raise_if_any()
    assert loaded is not None
    plans = [plan_experiment(loaded, name, spec, problems=problems) for name, spec in chosen.items()]
    problems.raise_if_any(GuardError)
    finished: list[FinishedRun] = []
    for plan in plans:
        assert plan is not None
        results = run_experiment(loaded, _only(plan, only), jobs=jobs, resume=resume, progress=progress)
        for result in results:
            kept = FinishedRun(result) if rehearse else keep(opened, result, progress)
            finished.append(kept)
            if on_finished is not None:
                on_finished(kept)
    return tuple(finished)


def run_experiment(
    loaded: StudyData, plan: ExperimentPlan, *, jobs: int | None, resume: bool, progress: Progress
) -> tuple[RunResult, ...]:
    """Every run of one experiment, with p-values corrected over all of them."""
    from workbench.results.run_result import finish_experiment

    runs = [run_one(loaded, plan, planned, jobs=jobs, resume=resume, progress=progress) for planned in plan.runs]
    return finish_experiment(runs)


def run_one(
    loaded: StudyData, plan: ExperimentPlan, planned: PlannedRun, *, jobs: int | None, resume: bool, progress: Progress
) -> RunResult:
    """One feature set with one model: permuted targets, work units, influence, circuit test, reduction."""
    from workbench.execution import cores, one_blas_thread, run_units
    from workbench.models import nested_cv, permutations
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
    fit = partial(_fit, dataset=dataset, learner=planned.learner, targets=targets, explain=explain)
    label = f"{plan.name}: {planned.name}"
    results = run_units(
        fit,
        units,
        folder=loaded.study.units_dir / plan.name,
        jobs=cores(jobs),
        backend="threads" if learner.batched and nested_cv.ORDER not in targets else "processes",
        resume=resume,
        progress=partial(progress.advance, label),
    )
    with one_blas_thread():
        influence = nested_cv.leave_one_out_r2(
            dataset,
            units,
            planned.learner,
            results=results,
            repeats=max(1, min(INFLUENCE_REPEATS, INFLUENCE_REFITS // dataset.n_participants)),
            progress=partial(progress.advance, f"{label}, leaving one out"),
        )
        circuits = circuit_test(dataset, nested_cv.marginal_targets(dataset, validation))
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
            influence=influence,
            permutation_scheme=permutations.scheme(dataset),
            permutation_refused=refused,
            synthetic=loaded.study.cohort.synthetic,
            design=loaded.cohort.design,
            spec_toml=to_toml(plan.spec),
            spec_hash=spec_hash(plan.spec),
            warnings=plan.warnings,
        )
    )


def _fit(
    unit: WorkUnit, *, dataset: Dataset, learner: LearnerSpec, targets: Mapping[str, Any], explain: int
) -> UnitResult:
    from workbench.models.nested_cv import fit_unit

    return fit_unit(dataset, unit, learner, targets, explain=explain)


def keep(study: Study, result: RunResult, progress: Progress | None = None) -> FinishedRun:
    """Write everything a run leaves, and log it."""
    from workbench import export as exporting
    from workbench import figures, tracking

    (progress or Silent()).say(f"writing {result.scores.run_name}")
    with tracking.open_run(study, result) as opened:
        exporting.write_run(result, opened.artifacts, run_id=opened.run_id)
        figures.draw_run(result, opened.artifacts / "figures")
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
