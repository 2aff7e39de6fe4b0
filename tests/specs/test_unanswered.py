"""A drafted file with open questions asks them, one problem each, and nothing else of it is read."""

from workbench.specs.reading import examine_cohort
from workbench.specs.unanswered import unanswered

DRAFT = """\
# question: which column holds the ids: "a" or "b"?
#    Both have no two rows alike.
id = "?"
# guessed: "observational" because nothing is after treatment; check it
design = "?"
missing = ["?", ""]
nonsense = 3

[arms]
active = "ketamine"
codes = { "?" = "ketamine" }
"""


def test_each_question_is_one_problem_with_what_is_asked(tmp_path):
    path = tmp_path / "features" / "cohort.toml"
    path.parent.mkdir()
    path.write_text(DRAFT)
    reading = examine_cohort(path)
    assert reading.spec is None
    first, second = reading.problems
    assert first.place == "features/cohort.toml: id"
    assert first.hint == 'which column holds the ids: "a" or "b"? Both have no two rows alike.'
    assert second.place == "features/cohort.toml: design"
    assert second.hint == "", "a comment that is no question is none"


def test_a_question_mark_may_be_a_code_of_the_data():
    values = {"missing": ["?", ""], "arms": {"codes": {"k": "?"}}}
    assert unanswered('missing = ["?", ""]\n[arms]\ncodes = { k = "?" }\n', values, "cohort.toml") == []
