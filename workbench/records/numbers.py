"""Numbers of records that are written as JSON, which knows no NaN: null is read as one where a number is declared."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator


def _null_as_nan(value: Any) -> Any:
    return float("nan") if value is None else value


Number = Annotated[float, BeforeValidator(_null_as_nan)]
"""A number that may be NaN; what may be absent is declared ``float | None``."""
