"""The HTML of a report: templates filled with records, drawings that follow the theme of the page."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from workbench.records import Contribution, Report, ReportTable
from workbench.version import __version__

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

THEME_COLOURS = {
    "#ffffff": "--paper",
    "#222222": "--ink",
    "#5f666d": "--grey",
    "#b4bbc2": "--pale",
    "#0072b2": "--blue",
    "#e69f00": "--orange",
    "#8a5a00": "--brown",
    "#c24f00": "--vermillion",
}
"""Colours of the figures on a light ground, and the property of the page that takes their place."""


LONGEST = 15
"""Rows of a table, and participants, that stand open on a screen; more are folded until they are opened or printed."""


LONG_NAME = 16
"""Characters of a word that may have to be broken on a phone."""


@dataclass(frozen=True)
class Bar:
    """A contribution as a bar: where it begins and ends, in percent of the width."""

    name: str
    value: str
    left: float
    width: float
    raises: bool
    whisker: tuple[float, float, str] | None = None
    """Left end and width of its spread, and the spread in words."""


def report_html(report: Report) -> str:
    """The report as one HTML document.

    Parameters
    ----------
    report : Report

    Returns
    -------
    str
        Holds its style, its script and its drawings; a policy in it forbids every request.
    """
    return environment().get_template("report.html").render(report=report, version=__version__, bars=bars)


def comparison_html(title: str, reports: Sequence[Report], tables: Sequence[ReportTable] = ()) -> str:
    """The runs of an experiment side by side, each row with a link to nothing but this page.

    Parameters
    ----------
    title : str
        The experiment.
    reports : sequence of Report
    tables : sequence of ReportTable
        What they are compared by.

    Returns
    -------
    str
    """
    template = environment().get_template("comparison.html")
    return template.render(title=title, reports=reports, tables=tables, version=__version__, bars=bars)


def with_theme_colours(svg: str, name: str) -> str:
    """A drawing whose colours follow the theme of the page, and whose ids are its own.

    Parameters
    ----------
    svg : str
        With the colours of the light theme.
    name : str
        Of the drawing, which its ids begin with.

    Returns
    -------
    str
    """
    body = svg[svg.index("<svg") :]
    body = re.sub(r"#[0-9a-f]{6}\b", lambda match: _themed(match[0]), body, flags=re.IGNORECASE)
    body = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', body)
    body = re.sub(r'(xlink:href|href)="#([^"]+)"', rf'\1="#{name}-\2"', body)
    body = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", body)
    return re.sub(r'aria-labelledby="([^"]+)"', lambda match: _labelled(match[1], name), body)


def _themed(colour: str) -> str:
    known = THEME_COLOURS.get(colour.lower())
    return colour if known is None else f"var({known})"


def _labelled(ids: str, name: str) -> str:
    return 'aria-labelledby="' + " ".join(f"{name}-{each}" for each in ids.split()) + '"'


def bars(contributions: Sequence[Contribution]) -> list[Bar]:
    """Contributions as bars around a middle line, the largest as wide as half of the room.

    Parameters
    ----------
    contributions : sequence of Contribution

    Returns
    -------
    list of Bar
    """
    reached = [abs(end) for each in contributions for end in (each.value, each.low, each.high) if end is not None]
    largest = max(reached, default=0.0) or 1.0
    drawn = []
    for each in contributions:
        width = 50 * abs(each.value) / largest
        left = 50.0 if each.value >= 0 else 50.0 - width
        value = _signed(each.value, largest)
        drawn.append(Bar(each.name, value, round(left, 2), round(width, 2), each.value >= 0, _whisker(each, largest)))
    return drawn


def _whisker(each: Contribution, largest: float) -> tuple[float, float, str] | None:
    """Left end and width in percent of the track, and the spread in words."""
    if each.low is None or each.high is None:
        return None
    left, width = 50 + 50 * each.low / largest, 50 * (each.high - each.low) / largest
    return round(left, 2), round(width, 2), f"{_signed(each.low, largest)} to {_signed(each.high, largest)}"


def _signed(value: float, largest: float) -> str:
    decimals = 1 if largest >= 10 else 2 if largest >= 0.1 else 4
    return f"{value:+.{decimals}f}"


def sort_key(cell: str) -> str:
    """What a column is sorted by: the first number of a cell, or its text.

    Parameters
    ----------
    cell : str

    Returns
    -------
    str

    Examples
    --------
    >>> sort_key("2.18 (-0.09 to 4.46)"), sort_key(".042"), sort_key("default mode")
    ('2.18', '0.042', '')
    """
    match = NUMBER.match(cell.replace(",", ""))
    return "" if match is None else str(float(match[0]))


NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?(?=$|[\s%(])")


def breakable(text: str) -> Markup:
    """Escaped text whose long names may end a line after their source, before the second region and after ``_``.

    Parameters
    ----------
    text : str

    Returns
    -------
    Markup

    Examples
    --------
    >>> print(breakable("connectivity:AngularGyrus--mPFC"), breakable("a_b"))
    connectivity:<wbr>AngularGyrus<wbr>--mPFC a_b
    """
    from markupsafe import Markup, escape

    written = escape(text)
    if max(map(len, text.split()), default=0) < LONG_NAME:
        return written
    return Markup(re.sub(r"(?<=[:_])(?=\w)|(?<=\w)(?=--|-&gt;)", "<wbr>", str(written)))  # every part is escaped


def is_numeric(rows: Sequence[Sequence[str]], column: int) -> bool:
    """Whether a column holds numbers, so that it is set to the right.

    Parameters
    ----------
    rows : sequence of sequence of str
    column : int

    Returns
    -------
    bool
    """
    cells = [row[column] for row in rows if row[column]]
    return bool(cells) and all(sort_key(cell) for cell in cells)


@lru_cache(maxsize=1)
def environment() -> Environment:
    """The templates of this package: everything that is filled in is escaped, and what is missing is an error.

    Returns
    -------
    jinja2.Environment
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    templates = Environment(
        loader=PackageLoader("workbench.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {"sort_key": sort_key, "breakable": breakable}
    templates.globals |= {"is_numeric": is_numeric, "longest": LONGEST}
    return templates
