"""Datasets of known truth, made by hand: the tests of this room need no other room."""

import numpy as np
import pandas as pd
import pytest

from workbench.records import FEATURE_COLUMNS, Covariates, Dataset, Outcome


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
