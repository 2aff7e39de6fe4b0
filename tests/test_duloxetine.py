"""A parallel, placebo-controlled trial from its own published files: arms, an odd outcome, quality as features."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

pytestmark = pytest.mark.usefixtures("bare_runs")

COHORT = """
design = "parallel"

[ids]
strip = ["sub-"]

[arms]
active = "duloxetine"
control = "placebo"
column = "Drug"
allocation = { duloxetine = 0.5, placebo = 0.5 }
"""

QUALITY = """
modality = "quality"
reader = "table"
file = "quality.tsv"
timing = "before"
units = { fd_mean = "mm" }
"""

RELIEF = """
question = "Does the quality of the scan before treatment predict the relief of pain?"
include = { study = ["2"] }

[outcome]
column = "% Analgesia WOMAC"
kind = "score"
better = "higher"
arms = ["duloxetine", "placebo"]

[validation]
repeats = 2
permutations = 99

[[models]]
kind = "ridge"
"""

MEASURES = ("fd_mean", "tsnr", "dvars_std", "fwhm_avg")


@pytest.fixture
def study(real_data, tmp_path) -> Path:
    """A study of REAL ds000208, with the four numbers of each MRIQC file in one table."""
    for name, text in {
        "features/cohort.toml": COHORT,
        "features/quality.toml": QUALITY,
        "experiments/relief.toml": RELIEF,
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    shutil.copy(real_data / "duloxetine" / "participants.tsv", tmp_path)
    lines = ["\t".join(("participant_id", *MEASURES))]
    for path in sorted((real_data / "duloxetine" / "mriqc").glob("*.json")):
        measured = json.loads(path.read_text())
        lines.append("\t".join([path.name.split("_")[0], *(repr(float(measured[name])) for name in MEASURES)]))
    (tmp_path / "quality.tsv").write_text("\n".join(lines) + "\n")
    return tmp_path


def test_REAL_ds000208_has_the_arms_of_its_participants_file(study):
    from workbench.sources.cohort.participants import read_cohort
    from workbench.specs.reading import read_cohort_spec

    cohort = read_cohort(read_cohort_spec(study / "features" / "cohort.toml"), study)
    assert len(cohort.participants) == 76, "the empty last row is nobody"
    assert cohort.participants["arm"].value_counts().to_dict() == {"placebo": 37, "duloxetine": 19}
    assert cohort.participants["% Analgesia WOMAC"].notna().sum() == 56


def test_REAL_ds000208_image_quality_does_not_predict_the_relief_of_pain(study):
    import workbench

    (finished,) = workbench.run(["relief"], study=study, data=study, jobs=1)
    result = finished.result
    assert result.scores.n_participants == 39
    assert result.claim.verdict == "prediction not shown"
    assert result.scores.performance.r2 < 0.1


PLACEBO = (
    RELIEF.replace('arms = ["duloxetine", "placebo"]', 'arms = ["placebo"]')
    .replace('study = ["2"]', 'study = ["2"], arm = ["placebo"]')
    .replace("permutations = 99", "permutations = 0")
)


def test_REAL_ds000208_study_1_is_the_external_cohort_of_the_placebo_arm_of_study_2(study):
    """Two trials of placebo, the same questionnaire: what predicts nothing within one predicts nothing in the other."""
    import workbench

    (study / "experiments" / "placebo.toml").write_text(PLACEBO)
    (study / "experiments" / "study_1.toml").write_text(PLACEBO.replace('study = ["2"]', 'study = ["1"]'))
    (finished,) = workbench.run(["placebo"], study=study, data=study, jobs=1)
    assert finished.result.scores.n_participants == 20
    done = workbench.predict("placebo", study=study, experiment="study_1", trained_in=study)
    assert done.validation.n_participants == 17
    assert done.validation.r2.low < 0
    assert done.validation.case_mix.n_features == 4
    assert done.validation.refitted, "a run that does not predict leaves no model"
    lines = (study / "experiments" / "viewed.jsonl").read_text().splitlines()
    assert len(lines) == 2, "one result each"
    assert workbench.predict("placebo", study=study, experiment="study_1", trained_in=study).again


EFFECT = (
    RELIEF.replace("predict the relief of pain?", "predict who is relieved by duloxetine rather than placebo?")
    .replace('kind = "score"', 'kind = "treatment-effect"')
    .replace('arms = ["duloxetine", "placebo"]\n', "")
)


def test_REAL_ds000208_image_quality_does_not_predict_the_benefit_of_duloxetine(study):
    import workbench

    (study / "experiments" / "benefit.toml").write_text(EFFECT)
    (finished,) = workbench.run(["benefit"], study=study, data=study, jobs=1)
    result = finished.result
    effects = result.scores.sensitivity.effects
    assert (effects.active, effects.n_active, effects.n_control) == ("duloxetine", 19, 20)
    assert result.claim.verdict == "prediction not shown"
    assert result.claim.kind == "predictive"
    assert "did not predict the benefit of duloxetine over placebo in % Analgesia WOMAC" in result.claim.sentence
    assert result.scores.performance.r2 < 0.1
    assert sorted(set(result.benefit["arm"])) == ["duloxetine", "placebo"]
