"""The voxels of one contrast of one participant: runs put together by the declared rule, contrasts added with weights.

Voxel by voxel, where every image that goes into it holds data: a voxel that one run did not reach is no data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from workbench.errors import Problem, SourceError
from workbench.sources.atlas.parcels import Background, measured, on_grid
from workbench.sources.files.volumes import Volume, read_volume
from workbench.sources.maps.map_names import NamedMap, mask_beside, variance_beside

if TYPE_CHECKING:
    import numpy as np

Runs = Literal["mean", "first", "fixed-effects"]


@dataclass(frozen=True, eq=False)
class Reading:
    """How images of a source are read.

    Parameters
    ----------
    background : {0, "nan"}
    mask : Volume or {"beside"} or None
        One mask for all, or the one beside each image.
    runs : {"mean", "first", "fixed-effects"} or None
    """

    background: Background
    mask: Volume | Literal["beside"] | None
    runs: Runs | None


@dataclass(frozen=True, eq=False)
class Voxels:
    """An image with what tells its data from the rest: as `parcel_means` takes them."""

    image: Volume
    background: Background
    mask: np.ndarray | None = None


def contrast_voxels(maps: Mapping[str, Sequence[NamedMap]], weights: Mapping[str, float], reading: Reading) -> Voxels:
    """Voxels of a weighted sum of contrasts.

    Parameters
    ----------
    maps : mapping of str to sequence of NamedMap
        Images of each contrast, one for each run.
    weights : mapping of str to float
        By contrast; all of them are in `maps`.
    reading : Reading

    Returns
    -------
    Voxels
        A single image as it is read; else the sum, with NaN where one of the images holds no data.

    Raises
    ------
    SourceError
        If an image cannot be read, runs are not declared, or images lie on different grids.
    """
    import numpy as np

    parts = [(weight, run_voxels(maps[label], reading)) for label, weight in weights.items()]
    if len(parts) == 1 and parts[0][0] == 1.0:
        return parts[0][1]
    first = parts[0][1].image
    for _, part in parts:
        _same_grid(first, part.image)
    total = np.sum([weight * measured(part.image, part.background, part.mask) for weight, part in parts], axis=0)
    return Voxels(Volume(first.label, first.grid, total), "nan")


def run_voxels(runs: Sequence[NamedMap], reading: Reading) -> Voxels:
    """Voxels of one contrast, its runs put together.

    With variances, the mean weights each voxel of a run by the inverse of its variance (fixed effects).

    Parameters
    ----------
    runs : sequence of NamedMap
    reading : Reading

    Returns
    -------
    Voxels

    Raises
    ------
    SourceError
        As `contrast_voxels`.
    """
    if len(runs) > 1 and reading.runs is None:
        found = f"is one of {len(runs)} runs of one session, and what becomes of them is not declared"
        hint = 'runs = "mean", "first", or "fixed-effects" where stat-variance lies beside'
        raise SourceError(Problem(runs[0].file.label, found, hint))
    if len(runs) == 1 or reading.runs == "first":
        return _read(runs[0], reading)
    return _fixed_effects(runs, reading) if reading.runs == "fixed-effects" else _mean(runs, reading)


def _read(each: NamedMap, reading: Reading) -> Voxels:
    image = read_volume(each.file.path, each.file.label)
    return Voxels(image, reading.background, _mask(each, image, reading))


def _mask(each: NamedMap, image: Volume, reading: Reading) -> np.ndarray | None:
    if reading.mask is None:
        return None
    if reading.mask == "beside":
        path = mask_beside(each)
        mask = read_mask(path, path.name)
    else:
        mask = reading.mask
    return on_grid(mask, image.grid, image.label)


def _mean(runs: Sequence[NamedMap], reading: Reading) -> Voxels:
    import numpy as np

    voxels = [_read(each, reading) for each in runs]
    first = voxels[0].image
    for each in voxels:
        _same_grid(first, each.image)
    mean = np.mean([measured(each.image, each.background, each.mask) for each in voxels], axis=0)
    return Voxels(Volume(first.label, first.grid, mean), "nan")


def _fixed_effects(runs: Sequence[NamedMap], reading: Reading) -> Voxels:
    import numpy as np

    weighted: np.ndarray | float = 0.0
    weights: np.ndarray | float = 0.0
    first = None
    for each in runs:
        effect = _read(each, reading)
        path = variance_beside(each)
        variance = read_volume(path, path.name)
        first = first or effect.image
        _same_grid(first, effect.image)
        _same_grid(first, variance)
        values = measured(effect.image, effect.background, effect.mask)
        with np.errstate(divide="ignore", invalid="ignore"):
            weight = np.where(variance.values > 0, 1.0 / variance.values.astype(float), np.nan)
        weighted = weighted + weight * values
        weights = weights + weight
    assert first is not None
    return Voxels(Volume(first.label, first.grid, np.asarray(weighted / weights)), "nan")


def _same_grid(one: Volume, other: Volume) -> None:
    if one.grid.key != other.grid.key:
        found = f"lies on another grid ({other.grid}) than {one.label} ({one.grid})"
        raise SourceError(Problem(other.label, found, "images that are put together voxel by voxel share one grid"))


def read_mask(path: Path, label: str) -> Volume:
    """An image of which every voxel that is not 0 is inside, as whole numbers.

    Parameters
    ----------
    path : Path
    label : str
        How messages name the file.

    Returns
    -------
    Volume

    Raises
    ------
    SourceError
        If it cannot be read, or has nothing inside.
    """
    import numpy as np

    mask = read_volume(path, label)
    inside = np.nan_to_num(mask.values) != 0
    if not inside.any():
        raise SourceError(Problem(label, "is a mask with nothing inside: every voxel is 0"))
    return Volume(label, mask.grid, inside.astype(np.int8))
