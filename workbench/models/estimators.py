"""Every learner, found by kind in `LEARNERS`; ridge has a module of its own, `gram`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import numpy as np

from workbench.models.banded import BandedRidgeLearner
from workbench.models.cpm import CPMLearner
from workbench.models.elastic_net import ElasticNetLearner
from workbench.models.estimator import make_estimator_learner, with_settings
from workbench.models.forest import RandomForestLearner
from workbench.models.fusion import LateFusionLearner
from workbench.models.gram import RidgeLearner
from workbench.models.kernel_ridge import KernelRidgeLearner
from workbench.models.learner import Fitted, Fold, Learner
from workbench.models.linear_machines import LinearSVMLearner, LinearSVRLearner, LogisticRidgeLearner
from workbench.models.pls import PLSLearner
from workbench.models.prepared_learner import PreparedLearner
from workbench.models.preprocessing import impute_means
from workbench.models.screening import Screen
from workbench.models.split_stacks import held_out_references
from workbench.models.trees import XGBoostLearner
from workbench.records import Split
from workbench.specs.learners import ElasticNetSpec, EstimatorSpec, LearnerSpec, ScreenedSpec, XGBoostSpec


def make_learner(spec: LearnerSpec) -> Learner:
    """The learner that a ``[[models]]`` entry asks for, behind a screen where it asks for one.

    Parameters
    ----------
    spec : LearnerSpec

    Returns
    -------
    Learner
    """
    return _screened(spec, LEARNERS[cast(Any, spec).kind](spec))


def _screened(spec: LearnerSpec, learner: Learner) -> Learner:
    return PreparedLearner(learner, Screen(spec.screen)) if isinstance(spec, ScreenedSpec) and spec.screen else learner


GRIDS = {
    "alpha": "alphas",
    "gamma": "gammas",
    "n_components": "n_components",
    "C": "C",
    "max_features": "max_features",
    "min_leaf": "min_leaf",
}
"""Setting that a learner reports to the option of its entry that lists the values tried."""


def make_tuned(spec: LearnerSpec, chosen: Mapping[str, float | int | str]) -> Learner:
    """The learner with the settings that it chose before, to be fitted once more without a search.

    Parameters
    ----------
    spec : LearnerSpec
    chosen : mapping
        As `workbench.models.learner.Fitted.chosen` of an earlier fit.

    Returns
    -------
    Learner
    """
    if isinstance(spec, XGBoostSpec):
        return _screened(spec, XGBoostLearner(spec, chosen))
    if isinstance(spec, ElasticNetSpec):
        return ElasticNetLearner(spec, chosen)
    if isinstance(spec, EstimatorSpec):
        return make_learner(with_settings(spec, chosen))
    fixed = {GRIDS[name]: (value,) for name, value in chosen.items() if GRIDS.get(name) in type(spec).model_fields}
    return make_learner(spec.model_copy(update=fixed))


def as_permuted(spec: LearnerSpec) -> LearnerSpec:
    """The same learner as a permutation test runs it, for the observed outcome and the permuted ones alike.

    Parameters
    ----------
    spec : LearnerSpec

    Returns
    -------
    LearnerSpec
    """
    return spec.as_permuted()


def beside_main(spec: LearnerSpec) -> LearnerSpec:
    """The same learner for what stands beside the main procedure (raw, confounds, increment, joint).

    Parameters
    ----------
    spec : LearnerSpec

    Returns
    -------
    LearnerSpec
    """
    return spec.beside_main()


# ------------------------------------------------------------------------------------------------------- least squares


class LeastSquaresLearner:
    """Ordinary least squares on a few variables beside the nuisance block: the clinical comparator.

    Missing values become the mean of the training rows; of variables that others already span the solution of smallest
    norm is taken. Nothing is tuned, so inner folds are not used. It is the nuisance model with a few variables more:
    probabilities of a binary outcome are kept within (0, 1) as there.
    """

    linear = True
    batched = True

    def fit(self, fold: Fold, Y: np.ndarray, *, seed: int = 0, explain: int = 0) -> Fitted:
        """Fit on the training rows, predict the held-out rows; see `Learner`."""
        return self.fit_together([fold], [Y])[0]

    def fit_together(
        self,
        folds: Sequence[Fold],
        Ys: Sequence[np.ndarray],
        *,
        references: Sequence[np.ndarray] | None = None,
        explain: int = 0,
    ) -> list[Fitted]:
        """`fit` of several folds; see `workbench.models.learner.Together`."""
        complete = not np.isnan(folds[0].X).any() and all(fold.nuisance is folds[0].nuisance for fold in folds)
        designs = [
            np.column_stack([fold.nuisance, impute_means(fold.X, fold.train)])
            for fold in (folds[:1] if complete else folds)
        ] * (len(folds) if complete else 1)
        splits = [Split(fold.train, fold.test) for fold in folds]
        binary = folds[0].outcome_type == "binary"
        return [Fitted(predicted) for predicted in held_out_references(designs, splits, Ys, binary=binary)]


LEARNERS: dict[str, Callable[[Any], Learner]] = {
    "ridge": RidgeLearner,
    "banded-ridge": BandedRidgeLearner,
    "late-fusion": LateFusionLearner,
    "elastic-net": ElasticNetLearner,
    "pls": PLSLearner,
    "kernel-ridge": KernelRidgeLearner,
    "cpm": CPMLearner,
    "xgboost": XGBoostLearner,
    "linear-svr": LinearSVRLearner,
    "random-forest": RandomForestLearner,
    "logistic-ridge": LogisticRidgeLearner,
    "linear-svm": LinearSVMLearner,
    "estimator": make_estimator_learner,
}
"""Kind of a ``[[models]]`` entry to its learner, made from its options."""
