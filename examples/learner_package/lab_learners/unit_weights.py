"""Regression with unit weights: every feature counts the same, with the sign of its correlation."""

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data


class UnitWeights(RegressorMixin, BaseEstimator):
    """An improper linear model: signs are learnt, sizes are not, and one slope is.

    The workbench hands it features that are imputed, residualised and standardised, and the outcome in SD; it would
    tune `least` in the inner folds if an experiment gave several values as `grid`.

    Parameters
    ----------
    least : float
        Features whose absolute correlation with the outcome is smaller are left out.

    References
    ----------
    Dawes, R. M. (1979). American Psychologist 34, 571-582.
    """

    def __init__(self, least=0.0):
        self.least = least

    def fit(self, X, y):
        """Learn the signs and the slope."""
        X, y = validate_data(self, X, y, y_numeric=True)
        centred, target = X - X.mean(axis=0), y - y.mean()
        sizes = np.sqrt(np.square(centred).sum(axis=0) * np.square(target).sum())
        r = np.divide(centred.T @ target, sizes, out=np.zeros(X.shape[1]), where=sizes > 0)
        signs = np.where(np.abs(r) >= self.least, np.sign(r), 0.0)
        score = centred @ signs
        slope = score @ target / (score @ score) if score.any() else 0.0
        self.coef_ = slope * signs
        self.intercept_ = y.mean() - X.mean(axis=0) @ self.coef_
        return self

    def __sklearn_tags__(self):
        """Of a model that is simple on purpose scikit-learn's checks should not expect a high score."""
        tags = super().__sklearn_tags__()
        tags.regressor_tags.poor_score = True
        return tags

    def predict(self, X):
        """Predict."""
        check_is_fitted(self)
        return validate_data(self, X, reset=False) @ self.coef_ + self.intercept_
