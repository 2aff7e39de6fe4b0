"""What an experiment can show with the people it has, or with another number: its power, learning curve and size."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.errors import Problems, SpecError, StoreError
from workbench.pipeline.circuits import without_circuit
from workbench.pipeline.claim_gate import PlannedClaim, planned_claims, that_carries
from workbench.pipeline.experiment_plan import ExperimentPlan, PlannedRun, open_experiment
from workbench.pipeline.interrupting import can_be_interrupted
from workbench.pipeline.notebook_progress import usual_progress
from workbench.pipeline.permissions import no_wider_than_study
from workbench.pipeline.progress import Progress
from workbench.pipeline.simulated_trials import SIMULATED, engine_of
from workbench.pipeline.study_data import StudyData
from workbench.records import Dataset, SetPlan
from workbench.specs.experiment import ValidationSpec, source_of
from workbench.whole_files import folder_to_write

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from workbench.planning.plan import Question
    from workbench.specs.learners import LearnerSpec

PLAN_REPEATS = 3
"""Repeats of the folds of a simulated trial, where a run has more: power depends little on them."""


@dataclass(frozen=True, eq=False)
class StudyPlan:
    """What one feature set of an experiment can show, with the files that say so."""

    plan: SetPlan
    files: tuple[Path, ...] = ()
    circuits: tuple[str, ...] = ()
    """Features of its sources that belong to no circuit, in words."""

    def __repr__(self) -> str:
        shown = [f"{title}\n{table.to_string(index=False)}" for title, table in self.tables]
        return "\n\n".join([self.verdict, *shown])

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
            ("Power: share of simulated trials in which prediction is shown", shown_power(self.plan)),
            ("Learning curve: cross-validated R2 on average, with its 95 % band", shown_curve(self.plan)),
            ("Sample size (Riley 2019)", shown_sizes(self.plan)),
        )
        return tuple((title, table) for title, table in titled if len(table))


@can_be_interrupted
@no_wider_than_study
def plan(
    experiment: str,
    *,
    study: str | Path = ".",
    data: str | Path | None = None,
    people: int | None = None,
    r2: float | Sequence[float] = (),
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
    study, data : path
        The study folder, and where its data are if not where ``cohort.toml`` says.
    people : int, optional
        Ask about so many people instead of those there are.
    r2 : float or sequence of float
        What the features may explain in the population; default .1, .25 and .4.
    simulations, permutations : int
        Simulated trials for every R2, and, at least, permutations of each.
    prevalence, mean, sd : float
        Of the outcome, as earlier studies found them.
    to : path, optional
        Folder for the tables, the sentences and the picture, one folder in it for every feature set.
    force : bool
        Overwrite the files of an earlier plan.
    jobs : int, optional
        Folds at a time; never changes a number.
    progress : Progress, optional

    Returns
    -------
    tuple of StudyPlan
        One per feature set.
    """
    from workbench.planning.plan import Question

    r2 = (float(r2),) if isinstance(r2, int | float) else r2
    _check_question(people, r2, simulations, permutations, prevalence, mean, sd)
    loaded, experiment_plan = open_experiment(experiment, study, data, progress)
    runs = {_planned_as(run): run for run in reversed(experiment_plan.runs)}
    folders = {each: Path(to) / each for each in reversed(runs)} if to is not None else {}
    _free(folders.values(), force)
    for folder in folders.values():
        folder_to_write(folder)
    question = Question(tuple(r2) or Question.r2s, simulations, permutations, people, prevalence, mean, sd)
    done, progress = [], progress or usual_progress()
    for name in reversed(runs):
        planned = _plan_set(loaded, experiment_plan, runs[name], question, jobs, progress)
        tables = [loaded.tables[source] for source in dict.fromkeys(map(source_of, runs[name].dataset.sources))]
        circuits = tuple(each.in_words for each in without_circuit(loaded.study, tables))
        done.append(StudyPlan(planned, _keep_plan(planned, folders[name]) if folders else (), circuits))
    return tuple(done)


def _planned_as(run: PlannedRun) -> str:
    """What a plan is called: its feature set, with the model where that analyses those who lack modalities too."""
    return f"{run.dataset.feature_set}_{run.learner.label}" if run.learner.takes_blocks else run.dataset.feature_set


def _plan_set(
    loaded: StudyData,
    experiment_plan: ExperimentPlan,
    planned: PlannedRun,
    question: Question,
    jobs: int | None,
    progress: Progress,
) -> SetPlan:

    from workbench.execution import one_blas_thread
    from workbench.planning.plan import plan_set
    from workbench.specs.learners import RidgeSpec

    dataset, validation = planned.dataset, planned.validation
    ridges = [one for one in experiment_plan.spec.models if isinstance(one, RidgeSpec)]
    judged: LearnerSpec = ridges[0] if ridges else RidgeSpec(kind="ridge")
    learner = (planned.learner if planned.learner.takes_blocks else judged).model_copy(update={"repeats": None})
    repeats = min(PLAN_REPEATS, validation.repeats)
    drawn = f"{repeats} x {validation.outer}-fold" if validation.leave_out is None else "sites left out in turn"
    claim = _planned_claim(loaded, experiment_plan, planned, question.people)
    applying = {row.requirement for row in claim.rows if row.applies}
    about = SetPlan(
        experiment=experiment_plan.name,
        feature_set=_planned_as(planned),
        outcome=dataset.outcome.label,
        outcome_type=dataset.outcome.type,
        n_participants=dataset.n_rows,
        n_own=dataset.n_rows,
        n_features=len(dataset.features),
        missing=dataset.feature_blocks.missing_share,
        n_nuisance=dataset.nuisance.values.shape[1],
        people="",
        validation=f"{learner.kind}, {drawn} with {validation.inner} inner folds",
        permutations=question.permutations,
        n_runs=max(claim.plan.n_runs, 1),
        criteria=(),
        power=(),
        detectable=None,
        curve=(),
        ceiling=dataset.outcome.reliability,
        best_verdict=claim.best_verdict,
        synthetic=loaded.study.cohort.synthetic,
        rows=claim.rows,
        simulated=tuple(name for name in SIMULATED if name in applying),
        not_simulated="" if validation.leave_out is None else "whole sites are left out",
        allocation=None if dataset.treatment is None else float(dataset.treatment.probability.mean()),
    )
    trials = partial(engine_of, validation, learner, jobs=jobs)
    with one_blas_thread():
        return plan_set(
            dataset,
            question,
            trials(repeats=repeats, permutations=question.permutations, judged=True),
            trials(repeats=1),
            seed=validation.seed,
            fewest=_fewest_people(validation, dataset),
            about=about,
            progress=lambda piece, done, total: progress.advance(f"{_planned_as(planned)}: {piece}", done, total),
        )


def _planned_claim(
    loaded: StudyData, experiment_plan: ExperimentPlan, planned: PlannedRun, people: int | None
) -> PlannedClaim:
    """What the run that speaks for a feature set can claim, with so many participants."""
    blind = [replace(run, dataset=replace(run.dataset, y=_blind(run.dataset))) for run in experiment_plan.runs]
    claims = planned_claims(loaded.study, replace(experiment_plan, runs=tuple(blind)), observed=experiment_plan)
    own = [claim for claim, run in zip(claims, experiment_plan.runs, strict=True) if run.dataset is planned.dataset]
    chosen = that_carries(own)
    if people is None:
        return chosen
    from workbench.planning.plan import asked_about

    n = asked_about(planned.dataset, people).n_participants
    return PlannedClaim(replace(chosen.plan, n_participants=n))


def _blind(dataset: Dataset) -> np.ndarray:
    """An outcome in place of the study's own, which is not looked at: can it be permuted, whatever it is?

    Numbers that all differ; of a binary outcome as many 0 as 1 in every exchangeability block.
    """
    import numpy as np

    from workbench.models.permutations import is_binary

    numbers = np.empty(dataset.n_rows)
    numbers[np.argsort(dataset.blocks, kind="stable")] = np.arange(dataset.n_rows)
    return numbers % 2 if is_binary(dataset) else numbers


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
    if people is not None and not isinstance(people, int):
        problems.add("people", f"is {people!r}", "one whole number, such as 80; plan once for each")
    elif people is not None and people < 20:
        problems.add("--participants", f"{people} participants are too few to validate anything", "at least 20")
    if simulations < 20:
        problems.add("--simulations", f"{simulations} say next to nothing about power", "at least 20; 200 and more")
    if permutations < 19:
        problems.add("--permutations", f"with {permutations} no p is .05 or below", "at least 19")
    if not 0 < prevalence < 1:
        problems.add("--prevalence", f"{prevalence:g} is no share of participants", "between 0 and 1")
    if (mean is None) != (sd is None) or (sd is not None and sd <= 0):
        problems.add("--mean and --sd", "go together, and the spread is above 0", "such as --mean 10 --sd 8")
    problems.raise_if_any(SpecError)
