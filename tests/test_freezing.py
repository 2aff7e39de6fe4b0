"""From a frozen plan to what every later run says about it, and the ledger of results viewed, end to end."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

import workbench
from workbench.cli import run_command
from workbench.errors import SpecError, StoreError

pytestmark = pytest.mark.usefixtures("bare_runs", "unchecked_runs", "equal_runs_once", "few_replicates")

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


UPSTREAM = """
[upstream]
fitted_on = "each participant"
used_outcome = false
selected_by = "atlas"
reference = "the four regions of a published default mode network"
harmonised = "none"
"""


def declare_upstream(study: Path) -> None:
    path = study / "features" / "ec_dmn4.toml"
    path.write_text(path.read_text() + UPSTREAM)


def lines(study: Path, name: str) -> list[dict]:
    path = study / "experiments" / f"{name}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def freeze(study: Path, *, anyway: bool = True, **how):
    """The twin has too few participants for anything to be supported."""
    (frozen,) = workbench.freeze(["quick"], study=study, data=TWIN, anyway=anyway, **how)
    return frozen


def run(study: Path, **how):
    return workbench.run(["quick"], study=study, data=TWIN, jobs=1, **how)


def test_a_plan_from_its_freezing_to_its_second_look(study, capsys, equal_runs_once):
    assert run_command(["freeze", "quick", "--anyway", "--study", str(study), "--data", str(TWIN)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "no result for this outcome yet" in said
    assert f"Next workbench run quick --study {study} --data {TWIN} (first commit" in said  # to be typed as it stands
    (plan,) = lines(study, "frozen")
    assert plan["primary"] == "ridge . dmn4"
    assert set(plan["data"]) == {"ridge . dmn4"}

    run(study, rehearse=True)
    assert lines(study, "viewed") == []
    (first,) = run(study)
    equal_runs_once.clear()
    (again,) = run(study)
    one, two = first.result.scores, again.result.scores
    assert (one.viewing.number, one.viewing.freeze.changed, one.viewing.freeze.viewed_before) == (1, (), 0)
    assert one.p_claim == one.p_family
    assert "irst result viewed for this outcome; the plan was frozen on" in " ".join(first.details().split())
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
    assert "2nd result viewed for this outcome" in " ".join(other.abstract().split())
    said = " ".join(other.details().split())
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
    with pytest.raises(SpecError, match="--again: needs --because"):
        freeze(study, again=True)
    assert len(lines(study, "frozen")) == 1
    command = ["freeze", "quick", "--again", "--because", "39 were too few", "--anyway", "--study", str(study)]
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


def test_a_run_is_called_by_its_title_and_written_by_its_key_in_quotes(study, capsys):
    ask(study, TWO_RUNS)
    assert run_command(["check", "quick", "--study", str(study), "--data", str(TWIN)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert 'Written in files and commands, in this order: "ridge . dmn4", "pls . dmn4"' in said
    assert "Claim ridge on dmn4 can reach" in said
    ask(study, 'primary = "pls . dmn4"\n' + TWO_RUNS)
    assert run_command(["check", "quick", "--study", str(study), "--data", str(TWIN)]) == 0
    assert " . " not in re.sub(r'"[^"]*"', "", capsys.readouterr().out), "a key stands in quotes"
    assert run_command(["freeze", "quick", "--anyway", "--study", str(study), "--data", str(TWIN)]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert 'Primary run pls on dmn4, written "pls . dmn4"; the other run exploratory at most' in printed
    assert " . " not in re.sub(r'"[^"]*"', "", printed)


def test_a_plan_can_be_frozen_before_there_are_data(study, tmp_path):
    (frozen,) = workbench.freeze(["quick"], study=study, data=tmp_path / "not-yet", anyway=True)
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
    assert "after 1 result had been viewed" in " ".join(late.details().split())


def test_a_damaged_ledger_is_told_before_anything_is_fitted(study, monkeypatch):
    (study / "experiments" / "viewed.jsonl").write_text("{\n")
    monkeypatch.setattr(
        "workbench.pipeline.side_by_side.run_one", lambda *args, **kwargs: pytest.fail("something was fitted")
    )
    with pytest.raises(StoreError, match=r"experiments/viewed\.jsonl, line 1: is damaged"):
        run(study)
    problems = workbench.check(["quick"], study=study, data=TWIN).problems
    assert [problem.where for problem in problems] == ["experiments/viewed.jsonl, line 1"]


# ------------------------------------------------------------------------------- what no run of a plan can meet

MISSED = (
    "at least 1000 permutations",
    "interval above 0",
    "R2 above 0 without any one participant",
    "adds to the clinical model",
    "the adjusted run passes",
)
"""Rows of the claim gate that the question misses as it is written, beside its few participants."""


def test_a_plan_that_cannot_be_supported_is_refused_row_by_row_with_what_to_change(study):
    with pytest.raises(SpecError) as refused:
        freeze(study, anyway=False)
    said = [str(problem) for problem in refused.value.problems]
    for row in (*MISSED, "at least 50 participants"):
        assert any(line.startswith(f"experiments/quick.toml: {row}: ") for line in said), row
    assert any("39 permutations, and a stronger claim needs 1000; permutations = 1000" in line for line in said)
    assert len(said) == len({*MISSED, "at least 50 participants", "upstream steps declared"}), "one for each row"
    assert not any("--anyway" in line for line in said)
    *_, why, change, anyway = str(refused.value).splitlines()
    assert why == "Why: plans are frozen to be supported by internal validation; as written, this one cannot be."
    assert change == "Either change what is named above, and freeze it then."
    assert anyway.startswith("Or add --anyway to freeze it as it is: every result will say")
    assert lines(study, "frozen") == []


def test_the_command_refuses_it_in_short_lines_with_what_to_change_and_how_to_go_on_anyway(study, capsys):
    assert run_command(["freeze", "quick", "--study", str(study), "--data", str(TWIN)]) == 2
    said = capsys.readouterr().err
    assert max(map(len, said.splitlines())) <= 100
    assert "    change: repeats = 10, or more" in said.splitlines()
    before, how_to_go_on = " ".join(said.split()).split("Nothing was done.")
    reason = "experiments/quick.toml: interval above 0: there is no interval with 1 repeat: it needs at least 10"
    assert f"{reason} change: repeats = 10, or more" in before
    assert re.fullmatch(r" Why: .* Either .* Or .*--anyway.*", how_to_go_on)
    assert lines(study, "frozen") == []


def test_without_data_the_files_alone_can_be_refused(study, tmp_path):
    with pytest.raises(SpecError) as refused:
        workbench.freeze(["quick"], study=study, data=tmp_path / "not-yet")
    said = " ".join(str(problem) for problem in refused.value.problems)
    assert all(f"experiments/quick.toml: {row}: " in said for row in MISSED)
    assert "at least 50 participants" not in said, "how many there will be is not known"


def test_a_clinical_model_of_confounds_alone_is_refused(study, tmp_path):
    ask(study, 'confounds = ["age"]\nclinical_model = ["age", "age^2"]\n' + QUESTION)
    with pytest.raises(SpecError, match="every variable of the clinical model is held fixed already: age"):
        workbench.freeze(["quick"], study=study, data=tmp_path / "not-yet")


def test_what_misses_no_row_is_frozen_without_a_word(study, tmp_path):
    sound = 'confounds = ["age"]\nclinical_model = ["age", "sex"]\n' + QUESTION
    ask(study, sound.replace("repeats = 1\npermutations = 39", "repeats = 10\npermutations = 1000"))
    declare_upstream(study)
    (frozen,) = workbench.freeze(["quick"], study=study, data=tmp_path / "not-yet")
    assert frozen.plan.out_of_reach == ()
    assert frozen.claim.best_verdict == "supported by internal validation, once the plan is frozen"


def test_a_plan_frozen_anyway_says_in_every_result_what_it_could_not_meet(study):
    frozen = freeze(study)
    assert set(MISSED) < set(frozen.plan.out_of_reach)
    assert set(lines(study, "frozen")[0]["out_of_reach"]) == set(frozen.plan.out_of_reach)
    (finished,) = run(study)
    assert finished.result.scores.viewing.freeze.out_of_reach == frozen.plan.out_of_reach
    words = " ".join(finished.details().split())
    assert "as frozen it could not be supported (frozen with --anyway): at least 1000 permutations" in words


def rows_printed(text: str) -> list[str]:
    """Names of the rows of the claim gate, as a command prints them by status; what is not met one to a line."""
    joined = re.sub(r"\n {22}", " ", text)
    rows = re.findall(r"^    (?:met|missed|not tried|open|does not apply) {2,}(.*)$", joined, re.MULTILINE)
    names = [name for row in rows for name in re.sub(r" \([^()]*(?:\([^()]*\)[^()]*)*\)$", "", row).split("; ")]
    return sorted(names)


def test_check_plan_freeze_run_show_and_the_page_have_the_same_rows(study, capsys):
    where = ["--study", str(study), "--data", str(TWIN)]
    few = ["--simulations", "20", "--permutations", "19", "--r2", "0.3", "--jobs", "1"]
    printed = {}
    for name, command in {
        "check": ["check", "quick", *where],
        "plan": ["plan", "quick", *where, *few],
        "freeze": ["freeze", "quick", "--anyway", *where],
        "run": ["run", "quick", "--jobs", "1", "-v", *where],
        "show": ["show", "latest", "-v", "--study", str(study)],
    }.items():
        assert run_command(command) == 0, name
        printed[name] = rows_printed(capsys.readouterr().out)
    page = (REPOSITORY / "docs" / "claims.md").read_text(encoding="utf-8").partition("## Words")[0]
    tables = page.partition("## Shown")[2]
    rows = re.findall(r"^\| (?!requirement|---)(.*?) \| ", tables, re.MULTILINE)
    assert len(rows) > 15
    assert printed == dict.fromkeys(printed, sorted(rows))


def test_check_does_not_promise_what_a_plan_cannot_reach(study, capsys):
    assert run_command(["check", "quick", "--study", str(study), "--data", str(TWIN)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "ridge on dmn4 can reach: exploratory, prognostic (missed: at least 1000 permutations;" in said
    assert "once the plan is frozen" not in said
    reason = "no confounds are declared, so nothing is adjusted for besides MADRS@ses-b0"
    assert f"missed the adjusted run passes ({reason}; change:" in said


# ----------------------------------------------------------------------------------------------------- not tested


@pytest.mark.parametrize("shuffle", [False, True])
def test_a_run_without_permutations_is_not_tested_and_counts_as_a_look(study, capsys, shuffle):
    """The same data once had *prediction not shown* with permutations, and were said to go with the outcome without."""
    asked = QUESTION.replace("permutations = 39", "permutations = 0")
    ask(study, asked.replace('at = "ses-d2"', 'at = "ses-d2"\nshuffle = true') if shuffle else asked)
    assert run_command(["run", "quick", "--jobs", "1", "--study", str(study), "--data", str(TWIN)]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    verdict = "prediction not shown" if shuffle else "not tested"
    assert f"{verdict.upper()}, prognostic" in printed
    assert [line["verdict"] for line in lines(study, "viewed")] == [verdict]
    shown = workbench.show_run(study=study)
    assert shown.result.claim.verdict == verdict
    assert len(shown.result.biomarkers) == 0
    assert not shown.result.circuits["candidate"].any()
    assert shown.result.circuits["mean_abs_shap"].isna().all()
    if not shuffle:
        sentence = shown.result.claim.sentence
        assert not re.search("predict|associat|exploratory", sentence)
        assert "none (permutations = 0), so nothing is tested" in printed
        assert "Candidates none: listed only where a permutation test shows prediction" in printed
        record = json.loads((shown.artifacts / "biomarkers.json").read_text())
        assert (record["claim"], record["rows"]) == ("not tested", [])
        assert record["why_empty"] == "No p-value tests the prediction, so no biomarker is exported."
