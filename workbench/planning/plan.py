"""The plan of one feature set: what its people, features, gaps and covariates can show, whatever the outcome."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from workbench.errors import FitError
from workbench.models.steps_in_fold import prepared_together, steps_of
from workbench.planning import curve
from workbench.planning.external import external_power
from workbench.planning.people import Population, ranks, some_of
from workbench.planning.power import Cohort, Engine, detectable, permutations_needed, power
from workbench.planning.sample_size import criteria_binary, criteria_continuous
from workbench.planning.truths import blind, outcomes, signals
from workbench.records import CurvePoint, Dataset, PowerPoint, SetPlan, SizeCriterion

PLAN_STREAM = 7
"""Spawn key of everything random in a plan: it shares no stream with the runs."""
POWER, PARTS, DRAWS, BAND, PEOPLE = range(5)
"""Streams of its own for each piece, so that none moves another."""
COHORTS = 5
"""Samples of people that simulated trials are spread over, where they are not those of the study."""
REPLICATES, REPLICATE_OUTCOMES = 10, 20
DRAWN_REPLICATES, DRAWN_OUTCOMES = 8, 15
"""Of the learning curve: orders of people, samples drawn, and made-up outcomes of each, with which its band was tried.

More of them make a narrower band, which then leaves out how far the study's own people are from others like them.
"""

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Question:
    """What a plan is asked.

    Attributes
    ----------
    r2s : tuple of float
        What the features may explain in the population, beyond what is held fixed.
    people : int or None
        Another number of people than the study has.
    prevalence : float
        Of a binary outcome, as earlier studies found it.
    mean, sd : float or None
        Of a continuous outcome, as earlier studies found them.
    """

    r2s: tuple[float, ...] = (0.1, 0.25, 0.4)
    simulations: int = 200
    permutations: int = 99
    people: int | None = None
    prevalence: float = 0.5
    mean: float | None = None
    sd: float | None = None


def plan_set(
    dataset: Dataset,
    question: Question,
    engine: Engine,
    quick: Engine,
    *,
    seed: int,
    fewest: int,
    about: SetPlan,
    progress: Progress,
) -> SetPlan:
    """Power, learning curve and sample size of one feature set; the outcome is taken away before anything else.

    Parameters
    ----------
    dataset : Dataset
    question : Question
    engine, quick : Engine
        The procedure with the repeats of the power simulation, and with one repeat for the learning curve.
    seed : int
        Of everything random in the plan.
    fewest : int
        People who fill the folds.
    about : SetPlan
        What is known before anything is simulated; gives back a copy with the numbers.
    progress : callable
        Takes what is done, how much of it is done, and all of it.

    Returns
    -------
    SetPlan
    """
    raw, dataset = dataset, blind(prepared_together(dataset))
    prevalence = question.prevalence if dataset.outcome.type == "binary" else None
    cohorts, people = _cohorts(dataset, question, seed)
    people += "" if not steps_of(raw) else "; what is learnt from features in the folds was learnt once, of them all"
    refused = engine.refusal(_with_an_outcome(cohorts[0], question.r2s[0], prevalence), question.permutations)
    found: tuple[PowerPoint, ...] = ()
    if not refused:
        found = power(
            cohorts,
            question.r2s,
            engine,
            permutations=question.permutations,
            prevalence=prevalence,
            n_runs=about.n_runs,
            progress=partial(progress, "simulated trials"),
        )
    points, no_curve = _curve(dataset, question, quick, seed, fewest, prevalence, progress)
    return replace(
        about,
        n_participants=cohorts[0].dataset.n_rows,
        people=people,
        permutations=permutations_needed(question.permutations, about.n_runs),
        criteria=tuple(each for r2 in question.r2s for each in _criteria(dataset, r2, question)),
        power=found,
        detectable=detectable(found) if found else None,
        curve=points,
        refused=refused,
        no_curve=no_curve,
        external=external_power(found, seed) if dataset.outcome.type == "continuous" else (),
    )


def asked_about(dataset: Dataset, people: int | None) -> Dataset:
    """People of the number asked about, as far as who they are and how many decides what may be claimed.

    Parameters
    ----------
    dataset : Dataset
    people : int or None
        Number of participants; fewer are drawn from the rows, more from `Population`. None: those of the study.

    Returns
    -------
    Dataset
    """
    if people is None or people == dataset.n_rows:
        return dataset
    return _cohort_of(dataset, people, 0)


def _cohorts(dataset: Dataset, question: Question, seed: int) -> tuple[tuple[Cohort, ...], str]:
    """Who is simulated, with the seeds of their outcomes, and in words."""
    n, seeds = question.people or dataset.n_rows, _seeds(seed, POWER, question.simulations)
    if n == dataset.n_rows:
        return (Cohort(dataset, seeds, seed),), "the study's own participants, with their features, gaps and folds"
    own = _seeds(seed, PEOPLE, min(COHORTS, len(seeds)))
    made = tuple(Cohort(_cohort_of(dataset, n, each), seeds[k :: len(own)], each) for k, each in enumerate(own))
    if n < dataset.n_rows:
        return made, f"{len(own)} random parts of the study's {dataset.n_rows} participants"
    return made, (
        f"{len(own)} samples of {n} participants drawn like the study's {dataset.n_rows}: their covariates and gaps, "
        f"features normal with shrunk covariance"
    )


def _cohort_of(dataset: Dataset, n: int, seed: int) -> Dataset:
    rng = np.random.default_rng(seed)
    if n < dataset.n_rows:
        return dataset.take(some_of(dataset, ranks(dataset, rng), n))
    return Population.of(dataset).draw(n, rng)


def _with_an_outcome(cohort: Cohort, r2: float, prevalence: float | None) -> Dataset:
    """A cohort with one made-up outcome: whether outcomes can be exchanged at all does not hang on their values."""
    made = outcomes(signals(cohort.dataset, cohort.seeds[:1]), r2, cohort.seeds[:1], prevalence=prevalence)
    return replace(cohort.dataset, y=made[:, 0])


def _criteria(dataset: Dataset, r2: float, question: Question) -> tuple[SizeCriterion, ...]:
    p = len(dataset.features)
    if dataset.treatment is not None:  # they are for predictions of an outcome, not of a difference between arms
        return ()
    if dataset.outcome.type == "binary":
        return criteria_binary(p, r2, question.prevalence)
    return criteria_continuous(p, r2, mean=question.mean, sd=question.sd)


def _curve(
    dataset: Dataset,
    question: Question,
    engine: Engine,
    seed: int,
    fewest: int,
    prevalence: float | None,
    progress: Progress,
) -> tuple[tuple[CurvePoint, ...], str]:
    """The learning curve, or why there is none."""
    at = curve.sizes(dataset.n_rows, fewest)
    if not at:
        return (), f"fewer than {fewest} participants do not fill the folds, and the study has {dataset.n_rows}"
    simulate = {"prevalence": prevalence}
    try:
        own = curve.measured(
            dataset,
            at,
            question.r2s,
            engine,
            seeds=_seed_rows(seed, PARTS, REPLICATES, REPLICATE_OUTCOMES),
            progress=partial(progress, "learning curve"),
            **simulate,
        )
        drawn = curve.beyond(
            dataset,
            question.r2s,
            engine,
            seeds=_seed_rows(seed, DRAWS, DRAWN_REPLICATES, DRAWN_OUTCOMES),
            progress=partial(progress, "learning curve, beyond"),
            **simulate,
        )
    except FitError as error:
        return (), f"parts of the participants do not fill the folds: {error.problems[0].found}"
    return curve.points(at, question.r2s, own, drawn, _seeds(seed, BAND, 1)[0]), ""


def _seeds(seed: int, stream: int, n: int) -> tuple[int, ...]:
    return tuple(int(one) for one in np.random.SeedSequence(seed, spawn_key=(PLAN_STREAM, stream)).generate_state(n))


def _seed_rows(seed: int, stream: int, n: int, each: int) -> list[tuple[int, ...]]:
    seeds = _seeds(seed, stream, n * each)
    return [seeds[k * each : (k + 1) * each] for k in range(n)]
