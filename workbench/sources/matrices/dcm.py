"""Dynamic causal models of SPM, one file each: posterior means of A, from column to row, without names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from workbench.errors import Problem, SourceError, listed
from workbench.sources.assembling.edges import MIXED_SHAPES
from workbench.sources.atlas.region_lists import read_regions
from workbench.sources.contract.identity import Row
from workbench.sources.contract.parsed import Parsed, ParsedMatrix, ParseOptions, SourceFile
from workbench.sources.finding.file_names import matching
from workbench.sources.matrices.matlab_files import read_matlab, real_numbers
from workbench.specs.matlab_source import DcmSource

SELF = "self-inhibition"
"""What an entry of the diagonal is: no coupling, but a log-scaling of how much a region inhibits itself (the rate is
-0.5 exp(A) Hz in SPM)."""


def find(spec: DcmSource, data: Path) -> list[SourceFile]:
    """Every file that fits the pattern, with the ids in its name.

    Parameters
    ----------
    spec : DcmSource
    data : Path
        Folder that the pattern is relative to.

    Returns
    -------
    list of SourceFile
        In the order of their paths; empty where none fits.
    """
    return list(matching(spec.files, data))


def parse(file: SourceFile, options: ParseOptions) -> Parsed:
    """The connections of one model, from the first region of an edge to the second.

    Parameters
    ----------
    file : SourceFile
    options : ParseOptions

    Returns
    -------
    Parsed
        Edges in Hz; without any entry where the model has another size and these are to be left out.

    Raises
    ------
    SourceError
        If there is no matrix in the file, or one of another size than the list of regions.
    """
    spec: DcmSource = options.spec
    regions, circuits = read_regions(spec.regions, options)
    A = _matrix(read_matlab(file), spec.variable, file.label)
    if A.shape != (len(regions), len(regions)):
        size = " x ".join(map(str, A.shape))
        if spec.other_sizes == "refuse":
            found = f"holds a matrix of {size}, and {spec.regions} lists {len(regions)} regions"
            hint = 'find out which model it is; other_sizes = "leave out" leaves such files out and counts them'
            raise SourceError(Problem(file.label, found, hint, MIXED_SHAPES))
        return Parsed(file.label, regions, [], notes=(f"left out, a model of {size}",))
    described = {}
    if spec.diagonal:
        of_self = {region: f"{circuits[region]}: {SELF}" if circuits.get(region) else SELF for region in regions}
        described = {f"{a}->{a}": {"circuit": of_self[a], "unit": "log scale"} for a in regions}
    entry = ParsedMatrix(Row(""), A.T, symmetric=False, diagonal=spec.diagonal)
    return Parsed(
        file.label,
        regions,
        [entry],
        order=regions,
        order_label=spec.regions,
        circuits=circuits,
        described=described,
        measure="A of a dynamic causal model",
        unit="Hz",
        provenance=("SPM, dynamic causal model",),
    )


def _matrix(variables: Mapping[str, Any], name: str | None, label: str) -> np.ndarray:
    """A of the DCM, or the one square matrix of a file that holds nothing else."""
    if name is not None and name not in variables:
        found = f"has no variable {name!r}, but {listed(sorted(variables), 5)}"
        raise SourceError(Problem(label, found, "see the key variable"))
    chosen = {name: variables[name]} if name is not None else dict(variables)
    models = [value for key, value in chosen.items() if isinstance(value, dict) and (key == "DCM" or name == key)]
    if models:
        A = models[0].get("Ep", {}).get("A") if isinstance(models[0].get("Ep"), dict) else None
        if A is None:
            raise SourceError(
                Problem(label, "holds a DCM that was not estimated: it has no Ep.A", "estimate it in SPM")
            )
        candidates = [A]
    else:
        candidates = [value for value in chosen.values() if isinstance(value, np.ndarray) and value.ndim == 2]
    matrices = [np.asarray(A) for A in candidates if np.asarray(A).dtype.kind in "fiuc"]
    if len(matrices) > 1:
        found = f"holds {len(matrices)} matrices of numbers ({listed(sorted(chosen), 5)})"
        raise SourceError(Problem(label, found, 'name the one that is meant: variable = "params"'))
    if not matrices:
        found = f"holds no matrix of numbers ({listed(sorted(chosen), 5)})"
        raise SourceError(Problem(label, found, "one matrix between regions for each file: full, of one model"))
    return real_numbers(matrices[0], name or "A", label)
