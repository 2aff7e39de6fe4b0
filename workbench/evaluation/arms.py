"""What a predicted benefit means in a parallel trial: benefit by quarter, its calibration, its rival and its ranking.

Everything is made from held-out predictions. Nobody's own benefit is observed; the score of participant i

    Gamma_i = tau_N + (W - e) (Y - m - (W - e) tau_N) / (e (1 - e))

has the mean benefit of participants like i as its mean, whatever m and tau_N are, since e is known (AIPW).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workbench.errors import FitError
from workbench.evaluation.benefit_ranking import ranking
from workbench.evaluation.least_squares import UNDEFINED, of_mean, of_slopes
from workbench.evaluation.metrics import in_order
from workbench.evaluation.refits import Fits, FitUnits, fit_one, in_memory, renamed
from workbench.records import BenefitQuarter, Estimate, Rival, TreatmentEffects

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from workbench.records import Dataset, UnitResult
    from workbench.specs.experiment import ValidationSpec
    from workbench.specs.learners import LearnerSpec

    Values = NDArray[np.float64]

QUARTERS = 4
PROGNOSIS_REPEATS = 10
"""Repeats of the prognosis at most: its average over them is a covariate."""
NIL = 1e-12
"""Predicted benefits whose spread is below this share of the size of the scores are constant."""


@dataclass(frozen=True, eq=False)
class HeldOutBenefit:
    """Participants of a trial with what was predicted while they were held out, averaged over repeats.

    Attributes
    ----------
    arm : ndarray of shape (n_rows,)
        W - e.
    predicted, of_covariates : ndarray of shape (n_rows,)
        tau and tau_N. Where a training set has a small average effect those held out have a large one, which would rank
        participants the wrong way round: the mean of tau_N over the rows held out together is that over everybody.
    left : ndarray of shape (n_rows,)
        Y - m - (W - e) tau_N.
    score : ndarray of shape (n_rows,)
        Gamma.
    """

    arm: Values
    predicted: Values
    of_covariates: Values
    left: Values
    score: Values


def held_out_benefit(dataset: Dataset, results: Sequence[UnitResult]) -> HeldOutBenefit:
    """What the units of a run predicted for each row while it was held out.

    Parameters
    ----------
    dataset : Dataset
        With a treatment.
    results : sequence of UnitResult

    Returns
    -------
    HeldOutBenefit
    """
    assert dataset.treatment is not None
    e, n = dataset.treatment.probability, dataset.n_rows
    arm, y = dataset.treatment.allocated - e, np.asarray(dataset.y, dtype=float)
    sums, count = np.zeros((4, n)), np.zeros(n)
    for result in in_order(results):
        main, rows = result.procedures["main"], result.test
        assert main.effect is not None
        of_covariates = main.effect - (main.predicted - main.reference) / arm[rows]
        centre = of_covariates.mean()
        parts = [main.effect - centre, of_covariates - centre, of_covariates, y[rows] - main.reference]
        sums[:, rows] += np.stack(parts)
        count[rows] += 1
    predicted, around, of_covariates, left = sums / np.maximum(count, 1)
    average = of_covariates.mean()
    score = of_covariates + left * arm / (e * (1 - e))
    return HeldOutBenefit(arm, average + predicted, average + around, left, score)


def treatment_effects(
    dataset: Dataset, results: Sequence[UnitResult], prognosis: Values | None, *, seed: int
) -> TreatmentEffects | None:
    """Everything that is said of a predicted benefit beside its R2; None where no effect was predicted.

    Parameters
    ----------
    dataset : Dataset
    results : sequence of UnitResult
        Of the run.
    prognosis : ndarray of shape (n_rows,), or None
        Outcome predicted without the arm, from `cross_fitted_prognosis`.
    seed : int
        Of the half samples.

    Returns
    -------
    TreatmentEffects or None
    """
    if dataset.treatment is None:
        return None
    held_out = held_out_benefit(dataset, results)
    allocated = dataset.treatment.allocated == 1
    active, control = dataset.outcome.arms or (dataset.treatment.active, "control")
    return TreatmentEffects(
        active=active,
        control=control,
        n_active=int(allocated.sum()),
        n_control=int((~allocated).sum()),
        probability=float(np.mean(dataset.treatment.probability)),
        average=of_mean(held_out.score),
        quarters=by_quarter(held_out, allocated),
        calibration=benefit_calibration(held_out),
        rival=None if prognosis is None else rival(held_out, prognosis),
        ranking=ranking(held_out.predicted, held_out.score, np.asarray(dataset.y, dtype=float), allocated, seed=seed),
    )


def benefit_of_participants(dataset: Dataset, results: Sequence[UnitResult]) -> pd.DataFrame:
    """What was predicted for each participant of a trial while held out.

    Parameters
    ----------
    dataset : Dataset
        With a treatment.
    results : sequence of UnitResult

    Returns
    -------
    DataFrame
        participant_id, arm, predicted_benefit, benefit_of_covariates, score.
    """
    assert dataset.treatment is not None
    held_out = held_out_benefit(dataset, results)
    return pd.DataFrame(
        {
            "participant_id": dataset.rows["participant_id"].to_numpy(str),
            "arm": dataset.treatment.arms,
            "predicted_benefit": held_out.predicted,
            "benefit_of_covariates": held_out.of_covariates,
            "score": held_out.score,
        }
    )


# ------------------------------------------------------------------------------------------------- by predicted benefit


def by_quarter(held_out: HeldOutBenefit, allocated: NDArray[np.bool_]) -> tuple[BenefitQuarter, ...]:
    """Mean benefit in quarters of the predicted benefit, smallest first; intervals of Student's t over participants.

    Parameters
    ----------
    held_out : HeldOutBenefit
    allocated : ndarray of bool, shape (n_rows,)
        Who had the active arm.

    Returns
    -------
    tuple of BenefitQuarter
        Equal predictions stay in the order of the participants.

    References
    ----------
    Kent, D. M. et al. (2020). The PATH statement. Annals of Internal Medicine 172, 35-45.
    """
    order = np.argsort(held_out.predicted, kind="stable")
    quarters = []
    for number, rows in enumerate(np.array_split(order, QUARTERS), start=1):
        effect = of_mean(held_out.score[rows])
        quarters.append(
            BenefitQuarter(
                quarter=number,
                n_active=int(allocated[rows].sum()),
                n_control=int((~allocated[rows]).sum()),
                predicted=float(held_out.predicted[rows].mean()) if len(rows) else float("nan"),
                effect=effect.value,
                low=effect.low,
                high=effect.high,
            )
        )
    return tuple(quarters)


def benefit_calibration(held_out: HeldOutBenefit) -> Estimate:
    """Slope of the benefit on the predicted one, both against what the covariates predict.

    Least squares of Y - m - (W - e) tau_N on (W - e) (tau - tau_N), through 0; 1 where predicted differences in benefit
    are as large as those that came, below 1 where they are too extreme. Its interval is HC3, over participants.

    Parameters
    ----------
    held_out : HeldOutBenefit

    Returns
    -------
    Estimate
        NaN where the predictions do not vary.
    """
    return _slopes(held_out, (held_out.predicted - held_out.of_covariates)[:, None], intercept=False)[0]


def rival(held_out: HeldOutBenefit, prognosis: Values) -> Rival:
    """Arm x prognosis beside arm x predicted benefit: those who do well anyway may be those who benefit.

    Both are what is left of the effect beyond what the covariates predict of it.

    Parameters
    ----------
    held_out : HeldOutBenefit
    prognosis : ndarray of shape (n_rows,)
        Held-out predictions of the outcome without the arm.

    Returns
    -------
    Rival
    """
    of_benefit, of_prognosis = _in_sd(held_out.predicted - held_out.of_covariates), _in_sd(prognosis)
    together = _slopes(held_out, np.column_stack([of_benefit, of_prognosis]))
    return Rival(
        correlation=float(np.mean(of_benefit * of_prognosis)) if of_benefit.any() and of_prognosis.any() else np.nan,
        prognosis=_slopes(held_out, of_prognosis[:, None])[0],
        benefit=_slopes(held_out, of_benefit[:, None])[0],
        beside=together[0],
    )


def _in_sd(values: Values) -> Values:
    """Standardised; 0 where the values are constant."""
    sd = float(values.std())
    constant = sd <= NIL * max(float(np.abs(values).max(initial=0.0)), 1e-300)
    return np.zeros(len(values)) if constant else (values - values.mean()) / sd


def _slopes(held_out: HeldOutBenefit, columns: Values, *, intercept: bool = True) -> list[Estimate]:
    """Least squares of what is left of the outcome on (W - e) times columns, and (W - e) itself."""
    scale = float(np.abs(held_out.left).max(initial=0.0)) or 1.0
    if (np.abs(columns).max(axis=0, initial=0.0) <= NIL * scale).any():
        return [UNDEFINED] * columns.shape[1]
    both = np.column_stack([columns, np.ones(len(columns))]) if intercept else columns
    return of_slopes(held_out.arm[:, None] * both, held_out.left)[: columns.shape[1]]


# ------------------------------------------------------------------------------------------------------------ prognosis


def cross_fitted_prognosis(
    dataset: Dataset, validation: ValidationSpec, learner: LearnerSpec, fit_units: FitUnits = in_memory
) -> Values | None:
    """The outcome of each row predicted from features and covariates, the arm unknown, while it was held out.

    Parameters
    ----------
    dataset : Dataset
        With a treatment.
    validation : ValidationSpec
        Its repeats, at most `PROGNOSIS_REPEATS`; nothing is permuted.
    learner : LearnerSpec
        Trees search fewer settings.
    fit_units : callable
        Fits and perhaps stores the units.

    Returns
    -------
    ndarray of shape (n_rows,) or None
        Average over repeats; None where no effect is predicted, or the folds cannot be fitted.
    """
    from functools import partial

    from workbench.models.estimators import beside_main, make_learner
    from workbench.models.nested_cv import plan_units

    if dataset.treatment is None:
        return None
    spec = beside_main(learner)
    batched = make_learner(spec).batched
    repeats = min(learner.repeats or validation.repeats, PROGNOSIS_REPEATS if batched else 1)
    spec = spec.model_copy(update={"repeats": repeats})
    alone, validation = replace(dataset, treatment=None), validation.model_copy(update={"permutations": 0})
    targets = {"main": np.asarray(dataset.y, dtype=float)[:, None]}
    fit = partial(fit_one, dataset=alone, learner=spec, targets=targets)
    try:
        planned = plan_units(alone, validation, spec)
        units = tuple(renamed(replace(unit, procedures=("main",)), "prognosis", unit) for unit in planned)
        fits = Fits(alone, units, fit_units(fit, units, batched=batched))
    except FitError:
        return None
    return _averaged(fits)


def _averaged(fits: Fits) -> Values:
    predicted = np.concatenate([result.procedures["main"].predicted for result in in_order(fits.results)])
    rows = np.concatenate([result.test for result in in_order(fits.results)])
    of_row = pd.Series(predicted).groupby(rows).mean()
    return np.asarray(of_row.reindex(range(fits.dataset.n_rows)), dtype=float)
