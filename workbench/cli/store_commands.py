"""Commands on what a study has stored: reproduce."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli.options import DataOption, QuietOption, RunArgument, StudyOption, app
from workbench.cli.printing import HERE, print_markup, say_wrapped
from workbench.cli.progress import progress_bars

if TYPE_CHECKING:
    from workbench.pipeline import Reproduction

DIFFERS = 1
"""Exit code where a run was made again and something differs."""


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
