"""The report of a run: one page that needs no other, in which every question is answered by the record of the run."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from markupsafe import escape

from workbench.export import read_run, write_run
from workbench.figures import draw_run
from workbench.pipeline.reports import html_of
from workbench.records import Contribution, ReportTable
from workbench.reporting.page import (
    LONGEST,
    THEME_COLOURS,
    bars,
    breakable,
    is_numeric,
    report_html,
    with_theme_colours,
)
from workbench.results.sections import report_of
from workbench.results.sections.background import methods_text
from workbench.results.sections.references import REFERENCES, bibtex


class Page(HTMLParser):
    """Tags, ids and links of a page, and whether every tag is closed."""

    VOID = frozenset({"meta", "link", "br", "wbr", "img", "input", "use", "path", "rect", "circle", "line", "polyline"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.addresses: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        own = dict(attrs)
        if "id" in own:
            self.ids.append(own["id"] or "")
        for name in ("src", "href", "xlink:href", "action"):
            if name in own:
                (self.links if (own[name] or "").startswith("#") else self.addresses).append(own[name] or "")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()


@pytest.fixture(scope="module")
def made(shown_result, tmp_path_factory) -> tuple[str, Path]:
    folder = tmp_path_factory.mktemp("run")
    write_run(shown_result, folder, run_id="1" * 32)
    draw_run(shown_result, folder / "figures")
    return html_of(folder, run_id="1" * 32), folder


def test_the_report_asks_nothing_of_the_network_and_forbids_it(made):
    page = Page(made[0])
    assert page.open == []
    assert [address for address in page.addresses if not address.startswith("data:")] == []
    assert "url(http" not in made[0]
    assert "@import" not in made[0]
    assert "default-src 'none'" in made[0]
    assert len(made[0]) < 10_000_000


def test_every_link_in_the_report_leads_somewhere_and_no_id_stands_twice(made):
    page = Page(made[0])
    assert {link.removeprefix("#") for link in page.links} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))


def test_the_report_begins_with_verdict_and_question_and_why_the_claim_is_not_stronger(made, shown_result):
    text = re.sub(r"<[^>]+>", " ", html.unescape(made[0][made[0].index("<main>") :]))
    words = " ".join(text.split())
    verdict = words.index(f"{shown_result.claim.verdict}, {shown_result.claim.kind}")
    assert verdict < words.index(shown_result.scores.question) < words.index("Who is this about?")
    for reason in shown_result.claim.reasons:
        assert reason[1:] in words[: words.index("Who is this about?")]


def test_every_figure_of_the_run_stands_in_the_report_in_the_colours_of_the_page(made):
    drawn = {path.stem for path in (made[1] / "figures").glob("*.svg") if not path.stem.endswith("-dark")}
    assert len(re.findall(r"<figure><svg", made[0])) == len(drawn) > 5
    body = made[0][made[0].index("<main>") :]
    assert not any(colour in body.lower() for colour in THEME_COLOURS)
    assert "var(--blue)" in body


def test_colours_of_the_figures_are_those_of_the_page():
    from workbench.figures.style import DARK

    assert {colour.lower() for colour in DARK.colours} == set(THEME_COLOURS)


def test_ids_inside_a_drawing_become_its_own():
    svg = '<?xml?><svg aria-labelledby="title desc"><title id="title">a</title><path id="p" style="fill: #0072B2"/>'
    svg += '<use xlink:href="#p"/><g clip-path="url(#p)"/></svg>'
    assert with_theme_colours(svg, "flow") == (
        '<svg aria-labelledby="flow-title flow-desc"><title id="flow-title">a</title>'
        '<path id="flow-p" style="fill: var(--blue)"/><use xlink:href="#flow-p"/><g clip-path="url(#flow-p)"/></svg>'
    )


def test_what_a_study_says_is_text_in_the_report_and_never_markup(shown_result):
    question = 'Does <script>alert(1)</script> & "x" predict?'
    scores = replace(shown_result.scores, question=question, outcome="<img src=x onerror=alert(1)>")
    page = report_html(report_of(replace(shown_result, scores=scores)))
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert html.escape("<script>alert(1)</script>") in page


def test_contributions_of_circuits_add_up_to_what_is_explained_for_every_participant(made, shown_result):
    report = report_of(shown_result)
    (individuals,) = [section for section in report.sections if section.name == "individuals"]
    assert len(individuals.participants) == shown_result.scores.n_participants
    shap = shown_result.shap.set_index("participant_id")
    names = [column for column in shap if column not in ("session", "base")]
    for page in individuals.participants:
        row = shap.loc[page.participant_id]
        total = page.base + sum(each.value for each in page.contributions)
        assert total == pytest.approx(row["base"] + row[names].sum(), abs=1e-9)
        assert all(
            abs(a.value) >= abs(b.value) for a, b in zip(page.contributions, page.contributions[1:], strict=False)
        )


def test_nothing_is_ranked_or_explained_where_prediction_is_not_shown(null_result):
    report = report_of(null_result)
    sections = {section.name: section for section in report.sections}
    assert not report.shown
    assert sections["explanations"].answer == "Nothing is ranked: the model does not predict held-out participants."
    assert sections["explanations"].pictures == ()
    assert sections["candidates"].answer.startswith("None: candidates are listed only where")
    assert not any(page.contributions for page in sections["individuals"].participants)
    assert not any("SHAP" in column for table in sections["explanations"].tables for column in table.columns)


def test_a_report_read_again_from_files_is_the_one_that_was_written(shown_result, made):
    report = report_of(shown_result)
    again = report_of(read_run(made[1]))
    assert [section.name for section in again.sections] == [section.name for section in report.sections]
    assert again.numbers == report.numbers
    assert again.reasons == report.reasons


def test_every_row_of_the_claim_gate_stands_in_the_report(shown_result):
    from workbench.results.requirements import gate_rows

    (section,) = [each for each in report_of(shown_result).sections if each.name == "requirements"]
    assert [row[0] for row in section.tables[0].rows] == [row.requirement for row in gate_rows(shown_result.scores)]


def test_methods_cite_only_papers_that_are_in_the_list_of_references(shown_result, null_result, binary_result):
    for result in (shown_result, null_result, binary_result):
        text, keys = methods_text(result)
        assert set(keys) <= set(REFERENCES)
        for key in keys:
            assert key in text or key.replace(" ", " ") in text
    assert bibtex(["Haufe 2014", "Haufe 2014"]).count("@article{haufe2014,") == 1


def test_bars_are_as_long_as_their_values_around_the_middle():
    drawn = bars([Contribution("a", 2.0), Contribution("b", -1.0), Contribution("c", 0.0)])
    assert [(bar.left, bar.width, bar.raises) for bar in drawn] == [(50, 50, True), (25, 25, False), (50, 0, True)]
    assert [bar.value for bar in drawn] == ["+2.00", "-1.00", "+0.00"]


def test_columns_of_numbers_are_told_from_columns_of_words():
    rows = ReportTable(("a", "b", "c"), (("1.5 (0.1 to 2)", "site-1", ""), (".04", "2 sites", ""))).rows
    assert [is_numeric(rows, column) for column in range(3)] == [True, False, False]


def test_spread_of_predictions_is_over_the_repeats(shown_result):
    (individuals,) = [each for each in report_of(shown_result).sections if each.name == "individuals"]
    page = individuals.participants[0]
    own = shown_result.predictions.query("participant_id == @page.participant_id")["predicted"]
    assert f"{np.round(own.mean(), 1):.1f}" in dict(page.facts)["Predicted"]
    assert f"over {len(own)} repeats" in dict(page.facts)["Predicted"]


def test_what_is_long_is_folded_and_nothing_of_it_is_left_out(made, shown_result):
    page = made[0].replace("<wbr>", "")
    assert len(shown_result.predictions["participant_id"].unique()) > LONGEST
    tables = [table for section in report_of(shown_result).sections for table in section.tables]
    assert min(len(table.rows) for table in tables) <= LONGEST < max(len(table.rows) for table in tables)
    for table in tables:
        folded = f"<summary>{escape(table.caption)} ({len(table.rows)} rows)</summary>"
        assert (folded in page) == (len(table.rows) > LONGEST)
        assert all(str(escape(cell)) in page for row in table.rows for cell in row)
        assert f'aria-label="{escape(table.caption)}"' in page or not table.caption
    assert page.count('<details class="participant"') == shown_result.scores.n_participants
    assert f"<summary>All {shown_result.scores.n_participants} participants</summary>" in page


def test_long_names_may_be_broken_and_stay_text():
    assert breakable("pet:<b>VentralStriatum->PCC") == "pet:&lt;b&gt;VentralStriatum<wbr>-&gt;PCC"
    assert breakable("0.41 (0.1 to 0.7)") == "0.41 (0.1 to 0.7)"


def test_folded_parts_are_printed_and_closed_again(made):
    assert "beforeprint" in made[0]
    assert "afterprint" in made[0]
    assert "details::details-content { content-visibility: visible; height: auto; }" in made[0]


def test_candidates_have_a_table_of_circuits_and_one_with_their_features(shown_result):
    circuits = shown_result.biomarkers
    assert len(circuits)
    assert set(circuits["level"]) == {"circuit"}
    first = circuits["circuit"].iloc[0]
    row = {**circuits.iloc[0].to_dict(), "level": "feature", "feature": "conn:VS--PCC"}
    result = replace(shown_result, biomarkers=pd.concat([circuits, pd.DataFrame([row])], ignore_index=True))
    (section,) = [each for each in report_of(result).sections if each.name == "candidates"]
    alone, with_features = section.tables[:2]
    assert [each[0] for each in alone.rows] == list(circuits["circuit"])
    assert [each[0] for each in with_features.rows] == [*circuits["circuit"], "conn:VS--PCC"]
    assert with_features.marked == frozenset(range(len(circuits)))
    assert first in alone.rows[0]


def test_missed_requirements_are_named_where_the_table_may_be_folded(shown_result):
    from workbench.results.requirements import gate_rows

    rows = gate_rows(shown_result.scores)
    missed, not_tried = ([row.requirement for row in rows if row.status == each] for each in ("missed", "not tried"))
    (section,) = [each for each in report_of(shown_result).sections if each.name == "requirements"]
    assert missed
    assert not_tried
    counted = f"{len(missed)} of {len(rows)} requirements {'is' if len(missed) == 1 else 'are'} missed"
    assert section.answer == f"{counted}: {'; '.join(missed)}. Not tried: {'; '.join(not_tried)}."


def test_predictions_of_all_participants_have_as_many_decimals_and_no_minus_zero(shown_result):
    tiny = shown_result.predictions.assign(predicted=shown_result.predictions["predicted"] * 0 - 0.001)
    (section,) = [
        each for each in report_of(replace(shown_result, predictions=tiny)).sections if each.name == "individuals"
    ]
    texts = [text for page in section.participants for _, text in page.facts]
    decimals = {len(each.partition(".")[2]) for text in texts for each in re.findall(r"-?\d+\.\d+", text)}
    assert decimals == {1}
    assert not any(re.search(r"-0\.0+(?!\d)", text) for text in texts)
