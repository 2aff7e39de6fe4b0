"""Any scikit-learn estimator as a learner: prepared in the fold, tuned in the inner folds, fitted target by target."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from workbench.errors import FitError, Problem
from workbench.models.estimator_building import is_of_trees, make, meant, seeded
from workbench.models.estimator_lookup import load_class
from workbench.models.estimator_model import FAILURES, MEND, EstimatorModel, Inputs, Target, fit_model
from workbench.models.learner import Fitted, Fold, Learner, fitted_one_by_one
from workbench.models.preprocessing import Floats
from workbench.records import Split

if TYPE_CHECKING:
    import optuna

    from workbench.specs.estimator import EstimatorSpec, RangeSpec

LARGEST_SEED = 2**31
STARTUP_TRIALS = 10
"""Random draws before TPE models anything; Optuna's default."""
Params = Mapping[str, Any]
"""Parameters as a file writes them."""


def make_estimator_learner(spec: EstimatorSpec) -> Learner:
    """The learner of an entry: an estimator behind the common preparation, or a learner that a package offers whole.

    Parameters
    ----------
    spec : EstimatorSpec
        Settled (`estimator_entry.settle`), or of an object that was handed over.

    Returns
    -------
    Learner
    """
    cls: Any = load_class(spec.estimator) if spec.handed is None else type(spec.handed)
    if is_learner(cls):
        learner: Learner = cls(**{name: meant(value) for name, value in spec.params.items()})
        return learner
    return EstimatorLearner(spec)


def is_learner(cls: type[Any]) -> bool:
    """Whether a class is a learner as `workbench.models.learner.Learner` has it, not an estimator.

    Parameters
    ----------
    cls : type

    Returns
    -------
    bool
    """
    return all(hasattr(cls, name) for name in ("linear", "batched", "fit")) and not hasattr(cls, "get_params")


def prototype_of(spec: EstimatorSpec) -> Any:
    """The estimator of an entry, not fitted.

    Parameters
    ----------
    spec : EstimatorSpec
        Settled, or of an object that was handed over.

    Returns
    -------
    BaseEstimator
        Values of grid and space are set later, for each fit.
    """
    from sklearn.base import clone

    if spec.handed is not None:
        return clone(spec.handed)
    return make(load_class(spec.estimator), spec.params)


class EstimatorLearner:
    """A scikit-learn estimator behind the preparation of every other learner.

    Features are imputed, residualised on N and standardised by the training rows, as for kernel ridge; the outcome is
    what the nuisance model leaves of it, in SD. Tree ensembles see features that are not residualised, N beside them,
    and add to the nuisance model (METHODS 6). How a binary outcome is put together: `estimator_model.EstimatorModel`.

    Without covariates this is ``GridSearchCV`` over the inner folds, by mean squared error or Brier score, of
    ``SimpleImputer``, ``StandardScaler`` and the estimator in a ``TransformedTargetRegressor``. A setting that cannot
    be fitted in an inner fold is not chosen.
    """

    linear = False
    batched = False

    def __init__(self, spec: EstimatorSpec) -> None:
        self.spec = spec
        self.prototype = prototype_of(spec)
        self.residualises = not is_of_trees(self.prototype)

    def fit(self, fold: Fold, Y: Floats, *, seed: int, explain: int = 0) -> Fitted:
        """Tune in the inner folds, fit on the training rows, predict the held-out rows; see `Learner`.

        Raises
        ------
        FitError
            If the estimator cannot be fitted, with what it says.
        """
        seed %= LARGEST_SEED
        inner = [self._rows(fold, split) for split in fold.inner] if self._searches else []
        outer = self._rows(fold, Split(fold.train, fold.test))
        with quiet() as unfinished:
            models, chosen = [], []
            for y in Y.T:
                chosen.append(self._choose(inner, y, seed))
                unfinished.clear()
                models.append(self._fitted(outer, y, chosen[-1], seed))
                if len(models) == 1:
                    not_converged = len(unfinished)
            predicted = [model.combined(model.raw(outer.test_X), model.margin(outer.test_N)) for model in models]
        notes = {"not_converged": not_converged} if not_converged else {}
        reported = {**{name: as_chosen(value) for name, value in chosen[0].items()}, **notes}
        kept = tuple(partial(_same, model) for model in models[: max(explain, 1)])
        return fitted_one_by_one(np.column_stack(predicted), reported, fold, kept)

    @property
    def _searches(self) -> bool:
        return bool(self.spec.space) or any(len(values) > 1 for values in self.spec.grid.values())

    def _rows(self, fold: Fold, split: Split) -> Rows:
        X, N = fold.X, fold.nuisance
        inputs = Inputs.of(X[split.train], N[split.train], residualise=self.residualises)
        train_X = inputs.applied(X[split.train], N[split.train])
        test_X = inputs.applied(X[split.test], N[split.test])
        players = np.arange(X.shape[1]) if fold.circuits is None else fold.circuits
        binary = fold.outcome_type == "binary"
        return Rows(split, inputs, train_X, test_X, N[split.train], N[split.test], players, binary)

    def target(self, y: Floats, N: Floats, *, binary: bool) -> Target:
        """One target of training rows as the estimator is given it."""
        return Target.of(y, N, binary=binary, residualise=self.residualises)

    def fitted(
        self,
        params: Params,
        inputs: Inputs,
        prepared: Floats,
        target: Target,
        *,
        players: NDArray[np.intp],
        seed: int,
    ) -> EstimatorModel:
        """The estimator with some settings, fitted to prepared training rows; see `estimator_model.fit_model`."""
        from sklearn.base import clone

        estimator = clone(self.prototype)
        try:
            if params:
                estimator.set_params(**{name: meant(value) for name, value in params.items()})
            return fit_model(seeded(estimator, seed), inputs, prepared, target, players, seed)
        except FAILURES as error:
            raise _cannot_be_fitted(type(estimator).__name__, params, error) from error

    def _fitted(self, rows: Rows, y: Floats, params: Params, seed: int) -> EstimatorModel:
        target = self.target(y[rows.split.train], rows.train_N, binary=rows.binary)
        return self.fitted(params, rows.inputs, rows.train_X, target, players=rows.players, seed=seed)

    # ---------------------------------------------------------------------------------------------------- settings

    def _choose(self, inner: Sequence[Rows], y: Floats, seed: int) -> Params:
        if self.spec.space:
            return self._searched(inner, y, seed)
        candidates = list(self._grid())
        if len(candidates) == 1:
            return candidates[0]
        targets = self._targets(inner, y)
        losses, failures = [], []
        for params in candidates:
            try:
                losses.append(self._loss(inner, targets, y, params, seed))
            except FitError as error:
                failures.append(error)
                losses.append(np.inf)
        if len(failures) == len(candidates):
            raise failures[-1]
        return candidates[int(np.argmin(losses))]  # the first of equals, as GridSearchCV

    def _grid(self) -> Iterator[Params]:
        """All combinations, in the order of GridSearchCV."""
        from sklearn.model_selection import ParameterGrid

        yield from ParameterGrid({name: list(values) for name, values in self.spec.grid.items()})

    def _searched(self, inner: Sequence[Rows], y: Floats, seed: int) -> Params:
        """The best of so many trials of Optuna's TPE, in a study of its own."""
        import optuna
        from optuna.trial import TrialState

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=STARTUP_TRIALS)
        study = optuna.create_study(direction="minimize", sampler=sampler)
        targets = self._targets(inner, y)
        best: tuple[float, Params] | None = None
        failure: FitError | None = None
        for _ in range(self.spec.trials):
            trial = study.ask()
            params = {name: suggested(trial, name, within) for name, within in self.spec.space.items()}
            try:
                loss = self._loss(inner, targets, y, params, seed)
            except FitError as error:
                failure = error
                study.tell(trial, state=TrialState.FAIL)
                continue
            study.tell(trial, loss)
            if best is None or loss < best[0]:
                best = (loss, params)
        if best is None:
            assert failure is not None
            raise failure
        return best[1]

    def _targets(self, inner: Sequence[Rows], y: Floats) -> list[Target]:
        return [self.target(y[rows.split.train], rows.train_N, binary=rows.binary) for rows in inner]

    def _loss(self, inner: Sequence[Rows], targets: Sequence[Target], y: Floats, params: Params, seed: int) -> float:
        """Mean over the inner folds of the mean squared error of whole predictions; of labels the Brier score."""
        losses = []
        for rows, target in zip(inner, targets, strict=True):
            model = self.fitted(params, rows.inputs, rows.train_X, target, players=rows.players, seed=seed)
            predicted = model.combined(model.raw(rows.test_X), model.margin(rows.test_N))
            losses.append(float(np.square(y[rows.split.test] - predicted).mean()))
        return float(np.mean(losses))


@dataclass(frozen=True, eq=False)
class Rows:
    """One training set and the rows it predicts, as the estimator sees them, for all targets."""

    split: Split
    inputs: Inputs
    train_X: Floats  # noqa: N815 X is a matrix to every reader of the field
    test_X: Floats  # noqa: N815
    train_N: Floats  # noqa: N815
    test_N: Floats  # noqa: N815
    players: NDArray[np.intp]
    binary: bool


def _same(model: EstimatorModel) -> EstimatorModel:
    return model


# ------------------------------------------------------------------------------------------------------------ settings


def suggested(trial: optuna.Trial, name: str, within: RangeSpec) -> Any:
    """One value of a range, drawn by a trial."""
    if within.choices is not None:
        return within.choices[trial.suggest_categorical(name, list(range(len(within.choices))))]
    low, high = within.low, within.high
    assert low is not None
    assert high is not None
    if isinstance(low, int) and isinstance(high, int):
        return trial.suggest_int(name, low, high, log=within.log)
    return trial.suggest_float(name, low, high, log=within.log)


def as_chosen(value: Any) -> float | int | str:
    """A value as it is reported: numbers and texts as they are, anything else as JSON."""
    return value if isinstance(value, int | float | str) and not isinstance(value, bool) else json.dumps(value)


def with_settings(spec: EstimatorSpec, chosen: Mapping[str, float | int | str]) -> EstimatorSpec:
    """The entry with the settings that a search chose before, to be fitted once more without one.

    Parameters
    ----------
    spec : EstimatorSpec
    chosen : mapping of str to float, int or str
        As `workbench.models.learner.Fitted.chosen` of an earlier fit: a value for every name of grid and space.

    Returns
    -------
    EstimatorSpec
        With a grid of one value per setting and no space.
    """
    lists = {name: values for name, values in spec.grid.items()}
    lists |= {name: within.choices for name, within in spec.space.items() if within.choices is not None}
    fixed: dict[str, tuple[Any, ...]] = {}
    for name in (*spec.grid, *spec.space):
        values = [value for value in lists.get(name, ()) if as_chosen(value) == chosen[name]]
        fixed[name] = (values[0] if values else chosen[name],)
    # As a grid of one value, which nothing has to be chosen from: parameters of estimators inside come last there.
    return spec.model_copy(update={"grid": fixed, "space": {}})


def _cannot_be_fitted(name: str, params: Params, error: Exception) -> FitError:
    settings = ", ".join(f"{key} = {value}" for key, value in params.items())
    what = " ".join(str(error).split()) or type(error).__name__
    found = f"cannot be fitted{f' with {settings}' if settings else ''}: {what}"
    return FitError(Problem(name, found, MEND))


@contextmanager
def quiet() -> Iterator[list[str]]:
    """Keep what estimators warn about from being printed once per fit; gives those that did not converge."""
    from sklearn.exceptions import ConvergenceWarning

    unfinished: list[str] = []

    def keep(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
        if issubclass(category, ConvergenceWarning):
            unfinished.append(str(message))

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = keep
        yield unfinished
