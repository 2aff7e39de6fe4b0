"""What a PET source must say of its features, whichever reader: tracer, measure, one scale of FDG uptake."""

from __future__ import annotations

from dataclasses import replace

from workbench.errors import Problems, SourceError, listed
from workbench.knowledge.pet_measures import OF_A_REFERENCE, fdg_scales, known_measure
from workbench.records import FeatureTable
from workbench.specs.source import PET


def described_pet(table: FeatureTable, place: str) -> FeatureTable:
    """A table of PET features that say what they are; any other table as it is.

    Parameters
    ----------
    table : FeatureTable
    place : str
        How messages name the files.

    Returns
    -------
    FeatureTable
        With a note where a measure is relative to a region that nobody names.

    Raises
    ------
    SourceError
        Features without tracer or measure; FDG uptake that may be an amount or a ratio, or is both in one source.
    """
    if table.modality.casefold() != PET:
        return table
    problems, features = Problems(), table.features
    for key, example in (("tracer", "[11C]PBR28"), ("measure", "SUVR")):
        silent = features.loc[features[key] == "", "feature"]
        if len(silent):
            found = f"{len(silent)} feature{'' if len(silent) == 1 else 's'} without {key}: {listed(silent, 3)}"
            problems.add(place, found, f'{key} = "{example}" for all, or a column {key!r} in the columns table')
    kinds = features[["tracer", "measure", "unit", "reference_region"]].drop_duplicates()
    scales = fdg_scales(zip(kinds["tracer"], kinds["measure"], kinds["unit"], strict=True))
    if scales.get(""):
        found = (
            f"FDG uptake is given as {listed(scales[''], 3)}: an amount, or relative to a region or the whole brain?"
        )
        hint = 'say it: measure = "SUV"; measure = "CMRglc" with unit = "umol/100g/min" or unit = "relative to global"'
        problems.add(place, found, hint)
    if scales.get("absolute") and scales.get("relative"):
        absolute, ratios = (listed(scales[scale], 3) for scale in ("absolute", "relative"))
        found = f"mixes amounts of FDG uptake ({absolute}) and ratios ({ratios})"
        problems.add(place, found, "two sources, and two feature sets: keep, drop or the columns table divide them")
    problems.raise_if_any(SourceError)
    measures = kinds.loc[kinds["reference_region"] == "", "measure"].unique()
    relative = [measure for measure in measures if known_measure(measure) in OF_A_REFERENCE]
    if relative:
        note = f"{listed(relative, 3)}: the reference region is not declared (reference = ..)"
        return replace(table, notes=(*table.notes, note))
    return table
