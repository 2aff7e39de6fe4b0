"""What every test can count on: one linear-algebra thread, no telemetry, and real data where they are at hand."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

# Before any test imports numpy or mlflow: both read these once.
for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    os.environ[variable] = "1"
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

pytest_plugins = ["made_datasets", "made_runs"]  # in tests/fixtures

REPOSITORY = Path(__file__).resolve().parents[1]


def _own_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("WORKBENCH_STATE", str(tmp_path_factory.mktemp("state")))
        patched.delenv("WORKBENCH_REGISTRY", raising=False)
        yield


@pytest.fixture(scope="module", autouse=True)
def _registry_of_the_module(tmp_path_factory):
    """Studies that a module shares are looked at with a registry of their own, never with that of whoever runs this."""
    yield from _own_registry(tmp_path_factory)


@pytest.fixture(autouse=True)
def _registry_of_the_test(tmp_path_factory):
    """Nothing that another test has seen counts."""
    yield from _own_registry(tmp_path_factory)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real data: ``WORKBENCH_REAL_DATA``, or ``shared/data`` beside the repository; skips where absent."""
    folder = Path(os.environ.get("WORKBENCH_REAL_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("no real data beside the repository; set WORKBENCH_REAL_DATA to their folder")
    return folder
