"""What a frozen model says of other participants, and every number of it where they have an outcome."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from workbench.pipeline.frozen_model import NOT_HERE, FrozenModel
from workbench.pipeline.other_cohort import OtherCohort
from workbench.records import ExternalRows, ExternalValidation

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

LEVEL = 0.9
"""Of the interval of one participant, as for the participants of a run."""

IN_PART = "cohorts in which participants lack modalities are not compared"
SAME_TIME = 0.25
"""Of the hours in training, by which those in another cohort may differ."""


@dataclass(frozen=True, eq=False)
class Predicted:
    """What a frozen model says of some participants.

    Parameters
    ----------
    predicted, reference : ndarray of shape (n_people,)
        With the features, and from the variables held fixed alone.
    circuits : DataFrame or None
        participant_id, base, then a column per circuit; None where it is not explained.
    why_unexplained : str
        Empty where it is.
    """

    predicted: np.ndarray
    reference: np.ndarray
    circuits: pd.DataFrame | None
    why_unexplained: str


def predicted_for(frozen: FrozenModel, rows: ExternalRows) -> Predicted:
    """What a frozen model says of some participants, with features and without, and what each circuit added.

    Parameters
    ----------
    frozen : FrozenModel
    rows : ExternalRows

    Returns
    -------
    Predicted
    """
    from workbench.execution import one_blas_thread

    model = frozen.model
    with one_blas_thread():
        predicted = model.predict(rows.X, rows.covariates)
        reference = model.covariates_alone(rows.X, rows.covariates)
        circuits, why = _explained(frozen, rows)
    return Predicted(predicted, reference, circuits, why)


def _explained(frozen: FrozenModel, rows: ExternalRows) -> tuple[pd.DataFrame | None, str]:
    """SHAP values summed by circuit, or why there are none."""
    import numpy as np
    import pandas as pd

    from workbench.records import UNASSIGNED

    if not frozen.result.claim.shows_prediction:
        return None, f"the run shows no prediction ({frozen.result.claim.verdict})"
    if not getattr(frozen.model.model, "explains", True):
        return None, "models of this kind are not explained"
    base, shap = frozen.model.explain(rows.X, rows.covariates)
    circuits = frozen.features["circuit"].replace("", UNASSIGNED).fillna(UNASSIGNED).to_numpy(dtype=str)
    sums = {name: shap[:, circuits == name].sum(axis=1) for name in sorted(set(circuits))}
    return pd.DataFrame({"participant_id": list(rows.people), "base": np.asarray(base), **sums}), ""


def prediction_table(frozen: FrozenModel, rows: ExternalRows, predicted: Predicted) -> pd.DataFrame:
    """One row per participant, with the interval of each.

    Parameters
    ----------
    frozen : FrozenModel
    rows : ExternalRows
    predicted : Predicted

    Returns
    -------
    DataFrame
        participant_id, site, observed (where there is one), predicted, reference; of a continuous outcome low_90 and
        high_90, from the held-out errors of the training cohort.
    """
    import pandas as pd

    from workbench.evaluation.external import expected_error

    table = pd.DataFrame({"participant_id": list(rows.people)})
    if rows.sites is not None:
        table["site"] = rows.sites
    if rows.observed is not None:
        table["observed"] = rows.observed
    table = table.assign(predicted=predicted.predicted, reference=predicted.reference)
    if frozen.result.scores.outcome_type == "continuous":
        first = frozen.result.predictions[frozen.result.predictions["repeat"] == 0]
        reach = expected_error((first["observed"] - first["predicted"]).to_numpy(dtype=float), LEVEL)
        if reach < float("inf"):
            table = table.assign(low_90=predicted.predicted - reach, high_90=predicted.predicted + reach)
    return table


def scored(frozen: FrozenModel, cohort: OtherCohort, rows: ExternalRows, predicted: Predicted) -> ExternalValidation:
    """Every number of an external prediction, but for what the ledgers know of it.

    Parameters
    ----------
    frozen : FrozenModel
    cohort : OtherCohort
    rows : ExternalRows
        With an outcome.
    predicted : Predicted

    Returns
    -------
    ExternalValidation
    """
    from workbench.evaluation.external import by_site, score_external
    from workbench.results.claims import named_outcome
    from workbench.specs.experiment import BASELINE_HELD

    scores, wanted, observed = frozen.result.scores, cohort.wanted, rows.observed
    assert observed is not None
    holds = bool(frozen.model.covariates) and any(coding.names for coding in frozen.model.covariates)
    numbers = score_external(
        observed,
        predicted.predicted,
        training_mean=frozen.training_mean,
        reference=predicted.reference if holds else None,
        groups=rows.groups,
        baseline=rows.baseline if scores.outcome_kind in BASELINE_HELD else None,
        outcome_type=scores.outcome_type,
    )
    training, mix = frozen.dataset, _case_mix(frozen, rows, predicted)
    known = None if training is None or training.sites is None else set(training.sites.tolist())
    return ExternalValidation(
        cohort=wanted.name,
        held_out=wanted.held_out,
        n_participants=len(rows.people),
        n_training=scores.n_participants,
        outcome=named_outcome(scores).replace(scores.outcome, rows.outcome.label if rows.outcome else ""),
        outcome_unit=scores.outcome_unit,
        outcome_type=scores.outcome_type,
        **{name: getattr(numbers, name) for name in numbers.__dataclass_fields__},
        sites=() if rows.sites is None else by_site(observed, predicted.predicted, rows.sites, known),
        case_mix=mix,
        no_case_mix="" if mix is not None else NOT_HERE if training is None else IN_PART,
        policies=wanted.policies,
        handled=rows.handled,
        notes=_notes(frozen, rows),
        other_time=_other_time(frozen, cohort),
        model_digest=frozen.digest,
        refitted=frozen.refitted,
        synthetic=scores.synthetic or cohort.study.cohort.synthetic,
        flow=tuple(replace(step, participants=(), reasons=()) for step in rows.flow),
    )


def _notes(frozen: FrozenModel, rows: ExternalRows) -> tuple[str, ...]:
    """What differs in the question, in sentences."""
    assert rows.outcome is not None
    own = frozen.result.scores.outcome
    return (f"the outcome there is {rows.outcome.label}, in training {own}",) if rows.outcome.label != own else ()


def _other_time(frozen: FrozenModel, cohort: OtherCohort) -> str:
    """When the outcome is read there and in training, where that is not about the same time after treatment."""
    read = [
        sessions[session].hours
        for sessions, asked in (
            (frozen.study.cohort.sessions, frozen.spec.outcome),
            (cohort.study.cohort.sessions, cohort.spec.outcome),
        )
        if (session := asked.until or asked.at) in sessions
    ]
    here, there = read if len(read) == 2 else (None, None)
    if here is None or there is None or abs(there - here) <= SAME_TIME * abs(here):
        return ""
    return f"read {there:g} hours after treatment, in training {here:g}"


def _case_mix(frozen: FrozenModel, rows: ExternalRows, predicted: Predicted) -> Any:
    """The cohorts side by side; None where the data of the training cohort are not here."""
    import pandas as pd

    from workbench.evaluation.case_mix import case_mix
    from workbench.tables.external_rows import OUTCOME

    training = frozen.dataset
    if training is None or not training.complete:
        return None
    people = list(training.rows["participant_id"])
    table = pd.DataFrame(index=pd.Index(people, name="participant_id"))
    if training.background is not None:
        table = training.background.values.reindex(people).drop(columns=["site", "arm", "sequence"], errors="ignore")
    for covariates in (training.nuisance, training.clinical):
        for coding in covariates.coding:
            if coding.term not in table and not coding.levels and coding.names:
                table[coding.term] = covariates.only(coding.term).values[:, 0]
    table[OUTCOME] = training.y
    held_out = frozen.held_out_means()["predicted"].reindex(people)
    return case_mix(
        table,
        rows.background,
        X_training=training.X,
        X_external=rows.X,
        names=list(frozen.features["name"]),
        predicted_training=held_out.to_numpy(dtype=float),
        predicted_external=predicted.predicted,
        seed=frozen.result.scores.seed,
    )
