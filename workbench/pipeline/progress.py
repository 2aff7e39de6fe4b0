"""What a person sees while work goes on: lines and bars for whoever shows them, or nothing."""

from typing import Protocol


class Progress(Protocol):
    """What a person sees while work goes on; the command line draws bars, a notebook may pass its own."""

    def say(self, text: str) -> None:
        """One line about what is done now."""

    def advance(self, label: str, done: int, total: int) -> None:
        """So much of one piece of work is done."""


class Silent:
    """Shows nothing."""

    def say(self, text: str) -> None:
        """Nothing is shown."""

    def advance(self, label: str, done: int, total: int) -> None:
        """Nothing is shown."""
