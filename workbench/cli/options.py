"""The application, and the options that several commands share."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated, Any

import typer

from workbench.version import __version__

app = typer.Typer(
    name="workbench",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="From derivatives to defensible biomarkers.\n\n"
    "Merges resting-state, task and PET features with rating scales, asks with nested cross-validation whether they "
    "predict the response to ketamine, explains each prediction by circuit with SHAP, keeps every experiment in "
    "MLflow, and exports candidate biomarkers, or says plainly that there are none.\n\n"
    "\b\nA study in seven commands:\n"
    "  workbench init mystudy --from ..  a study drafted from your files\n"
    "  workbench check                   every file, join and guard; nothing is run\n"
    "  workbench freeze EXPERIMENT       write its plan down before its results are viewed\n"
    "  workbench run EXPERIMENT          run it, and read the answer\n"
    "  workbench show                    read the last answer again\n"
    "  workbench ui                      compare runs in the browser\n"
    "  workbench export latest --to DIR  everything a supplement needs",
)


@cache
def put_together(application: typer.Typer) -> Any:
    """The command with all below it, made once for everything that a process runs: that takes longer than most of it.

    Parameters
    ----------
    application : Typer
        With every command added.

    Returns
    -------
    Command
        Called with a list of words.
    """
    return typer.main.get_command(application)


def experiments_there(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of the study's experiments, for the completion of the shell; only file names are looked at.

    Parameters
    ----------
    ctx : Context
        What has been typed; ``--study`` where it stands before.
    incomplete : str
        The word so far.

    Returns
    -------
    list of str
    """
    folder = Path(ctx.params.get("study") or ".") / "experiments"
    return sorted(path.stem for path in folder.glob("*.toml") if path.stem.startswith(incomplete))


def runs_there(ctx: typer.Context, incomplete: str) -> list[str]:
    """What names a run: latest, or an experiment for its last run.

    Parameters
    ----------
    ctx : Context
        What has been typed.
    incomplete : str
        The word so far.

    Returns
    -------
    list of str
    """
    return [name for name in ("latest", *experiments_there(ctx, "")) if name.startswith(incomplete)]


def backends_there(incomplete: str) -> list[str]:
    """Names of backends, for the completion of the shell.

    Parameters
    ----------
    incomplete : str
        The word so far.

    Returns
    -------
    list of str
    """
    return [name for name in ("loky", "dask", "slurm") if name.startswith(incomplete)]


StudyOption = Annotated[Path, typer.Option("--study", help="The study folder.", metavar="DIR")]
DataOption = Annotated[
    Path | None,
    typer.Option("--data", help="Where the data are, if not where cohort.toml says.", metavar="DIR"),
]
ExperimentArgument = Annotated[
    str, typer.Argument(help="Name or path of an experiment.", autocompletion=experiments_there)
]
ExperimentsArgument = Annotated[
    list[str], typer.Argument(help="Names or paths of experiments.", autocompletion=experiments_there)
]
RunArgument = Annotated[
    str,
    typer.Argument(help="Run id, unique prefix of one, run name, experiment, or latest.", autocompletion=runs_there),
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bars.")]
VerboseOption = Annotated[bool, typer.Option("--verbose", "-v", help="Print every detail.")]
HERE = Path(".")
USAGE_ERROR: Any = next(base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException")
"""Whatever is wrong with the words of a command; typer carries a click of its own, or uses the installed one."""


def _version(wanted: bool) -> None:
    if wanted:
        print(f"workbench {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    pass
