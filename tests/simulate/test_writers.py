from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from workbench import pipeline
from workbench.errors import StoreError
from workbench.simulate.anatomy import features
from workbench.simulate.config import TrialConfig
from workbench.simulate.generator import Trial, simulate_trial
from workbench.simulate.study_files import kinpar_file, xcpd_file
from workbench.simulate.writers import write_study, write_trial
from workbench.sources.cohort.participants import read_cohort
from workbench.study import open_study


@pytest.fixture(scope="module")
def data(demo: Trial, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study") / "sources"
    write_trial(demo, folder)
    return folder


def text(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)


def test_writing_twice_gives_the_same_bytes(demo: Trial, data: Path, tmp_path: Path) -> None:
    written = write_trial(demo, tmp_path / "again")

    assert all(path.read_bytes() == (data / path.relative_to(tmp_path / "again")).read_bytes() for path in written)
    assert b"\r" not in (data / "participants.tsv").read_bytes()


def test_ids_are_written_as_differently_as_labs_do(data: Path) -> None:
    people = set(text(data / "participants.tsv")["participant_id"])
    task = set(text(data / "task/reward_emotion_betas.tsv")["subject"])
    scans = {path.name.split("_")[0] for path in data.glob("derivatives/xcp_d/sub-*/ses-b0/func/*_relmat.tsv")}

    assert "sub-007" in people
    assert all(not subject.startswith("0") and f"sub-{int(subject):03d}" in people for subject in task)
    assert scans < people


def test_scans_are_not_in_the_order_of_the_participants(data: Path) -> None:
    task = text(data / "task/reward_emotion_betas.tsv")
    subjects = task.loc[task["session_id"] == "ses-b0", "subject"].astype(int).tolist()

    assert subjects != sorted(subjects)


def test_a_missing_scan_has_no_file_and_a_missing_value_says_so(demo: Trial, data: Path) -> None:
    pet, task = list(data.rglob("*_kinpar.tsv")), text(data / "task/reward_emotion_betas.tsv")

    assert 0.2 < len(pet) / demo.people.n < 0.45
    assert 0.005 < (task == "n/a").to_numpy().mean() < 0.02


def test_totals_of_shaps_are_the_sum_of_its_items(data: Path) -> None:
    totals = text(data / "phenotype/shaps.tsv").set_index("participant_id")
    items = text(data / "phenotype/shaps_items.tsv")
    baseline = items[items["session_id"] == "ses-b0"].set_index("participant_id").drop(columns="session_id")

    assert (baseline.astype(int).sum(axis=1) == totals["SHAPS_b0"].astype(int)).all()


def test_matrices_are_symmetric_correlations_with_region_names_and_coverage_beside(data: Path) -> None:
    path = data / xcpd_file("relmat", "sub-001", "ses-b0", 15)
    matrix = pd.read_csv(path, sep="\t", index_col="Node")
    coverage = pd.read_csv(data / xcpd_file("coverage", "sub-001", "ses-b0", 15), sep="\t")

    assert path.name == (
        "sub-001_ses-b0_task-rest_space-MNI152NLin2009cAsym_seg-Simulated15_stat-pearsoncorrelation_relmat.tsv"
    )
    assert list(matrix.index) == list(matrix.columns) == list(coverage["Node"])
    assert (matrix.to_numpy() == matrix.to_numpy().T).all()
    assert (matrix.to_numpy().diagonal() == 1).all()
    assert coverage["coverage"].between(0.9, 1).all()


def test_a_scan_that_failed_has_its_quality_control_and_no_matrix(demo: Trial, data: Path) -> None:
    quality = {path.name.split("_")[0]: text(path).loc[0] for path in data.rglob("*_desc-linc_qc.tsv")}
    matrices = {path.name.split("_")[0] for path in data.rglob("*_relmat.tsv")}
    failed = set(quality) - matrices

    assert set(quality) == set(demo.participant_ids)
    assert 0 < len(failed) < 10
    assert {int(quality[who]["num_retained_volumes"]) < 100 for who in failed} == {True}
    assert {200 <= int(quality[who]["num_retained_volumes"]) <= 240 for who in matrices} == {True}
    assert {row["num_dummy_volumes"] for row in quality.values()} == {"0"}


def test_binding_is_k2_over_k2a_and_no_column_of_its_own(demo: Trial, data: Path) -> None:
    row = int(np.flatnonzero(~np.isnan(demo.scans["pet"]["ses-b0"][:, 0]))[0])
    path = data / kinpar_file(demo.participant_ids[row], "ses-b0")
    table = pd.read_csv(path, sep="\t", index_col="ROI")
    sidecar = json.loads(path.with_suffix(".json").read_text())

    assert list(table.columns) == ["k2", "k2a", "k2-k2a"]
    assert (table["k2"] / table["k2a"] - 1).to_numpy() == pytest.approx(demo.scans["pet"]["ses-b0"][row], abs=6e-6)
    assert sidecar["ModelName"] == "MRTM2"
    assert not set(sidecar["ReferenceRegion"]) & set(table.index)


def test_every_table_of_people_and_ratings_has_a_dictionary_of_all_its_columns(data: Path) -> None:
    tables = [data / "participants.tsv", *sorted((data / "phenotype").glob("*.tsv"))]
    for path in tables:
        dictionary = json.loads(path.with_suffix(".json").read_text())
        assert set(text(path).columns) == set(dictionary) - {"MeasurementToolMetadata"}
        for column, entry in dictionary.items():
            cells = set(text(path)[column]) - {"n/a"} if "Levels" in entry else set()
            assert cells <= set(entry.get("Levels", ()))

    assert len(tables) == 6


def test_derivatives_say_that_no_program_made_them(data: Path) -> None:
    (made,) = json.loads((data / "derivatives/xcp_d/dataset_description.json").read_text())["GeneratedBy"]

    assert (made["Name"], made["Version"]) == ("xcp_d", "0.14.1 (simulated)")


@pytest.fixture(scope="module")
def read_back(demo: Trial, data: Path) -> Path:
    write_study(demo, data.parent)
    return data.parent


@pytest.mark.parametrize(("modality", "precision"), [("connectivity", 1e-6), ("task", 6e-6), ("pet", 6e-6)])
def test_the_readers_find_the_numbers_that_were_drawn(
    demo: Trial, read_back: Path, modality: str, precision: float
) -> None:
    table, _ = pipeline.features([modality], study=read_back)[modality]
    rows = table.rows[table.rows["session"] == "ses-b0"]
    drawn = demo.scans[modality]["ses-b0"]
    there = ~np.isnan(drawn).all(axis=1)
    expected = np.arctanh(drawn[there]) if modality == "connectivity" else drawn[there]
    values = table.values[rows.index[np.argsort(rows["participant_id"].to_numpy())]]

    assert list(table.features["feature"]) == [feature.name for feature in features(modality)]
    assert sorted(rows["participant_id"]) == list(np.array(demo.participant_ids)[there])
    assert values == pytest.approx(expected, abs=precision, rel=2e-6, nan_ok=True)


def test_the_readers_find_the_motion_that_was_drawn(demo: Trial, read_back: Path) -> None:
    cohort = read_cohort(open_study(read_back).cohort, read_back / "sources")

    assert list(cohort.participants.index) == list(demo.participant_ids)
    assert cohort.participants["mean_fd"].to_numpy() == pytest.approx(demo.people.fd.round(5), rel=1e-12)
    assert cohort.participants["n_retained"].to_numpy() == pytest.approx(demo.volumes["ses-b0"])


def test_a_cerebellum_outside_of_the_field_of_view_is_missing_in_the_files_and_after_reading(tmp_path: Path) -> None:
    trial = simulate_trial(TrialConfig(n_patients=30, uncovered=0.4, missing_connectivity=0), 3)
    write_trial(trial, tmp_path / "sources")
    write_study(trial, tmp_path)
    short = trial.coverage["ses-b0"].min(axis=1) < 0.5
    who = trial.participant_ids[int(np.flatnonzero(short)[0])]
    matrix = text(tmp_path / "sources" / xcpd_file("relmat", who, "ses-b0", 15)).set_index("Node")
    table, _ = pipeline.features(["connectivity"], study=tmp_path)["connectivity"]
    cerebellar = table.features["feature"].str.contains("Cerebellum").to_numpy()
    missing = pd.DataFrame(np.isnan(table.values), index=table.rows["participant_id"]).loc[list(trial.participant_ids)]

    assert 0 < short.sum() < 30
    assert (matrix.loc["Cerebellum"] == "n/a").all()
    assert (matrix.drop(index="Cerebellum", columns="Cerebellum") != "n/a").to_numpy().all()
    assert (missing.to_numpy() == np.outer(short, cerebellar)).all()


def test_truth_is_json_with_the_role_of_every_circuit(data: Path) -> None:
    truth = json.loads((data / "truth.json").read_text())

    assert truth["synthetic"] is True
    assert {row["role"] for row in truth["circuits"]} >= {"planted", "confound-only", "site-only"}


def test_real_data_are_never_written_over(demo: Trial, tmp_path: Path) -> None:
    (tmp_path / "participants.tsv").write_text("participant_id\nsub-real\n")

    with pytest.raises(StoreError, match=r"holds files that were not simulated; choose a new folder"):
        write_trial(demo, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["participants.tsv"]


def test_scans_of_an_earlier_trial_do_not_stay(demo: Trial, tmp_path: Path) -> None:
    write_trial(demo, tmp_path)
    stale = [tmp_path / xcpd_file("relmat", "sub-999", "ses-b0", 15), tmp_path / kinpar_file("sub-999", "ses-b0")]
    for path in stale:
        path.parent.mkdir(parents=True)
        path.write_text("Node\n")

    write_trial(demo, tmp_path)

    assert not any(path.exists() for path in stale)


def test_a_study_of_somebodys_own_is_not_written_over(demo: Trial, tmp_path: Path) -> None:
    write_study(demo, tmp_path)
    assert write_study(demo, tmp_path)  # its own files may be written again
    (tmp_path / "features/cohort.toml").write_text('design = "parallel"\n')

    with pytest.raises(StoreError, match=r"cohort.toml: exists and says something else; choose a new folder"):
        write_study(demo, tmp_path)
