"""The model of everyone analysed, and its predictions for those who have features and no outcome: never a score."""

from __future__ import annotations

import numpy as np

from workbench.errors import FitError
from workbench.models.everyone import StudyModel, fit_everyone
from workbench.models.prepared_learner import model_inputs
from workbench.models.preprocessing import fit_nuisance
from workbench.records import Dataset, ModelState
from workbench.specs.experiment import ValidationSpec
from workbench.specs.learners import LearnerSpec


def model_of_everyone(
    dataset: Dataset, learner: LearnerSpec, validation: ValidationSpec, *, predicts: bool
) -> StudyModel | None:
    """The model fitted to everyone analysed, where prediction may be shown, or where somebody has no outcome.

    Parameters
    ----------
    dataset : Dataset
    learner : LearnerSpec
    validation : ValidationSpec
        Says how the inner folds are drawn.
    predicts : bool
        Whether prediction may be shown: no model is handed on otherwise.

    Returns
    -------
    StudyModel or None
        None also where the learner keeps no model.
    """
    if not predicts and dataset.unobserved is None:
        return None
    return fit_everyone(dataset, learner, validation)


def state_to_keep(model: StudyModel | None) -> ModelState | None:
    """What is written of a model.

    Parameters
    ----------
    model : StudyModel or None

    Returns
    -------
    ModelState or None
        None where there is no model, or its class cannot be written without pickle.
    """
    if model is None:
        return None
    try:
        return ModelState(model.state(), model.holds_participants)
    except FitError:
        return None


def predict_unobserved(dataset: Dataset, everyone: StudyModel | None) -> tuple[np.ndarray, np.ndarray] | None:
    """What the model of everyone analysed predicts for those who have features and no outcome.

    Parameters
    ----------
    dataset : Dataset
    everyone : StudyModel or None
        As `model_of_everyone` gives it.

    Returns
    -------
    predicted, reference : ndarray of shape (n_people,)
        Of *main* and of its nuisance model, in the order of ``dataset.unobserved``; None where there is nobody, or the
        learner keeps no model.
    """
    others = dataset.unobserved
    if others is None or everyone is None:
        return None
    y, binary = np.asarray(dataset.y, dtype=float)[:, None], dataset.outcome.type == "binary"
    reference = fit_nuisance(y, dataset.nuisance.values, others.nuisance, binary=binary).test
    inputs = model_inputs(everyone.model, others.X, others.nuisance, others.batches)
    return everyone.model.predict(*inputs), reference[:, 0]
