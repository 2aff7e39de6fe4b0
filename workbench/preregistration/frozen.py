"""Plans as they were frozen before their results were viewed, and what has changed in them since.

A plan is what the files of a study say about one experiment: the experiment itself, the cohort and the sources of its
feature sets, every default written out; the wording of the question and the place of the data are not part of it. The
data are not part of the plan either, since a plan is best frozen before they are complete; where they are there, their
hashes are kept beside it, and a change is said.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from workbench.json_values import reader_of
from workbench.preregistration.append_only import append_record, in_order, read_records
from workbench.preregistration.viewed import Look, SeenElsewhere, Unrecorded, earlier, first_view, is_among
from workbench.records import Freeze, Viewing
from workbench.specs.base import Key
from workbench.specs.cohort import COHORT_FILE, CohortSpec
from workbench.specs.experiment import ExperimentSpec
from workbench.specs.explaining import place_in_words
from workbench.specs.hashing import settings
from workbench.specs.readers import AnySource

if TYPE_CHECKING:
    from workbench.specs.base import Spec
    from workbench.study import Study

DESCRIBING = frozenset({"columns", "measure", "unit", "atlas", "tracer", "contrast", "reference", "window_min"})
"""Keys of a source that say what its features are; where the values are those of the day of freezing, circuits and
labels may be added to a frozen plan."""

Plan = Mapping[str, Mapping[str, Any]]
"""File of the study to its settings."""


@dataclass(frozen=True)
class FrozenPlan:
    """One line of ``experiments/frozen.jsonl``.

    Attributes
    ----------
    date : str
        When, in UTC.
    plan_hash : str
        SHA-256 over `plan`.
    primary : str
        The run that may carry a claim, as ``MODEL . FEATURE SET``.
    plan : mapping of str to mapping
        File to its settings, so that a later difference can be shown.
    data : mapping of str to str
        Run to the hash of its data at that time; empty where the data were not there.
    viewed_before : int
        Results of its outcome that had been viewed by then.
    because : str
        Why it was frozen again; empty the first time.
    out_of_reach : sequence of str
        Requirements of *supported by internal validation* that it could not meet: frozen with ``--anyway``.
    values : mapping of str to str
        As `data`, without what features are called: circuits and labels may be added later.
    """

    date: str
    experiment: str
    plan_hash: str
    primary: str
    plan: Mapping[str, Any]
    data: Mapping[str, str] = field(default_factory=dict)
    viewed_before: int = 0
    because: str = ""
    out_of_reach: Sequence[str] = ()
    values: Mapping[str, str] = field(default_factory=dict)


def read_frozen(study: Study, experiment: str) -> tuple[FrozenPlan, ...]:
    """How an experiment was frozen, oldest first; empty where it never was.

    Parameters
    ----------
    study : Study
    experiment : str
        Name of its file, without ``.toml``.

    Returns
    -------
    tuple of FrozenPlan

    Raises
    ------
    StoreError
        With every damaged line of the file, by file and line.
    """
    return tuple(each for each in read_every_frozen(study) if each.experiment == experiment)


def read_every_frozen(study: Study) -> tuple[FrozenPlan, ...]:
    """How every experiment of a study was frozen, oldest first.

    Parameters
    ----------
    study : Study

    Returns
    -------
    tuple of FrozenPlan
    """
    return in_order(read_records(study.frozen_file, FrozenPlan))


def record_frozen(study: Study, frozen: FrozenPlan) -> None:
    """Write one frozen plan down; call it inside `append_only.locked`.

    Parameters
    ----------
    study : Study
    frozen : FrozenPlan
    """
    append_record(study.frozen_file, frozen)


def plan_of(study: Study, name: str, experiment: ExperimentSpec, sources: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The settings of every file that the answer to one experiment depends on.

    Parameters
    ----------
    study : Study
    name : str
        Name of the file of the experiment, without ``.toml``.
    experiment : ExperimentSpec
    sources : iterable of str
        Names of the sources in its feature sets.

    Returns
    -------
    dict of str to dict
        By file (``experiments/NAME.toml``, the cohort, ``features/NAME.toml``): its settings as plain JSON values.
    """
    specs: dict[str, Spec] = {f"experiments/{name}.toml": experiment, COHORT_FILE: study.cohort}
    specs |= {f"features/{source}.toml": study.source(source) for source in sorted(set(sources))}
    return {file: settings(spec) for file, spec in specs.items()}


def plan_hash(plan: Plan) -> str:
    """SHA-256 over a plan, whatever the order of its files and keys.

    Parameters
    ----------
    plan : Plan
        From `plan_of`.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    return hashlib.sha256(json.dumps(plan, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def differences(before: Plan, after: Plan) -> tuple[str, ...]:
    """What is not as it was, in words: file, key, old and new value.

    Parameters
    ----------
    before, after : Plan
        From `plan_of`, or the settings of some of its files.

    Returns
    -------
    tuple of str
        One sentence per difference.

    Examples
    --------
    >>> differences({"experiments/sex.toml": {"validation": {"seed": 0}}},
    ...             {"experiments/sex.toml": {"validation": {"seed": 1}}})
    ('experiments/sex.toml: validation.seed was 0 and is 1',)
    """
    old = {file: _completed(file, values) for file, values in before.items()}
    return tuple(line for file in sorted({*old, *after}) for line in _different(file, old.get(file), after.get(file)))


def changes(frozen: FrozenPlan, plan: Plan, *, same_values: bool) -> tuple[str, ...]:
    """What is not as it was when a plan was frozen; descriptions of features are no change where their values are not.

    Parameters
    ----------
    frozen : FrozenPlan
    plan : Plan
        The settings as they are now, from `plan_of`.
    same_values : bool
        Whether data were there on that day, and are the same now.

    Returns
    -------
    tuple of str
        One sentence per difference: file, key, old and new value; empty where nothing changed.
    """
    if not same_values:
        return differences(frozen.plan, plan)
    return differences(*(_undescribed(each) for each in (frozen.plan, plan)))


def _undescribed(plan: Plan) -> dict[str, dict[str, Any]]:
    """A plan without the keys that describe the features of its sources."""
    return {
        file: {key: value for key, value in values.items() if key not in DESCRIBING or not _of_source(file)}
        for file, values in plan.items()
    }


def _of_source(file: str) -> bool:
    return file.startswith("features/") and file != COHORT_FILE


def _completed(file: str, values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Settings as this version would write them: a key that came since has its default, and is no change of the plan.

    Settings that this version no longer understands stay as they are, and what differs is told.
    """
    of_experiment = file.startswith("experiments/")
    kind: Any = ExperimentSpec if of_experiment else CohortSpec if file == COHORT_FILE else AnySource
    not_hashed = {"question": "not part of a plan"} if of_experiment else {}
    try:
        return settings(reader_of(kind).validate_json(json.dumps({**not_hashed, **values})))
    except ValidationError:
        return values


def _different(file: str, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> Iterator[str]:
    if before is None or after is None:
        yield f"{file} {'is new' if before is None else 'is no longer part of it'}"
        return
    old, new = dict(_values(before)), dict(_values(after))
    for key in dict.fromkeys((*old, *new)):
        if old.get(key) != new.get(key):
            was = f"was {_shown(old[key])}" if key in old else "was not there"
            yield f"{file}: {place_in_words(key)} {was} and {f'is {_shown(new[key])}' if key in new else 'is gone'}"


def _values(value: Any, key: Key = ()) -> Iterator[tuple[Key, Any]]:
    """Every value with its place; a list of plain values is one value."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _values(inner, (*key, name))
    elif isinstance(value, list) and any(isinstance(each, Mapping) for each in value):
        for position, inner in enumerate(value):
            yield from _values(inner, (*key, position))
    else:
        yield key, value


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


# ------------------------------------------------------------------------------------------------- seen from a run


@dataclass(frozen=True)
class Record:
    """What a study knows of one experiment when its runs are finished.

    Attributes
    ----------
    ledger : tuple of Look
        Every result viewed, oldest first: in the study, and as the user's registry and MLflow know of more.
    frozen : tuple of FrozenPlan
        Of this experiment, oldest first.
    plan : mapping
        As it is now.
    planned : tuple of Look
        Every run of the experiment as it is now, also those that were not asked for.
    together : tuple of Look
        The runs that are corrected together.
    every_frozen : tuple of FrozenPlan
        Of all experiments of the study, oldest first.
    not_fixed : str
        What decides who is analysed and is not part of the plan: the list of people that a file leaves out.
    not_known, beyond : str
        As in `Viewing`.
    """

    ledger: tuple[Look, ...]
    frozen: tuple[FrozenPlan, ...]
    plan: Plan
    planned: tuple[Look, ...]
    together: tuple[Look, ...]
    every_frozen: tuple[FrozenPlan, ...] = ()
    not_fixed: str = ""
    not_known: str = ""
    beyond: str = ""

    def viewing(self, look: Look) -> Viewing:
        """How often the outcome was looked at before this result first was, and where the plan stands."""
        # Runs of one command are viewed in their order.
        pending = [member for member in self.together if first_view(self.ledger, member) is None]
        before = earlier((*self.ledger, *pending), look)
        same = [other for other in before if look.same_outcome(other)]
        others = [other for other in before if look.counts_with(other) and not is_among(other, self.together)]
        first = first_view(self.ledger, look)
        apart = [other for other in before if other not in same and not is_among(other, self.planned)]
        in_parts = look.seen_in_parts(apart)
        return Viewing(
            number=len(same) + in_parts + 1,
            others=len(others) + in_parts,
            others_unplanned=sum(not is_among(other, self.planned) for other in same) + in_parts,
            freeze=self._freeze(look, first),
            renamed=sum(bool(each.outcome) and not look.same_label(each) for each in same),
            elsewhere=sum(bool(each.study) for each in same),
            unrecorded=sum(map(_lost, same)) + (first is not None and _lost(first)),
            not_known=self.not_known,
            beyond=self.beyond,
            relabelled=first is not None and bool(first.data_hash) and first.data_hash != look.data_hash,
            in_parts=in_parts,
        )

    def _freeze(self, look: Look, first: Look | None) -> Freeze | None:
        """The plan that was in force when the result was first viewed; else the last, which was frozen after it."""
        if not self.frozen:
            return None
        before = [each for each in self.frozen if first is None or each.date < first.date]
        in_force = before or list(self.frozen)
        latest = in_force[-1]
        questions = {_question(each) for each in self.every_frozen if first is None or each.date < first.date}
        return Freeze(
            date=latest.date[:10],
            times=len(in_force),
            because=latest.because,
            # A result that was there before any plan was is a result viewed before it, whatever it is called now.
            viewed_before=max(latest.viewed_before, viewed_by(self.ledger, look, latest.date), int(not before)),
            primary=latest.primary,
            changed=changes(latest, self.plan, same_values=look.values_hash == latest.values.get(look.run)),
            data_changed=_data_changed(latest, look),
            n_primaries=len(questions | {_question(latest)}),
            not_fixed="" if latest.data else self.not_fixed,
            out_of_reach=tuple(latest.out_of_reach),
        )


def _question(frozen: FrozenPlan) -> str:
    """What a frozen plan asks, and of whom: frozen again with another outcome it is another primary run."""
    asked = frozen.plan.get(f"experiments/{frozen.experiment}.toml", {})
    decisive = {key: asked.get(key) for key in ("outcome", "include", "exclude", "exclude_file")}
    return json.dumps([frozen.experiment, decisive], sort_keys=True)


def _lost(look: Look) -> bool:
    """Whether a result was viewed in this study and its ledger does not know it."""
    return isinstance(look, Unrecorded | SeenElsewhere) and not look.study


def _data_changed(frozen: FrozenPlan, look: Look) -> bool:
    """Whether data were there when the plan was frozen, and are others now."""
    values, data = frozen.values.get(look.run, ""), frozen.data.get(look.run, "")
    if values and look.values_hash:
        return values != look.values_hash
    return bool(data) and data != look.data_hash


def viewed_by(ledger: Iterable[Look], look: Look, date: str) -> int:
    """Distinct looks at the outcome of this one before a date, itself included.

    Parameters
    ----------
    ledger : iterable of Look
    look : Look
    date : str
        ISO 8601 in UTC, as from `append_only.now`; only lines before it count.

    Returns
    -------
    int
    """
    found: list[Look] = []
    for line in ledger:
        if line.date < date and (look.same_look(line) or look.same_outcome(line)) and not is_among(line, found):
            found.append(line)
    return len(found)
