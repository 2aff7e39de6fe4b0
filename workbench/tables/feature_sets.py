"""Which sources are taken together; two views of the same scans never are."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

from workbench.errors import Problem, Problems, TableError, did_you_mean
from workbench.records import ALL_SOURCES
from workbench.specs.experiment import ExperimentSpec, source_of
from workbench.specs.readers import AnySource


def feature_sets(experiment: ExperimentSpec, sources: Mapping[str, AnySource]) -> dict[str, tuple[str, ...]]:
    """The feature sets of an experiment; by default each source alone, and together all that overlap no other.

    Parameters
    ----------
    experiment : ExperimentSpec
    sources : mapping of str to AnySource
        Every source of the study, by name.

    Returns
    -------
    dict of str to tuple of str
        By name of the set: the sources in it, ``SOURCE@change`` where the acute change of one is meant.

    Raises
    ------
    TableError
        If a set names an unknown source, or joins two views of the same scans.
    """
    problems = Problems()
    if not experiment.feature_sets:
        return _default_sets(sources)
    for name, members in experiment.feature_sets.items():
        where = f"feature_sets: {name}"
        for member in members:
            if source_of(member) not in sources:
                problems.add(where, f"{member!r} is not a source of this study", did_you_mean(member, sources))
        known = [member for member in members if source_of(member) in sources]
        for first, second in combinations(known, 2):
            if overlap(first, second, sources):
                found = f"{first} and {second} are the same scans seen twice (overlaps)"
                problems.add(where, found, "they are not independent: put them into two feature sets")
    problems.raise_if_any(TableError)
    return {name: tuple(members) for name, members in experiment.feature_sets.items()}


def _default_sets(sources: Mapping[str, AnySource]) -> dict[str, tuple[str, ...]]:
    if not sources:
        raise TableError(Problem("features", "the study has no source", "write features/NAME.toml"))
    alone: dict[str, tuple[str, ...]] = {name: (name,) for name in sources}
    clear = tuple(
        name for name in sources if not any(overlap(name, other, sources) for other in sources if other != name)
    )
    return {**alone, ALL_SOURCES: clear} if len(clear) > 1 and ALL_SOURCES not in sources else alone


def overlap(first: str, second: str, sources: Mapping[str, AnySource]) -> bool:
    """Whether either source says that it is made from the scans of the other; its acute change is another measure."""
    first, second = source_of(first), source_of(second)
    return second in sources[first].overlaps or first in sources[second].overlaps
