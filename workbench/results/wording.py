"""How numbers and counts of a run are written in its sentences, everywhere alike."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workbench.records import ApartFrom, Estimate, Increment, Interval, Scores, Viewing


def over_runs(scores: Scores) -> str:
    """Over what p is corrected, in words; empty for a single run that nothing was viewed before.

    Parameters
    ----------
    scores : Scores

    Returns
    -------
    str
        Begins with a comma.
    """
    others = 0 if scores.viewing is None else scores.viewing.others
    over = [f"{scores.family_size} runs"] if scores.family_size > 1 else []
    over += [f"{results(others)} viewed before"] if others else []
    return f", corrected over {' and '.join(over)}" if over else ""


def results(n: int) -> str:
    """ "1 result", "3 results".

    Parameters
    ----------
    n : int

    Returns
    -------
    str
    """
    return f"{n} result" if n == 1 else f"{n} results"


def ordinal(n: int) -> str:
    """Place in a row, in digits.

    Parameters
    ----------
    n : int

    Returns
    -------
    str

    Examples
    --------
    >>> ordinal(2), ordinal(4), ordinal(11), ordinal(21)
    ('2nd', '4th', '11th', '21st')
    """
    ending = "th" if 10 <= n % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n}{ending}"


def listed(names: tuple[str, ...]) -> str:
    """Names in a row.

    Parameters
    ----------
    names : tuple of str

    Returns
    -------
    str
    """
    return ", ".join(names)


ABBREVIATIONS = {"pet", "fmri", "eeg", "meg", "dti"}
"""Names of modalities that are written in capitals wherever they begin a sentence."""


def capital(text: str) -> str:
    """A text with a capital at its beginning.

    Parameters
    ----------
    text : str

    Returns
    -------
    str
    """
    first = text.partition(" ")[0]
    return text.replace(first, first.upper(), 1) if first in ABBREVIATIONS else text[:1].upper() + text[1:]


def unit_of(scores: Scores, form: str = " {}") -> str:
    """The unit of the outcome in some form of words; nothing where it has none.

    Parameters
    ----------
    scores : Scores
    form : str
        With ``{}`` where the unit goes.

    Returns
    -------
    str
    """
    return form.format(scores.outcome_unit) if scores.outcome_unit else ""


IN_BRACKETS = " ({})"
"""The unit behind the heading of a column or an axis."""


def number(value: float) -> str:
    """Two decimals, one significant digit below 0.005, so that what is above 0 never reads as 0.

    Parameters
    ----------
    value : float

    Returns
    -------
    str

    Examples
    --------
    >>> number(0.214), number(-0.0012), number(float("nan"))
    ('0.21', '-0.001', 'not defined')
    """
    if math.isnan(value):
        return "not defined"
    return f"{value:.2f}" if abs(value) >= 0.005 or value == 0 else f"{value:.1g}"


def p_text(p: float) -> str:
    """Two significant digits, without the 0 before the point.

    Parameters
    ----------
    p : float

    Returns
    -------
    str

    Examples
    --------
    >>> p_text(0.04195), p_text(1 / 1001), p_text(1.0)
    ('.042', '.001', '1')
    """
    return f"{p:.2g}".removeprefix("0") if p < 1 else "1"


def signed(value: float) -> str:
    """An R2 that is a difference: "+0.07", "-0.94".

    Parameters
    ----------
    value : float

    Returns
    -------
    str

    Examples
    --------
    >>> signed(0.071), signed(-0.94)
    ('+0.07', '-0.94')
    """
    return f"{'+' if value > 0 else ''}{number(value)}"


def amounts(*values: float) -> tuple[str, ...]:
    """Quantities in units of the outcome, alike: one decimal where all are 1 or more, else two.

    Parameters
    ----------
    *values : float

    Returns
    -------
    tuple of str
        In their order, without the unit.

    Examples
    --------
    >>> amounts(8.3249, 10.0), amounts(0.171, 1.04)
    (('8.3', '10.0'), ('0.17', '1.04'))
    """
    decimals = 1 if min(map(abs, values)) >= 1 else 2
    return tuple(f"{value:.{decimals}f}" for value in values)


def with_interval(value: str, interval: Interval | None) -> str:
    """A number with its interval in brackets: "0.05 (95 % CI -0.65 to 0.75)".

    Parameters
    ----------
    value : str
        The number as it is written.
    interval : Interval or None

    Returns
    -------
    str
    """
    if interval is None:
        return value
    return f"{value} ({100 * interval.level:.0f} % CI {number(interval.low)} to {number(interval.high)})"


def between(low: float | None, high: float | None) -> str:
    """The ends of an interval: "0.02 to 0.38"; empty where there is none.

    Parameters
    ----------
    low, high : float or None

    Returns
    -------
    str
    """
    return "" if low is None or high is None else f"{number(low)} to {number(high)}"


def estimate(value: Estimate) -> str:
    """A number with its interval: "0.21 (95 % CI 0.02 to 0.38)"; "not defined" where it is not a number.

    Parameters
    ----------
    value : Estimate

    Returns
    -------
    str
    """
    ends = "" if math.isnan(value.low) else f" (95 % CI {between(value.low, value.high)})"
    return f"{number(value.value)}{ends}"


def increment_words(increment: Increment) -> str:
    """Incremental R2 with its interval and p, and how the two go together where they seem not to.

    Parameters
    ----------
    increment : Increment

    Returns
    -------
    str
    """
    return increment.words(number, p_text)


def under_what_name(viewing: Viewing, apart: ApartFrom | None = None) -> str:
    """Where they had another name or lay elsewhere: whoever reads of them will look for them.

    Parameters
    ----------
    viewing : Viewing
    apart : ApartFrom, optional
        What is held fixed where the outcome is taken apart from another score.

    Returns
    -------
    str
        In parentheses; empty where neither is so.
    """
    parts = [f"{viewing.renamed} under another name, kind or session of it"] if viewing.renamed else []
    if viewing.renamed and apart is not None:
        parts.append(f"with and without the {apart.name} held fixed, it is made from the same ratings: one outcome")
    parts += [f"{viewing.elsewhere} in another study folder"] if viewing.elsewhere else []
    return f" ({', '.join(parts)})" if parts else ""


def fixed(value: float, decimals: int = 2) -> str:
    """A number with so many decimals, without a sign before 0.00.

    Parameters
    ----------
    value : float
    decimals : int

    Returns
    -------
    str

    Examples
    --------
    >>> fixed(-0.004), fixed(-0.06, 1)
    ('0.00', '-0.1')
    """
    return f"{round(value, decimals) + 0.0:.{decimals}f}"


def six_digits(value: float) -> str:
    """A value in at most six digits, such as a setting of a model: "1e5", "0.03".

    Parameters
    ----------
    value : float

    Returns
    -------
    str
    """
    return f"{value:g}".replace("e+0", "e")
