from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from workbench.figures import PICTURES, calibration, draw_run, predictions
from workbench.figures.style import look, save
from workbench.records import RunResult

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def drawn(shown_result: RunResult, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("figures")
    draw_run(shown_result, folder)
    return folder


def text_of(svg: Path) -> str:
    return " ".join("".join(node.itertext()) for node in ElementTree.parse(svg).iter(f"{SVG}text"))


def drawn_text(result: RunResult, name: str, folder: Path) -> str:
    with look():
        picture = PICTURES[name](result)
        assert picture is not None
        return text_of(save(picture, folder / name)[1])


def alt(result: RunResult, name: str) -> str:
    with look():
        picture = PICTURES[name](result)
    assert picture is not None
    return picture.alt


def test_every_picture_comes_as_png_and_svg(drawn):
    assert {path.name for path in drawn.iterdir()} == {f"{name}.{kind}" for name in PICTURES for kind in ("png", "svg")}


def test_drawing_twice_gives_the_same_bytes(drawn, shown_result, tmp_path):
    for path in draw_run(shown_result, tmp_path):
        assert path.read_bytes() == (drawn / path.name).read_bytes(), path.name


def test_pngs_fill_a_slide(drawn):
    from PIL import Image

    for path in drawn.glob("*.png"):
        with Image.open(path) as image:
            assert image.width == 1600
            assert image.info["dpi"] == pytest.approx((200, 200), abs=0.1)


def test_pictures_hold_neither_dates_nor_the_machine(drawn):
    for path in drawn.glob("*.svg"):
        text = path.read_text(encoding="utf-8")
        assert "<dc:date>" not in text
        assert "\r" not in text


@pytest.mark.parametrize("name", list(PICTURES))
def test_every_picture_says_claim_n_and_what_it_shows(drawn, name):
    svg = drawn / f"{name}.svg"
    assert "Exploratory | n = 80 simulated participants | ridge . fc+task+pet" in " ".join(text_of(svg).split())
    root = ElementTree.parse(svg).getroot()
    description = root.find(f"{SVG}desc")
    assert root.get("role") == "img"
    assert description is not None
    assert len(description.text or "") > 80


def test_the_alternative_text_travels_in_the_png_too(drawn):
    from PIL import Image

    with Image.open(drawn / "calibration.png") as image:
        assert image.info["Description"].startswith("Calibration plot of fall in MADRS")


def test_axes_are_labelled_with_the_unit(drawn):
    text = text_of(drawn / "observed_predicted.svg")
    assert "Predicted fall in MADRS from ses-b0 to ses-d2 (points)" in text


def test_a_run_that_does_not_predict_gets_no_ranking(null_result, tmp_path):
    text = drawn_text(null_result, "shap_circuits", tmp_path)
    assert "Prediction is not shown" in text
    assert "ventral striatum" not in text


def test_candidates_are_told_apart_by_more_than_colour(drawn):
    text = text_of(drawn / "shap_circuits.svg")
    assert "* ventral striatum" in text
    assert "* default" not in text


def test_the_null_says_what_could_have_been_detected(null_result):
    words = alt(null_result, "permutation_null")
    assert f"95th percentile {null_result.scores.test.null_95:.2f}" in words
    assert "After correction over 4 runs p = 0.41" in words


def test_pictures_without_their_numbers_are_left_out(null_result, tmp_path):
    performance = replace(null_result.scores.performance, r2_by_repeat=(0.1,), interval=None)
    bare = replace(
        null_result,
        scores=replace(null_result.scores, performance=performance),
        null=null_result.null.iloc[:0],
        circuits=null_result.circuits.iloc[:0],
    )
    names = {path.stem for path in draw_run(bare, tmp_path)}
    assert names == {"observed_predicted", "calibration"}


def test_equal_predictions_have_no_calibration_line(null_result, tmp_path):
    performance = replace(
        null_result.scores.performance, calibration_slope=float("nan"), calibration_intercept=float("nan")
    )
    same = replace(
        null_result,
        scores=replace(null_result.scores, performance=performance),
        predictions=null_result.predictions.assign(predicted=11.0, reference=11.0),
    )
    words = drawn_text(same, "calibration", tmp_path)
    assert "fitted line" not in words
    assert "not defined" in alt(same, "calibration")


def test_a_binary_outcome_is_drawn_as_probability(binary_result, tmp_path):
    words = drawn_text(binary_result, "calibration", tmp_path)
    assert "Predicted probability of response to ketamine" in words


def test_one_point_per_participant_with_predictions_averaged(shown_result):
    people = predictions.by_person(shown_result)
    rows = shown_result.predictions
    first = rows[rows["participant_id"] == "sub-0100"]
    assert len(people) == 80
    assert people["predicted"].iloc[0] == pytest.approx(first["predicted"].mean())
    assert people["high"].iloc[0] == first["predicted"].max()


def test_calibration_groups_are_ordered_and_of_equal_size(shown_result):
    groups = calibration.grouped(predictions.by_person(shown_result), 5, binary=False)
    assert list(groups["n"]) == [16] * 5
    assert groups["predicted"].is_monotonic_increasing
    assert (groups["low"] < groups["observed"]).all()
    assert (groups["observed"] < groups["high"]).all()


def test_intervals_of_shares_stay_between_none_and_all(binary_result):
    groups = calibration.grouped(predictions.by_person(binary_result), 3, binary=True)
    assert groups[["low", "high"]].to_numpy().min() >= 0
    assert groups[["low", "high"]].to_numpy().max() <= 1


def test_drawing_leaves_the_settings_of_a_notebook_alone(null_result, tmp_path):
    import matplotlib as mpl

    with mpl.rc_context({"font.size": 7.5, "axes.spines.top": True}):
        before = dict(mpl.rcParams)
        drawn_text(null_result, "split_spread", tmp_path)
        assert dict(mpl.rcParams) == before


def test_settings_of_a_notebook_do_not_change_the_picture(drawn, shown_result, tmp_path):
    import matplotlib as mpl

    with mpl.rc_context({"font.size": 30, "savefig.bbox": "tight", "lines.linewidth": 9}):
        drawn_text(shown_result, "calibration", tmp_path)
    assert (tmp_path / "calibration.png").read_bytes() == (drawn / "calibration.png").read_bytes()


def test_sixty_circuits_are_cut_to_what_can_be_read_and_it_says_so(shown_result):
    many = shown_result.circuits.sample(60, replace=True, random_state=np.random.default_rng(0)).reset_index(drop=True)
    many["circuit"] = [f"circuit {k}" for k in range(60)]
    with look():
        picture = PICTURES["shap_circuits"](replace(shown_result, circuits=many))
    assert picture is not None
    words = " ".join(" ".join(text.get_text() for text in picture.figure.texts).split())
    assert "The 15 largest of 60 circuits" in words


def test_naming_the_figures_does_not_load_matplotlib():
    code = "import sys, workbench.figures; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
