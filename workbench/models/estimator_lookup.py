"""Where the class of an estimator comes from: scikit-learn, a package that offers it, or the user's own list.

Nothing of a study is executed: a class is looked for among the distributions that are installed outside the study
folder, and imported only when it is allowed and lies there. Entry points are read from their files, without an import.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

from workbench.errors import FitError, Problem, SpecError, did_you_mean
from workbench.third_party import entry_points, import_outside, trusted

GROUP = "biomarker_workbench.learners"
"""Entry points of installed packages that offer estimators, or learners, by name."""
ALWAYS = "sklearn"
TRUSTED = frozenset(
    {
        *(f"sklearn._loss.loss.{name}" for name in ("HalfSquaredError", "HalfBinomialLoss", "HalfTweedieLossIdentity")),
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace",
        *(
            f"sklearn.gaussian_process.kernels.{name}"
            for name in (
                *("CompoundKernel", "ConstantKernel", "DotProduct", "ExpSineSquared", "Exponentiation"),
                *("Hyperparameter", "Matern", "PairwiseKernel", "Product", "RBF", "RationalQuadratic"),
                *("Sum", "WhiteKernel"),
            )
        ),
        *(
            f"sklearn.metrics._dist_metrics.{name}64"
            for name in ("ChebyshevDistance", "EuclideanDistance", "ManhattanDistance", "MinkowskiDistance")
        ),
        "sklearn.neighbors._ball_tree.BallTree",
        "sklearn.neighbors._kd_tree.KDTree",
        "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
        "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
        "sklearn.tree._tree.Tree",
    }
)
"""Types that a saved model may hold beside those that skops trusts itself, which are scikit-learn's public estimators
and the arrays and numbers of NumPy and SciPy: what the regressors and classifiers of scikit-learn 1.5 to 1.8 hold once
fitted. A whole package is never trusted: it has functions that run what they are given."""


@dataclass(frozen=True)
class Allowed:
    """What one study may name on this machine.

    Attributes
    ----------
    study : Path
        Its folder, in which nothing is looked for.
    classes : collection of str
        Paths that the user allowed.
    file : Path
        Where the user allows them.
    """

    study: Path
    classes: Collection[str]
    file: Path


def find_class(name: str, allowed: Allowed, where: str) -> tuple[str, type[Any]]:
    """Path and class of an estimator that a file names.

    Parameters
    ----------
    name : str
        "package.module.Class", or the name of an entry point.
    allowed : Allowed
    where : str
        File and key, for a problem.

    Returns
    -------
    path : str
        "package.module.Class".
    found : type

    Raises
    ------
    SpecError
        If it is not allowed, not installed outside the study, or not there.
    """
    offered = _offered(allowed.study, where)
    path = name if "." in name else offered.get(name)
    if path is None:
        hint = did_you_mean(name, offered) if offered else ""
        hint = hint if hint.startswith("did you mean") else _whole_path(name) or hint
        raise SpecError(Problem(where, f"{name!r} is offered by no installed package", hint))
    package = path.partition(".")[0]
    if package != ALWAYS and path not in allowed.classes and path not in offered.values():
        hint = f'if you trust that package, write estimators = ["{path}"] in {allowed.file}: a study cannot allow it'
        raise SpecError(Problem(where, f"{path} is neither of scikit-learn nor on the user's own list", hint))
    owner = _owner(package, tuple(sys.path))
    if owner is None or not trusted(Path(str(owner.locate_file(""))), allowed.study):
        hint = f"install it for {sys.executable}; a module that merely lies in a folder is not looked for"
        raise SpecError(Problem(where, f"{package}, which {path} is from, is not an installed package", hint))
    import_outside(where, package, allowed.study)
    return path, _imported(path, where)


@cache
def load_class(path: str) -> type[Any]:
    """The class at a path that was looked up before, by `find_class`.

    Parameters
    ----------
    path : str
        "package.module.Class".

    Returns
    -------
    type
    """
    return _imported(path, path)


def version_of(path: str) -> tuple[str, str]:
    """Distribution that a class is from, and its version; empty texts where none is known.

    Parameters
    ----------
    path : str
        "package.module.Class".

    Returns
    -------
    name, version : str
    """
    owner = _owner(path.partition(".")[0], tuple(sys.path))
    return ("", "") if owner is None else (str(owner.metadata["Name"]), str(owner.version))


def unpacked(state: bytes) -> Any:
    """An estimator as skops wrote it, if all its classes may be loaded on this machine.

    Parameters
    ----------
    state : bytes
        From `skops.io.dumps`.

    Returns
    -------
    BaseEstimator
        Fitted.

    Raises
    ------
    FitError
        Naming the classes that are neither estimators of scikit-learn, nor offered by a package, nor on the user's own
        list; or if it is no file of skops.
    """
    from skops.io import get_untrusted_types, loads

    from workbench.specs.user_configuration import configuration_file, read_user_configuration

    try:
        needed = get_untrusted_types(data=state)
    except Exception as error:  # whatever a file that is damaged or made up does to a parser
        raise FitError(Problem("", "the saved estimator cannot be read", "it was not written whole")) from error
    strange = [name for name in needed if name not in TRUSTED]
    if strange:
        nowhere = Path(os.devnull)  # no study: what is offered in the current folder does not count either
        offered = _offered(nowhere, "")
        known = {*offered, *offered.values(), *read_user_configuration(nowhere).estimators}
        strange = [name for name in strange if name not in known]
    if strange:
        hint = f"if you trust where it comes from, add them to estimators in {configuration_file()}"
        raise FitError(Problem("", f"the saved model holds {', '.join(strange)}", hint))
    return loads(state, trusted=needed)


# ------------------------------------------------------------------------------------------------------- distributions


def _offered(study: Path, where: str) -> dict[str, str]:
    """Path of the class by the name of its entry point."""
    makers: dict[str, set[str]] = {}
    paths: dict[str, str] = {}
    for entry, distribution in entry_points(GROUP, study):
        makers.setdefault(entry.name, set()).add(distribution.name)
        paths[entry.name] = entry.value.replace(":", ".")
    for name, several in makers.items():
        if len(several) > 1:
            found = f"{name!r} is offered by {' and '.join(sorted(several))}"
            raise SpecError(Problem(where, found, "uninstall all but one of them"))
    return paths


@cache
def _owner(package: str, places: tuple[str, ...]) -> Distribution | None:
    """The distribution that a top-level package was installed by."""
    if package == ALWAYS:
        return next(iter(Distribution.discover(name="scikit-learn", path=list(places))), None)
    by_name = next(iter(Distribution.discover(name=package, path=list(places))), None)
    return by_name or next((each for each in distributions(path=list(places)) if package in _top_level(each)), None)


def _top_level(distribution: Distribution) -> set[str]:
    declared = distribution.read_text("top_level.txt")
    if declared:
        return set(declared.split())
    return {re.sub(r"\.py$", "", file.parts[0]) for file in distribution.files or ()}


# ------------------------------------------------------------------------------------------------------------- imports


def _imported(path: str, where: str) -> type[Any]:
    module, _, name = path.rpartition(".")
    try:
        holder = import_module(module)
    except ImportError as error:
        hint = _whole_path(name) if path.startswith(f"{ALWAYS}.") else "see the package's documentation for its modules"
        raise SpecError(Problem(where, f"{module} cannot be imported ({error})", hint)) from error
    found = getattr(holder, name, None)
    if found is None:
        public = [each for each in dir(holder) if isinstance(getattr(holder, each, None), type)]
        hint = _whole_path(name) or did_you_mean(name, public)
        raise SpecError(Problem(where, f"{module} has no {name!r}", hint))
    if not isinstance(found, type):
        raise SpecError(Problem(where, f"{path} is not a class", "name the class of an estimator, not a function"))
    return found


def _whole_path(name: str) -> str:
    """Where scikit-learn has a class of this name, or one like it; empty where it has none."""
    from difflib import get_close_matches

    known = dict(_of_scikit_learn())
    close = get_close_matches(name, known, n=1, cutoff=0.75)
    return f"did you mean {known[close[0]]!r}?" if close else ""


def _of_scikit_learn() -> Iterator[tuple[str, str]]:
    from sklearn.utils.discovery import all_estimators

    for name, each in all_estimators():
        yield name, f"{re.sub(r'[.]_.*', '', each.__module__)}.{name}"
