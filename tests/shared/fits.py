"""Fits with their explanation and digest side by side, as the tests of learners look at them."""

from types import SimpleNamespace

import numpy as np

from workbench.models import fitted_models
from workbench.models.explanations import explained
from workbench.models.learner import residualises


def explained_fit(learner, fold, Y, *, seed=0, explain=1, circuits=3):
    """What a learner gives back and its explanation; feature k belongs to circuit k modulo `circuits`, 0 for none."""
    fitted = learner.fit(fold, Y, seed=seed, explain=explain)
    of_feature = np.arange(fold.X.shape[1]) % circuits if circuits else None
    explanation = explained(fitted, fold, residualised=residualises(learner), circuits=of_feature)
    return SimpleNamespace(**vars(fitted), **vars(explanation))


def digest(fitted):
    """Of everything that was learnt for the first target."""
    return fitted_models.digest(fitted.model())
