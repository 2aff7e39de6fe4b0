"""One feature set with one model, from its work units over all that refits besides to its result."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from workbench.pipeline.laid_out import ExperimentPlan, PlannedRun
from workbench.pipeline.progress import Progress
from workbench.pipeline.study_data import StudyData
from workbench.records import Dataset, RunResult, UnitResult, WorkUnit
from workbench.specs import spec_hash, to_toml
from workbench.specs.learners import LearnerSpec

EXPLAINED_PERMUTATIONS = 200
"""Permuted outcomes whose |SHAP| is summed by circuit: enough for the 95th percentile that the figure marks."""

INFLUENCE_REPEATS, INFLUENCE_REFITS = 5, 130
"""Repeats refitted without each participant in turn: five, fewer where that would be many refits, never none.

Who carries a result matters in a small sample, where five are affordable; the number used is said with the result.
"""


def run_one(
    loaded: StudyData, plan: ExperimentPlan, planned: PlannedRun, *, jobs: int, resume: bool, progress: Progress
) -> RunResult:
    """One feature set with one model: permuted targets, work units, influence, circuit test, reduction."""
    from workbench.execution import one_blas_thread, run_units, spread
    from workbench.models import nested_cv, permutations
    from workbench.models.canary import canary, on_shuffled_outcomes
    from workbench.models.cross_conformal import conformal_folds
    from workbench.models.estimators import make_learner
    from workbench.models.influence import leave_one_out_r2
    from workbench.models.learner import residualises
    from workbench.models.marginal import circuit_test
    from workbench.models.unobserved import predict_unobserved
    from workbench.results.run_result import RunInputs, reduce_run

    dataset, validation = planned.dataset, planned.validation
    learner = make_learner(planned.learner)
    refused = permutations.refusal(dataset, validation.permutations) if validation.permutations else ""
    n_permutations = 0 if refused else validation.permutations
    validation = validation.model_copy(update={"permutations": n_permutations})
    targets = nested_cv.target_matrices(dataset, validation)
    explain = 1 + (min(EXPLAINED_PERMUTATIONS, n_permutations) if learner.batched else 0)
    units = nested_cv.plan_units(dataset, validation, planned.learner, explain=explain)
    with one_blas_thread():
        blind_fits = canary(dataset, units, planned.learner, permuted=n_permutations > 0)
    fit = partial(fit_one, dataset=dataset, learner=planned.learner, targets=targets, explain=explain)
    label = f"{plan.name}: {planned.name}"
    results = run_units(
        fit,
        units,
        folder=loaded.study.units_dir / plan.name,
        jobs=jobs,
        backend="threads" if learner.batched and nested_cv.ORDER not in targets else "processes",
        resume=resume,
        progress=partial(progress.advance, label),
    )
    influence = leave_one_out_r2(
        dataset,
        units,
        planned.learner,
        results=results,
        repeats=max(1, min(INFLUENCE_REPEATS, INFLUENCE_REFITS // dataset.n_participants)),
        progress=partial(progress.advance, f"{label}, leaving one out"),
        spread=partial(spread, jobs=jobs),
    )
    pairs = _without_pairs(dataset, units, planned.learner, results, influence, spread=partial(spread, jobs=jobs))
    with one_blas_thread():
        unobserved = predict_unobserved(dataset, planned.learner, validation)
        circuits = circuit_test(dataset, nested_cv.marginal_targets(dataset, validation))
        shuffled = None
        if not permutations.refusal(dataset, 1):
            repeats = len({unit.repeat for unit in units})
            shuffled = on_shuffled_outcomes(dataset, validation, planned.learner, repeats=repeats)
        conformal = conformal_folds(
            dataset, units, planned.learner, validation, progress=partial(progress.advance, f"{label}, intervals")
        )
    return reduce_run(
        RunInputs(
            dataset=dataset,
            experiment=plan.name,
            spec=plan.spec,
            learner=planned.learner,
            validation=validation,
            residualised=residualises(learner),
            units=units,
            unit_results=results,
            circuit_test=circuits,
            conformal=conformal,
            influence=influence,
            site_results=_without_each_site(loaded, plan, planned, results, jobs=jobs, resume=resume),
            permutation_scheme=permutations.scheme(dataset),
            permutation_refused=refused,
            synthetic=loaded.study.cohort.synthetic,
            design=loaded.cohort.design,
            spec_toml=to_toml(plan.spec),
            spec_hash=spec_hash(plan.spec),
            warnings=planned.warnings,
            blind_fits=blind_fits,
            shuffled=shuffled,
            pairs=pairs,
            unobserved=unobserved,
            undeclared=planned.undeclared,
        )
    )


def _without_pairs(
    dataset: Dataset,
    units: Sequence[WorkUnit],
    learner: LearnerSpec,
    results: Sequence[UnitResult],
    influence: tuple[Mapping[str, float], bool, int],
    *,
    spread: Callable[..., Iterable[Any]],
) -> tuple[tuple[str, str, float], ...]:
    """r2 refitted without both of the pairs that are expected to carry most; none for models that are not refitted."""
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


def _without_each_site(
    loaded: StudyData,
    plan: ExperimentPlan,
    planned: PlannedRun,
    results: Sequence[UnitResult],
    *,
    jobs: int,
    resume: bool,
) -> Sequence[UnitResult]:
    """The model with each whole site left out in turn, where a claim could hang on it (METHODS 7)."""
    from workbench.execution import run_units
    from workbench.models import nested_cv
    from workbench.models.estimators import make_learner
    from workbench.models.splitters import for_leaving_sites_out
    from workbench.results.claims import SITES_TO_LEAVE_OUT
    from workbench.results.inference import permuted_r2

    sites = planned.dataset.sites
    tried = planned.validation.leave_out == "site" or sites is None or len(set(sites)) < SITES_TO_LEAVE_OUT
    if tried or not permuted_r2(results, "main")[0] > 0:
        return ()
    dataset, validation = for_leaving_sites_out(planned.dataset, planned.validation)
    fit = partial(
        fit_one,
        dataset=dataset,
        learner=planned.learner,
        targets=nested_cv.target_matrices(dataset, validation),
        explain=0,
    )
    return run_units(
        fit,
        nested_cv.plan_units(dataset, validation, planned.learner, explain=0),
        folder=loaded.study.units_dir / plan.name,
        jobs=jobs,
        backend="threads" if make_learner(planned.learner).batched else "processes",
        resume=resume,
    )


def fit_one(
    unit: WorkUnit, *, dataset: Dataset, learner: LearnerSpec, targets: Mapping[str, Any], explain: int
) -> UnitResult:
    """One work unit fitted; worker processes find this function by its name."""
    from workbench.models.nested_cv import fit_unit

    return fit_unit(dataset, unit, learner, targets, explain=explain)
