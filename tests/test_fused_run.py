"""Late fusion from the files of a study on: check, plan, run, what is written, and other models beside it."""

import json

import numpy as np
import pandas as pd
import pytest
from bare_runs import bare, claims_alone, few_refitted

import workbench
from workbench.cli.printing import print_check
from workbench.export.reading import read_run
from workbench.export.writing import write_run
from workbench.pipeline.experiment_plan import open_experiment
from workbench.pipeline.power import _planned_as
from workbench.planning.people import Population
from workbench.planning.truths import signals
from workbench.results.sections import report_of
from workbench.results.summary import abstract

EXPERIMENT = """\
question = "Do the modalities that each participant has predict the fall in MADRS?"
sessions = ["ses-b0"]
[outcome]
score = "MADRS"
kind = "change"
from = "ses-b0"
at = "ses-d2"
[feature_sets]
all = ["connectivity", "task", "pet"]
[validation]
repeats = 1
outer = 3
inner = 3
permutations = 19
{}[[models]]
kind = "late-fusion"
"""
RIDGE = '[[models]]\nkind = "ridge"\npermutations = 0\n'


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fused")
    workbench.simulate_study(folder, patients=70, design="single-arm", r2=0.6, seed=3, achievable=False)
    for name in (folder / "experiments").glob("*.toml"):
        name.unlink()
    return folder


def written(study, text, name="fused"):
    (study / "experiments" / f"{name}.toml").write_text(text)
    return name


@pytest.fixture(scope="module")
def run(study):
    with bare(), claims_alone(), few_refitted(), pytest.MonkeyPatch.context() as patch:
        patch.setattr("workbench.evaluation.availability.FEWEST_COMPLETE", 10)
        return workbench.run(written(study, EXPERIMENT.format("")), study=study, jobs=1)[0].result


def test_everyone_with_one_modality_is_analysed_and_other_models_keep_their_participants(study):
    _, both = open_experiment(written(study, EXPERIMENT.format(RIDGE), "both"), study, None)
    _, alone = open_experiment(
        written(study, EXPERIMENT.format("").replace("late-fusion", "ridge"), "plain"), study, None
    )
    ridge, fused = both.runs
    assert [each.learner.kind for each in both.runs] == ["ridge", "late-fusion"], "in the order of the file"
    assert fused.dataset.n_participants > 1.5 * ridge.dataset.n_participants
    (as_before,) = alone.runs
    assert (ridge.dataset.data_hash, ridge.dataset.people_digest) == (
        as_before.dataset.data_hash,
        as_before.dataset.people_digest,
    )
    assert ridge.dataset.block_names == as_before.dataset.block_names == ("site",)


def test_the_run_is_scored_by_what_participants_have(run):
    found = run.scores.availability
    assert sum(each.n for each in found.patterns) == run.scores.n_participants
    assert found.complete is not None
    assert found.complete.n == next(each.n for each in found.patterns if each.modalities == "connectivity + pet + task")
    assert np.isfinite([found.complete.r2, found.complete.alone, found.complete.fused]).all()
    assert any(term.startswith("availability of") for term in run.scores.forced)
    assert "availability patterns" in run.scores.test.scheme


def test_what_a_reader_sees_says_it(run):
    assert "By modalities" in abstract(run, next_command="")
    section = next(each for each in report_of(run).sections if each.name == "availability")
    assert section.tables[0].rows[0][0] == run.scores.availability.patterns[0].modalities
    assert "Refitted on the" in section.paragraphs[0]


def test_it_is_written_and_read_back(run, tmp_path):
    write_run(run, tmp_path)
    table = pd.read_csv(tmp_path / "availability.tsv", sep="\t", na_values=["n/a"])
    assert table["n"].sum() == run.scores.n_participants
    described = json.loads((tmp_path / "data_dictionary.json").read_text())["Files"]["availability.tsv"]
    assert list(described["Columns"]) == ["modalities", "n", "r2", "r2_low", "r2_high"]
    assert read_run(tmp_path).scores.availability == run.scores.availability


def test_held_out_participants_are_explained_by_what_they_have(run):
    assert run.scores.shap_additivity < 1e-9 * run.predictions["observed"].std()
    assert run.scores.blind_fits >= 1


def test_check_says_who_is_analysed_by_which(study, capsys):
    report = workbench.check(written(study, EXPERIMENT.format(RIDGE), "both"), study=study)
    assert not report.problems
    print_check(report, verbose=False)
    text = " ".join(capsys.readouterr().out.split())
    assert "whoever has a part of it" in text
    assert "late-fusion on connectivity + task + pet" in text


def test_plan_asks_about_each_with_its_own_participants_and_new_ones_lack_what_these_lack(study):
    _, plan = open_experiment(written(study, EXPERIMENT.format(RIDGE), "both"), study, None)
    assert [_planned_as(run) for run in plan.runs] == ["all", "all_late-fusion"]
    dataset = plan.runs[1].dataset
    drawn = Population.of(dataset).draw(600, np.random.default_rng(0))
    share = dataset.feature_blocks.present.mean(axis=0)
    np.testing.assert_allclose(drawn.feature_blocks.present.mean(axis=0), share, atol=0.08)
    spread = np.nanstd(drawn.measured, axis=0) / np.nanstd(dataset.measured, axis=0)
    assert 0.85 < np.median(spread) < 1.15, "who has a modality varies as those did who had it"
    made = signals(dataset, [1, 2])
    np.testing.assert_allclose(made.var(axis=0), 1.0, atol=0.05)


@pytest.mark.parametrize(
    ("before", "model", "message"),
    [
        ("", 'modalities = ["pett"]\n', "modalities: 'pett' is not a modality of feature set all; did you mean 'pet'"),
        ('[harmonise]\nmethod = "combat"\n', "", "cannot go through a tangent space or ComBat; leave `harmonise`"),
    ],
)
def test_what_late_fusion_cannot_do_is_refused_by_name(study, before, model, message):
    name = written(study, EXPERIMENT.format(before) + model, "refused")
    try:
        report = workbench.check(name, study=study)
    finally:
        (study / "experiments" / "refused.toml").unlink()
    assert message in " ".join(f"{problem.found}; {problem.hint}" for problem in report.problems)


@pytest.fixture(scope="module")
def other_cohort(tmp_path_factory):
    folder = tmp_path_factory.mktemp("other") / "there"
    workbench.simulate_study(folder, patients=40, design="single-arm", r2=0.6, seed=4, achievable=False)
    return folder


def test_another_cohort_is_predicted_from_whatever_modalities_its_participants_have(study, run, other_cohort):
    done = workbench.predict("fused", study=other_cohort, trained_in=study)
    pet = pd.read_csv(other_cohort / "sources" / "participants.tsv", sep="\t")
    with_pet = [path.name for path in (other_cohort / "sources" / "derivatives").rglob("*kinpar.tsv")]
    assert len(pet) * 0.8 < done.validation.n_participants <= len(pet)
    assert 0 < len(with_pet) < 0.7 * done.validation.n_participants, "most have no PET"
    assert np.isfinite(done.predictions[["predicted", "reference"]].to_numpy()).all()
