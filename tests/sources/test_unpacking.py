"""Packed files: unpacked as a whole, and not at all where far more comes out than any table holds."""

import gzip
import io
import lzma
import zipfile

import pytest

from workbench.errors import SourceError
from workbench.sources.files import unpacking
from workbench.sources.files.delimited import read_text_table
from workbench.sources.files.file_kinds import unpacked_bytes

ZEROS = b"0" * (1 << 20)


@pytest.fixture
def small_bounds(monkeypatch):
    """64 kB instead of 64 MB, so that a test need not unpack much."""
    monkeypatch.setattr(unpacking, "ORDINARY", 1 << 16)
    monkeypatch.setattr(unpacking, "PIECE", 1 << 12)


@pytest.mark.parametrize(("suffix", "pack"), [(".gz", gzip.compress), (".xz", lzma.compress)])
def test_a_file_that_swells_beyond_any_table_is_refused_with_its_name_and_sizes(tmp_path, small_bounds, suffix, pack):
    path = tmp_path / f"conn.tsv{suffix}"
    path.write_bytes(pack(ZEROS))
    with pytest.raises(SourceError, match=r"conn\.tsv.*unpacks to more than \d+ kB from .*it was not read"):
        unpacked_bytes(path, path.name)


@pytest.mark.parametrize(("suffix", "pack"), [(".gz", gzip.compress), (".xz", lzma.compress)])
def test_an_ordinary_packed_file_is_unpacked_whole_whatever_its_pieces(tmp_path, small_bounds, suffix, pack):
    content = "".join(f"sub-{number}\t{number * 0.37:.4f}\n" for number in range(9000)).encode()
    path = tmp_path / f"table.tsv{suffix}"
    path.write_bytes(pack(content))
    assert len(content) > 1 << 16
    assert unpacked_bytes(path, path.name) == content


def test_several_packed_parts_one_after_the_other_are_one_file(tmp_path):
    path = tmp_path / "table.tsv.gz"
    path.write_bytes(gzip.compress(b"a\tb\n") + gzip.compress(b"1\t2\n"))
    assert unpacked_bytes(path, path.name) == b"a\tb\n1\t2\n"


def test_a_workbook_that_swells_is_refused_before_it_is_opened(tmp_path, small_bounds):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
        archive.writestr("xl/worksheets/sheet1.xml", ZEROS)
    path = tmp_path / "scores.xlsx"
    path.write_bytes(content.getvalue())
    with pytest.raises(SourceError, match=r"scores\.xlsx.*unpacks to 1 MB from \d+ kB"):
        read_text_table(path, path.name)
