"""From a frozen plan to what every later run says about it, and the ledger of results viewed, through the door."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

import workbench
from workbench.cli import run_command
from workbench.errors import SpecError, StoreError

REPOSITORY = Path(__file__).parents[1]
TWIN = REPOSITORY / "tests" / "kmoa_twin"
QUESTION = """\
question = "Does connectivity before treatment go with the fall in MADRS?"
include = { group = ["MDD"] }
sessions = ["ses-b0"]
[outcome]
score = "MADRS"
kind = "change"
from = "ses-b0"
at = "ses-d2"
[feature_sets]
dmn4 = ["ec_dmn4"]
[validation]
repeats = 1
permutations = 39
[[models]]
kind = "ridge"
"""
TWO_RUNS = QUESTION + '\n[[models]]\nkind = "pls"\n'


@pytest.fixture(autouse=True)
def _without_pictures(monkeypatch):
    monkeypatch.setattr("workbench.figures.PICTURES", {})


@pytest.fixture
def study(tmp_path):
    shutil.copytree(
        REPOSITORY / "examples" / "kmoa" / "features", tmp_path / "features", ignore=shutil.ignore_patterns("tables")
    )
    (tmp_path / "experiments").mkdir()
    ask(tmp_path, QUESTION)
    return tmp_path


def ask(study: Path, text: str) -> None:
    (study / "experiments" / "quick.toml").write_text(text)


def lines(study: Path, name: str) -> list[dict]:
    path = study / "experiments" / f"{name}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def freeze(study: Path, **how):
    (frozen,) = workbench.freeze(["quick"], study=study, data=TWIN, **how)
    return frozen


def run(study: Path, **how):
    return workbench.run(["quick"], study=study, data=TWIN, jobs=1, **how)


def test_a_plan_from_its_freezing_to_its_second_look(study, capsys):
    assert run_command(["freeze", "quick", "--study", str(study), "--data", str(TWIN)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "no result for this outcome yet" in said
    assert said.endswith(f"then workbench run quick --study {study} --data {TWIN}")  # to be typed as it stands
    (plan,) = lines(study, "frozen")
    assert plan["primary"] == "ridge . dmn4"
    assert set(plan["data"]) == {"ridge . dmn4"}

    run(study, rehearse=True)
    assert lines(study, "viewed") == []
    (first,) = run(study)
    (again,) = run(study)
    one, two = first.result.scores, again.result.scores
    assert (one.viewing.number, one.viewing.freeze.changed, one.viewing.freeze.viewed_before) == (1, (), 0)
    assert one.p_claim == one.p_family
    assert "first result viewed for this outcome; the plan was frozen on" in " ".join(first.abstract().split())
    assert not any("frozen" in reason for reason in first.result.claim.reasons)
    stored = [(each.artifacts / "scores.json").read_bytes() for each in (first, again)]
    assert stored[0] == stored[1], "the same look has the same claim"
    assert two.viewing == one.viewing

    ask(study, QUESTION.replace("permutations = 39", "permutations = 39\nseed = 1"))
    (other,) = run(study)
    viewing = other.result.scores.viewing
    assert (viewing.number, viewing.others, viewing.others_unplanned) == (2, 1, 1)
    assert viewing.freeze.changed == ("experiments/quick.toml: validation.seed was 0 and is 1",)
    assert other.result.scores.p_claim == min(1, 2 * other.result.scores.p_family)
    assert "1 result had been viewed for this outcome before it" in other.result.claim.reasons
    said = " ".join(other.abstract().split())
    assert "2nd result viewed for this outcome" in said
    assert "changed since: experiments/quick.toml: validation.seed was 0 and is 1" in said
    assert workbench.show_run(other.run_id, study=study).result.scores.viewing == viewing

    ledger = lines(study, "viewed")
    assert [line["run_id"] for line in ledger] == [first.run_id, again.run_id, other.run_id]
    assert {line["run"] for line in ledger} == {"ridge . dmn4"}
    for name in ("viewed", "frozen"):
        assert not re.search(r"sub-\d", (study / "experiments" / f"{name}.jsonl").read_text())


def test_a_changed_plan_is_frozen_again_only_with_a_reason(study, capsys):
    freeze(study)
    assert freeze(study).unchanged
    ask(study, QUESTION.replace("permutations = 39", "permutations = 99"))
    with pytest.raises(SpecError, match=r"was frozen on .*validation\.permutations was 39 and is 99.*--because"):
        freeze(study)
    with pytest.raises(SpecError, match="--again: goes with --because"):
        freeze(study, again=True)
    assert len(lines(study, "frozen")) == 1
    command = ["freeze", "quick", "--again", "--because", "39 were too few", "--study", str(study)]
    assert run_command([*command, "--data", str(TWIN)]) == 0
    assert "again because: 39 were too few" in capsys.readouterr().out
    assert [line["because"] for line in lines(study, "frozen")] == ["", "39 were too few"]


def test_several_runs_need_a_primary_one(study):
    ask(study, TWO_RUNS)
    with pytest.raises(SpecError, match=r'primary: has 2 runs and names none.*primary = "ridge \. dmn4"'):
        freeze(study)
    ask(study, 'primary = "pls . dmn4"\n' + TWO_RUNS)
    assert freeze(study).plan.primary == "pls . dmn4"
    ask(study, 'primary = "plss . dmn4"\n' + TWO_RUNS)
    with pytest.raises(SpecError, match=r"primary: 'plss \. dmn4' is not a run.*did you mean 'pls \. dmn4'"):
        freeze(study)


def test_a_plan_can_be_frozen_before_there_are_data(study, tmp_path):
    (frozen,) = workbench.freeze(["quick"], study=study, data=tmp_path / "not-yet")
    assert frozen.plan.data == {}
    assert len(lines(study, "frozen")) == 1


def test_what_check_finds_stands_in_the_way_of_freezing(study):
    ask(study, QUESTION.replace('sessions = ["ses-b0"]', 'sessions = ["ses-d2"]'))
    with pytest.raises(SpecError, match="ses-d2"):
        freeze(study)
    assert lines(study, "frozen") == []


def test_freezing_after_results_were_viewed_says_how_many(study, capsys):
    run(study)
    assert freeze(study).plan.viewed_before == 1
    ask(study, QUESTION.replace("permutations = 39", "permutations = 39\nseed = 1"))
    freeze(study, again=True, because="another seed")
    (late,) = run(study)
    freeze_ = late.result.scores.viewing.freeze
    assert (freeze_.times, freeze_.because, freeze_.viewed_before, freeze_.changed) == (2, "another seed", 1, ())
    assert "after 1 result had been viewed" in " ".join(late.abstract().split())


def test_a_damaged_ledger_is_told_before_anything_is_fitted(study, monkeypatch):
    (study / "experiments" / "viewed.jsonl").write_text("{\n")
    monkeypatch.setattr(
        "workbench.pipeline.running.run_one", lambda *args, **kwargs: pytest.fail("something was fitted")
    )
    with pytest.raises(StoreError, match=r"experiments/viewed\.jsonl, line 1: is damaged"):
        run(study)
    problems = workbench.check(["quick"], study=study, data=TWIN).problems
    assert [problem.where for problem in problems] == ["experiments/viewed.jsonl, line 1"]
