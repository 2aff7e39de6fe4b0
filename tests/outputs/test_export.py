from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from workbench.errors import StoreError
from workbench.export import COLUMNS, FILES, environment, export_run, read_run, write_run
from workbench.export.writing import table_text
from workbench.records import FlowStep, LoggedRun, RunResult


def logged_at(artifacts: Path) -> LoggedRun:
    return LoggedRun("1f" * 16, "ridge . fc", "madrs_change", artifacts, {"claim": "exploratory"}, {})


@pytest.fixture
def logged(shown_result: RunResult, tmp_path: Path) -> LoggedRun:
    write_run(shown_result, tmp_path / "artifacts", run_id="1f" * 16)
    return logged_at(tmp_path / "artifacts")


def test_two_writings_of_one_result_give_the_same_bytes(shown_result, tmp_path):
    first = write_run(shown_result, tmp_path / "first")
    second = write_run(shown_result, tmp_path / "second")
    assert [path.name for path in first] == [path.name for path in second]
    assert all(a.read_bytes() == b.read_bytes() for a, b in zip(first, second, strict=True))


def test_every_file_that_design_names_is_written_and_described(shown_result, tmp_path):
    names = {path.name for path in write_run(shown_result, tmp_path)}
    assert {"spec.toml", "predictions.tsv", "folds.tsv", "scores.json", "permutation_null.tsv", "shap.parquet"} <= names
    assert {"circuits.tsv", "modalities.tsv", "biomarkers.tsv", "biomarkers.json", "environment.txt"} <= names
    assert names <= set(FILES)


def test_only_the_biomarker_files_hold_the_run_id(shown_result, tmp_path):
    written = write_run(shown_result, tmp_path, run_id="0123456789abcdef")
    holders = {path.name for path in written if b"0123456789abcdef" in path.read_bytes()}
    assert holders == {"biomarkers.tsv", "biomarkers.json"}


def test_predictions_read_back_to_the_last_bit(shown_result, tmp_path):
    write_run(shown_result, tmp_path)
    read = pd.read_csv(tmp_path / "predictions.tsv", sep="\t", keep_default_na=False)
    for column in ("observed", "predicted", "reference"):
        np.testing.assert_array_equal(read[column], shown_result.predictions[column])


def test_inner_folds_are_whole_numbers_and_missing_for_those_held_out(shown_result, tmp_path):
    write_run(shown_result, tmp_path)
    table = pd.read_csv(tmp_path / "inner_folds.tsv", sep="\t", dtype=str, keep_default_na=False)
    held_out = pd.read_csv(tmp_path / "folds.tsv", sep="\t")["repeat_1"] == 3
    assert (table["repeat_1_fold_3"] == "n/a").equals(held_out)
    assert set(table.loc[~held_out, "repeat_1_fold_3"]) == {"0", "1", "2", "3"}


def test_a_run_without_inner_folds_reads_without_them(shown_result, tmp_path):
    """Runs of older versions."""
    write_run(shown_result, tmp_path)
    (tmp_path / "inner_folds.tsv").unlink()
    assert read_run(tmp_path, shap=False).inner_folds is None


def test_tables_have_lf_line_ends_and_name_what_is_missing(shown_result, tmp_path):
    write_run(shown_result, tmp_path)
    text = (tmp_path / "features.tsv").read_bytes()
    assert b"\r" not in text
    assert b"\tn/a\t" in text
    assert b"\t\t" not in text


def test_scores_that_are_not_numbers_become_null(null_result, tmp_path):
    performance = replace(null_result.scores.performance, calibration_slope=float("nan"), rmse=np.float32(2.5))
    write_run(replace(null_result, scores=replace(null_result.scores, performance=performance)), tmp_path)
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert scores["performance"]["calibration_slope"] is None
    assert scores["performance"]["rmse"] == 2.5
    assert scores["claim"]["verdict"] == "prediction not shown"


def test_scores_hold_no_participant(null_result, tmp_path):
    quiet = replace(null_result, claim=replace(null_result.claim, reasons=()))
    write_run(quiet, tmp_path)
    assert "sub-" not in (tmp_path / "scores.json").read_text()
    assert (tmp_path / "influence.tsv").read_text().startswith("participant_id\tr2_without\nsub-")
    pairs = (tmp_path / "influence_pairs.tsv").read_text()
    assert pairs.startswith("participant_a\tparticipant_b\tr2_without\nsub-")


def test_what_else_a_reader_should_know_has_tables_of_its_own(binary_result, tmp_path):
    write_run(binary_result, tmp_path)
    for name in ("subgroups.tsv", "drop_out.tsv", "decision_curve.tsv", "influence_pairs.tsv"):
        header = (tmp_path / name).read_text().split("\n", 1)[0]
        assert header.split("\t") == list(COLUMNS[name]), name
    assert "sex\tM\t8\tn/a\tn/a" in (tmp_path / "subgroups.tsv").read_text()
    assert "sub-" not in (tmp_path / "subgroups.tsv").read_text() + (tmp_path / "drop_out.tsv").read_text()


def test_a_decision_curve_reads_back(binary_result, shown_result, tmp_path):
    write_run(binary_result, tmp_path / "binary")
    read = read_run(tmp_path / "binary", shap=False)
    pd.testing.assert_frame_equal(read.decision_curve, binary_result.decision_curve, rtol=1e-5)
    assert read.scores.sensitivity.decision == binary_result.scores.sensitivity.decision
    write_run(shown_result, tmp_path / "other")
    assert read_run(tmp_path / "other", shap=False).decision_curve is None


def test_numbers_that_could_not_be_had_read_back_as_such(null_result, tmp_path):
    sensitivity = null_result.scores.sensitivity
    unknown = replace(sensitivity.regression_to_mean, expected=float("nan"), reason="no reliability of MADRS is known")
    scores = replace(null_result.scores, sensitivity=replace(sensitivity, regression_to_mean=unknown))
    write_run(replace(null_result, scores=scores), tmp_path)
    found = read_run(tmp_path, shap=False).scores.sensitivity
    assert np.isnan(found.regression_to_mean.expected)
    assert found.regression_to_mean.reason == "no reliability of MADRS is known"
    assert found.regression_to_mean.sessions == ("ses-b0", "ses-d2")
    assert found.subgroups == null_result.scores.sensitivity.subgroups
    assert found.drop_out == null_result.scores.sensitivity.drop_out


def test_a_run_reads_back_as_it_was_written(shown_result, tmp_path):
    write_run(shown_result, tmp_path)
    read = read_run(tmp_path, tags=shown_result.tags)
    assert read.scores == shown_result.scores
    assert (read.claim, read.spec_toml, read.tags) == (shown_result.claim, shown_result.spec_toml, shown_result.tags)
    for name in ("predictions", "folds", "inner_folds", "null", "shap"):
        pd.testing.assert_frame_equal(getattr(read, name), getattr(shown_result, name), check_dtype=False)
    for name in ("circuits", "modalities", "features", "biomarkers"):
        written = getattr(shown_result, name)
        pd.testing.assert_frame_equal(getattr(read, name)[list(written)], written, check_dtype=False, rtol=1e-5)
    assert [(step.n, step.excluded, step.participants) for step in read.flow] == [
        (step.n, step.excluded, step.participants) for step in shown_result.flow
    ]


def test_a_run_that_was_read_writes_the_same_files_again(null_result, tmp_path):
    written = write_run(null_result, tmp_path / "first")
    again = write_run(read_run(tmp_path / "first"), tmp_path / "second")
    assert [path.name for path in again] == [path.name for path in written]
    assert all(a.read_bytes() == b.read_bytes() for a, b in zip(written, again, strict=True))


def test_numbers_that_were_none_and_numbers_that_were_not_numbers_stay_apart(null_result, tmp_path):
    performance = replace(null_result.scores.performance, calibration_slope=float("nan"), auc=None, interval=None)
    write_run(replace(null_result, scores=replace(null_result.scores, performance=performance)), tmp_path)
    read = read_run(tmp_path, shap=False).scores.performance
    assert np.isnan(read.calibration_slope)
    assert (read.auc, read.interval) == (None, None)


def test_a_record_with_the_mean_of_its_permutations_reads_with_their_median(shown_result, tmp_path):
    """Records of version 1 held `null_mean`."""
    write_run(shown_result, tmp_path)
    path = tmp_path / "scores.json"
    record = json.loads(path.read_text())
    for test in (record["test"], record["increment"]["test"]):
        del test["null_median"]
        test["null_mean"] = -2.5
    path.write_text(json.dumps(record))
    scores = read_run(tmp_path, shap=False).scores
    assert scores.test == shown_result.scores.test
    assert np.isnan(scores.increment.test.null_median)  # the table of this sample has no increments


def test_warnings_of_runs_that_kept_their_code_in_the_text_are_read_with_it(shown_result, tmp_path):
    write_run(shown_result, tmp_path)
    path = tmp_path / "scores.json"
    record = json.loads(path.read_text())
    del record["warnings"]
    record["notes"] = ["task: learnt from all participants at once [T5]", "one of them [T] is not"]
    path.write_text(json.dumps(record))
    (warning,) = read_run(tmp_path, shap=False).scores.warnings
    assert (warning.sentence, warning.code) == ("task: learnt from all participants at once", "T5")


def test_a_record_that_lacks_a_number_is_refused_by_its_name(shown_result, tmp_path):
    write_run(shown_result, tmp_path)
    path = tmp_path / "scores.json"
    record = json.loads(path.read_text())
    del record["performance"]["mae"]
    path.write_text(json.dumps(record))
    with pytest.raises(StoreError, match=r"scores\.json: scores\.performance\.mae cannot be read"):
        read_run(tmp_path, shap=False)


@pytest.mark.parametrize(("version", "age"), [(99, "a newer"), (0, "an older")])
def test_records_of_another_version_are_refused_by_name(shown_result, tmp_path, version, age):
    write_run(shown_result, tmp_path)
    scores = tmp_path / "scores.json"
    scores.write_text(scores.read_text().replace('"schema_version": 1', f'"schema_version": {version}'))
    with pytest.raises(StoreError, match=rf"scores\.json: written by {age} workbench \(records of version {version}"):
        read_run(tmp_path)


def test_a_run_that_is_not_whole_names_the_file_that_is_missing(shown_result, tmp_path):
    write_run(shown_result, tmp_path)
    (tmp_path / "circuits.tsv").unlink()
    with pytest.raises(StoreError, match=r"circuits\.tsv: cannot be read .* run it again"):
        read_run(tmp_path)
    (tmp_path / "scores.json").write_text("{")
    with pytest.raises(StoreError, match=r"scores\.json: is not the scores of a run"):
        read_run(tmp_path)


def test_every_column_of_every_table_is_explained(shown_result, tmp_path):
    for path in write_run(shown_result, tmp_path):
        if path.suffix == ".tsv":
            columns = path.read_text().split("\n", 1)[0].split("\t")
            unknown = [name for name in columns if name not in COLUMNS[path.name] and not name.startswith("repeat_")]
            assert unknown == [], path.name


def test_the_columns_that_decide_stand_first_among_the_circuits(shown_result, tmp_path):
    write_run(shown_result, tmp_path)
    header = (tmp_path / "circuits.tsv").read_text().split("\n", 1)[0].split("\t")
    assert header[:5] == ["circuit", "n_features", "candidate", "q", "p"]


def test_numbers_that_are_read_have_six_digits(shown_result, tmp_path):
    write_run(shown_result, tmp_path)
    share = (tmp_path / "modalities.tsv").read_text().splitlines()[1].split("\t")[-1]
    assert len(share.removeprefix("0.")) <= 6


def test_each_person_lost_has_their_own_reason(shown_result, tmp_path):
    step = FlowStep("scanned", 7, 2, "no scan (1); moved (1)", ("sub-1", "sub-2"), ("no scan", "moved"))
    write_run(replace(shown_result, flow=(FlowStep("in the study", 9), step)), tmp_path)
    lost = (tmp_path / "participants_lost.tsv").read_text().splitlines()
    assert lost[1:] == ["sub-1\tscanned\tno scan", "sub-2\tscanned\tmoved"]


def test_the_flow_counts_and_the_ids_lie_apart(shown_result, tmp_path):
    write_run(shown_result, tmp_path)
    assert (tmp_path / "flow.tsv").read_text().splitlines()[2] == "scored before and after\t82\t3\tno MADRS at ses-d2"
    assert (tmp_path / "participants_lost.tsv").read_text().splitlines()[1].split("\t")[0] == "sub-0901"


def test_a_run_without_prediction_exports_no_rows_and_says_why(null_result, tmp_path):
    write_run(null_result, tmp_path)
    biomarkers = json.loads((tmp_path / "biomarkers.json").read_text())
    assert biomarkers["rows"] == []
    assert biomarkers["why_empty"] == "Prediction is not shown, so no biomarker is exported."
    assert biomarkers["reasons"] == list(null_result.claim.reasons)
    assert len((tmp_path / "biomarkers.tsv").read_text().splitlines()) == 1


def test_a_run_that_was_not_tested_exports_no_biomarker_and_says_why(shown_result, tmp_path):
    result = replace(
        shown_result,
        claim=replace(shown_result.claim, verdict="not tested"),
        biomarkers=shown_result.biomarkers.iloc[:0],
    )
    write_run(result, tmp_path, run_id="1f")
    record = json.loads((tmp_path / "biomarkers.json").read_text())
    assert record["why_empty"] == "No p-value tests the prediction, so no biomarker is exported."


def test_an_exploratory_run_without_candidates_says_how_many_circuits_failed(shown_result, tmp_path):
    write_run(replace(shown_result, biomarkers=shown_result.biomarkers.iloc[:0]), tmp_path)
    why = json.loads((tmp_path / "biomarkers.json").read_text())["why_empty"]
    assert why == "None of the 8 circuits tested passed the circuit test."


def test_biomarkers_as_json_hold_the_rows_of_the_table(shown_result, tmp_path):
    write_run(shown_result, tmp_path, run_id="abc")
    record = json.loads((tmp_path / "biomarkers.json").read_text())
    assert [row["circuit"] for row in record["rows"]] == list(shown_result.biomarkers["circuit"])
    assert record["rows"][0]["feature"] is None
    assert (record["n"], record["synthetic"], record["run_id"]) == (80, True, "abc")


def test_a_run_without_shap_values_writes_no_shap_file(shown_result, tmp_path):
    names = {path.name for path in write_run(replace(shown_result, shap=None), tmp_path)}
    assert "shap.parquet" not in names


def test_shap_values_read_back_equal(shown_result, tmp_path):
    write_run(shown_result, tmp_path)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "shap.parquet"), shown_result.shap)


def test_the_environment_names_packages_and_nothing_else():
    lines = environment().splitlines()
    assert lines[0].startswith("python==3.")
    assert all(line.count("==") == 1 and "/" not in line for line in lines)


def test_an_export_copies_all_but_the_model_and_explains_each_file(logged, tmp_path):
    (logged.artifacts / "model").mkdir()
    (logged.artifacts / "model" / "ridge.skops").write_bytes(b"x")
    (logged.artifacts / "figures").mkdir()
    (logged.artifacts / "figures" / "calibration.png").write_bytes(b"x")
    names = {path.relative_to(tmp_path / "out").as_posix() for path in export_run(logged, tmp_path / "out")}
    assert "model/ridge.skops" not in names
    assert {"biomarkers.tsv", "figures/calibration.png", "README.txt"} <= names
    readme = (tmp_path / "out" / "README.txt").read_text()
    assert "Claim: exploratory" in readme
    assert "Outcome: fall in MADRS from ses-b0 to ses-d2, in points" in readme
    assert "  observed        outcome as rated, points" in readme
    assert "figures/calibration.png  mean observed outcome" in readme.replace("   ", "  ")


def test_an_export_copies_the_model_when_asked(logged, tmp_path):
    (logged.artifacts / "model").mkdir()
    (logged.artifacts / "model" / "ridge.skops").write_bytes(b"x")
    (logged.artifacts / "model" / "model.json").write_text('{"holds_participants": false}')
    export_run(logged, tmp_path / "out", model=True)
    assert (tmp_path / "out" / "model" / "ridge.skops").read_bytes() == b"x"


def test_exporting_twice_changes_nothing(logged, tmp_path):
    first = {path: path.read_bytes() for path in export_run(logged, tmp_path / "out")}
    assert {path: path.read_bytes() for path in export_run(logged, tmp_path / "out")} == first


def test_an_export_names_every_file_it_would_overwrite(logged, tmp_path):
    export_run(logged, tmp_path / "out")
    for name in ("scores.json", "flow.tsv"):
        (tmp_path / "out" / name).write_text("mine")
    with pytest.raises(StoreError, match=r"out: already holds 2 files .* \(flow\.tsv, scores\.json\); .*--force"):
        export_run(logged, tmp_path / "out")
    assert (tmp_path / "out" / "flow.tsv").read_text() == "mine"
    export_run(logged, tmp_path / "out", force=True)
    assert (tmp_path / "out" / "flow.tsv").read_text() != "mine"


def test_an_export_into_a_file_is_refused(logged, tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(StoreError, match="is a file; name a folder"):
        export_run(logged, tmp_path / "out")


def test_a_run_without_files_cannot_be_exported(tmp_path):
    with pytest.raises(StoreError, match=r"has no files below .*run it again"):
        export_run(logged_at(tmp_path / "nowhere"), tmp_path / "out")


# ------------------------------------------------------------------------------------------------ spreadsheets, themes


@pytest.mark.parametrize("text", ["=HYPERLINK(A1)", "+cmd|' /C calc'!A0", "-2+3+cmd|A0", "@SUM(A1)"])
def test_a_text_that_a_spreadsheet_would_run_is_made_a_text_and_read_back_as_it_was(text, shown_result, tmp_path):
    result = replace(shown_result, features=shown_result.features.assign(region_a=text))
    write_run(result, tmp_path)
    lines = (tmp_path / "features.tsv").read_text().splitlines()
    cells = [cell for line in lines for cell in line.split("\t")]
    assert not [cell for cell in cells if cell[:1] in "=@+" and cell[:1]]
    assert not [cell for cell in cells if re.match(r"-\d?[^\d.]", cell)]
    assert read_run(tmp_path).features["region_a"].tolist() == result.features["region_a"].tolist()


def test_numbers_and_signs_are_left_as_they_are(tmp_path):
    table = pd.DataFrame({"text": ["-0.5", "+1e3", "-", "a=b"], "number": [-0.5, 1.0, -2e-7, float("nan")]})
    assert table_text(table) == "text\tnumber\n-0.5\t-0.5\n+1e3\t1.0\n-\t-2e-07\na=b\tn/a\n"


def test_the_dictionary_describes_every_column_of_every_table(shown_result, binary_result, tmp_path):
    for name, result in {"shown": shown_result, "binary": binary_result}.items():
        write_run(result, tmp_path / name)
        dictionary = json.loads((tmp_path / name / "data_dictionary.json").read_text())
        tables = {path.name: path.read_text().split("\n", 1)[0].split("\t") for path in (tmp_path / name).glob("*.tsv")}
        assert {file: list(described["Columns"]) for file, described in dictionary["Files"].items()} == tables
        silent = {
            f"{file}: {column}"
            for file, described in dictionary["Files"].items()
            for column, entry in described["Columns"].items()
            if not entry["Description"]
        }
        assert silent == set()


def test_units_of_the_outcome_are_named_in_the_dictionary(shown_result, tmp_path):
    write_run(shown_result, tmp_path)
    files = json.loads((tmp_path / "data_dictionary.json").read_text())["Files"]
    assert files["predictions.tsv"]["Columns"]["observed"]["Units"] == "points"
    assert "Units" not in files["predictions.tsv"]["Columns"]["repeat"]


@pytest.mark.parametrize(("theme", "expected"), [("light", {"a.png"}), ("dark", {"a-dark.png"}), ("both", None)])
def test_figures_are_exported_for_the_ground_that_is_asked_for(theme, expected, logged, tmp_path):
    (logged.artifacts / "figures").mkdir(exist_ok=True)
    for name in ("a.png", "a-dark.png"):
        (logged.artifacts / "figures" / name).write_bytes(b"x")
    written = export_run(logged, tmp_path / "out", theme=theme)
    assert {path.name for path in written if path.stem.startswith("a")} >= (expected or {"a.png", "a-dark.png"})
    if expected:
        assert {path.name for path in written if path.parent.name == "figures"} == expected


def test_a_theme_that_is_none_is_refused(logged, tmp_path):
    with pytest.raises(StoreError, match="theme: is 'grey'; one of light, dark, both"):
        export_run(logged, tmp_path / "out", theme="grey")
