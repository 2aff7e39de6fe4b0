from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from workbench.export import read_run, write_run
from workbench.figures import PICTURES
from workbench.figures.beeswarm import HALF, fifth_of, offsets
from workbench.figures.dependence import trend
from workbench.figures.style import look
from workbench.results.sections import report_of
from workbench.results.tuned import chosen_settings

EXPLAIN = ("shap_beeswarm", "shap_beeswarm_features", "shap_features", "shap_modalities", "dependence")


def drawn(result, name):
    with look():
        return PICTURES[name](result)


@pytest.mark.parametrize("name", EXPLAIN)
def test_nothing_is_drawn_as_explanation_where_prediction_is_not_shown(shown_result, name):
    for verdict in ("prediction not shown", "not tested"):
        gated = replace(shown_result, claim=replace(shown_result.claim, verdict=verdict))
        assert drawn(gated, name) is None


@pytest.mark.parametrize("name", ["shap_beeswarm", "shap_beeswarm_features", "dependence", "tuning"])
def test_runs_of_before_are_drawn_without_it(shown_result, name):
    old = replace(shown_result, shap_circuits=None, feature_values=None, circuit_values=None, tuning=None)
    assert drawn(old, name) is None


def test_the_beeswarm_ranks_circuits_by_their_size(shown_result):
    mean = shown_result.shap_circuits.drop(columns="repeat").groupby(["participant_id", "session"]).mean()
    largest = mean.abs().mean().idxmax()
    alt = drawn(shown_result, "shap_beeswarm").alt
    assert alt.startswith(f"Strip of SHAP values for each circuit, largest mean absolute value first: {largest} ")


def test_the_unit_of_a_feature_is_named(shown_result):
    result = replace(shown_result, features=shown_result.features.assign(unit="Fisher z"))
    labels = [text.get_text() for text in drawn(result, "shap_beeswarm_features").figure.axes[0].get_yticklabels()]
    assert all("(Fisher z)" in label.replace("\n", " ") for label in labels)


def test_fifths_are_of_participants_and_equal_values_share_one():
    values = np.r_[np.arange(10.0), np.nan]
    assert fifth_of(values).tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, -1]
    assert set(fifth_of(np.array([0.0] * 6 + [1.0] * 4)).tolist()) == {1, 4}


def test_points_stand_beside_each_other_and_stay_in_their_row():
    heights = offsets(np.zeros(500), 1.0)
    assert len(set(heights.tolist())) > 60
    assert np.abs(heights).max() <= HALF
    assert offsets(np.array([-0.9, 0.0, 0.9]), 1.0).tolist() == [0, 0, 0]


def test_the_trend_of_a_line_is_the_line():
    values = np.linspace(-2, 3, 60)
    grid, line = trend(values, 0.5 * values - 1)
    np.testing.assert_allclose(line, 0.5 * grid - 1, atol=1e-10)


def test_the_trend_follows_a_bend():
    values = np.linspace(-1, 1, 200)
    line = trend(values, np.abs(values))[1]
    assert line[0] > 0.8
    assert line[-1] > 0.8
    assert line[len(line) // 2] < 0.35


def test_too_few_points_have_no_trend():
    assert [len(each) for each in trend(np.arange(5.0), np.arange(5.0))] == [0, 0]


def test_settings_are_counted_over_folds_and_their_edges_too(shown_result):
    (alpha,) = chosen_settings(shown_result.tuning)
    assert (alpha.n_folds, alpha.grid) == (100, ("0.1", "10.0", "1000.0", "100000.0"))
    assert alpha.in_words == "alpha: an end of the grid was chosen in 50 of 100 folds"


def test_counts_beside_settings_are_no_settings():
    rows = [(0, fold, "trials_failed", str(fold), "", "") for fold in range(5)]
    table = pd.DataFrame(rows, columns=["repeat", "fold", "setting", "value", "grid", "edge"])
    assert chosen_settings(table) == ()


def test_the_report_says_how_often_the_edge_was_chosen(shown_result):
    section = next(each for each in report_of(shown_result).sections if each.name == "settings")
    assert section.answer == "Alpha: an end of the grid was chosen in 50 of 100 folds."
    assert section.pictures == ("tuning",)


def test_pages_of_participants_show_one_sd_over_repeats(shown_result):
    section = next(each for each in report_of(shown_result).sections if each.name == "individuals")
    page = section.participants[3]
    table = shown_result.shap_circuits
    own = table[table["participant_id"] == page.participant_id]
    first = page.contributions[0]
    assert first.high - first.value == pytest.approx(own[first.name].std(ddof=1))
    assert first.value - first.low == pytest.approx(first.high - first.value)


def test_one_repeat_has_no_spread(shown_result):
    once = shown_result.shap_circuits[shown_result.shap_circuits["repeat"] == 0]
    section = next(
        each for each in report_of(replace(shown_result, shap_circuits=once)).sections if each.name == "individuals"
    )
    assert section.participants[0].contributions[0].low is None


def test_what_is_drawn_reads_back(shown_result, tmp_path):
    write_run(shown_result, tmp_path)
    read = read_run(tmp_path)
    for name in ("tuning", "shap_circuits", "feature_values", "circuit_values"):
        pd.testing.assert_frame_equal(getattr(read, name), getattr(shown_result, name), check_dtype=False)


def test_a_run_without_these_files_reads_without_them(shown_result, tmp_path):
    write_run(shown_result, tmp_path)
    for name in ("tuning.tsv", "shap_circuits.parquet", "feature_values.parquet", "circuit_values.parquet"):
        (tmp_path / name).unlink()
    assert read_run(tmp_path).shap_circuits is None
    assert read_run(tmp_path).tuning is None


def test_pictures_of_points_are_well_formed(shown_result, tmp_path):
    from workbench.figures.style import save

    with look():
        files = save(PICTURES["shap_beeswarm"](shown_result), tmp_path / "shap_beeswarm")
    assert len(list(ElementTree.parse(files[1]).iter())) > 200
