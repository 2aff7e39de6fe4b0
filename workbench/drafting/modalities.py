"""Which columns of a table are features, and of what: by the regions, edges and words in their names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from os.path import commonpath

import numpy as np

from workbench.drafting.cells import Table
from workbench.drafting.ids import keys_of
from workbench.drafting.moments import words_in
from workbench.drafting.records import Known, guessed, question
from workbench.errors import SpecError, listed
from workbench.knowledge.regions import resolve
from workbench.sources.contract.description import regions_in

WORDS: dict[str, frozenset[str]] = {
    "connectivity": frozenset(
        [
            "fc",
            "rsfc",
            "ec",
            "conn",
            "connectivity",
            "rest",
            "rs",
            "seed",
            "edge",
            "edges",
            "dcm",
            "correlation",
            "relmat",
            "conmat",
        ]
    ),
    "pet": frozenset(
        [
            "pet",
            "bp",
            "bpnd",
            "bpp",
            "bpf",
            "suvr",
            "suv",
            "dvr",
            "vt",
            "binding",
            "fdg",
            "srtm",
            "mrtm",
            "mrtm2",
            "logan",
        ]
    ),
    "task": frozenset(
        [
            "task",
            "beta",
            "betas",
            "mid",
            "cope",
            "contrast",
            "anticip",
            "anticipation",
            "reward",
            "gain",
            "win",
            "loss",
            "feedback",
            "emotion",
            "faces",
            "face",
            "fear",
            "happy",
            "sad",
            "psc",
            "gonogo",
            "roibetas",
        ]
    ),
    "structure": frozenset(
        ["thickness", "thick", "area", "volume", "vol", "gmv", "mt", "curv", "sulc", "morph", "cortical"]
    ),
}
"""Words in the names of files and columns that tell a modality."""

MEASURES: dict[str, tuple[str, str]] = {
    "bpnd": ("BPND", "ratio"),
    "bp": ("BPND", "ratio"),
    "suvr": ("SUVR", "ratio"),
    "vt": ("VT", "mL/cm3"),
    "dvr": ("DVR", "ratio"),
    "thickness": ("thickness", "mm"),
    "area": ("area", "mm2"),
    "volume": ("volume", "mm3"),
    "vol": ("volume", "mm3"),
    "beta": ("beta", ""),
    "betas": ("beta", ""),
}
"""Words that tell measure and unit."""

TRACERS: dict[str, str] = {
    "fdg": "[18F]FDG",
    "pbr28": "[11C]PBR28",
    "raclopride": "[11C]raclopride",
    "dasb": "[11C]DASB",
    "carfentanil": "[11C]carfentanil",
    "az10419369": "[11C]AZ10419369",
    "way100635": "[11C]WAY-100635",
    "ucbj": "[11C]UCB-J",
    "abp688": "[11C]ABP688",
    "p943": "[11C]P943",
    "flumazenil": "[11C]flumazenil",
    "cimbi36": "[11C]Cimbi-36",
    "fpeb": "[18F]FPEB",
    "pe2i": "[11C]PE2I",
    "sch23390": "[11C]SCH-23390",
}

TELLING = frozenset(word for known in WORDS.values() for word in known) | frozenset(TRACERS)
"""All words that tell a modality or a tracer: what is left of a name is its region."""

QUALITY = frozenset(
    [
        "fd",
        "dvars",
        "motion",
        "snr",
        "tsnr",
        "efc",
        "fber",
        "aor",
        "aqi",
        "gcor",
        "gsr",
        "rotation",
        "rms",
        "outlier",
        "outliers",
        "quality",
        "qc",
        "mriqc",
    ]
)
FEWEST, SHARE = 3, 0.4
"""Columns that make a source; share of the columns of a table that must say what they are."""
LISTED_AT_MOST = 30
"""Columns that are named in the file of a source; more go into a table beside it."""


@dataclass(frozen=True, eq=False)
class FeatureColumns:
    """Features of one modality in one table.

    Parameters
    ----------
    table : Table
    columns : tuple of str
    modality : Known
    measure, unit, tracer : Known or None
    moment : str
        Words for the time in the names of all of them.
    keep, drop : Known or None
        Lists that divide the columns of the table.
    listed : bool
        The columns have to be listed in a table of their own, so that they are told from the others.
    """

    name: str
    table: Table
    columns: tuple[str, ...]
    modality: Known
    measure: Known | None = None
    unit: Known | None = None
    tracer: Known | None = None
    keep: Known | None = None
    drop: Known | None = None
    listed: bool = False
    regions: tuple[tuple[str, str], ...] = ()
    """Of each column: the regions that its name holds beside other words; empty where none was read."""


def feature_columns(table: Table, taken: Iterable[str], missing: Sequence[str]) -> list[FeatureColumns]:
    """The features of a table, one group for each modality.

    Parameters
    ----------
    table : Table
    taken : iterable of str
        Columns that are ids, sessions, ratings, arms or covariates.
    missing : sequence of str

    Returns
    -------
    list of FeatureColumns
        Empty where nothing says that the numbers are of the brain.
    """
    keys = {keys_of(table).column, keys_of(table).session}
    taken = set(taken)
    numeric = [name for name in table.columns if name not in taken and table.is_numeric(name)]
    stem = table.sheet or re.sub(r"\.(tsv|csv|txt|xlsx)(\.gz)?$", "", table.path.name, flags=re.IGNORECASE)
    of_file = modality_in(words_in(stem))
    read = {name: _read(name) for name in numeric}
    speaking = [name for name, each in read.items() if each.modality or each.edge or each.region]
    alone = len(numeric) >= FEWEST and (len(speaking) >= SHARE * len(numeric) or (of_file and _uniform(numeric)))
    quality = sum(bool(set(words_in(name)) & QUALITY) for name in numeric) > 0.3 * len(numeric)
    if (not alone and len(speaking) < FEWEST) or quality:
        return []
    mixed = any(name in taken for name in list(table.columns)[1:]) and len(taken) > 3
    groups: dict[str, list[str]] = {}
    for name, each in read.items():
        modality = each.modality or ("connectivity" if each.edge else "")
        if mixed:
            if modality or each.region:
                groups.setdefault(modality or of_file, []).append(name)
        else:
            groups.setdefault("all", []).append(name)
    if "all" in groups:
        by_column = [each.modality or ("connectivity" if each.edge else "") for each in read.values()]
        most = max(set(by_column), key=by_column.count)
        groups = {(of_file or most): groups["all"]}
    return [
        _described(table, stem, modality, names, read, missing, keys, several=len(groups) > 1 or mixed)
        for modality, names in groups.items()
        if len(names) >= FEWEST
    ]


def modality_in(words: Iterable[str]) -> str:
    """The modality that words tell.

    Parameters
    ----------
    words : iterable of str
        In small letters.

    Returns
    -------
    str
        Empty where none or several are told.
    """
    words = set(words)
    if words & set(TRACERS):
        return "pet"
    modalities = [modality for modality, known in WORDS.items() if words & known]
    return modalities[0] if len(modalities) == 1 else ""


@dataclass(frozen=True)
class _Read:
    modality: str
    edge: bool
    region: bool
    regions: tuple[str, str] = ("", "")
    """As they stand in the name."""


@lru_cache(maxsize=65536)  # files of one lab name the same regions
def _read(name: str) -> _Read:
    kept = [part for part in re.split(r"(?<=[_.\s])(?=[^_.\s])", name) if part.strip("_. ").lower() not in TELLING]
    bare = "".join(kept).strip("_. ")
    modality = modality_in(words_in(name))
    pair = _edge(name) or _edge(bare)
    if pair is not None:
        return _Read(modality, edge=True, region=False, regions=pair)
    for text in (name, bare, *(bare[at + 1 :] for at, sign in enumerate(bare) if sign in "_. ")):
        if _is_region(text):
            return _Read(modality, edge=False, region=True, regions=(text, ""))
    return _Read(modality, edge=False, region=False)


def _is_region(text: str) -> bool:
    try:
        return bool(text) and resolve(text) is not None
    except SpecError:  # ambiguous: a region, whichever
        return True


def _edge(name: str) -> tuple[str, str] | None:
    """The two regions of a connection by its name; None where it is none."""
    region_a, region_b = regions_in(name)
    if region_a and region_b:
        return region_a, region_b
    for sign in ("__", "_to_", "~", " - ", "<->", ".."):
        first, found, second = name.partition(sign)
        if found and _is_region(first) and _is_region(second):
            return first, second
    if _is_region(name):  # Left-Accumbens-area
        return None
    halves = ((name[:at], name[at + 1 :]) for at, sign in enumerate(name) if sign == "-")
    return next(((a, b) for a, b in halves if _is_region(a) and _is_region(b)), None)


def _uniform(names: Sequence[str]) -> bool:
    """Names that differ in numbers alone: fc_1 to fc_105."""
    return len({re.sub(r"\d+", "#", name) for name in names}) <= max(2, len(names) // 20)


def columns_table(found: FeatureColumns) -> str:
    """The table of the columns of a source, where the source needs one.

    Parameters
    ----------
    found : FeatureColumns

    Returns
    -------
    str
        Tab-separated text: every feature, with the regions in its name where these are not the name itself; empty where
        no table is needed.
    """
    beside = [
        name for name, (a, b) in zip(found.columns, found.regions, strict=True) if a and (a, b) not in _plain(name)
    ]
    if not found.listed and not beside:
        return ""
    edges = any(region_b for _, region_b in found.regions)
    header = ["column", "region_a", *(["region_b"] if edges else [])]
    rows = [[name, a, *([b] if edges else [])] for name, (a, b) in zip(found.columns, found.regions, strict=True)]
    return "".join("\t".join(row) + "\n" for row in [header, *rows])


def _plain(name: str) -> tuple[tuple[str, str], ...]:
    """What is read of a name without a table: the region that it is, or the two of a connection."""
    return ((name, ""), regions_in(name))


def _described(
    table: Table,
    stem: str,
    modality: str,
    columns: list[str],
    read: dict[str, _Read],
    missing: Sequence[str],
    keys: set[str],
    *,
    several: bool,
) -> FeatureColumns:
    words = set(words_in(stem)) | {word for name in columns[:50] for word in words_in(name)}
    n_regions = sum(read[name].region or read[name].edge for name in columns)
    seen = f"{len(columns)} columns such as {listed([repr(name) for name in columns], 2)}"
    if n_regions:
        seen += f", {n_regions} of them with names of regions"
    known = (
        guessed(modality, f"of {seen}")
        if modality
        else question(f'what are the {seen}: "connectivity", "task", "pet" or another word? Write the modality')
    )
    told = _measure_in(words_in(stem), columns)
    values = np.concatenate([table.numbers(name, missing) for name in columns[:200]])
    name = _source_name(stem, modality, several=several)
    keep, drop, listing = _division(table, columns, keys)
    measure = guessed(told[0], "of the names") if told and modality != "connectivity" else None
    unit = guessed(told[1], f"{told[0]} is given in it by most pipelines") if told and told[1] and measure else None
    if modality == "connectivity" and not np.isnan(values).all():
        within = bool(np.nanmax(np.abs(values)) <= 1)
        span = f"They run from {np.nanmin(values):.3g} to {np.nanmax(values):.3g}"
        may_be = '"Pearson r", "partial correlation", "Fisher z" ..' if within else '"Fisher z", "spectral DCM A" ..'
        no = "" if within else ", so they are no correlations"
        measure = question(f"what do the numbers measure? {span}{no}: {may_be}")
    return FeatureColumns(
        name, table, tuple(columns), known, measure, unit, tracer_of(words) if modality == "pet" else None, keep, drop,
        listing, tuple(read[name].regions for name in columns),
    )  # fmt: skip


def _measure_in(of_file: Sequence[str], columns: Sequence[str]) -> tuple[str, str] | None:
    """Measure and unit that the name of the file tells, or those of most columns."""
    columns = columns[:200]
    counted = {word: sum(word in words_in(name) for name in columns) for word in MEASURES}
    told = [word for word in MEASURES if word in of_file] or [w for w in MEASURES if 2 * counted[w] > len(columns)]
    return MEASURES[told[0]] if told else None


def tracer_of(words: Iterable[str]) -> Known:
    """The tracer that words name; a question where none does.

    Parameters
    ----------
    words : iterable of str

    Returns
    -------
    Known
    """
    found = [tracer for word, tracer in TRACERS.items() if word in set(words)]
    if len(found) == 1:
        return guessed(found[0], "its name stands in the names")
    return question('which tracer, such as "[11C]raclopride"? Nothing in the names says it')


def _source_name(stem: str, modality: str, *, several: bool) -> str:
    plain = re.sub(r"[^A-Za-z0-9_-]+", "_", stem).strip("_-")
    if several:
        return modality or f"{plain}_features"
    return plain if plain and plain != "cohort" else modality or "features"


def _division(table: Table, columns: Sequence[str], keys: set[str]) -> tuple[Known | None, Known | None, bool]:
    """How the features of a table are told from its other columns: keep, drop, or a list."""
    known = {*columns, *keys}
    others = [name for name in table.columns if name not in known]
    if not others:
        return None, None, False
    for prefix in _prefixes(columns):
        if not any(name.startswith(prefix) for name in others):
            return (
                guessed([f"{prefix}*"], f"all {len(columns)} features begin like this, and no other column"),
                None,
                False,
            )
    if len(columns) <= LISTED_AT_MOST:
        return guessed(list(columns), "these are the columns of regions"), None, False
    if len(others) <= LISTED_AT_MOST:
        return None, guessed(others, "these are no regions"), False
    return None, None, True


def _prefixes(columns: Sequence[str]) -> list[str]:

    shared = commonpath(list(columns))
    ends = [at + 1 for at, character in enumerate(shared) if character in "_-. "]
    return [shared[:end] for end in ends if not set("[]*?") & set(shared[:end])]
