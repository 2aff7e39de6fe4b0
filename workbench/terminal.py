"""Text for a terminal that is not UTF-8: what it cannot show is written with the characters that it has."""

from __future__ import annotations

import codecs
import unicodedata
from functools import partial
from typing import TextIO

IN_ASCII = {
    "\u2212": "-",
    "\u2010": "-",
    "\u2011": "-",
    "\u2013": "-",
    "\u2014": "-",
    "\u2018": "'",
    "\u2019": "'",
    "\u201c": '"',
    "\u201d": '"',
    "\u2026": "...",
    "\u00d7": "x",
    "\u00b1": "+-",
    "\u00b5": "u",
    "\u03bc": "u",
    "\u00b0": " deg",
    "\u2264": "<=",
    "\u2265": ">=",
    "\u2192": "->",
    "\u2713": "ok",
    "\u2717": "x",
    "\u2022": "*",
    "\u00b7": ".",
    "\u00df": "ss",
    "\u00f8": "o",
    "\u00d8": "O",
    "\u00e6": "ae",
    "\u0142": "l",
    "\u03b1": "alpha",
    "\u03b2": "beta",
    "\u0394": "Delta",
}
"""Characters with a usual spelling in ASCII; of the others accents are taken off, and the rest is a question mark."""


def never_fail(stream: TextIO) -> None:
    """Let a stream write every text: what its encoding has no character for is spelt with others.

    Parameters
    ----------
    stream : TextIO
        Changed in place; left as it is where it cannot be reconfigured.
    """
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is None:  # somebody has put another stream in its place
        return
    # A handler for each encoding: the error itself calls most of them "charmap".
    name = f"workbench.{stream.encoding}"
    codecs.register_error(name, partial(_degrade, encoding=stream.encoding))
    reconfigure(errors=name)


def _degrade(error: UnicodeError, *, encoding: str) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(in_encoding(each, encoding) for each in error.object[error.start : error.end]), error.end


def in_encoding(character: str, encoding: str) -> str:
    """How a character is written where an encoding does not have it.

    >>> in_encoding("\u00e9", "ascii"), in_encoding("\u2212", "latin-1"), in_encoding("\u732b", "ascii")
    ('e', '-', '?')
    """
    if unicodedata.category(character) in ("Cf", "Mn"):  # takes no room of its own
        return ""
    apart = unicodedata.normalize("NFKD", character)
    bare = "".join(each for each in apart if not unicodedata.combining(each))
    for spelling in (IN_ASCII.get(character, ""), bare):
        if spelling and _has(spelling, encoding):
            return spelling
    return "?"


def _has(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True
