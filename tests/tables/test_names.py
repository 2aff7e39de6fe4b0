import pytest

from workbench.tables.names import looks_like_outcome


@pytest.mark.parametrize(
    ("name", "suspicious"),
    [
        ("stop_signal_response", False),
        ("bdi_baseline", False),
        ("percent_signal_change_vs", False),
        ("Left-Accumbens-area", False),
        ("delta_band_power", False),
        ("D2_binding_VS", False),
        ("NAcc_ses-d2", True),
        ("ses-b0_NAcc", False),
        ("MADRS_d2", True),
        ("shaps_total_48h", True),
        ("delta_MADRS", True),
        ("CADSS", True),
        ("remission_week1", True),
    ],
)
def test_names_are_judged_by_rating_and_time_together(make_cohort, name, suspicious):
    assert bool(looks_like_outcome(name, make_cohort(4))) is suspicious
