"""Where regions lie in the brain: from the atlas image of a source, or from a table of the study."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.errors import Problem, SourceError
from workbench.records import Places
from workbench.sources.atlas.atlas_files import read_atlas
from workbench.sources.contract.description import beside
from workbench.specs.maps_source import MapsSource

if TYPE_CHECKING:
    from workbench.specs.source import SourceSpec

FILE = "coordinates.tsv"
"""Beside the specifications of a study: ``name``, ``x``, ``y``, ``z`` in mm, for regions of any source."""


def read_places(sources: Mapping[str, SourceSpec], *, features_dir: Path, data: Path) -> Places:
    """Coordinates of the regions of each source: those of its own atlas, else those of the study's table.

    Nothing is guessed from the name of a region or an atlas.

    Parameters
    ----------
    sources : mapping of str to SourceSpec
    features_dir, data : Path
        Where an atlas may lie.

    Returns
    -------
    mapping of str to mapping of str to (float, float, float)
        By source and by the name of the region in small letters: right, anterior and superior, mm.

    Raises
    ------
    SourceError
        If the table has no coordinates, or an atlas cannot be read.
    """
    table = features_dir / FILE
    of_study = dict(_places(table, None)) if table.is_file() else {}
    if table.is_file() and not of_study:
        found, hint = "has no coordinates", "columns name, x, y and z, in mm"
        raise SourceError(Problem(f"{features_dir.name}/{FILE}", found, hint))
    atlases, places = atlases_of(sources, features_dir=features_dir, data=data), {}
    for name in sources:
        image, labels = atlases.get(name, (Path(), Path()))
        own = dict(_places(labels, image)) if labels.is_file() and image.is_file() else {}
        if of_study or own:
            places[name] = {**of_study, **own}
    return places


def atlases_of(sources: Mapping[str, SourceSpec], *, features_dir: Path, data: Path) -> dict[str, tuple[Path, Path]]:
    """Image and label table of the atlas of every source that names one.

    Parameters
    ----------
    sources : mapping of str to SourceSpec
    features_dir, data : Path
        Where an atlas may lie.

    Returns
    -------
    dict of str to (Path, Path)
    """
    return {
        name: (
            beside(spec.atlas_image, features_dir=features_dir, data=data),
            beside(spec.atlas_labels, features_dir=features_dir, data=data),
        )
        for name, spec in sources.items()
        if isinstance(spec, MapsSource)
    }


def _places(labels: Path, image: Path | None) -> Iterator[tuple[str, tuple[float, float, float]]]:
    atlas = read_atlas(labels, image)
    if atlas.coordinates is None:
        return
    for label, (x, y, z) in zip(atlas.labels, atlas.coordinates.tolist(), strict=True):
        if x == x:
            yield label.casefold(), (x, y, z)
