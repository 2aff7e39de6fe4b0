"""Documents say what the run knows; where it knows nothing they say so, and never yes by silence."""

from dataclasses import replace

import pandas as pd
import pytest

from workbench.export import FILES, write_run
from workbench.records import Viewing
from workbench.results.documents import texts
from workbench.results.documents.probast import QUESTIONS, probast_rows
from workbench.results.documents.tripod import ITEMS, tripod_rows
from workbench.results.sections.references import REFERENCES

DOCUMENTS = ("model_card.md", "methods.md", "references.bib", "tripod_ai.tsv", "probast_ai.tsv")


def by(rows, key):
    return {row[key]: row for row in rows}


def answers(result):
    return {row["question"].split("?")[0]: row["answer"] for row in probast_rows(result)}


def test_every_run_writes_them_and_the_dictionary_knows_them(shown_result, null_result, tmp_path):
    for name, result in {"shown": shown_result, "null": null_result}.items():
        write_run(result, tmp_path / name)
        for document in DOCUMENTS:
            assert (tmp_path / name / document).stat().st_size > 100
            assert FILES[document]


def test_every_item_of_tripod_ai_has_a_row_and_the_27_items_are_there(shown_result):
    rows = by(tripod_rows(shown_result), "item")
    assert list(rows) == [item for item, _, _ in ITEMS]
    assert {int(item.rstrip("abcdefg")) for item in rows} == set(range(1, 28))
    assert len(rows) == 52


def test_what_no_run_can_know_is_no_information(shown_result):
    rows = by(tripod_rows(shown_result), "item")
    for item in ("3a", "3c", "5b", "8c", "17", "18a", "18b", "19", "27c"):
        assert (rows[item]["status"], rows[item]["text"]) == ("no information", "")


def test_what_the_run_knows_is_filled_with_its_numbers(shown_result):
    rows = by(tripod_rows(shown_result), "item")
    assert rows["12a"]["status"] == "from the run"
    assert rows["12a"]["text"].startswith("20 x 5-fold")
    assert "R2 0.41" in rows["23a"]["text"] or f"{shown_result.scores.performance.r2:.2f}" in rows["23a"]["text"]
    assert "80 participants, 138 features" in rows["10"]["text"]
    assert "no MADRS at ses-d2" in rows["20a"]["text"]
    assert rows["18c"]["status"] == "no information"


def test_no_document_names_a_participant(shown_result):
    ids = set(shown_result.predictions["participant_id"]) | {"sub-0901", "sub-0904"}
    made = "\n".join([*texts(shown_result).values(), str(tripod_rows(shown_result)), str(probast_rows(shown_result))])
    assert not [one for one in ids if one in made]


def test_a_result_that_says_nothing_is_answered_no_information_throughout(shown_result):
    silent = replace(
        shown_result,
        claim=replace(shown_result.claim, verdict="not tested"),
        scores=replace(
            shown_result.scores,
            sensitivity=type(shown_result.scores.sensitivity)(),
            blind_fits=0,
            n_features=6,
            performance=replace(shown_result.scores.performance, interval=None),
        ),
    )
    given = {answer for question, answer in answers(silent).items() if "measures of performance" not in question}
    assert given == {"no information"}
    assert answers(silent)["Were relevant measures of performance evaluated, calibration among them"] == "probably no"


def test_yes_is_said_only_where_evidence_stands_beside_it(shown_result):
    with_evidence = replace(shown_result, scores=replace(shown_result.scores, blind_fits=7))
    rows = probast_rows(with_evidence)
    assert len(rows) == len(QUESTIONS)
    assert all(row["evidence"] for row in rows if "yes" in row["answer"])
    assert answers(with_evidence)["Were overfitting and optimism accounted for"] == "yes"
    assert answers(with_evidence)["Were all enrolled participants included in the analysis"] == "no"


def test_few_participants_for_many_features_are_a_risk_of_bias(shown_result):
    question = "Was the number of participants reasonable for the number of candidate features"
    for n_features, expected in ((138, "probably no"), (5, "no information"), (4, "probably yes")):
        scores = replace(shown_result.scores, n_features=n_features)
        assert answers(replace(shown_result, scores=scores))[question] == expected


def test_the_model_card_of_a_run_that_does_not_predict_says_that_there_is_nothing_to_use(null_result, shown_result):
    card = texts(null_result)["model_card.md"]
    assert "none: there is nothing to use" in card
    assert "Not for: predicting anybody" in card
    assert "Not for: predicting anybody" not in texts(shown_result)["model_card.md"]
    assert "Ethical approval: no information" in card


def test_names_of_a_study_are_text_in_the_model_card_and_never_markup(shown_result):
    asked = replace(shown_result.scores, question="[Does](javascript:x) <script>it</script> work?\n# Yes")
    card = texts(replace(shown_result, scores=asked))["model_card.md"]
    assert "<script>" not in card
    assert "[Does](" not in card
    assert "\n# Yes" not in card


def test_every_paper_that_the_methods_cite_is_in_the_bibliography(shown_result):
    made = texts(shown_result)
    cited = [key for key in REFERENCES if key in made["methods.md"].split("## References")[0]]
    assert len(cited) >= 6
    for key in cited:
        assert f"@article{{{key.replace(' ', '').lower()}," in made["references.bib"]


def test_a_frozen_plan_is_told_in_part_since_nobody_knows_of_a_registration(shown_result):
    viewing = Viewing(number=1)
    rows = by(tripod_rows(replace(shown_result, scores=replace(shown_result.scores, viewing=viewing))), "item")
    assert rows["18c"]["status"] == "no information"


def test_the_tables_open_in_pandas(shown_result, tmp_path):
    write_run(shown_result, tmp_path)
    for name, column in (("tripod_ai.tsv", "item"), ("probast_ai.tsv", "question")):
        table = pd.read_csv(tmp_path / name, sep="\t")
        assert table[column].notna().all()


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_report_names_the_document(name, shown_result):
    from workbench.results.sections import report_of

    (section,) = [each for each in report_of(shown_result).sections if each.name == "documents"]
    assert any(name in file for file, _ in section.facts)
