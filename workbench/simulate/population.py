"""Many simulated people with complete features, and the best predictor of an outcome in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from workbench.simulate.anatomy import MODALITIES, features
from workbench.simulate.config import TrialConfig
from workbench.simulate.latents import People, draw_people, standard_fd
from workbench.simulate.modalities import Scanner, draw_modality
from workbench.simulate.outcomes import THRESHOLD

PLANTED_IN = ("connectivity", "task")
"""The feature set in which r2 is planted: what every site measures."""

FEATURE_SETS: dict[str, tuple[str, ...]] = {
    "connectivity": ("connectivity",),
    "task": ("task",),
    "pet": ("pet",),
    "connectivity+task": PLANTED_IN,
    "connectivity+task+pet": MODALITIES,
}


@dataclass(frozen=True, eq=False)
class Everyone:
    """Many people with complete features: the population, as nearly as it can be drawn."""

    people: People
    X: np.ndarray
    """(n, p), modalities in the order of `MODALITIES`."""
    nuisance: np.ndarray
    """(n, k), see `nuisance_of`."""


def nuisance_of(config: TrialConfig, people: People) -> np.ndarray:
    """What the study holds fixed: motion; sequence in a crossover; site where sites respond differently."""
    columns = [standard_fd(people.fd)]
    if config.design == "crossover":
        columns.append(people.ketamine_first.astype(float))
    if config.site_outcome:
        columns.extend((people.site == site).astype(float) for site in range(1, len(config.site_weights)))
    return np.column_stack(columns)


def columns_of(config: TrialConfig, modalities: Sequence[str]) -> np.ndarray:
    """Positions of some modalities' features in `Everyone.X`.

    Parameters
    ----------
    config : TrialConfig
    modalities : sequence of str

    Returns
    -------
    ndarray of int
        Ascending.
    """
    names = [modality for modality in MODALITIES for _ in features(modality, config.n_regions)]
    return np.flatnonzero(np.isin(names, list(modalities)))


def columns_of_circuit(config: TrialConfig, circuit: str, modalities: Sequence[str] = PLANTED_IN) -> np.ndarray:
    """Positions of a circuit's features in `Everyone.X`.

    Parameters
    ----------
    config : TrialConfig
    circuit : str
    modalities : sequence of str
        Only the features of these.

    Returns
    -------
    ndarray of int
        Ascending.
    """
    circuits = np.array([feature.circuit for each in MODALITIES for feature in features(each, config.n_regions)])
    columns = columns_of(config, modalities)
    return np.asarray(columns[circuits[columns] == circuit])


def draw_everyone(
    config: TrialConfig,
    scanners: Mapping[str, Scanner],
    n: int,
    seed: int,
    modalities: Sequence[str] = MODALITIES,
    *,
    balanced: bool = False,
) -> Everyone:
    """Draw n people with complete features; after ketamine in every design.

    Parameters
    ----------
    config : TrialConfig
    scanners : mapping of str to Scanner
        From `build_scanners`.
    n, seed : int
    modalities : sequence of str
        Those drawn, in the order of the columns.
    balanced : bool
        Make the latents exactly uncorrelated with unit variance in these people, which takes away most of the chance
        in what is computed from them.

    Returns
    -------
    Everyone
    """
    people = draw_people(config, seed, n)
    if config.design == "parallel":
        people = replace(people, ketamine_first=np.ones(n, dtype=bool))
    if balanced:
        z = people.circuits - people.circuits.mean(axis=0)
        people = replace(people, circuits=z @ np.linalg.inv(np.linalg.cholesky(z.T @ z / n)).T)
    drawn = [draw_modality(modality, config, scanners[modality], people, seed) for modality in modalities]
    return Everyone(people, np.column_stack(drawn), nuisance_of(config, people))


def known_of(everyone: Everyone, columns: np.ndarray | None = None) -> np.ndarray:
    """[1 | nuisance | features] of everybody, by default without features.

    Parameters
    ----------
    everyone : Everyone
    columns : ndarray of int, optional
        Positions in `Everyone.X`.

    Returns
    -------
    ndarray of shape (n, 1 + k + n_columns)
        k columns of nuisance.
    """
    X = everyone.X[:, [] if columns is None else columns]
    return np.column_stack([np.ones(everyone.people.n), everyone.nuisance, X])


def least_squares(known: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Coefficients of the columns of a design matrix of full rank.

    Parameters
    ----------
    known : ndarray of shape (n, k)
    y : ndarray of shape (n,)

    Returns
    -------
    ndarray of shape (k,)
    """
    return np.asarray(np.linalg.solve(known.T @ known, known.T @ y))


@dataclass(frozen=True, eq=False)
class LinearPredictor:
    """Explained variance by least squares on features given a nuisance block, from moments.

    Attributes
    ----------
    X : ndarray of shape (n, p)
        Features, nuisance taken out.
    gram : ndarray of shape (p, p)
    fixed : ndarray of shape (n, k)
        Orthonormal basis of the nuisance and the intercept.
    """

    X: np.ndarray
    gram: np.ndarray
    fixed: np.ndarray

    @classmethod
    def of(cls, X: np.ndarray, nuisance: np.ndarray) -> LinearPredictor:
        """Moments of these features, once for any number of outcomes."""
        fixed, _ = np.linalg.qr(np.column_stack([np.ones(len(X)), nuisance]))
        left = X / X.std(axis=0)
        left -= fixed @ (fixed.T @ left)
        return cls(left, left.T @ left, fixed)

    def r2(self, y: np.ndarray, *feature_sets: np.ndarray, threshold_of: np.ndarray | None = None) -> tuple[float, ...]:
        """1 - Var(y | X, N) / Var(y | N) of each feature set, adjusted for its number of features (Theil 1961).

        Parameters
        ----------
        threshold_of : ndarray of shape (n,), optional
            A standard normal latent that acts by `THRESHOLD`: how likely it is above, given the features, is one more.
        """
        n, k = len(self.X), self.fixed.shape[1]
        left = self._left(y)
        along = self.X.T @ left
        found = []
        for columns in feature_sets:
            gram = self.gram[np.ix_(columns, columns)]
            explained = along[columns] @ np.linalg.solve(gram, along[columns])
            if threshold_of is not None:
                explained += self._by_threshold(columns, gram, along[columns], left, threshold_of)
            unexplained = 1 - explained / (left @ left)
            found.append(float(1 - unexplained * (n - k) / (n - k - len(columns))))
        return tuple(found)

    def _left(self, y: np.ndarray) -> np.ndarray:
        return np.asarray(y - self.fixed @ (self.fixed.T @ y))

    def _by_threshold(
        self, columns: np.ndarray, gram: np.ndarray, along: np.ndarray, left: np.ndarray, latent: np.ndarray
    ) -> float:
        """Sum of squares that the probability of being above the threshold explains beside the linear part."""
        X = self.X[:, columns]
        expected = X @ np.linalg.solve(gram, X.T @ self._left(latent))
        above = self._left(chance_above(expected, 1 - expected.var()))
        own = above - X @ np.linalg.solve(gram, X.T @ above)
        return float((own @ left) ** 2 / (own @ own)) if own @ own > 1e-9 * len(own) else 0.0


def chance_above(expected: np.ndarray, variance: float) -> np.ndarray:
    """P(z > `THRESHOLD`) of a normal latent known up to this variance.

    Parameters
    ----------
    expected : ndarray of shape (n,)
        What the latent is expected to be.
    variance : float
        Of the latent around it.

    Returns
    -------
    ndarray of shape (n,)
    """
    from scipy.special import ndtr

    return np.asarray(ndtr((expected - THRESHOLD) / np.sqrt(max(variance, 1e-12))))
