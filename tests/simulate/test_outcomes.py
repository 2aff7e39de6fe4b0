from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from workbench.simulate.config import TrialConfig
from workbench.simulate.latents import People, standard_fd
from workbench.simulate.outcomes import SCALE_MODELS, Course, answers, build_items, signal

SHARES = {"MADRS": 0.6, "SHAPS": 0.6}


@pytest.fixture(scope="module")
def course(one_scanner: TrialConfig, many: People) -> Course:
    config = replace(one_scanner, site_outcome=0.0)
    return Course(config, build_items(config), many, SHARES, 21)  # type: ignore[arg-type]


def difference(course: Course) -> np.ndarray:
    """Ketamine minus placebo before measurement error, in units of its spread."""
    return course.improvement("MADRS", "d2", ketamine=True) - course.improvement("MADRS", "p2", ketamine=False)


def test_shares_of_variance_are_exactly_those_asked_for(course: Course) -> None:
    gain = difference(course)
    predictive, interaction, _ = signal(course.config, course.people)
    planted = np.sqrt(0.9) * predictive + np.sqrt(0.1) * interaction

    assert gain.var() == pytest.approx(1, abs=0.04)
    assert np.corrcoef(gain, planted)[0, 1] ** 2 == pytest.approx(0.6, abs=0.02)
    assert np.corrcoef(gain, standard_fd(course.people.fd))[0, 1] ** 2 == pytest.approx(0.06, abs=0.015)


def test_the_prognostic_circuit_acts_after_placebo_and_ketamine_and_cancels_in_their_difference(course: Course) -> None:
    _, _, prognostic = signal(course.config, course.people)
    after_placebo = course.improvement("MADRS", "p2", ketamine=False)

    assert np.corrcoef(prognostic, after_placebo)[0, 1] > 0.4
    assert abs(np.corrcoef(prognostic, difference(course))[0, 1]) < 0.03


def test_the_prognostic_circuit_has_the_same_effect_after_placebo(course: Course) -> None:
    _, _, prognostic = signal(course.config, course.people)
    ketamine, placebo = (
        np.cov(prognostic, course.improvement("MADRS", visit, ketamine=visit == "d2"))[0, 1] for visit in ("d2", "p2")
    )

    assert ketamine == pytest.approx(placebo, abs=0.03)
    assert placebo == pytest.approx(np.sqrt(course.config.prognostic_share), abs=0.03)


def test_the_more_severe_improve_more(course: Course) -> None:
    fall = (course.state("MADRS", "ses-b0") - course.state("MADRS", "ses-p1"))[~course.people.ketamine_first]
    severity = course.people.severity[~course.people.ketamine_first]

    assert np.polyfit(severity, fall, 1)[0] == pytest.approx(0.9 * 0.2, abs=0.05)


def test_chance_cancels_over_a_course_and_its_mirror_image(course: Course) -> None:
    mirror = replace(course, mirrored=True)
    mean = (difference(course) + difference(mirror)) / 2
    predictive, interaction, _ = signal(course.config, course.people)
    known = np.column_stack([predictive, interaction, standard_fd(course.people.fd), np.ones(course.people.n)])

    assert np.allclose(mean, known @ np.linalg.lstsq(known, mean, rcond=None)[0])


def test_the_interaction_only_circuit_is_nothing_on_average_over_the_arms(course: Course) -> None:
    _, interaction, _ = signal(course.config, course.people)
    both = course.improvement("MADRS", "d2", ketamine=True) + course.improvement("MADRS", "p2", ketamine=False)

    assert np.corrcoef(interaction, difference(course))[0, 1] == pytest.approx(np.sqrt(0.06), abs=0.03)
    assert abs(np.corrcoef(interaction, both)[0, 1]) < 0.03


def test_the_planted_circuits_do_not_act_after_placebo(course: Course) -> None:
    predictive, _, _ = signal(course.config, course.people)

    assert abs(np.corrcoef(predictive, course.improvement("MADRS", "p2", ketamine=False))[0, 1]) < 0.03


def test_sites_may_respond_differently(course: Course) -> None:
    config = replace(course.config, site_outcome=0.4)
    gain = difference(replace(course, config=config))
    site = course.people.site

    assert gain[site == 2].mean() - gain[site == 0].mean() == pytest.approx(0.4, abs=0.08)


def test_the_threshold_variant_keeps_unit_variance(course: Course) -> None:
    predictive, _, _ = signal(replace(course.config, non_linear=True), course.people)

    assert predictive.mean() == pytest.approx(0, abs=0.04)
    assert predictive.var() == pytest.approx(1, abs=0.04)


def test_the_effect_is_largest_at_two_days_and_half_gone_at_ten(course: Course) -> None:
    fall = {
        v: (course.state("MADRS", "ses-b0") - course.state("MADRS", f"ses-{v}")).mean() for v in ("d1", "d2", "d10")
    }

    assert fall["d10"] < fall["d1"] < fall["d2"]
    assert fall["d2"] == pytest.approx(SCALE_MODELS["MADRS"].ketamine, abs=1.5)


def test_madrs_is_whole_points_with_the_error_asked_for(course: Course) -> None:
    rated = course.madrs("ses-p2")
    inside = (rated > 0) & (rated < 60)
    error = (rated - course.state("MADRS", "ses-p2"))[inside]

    assert (rated == np.rint(rated)).all()
    assert (rated.min() >= 0, rated.max() <= 60) == (True, True)
    assert error.std() == pytest.approx(np.hypot(1.5, np.sqrt(1 / 12)), abs=0.05)


def test_both_scorings_of_shaps_come_from_the_same_items(course: Course) -> None:
    items = course.shaps("ses-b0")
    ordinal, binary = items.sum(axis=1), (items >= 3).sum(axis=1)

    assert set(np.unique(items)) == {1, 2, 3, 4}
    assert (ordinal.min() >= 14, ordinal.max() <= 56) == (True, True)
    assert np.corrcoef(ordinal, binary)[0, 1] > 0.9


def test_pleasure_runs_against_anhedonia_and_hardly_moves(course: Course) -> None:
    before, after = course.teps("ses-b0"), course.teps("ses-d2")
    shaps = course.total("SHAPS", "ses-b0")

    assert (before.min() >= 10, before.max() <= 60) == (True, True)
    assert np.corrcoef(before, shaps)[0, 1] < -0.7
    assert 0 < (after - before).mean() / before.std() < 0.5


def test_items_hang_together_as_the_published_scale_does(course: Course) -> None:
    items = course.shaps("ses-b0")
    alpha = 14 / 13 * (1 - items.var(axis=0).sum() / items.sum(axis=1).var())

    assert 0.85 < alpha < 0.97  # .91 in Nakonezny 2010


def test_answers_follow_the_graded_response_model(course: Course) -> None:
    items = course.items
    anhedonia = np.full(20_000, 0.4)
    given = answers(items, anhedonia, np.random.default_rng(0).random((20_000, 14)))
    expected = 1 / (1 + np.exp(-items.discrimination[:, None] * (0.4 - items.steps)))

    for k in range(3):
        assert (given >= k + 2).mean(axis=0) == pytest.approx(expected[:, k], abs=0.02)


def test_the_first_infusion_carries_over_and_the_second_period_helps(course: Course) -> None:
    placebo = course.state("MADRS", "ses-p2")
    ketamine_first = course.people.ketamine_first
    model = SCALE_MODELS["MADRS"]

    gap = placebo[~ketamine_first].mean() - placebo[ketamine_first].mean()
    assert gap == pytest.approx(model.period + 0.1 * model.ketamine, abs=0.6)


def test_controls_do_not_improve(one_scanner: TrialConfig) -> None:
    from workbench.simulate.latents import draw_people

    people = draw_people(one_scanner, 2, 10, 2000)
    course = Course(one_scanner, build_items(one_scanner), people, SHARES, 2)  # type: ignore[arg-type]
    fall = course.state("MADRS", "ses-b0") - course.state("MADRS", "ses-d1")

    assert abs(fall[~people.patient].mean()) < 2
