"""Lines that a reader of text could lose without a word: quotation marks that run on, headers in the middle."""

import csv
import io

import pytest

from workbench.errors import SourceError
from workbench.sources.files.delimited import open_table, read_text_table

HEADER = "participant_id\tsession_id\tMADRS\tnote"
LINES = [f"sub-{n:03d}\tses-b0\t{20 + n}\tok" for n in range(1, 9)]


def opened(write, lines, newline="\n"):
    return read_text_table(write("t.tsv", newline.join([HEADER, *lines]) + newline), "t.tsv")


def changed(lines, **cells):
    """Lines with other notes: ``changed(LINES, at3='"x')`` is the note of the third."""
    new = list(lines)
    for key, note in cells.items():
        at = int(key[2:]) - 1
        new[at] = new[at].rpartition("\t")[0] + "\t" + note
    return new


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(("first", "last"), [(2, 3), (2, 5), (1, 8), (7, 8)])
def test_a_quotation_mark_that_closes_in_a_later_row_is_refused_where_it_opens(write, newline, first, last):
    lines = changed(LINES, **{f"at{first}": '"talked', f"at{last}": 'talked"'})
    with pytest.raises(SourceError, match=rf"t.tsv: a quotation mark opens in line {first + 1} and is closed in line"):
        opened(write, lines, newline)


@pytest.mark.parametrize("at", [1, 4, 7, 8])
def test_a_quotation_mark_that_is_never_closed_is_refused_where_it_opens(write, at):
    with pytest.raises(SourceError, match=rf"a quotation mark opens in line {at + 1} and is never closed"):
        opened(write, changed(LINES, **{f"at{at}": '"talked'}))


def test_a_mark_in_the_middle_of_a_row_that_closes_in_the_same_column_is_refused(write):
    lines = [*LINES]
    lines[2], lines[4] = 'sub-003\tses-b0\t"23\tok', 'sub-005\tses-b0\t25"\tok'
    with pytest.raises(SourceError, match=r"opens in line 4 and is closed in line 6 only: 2 rows would be lost"):
        opened(write, lines)


def test_every_such_place_of_a_file_is_named_at_once(write):
    lines = changed(LINES, at1='"a', at2='b"', at5='"c', at6='d"')
    with pytest.raises(SourceError) as error:
        opened(write, [*lines[:7], "sub-008\tses-b0"])
    assert [problem.found[:36] for problem in error.value.problems] == [
        "a quotation mark opens in line 2 and",
        "a quotation mark opens in line 6 and",
        "the header has 4 columns but line 9 ",
    ]


def test_a_file_too_long_for_one_cell_is_refused_where_the_mark_opens(write):
    with pytest.raises(
        SourceError, match=r"line 2 has a cell of more than 131,072 characters; .*a quotation mark that is not closed"
    ):
        opened(write, ['sub-001\tses-b0\t3\t"', *LINES * 1000])


@pytest.mark.parametrize(
    "note",
    ["slept badly,\nthen well", "one\n\ntwo\nthree", 'said "no"\nand left', "a\tb", '5" scar', '"', "1, 2, 3\n4"],
)
def test_what_a_program_wrote_with_quotes_is_read_as_it_was(write, note):
    written = io.StringIO(newline="")
    writer = csv.writer(written, delimiter="\t")
    writer.writerows([["id", "a", "b", "note"], ["1", "2", "3", note], ["2", "3", "4", "last"]])
    table = read_text_table(write("t.tsv", written.getvalue()), "t.tsv")
    assert table.columns["note"] == [note, "last"]
    assert table.columns["id"] == ["1", "2"]


def test_a_row_of_several_lines_is_placed_at_its_first_line(write):
    _, rows = open_table(write("t.csv", 'id,note\n1,"a\nb"\n2,c\n'), "t.csv")
    assert [line for line, _ in rows] == [2, 4]


@pytest.mark.parametrize(
    "again",
    [
        HEADER,
        HEADER.upper(),
        "session_id\tparticipant_id\tnote\tMADRS",
        "participant_id\tsession_id\tMADRS\tcomment",
        "participant_id\tsession_id\tMADRS\tnote\tage",
        "participant_id\tsession_id\tMADRS",
    ],
    ids=["same", "capitals", "other order", "one other name", "one more", "one less"],
)
def test_a_header_in_the_middle_is_refused_with_its_line(write, again):
    with pytest.raises(SourceError, match=r"t.tsv: line 5 is a header again"):
        opened(write, [*LINES[:3], again, *LINES[3:]])


def test_several_headers_are_named_together(write):
    with pytest.raises(SourceError, match=r"lines 5, 9 are headers again"):
        opened(write, [*LINES[:3], HEADER, *LINES[3:6], HEADER, *LINES[6:]])


def test_a_table_whose_cells_are_words_of_its_header_is_no_header(write):
    table = read_text_table(write("t.tsv", "id\tleft\tright\nleft\t1\t2\nright\t3\t4\n"), "t.tsv")
    assert table.columns["id"] == ["left", "right"]


def test_a_line_that_names_the_delimiter_for_a_spreadsheet_is_no_row(write):
    _, rows = open_table(write("t.csv", "\ufeffsep=;\r\nid;x\r\n1;2,5\r\n"), "t.csv")
    assert list(rows) == [(3, ["1", "2,5"])]
