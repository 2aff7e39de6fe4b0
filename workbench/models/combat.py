"""ComBat: location and scale of every feature at every site, learnt in a training set and applied to anybody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from workbench.errors import FitError, Problem, listed
from workbench.models.preprocessing import Floats
from workbench.models.state import Stateful
from workbench.models.transformer import Transformer

Labels = NDArray[np.str_]
Unseen = Literal["refuse", "reference", "none"]

CHANGE, MOST_STEPS = 1e-10, 1000
"""Largest relative change of the estimates at which their iteration stops, and its longest."""
CONSTANT = 1e-12
"""Share of the mean square of a feature below which its residual is rounding: it is left as it is."""
SPANNED = 1e-9
"""Share of its own norm below which nothing of a preserved covariate is left within sites."""


class ComBat(Transformer):
    """Take differences of location and scale between batches out of the features.

    X_ij = a_j + z_i' b_j + s_j (g_kj + d_kj e_ij) for row i of batch k and feature j: a, b, s by least squares, g and
    d by parametric empirical Bayes over the features of a batch. Given back is a_j + z_i' b_j + s_j e_ij. What was
    learnt in the rows of `fit` is applied to any others. Missing values stay missing.

    Parameters
    ----------
    unseen : {"refuse", "reference", "none"}
        What becomes of rows of a batch that was not seen: an error, or they are left as they are.
    reference : str, optional
        The batch that others are brought to, itself unchanged; where the rows of `fit` lack it, the largest batch of
        those stands in. Default: all are brought to the mean of all rows.
    location_only_below : int
        Batches with fewer rows are shifted, not scaled. Below 2 there is nothing to scale by.
    pools : ndarray of int, shape (n_features,), optional
        Features of one number share their priors; default: all do.

    Attributes
    ----------
    harmoniser_ : Harmoniser

    References
    ----------
    Johnson, W. E., Li, C., Rabinovic, A. (2007). Biostatistics 8, 118-127.
    Fortin, J.-P. et al. (2018). NeuroImage 167, 104-120.

    Examples
    --------
    >>> X = np.array([[0.0, 2.0, 1.0], [2.0, 1.0, 3.0], [10.0, 12.0, 11.0], [12.0, 11.0, 13.0]])
    >>> harmonised = ComBat(location_only_below=3).fit_transform(X, batch=["a", "a", "b", "b"])
    >>> bool(np.abs(harmonised[2:] - harmonised[:2]).max() < 0.2)  # it was 10; shifts are shrunken, so not 0
    True
    """

    allows_nan = True

    def __init__(
        self,
        *,
        unseen: Unseen = "refuse",
        reference: str | None = None,
        location_only_below: int = 10,
        pools: NDArray[np.intp] | None = None,
    ) -> None:
        self.unseen = unseen
        self.reference = reference
        self.location_only_below = location_only_below
        self.pools = pools

    def fit(
        self, X: Floats, y: Any = None, *, batch: Sequence[str] | Labels | None = None, preserve: Floats | None = None
    ) -> ComBat:
        """Learn from rows of which it is known where they were measured; without `batch`, all are of one."""
        from sklearn.utils.validation import validate_data

        X = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan")
        labels, preserved = _beside(len(X), batch, preserve)
        pools = np.zeros(X.shape[1], dtype=np.intp) if self.pools is None else np.asarray(self.pools)
        model = _Model(X, labels, preserved, pools, self.location_only_below, self.reference)
        self.harmoniser_ = model.harmoniser(refuses=self.unseen == "refuse")
        return self

    def transform(
        self, X: Floats, *, batch: Sequence[str] | Labels | None = None, preserve: Floats | None = None
    ) -> Floats:
        """Harmonised features, (n_rows, n_features)."""
        from sklearn.utils.validation import check_is_fitted, validate_data

        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan", reset=False)
        return self.harmoniser_.harmonised(X, *_beside(len(X), batch, preserve))

    def fit_transform(self, X: Floats, y: Any = None, **beside: Any) -> Floats:
        """`fit`, then `transform` of the same rows."""
        return self.fit(X, y, **beside).transform(X, **beside)


def _beside(
    n_rows: int, batch: Sequence[str] | Labels | None, preserve: Floats | None
) -> tuple[NDArray[np.str_], Floats]:
    labels = np.full(n_rows, "all") if batch is None else np.asarray(batch, dtype=np.str_)
    preserved = np.empty((n_rows, 0)) if preserve is None else np.asarray(preserve, dtype=float)
    if labels.shape != (n_rows,) or preserved.ndim != 2 or len(preserved) != n_rows:
        raise ValueError(f"X has {n_rows} rows, batch {labels.shape} and preserve {preserved.shape}")
    return labels, preserved


@dataclass(frozen=True, eq=False)
class Harmoniser(Stateful):
    """What ComBat learnt.

    Attributes
    ----------
    labels : ndarray of str, shape (n_batches,)
        Sorted.
    mean : ndarray of shape (n_features,)
        Of the training rows, or of the reference.
    slopes : ndarray of shape (n_preserved, n_features)
        Of the features on the covariates that are preserved.
    scale : ndarray of shape (n_features,)
        SD of what is left.
    shift, spread : ndarray of shape (n_batches, n_features)
        gamma* and the square root of delta*, in units of `scale`: 0 and 1 where nothing is changed.
    refuses : bool
        Whether rows of another batch are an error.
    """

    labels: Labels
    mean: Floats
    slopes: Floats
    scale: Floats
    shift: Floats
    spread: Floats
    refuses: bool

    def harmonised(self, X: Floats, labels: Labels, preserved: Floats) -> Floats:
        """Features without the differences between batches, (n_rows, n_features).

        Parameters
        ----------
        X : ndarray of shape (n_rows, n_features)
            NaN for missing values.
        labels : ndarray of str, shape (n_rows,)
        preserved : ndarray of shape (n_rows, n_preserved)

        Raises
        ------
        FitError
            For rows of a batch that was not seen, where these are refused.
        """
        at = np.minimum(np.searchsorted(self.labels, labels), len(self.labels) - 1)
        known = self.labels[at] == labels
        if self.refuses and not known.all():
            raise FitError(_unseen(sorted(set(labels[~known].tolist()))))
        out = np.array(X, dtype=float)
        for row in range(len(self.labels)):
            members = np.flatnonzero(known & (at == row))
            expected = self.mean + preserved[members] @ self.slopes
            rest = out[members] - expected - self.scale * self.shift[row]
            rest /= self.spread[row]
            out[members] = expected + rest
        return out


def _unseen(labels: Sequence[str]) -> Problem:
    found = f"nobody at {listed(map(repr, labels), 3)} is among the training participants, so it cannot be harmonised"
    hint = (
        'balance the folds on it (strata = ["site"] in [validation]), leave these participants out, or say what '
        'becomes of them: unseen = "reference" or "none" in [harmonise]'
    )
    return Problem("harmonise", found, hint)


class _Model:
    """The least-squares fit of location, covariates and scale, and the empirical Bayes estimates on top of it."""

    def __init__(
        self, X: Floats, labels: Labels, preserved: Floats, pools: NDArray[np.intp], fewest: int, reference: str | None
    ) -> None:
        self.X, self.pools, self.fewest = X, pools, fewest
        self.labels, self.codes, self.counts = np.unique(labels, return_inverse=True, return_counts=True)
        self.reference = None if not reference else self._reference_at(reference)
        self.members = np.equal.outer(self.codes, np.arange(len(self.labels))).astype(float)
        self.preserved = preserved
        self.separable = _separable(preserved, self.members, self.counts)

    def _reference_at(self, reference: str) -> int:
        at = np.flatnonzero(self.labels == reference)
        return int(at[0]) if len(at) else int(self.counts.argmax())

    def harmoniser(self, *, refuses: bool) -> Harmoniser:
        """Everything learnt."""
        n_batches, n_features = len(self.labels), self.X.shape[1]
        means, slopes = self._least_squares()
        rest = self.X - self.members @ means - self.preserved @ slopes
        own = slice(None) if self.reference is None else self.codes == self.reference
        of_feature = ~np.isnan(self.X)
        mean = self._grand_mean(means, of_feature)
        scale = np.sqrt(_nanmean(np.square(rest[own])))
        size = np.sqrt(_nanmean(np.square(self.X)))
        varies = scale > CONSTANT * size
        scale = np.where(varies, scale, 1.0)
        standard = (self.X - mean - self.preserved @ slopes) / scale
        shift, spread = np.zeros((n_batches, n_features)), np.ones((n_batches, n_features))
        for row in range(n_batches):
            rows = standard[self.codes == row]
            for pool in np.unique(self.pools):
                there = np.flatnonzero((self.pools == pool) & varies & ~np.isnan(rows).all(axis=0))
                if len(there) and row != self.reference:
                    shift[row, there], delta = _empirical_bayes(rows[:, there], scales=len(rows) >= self.fewest)
                    spread[row, there] = np.sqrt(delta)
        return Harmoniser(self.labels, np.nan_to_num(mean), slopes, scale, shift, spread, refuses)

    def _least_squares(self) -> tuple[Floats, Floats]:
        """Mean of every batch at 0 of the covariates, and their slopes: (n_batches, p) and (n_preserved, p)."""
        design = np.column_stack([self.members, self.preserved[:, self.separable]])
        missing = np.isnan(self.X)
        holes = missing.any(axis=0)
        coefficients = np.empty((design.shape[1], self.X.shape[1]))
        coefficients[:, ~holes] = np.linalg.lstsq(design, self.X[:, ~holes], rcond=None)[0]
        for column in np.flatnonzero(holes):
            there = ~missing[:, column]
            coefficients[:, column] = np.linalg.lstsq(design[there], self.X[there, column], rcond=None)[0]
        n_batches = len(self.labels)
        slopes = np.zeros((self.preserved.shape[1], self.X.shape[1]))
        slopes[self.separable] = coefficients[n_batches:]
        return coefficients[:n_batches], slopes

    def _grand_mean(self, means: Floats, there: NDArray[np.bool_]) -> Floats:
        if self.reference is not None:
            of_reference: Floats = means[self.reference]
            return of_reference
        counts = self.members.T @ there
        total: Floats = (counts * means).sum(axis=0) / np.maximum(counts.sum(axis=0), 1)
        return total


def _separable(preserved: Floats, members: Floats, counts: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Covariates of which something is left within batches, given those before; others cannot be told from batches."""
    kept = np.zeros(preserved.shape[1], dtype=bool)
    basis = members / np.sqrt(counts)
    for column, values in enumerate(preserved.T):
        rest = values - basis @ (basis.T @ values)
        rest -= basis @ (basis.T @ rest)
        norm = float(np.linalg.norm(rest))
        kept[column] = norm > SPANNED * float(np.linalg.norm(values))
        if kept[column]:
            basis = np.column_stack([basis, rest / norm])
    return kept


def _empirical_bayes(rows: Floats, *, scales: bool) -> tuple[Floats, Floats]:
    """gamma* and delta* of one batch, each (n_features,), with priors over its features.

    Parameters
    ----------
    rows : ndarray of shape (n_of_batch, n_features)
        Standardised; every feature has a value.
    scales : bool
        Without, delta is 1.
    """
    n = (~np.isnan(rows)).sum(axis=0)
    gamma = np.nanmean(rows, axis=0)
    around = np.nansum(np.square(rows - gamma), axis=0)
    measured = n >= 2
    delta = np.where(measured, around / np.maximum(n - 1, 1), 1.0)
    delta = np.where(delta > 0, delta, 1.0) if scales else np.ones(len(n))
    if len(n) < 2:  # one feature has no prior
        return gamma, delta
    centre, spread = gamma.mean(), gamma.var(ddof=1)
    if not scales:
        return _posterior_mean(gamma, centre, spread, n, delta), delta
    among = delta[measured] if measured.any() else delta
    location, dispersion = among.mean(), among.var(ddof=1) if len(among) > 1 else 0.0
    if not dispersion > 0:  # all features have one scale: it is known
        fixed = np.full(len(n), location)
        return _posterior_mean(gamma, centre, spread, n, fixed), fixed
    shape = 2 + location**2 / dispersion
    rate = location * (shape - 1)
    for _ in range(MOST_STEPS):
        new = _posterior_mean(gamma, centre, spread, n, delta)
        squares = around + n * np.square(gamma - new)
        scale = (0.5 * squares + rate) / (n / 2 + shape - 1)
        change = float(np.max(np.abs(scale - delta) / delta))
        delta = scale
        if change < CHANGE:
            break
    return _posterior_mean(gamma, centre, spread, n, delta), np.where(measured, delta, 1.0)


def _posterior_mean(gamma: Floats, centre: float, spread: float, n: NDArray[np.int_], delta: Floats) -> Floats:
    """Johnson et al. (2007), equation (3.1)."""
    weight = spread * n
    mean: Floats = (weight * gamma + delta * centre) / (weight + delta)
    return mean


def _nanmean(values: Floats) -> Floats:
    there = ~np.isnan(values)
    mean: Floats = np.where(there, values, 0.0).sum(axis=0) / np.maximum(there.sum(axis=0), 1)
    return mean
