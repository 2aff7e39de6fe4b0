"""Whole sites left out and site held fixed, where sites differ in outcome, features and nothing else."""

from dataclasses import replace

import numpy as np
import pytest

from workbench.evaluation.inference import permutation_test, permuted_r2
from workbench.evaluation.metrics import long_table, r2_within_sites
from workbench.evaluation.sites import MOST_REPEATS, holding_site, leaving_sites_out
from workbench.models.nested_cv import fit_unit, plan_units, target_matrices
from workbench.specs.experiment import SITES_TO_LEAVE_OUT, ValidationSpec
from workbench.specs.learners import RidgeSpec

RIDGE = RidgeSpec(kind="ridge")


def fitted(dataset, validation):
    units = plan_units(dataset, validation, RIDGE)
    units = [replace(unit, procedures=("main",)) for unit in units]
    targets = target_matrices(dataset, validation)
    return [fit_unit(dataset, unit, RIDGE, targets, explain=0) for unit in units]


def r2_of(analysis):
    return permuted_r2(fitted(*analysis), "main")[0]


@pytest.fixture
def differing(make_dataset):
    """A function: noise, in sites that lie so many SD apart in the outcome and one apart in every feature."""

    def make(seed, *, n_sites, apart, n=60, blocks=True):
        dataset = make_dataset(n=n, p=15, seed=seed)
        rng = np.random.default_rng(1000 + seed)
        site = rng.permutation(np.arange(n) % n_sites)
        y = rng.normal(size=n) + apart * site
        X = dataset.X + rng.normal(size=(n_sites, 15))[site]
        names = np.array(["bern", "oslo", "york"])[site]
        return replace(dataset.with_features(X), y=y, sites=names, blocks=site if blocks else np.zeros(n, int))

    return make


def test_site_held_fixed_keeps_the_folds_and_has_a_column_for_every_site_but_the_most_frequent(make_dataset):
    sites = np.array(["york", "bern", "oslo", "bern"] * 5)
    dataset = make_dataset(n=20, sites=sites, confounds={"age": np.arange(20.0)}, clinical={"sex": np.arange(20) % 2})
    held, validation = holding_site(dataset, ValidationSpec(permutations=200, leave_out="site"))
    assert (validation.leave_out, validation.permutations) == (None, 0)
    assert held.nuisance.names == ("age", "site[oslo]", "site[york]")
    assert np.array_equal(held.nuisance.values[:, 1:], np.column_stack([sites == "oslo", sites == "york"]))
    assert plan_units(held, validation, RIDGE)[0].procedures == ("main", "confounds")
    asked = ValidationSpec(repeats=2, permutations=0)
    held, validation = holding_site(dataset, asked)
    for one, other in zip(plan_units(held, validation, RIDGE), plan_units(dataset, asked, RIDGE), strict=True):
        assert np.array_equal(one.outer.test, other.outer.test)
        assert one.key != other.key


def test_site_is_not_held_fixed_where_it_is_already_or_where_there_is_one(make_dataset):
    sites, asked = np.array(["bern", "oslo"] * 10), ValidationSpec()
    assert holding_site(make_dataset(n=20, sites=sites, forced={"site": np.arange(20) % 2}), asked) is None
    assert holding_site(make_dataset(n=20, sites=np.repeat("bern", 20)), asked) is None
    assert holding_site(make_dataset(n=20), asked) is None


def test_whole_sites_are_left_out_from_three_on_unless_the_run_does_so(make_dataset):
    sites = np.array(["bern", "oslo", "york", "bern"] * 5)
    dataset = make_dataset(n=20, sites=sites, confounds={"site": np.arange(20) % 3, "age": np.arange(20.0)})
    left, validation = leaving_sites_out(dataset, ValidationSpec())
    assert SITES_TO_LEAVE_OUT == 3
    assert (left.nuisance.names, validation.leave_out) == (("age",), "site")
    assert len(plan_units(left, validation, RIDGE)) == 3
    two = replace(dataset, sites=np.where(sites == "york", "bern", sites))
    assert leaving_sites_out(two, ValidationSpec()) is None
    assert leaving_sites_out(dataset, ValidationSpec(leave_out="site")) is None


def test_an_interval_of_the_run_with_site_held_fixed_needs_ten_repeats_and_gets_no_more():
    assert MOST_REPEATS == 10


def test_permutations_inside_sites_hold_their_level_where_two_sites_differ(differing):
    """41 % of nulls are at p <= .05 where outcomes leave their site; here, of 60 cohorts, at most 8 may be."""

    def rejects(seed, *, blocks):
        dataset = differing(seed, n_sites=2, apart=1.0, blocks=blocks)
        validation = ValidationSpec(repeats=1, permutations=39, seed=seed)
        return permutation_test(permuted_r2(fitted(dataset, validation), "main"), scheme="").p <= 0.05

    assert sum(rejects(seed, blocks=True) for seed in range(60)) <= 8
    assert sum(rejects(seed, blocks=False) for seed in range(20)) >= 8


def test_sites_that_differ_predict_nothing_with_site_held_fixed_and_little_within_sites(differing):
    """Noise in three sites .8 SD apart: left out they are predicted in a quarter of cohorts, in their means alone."""
    plain, held, across, within = [], [], [], []
    asked = ValidationSpec(repeats=1, permutations=0)
    for seed in range(30):
        dataset = differing(seed, n_sites=3, apart=0.8)
        plain.append(r2_of((dataset, asked)))
        held.append(r2_of(holding_site(dataset, asked)))
        left, validation = leaving_sites_out(dataset, asked)
        results = fitted(left, validation)
        across.append(permuted_r2(results, "main")[0])
        within.append(r2_within_sites(long_table(left, results, "main")))
    assert np.mean(plain) > 0.1
    assert np.mean(held) <= 0
    assert sum(np.array(held) > 0) <= 6
    assert sum(np.array(across) > 0) > sum(np.array(within) > 0)
    assert np.mean(within) <= 0


def test_a_signal_inside_sites_is_there_with_site_held_fixed_and_within_the_sites_left_out(make_dataset):
    sites = np.array(["bern", "oslo", "york"])[np.arange(120) % 3]
    dataset = make_dataset(n=120, p=6, r2=0.6, sites=sites)
    asked = ValidationSpec(repeats=1, permutations=0)
    assert r2_of(holding_site(dataset, asked)) > 0.3
    left, validation = leaving_sites_out(dataset, asked)
    assert r2_within_sites(long_table(left, fitted(left, validation), "main")) > 0.3


def test_sites_of_one_leave_nothing_to_be_predicted_within_them(make_dataset):
    dataset = make_dataset(n=6, sites=np.array(list("abcdef")))
    left, validation = leaving_sites_out(dataset, ValidationSpec(inner=2))
    assert r2_within_sites(long_table(left, fitted(left, validation), "main")) is None
