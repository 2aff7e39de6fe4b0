"""The words in pictures: numbers, p-values, units and lines that fit, each written in one way."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence

from workbench.records import Performance, RunResult
from workbench.results import wording


def standing(result: RunResult) -> str:
    """The line below every title: verdict, who was analysed, which run.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    str
    """
    scores = result.scores
    who = f"n = {scores.n_participants}" + (" simulated participants" if scores.synthetic else " participants")
    verdict = result.claim.verdict
    return f"{wording.capital(verdict)}   |   {who}   |   {scores.display_name}"


def outcome_line(result: RunResult) -> str:
    """What is predicted, below the claim: a picture is often shown without its report.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    str
    """
    return wording.capital(result.scores.outcome)


def p_family(result: RunResult) -> str:
    """The p-value that the claim is judged by: corrected for the runs of the experiment and for earlier results.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    str
    """
    scores = result.scores
    if scores.judged_p is None:
        return p_text(scores.test.p)
    earlier = 0 if scores.viewing is None else scores.viewing.others
    over = [f"{scores.family_size} runs"] if scores.family_size > 1 else []
    over += [f"{earlier} earlier result{'s' if earlier > 1 else ''}"] if earlier else []
    return p_text(scores.judged_p) + (f", corrected for {' and '.join(over)}" if over else "")


def outcome_axis(result: RunResult, lead: str, width: int = 48) -> str:
    """``Observed fall in MADRS (points)``, broken into lines that fit an axis.

    Parameters
    ----------
    result : RunResult
    lead : str
        The first word: Observed, Predicted.
    width : int
        Characters in a line.

    Returns
    -------
    str
    """
    return balanced(f"{lead} {result.scores.outcome}{wording.unit_of(result.scores, wording.IN_BRACKETS)}", width)


def balanced(text: str, width: int) -> str:
    r"""Text broken into as few lines as fit, of about equal length.

    Parameters
    ----------
    text : str
    width : int
        Characters in a line, at most.

    Returns
    -------
    str

    Examples
    --------
    >>> balanced("Observed fall in MADRS from ses-b0 to ses-d2 (points)", 48)
    'Observed fall in MADRS from\nses-b0 to ses-d2 (points)'
    """
    fewest = lines(wrapped(text, width))
    for narrower in range(len(text) // fewest, width):
        if lines(wrapped(text, narrower)) == fewest:
            return wrapped(text, narrower)
    return wrapped(text, width)


def feature_words(name: str, width: int) -> str:
    r"""The name of a feature broken after its source, between its regions and before its unit, only where it must be.

    A region that does not fit a line is broken between its words.

    Parameters
    ----------
    name : str
        ``source:feature``, perhaps with a unit in brackets.
    width : int
        Characters in a line, if the parts allow it.

    Returns
    -------
    str

    Examples
    --------
    >>> feature_words("connectivity:AnteriorInsula--mPFC", 28)
    'connectivity:\nAnteriorInsula--mPFC'
    >>> feature_words("task:PCC (%)", 28)
    'task:PCC (%)'
    >>> feature_words("Default_AG_L->Default_PCC_M (Hz)", 24)
    'Default_AG_L\n->Default_PCC_M (Hz)'
    """
    if len(name) <= width:
        return name
    rows: list[str] = []
    for line in re.split(r"(?<=:)(?=\S)", name, maxsplit=1):
        rows.append("")
        for end in re.split(r"(?=--)|(?=->)|(?= \()", line):
            for part in [end] if len(end) <= width else re.split(r"(?<=_)|(?<= )", end):
                if rows[-1] and len(rows[-1]) + len(part) > width:
                    rows.append(part)
                else:
                    rows[-1] += part
    return "\n".join(row.strip() for row in rows)


def without_source(names: Sequence[str]) -> tuple[list[str], str]:
    """Names of features without their source where all have the same, and a sentence that names it; empty otherwise.

    Parameters
    ----------
    names : sequence of str
        ``source:feature``.

    Returns
    -------
    tuple of (list of str, str)

    Examples
    --------
    >>> without_source(["task:VS", "task:OFC"])
    (['VS', 'OFC'], ' Features of task.')
    >>> without_source(["task:VS", "pet:VS"])
    (['task:VS', 'pet:VS'], '')
    """
    sources = {name.partition(":")[0] for name in names}
    if len(sources) != 1 or not all(":" in name for name in names):
        return list(names), ""
    return [name.partition(":")[2] for name in names], f" Features of {sources.pop()}."


def with_unit(name: str, unit: object) -> str:
    """The name of a feature with its unit in brackets, percent as a sign; the name alone where no unit is declared.

    Parameters
    ----------
    name : str
    unit : object
        Text, or nothing.

    Returns
    -------
    str

    Examples
    --------
    >>> with_unit("VS", "percent signal change"), with_unit("VS", "")
    ('VS (% signal change)', 'VS')
    """
    return f"{name} ({unit.replace('percent ', '% ')})" if isinstance(unit, str) and unit else name


def label_size(label: str) -> float:
    """Size of the type of one of several labels below each other, in points: smaller where it has three lines.

    Parameters
    ----------
    label : str

    Returns
    -------
    float
    """
    return 11.0 if lines(label) < 3 else 9.0


def wrapped(text: str, width: int) -> str:
    """Text broken at spaces; never inside ``5-fold``, ``2 x 5-fold``, ``p = .05`` or before a dash.

    Parameters
    ----------
    text : str
    width : int
        Characters in a line, at most.

    Returns
    -------
    str

    Examples
    --------
    >>> [len(line) for line in wrapped("in 2 x 5-fold", 11).splitlines()]
    [2, 10]
    """
    return textwrap.fill(glued(text), width, break_on_hyphens=False)


def glued(text: str) -> str:
    """The text with spaces at which no line may end.

    Parameters
    ----------
    text : str

    Returns
    -------
    str
    """
    space = "\N{NO-BREAK SPACE}"
    text = text.replace(" x ", f"{space}\N{MULTIPLICATION SIGN}{space}").replace(" - ", f"{space}\N{EN DASH} ")
    return text.replace(" = ", f"{space}={space}").replace(" %", f"{space}%")


def lines(text: str) -> int:
    """Lines of a text that has been broken already.

    Parameters
    ----------
    text : str

    Returns
    -------
    int
    """
    return text.count("\n") + 1


def number(value: float, decimals: int = 2) -> str:
    """A value with so many decimals and a true minus sign.

    Parameters
    ----------
    value : float
    decimals : int

    Returns
    -------
    str

    Examples
    --------
    >>> number(-0.061), number(-0.001), number(0.0041, 3)
    ('−0.06', '0.00', '0.004')
    """
    return wording.fixed(value, decimals).replace("-", "\N{MINUS SIGN}")


def p_text(p: float | None) -> str:
    """A p-value with two significant digits.

    Parameters
    ----------
    p : float or None

    Returns
    -------
    str

    Examples
    --------
    >>> p_text(0.000999), p_text(0.41), p_text(None)
    ('p = .001', 'p = .41', 'no p')
    """
    return "no p" if p is None else f"p = {wording.p_text(p)}"


def slope_words(performance: Performance) -> str:
    """The calibration slope in words; there is none where the predictions are nearly constant.

    Parameters
    ----------
    performance : Performance

    Returns
    -------
    str
    """
    if performance.calibration_slope != performance.calibration_slope:
        return "There is no calibration slope: the predictions are nearly constant, and 1 could not be told from 0."
    return f"The calibration slope is {number(performance.calibration_slope)} (1 would be perfect)."
