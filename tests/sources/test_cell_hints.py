"""What a cell is that is no number; following the advice must lose no value and change none."""

import pytest

from workbench.sources.files.cell_hints import NUMBER, what_is
from workbench.sources.files.number_cells import BadCell, bad_cell_problems

TRUE_VALUES = {
    "\u22120.76": -0.76,
    "\u20133": -3.0,
    "\uff0d2": -2.0,
    "- 5": -5.0,
    "1,234.5": 1234.5,
    "1.234,5": 1234.5,
    "-1.234,5": -1234.5,
    "1,234,567": 1234567.0,
    "1.234.567": 1234567.0,
    "1 234": 1234.0,
    "1\u2009234": 1234.0,
    "1\u202f234,5": 1234.5,
    "1'234.5": 1234.5,
    "1_000": 1000.0,
    "1.0D+02": 100.0,
    "\uff11\uff12": 12.0,
}
"""Cells whose value is beyond doubt, and that value."""


@pytest.mark.parametrize("cell", TRUE_VALUES)
def test_the_number_that_is_proposed_is_the_number_that_was_written(cell):
    _, hint = what_is(cell)
    proposed = [float(word.strip("(),;")) for word in hint.split() if NUMBER.fullmatch(word.strip("(),;"))]
    assert proposed == [TRUE_VALUES[cell]]


@pytest.mark.parametrize(
    "cell",
    [
        *TRUE_VALUES,
        *[
            "1,5",
            "89+",
            "<5",
            "\u2265 3",
            "90 or older",
            "2020-01-05",
            "5-May",
            "35*",
            "12 %",
            "5 mg",
            "3-4",
            "10\u00b2",
        ],
        *["1.2.3", "'5", "(3.2)", "1+2j", "\u200b5", "#DIV/0!", "#REF!", "inf", "1e999", "0x10", "5;6", "O.5", "1,234"],
    ],
)
def test_nothing_that_was_measured_is_ever_advised_to_be_missing(cell):
    found, hint = what_is(cell)
    assert "missing =" not in hint
    assert found.startswith("is ")
    assert hint


@pytest.mark.parametrize(
    "cell", ["NA", "n.a.", "NaN", ".", "-", "\u2013", "?", "missing", "Unknown", "null", "#N/A", "not done"]
)
def test_what_says_itself_that_there_is_no_value_may_be_declared(cell):
    _found, hint = what_is(cell)
    assert f'missing = [.., "{cell}"]' in hint
    assert "if it stands for a missing value" in hint


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("\u22120.7", r"minus sign is U+2212"),
        ("\u22120,7", r"decimals follow a comma, and its minus sign is U+2212"),
        ("0,7", r"decimals follow a comma"),
        ("1,234", r"comma stands before decimals or thousands"),
        ("89+", r"is a limit"),
        ("3-Mar", r"is a date"),
        ("\u200b5", r"invisible character (U+200B)"),
        ("5\u00a0000", r"thousands separators"),
        ("#VALUE!", r"a spreadsheet's error"),
        ("7.5y", r"a unit or a letter"),
        ("", r"is empty"),
    ],
)
def test_a_cell_is_called_what_it_is(cell, message):
    assert message in what_is(cell)[0]


def test_a_comma_that_may_mean_two_things_is_given_both_readings():
    assert "1.234 if before decimals, 1234 if before thousands" in what_is("1,234")[1]


def test_a_column_in_another_spelling_is_never_advised_to_be_dropped():
    cells = [BadCell(f"line {at}", "VS", f"sub-{at}", f"0,{at}1") for at in range(2, 6)]
    (problem,) = bad_cell_problems("ec.tsv", cells, 4, 'leave it out: drop = ["{column}"]')
    assert "its decimals follow a comma" in problem.found
    assert problem.hint == 'write decimals with a point, or decimal = "," where all follow one'
