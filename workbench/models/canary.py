"""Whether a run learns from those it predicts: it is fitted blind to them, and once more on shuffled outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from workbench.errors import GuardError, Problem
from workbench.models.estimators import as_permuted, beside_main, make_learner
from workbench.models.learner import Fitted
from workbench.models.nested_cv import fit_alone, fit_units, located, plan_units, spawned
from workbench.models.permutations import permuted_outcomes
from workbench.records import Covariates, Dataset, UnitResult, WorkUnit
from workbench.specs.experiment import ValidationSpec
from workbench.specs.learners import LearnerSpec

NOISE_STREAM, SHUFFLE_STREAM = 3, 4
"""Spawn keys of their seeds, apart from those of `nested_cv`."""
CANARY_SHARE, CANARY_UNITS = 10, 5
"""One unit in ten is fitted blind, at least one and at most five: all folds of a repeat where there are ten repeats."""

SHUFFLED_REPEATS = 10
"""Repeats of a run on shuffled outcomes: as many as an interval needs."""

NOISE_SDS = 10.0
"""Spread of the noise, in SD of what it replaces: whoever looks at it cannot overlook it."""


def canary(dataset: Dataset, units: Sequence[WorkUnit], learner: LearnerSpec, *, permuted: bool) -> int:
    """Fit with the held-out people replaced by noise: nothing that is learnt may change (METHODS 2.11, L1.2 and L1.3).

    Features, covariates and clinical variables of all held-out rows but the first become noise, and the outcome of all
    of them. What was learnt must be the same to the last bit (`Fitted.fitted_digest`), and so must the tuning and the
    prediction for the first held-out row, which also speaks where a learner gives no digest.

    Parameters
    ----------
    units : sequence of WorkUnit
        Of the run. Learners that serve one target at a time fit a single one, others up to `CANARY_UNITS`.
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
            changed = _changed(fit_alone(name, dataset, unit, spec), fit_alone(name, blind, unit, spec), unit)
            if changed:
                raise GuardError(located(_looked(learner, changed), unit))
            compared += 1
    return compared


def on_shuffled_outcomes(
    dataset: Dataset, validation: ValidationSpec, learner: LearnerSpec, *, repeats: int
) -> tuple[Dataset, tuple[WorkUnit, ...], tuple[UnitResult, ...]]:
    """The run once more on shuffled outcomes, without permutations: *main*, and *confounds* where there are any.

    Outcomes are shuffled as for a permutation, with N held fixed (`permutations.target_matrix`); folds are drawn, and
    models tuned, anew. Trees search fewer settings (`estimators.beside_main`).

    Parameters
    ----------
    repeats : int
        So many, at most `SHUFFLED_REPEATS`; a learner that serves one target at a time has one.

    Returns
    -------
    dataset : Dataset
        With the shuffled outcome.
    units, results
        As of any run.
    """
    spec = beside_main(learner)
    repeats = min(repeats, SHUFFLED_REPEATS) if make_learner(spec).batched else 1
    seed = spawned(validation.seed, SHUFFLE_STREAM)
    shuffled = replace(dataset, y=permuted_outcomes(dataset, dataset.nuisance.values, 1, seed)[:, 1])
    spec = spec.model_copy(update={"repeats": repeats})
    validation = validation.model_copy(update={"permutations": 0})
    units = tuple(
        replace(unit, procedures=tuple(name for name in unit.procedures if name in ("main", "confounds")))
        for unit in plan_units(shuffled, validation, spec)
    )
    targets = {"main": np.asarray(shuffled.y, dtype=float)[:, None]}
    return shuffled, units, fit_units(shuffled, units, spec, targets, explain=0)


def _looked(learner: LearnerSpec, changed: str) -> Problem:
    found = f"{changed} changed when the held-out people were replaced by noise: it learns from those it predicts"
    hint = (
        "whatever learns (means, scales, components, selected features, tuning) may read the rows of fold.train alone; "
        "look for a mean, a fit or a selection over all rows"
    )
    return Problem(f"model {learner.label}", found, hint, "T6")


def _changed(seen: Fitted, blind: Fitted, unit: WorkUnit) -> str:
    """What differs between a fit and the same with noise in the held-out rows; empty where nothing does."""
    if seen.fitted_digest != blind.fitted_digest:
        return "what was learnt"
    if dict(seen.chosen) != dict(blind.chosen):
        return "the tuning"
    # Where one row is held out, it is the one that is kept, so nothing but its own outcome was noise.
    same = np.allclose(seen.predicted[0], blind.predicted[0], rtol=1e-9, atol=0.0, equal_nan=True)
    return "" if same else f"the prediction for one of {len(unit.outer.test)} held-out people"


def _blinded(dataset: Dataset, unit: WorkUnit) -> Dataset:
    """The dataset with noise in its held-out rows, and the first of these kept but for its outcome."""
    rng = np.random.default_rng(spawned(unit.seed, NOISE_STREAM))
    test, others = unit.outer.test, unit.outer.test[1:]

    def noise(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
        blind = np.array(values, dtype=float)
        there = ~np.isnan(blind)
        n = np.maximum(there.sum(axis=0), 1)
        mean = np.where(there, blind, 0.0).sum(axis=0) / n
        spread = np.sqrt(np.square(np.where(there, blind - mean, 0.0)).sum(axis=0) / n)
        spread = np.where(spread > 0, spread, 1.0)
        blind[rows] = mean + NOISE_SDS * spread * rng.standard_normal((len(rows), *blind.shape[1:]))
        return blind

    def covariates(block: Covariates) -> Covariates:
        return replace(block, values=noise(block.values, others))

    if dataset.outcome.type == "binary":
        y = np.array(dataset.y, dtype=float)
        y[test] = 1.0 - y[test]
    else:
        y = noise(dataset.y, test)
    return replace(
        dataset,
        X=noise(dataset.X, others),
        y=y,
        confounds=covariates(dataset.confounds),
        forced=covariates(dataset.forced),
        clinical=covariates(dataset.clinical),
    )
