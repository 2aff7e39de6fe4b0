"""ComBat with training parameters: the published implementation's numbers, known answers, and rows never seen."""

import contextlib
import io
import sys

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.utils.estimator_checks import parametrize_with_checks

from workbench.errors import FitError
from workbench.models.combat import ComBat


@parametrize_with_checks([ComBat()])
def test_combat_is_a_scikit_learn_transformer(estimator, check):
    check(estimator)


@pytest.fixture
def scanned():
    """90 rows of three sites that differ in location and scale, 40 features that age and sex move."""
    rng = np.random.default_rng(0)
    n, p = 90, 40
    site = np.resize(["A", "B", "C"], n)
    age, female = rng.normal(40, 10, n), (rng.random(n) < 0.5).astype(float)
    X = rng.standard_normal((n, p)) + 0.03 * age[:, None] + 0.4 * female[:, None]
    X += (site == "B")[:, None] * rng.normal(0.7, 0.4, p)
    X[site == "C"] *= rng.uniform(0.8, 1.6, p)
    return X, site, np.column_stack([female, age])


def published(X, site, preserved, reference=None, *, tolerance=None):
    """What neuroCombat (Fortin's own code) makes of the same rows."""
    package = pytest.importorskip("neuroCombat", reason="neuroCombat, the published implementation, is not installed")
    module = sys.modules["neuroCombat.neuroCombat"]
    covars = pd.DataFrame({"site": site, "sex": preserved[:, 0], "age": preserved[:, 1]})
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()):
        patch.setattr(np, "int", int, raising=False)  # it was written for numpy before 1.24
        if tolerance is not None:
            patch.setattr(module.it_sol, "__defaults__", (tolerance,))
        columns = {"categorical_cols": ["sex"], "continuous_cols": ["age"]}
        return package.neuroCombat(X.T, covars, "site", ref_batch=reference, **columns)["data"].T


def test_the_training_set_is_harmonised_as_the_published_implementation_does(scanned):
    """Its iteration stops at a relative change of 1e-4, here it is run to the end, as ours is."""
    X, site, preserved = scanned
    mine = ComBat(location_only_below=2).fit_transform(X, batch=site, preserve=preserved)
    assert_allclose(mine, published(X, site, preserved, tolerance=1e-13), rtol=0, atol=1e-6)
    assert_allclose(mine, published(X, site, preserved), rtol=0, atol=1e-4)
    assert np.abs(mine - X).max() > 1


def test_with_a_reference_too(scanned):
    X, site, preserved = scanned
    combat = ComBat(location_only_below=2, unseen="reference", reference="B")
    mine = combat.fit_transform(X, batch=site, preserve=preserved)
    assert_allclose(mine, published(X, site, preserved, "B", tolerance=1e-13), atol=1e-6)
    assert_allclose(mine[site == "B"], X[site == "B"], rtol=1e-12)


@pytest.mark.filterwarnings("ignore:Only one feature")
def test_one_feature_without_a_prior_is_as_in_combatlearn(scanned):
    """With several features combatlearn 2.3 takes its priors over sites, for each feature; Johnson over features."""
    combatlearn = pytest.importorskip("combatlearn", reason="combatlearn is not installed")
    X, site, preserved = scanned
    frame, covariates = pd.DataFrame(X[:, :1]), pd.DataFrame(preserved, columns=["sex", "age"])
    other = combatlearn.ComBat(batch=pd.Series(site), continuous_covariates=covariates, method="fortin", eps=1e-14)
    mine = ComBat(location_only_below=2).fit_transform(X[:, :1], batch=site, preserve=preserved)
    assert_allclose(mine, other.fit_transform(frame).to_numpy(), atol=1e-6)


def test_the_formula_by_hand_where_priors_are_those_of_two_features():
    """Johnson et al. (2007), section 3.2, written out for one shifted site."""
    rng = np.random.default_rng(5)
    X, site = rng.normal(size=(24, 2)) * [1.0, 3.0], np.repeat(["A", "B"], 12)
    X[12:] += [2.0, -1.0]
    means = np.array([X[:12].mean(axis=0), X[12:].mean(axis=0)])
    scale = np.sqrt(np.square(X - np.repeat(means, 12, axis=0)).mean(axis=0))
    Z = (X - means.mean(axis=0)) / scale
    expected = np.empty_like(X)
    for rows in (slice(0, 12), slice(12, 24)):
        gamma, delta = Z[rows].mean(axis=0), Z[rows].var(axis=0, ddof=1)
        prior, spread = gamma.mean(), gamma.var(ddof=1)
        shape = (2 * delta.var(ddof=1) + delta.mean() ** 2) / delta.var(ddof=1)
        rate = (delta.mean() * delta.var(ddof=1) + delta.mean() ** 3) / delta.var(ddof=1)
        for _ in range(200):
            location = (12 * spread * gamma + delta * prior) / (12 * spread + delta)
            delta = (rate + np.square(Z[rows] - location).sum(axis=0) / 2) / (6 + shape - 1)
        expected[rows] = (Z[rows] - location) / np.sqrt(delta) * scale + means.mean(axis=0)
    assert_allclose(ComBat(location_only_below=2).fit_transform(X, batch=site), expected, atol=1e-8)


def test_rows_never_seen_get_the_parameters_of_those_fitted(scanned):
    X, site, preserved = scanned
    combat = ComBat().fit(X[:60], batch=site[:60], preserve=preserved[:60])
    alone = combat.transform(X[75:76], batch=site[75:76], preserve=preserved[75:76])
    together = combat.transform(X[60:], batch=site[60:], preserve=preserved[60:])
    assert_allclose(alone[0], together[15], rtol=1e-12)
    fitted_on_all = ComBat().fit(X, batch=site, preserve=preserved)
    everybody = fitted_on_all.transform(X[60:], batch=site[60:], preserve=preserved[60:])
    assert np.abs(together - everybody).max() > 0.01


def test_what_is_preserved_stays_and_sites_go(scanned):
    """Age differs between the sites here, so leaving it out of the model would take its effect away with them."""
    rng = np.random.default_rng(2)
    site = np.repeat(["A", "B"], 300)
    age = rng.normal(40, 10, 600) + 15 * (site == "B")
    X = rng.standard_normal((600, 20)) + 0.1 * age[:, None] + 3.0 * (site == "B")[:, None]
    kept = ComBat().fit_transform(X, batch=site, preserve=age[:, None])
    slopes = np.linalg.lstsq(np.column_stack([np.ones(600), site == "B", age]), kept, rcond=None)[0]
    assert np.abs(slopes[1]).max() < 0.3
    assert_allclose(slopes[2], 0.1, atol=0.02)
    lost = ComBat().fit_transform(X, batch=site)
    assert np.abs(lost[300:].mean(axis=0) - lost[:300].mean(axis=0)).max() < 0.3
    assert (kept[300:].mean(axis=0) - kept[:300].mean(axis=0)).min() > 1.0


def test_a_site_that_was_not_seen_is_refused_unless_a_policy_says_else(scanned):
    X, site, _ = scanned
    train = site != "C"
    with pytest.raises(FitError, match="nobody at 'C' is among the training participants, so it cannot be harmonised"):
        ComBat().fit(X[train], batch=site[train]).transform(X, batch=site)
    for combat in (ComBat(unseen="none"), ComBat(unseen="reference", reference="A")):
        made = combat.fit(X[train], batch=site[train]).transform(X, batch=site)
        assert np.array_equal(made[~train], X[~train])
        assert np.abs(made[train & (site == "B")] - X[train & (site == "B")]).max() > 0.1


def test_the_largest_site_stands_in_for_a_reference_that_was_not_seen(scanned):
    X, site, _ = scanned
    train = (site != "C") & ~((site == "A") & (np.arange(90) > 60))
    made = ComBat(unseen="reference", reference="C").fit(X[train], batch=site[train]).transform(X, batch=site)
    assert_allclose(made[site == "B"], X[site == "B"], rtol=1e-12)
    assert np.array_equal(made[site == "C"], X[site == "C"])
    assert np.abs(made[site == "A"] - X[site == "A"]).max() > 0.1


def test_a_small_site_is_shifted_and_not_scaled(scanned):
    X, site, _ = scanned
    few = np.r_[np.flatnonzero(site != "C"), np.flatnonzero(site == "C")[:4]]
    made = ComBat(location_only_below=5).fit_transform(X[few], batch=site[few])
    moved = made - X[few]
    assert_allclose(moved[-4:], np.tile(moved[-1], (4, 1)), atol=1e-12)
    assert np.ptp(moved[site[few] == "A"], axis=0).min() > 1e-3


def test_a_site_of_one_participant_is_brought_towards_the_others(scanned):
    X, site, _ = scanned
    few = np.r_[np.flatnonzero(site != "C"), np.flatnonzero(site == "C")[:1]]
    X = X[few] + 6.0 * (site[few] == "C")[:, None]
    made = ComBat(location_only_below=2).fit_transform(X, batch=site[few])
    mean = made[:-1].mean()
    assert abs(made[-1].mean() - mean) < 0.2 * abs(X[-1].mean() - mean)


def test_missing_values_stay_missing_and_change_the_others_as_if_they_were_not_there():
    rng = np.random.default_rng(4)
    X, site = rng.standard_normal((40, 6)) + 1.0, np.resize(["A", "B"], 40)
    X[site == "B"] += 2.0
    X[3, 2] = np.nan
    made = ComBat().fit_transform(X, batch=site)
    assert np.array_equal(np.isnan(made), np.isnan(X))
    whole = np.arange(40) != 3
    without = ComBat().fit(X[whole], batch=site[whole]).harmoniser_
    assert ComBat().fit(X, batch=site).harmoniser_.mean[2] == pytest.approx(without.mean[2])


def test_a_feature_that_does_not_vary_is_left_as_it_is(scanned):
    X, site, _ = scanned
    X[:, 7] = 3.25
    made = ComBat().fit_transform(X, batch=site)
    assert_allclose(made[:, 7], 3.25)
    assert np.isfinite(made).all()


def test_a_covariate_that_cannot_be_told_from_sites_is_not_preserved(scanned):
    X, site, preserved = scanned
    same = np.column_stack([preserved, (site == "B").astype(float)])
    expected = ComBat().fit_transform(X, batch=site, preserve=preserved)
    assert_allclose(ComBat().fit_transform(X, batch=site, preserve=same), expected, atol=1e-9)


def test_pools_have_priors_of_their_own(scanned):
    X, site, _ = scanned
    pools = np.repeat([0, 1], 20)
    apart = ComBat(pools=pools).fit_transform(X, batch=site)
    assert_allclose(apart[:, :20], ComBat().fit_transform(X[:, :20], batch=site), atol=1e-12)
    assert np.abs(apart - ComBat().fit_transform(X, batch=site)).max() > 1e-4


def test_rows_and_batches_of_different_numbers_are_refused(scanned):
    X, site, _ = scanned
    with pytest.raises(ValueError, match="X has 90 rows, batch"):
        ComBat().fit(X, batch=site[:-1])
