"""``features/cohort.toml`` of a draft: who is in the study, how ids meet, arms, visits and ratings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from workbench.drafting.arms import Arms, arms_of, patients_of
from workbench.drafting.cells import Table, missing_codes
from workbench.drafting.covariates import Covariates, covariates_of, motion_column
from workbench.drafting.ids import IdRule, Keys, keys_of, rule_for
from workbench.drafting.material import FileGroup, Material
from workbench.drafting.modalities import FEWEST
from workbench.drafting.moments import moment_of, words_in
from workbench.drafting.motion_files import MotionFiles, motion_files
from workbench.drafting.records import Known, ScaleColumns, guessed, question
from workbench.drafting.scales import derived_columns, in_their_names, rating_columns
from workbench.drafting.sessions import ONLY_VISIT, Visits, visits_of
from workbench.errors import listed
from workbench.knowledge.scales import SCALES
from workbench.specs.unanswered import UNANSWERED

MOST_LOOKED_AT = 2000
"""Columns of a table that are looked at to tell whether it holds features."""


@dataclass(frozen=True, eq=False)
class Ratings:
    """One score of the study.

    Parameters
    ----------
    scale : ScaleColumns
    table : Table
    session : str
        Column with the session, where the table is long.
    at : dict of str to tuple of str
        By session: columns, where the table is wide.
    others : tuple of str
        Further tables that hold the same scale.
    """

    scale: ScaleColumns
    table: Table
    session: str
    at: dict[str, tuple[str, ...]]
    others: tuple[str, ...] = ()
    assumed: bool = False
    """The table says no time: the first visit was taken."""

    @property
    def name(self) -> str:
        """Name in the study."""
        return self.scale.name


@dataclass(frozen=True, eq=False)
class People:
    """Everything of a draft that is about participants.

    Parameters
    ----------
    participants : Table or None
        None where no table has one row per participant.
    keys : dict of str to Keys
        By label of a table.
    motion : (Table, str) or None
        Where the mean framewise displacement stands.
    """

    participants: Table | None
    why: Known
    keys: dict[str, Keys]
    missing: Known
    arms: Arms
    covariates: Covariates
    visits: Visits
    ratings: tuple[Ratings, ...]
    rule: IdRule
    motion: tuple[Table, str] | None = None
    acute: tuple[str, ...] = ()
    derived: dict[str, list[str]] = field(default_factory=dict)
    scans: MotionFiles | None = None
    """Files of a pipeline with the motion in the scanner, where no table has it."""

    @property
    def holds_motion(self) -> bool:
        """Whether the study has a column ``mean_fd``."""
        return self.motion is not None or self.scans is not None

    def ids_in(self, table: Table) -> set[str]:
        """Participants of a table, as the study has them."""
        column = self.keys[table.label].column
        return {self.rule.key(cell) for cell in table.filled(column)} if column else set()

    def taken(self, table: Table) -> set[str]:
        """Columns of a table that are no features for sure."""
        keys = self.keys[table.label]
        taken = {keys.column, keys.session, *self.derived.get(table.label, ())}
        taken |= {name for each in self.ratings if each.table is table for name in in_their_names([each.scale])}
        if table is self.participants:
            taken |= {*self.covariates.used, *self.arms.used}
        if self.motion is not None and self.motion[0] is table:
            taken.add(self.motion[1])
        return taken - {""}


def people_of(material: Material) -> People:
    """Participants, arms, visits and ratings of the tables.

    Parameters
    ----------
    material : Material

    Returns
    -------
    People
    """
    tables = material.tables
    keys = {table.label: keys_of(table) for table in tables}
    missing = missing_codes(tables, {label: [each.column, each.session] for label, each in keys.items()})
    codes = missing.value
    ratings = {
        table.label: rating_columns(table, codes, leave_out=[keys[table.label].column, keys[table.label].session])
        for table in tables
        if keys[table.label].id.value
    }
    participants, why = _participants(tables, keys, ratings)
    visits = _visits(material, keys, ratings)
    treated = any(visit.moment.when in ("after", "during") for visit in visits.visits) or len(visits.visits) > 1
    unlocated = Arms(question("who is treated, and how? No table has one row per participant"))
    arms = arms_of(participants, treated=treated) if participants else unlocated
    if arms.design.kind == "question" and not arms.used:
        arms = _named_elsewhere(tables, participants) or arms
    taken = [keys[participants.label].column, *arms.used] if participants else []
    covariates = covariates_of(participants, codes, leave_out=taken) if participants else Covariates()
    scores = _scores(tables, keys, ratings, visits, codes)
    if scores and not visits.visits:
        visits = visits_of({scores[0].table.label: [ONLY_VISIT]}, {})
        scores = _scores(tables, keys, ratings, visits, codes)
    motion = _motion(tables, keys, participants, covariates, codes)
    return People(
        participants,
        why,
        keys,
        missing,
        arms,
        covariates,
        visits,
        tuple(scores),
        _rule(material, participants, keys),
        motion,
        _acute(scores),
        {table.label: derived_columns(table) for table in tables},
        motion_files(material.groups, visits) if motion is None else None,
    )


def _participants(
    tables: Sequence[Table], keys: Mapping[str, Keys], ratings: Mapping[str, list[ScaleColumns]]
) -> tuple[Table | None, Known]:
    """The table of participants: one row each, and most of what is known of them."""
    single = [table for table in tables if keys[table.label].id.value and keys[table.label].unique]
    if not single:
        note = "which table has one row per participant? None of those that were looked at has"
        return None, question(note)

    def weight(table: Table) -> tuple[bool, int, int, int]:
        named = table.path.stem.lower().startswith(("participants", "demographics", "subjects"))
        arms = arms_of(table, treated=False)
        found = covariates_of(table, ())
        known = sum(map(bool, (found.age, found.sex, found.site, arms.active)))
        return named and known > 0, known, len(ratings.get(table.label, ())), len(table)

    best = max(single, key=weight)
    _, known, n_scales, _ = weight(best)
    columns = [name for name in list(best.columns)[:MOST_LOOKED_AT] if name != keys[best.label].column]
    n_numbers = sum(map(best.is_numeric, columns))
    if not known and not n_scales and patients_of(best) is None and n_numbers >= FEWEST:
        more = "" if len(best.columns) <= MOST_LOOKED_AT else " or more"
        note = (
            f"{'no other table has' if len(single) == 1 else 'as others it has'} one row per participant. But it looks "
            f"like a table of features: {n_numbers}{more} columns of numbers, and none is age, sex, site, an arm or a "
            "rating. Where these are known, make a participants.csv with the id and these columns, name it after "
            "--from too, and draft again"
        )
        return best, guessed(best.named, note)
    if len(single) == 1 or best.path.stem.lower() == "participants":
        return best, Known(best.named)
    return best, guessed(best.named, "it has one row per participant, and says most about them")


def _named_elsewhere(tables: Sequence[Table], participants: Table | None) -> Arms | None:
    """The question where arms stand in a table that is not that of the participants, such as one of the ratings."""
    for table in tables:
        if table is participants:
            continue
        arms = arms_of(table, treated=False)
        if arms.column is None and arms.order is None:
            continue
        levels = listed(map(repr, table.levels(arms.used[0])), 4)
        note = (
            f"column {arms.used[0]!r} of {table.label} holds {levels}, but arms, age, sex and site are read from the "
            "table of participants, which has one row each: make a participants.csv with the id and these columns, "
            "name it after --from too, and draft again"
        )
        return Arms(question(note))
    return None


def _visits(material: Material, keys: Mapping[str, Keys], ratings: Mapping[str, list[ScaleColumns]]) -> Visits:
    written: dict[str, list[str]] = {}
    for table in sorted(material.tables, key=lambda table: not ratings.get(table.label)):
        session = keys[table.label].session
        if session:
            written[table.label] = list(dict.fromkeys(table.filled(session)))
    named = [raw for sessions in written.values() for raw in sessions]
    in_names = {
        label: [moment for scale in scales for moment in scale.by_moment if moment]
        for label, scales in ratings.items()
        if not keys[label].session
    }
    of_ratings = visits_of(written, in_names)
    counted: dict[str, list[str]] = {}
    for group in material.groups:
        prefixed = [f"ses-{raw}" for raw in group.sessions]
        new = [each for each, raw in zip(prefixed, group.sessions, strict=True) if raw not in named]
        if of_ratings.any_before and new and all(_only_counted(each, of_ratings) for each in new):
            counted[group.pattern] = new
        else:
            written[group.pattern] = new
    return replace(visits_of(written, in_names), counted=counted)


def _only_counted(session: str, visits: Visits) -> bool:
    """Whether a session in names of files is a number, which the visits of the ratings are not called by."""
    return moment_of(words_in(session)).when == "unknown" and session not in {visit.name for visit in visits.visits}


def _scores(
    tables: Sequence[Table],
    keys: Mapping[str, Keys],
    ratings: Mapping[str, list[ScaleColumns]],
    visits: Visits,
    codes: Sequence[str],
) -> list[Ratings]:
    """Each scale once, from the table with the most values of it."""
    by_name: dict[str, list[tuple[int, Ratings]]] = {}
    for table in tables:
        session = keys[table.label].session
        for scale in ratings.get(table.label, ()):
            made = _ratings(scale, table, session, visits)
            n_values = sum(len(table.filled(name)) for name in in_their_names([scale]))
            if made is not None:
                by_name.setdefault(scale.name, []).append((n_values, made))
    scores = []
    for found in by_name.values():
        found.sort(key=lambda pair: (bool(pair[1].session), pair[0]), reverse=True)
        first = found[0][1]
        others = tuple(each.table.label for _, each in found[1:] if each.table is not first.table)
        scores.append(Ratings(first.scale, first.table, first.session, first.at, others, first.assumed))
    return scores


def _ratings(scale: ScaleColumns, table: Table, session: str, visits: Visits) -> Ratings | None:
    if session:
        return Ratings(scale, table, session, {}) if "" in scale.by_moment else None
    at = {visits.called(words): columns for words, columns in scale.by_moment.items() if visits.called(words)}
    if not at and "" in scale.by_moment:
        if not visits.visits:
            return Ratings(scale, table, "", {ONLY_VISIT: scale.by_moment[""]}, assumed=True)
        return Ratings(scale, table, "", {visits.before: scale.by_moment[""]}, assumed=len(visits.visits) > 1)
    return Ratings(scale, table, "", at) if at else None


def _acute(scores: Sequence[Ratings]) -> tuple[str, ...]:
    """Sessions at which only scales of the infusion itself were rated."""
    sessions: dict[str, set[bool]] = {}
    for each in scores:
        instrument = SCALES.get(str(each.scale.name))
        acute = instrument is not None and any(scale.acute_effect for scale in instrument.scorings.values())
        for session in _rated_at(each):
            sessions.setdefault(session, set()).add(acute)
    return tuple(session for session, kinds in sessions.items() if kinds == {True})


def _rated_at(ratings: Ratings) -> Iterator[str]:
    if not ratings.session:
        yield from ratings.at
        return
    values = ratings.table.columns[ratings.scale.by_moment[""][0]]
    filled = {cell.lower() for cell in ratings.table.filled(ratings.scale.by_moment[""][0])}
    rated = {
        s for s, cell in zip(ratings.table.columns[ratings.session], values, strict=True) if cell.lower() in filled
    }
    yield from (session for session in dict.fromkeys(ratings.table.columns[ratings.session]) if session in rated)


def rated_at(ratings: Ratings) -> list[str]:
    """The sessions at which somebody has a value of a score.

    Parameters
    ----------
    ratings : Ratings

    Returns
    -------
    list of str
    """
    return list(_rated_at(ratings))


def _motion(
    tables: Sequence[Table],
    keys: Mapping[str, Keys],
    participants: Table | None,
    covariates: Covariates,
    codes: Sequence[str],
) -> tuple[Table, str] | None:
    if participants is not None and covariates.motion:
        return participants, covariates.motion
    for table in tables:
        one_row_each = keys[table.label].column and keys[table.label].unique and not keys[table.label].session
        if table is not participants and one_row_each and (column := motion_column(table, codes)):
            return table, column
    return None


def _rule(material: Material, participants: Table | None, keys: Mapping[str, Keys]) -> IdRule:
    if participants is None or not keys[participants.label].column:
        return IdRule(Known([]), Known(0), {})
    own = list(dict.fromkeys(participants.filled(keys[participants.label].column)))
    others: dict[str, list[str]] = {}
    for table in material.tables:
        column = keys[table.label].column
        if table is not participants and column:
            others[table.label] = list(dict.fromkeys(table.filled(column)))
    for group in material.groups:
        others[group.pattern] = _as_in(own, group)
    return rule_for(own, others)


def _as_in(own: Sequence[str], group: FileGroup) -> list[str]:
    """Ids in the names of files, with the ``sub-`` before them where the participants have it."""
    prefixed = "sub-{participant}" in group.pattern and any(each.startswith("sub-") for each in own)
    return [f"sub-{each}" if prefixed else each for each in group.participants]


def unmet_words(people: People, label: str) -> str:
    """How many ids of a file nobody of the study has, in words, and what to do where that is all of them.

    Parameters
    ----------
    people : People
    label : str
        Of the file.

    Returns
    -------
    str
    """
    n_unmet = people.rule.unmet.get(label, 0)
    if not n_unmet:
        return ""
    if label in people.rule.strangers:
        whose = f"none of its {n_unmet} ids is" if n_unmet > 1 else "its one id is not"
        return f"{whose} in the participants file: say in [ids] of cohort.toml what to strip and pad, or mend the ids"
    return f"{n_unmet} of its ids {'is' if n_unmet == 1 else 'are'} not in the participants file, and will be left out"


def choices(names: Sequence[str]) -> str:
    """Names as they would be written, for a question.

    Parameters
    ----------
    names : sequence of str

    Returns
    -------
    str
    """
    return listed([f'"{name}"' for name in names], 8) if names else UNANSWERED
