import itertools

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from workbench.models import conditional_permutation
from workbench.models.conditional_permutation import PENALTY, conditional_rows, nuisance_log_odds
from workbench.models.permutations import outcome_rows, permuted_rows, refusal, scheme, target_matrix
from workbench.models.targets import INCREMENT_ORDER, ORDER, marginal_targets, target_matrices
from workbench.specs.experiment import ValidationSpec

N_DRAWN = 6000


def shares(labels):
    """How often each distinct column occurs."""
    columns, counts = np.unique(labels, axis=0, return_counts=True)
    return {tuple(column): count / len(labels) for column, count in zip(columns.tolist(), counts, strict=True)}


def confounded(n=60, slope=3.0, seed=0):
    rng = np.random.default_rng(seed)
    confound = rng.normal(size=n)
    y = (rng.random(n) < 1 / (1 + np.exp(-slope * confound))).astype(float)
    return confound[:, None], y, rng


def test_labels_are_drawn_with_the_probabilities_that_enumeration_gives(monkeypatch):
    eta, y = np.array([-1.0, 0.5, 0.0, 2.0, -0.3]), np.array([1.0, 0.0, 0.0, 1.0, 0.0])
    monkeypatch.setattr(conditional_permutation, "nuisance_log_odds", lambda *_: eta)
    order = conditional_rows(y, eta[:, None], [np.arange(5)[:, None]], N_DRAWN, 0, ())
    arrangements = sorted(set(itertools.permutations(y)))
    weight = np.array([np.exp(np.dot(each, eta)) for each in arrangements])
    drawn = shares(y[order])
    for each, expected in zip(arrangements, weight / weight.sum(), strict=True):
        assert drawn.get(each, 0.0) == pytest.approx(expected, abs=4.5 * np.sqrt(expected / N_DRAWN))


def test_groups_change_places_as_wholes_with_the_odds_of_their_sums(monkeypatch):
    eta, y = np.array([-1.0, 0.5, 0.0, 2.0, -0.3, 0.4]), np.array([1.0, 0, 0, 0, 1, 1])
    monkeypatch.setattr(conditional_permutation, "nuisance_log_odds", lambda *_: eta)
    groups = np.arange(6).reshape(3, 2)
    drawn = shares(y[conditional_rows(y, eta[:, None], [groups], N_DRAWN, 1, ())])
    arrangements = [tuple(y[np.concatenate(each)]) for each in itertools.permutations(groups)]
    weight = np.array([np.exp(np.dot(each, eta)) for each in arrangements])
    assert set(drawn) == set(arrangements)
    for each, expected in zip(arrangements, weight / weight.sum(), strict=True):
        assert drawn[each] == pytest.approx(expected, abs=4.5 * np.sqrt(expected / N_DRAWN))


def test_more_conditional_permutations_begin_with_the_same_ones():
    N, y, _ = confounded()
    design = (np.arange(60) % 2, np.arange(60))
    few, many = (outcome_rows(y, N, *design, n, 5, binary=True) for n in (10, 300))
    assert np.array_equal(few, many[:10])
    assert len(np.unique(many, axis=0)) == 300


def test_labels_stay_labels_inside_their_blocks_and_as_dependent_on_the_confound_as_they_are():
    N, y, _ = confounded(slope=2.0)
    blocks = np.arange(60) % 3
    targets = target_matrix(y, N, blocks, np.arange(60), 400, seed=0, binary=True)
    free = y[permuted_rows(blocks, np.arange(60), 400, 0)].T
    assert set(np.unique(targets)) == {0.0, 1.0}
    for block in range(3):
        assert len(set(targets[blocks == block].sum(axis=0))) == 1

    def association(labels):
        return np.mean([np.corrcoef(N[:, 0], column)[0, 1] for column in labels.T])

    assert association(targets[:, 1:]) == pytest.approx(association(targets[:, :1]), abs=0.05)
    assert abs(association(free)) < 0.05


def test_groups_of_unequal_size_keep_their_labels():
    groups = np.array([0, 1, 2, 3, 3, 4, 4, 5, 5, 5])
    y, N = np.array([1.0, 0, 1, 0, 1, 1, 0, 1, 0, 0]), np.arange(10.0)[:, None]
    for moved in outcome_rows(y, N, np.zeros(10, int), groups, 30, seed=0, binary=True):
        assert np.array_equal(np.bincount(groups)[groups][moved], np.bincount(groups)[groups])
        assert moved[7:].tolist() == [7, 8, 9]


def test_with_nothing_held_fixed_labels_are_permuted_freely():
    y, nothing, design = np.tile([0.0, 1.0], 10), np.empty((20, 0)), (np.arange(20) % 2, np.arange(20))
    assert np.array_equal(outcome_rows(y, nothing, *design, 7, 3, binary=True), permuted_rows(*design, 7, 3))
    assert np.array_equal(
        target_matrix(y, nothing, *design, 7, 3, binary=True), target_matrix(y, nothing, *design, 7, 3)
    )


def test_the_log_odds_are_those_of_scikit_learns_ridge_logistic_regression():
    N, y, rng = confounded(slope=1.0)
    N = np.column_stack([40 + 10 * N[:, 0], rng.normal(size=60), np.full(60, 2.0)])
    model = LogisticRegression(C=1 / PENALTY, solver="newton-cholesky", tol=1e-10)
    standardised = StandardScaler().fit_transform(N)
    expected = model.fit(standardised, y).decision_function(standardised)
    assert np.allclose(nuisance_log_odds(y, N), expected, atol=1e-7)
    assert np.array_equal(nuisance_log_odds(np.ones(60), N), np.zeros(60))


def test_a_confound_that_tells_the_classes_apart_has_finite_log_odds():
    y = np.repeat([0.0, 1.0], 20)
    eta = nuisance_log_odds(y, y[:, None])
    assert 2 < np.abs(eta).max() < 20


def test_conditional_permutation_holds_the_level_where_free_permutation_does_not():
    """Features that share a strong confound with the labels and nothing else: 200 data sets, 39 permutations each."""
    conditional, free = [], []
    for seed in range(200):
        N, y, rng = confounded(seed=seed)
        X = N + rng.normal(size=(60, 5))
        X -= X.mean(axis=0)
        for p, held in ((conditional, N), (free, N[:, :0])):
            targets = target_matrix(y, held, np.zeros(60, int), np.arange(60), 39, seed, binary=True)
            statistic = np.square(X.T @ targets).sum(axis=0)
            p.append(np.mean(statistic >= statistic[0] - 1e-9))
    assert np.sum(np.array(conditional) <= 0.05 + 1e-9) <= 21  # METHODS 4.3
    assert 0.4 < np.mean(conditional) < 0.65
    assert np.sum(np.array(free) <= 0.05 + 1e-9) > 150


def test_a_run_moves_its_folds_with_its_labels_and_the_increment_has_an_order_of_its_own(make_dataset):
    rng = np.random.default_rng(0)
    dataset = make_dataset(
        binary=True, r2=0.3, confounds={"age": rng.normal(size=40)}, clinical={"dose": rng.normal(size=40)}
    )
    targets = target_matrices(dataset, ValidationSpec(repeats=1, permutations=5))
    for name, key in (("main", ORDER), ("increment", INCREMENT_ORDER)):
        assert np.array_equal(targets[name][:, 1:], dataset.y[targets[key]].T)
    assert not np.array_equal(targets[ORDER], targets[INCREMENT_ORDER])
    assert set(np.unique(marginal_targets(dataset, ValidationSpec(permutations=5)))) == {0.0, 1.0}


def test_the_scheme_names_conditional_permutation(make_dataset):
    dataset = make_dataset(binary=True, confounds={"age": np.arange(40.0)})
    assert scheme(dataset) == "outcomes exchanged freely, with age held fixed (conditional permutation)"
    assert scheme(make_dataset(binary=True)) == "outcomes exchanged freely"


def test_a_p_value_is_refused_where_the_confounds_tell_the_labels(make_dataset):
    y = np.repeat([0.0, 1.0], 20)
    told = make_dataset(binary=True, y=y, confounds={"arm": 1000 * y + np.random.default_rng(0).normal(size=40)})
    assert "with arm held fixed" in refusal(told, 1000)
    assert "of the permutations leave the outcome as it is" in refusal(told, 1000)
    assert refusal(make_dataset(binary=True, y=y, confounds={"age": np.arange(40.0) % 7}), 1000) == ""
