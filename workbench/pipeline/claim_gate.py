"""The claim gate before anything is run: which of its rows each run can meet, as the study is written."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING

from workbench.pipeline.experiment_plan import ExperimentPlan, PlannedRun
from workbench.pipeline.ledger import look_at, record_of
from workbench.records import AnalysisPlan, GateRow, feature_set_name
from workbench.specs.experiment import BASELINE_HELD, ExperimentSpec, source_of
from workbench.study import Study

if TYPE_CHECKING:
    from workbench.specs.learners import LearnerSpec


@dataclass(frozen=True)
class PlannedClaim:
    """What one run of an experiment can claim as the study is written."""

    plan: AnalysisPlan

    @property
    def rows(self) -> tuple[GateRow, ...]:
        """Every row of the claim gate, with what stands in its way."""
        from workbench.results.requirements import gate_rows

        return gate_rows(self.plan)

    @property
    def out_of_reach(self) -> tuple[GateRow, ...]:
        """The rows that keep it from *supported by internal validation*, whatever the data say."""
        from workbench.results.requirements import out_of_reach

        return out_of_reach(self.plan)

    @property
    def best_verdict(self) -> str:
        """The strongest verdict that it can reach, in words."""
        from workbench.results.requirements import best_verdict

        return best_verdict(self.plan)

    @property
    def reach(self) -> str:
        """The same with the requirements that keep it from more."""
        missed = "; ".join(row.requirement for row in self.out_of_reach)
        return f"{self.best_verdict}{f' (missed: {missed})' if missed else ''}"

    @property
    def is_primary(self) -> bool:
        """Whether it is the run that may carry a claim."""
        return self.plan.primary == self.plan.run_name


def planned_claims(
    study: Study, plan: ExperimentPlan, *, frozen_now: bool = False, observed: ExperimentPlan | None = None
) -> tuple[PlannedClaim, ...]:
    """What every run of an experiment can claim, its data joined; the ledger and the frozen plans are read.

    Parameters
    ----------
    study : Study
    plan : ExperimentPlan
    frozen_now : bool
        As it would be if the plan were frozen now, whatever was frozen before.
    observed : ExperimentPlan, optional
        The same plan with its own outcome, where that of `plan` is simulated: what ledger and frozen plan are held to.

    Returns
    -------
    tuple of PlannedClaim
        One per run of `plan`, in its order.
    """
    from workbench.models.permutations import refusal
    from workbench.preregistration.append_only import now
    from workbench.preregistration.frozen import viewed_by

    refused = [refusal(run.dataset, run.validation.permutations) for run in plan.runs]
    observed = observed or plan
    looks = [look_at(observed, run) for run in observed.runs]
    record = record_of(study, observed, looks)
    smallest = _smallest_p(plan.runs, refused)
    claims = []
    for run, look, why, least in zip(plan.runs, looks, refused, smallest, strict=True):
        viewing = record.viewing(look)
        claims.append(
            PlannedClaim(
                _with_data(
                    plan,
                    run,
                    n_runs=sum(each is not None for each in smallest),
                    refused=why,
                    smallest_p=least,
                    viewed_before=viewed_by(record.ledger, look, now()),
                    viewing=replace(viewing, freeze=None) if frozen_now else viewing,
                )
            )
        )
    return tuple(claims)


def first_result_warnings(study: Study, plans: Sequence[ExperimentPlan]) -> list[str]:
    """What running experiments now costs, where one would be the first result viewed for its outcome.

    Later results for the outcome are corrected for the first one, and only a plan frozen before it can be supported.

    Parameters
    ----------
    study : Study
    plans : sequence of ExperimentPlan
        With the runs that are about to be made, in this order.

    Returns
    -------
    list of str
        A line for each experiment that is the first of its outcome.
    """
    warnings, before = list[str](), set[Hashable]()
    for plan in plans:
        outcomes = {(run.dataset.outcome.label, run.dataset.outcome.arms) for run in plan.runs}
        if not outcomes & before:
            warnings.append(_first_result_warning(study, plan))
        before |= outcomes
    return [warning for warning in warnings if warning]


def _first_result_warning(study: Study, plan: ExperimentPlan) -> str:
    claims = [claim.plan for claim in planned_claims(study, plan)]
    viewings = [claim.viewing for claim in claims if claim.viewing is not None]
    if not viewings or any(viewing.number > 1 or viewing.freeze is not None for viewing in viewings):
        return ""
    untested = not any(claim.permutations for claim in claims)
    costs = ["its plan is not frozen, so its claim is exploratory at most"]
    costs += ["without permutations it will not be tested (permutations = 1000)"] if untested else []
    return (
        f"{plan.name}: this will be the first result viewed for this outcome, and later ones are corrected for it; "
        f"{'; '.join(costs)}. To change that: Ctrl-C, then workbench freeze {plan.name}, or run --rehearse to try it"
    )


def planned_claims_without_data(study: Study, name: str, spec: ExperimentSpec) -> tuple[PlannedClaim, ...]:
    """The same from the files alone: how many participants and sites there will be is not known.

    Parameters
    ----------
    study : Study
    name : str
        Of the experiment.
    spec : ExperimentSpec

    Returns
    -------
    tuple of PlannedClaim
        One per feature set and model that runs on it.
    """
    from workbench.tables.background import baseline_term
    from workbench.tables.feature_sets import feature_sets
    from workbench.tables.nuisance import nuisance_terms

    sets = feature_sets(spec, study.sources)
    terms = nuisance_terms(spec, study.sources)
    baseline = baseline_term(spec.outcome, study.cohort.sessions)
    runs = [(each, model) for each in sets for model in spec.models if model.runs_on(each)]
    return tuple(
        PlannedClaim(
            AnalysisPlan(
                experiment=name,
                run_name=model.run_name(each),
                outcome_kind=spec.outcome.kind,
                repeats=model.repeats or spec.validation.repeats,
                permutations=_permutations(model, spec),
                n_runs=sum(_permutations(other, spec) > 0 for _, other in runs),
                leave_out=spec.validation.leave_out or "",
                leave_one_out=spec.validation.leave_one_out,
                refuses_sites=_refuses_sites(spec),
                confounds=terms.confounds,
                clinical_model=spec.clinical_model,
                held_fixed=_each_once(
                    terms.forced_columns, terms.confounds, _held_baseline(spec.outcome.kind, baseline)
                ),
                baseline=baseline,
                undeclared=_undeclared(study, sets[each]),
                primary=_primary(spec, [model.run_name(each) for each, model in runs]),
                display_name=f"{model.label} on {feature_set_name(each, sets[each])}",
            )
        )
        for each, model in runs
    )


def that_carries(claims: Sequence[PlannedClaim]) -> PlannedClaim:
    """The primary run, or the first where none is named.

    Parameters
    ----------
    claims : sequence of PlannedClaim
        At least one, of one experiment.

    Returns
    -------
    PlannedClaim
    """
    return next((claim for claim in claims if claim.is_primary), claims[0])


def _with_data(plan: ExperimentPlan, run: PlannedRun, **known: object) -> AnalysisPlan:
    dataset, spec = run.dataset, plan.spec
    held = _each_once(dataset.nuisance.variables, _held_baseline(dataset.outcome.kind, run.baseline))
    return AnalysisPlan(
        experiment=plan.name,
        run_name=run.name,
        claim_kind=dataset.outcome.claim,
        outcome_kind=dataset.outcome.kind,
        repeats=run.validation.repeats,
        permutations=run.validation.permutations,
        n_participants=dataset.n_participants,
        n_sites=dataset.n_sites,
        leave_out=run.validation.leave_out or "",
        leave_one_out=run.validation.leave_one_out,
        refuses_sites=_refuses_sites(spec) and dataset.harmonisation is not None,
        confounds=dataset.confounds.variables,
        clinical_model=_clinical(spec, run),
        held_fixed=held,
        baseline=run.baseline,
        undeclared=run.undeclared,
        capped=run.capped,
        primary=_primary(spec, [each.name for each in plan.runs]),
        display_name=run.display_name,
        **known,  # type: ignore[arg-type]
    )


def _clinical(spec: ExperimentSpec, run: PlannedRun) -> tuple[str, ...]:
    """As declared, without variables that are the same in everyone."""
    there = {*run.dataset.clinical.variables, *run.dataset.nuisance.variables}
    return tuple(term for term in spec.clinical_model if term in there)


def _refuses_sites(spec: ExperimentSpec) -> bool:
    """Whether no whole site can be left out, since it could not be harmonised."""
    return spec.harmonise is not None and (spec.harmonise.batch, spec.harmonise.unseen) == ("site", "refuse")


def _primary(spec: ExperimentSpec, runs: Sequence[str]) -> str:
    return spec.primary or (runs[0] if len(runs) == 1 else "")


def _held_baseline(outcome_kind: str, baseline: str) -> tuple[str, ...]:
    """The baseline score, where the rows of the claim are read from the run that holds it fixed."""
    return (baseline,) if baseline and outcome_kind in (*BASELINE_HELD, "ancova") else ()


def _each_once(*terms: Iterable[str]) -> tuple[str, ...]:
    """The baseline score is in the nuisance block already where the outcome forces it in."""
    return tuple(dict.fromkeys(chain.from_iterable(terms)))


def _permutations(model: LearnerSpec, spec: ExperimentSpec) -> int:
    return spec.validation.permutations if model.permutations is None else model.permutations


def _smallest_p(runs: Sequence[PlannedRun], refused: Sequence[str]) -> list[float | None]:
    """The smallest family-corrected p of each run that its permutations allow."""
    import numpy as np

    from workbench.evaluation.inference import smallest_family_p
    from workbench.models.permutations import is_binary

    def aligned(run: PlannedRun) -> Hashable:
        dataset = run.dataset
        exchangeable = (np.asarray(dataset.blocks).tobytes(), np.asarray(dataset.groups).tobytes())
        # Labels are permuted given the covariates held fixed: with others the shuffles are others too.
        given = (dataset.nuisance.values.tobytes(),) if is_binary(dataset) else ()
        return dataset.people_digest, *exchangeable, run.validation.seed, *given

    return smallest_family_p(
        [(aligned(run), 0 if why else run.validation.permutations) for run, why in zip(runs, refused, strict=True)]
    )


def _undeclared(study: Study, sources: Sequence[str]) -> str:
    from workbench.tables.upstream import undeclared

    return undeclared(study.sources, tuple(dict.fromkeys(map(source_of, sources))))
