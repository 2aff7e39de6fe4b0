"""Experiments laid out: data joined and guarded, and one planned run for each feature set and model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.errors import GuardError, Problem, Problems
from workbench.pipeline.feature_set_notices import by_feature_set, called
from workbench.pipeline.named_estimators import all_settled, notes_and_caps, outcome_problems
from workbench.pipeline.progress import Progress
from workbench.pipeline.study_data import StudyData, left_out, load_study_data, study_with_data
from workbench.records import Dataset, FlowStep, Notice, Outcome, Places, feature_set_name
from workbench.specs.experiment import ExperimentSpec, ValidationSpec
from workbench.specs.learners import LearnerSpec

if TYPE_CHECKING:
    import pandas as pd

    from workbench.evaluation.cost import Cost
    from workbench.evaluation.forecast import Forecast


@dataclass(frozen=True, eq=False)
class PlannedRun:
    """One feature set with one model, ready to be run."""

    dataset: Dataset
    learner: LearnerSpec
    validation: ValidationSpec
    """With the model's own repeats and permutations."""
    warnings: tuple[Notice, ...] = ()
    """What the guards said about its data."""
    capped: tuple[str, ...] = ()
    """Why its claim is exploratory at most, whatever its numbers are."""
    baseline: str = ""
    """The baseline score of the outcome, as a term; empty where it has none."""
    undeclared: str = ""
    """Sources of which the upstream steps are not declared, in a sentence."""
    places: Places = field(default_factory=dict)
    """Where regions lie, as far as the study says."""
    pharmacodynamic: tuple[str, ...] = ()
    """Sources taken as acute changes: effects of the treatment, never baseline predictors."""

    @property
    def name(self) -> str:
        """As it is stored: short, most distinguishing part first."""
        return self.learner.run_name(self.dataset.feature_set)

    @property
    def display_name(self) -> str:
        """As a reader calls it: "ridge on connectivity + task"."""
        return f"{self.learner.label} on {feature_set_name(self.dataset.feature_set, self.dataset.sources)}"

    @property
    def folds(self) -> str:
        """Outer folds in a few words: "10 x 5", "one of 4 sites out", "3 x given"."""
        dataset, validation = self.dataset, self.validation
        if validation.leave_out is not None and dataset.sites is not None:
            return f"one of {dataset.n_sites} {validation.leave_out}s out"
        if dataset.given_folds is not None:
            return f"{dataset.given_folds.shape[1]} x given"
        return f"{validation.repeats} x {validation.outer}"

    @cached_property
    def stated_forecast(self) -> Forecast:
        """What it costs part by part, on one core of the stated machine."""
        from workbench.evaluation.forecast import forecast

        return forecast(self.dataset, self.validation, self.learner)

    @cached_property
    def forecast(self) -> Forecast:
        """The same on one core of this machine."""
        from workbench.evaluation.machine_speed import slowness

        return self.stated_forecast.slowed(slowness())

    @property
    def cost(self) -> Cost:
        """Fits, time, memory and disk of a run that predicts nothing."""
        return self.forecast.least

    @property
    def fits(self) -> int:
        """Fits that scikit-learn would have to make for the numbers of the run, without what is refitted beside it."""
        from workbench.evaluation.forecast import OF_THE_RUN

        return sum(self.forecast.cost_of(what).fits for what in OF_THE_RUN)

    @property
    def cost_at_most(self) -> Cost:
        """The same of a run that predicts, which is refitted by the questions asked of it."""
        return self.forecast.most

    @property
    def cost_of_modalities(self) -> Cost:
        """Of what each modality adds, whether or not the run takes modalities apart; nothing where it cannot."""
        from workbench.evaluation.cost import NOTHING
        from workbench.evaluation.forecast import estimate_modalities
        from workbench.evaluation.machine_speed import slowness
        from workbench.evaluation.modality_sets import can_be_taken_apart

        if not can_be_taken_apart(self.dataset, self.learner):
            return NOTHING
        return estimate_modalities(self.dataset, self.validation, self.learner).slowed(slowness())

    @property
    def takes_modalities_apart(self) -> bool:
        """Whether the run says what each modality adds."""
        from workbench.evaluation.modality_sets import takes_apart

        return takes_apart(self.dataset, self.validation, self.learner)

    @property
    def modalities(self) -> str:
        """Whether the run says what each modality adds, and what that costs; empty where it has one modality."""
        from workbench.evaluation.modality_sets import can_be_taken_apart, in_words, modality_names

        if not can_be_taken_apart(self.dataset, self.learner):
            return ""
        time = self.cost_of_modalities.time
        return in_words(modality_names(self.dataset, self.learner), time, taken_apart=self.takes_modalities_apart)

    @property
    def influence(self) -> str:
        """Whom the models are refitted without, where there are too many for everyone; empty where there are not."""
        from workbench.evaluation.influence import MOST_INFLUENTIAL, MOST_REFITTED

        n = self.dataset.n_participants
        if n <= MOST_REFITTED or not self.validation.leave_one_out:
            return ""
        return (
            f"of {n:,} participants the {MOST_INFLUENTIAL} without whom R2 is lowest are left out one by one and the "
            "models refitted; the others are taken out of the score alone"
        )

    @property
    def time(self) -> str:
        """Time on one core in words: "about 2 min, about 4 min if it predicts"."""
        alone, at_most = self.cost.time, self.cost_at_most.time
        return alone if alone == at_most else f"{alone}, {at_most} if it predicts"

    @property
    def memory(self) -> str:
        """Peak of memory in words, of a run that predicts."""
        return self.cost_at_most.memory

    @property
    def disk(self) -> str:
        """What is left on the disk in words, of a run that predicts."""
        return self.cost_at_most.disk


@dataclass(frozen=True, eq=False, repr=False)
class ExperimentPlan:
    """One experiment with its data joined and its runs laid out."""

    name: str
    spec: ExperimentSpec
    outcome: Outcome
    flow: tuple[FlowStep, ...]
    runs: tuple[PlannedRun, ...]
    warnings: tuple[Notice, ...] = ()
    held_out: str = ""
    """Who is locked for one final prediction and is in none of its data, in words."""

    def __repr__(self) -> str:
        runs = ", ".join(f"{run.display_name} (n = {run.dataset.n_participants})" for run in self.runs)
        return f"<{self.name}: {self.outcome.label} by {runs or 'no run'}>"


def open_experiment(
    experiment: str, study: str | Path, data: str | Path | None, progress: Progress | None = None
) -> tuple[StudyData, ExperimentPlan]:
    """One experiment of a study with its data joined.

    Parameters
    ----------
    experiment : str
        Name or path of its file.
    study, data : path
        The study folder, and where its data are if not where ``cohort.toml`` says.
    progress : Progress, optional

    Returns
    -------
    tuple of (StudyData, ExperimentPlan)

    Raises
    ------
    WorkbenchError
        With every problem of the study that stands in the way.
    """
    problems = Problems()
    opened = study_with_data(study, data)
    ((name, spec),) = all_settled(opened, dict([opened.experiment(experiment)])).items()
    loaded = load_study_data(opened, problems=problems, progress=progress)
    problems.raise_if_any()
    assert loaded is not None  # without a cohort there is a problem
    plan = plan_experiment(loaded, name, spec, problems=problems)
    problems.raise_if_any(GuardError)
    assert plan is not None
    return loaded, plan


def plan_experiment(
    loaded: StudyData, name: str, spec: ExperimentSpec, *, problems: Problems, rehearsal: bool = False
) -> ExperimentPlan | None:
    """Join the data of one experiment and lay out its runs; problems are collected, each with the experiment's file.

    For a rehearsal all scores are made up once it is known who is included and who has an outcome.

    Parameters
    ----------
    loaded : StudyData
    name : str
    spec : ExperimentSpec
    problems : Problems
        Takes the problems that are met.
    rehearsal : bool

    Returns
    -------
    ExperimentPlan or None
        None where there is no outcome or no feature set, or where a score that it names could not be read.
    """
    exclusions, folds = _files_beside(loaded, spec, problems)
    of_experiment = Problems()
    plan = None
    with of_experiment.gather():
        locked = locked_people(loaded, spec)
        plan = _planned(loaded, name, spec, exclusions, folds, of_experiment, locked, rehearsal=rehearsal)
    problems.extend(problem.in_file(f"experiments/{name}.toml") for problem in of_experiment)
    return plan


def locked_people(loaded: StudyData, spec: ExperimentSpec) -> tuple[str, ...]:
    """Who is held out for one final prediction by ``[validation] hold_out``, sorted; empty where nobody is.

    Parameters
    ----------
    loaded : StudyData
    spec : ExperimentSpec

    Returns
    -------
    tuple of str
        Participant ids.

    Raises
    ------
    WorkbenchError
        If a rule or the table names nobody.
    """
    from workbench.sources.cohort.experiment_tables import read_exclusions
    from workbench.tables.held_out import held_out

    study, rules = loaded.study, spec.validation.hold_out
    listed = read_exclusions(study.data / rules, loaded.cohort, study.cohort.missing) if isinstance(rules, str) else ()
    return held_out(spec, loaded.cohort, listed)


def _files_beside(
    loaded: StudyData, spec: ExperimentSpec, problems: Problems
) -> tuple[Mapping[str, str], pd.DataFrame | None]:
    """Who is excluded by a file beside the data and why, and the folds that are given in one."""
    from workbench.sources.cohort.experiment_tables import read_exclusions, read_folds

    study, cohort = loaded.study, loaded.cohort
    exclusions: Mapping[str, str] = {}
    folds: pd.DataFrame | None = None
    with problems.gather():
        if spec.exclude_file is not None:
            exclusions = read_exclusions(study.data / spec.exclude_file, cohort, study.cohort.missing)
        if spec.validation.folds is not None:
            folds = read_folds(study.data / spec.validation.folds, cohort)
    return exclusions, folds


def _planned(
    loaded: StudyData,
    name: str,
    spec: ExperimentSpec,
    exclusions: Mapping[str, str],
    folds: pd.DataFrame | None,
    problems: Problems,
    locked: Sequence[str] = (),
    *,
    rehearsal: bool,
) -> ExperimentPlan | None:
    from workbench.evaluation.baseline_held import baseline_as_held
    from workbench.sources.atlas.coordinates import read_places
    from workbench.tables.acute_change import pharmacodynamic, specs_with_changes, with_changes
    from workbench.tables.alarms import availability_cap
    from workbench.tables.apart_from import apart_cap
    from workbench.tables.dataset import assemble
    from workbench.tables.exact_zeros import all_exact_zeros
    from workbench.tables.feature_sets import feature_sets
    from workbench.tables.guards import check_dataset, check_experiment
    from workbench.tables.harmonised import preserved_cap
    from workbench.tables.held_out import flow_with_held_out, in_words, tables_without, without_people
    from workbench.tables.modality_names import modality_problems
    from workbench.tables.outcomes import make_outcome
    from workbench.tables.people import select_people
    from workbench.tables.quality_rules import exclusions_and_outcome
    from workbench.tables.rehearsal import rehearse
    from workbench.tables.timing import timing_cap
    from workbench.tables.undeclared_sites import undeclared_site_cap
    from workbench.tables.unread_scores import unread_scores
    from workbench.tables.upstream import undeclared

    n_people, lock_in_words = len(loaded.cohort.participants), ""
    if locked:
        lock_in_words = f"{len(locked)} participants ({in_words(spec)})"
        without = without_people(loaded.cohort, locked), tables_without(loaded.tables, locked)
        loaded = replace(loaded, cohort=without[0], tables=without[1])
    loaded = replace(loaded, tables=with_changes(spec, loaded.tables))
    study, cohort = loaded.study, loaded.cohort
    sources_of_study = specs_with_changes(spec, study.sources)
    of_spec, warnings = check_experiment(spec, cohort, sources_of_study, exclusions)
    every_warning = list(warnings)
    of_sets: list[tuple[Notice, str]] = []
    problems.extend(of_spec)
    known = {(each.where, each.code) for each in of_spec if each.code}  # at the place where the experiment names it
    if unread_scores(spec, cohort):
        return None
    outcome = None
    common = spec.validation.people == "common"
    unfit: dict[str, Problem] = {}
    sets: dict[str, tuple[str, ...]] = {}
    with problems.gather():
        people, flow = select_people(spec, cohort, exclusions)
        flow = flow_with_held_out(n_people, locked, flow)
        outcome = make_outcome(spec.outcome, cohort, people, seed=spec.validation.seed)
        if rehearsal:
            cohort, outcome = rehearse(spec, cohort, people, outcome)
        unfit = outcome_problems(spec, outcome.type)
        problems.extend(unfit.values())
    places: Places = {}
    with problems.gather():
        sets = feature_sets(spec, study.sources)
        used = {source: sources_of_study[source] for sources in sets.values() for source in sources}
        places = read_places(used, features_dir=study.features_dir, data=study.data)
    if outcome is None or not sets:
        return None
    runs: list[PlannedRun] = []
    for feature_set, sources in sets.items():
        if not all(source in loaded.tables for source in sources):
            continue
        silent = undeclared(sources_of_study, sources)
        zeros = all_exact_zeros([loaded.tables[source] for source in sources])
        of_sources = [Notice(silent, severity="note")] if silent else []
        of_sources += [Notice(each.counted, where=each.source) for each in zeros]
        join = partial(
            assemble, spec, feature_set, sources, loaded.tables, cohort, outcome, people, flow, given_folds=folds
        )
        of_set: list[PlannedRun] = []
        for in_part in _who_is_analysed(spec, feature_set):
            with problems.gather():
                dataset = join(common_to=tuple(sets.values()) if common else (), complete=not in_part or common)
                problems.extend(modality_problems(spec, dataset) if in_part else ())
                of_data, data_warnings = check_dataset(
                    dataset, cohort, sources_of_study, left_out(loaded, dataset, spec)
                )
                data_warnings = [*data_warnings, *exclusions_and_outcome(spec, dataset)]
                problems.extend(each for each in of_data if (each.where, each.code) not in known)
                capped = (*timing_cap(dataset, cohort, sources_of_study), *preserved_cap(dataset))
                capped += (*apart_cap(spec.outcome), *availability_cap(dataset), *undeclared_site_cap(dataset, cohort))
                baseline = baseline_as_held(dataset)
                planned = [run for run in planned_runs(dataset, spec) if run.learner.takes_blocks == in_part]
                of_sets += [(notice, called(dataset)) for notice in data_warnings if planned]
                if not of_data and not len(problems):
                    _draw_folds(planned)
                for run in (run for run in planned if run.learner.label not in unfit):
                    with problems.gather():
                        notes, caps = notes_and_caps(dataset, run.learner, run.validation)
                        of_set.append(
                            replace(
                                run,
                                warnings=(*warnings, *data_warnings, *of_sources, *notes),
                                capped=(*capped, *caps),
                                baseline=baseline,
                                undeclared=silent,
                                places=places,
                                pharmacodynamic=pharmacodynamic(dataset, cohort),
                            )
                        )
                        of_sets += [(notice, called(dataset)) for notice in notes]
        runs += sorted(of_set, key=lambda run: spec.models.index(run.learner))
    every_warning += by_feature_set(of_sets)
    return ExperimentPlan(name, spec, outcome, flow, tuple(runs), tuple(dict.fromkeys(every_warning)), lock_in_words)


def _who_is_analysed(spec: ExperimentSpec, feature_set: str) -> list[bool]:
    """Whether participants who have all of a feature set are analysed (False), or those who have a part of it (True):
    both, where its models differ in that."""
    return sorted({model.takes_blocks for model in spec.models if model.runs_on(feature_set)}) or [False]


def _draw_folds(runs: Sequence[PlannedRun]) -> None:
    """Draw every fold as the runs will, so that what strata, groups or given folds do not allow is known before
    anything is fitted."""
    from workbench.models.rehearsed_folds import draw_folds

    for run in {repr(run.validation): run for run in runs}.values():
        draw_folds(run.dataset, run.validation, run.learner)


def planned_runs(dataset: Dataset, spec: ExperimentSpec) -> list[PlannedRun]:
    """The models that run on one feature set, each with its own repeats and permutations."""
    runs = []
    for learner in spec.models:
        if not learner.runs_on(dataset.feature_set):
            continue
        overrides = {key: value for key in ("repeats", "permutations") if (value := getattr(learner, key)) is not None}
        runs.append(PlannedRun(dataset, learner, spec.validation.model_copy(update=overrides)))
    return runs
