"""What a study has stored: made again, merged with another copy, pruned, handed on without ids, closed to others."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import sqlite3
import stat
import sys
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import workbench
from workbench import tracking
from workbench.cli import run_command
from workbench.errors import StoreError
from workbench.preregistration.viewed import read_looks
from workbench.study import open_study

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))
import _calibration_routes as routes  # noqa: E402

sys.path.remove(str(BENCHMARKS))

pytestmark = pytest.mark.usefixtures("without_pictures")
N = 30


def run(study: Path, **how):
    (finished,) = workbench.run(["question"], study=study, jobs=1, **how)
    return finished


def ask(study: Path, seed: int) -> Path:
    path = study / "experiments" / "question.toml"
    path.write_text(re.sub(r"seed = \d+", f"seed = {seed}", path.read_text()))
    return study


OPEN_TO = 0o750
"""Mode of the study here; it is run by somebody who closes nothing by default."""


@pytest.fixture(scope="module")
def copies(tmp_path_factory) -> Path:
    """Two copies of one study: there seed 2 was run first, then seed 1 here; stored work of both lies there."""
    folder = tmp_path_factory.mktemp("copies")
    made = routes.StudyOnDisk(folder / "here", routes.Trial(n=N, r2=0.8))
    made.make(np.random.default_rng(0))
    made.change(
        "experiments/question.toml", ("repeats = 10", "repeats = 1"), ("permutations = 99", "permutations = 39")
    )
    for path in made.sources.iterdir():
        path.write_text(re.sub(r"\bsub-(\d+)", r"MOA1\1", path.read_text()))
    shutil.copytree(folder / "here", folder / "there")
    with pytest.MonkeyPatch.context() as patched:  # another machine: its user's registry knows nothing of this one
        patched.setenv("WORKBENCH_STATE", str(folder / "state there"))
        run(ask(folder / "there", 2))
    (folder / "here").chmod(OPEN_TO)
    before = os.umask(0)
    try:
        run(ask(folder / "here", 1))
    finally:
        os.umask(before)
    units = Path("mlruns", "units", "question")
    shutil.copytree(folder / "here" / units, folder / "there" / units, dirs_exist_ok=True)
    return folder


def moved(study: Path, to: Path) -> Path:
    """A copy whose store says where its files lie now."""
    shutil.copytree(study, to)
    tracking.repair_artifact_locations(open_study(to))
    return to


@pytest.fixture
def here(copies, tmp_path) -> Path:
    return moved(copies / "here", tmp_path / "here")


@pytest.fixture
def there(copies, tmp_path) -> Path:
    return moved(copies / "there", tmp_path / "there")


def contents(study: Path, *without: str) -> dict[str, bytes]:
    files = (path for path in study.rglob("*") if path.is_file() and not {*path.parts} & {*without})
    kept = {path.relative_to(study).as_posix(): path for path in files}
    return {name: path.read_bytes() for name, path in kept.items() if not name.endswith((".lock", ".digests.json"))}


def artifacts(study: Path) -> Path:
    return tracking.find_run(open_study(study)).artifacts


# ------------------------------------------------------------------------------------------------------------ reproduce


def test_a_run_is_reproduced_byte_for_byte_and_nothing_of_the_study_is_written(here, capsys):
    before = contents(here)
    assert run_command(["reproduce", "--study", str(here), "--quiet"]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"ridge \. network of question \([0-9a-f]{8}\)\n  Identical: all 3\d files are the same", printed)
    assert contents(here) == before, "no run, no line of a ledger, no unit, no table"


def test_what_differs_is_named_with_its_numbers_and_what_changed(here, capsys):
    folder, source = artifacts(here), here / "sources" / "network.tsv"
    table = pd.read_csv(source, sep="\t")
    table.iloc[3, -1] += 0.5
    table.to_csv(source, sep="\t", index=False)
    old = (folder / "environment.txt").read_text()
    (folder / "environment.txt").write_text(re.sub(r"numpy==.*", "numpy==1.0", old))
    assert run_command(["reproduce", "--study", str(here), "--quiet"]) == 1
    printed = " ".join(capsys.readouterr().out.split())
    assert re.search(r"Not identical: \d+ of 3\d files differ; no number differs by more than \d", printed)
    assert re.search(r"predictions\.tsv: \d+ of 270 values differ, in predicted, .*; by [\d.e-]+ at most \(", printed)
    assert re.search(r"scores\.json: \d+ of \d+ values differ: ", printed)
    assert "the data are others than then: features, scores or covariates of the same participants" in printed
    assert re.search(r"numpy was 1\.0 and is [2-9]", printed)


def test_a_run_that_the_study_no_longer_holds_says_how_to_go_back(here):
    spec = artifacts(here) / "spec.toml"
    spec.write_text(spec.read_text().replace('kind = "ridge"', 'kind = "ridge"\nname = "another"'))
    with pytest.raises(StoreError, match=r"has no such run any more.*; check out the study as it was"):
        workbench.reproduce(study=here, jobs=1)


def test_tables_and_records_that_differ_are_described_by_value(tmp_path):
    from workbench.export import compare_folders

    files = {
        "same.tsv": ("a\n1\n", "a\n1\n"),
        "gone.md": ("text\n", None),
        "new.md": (None, "text\n"),
        "rows.tsv": ("a\n1\n", "a\n1\n2\n"),
        "columns.tsv": ("a\tb\n1\t2\n", "a\tc\n1\t2\n"),
        "cells.tsv": ("a\tb\n1.0\tx\n2.0\ty\n", "a\tb\n1.25\tx\n2.0\tz\n"),
        "spelt.tsv": ("a\n1.0\n", "a\n1.00\n"),
        "record.json": ('{"r2": 0.5, "of": {"n": 3}}', '{"r2": 0.75, "of": {"n": 3}, "p": 0.1}'),
        "torn.json": ('{"r2": 0.5}', '{"r2": '),
        "text.md": ("one\ntwo\n", "one\nthree\n"),
    }
    for folder, at in (("before", 0), ("after", 1)):
        (tmp_path / folder / "figures").mkdir(parents=True)
        (tmp_path / folder / "figures" / "left_out.svg").write_text(folder)
        for name, text in files.items():
            if text[at] is not None:
                (tmp_path / folder / name).write_text(text[at])
    same, different = compare_folders(tmp_path / "before", tmp_path / "after", leave_out=("figures",))
    assert same == ("same.tsv",)
    assert {each.name: each.found for each in different} == {
        "gone.md": "is not made any more",
        "new.md": "was not there",
        "rows.tsv": "has 2 rows, and had 1",
        "columns.tsv": "its columns differ: without b and with c",
        "cells.tsv": "2 of 4 values differ, in a, b; by 0.25 at most (a)",
        "spelt.tsv": "its bytes differ, and every value is equal",
        "record.json": "2 of 3 values differ: r2 was 0.5 and is 0.75, p was not there and is 0.1",
        "torn.json": "its bytes differ, and it cannot be read",
        "text.md": "1 of 2 lines differ",
    }
    assert max(each.largest or 0 for each in different) == 0.25


# ---------------------------------------------------------------------------------------------------------------- merge


@pytest.fixture(scope="module")
def whole(copies, tmp_path_factory) -> Path:
    """This study once the other copy is merged into it, which had all its work units to bring."""
    folder = tmp_path_factory.mktemp("whole")
    for name in ("here", "there"):
        moved(copies / name, folder / name)
    shutil.rmtree(folder / "here" / "mlruns" / "units")
    before = contents(folder / "there")
    merged = workbench.merge(folder / "there", study=folder / "here")
    assert merged.brought["runs"] == 1
    assert contents(folder / "there") == before, "the other copy is only read"
    modes = {stat.S_IMODE(path.lstat().st_mode) for path in (folder / "here" / "mlruns").rglob("*")}
    assert not any(mode & ~OPEN_TO & 0o077 for mode in modes), "files come without the permissions that they had there"
    return folder


def test_a_copy_brings_its_results_its_runs_and_the_work_that_is_of_use(here, there, capsys):
    shutil.rmtree(here / "mlruns" / "units")
    own, others = read_looks(open_study(here)), read_looks(open_study(there))
    lines = (here / "experiments" / "viewed.jsonl").read_bytes()
    before = contents(there)
    assert run_command(["merge", str(there), "--study", str(here), "--quiet"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "results viewed: 1 new, 0 here already" in printed
    assert "runs: 1 new, 0 here already" in printed
    assert re.search(
        r"pieces of work: (\d\d) new, 0 here already refused: \1 pieces of work of question: no plan of", printed
    )
    assert re.search(r"ridge \. network of question \(\w{8}\): 1 result had been viewed before it in the", printed)
    assert contents(there) == before, "the other copy is only read"
    assert (here / "experiments" / "viewed.jsonl").read_bytes().startswith(lines), "no line is moved"
    assert read_looks(open_study(here)) == tuple(sorted((*own, *others), key=lambda look: look.date))
    runs = {each.run_id: each for each in workbench.list_runs(study=here)}
    assert set(runs) == {look.run_id for look in (*own, *others)}
    for look in others:
        theirs = there / "mlruns" / "artifacts" / "question" / look.run_id / "artifacts"
        assert contents(runs[look.run_id].artifacts) == contents(theirs)
        stored = tracking.find_run(open_study(here), look.run_id)
        assert stored.metrics == tracking.find_run(open_study(there), look.run_id).metrics


def test_the_result_that_was_not_known_is_corrected_for_once_the_run_is_made_again(here, there):
    before = workbench.show_run(study=here).result.scores
    assert (before.viewing.number, before.viewing.others) == (1, 0)
    workbench.merge(there, study=here)
    stored = {path: path.stat().st_mtime_ns for path in (here / "mlruns" / "units").rglob("*.npz")}
    after = run(here, resume=True).result.scores
    assert (after.viewing.number, after.viewing.others) == (2, 1)
    assert after.p_claim > before.p_claim
    assert {path: path.stat().st_mtime_ns for path in stored} == stored, "nothing is fitted again"


def test_a_second_merge_changes_nothing(whole):
    before = contents(whole / "here")
    again = workbench.merge(whole / "there" / "mlruns", study=whole / "here")
    assert contents(whole / "here") == before
    assert (again.brought.total(), again.there["runs"], again.there["results viewed"]) == (0, 1, 1)


@pytest.mark.parametrize("where", ["workbench.tracking.take_over", "workbench.pipeline.merging.written_whole"])
def test_a_merge_that_is_stopped_loses_nothing_and_the_next_one_adds_the_rest(here, whole, monkeypatch, where):
    shutil.rmtree(here / "mlruns" / "units")
    there = whole / "there"
    with monkeypatch.context() as patched:
        patched.setattr(where, lambda *args, **kwargs: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            workbench.merge(there, study=here)
    assert len(read_looks(open_study(here))) == 2, "counted before anything can be read"
    workbench.merge(there, study=here)
    assert contents(here, "mlflow.db") == contents(whole / "here", "mlflow.db")
    assert len(workbench.list_runs(study=here)) == 2


def change_ledger(study: Path, **changed) -> None:
    path = study / "experiments" / "viewed.jsonl"
    lines = [json.loads(line) | changed for line in path.read_text().splitlines()]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))


def damage(study: Path, what: str) -> None:
    run_id = read_looks(open_study(study))[0].run_id
    folder = study / "mlruns" / "artifacts" / "question" / run_id / "artifacts"
    if what == "file":
        (folder / "predictions.tsv").write_text((folder / "predictions.tsv").read_text().replace("ses-b0", "ses-b1", 1))
    elif what == "folder":
        shutil.rmtree(folder)
    elif what == "link":
        (folder / "folds.tsv").unlink()
        (folder / "folds.tsv").symlink_to("/etc/passwd")
    elif what == "line":
        change_ledger(study, spec_hash="0" * 64)
    elif what == "ledger":
        (study / "experiments" / "viewed.jsonl").unlink()
    else:
        with closing(sqlite3.connect(study / "mlruns" / "mlflow.db")) as connection, connection:
            uri = "file:///elsewhere/mlruns/artifacts/../../../outside"
            connection.execute("UPDATE runs SET artifact_uri = ? WHERE run_uuid = ?", (uri, run_id))


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ("file", "its files were changed after they were written: their digest is another"),
        ("folder", "its files are not in the store of the other copy"),
        ("place", "its files are not in the store of the other copy"),
        ("link", "one of its files is a link to another place"),
        ("line", r"its line in the ledger is that of another run \(spec_hash\)"),
        ("ledger", "the ledger of the other copy does not count it; bring its experiments/viewed.jsonl too"),
    ],
)
def test_a_run_that_is_not_as_it_was_left_is_refused_and_the_reason_given(here, there, what, why):
    shutil.rmtree(there / "mlruns" / "units")
    damage(there, what)
    merged = workbench.merge(there, study=here)
    (refused,) = merged.refused
    assert re.fullmatch(r"ridge \. network of question \(\w{8}\)", refused.what)
    assert re.search(why, refused.why)
    assert [each.run_id for each in tracking.stored_runs(open_study(here))] == [
        tracking.find_run(open_study(here)).run_id
    ]
    assert not list((here / "mlruns").rglob("*.tmp"))


def test_what_is_no_copy_of_this_study_is_refused_before_anything_is_written(here, there, tmp_path):
    before = contents(here)
    cohort = there / "features" / "cohort.toml"
    cohort.write_text(cohort.read_text().replace("hours = 48.0", "hours = 24.0"))
    found = r"is another study \(features/cohort\.toml: sessions\.ses-d2\.hours was 48 and is 24\); nothing was merged"
    with pytest.raises(StoreError, match=found):
        workbench.merge(there, study=here)
    with pytest.raises(StoreError, match="is this study itself; name the folder of another copy"):
        workbench.merge(here, study=here)
    with pytest.raises(StoreError, match="is no copy of a study; name the folder that holds features/"):
        workbench.merge(tmp_path, study=here)
    with pytest.raises(StoreError, match="nowhere: no such folder"):
        workbench.merge(tmp_path / "nowhere", study=here)
    assert contents(here) == before


def test_results_on_other_data_are_refused_unless_they_are_wanted(here, there):
    ask(here, 2)  # the same question of other values: those there were seen before a new release
    source = here / "sources" / "network.tsv"
    table = pd.read_csv(source, sep="\t")
    table.iloc[:, -1] *= 1.5
    table.to_csv(source, sep="\t", index=False)
    (here / "experiments" / "viewed.jsonl").unlink()
    shutil.rmtree(here / "mlruns")
    merged = workbench.merge(there, study=here)
    (refused,) = [each for each in merged.refused if "pieces of work" not in each.what]
    assert (
        "was made from other data than this study has now; where its data were changed since, merge with" in refused.why
    )
    assert merged.brought.total() == 0
    assert workbench.merge(there, study=here, other_data=True).brought["runs"] == 1
    assert len(read_looks(open_study(here))) == 1


def test_damaged_units_are_left_and_those_here_are_never_replaced(here, there):
    units = sorted((there / "mlruns" / "units" / "question").glob("*.npz"))
    own = {path.name for path in (here / "mlruns" / "units" / "question").glob("*.npz")}
    shared = [path for path in units if path.name in own]
    lost, torn = shared[0], shared[1]
    for path in (lost, torn):
        (here / "mlruns" / "units" / "question" / path.name).unlink()
    torn.write_bytes(torn.read_bytes()[:100])
    merged = workbench.merge(there, study=here)
    assert merged.brought["pieces of work"] == 1
    assert any(each.what == "1 pieces of work of question" and "torn" in each.why for each in merged.refused)
    assert (here / "mlruns" / "units" / "question" / lost.name).read_bytes() == lost.read_bytes()
    assert not (here / "mlruns" / "units" / "question" / torn.name).exists()


# ---------------------------------------------------------------------------------------------------------------- prune


def test_nothing_is_pruned_that_a_present_plan_would_take_up(here):
    pruned = workbench.prune(study=here, yes=True)
    assert (pruned.pieces, pruned.kept) == ((), ())


def test_units_of_a_plan_that_was_changed_are_listed_and_then_removed(here, capsys):
    ask(here, 7)
    before = contents(here)
    stored = [name for name in before if name.startswith("mlruns/units/")]
    size = sum(len(before[name]) for name in stored)
    assert run_command(["prune", "--study", str(here)]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert (
        f"stored work of question for plans or data that are no longer those of the study: {len(stored)} files,"
        in printed
    )
    assert f"workbench prune --yes --study {here} frees {size / 1e6:.1f} MB in {len(stored)} files" in printed
    assert contents(here) == before
    assert run_command(["prune", "--study", str(here), "--yes"]) == 0
    assert f"({size:,} bytes freed)" in capsys.readouterr().out
    assert {name: content for name, content in before.items() if name not in stored} == contents(here)
    assert run_command(["prune", "--study", str(here)]) == 0
    assert "Nothing is stored that no run and no present plan needs." in capsys.readouterr().out


def old(path: Path, age_s: float = 7200) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"12345")
    os.utime(path, (time.time() - age_s,) * 2)
    return path


def test_half_written_files_gone_sources_and_gone_experiments_are_pruned_and_fresh_files_are_not(here):
    gone = [
        old(here / "mlruns" / "units" / "question" / "abc.npz.1.2.tmp"),
        old(here / "mlruns" / "artifacts" / "question" / "run.1.tmp" / "artifacts" / "scores.json"),
        old(here / "features" / "tables" / "pet.values.npy"),
        old(here / "features" / "tables" / "pet.json"),
        old(here / "mlruns" / "units" / "gone" / f"{'a' * 64}.npz"),
    ]
    fresh = old(here / "mlruns" / "units" / "question" / "abd.npz.1.2.tmp", age_s=60)
    pruned = workbench.prune(study=here, yes=True)
    assert {piece.path for piece in pruned.pieces} == set(gone)
    assert pruned.size == 5 * len(gone)
    assert not any(path.exists() for path in gone)
    assert fresh.exists()
    assert (here / "features" / "tables" / "network.json").exists()


def test_runs_that_failed_leave_the_store_and_finished_ones_never_do(here, monkeypatch):
    study = open_study(here)
    result = workbench.show_run(study=here).result
    result = replace(result, tags={**result.tags, "shuffles_digest": ""})
    with pytest.raises(RuntimeError), tracking.open_run(study, result):
        raise RuntimeError
    assert workbench.prune(study=here).failed_runs == 1
    assert workbench.prune(study=here, yes=True).failed_runs == 1
    with closing(sqlite3.connect(study.database)) as connection:
        assert connection.execute("SELECT status FROM runs").fetchall() == [("FINISHED",)]
    assert len(workbench.list_runs(study=here)) == 1


def test_what_cannot_be_told_is_kept_and_the_reason_given(here):
    ask(here, 7)
    before = contents(here, "mlflow.db")
    shutil.move(here / "sources", here / "elsewhere")
    assert workbench.prune(study=here, yes=True).kept == ("stored work of question: the data are not here",)
    shutil.move(here / "elsewhere", here / "sources")
    with tracking.held_alone(open_study(here), ["question"]):
        (kept,) = workbench.prune(study=here, yes=True).kept
        assert re.fullmatch(
            r"stored work of question: it is being run \(process \d+ on this machine, since .* UTC\)", kept
        )
    for path in (here / "mlruns" / "units" / "question").glob("*.keys"):
        path.unlink()
    (kept,) = workbench.prune(study=here, yes=True).kept
    assert re.search(r"an earlier version left \d+ pieces; workbench run question --resume sorts them", kept)
    assert {name: before[name] for name in before if not name.endswith(".keys")} == contents(here, "mlflow.db")


# ----------------------------------------------------------------------------------------------- one process at a time


def test_an_experiment_that_another_process_runs_is_refused_before_anything_is_fitted(here):
    before = contents(here)
    with tracking.held_alone(open_study(here), ["question"]):
        with pytest.raises(StoreError, match=r"experiments/question\.toml: is being run by another process"):
            run(here)
        assert not run(here, rehearse=True).run_id, "a rehearsal keeps nothing, and may go on beside it"
    after = contents(here, "units")
    assert {name: content for name, content in before.items() if "/units/" not in name} == after


# ---------------------------------------------------------------------------------------------------------- permissions


@pytest.mark.parametrize(
    ("mode", "mask", "during"), [(0o700, 0o022, 0o077), (0o750, 0o000, 0o027), (0o755, 0o077, 0o077), (0o777, 2, 2)]
)
def test_the_umask_lacks_what_the_study_lacks_and_is_never_opened(tmp_path, mode, mask, during):
    from workbench.pipeline.permissions import no_wider_than_study

    @no_wider_than_study
    def umask(run: str, *, study: str | Path = ".") -> int:
        return umask_of_this_process()

    tmp_path.chmod(mode)
    before = os.umask(mask)
    try:
        assert umask("latest", study=tmp_path) == during
        assert umask_of_this_process() == mask
    finally:
        os.umask(before)


def umask_of_this_process() -> int:
    umask = os.umask(0o077)
    os.umask(umask)
    return umask


def test_nothing_that_is_written_is_open_to_more_people_than_the_study(copies):
    made = [path for name in ("mlruns", "features/tables") for path in (copies / "here" / name).rglob("*")]
    assert len(made) > 80
    wider = [path for path in made if stat.S_IMODE(path.lstat().st_mode) & ~OPEN_TO & 0o077]
    assert wider == []
    assert stat.S_IMODE((copies / "here" / "experiments" / "viewed.jsonl").stat().st_mode) == 0o640
    assert any(stat.S_IMODE(path.lstat().st_mode) & 0o040 for path in made), "nor closed to more than the study is"


def test_what_was_found_is_closed_to_others_before_anything_is_fitted(tmp_path, monkeypatch):
    from workbench.pipeline.ledger import make_ready

    monkeypatch.setenv("WORKBENCH_STATE", str(tmp_path / "state"))
    workbench.init(tmp_path / "study")
    study = open_study(tmp_path / "study")
    make_ready(study)
    assert stat.S_IMODE(study.mlruns_dir.stat().st_mode) == 0o700


def test_an_empty_store_is_told_in_one_line(tmp_path):
    workbench.init(tmp_path / "study")
    study = open_study(tmp_path / "study")
    study.mlruns_dir.mkdir(exist_ok=True)
    study.database.touch()
    with pytest.raises(
        StoreError, match=r"mlflow\.db: has no runs in it .*; restore it from a copy; an empty file can"
    ):
        workbench.show_run(study=study.root)


# ----------------------------------------------------------------------------------------------------------- pseudonyms


@pytest.fixture(scope="module")
def exported(copies, tmp_path_factory):
    """A run with one of its pictures, handed on with pseudonyms, and as it is."""
    from workbench import figures
    from workbench.figures import calibration

    folder = tmp_path_factory.mktemp("exported")
    study = shutil.copytree(copies / "here", folder / "study")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("workbench.figures.PICTURES", {"calibration": calibration.draw})
        figures.draw_run(workbench.show_run(study=study).result, artifacts(study) / "figures")
        workbench.report(study=study, to=artifacts(study) / "report.html")
        how = ["export", "latest", "--study", str(study), "--with-model"]
        assert run_command([*how, "--to", str(folder / "pseudonyms"), "--pseudonyms"]) == 0
        assert run_command([*how, "--to", str(folder / "ids")]) == 0
    return folder


def everything_in(path: Path) -> bytes:
    """Bytes of a file and of all that is packed in it."""
    content = path.read_bytes()
    if path.suffix == ".parquet":
        import pyarrow.parquet as parquet

        table = parquet.read_table(path)
        content += (repr(table.schema.metadata) + table.to_pandas().to_csv()).encode()
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as arrays:
            content += "".join(f"{name} {arrays[name].tolist()}" for name in arrays).encode()
    if path.suffix == ".png":
        from PIL import Image

        content += repr(Image.open(path).info).encode()
    return content


def test_no_exported_file_holds_the_id_of_a_participant(exported):
    ids = [
        participant.encode()
        for participant in pd.read_csv(exported / "study" / "sources" / "participants.tsv", sep="\t").iloc[:, 0]
    ]
    assert len(ids) == N
    assert all(each.startswith(b"MOA1") for each in ids)
    named = {
        folder: {
            path.suffix
            for path in (exported / folder).rglob("*")
            if path.is_file() and any(each in everything_in(path) for each in ids)
        }
        for folder in ("ids", "pseudonyms")
    }
    assert named["ids"] == {".tsv", ".parquet", ".html"}, "the search finds them where they are"
    assert named["pseudonyms"] == set()
    suffixes = {path.suffix for path in (exported / "pseudonyms").rglob("*") if path.is_file()}
    assert suffixes >= {".tsv", ".parquet", ".html", ".png", ".svg", ".json", ".toml", ".md", ".npz", ".txt"}


def test_numbers_are_those_of_the_run_and_pseudonyms_the_same_in_every_file(exported):
    ids, names = exported / "ids", exported / "pseudonyms"
    key = bytes.fromhex((exported / "study" / "mlruns" / "pseudonyms.key").read_text())
    from workbench.export import Pseudonyms

    of = Pseudonyms(key, []).of
    for name, by in (("predictions.tsv", ["repeat", "participant_id"]), ("influence.tsv", ["participant_id"])):
        with_ids, with_names = (pd.read_csv(folder / name, sep="\t") for folder in (ids, names))
        expected = with_ids.assign(participant_id=with_ids["participant_id"].map(of)).sort_values(by)
        pd.testing.assert_frame_equal(with_names, expected.reset_index(drop=True), check_exact=True)
    shap, shap_ids = (pd.read_parquet(folder / "shap.parquet").set_index("participant_id") for folder in (names, ids))
    assert list(shap.index) == sorted(shap.index), "the order says nothing"
    pd.testing.assert_frame_equal(shap.sort_index(), shap_ids.rename(of).sort_index(), check_exact=True)
    pairs, pairs_ids = (pd.read_csv(folder / "influence_pairs.tsv", sep="\t") for folder in (names, ids))
    assert [{*row[:2]} for row in pairs.to_numpy()] == [{of(a), of(b)} for a, b, _ in pairs_ids.to_numpy()]
    assert (pairs["participant_a"] < pairs["participant_b"]).all()
    for name in ("scores.json", "circuits.tsv", "permutation_null.tsv", "model/arrays.npz", "features.tsv"):
        assert (names / name).read_bytes() == (ids / name).read_bytes()
    assert of("sub-MOA1001") in (names / "report.html").read_text()


def test_the_key_stays_in_the_study_for_its_user_alone_and_is_the_same_the_next_time(exported, tmp_path):
    key = exported / "study" / "mlruns" / "pseudonyms.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    secret = key.read_text().strip().encode()
    assert all(secret not in path.read_bytes() for path in (exported / "pseudonyms").rglob("*") if path.is_file())
    workbench.export_run(study=exported / "study", to=tmp_path / "again", pseudonyms=True)
    table = "predictions.tsv"
    assert (tmp_path / "again" / table).read_bytes() == (exported / "pseudonyms" / table).read_bytes()
    assert "Participants have pseudonyms" in (tmp_path / "again" / "README.txt").read_text()
    assert "a pseudonym of the participant" in (tmp_path / "again" / "README.txt").read_text()


def test_an_export_that_would_still_name_somebody_is_refused_without_naming_them(exported, tmp_path, monkeypatch):
    monkeypatch.setattr("workbench.export.pseudonymised", lambda name, content, pseudonyms: content)
    monkeypatch.setattr(
        "workbench.pipeline.store.files_of_external", lambda *_: {"external/a.tsv": b"who\nsub-MOA1001\n"}
    )
    with pytest.raises(
        StoreError, match=r"would still name participants in external/a\.tsv; nothing was exported"
    ) as e:
        workbench.export_run(study=exported / "study", to=tmp_path / "out", pseudonyms=True)
    assert "MOA" not in str(e.value)
    assert not (tmp_path / "out").exists()


def test_a_key_that_was_damaged_is_not_replaced(exported, tmp_path):
    study = shutil.copytree(exported / "study", tmp_path / "study")
    (study / "mlruns" / "pseudonyms.key").write_text("torn")
    with pytest.raises(StoreError, match=r"pseudonyms\.key: is no key of pseudonyms; restore it from a copy"):
        workbench.export_run(study=study, to=tmp_path / "out", pseudonyms=True)


@pytest.mark.parametrize(
    ("written", "named"),
    [
        ("left out sub-MOA112.", True),
        ('exclude = {participant_id = ["MOA112"]}', True),
        ("MOA1123 is nobody", False),
        ('ids = ["14"]', True),
        ("14 participants, 0.14", False),
        ("sub-cortical, sub-scale", False),
        ("sub-0007 of another cohort", True),
    ],
)
def test_ids_are_told_from_words_and_numbers(written, named):
    from workbench.export import Pseudonyms

    pseudonyms = Pseudonyms(b"key", {"sub-MOA112", "sub-14"})
    assert (pseudonyms.in_text(written) != written) == named
    assert bool(pseudonyms.found_in(written.encode())) == named
    assert not pseudonyms.found_in(pseudonyms.in_text(written).encode())
    assert pseudonyms.of("MOA112") == pseudonyms.of("sub-MOA112")


def test_what_features_are_called_is_no_id():
    from workbench.export import Pseudonyms

    pseudonyms = Pseudonyms(b"key", {"sub-VIS1", "sub-VIS2"}, names="network:VIS1-DMN1\n")
    assert pseudonyms.in_text("VIS1 and VIS2") == f"VIS1 and {pseudonyms.of('sub-VIS2')}"


def test_rows_of_a_table_are_set_in_the_order_of_the_pseudonyms_within_their_step():
    from workbench.export import Pseudonyms, pseudonymised

    pseudonyms = Pseudonyms(b"key", {f"sub-{k}" for k in range(1, 7)})
    rows = [("sub-1", "eligible", 'said "no"\tthen'), *((f"sub-{k}", "analysed", "no scan") for k in range(2, 7))]
    text = pd.DataFrame(rows, columns=["participant_id", "step", "why"]).to_csv(sep="\t", index=False)
    made = pd.read_csv(io.BytesIO(pseudonymised("participants_lost.tsv", text.encode(), pseudonyms)), sep="\t")
    assert list(made["step"]) == ["eligible"] + ["analysed"] * 5
    assert made["why"][0] == 'said "no"\tthen'
    assert list(made["participant_id"][1:]) == sorted(pseudonyms.of(f"sub-{k}") for k in range(2, 7))


def test_the_key_of_pseudonyms_comes_with_a_merge_and_another_one_stays(here, there):
    shutil.rmtree(there / "mlruns" / "units")
    (there / "mlruns" / "pseudonyms.key").write_text("a" * 64)
    workbench.merge(there, study=here)
    assert (here / "mlruns" / "pseudonyms.key").read_text() == "a" * 64
    (there / "mlruns" / "pseudonyms.key").write_text("b" * 64)
    (refused,) = workbench.merge(there, study=here).refused
    assert (refused.what, refused.why) == ("mlruns/pseudonyms.key", "this study has another one, which stays")
