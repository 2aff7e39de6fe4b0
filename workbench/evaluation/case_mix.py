"""How do the participants of another cohort differ from those whom a model was trained on?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workbench.records import CaseMix, Shift, as_level

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    Values = NDArray[np.float64]

NOTABLE = 0.5
"""Standardised difference from which a feature counts as shifted."""
MOST_LISTED = 10
FOLDS, PENALTY = 5, 1.0
FEWEST_OF_EACH = 20
"""Participants of each cohort below which no model tells them apart."""


def case_mix(
    training: pd.DataFrame,
    external: pd.DataFrame,
    *,
    X_training: Values,
    X_external: Values,
    names: Sequence[str],
    predicted_training: Values,
    predicted_external: Values,
    seed: int,
) -> CaseMix:
    """Variables, features and predictions of the two cohorts side by side.

    Parameters
    ----------
    training, external : DataFrame
        One row per participant; variables with the same names, numbers or text. Those of one alone are left out.
    X_training, X_external : ndarray of shape (n, n_features)
        Features of the model, NaN where missing.
    names : sequence of str
        Of the features.
    predicted_training : ndarray of shape (n_training,)
        Held-out predictions of the training cohort, one each.
    predicted_external : ndarray of shape (n_external,)
    seed : int
        Of the folds of the membership model.

    Returns
    -------
    CaseMix

    References
    ----------
    Debray, T. P. A. et al. (2015). J Clin Epidemiol 68, 279 (case mix, and the membership model). Austin, P. C. (2009).
    Stat Med 28, 3083 (standardised differences).
    """
    shared = [str(column) for column in training if column in external]
    shifts = tuple(shift for name in shared for shift in _shifts(name, training[name], external[name]))
    own = standardised_differences(X_training, X_external)
    order = np.argsort(-np.nan_to_num(np.abs(own)), kind="stable")[:MOST_LISTED]
    means = _means(X_training), _means(X_external)
    largest = tuple(
        Shift(str(names[k]), float(means[0][k]), float(means[1][k]), float(own[k])) for k in order if own[k] == own[k]
    )
    spread = float(np.std(predicted_training))
    return CaseMix(
        variables=shifts,
        n_features=X_training.shape[1],
        n_shifted=int((np.abs(own) > NOTABLE).sum()),
        largest=largest,
        outside=_outside(X_training, X_external),
        spread=float(np.std(predicted_external)) / spread if spread > 0 else float("nan"),
        membership_auc=_membership(
            _columns(training[shared], like=training[shared]).assign(prediction=predicted_training),
            _columns(external[shared], like=training[shared]).assign(prediction=predicted_external),
            seed=seed,
        ),
    )


def standardised_differences(training: Values, external: Values) -> Values:
    """Difference of means, external minus training, over the root mean square of both SDs.

    Parameters
    ----------
    training, external : ndarray of shape (n, n_columns)
        NaN where missing.

    Returns
    -------
    ndarray of shape (n_columns,)
        NaN where neither varies, or nobody has a value.
    """
    spread = np.sqrt((_variances(training) + _variances(external)) / 2)
    difference = _means(external) - _means(training)
    return _quotient(difference, spread, spread > 0)


def _quotient(values: Values, by: Values, where: NDArray[np.bool_]) -> Values:
    """NaN elsewhere."""
    quotient: Values = np.full(len(values), np.nan)
    np.divide(values, by, out=quotient, where=where)
    return quotient


def _means(values: Values) -> Values:
    known = ~np.isnan(values)
    n = known.sum(axis=0)
    sums = np.where(known, values, 0.0).sum(axis=0)
    return _quotient(sums, n, n > 0)


def _variances(values: Values) -> Values:
    known = ~np.isnan(values)
    n = known.sum(axis=0)
    sums = np.where(known, np.square(values - _means(values)), 0.0).sum(axis=0)
    return _quotient(sums, n - 1, n > 1)


def _shifts(name: str, training: pd.Series, external: pd.Series) -> Iterator[Shift]:
    """A number as it is; of text each level as a share."""
    if all(pd.api.types.is_numeric_dtype(each) for each in (training, external)):
        pairs = [(name, training.to_numpy(dtype=float), external.to_numpy(dtype=float))]
    else:
        levels = sorted({as_level(value) for each in (training, external) for value in each.dropna()})
        pairs = [(f"{name}: {level}", _share(training, level), _share(external, level)) for level in levels]
    for label, one, other in pairs:
        difference = standardised_differences(one[:, None], other[:, None])[0]
        yield Shift(label, float(_means(one[:, None])[0]), float(_means(other[:, None])[0]), float(difference))


def _share(values: pd.Series, level: str) -> Values:
    texts = values.map(as_level, na_action="ignore")
    return np.where(values.isna(), np.nan, (texts == level).astype(float))


def _outside(training: Values, external: Values) -> float:
    """Share of the known values that lie outside the range of the training cohort."""
    known = ~np.isnan(external)
    measured = (~np.isnan(training)).any(axis=0)
    low = np.where(np.isnan(training), np.inf, training).min(axis=0)
    high = np.where(np.isnan(training), -np.inf, training).max(axis=0)
    counted = known & measured
    if not counted.any():
        return float("nan")
    out = counted & ((external < low) | (external > high))
    return float(out.sum() / counted.sum())


def _columns(table: pd.DataFrame, *, like: pd.DataFrame) -> pd.DataFrame:
    """Numbers as they are, text as a column for each level of the training cohort but one."""
    columns = {}
    for name in like:
        if all(pd.api.types.is_numeric_dtype(each[name]) for each in (like, table)):
            columns[name] = table[name].astype(float)
        else:
            levels = sorted({as_level(value) for value in like[name].dropna()})[1:]
            columns |= {f"{name}: {level}": pd.Series(_share(table[name], level), table.index) for level in levels}
    return pd.DataFrame(columns, index=table.index)


def _membership(training: pd.DataFrame, external: pd.DataFrame, *, seed: int) -> float | None:
    """Cross-validated AUC of a ridge classifier for the cohort; None where one of them is small."""
    if min(len(training), len(external)) < FEWEST_OF_EACH:
        return None
    X = np.vstack([training.to_numpy(dtype=float), external.to_numpy(dtype=float)])
    X = X[:, _variances(X) > 0]
    X = np.where(np.isnan(X), _means(X), X)
    member = np.repeat([0.0, 1.0], [len(training), len(external)])
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(MEMBERSHIP_STREAM,)))
    fold = np.empty(len(member), dtype=int)
    for value in (0.0, 1.0):
        own = np.flatnonzero(member == value)
        fold[rng.permutation(own)] = np.arange(len(own)) % FOLDS
    areas = [_fold_auc(X, member, fold == k) for k in range(FOLDS)]
    return max(float(np.mean(areas)), 0.5)  # below it where they are alike: held-out folds lean the other way


MEMBERSHIP_STREAM = 16
"""Spawn key of its folds."""


def _fold_auc(X: Values, member: Values, test: NDArray[np.bool_]) -> float:
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score

    mean, spread = X[~test].mean(axis=0), X[~test].std(axis=0)
    Z = (X - mean) / np.where(spread > 0, spread, 1.0)
    model = LogisticRegression(C=PENALTY).fit(Z[~test], member[~test])
    return float(roc_auc_score(member[test], model.decision_function(Z[test])))
