"""Images with an atlas: effect maps of tasks, parametric images of PET, any volume with one value in each voxel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from workbench.errors import Problem, Problems, SourceError, listed
from workbench.sources.atlas.parcels import (
    Parcellation,
    ParcelMeans,
    parcel_means,
    read_parcellation,
    refuse_other_space,
)
from workbench.sources.contract.identity import Row
from workbench.sources.contract.parsed import Parsed, ParsedRow, ParseOptions, SourceFile
from workbench.sources.files.delimited import LISTED
from workbench.sources.files.volumes import Volume
from workbench.sources.finding.derivatives import dataset_of, made_by
from workbench.sources.maps.map_names import (
    MapGroup,
    NamedMap,
    groups_of,
    mask_beside,
    named_maps,
    one_space,
    one_stat,
    variance_beside,
)
from workbench.sources.maps.map_values import Reading, Voxels, contrast_voxels, read_mask
from workbench.sources.maps.task_contrasts import chosen_contrasts, described_features, feature_name, spellings
from workbench.specs.maps_source import OF_EFFECTS, MapsSource

if TYPE_CHECKING:
    import numpy as np

NO_CONTRAST = "write {contrast} where it stands in the names: {participant}/{contrast}.nii"
BESIDE = "beside"
"""What ``mask`` says where each image has a mask of its own."""


def find(spec: MapsSource, data: Path) -> list[MapGroup]:
    """Images by participant and session, with masks and variances where they are used.

    Parameters
    ----------
    spec : MapsSource
    data : Path
        Folder that the pattern is relative to.

    Returns
    -------
    list of MapGroup
        Empty where no image fits.

    Raises
    ------
    SourceError
        Images that belong together in several ways (space, statistic, contrast), with what tells them apart.
    """
    where = spec.place()
    maps = one_stat(named_maps(spec.files, data), spec.stat, where)
    if not maps:
        return []
    one_space(maps, where)
    if spec.has_sessions() and not any(each.sessions for each in maps):
        hint = 'say when they were made: timing = "before", "concurrent" or "unknown"; or write {session} into files'
        raise SourceError(Problem(where, "finds images whose names say no session", hint))
    spelt = spellings(each.contrast for each in maps)
    wanted = chosen_contrasts(spec.contrasts, spelt.values(), where, NO_CONTRAST)
    _refuse_sums_of_statistics(spec, wanted, {each.entities.get("stat", "") for each in maps})
    used = {label for weights in wanted.values() for label in weights}
    groups = groups_of([each for each in maps if spelt[each.contrast] in used], spelt, where)
    return [replace(group, wanted=wanted, companions=_companions(group, spec)) for group in groups]


def _refuse_sums_of_statistics(spec: MapsSource, wanted: Mapping[str, Mapping[str, float]], stats: set[str]) -> None:
    problems = Problems()
    for stat in stats - {""}:
        sums = [name for name, weights in wanted.items() if set(weights.values()) != {1.0} or len(weights) > 1]
        if stat.casefold() not in OF_EFFECTS and sums:
            found = f"is a sum, and images are stat-{stat}: {stat} values cannot be added or subtracted"
            problems.add(f"{spec.place()}: contrasts.{sums[0]}", found, 'stat = "effect"')
    problems.raise_if_any(SourceError)


def _companions(group: MapGroup, spec: MapsSource) -> dict[str, Path]:
    """The other files of a group; what is missing among them is said when it is read."""
    files = {**group.companions, **dataset_of(_first(group)[0].file)}
    for number, each in enumerate((each for runs in group.maps.values() for each in runs), 1):
        for what, locate, used in (
            ("mask", mask_beside, spec.mask == BESIDE),
            ("variance", variance_beside, spec.runs == "fixed-effects"),
        ):
            with Problems().gather():
                if used:
                    files[f"{what} {number}"] = locate(each)
    return files


def parse(file: SourceFile, options: ParseOptions) -> Parsed:
    """The parcels of the images of one participant and session.

    Parameters
    ----------
    file : MapGroup
    options : ParseOptions

    Returns
    -------
    Parsed
        One `ParsedRow` of numbers: parcels, of each contrast in turn.

    Raises
    ------
    SourceError
        If an image, a mask or the atlas cannot be read, or they cannot be laid over each other.
    """
    import numpy as np

    assert isinstance(file, MapGroup)
    spec: MapsSource = options.spec
    atlas = _atlas(spec, options)
    refuse_other_space([each.entities.get("space", "") for each in _first(file)], atlas, file.label)
    reading = Reading(0 if spec.background == 0 else "nan", _mask_of_all(spec, options), spec.runs)
    values: list[np.ndarray] = []
    coverage: dict[str, float] = {}
    notes: dict[str, None] = dict.fromkeys(_absent(atlas))
    for name, weights in file.wanted.items():
        if not set(weights) <= set(file.maps):
            notes[f"no image of {name or next(iter(weights))!r}, whose features are missing"] = None
            values.append(np.full(len(atlas.names), np.nan))
            continue
        voxels = contrast_voxels(file.maps, weights, reading)
        taken = parcel_means(voxels.image, atlas, background=voxels.background, mask=voxels.mask)
        values.append(taken.means)
        features = [feature_name(parcel, name) for parcel in atlas.names]
        vanished = atlas.vanished(voxels.image.grid, file.label)
        reached = [parcel not in vanished for parcel in atlas.names]
        coverage |= {feature: float(taken.coverage[at]) for at, feature in enumerate(features) if reached[at]}
        notes |= dict.fromkeys(_notes(taken, voxels, vanished))
    stat = next((each.entities["stat"] for each in _first(file) if "stat" in each.entities), "")
    notes |= dict.fromkeys(_of_statistic(stat))
    return Parsed(
        label=file.label,
        columns=tuple(feature_name(parcel, name) for name in file.wanted for parcel in atlas.names),
        entries=[ParsedRow(Row(""), np.concatenate(values))],
        described=described_features(atlas.names, file.wanted, spec, stat),
        coverage=coverage,
        min_coverage=spec.min_coverage,
        provenance=made_by(file),
        notes=tuple(notes),
    )


def _first(file: MapGroup) -> list[NamedMap]:
    """The first run of each contrast."""
    return [runs[0] for runs in file.maps.values()]


def _atlas(spec: MapsSource, options: ParseOptions) -> Parcellation:
    atlas = read_parcellation(
        options.beside(spec.atlas_image),
        options.beside(spec.atlas_labels),
        image_label=spec.atlas_image,
        labels_label=spec.atlas_labels,
    )
    return replace(atlas, space=spec.space) if spec.space else atlas


def _mask_of_all(spec: MapsSource, options: ParseOptions) -> Volume | Literal["beside"] | None:
    if spec.mask is None:
        return None
    return "beside" if spec.mask == BESIDE else read_mask(options.beside(spec.mask), spec.mask)


def _absent(atlas: Parcellation) -> Iterator[str]:
    if atlas.absent:
        which = listed(atlas.absent, LISTED)
        yield f"{len(atlas.absent)} labels that the image of the atlas does not hold: {which}"


def _notes(taken: ParcelMeans, voxels: Voxels, vanished: Sequence[str]) -> Iterator[str]:
    """What a reader of the table should know of an image, in words that are equal for images that are alike."""
    if vanished:
        grid = f"{' x '.join(f'{mm:.3g}' for mm in voxels.image.grid.spacing)} mm"
        yield f"parcels without any voxel on the grid of the image ({grid}), hence missing: {listed(vanished, LISTED)}"
    if taken.n_infinite:
        yield "infinite voxels, taken as no data"
    if taken.n_zeros.any() and voxels.mask is None:
        yield 'parcels with voxels that are exactly 0, taken as measured (background = "nan")'


def _of_statistic(stat: str) -> Iterator[str]:
    if stat and stat.casefold() not in OF_EFFECTS:
        yield f"values are stat-{stat}, which depends on the noise and length of each run; effects are stat-effect"
