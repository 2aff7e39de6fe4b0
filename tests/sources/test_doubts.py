"""What is doubtful about a column of the study is known when it is read, and refused where it is used."""

import pytest

from workbench.errors import SourceError
from workbench.sources.cohort.doubts import alike

SPELLINGS = [
    ("M", "m"),
    ("M", "male"),
    ("Male", "man"),
    ("F", "W"),
    ("female", "weiblich"),
    ("Leiden", "leiden"),
    ("Leiden", "LEIDEN."),
    ("Leiden", "Leiden\u200b"),
    ("New York", "New  York"),
    ("New York", "new_york"),
    ("Zürich", "Zu\u0308rich"),
    ("Zürich", "Zurich"),
    ("1", "1.0"),
    ("1", "01"),
    ("yes", "Y"),
    ("left", "L"),
    ("ketamine", "Ketamine"),
    ("Ａ", "A"),  # noqa: RUF001
]


@pytest.mark.parametrize(("one", "other"), SPELLINGS)
def test_levels_that_are_one_level_look_alike(one, other):
    assert alike([one, "something else", other]) == [[one, other]]


@pytest.mark.parametrize(
    "levels",
    [
        ["M", "F"],
        ["A", "B", "AB", "0"],
        ["A+", "A-", "A"],
        ["B", "B-", "B+"],
        ["site 1", "site 2", "site 11"],
        ["1-2", "12", "1.2"],
        ["<5", ">5", "5"],
        ["10", "100"],
        ["ketamine", "esketamine"],
        ["ses-1", "ses-2"],
    ],
)
def test_levels_that_differ_do_not_look_alike(levels):
    assert alike(levels) == []


def doubts(cohort_of, column, cells, **declared):
    lines = [f"{number}\t{cell}" for number, cell in enumerate(cells, 1)]
    spec = {"columns": {column: declared}} if declared else {}
    text = "\n".join([f"participant_id\t{column}", *lines]) + "\n"
    cohort = cohort_of(text, design="observational", arms=None, sessions={}, site=None, **spec)
    return list(cohort.doubts.get(column, ()))


def test_spellings_come_with_how_often_they_are_there_and_the_codes_that_make_them_one(cohort_of):
    (problem,) = doubts(cohort_of, "sex", ["M", "M", "m", "male", "F", "f"])
    assert "'M' (2), 'm' (1), 'male' (1)" in problem.found or "'f' (1)" in problem.found
    assert '[columns.sex] codes = { "M" = "M", "m" = "M"' in problem.hint


def test_the_codes_that_are_proposed_settle_the_matter(cohort_of):
    import tomllib

    cells = ["M", "M", "m", "male", "F", "f", "F"]
    problems = doubts(cohort_of, "sex", cells)
    for _ in range(len(problems)):
        written = problems[0].hint.partition("[columns.sex] codes = ")[2]
        codes = tomllib.loads(f"codes = {written}")["codes"]
        problems = doubts(cohort_of, "sex", cells, codes=codes)
        if not problems:
            break
    assert problems == []


@pytest.mark.parametrize(
    ("cell", "what"), [("89+", "a limit"), ("4O", "a letter"), ("\u22124", "U+2212"), ("41,5", "comma")]
)
def test_one_strange_cell_among_numbers_is_told_with_its_line(cohort_of, cell, what):
    (problem,) = doubts(cohort_of, "age", ["30", "41", "52", cell, "30"])
    assert f"is read as text because of {cell!r} (line 5) of participants.tsv" in problem.found
    assert what in problem.hint
    assert '[columns.age] type = "categorical"' in problem.hint


@pytest.mark.parametrize(
    "cells", [["30", "41", "52", "89+"], ["9", "12", "12", "16", "9", "20+"], ["1", "2", "3", "x"]]
)
def test_few_numbers_and_many_are_treated_alike(cohort_of, cells):
    assert len(doubts(cohort_of, "educ", cells)) == 1


@pytest.mark.parametrize(
    "cells", [["1", "2", "3", "4"] * 3, ["0", "1", "2"] * 2, ["10", "20", "30"] * 4, ["-1", "0", "1"] * 2]
)
def test_few_whole_numbers_may_be_codes(cohort_of, cells):
    (problem,) = doubts(cohort_of, "scanner", cells)
    assert "codes or amounts?" in problem.found
    assert '[columns.scanner] type = "categorical" for codes, type = "number" for amounts' in problem.hint


@pytest.mark.parametrize(
    "declared", [{"type": "number"}, {"type": "categorical"}, {"codes": {"1": "A", "2": "B", "3": "C"}}]
)
def test_what_was_said_once_is_not_asked_again(cohort_of, declared):
    assert doubts(cohort_of, "scanner", ["1", "2", "3"] * 3, **declared) == []


@pytest.mark.parametrize(
    "cells",
    [
        ["0", "1"] * 4,
        ["1.5", "2.5", "3.5"] * 3,
        [str(number) for number in range(20, 40)],
        ["30", "41", "52", "n/a"],
        ["M", "F"] * 3,
        ["1a", "2b", "3c", "4"],
    ],
    ids=["two", "halves", "ages", "missing", "sex", "mostly words"],
)
def test_plain_columns_are_beyond_doubt(cohort_of, cells):
    assert doubts(cohort_of, "column", cells) == []


def test_sites_and_families_are_looked_at_under_their_own_names(cohort_of):
    text = "participant_id\tcentre\tkin\n1\tLeiden\t1\n2\tleiden\t1.0\n3\tUtrecht\tb\n"
    cohort = cohort_of(text, design="observational", arms=None, sessions={}, site="centre", family="kin")
    assert "'Leiden' (1), 'leiden' (1)" in cohort.doubts["site"][0].found
    assert "'1' (1), '1.0' (1)" in cohort.doubts["family"][0].found


def test_codes_of_the_site_column_make_its_spellings_one(cohort_of):
    text = "participant_id\tcentre\n1\tLeiden\n2\tleiden\n3\tUtrecht\n"
    codes = {"Leiden": "Leiden", "leiden": "Leiden", "Utrecht": "Utrecht"}
    changes = {"design": "observational", "arms": None, "sessions": {}, "site": "centre"}
    cohort = cohort_of(text, columns={"centre": {"codes": codes}}, **changes)
    assert cohort.participants["site"].tolist() == ["Leiden", "Leiden", "Utrecht"]
    assert cohort.doubts["site"] == ()


@pytest.mark.parametrize("code", ["999", "-999", "-9", "9999", "-99.0"])
def test_a_usual_code_for_missing_far_from_all_other_values_is_told(cohort_of, code):
    (doubt,) = doubts(cohort_of, "age", ["30", "41", "52.5", code, "33"])
    assert "(line 5), far from all other values (30 to 52.5)" in doubt.found
    assert doubts(cohort_of, "age", ["30", "41", "52.5", code, "33"], type="number") == []


@pytest.mark.parametrize("cells", [["80", "99", "101.5", "77"], ["-9", "-8.5", "-11", "3"], ["900", "999", "1010.5"]])
def test_a_number_like_a_code_among_its_likes_is_a_number(cohort_of, cells):
    assert doubts(cohort_of, "score", cells) == []


@pytest.mark.parametrize("word", ["Mean", "SD", "total"])
def test_a_row_of_a_summary_is_nobody(cohort_of, word):
    text = f"participant_id\tage\n1\t30\n2\t40\n{word}\t35\n"
    with pytest.raises(SourceError, match=rf"line 4 is of '{word}', not of a participant"):
        cohort_of(text, design="observational", arms=None, sessions={}, site=None)
