"""Who is in the study: ids, covariates, arms and their order, sites, families and ratings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import overload

import numpy as np
import pandas as pd

from workbench.errors import Problem, Problems, SourceError, did_you_mean, listed
from workbench.records import Cohort, Doubt, Session
from workbench.sources.cohort.cohort_files import CohortFiles, StudyTable, place_of
from workbench.sources.cohort.doubts import doubts_of
from workbench.sources.cohort.members import members
from workbench.sources.cohort.quality import quality_columns
from workbench.sources.cohort.scores import read_scores
from workbench.sources.contract.agreement import misalignment, shared_columns
from workbench.sources.contract.identity import (
    Row,
    identity_notes,
    identity_problems,
    owner_of,
)
from workbench.sources.contract.near_matches import sessions_alike
from workbench.sources.files.cell_hints import NUMBER
from workbench.sources.files.delimited import LISTED
from workbench.sources.files.dictionaries import ColumnEntry, beyond_limits, other_levels
from workbench.sources.files.number_cells import BadCell, NumberReader, bad_cell_problems
from workbench.specs.cohort import ArmsSpec, CohortSpec, ColumnSpec, ScoreSpec


@overload
def read_cohort(spec: CohortSpec, data: Path) -> Cohort: ...
@overload
def read_cohort(spec: CohortSpec, data: Path, *, problems: Problems) -> Cohort | None: ...
def read_cohort(spec: CohortSpec, data: Path, *, problems: Problems | None = None) -> Cohort | None:
    """Read everyone in the study.

    Participant ids become ``sub-`` and the id after strip and pad; ids meet under that rule alone. Covariates whose
    values are all numbers are numbers, the others text, unless ``[columns]`` says otherwise.

    Parameters
    ----------
    spec : CohortSpec
    data : Path
        Folder that the files of the specification are relative to.
    problems : Problems, optional
        Collects what is wrong, so that other files can be checked as well; otherwise it is raised.

    Returns
    -------
    Cohort or None
        None (only with `problems`) where there is nobody to speak of.

    Raises
    ------
    SourceError
        Every problem of every file of the cohort at once: ids, codes, arms, impossible values.
    """
    found = Problems()
    cohort = None
    with found.gather():
        cohort = _Reader(spec, data, found).cohort()
    if problems is None:
        found.raise_if_any(SourceError)
    else:
        problems.extend(found)
    return cohort


class _Reader:
    """Reads the files of one cohort; what is wrong is collected, so that one run shows all of it."""

    def __init__(self, spec: CohortSpec, data: Path, problems: Problems) -> None:
        self.spec = spec
        self.data = data
        self.problems = problems
        self.files = CohortFiles(spec, data)
        self.tables: dict[str, StudyTable] = {}
        self.notes: list[str] = []
        self.doubts: dict[str, tuple[Doubt, ...]] = {}

    def cohort(self) -> Cohort:
        file = self.files.participants()
        table, ids = file.table, file.ids
        self.tables[self.spec.participants] = file
        bare = self._bare()
        people, kept = members(ids, table, bare, self.problems)
        cohort = replace(bare, keys={bare.key(ids[at]): person for person, at in zip(people, kept, strict=True)})
        columns = {name: [cells[at] for at in kept] for name, cells in table.columns.items() if name != self.spec.id}
        lines = [table.lines[at] for at in kept]
        participants, scanned_at = self._with_quality(self._covariates(columns, people, lines, cohort), cohort)
        periods = self._reserved(participants, columns, people, lines)
        rated = read_scores(self.spec, cohort, self.files, self.problems)
        self._other_files_agree(replace(cohort, participants=participants))
        order = sorted(people)
        return replace(
            cohort,
            participants=participants.loc[order],
            periods=periods.loc[order],
            scores=rated.scores,
            scales=rated.scales,
            anhedonia_items=rated.anhedonia_items,
            unread=rated.unread,
            notes=tuple(dict.fromkeys([*self.notes, *rated.notes])),
            doubts=self.doubts,
            column_sessions={**cohort.column_sessions, **scanned_at},
        )

    def _bare(self) -> Cohort:
        """The cohort's rules, before anyone is in it."""
        spec = self.spec
        nobody = pd.DataFrame(index=pd.Index([], name="participant_id", dtype="str"))
        return Cohort(
            design=spec.design,
            participants=nobody,
            sessions={
                name: Session(name, session.phase, session.hours, session.arm)
                for name, session in spec.sessions.items()
            },
            scores=pd.DataFrame(columns=["participant_id", "session", "score", "value"]),
            scales={},
            periods=nobody,
            keys={},
            strip=tuple(spec.ids.strip),
            pad=spec.ids.pad,
            active=spec.arms.active if spec.arms else None,
            control=spec.arms.control if spec.arms else None,
            allocation=dict(spec.arms.allocation or {}) if spec.arms else {},
            randomised_within=tuple(spec.arms.strata or ()) if spec.arms else (),
            missing=tuple(spec.missing),
            id_column=spec.id,
            column_sessions={name: column.at for name, column in spec.columns.items() if column.at is not None},
        )

    def _with_quality(self, participants: pd.DataFrame, cohort: Cohort) -> tuple[pd.DataFrame, dict[str, str]]:
        """Beside the covariates what quality control files say, with its session; names that are there are refused."""
        made, sessions, notes = quality_columns(
            self.spec.quality or {}, cohort, list(participants.index), self.data, self.problems
        )
        self.notes += notes
        for name in made.columns.intersection(participants.columns):
            hint = "leave one of them out, or write prefix = in [quality.NAME]"
            self.problems.add("quality", f"makes {name!r}, which is a column of the participants too", hint)
        return participants.join(made[made.columns.difference(participants.columns, sort=False)]), sessions

    # ---------------------------------------------------------------------------------------------------- covariates

    def _covariates(
        self, columns: Mapping[str, list[str]], people: Sequence[str], lines: Sequence[int], cohort: Cohort
    ) -> pd.DataFrame:
        typed, undeclared = {}, ColumnSpec()
        index = pd.Index(people, name="participant_id", dtype="str")
        where = [f"line {line}" for line in lines]
        for name, cells in columns.items():
            declared = self.spec.columns.get(name)
            if declared is None or (declared.file is None and declared.column in (None, name)):
                typed[name] = self._typed(name, cells, index, where, declared or undeclared, self.spec.participants)
        for name, declared in self.spec.columns.items():
            if name not in typed:
                with self.problems.gather():
                    typed[name] = self._from_file(name, declared, index, cohort)
        return pd.DataFrame(typed, index=index)

    def _from_file(self, name: str, declared: ColumnSpec, people: pd.Index, cohort: Cohort) -> pd.Series:
        label = declared.file or self.spec.participants
        table = self.files.open(label, declared, cohort, declared=f"columns.{name}")
        self.tables[label] = table
        cells = table.column(declared.column or name, "column")
        here = list(range(len(table)))
        if declared.session is not None:
            sessions = table.sessions(declared.session, "session")
            self.problems.extend(table.codes.problems(table.place("session_codes"), table.rows(), label))
            for raw in sessions_alike(dict.fromkeys(sessions), [str(declared.at)]):
                if raw not in self.spec.sessions:
                    found = f"{sessions.count(raw)} rows of {raw!r}, which looks like {declared.at!r} but is not taken"
                    self.problems.add(f"{label}: columns.{name}", found, f"write {declared.at!r} in every such row")
            here = [at for at in here if sessions[at] == declared.at]
            if not here:
                hint = did_you_mean(str(declared.at), sorted(set(sessions)))
                self.problems.add(label, f"has no row of the session {declared.at!r} that columns.{name} takes", hint)
                return self._typed(name, [""] * len(people), people, [""] * len(people), ColumnSpec(), label)
        rows = [Row(table.places[at], table.ids[at]) for at in here]
        if label != self.spec.participants:
            self.problems.extend(identity_problems(rows, cohort, label, sessions=False))
            self.notes += identity_notes(rows, cohort, label)
        at_person = {owner_of(row, cohort).participant_id: at for row, at in zip(rows, here, strict=True)}
        absent = self.spec.missing[0] if self.spec.missing else ""
        own = [cells[at_person[person]] if person in at_person else absent for person in people]
        where = [table.places[at_person[person]] if person in at_person else "" for person in people]
        return self._typed(name, own, people, where, declared, label)

    def _typed(
        self,
        name: str,
        cells: Sequence[str],
        people: pd.Index,
        where: Sequence[str],
        declared: ColumnSpec,
        label: str,
    ) -> pd.Series:
        """A column as numbers or text, as declared or as its values are; what is doubtful about it is kept."""
        numbers = NumberReader(self.spec.missing, self.tables[label].decimal)
        typed = self._as_declared(name, cells, people, where, declared, numbers, label)
        written = [numbers.pointed(cell) for cell in cells]
        entry = self.tables[label].dictionary.get(declared.column or name, ColumnEntry())
        doubts = doubts_of(name, typed.to_list(), written, where, declared, self.spec.missing, label, entry.levels)
        beyond = beyond_limits(typed.to_list(), where, entry, label) if declared.codes is None else ()
        self.doubts[name] = (*doubts, *beyond)
        self.notes += other_levels(name, written, self.spec.missing, entry, label)
        return typed

    def _as_declared(
        self,
        name: str,
        cells: Sequence[str],
        people: pd.Index,
        where: Sequence[str],
        declared: ColumnSpec,
        numbers: NumberReader,
        label: str,
    ) -> pd.Series:
        read = [numbers.one(cell) for cell in cells]
        if declared.codes is not None:
            meanings = self._decoded(name, cells, people, where, declared.codes, label)
            return pd.Series(meanings, index=people, dtype="str")
        bad = []
        if None in read:
            bad = [
                BadCell(place, declared.column or name, person, cell)
                for place, person, cell, number in zip(where, people, cells, read, strict=True)
                if number is None
            ]
        points_only = numbers.comma and all(NUMBER.fullmatch(cell.cell) for cell in bad)
        if declared.type == "number" or (declared.type is None and points_only):
            self.problems.extend(bad_cell_problems(label, bad, len(cells)))
        elif declared.type == "categorical" or bad:
            return pd.Series([None if cell in self.spec.missing else cell for cell in cells], index=people, dtype="str")
        return pd.Series(np.array(read, dtype=float), index=people)  # None is no number: nan

    def _decoded(
        self,
        name: str,
        cells: Sequence[str],
        people: pd.Index,
        where: Sequence[str],
        codes: Mapping[str, str],
        label: str,
    ) -> list[str | None]:
        unknown: dict[str, list[str]] = {}
        meanings: list[str | None] = []
        for cell, person, place in zip(cells, people, where, strict=True):
            if cell in codes:
                meanings.append(codes[cell])
                continue
            meanings.append(None)
            if cell not in self.spec.missing:
                unknown.setdefault(cell, []).append(f"{person} ({place})")
        for code, whose in unknown.items():
            hint = f"codes has {listed(map(repr, codes))}"
            self.problems.add(f"{label}: {name}", f"{code!r} has no meaning, in {listed(whose, 3)}", hint)
        return meanings

    def _other_files_agree(self, cohort: Cohort) -> None:
        """Files of ratings and covariates that repeat a column of the study say the same of everybody."""
        spec = self.spec
        named: dict[str | None, ColumnSpec | ScoreSpec] = {
            each.file: each for each in spec.columns.values() if each.file
        }
        named |= {score.file: score for score in spec.scores.values()}
        for label, file in named.items():
            if label is None or label == spec.participants:
                continue
            try:
                table = self.files.open(label, file, cohort)
            except SourceError:  # told where the file is read
                continue
            known = table.table.columns
            has_sessions = file.session is not None and file.session in known
            rows = table.rows(table.sessions(str(file.session), "session") if has_sessions else None)
            shared = shared_columns(known, cohort, leave_out=filter(None, (table.id_column, file.session)))
            numbers = NumberReader(spec.missing, table.decimal)
            claims = {column: [numbers.pointed(cell) for cell in known[column]] for column in shared}
            self.problems.extend(misalignment(rows, claims, cohort, label))

    # ------------------------------------------------------------------------------------------------ reserved columns

    def _reserved(
        self, participants: pd.DataFrame, columns: Mapping[str, list[str]], people: Sequence[str], lines: Sequence[int]
    ) -> pd.DataFrame:
        """Adds site, family, arm and sequence; gives the arm of every period."""
        index = participants.index
        periods = pd.DataFrame(index=index)
        arms = self.spec.arms
        for reserved, column in (("site", self.spec.site), ("family", self.spec.family)):
            if column is not None and (cells := self._participants_column(column, reserved, columns)) is not None:
                declared = self.spec.columns.get(column, ColumnSpec())
                if declared.codes is not None and column in participants:
                    text = participants[column].to_list()
                else:
                    text = [None if cell in self.spec.missing else cell for cell in cells]
                levels = [cell for cell in text if cell is not None]
                category = ColumnSpec(type="categorical")
                self.doubts[reserved] = doubts_of(column, text, levels, levels, category, (), self.spec.participants)
                self._put(participants, reserved, column, pd.Series(text, index=index, dtype="str"))
        if arms is not None and arms.column is not None and self.spec.design == "parallel":
            self._put(participants, "arm", arms.column, self._arms_in(arms.column, arms, columns, people, lines, index))
        if arms is not None and arms.order and self.spec.design == "crossover":
            for number, column in enumerate(arms.order, 1):
                periods[str(number)] = self._arms_in(column, arms, columns, people, lines, index)
            self._put(participants, "sequence", None, periods["1"].copy())
            self.problems.extend(_same_arm_twice(periods, self.spec.participants))
        return periods

    def _put(self, participants: pd.DataFrame, name: str, made_from: str | None, values: pd.Series) -> None:
        if name in participants and made_from != name:
            self.notes.append(
                f"{self.spec.participants}: its column {name!r} is hidden by what cohort.toml declares as {name}"
            )
        participants[name] = values

    def _participants_column(self, column: str, key: str, columns: Mapping[str, list[str]]) -> list[str] | None:
        if column not in columns:
            found = f"{self.spec.participants} has no column {column!r}"
            self.problems.add(place_of("", key), found, did_you_mean(column, columns))
        return columns.get(column)

    def _arms_in(
        self,
        column: str,
        arms: ArmsSpec,
        columns: Mapping[str, list[str]],
        people: Sequence[str],
        lines: Sequence[int],
        index: pd.Index,
    ) -> pd.Series:
        """The arm of each person in one column; a code that stands for no arm is refused."""
        key = "arms.order" if self.spec.design == "crossover" else "arms.column"
        cells = self._participants_column(column, key, columns)
        if cells is None:
            return pd.Series([None] * len(people), index=index, dtype="str")
        meaning = {**{arm: arm for arm in arms.names}, **arms.codes}
        unknown = [
            f"{cell!r} of {person} (line {line})"
            for cell, person, line in zip(cells, people, lines, strict=True)
            if cell not in meaning and cell not in self.spec.missing
        ]
        if unknown:
            hint = f"arms are {listed(map(repr, arms.names))}; say in [arms] codes what other words stand for"
            self.problems.add(
                f"{self.spec.participants}: {column}", f"no arm is called {listed(unknown, LISTED)}", hint
            )
        return pd.Series([meaning.get(cell) for cell in cells], index=people, dtype="str")


def _same_arm_twice(periods: pd.DataFrame, label: str) -> Iterable[Problem]:
    if periods.shape[1] != 2:
        return
    same = periods.index[(periods["1"] == periods["2"]) & periods["1"].notna()]
    if len(same):
        hint = "a crossover gives each arm once; correct the order columns"
        yield Problem(label, f"both periods have the same arm in {listed(same, LISTED)}", hint)
