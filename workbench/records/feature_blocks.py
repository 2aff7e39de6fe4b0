"""Features as they really are: a block for each source and session, which some participants have and others lack."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

ABSENT = -1
"""Where a row has no values in a block."""


@dataclass(frozen=True, eq=False)
class FeatureBlock:
    """One source at one session.

    Parameters
    ----------
    source, session : str
        Session is empty where the source has none.
    features : DataFrame
        `FEATURE_COLUMNS`, one row per column of `values`.
    values : ndarray of shape (n_measured, n_features)
        The table's own array or a memory map, never copied for a dataset; NaN for single missing values.
    at : ndarray of int, shape (n_rows,)
        Position of each row of the dataset in `values`; `ABSENT` where the participant lacks the block, which is never
        written as NaN: that would be imputed.
    """

    source: str
    session: str
    features: pd.DataFrame
    values: np.ndarray
    at: np.ndarray

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or self.values.shape[1] != len(self.features):
            described = f"{len(self.features)} features are described"
            raise ValueError(f"{self.source}: values have the shape {self.values.shape}, but {described}")
        if len(self.at) and not (self.at.min() >= ABSENT and self.at.max() < len(self.values)):
            raise ValueError(f"{self.source}: rows point outside its {len(self.values)} measurements")

    @property
    def present(self) -> np.ndarray:
        """bool, shape (n_rows,): which rows have it."""
        there: np.ndarray = self.at != ABSENT
        return there

    def gathered(self) -> np.ndarray:
        """Values of every row, shape (n_rows, n_features); the block's own array where its rows are those already.

        Raises
        ------
        ValueError
            If a row lacks the block.
        """
        import numpy as np

        if not self.present.all():
            raise ValueError(f"{(~self.present).sum()} rows lack {self.source}")
        whole = len(self.at) == len(self.values) and np.array_equal(self.at, np.arange(len(self.at)))
        return self.values if whole else self.values[self.at]


@dataclass(frozen=True, eq=False)
class FeatureBlocks:
    """All blocks of a dataset, row by row.

    Parameters
    ----------
    blocks : tuple of FeatureBlock
        Every row has one of them at least; names of features are unique.
    """

    blocks: tuple[FeatureBlock, ...]

    def __post_init__(self) -> None:
        if not self.blocks:
            raise ValueError("a dataset has one block of features at least")
        if len({len(block.at) for block in self.blocks}) > 1:
            raise ValueError(f"blocks of different rows: {[len(block.at) for block in self.blocks]}")
        n_without = int((~self.present.any(axis=1)).sum())
        if n_without:
            raise ValueError(f"{n_without} rows have no block of features")

    @classmethod
    def of(cls, X: np.ndarray, features: pd.DataFrame) -> FeatureBlocks:
        """A matrix in which every row has every feature; neighbouring columns of a source and session are a block.

        Parameters
        ----------
        X : ndarray of shape (n_rows, n_features)
            Taken as it is, a memory map too: blocks are views of it.
        features : DataFrame
            `FEATURE_COLUMNS`, one row per column.
        """
        import numpy as np

        rows, first, blocks = np.arange(len(X)), 0, []
        for (source, session), run in groupby(zip(features["source"], features["session"], strict=True)):
            last = first + len(list(run))
            own = features.iloc[first:last].reset_index(drop=True)
            blocks.append(FeatureBlock(source, session, own, X[:, first:last], rows))
            first = last
        whole = cls(tuple(blocks) or (FeatureBlock("", "", features, X, rows),))
        whole.__dict__.update(X=X, features=features)
        return whole

    def __reduce__(self) -> tuple[Callable[..., FeatureBlocks], tuple[Any, ...]]:
        """Workers get the rows of the dataset, not the whole tables that they come from."""
        if self.complete:
            return FeatureBlocks.of, (self.X, self.features)
        return FeatureBlocks, (tuple(self._compact()),)

    def _compact(self) -> Iterator[FeatureBlock]:
        import numpy as np

        for block in self.blocks:
            used, at = np.unique(block.at[block.present], return_inverse=True)
            positions = np.full(len(block.at), ABSENT)
            positions[block.present] = at
            yield replace(block, values=block.values[used], at=positions)

    def __len__(self) -> int:
        return len(self.blocks[0].at)

    @cached_property
    def present(self) -> np.ndarray:
        """bool, shape (n_rows, n_blocks): which row has which block."""
        import numpy as np

        return np.column_stack([block.present for block in self.blocks])

    @cached_property
    def modalities(self) -> tuple[str, ...]:
        """Names of the modalities of the features, sorted."""
        return tuple(sorted(set(self.features["modality"])))

    @cached_property
    def available(self) -> np.ndarray:
        """bool, shape (n_rows, n_modalities): which row has which modality.

        A modality of several sources is there where each of them is: one that was not measured is never made up.
        """
        import numpy as np

        there = np.ones((len(self), len(self.modalities)), dtype=bool)
        for block in self.blocks:
            for modality in set(block.features["modality"]):
                there[:, self.modalities.index(modality)] &= block.present
        return there

    def rows_with(self, source: str) -> np.ndarray:
        """int, positions of the rows that have every block of a source."""
        import numpy as np

        there = [block.present for block in self.blocks if block.source == source]
        return np.flatnonzero(np.all(there, axis=0)) if there else np.arange(len(self))

    @property
    def missing_share(self) -> float:
        """Share of single values that are missing, in blocks that rows have."""
        import numpy as np

        missing = values = 0
        for block in self.blocks:
            for at in block.at[block.present]:  # row by row: all rows at once would be a copy
                missing += int(np.isnan(block.values[at]).sum())
            values += int(block.present.sum()) * block.values.shape[1]
        return missing / values if values else float("nan")

    @property
    def whole(self) -> np.ndarray:
        """bool, shape (n_rows,): which rows have every block."""
        import numpy as np

        return np.asarray(self.present.all(axis=1))

    @property
    def complete(self) -> bool:
        """Every row has every block."""
        return bool(self.present.all())

    @cached_property
    def features(self) -> pd.DataFrame:
        """`FEATURE_COLUMNS` of all blocks, side by side."""
        import pandas as pd

        return pd.concat([block.features for block in self.blocks], ignore_index=True)

    @cached_property
    def X(self) -> np.ndarray:  # noqa: N802 - the matrix that every reader of the field writes so
        """float64, shape (n_rows, n_features): all blocks side by side, gathered once.

        Raises
        ------
        ValueError
            If a row lacks a block: take the complete rows, or a learner that takes blocks.
        """
        import numpy as np

        parts = [block.gathered() for block in self.blocks]
        return parts[0] if len(parts) == 1 else np.hstack(parts)

    @cached_property
    def measured(self) -> np.ndarray:
        """float64, shape (n_rows, n_features): as `X`, but NaN in the whole block where a row lacks it.

        For who looks at features one by one among those who have them, or knows that a block without any value is
        absent, as late fusion does; whoever imputes single missing values must not be given it.
        """
        import numpy as np

        if self.complete:
            return self.X
        gaps = np.full((len(self), len(self.features)), np.nan)
        first = 0
        for block in self.blocks:
            gaps[block.present, first : first + block.values.shape[1]] = block.values[block.at[block.present]]
            first += block.values.shape[1]
        return gaps

    def measured_of(self, source: str) -> np.ndarray:
        """float64, shape (n_rows, n_features_of_source): `measured` of one source, a view where its columns are
        neighbours."""
        import numpy as np

        columns = np.flatnonzero((self.features["source"] == source).to_numpy())
        if len(columns) and columns[-1] - columns[0] + 1 == len(columns):
            return self.measured[:, columns[0] : columns[-1] + 1]
        return self.measured[:, columns]

    @cached_property
    def block_of_feature(self) -> np.ndarray:
        """int, shape (n_features,): the number of the block that each feature is in."""
        import numpy as np

        return np.repeat(np.arange(len(self.blocks)), [block.values.shape[1] for block in self.blocks])

    def with_measured(self, X: np.ndarray) -> FeatureBlocks:
        """These blocks with other values, (n_rows, n_features); those of rows that lack a block are not read."""
        import numpy as np

        rows, blocks = np.arange(len(self)), []
        for number, block in enumerate(self.blocks):
            columns = np.flatnonzero(self.block_of_feature == number)
            own = slice(columns[0], columns[-1] + 1) if len(columns) else slice(0)
            blocks.append(replace(block, values=X[:, own], at=np.where(block.present, rows, ABSENT)))
        return FeatureBlocks(tuple(blocks))

    def take(self, keep: np.ndarray) -> FeatureBlocks:
        """Rows for which `keep` (bool, or positions) holds, in their order; values are not copied."""
        return FeatureBlocks(tuple(replace(block, at=block.at[keep]) for block in self.blocks))


@dataclass(frozen=True, eq=False)
class Treatment:
    """Who had which arm, and with what probability: what a treatment effect is estimated with.

    Parameters
    ----------
    active : str
        The arm whose effect is asked for.
    arms : ndarray of str, shape (n_rows,)
        The arm of each row.
    probability : ndarray of shape (n_rows,)
        Probability with which the row was allocated to the active arm, strictly between 0 and 1.
    """

    active: str
    arms: np.ndarray
    probability: np.ndarray

    def __post_init__(self) -> None:
        import numpy as np

        if len(self.arms) != len(self.probability):
            raise ValueError(f"{len(self.arms)} arms, but {len(self.probability)} probabilities")
        if self.active not in set(self.arms.tolist()):
            raise ValueError(f"nobody had {self.active!r}")
        if not (np.isfinite(self.probability).all() and ((self.probability > 0) & (self.probability < 1)).all()):
            raise ValueError("probabilities of allocation lie strictly between 0 and 1")

    @property
    def allocated(self) -> np.ndarray:
        """float, shape (n_rows,): 1 where the row had the active arm, else 0."""
        allocated: np.ndarray = (self.arms == self.active).astype(float)
        return allocated

    def exchanged(self, rows: np.ndarray) -> Treatment:
        """Some rows (positions) with the other of the two arms."""
        arms = self.arms.copy()
        other = next((arm for arm in sorted(set(arms.tolist())) if arm != self.active), self.active)
        arms[rows] = [self.active if arm != self.active else other for arm in self.arms[rows]]
        return replace(self, arms=arms)

    def take(self, keep: np.ndarray) -> Treatment:
        """Rows for which `keep` (bool, or positions) holds, in their order."""
        return replace(self, arms=self.arms[keep], probability=self.probability[keep])
