"""What the pages of MLflow remember in a browser: models instead of chatbots, the headline columns, no assistant.

MLflow keeps how its pages look in the browser's storage, and begins with pages for chatbots, an assistant over the
right half of the table, and no column of results. The keys are MLflow's own and internal (3.17); where they change, its
pages open as MLflow has them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from workbench.tracking.saved_view import view_state

SCRIPT = """"use strict";
(() => {
  const remembered = %s;
  const keep = (key, value) => { if (localStorage.getItem(key) !== value) localStorage.setItem(key, value); };
  try {
    keep("mlflow.workflowType_v1", '"machine_learning"');
    keep("mlflow.assistant.fab.autoOpenedOnFirstLoad_v1", "true");
    keep("mlflow.assistant.panelOpen_v1", "false");
    keep("mlflow.home.getting-started.collapsed_v1", "true");
    for (const [id, text] of Object.entries(remembered.experiments)) {
      const done = `workbench.columns.${id}`;
      if (localStorage.getItem(done) === remembered.mark) continue;
      localStorage.setItem(`MLflowLocalStorage-1.1-ExperimentPage-${JSON.stringify([id])}-ReactComponentState`, text);
      localStorage.setItem(done, remembered.mark);
    }
  } catch { /* a browser that stores nothing shows MLflow's own columns */ }
})();
"""


def remember_script(database: Path, experiment_ids: Sequence[str]) -> str:
    """JavaScript that sets what MLflow's pages remember; columns that a user has chosen since are left alone.

    Parameters
    ----------
    database : Path
        Of the study: another study at the same address has other experiments of the same number.
    experiment_ids : sequence of str

    Returns
    -------
    str
    """
    state = json.dumps(view_state())
    mark = hashlib.sha256(f"{database.resolve()}\n{state}".encode()).hexdigest()[:16]
    remembered = {"mark": mark, "experiments": dict.fromkeys(experiment_ids, state)}
    return SCRIPT % json.dumps(remembered).replace("<", "\\u003c")
