"""Notices of several feature sets of one experiment: each once, and with its feature set where only numbers differ."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from workbench.records import Dataset, Notice, feature_set_name

NUMBER = re.compile(r"\d[\d,.]*(?:e[+-]?\d+)?")


def called(dataset: Dataset) -> str:
    """A feature set in words, and whether those who have a part of it are analysed.

    Parameters
    ----------
    dataset : Dataset

    Returns
    -------
    str
    """
    name = feature_set_name(dataset.feature_set, dataset.sources)
    return name if dataset.complete else f"{name}, whoever has a part of it"


def by_feature_set(notices: Sequence[tuple[Notice, str]]) -> list[Notice]:
    """Each notice once; one that another feature set has with other numbers begins with the sets that it is about.

    Parameters
    ----------
    notices : sequence of (Notice, str)
        Each with the feature set that it was met in, as `called` has it.

    Returns
    -------
    list of Notice
        In the order in which they were met.
    """
    alike: dict[tuple[str, ...], list[Notice]] = {}
    sets: dict[Notice, list[str]] = {}
    for notice, name in notices:
        names = sets.setdefault(notice, [])
        if not names:
            alike.setdefault((notice.where, notice.code, NUMBER.sub("", notice.text)), []).append(notice)
        if name not in names:
            names.append(name)
    several = {notice for group in alike.values() if len(group) > 1 for notice in group}
    return [
        replace(notice, where=": ".join(filter(None, ("; ".join(names), notice.where))))
        if notice in several
        else notice
        for notice, names in sets.items()
    ]
