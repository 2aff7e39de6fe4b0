"""How a region label is taken apart: its hemisphere, however it is written, and the words that name the region."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

HEMISPHERES = {
    "left": "left",
    "lh": "left",
    "l": "left",
    "right": "right",
    "rh": "right",
    "r": "right",
    "midline": "midline",
    "m": "midline",
    "bilateral": "both",
    "bilat": "both",
}
"""Words that say where a region is."""

GLUED = (("left", "left"), ("right", "right"), ("lh", "left"), ("rh", "right"), ("l", "left"), ("r", "right"))
"""Hemispheres that are written without a separator before a name: ``lVS``, ``rdlPFC``, ``leftfrontal``."""

FILLERS = frozenset(
    {"ctx", "cortex", "gyrus", "nucleus", "area", "region", "roi", "seed", "network", "complex", "label", "part", "and"}
    | {"mask", "sphere", "freesurfer", "schaefer2018"}
)
"""Words that one atlas writes and another leaves out; tools put the name of the atlas in front."""

MEASURES = frozenset({"thickness", "thickavg", "surfavg", "volume", "vol", "bp", "bpnd", "suvr", "vt", "beta"})
"""What was measured, where a table writes it into the name of its column."""

_LEFT_OUT = FILLERS | MEASURES

POSITIONS = frozenset(
    {"anterior", "posterior", "superior", "inferior", "lateral", "medial", "middle", "central", "center", "dorsal"}
    | {"ventral", "antero", "postero", "anteromedial"}
)
"""Words for a part of a region."""

_NUMBER = re.compile(r"x?\d+(networks|mm)?|part\d+")  # R writes an X before a name that starts with a digit
_SEPARATOR = re.compile(r"[\W_]+")
_HEMISPHERE_IN_PARENTHESES = re.compile(r"\(\s*(l|r|lh|rh|left|right|m|midline)\s*\)", re.IGNORECASE)
_PARENTHESES = re.compile(r"\(([^)]*)\)?")


@dataclass(frozen=True)
class Reading:
    """One way to read a label.

    Parameters
    ----------
    words : tuple of str
        Lower case, without the hemisphere.
    hemisphere : str
        left, right, midline, both, or empty where the label does not say.
    """

    words: tuple[str, ...]
    hemisphere: str = ""

    @cached_property
    def naming(self) -> tuple[str, ...]:
        """The words that decide which region is meant: no numbers, no *area*, no measure."""
        return naming_words(self.words)

    @cached_property
    def exact(self) -> tuple[str, ...]:
        """The same where numbers and words such as *area* are part of the names."""
        return naming_words(self.words, exact=True)


def parts(label: str) -> tuple[str, tuple[str, ...]]:
    """A label without what stands in parentheses, and the texts in parentheses that hold letters.

    A hemisphere in parentheses belongs to the label; coordinates are left out.

    Parameters
    ----------
    label : str

    Returns
    -------
    label : str
    inside : tuple of str

    Examples
    --------
    >>> parts("FP r (Frontal Pole Right)")
    ('FP r', ('Frontal Pole Right',))
    >>> parts("DefaultMode.LP (L) (-39,-77,33)")
    ('DefaultMode.LP  L', ())
    """
    label = _HEMISPHERE_IN_PARENTHESES.sub(r" \1 ", label)
    inside = tuple(text for text in _PARENTHESES.findall(label) if re.search(r"[^\W\d_]", text))
    return _PARENTHESES.sub(" ", label).strip(), inside


def words_of(text: str) -> tuple[str, ...]:
    """Words of a text in lower case, whatever separates them.

    Parameters
    ----------
    text : str

    Returns
    -------
    tuple of str
        In their order.
    """
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return tuple(word for word in _SEPARATOR.split(text.casefold()) if word)


def naming_words(words: tuple[str, ...], *, exact: bool = False) -> tuple[str, ...]:
    """The words that decide which region is meant.

    Parameters
    ----------
    exact : bool
        Keep numbers and words such as *area*, which are part of the name in some atlases; only ``ROI`` is left out.
    """
    if exact:
        return tuple(word for word in words if word != "roi")
    return tuple(word for word in words if word not in _LEFT_OUT and not _NUMBER.fullmatch(word))


@lru_cache(maxsize=65536)
def readings(text: str) -> tuple[Reading, ...]:
    """Every way in which the hemisphere of a label can be read.

    Parameters
    ----------
    text : str
        A label as an atlas writes it, or as it is typed.

    Returns
    -------
    tuple of Reading

    Examples
    --------
    >>> [(" ".join(reading.words), reading.hemisphere) for reading in readings("Left-Accumbens-area")]
    [('accumbens area', 'left')]
    >>> [(" ".join(reading.words), reading.hemisphere) for reading in readings("lOFC")]
    [('lofc', ''), ('ofc', 'left')]
    """
    words = words_of(text)
    at = [position for position, word in enumerate(words) if word in HEMISPHERES]
    if len(at) == len(words):
        return ()
    if not at:
        return (Reading(words), *_glued(words))
    if len({HEMISPHERES[words[position]] for position in at}) == 1:
        return (Reading(tuple(word for word in words if word not in HEMISPHERES), HEMISPHERES[words[at[0]]]),)
    return tuple(Reading(words[:one] + words[one + 1 :], HEMISPHERES[words[one]]) for one in (at[0], at[-1]))


def _glued(words: tuple[str, ...]) -> Iterator[Reading]:
    first, last = words[0], words[-1]
    for letters, hemisphere in GLUED:
        if first.startswith(letters) and len(first) > len(letters) + 1:
            yield Reading((first[len(letters) :], *words[1:]), hemisphere)
        if len(letters) > 2 and last.endswith(letters) and len(last) > len(letters) + 1:
            yield Reading((*words[:-1], last[: -len(letters)]), hemisphere)
