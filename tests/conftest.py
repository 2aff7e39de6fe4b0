"""What every test can count on: one linear-algebra thread, no telemetry, and real data where they are at hand."""

import os
from pathlib import Path

import pytest

# Before any test imports numpy or mlflow: both read these once.
for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    os.environ[variable] = "1"
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real data: ``WORKBENCH_REAL_DATA``, or ``shared/data`` beside the repository; skips where absent."""
    folder = Path(os.environ.get("WORKBENCH_REAL_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("no real data beside the repository; set WORKBENCH_REAL_DATA to their folder")
    return folder
