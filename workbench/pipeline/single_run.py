"""One feature set with one model, from its work units over every question that refits beside them to its result."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from workbench.errors import FitError
from workbench.pipeline.experiment_plan import ExperimentPlan, PlannedRun
from workbench.pipeline.progress import Progress, shown
from workbench.pipeline.study_data import StudyData
from workbench.records import Notice, RunResult
from workbench.specs import spec_hash, to_toml
from workbench.specs.experiment import INFLUENCE_REPEATS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np

    from workbench.evaluation.refits import FitUnits
    from workbench.execution.fitting import Workers
    from workbench.results.run_inputs import RunInputs
    from workbench.study import Study

EXPLAINED_PERMUTATIONS = 200
"""Permuted outcomes whose |SHAP| is summed by circuit: enough for the 95th percentile that the figure marks."""


def run_one(
    loaded: StudyData,
    plan: ExperimentPlan,
    planned: PlannedRun,
    *,
    jobs: int,
    resume: bool,
    progress: Progress,
    workers: Workers | None = None,
) -> RunResult:
    """One feature set with one model: permuted targets, work units, influence, circuit test, reduction.

    A run that passes its permutation test on an outcome that contains the baseline score is made once more with that
    score held fixed, from its folds to leaving each participant out. A run whose outcome is taken apart from another
    score is made once more with nothing of that held fixed.

    Parameters
    ----------
    loaded : StudyData
    plan : ExperimentPlan
    planned : PlannedRun
        One of its runs.
    jobs : int
        Work units at a time; never changes a number.
    resume : bool
        Take up the stored work units of an interrupted run.
    progress : Progress
    workers : Workers, optional
        Fit the work units, refits among them; default: the cores of this machine.

    Returns
    -------
    RunResult
        Not yet corrected for the other runs of the experiment.
    """
    from workbench.evaluation.apart_from import as_it_is, beside_raw
    from workbench.evaluation.baseline_held import holding_baseline, with_baseline_held
    from workbench.evaluation.inference import ALPHA
    from workbench.results.run_result import reduce_run

    needed = needed_units(loaded.study, plan.name, planned)
    if not resume:
        needed.unlink(missing_ok=True)
    analyse = partial(
        _analysed, loaded, plan, jobs=jobs, resume=resume, progress=progress, workers=workers, needed=needed
    )
    result = reduce_run(analyse(planned, label=f"{plan.name}: {planned.display_name}", explained=True))
    raw = as_it_is(planned.dataset)
    if raw is not None:
        label = f"{plan.name}: {planned.display_name}, {planned.dataset.outcome.score} as it is"
        inputs = analyse(replace(planned, dataset=raw), label=label, explained=False)
        result = beside_raw(result, reduce_run(inputs), planned.dataset)
    scores = result.scores
    if not scores.performance.r2 > 0 or scores.test.p is None or scores.test.p > ALPHA:
        return result  # no claim is within reach
    held = holding_baseline(planned.dataset)
    if held is None:
        return result
    try:
        inputs = analyse(
            replace(planned, dataset=held),
            label=f"{plan.name}: {planned.display_name}, baseline score held fixed",
            explained=False,
        )
    except FitError:  # too few participants with a baseline score
        return result
    return with_baseline_held(result, reduce_run(inputs))


def needed_units(study: Study, experiment: str, planned: PlannedRun) -> Path:
    """The file that lists the work units of a run, beside them: those that it takes up when it is resumed.

    Parameters
    ----------
    study : Study
    experiment : str
    planned : PlannedRun
        One of its runs.

    Returns
    -------
    Path
    """
    from workbench.models.unit_keys import run_identity
    from workbench.unit_files import KEYS

    identity = run_identity(planned.dataset, planned.validation, planned.learner)
    return study.units_dir / experiment / f"{identity}{KEYS}"


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
    workers: Workers | None,
    needed: Path,
) -> RunInputs:
    """Everything that is fitted for a run; without what explains and checks it where it only stands beside another."""
    from workbench.evaluation.canary import canary
    from workbench.evaluation.inference import permuted_r2
    from workbench.evaluation.influence import leave_one_out_r2
    from workbench.evaluation.intervals import fit_for_interval
    from workbench.evaluation.refits import Store, fit_one
    from workbench.evaluation.sites import fit_other_sites
    from workbench.execution import one_blas_thread
    from workbench.models import nested_cv, permutations
    from workbench.models.estimators import as_permuted, make_learner
    from workbench.models.learner import residualises
    from workbench.results.run_inputs import RunInputs

    dataset, validation = planned.dataset, planned.validation
    learner = make_learner(planned.learner)
    refused = permutations.refusal(dataset, validation.permutations) if validation.permutations else ""
    n_permutations = 0 if refused else validation.permutations
    validation = validation.model_copy(update={"permutations": n_permutations})
    fit_units = Store(loaded.study.units_dir / plan.name, jobs=jobs, resume=resume, workers=workers, needed=needed)
    targets = nested_cv.target_matrices(dataset, validation)
    explain = 1 + (min(EXPLAINED_PERMUTATIONS, n_permutations) if learner.batched else 0) if explained else 0
    units = nested_cv.plan_units(dataset, validation, planned.learner, explain=explain)
    blind_fits = 0
    if explained:
        with one_blas_thread():
            blind_fits = canary(dataset, units, planned.learner, permuted=n_permutations > 0)
    results = fit_units(
        partial(fit_one, dataset=dataset, learner=planned.learner, targets=targets, explain=explain),
        units,
        batched=learner.batched and nested_cv.ORDER not in targets,
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
        refit=predicts and validation.leave_one_out and (learner.batched or n_permutations > 0),
        progress=partial(progress.advance, f"{label}, leaving one out"),
        fit_units=fit_units,
    )
    of_interval = fit_for_interval(
        dataset,
        validation,
        planned.learner,
        fit_units,
        progress=partial(progress.advance, f"{label}, 5-fold for the interval"),
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
        published_as=loaded.study.cohort.published_as or "",
        places=planned.places,
        pharmacodynamic=planned.pharmacodynamic,
        blind_fits=blind_fits,
        interval_units=() if of_interval is None else of_interval.units,
        interval_results=() if of_interval is None else of_interval.results,
    )
    if predicts:
        as_tuned = as_permuted(planned.learner) if n_permutations else planned.learner
        other = fit_other_sites(dataset, validation, as_tuned, shown(fit_units, progress, f"{label}, across sites"))
        inputs = replace(inputs, other_sites=other, warnings=(*inputs.warnings, *other.failed))
    if not explained:
        return inputs
    inputs = _taken_apart(inputs, targets, fit_units, label=label, progress=progress)
    return _explained(inputs, fit_units, label=label, progress=progress)


def _taken_apart(
    inputs: RunInputs, targets: Mapping[str, np.ndarray], fit_units: FitUnits, *, label: str, progress: Progress
) -> RunInputs:
    """With the run once more for every set of its modalities, where it has several."""
    from workbench.evaluation.availability import FEWEST_COMPLETE, n_complete
    from workbench.evaluation.modality_sets import fit_complete_cases, fit_subsets, takes_apart, too_many

    what = (inputs.dataset, inputs.validation, inputs.learner)
    notice = too_many(*what)
    if notice is not None:
        return replace(inputs, warnings=(*inputs.warnings, notice))
    if not takes_apart(*what):
        return inputs
    try:
        fits = fit_subsets(
            inputs.run,
            inputs.of_interval if inputs.interval_results else None,
            inputs.learner,
            targets,
            fit_units=fit_units,
            progress=partial(progress.advance, f"{label}, sets of modalities"),
        )
    except FitError as error:
        failed = Notice(f"what each modality adds could not be worked out: {error.problems[0].found}")
        return replace(inputs, warnings=(*inputs.warnings, failed))
    if inputs.dataset.complete or n_complete(inputs.dataset) < FEWEST_COMPLETE:
        return replace(inputs, modality_fits=fits)
    try:
        those = shown(fit_units, progress, f"{label}, those who have every modality")
        return replace(inputs, modality_fits=replace(fits, complete=fit_complete_cases(*what, those)))
    except FitError as error:
        failed = Notice(f"those who have every modality could not be analysed apart: {error.problems[0].found}")
        return replace(inputs, modality_fits=fits, warnings=(*inputs.warnings, failed))


def _explained(inputs: RunInputs, fit_units: FitUnits, *, label: str, progress: Progress) -> RunInputs:
    """With what explains and checks a run: pairs of participants, a negative control, circuits, intervals; and with the
    model of everyone."""
    from workbench.evaluation.arms import cross_fitted_prognosis
    from workbench.evaluation.availability import refit_complete_cases
    from workbench.evaluation.circuit_test import circuit_test
    from workbench.evaluation.conformal import conformal_folds
    from workbench.evaluation.crossover import fit_first_period
    from workbench.evaluation.inference import ALPHA, permutation_test, permuted_r2
    from workbench.evaluation.influence import leave_lowest_pairs_out
    from workbench.evaluation.interactions import circuit_interactions
    from workbench.evaluation.negative_control import on_shuffled_outcomes
    from workbench.evaluation.stability import stability_selection
    from workbench.evaluation.unobserved import model_of_everyone, predict_unobserved, state_to_keep
    from workbench.execution import one_blas_thread
    from workbench.models import nested_cv, permutations
    from workbench.models.estimators import as_permuted
    from workbench.models.splitters import for_interval

    dataset, units, results = inputs.run
    learner, validation = inputs.learner, inputs.validation
    pairs = None
    if inputs.influence is not None:
        two = shown(fit_units, progress, f"{label}, leaving two out")
        pairs = leave_lowest_pairs_out(dataset, units, learner, inputs.influence, results=results, fit_units=two)
    shuffled = None
    if not permutations.refusal(dataset, 1):
        division = for_interval(dataset, validation, learner) or (dataset, validation, learner)
        repeats = len({unit.repeat for unit in units})
        control = shown(fit_units, progress, f"{label}, negative control")
        shuffled = on_shuffled_outcomes(*division, repeats=repeats, fit_units=control)
    complete_cases = refit_complete_cases(
        inputs.run,
        as_permuted(learner) if validation.permutations else learner,
        fit_units=fit_units,
        progress=partial(progress.advance, f"{label}, complete cases"),
    )
    conformal = conformal_folds(
        dataset,
        units,
        learner,
        validation,
        fit_units=fit_units,
        progress=partial(progress.advance, f"{label}, intervals"),
    )
    fit_prognosis = shown(fit_units, progress, f"{label}, prognosis")
    prognosis = cross_fitted_prognosis(dataset, validation, learner, fit_prognosis)
    fit_first = shown(fit_units, progress, f"{label}, first period")
    first_period = fit_first_period(dataset, validation, learner, fit_first)
    r2 = permuted_r2(results, "main")
    p = permutation_test(r2, scheme="", refused=inputs.permutation_refused).p
    # Else no claim is within reach: nothing is ranked, and no model is written.
    may_be_shown = bool(r2[0] > 0) and p is not None and p <= ALPHA
    with one_blas_thread():
        everyone = model_of_everyone(dataset, learner, validation, predicts=may_be_shown)
        return replace(
            inputs,
            interactions=circuit_interactions(dataset, learner, everyone, parent=units[0], fit_units=fit_units)
            if may_be_shown
            else None,
            selection=stability_selection(
                dataset,
                seed=validation.seed,
                parent=units[0],
                fit_units=fit_units,
                progress=partial(progress.advance, f"{label}, halves of the participants"),
            )
            if may_be_shown
            else None,
            pairs=pairs or (),
            model=state_to_keep(everyone),
            unobserved=predict_unobserved(dataset, everyone),
            circuit_test=circuit_test(dataset, nested_cv.marginal_targets(dataset, validation)),
            shuffled=shuffled,
            conformal=conformal,
            prognosis=prognosis,
            first_period=first_period,
            complete_cases=complete_cases,
        )
