"""Volumes as programs write them: NIfTI and Analyze images, with their grid and whether they say where it lies."""

from __future__ import annotations

import gzip
import io
import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import Problem, SourceError
from workbench.sources.files.file_kinds import fetched_bytes, gzip_unpacked
from workbench.sources.files.unpacking import MOST, PIECE

if TYPE_CHECKING:
    import numpy as np

SUFFIXES = (".nii", ".nii.gz", ".hdr", ".img")
"""Ends of the names of images that are read; ``.hdr`` and ``.img`` are two halves of one."""

SAME_PLACE_MM = 1e-3
"""Largest difference between two affines that are one grid: rounding in float32 headers."""


FAR_MM = 1e6
"""No scanner reaches as far: an affine with such a number, or with none, is damaged."""

FLAT_MM3 = 1e-9
"""No voxel is as small: an affine with such a one lays all of them into one plane."""

DAMAGED = "copy or download it again"
DAMAGE = ("sizeof_hdr", "bitpix", "magic", "vox offset -", "data code")
"""How those of nibabel's reports begin after which it is a guess what the voxels are."""

OF_HEADER = 544
"""Bytes of the longer of the two headers of NIfTI, and of the mark of its extensions."""
NIFTI_2 = b"\x1c\x02\0\0"


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
        with np.errstate(all="ignore"):  # of voxels that the scaling of the header makes infinite
            values = np.asanyarray(image.dataobj)
    except Exception as error:
        why = str(error) or "its header says more than memory holds"
        found = f"is cut short or damaged: its voxels cannot be read ({why})"
        raise SourceError(Problem(label, found, DAMAGED)) from None
    if values.dtype.kind not in "fiub":
        what = "complex numbers" if values.dtype.kind == "c" else "colours"
        raise SourceError(Problem(label, f"holds {what}, no numbers", "the image of the values themselves"))
    if not (np.abs(image.affine).max() < FAR_MM and abs(np.linalg.det(image.affine[:3, :3])) > FLAT_MM3):
        raise SourceError(
            Problem(label, "does not say where its voxels lie: its affine holds no numbers, or no volume", DAMAGED)
        )
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

    for half in halves(path)[:2]:
        fetched_bytes(half, label if half == path else half.name, at_most=1000)
    try:
        with _reports() as reports:
            image = _unpacked(path, label) if path.suffix == ".gz" else nibabel.load(path)
    except SourceError:
        raise
    except Exception as error:  # nibabel lets through whatever its readers of headers raise
        found = f"is no image that can be read ({str(error).replace(str(path), path.name)})"
        raise SourceError(Problem(label, found, "NIfTI (.nii, .nii.gz) or Analyze (.hdr with .img)")) from None
    if not isinstance(image, nibabel.Nifti1Pair | nibabel.AnalyzeImage):
        hint = "values are taken from a volume: NIfTI (.nii, .nii.gz) or Analyze; write surfaces and CIFTI as tables"
        raise SourceError(Problem(label, "is not a volume", hint))
    damage = next((each for each in reports if each.startswith(DAMAGE)), None)
    if damage is not None:
        raise SourceError(Problem(label, f"has a damaged header: {damage}", DAMAGED))
    if path.suffix == ".nii":
        _refuse_more(image, path.stat().st_size, label)
    return image


@contextmanager
def _reports() -> Iterator[list[str]]:
    """What nibabel finds wrong with a header, and mends in silence or on the terminal, without the name of the file."""
    from nibabel import imageglobals

    reports: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: reports.append(record.getMessage())  # type: ignore[method-assign]
    logger = imageglobals.logger
    kept, propagated = logger.handlers[:], logger.propagate
    logger.handlers[:], logger.propagate = [handler], False
    try:
        yield reports
    finally:
        logger.handlers[:], logger.propagate = kept, propagated


def _unpacked(path: Path, label: str) -> Any:
    """An image from a packed file, read to its end: only there its checksum stands."""
    import nibabel

    packed = path.read_bytes()
    with gzip.GzipFile(fileobj=io.BytesIO(packed)) as file:
        beginning = file.read(OF_HEADER)
    kind = nibabel.Nifti2Image if NIFTI_2 in (beginning[:4], beginning[3::-1]) else nibabel.Nifti1Image
    declared = _n_bytes(kind.from_bytes(beginning.ljust(OF_HEADER, b"\0")))
    if declared > MOST:
        raise ValueError(f"its header declares {declared / 2**30:.0f} GB")
    content = gzip_unpacked(packed, label, at_most=declared + PIECE)
    image = kind.from_bytes(content)
    _refuse_more(image, len(content), label)
    return image


def _n_bytes(image: Any) -> int:
    """Bytes up to the end of the voxels that a header declares."""
    return int(image.dataobj.offset) + math.prod(map(int, image.shape)) * int(image.get_data_dtype().itemsize)


def _refuse_more(image: Any, n_bytes: int, label: str) -> None:
    """Raise where a file goes on for a slice and more after the voxels that its header declares: part of an image."""
    more = n_bytes - _n_bytes(image)
    if more >= max(1, math.prod(map(int, image.shape[:2])) * int(image.get_data_dtype().itemsize)):
        axes = " x ".join(map(str, image.shape))
        found = f"goes on for {more} bytes after the {axes} voxels that its header declares: one of the two is damaged"
        raise SourceError(Problem(label, found, DAMAGED))


def _placed(image: Any, path: Path) -> bool:
    """Whether a header says where its grid lies; Analyze only does with the ``.mat`` of SPM beside it."""
    header = image.header
    if "sform_code" in header:
        return int(header["sform_code"]) > 0 or int(header["qform_code"]) > 0
    return path.with_suffix(".mat").is_file()
