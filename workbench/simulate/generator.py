"""A whole trial from one seed: people, scans, ratings, and what is true of them; writing files is elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from workbench.simulate.achievable import achievable_table
from workbench.simulate.anatomy import MODALITIES
from workbench.simulate.config import TrialConfig
from workbench.simulate.latents import People, draw_people
from workbench.simulate.missingness import MIN_COVERAGE, available, coverage, drop_outs
from workbench.simulate.modalities import draw_modality, kept_volumes
from workbench.simulate.outcomes import Course, infusions, main_contrast, visits
from workbench.simulate.population import PLANTED_IN
from workbench.simulate.streams import stream
from workbench.simulate.truth import World, build_world, circuit_table

OUTER_FOLDS = 5
"""Of the experiments that are written with a trial: a model is trained on all but one of them."""

RESTING = ("ses-b0",)
"""Sessions with a resting-state scan."""
KEPT_OF_FAILED = 4
"""Of a scan that failed for motion, one volume is left for every so many of another."""


@dataclass(frozen=True, eq=False)
class Trial:
    """A simulated trial.

    Attributes
    ----------
    participant_ids : tuple of str
        ``sub-001`` and so on, in the order of every array.
    sessions : tuple of str
        Sessions with ratings, the baseline first.
    madrs : mapping of session to ndarray of shape (n,)
        Totals, NaN where not rated.
    shaps : mapping of session to ndarray of shape (n, 14)
        Items 1 to 4, NaN where not rated.
    teps : mapping of session to ndarray of shape (n,)
        Anticipatory TEPS, 10 to 60, higher is better; NaN where not rated.
    cadss : mapping of session to ndarray of shape (n,)
        Totals 40 minutes into each infusion, NaN where not rated: dissociation, which is no baseline predictor.
    scans : mapping of modality to mapping of session to ndarray of shape (n, n_features)
        NaN rows where a scan is missing, single NaN values in task betas, NaN edges of parcels that were not covered.
    coverage : mapping of session to ndarray of shape (n, n_parcels)
        Share of every parcel that was measured in the resting-state scan.
    volumes : mapping of session to ndarray of int of shape (n,)
        Volumes left of it after censoring; where it failed, too few for a matrix.
    truth : dict
        What truth.json holds.
    """

    config: TrialConfig
    seed: int
    participant_ids: tuple[str, ...]
    people: People
    sessions: tuple[str, ...]
    madrs: Mapping[str, np.ndarray]
    shaps: Mapping[str, np.ndarray]
    teps: Mapping[str, np.ndarray]
    cadss: Mapping[str, np.ndarray]
    scans: Mapping[str, Mapping[str, np.ndarray]]
    coverage: Mapping[str, np.ndarray]
    volumes: Mapping[str, np.ndarray]
    truth: Mapping[str, Any]


def simulate_trial(config: TrialConfig, seed: int, *, achievable: bool = False) -> Trial:
    """Simulate one trial.

    Parameters
    ----------
    config : TrialConfig
    seed : int
        Of who is drawn and what happens to them; what is true of everybody has its own, ``config.world``.
    achievable : bool
        Work out for the truth what ridge can achieve when it is trained on as many people as this trial has: a few
        seconds, once for all trials of one configuration and size.

    Returns
    -------
    Trial

    Raises
    ------
    SpecError
        If the features cannot explain as much as ``config.r2`` asks for.
    """
    world = build_world(config)
    people = draw_people(config, seed, config.n_patients, config.n_controls)
    course = Course(config, world.items, people, world.shares, seed)
    sessions = ("ses-b0", *visits(config))
    during = infusions(config)
    seen = _seen(config, course, (*sessions, *during), seed)
    covered = {session: coverage(config, people.n, seed, session) for session in RESTING}
    scans = _scans(config, world, people, covered, seed)
    truth = _truth(config, world, seed)
    if achievable:
        n_train = _analysed(config, people, seen, scans) * (OUTER_FOLDS - 1) // OUTER_FOLDS
        truth["r2_achievable"] = [dict(row) for row in achievable_table(config, n_train)]
    return Trial(
        config=config,
        seed=seed,
        participant_ids=tuple(f"sub-{number:03d}" for number in range(1, people.n + 1)),
        people=people,
        sessions=sessions,
        madrs={each: np.where(seen[each], course.madrs(each), np.nan) for each in sessions},
        shaps={each: np.where(seen[each][:, None], course.shaps(each), np.nan) for each in sessions},
        teps={each: np.where(seen[each], course.teps(each), np.nan) for each in sessions},
        cadss={each: np.where(seen[each], course.cadss(each), np.nan) for each in during},
        scans=scans,
        coverage=covered,
        volumes={
            session: _volumes(config, people, scans["connectivity"][session], seed, session) for session in RESTING
        },
        truth=truth,
    )


def _analysed(
    config: TrialConfig, people: People, seen: Mapping[str, np.ndarray], scans: Mapping[str, Mapping[str, np.ndarray]]
) -> int:
    """How many patients have the main outcome and every modality in which r2 is planted."""
    have = people.patient & seen["ses-d2"] & seen["ses-p2" if config.design == "crossover" else "ses-b0"]
    if config.design == "parallel":
        have = have & people.ketamine_first
    for modality in PLANTED_IN:
        have = have & ~np.isnan(scans[modality]["ses-b0"]).all(axis=1)
    return int(have.sum())


def _seen(config: TrialConfig, course: Course, sessions: tuple[str, ...], seed: int) -> dict[str, np.ndarray]:
    """Who was rated at each session: drop-outs miss the second period of a crossover, or the last visit."""
    people = course.people
    crossover = config.design == "crossover"
    first = course.madrs("ses-d2")
    if crossover:
        first = np.where(people.ketamine_first, first, course.madrs("ses-p2"))
    left = drop_outs(config, course.madrs("ses-b0") - first, seed)
    seen = {}
    for session in sessions:
        visit = session.removeprefix("ses-")
        second = people.ketamine_first != visit.startswith("d") if crossover else np.full(people.n, visit == "d10")
        seen[session] = ~(left & second) if session != "ses-b0" else np.ones(people.n, dtype=bool)
    return seen


def _scans(
    config: TrialConfig, world: World, people: People, covered: Mapping[str, np.ndarray], seed: int
) -> dict[str, dict[str, np.ndarray]]:
    have = available(config, people, seed)
    sessions = {"connectivity": RESTING, "task": config.task_sessions, "pet": ("ses-b0",)}
    scans: dict[str, dict[str, np.ndarray]] = {}
    for modality in MODALITIES:
        scans[modality] = {}
        for session in sessions[modality]:
            values = draw_modality(modality, config, world.scanners[modality], people, seed, session)
            values[~have[modality]] = np.nan
            scans[modality][session] = values
    for session, values in scans["task"].items():
        values[stream(seed, "task value missing", session).random(values.shape) < config.missing_values] = np.nan
    for session, values in scans["connectivity"].items():
        lost = covered[session] < MIN_COVERAGE
        first, second = np.triu_indices(lost.shape[1], 1)
        values[lost[:, first] | lost[:, second]] = np.nan
    return scans


def _volumes(config: TrialConfig, people: People, matrices: np.ndarray, seed: int, session: str) -> np.ndarray:
    kept = kept_volumes(config, people, seed, session)
    return np.where(np.isnan(matrices).all(axis=1), kept // KEPT_OF_FAILED, kept)


def _truth(config: TrialConfig, world: World, seed: int) -> dict[str, Any]:
    return {
        "synthetic": True,
        "seed": seed,
        "config": asdict(config),
        "planted": {
            "r2": config.r2,
            "outcome": main_contrast(config),
            "feature_set": "+".join(PLANTED_IN),
            "given": "motion"
            + (", sequence" if config.design == "crossover" else "")
            + (", site" if config.site_outcome else ""),
        },
        "r2_pop": [dict(row) for row in world.r2],
        "signal_share": dict(world.shares),
        "circuits": _circuits(config, world),
    }


def _circuits(config: TrialConfig, world: World) -> list[dict[str, Any]]:
    """The part of every circuit, and how much of the main contrast its features explain alone."""
    table = circuit_table(config)
    for entry in table:
        alone = [row for row in world.circuit_r2 if row["circuit"] == entry["circuit"]]
        entry["r2_pop"] = {str(row["score"]): row["r2_pop"] for row in alone}
    return table
