"""What another cohort must show, in the words of the requirements."""

from types import SimpleNamespace

import pytest

from workbench.records import Estimate
from workbench.results.requirements_external import EXTERNAL, _above, _beyond_covariates, _same_time


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (Estimate(0.2, 0.05, 0.4), ""),
        (Estimate(0.2, -0.1, 0.4), "external R2 is 0.20 (95 % CI -0.10 to 0.40)"),
        (Estimate(0.2, float("nan"), float("nan")), "external R2 has no interval"),
    ],
)
def test_an_interval_that_includes_0_or_is_not_there_is_missed(value, words):
    assert _above(value, "external R2") == words


def test_a_model_no_better_than_what_it_holds_fixed_is_missed():
    worse = SimpleNamespace(cohort="oslo", r2_reference=Estimate(-0.03, -0.2, 0.1))
    assert _beyond_covariates(None, worse) == (
        "in oslo it predicts no better than the variables held fixed alone (R2 -0.03)"
    )
    assert _beyond_covariates(None, SimpleNamespace(cohort="oslo", r2_reference=None)) == ""


def test_an_outcome_read_at_another_time_is_missed():
    assert _same_time(None, SimpleNamespace(cohort="oslo", other_time="")) == ""
    later = SimpleNamespace(cohort="oslo", other_time="read 240 hours after treatment, in training 48")
    assert _same_time(None, later) == "in oslo the outcome is read 240 hours after treatment, in training 48"


def test_every_row_has_a_name_of_its_own():
    assert len({row.name for row in EXTERNAL}) == len(EXTERNAL) == 8
