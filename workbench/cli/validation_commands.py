"""The command on participants whom a model never saw: predict."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli.options import DataOption, QuietOption, RunArgument, app
from workbench.cli.printing import HERE, print_styled, say_wrapped
from workbench.cli.progress import log_to, progress_bars

if TYPE_CHECKING:
    from workbench.pipeline import ExternalPrediction

POLICIES = "Policies"
MOST_PARTICIPANTS = 20
"""Printed one by one."""


@app.command()
def predict(
    run: RunArgument = "latest",
    study: Annotated[
        str | None,
        typer.Option(
            help="Folder of the other study, or a NAME that the experiment declares under \\[external.NAME].",
            metavar="OTHER",
        ),
    ] = None,
    data: DataOption = None,
    trained_in: Annotated[
        Path, typer.Option("--trained-in", help="The study that holds the run; default: here.", metavar="DIR")
    ] = HERE,
    experiment: Annotated[
        str | None,
        typer.Option(
            help="Experiment of the other study: who is included, which outcome and sessions.", metavar="NAME"
        ),
    ] = None,
    participant: Annotated[
        str | None, typer.Option(help="Only this one, predicted and explained; no outcome is read.", metavar="ID")
    ] = None,
    hold_out: Annotated[
        bool, typer.Option("--hold-out", help="Those whom the experiment locked from the start.")
    ] = False,
    missing_features: Annotated[
        str, typer.Option(help="refuse or training-mean.", metavar="POLICY", rich_help_panel=POLICIES)
    ] = "",
    other_measures: Annotated[
        str, typer.Option(help="refuse, training-mean or accept.", metavar="POLICY", rich_help_panel=POLICIES)
    ] = "",
    unseen_levels: Annotated[
        str, typer.Option(help="refuse, reference or exclude.", metavar="POLICY", rich_help_panel=POLICIES)
    ] = "",
    again: Annotated[
        bool, typer.Option("--again", help="Open held-out participants once more; moves no claim.")
    ] = False,
    quiet: QuietOption = False,
) -> None:
    """Apply the frozen model of a run once to another cohort: external validation.

    Features are matched by name and must have been measured as in training; variables held fixed are coded as they were
    learnt. Where the participants have an outcome, a line is written into the ledgers of both studies before any number
    can be read, and the same prediction again is the same result. Where they have none, predictions alone are given.

    \b
    Examples:
      workbench predict madrs_change --study ../oslo
      workbench predict latest --study oslo               a cohort that the experiment declares
      workbench predict latest --study ../oslo --participant 014
      workbench predict latest --hold-out
    """
    from workbench import pipeline

    log = log_to(trained_in)
    with progress_bars(quiet) as progress:
        done = pipeline.predict(
            run,
            study=study,
            data=data,
            trained_in=trained_in,
            experiment=experiment,
            participant=participant,
            hold_out=hold_out,
            missing_features=missing_features,
            other_measures=other_measures,
            unseen_levels=unseen_levels,
            again=again,
            progress=progress,
        )
    print_external(done)
    if done.validation is not None and not done.again:
        log(f"predict {run} in {done.cohort} {done.run_id} {done.claim.verdict}")


def print_external(done: ExternalPrediction) -> None:
    """What a frozen model predicted for other participants: the page, or each of them where there is no outcome.

    Parameters
    ----------
    done : ExternalPrediction
    """
    from workbench.pipeline.pages import external_page_of

    print()
    if done.validation is not None:
        print_styled(lambda styled, unicode: external_page_of(done, styled=styled, unicode=unicode))
        return
    people = list(done.predictions["participant_id"])
    for participant_id in people[:MOST_PARTICIPANTS]:
        print(done.participant_text(participant_id))
    if len(people) > MOST_PARTICIPANTS:
        print(f"and {len(people) - MOST_PARTICIPANTS} more: workbench.predict(..).predictions has all of them")
    for sentence in done.handled:
        say_wrapped(f"{sentence}.")
    say_wrapped("No outcome was read: nothing is scored, and no result counts as viewed.")
