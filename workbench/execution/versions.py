"""Which versions decide the numbers of a fit, so that workers with others are refused."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from workbench.errors import FitError, Problem
from workbench.models.unit_keys import package_versions


@cache
def versions_here() -> Mapping[str, str]:
    """Versions of the packages that enter the keys of work units, in this process.

    Returns
    -------
    mapping of str to str
    """
    return dict(package_versions())


def refuse_other_versions(expected: Mapping[str, str], where: str) -> None:
    """Refuse to fit in a process whose packages differ: its numbers would stand under keys that name others.

    Parameters
    ----------
    expected : mapping of str to str
        `versions_here` of the process that hands out the work.
    where : str
        This process, as the user knows it.

    Raises
    ------
    FitError
        With every package that differs.
    """
    here = versions_here()
    differ = [
        f"{name} {here.get(name) or 'missing'}, not {version}"
        for name, version in expected.items()
        if here.get(name) != version
    ]
    if differ:
        hint = "numbers could differ: install the same requirements.lock there as here"
        raise FitError(Problem(where, f"has other packages than this machine ({'; '.join(differ)})", hint))
