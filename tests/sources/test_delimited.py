import gzip

import numpy as np
import pytest

from workbench.errors import SourceError
from workbench.sources.files.delimited import delimiter_of, open_table, read_text_table
from workbench.sources.files.number_cells import NumberReader


@pytest.mark.parametrize(
    "content",
    [
        b"id\tnote\n001\tNA\n002\tnan\n",
        b"id\tnote\r\n001\tNA\r\n002\tnan\r\n",
        b"id\tnote\r001\tNA\r002\tnan\r",
        b"\xef\xbb\xbfid\tnote\n001\tNA\n002\tnan",
        "id\tnote\n001\tNA\n002\tnan\n".encode("utf-16"),
        b"id,note\n001,NA\n002,nan\n",
        b"id;note\n001;NA\n002;nan\n",
        b'id,note\n"001","NA"\n002,nan\n',
        b"id\tnote\t\n001\tNA\t\n\n002\tnan\t\n\t\t\n",
    ],
    ids=["tsv", "crlf", "cr", "bom", "utf-16", "comma", "semicolon", "quoted", "trailing delimiters and empty lines"],
)
def test_text_is_kept_as_text_whatever_the_line_ends_and_delimiter(write, content):
    table = read_text_table(write("t.tsv", content), "t.tsv")
    assert table.columns == {"id": ["001", "002"], "note": ["NA", "nan"]}


def test_a_packed_file_is_read(write):
    table = read_text_table(write("t.tsv.gz", gzip.compress(b"id\n7\n")), "t.tsv.gz")
    assert table.columns == {"id": ["7"]}


def test_a_comma_inside_quotes_is_no_delimiter():
    assert delimiter_of('"a,b,c";d') == ";"


def test_duplicate_column_names_are_refused(write):
    with pytest.raises(SourceError, match=r"t.tsv: has 2 columns named 'age'"):
        read_text_table(write("t.tsv", "id\tage\tage\n1\t2\t3\n"), "t.tsv")


def test_a_column_without_name_is_refused(write):
    with pytest.raises(SourceError, match=r"column 1 has no name; name it, or write the table without row names"):
        read_text_table(write("t.tsv", "\tid\n0\t2\n"), "t.tsv")


def test_ragged_rows_are_named_by_line(write):
    path = write("t.tsv", "id\tage\n1\t30\n2\n3\t40\t50\n")
    with pytest.raises(SourceError, match=r"the header has 2 columns but line 3 has 1 cells, line 4 has 3 cells"):
        read_text_table(path, "t.tsv")


def test_a_datalad_pointer_is_explained(write):
    path = write("conn.tsv", "../../.git/annex/objects/8w/3x/MD5E-s31.tsv/MD5E-s31.tsv")
    with pytest.raises(
        SourceError, match=r"was not fetched: it is only a DataLad pointer; fetch it with `datalad get conn"
    ):
        read_text_table(path, "conn.tsv")


def test_a_broken_link_is_explained(tmp_path):
    (tmp_path / "conn.tsv").symlink_to("../.git/annex/objects/gone")
    with pytest.raises(SourceError, match=r"it is a link to nothing; fetch it with `datalad get"):
        read_text_table(tmp_path / "conn.tsv", "conn.tsv")


def test_an_empty_file_is_explained(write):
    with pytest.raises(SourceError, match=r"is empty \(0 bytes\); fetch it with `datalad get t.tsv`"):
        read_text_table(write("t.tsv", ""), "t.tsv")


def test_a_missing_file_suggests_its_neighbour(write, tmp_path):
    write("phenotype.tsv", "id\n")
    with pytest.raises(SourceError, match=r"there is no such file in .*did you mean 'phenotype.tsv'"):
        read_text_table(tmp_path / "phenotyp.tsv", "phenotyp.tsv")


def test_other_encodings_are_refused_with_the_line(write):
    with pytest.raises(
        SourceError, match=r"is not UTF-8 text \(line 2, byte 0xE9\), but of another .*; save it again as UTF-8"
    ):
        read_text_table(write("t.tsv", b"id\tname\n1\tJos\xe9\n"), "t.tsv")


def test_a_binary_file_is_refused(write):
    with pytest.raises(SourceError, match=r"is not a text file .it holds zero bytes.; export it as TSV or CSV"):
        read_text_table(write("t.tsv", b"id\0\0\1"), "t.tsv")


def test_an_absent_column_suggests_the_closest(write):
    table = read_text_table(write("t.tsv", "participant_id\n1\n"), "t.tsv")
    with pytest.raises(SourceError, match=r"has no column 'participantid'; did you mean 'participant_id'"):
        table.column("participantid")


def test_rows_come_with_their_line(write):
    _, rows = open_table(write("t.tsv", "id\n\n7\n8\n"), "t.tsv")
    assert list(rows) == [(3, ["7"]), (4, ["8"])]


def test_only_declared_codes_are_missing():
    reader = NumberReader(["n/a", ""])
    assert np.isnan(reader.one("n/a"))
    assert [reader.one(cell) for cell in ("nan", "NA", "inf", "1_000", "1e999", "1,5", "0x10")] == [None] * 7


def test_a_numeric_code_covers_its_other_spelling():
    values, bad = NumberReader(["-999"]).row(["1", "-999", "-999.0"])
    assert bad == []
    assert values[0] == 1
    assert np.isnan(values[1:]).all()


@pytest.mark.parametrize(
    "cells",
    [
        ["1.5", "-2e-3", "+4", ".5"],
        ["1.5", "n/a", "x", "inf"],
        ["1_0", "2", "3", "4"],
        ["1.5", "n/a", "n/a", "-0"],
        ["nan", "n/a", "1", "2"],
        ["inf", "n/a", "1e999", "2"],
        ["n/a", "1_0", "2", "3"],
        ["\u0661", "2", "3", "4"],
    ],
)
def test_rows_are_read_as_their_cells_are(cells):
    reader = NumberReader(["n/a"])
    values, bad = reader.row(cells)
    single = [reader.one(cell) for cell in cells]
    assert bad == [at for at, value in enumerate(single) if value is None]
    np.testing.assert_array_equal(values, [np.nan if value is None else value for value in single])


def test_thousands_of_columns_that_need_another_name_are_one_line(write):
    names = ["participant_id", *(f"x{column}" for column in range(3000))] + [f"x{column}" for column in range(3000)]
    with pytest.raises(SourceError) as error:
        read_text_table(write("t.tsv", "\t".join(names) + "\n"), "t.tsv")
    (problem,) = error.value.problems
    assert problem.found == "has several columns of each of these names: 'x0', 'x1', 'x2' and 2997 more"
