"""What a dataset asks to be learnt from its features in every training set: a tangent space, then ComBat."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import ClassVar
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.errors import FitError, Problem
from workbench.models.combat import ComBat, Harmoniser
from workbench.models.learner import Learner
from workbench.models.prepared_learner import PreparedLearner, Step
from workbench.models.preprocessing import Floats
from workbench.models.state import Stateful
from workbench.models.tangent_space import TangentSpace, tangent_vectors
from workbench.records import TANGENT, Batches, Dataset, Harmonisation

KEPT_BYTES = 2**26
"""Of tangent spaces that are kept, since several procedures have the same training sets."""
LEARNT_ONCE = "tangent space of all participants"
"""Measure of tangent features that were made once, for what looks at all participants at one time."""


@dataclass(frozen=True)
class CovarianceBlock:
    """The features of one source and session that are the entries of a covariance matrix.

    Attributes
    ----------
    columns : ndarray of int, shape (n_entries,)
        Their positions among all features.
    pairs : ndarray of int, shape (2, n_entries)
        Row and column of each in the matrix.
    """

    columns: NDArray[np.intp]
    pairs: NDArray[np.intp]


def covariance_blocks(features: pd.DataFrame) -> tuple[CovarianceBlock, ...]:
    """The blocks of features that are projected to a tangent space, by their regions.

    Parameters
    ----------
    features : DataFrame
        `FEATURE_COLUMNS`, one row per feature; entries of every such block make a whole triangle with its diagonal.

    Returns
    -------
    tuple of CovarianceBlock
    """
    columns = np.flatnonzero(features["measure"] == TANGENT)
    if not len(columns):
        return ()
    marked = features.iloc[columns].assign(column=columns)
    blocks = []
    for _, block in marked.groupby(["source", "session"], sort=False):
        ends = block[["region_a", "region_b"]].to_numpy(str)
        regions = {region: at for at, region in enumerate(dict.fromkeys(ends.ravel().tolist()))}
        pairs = np.array([[regions[region] for region in each] for each in ends.T.tolist()], dtype=np.intp)
        blocks.append(CovarianceBlock(block["column"].to_numpy(np.intp), pairs))
    return tuple(blocks)


@dataclass(frozen=True, eq=False)
class TangentSpaces(Stateful):
    """The tangent spaces of a training set, one for each block; a `workbench.models.prepared_learner.FittedStep`.

    Attributes
    ----------
    columns, first, second : ndarray of int, shape (n_entries,)
        Position among the features, row and column in the matrix: of the entries of all blocks, one after the other.
    sizes : ndarray of int, shape (n_blocks,)
        Regions of each block.
    whitening : ndarray of shape (sum of squared sizes,)
        Inverse square root of each geometric mean, row by row.
    """

    columns: NDArray[np.intp]
    first: NDArray[np.intp]
    second: NDArray[np.intp]
    sizes: NDArray[np.intp]
    whitening: Floats

    kind: ClassVar[str] = "tangent spaces"
    keeps_columns: ClassVar[bool] = True

    def transform(self, X: Floats, N: Floats, batches: Batches | None) -> Floats:
        """Tangent vectors in the place of covariances, (n, n_features)."""
        made = np.array(X, dtype=float)
        entry = square = 0
        for size in self.sizes.tolist():
            entries = slice(entry, entry + size * (size + 1) // 2)
            whitening = self.whitening[square : square + size**2].reshape(size, size)
            columns = self.columns[entries]
            pairs = np.stack([self.first[entries], self.second[entries]])
            made[:, columns] = tangent_vectors(made[:, columns], pairs, whitening)
            entry, square = entries.stop, square + size**2
        return made

    def attributed(self, values: Floats) -> Floats:
        """Contributions of tangent features: they are what is explained."""
        return values


class TangentStep:
    """Covariances become tangent vectors at the geometric mean of the training set, block by block.

    Confounds, sites and targets are not looked at, so all procedures and all permutations share what was learnt.
    """

    supervised = False

    def __init__(self, blocks: Sequence[CovarianceBlock]) -> None:
        self.blocks = tuple(blocks)
        self._learnt: OrderedDict[bytes, TangentSpaces] = OrderedDict()
        self._lock = Lock()

    def needed(self, n_features: int) -> bool:
        """Whether there are features; without, covariates alone are learnt from."""
        return n_features > 0

    def fit(self, X: Floats, N: Floats, batches: Batches | None, Y: Floats) -> Sequence[TangentSpaces]:
        """The tangent spaces of one training set; see `Step`."""
        own = [np.ascontiguousarray(X[:, block.columns]) for block in self.blocks]
        content = hashlib.sha256()
        for values in own:
            content.update(np.array(values.shape).tobytes() + values.tobytes())
        key = content.digest()
        with self._lock:
            if key in self._learnt:
                self._learnt.move_to_end(key)
                return [self._learnt[key]]
        learnt = self._fitted(own)
        with self._lock:
            self._learnt[key] = learnt
            while len(self._learnt) > max(8, KEPT_BYTES // max(learnt.whitening.nbytes, 1)):
                self._learnt.popitem(last=False)
        return [learnt]

    def _fitted(self, own: Sequence[Floats]) -> TangentSpaces:
        whitenings = []
        for block, values in zip(self.blocks, own, strict=True):
            if np.isnan(values).any():
                hint = "leave out the regions, or the participants, that are not covered"
                raise FitError(Problem("tangent space", "a covariance has missing entries", hint))
            whitenings.append(TangentSpace(block.pairs).fit(values).whitening_)
        pairs = np.column_stack([block.pairs for block in self.blocks])
        return TangentSpaces(
            columns=np.concatenate([block.columns for block in self.blocks]),
            first=pairs[0],
            second=pairs[1],
            sizes=np.array([len(each) for each in whitenings], dtype=np.intp),
            whitening=np.concatenate([each.ravel() for each in whitenings]),
        )


@dataclass(frozen=True, eq=False)
class Harmonised(Stateful):
    """ComBat as a training set has it; a `workbench.models.prepared_learner.FittedStep`.

    Attributes
    ----------
    columns : ndarray of int
        Positions of the features that are harmonised.
    harmoniser : Harmoniser
    """

    columns: NDArray[np.intp]
    harmoniser: Harmoniser

    kind: ClassVar[str] = "harmonised"
    keeps_columns: ClassVar[bool] = True

    def transform(self, X: Floats, N: Floats, batches: Batches | None) -> Floats:
        """Features without the differences between batches, (n, n_features)."""
        made = np.array(X, dtype=float)
        known = _known(batches)
        made[:, self.columns] = self.harmoniser.harmonised(made[:, self.columns], known.labels, known.preserved)
        return made

    def attributed(self, values: Floats) -> Floats:
        """Contributions of harmonised features: they are what is explained."""
        return values


class CombatStep:
    """ComBat with the parameters of the training set; nothing of it looks at targets or confounds."""

    supervised = False

    def __init__(self, plan: Harmonisation) -> None:
        self.plan = plan

    def needed(self, n_features: int) -> bool:
        """Whether there are features; without, covariates alone are learnt from."""
        return n_features > 0

    def fit(self, X: Floats, N: Floats, batches: Batches | None, Y: Floats) -> Sequence[Harmonised]:
        """Location and scale of every feature at every site of one training set; see `Step`."""
        plan, known = self.plan, _known(batches)
        combat = ComBat(
            unseen=plan.unseen,
            reference=plan.reference or None,
            location_only_below=plan.location_only_below,
            pools=plan.pools,
        )
        combat.fit(X[:, plan.columns], batch=known.labels, preserve=known.preserved)
        return [Harmonised(plan.columns, combat.harmoniser_)]


def _known(batches: Batches | None) -> Batches:
    if batches is None:
        hint = "give the batch and the preserved covariates of every row"
        raise FitError(Problem("harmonise", "it is not said where these rows were measured", hint))
    return batches


# ------------------------------------------------------------------------------------------------------------- datasets

_steps: WeakKeyDictionary[Dataset, tuple[Step, ...]] = WeakKeyDictionary()
_making = Lock()


def steps_of(dataset: Dataset) -> tuple[Step, ...]:
    """What is learnt from the features of a dataset before a learner sees them, in order.

    Parameters
    ----------
    dataset : Dataset

    Returns
    -------
    tuple of Step
        The same objects for the same dataset; they keep what they learnt for other procedures.
    """
    with _making:
        if dataset not in _steps:
            blocks = covariance_blocks(dataset.features)
            steps: list[Step] = [TangentStep(blocks)] if blocks else []
            steps += [CombatStep(dataset.harmonisation)] if dataset.harmonisation is not None else []
            _steps[dataset] = tuple(steps)
        return _steps[dataset]


def prepared(learner: Learner, dataset: Dataset) -> Learner:
    """The learner behind the steps of a dataset: tangent space, ComBat, and then what is the learner's own (a screen).

    Parameters
    ----------
    learner : Learner
        For the features of the dataset.
    dataset : Dataset

    Returns
    -------
    Learner
        The same object where the dataset asks for no step.
    """
    for step in reversed(steps_of(dataset)):
        learner = PreparedLearner(learner, step)
    return learner


def prepared_together(dataset: Dataset) -> Dataset:
    """The dataset with its steps fitted on everybody and applied, for questions that look at all participants at once.

    No step looks at an outcome, so a permutation test on what comes of it keeps its level; held-out scores are never
    made from it.

    Parameters
    ----------
    dataset : Dataset

    Returns
    -------
    Dataset
        The same object where it asks for no step.
    """
    steps = steps_of(dataset)
    if not steps:
        return dataset
    batches = dataset.harmonisation.batches if dataset.harmonisation is not None else None
    X, nothing = dataset.X, np.empty((dataset.n_rows, 0))
    for step in steps:
        X = step.fit(X, nothing, batches, nothing)[0].transform(X, nothing, batches)
    features = dataset.features.assign(measure=dataset.features["measure"].replace(TANGENT, LEARNT_ONCE))
    return replace(dataset.with_features(X, features), harmonisation=None)
