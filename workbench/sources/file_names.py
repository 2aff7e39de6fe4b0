"""Files by pattern: globs in which ``{participant}`` and ``{session}`` stand where the ids are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from workbench.sources.parsed import SourceFile

ENTITIES = {"participant": "sub-", "session": "ses-"}
"""BIDS prefix of an id in a file name; written before a placeholder it may be part of the id as the study has it."""


PLACEHOLDERS = ("participant", "session", "contrast", "run", "region")
"""What a glob may have between braces; the last three only where a reader says so."""


def matching(files: str, data: Path) -> Iterator[SourceFile]:
    """Files whose path relative to `data` fits a pattern, in the order of their paths, with the ids in their names.

    Parameters
    ----------
    files : str
        Glob with ``{participant}`` and ``{session}`` where the ids stand.
    data : Path

    Yields
    ------
    SourceFile
    """
    pattern = name_pattern(files)
    for path in glob_under(re.sub(r"\{(participant|session)\}", "*", files), data):
        label = path.relative_to(data).as_posix()
        match = pattern.fullmatch(label)
        if match:
            ids = {entity: spellings_of(entity, match.groupdict().get(entity), files) for entity in ENTITIES}
            yield SourceFile(path, label, ids["participant"], ids["session"])


def glob_under(files: str, data: Path) -> list[Path]:
    """Files that a glob finds below a folder; brackets are themselves, since folders have them (``[11C]PBR28``).

    Parameters
    ----------
    files : str
        Relative to `data`; ``*``, ``?`` and ``**`` stand for others.
    data : Path

    Returns
    -------
    list of Path
        In order, without folders; links to nothing among them, which were not fetched.
    """
    return [path for path in sorted(data.glob(files.replace("[", "[[]"))) if not path.is_dir()]


def spellings_of(entity: str, raw: str | None, files: str) -> tuple[str, ...]:
    """An id as it stands in a file name, and with the prefix that is written before it.

    Parameters
    ----------
    entity : str
        Key of `ENTITIES`.
    raw : str or None
    files : str
        The glob that the name fits.

    Returns
    -------
    tuple of str
        Empty where the glob does not say where the id stands.
    """
    if raw is None:
        return ()
    prefix = ENTITIES[entity]
    return (raw, prefix + raw) if f"{prefix}{{{entity}}}" in files else (raw,)


def name_pattern(files: str) -> re.Pattern[str]:
    """Regular expression of a glob with any of `PLACEHOLDERS`; the same id twice must be the same text.

    Parameters
    ----------
    files : str

    Returns
    -------
    re.Pattern
        With a group for each placeholder.

    Examples
    --------
    >>> name_pattern("sub-{participant}/sub-{participant}_*.tsv").fullmatch("sub-01/sub-01_conn.tsv")["participant"]
    '01'
    """
    pattern = ""
    for token in re.findall(r"\{(?:participant|session|contrast|run|region)\}|\*\*/|\*|\?|[^{*?]+|\{", files):
        if token[1:-1] in PLACEHOLDERS:
            entity = token[1:-1]
            pattern += f"(?P={entity})" if f"(?P<{entity}>" in pattern else f"(?P<{entity}>[^/]+?)"
        else:
            pattern += {"**/": "(?:.*/)?", "*": "[^/]*", "?": "[^/]"}.get(token, re.escape(token))
    return re.compile(pattern)
