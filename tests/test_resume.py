"""Interrupted runs: killed or stopped, resumed, and the same to the byte whatever the number of cores."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
TWIN = REPOSITORY / "tests" / "kmoa_twin"


def make_study(folder: Path, migrated: Path) -> Path:
    """The example study with a run long enough to be interrupted, and the empty store that takes seconds to build."""
    (folder / "mlruns").mkdir()
    shutil.copyfile(migrated, folder / "mlruns" / "mlflow.db")
    for part in ("features", "experiments"):
        shutil.copytree(REPOSITORY / "examples" / "kmoa" / part, folder / part, ignore=shutil.ignore_patterns("tables"))
    experiment = folder / "experiments" / "madrs_change.toml"
    text = experiment.read_text().replace("permutations = 1000", "permutations = 199")
    experiment.write_text(text.replace('dmn4 = ["ec_dmn4"]\n', ""))
    return folder


COMMAND_LINE = """
import sys
from workbench import figures
from workbench.cli import main
figures.PICTURES.clear()  # they come after everything that is interrupted here, and nobody looks at them
sys.argv[0] = "workbench"
main()
"""


def command(study: Path, *more: str) -> list[str]:
    run = [sys.executable, "-c", COMMAND_LINE, "run", "madrs_change", "--only", "ridge"]
    return [*run, "--study", str(study), "--data", str(TWIN), *more]


def environment() -> dict[str, str]:
    return {**os.environ, "OPENBLAS_NUM_THREADS": "1"}


def left_behind(study: Path) -> dict[str, bytes]:
    """Bytes of the files that must not depend on how the run went."""
    found = {}
    for name in ("predictions.tsv", "scores.json", "permutation_null.tsv", "folds.tsv"):
        (path,) = (study / "mlruns" / "artifacts").rglob(name)
        found[name] = path.read_bytes()
    return found


def stored_units(study: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in (study / "mlruns" / "units").rglob("*.npz")}


OF_THE_RUN, BESIDE_IT = 50 * 5, 10 * 5 + 5 * 5
"""Units: its folds; those of the negative control, and a model for every inner fold of the first repeat."""


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory, migrated):
    study = make_study(tmp_path_factory.mktemp("uninterrupted"), migrated)
    subprocess.run(command(study, "--jobs", "2"), check=True, env=environment(), stdout=subprocess.DEVNULL)
    return left_behind(study)


@pytest.mark.parametrize("jobs", ["1", "2"])  # with two, a forked worker fits
@pytest.mark.parametrize(("how", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_an_interrupted_run_resumes_to_the_same_bytes(tmp_path, uninterrupted, migrated, how, code, jobs):
    study = make_study(tmp_path, migrated)
    # A suite started in the background ignores Ctrl-C, and so would its children.
    heeds = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    running = subprocess.Popen(
        command(study, "--jobs", jobs), env=environment(), stderr=subprocess.PIPE, preexec_fn=heeds
    )
    deadline = time.monotonic() + 120
    while len(stored_units(study)) < 10 and running.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    running.send_signal(how)
    running.communicate(timeout=120)
    assert running.returncode == code
    before = stored_units(study)
    assert 10 <= len(before) < OF_THE_RUN
    subprocess.run(command(study, "--jobs", jobs, "--resume"), check=True, env=environment(), stdout=subprocess.DEVNULL)
    after = stored_units(study)
    assert len(after) == OF_THE_RUN + BESIDE_IT
    kept = [path for path in before if after[path] == before[path]]
    assert len(kept) >= len(before) - 1, "finished pieces are taken up, not computed again"
    assert left_behind(study) == uninterrupted
