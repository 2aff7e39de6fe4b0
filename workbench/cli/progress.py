"""What is seen and kept while a command works: progress bars on a terminal, and the log file of a study."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.pipeline import Progress


@contextmanager
def progress_bars(quiet: bool) -> Iterator[Progress]:
    """Bars on a terminal; silence under --quiet and without one.

    Parameters
    ----------
    quiet : bool

    Yields
    ------
    Progress
    """
    from workbench.pipeline import Silent

    if quiet or not sys.stderr.isatty():
        yield Silent()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bars = Progress(*columns, console=Console(stderr=True), transient=True)
    try:
        yield _Bars(bars)
    finally:
        bars.stop()


class _Bars:
    """One bar per piece of work, drawn by a thread of its own from the first that has begun: not before, since worker
    processes are forked where there is no other thread (`workbench.forks`)."""

    def __init__(self, bars: Any) -> None:
        self._bars = bars
        self._tasks: dict[str, Any] = {}

    def say(self, text: str) -> None:
        self._bars.console.print(text, highlight=False)

    def advance(self, label: str, done: int, total: int) -> None:
        self._bars.start()
        if label not in self._tasks:
            self._tasks[label] = self._bars.add_task(label, total=total)
        self._bars.update(self._tasks[label], completed=done, total=total, visible=done < total)


def log_to(study: Path) -> Any:
    """A function that appends one dated line to the study's log file; no participant id is ever passed to it.

    Where the disk has no room for it, it is left out: the run that it tells of is kept and shown by then.

    Parameters
    ----------
    study : Path
        The study folder; the file is ``mlruns/workbench.log`` in it.

    Returns
    -------
    callable
        Takes the line, a str.
    """
    from datetime import UTC, datetime

    def write(line: str) -> None:
        from workbench.pipeline.permissions import no_wider_than

        folder = study / "mlruns"
        with suppress(OSError):
            with no_wider_than(study):
                folder.mkdir(parents=True, exist_ok=True)
                file = (folder / "workbench.log").open("a", encoding="utf-8")
            with file:
                file.write(f"{datetime.now(UTC).isoformat(timespec='seconds')} {line}\n")

    return write
