"""An entry that names an estimator, settled: its class found, everything refused that must be, defaults written out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from workbench.errors import Problem, Problems, SpecError, did_you_mean
from workbench.models.estimator import is_learner
from workbench.models.estimator_building import (
    UnwritableError,
    make,
    meant,
    path_of,
    refusal_of_outcome,
    refusal_of_values,
    refusals,
    refusals_of_class,
    unknown_parameters,
    written,
    written_params,
)
from workbench.models.estimator_lookup import Allowed, find_class, load_class, version_of
from workbench.records import OutcomeType
from workbench.specs.estimator import EstimatorSpec
from workbench.specs.parameters import named_inside


def settle(spec: EstimatorSpec, allowed: Allowed, where: str) -> EstimatorSpec:
    """The entry with the whole path of its class and every parameter, defaults of the class written out.

    Parameters
    ----------
    spec : EstimatorSpec
        As a file holds it.
    allowed : Allowed
    where : str
        File and entry, for problems.

    Returns
    -------
    EstimatorSpec
        Equal to itself when it is settled again.

    Raises
    ------
    SpecError
        With everything that is wrong with the entry.
    """
    problems = Problems()
    path, cls = find_class(spec.estimator, allowed, f"{where}: estimator")
    for name in _named_inside(spec):
        with problems.gather():
            find_class(name, allowed, f"{where}: {name}")
    problems.raise_if_any(SpecError)
    settled = spec.model_copy(update={"estimator": path, "name": spec.name or _name(spec, path)})
    if is_learner(cls):
        problems.extend(_refusals_of_learner(spec, cls, where))
        problems.raise_if_any(SpecError)
        return settled

    def find(name: str) -> type[Any]:
        return find_class(name, allowed, where)[1]

    given = {**spec.params, **spec.grid, **spec.space}
    unknown = unknown_parameters(cls, given)
    refused = list(refusals_of_class(cls, given, where))
    problems.extend(refused)
    if len(refused) > len(unknown):  # of the class itself, so that nothing more can be asked of it
        problems.raise_if_any(SpecError)
    rest = _without(spec, unknown)
    tried = {name: _first(rest, name) for name in (*rest.grid, *rest.space)}
    try:
        estimator = make(cls, {name: each for name, each in {**rest.params, **tried}.items() if "__" not in name}, find)
    except Exception as error:
        problems.add(f"{where}: params", f"{cls.__name__} refuses them: {error}", "mend params")
        raise SpecError(problems) from error
    unknown_inside = list(_unknown_inside(rest, estimator, where))
    problems.extend(each for _, each in unknown_inside)
    rest = _without(rest, [name for name, _ in unknown_inside])
    estimator.set_params(**{name: meant(value, find) for name, value in rest.params.items() if "__" in name})
    problems.extend(_refused(rest, estimator, where, find))
    problems.raise_if_any(SpecError)
    return settled.model_copy(update={"params": written_params(estimator, tuple(tried))})


def _name(spec: EstimatorSpec, path: str) -> str | None:
    """A package may offer a class under another name, which its runs keep."""
    return None if path.rpartition(".")[2] == spec.label else spec.label


def handed_over(
    estimator: Any, *, name: str | None = None, grid: Mapping[str, Sequence[Any]] | None = None
) -> EstimatorSpec:
    """The entry of an estimator object that a Python program hands over in place of a path.

    It is cloned, so that nothing it has learnt is used and nothing of it is changed.

    Parameters
    ----------
    estimator : BaseEstimator
        An object, not a class.
    name : str, optional
        Of the model; that of its class if not given.
    grid : mapping of str to sequence, optional
        Values that the inner folds choose from, by parameter.

    Returns
    -------
    EstimatorSpec
        Complete as after `settle`, with a clone in `handed`.

    Raises
    ------
    SpecError
        With everything of it that is refused: as of what a file names, but its class may come from anywhere.
    """
    from sklearn.base import clone

    where, cls = "estimator", type(estimator)
    if isinstance(estimator, type):
        raise SpecError(
            Problem(where, f"{estimator.__name__} is a class", f"hand over an object: {estimator.__name__}()")
        )
    problems = Problems()
    params = estimator.get_params(deep=False) if hasattr(estimator, "get_params") else {}
    problems.extend(refusals_of_class(cls, params, where))
    problems.raise_if_any(SpecError)
    problems.extend(refusals(estimator, where))
    problems.raise_if_any(SpecError)
    try:
        tried = {key: tuple(written(value) for value in values) for key, values in (grid or {}).items()}
        without = tuple(tried)
        spec = EstimatorSpec(
            kind="estimator", name=name or cls.__name__, estimator=_path_in_words(cls), params={}, grid=tried
        ).model_copy(update={"params": written_params(estimator, without)})
    except UnwritableError as error:
        raise SpecError(
            Problem(where, f"holds what cannot be written down: {error}", "use plain parameters")
        ) from error
    except ValueError as error:
        raise SpecError(Problem(where, str(error), "mend its grid")) from error
    problems.extend(each for _, each in _unknown_inside(spec, estimator, where))
    problems.raise_if_any(SpecError)
    problems.extend(_refused(spec, clone(estimator), where, load_class))
    problems.raise_if_any(SpecError)
    return spec.with_handed(clone(estimator))


def _path_in_words(cls: type[Any]) -> str:
    """The path of a class, also of one that was made in a function."""
    return path_of(cls).replace("<locals>.", "")


def outcome_problems(spec: EstimatorSpec, outcome_type: OutcomeType, where: str) -> Iterator[Problem]:
    """Why an estimator that is settled cannot predict an outcome of this type.

    Parameters
    ----------
    spec : EstimatorSpec
    outcome_type : OutcomeType
    where : str
        File and entry, for problems.

    Yields
    ------
    Problem
        One at most.
    """
    from workbench.models.estimator import prototype_of

    if spec.handed is None and is_learner(load_class(spec.estimator)):
        types = getattr(load_class(spec.estimator), "outcome_types", ("continuous", "binary"))
        if outcome_type not in types:
            yield Problem(where, f"{spec.label} predicts no {outcome_type} outcome", "name another model")
        return
    yield from refusal_of_outcome(prototype_of(spec), outcome_type, where)


def identity(spec: EstimatorSpec) -> dict[str, Any]:
    """What decides the numbers of an estimator beside its entry: versions of packages, and an object's own code.

    Parameters
    ----------
    spec : EstimatorSpec
        Settled, or of an object that was handed over.

    Returns
    -------
    dict of str to object
        packages: pairs of distribution and version. object: SHA-256 of an object that was handed over, where one of its
        classes is of no installed distribution.
    """
    names = {spec.estimator, *_named_inside(spec)}
    packages = sorted({version_of(name) for name in names})
    if spec.handed is None or all(name for name, _ in packages):
        return {"packages": packages}
    import cloudpickle

    # Never stored: code of a notebook, of which nothing but its bytes says that it has changed.
    return {"packages": packages, "object": hashlib.sha256(cloudpickle.dumps(spec.handed)).hexdigest()}


# --------------------------------------------------------------------------------------------------------------- parts


def _named_inside(spec: EstimatorSpec) -> list[str]:
    choices = [within.choices or () for within in spec.space.values()]
    return sorted(set(named_inside([*spec.params.values(), *spec.grid.values(), *choices])))


def _first(spec: EstimatorSpec, name: str) -> Any:
    if name in spec.grid:
        return spec.grid[name][0]
    within = spec.space[name]
    return within.low if within.choices is None else within.choices[0]


def _without(spec: EstimatorSpec, names: Sequence[str]) -> EstimatorSpec:
    """An entry without the parameters of these names, whichever table holds them."""
    tables = ("params", "grid", "space")
    kept = {table: {n: each for n, each in getattr(spec, table).items() if n not in names} for table in tables}
    return spec.model_copy(update=kept)


def _unknown_inside(spec: EstimatorSpec, estimator: Any, where: str) -> Iterator[tuple[str, Problem]]:
    """Parameters of estimators inside, ``svr__C``, and of an object, that are not there, by name."""
    known = estimator.get_params(deep=True)
    for table in ("params", "grid", "space"):
        for name in getattr(spec, table):
            if name not in known:
                found = f"is not a parameter of {type(estimator).__name__}"
                yield name, Problem(f"{where}: {table}.{name}", found, did_you_mean(name, known))


def _refused(spec: EstimatorSpec, estimator: Any, where: str, find: Any) -> Iterator[Problem]:
    """What of the estimator, and of every value that is tried, is refused."""
    from sklearn.base import clone

    yield from refusals(estimator, f"{where}: params")
    yield from refusal_of_values(estimator, f"{where}: params")
    tried: dict[str, Sequence[Any]] = dict(spec.grid)
    for name, within in spec.space.items():
        tried[name] = within.choices if within.choices is not None else (within.low, within.high)
    for name, values in tried.items():
        table = "grid" if name in spec.grid else "space"
        for value in values:
            other = clone(estimator).set_params(**{name: meant(value, find)})
            yield from refusals(other, f"{where}: {table}")
            yield from refusal_of_values(other, f"{where}: {table}")


def _refusals_of_learner(spec: EstimatorSpec, cls: type[Any], where: str) -> Iterator[Problem]:
    """A learner that a package offers whole tunes itself, and is made from its params."""
    import inspect

    for table in ("grid", "space"):
        if getattr(spec, table):
            found = f"{spec.estimator} is a learner of its own, which chooses its settings itself"
            yield Problem(f"{where}: {table}", found, "give its options under params")
    try:
        inspect.signature(cls).bind(**spec.params)
    except TypeError as error:
        known = ", ".join(inspect.signature(cls).parameters) or "none"
        yield Problem(f"{where}: params", f"{spec.estimator} cannot be made: {error}", f"its options: {known}")
