"""A finished run made again from its own experiment file on the study's data, and held against what it left."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.errors import GuardError, Problem, Problems, StoreError
from workbench.pipeline.experiment_plan import ExperimentPlan, PlannedRun, plan_experiment
from workbench.pipeline.interrupting import can_be_interrupted
from workbench.pipeline.named_estimators import all_settled
from workbench.pipeline.notebook_progress import usual_progress
from workbench.pipeline.permissions import no_wider_than_study
from workbench.pipeline.progress import Progress
from workbench.pipeline.reports import FILE as REPORT
from workbench.pipeline.single_run import run_one
from workbench.pipeline.study_data import StudyData, load_study_data, study_with_data
from workbench.records import LoggedRun, RunResult
from workbench.study import Study

if TYPE_CHECKING:
    from workbench.export import FileDifference

NOT_COMPARED = ("figures", REPORT, "environment.txt")
"""Pictures and the page that shows them are drawn from the files that are compared; versions are told apart."""


@dataclass(frozen=True)
class ScratchStudy(Study):
    """A study whose work units and built tables lie in another folder: nothing is written into it, or taken from it."""

    scratch: Path = field(default_factory=Path)

    @property
    def units_dir(self) -> Path:
        """Stored work, in the scratch folder."""
        return self.scratch / "units"

    @property
    def tables_dir(self) -> Path:
        """Built feature tables, in the scratch folder."""
        return self.scratch / "tables"


@dataclass(frozen=True)
class Reproduction:
    """A run that was made again, beside what it left.

    Attributes
    ----------
    run_id, name, experiment : str
        Of the run.
    same : tuple of str
        Files that are equal byte for byte.
    different : tuple of FileDifference
        Files that are not.
    changed : tuple of str
        What is not as it was when the run was made: data, packages, code; a sentence each.
    """

    run_id: str
    name: str
    experiment: str
    same: tuple[str, ...]
    different: tuple[FileDifference, ...]
    changed: tuple[str, ...] = ()

    @property
    def identical(self) -> bool:
        """Whether every file is the same, byte for byte."""
        return not self.different

    @property
    def largest(self) -> float | None:
        """The largest difference between two numbers in one place; None where no number differs so."""
        return max((each.largest for each in self.different if each.largest is not None), default=None)

    @property
    def verdict(self) -> str:
        """One sentence."""
        n = len(self.same) + len(self.different)
        if self.identical:
            return f"identical: all {n} files are the same, byte for byte"
        by = "" if self.largest is None else f"; no number differs by more than {self.largest:.3g}"
        return f"not identical: {len(self.different)} of {n} files differ{by}"

    def __repr__(self) -> str:
        return f"<{self.experiment} | {self.name} | {self.verdict}>"


@can_be_interrupted
@no_wider_than_study
def reproduce(
    run: str = "latest",
    *,
    study: str | Path = ".",
    data: str | Path | None = None,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> Reproduction:
    """Make a finished run again, from its own ``spec.toml`` and the files of the study, and compare what it leaves.

    Feature tables are built anew and every model is fitted anew, in a scratch folder that is gone afterwards: no run is
    kept, nothing of the study is written, and no result counts as viewed. How often the outcome had been looked at, and
    the p-values of the runs that were corrected together with this one, are those of the store.

    Parameters
    ----------
    run : str
        As for `show_run`.
    study, data : path
        The study folder, and where its data are if not where ``cohort.toml`` says.
    jobs : int, optional
        Work units at a time; default: all cores. Never changes a number.
    progress : Progress, optional

    Returns
    -------
    Reproduction

    Raises
    ------
    WorkbenchError
        If there is no such run, its data are not here, or the study no longer holds what the run was made of.
    """
    from workbench import tracking
    from workbench.execution import cores
    from workbench.export import compare_folders, read_run

    opened = study_with_data(study, data)
    logged = tracking.find_run(opened, run)
    kept = read_run(logged.artifacts, tags=logged.tags, shap=False)
    with tempfile.TemporaryDirectory(prefix="workbench-") as folder:
        scratch = ScratchStudy(
            **{each.name: getattr(opened, each.name) for each in fields(opened)}, scratch=Path(folder)
        )
        progress = progress or usual_progress()
        loaded, plan, planned = _planned_again(scratch, logged, progress)
        made = run_one(loaded, plan, planned, jobs=cores(jobs), resume=False, progress=progress)
        result = _judged(opened, logged, kept, made)
        files = _write(result, scratch.scratch / "files", logged.run_id)
        same, different = compare_folders(logged.artifacts, files, leave_out=NOT_COMPARED)
    changed = tuple(_changed(opened, logged, planned))
    return Reproduction(logged.run_id, logged.name, logged.experiment, same, different, changed)


def _planned_again(study: Study, logged: LoggedRun, progress: Progress) -> tuple[StudyData, ExperimentPlan, PlannedRun]:
    """The run as its own experiment file plans it on the data that are here now."""
    from workbench.specs.reading import read_experiment_spec

    spec = read_experiment_spec(logged.artifacts / "spec.toml")
    ((_, settled),) = all_settled(study, {logged.experiment: spec}).items()
    problems = Problems()
    loaded = load_study_data(study, problems=problems, progress=progress)
    problems.raise_if_any()
    assert loaded is not None  # without a cohort there is a problem
    plan = plan_experiment(loaded, logged.experiment, settled, problems=problems)
    problems.raise_if_any(GuardError)
    assert plan is not None
    planned = next((each for each in plan.runs if each.name == logged.name), None)
    if planned is None:
        found = "its experiment has no such run any more: the study's feature sets or sources are others"
        hint = "check out the study as it was (git_commit of the run), then try again"
        raise StoreError(Problem(f"run {logged.run_id[:8]} ({logged.name})", found, hint))
    return loaded, plan, planned


def _judged(study: Study, logged: LoggedRun, kept: RunResult, made: RunResult) -> RunResult:
    """Corrected with the runs that it was corrected with, and judged by what had been viewed then."""
    from workbench.export import read_run
    from workbench.results.family import finish_experiment

    others = [read_run(each.artifacts, tags=each.tags, shap=False) for each in _corrected_together(study, logged)]
    viewings = [kept.scores.viewing, *(other.scores.viewing for other in others)]
    return finish_experiment([made, *others], viewings)[0]


def _corrected_together(study: Study, logged: LoggedRun) -> list[LoggedRun]:
    """The other runs of its command: the neighbours of its line in the ledger, each name once."""
    from workbench import tracking
    from workbench.preregistration.viewed import Look, read_looks

    looks = read_looks(study)
    runs = {each.run_id: each for each in tracking.list_runs(study, logged.experiment)}
    at = next(place for place, look in enumerate(looks) if look.run_id == logged.run_id)
    own, names, together = looks[at], {logged.name}, []

    def take(lines: Sequence[Look]) -> None:
        for look in lines:
            apart = abs(datetime.fromisoformat(look.date) - datetime.fromisoformat(own.date))
            if (look.experiment, look.spec_hash) != (own.experiment, own.spec_hash) or apart > tracking.TOGETHER:
                return
            if look.run in names or look.run_id not in runs:
                return
            names.add(look.run)
            together.append(runs[look.run_id])

    take(looks[at + 1 :])
    take(looks[:at][::-1])
    return together


def _write(result: RunResult, folder: Path, run_id: str) -> Path:
    from workbench import export, model_files

    export.write_run(result, folder, run_id=run_id)
    if result.model is not None and result.claim.shows_prediction:
        model_files.write_model(result, folder / export.MODEL_FOLDER)
    return folder


def _changed(study: Study, logged: LoggedRun, planned: PlannedRun) -> Iterator[str]:
    """What is not as it was when the run was made."""
    from workbench.tracking import git_state

    dataset, tags = planned.dataset, logged.tags
    if dataset.people_digest != tags.get("people_digest"):
        yield "other participants are analysed than then"
    elif dataset.data_hash != tags.get("data_hash"):
        yield "the data are others than then: features, scores or covariates of the same participants"
    yield from _versions(logged.artifacts / "environment.txt")
    now, then = git_state(study.root), tags.get("git_commit", "none")
    if then != now["git_commit"]:
        yield f"the study was at commit {then[:12]} then, and is at {now['git_commit'][:12]} now"
    if tags.get("git_dirty") == "true":
        yield "files of the study differed from its commit then"
    if now["git_dirty"] == "true":
        yield "files of the study differ from its commit now"


def _versions(path: Path) -> Iterator[str]:
    """Packages whose version is another one now."""
    from workbench.export import environment

    kept = path.read_text(encoding="utf-8") if path.is_file() else ""
    then, now = (
        dict(line.split("==", 1) for line in text.splitlines() if "==" in line) for text in (kept, environment())
    )
    for package in sorted({*then, *now}):
        if then.get(package) != now.get(package):
            yield f"{package} was {then.get(package, 'not there')} and is {now.get(package, 'not there')}"
