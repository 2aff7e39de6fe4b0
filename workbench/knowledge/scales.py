"""The registry of rating scales, from ``scales.toml``: what a score may be, which way is better, and who says so."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from workbench.errors import Problem, SpecError, did_you_mean
from workbench.records import Scale


@dataclass(frozen=True)
class RemissionRule:
    """A cut-off in use: remission is a score of at most `at_most`."""

    at_most: float
    source: str


@dataclass(frozen=True)
class Instrument:
    """A rating scale with every way it is scored."""

    name: str
    label: str
    scorings: Mapping[str, Scale]
    """By range, such as ``"14-56"``."""
    aliases: tuple[str, ...] = ()
    default_scoring: str | None = None
    """None where totals of two scorings look alike, so that the study must say which it used."""
    remission_rules: tuple[RemissionRule, ...] = ()
    """Cut-offs in use; a person who asks for remission may have to choose one."""
    meaningful_change: str = ""


def find_scale(name: str, scoring: str | None = None) -> Scale:
    """Range, direction and rules of a rating scale.

    Case, spaces and punctuation of the name do not matter; abbreviations that stand for several instruments
    (``HAMD``, ``BDI``) are refused rather than guessed.

    Parameters
    ----------
    name : str
        Name or alias, such as ``MADRS``, ``HAM-D 17`` or ``SHAPS``.
    scoring : str or None
        Range of the totals, such as ``"14-56"``; required where an instrument is scored in several ways.

    Returns
    -------
    Scale

    Raises
    ------
    SpecError
        If the scale is not known, its scoring is missing, or it is never scored like that.

    Examples
    --------
    >>> find_scale("HAM-D 17").maximum
    52.0
    >>> find_scale("shaps", "14-56").zero
    14.0
    """
    instrument = find_instrument(name)
    if scoring is None:
        scoring = instrument.default_scoring
    if scoring is None:
        raise SpecError(Problem(name, "scored in several ways that cannot be converted", _choices(instrument)))
    scale = instrument.scorings.get(_range(scoring))
    if scale is None:
        raise SpecError(Problem(name, f"scoring {scoring!r} is not one I know", _choices(instrument)))
    return scale


def find_instrument(name: str) -> Instrument:
    """The instrument that a name or alias stands for.

    Parameters
    ----------
    name : str
        Capitals, spaces and punctuation do not count.

    Returns
    -------
    Instrument

    Raises
    ------
    SpecError
        If nothing has this name; names the closest one, and how to declare a scale of one's own.
    """
    known = _by_spelling()
    spelling = _spelling(name)
    if spelling in known:
        return SCALES[known[spelling]]
    versions = sorted({found for key, found in known.items() if spelling and _stem(key) == spelling})
    hint = f"say which: {', '.join(versions)}" if versions else _closest(name)
    raise SpecError(Problem(name, "not a scale I know", f"{hint}; a scale of your own is declared under [scales.NAME]"))


def versions_of(name: str) -> tuple[str, ...]:
    """The instruments that a name, alias or abbreviation can stand for.

    Parameters
    ----------
    name : str
        Capitals, spaces and punctuation do not count.

    Returns
    -------
    tuple of str
        Names in the registry: one for a name or alias, several for an abbreviation that they share, none otherwise.

    Examples
    --------
    >>> versions_of("madrs"), versions_of("HAM-D"), versions_of("qids"), versions_of("age")
    (('MADRS',), ('HDRS-17', 'HAMD-6'), ('QIDS-SR16',), ())
    """
    spelling = _spelling(name)
    known = _by_spelling()
    if spelling in known:
        return (known[spelling],)
    return _by_abbreviation().get(spelling, ())


@lru_cache(maxsize=1)
def _by_abbreviation() -> dict[str, tuple[str, ...]]:
    """What several spellings share: `hamd` of `hamd17` and `hamd6`, `qids` of `qidssr16`."""
    found: dict[str, set[str]] = {}
    for spelling, instrument in _by_spelling().items():
        for short in {_stem(spelling), re.sub(r"(sr|c)$", "", _stem(spelling))}:
            found.setdefault(short, set()).add(instrument)
    return {short: tuple(each for each in SCALES if each in names) for short, names in found.items() if short}


def is_name(name: str) -> bool:
    """Whether this is the name or an alias of one instrument, and no abbreviation that several share.

    Parameters
    ----------
    name : str

    Returns
    -------
    bool

    Examples
    --------
    >>> is_name("madrs"), is_name("BDI")
    (True, False)
    """
    return _spelling(name) in _by_spelling()


def _closest(name: str) -> str:
    """The closest spelling, aliases included; where nothing is close, the list of names is enough."""
    spellings = [spelling for instrument in SCALES.values() for spelling in (instrument.name, *instrument.aliases)]
    hint = did_you_mean(name, spellings)
    return f"known: {', '.join(SCALES)}" if hint.startswith("known:") else hint


def _choices(instrument: Instrument) -> str:
    return f"give scoring = one of {', '.join(repr(scoring) for scoring in instrument.scorings)}"


def _spelling(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.casefold())


def _stem(spelling: str) -> str:
    """`hamd` of `hamd17`, `bdi` of `bdiii`: the part that several instruments share."""
    return re.sub(r"(ii|\d+)$", "", spelling)


def _range(scoring: str) -> str:
    """A dash of any kind is a dash: text pasted from a paper has en dashes."""
    return re.sub(r"\s*[\u2010-\u2015\u2212-]\s*", "-", scoring.strip())


@lru_cache(maxsize=1)
def _by_spelling() -> dict[str, str]:
    return {
        _spelling(spelling): instrument.name
        for instrument in SCALES.values()
        for spelling in (instrument.name, *instrument.aliases)
    }


def _read() -> Mapping[str, Instrument]:
    text = files(__package__).joinpath("scales.toml").read_text(encoding="utf-8")
    return MappingProxyType({name: _instrument(name, entry) for name, entry in tomllib.loads(text).items()})


def _instrument(name: str, entry: dict[str, Any]) -> Instrument:
    scorings = {scoring: _scale(name, entry, values) for scoring, values in entry["scoring"].items()}
    only = next(iter(scorings)) if len(scorings) == 1 else None
    return Instrument(
        name=name,
        label=entry["label"],
        scorings=MappingProxyType(scorings),
        aliases=tuple(entry.get("aliases", ())),
        default_scoring=entry.get("default_scoring", only),
        remission_rules=tuple(RemissionRule(**rule) for rule in entry.get("remission_rules", ())),
        meaningful_change=entry.get("meaningful_change", ""),
    )


def _scale(name: str, entry: dict[str, Any], values: dict[str, Any]) -> Scale:
    step = values.get("step", 1.0)
    detail = f", {values['label']}" if "label" in values else ""
    return Scale(
        name=name,
        label=entry["label"] + detail,
        minimum=float(values["minimum"]),
        maximum=float(values["maximum"]),
        worse=values["worse"],
        step=None if step == "any" else float(step),
        response_fall=values.get("response_fall"),
        remission_at_most=values.get("remission_at_most"),
        zero=float(values.get("zero", 0.0)),
        reliability=values.get("reliability"),
        anhedonia=entry.get("anhedonia", False),
        anhedonia_items=tuple(entry.get("anhedonia_items", ())),
        source=entry["source"],
        unverified=(*entry.get("unverified", ()), *values.get("unverified", ())),
        items=tuple(float(highest) for highest in values.get("items", ())),
        lowest_item=float(values.get("lowest_item", 0.0)),
        item_numbers=tuple(entry.get("item_numbers", ())),
        reversed_items=tuple(entry.get("reversed_items", ())),
        recoding=entry.get("recoding", ""),
        no_sum=values.get("no_sum", ""),
        acute_effect=entry.get("acute_effect", False),
    )


SCALES: Mapping[str, Instrument] = _read()
"""Every instrument of the registry, by name."""
