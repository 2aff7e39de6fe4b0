"""Leakage check: whether a run learns from those it predicts, seen by fitting it with them replaced by noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from workbench.errors import GuardError, Problem
from workbench.models.estimators import as_permuted, beside_main, make_learner
from workbench.models.fitted_models import digest
from workbench.models.learner import Fitted
from workbench.models.nested_cv import fit_alone, located, spawned
from workbench.models.steps_in_fold import covariance_blocks
from workbench.records import ABSENT, Batches, Covariates, Dataset, FeatureBlocks, Harmonisation, WorkUnit
from workbench.specs.learners import LearnerSpec

NOISE_STREAM = 3
"""Spawn key of its seed, apart from those of `nested_cv`."""
CANARY_SHARE, CANARY_UNITS = 10, 5
"""One unit in ten is fitted blind, at least one and at most five: all folds of a repeat where there are ten repeats."""

ROUNDING = 1e-9
"""Of its size, what may change in an array where held-out rows that lack a modality differ in number: products of
matrices of other shapes are summed in another order. A mean over all rows would move by more than a tenth."""

NOISE_SDS = 10.0
"""Spread of the noise, in SD of what it replaces: whoever looks at it cannot overlook it."""


def canary(dataset: Dataset, units: Sequence[WorkUnit], learner: LearnerSpec, *, permuted: bool) -> int:
    """Fit with the held-out participants replaced by noise: nothing that is learnt may change (METHODS 2.11, L1.2 and
    L1.3).

    Features, covariates and clinical variables of all held-out rows but the first become noise, and so does what a
    harmonisation knows of them; they get the other arm of a trial; and the outcome of all of them is noise. What was
    learnt must be the same to the last bit (`fitted_models.digest`), or but for rounding where rows lack modalities,
    and so must the tuning and the prediction for the first held-out row, which also speaks where a learner keeps no
    model.

    Parameters
    ----------
    dataset : Dataset
    units : sequence of WorkUnit
        Of the run. Learners that serve one target at a time fit a single one, others up to `CANARY_UNITS`.
    learner : LearnerSpec
        Of the run; trees are tuned with fewer trials here (`estimators.beside_main`).
    permuted : bool
        Whether the run tunes as a permutation test does (`estimators.as_permuted`).

    Returns
    -------
    int
        Pairs of fits that were compared.

    Raises
    ------
    GuardError
        If anything changed; names the model, and what to look for.
    """
    spec = beside_main(as_permuted(learner) if permuted else learner)
    model = make_learner(spec)
    most = min(CANARY_UNITS, max(1, len(units) // CANARY_SHARE)) if model.batched else 1
    compared = 0
    for unit in units[:most]:
        blind = _blinded(dataset, unit)
        own = ("main", "increment", "joint") if model.batched and unit is units[0] else ("main",)
        for name in (name for name in unit.procedures if name in own):
            fits = fit_alone(name, dataset, unit, spec), fit_alone(name, blind, unit, spec)
            changed = _changed(*fits, unit, to_the_bit=dataset.complete)
            if changed:
                raise GuardError(located(_looked(learner, changed), unit))
            compared += 1
    return compared


def _digest(fitted: Fitted) -> str:
    return digest(fitted.model()) if fitted.model is not None else ""


def _but_for_rounding(seen: Fitted, blind: Fitted) -> bool:
    """Whether two fits learnt the same, but for the order in which sums were made."""
    if seen.model is None or blind.model is None:
        return seen.model is blind.model
    one, other = seen.model().state(), blind.model().state()
    return one.keys() == other.keys() and all(_alike(value, other[name]) for name, value in one.items())


def _alike(one: Any, other: Any) -> bool:
    one, other = np.asarray(one), np.asarray(other)
    if one.shape != other.shape or one.dtype.kind != "f" or not one.size:
        return bool(np.array_equal(one, other))
    size = np.abs(np.nan_to_num(one)).max()
    return bool(np.allclose(one, other, rtol=0.0, atol=ROUNDING * size, equal_nan=True))


def _looked(learner: LearnerSpec, changed: str) -> Problem:
    found = f"{changed} changed when the held-out participants were replaced by noise: it learns from those it predicts"
    hint = (
        "whatever learns (means, scales, components, selected features, tuning) may read the rows of fold.train alone; "
        "look for a mean, a fit or a selection over all rows"
    )
    return Problem(f"model {learner.label}", found, hint, "T6")


def _changed(seen: Fitted, blind: Fitted, unit: WorkUnit, *, to_the_bit: bool) -> str:
    """What differs between a fit and the same with noise in the held-out rows; empty where nothing does."""
    if _digest(seen) != _digest(blind) and (to_the_bit or not _but_for_rounding(seen, blind)):
        return "what was learnt"
    if dict(seen.chosen) != dict(blind.chosen):
        return "the tuning"
    # Where one row is held out, it is the one that is kept, so nothing but its own outcome was noise.
    same = np.allclose(seen.predicted[0], blind.predicted[0], rtol=1e-9, atol=0.0, equal_nan=True)
    return "" if same else f"the prediction for one of {len(unit.outer.test)} held-out participants"


def _blinded(dataset: Dataset, unit: WorkUnit) -> Dataset:
    """The dataset with noise in its held-out rows, and the first of these kept but for its outcome."""
    rng = np.random.default_rng(spawned(unit.seed, NOISE_STREAM))
    test, others = unit.outer.test, unit.outer.test[1:]

    def covariates(block: Covariates) -> Covariates:
        return replace(block, values=_noise(block.values, others, rng))

    if dataset.outcome.type == "binary":
        y = np.array(dataset.y, dtype=float)
        y[test] = 1.0 - y[test]
    else:
        y = _noise(dataset.y, test, rng)
    if dataset.complete:
        blind = dataset.with_features(_noise_of_features(dataset, others, rng))
    else:
        blind = replace(dataset, feature_blocks=_blinded_blocks(dataset.feature_blocks, others, rng))
    return replace(
        blind,
        y=y,
        confounds=covariates(dataset.confounds),
        forced=covariates(dataset.forced),
        clinical=covariates(dataset.clinical),
        harmonisation=_blinded_batches(dataset.harmonisation, unit, rng),
        treatment=None if dataset.treatment is None else dataset.treatment.exchanged(others),
    )


def _noise_of_features(dataset: Dataset, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Noise in some rows; covariances become those of noise, which have a tangent vector too."""
    blind = _noise(dataset.X, rows, rng)
    for block in covariance_blocks(dataset.features):
        n_regions = int(block.pairs.max()) + 1
        signals = rng.standard_normal((len(rows), n_regions, 2 * n_regions + 10))
        covariances = NOISE_SDS * signals @ signals.swapaxes(1, 2) / signals.shape[2]
        variances = dataset.X[:, block.columns[block.pairs[0] == block.pairs[1]]]
        blind[np.ix_(rows, block.columns)] = variances.mean() * covariances[:, block.pairs[0], block.pairs[1]]
    return blind


def _blinded_batches(plan: Harmonisation | None, unit: WorkUnit, rng: np.random.Generator) -> Harmonisation | None:
    """Batches drawn anew from those of the training rows, and noise in what is preserved."""
    if plan is None:
        return None
    others, labels = unit.outer.test[1:], plan.batches.labels.copy()
    labels[others] = rng.choice(labels[unit.outer.train], len(others))
    return replace(plan, batches=Batches(labels, _noise(plan.batches.preserved, others, rng)))


def _noise(values: np.ndarray, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Values with noise of their own mean, and many times their own spread, in some rows."""
    blind = np.array(values, dtype=float)
    there = ~np.isnan(blind)
    n = np.maximum(there.sum(axis=0), 1)
    mean = np.where(there, blind, 0.0).sum(axis=0) / n
    spread = np.sqrt(np.square(np.where(there, blind - mean, 0.0)).sum(axis=0) / n)
    spread = np.where(spread > 0, spread, 1.0)
    blind[rows] = mean + NOISE_SDS * spread * rng.standard_normal((len(rows), *blind.shape[1:]))
    return blind


def _blinded_blocks(measured: FeatureBlocks, rows: np.ndarray, rng: np.random.Generator) -> FeatureBlocks:
    """Noise in some rows of every block, and presence drawn anew: who has which modality is held-out data too."""
    present = measured.present.copy()
    drawn = rng.random((len(rows), len(measured.blocks))) < 0.5
    drawn[np.arange(len(rows)), rng.integers(len(measured.blocks), size=len(rows))] = True
    present[rows] = drawn
    blocks = []
    for block, there in zip(measured.blocks, present.T, strict=True):
        values = np.full((len(measured), block.values.shape[1]), np.nan)
        values[block.present] = block.values[block.at[block.present]]
        at = np.where(there, np.arange(len(measured)), ABSENT)
        blocks.append(replace(block, values=_noise(values, rows, rng), at=at))
    return FeatureBlocks(tuple(blocks))
