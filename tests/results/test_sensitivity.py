from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from workbench.knowledge.scales import find_scale
from workbench.records import (
    Background,
    Decision,
    Difference,
    DropOut,
    RegressionToMean,
    ScaleEnds,
    Sensitivity,
    Subgroup,
)
from workbench.results.run_result import reduce_run
from workbench.results.sensitivity import in_words

AGE = Difference("age", 40, 6, 35.0, 44.0, 0.9)
LOST = DropOut(46, 6, (AGE,), r2_weighted=0.11, n_predicted=4, tipping=6.5, tipping_sd=0.7)
FALL = RegressionToMean(
    "MADRS", ("ses-b0", "ses-d2"), 20.0, True, 0.91, 40, 9.0, 1.8, 0.4, 3.1, 0.001, 0.04, 0.2, reason=""
)
FLOOR = ScaleEnds("MADRS", "ses-d2", 40, 0.0, 60.0, 0.225, 0.0)


@pytest.fixture(scope="module")
def scores(shown):
    return reduce_run(shown).scores


def words(scores, **sensitivity) -> str:
    return " ".join(in_words(replace(scores, sensitivity=Sensitivity(**sensitivity))))


def test_a_run_of_which_nothing_is_known_says_nothing(scores):
    assert scores.sensitivity.drop_out is None
    assert in_words(replace(scores, sensitivity=Sensitivity())) == []


def test_drop_out_says_how_many_who_and_what_it_could_have_done(scores):
    said = words(scores, drop_out=LOST)
    assert said == (
        "6 of 46 eligible participants are not analysed (age differs by 0.90 SD): R2 0.11 weighted to all eligible, "
        "0 if "
        "the 4 "
        "of them with features were 6.50 MADRS points below what is expected."
    )
    assert "6.50 MADRS points above what" in words(scores, drop_out=replace(LOST, tipping=-6.5))
    assert "0 or less if the 4 of them with features did as expected" in words(
        scores, drop_out=replace(LOST, tipping=0.0)
    )


def test_a_tipping_point_outside_the_range_of_the_scale_is_said_to_be_so(scores):
    far = replace(LOST, tipping=74.0, tipping_outside=4, outcome_range=(-60.0, 60.0))
    assert "74.00 MADRS points below what is expected, which is outside the range of the outcome (-60 to 60)." in words(
        scores, drop_out=far
    )
    assert "outside the range of the outcome for 1 of them (-60 to 60)" in words(
        scores, drop_out=replace(far, tipping_outside=1)
    )
    assert "outside" not in words(scores, drop_out=replace(far, tipping=6.5, tipping_outside=0))


def test_a_handful_lost_are_not_described(scores):
    few = DropOut(42, 2, (replace(AGE, n_lost=2),))
    assert words(scores, drop_out=few) == "2 of 42 eligible participants are not analysed."


def test_regression_to_the_mean_is_set_beside_what_was_seen(scores):
    assert words(scores, regression_to_mean=FALL) == (
        "If nothing happened MADRS would improve by 1.80 points (taken in from 20 on; 9.00 seen, p = .001)."
    )
    assert "no threshold of entry declared" in words(scores, regression_to_mean=replace(FALL, declared=False))
    unknown = replace(FALL, reason="no reliability of MADRS is known")
    assert "cannot be said: no reliability of MADRS is known" in words(scores, regression_to_mean=unknown)


def test_a_floor_is_told_with_the_result_by_ranks(scores):
    said = words(scores, scale_ends=(FLOOR,), rank_r2=0.08)
    assert said == "22 % are at the lowest MADRS (0) at ses-d2; R2 by ranks 0.08."
    assert words(scores, scale_ends=(replace(FLOOR, at_minimum=0.1),)) == ""
    ceiling = replace(FLOOR, at_minimum=0.0, at_maximum=0.5)
    assert words(scores, scale_ends=(ceiling,)) == "50 % are at the highest MADRS (60) at ses-d2."


def test_decisions_are_told_with_what_they_were_compared_with(scores):
    found = Decision(0.2, 0.7, 0.5, 0.12, 0.45, "clinical_ols")
    assert "on all, on none or on the clinical model at 50 % of thresholds, at best 0.12 per participant" in words(
        scores, decision=found
    )
    nowhere = Decision(None, None, 0.0, -0.01, 0.45)
    assert "At no threshold does acting on the predictions bring more than acting on all or on none" in words(
        scores, decision=nowhere
    )


def test_subgroups_are_told_from_worst_to_best_and_as_not_tested(scores):
    groups = (Subgroup("sex", "F", 30, 0.2), Subgroup("sex", "M", 12, -0.1), Subgroup("site", "b", 4))
    said = words(scores, subgroups=groups)
    assert said == "R2 in subgroups -0.10 (sex M, n = 12) to 0.20 (sex F, n = 30); their differences are not tested."


def test_what_matters_most_stands_first(scores):
    groups = (Subgroup("sex", "F", 30, 0.2), Subgroup("sex", "M", 12, -0.1))
    everything = Sensitivity((FLOOR,), 0.08, FALL, LOST, Decision(0.2, 0.7, 0.5, 0.1, 0.4, "clinical_ols"), groups)
    sentences = in_words(replace(scores, sensitivity=everything))
    assert sentences[0].startswith("6 of 46 eligible participants")
    assert sentences[1].startswith("If nothing happened")
    assert len(sentences) == 5


def test_a_run_gathers_what_its_data_allow(shown):
    """Ratings with a floor, a threshold of entry, eight people lost and two of them with features."""
    dataset = shown.dataset
    people = list(dataset.rows["participant_id"])
    everyone = [*people, *(f"sub-9{k:03d}" for k in range(8))]
    rng = np.random.default_rng(0)
    values = pd.DataFrame({"age": rng.normal(40, 9, len(everyone)), "sex": rng.choice(["F", "M"], len(everyone))})
    after = np.where(rng.random(len(people)) < 0.3, 0.0, rng.integers(1, 40, len(people)))
    ratings = pd.DataFrame({"ses-b0": rng.integers(20, 45, len(people)), "ses-d2": after}, index=people, dtype=float)
    outcome = replace(dataset.outcome, score="MADRS", scale=find_scale("MADRS"), ratings=ratings)
    known = Background(values.set_index(pd.Index(everyone)), ("age", "sex"))
    inputs = replace(
        shown,
        dataset=replace(dataset, outcome=outcome, background=known),
        unobserved=(np.array([11.0, 10.5]), np.array([10.0, 10.0])),
    )
    found = reduce_run(inputs).scores.sensitivity
    assert [each.session for each in found.scale_ends] == ["ses-b0", "ses-d2"]
    assert found.scale_ends[1].at_minimum == pytest.approx((after == 0).mean())
    assert 0 < found.rank_r2 < 1
    assert found.regression_to_mean.observed == pytest.approx((ratings["ses-b0"] - ratings["ses-d2"]).mean())
    assert (found.drop_out.n_lost, found.drop_out.n_predicted) == (8, 2)
    assert found.drop_out.r2_weighted == pytest.approx(reduce_run(inputs).scores.performance.r2, abs=0.1)
    assert {each.variable for each in found.subgroups} == {"age", "sex"}
    assert found.decision is None


def test_a_binary_outcome_has_a_decision_curve_and_no_ranks(make_inputs):
    run = reduce_run(make_inputs(n=60, signal=0.9, binary=True, permutations=0, repeats=2))
    assert run.scores.sensitivity.decision.clinical == run.scores.increment.against
    assert list(run.decision_curve) == ["threshold", "predictions", "clinical", "treat_all", "treat_none"]
    assert run.scores.sensitivity.decision.gain > 0.05
    assert run.scores.sensitivity.rank_r2 is None
    assert reduce_run(make_inputs(permutations=0, repeats=1)).decision_curve is None
