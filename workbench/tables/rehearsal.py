"""Made-up scores for a rehearsal: whoever has a score keeps having one, and nothing of the real ones is left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from workbench.records import Cohort, Outcome, Scale
from workbench.specs.experiment import Bounds, ExperimentSpec, Rule
from workbench.tables.outcomes import make_outcome

SCORES, VALUES = 0x4E5, 0x4E6
"""Spawn keys of the streams that make scores and outcomes up, apart from every other stream of the same seed."""
RELATIVE = ("percent-change", "response", "durability")
"""Kinds of outcome that divide by the baseline, so that a simulated one must lie above the zero of its scale."""
NOTE = (
    "rehearsal: all scores are simulated, drawn evenly over the range of their scale for whoever has one; "
    "nothing here is a result"
)


def rehearse(
    experiment: ExperimentSpec, cohort: Cohort, people: Sequence[str], outcome: Outcome
) -> tuple[Cohort, Outcome]:
    """A cohort and an outcome in which every score is made up.

    Shuffled scores would keep their mean, their SD and who improved by how much on average, all of which are results;
    so each score at each session is drawn evenly over the steps of its scale, within the bounds that `include` puts on
    it, whatever the real values are. What is kept of them is who has which: two studies that differ in their scores
    alone rehearse alike.

    Parameters
    ----------
    experiment : ExperimentSpec
        Its seed decides what is drawn.
    cohort : Cohort
    people : sequence of str
        Those included, by the real scores: nobody else has a score in the cohort that is given back.
    outcome : Outcome
        The real one: who has it, and why the others do not.

    Returns
    -------
    cohort : Cohort
    outcome : Outcome
        Of a binary outcome half of the people have a 1; a participants column that is a number becomes standard normal.
    """
    seed = experiment.validation.seed
    made_up = replace(cohort, scores=_scores(experiment, cohort, people), anhedonia_items={})
    drawn = make_outcome(experiment.outcome, cohort if experiment.outcome.column else made_up, people, seed=seed)
    there = sorted(outcome.values.index)
    values = drawn.values.reindex(there)
    # Among responders alone others respond by simulated scores.
    if outcome.type == "binary" or experiment.outcome.column is not None or values.isna().any():
        values = pd.Series(_drawn(outcome, len(there), seed), index=values.index)
    return made_up, replace(
        drawn,
        values=values,
        shared=None if drawn.shared is None else replace(drawn.shared, values=drawn.shared.values.reindex(there)),
        baseline=None if drawn.baseline is None else drawn.baseline.loc[there],
        missing=outcome.missing,
        label=f"simulated {drawn.label}",
        notes=(*drawn.notes, NOTE),
    )


def _scores(experiment: ExperimentSpec, cohort: Cohort, people: Sequence[str]) -> pd.DataFrame:
    """The ratings of those included, made up: rows sorted, so that the order of a file changes nothing."""
    keys = ["score", "session", "participant_id"]
    ratings = cohort.scores[cohort.scores["participant_id"].isin(list(people))].sort_values(keys, ignore_index=True)
    stream = np.random.default_rng(np.random.SeedSequence(experiment.validation.seed, spawn_key=(SCORES,)))
    values = np.empty(len(ratings))
    for (score, session), part in ratings.groupby(["score", "session"], sort=True):
        possible = _possible(str(score), str(session), cohort.scales[str(score)], experiment)
        values[part.index] = stream.choice(possible, size=len(part))
    return ratings.assign(value=values)[list(cohort.scores.columns)]


def _possible(score: str, session: str, scale: Scale, experiment: ExperimentSpec) -> np.ndarray:
    """Values of a score at one session that a simulated rating may have."""
    outcome = experiment.outcome
    step = scale.step or (scale.maximum - scale.minimum) / 100
    count = int(np.floor((scale.maximum - scale.minimum) / step + 1e-9))
    values = scale.minimum + step * np.arange(count + 1)
    if outcome.kind in RELATIVE and (outcome.score, outcome.from_) == (score, session):
        values = values[values > scale.zero]
    allowed = values[_followed(experiment.include, f"{score}@{session}", values)]
    return allowed if len(allowed) else values


def _followed(rules: Mapping[str, Rule], term: str, values: np.ndarray) -> np.ndarray:
    """Which values follow the rule that those included follow, if there is one for this term."""
    rule = rules.get(term)
    if rule is None:
        return np.ones(len(values), dtype=bool)
    if isinstance(rule, Bounds):
        low = -np.inf if rule.min is None else rule.min
        high = np.inf if rule.max is None else rule.max
        return np.asarray((values >= low) & (values <= high))
    named = [float(value) for value in rule]
    return np.isin(values, named)


def _drawn(outcome: Outcome, n: int, seed: int) -> np.ndarray:
    """An outcome without a scale: as many 0 as 1 in random order, or standard normal."""
    stream = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(VALUES,)))
    if outcome.type == "binary":
        return stream.permutation(np.arange(n) % 2).astype(float)
    return stream.standard_normal(n)
