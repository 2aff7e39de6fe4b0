"""How people improve, and what the scales show of it: MADRS with error, SHAPS item by item."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from workbench.simulate.anatomy import DEFAULT_MODE, DIRECTION, EXECUTIVE, FRONTOSTRIATAL, LATENT_CIRCUITS, PLANTED
from workbench.simulate.config import ScoreName, TrialConfig
from workbench.simulate.latents import SEVERITY_MEAN, People, standard_fd
from workbench.simulate.streams import stream

TIME_COURSE = {"d1": 0.9, "d2": 1.0, "d10": 0.5, "p1": 0.9, "p2": 1.0, "p10": 0.5}
"""Share of the effect of an infusion that is seen at a visit; d follows ketamine (or the one infusion), p placebo."""
INFUSION = {"d0": True, "p0": False}
"""Visits during an infusion, and whether it is of ketamine (or whatever the one infusion was of)."""
HOURS = {"d0": 0.67, "p0": 0.67, "d1": 24.0, "d2": 48.0, "d10": 240.0, "p1": 24.0, "p2": 48.0, "p10": 240.0}

THRESHOLD = 0.5
"""Of the ventral striatal latent, in the non-linear variant."""
SHARED_NOISE = 0.5
"""Correlation between the two scales of what nothing measured explains."""
PERIOD_NOISE = 0.7
"""Share of that which lasts a whole period; the rest is new at each visit."""
BASELINE_SLOPE = 0.2
"""Further improvement per point of severity above the mean."""


@dataclass(frozen=True)
class ScaleModel:
    """How one scale moves: points of MADRS, or SD of the anhedonia latent behind SHAPS."""

    spread: float
    """SD of ketamine minus placebo before measurement error."""
    ketamine: float
    placebo: float
    """Mean improvement after ketamine and after placebo."""
    period: float
    """Improvement in a second period whatever is given."""


SCALE_MODELS: dict[ScoreName, ScaleModel] = {
    "MADRS": ScaleModel(spread=7.0, ketamine=11.0, placebo=4.0, period=1.0),
    "SHAPS": ScaleModel(spread=1.0, ketamine=0.9, placebo=0.3, period=0.1),
}
ANHEDONIA_MEAN, ANHEDONIA_SD = 0.3, 0.9

CONTROLS_RESPOND = 0.3
"""Healthy controls do not improve on average, and vary this much as patients do."""

TEPS_MEAN, TEPS_SLOPE, TEPS_ERROR, TEPS_STATE = 34.0, -6.0, 3.0, 0.3
"""Anticipatory pleasure, 10-60, HIGHER IS BETTER: points per SD of anhedonia; .7 of it is trait and does not move."""

CADSS_SPREAD, CADSS_RESPONSE = 12.0, 0.3
CADSS_MEAN = {True: 24.0, False: 0.0}
"""Dissociation 40 minutes into ketamine and placebo, 0-92. A little of it goes with what no scan explains of the
response: whoever feels the infusion knows the treatment."""

N_ITEMS = 14
ITEM_DISCRIMINATION = (1.6, 2.6)
ITEM_STEPS = (-1.5, 0.0, 1.5)
ITEM_SPREAD = 0.4


@dataclass(frozen=True, eq=False)
class Items:
    """Graded response model of the 14 SHAPS items (Samejima 1969).

    Attributes
    ----------
    discrimination : ndarray of shape (14,)
    steps : ndarray of shape (14, 3)
        Where an answer of at least 2, 3 and 4 is as likely as not.
    """

    discrimination: np.ndarray
    steps: np.ndarray


def build_items(config: TrialConfig) -> Items:
    """The items of a world.

    Parameters
    ----------
    config : TrialConfig

    Returns
    -------
    Items
    """
    rng = stream(config.world, "items")
    steps = np.array(ITEM_STEPS) + rng.normal(0, ITEM_SPREAD, (N_ITEMS, 1))
    return Items(rng.uniform(*ITEM_DISCRIMINATION, N_ITEMS), steps)


def answers(items: Items, anhedonia: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """Items answered 1 to 4: P(X >= k) = logistic(discrimination * (anhedonia - step_k)).

    Parameters
    ----------
    anhedonia : ndarray of shape (n,)
    uniform : ndarray of shape (n, 14)
    """
    given = np.ones(uniform.shape, dtype=int)
    for step in items.steps.T:  # one array, worked on in place: most of what it takes to set the shares
        passed = items.discrimination * (anhedonia[:, None] - step)
        np.exp(np.negative(passed, out=passed), out=passed)
        passed += 1
        given += uniform < np.divide(1, passed, out=passed)
    return given


def visits(config: TrialConfig) -> tuple[str, ...]:
    """Sessions after the baseline, in order.

    Parameters
    ----------
    config : TrialConfig

    Returns
    -------
    tuple of str
        Such as ``ses-d1``; those during an infusion are not among them.
    """
    after = ("d1", "d2", "d10", "p1", "p2", "p10") if config.design == "crossover" else ("d1", "d2", "d10")
    return tuple(f"ses-{visit}" for visit in after)


def infusions(config: TrialConfig) -> tuple[str, ...]:
    """Sessions during an infusion.

    Parameters
    ----------
    config : TrialConfig

    Returns
    -------
    tuple of str
        Such as ``ses-d0``.
    """
    return ("ses-d0", "ses-p0") if config.design == "crossover" else ("ses-d0",)


# -------------------------------------------------------------------------------------------------------- improvement


def signal(config: TrialConfig, people: People) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Predictive, interaction-only and prognostic-only signals, each of variance one.

    The predictive signal acts under ketamine only; the interaction-only one is half gained under ketamine and half
    lost under placebo, so that averaged over arms it is nothing; the prognostic-only one acts under both.
    """
    z = dict(zip(LATENT_CIRCUITS, people.circuits.T, strict=True))
    if config.non_linear:
        share = 0.3085375387259869  # P(z > .5)
        z[FRONTOSTRIATAL] = ((z[FRONTOSTRIATAL] > THRESHOLD) - share) / np.sqrt(share * (1 - share))
    predictive = sum(DIRECTION[circuit] * z[circuit] for circuit in PLANTED) / np.sqrt(len(PLANTED))
    return np.asarray(predictive), DIRECTION[EXECUTIVE] * z[EXECUTIVE], DIRECTION[DEFAULT_MODE] * z[DEFAULT_MODE]


def largest_signal(config: TrialConfig) -> float:
    """Largest share of the main contrast's variance that the signal may have beside motion.

    Parameters
    ----------
    config : TrialConfig

    Returns
    -------
    float
    """
    return 1 - config.fd_share - 0.01


@dataclass(frozen=True, eq=False)
class Course:
    """How these people fare, and what every rating of them says.

    Attributes
    ----------
    shares : mapping of score to float
        Share of the variance of the main contrast, before measurement error, that the predictive and interaction-only
        signals have (in designs without a second period, the prognostic-only one too).
    seed : int
        Of what nothing measured explains, and of measurement error.
    mirrored : bool
        The same with the sign of both turned: over a course and its mirror image chance cancels.
    """

    config: TrialConfig
    items: Items
    people: People
    shares: Mapping[ScoreName, float]
    seed: int
    mirrored: bool = False

    @property
    def _sign(self) -> int:
        return -1 if self.mirrored else 1

    def improvement(self, score: ScoreName, visit: str, *, ketamine: bool) -> np.ndarray:
        """Improvement at a visit, in units of the spread of the main contrast, 0 on average."""
        config, share = self.config, self.shares[score]
        predictive, interaction, prognostic = signal(config, self.people)
        crossover = config.design == "crossover"
        prognostic_share = config.prognostic_share if crossover else share * config.prognostic_share
        left = share if crossover else share * (1 - config.prognostic_share)
        half = 0.5 if ketamine else -0.5
        value = np.sqrt(prognostic_share) * prognostic + half * np.sqrt(left * config.interaction_share) * interaction
        if ketamine:
            value = value + np.sqrt(left * (1 - config.interaction_share)) * predictive
            value = value - np.sqrt(config.fd_share) * standard_fd(self.people.fd)
            value = value + config.site_outcome * site_contrast(config)[self.people.site]
        noise = (1 - share - config.fd_share) / (2 if crossover else 1)
        return np.asarray(
            value + np.sqrt(noise) * self._unexplained(score, visit, "ketamine" if ketamine else "placebo")
        )

    def _unexplained(self, score: ScoreName, visit: str, arm: str) -> np.ndarray:
        """Standard normal, part lasting the period, part new at the visit, part shared by the scales."""

        def draw(*when: str) -> np.ndarray:
            shared, own = (
                stream(self.seed, "response", arm, *when, whose).standard_normal(self.people.n)
                for whose in ("both", score)
            )
            return np.asarray(np.sqrt(SHARED_NOISE) * shared + np.sqrt(1 - SHARED_NOISE) * own)

        unexplained = np.sqrt(PERIOD_NOISE) * draw("period") + np.sqrt(1 - PERIOD_NOISE) * draw("visit", visit)
        return np.asarray(self._sign * unexplained)

    def level(self, score: ScoreName) -> np.ndarray:
        """Before treatment: points of MADRS, or the anhedonia latent of SHAPS."""
        return self.people.severity if score == "MADRS" else ANHEDONIA_MEAN + ANHEDONIA_SD * self.people.anhedonia

    def state(self, score: ScoreName, session: str) -> np.ndarray:
        """What the scale would read at a session without error."""
        level = self.level(score)
        if session == "ses-b0":
            return level
        visit = session.removeprefix("ses-")
        if self.config.design == "parallel":
            given = self.people.ketamine_first
            effect = np.where(
                given, self._effect(score, visit, ketamine=True), self._effect(score, visit, ketamine=False)
            )
            return np.asarray(level - TIME_COURSE[visit] * effect)
        ketamine = visit.startswith("d")
        effect = TIME_COURSE[visit] * self._effect(score, visit, ketamine=ketamine)
        if self.config.design == "crossover":
            second = self.people.ketamine_first != ketamine
            left_over = self.config.carry_over * self._effect(score, visit, ketamine=not ketamine)
            effect = effect + second * (SCALE_MODELS[score].period + left_over)
        return np.asarray(level - effect)

    def _effect(self, score: ScoreName, visit: str, *, ketamine: bool) -> np.ndarray:
        """Full effect of one infusion, in the units of the scale."""
        model, level = SCALE_MODELS[score], self.level(score)
        average = SEVERITY_MEAN if score == "MADRS" else ANHEDONIA_MEAN
        varies = BASELINE_SLOPE * (level - average) + model.spread * self.improvement(score, visit, ketamine=ketamine)
        mean = model.ketamine if ketamine else model.placebo
        return np.asarray(np.where(self.people.patient, mean + varies, CONTROLS_RESPOND * varies))

    def madrs(self, session: str) -> np.ndarray:
        """MADRS as rated, whole points from 0 to 60; at baseline with the error of the entry rating."""
        error = self._sign * stream(self.seed, "MADRS", session).normal(0, self.config.madrs_error, self.people.n)
        if session == "ses-b0":
            error = self.people.madrs_error
        return np.asarray(np.rint(np.clip(self.state("MADRS", session) + error, 0, 60)))

    def shaps(self, session: str) -> np.ndarray:
        """SHAPS as answered: ndarray of shape (n, 14), items 1 to 4, higher is worse."""
        uniform = stream(self.seed, "SHAPS", session).random((self.people.n, N_ITEMS))
        return answers(self.items, self.state("SHAPS", session), 1 - uniform if self.mirrored else uniform)

    def teps(self, session: str) -> np.ndarray:
        """Anticipatory TEPS as summed, whole points from 10 to 60; higher is better, and it hardly moves."""
        before, now = self.state("SHAPS", "ses-b0"), self.state("SHAPS", session)
        anhedonia = (1 - TEPS_STATE) * before + TEPS_STATE * now
        error = self._sign * stream(self.seed, "TEPS", session).normal(0, TEPS_ERROR, self.people.n)
        return np.asarray(np.rint(np.clip(TEPS_MEAN + TEPS_SLOPE * anhedonia + error, 10, 60)))

    def cadss(self, session: str) -> np.ndarray:
        """CADSS as rated during an infusion, whole points from 0 to 92."""
        given = np.full(self.people.n, INFUSION[session.removeprefix("ses-")])
        if self.config.design == "parallel":
            given = self.people.ketamine_first
        own = self._sign * stream(self.seed, "CADSS", session).standard_normal(self.people.n)
        felt = np.where(given, CADSS_RESPONSE * self._unexplained("MADRS", "d2", "ketamine"), 0.0)
        spread = np.where(given, CADSS_SPREAD, CADSS_SPREAD / 6)
        mean = np.where(given, CADSS_MEAN[True], CADSS_MEAN[False])
        return np.asarray(np.rint(np.clip(mean + spread * (felt + np.sqrt(1 - CADSS_RESPONSE**2) * own), 0, 92)))

    def total(self, score: ScoreName, session: str) -> np.ndarray:
        """Total of a score at a session."""
        return self.madrs(session) if score == "MADRS" else self.shaps(session).sum(axis=1).astype(float)

    def contrast(self, score: ScoreName, kind: str) -> np.ndarray:
        """Observed outcome 48 hours after the infusion, positive is better.

        Parameters
        ----------
        kind : str
            "ketamine-minus-placebo" or "change" (the fall from baseline after ketamine).
        """
        before = "ses-p2" if kind == "ketamine-minus-placebo" else "ses-b0"
        return np.asarray(self.total(score, before) - self.total(score, "ses-d2"))


def main_contrast(config: TrialConfig) -> str:
    """Kind of the outcome in which r2 is planted.

    Parameters
    ----------
    config : TrialConfig

    Returns
    -------
    str
        ``ketamine-minus-placebo`` or ``change``.
    """
    return "ketamine-minus-placebo" if config.design == "crossover" else "change"


def site_contrast(config: TrialConfig) -> np.ndarray:
    """Sites spread evenly from -.5 to .5, centred on the average person."""
    n_sites = len(config.site_weights)
    spread = np.linspace(-0.5, 0.5, n_sites) if n_sites > 1 else np.zeros(1)
    return np.asarray(spread - np.average(spread, weights=config.site_weights))
