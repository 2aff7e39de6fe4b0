"""Simulated trials through the workbench's own procedure, permutation test and claim gate: the engine of a plan.

The verdict on a trial is that of `results.claims.judge`, from a `Scores` like that of a finished run. What was
simulated of it is filled in; what depends on the study as it is written is taken as met: `plan` lists these rows by
themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from workbench.evaluation.refits import Fits, fit_one
from workbench.records import (
    Covariates,
    Dataset,
    Freeze,
    Increment,
    Influence,
    Interval,
    Performance,
    PermutationTest,
    Scores,
    UnitResult,
    Viewing,
    WorkUnit,
)
from workbench.specs.experiment import ValidationSpec
from workbench.specs.learners import LearnerSpec

if TYPE_CHECKING:
    import numpy as np

    from workbench.planning.power import Engine, Reached

SIMULATED = (
    "R2 above 0",
    "R2 against the training mean above 0",
    "corrected p at most .05",
    "interval above 0",
    "R2 above 0 without any one participant",
    "R2 above 0 in 90 % of repeats",
    "adds to the clinical model",
    "R2 above 0 with the site held fixed",
    "R2 above 0 with whole sites left out",
    "R2 above 0 within the sites left out",
    "at least 50 participants",
)
"""Requirements of the claim gate that a simulated trial is held to; without refits as to single participants, and as to
the clinical model and sites where there are any."""


SUPPORTED = "supported by internal validation"
PERFORMANCE = Performance(
    procedure="main",
    r2=1.0,
    r2_total=1.0,
    mae=0.0,
    rmse=0.0,
    calibration_slope=1.0,
    calibration_intercept=0.0,
    pearson_r=1.0,
    r2_by_repeat=(1.0,),
    r2_of_averaged_predictions=1.0,
    interval=Interval(1.0, 1.0, 0.95, "", ""),
)
"""Stands in for numbers that a trial was not asked for yet: it misses no requirement."""
MET = "simulated"
"""What a trial is said to have declared: `plan` lists beside its power which rows the study as it is written misses."""


def engine_of(
    validation: ValidationSpec,
    learner: LearnerSpec,
    *,
    repeats: int,
    jobs: int | None,
    permutations: int = 0,
    judged: bool = False,
) -> Engine:
    """Nested cross-validation and its permutations, for outcomes that are made up: many share one fold.

    Parameters
    ----------
    validation : ValidationSpec
    learner : LearnerSpec
    repeats : int
        Of the permutation test of a trial; the rows of *supported* are read from as many as `validation` has, and from
        as many as an interval needs where it has fewer, which `plan` lists among what to change.
    jobs : int or None
        Folds at a time; None: all cores. Never changes a number.
    permutations : int
        Of the increment over the clinical model.
    judged : bool
        Whether trials are held to the requirements of *supported* too.

    Returns
    -------
    Engine
    """
    from workbench.models import permutations as permuting
    from workbench.planning.power import Engine

    settings = validation.model_copy(update={"permutations": 0, "balance_outcome": False})
    return Engine(
        score=partial(_score, validation=settings, learner=learner, repeats=repeats, jobs=jobs),
        shuffle=_shuffle,
        refusal=permuting.refusal,
        shown=_shown,
        supported=partial(
            _supported, validation=settings, learner=learner, repeats=repeats, permutations=permutations, jobs=jobs
        )
        if judged and validation.leave_out is None
        else None,
    )


def _units(
    dataset: Dataset, validation: ValidationSpec, learner: LearnerSpec, repeats: int, seed: int
) -> list[WorkUnit]:
    from workbench.models.nested_cv import plan_units

    drawn = validation.model_copy(update={"repeats": repeats, "seed": seed})
    planned = plan_units(dataset, drawn, learner.model_copy(update={"repeats": repeats}))
    return [replace(unit, procedures=("main",)) for unit in planned]


def _score(
    dataset: Dataset,
    targets: np.ndarray,
    seed: int,
    *,
    validation: ValidationSpec,
    learner: LearnerSpec,
    repeats: int,
    jobs: int | None,
) -> Reached:
    """R2 and R2 against the training mean of every repeat and target."""
    import numpy as np

    from workbench.execution import cores, spread
    from workbench.models.procedures import ALLOCATED
    from workbench.planning.power import Reached

    units = _units(dataset, validation, learner, repeats, seed)
    named = {"main": targets[: dataset.n_rows]}
    if len(targets) > dataset.n_rows:  # trials that were randomised again
        named[ALLOCATED], targets = targets[dataset.n_rows :], named["main"]
    fit = partial(fit_one, dataset=dataset, learner=learner, targets=named, explain=0)
    results = {(one.repeat, one.fold): one for one in spread(fit, units, jobs=cores(jobs))}
    sums = np.zeros((3, 1 + max(unit.repeat for unit in units), targets.shape[1]))
    for unit in units:
        main = results[unit.repeat, unit.fold].procedures["main"]
        mean = targets[unit.outer.train].mean(axis=0)
        of_mean = np.square(targets[unit.outer.test] - mean).sum(axis=0)
        sums[:, unit.repeat] += main.squared_error, main.squared_error_reference, of_mean
    model, reference, total = sums
    return Reached(1 - model / reference, 1 - model / total)


def _shuffle(dataset: Dataset, target: np.ndarray, n: int, seed: int) -> np.ndarray:
    """A target and its permutations; of a trial the arms of each stand below the outcomes, (2 n_rows, 1 + n)."""
    import numpy as np

    from workbench.models.permutations import permuted_outcomes, permuted_rows
    from workbench.models.treatment import randomised_again

    observed, held = replace(dataset, y=target), dataset.nuisance.values
    if dataset.treatment is None:
        return permuted_outcomes(observed, held, n, seed)
    return np.vstack(randomised_again(observed, held, permuted_rows(dataset.blocks, dataset.groups, n, seed)))


def _shown(r2: float, r2_total: float, p: float) -> bool:
    from workbench.results.claims import judge

    performance = replace(PERFORMANCE, r2=r2, r2_total=r2_total)
    return judge(_scores(performance, p)).shows_prediction


def _supported(
    dataset: Dataset,
    Y: np.ndarray,
    p: np.ndarray,
    fold_seed: int,
    seeds: Sequence[int],
    *,
    validation: ValidationSpec,
    learner: LearnerSpec,
    repeats: int,
    permutations: int,
    jobs: int | None,
) -> np.ndarray:
    """Which trials the gate calls supported: numbers of their own for every row that `SIMULATED` lists."""
    import numpy as np

    from workbench.evaluation.metrics import long_table, r2_without_each
    from workbench.results.claims import judge
    from workbench.specs.experiment import INFLUENCE_REPEATS, INTERVAL_FOLDS, INTERVAL_REPEATS, SITES_TO_HOLD_FIXED

    five_fold = validation.model_copy(update={"outer": INTERVAL_FOLDS})  # as the interval has it, whatever `outer` is
    units = _units(dataset, five_fold, learner, max(validation.repeats, INTERVAL_REPEATS), fold_seed)
    judged: list[Scores] = []
    for k, (trial, _, results) in enumerate(_trials(dataset, Y, units, learner, jobs)):
        scores = _scores(_performance(trial, units, results), float(p[k]), n=dataset.n_participants)
        if judge(scores).verdict == SUPPORTED:  # what costs most is asked last, and only where it decides
            table = long_table(trial, results, "main")
            without = r2_without_each(table[table["repeat"] < INFLUENCE_REPEATS])
            scores = replace(scores, influence=_influence(without, INFLUENCE_REPEATS))
        judged.append(scores)

    def still_supported() -> list[int]:
        return [k for k, scores in enumerate(judged) if judge(scores).verdict == SUPPORTED]

    if dataset.n_sites >= SITES_TO_HOLD_FIXED and (open_ := still_supported()):
        left = [judged[k] for k in open_]
        asked = _with_sites(left, dataset, Y[:, open_], validation, learner, fold_seed, jobs)
        for k, scores in zip(open_, asked, strict=True):
            judged[k] = scores
    if dataset.clinical.variables:
        open_ = still_supported()
        own = [seeds[k] for k in open_]
        engine = engine_of(validation, learner, repeats=repeats, jobs=jobs)
        added = _increments(dataset, Y[:, open_], own, engine, permutations, fold_seed)
        for k, increment in zip(open_, added, strict=True):
            judged[k] = replace(judged[k], increment=increment)
    return np.isin(np.arange(len(judged)), still_supported())


def _trials(
    dataset: Dataset, Y: np.ndarray, units: Sequence[WorkUnit], learner: LearnerSpec, jobs: int | None
) -> list[Fits]:
    """Every trial with its own outcome, fitted on the same folds."""
    from workbench.execution import cores, spread
    from workbench.models.nested_cv import fit_columns

    by_unit = list(spread(partial(fit_columns, dataset=dataset, learner=learner, Y=Y), units, jobs=cores(jobs)))
    return [Fits(replace(dataset, y=y), units, [fitted[k] for fitted in by_unit]) for k, y in enumerate(Y.T)]


def _with_sites(
    judged: Sequence[Scores],
    dataset: Dataset,
    Y: np.ndarray,
    validation: ValidationSpec,
    learner: LearnerSpec,
    seed: int,
    jobs: int | None,
) -> list[Scores]:
    """Trials with what the gate reads of several sites: the site held fixed, and whole sites left out."""
    from workbench.errors import FitError
    from workbench.evaluation.sites import MOST_REPEATS, SITE, holding_site, leaving_sites_out, r2_left_out
    from workbench.models.estimators import make_learner
    from workbench.models.learner import residualises

    def trials(where_and_folds: tuple[Dataset, ValidationSpec] | None) -> Sequence[Fits | None]:
        if where_and_folds is None:
            return [None] * len(judged)
        where, folds = where_and_folds
        try:
            return _trials(where, Y, _units(where, folds, learner, MOST_REPEATS, seed), learner, jobs)
        except FitError:  # a run says so, and misses the requirement
            return [None] * len(judged)

    own = residualises(make_learner(learner))
    forced = (SITE,) if SITE in dataset.nuisance.variables else ()

    def with_sites(scores: Scores, held: Fits | None, left_out: Fits | None) -> Scores:
        across, within = (None, None) if left_out is None else r2_left_out(left_out, residualised=own)
        return replace(
            scores,
            n_sites=dataset.n_sites,
            forced=forced,
            sites_held=None if held is None else _performance(*held),
            across_sites=across,
            within_sites=within,
        )

    held, left_out = trials(holding_site(dataset, validation)), trials(leaving_sites_out(dataset, validation))
    return list(map(with_sites, judged, held, left_out))


def _performance(dataset: Dataset, units: Sequence[WorkUnit], results: Sequence[UnitResult]) -> Performance:
    """As `results.run_result` has it of a finished run, with the interval of the headline."""
    from workbench.evaluation.intervals import r2_interval
    from workbench.evaluation.metrics import held_out_losses, long_table, performance

    found = performance("main", long_table(dataset, results, "main"), dataset.outcome.type)
    return replace(found, interval=r2_interval(held_out_losses(dataset, units, results, "main")))


def _influence(without: dict[str, float], repeats: int) -> Influence:
    """As if models had been refitted, which they are in a run: whether they will be is a row of the plan itself."""
    values = list(without.values())
    below = sum(not value > 0 for value in values)
    return Influence(min(values), max(values), below, refitted=True, repeats=repeats, by_participant=())


def _increments(
    dataset: Dataset,
    Y: np.ndarray,
    seeds: Sequence[int],
    engine: Engine,
    permutations: int,
    fold_seed: int,
) -> list[Increment]:
    """Incremental R2 over the clinical model, which explains nothing of a made-up outcome, with its p.

    The clinical model gets the better of least squares on its variables and of what is held fixed alone, which is what
    its ridge comes down to where it explains nothing.
    """
    import numpy as np

    from workbench.planning.power import p_values

    if not Y.shape[1]:
        return []
    beside = replace(dataset, confounds=dataset.nuisance.beside(_complete(dataset.clinical)), forced=_nothing(dataset))
    reached, p = p_values(beside, Y, seeds, engine, permutations, fold_seed=fold_seed)
    clinical = np.maximum(_of_reference(reached), _of_reference(engine.score(dataset, Y, fold_seed)))
    delta = (reached.r2_total - clinical).mean(axis=0)
    test = PermutationTest(None, permutations, float("nan"), float("nan"), "")
    return [
        Increment(float(gain), None, replace(test, p=float(chance)), "clinical", float("nan"))
        for gain, chance in zip(delta, p, strict=True)
    ]


def _of_reference(reached: Reached) -> np.ndarray:
    """R2 of the nuisance model against the training mean, which those of the procedure against both give away."""
    return 1 - (1 - reached.r2_total) / (1 - reached.r2)


def _nothing(dataset: Dataset) -> Covariates:
    return dataset.forced.only()


def _complete(clinical: Covariates) -> Covariates:
    """Missing values at the mean of their column."""
    import numpy as np

    values = clinical.values
    return replace(clinical, values=np.where(np.isnan(values), np.nanmean(values, axis=0), values))


def _scores(performance: Performance, p: float, n: int | None = None) -> Scores:
    """A finished run of the primary experiment of a frozen plan, in which only what was simulated can be missed."""
    from workbench.results.requirements_of_evidence import CLAIM_PERMUTATIONS, MINIMUM_PARTICIPANTS
    from workbench.specs.experiment import INFLUENCE_REPEATS

    n = MINIMUM_PARTICIPANTS if n is None else n
    test = PermutationTest(p, CLAIM_PERMUTATIONS, float("nan"), float("nan"), "")
    return Scores(
        experiment=MET,
        question="",
        run_name=MET,
        feature_set=MET,
        model=MET,
        outcome=MET,
        outcome_unit="",
        outcome_type="continuous",
        estimand="",
        claim_kind="association",
        n_participants=n,
        n_rows=n,
        n_features=1,
        performance=performance,
        procedures=(),
        test=test,
        p_family=p,
        family_size=1,
        increment=Increment(1.0, None, replace(test, p=1 / (1 + CLAIM_PERMUTATIONS)), MET, 1.0),
        influence=Influence(1.0, 1.0, 0, refitted=True, repeats=INFLUENCE_REPEATS, by_participant=()),
        ceiling=None,
        tuning={},
        shap_additivity=None,
        synthetic=True,
        seed=0,
        validation="",
        confounds=("confounds",),
        clinical_model=("clinical model",),
        viewing=Viewing(1, freeze=Freeze(date="", times=1, because="", viewed_before=0, primary=MET)),
    )
