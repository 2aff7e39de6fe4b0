"""Predictions for people who have features and no outcome: never a score, since they have nothing to score."""

from __future__ import annotations

import numpy as np

from workbench.models.estimators import beside_main, make_learner
from workbench.models.learner import Fold
from workbench.models.nested_cv import modalities, spawned
from workbench.models.preprocessing import fit_nuisance
from workbench.models.splitters import inner_folds
from workbench.records import Dataset
from workbench.specs.experiment import ValidationSpec
from workbench.specs.learners import LearnerSpec

UNOBSERVED_STREAM = 5
"""Spawn key of their seed, apart from those of `nested_cv`."""
MOST_COPIED = 2**28
"""Bytes of X above which it is not copied for the sake of a few people who cannot be scored."""


def predict_unobserved(
    dataset: Dataset, learner: LearnerSpec, validation: ValidationSpec
) -> tuple[np.ndarray, np.ndarray] | None:
    """What a model of everyone analysed predicts for those who have features and no outcome.

    Never a score: these people have nothing to score. It is fitted once, tuned in inner folds as any other.

    Returns
    -------
    predicted, reference : ndarray of shape (n_people,)
        Of *main* and of its nuisance model, in the order of ``dataset.unobserved``; None where there is nobody, or
        where X is too large to be copied beside them (`MOST_COPIED`).
    """
    others = dataset.unobserved
    if others is None or dataset.X.nbytes > MOST_COPIED:
        return None
    n, model = dataset.n_rows, make_learner(beside_main(learner))
    train, test = np.arange(n), np.arange(n, n + len(others.X))
    seed = spawned(validation.seed, UNOBSERVED_STREAM)
    nuisance = np.vstack([dataset.nuisance.values, others.nuisance])
    Y = np.concatenate([np.asarray(dataset.y, dtype=float), np.zeros(len(test))])[:, None]
    fold = Fold(
        X=np.vstack([dataset.X, others.X]),
        nuisance=nuisance,
        train=train,
        test=test,
        inner=inner_folds(dataset, train, validation, seed),
        outcome_type=dataset.outcome.type,
        bands=modalities(dataset),
    )
    binary = fold.outcome_type == "binary"
    reference = fit_nuisance(Y[train], nuisance[train], nuisance[test], binary=binary).test
    return model.fit(fold, Y, seed=seed).predicted[:, 0], reference[:, 0]
