"""A plan: the published sample sizes, power as METHODS 2.8 measured it, and nothing of the outcome in any number."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from workbench import pipeline
from workbench.cli import run_command
from workbench.figures import draw_learning_curve
from workbench.pipeline.simulated_trials import PERFORMANCE, SIMULATED, _scores, engine_of
from workbench.planning import curve, words
from workbench.planning.people import Population, ranks, some_of
from workbench.planning.plan import Question, plan_set
from workbench.planning.power import (
    HELD_SHARE,
    Cohort,
    Engine,
    detectable,
    interval,
    p_values,
    permutations_needed,
    power,
)
from workbench.planning.sample_size import criteria_binary, criteria_continuous
from workbench.planning.truths import blind, held_fixed, liability_share, outcomes, signals
from workbench.records import FEATURE_COLUMNS, Covariates, Dataset, FeatureBlocks, GateRow, Outcome, PowerPoint, SetPlan
from workbench.results.claims import judge
from workbench.results.requirements import gate_rows
from workbench.specs.experiment import ValidationSpec
from workbench.specs.learners import RidgeSpec

pytestmark = pytest.mark.usefixtures("few_replicates")


def columns(name: str, values) -> Covariates:
    """One variable for every column of an array."""
    values = np.asarray(values, dtype=float).reshape(len(values), -1)
    names = tuple(f"{name}_{k}" for k in range(values.shape[1]))
    return Covariates(names, names, values)


def a_study(
    n=40, n_circuits=12, each=5, *, seed=0, r=0.5, binary=False, missing=0.0, sites=None, held=None, clinical=None
):
    """Circuits of features that go together, as in METHODS 2.8; no outcome."""
    rng = np.random.default_rng(seed)
    p = n_circuits * each
    shared = np.repeat(rng.standard_normal((n, n_circuits)), each, axis=1)
    X = np.sqrt(r) * shared + np.sqrt(1 - r) * rng.standard_normal((n, p))
    X[rng.random(X.shape) < missing] = np.nan
    features = pd.DataFrame({column: [""] * p for column in FEATURE_COLUMNS})
    features["name"] = [f"conn:{column}" for column in range(p)]
    features["modality"] = "connectivity"
    features["circuit"] = [f"circuit {column // each:02d}" for column in range(p)]
    ids = [f"sub-{number:04d}" for number in range(n)]
    outcome = Outcome(
        label="fall in MADRS",
        unit="points",
        kind="change",
        type="binary" if binary else "continuous",
        claim="prognostic",
        estimand="",
        improvement_positive=True,
        values=pd.Series(0.0, index=ids),
        missing={},
    )
    none = Covariates((), (), np.empty((n, 0)))
    held = none if held is None else columns("held", held)
    clinical = none if clinical is None else columns("clinical", clinical)
    return Dataset(
        feature_set="connectivity",
        sources=("connectivity",),
        rows=pd.DataFrame({"participant_id": ids, "session": "ses-b0"}),
        feature_blocks=FeatureBlocks.of(X, features),
        y=np.full(n, np.nan),
        outcome=outcome,
        confounds=held,
        forced=none,
        clinical=clinical,
        groups=np.arange(n),
        blocks=np.zeros(n, dtype=int),
        strata=None,
        sites=sites,
        availability=pd.DataFrame(index=ids),
        flow=(),
        people_digest="",
        data_hash="",
    )


def an_engine(repeats=1, jobs=1, **judged) -> Engine:
    return engine_of(ValidationSpec(seed=0), RidgeSpec(kind="ridge"), repeats=repeats, jobs=jobs, **judged)


# ---------------------------------------------------------------------------------------------------------- sample size


@pytest.mark.parametrize(
    ("n_features", "r2", "largest"),
    [(10, 0.25, 244), (16, 0.25, 430)],
)
def test_a_continuous_outcome_needs_as_many_people_as_riley_says(n_features, r2, largest):
    assert max(each.n for each in criteria_continuous(n_features, r2)) == largest


def test_the_example_of_lung_function_asks_for_918_people():
    """Riley 2019, part I: 25 parameters, R2 .2, mean 1.9, SD 0.6; pmsampsize gives 918, 401, 259 and 918."""
    found = [each.n for each in criteria_continuous(25, 0.2, mean=1.9, sd=0.6)]
    assert found[:3] == [918, 401, 259]
    assert max(found) == 918


@pytest.mark.parametrize(("r2", "expected"), [(0.288, [623, 662, 221])])
def test_a_binary_outcome_needs_as_many_people_as_pmsampsize_says(r2, expected):
    assert [each.n for each in criteria_binary(24, r2, 0.174)] == expected


def test_an_r2_that_the_prevalence_does_not_allow_is_met_by_no_number_of_people():
    assert criteria_binary(24, 0.7, 0.174)[0].n == float("inf")


def test_a_mean_far_from_zero_is_known_by_fewer_people_than_one_near_it():
    near, far = (criteria_continuous(10, 0.25, mean=mean, sd=8.0)[3].n for mean in (2.0, 20.0))
    assert near > 4000
    assert far < 244


def test_thousands_of_features_are_counted_in_no_time():
    assert criteria_continuous(6670, 0.25)[0].n > 100_000


# --------------------------------------------------------------------------------------------------------------- truths


def test_a_made_up_signal_lies_in_two_circuits_and_is_standardised():
    study = a_study(200)
    signal = signals(study, (3,))[:, 0]
    by_feature = np.abs([np.corrcoef(signal, column)[0, 1] for column in study.X.T]).reshape(12, 5).mean(axis=1)
    assert (by_feature > 0.4).sum() == 2
    assert signal.mean() == pytest.approx(0, abs=1e-12)
    assert signal.var() == pytest.approx(1)


def test_a_made_up_signal_owes_nothing_to_covariates_of_no_interest():
    age = np.random.default_rng(1).normal(size=60)
    signal = signals(a_study(60, held=age), range(5))
    assert np.abs(signal.T @ (age - age.mean())).max() < 1e-10


def test_a_made_up_outcome_holds_the_share_asked_for():
    signal = signals(a_study(4000, 3), (1,))
    y = outcomes(signal, 0.25, (1,))
    assert np.corrcoef(signal[:, 0], y[:, 0])[0, 1] ** 2 == pytest.approx(0.25, abs=0.03)


def test_what_is_held_fixed_explains_its_share_and_leaves_the_signal_its_own():
    age, noise = np.random.default_rng(1).normal(size=(2, 4000))
    study = a_study(4000, 3, held=np.column_stack([age, noise]))
    signal, held = signals(study, (1,)), held_fixed(study, (1,))
    y = outcomes(signal, 0.25, (1,), held=held, share=0.2)[:, 0]
    assert np.corrcoef(held[:, 0], y)[0, 1] ** 2 == pytest.approx(0.2, abs=0.03)
    rest = y - np.polyval(np.polyfit(held[:, 0], y, 1), held[:, 0])
    assert np.corrcoef(signal[:, 0], rest)[0, 1] ** 2 == pytest.approx(0.25, abs=0.03)
    weights = np.linalg.lstsq(study.nuisance.values, held[:, 0], rcond=None)[0]
    assert abs(weights[0]) == pytest.approx(abs(weights[1]), rel=0.05), "each variable counts alike"


def test_a_share_that_is_held_fixed_keeps_the_prevalence():
    study = a_study(4000, 3, held=np.random.default_rng(1).normal(size=4000))
    y = outcomes(signals(study, (1,)), 0.25, (1,), prevalence=0.3, held=held_fixed(study, (1,)), share=0.2)
    assert y.mean() == pytest.approx(0.3, abs=0.03)


def test_true_probabilities_explain_the_share_asked_for_of_a_binary_outcome():
    rng = np.random.default_rng(0)
    share = liability_share(0.2, 0.3)
    f, e = rng.normal(size=(2, 400_000))
    y = np.sqrt(share) * f + np.sqrt(1 - share) * e > 0.5244
    edges = np.quantile(f, np.linspace(0, 1, 201))
    risk = pd.Series(y).groupby(np.clip(np.searchsorted(edges, f), 1, 200)).transform("mean")
    assert y.mean() == pytest.approx(0.3, abs=0.01)
    assert risk.var() / y.var() == pytest.approx(0.2, abs=0.01)


# --------------------------------------------------------------------------------------------------------------- people


def test_people_drawn_are_correlated_like_those_they_are_drawn_from():
    study = a_study(400, 2, missing=0.1)
    drawn = Population.of(study).draw(3000, np.random.default_rng(0))
    of = partial(pd.DataFrame.corr, numeric_only=True)
    assert np.abs(of(pd.DataFrame(drawn.X)) - of(pd.DataFrame(study.X))).to_numpy().max() < 0.12
    assert np.isnan(drawn.X).mean() == pytest.approx(0.1, abs=0.01)
    assert drawn.n_participants == 3000
    assert np.isnan(drawn.y).all()


def test_the_covariance_is_shrunk_as_ledoit_and_wolf_do():
    from sklearn.covariance import ledoit_wolf_shrinkage

    from workbench.planning.people import _shrinkage

    Z = a_study(50, 6).X
    Z = Z - Z.mean(axis=0)
    assert _shrinkage(Z, 50) == pytest.approx(ledoit_wolf_shrinkage(Z, assume_centered=True))


def test_families_stay_whole_and_covariates_stay_with_their_people():
    age = np.repeat(np.arange(20.0), 2)
    study = replace(a_study(40, 2, held=age), groups=np.repeat(np.arange(20), 2))
    drawn = Population.of(study).draw(100, np.random.default_rng(0))
    ages = pd.Series(drawn.confounds.values[:, 0]).groupby(drawn.groups)
    assert (ages.nunique() == 1).all()
    assert (ages.size() == 2).all()


def test_parts_keep_the_shares_of_the_sites_and_lie_in_each_other():
    sites = np.repeat(["a", "b"], [40, 20])
    study = a_study(60, 2, sites=sites)
    order = ranks(study, np.random.default_rng(0))
    half, third = some_of(study, order, 30), some_of(study, order, 20)
    assert abs((sites[half] == "b").sum() - 10) <= 1
    assert set(third) <= set(half)


# ---------------------------------------------------------------------------------------------------------------- power


def test_power_and_r2_reached_are_those_that_the_reference_implementation_measured():
    """METHODS 2.8: n = 40, p = 60, 3 x 5-fold, 99 permutations; R2 .25 is found in .38 and .014 of it reached."""
    cohorts = [Cohort(a_study(40, seed=s), tuple(range(100 * s + 1, 100 * s + 13)), s) for s in range(10)]
    (found,) = power(cohorts, [0.25], an_engine(repeats=3), permutations=99)
    assert found.power == pytest.approx(0.383, abs=0.13)
    assert found.achieved == pytest.approx(0.014, abs=0.04)


def test_where_there_is_nothing_to_find_one_trial_in_twenty_finds_it():
    (found,) = power([Cohort(a_study(30, 4), tuple(range(200)), 0)], [1e-9], an_engine(), permutations=19)
    assert found.low <= 0.05 <= found.high


def test_giving_up_hopeless_trials_early_changes_no_verdict(monkeypatch):
    asked = partial(power, [Cohort(a_study(30, 4), tuple(range(30)), 0)], [0.1, 0.4], an_engine(), permutations=59)
    early = asked()
    monkeypatch.setattr("workbench.planning.power.FIRST_LOOK", 59)
    assert early == asked()


def shares(points) -> dict[float, PowerPoint]:
    return {point.confound_share: point for point in points}


def test_r2_against_the_training_mean_is_asked_for_as_the_gate_does():
    """Eight confounds that explain nothing cost more than a signal gives; that they explain something costs nothing."""
    found = []
    for s in range(6):
        study = a_study(60, seed=s, held=np.random.default_rng(s).normal(size=(60, 8)))
        cohort = Cohort(study, tuple(range(100 * s + 1, 100 * s + 11)), s)
        found.append(shares(power([cohort], [0.25], an_engine(repeats=3), permutations=99)))
    nothing, something = (np.mean([each[share].power for each in found]) for share in (0.0, HELD_SHARE))
    assert nothing < 0.3
    assert something > nothing + 0.15
    assert np.mean([each[0.0].achieved - each[HELD_SHARE].achieved for each in found]) == pytest.approx(0, abs=1e-9)


def test_what_is_held_fixed_explains_moves_no_p_of_a_number():
    """Which is why the permutations of one truth serve the other."""
    study = a_study(40, 4, held=np.random.default_rng(0).normal(size=(40, 2)))
    seeds = tuple(range(8))
    found = []
    for share in (0.0, HELD_SHARE):
        Y = outcomes(signals(study, seeds), 0.4, seeds, held=held_fixed(study, seeds), share=share)
        reached, p = p_values(study, Y, seeds, an_engine(), 99, fold_seed=0)
        found.append((p, reached.r2, reached.r2_total))
    np.testing.assert_array_equal(found[0][0], found[1][0])
    np.testing.assert_allclose(found[0][1], found[1][1], atol=1e-9)
    assert (found[1][2] > found[0][2]).all()


def test_where_nothing_is_held_fixed_there_is_one_truth():
    assert list(shares(power([Cohort(a_study(30, 4), (1, 2), 0)], [0.3], an_engine(), permutations=19))) == [0.0]


def test_p_is_corrected_over_the_runs_of_the_experiment():
    assert (permutations_needed(99, 1), permutations_needed(99, 5), permutations_needed(19, 2)) == (99, 199, 79)
    asked = partial(power, [Cohort(a_study(40, 4), tuple(range(40)), 0)], [0.3], an_engine(), permutations=199)
    (alone,), (family,) = asked(), asked(n_runs=5)
    assert family.n_found < alone.n_found


# ---------------------------------------------------------------------------------------------------------- supported


def test_a_simulated_trial_can_miss_nothing_but_what_was_simulated():
    """What the study as it is written misses stands beside the power; a row added to the gate must not make it 0."""
    rows = [row for row in gate_rows(_scores(PERFORMANCE, 0.001)) if row.missed]
    assert [row.verdict for row in rows] == ["supported by external validation"]
    assert judge(_scores(PERFORMANCE, 0.001)).verdict == "supported by internal validation"


def test_what_is_said_to_be_simulated_is_a_row_of_the_gate():
    assert words.ENOUGH in SIMULATED
    assert set(SIMULATED) <= {row.requirement for row in gate_rows(_scores(PERFORMANCE, 0.001))}


@pytest.fixture(scope="module")
def judged() -> Engine:
    return an_engine(judged=True, permutations=99)


def supported(n: int, engine: Engine, **study) -> PowerPoint:
    clinical = np.random.default_rng(5).normal(size=n)
    cohort = Cohort(a_study(n, 3, clinical=clinical, **study), tuple(range(12)), 0)
    return power([cohort], [0.6], engine, permutations=99)[0]


def test_power_for_supported_is_at_most_that_for_shown_and_is_there_for_strong_signals(judged):
    point = supported(70, judged)
    assert 0.2 < point.supported <= point.power
    assert point.n_supported == round(12 * point.supported)
    assert point.supported_low <= point.supported <= point.supported_high


def test_below_fifty_participants_nothing_can_be_supported(judged):
    point = supported(49, judged)
    assert point.power > 0.5
    assert point.supported == 0


def test_without_whole_sites_nothing_is_said_of_supported():
    left_out = ValidationSpec(seed=0, leave_out="site")
    assert engine_of(left_out, RidgeSpec(kind="ridge"), repeats=1, jobs=1, judged=True).supported is None
    assert supported(60, an_engine()).supported is None


def test_the_trials_that_count_as_supported_are_those_that_the_gate_supports_one_by_one(judged):
    """One decomposition of every fold serves all of them, and changes none."""
    held, clinical = np.random.default_rng(2).normal(size=(2, 60))
    study = a_study(60, 3, held=held, clinical=clinical)
    seeds = tuple(range(6))
    Y = outcomes(signals(study, seeds), 0.6, seeds)
    p = np.full(6, 0.001)
    together = judged.supported(study, Y, p, 0, seeds)
    alone = [bool(judged.supported(study, Y[:, [k]], p[:1], 0, seeds[k : k + 1])[0]) for k in range(6)]
    assert together.tolist() == alone
    assert any(alone)


@pytest.mark.parametrize("n_sites", [2, 3])
def test_a_trial_that_only_sites_predict_is_not_supported(judged, n_sites):
    """The same numbers are supported where no site is named, and where the site is not what predicts."""
    study, sites = a_study(90, 4), np.arange(90) % n_sites
    far = replace(study, feature_blocks=FeatureBlocks.of(study.X + 2.0 * sites[:, None], study.features))
    Y = (2.0 * sites + np.random.default_rng(3).normal(size=90))[:, None]
    p, labels = np.array([0.001]), np.array(["north", "south", "west"])[sites]
    assert judged.supported(far, Y, p, 0, (0,)).tolist() == [True]
    assert judged.supported(replace(far, sites=labels), Y, p, 0, (0,)).tolist() == [False]
    inside = outcomes(signals(study, (1,)), 0.8, (1,))
    assert judged.supported(replace(study, sites=labels), inside, p, 0, (1,)).tolist() == [True]


def test_a_site_that_the_run_holds_fixed_is_not_held_fixed_once_more(judged):
    sites = np.arange(90) % 2
    study = replace(a_study(90, 4), confounds=columns("site", sites.astype(float)))
    Y = outcomes(signals(study, (1,)), 0.8, (1,))
    labels = np.array(["north", "south"])[sites]
    assert judged.supported(replace(study, sites=labels), Y, np.array([0.001]), 0, (1,)).tolist() == [True]


def test_the_interval_of_a_share_is_that_of_wilson():
    assert interval(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-3)
    assert interval(0, 20)[0] == 0.0


def a_point(r2: float, share: float) -> PowerPoint:
    return PowerPoint(r2, 100, round(100 * share), share, share, share, 0.0, 0.0, 0.0)


def test_the_smallest_r2_found_lies_on_the_line_between_two_points():
    assert detectable([a_point(0.2, 0.7), a_point(0.3, 0.9)]) == pytest.approx(0.25)
    assert detectable([a_point(0.2, 0.9)]) == pytest.approx(0.2 * 0.75 / 0.85)
    assert detectable([a_point(0.4, 0.79)]) is None


# ------------------------------------------------------------------------------------------------------- learning curve


def test_the_law_is_found_again_where_it_holds():
    n, more = np.array([1.0, 1.25, 1.5]), np.array([2.0, 3.0])
    error = 0.8 + 0.3 * n ** -curve.POWERS[40]
    found = curve.fitted(n, error[None], more, 0.75)
    assert found[0] == pytest.approx(0.8 + 0.3 * more ** -curve.POWERS[40], abs=1e-9)


def test_no_number_of_people_gets_below_the_error_that_is_left():
    found = curve.fitted(np.array([1.0, 1.5, 2.0]), np.array([[1.0, 0.8, 0.6]]), np.array([1000.0]), 0.75)
    assert found[0, 0] >= 0.75


def test_small_studies_have_no_learning_curve():
    assert curve.sizes(14, 13) == ()
    assert curve.sizes(26, 13) == (13, 16, 18, 21, 23, 26)


def test_the_forecast_holds_what_twice_as_many_people_reach():
    """P18 in small: the truth is the mean over fresh cohorts of 48, the forecast is made from 24."""
    seeds = [[100 * k + j for j in range(20)] for k in range(8)]
    fresh = [a_study(48, 4, seed=900 + k) for k in range(12)]
    quick = an_engine()
    truth = np.mean([curve.measured(one, [48], [0.4], quick, seeds=[seeds[0]])[0, 0, 0] for one in fresh])
    held = []
    for number in range(3):
        study = a_study(24, 4, seed=number)
        own = curve.measured(study, [24], [0.4], quick, seeds=seeds)
        last = curve.points([24], [0.4], own, curve.beyond(study, [0.4], quick, seeds=seeds), 0)[-1]
        assert last.n == 48
        held.append(last.low <= truth <= last.high)
    assert sum(held) >= 2


# ----------------------------------------------------------------------------------------------------------- whole plan


def about(study: Dataset) -> SetPlan:
    return SetPlan(
        experiment="madrs_change",
        feature_set="connectivity",
        outcome="fall in MADRS",
        outcome_type=study.outcome.type,
        n_participants=study.n_rows,
        n_own=study.n_rows,
        n_features=study.X.shape[1],
        missing=0.0,
        n_nuisance=0,
        people="",
        validation="ridge, 1 x 5-fold with 5 inner folds",
        permutations=19,
        n_runs=1,
        criteria=(),
        power=(),
        detectable=None,
        curve=(),
        ceiling=0.8,
        best_verdict="exploratory, prognostic",
        rows=(GateRow("supported by internal validation", "at least 50 participants", "26 participants"),),
        simulated=SIMULATED,
    )


def a_plan(study: Dataset, *, fewest=13, engine=None, **asked) -> SetPlan:
    question = Question(**{"r2s": (0.2, 0.6), "simulations": 20, "permutations": 19, **asked})
    engine = engine or an_engine()
    return plan_set(
        study, question, engine, engine, seed=0, fewest=fewest, about=about(study), progress=lambda *_: None
    )


@pytest.fixture(scope="module")
def small_plan() -> SetPlan:
    return a_plan(a_study(26, 4, 4, missing=0.02))


@pytest.mark.parametrize("outcome", [np.arange(26.0), np.random.default_rng(0).normal(size=26)])
def test_no_number_of_a_plan_depends_on_the_outcome(small_plan, outcome):
    study = replace(a_study(26, 4, 4, missing=0.02), y=outcome)
    assert np.isnan(blind(study).y).all()
    assert a_plan(study) == small_plan


def test_no_number_of_a_plan_depends_on_the_jobs(small_plan):
    assert a_plan(a_study(26, 4, 4, missing=0.02), engine=an_engine(jobs=2)) == small_plan


def test_a_plan_can_be_asked_about_more_and_about_fewer_people():
    study = a_study(30, 2)
    more, fewer = (a_plan(study, people=n, fewest=99) for n in (60, 20))
    assert (more.n_participants, fewer.n_participants) == (60, 20)
    assert more.power[1].power > fewer.power[1].power
    assert "drawn like the study's 30" in more.people
    assert "random parts of the study's 30 participants" in fewer.people


def test_a_binary_outcome_has_power_and_criteria_of_its_own():
    found = a_plan(a_study(30, 2, binary=True), fewest=99)
    assert found.criteria[2].criterion == "share with the outcome known within 0.05"
    assert found.power[1].power > found.power[0].power


def test_a_design_without_permutations_says_so_and_shows_no_power():
    study = replace(a_study(26, 2), blocks=np.arange(26))
    found = a_plan(study, fewest=99)
    assert found.power == ()
    assert "prediction cannot be shown: the design leaves 1 permutation of the outcome" in words.verdict(found)


def test_the_verdict_says_what_can_be_found_and_what_may_be_claimed(small_plan):
    said = words.verdict(small_plan)
    shown = r"With 26 participants and 16 features, a true R2 of 0\.60 is shown in \d+ % \(95 % CI \d+ to \d+\) of"
    assert re.match(shown, said)
    assert said.endswith(
        "The strongest verdict that can be reached is exploratory, prognostic: as the study is written it misses at "
        "least 50 participants."
    )


def test_the_verdict_gives_both_truths_and_the_power_for_supported(small_plan):
    points = tuple(
        replace(a_point(0.6, power), confound_share=share, supported=0.25) for share, power in ((0.0, 0.5), (0.2, 0.7))
    )
    assert "None of them can be supported" in words.verdict(replace(small_plan, power=points)), "26 participants"
    few = (GateRow("supported by internal validation", "at least 1000 permutations", "200 permutations"),)
    said = words.verdict(replace(small_plan, power=points, rows=few))
    assert "where the confounds explain nothing of the outcome (70 % where they explain 20 % of it)" in said
    assert "With the requirements below mended, supported in 25 % of trials with a true R2 of 0.60." in said
    assert "Supported by internal validation in 25 %" in words.verdict(replace(small_plan, power=points, rows=()))
    table = words.shown_power(replace(small_plan, power=points))
    assert list(table["confounds explain"]) == ["0 %", "20 %"]
    assert "interval above 0" in " ".join(words.notes(replace(small_plan, power=points)))


def test_a_plan_that_shares_its_level_over_runs_says_so(small_plan):
    notes = " ".join(words.notes(replace(small_plan, n_runs=3)))
    assert "held to .05 / 3, for the 3 runs of the experiment" in notes
    raised = " ".join(words.notes(replace(small_plan, n_runs=3, permutations=119)))
    assert "119 permutations each (as many as a p corrected over 3 runs takes)" in raised


def test_the_notes_say_what_features_per_person_the_ceiling_and_the_made_up_truth_mean(small_plan):
    said = " ".join(words.notes(small_plan))
    assert "26 participants meet 16 features, 1.6 participants for each" in said
    assert "Reliability ceiling: R2 0.80. The rest of the variance of this outcome is measurement error" in said
    assert "A true R2 of 0.60 is therefore 75 % of the variance that can be predicted" in said
    assert "Another truth gives other numbers" in said


@pytest.mark.parametrize(
    ("detectable_r2", "said"),
    [(None, "above 0.60, the largest"), (0.1, "below 0.20, the smallest"), (0.4, "about 0.40, between")],
)
def test_the_smallest_r2_found_is_told_only_between_those_asked_about(small_plan, detectable_r2, said):
    assert f"Smallest R2 shown in 80 % of trials: {said}" in " ".join(
        words.notes(replace(small_plan, detectable=detectable_r2))
    )


def test_a_share_above_the_ceiling_cannot_be(small_plan):
    low = replace(small_plan, ceiling=0.3)
    assert "A true R2 of 0.60 is impossible." in " ".join(words.notes(low))
    assert "0.60 (above the reliability ceiling)" in set(words.shown_power(low)["true R2"])
    assert "true R2 0.60 (above the reliability ceiling)" in words.shown_curve(low).columns
    assert not any("ceiling" in cell for cell in words.shown_power(small_plan)["true R2"])


def test_the_picture_says_in_words_what_it_shows(small_plan, tmp_path):
    files = draw_learning_curve(small_plan, tmp_path)
    assert sorted(path.name for path in files) == [
        "learning_curve-dark.png",
        "learning_curve-dark.svg",
        "learning_curve.png",
        "learning_curve.svg",
    ]
    last = small_plan.curve[-1]
    assert f"and 52 participants {last.expected:.2f}" in (tmp_path / "learning_curve.svg").read_text(encoding="utf-8")


def test_there_is_no_picture_without_a_curve(small_plan, tmp_path):
    assert draw_learning_curve(replace(small_plan, curve=()), tmp_path) == ()


# --------------------------------------------------------------------------------------------------- the command line


@pytest.fixture(scope="module")
def demo_study(tmp_path_factory) -> Path:
    study = tmp_path_factory.mktemp("plan") / "study"
    pipeline.init(study)
    pipeline.simulate_study(study, preset="demo", achievable=False)
    path = study / "experiments" / "shaps_ketamine_minus_placebo.toml"
    text = path.read_text(encoding="utf-8")
    sets = re.search(r"\[feature_sets\].*?(?=\[validation\])", text, flags=re.DOTALL)[0]
    text = re.sub(r"^primary = .*\n", "", text, flags=re.MULTILINE)
    text = text.replace(sets, '[feature_sets]\npet = ["pet"]\n\n').replace('feature_sets = ["connectivity"]\n', "")
    path.write_text(text, encoding="utf-8")
    return study


QUICK = ["--simulations", "20", "--permutations", "19", "--r2", "0.3", "--quiet", "--jobs", "1"]
EXPERIMENT = "shaps_ketamine_minus_placebo"


def test_a_plan_is_printed_and_written_and_counts_as_no_result_viewed(demo_study, tmp_path, capsys):
    before = sorted(path.name for path in (demo_study / "experiments").iterdir())
    command = ["plan", EXPERIMENT, "--study", str(demo_study), *QUICK]
    assert run_command([*command, "--to", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    said = " ".join(printed.split())
    assert (
        "The strongest verdict that can be reached is exploratory, predictive: as the study is written it misses"
        in said
    )
    assert "missed at least 50 participants (37 participants, and a stronger claim needs 50; change: 13 more" in said
    assert "Power: share of simulated trials in which prediction is shown" in printed
    written = {path.name for path in (tmp_path / "out" / "pet").iterdir()}
    assert {"plan.txt", "power.tsv", "learning_curve.tsv", "sample_size.tsv", "learning_curve.png"} <= written
    assert sorted(path.name for path in (demo_study / "experiments").iterdir()) == before
    assert not (demo_study / "mlruns" / "mlflow.db").exists()
    assert run_command([*command, "--to", str(tmp_path / "out")]) == 2
    assert "plan.txt: is there already; name another folder, or add --force" in capsys.readouterr().err


def test_swapping_the_scores_between_people_changes_nothing_in_a_plan(demo_study, tmp_path):
    """The ceiling alone knows how the scores of a person go together."""
    swapped = Path(shutil.copytree(demo_study, tmp_path / "study"))
    path = swapped / "sources" / "phenotype" / "shaps.tsv"
    people = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    for column in ("SHAPS_d2", "SHAPS_p2"):
        there = ~people[column].isin(["n/a", ""])
        people.loc[there, column] = np.roll(people.loc[there, column].to_numpy(), 7)
    people.to_csv(path, sep="\t", index=False)
    asked = {"r2": [0.3], "simulations": 20, "permutations": 19, "jobs": 1}
    (one,), (other,) = (pipeline.plan(EXPERIMENT, study=study, **asked) for study in (demo_study, swapped))
    assert replace(one.plan, ceiling=None) == replace(other.plan, ceiling=None)
    assert one.plan.power


RESPONSE = """\
question = "Does PET before treatment predict response?"
sessions = ["ses-b0"]
confounds = ["age", "site"]
[outcome]
score = "MADRS"
kind = "response"
from = "ses-b0"
at = "ses-d2"
[feature_sets]
pet = ["pet"]
[validation]
repeats = 10
permutations = 1000
[[models]]
kind = "logistic-ridge"
"""


def test_a_response_is_planned_with_confounds_and_its_own_labels_are_not_looked_at(demo_study, tmp_path):
    study = Path(shutil.copytree(demo_study, tmp_path / "study"))
    (study / "experiments" / "response.toml").write_text(RESPONSE, encoding="utf-8")
    (one,) = pipeline.plan("response", study=study, r2=[0.6], simulations=20, permutations=19, jobs=1)
    assert [point.confound_share for point in one.plan.power] == [0.0, 0.2]


@pytest.mark.parametrize(
    ("words_typed", "found"),
    [
        (["--r2", "1.2"], "--r2: 1.2 is no share of variance"),
        (["--participants", "5"], "--participants: 5 participants are too few"),
        (["--permutations", "5"], "--permutations: with 5 no p is .05 or below"),
        (["--simulations", "3"], "--simulations: 3 say next to nothing"),
        (["--prevalence", "1"], "--prevalence: 1 is no share of participants"),
        (["--mean", "10"], "--mean and --sd: go together"),
    ],
)
def test_questions_that_have_no_answer_are_refused(demo_study, capsys, words_typed, found):
    assert run_command(["plan", EXPERIMENT, "--study", str(demo_study), *words_typed]) == 2
    assert found in capsys.readouterr().err


def test_the_help_of_plan_has_examples(capsys):
    assert run_command(["plan", "--help"]) == 0
    assert "workbench plan madrs_change --participants 120" in capsys.readouterr().out


def test_the_example_of_the_docs_is_what_its_script_wrote():
    docs = Path(__file__).resolve().parents[1] / "docs"
    kept = json.loads((docs / "planning.json").read_text(encoding="utf-8"))
    text = " ".join((docs / "planning.md").read_text(encoding="utf-8").replace("\n> ", "\n").split())
    assert kept["verdict"] in text
