"""What the sessions of a file are called in the study, where the file has names of its own for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from workbench.errors import Problem, did_you_mean
from workbench.sources.contract.identity import Row
from workbench.sources.contract.near_matches import session_loosely


class SessionCodes:
    """Sessions of one file, or of the files of one source, by the names of the study; remembers what it met.

    Parameters
    ----------
    codes : mapping of str to str
        Name in the study by name in the file; other names are those of the study already.
    """

    def __init__(self, codes: Mapping[str, str]) -> None:
        self._codes = codes
        self._met: dict[str, None] = {}

    def of(self, raw: str) -> str:
        """The session as the study calls it."""
        self._met[raw] = None
        return self._codes.get(raw, raw)

    def problems(self, where: str, rows: Iterable[Row] = (), file: str = "") -> Iterator[Problem]:
        """Codes that no row has: misspelt ones would leave their sessions out.

        Parameters
        ----------
        where : str
            The key that lists the codes, for messages.
        rows : iterable of Row
            Where there are none, nothing was read and nothing is said.
        file : str
            The file that they are in; empty where `where` names it.

        Yields
        ------
        Problem
        """
        given = list(dict.fromkeys(row.raw_session for row in rows))
        if not given:
            return
        there = [session for session in self._met if session not in self._codes.values()]
        for code in self._codes:
            if code not in self._met:
                hint = did_you_mean(code, there) if there else "leave it out"
                yield Problem(where, f"no row{f' of {file}' if file else ''} has the session {code!r}", hint)
        alike = {session_loosely(code): code for code in self._codes}
        for raw in given:
            code = alike.get(session_loosely(raw), raw)
            if raw not in self._codes.values() and code != raw:
                found = f"has no code {raw!r}, which is in {file or 'the file'} and looks like {code!r}"
                yield Problem(where, found, f'"{raw}" = "{self._codes[code]}" if it is that one')
