"""What is predicted, made from ratings: its direction, its estimand in words, and why each person has none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd

from workbench.errors import OutcomeError, Problem, Problems, did_you_mean, listed
from workbench.records import ClaimKind, Cohort, Outcome
from workbench.specs.experiment import SESSIONS_OF_KIND, OutcomeSpec
from workbench.tables.apart_from import shared_with
from workbench.tables.course import rated_course
from workbench.tables.course_kinds import COURSE_MAKERS, course_sessions, hours_of, interpolates
from workbench.tables.outcome_columns import column_outcome
from workbench.tables.outcome_kinds import MAKERS, Draft, Ratings
from workbench.tables.timing import in_reverse
from workbench.tables.treatment_arms import TREATMENT_EFFECT, arms_of, people_of_arms

SHUFFLE = 0x5F5
"""Spawn key of the stream that shuffles a control experiment, apart from every other stream of the same seed."""
IN_TIME = ("from", "at", "until")
"""Keys of an outcome whose sessions follow one another; that of a placebo may be on either side."""


def make_outcome(spec: OutcomeSpec, cohort: Cohort, people: Sequence[str], *, seed: int) -> Outcome:
    """The outcome of an experiment for the people it includes.

    *change*, *percent-change* and *ketamine-minus-placebo* are improvements, positive when better, whatever the
    direction of the scale. *score* and *ancova* are the score as it was rated, so that higher is worse for most scales
    (``improvement_positive`` says so); *ancova* forces the baseline score into every model, which makes it equivalent
    to the change with its baseline held fixed. *ketamine-minus-placebo* is the benefit over placebo within a person:
    the score after placebo minus the score after the active treatment where higher is worse. *treatment-effect* is the
    improvement in both arms of a parallel design, its baseline forced in; `Dataset.treatment` says who had which.

    Parameters
    ----------
    spec : OutcomeSpec
    cohort : Cohort
    people : sequence of str
        Participant ids of those included.
    seed : int
        Only used where ``shuffle = true`` permutes the values.

    Returns
    -------
    Outcome

    Raises
    ------
    OutcomeError
        If the design or the ratings cannot answer this; says what is there instead, for how many people.

    References
    ----------
    Vickers, A. J. (2001). BMC Med Res Methodol 1, 6 (percent change); ICH E9(R1) (estimand).
    """
    people = sorted(people)
    outcome = _score_outcome(spec, cohort, people) if spec.column is None else column_outcome(spec, cohort, people)
    if outcome.kind == TREATMENT_EFFECT:
        outcome = replace(outcome, claim=_claim(spec, cohort, {}))
    return _shuffled(outcome, seed) if spec.shuffle else outcome


def _shuffled(outcome: Outcome, seed: int) -> Outcome:
    stream = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(SHUFFLE,)))
    values = pd.Series(stream.permutation(outcome.values.to_numpy()), index=outcome.values.index)
    note = "the outcome was shuffled between participants: a control experiment of which nothing must come"
    # Neither the course nor another score was shuffled along.
    outcome = replace(outcome, course=None, shuffled=True)
    return replace(outcome, values=values, label=f"shuffled {outcome.label}", notes=(*outcome.notes, note))


# --------------------------------------------------------------------------------------------------------- from a score


def _score_outcome(spec: OutcomeSpec, cohort: Cohort, people: Sequence[str]) -> Outcome:
    name = _known_score(spec, cohort)
    sessions = _sessions_of(spec, cohort, name)
    arms = arms_of(spec, cohort, name, sessions, people)
    asked = people_of_arms(spec, cohort, people)
    scores = {key: cohort.score(name, session).reindex(asked.index[asked == ""]) for key, session in sessions.items()}
    hours = {key: hours_of(cohort.sessions[session].hours) for key, session in sessions.items()}
    rated = Ratings(spec, name, cohort.scales[name], sessions, scores, arms, hours)
    draft = {**MAKERS, **COURSE_MAKERS}[spec.kind](rated)
    missing = {person: why for person, why in asked.items() if why}
    needed = {key: session for key, session in sessions.items() if key in SESSIONS_OF_KIND[spec.kind]}
    for key, session in (needed if interpolates(spec) else sessions).items():
        for person in scores[key].index[scores[key].isna()]:
            missing.setdefault(person, _why_absent(name, session, person, cohort))
    missing.update({person: why for person, why in draft.missing.items() if person not in missing})
    shared = None
    if spec.apart_from is not None:
        shared, without = shared_with(spec, cohort, rated)
        missing.update({person: why for person, why in without.items() if person not in missing})
    values = draft.values.drop(index=[person for person in draft.values.index if person in missing]).astype(float)
    if values.empty:
        raise OutcomeError(_nobody(name, sessions, cohort, people, missing))
    claim = _claim(spec, cohort, sessions)
    notes = tuple(draft.notes)
    if shared is not None:
        draft.label = _apart(draft, shared.name)
        draft.contrast += f", the part of it that is not shared with the {shared.name}"
        notes += (APART_NOTE.format(shared.name), shared.items)
        shared = replace(shared, values=shared.values.loc[values.index])
    return Outcome(
        label=draft.label,
        unit=draft.unit,
        kind=spec.kind,
        type="binary" if _is_binary(spec) else "continuous",
        claim=claim,
        estimand=_estimand(draft, cohort, arms, sessions, spec.kind),
        improvement_positive=draft.improvement_positive,
        values=values,
        missing=missing,
        baseline=None if draft.baseline is None else draft.baseline.loc[values.index],
        baseline_name="" if draft.baseline is None else f"{name}@{sessions['from']}",
        reliability=draft.reliability,
        sessions=tuple(sessions.values()),
        arms=arms,
        notes=notes,
        score=name,
        scale=cohort.scales[name],
        ratings=pd.DataFrame({session: scores[key] for key, session in sessions.items()}, dtype=float),
        course=rated_course(rated, cohort, people),
        shared=shared,
    )


APART_NOTE = (
    "the {}, which is known only after treatment, is held fixed in every training fold: the result is about anhedonia "
    "that is not shared with general depression, as far as a score that is rated with error tells it, and predicts "
    "nobody before treatment"
)


def _apart(draft: Draft, shared: str) -> str:
    """ "fall in SHAPS not shared with the fall in MADRS from ses-b0 to ses-d2"."""
    if draft.baseline is not None:
        return f"{draft.label} and the {shared}"
    place = next((mark for mark in (" from ", " (") if mark in draft.label), "")
    what, mark, when = draft.label.partition(place) if place else (draft.label, "", "")
    return f"{what} not shared with the {shared}{mark}{when}"


def _is_binary(spec: OutcomeSpec) -> bool:
    return spec.kind in ("response", "remission") or (spec.kind == "durability" and spec.contrast != "share")


def _known_score(spec: OutcomeSpec, cohort: Cohort) -> str:
    name = str(spec.score)
    if name not in cohort.scales:
        hint = did_you_mean(name, cohort.scales) if cohort.scales else "declare it under [scores] of cohort.toml"
        raise OutcomeError(Problem("outcome: score", f"{name!r} is not a score of this study", hint))
    return name


def _sessions_of(spec: OutcomeSpec, cohort: Cohort, name: str) -> dict[str, str]:
    """The sessions that this kind needs, each known and rated."""
    given = {"from": spec.from_, "at": spec.at, "placebo_at": spec.placebo_at, "until": spec.until}
    sessions = {key: str(given[key]) for key in SESSIONS_OF_KIND[spec.kind]}
    problems = Problems()
    for key, session in sessions.items():
        if session not in cohort.sessions:
            hint = did_you_mean(session, cohort.sessions)
            problems.add(f"outcome: {key}", f"{session!r} is not a session of this study", hint)
        elif cohort.score(name, session).empty:
            hint = f"{name} was rated at {_rated(name, cohort)}"
            problems.add(f"outcome: {key}", f"nobody has {name} at {session}", hint)
    in_time = [key for key in IN_TIME if sessions.get(key) in cohort.sessions]
    for first, second in pairwise(in_time):
        if in_reverse(cohort, sessions[first], sessions[second]):
            hint = f"name the earlier session under {first} and the later one under {second}"
            problems.add(f"outcome: {first}", f"{sessions[first]!r} is later than {second}, {sessions[second]!r}", hint)
    problems.raise_if_any(OutcomeError)
    return course_sessions(spec, cohort, name) if spec.kind == "area-under-course" else sessions


def _rated(name: str, cohort: Cohort) -> str:
    """Where a score was rated, with how many people."""
    counts = cohort.scores.loc[cohort.scores["score"] == name, "session"].value_counts(sort=False)
    return (
        listed([f"{session} (n = {counts[session]})" for session in cohort.sessions if session in counts])
        or "no session"
    )


def _why_absent(name: str, session: str, person: str, cohort: Cohort) -> str:
    arm = cohort.sessions[session].arm
    if arm is not None and len(cohort.periods.columns) and arm not in set(cohort.periods.loc[person].dropna()):
        return f"no {arm} infusion recorded"
    return f"no {name} at {session}"


def _nobody(
    name: str, sessions: Mapping[str, str], cohort: Cohort, people: Sequence[str], missing: Mapping[str, str]
) -> Problem:
    reasons = pd.Series(list(missing.values()), dtype="str").value_counts()
    why = listed([f"{reason}: {n}" for reason, n in reasons.items()], 5)
    found = f"none of the {len(people)} participants included has {name} at {' and '.join(sessions.values())} ({why})"
    return Problem("outcome", found, f"{name} was rated at {_rated(name, cohort)}")


def _claim(spec: OutcomeSpec, cohort: Cohort, sessions: Mapping[str, str]) -> ClaimKind:
    """Predictive only where treatments are compared; prognostic for treated people; else an association."""
    if spec.kind in ("ketamine-minus-placebo", TREATMENT_EFFECT):
        return "predictive"
    treated = any(cohort.sessions[session].phase != "before" for session in sessions.values())
    return "prognostic" if treated and cohort.design != "observational" else "association"


def _estimand(draft: Draft, cohort: Cohort, arms: Sequence[str], sessions: Mapping[str, str], spec_kind: str) -> str:
    """Population, variable, contrast, time, intercurrent events: the attributes of ICH E9(R1) in one sentence."""
    times = []
    for session in sessions.values():
        said = cohort.sessions[session]
        hours = f", {said.hours:g} h" if said.hours is not None else ""
        times.append(f"{session} ({said.phase}{' ' + said.arm if said.arm else ''}{hours})")
    joined = " or " if spec_kind == TREATMENT_EFFECT else " and "
    treated = f" treated with {joined.join(arms)}" if arms else ""
    return (
        f"In the participants included{treated}: {draft.label}, {draft.contrast}, read at {' and '.join(times)}; "
        "ratings after stopped or added treatment count as rated (treatment policy), participants without these "
        "ratings "
        "are left out (available cases)."
    )
