"""Made-up trials of known circuits for `biomarkers.py`: three that carry the outcome, and those that only look like it.

The people, ratings and records are those of `_calibration_people.py`; features and outcome are drawn here. 60 features
in 12 circuits of 5 that correlate .5 inside. Circuits 1 to 3 carry the outcome (the second with opposite sign). Circuit
4 is a suppressor: what it measures is mixed into the features of circuit 3 and has nothing to do with the outcome, so a
model gains from it. Circuit 5 and the outcome both depend on age and motion, circuit 6 and the outcome both on the
site; age, motion and site are held fixed. Circuits 7 to 12 are noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from _calibration_people import (
    BLOCK,
    SITE_OF_X,
    SITE_OF_Y,
    SITE_WEIGHTS,
    Setting,
    _cohort,
    _Drawn,
    _table,
    experiment_of,
)

from workbench.records import Dataset
from workbench.tables.dataset import assemble
from workbench.tables.outcomes import make_outcome
from workbench.tables.people import select_people

CIRCUITS = 12
FEATURES = CIRCUITS * BLOCK
PLANTED = {"circuit 01": "positive", "circuit 02": "negative", "circuit 03": "positive"}
"""Sign of the relation between the circuit and the outcome."""
LOOKALIKES = {"circuit 04": "suppressor", "circuit 05": "confound-only", "circuit 06": "site-only"}
MIXED_IN = 0.8
"""Of the suppressor's shared part in each feature of circuit 3, in SD of a feature without it."""
CONFOUND_OF_X, CONFOUND_OF_Y = 0.5, 0.2
"""Share of the variance of a feature of circuit 5, and of the outcome, that age and motion have together."""


@dataclass(frozen=True)
class Trial:
    """One kind of trial: participants, and share of the variance of the outcome that the measured features have.

    Parameters
    ----------
    n : int
    r2 : float
        Population R2 of the best linear prediction from the features as measured, given age, motion and site; 0 plants
        nothing.
    """

    n: int
    r2: float

    @property
    def setting(self) -> Setting:
        """As `_calibration_people` calls it."""
        return Setting(n=self.n, p=FEATURES, r2=self.r2, sites=3, confounded=True)


def mixing() -> np.ndarray:
    """Features from latents: 12 shared by a circuit and 60 of single features, ``(FEATURES, 72)``."""
    A = np.zeros((FEATURES, CIRCUITS + FEATURES))
    A[np.arange(FEATURES), np.arange(FEATURES) // BLOCK] = np.sqrt(0.5)
    A[np.arange(FEATURES), CIRCUITS + np.arange(FEATURES)] = np.sqrt(0.5)
    return A


def observed_mixing() -> np.ndarray:
    """The same with the suppressor's shared part in the features of circuit 3."""
    A = mixing()
    A[2 * BLOCK : 3 * BLOCK, 3] += MIXED_IN
    return A


def effects() -> np.ndarray:
    """Weight of each latent in the outcome: equal and opposite sums of the features of the planted circuits."""
    b = np.zeros(CIRCUITS + FEATURES)
    for circuit, sign in enumerate((1.0, -1.0, 1.0)):
        total = mixing()[circuit * BLOCK : (circuit + 1) * BLOCK].sum(axis=0)
        b += sign * total / np.linalg.norm(total)
    return b


def noise_variance(r2: float) -> float:
    """Variance of the noise with which the features as measured explain `r2` of the outcome.

    With features A l and outcome b'l + e, l standard normal, they explain b'A'(AA')^-1 A b of b'b + var(e).
    """
    A, b = observed_mixing(), effects()
    explained = float(b @ A.T @ np.linalg.solve(A @ A.T, A @ b))
    return explained / r2 - float(b @ b)


def draw_trial(trial: Trial, rng: np.random.Generator) -> Dataset:
    """Draw a trial and let the product join it.

    Parameters
    ----------
    trial : Trial
    rng : Generator

    Returns
    -------
    Dataset
    """
    n, setting = trial.n, trial.setting
    latents = rng.standard_normal((n, CIRCUITS + FEATURES))
    baseline, age, fd, noise, other = rng.standard_normal((5, n))
    site, both = rng.choice(len(SITE_WEIGHTS), n, p=SITE_WEIGHTS), (age + fd) / np.sqrt(2)
    X = latents @ observed_mixing().T
    confounded, sited = slice(4 * BLOCK, 5 * BLOCK), slice(5 * BLOCK, 6 * BLOCK)
    X[:, confounded] = np.sqrt(1 - CONFOUND_OF_X) * X[:, confounded] + np.sqrt(CONFOUND_OF_X) * both[:, None]
    X[:, sited] += SITE_OF_X * np.array([0.0, 1.0, -1.0])[site][:, None]
    variance = noise_variance(trial.r2 or 0.25)
    signal = latents @ effects() if trial.r2 else np.zeros(n)
    y = (signal + np.sqrt(variance) * noise) / np.sqrt(variance + (effects() @ effects() if trial.r2 else 0.0))
    y = y + np.sqrt(CONFOUND_OF_Y / (1 - CONFOUND_OF_Y)) * both + np.array(SITE_OF_Y)[site]
    nothing = np.zeros(n, dtype=bool)
    drawn = _Drawn(X, y, other, baseline, age, fd, site, nothing, np.arange(n), nothing)
    people = [f"sub-{number:05d}" for number in range(1, n + 1)]
    cohort = _cohort(setting, drawn, people)
    tables = {"table_1": _table("table_1", X, np.arange(FEATURES), people, np.ones(n, dtype=bool))}
    experiment = experiment_of(setting, tuple(tables))
    included, flow = select_people(experiment, cohort, {})
    outcome = make_outcome(experiment.outcome, cohort, included, seed=0)
    return assemble(experiment, "set_1", ("table_1",), tables, cohort, outcome, included, flow, given_folds=None)
