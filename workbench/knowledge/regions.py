"""What a region label means: hemisphere, region, circuit and network, and how they were recognised."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from workbench.errors import Problem, SpecError, did_you_mean
from workbench.knowledge.labels import Reading, parts, readings, words_of
from workbench.knowledge.vocabulary import GENERAL, NO_CIRCUIT, AtlasNames, Vocabulary, published


@dataclass(frozen=True)
class Region:
    """What a label was recognised as.

    Parameters
    ----------
    label : str
        As the file has it.
    region : str
        Name in the vocabulary; empty where the label names a whole network, or a parcel of one.
    hemisphere : str
        left, right, midline, both, or empty where the label does not say.
    circuit : str
        Key of the vocabulary's circuits; empty where the region belongs to none.
    network : str
        Network that the atlas puts the label in, by its own name; empty where the label names none.
    recognised : str
        The atlas or list of names, and the name in it.
    """

    label: str
    region: str
    hemisphere: str
    circuit: str
    network: str
    recognised: str

    def __str__(self) -> str:
        where = " ".join(filter(None, (self.hemisphere, self.region or f"{self.network} network")))
        return f"{where} ({self.recognised})"


class AmbiguousRegionError(SpecError):
    """A label that stands for several regions.

    Parameters
    ----------
    label : str
    candidates : sequence of str
        What it can stand for.
    """

    def __init__(self, label: str, candidates: Sequence[str]) -> None:
        self.label = label
        self.candidates = tuple(candidates)
        hint = "declare the atlas, or say in features/regions.toml what it means here"
        super().__init__(Problem(label, f"can be {' or '.join(self.candidates)}", hint))


def resolve(label: str, atlas: str = "", vocabulary: Vocabulary | None = None) -> Region | None:
    """What a region label means.

    Case, separators and the way in which the hemisphere is written do not matter; the whole name must be known. Names
    of the study go first, then those of the declared atlas or of an atlas whose labels look like this, then all others.

    Parameters
    ----------
    label : str
        Label of an atlas, a pipeline or a lab, such as ``ctx-lh-insula``, ``7Networks_LH_Cont_PCun_1`` or ``rdlPFC``.
    atlas : str
        The atlas as the study declares it (``4S456Parcels``, ``AAL3``); one that is not known decides nothing.
    vocabulary : Vocabulary, optional
        Default: `vocabulary.published`.

    Returns
    -------
    Region or None
        None where nothing in the vocabulary has this name.

    Raises
    ------
    AmbiguousRegionError
        If the label stands for different regions, with all of them.

    Examples
    --------
    >>> region = resolve("rdlPFC")
    >>> region.hemisphere, region.region, region.circuit
    ('right', 'dlPFC', 'executive')
    >>> resolve("pGP-rh", atlas="Tian").region
    'pallidum'
    """
    return _resolve(label, atlas, vocabulary or published())


def resolve_unless_ambiguous(label: str, atlas: str = "", vocabulary: Vocabulary | None = None) -> Region | None:
    """What a region label means; None also where it stands for different regions.

    Parameters
    ----------
    label, atlas, vocabulary
        As of `resolve`.

    Returns
    -------
    Region or None
    """
    try:
        return resolve(label, atlas, vocabulary)
    except AmbiguousRegionError:
        return None


@lru_cache(maxsize=65536)  # a connectome names each region some hundred times
def _resolve(label: str, atlas: str, vocabulary: Vocabulary) -> Region | None:
    outside, inside = parts(label)
    candidates, other_meanings = _candidates(outside, atlas, vocabulary)
    if len(candidates) == 1 and not other_meanings:
        return replace(candidates[0], label=label)
    for text in inside:
        spelt_out, none = _candidates(text, atlas, vocabulary)
        if len(spelt_out) == 1 and not none:
            hemisphere = spelt_out[0].hemisphere or _hemisphere(outside)
            return replace(spelt_out[0], label=label, hemisphere=hemisphere)
    if candidates or other_meanings:
        raise AmbiguousRegionError(label, other_meanings or [str(candidate) for candidate in candidates])
    return None


def _candidates(text: str, atlas: str, vocabulary: Vocabulary) -> tuple[list[Region], tuple[str, ...]]:
    """What a text can stand for, and its meanings where it is listed as ambiguous."""
    look = "_".join(words_of(text))
    declared = vocabulary.declared(atlas)
    certain = [family for family in vocabulary.families if family in declared or family.looks_like(look)]
    every = [family for family in vocabulary.families if not family.pattern or family in certain]
    for trusted in ([family for family in every if family.own], certain):
        candidates = _distinct(_readings_in(trusted, text, vocabulary))
        if candidates:
            return candidates, ()
    return _distinct(_readings_in(every, text, vocabulary)), _listed_as_ambiguous(text, vocabulary)


def _listed_as_ambiguous(text: str, vocabulary: Vocabulary) -> tuple[str, ...]:
    spellings = ("".join(reading.words) for reading in readings(text))
    known = vocabulary.ambiguous_by_spelling
    return next((known[spelling] for spelling in spellings if spelling in known), ())


def _readings_in(families: Sequence[AtlasNames], text: str, vocabulary: Vocabulary) -> Iterator[Region]:
    for family in families:
        for reading in readings(text):
            region = _in_family(family, reading, vocabulary)
            if region is not None:
                yield region


def _in_family(family: AtlasNames, reading: Reading, vocabulary: Vocabulary) -> Region | None:
    words = family.words_of(reading)
    whole = family.region_named(words)
    for circuit, network, rest in family.network_at_start(words):
        if rest and _in_use(words, vocabulary):
            continue  # the sensorimotor striatum is no part of the sensorimotor network
        named = whole or family.region_named(rest) or _in_use(rest, vocabulary)
        if named or not rest:
            region = named[0] if named else ""
            if not circuit and region:
                circuit = vocabulary.regions[region].circuit
            circuit = "" if circuit == NO_CIRCUIT else circuit
            return Region("", region, reading.hemisphere, circuit, network, f"{family.title}: {' '.join(words)}")
    if whole is None:
        return None
    region, name = whole
    return Region("", region, reading.hemisphere, vocabulary.regions[region].circuit, "", f"{family.title}: {name}")


def _in_use(words: tuple[str, ...], vocabulary: Vocabulary) -> tuple[str, str] | None:
    """Region that has this name in general use."""
    general = (family for family in vocabulary.families if family.key == GENERAL)
    return next(filter(None, (family.region_named(words) for family in general)), None)


def _distinct(regions: Iterable[Region]) -> list[Region]:
    """One candidate for each region and circuit; a hemisphere that readings disagree about is left open."""
    distinct: dict[tuple[str, str], Region] = {}
    for region in regions:
        before = distinct.setdefault((region.region, region.circuit), region)
        if before.hemisphere != region.hemisphere:
            distinct[region.region, region.circuit] = replace(before, hemisphere="")
    with_region = [region for region in distinct.values() if region.region]
    covered = {"", *(region.circuit for region in with_region)}
    networks_alone = [region for region in distinct.values() if not region.region and region.circuit not in covered]
    return with_region + networks_alone if with_region else list(distinct.values())


def _hemisphere(text: str) -> str:
    hemispheres = {reading.hemisphere for reading in readings(text)}
    return hemispheres.pop() if len(hemispheres) == 1 else ""


COVERED = 0.9
"""Share of the labels of a file that one atlas must name: the rest is background, ventricles, and what a lab added."""

FEWEST = 5
"""Labels that it takes to tell an atlas by its names."""


def recognise_atlas(labels: Iterable[str], vocabulary: Vocabulary | None = None) -> str:
    """The atlas whose names the labels of one file are, where it is one alone.

    A label that is ambiguous by itself (``pGP-rh``) is clear among the others of its atlas.

    Parameters
    ----------
    labels : iterable of str
        All labels of one file.
    vocabulary : Vocabulary, optional
        Default: `vocabulary.published`.

    Returns
    -------
    str
        The atlas, as `resolve` takes it; empty where none names nine labels in ten, several do equally well, or there
        are fewer than five labels.

    Examples
    --------
    >>> recognise_atlas(["aGP-rh", "pGP-rh", "aPUT-rh", "pPUT-rh", "NAc-core-rh", "NAc-shell-rh"])
    'tian'
    """
    vocabulary = vocabulary or published()
    texts = tuple(dict.fromkeys(parts(label)[0] for label in labels))
    if len(texts) < FEWEST:
        return ""
    atlases = [family for family in vocabulary.families if family.key != GENERAL]
    words = {word for family in atlases for word in family.declared}
    alone = {family.key: [family] for family in atlases}
    together = {word: [family for family in atlases if family.is_declared(word)] for word in sorted(words)}
    for choices in (alone, {word: families for word, families in together.items() if len(families) > 1}):
        named = {
            name: sum(any(_readings_in(families, text, vocabulary)) for text in texts)
            for name, families in choices.items()
        }
        most = max(named.values(), default=0)
        if most >= COVERED * len(texts):
            best = [name for name, count in named.items() if count == most]
            return best[0] if len(best) == 1 else ""
    return ""


# ----------------------------------------------------------------------------------------------- labels without circuit


@dataclass(frozen=True)
class Unassigned:
    """A label that has no circuit, and why."""

    label: str
    region: str
    """Empty where the label was not recognised as a region."""
    hemisphere: str
    why: str


def unassigned(labels: Iterable[str], atlas: str = "", vocabulary: Vocabulary | None = None) -> tuple[Unassigned, ...]:
    """The labels that have no circuit: not recognised, ambiguous, or of a region that belongs to none.

    Parameters
    ----------
    labels : iterable of str
        Names of regions; each is looked up once.
    atlas : str
        The atlas as the study declares it.
    vocabulary : Vocabulary, optional
        Default: `vocabulary.published`.

    Returns
    -------
    tuple of Unassigned
        In the order of `labels`.
    """
    vocabulary = vocabulary or published()
    return tuple(filter(None, (_without_circuit(label, atlas, vocabulary) for label in dict.fromkeys(labels))))


def _without_circuit(label: str, atlas: str, vocabulary: Vocabulary) -> Unassigned | None:
    try:
        region = resolve(label, atlas, vocabulary)
    except AmbiguousRegionError as error:
        return Unassigned(label, "", _hemisphere(label), f"ambiguous: {' or '.join(error.candidates)}")
    if region is None:
        return Unassigned(label, "", _hemisphere(label), f"not recognised; {_closest(label, vocabulary)}".rstrip("; "))
    if region.circuit:
        return None
    what = region.region or f"the {region.network} network"
    return Unassigned(label, region.region, region.hemisphere, f"{what} is in none of the circuits")


@lru_cache(maxsize=4096)  # every check of a study asks for the same labels
def _closest(label: str, vocabulary: Vocabulary) -> str:
    """The closest name in use, where one is close."""
    words = [" ".join(reading.naming) for reading in readings(label)]
    names = _names_in_use(vocabulary)
    for text in filter(lambda text: len(text) > 3, words):
        hint = did_you_mean(text, names)
        if hint.startswith("did"):
            close = hint.removeprefix("did you mean ").removesuffix("?").strip("'\"")
            return f"did you mean {names[close]!r}?"
    return ""


@lru_cache(maxsize=8)
def _names_in_use(vocabulary: Vocabulary) -> Mapping[str, str]:
    """Every name of a region, by its words."""
    return {
        " ".join(words_of(name)): name
        for region in vocabulary.regions.values()
        for name in (region.name, *region.aliases)
        if len(name) > 3  # of short names any is close to any
    }


TEMPLATE = ("circuit", "region_a", "hemisphere", "why")
"""Columns of the template after the first."""


def template(rows: Iterable[Unassigned], key: str = "column") -> str:
    """A table to fill in, as tab-separated text: a circuit for each label that has none.

    Parameters
    ----------
    key : str
        Heading of the labels: ``column`` for the `columns` table of a source, ``region`` for its list of regions.

    Returns
    -------
    str
        Header and one line for each label, ``circuit`` empty, with what is known and why it has no circuit.

    Examples
    --------
    >>> print(template(unassigned(["Left-Thalamus", "roi_17"])).replace("\\t", " | "))
    column | circuit | region_a | hemisphere | why
    Left-Thalamus |  | thalamus | left | thalamus is in none of the circuits
    roi_17 |  |  |  | not recognised
    <BLANKLINE>
    """
    lines = [(key, *TEMPLATE), *((row.label, "", row.region, row.hemisphere, row.why) for row in rows)]
    return "".join("\t".join(" ".join(cell.split()) for cell in line) + "\n" for line in lines)
