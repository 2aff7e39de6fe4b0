"""Anhedonia apart from depression: the improvement in a score of general depression that an outcome is freed from.

The improvement in the other score is known only after treatment. It is held fixed here, and nowhere else, because the
question is about the part of one improvement that is not shared with another, not about what was known before. It
enters the nuisance block, so that its coefficients are those of the training participants in every fold, for features
and outcome alike (Frisch-Waugh): taken out of the outcome of everybody at once it would be a leak.

References
----------
Lally, N. et al. (2014). Transl Psychiatry 4, e469: anhedonia apart from depressive symptoms after ketamine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from workbench.errors import OutcomeError, Problem, did_you_mean, listed
from workbench.records import Cohort, Covariates, Scale, SharedWith, VariableCoding
from workbench.specs.experiment import OutcomeSpec
from workbench.tables.course_kinds import COURSE_MAKERS
from workbench.tables.outcome_kinds import MAKERS, Ratings

AS_CHANGE = ("percent-change", "ancova")
"""Kinds of outcome whose improvement in the other score is a change in points."""


def apart_cap(spec: OutcomeSpec) -> tuple[str, ...]:
    """Why a claim is exploratory at most: what an outcome is taken apart from was rated with error.

    Held fixed is the rated improvement, not the true one. What error leaves of general depression stays in the outcome,
    and features that know depression alone predict it: residual confounding, which no permutation tests.

    Parameters
    ----------
    spec : OutcomeSpec

    Returns
    -------
    tuple of str
        One reason at most.
    """
    if spec.apart_from is None:
        return ()
    return (f"{spec.apart_from} is rated with error, so some general depression is left in what is apart from it",)


def shared_with(spec: OutcomeSpec, cohort: Cohort, rated: Ratings) -> tuple[SharedWith, dict[str, str]]:
    """The improvement in the score that an outcome is taken apart from, over the sessions of the outcome.

    Parameters
    ----------
    spec : OutcomeSpec
        With `apart_from`.
    cohort : Cohort
    rated : Ratings
        What the outcome itself is made from.

    Returns
    -------
    shared : SharedWith
        NaN where it is not known.
    missing : dict of str to str
        Participant id to why it is not.

    Raises
    ------
    OutcomeError
        If the study has no such score, or nobody was rated on it at a session of the outcome.
    """
    name = str(spec.apart_from)
    if name not in cohort.scales:
        raise OutcomeError(
            Problem("outcome: apart_from", f"{name!r} is not a score of this study", did_you_mean(name, cohort.scales))
        )
    index = next(iter(rated.scores.values())).index
    scores = {key: cohort.score(name, session).reindex(index) for key, session in rated.sessions.items()}
    for key, session in rated.sessions.items():
        if scores[key].isna().all():
            hint = "a score that was rated at the sessions of the outcome"
            raise OutcomeError(Problem("outcome: apart_from", f"nobody has {name} at {session}", hint))
    without = _without_items(name, cohort, rated.sessions, scores)
    scores = without or scores
    kind = "change" if spec.kind in AS_CHANGE else spec.kind
    scale = cohort.scales[name]
    made = {**MAKERS, **COURSE_MAKERS}[kind](
        Ratings(spec, name, scale, rated.sessions, scores, rated.arms, rated.hours)
    )
    missing = {person: f"no improvement in {name}" for person in index[made.values.isna()]}
    called = f" without {_items(scale)}" if without else ""
    what = made.label.partition(" from ")[0].partition(" (")[0].replace(name, f"{name}{called}", 1)
    shared = SharedWith(name, what, made.values, _in_words(name, cohort, bool(without)))
    return shared, missing


def shared_improvement(shared: SharedWith, people: Sequence[str]) -> Covariates:
    """What an outcome is taken apart from as a covariate of the nuisance block.

    Parameters
    ----------
    shared : SharedWith
    people : sequence of str
        Participant ids, one per row.

    Returns
    -------
    Covariates
        One column.
    """
    values = shared.values.loc[list(people)].to_numpy(dtype=float)[:, None]
    return Covariates((shared.name,), (shared.name,), values, (VariableCoding(shared.name, (shared.name,)),))


def _without_items(
    name: str, cohort: Cohort, sessions: Mapping[str, str], scores: Mapping[str, pd.Series]
) -> dict[str, pd.Series]:
    """The scores without the items that ask for anhedonia; empty where these are not known for everyone rated."""
    reduced = {}
    for key, session in sessions.items():
        rated = scores[key].dropna()
        part = pd.Series(
            {person: cohort.anhedonia_items.get((person, session, name)) for person in rated.index}, dtype=float
        )
        if part.isna().any():
            return {}
        reduced[key] = (rated - part).reindex(scores[key].index)
    return reduced


def _in_words(name: str, cohort: Cohort, without: bool) -> str:
    scale = cohort.scales[name]
    if not scale.anhedonia_items:
        return f"which items of {name} ask for anhedonia, if any, is not known to the registry of scales"
    items = _items(scale)
    asks = "which ask for anhedonia" if len(scale.anhedonia_items) > 1 else "which asks for anhedonia"
    if without:
        return f"{name} is taken without {items}, {asks}"
    return (
        f"the total of {name} contains {items}, {asks}: the items are not there, so some of what is held fixed is "
        "anhedonia itself"
    )


def _items(scale: Scale) -> str:
    numbers = scale.anhedonia_items
    return f"item{'s' if len(numbers) > 1 else ''} {listed([str(each) for each in numbers], 10)}"
