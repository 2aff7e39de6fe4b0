"""A treatment effect as a target: what each participant of a randomised trial says of the effect that a person has.

With W in {0, 1} the arm, e the known probability of the active one and N the covariates held fixed, in every training
set and for every column of the targets,

    m    = least squares of Y on [1 | N] without the arm, R = Y - m (leave-one-out in the training rows),
    tau0 = sum (W - e) R / sum (W - e)^2,
    G    = tau0 + (R - (W - e) tau0) (W - e) / (e (1 - e)).

The mean of G, given the features, is the mean effect in participants with these features. A learner of G, unweighted,
therefore predicts that effect, and one decomposition of the features serves every column at any e. N modifies the
effect too and is put back the same way, as the learner's own N. What is stored is on the scale of the outcome,
``predicted = m + (W - e) tau`` and ``reference = m + (W - e) tau_N``, so that

    1 - sum (Y - predicted)^2 / sum (Y - reference)^2 = 1 - sum (R - (W - e) tau)^2 / sum (R - (W - e) tau_N)^2,

tau_N being tau0 where N is empty.

References
----------
Nie, X., Wager, S. (2021). Biometrika 108, 299-319 (the residual form).
Robinson, P. M. (1988). Econometrica 56, 931-954.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from workbench.models.learner import Fitted, Fold, Learner, Trial, residualises, taken
from workbench.models.preprocessing import (
    Floats,
    NuisanceBasis,
    Rows,
    fit_nuisance,
    nuisance_basis,
    spanning_basis,
)
from workbench.records import Dataset, Split

LEVERAGE = 1e-8
"""1 - h below which a row decides its own prediction (the only one of its site): nothing is left of it."""


@dataclass(frozen=True, eq=False)
class Effects:
    """Targets of the effect in the rows of one training set, and in those that it predicts.

    Attributes
    ----------
    train, test : ndarray of shape (n_train, n_targets) and (n_test, n_targets)
        G: a target of which the mean is the effect.
    prognosis : ndarray of shape (n_test, n_targets)
        m of the held-out rows.
    arm : ndarray of shape (n_test, n_targets)
        W - e of the held-out rows.
    average : ndarray of shape (n_targets,)
        tau0.
    """

    train: Floats
    test: Floats
    prognosis: Floats
    arm: Floats
    average: Floats

    def on_the_scale_of_the_outcome(self, effect: Floats) -> Floats:
        """m + (W - e) tau of the held-out rows, (n_test, n_targets), from tau."""
        predicted: Floats = self.prognosis + self.arm * effect
        return predicted


def effects_of(trial: Trial, Y: Floats, train: Rows, test: Rows, *, basis: NuisanceBasis | None = None) -> Effects:
    """Targets of the effect for one training set.

    Parameters
    ----------
    trial : Trial
        Of all rows.
    Y : ndarray of shape (n_rows, n_targets)
        Outcomes: observed, and of trials that were randomised again.
    train, test : ndarray of int
        Positions in the rows.
    basis : NuisanceBasis, optional
        Of [1 | N] in these rows, where it is known.

    Returns
    -------
    Effects

    Raises
    ------
    FitError
        If there are too few training rows for N.
    """
    N = trial.main_effects
    on = nuisance_basis(N[train], N[test]) if basis is None else basis
    Y_train = Y[train]
    coefficients = on.train.T @ Y_train
    left = 1.0 - np.square(on.train).sum(axis=1)
    alone = left < LEVERAGE
    residual = (Y_train - on.train @ coefficients) / np.where(alone, 1.0, left)[:, None]
    residual[alone] = 0.0
    prognosis = on.test @ coefficients
    centred = trial.allocated - trial.probability[:, None]
    arm, variance = centred[train], (trial.probability * (1.0 - trial.probability))[:, None]
    average = (arm * residual).sum(axis=0) / np.square(arm).sum(axis=0)
    arm_test = centred[test]
    return Effects(
        average + (residual - arm * average) * arm / variance[train],
        average + (Y[test] - prognosis - arm_test * average) * arm_test / variance[test],
        prognosis,
        arm_test,
        average,
    )


class TreatmentLearner:
    """A learner of the effect of a treatment, whatever learner it is; a `workbench.models.learner.Learner`.

    The targets of every training set, inner ones too, are made from its own rows. Ridge takes them beside the rows that
    all sets share (`Fold.inner_targets`); another learner is handed rows that exist once per training set, each with
    the target of that set, and need not know. What it predicts is the effect; it is given back as a prediction of the
    outcome, and the model it keeps predicts the effect of anybody, from raw features and N.
    """

    def __init__(self, learner: Learner) -> None:
        self.learner = learner
        self.takes = taken(learner) | {"treatment"}
        self.linear = learner.linear
        self.residualises = residualises(learner)
        self.batched = learner.batched

    def fit(self, fold: Fold, Y: Floats, *, seed: int, explain: int = 0) -> Fitted:
        """Make the targets, tune in the inner folds, fit on the training rows, predict the held-out rows.

        Parameters and errors: see `workbench.models.learner.Learner.fit`; `Fold.trial` has the arm of each row in every
        column of `Y`.

        Returns
        -------
        Fitted
            `predicted` is m + (W - e) tau, `effect` tau of the observed outcome.
        """
        trial = _trial_of(fold, Y.shape[1])
        splits = (*fold.inner, Split(fold.train, fold.test))
        effects = [effects_of(trial, Y, split.train, split.test) for split in splits]
        shares = getattr(self.learner, "takes_inner_targets", False)
        made = _targets_of_training_sets if shares else _one_copy_per_training_set
        fitted = self.learner.fit(*made(fold, splits, effects), seed=seed, explain=explain)
        return replace(
            fitted,
            predicted=effects[-1].on_the_scale_of_the_outcome(fitted.predicted),
            effect=fitted.predicted[:, 0].copy(),
        )


def _trial_of(fold: Fold, n_targets: int) -> Trial:
    assert fold.trial is not None, "a treatment effect needs the arm of every row"
    return fold.trial.of_targets(n_targets)


def _targets_of_training_sets(fold: Fold, splits: Sequence[Split], effects: Sequence[Effects]) -> tuple[Fold, Floats]:
    """The rows that all training sets share, and the targets of each set beside them; 0 in rows that it has not."""
    each = []
    for split, one in zip(splits, effects, strict=True):
        targets = np.zeros((len(fold.X), one.train.shape[1]))
        targets[split.train], targets[split.test] = one.train, one.test
        each.append(targets)
    *inner, outer = each
    return replace(fold, treatment=None, trial=None, inner_targets=tuple(inner)), outer


def _one_copy_per_training_set(fold: Fold, splits: Sequence[Split], effects: Sequence[Effects]) -> tuple[Fold, Floats]:
    """Rows of every training set and those it predicts, one set after the other, each with the targets of its set."""
    every = np.concatenate([np.concatenate([split.train, split.test]) for split in splits])
    moved, start = [], 0
    for split in splits:
        middle, stop = start + len(split.train), start + len(split.train) + len(split.test)
        moved.append(Split(np.arange(start, middle), np.arange(middle, stop)))
        start = stop
    small = replace(
        fold,
        X=fold.X[every],
        nuisance=fold.nuisance[every],
        train=moved[-1].train,
        test=moved[-1].test,
        inner=tuple(moved[:-1]),
        feature_blocks=None if fold.feature_blocks is None else fold.feature_blocks.take(every),
        weights=None if fold.weights is None else fold.weights[every],
        batches=None if fold.batches is None else fold.batches.take(every),
        treatment=None,
        trial=None,
    )
    return small, np.vstack([part for one in effects for part in (one.train, one.test)])


def trial_references(
    trials: Sequence[Trial], modifiers: Sequence[Floats], splits: Sequence[Split], Ys: Sequence[Floats]
) -> list[Floats]:
    """m + (W - e) tau_N of the held-out rows: what a model of the effect is scored against.

    Parameters
    ----------
    trials : sequence of Trial
    modifiers : sequence of ndarray of shape (n_rows, n_modifiers)
        Covariates that modify the effect in the reference; without a column it is tau0 for everybody.
    splits : sequence of Split
    Ys : sequence of ndarray of shape (n_rows, n_targets)

    Returns
    -------
    list of ndarray of shape (n_test, n_targets)
    """
    references = []
    for trial, N, split, Y in zip(trials, modifiers, splits, Ys, strict=True):
        effects = effects_of(trial.of_targets(Y.shape[1]), Y, split.train, split.test)
        of_covariates = fit_nuisance(effects.train, N[split.train], N[split.test]).test
        references.append(effects.on_the_scale_of_the_outcome(of_covariates))
    return references


# ------------------------------------------------------------------------------------------- everybody, nobody held out


def trial_of(dataset: Dataset, main_effects: Floats | None = None, allocated: Floats | None = None) -> Trial | None:
    """Arms of a dataset as learners take them; None where no effect of a treatment is asked for.

    Parameters
    ----------
    dataset : Dataset
    main_effects : ndarray of shape (n_rows, n_columns), optional
        Covariates of m; those held fixed where it is not given.
    allocated : ndarray of shape (n_rows, n_targets), optional
        1 where a row had the active arm, target by target; the arms as they were where it is not given.

    Returns
    -------
    Trial or None
    """
    if dataset.treatment is None:
        return None
    N = dataset.nuisance.values if main_effects is None else main_effects
    W = dataset.treatment.allocated[:, None] if allocated is None else allocated
    return Trial(W, dataset.treatment.probability, N)


def randomised_again(dataset: Dataset, modifiers: Floats, rows: Rows) -> tuple[Floats, Floats]:
    """Trials in which the effect depends on nothing but some covariates: outcomes under other allocations.

    ``Y* = Y + (W* - W) tau_N`` with tau_N of the whole sample: least squares of G on [1 | modifiers], which is tau0
    where there is none.

    Parameters
    ----------
    dataset : Dataset
        With a treatment.
    modifiers : ndarray of shape (n_rows, n_modifiers)
        Covariates that may modify the effect where the features do not; complete values.
    rows : ndarray of int, shape (n_trials, n_rows)
        The row whose arm every row receives, as the scheme of the trial allows.

    Returns
    -------
    outcomes, allocated : ndarray of shape (n_rows, 1 + n_trials)
        Column 0 is the trial as it was.
    """
    assert dataset.treatment is not None
    W, y = dataset.treatment.allocated, np.asarray(dataset.y, dtype=float)
    allocated = np.column_stack([W, W[rows].T]) if len(rows) else W[:, None]
    basis = spanning_basis(modifiers, modifiers[:0]).train
    effect = basis @ (basis.T @ whole_sample_effects(dataset, y[:, None], W[:, None]))
    outcomes = y[:, None] + (allocated - W[:, None]) * effect
    outcomes[:, 0] = y
    return outcomes, allocated


def whole_sample_effects(dataset: Dataset, Y: Floats, allocated: Floats) -> Floats:
    """G of everybody, (n_rows, n_targets), for questions that hold out nobody.

    Parameters
    ----------
    dataset : Dataset
        With a treatment.
    Y, allocated : ndarray of shape (n_rows, n_targets)

    Returns
    -------
    ndarray of shape (n_rows, n_targets)
    """
    trial, everyone = trial_of(dataset, allocated=allocated), np.arange(dataset.n_rows)
    assert trial is not None
    N = trial.main_effects
    return effects_of(trial, Y, everyone, everyone[:0], basis=spanning_basis(N, N[:0])).train


def effects_as_outcome(dataset: Dataset) -> Dataset:
    """The dataset with G of everybody as its outcome, and no treatment: for what looks at an outcome of single rows.

    Parameters
    ----------
    dataset : Dataset

    Returns
    -------
    Dataset
        The same object where it has no treatment.
    """
    if dataset.treatment is None:
        return dataset
    y, W = np.asarray(dataset.y, dtype=float)[:, None], dataset.treatment.allocated[:, None]
    return replace(dataset, y=whole_sample_effects(dataset, y, W)[:, 0], treatment=None)


def for_treatment(learner: Learner, dataset: Dataset) -> Learner:
    """The learner, or where the effect of a treatment is asked for the learner of that effect.

    Parameters
    ----------
    learner : Learner
    dataset : Dataset

    Returns
    -------
    Learner
    """
    return learner if dataset.treatment is None else TreatmentLearner(learner)
