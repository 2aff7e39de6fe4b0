"""Items of a rating scale are held to their own ranges: a sum that is possible hides answers that are not."""

import numpy as np
import pytest

from workbench.errors import SourceError
from workbench.knowledge.scales import SCALES
from workbench.sources.cohort.items import ItemRules, highest_answers
from workbench.specs.cohort import CohortSpec

MADRS = tuple(f"madrs_{number}" for number in range(1, 11))
HAMD = tuple(f"hamd{number}" for number in range(1, 18))


def ratings(columns, answers):
    lines = ["\t".join(["participant_id", "session_id", *columns])]
    lines += ["\t".join([f"000{at}", "ses-b0", *map(str, row)]) for at, row in enumerate(answers, 1)]
    return "\n".join(lines) + "\n"


@pytest.fixture
def read(cohort_of, write):
    def read_items(columns, answers, listed=None, scale="MADRS", **score):
        write("items.tsv", ratings(columns, answers))
        said = {"file": "items.tsv", "session": "session_id", "column": tuple(listed or columns)} | score
        return cohort_of(scores={scale: said}).scores["value"].tolist()

    return read_items


@pytest.mark.parametrize(
    ("name", "scoring"),
    [(name, scoring) for name, each in SCALES.items() for scoring, scale in each.scorings.items() if scale.items],
)
def test_the_ranges_of_the_items_add_up_to_the_range_of_the_scale(name, scoring):
    scale = SCALES[name].scorings[scoring]
    assert sum(scale.items) == scale.maximum
    assert scale.lowest_item * len(scale.items) == scale.minimum


def test_answers_that_every_item_allows_are_summed(read):
    assert read(MADRS, [[3] * 10, [0] * 9 + [6]]) == [30.0, 6.0]


@pytest.mark.parametrize("answer", [9, 7, -1, 2.5, 99])
def test_an_answer_that_no_item_allows_is_refused_with_line_item_and_participant(read, answer):
    row = [2, 2, 2, 2, answer, 2, 2, 2, 2, 2]
    with pytest.raises(SourceError, match=rf"line 3, column 'madrs_5', sub-0002 ses-b0: the answer is {answer:g}, "):
        read(MADRS, [[3] * 10, row])


def test_the_advice_is_not_to_make_the_number_missing_everywhere(read):
    with pytest.raises(SourceError) as error:
        read(MADRS, [[9] + [2] * 9])
    assert "missing =" not in str(error.value)
    assert "write a missing code in that cell" in str(error.value)


def test_every_such_answer_is_counted(read):
    with pytest.raises(SourceError, match=r"and 30 more answers that no item of MADRS allows"):
        read(MADRS, [[9] * 10] * 4)


def test_an_item_that_ends_at_two_is_known_in_any_order_of_the_columns(read):
    shuffled = tuple(sorted(HAMD))
    answers = dict.fromkeys(HAMD, 0) | {"hamd4": 3, "hamd1": 4}
    with pytest.raises(SourceError, match=r"column 'hamd4', .* the answer is 3, and the item goes from 0 to 2"):
        read(shuffled, [[answers[column] for column in shuffled]], scale="HDRS-17")


def test_names_without_numbers_are_taken_in_the_order_that_is_listed():
    items = SCALES["HAMD-6"].scorings["0-22"].items
    words = ("mood", "guilt", "work", "retardation", "psychic_anxiety", "somatic")
    assert highest_answers(words, items).tolist() == [4, 4, 4, 4, 4, 2]


def test_the_items_of_a_part_are_known_by_their_numbers_in_the_whole():
    items = SCALES["HAMD-6"].scorings["0-22"].items
    columns = ("hamd_13", "hamd_1", "hamd_2", "hamd_7", "hamd_8", "hamd_10")
    assert highest_answers(columns, items).tolist() == [2, 4, 4, 4, 4, 4]


def test_numbers_that_cannot_be_told_apart_allow_what_the_widest_item_does():
    assert highest_answers(("a1", "b1"), (4, 2)).tolist() == [4, 4]


@pytest.mark.parametrize(("scoring", "answer"), [("0-14", 3), ("14-56", 0), ("0-42", 4)])
def test_items_of_another_scoring_are_refused(read, scoring, answer):
    columns = tuple(f"shaps_{number}" for number in range(1, 15))
    with pytest.raises(SourceError, match=r"column 'shaps_2', sub-0001"):
        read(columns, [[1, answer] + [1] * 12], scale="SHAPS", scoring=scoring)


def test_missing_items_leave_the_total_out_and_are_no_problem(read):
    assert read(MADRS, [[3] * 10, ["n/a"] + [2] * 9]) == [30.0]


def test_a_list_that_lacks_an_item_is_refused_before_any_file_is_read():
    with pytest.raises(ValueError, match=r"names 9 items, and MADRS has 10"):
        spec_of(MADRS[:9])


def test_a_total_that_is_no_sum_of_its_items_is_refused_before_any_file_is_read():
    with pytest.raises(ValueError, match=r"the total of QIDS-SR16 is not the sum of its items; name the column"):
        spec_of(tuple(f"qids{number}" for number in range(1, 17)), scale="QIDS-SR16")


def spec_of(columns, scale="MADRS", **more):
    score = {"file": "items.tsv", "session": "session_id", "column": columns}
    said = {"design": "observational", "sessions": {"ses-b0": {"phase": "before"}}, "scores": {scale: score}}
    return CohortSpec.model_validate(said | more)


OWN = {"minimum": 0, "maximum": 9, "worse": "higher", "source": "ours", "items": (3, 3, 3)}


def test_items_of_a_scale_of_ones_own_are_held_to_theirs(cohort_of, write):
    write("items.tsv", ratings(("a", "b", "c"), [[1, 2, 3], [1, 1, 5]]))
    score = {"file": "items.tsv", "session": "session_id", "column": ("a", "b", "c")}
    with pytest.raises(SourceError, match=r"line 3, column 'c', sub-0002 ses-b0: the answer is 5"):
        cohort_of(scores={"OWN": score}, scales={"OWN": OWN})


def test_items_that_do_not_add_up_to_the_range_are_refused():
    with pytest.raises(ValueError, match=r"items: sum to 6, and the maximum is 9"):
        spec_of(("a", "b"), scale="OWN", scales={"OWN": OWN | {"items": (3, 3)}})


def test_a_total_in_one_column_is_not_taken_for_an_item(cohort_of, write):
    write("items.tsv", ratings(("MADRS",), [[31], [22]]))
    cohort = cohort_of(scores={"MADRS": {"file": "items.tsv", "session": "session_id", "column": "MADRS"}})
    np.testing.assert_array_equal(cohort.scores["value"], [31, 22])


@pytest.mark.parametrize(
    ("scale", "columns", "expected"),
    [
        ("MADRS", MADRS, 8.0),
        ("MADRS", tuple(reversed(MADRS)), 3.0),
        ("MADRS", tuple("abcdefghij"), 8.0),
        ("HDRS-17", HAMD, 1.0),
    ],
)
def test_the_items_that_ask_for_anhedonia_are_known_by_number_or_place(scale, columns, expected):
    rules = ItemRules(SCALES[scale].scorings[next(iter(SCALES[scale].scorings))])
    answers = np.arange(1, len(columns) + 1, dtype=float)
    assert rules.anhedonia(columns, np.where(answers == 7, 1.0, answers)) == expected


@pytest.mark.parametrize("columns", [("total",), MADRS[:9], (*MADRS[:9], "mood")])
def test_columns_that_do_not_tell_the_items_apart_give_no_anhedonia(columns):
    assert ItemRules(SCALES["MADRS"].scorings["0-60"]).anhedonia(columns, np.ones(len(columns))) is None


def test_the_cohort_keeps_the_items_that_ask_for_anhedonia_beside_the_total(cohort_of, write):
    write("items.tsv", ratings(MADRS, [[1, 2, 3, 4, 5, 6, 0, 4, 1, 2]]))
    said = {"file": "items.tsv", "session": "session_id", "column": MADRS}
    assert dict(cohort_of(scores={"MADRS": said}).anhedonia_items) == {("sub-0001", "ses-b0", "MADRS"): 4.0}
