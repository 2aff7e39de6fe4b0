"""The aligned data of an experiment, as a notebook wants them: X, y and what is held fixed, one row per participant."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.errors import Problem, SpecError, did_you_mean
from workbench.pipeline.experiment_plan import open_experiment
from workbench.pipeline.permissions import no_wider_than_study

if TYPE_CHECKING:
    import pandas as pd

    from workbench.models.everyone import StudyModel
    from workbench.records import Covariates, Dataset


@dataclass(frozen=True, eq=False, repr=False)
class AlignedData:
    """What the models of an experiment are given, as tables that share one index (participant_id, session).

    Attributes
    ----------
    X : DataFrame of shape (n_rows, n_features)
        Features in the units of their source, NaN for single missing values.
    y : Series of shape (n_rows,)
        The outcome in its units; 0 and 1 where it is binary.
    confounds : DataFrame of shape (n_rows, n_columns)
        Everything that is held fixed, the baseline score of an ANCOVA outcome included; categories as 0/1 columns.
    clinical : DataFrame of shape (n_rows, n_columns)
        Variables of the clinical model; NaN where missing.
    groups : Series of shape (n_rows,)
        Rows with equal numbers are never split between training and test.
    features : DataFrame
        One row per column of X: source, modality, circuit, regions, unit, ...
    """

    experiment: str
    feature_set: str
    outcome: str
    X: pd.DataFrame
    y: pd.Series
    confounds: pd.DataFrame
    clinical: pd.DataFrame
    groups: pd.Series
    features: pd.DataFrame

    def __repr__(self) -> str:
        n, p = self.X.shape
        held = f", {self.confounds.shape[1]} confound columns" if self.confounds.shape[1] else ""
        return f"<{self.experiment}, {self.feature_set}: {n} rows x {p} features{held}; y: {self.outcome}>"

    def _repr_html_(self) -> str:
        import pandas as pd

        table = pd.concat([self.y, self.confounds, self.X], axis=1)
        return f"<p>{repr(self)[1:-1]}</p>{table.to_html(max_rows=10, max_cols=10)}"


@no_wider_than_study
def aligned_data(
    experiment: str, *, feature_set: str = "", study: str | Path = ".", data: str | Path | None = None
) -> AlignedData:
    """X, y, confounds and groups of one experiment, aligned by participant and session.

    Whatever is fitted on these outside the workbench is not in its ledger of results viewed: a claim that rests on
    such an analysis is not confirmatory.

    Parameters
    ----------
    experiment : str
        Name or path of an experiment file.
    feature_set : str
        Which of its feature sets; may be left out where it has one.
    study, data : path
        The study folder, and where its data are if not where ``cohort.toml`` says.

    Returns
    -------
    AlignedData

    Raises
    ------
    WorkbenchError
        With every problem of the study, or where the feature set is not known.
    """
    _, plan = open_experiment(experiment, study, data)
    datasets = {run.dataset.feature_set: run.dataset for run in plan.runs}
    if not feature_set and len(datasets) == 1:
        feature_set = next(iter(datasets))
    if feature_set not in datasets:
        asked = f"has no feature set {feature_set!r}" if feature_set else "has several feature sets"
        hint = did_you_mean(feature_set, datasets)
        raise SpecError(Problem(f"experiments/{plan.name}.toml", asked, hint))
    return _as_tables(plan.name, datasets[feature_set])


@no_wider_than_study
def fit_model(
    experiment: str, *, run: str = "", study: str | Path = ".", data: str | Path | None = None
) -> StudyModel | None:
    """The model of one run of an experiment, fitted to everybody analysed, for participants whom it never saw.

    Nobody is held out, so this says nothing of how well it predicts: that is what `run` answers.

    Parameters
    ----------
    experiment : str
        Name or path of an experiment file.
    run : str
        Name of one of its runs; may be left out where there is one, or where the file names a primary one.
    study, data : path
        The study folder, and where its data are if not where ``cohort.toml`` says.

    Returns
    -------
    StudyModel or None
        `predict` and `explain` take raw features and covariates; None for learners that keep no model.

    Raises
    ------
    WorkbenchError
        With every problem of the study, where the run is not known, or where it cannot be fitted.
    """
    from workbench.execution import one_blas_thread
    from workbench.models.everyone import fit_everyone

    _, plan = open_experiment(experiment, study, data)
    runs = {one.name: one for one in plan.runs}
    run = run or plan.spec.primary or (next(iter(runs)) if len(runs) == 1 else "")
    if run not in runs:
        problem = f"has no run {run!r}" if run else "has several runs"
        keys = ", ".join(f'"{name}"' for name in runs)
        raise SpecError(Problem(f"experiments/{plan.name}.toml", problem, f"name one: {keys}"))
    chosen = runs[run]
    with one_blas_thread():
        return fit_everyone(chosen.dataset, chosen.learner, chosen.validation)


def _as_tables(experiment: str, dataset: Dataset) -> AlignedData:
    import pandas as pd

    index = pd.MultiIndex.from_frame(dataset.rows[["participant_id", "session"]])

    def table(covariates: Covariates) -> pd.DataFrame:
        return pd.DataFrame(covariates.values, index=index, columns=list(covariates.names))

    return AlignedData(
        experiment=experiment,
        feature_set=dataset.feature_set,
        outcome=dataset.outcome.label,
        X=pd.DataFrame(dataset.measured, index=index, columns=list(dataset.features["name"])),
        y=pd.Series(dataset.y, index=index, name=dataset.outcome.label),
        confounds=table(dataset.nuisance),
        clinical=table(dataset.clinical),
        groups=pd.Series(dataset.groups, index=index, name="group"),
        features=dataset.features.copy(),
    )
