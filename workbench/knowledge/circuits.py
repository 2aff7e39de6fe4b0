"""Which circuit a brain region belongs to, by the names that atlases and labs give it; read from ``circuits.toml``."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

HEMISPHERES = frozenset({"left", "right", "l", "r", "lh", "rh", "m", "midline", "bilateral", "bilat"})
"""Words of a label that say where, not what."""

FILLERS = frozenset(
    {"ctx", "cortex", "gyrus", "nucleus", "area", "region", "roi", "seed", "network", "complex"}
    | {"freesurfer", "schaefer2018"}
)
"""Words that one atlas writes and another leaves out; tools put the name of the atlas in front."""


@dataclass(frozen=True)
class Region:
    """A brain region under the name that this project uses."""

    name: str
    circuit: str
    """Empty where the region belongs to no circuit of the registry."""
    aliases: tuple[str, ...] = ()


def circuit_of(region: str) -> str:
    """Circuit of a region, or an empty text where its name is not known.

    The whole name must be known once hemisphere, numbers and words such as *cortex* are left out; a name that merely
    contains a known one (``wm-lh-insula``, ``hippocampal-fissure``) is not. A label that starts with a network, as in
    the Schaefer atlas, belongs to that network.

    Parameters
    ----------
    region : str
        Label of an atlas or a lab.

    Returns
    -------
    str
        A key of `CIRCUITS`, or an empty text.

    Examples
    --------
    >>> circuit_of("Left-Accumbens-area"), circuit_of("R_sgACC"), circuit_of("7Networks_LH_Cont_PCun_1")
    ('reward', 'affective', 'executive')
    >>> circuit_of("wm-lh-insula")
    ''
    """
    return _circuit_of(region)


def region_of(label: str) -> Region | None:
    """The region that a label names, or None; labels that name only a network are no region.

    Examples
    --------
    >>> region_of("NAcc_L").name
    'ventral striatum'
    """
    words = _words(label)
    return _regions_by_spelling().get("".join(words)) or _regions_by_spelling().get("".join(_after_network(words)))


@lru_cache(maxsize=65536)  # a connectome names each region some hundred times
def _circuit_of(label: str) -> str:
    words = _words(label)
    network = _network_at_start(words)
    if network:
        return network[0]
    region = _regions_by_spelling().get("".join(words))
    return region.circuit if region else ""


def _words(label: str) -> tuple[str, ...]:
    """Words of a label that say what it is; text in parentheses, hemispheres, numbers and fillers left out."""
    words = re.split(r"[\W_]+", re.sub(r"\([^)]*\)?", " ", label).casefold())
    skipped = HEMISPHERES | FILLERS
    return tuple(word for word in words if word and word not in skipped and not re.fullmatch(r"\d+(networks)?", word))


def _network_at_start(words: tuple[str, ...]) -> tuple[str, int] | None:
    """Circuit of the network that the first one or two words name, and how many words those are."""
    for n_words in (2, 1):
        spelling = "".join(words[:n_words])
        if len(words) >= n_words and spelling in _networks_by_spelling():
            return _networks_by_spelling()[spelling], n_words
    return None


def _after_network(words: tuple[str, ...]) -> tuple[str, ...]:
    network = _network_at_start(words)
    return words[network[1] :] if network else words


@lru_cache(maxsize=1)
def _regions_by_spelling() -> dict[str, Region]:
    return {"".join(_words(name)): region for region in REGIONS.values() for name in (region.name, *region.aliases)}


@lru_cache(maxsize=1)
def _networks_by_spelling() -> dict[str, str]:
    return {"".join(_words(name)): circuit for circuit, names in _DATA["networks"].items() for name in names}


_DATA: dict[str, Any] = tomllib.loads(files(__package__).joinpath("circuits.toml").read_text(encoding="utf-8"))

CIRCUITS: Mapping[str, str] = MappingProxyType(_DATA["circuits"])
"""What each circuit is, and where that comes from."""

REGIONS: Mapping[str, Region] = MappingProxyType(
    {name: Region(name, entry["circuit"], tuple(entry["aliases"])) for name, entry in _DATA["regions"].items()}
)
"""Every region of the registry, by name."""
