"""Means of edges within and between circuits, and from seeds to circuits, beside all edges or instead of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from workbench.errors import Problems, SourceError, did_you_mean
from workbench.sources.assembling.edges import Edges
from workbench.sources.contract.description import edge_circuit

Pairs = Sequence[tuple[str, str]]


@dataclass(frozen=True, eq=False)
class Summary:
    """One mean over edges.

    Parameters
    ----------
    name : str
        ``within reward``, ``between default mode and reward``, ``from reward to default mode``, ``lVS with reward``.
    circuit : str
        As of an edge; empty where the seed has none.
    at : ndarray of int
        Positions of its edges.
    """

    name: str
    circuit: str
    at: np.ndarray


@dataclass(frozen=True)
class Summarised:
    """Features and values after summaries were added, and edges left out where they are not asked for."""

    features: tuple[str, ...]
    values: np.ndarray
    described: Mapping[str, Mapping[str, str]]


def summarise(
    values: np.ndarray,
    edges: Edges,
    circuits: Mapping[str, str],
    wanted: Sequence[str],
    seeds: Sequence[str] = (),
    place: str = "",
) -> Summarised:
    """Add what is wanted beside edges, and keep only the edges that are wanted.

    A mean is taken over the edges of a participant that have a value, none of them an entry of the diagonal; regions
    without a circuit are in none. Values come as they are meant to be averaged: correlations as Fisher z.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_edges)
        NaN where missing.
    edges : Edges
    circuits : mapping of str to str
        Circuit of every region; empty where it has none.
    wanted : sequence of str
        As the key `summaries`.
    seeds : sequence of str
    place : str
        How messages name the source.

    Returns
    -------
    Summarised
        Edges first, then circuits, then seeds, each in alphabetical order.

    Raises
    ------
    SourceError
        If a seed is no region, or no region has a circuit.

    Examples
    --------
    >>> edges = Edges(("VS", "Put", "PCC"), symmetric=True, diagonal=False)
    >>> circuits = {"VS": "reward", "Put": "reward", "PCC": "default mode"}
    >>> table = summarise(np.array([[1.0, 2.0, 6.0]]), edges, circuits, ["networks"])
    >>> table.features, table.values
    (('between default mode and reward', 'within reward'), array([[4., 1.]]))
    """
    pairs, directed = list(edges.pairs), not edges.symmetric
    _refuse(pairs, circuits, seeds, wanted, place)
    summaries: list[Summary] = []
    if "networks" in wanted:
        summaries += _collected(_of_networks(pairs, circuits, directed))
    if "seeds" in wanted:
        summaries += _collected(_of_seeds(pairs, circuits, seeds, directed))
    kept = _kept_edges(pairs, wanted, seeds)
    features = (*(edges.names[at] for at in kept), *(summary.name for summary in summaries))
    means = [mean_of_present(values[:, summary.at], axis=1) for summary in summaries]
    described = {summary.name: {"circuit": summary.circuit} for summary in summaries}
    return Summarised(features, np.column_stack([values[:, kept], *means]), described)


def _refuse(pairs: Pairs, circuits: Mapping[str, str], seeds: Sequence[str], wanted: Sequence[str], place: str) -> None:
    problems = Problems()
    regions = {region for pair in pairs for region in pair}
    for seed in seeds:
        if seed not in regions:
            problems.add(f"{place}: seeds", f"{seed!r} is no region of this source", did_you_mean(seed, regions))
    if {"networks", "seeds"} & set(wanted) and not any(circuits.get(region) for region in regions):
        hint = "say which circuit each region is in: a `regions` table with the columns region and circuit"
        problems.add(f"{place}: summaries", "no region has a circuit, so there is nothing to average within", hint)
    problems.raise_if_any(SourceError)


def _kept_edges(pairs: Pairs, wanted: Sequence[str], seeds: Sequence[str]) -> np.ndarray:
    if "edges" in wanted:
        return np.arange(len(pairs))
    starts = set(seeds) if "seed-edges" in wanted else set()
    return np.array([at for at, pair in enumerate(pairs) if starts & set(pair)], dtype=int)


Contribution = tuple[str, str, int]
"""Name and circuit of a summary, and the position of one of its edges."""


def _of_networks(pairs: Pairs, circuits: Mapping[str, str], directed: bool) -> Iterator[Contribution]:
    for at, (first, second) in enumerate(pairs):
        one, other = circuits.get(first, ""), circuits.get(second, "")
        if first == second or not (one and other):
            continue
        if one == other:
            yield f"within {one}", one, at
        elif directed:
            yield f"from {one} to {other}", edge_circuit(one, other), at
        else:
            yield "between {} and {}".format(*sorted((one, other))), edge_circuit(one, other), at


def _of_seeds(
    pairs: Pairs, circuits: Mapping[str, str], seeds: Sequence[str], directed: bool
) -> Iterator[Contribution]:
    for at, pair in enumerate(pairs):
        for seed, target, out in ((*pair, True), (*pair[::-1], False)):
            circuit = circuits.get(target, "")
            if seed in seeds and circuit and seed != target:
                own = circuits.get(seed, "")
                name = f"{seed} with {circuit}"
                if directed:
                    name = f"from {seed} to {circuit}" if out else f"from {circuit} to {seed}"
                yield name, edge_circuit(own, circuit) if own else "", at


def _collected(contributions: Iterator[Contribution]) -> list[Summary]:
    at: dict[tuple[str, str], list[int]] = {}
    for name, circuit, position in contributions:
        at.setdefault((name, circuit), []).append(position)
    return [Summary(name, circuit, np.array(positions)) for (name, circuit), positions in sorted(at.items())]


def mean_of_present(values: np.ndarray, axis: int) -> np.ndarray:
    """Mean over what is not missing; NaN where nothing is.

    Parameters
    ----------
    values : ndarray
        NaN where missing.
    axis : int

    Returns
    -------
    ndarray
        Without `axis`.

    Examples
    --------
    >>> mean_of_present(np.array([[1.0, np.nan, np.nan], [3.0, 4.0, np.nan]]), axis=0)
    array([ 2.,  4., nan])
    """
    n_present = (~np.isnan(values)).sum(axis=axis)
    mean: np.ndarray = np.where(n_present > 0, np.nansum(values, axis=axis) / np.maximum(n_present, 1), np.nan)
    return mean
