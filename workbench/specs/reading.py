"""Reads the TOML files of a study strictly: a spec, or every problem of the file at once.

Reading goes on behind a mistake: a misspelt key is taken for the one it resembles, so that what is wrong further down
is found in the same go. What was read like this is good for finding more problems (`Reading.spec`), never for running.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from workbench.errors import Problem, Problems, SpecError
from workbench.json_values import reader_of
from workbench.specs.base import RULES_LATER, Finding, Key, broken_rules
from workbench.specs.cohort import CohortSpec
from workbench.specs.experiment import ExperimentSpec
from workbench.specs.explaining import (
    Fault,
    choices_of,
    explain,
    faults_of,
    home_of,
    inside,
    kinds_at,
    known_keys,
    meant_as,
    nearest,
    place_in_words,
)
from workbench.specs.readers import READER_GROUP, READERS, AnySource
from workbench.specs.unanswered import unanswered
from workbench.third_party import load, names
from workbench.toml_files import label_of, read_toml

T = TypeVar("T")

ROUNDS = 5
"""How often a file is read again behind its mistakes; each round mends at least one key."""

NO_RULE_REFERS_TO = ("question", "modality", "file", "source", "study")
"""Required texts that may hold anything while other keys are checked."""


@dataclass(frozen=True)
class Reading(Generic[T]):
    """What a file says, as far as it can be understood.

    Attributes
    ----------
    spec : Spec or None
        None where the file cannot be understood without guessing a value; with problems, only good for finding more.
    problems : tuple of Problem
        All problems of the file.
    """

    spec: T | None
    problems: tuple[Problem, ...]

    def required(self) -> T:
        """The spec of a file without problems.

        Raises
        ------
        SpecError
            With every problem of the file.
        """
        if self.problems or self.spec is None:
            raise SpecError(self.problems)
        return self.spec


def read_cohort_spec(path: Path) -> CohortSpec:
    """Read ``features/cohort.toml``.

    Parameters
    ----------
    path : Path

    Returns
    -------
    CohortSpec

    Raises
    ------
    SpecError
        With all problems of the file.
    """
    return examine_cohort(path).required()


def read_source_spec(path: Path) -> AnySource:
    """Read ``features/NAME.toml``.

    Parameters
    ----------
    path : Path

    Returns
    -------
    SourceSpec
        Of the class of its reader.

    Raises
    ------
    SpecError
        With all problems of the file.
    """
    return examine_source(path).required()


def read_experiment_spec(path: Path) -> ExperimentSpec:
    """Read ``experiments/NAME.toml``.

    Parameters
    ----------
    path : Path

    Returns
    -------
    ExperimentSpec

    Raises
    ------
    SpecError
        With all problems of the file.
    """
    return examine_experiment(path).required()


def examine_cohort(path: Path, label: str | None = None) -> Reading[CohortSpec]:
    """Read ``features/cohort.toml`` as far as it can be understood, with its problems.

    Parameters
    ----------
    path : Path
    label : str, optional
        How messages name the file; by default `label_of` it.

    Returns
    -------
    Reading of CohortSpec
    """
    return examine(path, label, CohortSpec)


def examine_source(path: Path, label: str | None = None) -> Reading[AnySource]:
    """Read ``features/NAME.toml`` as far as it can be understood, with its problems.

    The options of a reader that is not the workbench's own come from the installed package that offers it.

    Parameters
    ----------
    path : Path
        In a folder of the study, from which no reader is imported.
    label : str, optional
        How messages name the file; by default `label_of` it.

    Returns
    -------
    Reading of SourceSpec
    """
    label = label or label_of(path)
    try:
        reader = read_toml(path, label).get("reader")
    except SpecError as error:
        return Reading(None, error.problems)
    study = path.absolute().parents[1]
    if isinstance(reader, str) and reader in READERS:
        reading = examine(path, label, READERS[reader])  # what pydantic makes of all readers takes long to build
        return examine(path, label, AnySource) if reading.problems else reading
    if not isinstance(reader, str) or reader not in names(READER_GROUP, study=study):
        return examine(path, label, AnySource)
    try:
        options = load(READER_GROUP, reader, study=study).module.Options
    except SpecError as error:
        return Reading(None, tuple(replace(problem, where=f"{label}: reader") for problem in error.problems))
    return examine(path, label, options)


def examine_experiment(path: Path, label: str | None = None) -> Reading[ExperimentSpec]:
    """Read ``experiments/NAME.toml`` as far as it can be understood, with its problems.

    Parameters
    ----------
    path : Path
    label : str, optional
        How messages name the file; by default `label_of` it.

    Returns
    -------
    Reading of ExperimentSpec
    """
    return examine(path, label, ExperimentSpec)


def examine(path: Path, label: str | None, root: Any) -> Reading[Any]:
    """Read any TOML file whose tables a `Spec` describes, as far as it can be understood, with its problems.

    Parameters
    ----------
    path : Path
    label : str or None
        How messages name the file; None stands for `label_of` it.
    root : type
        What describes the whole file: a `Spec`, or a union of them.

    Returns
    -------
    Reading
        No `SpecError` is raised: a file that cannot be read is one of its problems.
    """
    label = label or label_of(path)
    try:
        values = read_toml(path, label)
    except SpecError as error:
        return Reading(None, error.problems)
    questions = unanswered(path.read_text(encoding="utf-8"), values, label)
    if questions:
        return Reading(None, tuple(questions))
    examination = _Examination(root, values)
    spec = examination.spec()
    problems = Problems()
    for key, found, hint in examination.findings():
        place = place_in_words(key)
        problems.add(f"{label}: {place}" if place else label, found, hint)
    return Reading(spec, tuple(problems))


class _Examination:
    """One file being read, mended and read again until nothing new is found."""

    def __init__(self, root: Any, values: dict[str, Any]) -> None:
        self._root = root
        self._values = values
        self._found: list[Finding] = []
        self._said: set[Key] = set()
        self._dropped: set[Key] = set()
        self._moved: dict[Key, Key] = {}  # where a value was taken to, and where it stands in the file
        self._guessed = False

    def findings(self) -> list[Finding]:
        """What is wrong, in the order of the file."""
        places = {key: position for position, key in enumerate(_places(self._values))}
        return sorted(self._found, key=lambda finding: _position(finding.key, places))

    def spec(self) -> Any | None:
        """The spec, or None where a value had to be guessed; findings are collected on the way."""
        values = copy.deepcopy(self._values)
        adapter = reader_of(self._root)
        for _ in range(ROUNDS):
            try:
                spec = adapter.validate_python(_tuples(values), context={RULES_LATER: True})
            except ValidationError as error:
                if not self._say_and_mend(faults_of(error, values), values):
                    return None
            else:
                broken = list(broken_rules(spec))
                for finding in broken:
                    self._say(finding)
                return None if broken or self._guessed else spec
        return None

    def _say_and_mend(self, faults: list[Fault], values: dict[str, Any]) -> bool:
        """Misspelt keys first: what they were meant for is then no longer missing."""
        readable = True
        for fault in sorted(faults, key=lambda each: each.kind != "extra_forbidden"):
            if fault.kind == "missing" and fault.key[-1] in (inside(values, fault.key[:-1]) or ()):
                continue
            self._say(explain(fault, self._root, values))
            readable = self._mend(fault, values) and readable
        return readable

    def _say(self, finding: Finding) -> None:
        """Keep a finding, unless it only follows from one that is kept; what is wrong with the value of a misspelt key
        too stands in the line of that key, which is the one in the file."""
        key = finding.key
        written = next(
            (self._moved[key[:depth]] for depth in range(len(key), 0, -1) if key[:depth] in self._moved), None
        )
        at = next((at for at, kept in enumerate(self._found) if kept.key == written), None)
        if at is not None and not isinstance(inside(self._values, written or ()), dict):
            kept, too = self._found[at], "; ".join(filter(None, (finding.found, finding.hint)))
            if too not in kept.hint:
                self._found[at] = kept._replace(hint=f"{kept.hint} ({too})")
            return
        follows = any(key[: len(said)] == said for said in self._said)
        if not follows and not any(dropped[: len(key)] == key for dropped in self._dropped):
            self._found.append(finding)
        self._said.add(key)

    def _mend(self, fault: Fault, values: dict[str, Any]) -> bool:
        """Change the values so that reading can go on; False where nothing sensible can stand there."""
        close = nearest(str(fault.value), choices_of(fault)) if fault.kind == "literal_error" else None
        if fault.kind == "extra_forbidden":
            self._put_where_it_belongs(fault.key, values)
        elif fault.kind in ("union_tag_invalid", "union_tag_not_found") and isinstance(inside(values, fault.key), dict):
            return self._choose_kind(inside(values, fault.key), fault)
        elif close is not None and isinstance(inside(values, fault.key[:-1]), dict):
            inside(values, fault.key[:-1])[fault.key[-1]] = close
        elif fault.kind == "missing" and isinstance(fault.key[-1], str):
            self._guessed = True
            return self._stand_in(fault.key, values)
        else:
            self._guessed = True
            self._dropped.add(fault.key)
            return _drop(fault.key, values)
        return True

    def _put_where_it_belongs(self, key: Key, values: dict[str, Any]) -> None:
        table, word = inside(values, key[:-1]), str(key[-1])
        value = table.pop(word)
        moved: Key
        known = known_keys(self._root, key[:-1], values)
        top = known_keys(self._root, (), values)
        close, home = nearest(word, known), home_of(word, self._root, values)
        if len(key) > 1 and word in top:
            there, moved = values, (word,)
        elif close:
            there, moved = table, (*key[:-1], close)
        elif home:
            there, moved = values.setdefault(str(home[0]), {}), (*home, word)
        else:
            return
        if moved[-1] not in there:
            there[str(moved[-1])] = value
            self._moved[moved] = key

    def _stand_in(self, key: Key, values: dict[str, Any]) -> bool:
        """A missing text that no rule refers to is replaced by any text, so that the other keys can be looked at."""
        table = inside(values, key[:-1])
        if key[-1] not in NO_RULE_REFERS_TO or not isinstance(table, dict):
            return False
        table[str(key[-1])] = "missing"
        return True

    def _choose_kind(self, table: dict[str, Any], fault: Fault) -> bool:
        """The kind that was probably meant; else, for a model, a stand-in about which nothing more is said."""
        chooser = str(fault.context["discriminator"]).strip("'")
        misspelt = meant_as(chooser, table) if fault.kind == "union_tag_not_found" else None
        if misspelt is not None:
            table[chooser] = table.pop(misspelt)
            return True
        close = nearest(str(fault.context.get("tag", "")), choices_of(fault))
        if close is None and not fault.key:
            return False
        if close is None:
            self._guessed = True
            self._said.add(fault.key)
            table.clear()
            table["name"] = f"unread-{fault.key[-1]}"
        table[chooser] = close or next(iter(kinds_at(self._root, fault.key, table, chooser)))
        return True


def _places(values: Any, key: Key = ()) -> Iterator[Key]:
    yield key
    if isinstance(values, dict | list):
        for step, value in values.items() if isinstance(values, dict) else enumerate(values):
            yield from _places(value, (*key, step))


def _position(key: Key, places: dict[Key, int]) -> int:
    """Where in the file a key stands, or the table that lacks it."""
    return next(places[key[:depth]] for depth in range(len(key), -1, -1) if key[:depth] in places)


def _drop(key: Key, values: dict[str, Any]) -> bool:
    """Take out the nearest key of a table that holds a wrong value; it may be gone already."""
    for depth in range(len(key), 0, -1):
        table = inside(values, key[: depth - 1])
        if isinstance(table, dict):
            table.pop(str(key[depth - 1]), None)
            return True
    return False


def _tuples(value: Any) -> Any:
    """TOML lists as tuples: what is read is never changed, and strict validation takes nothing else."""
    if isinstance(value, dict):
        return {key: _tuples(each) for key, each in value.items()}
    return tuple(_tuples(each) for each in value) if isinstance(value, list) else value
