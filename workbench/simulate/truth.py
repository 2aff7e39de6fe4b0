"""What is true of a simulated trial: how much the features can explain, and which circuit plays which part.

Two truths (METHODS 4.1). `R2_pop`: what the best linear predictor of the *observed* features explains in everybody.
`R2_achievable(n)`: what a model trained on n people explains in fresh people; estimates are judged against it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any

import numpy as np

from workbench.errors import Problem, SpecError
from workbench.simulate.anatomy import CIRCUITS, DIRECTION, LATENT_CIRCUITS, MODALITIES, ROLES, Role, features
from workbench.simulate.config import SCORES, ScoreName, TrialConfig
from workbench.simulate.latents import People, draw_people, standard_fd
from workbench.simulate.modalities import Scanner, build_scanners, draw_modality
from workbench.simulate.outcomes import Course, Items, build_items, largest_signal, main_contrast

N_CALIBRATION = 20_000
"""People in whom the shares are set; p is about 200, so a Bayes linear predictor is known to about 1 %."""
N_NOISE = 4
"""Draws of unexplained change and measurement error for each of them."""
CALIBRATION_SEED = 20_260_310

PLANTED_IN = ("connectivity", "task")
"""The feature set in which r2 is planted: what every site measures."""

FEATURE_SETS: dict[str, tuple[str, ...]] = {
    "connectivity": ("connectivity",),
    "task": ("task",),
    "pet": ("pet",),
    "connectivity+task": PLANTED_IN,
    "connectivity+task+pet": MODALITIES,
}

TRUE_FOR: dict[Role, tuple[str, ...]] = {
    "planted": ("ketamine-minus-placebo", "change"),
    "interaction-only": ("ketamine-minus-placebo", "change"),
    "prognostic-only": ("change",),
    "suppressor": (),
    "confound-only": (),
    "site-only": (),
}
"""Outcomes with which a circuit of this role goes once the covariates of no interest are held fixed."""

MEANING: dict[Role, str] = {
    "planted": "goes with improvement after ketamine, not after placebo",
    "interaction-only": "half gained under ketamine, half lost under placebo: nothing on average over the arms",
    "prognostic-only": "goes with improvement after ketamine and placebo alike",
    "suppressor": "does not go with improvement; helps only by cleaning the ventral striatal features",
    "confound-only": "goes with improvement only through head motion",
    "site-only": "differs between scanners, and goes with improvement only where sites respond differently",
}


@dataclass(frozen=True, eq=False)
class World:
    """What is true of everybody, shares set so that r2 is the planted one."""

    config: TrialConfig
    scanners: Mapping[str, Scanner]
    items: Items
    shares: Mapping[ScoreName, float]
    r2: tuple[Mapping[str, Any], ...]
    """R2_pop of every score, outcome and feature set, see `r2_table`."""


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
    """Positions of some modalities' features in `Everyone.X`."""
    names = [modality for modality in MODALITIES for _ in features(modality, config.n_regions)]
    return np.flatnonzero(np.isin(names, list(modalities)))


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
    balanced : bool
        Make the latents exactly uncorrelated with unit variance in these people, which takes away most of the chance
        in what is computed from them.
    """
    people = draw_people(config, seed, n)
    if config.design == "parallel":
        people = replace(people, ketamine_first=np.ones(n, dtype=bool))
    if balanced:
        z = people.circuits - people.circuits.mean(axis=0)
        people = replace(people, circuits=z @ np.linalg.inv(np.linalg.cholesky(z.T @ z / n)).T)
    drawn = [draw_modality(modality, config, scanners[modality], people, seed) for modality in modalities]
    return Everyone(people, np.column_stack(drawn), nuisance_of(config, people))


# ---------------------------------------------------------------------------------------------------- in the population


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

    def r2(self, y: np.ndarray, *feature_sets: np.ndarray) -> tuple[float, ...]:
        """1 - Var(y | X, N) / Var(y | N) of each feature set, adjusted for its number of features (Theil 1961)."""
        n, k = len(self.X), self.fixed.shape[1]
        left = y - self.fixed @ (self.fixed.T @ y)
        along = self.X.T @ left
        found = []
        for columns in feature_sets:
            weights = np.linalg.solve(self.gram[np.ix_(columns, columns)], along[columns])
            unexplained = 1 - along[columns] @ weights / (left @ left)
            found.append(float(1 - unexplained * (n - k) / (n - k - len(columns))))
        return tuple(found)


@dataclass(frozen=True, eq=False)
class Calibration:
    """Many people in whom the share of the signal can be tried out."""

    everyone: Everyone
    predictor: LinearPredictor

    def r2(
        self, world: World, score: ScoreName, kind: str, feature_sets: Sequence[Sequence[str]], share: float
    ) -> tuple[float, ...]:
        """R2_pop of an outcome for each feature set, if the signal had this share."""
        columns = [columns_of(world.config, modalities) for modalities in feature_sets]
        draws = []
        for draw in range(N_NOISE):
            seed = CALIBRATION_SEED + 1 + draw
            course = Course(world.config, world.items, self.everyone.people, {score: share}, seed)
            draws.append(self.predictor.r2(course.contrast(score, kind), *columns))
        return tuple(np.mean(draws, axis=0).tolist())


@lru_cache(maxsize=2)  # 60 MB each; trials that differ only in what is planted share them
def _calibration(config: TrialConfig) -> Calibration:
    everyone = draw_everyone(config, build_scanners(config), N_CALIBRATION, CALIBRATION_SEED, balanced=True)
    return Calibration(everyone, LinearPredictor.of(everyone.X, everyone.nuisance))


@lru_cache(maxsize=16)
def _build_world(config: TrialConfig) -> World:
    world = World(config, build_scanners(config), build_items(config), {}, ())
    calibration = _calibration(replace(config, **_defaults(*OUTCOME_SETTINGS)))
    kind = main_contrast(config)

    def planted(score: ScoreName, share: float) -> float:
        return calibration.r2(world, score, kind, [PLANTED_IN], share)[0]

    shares: dict[ScoreName, float] = {score: _share_for(config, partial(planted, score)) for score in SCORES}
    table = []
    for score in SCORES:
        for each in dict.fromkeys((kind, "change")):
            r2s = calibration.r2(world, score, each, list(FEATURE_SETS.values()), shares[score])
            # Estimated below 0 where there is nothing: the population's value cannot be.
            table += [
                {"score": score, "outcome": each, "feature_set": name, "r2_pop": max(r2, 0.0)}
                for name, r2 in zip(FEATURE_SETS, r2s, strict=True)
            ]
    return replace(world, shares=shares, r2=tuple(table))


OUTCOME_SETTINGS = ("r2", "prognostic_share", "interaction_share", "fd_share", "non_linear", "carry_over")
"""Settings that change no feature and no person."""
WHO_IS_DRAWN = (
    "n_patients",
    "n_controls",
    "dropout",
    "missing_connectivity",
    "missing_task",
    "missing_pet",
    "missing_values",
    "task_sessions",
)
"""Settings that change nothing that is true of everybody."""


def _defaults(*settings: str) -> dict[str, Any]:
    return {setting: getattr(TrialConfig, setting) for setting in settings}


def build_world(config: TrialConfig) -> World:
    """Everything that does not depend on who is drawn; remembered, so that a thousand trials set the shares once.

    Raises
    ------
    SpecError
        If the features, noisy as they are, cannot explain as much as is asked for.
    """
    return replace(_build_world(replace(config, **_defaults(*WHO_IS_DRAWN))), config=config)


def _share_for(config: TrialConfig, r2_of: Callable[[float], float]) -> float:
    """The share of the signal with which the observed features explain what was asked for (regula falsi)."""
    if config.r2 == 0:
        return 0.0
    low, high = 0.0, largest_signal(config)
    r2_low, r2_high = 0.0, r2_of(high)
    if r2_high < config.r2:
        found = f"is {config.r2:g}, more than these features can explain"
        raise SpecError(Problem("r2", found, f"at most {r2_high:.2f} in this design"))
    share = high
    for _ in range(30):
        share = low + (high - low) * (config.r2 - r2_low) / (r2_high - r2_low)
        r2 = r2_of(share)
        if abs(r2 - config.r2) < 1e-4:
            break
        low, r2_low, high, r2_high = (share, r2, high, r2_high) if r2 < config.r2 else (low, r2_low, share, r2)
    return share


# -------------------------------------------------------------------------------------------------------- from n people


def r2_achievable(
    config: TrialConfig,
    n_train: int,
    *,
    score: ScoreName = "SHAPS",
    modalities: Sequence[str] = PLANTED_IN,
    model: Any = None,
    n_sets: int = 50,
    n_test: int = 20_000,
    seed: int = 0,
) -> float:
    """R2 that a model trained on n people has in fresh people, averaged over training sets.

    Parameters
    ----------
    n_train : int
        People in a training set: with 5 outer folds, .8 of those analysed.
    model : scikit-learn regressor or None
        Given standardised features and what the nuisance leaves of the outcome; None is ridge with a tuned penalty.
    n_sets, n_test : int
        Fresh training sets, and fresh people in whom each is scored.

    Returns
    -------
    float
        Mean over the sets of 1 - SSE(nuisance + model) / SSE(nuisance), both fitted in the training set.
    """
    world = build_world(config)
    columns = columns_of(config, modalities)
    test = _with_outcome(world, n_test, score, 7_000_000 + seed)
    scores = []
    for number in range(n_sets):
        train = _with_outcome(world, n_train, score, 8_000_000 + 1000 * seed + number)
        scores.append(_fresh_r2(train, test, columns, model))
    return float(np.mean(scores))


def _with_outcome(world: World, n: int, score: ScoreName, seed: int) -> tuple[Everyone, np.ndarray]:
    everyone = draw_everyone(world.config, world.scanners, n, seed)
    course = Course(world.config, world.items, everyone.people, world.shares, seed)
    return everyone, course.contrast(score, main_contrast(world.config))


def _fresh_r2(
    train: tuple[Everyone, np.ndarray], test: tuple[Everyone, np.ndarray], columns: np.ndarray, model: Any
) -> float:
    """Nuisance is taken out of features and outcome with the coefficients of the training set (METHODS 6)."""
    from sklearn.base import clone
    from sklearn.linear_model import RidgeCV

    def block(everyone: Everyone) -> np.ndarray:
        return np.column_stack([np.ones(everyone.people.n), everyone.nuisance])

    (seen, y_seen), (fresh, y_fresh) = train, test
    both = np.column_stack([seen.X[:, columns], y_seen])
    coefficients, *_ = np.linalg.lstsq(block(seen), both, rcond=None)
    left_seen = both - block(seen) @ coefficients
    left_fresh = np.column_stack([fresh.X[:, columns], y_fresh]) - block(fresh) @ coefficients
    spread = left_seen[:, :-1].std(axis=0)
    fitted = clone(model) if model is not None else RidgeCV(alphas=np.logspace(-1, 6, 15))
    fitted.fit(left_seen[:, :-1] / spread, left_seen[:, -1])
    missed = left_fresh[:, -1] - fitted.predict(left_fresh[:, :-1] / spread)
    return float(1 - (missed @ missed) / (left_fresh[:, -1] @ left_fresh[:, -1]))


# ------------------------------------------------------------------------------------------------------------- in words


def circuit_table(config: TrialConfig) -> list[dict[str, Any]]:
    """Which circuit plays which part, and where it can be seen."""
    table = []
    for circuit in CIRCUITS:
        role = ROLES[circuit]
        counts = {each: [f.circuit for f in features(each, config.n_regions)].count(circuit) for each in MODALITIES}
        table.append(
            {
                "circuit": circuit,
                "role": role,
                "meaning": MEANING[role],
                "true_for": list(TRUE_FOR[role]),
                "direction": int(DIRECTION.get(circuit, 0.0)) if circuit in LATENT_CIRCUITS else 0,
                "n_features": {modality: count for modality, count in counts.items() if count},
            }
        )
    return table
