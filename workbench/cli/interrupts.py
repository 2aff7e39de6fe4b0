"""Ctrl-C ends a command in one line whenever it comes: amid an import, while cleaning up, on the way out.

Python turns Ctrl-C into a `KeyboardInterrupt` wherever its main thread happens to be. Raised in a destructor or in a
callback of a compiled library it is printed and forgotten; raised amid an import it may come out as another error.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import FrameType

PATIENCE_S = 1.0
"""A further Ctrl-C within this is the same wish; after it, the command is left at once: whatever is half done is
cleaned up by the next, as after a kill."""
SOON_S = 0.02
"""After which Ctrl-C that was lost in a destructor is pressed again."""


class Interrupts:
    """What Ctrl-C does while a command runs.

    Parameters
    ----------
    last_words : str
        Said on standard error where the command is left at once.
    """

    def __init__(self, last_words: str) -> None:
        self._last_words = last_words
        self._first_s = 0.0

    @property
    def came(self) -> bool:
        """Whether Ctrl-C was pressed: whatever has failed since then failed because of it."""
        return self._first_s > 0

    def on_signal(self, _number: int, _frame: FrameType | None) -> None:
        """Stop where it is, once; leave at once where that takes too long."""
        if not self._first_s:
            self._first_s = time.monotonic()
            raise KeyboardInterrupt
        if time.monotonic() - self._first_s > PATIENCE_S:
            os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, f"{self._last_words}\n".encode())
            os._exit(128 + signal.SIGINT)

    def on_unraisable(self, unraisable: Any) -> None:
        """Where Python cannot raise it, raise it again a moment later, somewhere else."""
        if issubclass(unraisable.exc_type, KeyboardInterrupt):
            from threading import Thread

            self._first_s = 0.0
            Thread(target=_press_again, daemon=True).start()
        elif not self.came:
            sys.__unraisablehook__(unraisable)


def _press_again() -> None:
    time.sleep(SOON_S)
    os.kill(os.getpid(), signal.SIGINT)


@contextmanager
def interrupts(last_words: str) -> Iterator[Interrupts]:
    """Ctrl-C as `Interrupts` has it inside, where it is Python's own business before; as it was, afterwards.

    Parameters
    ----------
    last_words : str

    Yields
    ------
    Interrupts

    Raises
    ------
    KeyboardInterrupt
        In place of any error that follows Ctrl-C.
    """
    handled = Interrupts(last_words)
    try:
        ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler
        before = signal.signal(signal.SIGINT, handled.on_signal) if ours else None
    except ValueError:  # not in the main thread, which alone hears of signals
        yield handled
        return
    hook, sys.unraisablehook = sys.unraisablehook, handled.on_unraisable
    try:
        yield handled
    except BaseException as error:  # such as the panic of a library written in Rust, which is no Exception
        if handled.came and not isinstance(error, KeyboardInterrupt | SystemExit):
            raise KeyboardInterrupt from None  # amid an import Python makes another error of it
        raise
    finally:
        sys.unraisablehook = hook
        if before is not None:
            signal.signal(signal.SIGINT, before)


def ignore_further() -> None:
    """Let Ctrl-C say nothing more: all is done, and Python is on its way out."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
