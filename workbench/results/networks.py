"""Candidate connections as a matrix of regions, ordered by the network that the connections of a region belong to."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from workbench.records import UNASSIGNED

if TYPE_CHECKING:
    import pandas as pd

    from workbench.records import RunResult

WITHIN = re.compile(r"^within |: self-inhibition$")
"""What the circuit of an edge may have beside the name of its network: the diagonal of effective connectivity has."""
BETWEEN = re.compile(r" - | to ")
"""Between the names of two networks in the circuit of an edge."""


@dataclass(frozen=True)
class NetworkMatrix:
    """Effects of candidate connections, region by region.

    Attributes
    ----------
    source : str
        Of the connections; of several, the one with the most candidates.
    regions, networks : tuple of str
        Every region of the source, and its network; those of one network beside each other, those of none last.
    effects : ndarray of shape (n_regions, n_regions)
        Of candidate connections, in units of the outcome per SD; NaN elsewhere. From row to column where `directed`,
        symmetric otherwise.
    directed : bool
    n_connections, n_elsewhere : int
        Candidate connections in the matrix, and of other sources or contrasts.
    """

    source: str
    regions: tuple[str, ...]
    networks: tuple[str, ...]
    effects: np.ndarray
    directed: bool
    n_connections: int
    n_elsewhere: int

    def blocks(self) -> list[tuple[str, int, int]]:
        """Name of each network, its first region and the one after its last."""
        starts = [at for at, name in enumerate(self.networks) if at == 0 or name != self.networks[at - 1]]
        ends = [*starts[1:], len(self.networks)]
        return [(self.networks[start], start, end) for start, end in zip(starts, ends, strict=True)]


def candidate_connections(result: RunResult) -> pd.DataFrame:
    """Candidate features of two regions; none where prediction is not shown.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    DataFrame
        Rows of ``result.biomarkers``.
    """
    table = result.biomarkers
    if not result.claim.shows_prediction or not len(table) or "region_b" not in table:
        return table.head(0)
    return table[(table["level"] == "feature") & (table["region_b"] != "")]


def network_matrix(result: RunResult) -> NetworkMatrix | None:
    """The candidate connections of a run as a matrix.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    NetworkMatrix or None
        None where prediction is not shown, and where no candidate is a connection.
    """
    every = candidate_connections(result)
    every = every[every["effect"].notna()] if len(every) else every
    if not len(every):
        return None
    of = every["feature"].str.partition(":")[0] + "\n" + every["contrast"]
    rows = every[of == of.value_counts(sort=False).idxmax()]
    source, contrast = str(rows["feature"].iloc[0]).partition(":")[0], str(rows["contrast"].iloc[0])
    features = result.features
    edges = features[(features["source"] == source) & (features["contrast"] == contrast) & (features["region_b"] != "")]
    known = region_networks(edges)
    regions = sorted(known, key=lambda region: (known[region] == UNASSIGNED, known[region]))
    directed = bool(edges["feature"].str.contains("->", regex=False).any())
    return NetworkMatrix(
        source=" ".join(filter(None, (source, contrast))),
        regions=tuple(regions),
        networks=tuple(known[region] for region in regions),
        effects=_effects(rows, regions, directed=directed),
        directed=directed,
        n_connections=len(rows),
        n_elsewhere=len(every) - len(rows),
    )


def region_networks(edges: pd.DataFrame) -> dict[str, str]:
    """The network of every region: the one that the circuits of most of its edges name.

    A table of features holds the circuit of an edge and not of its ends. An edge between two networks is named after
    both, so that of all networks only the region's own is in all its edges; of two that are as frequent, the one
    within which the region has more edges.

    Parameters
    ----------
    edges : DataFrame
        region_a, region_b, circuit.

    Returns
    -------
    dict of str to str
        In the order in which regions appear; `UNASSIGNED` where no edge of a region has a circuit.

    Examples
    --------
    >>> import pandas as pd
    >>> pairs = [("VS", "Put"), ("VS", "PCC"), ("Put", "PCC")]
    >>> circuits = ["reward", "default mode - reward", "default mode - reward"]
    >>> edges = pd.DataFrame(pairs, columns=["region_a", "region_b"]).assign(circuit=circuits)
    >>> region_networks(edges)
    {'VS': 'reward', 'Put': 'reward', 'PCC': 'default mode'}
    """
    import pandas as pd

    ends = pd.concat(
        [edges[[end, "circuit"]].set_axis(["region", "circuit"], axis=1) for end in ("region_a", "region_b")]
    )
    names = {str(circuit): WITHIN.sub("", str(circuit)) for circuit in ends["circuit"].unique()}
    named = _named(names)
    best: dict[str, dict[str, tuple[int, int]]] = {str(region): {} for region in pd.unique(ends["region"])}
    for (region, circuit), n_edges in ends.groupby(["region", "circuit"], sort=False).size().items():
        for network in named[circuit]:
            n_all, n_within = best[region].get(network, (0, 0))
            best[region][network] = (n_all + n_edges, n_within + n_edges * (len(named[circuit]) == 1))
    return {
        region: min(counts, key=lambda name: (-counts[name][0], -counts[name][1], name)) if counts else UNASSIGNED
        for region, counts in best.items()
    }


def _named(names: dict[str, str]) -> dict[str, tuple[str, ...]]:
    """The networks that each circuit names: two only where one of them is named elsewhere too."""
    sides = {circuit: tuple(BETWEEN.split(name.removeprefix("from "))) for circuit, name in names.items()}
    n_named = Counter(side for circuit in sides for side in {names[circuit], *sides[circuit]})
    return {
        circuit: ()
        if names[circuit] in ("", UNASSIGNED)
        else sides[circuit]
        if len(sides[circuit]) == 2 and any(n_named[side] > 1 for side in sides[circuit])
        else (names[circuit],)
        for circuit in names
    }


def _effects(rows: pd.DataFrame, regions: list[str], *, directed: bool) -> np.ndarray:
    at = {region: place for place, region in enumerate(regions)}
    effects = np.full((len(regions), len(regions)), np.nan)
    for first, second, effect in zip(rows["region_a"], rows["region_b"], rows["effect"], strict=True):
        effects[at[first], at[second]] = effect
        if not directed:
            effects[at[second], at[first]] = effect
    return effects
