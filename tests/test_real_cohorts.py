"""Open cohorts with a known answer: a signal is found, and where there is none the answer is no."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from bare_runs import bare, few_refitted, results_alone

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture(scope="module")
def copied(tmp_path_factory, real_data):
    """A function: a copy of an example study to itself, whose tables are read from the real files once."""
    import workbench

    templates = tmp_path_factory.mktemp("examples")

    def copy(example: str, folder: Path) -> Path:
        template = templates / example
        if not template.exists():
            shutil.copytree(EXAMPLES / example, template, ignore=shutil.ignore_patterns("tables", "mlruns"))
            data = real_data / {"nspn": "nspn_discovery"}.get(example, example)
            workbench.features(study=template, data=data)
        return Path(shutil.copytree(template, folder / example))

    return copy


def run(study: Path, experiment: str, data: Path):
    """The ridge run of an experiment with few repeats and permutations."""
    import workbench

    path = study / "experiments" / f"{experiment}.toml"
    text = path.read_text().replace("repeats = 10", "repeats = 2").replace("permutations = 1000", "permutations = 99")
    path.write_text(text)
    with bare(), results_alone(), few_refitted():
        (finished,) = workbench.run([experiment], study=study, data=data, only=["ridge"], jobs=1)
    return finished.result


def test_the_age_of_the_nspn_sample_is_found(real_data, tmp_path, copied):
    result = run(copied("nspn", tmp_path), "age", real_data / "nspn_discovery")
    assert result.scores.performance.r2 == pytest.approx(0.23, abs=0.08)
    assert result.scores.p_family == 0.01, "the floor of 99 permutations"
    assert result.claim.verdict == "exploratory"
    assert result.claim.kind == "association"
    apart = result.scores.modality_values
    assert apart is not None
    assert [value.modality for value in apart.values] == ["area", "mt_frac030", "mt_wm", "thickness"]
    assert sum(value.shapley for value in apart.values) == pytest.approx(result.scores.performance.r2, abs=1e-9)
    assert max(apart.values, key=lambda value: value.shapley).modality == "mt_frac030", "myelination grows with age"


def test_sex_is_found_in_the_brain_structure_of_the_aomic_students(real_data, tmp_path, copied):
    result = run(copied("aomic_piop2", tmp_path), "sex", real_data / "aomic_piop2")
    assert result.scores.performance.r2 == pytest.approx(0.45, abs=0.1)
    assert result.scores.performance.auc > 0.85
    assert result.scores.p_family == 0.01
    assert result.claim.verdict == "exploratory"
    assert "the plan was not frozen before the result was viewed" in result.claim.reasons


def test_sex_is_supported_by_internal_validation_once_its_plan_is_frozen(real_data, tmp_path, copied):
    """With the repeats and permutations of the example, on the subcortical volumes alone, its quickest table."""
    import workbench

    data = real_data / "aomic_piop2"
    study = copied("aomic_piop2", tmp_path)
    path = study / "experiments" / "sex.toml"
    path.write_text(re.sub(r"structure = \[.*\]", 'structure = ["subcortical_volume"]', path.read_text()))
    workbench.freeze(["sex"], study=study, data=data)
    with results_alone():
        (first,) = workbench.run(["sex"], study=study, data=data, only=["ridge"], jobs=1)
    assert first.result.scores.test.n_permutations == 1000
    assert first.result.claim.verdict == "supported by internal validation", first.result.claim.reasons
    assert first.result.claim.reasons == ("participants of another cohort were not predicted",)


@pytest.mark.parametrize("trait", ["e", "o", "a", "c"])
def test_personality_is_not_shown_in_the_brain_structure_of_the_aomic_students(real_data, tmp_path, copied, trait):
    result = run(copied("aomic_piop2", tmp_path), f"neo_{trait}", real_data / "aomic_piop2")
    assert result.claim.verdict == "prediction not shown"
    assert result.biomarkers.empty


def test_what_brain_structure_says_about_neo_n_is_exploratory_at_most_and_explained_by_sex(real_data, tmp_path, copied):
    raw = run(copied("aomic_piop2", tmp_path / "raw"), "neo_n", real_data / "aomic_piop2")
    assert raw.scores.performance.r2 == pytest.approx(0.018, abs=0.02)
    assert raw.claim.verdict in ("prediction not shown", "exploratory")
    given_sex = run(copied("aomic_piop2", tmp_path / "given_sex"), "neo_n_given_sex", real_data / "aomic_piop2")
    assert given_sex.claim.verdict == "prediction not shown"
    assert given_sex.scores.performance.r2 < raw.scores.performance.r2
    (explained,) = (reason for reason in given_sex.claim.reasons if "explained by" in reason)
    assert re.fullmatch(r"without adjustment R2 is 0\.\d+, explained by the confounds: sex", explained)
