"""What the names of derivative files say: entities such as ``sub-01`` and ``atlas-Tian``, a suffix and an extension.

One expression for all pipelines, since none of their names is in every version of BIDS: kinetic parameters (BEP023),
``feature-`` of HALFpipe, hyphens inside a value (``contrast-anticip-reward``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from workbench.errors import Problem, Problems, SourceError, listed
from workbench.sources.contract.parsed import SourceFile
from workbench.sources.files.folder_search import files_like

NAME = re.compile(r"(?P<stem>[^/]*?)(?P<extension>(?:\.[A-Za-z][A-Za-z0-9]*){0,3})")
"""Stem and extension; what follows a dot is an extension where it begins with a letter (``desc-1.5mm`` goes on)."""

ENTITY = re.compile(r"([A-Za-z]+)-(.+)")
OF_FOLDERS = ("sub", "ses", "task")
"""Entities that a folder may say in place of the file: ``sub-01/ses-b0/glm/spDCM.mat``."""


@dataclass(frozen=True)
class NamedFile:
    """A file, and what its name says.

    Parameters
    ----------
    path : Path
    label : str
        How messages name the file: relative to the data.
    entities : mapping of str to str
        By key, as written: ``{"sub": "01", "task": "rest"}``; of its folders too, where the name itself is silent.
    suffix : str
        What follows the last entity: ``relmat``; of ``desc-correlation_matrix`` it is ``matrix``.
    extension : str
        With its dots, empty where there is none: ``.tsv``, ``.nii.gz``.
    """

    path: Path
    label: str
    entities: Mapping[str, str]
    suffix: str
    extension: str

    def source_file(self) -> SourceFile:
        """The file as `assemble` takes it, participant and session with and without their prefixes."""
        ids, sessions = (_spellings(entity, self.entities.get(entity, "")) for entity in ("sub", "ses"))
        return SourceFile(self.path, self.label, ids, sessions)


def _spellings(entity: str, value: str) -> tuple[str, ...]:
    return (value, f"{entity}-{value}") if value else ()


def read_name(path: Path, label: str) -> NamedFile:
    """What the name of one file says.

    Parameters
    ----------
    path : Path
    label : str
        Path relative to the data, of which folders count too.

    Returns
    -------
    NamedFile

    Raises
    ------
    SourceError
        If a folder and the file name different participants, sessions or tasks.

    Examples
    --------
    >>> name = "sub-01/func/sub-01_task-mid_contrast-anticip-reward_stat-effect_statmap.nii.gz"
    >>> file = read_name(Path(name), name)
    >>> file.entities["contrast"], file.suffix, file.extension
    ('anticip-reward', 'statmap', '.nii.gz')
    """
    *folders, name = label.split("/")
    match = NAME.fullmatch(name)
    assert match is not None
    entities, suffix = _read_stem(match["stem"])
    for folder in folders:
        entity = ENTITY.fullmatch(folder)
        if entity is not None and entity[1] in OF_FOLDERS:
            within = entities.setdefault(entity[1], entity[2])
            if within != entity[2]:
                found = f"is of {entity[1]}-{within} by its name and lies in the folder {folder}"
                raise SourceError(Problem(label, found, "find out which of the two is right, and rename the other"))
    return NamedFile(path, label, entities, suffix, match["extension"])


def _read_stem(stem: str) -> tuple[dict[str, str], str]:
    """Entities by key, and the suffix; an underscore inside a value belongs to it (``sub-a_1_task-rest``)."""
    entities: dict[str, str] = {}
    *parts, last = stem.split("_")
    key = ""
    for part in (*parts, *([last] if ENTITY.fullmatch(last) else [])):
        entity = ENTITY.fullmatch(part)
        if entity is not None:
            key = entity[1]
            entities[key] = entity[2]
        elif key:
            entities[key] += f"_{part}"
    return entities, "" if ENTITY.fullmatch(last) else last


def named_files(files: str, data: Path) -> list[NamedFile]:
    """Files that a glob finds below a folder, with what their names say.

    Parameters
    ----------
    files : str
        Glob relative to `data`; brackets are themselves, since folders have them.
    data : Path

    Returns
    -------
    list of NamedFile
        In the order of their paths.

    Raises
    ------
    SourceError
        Every file that lies in the folder of somebody else.
    """
    problems, named = Problems(), []
    for path in files_like(files, data):
        with problems.gather():
            named.append(read_name(path, path.relative_to(data).as_posix()))
    problems.raise_if_any(SourceError)
    return named


def with_entities(files: Iterable[NamedFile], wanted: Mapping[str, str | None]) -> list[NamedFile]:
    """Files whose entities are those wanted; what is wanted of None is not asked.

    Parameters
    ----------
    files : iterable of NamedFile
    wanted : mapping of str to str or None
        By entity; upper and lower case are the same, as pipelines spell contrasts and tasks in both.

    Returns
    -------
    list of NamedFile
    """
    asked = {entity: value.casefold() for entity, value in wanted.items() if value is not None}
    return [
        file
        for file in files
        if all(file.entities.get(entity, "").casefold() == value for entity, value in asked.items())
    ]


def refuse_several(files: Sequence[NamedFile], entities: Mapping[str, str], where: str) -> None:
    """Raise where files differ in an entity that nobody has declared: which of them is meant is not guessed.

    Parameters
    ----------
    files : sequence of NamedFile
    entities : mapping of str to str
        By entity: the key of the source that declares it.
    where : str
        How messages name the files together.

    Raises
    ------
    SourceError
        One problem for each entity, with its values and what to write.
    """
    problems = Problems()
    for entity, key in entities.items():
        values = sorted({file.entities.get(entity, "") for file in files})
        if len(values) > 1:
            written = [f"{entity}-{value}" if value else f"no {entity}-" for value in values]
            value = next(filter(None, values))
            written_key = (
                f'entities = {{ {entity} = "{value}" }}' if key.startswith("entities.") else f'{key} = "{value}"'
            )
            hint = f"declare which is meant: {written_key}"
            problems.add(where, f"finds files of several {entity}- values: {listed(written, 8)}", hint)
    problems.raise_if_any(SourceError)
