"""From derivatives to defensible biomarkers: leak-proof multimodal prediction of the response to ketamine.

    import workbench

    workbench.check("madrs_change")  # what would run, and what is wrong
    runs = workbench.run("madrs_change")  # a table of finished runs
    runs[0].predictions, runs[0].explanations  # data frames
    workbench.aligned_data("madrs_change").X  # what the models were given

Functions are loaded when they are first asked for, so that importing the package, and `workbench --help`, cost nothing.
"""

from __future__ import annotations

from workbench.version import __version__

TYPE_CHECKING = False
"""As type checkers read it; `typing` is not imported: until the command line listens, Python answers Ctrl-C."""
if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "AlignedData",
    "ExternalPrediction",
    "FinishedRun",
    "FinishedRuns",
    "__version__",
    "aligned_data",
    "check",
    "compare",
    "describe_features",
    "export_run",
    "features",
    "fit_model",
    "freeze",
    "init",
    "init_from",
    "list_runs",
    "load_model",
    "merge",
    "plan",
    "predict",
    "prune",
    "report",
    "reproduce",
    "run",
    "show_run",
    "simulate_study",
]

if TYPE_CHECKING:
    from workbench.pipeline import (
        AlignedData,
        ExternalPrediction,
        FinishedRun,
        FinishedRuns,
        aligned_data,
        check,
        compare,
        describe_features,
        export_run,
        features,
        fit_model,
        freeze,
        init,
        init_from,
        list_runs,
        merge,
        plan,
        predict,
        prune,
        report,
        reproduce,
        run,
        show_run,
        simulate_study,
    )


def __getattr__(name: str) -> Any:
    if name in __all__:
        from workbench import pipeline

        return getattr(pipeline, name)
    raise AttributeError(f"module 'workbench' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
