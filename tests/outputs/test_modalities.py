"""What each modality adds, as it is shown: nothing *adds* where prediction is not shown, or all others do as well."""

from dataclasses import replace

import numpy as np
import pytest

from workbench.export import read_run, write_run
from workbench.figures import modalities as picture
from workbench.figures.style import look
from workbench.results.modality_words import COLUMNS, answer, in_short, modality_values_table
from workbench.results.sections.modalities import modalities
from workbench.results.summary import abstract


def judged(result, verdict):
    return replace(result, claim=replace(result.claim, verdict=verdict))


def without_lower_limits(result):
    """The same with every ablation's interval reaching below 0."""
    apart = result.scores.modality_values
    values = tuple(
        replace(value, ablation_interval=replace(value.ablation_interval, low=-0.02)) for value in apart.values
    )
    return replace(result, scores=replace(result.scores, modality_values=replace(apart, values=values)))


def test_the_modality_whose_ablation_lies_above_0_adds(shown_result):
    assert answer(shown_result) == "PET adds to all others; this is not shown of the rest."
    table = modality_values_table(shown_result)
    assert table["adds"].tolist() == ["adds", "not shown", "not shown"]
    assert "PET adds to all others" in in_short(shown_result).replace("\N{NO-BREAK SPACE}", " ")
    assert "PET +0." in abstract(shown_result, next_command="next", width=100)


def test_of_two_modalities_one_adds_to_the_other(shown_result):
    apart = shown_result.scores.modality_values
    two = replace(shown_result.scores, modality_values=replace(apart, values=apart.values[:2]))
    run = replace(shown_result, scores=two)
    assert answer(run) == "PET adds to the other; this is not shown of the rest."
    assert in_short(run).endswith("PET adds to the other")


def test_nothing_adds_where_every_ablation_may_be_nothing(shown_result):
    run = without_lower_limits(shown_result)
    assert answer(run).startswith("No modality is shown to add to all others")
    assert in_short(run).endswith("none is shown to add to all others")
    assert set(modality_values_table(run)["adds"]) == {"not shown"}


@pytest.mark.parametrize(
    ("verdict", "why"), [("prediction not shown", "prediction is not shown"), ("not tested", "the run was not tested")]
)
def test_without_prediction_the_numbers_stand_by_name_and_nothing_adds(shown_result, verdict, why):
    run = judged(shown_result, verdict)
    section = modalities(run)
    assert section.answer == f"Nothing is said to add: {why}. The table holds the numbers, which rank nothing."
    assert section.tables[0].marked == frozenset()
    assert "Adds to all others" not in section.tables[0].columns
    assert [row[0] for row in section.tables[0].rows] == ["PET", "connectivity", "task"]
    assert in_short(run) == ""
    assert set(modality_values_table(run)["adds"]) == {""}
    with look():
        assert "rank nothing" in "".join(text.get_text() for text in picture.draw(run).figure.texts).replace("\n", " ")


def test_the_p_is_labelled_as_that_of_the_global_null(shown_result):
    section = modalities(shown_result)
    assert "p (global null)" in section.tables[0].columns
    assert any("It tests that no modality predicts, not that this one is needed." in note for note in section.notes)


def test_each_modality_alone_stands_beside_what_it_adds_to_the_clinical_model(shown_result):
    table = modalities(shown_result).tables[1]
    assert table.columns == ("Modality", "R2 alone, 95 % CI", "Increment over the clinical model, 95 % CI", "p")
    assert table.rows[2][1].startswith("-0.02 (-0.12 to 0.08)")


def test_every_set_of_modalities_has_its_r2_in_the_report(shown_result):
    sets = modalities(shown_result).tables[-1]
    assert len(sets.rows) == 8
    assert sets.rows[0] == ("none (the reference)", "0.00")
    assert sets.rows[-1][0] == "PET + connectivity + task"


def test_those_who_have_every_modality_stand_beside_everyone(shown_result):
    apart = shown_result.scores.modality_values
    beside = replace(apart, n_participants=51, complete=None)
    run = replace(shown_result, scores=replace(shown_result.scores, modality_values=replace(apart, complete=beside)))
    section = modalities(run)
    assert section.tables[2].caption.startswith("The 51 participants who have every modality (R2 ")
    assert any(note.startswith("29 participants lack a modality.") for note in section.notes)
    table = modality_values_table(run)
    assert table["cases"].tolist() == ["everyone"] * 3 + ["complete"] * 3
    assert set(table["adds"].iloc[3:]) == {""}


def test_the_picture_orders_by_value_only_where_prediction_is_shown(shown_result):
    apart = shown_result.scores.modality_values
    turned = replace(apart, values=(replace(apart.values[0], shapley=0.001), *apart.values[1:]))
    run = replace(shown_result, scores=replace(shown_result.scores, modality_values=turned))

    def order(result):
        with look():
            axes = picture.draw(result).figure.axes[0]
        return [label.get_text().split("\n")[0] for label in axes.get_yticklabels()]

    assert order(judged(run, "not tested")) == ["PET", "connectivity", "task"]
    assert order(run)[0] == "connectivity"


def test_values_are_written_and_read_back(shown_result, tmp_path):
    write_run(shown_result, tmp_path)
    again = read_run(tmp_path)
    assert again.scores.modality_values == shown_result.scores.modality_values
    header, *rows = (tmp_path / "modality_values.tsv").read_text().splitlines()
    assert tuple(header.split("\t")) == COLUMNS
    assert len(rows) == 3
    assert np.isclose(float(rows[0].split("\t")[4]), shown_result.scores.modality_values.values[0].shapley, rtol=1e-5)


def test_a_run_of_one_modality_has_none_of_it(null_result):
    assert modalities(null_result) is None
    assert modality_values_table(null_result) is None
    assert in_short(null_result) == ""
    with look():
        assert picture.draw(null_result) is None
