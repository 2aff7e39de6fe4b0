"""The open trial, end to end: n, held-out predictions against scikit-learn, golden numbers of the synthetic twin."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from bare_runs import bare, results_alone

REPOSITORY = Path(__file__).parents[1]
TWIN = REPOSITORY / "tests" / "kmoa_twin"
GOLDEN = TWIN / "golden.json"
ALPHAS = (0.1, 1.0, 10.0, 100.0, 1000.0, 10000.0)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A copy of the example with fixed inner folds, few repeats and few permutations."""
    copy = tmp_path_factory.mktemp("kmoa")
    for folder in ("features", "experiments"):
        shutil.copytree(
            REPOSITORY / "examples" / "kmoa" / folder, copy / folder, ignore=shutil.ignore_patterns("tables")
        )
    for path in (copy / "experiments").glob("*.toml"):
        text = path.read_text()
        text = text.replace("seed = 0\n", "seed = 0\ninner_seed = 11\n").replace("repeats = 50", "repeats = 2")
        path.write_text(text.replace("permutations = 1000", "permutations = 99"))
    return copy


def ridge_runs(study, data):
    import workbench

    with results_alone():
        finished = workbench.run(
            ["madrs_change", "madrs_ketamine_minus_placebo"], study=study, data=data, only=["ridge"], jobs=1
        )
    return {(run.result.scores.experiment, run.result.scores.feature_set): run.result for run in finished}


@pytest.fixture(scope="module")
def twin_runs(study):
    return ridge_runs(study, TWIN)


@pytest.fixture(scope="module")
def real_runs(study, real_data, tmp_path_factory):
    # A study of its own: results viewed on the twin would count as earlier ones.
    leave = shutil.ignore_patterns("mlruns", "tables", "*.jsonl")
    own = shutil.copytree(study, tmp_path_factory.mktemp("real") / "kmoa", ignore=leave)
    with bare():
        return ridge_runs(own, real_data / "kmoa")


def analysed(data: Path, experiment: str, feature_set: str) -> pd.DataFrame:
    """Ids, outcome, nuisance and features, joined here by pandas alone."""
    people = pd.read_csv(data / "participants.tsv", sep="\t", na_values="n/a").set_index("participant_id")
    ratings = pd.read_csv(data / "phenotype.tsv", sep="\t", na_values="n/a").dropna(subset=["session_id"])
    madrs = ratings.pivot(index="participant_id", columns="session_id", values="MADRS_Total")
    outcome = madrs["ses-b0" if experiment == "madrs_change" else "ses-p2"] - madrs["ses-d2"]
    features = pd.read_csv(data / f"ec_{feature_set}.tsv", sep="\t")
    features = features[features["session_id"] == "ses-b0"].set_index("participant_id").drop(columns="session_id")
    joined = features.join(outcome.rename("OUTCOME"), how="inner").join(people["group"]).join(people["infusion_1"])
    joined = joined[(joined["group"] == "MDD") & joined["OUTCOME"].notna()].sort_index()
    ketamine_first = (joined["infusion_1"] == "d").astype(float).rename("ketamine_first")
    return pd.concat([joined.drop(columns=["group", "infusion_1"]), ketamine_first], axis=1)


def scikit_learn_predictions(joined: pd.DataFrame, experiment: str, n_repeats: int) -> dict[tuple[int, str], float]:
    """Nested cross-validated ridge in plain scikit-learn and least squares, confounds residualised in the fold."""
    from sklearn.linear_model import Ridge
    from sklearn.model_selection import GridSearchCV, KFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    y = joined["OUTCOME"].to_numpy(float)
    X = joined.drop(columns=["OUTCOME", "ketamine_first"]).to_numpy(float)
    N = np.ones((len(y), 1))
    if experiment == "madrs_ketamine_minus_placebo":
        N = np.column_stack([N, joined["ketamine_first"]])

    def residualised(train, test):
        fit = np.linalg.pinv(N[train])
        X_train, X_test = X[train] - N[train] @ (fit @ X[train]), X[test] - N[test] @ (fit @ X[train])
        return X_train, X_test, y[train] - N[train] @ (fit @ y[train]), N[test] @ (fit @ y[train])

    predicted = {}
    for repeat in range(n_repeats):
        for train, test in KFold(5, shuffle=True, random_state=repeat).split(y):
            inner = list(KFold(5, shuffle=True, random_state=11).split(train))
            losses = np.zeros(len(ALPHAS))
            for inner_train, inner_test in inner:
                A, B, r, m = residualised(train[inner_train], train[inner_test])
                scaler = StandardScaler().fit(A)
                A, B = scaler.transform(A), scaler.transform(B)
                for k, alpha in enumerate(ALPHAS):
                    fitted = Ridge(alpha=alpha).fit(A, r)
                    losses[k] += np.mean((y[train[inner_test]] - m - fitted.predict(B)) ** 2) / len(inner)
            A, B, r, m = residualised(train, test)
            best = make_pipeline(StandardScaler(), Ridge(alpha=ALPHAS[int(np.argmin(losses))])).fit(A, r)
            if N.shape[1] == 1 and repeat == 0:  # without nuisance the whole of it is one GridSearchCV
                pipeline = make_pipeline(StandardScaler(), Ridge())
                search = GridSearchCV(pipeline, {"ridge__alpha": ALPHAS}, scoring="neg_mean_squared_error", cv=inner)
                expected = search.fit(X[train], y[train]).predict(X[test])
                np.testing.assert_allclose(m + best.predict(B), expected, atol=1e-9)
            for row, value in zip(test, m + best.predict(B), strict=True):
                predicted[repeat, joined.index[row]] = value
    return predicted


def assert_equal_to_scikit_learn(runs, data):
    from sklearn import config_context

    for (experiment, feature_set), result in runs.items():
        joined = analysed(data, experiment, feature_set)
        assert np.isfinite(joined.to_numpy(float)).all()
        with config_context(assume_finite=True, skip_parameter_validation=True):  # thousands of fits, known to be sound
            expected = scikit_learn_predictions(joined, experiment, 2)
        ours = result.predictions.set_index(["repeat", "participant_id"])["predicted"]
        assert len(ours) == len(expected)
        difference = max(abs(ours[key] - value) for key, value in expected.items())
        assert difference < 1e-8, (experiment, feature_set, difference)


def test_ridge_equals_scikit_learn_on_the_synthetic_twin(twin_runs):
    assert_equal_to_scikit_learn(twin_runs, TWIN)


def test_ridge_equals_scikit_learn_on_the_real_trial(real_runs, real_data):
    assert_equal_to_scikit_learn(real_runs, real_data / "kmoa")


def test_the_real_trial_has_26_and_24_people(real_runs):
    assert {name: result.scores.n_participants for (name, _), result in real_runs.items()} == {
        "madrs_change": 26,
        "madrs_ketamine_minus_placebo": 24,
    }


def test_nothing_above_exploratory_is_claimed_on_26_people(real_runs):
    verdicts = {result.claim.verdict for result in real_runs.values()}
    assert verdicts <= {"prediction not shown", "not tested", "exploratory"}


def test_shap_values_add_up_to_the_predictions_on_the_real_trial(real_runs):
    assert max(result.scores.shap_additivity for result in real_runs.values()) < 1e-6


def numbers(result) -> dict[str, float | str]:
    """What a paper would quote."""
    scores = result.scores
    return {
        "n": scores.n_participants,
        "r2": scores.performance.r2,
        "r2_low": scores.performance.interval.low if scores.performance.interval else "none",
        "r2_total": scores.performance.r2_total,
        "mae": scores.performance.mae,
        "p": scores.test.p,
        "p_family": scores.p_family,
        "increment": scores.increment.delta_r2,
        "claim": result.claim.verdict,
    }


def test_the_twin_gives_its_golden_numbers(twin_runs):
    """A change here moves a published number: say so in the changelog under 'Numbers that change'.

    WORKBENCH_WRITE_GOLDEN=1 writes the file anew.
    """
    found = {"/".join(name): numbers(result) for name, result in sorted(twin_runs.items())}
    if os.environ.get("WORKBENCH_WRITE_GOLDEN"):
        GOLDEN.write_text(json.dumps(found, indent=2) + "\n")
    golden = json.loads(GOLDEN.read_text())
    assert found.keys() == golden.keys()
    for run, expected in golden.items():
        for name, value in expected.items():
            close = value if isinstance(value, str) else pytest.approx(value, rel=1e-8, abs=1e-10)
            assert found[run][name] == close, (run, name)


def test_the_planted_signal_of_the_twin_is_found_in_the_default_mode_only(twin_runs):
    found = twin_runs["madrs_change", "dmn4"].scores
    absent = twin_runs["madrs_change", "attn_dmn11"].scores
    assert found.performance.r2 > 0.2
    assert absent.performance.r2 < found.performance.r2
