"""Late fusion: the plain construction to 1e-8, absent modalities, permuted targets, explanations and state."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import nnls
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.model_selection import KFold

from workbench.errors import FitError
from workbench.evaluation.canary import canary
from workbench.models.availability import Modalities, patterns_of
from workbench.models.everyone import StudyModel, fit_everyone
from workbench.models.explanations import explained
from workbench.models.fitted_models import from_state, state_of
from workbench.models.fusion import LateFusionLearner
from workbench.models.learner import Fold
from workbench.models.nested_cv import fit_units, plan_units, target_matrices
from workbench.models.stacking import learnt_as, nonnegative_least_squares, pattern_weights
from workbench.records import ABSENT, FEATURE_COLUMNS, FeatureBlock, FeatureBlocks, Split
from workbench.specs.experiment import ValidationSpec
from workbench.specs.fusion import LateFusionSpec

ALPHAS = (1.0, 10.0, 100.0, 1000.0)
SIZES = {"connectivity": 70, "pet": 6, "task": 12}


def learner(alphas=ALPHAS, **options):
    return LateFusionLearner(LateFusionSpec(kind="late-fusion", alphas=tuple(alphas), **options))


def make_fold(n=80, *, r2=0.5, absent=0.0, seed=0, n_confounds=1, sizes=SIZES, present=None):
    """Three modalities, one signal feature each; some rows lack some of them."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, sum(sizes.values())))
    bands = np.repeat(list(sizes), list(sizes.values()))
    first = np.cumsum([0, *sizes.values()])[:-1]
    signal = X[:, first].sum(axis=1) / np.sqrt(len(first))
    N = rng.normal(size=(n, n_confounds))
    y = 20 + 4 * (np.sqrt(r2) * signal + np.sqrt(1 - r2) * rng.normal(size=n)) + N.sum(axis=1)
    X[rng.random(X.shape) < 0.02] = np.nan
    if present is None:
        present = rng.random((n, len(sizes))) >= absent
        present[~present.any(axis=1), 0] = True
    if not present.all():
        N = np.column_stack([N, present[:, ~present.all(axis=0)].astype(float)])
    for number, name in enumerate(sizes):
        X[np.ix_(~present[:, number], bands == name)] = np.nan
    order = rng.permutation(n)
    test, train = np.sort(order[: n // 5]), np.sort(order[n // 5 :])
    inner = tuple(Split(train[a], train[b]) for a, b in KFold(4, shuffle=True, random_state=seed).split(train))
    return Fold(X, N, train, test, inner, bands=bands), y


def plainly(fold, y, rows, predicted, modality, alpha):
    """Ridge of one modality as scikit-learn writes it, on those of the training rows who have it."""
    columns = fold.bands == modality
    X = fold.X[:, columns]
    has_it = ~np.isnan(X).all(axis=1)
    rows, predicted = rows[has_it[rows]], predicted[has_it[predicted]]
    means = np.nanmean(X[rows], axis=0)
    X = np.where(np.isnan(X), means, X)
    on_N = LinearRegression().fit(fold.nuisance[rows], X[rows])
    residual = X - on_N.predict(fold.nuisance)
    residual /= residual[rows].std(axis=0)
    left = y - LinearRegression().fit(fold.nuisance[rows], y[rows]).predict(fold.nuisance)
    ridge = Ridge(alpha, fit_intercept=False).fit(residual[rows], left[rows])
    return predicted, ridge.predict(residual[predicted])


def in_plain_steps(fold, y):
    """Late fusion with scikit-learn and scipy, one thing after the other."""
    names = sorted(set(fold.bands))
    present = np.column_stack([~np.isnan(fold.X[:, fold.bands == name]).all(axis=1) for name in names])
    left, held_in, alphas = np.full(len(y), np.nan), np.zeros((len(y), len(names))), []
    for split in fold.inner:
        m0 = LinearRegression().fit(fold.nuisance[split.train], y[split.train])
        left[split.test] = y[split.test] - m0.predict(fold.nuisance[split.test])
    for number, name in enumerate(names):
        losses = []
        for alpha in ALPHAS:
            of_folds = []
            for split in fold.inner:
                rows, added = plainly(fold, y, split.train, split.test, name, alpha)
                of_folds.append(np.square(left[rows] - added).mean())
            losses.append(np.mean(of_folds))
        alphas.append(ALPHAS[int(np.argmin(losses))])
        for split in fold.inner:
            rows, added = plainly(fold, y, split.train, split.test, name, alphas[-1])
            held_in[rows, number] = added
    total = LinearRegression().fit(fold.nuisance[fold.train], y[fold.train]).predict(fold.nuisance)
    for number, name in enumerate(names):
        rows, added = plainly(fold, y, fold.train, fold.test, name, alphas[number])
        for row, value in zip(rows, added, strict=True):
            own = np.flatnonzero(present[row])
            like_it = fold.train[present[np.ix_(fold.train, own)].all(axis=1)]
            weights = nnls(held_in[np.ix_(like_it, own)], left[like_it])[0]
            total[row] += weights[list(own).index(number)] * value
    return total[fold.test], alphas


@pytest.mark.parametrize("absent", [0.0, 0.35])
@pytest.mark.parametrize("seed", [0, 1])
def test_it_is_the_plain_construction(absent, seed):
    fold, y = make_fold(absent=absent, seed=seed)
    fitted = learner().fit(fold, y[:, None], seed=0)
    expected, alphas = in_plain_steps(fold, y)
    np.testing.assert_allclose(fitted.predicted[:, 0], expected, rtol=0, atol=1e-8 * y.std())
    assert list(fitted.chosen.values()) == alphas


def test_permuted_targets_are_fitted_as_they_would_be_alone():
    fold, y = make_fold(absent=0.4)
    rng = np.random.default_rng(1)
    Y = np.column_stack([y, *(rng.permutation(y) for _ in range(12))])
    together = learner().fit(fold, Y, seed=0).predicted
    alone = np.column_stack([learner().fit(fold, Y[:, [k]], seed=0).predicted for k in range(Y.shape[1])])
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-10 * y.std())


def test_the_model_predicts_what_the_learner_predicts_and_explains_all_of_it():
    fold, y = make_fold(absent=0.4)
    fitted = learner().fit(fold, y[:, None], seed=0)
    model = fitted.model()
    X, N = fold.X[fold.test], fold.nuisance[fold.test]
    np.testing.assert_allclose(model.predict(X, N), fitted.predicted[:, 0], rtol=0, atol=1e-9 * y.std())
    base, shap = model.explain(X, N)
    np.testing.assert_allclose(base + shap.sum(axis=1), model.predict(X, N), rtol=0, atol=1e-9 * y.std())
    for name in SIZES:
        own = fold.bands == name
        assert not shap[np.isnan(X[:, own]).all(axis=1)][:, own].any(), "what is absent explains nothing"


def test_its_state_is_had_back_bit_for_bit(tmp_path):
    fold, y = make_fold(absent=0.4)
    model = learner().fit(fold, y[:, None], seed=0).model()
    np.savez(tmp_path / "model.npz", **state_of(model))
    with np.load(tmp_path / "model.npz", allow_pickle=False) as stored:
        back = from_state(dict(stored))
    X, N = fold.X[fold.test], fold.nuisance[fold.test]
    np.testing.assert_array_equal(back.predict(X, N), model.predict(X, N))
    assert all(np.array_equal(value, state_of(back)[name]) for name, value in state_of(model).items())


def test_sums_of_explanations_of_permuted_targets_are_those_of_their_models():
    fold, y = make_fold(absent=0.4)
    rng = np.random.default_rng(1)
    Y = np.column_stack([y, rng.permutation(y), rng.permutation(y)])
    sizes = learner().fit(fold, Y, seed=0, explain=3).mean_abs_shap()
    assert sizes.shape == (2, len(fold.bands))
    for k in (1, 2):
        model = learner().fit(fold, Y[:, [k]], seed=0).model()
        own = np.abs(model.explain(fold.X[fold.test], fold.nuisance[fold.test])[1]).mean(axis=0)
        np.testing.assert_allclose(sizes[k - 1], own, rtol=0, atol=1e-9 * y.std())


def test_a_row_without_any_modality_is_predicted_by_the_nuisance_model():
    fold, y = make_fold(absent=0.3)
    X = fold.X.copy()
    X[fold.test[:3]] = np.nan
    model = learner().fit(replace(fold, X=X), y[:, None], seed=0)
    reference = LinearRegression().fit(fold.nuisance[fold.train], y[fold.train]).predict(fold.nuisance[fold.test[:3]])
    np.testing.assert_allclose(model.predicted[:3, 0], reference, rtol=1e-12)


def test_some_modalities_are_those_columns_alone():
    fold, y = make_fold(absent=0.3)
    some = learner(modalities=("pet", "task")).fit(fold, y[:, None], seed=0)
    X = fold.X.copy()
    X[:, fold.bands == "connectivity"] = np.nan
    without = learner().fit(replace(fold, X=X), y[:, None], seed=0)
    np.testing.assert_allclose(some.predicted, without.predicted, rtol=0, atol=1e-10 * y.std())


def test_a_modality_that_hardly_anybody_has_adds_nothing():
    present = np.ones((80, 3), dtype=bool)
    present[8:, 1] = False
    fold, y = make_fold(present=present)
    fitted = learner().fit(fold, y[:, None], seed=0)
    assert "alpha pet" not in fitted.chosen
    assert set(fitted.chosen) == {"alpha connectivity", "alpha task"}
    others = learner(modalities=("connectivity", "task")).fit(fold, y[:, None], seed=0)
    np.testing.assert_allclose(fitted.predicted, others.predicted, rtol=0, atol=1e-10 * y.std())
    X, N = fold.X[fold.test], fold.nuisance[fold.test]
    np.testing.assert_allclose(fitted.model().predict(X, N), fitted.predicted[:, 0], rtol=0, atol=1e-9 * y.std())


def test_without_inner_folds_there_is_nothing_to_learn_weights_in():
    fold, y = make_fold()
    with pytest.raises(FitError, match="no inner fold to learn the weights of modalities in; give inner folds"):
        learner().fit(replace(fold, inner=()), y[:, None], seed=0)


# -------------------------------------------------------------------------------------------------------------- weights


def test_weights_are_those_of_scipy_for_every_target():
    rng = np.random.default_rng(3)
    for n_columns in (1, 2, 3, 4, 5):
        A = rng.normal(size=(40, n_columns, 30)) + 0.5 * rng.normal(size=(40, 1, 30))
        b = rng.normal(size=(40, 30)) + A[:, 0] * 0.3
        solved = nonnegative_least_squares(np.einsum("nit,njt->ijt", A, A), np.einsum("nit,nt->it", A, b))
        expected = np.column_stack([nnls(A[:, :, k], b[:, k])[0] for k in range(30)])
        np.testing.assert_allclose(solved, expected, rtol=0, atol=1e-10)


def test_the_same_prediction_twice_and_one_that_is_nothing_are_no_trouble():
    rng = np.random.default_rng(4)
    a, b = rng.normal(size=(2, 30, 1))
    A = np.stack([a, a, np.zeros_like(a), b], axis=1)
    solved = nonnegative_least_squares(np.einsum("nit,njt->ijt", A, A), np.einsum("nit,nt->it", A, 2 * a + b))
    np.testing.assert_allclose((solved[0] + solved[1], solved[2], solved[3]), [[2.0], [0.0], [1.0]], atol=1e-9)


def test_a_rare_pattern_is_weighted_as_the_part_of_it_that_most_have():
    present = np.zeros((60, 3), dtype=bool)
    present[:40, 0] = True
    present[20:55, 1] = True
    present[50:, 2] = True
    assert learnt_as(0b011, present) == 0b011
    assert learnt_as(0b110, present) == 0b010, "task is there for 35, pet and task together for 5"
    assert learnt_as(0b111, present) == 0b011, "20 rows have both"
    assert learnt_as(0b100, present) == 0b100
    assert learnt_as(0b100, present[:55]) == 0


def test_weights_of_a_pattern_come_from_all_that_have_at_least_its_modalities():
    rng = np.random.default_rng(5)
    present = np.ones((50, 2), dtype=bool)
    present[30:, 1] = False
    predictions = rng.normal(size=(2, 50, 1)) * present.T[:, :, None]
    residual = rng.normal(size=(50, 1)) + predictions[0]
    weights = pattern_weights(predictions, residual, present, np.array([0b01, 0b11]))[:, :, 0]
    np.testing.assert_allclose(weights[0], [nnls(predictions[0], residual[:, 0])[0][0], 0.0], atol=1e-12)
    both = nnls(predictions[:, :30, 0].T, residual[:30, 0])[0]
    np.testing.assert_allclose(weights[1], both, atol=1e-12)


# --------------------------------------------------------------------------------------------------------- availability


def test_a_modality_of_two_sources_is_there_where_both_are():
    features = pd.DataFrame({column: [""] * 5 for column in FEATURE_COLUMNS})
    rows = np.arange(4)
    at = [rows, np.where(rows == 1, ABSENT, rows)]
    blocks = FeatureBlocks(
        tuple(
            FeatureBlock(name, "", features[columns], np.ones((4, width)), where)
            for name, columns, width, where in zip("ab", (slice(0, 2), slice(2, 5)), (2, 3), at, strict=True)
        )
    )
    fold = Fold(blocks.measured, np.empty((4, 0)), rows, rows[:0], (), bands=np.repeat("pet", 5), feature_blocks=blocks)
    assert Modalities.of(fold).present(fold.X)[:, 0].tolist() == [True, False, True, True]
    assert Modalities.of(replace(fold, feature_blocks=None)).present(fold.X).all()


def test_patterns_are_numbered_by_what_is_there():
    assert patterns_of(np.array([[True, False], [False, True], [True, True], [False, False]])).tolist() == [1, 2, 3, 0]


# ------------------------------------------------------------------------------------------------------- in a whole run


@pytest.fixture
def incomplete(make_dataset):
    """A function that makes a dataset of two modalities of which some participants lack one."""

    def make(n=60, *, r2=0.5, seed=0, **options):
        dataset = make_dataset(n, 12, r2=r2, signal=2, seed=seed, **options)
        rows, rng = np.arange(n), np.random.default_rng(seed + 100)
        lacks = rng.integers(3, size=n)
        features = dataset.features.assign(modality=["connectivity"] * 6 + ["pet"] * 6)
        blocks = [
            FeatureBlock(name, "", features[columns], dataset.X[:, columns], np.where(lacks == k, ABSENT, rows))
            for k, (name, columns) in enumerate((("fc", slice(0, 6)), ("pet", slice(6, 12))))
        ]
        return replace(dataset, feature_blocks=FeatureBlocks(tuple(blocks)))

    return make


SPEC = LateFusionSpec(kind="late-fusion", alphas=(1.0, 10.0, 100.0))
VALIDATION = ValidationSpec(repeats=2, outer=5, inner=3, permutations=9)


def r2_of(dataset, validation=VALIDATION, spec=SPEC):
    """Of the observed outcome, pooled over everything."""
    units, targets = plan_units(dataset, validation, spec), target_matrices(dataset, validation)
    results = fit_units(dataset, units, spec, targets, explain=0)
    ours, theirs = (
        sum(getattr(result.procedures["main"], name) for result in results)
        for name in ("squared_error", "squared_error_reference")
    )
    return 1 - ours / theirs


def test_what_is_planted_is_predicted_and_noise_is_not(incomplete):
    found, noise = r2_of(incomplete(120, r2=0.6)), r2_of(incomplete(120, r2=0.0))
    assert found[0] > 0.2
    assert found[0] > found[1:].max()
    assert noise[0] < 0.05
    assert found[1:].mean() < 0.05


def test_nothing_is_learnt_from_held_out_rows_nor_from_what_they_have(incomplete):
    dataset = incomplete(60, confounds={"age": np.arange(60.0)}, clinical={"madrs": np.arange(60.0)[::-1] % 7})
    units = plan_units(dataset, VALIDATION, SPEC, explain=1)
    assert canary(dataset, units, SPEC, permuted=False) >= 3


def test_held_out_participants_are_explained_by_what_they_have(incomplete):
    dataset = incomplete(60, confounds={"age": np.arange(60.0)})
    units = plan_units(dataset, VALIDATION, SPEC, explain=3)
    result = fit_units(dataset, units[:1], SPEC, target_matrices(dataset, VALIDATION), explain=3)[0]
    total = result.shap_base + result.shap.sum(axis=1)
    np.testing.assert_allclose(total, result.procedures["main"].predicted, rtol=0, atol=1e-9 * dataset.y.std())
    assert result.circuit_shap.shape == (3, 3)
    lacks = ~dataset.feature_blocks.present[result.test]
    assert not result.shap[lacks[:, 0], :6].any()
    assert not result.shap[lacks[:, 1], 6:].any()
    assert np.isfinite(result.haufe).all()


def test_the_model_of_everyone_predicts_new_participants_who_lack_a_modality(incomplete):
    dataset = incomplete(60)
    everyone = fit_everyone(dataset, SPEC, VALIDATION)
    back = StudyModel.from_state(everyone.state())
    X = dataset.measured[:5].copy()
    X[0, :6] = np.nan
    np.testing.assert_array_equal(back.predict(X, {}), everyone.predict(X, {}))
    base, shap = everyone.explain(X, {})
    np.testing.assert_allclose(base + shap.sum(axis=1), everyone.predict(X, {}), rtol=1e-10)
    assert not shap[0, :6].any()


def test_the_pattern_of_a_feature_is_that_of_who_has_it():
    fold, y = make_fold(200, r2=0.7, absent=0.3)
    fitted = learner().fit(fold, y[:, None], seed=0)
    haufe = explained(fitted, fold, residualised=True, circuits=None).haufe
    model, rows = fitted.model(), fold.train
    part = model.predict(fold.X[rows], fold.nuisance[rows]) - model.covariates_alone(fold.nuisance[rows])
    task = np.flatnonzero(fold.bands == "task")
    has_it = ~np.isnan(fold.X[rows][:, task]).all(axis=1)
    X, N = fold.X[rows][has_it][:, task[0]], fold.nuisance[rows][has_it]
    X = np.where(np.isnan(X), np.nanmean(X), X)
    left = X - LinearRegression().fit(N, X).predict(N)
    expected = np.cov(left / left.std(), part[has_it])[0, 1] / part[has_it].var(ddof=1)
    np.testing.assert_allclose(haufe[task[0]], expected, rtol=1e-8)
