"""The ledger of results viewed: every look at a held-out score is written down, and counts (METHODS 2.11).

**What is one look.** The same data, people, settings and seed are one look, however often they are run, under whatever
name, resumed or reproduced. Anything else is another: another seed, another grid of settings, one person fewer, other
preprocessing.

**Which looks count together.** Those at the same outcome (its label and arms) in the same study, whoever was analysed:
leaving one person out is the commonest second look, and who overlaps with whom cannot be told without ids. People kept
apart for confirmation therefore belong into a study folder of their own. Experiments that declare one ``family`` count
together too. Only what was viewed *before* counts, so that a result keeps its claim when it is run again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from workbench.preregistration.append_only import append_record, now, read_records

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

    @property
    def key(self) -> tuple[str, str, str]:
        """Equal for two runs of the same thing."""
        return self.settings, self.data_hash, self.people_digest

    def same_outcome(self, other: Look) -> bool:
        """Whether both look at the same outcome of the study."""
        return (self.outcome, self.arms) == (other.outcome, other.arms)

    def counts_with(self, other: Look) -> bool:
        """Whether the other look takes part in the correction of this one."""
        return self.same_outcome(other) or (self.family != "" and self.family == other.family)


def read_looks(study: Study) -> tuple[Look, ...]:
    """Every look at a result of the study, oldest first.

    Raises
    ------
    StoreError
        With every damaged line, by file and line.
    """
    return read_records(study.viewed_file, Look)


def record_look(study: Study, look: Look) -> None:
    """Write one look down; call it inside `append_only.locked`."""
    append_record(study.viewed_file, look)


def as_viewed(look: Look, *, verdict: str, r2: float, p: float | None, run_id: str) -> Look:
    """The look with what was seen, numbers rounded to four significant digits, and when."""

    def rounded(value: float | None) -> float | None:
        return None if value is None or value != value else float(f"{value:.4g}")

    return replace(look, date=now(), verdict=verdict, r2=rounded(r2), p=rounded(p), run_id=run_id)


def settings_digest(learner: LearnerSpec, validation: ValidationSpec) -> str:
    """Digest over how a run is validated and what learns.

    Only what differs from the defaults enters, so that a key which a later version brings changes no old look.

    Parameters
    ----------
    validation : ValidationSpec
        With the model's own repeats and permutations.
    """
    settings = {
        "model": {"kind": learner.kind, **learner.model_dump(mode="json", exclude_defaults=True, exclude=NAMES_ONLY)},
        "validation": validation.model_dump(mode="json", exclude_defaults=True),
    }
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def first_view(ledger: Iterable[Look], look: Look) -> Look | None:
    """The line with which this look was first written down; None before it is viewed."""
    return next((line for line in ledger if line.key == look.key), None)


def earlier(ledger: Iterable[Look], look: Look) -> tuple[Look, ...]:
    """Other looks that were written down before this one first was, each once, oldest first."""
    found: dict[tuple[str, str, str], Look] = {}
    for line in ledger:
        if line.key == look.key:
            break
        found.setdefault(line.key, line)
    return tuple(found.values())
