"""Volumes as programs write them: NIfTI and Analyze images, with their grid and whether they say where it lies."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import Problem, SourceError
from workbench.sources.files.file_kinds import fetched_bytes

if TYPE_CHECKING:
    import numpy as np

SUFFIXES = (".nii", ".nii.gz", ".hdr", ".img")
"""Ends of the names of images that are read; ``.hdr`` and ``.img`` are two halves of one."""

SAME_PLACE_MM = 1e-3
"""Largest difference between two affines that are one grid: rounding in float32 headers."""


FAR_MM = 1e6
"""No scanner reaches as far: an affine with such a number, or with none, is damaged."""

DAMAGED = "copy or download it again"


@dataclass(frozen=True, eq=False)
class Grid:
    """Where the voxels of a volume lie.

    Parameters
    ----------
    shape : tuple of int
        Number of voxels along each of three axes.
    affine : ndarray of shape (4, 4)
        From voxel to mm.
    placed : bool
        The header says where the grid lies; else the affine is only a guess of whoever reads it, and left may be right.
    """

    shape: tuple[int, int, int]
    affine: np.ndarray
    placed: bool

    @cached_property
    def key(self) -> tuple[object, ...]:
        """What is equal for two volumes on one grid."""
        import numpy as np

        return self.shape, self.placed, np.round(self.affine / SAME_PLACE_MM).astype(np.int64).tobytes()

    @cached_property
    def spacing(self) -> tuple[float, float, float]:
        """Size of a voxel along each axis, in mm."""
        import numpy as np

        x, y, z = np.sqrt((self.affine[:3, :3] ** 2).sum(axis=0))
        return float(x), float(y), float(z)

    def __str__(self) -> str:
        """Number and size of the voxels, for messages.

        >>> import numpy as np
        >>> str(Grid((91, 109, 91), np.diag([-2.0, 2, 2, 1]), placed=True))
        '91 x 109 x 91 voxels of 2 x 2 x 2 mm'
        """
        return f"{' x '.join(map(str, self.shape))} voxels of {' x '.join(f'{mm:.3g}' for mm in self.spacing)} mm"


@dataclass(frozen=True, eq=False)
class Volume:
    """One volume.

    Parameters
    ----------
    label : str
        How messages name the file.
    values : ndarray of shape (i, j, k), or (i, j, k, n) where several were asked for
        Scaled as the header says.
    """

    label: str
    grid: Grid
    values: np.ndarray


def halves(path: Path) -> tuple[Path, ...]:
    """The files that one image consists of: header and voxels of Analyze and of two-file NIfTI, and SPM's placing.

    Parameters
    ----------
    path : Path
        Either half, or a NIfTI file.

    Returns
    -------
    tuple of Path
        `path` itself first.
    """
    if path.suffix not in (".hdr", ".img"):
        return (path,)
    other = path.with_suffix(".img" if path.suffix == ".hdr" else ".hdr")
    placing = path.with_suffix(".mat")
    return (path, other, placing) if placing.is_file() else (path, other)


def read_volume(path: Path, label: str, *, several: bool = False) -> Volume:
    """Read an image.

    Parameters
    ----------
    path : Path
        NIfTI (``.nii``, ``.nii.gz``) or either half of Analyze (``.hdr``, ``.img``).
    label : str
        How messages name the file.
    several : bool
        A fourth axis may hold several volumes.

    Returns
    -------
    Volume
        A last axis of length 1 is dropped.

    Raises
    ------
    SourceError
        If it is missing, was not fetched, is cut short, no volume, or holds several where one is expected.
    """
    import numpy as np

    image = _load(path, label)
    try:
        values = np.asanyarray(image.dataobj)
    except (EOFError, OSError, ValueError, MemoryError, zlib.error) as error:
        found = (
            f"is cut short or damaged: its voxels cannot be read ({error or 'its header says more than memory holds'})"
        )
        raise SourceError(Problem(label, found, DAMAGED)) from None
    if values.dtype.kind not in "fiub":
        what = "complex numbers" if values.dtype.kind == "c" else "colours"
        raise SourceError(Problem(label, f"holds {what}, no numbers", "the image of the values themselves"))
    if not np.abs(image.affine).max() < FAR_MM:
        raise SourceError(Problem(label, "does not say where its voxels lie: its affine holds no numbers", DAMAGED))
    while values.ndim > 3 and values.shape[-1] == 1:
        values = values[..., 0]
    if values.ndim != 3 and not (several and values.ndim == 4):
        axes = " x ".join(map(str, values.shape))
        found = f"has {values.ndim} axes ({axes}), not three" if values.ndim < 4 else f"holds several volumes ({axes})"
        raise SourceError(Problem(label, found, "one volume for each participant, session and contrast"))
    shape = values.shape[0], values.shape[1], values.shape[2]
    return Volume(label, Grid(shape, np.asarray(image.affine, dtype=float), _placed(image, path)), values)


def _load(path: Path, label: str) -> Any:
    import nibabel
    from nibabel.filebasedimages import ImageFileError
    from nibabel.spatialimages import HeaderDataError

    for half in halves(path)[:2]:
        fetched_bytes(half, label if half == path else half.name, at_most=1000)
    try:
        image = nibabel.load(path)
    except (ImageFileError, HeaderDataError, OSError, EOFError, ValueError, zlib.error) as error:
        found = f"is no image that can be read ({str(error).replace(str(path), path.name)})"
        raise SourceError(Problem(label, found, "NIfTI (.nii, .nii.gz) or Analyze (.hdr with .img)")) from None
    if not isinstance(image, nibabel.Nifti1Pair | nibabel.AnalyzeImage):
        hint = "values are taken from a volume: NIfTI (.nii, .nii.gz) or Analyze; write surfaces and CIFTI as tables"
        raise SourceError(Problem(label, "is not a volume", hint))
    return image


def _placed(image: Any, path: Path) -> bool:
    """Whether a header says where its grid lies; Analyze only does with the ``.mat`` of SPM beside it."""
    header = image.header
    if "sform_code" in header:
        return int(header["sform_code"]) > 0 or int(header["qform_code"]) > 0
    return path.with_suffix(".mat").is_file()
