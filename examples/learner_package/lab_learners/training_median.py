"""A learner offered whole: it sees the fold itself, and serves every permuted outcome at once."""

import numpy as np

from workbench.models.learner import Fitted


class TrainingMedian:
    """The median of the training participants, or another quantile, whatever the features.

    Parameters
    ----------
    quantile : float
        Between 0 and 1.
    """

    linear = False
    batched = True
    outcome_types = ("continuous",)

    def __init__(self, quantile=0.5):
        self.quantile = quantile

    def fit(self, fold, Y, *, seed, explain=0):
        """Predict the held-out rows of a fold for every column of Y; from the training rows alone."""
        value = np.quantile(Y[fold.train], self.quantile, axis=0)
        return Fitted(np.tile(value, (len(fold.test), 1)))
