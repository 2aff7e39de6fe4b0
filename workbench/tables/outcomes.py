"""What is predicted, made from ratings: its direction, its estimand in words, and why each person has none."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from workbench.errors import OutcomeError, Problem, Problems, did_you_mean, listed
from workbench.records import ClaimKind, Cohort, Outcome, Scale
from workbench.specs.experiment import SESSIONS_OF_KIND, OutcomeSpec

MIN_FOR_CORRELATION = 10
"""Pairs of scores below which their correlation, and with it the reliability of their difference, is not estimated."""

PERCENT_WARNING = (
    "percent change is skewed, inefficient and tied to the baseline (Vickers 2001): prefer kind = 'ancova' or 'change'"
)

DICHOTOMY_WARNING = "a dichotomy loses about a third of the information in the score"

ROUNDING = 1e-12
"""A fall of exactly one half must not become less than one half."""

SHUFFLE = 0x5F5
"""Spawn key of the stream that shuffles a control experiment, apart from every other stream of the same seed."""


@dataclass(frozen=True)
class _Asked:
    """What an outcome is made from; `sessions` and `scores` by the key that names them: from, at, placebo_at."""

    spec: OutcomeSpec
    name: str
    scale: Scale
    sessions: Mapping[str, str]
    scores: Mapping[str, pd.Series]
    arms: tuple[str, ...]

    @property
    def sign(self) -> int:
        """+1 where a fall is an improvement."""
        return 1 if self.scale.worse == "higher" else -1

    @property
    def moves(self) -> str:
        return "fall" if self.scale.worse == "higher" else "rise"

    @property
    def above_zero(self) -> str:
        """What a percentage is taken of, where the floor of the scale is not 0."""
        return f" above {self.scale.zero:g}" if self.scale.zero else ""


@dataclass
class _Draft:
    """An outcome in the making: values, and why others have none."""

    values: pd.Series
    label: str
    unit: str
    improvement_positive: bool = True
    baseline: pd.Series | None = None
    reliability: float | None = None
    contrast: str = ""
    notes: list[str] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)


def make_outcome(spec: OutcomeSpec, cohort: Cohort, people: Sequence[str], *, seed: int) -> Outcome:
    """The outcome of an experiment for the people it includes.

    *change*, *percent-change* and *ketamine-minus-placebo* are improvements, positive when better, whatever the
    direction of the scale. *score* and *ancova* are the score as it was rated, so that higher is worse for most scales
    (``improvement_positive`` says so); *ancova* forces the baseline score into every model, which makes it equivalent
    to the change with its baseline held fixed. *ketamine-minus-placebo* is the benefit over placebo within a person:
    the score after placebo minus the score after the active treatment where higher is worse.

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
    outcome = _score_outcome(spec, cohort, people) if spec.column is None else _column_outcome(spec, cohort, people)
    return _shuffled(outcome, seed) if spec.shuffle else outcome


def _shuffled(outcome: Outcome, seed: int) -> Outcome:
    stream = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(SHUFFLE,)))
    values = pd.Series(stream.permutation(outcome.values.to_numpy()), index=outcome.values.index)
    note = "the outcome was shuffled between participants: a control experiment of which nothing must come"
    return replace(outcome, values=values, label=f"shuffled {outcome.label}", notes=(*outcome.notes, note))


# --------------------------------------------------------------------------------------------------------- from a score


def _score_outcome(spec: OutcomeSpec, cohort: Cohort, people: Sequence[str]) -> Outcome:
    name = _known_score(spec, cohort)
    sessions = _sessions_of(spec, cohort, name)
    arms = _arms_of(spec, cohort, name, sessions, people)
    asked = _people_of_arms(spec, cohort, people)
    scores = {key: cohort.score(name, session).reindex(asked.index[asked == ""]) for key, session in sessions.items()}
    draft = MAKERS[spec.kind](_Asked(spec, name, cohort.scales[name], sessions, scores, arms))
    missing = {person: why for person, why in asked.items() if why}
    for key, session in sessions.items():
        for person in scores[key].index[scores[key].isna()]:
            missing.setdefault(person, _why_absent(name, session, person, cohort))
    missing.update({person: why for person, why in draft.missing.items() if person not in missing})
    values = draft.values.drop(index=[person for person in draft.values.index if person in missing]).astype(float)
    if values.empty:
        raise OutcomeError(_nobody(name, sessions, cohort, people, missing))
    claim = _claim(spec, cohort, sessions)
    return Outcome(
        label=draft.label,
        unit=draft.unit,
        kind=spec.kind,
        type="binary" if spec.kind in ("response", "remission") else "continuous",
        claim=claim,
        estimand=_estimand(draft, cohort, arms, sessions),
        improvement_positive=draft.improvement_positive,
        values=values,
        missing=missing,
        baseline=None if draft.baseline is None else draft.baseline.loc[values.index],
        baseline_name="" if draft.baseline is None else f"{name}@{sessions['from']}",
        reliability=draft.reliability,
        sessions=tuple(sessions.values()),
        arms=arms,
        notes=tuple(draft.notes),
        score=name,
        scale=cohort.scales[name],
        ratings=pd.DataFrame({session: scores[key] for key, session in sessions.items()}, dtype=float),
    )


def _known_score(spec: OutcomeSpec, cohort: Cohort) -> str:
    name = str(spec.score)
    if name not in cohort.scales:
        hint = did_you_mean(name, cohort.scales) if cohort.scales else "declare it under [scores] of cohort.toml"
        raise OutcomeError(Problem("outcome: score", f"{name!r} is not a score of this study", hint))
    return name


def _sessions_of(spec: OutcomeSpec, cohort: Cohort, name: str) -> dict[str, str]:
    """The sessions that this kind needs, each known and rated."""
    given = {"from": spec.from_, "at": spec.at, "placebo_at": spec.placebo_at}
    sessions = {key: str(given[key]) for key in SESSIONS_OF_KIND[spec.kind]}
    problems = Problems()
    for key, session in sessions.items():
        if session not in cohort.sessions:
            hint = did_you_mean(session, cohort.sessions)
            problems.add(f"outcome: {key}", f"{session!r} is not a session of this study", hint)
        elif cohort.score(name, session).empty:
            hint = f"{name} was rated at {_rated(name, cohort)}"
            problems.add(f"outcome: {key}", f"nobody has {name} at {session}", hint)
    problems.raise_if_any(OutcomeError)
    return sessions


def _rated(name: str, cohort: Cohort) -> str:
    """Where a score was rated, with how many people."""
    counts = cohort.scores.loc[cohort.scores["score"] == name, "session"].value_counts(sort=False)
    return (
        listed([f"{session} (n = {counts[session]})" for session in cohort.sessions if session in counts])
        or "no session"
    )


# ----------------------------------------------------------------------------------------------------------- the design


def _arms_of(
    spec: OutcomeSpec, cohort: Cohort, name: str, sessions: Mapping[str, str], people: Sequence[str]
) -> tuple[str, ...]:
    """Whose treatment the outcome is about; refuses what the design cannot answer."""
    if spec.kind == "ketamine-minus-placebo":
        return _contrast_arms(spec, cohort, name, sessions, people)
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


def _contrast_arms(
    spec: OutcomeSpec, cohort: Cohort, name: str, sessions: Mapping[str, str], people: Sequence[str]
) -> tuple[str, ...]:
    where = "outcome: kind"
    if cohort.design != "crossover":
        found = f"{spec.kind} needs both treatments in each participant, and this is a {cohort.design} design"
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


def _people_of_arms(spec: OutcomeSpec, cohort: Cohort, people: Sequence[str]) -> pd.Series:
    """Why a person is not asked about at all, by participant; empty where the person is."""
    why = pd.Series("", index=pd.Index(people, dtype="str"), dtype="str")
    if cohort.design == "parallel" and spec.arms is not None:
        arm = cohort.participants["arm"].reindex(people)
        why[arm.isna().to_numpy()] = "arm not known"
        other = arm.notna() & ~arm.isin(list(spec.arms))
        why[other.to_numpy()] = [f"had {name}, not {' or '.join(spec.arms)}" for name in arm[other]]
    return why


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
    """Predictive only where each person is their own control; prognostic for treated people; else an association."""
    if spec.kind == "ketamine-minus-placebo":
        return "predictive"
    treated = any(cohort.sessions[session].phase != "before" for session in sessions.values())
    return "prognostic" if treated and cohort.design != "observational" else "association"


def _estimand(draft: _Draft, cohort: Cohort, arms: Sequence[str], sessions: Mapping[str, str]) -> str:
    """Population, variable, contrast, time, intercurrent events: the attributes of ICH E9(R1) in one sentence."""
    times = []
    for session in sessions.values():
        said = cohort.sessions[session]
        hours = f", {said.hours:g} h" if said.hours is not None else ""
        times.append(f"{session} ({said.phase}{' ' + said.arm if said.arm else ''}{hours})")
    treated = f" treated with {' and '.join(arms)}" if arms else ""
    return (
        f"In the participants included{treated}: {draft.label}, {draft.contrast}, read at {' and '.join(times)}; "
        "ratings after stopped or added treatment count as rated (treatment policy), participants without these "
        "ratings "
        "are left out (available cases)."
    )


# ----------------------------------------------------------------------------------------------------- kinds of outcome


def _score(asked: _Asked) -> _Draft:
    direction = f"{asked.scale.worse} is worse"
    return _Draft(
        asked.scores["at"],
        f"{asked.name} at {asked.sessions['at']}",
        "points",
        improvement_positive=asked.scale.worse == "lower",
        reliability=asked.scale.reliability,
        contrast=f"the score as it was rated ({direction})",
        notes=[f"{asked.name} is predicted as rated: {direction}"],
    )


def _ancova(asked: _Asked) -> _Draft:
    draft = _score(asked)
    draft.label = f"{asked.name} at {asked.sessions['at']} given {asked.name} at {asked.sessions['from']}"
    draft.baseline = asked.scores["from"]
    draft.contrast = f"the score with its baseline held fixed ({asked.scale.worse} is worse)"
    return draft


def _change(asked: _Asked) -> _Draft:
    return _Draft(
        asked.sign * (asked.scores["from"] - asked.scores["at"]),
        f"{asked.moves} in {asked.name} from {asked.sessions['from']} to {asked.sessions['at']}",
        "points",
        reliability=reliability_of_difference(asked.scale.reliability, asked.scores["from"], asked.scores["at"]),
        contrast="the improvement from before to after (positive = better)",
    )


def _percent_change(asked: _Asked) -> _Draft:
    fall, without_base = _relative_fall(asked)
    return _Draft(
        100 * fall,
        f"percent {asked.moves} in {asked.name} from {asked.sessions['from']} to {asked.sessions['at']}",
        "%",
        contrast=f"the improvement as a share of the baseline score{asked.above_zero} (positive = better)",
        notes=[PERCENT_WARNING],
        missing=without_base,
    )


def _difference(asked: _Asked) -> _Draft:
    active, control = asked.arms
    return _Draft(
        asked.sign * (asked.scores["placebo_at"] - asked.scores["at"]),
        f"benefit of {active} over {control} in {asked.name} ({asked.sessions['at']} against "
        f"{asked.sessions['placebo_at']})",
        "points",
        reliability=reliability_of_difference(asked.scale.reliability, asked.scores["placebo_at"], asked.scores["at"]),
        contrast=f"the difference between the two treatments within a participant (positive = better on {active})",
        notes=[
            "the difference identifies the conditional effect absent carry-over or drop-out depending on the features; "
            "individual response is not identified (one period per treatment)"
        ],
    )


def _response(asked: _Asked) -> _Draft:
    threshold = asked.spec.threshold if asked.spec.threshold is not None else asked.scale.response_fall
    if threshold is None:
        hint = "write threshold = 0.5 for half, or predict the change"
        raise OutcomeError(Problem("outcome: threshold", f"no response rule is agreed for {asked.scale.name}", hint))
    fall, without_base = _relative_fall(asked)
    rule = f"{asked.moves} in {asked.name}{asked.above_zero} of at least {100 * threshold:g} %"
    return _Draft(
        (fall >= threshold - ROUNDING).astype(float).where(fall.notna()),
        f"response at {asked.sessions['at']} ({rule} from {asked.sessions['from']})",
        "",
        contrast=f"response, a {rule}",
        notes=[f"response is a {rule}; {DICHOTOMY_WARNING}"],
        missing=without_base,
    )


def _remission(asked: _Asked) -> _Draft:
    cutoff = asked.spec.cutoff if asked.spec.cutoff is not None else asked.scale.remission_at_most
    if cutoff is None:
        hint = "write cutoff = and the score that still counts as remission"
        raise OutcomeError(Problem("outcome: cutoff", f"no remission rule is agreed for {asked.scale.name}", hint))
    at_most = asked.scale.worse == "higher"
    rule = f"{asked.name} of at {'most' if at_most else 'least'} {cutoff:g}"
    score = asked.scores["at"]
    return _Draft(
        (score <= cutoff if at_most else score >= cutoff).astype(float).where(score.notna()),
        f"remission at {asked.sessions['at']} ({rule})",
        "",
        contrast=f"remission, a {rule}",
        notes=[f"remission is a {rule}; {DICHOTOMY_WARNING}"],
    )


MAKERS: dict[str, Callable[[_Asked], _Draft]] = {
    "score": _score,
    "change": _change,
    "percent-change": _percent_change,
    "ancova": _ancova,
    "ketamine-minus-placebo": _difference,
    "response": _response,
    "remission": _remission,
}
"""What makes each kind of outcome."""


def _relative_fall(asked: _Asked) -> tuple[pd.Series, dict[str, str]]:
    """Improvement as a share of the baseline above the zero of the scale, and who has no baseline above it."""
    base = asked.scores["from"] - asked.scale.zero
    fall = asked.sign * (asked.scores["from"] - asked.scores["at"]) / base.where(base > 0)
    why = f"{asked.name} is {asked.scale.zero:g} at {asked.sessions['from']}: no percentage of that"
    return fall, dict.fromkeys(base.index[base.notna() & (base <= 0)], why)


def reliability_of_difference(reliability: float | None, first: pd.Series, second: pd.Series) -> float | None:
    """Reliability of the difference of two scores, which is the ceiling of any r2: (r - rho) / (1 - rho).

    Parameters
    ----------
    reliability : float or None
        Retest reliability r of the scale.
    first, second : Series
        The two scores; their correlation rho is that of the people who have both.

    Returns
    -------
    float or None
        None where r is not known, fewer than `MIN_FOR_CORRELATION` people have both, or a score does not vary.

    References
    ----------
    Cronbach, L. J. & Furby, L. (1970). Psychol Bull 74, 68-80, for equal variances and reliabilities.

    Examples
    --------
    >>> x = pd.Series(range(10))
    >>> reliability_of_difference(0.9, x, x.sample(frac=1, random_state=0).reset_index(drop=True)) > 0.8
    True
    """
    both = pd.concat([first, second], axis=1).dropna().to_numpy(dtype=float)
    if reliability is None or len(both) < MIN_FOR_CORRELATION or (both.std(axis=0) == 0).any():
        return None
    rho = float(np.corrcoef(both.T)[0, 1])
    return 0.0 if rho >= reliability else (reliability - rho) / (1 - rho) if rho > 0 else reliability


# -------------------------------------------------------------------------------------------------------- from a column


def _column_outcome(spec: OutcomeSpec, cohort: Cohort, people: Sequence[str]) -> Outcome:
    name = str(spec.column)
    if name not in cohort.participants:
        hint = did_you_mean(name, cohort.participants.columns)
        raise OutcomeError(Problem("outcome: column", f"{name!r} is not a participants column", hint))
    column = cohort.participants[name].reindex(people)
    binary = spec.type == "binary" or (spec.type is None and spec.positive is not None)
    values, label = _binary(spec, name, column) if binary else (_numbers(name, column), name)
    values = values.dropna().astype(float)
    if values.empty:
        raise OutcomeError(Problem("outcome: column", f"nobody included has a value of {name!r}", "see include"))
    direction = f" ({spec.better} is better)" if spec.better else ""
    return Outcome(
        label=label,
        unit="",
        kind="column",
        type="binary" if binary else "continuous",
        claim="association",
        estimand=f"In the participants included: {label}{direction}, as recorded; participants without it are left out "
        "(available cases).",
        improvement_positive=spec.better == "higher",
        values=values,
        missing={person: f"no {name}" for person in people if person not in values.index},
        notes=() if spec.better else (f"{name} has no direction: higher is neither better nor worse",),
    )


def _numbers(name: str, column: pd.Series) -> pd.Series:
    if pd.api.types.is_numeric_dtype(column):
        return column
    levels = sorted(column.dropna().unique())
    hint = (
        f'write type = "binary" and positive = "{levels[0] if levels else ""}"; levels: {listed(map(repr, levels), 5)}'
    )
    raise OutcomeError(Problem("outcome: column", f"{name!r} is text, not a number", hint))


def _binary(spec: OutcomeSpec, name: str, column: pd.Series) -> tuple[pd.Series, str]:
    text = column.map(_level, na_action="ignore")
    levels = sorted(text.dropna().unique())
    positive = spec.positive if spec.positive is not None else ("1" if levels == ["0", "1"] else None)
    if positive is None or positive not in levels:
        found = "is missing: which level counts as 1 is not said" if positive is None else f"nobody has {positive!r}"
        hint = f"levels of {name}: {listed(map(repr, levels), 8) or 'none'}"
        raise OutcomeError(Problem("outcome: positive", found, hint))
    if len(levels) != 2:
        found = f"{name!r} has {len(levels)} levels among the participants included ({listed(map(repr, levels), 8)})"
        raise OutcomeError(Problem("outcome: column", found, "a binary outcome has two; see include and exclude"))
    other = next(level for level in levels if level != positive)
    return (text == positive).astype(float).where(text.notna()), f"{name} ({positive} against {other})"


def _level(value: object) -> str:
    """A level as text; a number that is whole loses its point, so that "1" means 1.0."""
    return f"{value:g}" if isinstance(value, float) else str(value)
