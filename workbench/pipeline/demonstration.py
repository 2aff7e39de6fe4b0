"""The demo: a trial simulated and analysed step by step, and what was found set beside what was planted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from workbench.errors import Problem, SpecError, quoted
from workbench.pipeline.checks import check
from workbench.pipeline.experiment import run
from workbench.pipeline.freezing import Frozen, freeze
from workbench.pipeline.permissions import no_wider_than_study
from workbench.pipeline.progress import Progress
from workbench.pipeline.scaffold import simulate_study
from workbench.pipeline.store import FinishedRun, list_runs
from workbench.pipeline.study_data import features
from workbench.specs import spec_hash
from workbench.specs.cohort import COHORT_FILE
from workbench.study import Study, open_study

MAIN_DEMO, CONTROL_DEMO = "shaps_ketamine_minus_placebo", "shuffled_outcome"

DEMO_MODELS: Mapping[str, tuple[str, ...]] = {"demo": (), "review": ("ridge",)}
"""Models that the demo runs of a preset: all, or where there are many people only what takes minutes."""


@no_wider_than_study
def demo(
    *,
    study: str | Path = ".",
    preset: str = "demo",
    jobs: int | None = None,
    say: Callable[[str], None] = print,
    progress: Progress | None = None,
) -> tuple[FinishedRun, ...]:
    """Simulate a trial, build its tables, run its experiments, and set what was found beside what was planted.

    Parameters
    ----------
    study : path
        This repository, a copy of the demo study, or a folder to write it into, made where it does not exist. The
        current folder is written into only where it is the demo study already.
    preset : str
        ``demo``, in the demo study or a new folder; ``review`` (623 people, ridge alone), in a new folder.
    jobs : int, optional
        Work units at a time; default: all cores. Never changes a number.
    say : callable
        Takes each line of the story; every step begins with the command that a user would type.
    progress : Progress, optional

    Returns
    -------
    tuple of FinishedRun
        Those of the main question first. What an earlier demo left, of the same data and questions, is not run again.

    Raises
    ------
    SpecError
        If the folder is another study, or the current folder and no study; nothing is written then.
    """
    from workbench.execution import cores, forks_kept

    root = Path(study)
    _refuse_other_folders(root, preset)
    where = "" if root == Path(".") else f" --study {quoted(root)}"
    say(f"$ workbench simulate {quoted(root)} --preset {preset}")
    written = simulate_study(root, preset=preset)
    truth = _truth(open_study(root))
    say(f"  {_who_was_simulated(truth)}: {len(written)} files; what is true of it is in sources/truth.json.")
    say(f"$ workbench features{where}")
    for name, (table, _) in features(study=root, progress=progress).items():
        n = table.rows["participant_id"].nunique()
        say(f"  {name}: {n} participants, {table.values.shape[1]} features")
    with forks_kept(cores(jobs)):  # before the first thread, which planning starts
        finished = _frozen_and_run(root, preset=preset, where=where, jobs=jobs, say=say, progress=progress)
    main = [each for each in finished if each.result.scores.experiment == MAIN_DEMO]
    for line in found_beside_planted(truth, main):
        say(line)
    best = main[0]
    say(f"$ workbench export {best.run_id[:8]} --to OUT{where}     everything a supplement needs")
    say(f"$ workbench ui{where}                         prints the address of the study's start page")
    say("$ workbench init mystudy --design crossover     begin your own")
    return (*main, *(each for each in finished if each not in main))


def _frozen_and_run(
    root: Path, *, preset: str, where: str, jobs: int | None, say: Callable[[str], None], progress: Progress | None
) -> list[FinishedRun]:
    """The main question frozen, then every experiment run that was not: controls first, the main question last."""
    say(f"$ workbench freeze {MAIN_DEMO}{where}")
    for plan in freeze([MAIN_DEMO], study=root, progress=progress):
        say(f"  its plan is written down before any result is viewed; its primary run is {_primary(plan)}.")
    only = DEMO_MODELS[preset]
    names = sorted(open_study(root).experiment_paths, key=lambda each: (each == MAIN_DEMO, each != CONTROL_DEMO, each))
    there = runs_of_before(root, only=only, progress=progress)
    of_models = "".join(f" --only {model}" for model in only)
    finished: list[FinishedRun] = []

    def shown(run: FinishedRun) -> None:
        finished.append(run)
        say(f"  {run.one_line()}")

    for name in (each for each in names if each in there):
        say(f"$ workbench run {name}{of_models}{where}")
        say("  was run before on these very data; not run again:")
        for each in there[name]:
            shown(each)
    missing = [each for each in names if each not in there]
    if missing:
        say(f"$ workbench run {' '.join(missing)}{of_models}{where}")
        run(missing, study=root, only=only, jobs=jobs, resume=True, progress=progress, on_finished=shown)
    return finished


def _refuse_other_folders(root: Path, preset: str) -> None:
    """Only the demo study, or a folder that the user names for it, is written into."""
    from workbench.simulate.config import TrialConfig
    from workbench.simulate.study_files import study_files

    named = "name a folder for it: workbench demo --study DIR"
    cohort = root / COHORT_FILE
    if cohort.is_file():
        config = TrialConfig.review() if preset == "review" else TrialConfig.demo()
        if cohort.read_bytes() != study_files(config)[COHORT_FILE].encode("utf-8"):
            raise SpecError(Problem(str(root.resolve()), "is a study, and not that of the demo", named))
    elif root.resolve() == Path.cwd():
        raise SpecError(Problem(str(root.resolve()), "is not the demo study, and nothing was written here", named))


def runs_of_before(
    root: Path, *, only: Sequence[str] = (), progress: Progress | None = None
) -> dict[str, tuple[FinishedRun, ...]]:
    """The runs of each experiment that are all there already, of the same settings on the same data.

    Parameters
    ----------
    root : Path
        The study folder.
    only : sequence of str
        Kinds of models that are run; default: all.
    progress : Progress, optional

    Returns
    -------
    dict of str to tuple of FinishedRun
        By experiment, in the order of its runs; an experiment of which any run is missing is not in it.
    """
    from workbench.tracking import finished_runs

    if not finished_runs(open_study(root)):
        return {}
    kept = {_what_was_run(each): each for each in reversed(list_runs(study=root))}
    there: dict[str, tuple[FinishedRun, ...]] = {}
    for plan in check(study=root, progress=progress).plans:
        planned = [each for each in plan.runs if not only or each.learner.kind in only]
        keys = [(plan.name, each.name, spec_hash(plan.spec), each.dataset.data_hash) for each in planned]
        if keys and all(key in kept for key in keys):
            there[plan.name] = tuple(kept[key] for key in keys)
    return there


def _what_was_run(finished: FinishedRun) -> tuple[str, ...]:
    scores, tags = finished.result.scores, finished.result.tags
    return scores.experiment, scores.run_name, tags.get("spec_hash", ""), tags.get("data_hash", "")


def _primary(frozen: Frozen) -> str:
    return frozen.plan.primary if frozen.claim is None else frozen.claim.plan.title


def _who_was_simulated(truth: Mapping[str, Any]) -> str:
    config = truth["config"]
    controls = f" and {config['n_controls']} healthy controls" if config["n_controls"] else ""
    return f"A simulated placebo-controlled crossover of {config['n_patients']} patients{controls}"


def found_beside_planted(truth: Mapping[str, Any], runs: Sequence[FinishedRun]) -> Iterator[str]:
    """What the first run found, circuit by circuit, beside the part each circuit was given when the trial was made."""
    first = runs[0].result
    planted = truth["planted"]
    yield ""
    yield (
        f"What was planted, and what {first.scores.display_name} found. In everybody an R2 of {planted['r2']:.2f} "
        "can be "
        f"reached; models trained on {first.scores.n_participants * 4 // 5} participants reached "
        f"{first.scores.performance.r2:.2f}{_usual_r2(truth, first.scores.feature_set)}."
    )
    circuits = first.circuits.set_index("circuit")
    ranks = circuits["mean_abs_shap"].rank(ascending=False)
    yield f"  {'circuit':32}{'part':18}{'rank of SHAP':>14}{'q':>9}  candidate"
    for entry in sorted(truth["circuits"], key=lambda each: ranks.get(each["circuit"], 99.0)):
        name = entry["circuit"]
        if name not in circuits.index:
            continue
        row = circuits.loc[name]
        candidate = "yes" if row["candidate"] else "no"
        yield f"  {name:32}{entry['role']:18}{ranks[name]:>14.0f}{row['q']:>9.3f}  {candidate}"
    yield ""


def _usual_r2(truth: Mapping[str, Any], feature_set: str) -> str:
    """What ridge reaches on average with as many people, where it was worked out."""
    for row in truth.get("r2_achievable", ()):
        if row["score"] == "SHAPS" and row["feature_set"] == feature_set.replace("_", "+"):
            return f", where {row['r2_achievable']:.2f} is usual in trials of this size"
    return ""


def _truth(study: Study) -> dict[str, Any]:
    import json

    truth: dict[str, Any] = json.loads((study.data / "truth.json").read_text(encoding="utf-8"))
    return truth
