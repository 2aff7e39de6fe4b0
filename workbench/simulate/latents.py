"""Who the people are before anything is measured: circuits, severity, age, sex, motion, site, treatment."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.simulate.anatomy import LATENT_CIRCUITS
from workbench.simulate.config import TrialConfig
from workbench.simulate.streams import stream

SEVERITY_MEAN, SEVERITY_SD = 28.0, 6.5
"""True MADRS of people who come to be screened; below the entry threshold they are not enrolled."""
CONTROL_SEVERITY_MEAN, CONTROL_SEVERITY_SD = 2.0, 1.5
CONTROL_ANHEDONIA = -2.0
SEVERITY_ANHEDONIA = 0.5
LOG_FD_MEAN, LOG_FD_SD = -1.7, 0.45
LOG_FD_AGE, LOG_FD_SEVERITY = 0.2, 0.2
SHARE_FEMALE = 0.6
AGE_RANGE = (18, 65)


@dataclass(frozen=True, eq=False)
class People:
    """One array per property, one entry per person.

    Attributes
    ----------
    circuits : ndarray of shape (n, 6)
        Latents of `LATENT_CIRCUITS`, N(0, I).
    severity : ndarray
        True MADRS before treatment, points.
    anhedonia : ndarray
        Standard normal among those screened, correlated .5 with severity.
    madrs_error : ndarray
        Measurement error of the MADRS at entry, points: the threshold sees it.
    fd : ndarray
        Mean framewise displacement, mm.
    enrolled : ndarray
        When, as a share of the trial's duration.
    ketamine_first : ndarray of bool
        Crossover: had ketamine in the first period. Parallel: had ketamine.
    """

    circuits: np.ndarray
    severity: np.ndarray
    anhedonia: np.ndarray
    madrs_error: np.ndarray
    age: np.ndarray
    female: np.ndarray
    fd: np.ndarray
    site: np.ndarray
    enrolled: np.ndarray
    ketamine_first: np.ndarray
    patient: np.ndarray

    @property
    def n(self) -> int:
        """Number of people."""
        return len(self.severity)


def standard_fd(fd: np.ndarray) -> np.ndarray:
    """Motion in SD from its mean, both those of the log-normal distribution that is drawn from.

    Parameters
    ----------
    fd : ndarray of shape (n,)
        Mean framewise displacement, mm.

    Returns
    -------
    ndarray of shape (n,)
    """
    mean = np.exp(LOG_FD_MEAN + LOG_FD_SD**2 / 2)
    return np.asarray((fd - mean) / (mean * np.sqrt(np.exp(LOG_FD_SD**2) - 1)))


def standard_age(age: np.ndarray) -> np.ndarray:
    """Age in SD from the middle of its range.

    Parameters
    ----------
    age : ndarray of shape (n,)
        Years.

    Returns
    -------
    ndarray of shape (n,)
        SD of a uniform distribution over `AGE_RANGE`.
    """
    low, high = AGE_RANGE
    return np.asarray((age - (low + high) / 2) / ((high - low) / np.sqrt(12)))


def draw_people(config: TrialConfig, seed: int, n_patients: int, n_controls: int = 0) -> People:
    """Screen people until enough patients reach the entry threshold, then randomise.

    Selecting on an observed score that holds error is what makes scores fall afterwards by themselves (regression to
    the mean).

    Parameters
    ----------
    config : TrialConfig
    seed : int
        Of the trial.
    n_patients, n_controls : int

    Returns
    -------
    People
        Patients first, then controls.
    """
    n = n_patients + n_controls
    patient = np.arange(n) < n_patients
    severity, anhedonia, error = _screen(config, seed, n_patients, n_controls)
    age = stream(seed, "age").uniform(*AGE_RANGE, n)
    site = stream(seed, "site").choice(len(config.site_weights), n, p=config.site_weights)
    return People(
        circuits=stream(seed, "circuits").standard_normal((n, len(LATENT_CIRCUITS))),
        severity=severity,
        anhedonia=anhedonia,
        madrs_error=error,
        age=age,
        female=stream(seed, "sex").random(n) < SHARE_FEMALE,
        fd=_motion(seed, age, severity),
        site=site,
        enrolled=stream(seed, "enrolled").random(n),
        ketamine_first=_randomise(seed, site, patient),
        patient=patient,
    )


def _screen(
    config: TrialConfig, seed: int, n_patients: int, n_controls: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Severity, anhedonia and the error of the MADRS at entry of those enrolled, controls last."""
    n_screened = 2 * n_patients + 100
    z, own = stream(seed, "severity").standard_normal((n_screened, 2)).T
    error = stream(seed, "MADRS", "ses-b0").normal(0, config.madrs_error, n_screened)
    severity = SEVERITY_MEAN + SEVERITY_SD * z
    anhedonia = SEVERITY_ANHEDONIA * z + np.sqrt(1 - SEVERITY_ANHEDONIA**2) * own
    entered = np.flatnonzero(np.rint(severity + error) >= config.entry_threshold)[:n_patients]
    if len(entered) < n_patients:
        from workbench.errors import Problem, SpecError

        hint = f"a threshold that more of those screened reach; their MADRS is {SEVERITY_MEAN:g} on average"
        raise SpecError(Problem("entry_threshold", f"is {config.entry_threshold}: too few are enrolled", hint))
    healthy = stream(seed, "controls").standard_normal((n_controls, 3))
    return (
        np.append(severity[entered], np.abs(CONTROL_SEVERITY_MEAN + CONTROL_SEVERITY_SD * healthy[:, 0])),
        np.append(anhedonia[entered], CONTROL_ANHEDONIA + 0.5 * healthy[:, 1]),
        np.append(error[entered], config.madrs_error * healthy[:, 2]),
    )


def _motion(seed: int, age: np.ndarray, severity: np.ndarray) -> np.ndarray:
    """log FD ~ N(-1.7, .45^2), correlated .2 with age and .2 with severity (among those screened)."""
    own = stream(seed, "motion").standard_normal(len(age))
    older, worse = standard_age(age), np.clip((severity - SEVERITY_MEAN) / SEVERITY_SD, -2.5, None)
    left = np.sqrt(1 - LOG_FD_AGE**2 - LOG_FD_SEVERITY**2)
    return np.asarray(np.exp(LOG_FD_MEAN + LOG_FD_SD * (LOG_FD_AGE * older + LOG_FD_SEVERITY * worse + left * own)))


def _randomise(seed: int, site: np.ndarray, patient: np.ndarray) -> np.ndarray:
    """1:1 in permuted blocks of four within site, patients and controls apart."""
    first = np.zeros(len(site), dtype=bool)
    rng = stream(seed, "randomisation")
    for stratum in sorted(set(zip(site.tolist(), patient.tolist(), strict=True))):
        members = np.flatnonzero((site == stratum[0]) & (patient == stratum[1]))
        blocks = [rng.permutation([True, True, False, False]) for _ in range(-(-len(members) // 4))]
        first[members] = np.concatenate(blocks)[: len(members)]
    return first
