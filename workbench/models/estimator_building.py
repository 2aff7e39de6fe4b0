"""From the parameters of a file to an estimator and back, and what of an estimator is refused.

Refused is what would learn outside the folds of the experiment, or what cannot be written down: cross-validations and
held-out parts of the estimator's own, which would split families, caches, and callables.
"""

from __future__ import annotations

import inspect
import math
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from workbench.errors import Problem, did_you_mean
from workbench.models.estimator_lookup import load_class
from workbench.records import OutcomeType
from workbench.specs.parameters import NONE, SET_BY_THE_WORKBENCH, is_nested, last_part

NUMBERS = {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}
"""Numbers that are written as text."""
INSIDE = ("estimator", "base_estimator", "regressor", "classifier", "final_estimator", "estimators", "steps")
"""Parameters that hold other estimators."""
UNSET = ("deprecated", "warn")
"""Defaults of scikit-learn that mean: not given."""
TREE_PACKAGES = ("xgboost", "lightgbm", "catboost")
FOLDS_OF_THEIR_OWN = "would divide the training rows without regard to families or sites"


class UnwritableError(Exception):
    """A value that no file can hold."""


# ------------------------------------------------------------------------------------------------------ values of files


def meant(value: Any, find: Callable[[str], type[Any]] = load_class) -> Any:
    """The Python value that a value of a file stands for; nested estimators are made.

    Parameters
    ----------
    value : object
        Number, text, sequence or mapping as a file holds it; ``{"estimator": path, "params": ...}`` is an estimator.
    find : callable
        Gives the class at the path of a nested estimator.

    Returns
    -------
    object
        Sequences as tuples, but those that hold tuples (``steps``) as lists.
    """
    if isinstance(value, str):
        return None if value == NONE else NUMBERS.get(value, value)
    if is_nested(value):
        return make(find(value["estimator"]), value.get("params", {}), find)
    if isinstance(value, Mapping):  # weights of classes are keyed by the labels 0 and 1
        return {int(key) if key.isdigit() else key: meant(each, find) for key, each in value.items()}
    if isinstance(value, tuple | list):
        every = tuple(meant(each, find) for each in value)
        return list(every) if any(isinstance(each, tuple) for each in every) else every
    return value


def written(value: Any) -> Any:
    """How a file writes a Python value, so that `meant` gives it back.

    Parameters
    ----------
    value : object

    Returns
    -------
    bool, int, float, str, tuple or dict
        Infinite numbers and NaN as text; an estimator as its path and all its parameters.

    Raises
    ------
    UnwritableError
        If no file can hold it: a function, a random generator, an object of another kind.
    """
    import numpy as np

    if value is None:
        return NONE
    if isinstance(value, np.generic | np.ndarray):
        return written(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, tuple | list):
        return tuple(written(each) for each in value)
    if isinstance(value, Mapping):
        return {str(key): written(each) for key, each in value.items()}
    if hasattr(value, "get_params") and not isinstance(value, type):
        return {"estimator": path_of(type(value)), "params": written_params(value)}
    raise UnwritableError(f"{type(value).__name__} {value!r}")


def path_of(cls: type[Any]) -> str:
    """ "package.module.Class", by the public module above the private ones where that has the class.

    Parameters
    ----------
    cls : type

    Returns
    -------
    str
    """
    public = re.sub(r"[.]_.*", "", cls.__module__)
    there = getattr(sys.modules.get(public), cls.__qualname__, None) is cls
    return f"{public if there else cls.__module__}.{cls.__qualname__}"


def written_params(estimator: Any, without: tuple[str, ...] = ()) -> dict[str, Any]:
    """Every parameter of an estimator as a file writes it, defaults included.

    What the workbench sets itself, what is searched (`without`) and what the class only warns about is left out.

    Parameters
    ----------
    estimator : BaseEstimator
    without : tuple of str
        Parameters that are searched.

    Returns
    -------
    dict of str to object
        Values as `written` gives them; those of estimators inside are in theirs.

    Raises
    ------
    UnwritableError
        If no file can hold a value.
    """
    left_out = {*SET_BY_THE_WORKBENCH, *without}
    params = estimator.get_params(deep=False)
    return {
        name: written(value)
        for name, value in params.items()
        if name not in left_out and not (isinstance(value, str) and value in UNSET)
    }


def make(cls: type[Any], params: Mapping[str, Any], find: Callable[[str], type[Any]] = load_class) -> Any:
    """An estimator with parameters as a file writes them, those of estimators inside it (``svr__C``) last.

    Parameters
    ----------
    cls : type
    params : mapping of str to object
    find : callable
        Gives the class at the path of a nested estimator.

    Returns
    -------
    BaseEstimator
        Not fitted.
    """
    top = {name: meant(value, find) for name, value in params.items() if "__" not in name}
    inside = {name: meant(value, find) for name, value in params.items() if "__" in name}
    estimator = cls(**top)
    return estimator.set_params(**inside) if inside else estimator


def seeded(estimator: Any, seed: int) -> Any:
    """The estimator with every ``random_state``, those inside it too, from one seed, and on one core.

    Parameters
    ----------
    estimator : BaseEstimator
    seed : int
        Its own ``random_state``; those of estimators inside are drawn from it.

    Returns
    -------
    BaseEstimator
        The same object, changed in place.
    """
    import numpy as np

    params = sorted(estimator.get_params(deep=True))
    states = [name for name in params if last_part(name) == "random_state"]
    drawn = np.random.SeedSequence(seed).generate_state(len(states))
    chosen: dict[str, int] = {
        name: seed if name == "random_state" else int(state) // 2 for name, state in zip(states, drawn, strict=True)
    }
    chosen |= {name: 1 for name in params if last_part(name) == "n_jobs"}
    return estimator.set_params(**chosen) if chosen else estimator


# --------------------------------------------------------------------------------------------------- what is refused


def unknown_parameters(cls: type[Any], names: Iterable[str]) -> list[str]:
    """Those that the class does not take; parameters of estimators inside are known only once it is made.

    Parameters
    ----------
    cls : type
    names : iterable of str

    Returns
    -------
    list of str
    """
    signature = inspect.signature(cls.__init__).parameters
    return [name for name in names if "__" not in name and (name == "self" or name not in signature)]


def refusals_of_class(cls: type[Any], params: Mapping[str, Any], where: str) -> Iterator[Problem]:
    """What is wrong with a class and the names of its parameters, before it is made.

    Parameters
    ----------
    cls : type
    params : mapping of str to object
        All that are given, fixed or tried; only their names matter.
    where : str
        File and entry, for problems.

    Yields
    ------
    Problem
    """
    from sklearn.base import BaseEstimator

    if not issubclass(cls, BaseEstimator):
        hint = "an estimator is a class that derives from sklearn.base.BaseEstimator"
        yield Problem(where, f"{cls.__name__} is not a scikit-learn estimator", hint)
        return
    signature = inspect.signature(cls.__init__).parameters
    if cls.__name__.endswith("CV") or "cv" in signature:
        found = f"{cls.__name__} has a cross-validation of its own, which {FOLDS_OF_THEIR_OWN}"
        hint = "name the estimator inside it, and give the values to try as grid: the inner folds choose among them"
        yield Problem(where, found, hint)
        return
    possible = [name for name in signature if name != "self" and name not in SET_BY_THE_WORKBENCH]
    for name in unknown_parameters(cls, params):
        yield Problem(f"{where}: {name}", f"is not a parameter of {cls.__name__}", did_you_mean(name, possible))
    for name, parameter in signature.items():
        needed = parameter.default is parameter.empty and parameter.kind is parameter.POSITIONAL_OR_KEYWORD
        if needed and name != "self" and name not in params:
            yield Problem(f"{where}: {name}", f"is missing, which {cls.__name__} needs", _nested_hint(name))


def refusals(estimator: Any, where: str) -> Iterator[Problem]:
    """What of an estimator, or of one inside it, would learn outside the folds or cannot be written down.

    Parameters
    ----------
    estimator : BaseEstimator
    where : str
        File, entry and table, for problems.

    Yields
    ------
    Problem
    """
    for prefix, each in _every_estimator(estimator):
        name, params = type(each).__name__, each.get_params(deep=False)
        if prefix and (name.endswith("CV") or "cv" in params):
            yield from refusals_of_class(type(each), params, f"{where}: {prefix}")
        for parameter, value in params.items():
            place = f"{where}: {f'{prefix}__' if prefix else ''}{parameter}"
            if parameter == "memory" and value is not None:
                yield Problem(place, "is a cache of fits, which would outlive a fold", 'leave it out, or write "none"')
            elif parameter in INSIDE and value is None:
                yield Problem(place, f"is left to {name}, whose default is not written down", _nested_hint(parameter))
            elif parameter == "probability" and value is True:
                found = f"makes probabilities by a cross-validation of its own, which {FOLDS_OF_THEIR_OWN}"
                yield Problem(place, found, 'kind = "linear-svm" is calibrated in the inner folds')
            elif _stops_early(params, parameter, value):
                found = f"holds rows out by itself, which {FOLDS_OF_THEIR_OWN}"
                yield Problem(place, found, "leave it out, and search the number of iterations in a grid")
            elif callable(value) and not hasattr(value, "get_params"):
                yield Problem(place, f"is a function ({value!r})", "functions cannot be written down or compared")


def _stops_early(params: Mapping[str, Any], parameter: str, value: Any) -> bool:
    if parameter == "early_stopping":
        return value is True
    return parameter == "n_iter_no_change" and value is not None and _has_split(params)


def _has_split(params: Mapping[str, Any]) -> bool:
    """Whether waiting for no change alone makes an estimator hold rows out, as in gradient boosting."""
    return "validation_fraction" in params and "early_stopping" not in params


def _every_estimator(estimator: Any) -> Iterator[tuple[str, Any]]:
    """An estimator and all inside it, each with the prefix of its parameters."""
    yield "", estimator
    for name, value in estimator.get_params(deep=True).items():
        if hasattr(value, "get_params") and not isinstance(value, type):
            yield name, value


def _nested_hint(parameter: str) -> str:
    if parameter in ("estimators", "steps"):
        return f'such as {parameter} = [["svr", {{ estimator = "sklearn.svm.SVR" }}]]'
    tree = '{ estimator = "sklearn.tree.DecisionTreeRegressor", params = { max_depth = 3 } }'
    return f"such as {parameter} = {tree}" if parameter in INSIDE else "give it under params"


def refusal_of_values(estimator: Any, where: str) -> Iterator[Problem]:
    """What scikit-learn itself says of the values, of the estimator and of those inside it.

    Parameters
    ----------
    estimator : BaseEstimator
    where : str
        File, entry and table, for problems.

    Yields
    ------
    Problem
        One at most for each estimator.
    """
    for _, each in _every_estimator(estimator):
        try:
            if hasattr(each, "_parameter_constraints"):  # its own classes say what they take; others may not
                each._validate_params()
        except ValueError as error:
            yield Problem(where, " ".join(str(error).split()), "see its documentation for the values it takes")


def refusal_of_outcome(estimator: Any, outcome_type: OutcomeType, where: str) -> Iterator[Problem]:
    """Whether it can predict such an outcome: numbers, or probabilities of a class.

    Parameters
    ----------
    estimator : BaseEstimator
    outcome_type : OutcomeType
    where : str
        File and entry, for problems.

    Yields
    ------
    Problem
        One at most.
    """
    from sklearn.base import is_classifier, is_regressor

    name = type(estimator).__name__
    if not is_classifier(estimator) and not is_regressor(estimator):
        what = "is a transformer, which" if hasattr(estimator, "transform") else "is neither regressor nor classifier:"
        hint = "name a regressor or classifier; steps before it go into a sklearn.pipeline.Pipeline"
        yield Problem(where, f"{name} {what} predicts no outcome", hint)
    elif outcome_type == "continuous" and not is_regressor(estimator):
        yield Problem(where, f"{name} predicts classes, and the outcome is continuous", "name a regressor")
    elif outcome_type == "binary" and not is_classifier(estimator):
        hint = "name a classifier that has predict_proba, such as sklearn.naive_bayes.GaussianNB"
        yield Problem(where, f"{name} predicts numbers, not probabilities, and the outcome is binary", hint)
    elif outcome_type == "binary" and not hasattr(estimator, "predict_proba"):
        hint = "a binary outcome is predicted as a probability: name a classifier that has predict_proba"
        yield Problem(where, f"{name} has no predict_proba as it is written", hint)


# ------------------------------------------------------------------------------------------------------ what it is


def is_of_trees(estimator: Any) -> bool:
    """Whether it is a tree ensemble, or holds one: covariates are an offset then, and features as well.

    Parameters
    ----------
    estimator : BaseEstimator

    Returns
    -------
    bool
    """
    from sklearn.ensemble import BaseEnsemble
    from sklearn.ensemble._hist_gradient_boosting.gradient_boosting import BaseHistGradientBoosting
    from sklearn.tree import BaseDecisionTree

    def of_trees(each: Any) -> bool:
        if isinstance(each, BaseDecisionTree | BaseHistGradientBoosting):
            return True
        grows = isinstance(each, BaseEnsemble) and isinstance(getattr(each, "estimator", None), BaseDecisionTree)
        return grows or type(each).__module__.partition(".")[0] in TREE_PACKAGES or _is_boosting(each)

    return any(of_trees(each) for _, each in _every_estimator(estimator))


def _is_boosting(estimator: Any) -> bool:
    from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor

    return isinstance(estimator, GradientBoostingClassifier | GradientBoostingRegressor)
