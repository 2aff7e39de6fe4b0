"""Every trap is in the files as METHODS 4.2 says it, and nowhere else; what catches it is tested with the guards."""

from __future__ import annotations

import json
import shutil
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from workbench.errors import SpecError, StoreError
from workbench.simulate.config import TrialConfig
from workbench.simulate.generator import simulate_trial
from workbench.simulate.study_files import SHAPS_FILE, TASK_FILE, xcpd_file
from workbench.simulate.traps import TRAP_COLUMN, TRAPS, plant
from workbench.simulate.writers import write_study, write_trial


@pytest.fixture(scope="session")
def null_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("null")
    trial = simulate_trial(TrialConfig(n_patients=60, r2=0.0), 5)
    write_study(trial, folder)
    write_trial(trial, folder / "sources")
    return folder


@pytest.fixture
def study(null_study: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(null_study, tmp_path / "study"))


def read(study: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(study / "sources" / name, sep="\t", dtype={"subject": str}, na_values="n/a")


def beside_outcome(study: Path, column: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A column of the task betas before treatment, SHAPS after ketamine, and ketamine minus placebo."""
    task = read(study, TASK_FILE)
    task = task[task["session_id"] == "ses-b0"].set_index("subject")[column]
    shaps = read(study, SHAPS_FILE)
    shaps.index = shaps["participant_id"].str.removeprefix("sub-").astype(int).astype(str)
    both = shaps.assign(feature=task).dropna(subset=["feature", "SHAPS_d2", "SHAPS_p2"])
    after = both["SHAPS_d2"].to_numpy()
    return both["feature"].to_numpy(), after, both["SHAPS_p2"].to_numpy() - after


def changed(study: Path, clean: Path) -> set[str]:
    files = {path.relative_to(root) for root in (study, clean) for path in root.rglob("*") if path.is_file()}
    return {
        path.as_posix()
        for path in files
        if not (study / path).exists()
        or not (clean / path).exists()
        or (study / path).read_bytes() != (clean / path).read_bytes()
    }


@pytest.mark.parametrize("trap", TRAPS)
def test_every_trap_changes_the_files_the_same_way_each_time(trap: str, study: Path, null_study: Path) -> None:
    again = Path(shutil.copytree(null_study, study.parent / "again"))

    assert plant(trap, study) == plant(trap, again) == TRAPS[trap]
    assert len(changed(study, null_study)) >= 2  # the truth says so, and something else is no longer as it was
    assert not changed(study, again)
    assert json.loads((study / "sources/truth.json").read_text())["trap"]["code"] == trap


def test_all_sixteen_traps_are_there() -> None:
    assert list(TRAPS) == [f"T{number}" for number in range(1, 17)]


def test_t1_is_the_score_with_noise_under_a_neutral_name(study: Path) -> None:
    plant("T1", study)
    feature, after, _ = beside_outcome(study, TRAP_COLUMN)

    assert 0.9 < np.corrcoef(feature, after)[0, 1] < 0.99


def test_t2_correlates_by_a_half_with_the_outcome(study: Path) -> None:
    plant("T2", study)
    feature, _, outcome = beside_outcome(study, "CADSS_40")

    assert np.corrcoef(feature, outcome)[0, 1] == pytest.approx(0.5, abs=0.25)


def test_t3_is_one_person_in_every_file_twice(study: Path) -> None:
    plant("T3", study)
    people = read(study, "participants.tsv").set_index("participant_id")
    twins = people.index[people.duplicated(keep=False)]

    assert len(people) == 61
    assert "sub-061" in twins
    assert (study / "sources" / xcpd_file("relmat", "sub-061", "ses-b0", 15)).exists()
    assert (study / "sources" / xcpd_file("qc", "sub-061", "ses-b0", 15)).exists()


def test_t4_puts_the_rows_of_a_person_in_different_folds(study: Path) -> None:
    plant("T4", study)
    folds = read(study, "folds.tsv").groupby("participant_id")["repeat_1"].nunique()

    assert (folds == 2).all()


def test_t6_and_t7_learn_from_the_outcome_of_everybody(study: Path, null_study: Path) -> None:
    kept = Path(shutil.copytree(null_study, study.parent / "kept"))
    plant("T6", kept)
    plant("T7", study)

    assert len(tomllib.loads((kept / "features/task.toml").read_text())["keep"]) == 10
    said = {"features/task.toml"}  # what it said of how the file was made is taken out
    assert changed(study, null_study) == {"sources/task/reward_emotion_betas.tsv", "sources/truth.json"} | said
    assert "upstream" not in (study / "features/task.toml").read_text()


def test_t8_and_t14_move_the_outcome_with_site_and_with_time(study: Path, null_study: Path) -> None:
    late = Path(shutil.copytree(null_study, study.parent / "late"))
    plant("T8", study)
    plant("T14", late)
    people = read(null_study, "participants.tsv").set_index("participant_id")
    moved, before, drifted = (
        read(each, SHAPS_FILE).set_index("participant_id")["SHAPS_d2"] for each in (study, null_study, late)
    )

    assert (moved - before)[people["site"] == "site-1"].mean() < 0 < (moved - before)[people["site"] == "site-2"].mean()
    assert (drifted - before).corr(people["enrolled"].rank()) < -0.7


def test_t10_mixes_scorings_between_sites(study: Path) -> None:
    plant("T10", study)
    low = read(study, SHAPS_FILE).set_index("participant_id")["SHAPS_b0"] < 14
    site = read(study, "participants.tsv").set_index("participant_id")["site"]

    assert set(site[low]) == {"site-3"}


def test_t12_leaves_out_those_who_did_not_improve(study: Path, null_study: Path) -> None:
    plant("T12", study)
    _, _, everybody = beside_outcome(null_study, "VS_L_feedback")
    _, _, left = beside_outcome(study, "VS_L_feedback")

    assert left.mean() > everybody.mean() + 2


def test_t15_numbers_the_rows(study: Path) -> None:
    plant("T15", study)
    task = read(study, TASK_FILE)

    assert task.loc[task["session_id"] == "ses-b0", "subject"].tolist()[:3] == ["0", "1", "2"]


def test_t16_has_matrices_of_two_shapes(study: Path) -> None:
    plant("T16", study)
    lines = {len(path.read_text().splitlines()) for path in (study / "sources/derivatives").rglob("*_relmat.tsv")}

    assert lines == {12, 16}


def test_an_unknown_trap_is_refused(study: Path) -> None:
    with pytest.raises(SpecError, match=r"no trap 'T17'; did you mean 'T"):
        plant("T17", study)


def test_nothing_is_planted_in_real_data(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"holds no simulated study; workbench simulate DIR --r2 0 writes one"):
        plant("T1", tmp_path)


def test_a_trap_is_planted_once(study: Path) -> None:
    plant("T9", study)

    with pytest.raises(StoreError, match=r"does not say .* once; plant in a study as it was simulated"):
        plant("T9", study)
