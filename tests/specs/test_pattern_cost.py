"""Regular expressions that could take for ever are refused, and those that labs write are not."""

import pytest

from workbench.specs.column_names import pattern_findings
from workbench.specs.pattern_cost import slowness_of


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        (r"(?P<feature>(a+)+)_x", "repeats a part that itself repeats"),
        (r"(?P<feature>(?:\w+\s?)*)_x", "repeats a part that itself repeats"),
        (r"(?P<feature>((a{2,})b?)*)_x", "repeats a part that itself repeats"),
        (r"(?P<feature>(?=(a+)+)x)", "repeats a part that itself repeats"),
        (r"(?P<feature>(?:a|aa)+)_x", "alternatives"),
        (r"(?P<feature>.*.*.*)x", "3 parts of any length follow one another"),
        (r"(?P<feature>.*)(?P<region_a>.*)(?:_?)(?P<session>.*)x", "3 parts of any length follow one another"),
    ],
)
def test_a_pattern_that_could_take_for_ever_is_refused_with_the_reason(pattern, reason):
    finding = next(iter(pattern_findings(pattern, ("columns_pattern",))))
    assert finding.key == ("columns_pattern",)
    assert reason in finding.found
    assert "such as" in finding.hint


@pytest.mark.parametrize(
    "pattern",
    [
        r"(?P<feature>.+)_(?P<session>bl|48h)",
        r"(?P<contrast>win|loss)_(?P<feature>.+)_(?P<session>BL|48h)",
        r"(?P<session>.+)_madrs_(?P<item>\d+)",
        r"(?P<region_a>.+)_(?P<region_b>.+)_(?P<session>.+)",
        r"(?P<feature>.+?)(?P<session>\d+)",
        r"(?P<feature>\w{3})_(?P<session>(?:bl|w)\d{1,2})",
        r"(?P<feature>(?:\w\w){1,4})_(?P<session>.)",
    ],
)
def test_patterns_that_labs_write_are_taken(pattern):
    assert slowness_of(pattern) == ""
