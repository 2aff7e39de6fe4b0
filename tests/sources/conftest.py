"""A small study on disk, and its cohort."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from workbench.records import Cohort
from workbench.sources.cohort.participants import read_cohort
from workbench.specs.cohort import CohortSpec
from workbench.specs.matrix_source import MatrixSource
from workbench.specs.table_source import TableSource

PARTICIPANTS = """participant_id\tage\tsex\tsite\tfirst\tsecond
sub-0001\t30\tM\tA\tk\tp
sub-0002\t40.5\tF\tA\tp\tk
sub-0003\tn/a\tF\tB\tk\tn/a
sub-0004\t50\tM\tB\tp\tk
"""

COHORT: dict[str, Any] = {
    "design": "crossover",
    "site": "site",
    "ids": {"strip": ("sub-",), "pad": 4},
    "arms": {
        "active": "ketamine",
        "control": "placebo",
        "order": ("first", "second"),
        "codes": {"k": "ketamine", "p": "placebo"},
    },
    "sessions": {
        "ses-b0": {"phase": "before"},
        "ses-d2": {"phase": "after", "hours": 48.0, "arm": "ketamine"},
        "ses-p2": {"phase": "after", "hours": 48.0, "arm": "placebo"},
    },
}


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str | bytes], Path]:
    def write_file(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write_file


@pytest.fixture
def cohort_of(tmp_path: Path, write: Callable[[str, str], Path]) -> Callable[..., Cohort]:
    """Reads a cohort; ``participants=`` replaces the text of the file, other keywords those of the specification."""

    def read(participants: str = PARTICIPANTS, **changes: Any) -> Cohort:
        write("participants.tsv", participants)
        return read_cohort(CohortSpec.model_validate(COHORT | changes), tmp_path)

    return read


@pytest.fixture
def cohort(cohort_of: Callable[..., Cohort]) -> Cohort:
    return cohort_of()


@pytest.fixture
def table_spec() -> Callable[..., TableSource]:
    def make(**changes: Any) -> TableSource:
        said = {"modality": "connectivity", "reader": "table", "file": "ec.tsv", "session": "session_id"}
        return TableSource.model_validate({key: value for key, value in (said | changes).items() if value is not None})

    return make


@pytest.fixture
def matrix_spec() -> Callable[..., MatrixSource]:
    def make(**changes: Any) -> MatrixSource:
        said = {
            "modality": "connectivity",
            "reader": "matrix",
            "files": "conn/sub-{participant}_ses-{session}_conn.tsv",
        }
        return MatrixSource.model_validate(said | changes)

    return make


@pytest.fixture
def write_matrix(write: Callable[[str, str], Path]) -> Callable[..., Path]:
    """Writes a matrix with region names; `order` shuffles its regions."""

    def write_file(name: str, values: np.ndarray, regions: list[str], order: list[int] | None = None) -> Path:
        order = list(range(len(regions))) if order is None else order
        lines = ["\t".join(["Node", *(regions[k] for k in order)])]
        for k in order:
            cells = ["n/a" if np.isnan(values[k, j]) else repr(float(values[k, j])) for j in order]
            lines.append("\t".join([regions[k], *cells]))
        return write(name, "\n".join(lines) + "\n")

    return write_file
