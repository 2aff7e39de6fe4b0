"""Candidate connections as a matrix: the effects of the table in the cells, regions beside those of their network."""

from dataclasses import replace
from itertools import combinations, permutations

import numpy as np
import pandas as pd
import pytest

from workbench.figures import network_matrix as picture
from workbench.figures.style import BLUE, VERMILLION, look
from workbench.results.biomarkers import COLUMNS
from workbench.results.networks import network_matrix, region_networks

NETWORK_OF = {"VS": "reward", "dlPFC": "executive", "Put": "reward", "PCC": "default mode", "mPFC": "default mode"}
EFFECTS = {("VS", "PCC"): 2.0, ("dlPFC", "Put"): -1.0, ("Put", "mPFC"): 0.5}


def edge(first, second, *, between="--", source="rest", contrast=""):
    circuit = " - ".join(sorted({NETWORK_OF[first], NETWORK_OF[second]}))
    name = f"{first}{between}{second}"
    texts = {"region_a": first, "region_b": second, "circuit": circuit, "source": source, "contrast": contrast}
    return {"name": f"{source}:{name}", "feature": name, "session": "", "modality": "connectivity", **texts}


def run_of(shown_result, edges, effects):
    """The run with these edges, of which those with an effect are candidates."""
    features = pd.DataFrame(edges)
    features["effect"] = [effects.get((each["region_a"], each["region_b"]), 9.0) for each in edges]
    chosen = [(each["region_a"], each["region_b"]) in effects for each in edges]
    rows = features[chosen].assign(level="feature", feature=features["name"][chosen], tag="", atlas="")
    return replace(shown_result, features=features, biomarkers=rows.reindex(columns=list(COLUMNS)))


@pytest.fixture
def undirected(shown_result):
    return run_of(shown_result, [edge(*pair) for pair in combinations(NETWORK_OF, 2)], EFFECTS)


def drawn(result):
    with look():
        made = picture.draw(result)
    assert made is not None
    return made


def test_cells_hold_the_effects_of_the_candidates_and_nothing_else(undirected):
    matrix = network_matrix(undirected)
    table = pd.DataFrame(matrix.effects, index=matrix.regions, columns=matrix.regions)
    assert np.array_equal(table, table.T, equal_nan=True)
    for pair, effect in EFFECTS.items():
        assert table.loc[pair] == effect
    assert np.isfinite(matrix.effects).sum() == 2 * len(EFFECTS)


def test_regions_of_a_network_stand_beside_each_other(undirected):
    matrix = network_matrix(undirected)
    assert matrix.regions == ("PCC", "mPFC", "dlPFC", "VS", "Put")
    assert matrix.blocks() == [("default mode", 0, 2), ("executive", 2, 3), ("reward", 3, 5)]


def test_directed_connections_run_from_row_to_column(shown_result):
    edges = [edge(*pair, between="->") for pair in permutations(NETWORK_OF, 2)]
    matrix = network_matrix(run_of(shown_result, edges, {("VS", "PCC"): 2.0}))
    assert matrix.directed
    assert matrix.effects[matrix.regions.index("VS"), matrix.regions.index("PCC")] == 2.0
    assert np.isfinite(matrix.effects).sum() == 1


def test_connections_of_two_sources_are_not_laid_over_each_other(shown_result):
    pairs = list(combinations(NETWORK_OF, 2))
    edges = [edge(*pair) for pair in pairs] + [edge(*pair, source="gppi", contrast="reward") for pair in pairs[:1]]
    matrix = network_matrix(run_of(shown_result, edges, {**EFFECTS, pairs[0]: 4.0}))
    assert (matrix.source, matrix.n_connections, matrix.n_elsewhere) == ("rest", 4, 1)


def test_networks_are_told_from_circuits_that_have_a_dash_in_their_name():
    rows = [("Caudate", "dACC", "dorsal striatum - dACC reward"), ("Caudate", "Amygdala", "limbic")]
    edges = pd.DataFrame(rows * 2, columns=["region_a", "region_b", "circuit"])
    assert region_networks(edges)["dACC"] == "dorsal striatum - dACC reward"


@pytest.mark.parametrize("pattern", ["{} to {}", "from {} to {}"])
def test_networks_are_read_from_the_circuits_of_effective_connectivity(pattern):
    networks = {"a": "attention", "b": "attention", "c": "default mode", "d": "default mode"}
    rows = [
        (
            one,
            other,
            f"within {networks[one]}"
            if networks[one] == networks[other]
            else pattern.format(networks[one], networks[other]),
        )
        for one, other in permutations(networks, 2)
    ]
    rows += [(each, each, f"{network}: self-inhibition") for each, network in networks.items()]
    assert region_networks(pd.DataFrame(rows, columns=["region_a", "region_b", "circuit"])) == networks


def test_regions_without_a_circuit_stand_last_and_the_picture_says_so(undirected):
    unknown = undirected.features["region_b"].eq("mPFC") | undirected.features["region_a"].eq("mPFC")
    circuits = undirected.features["circuit"].mask(unknown, "unassigned")
    result = replace(undirected, features=undirected.features.assign(circuit=circuits))
    assert network_matrix(result).regions[-1] == "mPFC"
    assert "no network" in {text.get_text() for text in drawn(result).figure.axes[0].texts}


def colours_at(axes, row, column):
    """Colour and strength of what is drawn in the middle of a cell."""
    from matplotlib.colors import to_hex
    from matplotlib.patches import PathPatch

    drawn_there = [
        each
        for each in axes.get_children()
        if isinstance(each, PathPatch) and each.get_path().contains_point((column + 0.5, row + 0.5))
    ]
    return [(to_hex(each.get_facecolor()).upper(), pytest.approx(each.get_alpha())) for each in drawn_there]


def test_the_picture_has_a_cell_of_the_right_colour_for_each_effect(undirected):
    axes, scale = drawn(undirected).figure.axes
    regions = network_matrix(undirected).regions
    colours = {("VS", "PCC"): (BLUE, 1.0), ("dlPFC", "Put"): (VERMILLION, 0.6), ("Put", "mPFC"): (BLUE, 0.4)}
    for pair in [*permutations(regions, 2), *((each, each) for each in regions)]:
        expected = colours.get(pair) or colours.get(pair[::-1])
        assert colours_at(axes, *map(regions.index, pair)) == ([] if expected is None else [expected])
    assert [text.get_text() for text in scale.get_xticklabels()] == ["\N{MINUS SIGN}2.00", "0", "2.00"]
    assert scale.texts[0].get_text() == "Effect per SD (points)"


def test_names_of_regions_give_way_to_those_of_networks_where_there_are_400(shown_result):
    regions = {f"R{at}": f"network {at // 25}" for at in range(400)}
    rows = []
    for first, second in combinations(regions, 2):
        networks = sorted({regions[first], regions[second]})
        row = {"region_a": first, "region_b": second, "circuit": " - ".join(networks), "feature": f"{first}--{second}"}
        rows.append({**row, "source": "rest", "name": f"rest:{first}--{second}", "contrast": ""})
    result = run_of(shown_result, rows, {("R0", "R30"): 1.0, ("R1", "R31"): -1.0})
    axes = drawn(result).figure.axes[0]
    names = [text.get_text() for text in axes.texts]
    assert sorted(set(names)) == sorted({f"network {at}" for at in range(16)})
    assert len(names) == 2 * 16
    assert not axes.get_xticks().size
    assert "400 regions in 16 networks with 2 candidate connections of rest" in drawn(result).alt


def test_names_of_small_networks_are_moved_apart():
    assert picture._apart([1.0, 1.5, 9.0], [2.0, 2.0, 2.0], 10.0) == [1.0, 3.0, 9.0]
    assert picture._apart([9.0, 9.5], [2.0, 2.0], 10.0) == [7.0, 9.0]


def test_nothing_is_drawn_where_prediction_is_not_shown_or_fewer_than_two_connections_are_candidates(
    undirected, null_result
):
    assert picture.draw(undirected) is not None
    assert picture.draw(replace(undirected, biomarkers=undirected.biomarkers.head(1))) is None
    assert picture.draw(replace(undirected, claim=null_result.claim)) is None
    assert picture.draw(replace(undirected, claim=replace(undirected.claim, verdict="not tested"))) is None
    regions = undirected.biomarkers.assign(region_b="")
    assert picture.draw(replace(undirected, biomarkers=regions)) is None
