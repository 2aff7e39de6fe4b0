from dataclasses import replace

import numpy as np
import pytest

from workbench.models.permutations import permuted_rows, refusal, scheme, target_matrix


def test_column_0_is_the_outcome_and_the_others_are_the_same_values_bit_for_bit():
    y = np.random.default_rng(0).normal(size=30)
    targets = target_matrix(y, np.empty((30, 0)), np.zeros(30, int), np.arange(30), 50, seed=1)
    assert np.array_equal(targets[:, 0], y)
    assert all(np.array_equal(np.sort(column), np.sort(y)) for column in targets.T)
    assert len(np.unique(targets, axis=1).T) == 51


def test_outcomes_never_leave_their_block():
    blocks = np.arange(30) % 3
    order = permuted_rows(blocks, np.arange(30), 20, seed=0)
    assert all(np.array_equal(blocks[moved], blocks) for moved in order)


def test_rows_of_one_person_move_together_and_keep_their_order():
    groups = np.repeat(np.arange(8), 2)
    for moved in permuted_rows(np.zeros(16, int), groups, 20, seed=0):
        assert np.array_equal(moved[1::2], moved[::2] + 1)
        assert set(moved[::2]) == set(range(0, 16, 2))


def test_groups_of_unequal_size_never_change_places():
    groups = np.array([0, 1, 2, 3, 3, 4, 4, 5, 5, 5])
    size = np.bincount(groups)[groups]
    for moved in permuted_rows(np.zeros(10, int), groups, 30, seed=0):
        assert np.array_equal(size[moved], size)
        assert moved[7:].tolist() == [7, 8, 9]


def test_people_whose_rows_lie_in_several_blocks_only_change_with_people_of_the_same_blocks():
    groups, blocks = np.repeat(np.arange(6), 2), np.array([0, 1] * 3 + [1, 0] * 3)
    for moved in permuted_rows(blocks, groups, 20, seed=0):
        assert np.array_equal(blocks[moved], blocks)
        assert set(moved[:6]) == set(range(6))


def test_more_permutations_begin_with_the_same_ones():
    blocks = np.arange(20) % 2
    few, many = (permuted_rows(blocks, np.arange(20), n, seed=5) for n in (10, 100))
    assert np.array_equal(few, many[:10])


def test_runs_on_the_same_people_share_their_permutations_whatever_is_predicted():
    rng = np.random.default_rng(0)
    N, y = rng.normal(size=(20, 2)), rng.normal(size=20)
    order = permuted_rows(np.zeros(20, int), np.arange(20), 5, seed=2)
    targets = target_matrix(y, N, np.zeros(20, int), np.arange(20), 5, seed=2)
    design = np.column_stack([np.ones(20), N])
    explained = design @ np.linalg.pinv(design) @ y
    assert np.allclose(targets[:, 1:], explained[:, None] + (y - explained)[order].T, atol=1e-12)


def test_freedman_lane_columns_keep_the_fit_on_the_nuisance_and_the_size_of_the_residual():
    rng = np.random.default_rng(1)
    N = rng.normal(size=(200, 1))
    y = 3 * N[:, 0] + rng.normal(size=200)
    targets = target_matrix(y, N, np.zeros(200, int), np.arange(200), 300, seed=0)
    slopes = np.linalg.lstsq(np.column_stack([np.ones(200), N]), targets, rcond=None)[0]
    assert np.allclose(targets.mean(axis=0), y.mean())
    assert abs(slopes[1, 1:].mean() - slopes[1, 0]) < 0.02


def test_permutations_leave_the_global_random_state_alone():
    np.random.seed(0)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    target_matrix(np.arange(10.0), np.empty((10, 0)), np.zeros(10, int), np.arange(10), 5, seed=0)
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002


@pytest.mark.parametrize(
    ("arguments", "distinct"),
    [
        ({"n": 3, "y": [1.0, 2.0, 3.0]}, 6),
        ({"n": 8, "blocks": np.arange(8) // 2}, 16),
        ({"n": 6, "y": [1.0, 0, 0, 0, 0, 0], "binary": True}, 6),
        ({"n": 8, "groups": np.repeat([0, 1, 2], [2, 3, 3])}, 2),
    ],
)
def test_a_p_value_is_refused_where_too_few_permutations_are_distinct(make_dataset, arguments, distinct):
    assert f"leaves {distinct} distinct permutations" in refusal(make_dataset(**arguments), 1000)


def test_a_p_value_is_not_refused_for_want_of_nothing(make_dataset):
    assert refusal(make_dataset(n=4), 1000) == ""
    assert refusal(make_dataset(n=3), 0) == ""
    assert refusal(make_dataset(n=400), 1000) == ""


def test_a_p_value_is_refused_where_fewer_than_half_of_the_participants_can_move(make_dataset):
    sites = {"block_names": ("site",)}
    alone = replace(make_dataset(n=20, blocks=np.minimum(np.arange(20), 11)), **sites)  # eleven sites of one, one of 9
    assert refusal(alone, 1000) == (
        "only 9 of 20 participants have somebody to exchange outcomes with within sites, and at least half must"
    )
    half = replace(make_dataset(n=20, blocks=np.minimum(np.arange(20), 10)), **sites)
    assert refusal(half, 1000) == ""
    assert scheme(half) == "outcomes exchanged within sites (10 of 20 participants can move)"
    unlike = make_dataset(n=45, groups=np.repeat(np.arange(12), [1] * 6 + [2, 3, 5, 8, 10, 11]))
    assert "only 6 of 45 participants have somebody to exchange outcomes with, and" in refusal(unlike, 1000)


def test_a_site_of_one_keeps_its_outcome_and_a_family_at_two_sites_moves_to_one_at_the_same_two():
    sites = np.array([0, 0, 0, 0, 1, 1, 1, 1, 2])
    families = np.array([0, 1, 2, 3, 2, 3, 4, 5, 6])  # 2 and 3 have somebody at both sites
    order = permuted_rows(sites, families, 40, seed=0)
    assert set(order[:, 8]) == {8}
    assert {tuple(moved[[2, 4]]) for moved in order} == {(2, 4), (3, 5)}
    assert {tuple(sorted(moved[:2])) for moved in order} == {(0, 1)}
    assert all(np.array_equal(sites[moved], sites) for moved in order)


def test_the_scheme_is_said_in_words(make_dataset):
    assert scheme(make_dataset()) == "outcomes exchanged freely"
    crossover = make_dataset(
        n=6, rows_per_person=2, blocks=np.tile([0, 1], 6), confounds={"age": range(12), "motion": range(12)}
    )
    assert scheme(crossover) == (
        "outcomes of whole participants exchanged within blocks, with age and motion held fixed (Freedman-Lane)"
    )
    assert scheme(make_dataset(n=6, groups=np.repeat([0, 1, 2], 2))).startswith("outcomes of whole groups")
    sites = replace(make_dataset(blocks=np.arange(40) % 4), block_names=("site", "arm"))
    assert scheme(sites) == "outcomes exchanged within sites and arms"
