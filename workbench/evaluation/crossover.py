"""What could make the difference between two periods of a crossover something else than an effect of the treatment.

A difference within participants has the period in it (held fixed as the order of the arms), what is carried over from
the first period, and drop-out before the second. There is no test for carry-over that would earn its place (Freeman
1989): both orders are shown, the first period alone, who may have carried something over, and who was lost.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workbench.errors import FitError
from workbench.evaluation.benefit_ranking import concordance, concordance_of_samples
from workbench.evaluation.intervals import performance_with_intervals
from workbench.evaluation.least_squares import of_slopes
from workbench.evaluation.refits import Fits, FitUnits, fit_one, in_memory, renamed
from workbench.records import (
    Covariates,
    CrossoverChecks,
    Dataset,
    Estimate,
    FeatureBlocks,
    FirstPeriod,
    OfOneOrder,
    PlaceboControl,
    SecondPeriod,
    Treatment,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from workbench.specs.experiment import ValidationSpec
    from workbench.specs.learners import LearnerSpec

    Values = NDArray[np.float64]

KIND = "ketamine-minus-placebo"
FEWEST = 8
"""Participants of one order below which they have no R2, and of an arm below which the first period is not fitted."""
HALF = 0.5
"""Fall of the baseline score that counts as far better where the scale has no rule of its own."""
FIRST_PERIOD_REPEATS = 10
SHARE_OF_FIRST = 0.5
"""Probability of each arm in the first period: two orders, randomised 1:1."""
SAMPLES = 1000
BOOTSTRAP_STREAM = 0xC0


@dataclass(frozen=True, eq=False)
class Periods:
    """Everyone eligible who was rated in the first period, by participant.

    Attributes
    ----------
    first : Series of str
        The arm of the first period.
    active, control : Series
        Improvement: fall of the score (rise where lower is worse) under each arm, from the baseline score where it is
        known, else the score itself with its sign turned; NaN where it was not rated.
    baseline : Series
        The baseline score; NaN where it is not known.
    """

    first: pd.Series
    active: pd.Series
    control: pd.Series
    baseline: pd.Series

    def of_first(self, arm: str) -> pd.Series:
        """Improvement in the first period."""
        return self.active.where(self.first == arm, self.control)

    def of_second(self, arm: str) -> pd.Series:
        """Improvement in the second period."""
        return self.control.where(self.first == arm, self.active)


def periods(dataset: Dataset) -> Periods | None:
    """Ratings of a crossover by period; None for other outcomes and shuffled ones, or where the order is not known.

    Parameters
    ----------
    dataset : Dataset

    Returns
    -------
    Periods or None
    """
    outcome, background = dataset.outcome, dataset.background
    if outcome.kind != KIND or outcome.ratings is None or background is None or len(outcome.arms) != 2:
        return None
    if outcome.shuffled:  # its ratings are the real ones, and the result on them would stand under a control
        return None
    if "sequence" not in background.values or len(outcome.sessions) != 2:
        return None
    people = background.values.index.intersection(outcome.ratings.index)
    first = background.values["sequence"].reindex(people)
    first = first[first.isin(outcome.arms)].astype("str")
    ratings = outcome.ratings.reindex(first.index)
    sign = 1.0 if outcome.scale is None or outcome.scale.worse == "higher" else -1.0
    baseline = pd.Series(np.nan, index=first.index)
    if background.severity and background.severity in background.values:
        baseline = background.values[background.severity].reindex(first.index).astype(float)
    start = baseline if baseline.notna().all() else 0.0
    at, placebo_at = (sign * (start - ratings[session].astype(float)) for session in outcome.sessions)
    return Periods(first, at, placebo_at, baseline)


# --------------------------------------------------------------------------------------------------- first period alone


def first_period_trial(dataset: Dataset) -> Dataset | None:
    """The first period as a parallel trial: the arm in it, the score in it, and features from before it.

    Those who dropped out before the second period are in it, where they have features and covariates. The order of the
    arms is the arm, so it is no covariate; the baseline score is held fixed where everybody has it.

    Parameters
    ----------
    dataset : Dataset
        Of a difference between two treatments.

    Returns
    -------
    Dataset or None
        None for other outcomes, or where an arm has fewer than `FEWEST` participants.
    """
    of_periods = periods(dataset)
    if of_periods is None or not dataset.complete:
        return None
    active = dataset.outcome.arms[0]
    improvement = of_periods.of_first(active).dropna()
    people = dataset.rows["participant_id"].to_numpy(str)
    X, N = dataset.X, dataset.nuisance.values
    if dataset.unobserved is not None and dataset.harmonisation is None:
        people = np.concatenate([people, np.array(dataset.unobserved.participants, dtype=str)])
        X, N = np.vstack([X, dataset.unobserved.X]), np.vstack([N, dataset.unobserved.nuisance])
    rated = np.isin(people, improvement.index.to_numpy(str))
    order = np.flatnonzero(rated)[np.argsort(people[rated], kind="stable")]
    people = people[order]
    arms = of_periods.first.loc[people].to_numpy(str)
    if min((arms == active).sum(), (arms != active).sum()) < FEWEST:
        return None
    start = of_periods.baseline.loc[people].to_numpy(float)
    forced = Covariates((), (), np.empty((len(people), 0)))
    if dataset.background is not None and not np.isnan(start).any():
        forced = Covariates((dataset.background.severity,), (dataset.background.severity,), start[:, None])
    held = [k for k, term in enumerate(dataset.nuisance.terms) if term not in ("sequence", *forced.terms)]
    names, terms = (tuple(each[k] for k in held) for each in (dataset.nuisance.names, dataset.nuisance.terms))
    return replace(
        dataset,
        rows=pd.DataFrame({"participant_id": people, "session": dataset.rows["session"].iloc[0]}, dtype="str"),
        feature_blocks=FeatureBlocks.of(X[order], dataset.features),
        y=improvement.loc[people].to_numpy(float),
        outcome=replace(dataset.outcome, kind="treatment-effect"),
        confounds=Covariates(names, terms, N[order][:, held]),
        forced=forced,
        clinical=Covariates((), (), np.empty((len(people), 0))),
        groups=np.arange(len(people)),
        blocks=np.zeros(len(people), dtype=int),
        block_names=(),
        strata=None,
        sites=None,
        given_folds=None,
        unobserved=None,
        harmonisation=None,
        treatment=Treatment(active, arms, np.full(len(people), SHARE_OF_FIRST)),
    )


def fit_first_period(
    dataset: Dataset, validation: ValidationSpec, learner: LearnerSpec, fit_units: FitUnits = in_memory
) -> Fits | None:
    """The effect in the first period alone, predicted by the same model in folds of its own; nothing is permuted.

    Parameters
    ----------
    dataset : Dataset
        Of the run.
    validation : ValidationSpec
    learner : LearnerSpec
    fit_units : callable
        Fits and perhaps stores the units.

    Returns
    -------
    Fits or None
        None where there is no first period to be fitted.
    """
    from workbench.models.estimators import beside_main, make_learner
    from workbench.models.nested_cv import plan_units, target_matrices

    trial = first_period_trial(dataset)
    if trial is None:
        return None
    spec = beside_main(learner)
    batched = make_learner(spec).batched
    repeats = min(learner.repeats or validation.repeats, FIRST_PERIOD_REPEATS) if batched else 1
    spec = spec.model_copy(update={"repeats": repeats})
    changes = {"permutations": 0, "leave_out": None, "groups": None, "strata": (), "blocks": (), "folds": None}
    validation = validation.model_copy(update=changes)
    fit = partial(fit_one, dataset=trial, learner=spec, targets=target_matrices(trial, validation))
    try:
        planned = plan_units(trial, validation, spec)
        units = tuple(renamed(replace(unit, procedures=("main",)), "first period", unit) for unit in planned)
        return Fits(trial, units, fit_units(fit, units, batched=batched))
    except FitError:  # too few for its covariates
        return None


# ------------------------------------------------------------------------------------------------------------ reduction


def crossover_checks(
    dataset: Dataset, table: pd.DataFrame, first_period: Fits | None, *, seed: int
) -> tuple[CrossoverChecks | None, pd.DataFrame | None]:
    """Everything that is said of a difference between two periods beside its R2, and a table of its participants.

    Parameters
    ----------
    dataset : Dataset
    table : DataFrame
        Held-out predictions of *main*, as `workbench.evaluation.metrics.long_table` gives it.
    first_period : Fits or None
        From `fit_first_period`.
    seed : int
        Of the bootstrap.

    Returns
    -------
    checks : CrossoverChecks or None
        None for other outcomes.
    participants : DataFrame or None
        participant_id, first_arm, predicted_benefit, observed_benefit, possible_carry_over.
    """
    of_periods = periods(dataset)
    if of_periods is None:
        return None, None
    active, control = dataset.outcome.arms
    columns = ["observed", "predicted", "reference"]
    by_person = table.groupby("participant_id", sort=True)[columns].mean()
    scale = dataset.outcome.scale
    fall = HALF if scale is None or scale.response_fall is None else float(scale.response_fall)
    carried = _carried_over(dataset, of_periods, active, fall)
    people = by_person.index
    participants = pd.DataFrame(
        {
            "participant_id": people.to_numpy(str),
            "first_arm": of_periods.first.reindex(people).fillna("").to_numpy(str),
            "predicted_benefit": by_person["predicted"].to_numpy(float),
            "observed_benefit": by_person["observed"].to_numpy(float),
            "possible_carry_over": carried.reindex(people, fill_value=False).to_numpy(bool),
        }
    )
    checks = CrossoverChecks(
        active=active,
        control=control,
        orders=_by_order(table, of_periods, (active, control)),
        first_period=None if first_period is None else _first_period(first_period),
        placebo=_placebo_control(by_person, of_periods),
        second_period=_second_period(of_periods, active, control),
        n_carry_over=int(participants["possible_carry_over"].sum()),
        carry_over_fall=fall,
        concordance=_concordance(by_person, seed),
    )
    return checks, participants


def _by_order(table: pd.DataFrame, of_periods: Periods, arms: tuple[str, str]) -> tuple[OfOneOrder, ...]:
    first = table["participant_id"].map(of_periods.first)
    orders = []
    for arm in arms:
        own = table[(first == arm).to_numpy()]
        n = own["participant_id"].nunique()
        if not n:
            continue
        mean = float(own["observed"].mean())
        left = (own["observed"] - own["predicted"]) ** 2, (own["observed"] - own["reference"]) ** 2
        model, reference = (one.groupby(own["repeat"]).sum() for one in left)
        r2 = float((1 - model / reference).mean()) if n >= FEWEST and (reference > 0).all() else None
        orders.append(OfOneOrder(arm, n, r2, mean))
    return tuple(orders)


def _first_period(fits: Fits) -> FirstPeriod:
    from workbench.models.treatment import effects_as_outcome

    dataset = fits.dataset
    assert dataset.treatment is not None
    scores = performance_with_intervals(fits, fits, "main")
    interval = scores.interval
    allocated = dataset.treatment.allocated
    return FirstPeriod(
        n_active=int(allocated.sum()),
        n_control=int((1 - allocated).sum()),
        r2=scores.r2,
        interval=None if interval is None else Estimate(scores.r2, interval.low, interval.high),
        average=float(effects_as_outcome(dataset).y.mean()),
        baseline_held=bool(dataset.forced.names),
    )


def _placebo_control(by_person: pd.DataFrame, of_periods: Periods) -> PlaceboControl | None:
    """Slopes of the improvement under each arm on the predicted benefit, the order held fixed, and their difference."""
    people = by_person.index.intersection(of_periods.first.index)
    both = pd.DataFrame({"active": of_periods.active, "control": of_periods.control}).reindex(people)
    people = people[both.notna().all(axis=1).to_numpy()]
    if len(people) < FEWEST:
        return None
    part = (by_person["predicted"] - by_person["reference"]).loc[people].to_numpy(float)
    order = (of_periods.first.loc[people] == of_periods.first.iloc[0]).to_numpy(float)
    held = [np.ones(len(people)), *([order] if 0 < order.mean() < 1 else [])]
    design = np.column_stack([part, *held])
    improvements = [both[name].loc[people].to_numpy(float) for name in ("active", "control")]
    active, control = (of_slopes(design, improvement)[0] for improvement in improvements)
    difference = of_slopes(design, improvements[0] - improvements[1])[0]
    if np.isnan(difference.value):
        return None
    return PlaceboControl(active.value, control.value, difference)


def _second_period(of_periods: Periods, active: str, control: str) -> SecondPeriod | None:
    first, second = of_periods.of_first(active), of_periods.of_second(active)
    rated = first.notna()
    if not rated.any():
        return None
    lost = rated & second.isna()
    by_order = tuple(
        (arm, int((rated & (of_periods.first == arm)).sum()), int((lost & (of_periods.first == arm)).sum()))
        for arm in (active, control)
    )
    stayed = rated & ~lost
    return SecondPeriod(
        n_first=int(rated.sum()),
        n_lost=int(lost.sum()),
        lost_by_order=by_order,
        baseline=_difference_of_means(of_periods.baseline[lost], of_periods.baseline[stayed]),
        first_period=_difference_of_means(first[lost], first[stayed]),
    )


def _difference_of_means(lost: pd.Series, stayed: pd.Series) -> Estimate | None:
    """Mean of the first minus that of the second, with Welch's interval; None where either has fewer than two."""
    from scipy.stats import ttest_ind

    lost, stayed = lost.dropna(), stayed.dropna()
    if min(len(lost), len(stayed)) < 2 or lost.std() + stayed.std() == 0:
        return None
    low, high = ttest_ind(lost, stayed, equal_var=False).confidence_interval(0.95)
    return Estimate(float(lost.mean() - stayed.mean()), float(low), float(high))


def _carried_over(dataset: Dataset, of_periods: Periods, active: str, fall: float) -> pd.Series:
    """Who had the active arm first and under the control was still better than at baseline by that share of it."""
    scale = dataset.outcome.scale
    above = of_periods.baseline - (scale.zero or 0.0 if scale is not None else 0.0)
    known = of_periods.baseline.notna().all()
    share = of_periods.control / above.where(above > 0)
    return (of_periods.first == active) & (share >= fall - 1e-12) & bool(known)


def _concordance(by_person: pd.DataFrame, seed: int) -> Estimate | None:
    # Against the reference: those held out are high where their training set, and so its mean, is low.
    beyond = by_person[["predicted", "observed"]].sub(by_person["reference"], axis=0)
    predicted, observed = (beyond[name].to_numpy(float) for name in ("predicted", "observed"))
    value = concordance(predicted, observed)
    if np.isnan(value) or len(observed) < FEWEST:
        return None
    random = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(BOOTSTRAP_STREAM,)))
    n = len(observed)
    counts = [np.bincount(random.integers(n, size=n), minlength=n) for _ in range(SAMPLES)]
    of_samples = concordance_of_samples(predicted, observed, np.array(counts, dtype=float))
    low, high = np.nanquantile(of_samples, [0.025, 0.975])
    return Estimate(value, float(low), float(high))
