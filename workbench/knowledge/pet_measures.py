"""What PET measures are: their spellings, which of them are relative to a reference, and the two scales of FDG uptake.

Names follow the consensus nomenclature (Innis, R. B. et al. 2007. J Cereb Blood Flow Metab 27, 1533-1539).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

Scale = Literal["absolute", "relative", ""]

SPELLINGS: dict[str, tuple[str, ...]] = {
    "BPND": ("bpnd", "bp"),
    "BPP": ("bpp",),
    "BPF": ("bpf",),
    "VT": ("vt", "dvt"),
    "VS": ("vs",),
    "VND": ("vnd",),
    "DVR": ("dvr",),
    "SUVR": ("suvr", "suvratio"),
    "SUV": ("suv", "suvbw", "suvmean"),
    "Ki": ("ki", "kinet"),
    "K1": ("k1",),
    "R1": ("r1",),
    "CMRglc": ("cmrglc", "cmrglu", "cmrgl", "mrglu", "mrglc", "rcmrglc", "rcmrglu"),
    "uptake": ("uptake", "activity", "radioactivity"),
    "relative uptake": ("relativeuptake", "uptakeratio", "normalizeduptake", "normaliseduptake", "rcmrglcratio"),
}
"""Spellings of each measure, without capitals, spaces and punctuation."""

OF_A_REFERENCE = frozenset({"BPND", "DVR", "SUVR", "R1"})
"""Measures that mean nothing without their reference region."""

ABSOLUTE = frozenset({"SUV", "Ki", "CMRglc", "uptake"})
RELATIVE = frozenset({"SUVR", "relative uptake", "DVR"})
"""Of FDG: amounts of glucose or activity, and ratios to a region or to the whole brain."""

RELATIVE_UNITS = re.compile(r"ratio|relative|percent|%|normali[sz]ed|global|a\.?u\.?|unitless|1|none", re.IGNORECASE)
"""What the unit of a ratio begins with."""

ABSOLUTE_UNITS = re.compile(
    r"[uµμ]mol/100g/min|mg/100g/min|[uµμ]mol/min/100g|mg/min/100g|[uµμ]mol/100m?l/min|g/m?l|g/cc|[km]?bq/m?l|[km]?bq/cc|nci/cc|"
    r"ml/cm3/min|ml/cc/min|ml/g/min|ml/min/g|1/min|min-1|/min|%id/g",
    re.IGNORECASE,
)
"""Units of an amount, without spaces and signs of multiplication."""


def known_measure(written: str) -> str:
    """The measure that a text means, or an empty text.

    Parameters
    ----------
    written : str

    Returns
    -------
    str
        As `SPELLINGS` names it.

    Examples
    --------
    >>> known_measure("BP_ND"), known_measure("BPnd"), known_measure("k2-k2a")
    ('BPND', 'BPND', '')
    """
    if "-" in written.strip("-"):  # a difference of rate constants is no measure
        return ""
    bare = re.sub(r"[^a-z0-9]", "", written.casefold())
    return next((name for name, spellings in SPELLINGS.items() if bare in spellings), "")


def is_fdg(tracer: str) -> bool:
    """Whether a tracer is fluorodeoxyglucose.

    Parameters
    ----------
    tracer : str

    Returns
    -------
    bool

    Examples
    --------
    >>> is_fdg("[18F]FDG"), is_fdg("18F-FDG"), is_fdg("2-[18F]fluoro-2-deoxy-D-glucose"), is_fdg("[18F]FDOPA")
    (True, True, True, False)
    """
    bare = re.sub(r"[^a-z]", "", tracer.casefold())
    return bare in ("fdg", "ffdg") or ("fluoro" in bare and "deoxy" in bare and "glucose" in bare)


def scale_of(measure: str, unit: str) -> Scale:
    """Whether FDG uptake is an amount or relative to something; empty where neither measure nor unit says.

    Parameters
    ----------
    measure, unit : str
        As a source declares them; the unit decides where both say something.

    Returns
    -------
    {"absolute", "relative", ""}

    Examples
    --------
    >>> scale_of("CMRglc", "umol/100g/min"), scale_of("CMRglc", "relative to global"), scale_of("SUV", "")
    ('absolute', 'relative', 'absolute')
    """
    bare = re.sub(r"[\s*·]", "", unit)
    if ABSOLUTE_UNITS.fullmatch(bare):
        return "absolute"
    if bare and RELATIVE_UNITS.match(bare):
        return "relative"
    known = known_measure(measure)
    if known == "CMRglc":  # given as an amount and relative to the whole brain alike
        return ""
    return "absolute" if known in ABSOLUTE else "relative" if known in RELATIVE else ""


def fdg_scales(described: Iterable[tuple[str, str, str]]) -> dict[Scale, list[str]]:
    """The scales on which FDG uptake is given, with the measures that are given on each.

    Parameters
    ----------
    described : iterable of (tracer, measure, unit)
        Of features; those of other tracers are passed over.

    Returns
    -------
    dict of {"absolute", "relative", ""} to list of str
        In words: ``SUV (g/mL)``.

    Examples
    --------
    >>> fdg_scales([("[18F]FDG", "SUV", "g/mL"), ("[18F]FDG", "SUVR", "ratio"), ("[11C]PiB", "SUVR", "ratio")])
    {'absolute': ['SUV (g/mL)'], 'relative': ['SUVR (ratio)']}
    """
    scales: dict[Scale, list[str]] = {}
    for tracer, measure, unit in described:
        if is_fdg(tracer):
            words = f"{measure} ({unit})" if unit else measure
            of_scale = scales.setdefault(scale_of(measure, unit), [])
            of_scale += [words] if words not in of_scale else []
    return scales
