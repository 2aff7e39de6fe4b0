import numpy as np
import pytest

from workbench.evaluation.inference import (
    FamilyMember,
    benjamini_hochberg,
    correct_family,
    critical_value,
    held_to_earlier_looks,
    holm_across,
    p_value,
    permutation_test,
    permuted_r2,
    westfall_young,
)
from workbench.evaluation.metrics import long_table, performance

# --------------------------------------------------------------------------------------------------------- one run


def test_permuted_r2_pools_folds_and_averages_repeats(shown):
    found = permuted_r2(shown.unit_results, "main")
    for column in (0, 7):
        by_repeat = []
        for repeat in range(10):
            units = [r.procedures["main"] for r in shown.unit_results if r.repeat == repeat]
            model = sum(unit.squared_error[column] for unit in units)
            by_repeat.append(1 - model / sum(unit.squared_error_reference[column] for unit in units))
        assert found[column] == pytest.approx(np.mean(by_repeat), abs=1e-12)


def test_the_observed_statistic_is_the_headline_r2(shown):
    table = long_table(shown.dataset, shown.unit_results, "main")
    expected = performance("main", table, "continuous").r2
    assert permuted_r2(shown.unit_results, "main")[0] == pytest.approx(expected, abs=1e-12)


def test_p_is_never_zero():
    assert p_value(9.0, np.zeros(99)) == 0.01


def test_ties_count_against_the_finding():
    assert p_value(0.1 + 0.2, np.array([0.3, 0.0, 0.0])) == 0.5


def test_a_failed_permutation_counts_against_the_finding():
    assert p_value(1.0, np.array([np.nan, 0.0, 0.0])) == 0.5


def test_no_permutations_give_no_p():
    test = permutation_test(np.array([0.3]), scheme="freely")
    assert (test.p, test.n_permutations, test.refused) == (None, 0, "")
    assert np.isnan(test.null_95)


def test_a_refused_p_says_why():
    test = permutation_test(np.array([0.3]), scheme="freely", refused="the design leaves 6 distinct permutations")
    assert test.p is None
    assert "6 distinct" in test.refused


@pytest.mark.parametrize("n", [19, 39, 99, 199, 999, 1000])
def test_the_critical_value_is_where_p_becomes_significant(n):
    null = np.random.default_rng(n).standard_normal(n)
    edge = critical_value(null)
    assert p_value(edge + 1e-6, null) <= 0.05
    assert p_value(edge, null) > 0.05


def test_with_too_few_permutations_there_is_no_critical_value():
    assert np.isnan(critical_value(np.zeros(18)))


def test_p_of_a_run_on_nothing_is_uniform(make_inputs):
    """Whole-procedure permutation p over simulated null cohorts."""
    p = np.array(
        [
            permutation_test(
                permuted_r2(
                    make_inputs(
                        n=24, p=8, repeats=1, permutations=19, clinical=False, seed=seed, shuffles=seed
                    ).unit_results,
                    "main",
                ),
                scheme="freely",
            ).p
            for seed in range(200)
        ]
    )
    counts = np.bincount(np.round(p * 20).astype(int), minlength=21)[1:]
    assert counts.sum() == 200
    chi_squared = ((counts - 10) ** 2 / 10).sum()
    assert chi_squared < 36.2  # 99th percentile at 19 degrees of freedom
    assert (p <= 0.05).sum() <= 21


# ------------------------------------------------------------------------------------------------------------ q-values


def test_q_values_equal_those_worked_by_hand():
    q = benjamini_hochberg(np.array([0.005, 0.9, 0.03, 0.03]))
    assert q == pytest.approx([0.02, 0.9, 0.04, 0.04])


def test_q_values_equal_scipys():
    from scipy.stats import false_discovery_control

    p = np.random.default_rng(0).random(30) ** 3
    assert benjamini_hochberg(p) == pytest.approx(false_discovery_control(p))


def test_an_untested_circuit_is_not_counted():
    q = benjamini_hochberg(np.array([0.01, np.nan, 0.02]))
    assert q[[0, 2]] == pytest.approx([0.02, 0.02])
    assert np.isnan(q[1])


# ------------------------------------------------------------------------------------------------------------ families


def test_min_p_equals_a_case_worked_by_hand():
    """Two tests, four shuffles. Ranks of the columns (observed first): A 1/5, 2/5 .. ; B 2/5 ..

    A: 5 | 4 1 2 3 -> p 1/5 | 2/5 5/5 4/5 3/5;  B: 8 | 1 9 2 3 -> p 2/5 | 5/5 1/5 4/5 3/5.
    Smallest of both by row: 1/5 | 2/5 1/5 4/5 3/5; at most 1/5 in 2 of 5 rows, so A is 2/5. B alone: 2/5.
    """
    adjusted = westfall_young(np.array([5.0, 8.0]), np.array([[4.0, 1.0], [1, 9], [2, 2], [3, 3]]))
    assert adjusted.tolist() == [0.4, 0.4]


def test_one_test_needs_no_correction():
    null = np.random.default_rng(0).standard_normal(99)
    adjusted = westfall_young(np.array([1.5]), null[:, None])
    assert adjusted[0] == pytest.approx(p_value(1.5, null))


def test_a_test_run_twice_costs_nothing():
    """Perfectly dependent tests share their permutations, so min-p sees one test where Bonferroni sees two."""
    null = np.random.default_rng(0).standard_normal(99)
    adjusted = westfall_young(np.array([1.5, 1.5]), np.column_stack([null, null]))
    assert adjusted == pytest.approx([p_value(1.5, null)] * 2)


def test_nulls_of_different_width_weigh_the_same():
    random = np.random.default_rng(1)
    null = random.standard_normal((199, 2))
    plain = westfall_young(np.array([2.0, 1.0]), null)
    scaled = westfall_young(np.array([200.0, 1.0]), null * [100, 1])
    assert plain == pytest.approx(scaled)


def test_adjusted_p_keeps_the_order_of_p():
    random = np.random.default_rng(2)
    observed, null = random.standard_normal(6) + 1, random.standard_normal((199, 6))
    p = np.array([p_value(observed[k], null[:, k]) for k in range(6)])
    adjusted = westfall_young(observed, null)
    assert (adjusted >= p - 1e-12).all()
    assert (np.diff(adjusted[np.argsort(p)]) >= 0).all()


def test_family_wise_error_of_twelve_correlated_runs_is_held():
    """All nulls true: at most 5 % of families may hold any rejection (P2: at most 21 of 200)."""
    random = np.random.default_rng(3)
    rejected = 0
    for _ in range(200):
        shared = random.standard_normal((100, 1))
        statistic = shared + random.standard_normal((100, 12))
        rejected += westfall_young(statistic[0], statistic[1:]).min() <= 0.05
    assert 1 <= rejected <= 21


def test_one_test_per_group_is_holm():
    corrected = holm_across([np.array([0.01]), np.array([0.04]), np.array([0.03])])
    assert [float(p[0]) for p in corrected] == pytest.approx([0.03, 0.06, 0.06])


def test_a_group_passes_its_share_on_only_when_all_of_it_is_rejected():
    """Groups A (.001, .5) and B (.03): A's .001 alone does not free alpha for B, nor for A's own second test."""
    a, b = holm_across([np.array([0.001, 0.5]), np.array([0.03])])
    assert a == pytest.approx([0.002, 0.5])
    assert b == pytest.approx([0.06])


def test_family_wise_error_over_groups_with_a_true_effect_is_held():
    random = np.random.default_rng(4)
    wrong = 0
    for _ in range(300):
        first = random.standard_normal((100, 2))
        first[0, 0] += 20  # a true effect beside a null in the first group
        second = random.standard_normal((100, 1))
        members = [
            FamilyMember("a", first[0, 0], first[1:, 0]),
            FamilyMember("a", first[0, 1], first[1:, 1]),
            FamilyMember("b", second[0, 0], second[1:, 0]),
        ]
        corrected, _ = correct_family(members)
        wrong += min(corrected[1:]) <= 0.05
    assert wrong <= 26  # 99th percentile of 300 at .05


def test_a_run_without_permutations_has_no_p_and_is_not_counted():
    null = np.random.default_rng(0).standard_normal(99)
    corrected, size = correct_family([FamilyMember("a", 0.4, np.empty(0)), FamilyMember("a", 3.5, null)])
    assert corrected == [None, 0.01]
    assert size == 1


def test_runs_of_different_numbers_of_permutations_are_not_aligned():
    null = np.random.default_rng(0).standard_normal(199)
    members = [FamilyMember("a", 9.0, null), FamilyMember("a", 9.0, null[:99])]
    corrected, _ = correct_family(members)
    assert corrected == pytest.approx([0.01, 0.01])  # Holm over two groups: 2 x .005, then .01


def test_the_order_of_runs_changes_no_p():
    random = np.random.default_rng(5)
    members = [FamilyMember(g, random.standard_normal() + 2, random.standard_normal(99)) for g in "aabbc"]
    forwards, _ = correct_family(members)
    backwards, _ = correct_family(members[::-1])
    assert forwards == backwards[::-1]


def test_a_first_look_keeps_its_p_and_one_run_after_others_is_bonferroni():
    assert held_to_earlier_looks(0.013, 3, 0) == 0.013
    assert held_to_earlier_looks(0.01, 1, 4) == pytest.approx(0.05)
    assert held_to_earlier_looks(0.4, 2, 40) == 1.0


def test_looks_in_a_row_at_nothing_show_something_no_more_often_than_the_docstring_says():
    p = np.random.default_rng(0).uniform(size=(20000, 5))
    held = np.column_stack([[held_to_earlier_looks(each, 1, k) for each in p[:, k]] for k in range(5)])
    bound = 0.05 * sum(1 / k for k in range(1, 6))
    assert 0.10 < (held <= 0.05).any(axis=1).mean() <= bound
    assert (p <= 0.05).any(axis=1).mean() > 0.2, "uncorrected looks would"


def test_nothing_to_correct_is_no_error():
    assert correct_family([]) == ([], 0)
