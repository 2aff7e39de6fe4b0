"""How the table of runs opens: which columns, in which order."""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any

HEADLINE = ("r2", "r2_low", "r2_high", "mae", "mae_clinical", "increment", "n")
"""The metrics of a run, in the order of the table; every further one is one more chart in the UI."""

P_VALUE = "p_value"
"""Tag of the p that the claim is judged by: as text, which no chart rounds to 0.00."""

COLUMNS = ("tags.`claim`", f"tags.`{P_VALUE}`", *(f"metrics.`{name}`" for name in HEADLINE))
"""Of the table of runs, in order; MLflow sets tags before metrics."""

WIDTHS = (212, 66, 68, 72, 72, 62, 92, 76, 52)
"""Of these columns, in pixels: beside the menu all fit on a screen of 1400."""

QUESTION = "question"
"""Tag of an experiment: what it asks."""

VIEWS = "mlflow.sharedViewState."
"""Begins the tags that hold the saved views of an experiment."""

VIEW = "headline"
"""Key of the saved view in the address of the page."""


def saved_view(created_ms: int) -> str:
    """The saved view of the runs table: the claim, then the headline columns, newest run first, never sorted by r2.

    The format is MLflow's own and internal (3.17); where it changes, the page opens with its default columns.

    Parameters
    ----------
    created_ms : int
        Unix time, milliseconds.

    Returns
    -------
    str
        JSON, the state of the page compressed inside it.
    """
    packed = base64.b64encode(zlib.compress(json.dumps(view_state()).encode())).decode()
    view = {"name": "Headline results", "createdAt": created_ms, "updatedAt": created_ms, "state": f"deflate;{packed}"}
    return json.dumps(view)


def view_state() -> dict[str, Any]:
    """What MLflow keeps of a table of runs: the claim, then the headline columns, newest run first.

    Returns
    -------
    dict of str to object
        As MLflow writes it, in a saved view and in the browser alike.
    """
    name, started = "attributes.`Run Name`", "runDateAndNestInfo"
    columns = dict(zip(COLUMNS, WIDTHS, strict=True))
    widths = {name: 180, started: 125, **columns, "duration": 80}
    return {
        "searchFilter": "",
        "orderByKey": "attributes.start_time",
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": [*COLUMNS],
        "columnOrder": [name, started, *COLUMNS, "duration"],
        "columnWidths": widths,
        "runsExpanded": {},
        "runsPinned": [],
        "runsHidden": [],
        "runsHiddenMode": "FIRST_20_RUNS",
        "viewMaximized": False,
        "runListHidden": False,
        "groupBy": None,
        "groupsExpanded": {},
        "useGroupedValuesInCharts": True,
        "hideEmptyCharts": True,
        "globalLineChartConfig": {},
        "chartsSearchFilter": "",
        "compareRunCharts": None,
    }
