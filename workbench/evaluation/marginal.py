"""The marginal circuit test T_g: which circuits go with the outcome, one by one (METHODS 2.9)."""

from __future__ import annotations

import numpy as np

from workbench.evaluation.effects import NOTHING_LEFT, effects, nuisance_basis, residual_of
from workbench.records import CircuitTest, Dataset

FEATURES_AT_ONCE = 2048


def circuit_test(dataset: Dataset, targets: np.ndarray) -> CircuitTest:
    """Test every circuit for its marginal association with the outcome, nuisance held fixed.

    T_g = sum over the features j of circuit g of r^2(x_j, y | N), where N = [1 | forced | confounds] of the whole
    sample, ``r(x, y | N) = (M x)'(M y) / (|M x| |M y|)`` and M = I - N N^+ removes N by least squares; missing values
    of a feature are its mean. The same for every Freedman-Lane column of `targets`; p-values, q-values and candidates
    are made from the statistics elsewhere. Being marginal it does not depend on any model, and it counts a feature
    that only follows another one.

    The effect of a feature, and that of the mean of the standardised features of a circuit, is the least-squares slope
    of the outcome on it, given N, per SD; its 95 % interval clusters by people or families (`effects.effects`). Signs
    of the features of a circuit are not aligned to the outcome, so opposite ones cancel in its mean.

    Parameters
    ----------
    targets : ndarray of shape (n_rows, 1 + n_permutations)
        From `permutations.target_matrix` with the dataset's nuisance block.

    References
    ----------
    Freedman, D., Lane, D. (1983). J. Business & Economic Statistics 1, 292-298.
    """
    basis = nuisance_basis(dataset.nuisance.values, dataset.n_rows)
    Y = _unit_columns(residual_of(targets, basis), targets)
    circuits = dataset.circuits
    member = np.equal.outer(np.arange(len(circuits)), dataset.circuit_of_feature).astype(float)
    n_features = dataset.X.shape[1]
    statistic = np.zeros((targets.shape[1], len(circuits)))
    feature_r, feature_p = np.empty(n_features), np.empty(n_features)
    effect, half_width = np.empty(n_features), np.empty(n_features)
    for start in range(0, n_features, FEATURES_AT_ONCE):
        chunk = slice(start, start + FEATURES_AT_ONCE)
        X = _mean_imputed(dataset.X[:, chunk])
        residual = residual_of(X, basis)
        r = _unit_columns(residual, X).T @ Y
        feature_r[chunk] = r[:, 0]
        squared = np.square(r, out=r)
        # A tie with the observed value counts against it, whatever the last bit of a sum says.
        feature_p[chunk] = (squared >= squared[:, :1] * (1 - 1e-12)).mean(axis=1)
        statistic += squared.T @ member[:, chunk].T
        slopes = effects(X, dataset.y, basis, np.asarray(dataset.groups))
        # A feature that does not vary goes with nothing.
        effect[chunk], half_width[chunk] = (np.nan_to_num(each, nan=0.0, posinf=np.inf) for each in slopes)
    means = _circuit_means(dataset.X, dataset.circuit_of_feature, len(circuits))
    of_circuit, half_of_circuit = effects(means, dataset.y, basis, np.asarray(dataset.groups))
    of_circuit = np.where(np.isfinite(half_of_circuit), of_circuit, np.nan)
    return CircuitTest(
        circuits=circuits,
        statistic=statistic,
        feature_r=feature_r,
        feature_p=feature_p,
        effect=effect,
        effect_low=effect - half_width,
        effect_high=effect + half_width,
        circuit_effect=of_circuit,
        circuit_effect_low=of_circuit - half_of_circuit,
        circuit_effect_high=of_circuit + half_of_circuit,
    )


def _unit_columns(residual: np.ndarray, values: np.ndarray) -> np.ndarray:
    norm = np.linalg.norm(residual, axis=0)
    lost = norm <= NOTHING_LEFT * np.linalg.norm(values, axis=0)
    scaled: np.ndarray = np.where(lost, 0.0, residual / np.where(lost, 1.0, norm))
    return scaled


def _mean_imputed(X: np.ndarray) -> np.ndarray:
    missing = np.isnan(X)
    if not missing.any():
        return X
    counts = (~missing).sum(axis=0)
    means = np.where(missing, 0.0, X).sum(axis=0) / np.maximum(counts, 1)
    return np.where(missing, means, X)


def _circuit_means(X: np.ndarray, circuit_of_feature: np.ndarray, n_circuits: int) -> np.ndarray:
    """Mean of the standardised features of each circuit that a row has, shape (n_rows, n_circuits)."""
    total, count = np.zeros((len(X), n_circuits)), np.zeros((len(X), n_circuits))
    for start in range(0, X.shape[1], FEATURES_AT_ONCE):
        chunk = slice(start, start + FEATURES_AT_ONCE)
        member = np.equal.outer(circuit_of_feature[chunk], np.arange(n_circuits)).astype(float)
        z, present = _standardised(X[:, chunk])
        total += z @ member
        count += present.astype(float) @ member
    means: np.ndarray = total / np.maximum(count, 1)
    return means


def _standardised(X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Features in SD from their sample mean, 0 where a value is missing, and which values are there."""
    present = ~np.isnan(X)
    count = present.sum(axis=0)
    mean = np.where(present, X, 0.0).sum(axis=0) / np.maximum(count, 1)
    deviation = np.where(present, X - mean, 0.0)
    sd = np.sqrt(np.square(deviation).sum(axis=0) / np.maximum(count - 1, 1))
    return np.where(sd > 0, deviation / np.where(sd > 0, sd, 1.0), 0.0), present
