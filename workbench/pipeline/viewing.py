"""What was viewed: the ledger read before hours of work, and every result written into it before it is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

from workbench.errors import Problems, StoreError
from workbench.pipeline.keeping import FinishedRun
from workbench.pipeline.laid_out import ExperimentPlan, PlannedRun
from workbench.records import RunResult
from workbench.specs import spec_hash
from workbench.study import Study

if TYPE_CHECKING:
    from workbench.preregistration.frozen import Record
    from workbench.preregistration.viewed import Look
    from workbench.specs.experiment import ExperimentSpec


def viewed(
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

    looks = [look_at(plan, planned) for planned in asked.runs]
    with locked(study):
        record = record_of(study, plan, looks)
        results = finish_experiment(runs, [record.viewing(look) for look in looks])
        for look, result in zip(looks, results, strict=True):
            kept = store(result)
            scores, verdict = result.scores, result.claim.verdict
            seen = as_viewed(look, verdict=verdict, r2=scores.performance.r2, p=scores.p_family, run_id=kept.run_id)
            record_look(study, seen)
            yield kept


def look_at(plan: ExperimentPlan, planned: PlannedRun) -> Look:
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


def record_of(study: Study, plan: ExperimentPlan, together: Sequence[Look]) -> Record:
    """What the study knows of one experiment: its ledger, its frozen plans, and the plan as it is now."""
    from workbench.preregistration.frozen import Record, read_frozen
    from workbench.preregistration.viewed import read_looks

    return Record(
        ledger=read_looks(study),
        frozen=read_frozen(study, plan.name),
        plan=plan_now(study, plan.name, plan.spec),
        planned=tuple(look_at(plan, planned) for planned in plan.runs),
        together=tuple(together),
    )


def plan_now(study: Study, name: str, spec: ExperimentSpec) -> dict[str, dict[str, Any]]:
    """What the files of a study say now of one experiment and of the sources in its feature sets."""
    from workbench.preregistration.frozen import plan_of
    from workbench.tables.feature_sets import feature_sets

    return plan_of(study, name, spec, chain(*feature_sets(spec, study.sources).values()))


def read_history(study: Study, experiments: Iterable[str]) -> None:
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
