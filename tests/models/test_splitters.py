from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.model_selection import GroupKFold, KFold, LeaveOneGroupOut, StratifiedGroupKFold, StratifiedKFold

from workbench.errors import FitError
from workbench.models.nested_cv import plan_units
from workbench.models.splitters import for_interval, inner_folds, k_folds, outer_folds
from workbench.records import Covariates
from workbench.specs.experiment import ValidationSpec
from workbench.specs.learners import RidgeSpec


def same(splits, expected):
    return all(
        np.array_equal(split.train, train) and np.array_equal(split.test, test)
        for split, (train, test) in zip(splits, expected, strict=True)
    )


def test_plain_folds_are_those_of_kfold_with_the_documented_random_state(make_dataset):
    drawn = outer_folds(make_dataset(n=26), ValidationSpec(seed=3, outer=5), repeats=2)
    for repeat in range(2):
        expected = KFold(5, shuffle=True, random_state=3000 + repeat).split(np.zeros(26))
        assert same(drawn[repeat], expected)


def test_inner_folds_with_an_inner_seed_are_those_of_kfold_in_the_order_of_the_ids(make_dataset):
    dataset, validation = make_dataset(n=26), ValidationSpec(inner=4, inner_seed=7)
    train = outer_folds(dataset, validation, 1)[0][2].train
    expected = ((train[a], train[b]) for a, b in KFold(4, shuffle=True, random_state=7).split(train))
    assert same(inner_folds(dataset, train, validation, seed=99), expected)


def test_inner_folds_without_an_inner_seed_follow_the_seed_given(make_dataset):
    dataset, train = make_dataset(n=26), np.arange(4, 26)
    expected = ((train[a], train[b]) for a, b in KFold(5, shuffle=True, random_state=99).split(train))
    assert same(inner_folds(dataset, train, ValidationSpec(), seed=99), expected)


def test_rows_of_one_person_stay_together(make_dataset):
    dataset = make_dataset(n=12, rows_per_person=3)
    for split in outer_folds(dataset, ValidationSpec(outer=4), 1)[0]:
        held_out = set(dataset.rows["participant_id"].iloc[split.test])
        assert held_out.isdisjoint(dataset.rows["participant_id"].iloc[split.train])
        assert len(split.test) == 9


def test_families_are_split_like_group_kfold(make_dataset):
    families = np.repeat(np.arange(10), 2)
    drawn = outer_folds(make_dataset(n=20, groups=families), ValidationSpec(seed=1), 1)[0]
    expected = GroupKFold(5, shuffle=True, random_state=1000).split(np.zeros(20), groups=families)
    assert same(drawn, expected)


def test_strata_are_balanced_like_stratified_kfold(make_dataset):
    strata = np.arange(20) % 2
    drawn = outer_folds(make_dataset(n=20, strata=strata), ValidationSpec(), 1)[0]
    assert same(drawn, StratifiedKFold(5, shuffle=True, random_state=0).split(np.zeros(20), strata))


def test_strata_and_families_together_are_split_like_stratified_group_kfold(make_dataset):
    families, strata = np.repeat(np.arange(10), 2), np.repeat(np.arange(10) % 2, 2)
    drawn = outer_folds(make_dataset(n=20, strata=strata, groups=families), ValidationSpec(outer=4), 1)[0]
    expected = StratifiedGroupKFold(4, shuffle=True, random_state=0).split(np.zeros(20), strata, families)
    assert same(drawn, expected)


def test_leaving_sites_out_leaves_them_out_in_the_inner_folds_too(make_dataset):
    sites = np.array(["bern", "oslo", "york"])[np.arange(21) % 3]
    dataset, validation = make_dataset(n=21, sites=sites), ValidationSpec(leave_out="site")
    (drawn,) = outer_folds(dataset, validation, repeats=10)
    assert same(drawn, LeaveOneGroupOut().split(np.zeros(21), groups=sites))
    inner = inner_folds(dataset, drawn[0].train, validation, seed=0)
    assert [set(sites[split.test]) for split in inner] == [{"oslo"}, {"york"}]


def test_a_training_set_of_one_site_is_split_by_people(make_dataset):
    sites = np.array(["bern", "oslo"])[np.arange(20) % 2]
    dataset, validation = make_dataset(n=20, sites=sites), ValidationSpec(leave_out="site", inner=5)
    train = outer_folds(dataset, validation, 1)[0][0].train
    assert len(inner_folds(dataset, train, validation, seed=0)) == 5


def test_beside_a_site_of_one_the_inner_folds_are_drawn_like_any_other(make_dataset):
    """Leaving the other site out would leave one person to learn from."""
    sites = np.array(["bern"] * 10 + ["oslo"] * 9 + ["york"])
    dataset, validation = make_dataset(n=20, sites=sites), ValidationSpec(leave_out="site", inner=3)
    leaving_bern, leaving_oslo, leaving_york = outer_folds(dataset, validation, 1)[0]
    assert [len(inner_folds(dataset, split.train, validation, seed=0)) for split in (leaving_bern, leaving_oslo)] == [
        3,
        3,
    ]
    inner = inner_folds(dataset, leaving_york.train, validation, seed=0)
    assert [set(sites[split.test]) for split in inner] == [{"bern"}, {"oslo"}]
    held = replace(dataset, confounds=Covariates(tuple("abcdefgh"), tuple("abcdefgh"), np.ones((20, 8))))
    assert len(inner_folds(held, leaving_york.train, validation, seed=0)) == 3, "nine rows for eight covariates"


def test_a_family_at_two_sites_is_refused_when_sites_are_left_out(make_dataset):
    sites = np.array(["bern", "oslo"])[np.arange(8) % 2]
    dataset = make_dataset(n=8, sites=sites, groups=np.repeat(np.arange(4), 2))
    with pytest.raises(FitError, match="4 groups have participants at two sites"):
        outer_folds(dataset, ValidationSpec(leave_out="site"), 1)


def test_given_folds_replace_the_drawn_ones_and_may_list_more_people(make_dataset):
    index = pd.Index([f"sub-{number:04d}" for number in range(1, 12)], name="participant_id")
    table = pd.DataFrame({"one": [2, 1] * 5 + [3], "two": [1] * 5 + [2] * 6}, index=index)
    drawn = outer_folds(make_dataset(n=10, given_folds=table), ValidationSpec(), repeats=50)
    assert [len(folds) for folds in drawn] == [2, 2]
    assert drawn[0][0].test.tolist() == [1, 3, 5, 7, 9]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.iloc[1:], "1 of the 10 participants analysed are not in the table, such as sub-0001"),
        (lambda table: pd.concat([table, table.iloc[:1]]), "sub-0001 is listed twice"),
        (lambda table: table.assign(one=1), "everyone analysed has the same fold number"),
        (lambda table: table.astype(float).replace(0.0, np.nan), "have no fold number"),
        (lambda table: table[[]], "no column of fold numbers"),
    ],
)
def test_given_folds_that_do_not_fit_are_refused(make_dataset, change, message):
    index = pd.Index([f"sub-{number:04d}" for number in range(1, 11)], name="participant_id")
    table = change(pd.DataFrame({"one": [0, 1] * 5}, index=index))
    with pytest.raises(FitError, match=message):
        outer_folds(make_dataset(n=10, given_folds=table), ValidationSpec(), 1)


def test_given_folds_that_tear_a_family_are_refused(make_dataset):
    index = pd.Index([f"sub-{number:04d}" for number in range(1, 11)], name="participant_id")
    table = pd.DataFrame({"one": [0, 1] * 5}, index=index)
    dataset = make_dataset(n=10, groups=np.repeat(np.arange(5), 2), given_folds=table)
    with pytest.raises(FitError, match="5 groups are split between folds, such as that of sub-0001 and sub-0002"):
        outer_folds(dataset, ValidationSpec(), 1)


def test_too_few_people_are_said_in_words(make_dataset):
    with pytest.raises(FitError, match="5 folds need at least 5 participants, there are 4"):
        outer_folds(make_dataset(n=4), ValidationSpec(), 1)
    with pytest.raises(FitError, match="inner folds: 5 folds need at least 5 participants, there are 4"):
        inner_folds(make_dataset(n=6), np.arange(4), ValidationSpec(), seed=0)


def test_leaving_sites_out_needs_two_sites(make_dataset):
    with pytest.raises(FitError, match="all participants are from one site"):
        outer_folds(make_dataset(n=8, sites=np.repeat("bern", 8)), ValidationSpec(leave_out="site"), 1)
    with pytest.raises(FitError, match="there is no site"):
        outer_folds(make_dataset(n=8), ValidationSpec(leave_out="site"), 1)


def test_strata_that_are_all_too_small_are_refused(make_dataset):
    with pytest.raises(FitError, match="declare fewer or larger strata"):
        outer_folds(make_dataset(n=10, strata=np.arange(10)), ValidationSpec(), 1)


# ------------------------------------------------------------------------------------------ division of the interval

RIDGE = RidgeSpec(kind="ridge")


def given(repeats, folds, of):
    """A table of given folds for the people of a dataset."""
    ids = sorted(set(of.rows["participant_id"]))
    n = len(ids)
    numbers = {f"repeat_{k}": np.roll(np.arange(n) % folds, k) for k in range(repeats)}
    return pd.DataFrame(numbers, index=pd.Index(ids, name="participant_id"))


@pytest.mark.parametrize("outer", [2, 3, 10, 20])
def test_the_division_of_the_interval_is_the_one_that_five_outer_folds_would_have(make_dataset, outer):
    dataset, five = make_dataset(n=40), ValidationSpec(seed=2)
    own, validation, learner = for_interval(dataset, ValidationSpec(seed=2, outer=outer), RIDGE)
    expected = plan_units(dataset, five.model_copy(update={"permutations": 0}), RIDGE)
    assert [unit.key for unit in plan_units(own, validation, learner)] == [unit.key for unit in expected]


def test_five_folds_need_no_division_beside_them(make_dataset):
    assert for_interval(make_dataset(n=40), ValidationSpec(outer=5), RIDGE) is None


@pytest.mark.parametrize("of_the_model", [True, False])
def test_fewer_than_ten_repeats_get_no_division_whatever_the_folds(make_dataset, of_the_model):
    few = ValidationSpec(outer=10) if of_the_model else ValidationSpec(outer=10, repeats=9)
    learner = RIDGE.model_copy(update={"repeats": 9}) if of_the_model else RIDGE
    assert for_interval(make_dataset(n=40), few, learner) is None


def test_sites_left_out_get_no_division(make_dataset):
    assert for_interval(make_dataset(n=40), ValidationSpec(leave_out="site"), RIDGE) is None


def test_people_too_few_for_five_folds_and_their_inner_ones_get_no_division(make_dataset):
    families = np.arange(40) // 8  # 5 families: 4 to learn from are fewer than 5 inner folds
    assert for_interval(make_dataset(n=40, groups=families), ValidationSpec(outer=3), RIDGE) is None
    assert for_interval(make_dataset(n=40, groups=families), ValidationSpec(outer=3, inner=4), RIDGE) is not None


@pytest.mark.parametrize(("repeats", "folds", "serve"), [(10, 5, True), (9, 5, False), (10, 4, False), (12, 6, False)])
def test_given_folds_serve_where_they_are_ten_times_five(make_dataset, repeats, folds, serve):
    dataset = make_dataset(n=40)
    dataset = replace(dataset, given_folds=given(repeats, folds, of=dataset))
    division = for_interval(dataset, ValidationSpec(folds="folds.tsv", repeats=3), RIDGE)
    assert (division is None) is serve
    if division is not None:
        own, validation, learner = division
        units = plan_units(own, validation, learner)
        assert len(units) == 10 * 5


@pytest.mark.parametrize(("n", "n_splits"), [(5, 5), (21, 5), (26, 5), (57, 10), (100, 3)])
def test_folds_of_participants_are_those_of_scikit_learn_to_the_last_row(n, n_splits):
    for random_state in (0, 1, 1000, 2**32 - 1):
        expected = KFold(n_splits, shuffle=True, random_state=random_state).split(np.zeros(n))
        fold_of = k_folds(n, n_splits, random_state)
        for fold, (train, test) in enumerate(expected):
            assert_array_equal(np.flatnonzero(fold_of != fold), train)
            assert_array_equal(np.flatnonzero(fold_of == fold), test)
