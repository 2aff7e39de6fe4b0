"""The vocabulary of circuits, regions and atlas names, as ``regions.toml`` of the package and of a study declare it."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any

from workbench.errors import Problem, Problems, SpecError, did_you_mean
from workbench.knowledge.labels import POSITIONS, Reading, readings, words_of
from workbench.toml_files import read_toml, toml_text

OWN_FILE = "features/regions.toml"
"""Where a study adds circuits, regions and names of its own."""

OWN_TITLE = "name of the study"
"""How a label is recognised that the study names itself."""

NO_CIRCUIT = "none"
"""Instead of a circuit: the networks that belong to none, whatever the region in them."""

GENERAL = "names"
"""Key of the names in general use, which belong to no atlas."""

TABLES = ("circuits", "networks", "regions", "ambiguous", "atlases")
REGION_KEYS = ("circuit", "aliases", "source")
ATLAS_KEYS = ("title", "source", "labels", "declared", "pattern", "exact", "positions", "networks", "names")


@dataclass(frozen=True)
class NamedRegion:
    """A brain region under the name that this project uses."""

    name: str
    circuit: str
    """Empty where the region belongs to no circuit of the vocabulary."""
    aliases: tuple[str, ...] = ()
    source: str = ""
    """Empty where the source of the circuit is its source."""


@dataclass(frozen=True, eq=False)
class AtlasNames:
    """The names that a family of atlases gives to regions.

    Parameters
    ----------
    declared : tuple of str
        Words by which a study names this family in ``atlas = "..."``.
    pattern : str
        Regular expression for labels of this family, in lower case with ``_`` between words; empty: any.
    exact : bool
        Whether numbers and words such as *area* are part of the names.
    positions : bool
        Whether words such as *anterior* may follow a name.
    networks : dict of str to tuple of str
        Names of networks that begin a label, by circuit; under an empty circuit, the region decides.
    names : dict of str to tuple of str
        Names by region; ``*`` stands for the rest of a name.
    own : bool
        Whether the study declared it; its names go before all others.
    """

    key: str
    title: str
    source: str
    labels: str = ""
    declared: tuple[str, ...] = ()
    pattern: str = ""
    exact: bool = False
    positions: bool = False
    networks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    own: bool = False

    def is_declared(self, atlas: str) -> bool:
        """Whether a study's ``atlas`` names this family.

        Examples
        --------
        >>> AtlasNames("schaefer", "", "", declared=("schaefer", "4S")).is_declared("4S456Parcels")
        True
        """
        tokens = words_of(atlas)
        return atlas == self.key != GENERAL or any(_names_atlas(words_of(word), tokens) for word in self.declared)

    def looks_like(self, text: str) -> bool:
        """Whether a label, in lower case with ``_`` between words, has the look that only this family has."""
        return self._look is not None and self._look.fullmatch(text) is not None

    def words_of(self, reading: Reading) -> tuple[str, ...]:
        """The words of a label that this family names regions by."""
        return reading.exact if self.exact else reading.naming

    def region_named(self, words: tuple[str, ...]) -> tuple[str, str] | None:
        """Region that these words name, and the name as the family writes it."""
        if not words:
            return None
        named = self._by_spelling.get("".join(words))
        if named:
            return named
        stems = self._stems.get(words[0], ())
        named = next((named for stem, named in stems if words[: len(stem)] == stem), None)
        if named is None and self.positions and words[-1] in POSITIONS:
            return self.region_named(words[:-1])
        return named

    def network_at_start(self, words: tuple[str, ...]) -> Iterator[tuple[str, str, tuple[str, ...]]]:
        """Circuit and name of the network that begins a label, and the words after it; the longest name first."""
        for n_words in range(min(len(words), self._longest_network), 0, -1):
            network = self._networks_by_spelling.get("".join(words[:n_words]))
            if network:
                yield (*network, words[n_words:])

    def key_words(self, name: str) -> tuple[str, ...]:
        """The words of a name of this family that decide which region is meant."""
        read = readings(name)
        return self.words_of(read[0]) if read else ()

    def problems(self, where: str) -> Iterator[Problem]:
        """Names that could never be recognised, and names that stand for two regions."""
        claimed: dict[str, tuple[str, str]] = {}
        for region, names in self.names.items():
            for name in names:
                if "*" in name[:-1]:
                    yield Problem(where, f"{name!r} has a * inside", "a * stands at the end, for more words")
                spelling = " ".join(self.key_words(name)) + ("*" if "*" in name else "")
                if not spelling.strip("*"):
                    hint = "a name needs a word of its own; exact = true keeps numbers"
                    yield Problem(where, f"{name!r} is only a hemisphere, a number or a word that is left out", hint)
                other, other_name = claimed.setdefault(spelling.replace(" ", ""), (region, name))
                if other != region:
                    found = f"{other_name!r} is {other}, and {name!r} is {region}"
                    yield Problem(where, found, "both are read alike: one of them needs a word more")

    @cached_property
    def _by_spelling(self) -> dict[str, tuple[str, str]]:
        spellings: dict[str, tuple[str, str]] = {}
        for region, names in self.names.items():
            for name in names:
                if "*" not in name:
                    spellings.setdefault("".join(self.key_words(name)), (region, name))
        return spellings

    @cached_property
    def _stems(self) -> dict[str, list[tuple[tuple[str, ...], tuple[str, str]]]]:
        """Words of names that end in a star, by their first word, the longest first."""
        stems = [
            (self.key_words(name), (region, name))
            for region, names in self.names.items()
            for name in names
            if name.endswith("*")
        ]
        by_first: dict[str, list[tuple[tuple[str, ...], tuple[str, str]]]] = {}
        for stem, named in sorted(stems, key=lambda stem: -len(stem[0])):
            by_first.setdefault(stem[0], []).append((stem, named))
        return by_first

    @cached_property
    def _look(self) -> re.Pattern[str] | None:
        return re.compile(self.pattern) if self.pattern else None

    @cached_property
    def _longest_network(self) -> int:
        names = [name for names in self.networks.values() for name in names]
        return max((len(self.key_words(name)) for name in names), default=0)

    @cached_property
    def _networks_by_spelling(self) -> dict[str, tuple[str, str]]:
        spellings: dict[str, tuple[str, str]] = {}
        for circuit, names in self.networks.items():
            for name in names:
                spellings.setdefault("".join(self.key_words(name)), (circuit, name))
        return spellings


def _names_atlas(word: tuple[str, ...], tokens: tuple[str, ...]) -> bool:
    """Whether a word names an atlas: HO and DK stand alone or before a digit, longer words may begin a word."""
    at = range(len(tokens) - len(word) + 1)
    if any(tokens[start : start + len(word)] == word for start in at):
        return True
    joined = "".join(word)
    long_enough = len(joined) > 3 or any(letter.isdigit() for letter in joined)
    starts = [token[len(joined) :] for token in tokens if token.startswith(joined)]
    return any(long_enough or rest[:1].isdigit() for rest in starts)


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """Circuits, regions, and every family of names.

    Parameters
    ----------
    circuits : dict of str to str
        What each circuit is, and where that comes from.
    regions : dict of str to NamedRegion
        By name.
    ambiguous : dict of str to tuple of str
        What a short name can stand for.
    families : tuple of AtlasNames
        Those of the study first; names in general use are a family of their own.
    """

    circuits: Mapping[str, str]
    regions: Mapping[str, NamedRegion]
    ambiguous: Mapping[str, tuple[str, ...]]
    families: tuple[AtlasNames, ...]

    def with_own(self, path: Path, label: str = OWN_FILE) -> Vocabulary:
        """This vocabulary with the circuits, regions and names of a study, which go before the others.

        Parameters
        ----------
        path : Path
            A file with the keys of the package's ``regions.toml``.
        label : str
            How messages name the file.

        Raises
        ------
        SpecError
            If the file cannot be read, or has keys, circuits or regions that are not known: all at once.
        """
        own = _checked(read_toml(path, label), label, self)
        circuits = {**self.circuits, **own.get("circuits", {})}
        named = {name: _region(name, entry, self.regions.get(name)) for name, entry in own.get("regions", {}).items()}
        ambiguous = {name: tuple(texts) for name, texts in own.get("ambiguous", {}).items()}
        families = tuple(
            replace(family, own=True, title=OWN_TITLE if family.key == GENERAL else family.title)
            for family in _families(own, named, label)
        )
        problems = Problems()
        for family in families:
            table = "regions" if family.key == GENERAL else f"atlases.{family.key}"
            problems.extend(family.problems(f"{label}: {table}"))
        problems.raise_if_any(SpecError)
        return Vocabulary(
            circuits, {**self.regions, **named}, {**self.ambiguous, **ambiguous}, families + self.families
        )

    def declared(self, atlas: str) -> tuple[AtlasNames, ...]:
        """The families that a study's ``atlas`` names."""
        if atlas not in self._declared:
            self._declared[atlas] = tuple(family for family in self.families if family.is_declared(atlas))
        return self._declared[atlas]

    @cached_property
    def _declared(self) -> dict[str, tuple[AtlasNames, ...]]:
        return {}

    @cached_property
    def ambiguous_by_spelling(self) -> Mapping[str, tuple[str, ...]]:
        """What a short name can stand for, by its spelling without separators."""
        return {"".join(words_of(name)): texts for name, texts in self.ambiguous.items()}


def _region(name: str, entry: Mapping[str, Any], known: NamedRegion | None) -> NamedRegion:
    aliases = tuple(entry.get("aliases", ()))
    if known is None:
        return NamedRegion(name, entry.get("circuit", ""), aliases, entry.get("source", ""))
    return NamedRegion(name, entry.get("circuit", known.circuit), aliases, entry.get("source", known.source))


def _families(data: Mapping[str, Any], named: Mapping[str, NamedRegion], label: str) -> Iterator[AtlasNames]:
    """Names in general use, then each family of atlases, as a file has them."""
    names = {region.name: (region.name, *region.aliases) for region in named.values()}
    networks = {circuit: tuple(texts) for circuit, texts in data.get("networks", {}).items()}
    if names or networks:
        yield AtlasNames(GENERAL, "name in use", label, networks=networks, names=names)
    for key, entry in data.get("atlases", {}).items():
        yield AtlasNames(
            key=key,
            title=entry.get("title", key),
            source=entry.get("source", label),
            labels=entry.get("labels", ""),
            declared=tuple(entry.get("declared", (key,))),
            pattern=entry.get("pattern", ""),
            exact=entry.get("exact", False),
            positions=entry.get("positions", False),
            networks={circuit: tuple(texts) for circuit, texts in entry.get("networks", {}).items()},
            names={region: tuple(texts) for region, texts in entry.get("names", {}).items()},
        )


# ------------------------------------------------------------------------------------------------------- a study's own


def _checked(data: dict[str, Any], label: str, known: Vocabulary) -> dict[str, Any]:
    """The file itself, once every key, circuit and region in it is known."""
    problems = Problems()
    problems.extend(_unknown(data, TABLES, label))
    problems.extend(_no_table(data, label))
    problems.raise_if_any(SpecError)
    circuits = {*known.circuits, *data.get("circuits", {}), ""}
    regions = {*known.regions, *data.get("regions", {})}
    problems.extend(_strangers(data.get("networks", {}), {*circuits, NO_CIRCUIT}, f"{label}: networks", "circuit"))
    for name, entry in data.get("regions", {}).items():
        where = f"{label}: regions.{name}"
        problems.extend(_unknown(entry, REGION_KEYS, where))
        problems.extend(_texts(entry, ("circuit", "source"), ("aliases",), where))
        if isinstance(entry.get("circuit", ""), str):
            problems.extend(_strangers([entry.get("circuit", "")], circuits, where, "circuit"))
        if "circuit" not in entry and name not in known.regions:
            problems.add(where, "has no circuit", 'circuit = "..", or "" for a region of none')
    for key, entry in data.get("atlases", {}).items():
        where = f"{label}: atlases.{key}"
        problems.extend(_unknown(entry, ATLAS_KEYS, where))
        problems.extend(_texts(entry, ("title", "source", "labels", "pattern"), ("declared",), where))
        problems.extend(_atlas_tables(entry, circuits, regions, where))
    for key, texts in {**data.get("networks", {}), **data.get("ambiguous", {})}.items():
        problems.extend(_texts({key: texts}, (), (key,), label))
    for reserved in {"", NO_CIRCUIT} & {*data.get("circuits", {})}:
        problems.add(f"{label}: circuits", f"{reserved!r} stands for no circuit", "give the circuit another name")
    for key, texts in data.get("circuits", {}).items():
        problems.extend(_texts({key: texts}, (key,), (), f"{label}: circuits"))
    problems.raise_if_any(SpecError)
    return data


def _atlas_tables(entry: Mapping[str, Any], circuits: set[str], regions: set[str], where: str) -> Iterator[Problem]:
    for table, known, what in (("networks", circuits, "circuit"), ("names", regions, "region")):
        rows = entry.get(table, {})
        if not isinstance(rows, dict):
            yield Problem(f"{where}.{table}", "is not a table", f"[{where.rpartition(': ')[2]}.{table}]")
            continue
        allowed = {*known, NO_CIRCUIT} if table == "networks" else known
        yield from _strangers(rows, allowed, f"{where}.{table}", what)
        for key in rows:
            yield from _texts(rows, (), (key,), f"{where}.{table}")
    for key in ("exact", "positions"):
        if not isinstance(entry.get(key, False), bool):
            yield Problem(where, f"{key} is neither true nor false", f"{key} = true")
    try:
        re.compile(str(entry.get("pattern", "")))
    except re.error as error:
        yield Problem(where, f"pattern is no regular expression: {error}")


def _unknown(table: Mapping[str, Any], known: tuple[str, ...], where: str) -> Iterator[Problem]:
    for key in table:
        if key not in known:
            yield Problem(where, f"{key} is not a key I know", did_you_mean(key, known))


def _no_table(data: Mapping[str, Any], label: str) -> Iterator[Problem]:
    for key, value in data.items():
        if key in TABLES and not isinstance(value, dict):
            yield Problem(label, f"{key} is not a table", f"[{key}]")
        elif key in ("regions", "atlases"):
            for name, entry in value.items():
                if not isinstance(entry, dict):
                    yield Problem(label, f"{key}.{name} is not a table", f'[{key}."{name}"]')


def _strangers(names: Any, known: set[str], where: str, what: str) -> Iterator[Problem]:
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known - {""})
            yield Problem(where, f"{name!r} is not a {what} I know", f"{hint}, or declare it under [{what}s]")


def _texts(
    table: Mapping[str, Any], single: tuple[str, ...], several: tuple[str, ...], where: str
) -> Iterator[Problem]:
    for key in single:
        if not isinstance(table.get(key, ""), str):
            yield Problem(where, f"{key} is not a text", f'{key} = ".."')
    for key in several:
        value = table.get(key, [])
        if not isinstance(value, list) or not all(isinstance(text, str) and words_of(text) for text in value):
            yield Problem(where, f"{key} is not a list of names", f'{key} = ["..", ".."]')


def vocabulary_of(study: Path) -> Vocabulary:
    """Circuits, regions and names of the package, after those that ``features/regions.toml`` of a study adds.

    Parameters
    ----------
    study : Path
        The study folder.

    Returns
    -------
    Vocabulary

    Raises
    ------
    SpecError
        With all problems of that file.
    """
    own = study / OWN_FILE
    return _with_own_file(own, toml_text(own, OWN_FILE)) if os.path.lexists(own) else published()


@lru_cache(maxsize=8)
def _with_own_file(path: Path, content: str) -> Vocabulary:
    """The vocabulary with a file of a study: parsed once for all sources, and anew when it says something else."""
    return published().with_own(path)


def published_text() -> str:
    """The file of the package's vocabulary, as it is written.

    Returns
    -------
    str
    """
    return files(__package__).joinpath("regions.toml").read_text(encoding="utf-8")


@lru_cache(maxsize=1)
def published() -> Vocabulary:
    """The vocabulary of the package.

    Returns
    -------
    Vocabulary
    """
    data = tomllib.loads(published_text())
    regions = {name: _region(name, entry, None) for name, entry in data["regions"].items()}
    return Vocabulary(
        circuits=MappingProxyType(data["circuits"]),
        regions=MappingProxyType(regions),
        ambiguous={name: tuple(texts) for name, texts in data["ambiguous"].items()},
        families=tuple(_families(data, regions, "regions.toml")),
    )
