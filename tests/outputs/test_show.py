"""`workbench show`: a kept run read again from its files, wherever the study lies now."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from workbench import pipeline, tracking
from workbench.cli import run_command
from workbench.errors import StoreError
from workbench.export import write_run
from workbench.figures import PICTURES
from workbench.preregistration.append_only import now
from workbench.preregistration.viewed import Look, record_look
from workbench.records import RunResult
from workbench.results.claims import judge
from workbench.results.requirements import gate_rows
from workbench.results.summary import abstract
from workbench.study import open_study


@pytest.fixture
def root(empty_store: Path, tmp_path: Path) -> Path:
    """A study that can be opened, with an empty store."""
    made = tmp_path / "study"
    pipeline.init(made, design="single-arm")
    (made / "mlruns").mkdir(exist_ok=True)
    shutil.copyfile(empty_store, made / "mlruns" / "mlflow.db")
    return made


def keep(root: Path, result: RunResult, date: str = "") -> str:
    with tracking.open_run(open_study(root), result) as opened:
        write_run(result, opened.artifacts, run_id=opened.run_id)
        (opened.artifacts / "figures").mkdir()
        for name in ("calibration.png", "calibration-dark.png", "calibration.svg"):
            (opened.artifacts / "figures" / name).write_bytes(b"")
    look = Look(
        date or now(), "madrs_change", "ridge . dmn4", "fall in MADRS", "", "", 0, "", "", "", "", run_id=opened.run_id
    )
    record_look(open_study(root), look)
    return opened.run_id


def without_report(text: str) -> str:
    """The page but for the line that says where the files lie."""
    return "\n".join(line for line in text.splitlines() if not line.startswith("  Report "))


@pytest.mark.parametrize("name", ["shown_result", "null_result", "binary_result"])
def test_a_kept_run_has_the_abstract_it_had_when_it_was_finished(root, request, name):
    result = request.getfixturevalue(name)
    keep(root, result)
    shown = without_report(pipeline.show_run(study=root).abstract("next"))
    assert shown == abstract(result, next_command="next", show="run.details()")


def test_show_prints_one_page_and_with_details_circuits_comparators_and_figures(root, shown_result, capsys):
    run_id = keep(root, shown_result)
    assert run_command(["show", run_id[:8], "--study", str(root)]) == 0
    printed = capsys.readouterr().out
    assert "madrs_change | ridge on fc+task+pet" in printed
    assert "ventral striatum to prefrontal" in printed
    assert "calibration.png" not in printed
    assert len(printed.splitlines()) < 40
    assert run_command(["show", run_id[:8], "-v", "--study", str(root)]) == 0
    printed = capsys.readouterr().out
    assert "> fc+task+pet, adjusted for mean_fd" in printed
    assert "clinical model, ridge: MADRS@ses-b0, age, sex" in printed
    assert "  calibration.png" in printed
    assert "calibration-dark" not in printed


def test_latest_is_the_primary_run_of_the_experiment_run_last(root, shown_result):
    """Its other runs, finished with it, are asked for by name or id."""
    question = next((root / "experiments").glob("*.toml")).read_text()
    path = root / "experiments" / "madrs_change.toml"
    own = [line for line in question.splitlines() if not line.startswith("primary")]
    path.write_text("\n".join(['primary = "ridge . connectivity"', *own]))
    date = now()
    for name in ("ridge . pet", "ridge . connectivity", "ridge . task"):
        keep(root, replace(shown_result, scores=replace(shown_result.scores, run_name=name)), date)
    assert pipeline.show_run(study=root).result.scores.run_name == "ridge . connectivity"
    path.write_text("\n".join(own))
    assert pipeline.show_run(study=root).result.scores.run_name == "ridge . task"


def test_show_prints_every_row_of_the_claim_gate(root, shown_result, capsys):
    keep(root, shown_result)
    assert run_command(["show", "-v", "--study", str(root)]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    for row in gate_rows(shown_result.scores):
        assert row.requirement in printed
        assert row.missed in printed


def test_a_run_judged_by_an_earlier_gate_says_what_this_one_makes_of_it(root, shown_result, capsys):
    """What was called supported before a requirement was added is not shown as if it met it."""
    claim = replace(shown_result.claim, verdict="supported by internal validation")
    keep(root, replace(shown_result, claim=claim))
    assert run_command(["show", "--study", str(root)]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert f"By the claim gate of this version the verdict is {judge(shown_result.scores).verdict}." in told
    keep(root, replace(shown_result, claim=judge(shown_result.scores)))
    assert run_command(["show", "--study", str(root)]) == 0
    assert "By the claim gate of this version" not in capsys.readouterr().out


def test_a_run_that_does_not_predict_shows_no_attribution(root, null_result):
    keep(root, null_result)
    assert set(pipeline.show_run(study=root).circuits()["candidate"]) == {"no"}


def test_show_works_after_the_study_was_moved(root, shown_result, tmp_path):
    keep(root, shown_result)
    moved = tmp_path / "elsewhere"
    root.rename(moved)
    shown = pipeline.show_run("ridge . fc+task+pet", study=moved)
    assert shown.figures[0].is_relative_to(moved)
    assert shown.result.scores == shown_result.scores


def test_the_report_of_a_run_is_written_beside_its_files_or_where_it_is_asked_for(root, shown_result, tmp_path, capsys):
    run_id = keep(root, shown_result)
    assert run_command(["report", run_id[:8], "--study", str(root)]) == 0
    written = Path(capsys.readouterr().out.strip())
    assert written.name == "report.html"
    assert shown_result.scores.question in written.read_text()
    assert pipeline.show_run(run_id, study=root).report.endswith("report.html")
    assert run_command(["report", "--study", str(root), "--to", str(tmp_path / "mine" / "a.html")]) == 0
    assert (tmp_path / "mine" / "a.html").read_text() == written.read_text()
    assert run_command(["report", "--study", str(root), "--to", str(tmp_path)]) == 2
    assert "is a folder; name a file in it" in capsys.readouterr().err


def test_the_report_of_an_experiment_sets_its_runs_side_by_side(root, shown_result):
    keep(root, shown_result)
    experiment = shown_result.scores.experiment
    written = pipeline.report(experiment, study=root)
    assert written == root.resolve() / "mlruns" / "reports" / f"{experiment}.html"
    assert "runs side by side" in written.read_text()


def test_an_experiment_stands_for_its_last_run(root, shown_result):
    keep(root, shown_result)
    experiment = shown_result.scores.experiment
    assert pipeline.show_run(experiment, study=root).run_id == pipeline.show_run(study=root).run_id


def test_an_unknown_run_is_refused_with_the_choices(root, shown_result, capsys):
    keep(root, shown_result)
    assert run_command(["show", "nothing", "--study", str(root)]) == 2
    assert "no finished run has the id or name 'nothing'" in capsys.readouterr().err


def test_the_circuits_that_pass_stand_first(root, shown_result):
    keep(root, shown_result)
    circuits = pipeline.show_run(study=root).circuits()
    assert list(circuits["candidate"])[:2] == ["yes", "yes"]
    assert len(circuits) == len(shown_result.circuits)


def test_every_picture_has_its_line_in_the_export(root):
    from workbench.export import FILES

    assert {f"figures/{name}" for name in PICTURES} <= set(FILES)


def test_a_run_that_is_not_there_is_met_with_the_name_most_like_it(root, shown_result):
    keep(root, shown_result)
    name = shown_result.scores.run_name
    with pytest.raises(StoreError, match=rf"did you mean '{re.escape(name)}'\? the last ones are: "):
        pipeline.show_run(name[:-1] + "x", study=root)


def test_candidates_in_python_have_the_id_of_their_run(root, shown_result):
    run_id = keep(root, shown_result)
    assert set(pipeline.show_run(study=root).biomarkers["run_id"]) == {run_id}
