"""What numbers of a measure can be: bounds by physics or physiology, by what a source says that it measures."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Plausible:
    """Bounds of one measure.

    Parameters
    ----------
    measure : str
        Regular expression for measure, unit or modality, in lower case.
    low, high : float
        Values outside are to be looked at.
    why : str
        What bounds them.
    """

    measure: str
    low: float
    high: float
    why: str

    @property
    def in_words(self) -> str:
        """The bounds, and why."""
        if np.isinf(self.high):
            return f"above {self.low:g}: {self.why}"
        return f"{self.low:g} to {self.high:g}: {self.why}"


CORRELATION = Plausible(r"pearson|correlation|\br\b", -1.0, 1.0, "a correlation")
FISHER_Z = Plausible(r"fisher", -3.8, 3.8, "Fisher z of a correlation of at most .999")
RULES: tuple[Plausible, ...] = (
    FISHER_Z,
    CORRELATION,
    Plausible(r"bp_?(nd|p|f)?\b|binding", -0.5, 15.0, "a binding potential is noise about 0 where nothing binds"),
    Plausible(r"suvr|dvr", 0.0, 10.0, "a ratio of activities is positive"),
    Plausible(r"\bsuv\b", 0.0, 50.0, "an uptake value is positive"),
    Plausible(r"\bv_?t\b", 0.0, 500.0, "a volume of distribution is positive"),
    Plausible(r"\bk_?i\b", -0.01, 1.0, "an influx constant is not negative"),
    Plausible(r"framewise|\bfd\b", 0.0, 5.0, "a displacement in mm"),
    Plausible(r"thickness", 0.0, 6.0, "cortex is at most some 5 mm thick"),
    Plausible(r"area|volume", 0.0, np.inf, "a size is positive"),
    Plausible(r"percent signal", -10.0, 10.0, "BOLD changes by a few percent"),
)
"""Rules in the order in which they are asked; conventions of the field, not tests of a value."""


def plausible(measure: str, unit: str, *, transformed: bool = False) -> Plausible | None:
    """The bounds of what a feature measures; None where nothing is known of it.

    Parameters
    ----------
    measure, unit : str
        As the source says them.
    transformed : bool
        Correlations were made Fisher z when the table was built.

    Returns
    -------
    Plausible or None

    Examples
    --------
    >>> plausible("Pearson r", "").high, plausible("Pearson r", "", transformed=True).high, plausible("beta", "")
    (1.0, 3.8, None)
    """
    words = f"{measure} {unit}".lower()
    rule = next((rule for rule in RULES if re.search(rule.measure, words)), None)
    return FISHER_Z if rule is CORRELATION and transformed else rule
