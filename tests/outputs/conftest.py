"""Sample results that look like those of a study: one run that predicts (n = 80), one that does not (n = 26)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from workbench.records import (
    Claim,
    Decision,
    Difference,
    DropOut,
    FlowStep,
    Increment,
    Influence,
    Interval,
    ModalityValue,
    ModalityValues,
    Performance,
    PermutationTest,
    RegressionToMean,
    RunResult,
    ScaleEnds,
    Scores,
    Sensitivity,
    Subgroup,
    SubsetValue,
)

CIRCUITS = (
    ("ventral striatum to prefrontal", "connectivity", 24),
    ("default mode", "connectivity", 31),
    ("salience", "connectivity", 18),
    ("frontoparietal", "connectivity", 27),
    ("motion", "connectivity", 12),
    ("reward anticipation, putamen", "task", 8),
    ("emotion, anterior cingulate", "task", 8),
    ("hippocampus and amygdala", "pet", 6),
    ("unassigned", "pet", 4),
)
CANDIDATES = {"ventral striatum to prefrontal": 3.0, "reward anticipation, putamen": 2.2}


@dataclass(frozen=True)
class Shape:
    """What distinguishes the samples."""

    n: int
    repeats: int
    signal: float
    p_family: float
    seed: int


def _predictions(shape: Shape) -> pd.DataFrame:
    rng = np.random.default_rng(shape.seed)
    latent = rng.normal(size=shape.n)
    observed = np.round(11 + 9 * (shape.signal * latent + np.sqrt(1 - shape.signal**2) * rng.normal(size=shape.n)))
    people = [f"sub-{100 + k:04d}" for k in range(shape.n)]
    rows = []
    for repeat in range(shape.repeats):
        fold = rng.permutation(np.arange(shape.n) % 5)
        for person in range(shape.n):
            reference = observed[fold != fold[person]].mean()
            pull = 6.5 * shape.signal**2 * latent[person] if shape.signal else 0.0
            predicted = reference + pull + rng.normal(scale=1.3 if shape.signal else 2.6)
            rows.append((people[person], "ses-b0", repeat, int(fold[person]), observed[person], predicted, reference))
    columns = ["participant_id", "session", "repeat", "fold", "observed", "predicted", "reference"]
    return pd.DataFrame(rows, columns=columns)


def _r2_by_repeat(predictions: pd.DataFrame) -> tuple[float, ...]:
    def r2(rows: pd.DataFrame) -> float:
        missed = ((rows.observed - rows.predicted) ** 2).sum() / ((rows.observed - rows.reference) ** 2).sum()
        return float(1 - missed)

    return tuple(r2(rows) for _, rows in predictions.groupby("repeat"))


def _performance(procedure: str, predictions: pd.DataFrame, interval: Interval | None) -> Performance:
    by_repeat = _r2_by_repeat(predictions)
    error = predictions.observed - predictions.predicted
    mean = predictions.groupby("participant_id")[["observed", "predicted"]].mean()
    slope, intercept = np.polyfit(mean.predicted, mean.observed, 1)
    return Performance(
        procedure=procedure,
        r2=float(np.mean(by_repeat)),
        r2_total=float(np.mean(by_repeat)),
        mae=float(error.abs().mean()),
        rmse=float(np.sqrt((error**2).mean())),
        calibration_slope=float(slope),
        calibration_intercept=float(intercept),
        pearson_r=float(np.corrcoef(mean.predicted, mean.observed)[0, 1]),
        r2_by_repeat=by_repeat,
        r2_of_averaged_predictions=float(np.mean(by_repeat)) + 0.03,
        interval=interval,
    )


def _clinical(n: int) -> tuple[Performance, ...]:
    values = {"confounds": (-0.021, 7.9), "clinical_ols": (-0.08, 8.2), "clinical_ridge": (0.043, 7.6)}
    return tuple(
        Performance(name, r2, r2, mae, mae * 1.25, 0.4, 6.0, 0.1, (r2 - 0.02, r2, r2 + 0.02), r2 + 0.01)
        for name, (r2, mae) in values.items()
    )


def _circuits(shape: Shape, shown: bool) -> pd.DataFrame:
    rng = np.random.default_rng(shape.seed + 1)
    rows = []
    for circuit, _, n_features in CIRCUITS:
        base = rng.uniform(0.25, 0.8)
        size = base + (CANDIDATES.get(circuit, 0) if shown else 0)
        p = 0.001 if shown and circuit in CANDIDATES else float(rng.uniform(0.08, 0.95))
        q = min(1.0, p * 4)
        rows.append((circuit, n_features, size, 0.0, 0.55 + 0.5 * base, rng.uniform(0.2, 2), p, q, shown and q <= 0.05))
    columns = ["circuit", "n_features", "mean_abs_shap", "share", "null_quantile", "statistic", "p", "q", "candidate"]
    circuits = pd.DataFrame(rows, columns=columns)
    circuits["share"] = circuits["mean_abs_shap"] / circuits["mean_abs_shap"].sum()
    rank = circuits["mean_abs_shap"].rank(ascending=False)
    effect = rng.normal(scale=2.0, size=len(circuits))
    return circuits.assign(
        rank_low=rank, rank_high=rank, note="", effect=effect, effect_low=effect - 1.8, effect_high=effect + 1.8
    )


def _features() -> pd.DataFrame:
    rows = []
    for circuit, modality, n_features in CIRCUITS:
        for k in range(n_features):
            region = circuit.split(",")[0].replace(" ", "_")
            rows.append((f"{modality}:{region}_{k}", modality, modality, f"{region}_{k}", "ses-b0", circuit))
    features = pd.DataFrame(rows, columns=["name", "source", "modality", "feature", "session", "circuit"])
    for column in ("region_a", "region_b", "contrast", "tracer", "measure", "unit", "atlas"):
        features[column] = ""
    return features


def _biomarkers(circuits: pd.DataFrame, n: int) -> pd.DataFrame:
    columns = [
        "level",
        "feature",
        "modality",
        "circuit",
        "direction",
        "effect",
        "mean_abs_shap",
        "q_value",
        "n",
        "claim",
    ]
    rows = [
        ("circuit", "", "connectivity", row.circuit, "higher", 2.4, row.mean_abs_shap, row.q, n, "exploratory")
        for row in circuits.itertuples()
        if row.candidate
    ]
    biomarkers = pd.DataFrame(rows, columns=columns)
    circuits = biomarkers["circuit"]
    biomarkers["sentence"] = [f"higher {circuit} is associated with a larger fall in MADRS" for circuit in circuits]
    return biomarkers


def _shap(predictions: pd.DataFrame, features: pd.DataFrame, seed: int) -> pd.DataFrame:
    people = sorted(predictions["participant_id"].unique())
    values = np.random.default_rng(seed).normal(scale=0.2, size=(len(people), len(features)))
    table = pd.DataFrame(values, columns=list(features["name"]))
    table.insert(0, "base", 11.0)
    table.insert(0, "session", "ses-b0")
    table.insert(0, "participant_id", people)
    return table


def _measured(shap: pd.DataFrame, features: pd.DataFrame, circuits: pd.DataFrame, shape: Shape) -> dict:
    """What an explanation is drawn from; SHAP values go with what was measured, as a linear model's do."""
    random = np.random.default_rng(shape.seed + 5)
    who, names = shap[["participant_id", "session"]], list(features["name"])
    values = shap[names] / 0.2 + random.normal(scale=0.1, size=(len(shap), len(names)))
    sums = shap[names].T.groupby(features.set_index("name")["circuit"]).sum().T
    means = values.T.groupby(features.set_index("name")["circuit"]).mean().T
    noise = [random.normal(scale=0.05, size=sums.shape) for _ in range(shape.repeats)]
    by_repeat = [pd.concat([who.assign(repeat=at), sums + each], axis=1) for at, each in enumerate(noise)]
    return {
        "feature_values": pd.concat([who, values[names[:12]]], axis=1),
        "circuit_values": pd.concat([who, means], axis=1),
        "shap_circuits": pd.concat(by_repeat, ignore_index=True),
    }


def _tuning(shape: Shape) -> pd.DataFrame:
    grid = ("0.1", "10.0", "1000.0", "100000.0")
    edges = ("lowest", "", "", "highest")
    at = [(repeat, fold, (repeat + fold) % 4) for repeat in range(shape.repeats) for fold in range(5)]
    rows = [(repeat, fold, "alpha", grid[chosen], ", ".join(grid), edges[chosen]) for repeat, fold, chosen in at]
    return pd.DataFrame(rows, columns=["repeat", "fold", "setting", "value", "grid", "edge"])


def _claim(shown: bool, low: float) -> Claim:
    if shown:
        sentence = "exploratory, prognostic: fc with ridge predicts the fall in MADRS in held-out people"
        reasons = ("the analysis was not frozen before its first result was viewed",)
        return Claim("exploratory", "prognostic", sentence, reasons, "workbench export latest --to OUT")
    sentence = "prediction not shown: fc with ridge did not predict the fall in MADRS in held-out people"
    reasons = (
        "the cross-validated R2 is below 0: worse than the reference",
        "leaving out sub-0107 makes R2 fall furthest",
        "p is 0.41 after correction over 4 runs",
    )
    return Claim("prediction not shown", "prognostic", sentence, reasons, "workbench plan madrs_change")


def _scores(shape: Shape, predictions: pd.DataFrame, n_features: int, null: pd.DataFrame, run_name: str) -> Scores:
    shown = shape.signal > 0
    r2 = float(np.mean(_r2_by_repeat(predictions)))
    width = 0.17 if shown else 0.34
    interval = Interval(r2 - width, r2 + width, 0.95, "Nadeau-Bengio", "the average error at this training size")
    test = PermutationTest(
        p=float((1 + (null.r2 >= r2).sum()) / (1 + len(null))),
        n_permutations=len(null),
        null_median=float(null.r2.median()),
        null_95=float(null.r2.quantile(0.95)),
        scheme="whole participants, Freedman-Lane",
    )
    people = sorted(predictions["participant_id"].unique())
    return Scores(
        experiment="madrs_change",
        question="Does baseline connectivity predict the fall in MADRS two days after ketamine?",
        run_name=run_name,
        feature_set=run_name.split(" . ")[1],
        model=run_name.split(" . ")[0],
        outcome="fall in MADRS from ses-b0 to ses-d2",
        outcome_unit="points",
        outcome_type="continuous",
        estimand="In adults with major depression, the fall in MADRS from before to two days after ketamine.",
        claim_kind="prognostic",
        n_participants=shape.n,
        n_rows=shape.n,
        n_features=n_features,
        performance=_performance("main", predictions, interval),
        procedures=_clinical(shape.n),
        test=test,
        p_family=shape.p_family,
        family_size=4,
        increment=Increment(r2 - 0.04, None, test, "clinical_ridge", r2 - 0.02),
        influence=Influence(
            r2 - 0.06,
            r2 + 0.04,
            0,
            True,
            5,
            tuple((person, r2) for person in people),
            r2 - 0.12,
            1,
            ((people[0], people[1], r2 - 0.12),),
        ),
        ceiling=0.85,
        tuning={"alpha": 1000.0},
        shap_additivity=2.2e-14,
        synthetic=True,
        seed=0,
        validation=f"{shape.repeats} x 5-fold, 5 inner folds, participants never split",
        confounds=("mean_fd",),
        clinical_model=("MADRS@ses-b0", "age", "sex"),
        sensitivity=_sensitivity(shape.n),
        modality_values=_modality_values(r2, shape.n) if "+" in run_name else None,
    )


def _modality_values(r2: float, n: int) -> ModalityValues:
    """Of three modalities one adds to the others, one is about as good, one is noise."""

    def around(value: float, half: float) -> Interval:
        return Interval(value - half, value + half, 0.95, "losses of each participant", "what it adds to R2")

    def value_of(name: str, shapley: float, ablation: float, alone: float, p: float) -> ModalityValue:
        limits = around(shapley, 0.05), around(alone, 0.1), around(ablation, 0.04)
        added = (alone - 0.05, around(alone - 0.05, 0.1), 0.03)
        return ModalityValue(name, 40, shapley, limits[0], p, alone, limits[1], ablation, limits[2], *added)

    pet, connectivity = 0.6 * r2, 0.45 * r2
    values = (
        value_of("PET", pet, 0.09, 0.8 * r2, 0.001),
        value_of("connectivity", connectivity, 0.02, 0.6 * r2, 0.004),
        value_of("task", r2 - pet - connectivity, -0.01, -0.02, 0.4),
    )
    names = ("PET", "connectivity", "task")
    sets = ((), *((name,) for name in names), *combinations(names, 2), names)
    return ModalityValues(values, tuple(SubsetValue(each, r2 * len(each) / 3) for each in sets), n, 1000)


def _sensitivity(n: int) -> Sensitivity:
    fall = RegressionToMean(
        score="MADRS",
        sessions=("ses-b0", "ses-d2"),
        threshold=20.0,
        declared=True,
        reliability=0.91,
        n=n,
        observed=9.0,
        expected=1.8,
        expected_low=0.4,
        expected_high=3.1,
        p=0.001,
        baseline_r2=0.04,
        baseline_r2_high=0.2,
    )
    return Sensitivity(
        scale_ends=(ScaleEnds("MADRS", "ses-d2", n, 0.0, 60.0, 0.05, 0.0),),
        regression_to_mean=fall,
        drop_out=DropOut(n + 5, 5, (Difference("age", n, 5, 34.0, 41.5, 0.61),), 0.1, n - 2.5, 2.2),
        subgroups=(
            Subgroup("sex", "F", n - 8, 0.21, -0.1, 0.4, 6.1, 0.4, -1.2, 2.0),
            Subgroup("sex", "M", 8),
        ),
    )


def sample_result(shape: Shape, run_name: str) -> RunResult:
    shown = shape.signal > 0
    predictions = _predictions(shape)
    features = _features()
    circuits = _circuits(shape, shown)
    rng = np.random.default_rng(shape.seed + 2)
    null = pd.DataFrame(
        {"permutation": np.arange(1, 1001), "r2": rng.normal(-0.07, 0.055 if shown else 0.1, size=1000)}
    )
    modalities = (
        circuits.assign(modality=[modality for _, modality, _ in CIRCUITS])
        .groupby("modality", as_index=False)[["n_features", "mean_abs_shap", "share"]]
        .sum()
    )
    folds = predictions.pivot(index="participant_id", columns="repeat", values="fold")
    folds.columns = pd.Index([f"repeat_{repeat}" for repeat in folds.columns])
    inner = pd.DataFrame(
        {
            f"repeat_{repeat}_fold_{fold}": (folds[f"repeat_{repeat}"] - fold - 1).where(
                folds[f"repeat_{repeat}"] != fold
            )
            % 5
            for repeat in range(2)
            for fold in range(5)
        }
    ).astype("Int64")
    scores = _scores(shape, predictions, len(features), null, run_name)
    shap = _shap(predictions, features, shape.seed)
    if shown:
        sizes = shap[list(features["name"])].abs().mean().to_numpy()
        ranks = features.assign(size=-sizes)["size"].rank()
        unknown = ("weight", "haufe", "haufe_low", "haufe_high", "effect", "effect_low", "effect_high")
        features = features.assign(mean_abs_shap=sizes, **dict.fromkeys(unknown, np.nan))
        features = features.assign(rank_low=ranks, rank_high=np.minimum(ranks + 2, len(ranks)))
    return RunResult(
        scores=scores,
        claim=_claim(shown, scores.performance.r2 - 0.1),
        predictions=predictions,
        folds=folds.reset_index(),
        inner_folds=inner.reset_index(),
        null=null,
        shap=shap,
        tuning=_tuning(shape),
        **(_measured(shap, features, circuits, shape) if shown else {}),
        features=features,
        circuits=circuits,
        modalities=modalities,
        biomarkers=_biomarkers(circuits, shape.n),
        flow=(
            FlowStep("in the study", shape.n + 5),
            FlowStep(
                "scored before and after", shape.n + 2, 3, "no MADRS at ses-d2", ("sub-0901", "sub-0902", "sub-0903")
            ),
            FlowStep("scanned", shape.n, 2, "no connectivity at ses-b0", ("sub-0904", "sub-0905")),
        ),
        spec_toml='question = "Does baseline connectivity predict the fall in MADRS two days after ketamine?"\n',
        tags={
            "claim_kind": "prognostic",
            "modalities": "connectivity, pet, task",
            "outcome": "fall in MADRS from ses-b0 to ses-d2",
            "arms": "ketamine",
            "data": "synthetic",
            "people_digest": "c" * 16,
            "data_hash": "b" * 64,
            "spec_hash": "a" * 64,
        },
        params={"repeats": shape.repeats, "outer": 5, "permutations": 1000, "alphas": [0.1, 1.0, 10.0]},
    )


@pytest.fixture(scope="session")
def shown_result() -> RunResult:
    """A run of 80 people that predicts, with two candidate circuits."""
    return sample_result(Shape(n=80, repeats=20, signal=0.8, p_family=0.004, seed=3), "ridge . fc+task+pet")


@pytest.fixture(scope="session")
def null_result() -> RunResult:
    """A run of 26 people that predicts nothing."""
    return sample_result(Shape(n=26, repeats=50, signal=0.0, p_family=0.41, seed=8), "xgboost . dmn4")


@pytest.fixture(scope="session")
def binary_result() -> RunResult:
    """Response to ketamine, as 0 and 1."""
    result = sample_result(Shape(n=60, repeats=10, signal=0.7, p_family=0.02, seed=5), "ridge . task")
    observed = (result.predictions["observed"] > 11).astype(float)
    predicted = (0.5 + (result.predictions["predicted"] - 11) / 12).clip(0.02, 0.98)
    predictions = result.predictions.assign(observed=observed, predicted=predicted, reference=observed.mean())
    scores_sensitivity = result.scores.sensitivity
    scores = replace(
        result.scores,
        outcome="response to ketamine (MADRS falls by half or more by ses-d2)",
        outcome_unit="",
        outcome_type="binary",
        performance=replace(
            _performance("main", predictions, result.scores.performance.interval), auc=0.81, brier=0.17
        ),
        sensitivity=replace(scores_sensitivity, decision=Decision(0.3, 0.6, 0.31, 0.05, 0.45, "clinical_ridge")),
    )
    threshold = np.round(np.arange(0.01, 1, 0.01), 2)
    prevalence = float(observed.mean())
    everyone = prevalence - (1 - prevalence) * threshold / (1 - threshold)
    curve = pd.DataFrame(
        {
            "threshold": threshold,
            "predictions": prevalence * (1 - threshold),
            "clinical": np.maximum(everyone, 0),
            "treat_all": everyone,
            "treat_none": 0.0,
        }
    )
    return replace(result, scores=scores, predictions=predictions, decision_curve=curve)
