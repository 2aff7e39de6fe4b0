from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest

from workbench.evaluation.baseline_held import with_baseline_held
from workbench.evaluation.explanations import GATED
from workbench.evaluation.increment import delta_r2
from workbench.evaluation.metrics import held_out_losses, long_table, r2_without_each
from workbench.records import Covariates, Sensitivity, Split, Viewing, WorkUnit
from workbench.results.family import finish_experiment
from workbench.results.run_description import validation_in_words
from workbench.results.run_result import reduce_run
from workbench.specs.learners import RidgeSpec, XGBoostSpec


@pytest.fixture(scope="module")
def strong(shown):
    return reduce_run(shown)


@pytest.fixture(scope="module")
def failed(absent):
    return finish_experiment([reduce_run(absent)])[0]


def same(first, second) -> bool:
    """Whether two records hold the same values, NaN included."""
    return repr(first) == repr(second)


# --------------------------------------------------------------------------------------------------------- one run


def test_the_order_in_which_units_finished_changes_nothing(shown, shuffled_order, strong):
    again = reduce_run(shuffled_order(shown))
    assert same(asdict(again.scores), asdict(strong.scores))
    for name in ("predictions", "folds", "null", "shap", "features", "circuits", "modalities"):
        pd.testing.assert_frame_equal(getattr(again, name), getattr(strong, name), check_exact=True)
    assert again.tags == strong.tags


def test_predictions_hold_the_documented_columns_sorted(strong):
    columns = ["participant_id", "session", "repeat", "fold", "observed", "predicted", "reference"]
    assert strong.predictions.columns.tolist() == [*columns, "low_90", "high_90"]
    keys = strong.predictions[["repeat", "participant_id"]]
    assert keys.equals(keys.sort_values(["repeat", "participant_id"], ignore_index=True))


def test_r2_can_be_recomputed_from_the_predictions(strong):
    table = strong.predictions
    by_repeat = [
        1 - ((part.observed - part.predicted) ** 2).sum() / ((part.observed - part.reference) ** 2).sum()
        for _, part in table.groupby("repeat")
    ]
    assert strong.scores.performance.r2 == pytest.approx(np.mean(by_repeat), abs=1e-12)


def test_folds_say_who_was_held_out_when(shown, strong):
    assert strong.folds.columns.tolist() == ["participant_id", *(f"repeat_{k}" for k in range(10))]
    unit = next(u for u in shown.units if (u.repeat, u.fold) == (3, 1))
    people = shown.dataset.rows["participant_id"].iloc[unit.outer.test]
    assert strong.folds.loc[strong.folds["repeat_3"] == 1, "participant_id"].tolist() == people.tolist()


def test_inner_folds_say_who_was_held_out_for_tuning_in_every_outer_fold(shown, strong):
    assert strong.inner_folds is None, "these units have none"
    halves = []
    for unit in shown.units:
        first, second = unit.outer.train[::2], unit.outer.train[1::2]
        halves.append(replace(unit, inner=(Split(second, first), Split(first, second))))
    table = reduce_run(replace(shown, units=halves)).inner_folds.set_index("participant_id")
    assert list(table)[:6] == [*(f"repeat_0_fold_{fold}" for fold in range(5)), "repeat_1_fold_0"]
    assert table.shape == (60, 50)
    unit, people = halves[7], shown.dataset.rows["participant_id"]
    column = table[f"repeat_{unit.repeat}_fold_{unit.fold}"]
    assert set(column.index[column.isna()]) == set(people.iloc[unit.outer.test])
    assert set(column.index[column == 0]) == set(people.iloc[unit.inner[0].test])


def test_the_null_has_one_row_per_permutation_and_the_increment_beside(strong):
    assert strong.null.columns.tolist() == ["permutation", "r2", "increment"]
    assert strong.null["permutation"].tolist() == list(range(1, 200))


def test_p_counts_the_null_that_is_written(strong):
    r2 = strong.scores.performance.r2
    assert strong.scores.test.p == (1 + (strong.null["r2"] >= r2).sum()) / 200


def test_every_procedure_is_scored_beside_the_main_one(strong):
    names = [each.procedure for each in strong.scores.procedures]
    assert names == [
        "raw",
        "confounds",
        "clinical_ols",
        "clinical_ridge",
        "clinical:age",
        "increment",
        "joint",
    ]


def test_the_increment_is_over_the_clinical_model_with_the_smallest_error(shown, strong):
    error = {
        name: sum(
            float(((shown.dataset.y[r.test] - r.procedures[name].predicted) ** 2).sum()) for r in shown.unit_results
        )
        for name in ("clinical_ols", "clinical_ridge", "clinical:age")
    }
    assert strong.scores.increment.against == min(error, key=error.get)


def test_the_increment_is_relative_to_the_error_of_the_training_mean(shown, strong):
    losses = {
        name: held_out_losses(shown.dataset, shown.units, shown.unit_results, name)
        for name in (strong.scores.increment.against, "increment", "joint")
    }
    clinical, added, joint = losses.values()
    by_hand = [(clinical.model[:, k].sum() - added.model[:, k].sum()) / added.mean[:, k].sum() for k in range(10)]
    assert strong.scores.increment.delta_r2 == pytest.approx(np.mean(by_hand))
    assert strong.scores.increment.joint_delta_r2 == pytest.approx(delta_r2(clinical, joint))


def test_p_of_the_increment_comes_from_its_own_null(strong):
    null = strong.null["increment"]
    own = next(each for each in strong.scores.procedures if each.procedure == "increment")
    assert strong.scores.increment.test.p == (1 + (null >= own.r2).sum()) / 200


def test_without_clinical_variables_there_is_no_increment(make_inputs):
    run = reduce_run(make_inputs(clinical=False, permutations=19, repeats=2))
    assert run.scores.increment is None
    assert run.null.columns.tolist() == ["permutation", "r2"]


def test_without_permutations_the_increment_is_estimated_but_not_tested(make_inputs):
    run = reduce_run(make_inputs(permutations=0, repeats=10))
    assert run.scores.increment.test is None
    assert run.scores.increment.interval is not None
    assert len(run.null) == 0


def test_a_refused_p_is_carried_with_its_reason(make_inputs):
    run = finish_experiment([reduce_run(make_inputs(permutations=0, repeats=2, refused="too few"))])[0]
    assert (run.scores.test.p, run.scores.test.refused, run.scores.p_family) == (None, "too few", None)


def test_the_provisional_run_has_no_candidates_and_no_corrected_p(strong):
    assert strong.scores.p_family is None
    assert not strong.circuits["candidate"].any()
    assert len(strong.biomarkers) == 0


def test_the_tuning_is_a_value_that_was_chosen(make_inputs):
    inputs = make_inputs(permutations=0, repeats=1, outer=4)
    alphas = iter([0.1, 1.0, 10.0, 100.0])

    def choosing(result):
        main = replace(result.procedures["main"], chosen={"alpha": next(alphas), "kind": "deep"})
        return replace(result, procedures={**result.procedures, "main": main})

    run = reduce_run(replace(inputs, unit_results=[choosing(r) for r in inputs.unit_results]))
    assert run.scores.tuning == {"alpha": 1.0, "kind": "deep"}


def test_influence_keeps_the_extremes_and_counts_who_carries_the_result(shown):
    people = shown.dataset.rows["participant_id"].tolist()
    r2 = {person: 0.1 for person in people} | {people[3]: -0.2, people[5]: 0.4, people[6]: 0.0}
    influence = reduce_run(replace(shown, influence=(r2, True, 5))).scores.influence
    assert (influence.lowest, influence.highest, influence.n_not_positive) == (-0.2, 0.4, 2)
    assert [person for person, _ in influence.by_participant] == sorted(people)


def test_influence_may_be_left_out(shown):
    assert reduce_run(replace(shown, influence=None)).scores.influence is None


def test_trees_are_judged_against_the_better_reference_everywhere(shown):
    """Here the learner on confounds alone is nearly perfect, so the features add nothing to it."""

    def improved(result):
        y = shown.dataset.y[result.test]
        main = result.procedures["main"]
        good = replace(main, predicted=y + 0.01, squared_error=0.0001 * len(y) * np.ones(200))
        return replace(result, procedures={**result.procedures, "confounds": good})

    inputs = replace(
        shown,
        residualised=False,
        unit_results=[improved(r) for r in shown.unit_results],
        influence=(dict(shown.influence[0]), False, 5),
    )
    run = finish_experiment([reduce_run(inputs)])[0]
    assert run.claim.verdict == "prediction not shown"
    assert run.predictions["reference"].to_numpy() == pytest.approx(run.predictions["observed"] + 0.01)
    assert run.scores.influence.highest < 0
    linear = finish_experiment([reduce_run(replace(inputs, residualised=True))])[0]
    assert linear.claim.verdict == "exploratory"


def test_shap_values_that_do_not_add_up_are_noted(shown):
    bent = [replace(r, shap_base=r.shap_base + 0.1) for r in shown.unit_results]
    run = reduce_run(replace(shown, unit_results=bent))
    assert run.scores.shap_additivity == pytest.approx(0.1)
    assert any("SHAP values miss their predictions" in note for note in run.scores.notes)


# ------------------------------------------------------------------------------------------------------- tags, params


def test_names_tags_and_params_hold_no_participant(strong):
    text = repr((strong.scores.run_name, strong.tags, strong.params, strong.claim))
    assert "sub-" not in text


def test_the_run_name_starts_with_what_distinguishes_it(strong):
    assert strong.scores.run_name == "ridge . dmn4"


def test_there_are_at_most_fifteen_flat_params(strong):
    assert len(strong.params) <= 15
    assert all(isinstance(value, str | int | float) for value in strong.params.values())


def test_tags_say_what_must_be_known_at_a_glance(strong):
    expected = {"claim_kind": "prognostic", "modalities": "connectivity", "data": "synthetic", "arms": "ketamine"}
    assert expected.items() <= strong.tags.items()
    assert strong.tags["people_digest"] == "people-60"


def test_runs_on_the_same_shuffles_share_a_digest(make_inputs, strong):
    other = reduce_run(make_inputs(n=60, permutations=19, repeats=1, seed=5))
    elsewhere = reduce_run(make_inputs(n=60, permutations=19, repeats=1, shuffles=1))
    assert other.tags["shuffles_digest"] == strong.tags["shuffles_digest"]
    assert elsewhere.tags["shuffles_digest"] != strong.tags["shuffles_digest"]


def test_labels_permuted_given_other_covariates_are_other_shuffles(make_inputs):
    inputs = make_inputs(n=60, permutations=19, repeats=1, binary=True)
    held = inputs.dataset.confounds
    other = replace(inputs.dataset, confounds=replace(held, values=held.values[::-1].copy()))
    unit = replace(inputs.dataset, confounds=replace(held, values=held.values * 2.0**30))
    digests = [
        reduce_run(replace(inputs, dataset=each)).tags["shuffles_digest"] for each in (inputs.dataset, other, unit)
    ]
    assert digests[0] != digests[1]
    assert digests[0] == digests[2]


def test_the_validation_is_said_in_words(shown):
    assert (
        validation_in_words(shown.validation, shown.unit_results)
        == "10 x 5-fold, 5 inner folds, participants never split"
    )


def test_sites_left_out_are_said_in_words(shown):
    sites = shown.validation.model_copy(update={"leave_out": "site"})
    words = validation_in_words(sites, [r for r in shown.unit_results if r.repeat == 0])
    assert words == "one of 5 sites left out at a time, in the inner folds too"


def test_the_reference_is_named(shown, strong, make_inputs):
    assert strong.scores.reference == "the confounds-only model (sex)"
    bare = reduce_run(make_inputs(confounds=False, permutations=0, repeats=1))
    assert bare.scores.reference == "the training mean"
    forced = replace(shown.dataset, forced=Covariates(("MADRS@ses-b0",), ("MADRS@ses-b0",), shown.dataset.X[:, :1]))
    run = reduce_run(replace(shown, dataset=forced))
    assert (run.scores.reference, run.scores.forced) == (
        ("the confounds-only model (MADRS@ses-b0, sex)"),
        ("MADRS@ses-b0",),
    )


# ------------------------------------------------------------------------------------------------------- experiments


def test_a_family_of_one_needs_no_correction(shown, strong):
    run = finish_experiment([strong])[0]
    assert (run.scores.p_family, run.scores.family_size) == (strong.scores.test.p, 1)
    assert run.tags["claim"] == run.claim.verdict == "exploratory"


def test_runs_are_corrected_over_one_another(make_inputs, strong):
    others = [reduce_run(make_inputs(n=60, permutations=199, seed=seed)) for seed in (5, 6, 7)]
    runs = finish_experiment([strong, *others])
    assert [run.scores.family_size for run in runs] == [4] * 4
    assert all(run.scores.p_family >= run.scores.test.p for run in runs)
    assert runs[0].claim.verdict == "exploratory"
    assert sum(run.claim.verdict == "exploratory" for run in runs) == 1


def test_runs_keep_their_order_and_the_order_changes_no_number(make_inputs, strong):
    other = reduce_run(make_inputs(n=60, permutations=199, seed=6, feature_set="other"))
    first, second = finish_experiment([strong, other]), finish_experiment([other, strong])[::-1]
    assert [run.scores.feature_set for run in first] == ["dmn4", "other"]
    for a, b in zip(first, second, strict=True):
        assert same(asdict(a.scores), asdict(b.scores))


def test_runs_on_other_people_are_corrected_by_holm(make_inputs, strong):
    other = reduce_run(make_inputs(n=40, signal=0.9, permutations=199, seed=2))
    runs = finish_experiment([strong, other])
    assert [run.scores.p_family for run in runs] == pytest.approx([0.01, 0.01])


def with_held(run, held, n=None):
    """A run beside the same with something else held fixed, which stands for the baseline score."""
    n = run.scores.n_participants if n is None else n
    return with_baseline_held(run, replace(held, scores=replace(held.scores, n_participants=n)))


def test_the_run_with_the_baseline_held_fixed_is_corrected_over_the_family_as_the_run_is(make_inputs, strong):
    """Members without one stand as they are, so that the family is no smaller for what was not analysed."""
    weak = reduce_run(make_inputs(n=60, signal=0.3, permutations=199, seed=4))
    others = [reduce_run(make_inputs(n=60, permutations=199, seed=seed)) for seed in (5, 6)]
    runs = finish_experiment([with_held(strong, weak), *others])
    expected = finish_experiment([weak, *others])[0].scores
    held = runs[0].scores.baseline_held
    assert (held.p_family, held.family_size) == (expected.p_family, 3)
    assert held.p_family >= weak.scores.test.p
    assert runs[0].scores.p_family == finish_experiment([strong, *others])[0].scores.p_family
    assert [run.scores.baseline_held for run in runs[1:]] == [None, None]


def test_looks_count_against_the_run_with_the_baseline_held_fixed_too(strong):
    run = finish_experiment([with_held(strong, strong)], [Viewing(4, others=3)])[0]
    assert run.scores.baseline_held.judged_p == pytest.approx(4 * strong.scores.test.p)
    assert run.scores.baseline_held.viewing == Viewing(4, others=3)


def test_without_some_participants_the_companion_has_shuffles_of_its_own(make_inputs, strong):
    other = reduce_run(make_inputs(n=60, signal=0.9, permutations=199, seed=2))
    runs = finish_experiment([with_held(strong, strong, n=55), other])
    assert runs[0].scores.baseline_held.p_family == pytest.approx(2 * strong.scores.test.p), "Holm over two sets"


def test_a_companion_without_a_p_has_none_after_correction(make_inputs, strong):
    refused = reduce_run(make_inputs(n=60, signal=0.9, permutations=199, refused="too few"))
    assert finish_experiment([with_held(strong, refused)])[0].scores.baseline_held.judged_p is None


def test_a_companion_keeps_no_second_copy_of_what_stands_beside_the_run(strong):
    held = with_held(strong, strong).scores.baseline_held
    assert (held.sensitivity, held.shuffled, held.influence.by_pair) == (Sensitivity(), None, ())
    assert held.influence.by_participant == strong.scores.influence.by_participant


def test_the_number_of_participants_refitted_is_kept(shown):
    r2 = dict(shown.influence[0])
    influence = reduce_run(replace(shown, influence=(r2, 25, 5))).scores.influence
    assert (influence.refitted, influence.n_refitted, influence.repeats) == (True, 25, 5)


def test_results_viewed_before_are_held_against_the_claim_and_not_against_the_corrected_p(make_inputs, strong):
    other = reduce_run(make_inputs(n=60, permutations=199, seed=6, feature_set="other"))
    alone = finish_experiment([strong, other])
    runs = finish_experiment([strong, other], [Viewing(4, others=3), Viewing(5, others=3)])
    assert [run.scores.p_family for run in runs] == [run.scores.p_family for run in alone]
    assert runs[0].scores.p_claim == pytest.approx(runs[0].scores.p_family * 5 / 2)
    assert runs[0].scores.viewing == Viewing(4, others=3)
    many = finish_experiment([strong], [Viewing(41, others=40)])[0]
    assert many.claim.verdict == "prediction not shown"
    assert len(many.biomarkers) == 0
    assert "40 results had been viewed for this outcome before it" in many.claim.reasons


def test_a_run_without_permutations_is_not_tested_not_counted_and_ranks_nothing(make_inputs, strong):
    bare = reduce_run(make_inputs(n=60, signal=0.9, permutations=0, feature_set="bare"))
    runs = finish_experiment([strong, bare])
    assert runs[1].scores.p_family is None
    assert runs[1].claim.verdict == "not tested"
    assert runs[0].scores.family_size == 1
    assert len(runs[1].biomarkers) == 0
    assert not runs[1].circuits["candidate"].any()
    assert runs[1].circuits["mean_abs_shap"].isna().all()
    assert "the SHAP values explain a model whose prediction was not tested, so nothing is ranked by them" in (
        runs[1].scores.notes
    )


def test_nineteen_permutations_over_two_sets_of_people_cannot_show_anything(make_inputs):
    """Holm over the two leaves .1 at best, whatever the data say: no p tells them from chance."""
    runs = [reduce_run(make_inputs(n=n, signal=0.9, permutations=19, feature_set=f"set_{n}")) for n in (60, 61)]
    finished = finish_experiment(runs)
    assert [run.scores.smallest_p for run in finished] == pytest.approx([0.1, 0.1])
    assert {run.claim.verdict for run in finished} == {"not tested"}
    assert finish_experiment(runs[:1])[0].claim.verdict == "exploratory"


def test_a_failed_run_exports_no_biomarker_and_ranks_nothing(failed):
    assert failed.claim.verdict == "prediction not shown"
    assert len(failed.biomarkers) == 0
    assert failed.circuits["mean_abs_shap"].isna().all()
    assert failed.modalities["share"].isna().all()
    assert failed.features[["mean_abs_shap", "weight", "haufe"]].isna().all(axis=None)
    assert (failed.circuits["note"] == GATED).all()


def test_a_failed_run_still_lists_every_circuit_with_its_test(failed):
    assert failed.circuits[["statistic", "p", "q"]].notna().all(axis=None)
    assert not failed.circuits["candidate"].any()


def test_a_failed_run_says_why_nothing_is_ranked(failed):
    assert any("explain a model that does not predict" in note for note in failed.scores.notes)


def test_people_with_several_rows_are_counted_once(make_inputs):
    inputs = make_inputs(n=20, permutations=0, repeats=1, confounds=False, clinical=False)
    dataset = inputs.dataset
    people = [f"sub-{k // 2:04d}" for k in range(20)]
    rows = pd.DataFrame({"participant_id": people, "session": ["ses-b0", "ses-p2"] * 10})
    order = [np.arange(k * 4, k * 4 + 4) for k in range(5)]
    everyone = np.arange(20)
    units = [
        WorkUnit("", 0, fold, Split(np.setdiff1d(everyone, test), test), (), 0, ()) for fold, test in enumerate(order)
    ]
    results = [
        replace(r, fold=fold, test=test) for fold, (r, test) in enumerate(zip(inputs.unit_results, order, strict=True))
    ]
    run = reduce_run(replace(inputs, dataset=replace(dataset, rows=rows), units=units, unit_results=results))
    assert (run.scores.n_participants, run.scores.n_rows, len(run.folds)) == (10, 20, 10)


def test_a_smaller_search_for_the_permutation_test_is_said_in_words():
    trees = XGBoostSpec(kind="xgboost", trials=50)
    assert trees.search_in_words(0) == ", 50 settings tried per fold"
    assert trees.search_in_words(1000) == ", 10 settings tried per fold, as in every permutation (not the 50 of trials)"
    assert RidgeSpec(kind="ridge").search_in_words(1000) == ""


def test_the_pairs_that_were_refitted_are_kept_the_lowest_first(shown):
    pairs = (("sub-0001", "sub-0002", 0.3), ("sub-0003", "sub-0004", -0.12))
    influence = reduce_run(replace(shown, pairs=pairs)).scores.influence
    assert (influence.lowest_pair, influence.pairs_refitted) == (-0.12, 2)
    assert influence.by_pair[0] == ("sub-0003", "sub-0004", -0.12)


def test_without_refits_every_pair_leaves_the_score_alone(shown):
    each = r2_without_each(long_table(shown.dataset, shown.unit_results, "main"))
    influence = reduce_run(replace(shown, influence=(each, False, 10))).scores.influence
    assert influence.pairs_refitted == 0
    assert influence.lowest_pair < influence.lowest
