"""The rows of the claim gate (METHODS 7): what each verdict asks for, before anything is run and afterwards.

A `Requirement` is one row. It knows why a finished run misses it, and whether a run that is only planned can meet it,
with what to change; ``check``, ``plan``, ``freeze``, ``run`` and ``show`` all print what `gate_rows` says.
``docs/claims.md`` shows them as a table, row by row; a test holds the two together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from workbench.records import AnalysisPlan, GateRow
from workbench.results.requirement import Requirement, freeze_of
from workbench.results.requirements_external import EXTERNAL
from workbench.results.requirements_not_tried import was_tried
from workbench.results.requirements_of_evidence import OF_EVIDENCE, SHOWN, TESTED
from workbench.results.requirements_of_plan import OF_PLAN
from workbench.results.requirements_of_treatment import OF_TREATMENT

if TYPE_CHECKING:
    from workbench.records import Scores, Verdict

SUPPORTED = (*OF_EVIDENCE, *OF_TREATMENT, *OF_PLAN)
"""Any of these missed: exploratory at most."""


class Step(NamedTuple):
    """The requirements that lead to one verdict, and the verdict of a run that misses any of them."""

    verdict: Verdict
    below: Verdict
    requirements: tuple[Requirement, ...]


STEPS = (
    Step("exploratory", "prediction not shown", SHOWN),
    Step("exploratory", "not tested", TESTED),
    Step("supported by internal validation", "exploratory", SUPPORTED),
    Step("supported by external validation", "supported by internal validation", EXTERNAL),
)


def gate_rows(subject: Scores | AnalysisPlan) -> tuple[GateRow, ...]:
    """Every row of the gate for a finished run, or for one that is only planned.

    Parameters
    ----------
    subject : Scores or AnalysisPlan
        For a finished run `GateRow.missed` is why it misses the row; for a plan, why no run of it can meet the row
        whatever the data say, with `GateRow.mend`.

    Returns
    -------
    tuple of GateRow
        The same rows in the same order, whoever asks: those of `SHOWN`, `TESTED`, `SUPPORTED` and `EXTERNAL`.
    """
    return tuple(
        GateRow(
            step.verdict,
            requirement.name,
            *requirement.missed_by(subject),
            in_short=requirement.in_short(subject),
            applies=requirement.applies_to(subject),
            settled=not isinstance(subject, AnalysisPlan) or requirement.settled_by(subject),
            tried=isinstance(subject, AnalysisPlan) or was_tried(requirement.name, subject),
        )
        for step in STEPS
        for requirement in step.requirements
    )


def out_of_reach(plan: AnalysisPlan) -> tuple[GateRow, ...]:
    """What keeps a plan from *supported by internal validation* whatever the data say, row by row.

    Parameters
    ----------
    plan : AnalysisPlan

    Returns
    -------
    tuple of GateRow
        Each with what to change, `GateRow.mend`.
    """
    return tuple(row for row in gate_rows(plan) if row.missed and row.verdict != "supported by external validation")


def best_verdict(plan: AnalysisPlan) -> str:
    """The strongest verdict that a run can reach as it is planned, in words.

    Parameters
    ----------
    plan : AnalysisPlan

    Returns
    -------
    str
        With the kind of claim; at most *supported by internal validation*.
    """
    kind = f", {plan.claim_kind}" if plan.claim_kind else ""
    for step in STEPS:
        if step.below != "supported by internal validation" and any(each.obstacle(plan) for each in step.requirements):
            return f"{step.below}{kind}"
    return f"supported by internal validation{kind}{'' if freeze_of(plan) else ', once the plan is frozen'}"


def missed_in_short(scores: Scores) -> tuple[str, ...]:
    """Why the verdict is not the next one, a few words for each requirement that is missed.

    Parameters
    ----------
    scores : Scores

    Returns
    -------
    tuple of str
        Of the first step that is not reached; empty at the strongest verdict.
    """
    for step in STEPS:
        missed = tuple(each.in_short(scores) for each in step.requirements if each.reason_missed(scores))
        if missed:
            return missed
    return ()


def reached(scores: Scores) -> tuple[Verdict, tuple[str, ...]]:
    """The verdict, and why it is not the next one.

    Parameters
    ----------
    scores : Scores

    Returns
    -------
    verdict : str
    reasons : tuple of str
        One for each requirement of the next step that is missed.
    """
    for step in STEPS:
        missed = tuple(filter(None, (requirement.reason_missed(scores) for requirement in step.requirements)))
        if missed:
            return step.below, missed
    return "supported by external validation", ()
