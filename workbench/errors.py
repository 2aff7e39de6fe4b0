"""Errors a user can act on: which file, which key or subject, what was found, what was expected, what to do."""

from __future__ import annotations

import errno
import os
import re
import shlex
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path

from workbench.python_words import in_python

EXIT_USER = 2
EXIT_BUG = 1


LONGEST = 800
"""Characters of one part of a message; what is cut out of a longer one is its middle."""

UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Characters that a terminal obeys instead of showing: control, line ends, changes of the direction of text."""


def one_line(text: str) -> str:
    """A text that may quote anything as a part of one line: no character in it is obeyed, and it is not too long.

    Parameters
    ----------
    text : str

    Returns
    -------
    str

    Examples
    --------
    >>> one_line("two\\nlines and \\x1b[31mred")
    'two lines and \\\\x1b[31mred'
    """
    if len(text) > LONGEST:
        text = f"{text[: LONGEST // 2]} [..] {text[-LONGEST // 2 :]}"
    return UNSEEN.sub(lambda sign: repr(sign[0])[1:-1], re.sub(r"\s*[\r\n]\s*", " ", text))


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, in the order a person reads it."""

    where: str
    """File, and key, line or subject inside it: ``features/pet.toml: reference_region``."""
    found: str
    """What is wrong, with the value found."""
    hint: str = ""
    """What was expected and what to do next."""
    code: str = ""
    """Short stable code of a guard (``T1`` .. ``T16``) or empty."""
    items: tuple[str, ...] = ()
    """All that `found` names only the first of; `check -v` lists them."""
    file: str = ""
    """The file that `where` is a place in; empty where `where` names it, or where it is not known yet."""

    @property
    def place(self) -> str:
        """File and place inside it."""
        return ": ".join(filter(None, (self.file, self.where)))

    def in_file(self, file: str) -> Problem:
        """The same problem in a file, unless it is known to be in another."""
        return self if self.file else replace(self, file=file)

    def __str__(self) -> str:
        code = f" [{self.code}]" if self.code else ""
        hint = f"; {one_line(self.hint)}" if self.hint else ""
        return f"{one_line(self.place)}: {one_line(self.found)}{hint}{code}"


class WorkbenchError(Exception):
    """Base of every error that the user can mend.

    Parameters
    ----------
    problems : Problem, str or iterable of Problem
        All problems found, not only the first.
    steps : iterable of str
        What can be done about all of them together, a line each, below the last.
    """

    exit_code = EXIT_USER

    def __init__(self, problems: Problem | str | Iterable[Problem], steps: Iterable[str] = ()) -> None:
        if isinstance(problems, str):
            problems = (Problem("", problems),)
        elif isinstance(problems, Problem):
            problems = (problems,)
        self.problems, self.steps = tuple(problems), tuple(steps)
        super().__init__("\n".join([*(str(problem).removeprefix(": ") for problem in self.problems), *self.steps]))
        in_other_words = in_python(str(self))
        if in_other_words:  # shown with a traceback and in a notebook, and not by the command line
            self.add_note(in_other_words)

    def _render_traceback_(self) -> list[str]:
        """What IPython and Jupyter show: the user's line that led here and what is wrong; ``%debug`` has the rest."""
        return [*typed_line(self), f"{type(self).__name__}: {self}", *getattr(self, "__notes__", ())]


def typed_line(error: BaseException) -> list[str]:
    """The user's own line that led to an error, where there is one: the last before the package.

    Parameters
    ----------
    error : BaseException

    Returns
    -------
    list of str
        One line, or none.
    """
    import traceback

    package = Path(__file__).parent
    steps = traceback.extract_tb(error.__traceback__)
    first = next((i for i, step in enumerate(steps) if package in Path(step.filename).parents), len(steps))
    return [f"line {step.lineno}: {step.line}" for step in steps[:first][-1:]]


class SpecError(WorkbenchError):
    """A TOML file of the study says something that cannot be followed."""


class SourceError(WorkbenchError):
    """A data file is missing, malformed or holds impossible values."""


class TableError(WorkbenchError):
    """Rows cannot be aligned: ids that do not meet, duplicates, nobody left."""


class OutcomeError(WorkbenchError):
    """The outcome cannot be made from these scores with this design."""


class GuardError(WorkbenchError):
    """A leak, or something that looks like one, was stopped."""


class FitError(WorkbenchError):
    """A model could not be fitted: every trial failed, a fold is empty, nothing varies."""


class StoreError(WorkbenchError):
    """A stored record cannot be read: another schema version, a torn file, no such run."""


_Said = tuple[tuple[str, ...], str, str]
"""Steps of a place, what was found there but for numbers of participants, and what to do."""

PARTICIPANTS = re.compile(r"\b(?:\d+ levels in )?\d+ (?:of \d+ )?(?=participants\b)")
"""How many participants something was met in: one mistake is met once in each feature set, each of other people."""


def _most_participants(problem: Problem) -> int:
    return max(
        (int(number) for met in PARTICIPANTS.findall(problem.found) for number in re.findall(r"\d+", met)), default=0
    )


class Problems:
    """Collects the problems of one file, or of many, so that all are shown at once."""

    def __init__(self) -> None:
        self._found: dict[Problem, None] = {}  # in order, each once
        self._whole: dict[_Said, Problem] = {}  # by its whole place
        self._said: set[_Said] = set()  # by every end of a place
        self._steps: dict[str, None] = {}

    def __iter__(self) -> Iterator[Problem]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def add(self, where: str | Path, found: str, hint: str = "", code: str = "") -> None:
        """Note one problem."""
        self.extend([Problem(str(where), found, hint, code)])

    def extend(self, problems: Iterable[Problem]) -> None:
        """Note several; what is known at two places, of which one says more, is noted there alone.

        What differs only in how many participants it was met in is one problem, of most participants.
        """
        for problem in problems:
            steps = tuple(problem.place.split(": "))
            met = PARTICIPANTS.sub("", problem.found)
            whole, *shorter = ((steps[at:], met, problem.hint) for at in range(len(steps)))
            if whole in self._said:
                before = self._whole.get(whole)
                if before is not None and _most_participants(problem) > _most_participants(before):
                    self._found = {problem if each == before else each: None for each in self._found}
                    self._whole[whole] = problem
                continue
            for each in shorter:
                if each in self._whole:
                    del self._found[self._whole.pop(each)]
            self._found[problem], self._whole[whole] = None, problem
            self._said.update((whole, *shorter))

    @contextmanager
    def gather(self) -> Iterator[None]:
        """Swallow a `WorkbenchError`, keep its problems and go on."""
        try:
            yield
        except WorkbenchError as error:
            self.extend(error.problems)
            self._steps.update(dict.fromkeys(error.steps))

    def raise_if_any(self, kind: type[WorkbenchError] = WorkbenchError) -> None:
        """Raise all that was found, if anything was."""
        if self._found:
            raise kind(list(self._found), list(self._steps))


MOST_KNOWN = 30
"""Known words that are written out where none is close."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`did you mean 'x'?` for the closest known word, or the list of what is known.

    Parameters
    ----------
    word : str
        As the user wrote it.
    known : iterable of str

    Returns
    -------
    str
        For the hint of a `Problem`.

    Examples
    --------
    >>> did_you_mean("reference_regoin", ["reference_region", "tracer"])
    "did you mean 'reference_region'?"
    """
    known = sorted(known)
    close = get_close_matches(word, known, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"known: {listed(known, MOST_KNOWN)}" if known else "none is known here"


def listed(things: Iterable[object], limit: int = 10) -> str:
    """The first things of a list and how many more there are.

    Parameters
    ----------
    things : iterable
    limit : int
        Things that are written out.

    Returns
    -------
    str

    Examples
    --------
    >>> listed(["sub-1", "sub-2", "sub-3"], limit=2)
    'sub-1, sub-2 and 1 more'
    """
    every = [str(thing) for thing in things]
    more = f" and {len(every) - limit} more" if len(every) > limit else ""
    return ", ".join(every[:limit]) + more


GO_ON = "then try again; a run goes on with --resume: what was finished is kept"

OF_THE_DISK = {
    errno.ENOSPC: f"free some space, {GO_ON}",
    errno.EDQUOT: f"free some space, {GO_ON}",
    errno.EROFS: f"make it writable, or copy the study to a disk that is, {GO_ON}",
    errno.EACCES: f"let this account read and write there, {GO_ON}",
    errno.EPERM: f"let this account read and write there, {GO_ON}",
    errno.EIO: "see whether the disk is failing",
    errno.ENOTDIR: "a file is in the way; name another folder",
    errno.EEXIST: "a file is in the way; name another folder",
    errno.ENAMETOOLONG: "use a shorter name",
}
"""Errors of the operating system that the user can mend, with what to do next."""


def of_the_disk(error: BaseException) -> Problem | None:
    """What is wrong with the disk, where an error says that a file cannot be written or read; None for any other.

    Parameters
    ----------
    error : BaseException

    Returns
    -------
    Problem or None
        Its place is the file that the error names.

    Examples
    --------
    >>> print(of_the_disk(OSError(errno.EIO, "Input/output error", "sources/pet.tsv")))
    sources/pet.tsv: Input/output error; see whether the disk is failing
    """
    if not isinstance(error, OSError):
        return None
    number = error.errno
    if number is None:  # of another library, which quotes the operating system
        number = next((known for known in OF_THE_DISK if os.strerror(known) in str(error)), None)
    if number not in OF_THE_DISK:
        return None
    where = "a file of the study" if error.filename is None else os.fsdecode(error.filename)
    return Problem(where, os.strerror(number), OF_THE_DISK[number])


def is_text(path: str | Path) -> bool:
    """Whether a path can be written in UTF-8, as settings, addresses and messages need it to be.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    bool
    """
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def quoted(path: str | Path) -> str:
    """A path as a part of a command that is pasted into a shell.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    str

    Examples
    --------
    >>> print(quoted("study"), quoted("study #2"))
    study 'study #2'
    """
    return shlex.quote(str(path))
