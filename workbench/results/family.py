"""The runs of an experiment judged together: p corrected over all of them, then claims, candidates and rankings."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from workbench.evaluation.baseline_held import NULL_COLUMN
from workbench.evaluation.explanations import without_ranking
from workbench.evaluation.inference import FamilyMember, correct_family, held_to_earlier_looks, smallest_family_p
from workbench.results import biomarkers, claims

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from workbench.records import RunResult, Scores, Viewing

RELABELLED = (
    "circuits or labels of features are others than when the result was first viewed, so no circuit is a candidate: "
    "what was drawn around what was seen is no finding"
)


def finish_experiment(
    runs: Sequence[RunResult], viewings: Sequence[Viewing | None] | None = None
) -> tuple[RunResult, ...]:
    """Correct p over all runs together, then decide claims, candidates and what may be ranked.

    Parameters
    ----------
    runs : sequence of RunResult
        As `reduce_run` gives them: all runs of an experiment, or of all experiments of one family. Runs on the same
        people with the same shuffles are corrected by min-p, different sets of people by Holm.
    viewings : sequence of Viewing or None, optional
        For each run, how often its outcome had been looked at before; None where that is not counted.

    Returns
    -------
    tuple of RunResult
        In the order given.
    """
    members = [
        FamilyMember(group=_shuffles(run), observed=run.scores.performance.r2, null=_null_of(run)) for run in runs
    ]
    counted = [None] * len(runs) if viewings is None else viewings
    smallest = smallest_family_p([(member.group, len(member.null)) for member in members])
    judged = [
        replace(_corrected(run.scores, *p, viewing), smallest_p=least)
        for run, p, least, viewing in zip(runs, _family(members), smallest, counted, strict=True)
    ]
    held = [_held_member(run) or member for run, member in zip(runs, members, strict=True)]
    smallest = smallest_family_p([(member.group, len(member.null)) for member in held])
    finished = []
    for run, scores, p, least, viewing in zip(runs, judged, _family(held), smallest, counted, strict=True):
        beside = scores.baseline_held
        if beside is not None:
            scores = replace(scores, baseline_held=replace(_corrected(beside, *p, viewing), smallest_p=least))
        finished.append(_finish(run, scores))
    return tuple(finished)


def _family(members: Sequence[FamilyMember]) -> list[tuple[float | None, int]]:
    """Corrected p of each member, and over how many the correction goes."""
    corrected, size = correct_family(members)
    return [(p, size) for p in corrected]


def _held_member(run: RunResult) -> FamilyMember | None:
    """The run with its baseline score held fixed, as a member of the family; None where it has no such p.

    In this family runs that were not analysed so stand as they are: it has as many members as the other, and a run is
    in it whether or not it showed anything.
    """
    held = run.scores.baseline_held
    if held is None or held.test.p is None:
        return None
    # The same people have the same shuffles, whatever is held fixed; but binary labels are permuted given that.
    same = held.n_participants == run.scores.n_participants and run.scores.outcome_type == "continuous"
    group = _shuffles(run) if same else (_shuffles(run), held.n_participants, "baseline held")
    return FamilyMember(group, held.performance.r2, np.asarray(run.null[NULL_COLUMN], dtype=float))


def _corrected(scores: Scores, p_family: float | None, family_size: int, viewing: Viewing | None) -> Scores:
    others = 0 if viewing is None else viewing.others
    p_family = None if scores.test.p is None else p_family
    p_claim = None if p_family is None else held_to_earlier_looks(p_family, family_size, others)
    return replace(scores, p_family=p_family, family_size=family_size, viewing=viewing, p_claim=p_claim)


def _finish(run: RunResult, scores: Scores) -> RunResult:
    if scores.viewing is not None and scores.viewing.relabelled:
        scores = replace(scores, notes=tuple(dict.fromkeys((*scores.notes, RELABELLED))))
    claim = claims.judge(scores)
    decided = biomarkers.candidate_circuits(run.circuits, claim, scores.viewing)
    circuits = run.circuits.assign(candidate=decided.to_numpy())
    candidates = biomarkers.biomarker_table(run.features, circuits, scores, claim)
    finished = replace(
        run,
        scores=scores,
        claim=claim,
        circuits=circuits,
        biomarkers=candidates,
        tags={**run.tags, "claim": claim.verdict},
    )
    return finished if claim.shows_prediction else _gated(finished)


def _gated(run: RunResult) -> RunResult:
    """The run without any ranking of features, circuits or modalities (METHODS 2.9)."""
    model = "whose prediction was not tested" if run.claim.verdict == "not tested" else "that does not predict"
    note = f"the SHAP values explain a model {model}, so nothing is ranked by them"
    notes = run.scores.notes if run.shap is None else (*run.scores.notes, note)
    return replace(
        run,
        scores=replace(run.scores, notes=tuple(dict.fromkeys(notes)), stability=None),
        features=without_ranking(run.features),
        circuits=without_ranking(run.circuits),
        modalities=without_ranking(run.modalities),
        shap_circuits=None,
        feature_values=None,
        circuit_values=None,
        interactions=None,
    )


def _null_of(run: RunResult) -> np.ndarray:
    """Permuted r2 of a run; empty where it has no p, so that it is not counted in the family."""
    if run.scores.test.p is None:
        return np.empty(0)
    return np.asarray(run.null["r2"], dtype=float)


def _shuffles(run: RunResult) -> Hashable:
    return run.tags["shuffles_digest"]
