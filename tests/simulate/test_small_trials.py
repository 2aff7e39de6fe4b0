"""What `simulate` writes passes its own `check`, however small the trial and whatever its design."""

import pytest

import workbench


@pytest.mark.parametrize("design", ["parallel", "single-arm", "crossover"])
def test_a_trial_of_forty_passes_its_own_check(design, tmp_path):
    workbench.simulate_study(tmp_path, patients=40, design=design, achievable=False)
    report = workbench.check(study=tmp_path)
    assert report.problems == ()
    assert {plan.name for plan in report.plans} >= {"madrs_change", "shuffled_outcome"}


def test_the_draw_of_a_given_seed_is_kept_whatever_check_says_of_it(tmp_path):
    workbench.simulate_study(tmp_path, patients=40, design="parallel", seed=10, achievable=False)
    (problem,) = workbench.check(study=tmp_path).problems
    assert problem.code == "T1", "a feature that looks like the outcome by chance"
