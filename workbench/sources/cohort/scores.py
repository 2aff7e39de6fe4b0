"""Ratings, long and wide: every value is checked against its scale, and one that is impossible is never passed on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from workbench.errors import Problem, Problems
from workbench.records import Cohort, Scale
from workbench.sources.cohort.cohort_files import CohortFiles, StudyTable
from workbench.sources.cohort.directions import direction_problems
from workbench.sources.cohort.items import ItemRules
from workbench.sources.cohort.score_columns import columns_by_session
from workbench.sources.contract.far_codes import MISSING_CODES
from workbench.sources.contract.identity import Row, identity_notes, identity_problems, owner_of
from workbench.sources.files.delimited import LISTED
from workbench.sources.files.number_cells import BadCell, NumberReader, bad_cell_problems
from workbench.specs.cohort import CohortSpec, ScaleSpec, ScoreSpec

MIXED_SCORING = "T10"
"""Guard code of totals that belong to another scoring of the same scale (METHODS 4.2)."""

STEP_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Rating:
    """One total of one person at one session."""

    place: str
    participant_id: str
    session: str
    value: float
    anhedonia: float | None = None
    """Sum of its items that ask for anhedonia; None where they are not told from the others."""

    def __str__(self) -> str:
        return f"{self.participant_id} {self.session} ({self.place})".replace("  ", " ")


@dataclass
class _Cells:
    """Where the ratings of one score are in a file: a row, its session and the cells that make a total."""

    rows: list[Row] = field(default_factory=list)
    cells: list[list[str]] = field(default_factory=list)
    columns: list[tuple[str, ...]] = field(default_factory=list)

    def add(self, row: Row, columns: tuple[str, ...], cells: list[str]) -> None:
        self.rows.append(row)
        self.columns.append(columns)
        self.cells.append(cells)


@dataclass(frozen=True, eq=False)
class CohortScores:
    """Every rating of a study.

    Parameters
    ----------
    scores : DataFrame
        Long: participant_id, session, score, value; complete values only.
    scales : mapping of str to Scale
        By the name of the score.
    notes : tuple of str
    anhedonia_items : mapping of (str, str, str) to float
        By participant, session and score: sum of the items that ask for anhedonia.
    unread : frozenset of str
        Scores whose scale is not known or whose file could not be read.
    """

    scores: pd.DataFrame
    scales: Mapping[str, Scale]
    notes: tuple[str, ...]
    anhedonia_items: Mapping[tuple[str, str, str], float]
    unread: frozenset[str] = frozenset()


def read_scores(spec: CohortSpec, cohort: Cohort, files: CohortFiles, problems: Problems) -> CohortScores:
    """Every score of the study; what is wrong with any of them goes into `problems`.

    Parameters
    ----------
    spec : CohortSpec
    cohort : Cohort
        Ids, sessions and missing codes.
    files : CohortFiles
        Opens the tables that the specification names.
    problems : Problems
        Added to, where other readers raise.

    Returns
    -------
    CohortScores
    """
    ratings: dict[str, list[Rating]] = {}
    scales: dict[str, Scale] = {}
    notes: list[str] = []
    for name, score in spec.scores.items():
        with problems.gather():
            scales[name] = scale_of(name, score, spec.scales)
        with problems.gather():
            items = ItemRules(scales[name], score) if name in scales else None
            table = files.open(score.file, score, cohort, declared=f"scores.{name}")
            ratings[name] = _read_score(score, items, cohort, table, notes, problems)
        if name in scales and name in ratings:
            problems.extend(impossible_values(name, score, scales[name], ratings[name]))
    long = [
        (rating.participant_id, rating.session, name, rating.value)
        for name, found in ratings.items()
        for rating in sorted(found, key=lambda rating: (rating.participant_id, rating.session))
    ]
    frame = pd.DataFrame(long, columns=["participant_id", "session", "score", "value"])
    # Whoever is there twice was reported; what else is wrong with the study is looked for with the first row.
    frame = frame.drop_duplicates(["participant_id", "session", "score"])
    frame = frame.astype({"participant_id": "str", "session": "str", "score": "str", "value": float})
    if scales.keys() >= ratings.keys():
        problems.extend(direction_problems(spec, {name: scales[name] for name in ratings}, frame))
    of_items = {
        (rating.participant_id, rating.session, name): rating.anhedonia
        for name, found in ratings.items()
        for rating in found
        if rating.anhedonia is not None
    }
    unread = frozenset(spec.scores) - (scales.keys() & ratings.keys())
    return CohortScores(frame, scales, tuple(dict.fromkeys(notes)), of_items, unread)


def scale_of(name: str, score: ScoreSpec, own: dict[str, ScaleSpec]) -> Scale:
    """The scale of a score: the study's own where it declares one, else that of the registry.

    Raises
    ------
    SpecError
        If neither knows it, or its scoring is not said.
    """
    wanted = score.scale or name
    if wanted in own:
        said = own[wanted]
        return Scale(
            name=wanted,
            label=said.label or wanted,
            minimum=said.minimum,
            maximum=said.maximum,
            worse=said.worse,
            step=said.step,
            response_fall=said.response_fall,
            remission_at_most=said.remission_at_most,
            items=said.items or (),
            lowest_item=said.lowest_item or 0.0,
            zero=said.minimum if said.zero is None else said.zero,
            reliability=said.reliability,
            anhedonia=said.anhedonia,
            source=said.source,
        )
    from workbench.knowledge.scales import find_scale

    return find_scale(wanted, score.scoring)


def _read_score(
    score: ScoreSpec,
    items: ItemRules | None,
    cohort: Cohort,
    table: StudyTable,
    notes: list[str],
    problems: Problems,
) -> list[Rating]:
    long = score.session is not None
    found = _long(score, cohort, table, notes) if long else _wide(score, table, problems)
    # Where the study names the column of each session, the file itself has one row per participant.
    own_rows = found.rows if score.at is None else table.rows()
    problems.extend(identity_problems(own_rows, cohort, score.file, sessions=score.at is None))
    problems.extend(table.codes.problems(table.place("session_codes"), found.rows, score.file))
    notes += identity_notes(own_rows, cohort, score.file)
    return list(_ratings(found, score, items, cohort, table, notes, problems))


def _long(score: ScoreSpec, cohort: Cohort, table: StudyTable, notes: list[str]) -> _Cells:
    sessions = table.sessions(str(score.session), "session")
    columns = _names(score.column)
    cells_of = [table.column(column, "column") for column in columns]
    found = _Cells()
    for position, row in enumerate(table.rows(["" if each in cohort.missing else each for each in sessions])):
        cells = [column[position] for column in cells_of]
        if not row.raw_session and set(cells) <= set(cohort.missing):
            notes.append(f"{score.file}: a row without session and without any value left out")
            continue
        found.add(row, columns, cells)
    return found


def _wide(score: ScoreSpec, table: StudyTable, problems: Problems) -> _Cells:
    found = _Cells()
    declared = {session: _names(columns) for session, columns in (score.at or {}).items()}
    if score.at is None:
        named = columns_by_session(score, table, problems)
        declared = {table.codes.of(session): columns for session, columns in named.items()}
    for session, columns in declared.items():
        cells_of = [table.column(column, f"at.{session}") for column in columns]
        for position, row in enumerate(table.rows([session] * len(table))):
            found.add(row, columns, [column[position] for column in cells_of])
    return found


def _names(columns: str | tuple[str, ...] | None) -> tuple[str, ...]:
    return (columns,) if isinstance(columns, str) else tuple(columns or ())


def _ratings(
    found: _Cells,
    score: ScoreSpec,
    items: ItemRules | None,
    cohort: Cohort,
    table: StudyTable,
    notes: list[str],
    problems: Problems,
) -> Iterator[Rating]:
    """Totals of people in the study; items are summed where all of them are there, never prorated."""
    numbers = NumberReader(cohort.missing, table.decimal)
    bad: list[BadCell] = []
    incomplete = 0
    n_read = 0
    for row, columns, cells in zip(found.rows, found.columns, found.cells, strict=True):
        owner = owner_of(row, cohort)
        if not owner.known or (not row.raw_session and cohort.sessions):
            continue
        values, wrong = numbers.row(cells)
        n_read += 1
        whose = f"{owner.participant_id} {owner.session}".strip()
        bad += [BadCell(row.place, columns[at], whose, cells[at]) for at in wrong]
        if items is not None:
            allowed, values = items.answers(columns, values, row.place, whose)
            if not allowed:
                continue
        n_missing = int(pd.isna(values).sum())
        if n_missing == 0:
            anhedonia = None if items is None else items.anhedonia(columns, values)
            yield Rating(row.place, str(owner.participant_id), str(owner.session), float(values.sum()), anhedonia)
        elif n_missing < len(values) and not wrong:
            incomplete += 1
    if incomplete:
        notes.append(f"{score.file}: {incomplete} totals left out because some of their items are missing")
    problems.extend(bad_cell_problems(score.file, bad, n_read))
    problems.extend(items.problems(score.file, table.declared) if items is not None else ())


# ---------------------------------------------------------------------------------------------------- possible values


def impossible_values(name: str, score: ScoreSpec, scale: Scale, ratings: Sequence[Rating]) -> Iterator[Problem]:
    """Totals outside the range of the scale or between its steps, each with its subject and session."""
    outside = [rating for rating in ratings if not scale.minimum <= rating.value <= scale.maximum]
    between = [rating for rating in ratings if rating not in outside and not _on_a_step(rating.value, scale)]
    reason = mixed_scoring(scale, [rating.value for rating in outside], len(ratings)) if outside else ""
    expected = f"{scale.name} goes from {scale.minimum:g} to {scale.maximum:g}"
    for rating in outside[:LISTED]:
        found = f"{name} is {rating.value:g} in {rating}"
        code = f'; if it stands for a missing value: missing = [.., "{rating.value:g}"] in cohort.toml'
        usual = rating.value in MISSING_CODES
        yield Problem(score.file, found, expected + (code if usual else ""), MIXED_SCORING if reason else "")
    for rating in between[:LISTED]:
        yield Problem(score.file, f"{name} is {rating.value:g} in {rating}", f"totals go in steps of {scale.step:g}")
    more = len(outside[LISTED:]) + len(between[LISTED:])
    if more:
        yield Problem(score.file, f"{name}: and {more} more impossible values")
    if reason:
        yield Problem(score.file, f"{name}: {reason}", "give one scoring throughout, from the items", MIXED_SCORING)


def _on_a_step(value: float, scale: Scale) -> bool:
    if scale.step is None:
        return True
    steps = (value - scale.minimum) / scale.step
    return abs(steps - round(steps)) < STEP_TOLERANCE


def mixed_scoring(scale: Scale, outside: Sequence[float], n_ratings: int) -> str:
    """Why values are probably outside: they fit another scoring of the same instrument, or an empty text.

    SHAPS totals of 0-14 (items as 0 or 1) and 14-56 (items 1 to 4) cannot be converted into each other; a study that
    pasted two files together has both.
    """
    fits = Counter(
        label for label, other in _other_scorings(scale) for value in outside if other.minimum <= value <= other.maximum
    )
    if not fits:
        return ""
    label, n_fit = fits.most_common(1)[0]
    declared = f"{scale.minimum:g}-{scale.maximum:g}"
    which = "all values" if n_fit == n_ratings else f"{n_fit} of {n_ratings} values"
    return (
        f"{which} are impossible as {declared} but possible as {label}: probably another scoring, "
        "and totals of two scorings cannot be converted into each other"
    )


def _other_scorings(scale: Scale) -> Iterator[tuple[str, Scale]]:
    from workbench.knowledge.scales import SCALES

    instrument = SCALES.get(scale.name)
    for label, other in instrument.scorings.items() if instrument else ():
        if (other.minimum, other.maximum) != (scale.minimum, scale.maximum):
            yield label, other
