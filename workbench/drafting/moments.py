"""When something was measured, by the words for it in names: ``bl``, ``48h``, ``pre_inf1``, ``ses-d10``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

When = Literal["before", "during", "after", "unknown"]

BEFORE = frozenset(
    {"bl", "bsl", "base", "baseline", "pre", "screening", "screen", "scr", "b0", "predose", "preinf", "before"}
)
DURING = frozenset({"during", "peak", "intra"})
AFTER = frozenset({"post", "after", "end", "endpoint", "final", "last", "fu", "followup", "postdose", "postinf", "eot"})
COUNTED = ("t", "v", "visit", "session", "ses", "time", "timepoint", "tp", "wave", "scan", "post", "fu", "followup")
"""Words before a number that counts visits and says nothing of hours."""
PERIODS = ("inf", "infusion", "period", "treatment", "arm", "phase")
HOURS_IN: dict[str, float] = {
    "min": 1 / 60,
    "mins": 1 / 60,
    "h": 1.0,
    "hr": 1.0,
    "hrs": 1.0,
    "hour": 1.0,
    "hours": 1.0,
    "d": 24.0,
    "day": 24.0,
    "days": 24.0,
    "w": 168.0,
    "wk": 168.0,
    "wks": 168.0,
    "week": 168.0,
    "weeks": 168.0,
    "m": 730.0,
    "mo": 730.0,
    "month": 730.0,
    "months": 730.0,
}
JOINED = {*HOURS_IN, *COUNTED, *PERIODS} - {"m", "t", "v", "d", "h", "w"}
"""Words that belong to the number after them, also where something stands between the two."""


@dataclass(frozen=True)
class Moment:
    """A time in a study.

    Parameters
    ----------
    words : str
        As they are written.
    when : str
        Relative to the treatment.
    hours : float or None
        From the treatment, where the words say it.
    period : str
        Number of the infusion or period, where the words say it.
    letter : str
        ``p`` of ``p2``: days of an arm whose code it may be.
    count : int or None
        Of a visit that is only counted.
    """

    words: str
    when: When = "unknown"
    hours: float | None = None
    period: str = ""
    letter: str = ""
    count: int | None = None

    @property
    def meaning(self) -> tuple[object, ...]:
        """What two spellings of one time have in common."""
        if self.when == "before" and self.hours is None:
            return ("before", self.period, self.letter if self.letter not in ("b", "") else "")
        return (self.when, self.hours, self.period, self.letter, self.count)


@lru_cache(maxsize=65536)
def words_in(name: str) -> tuple[str, ...]:
    """The words of a name in lower case, numbers put to the word that they belong to.

    Parameters
    ----------
    name : str

    Returns
    -------
    tuple of str

    Examples
    --------
    >>> words_in("X2hr_inf1_shaps_total"), words_in("MADRS.48h"), words_in("SHAPS day 2"), words_in("madrsTotal_T1")
    (('2hr', 'inf1', 'shaps', 'total'), ('madrs', '48h'), ('shaps', 'day2'), ('madrs', 'total', 't1'))
    """
    parts = [part for part in re.split(r"[^A-Za-z0-9]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", name)) if part]
    words = [re.sub(r"^x(?=\d)", "", part.lower()) for part in parts]  # R puts an X before a digit
    joined: list[str] = []
    for word in words:
        if (joined and word.isdigit() and joined[-1] in JOINED) or (
            joined and joined[-1].isdigit() and word in JOINED and word in HOURS_IN
        ):
            joined[-1] += word
        else:
            joined.append(word)
    return tuple(joined)


def is_moment(word: str) -> bool:
    """Whether a word says when.

    Parameters
    ----------
    word : str

    Returns
    -------
    bool

    Examples
    --------
    >>> [word for word in ("bl", "48h", "d10", "inf1", "total", "17", "week2") if is_moment(word)]
    ['bl', '48h', 'd10', 'inf1', 'week2']
    """
    return moment_of([word]).words != ""


def moment_of(words: Sequence[str]) -> Moment:
    """The time that words say; one without words where they say none.

    Parameters
    ----------
    words : sequence of str
        From `words_in`; those that say no time are passed over.

    Returns
    -------
    Moment

    Examples
    --------
    >>> moment_of(["2hr", "inf1", "shaps"])
    Moment(words='2hr_inf1', when='after', hours=2.0, period='1', letter='', count=None)
    >>> moment_of(["b0"]).when, moment_of(["p2"]).hours, moment_of(["t2"]).count
    ('before', 48.0, 2)
    """
    said = Moment("")
    taken = []
    for word in words:
        one = _one(word)
        if one is not None:
            taken.append(word)
            said = _together(said, one)
    return Moment("_".join(taken), said.when, said.hours, said.period, said.letter, said.count)


def _one(word: str) -> Moment | None:
    if word in BEFORE:
        return Moment(word, "before")
    if word in DURING:
        return Moment(word, "during")
    if word in AFTER:
        return Moment(word, "after")
    number = re.fullmatch(r"(\d+)([a-z]+)|([a-z]+?)(\d+)", word)
    if number is None:
        return None
    count = int(number[1] or number[4])
    unit = number[2] or number[3]
    if unit in PERIODS and number[3]:
        return Moment(word, period=str(count))
    if unit in HOURS_IN and not (unit == "m" and number[1] is None and count > 24):
        letter = unit if unit == "d" and number[3] else ""
        return Moment(
            word, "before" if count == 0 else "after", None if count == 0 else HOURS_IN[unit] * count, "", letter
        )
    if number[3] and unit in ("pre", "baseline", "bl"):  # pre1, pre2: before the first and the second infusion
        return Moment(word, "before", period="" if count == 0 else str(count))
    if number[3] and unit in COUNTED:
        when: When = "after" if unit in AFTER else "before" if count == 0 else "unknown"
        return Moment(word, when, count=count)
    if number[3] and len(unit) == 1 and unit in "bkps":  # b0: baseline; p2, k2: days of an arm whose code it is
        return Moment(word, "before" if count == 0 else "after", None if count == 0 else 24.0 * count, "", unit)
    return None


def _together(before: Moment, one: Moment) -> Moment:
    both = (before, one)
    if any(each.count and each.when == "after" for each in both) and any(each.hours is not None for each in both):
        counted = next(each.count for each in both if each.count and each.when == "after")
        period = before.period or one.period or str(counted)  # post2_24h: a day after the second infusion
        before, one = (replace(each, count=None, period=period) if each.count else each for each in both)
    when = before.when if one.when == "unknown" else one.when if before.when == "unknown" else before.when
    return Moment(
        "",
        when,
        before.hours if one.hours is None else one.hours,
        before.period or one.period,
        before.letter or one.letter,
        before.count if one.count is None else one.count,
    )


def in_order(moments: Iterable[Moment]) -> list[Moment]:
    """From the earliest: what is before, then by period, hours and count.

    Parameters
    ----------
    moments : iterable of Moment

    Returns
    -------
    list of Moment
    """
    rank = {"before": 0, "unknown": 1, "during": 2, "after": 3}
    return sorted(
        moments,
        key=lambda each: (
            each.when != "before" and each.count is None,
            each.period,
            rank[each.when],
            each.letter,
            each.hours or 0.0,
            each.count or 0,
            each.words,
        ),
    )
