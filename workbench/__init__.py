"""From derivatives to defensible biomarkers: leak-proof multimodal prediction of the response to ketamine.

The functions a notebook needs are loaded when they are first asked for, so that importing the package,
and `workbench --help`, cost nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

__all__ = [
    "__version__",
    "check",
    "export_run",
    "features",
    "freeze",
    "init",
    "plan",
    "run",
    "show_run",
    "simulate_study",
]

if TYPE_CHECKING:
    from workbench.pipeline import check, export_run, features, freeze, init, plan, run, show_run, simulate_study


def __getattr__(name: str) -> Any:
    if name in __all__:
        from workbench import pipeline

        return getattr(pipeline, name)
    raise AttributeError(f"module 'workbench' has no attribute {name!r}")
