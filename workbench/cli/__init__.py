"""The command line: one command a step, errors a user can act on, exit codes a script can trust."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from workbench.errors import EXIT_BUG, EXIT_INTERRUPTED, EXIT_USER, WorkbenchError, is_text, of_the_disk
from workbench.module_search import leave_out_current_folder
from workbench.terminal import never_fail
from workbench.version import __version__

if TYPE_CHECKING:
    import typer

BLAS_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
"""Set to one unless the user says otherwise: work is spread over processes, and on a busy machine threads wait for each
other."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and leave with its exit code: 0, 2 (you can mend it), 1 (our bug) or 130 (Ctrl-C).

    Parameters
    ----------
    arguments : list of str, optional
        Default: those of the process.
    """
    leave_out_current_folder()
    sys.exit(run_command(sys.argv[1:] if arguments is None else arguments))


def run_command(arguments: list[str]) -> int:
    """Exit code of one command; every error is printed so that the user can act on it."""
    import typer

    from workbench.cli.options import USAGE_ERROR
    from workbench.cli.printing import print_problems

    for stream in (sys.stdout, sys.stderr):
        never_fail(stream)
    for variable in BLAS_THREADS:  # before numpy is loaded
        os.environ.setdefault(variable, "1")
    unreadable = next((each for each in arguments if not is_text(each)), None)
    if unreadable is not None:
        print(f"{unreadable!a}: is not written in UTF-8; rename the file or folder, then try again", file=sys.stderr)
        return EXIT_USER
    try:
        code = application()(arguments, prog_name="workbench", standalone_mode=False)
    except WorkbenchError as error:
        print_problems(error.problems)
        return error.exit_code
    except USAGE_ERROR as error:
        error.show()
        return EXIT_USER
    except (KeyboardInterrupt, typer.Abort):
        code = EXIT_INTERRUPTED
    except BrokenPipeError:
        return 0
    except Exception as error:
        problem = of_the_disk(error)
        if problem is not None:
            print_problems((problem,))
            return EXIT_USER
        import traceback  # our bug: say so once, keep the details for the report

        print(f"workbench {__version__} has failed: {type(error).__name__}: {error}", file=sys.stderr)
        print("This is a bug. Please report the lines below.", file=sys.stderr)
        traceback.print_exc()
        return EXIT_BUG
    if code == EXIT_INTERRUPTED:
        print("\nStopped. What was finished is kept; workbench run ... --resume goes on from there.", file=sys.stderr)
    return code if isinstance(code, int) else 0


def application() -> typer.Typer:
    """The application with every command: importing a module of commands adds them.

    Returns
    -------
    Typer
    """
    from workbench.cli import (  # noqa: F401
        server_commands,
        store_commands,
        study_commands,
        trial_commands,
        validation_commands,
    )
    from workbench.cli.options import app

    return app
