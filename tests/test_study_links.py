"""Links in a study: nothing is written through one that leads out, unless the user's own configuration allows it."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from workbench.cli import run_command
from workbench.errors import SpecError
from workbench.new_study import init_study
from workbench.study import open_study
from workbench.study_links import refuse_links_out


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder beside the study; the configuration of the user lies in it."""
    folder = tmp_path / "outside"
    folder.mkdir()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder))
    return folder


@pytest.fixture
def study(tmp_path: Path) -> Path:
    init_study(tmp_path / "study", "single-arm")
    return tmp_path / "study"


def allow(outside: Path, *folders: Path | str) -> None:
    path = outside / "biomarker-workbench" / "config.toml"
    path.parent.mkdir()
    path.write_text(f"linked_folders = {[str(folder) for folder in folders]}\n")


def contents(folder: Path) -> list[tuple[str, bytes]]:
    return sorted((str(path), path.read_bytes() if path.is_file() else b"") for path in folder.rglob("*"))


def link(path: Path, target: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        os.replace(path, path.with_name(f"{path.name}.away"))
    path.symlink_to(target)


PLACES = (
    "features",
    "features/tables",
    "features/tables/.digests.json",
    "experiments",
    "experiments/viewed.jsonl",
    "experiments/viewed.lock",
    "mlruns",
    "mlruns/mlflow.db",
    "mlruns/mlflow.lock",
    "mlruns/units",
    "mlruns/units/0a1b",
    "mlruns/units/0a1b/refits",
    "mlruns/artifacts/1/2c3d/artifacts",
)


@pytest.mark.parametrize("place", PLACES)
def test_a_link_out_of_what_is_written_to_is_refused_with_its_target_and_the_key_that_allows_it(study, outside, place):
    if place in ("features", "experiments"):
        os.replace(study / place, outside / "kept")
    link(study / place, outside / "kept")
    message = (
        rf"{re.escape(place)}: is a link that leads out of the study, to {outside}/kept; .* put a folder or file in "
        rf"its place, or, .* {outside}/biomarker-workbench/config.toml: linked_folders = \[\"{outside}/kept\"\]"
    )
    with pytest.raises(SpecError, match=message):
        open_study(study)


def test_all_links_that_lead_out_are_named_at_once(study, outside):
    link(study / "mlruns" / "units", outside / "units")
    link(study / "experiments" / "frozen.jsonl", outside / "plans")
    with pytest.raises(SpecError) as refused:
        open_study(study)
    assert [problem.where for problem in refused.value.problems] == ["experiments/frozen.jsonl", "mlruns/units"]


@pytest.mark.parametrize("allowed", ["kept", "."])
def test_what_the_user_s_configuration_allows_is_followed_with_what_lies_in_it(study, outside, allowed):
    link(study / "mlruns" / "units", outside / "kept")
    allow(outside, outside / allowed)
    assert open_study(study).root == study


def test_one_allowed_folder_allows_no_other(study, outside):
    link(study / "mlruns" / "units", outside / "kept")
    link(study / "mlruns" / "artifacts", outside / "kept too")
    allow(outside, outside / "kept")
    with pytest.raises(SpecError, match=r"^mlruns/artifacts: is a link") as refused:
        open_study(study)
    assert len(refused.value.problems) == 1


def test_a_study_cannot_allow_its_own_links(study, outside, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(study))
    allow(study, outside)
    link(study / "mlruns" / "units", outside / "kept")
    with pytest.raises(SpecError, match="lies in the study; a study cannot allow its own code"):
        open_study(study)


def test_an_allowed_folder_has_a_whole_path(study, outside):
    link(study / "mlruns" / "units", outside / "kept")
    allow(outside, "kept")
    with pytest.raises(SpecError, match=r"linked_folders.*'kept' depends on the current folder; .*a whole path"):
        open_study(study)


@pytest.mark.parametrize("place", ["features/cohort.toml", "features/regions.tsv", "experiments/README.md"])
def test_files_that_are_only_read_may_lie_elsewhere(study, outside, place):
    path = study / place
    if path.exists():
        os.replace(path, outside / path.name)
    else:
        (outside / path.name).write_text("")
    path.symlink_to(outside / path.name)
    assert open_study(study).root == study


def test_links_within_a_study_and_a_link_to_a_study_are_followed(study, outside, tmp_path):
    os.replace(study / "experiments", study / "asked")
    (study / "experiments").symlink_to("asked")
    (tmp_path / "mine").symlink_to(study)
    assert open_study(tmp_path / "mine").root == study


def test_a_new_study_is_not_written_through_a_link(outside, tmp_path):
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "features").symlink_to(outside)
    with pytest.raises(SpecError, match=f"features: is a link that leads out of the study, to {outside}"):
        init_study(tmp_path / "new", "single-arm")
    assert contents(outside) == []
    assert list((tmp_path / "new").iterdir()) == [tmp_path / "new" / "features"]


COMMANDS = (
    "check",
    "features",
    "freeze response",
    "run response",
    "show",
    "report",
    "compare response",
    "export latest --to out",
    "plan response --to out",
    "reproduce run",
    "prune --yes",
    "send --to http://127.0.0.1:1",
    "ui",
)


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_writes_through_a_link(study, outside, tmp_path, monkeypatch, capsys, command):
    monkeypatch.chdir(tmp_path)
    link(study / "mlruns" / "units", outside)
    assert run_command([*command.split(), "--study", str(study)]) == 2
    assert "mlruns/units: is a link that leads out of the study" in capsys.readouterr().err
    assert contents(outside) == []
    assert not (tmp_path / "out").exists()
    assert sorted(path.name for path in (study / "mlruns").iterdir()) in (["README.md", "units"], ["units"])


def test_the_demo_is_not_simulated_into_a_study_with_a_link_that_leads_out(outside, tmp_path, capsys):
    init_study(tmp_path / "demo")
    link(tmp_path / "demo" / "mlruns" / "artifacts", outside)
    assert run_command(["demo", "--study", str(tmp_path / "demo")]) == 2
    assert "mlruns/artifacts: is a link that leads out of the study" in capsys.readouterr().err
    assert contents(outside) == []


def test_a_folder_of_many_runs_is_looked_through_no_deeper_than_names_are_known(tmp_path):
    for run in range(30):
        (tmp_path / "mlruns" / "artifacts" / "1" / str(run) / "artifacts" / "figures").mkdir(parents=True)
    looked = []
    scandir = os.scandir

    def counted(folder):
        looked.append(folder)
        return scandir(folder)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "scandir", counted)
        refuse_links_out(tmp_path)
    assert len(looked) <= 2 + 3 + 30
