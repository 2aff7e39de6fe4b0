import numpy as np
import pytest

from workbench.evaluation import circuit_test as marginal
from workbench.evaluation.circuit_test import circuit_test, effects
from workbench.models.permutations import target_matrix
from workbench.models.preprocessing import spanning_basis
from workbench.records import UNASSIGNED


def nuisance_basis(N):
    return spanning_basis(N, N[:0]).train


def targets_of(dataset, n_permutations):
    N = dataset.nuisance.values
    return target_matrix(dataset.y, N, dataset.blocks, dataset.groups, n_permutations, seed=0)


def partial_r(x, y, N):
    design = np.column_stack([np.ones(len(y)), N])
    residuals = [values - design @ np.linalg.lstsq(design, values, rcond=None)[0] for values in (x, y)]
    return np.corrcoef(*residuals)[0, 1]


def test_the_statistic_is_the_sum_of_squared_partial_correlations_in_every_column(make_dataset):
    dataset = make_dataset(n=40, confounds={"age": np.random.default_rng(9).normal(size=40)})
    targets, N = targets_of(dataset, 3), dataset.nuisance.values
    test = circuit_test(dataset, targets)
    assert test.circuits == ("default", "reward", "salience")
    for column in range(4):
        r = np.array([partial_r(x, targets[:, column], N) for x in dataset.X.T])
        assert np.allclose(test.statistic[column], [(r[4:8] ** 2).sum(), (r[:4] ** 2).sum(), (r[8:] ** 2).sum()])
    assert np.allclose(test.feature_r, [partial_r(x, dataset.y, N) for x in dataset.X.T])


def test_the_planted_circuit_is_found_and_no_other(make_dataset):
    dataset = make_dataset(n=120, r2=0.3, signal=4)
    statistic = circuit_test(dataset, targets_of(dataset, 199)).statistic
    p = (statistic >= statistic[0]).mean(axis=0)
    assert p[1] == pytest.approx(1 / 200)
    assert p[[0, 2]].min() > 0.05


def test_features_in_chunks_give_the_same_as_features_at_once(make_dataset, monkeypatch):
    dataset = make_dataset(n=30, missing=0.05)
    whole = circuit_test(dataset, targets_of(dataset, 9))
    monkeypatch.setattr(marginal, "FEATURES_AT_ONCE", 5)
    parts = circuit_test(dataset, targets_of(dataset, 9))
    assert np.allclose(whole.statistic, parts.statistic)
    assert np.allclose(whole.effect_low, parts.effect_low)
    assert np.array_equal(whole.feature_p, parts.feature_p)


def test_effects_and_their_intervals_are_those_of_least_squares(make_dataset):
    from scipy.stats import linregress, t

    dataset = make_dataset(n=30, r2=0.3)
    test = circuit_test(dataset, targets_of(dataset, 0))
    line = linregress(dataset.X[:, 0], dataset.y)
    sd = dataset.X[:, 0].std(ddof=1)
    assert test.effect[0] == pytest.approx(line.slope * sd)
    half = t.ppf(0.975, 28) * line.stderr * sd
    assert (test.effect_low[0], test.effect_high[0]) == pytest.approx((line.slope * sd - half, line.slope * sd + half))


def test_rows_of_one_person_do_not_narrow_the_interval(make_dataset):
    once = make_dataset(n=30, r2=0.3)
    thrice = make_dataset(n=30, r2=0.3, rows_per_person=3, y=np.repeat(once.y, 3))
    thrice.X[:] = np.repeat(once.X, 3, axis=0)
    width = [
        test.effect_high - test.effect_low
        for test in (circuit_test(dataset, targets_of(dataset, 0)) for dataset in (once, thrice))
    ]
    assert np.median(width[1] / width[0]) == pytest.approx(1.0, abs=0.2)


def test_a_feature_that_does_not_vary_goes_with_nothing(make_dataset):
    dataset = make_dataset(n=30, confounds={"age": np.arange(30.0)})
    dataset.X[:, 0], dataset.X[:, 1] = 7.0, 3 * np.arange(30.0) + 2
    test = circuit_test(dataset, targets_of(dataset, 19))
    assert test.feature_r[:2].tolist() == [0.0, 0.0]
    assert test.feature_p[:2].tolist() == [1.0, 1.0]
    assert test.effect[:2].tolist() == [0.0, 0.0]


def test_features_without_a_circuit_are_tested_as_unassigned(make_dataset):
    dataset = make_dataset(n=30)
    dataset.features["circuit"] = ""
    assert circuit_test(dataset, targets_of(dataset, 0)).circuits == (UNASSIGNED,)


# ------------------------------------------------------------------------------------------------ effects of circuits


def test_the_effect_of_a_circuit_is_least_squares_on_the_mean_of_its_features(make_dataset):
    from scipy.stats import t

    dataset = make_dataset(n=60, r2=0.3, confounds={"age": np.random.default_rng(9).normal(size=60)})
    X = dataset.X[:, :4]
    score = ((X - X.mean(axis=0)) / X.std(axis=0, ddof=1)).mean(axis=1)
    design = np.column_stack([np.ones(60), dataset.nuisance.values, score])
    slope, residual, *_ = np.linalg.lstsq(design, dataset.y, rcond=None)
    error = np.sqrt(residual[0] / 57 * np.linalg.inv(design.T @ design)[2, 2])
    test = circuit_test(dataset, targets_of(dataset, 0))
    assert test.circuits[1] == "reward"
    assert test.circuit_effect[1] == pytest.approx(slope[2] * score.std(ddof=1))
    half = test.circuit_effect_high[1] - test.circuit_effect[1]
    assert half == pytest.approx(t.ppf(0.975, 57) * error * score.std(ddof=1))


def test_missing_values_leave_the_rest_of_a_circuit(make_dataset, monkeypatch):
    dataset = make_dataset(n=30)
    dataset.X[0, :], dataset.X[1, 0] = np.nan, np.nan
    whole = circuit_test(dataset, targets_of(dataset, 0))
    assert np.isfinite(whole.circuit_effect).all()
    monkeypatch.setattr(marginal, "FEATURES_AT_ONCE", 3)
    assert circuit_test(dataset, targets_of(dataset, 0)).circuit_effect == pytest.approx(whole.circuit_effect)


def test_a_constant_circuit_has_no_effect(make_dataset):
    dataset = make_dataset(n=30)
    dataset.X[:] = 1.0
    test = circuit_test(dataset, targets_of(dataset, 0))
    assert np.isnan(test.circuit_effect).all()
    assert np.isnan(test.circuit_effect_low).all()


# ------------------------------------------------------------------------------------------------ people of one family


def families(sizes, n):
    """Family of each of n people, in families of these sizes over and over."""
    return np.repeat(np.arange(n), np.resize(sizes, n))[:n]


def alike(rng, groups, columns, correlation):
    """Standard normal columns in which people of one family correlate as given."""
    shared = rng.standard_normal((groups.max() + 1, columns))[groups]
    return np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * rng.standard_normal((len(groups), columns))


@pytest.mark.parametrize(("n", "n_nuisance"), [(60, 0), (60, 4), (120, 2)])
def test_intervals_of_effects_hold_the_truth_where_families_are_alike(n, n_nuisance):
    """Families of 2 and 3, intraclass correlation .9 of features and outcome: 79-83 % as if all were strangers."""
    rng = np.random.default_rng(n + n_nuisance)
    groups = families([2, 3], n)
    covered = []
    for _ in range(150):
        X, noise = alike(rng, groups, 10, 0.9), alike(rng, groups, 1, 0.9)[:, 0]
        basis = nuisance_basis(alike(rng, groups, n_nuisance, 0.9))
        y = 0.3 * X[:, 0] + noise
        effect, half = effects(X, y, basis, groups)
        truth = np.zeros(10)
        truth[0] = 0.3 * X[:, 0].std(ddof=1)
        covered.append(np.abs(effect - truth) <= half)
    assert np.mean(covered) >= 0.93


def test_the_interval_leaves_out_one_family_at_a_time(make_dataset):
    """The closed form is the jackknife over families, refitted."""
    from scipy.stats import t

    groups = families([1, 2, 3, 2], 40)
    dataset = make_dataset(n=40, r2=0.3, groups=groups, confounds={"age": np.random.default_rng(9).normal(size=40)})
    design = np.column_stack([np.ones(40), dataset.nuisance.values, dataset.X[:, 5]])

    def slope(keep):
        return np.linalg.lstsq(design[keep], dataset.y[keep], rcond=None)[0][-1]

    everyone, n_families = slope(np.full(40, True)), groups.max() + 1
    moved = [slope(groups != family) - everyone for family in range(n_families)]
    error = np.sqrt((n_families - 1) / n_families * np.square(moved).sum())
    test = circuit_test(dataset, targets_of(dataset, 0))
    half = test.effect_high[5] - test.effect[5]
    assert half == pytest.approx(t.ppf(0.975, n_families - 1) * error * dataset.X[:, 5].std(ddof=1))


def test_a_feature_that_one_family_alone_has_is_not_measured():
    groups = families([2], 20)
    x = np.where(groups == 3, [1.0, -1.0] * 10, 0.0)
    effect, half = effects(
        x[:, None], np.random.default_rng(0).normal(size=20), nuisance_basis(np.eye(20)[:, :0]), groups
    )
    assert np.isfinite(effect).all()
    assert np.isinf(half).all()


def test_a_site_of_one_family_changes_no_interval_of_the_others():
    rng = np.random.default_rng(0)
    groups = families([2], 42)
    x, y = rng.normal(size=(42, 1)), rng.normal(size=42)
    site = (groups == 20).astype(float)[:, None]
    with_site = effects(x, y, nuisance_basis(site), groups)
    without = effects(x[:40], y[:40], nuisance_basis(site[:40, :0]), groups[:40])
    assert np.isfinite(with_site[1]).all()
    assert with_site[1][0] / x.std(ddof=1) == pytest.approx(without[1][0] / x[:40].std(ddof=1), rel=0.15)


def test_features_and_circuits_count_families_alike(make_dataset):
    """A circuit of one feature has the interval of that feature."""
    dataset = make_dataset(n=60, p=3, groups=families([3], 60))
    test = circuit_test(dataset, targets_of(dataset, 0))
    own = [test.circuits.index(circuit) for circuit in dataset.features["circuit"]]
    assert test.circuit_effect_low[own] == pytest.approx(test.effect_low)
    strangers = circuit_test(make_dataset(n=60, p=3), targets_of(dataset, 0))
    assert not np.allclose(strangers.effect_low, test.effect_low)
