"""Runs and plans as text, set to the width of the terminal, for whoever prints them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.pipeline.experiment_plan import ExperimentPlan
from workbench.pipeline.feature_set_notices import called
from workbench.pipeline.predicting import ExternalPrediction
from workbench.pipeline.store import FinishedRun
from workbench.records import GateRow

if TYPE_CHECKING:
    from rich.text import Text

    from workbench.results.layout import Page


def page_of(finished: FinishedRun, next_command: str, *, styled: bool, unicode: bool) -> Text:
    """The one page of a run, with colours where it is printed to a terminal that has them.

    Parameters
    ----------
    finished : FinishedRun
    next_command : str
        The command to type next.
    styled, unicode : bool
        Whether the terminal has colours, and check marks: both degrade to plain text.

    Returns
    -------
    Text
        Of rich.
    """
    show = f"workbench show {finished.run_id[:8]} -v" if finished.run_id else "run -v"
    return laid_out(finished.page(next_command, show=show), styled=styled, unicode=unicode)


def external_page_of(done: ExternalPrediction, *, styled: bool, unicode: bool) -> Text:
    """The one page of an external prediction.

    Parameters
    ----------
    done : ExternalPrediction
        With an outcome.
    styled, unicode : bool
        As in `page_of`.

    Returns
    -------
    Text
        Of rich.
    """
    return laid_out(done.page(), styled=styled, unicode=unicode)


def laid_out(page: Page, *, styled: bool, unicode: bool) -> Text:
    """A page set to the width of the terminal.

    Parameters
    ----------
    page : Page
    styled, unicode : bool
        Whether the terminal has colours, and check marks.

    Returns
    -------
    Text
        Of rich.
    """
    from workbench.results.layout import MARKS, PLAIN_MARKS, lay_out
    from workbench.results.summary import terminal_width

    return lay_out(page, terminal_width(), MARKS if styled and unicode else PLAIN_MARKS)


def participants_of(plan: ExperimentPlan) -> Iterator[str]:
    """Who is analysed, of whom, and why the others are not, for every feature set whose participants differ.

    Parameters
    ----------
    plan : ExperimentPlan

    Yields
    ------
    str
    """
    from workbench.results.summary import participants

    if plan.held_out:
        yield f"{plan.held_out} locked for one final prediction, in none of the numbers here"
    by_words: dict[str, list[str]] = {}
    for dataset in {id(planned.dataset): planned.dataset for planned in plan.runs}.values():
        name = called(dataset)
        by_words.setdefault(participants(dataset.flow), []).append(name)
    for words, names in by_words.items():
        yield words + (f" [{', '.join(names)}]" if len(by_words) > 1 else "")


def cohorts_of(plan: ExperimentPlan, study: Path) -> Iterator[str]:
    """Cohorts that finished runs are applied to, each with the command and what it costs.

    Parameters
    ----------
    plan : ExperimentPlan
    study : Path
        Folder of the study, from which theirs are named.

    Yields
    ------
    str
    """
    from workbench.evaluation.cost import estimate_external

    largest = max(
        ((run.dataset.X.shape[1], run.dataset.n_rows) for run in plan.runs if run.dataset.complete), default=None
    )
    seconds = 1 if largest is None else max(1, round(estimate_external(*largest).seconds))
    for name, cohort in plan.spec.external.items():
        missing = "" if (study / cohort.study).is_dir() else f"; {cohort.study} is not there"
        yield f"{name}: workbench predict RUN --study {name}, about {seconds} s beside its tables{missing}"
    if plan.held_out:
        yield f"those who are locked: workbench predict RUN --hold-out, about {seconds} s"


def flow_of(plan: ExperimentPlan) -> Iterator[str]:
    """Who is left after each step, for every feature set.

    Parameters
    ----------
    plan : ExperimentPlan

    Yields
    ------
    str
    """
    from workbench.results.details import flow

    for dataset in {id(planned.dataset): planned.dataset for planned in plan.runs}.values():
        yield f"{called(dataset)}: {flow(dataset.flow)}"


def gate_lines(rows: Sequence[GateRow]) -> Iterator[str]:
    """The rows of the claim gate by their status: those missed or not tried one by one, with why and what to change.

    Parameters
    ----------
    rows : sequence of GateRow

    Yields
    ------
    str
        Paragraphs, set to the width of the terminal.
    """
    for status in ("met", "open", "missed", "not tried", "does not apply"):
        own = [row for row in rows if row.status == status]
        if status in ("missed", "not tried"):
            for row in own:
                yield labelled(status, row.words().removeprefix(f"{status}: "), indent=4)
        elif own:
            words = " (the result decides)" if status == "open" else ""
            yield labelled(status, "; ".join(row.requirement for row in own) + words, indent=4)


def labelled(label: str, text: str, indent: int = 2) -> str:
    """A labelled paragraph, aligned with the lines of a run's page.

    Parameters
    ----------
    label, text : str
    indent : int
        Spaces before the label.

    Returns
    -------
    str
    """
    from workbench.results.layout import GLUE, LABEL

    return paragraph(text.replace(GLUE, " "), " " * indent + label.ljust(LABEL), " " * (indent + LABEL))


def paragraph(text: str, first: str = "", others: str = "") -> str:
    """A text broken at the width of the terminal; paths and options stay in one piece.

    Parameters
    ----------
    text : str
    first, others : str
        What its first line and its other lines begin with.

    Returns
    -------
    str
    """
    from textwrap import fill

    from workbench.results.summary import terminal_width

    return fill(
        text,
        terminal_width(),
        initial_indent=first,
        subsequent_indent=others,
        break_long_words=False,
        break_on_hyphens=False,
    )
