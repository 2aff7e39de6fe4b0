"""The regions, circuits and features of the simulated brain, and what part each circuit plays in the outcome."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import Literal

Role = Literal["planted", "suppressor", "prognostic-only", "interaction-only", "confound-only", "site-only"]

FRONTOSTRIATAL = "ventral striatum - prefrontal"
DORSAL_REWARD = "dorsal striatum - dACC reward"
LIMBIC = "limbic 5-HT"
DEFAULT_MODE = "default mode"
SALIENCE = "salience"
EXECUTIVE = "executive"
SENSORIMOTOR = "sensorimotor"
CEREBELLAR = "cerebellar"

LATENT_CIRCUITS = (FRONTOSTRIATAL, DEFAULT_MODE, SALIENCE, EXECUTIVE, DORSAL_REWARD, LIMBIC)
"""Circuits that differ between people by a latent z ~ N(0, I); the others carry only motion or scanner."""

CIRCUITS = (*LATENT_CIRCUITS, SENSORIMOTOR, CEREBELLAR)

ROLES: dict[str, Role] = {
    FRONTOSTRIATAL: "planted",
    DORSAL_REWARD: "planted",
    LIMBIC: "planted",
    DEFAULT_MODE: "prognostic-only",
    SALIENCE: "suppressor",
    EXECUTIVE: "interaction-only",
    SENSORIMOTOR: "confound-only",
    CEREBELLAR: "site-only",
}

PLANTED = tuple(circuit for circuit in CIRCUITS if ROLES[circuit] == "planted")

DIRECTION = {FRONTOSTRIATAL: 1.0, DORSAL_REWARD: 1.0, LIMBIC: -1.0, DEFAULT_MODE: 1.0, EXECUTIVE: 1.0}
"""Sign with which a higher latent goes with improvement; limbic as baseline 5-HT1B in Tiger 2020."""


@dataclass(frozen=True)
class Region:
    """A region: its circuit, where it lies (roughly, mm MNI) and how many parcels it is cut into."""

    name: str
    home: str
    position: tuple[float, float, float]
    parcels: int
    task_rois: tuple[str, ...]


REGIONS = (
    Region("VentralStriatum", FRONTOSTRIATAL, (10, 10, -8), 2, ("VS_L", "VS_R")),
    Region("mPFC", FRONTOSTRIATAL, (2, 52, 4), 4, ("mPFC",)),
    Region("OFC", FRONTOSTRIATAL, (26, 34, -16), 4, ("OFC_L", "OFC_R")),
    Region("Putamen", DORSAL_REWARD, (26, 4, 2), 4, ("Putamen_L", "Putamen_R")),
    Region("Caudate", DORSAL_REWARD, (12, 12, 10), 4, ("Caudate_L", "Caudate_R")),
    Region("dACC", DORSAL_REWARD, (2, 24, 32), 2, ("dACC",)),
    Region("PCC", DEFAULT_MODE, (2, -50, 28), 3, ("PCC",)),
    Region("AngularGyrus", DEFAULT_MODE, (46, -64, 34), 3, ("AngularGyrus",)),
    Region("dlPFC", EXECUTIVE, (42, 34, 30), 4, ("dlPFC_L", "dlPFC_R")),
    Region("IPS", EXECUTIVE, (34, -54, 48), 4, ("IPS_L", "IPS_R")),
    Region("AnteriorInsula", SALIENCE, (36, 20, -2), 4, ("AnteriorInsula_L", "AnteriorInsula_R")),
    Region("Amygdala", LIMBIC, (22, -4, -18), 2, ("Amygdala_L", "Amygdala_R")),
    Region("Hippocampus", LIMBIC, (28, -22, -14), 2, ("Hippocampus_L", "Hippocampus_R")),
    Region("Sensorimotor", SENSORIMOTOR, (40, -24, 54), 4, ("Sensorimotor",)),
    Region("Cerebellum", CEREBELLAR, (24, -64, -34), 4, ("Cerebellum",)),
)

_PAIRS = {
    frozenset({FRONTOSTRIATAL}): FRONTOSTRIATAL,
    frozenset({FRONTOSTRIATAL, EXECUTIVE}): FRONTOSTRIATAL,
    frozenset({DORSAL_REWARD}): DORSAL_REWARD,
    frozenset({DORSAL_REWARD, FRONTOSTRIATAL}): DORSAL_REWARD,
    frozenset({LIMBIC}): LIMBIC,
    frozenset({LIMBIC, FRONTOSTRIATAL}): LIMBIC,
    frozenset({LIMBIC, DORSAL_REWARD}): LIMBIC,
    frozenset({LIMBIC, DEFAULT_MODE}): LIMBIC,
}
"""Circuit of an edge by the homes of its ends, where it is not that of the first of `_DOMINANT` among them."""

_DOMINANT = (CEREBELLAR, SENSORIMOTOR, SALIENCE, DEFAULT_MODE, EXECUTIVE)

CONTRASTS = ("anticipation", "feedback", "emotion")

TASK_LOADS: dict[str, tuple[str, ...]] = {
    FRONTOSTRIATAL: ("anticipation", "feedback"),
    DORSAL_REWARD: ("anticipation", "feedback"),
    LIMBIC: ("emotion",),
    DEFAULT_MODE: ("emotion",),
    SALIENCE: ("anticipation", "emotion"),
    EXECUTIVE: ("feedback",),
}
"""Contrasts in which a circuit's latent shows."""

PET_REGIONS = (*REGIONS, Region("Raphe", LIMBIC, (0, -28, -16), 1, ()))
TRACER = "[11C]AZ10419369"
PET_REFERENCE = "CerebellarCortex"
"""What binding is relative to; no feature."""


@dataclass(frozen=True)
class Feature:
    """One column of one modality."""

    name: str
    circuit: str
    region_a: str
    region_b: str = ""
    contrast: str = ""
    distance: float = 0.0
    """Between the two regions, mm."""


def _edge_circuit(a: Region, b: Region) -> str:
    homes = frozenset({a.home, b.home})
    if homes == {FRONTOSTRIATAL, DEFAULT_MODE} and "VentralStriatum" in (a.name, b.name):
        return FRONTOSTRIATAL
    return _PAIRS.get(homes) or next(circuit for circuit in _DOMINANT if circuit in homes)


@lru_cache(maxsize=2)
def parcels(n_regions: int) -> tuple[tuple[str, Region], ...]:
    """Names of the parcels, each with its region: 15 whole regions, or 50 parcels of them.

    Parameters
    ----------
    n_regions : int
        15 or 50.

    Returns
    -------
    tuple of (str, Region)
        In the order in which the matrix reader names edges: that of the alphabet.
    """
    if n_regions == len(REGIONS):
        named = [(region.name, region) for region in REGIONS]
    else:
        named = [(f"{region.name}_{k + 1}", region) for region in REGIONS for k in range(region.parcels)]
    return tuple(sorted(named, key=lambda parcel: parcel[0]))


@lru_cache(maxsize=2)
def edges(n_regions: int) -> tuple[Feature, ...]:
    """Edges in the order of the upper triangle, named as the matrix reader names them.

    Parameters
    ----------
    n_regions : int
        15 or 50.

    Returns
    -------
    tuple of Feature
    """
    found = []
    for (name_a, a), (name_b, b) in combinations(parcels(n_regions), 2):
        distance = sum((x - y) ** 2 for x, y in zip(a.position, b.position, strict=True)) ** 0.5
        found.append(Feature(f"{name_a}--{name_b}", _edge_circuit(a, b), name_a, name_b, distance=distance))
    return tuple(found)


@lru_cache(maxsize=1)
def betas() -> tuple[Feature, ...]:
    """Task betas, 24 regions of interest in each of 3 contrasts."""
    return tuple(
        Feature(f"{roi}_{contrast}", region.home, roi, contrast=contrast)
        for contrast in CONTRASTS
        for region in REGIONS
        for roi in region.task_rois
    )


@lru_cache(maxsize=1)
def binding() -> tuple[Feature, ...]:
    """PET: binding potential of 16 regions."""
    return tuple(Feature(region.name, region.home, region.name) for region in PET_REGIONS)


def features(modality: str, n_regions: int = 15) -> tuple[Feature, ...]:
    """Features of a modality in file order.

    Parameters
    ----------
    modality : str
        ``connectivity``, ``task`` or ``pet``.
    n_regions : int
        15 or 50, of the connectivity matrix; the other modalities have regions of their own.

    Returns
    -------
    tuple of Feature
    """
    if modality == "connectivity":
        return edges(n_regions)
    return {"task": betas, "pet": binding}[modality]()


MODALITIES = ("connectivity", "task", "pet")
