"""Bad inputs as hypothesis draws them: a small clean study of which one file is bad, kind by kind, and their writing.

Not a benchmark itself: `bad_inputs.py` counts what becomes of them, `tests/test_bad_inputs.py` of a tenth.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from _bad_content import Change, array_changed, bytes_changed, packed_changed, something_else, table_changed
from _bad_formats import image_changed, json_changed, json_lines_changed, matlab_changed, toml_changed, workbook_changed
from _bad_links import COMMANDS, LINKED, MADE, OF_ANY, OUTSIDE, THERE
from _bad_stores import stored_study
from _bad_studies import (
    IDS,
    REGIONS,
    CleanStudy,
    array_study,
    conn_study,
    image_study,
    long_study,
    matlab_study,
    matrices,
    matrix_study,
    packed_study,
    sidecar_study,
    table_study,
    workbook_study,
)
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st


@dataclass(frozen=True)
class BadInput:
    """A study of which one file is bad.

    Parameters
    ----------
    kind : str
        Key of `KINDS`.
    study : CleanStudy
    path : str
        The file, relative to the study.
    change : str
        What was done to it, in words.
    content : bytes or None
        None where it is no ordinary file any more.
    command : str
        What meets it; default: `check` for specs, how a store is read for stores, `features` for the rest.
    """

    kind: str
    study: CleanStudy
    path: str
    change: str
    content: bytes | None
    command: str = ""

    def __str__(self) -> str:
        return f"{self.kind}: {self.path} ({self.change[:200]})"


# ----------------------------------------------------------------------------------------------------- no ordinary file


def _link(target: str | Path) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        path.unlink()
        path.symlink_to(target)

    return make


def _link_out(path: Path) -> None:
    elsewhere = next(parent for parent in path.parents if (parent / OUTSIDE).is_dir()) / OUTSIDE / "archive"
    elsewhere.mkdir(exist_ok=True)
    os.replace(path, elsewhere / path.name)
    path.symlink_to(elsewhere / path.name)


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _socket(path: Path) -> None:
    path.unlink()
    here = os.getcwd()
    os.chdir(path.parent)  # the name of a socket is short
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(here)


def _folder_is_a_file(path: Path) -> None:
    os.replace(path.parent, path.parent.with_name("away"))
    path.parent.write_bytes(b"a file\n")


def _folder_in_itself(path: Path) -> None:
    os.replace(path.parent, path.parent.with_name("away"))
    path.parent.symlink_to(path.parent.name)


def _named(name: bytes) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        os.replace(path, os.path.join(os.fsencode(path.parent), name))

    return make


def _beside(name: Callable[[str], str], make: Callable[[Path], None]) -> Callable[[Path], None]:
    def add(path: Path) -> None:
        other = path.with_name(name(path.name))
        other.write_bytes(path.read_bytes())
        make(other)

    return add


NO_FILES: dict[str, Callable[[Path], None]] = {
    "is gone": lambda path: path.unlink(),
    "is a folder": _folder,
    "is a pipe": _pipe,
    "is a socket": _socket,
    "is a link to nothing": _link("nowhere/at/all"),
    "is a link to itself": lambda path: _link(path.name)(path),
    "is a link to a device": _link("/dev/zero"),
    "is a link to a full device": _link("/dev/full"),
    "is a link to memory": _link("/proc/self/mem"),
    "is a link to a folder": _link("/"),
    "is a link out of the study": _link_out,
    "may not be read": lambda path: path.chmod(0),
    "lies in a folder that may not be read": lambda path: path.parent.chmod(0),
    "lies in a folder that may not be searched": lambda path: path.parent.chmod(0o600),
    "lies in what is a file": _folder_is_a_file,
    "lies in a link to itself": _folder_in_itself,
    "has a name in other capitals": lambda path: path.rename(path.with_name(path.name.upper())),
    "has a long name": lambda path: path.rename(path.with_name("x" * 240 + path.suffix)),
    "has a name that is no text": _named(b"sub-\xff\xfe_ses-b0.tsv"),
    "has a name of two lines": _named(b"sub-01\n_ses-b0.tsv"),
    "has a pipe beside it": _beside(lambda name: name.replace("01", "03") if "01" in name else f"{name}.pipe", _pipe),
    "has a folder beside it": _beside(lambda name: f"{name}.d", _folder),
    "has a link in a circle beside it": _beside(lambda name: f"{name}.more", lambda path: _link("..")(path)),
}
"""What a file may have become. Devices, pipes and links come with archives, shared disks and other people's studies."""


# --------------------------------------------------------------------------------------------------------------- kinds


@cache
def _clean(make: Callable[..., CleanStudy], *arguments: str) -> CleanStudy:
    return make(*arguments)


def _one_of(
    study: CleanStudy, paths: tuple[str, ...], kind: str, change: Callable[[str, bytes], st.SearchStrategy[Change]]
) -> st.SearchStrategy[BadInput]:
    """A bad file of a study: its content changed, or no ordinary file any more (one in eight)."""

    def ordinary(path: str) -> st.SearchStrategy[BadInput]:
        return change(path, study.files[path]).map(lambda made: BadInput(kind, study, path, *made))

    def none(path: str) -> st.SearchStrategy[BadInput]:
        return st.sampled_from(sorted(NO_FILES)).map(lambda what: BadInput(kind, study, path, what, None))

    which = st.sampled_from(paths)
    return st.integers(0, 7).flatmap(lambda odd: which.flatmap(none if odd == 0 else ordinary))


def specs() -> st.SearchStrategy[BadInput]:
    """TOML: who was studied, what was measured, what is asked, this machine, and the words of the study."""
    study = _clean(_worded)
    paths = (*(path for path in study.files if path.endswith(".toml")),)
    return _one_of(study, paths, "specs", lambda path, content: toml_changed(content))


LOCAL, WORDS = "workbench.local.toml", "features/regions.toml"


def _worded() -> CleanStudy:
    study = table_study()
    words = b'[circuits]\nlab = "a circuit of ours"\n\n[regions.lab_region]\ncircuit = "lab"\naliases = ["LR"]\n'
    return CleanStudy(study.name, {**study.files, LOCAL: b'data = "sources"\n', WORDS: words}, study.targets)


def tables() -> st.SearchStrategy[BadInput]:
    """Participants, ratings, features in columns and in rows, packed and not."""

    def of(study: CleanStudy) -> st.SearchStrategy[BadInput]:
        change = packed_changed if study.targets[0].endswith(".gz") else table_changed
        return _one_of(study, study.targets, "tables", lambda path, content: change(content))

    wide, long, packed = _clean(table_study), _clean(long_study), _clean(packed_study)
    return st.sampled_from((wide, wide, wide, long, packed)).flatmap(of)


def matrices_() -> st.SearchStrategy[BadInput]:
    """Matrices of text and of NumPy."""
    text, array = _clean(matrix_study), _clean(array_study)
    return st.one_of(
        _one_of(text, text.targets, "matrices", lambda path, content: table_changed(content)),
        _one_of(array, array.targets, "matrices", lambda path, content: array_changed(content)),
    )


def matlab() -> st.SearchStrategy[BadInput]:
    """MATLAB files of SPM and of CONN."""
    dcm, conn = _clean(matlab_study), _clean(conn_study)
    A = matrices()[IDS[0]]

    def of_conn(path: str, content: bytes) -> st.SearchStrategy[Change]:
        return (
            matlab_changed(content, A) if path.endswith(".mat") else st.one_of(table_changed(content), something_else)
        )

    return st.one_of(
        _one_of(dcm, dcm.targets, "matlab", lambda path, content: matlab_changed(content, A)),
        _one_of(conn, conn.targets, "matlab", of_conn),
    )


def workbooks() -> st.SearchStrategy[BadInput]:
    """Excel workbooks of ratings and of features."""
    study = _clean(workbook_study)
    return _one_of(study, study.targets, "workbooks", lambda path, content: workbook_changed(content))


def images() -> st.SearchStrategy[BadInput]:
    """NIfTI images, packed and not, their atlas and its names."""

    def changed(path: str, content: bytes) -> st.SearchStrategy[Change]:
        return table_changed(content) if path.endswith(".tsv") else image_changed(content, packed=path.endswith(".gz"))

    plain, packed = _clean(image_study, "nii"), _clean(image_study, "nii.gz")
    return st.one_of(*(_one_of(study, study.targets, "images", changed) for study in (plain, packed)))


def sidecars() -> st.SearchStrategy[BadInput]:
    """JSON files of scans, datasets, tables and quality control."""
    study = _clean(sidecar_study)
    return _one_of(study, study.targets, "sidecars", lambda path, content: json_changed(content))


def stores() -> st.SearchStrategy[BadInput]:
    """Frozen plans, results viewed, units, models and built tables, as the workbench itself has stored them."""
    study = _clean(stored_study)

    def changed(path: str, content: bytes) -> st.SearchStrategy[Change]:
        if path.endswith(".jsonl"):
            return st.one_of(bytes_changed(content), json_lines_changed(content), something_else)
        return st.one_of(bytes_changed(content), json_changed(content) if path.endswith(".json") else something_else)

    return _one_of(study, study.targets, "stores", changed)


def links() -> st.SearchStrategy[BadInput]:
    """Links where the workbench writes: folders, ledgers, locks and stores, to other places and within the study."""
    study = _clean(stored_study)

    def of(paths: tuple[str, ...], changes: Iterable[str]) -> st.SearchStrategy[BadInput]:
        made = st.tuples(st.sampled_from(paths), st.sampled_from(sorted(changes)), st.sampled_from(COMMANDS))
        return made.map(lambda each: BadInput("links", study, *each[:2], None, each[2]))

    return st.one_of(of(THERE, LINKED), of(MADE, OF_ANY))


KINDS: Mapping[str, tuple[float, Callable[[], st.SearchStrategy[BadInput]]]] = {
    "specs": (0.20, specs),
    "tables": (0.20, tables),
    "matrices": (0.12, matrices_),
    "matlab": (0.10, matlab),
    "workbooks": (0.10, workbooks),
    "images": (0.12, images),
    "sidecars": (0.05, sidecars),
    "stores": (0.07, stores),
    "links": (0.04, links),
}
"""Kinds of input, with the share that each has."""


def bad_inputs(kind: str, n: int, number: int) -> Iterator[BadInput]:
    """So many bad inputs of a kind, the same ones for the same seed.

    Parameters
    ----------
    kind : str
        Key of `KINDS`.
    n : int
    number : int
        Seed of hypothesis.

    Yields
    ------
    BadInput
    """
    drawn: list[BadInput] = []

    @seed(number)
    @settings(
        max_examples=n, database=None, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
    )
    @given(KINDS[kind][1]())
    def collect(bad: BadInput) -> None:
        drawn.append(bad)

    collect()
    yield from drawn[:n]


def write(bad: BadInput, folder: Path) -> Path:
    """The study on the disk, below a folder that also has one beside it in which nothing may change.

    Parameters
    ----------
    bad : BadInput
    folder : Path
        Empty.

    Returns
    -------
    Path
        The study.
    """
    outside, study = folder / OUTSIDE, folder / "study"
    outside.mkdir()
    (outside / "secret.tsv").write_bytes(b"participant_id\tsecret\nsub-01\t42\n")
    for name, content in bad.study.files.items():
        path = study / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    path = study / bad.path
    if bad.content is None:
        (NO_FILES | LINKED)[bad.change](path)
    else:
        path.write_bytes(bad.content)
    return study


__all__ = ["IDS", "KINDS", "OUTSIDE", "REGIONS", "BadInput", "bad_inputs", "write"]
