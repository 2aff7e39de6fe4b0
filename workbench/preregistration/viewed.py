"""The ledger of results viewed: every look at a held-out score is written down, and counts (METHODS 2.11).

**What is one look.** The same data, people, settings and seed are one look, however often they are run, under whatever
name, resumed or reproduced, with circuits or labels of features added. Anything else is another: another seed, another
grid of settings, one person fewer, other preprocessing.

**Which looks count together.** Those at the same outcome: the same values, or another kind or session of the same
score, in the same people, by keyed digests (`recognition`) and never by what they are called. Lines without digests, or
with those of another account, can only be compared by outcome label and arms. Experiments that declare one ``family``
count together too. Only what was viewed *before* counts, so that a result keeps its claim when it is run again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from workbench.preregistration.append_only import append_record, in_order, read_records
from workbench.preregistration.recognition import comparable, same_look, same_outcome, seen_in_parts
from workbench.preregistration.registry import Registered, find_key

if TYPE_CHECKING:
    from workbench.specs.experiment import ValidationSpec
    from workbench.specs.learners import LearnerSpec
    from workbench.study import Study

NAMES_ONLY = {"name", "feature_sets", "repeats", "permutations"}
"""Keys of a model that name it, or that are settled in its validation."""


@dataclass(frozen=True)
class Look:
    """One line of the ledger: what was looked at, and what was seen.

    Attributes
    ----------
    date : str
        When, in UTC; empty while it has not been viewed.
    outcome, arms, family : str
        What it is a look at.
    settings : str
        Digest over validation and model, seed included; with data and people it says which look this is.
    r2, p : float or None
        Rounded; p corrected over the runs of the experiment.
    values_hash : str
        As `data_hash`, without what features are called: what a frozen plan is held against.
    digests : mapping of str to str
        Keyed, from `recognition.digests`; empty in lines of earlier versions.
    cohort : str
        Another study whose participants were predicted; empty for participants of this one.
    model_run : str
        Run whose frozen model predicted them; empty for a run that was fitted to them.
    """

    date: str
    experiment: str
    run: str
    outcome: str
    arms: str
    family: str
    seed: int
    spec_hash: str
    settings: str
    data_hash: str
    people_digest: str
    verdict: str = ""
    r2: float | None = None
    p: float | None = None
    run_id: str = ""
    values_hash: str = ""
    digests: Mapping[str, str] = field(default_factory=dict)
    cohort: str = ""
    model_run: str = ""

    @property
    def study(self) -> str:
        """Whose participants were seen: a name or keyed hash of another study, empty for this one."""
        return self.cohort

    @property
    def key(self) -> tuple[str, str, str]:
        """Equal for two runs of the same thing."""
        return self.settings, self.data_hash, self.people_digest

    def same_look(self, other: Look) -> bool:
        """Whether both are one look, seen again."""
        same = same_look(self.digests, other.digests)
        return self.key == other.key if same is None else same

    def same_outcome(self, other: Look) -> bool:
        """Whether both look at the same outcome, by their digests; by label and arms where these cannot be compared."""
        if isinstance(other, Unrecorded):
            return True
        key = find_key() if comparable(self.digests, other.digests) else None
        if key is None:
            return self.same_label(other)
        return same_outcome(self.digests, other.digests, key, same_study=self.study == other.study)

    def seen_in_parts(self, others: Sequence[Look]) -> int:
        """How many looks that are at other people, each, have together seen half of the people of this one."""
        alike = [other for other in others if comparable(self.digests, other.digests)]
        key = find_key() if alike else None
        if key is None:
            return 0
        here = [self.study == other.study for other in alike]
        return sum(seen_in_parts(self.digests, [other.digests for other in alike], key, same_study=here))

    def same_label(self, other: Look) -> bool:
        """Whether both outcomes are called the same."""
        return (self.outcome, self.arms, self.cohort) == (other.outcome, other.arms, other.cohort)

    def counts_with(self, other: Look) -> bool:
        """Whether the other look takes part in the correction of this one."""
        return self.same_outcome(other) or (self.family != "" and self.family == other.family)


@dataclass(frozen=True)
class SeenElsewhere(Look):
    """A look that the user's registry knows, of another study folder or of a line that this one's ledger has lost."""

    where: str = ""

    @property
    def study(self) -> str:
        """A keyed hash of another study's folder, empty for this study."""
        return self.where


@dataclass(frozen=True)
class Unrecorded(Look):
    """A finished run that MLflow holds and no ledger: nobody knows what it looked at, so it counts with everything."""


def of_registry(line: Registered, *, own: str) -> SeenElsewhere:
    """A line of the registry as a look; `own` is the keyed hash of this study's folder.

    Parameters
    ----------
    line : Registered
    own : str
        From `registry.study_hash`.

    Returns
    -------
    SeenElsewhere
        Only date, run id, digests and study are known.
    """
    where = "" if line.study == own else line.study
    return SeenElsewhere(**_blank(line.date, line.run_id), digests=line.digests, where=where)


def unrecorded(run_id: str, date: str) -> Unrecorded:
    """A run without a ledger line, as a look.

    Parameters
    ----------
    run_id : str
        Of MLflow.
    date : str
        When the run was finished, ISO 8601 in UTC.

    Returns
    -------
    Unrecorded
        Nothing but date and run id is known.
    """
    return Unrecorded(**_blank(date, run_id))


def _blank(date: str, run_id: str) -> dict[str, Any]:
    """What is not known of such a look; its key is its own, so that it never is another look seen again."""
    names = ("experiment", "run", "outcome", "arms", "family", "spec_hash", "data_hash", "people_digest")
    return {**dict.fromkeys(names, ""), "date": date, "seed": 0, "settings": f"run {run_id}", "run_id": run_id}


def read_looks(study: Study) -> tuple[Look, ...]:
    """Every look at a result of the study, oldest first.

    Parameters
    ----------
    study : Study

    Returns
    -------
    tuple of Look

    Raises
    ------
    StoreError
        With every damaged line, by file and line.
    """
    return in_order(read_records(study.viewed_file, Look))


def record_look(study: Study, look: Look) -> None:
    """Write one look down; call it inside `append_only.locked`.

    Parameters
    ----------
    study : Study
    look : Look
        From `as_viewed`.
    """
    append_record(study.viewed_file, look)


def as_viewed(look: Look, *, date: str, verdict: str, r2: float, p: float | None, run_id: str) -> Look:
    """The look with what was seen, numbers rounded to four significant digits, and when.

    Parameters
    ----------
    look : Look
        Before its result was viewed.
    date : str
        From `now`; results of one command have the same.
    verdict : str
    r2 : float
        `Performance.r2`; NaN is written as None.
    p : float or None
        Corrected over the runs of the experiment (`Scores.p_family`); NaN is written as None.
    run_id : str
        Of MLflow.

    Returns
    -------
    Look
    """

    def rounded(value: float | None) -> float | None:
        return None if value is None or value != value else float(f"{value:.4g}")

    return replace(look, date=date, verdict=verdict, r2=rounded(r2), p=rounded(p), run_id=run_id)


def settings_digest(learner: LearnerSpec, validation: ValidationSpec) -> str:
    """Digest over how a run is validated and what learns.

    Only what differs from the defaults enters, so that a key which a later version brings changes no old look.

    Parameters
    ----------
    learner : LearnerSpec
        Its keys in `NAMES_ONLY` are not hashed.
    validation : ValidationSpec
        With the model's own repeats and permutations.

    Returns
    -------
    str
        SHA-256, 64 hexadecimal digits.
    """
    settings = {
        "model": {"kind": learner.kind, **learner.model_dump(mode="json", exclude_defaults=True, exclude=NAMES_ONLY)},
        "validation": validation.model_dump(mode="json", exclude_defaults=True),
    }
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def first_view(ledger: Iterable[Look], look: Look) -> Look | None:
    """The line with which this look was first written down; None before it is viewed.

    Parameters
    ----------
    ledger : iterable of Look
        Oldest first.
    look : Look

    Returns
    -------
    Look or None
    """
    return next((line for line in ledger if look.same_look(line)), None)


def earlier(ledger: Iterable[Look], look: Look) -> tuple[Look, ...]:
    """Other looks that were written down before this one first was, each once, oldest first.

    Parameters
    ----------
    ledger : iterable of Look
        Oldest first.
    look : Look

    Returns
    -------
    tuple of Look
        All others of the ledger, where this one is not in it.
    """
    found: list[Look] = []
    for line in ledger:
        if look.same_look(line):
            break
        if not is_among(line, found):
            found.append(line)
    return tuple(found)


def is_among(look: Look, others: Iterable[Look]) -> bool:
    """Whether one of some looks is this one.

    Parameters
    ----------
    look : Look
    others : iterable of Look

    Returns
    -------
    bool
    """
    return any(look.same_look(other) for other in others)
