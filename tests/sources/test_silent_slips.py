"""What readers once took in silence, or fell over: each is refused now, by what it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from made_volumes import AFFINE, SHAPE
from pydantic import TypeAdapter

from workbench.errors import SourceError
from workbench.records import FeatureTable
from workbench.sources import read_source
from workbench.sources.contract.near_matches import loosely
from workbench.sources.files.volumes import read_volume
from workbench.sources.matrices.matlab_files import real_numbers
from workbench.sources.matrices.matrix_files import refuse_numbers_as_names
from workbench.specs.readers import AnySource

TABLE = {"modality": "task", "reader": "table", "file": "t.tsv"}
MATRIX = {"modality": "connectivity", "reader": "matrix", "files": "c/sub-{participant}_ses-{session}_conn.tsv"}
FILE = "c/sub-0001_ses-b0_conn.tsv"


@pytest.fixture
def read(tmp_path: Path, write, cohort) -> Callable[..., FeatureTable]:
    def read_files(files: dict[str, str], spec: dict[str, Any], **changes: Any) -> FeatureTable:
        for name, content in files.items():
            write(name, content.replace("|", "\t"))
        declared: AnySource = TypeAdapter(AnySource).validate_python(spec | changes)
        return read_source("x", declared, cohort, data=tmp_path, features_dir=tmp_path / "features")

    return read_files


# --------------------------------------------------------------------------------------------------------- matrices


def test_a_matrix_without_names_does_not_lose_its_first_region(read):
    with pytest.raises(SourceError, match=r"has no names: its first line is .*0\.5, 0\.2"):
        read({FILE: "1.0|0.5|0.2\n0.5|1.0|0.1\n0.2|0.1|1.0\n"}, MATRIX)
    refuse_numbers_as_names(("1001", "1002"), "x")  # numbers of an atlas are names


def test_series_without_a_header_do_not_lose_their_first_volume(read):
    series = {FILE: "".join(f"{at / 7:.3f}|{at**2 / 9:.3f}\n" for at in range(9))}
    with pytest.raises(SourceError, match="has no names: its first line is"):
        read(series, MATRIX, connectivity="correlation", min_volumes=5)


def test_a_missing_code_among_volumes_is_no_signal(read):
    rows = [f"{at % 5 / 5}|{-999 if at == 4 else at % 3 / 3}" for at in range(20)]
    with pytest.raises(SourceError, match=r"holds -999 in 1 cell \('B' of volume 5\)"):
        read({FILE: "\n".join(["A|B", *rows])}, MATRIX, connectivity="correlation", min_volumes=5)


def test_a_region_named_twice_in_a_header_without_row_names_is_refused(read):
    with pytest.raises(SourceError, match="names 'B' twice"):
        read({FILE: "A|B|B\n1|.1|.2\n.1|1|.3\n.2|.3|1\n"}, MATRIX)


def test_a_directed_matrix_of_tiny_numbers_is_not_taken_for_a_symmetric_one(read):
    directed = {FILE: "|A|B\nA|1|2e-8\nB|5e-8|1\n"}
    with pytest.raises(SourceError, match="is not symmetric: 'A' to 'B' is 2e-08, back 5e-08"):
        read(directed, MATRIX)
    with pytest.raises(SourceError, match="lower triangle is not empty"):
        read(directed, MATRIX, triangle="upper")


def test_an_array_larger_than_memory_is_refused(read, write):
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000, 1000000), }\n"
    write("c/sub-0001_ses-b0_conn.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    files = "c/sub-{participant}_ses-{session}_conn.npy"
    with pytest.raises(SourceError, match="is no NumPy array of numbers that can be read"):
        read({"features/r.txt": "A\nB\n"}, MATRIX | {"files": files}, regions="r.txt")


def test_an_imaginary_part_is_not_dropped():
    with pytest.raises(SourceError, match="holds complex numbers in A"):
        real_numbers(np.array([[1 + 2j]]), "A", "x.mat")
    assert real_numbers(np.array([[1 + 0j]]), "A", "x.mat").tolist() == [[1.0]]


def test_images_of_complex_numbers_or_without_a_place_are_refused(tmp_path):
    nibabel.save(nibabel.Nifti1Image(np.ones(SHAPE, dtype=np.complex64), AFFINE), tmp_path / "c.nii")
    with pytest.raises(SourceError, match="holds complex numbers, no numbers"):
        read_volume(tmp_path / "c.nii", "c.nii")
    nibabel.save(nibabel.Nifti1Image(np.ones(SHAPE), AFFINE), tmp_path / "n.nii")
    content = bytearray((tmp_path / "n.nii").read_bytes())
    content[280:284] = np.float32(np.nan).tobytes()  # the first number of the affine
    (tmp_path / "n.nii").write_bytes(content)
    with pytest.raises(SourceError, match="its affine holds no numbers"):
        read_volume(tmp_path / "n.nii", "n.nii")


# ------------------------------------------------------------------------------------------------------------ files

SMALL = "|A|B\nA|1|.1\nB|.1|1\n"


def test_a_file_that_fits_the_pattern_but_for_capitals_is_not_left_out(read):
    with pytest.raises(SourceError, match=r"SUB-0002_ses-b0_conn.tsv: is like .* but for capitals"):
        read({FILE: SMALL, "c/SUB-0002_ses-b0_conn.tsv": SMALL.replace(".1", ".2")}, MATRIX)


def test_a_file_in_the_folder_of_another_participant_is_not_left_out(read):
    files = "c/sub-{participant}/sub-{participant}_ses-{session}.tsv"
    there = {"c/sub-0001/sub-0001_ses-b0.tsv": SMALL, "c/sub-0001/sub-0002_ses-b0.tsv": SMALL.replace(".1", ".2")}
    with pytest.raises(SourceError, match="is of two participants, '0001', '0002'"):
        read(there, MATRIX | {"files": files})


def test_digits_of_another_script_look_like_the_id_that_they_are():
    assert loosely("\u0660\u0660\u0662") == loosely("002")


# ----------------------------------------------------------------------------------------------------------- tables


@pytest.mark.parametrize("column", ["subject", "Unnamed: 0"])
def test_ids_and_numbers_of_rows_are_no_features(read, column):
    with pytest.raises(SourceError, match=f"column '{column}' looks like .*, not like a feature"):
        read({"t.tsv": f"participant_id|{column}|VS\n0001|5|1\n0002|6|2\n"}, TABLE, timing="before")


def test_an_undeclared_column_of_sessions_does_not_mix_sessions_of_a_long_table(read):
    rows = "participant_id|visit|region|v\n0001|ses-b0|VS|1\n0001|ses-d2|ACC|2\n"
    with pytest.raises(SourceError, match=r'column .visit. looks like the session .*session = "visit"'):
        read({"t.tsv": rows}, TABLE, timing="before", pivot={"feature": "region", "value": "v"})


def test_a_region_in_two_spellings_of_a_long_table_is_refused(read):
    rows = "participant_id|region|v\n0001|VS|1\n0002|vs|2\n"
    with pytest.raises(SourceError, match="'VS', 'vs' look alike"):
        read({"t.tsv": rows}, TABLE, timing="before", pivot={"feature": "region", "value": "v"})


def test_a_session_like_a_session_code_is_not_left_out(read):
    table = {"t.tsv": "participant_id|visit|VS\n0001|BL|1\n0002|bl|2\n"}
    with pytest.raises(SourceError, match="has no code 'bl', which is in the file and looks like 'BL'"):
        read(table, TABLE, session="visit", session_codes={"BL": "ses-b0"})


THREE = {"t.tsv": "participant_id|VS|ACC\n0001|-999|2\n0002|1|2\n0004|1.5|3\n"}


def test_a_missing_code_is_no_term_of_a_contrast(read):
    with pytest.raises(SourceError, match=r"holds -999 in 1 cell \('VS' of 0001\)"):
        read(THREE, TABLE, timing="before", contrasts={"d": "VS - ACC"})


def test_a_contrast_of_two_units_is_refused(read):
    table = {"t.tsv": THREE["t.tsv"].replace("-999", "2")}
    with pytest.raises(SourceError, match="'d' adds kg, mm"):
        read(table, TABLE, timing="before", contrasts={"d": "VS - ACC"}, units={"VS": "mm", "ACC": "kg"})


def test_a_contrast_without_spaces_around_its_sign_is_told_how_to_write_it(read):
    with pytest.raises(SourceError, match='write "VS - ACC"'):
        read(THREE, TABLE, timing="before", contrasts={"d": "VS-ACC"})


# -------------------------------------------------------------------------------------------------------------- PET


def test_a_region_without_a_name_is_refused(read):
    spec = {"modality": "pet", "reader": "kinpar", "tracer": "x", "measure": "VT", "files": "{participant}_k.tsv"}
    with pytest.raises(SourceError, match="has a value without a name"):
        read({"0001_k.tsv": "ROI|VT\n|9\nVS|1\n"}, spec, timing="before")


def test_a_missing_code_in_one_frame_is_no_activity(read):
    spec = {"modality": "pet", "reader": "petprep", "tracer": "x", "files": "*_tacs.tsv", "reference": "Cer"}
    curves = "frame_start|frame_end|VS|Cer\n0|2400|10|9\n2400|3000|20000|15000\n3000|3600|-999|15000\n"
    with pytest.raises(SourceError, match="holds -999 in 1 frame of 'VS'"):
        read({"sub-0001_ses-b0_tacs.tsv": curves}, spec, window_min=(40.0, 60.0))
