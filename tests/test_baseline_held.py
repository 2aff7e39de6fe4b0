"""Outcomes that contain the baseline score are analysed once more with it held fixed, from folds to leave-one-out."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import workbench
from workbench.evaluation.baseline_held import holding_baseline
from workbench.results.details import details
from workbench.results.summary import abstract

COHORT = """\
data = "sources"
participants = "participants.tsv"
id = "participant_id"
design = "single-arm"
[ids]
strip = ["sub-"]
[arms]
active = "ketamine"
[sessions.ses-b0]
phase = "before"
[sessions.ses-d2]
phase = "after"
hours = 48.0
[scores.MADRS]
file = "madrs.tsv"
session = "session_id"
column = "MADRS_Total"
"""
SOURCE = """\
modality = "task"
reader = "table"
file = "task.tsv"
session = "session_id"
[upstream]
fitted_on = "each participant"
used_outcome = false
selected_by = "nothing"
harmonised = "none"
"""
EXPERIMENT = """\
question = "Do task betas before treatment predict the fall in MADRS?"
sessions = ["ses-b0"]
confounds = ["age"]
clinical_model = ["MADRS@ses-b0", "sex"]
[outcome]
score = "MADRS"
kind = "change"
from = "ses-b0"
at = "ses-d2"
[feature_sets]
task = ["task"]
[validation]
repeats = 2
outer = 4
inner = 3
permutations = 39
[[models]]
kind = "ridge"
"""


def write_study(folder, n=70):
    """Regression to the mean and nothing else: features are the baseline score and noise."""
    rng = np.random.default_rng(5)
    people = [f"sub-{number:03d}" for number in range(1, n + 1)]
    baseline = np.clip(rng.normal(32, 6, n).round(), 20, 60)
    after = np.clip((30 + 0.2 * (baseline - 32) + rng.normal(0, 4, n)).round(), 0, 60)
    tables = {
        "participants.tsv": pd.DataFrame(
            {"participant_id": people, "age": rng.uniform(20, 60, n).round(), "sex": rng.choice(["F", "M"], n)}
        ),
        "madrs.tsv": pd.DataFrame(
            {
                "participant_id": people * 2,
                "session_id": ["ses-b0"] * n + ["ses-d2"] * n,
                "MADRS_Total": np.r_[baseline, after].astype(int),
            }
        ),
        "task.tsv": pd.DataFrame(
            {"participant_id": people, "session_id": "ses-b0"}
            | {f"roi_{k}": ((baseline - 32) / 6 + rng.normal(0, 1.2, n)).round(3) for k in range(6)}
        ),
    }
    for part in ("sources", "features", "experiments"):
        (folder / part).mkdir()
    for name, table in tables.items():
        table.to_csv(folder / "sources" / name, sep="\t", index=False)
    (folder / "features" / "cohort.toml").write_text(COHORT)
    (folder / "features" / "task.toml").write_text(SOURCE)
    adjusted = EXPERIMENT.replace('at = "ses-d2"', 'at = "ses-d2"\nadjust = ["MADRS@ses-b0"]')
    (folder / "experiments" / "change.toml").write_text(EXPERIMENT)
    (folder / "experiments" / "adjusted.toml").write_text(adjusted)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("baseline")
    write_study(folder)
    return folder


@pytest.fixture(scope="module")
def finished(study):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("workbench.figures.PICTURES", {})
        runs = workbench.run(["change", "adjusted"], study=study, jobs=1)
    return {run.result.scores.experiment: run for run in runs}


def test_regression_to_the_mean_predicts_the_change_and_nothing_once_the_baseline_is_held_fixed(finished):
    scores = finished["change"].result.scores
    assert scores.performance.r2 > 0.1
    assert scores.test.p <= 0.05
    held = scores.baseline_held
    assert held.performance.r2 <= 0
    assert held.judged_p > 0.05
    assert held.influence.n_not_positive > 0


def test_the_numbers_are_those_of_an_experiment_that_holds_the_baseline_fixed(finished):
    held, own = finished["change"].result.scores.baseline_held, finished["adjusted"].result.scores
    assert own.baseline_held is None, "it is held fixed there already"
    assert held.forced == own.forced == ("MADRS@ses-b0",)
    assert held.clinical_model == own.clinical_model == ("sex",), "it leaves the clinical model's own variables"
    assert held.performance == replace(own.performance, bootstrap=held.performance.bootstrap)
    assert held.test == own.test
    assert held.increment == own.increment
    assert (held.p_family, held.family_size) == (own.p_family, own.family_size)
    assert held.influence.by_participant == own.influence.by_participant
    assert held.influence.repeats == own.influence.repeats == 2


def test_the_null_of_the_companion_is_kept_beside_that_of_the_run(finished):
    result = finished["change"].result
    null = result.null["r2_baseline_held"]
    assert len(null) == 39
    assert result.scores.baseline_held.test.p == (1 + (null >= result.scores.baseline_held.performance.r2).sum()) / 40


def test_a_kept_run_reads_its_companion_back(finished, study):
    from workbench.export import read_run

    run = finished["change"]
    read = read_run(run.artifacts)
    assert read.scores.baseline_held == run.result.scores.baseline_held
    assert read.scores.influence == run.result.scores.influence
    assert "r2_baseline_held" in read.null
    assert "sub-" not in (run.artifacts / "scores.json").read_text()


def test_the_abstract_says_it_in_one_sentence(finished):
    result = finished["change"].result
    held = result.scores.baseline_held
    p = f"{held.judged_p:.2g}".removeprefix("0")
    page = abstract(result, next_command="")
    assert f"MADRS@ses-b0 held fixed: R2 {held.performance.r2:.2f}, p = {p}" in page
    text = " ".join(details(result).split())
    assert f"Baseline MADRS@ses-b0 held fixed: R2 {held.performance.r2:.2f}" in text
    assert f", p = {p}; increment R2 " in text
    assert "Baseline" not in details(finished["adjusted"].result)


def test_the_companion_is_resumed_unit_by_unit(study, monkeypatch):
    """Its units have keys of their own, and lie beside those of the run."""
    from workbench.models import nested_cv

    monkeypatch.setattr("workbench.figures.PICTURES", {})
    monkeypatch.setattr(nested_cv, "fit_unit", None)
    (run,) = workbench.run(["change"], study=study, jobs=1, resume=True)
    assert run.result.scores.baseline_held is not None


@pytest.mark.parametrize("kind", ["change", "percent-change", "response", "remission", "score", "ancova"])
def test_the_baseline_is_held_fixed_for_outcomes_that_contain_it(finished, study, kind):
    from workbench.errors import Problems
    from workbench.pipeline.experiment_plan import plan_experiment
    from workbench.pipeline.study_data import load_study_data, study_with_data

    del finished
    text = EXPERIMENT.replace('kind = "change"', f'kind = "{kind}"')
    if kind in ("remission", "score"):
        text = text.replace('from = "ses-b0"\n', "")
    if kind == "percent-change":
        text = text.replace('"MADRS@ses-b0", ', "")
    (study / "experiments" / f"{kind}_asked.toml").write_text(text)
    opened, problems = study_with_data(study, None), Problems()
    loaded = load_study_data(opened, problems=problems)
    name, spec = opened.experiment(f"{kind}_asked")
    plan = plan_experiment(loaded, name, spec, problems=problems)
    (study / "experiments" / f"{kind}_asked.toml").unlink()
    dataset = plan.runs[0].dataset
    held = holding_baseline(dataset)
    if kind in ("score", "ancova"):
        assert held is None
        return
    assert held.nuisance.variables == ("MADRS@ses-b0", "age")
    assert held.clinical.variables == ("sex",)
    assert held.blocks is dataset.blocks
    same = replace(dataset, confounds=replace(held.forced, names=("severity",), terms=("severity",)))
    assert holding_baseline(same) is None, "under another name it is held fixed as well"
    score = dataset.background.severity
    unrated = dataset.background.values.assign(**{score: dataset.background.values[score].where(lambda v: v != 32)})
    fewer = holding_baseline(replace(dataset, background=replace(dataset.background, values=unrated)))
    assert 0 < fewer.n_participants < dataset.n_participants, "those who were not rated then are left out"
    assert not np.isnan(fewer.nuisance.values).any()
