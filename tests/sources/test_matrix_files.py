"""Matrices as labs save them: one triangle, NumPy, packed, in folders with brackets."""

import gzip
import lzma

import numpy as np
import pytest
from pydantic import ValidationError

from workbench.errors import SourceError
from workbench.sources import read_source
from workbench.sources.assembling.edges import square
from workbench.sources.contract.identity import Row
from workbench.sources.contract.parsed import Parsed, ParsedMatrix
from workbench.sources.files.number_cells import NumberReader
from workbench.specs.derivative_source import XcpdSource

REGIONS = ["VS", "ACC", "PCC"]
FULL = np.array([[1.0, 0.1, 0.2], [0.1, 1.0, 0.3], [0.2, 0.3, 1.0]])
EDGES = {"VS--ACC": 0.1, "VS--PCC": 0.2, "ACC--PCC": 0.3}


@pytest.fixture
def read(tmp_path, cohort, matrix_spec, write):
    write("regions.txt", "VS\nACC\nPCC\n")

    def read_matrix(**changes):
        spec = matrix_spec(**{"regions": "regions.txt"} | changes)
        table = read_source("fc", spec, cohort, data=tmp_path, features_dir=tmp_path)
        return dict(zip(table.features["feature"], table.values[0].tolist(), strict=True))

    return read_matrix


def save(write, text, name="conn/sub-0001_ses-b0_conn.tsv"):
    write(name, text)


UPPER = ["1 0.1 0.2", "{0} 1 0.3", "{0} {0} 1"]
LOWER = ["1 {0} {0}", "0.1 1 {0}", "0.2 0.3 1"]


@pytest.mark.parametrize(("triangle", "rows"), [("upper", UPPER), ("lower", LOWER)])
@pytest.mark.parametrize("filler", ["0", "0.0", "n/a", ""])
@pytest.mark.parametrize("named", [True, False])
def test_one_triangle_is_read_whatever_stands_in_the_other(read, write, triangle, rows, filler, named):
    lines = [row.replace(" ", "\t").format(filler) for row in rows]
    if named:
        lines = ["\t".join(["Node", *REGIONS]), *(f"{name}\t{line}" for name, line in zip(REGIONS, lines, strict=True))]
    save(write, "\n".join(lines) + "\n")
    assert read(triangle=triangle, header=named) == EDGES


@pytest.mark.parametrize(
    ("triangle", "text"),
    [
        ("lower", "1\n0.1 1\n0.2 0.3 1\n"),
        ("upper", "1 0.1 0.2\n1 0.3\n1\n"),
        ("lower", "Node VS ACC PCC\nVS 1\nACC 0.1 1\nPCC 0.2 0.3 1\n"),
        ("lower", "VS ACC PCC\n1\n0.1 1\n0.2 0.3 1\n"),
        ("upper", "VS ACC PCC\n1 0.1 0.2\n1 0.3\n1\n"),
    ],
)
def test_rows_of_a_triangle_may_grow_or_shrink(read, write, triangle, text):
    save(write, text)
    assert read(triangle=triangle, header=text.startswith(("Node", "VS"))) == EDGES


def test_one_triangle_is_never_guessed_but_named(read, write):
    save(write, "1\t0.1\t0.2\n0\t1\t0.3\n0\t0\t1\n")
    with pytest.raises(SourceError, match=r'is not symmetric: .*one triangle alone: triangle = "upper"; directed'):
        read(header=False)


def test_the_wrong_triangle_is_refused_with_the_two_values(read, write):
    save(write, "1\t0.1\t0.2\n0\t1\t0.3\n0\t0\t1\n")
    expected = (
        r"its upper triangle is not empty: 'VS' to 'ACC' is 0.1, back 0; triangle = \"upper\" if that one is meant"
    )
    with pytest.raises(SourceError, match=expected):
        read(header=False, triangle="lower")


def test_other_values_in_the_other_triangle_are_no_symmetric_matrix(read, write):
    save(write, "1\t0.1\t0.2\n9\t1\t0.3\n0\t0\t1\n")
    with pytest.raises(SourceError, match=r"its lower triangle is not empty: 'ACC' to 'VS' is 9, back 0.1"):
        read(header=False, triangle="upper")


def test_a_triangle_needs_rows_in_the_order_of_columns(read, write):
    save(write, "Node\tVS\tACC\tPCC\nACC\t1\t0.1\t0.2\nVS\t0\t1\t0.3\nPCC\t0\t0\t1\n")
    with pytest.raises(SourceError, match=r"rows in another order than its columns; a triangle has a meaning only"):
        read(triangle="upper")


def test_a_bad_cell_in_the_kept_triangle_is_named(read, write):
    save(write, "1\tx\t0.2\n\t1\t0.3\n\t\t1\n")
    with pytest.raises(SourceError, match=r"line 1, column 'ACC', row 'VS': 'x' is not a number"):
        read(header=False, triangle="upper")


def test_a_blank_in_the_kept_triangle_is_missing_only_where_the_study_says_so(tmp_path, cohort_of, matrix_spec, write):
    save(write, "1\t\t0.2\n\t1\t0.3\n\t\t1\n")
    spec = matrix_spec(header=False, regions="regions.txt", triangle="upper")
    write("regions.txt", "VS\nACC\nPCC\n")
    with pytest.raises(SourceError, match=r"'' is not a number|is empty"):
        read_source("fc", spec, cohort_of(missing=("n/a",)), data=tmp_path, features_dir=tmp_path)


def test_a_numpy_array_is_read_with_the_names_of_a_list(read, tmp_path):
    (tmp_path / "conn").mkdir()
    np.save(tmp_path / "conn" / "sub-0001_ses-b0_conn.npy", FULL)
    assert read(files="conn/sub-{participant}_ses-{session}_conn.npy", header=False) == EDGES


def test_a_numpy_array_without_a_list_is_refused_by_its_options(matrix_spec):
    with pytest.raises(ValidationError, match=r"regions: is missing, and .npy files hold no names"):
        matrix_spec(files="conn/{participant}.npy")


def test_a_numpy_array_of_python_objects_is_never_opened(read, tmp_path):
    (tmp_path / "conn").mkdir()
    np.save(tmp_path / "conn" / "sub-0001_ses-b0_conn.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(SourceError, match=r"is no NumPy array of numbers .*Python objects are not opened"):
        read(files="conn/sub-{participant}_ses-{session}_conn.npy")


def test_a_vector_of_edges_is_refused_since_it_has_no_order(read, tmp_path):
    (tmp_path / "conn").mkdir()
    np.save(tmp_path / "conn" / "sub-0001_ses-b0_conn.npy", np.arange(3.0))
    with pytest.raises(SourceError, match=r"holds an array of shape 3 and type float64; one square array"):
        read(files="conn/sub-{participant}_ses-{session}_conn.npy")


def test_a_numpy_array_that_is_not_as_long_as_the_list_is_refused(read, tmp_path):
    (tmp_path / "conn").mkdir()
    np.save(tmp_path / "conn" / "sub-0001_ses-b0_conn.npy", np.eye(2))
    with pytest.raises(SourceError, match=r"has 2 rows, but the list of regions has 3"):
        read(files="conn/sub-{participant}_ses-{session}_conn.npy")


TEXT = "\n".join(["Node VS ACC PCC", "VS 1 0.1 0.2", "ACC 0.1 1 0.3", "PCC 0.2 0.3 1"])


@pytest.mark.parametrize(("suffix", "pack"), [(".gz", gzip.compress), (".xz", lzma.compress), ("", bytes)])
@pytest.mark.parametrize("delimiter", ["\t", ",", " "])
def test_packed_text_of_any_delimiter_is_read(read, write, suffix, pack, delimiter):
    write(f"conn/sub-0001_ses-b0_conn.txt{suffix}", pack(TEXT.replace(" ", delimiter).encode()))
    assert read(files=f"conn/sub-{{participant}}_ses-{{session}}_conn.txt{suffix}") == EDGES


def test_a_packed_file_that_was_cut_short_is_named(read, write):
    write("conn/sub-0001_ses-b0_conn.tsv.xz", lzma.compress(TEXT.encode())[:-20])
    with pytest.raises(SourceError, match=r"is cut short or damaged: it cannot be unpacked; download or copy it again"):
        read(files="conn/sub-{participant}_ses-{session}_conn.tsv.xz")


def test_text_that_only_calls_itself_packed_is_named(read, write):
    write("conn/sub-0001_ses-b0_conn.tsv.xz", TEXT)
    with pytest.raises(SourceError, match=r"is not compressed, whatever its name says: no xz file"):
        read(files="conn/sub-{participant}_ses-{session}_conn.tsv.xz")


def test_brackets_in_the_name_of_a_folder_are_brackets(read, write):
    write("conn [v2]/{final}/sub-0001_ses-b0_conn.txt", TEXT)
    assert read(files="conn [v2]/{final}/sub-{participant}_ses-{session}_conn.txt") == EDGES


def test_a_label_table_is_a_list_of_regions_in_the_order_of_its_numbers(read, write):
    write("lut.tsv", "index\tname\n2\tACC\n1\tVS\n3\tPCC\n")
    write("conn/sub-0001_ses-b0_conn.tsv", "1 0.1 0.2\n0.1 1 0.3\n0.2 0.3 1\n")
    assert read(header=False, regions="lut.tsv") == EDGES


def test_a_triangle_of_a_directed_matrix_is_refused_by_its_options(matrix_spec):
    with pytest.raises(ValidationError, match=r"triangle: stands beside symmetric = false"):
        matrix_spec(symmetric=False, triangle="upper")


def test_the_hint_for_an_asymmetric_matrix_names_no_key_that_its_reader_lacks():
    values = np.array([[1.0, 0.2], [0.3, 1.0]])
    parsed = Parsed("a.tsv", ("VS", "ACC"), [])
    with pytest.raises(SourceError, match="is not symmetric") as raised:
        square(parsed, ParsedMatrix(Row(""), values), NumberReader(()), keys=XcpdSource.model_fields)
    hint = raised.value.problems[0].hint
    assert 'reader = "matrix" with symmetric = false' in hint
    assert not {"symmetric", "triangle"} & set(XcpdSource.model_fields)
