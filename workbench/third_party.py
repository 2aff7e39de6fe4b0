"""What installed packages add to the workbench: looked up by name outside the study, imported only when it is named.

A package offers a module under an entry point of its distribution; a study folder can hold neither. What lies in the
study, or in the current folder, is refused even where Python would import it, unless it is installed with the Python
that runs (whose environment may well lie in the folder of a study).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import Distribution, EntryPoint, distributions, version
from importlib.util import find_spec
from pathlib import Path
from sysconfig import get_paths
from types import ModuleType

from workbench.errors import Problem, SpecError, did_you_mean, listed


@dataclass(frozen=True)
class Offered:
    """A module that an installed package offers.

    Parameters
    ----------
    module : module
    version : str
        Name and version of its distribution.
    """

    module: ModuleType
    version: str


@cache
def installed_version(distribution: str) -> str:
    """Version of an installed package; its metadata are read once in a process.

    Parameters
    ----------
    distribution : str
        Such as ``scikit-learn``.

    Returns
    -------
    str

    Raises
    ------
    importlib.metadata.PackageNotFoundError
        If it is not installed.
    """
    return version(distribution)


def names(group: str, *, study: Path) -> tuple[str, ...]:
    """Names that installed packages offer in a group of entry points, sorted; nothing is imported.

    Parameters
    ----------
    group : str
        Such as ``biomarker_workbench.sources``.
    study : Path
        Folder of the study: a package that lies in it offers nothing.

    Returns
    -------
    tuple of str
    """
    return tuple(sorted({entry.name for entry, _ in entry_points(group, study)}))


def load(group: str, name: str, *, study: Path) -> Offered:
    """The module that an installed package offers under a name.

    Parameters
    ----------
    group : str
        Group of entry points, such as ``biomarker_workbench.sources``.
    name : str
    study : Path
        Folder of the study, from which nothing is imported.

    Returns
    -------
    Offered

    Raises
    ------
    SpecError
        If no package offers the name, several do, it would be imported from the study, or it cannot be imported.
    """
    entries = [(entry, distribution) for entry, distribution in entry_points(group, study) if entry.name == name]
    makers = sorted({f"{distribution.name} {distribution.version}" for _, distribution in entries})
    if not entries:
        hint = did_you_mean(name, names(group, study=study))
        raise SpecError(Problem(name, f"no installed package offers it ({group})", hint))
    if len(makers) > 1:
        found = f"is offered by {listed(makers)}"
        raise SpecError(Problem(name, found, "uninstall all but one of them"))
    return Offered(import_outside(name, entries[0][0].module, study), makers[0])


def entry_points(group: str, study: Path) -> Iterator[tuple[EntryPoint, Distribution]]:
    """Entry points of distributions that are installed outside the study and the current folder.

    Parameters
    ----------
    group : str
        Such as ``biomarker_workbench.sources``.
    study : Path
        Folder of the study.
    """
    known: dict[Path, bool] = {}  # most lie in one folder
    for distribution in distributions():
        folder = Path(str(distribution.locate_file("")))
        if folder not in known:
            known[folder] = trusted(folder, study)
        if known[folder]:
            yield from ((entry, distribution) for entry in distribution.entry_points if entry.group == group)


def import_outside(name: str, module: str, study: Path) -> ModuleType:
    """A module of an installed package, imported once it is known to lie outside the study.

    Parameters
    ----------
    name : str
        What a message says it is for.
    module : str
        Its dotted name.
    study : Path
        Folder of the study.

    Returns
    -------
    module

    Raises
    ------
    SpecError
        If it is not installed, would be imported from the study, or cannot be imported.
    """
    package = find_spec(module.partition(".")[0])  # of a package that is not imported yet, this executes nothing
    if package is None:
        raise SpecError(Problem(name, f"its module {module} is not installed", "install its package again"))
    places = package.submodule_search_locations or filter(None, [package.origin])
    if not all(trusted(Path(place).parent, study) for place in places):
        found = f"its module {module} would be imported from the study or the current folder"
        raise SpecError(Problem(name, found, "nothing of a study is executed: move it out, or start elsewhere"))
    try:
        return import_module(module)
    except Exception as error:
        found = f"its module {module} cannot be imported ({type(error).__name__}: {error})"
        raise SpecError(Problem(name, found, "see whether the package fits this version of the workbench")) from error


def trusted(folder: Path, study: Path) -> bool:
    """Whether packages of a folder may be imported: of this Python, or neither in the study nor the current folder.

    Parameters
    ----------
    folder : Path
        The one that packages lie in.
    study : Path

    Returns
    -------
    bool
    """
    folder = folder.resolve()
    if any(folder.is_relative_to(Path(get_paths()[kind]).resolve()) for kind in ("purelib", "platlib")):
        return True
    return not folder.is_relative_to(study.resolve()) and folder != _current_folder()


def _current_folder() -> Path | None:
    try:
        return Path.cwd().resolve()
    except OSError:  # it has been removed
        return None
