"""The visits of a study, as columns and the names of columns tell them, put together and placed in time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from workbench.drafting.arms import Arms
from workbench.drafting.moments import Moment, in_order, moment_of, words_in
from workbench.drafting.records import Entry, Section
from workbench.specs.unanswered import UNANSWERED

ONLY_VISIT = "ses-1"
"""Name of the visit of a study whose files name none."""


@dataclass(frozen=True)
class Visit:
    """One session of the study.

    Parameters
    ----------
    name : str
        As files write it, or as the names of columns do.
    """

    name: str
    moment: Moment
    where: str

    @property
    def first(self) -> bool:
        """Whether it is said to be before treatment."""
        return self.moment.when == "before"


@dataclass(frozen=True)
class Visits:
    """All sessions, the earliest first.

    Parameters
    ----------
    names : mapping of str to str
        By what is written somewhere: the session that it is.
    """

    visits: tuple[Visit, ...]
    names: Mapping[str, str]
    counted: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """By pattern of files: sessions that are numbered in their names, where the ratings call them otherwise."""

    @property
    def any_before(self) -> bool:
        """Whether one is said to be before treatment."""
        return any(visit.first for visit in self.visits)

    def codes_of(self, pattern: str) -> Section | None:
        """``[session_codes]`` of files whose sessions are numbered; None where they have their names."""
        counted = sorted(self.counted.get(pattern, ()))
        if not counted:
            return None
        names = ", ".join(f'"{visit.name}"' for visit in self.visits)
        entries = [Entry(counted[0], self.before, "guessed", f"it is the first, as {self.before!r} is of the ratings")]
        asked = "which visit is {0}: {1}? Or take the line out, and write [sessions.{0}] into cohort.toml"
        entries += [Entry(each, UNANSWERED, "question", asked.format(each, names)) for each in counted[1:]]
        return Section(("session_codes",), tuple(entries))

    def called(self, words: str) -> str:
        """The session that words stand for; empty where they stand for none."""
        return self.names.get(words, "")

    @property
    def before(self) -> str:
        """The first session."""
        return self.visits[0].name if self.visits else ""


def visits_of(written: Mapping[str, Sequence[str]], in_names: Mapping[str, Sequence[str]]) -> Visits:
    """The sessions of a study.

    Parameters
    ----------
    written : mapping of str to sequence of str
        By file: sessions as they stand in it, or in the names of its files.
    in_names : mapping of str to sequence of str
        By file: words for a time in the names of columns.

    Returns
    -------
    Visits

    Examples
    --------
    >>> visits = visits_of({"a.tsv": ["ses-b0", "ses-d2"]}, {"b.csv": ["bl", "48h"]})
    >>> [visit.name for visit in visits.visits], visits.called("48h")
    (['ses-b0', 'ses-d2'], 'ses-d2')
    """
    by_meaning: dict[tuple[object, ...], Visit] = {}
    names: dict[str, str] = {}
    for source, exact in ((written, True), (in_names, False)):
        for where, sessions in source.items():
            for raw in sessions:
                moment = moment_of(words_in(raw))
                if not exact and raw == "":
                    continue
                same = _alike(raw, moment, by_meaning)
                if same is not None:
                    names[raw] = same.name
                    continue
                visit = Visit(raw, moment, where)
                by_meaning[moment.meaning if moment.words else ("named", raw)] = visit
                names[raw] = raw
    ordered = in_order(visit.moment for visit in by_meaning.values())
    position = {id(moment): at for at, moment in enumerate(ordered)}
    visits = sorted(by_meaning.values(), key=lambda visit: position[id(visit.moment)])
    return Visits(tuple(visits), names)


def _alike(raw: str, moment: Moment, known: Mapping[tuple[object, ...], Visit]) -> Visit | None:
    for visit in known.values():
        if raw.lower().removeprefix("ses-") == visit.name.lower().removeprefix("ses-"):
            return visit
    if not moment.words:
        return None
    if moment.meaning in known:
        return known[moment.meaning]
    if moment.hours is not None and not moment.letter:  # 48h is d2 of the arm under study, where there is one alone
        same = [v for v in known.values() if v.moment.hours == moment.hours and v.moment.period == moment.period]
        days = [visit for visit in same if visit.moment.letter in ("", "d")]
        return days[0] if len(days) == 1 else None
    return None


def sections_of(visits: Visits, arms: Arms, acute: Sequence[str] = ()) -> list[Section]:
    """``[sessions.NAME]`` for each visit.

    Parameters
    ----------
    visits : Visits
    arms : Arms
    acute : sequence of str
        Sessions at which only the infusion itself was rated.

    Returns
    -------
    list of Section
    """
    letters = {visit.moment.letter for visit in visits.visits}
    some_before = any(visit.first for visit in visits.visits)
    sections = []
    for position, visit in enumerate(visits.visits):
        first = visit.first or (position == 0 and not some_before)
        entries, why = _placed(visit, arms, acute, first=first)
        arm = _arm(visit, arms, letters)
        if arm:
            entries["arm"] = arm
            why += f"; {visit.moment.letter!r} stands for {arm}"
        note = Entry("", None, "guessed", why)
        keys = tuple(Entry(key, value) for key, value in entries.items())
        sections.append(Section(("sessions", visit.name), keys, (note,)))
    return sections


def _placed(visit: Visit, arms: Arms, acute: Sequence[str], *, first: bool) -> tuple[dict[str, Any], str]:
    """The keys of a session, and why."""
    moment, name = visit.moment, visit.name
    if arms.design.value == "observational":
        return {"phase": "before"}, "without treatment every visit is before"
    if name in acute:
        return {"phase": "during"}, f"at {name!r} nothing was rated but the infusion itself"
    if moment.when == "unknown":
        if first:
            return {"phase": "before"}, f"{name!r} is the first visit"
        return {"phase": "after"}, f"{name!r} comes after the first visit; add hours = from the infusion"
    if moment.when == "before":
        return {"phase": "before"}, f"{moment.words!r} is read as before treatment"
    if moment.hours is None:
        return {
            "phase": moment.when
        }, f"{moment.words!r} is read as {moment.when} treatment; add hours = from the infusion"
    hours = round(moment.hours, 3)
    return {"phase": moment.when, "hours": hours}, f"{moment.words!r} is read as {hours:g} hours after the infusion"


def _arm(visit: Visit, arms: Arms, letters: set[str]) -> str:
    """The arm whose infusion a session follows: in a crossover, where its name begins with the code of one."""
    letter = visit.moment.letter
    if arms.design.value != "crossover" or visit.first or not letter or arms.active is None or arms.control is None:
        return ""
    arm = arms.arm_of(letter)
    if not arm and letter == "d" and "p" in letters:
        arm = str(arms.active.value)
    return arm if arm in (arms.active.value, arms.control.value) and arm != UNANSWERED else ""
