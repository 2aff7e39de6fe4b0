"""Another cohort opened as a frozen model meets it: which study, which participants, which sources stand for which."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from workbench.errors import Problem, Problems, SpecError, did_you_mean
from workbench.pipeline.experiment_plan import locked_people
from workbench.pipeline.frozen_model import FrozenModel
from workbench.pipeline.progress import Progress
from workbench.pipeline.study_data import StudyData, load_study_data, study_with_data
from workbench.records import ExternalRows, FlowStep, Policies
from workbench.specs.experiment import ExperimentSpec, source_of
from workbench.specs.external import ExternalSpec
from workbench.study import Study

HELD_OUT = "held-out participants"
FEW = 20
"""Ids that are listed where an unknown one is asked for."""


@dataclass(frozen=True)
class Wanted:
    """Which cohort is to be predicted, and what is done where it differs.

    Attributes
    ----------
    name : str
        Of the cohort, in ledgers and reports.
    study : Path
        Its folder.
    data : Path or None
    experiment : str
        Experiment of that study that says who and what; empty for that of the run.
    sources : mapping of str to str
        Its sources by the names that the model knows.
    held_out : bool
        Participants of the training study who were locked from the start.
    """

    name: str
    study: Path
    data: Path | None = None
    experiment: str = ""
    sources: Mapping[str, str] = field(default_factory=dict)
    policies: Policies = field(default_factory=Policies)
    held_out: bool = False


def wanted_cohort(
    spec: ExperimentSpec,
    home: Study,
    *,
    study: str | Path | None,
    data: str | Path | None,
    experiment: str | None,
    hold_out: bool,
    policies: Mapping[str, str],
) -> Wanted:
    """Which cohort is meant: a folder, the name of one that the experiment declares, or those who are held out.

    Parameters
    ----------
    spec : ExperimentSpec
        As it stands in the study now: cohorts may be declared after a run.
    home : Study
        Of the run.
    study : str or path, optional
        A folder, or NAME of ``[external.NAME]``; may be left out where the experiment declares one cohort.
    data : str or path, optional
    experiment : str, optional
    hold_out : bool
    policies : mapping of str to str
        Those that the command gives: they go before those of the file.

    Returns
    -------
    Wanted

    Raises
    ------
    SpecError
        If no cohort is meant, or more than one.
    """
    if hold_out:
        if study is not None or experiment is not None:
            found = "stands beside a study: it predicts those whom the experiment of the run locked"
            raise SpecError(Problem("--hold-out", found, "leave --study and --experiment out"))
        own_data = None if data is None else Path(data)
        given = _checked({key: value for key, value in policies.items() if value})
        return Wanted(HELD_OUT, home.root, own_data, policies=given, held_out=True)
    name, declared = _declared(spec, home, study)
    folder = Path(study) if declared is None and study is not None else home.root / (declared or _nothing()).study
    own = declared or ExternalSpec(study=str(folder))
    of_file = {key: getattr(own, key) for key in Policies.__dataclass_fields__}
    chosen = {**of_file, **{key: value for key, value in policies.items() if value}}
    own_data = None if own.data is None else folder / own.data
    return Wanted(
        name=name,
        study=folder,
        data=own_data if data is None else Path(data),
        experiment=experiment or own.experiment or "",
        sources=own.sources,
        policies=_checked(chosen),
    )


def _nothing() -> ExternalSpec:
    raise AssertionError("a cohort is declared or named")


def _declared(spec: ExperimentSpec, home: Study, study: str | Path | None) -> tuple[str, ExternalSpec | None]:
    """Name of a cohort, and what the experiment says of it where it does."""
    declared = spec.external
    if study is None:
        if len(declared) == 1:
            return next(iter(declared.items()))
        found = f"there are {len(declared)}: {', '.join(declared)}" if declared else "the experiment declares none"
        hint = 'name one: --study NAME or a folder; or declare it: [external.NAME] study = ".."'
        raise SpecError(Problem("cohort to predict", found, hint))
    if str(study) in declared:
        return str(study), declared[str(study)]
    folder = Path(study).expanduser().resolve()
    for name, one in declared.items():
        if (home.root / one.study).resolve() == folder:
            return name, one
    if not folder.is_dir():
        hint = did_you_mean(str(study), declared) if declared else "name the folder of a study"
        raise SpecError(Problem(f"--study {study}", "is neither a folder nor a cohort of the experiment", hint))
    return folder.name, None


def _checked(chosen: Mapping[str, str]) -> Policies:
    """Policies whose values are known; from Python any text may come."""
    from typing import get_args

    from workbench.records import MissingFeatures, OtherMeasures, UnseenLevels

    known = {"missing_features": MissingFeatures, "other_measures": OtherMeasures, "unseen_levels": UnseenLevels}
    problems = Problems()
    for key, value in chosen.items():
        allowed = get_args(known[key])
        if value not in allowed:
            problems.add(key, f"is {value!r}", f"one of {', '.join(allowed)}")
    problems.raise_if_any(SpecError)
    return Policies(**chosen)  # type: ignore[arg-type]


@dataclass(frozen=True, eq=False)
class OtherCohort:
    """Another cohort with its data read."""

    wanted: Wanted
    loaded: StudyData
    spec: ExperimentSpec

    @property
    def study(self) -> Study:
        """Whose participants they are."""
        return self.loaded.study


def open_cohort(frozen: FrozenModel, wanted: Wanted, progress: Progress | None = None) -> OtherCohort:
    """Open the study of another cohort, and read the sources that stand for those of a model.

    Parameters
    ----------
    frozen : FrozenModel
    wanted : Wanted
    progress : Progress, optional

    Returns
    -------
    OtherCohort

    Raises
    ------
    WorkbenchError
        With every problem of that study that stands in the way.
    """
    from workbench.tables.acute_change import with_changes

    problems = Problems()
    opened = study_with_data(wanted.study, wanted.data)
    if opened.root == frozen.study.root and not (wanted.held_out or wanted.experiment):
        found = "is the study that the model was trained in"
        hint = "name another one, --hold-out for those whom it locked, or --experiment for other participants of it"
        raise SpecError(Problem(str(wanted.study), found, hint))
    spec = frozen.spec
    if wanted.experiment:
        spec = opened.experiment(wanted.experiment)[1]
    elif not wanted.held_out:
        spec = spec.model_copy(update={"exclude_file": None})  # a list of participants of the training study
    of_model = list(dict.fromkeys(frozen.features["source"]))
    names = {source: wanted.sources.get(source, source) for source in dict.fromkeys(map(source_of, of_model))}
    there = {source: name for source, name in names.items() if name in opened.sources}
    for source, name in wanted.sources.items():
        if name not in opened.sources:
            problems.add(f"sources: {source}", f"{name!r} is no source there", did_you_mean(name, opened.sources))
    problems.raise_if_any(SpecError)
    loaded = load_study_data(opened, list(dict.fromkeys(there.values())), problems=problems, progress=progress)
    problems.raise_if_any()
    assert loaded is not None
    by_own_name = {source: replace(loaded.tables[name], source=source) for source, name in there.items()}
    tables = with_changes(frozen.spec, by_own_name)
    tables = {source: tables[source] for source in of_model if source in tables}
    return OtherCohort(wanted, replace(loaded, tables=tables), spec)


def rows_of(
    frozen: FrozenModel, cohort: OtherCohort, *, participant: str | None = None, with_outcome: bool = True
) -> ExternalRows:
    """Participants of another cohort as a frozen model takes them.

    Parameters
    ----------
    frozen : FrozenModel
    cohort : OtherCohort
    participant : str, optional
        Only this one, by any id that a file of the cohort may write.
    with_outcome : bool

    Returns
    -------
    ExternalRows

    Raises
    ------
    WorkbenchError
        With everything that stands in the way.
    """
    from workbench.tables.external_rows import external_rows
    from workbench.tables.people import flow_step, select_people

    loaded, wanted = cohort.loaded, cohort.wanted
    people: tuple[str, ...]
    flow: tuple[FlowStep, ...] = ()
    if participant is not None:
        people = (_one(loaded, participant),)
    else:
        people, flow = select_people(cohort.spec, loaded.cohort, _exclusions(loaded, cohort.spec))
    if cohort.study.root == frozen.study.root and not wanted.held_out:
        locked = set(locked_people(loaded, frozen.spec)) & set(people)
        if locked:
            found = f"{len(locked)} of them are locked by the experiment of the run"
            raise SpecError(Problem("participants", found, "--hold-out opens those who are locked, once"))
    if wanted.held_out:
        locked = set(locked_people(loaded, frozen.spec))
        if not locked:
            found = "nobody is held out by the experiment of the run"
            raise SpecError(Problem("--hold-out", found, '[validation] hold_out = { site = ["S3"] }, before it is run'))
        others = {person: "not held out" for person in people if person not in locked}
        people = tuple(person for person in people if person in locked)
        flow = (*flow, flow_step("held out", len(people), others))
    timings = {
        source: getattr(cohort.study.sources[wanted.sources.get(source_of(source), source_of(source))], "timing", None)
        for source in loaded.tables
    }
    return external_rows(
        cohort.spec,
        loaded.cohort,
        loaded.tables,
        timings,
        frozen.trained,
        people,
        flow,
        policies=wanted.policies,
        where=wanted.name,
        with_outcome=with_outcome,
    )


def _one(loaded: StudyData, participant: str) -> str:
    person = loaded.cohort.resolve(participant)
    if person is None:
        keys = loaded.cohort.keys
        hint = did_you_mean(loaded.cohort.key(participant), keys) if len(keys) <= FEW else "see its participants file"
        raise SpecError(Problem(f"--participant {participant}", "is not in that study", hint))
    return person


def _exclusions(loaded: StudyData, spec: ExperimentSpec) -> Mapping[str, str]:
    from workbench.sources.cohort.experiment_tables import read_exclusions

    if spec.exclude_file is None:
        return {}
    return read_exclusions(loaded.study.data / spec.exclude_file, loaded.cohort, loaded.study.cohort.missing)
