"""Contrasts of a table: features that are sums of others with weights, such as pain_high - pain_low."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from workbench.errors import Problem, Problems, SourceError, did_you_mean, listed
from workbench.sources.contract.far_codes import far_codes
from workbench.sources.contract.parsed import Parsed, ParsedRow, ParseOptions
from workbench.sources.files.number_cells import NumberReader
from workbench.sources.tabulated.column_parts import Parts, description_of, feature_of
from workbench.specs.linear_combination import linear_combination

TERM = "term of a contrast"

Weights = Mapping[str, float]


def with_contrasts(
    parsed: Parsed, parts: Mapping[str, Parts], contrasts: Mapping[str, str], options: ParseOptions
) -> Parsed:
    """A table with its contrasts in place of their terms.

    Where names of features have a contrast part, terms are contrasts, and there is a feature for everything else that a
    name says (each region); else terms are columns.

    Parameters
    ----------
    parsed : Parsed
    parts : mapping of str to Parts
        By feature; empty where names have no parts.
    contrasts : mapping of str to str
        Name of each contrast and its linear combination.
    options : ParseOptions

    Returns
    -------
    Parsed
        Missing where a term is; a term that is no number stands in its place, and is named as any such cell.

    Raises
    ------
    SourceError
        If a contrast names what is not there, what only some regions have, or is called like a column.
    """
    problems = Problems()
    combinations = {name: linear_combination(text) for name, text in contrasts.items()}
    apart = any("contrast" in said for said in parts.values())
    make = _of_parts(parsed, parts, combinations, problems) if apart else _of_columns(parsed, combinations, problems)
    problems.raise_if_any(SourceError)
    terms = {column for weights, _ in make.values() for column in weights}
    kept = [column for column in parsed.columns if column not in terms]
    for name in make:
        if name in kept:
            problems.add(
                f"{parsed.label}: contrasts", f"{name!r} is a column already", "give the contrast another name"
            )
    problems.raise_if_any(SourceError)
    described = {column: said for column, said in parsed.described.items() if column in kept}
    for name, (weights, said) in make.items():
        units = {parsed.described.get(column, {}).get("unit", "") for column in weights}
        if len(units - {""}) > 1:
            found = f"{name!r} adds {listed(sorted(units - {''}), 3)}"
            problems.add(f"{parsed.label}: contrasts", found, "terms in one unit; correct units, or the dictionary")
        described[name] = {**({"unit": units.pop()} if len(units) == 1 else {}), **said}
    problems.raise_if_any(SourceError)
    return replace(
        parsed,
        columns=(*kept, *make),
        entries=_combined(parsed, kept, [weights for weights, _ in make.values()], options),
        described=described,
        left_out={**parsed.left_out, **dict.fromkeys((c for c in parsed.columns if c in terms), TERM)},
    )


def _of_columns(
    parsed: Parsed, combinations: Mapping[str, Weights], problems: Problems
) -> dict[str, tuple[Weights, dict[str, str]]]:
    for name, weights in combinations.items():
        for term in weights:
            if term not in parsed.columns:
                hint = _apart(term, parsed.columns) or did_you_mean(term, parsed.columns[:2000])
                problems.add(f"{parsed.label}: contrasts.{name}", f"has no column {term!r}", hint)
    return {name: (weights, {"contrast": name}) for name, weights in combinations.items()}


def _apart(term: str, columns: Sequence[str]) -> str:
    """What to write where a hyphen, which belongs to a name, was meant as a sign."""
    for at, sign in enumerate(term):
        if sign == "-" and term[:at] in columns and term[at + 1 :] in columns:
            return f'a hyphen without spaces belongs to a name: write "{term[:at]} - {term[at + 1 :]}"'
    return ""


def _of_parts(
    parsed: Parsed, parts: Mapping[str, Parts], combinations: Mapping[str, Weights], problems: Problems
) -> dict[str, tuple[Weights, dict[str, str]]]:
    """For each thing that names say beside the contrast, the columns of the terms."""
    column_of: dict[tuple[tuple[str, str], ...], dict[str, str]] = {}
    for column, said in parts.items():
        if "contrast" in said:
            rest = tuple((part, "" if part == "contrast" else text) for part, text in said.items())
            column_of.setdefault(rest, {})[said["contrast"]] = column
    known = list(dict.fromkeys(contrast for columns in column_of.values() for contrast in columns))
    make: dict[str, tuple[Weights, dict[str, str]]] = {}
    for name, weights in combinations.items():
        where = f"{parsed.label}: contrasts.{name}"
        unknown = [term for term in weights if term not in known]
        for term in unknown:
            problems.add(where, f"has no contrast {term!r}", did_you_mean(term, known))
        for rest, columns in column_of.items() if not unknown else ():
            said = {part: text or name for part, text in rest}
            lacking = [term for term in weights if term not in columns]
            if len(lacking) == len(weights):
                continue
            if lacking:
                found = f"{feature_of('', {**said, 'contrast': ''})!r} has no {listed(map(repr, lacking), 3)}"
                problems.add(where, found, "drop the columns of the other terms, or correct their names")
                continue
            make[feature_of(name, said)] = ({columns[term]: weights[term] for term in weights}, description_of(said))
    return make


def _combined(
    parsed: Parsed, kept: list[str], weights: Iterable[Weights], options: ParseOptions
) -> Iterator[ParsedRow]:
    numbers = NumberReader(options.missing, options.spec.decimal)
    position = {column: at for at, column in enumerate(parsed.columns)}
    at_kept = [position[column] for column in kept]
    sums = [[(position[column], weight) for column, weight in each.items()] for each in weights]
    terms_at = sorted({at for terms in sums for at, _ in terms})
    values: list[list[float]] = []
    owners: list[tuple[str, str]] = []
    for entry in parsed.entries:
        assert isinstance(entry, ParsedRow)
        cells = entry.cells
        values.append([_number(str(cells[at]), numbers) for at in terms_at])
        owners.append((entry.row.raw_id, entry.row.raw_session))
        made = [_sum([(str(cells[at]), weight) for at, weight in terms], numbers) for terms in sums]
        yield ParsedRow(entry.row, [*(cells[at] for at in at_kept), *made])
    if values and terms_at:
        names = [parsed.columns[at] for at in terms_at]
        far = far_codes(np.array(values), names, owners, options.spec.measured or ())
        if far:  # a sum of which -999 is a part looks like any other number
            raise SourceError([Problem(parsed.label, *each) for each in far])


def _number(cell: str, numbers: NumberReader) -> float:
    number = numbers.one(cell)
    return float("nan") if number is None else number


def _sum(terms: list[tuple[str, float]], numbers: NumberReader) -> str:
    total = 0.0
    for cell, weight in sorted(terms, key=lambda term: numbers.one(term[0]) is not None):
        number = numbers.one(cell)
        if number is None or number != number:  # no number, or missing: so is the sum, for the same reason
            return cell
        total += weight * number
    return repr(total).replace(".", ",") if numbers.comma else repr(total)
