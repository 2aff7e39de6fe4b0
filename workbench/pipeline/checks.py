"""What is wrong with a study and what would run: every spec, join and guard, and nothing fitted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from workbench.errors import Problem, Problems
from workbench.pipeline.claim_gate import PlannedClaim, planned_claims
from workbench.pipeline.experiment_plan import ExperimentPlan, plan_experiment
from workbench.pipeline.ledger import read_history
from workbench.pipeline.named_estimators import settled
from workbench.pipeline.progress import Progress
from workbench.pipeline.study_data import load_study_data, optional_path
from workbench.records import FeatureTable
from workbench.study import open_study


@dataclass(frozen=True, eq=False)
class CheckReport:
    """What is wrong, what is worth knowing, and what would run."""

    problems: tuple[Problem, ...]
    plans: tuple[ExperimentPlan, ...]
    tables: Mapping[str, FeatureTable] = field(default_factory=dict)
    claims: Mapping[str, tuple[PlannedClaim, ...]] = field(default_factory=dict)
    """By experiment: what each of its runs can claim, row by row of the claim gate."""
    notes: tuple[str, ...] = ()


def check(
    experiments: Sequence[str] = (),
    *,
    study: str | Path = ".",
    data: str | Path | None = None,
    progress: Progress | None = None,
) -> CheckReport:
    """Check every spec, join and guard, and lay out what would run; nothing is fitted and nothing raised.

    Parameters
    ----------
    experiments : sequence of str
        Names or paths; default: all of the study.
    study, data : path
        The study folder, and where its data are if not where ``cohort.toml`` says.

    Returns
    -------
    CheckReport
        All problems of all files at once.
    """
    problems = Problems()
    opened = open_study(Path(study), optional_path(data), problems=problems)
    if opened is None:
        return CheckReport(tuple(problems), ())
    specs = {}
    for wanted in experiments or opened.experiment_paths:
        with problems.gather():
            examined = opened.examine(wanted)
            problems.extend(examined.problems)
            spec = examined.spec and settled(opened, examined.name, examined.spec, problems)
            if spec is not None:
                specs[examined.name] = spec
    damage = Problems()
    with damage.gather():
        read_history(opened, specs)
    problems.extend(damage)
    missing = opened.data_problem()
    problems.extend([missing] if missing else [])
    loaded = None if missing else load_study_data(opened, problems=problems, progress=progress)
    if loaded is None:
        return CheckReport(tuple(problems), ())
    plans = [plan_experiment(loaded, name, spec, problems=problems) for name, spec in specs.items()]
    notes = [
        *loaded.cohort.notes,
        *(f"{table.source}: {note}" for table in loaded.tables.values() for note in table.notes),
    ]
    experiment_plan = tuple(plan for plan in plans if plan)
    claims = {} if list(damage) else {plan.name: planned_claims(opened, plan) for plan in experiment_plan if plan.runs}
    return CheckReport(tuple(problems), experiment_plan, loaded.tables, claims, tuple(notes))
