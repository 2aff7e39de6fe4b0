"""Each leak trap of METHODS 4.2, planted into files and put to `check`; and what only counts over many runs.

One simulated crossover of 60 people in which nothing is true and nothing is wrong; every test spoils a copy of it.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from workbench.errors import GuardError
from workbench.evaluation.inference import FamilyMember, correct_family, p_value, permuted_r2
from workbench.models import estimators
from workbench.models.learner import Fitted, Fold
from workbench.models.nested_cv import fit_units, plan_units, target_matrices
from workbench.models.splitters import inner_folds, outer_folds
from workbench.pipeline import CheckReport, check, run
from workbench.records import Dataset, Notice, WorkUnit
from workbench.simulate.config import TrialConfig
from workbench.simulate.generator import simulate_trial
from workbench.simulate.traps import plant
from workbench.simulate.writers import write_study, write_trial
from workbench.specs.experiment import ValidationSpec
from workbench.specs.learners import RidgeSpec

REPOSITORY = Path(__file__).resolve().parents[1]
BENCHMARKS = str(REPOSITORY / "benchmarks")
sys.path.insert(0, BENCHMARKS)
import false_alarms  # noqa: E402

sys.path.remove(BENCHMARKS)
TASK = "sources/task/reward_emotion_betas.tsv"
MAIN = "shaps_ketamine_minus_placebo"
CLEAN = TrialConfig(n_patients=60, r2=0.0, site_outcome=0.0, fd_share=0.0, missing_connectivity=0.0)


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study in which nothing is wrong, its feature tables built."""
    folder = tmp_path_factory.mktemp("clean") / "study"
    trial = simulate_trial(CLEAN, 3)
    write_study(trial, folder)
    write_trial(trial, folder / "sources")
    (folder / "experiments" / "shuffled_outcome.toml").unlink()  # says the same once more
    report = check(study=folder)
    assert (report.problems, coded_warnings(report)) == ((), {})
    return folder


@pytest.fixture
def study(clean: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(clean, tmp_path / "study"))


def coded_warnings(report: CheckReport) -> dict[str, Notice]:
    """Warnings that carry the code of a trap, by code."""
    warnings = (warning for plan in report.plans for warning in plan.warnings)
    return {warning.code: warning for warning in warnings if warning.code}


def found_in(study: Path, *experiments: str) -> tuple[set[str], str]:
    """Codes of all problems, and their texts."""
    problems = check(experiments, study=study).problems
    return {problem.code for problem in problems}, "\n".join(map(str, problems))


def edit(path: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    """Change a table as text."""
    table = change(pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False))
    table.to_csv(path, sep="\t", index=False, lineterminator="\n")


def replace_in(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1, f"{path.name} does not say {old!r} once"
    path.write_text(text.replace(old, new))


def datasets(study: Path, *experiments: str) -> dict[str, Dataset]:
    report = check(experiments, study=study)
    assert report.problems == ()
    return {f"{plan.name} {run.dataset.feature_set}": run.dataset for plan in report.plans for run in plan.runs}


# ------------------------------------------------------------------------------------------------- as others plant them

CAUGHT = {
    "T1": (r"task:VS_L_reserve correlates 0\.9\d with SHAPS at ses-d2", "find out what it is, and drop it"),
    "T2": ("task: CADSS_40|connectivity_task: CADSS_40", "what is known only after the infusion predicts nothing"),
    "T3": (r"sub-\d+ and sub-061 have the same task values", "take one out"),
    "T4": (
        r"folds.tsv: 60 of 60 participants are listed more than once: sub-001 \(line 2, line 3\)",
        "one row per participant",
    ),
    "T6": (
        "task: the 10 columns kept of 72 are more associated with the outcome",
        "screen = 50 .* in the training participants only",
    ),
    "T9": (r"task:VS_L_reserve correlates 1\.00 with MADRS at ses-b0", "take it out"),
    "T10": (r"phenotype/shaps.tsv: SHAPS is \d+ in sub-\d+ ses-b0 \(line \d+\)", "one scoring throughout"),
    "T11": ("features/cohort.toml: scales.TEPS-ANT: says that higher is worse", 'write worse = "lower"'),
    "T14": ("task:VS_L_reserve follows the date 'enrolled'", "drop it"),
    "T15": (r"task/reward_emotion_betas.tsv: its ids 0 to \d+ are the numbers of its rows", "write the file again"),
    "T16": (r"func/sub-\d+_ses-b0_\S+_relmat.tsv: has 11 regions, most files have 15; missing", "the same regions"),
}
"""By trap: where and what the message says, and what to do."""


@pytest.mark.parametrize("trap", CAUGHT)
def test_the_trap_stops_the_study_and_the_message_says_where_and_what_to_do(trap: str, study: Path) -> None:
    plant(trap, study)
    codes, told = found_in(study)
    assert codes - {""} == {trap}
    for part in CAUGHT[trap]:
        assert re.search(part, told), f"{part!r} is not in\n{told}"


WARNED = {
    "T8": (
        r"the outcome differs between sites \(p = 0\.0\d+\)",
        r'hold it fixed \(confounds = \["site"\]\)',
    ),
    "T12": (
        r"having task is associated with the outcome \(\d+ have it, \d+ do not; p = ",
        "find out why the others have none",
    ),
}
"""What is no doing of the analyst's, and can still be analysed, by trap: what the warning says, and what to do."""


@pytest.mark.parametrize("trap", WARNED)
def test_the_trap_is_warned_of_and_the_warning_says_what_to_do(trap: str, study: Path) -> None:
    """What the verdict makes of T8 is in tests/results/test_claims.py."""
    plant(trap, study)
    report = check(study=study)
    assert report.problems == ()
    warning = coded_warnings(report)[trap]
    for part in WARNED[trap]:
        assert re.search(part, str(warning)), f"{part!r} is not in\n{warning}"


# ----------------------------------------------------------------------- T5, T6, T7: what was done before the file came


def declare(study: Path, text: str) -> None:
    """Say of the task how it was made."""
    path = study / "features" / "task.toml"
    path.write_text(f"{path.read_text()}\n[upstream]\n{text}\n")


def test_t5_components_of_everybody_are_warned_of_where_they_are_declared(study: Path) -> None:
    plant("T5", study)
    declare(study, 'fitted_on = "everyone here"')
    report = check(study=study)
    assert report.problems == ()
    warning = coded_warnings(report)["T5"]
    assert "task: steps before the file learnt from all participants at once, held-out participants included" in str(
        warning
    )
    runs = [run for plan in report.plans for run in plan.runs]
    assert {warning in run.warnings for run in runs if "task" in run.dataset.sources} == {True}
    assert {warning in run.warnings for run in runs if "task" not in run.dataset.sources} == {False}


@pytest.mark.parametrize("trap", ["T5", "T7"])
def test_t5_and_t7_leave_no_trace_in_the_values_and_the_report_says_what_was_not_declared(
    study: Path, trap: str
) -> None:
    plant(trap, study)
    report = check(study=study)
    assert (report.problems, coded_warnings(report)) == ((), {})
    said = [w for plan in report.plans for run in plan.runs if "task" in run.dataset.sources for w in run.warnings]
    assert any(str(warning).startswith("task: not declared in whom earlier steps were fitted") for warning in said)


def test_t7_a_harmonisation_that_preserved_the_outcome_is_stopped_where_it_is_declared(study: Path) -> None:
    plant("T7", study)
    declare(study, 'harmonised = "combat"\npreserved = ["age", "SHAPS"]')
    codes, told = found_in(study, MAIN)
    assert codes == {"T7"}
    assert "task: upstream: preserved: the harmonisation was told to preserve SHAPS, which is the outcome" in told
    assert "harmonise again without it" in told


def test_t6_features_chosen_by_a_shuffled_outcome_in_everybody_are_refused(tmp_path: Path) -> None:
    """The ten of 121 connections of the synthetic twin of the open trial that go best with shuffled outcomes."""
    for folder in ("features", "experiments"):
        source = REPOSITORY / "examples" / "kmoa" / folder
        shutil.copytree(source, tmp_path / folder, ignore=shutil.ignore_patterns("tables"))
    replace_in(tmp_path / "experiments/madrs_change.toml", 'kind = "change"\n', 'kind = "change"\nshuffle = true\n')
    twin = REPOSITORY / "tests" / "kmoa_twin"
    plans = check(["madrs_change"], study=tmp_path, data=twin).plans
    dataset = next(run.dataset for run in plans[0].runs if run.dataset.feature_set == "attn_dmn11")
    assert dataset.X.shape[1] == 121
    r = np.corrcoef(dataset.X.T, dataset.y)[-1, :-1]
    best = [dataset.features["feature"][k] for k in np.argsort(-np.abs(r))[:10]]
    replace_in(tmp_path / "features/ec_attn_dmn11.toml", 'gsr = "unknown"\n', f'gsr = "unknown"\nkeep = {best}\n')
    report = check(["madrs_change"], study=tmp_path, data=twin)
    (problem,) = report.problems
    assert problem.code == "T6"
    assert (
        "the 10 columns kept of 121 are more associated with the outcome than those left out, in 100 % of all pairs"
        in str(problem)
    )


class SelectsInEverybody:
    """Least squares on the three features that go best with the outcome in all rows, held-out ones included."""

    linear, batched = True, True

    def __init__(self, spec: RidgeSpec) -> None:
        pass

    def fit(self, fold: Fold, Y: np.ndarray, *, seed: int, explain: int = 0) -> Fitted:
        X = np.nan_to_num(fold.X)
        best = np.argsort(-np.abs(np.corrcoef(X.T, Y[:, 0])[-1, :-1]))[:3]
        design = np.column_stack([np.ones(len(X)), X[:, best]])
        weights = np.linalg.lstsq(design[fold.train], Y[fold.train], rcond=None)[0]
        return Fitted(design[fold.test] @ weights)


def test_t6_a_model_that_selects_in_everybody_stops_the_run_before_anything_is_kept(
    study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(estimators.LEARNERS, "ridge", SelectsInEverybody)
    found = (
        r"model ridge: the prediction for one of \d+ held-out participants changed when the held-out participants were"
    )
    with pytest.raises(GuardError, match=found):
        run(["madrs_change"], study=study, only=["ridge"], jobs=1)
    assert not list((study / "mlruns").rglob("*.npz"))
    assert not list((study / "mlruns").rglob("scores.json"))


# -------------------------------------------------------------------------------------------- T13: the best of twenty


def test_t13_the_best_of_twenty_pipelines_on_nothing_is_corrected_for_twenty(clean: Path) -> None:
    """Shuffled outcomes, five penalties on each of four feature sets: the smallest p of twenty, and corrected."""
    dataset = datasets(clean, MAIN)[f"{MAIN} task"]
    quarters = [quarter_of(dataset, columns) for columns in np.array_split(np.arange(72), 4)]
    rng = np.random.default_rng(0)
    validation = ValidationSpec(repeats=1, outer=4, inner=2, permutations=39)
    units = plan_units(dataset, validation, RidgeSpec(kind="ridge"))
    units = tuple(replace(unit, procedures=("main",)) for unit in units)  # the same folds for all
    n_trials, naive, corrected = 40, 0, 0
    for _ in range(n_trials):
        shuffled = replace(dataset, y=rng.permutation(dataset.y))
        targets = {"main": target_matrices(shuffled, validation)["main"]}
        of_trial = [replace(quarter, y=shuffled.y) for quarter in quarters]
        members = [pipeline_of(quarter, alpha, units, targets) for quarter in of_trial for alpha in PENALTIES]
        assert len(members) == 20
        naive += min(p_value(member.observed, member.null) for member in members) <= 0.05
        family, size = correct_family(members)
        assert size == 20
        corrected += min(p for p in family if p is not None) <= 0.05
    assert naive >= 8, f"{naive} of {n_trials}: the naive best must find something far too often"
    assert corrected <= 6, f"{corrected} of {n_trials}: more than 6 happens in less than 1 of 100 at .05"


PENALTIES = (1.0, 10.0, 100.0, 1000.0, 10000.0)


def quarter_of(dataset: Dataset, columns: np.ndarray) -> Dataset:
    """The same people with some of their features."""
    features = dataset.features.iloc[columns].reset_index(drop=True)
    return dataset.with_features(np.ascontiguousarray(dataset.X[:, columns]), features)


def pipeline_of(
    dataset: Dataset, alpha: float, units: tuple[WorkUnit, ...], targets: dict[str, np.ndarray]
) -> FamilyMember:
    """One penalty on the features of a dataset, on folds and permutations that are the same for all."""
    spec = RidgeSpec(kind="ridge", alphas=(alpha,))
    r2 = permuted_r2(fit_units(dataset, units, spec, targets, explain=0), "main")
    return FamilyMember("all on the same people", float(r2[0]), r2[1:])


def test_t13_twenty_pipelines_in_one_experiment_are_one_family(study: Path) -> None:
    plant("T13", study)
    (plan,) = check(["best_of_20"], study=study).plans
    assert len({run.name for run in plan.runs}) == 20
    assert {run.validation.permutations for run in plan.runs} == {1000}, "each has a p, so each is counted"


# --------------------------------------------------------------------------------------------------- in other disguises


def test_t1_a_rating_that_is_not_the_outcome_is_no_better(study: Path) -> None:
    plant("T1", study)
    assert found_in(study, "madrs_change")[0] == {"T1"}


def test_t2_a_scan_after_the_infusion_is_stopped_by_its_session(study: Path) -> None:
    replace_in(study / "experiments" / "madrs_change.toml", 'sessions = ["ses-b0"] ', 'sessions = ["ses-d2"] ')
    codes, told = found_in(study, "madrs_change")
    assert "T2" in codes
    assert "sessions: ses-d2: features at ses-d2 are measured during or after an infusion in everyone" in told


def test_t4_families_are_never_parted_by_the_folds_that_are_drawn(study: Path) -> None:
    join_families(study)
    for dataset in datasets(study, "madrs_change").values():
        assert dataset.rows["participant_id"].is_unique  # a row is a person: the periods of a crossover never part
        assert len(np.unique(dataset.groups)) < dataset.n_rows
        validation = check(["madrs_change"], study=study).plans[0].spec.validation
        for split in (split for repeat in outer_folds(dataset, validation, 3) for split in repeat):
            inner = inner_folds(dataset, split.train, validation, seed=0)
            for train, test in ((split.train, split.test), *((each.train, each.test) for each in inner)):
                assert not set(dataset.groups[train]) & set(dataset.groups[test])


def test_t4_folds_of_the_study_that_part_a_family_are_stopped(study: Path) -> None:
    join_families(study)
    people = [f"sub-{number:03d}" for number in range(1, 61)]
    folds = pd.DataFrame({"participant_id": people, "repeat_1": [k % 5 for k in range(60)]})
    folds.to_csv(study / "sources" / "folds.tsv", sep="\t", index=False)
    replace_in(study / "experiments" / "madrs_change.toml", "outer = 5\n", 'folds = "folds.tsv"\n')
    codes, told = found_in(study, "madrs_change")
    assert codes == {"T4"}
    assert re.search(r"folds, column 'repeat_1': \d+ groups .* are in several folds, such as sub-\d+ and sub-\d+", told)


def join_families(study: Path) -> None:
    """Neighbours in the list are siblings."""
    edit(
        study / "sources/participants.tsv", lambda table: table.assign(family=[str(k // 2) for k in range(len(table))])
    )
    replace_in(study / "features" / "cohort.toml", 'site = "site"\n', 'site = "site"\nfamily = "family"\n')


def test_t9_the_baseline_in_the_clinical_model_of_a_percent_change_is_stopped(study: Path) -> None:
    replace_in(study / "experiments" / "madrs_change.toml", 'kind = "change" ', 'kind = "percent-change" ')
    codes, told = found_in(study, "madrs_change")
    assert codes == {"T9"}
    assert "experiments/madrs_change.toml: clinical_model: MADRS@ses-b0 is part of the percent change" in told


def test_t11_values_that_were_turned_round_are_stopped(study: Path) -> None:
    def turned(table: pd.DataFrame) -> pd.DataFrame:
        there = table["TEPS_ANT"] != "n/a"
        table.loc[there, "TEPS_ANT"] = [str(70 - int(value)) for value in table["TEPS_ANT"][there]]
        return table

    edit(study / "sources/phenotype/teps.tsv", turned)
    codes, told = found_in(study)
    assert codes == {"T11"}
    assert re.search(
        r"phenotype/teps.tsv: TEPS-ANT: TEPS-ANT rises as \w+ rises at ses-\w+ \(r = 0\.\d+, n = \d+\)", told
    )
    assert "look at the items" in told


def test_t11_a_known_scale_in_a_column_is_not_declared_the_other_way(study: Path) -> None:
    experiment = study / "experiments" / "madrs_change.toml"
    text = experiment.read_text()
    head, tail = text.split("[outcome]")[0], text[text.index("[feature_sets]") :]
    outcome = '[outcome]\ncolumn = "TEPS_ANT_total"\nbetter = "lower"\n\n'
    experiment.write_text(head + outcome + tail)
    edit(study / "sources/participants.tsv", lambda table: table.assign(TEPS_ANT_total=np.arange(len(table)) % 7))
    codes, told = found_in(study, "madrs_change")
    assert codes == {"T11"}
    assert 'outcome: TEPS_ANT_total: better = "lower", but of the TEPS-ANT lower is worse' in told


def test_t14_a_running_number_and_a_date_are_stopped(study: Path) -> None:
    numbers = lambda table: table.assign(reserve=table["subject"], VS_date="20200101")  # noqa: E731
    edit(study / TASK, numbers)
    edit(study / "features/task_columns.tsv", described("reserve", "VS_date"))
    codes, told = found_in(study, "madrs_change")
    assert codes == {"T14"}
    assert "task:reserve follows the order of the participant ids (rank correlation 1.00)" in told
    assert "VS_date: looks like a date or a running number" in told


def described(*names: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Says of more columns that they are features."""

    def change(table: pd.DataFrame) -> pd.DataFrame:
        for name in names:
            table.loc[len(table)] = [name, "", "", ""]
        return table

    return change


# ---------------------------------------------------------------------------------------------- T15: rows and their ids


def test_t15_the_order_of_rows_changes_nothing(study: Path) -> None:
    """Rows meet by id: a join that shuffles them cannot misalign anything."""
    before = datasets(study)
    for name in (TASK, "sources/participants.tsv", "sources/phenotype/madrs.tsv"):
        edit(study / name, lambda table: table.sample(frac=1, random_state=1))
    after = datasets(study)
    assert {name: dataset.data_hash for name, dataset in after.items()} == {
        name: dataset.data_hash for name, dataset in before.items()
    }


@pytest.mark.parametrize("columns", [["age"], ["sex"], ["Sex", "site"]])
def test_t15_ids_that_came_apart_from_their_rows_are_seen_by_what_the_file_repeats(
    study: Path, columns: list[str]
) -> None:
    edit(study / TASK, lambda table: with_covariates(study, table, columns))
    assert found_in(study) == (set(), "")
    edit(study / TASK, lambda table: table.assign(subject=cycled(table["subject"])))
    codes, told = found_in(study)
    assert codes == {"T15"}
    found = (
        rf"reward_emotion_betas.tsv: column '{columns[0]}': the study says otherwise of \d+ of \d+ participants: "
        r"sub-\d+ is "
    )
    assert re.search(found + r".* in the study and .* here \(line \d+\)", told)
    assert "make the file again from its origin, by id" in told


def test_t15_ratings_of_other_people_are_seen_too(study: Path) -> None:
    def shuffled(table: pd.DataFrame) -> pd.DataFrame:
        people = pd.read_csv(study / "sources/participants.tsv", sep="\t", dtype=str).set_index("participant_id")
        table["sex"] = people["sex"].reindex(table["participant_id"]).to_numpy()
        return table.assign(participant_id=cycled(table["participant_id"]))

    edit(study / "sources/phenotype/madrs.tsv", shuffled)
    codes, told = found_in(study)
    assert codes == {"T15"}
    assert "phenotype/madrs.tsv: column 'sex': the study says otherwise" in told


def with_covariates(study: Path, table: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    people = pd.read_csv(study / "sources/participants.tsv", sep="\t", dtype=str)
    people = people.set_index(people["participant_id"].str.removeprefix("sub-").astype(int))
    for column in columns:
        table[column] = people[column.casefold()].reindex(table["subject"].astype(int)).to_numpy()
    return table


def cycled(ids: pd.Series) -> list[str]:
    """Every person's rows under the id of the next person: what a sort of one column of a spreadsheet does."""
    people = list(dict.fromkeys(ids))
    following = dict(zip(people, people[1:] + people[:1], strict=True))
    return [following[person] for person in ids]


# --------------------------------------------------------------------------------------------------------- false alarms


@pytest.mark.parametrize("number", range(3))
def test_clean_studies_raise_no_alarm(number: int, tmp_path: Path) -> None:
    """The first three cohorts of benchmarks/false_alarms.py, one of every design; the benchmark asks a hundred."""
    false_alarms.write_clean(next(islice(false_alarms.configs(), number, None)), number, tmp_path)
    assert not false_alarms.alarms_of(tmp_path).texts
