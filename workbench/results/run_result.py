"""Reduces the units of a run to its result, and the runs of an experiment to corrected p, claims and candidates."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median_low
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from workbench.evaluation import conformal, decision, explanations, inference, intervals, metrics
from workbench.evaluation.influential_pairs import PAIRS, lowest_pairs
from workbench.records import Increment, Influence, RunResult, Scores, Sensitivity, Shuffled
from workbench.results import biomarkers, claims
from workbench.results.sensitivity import gather_sensitivity
from workbench.specs.experiment import SITES_TO_LEAVE_OUT
from workbench.specs.learners import XGBoostSpec

if TYPE_CHECKING:
    from workbench.records import (
        CircuitTest,
        ConformalFold,
        Dataset,
        Decision,
        Design,
        Performance,
        PermutationTest,
        UnitResult,
        Viewing,
        WorkUnit,
    )
    from workbench.specs.experiment import ExperimentSpec, ValidationSpec
    from workbench.specs.learners import LearnerSpec

BASELINE_HELD = "r2_baseline_held"
"""Column of permuted r2 with the baseline score held fixed."""
Analysed = tuple["Dataset", "Sequence[WorkUnit]", "Sequence[UnitResult]"]
"""The run once more, on a dataset of its own, with its units and what they left."""
RELABELLED = (
    "circuits or labels of features are others than when the result was first viewed, so no circuit is a candidate: "
    "what was drawn around what was seen is no finding"
)
PREDICTION_COLUMNS = ["participant_id", "session", "repeat", "fold", "observed", "predicted", "reference"]


@dataclass(frozen=True, eq=False)
class RunInputs:
    """All that one run is reduced from.

    Attributes
    ----------
    validation : ValidationSpec
        With the model's own repeats and permutations.
    residualised : bool
        Whether confounds were residualised out of the features, or were an offset, as for trees.
    circuit_test : CircuitTest or None
    influence : tuple or None
        r2 without each participant, without how many of them the models were refitted, and over how many repeats.
    permutation_scheme, permutation_refused : str
        In words; the second is empty unless no p-value may be given.
    warnings : tuple of str
        What the guards said about the experiment; no participant ids.
    """

    dataset: Dataset
    experiment: str
    spec: ExperimentSpec
    learner: LearnerSpec
    validation: ValidationSpec
    residualised: bool
    units: Sequence[WorkUnit]
    unit_results: Sequence[UnitResult]
    circuit_test: CircuitTest | None
    influence: tuple[Mapping[str, float], int, int] | None
    permutation_scheme: str
    permutation_refused: str
    synthetic: bool
    design: Design
    spec_toml: str
    spec_hash: str
    warnings: tuple[str, ...] = ()
    conformal: Sequence[ConformalFold] = ()
    """Of the first repeat; empty where the model gives no intervals of single people."""
    sites_left_out: Analysed | None = None
    """The same model with each whole site left out in turn; None where that was not tried."""
    site_held: Analysed | None = None
    """The same model on K folds with site in the nuisance block; None where that was not tried."""
    blind_fits: int = 0
    """Fits in which the held-out people were noise, and nothing that was learnt changed."""
    interval_units: Sequence[WorkUnit] = ()
    interval_results: Sequence[UnitResult] = ()
    """The observed outcome once more in repeated 5-fold divisions, for the intervals; empty where `units` are such, or
    where there is no interval."""
    shuffled: Analysed | None = None
    """The run once more on shuffled outcomes; None where the design leaves too few distinct shuffles."""
    pairs: Sequence[tuple[str, str, float]] = ()
    """r2 refitted without both of some pairs of people; empty where nothing is refitted."""
    unobserved: tuple[np.ndarray, np.ndarray] | None = None
    """Prediction and reference for those of ``dataset.unobserved``."""
    capped: tuple[str, ...] = ()
    """Why the claim is exploratory at most, whatever the numbers are."""
    baseline: str = ""
    """The baseline score of the outcome, as a term; empty where it has none."""
    undeclared: str = ""
    """Sources of which the upstream steps are not declared, in a sentence."""


# --------------------------------------------------------------------------------------------------------- one run


def reduce_run(inputs: RunInputs) -> RunResult:
    """Every number, table and label of one run; the order in which units were finished changes nothing.

    The p-value is not yet corrected over the runs of the experiment, so the claim is provisional and nothing is a
    candidate: `finish_experiment` decides both.
    """
    dataset = inputs.dataset
    if not inputs.residualised:
        inputs = replace(
            inputs,
            unit_results=metrics.against_better_reference(inputs.unit_results),
            interval_results=metrics.against_better_reference(inputs.interval_results),
        )
    table = metrics.long_table(dataset, inputs.unit_results, "main")
    shap = explanations.shap_table(dataset, inputs.unit_results)
    features = explanations.feature_table(dataset, inputs.unit_results, shap, inputs.circuit_test)
    circuits = explanations.circuit_table(dataset, inputs.unit_results, shap, inputs.circuit_test)
    effects = biomarkers.circuit_effects(inputs.circuit_test, dataset.circuits)
    circuits = circuits.merge(effects, on="circuit", how="left", validate="one_to_one")
    null, test, increment = _permutations(inputs)
    curve, decided = _decision(inputs, table, increment)
    beside = gather_sensitivity(
        dataset,
        inputs.spec,
        table,
        inputs.units,
        inputs.unit_results,
        unobserved=inputs.unobserved,
        decision=decided,
        seed=inputs.validation.seed,
    )
    scores = replace(_scores(inputs, table, test, increment), sensitivity=beside)
    claim = claims.judge(replace(scores, p_family=test.p))
    return RunResult(
        scores=scores,
        claim=claim,
        predictions=conformal.with_intervals(table[PREDICTION_COLUMNS], inputs.conformal),
        folds=_folds(table),
        null=null,
        shap=shap,
        features=features,
        circuits=circuits,
        modalities=explanations.modality_table(dataset, shap),
        biomarkers=biomarkers.biomarker_table(features, circuits, scores, claim),
        flow=dataset.flow,
        spec_toml=inputs.spec_toml,
        tags={**_tags(inputs), "claim": claim.verdict},
        params=_params(inputs),
        decision_curve=curve,
        inner_folds=_inner_folds(inputs),
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
        inference.FamilyMember(group=_shuffles(run), observed=run.scores.performance.r2, null=_null_of(run))
        for run in runs
    ]
    counted = [None] * len(runs) if viewings is None else viewings
    smallest = inference.smallest_family_p([(member.group, len(member.null)) for member in members])
    judged = [
        replace(_corrected(run.scores, *p, viewing), smallest_p=least)
        for run, p, least, viewing in zip(runs, _family(members), smallest, counted, strict=True)
    ]
    held = [_held_member(run) or member for run, member in zip(runs, members, strict=True)]
    smallest = inference.smallest_family_p([(member.group, len(member.null)) for member in held])
    finished = []
    for run, scores, p, least, viewing in zip(runs, judged, _family(held), smallest, counted, strict=True):
        beside = scores.baseline_held
        if beside is not None:
            scores = replace(scores, baseline_held=replace(_corrected(beside, *p, viewing), smallest_p=least))
        finished.append(_finish(run, scores))
    return tuple(finished)


def _family(members: Sequence[inference.FamilyMember]) -> list[tuple[float | None, int]]:
    """Corrected p of each member, and over how many the correction goes."""
    corrected, size = inference.correct_family(members)
    return [(p, size) for p in corrected]


def _held_member(run: RunResult) -> inference.FamilyMember | None:
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
    return inference.FamilyMember(group, held.performance.r2, np.asarray(run.null[BASELINE_HELD], dtype=float))


def _corrected(scores: Scores, p_family: float | None, family_size: int, viewing: Viewing | None) -> Scores:
    others = 0 if viewing is None else viewing.others
    p_family = None if scores.test.p is None else p_family
    p_claim = None if p_family is None else inference.held_to_earlier_looks(p_family, family_size, others)
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
        scores=replace(run.scores, notes=tuple(dict.fromkeys(notes))),
        features=explanations.without_ranking(run.features),
        circuits=explanations.without_ranking(run.circuits),
        modalities=explanations.without_ranking(run.modalities),
    )


def with_baseline_held(run: RunResult, held: RunResult) -> RunResult:
    """The run with its numbers where the baseline score is held fixed beside its own.

    Parameters
    ----------
    held : RunResult
        The same run with the baseline score in the nuisance block, as `reduce_run` gives it. What a reader is told
        beside the numbers of the run itself, and the pairs of participants, are not kept twice.
    """
    influence = held.scores.influence
    if influence is not None:
        influence = replace(influence, by_pair=(), lowest_pair=None, pairs_refitted=0)
    scores = replace(held.scores, influence=influence, sensitivity=Sensitivity(), shuffled=None)
    null = run.null
    if len(held.null) == len(null):
        null = null.assign(**{BASELINE_HELD: held.null["r2"].to_numpy()})
    return replace(run, scores=replace(run.scores, baseline_held=scores), null=null)


# ---------------------------------------------------------------------------------------------------------- scores


def _scores(inputs: RunInputs, table: pd.DataFrame, test: PermutationTest, increment: Increment | None) -> Scores:
    dataset, outcome = inputs.dataset, inputs.dataset.outcome
    gap = explanations.additivity(inputs.unit_results)
    notes = [*dataset.notes, *outcome.notes, *inputs.warnings]
    notes += _division_in_words(inputs)
    notes += conformal.in_words(dataset, inputs.conformal, inputs.validation.leave_out)
    if not explanations.additive(gap, linear=inputs.residualised, outcome_sd=float(np.std(dataset.y, ddof=1))):
        notes.append(f"the SHAP values miss their predictions by up to {gap:.2g} {outcome.unit}: do not use them")
    performance = _performance(inputs, "main")
    across_sites, within_sites = _sites_left_out(inputs, performance.r2)
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
        n_features=dataset.X.shape[1],
        performance=replace(performance, bootstrap=intervals.subject_bootstrap(table, seed=inputs.validation.seed)),
        procedures=tuple(_performance(inputs, name) for name in _procedures(inputs) if name != "main"),
        test=test,
        p_family=None,
        family_size=0,
        increment=increment,
        influence=_influence(inputs, table),
        ceiling=outcome.reliability,
        tuning=_tuning(inputs.unit_results),
        shap_additivity=gap,
        synthetic=inputs.synthetic,
        seed=inputs.validation.seed,
        validation=validation_in_words(inputs.validation, inputs.unit_results)
        + tuning_in_words(inputs.learner, inputs.validation),
        confounds=dataset.confounds.variables,
        clinical_model=dataset.clinical.variables,
        notes=tuple(dict.fromkeys(notes)),
        design=inputs.design,
        outcome_kind=outcome.kind,
        forced=dataset.forced.variables,
        reference=_reference(inputs),
        n_sites=0 if dataset.sites is None else len(set(dataset.sites)),
        leave_out=inputs.validation.leave_out or "",
        across_sites=across_sites,
        within_sites=within_sites,
        sites_held=None if inputs.site_held is None else _on_folds(inputs, inputs.site_held),
        undeclared=inputs.undeclared,
        blind_fits=inputs.blind_fits,
        shuffled=_shuffled(inputs),
        capped=inputs.capped,
        baseline=inputs.baseline,
        sources=dataset.sources,
    )


def _procedures(inputs: RunInputs) -> list[str]:
    """Procedures that every unit ran, in the order of the first unit."""
    ordered = metrics.in_order(inputs.unit_results)
    return list(ordered[0].procedures)


def _performance(inputs: RunInputs, procedure: str) -> Performance:
    dataset = inputs.dataset
    table = metrics.long_table(dataset, inputs.unit_results, procedure)
    found = metrics.performance(procedure, table, dataset.outcome.type)
    interval, total = intervals.intervals_of(dataset, *_of_interval(inputs), procedure)
    return replace(found, interval=interval, interval_total=total)


def _of_interval(inputs: RunInputs) -> tuple[Sequence[WorkUnit], Sequence[UnitResult]]:
    """Units of the division that intervals come from: one of its own where the folds are not repeated 5-fold."""
    if inputs.interval_results:
        return inputs.interval_units, inputs.interval_results
    return inputs.units, inputs.unit_results


def _division_in_words(inputs: RunInputs) -> list[str]:
    """That the intervals come from other folds than the estimates they stand beside."""
    if not inputs.interval_results:
        return []
    repeats = len({result.repeat for result in inputs.interval_results})
    return [
        f"the 95 % intervals come from {repeats} x 5-fold cross-validation whatever the outer folds are, so an "
        "estimate need not lie in the middle of its interval"
    ]


def _reference(inputs: RunInputs) -> str:
    """What r2 is measured against, in words."""
    held = inputs.dataset.nuisance.variables
    return f"the confounds-only model ({', '.join(held)})" if held else "the training mean"


def _shuffled(inputs: RunInputs) -> Shuffled | None:
    """The reduction of the run once more, on shuffled outcomes, beside the middle 95 % of the permuted r2."""
    if inputs.shuffled is None:
        return None
    dataset, units, results = inputs.shuffled
    results = results if inputs.residualised else metrics.against_better_reference(results)
    alone = replace(inputs, dataset=dataset, units=units, unit_results=results, interval_units=(), interval_results=())
    found = _performance(alone, "main")
    null = inference.permuted_r2(inputs.unit_results, "main")[1:]
    low, high = np.quantile(null, [0.025, 0.975]).tolist() if len(null) else (float("nan"), float("nan"))
    return Shuffled(found.r2, found.interval, len(found.r2_by_repeat), low, high)


def _sites_left_out(inputs: RunInputs, r2: float) -> tuple[float | None, float | None]:
    """r2 for whole sites left out, and the same within them: of the run itself where it leaves sites out."""
    dataset = inputs.dataset
    if inputs.validation.leave_out == "site" and dataset.sites is not None:
        if not r2 > 0 or len(set(dataset.sites)) < SITES_TO_LEAVE_OUT:
            return None, None
        return r2, metrics.r2_within_sites(metrics.long_table(dataset, inputs.unit_results, "main"))
    if inputs.sites_left_out is None:
        return None, None
    dataset, _, results = inputs.sites_left_out
    results = results if inputs.residualised else metrics.against_better_reference(results)
    within = metrics.r2_within_sites(metrics.long_table(dataset, results, "main"))
    return float(inference.permuted_r2(results, "main")[0]), within


def _on_folds(inputs: RunInputs, analysed: Analysed) -> Performance:
    """Scores of the run made once more on K folds, whatever the run itself does with sites."""
    dataset, units, results = analysed
    results = results if inputs.residualised else metrics.against_better_reference(results)
    validation = inputs.validation.model_copy(update={"leave_out": None})
    folds = replace(
        inputs,
        dataset=dataset,
        units=units,
        unit_results=results,
        validation=validation,
        interval_units=(),
        interval_results=(),
    )
    return _performance(folds, "main")


def _influence(inputs: RunInputs, table: pd.DataFrame) -> Influence | None:
    if inputs.influence is None:
        return None
    r2, refitted, repeats = inputs.influence
    used = table[table["repeat"] < repeats]
    if not inputs.residualised and not refitted:
        r2 = metrics.r2_without_each(used)  # against the better reference
    pairs = inputs.pairs if refitted else lowest_pairs(used, r2)
    by_pair = tuple(sorted(pairs, key=lambda pair: (pair[2], pair)))[:PAIRS]
    by_participant = tuple(sorted(r2.items()))
    values = [value for _, value in by_participant]
    return Influence(
        lowest=min(values),
        highest=max(values),
        n_not_positive=sum(not value > 0 for value in values),
        refitted=refitted > 0,
        n_refitted=int(refitted),
        repeats=repeats,
        by_participant=by_participant,
        lowest_pair=by_pair[0][2] if by_pair else None,
        pairs_refitted=len(by_pair) if refitted else 0,
        by_pair=by_pair,
    )


def _decision(
    inputs: RunInputs, table: pd.DataFrame, increment: Increment | None
) -> tuple[pd.DataFrame | None, Decision | None]:
    """Decision curve of a binary outcome, beside the best clinical model."""
    if inputs.dataset.outcome.type != "binary":
        return None, None
    best = "" if increment is None else increment.against
    clinical = metrics.long_table(inputs.dataset, inputs.unit_results, best) if best else None
    curve = decision.decision_curve(table, clinical)
    return curve, decision.decision(curve, best)


def _tuning(results: Sequence[UnitResult]) -> dict[str, float | int | str]:
    """Low median of numbers, so that it is a value that was chosen; the most frequent of words."""
    chosen: dict[str, list[float | int | str]] = {}
    for result in metrics.in_order(results):
        for name, value in result.procedures["main"].chosen.items():
            chosen.setdefault(name, []).append(value)
    return {name: _typical(values) for name, values in sorted(chosen.items())}


def _typical(values: list[float | int | str]) -> float | int | str:
    numbers = [value for value in values if not isinstance(value, str)]
    if len(numbers) == len(values):
        return median_low(numbers)
    counts = Counter(str(value) for value in values)
    return min(counts, key=lambda value: (-counts[value], value))


def validation_in_words(validation: ValidationSpec, results: Sequence[UnitResult]) -> str:
    """ "50 x 5-fold, 5 inner folds, participants never split"."""
    if validation.leave_out == "site":
        return f"one of {len({result.fold for result in results})} sites left out at a time, in the inner folds too"
    repeats = len({result.repeat for result in results})
    folds = max(Counter(result.repeat for result in results).values())
    given = " as given" if validation.folds is not None else ""
    whole = f"{validation.groups} never split" if validation.groups else "participants never split"
    return f"{repeats} x {folds}-fold{given}, {validation.inner} inner folds, {whole}"


def tuning_in_words(learner: LearnerSpec, validation: ValidationSpec) -> str:
    """What a search for settings was given, where there is one; a permutation test gives both sides the same."""
    if not isinstance(learner, XGBoostSpec):
        return ""
    if validation.permutations == 0 or learner.trials <= learner.permuted_trials:
        return f", {learner.trials} settings tried per fold"
    return (
        f", {learner.permuted_trials} settings tried per fold, as in every permutation (not the {learner.trials} of "
        "trials)"
    )


# ---------------------------------------------------------------------------------------- permutations, increment


def _permutations(inputs: RunInputs) -> tuple[pd.DataFrame, PermutationTest, Increment | None]:
    r2 = inference.permuted_r2(inputs.unit_results, "main")
    test = inference.permutation_test(r2, scheme=inputs.permutation_scheme, refused=inputs.permutation_refused)
    null = pd.DataFrame({"permutation": np.arange(1, len(r2)), "r2": r2[1:]})
    increment = None
    if "increment" in _procedures(inputs) and _clinical(inputs):
        added = inference.permuted_r2(inputs.unit_results, "increment")
        increment = _increment(inputs, added)
        if len(added) == len(r2):
            null["increment"] = added[1:]
    return null, test, increment


def _clinical(inputs: RunInputs) -> list[str]:
    return [name for name in _procedures(inputs) if name.startswith("clinical")]


def _increment(inputs: RunInputs, statistic: np.ndarray) -> Increment:
    """What the features add to the best clinical model; the baseline gets its best shot (METHODS 2.3)."""

    def losses(procedure: str) -> metrics.HeldOutLosses:
        return metrics.held_out_losses(inputs.dataset, inputs.units, inputs.unit_results, procedure)

    def of_interval(procedure: str) -> metrics.HeldOutLosses:
        return metrics.held_out_losses(inputs.dataset, *_of_interval(inputs), procedure)

    baselines = {name: losses(name) for name in _clinical(inputs)}
    best = min(baselines, key=lambda name: (float(baselines[name].model.sum()), name))
    added = losses("increment")
    delta = delta_r2(baselines[best], added)
    joint = delta_r2(baselines[best], losses("joint")) if "joint" in _procedures(inputs) else float("nan")
    scheme = f"{inputs.permutation_scheme}; the clinical variables held fixed as well"
    tested = len(statistic) > 1 or inputs.permutation_refused
    return Increment(
        delta_r2=delta,
        interval=intervals.increment_interval(of_interval(best), of_interval("increment")),
        test=inference.permutation_test(statistic, scheme=scheme, refused=inputs.permutation_refused)
        if tested
        else None,
        against=best,
        joint_delta_r2=joint,
    )


def delta_r2(clinical: metrics.HeldOutLosses, added: metrics.HeldOutLosses) -> float:
    """(SSE of clinical - SSE of clinical and features) / SSE of the training mean, by repeat, averaged over repeats."""
    return float(np.mean((clinical.model - added.model).sum(axis=0) / added.mean.sum(axis=0)))


def _null_of(run: RunResult) -> np.ndarray:
    """Permuted r2 of a run; empty where it has no p, so that it is not counted in the family."""
    if run.scores.test.p is None:
        return np.empty(0)
    return np.asarray(run.null["r2"], dtype=float)


def _shuffles(run: RunResult) -> Hashable:
    return run.tags["shuffles_digest"]


# ----------------------------------------------------------------------------------------------- tables and labels


def _folds(table: pd.DataFrame) -> pd.DataFrame:
    """participant_id, then the fold of every repeat; a person's rows share a fold."""
    first = table.drop_duplicates(["participant_id", "repeat"])
    wide = first.pivot(index="participant_id", columns="repeat", values="fold").sort_index()
    wide.columns = pd.Index([f"repeat_{repeat}" for repeat in wide.columns])
    return wide.reset_index()


def _inner_folds(inputs: RunInputs) -> pd.DataFrame | None:
    """participant_id, then for every outer fold the inner fold that each of its training participants was held out in.

    None where no unit has inner folds; a person's rows share a fold.
    """
    people = inputs.dataset.rows["participant_id"].to_numpy(dtype=str)
    everyone, of_row = np.unique(people, return_inverse=True)
    columns: dict[str, Any] = {"participant_id": everyone}
    for unit in sorted((unit for unit in inputs.units if unit.inner), key=lambda unit: (unit.repeat, unit.fold)):
        number = pd.array([pd.NA] * len(everyone), dtype="Int64")
        for inner, split in enumerate(unit.inner):
            number[of_row[split.test]] = inner
        columns[f"repeat_{unit.repeat}_fold_{unit.fold}"] = number
    return pd.DataFrame(columns) if len(columns) > 1 else None


def _tags(inputs: RunInputs) -> dict[str, str]:
    dataset = inputs.dataset
    return {
        "claim_kind": dataset.outcome.claim,
        "modalities": ", ".join(sorted(set(dataset.features["modality"]))),
        "outcome": dataset.outcome.label,
        "design": inputs.design,
        "arms": ", ".join(dataset.outcome.arms),
        "data": "synthetic" if inputs.synthetic else "real",
        "people_digest": dataset.people_digest,
        "shuffles_digest": _shuffles_digest(inputs),
        "data_hash": dataset.data_hash,
        "spec_hash": inputs.spec_hash,
    }


def _shuffles_digest(inputs: RunInputs) -> str:
    """Equal for runs whose permutation b is the same shuffle of the same rows."""
    dataset = inputs.dataset
    who = dataset.rows[["participant_id", "session"]].to_csv(index=False)
    exchangeable = json.dumps([np.asarray(dataset.blocks).tolist(), np.asarray(dataset.groups).tolist()])
    digest = hashlib.sha256(f"{who}\n{exchangeable}\n{inputs.validation.seed}".encode())
    held = dataset.nuisance.values
    if dataset.outcome.type == "binary" and held.shape[1]:
        # Labels are permuted as the covariates held fixed allow, and these may differ between feature sets.
        spread = held.std(axis=0)
        standardised = (held - held.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
        digest.update(np.asarray(dataset.y, dtype=float).tobytes() + np.round(standardised, 9).tobytes())
    return digest.hexdigest()[:16]


def _params(inputs: RunInputs) -> dict[str, Any]:
    """At most 15 flat parameters for the tracker."""
    dataset, validation = inputs.dataset, inputs.validation
    repeats = len({result.repeat for result in inputs.unit_results})
    return {
        "feature_set": dataset.feature_set,
        "model": inputs.learner.label,
        "sources": ", ".join(dataset.sources),
        "sessions": ", ".join(inputs.spec.change or inputs.spec.sessions),
        "outcome_kind": dataset.outcome.kind,
        "n_participants": dataset.n_participants,
        "n_features": dataset.X.shape[1],
        "repeats": repeats,
        "outer": validation.outer if validation.leave_out is None else f"leave one {validation.leave_out} out",
        "inner": validation.inner,
        "permutations": validation.permutations,
        "seed": validation.seed,
        "confounds": ", ".join(dataset.confounds.variables),
        "adjusted_for": ", ".join(dataset.forced.variables),
        "clinical_model": ", ".join(dataset.clinical.variables),
    }
