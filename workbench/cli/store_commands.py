"""Commands on what a study has stored: merge, reproduce and prune."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli.options import DataOption, QuietOption, RunArgument, StudyOption, app
from workbench.cli.printing import HERE, print_markup, say_wrapped
from workbench.cli.progress import progress_bars
from workbench.errors import quoted

if TYPE_CHECKING:
    from workbench.pipeline import Merged, Pruned, Reproduction

DIFFERS = 1
"""Exit code where a run was made again and something differs."""


@app.command()
def merge(
    other: Annotated[
        Path, typer.Argument(help="Folder of another copy of this study, or its mlruns.", metavar="OTHER")
    ],
    study: StudyOption = HERE,
    data: DataOption = None,
    other_data: Annotated[
        bool,
        typer.Option(
            "--other-data", help="Also runs made from other data than this study has now, such as earlier ones."
        ),
    ] = False,
    quiet: QuietOption = False,
) -> None:
    """Bring the finished runs, results viewed and stored work of another copy of this study into this one.

    The other copy is only read. Every result that was viewed there counts here too, in the order of the dates; runs
    keep their ids and are checked against their digests. What is not of this study is refused, and it is said why.
    Stopped at any moment, nothing is lost: merge again.

    \b
    Examples:
      workbench merge ../study_from_the_cluster
      workbench merge ../ketamine-of-lab2 --study ketamine
    """
    from workbench import pipeline

    with progress_bars(quiet) as progress:
        merged = pipeline.merge(other, study=study, data=data, other_data=other_data, progress=progress)
    print_merged(merged)


def print_merged(merged: Merged) -> None:
    """What was brought, what was here already, what was refused and why.

    Parameters
    ----------
    merged : Merged
    """
    print(f"Merged from {merged.other}:")
    for kind in dict.fromkeys((*merged.brought, *merged.there)):
        say_wrapped(f"{kind}: {merged.brought[kind]:,} new, {merged.there[kind]:,} here already")
    for each in merged.refused:
        say_wrapped(f"refused: {each.what}: {each.why}")
    if merged.to_judge_again:
        say_wrapped(
            "Judged before all results were known (run the experiment again with --resume: its p-values are corrected "
            "for them then):"
        )
        for sentence in merged.to_judge_again:
            say_wrapped(f"  {sentence}")


@app.command()
def reproduce(
    run: RunArgument = "latest",
    study: StudyOption = HERE,
    data: DataOption = None,
    jobs: Annotated[
        int | None, typer.Option(help="Cores; default: all. Never changes a number.", metavar="N", min=1)
    ] = None,
    quiet: QuietOption = False,
) -> int:
    """Make a finished run again from its own experiment file, and compare every file it left, byte for byte.

    Feature tables are built and models fitted anew in a scratch folder: no run is kept, nothing of the study is
    written, and no result counts as viewed. Exit code 0 where all files are identical, 1 where something differs.

    \b
    Examples:
      workbench reproduce latest
      workbench reproduce 3f2a91 --study examples/kmoa --jobs 2
    """
    from workbench import pipeline

    with progress_bars(quiet) as progress:
        done = pipeline.reproduce(run, study=study, data=data, jobs=jobs, progress=progress)
    print_reproduction(done)
    return 0 if done.identical else DIFFERS


def print_reproduction(done: Reproduction) -> None:
    """The verdict first, then what differs, and what is not as it was.

    Parameters
    ----------
    done : Reproduction
    """
    from rich.markup import escape

    print_markup(f"[bold]{escape(f'{done.name} of {done.experiment} ({done.run_id[:8]})')}[/]")
    say_wrapped(f"{done.verdict[0].upper()}{done.verdict[1:]}.")
    for each in done.different:
        say_wrapped(f"  {each.name}: {each.found}")
    if done.changed:
        print("What is not as it was:" if done.different else "Not as it was, and without a consequence:")
        for sentence in done.changed:
            say_wrapped(f"  {sentence}")
    elif done.different:
        say_wrapped("Data, packages and commit are those of then: another machine, or a changed workbench, is left.")


@app.command()
def prune(
    study: StudyOption = HERE,
    data: DataOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Remove what is listed.")] = False,
    quiet: QuietOption = False,
) -> None:
    """List what is stored and needed by no run and no present plan; with --yes, remove it.

    Stored work of plans that no experiment file describes any more, tables of sources that are gone, files that were
    never finished, runs that failed. Never a finished run, the ledger, a frozen plan, or what run --resume would take
    up.

    \b
    Examples:
      workbench prune             lists what would be removed, and how large it is
      workbench prune --yes
    """
    from workbench import pipeline

    with progress_bars(quiet) as progress:
        pruned = pipeline.prune(study=study, data=data, yes=yes, progress=progress)
    print_pruned(pruned, "workbench prune --yes" if study == HERE else f"workbench prune --yes --study {quoted(study)}")


def print_pruned(pruned: Pruned, command: str) -> None:
    """What nothing needs, by kind, with its size; then what was kept, and why.

    Parameters
    ----------
    pruned : Pruned
    command : str
        Removes it.
    """
    for why, pieces in pruned.by_reason.items():
        say_wrapped(f"{why}: {_count(len(pieces), 'file')}, {_megabytes(sum(each.size for each in pieces))}")
    if pruned.failed_runs:
        say_wrapped(f"runs that failed or were stopped: {pruned.failed_runs}")
    for sentence in pruned.kept:
        say_wrapped(f"kept: {sentence}")
    total = f"{_megabytes(pruned.size)} in {_count(len(pruned.pieces), 'file')}"
    if not pruned.pieces and not pruned.failed_runs:
        print("Nothing is stored that no run and no present plan needs.")
    elif pruned.removed:
        print(f"Removed: {total} ({pruned.size:,} bytes freed).")
    else:
        print(f"Nothing was removed; {command} frees {total} ({pruned.size:,} bytes).")


def _count(n: int, what: str) -> str:
    return f"{n:,} {what}{'' if n == 1 else 's'}"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.1f} kB"
