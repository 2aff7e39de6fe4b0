"""A study drafted from files: looked at, guessed, written down, with what was asked."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from workbench.drafting.cohort_file import cohort_file
from workbench.drafting.experiment_file import experiment_file
from workbench.drafting.material import look_at
from workbench.drafting.people import People, people_of, rated_at
from workbench.drafting.records import DraftedFile, Kind
from workbench.drafting.sources import DraftedSource, Unused, sources_of, with_upstream
from workbench.drafting.toml_text import LONGEST_NAMED, as_text, as_value
from workbench.errors import listed

NO_SOURCE = (
    "features/: no table or folder was recognised as brain features; declare one as "
    "features/NAME.toml (workbench init DIR --design .. writes examples)"
)


@dataclass(frozen=True)
class Draft:
    """A study as it would be written, and what its user should know.

    Parameters
    ----------
    texts : dict of str to str
        By path relative to the study: the file.
    recognised, guessed, questions, open : tuple of str
        What the files hold; what was guessed, with the reason; what must be answered; what is worth saying.
    unused : tuple of Unused
        What was looked at and is no part of the draft.
    """

    texts: dict[str, str]
    recognised: tuple[str, ...]
    guessed: tuple[str, ...]
    questions: tuple[str, ...]
    open: tuple[str, ...]
    unused: tuple[Unused, ...]


def draft_study(target: Path, files: Sequence[Path]) -> Draft:
    """Draft a study from the files that a lab has; nothing is written.

    Parameters
    ----------
    target : Path
        The folder that the study is to be in: data are named relative to it.
    files : sequence of Path
        Tables and folders.

    Returns
    -------
    Draft

    Raises
    ------
    SpecError
        If there is nothing to draft from.
    """
    material = look_at(files)
    people = people_of(material)
    sources, unused = sources_of(material, people)
    files_of_draft = [cohort_file(people, data_from(target, material.data))]
    files_of_draft += [with_upstream(source.file) for source in sources]
    files_of_draft.append(experiment_file(people, sources))
    texts = {file.name: as_text(file) for file in files_of_draft}
    texts |= {f"features/{source.name}_columns.tsv": source.columns for source in sources if source.columns}
    unread = tuple(Unused(label, why) for label, why in material.unread)
    return Draft(
        texts,
        tuple(_recognised(people, sources)),
        tuple(_remarks(files_of_draft, "guessed")),
        tuple(_remarks(files_of_draft, "question")),
        (*_remarks(files_of_draft, "open"), *([] if sources else [NO_SOURCE])),
        (*unread, *unused),
    )


def data_from(target: Path, data: Path) -> str:
    """The data folder as a study names it: relative to it, where the two have a folder in common, else absolute.

    Parameters
    ----------
    target, data : Path

    Returns
    -------
    str
    """
    target, data = target.absolute(), data.absolute()
    shared = Path(os.path.commonpath([target, data]))
    return data.as_posix() if len(shared.parts) <= 2 else Path(os.path.relpath(data, target)).as_posix()


def _remarks(files: Sequence[DraftedFile], kind: Kind) -> Iterator[str]:
    """What a draft says of values of one kind, in a line each, with its place."""
    for file in files:
        for place, entry in file.remarks(kind):
            value = f" = {_short(entry.value)}, because" if kind == "guessed" and entry.value is not None else ":"
            yield f"{place}{value} {entry.note}"


def _short(value: object) -> str:
    text = as_value(value)
    return text if len(text) <= LONGEST_NAMED and "\n" not in text else ".."


def _recognised(people: People, sources: Sequence[DraftedSource]) -> Iterator[str]:
    """What the draft found, in a line for each kind of thing."""
    if people.participants is not None:
        keys, n = people.keys[people.participants.label], len(people.ids_in(people.participants))
        by = f", by {keys.column}" if keys.column else ""
        rated = any(each.table is people.participants for each in people.ratings)
        unlike = not (people.covariates.used or people.arms.used or rated)
        doubt = ", which looks like a table of features (see below)" if people.why.kind == "guessed" and unlike else ""
        yield f"{n} participants of {people.participants.label}{by}{doubt}"
    design = people.arms.design
    if design.kind != "question":
        arms = [str(arm.value) for arm in (people.arms.active, people.arms.control) if arm and arm.kind != "question"]
        yield f"{design.value} design" + (f": {' against '.join(arms)}" if arms else "")
    if people.visits.visits:
        yield f"sessions {listed([visit.name for visit in people.visits.visits], 8)}"
    for each in people.ratings:
        yield f"{each.name} at {listed(rated_at(each), 8)}: {each.scale.seen}"
    named = [name for name in people.covariates.used if name]
    if named:
        yield f"{listed(named)} of every participant"
    for source in sources:
        unmet = f"; {source.unmet}" if source.unmet else ""
        yield f"{source.name} ({source.modality}): {len(source.participants)} participants of the study{unmet}"
