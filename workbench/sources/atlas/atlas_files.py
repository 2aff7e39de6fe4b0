"""An atlas from the files that a user has: a label table, and the image that its coordinates are computed from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import Problem, SourceError, listed
from workbench.knowledge.atlases import Atlas
from workbench.knowledge.labels import readings
from workbench.sources.atlas.label_tables import Label, LabelTable, read_label_table, space_of
from workbench.sources.files.delimited import LISTED

if TYPE_CHECKING:
    import numpy as np

ACROSS_MIDLINE_MM = 5.0
"""How far the centre of a left region may lie to the right: regions of the midline, and rounding."""

MNI_CODE = 4
"""Code of the NIfTI header (sform_code, qform_code) for MNI152 coordinates."""


def read_atlas(labels: Path, image: Path | None = None, name: str = "") -> Atlas:
    """An atlas from a label table, with coordinates from the table or computed from the label image.

    The centre of a label is the mean position of its voxels, in the coordinates of the image's header; of a map of
    probabilities (4-D, one volume for each label), the mean weighted by the map.

    Parameters
    ----------
    labels : Path
        Label table, in any form that `read_label_table` reads.
    image : Path, optional
        NIfTI image with whole numbers, or with a volume for each label.
    name : str
        The atlas as the study declares it.

    Returns
    -------
    Atlas
        Coordinates in mm, of shape (n_labels, 3); None where neither file has any.

    Raises
    ------
    SourceError
        If a file cannot be read, the image has values that the table does not name, or the labels' hemispheres and the
        coordinates disagree.
    """
    import numpy as np

    table = read_label_table(labels)
    absent: tuple[str, ...] = ()
    if image is None:
        rows, space = table.rows, table.space
        places = np.array([row.coordinates or (np.nan,) * 3 for row in rows])
        source = labels.name
    else:
        centres, in_header = _centres(image)
        rows, absent = _in_image(table, centres, image.name)
        places = np.array([centres[row.index] for row in rows])
        space = space_of(image) or in_header or table.space
        source = f"{labels.name}; centres computed from {image.name}"
    _refuse_wrong_sides(rows, places, image.name if image else labels.name)
    return Atlas(
        name=name,
        labels=tuple(row.name for row in rows),
        index=tuple(row.index for row in rows),
        networks=tuple(row.network for row in rows),
        coordinates=None if np.isnan(places).all() else places,
        space=space,
        source=source,
        absent=absent,
    )


def _in_image(
    table: LabelTable, centres: dict[int, np.ndarray], image: str
) -> tuple[tuple[Label, ...], tuple[str, ...]]:
    """The labels that an image holds, and the names of the others."""
    unnamed = sorted(set(centres) - {row.index for row in table.rows})
    if unnamed:
        found = f"holds {listed(unnamed, LISTED)}, which {table.label} does not name"
        raise SourceError(Problem(image, found, "the label table of this very image, with all its values"))
    absent = () if table.lists_more else tuple(row.name for row in table.rows if row.index not in centres)
    return tuple(row for row in table.rows if row.index in centres), absent


def _centres(path: Path) -> tuple[dict[int, np.ndarray], str]:
    """Centre of every label of an image, in mm, and the template that its header names."""
    image = _load(path)
    if len(image.shape) == 4 and image.shape[3] > 1:
        centres = _weighted_centres(image, path.name)
    elif len(image.shape) in (3, 4):
        centres = _centres_of_labels(image, path.name)
    else:
        raise SourceError(Problem(path.name, f"has {len(image.shape)} dimensions", "a volume, 3-D or 4-D"))
    codes = (int(image.header["sform_code"]), int(image.header["qform_code"]))
    return centres, "MNI152" if MNI_CODE in codes else ""


def _load(path: Path) -> Any:
    import nibabel

    if not path.is_file():
        raise SourceError(Problem(path.name, f"there is no such file in {path.parent}"))
    try:
        image = nibabel.load(path)
    except nibabel.filebasedimages.ImageFileError as error:
        raise SourceError(
            Problem(path.name, f"is no image that can be read ({error})", "NIfTI: .nii or .nii.gz")
        ) from None
    if not isinstance(image, nibabel.Nifti1Image):  # NIfTI-2 is a kind of NIfTI-1 here, CIFTI and GIFTI are not
        hint = "coordinates are computed from a volume (NIfTI); name the volume of the same atlas"
        raise SourceError(Problem(path.name, "is not a NIfTI volume", hint))
    return image


def are_labels(values: np.ndarray) -> bool:
    """Whether all values are whole and fit in 32 bits: cut to these, a larger one would be the label of another region.

    Parameters
    ----------
    values : ndarray of any shape

    Returns
    -------
    bool
    """
    import numpy as np

    most = np.iinfo(np.int32).max
    return bool(
        np.isfinite(values).all()
        and values.max(initial=0) <= most
        and values.min(initial=0) >= -most
        and (values == np.round(values)).all()
    )


def _centres_of_labels(image: Any, name: str) -> dict[int, np.ndarray]:
    import numpy as np

    values = np.asanyarray(image.dataobj).reshape(image.shape[:3])
    positions = np.nonzero(values)
    inside = values[positions]
    if not are_labels(inside) or (inside < 0).any():
        hint = "a label image has a whole number for each region; of maps, one volume for each"
        raise SourceError(Problem(name, "holds values that are not whole numbers above 0", hint))
    numbers, at = np.unique(inside.astype(np.int64), return_inverse=True)
    if not numbers.size:
        raise SourceError(Problem(name, "holds nothing but 0"))
    counts = np.bincount(at)
    voxels = np.stack([np.bincount(at, weights=axis) / counts for axis in positions], axis=1)
    return dict(zip(numbers.tolist(), _to_mm(voxels, image.affine), strict=True))


def _weighted_centres(image: Any, name: str) -> dict[int, np.ndarray]:
    import numpy as np

    centres: dict[int, np.ndarray] = {}
    for number in range(image.shape[3]):
        weights = np.clip(np.nan_to_num(np.asanyarray(image.dataobj[..., number], dtype=float)), 0, None)
        total = weights.sum()
        if total == 0:
            continue
        sums = [np.moveaxis(weights, axis, 0).reshape(weights.shape[axis], -1).sum(axis=1) for axis in range(3)]
        voxel = np.array([[(np.arange(len(along)) * along).sum() / total for along in sums]])
        centres[number + 1] = _to_mm(voxel, image.affine)[0]
    if not centres:
        raise SourceError(Problem(name, "holds nothing above 0"))
    return centres


def _to_mm(voxels: np.ndarray, affine: np.ndarray) -> np.ndarray:
    positions: np.ndarray = voxels @ affine[:3, :3].T + affine[:3, 3]
    return positions


def _refuse_wrong_sides(rows: tuple[Label, ...], places: np.ndarray, where: str) -> None:
    """Labels that name one side, with a centre on the other: a flipped image, or the table of another one."""
    sides = {"left": -1.0, "right": 1.0}
    wrong = []
    for row, place in zip(rows, places, strict=True):
        hemispheres = {reading.hemisphere for reading in readings(row.name)}
        side = sides.get(hemispheres.pop(), 0.0) if len(hemispheres) == 1 else 0.0
        if side * place[0] < -ACROSS_MIDLINE_MM:
            wrong.append(f"{row.name} (x = {place[0]:.0f} mm)")
    if wrong:
        found = f"the centre lies on the other side: {listed(wrong, LISTED)}"
        raise SourceError(Problem(where, found, "a flipped image, or the label table of another one"))
