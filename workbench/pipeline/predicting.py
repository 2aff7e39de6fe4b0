"""The frozen model of a run applied to participants whom it never saw: predicted, counted, judged and written down."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import Problem, SpecError
from workbench.pipeline.external_ledger import (
    both_locked,
    count,
    external_look,
    refuse_shared_participants,
    standing,
)
from workbench.pipeline.external_results import from_here, with_external
from workbench.pipeline.external_scoring import Predicted, predicted_for, prediction_table, scored
from workbench.pipeline.frozen_model import FrozenModel, open_frozen_model, positions_by_source
from workbench.pipeline.interrupting import can_be_interrupted
from workbench.pipeline.ledger import make_ready
from workbench.pipeline.notebook_progress import usual_progress
from workbench.pipeline.other_cohort import OtherCohort, open_cohort, rows_of, wanted_cohort
from workbench.pipeline.permissions import no_wider_than_study
from workbench.pipeline.progress import Progress
from workbench.pipeline.reports import FILE as REPORT
from workbench.pipeline.reports import write_report_again
from workbench.records import Claim, ExternalRows, ExternalValidation
from workbench.specs.cohort import COHORT_FILE

if TYPE_CHECKING:
    import pandas as pd

    from workbench.preregistration.viewed import Look
    from workbench.results.layout import Page

REPORT_FILE = "external.html"


@dataclass(frozen=True, eq=False, repr=False)
class ExternalPrediction:
    """What a frozen model predicted for other participants.

    Attributes
    ----------
    predictions : DataFrame
        participant_id, site, observed (where there is an outcome), predicted, reference, low_90, high_90.
    circuits : DataFrame or None
        participant_id, base, then a column per circuit: what each circuit added to the prediction. None where the run
        shows no prediction, or its model cannot be explained.
    validation : ExternalValidation or None
        None where nobody has an outcome, or where single participants were asked for: nothing is counted then.
    claim : Claim
        Of the run, after this.
    again : bool
        The same prediction was viewed before: this is what was written then.
    """

    cohort: str
    run: str
    outcome: str
    unit: str
    predictions: pd.DataFrame
    circuits: pd.DataFrame | None
    validation: ExternalValidation | None
    claim: Claim
    before: Claim
    why_unexplained: str = ""
    handled: tuple[str, ...] = ()
    run_id: str = ""
    model_run: str = ""
    """Id of the run whose frozen model predicted."""
    artifacts: Path | None = None
    again: bool = False
    synthetic: bool = False
    flow: tuple[Any, ...] = field(default=())

    def page(self) -> Page:
        """The result on one page, before it is set to a width."""
        from workbench.results.external import external_page

        return external_page(
            self.validation,
            self.claim,
            run=self.run,
            again=self.again,
            report="" if self.artifacts is None else from_here(self.artifacts / REPORT_FILE),
            show=f"workbench show {self.model_run[:8]} -v",
        )

    def participant_text(self, participant_id: str = "") -> str:
        """One participant: the prediction with its interval, and what each circuit added to it, as text."""
        from workbench.results.external import participant_text

        return participant_text(
            self.predictions, self.circuits, participant_id, unit=self.unit, why_unexplained=self.why_unexplained
        )

    def __repr__(self) -> str:
        n = len(self.predictions)
        r2 = "" if self.validation is None else f", R2 {self.validation.r2.value:.2f}"
        return f"<{self.run} in {self.cohort}: {n} participants{r2}>"


def _study_of_the_model(trained_in: str | Path) -> Path:
    """The folder of a study; what is none is refused by the option that names it."""
    root = Path(trained_in)
    if not (root / COHORT_FILE).is_file():
        hint = "name the study that holds the run: --trained-in DIR"
        raise SpecError(Problem(str(root), "is not a study, and the model is taken from one", hint))
    return root


@can_be_interrupted
@no_wider_than_study
def predict(
    run: str = "latest",
    *,
    study: str | Path | None = None,
    data: str | Path | None = None,
    trained_in: str | Path = ".",
    experiment: str | None = None,
    participant: str | None = None,
    hold_out: bool = False,
    missing_features: str = "",
    other_measures: str = "",
    unseen_levels: str = "",
    again: bool = False,
    progress: Progress | None = None,
) -> ExternalPrediction:
    """Apply the frozen model of a run once to other participants.

    Where they have an outcome this is a result viewed: a line is written into the ledgers of both studies before any
    number of it can be read, and the same prediction again is the same result. Where nobody has one, or one
    participant is asked for, predictions alone are given, and nothing is counted.

    Parameters
    ----------
    run : str
        MLflow run id, a unique prefix of one, a run name, an experiment (its last run), or ``latest``.
    study : str or path, optional
        Folder of the other study, or NAME of ``[external.NAME]`` in the experiment of the run; may be left out where
        that declares one cohort.
    data : path, optional
        Where the data of the other study are, if not where its ``cohort.toml`` says.
    trained_in : path
        The study that holds the run.
    experiment : str, optional
        Experiment of the other study that says who is included, what the outcome is and at which sessions.
    participant : str, optional
        Only this one: predicted and explained; the outcome is not read.
    hold_out : bool
        Those whom ``[validation] hold_out`` of the run locked.
    missing_features, other_measures, unseen_levels : str, optional
        Policies, as in ``[external.NAME]``; they go before those of the file.
    again : bool
        Open held-out participants although another model was shown on them.
    progress : Progress, optional

    Returns
    -------
    ExternalPrediction

    Raises
    ------
    WorkbenchError
        With every feature, variable and outcome that is missing or measured otherwise and that no policy settles, if
        participants are among those whom the model was trained on, or if a ledger cannot be written.
    """
    progress = progress or usual_progress()
    frozen = open_frozen_model(run, _study_of_the_model(trained_in), progress=progress)
    policies = {"missing_features": missing_features, "other_measures": other_measures, "unseen_levels": unseen_levels}
    wanted = wanted_cohort(
        _spec_now(frozen),
        frozen.study,
        study=study,
        data=data,
        experiment=experiment,
        hold_out=hold_out,
        policies=policies,
    )
    cohort = open_cohort(frozen, wanted, progress)
    rows = rows_of(frozen, cohort, participant=participant, with_outcome=participant is None)
    progress.say(f"predicting {len(rows.people)} participants of {wanted.name}")
    predicted = predicted_for(frozen, rows)
    if rows.outcome is None:
        return _unscored(frozen, cohort, rows, predicted)
    return _validated(frozen, cohort, rows, predicted, again=again)


def _spec_now(frozen: FrozenModel) -> Any:
    """The experiment as it stands now, for the cohorts that it declares; as it was run where its file is gone."""
    from workbench.errors import WorkbenchError

    try:
        return frozen.study.experiment(frozen.logged.experiment)[1]
    except WorkbenchError:
        return frozen.spec


def _unscored(frozen: FrozenModel, cohort: OtherCohort, rows: ExternalRows, predicted: Predicted) -> ExternalPrediction:
    """Predictions without an outcome: nothing is scored, so nothing is counted and nothing kept."""
    scores = frozen.result.scores
    known = with_external(frozen.study, frozen.logged, frozen.result)
    return ExternalPrediction(
        cohort=cohort.wanted.name,
        run=f"{scores.experiment} | {scores.display_name}",
        outcome=scores.outcome,
        unit=scores.outcome_unit,
        predictions=prediction_table(frozen, rows, predicted),
        circuits=predicted.circuits,
        validation=None,
        model_run=frozen.logged.run_id,
        claim=known.claim,
        before=known.claim,
        why_unexplained=predicted.why_unexplained,
        handled=rows.handled,
        synthetic=cohort.study.cohort.synthetic,
        flow=rows.flow,
    )


# --------------------------------------------------------------------------------------------------- with an outcome


def _validated(
    frozen: FrozenModel, cohort: OtherCohort, rows: ExternalRows, predicted: Predicted, *, again: bool
) -> ExternalPrediction:
    """Scored, counted in both studies, then written and judged."""
    from workbench.preregistration.append_only import now

    _refuse_other_outcome(frozen, cohort, rows)
    for study in {each.root: each for each in (frozen.study, cohort.study)}.values():
        make_ready(study)
    look = external_look(
        frozen.logged,
        frozen.result.scores,
        rows,
        {name: list(at) for name, at in positions_by_source(frozen.features).items()},
        _settings(frozen, cohort),
    )
    same_study = frozen.study.root == cohort.study.root
    training = frozen.dataset if frozen.dataset is not None and frozen.dataset.complete else None
    unknown = refuse_shared_participants(frozen.study, frozen.logged, training, look, same_study=same_study)
    known = standing(cohort.study, look)
    stored = None if known.own is None else _stored(frozen, known.own.run_id)
    before = with_external(frozen.study, frozen.logged, frozen.result)
    if stored is not None and known.own is not None:
        return _result(frozen, cohort, rows, predicted, stored, before.claim, known.own.run_id, again=True)
    _refuse_second_opening(cohort, known.earlier, again=again)
    validation = replace(
        scored(frozen, cohort, rows, predicted),
        viewed=(known.first.date if known.first is not None else now())[:10],
        earlier=known.earlier,
        not_known="; ".join(filter(None, (known.not_known, unknown))),
    )
    validation = _counted(frozen, cohort, rows, predicted, validation, look)
    return _result(frozen, cohort, rows, predicted, validation, before.claim, validation.run_id)


def _refuse_other_outcome(frozen: FrozenModel, cohort: OtherCohort, rows: ExternalRows) -> None:
    """An outcome of another score, kind or unit, or after another treatment, is another question."""
    from workbench.errors import Problems, SpecError

    scores, outcome = frozen.result.scores, rows.outcome
    assert outcome is not None
    problems, asked = Problems(), frozen.spec.outcome
    arms = frozen.result.tags.get("arms", "")
    for name, old, new in (
        ("kind", scores.outcome_kind, outcome.kind),
        ("type", scores.outcome_type, outcome.type),
        ("unit", scores.outcome_unit, outcome.unit),
        ("score", asked.score or asked.column or "", outcome.score or cohort.spec.outcome.column or ""),
        ("arms", arms, ", ".join(outcome.arms) if arms else ""),
    ):
        if old != new:
            found = f"{name} of the outcome is {new!r}, in training {old!r}"
            problems.add(cohort.wanted.name, found, "an experiment there with the same outcome: --experiment NAME")
    problems.raise_if_any(SpecError)


def _settings(frozen: FrozenModel, cohort: OtherCohort) -> str:
    """Digest over the model and all that decides what it is given."""
    content = {"model": frozen.digest, "policies": asdict(cohort.wanted.policies)}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _stored(frozen: FrozenModel, run_id: str) -> ExternalValidation | None:
    from workbench.export.external_files import read_external
    from workbench.pipeline.external_results import folder_of

    return read_external(folder_of(frozen.logged, run_id))


def _refuse_second_opening(cohort: OtherCohort, earlier: int, *, again: bool) -> None:
    """Held-out participants are opened once; who opens them again says so, and no claim rests on it."""
    from workbench.errors import Problem, SpecError
    from workbench.results.wording import results

    if cohort.wanted.held_out and earlier and not again:
        found = f"were opened before ({results(earlier)} viewed for their outcome): another model comes second"
        raise SpecError(Problem("held-out participants", found, "--again opens them once more, and moves no claim"))


def _counted(
    frozen: FrozenModel,
    cohort: OtherCohort,
    rows: ExternalRows,
    predicted: Predicted,
    validation: ExternalValidation,
    look: Look,
) -> ExternalValidation:
    """Counted in both ledgers and the registry, and only then written where it can be read."""
    from workbench.export.external_files import write_external
    from workbench.preregistration.append_only import now
    from workbench.preregistration.viewed import as_viewed
    from workbench.tracking import external_run, set_claim

    with external_run(frozen.study, frozen.logged, validation.cohort) as opened:
        validation = replace(validation, run_id=opened.run_id)
        claim = with_external(frozen.study, frozen.logged, frozen.result, more=(validation,)).claim
        with both_locked(frozen.study, cohort.study):
            seen = as_viewed(
                look, date=now(), verdict=claim.verdict, r2=validation.r2.value, p=None, run_id=opened.run_id
            )
            count(frozen.study, cohort.study, seen, cohort=validation.cohort)
        write_external(opened.artifacts, validation, prediction_table(frozen, rows, predicted), predicted.circuits)
        (opened.artifacts / REPORT_FILE).write_text(_html(frozen, validation, claim), encoding="utf-8")
        opened.finish(_metrics(validation), _tags(frozen, validation, claim))
    set_claim(frozen.study, frozen.logged, claim.verdict)
    if (frozen.logged.artifacts / REPORT).is_file():
        write_report_again(frozen.study, frozen.logged, frozen.logged.artifacts / REPORT)
    return validation


def _metrics(validation: ExternalValidation) -> dict[str, float]:
    return {
        "r2": validation.r2.value,
        "r2_low": validation.r2.low,
        "r2_high": validation.r2.high,
        "mae": validation.mae,
        "calibration_slope": validation.slope.value,
        "n": float(validation.n_participants),
    }


def _tags(frozen: FrozenModel, validation: ExternalValidation, claim: Claim) -> dict[str, str]:
    from workbench.results.external import external_note

    return {
        "claim": claim.verdict,
        "cohort": validation.cohort,
        "data": "simulated" if validation.synthetic else "real",
        "model_digest": validation.model_digest,
        "mlflow.note.content": external_note(validation, claim),
    }


def _html(frozen: FrozenModel, validation: ExternalValidation, claim: Claim) -> str:
    from workbench.reporting import report_html
    from workbench.results.external import external_report

    return report_html(external_report(frozen.result.scores, validation, claim))


def _result(
    frozen: FrozenModel,
    cohort: OtherCohort,
    rows: ExternalRows,
    predicted: Predicted,
    validation: ExternalValidation,
    before: Claim,
    run_id: str,
    *,
    again: bool = False,
) -> ExternalPrediction:
    from workbench.pipeline.external_results import folder_of

    known = with_external(frozen.study, frozen.logged, frozen.result)
    return replace(
        _unscored(frozen, cohort, rows, predicted),
        outcome=validation.outcome,
        validation=validation,
        claim=known.claim,
        before=before,
        run_id=run_id,
        artifacts=folder_of(frozen.logged, run_id),
        again=again,
    )
