"""External predictions counted: one line in the ledgers of both studies before a number of them can be read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from workbench.errors import Problem, TableError
from workbench.pipeline.ledger import features_by_source, history
from workbench.study import Study

if TYPE_CHECKING:
    from workbench.preregistration.viewed import Look
    from workbench.records import Dataset, ExternalRows, LoggedRun, Scores


@dataclass(frozen=True)
class Standing:
    """What the ledgers know of an external prediction.

    Attributes
    ----------
    earlier : int
        Other results for the outcome of these participants viewed before this one first was.
    first : Look or None
        The line with which it was first viewed; None before it is.
    own : Look or None
        The line with which it was viewed for this run: two runs may leave one and the same model.
    not_known : str
        Why results viewed in other study folders are not known.
    """

    earlier: int
    first: Look | None
    own: Look | None
    not_known: str


def external_look(
    logged: LoggedRun, scores: Scores, rows: ExternalRows, features_of: dict[str, list[int]], settings: str
) -> Look:
    """What is looked at when a frozen model meets the outcome of other participants.

    Parameters
    ----------
    logged : LoggedRun
        The run that left the model.
    scores : Scores
        Of that run.
    rows : ExternalRows
        With an outcome.
    features_of : dict of str to list of int
        Columns of `rows.X` by source.
    settings : str
        Digest over the model and what was done where the cohort differs.

    Returns
    -------
    Look
        Without date, run id and result, as the ledger of the participants has it.
    """
    import hashlib

    import numpy as np

    from workbench.preregistration.recognition import Seen, digests
    from workbench.preregistration.registry import find_key
    from workbench.preregistration.viewed import Look

    outcome, key = rows.outcome, find_key()
    assert outcome is not None
    columns = np.column_stack([np.asarray(rows.observed), rows.ratings])
    names = [outcome.score] if outcome.score else []
    names += [outcome.scale.name] if outcome.scale is not None else []
    features = [rows.X[:, columns] for columns in features_of.values()]
    seen = Seen(list(rows.people), features, columns, names, f"{settings} {rows.digest}")
    return Look(
        date="",
        experiment=logged.experiment,
        run=logged.name,
        outcome=outcome.label,
        arms=", ".join(outcome.arms),
        family="",
        seed=scores.seed,
        spec_hash=logged.tags.get("spec_hash", ""),
        settings=settings,
        data_hash=rows.digest,
        people_digest=hashlib.sha256("\n".join(rows.people).encode()).hexdigest(),
        values_hash=rows.digest,
        digests={} if key is None else digests(seen, key),
        model_run=logged.run_id,
    )


def refuse_shared_participants(
    study: Study, logged: LoggedRun, training: Dataset | None, look: Look, *, same_study: bool
) -> str:
    """Refuse a cohort that holds participants whom the model was trained on, whatever their ids are.

    Parameters
    ----------
    study : Study
        Of the run.
    logged : LoggedRun
    training : Dataset or None
        The training cohort where its data are here; else the ledger says who was analysed.
    look : Look
        From `external_look`.
    same_study : bool
        Ids of both mean the same participants.

    Returns
    -------
    str
        Why it cannot be known; empty where it is.

    Raises
    ------
    TableError
        With their number.
    """
    from workbench.preregistration.recognition import comparable, shared_people
    from workbench.preregistration.registry import find_key
    from workbench.preregistration.viewed import read_looks

    key = find_key()
    assert key is not None  # made before anything was predicted
    if training is None:
        known = [line.digests for line in read_looks(study) if line.run_id == logged.run_id]
    else:
        known = [_digests_of(training, key)]
    known = [each for each in known if comparable(each, look.digests)]
    shared = max((shared_people(each, look.digests, key, same_study=same_study) for each in known), default=0)
    if shared:
        found = f"{shared} participants are among those whom the model was trained on, by id or by their features"
        raise TableError(Problem("participants", found, "leave them out of the cohort: no model is tested on them"))
    return "" if known else "whether participants are among those whom the model was trained on is not known"


def _digests_of(dataset: Dataset, key: bytes) -> dict[str, str]:
    from workbench.preregistration.recognition import Seen, digests

    people = list(dataset.rows["participant_id"])
    return digests(Seen(people, features_by_source(dataset), dataset.y[:, None], [], ""), key)


@contextmanager
def both_locked(study: Study, other: Study) -> Iterator[None]:
    """Hold the ledgers of both studies and the registry, always in the same order: nobody waits for the other.

    Parameters
    ----------
    study, other : Study

    Yields
    ------
    None
    """
    from workbench.preregistration import registry
    from workbench.preregistration.append_only import locked

    with ExitStack() as holding:
        for each in {one.root: one for one in sorted((study, other), key=lambda one: str(one.root))}.values():
            holding.enter_context(locked(each))
        holding.enter_context(registry.locked())
        yield


def standing(other: Study, look: Look) -> Standing:
    """What was seen of these participants before.

    Parameters
    ----------
    other : Study
        Whose participants they are.
    look : Look

    Returns
    -------
    Standing
    """
    from workbench.preregistration.frozen import Record
    from workbench.preregistration.viewed import first_view

    seen = history(other)
    record = Record(seen.looks, (), {}, (look,), (look,))
    own = (line for line in seen.looks if line.model_run == look.model_run)
    return Standing(
        record.viewing(look).number - 1, first_view(seen.looks, look), first_view(own, look), seen.not_known
    )


def count(study: Study, other: Study, look: Look, *, cohort: str) -> None:
    """Write a look into the ledger of the participants, of the model, and the registry; inside `both_locked`.

    Parameters
    ----------
    study : Study
        Of the run that left the model.
    other : Study
        Whose participants they are; may be the same.
    look : Look
        From `as_viewed`.
    cohort : str
        Name of the cohort in the ledger of the model.
    """
    from workbench.pipeline.ledger import register
    from workbench.preregistration.viewed import record_look

    record_look(other, look)
    if study.root != other.root:
        record_look(study, replace(look, cohort=cohort))
    register(other, [look])
