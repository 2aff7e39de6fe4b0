"""A copy of the files of a run in which every participant has a pseudonym, made with a key that stays in the study.

A pseudonym is a keyed hash of the id: the same in every export of one study, another in any other study, and nothing
that can be worked out without the key. Rows stand in the order of the pseudonyms, since the order of ids says who is
who. It is no anonymity: what was measured in a participant is still what was measured.
"""

from __future__ import annotations

import base64
import csv
import gzip
import hashlib
import hmac
import io
import os
import re
import shutil
import zipfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.errors import Problem, StoreError, listed
from workbench.export.columns import PERSON
from workbench.whole_files import written_whole

if TYPE_CHECKING:
    import pandas as pd

KEY_BYTES = 32
PREFIX, LENGTH = "pseudo-", 12
"""60 bits of the hash: two of 40,000 participants share one with a probability of 7e-10."""
ID_COLUMNS = ("participant_id", "participant_a", "participant_b")
GROUPED_BY = ("step", "repeat", "arm")
"""Columns whose rows stay together; within them participants stand in the order of their pseudonyms."""
TEXTS = frozenset((".tsv", ".csv", ".json", ".toml", ".md", ".txt", ".bib"))
CANONICAL = r"sub-[A-Za-z0-9]*[0-9][A-Za-z0-9]*"
"""What looks like an id, whoever it is: all ids of a study begin so, and words such as sub-scale have no digit."""
EMBEDDED = re.compile(rb"base64,[A-Za-z0-9+/=\s]+")
EXPLAINED = "a pseudonym of the participant, the same in every export of the study"


def key_of_study(path: Path) -> bytes:
    """The key that pseudonyms of a study are made with, made for the user alone where there is none.

    Parameters
    ----------
    path : Path
        The file in the study that holds it.

    Returns
    -------
    bytes

    Raises
    ------
    StoreError
        If it cannot be read: another one would give everybody another pseudonym.
    """
    from filelock import FileLock

    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        if not path.exists():
            with written_whole(path, private=True) as unfinished:
                unfinished.write_text(f"{os.urandom(KEY_BYTES).hex()}\n", encoding="ascii")
        try:
            key = bytes.fromhex(path.read_text(encoding="ascii").strip())
        except (OSError, ValueError):
            key = b""
    if len(key) != KEY_BYTES:
        hint = (
            "restore it from a copy; without it, remove it: participants get other pseudonyms than in earlier exports"
        )
        raise StoreError(Problem(str(path), "is no key of pseudonyms", hint))
    return key


class Pseudonyms:
    """Pseudonyms of the participants of one study.

    Parameters
    ----------
    key : bytes
        From `key_of_study`.
    ids : collection of str
        Participant ids, with ``sub-``.
    spellings : mapping of str to str, optional
        Other ways in which files write an id, and the id.
    names : str
        A text that names features: what stands in it is no id, however it is written.
    """

    def __init__(
        self, key: bytes, ids: Collection[str], spellings: Mapping[str, str] | None = None, names: str = ""
    ) -> None:
        self._key = key
        bare = {participant.removeprefix("sub-"): participant for participant in ids}
        written = {**bare, **(spellings or {})}
        self._ids = {participant: participant for participant in ids} | written
        words = set(re.findall("[A-Za-z0-9]+", names))
        telling = [text for text in written if is_telling(text) and text not in words]
        self._quoted = [text for text in written if text and not is_telling(text)]
        named = "|".join(map(re.escape, sorted({*ids, *telling}, key=len, reverse=True)))
        self._pattern = re.compile(rf"(?<![A-Za-z0-9])(?:{named + '|' if named else ''}{CANONICAL})(?![A-Za-z0-9])")

    def of(self, participant: str) -> str:
        """The pseudonym of one participant."""
        digest = hmac.new(self._key, self._ids.get(participant, participant).encode(), hashlib.sha256).digest()
        return PREFIX + base64.b32encode(digest).decode().lower()[:LENGTH]

    def in_text(self, text: str) -> str:
        """A text with pseudonyms in place of ids; ids that are mere numbers are told by their quotes."""
        text = self._pattern.sub(lambda match: self.of(match[0]), text)
        for quoted in self._quoted:
            text = text.replace(f'"{quoted}"', f'"{self.of(quoted)}"')
        return text

    def found_in(self, content: bytes) -> set[str]:
        """Ids that a text holds; pictures that are embedded in it are left out."""
        text = EMBEDDED.sub(b"", content).decode("utf-8", errors="replace")
        return {match[0] for match in self._pattern.finditer(text)} | {
            quoted for quoted in self._quoted if f'"{quoted}"' in text
        }


def is_telling(text: str) -> bool:
    """Whether an id without ``sub-`` can be nothing else wherever it stands, as a number or a word could be."""
    return len(text) >= 4 and any(map(str.isdigit, text)) and any(map(str.isalpha, text))


def ids_in(tables: Iterable[Path]) -> set[str]:
    """Every participant whom tables name in their columns of ids.

    Parameters
    ----------
    tables : iterable of Path
        TSV files.

    Returns
    -------
    set of str
    """
    ids = set()
    for path in tables:
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file, delimiter="\t"):
                ids |= {row[column] for column in ID_COLUMNS if row.get(column)}
    return ids


def write_pseudonymised(source: Path, target: Path, pseudonyms: Pseudonyms, *, leave_out: Collection[str]) -> None:
    """Copy a folder with pseudonyms in place of ids; what holds no text is copied as it is.

    Parameters
    ----------
    source, target : Path
        Folders; `target` is made.
    pseudonyms : Pseudonyms
    leave_out : collection of str
        Files and folders of the first level that are not copied: pictures and pages, which are drawn anew.
    """
    for path in sorted(path for path in source.rglob("*") if path.is_file()):
        name = path.relative_to(source)
        if name.parts[0] in leave_out:
            continue
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".parquet":
            _write_parquet(path, target / name, pseudonyms)
        elif path.suffix in TEXTS:
            (target / name).write_bytes(pseudonymised(path.name, path.read_bytes(), pseudonyms))
        else:
            shutil.copyfile(path, target / name)


def pseudonymised(name: str, content: bytes, pseudonyms: Pseudonyms) -> bytes:
    """The content of one file with pseudonyms in place of ids.

    Parameters
    ----------
    name : str
        Of the file.
    content : bytes
    pseudonyms : Pseudonyms

    Returns
    -------
    bytes
        Unchanged where it is no text.
    """
    if Path(name).suffix not in TEXTS:
        return content
    text = pseudonyms.in_text(content.decode("utf-8")).replace(PERSON["participant_id"], EXPLAINED)
    return (_in_order(text) if Path(name).suffix == ".tsv" else text).encode()


def _in_order(text: str) -> str:
    """A table whose participants stand in the order of their pseudonyms."""
    columns, *cells = csv.reader(io.StringIO(text, newline=""), delimiter="\t")
    if "participant_a" in columns:  # pairs keep their order, which is that of their weight
        a, b = columns.index("participant_a"), columns.index("participant_b")
        for row in cells:
            row[a], row[b] = sorted((row[a], row[b]))
    elif "participant_id" in columns:
        who = columns.index("participant_id")
        groups = [columns.index(name) for name in GROUPED_BY if name in columns]
        places: dict[tuple[str, ...], int] = {}
        order = [places.setdefault(tuple(row[at] for at in groups), len(places)) for row in cells]
        cells = [row for _, row in sorted(zip(order, cells, strict=True), key=lambda each: (each[0], each[1][who]))]
    ordered = io.StringIO()
    csv.writer(ordered, delimiter="\t", lineterminator="\n").writerows([columns, *cells])
    return ordered.getvalue()


def _write_parquet(source: Path, target: Path, pseudonyms: Pseudonyms) -> None:
    import pandas as pd

    table: pd.DataFrame = pd.read_parquet(source)
    for column in (name for name in ID_COLUMNS if name in table):
        table[column] = [pseudonyms.in_text(cell) for cell in table[column]]
    by = [name for name in ("repeat", "participant_id") if name in table]
    table.sort_values(by, kind="stable", ignore_index=True).to_parquet(target, index=False)


def refuse_ids(contents: Mapping[str, bytes | Path], pseudonyms: Pseudonyms) -> None:
    """Refuse files that still name a participant: nothing is handed on then.

    Parameters
    ----------
    contents : mapping of str to bytes or Path
        By the name of the file.
    pseudonyms : Pseudonyms

    Raises
    ------
    StoreError
        With every such file; the participants are not named in the message.
    """
    naming = []
    for name, content in contents.items():
        raw = content.read_bytes() if isinstance(content, Path) else content
        if any(pseudonyms.found_in(part) for part in (name.encode(), *_readable(name, raw))):
            naming.append(name)
    if naming:
        found = f"would still name participants in {listed(naming, 5)}"
        raise StoreError(Problem("export --pseudonyms", found, "nothing was exported; please report these files"))


def _readable(name: str, content: bytes) -> Iterator[bytes]:
    """All that can be read in a file, unpacked."""
    unpack: dict[str, Callable[[bytes], Iterator[bytes]]] = {
        ".parquet": _of_parquet,
        ".npz": _of_zip,
        ".skops": _of_zip,
        ".gz": lambda packed: iter([gzip.decompress(packed)]),
    }
    suffix = Path(name).suffix
    if suffix in unpack:
        yield from unpack[suffix](content)
    elif suffix == ".png":
        yield b"\n".join(re.findall(rb"[\x20-\x7e]{6,}", content.split(b"IDAT")[0] + content[-64:]))
    else:
        yield content


def _of_zip(content: bytes) -> Iterator[bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        yield "\n".join(packed.namelist()).encode()
        for name in packed.namelist():
            if not name.endswith(".npy"):
                yield packed.read(name)


def _of_parquet(content: bytes) -> Iterator[bytes]:
    import pyarrow.parquet as parquet

    file = parquet.ParquetFile(io.BytesIO(content))
    yield repr(file.schema_arrow.metadata).encode()
    table = file.read()
    for column in table.column_names:
        if not str(table.schema.field(column).type).startswith(("double", "float", "int")):
            yield "\n".join(map(str, table.column(column).to_pylist())).encode()
