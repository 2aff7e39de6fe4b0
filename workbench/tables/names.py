"""What a column's name says it is: a rating, a session after the infusion, a date or a running number."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import pairwise

from workbench.records import Cohort, Session

POST_WORDS = frozenset({"post", "after", "followup", "fu", "change", "delta", "diff", "pct", "percent", "improvement"})
OUTCOME_WORDS = frozenset({"responder", "responders", "nonresponder", "remitter", "remission", "remitted"})
SCALE_WORDS = ("madrs", "hamd", "hdrs", "ham17", "hrsd", "qids", "bdi", "shaps", "teps", "masq")
SITE_WORDS = frozenset({"site", "center", "centre", "scanner", "hospital", "clinic", "institution", "location"})
"""Words in the name of a column that says where, or on which scanner, each participant was examined."""
MOST_SITES = 40
FEWEST_AT_A_SITE = 3
"""Participants per level, on average, below which a column tells people apart and not sites."""
HOURS = re.compile(r"\d+(min|h|hr|hrs|hours?|d|days?|w|weeks?)$")
ORDER_NAMES = re.compile(
    r"(^|[_\W])((scan|acq|acquisition|visit|enrol\w*|inclusion|study)_?(date|time|order|number|no)|date|timestamp|"
    r"(participant|subject|subj|patient)_?(id|number|no|nr))($|[_\W])",
    re.IGNORECASE,
)
"""Names of running numbers and dates."""


@lru_cache(maxsize=1024)  # names of scales and sessions are asked for with every feature
def words_of(name: str) -> tuple[str, ...]:
    """A name in small letters, cut at everything that is neither letter nor digit.

    Parameters
    ----------
    name : str

    Returns
    -------
    tuple of str

    Examples
    --------
    >>> words_of("MADRS_Total-d2")
    ('madrs', 'total', 'd2')
    """
    return tuple(word for word in re.split(r"[^a-z0-9]+", name.casefold()) if word)


def named_like_sites(name: str) -> bool:
    """Whether a column is named like the site, centre or scanner of each participant.

    Parameters
    ----------
    name : str

    Returns
    -------
    bool

    Examples
    --------
    >>> named_like_sites("StudySite"), named_like_sites("website")
    (True, False)
    """
    return not SITE_WORDS.isdisjoint(words_of(re.sub(r"([a-z])([A-Z])", r"\1 \2", name)))


def as_many_as_sites(n_levels: int, n_participants: int) -> bool:
    """Whether a column has as many levels as participants may have sites.

    Parameters
    ----------
    n_levels, n_participants : int

    Returns
    -------
    bool
    """
    return 1 < n_levels <= MOST_SITES and FEWEST_AT_A_SITE * n_levels <= n_participants


def looks_like_outcome(name: str, cohort: Cohort) -> str:
    """Why a column is probably an outcome, or measured after the infusion, by its name; empty where it is not.

    Asks for a rating scale and a sign of time or change together, so that ``stop_signal_response`` and ``bdi_baseline``
    pass; or for a whole session, ``NAcc_ses-d2``, so that a ``D2`` receptor passes.

    Parameters
    ----------
    name : str
    cohort : Cohort

    Returns
    -------
    str
        Continues a sentence that begins with the name: ``looks like response or remission``.
    """
    words = words_of(name)
    if any(word.startswith("cadss") for word in words):
        return "looks like the CADSS, which rates the infusion itself"
    if OUTCOME_WORDS & set(words):
        return "looks like response or remission"
    after = {each.name: _bare(each) for each in cohort.sessions.values() if each.phase != "before"}
    named = [session for session in after if words_of(session) == ("ses", after[session]) and _holds(words, session)]
    if named:
        return f"looks like a measurement at {named[0]}, after the infusion"
    late = [word for word in words if word in POST_WORDS or word in after.values() or HOURS.fullmatch(word)]
    return f"looks like a rating after the infusion ({late[0]!r})" if late and is_rating(name, cohort) else ""


def _bare(session: Session) -> str:
    return re.sub(r"^ses-", "", session.name).casefold()


def _holds(words: tuple[str, ...], session: str) -> bool:
    first, second = words_of(session)
    return (first, second) in pairwise(words)


def looks_like_order(name: str) -> bool:
    """Whether a column is a date or a running number by its name.

    Parameters
    ----------
    name : str

    Returns
    -------
    bool
    """
    return bool(ORDER_NAMES.search(name))


def is_rating(name: str, cohort: Cohort) -> bool:
    """Whether a name begins a word with that of a rating scale, the study's own included.

    Parameters
    ----------
    name : str
    cohort : Cohort

    Returns
    -------
    bool
    """
    own = (words_of(score)[0] for score in cohort.scales)
    scales = (*SCALE_WORDS, *(word for word in own if len(word) > 2))
    return any(word.startswith(scale) for word in words_of(name) for scale in scales)
