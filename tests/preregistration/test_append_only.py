import json
import multiprocessing
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

from workbench.errors import StoreError
from workbench.preregistration.append_only import append_record, locked, now, read_records


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
