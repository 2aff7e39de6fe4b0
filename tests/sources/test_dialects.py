"""The same cohort in every dialect of a table gives the same numbers; what cannot be told is asked for by its key."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from source_writers import FEATURES, TWO_SESSIONS
from workbook_writers import write_workbook

from workbench.errors import SourceError
from workbench.records import FeatureTable
from workbench.sources import read_source
from workbench.specs.table_source import TableSource

HEADER = ["participant_id", "session_id", *FEATURES]
ROWS = [[person, session, *cells] for (person, session), cells in TWO_SESSIONS.items()]
EXPECTED = {
    (f"sub-{person}", session, feature): float(cell)
    for (person, session), cells in TWO_SESSIONS.items()
    for feature, cell in zip(FEATURES, cells, strict=True)
}


@pytest.fixture
def read(tmp_path: Path, cohort) -> Callable[..., FeatureTable]:
    def read_file(name: str, content: bytes | None = None, **options: Any) -> FeatureTable:
        if content is not None:
            (tmp_path / name).write_bytes(content)
        declared = {"modality": "connectivity", "reader": "table", "file": name, "session": "session_id"} | options
        spec = TableSource.model_validate({key: value for key, value in declared.items() if value is not None})
        return read_source("x", spec, cohort, data=tmp_path, features_dir=tmp_path / "features")

    return read_file


def cells_of(table: FeatureTable) -> dict[tuple[str, str, str], float]:
    rows = table.rows.itertuples(index=False)
    return {
        (row.participant_id, row.session, feature): value
        for row, values in zip(rows, table.values, strict=True)
        for feature, value in zip(table.features["feature"], values, strict=True)
        if not np.isnan(value)
    }


def text(delimiter: str = "\t", end: str = "\n", comma: bool = False) -> str:
    rows = [HEADER, *ROWS]
    if comma:
        rows = [HEADER, *([row[0], row[1], *(cell.replace(".", ",") for cell in row[2:])] for row in ROWS)]
    return end.join(delimiter.join(row) for row in rows) + end


DIALECTS: dict[str, tuple[str, bytes, dict[str, Any]]] = {
    "tab": ("t.tsv", text().encode(), {}),
    "comma": ("t.csv", text(",").encode(), {}),
    "semicolon": ("t.csv", text(";").encode(), {}),
    "byte order mark": ("t.tsv", b"\xef\xbb\xbf" + text().encode(), {}),
    "UTF-16 with its mark": ("t.tsv", text().encode("utf-16"), {}),
    "CRLF": ("t.tsv", text(end="\r\n").encode(), {}),
    "CR alone": ("t.tsv", text(end="\r").encode(), {}),
    "sep=; line": ("t.csv", ("sep=;\r\n" + text(";", "\r\n")).encode(), {}),
    "BOM, sep=; and CRLF": ("t.csv", b"\xef\xbb\xbf" + ("sep=;\r\n" + text(";", "\r\n")).encode(), {}),
    "gzip": ("t.tsv.gz", gzip.compress(text().encode()), {}),
    "delimiters at line ends": ("t.csv", text(",", ",,\n").encode(), {}),
    "quoted cells": ("t.csv", ("\n".join(",".join(f'"{c}"' for c in row) for row in [HEADER, *ROWS])).encode(), {}),
    "decimal comma": ("t.csv", text(";", comma=True).encode(), {"decimal": ","}),
    "decimal comma, quoted, between commas": (
        "t.csv",
        "\n".join(",".join(f'"{c.replace(".", ",")}"' for c in row) for row in [HEADER, *ROWS]).encode(),
        {"decimal": ","},
    ),
}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_table_in_any_dialect_gives_the_same_numbers(read, dialect):
    name, content, options = DIALECTS[dialect]
    assert cells_of(read(name, content, **options)) == EXPECTED


def test_a_decimal_comma_is_asked_for_by_its_key_and_never_guessed(read):
    with pytest.raises(SourceError, match=r"no numbers but '0,1'.*: its decimals follow a comma; .* decimal = \",\""):
        read("t.csv", text(";", comma=True).encode())


def test_a_decimal_point_where_a_comma_is_declared_is_refused(read):
    content = text(";", comma=True).replace("0,5", "0.5").encode()
    with pytest.raises(SourceError, match=r"'0.5' has a decimal point, and decimal = \",\" is declared"):
        read("t.csv", content, decimal=",")


@pytest.mark.parametrize("cell", ["1.234,5", "1 234,5", "1'234,5"])
def test_thousands_separators_are_refused_with_a_decimal_comma_too(read, cell):
    with pytest.raises(SourceError, match=r"thousands"):
        read("t.csv", text(";", comma=True).replace("0,5", cell).encode(), decimal=",")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"is empty \(0 bytes\); fetch it with `datalad get"),
        (b"../../.git/annex/objects/Xx/Yy/MD5E-s12--0.tsv/MD5E-s12--0.tsv", "only a DataLad pointer; .*datalad get"),
        (b"/annex/objects/MD5E-s12--0.tsv\n", "only a DataLad pointer; .*datalad get"),
        (text().encode("utf-16-le"), "UTF-16 text without a byte order mark; save it again as UTF-8"),
        (text().replace("VS", "V\xe9").encode("cp1252"), "is not UTF-8 text .line 1, byte 0xE9."),
        (b"\xfd7zXZ\0\x00\x04", "compressed with xz; end its name in .xz, or unpack it"),
        (b"PK\x03\x04\x14\x00table.csv", "is a zip archive; unpack it"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, r"old Office \(.xls, .doc\).*; save it as .xlsx"),
    ],
)
def test_what_is_no_table_yet_is_named_with_the_way_out(read, content, message):
    with pytest.raises(SourceError, match=message):
        read("t.tsv", content)


def test_a_link_to_nothing_names_the_command_that_fetches_it(read, tmp_path):
    (tmp_path / "t.tsv").symlink_to(".git/annex/objects/nowhere")
    with pytest.raises(
        SourceError, match=r"was not fetched: it is a link to nothing; fetch it with `datalad get t.tsv`"
    ):
        read("t.tsv")


def test_matrices_with_a_decimal_comma_and_sessions_of_their_own_are_read(tmp_path, write, cohort, matrix_spec):
    for person, value in (("0001", "0,25"), ("0002", "-0,5")):
        write(f"conn/sub-{person}_ses-BL_conn.tsv", f"Node\tVS\tPCC\nVS\t1\t{value}\nPCC\t{value}\t1\n")
    spec = matrix_spec(decimal=",", session_codes={"ses-BL": "ses-b0"})
    table = read_source("x", spec, cohort, data=tmp_path, features_dir=tmp_path / "features")
    assert table.values.ravel().tolist() == [0.25, -0.5]
    assert set(table.rows["session"]) == {"ses-b0"}


# ---------------------------------------------------------------------------------------------------------------- Excel


def as_numbers(rows: list[list[str]]) -> list[list[Any]]:
    return [[row[0], row[1], *map(float, row[2:])] for row in rows]


def test_a_sheet_gives_the_same_numbers_as_text(read, tmp_path):
    write_workbook(tmp_path / "t.xlsx", {"data": [HEADER, *as_numbers(ROWS)]})
    assert cells_of(read("t.xlsx")) == EXPECTED


def test_empty_rows_columns_and_sheets_around_a_table_are_nothing(read, tmp_path):
    rows = [[], *[[*row, None, None] for row in [HEADER, *as_numbers(ROWS)]], [], []]
    write_workbook(tmp_path / "t.xlsx", {"data": rows, "Sheet2": []})
    assert cells_of(read("t.xlsx")) == EXPECTED


def test_the_sheet_must_be_said_where_several_hold_data(read, tmp_path):
    write_workbook(tmp_path / "t.xlsx", {"notes": [["made by"]], "data": [HEADER, *as_numbers(ROWS)]})
    with pytest.raises(SourceError, match=r"t.xlsx: has 2 sheets with data: 'notes', 'data'; .* sheet = \"notes\""):
        read("t.xlsx")
    with pytest.raises(SourceError, match=r"has no sheet 'dta'; did you mean 'data'"):
        read("t.xlsx", sheet="dta")
    assert cells_of(read("t.xlsx", sheet="data")) == EXPECTED


def test_text_has_no_sheets(read):
    with pytest.raises(SourceError, match=r"t.tsv: sheet: is text, which has no sheets"):
        read("t.tsv", text().encode(), sheet="data")


def test_ids_that_a_format_shows_with_zeros_keep_them(read, tmp_path):
    rows = [[int(row[0]), *row[1:]] for row in as_numbers(ROWS)]
    formats = {f"A{at}": "0000" for at in range(2, 2 + len(rows))}
    write_workbook(tmp_path / "t.xlsx", {"data": [HEADER, *rows]}, formats=formats)
    assert cells_of(read("t.xlsx")) == EXPECTED


def test_ids_that_lost_their_zeros_are_named_where_the_study_does_not_pad(tmp_path, cohort_of):
    rows = [[int(row[0]), *row[1:]] for row in as_numbers(ROWS)]
    write_workbook(tmp_path / "t.xlsx", {"data": [HEADER, *rows]})
    spec = TableSource(modality="x", reader="table", file="t.xlsx", session="session_id")
    cohort = cohort_of(ids={"strip": ("sub-",)})
    with pytest.raises(
        SourceError, match="none of its 3 ids is in the study: the file writes '1', the study has '0001'"
    ):
        read_source("x", spec, cohort, data=tmp_path, features_dir=tmp_path / "features")


def test_formulas_without_a_stored_value_are_refused_with_their_cells(read, tmp_path):
    rows = as_numbers(ROWS)
    rows[1][3] = "=C3*2"
    write_workbook(tmp_path / "t.xlsx", {"data": [HEADER, *rows]})
    with pytest.raises(
        SourceError, match=r"1 formulas of the sheet 'data' have no value stored: D3; open it in a spread"
    ):
        read("t.xlsx")


@pytest.mark.parametrize("error", ["#REF!", "#VALUE!", "#DIV/0!"])
def test_error_cells_are_refused_with_line_column_and_participant(read, tmp_path, error):
    rows = as_numbers(ROWS)
    rows[2][2] = error
    write_workbook(tmp_path / "t.xlsx", {"data": [HEADER, *rows]})
    with pytest.raises(
        SourceError, match=rf"line 4, column 'VS--ACC', sub-0002 ses-b0: '{error}' .* spreadsheet's error"
    ):
        read("t.xlsx")


def test_a_value_that_became_a_date_is_refused(read, tmp_path):
    import datetime

    rows = as_numbers(ROWS)
    rows[2][2] = datetime.datetime(2026, 5, 1)
    write_workbook(tmp_path / "t.xlsx", {"data": [HEADER, *rows]})
    with pytest.raises(SourceError, match=r"'2026-05-01' is a date, not a number; a spreadsheet may have made it"):
        read("t.xlsx")


def test_ids_of_more_than_15_digits_lost_their_last_ones(read, tmp_path):
    rows = as_numbers(ROWS)
    rows[0][0] = 1234567890123456789
    write_workbook(tmp_path / "t.xlsx", {"data": [HEADER, *rows]})
    with pytest.raises(SourceError, match=r"numbers of more than 15 digits: A2 .*from their origin, as text"):
        read("t.xlsx")


def test_cells_merged_below_the_header_are_refused(read, tmp_path):
    rows = [HEADER, *as_numbers(ROWS)]
    rows[2][0] = None
    write_workbook(tmp_path / "t.xlsx", {"data": rows}, merged=["A2:A3"])
    with pytest.raises(
        SourceError, match=r"cells are merged below the header of the sheet 'data': A2:A3; unmerge them"
    ):
        read("t.xlsx")


def test_text_with_a_decimal_comma_among_numbers_of_a_sheet_needs_the_key(read, tmp_path):
    rows = as_numbers(ROWS)
    rows[2][2] = "-0,4"
    write_workbook(tmp_path / "t.xlsx", {"data": [HEADER, *rows]})
    with pytest.raises(SourceError, match=r"'-0,4' is not a number: its decimals follow a comma"):
        read("t.xlsx")
    assert cells_of(read("t.xlsx", decimal=",")) == EXPECTED


def test_a_workbook_that_is_none_is_sent_to_text(read):
    with pytest.raises(
        SourceError, match=r"Excel, .xlsx\) that cannot be opened .*; save it again as .xlsx, or export"
    ):
        read("t.xlsx", b"PK\x03\x04 xl/workbook.xml and nothing else")
