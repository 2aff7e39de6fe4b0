"""What every test can count on: one linear-algebra thread, no telemetry, and real data where they are at hand."""

import gc
import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

# Before any test imports numpy or mlflow: both read these once.
for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    os.environ[variable] = "1"
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

pytest_plugins = ["bare_runs", "made_datasets", "made_runs"]  # in tests/fixtures

REPOSITORY = Path(__file__).resolve().parents[1]

LONGEST = {
    f"test_{name}.py"
    for name in (
        "calibration",
        "gallery",
        "harmonised_run",
        "interval_division",
        "kmoa_example",
        "real_cohorts",
        "resume",
        "routes",
    )
}
"""Files that take half a minute and more: they begin, so that no worker ends with one while the other has nothing."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.name not in LONGEST)


def pytest_collection_finish() -> None:
    """Thousands of tests and all modules stay until the end: no garbage collection need look at them again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def _registries(tmp_path_factory) -> Iterator[Path]:
    """Names of folders that are not there yet; `mktemp` would look through all of thousands for the next number."""
    folder = tmp_path_factory.mktemp("registries")
    return (folder / str(number) for number in count())


def _own_registry(registries: Iterator[Path]) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("WORKBENCH_STATE", str(next(registries)))
        patched.delenv("WORKBENCH_REGISTRY", raising=False)
        yield


@pytest.fixture(scope="module", autouse=True)
def _registry_of_the_module(_registries):
    """Studies that a module shares are looked at with a registry of their own, never with that of whoever runs this."""
    yield from _own_registry(_registries)


@pytest.fixture(autouse=True)
def _registry_of_the_test(_registries):
    """Nothing that another test has seen counts."""
    yield from _own_registry(_registries)


@pytest.fixture(scope="session", autouse=True)
def _stated_machine():
    """`check` forecasts for the machine that costs are stated for: how busy this one is just now says nothing."""
    from workbench.evaluation import machine_speed

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(machine_speed, "slowness", lambda: 1.0)
        yield


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory) -> Path:
    """A store with MLflow's tables and no run, to be copied."""
    from workbench.tracking.new_store import make_store

    folder = tmp_path_factory.mktemp("mlflow")
    make_store(folder / "mlflow.db", folder / "artifacts")
    return folder / "mlflow.db"


@pytest.fixture(scope="module")
def without_pictures() -> Iterator[None]:
    """For modules whose runs are kept and whose pictures nobody looks at: drawing them takes seconds a run."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("workbench.figures.PICTURES", {})
        yield


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real data: ``WORKBENCH_REAL_DATA``, or ``shared/data`` beside the repository; skips where absent."""
    folder = Path(os.environ.get("WORKBENCH_REAL_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("no real data beside the repository; set WORKBENCH_REAL_DATA to their folder")
    return folder
