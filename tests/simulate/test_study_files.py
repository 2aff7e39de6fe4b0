from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from workbench.simulate.config import TrialConfig
from workbench.simulate.study_files import study_files
from workbench.specs import read_cohort_spec, read_experiment_spec, read_source_spec

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.parametrize("path", study_files(TrialConfig.demo()))
def test_the_repositorys_own_study_is_the_one_that_the_simulator_writes(path: str) -> None:
    assert (REPOSITORY / path).read_bytes() == study_files(TrialConfig.demo())[path].encode()


def test_the_repository_asks_nothing_else() -> None:
    asked = {f"experiments/{path.name}" for path in (REPOSITORY / "experiments").glob("*.toml")}

    assert asked == {path for path in study_files(TrialConfig.demo()) if path.startswith("experiments/")}


@pytest.mark.parametrize("design", ["crossover", "parallel", "single-arm"])
@pytest.mark.parametrize("n_controls", [0, 20])
def test_the_study_of_every_design_can_be_read(design: str, n_controls: int, tmp_path: Path) -> None:
    config = replace(TrialConfig(), design=design, n_controls=n_controls)
    for name, text in study_files(config).items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)

    assert read_cohort_spec(tmp_path / "features/cohort.toml").synthetic
    for source in ("connectivity", "task", "pet"):
        assert read_source_spec(tmp_path / f"features/{source}.toml").columns == f"{source}_columns.tsv"
    for path in (tmp_path / "experiments").iterdir():
        assert read_experiment_spec(path).question


def test_site_is_held_fixed_where_sites_respond_differently() -> None:
    assert '"site"' in study_files(TrialConfig())["features/connectivity.toml"]
    assert '"site"' not in study_files(TrialConfig.demo())["features/connectivity.toml"]
