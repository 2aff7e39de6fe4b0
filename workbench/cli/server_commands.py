"""The command on a server that several studies share: send."""

from __future__ import annotations

from typing import Annotated

import typer

from workbench.cli.options import StudyOption, app, runs_there
from workbench.cli.printing import HERE


@app.command()
def send(
    to: Annotated[
        str,
        typer.Option("--to", help="Address of the MLflow server.", metavar="ADDRESS", envvar="WORKBENCH_SERVER"),
    ],
    runs: Annotated[
        list[str] | None,
        typer.Argument(help="Run ids, run names or experiments; default: latest.", autocompletion=runs_there),
    ] = None,
    study: StudyOption = HERE,
    files: Annotated[
        bool, typer.Option("--files", help="Send files as well: ids and ratings of participants are in them.")
    ] = False,
) -> None:
    """Copy finished runs to an MLflow server, where a group looks at several studies. The study keeps its own.

    Numbers, settings and words are sent, none of which names a participant. A run that is there already is not sent
    again.

    \b
    Examples:
      workbench send latest --to https://mlflow.lab.example
      workbench send madrs_change --files --to http://127.0.0.1:5200
    """
    from workbench import pipeline

    for copy in pipeline.send(runs or ["latest"], to=to, study=study, files=files):
        print(f"{to}: run {copy}")
