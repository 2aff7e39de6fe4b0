"""Experiments laid out: data joined and guarded, and one planned run for each feature set and model."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from workbench.errors import Problems
from workbench.pipeline.study_data import StudyData, left_out
from workbench.records import Dataset, FlowStep, Outcome
from workbench.specs.experiment import ExperimentSpec, ValidationSpec
from workbench.specs.learners import LearnerSpec

if TYPE_CHECKING:
    import pandas as pd

    from workbench.evaluation.cost import Cost

FILE = re.compile(r"\.\w{1,4}(:|$)")
"""What names a file in a problem's place."""


@dataclass(frozen=True, eq=False)
class PlannedRun:
    """One feature set with one model, ready to be run."""

    dataset: Dataset
    learner: LearnerSpec
    validation: ValidationSpec
    """With the model's own repeats and permutations."""
    warnings: tuple[str, ...] = ()
    """What the guards said about its data."""
    capped: tuple[str, ...] = ()
    """Why its claim is exploratory at most, whatever its numbers are."""
    baseline: str = ""
    """The baseline score of the outcome, as a term; empty where it has none."""
    undeclared: str = ""
    """Sources of which the upstream steps are not declared, in a sentence."""

    @property
    def name(self) -> str:
        """Short, most distinguishing part first."""
        return self.learner.run_name(self.dataset.feature_set)

    @property
    def cost(self) -> Cost:
        """Fits, time, memory and disk, to the nearest order."""
        from workbench.evaluation.cost import estimate

        return estimate(self.dataset, self.validation, self.learner)

    @property
    def cost_at_most(self) -> Cost:
        """The same of a run that predicts, which is analysed once more with something else held fixed."""
        from workbench.evaluation.cost import estimate_at_most

        return estimate_at_most(self.dataset, self.validation, self.learner)

    @property
    def time(self) -> str:
        """Time on one core in words: "about 2 min, about 4 min if it predicts"."""
        alone, at_most = self.cost.time, self.cost_at_most.time
        return alone if alone == at_most else f"{alone}, {at_most} if it predicts"


@dataclass(frozen=True, eq=False)
class ExperimentPlan:
    """One experiment with its data joined and its runs laid out."""

    name: str
    spec: ExperimentSpec
    outcome: Outcome
    flow: tuple[FlowStep, ...]
    runs: tuple[PlannedRun, ...]
    warnings: tuple[str, ...] = ()


def plan_experiment(
    loaded: StudyData, name: str, spec: ExperimentSpec, *, problems: Problems, rehearsal: bool = False
) -> ExperimentPlan | None:
    """Join the data of one experiment and lay out its runs; problems are collected, each with the experiment's file.

    For a rehearsal all scores are made up once it is known who is included and who has an outcome.
    """
    found = Problems()
    plan = _planned(loaded, name, spec, found, rehearsal=rehearsal)
    file = f"experiments/{name}.toml"
    problems.extend(
        problem
        if FILE.search(problem.where)
        else replace(problem, where=": ".join(filter(None, (file, problem.where))))
        for problem in found
    )
    return plan


def _planned(
    loaded: StudyData, name: str, spec: ExperimentSpec, problems: Problems, *, rehearsal: bool
) -> ExperimentPlan | None:
    from workbench.evaluation.baseline_held import baseline_as_held
    from workbench.sources.experiment_tables import read_exclusions, read_folds
    from workbench.tables.dataset import assemble
    from workbench.tables.feature_sets import feature_sets
    from workbench.tables.guards import check_dataset, check_experiment
    from workbench.tables.outcomes import make_outcome
    from workbench.tables.people import select_people
    from workbench.tables.rehearsal import rehearse
    from workbench.tables.timing import timing_cap
    from workbench.tables.upstream import undeclared

    study, cohort = loaded.study, loaded.cohort
    exclusions: Mapping[str, str] = {}
    folds: pd.DataFrame | None = None
    with problems.gather():
        if spec.exclude_file is not None:
            exclusions = read_exclusions(study.data / spec.exclude_file, cohort, study.cohort.missing)
        if spec.validation.folds is not None:
            folds = read_folds(study.data / spec.validation.folds, cohort)
    found, warnings = check_experiment(spec, cohort, study.sources, exclusions)
    every_warning = list(warnings)
    problems.extend(found)
    outcome = None
    sets: dict[str, tuple[str, ...]] = {}
    with problems.gather():
        people, flow = select_people(spec, cohort, exclusions)
        outcome = make_outcome(spec.outcome, cohort, people, seed=spec.validation.seed)
        if rehearsal:
            cohort, outcome = rehearse(spec, cohort, people, outcome)
    with problems.gather():
        sets = feature_sets(spec, study.sources)
    if outcome is None or not sets:
        return None
    runs: list[PlannedRun] = []
    common = tuple(sets.values()) if spec.validation.people == "common" else ()
    for feature_set, sources in sets.items():
        if not all(source in loaded.tables for source in sources):
            continue
        with problems.gather():
            dataset = assemble(
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
            silent = undeclared(study.sources, sources)
            said = (*warnings, *heard, *filter(None, [silent]))
            every_warning += heard
            capped = timing_cap(dataset, cohort, study.sources)
            baseline = baseline_as_held(dataset)
            runs.extend(
                replace(run, warnings=said, capped=capped, baseline=baseline, undeclared=silent)
                for run in planned_runs(dataset, spec)
            )
    return ExperimentPlan(name, spec, outcome, flow, tuple(runs), tuple(dict.fromkeys(every_warning)))


def planned_runs(dataset: Dataset, spec: ExperimentSpec) -> list[PlannedRun]:
    """The models that run on one feature set, each with its own repeats and permutations."""
    runs = []
    for learner in spec.models:
        if not learner.runs_on(dataset.feature_set):
            continue
        overrides = {key: value for key in ("repeats", "permutations") if (value := getattr(learner, key)) is not None}
        runs.append(PlannedRun(dataset, learner, spec.validation.model_copy(update=overrides)))
    return runs
