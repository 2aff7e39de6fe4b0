"""An atlas as a study uses it: its labels with regions, networks and coordinates, and where they come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.knowledge.regions import Region, recognise_atlas, resolve_unless_ambiguous
from workbench.knowledge.vocabulary import Vocabulary

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, eq=False)
class Atlas:
    """Labels of an atlas, in the order of its file.

    Parameters
    ----------
    name : str
        As the study declares it, or empty.
    labels : tuple of str
    index : tuple of int
        Value of each label in a label image, or number of its map.
    networks : tuple of str
        Network of each label as its file says it; empty where it says none.
    coordinates : ndarray of shape (n_labels, 3) or None
        Centre of each label in mm: right, anterior and superior are positive; NaN where it is not known.
    space : str
        Template of the coordinates (``MNI152NLin2009cAsym``), or empty where the files do not say.
    source : str
        Files that all this was read or computed from.
    absent : tuple of str
        Labels of the table that the image does not hold; they are not among `labels`.
    """

    name: str
    labels: tuple[str, ...]
    index: tuple[int, ...]
    networks: tuple[str, ...]
    coordinates: np.ndarray | None
    space: str
    source: str
    absent: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    def regions(self, vocabulary: Vocabulary | None = None) -> tuple[Region | None, ...]:
        """What each label means; None where it is not recognised or ambiguous.

        Parameters
        ----------
        vocabulary : Vocabulary, optional
            Default: `vocabulary.published`.
        """
        atlas = recognise_atlas(self.labels, vocabulary) or self.name
        return tuple(resolve_unless_ambiguous(label, atlas, vocabulary) for label in self.labels)
