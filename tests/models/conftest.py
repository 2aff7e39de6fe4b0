"""Datasets of known truth, made by hand: the tests of this room need no other room."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.preprocessing import StandardScaler

from workbench.models.learner import Fold
from workbench.records import FEATURE_COLUMNS, Covariates, Dataset, Outcome, Split


@pytest.fixture
def make_dataset():
    """A function that makes a dataset: `signal` features of the first circuit carry `r2` of the outcome."""

    def make(
        n=40,
        p=12,
        *,
        r2=0.0,
        signal=2,
        seed=0,
        rows_per_person=1,
        binary=False,
        missing=0.0,
        confounds=None,
        forced=None,
        clinical=None,
        groups=None,
        blocks=None,
        strata=None,
        sites=None,
        given_folds=None,
        y=None,
    ):
        rng = np.random.default_rng(seed)
        n_rows = n * rows_per_person
        people = np.repeat([f"sub-{number:04d}" for number in range(1, n + 1)], rows_per_person)
        sessions = np.tile([f"ses-{number}" for number in range(1, rows_per_person + 1)], n)
        X = rng.normal(size=(n_rows, p))
        if y is None:
            part = X[:, :signal].sum(axis=1) / np.sqrt(signal)
            y = 10 + 5 * (np.sqrt(r2) * part + np.sqrt(1 - r2) * rng.normal(size=n_rows))
            y = (y > np.median(y)).astype(float) if binary else y
        if missing:
            X[rng.random(X.shape) < missing] = np.nan
        circuits = [("reward", "default", "salience")[min(3 * column // p, 2)] for column in range(p)]
        features = pd.DataFrame({column: [""] * p for column in FEATURE_COLUMNS})
        features["name"] = [f"conn:f{column}" for column in range(p)]
        features["feature"] = [f"f{column}" for column in range(p)]
        features["source"], features["modality"], features["circuit"] = "conn", "connectivity", circuits
        ids = pd.Index(sorted(set(people)), name="participant_id")

        def block(values):
            values = values or {}
            columns = [np.asarray(column, dtype=float) for column in values.values()]
            stacked = np.column_stack(columns) if columns else np.empty((n_rows, 0))
            return Covariates(tuple(values), tuple(values), stacked)

        by_person = np.repeat(np.arange(n), rows_per_person)
        outcome = Outcome(
            label="fall in MADRS",
            unit="points",
            kind="change",
            type="binary" if binary else "continuous",
            claim="prognostic",
            estimand="made up",
            improvement_positive=True,
            values=pd.Series(np.asarray(y)[::rows_per_person], index=ids),
            missing={},
        )
        return Dataset(
            feature_set="conn",
            sources=("conn",),
            rows=pd.DataFrame({"participant_id": people, "session": sessions}),
            X=X,
            features=features,
            y=np.asarray(y, dtype=float),
            outcome=outcome,
            confounds=block(confounds),
            forced=block(forced),
            clinical=block(clinical),
            groups=by_person if groups is None else np.asarray(groups),
            blocks=np.zeros(n_rows, dtype=int) if blocks is None else np.asarray(blocks),
            strata=strata,
            sites=sites,
            availability=pd.DataFrame({"conn": True}, index=ids),
            flow=(),
            people_digest="people",
            data_hash=f"{seed}-{n}-{p}-{r2}-{missing}",
            given_folds=given_folds,
        )

    return make


class StepByStep(RegressorMixin, BaseEstimator):
    """Impute, residualise on the covariates (the last columns of X), standardise, then `fit_model` on the residuals."""

    def __init__(self, fit_model=None, n_covariates=0, setting=None):
        self.fit_model = fit_model
        self.n_covariates = n_covariates
        self.setting = setting

    def fit(self, X, y):
        N = self.covariates(X)
        features = X[:, : X.shape[1] - self.n_covariates]
        self.imputer_ = SimpleImputer(keep_empty_features=True).fit(features)
        filled = self.imputer_.transform(features)
        self.of_features_, self.of_outcome_ = LinearRegression().fit(N, filled), LinearRegression().fit(N, y)
        residual = filled - self.of_features_.predict(N)
        self.kept_ = residual.std(axis=0) > 1e-10 * np.sqrt(np.square(filled).mean(axis=0))
        self.scaler_ = StandardScaler().fit(np.where(self.kept_, residual, 0.0))
        settings = self.setting if isinstance(self.setting, tuple) else (self.setting,)
        self.model_ = self.fit_model(self.prepared(X), y - self.of_outcome_.predict(N), *settings)
        return self

    def predict(self, X):
        return self.of_outcome_.predict(self.covariates(X)) + np.ravel(self.model_.predict(self.prepared(X)))

    def prepared(self, X):
        filled = self.imputer_.transform(X[:, : X.shape[1] - self.n_covariates])
        residual = filled - self.of_features_.predict(self.covariates(X))
        return self.scaler_.transform(np.where(self.kept_, residual, 0.0))

    def covariates(self, X):
        # LinearRegression wants a column where there is no covariate; the intercept makes this one redundant.
        return np.column_stack([np.zeros(len(X)), X[:, X.shape[1] - self.n_covariates :]])


@pytest.fixture
def step_by_step():
    """A function: what scikit-learn predicts for the held-out rows of a fold, and the setting GridSearchCV chose."""

    def predict(fit_model, fold, y, settings):
        place = {row: k for k, row in enumerate(fold.train)}
        inner = [([place[row] for row in one.train], [place[row] for row in one.test]) for one in fold.inner]
        X = np.column_stack([fold.X, fold.nuisance])
        search = GridSearchCV(
            StepByStep(fit_model, fold.nuisance.shape[1]),
            {"setting": list(settings)},
            cv=inner,
            scoring="neg_mean_squared_error",
        ).fit(X[fold.train], y[fold.train])
        return search.predict(X[fold.test]), search.best_params_["setting"]

    return predict


@pytest.fixture
def hard_fold():
    """A function: a fold with latent factors, covariates, holes and columns of very different size, and six targets."""

    def make(n, p, n_covariates, *, seed=0, inner=4, signal=2.0):
        rng = np.random.default_rng(seed)
        latent, N = rng.standard_normal((n, 8)), rng.standard_normal((n, n_covariates)) + 30
        X = latent @ rng.standard_normal((8, p)) + rng.standard_normal((n, p))
        X += 0.3 * N @ rng.standard_normal((n_covariates, p))
        X = X * 10.0 ** rng.uniform(-4, 4, p) + 10 * rng.standard_normal(p)
        X[(rng.random((n, p)) < 0.03) & (rng.random(p) < 0.3)] = np.nan
        y = signal * latent[:, 0] + N.sum(axis=1) + 2 * rng.standard_normal(n)
        Y = np.column_stack([y, *(rng.permutation(y) for _ in range(5))])
        train, test = next(iter(KFold(5, shuffle=True, random_state=seed).split(X)))
        splits = KFold(inner, shuffle=True, random_state=seed).split(train)
        splits = tuple(Split(train[a], train[b]) for a, b in splits)
        return Fold(X, N, train, test, splits), Y

    return make


@pytest.fixture
def make_fold():
    """A function: a fold of independent features, covariates that go with the outcome alone, and the outcome.

    The columns `carriers` make `r2` of what the covariates leave of it; several carriers share a factor.
    """

    def make(n=40, p=10, *, n_nuisance=0, binary=False, missing=0.0, r2=0.6, carriers=(0,), inner=4, seed=0):
        rng = np.random.default_rng(seed)
        X, N = rng.normal(size=(n, p)), rng.normal(size=(n, n_nuisance))
        several = len(carriers) > 1
        if several:
            X[:, carriers] += rng.normal(size=(n, 1))
        part = X[:, carriers].sum(axis=1) / np.sqrt(len(carriers) + several * len(carriers) ** 2)
        y = 20 + 5 * (np.sqrt(r2) * part + np.sqrt(1 - r2) * rng.normal(size=n)) + 4 * N.sum(axis=1)
        y = (y > np.median(y)).astype(float) if binary else y
        X[rng.random(X.shape) < missing] = np.nan
        train, test = next(iter(KFold(5, shuffle=True, random_state=0).split(X)))
        splits = KFold(inner, shuffle=True, random_state=1).split(train)
        splits = tuple(Split(train[a], train[b]) for a, b in splits)
        return Fold(X, N, train, test, splits, "binary" if binary else "continuous"), y

    return make
