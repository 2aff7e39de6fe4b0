"""Permutation p-values of whole procedures, and their correction over the runs of an experiment (METHODS 2.2)."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from workbench.records import PermutationTest

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from workbench.records import UnitResult

ALPHA = 0.05
TIE = 1e-12
"""Statistics closer than this count as equal: the same permutation computed in another order differs by rounding."""


# ----------------------------------------------------------------------------------------------------------- one run


def permuted_r2(results: Sequence[UnitResult], procedure: str) -> NDArray[np.float64]:
    """r2 of one procedure for the observed outcome and for every permuted one.

    Parameters
    ----------
    results : sequence of UnitResult
        In any order.
    procedure : str
        One of `PROCEDURES` that every unit ran.

    Returns
    -------
    ndarray of shape (1 + n_permutations,)
        For each target: 1 - SSE / SSE of the nuisance model, pooled over the folds of a repeat, averaged over repeats.
        Element 0 is the observed outcome.
    """
    ordered = sorted(results, key=lambda result: (result.repeat, result.fold))
    by_repeat: dict[int, list[UnitResult]] = {}
    for result in ordered:
        by_repeat.setdefault(result.repeat, []).append(result)
    r2 = []
    for units in by_repeat.values():
        model = np.sum([unit.procedures[procedure].squared_error for unit in units], axis=0)
        reference = np.sum([unit.procedures[procedure].squared_error_reference for unit in units], axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            r2.append(np.where(reference > 0, 1 - model / reference, np.nan))
    return np.mean(r2, axis=0)  # type: ignore[no-any-return]


def p_value(observed: float, null: NDArray[np.float64]) -> float:
    """(1 + #{null >= observed}) / (1 + B): never 0 (Phipson and Smyth 2010, Stat Appl Genet Mol Biol 9, 39).

    A permutation that failed (NaN) is never dropped: it counts against the finding.

    Parameters
    ----------
    observed : float
    null : ndarray of shape (n_permutations,)

    Returns
    -------
    float
        1 without permutations.

    Examples
    --------
    >>> p_value(0.2, np.array([0.1, 0.3, 0.0, -0.1]))
    0.4
    """
    exceeding = int(np.sum(~(null < observed - TIE)))
    return (1 + exceeding) / (1 + len(null))


def permutation_test(statistic: NDArray[np.float64], *, scheme: str, refused: str = "") -> PermutationTest:
    """Whole-procedure permutation test of one statistic.

    Parameters
    ----------
    statistic : ndarray of shape (1 + n_permutations,)
        Observed, then permuted.
    scheme : str
        What was exchanged, in words.
    refused : str
        Why no p-value may be given (too few distinct permutations), or empty.

    Returns
    -------
    PermutationTest
        `p` is None where it is refused, the statistic is undefined, or nothing was permuted.
    """
    observed, null = float(statistic[0]), statistic[1:]
    if refused or not len(null) or np.isnan(observed):
        reason = refused or ("the statistic is undefined" if len(null) else "")
        return PermutationTest(None, len(null), _median(null), critical_value(null), scheme, reason)
    return PermutationTest(p_value(observed, null), len(null), _median(null), critical_value(null), scheme)


def critical_value(null: NDArray[np.float64], alpha: float = ALPHA) -> float:
    """The value a statistic must exceed for an uncorrected p of at most `alpha`; NaN with too few permutations.

    It is the 95th percentile of the null, read off so that it agrees with `p_value`: p <= alpha leaves room for at most
    floor(alpha * (1 + B)) - 1 permuted values as large as the observed one.
    """
    room = int(np.floor(alpha * (1 + len(null)) + 1e-9)) - 1
    if room < 0:
        return float("nan")
    descending = np.sort(np.where(np.isnan(null), np.inf, null))[::-1]
    value = float(descending[room])
    return value if np.isfinite(value) else float("nan")


def benjamini_hochberg(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Benjamini-Hochberg q-values; NaN stays NaN and is not counted as a test.

    Parameters
    ----------
    p : ndarray of shape (n_tests,)

    Returns
    -------
    ndarray of shape (n_tests,)

    References
    ----------
    Benjamini, Y., & Hochberg, Y. (1995). J R Stat Soc B 57, 289-300.

    >>> benjamini_hochberg(np.array([0.01, 0.04, 0.03])).round(6).tolist()
    [0.03, 0.04, 0.04]
    """
    from scipy.stats import false_discovery_control

    q, tested = np.full(len(p), np.nan), ~np.isnan(p)
    if tested.any():
        q[tested] = false_discovery_control(p[tested])
    return q


# ---------------------------------------------------------------------------------------------------------- families


@dataclass(frozen=True, eq=False)
class FamilyMember:
    """One run as a member of a family of tests.

    Attributes
    ----------
    group : hashable
        Equal for runs whose permutations are the same shuffles of the same people: their null columns are aligned.
    null : ndarray of shape (n_permutations,)
        Empty for a run without a permutation p.
    """

    group: Hashable
    observed: float
    null: NDArray[np.float64]


def correct_family(members: Sequence[FamilyMember]) -> tuple[list[float | None], int]:
    """Family-corrected p of each run, and over how many runs the correction goes.

    Westfall-Young min-p inside a group of aligned permutations, Holm across the groups. A run without permutations has
    no p and is not counted.

    Parameters
    ----------
    members : sequence of FamilyMember

    Returns
    -------
    corrected : list of float or None
        In the order of `members`.
    n_tested : int
    """
    groups: dict[Hashable, list[int]] = {}
    for position, member in enumerate(members):
        if len(member.null) and not np.isnan(member.observed):
            groups.setdefault((member.group, len(member.null)), []).append(position)
    within = [
        westfall_young(
            np.array([members[k].observed for k in positions]), np.column_stack([members[k].null for k in positions])
        )
        for positions in groups.values()
    ]
    corrected: list[float | None] = [None] * len(members)
    for positions, adjusted in zip(groups.values(), holm_across(within), strict=True):
        for position, p in zip(positions, adjusted, strict=True):
            corrected[position] = float(p)
    return corrected, sum(len(positions) for positions in groups.values())


def westfall_young(observed: NDArray[np.float64], null: NDArray[np.float64]) -> NDArray[np.float64]:
    """Step-down min-p adjusted p-values of tests that share their permutations.

    Parameters
    ----------
    observed : ndarray of shape (n_tests,)
    null : ndarray of shape (n_permutations, n_tests)
        Row b holds every test under the same shuffle.

    Returns
    -------
    ndarray of shape (n_tests,)
        Each column is first turned into p-values by its own ranks, the observed row among them, so that tests with
        nulls of different width weigh the same.

    References
    ----------
    Westfall, P. H., & Young, S. S. (1993). Resampling-based multiple testing, algorithm 2.8. Wiley.
    """
    rows = np.vstack([observed, null])
    p = np.column_stack([_rank_p(column) for column in rows.T])
    order = np.argsort(p[0], kind="stable")
    # Smallest p over this test and all less significant ones, for every shuffle.
    smallest = np.minimum.accumulate(p[:, order[::-1]], axis=1)[:, ::-1]
    stepwise = (smallest <= p[0, order] + TIE).mean(axis=0)
    adjusted = np.empty(len(observed))
    adjusted[order] = np.maximum.accumulate(stepwise)
    return adjusted


def holm_across(groups: Sequence[NDArray[np.float64]]) -> list[NDArray[np.float64]]:
    """Correct p-values that are already adjusted inside their group, over the groups.

    With G groups each is tested at alpha / G. A group passes its share on only when all its tests are rejected, which
    keeps the family-wise error when a group holds true and false effects; with one test per group this is Holm (1979,
    Scand J Stat 6, 65-70).

    Parameters
    ----------
    groups : sequence of ndarray of shape (n_tests,)
        p-values of each group.

    Returns
    -------
    list of ndarray of shape (n_tests,)
        In the order of `groups`.
    """
    n_groups = len(groups)
    worst = [float(p.max()) for p in groups]
    order = sorted(range(n_groups), key=lambda g: worst[g])
    corrected: list[NDArray[np.float64]] = [np.empty(0)] * n_groups
    for rank, g in enumerate(order):
        steps = []
        for passed in range(rank + 1):
            gate = max([(n_groups - s) * worst[order[s]] for s in range(passed)], default=0.0)
            steps.append(np.maximum(gate, (n_groups - passed) * groups[g]))
        corrected[g] = np.minimum(np.min(steps, axis=0), 1.0)
    return corrected


def smallest_family_p(groups: Sequence[tuple[Hashable, int]]) -> list[float | None]:
    """The smallest family-corrected p of each run that its number of permutations allows, whatever the data.

    Parameters
    ----------
    groups : sequence of (hashable, int)
        Of each run, what its permutations are aligned by, as in `FamilyMember`, and how many they are.

    Returns
    -------
    list of float or None
        `correct_family` of runs whose R2 beats every permuted one; None for a run without permutations.

    >>> smallest_family_p([("a", 19), ("a", 19), ("b", 99), ("b", 0)])
    [0.05, 0.05, 0.02, None]
    """
    members = [FamilyMember(group, 1.0, np.zeros(n)) for group, n in groups]
    return correct_family(members)[0]


def held_to_earlier_looks(p_family: float, family_size: int, others: int) -> float:
    """A family-corrected p, held to the distinct results that were viewed before for the same outcome.

    p * (m + e) / m, at most 1, with m runs corrected together and e earlier looks outside them: the family is tested at
    its share m / (m + e) of alpha, as Bonferroni would give it among m + e tests. With one run it is Bonferroni over
    all looks so far. It is conservative, since looks at one outcome are alike: the stored nulls of the earlier looks,
    where they shuffle the same people alike, would allow min-p over all of them.

    What it bounds: at looks of one run each, K looks in a row without any effect show something at one or more of them
    with a probability of at most alpha * (1 + 1/2 + .. + 1/K), 11 % for five looks instead of 23 %; later looks are
    never held against earlier ones, so that a result keeps its p when it is run again. An error rate of alpha over all
    looks at once needs them in one experiment, or a frozen primary run.

    Parameters
    ----------
    p_family : float
    family_size : int
        m, at least 1.
    others : int
        e.

    Returns
    -------
    float

    Examples
    --------
    >>> held_to_earlier_looks(0.01, 2, 4), held_to_earlier_looks(0.04, 1, 0), held_to_earlier_looks(0.3, 1, 9)
    (0.03, 0.04, 1.0)
    """
    return min(1.0, p_family * (family_size + others) / family_size)


def _rank_p(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of values at least as large as each value; NaN is the largest."""
    filled = np.where(np.isnan(values), np.inf, values)
    below = np.searchsorted(np.sort(filled), filled - TIE, side="left")
    return (len(filled) - below) / len(filled)


def _median(null: NDArray[np.float64]) -> float:
    finite = null[np.isfinite(null)]
    return float(np.median(finite)) if len(finite) else float("nan")
