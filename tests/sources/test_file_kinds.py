"""A file of another kind than expected says what it is, and the way out is one that works."""

import gzip
import io
import pickle
import zipfile

import numpy as np
import pytest

from workbench.errors import SourceError
from workbench.sources.files.delimited import read_text_table

TABLE = b"participant_id\tage\n" + b"".join(b"sub-%04d\t%d\n" % (n, 20 + n % 40) for n in range(200))


def zipped(*names: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in names:
            archive.writestr(name, "content")
    return packed.getvalue()


def array_of(save, *arrays) -> bytes:
    written = io.BytesIO()
    save(written, *arrays)
    return written.getvalue()


def nifti() -> bytes:
    import nibabel

    return nibabel.Nifti1Image(np.zeros((2, 2, 2), dtype="int16"), np.eye(4)).to_bytes()


def matlab() -> bytes:
    from scipy.io import savemat

    written = io.BytesIO()
    savemat(written, {"Z": np.eye(3)})
    return written.getvalue()


def parquet() -> bytes:
    import pandas as pd

    written = io.BytesIO()
    pd.DataFrame({"age": [1]}).to_parquet(written)
    return written.getvalue()


KINDS = {
    "excel": (zipped("[Content_Types].xml", "xl/workbook.xml"), r"Excel, .xlsx\) that cannot be opened .* TSV"),
    "open office": (zipped("content.xml") + b"opendocument.spreadsheet", r"spreadsheet \(OpenDocument"),
    "word": (zipped("word/document.xml"), r"is a Word document"),
    "zip": (zipped("a.tsv"), r"is a zip archive; unpack it"),
    "npz": (array_of(np.savez, np.eye(2)), r"is a NumPy archive"),
    "npy": (array_of(np.save, np.eye(2)), r"is a NumPy array .*numpy.savetxt"),
    "old excel": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), r"spreadsheet or document of an old Office"),
    "matlab": (matlab(), r"is a MATLAB file"),
    "hdf5": (b"\x89HDF\r\n\x1a\n" + bytes(100), r"is an HDF5 file"),
    "nifti": (nifti(), r"is a NIfTI image"),
    "parquet": (parquet(), r"is a Parquet file"),
    "excel 2003": (
        b'<?xml version="1.0"?>\n<Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet">',
        r"spreadsheet \(Excel 2003, XML\)",
    ),
    "spss": (b"$FL2@(#) IBM SPSS STATISTICS", r"is an SPSS file"),
    "pdf": (b"%PDF-1.7\n", r"is a PDF document"),
    "pickle": (pickle.dumps({"age": [1, 2]}, protocol=4), r"pickle; it is not opened, since it could run anything"),
    "log-in page": (
        b"<!DOCTYPE html>\n<html><body>Log in</body></html>",
        r"is a web page; probably one that asks to log",
    ),
    "gzip without its ending": (gzip.compress(TABLE), r"is compressed with gzip; end its name in .gz"),
    "lfs pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:12\n", r"Git LFS pointer; .*git lfs pull"),
    "annex pointer": (b"/annex/objects/MD5E-s31--0.tsv\n", r"only a DataLad pointer; fetch it with `datalad get"),
    "zeros": (bytes(512), r"holds nothing but zero bytes \(512\)"),
    "white space": (b"\n \t\r\n", r"holds nothing but white space"),
    "utf-16 without mark": ("id\tage\n1\t2\n".encode("utf-16-le"), r"is UTF-16 text without a byte order mark"),
    "windows-1252": (b"id\tname\n1\tJos\xe9\n", r"not UTF-8 text \(line 2, byte 0xE9\)"),
    "empty": (b"", r"is empty \(0 bytes\)"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_of_another_kind_says_what_it_is(write, kind):
    content, message = KINDS[kind]
    with pytest.raises(SourceError, match=rf"^t.tsv: .*{message}"):
        read_text_table(write("t.tsv", content), "t.tsv")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_text_is_read_in_every_unicode_encoding_that_says_which_it_is(write, encoding):
    table = read_text_table(write("t.tsv", "id\tsite\n1\tMünchen\n".encode(encoding)), "t.tsv")
    assert table.columns == {"id": ["1"], "site": ["München"]}


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9, 0.99])
def test_a_gzip_file_is_cut_short_wherever_it_was_cut(write, kept):
    packed = gzip.compress(TABLE)
    with pytest.raises(SourceError, match=r"t.tsv.gz: is cut short.*; download or copy it again"):
        read_text_table(write("t.tsv.gz", packed[: int(kept * len(packed))]), "t.tsv.gz")


def test_a_damaged_gzip_file_is_named(write):
    packed = bytearray(gzip.compress(TABLE))
    packed[len(packed) // 2] ^= 0xFF
    with pytest.raises(SourceError, match=r"t.tsv.gz: is (damaged|cut short)"):
        read_text_table(write("t.tsv.gz", bytes(packed)), "t.tsv.gz")


@pytest.mark.parametrize(
    ("content", "message"),
    [(TABLE, r"is not compressed, .*take .gz out of its name"), (zipped("a.tsv"), r"is a zip archive: no gzip file")],
)
def test_a_name_that_ends_in_gz_over_something_else_is_told(write, content, message):
    with pytest.raises(SourceError, match=message):
        read_text_table(write("t.tsv.gz", content), "t.tsv.gz")


def test_a_workbook_that_is_packed_is_still_a_workbook(write):
    with pytest.raises(SourceError, match=r"is a spreadsheet \(Excel"):
        read_text_table(write("t.tsv.gz", gzip.compress(zipped("xl/workbook.xml"))), "t.tsv.gz")


def test_a_folder_is_told(tmp_path):
    (tmp_path / "t.tsv").mkdir()
    with pytest.raises(SourceError, match=r"t.tsv: is a folder; name the file in it"):
        read_text_table(tmp_path / "t.tsv", "t.tsv")
