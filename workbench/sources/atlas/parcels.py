"""Mean of each parcel of an image, over the voxels that hold data, with an atlas image and label table of the user.

The atlas is brought to the grid of the image (nearest neighbour), never the image to the atlas, and once for each grid:
a cohort of images on one grid pays for it once. What becomes of voxels without data is said here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from workbench.errors import Problem, SourceError, listed
from workbench.sources.atlas.atlas_files import are_labels, read_atlas
from workbench.sources.atlas.label_tables import read_label_table, space_of
from workbench.sources.files.delimited import LISTED
from workbench.sources.files.volumes import Grid, Volume, read_volume

if TYPE_CHECKING:
    import numpy as np

Background = Literal[0, "nan"]
"""What a program writes where it measured nothing. NaN and infinite values are never data; zeros are, or are not."""

NO_PLACE = "does not say where its voxels lie"


@dataclass(frozen=True, eq=False)
class Parcels:
    """The parcels of an atlas on one grid.

    Parameters
    ----------
    voxels : ndarray of shape (n_voxels,)
        Places of all voxels of all parcels in a volume that is unrolled in the order of Fortran, as images lie in
        memory.
    parcel : ndarray of shape (n_voxels,)
        Position of the parcel of each, in the order of the atlas.
    sizes : ndarray of shape (n_parcels,)
        Number of voxels, or the sum of their weights; 0 for a parcel that has vanished between the voxels of a coarser
        grid, or lies outside.
    weights : ndarray of shape (n_voxels,) or None
        Of maps of probabilities, the weight of each voxel in its parcel.
    """

    voxels: np.ndarray
    parcel: np.ndarray
    sizes: np.ndarray
    weights: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class ParcelMeans:
    """Values of one image.

    Parameters
    ----------
    means : ndarray of shape (n_parcels,)
        Mean over voxels with data; NaN where there is none.
    coverage : ndarray of shape (n_parcels,)
        Share of the voxels of each parcel that hold data, 0 to 1.
    n_zeros : ndarray of shape (n_parcels,)
        Voxels that are exactly 0 and were taken as data.
    n_infinite : int
        Voxels of all parcels that are infinite, and no data.
    """

    means: np.ndarray
    coverage: np.ndarray
    n_zeros: np.ndarray
    n_infinite: int


@dataclass(frozen=True, eq=False)
class Parcellation:
    """An atlas as an image with a whole number for each of its parcels, or with a volume of weights for each.

    Parameters
    ----------
    names : tuple of str
        Parcels in the order of the label table.
    index : tuple of int
        Number of each in the image.
    volume : Volume
        Whole numbers, or weights of shape (i, j, k, n_maps), of which parcel number 1 is the first.
    space : str
        Template that its name or header says, or empty.
    absent : tuple of str
        Labels of the table that the image does not hold; they are not among `names`.
    """

    names: tuple[str, ...]
    index: tuple[int, ...]
    volume: Volume
    space: str
    absent: tuple[str, ...] = ()
    _grids: dict[tuple[object, ...], Parcels] = field(default_factory=dict, repr=False)

    def on(self, grid: Grid, label: str) -> Parcels:
        """The parcels on the grid of an image, worked out once for each grid.

        Parameters
        ----------
        grid : Grid
        label : str
            How messages name the image.

        Returns
        -------
        Parcels

        Raises
        ------
        SourceError
            If the image and the atlas cannot be laid over each other, or no parcel lies in the image.
        """
        if grid.key not in self._grids:
            self._grids[grid.key] = _parcels(self, grid, label)
        return self._grids[grid.key]

    def vanished(self, grid: Grid, label: str) -> tuple[str, ...]:
        """Names of the parcels without any voxel on a grid."""
        return tuple(name for name, size in zip(self.names, self.on(grid, label).sizes, strict=True) if not size)


def read_parcellation(image: Path, labels: Path, *, image_label: str, labels_label: str) -> Parcellation:
    """Read an atlas: its image, and the table that names its numbers.

    Read again only when one of the two files has changed.

    Parameters
    ----------
    image : Path
        NIfTI or Analyze, with whole numbers.
    labels : Path
        In any form that `read_label_table` reads.
    image_label, labels_label : str
        How messages name the two.

    Returns
    -------
    Parcellation

    Raises
    ------
    SourceError
        If one cannot be read, the image has numbers that the table does not name, or sides are swapped.
    """
    return _read_parcellation(image, labels, image_label, labels_label, _state(image), _state(labels))


def _state(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:
        return (0, 0)
    return status.st_mtime_ns, status.st_size


@lru_cache(maxsize=4)
def _read_parcellation(image: Path, labels: Path, image_label: str, labels_label: str, *_: object) -> Parcellation:
    import numpy as np

    volume = read_volume(image, image_label, several=True)
    if volume.values.ndim == 4:
        return _of_weights(volume, image, labels)
    if not are_labels(volume.values):
        hint = "an image with a whole number for each parcel, or maps of probabilities with a volume for each"
        reason = "holds values that are not whole numbers, or of more than 32 bits"
        raise SourceError(Problem(image_label, reason, hint))
    whole = Volume(volume.label, volume.grid, volume.values.astype(np.int32))
    if whole.grid.placed:
        atlas = read_atlas(labels, image)
        return Parcellation(atlas.labels, atlas.index, whole, space_of(image) or atlas.space, atlas.absent)
    return _without_place(whole, labels, labels_label)


def _of_weights(volume: Volume, image: Path, labels: Path) -> Parcellation:
    """Maps of probabilities (DiFuMo), each on the scale of its file; what is not above 0 is outside."""
    if not volume.grid.placed:
        hint = "left and right would be a guess: maps of probabilities with their orientation (sform)"
        raise SourceError(Problem(volume.label, NO_PLACE, hint))
    atlas = read_atlas(labels, image)
    return Parcellation(atlas.labels, atlas.index, volume, space_of(image) or atlas.space, atlas.absent)


def _without_place(volume: Volume, labels: Path, label: str) -> Parcellation:
    """An atlas whose header says no place: for images on its very grid, and without coordinates."""
    import numpy as np

    table = read_label_table(labels, label)
    there = set(np.unique(volume.values).tolist()) - {0}
    unnamed = sorted(there - {row.index for row in table.rows})
    if unnamed:
        found = f"holds {listed(unnamed, LISTED)}, which {label} does not name"
        raise SourceError(Problem(volume.label, found, "the label table of this very image, with all its values"))
    rows = [row for row in table.rows if row.index in there]
    absent = () if table.lists_more else tuple(row.name for row in table.rows if row.index not in there)
    return Parcellation(tuple(row.name for row in rows), tuple(row.index for row in rows), volume, "", absent)


def _parcels(atlas: Parcellation, grid: Grid, label: str) -> Parcels:
    import numpy as np

    if atlas.volume.values.ndim == 4:
        return _weighted_parcels(atlas, grid, label)
    numbers = on_grid(atlas.volume, grid, label).ravel(order="F")
    position = np.full(max(max(atlas.index), int(numbers.max(initial=0))) + 1, -1, dtype=np.int32)
    position[list(atlas.index)] = np.arange(len(atlas.index))
    voxels = np.flatnonzero(numbers > 0)
    parcel = position[numbers[voxels]]
    voxels, parcel = voxels[parcel >= 0], parcel[parcel >= 0]
    if not voxels.size:
        raise SourceError(_nothing_in(atlas, grid, label))
    return Parcels(voxels, parcel, np.bincount(parcel, minlength=len(atlas.index)))


def _nothing_in(atlas: Parcellation, grid: Grid, label: str) -> Problem:
    found = f"no parcel of {atlas.volume.label} lies in it ({grid}; the atlas has {atlas.volume.grid})"
    return Problem(label, found, "the atlas in the space of the image, as its name or header says it")


def _weighted_parcels(atlas: Parcellation, grid: Grid, label: str) -> Parcels:
    """Weights above 0 of every map, interpolated linearly; a voxel may be in several parcels."""
    import numpy as np

    voxels, parcels, weights = [], [], []
    for position, number in enumerate(atlas.index):
        one = Volume(
            atlas.volume.label, atlas.volume.grid, np.asarray(atlas.volume.values[..., number - 1], dtype=float)
        )
        weight = np.nan_to_num(on_grid(one, grid, label, order=1)).ravel(order="F")
        inside = np.flatnonzero(weight > 0)
        voxels.append(inside)
        parcels.append(np.full(inside.size, position))
        weights.append(weight[inside])
    at, parcel, weight = np.concatenate(voxels), np.concatenate(parcels), np.concatenate(weights)
    if not at.size:
        raise SourceError(_nothing_in(atlas, grid, label))
    return Parcels(at, parcel, np.bincount(parcel, weights=weight, minlength=len(atlas.index)), weight)


def on_grid(volume: Volume, grid: Grid, label: str, *, order: int = 0) -> np.ndarray:
    """Values of a volume at the voxels of a grid, by the nearest voxel or linearly; 0 outside.

    Where neither of the two says where it lies, they are laid over each other voxel by voxel if they are as large;
    left and right are then those of the volume.

    Parameters
    ----------
    volume : Volume
        An atlas or a mask.
    grid : Grid
    label : str
        How messages name the image of the grid.
    order : int
        0: the nearest voxel; 1: linear.

    Returns
    -------
    ndarray of shape (i, j, k)

    Raises
    ------
    SourceError
        If one of the two does not say where it lies.
    """
    import numpy as np

    if volume.grid.key == grid.key:
        return volume.values
    if not (volume.grid.placed and grid.placed):
        if volume.grid.placed or grid.placed or volume.grid.shape != grid.shape:
            who = label if not grid.placed else volume.label
            other = f"{volume.label}: {volume.grid}" if not grid.placed else f"{label}: {grid}"
            hint = (
                "left and right would be a guess: write both as NIfTI with their orientation (sform), or take an image "
                "of the same program on the same grid"
            )
            raise SourceError(Problem(who, f"{NO_PLACE}, and is to be laid over another grid ({other})", hint))
        return volume.values
    from scipy.ndimage import affine_transform

    to_volume = np.linalg.inv(volume.grid.affine) @ grid.affine
    resampled: np.ndarray = affine_transform(
        volume.values, to_volume[:3, :3], offset=to_volume[:3, 3], output_shape=grid.shape, order=order, cval=0
    )
    return resampled


def measured(image: Volume, background: Background, mask: np.ndarray | None = None) -> np.ndarray:
    """Values of an image with NaN in every voxel that holds no data.

    Parameters
    ----------
    image : Volume
    background : {0, "nan"}
    mask : ndarray of shape (i, j, k), optional
        As of `parcel_means`.

    Returns
    -------
    ndarray of shape (i, j, k)
    """
    import numpy as np

    values = np.array(image.values, dtype=float)
    data = np.isfinite(values)
    if background == 0:
        data &= values != 0
    if mask is not None:
        data &= mask != 0
    values[~data] = np.nan
    return values


def parcel_means(
    image: Volume, atlas: Parcellation, *, background: Background, mask: np.ndarray | None = None
) -> ParcelMeans:
    """Mean of each parcel over its voxels with data, weighted where the atlas has weights.

    Parameters
    ----------
    image : Volume
    atlas : Parcellation
    background : {0, "nan"}
        0: a voxel that is exactly 0 was not measured. With ``nan`` it was.
    mask : ndarray of shape (i, j, k), optional
        On the grid of the image; a voxel is data only where it is not 0.

    Returns
    -------
    ParcelMeans

    Raises
    ------
    SourceError
        As `Parcellation.on`.
    """
    import numpy as np

    parcels = atlas.on(image.grid, image.label)
    values = image.values.ravel(order="F")[parcels.voxels].astype(float)
    data = np.isfinite(values)
    n_infinite = int(np.isinf(values).sum())
    zero = values == 0
    if background == 0:
        data &= ~zero
    if mask is not None:
        data &= mask.ravel(order="F")[parcels.voxels] != 0
    n_parcels = len(atlas.names)
    weights = None if parcels.weights is None else parcels.weights[data]
    counts = np.bincount(parcels.parcel[data], weights=weights, minlength=n_parcels)
    weighted = values[data] if weights is None else weights * values[data]
    sums = np.bincount(parcels.parcel[data], weights=weighted, minlength=n_parcels)
    with np.errstate(invalid="ignore", divide="ignore"):
        means, coverage = sums / counts, counts / np.where(parcels.sizes > 0, parcels.sizes, 1)
    zeros = np.bincount(parcels.parcel[zero & data], minlength=n_parcels)
    return ParcelMeans(means, coverage, zeros, n_infinite)


def refuse_other_space(spaces: Sequence[str], atlas: Parcellation, label: str) -> None:
    """Raise where images and atlas are in the coordinates of different templates.

    Parameters
    ----------
    spaces : sequence of str
        Templates that the names of the images say, empty texts for those that say none.
    atlas : Parcellation
    label : str
        How messages name the images together.

    Raises
    ------
    SourceError
        If the images have more than one, or another one than the atlas.
    """
    said = sorted(set(filter(None, spaces)))
    if len(said) > 1:
        hint = 'one template for all: narrow the pattern, such as files = "..space-MNI152NLin2009cAsym.."'
        raise SourceError(Problem(label, f"finds images in several spaces ({listed(said, LISTED)})", hint))
    if said and atlas.space and not same_space(said[0], atlas.space):
        found = f"is in the space {said[0]}, and the atlas {atlas.volume.label} in {atlas.space}"
        hint = (
            "the two differ by some millimetres: take the atlas in the space of the images; where it is, whatever its "
            f'name says, write space = "{said[0]}"'
        )
        raise SourceError(Problem(label, found, hint))


def same_space(one: str, other: str) -> bool:
    """Whether two words for a template may mean one; ``MNI152`` of a header says only the family.

    >>> same_space("MNI152NLin2009cAsym", "MNI152"), same_space("MNI152NLin2009cAsym", "MNI152NLin6Asym")
    (True, False)
    """
    one, other = one.casefold(), other.casefold()
    return one == other or ("mni152" in (one, other) and one.startswith("mni") and other.startswith("mni"))
