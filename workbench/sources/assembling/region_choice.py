"""Which regions of a matrix are kept, by globs of their names and by circuit, and why the others are not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from workbench.errors import Problem, did_you_mean
from workbench.knowledge.circuits import circuit_of
from workbench.knowledge.vocabulary import Vocabulary
from workbench.sources.contract.columns import DROPPED, NOT_KEPT, Choice, matches
from workbench.specs.source import SourceSpec

NOT_IN_CIRCUITS = "not in circuits"
FEWEST_REGIONS = 2


def region_circuits(
    regions: Sequence[str], spec: SourceSpec, declared: Mapping[str, str], vocabulary: Vocabulary
) -> dict[str, str]:
    """Circuit of every region: what the study says, else what the vocabulary knows; empty where neither does.

    Parameters
    ----------
    regions : sequence of str
    spec : SourceSpec
        Its atlas decides what an ambiguous label means.
    declared : mapping of str to str
    vocabulary : Vocabulary

    Returns
    -------
    dict of str to str
    """
    return {region: declared.get(region) or circuit_of(region, spec.atlas or "", vocabulary) for region in regions}


def choose_regions(
    regions: Sequence[str], spec: SourceSpec, declared: Mapping[str, str], vocabulary: Vocabulary
) -> Choice:
    """Divide the regions of a matrix by `keep`, `drop` and `circuits` of its source.

    Parameters
    ----------
    regions : sequence of str
        In the order that edges follow.
    spec : SourceSpec
        Of a reader without these keys, all regions are kept.
    declared : mapping of str to str
        Circuit by region, where the study gives one.
    vocabulary : Vocabulary

    Returns
    -------
    Choice
        Its features are the regions that are kept; problems are in it, none is raised.
    """
    keep, drop, circuits = (tuple(getattr(spec, key, ())) for key in ("keep", "drop", "circuits"))
    if not (keep or drop or circuits):
        return Choice(tuple(regions), {}, ())
    of = region_circuits(regions, spec, declared, vocabulary) if circuits else {}
    left_out: dict[str, str] = {}
    for region in regions:
        if keep and not matches(region, keep):
            left_out[region] = NOT_KEPT
        elif matches(region, drop):
            left_out[region] = DROPPED
        elif circuits and of[region] not in circuits:
            left_out[region] = NOT_IN_CIRCUITS
    kept = tuple(region for region in regions if region not in left_out)
    problems = [
        *_matching_nothing(regions, {"keep": keep, "drop": drop}, spec.place()),
        *_unknown_circuits(circuits, of, spec.place()),
    ]
    if len(kept) < FEWEST_REGIONS and not problems:
        found = f"leaves {len(kept)} of {len(regions)} regions, and an edge needs two"
        problems.append(Problem(spec.place(), found, "see keep, drop and circuits"))
    return Choice(kept, left_out, tuple(problems))


def _matching_nothing(regions: Sequence[str], globs: Mapping[str, Sequence[str]], place: str) -> Iterator[Problem]:
    for key, patterns in globs.items():
        for glob in patterns:
            if not any(matches(region, [glob]) for region in regions):
                yield Problem(f"{place}: {key}", f"no region is like {glob!r}", did_you_mean(glob, regions[:1000]))


def _unknown_circuits(circuits: Sequence[str], of: Mapping[str, str], place: str) -> Iterator[Problem]:
    there = {circuit for circuit in of.values() if circuit}
    for circuit in circuits:
        if circuit not in there:
            yield Problem(f"{place}: circuits", f"no region belongs to {circuit!r}", did_you_mean(circuit, there))
