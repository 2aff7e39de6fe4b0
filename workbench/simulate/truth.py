"""What is true of a simulated trial: how much the features can explain, and which circuit plays which part.

`R2_pop` is what the best predictor of the *observed* features explains in everybody (METHODS 4.1); where the ventral
striatum acts by a threshold, the best predictor knows it. The other truth, what n people can achieve, is in
`achievable`.
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
from workbench.simulate.modalities import Scanner, build_scanners
from workbench.simulate.outcomes import Course, Items, build_items, largest_signal, main_contrast
from workbench.simulate.population import (
    FEATURE_SETS,
    PLANTED_IN,
    Everyone,
    LinearPredictor,
    chance_above,
    columns_of,
    columns_of_circuit,
    draw_everyone,
    known_of,
    least_squares,
)

N_CALIBRATION = 20_000
"""People in whom the shares are set; p is about 200, so a Bayes linear predictor is known to about 1 %."""
N_NOISE = 4
"""Draws of unexplained change and measurement error for each of them, two and their mirror images."""
CALIBRATION_SEED = 20_260_310

TRUE_FOR: dict[Role, tuple[str, ...]] = {
    "planted": ("ketamine-minus-placebo", "change"),
    "interaction-only": ("ketamine-minus-placebo", "change"),
    "prognostic-only": ("change",),
    "suppressor": (),
    "confound-only": (),
    "site-only": (),
}
"""Outcomes with which a circuit of this role goes once the confounds are held fixed."""

MEANING: dict[Role, str] = {
    "planted": "is associated with improvement after ketamine, not after placebo",
    "interaction-only": "half gained under ketamine, half lost under placebo: nothing on average over the arms",
    "prognostic-only": "is associated with improvement after ketamine and placebo alike",
    "suppressor": "does not go with improvement; helps only by cleaning the ventral striatal features",
    "confound-only": "is associated with improvement only through head motion",
    "site-only": "differs between scanners, and is associated with improvement only where sites respond differently",
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
            seed, mirrored = CALIBRATION_SEED + 1 + draw // 2, draw % 2 == 1
            course = Course(world.config, world.items, self.everyone.people, {score: share}, seed, mirrored)
            yield course.contrast(score, kind)


@lru_cache(maxsize=4)  # 60 MB each; trials that differ only in what is planted share them
def _calibration(config: TrialConfig) -> Calibration:
    everyone = draw_everyone(config, build_scanners(config), N_CALIBRATION, CALIBRATION_SEED, balanced=True)
    return Calibration(everyone, LinearPredictor.of(everyone.X, everyone.nuisance))


@lru_cache(maxsize=16)
def _build_world(config: TrialConfig) -> World:
    world = World(config, build_scanners(config), build_items(config), {}, ())
    calibration = calibration_of(config)
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


def calibration_of(config: TrialConfig) -> Calibration:
    """People in whom shares are set; those of worlds that differ only in what is planted are the same.

    Parameters
    ----------
    config : TrialConfig

    Returns
    -------
    Calibration
    """
    return _calibration(replace(config, **defaults_of(*OUTCOME_SETTINGS, *WHO_IS_DRAWN)))


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


def defaults_of(*settings: str) -> dict[str, Any]:
    """Settings as they are by default: trials that differ in these alone share what does not depend on them.

    Parameters
    ----------
    *settings : str
        Names of fields of `TrialConfig`.

    Returns
    -------
    dict of str to object
    """
    return {setting: getattr(TrialConfig, setting) for setting in settings}


def build_world(config: TrialConfig) -> World:
    """Everything that does not depend on who is drawn; remembered, so that a thousand trials set the shares once.

    Parameters
    ----------
    config : TrialConfig

    Returns
    -------
    World

    Raises
    ------
    SpecError
        If the features, noisy as they are, cannot explain as much as is asked for.
    """
    return replace(_build_world(replace(config, **defaults_of(*WHO_IS_DRAWN))), config=config)


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
        known = known_of(everyone, self.columns)
        if self.latent is not None:
            known = np.column_stack([known, chance_above(known @ self.latent, self.latent_variance)])
        return np.asarray(known @ self.weights)

    def r2(self, everyone: Everyone, y: np.ndarray) -> float:
        """1 - SSE / SSE of the nuisance alone, in these people."""
        missed, by_nuisance = y - self.predict(everyone), y - known_of(everyone) @ self.reference
        return float(1 - (missed @ missed) / (by_nuisance @ by_nuisance))


def best_predictor(
    config: TrialConfig, *, score: ScoreName = "SHAPS", modalities: Sequence[str] = PLANTED_IN
) -> BestPredictor:
    """The Bayes predictor of a trial's main contrast, with which R2_pop is measured in people who did not set it."""
    world, calibration = build_world(config), calibration_of(config)
    columns, everyone = columns_of(config, modalities), calibration.everyone
    # Over mirror images what nothing explains cancels, so that hardly any of it is in the weights.
    y = np.mean(list(calibration.outcomes(world, score, main_contrast(config), world.shares[score])), axis=0)
    known = known_of(everyone, columns)
    latent, variance = None, 1.0
    if config.non_linear:
        z = everyone.people.circuits[:, LATENT_CIRCUITS.index(FRONTOSTRIATAL)]
        latent = least_squares(known, z)
        variance = float((z - known @ latent).var())
        known = np.column_stack([known, chance_above(known @ latent, variance)])
    reference = least_squares(known_of(everyone), y)
    return BestPredictor(columns, least_squares(known, y), reference, latent, variance)


# ------------------------------------------------------------------------------------------------------------- in words


def circuit_table(config: TrialConfig) -> list[dict[str, Any]]:
    """Which circuit plays which part, and where it can be seen.

    Parameters
    ----------
    config : TrialConfig

    Returns
    -------
    list of dict
        One per circuit: circuit, role, meaning, true_for (kinds of outcome), direction (1, -1, or 0 for none) and
        n_features (by modality).
    """
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
