from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from workbench.figures import PICTURES as EVERY
from workbench.figures import calibration, comparators, draw_picture, draw_run, flow, permutations, predictions
from workbench.figures.style import BLUE, BROWN, DARK, GREY, INK, PAPER, THEMES, VERMILLION, look, mixed_anew, save
from workbench.records import (
    AtSession,
    BenefitQuarter,
    BenefitRanking,
    Course,
    CourseMean,
    Estimate,
    FlowStep,
    RunResult,
    TreatmentEffects,
)

SVG = "{http://www.w3.org/2000/svg}"

IN_THE_BRAIN = ("brain", "connectome", "chord", "network_matrix")
"""Pictures of candidates whose place is known, which test_brain looks at."""
PICTURES = {name: draw for name, draw in EVERY.items() if name not in IN_THE_BRAIN}


@pytest.fixture(scope="module")
def drawn(shown_result: RunResult, binary_result: RunResult, tmp_path_factory) -> Path:
    """Every picture there is: with a decision curve, as a binary outcome has one."""
    folder = tmp_path_factory.mktemp("figures")
    draw_run(replace(with_candidate_feature(shown_result), decision_curve=binary_result.decision_curve), folder)
    draw_benefit(shown_result, folder)
    return folder


def draw_benefit(result: RunResult, folder: Path) -> None:
    """The pictures of an effect of a treatment, which take the place of those of an outcome that is observed."""
    sensitivity = replace(result.scores.sensitivity, effects=EFFECTS)
    trial = replace(result, scores=replace(result.scores, sensitivity=sensitivity))
    for name in ("benefit_quarters", "benefit_calibration"):
        draw_picture(name, result=trial, folder=folder)


KNOWN = Estimate(1.0, 0.5, 1.5)
QUARTERS = tuple(BenefitQuarter(k, 10, 10, float(k), 1.1 * k, 1.1 * k - 2, 1.1 * k + 2) for k in (1, 2, 3, 4))
RANKING = BenefitRanking(KNOWN, KNOWN, KNOWN)
EFFECTS = TreatmentEffects("ketamine", "placebo", 40, 40, 0.5, KNOWN, QUARTERS, KNOWN, None, RANKING)


def test_an_effect_of_a_treatment_is_drawn_by_quarter_and_not_as_an_outcome(shown_result, tmp_path):
    sensitivity = replace(shown_result.scores.sensitivity, effects=EFFECTS)
    trial = replace(shown_result, scores=replace(shown_result.scores, sensitivity=sensitivity))
    assert PICTURES["observed_predicted"](trial) is None
    assert PICTURES["calibration"](trial) is None
    said = drawn_text(trial, "benefit_quarters", tmp_path)
    assert "Quarter of the predicted benefit; n on ketamine, placebo" in said
    spoken = alt(trial, "benefit_quarters")
    assert "largest quarter predicted 4.00, effect 4.40 (2.40 to 6.40)" in spoken
    assert "slope 1.00" in alt(trial, "benefit_calibration")
    assert PICTURES["benefit_quarters"](shown_result) is None


def with_candidate_feature(result: RunResult) -> RunResult:
    """The run with its first feature as a candidate, as `results.biomarkers` lists features below their circuit."""
    name = result.features["name"].iloc[0]
    row = {**result.biomarkers.iloc[0].to_dict(), "level": "feature", "feature": name}
    course = Course(
        "MADRS",
        tuple(
            CourseMean("ketamine", name, hours, 40, 40, 30.0, 28.0, 32.0) for name, hours in (("b0", 0.0), ("d2", 48.0))
        ),
        (AtSession("d2", 48.0, 40, 0.3, 0.9, 0.5, 1.2, 0.0, 0.0, 0.0, "predicted"),),
    )
    scores = replace(result.scores, sensitivity=replace(result.scores.sensitivity, course=course))
    biomarkers = pd.concat([result.biomarkers, pd.DataFrame([row])], ignore_index=True)
    return replace(result, scores=scores, biomarkers=biomarkers)


def text_of(svg: Path) -> str:
    return (" ".join("".join(node.itertext()) for node in ElementTree.parse(svg).iter(f"{SVG}text"))).replace(
        "\N{NO-BREAK SPACE}", " "
    )


def save_picture(result: RunResult, name: str, folder: Path) -> tuple[Path, ...]:
    with look():
        picture = PICTURES[name](result)
        assert picture is not None
        return save(picture, folder / name)


def drawn_text(result: RunResult, name: str, folder: Path) -> str:
    return text_of(save_picture(result, name, folder)[1])


def alt(result: RunResult, name: str) -> str:
    with look():
        picture = PICTURES[name](result)
    assert picture is not None
    return picture.alt


def test_every_picture_comes_as_png_and_svg(drawn):
    kinds = ("png", "svg")
    wanted = {f"{name}{theme.suffix}.{kind}" for name in PICTURES for theme in THEMES for kind in kinds}
    assert {path.name for path in drawn.iterdir()} == wanted


@pytest.mark.parametrize("name", ["observed_predicted", "flow"])
def test_drawing_twice_gives_the_same_bytes(drawn, shown_result, tmp_path, name):
    for path in save_picture(shown_result, name, tmp_path):
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
    assert "Exploratory | n = 80 simulated participants | ridge on fc+task+pet" in " ".join(text_of(svg).split())
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


def test_a_run_that_was_not_tested_gets_no_ranking_and_says_why(shown_result, tmp_path):
    claim = replace(shown_result.claim, verdict="not tested", sentence="not tested: fc with ridge")
    text = drawn_text(replace(shown_result, claim=claim), "shap_circuits", tmp_path)
    assert "Not tested:" in text
    assert "A ranking would explain a model whose prediction was not tested." in text
    assert "Prediction is not shown" not in text


def test_the_null_says_from_which_r2_on_p_speaks(null_result):
    words = alt(null_result, "permutation_null")
    assert f"95th percentile {null_result.scores.test.null_95:.2f}" in words
    assert "after correction p = .41" in words


def test_pictures_without_their_numbers_are_left_out(null_result, tmp_path):
    performance = replace(null_result.scores.performance, r2_by_repeat=(0.1,), interval=None)
    bare = replace(
        null_result,
        scores=replace(null_result.scores, performance=performance),
        null=null_result.null.iloc[:0],
        circuits=null_result.circuits.iloc[:0],
        tuning=None,
    )
    with look():
        names = {name for name, draw in PICTURES.items() if draw(bare) is not None}
    assert names == {"observed_predicted", "calibration", "comparators", "flow"}


def test_a_gated_run_without_shap_values_says_that_nothing_is_ranked(null_result):
    """What `finish_experiment` leaves of a run that does not predict: circuits, but no attribution."""
    gated = null_result.circuits.assign(mean_abs_shap=np.nan, null_quantile=np.nan)
    assert "no ranking" in alt(replace(null_result, circuits=gated), "shap_circuits").lower()


def test_the_dark_pictures_are_the_light_ones_in_other_colours(drawn):
    from PIL import Image

    for name in PICTURES:
        light, dark = drawn / f"{name}.svg", drawn / f"{name}-dark.svg"
        assert text_of(light) == text_of(dark)
        assert PAPER.lower() not in dark.read_text(encoding="utf-8")
        with Image.open(light.with_suffix(".png")) as image, Image.open(dark.with_suffix(".png")) as other:
            assert image.size == other.size
            assert image.convert("RGB").getpixel((2, 2)) == (255, 255, 255)
            assert other.convert("RGB").getpixel((2, 2)) == (0x14, 0x18, 0x1D)


def test_a_pure_colour_becomes_its_counterpart_and_a_mixture_the_same_mixture():
    halfway = np.array([[0, 114, 178], [(0 + 255) / 2, (114 + 255) / 2, (178 + 255) / 2]])
    pure, mixed = mixed_anew(halfway, DARK)
    assert tuple(pure) == (0x56, 0xB4, 0xE9)
    np.testing.assert_allclose(mixed, (np.array([0x56, 0xB4, 0xE9]) + np.array([0x14, 0x18, 0x1D])) / 2, atol=1)


@pytest.mark.parametrize("theme", THEMES, ids=["light", "dark"])
@pytest.mark.parametrize("words", [INK, GREY, BLUE, BROWN, VERMILLION])
def test_words_stand_out_from_their_ground(theme, words):
    """WCAG 2.2, 1.4.3: a contrast of 4.5 to 1 for text."""
    assert contrast(theme.colours.get(words, words), theme.colours.get(PAPER, PAPER)) >= 4.5


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    channels = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))


def test_every_model_is_set_beside_the_others_with_what_is_added(drawn):
    text = text_of(drawn / "comparators.svg")
    assert "hold the confounds fixed too" in text
    assert "MADRS@ses-b0, age, sex" in text
    assert "Increment over the best clinical model" in text


def test_a_model_far_below_zero_does_not_squeeze_the_others(shown_result):
    hopeless = replace(shown_result.scores.procedures[1], r2_total=-9.0)
    scores = replace(shown_result.scores, procedures=(shown_result.scores.procedures[0], hopeless))
    with look():
        picture = comparators.draw(replace(shown_result, scores=scores))
    assert picture is not None
    assert picture.figure.axes[0].get_xlim()[0] > -1.2
    assert "what lies below is cut" in " ".join(text.get_text() for text in picture.figure.texts).replace("\n", " ")


def test_the_flow_names_exclusions_with_their_reasons_and_ends_with_who_was_analysed(drawn):
    text = text_of(drawn / "flow.svg")
    assert "in the study" in text
    assert "3 excluded" in text
    assert "no MADRS at ses-d2" in text
    assert "analysed" in text


def test_steps_at_which_nobody_is_excluded_are_not_drawn():
    flow_of = (FlowStep("in the study", 9), FlowStep("included", 9), FlowStep("scanned", 7, 2, "no scan (2)"))
    assert [(step.step, step.n) for step in flow.shown_steps(flow_of)] == [
        ("in the study", 9),
        ("scanned", 7),
        ("analysed", 7),
    ]


def test_equal_predictions_have_no_calibration_line(null_result, tmp_path):
    performance = replace(null_result.scores.performance, calibration_slope=float("nan"), calibration_intercept=-2.4)
    same = replace(
        null_result,
        scores=replace(null_result.scores, performance=performance),
        predictions=null_result.predictions.assign(predicted=11.0, reference=11.0),
    )
    words = drawn_text(same, "calibration", tmp_path)
    assert "slope within folds" not in words
    assert "There is no calibration slope" in words
    assert "observed minus predicted \N{MINUS SIGN}2.40 points" in words
    assert "nearly constant" in alt(same, "calibration")
    assert "slope" not in drawn_text(same, "observed_predicted", tmp_path)


def test_permutations_far_below_do_not_squeeze_the_histogram(null_result):
    null = null_result.null.copy()
    null.loc[:2, "r2"] = [-15.0, -9.0, -3.0]
    picture = permutations.draw(replace(null_result, null=null))
    assert picture.figure.axes[0].get_xlim()[0] > -1.5
    words = " ".join(" ".join(text.get_text() for text in picture.figure.texts).split())
    assert "3 of them lie further left, down to \N{MINUS SIGN}15.00." in words
    assert "median \N{MINUS SIGN}0.08" in picture.alt
    plain = permutations.draw(null_result)
    assert "further left" not in " ".join(text.get_text() for text in plain.figure.texts)


def test_the_calibration_line_has_the_slope_and_runs_through_the_mean(shown_result):
    people = predictions.by_person(shown_result)
    middle = people["predicted"].mean()
    assert predictions.slope_line(0.8, people, (middle, middle + 1)) == pytest.approx(
        [people["observed"].mean(), people["observed"].mean() + 0.8]
    )


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


def test_a_png_with_another_palette_is_whole_and_shows_the_same_pixels(drawn):
    from PIL import Image

    with Image.open(drawn / "flow.png") as light, Image.open(drawn / "flow-dark.png") as dark:
        light.verify()
        dark.verify()
    with Image.open(drawn / "flow.png") as light, Image.open(drawn / "flow-dark.png") as dark:
        assert light.tobytes() == dark.tobytes()
        assert light.getpalette() != dark.getpalette()
        assert dark.info["Description"] == light.info["Description"]


def test_a_decision_curve_shows_what_it_is_compared_with(binary_result, tmp_path):
    said = drawn_text(binary_result, "decision_curve", tmp_path)
    for line in ("act on everyone", "act on no one", "act on the clinical model", "act on these predictions"):
        assert line in said
    assert "best at 31 % of thresholds, from 0.30 to 0.60" in said
    spoken = alt(binary_result, "decision_curve")
    assert "Net benefit at thresholds 0.25, 0.50 and 0.75" in spoken
    assert binary_result.claim.sentence in spoken


def test_a_decision_curve_without_a_clinical_model_has_three_lines(binary_result, tmp_path):
    alone = replace(binary_result, decision_curve=binary_result.decision_curve.drop(columns="clinical"))
    assert "clinical model" not in drawn_text(alone, "decision_curve", tmp_path)


def test_an_outcome_that_is_no_yes_or_no_has_no_decision_curve(shown_result):
    assert PICTURES["decision_curve"](shown_result) is None


AS_WRITTEN = ("gain $5 > $0", r"loss_$1^$", r"$\frac{$", r"a_b^c\d %s {x}")
"""Names that would be typeset as formulas, or crash the drawing."""


@pytest.mark.parametrize("name", AS_WRITTEN)
def test_names_with_dollar_signs_are_drawn_as_they_are_written(
    shown_result, binary_result, name, tmp_path, monkeypatch
):
    monkeypatch.setattr("workbench.figures.style.DPI", 20)  # words are read in the SVG; the PNG must only not fail
    circuits = shown_result.circuits.assign(circuit=[name, *shown_result.circuits["circuit"][1:]])
    scores = replace(
        shown_result.scores,
        outcome=f"fall in {name}",
        outcome_unit=name,
        run_name=f"ridge . {name}",
        feature_set=name,
        confounds=(name,),
        clinical_model=(name,),
    )
    flow = tuple(replace(step, step=name, reason=name) for step in shown_result.flow)
    result = replace(
        shown_result, scores=scores, circuits=circuits, flow=flow, decision_curve=binary_result.decision_curve
    )
    draw_run(with_candidate_feature(result), tmp_path)
    draw_benefit(result, tmp_path)
    for picture in PICTURES:
        drawn = "".join(text_of(tmp_path / f"{picture}.svg").split())
        assert "".join(name.split()) in drawn, picture
