"""Look at a study in the MLflow UI with a headless browser: `make test-browser`.

Needs chromium, node and playwright-core (found through NODE_PATH). Makes a study with three sample runs, serves it as
`workbench ui` does, and lets `check_ui.cjs` open the runs table, a comparison, a run and its pictures. Exit 0 if all
that a person should see is there and the browser asked no other machine for anything.
"""

from __future__ import annotations

import argparse
import os
import runpy
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from workbench import tracking
from workbench.export import write_run
from workbench.figures import draw_run
from workbench.preregistration.append_only import now
from workbench.preregistration.viewed import Look, record_look
from workbench.specs.cohort import CohortSpec
from workbench.study import Study

HERE = Path(__file__).parent
RUNS = (("ridge . fc+task+pet", 0.8, 0.004, 3), ("xgboost . fc", 0.0, 0.41, 8), ("ridge . fc", 0.6, 0.02, 9))


def sample_study(root: Path) -> Study:
    """A study with three finished runs of one experiment."""
    study = Study(root=root, data=root, cohort=CohortSpec(design="single-arm"), sources={}, experiment_paths={})
    samples = runpy.run_path(str(HERE.parent / "outputs" / "conftest.py"), run_name="samples")
    for name, strength, p_family, seed in RUNS:
        shape = samples["Shape"](n=80, repeats=10, signal=strength, p_family=p_family, seed=seed)
        result = samples["sample_result"](shape, name)
        with tracking.open_run(study, result) as opened:
            write_run(result, opened.artifacts, run_id=opened.run_id)
            draw_run(result, opened.artifacts / "figures")
        look = Look(now(), "madrs_change", name, "fall in MADRS", "", "", 0, "", "", "", "", run_id=opened.run_id)
        record_look(study, look)
    return study


def free_port() -> int:
    """A port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def look(study: Study, shots: Path) -> int:
    """Serve the study, run the browser, and give back its exit status."""
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    node = shutil.which("node")
    if not chromium or not node:
        print("chromium and node are needed: apt-get install chromium nodejs npm", file=sys.stderr)
        return 2
    status: list[int] = []
    port = free_port()

    def browse(line: str) -> None:
        print(line, flush=True)
        if line.startswith("MLflow UI: "):
            command = [node, str(HERE / "check_ui.cjs"), line.removeprefix("MLflow UI: "), chromium, str(shots)]
            threading.Thread(target=finish, args=(command,), daemon=True).start()

    def finish(command: list[str]) -> None:
        status.append(subprocess.run(command, check=False).returncode)
        os.kill(os.getpid(), signal.SIGTERM)

    tracking.serve_ui(study, port, say=browse)
    return status[0] if status else 1


def main() -> int:
    """Run the check and keep the screenshots where asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shots", type=Path, default=None, help="folder for the screenshots")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        shots = arguments.shots or Path(scratch) / "shots"
        shots.mkdir(parents=True, exist_ok=True)
        return look(sample_study(Path(scratch) / "study"), shots)


if __name__ == "__main__":
    raise SystemExit(main())
