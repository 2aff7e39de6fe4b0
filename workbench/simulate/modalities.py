"""What the scanners see of the circuits: connectivity, task betas and PET, with noise, motion, age, sex and site.

Every modality is made of shares of its observed variance (METHODS 4.1): what the circuit's latent gives, what is the
person's own, what motion, age and sex add, and noise, which is the rest: reliability is one minus its share.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from workbench.simulate.anatomy import (
    CEREBELLAR,
    CONTRASTS,
    DORSAL_REWARD,
    FRONTOSTRIATAL,
    LATENT_CIRCUITS,
    LIMBIC,
    SALIENCE,
    SENSORIMOTOR,
    TASK_LOADS,
    Feature,
    edges,
    features,
    parcels,
)
from workbench.simulate.config import TrialConfig
from workbench.simulate.latents import SHARE_FEMALE, People, standard_age, standard_fd
from workbench.simulate.streams import stream

VOLUMES = (200, 240)
ACQUIRED_VOLUMES = 250
"""Of every resting-state run; those of VOLUMES are what is left after censoring."""
"""Volumes left after censoring, per person."""
SUPPRESSOR_SHARE = 0.10
"""Of the ventral striatal features: the salience latent spills into them, so its own features help to clean them."""
OWN_SHARE = 0.02
"""Smallest share that is stable in a person and has nothing to do with any circuit."""

EDGE_CIRCUIT, EDGE_SEX, EDGE_FD, EDGE_FD_CONFOUND = 0.32, 0.03, 0.10, 0.30
EDGE_RELIABILITY = (0.4, 0.6)
SMALLEST_EIGENVALUE = 0.02

BETA_CIRCUIT, BETA_NOISE_ROI, BETA_NOISE_CONTRAST = 0.25, 0.5, 0.3
BETA_RELIABILITY = (0.3, 0.5)
BETA_MEAN, BETA_SD = 0.20, 0.15

PET_GLOBAL, PET_CIRCUIT, PET_OWN, PET_AGE = 0.6, 0.1, 0.1, 0.15
PET_MEAN, PET_SD = 1.2, 0.18

SITE_ONLY_FACTOR = 2.0
"""The site-only circuit shifts this many times as much between scanners as the others."""


@dataclass(frozen=True, eq=False)
class Scanner:
    """What is true of one modality in everybody.

    Attributes
    ----------
    mean : ndarray of shape (n_features,)
        Fisher z, percent signal change or binding potential.
    sd : ndarray of shape (n_features,)
        Observed standard deviation within a site.
    latent : ndarray of shape (n_features, 6)
        Loadings on the circuits, in SD of the feature.
    fd : ndarray of shape (n_features,)
        Change per SD of motion, in SD of the feature.
    noise, own : ndarray of shape (n_features,)
        SD of noise and of what is the person's own, in SD of the feature.
    shift, scale : ndarray of shape (n_sites, n_features)
        Scanner shift, in SD of the feature, and ratio of spreads.
    """

    mean: np.ndarray
    sd: np.ndarray
    latent: np.ndarray
    fd: np.ndarray
    noise: np.ndarray
    own: np.ndarray
    shift: np.ndarray
    scale: np.ndarray


def build_scanners(config: TrialConfig) -> dict[str, Scanner]:
    """The scanners of a world, by modality.

    Parameters
    ----------
    config : TrialConfig

    Returns
    -------
    dict of str to Scanner
    """
    return {"connectivity": _connectivity(config), "task": _task(config), "pet": _pet(config)}


ONE_EACH = {FRONTOSTRIATAL: "connectivity", DORSAL_REWARD: "task", LIMBIC: "pet"}
"""The modality in which a planted circuit shows, where each shows in one."""


def _shows(config: TrialConfig, modality: str, feature: Feature) -> bool:
    """Whether a feature is of a kind in which its circuit's latent can be seen."""
    if feature.circuit not in LATENT_CIRCUITS:
        return False
    if config.circuits_in == "connectivity" and modality != "connectivity":
        return False
    if config.circuits_in == "one each" and ONE_EACH.get(feature.circuit, modality) != modality:
        return False
    return not feature.contrast or feature.contrast in TASK_LOADS[feature.circuit]


def _loadings(config: TrialConfig, modality: str, columns: tuple[Feature, ...], share: float) -> np.ndarray:
    """Loadings on the latents; the salience latent spills into the ventral striatal features."""
    loads = np.zeros((len(columns), len(LATENT_CIRCUITS)))
    carry: Counter[str] = Counter()
    for row, feature in enumerate(columns):
        if _shows(config, modality, feature) and carry[feature.circuit] < (config.carriers or len(columns)):
            carry[feature.circuit] += 1
            loads[row, LATENT_CIRCUITS.index(feature.circuit)] = np.sqrt(share)
            if feature.circuit == FRONTOSTRIATAL:
                loads[row, LATENT_CIRCUITS.index(SALIENCE)] = np.sqrt(SUPPRESSOR_SHARE)
    return loads


def _sites(config: TrialConfig, modality: str, columns: tuple[Feature, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Shift and scale of every scanner; the first is the reference."""
    rng = stream(config.world, "scanners", modality)
    size = (len(config.site_weights), len(columns))
    shift = rng.uniform(*config.site_shift, size) * rng.choice([-1.0, 1.0], size)
    shift *= np.array([SITE_ONLY_FACTOR if feature.circuit == CEREBELLAR else 1.0 for feature in columns])
    low, high = np.log(config.site_scale).tolist()
    scale = np.exp(rng.uniform(low, high, size))
    shift[0], scale[0] = 0.0, 1.0
    return shift, scale


def _connectivity(config: TrialConfig) -> Scanner:
    columns = edges(config.n_regions)
    rng = stream(config.world, "edges")
    latent = _loadings(config, "connectivity", columns, EDGE_CIRCUIT)
    fd = _motion_of_edges(columns)
    known = (latent**2).sum(axis=1) + fd**2 + EDGE_SEX
    reliability = np.maximum(rng.uniform(*EDGE_RELIABILITY, len(columns)), known + OWN_SHARE)
    # Fisher z of v volumes has variance 1 / (v - 3): the noise is given, so the shares set all the rest.
    sd = np.sqrt(1 / (np.mean(VOLUMES) - 3) / (1 - reliability))
    shift, scale = _sites(config, "connectivity", columns)
    noise, own = np.sqrt(1 - reliability), np.sqrt(reliability - known)
    return Scanner(_mean_connectivity(columns, rng), sd, latent, fd, noise, own, shift, scale)


def _mean_connectivity(columns: tuple[Feature, ...], rng: np.random.Generator) -> np.ndarray:
    """Group mean, Fisher z: stronger between close regions, and inside a circuit."""
    distance = np.array([feature.distance for feature in columns])
    latent = np.array([feature.circuit in LATENT_CIRCUITS for feature in columns])
    return np.asarray(0.08 + 0.25 * np.exp(-distance / 25) + 0.04 * latent + rng.normal(0, 0.03, len(columns)))


def _motion_of_edges(columns: tuple[Feature, ...]) -> np.ndarray:
    """Motion raises short and lowers long connections; its share is .10 of the variance in the median edge."""
    distance = np.array([feature.distance for feature in columns])
    confound = np.array([feature.circuit == SENSORIMOTOR for feature in columns])
    rank = distance.argsort(kind="stable").argsort(kind="stable")
    near = 1 - 2 * (rank + 0.5) / len(columns)
    share = np.where(confound, EDGE_FD_CONFOUND, np.abs(near))
    # Scaled so that the median over all edges, those of the confound-only circuit included, is EDGE_FD.
    others = np.sort(share[~confound])
    middle = others[min(len(others) - 1, len(columns) // 2)]
    share = np.where(confound, share, share * EDGE_FD / middle)
    return np.asarray(np.sqrt(share) * np.where(confound, 1.0, np.sign(near)))


def _task(config: TrialConfig) -> Scanner:
    columns = features("task")
    rng = stream(config.world, "betas")
    latent = _loadings(config, "task", columns, BETA_CIRCUIT)
    known = (latent**2).sum(axis=1)
    reliability = np.maximum(rng.uniform(*BETA_RELIABILITY, len(columns)), known + OWN_SHARE)
    mean = BETA_MEAN + rng.normal(0, 0.08, len(columns))
    shift, scale = _sites(config, "task", columns)
    flat = np.zeros(len(columns))
    noise, own = np.sqrt(1 - reliability), np.sqrt(reliability - known)
    return Scanner(mean, np.full(len(columns), BETA_SD), latent, flat, noise, own, shift, scale)


def _pet(config: TrialConfig) -> Scanner:
    columns = features("pet")
    rng = stream(config.world, "binding")
    latent = _loadings(config, "pet", columns, PET_CIRCUIT)
    spill = latent[:, LATENT_CIRCUITS.index(SALIENCE)]
    spill[np.array([feature.circuit == FRONTOSTRIATAL for feature in columns])] = 0.0  # a scan of its own: no spill
    unused = PET_CIRCUIT - (latent**2).sum(axis=1)
    noise = 1 - PET_GLOBAL - PET_CIRCUIT - PET_OWN
    mean = PET_MEAN * np.exp(rng.normal(0, 0.25, len(columns)))
    shift, scale = _sites(config, "pet", columns)
    flat = np.zeros(len(columns))
    own = np.sqrt(PET_OWN + unused)
    return Scanner(mean, PET_SD * mean, latent, flat, np.full(len(columns), np.sqrt(noise)), own, shift, scale)


# --------------------------------------------------------------------------------------------------------------- scans


def draw_modality(
    modality: str, config: TrialConfig, scanner: Scanner, people: People, seed: int, session: str = "ses-b0"
) -> np.ndarray:
    """Every person's features, as if nobody's scan were missing.

    Parameters
    ----------
    modality : str
        ``connectivity``, ``task`` or ``pet``.
    config : TrialConfig
    scanner : Scanner
        That of the modality, from `build_scanners`.
    people : People
    seed : int
        Of the trial.
    session : str
        Another session of the same people has new noise; what is the person's own stays.

    Returns
    -------
    ndarray of shape (n, n_features)
        Pearson r, percent signal change, or binding potential.
    """
    draw = {"connectivity": _draw_connectivity, "task": _draw_task, "pet": _draw_pet}[modality]
    return draw(config, scanner, people, seed, session)


def _trait(modality: str, scanner: Scanner, people: People, seed: int) -> np.ndarray:
    """What is stable in a person, in SD of the feature."""
    own = stream(seed, modality, "own").standard_normal((people.n, len(scanner.mean)))
    return np.asarray(people.circuits @ scanner.latent.T + own * scanner.own)


def _at_site(values: np.ndarray, scanner: Scanner, people: People) -> np.ndarray:
    """The scanner's shift and scale around the group mean (the model that ComBat undoes)."""
    standard = (values - scanner.mean) / scanner.sd
    return np.asarray(scanner.mean + scanner.sd * (standard * scanner.scale[people.site] + scanner.shift[people.site]))


def _draw_connectivity(config: TrialConfig, scanner: Scanner, people: People, seed: int, session: str) -> np.ndarray:
    """Correlations of simulated time series, so that edges that share a region share their sampling error.

    The brain (circuits, own) shapes the time series; motion, sex and the scanner act on what is estimated from them.
    """
    brain = scanner.mean + scanner.sd * _trait("connectivity", scanner, people, seed)
    rng = _sampling_stream(seed, session)
    n_regions = len(parcels(config.n_regions))
    upper = np.triu_indices(n_regions, 1)
    estimated = np.empty_like(brain)
    for chunk in _chunks(people.n):
        estimated[chunk] = _sampled_correlations(np.tanh(brain[chunk]), n_regions, upper, rng)
    sex = (people.female - SHARE_FEMALE) / np.sqrt(SHARE_FEMALE * (1 - SHARE_FEMALE))
    artefact = np.outer(standard_fd(people.fd), scanner.fd) + np.sqrt(EDGE_SEX) * sex[:, None]
    return np.asarray(np.tanh(_at_site(np.arctanh(estimated) + scanner.sd * artefact, scanner, people)))


def _sampled_correlations(
    r: np.ndarray, n_regions: int, upper: tuple[np.ndarray, np.ndarray], rng: np.random.Generator
) -> np.ndarray:
    """Edges of correlation matrices of time series drawn around those of each person (Wishart, by Bartlett 1933)."""
    matrices = np.tile(np.eye(n_regions), (len(r), 1, 1))
    matrices[:, upper[0], upper[1]] = matrices[:, upper[1], upper[0]] = r
    smallest = np.linalg.eigvalsh(matrices)[:, 0]
    # Rarely a person's matrix is no correlation matrix: it is pulled towards no correlation just as far as needed.
    pull = np.clip((SMALLEST_EIGENVALUE - smallest) / (1 - smallest), 0, None)[:, None, None]
    root = np.linalg.cholesky((1 - pull) * matrices + pull * np.eye(n_regions))
    _, bartlett = _sampling(len(r), n_regions, rng)
    factor = root @ bartlett
    factor /= np.linalg.norm(factor, axis=2, keepdims=True)
    return np.asarray((factor @ factor.transpose(0, 2, 1))[:, upper[0], upper[1]])


def _sampling(n: int, n_regions: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Volumes of the time series of each person, and the factor of their sampling error."""
    volumes = rng.integers(VOLUMES[0], VOLUMES[1] + 1, n)
    bartlett = np.tril(rng.standard_normal((n, n_regions, n_regions)), -1)
    diagonal = np.arange(n_regions)
    bartlett[:, diagonal, diagonal] = np.sqrt(rng.chisquare(volumes[:, None] - 1 - diagonal))
    return volumes, bartlett


def _chunks(n: int) -> Iterator[slice]:
    """Participants whose matrices are drawn at once."""
    return (slice(start, min(start + 2000, n)) for start in range(0, n, 2000))


def kept_volumes(config: TrialConfig, people: People, seed: int, session: str) -> np.ndarray:
    """Volumes from which the correlations of each person were estimated.

    Parameters
    ----------
    config : TrialConfig
    people : People
    seed : int
        Of the trial.
    session : str

    Returns
    -------
    ndarray of int of shape (n,)
        The numbers that `draw_modality` drew: its stream is drawn again.
    """
    rng = _sampling_stream(seed, session)
    n_regions = len(parcels(config.n_regions))
    drawn = [_sampling(chunk.stop - chunk.start, n_regions, rng)[0] for chunk in _chunks(people.n)]
    return np.concatenate(drawn)


def _sampling_stream(seed: int, session: str) -> np.random.Generator:
    return stream(seed, "connectivity", "noise", session)


def _draw_task(config: TrialConfig, scanner: Scanner, people: People, seed: int, session: str) -> np.ndarray:
    """Betas; regions of a circuit share noise (r .5), contrasts of a region too (.3): a Kronecker product."""
    columns = features("task")
    n_rois = len(columns) // len(CONTRASTS)
    home = np.array([feature.circuit for feature in columns[:n_rois]])
    between_rois = np.where(home[:, None] == home, BETA_NOISE_ROI, 0.0) + (1 - BETA_NOISE_ROI) * np.eye(n_rois)
    contrast_r = BETA_NOISE_CONTRAST + (1 - BETA_NOISE_CONTRAST) * np.eye(len(CONTRASTS))
    white = stream(seed, "task", "noise", session).standard_normal((people.n, len(columns)))
    noise = white @ np.kron(np.linalg.cholesky(contrast_r), np.linalg.cholesky(between_rois)).T
    standard = _trait("task", scanner, people, seed) + noise * scanner.noise
    return _at_site(scanner.mean + scanner.sd * standard, scanner, people)


def _draw_pet(config: TrialConfig, scanner: Scanner, people: People, seed: int, session: str) -> np.ndarray:
    """Binding potentials with one global factor, part of which is age."""
    rng = stream(seed, "pet", "noise", session)
    age_of_global = PET_AGE / PET_GLOBAL
    whole = -np.sqrt(age_of_global) * standard_age(people.age)
    whole = whole + np.sqrt(1 - age_of_global) * stream(seed, "pet", "global").standard_normal(people.n)
    noise = rng.standard_normal((people.n, len(scanner.mean))) * scanner.noise
    standard = np.sqrt(PET_GLOBAL) * whole[:, None] + _trait("pet", scanner, people, seed) + noise
    return _at_site(scanner.mean + scanner.sd * standard, scanner, people)
