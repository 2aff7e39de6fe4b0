"""Recognises results seen for the same values of an outcome, whatever sessions, scores, ids and folders are called.

A look carries *digests*: keyed hashes of who was analysed (of each id, and of each row of features, so that people with
new ids are known by what was measured in them) and their ranks in the outcome and in the ratings that it is made from,
sealed with the same key. Without the key, which never lies in a study, they say nothing; with it they give back neither
an id nor a rating. Ranks, since a score in another unit, read off another scale or slightly jittered is still that
score; they are ranked anew among the people whom two looks share, so that people who are left out move nothing.

Two looks are looks at the same outcome where half of the smaller set of people matches in one of three ways:

1. the same people (by id in one study folder, by features anywhere) and a score of the same name or scale: another kind
   of outcome or another session of it;
2. the same people (by id or by features) who stand at the same place, within `TOLERANCE` of all ranks, in the outcome
   or in a rating of it, upwards or downwards; agreement by chance does not count, so another score of the same people
   is another outcome unless it orders them almost alike (a correlation of about .97);
3. people known by nothing but their ranks in two ratings, before and after: two columns of ranks that agree in pairs.

An outcome rated once, on other features, under new ids has ranks that say nothing; it is not recognised.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

_Items = tuple[tuple[str, str], ...]

HASH_BYTES = 6
"""Of one id or row: two of 1,000 people share a hash with a probability of 2e-9."""
COLUMNS_NEEDED, COLUMNS_READ = 4, 64
"""Features of a row that are hashed: fewer may be alike in two people, more tell nobody apart whom these do not."""
SHARE = 0.5
"""Of the smaller set: METHODS 7."""
TOLERANCE = 0.05
"""Difference of two ranks, as a share of all people, that counts as the same place."""
CHANCE_PAIRS = 0.1
"""Chance counterparts of a person among the pairs of ranks of others: sets the tolerance where ids say nothing."""


@dataclass(frozen=True, eq=False)
class Seen:
    """What is hashed of one look.

    Parameters
    ----------
    ids : sequence of str
        Of those analysed.
    features : sequence of ndarray of shape (n, n_features)
        By source, rows in the order of `ids`.
    columns : ndarray of shape (n, 1 + n_ratings)
        The outcome, then the ratings that it is made from; NaN where a rating is missing.
    scores : sequence of str
        Names of the score and of its scale; empty for a shuffled outcome.
    settings : str
        Digest over everything that makes it this look and no other.
    """

    ids: Sequence[str]
    features: Sequence[np.ndarray]
    columns: np.ndarray
    scores: Sequence[str]
    settings: str


def digests(seen: Seen, key: bytes) -> dict[str, str]:
    """What of a look may lie in a file, as text.

    Parameters
    ----------
    seen : Seen
    key : bytes
        From `registry.find_key`.

    Returns
    -------
    dict of str to str
        ``key`` (which key it was made with), ``look``, ``scores``, ``people``, ``rows``, ``ranks``.
    """
    import numpy as np

    ids = np.array([keyed(key, "person", person) for person in seen.ids], dtype=f"S{HASH_BYTES}")
    order = np.argsort(ids)
    rows = [_row_hashes(np.asarray(values), key)[order] for values in seen.features]
    ranks = np.column_stack([ranked(column) for column in seen.columns[order].T])
    sealed = np.where(np.isnan(ranks), 0, np.round(ranks * 65534) + 1).astype("<u2").tobytes()
    nonce = keyed(key, "nonce", ids.tobytes() + sealed)
    return {
        "key": key_name(key),
        "look": keyed(key, "look", seen.settings).hex(),
        "scores": " ".join(sorted({keyed(key, "score", name.casefold()).hex() for name in seen.scores})),
        "people": _text(ids[order].tobytes()),
        "rows": " ".join(_text(each.tobytes()) for each in rows),
        "ranks": _text(nonce + _xor(sealed, key, nonce)),
    }


def same_look(one: Mapping[str, str], other: Mapping[str, str]) -> bool | None:
    """Whether two looks are one, seen again; None where their keys differ.

    Parameters
    ----------
    one, other : mapping of str to str
        From `digests`.

    Returns
    -------
    bool or None
    """
    return one["look"] == other["look"] if comparable(one, other) else None


def same_outcome(one: Mapping[str, str], other: Mapping[str, str], key: bytes, *, same_study: bool) -> bool:
    """Whether two looks are at the same outcome, whatever it is called.

    Parameters
    ----------
    one, other : mapping
        Digests made with `key`.
    key : bytes
    same_study : bool
        Whether both were seen in one study folder: ids such as ``sub-01`` are different people elsewhere.

    Returns
    -------
    bool
    """
    return _same_outcome(tuple(sorted(one.items())), tuple(sorted(other.items())), key, same_study)


@lru_cache(maxsize=4096)
def _same_outcome(one: _Items, other: _Items, key: bytes, same_study: bool) -> bool:
    a, b = _opened(one, key), _opened(other, key)
    named, smaller, same_people = bool(a.scores & b.scores), min(a.n, b.n), False
    for known, (here, there) in _matched(a, b, same_study=same_study):
        if len(here) < SHARE * smaller:
            continue
        if (known and named) or _in_same_order(a.ranks[here], b.ranks[there], smaller):
            return True
        same_people |= known
    return not same_people and _same_pairs(a.ranks, b.ranks, smaller)


def seen_in_parts(
    current: Mapping[str, str], others: Sequence[Mapping[str, str]], key: bytes, *, same_study: Sequence[bool]
) -> tuple[bool, ...]:
    """Which of some looks at the same score share anybody with this one, where together they have seen half of them.

    Looks that share less than half of the people with this one, each, may together have seen them all.

    Parameters
    ----------
    current : mapping of str to str
        Digests made with `key`.
    others : sequence of mapping
        Digests made with `key`.
    key : bytes
    same_study : sequence of bool
        For each of `others`, as in `same_outcome`.

    Returns
    -------
    tuple of bool
        All False where together they have seen fewer.
    """
    import numpy as np

    own = _opened(tuple(sorted(current.items())), key)
    seen, sharing = np.zeros(own.n, dtype=bool), []
    for other, here in zip(others, same_study, strict=True):
        theirs, shared = _opened(tuple(sorted(other.items())), key), np.zeros(own.n, dtype=bool)
        if own.scores & theirs.scores:
            for known, (positions, _) in _matched(own, theirs, same_study=here):
                shared[positions] |= known
        seen |= shared
        sharing.append(bool(shared.any()))
    return tuple(share and float(seen.mean()) >= SHARE for share in sharing)


def shared_people(one: Mapping[str, str], other: Mapping[str, str], key: bytes, *, same_study: bool) -> int:
    """How many people two looks are known to share, by id in one study folder and by their features anywhere.

    Parameters
    ----------
    one, other : mapping
        Digests made with `key`.
    key : bytes
    same_study : bool

    Returns
    -------
    int
    """
    a, b = (_opened(tuple(sorted(each.items())), key) for each in (one, other))
    shared: set[int] = set()
    for known, (positions, _) in _matched(a, b, same_study=same_study):
        shared |= set(positions.tolist()) if known else set()
    return len(shared)


def comparable(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """Whether both have digests, made with one key.

    Parameters
    ----------
    one, other : mapping of str to str
        From `digests`; empty in lines of earlier versions.

    Returns
    -------
    bool
    """
    return bool(one) and bool(other) and one["key"] == other["key"]


def keyed(key: bytes, what: str, content: str | bytes) -> bytes:
    """The first `HASH_BYTES` of HMAC-SHA-256 over a content of some kind.

    Parameters
    ----------
    key : bytes
    what : str
        The kind of content, hashed with it: the same content of another kind has another hash.
    content : str or bytes
        Text is hashed as UTF-8.

    Returns
    -------
    bytes
        Of length `HASH_BYTES`.
    """
    raw = content.encode() if isinstance(content, str) else content
    return hmac.new(key, what.encode() + b"\0" + raw, hashlib.sha256).digest()[:HASH_BYTES]


def key_name(key: bytes) -> str:
    """Which key it is, without saying it.

    Parameters
    ----------
    key : bytes

    Returns
    -------
    str
        A keyed hash of an empty content, in hexadecimal digits.
    """
    return keyed(key, "key", "").hex()


def ranked(values: np.ndarray) -> np.ndarray:
    """Mid-ranks as shares of those with a value, in (0, 1); NaN stays.

    >>> import numpy as np
    >>> ranked(np.array([30.0, 10.0, np.nan, 10.0])).round(3).tolist()
    [0.833, 0.333, nan, 0.333]
    """
    low, high = _tied(values)
    middle: np.ndarray = (low + high) / 2
    return middle


# ------------------------------------------------------------------------------------------------------------ comparing


@dataclass(frozen=True, eq=False)
class _Opened:
    """Digests as arrays."""

    scores: frozenset[str]
    people: np.ndarray
    rows: tuple[np.ndarray, ...]
    ranks: np.ndarray

    @property
    def n(self) -> int:
        return len(self.people)


@lru_cache(maxsize=512)
def _opened(items: _Items, key: bytes) -> _Opened:
    import numpy as np

    written = dict(items)
    people = _hashes(written["people"])
    content = base64.b64decode(written["ranks"])
    nonce, sealed = content[:HASH_BYTES], content[HASH_BYTES:]
    numbers = np.frombuffer(_xor(sealed, key, nonce), dtype="<u2").reshape(len(people), -1).astype(float)
    ranks = np.where(numbers == 0, np.nan, (numbers - 1) / 65534)
    rows = tuple(_hashes(each) for each in written["rows"].split())
    return _Opened(frozenset(written["scores"].split()), people, rows, ranks)


def _hashes(text: str) -> np.ndarray:
    import numpy as np

    return np.frombuffer(base64.b64decode(text), dtype=f"S{HASH_BYTES}")


Positions = tuple["np.ndarray", "np.ndarray"]


def _matched(a: _Opened, b: _Opened, *, same_study: bool) -> Iterator[tuple[bool, Positions]]:
    """People of both looks by their positions in each, and whether they are known to be the same."""
    yield same_study, _shared(a.people, b.people)
    for here in a.rows:
        for there in b.rows:
            yield True, _shared(here, there)


def _shared(a: np.ndarray, b: np.ndarray) -> Positions:
    """Positions of the hashes that stand once in both."""
    import numpy as np

    once = [np.unique(each, return_index=True, return_counts=True) for each in (a, b)]
    (first, at_first), (second, at_second) = (
        (hashes[(n == 1) & (hashes != b"")], at[(n == 1) & (hashes != b"")]) for hashes, at, n in once
    )
    _, i, j = np.intersect1d(first, second, assume_unique=True, return_indices=True)
    return at_first[i], at_second[j]


def _in_same_order(a: np.ndarray, b: np.ndarray, smaller: int) -> bool:
    """Whether any column of ranks orders the same people as any of the other look does, upwards or downwards."""
    return any(_agreement(one, sign * other) >= SHARE * smaller for one in a.T for other in b.T for sign in (1, -1))


def _agreement(one: np.ndarray, other: np.ndarray) -> float:
    """People at the same place in both, less what chance gives: n (agreed - expected) / (1 - expected)."""
    import numpy as np

    there = ~np.isnan(one) & ~np.isnan(other)
    n = int(there.sum())
    if n == 0:
        return 0.0
    # A person stands anywhere among those who share the value: a response is the same order as the fall it is cut from.
    ours, theirs = (np.column_stack(_tied(column[there])) for column in (one, other))
    agreed = float(np.mean(_same_place(ours, theirs)))
    levels, counts = np.unique(ours, axis=0, return_counts=True)
    their_levels, their_counts = np.unique(theirs, axis=0, return_counts=True)
    expected = float(counts @ _same_place(levels[:, None], their_levels[None]) @ their_counts) / n**2
    return n * (agreed - expected) / (1 - expected) if expected < 1 else 0.0


def _same_place(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Whether two spans of ranks (begin and end on the last axis) are no further apart than the tolerance.

    From middle to middle where each is one person; of the tolerance wide spans keep nothing, else the two halves of a
    dichotomy, which touch, would be one place.
    """
    import numpy as np

    width = (one[..., 1] - one[..., 0] + other[..., 1] - other[..., 0]) / 2
    apart = np.abs(one.sum(axis=-1) - other.sum(axis=-1)) / 2
    near: np.ndarray = apart < np.maximum(width, TOLERANCE) - 1e-9
    return near


def _same_pairs(a: np.ndarray, b: np.ndarray, smaller: int) -> bool:
    """Whether people known by nothing but two ratings have counterparts: ranks before and after that agree in pairs."""
    import numpy as np

    if a.shape[1] < 3 or b.shape[1] < 3:
        return False
    pairs = [each[:, 1:3][~np.isnan(each[:, 1:3]).any(axis=1)] for each in (a, b)]
    few, many = sorted(pairs, key=len)
    distinct = min(len(np.unique(each, axis=0)) for each in pairs)
    if len(few) < SHARE * smaller or distinct < SHARE * len(many):
        return False  # a scale of a few levels: anybody has counterparts
    tolerance = np.sqrt(CHANCE_PAIRS / len(many)) / 2
    for turned in (few, 1 - few):
        close = (np.abs(turned[:, None] - many[None]) <= tolerance + 1 / 65534).all(axis=2)
        # One counterpart each, whichever side has fewer of them.
        if min(int(close.any(axis=1).sum()), int(close.any(axis=0).sum())) >= SHARE * smaller:
            return True
    return False


def _tied(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the people who share a value begin and end among all of them, as shares; NaN for who has none."""
    import numpy as np

    low, high = np.full(len(values), np.nan), np.full(len(values), np.nan)
    there = ~np.isnan(values)
    if there.any():
        _, level, counts = np.unique(values[there], return_inverse=True, return_counts=True)
        ends = np.cumsum(counts)
        low[there], high[there] = ((ends - counts) / ends[-1])[level], (ends / ends[-1])[level]
    return low, high


# -------------------------------------------------------------------------------------------------------------- hashing


def _row_hashes(values: np.ndarray, key: bytes) -> np.ndarray:
    """One hash per row, of its first columns to about seven digits; an empty one where too little was measured."""
    import numpy as np

    read = np.ascontiguousarray(values[:, :COLUMNS_READ], dtype="<f4")
    measured = (~np.isnan(read)).sum(axis=1) >= COLUMNS_NEEDED
    return np.array(
        [keyed(key, "row", row.tobytes()) if there else b"" for row, there in zip(read, measured, strict=True)],
        dtype=f"S{HASH_BYTES}",
    )


def _xor(content: bytes, key: bytes, nonce: bytes) -> bytes:
    """Sealed or opened: the stream is SHAKE-256 over key and nonce, never used for two contents."""
    stream = hashlib.shake_256(b"ranks\0" + key + nonce).digest(len(content))
    return bytes(a ^ b for a, b in zip(content, stream, strict=True))


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
