from __future__ import annotations

import pytest

from workbench.errors import SpecError
from workbench.simulate.config import TrialConfig


def test_review_preset_has_as_many_people_as_the_reviewed_studies() -> None:
    review = TrialConfig.review()

    assert (review.n_patients, review.n_controls, review.n_patients + review.n_controls) == (482, 141, 623)


def test_all_problems_of_a_configuration_are_named_at_once() -> None:
    with pytest.raises(SpecError, match=r"patients: is 3; 10 or more(.|\n)*r2: is 1; from 0 to below 1"):
        TrialConfig(n_patients=3, r2=1.0)


def test_shares_that_cannot_be_are_refused() -> None:
    with pytest.raises(SpecError, match=r"site_weights: are \(0.5, 0.6\)(.|\n)*dropout: is 1; from 0 to below 1"):
        TrialConfig(site_weights=(0.5, 0.6), dropout=1.0)
