import pytest

from workbench.errors import SpecError
from workbench.knowledge.scales import SCALES, find_instrument, find_scale


@pytest.mark.parametrize(
    ("name", "scoring", "low", "high", "worse"),
    [
        ("MADRS", None, 0, 60, "higher"),
        ("HDRS-17", None, 0, 52, "higher"),
        ("HAMD-6", None, 0, 22, "higher"),
        ("QIDS-SR16", None, 0, 27, "higher"),
        ("BDI-II", None, 0, 63, "higher"),
        ("SHAPS", "14-56", 14, 56, "higher"),
        ("SHAPS", "0-14", 0, 14, "higher"),
        ("SHAPS", "0-42", 0, 42, "higher"),
        ("TEPS-ANT", None, 10, 60, "lower"),
        ("TEPS-CON", None, 8, 48, "lower"),
        ("TEPS", None, 18, 108, "lower"),
        ("MASQ-AD", None, 22, 110, "higher"),
        ("MASQ-AD-D30", None, 10, 50, "higher"),
        ("CADSS", None, 0, 92, "higher"),
        ("DARS", None, 0, 68, "lower"),
    ],
)
def test_scales_have_the_published_range_and_direction(name, scoring, low, high, worse):
    scale = find_scale(name, scoring)
    assert (scale.minimum, scale.maximum, scale.worse) == (low, high, worse)


@pytest.mark.parametrize("spelling", ["HAMD-17", "HAM17", "hdrs17", "HAM-D 17", "Hamd_17", "HRSD-17"])
def test_the_hamilton_scale_is_found_under_every_name(spelling):
    assert find_scale(spelling).name == "HDRS-17"


def test_shaps_without_scoring_is_refused_and_the_scorings_are_named():
    with pytest.raises(SpecError, match=r"SHAPS: scored in several ways.*'14-56', '0-14', '0-42'"):
        find_scale("SHAPS")


def test_a_scoring_that_does_not_exist_is_refused():
    with pytest.raises(SpecError, match=r"SHAPS: scoring '0-60' is not one I know; give scoring = one of '14-56'"):
        find_scale("SHAPS", "0-60")


def test_a_dash_pasted_from_a_paper_is_a_dash():
    assert find_scale("SHAPS", "14 \u2013 56") == find_scale("SHAPS", "14-56")


def test_a_misspelt_scale_names_the_closest_one_and_the_way_to_declare_ones_own():
    with pytest.raises(SpecError, match=r"MADSR: not a scale I know; did you mean 'MADRS'.*\[scales.NAME\]"):
        find_scale("MADSR")


def test_a_scale_that_resembles_none_gets_the_list_of_names_without_every_spelling():
    with pytest.raises(
        SpecError, match=r"XYZZY: not a scale I know; known: MADRS, .*CADSS; a scale of your own"
    ) as error:
        find_scale("XYZZY")
    assert "Montgomery" not in str(error.value)


@pytest.mark.parametrize(
    ("abbreviation", "versions"), [("HAM-D", "HAMD-6, HDRS-17"), ("HDRS", "HAMD-6, HDRS-17"), ("BDI", "BDI-II")]
)
def test_an_abbreviation_of_several_instruments_is_refused_rather_than_guessed(abbreviation, versions):
    with pytest.raises(SpecError, match=f"{abbreviation}: not a scale I know; say which: {versions}"):
        find_scale(abbreviation)


def test_percentages_of_shaps_start_at_its_floor():
    assert find_scale("SHAPS", "14-56").zero == 14
    assert find_scale("SHAPS", "0-14").zero == 0


def test_shaps_has_no_response_rule_because_none_is_agreed():
    assert all(scale.response_fall is None for scale in SCALES["SHAPS"].scorings.values())


def test_remission_on_madrs_is_below_ten_and_other_cut_offs_in_use_are_listed():
    assert find_scale("MADRS").remission_at_most == 9
    assert [rule.at_most for rule in find_instrument("MADRS").remission_rules] == [8, 9, 10, 12]


def test_a_scale_whose_published_cut_offs_disagree_has_no_default():
    assert find_scale("BDI-II").remission_at_most is None
    assert len(find_instrument("BDI-II").remission_rules) == 2


def test_what_nobody_checked_is_marked():
    assert find_scale("MADRS").unverified == ()
    assert "range" in find_scale("MASQ-AD").unverified


def test_only_the_scale_of_the_infusion_itself_is_barred_from_the_predictors():
    barred = {
        scale.name for instrument in SCALES.values() for scale in instrument.scorings.values() if scale.acute_effect
    }
    assert barred == {"CADSS"}


def test_anhedonia_scales_are_flagged():
    flagged = {name for name, i in SCALES.items() if all(scale.anhedonia for scale in i.scorings.values())}
    assert {"SHAPS", "TEPS-ANT", "TEPS-CON", "MASQ-AD", "DARS", "MADRS-ITEM-8"} <= flagged
    assert not flagged & {"MADRS", "HDRS-17", "QIDS-SR16", "BDI-II"}


@pytest.mark.parametrize("scale", [s for i in SCALES.values() for s in i.scorings.values()], ids=lambda s: s.label[:40])
def test_every_scale_is_consistent(scale):
    assert scale.source
    assert scale.minimum < scale.maximum
    assert scale.zero in (0, scale.minimum)
    assert scale.remission_at_most is None or scale.minimum <= scale.remission_at_most < scale.maximum
    assert scale.reliability is None or 0 < scale.reliability <= 1


def test_every_scoring_is_named_by_its_range():
    for instrument in SCALES.values():
        for scoring, scale in instrument.scorings.items():
            assert scoring == f"{scale.minimum:g}-{scale.maximum:g}"


def test_no_two_instruments_share_a_spelling():
    spellings = [n.casefold() for i in SCALES.values() for n in {i.name.casefold(), *map(str.casefold, i.aliases)}]
    assert len(spellings) == len(set(spellings))
