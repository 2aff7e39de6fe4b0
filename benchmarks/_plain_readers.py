"""The same files read again by plain other means, so that what the workbench has taken can be held to what is there.

Not a benchmark itself: `_bad_judge.py` asks it whether a bad input that was accepted was read whole.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
import re
import struct
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from _bad_inputs import BadInput, write
from _bad_links import read_otherwise
from _bad_stores import not_as_stored
from _bad_studies import REGIONS, CleanStudy

Table = dict[tuple[str, str], float]
"""Numbers by participant and feature."""


def built(study: Path, name: str) -> tuple[Table, list[str], set[str]]:
    """The table that the workbench has built, its notes, and columns it left out, from its cache."""
    import pandas as pd

    folder = study / "features" / "tables"
    stored = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    values = np.load(folder / f"{name}.values.npy")
    features = pd.read_parquet(folder / f"{name}.parquet")["feature"].astype(str)
    table = {
        (person, feature): float(value)
        for (person, _), row in zip(stored["rows"], values, strict=True)
        for feature, value in zip(features, row, strict=True)
    }
    left_out = stored["left_out"] or {}
    return table, stored["notes"], set(left_out.get("why", {}))


def same(one: Table, other: Table) -> bool:
    """Whether two tables hold the same numbers, missing ones included."""
    return one.keys() == other.keys() and all(
        one[key] == other[key] or (math.isnan(one[key]) and math.isnan(other[key])) for key in one
    )


@cache
def clean_table(study: CleanStudy) -> Table:
    """What the workbench makes of a clean study."""
    import tempfile

    from workbench.pipeline import features

    with tempfile.TemporaryDirectory() as folder:
        path = next(iter(study.files))
        root = write(BadInput("", study, path, "", study.files[path]), Path(folder))
        features(study=root)
        return built(root, study.name)[0]


def difference(bad: BadInput, study: Path, printed: str) -> str:
    """How what was accepted differs from what is there; empty where it does not.

    Parameters
    ----------
    bad : BadInput
        That the workbench has accepted.
    study : Path
        On the disk, with its tables built.
    printed : str
        What the command has printed.

    Returns
    -------
    str
    """
    if bad.kind == "specs":
        return _of_spec(bad, study)
    if bad.kind == "stores":
        return not_as_stored(bad.path, study, lambda: _whole_again(bad, study, printed))
    if bad.kind == "links":
        return read_otherwise(bad.change, lambda: _whole_again(bad, study, printed))
    try:
        table, notes, left_out = built(study, bad.study.name)
    except FileNotFoundError:
        return "the command succeeded, and there is no table"
    clean = clean_table(bad.study)
    if bad.content is None:
        return _of_odd_file(bad, table, clean, notes)
    suffix = "".join(Path(bad.path).suffixes)
    compare = _COMPARED.get(suffix)
    try:
        return compare(bad, table, clean, (notes, left_out), study) if compare else ""
    except UnreadableError as error:
        return f"accepted, and a plain reader cannot read it: {error}"


def _whole_again(bad: BadInput, study: Path, printed: str) -> bool:
    """Whether the table is as it was; where it could not be kept, what was printed of it says so."""
    try:
        return same(built(study, bad.study.name)[0], clean_table(bad.study))
    except OSError:
        return "pet (pet): 12 participants, 12 rows, 4 features" in printed


class UnreadableError(Exception):
    """A plain reader refuses the file."""


def _of_odd_file(bad: BadInput, table: Table, clean: Table, notes: list[str]) -> str:
    """All there as before; or, of a file for each participant, all but those whose file has no name that fits."""
    if same(table, clean):
        return ""
    lost = {person for person, _ in clean} - {person for person, _ in table}
    of_one = re.search(r"(\d\d)_ses-b0", bad.path)
    gone = ("is gone", "has a long name", "has a name that is no text", "has a name of two lines")
    if of_one and bad.change in gone and lost == {f"sub-{of_one[1]}"}:
        return ""  # there is no such file
    return f"{bad.change}: the table differs, without {sorted(lost)}; notes: {notes}"


# ------------------------------------------------------------------------------------------------------------- tables


def grid_of(content: bytes, path: str) -> list[list[str]]:
    """The cells of a table."""
    if path.endswith(".xlsx"):
        return _sheet(content)
    if path.endswith(".gz"):
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, ValueError) as error:
            raise UnreadableError(error) from None
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    encoding = "utf-32" if content[:4] == b"\xff\xfe\0\0" else encoding
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise UnreadableError(error) from None
    lines = re.split("\r\n|\r|\n", text)
    if lines[0].lower().startswith("sep="):
        mark, lines = lines[0][4], lines[1:]
    else:
        mark = "\t" if "\t" in lines[0] else max(",;", key=lines[0].count)
    csv.field_size_limit(1 << 30)
    rows = [[cell.strip() for cell in row] for row in csv.reader((line + "\n" for line in lines), delimiter=mark)]
    return [row for row in rows if any(row)]


def _sheet(content: bytes) -> list[list[str]]:
    import openpyxl

    try:
        book = openpyxl.load_workbook(io.BytesIO(content), data_only=True)
        sheet = next(each for each in book.worksheets if each.max_row > 1 or each["A1"].value is not None)
        rows = [
            ["" if cell is None else str(cell).strip() for cell in row] for row in sheet.iter_rows(values_only=True)
        ]
    except Exception as error:
        raise UnreadableError(error) from None
    return [row for row in rows if any(row)]


def person_of(raw: str) -> str:
    """An id as the study has it: without its prefix, and with two digits where it is all digits."""
    bare = raw.strip().removeprefix("sub-")
    return f"sub-{bare.zfill(2) if bare.isdecimal() else bare}"


def number_of(cell: str) -> float:
    """A cell as Python reads a number; raises ValueError."""
    return math.nan if cell in ("n/a", "NaN", "nan") and cell == "n/a" else float(cell)


def _of_wide(bad: BadInput, table: Table, clean: Table, said: tuple[list[str], set[str]], study: Path) -> str:
    assert bad.content is not None
    grid = grid_of(bad.content, bad.path)
    if Path(bad.path).name.startswith("participants"):
        return _of_participants(bad, grid, study)
    if Path(bad.path).name.startswith("madrs"):
        return _of_ratings(grid, study)
    header, rows = grid[0], grid[1:]
    if "region" in header and "suvr" in header:
        at = {name: header.index(name) for name in ("participant_id", "region", "suvr")}
        cells = {(person_of(row[at["participant_id"]]), row[at["region"]]): row[at["suvr"]] for row in rows}
    else:
        first = header.index("participant_id")
        cells = {
            (person_of(row[first]), name): row[k]
            for row in rows
            for k, name in enumerate(header)
            if k != first and name
        }
    return _compared(cells, table, {person for person, _ in clean}, said)


def _compared(
    cells: dict[tuple[str, str], str], table: Table, known: set[str], said: tuple[list[str], set[str]]
) -> str:
    notes, left_out = said
    features = {feature for _, feature in table}
    unsaid = {feature for _, feature in cells} - features - left_out
    if unsaid:
        return f"columns that are neither features nor left out: {sorted(unsaid)[:3]}"
    strangers = {person for person, _ in cells} - known
    if strangers and not notes:
        return f"rows of {sorted(strangers)[:3]} left out without a word"
    for key, cell in cells.items():
        if key[1] not in features or key[0] not in known:
            continue
        if key not in table:
            return f"{key} is in the file ({cell[:40]!r}) and not in the table"
        try:
            value = number_of(cell)
        except (ValueError, IndexError):
            return f"{key} is {cell[:40]!r} in the file and {table[key]} in the table"
        if table[key] != value and not (math.isnan(value) and math.isnan(table[key])):
            return f"{key} is {cell[:40]!r} in the file and {table[key]} in the table"
    more = {key for key in table if key not in cells and not math.isnan(table[key])}
    return f"numbers that are not in the file: {sorted(more)[:3]}" if more else ""


def _cohort(study: Path) -> Any:
    from workbench.pipeline.study_data import study_with_data
    from workbench.sources.cohort.participants import read_cohort

    opened = study_with_data(study, None)
    return read_cohort(opened.cohort, opened.data)


def _of_participants(bad: BadInput, grid: list[list[str]], study: Path) -> str:
    cohort = _cohort(study)
    header, rows = grid[0], grid[1:]
    first = header.index("participant_id")
    people = {person_of(row[first]): row for row in rows}
    if set(cohort.participants.index) != set(people):
        apart = set(cohort.participants.index) ^ set(people)
        return f"participants of the file and of the cohort differ: {sorted(apart)[:3]}; notes: {cohort.notes}"
    columns = cohort.participants.to_dict()
    for k, name in enumerate(header):
        if k == first or name not in columns:
            continue
        for person, row in people.items():
            value = columns[name][person]
            cell = row[k] if k < len(row) else ""
            if not _stands_for(cell, value):
                return f"{name} of {person} is {cell[:40]!r} in the file and {value!r} in the cohort"
    return ""


def _stands_for(cell: str, value: object) -> bool:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return cell == "n/a"
    if isinstance(value, str):
        return value == cell
    try:
        return float(cell) == value
    except ValueError:
        return False


def _of_ratings(grid: list[list[str]], study: Path) -> str:
    header, rows = grid[0], grid[1:]
    at = [header.index(name) for name in ("participant_id", "session_id", "MADRS")]
    file = {(person_of(row[at[0]]), row[at[1]]): row[at[2]] for row in rows}
    cohort = _cohort(study)
    scores = cohort.scores
    read = {(row.participant_id, row.session): row.value for row in scores.itertuples() if row.score == "MADRS"}
    strangers = {person for person, _ in file} - set(cohort.participants.index)
    if strangers and not cohort.notes:
        return f"ratings of {sorted(strangers)[:3]} left out without a word"
    for key, cell in file.items():
        if key[0] not in strangers and key[1] in ("ses-b0", "ses-d2") and not _stands_for(cell, read.get(key)):
            return f"the rating of {key} is {cell[:40]!r} in the file and {read.get(key)} in the study"
    more = set(read) - set(file)
    return f"ratings that are not in the file: {sorted(more)[:3]}" if more else ""


# ----------------------------------------------------------------------------------------------------------- matrices


def _of_matrix(bad: BadInput, table: Table, clean: Table, said: tuple[list[str], set[str]], study: Path) -> str:
    assert bad.content is not None
    person = f"sub-{Path(bad.path).name.removeprefix('sub-')[:2]}"
    read = _npy if bad.path.endswith(".npy") else _mat if bad.path.endswith(".mat") else _text_matrix
    names, values = read(bad.content)
    others = {key: value for key, value in clean.items() if key[0] != person}
    if not same({key: value for key, value in table.items() if key[0] != person}, others):
        return "files that were not changed have other values"
    for (whose, feature), value in table.items():
        if whose != person:
            continue
        one, directed, other = re.fullmatch(r"(.+?)(->|--)(.+)", feature).groups()  # type: ignore[union-attr]
        if not {one, other} <= set(names):
            expected = math.nan
        else:  # of a model the edge runs from column to row
            row, column = names.index(one), names.index(other)
            expected = float(values[column, row] if directed == "->" else values[row, column])
        if value != expected and not (math.isnan(value) and math.isnan(expected)):
            return f"{feature} is {expected} in the file and {value} in the table"
    return ""


def _text_matrix(content: bytes) -> tuple[list[str], np.ndarray]:
    grid = grid_of(content, ".tsv")
    if all(len(row) == 1 for row in grid):  # matrices may be aligned with blanks
        grid = [row[0].split() for row in grid]
    names_alone = len(grid[0]) == len(grid[-1]) == len(grid) - 1  # of columns, above a square of numbers
    names = grid[0][1:] if len(grid[0]) == len(grid[-1]) and not names_alone else grid[0]
    rows = {row[0]: row[1:] for row in grid[1:]}
    if set(rows) != set(names):
        if len(names) != len(grid) - 1:
            raise UnreadableError(f"{len(grid) - 1} rows for {len(names)} names")
        rows = dict(zip(names, (row[-len(names) :] for row in grid[1:]), strict=True))
    try:
        return names, np.array([[number_of(cell) for cell in rows[name]] for name in names])
    except ValueError as error:
        raise UnreadableError(error) from None


def _npy(content: bytes) -> tuple[list[str], np.ndarray]:
    stream = io.BytesIO(content)
    try:
        values = np.load(stream, allow_pickle=False)
    except Exception as error:
        raise UnreadableError(error) from None
    if stream.read():
        raise UnreadableError("bytes after the array")
    return list(REGIONS), values


def _mat(content: bytes) -> tuple[list[str], np.ndarray]:
    from scipy.io import loadmat

    try:
        if content.startswith(b"MATLAB 5"):
            found = loadmat(io.BytesIO(content), struct_as_record=False, squeeze_me=True)
            values = found["A"] if "A" in found else found["DCM"].Ep.A if "DCM" in found else None
            if values is None:
                values = next(value for name, value in found.items() if not name.startswith("__"))
        else:
            import h5py

            with h5py.File(io.BytesIO(content)) as file:
                name = "A" if "A" in file else next(iter(file))
                values = np.asarray(file[name]).T
    except Exception as error:
        raise UnreadableError(error) from None
    return list(REGIONS), np.asarray(values)


def _of_conn(bad: BadInput, table: Table, clean: Table, said: tuple[list[str], set[str]], study: Path) -> str:
    from scipy.io import loadmat

    assert bad.content is not None
    try:
        Z = loadmat(io.BytesIO(bad.content))["Z"]
    except Exception as error:
        raise UnreadableError(error) from None
    for (person, feature), value in table.items():
        one, _, other = re.fullmatch(r"(.+?)(->|--)(.+)", feature).groups()  # type: ignore[union-attr]
        if {one, other} <= set(REGIONS):
            expected = Z[REGIONS.index(one), REGIONS.index(other), int(person[-2:]) - 1]
            if value != expected and not (math.isnan(value) and math.isnan(expected)):
                return f"{feature} of {person} is {expected} in the file and {value} in the table"
    return "" if table.keys() == clean.keys() else "other participants or features, without a word"


# ------------------------------------------------------------------------------------------------------------- images


def _of_image(bad: BadInput, table: Table, clean: Table, said: tuple[list[str], set[str]], study: Path) -> str:
    import nibabel

    assert bad.content is not None
    if "atlas" in bad.path:
        return "" if {p for p, _ in table} == {p for p, _ in clean} else "participants are lost with the atlas"
    try:
        content = gzip.decompress(bad.content) if bad.path.endswith(".gz") else bad.content
        image = nibabel.Nifti1Image.from_bytes(content)
        values = np.asarray(image.dataobj)
    except Exception as error:
        raise UnreadableError(error) from None
    order = "<" if image.header.endianness == "<" else ">"
    place = max(352, int(struct.unpack_from(f"{order}f", content, 108)[0]))
    voxel = image.get_data_dtype().itemsize
    if len(content) - place - values.size * voxel >= math.prod(values.shape[:2]) * voxel:
        return f"accepted with {len(content)} bytes, more than its header says"
    if values.shape != (6, 5, 4) or not np.allclose(image.affine, np.diag([3.0, 3.0, 3.0, 1.0])):
        return ""  # the atlas is laid over another grid
    person = f"sub-{Path(bad.path).name[4:6]}"
    for at, region in enumerate(REGIONS):
        voxels = np.asarray(values[:, :, at], dtype=float).ravel()
        measured = np.isfinite(voxels) & (voxels != 0)
        expected = voxels[measured].mean() if measured.mean() >= 0.5 else math.nan
        value = table.get((person, region), math.nan)
        if not np.isclose(value, expected, rtol=1e-6, atol=0, equal_nan=True):
            return f"{region} of {person} is {expected} in the image and {value} in the table"
    return ""


# ------------------------------------------------------------------------------------------------------- JSON and TOML


def _of_json(bad: BadInput, table: Table, clean: Table, said: tuple[list[str], set[str]], study: Path) -> str:
    assert bad.content is not None
    if not same(table, clean):
        return "values of the curves depend on a file that only describes them"
    if "mriqc" in bad.path:
        try:
            value = json.loads(bad.content.decode("utf-8-sig"))["fd_mean"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise UnreadableError(error) from None
        made = _cohort(study).participants.loc["sub-01", "mean_fd"]
        return (
            ""
            if math.isclose(made, value * 200 / 199, rel_tol=0.01) or made == value
            else f"mean_fd is {made}, not {value}"
        )
    return ""


def _of_labels(bad: BadInput, table: Table, clean: Table, said: tuple[list[str], set[str]], study: Path) -> str:
    if any("not in the study" in note for note in said[0]):
        return ""
    return "" if {p for p, _ in table} == {p for p, _ in clean} else "participants are lost with the names of regions"


def _of_spec(bad: BadInput, study: Path) -> str:
    """Every key of a specification that was accepted is in what was understood."""
    from workbench.specs.reading import examine_cohort, examine_experiment, examine_source

    name = Path(bad.path).name
    if bad.content is None or name in ("workbench.local.toml", "regions.toml"):
        return ""
    examine = (
        examine_cohort if name == "cohort.toml" else examine_experiment if "experiments" in bad.path else examine_source
    )
    spec = examine(study / bad.path).spec
    if spec is None:
        return "the command succeeded on a specification with problems"
    return _unsaid(tomllib.loads(bad.content.decode()), spec.model_dump(by_alias=True), name)


def _unsaid(written: Any, understood: Any, where: str) -> str:
    if isinstance(written, dict):
        if not isinstance(understood, dict):
            return f"{where} was not understood as a table"
        return next(
            (
                said
                for key, value in written.items()
                if (said := _unsaid(value, understood.get(key), f"{where}: {key}"))
            ),
            "",
        )
    if isinstance(written, list):
        if len(written) != len(understood or ()):
            return f"{where} has {len(written)} entries, of which {len(understood or ())} were understood"
        return next(
            (
                said
                for k, (one, other) in enumerate(zip(written, understood, strict=True))
                if (said := _unsaid(one, other, f"{where}[{k}]"))
            ),
            "",
        )
    return "" if understood == written else f"{where} is {written!r} in the file and was understood as {understood!r}"


_COMPARED = {
    ".tsv": lambda *given: (
        _of_matrix if "/conn/" in given[0].path else _of_labels if "atlas" in given[0].path else _of_wide
    )(*given),
    ".tsv.gz": _of_wide,
    ".xlsx": _of_wide,
    ".npy": _of_matrix,
    ".mat": lambda *given: (_of_conn if "resultsROI" in given[0].path else _of_matrix)(*given),
    ".nii": _of_image,
    ".nii.gz": _of_image,
    ".json": _of_json,
    ".txt": _of_labels,
}
"""By the end of the name of the file that was made bad."""
