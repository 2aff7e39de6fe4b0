"""What is true of a simulated trial: how much the features can explain, and which circuit plays which part.

Two truths (METHODS 4.1). `R2_pop`: what the best predictor of the *observed* features explains in everybody; where the
ventral striatum acts by a threshold, the best predictor knows it. `R2_achievable(n)`: what a model trained on n people
explains in fresh people; estimates are judged against it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any

import numpy as np

from workbench.errors import Problem, SpecError
from workbench.simulate.anatomy import (
    CIRCUITS,
    DIRECTION,
    FRONTOSTRIATAL,
    LATENT_CIRCUITS,
    MODALITIES,
    ROLES,
    Role,
    features,
)
from workbench.simulate.config import SCORES, ScoreName, TrialConfig
from workbench.simulate.latents import People, draw_people, standard_fd
from workbench.simulate.modalities import Scanner, build_scanners, draw_modality
from workbench.simulate.outcomes import THRESHOLD, Course, Items, build_items, largest_signal, main_contrast

N_CALIBRATION = 20_000
"""People in whom the shares are set; p is about 200, so a Bayes linear predictor is known to about 1 %."""
N_NOISE = 4
"""Draws of unexplained change and measurement error for each of them."""
CALIBRATION_SEED = 20_260_310
N_TRAINING_SETS = 20
"""Over which R2_achievable is averaged where a trial is written: its standard error is then about .01."""

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
    """R2_pop of every score, outcome and feature set."""
    circuit_r2: tuple[Mapping[str, Any], ...] = ()
    """R2_pop of the features of each circuit alone, for the main contrast of every score."""


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


def columns_of_circuit(config: TrialConfig, circuit: str, modalities: Sequence[str] = PLANTED_IN) -> np.ndarray:
    """Positions of a circuit's features in `Everyone.X`."""
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

    def r2(
        self, y: np.ndarray, *feature_sets: np.ndarray, threshold_of: np.ndarray | None = None
    ) -> tuple[float, ...]:
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
    """P(z > `THRESHOLD`) of a normal latent known up to this variance."""
    from scipy.special import ndtr

    return np.asarray(ndtr((expected - THRESHOLD) / np.sqrt(max(variance, 1e-12))))


@dataclass(frozen=True, eq=False)
class Calibration:
    """Many people in whom the share of the signal can be tried out."""

    everyone: Everyone
    predictor: LinearPredictor

    def r2(
        self, world: World, score: ScoreName, kind: str, feature_sets: Sequence[np.ndarray], share: float
    ) -> tuple[float, ...]:
        """R2_pop of an outcome for each feature set (positions in `Everyone.X`), if the signal had this share."""
        ventral = self.everyone.people.circuits[:, LATENT_CIRCUITS.index(FRONTOSTRIATAL)]
        latent = ventral if world.config.non_linear else None
        draws = [
            self.predictor.r2(y, *feature_sets, threshold_of=latent) for y in self.outcomes(world, score, kind, share)
        ]
        return tuple(np.mean(draws, axis=0).tolist())

    def outcomes(self, world: World, score: ScoreName, kind: str, share: float) -> Iterator[np.ndarray]:
        """The outcome of these people, `N_NOISE` times with new unexplained change and measurement error."""
        for draw in range(N_NOISE):
            seed = CALIBRATION_SEED + 1 + draw
            yield Course(world.config, world.items, self.everyone.people, {score: share}, seed).contrast(score, kind)


@lru_cache(maxsize=2)  # 60 MB each; trials that differ only in what is planted share them
def _calibration(config: TrialConfig) -> Calibration:
    everyone = draw_everyone(config, build_scanners(config), N_CALIBRATION, CALIBRATION_SEED, balanced=True)
    return Calibration(everyone, LinearPredictor.of(everyone.X, everyone.nuisance))


@lru_cache(maxsize=16)
def _build_world(config: TrialConfig) -> World:
    world = World(config, build_scanners(config), build_items(config), {}, ())
    calibration = _calibration_of(config)
    kind = main_contrast(config)
    planted_in = columns_of(config, PLANTED_IN)

    def planted(score: ScoreName, share: float) -> float:
        return calibration.r2(world, score, kind, [planted_in], share)[0]

    shares: dict[ScoreName, float] = {score: _share_for(config, partial(planted, score)) for score in SCORES}
    world = replace(world, shares=shares)
    sets = {name: columns_of(config, modalities) for name, modalities in FEATURE_SETS.items()}
    alone = {circuit: columns_of_circuit(config, circuit) for circuit in CIRCUITS}
    kinds = tuple(dict.fromkeys((kind, "change")))
    return replace(
        world,
        r2=_r2_table(world, calibration, kinds, "feature_set", sets),
        circuit_r2=_r2_table(world, calibration, (kind,), "circuit", alone),
    )


def _r2_table(
    world: World, calibration: Calibration, kinds: Sequence[str], what: str, sets: Mapping[str, np.ndarray]
) -> tuple[Mapping[str, Any], ...]:
    table = []
    for score in SCORES:
        for kind in kinds:
            r2s = calibration.r2(world, score, kind, list(sets.values()), world.shares[score])
            # Estimated below 0 where there is nothing: the population's value cannot be.
            table += [
                {"score": score, "outcome": kind, what: name, "r2_pop": max(r2, 0.0)}
                for name, r2 in zip(sets, r2s, strict=True)
            ]
    return tuple(table)


def _calibration_of(config: TrialConfig) -> Calibration:
    """People in whom shares are set; those of worlds that differ only in what is planted are the same."""
    return _calibration(replace(config, **_defaults(*OUTCOME_SETTINGS, *WHO_IS_DRAWN)))


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


# ----------------------------------------------------------------------------------------------------- in fresh people


@dataclass(frozen=True, eq=False)
class BestPredictor:
    """The Bayes predictor of the main contrast, learnt in the many people in whom the shares were set.

    Attributes
    ----------
    columns : ndarray of int
        Positions in `Everyone.X`.
    weights : ndarray
        Of the intercept, the nuisance, the features and, in the non-linear variant, the chance of being above the
        threshold.
    reference : ndarray
        Of the intercept and the nuisance, where nothing else is known.
    latent : ndarray or None
        Non-linear variant: weights with which intercept, nuisance and features give the ventral striatal latent.
    latent_variance : float
        What they leave open of it.
    """

    columns: np.ndarray
    weights: np.ndarray
    reference: np.ndarray
    latent: np.ndarray | None = None
    latent_variance: float = 1.0

    def predict(self, everyone: Everyone) -> np.ndarray:
        """Expected outcome of each person, given features and nuisance."""
        known = _known(everyone, self.columns)
        if self.latent is not None:
            known = np.column_stack([known, chance_above(known @ self.latent, self.latent_variance)])
        return np.asarray(known @ self.weights)

    def r2(self, everyone: Everyone, y: np.ndarray) -> float:
        """1 - SSE / SSE of the nuisance alone, in these people."""
        missed, by_nuisance = y - self.predict(everyone), y - _known(everyone) @ self.reference
        return float(1 - (missed @ missed) / (by_nuisance @ by_nuisance))


def best_predictor(
    config: TrialConfig, *, score: ScoreName = "SHAPS", modalities: Sequence[str] = PLANTED_IN
) -> BestPredictor:
    """The Bayes predictor of a trial's main contrast, with which R2_pop is measured in people who did not set it."""
    world, calibration = build_world(config), _calibration_of(config)
    columns, everyone = columns_of(config, modalities), calibration.everyone
    # The mean over draws of what is unexplained: a quarter of the noise in the weights.
    y = np.mean(list(calibration.outcomes(world, score, main_contrast(config), world.shares[score])), axis=0)
    known = _known(everyone, columns)
    latent, variance = None, 1.0
    if config.non_linear:
        z = everyone.people.circuits[:, LATENT_CIRCUITS.index(FRONTOSTRIATAL)]
        latent = _least_squares(known, z)
        variance = float((z - known @ latent).var())
        known = np.column_stack([known, chance_above(known @ latent, variance)])
    reference = _least_squares(_known(everyone), y)
    return BestPredictor(columns, _least_squares(known, y), reference, latent, variance)


def _known(everyone: Everyone, columns: np.ndarray | None = None) -> np.ndarray:
    """[1 | nuisance | features]."""
    X = everyone.X[:, [] if columns is None else columns]
    return np.column_stack([np.ones(everyone.people.n), everyone.nuisance, X])


def _least_squares(known: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.asarray(np.linalg.solve(known.T @ known, known.T @ y))


# -------------------------------------------------------------------------------------------------------- from n people


@lru_cache(maxsize=16)
def achievable_table(config: TrialConfig, n_train: int, n_sets: int = N_TRAINING_SETS) -> tuple[Mapping[str, Any], ...]:
    """R2_achievable of ridge in the main contrast of every score, for the feature sets that every site measures.

    The same as `r2_achievable`, all at once; scored in the many people in whom the shares were set, who are in no
    training set.
    """
    world, fresh = build_world(config), _calibration_of(config).everyone
    sets = {name: columns_of(config, each) for name, each in FEATURE_SETS.items() if set(each) <= set(PLANTED_IN)}
    course = Course(world.config, world.items, fresh.people, world.shares, CALIBRATION_SEED)
    seen = [draw_everyone(config, world.scanners, n_train, 8_000_000 + number) for number in range(n_sets)]
    table = []
    for score in SCORES:
        tests = (fresh, course.contrast(score, main_contrast(config)))
        trains = [(each, _outcome_of(world, each, score, 8_000_000 + number)) for number, each in enumerate(seen)]
        for name, columns in sets.items():
            r2s = [_fresh_r2_of_ridge(train, tests, columns) for train in trains]
            row = {"score": score, "outcome": main_contrast(config), "feature_set": name, "model": "ridge"}
            table.append({**row, "n_train": n_train, "n_sets": n_sets, "r2_achievable": float(np.mean(r2s))})
    return tuple(table)


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
        scores.append(
            _fresh_r2_of_ridge(train, test, columns) if model is None else _fresh_r2(train, test, columns, model)
        )
    return float(np.mean(scores))


def _with_outcome(world: World, n: int, score: ScoreName, seed: int) -> tuple[Everyone, np.ndarray]:
    everyone = draw_everyone(world.config, world.scanners, n, seed)
    return everyone, _outcome_of(world, everyone, score, seed)


def _outcome_of(world: World, everyone: Everyone, score: ScoreName, seed: int) -> np.ndarray:
    course = Course(world.config, world.items, everyone.people, world.shares, seed)
    return course.contrast(score, main_contrast(world.config))


def _ridge() -> Any:
    from sklearn.linear_model import RidgeCV

    return RidgeCV(alphas=np.logspace(-1, 6, 15))


def _without_nuisance(train: tuple[Everyone, np.ndarray], columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients of the nuisance, and what it leaves of [features | outcome], in the training set (METHODS 6)."""
    seen, y = train
    both = np.column_stack([seen.X[:, columns], y])
    coefficients, *_ = np.linalg.lstsq(_known(seen), both, rcond=None)
    return coefficients, both - _known(seen) @ coefficients


def _fresh_r2(
    train: tuple[Everyone, np.ndarray], test: tuple[Everyone, np.ndarray], columns: np.ndarray, model: Any
) -> float:
    """Nuisance is taken out of features and outcome with the coefficients of the training set (METHODS 6)."""
    from sklearn.base import clone

    fresh, y_fresh = test
    coefficients, left_seen = _without_nuisance(train, columns)
    left_fresh = np.column_stack([fresh.X[:, columns], y_fresh]) - _known(fresh) @ coefficients
    spread = left_seen[:, :-1].std(axis=0)
    fitted = clone(model).fit(left_seen[:, :-1] / spread, left_seen[:, -1])
    missed = left_fresh[:, -1] - fitted.predict(left_fresh[:, :-1] / spread)
    return float(1 - (missed @ missed) / (left_fresh[:, -1] @ left_fresh[:, -1]))


def _fresh_r2_of_ridge(
    train: tuple[Everyone, np.ndarray], test: tuple[Everyone, np.ndarray], columns: np.ndarray
) -> float:
    """`_fresh_r2` of ridge, whose predictions are a weighted sum: no matrix of everybody's residuals is needed."""
    fresh, y_fresh = test
    coefficients, left_seen = _without_nuisance(train, columns)
    spread = left_seen[:, :-1].std(axis=0)
    fitted = _ridge().fit(left_seen[:, :-1] / spread, left_seen[:, -1])
    weights = np.zeros(fresh.X.shape[1])
    weights[columns] = fitted.coef_ / spread
    known = _known(fresh)
    left = y_fresh - known @ coefficients[:, -1]
    missed = left - fitted.intercept_ - fresh.X @ weights + known @ (coefficients[:, :-1] @ weights[columns])
    return float(1 - (missed @ missed) / (left @ left))


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
