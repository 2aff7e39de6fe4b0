"""One of several processes that log runs at once: into the store of a study, or on a server. Prints what it made."""

from __future__ import annotations

import sys
from pathlib import Path

from workbench import tracking
from workbench.pipeline import show_run
from workbench.records import LoggedRun
from workbench.study import open_study


def log_runs(study: str, source: str, number: int) -> None:
    """Log the result of a finished run again and again, as new runs with a file each."""
    opened, result = open_study(Path(study)), show_run(source, study=study).result
    recorder = tracking.Recorder(opened)
    for _ in range(number):
        with recorder.open_run(result) as run:
            (run.artifacts / "spec.toml").write_text(result.spec_toml, encoding="utf-8")
        print(run.run_id, flush=True)


def send_runs(study: str, experiment: str, address: str, run_ids: list[str]) -> None:
    """Copy runs of a study to a server, their files too."""
    opened, server = open_study(Path(study)), tracking.Server(address)
    for run_id in run_ids:
        artifacts = opened.artifacts_dir / experiment / run_id / "artifacts"
        run = LoggedRun(run_id, run_id, experiment, artifacts, {}, {}, "")
        print(*server.send(opened, [run], files=True), flush=True)


if __name__ == "__main__":
    what, study, source, *more = sys.argv[1:]
    if what == "log":
        log_runs(study, source, int(more[0]))
    else:
        send_runs(study, source, more[0], more[1:])
