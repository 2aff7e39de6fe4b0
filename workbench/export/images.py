"""Candidate effects as images: each parcel of a study's atlas painted with its effect, and a table of its labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.errors import Problem, StoreError
from workbench.export.writing import readable, table_text
from workbench.sources.atlas.atlas_files import read_atlas

if TYPE_CHECKING:
    import pandas as pd

    from workbench.knowledge.atlases import Atlas
    from workbench.records import RunResult

FOLDER = "images"


def effect_images(result: RunResult, atlases: Mapping[str, tuple[Path, Path]]) -> dict[str, bytes]:
    """Images of the candidate features of one region, for every source that names an atlas image.

    Parameters
    ----------
    result : RunResult
    atlases : mapping of str to (Path, Path)
        Image and label table by source.

    Returns
    -------
    dict of str to bytes
        ``images/SOURCE_CONTRAST_effect.nii.gz``, a volume on the grid of the atlas with the effect per SD in each
        candidate parcel and 0 elsewhere, and ``images/SOURCE_CONTRAST_effect.tsv``: index, name, effect with its
        interval, q-value and coordinates. Empty where prediction is not shown, or no candidate lies in an atlas.

    Raises
    ------
    StoreError
        If an atlas that the run was made with is no longer there.
    """
    made: dict[str, bytes] = {}
    table = result.biomarkers
    if not result.claim.shows_prediction or not len(table):
        return made
    features = result.features.set_index("name")
    rows = table[(table["level"] == "feature") & (table["region_b"] == "")]
    rows = rows[rows["feature"].isin(features.index)]
    sources = features["source"].reindex(rows["feature"]).to_numpy()
    for source, (image, labels) in atlases.items():
        own = rows[sources == source]
        if not len(own):
            continue
        for path in (image, labels):
            if not path.is_file():
                hint = "the atlas must lie where the study says, or leave out --with-images"
                raise StoreError(Problem(str(path), "there is no such file", hint))
        atlas = read_atlas(labels, image)
        for contrast, of_contrast in own.groupby("contrast", sort=True):
            regions = [row.region_a or features["feature"][row.feature] for row in of_contrast.itertuples()]
            listed = _listed(of_contrast.assign(region_a=regions), atlas)
            if len(listed):
                stem = "_".join(filter(None, (source, _as_file_name(str(contrast)), "effect")))
                made[f"{FOLDER}/{stem}.nii.gz"] = _painted(image, listed)
                made[f"{FOLDER}/{stem}.tsv"] = table_text(readable(listed)).encode()
    return made


def _listed(rows: pd.DataFrame, atlas: Atlas) -> pd.DataFrame:
    """Candidate parcels with their number in the image."""
    import pandas as pd

    number = {label.casefold(): index for label, index in zip(atlas.labels, atlas.index, strict=True)}
    columns = ("effect", "effect_low", "effect_high", "q_value", "x", "y", "z")
    found = [
        {"index": number[row["region_a"].casefold()], "name": row["region_a"], **{each: row[each] for each in columns}}
        for row in rows.to_dict("records")
        if row["region_a"].casefold() in number
    ]
    return pd.DataFrame(found, columns=["index", "name", *columns]).sort_values("index", kind="stable")


def _painted(image: Path, listed: pd.DataFrame) -> bytes:
    """A volume like the atlas, with the effect of each candidate in its voxels, compressed alike every time."""
    import gzip

    import nibabel

    atlas: Any = nibabel.load(image)
    values = np.asanyarray(atlas.dataobj)
    effects = np.zeros(values.shape[:3], dtype=np.float32)
    for index, voxels in _voxels(values, listed["index"].tolist()):
        effects[voxels] = np.float32(listed["effect"][listed["index"] == index].iloc[0])
    painted = nibabel.Nifti1Image(effects, atlas.affine)  # type: ignore[no-untyped-call]
    painted.header["descrip"] = b"effect per SD of candidate regions"
    for code in ("sform_code", "qform_code"):
        painted.header[code] = atlas.header[code]
    return gzip.compress(painted.to_bytes(), mtime=0)


def _voxels(values: np.ndarray, numbers: list[int]) -> Iterator[tuple[int, np.ndarray]]:
    """Voxels of each parcel; of maps of probabilities those in which it is the most probable."""
    if values.ndim == 4 and values.shape[3] > 1:
        likely = np.where(values.max(axis=3) > 0, values.argmax(axis=3) + 1, 0)
        values = likely
    values = values.reshape(values.shape[:3])
    for number in numbers:
        yield number, values == number


def _as_file_name(text: str) -> str:
    return "-".join("".join(letter if letter.isalnum() else " " for letter in text).split())
