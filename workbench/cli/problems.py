"""Problems and refusals as commands print them, on standard error."""

from __future__ import annotations

import sys

from workbench.errors import Problem, WorkbenchError, one_line


def print_problems(problems: tuple[Problem, ...], *, verbose: bool = False) -> None:
    """Every problem on a line of standard error.

    Parameters
    ----------
    problems : tuple of Problem
    verbose : bool
        Below it, everything that it names only the first of.
    """
    for problem in problems:
        shortened = problem.items and not verbose
        more = f" (check -v lists all {len(problem.items)})" if shortened else ""
        print(f"{str(problem).removeprefix(': ')}{more}", file=sys.stderr)
        for item in problem.items if verbose else ():
            print(f"    {item}", file=sys.stderr)
    if len(problems) > 1:
        print(f"{len(problems)} problems; nothing was done.", file=sys.stderr)


def print_refusal(error: WorkbenchError) -> None:
    """Problems that the user may go on with: each with what to change in lines below it, then how to go on.

    Parameters
    ----------
    error : WorkbenchError
        With steps.
    """
    from workbench.pipeline.pages import paragraph

    for problem in error.problems:
        print(paragraph(one_line(f"{problem.place}: {problem.found}"), "", "    "), file=sys.stderr)
        if problem.hint:
            print(paragraph(one_line(f"change: {problem.hint}"), "    ", "    "), file=sys.stderr)
    print("\nNothing was done.", file=sys.stderr)
    for step in error.steps:
        print(paragraph(step, "  ", "    "), file=sys.stderr)
