"""Features of a frozen model found in the tables of another cohort: by name, and measured as they were in training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from workbench.errors import Problem, did_you_mean, listed
from workbench.records import Policies

MEASURED = (
    "modality",
    "region_a",
    "region_b",
    "contrast",
    "tracer",
    "measure",
    "unit",
    "atlas",
    "reference_region",
    "minutes",
    "phase",
)
"""What of the description of a feature makes it another measurement. The circuit is a label that no model sees."""
LISTED = 3


@dataclass(frozen=True, eq=False)
class MatchedSource:
    """The features of one source of a model in the table of another cohort.

    Parameters
    ----------
    source : str
        Of the model.
    own : ndarray of int
        Positions of its features in the model.
    there : ndarray of int
        Column of each in the other table; -1 where the feature is held at its training mean.
    """

    source: str
    own: np.ndarray
    there: np.ndarray


def match_features(
    trained: pd.DataFrame, tables: Mapping[str, pd.DataFrame], policies: Policies, where: str, *, in_part: bool = False
) -> tuple[tuple[MatchedSource, ...], list[Problem], tuple[str, ...]]:
    """Match every feature of a model with one of another cohort.

    Parameters
    ----------
    trained : DataFrame
        `FEATURE_COLUMNS` of the model's features, in its order, and ``phase``: before, during or after treatment.
    tables : mapping of str to DataFrame
        By source of the model: the features of the source that stands for it, described alike; sources that the other
        cohort does not have are left out.
    policies : Policies
    where : str
        Begins the messages: the other study.
    in_part : bool
        The model predicts from what a participant has: a source that is missing there is held at no mean.

    Returns
    -------
    matched : tuple of MatchedSource
        By source of the model, those that are missing included.
    problems : list of Problem
        What is refused.
    handled : tuple of str
        What the policies did, in sentences.
    """
    matched, problems, handled = [], [], []
    for source in dict.fromkeys(trained["source"]):
        own = np.flatnonzero((trained["source"] == source).to_numpy())
        features = trained.iloc[own]
        table = tables.get(source)
        if table is None:
            there = np.full(len(own), -1)
            words = _absent_source(source, features)
            if policies.missing_features == "refuse":
                problems.append(Problem(where, words, _hint_of_source(source)))
            else:
                handled.append(f"{words}: {'nobody there has them' if in_part else 'held at their training means'}")
        else:
            there = _positions(features, table)
            for found, hint in _missing(source, features, table, there):
                if policies.missing_features == "refuse":
                    problems.append(Problem(where, found, hint))
                else:
                    handled.append(f"{found}: held at the training mean")
            other, differences = _measured_otherwise(source, features, table, there)
            hint = "measure it alike there, or say what is done: other_measures = "
            if policies.other_measures == "refuse":
                problems += [Problem(where, each, f'{hint}"training-mean" or "accept"') for each in differences]
            elif policies.other_measures == "training-mean":
                there = np.where(other, -1, there)
                absent = in_part and not (there >= 0).any()
                done = "taken as not measured there" if absent else "held at the training mean"
                handled += [f"{each}: {done}" for each in differences]
            else:
                handled += [f"{each}: used as it is" for each in differences]
        matched.append(MatchedSource(source, own, there))
    return tuple(matched), problems, tuple(handled)


def _positions(features: pd.DataFrame, table: pd.DataFrame) -> np.ndarray:
    index = pd.Index(table["feature"])
    if not index.is_unique:
        index = pd.Index(table["name"].str.partition(":")[2])
    return np.asarray(index.get_indexer(list(features["feature"])))


def _absent_source(source: str, features: pd.DataFrame) -> str:
    modality = listed(dict.fromkeys(features["modality"]))
    return f"has no source {source!r}: the {len(features)} {modality} features of the model are missing"


def _hint_of_source(source: str) -> str:
    return (
        f"name the source that stands for it in [external.NAME] sources = {{ {source} = .. }}, or hold them at their "
        'training means: missing_features = "training-mean"'
    )


def _missing(source: str, features: pd.DataFrame, table: pd.DataFrame, there: np.ndarray) -> Iterator[tuple[str, str]]:
    absent = list(features["feature"][there < 0])
    if not absent:
        return
    close = did_you_mean(absent[0], table["feature"]) if len(table) <= 20_000 else ""
    found = f"{source} lacks {len(absent)} of {len(features)} features of the model: {listed(absent, LISTED)}"
    mend = 'rename them there, or hold them at their training means: missing_features = "training-mean"'
    yield found, f"{close}; {mend}" if close else mend


def _measured_otherwise(
    source: str, features: pd.DataFrame, table: pd.DataFrame, there: np.ndarray
) -> tuple[np.ndarray, list[str]]:
    """Which features of the same name were measured otherwise, and in what, in words."""
    other = np.zeros(len(there), dtype=bool)
    words = []
    here = there >= 0
    for column in MEASURED:
        trained = features[column].astype(str).to_numpy() if column in features else np.full(len(there), "")
        found = np.full(len(there), "", dtype=object)
        if column in table:
            found[here] = table[column].astype(str).to_numpy()[there[here]]
        differs = here & (trained.astype(str) != found.astype(str))
        other |= differs
        for old, new in dict.fromkeys(zip(trained[differs], found[differs], strict=True)):
            own = list(features["feature"][differs & (trained == old) & (found == new)])
            words.append(_difference(source, column, own, str(old), str(new)))
    return other, words


def _difference(source: str, column: str, features: Sequence[str], old: str, new: str) -> str:
    label = {"region_a": "first region", "region_b": "second region", "phase": "time of measurement"}
    what = label.get(column, column.replace("_", " "))
    of = f"{len(features)} features" if len(features) > 1 else features[0]
    return f"{source}: {of}: {what} is {new or 'not declared'!r}, in training {old or 'not declared'!r}"
