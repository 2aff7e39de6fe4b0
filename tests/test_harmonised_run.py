"""A study that harmonises and projects in its folds: check, run and what the reader is told, from its files on."""

import numpy as np
import pandas as pd
import pytest
from bare_runs import bare, few_refitted, results_alone

import workbench
from workbench.cli.printing import print_check
from workbench.results.sections.background import methods_text

TANGENT = """\
modality = "connectivity"
reader = "matrix"
files = "derivatives/xcp_d/sub-{participant}/ses-{session}/func/*_relmat.tsv"
atlas = "Simulated15"
gsr = false
diagonal = true
transform = "tangent"
overlaps = ["connectivity"]
confounds = ["mean_fd"]
"""
EXPERIMENT = """\
question = "Does connectivity before treatment go with the fall in MADRS?"
sessions = ["ses-b0"]
confounds = ["age"]
exclude = { participant_id = ["sub-028", "sub-058"] }
[outcome]
score = "MADRS"
kind = "change"
from = "ses-b0"
at = "ses-d2"
[feature_sets]
both = ["tangent", "task"]
[harmonise]
method = "combat"
preserve = ["age", "sex"]
unseen = "none"
[validation]
repeats = 1
permutations = 19
[[models]]
kind = "ridge"
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("harmonised")
    workbench.simulate_study(folder, patients=90, design="single-arm", r2=0.6, seed=1, achievable=False)
    (folder / "features" / "tangent.toml").write_text(TANGENT)
    for name in (folder / "experiments").glob("*.toml"):
        name.unlink()
    return folder


def written(study, text, name="asked"):
    (study / "experiments" / f"{name}.toml").write_text(text)
    return name


@pytest.fixture(scope="module")
def run(study):
    with bare(), results_alone(), few_refitted():
        return workbench.run(written(study, EXPERIMENT), study=study, jobs=1)[0].result


def test_what_is_learnt_in_the_fold_is_said_beside_the_result(run):
    notes = " | ".join(run.scores.notes)
    assert "ComBat over 3 levels of site, preserving age, sex in tangent, task, learnt in every training set" in notes
    assert "tangent: covariances become tangent vectors at the geometric mean of every training set" in notes


def test_the_methods_of_the_report_cite_what_was_learnt(run):
    text, keys = methods_text(run)
    assert {"Varoquaux 2010", "Johnson 2007", "Fortin 2018"} <= set(keys)
    assert "Before that, in every training set: tangent: covariances become tangent vectors" in text


def test_the_leakage_check_and_the_questions_beside_the_run_are_answered(run):
    assert run.scores.blind_fits >= 1
    assert np.isfinite(run.scores.performance.r2)
    assert np.isfinite(run.scores.across_sites)


def test_tangent_features_keep_the_names_of_their_edges_and_their_circuits(study, run):
    names = list(workbench.aligned_data("asked", study=study).X.columns)
    edges = [name for name in names if name.startswith("tangent:")]
    assert len(edges) == 15 * 16 // 2
    assert all("--" in name for name in edges)
    assert set(run.circuits["circuit"]) > {"unassigned"}


def test_check_says_what_is_learnt_in_the_fold(study):
    report = workbench.check("asked", study=study)
    assert not report.problems
    assert any("ComBat over 3 levels of site" in note for note in report.plans[0].runs[0].dataset.in_fold)


def problems_of(study, text):
    name = written(study, text, "refused")
    try:
        report = workbench.check(name, study=study)
    finally:
        (study / "experiments" / "refused.toml").unlink()
    return [f"{problem.place}: {problem.found}; {problem.hint}" for problem in report.problems]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('preserve = ["age", "sex"]', 'preserve = ["MADRS@ses-b0"]', "which the outcome is made from"),
        ('preserve = ["age", "sex"]', 'preserve = ["site"]', "which is the batch"),
        ('preserve = ["age", "sex"]', 'preserve = ["agee"]', "agee: is not a column of this study"),
        ('unseen = "none"', 'unseen = "reference"', "reference: is missing"),
        ('unseen = "none"', 'unseen = "reference"\nreference = "site-9"', "nobody analysed has site 'site-9'"),
        ('unseen = "none"', 'unseen = "none"\nreference = "site-1"', 'has no meaning for unseen = "none"'),
        ('unseen = "none"', 'unseen = "none"\nbatch = "scanner"', "harmonise: batch: scanner: is not a column"),
        ('unseen = "none"', 'unseen = "none"\nsources = ["nowhere"]', "'nowhere' is not a source"),
        ('unseen = "none"\n[validation]', '[validation]\nleave_out = "site"', 'is "refuse", and leave_out = "site"'),
        (
            'exclude = { participant_id = ["sub-028", "sub-058"] }',
            "",
            "2 matrices are not positive definite, or nearly",
        ),
    ],
)
def test_what_cannot_be_harmonised_or_projected_is_refused_by_check(study, old, new, message):
    assert old in EXPERIMENT
    problems = problems_of(study, EXPERIMENT.replace(old, new))
    assert any(message in problem for problem in problems), problems


def test_a_site_of_two_that_folds_may_lack_is_refused_by_check_as_it_is_by_run(study):
    people = pd.read_csv(study / "sources" / "participants.tsv", sep="\t", dtype=str)
    path, was = study / "sources" / "participants.tsv", people.copy()
    people.loc[people.index[:2], "site"] = "site-4"
    people.to_csv(path, sep="\t", index=False)
    try:
        problems = problems_of(study, EXPERIMENT.replace('unseen = "none"', 'unseen = "refuse"'))
        assert not problems_of(study, EXPERIMENT)
    finally:
        was.to_csv(path, sep="\t", index=False)
    assert any("holds out participants of site 'site-4' and trains on" in problem for problem in problems), problems


def test_a_harmonisation_before_the_file_beside_one_in_the_fold_is_warned_of(study):
    path = study / "features" / "task.toml"
    text = path.read_text()
    path.write_text(
        text.replace("[upstream]", '[upstream]\nharmonised = "combat"').replace('\nharmonised = "none"', "")
    )
    try:
        plan = workbench.check(written(study, EXPERIMENT), study=study).plans[0]
    finally:
        path.write_text(text)
    warnings = [str(warning) for warning in plan.runs[0].warnings]
    assert any("[harmonise] does it again in every training set" in warning for warning in warnings), warnings


def test_check_prints_what_is_learnt_in_the_folds_and_plan_what_it_learns_once(study, capsys):
    print_check(workbench.check(written(study, EXPERIMENT), study=study), verbose=False)
    printed = " ".join(capsys.readouterr().out.split())
    assert "In the folds tangent: covariances become tangent vectors" in printed
    assert "ComBat over 3 levels of site, preserving age, sex in tangent, task" in printed
    (planned,) = workbench.plan("asked", study=study, simulations=20, permutations=19, r2=0.25, people=40)
    assert "what is learnt from features in the folds was learnt once, of them all" in planned.plan.people
