"""What a notebook meets: `import workbench` shows its functions, takes one name or several, and shows tables."""

import subprocess
import sys
import traceback
from pathlib import Path

import numpy as np
import pytest

import workbench
from workbench import tracking
from workbench.cli import run_command
from workbench.errors import FitError, SpecError
from workbench.evaluation.comparison import PairedDifference
from workbench.results.wording import number
from workbench.study import open_study

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))
import _calibration_routes as routes  # noqa: E402

sys.path.remove(str(BENCHMARKS))


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    """A trial of 30 participants in which the features explain most of the outcome, with one quick experiment."""
    made = routes.StudyOnDisk(tmp_path_factory.mktemp("notebook") / "study", routes.Trial(n=30, r2=0.8))
    made.make(np.random.default_rng(0))
    made.change(
        "experiments/question.toml", ("repeats = 10", "repeats = 2"), ("permutations = 99", "permutations = 19")
    )
    tracking.prepare(open_study(made.root))
    return made.root


@pytest.fixture(scope="module")
def runs(study) -> workbench.FinishedRuns:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("workbench.figures.PICTURES", {})
        return workbench.run("question", study=study, jobs=1)


def test_the_package_lists_its_functions_each_with_a_docstring_and_types():
    names = set(dir(workbench))
    assert {"run", "check", "plan", "freeze", "aligned_data", "list_runs", "show_run"} <= names
    functions = [getattr(workbench, name) for name in names if name.islower() and not name.startswith("_")]
    assert all(function.__doc__ and function.__annotations__["return"] for function in functions)


def test_listing_the_functions_imports_nothing_heavy():
    code = "import sys, workbench; dir(workbench); print(sorted({'numpy', 'pandas', 'mlflow'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_one_name_is_as_good_as_a_list_of_one(study):
    one, several = workbench.check("question", study=study), workbench.check(["question"], study=study)
    assert one.table().equals(several.table())
    assert list(one.table()["experiment"]) == ["question"]


def test_a_call_that_contradicts_itself_is_refused_with_everything_that_is_wrong(study):
    with pytest.raises(SpecError) as caught:
        workbench.run([], study=study, jobs=0, grid={"alpha": [1.0]})
    assert [str(problem).split(";")[0] for problem in caught.value.problems] == [
        "run: names no experiment",
        "jobs: is 0",
        "grid: stands without estimator",
    ]


def test_a_report_of_problems_is_shown_with_what_to_do(study):
    report = workbench.check("no_such_experiment", study=study)
    assert repr(report).startswith("1 problem\n")
    assert "what to do" in report._repr_html_()


def test_runs_are_shown_as_a_table_with_a_row_each(runs):
    table = runs.table()
    assert list(table.columns) == ["experiment", "run", "n", "r2", "r2_low", "r2_high", "mae", "p", "verdict", "run_id"]
    assert table["r2"].iloc[0] == runs[0].result.scores.performance.r2
    assert runs._repr_html_().count("<tr") == 1 + len(runs)
    assert runs[0].result.claim.verdict in repr(runs[0])
    assert "question" in repr(runs)


def test_a_run_gives_its_predictions_and_explanations_and_so_does_the_kept_one(study, runs):
    (listed,) = workbench.list_runs("question", study=study)
    for run in (runs[0], listed):
        assert {"participant_id", "observed", "predicted", "reference"} <= set(run.predictions.columns)
        explained = run.explanations.drop(columns=["participant_id", "session"])
        predicted = run.predictions.groupby("participant_id")["predicted"].mean()
        assert np.allclose(explained.sum(axis=1), predicted.to_numpy(), atol=1e-6)


def test_x_y_and_confounds_are_aligned_by_participant(study, runs):
    aligned = workbench.aligned_data("question", study=study)
    assert aligned.X.index.equals(aligned.y.index)
    assert aligned.X.index.equals(aligned.confounds.index)
    assert list(aligned.X.columns) == list(aligned.features["name"])
    observed = runs[0].predictions.drop_duplicates("participant_id").set_index("participant_id")["observed"]
    assert np.allclose(aligned.y.droplevel("session").sort_index(), observed.sort_index())
    assert f"{len(aligned.y)} rows x {aligned.X.shape[1]} features" in repr(aligned)


def test_a_feature_set_that_is_not_there_is_refused_with_those_there_are(study):
    with pytest.raises(SpecError, match=r"experiments/question.toml: has no feature set 'brian'"):
        workbench.aligned_data("question", feature_set="brian", study=study)


def test_the_model_of_everybody_predicts_and_explains_new_participants(study):
    aligned, model = workbench.aligned_data("question", study=study), workbench.fit_model("question", study=study)
    X, held = aligned.X.to_numpy(), {"age": aligned.confounds["age"]}
    predicted, (base, shap) = model.predict(X, held), model.explain(X, held)
    assert np.allclose(base + shap.sum(axis=1), predicted)
    assert np.corrcoef(predicted, aligned.y)[0, 1] > 0.8
    again = type(model).from_state(model.state())
    assert (again.predict(X, held) == predicted).all()
    with pytest.raises(FitError, match="age: is held fixed by this model and is not given; give its values"):
        model.predict(X, {})


def test_a_run_that_is_not_there_is_refused_with_those_there_are(study):
    with pytest.raises(
        SpecError, match=r"experiments/question.toml: has no run 'forest'; name one: \"ridge . network\""
    ):
        workbench.fit_model("question", run="forest", study=study)


def test_feature_tables_and_descriptions_show_themselves_in_lines_not_as_arrays(study, tmp_path):
    table, _ = workbench.features("network", study=study)["network"]
    n, p = table.values.shape
    assert repr(table).startswith(f"<network: {n} rows x {p} features; participants: ")
    (described,) = workbench.describe_features("network", study=study, to=tmp_path)
    assert repr(described).splitlines()[0] == repr(table)
    assert f"{len(described.files)} files in {tmp_path / 'network'}" in repr(described)


def test_a_notebook_shows_an_error_as_the_line_that_was_typed_and_what_is_wrong(study):
    with pytest.raises(SpecError, match="did you mean 'question'") as caught:
        workbench.run("questoin", study=study)
    typed, message = caught.value._render_traceback_()
    assert typed.endswith(': workbench.run("questoin", study=study)')
    assert message == "SpecError: questoin: no such experiment; did you mean 'question'?"


def test_a_hint_that_names_options_says_beside_them_what_they_are_called_in_python(study):
    with pytest.raises(SpecError, match="--again: needs --because") as caught:
        workbench.freeze("question", study=study, again=True)
    words = 'In Python: --again is again=True, --because is because="..".'
    assert caught.value._render_traceback_()[-1] == words
    assert traceback.format_exception(caught.value)[-1].rstrip() == words, "in a script too"


def test_runs_and_comparisons_write_numbers_as_the_page_of_a_run_does(study, runs, capsys):
    performance = runs[0].result.scores.performance
    assert run_command(["compare", "question", "--study", str(study)]) == 0
    comparison = workbench.compare("question", study=study)
    for shown in (capsys.readouterr().out, repr(comparison), repr(runs)):
        assert f" {number(performance.r2)} " in shown
        assert f"{performance.r2:.3g}" not in shown
    assert comparison.runs()["r2"].iloc[0] == performance.r2, "tables for a program hold every digit"
    pair = PairedDifference("ridge on task", "ridge on pet", 0.12345, 0.0123, 0.2345, p=0.01234, p_family=0.02468)
    without = PairedDifference("ridge on task", "pls on task", refused="the folds differ")
    (row,) = workbench.pipeline.Comparison("question", (), (pair, without)).differences_in_words().to_dict("records")
    assert list(row.values())[2:] == ["0.12", "0.01 to 0.23", ".025"]


def test_a_comparison_shows_itself_as_the_table_of_its_runs(study, runs):
    shown = repr(workbench.compare("question", study=study)).splitlines()
    assert shown[0].split()[:3] == ["run", "n", "R2"]
    assert shown[1].strip().startswith(runs[0].result.scores.display_name)
    assert len(shown[1]) < 200


def test_plans_and_drafts_are_shown_in_words_and_not_as_what_they_are_made_of(tmp_path):
    from types import SimpleNamespace

    from workbench.pipeline.freezing import Frozen
    from workbench.pipeline.scaffold import DraftedStudy

    plan = SimpleNamespace(experiment="question", date="2026-11-30T10:00", primary="ridge . fc")
    assert repr(Frozen(plan, ("ridge . fc",))) == (
        '<question: frozen on 2026-11-30, now; its primary run is "ridge . fc">'
    )
    assert "already, and unchanged since" in repr(Frozen(plan, ("ridge . fc",), unchanged=True))
    draft = SimpleNamespace(
        recognised=("40 participants",), guessed=(), open=(), questions=("timing: when?",), unused=()
    )
    assert repr(DraftedStudy((tmp_path,), draft)).split("\n\n") == [
        "Recognised\n  40 participants",
        'To be answered in the files, a value for each "?"\n  timing: when?',
        f"Written\n  {tmp_path}",
    ]


def test_results_plans_rows_of_the_gate_and_what_can_be_removed_show_themselves_in_a_line(study, runs):
    result = runs[0].result
    assert repr(result).startswith(f"<question | {result.scores.display_name}: {result.claim.verdict}, n = ")
    assert f"predictions ({len(result.predictions):,})" in repr(result)
    (plan,) = workbench.check("question", study=study).plans
    assert repr(plan).startswith(f"<question: {plan.outcome.label} by {plan.runs[0].display_name} (n = ")
    assert repr(runs[0].gate[0]) == f"<{runs[0].gate[0].words()}>"
    assert repr(workbench.pipeline.prune(study=study)) == "<nothing is stored that no run and no present plan needs>"
    (study / "features" / "tables" / "gone.npy").write_bytes(b"12")
    assert repr(workbench.pipeline.prune(study=study)) == (
        "<tables of sources that the study no longer has (1): 0.0 MB, not needed and still there: prune(yes=True)>"
    )
    workbench.pipeline.prune(study=study, yes=True)


@pytest.mark.parametrize("jobs", [0, "many", 1.5])
def test_jobs_that_are_no_whole_number_are_refused_in_a_line(jobs):
    with pytest.raises(SpecError, match=f"jobs: is {jobs!r}; 1 or more; None takes all cores"):
        workbench.run("question", jobs=jobs)
