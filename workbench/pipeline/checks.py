"""What is wrong with a study and what would run: every spec, join and guard, and nothing fitted."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.errors import Problem, Problems, listed
from workbench.pipeline.circuits import without_circuit
from workbench.pipeline.claim_gate import PlannedClaim, planned_claims, that_carries
from workbench.pipeline.experiment_plan import ExperimentPlan, plan_experiment
from workbench.pipeline.interrupting import can_be_interrupted
from workbench.pipeline.ledger import read_history
from workbench.pipeline.named_estimators import settled
from workbench.pipeline.permissions import no_wider_than_study
from workbench.pipeline.progress import Progress
from workbench.pipeline.study_data import load_study_data, one_or_several, optional_path
from workbench.python_words import in_python
from workbench.records import FeatureTable, Freeze
from workbench.specs.cohort import COHORT_FILE
from workbench.specs.experiment import ExperimentSpec, source_of
from workbench.study import Study, open_study

if TYPE_CHECKING:
    import pandas as pd


MOST_WARNINGS = 5
"""Warnings that a notebook shows."""


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
    in_part: frozenset[str] = frozenset()
    """Experiments among `plans` that have a problem, or rest on a file that has."""

    @property
    def whole_plans(self) -> tuple[ExperimentPlan, ...]:
        """Plans as they would be run."""
        return tuple(plan for plan in self.plans if plan.name not in self.in_part)

    @property
    def changed(self) -> tuple[str, ...]:
        """Frozen plans that are not what they were, each with what was changed, in words."""
        freezes = {name: freeze for name in self.claims if (freeze := self._freeze(name)) is not None}
        return tuple(
            f"{name}: frozen on {freeze.date} and changed since: {words}"
            for name, freeze in freezes.items()
            if (words := "; ".join(_changes(freeze)))
        )

    @property
    def warnings(self) -> tuple[str, ...]:
        """What can change how a result is read, each once."""
        every = (notice for plan in self.plans for notice in plan.warnings if notice.severity == "warning")
        return tuple(dict.fromkeys(map(str, every)))

    @property
    def next_step(self) -> str:
        """The command to type next, of the first experiment that is no control; empty where there is a problem."""
        if self.problems or not self.plans:
            return ""
        freeze = self._freeze(self._main)
        if freeze is None:
            return f"workbench freeze {self._main}{' --anyway' if self._out_of_reach else ''}"
        again = f'workbench freeze {self._main} --again --because "WHY"'
        return again if _changes(freeze) else f"workbench run {self._main}"

    @property
    def why_next(self) -> str:
        """Why the next step is that, where a plan is to be frozen for the first time; empty elsewhere."""
        if not self.next_step or self._freeze(self._main) is not None:
            return ""
        if self._out_of_reach:
            return f"mend first what can be mended: as it is written it misses {listed(self._out_of_reach)}"
        return "before its first run: only then can a claim be more than exploratory"

    @property
    def _out_of_reach(self) -> list[str]:
        """What keeps the first experiment from *supported*, whatever its data say: `freeze` refuses such a plan."""
        claims = self.claims.get(self._main, ())
        return [row.requirement for row in that_carries(claims).out_of_reach] if claims else []

    @property
    def _main(self) -> str:
        """The first experiment that is no control."""
        return next((plan for plan in self.plans if not plan.spec.outcome.shuffle), self.plans[0]).name

    def _freeze(self, name: str) -> Freeze | None:
        viewings = (claim.plan.viewing for claim in self.claims.get(name, ()))
        return next((viewing.freeze for viewing in viewings if viewing is not None), None)

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
                "warnings": sum(notice.severity == "warning" for notice in run.warnings),
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
        lines += self._to_weigh()
        planned = self.table()
        return "\n".join(lines + ([planned.to_string(index=False)] if len(planned) else []))

    def _to_weigh(self) -> list[str]:
        """Plans that were changed since they were frozen, and the first warnings."""
        more = len(self.warnings) - MOST_WARNINGS
        lines = [*self.changed, *(f"Warning: {words}" for words in self.warnings[:MOST_WARNINGS])]
        return [*lines, f"and {more} more in .warnings"] if more > 0 else lines

    def _repr_html_(self) -> str:
        from html import escape

        import pandas as pd

        problems = pd.DataFrame(
            [{"where": each.place, "problem": each.found, "what to do": each.hint} for each in self.problems]
        )
        shown = [table.to_html(index=False) for table in (problems, self.table()) if len(table)]
        in_other_words = in_python("\n".join(map(str, self.problems)))
        shown += [f"<p>{escape(words)}</p>" for words in (in_other_words, *self._to_weigh()) if words]
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
    faulty = {problem.place.partition(":")[0] for problem in problems}
    in_part = frozenset(
        plan.name
        for plan in plans
        if f"experiments/{plan.name}.toml" in faulty
        or _rests_on(plan.spec, opened, faulty)
        or not _sources_of(plan.spec, opened) <= set(loaded.tables)
    )
    return CheckReport(
        tuple(problems), experiment_plan, loaded.tables, claims, tuple(notes), circuits, opened.root, alerts, in_part
    )


def _changes(freeze: Freeze) -> tuple[str, ...]:
    return (*freeze.changed, *(("the data",) if freeze.data_changed else ()))


def _rests_on(spec: ExperimentSpec, study: Study, faulty: Collection[str]) -> bool:
    """Whether the file of the cohort, or of a source that an experiment uses, has problems."""
    files = (f"features/{name}.toml" for name in _sources_of(spec, study))
    return bool({COHORT_FILE, *files} & set(faulty))


def _sources_of(spec: ExperimentSpec, study: Study) -> set[str]:
    return {source_of(member) for members in spec.feature_sets.values() for member in members} or set(study.sources)
