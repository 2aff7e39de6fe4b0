"""What a cell is that is no number, and what to do about it: advice that does no harm when it is followed."""

from __future__ import annotations

import math
import re
import unicodedata

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
"""Stricter than Python's float(), which also reads '1_000', 'nan' and 'infinity'."""

OTHER_MINUS = "\u2212\u2010\u2011\u2012\u2013\u2014\ufe63\uff0d"
"""Signs that look like a minus: U+2212, and the hyphens and dashes of typesetting."""

SPACES = " \u00a0\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
"""Spaces that separate thousands; thin and unbreakable ones are not seen as such."""

COMMA = 'write decimals with a point, or decimal = "," where all follow one'
"""What settles a decimal comma: the key of the file's own table in the specification."""

INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff\u00ad\u200e\u200f\u202a\u202c"
"""Characters that take no room: what looks like a number is none."""

MISSING = re.compile(
    r"n\.?/?a\.?|#n/?a|nan|null|none|nil|missing|unknown|not (done|rated|available|known)|"
    r"\.+|[-\u2010-\u2015\u2212]+|\?+|\*",
    re.IGNORECASE,
)
"""Ways to write that there is no value; any other word or number is not said to be one."""

MONTHS = "jan|feb|mar|mrz|apr|may|mai|jun|jul|aug|sep|oct|okt|nov|dec|dez"

DATE = re.compile(
    rf"\d{{1,4}}([-/.])\d{{1,2}}\1\d{{2,4}}([ T].*)?|\d{{1,2}}[-. /]({MONTHS})[a-z]*([-. /]\d{{2,4}})?|"
    rf"({MONTHS})[a-z]*[-. /]\d{{1,4}}",
    re.IGNORECASE,
)

LIMIT = re.compile(
    r"[<>\u2264\u2265\u2a7d\u2a7e]=?\s*[+-]?[\d.,]+|[+-]?[\d.,]+\s*\+|[\d.,]+ (and|or) (over|above|more|below|less)",
    re.IGNORECASE,
)
"""A value that is only known to lie beyond a limit, such as the top code 89+."""

INFINITE = re.compile(r"[+-]?inf(inity)?", re.IGNORECASE)


def what_is(cell: str) -> tuple[str, str]:
    """What a cell is that could not be read as a number, and what to do about it.

    The advice never loses or changes a value that was measured: only what says itself that there is no value may be
    declared missing.

    Parameters
    ----------
    cell : str
        Neither a number nor a declared missing code.

    Returns
    -------
    found : str
        Continues a sentence that begins with the cell: ``is a date, not a number``.
    hint : str
        What to do.

    Examples
    --------
    >>> what_is("1,5")[0]
    'is not a number: its decimals follow a comma'
    >>> what_is("89+")[0]
    'is a limit, not a number'
    """
    if NUMBER.fullmatch(cell) and math.isfinite(float(cell)):
        return 'has a decimal point, and decimal = "," is declared', "write all decimals of the file in one way"
    if NUMBER.fullmatch(cell) or INFINITE.fullmatch(cell):
        return "is not a number: infinite values are refused", "correct it, or write it as missing"
    if cell == "":
        return "is empty, which is not among the missing codes", 'if it has no value: missing = [.., ""] in cohort.toml'
    if MISSING.fullmatch(cell):
        hint = f"if it stands for a missing value, declare the code: missing = [.., {_quoted(cell)}] in cohort.toml"
        return "is not a number", hint
    if cell.startswith("#"):
        return "is not a number: a spreadsheet's error", "correct the formula, and export the table again"
    if LIMIT.fullmatch(cell):
        return "is a limit, not a number", _censored(cell)
    if DATE.fullmatch(cell):
        return "is a date, not a number", "a spreadsheet may have made it of a number: take the value from its origin"
    return _another_spelling(cell) or _with_more(cell) or _no_number(cell)


def _censored(cell: str) -> str:
    number = re.sub(r"[^\d.]", "", cell)
    return f"decide what it counts as ({number}, or groups in place of numbers) and write that in every row like it"


def _another_spelling(cell: str) -> tuple[str, str] | None:
    """A number that is written with other characters, or with separators."""
    if any(character in INVISIBLE for character in cell):
        code = next(f"U+{ord(character):04X}" for character in cell if character in INVISIBLE)
        return f"is not a number: it holds an invisible character ({code})", "write the cell again, without it"
    bare, minus = cell, ""
    if cell[0] in OTHER_MINUS:
        minus, bare = f"its minus sign is U+{ord(cell[0]):04X}", "-" + cell[1:].strip()
    if NUMBER.fullmatch(bare):
        return f"is not a number: {minus}", f"write minus as the hyphen of the keyboard, U+002D: {bare}"
    plain = unicodedata.normalize("NFKC", bare)
    if plain != bare and NUMBER.fullmatch(plain) and not set(bare) & set(SPACES) and _same_digits(bare, plain):
        return "is not a number: its digits are not those of ASCII", f"write {plain}"
    if re.fullmatch(r"[+-]?\d{1,3}(,\d{3})+\.\d+", bare):
        return "is not a number: commas separate its thousands", _rewritten(bare.replace(",", ""), minus)
    if re.fullmatch(r"[+-]?\d{1,3}(\.\d{3})+,\d+", bare):
        found = "is not a number: points separate its thousands and its decimals follow a comma"
        with_comma = bare.replace(".", "")
        hint = _rewritten(with_comma.replace(",", "."), minus)
        return found, f'{hint}; where decimal = "," is declared, {with_comma}'
    if re.fullmatch(r"[+-]?\d{1,3}(,\d{3}){2,}|[+-]?\d{1,3}(\.\d{3}){2,}", bare):
        return "is not a number: it has thousands separators", _rewritten(re.sub("[,.]", "", bare), minus)
    if re.fullmatch(r"[+-]?[1-9]\d{0,2},\d{3}", bare):
        found = "is not a number: its comma stands before decimals or thousands, and nothing here says which"
        hint = f"write {bare.replace(',', '.')} if before decimals, {bare.replace(',', '')} if before thousands"
        return found, f"look at its origin: {hint}"
    if re.fullmatch(r"[+-]?\d*,\d+([eE][+-]?\d+)?", bare):
        also = f", and {minus}" if minus else ""
        return f"is not a number: its decimals follow a comma{also}", COMMA
    if re.fullmatch(rf"[+-]?\d{{1,3}}([{SPACES}'\u2019_]\d{{3}})+([.,]\d+)?", bare):
        kept = re.sub(rf"[{SPACES}'\u2019_]", "", bare).replace(",", ".")
        return "is not a number: it has thousands separators", _rewritten(kept, minus)
    if re.fullmatch(r"[+-]?[\d.]+[dD][+-]?\d+", bare):
        return "is not a number: an exponent as Fortran writes it", _rewritten(re.sub("[dD]", "e", bare), minus)
    if re.fullmatch(r"[+-] +[\d.]+", bare):
        return "is not a number: a space follows its sign", _rewritten(bare.replace(" ", ""), minus)
    return None


def _same_digits(cell: str, plain: str) -> bool:
    """No exponent was flattened into digits: 10 and a raised 2 are not 102."""
    return len(cell) == len(plain) and all(unicodedata.category(each) in ("Nd", "Po", "Pd", "Sm") for each in cell)


def _rewritten(number: str, minus: str) -> str:
    return f"write {number}" + (f" ({minus})" if minus else "")


def _with_more(cell: str) -> tuple[str, str] | None:
    """A number with something beside it."""
    if re.fullmatch(r"['\"\u2018\u2019\u201c\u201d].*|.*['\"\u201d]", cell) and any(map(str.isdigit, cell)):
        return "is not a number: it has a quotation mark", "take the mark out"
    if re.fullmatch(r"\([\d.,]+\)", cell):
        return "is not a number: it is in brackets", "negative numbers are written with a minus: find out what it means"
    if re.fullmatch(r"[+-]?[\d.,]+ ?%", cell):
        return (
            "is not a number: it has a percent sign",
            "write the number alone in every row, and the unit in the source",
        )
    if re.fullmatch(r"[+-]?[\d.]+ ?[*\u2020\u2021^#]+", cell):
        return "is not a number: a mark follows it", "find out what the mark means, then write the number alone"
    if re.fullmatch(r"\d+(\.\d+)? ?[-/:;|\u2013] ?\d+(\.\d+)?", cell):
        return "is two numbers", "one number a cell: find out which of them is meant"
    if re.fullmatch(r"[+-]?[\d.]+(e[+-]?\d+)?[+-][\d.]+(e[+-]?\d+)?[ij]", cell, re.IGNORECASE):
        return "is a complex number", "write its real part, or its magnitude, whichever is meant"
    if re.fullmatch(r"[+-]?[\d.]+ ?[a-zA-Z\u00b5\u03bc]{1,12}(/[a-zA-Z]+)?", cell):
        return "is a number with a unit or a letter", "write the number alone, in one unit in every row"
    return None


def _no_number(cell: str) -> tuple[str, str]:
    if any(character.isdigit() for character in cell):
        return "is not a number", "correct it from its origin"
    hint = "correct it; only if the word stands for a missing value, declare it in cohort.toml: missing = [.., "
    return "is not a number", f"{hint}{_quoted(cell)}]"


def _quoted(cell: str) -> str:
    return '"' + cell.replace("\\", "\\\\").replace('"', '\\"') + '"'
