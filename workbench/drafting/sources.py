"""``features/NAME.toml`` of a draft: one source for each table and each kind of files that hold features."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from workbench.drafting.cells import MISSING_WORDS, Table
from workbench.drafting.kinds import Kind, entity, kind_of
from workbench.drafting.material import FileGroup, Material, Square, square_of
from workbench.drafting.modalities import FEWEST, QUALITY, FeatureColumns, columns_table, feature_columns, modality_in
from workbench.drafting.moments import moment_of, words_in
from workbench.drafting.people import People, choices, unmet_words
from workbench.drafting.producers import DRAFTED_BY
from workbench.drafting.records import DraftedFile, Entry, Known, Section, guessed, question
from workbench.drafting.table_keys import keys_of_file
from workbench.errors import listed
from workbench.specs.readers import READERS
from workbench.specs.table_source import TableSource

UPSTREAM = (
    "what was done before these files? Values do not tell, only who made them knows; without it a claim is exploratory "
    "at most. Take the marks off its lines in the file, and choose"
)
UPSTREAM_KEYS = """\
# [upstream]
# fitted_on = "each participant"    # or "other people", "everyone here"
# used_outcome = false
# selected_by = "nothing"           # or "atlas", "literature", "other people", "outcome here"
# harmonised = "none"               # or "combat", "other"
"""


@dataclass(frozen=True)
class DraftedSource:
    """A source of the draft.

    Parameters
    ----------
    participants : frozenset of str
        Those of the study that have it.
    columns : str
        Text of the table of its columns; empty where it needs none.
    """

    name: str
    file: DraftedFile
    modality: str
    participants: frozenset[str]
    columns: str = ""
    session: str = ""
    """The session at which it was measured, where it is known to be one."""
    has_sessions: bool = False
    unmet: str = ""
    """How many of its ids nobody of the study has, in words."""


@dataclass(frozen=True)
class Unused:
    """What was looked at and is no part of the draft, and why."""

    label: str
    why: str


def sources_of(material: Material, people: People) -> tuple[list[DraftedSource], list[Unused]]:
    """The sources of a study, and what is none.

    Parameters
    ----------
    material : Material
    people : People

    Returns
    -------
    list of DraftedSource
        With names of their own.
    list of Unused
    """
    sources: list[DraftedSource] = []
    unused: list[Unused] = []
    for table in material.tables:
        if not people.keys[table.label].id.value:
            unused.append(Unused(table.label, "no column holds ids of participants"))
            continue
        found = feature_columns(table, people.taken(table), people.missing.value)
        used = table is people.participants
        used |= any(each.table is table or table.label in each.others for each in people.ratings)
        used |= people.motion is not None and people.motion[0] is table
        if not found and not used:
            unused.append(Unused(table.label, "its columns name no region, connection, contrast or scale"))
        elif not found and (names := _unread(table, people)):
            why = f"no region or connection was read from {listed(map(repr, names), 3)}"
            unused.append(Unused(table.label, f"{why}; where they are features, write a features/NAME.toml for them"))
        sources += [_of_table(each, people) for each in found]
    wanted = {kind_of(group.example.name) for group in material.groups}
    unused += _beside_results(material.groups, people)
    for group in material.groups:
        kind = kind_of(group.example.name)
        if kind is None or not kind.secondary:
            made = _of_group(group, people, {kind for kind in wanted if kind is not None})
            (sources if isinstance(made, DraftedSource) else unused).append(made)  # type: ignore[arg-type]
    return _named_apart(_overlapping(sources)), unused


# --------------------------------------------------------------------------------------------------------------- tables


def _unread(table: Table, people: People) -> list[str]:
    """Numbers of a table that is called after a modality, and of which something else is used, such as the motion."""
    words = set(words_in(table.path.stem))
    if not modality_in(words) or words & QUALITY:
        return []
    taken = people.taken(table)
    names = [name for name in table.columns if name not in taken and table.is_numeric(name)]
    return names if len(names) >= FEWEST else []


def _of_table(found: FeatureColumns, people: People) -> DraftedSource:
    table, keys = found.table, people.keys[found.table.label]
    entries = [found.modality.entry("modality"), Entry("reader", "table"), Entry("file", table.named)]
    entries += keys_of_file(table, TableSource)
    own_id = people.keys[people.participants.label].column if people.participants else ""
    if (keys.column and keys.column != own_id) or keys.id.kind == "question":
        entries.append(keys.id.entry("id"))
    session = ""
    if keys.session:
        entries.append(Entry("session", keys.session))
    else:
        timing = _timing(found, people)
        if timing is not None:
            entries.append(timing.entry("timing"))
            session = timing.value if timing.kind != "question" else ""
    division = () if columns_table(found) else ("keep", "drop")  # such a table lists the features itself
    for key in (*division, "measure", "unit", "tracer"):
        known = getattr(found, key)
        if known is not None:
            entries.append(known.entry(key))
    columns = columns_table(found)
    if columns:
        note = "every feature with the regions that were read from its name; circuits follow from them"
        entries.append(Entry("columns", f"{found.name}_columns.tsv", "guessed", note))
    entries += _confounds(found.modality.value, people)
    measured = _measured(found, people)
    opening = f"{len(found.columns)} columns of {table.label}: {len(measured)} participants."
    unmet = unmet_words(people, table.label)
    file = DraftedFile(f"features/{found.name}.toml", f"{opening} {unmet}".strip(), (Section((), tuple(entries)),))
    return DraftedSource(
        found.name,
        file,
        str(found.modality.value),
        frozenset(key for key in measured if people.participants is None or _is_known(key, people)),
        columns,
        session,
        bool(keys.session),
        unmet,
    )


def _measured(found: FeatureColumns, people: People) -> set[str]:
    """Participants with a value in at least one of the columns: a row whose cells are all missing measures nobody."""
    table = found.table
    column = people.keys[table.label].column
    if not column:
        return set()
    codes = {*MISSING_WORDS, *(str(code).lower() for code in people.missing.value)}
    columns = [table.columns[name] for name in found.columns]
    return {
        people.rule.key(participant)
        for row, participant in enumerate(table.columns[column])
        if participant.lower() not in MISSING_WORDS and any(cells[row].lower() not in codes for cells in columns)
    }


def _timing(found: FeatureColumns, people: People) -> Known | None:
    """When a table without sessions was measured: by its name and its columns, else asked where it matters."""
    visits = people.visits
    names = [found.table.path.name.partition(".")[0], *found.columns[:3]]
    moments = [moment_of(_plain_moments(name)) for name in names]
    for moment in moments:
        for visit in visits.visits:
            if moment.words and (visits.called(moment.words) or moment.meaning == visit.moment.meaning):
                name = visits.called(moment.words) or visit.name
                return guessed(name, f"{moment.words!r} stands in its name")
    if len(visits.visits) == 1:
        return guessed(visits.visits[0].name, "the study has no other session")
    if people.arms.design.value == "observational" and not visits.visits:
        return None
    if not visits.visits:
        return guessed("unknown", "no file names a session")
    names_of = [visit.name for visit in visits.visits]
    return question(f'when was it measured: {choices(names_of)}, "before" (any treatment) or "unknown"?')


def _plain_moments(name: str) -> list[str]:
    """Words for a time that no region has: bl, baseline, 48h, week2; p24 and v1 are regions too."""
    return [
        word
        for word in words_in(name)
        if re.fullmatch(r"bl|base|baseline|pre|post|\d+(h|hr|hrs|d|wk|w)|(day|week|wk|visit|ses)\d+", word)
    ]


def _confounds(modality: str, people: People) -> list[Entry]:
    if modality == "task" and people.motion is None:  # motion in another scan
        return []
    if modality not in ("connectivity", "task") or not people.holds_motion:
        return []
    return [Entry("confounds", ["mean_fd"], "guessed", "motion in the scanner changes it, and may go with symptoms")]


# ---------------------------------------------------------------------------------------------------------------- files


def _beside_results(groups: Sequence[FileGroup], people: People) -> list[Unused]:
    """Files that stand beside the results of a producer, by the ends of their names; motion that is used is none."""
    ends: dict[str, list[str]] = {}
    for group in groups:
        kind = kind_of(group.example.name)
        used = people.scans is not None and people.scans.pattern == group.pattern
        if kind is not None and kind.secondary and not used:
            words = group.pattern.rpartition("/")[2].split("_")
            ends.setdefault(kind.producer, []).append(
                "*_" + "_".join(words[-2:] if len(words) > 1 and "-" in words[-2] else words[-1:])
            )
    return [
        Unused(f"{producer}: {listed(dict.fromkeys(names), 6)}", "beside the results, and no source by itself")
        for producer, names in ends.items()
    ]


def _of_group(group: FileGroup, people: People, kinds: set[Kind]) -> DraftedSource | Unused:
    kind = kind_of(group.example.name)
    square = square_of(group.example)
    if kind is not None and kind.reader in READERS and kind.reader in DRAFTED_BY:
        entries = DRAFTED_BY[kind.reader](group, kind, square)
    elif square is not None:
        entries = _matrix(group, kind, square)
    elif kind is not None:
        return Unused(
            group.pattern, f"results of {kind.producer} ({len(group.files)} files), for which there is no reader here"
        )
    else:
        return Unused(group.pattern, f"{len(group.files)} files of a kind that is not known")
    if not group.sessions and len(people.visits.visits) > 0:
        entries.append(_timing_of_files(people).entry("timing"))
    modality = next(entry.value for entry in entries if entry.key == "modality")
    entries += _confounds(modality, people)
    name = _name_of(group, kind, modality)
    there = frozenset(
        key
        for raw in group.participants
        for key in {people.rule.key(raw), people.rule.key(f"sub-{raw}")}
        if _is_known(key, people)
    )
    opening = f"{len(group.files)} files of {len(group.participants)} participants"
    opening += f" and {len(group.sessions)} sessions, " if group.sessions else ", "
    opening += f"written by {kind.producer}." if kind else "matrices between regions."
    unmet = unmet_words(people, group.pattern)
    codes = people.visits.codes_of(group.pattern)
    sections = (Section((), tuple(entries)), *([codes] if codes else []))
    file = DraftedFile(f"features/{name}.toml", f"{opening} {unmet}".strip(), sections)
    return DraftedSource(name, file, modality, there, has_sessions=bool(group.sessions), unmet=unmet)


def _is_known(key: str, people: People) -> bool:
    if people.participants is None:
        return False
    return key in people.ids_in(people.participants)


def _timing_of_files(people: People) -> Known:
    names = [visit.name for visit in people.visits.visits]
    if len(names) == 1:
        return guessed(names[0], "the study has no other session")
    return question(f'when was it measured: {choices(names)}, "before" (any treatment) or "unknown"?')


def _name_of(group: FileGroup, kind: Kind | None, modality: str) -> str:
    told = (("atlas", "seg"), ("task",), ("contrast", "taskcontrast"), ("model",), ("run",))
    parts = [modality, *(entity(group.pattern, *keys) for keys in told)]
    return re.sub(r"[^A-Za-z0-9_-]+", "_", "_".join(filter(None, parts)))


def _matrix(group: FileGroup, kind: Kind | None, square: Square) -> list[Entry]:
    """A source of the plain reader of matrices."""
    correlations = square.lowest >= -1.0001 and square.highest <= 1.0001
    unit_diagonal = abs(square.diagonal - 1) < 1e-6
    modality = "connectivity"
    entries = [
        Entry("modality", modality) if kind else Entry("modality", modality, "guessed", _seen(square)),
        Entry("reader", "matrix"),
        Entry("files", group.pattern),
    ]
    if not square.header:
        entries.append(Entry("header", False, "guessed", f"its {square.n_regions} rows have no names of regions"))
        entries.append(
            question(
                f"which file lists the {square.n_regions} regions, one name per line or a table with a column region? "
                "Put it beside this file or beside the data"
            ).entry("regions")
        )
    atlas = entity(group.pattern, "atlas", "seg")
    if atlas:
        entries.append(Entry("atlas", atlas))
    if kind is not None and kind.measure:
        entries.append(Entry("measure", kind.measure))
        correlations = correlations and kind.measure == "Pearson r"
    elif correlations and unit_diagonal:
        entries.append(
            Entry("measure", "Pearson r", "guessed", "all values are within -1 and 1, and the diagonal is 1")
        )
    else:
        span = f"values run from {square.lowest:.3g} to {square.highest:.3g}, the diagonal is {square.diagonal:.3g}"
        entries.append(
            question(f'what do the matrices measure: "Pearson r", "Fisher z", "partial correlation"? {span}').entry(
                "measure"
            )
        )
    if correlations and unit_diagonal:
        entries.append(
            Entry("transform", "fisher-z", "guessed", "these are correlations, and arctanh evens out their errors")
        )
    entries.append(Entry("gsr", "unknown", "open", "was the global signal regressed out? gsr = true or false"))
    return entries


def _seen(square: Square) -> str:
    named = f" such as {listed(map(repr, square.regions), 2)}" if square.regions else ""
    return f"each file is a square of {square.n_regions} regions{named}"


# ------------------------------------------------------------------------------------------------------------- together


def _overlapping(sources: list[DraftedSource]) -> list[DraftedSource]:
    """Connectivity of the same participants is of the same scans, seen with other regions."""
    made = []
    for source in sources:
        others = [
            other.name
            for other in sources
            if other is not source and source.modality == other.modality == "connectivity"
            and 2 * len(source.participants & other.participants) > len(source.participants)
        ]  # fmt: skip
        if others:
            entry = Entry(
                "overlaps", others, "guessed", "the same participants have both: the same scans with other regions?"
            )
            file = source.file
            sections = (Section((), (*file.sections[0].entries, entry)), *file.sections[1:])
            source = replace(source, file=DraftedFile(file.name, file.opening, sections))
        made.append(source)
    return made


def _named_apart(sources: list[DraftedSource]) -> list[DraftedSource]:
    """Sources of one name are numbered."""
    names: dict[str, int] = {}
    made = []
    for source in sources:
        names[source.name] = names.get(source.name, 0) + 1
        count = names[source.name]
        if count > 1:
            name = f"{source.name}_{count}"
            file = DraftedFile(f"features/{name}.toml", source.file.opening, source.file.sections)
            source = replace(source, name=name, file=file)
        made.append(source)
    return made


def with_upstream(file: DraftedFile) -> DraftedFile:
    """The file of a source, with what its user is asked about earlier steps at its end.

    Parameters
    ----------
    file : DraftedFile

    Returns
    -------
    DraftedFile
    """
    note = Section((), (), (Entry("upstream", None, "open", UPSTREAM),))
    return DraftedFile(file.name, file.opening, (*file.sections, note), UPSTREAM_KEYS)
