"""How every picture looks, and how it is written to disk."""

from __future__ import annotations

import re
import textwrap
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from xml.sax.saxutils import escape

from workbench.figures.words import feature_words, glued, label_size, lines, outcome_line, standing
from workbench.records import RunResult

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from PIL.Image import Image

# Okabe and Ito (2008), Color Universal Design: told apart with every common colour vision deficiency. Vermillion is a
# little darker than theirs and orange has a dark relative, so that words in them can be read on paper.
PAPER = "#FFFFFF"
INK = "#222222"
GREY = "#5F666D"
PALE = "#B4BBC2"
BLUE = "#0072B2"
ORANGE = "#E69F00"
BROWN = "#8A5A00"
VERMILLION = "#C24F00"


@dataclass(frozen=True)
class Theme:
    """A ground to draw on."""

    suffix: str
    """Ends the file name."""
    colours: Mapping[str, str]
    """What each colour of the light theme becomes; drawing code knows the light one only."""


LIGHT = Theme("", {})
DARK = Theme(
    "-dark",
    {
        PAPER: "#14181D",
        INK: "#F1F3F5",
        GREY: "#AEB6BE",
        PALE: "#59636D",
        BLUE: "#56B4E9",
        ORANGE: "#F0C000",
        BROWN: "#F0C000",
        VERMILLION: "#FF8A50",
    },
)
THEMES = (LIGHT, DARK)

DPI = 200
WIDTH = 8.0
"""Inches; with type of 13 points a picture stays legible when it fills half a slide."""
LINE = 0.23
"""Inches from one line of the caption to the next."""
MARGIN = 0.25
"""Inches left and right of every line of text."""
CAPTION_SIZE = 11.0
COLOURS = 128
"""Of a PNG: more than its eight colours and their smooth edges need; the file is a third as large."""

RC: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # ships with matplotlib, so that every machine draws the same
    "font.size": 13,
    "text.color": INK,
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
    "text.hinting": "none",  # a font's own hinting costs a sixth of all drawing, and is not seen at this resolution
    "text.usetex": False,
    "text.parse_math": False,  # "gain $5 > $0" is a name, not a formula: every text is drawn as it is written
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


def name_rows(axes: Axes, names: Sequence[str]) -> None:
    """Write the names of features beside the rows of a picture, from the first one down.

    Parameters
    ----------
    axes : Axes
    names : sequence of str
    """
    axes.set_yticks(range(len(names)), [feature_words(name, 34) for name in names])
    for label in axes.get_yticklabels():
        label.set_fontsize(label_size(label.get_text()))
    axes.tick_params(axis="y", length=0, labelcolor=INK)


def canvas(
    result: RunResult, title: str, caption: str, *, height: float = 4.4, left: float = 1.15, below: float = 0.0
) -> tuple[Figure, Axes]:
    """An empty picture with title, the claim and the outcome below it, and a caption at its foot.

    Parameters
    ----------
    result : RunResult
    title, caption : str
    height, left, below : float
        Inches of the axes, of the margin on their left, and of extra room between them and the caption.

    Returns
    -------
    tuple of (Figure, Axes)
    """
    heads = (title, standing(result), outcome_line(result))
    return headed(heads, claim_colour(result), caption, height=height, left=left, below=below)


def headed(
    heads: tuple[str, str, str],
    colour: str,
    caption: str,
    *,
    height: float = 4.4,
    left: float = 1.15,
    below: float = 0.0,
) -> tuple[Figure, Axes]:
    """An empty picture with title, a line in some colour, a grey line and a caption: `canvas` where no run is.

    Parameters
    ----------
    heads : tuple of (str, str, str)
        Title, line in `colour`, grey line.
    colour, caption : str
    height, left, below : float
        Inches, as of `canvas`.

    Returns
    -------
    tuple of (Figure, Axes)
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    title, stands, asks = heads
    written = (
        (fitted(title, 16.0, "bold"), 16.0, 0.30, INK, "bold"),
        (fitted(stands, 12.5), 12.5, 0.25, colour, "normal"),
        (fitted(asks, 12.0), 12.0, 0.24, GREY, "normal"),
    )
    foot = fitted(caption, CAPTION_SIZE)
    head_inches = 0.4 + sum(line * lines(text) for text, _, line, _, _ in written)
    foot_inches = 0.95 + below + LINE * lines(foot)
    total = head_inches + height + foot_inches
    figure = Figure(figsize=(WIDTH, total), dpi=DPI, facecolor=PAPER)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((left / WIDTH, foot_inches / total, (WIDTH - left - 0.25) / WIDTH, height / total))
    axes.patch.set_visible(False)
    top = 0.16
    for text, size, line, shade, weight in written:
        style = {"va": "top", "fontsize": size, "fontweight": weight, "color": shade, "linespacing": 1.3}
        figure.text(MARGIN / WIDTH, 1 - top / total, text, **style)  # type: ignore[arg-type]
        top += line * lines(text) + 0.04
    figure.text(MARGIN / WIDTH, 0.12 / total, foot, va="bottom", fontsize=CAPTION_SIZE, color=GREY, linespacing=1.3)
    return figure, axes


def claim_colour(result: RunResult) -> str:
    """Vermillion where prediction is not shown or was not tested, blue otherwise; the words say the same.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    str
    """
    return BLUE if result.claim.shows_prediction else VERMILLION


@lru_cache(maxsize=256)  # measuring takes long, and the lines at the head of a run's pictures are the same ones
def fitted(text: str, size: float, weight: str = "normal") -> str:
    """Text broken at the same places, so that no line is wider than the picture, whatever letters it has.

    Parameters
    ----------
    size : float
        Of the type, in points.
    """
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(family="DejaVu Sans", size=size, weight=weight)
    room = (WIDTH - 2 * MARGIN) * 72

    def fits(line: str) -> bool:
        return bool(text_to_path.get_text_width_height_descent(line, font, ismath=False)[0] <= room)

    rows, words = list[str](), glued(text).lstrip(" ").split(" ")
    while words:
        # Measuring a line is what takes long: how many words fit is looked for by halving, a first one always does.
        n_words = max(1, bisect_left(range(len(words)), True, key=lambda last: not fits(" ".join(words[: last + 1]))))
        rows.append(" ".join(words[:n_words]))
        del words[:n_words]
        while words and not words[0]:
            del words[0]
    # A single word wider than the picture is the only one that is broken inside.
    return "\n".join(row.rstrip(" ") if fits(row) else textwrap.fill(row, 60, break_on_hyphens=False) for row in rows)


def save(picture: Picture, path: Path) -> tuple[Path, ...]:
    """Write a picture as PNG and SVG in every theme, its alternative text inside.

    It is drawn once, in the light theme; the others have its colours exchanged, which costs next to nothing and moves
    nothing. No dates, no versions: the same picture, the same bytes.

    Parameters
    ----------
    picture : Picture
    path : Path
        Without suffix, which theme and kind of file add.

    Returns
    -------
    tuple of Path
    """
    import numpy as np

    pixels, svg = _pixels(picture.figure), _svg(picture)
    png, palette = _png(pixels, picture), np.asarray(pixels.getpalette(), dtype=float).reshape(-1, 3)
    written: list[Path] = []
    for theme in THEMES:
        files = [path.with_name(f"{path.name}{theme.suffix}.{kind}") for kind in ("png", "svg")]
        files[0].write_bytes(_with_palette(png, mixed_anew(palette, theme)))
        files[1].write_bytes(_exchanged(svg, theme).encode())
        written += files
    return tuple(written)


def _pixels(figure: Figure) -> Image:
    """The drawn picture with a palette of its own."""
    import numpy as np
    from PIL import Image

    canvas = cast("FigureCanvasAgg", figure.canvas)  # whose renderer has measured much of the text already
    canvas.draw()  # type: ignore[no-untyped-call]
    drawn = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")  # type: ignore[no-untyped-call]
    return drawn.quantize(COLOURS, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)


def _png(pixels: Image, picture: Picture) -> bytes:
    from io import BytesIO

    from PIL.PngImagePlugin import PngInfo

    described, file = PngInfo(), BytesIO()
    described.add_text("Title", picture.title)
    described.add_itxt("Description", picture.alt)
    pixels.save(file, "png", dpi=(DPI, DPI), pnginfo=described, compress_level=4)  # 5 % larger than 6, .6 of the time
    return file.getvalue()


def _with_palette(png: bytes, colours: np.ndarray) -> bytes:
    """A PNG with another palette: compressing its pixels, which stay the same, is what takes long."""
    import zlib

    import numpy as np

    start = png.index(b"PLTE")
    length = int.from_bytes(png[start - 4 : start], "big")
    chunk = b"PLTE" + colours.astype(np.uint8).tobytes()[:length]
    return png[:start] + chunk + zlib.crc32(chunk).to_bytes(4, "big") + png[start + 4 + length + 4 :]


def mixed_anew(palette: np.ndarray, theme: Theme) -> np.ndarray:
    """Colours of a drawn picture in another theme.

    Each is taken as one of the light theme's colours, or as a mixture of two where an edge is smooth or something can
    be seen through, with the ground as one of the two where that fits as well; and is mixed anew in the same shares.

    Parameters
    ----------
    palette : ndarray of shape (n_colours, 3)
        Red, green and blue, 0 to 255.

    Returns
    -------
    ndarray of shape (n_colours, 3)
        0 to 255, whole numbers.
    """
    import numpy as np

    light, other = (np.array([_rgb(colour) for colour in each]) for each in (DARK.colours, _colours(theme)))
    first, second = np.triu_indices(len(light), 1)
    way = light[second] - light[first]
    share = np.clip(((palette[:, None] - light[first]) * way).sum(axis=2) / (way**2).sum(axis=1), 0, 1)[..., None]
    missed = ((light[first] + share * way - palette[:, None]) ** 2).sum(axis=2) + 30.0 * (first > 0)
    best = missed.argmin(axis=1)
    chosen = share[np.arange(len(palette)), best]
    chosen = np.where(np.abs(chosen - 0.5) > 0.47, np.round(chosen), chosen)  # what is all but pure is pure
    return np.asarray(np.round(other[first[best]] + chosen * (other[second[best]] - other[first[best]])))


def _colours(theme: Theme) -> list[str]:
    """The colours of a theme in the order of the light ones, the ground first."""
    return [theme.colours.get(colour, colour) for colour in DARK.colours]


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _svg(picture: Picture) -> str:
    from io import StringIO

    drawn = StringIO()
    described = {"Title": picture.title, "Description": picture.alt, "Date": None, "Creator": None}
    picture.figure.savefig(drawn, format="svg", metadata=described)
    return _spoken(drawn.getvalue(), picture.alt)


def _exchanged(svg: str, theme: Theme) -> str:
    colours = {light.lower(): colour.lower() for light, colour in theme.colours.items()}
    return re.sub(r"#[0-9a-f]{6}\b", lambda match: colours.get(match[0], match[0]), svg)


def _spoken(svg: str, alt: str) -> str:
    """The SVG with role and description, so that a screen reader says what a sighted reader sees."""
    svg = svg.replace("<svg ", '<svg role="img" aria-labelledby="title desc" ', 1)
    svg = svg.replace("<title>", '<title id="title">', 1)
    return svg.replace("</title>", f'</title>\n <desc id="desc">{escape(alt)}</desc>', 1)
