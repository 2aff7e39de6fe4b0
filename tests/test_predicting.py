"""A frozen model meets participants whom it never saw: matched by name, counted once, judged, or refused by name."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import numpy as np
import pandas as pd
import pytest

import workbench
from workbench.cli import run_command
from workbench.errors import SpecError, TableError, WorkbenchError
from workbench.pipeline.external_scoring import _other_time
from workbench.pipeline.predicting import _refuse_other_outcome
from workbench.records import Cohort, Policies, VariableCoding
from workbench.tables.external_rows import Trained, _Joining
from workbench.tables.matched_features import match_features

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))
import _calibration_routes as routes  # noqa: E402

sys.path.remove(str(BENCHMARKS))

pytestmark = pytest.mark.usefixtures("without_pictures", "unchecked_runs", "few_permutations")

EXTERNAL = "supported by external validation"
INTERNAL = "supported by internal validation"


@pytest.fixture(scope="module")
def few_permutations():
    """The gate asks for 1,000 permutations; here 19 stand for them, as 99 do for the routes of the benchmark.

    One repeat without each participant stands for five. Which features halves of the participants select is no part of
    the claim, and takes a second.
    """
    with (
        mock.patch("workbench.pipeline.single_run.INFLUENCE_REPEATS", 1),
        mock.patch("workbench.results.requirements_of_evidence.INFLUENCE_REPEATS", 1),
        mock.patch("workbench.results.requirements_of_evidence.CLAIM_PERMUTATIONS", 19),
        mock.patch("workbench.evaluation.stability.stability_selection", return_value=None),
    ):
        yield


@pytest.fixture(scope="module")
def trained(tmp_path_factory, few_permutations, without_pictures, unchecked_runs) -> Path:
    """A study with a supported run of its frozen plan."""
    study = routes.StudyOnDisk(tmp_path_factory.mktemp("external") / "here", routes.Trial(n=60, r2=0.8))
    study.make(np.random.default_rng(0))
    with_sites(study, ["A"] * 30 + ["B"] * 30)
    study.change("experiments/question.toml", ("permutations = 99", "permutations = 19"))
    study.freeze()
    finished = study.run()
    assert finished.result.claim.verdict == INTERNAL, finished.result.claim.reasons
    return study.root


@pytest.fixture
def here(trained, tmp_path) -> Path:
    """A copy of it, with its run, that a test may change."""
    return shutil.copytree(trained, tmp_path / "here")


@pytest.fixture
def there(tmp_path) -> routes.StudyOnDisk:
    """A second cohort with a site that the first does not have."""
    study = routes.StudyOnDisk(tmp_path / "there", routes.Trial(n=54, r2=0.8))
    study.make(np.random.default_rng(1))
    with_sites(study, ["B"] * 30 + ["C"] * 24)
    return study


def with_sites(study: routes.StudyOnDisk, sites: list[str]) -> None:
    study.edit("participants.tsv", lambda table: table.assign(site=sites))
    study.change("features/cohort.toml", ('design = "single-arm"', 'design = "single-arm"\nsite = "site"'))


def ledger(study: Path) -> list[dict]:
    path = study / "experiments" / "viewed.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_a_second_cohort_is_predicted_once_counted_in_both_ledgers_and_moves_the_claim(here, there):
    done = workbench.predict("latest", study=there.root, trained_in=here)
    validation = done.validation
    assert validation.n_participants == 54
    assert validation.r2.low > 0
    assert (done.before.verdict, done.claim.verdict, done.claim.reasons) == (INTERNAL, EXTERNAL, ())
    assert [(site.site, site.n, site.known) for site in validation.sites] == [("B", 30, True), ("C", 24, False)]
    table = done.predictions
    r2 = 1 - ((table.observed - table.predicted) ** 2).sum() / ((table.observed - table.observed.mean()) ** 2).sum()
    assert validation.r2.value == pytest.approx(r2, abs=1e-12)
    slope, intercept = np.polyfit(table.predicted, table.observed, 1)
    assert (validation.slope.value, validation.intercept.value) == pytest.approx((slope, intercept))
    assert [line["cohort"] for line in ledger(here)] == ["", "there"]
    (line,) = ledger(there.root)
    assert (line["cohort"], line["model_run"], line["run_id"]) == ("", ledger(here)[0]["run_id"], done.run_id)

    again = workbench.predict("latest", study=there.root, trained_in=here)
    assert again.again
    assert again.validation == validation
    assert len(ledger(here)) == 2
    assert len(ledger(there.root)) == 1, "the same prediction is the same result"

    shown = workbench.show_run(study=here)
    assert shown.result.claim.verdict == EXTERNAL
    assert "Other cohorts     there (n = 54): R2" in shown.abstract()
    assert len(workbench.list_runs(study=here)) == 1, "a prediction is part of its run"
    report = (shown.artifacts / "report.html").read_text()
    assert "Another cohort: there" in report
    files = workbench.export_run(to=here / "out", study=here)
    names = {path.relative_to(here / "out").as_posix() for path in files}
    assert {f"external/there/external{end}" for end in (".json", "_predictions.tsv", ".html")} <= names

    other = workbench.predict("latest", study=there.root, trained_in=here, missing_features="training-mean")
    assert other.validation.earlier == 1, "another policy is another result"
    assert other.claim.verdict == EXTERNAL, "which decides nothing, whatever it shows"


def test_a_prediction_counts_for_the_outcome_of_those_who_were_predicted_and_for_no_other(here, there):
    workbench.predict("latest", study=there.root, trained_in=here)
    (own,) = workbench.check(["question"], study=there.root).claims["question"]
    assert own.plan.viewing.number == 2, "a run of their own would be the second result for their outcome"
    path = here / "experiments" / "question.toml"
    path.write_text(path.read_text().replace("seed = 0", "seed = 1"))
    (other,) = workbench.check(["question"], study=here).claims["question"]
    assert other.plan.viewing.number == 2, "its own first run counts, and not what was predicted elsewhere"


def renamed(table: pd.DataFrame) -> pd.DataFrame:
    return table.rename(columns={table.columns[-1]: "renamed"})


def test_a_renamed_feature_is_refused_by_name_or_held_at_its_training_mean(here, there):
    there.edit("network.tsv", renamed)
    with pytest.raises(
        WorkbenchError, match=r"there: network lacks 1 of 8 features of the model: edge_07.*training-mean"
    ):
        workbench.predict(study=there.root, trained_in=here)
    assert ledger(there.root) == []
    done = workbench.predict(study=there.root, trained_in=here, missing_features="training-mean")
    (sentence,) = done.validation.handled
    assert sentence == "network lacks 1 of 8 features of the model: edge_07: held at the training mean"
    X = pd.read_csv(there.sources / "network.tsv", sep="\t").drop(columns="renamed").assign(edge_07=np.nan)
    model = workbench.load_model(workbench.show_run(study=here).artifacts / "model")
    age = pd.read_csv(there.sources / "participants.tsv", sep="\t")["age"]
    names = [name.partition(":")[2] for name in model.features]
    expected = model.predict(X.sort_values("participant_id")[names].to_numpy(dtype=float), {"age": age})
    assert done.predictions["predicted"].to_numpy() == pytest.approx(expected)


def test_a_feature_measured_otherwise_is_refused_or_handled_as_the_policy_of_the_experiment_says(here, there):
    there.change("features/network.toml", ('reader = "table"', 'reader = "table"\natlas = "other"'))
    with pytest.raises(WorkbenchError, match="network: 8 features: atlas is 'other', in training 'not declared'"):
        workbench.predict(study=there.root, trained_in=here)
    path = here / "experiments" / "question.toml"
    cohort = f'[external.oslo]\nstudy = "{there.root}"\nother_measures = "accept"\n'
    path.write_text(path.read_text() + cohort)
    done = workbench.predict(trained_in=here)
    assert done.cohort == "oslo"
    assert done.validation.handled[0].endswith("in training 'not declared': used as it is")
    assert done.claim.verdict == EXTERNAL, "a cohort that is declared later changes no frozen plan"


def test_one_participant_is_predicted_and_explained_without_an_outcome_and_nothing_is_counted(here, there, capsys):
    there.edit("ratings.tsv", lambda table: table[table["session_id"] == "ses-b0"])
    command = ["predict", "latest", "--study", str(there.root), "--trained-in", str(here), "--participant", "7", "-q"]
    assert run_command(command) == 2
    assert "--participant 7: is not in that study" in capsys.readouterr().err
    command[-2] = "sub-007"
    assert run_command(command) == 0
    text = capsys.readouterr().out
    assert "sub-007: predicted" in text
    assert "90 % interval" in text
    assert "unassigned" in text, "every circuit with what it added"
    everybody = workbench.predict(study=there.root, trained_in=here)
    assert everybody.validation is None
    assert len(everybody.predictions) == 54
    own = everybody.circuits
    assert own[["base", "unassigned"]].sum(axis=1).to_numpy() == pytest.approx(everybody.predictions["predicted"])
    assert len(ledger(here)) == 1
    assert ledger(there.root) == []


def test_participants_whom_the_model_was_trained_on_are_refused_whatever_their_ids(here, tmp_path):
    copy = shutil.copytree(here, tmp_path / "copy", ignore=shutil.ignore_patterns("mlruns", "tables", "*.jsonl"))
    for path in (copy / "sources").glob("*.tsv"):
        path.write_text(path.read_text().replace("sub-0", "sub-9"))
    assert (copy / "experiments" / "question.toml").is_file()
    with pytest.raises(WorkbenchError, match="60 participants are among those whom the model was trained on"):
        workbench.predict(study=copy, trained_in=here)
    with pytest.raises(WorkbenchError, match="is the study that the model was trained in"):
        workbench.predict(study=here, trained_in=here)


def test_another_outcome_is_another_question(here, there):
    there.ask((there.root / "experiments" / "question.toml").read_text().replace('"change"', '"percent-change"'))
    with pytest.raises(WorkbenchError, match="kind of the outcome is 'percent-change', in training 'change'"):
        workbench.predict(study=there.root, trained_in=here, experiment="question")


def test_a_cohort_that_is_not_named_or_not_known_is_refused(here):
    with pytest.raises(WorkbenchError, match="the experiment declares none; name one: --study NAME or a folder"):
        workbench.predict(trained_in=here)
    with pytest.raises(WorkbenchError, match="is neither a folder nor a cohort of the experiment"):
        workbench.predict(study="oslo", trained_in=here)
    with pytest.raises(WorkbenchError, match="nobody is held out by the experiment of the run"):
        workbench.predict(hold_out=True, trained_in=here)
    with pytest.raises(WorkbenchError, match="unseen_levels: is 'ignore'; one of refuse, reference, exclude"):
        workbench.predict(study=here.parent, trained_in=here, unseen_levels="ignore")


# ------------------------------------------------------------------------------- features, variables and participants


def described(*features: str, **what: str) -> pd.DataFrame:
    rows = [{"name": f"pet:{name}", "source": "pet", "feature": name, "modality": "pet", **what} for name in features]
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("column", "label"),
    [
        ("reference_region", "reference region"),
        ("unit", "unit"),
        ("tracer", "tracer"),
        ("phase", "time of measurement"),
    ],
)
def test_another_reference_region_unit_tracer_or_time_is_another_measurement(column, label):
    trained = described("VS", "ACC", **{column: "cerebellum"})
    there = {"pet": described("ACC", "VS", **{column: "pons"})}
    _, (problem,), _ = match_features(trained, there, Policies(), "oslo")
    assert f"pet: 2 features: {label} is 'pons', in training 'cerebellum'" in str(problem)
    (held,), problems, (sentence,) = match_features(trained, there, Policies(other_measures="training-mean"), "oslo")
    assert (problems, held.there.tolist()) == ([], [-1, -1])
    assert sentence.endswith("held at the training mean")
    (used,), problems, (sentence,) = match_features(trained, there, Policies(other_measures="accept"), "oslo")
    assert (problems, used.there.tolist()) == ([], [1, 0]), "by name, whatever the order"
    assert sentence.endswith("used as it is")


def test_a_circuit_is_a_label_and_no_measurement():
    _, problems, handled = match_features(
        described("VS", circuit="reward"), {"pet": described("VS", circuit="limbic")}, Policies(), "oslo"
    )
    assert (problems, handled) == ([], ())


def test_a_missing_modality_is_refused_by_name_or_held_at_its_training_means():
    _, (problem,), _ = match_features(described("VS"), {}, Policies(), "oslo")
    assert "has no source 'pet': the 1 pet features of the model are missing" in str(problem)
    assert 'missing_features = "training-mean"' in str(problem)
    (matched,), problems, (sentence,) = match_features(
        described("VS"), {}, Policies(missing_features="training-mean"), "oslo"
    )
    assert (problems, matched.there.tolist()) == ([], [-1])
    assert sentence.endswith("held at their training means")


@pytest.fixture
def joining():
    participants = pd.DataFrame({"site": ["A", "B", "B", None]}, index=["sub-1", "sub-2", "sub-3", "sub-4"])
    cohort = Cohort("single-arm", participants, {}, pd.DataFrame(), {}, pd.DataFrame(), {})
    return _Joining(cohort, list(participants.index), [], [])


def test_one_participant_who_lacks_a_modality_is_told_so_and_what_to_do():
    joining = _Joining(None, ["sub-014"], [], [])
    with pytest.raises(TableError, match=r"sub-014: cannot be predicted: no pet; .* late-fusion"):
        joining.exclude("with pet", {"sub-014": "no pet"})


SITED = Trained(pd.DataFrame(), (VariableCoding("site", ("site[C]",), ("A", "C")),))
SPEC = mock.Mock()
SPEC.outcome.score = None


def test_a_level_that_nobody_had_in_training_is_refused_unless_a_policy_says_what_becomes_of_it(joining):
    with pytest.raises(
        WorkbenchError, match="site: 2 participants have 'B', which nobody had in training; in training: A"
    ):
        joining.covariates(SITED, SPEC, None, Policies(), "oslo")


def test_an_unseen_level_is_taken_for_the_reference_where_the_policy_says_so(joining):
    values = joining.covariates(SITED, SPEC, None, Policies(unseen_levels="reference"), "oslo")
    assert values == {"site": ["A", "A", "A"]}
    assert joining.handled[0].endswith("taken for 'A', the reference level")
    assert joining.flow[-1].reason == "no site (1)"


def test_participants_with_an_unseen_level_are_excluded_where_the_policy_says_so(joining):
    assert joining.covariates(SITED, SPEC, None, Policies(unseen_levels="exclude"), "oslo") == {"site": ["A"]}
    assert joining.people == ["sub-1"]


def test_a_variable_that_is_text_there_and_a_number_in_training_is_refused(joining):
    trained = Trained(pd.DataFrame(), (VariableCoding("site", ("site",)),))
    with pytest.raises(WorkbenchError, match=r"site is text \('A', 'B'\), in training numbers"):
        joining.covariates(trained, SPEC, None, Policies(), "oslo")


# ------------------------------------------------------------------------------------------------ locked from the start


@pytest.fixture(scope="module")
def locking(tmp_path_factory) -> routes.StudyOnDisk:
    """A study that locks one of its sites."""
    study = routes.StudyOnDisk(tmp_path_factory.mktemp("locking") / "study", routes.Trial(n=60, r2=0.8))
    study.make(np.random.default_rng(3))
    with_sites(study, ["A"] * 45 + ["B"] * 15)
    study.change(
        "experiments/question.toml",
        ("permutations = 99", "permutations = 19"),
        ("repeats = 10", 'repeats = 1\nhold_out = { site = ["B"] }'),
    )
    return study


def planned(study: routes.StudyOnDisk):
    (plan,) = workbench.check(["question"], study=study.root).plans
    return plan


def test_those_who_are_locked_enter_nothing(locking, tmp_path):
    study = routes.StudyOnDisk(shutil.copytree(locking.root, tmp_path / "study"), locking.trial)
    plan = planned(study)
    dataset = plan.runs[0].dataset
    assert dataset.n_participants == 45
    assert [(step.step, step.n) for step in dataset.flow[:3]] == [
        ("in the study", 60),
        ("not held out", 45),
        ("eligible", 45),
    ]
    assert plan.held_out == "15 participants (site is B)"
    locked = {f"sub-{number:03d}" for number in range(46, 61)}
    study.edit("ratings.tsv", lambda table: table[~table["participant_id"].isin(locked)])
    study.edit("network.tsv", lambda table: table[~table["participant_id"].isin(locked)])
    (other,) = planned(study).runs
    assert other.dataset.data_hash == dataset.data_hash, "nothing of theirs is in what is analysed"
    assert set(other.dataset.background.values.index).isdisjoint(locked)


def test_who_is_locked_can_stand_in_a_table_and_is_said_by_check_and_freeze(locking, tmp_path, capsys):
    study = routes.StudyOnDisk(shutil.copytree(locking.root, tmp_path / "study"), locking.trial)
    (study.sources / "locked.tsv").write_text("participant_id\nsub-001\nsub-002\n")
    study.change("experiments/question.toml", ('hold_out = { site = ["B"] }', 'hold_out = "locked.tsv"'))
    assert planned(study).held_out == "2 participants (listed in locked.tsv)"
    assert run_command(["check", "question", "--study", str(study.root), "-q"]) == 0
    text = capsys.readouterr().out
    assert "2 participants (listed in locked.tsv) locked for one final prediction" in " ".join(text.split())
    assert run_command(["freeze", "question", "--study", str(study.root), "--anyway", "-q"]) == 0
    assert "workbench predict RUN --hold-out" in " ".join(capsys.readouterr().out.split())
    study.change("experiments/question.toml", ('hold_out = "locked.tsv"', 'hold_out = { site = ["C"] }'))
    (problem,) = workbench.check(["question"], study=study.root).problems
    assert "validation: hold_out: site: nobody has 'C'" in str(problem)


def test_those_who_are_locked_are_opened_once(locking, tmp_path):
    """Without permutations a run leaves no model: it is fitted anew to the same data, and the result says so."""
    study = routes.StudyOnDisk(shutil.copytree(locking.root, tmp_path / "study"), locking.trial)
    study.change("experiments/question.toml", ("permutations = 19", "permutations = 0"))
    first = study.run()
    done = workbench.predict(hold_out=True, trained_in=study.root)
    assert done.validation.held_out
    assert done.validation.refitted
    assert (done.validation.n_participants, done.validation.earlier) == (15, 0)
    assert done.why_unexplained == "the run shows no prediction (not tested)"
    assert len(ledger(study.root)) == 2, "one line: both studies are one"
    assert workbench.predict(hold_out=True, trained_in=study.root).again
    assert len(ledger(study.root)) == 2
    study.change("experiments/question.toml", ('kind = "ridge"', 'kind = "ridge"\nalphas = [1000.0]'))
    second = study.run()
    assert second.result.scores.viewing.number == 2, "those who were held out are others"
    with pytest.raises(WorkbenchError, match=r"held-out participants: were opened before \(1 result viewed"):
        workbench.predict(second.run_id, hold_out=True, trained_in=study.root)
    again = workbench.predict(second.run_id, hold_out=True, trained_in=study.root, again=True)
    assert again.validation.earlier == 1
    assert workbench.show_run(first.run_id, study=study.root).result.scores.external == (done.validation,)


@pytest.mark.parametrize(
    ("outcome", "message"),
    [
        ({"kind": "change", "from": "b0", "at": "d2", "apart_from": "MADRS"}, "known only after treatment"),
        ({"kind": "treatment-effect", "from": "b0", "at": "d2"}, "observed in no participant"),
    ],
)
def test_a_model_of_what_nobody_has_before_treatment_predicts_no_other_cohort(outcome, message):
    from workbench.errors import SpecError
    from workbench.pipeline.frozen_model import refuse_what_predicts_nobody
    from workbench.specs.experiment import ExperimentSpec

    asked = {"question": "?", "outcome": {"score": "SHAPS", **outcome}, "models": ({"kind": "ridge"},)}
    with pytest.raises(SpecError, match=message):
        refuse_what_predicts_nobody(ExperimentSpec.model_validate(asked), "run 3f2a91")


def asked(score="MADRS", arms=(), hours=48.0):
    """What two studies ask, as far as one question is told from another."""
    sessions = {"d2": SimpleNamespace(hours=hours)}
    outcome = SimpleNamespace(score=score, column=None, kind="change", type="continuous", unit="points", arms=arms)
    spec = SimpleNamespace(outcome=SimpleNamespace(score=score, column=None, until=None, at="d2"))
    scores = SimpleNamespace(outcome_kind="change", outcome_type="continuous", outcome_unit="points")
    study = SimpleNamespace(cohort=SimpleNamespace(sessions=sessions))
    result = SimpleNamespace(scores=scores, tags={"arms": ", ".join(arms)})
    return SimpleNamespace(spec=spec, study=study, outcome=outcome, result=result, wanted=SimpleNamespace(name="oslo"))


@pytest.mark.parametrize(
    ("there", "message"),
    [
        ({"score": "SHAPS"}, "score of the outcome is 'SHAPS', in training 'MADRS'"),
        ({"arms": ("placebo",)}, "arms of the outcome is 'placebo', in training 'ketamine'"),
    ],
)
def test_another_score_or_another_treatment_is_another_question(there, message):
    here, other = asked(arms=("ketamine",)), asked(**{"arms": ("ketamine",), **there})
    with pytest.raises(WorkbenchError, match=message):
        _refuse_other_outcome(here, other, other)
    _refuse_other_outcome(here, here, here)


def test_an_outcome_read_ten_days_later_does_not_decide_what_was_asked_of_day_two():
    assert _other_time(asked(), asked(hours=240.0)) == "read 240 hours after treatment, in training 48"
    assert _other_time(asked(), asked(hours=50.0)) == ""


def test_a_folder_without_the_run_that_predicts_is_named_by_its_argument(tmp_path):
    message = r"is not a study, and the model is taken from one; .* --trained-in DIR"
    with pytest.raises(SpecError, match=message) as error:
        workbench.predict(study=tmp_path, trained_in=tmp_path)
    assert 'trained_in=".."' in error.value.__notes__[0]
