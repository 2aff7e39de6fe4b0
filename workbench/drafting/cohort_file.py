"""The file ``features/cohort.toml`` of a draft."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from workbench.drafting.cells import Table
from workbench.drafting.people import People, Ratings, unmet_words
from workbench.drafting.records import DraftedFile, Entry, Section
from workbench.drafting.sessions import sections_of
from workbench.drafting.table_keys import keys_of_file
from workbench.errors import listed
from workbench.specs.cohort import CohortSpec, ColumnSpec, ScoreSpec

OPENING = (
    "Who is in the study: ids, treatment, visits and ratings. Drafted from the files, of which nothing was copied.\n"
    '"guessed" is to be checked, "question" to be answered (write a value for "?"), "open" is worth saying.'
)


def cohort_file(people: People, data: str) -> DraftedFile:
    """The cohort of a draft.

    Parameters
    ----------
    people : People
    data : str
        The data folder as the study names it.

    Returns
    -------
    DraftedFile
    """
    sections = [Section((), tuple(_top(people, data)))]
    if people.rule.strip.value or people.rule.pad.value:
        sections.append(Section(("ids",), (people.rule.strip.entry("strip"), people.rule.pad.entry("pad"))))
    sections += _arms(people)
    sections += sections_of(people.visits, people.arms, people.acute)
    sections += _columns(people)
    sections += [people.scans.section] if people.scans is not None else []
    for each in people.ratings:
        sections += _score(each, people)
    if not people.ratings:
        note = "no column is named after a scale of the registry (MADRS, HDRS-17, SHAPS ..). A rating is declared so:\n"
        note += '[scores.MADRS]\nfile = "FILE"\nsession = "COLUMN"\ncolumn = "COLUMN"'
        sections.append(Section((), (), (Entry("", None, "open", note),)))
    return DraftedFile("features/cohort.toml", OPENING, tuple(sections))


def _top(people: People, data: str) -> Iterator[Entry]:
    yield Entry("data", data, "read", "where the files are, relative to the study; --data DIR goes before it")
    yield people.why.entry("participants")
    if people.participants is not None:
        yield from keys_of_file(people.participants, CohortSpec)
        yield people.keys[people.participants.label].id.entry("id")
    covariates = people.covariates
    if covariates.site and covariates.site_note is not None:
        yield covariates.site_note.entry("site")
    yield people.arms.design.entry("design")
    yield people.missing.entry("missing")


def _arms(people: People) -> list[Section]:
    arms = people.arms
    if arms.active is None:
        return []
    entries = [arms.active.entry("active")]
    for key in ("control", "order", "column", "codes"):
        known = getattr(arms, key)
        if known is not None:
            entries.append(known.entry(key))
    return [Section(("arms",), tuple(entries))]


def _columns(people: People) -> Iterator[Section]:
    if people.motion is not None:
        table, column = people.motion
        entries = [Entry("column", column, "guessed", "of its name, and its values are displacements in mm")]
        if table is not people.participants:
            entries[:0] = [Entry("file", table.named), *_own_id(table, people), *keys_of_file(table, ColumnSpec)]
        if table is people.participants and column == "mean_fd":
            return
        notes = (Entry("", None, "guessed", f"mean framewise displacement, of {table.label}"),)
        yield Section(("columns", "mean_fd"), tuple(entries), notes)
    covariates = people.covariates
    if covariates.sex_note is not None:
        yield Section(("columns", covariates.sex), (covariates.sex_note.entry("type"),))


def _own_id(table: Table, people: People) -> Iterator[Entry]:
    """The column with the ids of a table, where the participants file calls it otherwise."""
    here = people.keys[table.label].id
    own = people.keys[people.participants.label].column if people.participants else ""
    if here.value != own:
        yield here.entry("id")


def _score(ratings: Ratings, people: People) -> list[Section]:
    scale, table = ratings.scale, ratings.table
    entries = [Entry("file", table.named)]
    own_id = people.keys[people.participants.label].column if people.participants else ""
    here = people.keys[table.label].id
    if here.value != own_id and "id" in ScoreSpec.model_fields:
        entries.append(here.entry("id"))
    elif here.value != own_id and here.kind != "question":
        entries[0] = Entry(
            "file", table.named, "open", f"its ids are in {here.value!r}; the participants file calls them {own_id!r}"
        )
    if table is not people.participants:
        entries += keys_of_file(table, ScoreSpec)
    if ratings.session:
        entries += [Entry("session", ratings.session), Entry("column", _one_or_list(scale.by_moment[""]))]
    if scale.scale.kind != "read" or scale.scale.value != scale.name:
        entries.append(scale.scale.entry("scale"))
    if scale.scoring is not None:
        entries.append(scale.scoring.entry("scoring"))
    notes = []
    unmet = unmet_words(people, table.label)
    if unmet:
        notes.append(Entry("", None, "open", unmet))
    if ratings.others:
        notes.append(Entry("", None, "guessed", f"{listed(ratings.others)} has it too; {table.label} has most of it"))
    sections = [Section(("scores", scale.name), tuple(entries), tuple(notes))]
    if not ratings.session:
        at = [Entry(session, _one_or_list(columns)) for session, columns in ratings.at.items()]
        why = "the names of the columns say when"
        if ratings.assumed:
            why = "no name says when it was rated: the first visit is taken"
        sections.append(Section(("scores", scale.name, "at"), tuple(at), (Entry("", None, "guessed", why),)))
    return sections


def _one_or_list(columns: tuple[str, ...]) -> Any:
    return columns[0] if len(columns) == 1 else list(columns)
