"""An interval, and in words what it is an interval for."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.records.numbers import Number


@dataclass(frozen=True)
class Interval:
    """An estimate with its interval and what the interval means."""

    low: Number
    high: Number
    level: Number
    method: str
    covers: str
    """What it is an interval for, in words."""
    centre: float | None = None
    """The estimate in its middle, on the scale of its logarithm: that of repeated 5-fold divisions, which is another
    number than the headline where `outer` is not 5. None in older results."""
