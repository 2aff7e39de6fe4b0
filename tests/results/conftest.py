"""Runs made by hand: a small ridge in plain numpy on people of known truth, in the records that the engine leaves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from workbench.records import (
    FEATURE_COLUMNS,
    CircuitTest,
    Covariates,
    Dataset,
    FlowStep,
    Outcome,
    ProcedureResult,
    Split,
    UnitResult,
    WorkUnit,
)
from workbench.results.run_result import RunInputs
from workbench.specs.experiment import ExperimentSpec, OutcomeSpec, ValidationSpec
from workbench.specs.learners import RidgeSpec

CIRCUITS = ("default mode", "limbic", "reward", "salience")


def hat(train: np.ndarray, test: np.ndarray, penalty: np.ndarray) -> np.ndarray:
    """The matrix that takes training outcomes to predictions of the held-out rows."""
    return test @ np.linalg.solve(train.T @ train + np.diag(penalty), train.T)


def design(*blocks: np.ndarray) -> np.ndarray:
    return np.column_stack([np.ones(len(blocks[0])), *blocks])


class Maker:
    """Makes inputs of `reduce_run`; every option has a default, every number follows from the seed."""

    def __call__(
        self,
        *,
        n: int = 40,
        p: int = 12,
        signal: float = 0.0,
        confounding: float = 0.0,
        repeats: int = 10,
        outer: int = 5,
        permutations: int = 99,
        confounds: bool = True,
        clinical: bool = True,
        seed: int = 0,
        feature_set: str = "dmn4",
        shuffles: int = 0,
        linear: bool = True,
        binary: bool = False,
        claim: str = "prognostic",
        refused: str = "",
    ) -> RunInputs:
        dataset = self.dataset(
            n=n,
            p=p,
            signal=signal,
            confounding=confounding,
            confounds=confounds,
            clinical=clinical,
            seed=seed,
            feature_set=feature_set,
            binary=binary,
            claim=claim,
        )
        targets = self.targets(dataset, permutations, shuffles)
        units, results = self.units(dataset, targets, repeats, outer, clinical)
        validation = ValidationSpec(repeats=repeats, outer=outer, permutations=permutations, seed=shuffles)
        spec = ExperimentSpec(
            question="Does connectivity predict the fall in MADRS?",
            sessions=("ses-b0",),
            outcome=OutcomeSpec.model_validate({"score": "MADRS", "kind": "change", "from": "ses-b0", "at": "ses-d2"}),
            validation=validation,
            models=(RidgeSpec(kind="ridge"),),
        )
        return RunInputs(
            dataset=dataset,
            experiment="madrs_change",
            spec=spec,
            learner=spec.models[0],
            validation=validation,
            residualised=linear,
            units=units,
            unit_results=results,
            circuit_test=self.circuit_test(dataset, targets),
            influence=({person: 0.1 for person in dataset.rows["participant_id"]}, True, 5),
            permutation_scheme="outcomes exchanged freely",
            permutation_refused=refused,
            synthetic=True,
            design="crossover",
            spec_toml='question = "?"\n',
            spec_hash="abc",
        )

    def dataset(self, *, n, p, signal, confounding, confounds, clinical, seed, feature_set, binary, claim) -> Dataset:
        random = np.random.default_rng(seed)
        people = [f"sub-{k:04d}" for k in range(1, n + 1)]
        X = random.standard_normal((n, p))
        sex = (random.random(n) < 0.5).astype(float)
        age = random.standard_normal(n)
        circuits = [
            CIRCUITS[2 - (j * len(CIRCUITS)) // p] if j * len(CIRCUITS) // p < 3 else "salience" for j in range(p)
        ]
        planted = [j for j in range(p) if circuits[j] == "reward"]
        X[:, planted] += confounding * sex[:, None]
        y = 10 + signal * X[:, planted].sum(axis=1) + 2 * confounding * sex + random.standard_normal(n)
        if binary:
            y = (y > np.median(y)).astype(float)
        nothing = np.empty((n, 0))
        return Dataset(
            feature_set=feature_set,
            sources=("ec_dmn4",),
            rows=pd.DataFrame({"participant_id": people, "session": "ses-b0"}),
            X=X,
            features=self.features(circuits),
            y=y,
            outcome=Outcome(
                label="fall in MADRS from ses-b0 to ses-d2",
                unit="MADRS points",
                kind="change",
                type="binary" if binary else "continuous",
                claim=claim,
                estimand="the fall in MADRS",
                improvement_positive=True,
                values=pd.Series(y, index=people),
                missing={},
                reliability=0.85,
                arms=("ketamine",),
            ),
            confounds=Covariates(("sex[M]",), ("sex",), sex[:, None]) if confounds else Covariates((), (), nothing),
            forced=Covariates((), (), nothing),
            clinical=Covariates(("age",), ("age",), age[:, None]) if clinical else Covariates((), (), nothing),
            groups=np.arange(n),
            blocks=np.zeros(n, dtype=int),
            strata=None,
            sites=None,
            availability=pd.DataFrame({"ec_dmn4": True}, index=people),
            flow=(
                FlowStep("in the study", n + 6),
                FlowStep("eligible", n + 2, 4, "healthy volunteers", ("sub-9001", "sub-9002", "sub-9003", "sub-9004")),
                FlowStep("analysed", n, 2, "no scan", ("sub-9005", "sub-9006")),
            ),
            people_digest=f"people-{n}",
            data_hash="data",
        )

    def features(self, circuits: list[str]) -> pd.DataFrame:
        table = pd.DataFrame("", index=range(len(circuits)), columns=list(FEATURE_COLUMNS))
        return table.assign(
            name=[f"ec_dmn4:f{j:02d}" for j in range(len(circuits))],
            feature=[f"f{j:02d}" for j in range(len(circuits))],
            source="ec_dmn4",
            modality="connectivity",
            session="ses-b0",
            circuit=circuits,
            region_a="VS",
            region_b=[f"dlPFC{j}" for j in range(len(circuits))],
        )

    def targets(self, dataset: Dataset, permutations: int, shuffles: int) -> np.ndarray:
        """Freedman-Lane: the same seed and number of people give the same shuffles."""
        random = np.random.default_rng([shuffles, dataset.n_rows])
        N = design(dataset.nuisance.values)
        fitted = N @ np.linalg.lstsq(N, dataset.y, rcond=None)[0]
        columns = [fitted + random.permutation(dataset.y - fitted) for _ in range(permutations)]
        return np.column_stack([dataset.y, *columns])

    def units(self, dataset, targets, repeats, outer, clinical):
        units, results = [], []
        for repeat in range(repeats):
            order = np.random.default_rng([7, repeat, dataset.n_rows]).permutation(dataset.n_rows)
            for fold, test in enumerate(np.array_split(order, outer)):
                test = np.sort(test)
                train = np.setdiff1d(np.arange(dataset.n_rows), test)
                key = f"{repeat}-{fold}"
                units.append(WorkUnit(key, repeat, fold, Split(train, test), (), 0, ()))
                results.append(self.unit(dataset, targets, train, test, repeat, fold, key, clinical))
        return tuple(units), tuple(results)

    def unit(self, dataset, targets, train, test, repeat, fold, key, clinical) -> UnitResult:
        X, N, C = dataset.X, dataset.nuisance.values, dataset.clinical.values
        p = X.shape[1]
        held = design(N)
        reference = hat(held[train], held[test], np.zeros(held.shape[1]))
        nothing = np.ones((len(test), len(train))) / len(train)

        def procedure(covariates: np.ndarray, features: np.ndarray, against: np.ndarray, Y: np.ndarray):
            A = np.column_stack([covariates, features])
            penalty = np.r_[np.zeros(covariates.shape[1]), np.full(features.shape[1], 20.0)]
            predicted = hat(A[train], A[test], penalty) @ Y[train]
            expected = against @ Y[train]
            return ProcedureResult(
                predicted=predicted[:, 0],
                reference=expected[:, 0],
                mean=float(Y[train, 0].mean()),
                squared_error=((Y[test] - predicted) ** 2).sum(axis=0),
                squared_error_reference=((Y[test] - expected) ** 2).sum(axis=0),
                chosen={"alpha": 20.0},
            )

        observed = targets[:, :1]
        none = np.empty((dataset.n_rows, 0))
        procedures = {"main": procedure(held, X, reference, targets)}
        if N.shape[1]:
            procedures["raw"] = procedure(design(none), X, nothing, observed)
            procedures["confounds"] = procedure(held, none, nothing, targets)
        if clinical:
            beside = np.column_stack([held, C])
            alone = hat(beside[train], beside[test], np.zeros(beside.shape[1]))
            procedures["clinical_ols"] = procedure(beside, none, reference, observed)
            procedures["clinical_ridge"] = procedure(held, C, reference, observed)
            procedures["clinical:age"] = procedure(beside, none, reference, observed)
            procedures["increment"] = procedure(beside, X, alone, targets)
            procedures["joint"] = procedure(held, np.column_stack([X, C]), reference, observed)
        A = np.column_stack([held, X])
        penalty = np.r_[np.zeros(held.shape[1]), np.full(p, 20.0)]
        weights = np.linalg.solve(A[train].T @ A[train] + np.diag(penalty), A[train].T @ targets[train])[-p:]
        centred = X[test] - X[train].mean(axis=0)
        shap = centred * weights[:, 0]
        predicted = procedures["main"].predicted
        yhat = A[train] @ np.linalg.solve(A[train].T @ A[train] + np.diag(penalty), A[train].T @ targets[train, 0])
        codes = dataset.circuit_of_feature
        by_feature = np.abs(centred).mean(axis=0)[:, None] * np.abs(weights)
        circuit_shap = np.array([by_feature[codes == g].sum(axis=0) for g in range(len(dataset.circuits))]).T
        z = (X[train] - X[train].mean(axis=0)) / X[train].std(axis=0)
        return UnitResult(
            key=key,
            repeat=repeat,
            fold=fold,
            test=test,
            procedures=procedures,
            shap=shap,
            shap_base=predicted - shap.sum(axis=1),
            haufe=z.T @ (yhat - yhat.mean()) / len(train) / yhat.var(),
            weights=weights[:, 0] * X[train].std(axis=0),
            circuit_shap=circuit_shap,
        )

    def circuit_test(self, dataset: Dataset, targets: np.ndarray) -> CircuitTest:
        N = design(dataset.nuisance.values)
        M = np.eye(dataset.n_rows) - N @ np.linalg.pinv(N)
        x, Y = M @ dataset.X, M @ targets
        x, Y = x / np.linalg.norm(x, axis=0), Y / np.linalg.norm(Y, axis=0)
        r = x.T @ Y
        codes = dataset.circuit_of_feature
        statistic = np.array([(r[codes == g] ** 2).sum(axis=0) for g in range(len(dataset.circuits))]).T
        effect = r[:, 0] * np.std(dataset.y)
        of_circuit = np.array([effect[codes == g].mean() for g in range(len(dataset.circuits))])
        return CircuitTest(
            circuits=dataset.circuits,
            statistic=statistic,
            feature_r=r[:, 0],
            feature_p=(np.abs(r) >= np.abs(r[:, :1])).mean(axis=1),
            effect=effect,
            effect_low=effect - 0.5,
            effect_high=effect + 0.5,
            circuit_effect=of_circuit,
            circuit_effect_low=of_circuit - 0.5,
            circuit_effect_high=of_circuit + 0.5,
        )


@pytest.fixture(scope="session")
def make_inputs() -> Maker:
    return Maker()


@pytest.fixture(scope="session")
def shown(make_inputs) -> RunInputs:
    """A run on people in whom the reward circuit matters."""
    return make_inputs(n=60, signal=0.9, permutations=199)


@pytest.fixture(scope="session")
def absent(make_inputs) -> RunInputs:
    """A run on people in whom nothing matters."""
    return make_inputs(n=40, signal=0.0, seed=3)


@pytest.fixture(scope="session")
def shuffled_order():
    """The same inputs with their units finished in another order."""

    def shuffle(inputs: RunInputs) -> RunInputs:
        order = np.random.default_rng(5).permutation(len(inputs.unit_results))
        return replace(
            inputs,
            units=tuple(inputs.units[k] for k in order[::-1]),
            unit_results=tuple(inputs.unit_results[k] for k in order),
        )

    return shuffle
