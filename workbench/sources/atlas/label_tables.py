"""Label tables of atlases as their producers write them: names, numbers, networks and coordinates."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from workbench.errors import Problem, Problems, SourceError, listed
from workbench.sources.files.cell_hints import NUMBER
from workbench.sources.files.delimited import DELIMITERS, LISTED, read_text, split_rows

NAME_HEADINGS = (
    *("name", "label", "roi name", "difumo_names", "region"),
    *("regionname", "roi_name", "node", "network_parcel#"),
)
"""Headings of the column with the names, the first that a table has; ``ROI Label`` of CBIG is a number."""

INDEX_HEADINGS = ("gordon_parcel", "index", "roi label", "component", "number", "order", "id", "value", "roi")
NETWORK_HEADINGS = ("network_label", "network", "netname", "yeo_networks7")
COORDINATE_HEADINGS = (("r", "a", "s"), ("x", "y", "z"), ("x_mni", "y_mni", "z_mni"))

BACKGROUND = frozenset({"background", "unknown", "???"})
"""Names of what is not in any region, where they stand at number 0."""

ONLY_IN_COLOUR_TABLES = "Left-Cerebral-Exterior"
"""A label that the colour table of FreeSurfer has, and no segmentation."""

_MM = r"(-?\d+(?:\.\d+)?)"
IN_NAME = re.compile(rf"[( ]{_MM}[, ]\s*{_MM}[, ]\s*{_MM}\)$")
"""Coordinates that end a name, as CONN writes them: ``DefaultMode.MPFC (1,55,-3)``, ``Vis.LH.1 (LG l -12 -61 -5)``."""

Coordinates = tuple[float, float, float]


@dataclass(frozen=True)
class Label:
    """One line of a label table."""

    index: int
    name: str
    network: str = ""
    coordinates: Coordinates | None = None


@dataclass(frozen=True)
class LabelTable:
    """Labels in the order of their file, without the background.

    Parameters
    ----------
    lists_more : bool
        Whether the file lists labels for many images, as the colour table of FreeSurfer does.
    """

    label: str
    rows: tuple[Label, ...]
    lists_more: bool = False
    space: str = field(default="")


def read_label_table(path: Path, label: str = "") -> LabelTable:
    """Read a label table: BIDS ``dseg.tsv``, FreeSurfer colour table, text or XML of AAL, XML of FSL, or plain names.

    What a file is, is told from its content: a header with a column of names; ``number name R G B A``; name and colours
    on alternate lines (Connectome Workbench); ``<label>`` elements; number and name; names alone, numbered from 1.

    Parameters
    ----------
    path : Path
    label : str
        How messages name the file; its name by default.

    Returns
    -------
    LabelTable

    Raises
    ------
    SourceError
        If the file cannot be read, is none of these, or has a number or a name twice.
    """
    label = label or path.name
    text = read_text(path, label)
    lines = [line.rstrip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if text.lstrip().startswith("<"):
        rows = list(_from_xml(text, label))
    elif _is_colour_table(lines):
        rows = [Label(int(cells[0]), cells[1]) for cells in (line.split() for line in lines)]
    elif _is_workbench(lines):
        pairs = zip(lines[::2], lines[1::2], strict=True)
        rows = [Label(int(colours.split()[0]), name.strip()) for name, colours in pairs]
    elif any(mark in lines[0] for mark in DELIMITERS) and _headings(lines[0], label):
        rows = list(_from_table(text, label))
    else:
        rows = list(_from_names(lines, label))
    rows = [row for row in rows if not (row.index == 0 and row.name.casefold() in BACKGROUND)]
    lists_more = any(row.name == ONLY_IN_COLOUR_TABLES for row in rows)
    _refuse_twice(rows, label, names=not lists_more)
    return LabelTable(label, tuple(rows), lists_more, space_of(path))


def _headings(line: str, label: str) -> dict[str, int]:
    """Column of each heading, where a line is a header with a column of names."""
    cells = next(split_rows(line, label=label), (0, []))[1]
    headings = {cell.casefold(): at for at, cell in reversed(list(enumerate(cells)))}
    return headings if _first(headings, NAME_HEADINGS) is not None and not any(map(NUMBER.fullmatch, cells)) else {}


def _first(headings: Mapping[str, int], wanted: Sequence[str]) -> int | None:
    return next((headings[name] for name in wanted if name in headings), None)


def _from_table(text: str, label: str) -> Iterator[Label]:
    (_, header), *rows = split_rows(text, label=label)
    headings = {cell.casefold(): at for at, cell in reversed(list(enumerate(header)))}
    name_at, index_at = _first(headings, NAME_HEADINGS), _first(headings, INDEX_HEADINGS)
    network_at = _first(headings, NETWORK_HEADINGS)
    axes = next(([headings[axis] for axis in three] for three in COORDINATE_HEADINGS if {*three} <= {*headings}), [])
    problems = Problems()
    for number, (line, cells) in enumerate(rows, 1):
        row = dict(enumerate(cells))
        index = row.get(index_at, "") if index_at is not None else str(number)
        name = row.get(-1 if name_at is None else name_at, "")
        place = [row.get(axis, "") for axis in axes]
        if not re.fullmatch(r"\d+(\.0+)?", index) or not name:
            problems.add(f"{label}: line {line}", f"number {index!r} and name {name!r}", "a whole number, and a name")
        elif any(not NUMBER.fullmatch(cell) for cell in place):
            problems.add(f"{label}: line {line}", f"coordinates {', '.join(place)} are not numbers", "in mm")
        else:
            network = row.get(-1 if network_at is None else network_at, "")
            coordinates = _triple(place) if place else _in_name(name)
            yield Label(int(float(index)), name, "" if network == "n/a" else network, coordinates)
    problems.raise_if_any(SourceError)


def _is_colour_table(lines: Sequence[str]) -> bool:
    """``number name R G B A`` on every line, as in ``FreeSurferColorLUT.txt``."""
    return all(re.fullmatch(r"\s*\d+\s+\S+(\s+\d+){3,4}", line) for line in lines)


def _is_workbench(lines: Sequence[str]) -> bool:
    """A name, and ``number R G B A`` on the line after it."""
    colours = lines[1::2]
    return len(lines) % 2 == 0 and all(re.fullmatch(r"\d+(\s+\d+){4}", line.strip()) for line in colours)


def _from_xml(text: str, label: str) -> Iterator[Label]:
    """``<label>`` elements of AAL (index and name inside) or FSL (index from 0 in an attribute, x y z of voxels)."""
    if "<!ENTITY" in text:
        raise SourceError(Problem(label, "declares entities, which no label table needs", "take them out"))
    from xml.etree import ElementTree

    try:
        root = ElementTree.fromstring(text.encode())
    except ElementTree.ParseError as error:
        raise SourceError(Problem(label, f"is not XML: {error}")) from None
    for element in root.iter("label"):
        index, name = element.findtext("index"), element.findtext("name")
        if index is not None and name is not None:
            yield Label(int(index), name.strip())
        elif "index" in element.attrib:  # FSL numbers its list from 0, its images from 1
            yield Label(int(element.attrib["index"]) + 1, (element.text or "").strip())
        else:
            raise SourceError(Problem(label, "has a <label> without a number", "index, as AAL and FSL write it"))


def _from_names(lines: Sequence[str], label: str) -> Iterator[Label]:
    """Number and name (HALFpipe), number, name, number (AAL3), short name, name, number (AAL), or names alone."""
    _refuse_header_without_names(lines, label)
    rows = [line.split("\t") if "\t" in line else [line] for line in lines]
    if all(len(cells) == 1 for cells in rows):
        split = [line.split() for line in lines]
        numbered = all(len(cells) in (2, 3) and cells[0].isdecimal() for cells in split)
        rows = split if numbered else [[line.strip()] for line in lines]
    for number, cells in enumerate(rows, 1):
        cells = [cell.strip() for cell in cells]
        if len(cells) == 1 and sum(map(bool, map(NUMBER.fullmatch, cells[0].split()))) < 3:
            yield Label(number, cells[0], coordinates=_in_name(cells[0]))
        elif len(cells) > 1 and cells[0].isdecimal():
            yield Label(int(cells[0]), cells[1], coordinates=_in_name(cells[1]))
        elif len(cells) >= 3 and cells[2].isdecimal():
            yield Label(int(cells[2]), cells[1])
        else:
            hint = "a header with `index` and `name`, number and name, or one name a line"
            raise SourceError(Problem(label, f"line {number} ({listed(cells, 4)}) is no line of a label table", hint))


def _refuse_header_without_names(lines: Sequence[str], label: str) -> None:
    first = next(split_rows(lines[0], label=label))[1]
    widths = {len(cells) for _, cells in split_rows("\n".join(lines), label=label)}
    if len(first) > 1 and widths == {len(first)} and not any(map(NUMBER.fullmatch, first)):
        found = f"has no column of names among {listed(first)}"
        raise SourceError(Problem(label, found, f"one of: {listed(NAME_HEADINGS)}"))


def _in_name(name: str) -> Coordinates | None:
    place = IN_NAME.search(name)
    return _triple(place.groups()) if place else None


def _triple(cells: Sequence[str]) -> Coordinates:
    x, y, z = (float(cell) for cell in cells)
    return x, y, z


def _refuse_twice(rows: Sequence[Label], label: str, *, names: bool) -> None:
    problems = Problems()
    if not rows:
        problems.add(label, "lists no label")
    for what, found in (("number", [row.index for row in rows]), ("name", [row.name for row in rows])):
        twice = [value for value, count in Counter(found).items() if count > 1]
        if twice and (names or what == "number"):
            problems.add(label, f"has the {what} {listed(map(repr, twice), LISTED)} twice", "one line for each label")
    problems.raise_if_any(SourceError)


def space_of(path: Path) -> str:
    """Template that a BIDS name gives, or an empty text.

    Parameters
    ----------
    path : Path
        Only its name is read: entity ``tpl`` or ``space``.

    Returns
    -------
    str

    Examples
    --------
    >>> space_of(Path("tpl-MNI152NLin2009cAsym_atlas-DiFuMo_desc-64dimensions_probseg.tsv"))
    'MNI152NLin2009cAsym'
    """
    entity = re.search(r"(?:^|_)(?:tpl|space)-([A-Za-z0-9]+)", path.name)
    return entity[1] if entity else ""
