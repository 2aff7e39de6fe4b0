"""The command line: one command a step, errors a user can act on, exit codes a script can trust."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
"""As type checkers read it; see `workbench`."""
if TYPE_CHECKING:
    import typer

    from workbench.cli.interrupts import Interrupts

BLAS_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
"""Set to one unless the user says otherwise: work is spread over processes, and on a busy machine threads wait for each
other."""
EXIT_INTERRUPTED = 130
"""128 and the number of the signal, as shells have it."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and leave with its exit code: 0, 2 (you can mend it), 1 (our bug) or 130 (Ctrl-C).

    Parameters
    ----------
    arguments : list of str, optional
        Default: those of the process.
    """
    given = sys.argv[1:] if arguments is None else arguments
    try:
        from workbench.cli.interrupts import ignore_further
        from workbench.module_search import leave_out_current_folder

        leave_out_current_folder()
        code = run_command(given)
        ignore_further()
    except KeyboardInterrupt:  # before or after anything was done
        code = _say_stopped(given)
    sys.exit(code)


def run_command(arguments: list[str]) -> int:
    """Exit code of one command; every error is printed so that the user can act on it."""
    try:
        from workbench.cli.interrupts import interrupts

        with interrupts(_last_words(arguments)) as handled:
            code = _exit_code(arguments, handled)
    except KeyboardInterrupt:
        code = EXIT_INTERRUPTED
    return _say_stopped(arguments) if code == EXIT_INTERRUPTED else code


def _last_words(arguments: list[str]) -> str:
    how = "workbench run ... --resume goes on from there" if "run" in arguments[:1] else "type the command again"
    return f"Stopped. What was finished is kept; {how}."


def _say_stopped(arguments: list[str]) -> int:
    after_the_key = "\n" if sys.stderr.isatty() else ""  # a terminal shows ^C
    print(f"{after_the_key}{_last_words(arguments)}", file=sys.stderr)
    return EXIT_INTERRUPTED


def _exit_code(arguments: list[str], handled: Interrupts) -> int:
    import datetime  # noqa: F401  # pydantic's compiled part imports it, and panics where Ctrl-C comes amid that

    import typer

    from workbench.cli.options import USAGE_ERROR, put_together
    from workbench.cli.problems import print_problems, print_refusal
    from workbench.errors import EXIT_USER, WorkbenchError, is_text
    from workbench.terminal import never_fail

    for stream in (sys.stdout, sys.stderr):
        never_fail(stream)
    for variable in BLAS_THREADS:  # before numpy is loaded
        os.environ.setdefault(variable, "1")
    unreadable = next((each for each in arguments if not is_text(each)), None)
    if unreadable is not None:
        print(f"{unreadable!a}: is not written in UTF-8; rename the file or folder, then try again", file=sys.stderr)
        return EXIT_USER
    try:
        code = put_together(application())(arguments, prog_name="workbench", standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        return 0
    except Exception as error:
        if handled.came:
            return EXIT_INTERRUPTED
        if isinstance(error, WorkbenchError):
            if error.steps:
                print_refusal(error)
            else:
                print_problems(error.problems)
            return error.exit_code
        if isinstance(error, USAGE_ERROR):
            error.show()
            return EXIT_USER
        return _exit_code_of(error)
    return code if isinstance(code, int) else 0


def _exit_code_of(error: Exception) -> int:
    """Of an error that is none of the workbench's own: the disk's, or a bug."""
    from workbench.cli.problems import print_problems
    from workbench.errors import EXIT_BUG, EXIT_USER, of_the_disk
    from workbench.version import __version__

    problem = of_the_disk(error)
    if problem is not None:
        print_problems((problem,))
        return EXIT_USER
    import traceback  # our bug: say so once, keep the details for the report

    print(f"workbench {__version__} has failed: {type(error).__name__}: {error}", file=sys.stderr)
    print("This is a bug. Please report the lines below.", file=sys.stderr)
    traceback.print_exception(error)
    return EXIT_BUG


def application() -> typer.Typer:
    """The application with every command: importing a module of commands adds them.

    Returns
    -------
    Typer
    """
    # In the order of --help: a study in its usual steps, then what is done with several.
    from workbench.cli import study_commands  # noqa: F401  # isort: skip
    from workbench.cli import trial_commands, validation_commands  # noqa: F401  # isort: skip
    from workbench.cli import server_commands, store_commands  # noqa: F401  # isort: skip
    from workbench.cli.options import app

    return app
