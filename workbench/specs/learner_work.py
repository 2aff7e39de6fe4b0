"""How much work a run asks of a learner, and what the steps that learners share cost, as measured on one core.

Seconds are CPU seconds of one outer fold with 5 inner ones and default settings. Ridge, PLS, kernel ridge, linear
machines, elastic net and random forest were measured at 60 x 200, 120 x 500, 240 x 500 and 120 x 6670 (participants x
features, eight factors in every feature), the last two at 120 x 30 as well, for an outcome with a signal and for
permuted ones; trees as said there.
"""

from __future__ import annotations

from dataclasses import dataclass

FLOPS_PER_SECOND = 1.5e10
"""One core of a laptop in double precision, matrix products."""
SECONDS_PER_FIT = 5e-4
"""Python around one training fold of a batched learner."""


@dataclass(frozen=True)
class Work:
    """One division of one dataset into folds, with everything that is fitted in it."""

    n: int
    """Rows."""
    n_features: int
    """Features that the model is offered."""
    repeats: int
    outer: int
    inner: int
    permutations: int
    permuted: int
    """Procedures that go through every permuted outcome: one, or two with an increment."""
    candidates: int
    """Settings among which a search chooses."""
    one_by_one: bool
    """Whether every permuted outcome has features, or folds, of its own, so that nothing is shared between them."""
    procedures: tuple[str, ...]

    @property
    def folds(self) -> int:
        """Outer folds of all repeats."""
        return self.repeats * self.outer

    @property
    def targets(self) -> int:
        """The observed outcome and every permuted one."""
        return 1 + self.permutations

    @property
    def fits(self) -> int:
        """Fits that scikit-learn would have to make for the same numbers."""
        return self.folds * (self.inner * self.candidates + 1) * self.targets * self.permuted

    @property
    def reduced(self) -> int:
        """Outer folds that are reduced to the space of participants."""
        return self.folds * self.permuted * (self.targets if self.one_by_one else 1)

    @property
    def training_sets(self) -> int:
        """Training sets, inner ones too, of everything that is permuted."""
        return self.folds * self.permuted * (self.inner + 1)

    @property
    def gram_seconds(self) -> float:
        """Reducing outer folds with their inner ones to the space of participants."""
        n, p = self.n, self.n_features
        products = self.reduced * (self.inner + 1) * 2.0 * n * n * min(n, p) * max(1.0, p / max(n, 1))
        return products / FLOPS_PER_SECOND + self.reduced * (self.inner + 1) * SECONDS_PER_FIT
