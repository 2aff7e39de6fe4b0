"""Reduces the units of a run to its result: every question answered by its own module, the answers put together."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workbench.evaluation import conformal, explained_participants, explanations
from workbench.evaluation.arms import benefit_of_participants, treatment_effects
from workbench.evaluation.availability import availability
from workbench.evaluation.crossover import crossover_checks
from workbench.evaluation.decision import decision_beside
from workbench.evaluation.increment import clinical_models, increment
from workbench.evaluation.inference import permutation_test, permuted_r2
from workbench.evaluation.influence import influence
from workbench.evaluation.intervals import performance_with_intervals, subject_bootstrap
from workbench.evaluation.metrics import in_order, long_table
from workbench.evaluation.modalities import modality_values
from workbench.evaluation.negative_control import negative_control
from workbench.evaluation.sites import r2_across_sites, with_site_held
from workbench.records import RunResult, Scores
from workbench.results import biomarkers, claims
from workbench.results import run_description as description
from workbench.results.places import with_places
from workbench.results.run_inputs import RunInputs
from workbench.results.sensitivity import gather_sensitivity

if TYPE_CHECKING:
    from workbench.records import (
        Increment,
        Influence,
        ModalityValues,
        PermutationTest,
        Sensitivity,
        Shuffled,
        StabilitySelection,
    )

PREDICTION_COLUMNS = ["participant_id", "session", "repeat", "fold", "observed", "predicted", "reference"]


def reduce_run(inputs: RunInputs) -> RunResult:
    """Every number, table and label of one run; the order in which units were finished changes nothing.

    The p-value is not yet corrected over the runs of the experiment, so the claim is provisional and nothing is a
    candidate: `finish_experiment` decides both.

    Parameters
    ----------
    inputs : RunInputs

    Returns
    -------
    RunResult
    """
    dataset, inputs = inputs.dataset, inputs.rescored()
    table = long_table(dataset, inputs.unit_results, "main")
    shap = explanations.shap_table(dataset, inputs.unit_results)
    features = explanations.feature_table(dataset, inputs.unit_results, shap, inputs.circuit_test)
    features = with_places(features, inputs.places)
    circuits = explanations.circuit_table(dataset, inputs.unit_results, shap, inputs.circuit_test)
    effects = biomarkers.circuit_effects(inputs.circuit_test, dataset.circuits)
    circuits = circuits.merge(effects, on="circuit", how="left", validate="one_to_one")
    features, circuits = _with_selection(features, circuits, inputs.selection)
    null, test, added = _permutations(inputs)
    curve, decision = decision_beside(inputs.run, table, added)
    beside = gather_sensitivity(
        dataset,
        inputs.spec,
        table,
        inputs.units,
        inputs.unit_results,
        unobserved=inputs.unobserved,
        decision=decision,
        seed=inputs.validation.seed,
    )
    beside, benefit = _with_treatments(inputs, table, beside)
    scores = replace(_scores(inputs, table, test, added), sensitivity=beside)
    if beside.effects is not None:  # the slope of the outcome would mostly be that of the prognosis
        slope = beside.effects.calibration.value
        scores = replace(scores, performance=replace(scores.performance, calibration_slope=slope))
    claim = claims.judge(replace(scores, p_family=test.p))
    of_features, of_circuits = (
        (None, None) if shap is None else explained_participants.measured_values(dataset, features)
    )
    return RunResult(
        scores=scores,
        claim=claim,
        predictions=conformal.with_intervals(table[PREDICTION_COLUMNS], inputs.conformal),
        folds=description.fold_table(table),
        null=null,
        shap=shap,
        features=features,
        circuits=circuits,
        modalities=explanations.modality_table(dataset, shap),
        biomarkers=biomarkers.biomarker_table(features, circuits, scores, claim),
        flow=dataset.flow,
        spec_toml=inputs.spec_toml,
        tags={**description.tags(inputs), "claim": claim.verdict},
        params=description.params(inputs),
        decision_curve=curve,
        inner_folds=description.inner_fold_table(inputs),
        tuning=description.tuning_table(inputs),
        shap_circuits=explained_participants.shap_by_circuit(dataset, inputs.unit_results),
        feature_values=of_features,
        circuit_values=of_circuits,
        interactions=inputs.interactions,
        benefit=benefit,
        model=inputs.model,
    )


def _with_treatments(
    inputs: RunInputs, table: pd.DataFrame, beside: Sensitivity
) -> tuple[Sensitivity, pd.DataFrame | None]:
    """With what is said of the effect of a treatment, or of a difference between two periods."""
    dataset, seed = inputs.dataset, inputs.validation.seed
    checks, participants = crossover_checks(dataset, table, inputs.first_period, seed=seed)
    effects = treatment_effects(dataset, inputs.unit_results, inputs.prognosis, seed=seed)
    if effects is not None:
        participants = benefit_of_participants(dataset, inputs.unit_results)
    return replace(beside, effects=effects, crossover=checks), participants


def _with_selection(
    features: pd.DataFrame, circuits: pd.DataFrame, selection: StabilitySelection | None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Both tables with *selection_frequency*; NaN where nothing was selected from halves."""
    if selection is None:
        return features.assign(selection_frequency=np.nan), circuits.assign(selection_frequency=np.nan)
    of_circuit = dict(zip(selection.circuits, selection.circuit_frequency.tolist(), strict=True))
    return (
        features.assign(selection_frequency=selection.feature_frequency),
        circuits.assign(selection_frequency=circuits["circuit"].map(of_circuit).astype(float)),
    )


def _scores(inputs: RunInputs, table: pd.DataFrame, test: PermutationTest, added: Increment | None) -> Scores:
    dataset, outcome = inputs.dataset, inputs.dataset.outcome
    gap = explanations.additivity(inputs.unit_results)
    notes = [*dataset.in_fold, *dataset.notes, *outcome.notes, *map(str, inputs.warnings)]
    notes += description.division_in_words(inputs)
    notes += conformal.in_words(dataset, inputs.conformal, inputs.validation.leave_out)
    if not explanations.additive(gap, linear=inputs.residualised, outcome_sd=float(np.std(dataset.y, ddof=1))):
        notes.append(f"the SHAP values miss their predictions by up to {gap:.2g} {outcome.unit}: do not use them")
    performances = [performance_with_intervals(inputs.run, inputs.of_interval, name) for name in _procedures(inputs)]
    performance = next(each for each in performances if each.procedure == "main")
    across_sites, within_sites = r2_across_sites(
        inputs.run, inputs.other_sites, inputs.validation, r2=performance.r2, residualised=inputs.residualised
    )
    return Scores(
        experiment=inputs.experiment,
        question=inputs.spec.question,
        run_name=inputs.learner.run_name(dataset.feature_set),
        feature_set=dataset.feature_set,
        model=inputs.learner.label,
        outcome=outcome.label,
        outcome_unit=outcome.unit,
        outcome_type=outcome.type,
        estimand=outcome.estimand,
        claim_kind=outcome.claim,
        n_participants=dataset.n_participants,
        n_rows=dataset.n_rows,
        n_features=len(dataset.features),
        performance=replace(performance, bootstrap=subject_bootstrap(table, seed=inputs.validation.seed)),
        procedures=tuple(each for each in performances if each is not performance),
        test=test,
        p_family=None,
        family_size=0,
        increment=added,
        influence=_influence(inputs, table),
        ceiling=outcome.reliability,
        tuning=description.tuning(inputs.unit_results),
        shap_additivity=gap,
        synthetic=inputs.synthetic,
        seed=inputs.validation.seed,
        validation=description.validation_in_words(inputs.validation, inputs.unit_results)
        + inputs.learner.search_in_words(inputs.validation.permutations),
        confounds=dataset.confounds.variables,
        clinical_model=dataset.clinical.variables,
        notes=tuple(dict.fromkeys(notes)),
        design=inputs.design,
        outcome_kind=outcome.kind,
        forced=dataset.forced.variables,
        reference=description.reference_in_words(inputs),
        n_sites=dataset.n_sites,
        leave_out=inputs.validation.leave_out or "",
        across_sites=across_sites,
        within_sites=within_sites,
        sites_held=with_site_held(inputs.other_sites, residualised=inputs.residualised),
        undeclared=inputs.undeclared,
        blind_fits=inputs.blind_fits,
        in_fold=dataset.in_fold,
        shuffled=_shuffled(inputs),
        capped=inputs.capped,
        baseline=inputs.baseline,
        sources=dataset.sources,
        stability=None if inputs.selection is None else inputs.selection.stability,
        improvement_positive=outcome.improvement_positive,
        published_as=inputs.published_as,
        warnings=inputs.warnings,
        pharmacodynamic=inputs.pharmacodynamic,
        modality_values=_modality_values(inputs),
        availability=availability(inputs.run, inputs.of_interval, inputs.complete_cases),
    )


def _procedures(inputs: RunInputs) -> list[str]:
    """Procedures that every unit ran, in the order of the first unit."""
    return list(in_order(inputs.unit_results)[0].procedures)


def _influence(inputs: RunInputs, table: pd.DataFrame) -> Influence | None:
    if inputs.influence is None:
        return None
    return influence(table, inputs.influence, inputs.pairs, residualised=inputs.residualised)


def _modality_values(inputs: RunInputs) -> ModalityValues | None:
    if inputs.modality_fits is None:
        return None
    refused = bool(inputs.permutation_refused)
    return modality_values(inputs.run, inputs.of_interval, inputs.modality_fits, permuted_refused=refused)


def _shuffled(inputs: RunInputs) -> Shuffled | None:
    if inputs.shuffled is None:
        return None
    null = permuted_r2(inputs.unit_results, "main")[1:]
    return negative_control(inputs.shuffled, null, residualised=inputs.residualised)


def _permutations(inputs: RunInputs) -> tuple[pd.DataFrame, PermutationTest, Increment | None]:
    scheme, refused = inputs.permutation_scheme, inputs.permutation_refused
    r2 = permuted_r2(inputs.unit_results, "main")
    null = pd.DataFrame({"permutation": np.arange(1, len(r2)), "r2": r2[1:]})
    added = None
    if "increment" in _procedures(inputs) and clinical_models(inputs.run):
        permuted = permuted_r2(inputs.unit_results, "increment")
        added = increment(inputs.run, inputs.of_interval, permuted, scheme=scheme, refused=refused)
        if len(permuted) == len(r2):
            null["increment"] = permuted[1:]
    return null, permutation_test(r2, scheme=scheme, refused=refused), added
