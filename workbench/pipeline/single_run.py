"""One feature set with one model, from its work units over all that refits besides to its result."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from workbench.errors import FitError
from workbench.pipeline.experiment_plan import ExperimentPlan, PlannedRun
from workbench.pipeline.progress import Progress
from workbench.pipeline.study_data import StudyData
from workbench.records import Dataset, RunResult, UnitResult, WorkUnit
from workbench.specs import spec_hash, to_toml
from workbench.specs.learners import LearnerSpec

if TYPE_CHECKING:
    from workbench.results.run_result import Analysed, RunInputs
    from workbench.specs.experiment import ValidationSpec

EXPLAINED_PERMUTATIONS = 200
"""Permuted outcomes whose |SHAP| is summed by circuit: enough for the 95th percentile that the figure marks."""

INFLUENCE_REPEATS = 5
"""Repeats over which r2 without each participant is averaged: a single one may say anything (METHODS 7)."""


def run_one(
    loaded: StudyData, plan: ExperimentPlan, planned: PlannedRun, *, jobs: int, resume: bool, progress: Progress
) -> RunResult:
    """One feature set with one model: permuted targets, work units, influence, circuit test, reduction.

    A run that passes its permutation test on an outcome that contains the baseline score is made once more with that
    score held fixed, from its folds to leaving each participant out.
    """
    from workbench.models.sensitivity import holding_baseline
    from workbench.results.inference import ALPHA
    from workbench.results.run_result import reduce_run, with_baseline_held

    analyse = partial(_analysed, loaded, plan, jobs=jobs, resume=resume, progress=progress)
    result = reduce_run(analyse(planned, label=f"{plan.name}: {planned.name}", explained=True))
    scores = result.scores
    if not scores.performance.r2 > 0 or scores.test.p is None or scores.test.p > ALPHA:
        return result  # no claim is within reach
    held = holding_baseline(planned.dataset)
    if held is None:
        return result
    try:
        inputs = analyse(
            replace(planned, dataset=held),
            label=f"{plan.name}: {planned.name}, baseline score held fixed",
            explained=False,
        )
    except FitError:  # too few participants with a baseline score
        return result
    return with_baseline_held(result, reduce_run(inputs))


def _analysed(
    loaded: StudyData,
    plan: ExperimentPlan,
    planned: PlannedRun,
    *,
    label: str,
    explained: bool,
    jobs: int,
    resume: bool,
    progress: Progress,
) -> RunInputs:
    """Everything that is fitted for a run; without what explains and checks it where it only stands beside another."""
    from workbench.execution import one_blas_thread, run_units, spread
    from workbench.models import nested_cv, permutations
    from workbench.models.canary import canary, on_shuffled_outcomes
    from workbench.models.cross_conformal import conformal_folds
    from workbench.models.estimators import as_permuted, make_learner
    from workbench.models.influence import leave_one_out_r2
    from workbench.models.learner import residualises
    from workbench.models.marginal import circuit_test
    from workbench.models.splitters import for_interval
    from workbench.models.unobserved import predict_unobserved
    from workbench.results.inference import permuted_r2
    from workbench.results.run_result import RunInputs

    dataset, validation = planned.dataset, planned.validation
    learner = make_learner(planned.learner)
    refused = permutations.refusal(dataset, validation.permutations) if validation.permutations else ""
    n_permutations = 0 if refused else validation.permutations
    validation = validation.model_copy(update={"permutations": n_permutations})
    targets = nested_cv.target_matrices(dataset, validation)
    explain = 1 + (min(EXPLAINED_PERMUTATIONS, n_permutations) if learner.batched else 0) if explained else 0
    units = nested_cv.plan_units(dataset, validation, planned.learner, explain=explain)
    blind_fits = 0
    if explained:
        with one_blas_thread():
            blind_fits = canary(dataset, units, planned.learner, permuted=n_permutations > 0)
    fit = partial(fit_one, dataset=dataset, learner=planned.learner, targets=targets, explain=explain)
    results = run_units(
        fit,
        units,
        folder=loaded.study.units_dir / plan.name,
        jobs=jobs,
        backend="threads" if learner.batched and nested_cv.ORDER not in targets else "processes",
        resume=resume,
        together=_together(dataset, planned.learner, targets, explain),
        progress=partial(progress.advance, label),
    )
    predicts = bool(permuted_r2(results, "main")[0] > 0)
    influence = leave_one_out_r2(
        dataset,
        units,
        planned.learner,
        results=results,
        repeats=INFLUENCE_REPEATS,
        # Nothing hangs on anybody where nothing is predicted, and a learner that shares nothing between targets is
        # refitted where a claim is within reach: beside its permutations that costs next to nothing.
        refit=predicts and (learner.batched or n_permutations > 0),
        progress=partial(progress.advance, f"{label}, leaving one out"),
        spread=partial(spread, jobs=jobs),
    )
    interval_units, interval_results = _for_interval(
        loaded, plan, planned, validation, label=label, jobs=jobs, resume=resume, progress=progress
    )
    inputs = RunInputs(
        dataset=dataset,
        experiment=plan.name,
        spec=plan.spec,
        learner=planned.learner,
        validation=validation,
        residualised=residualises(learner),
        units=units,
        unit_results=results,
        circuit_test=None,
        influence=influence,
        permutation_scheme=permutations.scheme(dataset),
        permutation_refused=refused,
        synthetic=loaded.study.cohort.synthetic,
        design=loaded.cohort.design,
        spec_toml=to_toml(plan.spec),
        spec_hash=spec_hash(plan.spec),
        warnings=planned.warnings,
        capped=planned.capped,
        baseline=planned.baseline,
        undeclared=planned.undeclared,
        blind_fits=blind_fits,
        interval_units=interval_units,
        interval_results=interval_results,
    )
    if predicts:
        as_tuned = as_permuted(planned.learner) if n_permutations else planned.learner
        once_more = partial(_once_more, loaded, plan, as_tuned, jobs=jobs, resume=resume)
        inputs = _with_sites(inputs, dataset, validation, once_more)
    if not explained:
        return inputs
    pairs = _without_pairs(dataset, units, planned.learner, results, influence, spread=partial(spread, jobs=jobs))
    with one_blas_thread():
        shuffled = None
        if not permutations.refusal(dataset, 1):
            division = for_interval(dataset, validation, planned.learner) or (dataset, validation, planned.learner)
            repeats = len({unit.repeat for unit in units})
            shuffled = on_shuffled_outcomes(*division, repeats=repeats)
        return replace(
            inputs,
            pairs=pairs,
            unobserved=predict_unobserved(dataset, planned.learner, validation),
            circuit_test=circuit_test(dataset, nested_cv.marginal_targets(dataset, validation)),
            shuffled=shuffled,
            conformal=conformal_folds(
                dataset, units, planned.learner, validation, progress=partial(progress.advance, f"{label}, intervals")
            ),
        )


def _for_interval(
    loaded: StudyData,
    plan: ExperimentPlan,
    planned: PlannedRun,
    validation: ValidationSpec,
    *,
    label: str,
    jobs: int,
    resume: bool,
    progress: Progress,
) -> tuple[Sequence[WorkUnit], Sequence[UnitResult]]:
    """The observed outcome in repeated 5-fold divisions, where the folds of the run are others; nothing otherwise.

    Every procedure is fitted, since each has an interval.
    """
    from workbench.execution import run_units
    from workbench.models import nested_cv
    from workbench.models.estimators import as_permuted, make_learner
    from workbench.models.splitters import for_interval

    division = for_interval(planned.dataset, validation, planned.learner)
    if division is None:
        return (), ()
    dataset, drawn, learner = division
    if validation.permutations:
        learner = as_permuted(learner)  # the interval is that of the model that the run reports
    units, targets = nested_cv.plan_units(dataset, drawn, learner), nested_cv.target_matrices(dataset, drawn)
    fit = partial(fit_one, dataset=dataset, learner=learner, targets=targets, explain=0)
    results = run_units(
        fit,
        units,
        folder=loaded.study.units_dir / plan.name,
        jobs=jobs,
        backend="threads" if make_learner(learner).batched else "processes",
        resume=resume,
        together=_together(dataset, learner, targets, 0),
        progress=partial(progress.advance, f"{label}, 5-fold for the interval"),
    )
    return units, results


def _without_pairs(
    dataset: Dataset,
    units: Sequence[WorkUnit],
    learner: LearnerSpec,
    results: Sequence[UnitResult],
    influence: tuple[Mapping[str, float], int, int],
    *,
    spread: Callable[..., Iterable[Any]],
) -> tuple[tuple[str, str, float], ...]:
    """r2 refitted without both of the pairs that are expected to carry most; none where nothing was refitted."""
    from workbench.models.influence import leave_pairs_out_r2
    from workbench.results.influence import lowest_pairs
    from workbench.results.metrics import long_table

    without_each, refitted, repeats = influence
    if not refitted or dataset.n_participants < 3:
        return ()
    table = long_table(dataset, results, "main")
    chosen = [(one, other) for one, other, _ in lowest_pairs(table[table["repeat"] < repeats], without_each)]
    r2 = leave_pairs_out_r2(dataset, units, learner, chosen, results=results, repeats=repeats, spread=spread)
    return tuple((one, other, value) for (one, other), value in zip(chosen, r2, strict=True))


# --------------------------------------------------------------------------------------------------------------- sites


def _with_sites(
    inputs: RunInputs,
    dataset: Dataset,
    validation: ValidationSpec,
    once_more: Callable[[Dataset, ValidationSpec], Analysed],
) -> RunInputs:
    """With the model on whole sites left out, and with site held fixed: a claim could hang on either (METHODS 7)."""
    from workbench.models.sensitivity import holding_site, leaving_sites_out

    left_out, why_not_left_out = _attempted(
        once_more,
        leaving_sites_out(dataset, validation),
        "whole sites could not be left out",
    )
    held, why_not_held = _attempted(once_more, holding_site(dataset, validation), "site could not be held fixed")
    warnings = (*inputs.warnings, *why_not_left_out, *why_not_held)
    return replace(inputs, sites_left_out=left_out, site_held=held, warnings=warnings)


def _attempted(
    once_more: Callable[[Dataset, ValidationSpec], Analysed], asked: tuple[Dataset, ValidationSpec] | None, failed: str
) -> tuple[Analysed | None, tuple[str, ...]]:
    """What cannot be analysed so is said, and costs the claim, not the run."""
    if asked is None:
        return None, ()
    try:
        return once_more(*asked), ()
    except FitError as error:
        return None, (f"{failed}: {error.problems[0].found}",)


def _once_more(
    loaded: StudyData,
    plan: ExperimentPlan,
    learner: LearnerSpec,
    dataset: Dataset,
    validation: ValidationSpec,
    *,
    jobs: int,
    resume: bool,
) -> Analysed:
    """The model on another dataset or other folds, without permutations."""
    from workbench.execution import run_units
    from workbench.models import nested_cv
    from workbench.models.estimators import make_learner
    from workbench.models.sensitivity import MOST_REPEATS

    repeats = min(learner.repeats or validation.repeats, MOST_REPEATS)
    learner = learner.model_copy(update={"repeats": repeats})
    targets = nested_cv.target_matrices(dataset, validation)
    units = nested_cv.plan_units(dataset, validation, learner, explain=0)
    results = run_units(
        partial(fit_one, dataset=dataset, learner=learner, targets=targets, explain=0),
        units,
        folder=loaded.study.units_dir / plan.name,
        jobs=jobs,
        backend="threads" if make_learner(learner).batched else "processes",
        resume=resume,
        together=_together(dataset, learner, targets, 0),
    )
    return dataset, units, results


def _together(
    dataset: Dataset, learner: LearnerSpec, targets: Mapping[str, Any], explain: int
) -> Callable[[Sequence[WorkUnit]], Sequence[UnitResult]] | None:
    """What fits several work units at once; nothing where that takes no less time."""
    from workbench.models.nested_cv import fits_together

    if not fits_together(dataset, learner):
        return None
    return partial(fit_several, dataset=dataset, learner=learner, targets=targets, explain=explain)


def fit_several(
    units: Sequence[WorkUnit], *, dataset: Dataset, learner: LearnerSpec, targets: Mapping[str, Any], explain: int
) -> tuple[UnitResult, ...]:
    """Work units fitted together; worker processes find this function by its name."""
    from workbench.models.nested_cv import fit_units

    return fit_units(dataset, units, learner, targets, explain=explain)


def fit_one(
    unit: WorkUnit, *, dataset: Dataset, learner: LearnerSpec, targets: Mapping[str, Any], explain: int
) -> UnitResult:
    """One work unit fitted; worker processes find this function by its name."""
    from workbench.models.nested_cv import fit_unit

    return fit_unit(dataset, unit, learner, targets, explain=explain)
