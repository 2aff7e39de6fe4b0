from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from workbench.errors import StoreError
from workbench.simulate.generator import Trial
from workbench.simulate.writers import write_study, write_trial


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
    pet = set(text(data / "pet/binding.tsv")["subject"])

    assert "sub-007" in people
    assert all(not subject.startswith("0") and f"sub-{int(subject):03d}" in people for subject in task)
    assert all(len(subject) == 3 and f"sub-{subject}" in people for subject in pet)


def test_scans_are_not_in_the_order_of_the_participants(data: Path) -> None:
    task = text(data / "task/reward_emotion_betas.tsv")
    subjects = task.loc[task["session_id"] == "ses-b0", "subject"].astype(int).tolist()

    assert subjects != sorted(subjects)


def test_a_missing_scan_has_no_row_and_a_missing_value_says_so(demo: Trial, data: Path) -> None:
    pet, task = text(data / "pet/binding.tsv"), text(data / "task/reward_emotion_betas.tsv")

    assert 0.2 < len(pet) / demo.people.n < 0.45
    assert 0.005 < (task == "n/a").to_numpy().mean() < 0.02


def test_totals_of_shaps_are_the_sum_of_its_items(data: Path) -> None:
    totals = text(data / "phenotype/shaps.tsv").set_index("participant_id")
    items = text(data / "phenotype/shaps_items.tsv")
    baseline = items[items["session_id"] == "ses-b0"].set_index("participant_id").drop(columns="session_id")

    assert (baseline.astype(int).sum(axis=1) == totals["SHAPS_b0"].astype(int)).all()


def test_matrices_are_symmetric_correlations_with_region_names(data: Path) -> None:
    matrix = pd.read_csv(next((data / "connectivity").iterdir()), sep="\t", index_col="Node")

    assert list(matrix.index) == list(matrix.columns)
    assert (matrix.to_numpy() == matrix.to_numpy().T).all()
    assert (matrix.to_numpy().diagonal() == 1).all()


def test_truth_is_json_with_the_role_of_every_circuit(data: Path) -> None:
    truth = json.loads((data / "truth.json").read_text())

    assert truth["synthetic"] is True
    assert {row["role"] for row in truth["circuits"]} >= {"planted", "confound-only", "site-only"}


def test_real_data_are_never_written_over(demo: Trial, tmp_path: Path) -> None:
    (tmp_path / "participants.tsv").write_text("participant_id\nsub-real\n")

    with pytest.raises(StoreError, match=r"holds files that were not simulated; choose a new folder"):
        write_trial(demo, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["participants.tsv"]


def test_matrices_of_an_earlier_trial_do_not_stay(demo: Trial, tmp_path: Path) -> None:
    write_trial(demo, tmp_path)
    stale = tmp_path / "connectivity" / "sub-999_ses-b0_relmat.tsv"
    stale.write_text("Node\n")

    write_trial(demo, tmp_path)

    assert not stale.exists()


def test_a_study_of_somebodys_own_is_not_written_over(demo: Trial, tmp_path: Path) -> None:
    write_study(demo, tmp_path)
    assert write_study(demo, tmp_path)  # its own files may be written again
    (tmp_path / "features/cohort.toml").write_text('design = "parallel"\n')

    with pytest.raises(StoreError, match=r"cohort.toml: exists and says something else; choose a new folder"):
        write_study(demo, tmp_path)
