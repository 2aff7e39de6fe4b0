"""Plans frozen: an experiment checked and written down, so that later runs can say whether it is still that plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import Problem, Problems, SpecError, did_you_mean
from workbench.pipeline.checks import check
from workbench.pipeline.claim_gate import PlannedClaim, planned_claims, planned_claims_without_data, that_carries
from workbench.pipeline.experiment_plan import ExperimentPlan
from workbench.pipeline.interrupting import can_be_interrupted
from workbench.pipeline.ledger import history, look_at, plan_now
from workbench.pipeline.named_estimators import all_settled
from workbench.pipeline.permissions import no_wider_than_study
from workbench.pipeline.progress import Progress
from workbench.pipeline.study_data import one_or_several, optional_path
from workbench.specs.experiment import ExperimentSpec
from workbench.study import Study, open_study

if TYPE_CHECKING:
    from workbench.preregistration.frozen import FrozenPlan


HOW_TO_GO_ON = (
    "Why: plans are frozen to be supported by internal validation; as written, this one cannot be.",
    "Either change what is named above, and freeze it then.",
    "Or add --anyway to freeze it as it is: every result will say what its plan could not meet.",
)
"""Below the rows that a plan cannot meet, a line each."""


@dataclass(frozen=True, eq=False)
class Frozen:
    """A plan that is frozen: now, or already and unchanged."""

    plan: FrozenPlan
    runs: tuple[str, ...]
    again: bool = False
    """Whether it had been frozen before, otherwise."""
    unchanged: bool = False
    """Whether nothing was written, since this very plan is frozen already."""
    claim: PlannedClaim | None = None
    """What its primary run can claim, row by row of the claim gate; None where nothing was written."""
    circuits: tuple[str, ...] = ()
    """Features of its sources that belong to no circuit, in words: a circuit that is given later is another plan."""
    held_out: str = ""
    """Who is locked for one final prediction, in words; the rule is part of the plan."""

    def __repr__(self) -> str:
        plan = self.plan
        how = "already, and unchanged since" if self.unchanged else "again" if self.again else "now"
        reaches = "" if self.claim is None else f", which can reach: {self.claim.reach}"
        return f'<{plan.experiment}: frozen on {plan.date[:10]}, {how}; its primary run is "{plan.primary}"{reaches}>'


@can_be_interrupted
@no_wider_than_study
def freeze(
    experiments: str | Sequence[str],
    *,
    study: str | Path = ".",
    data: str | Path | None = None,
    again: bool = False,
    because: str = "",
    anyway: bool = False,
    progress: Progress | None = None,
) -> tuple[Frozen, ...]:
    """Check experiments and write their plans down, so that every later run can say whether it is the plan of before.

    Parameters
    ----------
    experiments : str or sequence of str
        Names or paths. Where the study has no data yet, only its files are checked.
    study, data : path
        The study folder, and where its data are if not where ``cohort.toml`` says.
    again, because : bool, str
        Freeze a plan anew that was changed after it had been frozen, and why; every later run says both.
    anyway : bool
        Also freeze a plan that cannot reach *supported by internal validation* as it is written; every later run says
        which requirements it could not meet.
    progress : Progress, optional

    Returns
    -------
    tuple of Frozen
        One per experiment, in their order.

    Raises
    ------
    WorkbenchError
        With every problem of the study; if a plan is frozen already and changed; if an experiment of several runs
        names no primary one; with every row of the claim gate that no run of the plan can meet. Nothing is written
        then.
    """
    if again != bool(because.strip()):
        raise SpecError(Problem("--again", "needs --because", 'say why: --again --because "the atlas was wrong"'))
    experiments = one_or_several(experiments)
    opened = open_study(Path(study), optional_path(data))
    chosen = all_settled(opened, dict(opened.experiment(wanted) for wanted in experiments))
    plans: dict[str, ExperimentPlan] = {}
    circuits: tuple[str, ...] = ()
    if opened.data_problem() is None:
        report = check(experiments, study=study, data=data, progress=progress)
        if report.problems:
            raise SpecError(report.problems)
        plans = {plan.name: plan for plan in report.plans}
        circuits = report.circuits
    from workbench.preregistration.append_only import locked
    from workbench.preregistration.frozen import record_frozen

    problems = Problems()
    done: list[Frozen] = []
    with locked(opened):
        for name, spec in chosen.items():
            with problems.gather():
                to_freeze = _to_freeze(opened, name, spec, plans.get(name), because.strip(), anyway=anyway)
                done.append(replace(to_freeze, circuits=circuits))
        problems.raise_if_any(SpecError)
        for each in done:
            if not each.unchanged:
                record_frozen(opened, each.plan)
    return tuple(done)


def _to_freeze(
    study: Study, name: str, spec: ExperimentSpec, experiment_plan: ExperimentPlan | None, because: str, *, anyway: bool
) -> Frozen:
    """The plan as it would be written down, or as it stands already."""
    from workbench.preregistration.append_only import now
    from workbench.preregistration.frozen import FrozenPlan, plan_hash, read_frozen, viewed_by
    from workbench.tables.data_digest import data_hash
    from workbench.tables.feature_sets import feature_sets
    from workbench.tables.held_out import in_words

    plan = plan_now(study, name, spec)
    runs = tuple(
        model.run_name(feature_set)
        for feature_set in feature_sets(spec, study.sources)
        for model in spec.models
        if model.runs_on(feature_set)
    )
    earlier = read_frozen(study, name)
    planned = experiment_plan.runs if experiment_plan else ()
    values = {each.name: data_hash(each.dataset, named=False) for each in planned}
    changed = _changed(earlier[-1], plan, values) if earlier else ()
    if earlier and not changed:
        return Frozen(earlier[-1], runs, again=len(earlier) > 1, unchanged=True)
    _may_be_frozen(name, spec, runs, earlier, changed, because)
    claims = planned_claims(study, experiment_plan, frozen_now=True) if experiment_plan and experiment_plan.runs else ()
    claim = that_carries(claims or planned_claims_without_data(study, name, spec))
    if claim.out_of_reach and not anyway:
        file = f"experiments/{name}.toml"
        out_of_reach = [Problem(f"{file}: {row.requirement}", row.missed, row.mend) for row in claim.out_of_reach]
        raise SpecError(out_of_reach, HOW_TO_GO_ON)
    date = now()
    looks = history(study).looks
    frozen = FrozenPlan(
        date=date,
        experiment=name,
        plan_hash=plan_hash(plan),
        primary=spec.primary or runs[0],
        plan=plan,
        data={each.name: each.dataset.data_hash for each in planned},
        viewed_before=viewed_by(looks, look_at(experiment_plan, planned[0]), date)
        if experiment_plan and planned
        else 0,
        because=because,
        out_of_reach=tuple(row.requirement for row in claim.out_of_reach),
        values=values,
    )
    locked = experiment_plan.held_out if experiment_plan else in_words(spec)
    return Frozen(frozen, runs, again=bool(earlier), claim=claim, held_out=locked)


def _changed(frozen: FrozenPlan, plan: Mapping[str, Mapping[str, Any]], values: Mapping[str, str]) -> tuple[str, ...]:
    """What is not as it was frozen: settings, or the data that were there."""
    from workbench.preregistration.frozen import changes

    there = bool(frozen.values) and bool(values)
    same = there and all(values.get(run) == was for run, was in frozen.values.items())
    others = ("the data are not those of that day",) if there and not same else ()
    return (*changes(frozen, plan, same_values=same), *others)


def _may_be_frozen(
    name: str,
    spec: ExperimentSpec,
    runs: Sequence[str],
    earlier: Sequence[FrozenPlan],
    changed: Sequence[str],
    because: str,
) -> None:
    problems, file = Problems(), f"experiments/{name}.toml"
    if len(runs) > 1 and spec.primary is None:
        found = f"has {len(runs)} runs and names none as the one that may carry a claim"
        problems.add(f"{file}: primary", found, f'write it above the first [table], such as primary = "{runs[0]}"')
    if spec.primary is not None and spec.primary not in runs:
        problems.add(f"{file}: primary", f"{spec.primary!r} is not a run", did_you_mean(spec.primary, runs))
    if earlier and not because:
        found = f"was frozen on {earlier[-1].date[:10]} and has changed: {', '.join(changed)}"
        problems.add(file, found, 'change it back, or say why it changed: --again --because "..."')
    if because and not earlier:
        problems.add(file, "was never frozen", "leave out --again and --because")
    problems.raise_if_any(SpecError)
