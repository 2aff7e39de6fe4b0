"""Which arms an outcome is about, in which of the participants, and what a design can answer instead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from workbench.errors import OutcomeError, Problem, did_you_mean, listed
from workbench.records import Cohort, Treatment
from workbench.specs.experiment import OutcomeSpec

TREATMENT_EFFECT = "treatment-effect"
"""The kind of outcome that compares the arms of a parallel design."""


def arms_of(
    spec: OutcomeSpec, cohort: Cohort, name: str, sessions: Mapping[str, str], people: Sequence[str]
) -> tuple[str, ...]:
    """Whose treatment the outcome is about; refuses what the design cannot answer.

    Parameters
    ----------
    spec : OutcomeSpec
    cohort : Cohort
    name : str
        Name of the score.
    sessions : mapping of str to str
        By key of the specification (``at``, ``placebo_at``): the session at which the score is taken.
    people : sequence of str
        Participant ids of those included.

    Returns
    -------
    tuple of str
        Names of arms, active first in a contrast; empty where the design names none.
    """
    if spec.kind == "ketamine-minus-placebo":
        return _contrast_arms(spec, cohort, name, sessions, people)
    if spec.kind == TREATMENT_EFFECT:
        return arms_of_an_effect(spec, cohort, people)
    if cohort.design == "parallel":
        return _parallel_arms(spec, cohort, people)
    if spec.arms is not None:
        hint = "in a crossover the session says the arm; arms = is for parallel designs"
        raise OutcomeError(Problem("outcome: arms", f"has no meaning in a {cohort.design} design", hint))
    after = [cohort.sessions[session] for session in sessions.values() if cohort.sessions[session].phase != "before"]
    named = tuple(dict.fromkeys(session.arm for session in after if session.arm is not None))
    if named or cohort.design != "single-arm" or not after:
        return named
    return (cohort.active,) if cohort.active else ()


def _parallel_arms(spec: OutcomeSpec, cohort: Cohort, people: Sequence[str]) -> tuple[str, ...]:
    counts = cohort.participants["arm"].reindex(people).value_counts() if "arm" in cohort.participants else pd.Series()
    here = listed([f"{arm} (n = {n})" for arm, n in counts.items()]) or "nobody's arm is known"
    if spec.arms is None:
        hint = f'write arms = ["{cohort.active or "ketamine"}"]; arms here: {here}'
        raise OutcomeError(Problem("outcome: arms", "is missing, which a parallel design needs", hint))
    unknown = [arm for arm in spec.arms if arm not in counts.index]
    if unknown:
        raise OutcomeError(
            Problem("outcome: arms", f"nobody included had {listed(map(repr, unknown))}", f"arms here: {here}")
        )
    return tuple(spec.arms)


def arms_of_an_effect(spec: OutcomeSpec, cohort: Cohort, people: Sequence[str]) -> tuple[str, str]:
    """The arms between which the effect of a treatment lies, the active one first.

    Parameters
    ----------
    spec : OutcomeSpec
    cohort : Cohort
    people : sequence of str
        Participant ids of those included.

    Returns
    -------
    tuple of str

    Raises
    ------
    OutcomeError
        If people were not allocated to one arm each, nobody had one of the two, or with what probability is not said.
    """
    where = "outcome: kind"
    if cohort.design == "crossover":
        found = f"{spec.kind} compares participants of two arms, and in a crossover everyone has both"
        hint = 'write kind = "ketamine-minus-placebo" with at = and placebo_at =: the difference within a participant'
        raise OutcomeError(Problem(where, found, hint))
    if cohort.design != "parallel":
        found = f"{spec.kind} needs participants allocated to two arms, and this is a {cohort.design} design"
        hint = "without a control arm an outcome is prognostic at most: kind = 'ancova' or 'change'"
        raise OutcomeError(Problem(where, found, hint))
    active, control = str(cohort.active), str(cohort.control)
    if not cohort.allocation:
        hint = f"write allocation = {{ {active} = 0.5, {control} = 0.5 }}, or what the protocol says, in cohort.toml"
        raise OutcomeError(Problem("arms: allocation", f"is missing, which {spec.kind} needs", hint))
    for column in cohort.randomised_within:
        if column not in cohort.participants:
            hint = did_you_mean(column, cohort.participants.columns)
            raise OutcomeError(Problem("cohort.toml: arms: strata", f"{column!r} is not a participants column", hint))
    counts = cohort.participants["arm"].reindex(people).value_counts()
    for arm in (active, control):
        if arm not in counts.index:
            here = listed([f"{name} (n = {n})" for name, n in counts.items()]) or "nobody's arm is known"
            raise OutcomeError(Problem(where, f"nobody included had {arm!r}", f"arms here: {here}"))
    return active, control


def treatment_of(cohort: Cohort, people: Sequence[str]) -> Treatment:
    """The arm of each participant and the probability with which it was given.

    Parameters
    ----------
    cohort : Cohort
        Of a parallel design with known shares.
    people : sequence of str
        Participants of the active and the control arm.

    Returns
    -------
    Treatment
        With three arms or more the probability is that of the active among the two.
    """
    shares = [cohort.allocation[str(arm)] for arm in (cohort.active, cohort.control)]
    arms = cohort.participants["arm"].loc[list(people)].to_numpy(dtype="U")
    return Treatment(str(cohort.active), arms, np.full(len(people), shares[0] / sum(shares)))


def _contrast_arms(
    spec: OutcomeSpec, cohort: Cohort, name: str, sessions: Mapping[str, str], people: Sequence[str]
) -> tuple[str, ...]:
    where = "outcome: kind"
    if cohort.design != "crossover":
        found = f"{spec.kind} needs both treatments in each participant, and this is a {cohort.design} design"
        if cohort.design == "parallel":
            hint = 'write kind = "treatment-effect" with from = and at =: it compares the arms, and is predictive too'
            raise OutcomeError(Problem(where, found, hint))
        raise OutcomeError(Problem(where, found, _instead(cohort, name, people)))
    problems = []
    for key, arm in (("at", cohort.active), ("placebo_at", cohort.control)):
        session = cohort.sessions[sessions[key]]
        if arm is None or session.arm != arm or session.phase == "before":
            found = f"{session.name} is {_described(session.phase, session.arm)}, not after {arm or 'the control'}"
            hint = f"sessions after {arm}: {listed(_after(cohort, arm)) or 'none'}; see [sessions] arm and phase"
            problems.append(Problem(f"outcome: {key}", found, hint))
    if spec.arms is not None:
        problems.append(Problem("outcome: arms", f"has no meaning for {spec.kind}", "take it out: both arms enter"))
    if problems:
        raise OutcomeError(problems)
    both = pd.concat([cohort.score(name, session).reindex(people) for session in sessions.values()], axis=1).notna()
    if not both.all(axis=1).any():
        counts = listed([f"{session} n = {n}" for session, n in zip(sessions.values(), both.sum(), strict=True)])
        raise OutcomeError(
            Problem(where, f"nobody has {name} after both treatments ({counts})", _instead(cohort, name, people))
        )
    return (str(cohort.active), str(cohort.control))


def _described(phase: str, arm: str | None) -> str:
    return f"{phase} {arm}" if arm else f"{phase} an infusion that [sessions] does not name the arm of"


def _after(cohort: Cohort, arm: str | None) -> list[str]:
    return [name for name, session in cohort.sessions.items() if session.arm == arm and session.phase != "before"]


def _instead(cohort: Cohort, name: str, people: Sequence[str]) -> str:
    """What this design can answer, with how many people."""
    before = [session for session, said in cohort.sessions.items() if said.phase == "before"]
    after = [session for session, said in cohort.sessions.items() if said.phase == "after"]
    options = []
    for first in before[:1]:
        start = cohort.score(name, first).index
        for second in after:
            both = start.intersection(cohort.score(name, second).index).intersection(pd.Index(people))
            options += [f"{first} to {second} (n = {n})" for n in _by_arm(cohort, both) if n]
    change = f"change from {listed(options, 6)}" if options else "no change: nobody was rated before and after"
    arms = " with arms = [..]" if cohort.design == "parallel" and options else ""
    return f"available instead: {change}{arms}, which is prognostic, not predictive"


def _by_arm(cohort: Cohort, people: pd.Index) -> list[str]:
    if cohort.design != "parallel" or "arm" not in cohort.participants:
        return [str(len(people))] if len(people) else []
    counts = cohort.participants["arm"].reindex(people).value_counts()
    return [", ".join(f"{arm} {n}" for arm, n in counts.items())] if len(counts) else []


def people_of_arms(spec: OutcomeSpec, cohort: Cohort, people: Sequence[str]) -> pd.Series:
    """Why a person is not asked about at all, by participant; empty where the person is.

    Parameters
    ----------
    spec : OutcomeSpec
    cohort : Cohort
    people : sequence of str
        Participant ids of those included.

    Returns
    -------
    Series of str
        By participant id, in the order of `people`; only a parallel design with declared arms leaves anybody out.
    """
    why = pd.Series("", index=pd.Index(people, dtype="str"), dtype="str")
    of_effect = (str(cohort.active), str(cohort.control)) if spec.kind == TREATMENT_EFFECT else None
    arms = spec.arms or of_effect
    if cohort.design == "parallel" and arms is not None:
        arm = cohort.participants["arm"].reindex(people)
        why[arm.isna().to_numpy()] = "arm not known"
        other = arm.notna() & ~arm.isin(list(arms))
        why[other.to_numpy()] = [f"had {name}, not {' or '.join(arms)}" for name in arm[other]]
    return why
