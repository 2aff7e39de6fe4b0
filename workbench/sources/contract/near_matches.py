"""Ids and sessions that meet nobody but look like somebody: for finding slips, never for matching."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from decimal import Decimal

from workbench.sources.files.cell_hints import INVISIBLE

MOST_DIGITS = 30
"""Digits beyond which no number is an id."""

SCIENTIFIC = re.compile(r"(\d(?:\.\d+)?)e\+(\d{1,2})", re.IGNORECASE)
"""A number as a spreadsheet or R shortens a long one: 1e+05, 1.23E+05."""

LETTER_O = re.compile(r"(?<=\d)o(?=\d|$)|(?<![a-z])o(?=\d)")
"""The letter that was typed for a zero among digits."""


def loosely(raw: str) -> str:
    """An id without case, accents, prefix, punctuation, leading zeros and what a spreadsheet does to numbers.

    Punctuation between digits stays: 1-11 and 11-1 are two people of two sites.

    Parameters
    ----------
    raw : str

    Returns
    -------
    str
        Two ids that look alike have the same; not an id itself.

    Examples
    --------
    >>> loosely("sub-0007") == loosely("7") == loosely("SUB007") == loosely("7.0")
    True
    >>> loosely("SUB-0O7") == loosely("sub-007"), loosely("CO1") == loosely("C01")
    (True, False)
    >>> loosely("1e+05") == loosely("100000"), loosely("1-11") == loosely("11-1")
    (True, False)
    """
    text = unicodedata.normalize("NFKD", "".join(each for each in raw if each not in INVISIBLE))
    text = "".join(each for each in text if not unicodedata.combining(each)).casefold().strip()
    text = "".join(str(unicodedata.decimal(each, each)) for each in text)
    text = LETTER_O.sub("0", text)
    text = re.sub(r"(\d)\.0+$", r"\1", text)
    shortened = SCIENTIFIC.search(text)
    if shortened is not None and shortened.end() == len(text):
        whole = Decimal(shortened[0])
        text = text[: shortened.start()] + (str(int(whole)) if whole == int(whole) else shortened[0])
    text = re.sub(r"(?<=\d)(?:[\W_]+)(?=\d)", "-", text)
    text = re.sub(r"[^\w-]|_|(?<!\d)-|-(?!\d)", "", text)
    return re.sub(r"(?<![\d])0+(?=\d)", "", re.sub(r"^sub(?=.)", "", text))


def session_loosely(raw: str) -> str:
    """A session without case, accents, ``ses-``, punctuation and leading zeros.

    Parameters
    ----------
    raw : str

    Returns
    -------
    str

    Examples
    --------
    >>> session_loosely("ses-Baseline") == session_loosely("BASELINE")
    True
    """
    return re.sub(r"^(session|ses|visit)(?=.)", "", loosely(raw))


def looks_like(raw: str, known: Mapping[str, str]) -> str:
    """Whose id one looks like, if exactly one person's; empty where none or several do.

    Parameters
    ----------
    raw : str
        An id that the study does not have.
    known : mapping of str to str
        By how an id looks (`loosely`), whose it is.

    Returns
    -------
    str
        A value of `known`, or an empty text.
    """
    if loosely(raw) in known:
        return known[loosely(raw)]
    shortened = SCIENTIFIC.fullmatch(raw)
    if shortened is None:
        return ""
    decimals = len(shortened[1].partition(".")[2])
    written = f"{shortened[1]}e+{int(shortened[2]):02d}"
    whole = {looks: who for looks, who in known.items() if looks.isdecimal() and len(looks) <= MOST_DIGITS}
    same = [who for looks, who in whole.items() if f"{int(looks):.{decimals}e}" == written]
    return same[0] if len(same) == 1 else ""


def in_what_way(raw: str, known: str) -> str:
    """How two texts that look alike differ, in words.

    Parameters
    ----------
    raw, known : str
        As it is written, and what it looks like.

    Returns
    -------
    str
        Continues a sentence: ``in other capitals``.

    Examples
    --------
    >>> in_what_way("ses-Baseline", "ses-baseline"), in_what_way("1e+05", "100000")
    ('in other capitals', 'shortened by a spreadsheet')
    """
    if any(character in INVISIBLE for character in raw + known):
        code = next(f"U+{ord(character):04X}" for character in raw + known if character in INVISIBLE)
        return f"with an invisible character, {code}"
    if unicodedata.normalize("NFC", raw) == unicodedata.normalize("NFC", known):
        return "with its accents composed otherwise (Unicode NFC and NFD)"
    if unicodedata.normalize("NFKC", raw) == unicodedata.normalize("NFKC", known):
        return "in other characters of the same look"
    if raw.casefold() == known.casefold():
        return "in other capitals"
    if letter_for_digit(raw, known):
        return "with the letter O for a zero"
    if SCIENTIFIC.search(raw) or SCIENTIFIC.search(known):
        return "shortened by a spreadsheet"
    if re.sub(r"\.0+$", "", raw) == re.sub(r"\.0+$", "", known):
        return "written as a number, with .0 at its end"
    if re.sub(r"(?<!\d)0+(?=\d)", "", raw) == re.sub(r"(?<!\d)0+(?=\d)", "", known):
        return "with other leading zeros"
    if _plain(raw) == _plain(known):
        return "with other accents"
    return "but for prefix, punctuation, capitals or zeros"


def letter_for_digit(raw: str, known: str) -> bool:
    """Whether one of two ids has the letter O where the other has a zero.

    Parameters
    ----------
    raw, known : str
        Two ids that look alike.

    Returns
    -------
    bool

    Examples
    --------
    >>> letter_for_digit("007", "0O7"), letter_for_digit("007", "7")
    (True, False)
    """
    return (LETTER_O.search(raw.casefold()) is None) != (LETTER_O.search(known.casefold()) is None)


def _plain(text: str) -> str:
    apart = unicodedata.normalize("NFKD", text)
    return "".join(each for each in apart if not unicodedata.combining(each)).casefold()


def sessions_alike(given: Iterable[str], declared: Iterable[str]) -> dict[str, str]:
    """Sessions that are not declared but look like one that is, and which.

    Parameters
    ----------
    given : iterable of str
        Sessions as files write them.
    declared : iterable of str

    Returns
    -------
    dict of str to str
        By session as given: the declared one.
    """
    known = {session_loosely(session): session for session in declared}
    there = set(known.values())
    return {raw: known[session_loosely(raw)] for raw in given if raw not in there and session_loosely(raw) in known}
