"""Files of numbers read by the compiled parser: the numbers of the careful reading, bit for bit, or nothing."""

import numpy as np
import pytest

from workbench.errors import SourceError
from workbench.sources.contract.parsed import SourceFile
from workbench.sources.files.number_cells import NumberReader
from workbench.sources.files.number_files import plain_numbers
from workbench.sources.matrices import matrix_files
from workbench.sources.matrices.matrix_files import read_square

MISSING = frozenset({"n/a", ""})


def matrix(*rows: str, header: str = "Node\tVS\tACC") -> str:
    return "\n".join([header, *rows]) + "\n"


PLAIN = matrix("VS\t1.0\t0.25", "ACC\t0.25\t1.0")


def carefully(path, monkeypatch, *, missing=MISSING, header=True, order=()):
    """What the cell by cell reading makes of a file: names, numbers and the cells that are none."""
    with monkeypatch.context() as patched:
        patched.setattr(matrix_files, "plain_numbers", lambda *_, **__: None)
        square = read_square(SourceFile(path, path.name), missing, header=header, order=order)
    numbers = [NumberReader(missing).row(cells) for cells in square.cells]
    return square, np.array([values for values, _ in numbers]), [bad for _, bad in numbers]


def test_every_number_is_the_one_that_python_reads_bit_for_bit():
    rng = np.random.default_rng(3)
    bits = rng.integers(0, 2**63, 4000, dtype=np.int64).view(np.float64)
    numbers = np.concatenate([bits[np.isfinite(bits)], rng.standard_normal(4000), rng.uniform(-1, 1, 4000)]).tolist()
    texts = [
        text for number in numbers for text in (f"{number!r}", f"{number:.17g}", f"{number:.11e}", f"{number:.6f}")
    ]
    texts += ["0.1", "-0", "1.", ".5", "1E5", "00012", "+1.5", "9007199254740993", "2.2250738585072011e-308", "5e-324"]
    texts += [f"{'1' * 400}.5e-390", "0." + "0" * 330 + "123", "1.7976931348623157e308", "1e-400"]
    table = plain_numbers(("x\n" + "\n".join(texts)).encode(), MISSING)
    assert table.values[:, 0].tobytes() == np.array([float(text) for text in texts]).tobytes()


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        (PLAIN, MISSING),
        (PLAIN.replace("\n", "\r\n"), MISSING),
        (PLAIN.replace("\n", "\r"), MISSING),
        ("\ufeff" + PLAIN, MISSING),
        (PLAIN.rstrip("\n"), MISSING),
        (PLAIN + "\n\n", MISSING),
        (PLAIN.replace("ACC\t", "\nACC\t"), MISSING),
        (PLAIN.replace("\t", ","), MISSING),
        (PLAIN.replace("\t", ";"), MISSING),
        (PLAIN.replace("\t", " "), MISSING),
        (PLAIN.replace("\t", "  "), MISSING),
        (PLAIN.replace("Node\t", ""), MISSING),
        (PLAIN.replace("Node", ""), MISSING),
        (PLAIN.replace("\t0.25", "\t 0.25 "), MISSING),
        (PLAIN.replace("0.25", "n/a"), MISSING),
        (PLAIN.replace("0.25", "n/a "), MISSING),
        (PLAIN.replace("0.25", ""), MISSING),
        (PLAIN.replace("0.25", "nan"), frozenset({"nan"})),
        (PLAIN.replace("0.25", "-999.0"), frozenset({"-999"})),
        (PLAIN.replace("VS", '"VS"').replace("Node", '""'), MISSING),
        (PLAIN.replace("VS", '"V, S"').replace("\t", ","), MISSING),
        (PLAIN.replace("VS", '"V ""S"'), MISSING),
        (PLAIN.replace("VS", ' "VS"'), MISSING),
        (PLAIN.replace("VS", "Vigilància \u03b1"), MISSING),
        (PLAIN.replace("VS", "n/a"), MISSING),
        (PLAIN.replace("VS", "1").replace("ACC", "2"), MISSING),
        ("sep=,\n" + PLAIN.replace("\t", ","), MISSING),
        (matrix("1\t2", "2\t1", header="VS\tACC"), MISSING),
        (matrix("1\t2", "\t", "2\t1", header="VS\tACC"), MISSING),
        (matrix("1\t", "\t1", header="VS\tACC"), MISSING),
    ],
)
def test_both_ways_read_the_same_names_and_numbers(tmp_path, monkeypatch, text, missing):
    path = tmp_path / "conn.tsv"
    path.write_bytes(text.encode())
    square, values, _ = carefully(path, monkeypatch, missing=missing)
    fast = read_square(SourceFile(path, path.name), missing)
    assert (fast.columns, fast.row_names) == (square.columns, square.row_names)
    read = np.array([NumberReader(missing).row(cells)[0] for cells in fast.cells], dtype=float)
    np.testing.assert_array_equal(read, values)


def test_the_compiled_parser_reads_the_plain_spellings_of_the_field():
    """So that the test above compares two ways, not one with itself."""
    for text in (PLAIN, PLAIN.replace("\n", "\r\n"), PLAIN.replace("\t", ","), PLAIN.replace("0.25", "n/a")):
        assert plain_numbers(text.encode(), MISSING, named_rows=None) is not None
    assert plain_numbers(PLAIN.replace("VS", '"VS"').encode(), MISSING, named_rows=None).row_names == ("VS", "ACC")


@pytest.mark.parametrize(
    "cell",
    [
        *("nan", "NaN", "inf", "-Infinity", "1e400", "1_000", "0x10", "1,5", "0.5*", "\u22120.5", "\u0661"),
        *("1e", "-", "#N/A", "1d5", '"0.5"', '0.5"', "NULL", "None"),
        *("1 2", "1\u00a0", "0.5\u200b"),
    ],
)
def test_a_cell_that_is_no_plain_number_is_left_to_the_careful_reading(tmp_path, monkeypatch, cell):
    text = PLAIN.replace("0.25", cell)
    assert plain_numbers(text.encode(), MISSING, named_rows=None) is None
    path = tmp_path / "conn.tsv"
    path.write_text(text, encoding="utf-8")
    *_, bad = carefully(path, monkeypatch)
    read = read_square(SourceFile(path, path.name), MISSING)
    assert [NumberReader(MISSING).row(cells)[1] for cells in read.cells] == bad


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (PLAIN.encode("utf-16"), None),
        (PLAIN.encode("utf-16-le"), "UTF-16 text without a byte order mark"),
        (PLAIN.replace("VS", "Vigil\xe0ncia").encode("latin-1"), "is not UTF-8 text"),
        (PLAIN.replace("ACC", "A\0C").encode(), "holds zero bytes"),
        (PLAIN.replace("VS\t1.0", '"VS\t1.0').encode(), "a quotation mark opens in line 2"),
        (b"\n \n", "nothing but white space"),
    ],
)
def test_what_is_no_plain_text_is_told_by_the_careful_reading(tmp_path, content, message):
    assert plain_numbers(content, MISSING, named_rows=None) is None
    path = tmp_path / "conn.tsv"
    path.write_bytes(content)
    if message is None:
        assert read_square(SourceFile(path, path.name), MISSING).columns == ("VS", "ACC")
    else:
        with pytest.raises(SourceError, match=message):
            read_square(SourceFile(path, path.name), MISSING)


def test_series_with_a_header_and_without_row_names_are_read_too():
    table = plain_numbers(b"VS\tACC\n1\t2\n3\tn/a\n5\t6\n", MISSING)
    assert (table.columns, table.row_names) == (("VS", "ACC"), ())
    np.testing.assert_array_equal(table.values, [[1, 2], [3, np.nan], [5, 6]])


def test_files_with_the_same_header_share_its_names():
    first, second = (plain_numbers(PLAIN.encode(), MISSING, named_rows=None) for _ in range(2))
    assert first.columns is second.columns
    assert first.row_names is second.row_names


def test_numbers_without_a_header_need_rows_of_one_width():
    assert plain_numbers(b"1 2\n2 1\n", MISSING, header=False).values.shape == (2, 2)
    assert plain_numbers(b"1 2\n2\n", MISSING, header=False) is None


def test_short_cells_long_cells_and_a_last_line_without_an_end_are_read_alike():
    """Texts of up to 12 bytes stand in the parser's own table, longer ones in the file, the last ones near its end."""
    cells = [["1", "-0.123456789", "-0.1234567890", "0.12345678901234567"], ["n/a", "12345678901", "1e-300", "7"]]
    expected = [[float("nan" if cell == "n/a" else cell) for cell in row] for row in cells]
    for end in ("\n", ""):
        text = "a\tb\tc\td\n" + "\n".join("\t".join(row) for row in cells) + end
        np.testing.assert_array_equal(plain_numbers(text.encode(), MISSING).values, expected)


@pytest.mark.parametrize("control", ["\x01", "\x08", "\x0b", "\x1c"])
def test_a_control_character_is_neither_a_delimiter_nor_part_of_a_number(control):
    assert plain_numbers(f"a\tb\n1{control}2\n3\t4\n".encode(), MISSING) is None
    assert plain_numbers(f"a\tb\n1{control}\t2\n3\t4\n".encode(), MISSING) is None


def test_what_was_read_from_one_file_is_not_changed_by_the_next():
    """The parser uses its memory again."""
    first = plain_numbers(b"a\tb\n1.5\t2.5\n3.5\t4.5\n", MISSING)
    plain_numbers(b"a\tb\n9.5\t9.5\n9.5\t9.5\n", MISSING)
    np.testing.assert_array_equal(first.values, [[1.5, 2.5], [3.5, 4.5]])


def test_a_delimiter_of_several_spaces_is_no_row_of_missing_values():
    assert plain_numbers(b"a b\n1  2\n3  4\n", MISSING) is None
