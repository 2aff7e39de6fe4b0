"""Estimators that an experiment names, or that a program hands over, settled before anything is planned.

Classes of other packages are imported here, for `check`, `freeze`, `plan` and `run`, and nowhere else in the main
process; reading, showing and exporting import nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from workbench.errors import Problem, Problems, SpecError
from workbench.records import Notice
from workbench.specs.explaining import place_in_words
from workbench.specs.learners import EstimatorSpec, LearnerSpec
from workbench.study import Study

if TYPE_CHECKING:
    from workbench.records import Dataset
    from workbench.specs.experiment import ExperimentSpec, ValidationSpec

HANDED_OVER = "its estimator was handed over by a program, so no frozen plan holds it"
"""Why a run of such an estimator is exploratory at most."""


def settled(study: Study, name: str, spec: ExperimentSpec, problems: Problems) -> ExperimentSpec | None:
    """An experiment with its estimators looked up, and their parameters written out as they will be used.

    Parameters
    ----------
    study : Study
    name : str
        Of the experiment.
    spec : ExperimentSpec
    problems : Problems
        Takes the problems that are met.

    Returns
    -------
    ExperimentSpec or None
        Models with a problem are left out; None where no other is left.
    """
    if not any(isinstance(model, EstimatorSpec) for model in spec.models):
        return spec
    from workbench.models.estimator_entry import settle
    from workbench.models.estimator_lookup import Allowed
    from workbench.specs.user_configuration import configuration_file, read_user_configuration

    classes: Sequence[str] = ()
    with problems.gather():
        classes = read_user_configuration(study.root).estimators
    allowed = Allowed(study.root, classes, configuration_file())
    models: list[Any] = []
    for position, model in enumerate(spec.models):
        with problems.gather():
            where = f"experiments/{name}.toml: {place_in_words(('models', position))}"
            models.append(settle(model, allowed, where) if isinstance(model, EstimatorSpec) else model)
    return spec.model_copy(update={"models": tuple(models)}) if models else None


def all_settled(study: Study, specs: Mapping[str, ExperimentSpec]) -> dict[str, ExperimentSpec]:
    """Every experiment with its estimators settled.

    Parameters
    ----------
    study : Study
    specs : mapping of str to ExperimentSpec
        By the name of the experiment.

    Returns
    -------
    dict of str to ExperimentSpec

    Raises
    ------
    SpecError
        With every problem of every entry.
    """
    problems = Problems()
    every = {name: settled(study, name, spec, problems) for name, spec in specs.items()}
    problems.raise_if_any(SpecError)
    return {name: spec for name, spec in every.items() if spec is not None}


def with_estimators(spec: ExperimentSpec, estimator: Any, grid: Mapping[str, Sequence[Any]] | None) -> ExperimentSpec:
    """An experiment with estimator objects in place of its models.

    Parameters
    ----------
    spec : ExperimentSpec
    estimator : BaseEstimator or mapping of str to BaseEstimator
        One, or several by the name that their runs are to have.
    grid : mapping of str to sequence, optional
        Values of parameters that are tried in the inner folds.

    Returns
    -------
    ExperimentSpec
        It names no primary run.
    """
    from workbench.models.estimator_entry import handed_over

    several = estimator if isinstance(estimator, Mapping) else {None: estimator}
    models = tuple(handed_over(each, name=name, grid=grid) for name, each in several.items())
    return spec.model_copy(update={"models": models, "primary": None})


def outcome_problems(spec: ExperimentSpec, outcome_type: Any) -> dict[str, Problem]:
    """Estimators that cannot predict an outcome of this type, by the name of their model.

    Parameters
    ----------
    spec : ExperimentSpec
    outcome_type : str
        ``continuous`` or ``binary``.

    Returns
    -------
    dict of str to Problem
    """
    from workbench.models.estimator_entry import outcome_problems as of_one

    estimators = [model for model in spec.models if isinstance(model, EstimatorSpec)]
    return {
        model.label: problem
        for model in estimators
        for problem in of_one(model, outcome_type, f"models: {model.label}")
    }


def notes_and_caps(
    dataset: Dataset, learner: LearnerSpec, validation: ValidationSpec
) -> tuple[tuple[Notice, ...], tuple[str, ...]]:
    """What a reader must know of an estimator, and why its claim is exploratory at most; empty for other models.

    Parameters
    ----------
    dataset : Dataset
    learner : LearnerSpec
    validation : ValidationSpec

    Returns
    -------
    notices : tuple of Notice
    caps : tuple of str

    Raises
    ------
    FitError
        If it cannot be fitted to made-up numbers of this size.
    """
    if not isinstance(learner, EstimatorSpec):
        return (), ()
    from workbench.models.estimator_trial import explanation_in_words, try_estimator

    n, n_features = dataset.n_rows, len(dataset.features)
    trial = try_estimator(
        n, learner.offered(n_features), dataset, learner, outer=validation.outer, inner=validation.inner
    )
    words = explanation_in_words(learner, trial)
    notices = (Notice(words, severity="note"),) if words else ()
    return notices, ((HANDED_OVER,) if learner.handed is not None else ())
