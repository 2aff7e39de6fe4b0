"""The figures of a run as they stand in its report."""

from __future__ import annotations

import base64
import re
from html import escape, unescape
from pathlib import Path

from workbench.records import ReportPicture
from workbench.reporting.page import with_theme_colours

LARGEST_SVG = 400_000
"""Bytes; a larger drawing, of thousands of points, stands in the report as an image."""


def pictures_in(folder: Path) -> dict[str, ReportPicture]:
    """Every figure in a folder by its name, drawn on the ground of the page.

    Parameters
    ----------
    folder : Path
        With ``NAME.svg`` and ``NAME.png``; those for a dark ground are left out, since drawings follow the page.

    Returns
    -------
    dict of str to ReportPicture
        Empty where the folder does not exist; files that hold no drawing are left out.
    """
    files = sorted(path for path in folder.glob("*.svg") if not path.stem.endswith("-dark"))
    drawings = {path: path.read_text(encoding="utf-8") for path in files}
    return {path.stem: _picture(path, svg) for path, svg in drawings.items() if "<svg" in svg}


def _picture(path: Path, svg: str) -> ReportPicture:
    title, alt = _inside(svg, "title"), _inside(svg, "desc")
    image = path.with_suffix(".png")
    if len(svg) > LARGEST_SVG and image.is_file():
        data = base64.b64encode(image.read_bytes()).decode()
        return ReportPicture(f'<img src="data:image/png;base64,{data}" alt="{escape(alt)}">', title, alt)
    return ReportPicture(with_theme_colours(svg, path.stem), title, alt)


def _inside(svg: str, tag: str) -> str:
    match = re.search(rf"<{tag}[^>]*>(.*?)</{tag}>", svg, re.DOTALL)
    return unescape(match[1]).strip() if match else ""
