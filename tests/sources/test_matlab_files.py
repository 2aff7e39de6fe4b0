"""MATLAB files: versions 5 to 7, 7.3 (SYNTHETIC, in the layout that MATLAB writes), and what is none."""

import sys

import numpy as np
import pytest
from scipy.io import savemat

from workbench.errors import SourceError
from workbench.sources import read_source
from workbench.sources.contract.parsed import SourceFile
from workbench.sources.matrices.matlab_files import read_matlab
from workbench.specs.readers import READERS

Z = np.arange(24.0).reshape(2, 3, 4)


def read(path):
    return read_matlab(SourceFile(path, path.name))


def write_7_3(path, **variables):
    """Numbers backwards, text as whole numbers, cells as references: what MATLAB's save -v7.3 leaves."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w", userblock_size=512) as file:
        refs = file.create_group("#refs#")

        def text(name, value, group):
            data = group.create_dataset(name, data=np.array([[ord(letter)] for letter in value], dtype=np.uint16))
            data.attrs["MATLAB_class"] = np.bytes_(b"char")
            return data

        for name, value in variables.items():
            if isinstance(value, list):
                cells = np.empty((len(value), 1), dtype=h5py.ref_dtype)
                for at, each in enumerate(value):
                    cells[at, 0] = text(f"{name}{at}", each, refs).ref
                file.create_dataset(name, data=cells).attrs["MATLAB_class"] = np.bytes_(b"cell")
            else:
                file.create_dataset(name, data=value.T).attrs["MATLAB_class"] = np.bytes_(b"double")
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64")


def test_both_versions_give_the_same_variables(tmp_path):
    names = ["a (1,2,3)", "b"]
    savemat(tmp_path / "five.mat", {"Z": Z, "names": np.array(names, dtype=object)})
    write_7_3(tmp_path / "seven.mat", Z=Z, names=names)
    five, seven = read(tmp_path / "five.mat"), read(tmp_path / "seven.mat")
    np.testing.assert_array_equal(five["Z"], seven["Z"])
    assert five["names"] == seven["names"] == names


def test_version_7_3_without_h5py_names_what_to_install(tmp_path, monkeypatch):
    write_7_3(tmp_path / "seven.mat", Z=Z)
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(SourceError, match=r'version 7.3 \(HDF5\), which needs the package h5py; pip install "bio.*-v7'):
        read(tmp_path / "seven.mat")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\x03\x04 xl/workbook.xml", r"is a spreadsheet \(Excel, .xlsx\)"),
        (b"a,b\n1,2\n", r"is no MATLAB file; the .mat that CONN or SPM wrote"),
        (b"", r"is empty \(0 bytes\)"),
        (b"../../.git/annex/objects/xx", r"was not fetched: it is only a DataLad pointer"),
    ],
)
def test_what_is_no_matlab_file_is_named(tmp_path, content, message):
    (tmp_path / "x.mat").write_bytes(content)
    with pytest.raises(SourceError, match=rf"x.mat: {message}"):
        read(tmp_path / "x.mat")


@pytest.mark.parametrize("compressed", [True, False])
def test_a_matlab_file_cut_short_is_named(tmp_path, compressed):
    savemat(tmp_path / "x.mat", {"Z": Z}, do_compression=compressed)
    (tmp_path / "x.mat").write_bytes((tmp_path / "x.mat").read_bytes()[:-40])
    with pytest.raises(SourceError, match=r"x.mat: is cut short or damaged: it cannot be read as a MATLAB file"):
        read(tmp_path / "x.mat")


def test_a_version_7_3_file_cut_short_is_named(tmp_path):
    write_7_3(tmp_path / "x.mat", Z=Z)
    (tmp_path / "x.mat").write_bytes((tmp_path / "x.mat").read_bytes()[:1200])
    with pytest.raises(SourceError, match=r"x.mat: is cut short or damaged"):
        read(tmp_path / "x.mat")


@pytest.fixture
def dcm(tmp_path, cohort):
    (tmp_path / "regions.txt").write_text("VS\nACC\n")

    def read_dcm(variables, **options):
        (tmp_path / "dcm").mkdir(exist_ok=True)
        savemat(tmp_path / "dcm" / "0001_ses-b0.mat", variables)
        declared = {"modality": "connectivity", "reader": "dcm", "files": "dcm/{participant}_{session}.mat",
                    "regions": "regions.txt", **options}  # fmt: skip
        spec = READERS["dcm"].model_validate(declared)
        table = read_source("ec", spec, cohort, data=tmp_path, features_dir=tmp_path)
        return dict(zip(table.features["feature"], table.values[0].tolist(), strict=True))

    return read_dcm


A = np.array([[0.1, 0.2], [0.3, 0.4]])


@pytest.mark.parametrize(
    "variables", [{"params": A}, {"DCM": {"Ep": {"A": A, "C": A}, "M": A}}, {"DCM": {"Ep": {"A": A}}, "x": A}]
)
def test_an_edge_runs_from_column_to_row_of_a(dcm, variables):
    assert dcm(variables) == {"VS->ACC": 0.3, "ACC->VS": 0.2}


def test_which_of_several_matrices_is_meant_is_declared(dcm):
    with pytest.raises(SourceError, match=r"holds 2 matrices of numbers \(a, b\); name the one that is meant"):
        dcm({"a": A, "b": A})
    assert dcm({"a": A, "b": 2 * A}, variable="b") == {"VS->ACC": 0.6, "ACC->VS": 0.4}
    with pytest.raises(SourceError, match=r"has no variable 'c', but a, b"):
        dcm({"a": A, "b": A}, variable="c")


def test_a_model_that_was_not_estimated_is_named(dcm):
    with pytest.raises(SourceError, match=r"holds a DCM that was not estimated: it has no Ep.A; estimate it in SPM"):
        dcm({"DCM": {"M": A}})
