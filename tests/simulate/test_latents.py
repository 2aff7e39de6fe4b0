from __future__ import annotations

from math import erfc

import numpy as np
import pytest

from workbench.errors import SpecError
from workbench.simulate.config import TrialConfig
from workbench.simulate.latents import SEVERITY_MEAN, SEVERITY_SD, People, draw_people, standard_fd


def everyone_screened() -> People:
    """Nobody is turned away, so correlations are those of METHODS 4.1 before selection."""
    return draw_people(TrialConfig(entry_threshold=0), 3, 8_000)


def test_circuits_are_independent_with_unit_variance(many: People) -> None:
    assert np.allclose(np.cov(many.circuits.T), np.eye(6), atol=0.05)


def test_severity_and_anhedonia_correlate_by_a_half() -> None:
    people = everyone_screened()

    assert np.corrcoef(people.severity, people.anhedonia)[0, 1] == pytest.approx(0.5, abs=0.03)


def test_motion_is_log_normal_and_goes_with_age_and_severity() -> None:
    people = everyone_screened()
    log_fd = np.log(people.fd)

    assert log_fd.mean() == pytest.approx(-1.7, abs=0.02)
    assert log_fd.std() == pytest.approx(0.45, abs=0.02)
    assert np.corrcoef(log_fd, people.age)[0, 1] == pytest.approx(0.2, abs=0.03)
    assert np.corrcoef(log_fd, people.severity)[0, 1] == pytest.approx(0.2, abs=0.03)


def test_standard_motion_has_mean_zero_and_unit_variance(many: People) -> None:
    z = standard_fd(many.fd)

    assert z.mean() == pytest.approx(0, abs=0.06)
    assert z.std() == pytest.approx(1, abs=0.06)


def test_age_sex_and_sites_have_their_shares(many: People) -> None:
    assert (many.age.min() >= 18, many.age.max() <= 65) == (True, True)
    assert many.age.mean() == pytest.approx(41.5, abs=0.6)
    assert many.female.mean() == pytest.approx(0.6, abs=0.02)
    assert np.bincount(many.site) / many.n == pytest.approx([0.5, 0.3, 0.2], abs=0.02)


def test_everyone_enrolled_reaches_the_entry_threshold_as_rated(many: People) -> None:
    rated = np.rint(many.severity + many.madrs_error)

    assert rated.min() >= 20
    assert many.severity.min() < 20  # some only by the error of their rating


def test_the_entry_threshold_selects_error_which_is_regression_to_the_mean(many: People) -> None:
    rated_sd = np.hypot(SEVERITY_SD, 1.5)
    at = (19.5 - SEVERITY_MEAN) / rated_sd
    hazard = np.exp(-(at**2) / 2) / np.sqrt(2 * np.pi) / (0.5 * erfc(at / np.sqrt(2)))  # of a truncated normal

    assert many.madrs_error.mean() == pytest.approx(1.5**2 / rated_sd * hazard, abs=0.04)
    assert many.severity.mean() == pytest.approx(SEVERITY_MEAN + SEVERITY_SD**2 / rated_sd * hazard, abs=0.2)


def test_an_entry_threshold_that_nobody_reaches_is_refused() -> None:
    with pytest.raises(SpecError, match=r"entry_threshold: is 59: too few are enrolled; a threshold that more"):
        draw_people(TrialConfig(entry_threshold=59), 1, 50)


def test_order_is_balanced_within_every_site(many: People) -> None:
    for site in range(3):
        first = many.ketamine_first[many.site == site]
        assert abs(first.sum() - (~first).sum()) <= 2


def test_controls_are_well() -> None:
    people = draw_people(TrialConfig(), 1, 100, 100)

    assert people.severity[~people.patient].max() < 12
    assert people.patient.sum() == 100
