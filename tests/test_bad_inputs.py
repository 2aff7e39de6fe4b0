"""A tenth of the bad inputs of `benchmarks/bad_inputs.py`: each is refused in one clear line, or read whole."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

BENCHMARKS = str(Path(__file__).resolve().parents[1] / "benchmarks")
sys.path.insert(0, BENCHMARKS)
try:
    import _bad_inputs
    import _bad_judge
    import bad_inputs
finally:
    sys.path.remove(BENCHMARKS)

N, SEED = 200, 16
SIZES = bad_inputs.shares(N, list(_bad_inputs.KINDS))


def test_there_are_a_tenth_of_those_of_the_benchmark():
    assert sum(SIZES.values()) == pytest.approx(N, abs=4)
    assert min(SIZES.values()) >= 8


@pytest.mark.parametrize("kind", SIZES)
def test_every_bad_input_is_refused_in_one_clear_line_or_read_whole(kind):
    drawn = list(_bad_inputs.bad_inputs(kind, SIZES[kind], SEED))
    met = [_bad_judge.judged(bad) for bad in drawn]
    assert [str(failure) for _, failures in met for failure in failures] == []
    codes = {outcome.code for outcome, _ in met}
    assert codes == {0, 2}, "some are read and some refused, or nothing was tried"


# ------------------------------------------------------------------------------------------- the judge can find fault


@pytest.fixture(scope="module")
def clean():
    """A study of which nothing is bad."""
    study = _bad_inputs._clean(_bad_inputs.table_study)
    path = "sources/pet.tsv"
    return _bad_inputs.BadInput("tables", study, path, "as it was", study.files[path])


def test_a_clean_study_is_no_failure(clean):
    outcome, failures = _bad_judge.judged(clean)
    assert (outcome.code, failures) == (0, [])


def writing_outside(study: Path) -> int:
    (study.parent / "outside" / "new").write_text("x")
    return 0


def part_of_it(study: Path) -> int:
    """What a reader would make of the first half of a table that it takes for all of it."""
    from workbench.cli import run_command

    table = study / "sources" / "pet.tsv"
    whole = table.read_bytes()
    table.write_bytes(b"".join(whole.splitlines(keepends=True)[:7]))
    code = run_command(["features", "--quiet", "--study", str(study)])
    table.write_bytes(whole)
    return code


def printing(*lines: str, code: int = 2):
    def command(_: Path) -> int:
        for line in lines:
            print(line, file=sys.stderr)
        return code

    return command


def waiting(study: Path) -> int:
    os.mkfifo(study / "pipe")
    (study / "pipe").read_bytes()
    return 0


@pytest.mark.parametrize(
    ("command", "failure"),
    [
        (writing_outside, "written outside"),
        (part_of_it, "partial taken for whole"),
        (printing("Traceback (most recent call last):", code=1), "traceback"),
        (printing("pet.tsv: stopped", code=130), "exit code"),
        (printing("something is wrong"), "names no file"),
        (printing("pet.tsv: is \x1b[31mbad"), "no clear line"),
        (printing("pet.tsv: " + "x" * 3000), "no clear line"),
        (printing(), "no clear line"),
        (lambda _: os.system("true"), "executed or fetched"),
        (lambda _: len(b"x" * (128 << 20)) * 0 + 2, "memory"),
        (waiting, "hang"),
    ],
)
def test_the_judge_finds_each_kind_of_fault(clean, monkeypatch, command, failure):
    monkeypatch.setattr(_bad_judge, "MOST_SECONDS", 0.3)
    monkeypatch.setattr(_bad_judge, "TICK_S", 0.1)
    monkeypatch.setattr(_bad_judge, "MOST_MEMORY_MB", 32)
    monkeypatch.setattr(_bad_judge, "_met", lambda bad, study, *, apart: _bad_judge.run_here(lambda: command(study)))
    assert failure in {each.what for each in _bad_judge.judged(clean)[1]}
