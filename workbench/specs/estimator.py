"""Options of a model that names any scikit-learn estimator, or what an installed package offers."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from math import prod
from typing import Annotated, Any, Literal, Self

from pydantic import Field, PrivateAttr

from workbench.specs.base import Finding, Number, Spec, Text, repeated
from workbench.specs.learner import ScreenedSpec
from workbench.specs.learner_work import Work
from workbench.specs.parameters import reserved, unwritable

FEWEST_TRIALS = 10
"""Trials of a search beside the main procedure, at least."""


class RangeSpec(Spec):
    """The values of one parameter that a search draws from."""

    low: int | Number | None = None
    """Smallest value; whole numbers are drawn where both ends are whole."""
    high: int | Number | None = None
    """Largest value."""
    log: bool = False
    """Whether ratios count, not differences: for penalties and widths."""
    choices: tuple[Any, ...] | None = Field(default=None, min_length=1)
    """Instead of low and high: the values that are tried."""

    def rules(self) -> Iterator[Finding]:
        """Two ends in order, or a list."""
        if self.choices is not None:
            if self.low is not None or self.high is not None or self.log:
                yield Finding(("choices",), "cannot stand beside low, high or log", "keep one of the two")
            yield from unwritable(self.choices, ("choices",))
        elif self.low is None or self.high is None:
            yield Finding((), "has no two ends", "write { low = 0.01, high = 100.0, log = true }, or choices = [..]")
        elif self.low >= self.high:
            yield Finding(("low",), f"{self.low:g} is not below high, {self.high:g}", "write the smaller value as low")
        elif self.log and self.low <= 0:
            yield Finding(("low",), f"is {self.low:g}, and ratios need a value above 0", "raise low, or leave log out")


class EstimatorSpec(ScreenedSpec):
    """Any scikit-learn estimator of an installed package, behind the same preparation as every model."""

    kind: Literal["estimator"]
    estimator: Annotated[Text, Field(pattern=r"^[A-Za-z_][\w-]*(\.[A-Za-z_]\w*)*$")]
    """Its class, such as "sklearn.svm.NuSVR", or the name under which an installed package offers it."""
    params: dict[Text, Any] = {}
    """Parameters of the class; the text "none" is None, and what is not given is at the default of the class."""
    grid: dict[Text, Annotated[tuple[Any, ...], Field(min_length=1)]] = {}
    """Values of parameters, all combinations of which are tried in the inner folds."""
    space: dict[Text, RangeSpec] = {}
    """Instead of a grid: ranges of parameters, searched in the inner folds with Optuna (TPE)."""
    trials: int = Field(default=50, ge=1)
    """Settings drawn from the space per outer fold."""
    permuted_trials: int = Field(default=10, ge=1)
    """Trials per outer fold, where `trials` is not fewer still, of a run that is tested by permutation."""
    _handed: Any = PrivateAttr(default=None)

    def candidates(self, modality_sizes: Sequence[int] = ()) -> int:
        """Settings that are tried in every inner fold; 0 where there is nothing to choose."""
        tried = prod(len(values) for values in self.grid.values())
        return self.trials if self.space else tried if tried > 1 else 0

    def grids(self) -> Mapping[str, tuple[float | int | str, ...]]:
        """Grids of numbers."""
        return {
            name: values
            for name, values in self.grid.items()
            if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
        }

    def as_permuted(self) -> Self:
        """Of a search `permuted_trials` settings at most, since every permutation repeats it."""
        return self._with_trials(min(self.trials, self.permuted_trials))

    def beside_main(self) -> Self:
        """Of a search a fifth of the trials, at least `FEWEST_TRIALS`: what is tuned less is only understated."""
        return self._with_trials(min(self.trials, max(FEWEST_TRIALS, self.trials // 5)))

    def _with_trials(self, trials: int) -> Self:
        return self.model_copy(update={"trials": trials}) if self.space else self

    def search_in_words(self, permutations: int) -> str:
        """Settings per fold; a permutation test gives both sides the same."""
        if not self.space:
            return f", {self.candidates()} settings tried per fold" if self.candidates() else ""
        if permutations == 0 or self.trials <= self.permuted_trials:
            return f", {self.trials} settings tried per fold"
        return (
            f", {self.permuted_trials} settings tried per fold, as in every permutation (not the {self.trials} asked)"
        )

    def fits_of_procedures(self, work: Work) -> int:
        """Fits in one outer fold of everything that is fitted there."""
        fits = 0
        for name in work.procedures:
            if name in ("main", "raw", "increment", "joint"):
                spec = self if name == "main" else self.beside_main()
                fits += (1 if name in ("raw", "joint") else work.targets) * (work.inner * spec.candidates() + 1)
        return fits

    @property
    def handed(self) -> Any:
        """The estimator object that a Python program handed over in place of a path; None for what a file names."""
        return self._handed

    def with_handed(self, estimator: Any) -> Self:
        """The same entry for an object, which copies of the entry keep."""
        copy = self.model_copy()
        copy._handed = estimator
        return copy

    @property
    def label(self) -> str:
        """The name given, or that of the class."""
        return self.name or self.estimator.rpartition(".")[2]

    def rules(self) -> Iterator[Finding]:
        """Every parameter is set in one place, to something that can be written."""
        yield from super().rules()
        if self.grid and self.space:
            yield Finding(("space",), "cannot stand beside 'grid'", "keep one of the two")
        for table in ("params", "grid", "space"):
            for name, value in getattr(self, table).items():
                yield from reserved(name, (table, name))
                if table != "params" and name in self.params:
                    yield Finding((table, name), "is given under params as well", "keep one of the two")
                if table != "space":
                    yield from unwritable(value, (table, name))
        for name, values in self.grid.items():
            if all(isinstance(value, Hashable) for value in values):
                yield from repeated(values, ("grid", name))
