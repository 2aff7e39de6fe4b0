"""A number with its interval."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.records.numbers import Number


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval; NaN where there is none."""

    value: Number
    low: Number
    high: Number
