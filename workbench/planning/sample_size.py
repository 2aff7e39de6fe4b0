"""How many people a regression on all features would need: the criteria of Riley et al., as in pmsampsize.

P counts candidate features, all that a model is offered, never those that survive a selection. The criteria are for
regressions without a penalty: far below them only a penalised model can be fitted, and what it reaches falls short of
what the features hold.

References
----------
Riley, R. D. et al. (2019). Statistics in Medicine 38, 1262-1275 (continuous outcomes); 1276-1296 (binary outcomes).
Ensor, J., Martin, E. C., Riley, R. D. pmsampsize 1.1.3: its worked examples are the tests of this module.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, exp, inf, log, sqrt

from workbench.records import SizeCriterion

SHRINKAGE = 0.9
"""Criterion 1: predictions need to be pulled towards the mean by at most a tenth."""
OPTIMISM = 0.05
"""Criterion 2: apparent and adjusted R2 (for binary outcomes Nagelkerke's) differ by at most so much."""
RESIDUAL_PEOPLE = 234
"""Criterion 3 of continuous outcomes: so many and P more know the residual SD to within 10 %."""
RISK_MARGIN = 0.05
"""Criterion 3 of binary outcomes: the share of people with the outcome is known to within so much."""
MEAN_MARGIN = 0.1
"""Criterion 4 of continuous outcomes: the mean outcome is known to within 10 %."""


def criteria_continuous(
    n_features: int, r2: float, *, mean: float | None = None, sd: float | None = None
) -> tuple[SizeCriterion, ...]:
    """People that each criterion asks for, for a continuous outcome.

    Parameters
    ----------
    n_features : int
        P, candidate features.
    r2 : float
        Adjusted R2 expected in everybody, between 0 and 1.
    mean, sd : float, optional
        Of the outcome, as earlier studies found them, in its points. Without them there is no fourth criterion.

    Returns
    -------
    tuple of SizeCriterion
        The study needs the largest.
    """
    first = _fewest(lambda n: _shrinkage(n, n_features, r2) >= SHRINKAGE, n_features + 2)
    found = [
        SizeCriterion(r2, "predictions shrink by a tenth at most", first),
        SizeCriterion(r2, "apparent R2 at most 0.05 too high", _up(1 + n_features * (1 - r2) / OPTIMISM)),
        SizeCriterion(r2, "residual spread known within 10 %", RESIDUAL_PEOPLE + n_features),
    ]
    if mean is not None and sd is not None:
        found.append(SizeCriterion(r2, "mean outcome known within 10 %", _for_the_mean(n_features, r2, mean, sd)))
    return tuple(found)


def criteria_binary(n_features: int, r2: float, prevalence: float) -> tuple[SizeCriterion, ...]:
    """People that each criterion asks for, for a binary outcome.

    Parameters
    ----------
    n_features : int
        P, candidate features.
    r2 : float
        Cox-Snell R2 expected in everybody, below what the prevalence allows.
    prevalence : float
        Share of people with the outcome, as earlier studies found it.

    Returns
    -------
    tuple of SizeCriterion
        The study needs the largest. Infinite where the prevalence does not allow such an R2.
    """
    most = 1 - exp(2 * (prevalence * log(prevalence) + (1 - prevalence) * log(1 - prevalence)))
    possible = r2 < most
    second = r2 / (r2 + OPTIMISM * most)
    return (
        SizeCriterion(r2, "predictions shrink by a tenth at most", _for_shrinkage(n_features, r2, SHRINKAGE, possible)),
        SizeCriterion(r2, "apparent R2 at most 0.05 too high", _for_shrinkage(n_features, r2, second, possible)),
        SizeCriterion(r2, "share with the outcome known within 0.05", _up(_risk_people(prevalence))),
    )


def _shrinkage(n: int, n_features: int, r2: float) -> float:
    """Expected uniform shrinkage of a least-squares model (Copas), from its apparent R2 (Riley 2019, part I, eq. 5)."""
    apparent = (r2 * (n - n_features - 1) + n_features) / (n - 1)
    return 1 + (n_features - 2) / (n * log(1 - apparent))


def _for_shrinkage(n_features: int, r2: float, shrinkage: float, possible: bool) -> float:
    """Riley 2019, part II, eq. 11."""
    return _up(n_features / ((shrinkage - 1) * log(1 - r2 / shrinkage))) if possible and r2 < shrinkage else inf


def _risk_people(prevalence: float) -> float:
    return (1.96 / RISK_MARGIN) ** 2 * prevalence * (1 - prevalence)


def _for_the_mean(n_features: int, r2: float, mean: float, sd: float) -> float:
    """Fewest people in whom the 95 % interval of the mean reaches at most a tenth of the mean to either side."""
    from scipy.stats import t

    if mean == 0:
        return inf

    def known(n: int) -> bool:
        return bool(t.ppf(0.975, n - n_features - 1) * sd * sqrt((1 - r2) / n) <= MEAN_MARGIN * abs(mean))

    return _fewest(known, n_features + 2)


def _fewest(enough: Callable[[int], bool], least: int) -> int:
    """The smallest n from `least` on that is enough, where more never is less."""
    high = least
    while not enough(high):
        high *= 2
    low = least
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle + 1, high)
    return low


def _up(people: float) -> int:
    """Rounded up, but not for the sake of what binary fractions leave over."""
    return ceil(people - 1e-9)
