"""Trap T6 as far as it can be seen: a list of columns that goes with the outcome as only a list made by it does.

Where a source keeps a part of a file's columns, those left out are still in the file. A list made from an atlas or a
paper goes with the outcome somewhat more than the rest, or not at all; one made by the outcome, in the very people who
are to be predicted, separates the columns that go with it from those that do not. A file that holds the selected
columns alone shows nothing: there only a declaration helps (`tables.upstream`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from workbench.errors import Problem
from workbench.records import Dataset, Notice
from workbench.specs.readers import AnySource
from workbench.specs.source import UpstreamSpec

STANDS_OUT = 0.9
"""Share of the pairs of a kept column and one left out in which the kept one goes more with the outcome: a half by
chance. From here on a list is worth a warning."""

SEPARATED = 0.98
"""The same share, all but complete: the best were kept, and no other. Of lists that a paper has right (all of R2 = .25
in the twelve columns kept, 60 people) one in ten reaches it; of lists made by the outcome all do."""

LISTED_P = 0.001
"""Level, over all that is looked at in one feature set, at which shuffled outcomes separate the columns as well."""

SHUFFLES = 4999
MOST_LEFT_OUT = 2000
"""Columns left out that are looked at; of more, so many drawn at random, since ranks of all would take minutes."""

DECLARED = ("atlas", "literature", "other people")
"""How a list may have been made without the outcome of these people."""


@dataclass(frozen=True)
class Separation:
    """How far the kept columns of a source stand out.

    Attributes
    ----------
    share : float
        Of the pairs (kept, left out), those in which the kept column goes more with the outcome; ties count half.
    p : float
        Permutation p of that share.
    """

    source: str
    n_kept: int
    n_left_out: int
    share: float
    p: float


def selected_by_outcome(
    dataset: Dataset, left_out: Mapping[str, np.ndarray], specs: Mapping[str, AnySource], where: str
) -> tuple[list[Problem], list[Notice]]:
    """Lists of columns that look as if the outcome had made them: refused, or warned of.

    A list whose origin is declared is never refused, and warned of only where its columns are separated all but
    completely; one of unknown origin is refused there, and warned of where they stand out.

    Parameters
    ----------
    dataset : Dataset
    left_out : mapping of str to ndarray of shape (n_rows, n_left_out)
        By source: the columns of its file that are not features, by row of the dataset.
    specs : mapping of str to AnySource
        By name of the source: its ``[upstream]`` says whether the origin of its columns is declared.
    where : str
        Begins the messages of problems: ``feature set clinical``.

    Returns
    -------
    problems : list of Problem
    warnings : list of Notice
    """
    problems: list[Problem] = []
    warnings: list[Notice] = []
    for found in separations(dataset, left_out):
        said = specs[found.source].upstream if found.source in specs else None
        declared = said is not None and said.selected_by in DECLARED
        what = (
            f"the {found.n_kept} columns kept of {found.n_kept + found.n_left_out} are more associated with the "
            "outcome than those "
            f"left out, in {100 * found.share:.0f} % of all pairs (p = {found.p:.2g}), as where the outcome chose them"
        )
        say = f'say so in features/{found.source}.toml: [upstream] selected_by = "literature", reference = ".."'
        if declared and found.share >= SEPARATED:
            text = f"{what}, though they are declared as selected by {_origin(said)}"
            warnings.append(Notice(text, where=found.source, code="T6"))
        elif found.share >= SEPARATED:
            hint = (
                "if it did, keep all columns: screen = 50 in [[models]] selects in the training participants only; "
                "if an "
                f"atlas, a paper or other people did, {say}"
            )
            problems.append(Problem(f"{where}: {found.source}", what, hint, "T6"))
        elif not declared:
            warnings.append(Notice(f"{what}; if something else did, {say}", where=found.source, code="T6"))
    return problems, warnings


def _origin(said: UpstreamSpec | None) -> str:
    if said is None:
        return ""
    return f"{said.selected_by} ({said.reference})" if said.reference else said.selected_by


def separations(dataset: Dataset, left_out: Mapping[str, np.ndarray]) -> Iterator[Separation]:
    """Every source whose kept columns stand out, at the level `LISTED_P`; raw, and given the nuisance block."""
    source = dataset.features["source"].to_numpy(str)
    views = [np.empty((dataset.n_rows, 0)), dataset.nuisance.values][: 2 if dataset.nuisance.variables else 1]
    level = LISTED_P / max(1, len(views) * len(left_out))
    for name, others in left_out.items():
        rows = dataset.feature_blocks.rows_with(name)
        kept = dataset.measured[rows][:, source == name]
        X = np.column_stack([kept, _some(others)[rows]])
        y, blocks = dataset.y[rows], np.asarray(dataset.blocks)[rows]
        seen = [separation(X, kept.shape[1], y, nuisance[rows], blocks) for nuisance in views]
        share, p = max(seen, key=lambda pair: (pair[1] <= level, pair[0]))
        if p <= level:
            yield Separation(name, kept.shape[1], others.shape[1], share, p)


def _some(others: np.ndarray) -> np.ndarray:
    if others.shape[1] <= MOST_LEFT_OUT:
        return others
    return others[:, np.sort(np.random.default_rng(0).choice(others.shape[1], MOST_LEFT_OUT, replace=False))]


def separation(
    X: np.ndarray, n_kept: int, y: np.ndarray, nuisance: np.ndarray, blocks: np.ndarray
) -> tuple[float, float]:
    """How well |r| with the outcome tells the first columns from the others, and its permutation p.

    Correlations are partial given the nuisance block, and permuted are the residuals of the outcome, inside blocks
    (Freedman and Lane 1983), so columns that resemble each other count for what they are.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_columns)
        NaN becomes the mean of the column; columns that do not vary are left out.
    nuisance : ndarray of shape (n_rows, n_nuisance)
        N without its intercept.

    Returns
    -------
    share : float
        Area under the curve of |r| for kept against left out; 0.5 where either has no column that varies.
    p : float
        1.0 where `share` is below `STANDS_OUT`, which saves the permutations.
    """
    X = np.where(np.isnan(X), np.nanmean(np.where(np.isnan(X).all(axis=0), 0.0, X), axis=0), X)
    N = np.linalg.qr(np.column_stack([np.ones(len(y)), nuisance]))[0]
    spread = X.std(axis=0)
    X = (X - X.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    X, e = X - N @ (N.T @ X), y - N @ (N.T @ y)
    size = np.sqrt(np.square(X).sum(axis=0))
    varies = size > 1e-6 * np.sqrt(len(y))
    kept = (np.arange(X.shape[1]) < n_kept)[varies]
    X = X[:, varies] / size[varies]
    if kept.all() or not kept.any():
        return 0.5, 1.0
    observed = _area(np.abs(X.T @ e)[None], kept)[0]
    if observed < STANDS_OUT:
        return float(observed), 1.0
    rng, exceeding = np.random.default_rng(0), 0
    for size_of_chunk in [500] * (SHUFFLES // 500) + [SHUFFLES % 500]:
        shuffled = np.tile(e, (size_of_chunk, 1))
        for block in np.unique(blocks):
            rows = np.flatnonzero(blocks == block)
            shuffled[:, rows] = rng.permuted(shuffled[:, rows], axis=1)
        shuffled -= (shuffled @ N) @ N.T
        exceeding += int((_area(np.abs(shuffled @ X), kept) >= observed - 1e-12).sum())
    return float(observed), (1 + exceeding) / (1 + SHUFFLES)


def _area(strength: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Area under the curve of every row of strengths: the Mann-Whitney statistic as a share of all pairs."""
    from scipy.stats import rankdata

    ranks = rankdata(strength, axis=1)
    n_kept, n_others = int(kept.sum()), int((~kept).sum())
    area: np.ndarray = (ranks[:, kept].sum(axis=1) - n_kept * (n_kept + 1) / 2) / (n_kept * n_others)
    return area
