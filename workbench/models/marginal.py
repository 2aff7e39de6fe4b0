"""The marginal circuit test T_g: which circuits go with the outcome, one by one (METHODS 2.9)."""

from __future__ import annotations

import numpy as np

from workbench.records import CircuitTest, Dataset

FEATURES_AT_ONCE = 2048
NOTHING_LEFT = 1e-9
"""A feature whose norm falls below this share of its own after residualising is constant given N: its r is 0."""


def circuit_test(dataset: Dataset, targets: np.ndarray) -> CircuitTest:
    """Test every circuit for its marginal association with the outcome, nuisance held fixed.

    T_g = sum over the features j of circuit g of r^2(x_j, y | N), where N = [1 | forced | confounds] of the whole
    sample, ``r(x, y | N) = (M x)'(M y) / (|M x| |M y|)`` and M = I - N N^+ removes N by least squares; missing values
    of a feature are its mean. The same for every Freedman-Lane column of `targets`; p-values, q-values and candidates
    are made from the statistics elsewhere. Being marginal it does not depend on any model, and it counts a feature
    that only follows another one.

    The effect of a feature is the least-squares slope of the outcome on it, given N, times the SD of the feature (n -
    1 in the denominator); its 95 % interval uses t with n - rank(N) - 1 degrees of freedom or, where people have
    several rows, a person-clustered sandwich variance (CR1) with t of people - 1.

    Parameters
    ----------
    targets : ndarray of shape (n_rows, 1 + n_permutations)
        From `permutations.target_matrix` with the dataset's nuisance block.

    References
    ----------
    Freedman, D., Lane, D. (1983). J. Business & Economic Statistics 1, 292-298.
    Liang, K.-Y., Zeger, S. L. (1986). Biometrika 73, 13-22.
    """
    basis = _basis(dataset.nuisance.values, dataset.n_rows)
    Y = _unit_columns(_residual(targets, basis), targets)
    circuits = dataset.circuits
    member = np.equal.outer(np.arange(len(circuits)), dataset.circuit_of_feature).astype(float)
    n_features = dataset.X.shape[1]
    statistic = np.zeros((targets.shape[1], len(circuits)))
    feature_r, feature_p = np.empty(n_features), np.empty(n_features)
    effect, half_width = np.empty(n_features), np.empty(n_features)
    for start in range(0, n_features, FEATURES_AT_ONCE):
        chunk = slice(start, start + FEATURES_AT_ONCE)
        X = _mean_imputed(dataset.X[:, chunk])
        residual = _residual(X, basis)
        r = _unit_columns(residual, X).T @ Y
        feature_r[chunk] = r[:, 0]
        squared = np.square(r, out=r)
        # A tie with the observed value counts against it, whatever the last bit of a sum says.
        feature_p[chunk] = (squared >= squared[:, :1] * (1 - 1e-12)).mean(axis=1)
        statistic += squared.T @ member[:, chunk].T
        effect[chunk], half_width[chunk] = _effects(dataset, X, residual, basis)
    return CircuitTest(
        circuits=circuits,
        statistic=statistic,
        feature_r=feature_r,
        feature_p=feature_p,
        effect=effect,
        effect_low=effect - half_width,
        effect_high=effect + half_width,
    )


def _basis(nuisance: np.ndarray, n_rows: int) -> np.ndarray:
    """Orthonormal basis of [1 | nuisance], dependent columns left out."""
    design = np.column_stack([np.ones(n_rows), nuisance])
    scaled = design / np.maximum(np.linalg.norm(design, axis=0), np.finfo(float).tiny)
    left, singular, _ = np.linalg.svd(scaled, full_matrices=False)
    basis: np.ndarray = left[:, singular > 1e-10 * singular[0]]
    return basis


def _residual(values: np.ndarray, basis: np.ndarray) -> np.ndarray:
    # The second pass removes what rounding left of the first where N explains nearly everything.
    once = values - basis @ (basis.T @ values)
    residual: np.ndarray = once - basis @ (basis.T @ once)
    return residual


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


def _effects(dataset: Dataset, X: np.ndarray, residual: np.ndarray, basis: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points of the outcome per SD of each feature, and half the width of their 95 % intervals."""
    from scipy.stats import t

    y = _residual(np.asarray(dataset.y, dtype=float)[:, None], basis)
    sum_of_squares = np.square(residual).sum(axis=0)
    sum_of_squares[sum_of_squares <= (NOTHING_LEFT * np.linalg.norm(X, axis=0)) ** 2] = np.inf
    slope = (residual.T @ y)[:, 0] / sum_of_squares
    error = y - residual * slope
    n_free = dataset.n_rows - basis.shape[1] - 1
    if dataset.n_rows == dataset.n_participants:
        degrees = n_free
        variance = np.square(error).sum(axis=0) / (max(n_free, 1) * sum_of_squares)
    else:
        person = np.unique(dataset.rows["participant_id"].to_numpy(str), return_inverse=True)[1]
        n_people = dataset.n_participants
        by_person = np.zeros((n_people, X.shape[1]))
        np.add.at(by_person, person, residual * error)
        degrees = n_people - 1
        correction = n_people / max(n_people - 1, 1) * (dataset.n_rows - 1) / max(n_free, 1)
        variance = correction * np.square(by_person).sum(axis=0) / sum_of_squares**2
    sd = X.std(axis=0, ddof=1)
    if min(n_free, degrees) < 1:
        return slope * sd, np.full(X.shape[1], np.inf)
    return slope * sd, t.ppf(0.975, degrees) * np.sqrt(variance) * sd
