"""Who has which scan, and who leaves: never quite at random, as in life (METHODS 4.1)."""

from __future__ import annotations

import numpy as np

from workbench.simulate.anatomy import CEREBELLAR, parcels
from workbench.simulate.config import TrialConfig
from workbench.simulate.latents import People, standard_fd
from workbench.simulate.streams import stream

FD_SLOPE = 1.5
"""Log odds of a failed connectivity scan per SD of motion."""
RESPONSE_SLOPE = -1.0
"""Log odds of leaving per SD of the improvement seen so far."""
TASK_AT_RANDOM = 0.05
"""Share without task data for no reason; the others came before the task was added."""
PET_SITE = 0
"""The only site with a PET camera."""

MIN_COVERAGE = 0.5
"""Share of a parcel below which XCP-D gives it no value."""
SEEN, CUT_OFF = (0.92, 1.0), (0.05, 0.45)
"""Range of the share that was measured: of a parcel, and of one that is mostly outside of the field of view."""


def coverage(config: TrialConfig, n: int, seed: int, session: str) -> np.ndarray:
    """Share of every parcel that was measured.

    Parameters
    ----------
    config : TrialConfig
    n : int
        Participants.
    seed : int
        Of the trial.
    session : str

    Returns
    -------
    ndarray of shape (n, n_parcels)
        Below `MIN_COVERAGE` in the cerebellum of as many scans as ``config.uncovered`` says, above it elsewhere.
    """
    rng = stream(seed, "coverage", session)
    cerebellar = np.array([region.home == CEREBELLAR for _, region in parcels(config.n_regions)])
    shares = rng.uniform(*SEEN, (n, len(cerebellar)))
    cut_off = rng.uniform(*CUT_OFF, shares.shape)
    short = rng.random(n) < config.uncovered
    return np.where(short[:, None] & cerebellar, cut_off, shares)


def available(config: TrialConfig, people: People, seed: int) -> dict[str, np.ndarray]:
    """Who has each modality at all.

    Parameters
    ----------
    config : TrialConfig
    people : People
    seed : int
        Of the trial.

    Returns
    -------
    dict of str to ndarray of bool
        connectivity fails with motion, the task was added in the course of the trial, PET is at one site.
    """
    failed = _logistic_draw(config.missing_connectivity, FD_SLOPE * standard_fd(people.fd), stream(seed, "failed scan"))
    early = max(config.missing_task - TASK_AT_RANDOM, 0) / (1 - TASK_AT_RANDOM)
    at_random = stream(seed, "task missing").random(people.n) < min(TASK_AT_RANDOM, config.missing_task)
    share_of_site = min((1 - config.missing_pet) / config.site_weights[PET_SITE], 1.0)
    chosen = stream(seed, "pet chosen").random(people.n) < share_of_site
    return {
        "connectivity": ~failed,
        "task": (people.enrolled >= early) & ~at_random,
        "pet": (people.site == PET_SITE) & chosen,
    }


def drop_outs(config: TrialConfig, improvement: np.ndarray, seed: int) -> np.ndarray:
    """Who leaves after the first 48-hour visit: more likely those who had not improved (missing at random).

    Parameters
    ----------
    config : TrialConfig
    improvement : ndarray of shape (n,)
        Observed fall in MADRS so far.
    seed : int
        Of the trial.

    Returns
    -------
    ndarray of bool of shape (n,)
    """
    spread = improvement.std() or 1.0
    return _logistic_draw(
        config.dropout, RESPONSE_SLOPE * (improvement - improvement.mean()) / spread, stream(seed, "drop-out")
    )


def _logistic_draw(rate: float, log_odds: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draws with these log odds, shifted so that the expected rate is the one asked for."""
    uniform = rng.random(len(log_odds))
    if rate <= 0:
        return np.zeros(len(log_odds), dtype=bool)
    low, high = -30.0, 30.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if np.mean(1 / (1 + np.exp(-middle - log_odds))) < rate else (low, middle)
    return np.asarray(uniform < 1 / (1 + np.exp(-low - log_odds)))
