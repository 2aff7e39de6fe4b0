"""The vocabulary of task contrasts, from ``contrasts.toml``: one name for the labels that pipelines and labs use."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from types import MappingProxyType


@dataclass(frozen=True)
class Contrast:
    """One contrast of a task.

    Parameters
    ----------
    name : str
        ``reward anticipation``.
    definition : str
        What is compared with what.
    aliases : tuple of str
        Labels that mean it.
    source : str
    unverified : tuple of str
        Aliases that were seen with this meaning in one place only.
    """

    name: str
    definition: str
    aliases: tuple[str, ...]
    source: str
    unverified: tuple[str, ...] = ()


def contrast_named(label: str) -> Contrast | None:
    """The contrast that a label means, or None where it is not in the vocabulary.

    Parameters
    ----------
    label : str
        Of a file, a column or a specification; capitals, spaces, hyphens and underscores do not count.

    Returns
    -------
    Contrast or None

    Examples
    --------
    >>> contrast_named("antiRewvsneut").name, contrast_named("win")
    ('reward anticipation', None)
    """
    return _by_spelling().get(_spelling(label))


@lru_cache(maxsize=1)
def contrasts() -> Mapping[str, Contrast]:
    """Every contrast of the vocabulary, by name.

    Returns
    -------
    mapping of str to Contrast
    """
    table = tomllib.loads((files("workbench.knowledge") / "contrasts.toml").read_text(encoding="utf-8"))
    known = {
        name: Contrast(
            name, said["definition"], tuple(said["aliases"]), said["source"], tuple(said.get("unverified", ()))
        )
        for name, said in table.items()
    }
    return MappingProxyType(known)


@lru_cache(maxsize=1)
def _by_spelling() -> Mapping[str, Contrast]:
    spelt: dict[str, Contrast] = {}
    for contrast in contrasts().values():
        for label in (contrast.name, *contrast.aliases):
            spelt[_spelling(label)] = contrast
    return spelt


def _spelling(label: str) -> str:
    return re.sub(r"[\s_-]", "", label.casefold())
