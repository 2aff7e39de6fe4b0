"""The course over time in pictures, tables, sentences and the report."""

from dataclasses import replace

import pytest

from workbench.export.writing import write_run
from workbench.figures import draw_picture
from workbench.records import ApartFrom, AtSession, Course, CourseMean
from workbench.results.over_time import apart_from, checks, durability
from workbench.results.sections import over_time as sections

MEANS = tuple(
    CourseMean(arm, session, hours, n, 40, mean, mean - 2, mean + 2)
    for arm, shift in (("ketamine", 0), ("placebo", 6))
    for session, hours, n, mean in (("b0", 0.0, 40, 30.0), ("d2", 48.0, 38, 18.0 + shift), ("d10", 240.0, 31, 24.0))
)
ELSEWHERE = (
    AtSession("d2", 48.0, 38, 0.3, 0.9, 0.5, 1.2, 0.0, 0.0, 0.0, "predicted"),
    AtSession("d10", 240.0, 31, -0.1, 0.1, -0.2, 0.4, 0.8, 0.4, 1.1, "lost"),
)


@pytest.fixture(scope="module")
def over_time(shown_result):
    scores = shown_result.scores
    course = Course("MADRS", MEANS, ELSEWHERE, (("kept", 9), ("lost", 12), ("late", 2), ("never", 8)))
    apart = ApartFrom("HDRS-17", "fall in HDRS-17", "which is one thing", 0.6, scores.performance, 0.02)
    sensitivity = replace(scores.sensitivity, course=course)
    return replace(shown_result, scores=replace(scores, sensitivity=sensitivity, apart_from=apart))


@pytest.mark.parametrize("name", ["course", "durability"])
def test_there_is_a_picture_where_there_is_a_course_and_none_elsewhere(over_time, shown_result, tmp_path, name) -> None:
    assert draw_picture(name, result=shown_result, folder=tmp_path) == ()
    assert {path.name for path in draw_picture(name, result=over_time, folder=tmp_path)} >= {
        f"{name}.png",
        f"{name}.svg",
    }


def test_the_report_counts_who_dropped_out_and_says_what_is_lost(over_time) -> None:
    section = sections.course(over_time)
    assert (
        section.answer
        == "What is predicted is weaker and may be gone at d10 (slope 0.10, 95 % CI -0.20 to 0.40, n = 31)."
    )
    means, kinds, slopes = section.tables
    assert means.rows[2][:5] == ("ketamine", "d10", "240", "31", "9")
    assert [row[2] for row in kinds.rows] == ["9", "12", "2", "8"]
    assert slopes.rows[1][-1] == "is weaker and may be gone"


def test_nothing_is_said_tabled_or_drawn_of_other_sessions_where_prediction_is_not_shown(over_time, tmp_path) -> None:
    scores = over_time.scores
    test = replace(scores.test, p=0.4)
    chance = replace(over_time, scores=replace(scores, test=test, p_family=0.4, viewing=None))
    section = sections.course(chance)
    assert (section.answer, len(section.tables), durability(chance.scores)) == ("", 2, "")
    assert draw_picture("durability", result=chance, folder=tmp_path) == ()
    assert len(checks(chance.scores)) == 1


def test_raw_and_adjusted_stand_side_by_side(over_time, shown_result) -> None:
    section = sections.apart(over_time)
    assert [row[0] for row in section.tables[0].rows] == ["not shared with the fall in HDRS-17", "as it is"]
    assert "uncorrected p = .02" in apart_from(over_time.scores)
    assert sections.apart(shown_result) is None
    assert apart_from(shown_result.scores) == durability(shown_result.scores) == ""


def test_the_abstract_says_in_a_few_words_what_is_lost(over_time) -> None:
    lost, raw = checks(over_time.scores)
    assert (lost.held, lost.words) == (False, "at d10: is weaker and may be gone")
    assert raw.words.startswith("HDRS-17 not held fixed: R2 ")


def test_both_tables_are_written_with_every_column_explained(over_time, tmp_path) -> None:
    names = {path.name for path in write_run(over_time, tmp_path)}
    assert {"course.tsv", "durability.tsv"} <= names
    assert (tmp_path / "course.tsv").read_text().splitlines()[3] == "ketamine\td10\t240.0\t31\t40\t9\t24.0\t22.0\t26.0"


def test_scores_with_a_course_are_read_back(over_time, tmp_path) -> None:
    from workbench.export import read_run

    write_run(over_time, tmp_path)
    scores = read_run(tmp_path).scores
    assert scores.sensitivity.course == over_time.scores.sensitivity.course
    assert scores.apart_from.name == "fall in HDRS-17"
