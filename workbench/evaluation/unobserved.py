"""Predictions for people who have features and no outcome: never a score, since they have nothing to score."""

from __future__ import annotations

import numpy as np

from workbench.models.everyone import fit_everyone
from workbench.models.prepared_learner import model_inputs
from workbench.models.preprocessing import fit_nuisance
from workbench.records import Dataset
from workbench.specs.experiment import ValidationSpec
from workbench.specs.learners import LearnerSpec


def predict_unobserved(
    dataset: Dataset, learner: LearnerSpec, validation: ValidationSpec
) -> tuple[np.ndarray, np.ndarray] | None:
    """What the model of everyone analysed predicts for those who have features and no outcome.

    Parameters
    ----------
    dataset : Dataset
    learner : LearnerSpec
    validation : ValidationSpec
        Says how the inner folds are drawn.

    Returns
    -------
    predicted, reference : ndarray of shape (n_people,)
        Of *main* and of its nuisance model, in the order of ``dataset.unobserved``; None where there is nobody, or the
        learner keeps no model.
    """
    others = dataset.unobserved
    if others is None:
        return None
    everyone = fit_everyone(dataset, learner, validation)
    if everyone is None:
        return None
    y, binary = np.asarray(dataset.y, dtype=float)[:, None], dataset.outcome.type == "binary"
    reference = fit_nuisance(y, dataset.nuisance.values, others.nuisance, binary=binary).test
    inputs = model_inputs(everyone.model, others.X, others.nuisance, others.batches)
    return everyone.model.predict(*inputs), reference[:, 0]
