"""The frozen model of a finished run, with what was known of its participants as far as their data are here."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.errors import Problem, Problems, SpecError, StoreError, WorkbenchError
from workbench.pipeline.experiment_plan import plan_experiment
from workbench.pipeline.named_estimators import all_settled
from workbench.pipeline.progress import Progress
from workbench.pipeline.study_data import load_study_data
from workbench.records import Dataset, LoggedRun, RunResult, is_availability
from workbench.specs.experiment import ExperimentSpec
from workbench.study import Study, open_study

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from workbench.models.everyone import StudyModel
    from workbench.pipeline.experiment_plan import PlannedRun
    from workbench.tables.external_rows import Trained

NOT_HERE = "the data of the training cohort are not here, or are no longer those that were analysed"


@dataclass(frozen=True, eq=False)
class FrozenModel:
    """The model that was fitted to everyone analysed, as its run left it.

    Attributes
    ----------
    model : StudyModel
    digest : str
        SHA-256 over everything that it learnt.
    features : DataFrame
        `FEATURE_COLUMNS` of its features in its order, and ``phase``.
    dataset : Dataset or None
        The training cohort; None where its data are not here, or are others by now.
    refitted : bool
        It was fitted anew to the same data, since the run left none.
    """

    study: Study
    logged: LoggedRun
    result: RunResult
    spec: ExperimentSpec
    model: StudyModel
    digest: str
    features: pd.DataFrame
    dataset: Dataset | None
    refitted: bool

    @property
    def trained(self) -> Trained:
        """What it must be given."""
        from workbench.tables.external_rows import Trained

        own, model = self.result.scores.baseline, self.model
        codings = tuple(coding for coding in model.covariates if not is_availability(coding.term))
        baseline = own if own in {coding.term for coding in codings} else ""
        in_part = model.takes_absent_modalities
        return Trained(self.features, codings, model.batch, model.preserved, baseline, in_part)

    @property
    def training_mean(self) -> float:
        """Mean outcome of the training cohort."""
        table = self.result.predictions
        return float(table.drop_duplicates("participant_id")["observed"].mean())

    def held_out_means(self) -> pd.DataFrame:
        """Observed and predicted of every training participant while held out, mean over repeats."""
        table = self.result.predictions.groupby("participant_id")[["observed", "predicted"]].mean()
        return table.sort_index()


def open_frozen_model(run: str, study: Path, data: Path | None = None, progress: Progress | None = None) -> FrozenModel:
    """The frozen model of a finished run.

    Parameters
    ----------
    run : str
        As for `show_run`.
    study : Path
        The study that holds it.
    data : Path, optional
        Where its data are.
    progress : Progress, optional

    Returns
    -------
    FrozenModel

    Raises
    ------
    StoreError
        If there is no such run, or it left no model and its data are not here to fit it to.
    """
    from workbench import export, model_files, tracking
    from workbench.specs.reading import read_experiment_spec

    opened = open_study(study, data)
    logged = tracking.find_run(opened, run)
    result = export.read_run(logged.artifacts, tags=logged.tags, shap=False)
    spec = read_experiment_spec(logged.artifacts / "spec.toml")
    refuse_what_predicts_nobody(spec, f"run {logged.run_id[:8]} ({logged.name})")
    planned = training_cohort(opened, logged, spec, progress)
    folder = logged.artifacts / export.MODEL_FOLDER
    kept = (folder / model_files.MANIFEST).is_file()
    model = model_files.load_model(folder) if kept else _refitted(planned)
    if model is None:
        found = f"left no model ({result.claim.verdict}), and {NOT_HERE}"
        raise StoreError(Problem(f"run {logged.run_id[:8]} ({logged.name})", found, "run the experiment again"))
    features = result.features.set_index("name", drop=False).loc[list(model.features)].reset_index(drop=True)
    features = features.assign(phase=_phases(features, opened))
    dataset = None if planned is None else planned.dataset
    return FrozenModel(opened, logged, result, spec, model, state_digest(model), features, dataset, not kept)


def refuse_what_predicts_nobody(spec: ExperimentSpec, where: str) -> None:
    """Models of what is known only after treatment, or seen in nobody, have nothing to be held to in another cohort.

    Parameters
    ----------
    spec : ExperimentSpec
    where : str
        Begins the message: the run.

    Raises
    ------
    SpecError
        With what to do instead.
    """
    if spec.outcome.apart_from is not None:
        found = f"holds the change of {spec.outcome.apart_from} fixed, which is known only after treatment"
        hint = "predict with the run of an experiment without apart_from"
        raise SpecError(Problem(where, f"{found}: it predicts nobody before it", hint))
    if spec.outcome.kind == "treatment-effect":
        found = "predicts the difference between two arms, which is observed in no participant"
        raise SpecError(
            Problem(where, found, "run the same experiment on the other trial, and compare the two reports")
        )


def training_cohort(
    study: Study, logged: LoggedRun, spec: ExperimentSpec, progress: Progress | None
) -> PlannedRun | None:
    """The run as it was planned, with its data; None where these are not here, or are others by now.

    Parameters
    ----------
    study : Study
    logged : LoggedRun
    spec : ExperimentSpec
        As it was run.
    progress : Progress, optional

    Returns
    -------
    PlannedRun or None
    """
    problems = Problems()
    try:
        if study.data_problem():
            return None
        ((_, settled),) = all_settled(study, {logged.experiment: spec}).items()
        loaded = load_study_data(study, problems=problems, progress=progress)
        if loaded is None:
            return None
        plan = plan_experiment(loaded, logged.experiment, settled, problems=problems)
    except WorkbenchError:
        return None
    runs = () if plan is None else plan.runs
    same = (run for run in runs if run.name == logged.name and run.dataset.data_hash == logged.tags.get("data_hash"))
    return next(same, None)


def _refitted(planned: PlannedRun | None) -> StudyModel | None:
    """Fitted to the same data by the same seed: what the run would have left, had its prediction been shown."""
    from workbench.execution import one_blas_thread
    from workbench.models.everyone import fit_everyone

    if planned is None:
        return None
    with one_blas_thread():
        return fit_everyone(planned.dataset, planned.learner, planned.validation)


def state_digest(model: StudyModel) -> str:
    """SHA-256 over everything that a model learnt.

    Parameters
    ----------
    model : StudyModel

    Returns
    -------
    str
    """
    import numpy as np

    content = hashlib.sha256()
    for name, value in sorted(model.state().items()):
        array = np.asarray(value)
        content.update(f"{name}\x1f{array.dtype.str}\x1f{array.shape}\x1e".encode())
        content.update(np.ascontiguousarray(array).tobytes())
    return content.hexdigest()


def _phases(features: pd.DataFrame, study: Study) -> list[str]:
    """When each feature was measured: before, during or after treatment."""
    from workbench.tables.external_rows import phase_of

    timings = {name: getattr(spec, "timing", None) for name, spec in study.sources.items()}
    pairs = zip(features["session"].fillna(""), features["source"], strict=True)
    return [phase_of(str(session), study.cohort.sessions, timings.get(str(source))) for session, source in pairs]


def positions_by_source(features: pd.DataFrame) -> dict[str, np.ndarray]:
    """Columns of each source among the features of a model, in order.

    Parameters
    ----------
    features : DataFrame

    Returns
    -------
    dict of str to ndarray of int
    """
    import numpy as np

    sources = features["source"].to_numpy(dtype=str)
    return {str(name): np.flatnonzero(sources == name) for name in dict.fromkeys(sources)}
