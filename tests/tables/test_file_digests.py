"""Digests of files are remembered while a file is as it was, and never longer."""

import hashlib
import os
import time

import pytest

from workbench.tables import file_digests
from workbench.tables.file_digests import FileDigests, file_digest


@pytest.fixture
def old_file(tmp_path, monkeypatch):
    """A file that was changed long enough ago, as far as its times can tell."""
    monkeypatch.setattr(file_digests, "RECENT_NS", 0)
    path = tmp_path / "a.tsv"
    path.write_text("1")
    time.sleep(0.02)
    return path


@pytest.fixture
def read_files(monkeypatch):
    read = []

    def digest(path):
        read.append(path.name)
        return file_digest(path)

    monkeypatch.setattr(file_digests, "file_digest", digest)
    return read


def asked(folder, path):
    digests = FileDigests(folder)
    digest = digests.of(path)
    digests.remember()
    return digest


def test_a_file_that_is_as_it_was_is_read_once(tmp_path, old_file, read_files):
    first = asked(tmp_path / "tables", old_file)
    assert first == hashlib.sha256(b"1").hexdigest()
    assert asked(tmp_path / "tables", old_file) == first
    assert read_files == ["a.tsv"]


def test_other_bytes_of_the_same_length_are_noticed_even_with_the_old_date(tmp_path, old_file):
    first = asked(tmp_path / "tables", old_file)
    state = old_file.stat()
    old_file.write_text("2")
    os.utime(old_file, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert asked(tmp_path / "tables", old_file) == hashlib.sha256(b"2").hexdigest() != first


def test_a_file_that_was_just_written_is_read_again(tmp_path, read_files):
    """It could change once more within the resolution of its times."""
    path = tmp_path / "a.tsv"
    path.write_text("1")
    for _ in range(2):
        asked(tmp_path / "tables", path)
    assert read_files == ["a.tsv", "a.tsv"]


def test_an_absent_file_is_absent_and_not_remembered(tmp_path, old_file):
    asked(tmp_path / "tables", old_file)
    old_file.unlink()
    assert asked(tmp_path / "tables", old_file) == "absent"


@pytest.mark.parametrize("content", ["{", "[]", '{"version": "other", "files": {}}', '{"version": 1}'])
def test_what_was_remembered_and_cannot_be_read_is_forgotten(tmp_path, old_file, content):
    asked(tmp_path, old_file)
    (tmp_path / ".digests.json").write_text(content)
    assert asked(tmp_path, old_file) == file_digest(old_file)


def test_no_path_is_written_down(tmp_path, old_file):
    asked(tmp_path / "tables", old_file)
    assert "a.tsv" not in (tmp_path / "tables" / ".digests.json").read_text()
