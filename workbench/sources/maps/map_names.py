"""Which images belong together: those of one participant and session, by contrast and run, as their names say."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from workbench.errors import Problem, Problems, SourceError, listed
from workbench.sources.contract.parsed import SourceFile
from workbench.sources.files.delimited import LISTED
from workbench.sources.files.folder_search import files_like
from workbench.sources.files.volumes import SUFFIXES, halves
from workbench.sources.finding.entities import NamedFile, read_name
from workbench.sources.finding.file_names import ENTITIES, PLACEHOLDERS, name_pattern, spellings_of

CONTRAST_ENTITIES = ("contrast", "taskcontrast")
"""Entities that hold the contrast: FitLins and nilearn, HALFpipe."""

MASK = "mask"
"""Suffix of an image of ones and zeros."""


@dataclass(frozen=True, eq=False)
class NamedMap:
    """One image, and what its name says.

    Parameters
    ----------
    file : NamedFile
    ids, sessions : tuple of str
        In every spelling that they may have in the study.
    contrast, run : str
        As written; empty where the name says none.
    """

    file: NamedFile
    ids: tuple[str, ...]
    sessions: tuple[str, ...]
    contrast: str
    run: str

    @property
    def entities(self) -> Mapping[str, str]:
        """Entities of the name."""
        return self.file.entities


@dataclass(frozen=True)
class MapGroup(SourceFile):
    """The images of one participant and session, which become one row.

    Parameters
    ----------
    maps : mapping of str to tuple of NamedMap
        By contrast as it is spelt in most files: one image, or one for each run, in the order of the runs.
    wanted : mapping of str to mapping of str to float
        By name of a feature's contrast: the weight of each label of `maps`, the same for everybody.
    """

    maps: Mapping[str, tuple[NamedMap, ...]] = field(default_factory=dict, hash=False)
    wanted: Mapping[str, Mapping[str, float]] = field(default_factory=dict, hash=False)

    def measurements(self) -> dict[str, Path]:
        """Every image of every run."""
        return {each.file.label: each.file.path for runs in self.maps.values() for each in runs}


def named_maps(files: str, data: Path) -> list[NamedMap]:
    """Images that a glob finds, with what their names say; masks are none of them.

    Parameters
    ----------
    files : str
        Glob relative to `data`, with {participant}, {session}, {contrast} and {run} where names are not those of BIDS.
    data : Path

    Returns
    -------
    list of NamedMap
        In the order of their paths.

    Raises
    ------
    SourceError
        Files without participant, and those that lie in the folder of another one.
    """
    pattern = name_pattern(files)
    glob = re.sub(rf"\{{({'|'.join(PLACEHOLDERS)})\}}", "*", files)
    problems, maps = Problems(), []
    for path in _images(files_like(glob, data)):
        label = path.relative_to(data).as_posix()
        match = pattern.fullmatch(label)
        if match is not None:
            with problems.gather():
                maps.append(_named(path, label, match.groupdict(), files))
    problems.raise_if_any(SourceError)
    return [each for each in maps if each.file.suffix != MASK]


def _images(paths: Sequence[Path]) -> Iterator[Path]:
    """Images among files, each once: the header of an Analyze image stands for its voxels."""
    there = set(paths)
    for path in paths:
        if path.name.endswith(SUFFIXES) and not (path.suffix == ".img" and path.with_suffix(".hdr") in there):
            yield path


def _named(path: Path, label: str, said: Mapping[str, str], files: str) -> NamedMap:
    file = read_name(path, label)
    participant, session = (
        spellings_of(key, said[key], files) if key in said else _of_entity(file, ENTITIES[key])
        for key in ("participant", "session")
    )
    if not participant:
        hint = "narrow the pattern (sub-*_..), or write {participant} where the id stands: {participant}/con_0001.nii"
        raise SourceError(Problem(label, "does not say whose it is: no sub- in its name", hint))
    of_entity = next((file.entities[key] for key in CONTRAST_ENTITIES if key in file.entities), "")
    contrast, run = said.get("contrast", of_entity), said.get("run", file.entities.get("run", ""))
    return NamedMap(file, participant, session, contrast, run)


def _of_entity(file: NamedFile, prefix: str) -> tuple[str, ...]:
    value = file.entities.get(prefix.rstrip("-"), "")
    return (value, prefix + value) if value else ()


def one_stat(maps: Sequence[NamedMap], stat: str | None, where: str) -> list[NamedMap]:
    """Images of one statistic: that which is declared, or the only one that is there.

    Parameters
    ----------
    maps : sequence of NamedMap
    stat : str or None
        As the source declares it.
    where : str
        How messages name the files together.

    Returns
    -------
    list of NamedMap

    Raises
    ------
    SourceError
        If several are there and none is declared, or none is the declared one.
    """
    there = sorted({each.entities.get("stat", "") for each in maps})
    if stat is not None:
        chosen = [each for each in maps if each.entities.get("stat", "").casefold() == stat.casefold()]
        if maps and not chosen:
            found = f"finds no image of stat-{stat}; they are {_stats(there)}"
            raise SourceError(Problem(where, found, "stat = one of them, or files that are as wide"))
        return chosen
    if len(there) > 1:
        hint = 'say which is meant: stat = "effect"; z, t and p depend on noise and length of a run'
        raise SourceError(Problem(where, f"finds images of several statistics: {_stats(there)}", hint))
    return list(maps)


def _stats(stats: Iterable[str]) -> str:
    return listed([f"stat-{stat}" if stat else "without stat-" for stat in stats], LISTED)


def one_space(maps: Iterable[NamedMap], where: str) -> None:
    """Raise where images are in the coordinates of several templates.

    Parameters
    ----------
    maps : iterable of NamedMap
    where : str
        How messages name the files together.

    Raises
    ------
    SourceError
    """
    spaces = sorted({each.entities.get("space", "") for each in maps})
    if len(spaces) > 1:
        written = listed([f"space-{space}" if space else "no space-" for space in spaces], LISTED)
        hint = f'narrow the pattern to one of them: files = "..space-{spaces[-1]}.."'
        raise SourceError(Problem(where, f"finds images in several spaces: {written}", hint))


def groups_of(maps: Sequence[NamedMap], contrasts: Mapping[str, str], where: str) -> list[MapGroup]:
    """Images by participant and session.

    Parameters
    ----------
    maps : sequence of NamedMap
        Of one statistic, in one space.
    contrasts : mapping of str to str
        Label of each image's contrast, as in `NamedMap.contrast`, to the spelling that stands for it.
    where : str
        How messages name the files together.

    Returns
    -------
    list of MapGroup
        In the order of their first files.

    Raises
    ------
    SourceError
        Every participant and session with two images of one contrast and run.
    """
    problems = Problems()
    together: dict[tuple[str, str], dict[str, list[NamedMap]]] = {}
    for each in maps:
        key = (each.ids[0], each.sessions[0] if each.sessions else "")
        together.setdefault(key, {}).setdefault(contrasts[each.contrast], []).append(each)
    groups = []
    for by_contrast in together.values():
        ordered = {contrast: tuple(sorted(each, key=_by_run)) for contrast, each in by_contrast.items()}
        for contrast, runs in ordered.items():
            problems.extend(_ambiguous(contrast, runs))
        groups.append(_group(ordered))
    problems.raise_if_any(SourceError)
    return groups


def _by_run(each: NamedMap) -> tuple[int, str, str]:
    return int(each.run) if each.run.isdecimal() else 0, each.run, each.file.label


def _ambiguous(contrast: str, maps: Sequence[NamedMap]) -> Iterator[Problem]:
    """Two images that only something undeclared tells apart, or runs beside the image of all runs."""
    of = f" of {contrast!r}" if contrast else ""
    runs = [each.run for each in maps]
    twice = next((run for run in runs if runs.count(run) > 1), None)
    if twice is not None:
        same = [each for each in maps if each.run == twice]
        others = listed([each.file.label for each in same[1:]], LISTED)
        differ = _differing_entities([each.entities for each in same]) or f"beside it: {others}"
        found = f"is one of {len(same)} images{of} of one participant and session; {differ}"
        hint = 'narrow the pattern: files = "..space-MNI152NLin2009cAsym.."; run- or {run} tells runs apart'
        yield Problem(same[0].file.label, found, hint)
    elif "" in runs and len(runs) > 1:
        single = next(each for each in maps if each.run == "")
        found = f"has no run-, and beside it lie {len(runs) - 1} images{of} of single runs: nobody counts twice"
        hint = "narrow the pattern to the single runs, run-*, or to the image of all"
        yield Problem(single.file.label, found, hint)


def _differing_entities(entities: Sequence[Mapping[str, str]]) -> str:
    keys = dict.fromkeys(key for each in entities for key in each)
    differ = {key: sorted({each.get(key, "none") for each in entities}) for key in keys}
    return "; ".join(f"they differ in {key}: {listed(values, 4)}" for key, values in differ.items() if len(values) > 1)


def _group(maps: Mapping[str, tuple[NamedMap, ...]]) -> MapGroup:
    every = [each for of_contrast in maps.values() for each in of_contrast]
    first = every[0]
    paths = [path for each in every for path in halves(each.file.path)]
    return MapGroup(
        first.file.path,
        first.file.label,
        first.ids,
        first.sessions,
        companions={f"image {number}": path for number, path in enumerate(paths[1:], 2)},
        maps=maps,
    )


def mask_beside(each: NamedMap) -> Path:
    """The mask in the folder of an image that agrees with it in every entity it has, and has most of them.

    Parameters
    ----------
    each : NamedMap

    Returns
    -------
    Path

    Raises
    ------
    SourceError
        If there is none, or several that are as near.
    """
    own = each.entities
    nearest: dict[int, list[Path]] = {}
    for path in _masks_in(each.file.path.parent):
        entities = {key: value for key, value in read_name(path, path.name).entities.items() if key != "desc"}
        if all(own.get(key) == value for key, value in entities.items()):
            nearest.setdefault(len(entities), []).append(path)
    if not nearest:
        hint = 'background = 0 in place of mask, or the name of one mask for all: mask = "group_mask.nii.gz"'
        raise SourceError(Problem(each.file.label, "has no _mask image with its entities beside it", hint))
    masks = nearest[max(nearest)]
    if len(masks) > 1:
        found = f"has several masks beside it: {listed([path.name for path in masks], 4)}"
        raise SourceError(Problem(each.file.label, found, "one mask with the entities of the image"))
    return masks[0]


def _masks_in(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.glob(f"*_{MASK}.nii*")) if path.name.endswith(SUFFIXES)]


def variance_beside(each: NamedMap) -> Path:
    """The variance of an effect: the file with ``stat-variance`` in place of its own ``stat-``.

    Parameters
    ----------
    each : NamedMap

    Returns
    -------
    Path

    Raises
    ------
    SourceError
        If it is not there.
    """
    path = each.file.path
    variance = path.with_name(re.sub(r"_stat-[A-Za-z0-9]+_", "_stat-variance_", path.name))
    if variance == path or not (variance.is_file() or variance.is_symlink()):
        hint = f'runs = "mean", or put {variance.name} beside it' if variance != path else 'runs = "mean"'
        raise SourceError(Problem(each.file.label, "has no stat-variance beside it, which fixed-effects needs", hint))
    return variance
