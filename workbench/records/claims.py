"""What may be said: claims, the requirements they must meet, plans held against these, and results viewed before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from workbench.records.data import ClaimKind

Verdict = Literal[
    "not tested",
    "prediction not shown",
    "exploratory",
    "supported by internal validation",
    "supported by external validation",
]


@dataclass(frozen=True)
class Claim:
    """The sentence a run's numbers allow."""

    verdict: Verdict
    kind: ClaimKind
    sentence: str
    reasons: tuple[str, ...]
    """Why it is not stronger, one short sentence each."""
    next_step: str
    """The command to type next."""

    @property
    def shows_prediction(self) -> bool:
        """Whether a p-value says that the outcome is predicted: else nothing is ranked and nothing is exported."""
        return self.verdict not in ("not tested", "prediction not shown")


@dataclass(frozen=True, repr=False)
class GateRow:
    """One requirement of the claim gate, held against a finished run or against a plan."""

    verdict: Verdict
    """The verdict that requires it."""
    requirement: str
    """Its name, as in ``docs/claims.md``."""
    missed: str = ""
    """Why a finished run misses it, or why a run planned like this cannot meet it; empty where neither is so."""
    mend: str = ""
    """For a plan: what to change."""
    in_short: str = ""
    """For a finished run that misses it: why, in a few words."""
    applies: bool = True
    """Whether it asks anything of this run: site rows of a study of one site do not."""
    settled: bool = True
    """False for a plan where only the result can tell, or where it is still to be frozen."""
    tried: bool = True
    """False for a finished run that misses it since nothing was refitted, tested or predicted for it."""

    @property
    def status(self) -> str:
        """*met*, *missed* or *not tried*, *does not apply*, or for a plan *open*: the result decides."""
        if self.missed:
            return "missed" if self.tried else "not tried"
        if not self.applies:
            return "does not apply"
        return "met" if self.settled else "open"

    def words(self) -> str:
        """The row in a line: its status, its name, and where it is missed why and what to change."""
        if not self.missed:
            return f"{self.status}: {self.requirement}"
        return f"{self.status}: {self.requirement} ({self.missed}{f'; change: {self.mend}' if self.mend else ''})"

    def __repr__(self) -> str:
        return f"<{self.words()}>"


@dataclass(frozen=True)
class AnalysisPlan:
    """One run as it is planned: what decides, before anything is run, which rows of the claim gate it can meet.

    What is not known yet, because the data are not there, is None.
    """

    experiment: str
    run_name: str
    """As it is stored, and as ``primary`` names it."""
    outcome_kind: str
    """As in `Outcome`."""
    repeats: int
    permutations: int
    """Of this run."""
    n_runs: int
    """Runs of the experiment whose p-values are corrected together."""
    claim_kind: ClaimKind | None = None
    n_participants: int | None = None
    n_sites: int | None = None
    leave_out: str = ""
    leave_one_out: bool = True
    """Whether a model that predicts is refitted without single participants."""
    refuses_sites: bool = False
    """Features are harmonised, and a site that a training set lacks is refused."""
    refused: str = ""
    """Why the design allows no permutation p."""
    smallest_p: float | None = None
    """As in `Scores`."""
    confounds: tuple[str, ...] = ()
    clinical_model: tuple[str, ...] = ()
    """As declared."""
    held_fixed: tuple[str, ...] = ()
    """Everything in the nuisance block of the run that the claim is read from: confounds, adjustments, baseline."""
    baseline: str = ""
    """The baseline score of the outcome, as a term (MADRS@ses-b0); empty where it has none."""
    undeclared: str = ""
    """Sources of which the upstream steps are not declared, in a sentence."""
    capped: tuple[str, ...] = ()
    """As in `Scores`."""
    primary: str = ""
    """The run that may carry a claim; empty where several runs name none."""
    viewed_before: int = 0
    """Results of this outcome that were viewed until now."""
    viewing: Viewing | None = None
    """The ledger and the frozen plan as this run would meet them now; None where they were not read."""
    display_name: str = ""
    """The run as a reader calls it: "ridge on connectivity + task"."""

    @property
    def title(self) -> str:
        """The run in texts; its stored name where it has no other."""
        return self.display_name or self.run_name


@dataclass(frozen=True)
class Freeze:
    """The frozen plan of an experiment, seen from one of its runs."""

    date: str
    """Day on which it was frozen, UTC."""
    times: int
    """How often the experiment had been frozen by then."""
    because: str
    """Why it was frozen again; empty the first time."""
    viewed_before: int
    """Results viewed for this outcome before it was frozen."""
    primary: str
    """The run that may carry a claim."""
    changed: tuple[str, ...] = ()
    """What is not as it was frozen, in words: file, key, old and new value."""
    data_changed: bool = False
    """Whether the data are not those that were there when it was frozen."""
    n_primaries: int = 1
    """Frozen primary runs in force in the study, this one included: Holm's correction multiplies the smallest p of so
    many by their number, and no later one by more."""
    out_of_reach: tuple[str, ...] = ()
    """Requirements of *supported* that the plan could not meet as it was frozen: frozen with ``--anyway``."""
    not_fixed: str = ""
    """What decides who is analysed and could not be fixed, since the plan was frozen before there were data."""


@dataclass(frozen=True)
class Viewing:
    """How often an outcome had been looked at before this result first was (METHODS 2.11)."""

    number: int
    """1 for the first result viewed for this outcome, by its values and in whatever study folder."""
    others: int = 0
    """Distinct results viewed before it for this outcome, or in its family of experiments, that are not corrected
    together with it."""
    others_unplanned: int = 0
    """Distinct results viewed before it for this outcome that are not other runs of the same plan."""
    freeze: Freeze | None = None
    """None where the plan was never frozen."""
    renamed: int = 0
    """Of those viewed before it, how many under another name, kind or session of the same outcome."""
    elsewhere: int = 0
    """Of those viewed before it, how many in another study folder."""
    unrecorded: int = 0
    """Of those viewed before it, how many the ledger has lost: MLflow or the user's registry alone holds them."""
    not_known: str = ""
    """Why results viewed in other study folders are not known; empty where the user's registry is kept."""
    beyond: str = ""
    """Whose results cannot be known, in words."""
    relabelled: bool = False
    """Whether circuits or labels of features are others than when this result was first viewed: then no circuit is a
    candidate, since it may have been drawn around what was seen."""
    in_parts: int = 0
    """Distinct results viewed before it for the same score, none of which shares half of the participants with it, but
    which together do."""
