"""Contrasts as a file writes them, such as ``pain_high - pain_low``: a weight for each name, and nothing executed."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from workbench.specs.base import Finding, Key

TOKEN = re.compile(
    r"""\s*(?:
        (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?![\w.])
      | `(?P<quoted>[^`]+)`
      | (?P<name>[\w\[](?:[\w.:@%&\[\]]|-(?=\w))*)
      | (?P<sign>[-+*/()])
    )""",
    re.VERBOSE,
)
"""A number, a name (any text between backticks), or a sign. A hyphen without spaces around it belongs to a name."""

EXAMPLE = '"pain_high - pain_low", or "0.5*(win + loss) - neutral"'


class CombinationError(ValueError):
    """What is wrong with the text of a linear combination, and what to write."""

    def __init__(self, found: str, hint: str = EXAMPLE) -> None:
        super().__init__(f"{found}; {hint}")
        self.found = found
        self.hint = hint


@dataclass(frozen=True)
class _Terms:
    """A sum of names with weights, and a number beside them."""

    weights: Mapping[str, float]
    constant: float = 0.0

    def plus(self, other: _Terms, sign: float) -> _Terms:
        names = dict.fromkeys((*self.weights, *other.weights))
        weights = {name: self.weights.get(name, 0.0) + sign * other.weights.get(name, 0.0) for name in names}
        return _Terms(weights, self.constant + sign * other.constant)

    def times(self, factor: float) -> _Terms:
        return _Terms({name: factor * weight for name, weight in self.weights.items()}, factor * self.constant)


def linear_combination(text: str) -> dict[str, float]:
    """The weight of each name in a sum such as ``0.5*(win + loss) - neutral``.

    Names hold letters, digits and any of ``_ . : @ % & [ ]``, and a hyphen without spaces around it
    (``anticip-reward``); other names stand between backticks, such as one with spaces.

    Parameters
    ----------
    text : str

    Returns
    -------
    dict of str to float
        In the order of the text; no weight is 0.

    Raises
    ------
    CombinationError
        If it is no sum of names with weights: a product of names, a number alone, brackets that are not closed.

    Examples
    --------
    >>> linear_combination("pain_high - pain_low")
    {'pain_high': 1.0, 'pain_low': -1.0}
    >>> linear_combination("(win + loss)/2 - `no change`")
    {'win': 0.5, 'loss': 0.5, 'no change': -1.0}
    """
    terms = _Parser(text).whole()
    if terms.constant:
        raise CombinationError(f"{text!r} has a number without a name, {terms.constant:g}")
    cancelled = [name for name, weight in terms.weights.items() if weight == 0]
    if cancelled:
        raise CombinationError(f"{text!r}: {cancelled[0]!r} cancels out, its weights sum to 0", "take it out")
    if not terms.weights:
        raise CombinationError(f"{text!r} names nothing")
    return dict(terms.weights)


def combination_findings(contrasts: Mapping[str, str], key: Key = ("contrasts",)) -> Iterator[Finding]:
    """What is wrong with a table of contrasts, each by its own key.

    Parameters
    ----------
    contrasts : mapping of str to str
        Name of each contrast and its text.
    key : Key
        Place of the table, as in `Finding`.

    Yields
    ------
    Finding
    """
    for name, text in contrasts.items():
        try:
            linear_combination(text)
        except CombinationError as error:
            yield Finding((*key, name), error.found, error.hint)


class _Parser:
    """Reads a sum from left to right: sums of products of bracketed sums, names and numbers."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = list(self._tokens())
        self.at = 0

    def _tokens(self) -> Iterator[tuple[str, str]]:
        at = 0
        while self.text[at:].strip():
            match = TOKEN.match(self.text, at)
            if match is None or match.lastgroup is None:
                rest = self.text[at:].strip()
                hint = "names with other characters stand between backticks: `% change` - baseline"
                raise CombinationError(f"{self.text!r} cannot be read from {rest!r} on", hint)
            yield match.lastgroup, match[match.lastgroup]
            at = match.end()

    def whole(self) -> _Terms:
        if not self.tokens:
            raise CombinationError("is empty")
        terms = self._sum()
        if self.at < len(self.tokens):
            raise CombinationError(f"{self.text!r} has {self._here()!r} where a sign is expected")
        return terms

    def _here(self) -> str:
        return self.tokens[self.at][1] if self.at < len(self.tokens) else ""

    def _taken(self, signs: str) -> str:
        """The sign that stands here, if it is one of these, after which reading goes on."""
        if self.at < len(self.tokens) and self.tokens[self.at][0] == "sign" and self._here() in signs:
            self.at += 1
            return self.tokens[self.at - 1][1]
        return ""

    def _sum(self) -> _Terms:
        terms = self._product().times(-1.0) if self._taken("-") else self._first_product()
        while sign := self._taken("+-"):
            terms = terms.plus(self._product(), 1.0 if sign == "+" else -1.0)
        return terms

    def _first_product(self) -> _Terms:
        self._taken("+")
        return self._product()

    def _product(self) -> _Terms:
        terms = self._atom()
        while sign := self._taken("*/"):
            other = self._atom()
            if sign == "/":
                terms = terms.times(1.0 / self._number(other, "divides by"))
            elif not other.weights:
                terms = terms.times(other.constant)
            else:
                terms = other.times(self._number(terms, "multiplies names:"))
        return terms

    def _number(self, terms: _Terms, what: str) -> float:
        if terms.weights or not terms.constant or not math.isfinite(terms.constant):
            names = " and ".join(terms.weights) or f"{terms.constant:g}"
            raise CombinationError(f"{self.text!r} {what} {names}", "names are added and subtracted, with weights")
        return terms.constant

    def _atom(self) -> _Terms:
        if self._taken("("):
            terms = self._sum()
            if not self._taken(")"):
                raise CombinationError(f"{self.text!r} has a bracket that is not closed")
            return terms
        if self.at >= len(self.tokens) or self.tokens[self.at][0] == "sign":
            what = repr(self._here()) if self._here() else "its end"
            raise CombinationError(f"{self.text!r} has {what} where a name is expected")
        kind, word = self.tokens[self.at]
        self.at += 1
        return _Terms({}, float(word)) if kind == "number" else _Terms({word.strip(): 1.0})
