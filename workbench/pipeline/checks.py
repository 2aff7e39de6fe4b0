"""What is wrong with a study and what would run: every spec, join and guard, and nothing fitted."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.errors import Problem, Problems
from workbench.pipeline.circuits import without_circuit
from workbench.pipeline.claim_gate import PlannedClaim, planned_claims
from workbench.pipeline.experiment_plan import ExperimentPlan, plan_experiment
from workbench.pipeline.interrupting import can_be_interrupted
from workbench.pipeline.ledger import read_history
from workbench.pipeline.named_estimators import settled
from workbench.pipeline.permissions import no_wider_than_study
from workbench.pipeline.progress import Progress
from workbench.pipeline.study_data import load_study_data, one_or_several, optional_path
from workbench.python_words import in_python
from workbench.records import FeatureTable
from workbench.specs.cohort import COHORT_FILE
from workbench.specs.experiment import ExperimentSpec, source_of
from workbench.study import Study, open_study

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False, repr=False)
class CheckReport:
    """What is wrong, what is worth knowing, and what would run."""

    problems: tuple[Problem, ...]
    plans: tuple[ExperimentPlan, ...]
    tables: Mapping[str, FeatureTable] = field(default_factory=dict)
    claims: Mapping[str, tuple[PlannedClaim, ...]] = field(default_factory=dict)
    """By experiment: what each of its runs can claim, row by row of the claim gate."""
    notes: tuple[str, ...] = ()
    circuits: tuple[str, ...] = ()
    """Features that belong to no circuit, by source, in words."""
    root: Path = Path()
    """Folder of the study."""
    alerts: tuple[str, ...] = ()
    """What may be no measurement, by participant and feature: for the terminal alone."""

    def table(self) -> pd.DataFrame:
        """One row per run that is planned: experiment, run, n, features, warnings, time and what it can claim."""
        import pandas as pd

        at_best = {
            (name, claim.plan.run_name): claim.best_verdict for name, claims in self.claims.items() for claim in claims
        }
        rows = [
            {
                "experiment": plan.name,
                "run": run.name,
                "n": run.dataset.n_participants,
                "features": len(run.dataset.features),
                "warnings": len(run.warnings),
                "time": run.time,
                "at best": at_best.get((plan.name, run.name), ""),
            }
            for plan in self.plans
            for run in plan.runs
        ]
        return pd.DataFrame(rows)

    def __repr__(self) -> str:
        lines = [f"{len(self.problems)} problem{'s' if len(self.problems) != 1 else ''}"]
        lines += [f"{problem.place}: {problem.found}" for problem in self.problems]
        planned = self.table()
        return "\n".join(lines + ([planned.to_string(index=False)] if len(planned) else []))

    def _repr_html_(self) -> str:
        from html import escape

        import pandas as pd

        problems = pd.DataFrame(
            [{"where": each.place, "problem": each.found, "what to do": each.hint} for each in self.problems]
        )
        shown = [table.to_html(index=False) for table in (problems, self.table()) if len(table)]
        in_other_words = in_python("\n".join(map(str, self.problems)))
        shown += [f"<p>{escape(in_other_words)}</p>"] if in_other_words else []
        return "\n".join(shown) or "no problem, and nothing to run"


@can_be_interrupted
@no_wider_than_study
def check(
    experiments: str | Sequence[str] = (),
    *,
    study: str | Path = ".",
    data: str | Path | None = None,
    progress: Progress | None = None,
) -> CheckReport:
    """Check every spec, join and guard, and lay out what would run; nothing is fitted and nothing raised.

    Parameters
    ----------
    experiments : str or sequence of str
        Names or paths; default: all of the study.
    study, data : path
        The study folder, and where its data are if not where ``cohort.toml`` says.
    progress : Progress, optional

    Returns
    -------
    CheckReport
        All problems of all files at once.
    """
    from workbench.tables.exact_zeros import all_exact_zeros

    problems = Problems()
    opened = open_study(Path(study), optional_path(data), problems=problems)
    if opened is None:
        return CheckReport(tuple(problems), ())
    specs = {}
    faulty = {problem.place.partition(":")[0] for problem in problems}
    broken = set()
    for wanted in one_or_several(experiments) or opened.experiment_paths:
        with problems.gather():
            examined = opened.examine(wanted)
            problems.extend(examined.problems)
            spec = examined.spec and settled(opened, examined.name, examined.spec, problems)
            if spec is not None:
                specs[examined.name] = spec
            if examined.problems or (spec is not None and _rests_on(spec, opened, faulty)):
                broken.add(examined.name)
    damage = Problems()
    with damage.gather():
        read_history(opened, specs)
    problems.extend(damage)
    missing = opened.data_problem()
    problems.extend([missing] if missing else [])
    loaded = None if missing else load_study_data(opened, problems=problems, progress=progress)
    if loaded is None:
        return CheckReport(tuple(problems), ())
    planned = [plan_experiment(loaded, name, spec, problems=problems) for name, spec in specs.items()]
    # What a broken file says is not known: its spec finds more problems, and what rests on it is not shown as a plan.
    plans = [plan for plan in planned if plan is not None and plan.name not in broken]
    notes = [
        *loaded.cohort.notes,
        *(f"{table.source}: {note}" for table in loaded.tables.values() for note in table.notes),
    ]
    experiment_plan = tuple(plans)
    claims = {} if list(damage) else {plan.name: planned_claims(opened, plan) for plan in experiment_plan if plan.runs}
    alerts = tuple(zeros.in_words for zeros in all_exact_zeros(tuple(loaded.tables.values())))
    circuits = tuple(lacking.in_words for lacking in without_circuit(opened, loaded.tables.values()))
    return CheckReport(
        tuple(problems), experiment_plan, loaded.tables, claims, tuple(notes), circuits, opened.root, alerts
    )


def _rests_on(spec: ExperimentSpec, study: Study, faulty: Collection[str]) -> bool:
    """Whether the file of the cohort, or of a source that an experiment uses, has problems."""
    used = {source_of(member) for members in spec.feature_sets.values() for member in members} or set(study.sources)
    return bool({COHORT_FILE, *(f"features/{name}.toml" for name in used)} & set(faulty))
