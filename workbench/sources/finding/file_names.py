"""Files by pattern: globs in which ``{participant}`` and ``{session}`` stand where the ids are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from workbench.errors import Problem, Problems, SourceError, listed
from workbench.sources.contract.parsed import SourceFile
from workbench.sources.files.folder_search import files_like

ENTITIES = {"participant": "sub-", "session": "ses-"}
"""BIDS prefix of an id in a file name; written before a placeholder it may be part of the id as the study has it."""

ID = re.compile(r"\{(?:participant|session)\}")

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
    pattern, problems, of_two = name_pattern(files), Problems(), Problems()
    as_written, in_any_case = name_pattern(ID.sub("*", files)), re.compile(pattern.pattern, re.IGNORECASE)
    # One walk for both: what fits but for capitals, left out in silence, would look like missing data.
    for path in files_like(ID.sub("*", files), data, any_case=True):
        label = path.relative_to(data).as_posix()
        match = pattern.fullmatch(label)
        if match:
            ids = {entity: spellings_of(entity, match.groupdict().get(entity), files) for entity in ENTITIES}
            yield SourceFile(path, label, ids["participant"], ids["session"])
        elif as_written.fullmatch(label):
            of_two.extend(_of_two(files, label))
        elif in_any_case.fullmatch(label):
            hint = "rename the file or the folder as the others are"
            problems.add(label, f"is like {files!r} but for capitals", hint)
    problems.extend(of_two)
    problems.raise_if_any(SourceError)


def _of_two(files: str, label: str) -> Iterator[Problem]:
    """A file whose folder and name are of two participants, or sessions, where both hold the id."""
    for entity in ENTITIES:
        pattern, again = name_pattern(files).pattern, f"(?P={entity})"
        names = [entity, *(f"other{number}" for number in range(pattern.count(again)))]
        for name in names[1:]:
            pattern = pattern.replace(again, f"(?P<{name}>[^/]+?)", 1)
        match = re.fullmatch(pattern, label) if len(names) > 1 else None
        if match:
            found = f"is of two {entity}s, {listed([repr(match[name]) for name in names])}"
            yield Problem(label, found, "find out which of them is right, and rename the file or its folder")


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
