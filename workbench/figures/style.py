"""How every picture looks, and how it is written to disk."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from workbench.records import Performance, RunResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito (2008), Color Universal Design: told apart with every common colour vision deficiency.
BLUE = "#0072B2"
SKY = "#56B4E9"
ORANGE = "#E69F00"
VERMILLION = "#D55E00"
GREEN = "#009E73"
INK = "#222222"
GREY = "#6B6B6B"
PALE = "#C4C9CE"

DPI = 200
WIDTH = 8.0
"""Inches; with type of 13 points a picture stays legible when it fills half a slide."""
LINE = 0.225
"""Inches from one line of the caption to the next."""

RC: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # ships with matplotlib, so that every machine draws the same
    "font.size": 13,
    "axes.labelsize": 13,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "legend.fontsize": 11.5,
    "svg.fonttype": "none",  # text stays text: it can be edited and read aloud
    "svg.hashsalt": "biomarker-workbench",
    "path.simplify": False,
    "text.usetex": False,
    "figure.constrained_layout.use": False,
}


@dataclass(frozen=True, eq=False)
class Picture:
    """A figure ready to be saved, with the words that stand for it."""

    figure: Figure
    title: str
    alt: str
    """What the picture shows, in words, for those who cannot see it."""


@contextmanager
def look() -> Iterator[None]:
    """The workbench's look inside, matplotlib's own settings untouched outside."""
    import matplotlib as mpl

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(RC)
        yield


def canvas(
    result: RunResult, title: str, caption: str, *, height: float = 4.4, left: float = 1.15, below: float = 0.0
) -> tuple[Figure, Axes]:
    """An empty picture with title, the claim below it and a caption at its foot.

    Parameters
    ----------
    height, left, below : float
        Inches of the axes, of the margin on their left, and of extra room between them and the caption.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    heads = [textwrap.fill(title, 58), textwrap.fill(standing(result), 82)]
    foot = textwrap.fill(caption, 98)
    head_inches = 0.2 + 0.3 * lines(heads[0]) + 0.26 * lines(heads[1]) + 0.15
    foot_inches = 0.95 + below + LINE * lines(foot)
    total = head_inches + height + foot_inches
    figure = Figure(figsize=(WIDTH, total), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((left / WIDTH, foot_inches / total, (WIDTH - left - 0.25) / WIDTH, height / total))
    top = 1 - 0.16 / total
    figure.text(0.25 / WIDTH, top, heads[0], va="top", fontsize=16, fontweight="bold", color=INK)
    below = top - (0.3 * lines(heads[0]) + 0.04) / total
    figure.text(0.25 / WIDTH, below, heads[1], va="top", fontsize=12, color=claim_colour(result), linespacing=1.35)
    figure.text(0.25 / WIDTH, 0.12 / total, foot, va="bottom", fontsize=10.5, color=GREY, linespacing=1.35)
    return figure, axes


def standing(result: RunResult) -> str:
    """The line below every title: verdict, who was analysed, which run."""
    scores = result.scores
    people = f"n = {scores.n_participants}" + (" simulated participants" if scores.synthetic else " participants")
    verdict = result.claim.verdict
    return f"{verdict[:1].upper()}{verdict[1:]}   |   {people}   |   {scores.run_name}"


def claim_colour(result: RunResult) -> str:
    """Vermillion where prediction is not shown, blue otherwise; the words say the same."""
    return VERMILLION if result.claim.verdict == "prediction not shown" else BLUE


def outcome_axis(result: RunResult, lead: str, width: int = 48) -> str:
    """``Observed fall in MADRS (points)``, broken into lines that fit an axis."""
    return balanced(f"{lead} {result.scores.outcome}{unit(result, ' ({})')}", width)


def unit(result: RunResult, form: str = " {}") -> str:
    """The unit of the outcome in some form of words; nothing where it has none."""
    return form.format(result.scores.outcome_unit) if result.scores.outcome_unit else ""


def balanced(text: str, width: int) -> str:
    r"""Text broken into as few lines as fit, of about equal length.

    >>> balanced("Observed fall in MADRS from ses-b0 to ses-d2 (points)", 48)
    'Observed fall in MADRS from\nses-b0 to ses-d2 (points)'
    """
    fewest = lines(textwrap.fill(text, width))
    for narrower in range(len(text) // fewest, width):
        if lines(textwrap.fill(text, narrower)) == fewest:
            return textwrap.fill(text, narrower)
    return textwrap.fill(text, width)


def lines(text: str) -> int:
    """Lines of a text that has been broken already."""
    return text.count("\n") + 1


def number(value: float) -> str:
    """A value with two decimals and a true minus sign.

    >>> number(-0.061), number(-0.001)
    ('−0.06', '0.00')
    """
    text = f"{value:.2f}"
    return (text.lstrip("-") if float(text) == 0 else text).replace("-", "\N{MINUS SIGN}")


def p_text(p: float | None) -> str:
    """A p-value with two significant digits.

    >>> p_text(0.000999), p_text(0.41), p_text(None)
    ('p = 0.001', 'p = 0.41', 'no p')
    """
    return "no p" if p is None else f"p = {p:.2g}"


def slope_words(performance: Performance) -> str:
    """The calibration slope in words; there is none where everyone is predicted the same."""
    if performance.calibration_slope != performance.calibration_slope:
        return "The calibration slope is not defined: the predictions do not differ between people."
    return f"The calibration slope is {number(performance.calibration_slope)} (1 would be perfect)."


def save(picture: Picture, path: Path) -> tuple[Path, Path]:
    """Write a picture as PNG and SVG with the alternative text inside; no dates: the same picture, the same bytes."""
    png, svg = path.with_name(f"{path.name}.png"), path.with_name(f"{path.name}.svg")
    described = {"Title": picture.title, "Description": picture.alt}
    picture.figure.savefig(png, dpi=DPI, metadata={**described, "Software": None})
    picture.figure.savefig(svg, metadata={**described, "Date": None, "Creator": None})
    svg.write_bytes(_spoken(svg.read_text(encoding="utf-8"), picture.alt).encode())
    return png, svg


def _spoken(svg: str, alt: str) -> str:
    """The SVG with role and description, so that a screen reader says what a sighted reader sees."""
    svg = svg.replace("<svg ", '<svg role="img" aria-labelledby="title desc" ', 1)
    svg = svg.replace("<title>", '<title id="title">', 1)
    return svg.replace("</title>", f'</title>\n <desc id="desc">{escape(alt)}</desc>', 1)
