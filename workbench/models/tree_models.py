"""Fitted ensembles of trees: boosted ones as XGBoost writes them, forests as the arrays of their trees."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from workbench.models.preparation import CovariateBasis
from workbench.models.preprocessing import Floats, NuisanceModel, Units
from workbench.models.probabilities import chord, expit
from workbench.models.state import Stateful

if TYPE_CHECKING:
    import xgboost
    from sklearn.ensemble import RandomForestRegressor


@dataclass(frozen=True, eq=False)
class BoostedModel(Stateful):
    """Nuisance model as offset + boosted trees on features and covariates in SD; a `workbench.models.learner.Model`.

    SHAP values are XGBoost's own (path-dependent, 32-bit); what confounds contribute is in the base.
    For a binary outcome contributions to the log-odds are rescaled to probabilities (`probabilities.chord`).

    Attributes
    ----------
    units : Units
        Of the features, then of the covariates.
    scale : float
        What the trees add is multiplied with.
    booster : ndarray of uint8
        The trees as XGBoost's binary JSON (UBJSON).
    logistic : bool
        Whether the trees add to log-odds.
    """

    basis: CovariateBasis
    nuisance: NuisanceModel
    units: Units
    scale: float
    booster: NDArray[np.uint8]
    logistic: bool

    kind: ClassVar[str] = "boosted trees"

    def predict(self, X: Floats, N: Floats) -> Floats:
        """Predictions, (n,); see `Model`."""
        margin = self._offset(N) + self.scale * added_by_trees(self._trees, self._features(X, N))
        return expit(margin) if self.logistic else margin

    def covariates_alone(self, N: Floats) -> Floats:
        """What the trees add to, (n,); see `Model`."""
        return expit(self._offset(N)) if self.logistic else self._offset(N)

    def explain(self, X: Floats, N: Floats) -> tuple[Floats, Floats]:
        """Base (n,) and SHAP values (n, n_features); see `Model`."""
        n_features = X.shape[1]
        raw = self.scale * self._trees.predict(self._rows(X, N), pred_contribs=True).astype(np.float64)
        shap = raw[:, :n_features]
        base: Floats = self._offset(N) + raw[:, n_features:].sum(axis=1)
        if not self.logistic:
            return base, shap
        return expit(base), shap * chord(base, shap.sum(axis=1))[:, None]

    def interactions(self, X: Floats, N: Floats) -> Floats:
        """SHAP interaction values of the features, (n, n_features, n_features): symmetric.

        On the diagonal is what a feature adds by itself. They add up to the SHAP values of `explain`, but for what
        features share with covariates. In units of the outcome, or of log-odds for a binary one.
        """
        n_features = X.shape[1]
        raw = self._trees.predict(self._rows(X, N), pred_interactions=True)[:, :n_features, :n_features]
        values: Floats = self.scale * raw.astype(np.float64)
        return values

    def weights(self, predicted: Floats) -> None:
        """None: not linear."""
        return None

    @cached_property
    def _trees(self) -> xgboost.Booster:
        import xgboost

        trees = xgboost.Booster(model_file=bytearray(self.booster.tobytes()))
        trees.set_param({"nthread": 1})
        return trees

    def _offset(self, N: Floats) -> Floats:
        return self.nuisance.margin(self.basis.rows(N))[:, 0]

    def _rows(self, X: Floats, N: Floats) -> xgboost.DMatrix:
        """Rows without an offset, so that what the trees add is all there is."""
        import xgboost

        return xgboost.DMatrix(self._features(X, N), base_margin=np.zeros(len(X)), nthread=1)

    def _features(self, X: Floats, N: Floats) -> Floats:
        return self.units.applied(np.column_stack([X, N]))


def added_by_trees(booster: xgboost.Booster, features: Floats) -> Floats:
    """What boosted trees add to an offset, (n,), for standardised features (n, n_features + n_nuisance).

    Parameters
    ----------
    booster : xgboost.Booster
    features : ndarray of shape (n, n_features + n_nuisance)

    Returns
    -------
    ndarray of shape (n,)
        In SD of what the nuisance model leaves of the outcome, or log-odds of a binary one.
    """
    import xgboost

    if len(features) == 0:
        return np.empty(0)
    rows = xgboost.DMatrix(features, base_margin=np.zeros(len(features)), nthread=1)
    margin: Floats = booster.predict(rows, output_margin=True).astype(np.float64)
    return margin


@dataclass(frozen=True, eq=False)
class Forest(Stateful):
    """Regression trees of scikit-learn as arrays, the nodes of one tree after those of another.

    Attributes
    ----------
    starts : ndarray of int, shape (n_trees,)
        Number of the root of each tree.
    left, right : ndarray of int, shape (n_nodes,)
        Numbers of the children; -1 for a leaf.
    feature : ndarray of int, shape (n_nodes,)
    threshold : ndarray of shape (n_nodes,)
        Up to which a value goes to the left.
    value : ndarray of shape (n_nodes,)
        Mean of the target in the node.
    weight : ndarray of shape (n_nodes,)
        Training rows in the node.
    """

    starts: NDArray[np.intp]
    left: NDArray[np.intp]
    right: NDArray[np.intp]
    feature: NDArray[np.intp]
    threshold: Floats
    value: Floats
    weight: Floats

    @classmethod
    def of(cls, forest: RandomForestRegressor) -> Forest:
        """The trees of a fitted forest with one target."""
        trees = [one.tree_ for one in forest.estimators_]
        counts = [tree.node_count for tree in trees]
        starts = np.cumsum([0, *counts[:-1]])
        shift = np.repeat(starts, counts)

        def joined(name: str) -> Any:
            return np.concatenate([np.ravel(getattr(tree, name)) for tree in trees])

        left, right = joined("children_left"), joined("children_right")
        inner = left >= 0
        return cls(
            starts,
            np.where(inner, left + shift, -1),
            np.where(inner, right + shift, -1),
            joined("feature"),
            joined("threshold"),
            joined("value"),
            joined("weighted_n_node_samples"),
        )

    def predict(self, features: Floats) -> Floats:
        """Mean over the trees of the leaf that each row falls into, (n,); features are read as 32-bit numbers."""
        read = features.astype(np.float32)
        node = np.tile(self.starts, (len(read), 1))
        row = np.arange(len(read))[:, None]
        while (inner := self.left[node] >= 0).any():
            goes_left = read[row, np.where(inner, self.feature[node], 0)] <= self.threshold[node]
            node = np.where(inner, np.where(goes_left, self.left[node], self.right[node]), node)
        mean: Floats = self.value[node].mean(axis=1)
        return mean

    def contributions(self, features: Floats) -> tuple[float, Floats]:
        """Expected value, and SHAP values (n, n_columns) of `shap.TreeExplainer`, background each tree's own rows."""
        import shap

        trees = {"trees": list(self._each()), "tree_output": "raw_value", "input_dtype": np.float32}
        explainer = shap.TreeExplainer(trees, feature_perturbation="tree_path_dependent")
        raw = np.asarray(explainer.shap_values(features, check_additivity=False), dtype=np.float64)
        return float(np.ravel(explainer.expected_value)[0]), raw

    def _each(self) -> Iterator[dict[str, Any]]:
        """The trees as `shap` takes them; the mean over them is the sum of leaves that are a share each."""
        ends = [*self.starts[1:], len(self.left)]
        for start, end in zip(self.starts, ends, strict=True):
            nodes = slice(start, end)
            leaf = self.left[nodes] < 0
            left, right = (np.where(leaf, -1, children[nodes] - start) for children in (self.left, self.right))
            yield {
                "children_left": left,
                "children_right": right,
                "children_default": left,
                "features": self.feature[nodes],
                "thresholds": self.threshold[nodes],
                "values": self.value[nodes, None] / len(self.starts),
                "node_sample_weight": self.weight[nodes],
            }


@dataclass(frozen=True, eq=False)
class ForestModel(Stateful):
    """Nuisance model as offset + a forest on imputed features and covariates in SD; a `workbench.models.learner.Model`.

    SHAP values are those of `shap.TreeExplainer`, path-dependent; what confounds contribute is in the
    base.

    Attributes
    ----------
    fill : ndarray of shape (n_features,)
        What a missing value becomes: the mean of the training rows.
    units : Units
        Of the features, then of the covariates.
    scale : float
        What the forest predicts is multiplied with.
    """

    basis: CovariateBasis
    nuisance: NuisanceModel
    fill: Floats
    units: Units
    scale: float
    forest: Forest

    kind: ClassVar[str] = "forest"

    def predict(self, X: Floats, N: Floats) -> Floats:
        """Predictions, (n,); see `Model`."""
        return self.covariates_alone(N) + self.scale * self.forest.predict(self._features(X, N))

    def covariates_alone(self, N: Floats) -> Floats:
        """What the forest adds to, (n,); see `Model`."""
        return self.nuisance.predicted(self.basis.rows(N))[:, 0]

    def explain(self, X: Floats, N: Floats) -> tuple[Floats, Floats]:
        """Base (n,) and SHAP values (n, n_features); see `Model`."""
        n_features = X.shape[1]
        expected, raw = self.forest.contributions(self._features(X, N))
        base = self.covariates_alone(N) + self.scale * (expected + raw[:, n_features:].sum(axis=1))
        return base, self.scale * raw[:, :n_features]

    def weights(self, predicted: Floats) -> None:
        """None: not linear."""
        return None

    def _features(self, X: Floats, N: Floats) -> Floats:
        return self.units.applied(np.column_stack([np.where(np.isnan(X), self.fill, X), N]))
