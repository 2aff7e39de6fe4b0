import json
import multiprocessing
import os
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

from workbench.errors import StoreError
from workbench.preregistration.append_only import append_record, locked, now, read_records, refuse_unwritable


@dataclass(frozen=True)
class Note:
    who: str
    n: int
    p: float | None = None


def test_what_is_appended_is_read_back_in_order(tmp_path):
    path = tmp_path / "experiments" / "notes.jsonl"
    for note in (Note("a", 1, 0.5), Note("ü", 2)):
        append_record(path, note)
    assert read_records(path, Note) == (Note("a", 1, 0.5), Note("ü", 2))
    assert path.read_text(encoding="utf-8").count("\n") == 2


def test_a_file_that_is_not_there_holds_nothing(tmp_path):
    assert read_records(tmp_path / "notes.jsonl", Note) == ()


def test_every_damaged_line_is_told_by_file_and_line_and_none_is_dropped(tmp_path):
    path = tmp_path / "experiments" / "viewed.jsonl"
    append_record(path, Note("a", 1))
    with path.open("a") as file:
        file.write('<<<<<<< HEAD\n\n{"schema_version": 1, "who": "b"}\n{"schema_version": 1, "who": 3, "n": true}\n')
        file.write('[1]\n{"schema_version": 99, "who": "c", "n": 1}\n')
    with pytest.raises(StoreError) as caught:
        read_records(path, Note)
    told = [str(problem) for problem in caught.value.problems]
    assert [line.split(":")[0] for line in told] == [f"experiments/viewed.jsonl, line {n}" for n in (2, 4, 5, 6, 7)]
    for problem, words in zip(
        told, ["not a line of JSON", "lacks n", "who is 3, n is True", "not a record", "version 99"], strict=True
    ):
        assert words in problem
        assert "restore the line" in problem


def test_a_line_torn_by_a_crash_is_never_joined_to_the_next(tmp_path):
    path = tmp_path / "notes.jsonl"
    append_record(path, Note("a", 1))
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    append_record(path, Note("b", 2))
    assert json.loads(path.read_text().splitlines()[1])["who"] == "b"
    with pytest.raises(StoreError, match="line 1: is damaged"):
        read_records(path, Note)
    path.write_bytes(whole[:-1])  # an editor that takes the last line end away does no harm
    append_record(path, Note("b", 2))
    assert read_records(path, Note) == (Note("a", 1), Note("b", 2))


def test_fields_that_a_later_version_adds_are_left_alone(tmp_path):
    path = tmp_path / "notes.jsonl"
    path.write_text('{"schema_version": 1, "who": "a", "n": 1, "later": [1]}\n')
    assert read_records(path, Note) == (Note("a", 1),)


@pytest.mark.parametrize("at_once", [1, 7])
def test_a_system_that_writes_a_few_bytes_at_a_time_still_gets_the_whole_line(tmp_path, monkeypatch, at_once):
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, content: write(descriptor, bytes(content)[:at_once]))
    append_record(tmp_path / "notes.jsonl", Note("a", 1))
    assert read_records(tmp_path / "notes.jsonl", Note) == (Note("a", 1),)


def test_a_disk_that_is_full_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "experiments" / "viewed.jsonl"
    append_record(path, Note("a", 1))
    before, write, calls = path.read_bytes(), os.write, []

    def full(descriptor, content):
        calls.append(len(content))
        return write(descriptor, bytes(content)[:10]) if len(calls) == 1 else 0

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(StoreError, match=r"experiments/viewed\.jsonl: cannot be written \(No space left.*--resume"):
        append_record(path, Note("b", 2))
    assert len(calls) == 2
    assert path.read_bytes() == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
def test_a_device_without_room_is_told_and_not_taken_for_written(tmp_path):
    """Holds for root too, whom no permission stops: the kernel itself refuses the bytes."""
    path = tmp_path / "experiments" / "viewed.jsonl"
    path.parent.mkdir()
    path.symlink_to("/dev/full")
    with pytest.raises(StoreError, match="No space left"):
        append_record(path, Note("a", 1))
    with pytest.raises(StoreError, match=r"cannot be written \(No space left.*nothing was run"):
        refuse_unwritable(path)


def test_trying_whether_a_file_can_be_written_changes_nothing(tmp_path):
    path = tmp_path / "experiments" / "viewed.jsonl"
    refuse_unwritable(path)
    assert not path.exists()
    append_record(path, Note("a", 1))
    before = path.read_bytes()
    refuse_unwritable(path)
    assert path.read_bytes() == before


def test_a_lock_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "mlruns").write_text("")
    with (
        pytest.raises(StoreError, match=r"mlruns/viewed\.lock: cannot be written"),
        locked(SimpleNamespace(mlruns_dir=tmp_path / "mlruns")),
    ):
        pytest.fail("nothing is held")


def count_up(root: str) -> None:
    study = SimpleNamespace(mlruns_dir=Path(root) / "mlruns")
    path = Path(root) / "notes.jsonl"
    for _ in range(10):
        with locked(study):
            append_record(path, Note("x", len(read_records(path, Note))))


def test_processes_that_write_at_once_see_each_others_lines(tmp_path):
    processes = [multiprocessing.get_context("fork").Process(target=count_up, args=(str(tmp_path),)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [note.n for note in read_records(tmp_path / "notes.jsonl", Note)] == list(range(30))


def test_two_dates_of_one_process_differ():
    assert now() < now()
