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
SECONDS_PER_FIT, SECONDS_PER_SMALL_FIT = 5e-4, 1.2e-4
"""Python around one training fold of a batched learner, and of one so small that several are fitted together."""
SMALL_ROWS, SMALL_VALUES = 80, 16384
"""Training sets up to this size are small, as in `workbench.models.stacked`."""
DECOMPOSITION_FLOPS = 9.0
"""Of the eigendecomposition of a symmetric matrix, times the cube of its rows."""
PREPARED_SECONDS = 1.6e-8
"""One value imputed, residualised and standardised."""


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
    explained: bool = True
    """Whether SHAP values are made."""

    @property
    def folds(self) -> int:
        """Outer folds of all repeats."""
        return self.repeats * self.outer

    @property
    def targets(self) -> int:
        """The observed outcome and every permuted one."""
        return 1 + self.permutations

    @property
    def observed(self) -> int:
        """Procedures on the features that meet the observed outcome alone."""
        return len({"raw", "joint"}.intersection(self.procedures))

    @property
    def fits(self) -> int:
        """Fits that scikit-learn would have to make for the same numbers, of what is permuted."""
        return self.folds * (self.inner * self.candidates + 1) * self.targets * self.permuted

    @property
    def fits_made(self) -> int:
        """The same with what meets the observed outcome alone."""
        return self.fits + self.folds * (self.inner * self.candidates + 1) * self.observed

    @property
    def reduced(self) -> int:
        """Outer folds that are reduced to the space of participants."""
        return self.folds * (self.permuted * (self.targets if self.one_by_one else 1) + self.observed)

    @property
    def training_sets(self) -> int:
        """Training sets, inner ones too, of everything that is permuted."""
        return self.folds * self.permuted * (self.inner + 1)

    @property
    def n_train(self) -> float:
        """Rows of an outer training set."""
        return self.n * (1 - 1 / self.outer)

    @property
    def gram_seconds(self) -> float:
        """Reducing outer folds with their inner ones to the space of participants, or to that of the features where
        these are fewer: a symmetric product and a decomposition for each training set."""
        n, p, smaller = self.n, self.n_features, min(self.n_train, self.n_features)
        flops = 0.9 * n * p * (self.n_train if p > n else p) + DECOMPOSITION_FLOPS * smaller**3
        of_values = 0.0 if p > n else PREPARED_SECONDS * n * p
        return self.reduced * (self.inner + 1) * (flops / FLOPS_PER_SECOND + of_values + self.seconds_per_fit)

    @property
    def target_seconds(self) -> float:
        """Taking every target and setting through the decompositions of all training sets."""
        rank = min(self.n, self.n_features)
        flops = self.training_sets * 4.0 * self.n * rank * self.targets * max(1.0, self.candidates / 4)
        return flops / FLOPS_PER_SECOND

    @property
    def seconds_per_fit(self) -> float:
        """Python around one training set, of which small ones are fitted together (`workbench.models.stacked`)."""
        small = self.n_train <= SMALL_ROWS and self.n_train * self.n_features <= SMALL_VALUES
        return SECONDS_PER_SMALL_FIT if small and not self.one_by_one else SECONDS_PER_FIT
