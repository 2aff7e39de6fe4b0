"""What was viewed: the ledger read before hours of work, and every result written into it before it can be read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from workbench.errors import Problems, StoreError
from workbench.pipeline.experiment_plan import ExperimentPlan, PlannedRun
from workbench.pipeline.store import FinishedRun
from workbench.records import RunResult
from workbench.specs import spec_hash
from workbench.specs.experiment import source_of
from workbench.study import Study

if TYPE_CHECKING:
    import numpy as np

    from workbench.preregistration.frozen import Record
    from workbench.preregistration.viewed import Look
    from workbench.records import Dataset
    from workbench.specs.experiment import ExperimentSpec
    from workbench.tracking import Recorder

BEYOND = "what was viewed under another account or on another machine is not known"
"""Said with every result that is counted."""


def viewed(
    study: Study,
    plan: ExperimentPlan,
    asked: ExperimentPlan,
    runs: Sequence[RunResult],
    recorder: Recorder,
    store: Callable[[Iterable[tuple[RunResult, str]]], Iterator[FinishedRun]],
) -> Iterator[FinishedRun]:
    """Correct and judge the runs of one experiment, count each, and only then store what can be read of it.

    Whatever stops this, however hard, leaves results that were counted or results that nobody can read: a run has
    nothing but its name until its line is in the ledger and in the user's registry, on the disk. Other processes wait
    meanwhile: of two results, one must be the second to be viewed.

    Parameters
    ----------
    study : Study
    plan, asked : ExperimentPlan
        With all runs of the experiment, and with those of `runs`, whose p-values are corrected together.
    runs : sequence of RunResult
        One per run of `asked`, in its order.
    recorder : Recorder
    store : callable
        Writes the files of each result into the MLflow run that was begun for it, and finishes it.

    Yields
    ------
    FinishedRun

    Raises
    ------
    StoreError
        If a line cannot be written: no result of the experiment is shown then.
    """
    from workbench.preregistration import registry
    from workbench.preregistration.append_only import locked, now
    from workbench.preregistration.viewed import as_viewed, record_look
    from workbench.results.family import finish_experiment

    looks = [look_at(plan, planned) for planned in asked.runs]
    begun: list[str] = []
    try:
        with locked(study), registry.locked():
            record = record_of(study, plan, looks)
            results = finish_experiment(runs, [record.viewing(look) for look in looks])
            date = now()
            for look, result in zip(looks, results, strict=True):
                begun.append(recorder.begin(result))
                scores, verdict = result.scores, result.claim.verdict
                r2, p = scores.performance.r2, scores.p_family
                seen = as_viewed(look, date=date, verdict=verdict, r2=r2, p=p, run_id=begun[-1])
                record_look(study, seen)
                register(study, [seen])
        for kept in store(list(zip(results, begun, strict=True))):
            del begun[0]
            yield kept
    finally:
        for run_id in begun:
            recorder.discard(run_id, "FAILED")


def make_ready(study: Study) -> None:
    """Refuse before hours of work what could not be counted after them; lines that the registry lacks are added to it.

    Parameters
    ----------
    study : Study

    Raises
    ------
    StoreError
        If the ledger, or the user's registry, cannot be read or written.
    """
    from workbench.preregistration import registry
    from workbench.preregistration.append_only import locked, refuse_unwritable
    from workbench.preregistration.viewed import read_looks
    from workbench.tracking import keep_private

    registry.make_ready()
    with locked(study), registry.locked():
        keep_private(study)  # before anything of a participant is stored, and not only when there is a run to keep
        refuse_unwritable(study.viewed_file)
        key = registry.find_key()
        if key is not None and not registry.switched_off():
            lines, _ = registry.read_registry(key)
            known = {line.run_id for line in lines}
            own = [look for look in read_looks(study) if not look.cohort]  # others are registered where they are seen
            register(study, [look for look in own if look.run_id not in known])


def register(study: Study, looks: Iterable[Look]) -> None:
    """Write looks into the user's registry: those with digests that its key has made; inside `registry.locked`.

    Parameters
    ----------
    study : Study
        Whose participants were seen.
    looks : iterable of Look
        From `as_viewed`.
    """
    from workbench.preregistration import registry
    from workbench.preregistration.recognition import key_name

    key = registry.find_key()
    assert key is not None  # made before anything was run
    for look in looks:
        if look.digests.get("key") == key_name(key):
            where = registry.study_hash(study, key)
            synthetic = study.cohort.synthetic
            registry.register(registry.Registered(look.date, where, look.run_id, look.digests, synthetic))


def look_at(plan: ExperimentPlan, planned: PlannedRun) -> Look:
    """What is looked at in a run, before it is.

    Parameters
    ----------
    plan : ExperimentPlan
    planned : PlannedRun
        One of its runs.

    Returns
    -------
    Look
        Without date, run id and result.
    """
    from workbench.preregistration.viewed import Look, settings_digest
    from workbench.tables.data_digest import data_hash

    dataset = planned.dataset
    settings = settings_digest(planned.learner, planned.validation)
    values_hash = data_hash(dataset, named=False)
    return Look(
        date="",
        experiment=plan.name,
        run=planned.name,
        outcome=dataset.outcome.label,
        arms=", ".join(dataset.outcome.arms),
        family=plan.spec.family or "",
        seed=planned.validation.seed,
        spec_hash=spec_hash(plan.spec),
        settings=settings,
        data_hash=dataset.data_hash,
        people_digest=dataset.people_digest,
        values_hash=values_hash,
        digests=_digests(dataset, plan.spec, f"{settings} {values_hash}"),
    )


def _digests(dataset: Dataset, spec: ExperimentSpec, settings: str) -> dict[str, str]:
    """Keyed digests of a look; none before the user has a key, when nothing can have been written with it."""
    import numpy as np

    from workbench.preregistration.recognition import Seen, digests
    from workbench.preregistration.registry import find_key

    key = find_key()
    if key is None:
        return {}
    outcome, people = dataset.outcome, dataset.rows["participant_id"]
    columns, scores = [dataset.y], [spec.outcome.score or spec.outcome.column or ""]
    if spec.outcome.shuffle:
        scores = []  # a control: whoever improved, it is no longer their own improvement
    elif outcome.ratings is not None:
        columns += [outcome.ratings[session].reindex(people).to_numpy(dtype=float) for session in outcome.sessions]
        scores += [outcome.scale.name] if outcome.scale is not None else []
    return digests(Seen(list(people), features_by_source(dataset), np.column_stack(columns), scores, settings), key)


def features_by_source(dataset: Dataset) -> list[np.ndarray]:
    """Measured features of every source apart: participants are recognised by each of them.

    Parameters
    ----------
    dataset : Dataset

    Returns
    -------
    list of ndarray of shape (n_rows, n_features_of_source)
        In the order of `Dataset.sources`, NaN where nothing was measured.
    """
    return [dataset.feature_blocks.measured_of(source) for source in dataset.sources]


@dataclass(frozen=True)
class History:
    """Every result that is known to have been viewed, and what is not known.

    Attributes
    ----------
    looks : tuple of Look
        Oldest first: of the ledger, of the user's registry, and of runs that MLflow alone holds.
    not_known : str
        Why results of other study folders are not known; empty where they are.
    """

    looks: tuple[Look, ...]
    not_known: str = ""


def history(study: Study) -> History:
    """The results viewed in a study, and those at the same values that were viewed elsewhere.

    Simulated people are not looked for where their runs are gone, in other folders or in one that was removed: the same
    trial is made up again from its seed by whoever wants to.

    Parameters
    ----------
    study : Study

    Returns
    -------
    History

    Raises
    ------
    StoreError
        With every damaged line of the ledger or of the registry.
    """
    from workbench.preregistration import registry
    from workbench.preregistration.viewed import of_registry, read_looks, unrecorded
    from workbench.tracking import finished_runs

    ledger, finished = read_looks(study), dict(finished_runs(study))
    known, not_known, more = {look.run_id for look in ledger}, "", []
    key = registry.find_key()
    if registry.switched_off():
        not_known = f"the registry of results viewed in other study folders is switched off ({registry.SWITCH})"
    elif key is not None:
        lines, others = registry.read_registry(key)
        own = registry.study_hash(study, key)
        if others:
            not_known = "the registry of results viewed in other study folders was begun with another key"
        for line in lines:
            here = line.study == own or line.run_id in finished  # a study that was moved holds its runs still
            made_up_again = study.cohort.synthetic and line.synthetic and line.run_id not in finished
            if line.run_id not in known and not made_up_again:
                more.append(of_registry(line, own=line.study if here else own))
    known |= {look.run_id for look in more}
    lost = [unrecorded(run_id, date) for run_id, date in finished.items() if run_id not in known]
    return History(tuple(sorted((*ledger, *more, *lost), key=lambda look: look.date)), not_known)


def record_of(study: Study, plan: ExperimentPlan, together: Sequence[Look]) -> Record:
    """What is known of an experiment when its runs are finished, or are about to be made.

    Parameters
    ----------
    study : Study
    plan : ExperimentPlan
        With all runs of the experiment.
    together : sequence of Look
        Of the runs whose p-values are corrected together.

    Returns
    -------
    Record
    """
    from workbench.preregistration.frozen import Record, read_every_frozen

    seen, frozen = history(study), read_every_frozen(study)
    left_out = plan.spec.exclude_file
    locked = plan.spec.validation.hold_out
    lists = [f"the participants that {left_out} leaves out"] if left_out else []
    lists += [f"the participants that {locked} locks"] if isinstance(locked, str) else []
    return Record(
        ledger=seen.looks,
        frozen=tuple(each for each in frozen if each.experiment == plan.name),
        plan=plan_now(study, plan.name, plan.spec),
        planned=tuple(look_at(plan, planned) for planned in plan.runs),
        together=tuple(together),
        every_frozen=frozen,
        not_fixed=" and ".join(lists),
        not_known=seen.not_known,
        beyond=BEYOND,
    )


def plan_now(study: Study, name: str, spec: ExperimentSpec) -> dict[str, dict[str, Any]]:
    """What the files of a study say now of one experiment and of the sources in its feature sets.

    Parameters
    ----------
    study : Study
    name : str
        Of the experiment.
    spec : ExperimentSpec

    Returns
    -------
    dict of str to dict
        Settings of each file, by its path in the study.
    """
    from workbench.preregistration.frozen import plan_of
    from workbench.tables.feature_sets import feature_sets

    members = chain(*feature_sets(spec, study.sources).values())
    return plan_of(study, name, spec, map(source_of, members))


def read_history(study: Study, experiments: Iterable[str]) -> None:
    """Read the ledger, the registry and the frozen plans: damage is told before hours of work, not after.

    Parameters
    ----------
    study : Study
    experiments : iterable of str
        Names of those whose frozen plans are read.

    Raises
    ------
    StoreError
        With every damaged line of these files.
    """
    from workbench.preregistration.frozen import read_frozen

    problems = Problems()
    with problems.gather():
        history(study)
    for name in experiments:
        with problems.gather():
            read_frozen(study, name)
    problems.raise_if_any(StoreError)
