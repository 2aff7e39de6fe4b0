"""How the table of runs opens: which columns, in which order."""

from __future__ import annotations

import base64
import json
import zlib

HEADLINE = ("r2", "r2_low", "r2_high", "p_value", "mae", "mae_clinical", "increment", "n")
"""The metrics of a run, in the order of the table; every further one is one more chart in the UI."""

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
    claim, metrics = "tags.`claim`", [f"metrics.`{name}`" for name in HEADLINE]
    name, started = "attributes.`Run Name`", "runDateAndNestInfo"
    state = {
        "searchFilter": "",
        "orderByKey": "attributes.start_time",
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": [claim, *metrics],
        "columnOrder": [name, started, claim, *metrics, "duration"],
        "columnWidths": {name: 200, started: 140, claim: 210, **dict.fromkeys(metrics, 90), "duration": 80},
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
    packed = base64.b64encode(zlib.compress(json.dumps(state).encode())).decode()
    view = {"name": "Headline results", "createdAt": created_ms, "updatedAt": created_ms, "state": f"deflate;{packed}"}
    return json.dumps(view)
