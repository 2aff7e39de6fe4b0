"""The model of everybody analysed: it predicts people in no fold, since they have no outcome or came later."""

from __future__ import annotations

import numpy as np

from workbench.models.estimators import beside_main, make_learner
from workbench.models.learner import Fitted, Fold
from workbench.models.nested_cv import spawned
from workbench.models.procedures import modalities
from workbench.models.splitters import inner_folds
from workbench.records import Dataset
from workbench.specs.experiment import ValidationSpec
from workbench.specs.learners import LearnerSpec

EVERYONE_STREAM = 5
"""Spawn key of its seed, apart from those of `nested_cv`."""


def fit_everyone(dataset: Dataset, learner: LearnerSpec, validation: ValidationSpec) -> Fitted:
    """Fit the observed outcome on all rows of a dataset, tuned in inner folds as in any other fold.

    Nobody is held out, so there is no score here: what it predicts is for other people.

    Returns
    -------
    Fitted
        Without predictions; `Fitted.model` makes the model.
    """
    everyone = np.arange(dataset.n_rows)
    seed = spawned(validation.seed, EVERYONE_STREAM)
    fold = Fold(
        X=dataset.X,
        nuisance=dataset.nuisance.values,
        train=everyone,
        test=everyone[:0],
        inner=inner_folds(dataset, everyone, validation, seed),
        outcome_type=dataset.outcome.type,
        bands=modalities(dataset),
        sites=dataset.sites,
    )
    y = np.asarray(dataset.y, dtype=float)
    return make_learner(beside_main(learner)).fit(fold, y[:, None], seed=seed)
