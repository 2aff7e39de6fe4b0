"""Spec files written on the spot, and what the readers say about them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from workbench.specs import Reading, examine_cohort, examine_experiment, examine_source

COHORT = """
design = "crossover"
participants = "participants.tsv"
[arms]
active = "ketamine"
control = "placebo"
order = ["infusion_1", "infusion_2"]
codes = { d = "ketamine", p = "placebo" }
[sessions.ses-b0]
phase = "before"
[sessions.ses-d2]
phase = "after"
hours = 48.0
arm = "ketamine"
[sessions.ses-p2]
phase = "after"
hours = 48
arm = "placebo"
[columns.mean_fd]
file = "bold_qc.tsv"
column = "fd_mean"
[scores.MADRS]
file = "phenotype.tsv"
session = "session_id"
column = "MADRS_Total"
[scores.SHAPS]
file = "participants.tsv"
scoring = "14-56"
[scores.SHAPS.at]
ses-b0 = "SHAPS_bl"
ses-d2 = ["SHAPS_1", "SHAPS_2", "SHAPS_3", "SHAPS_4", "SHAPS_5", "SHAPS_6", "SHAPS_7", "SHAPS_8", "SHAPS_9", "SHAPS_10",
  "SHAPS_11", "SHAPS_12", "SHAPS_13", "SHAPS_14"]
"""

SOURCE = """
modality = "connectivity"
reader = "table"
file = "edges.tsv"
gsr = "unknown"
"""

EXPERIMENT = """
question = "Does it predict?"
include = { group = ["MDD"], age = { min = 18, max = 65 } }
sessions = ["ses-b0"]
clinical_model = ["MADRS@ses-b0", "age", "sex"]
[outcome]
score = "MADRS"
kind = "change"
from = "ses-b0"
at = "ses-d2"
[feature_sets]
edges = ["edges"]
[validation]
permutations = 100
[[models]]
kind = "ridge"
alphas = [0.1, 1, 10]
[[models]]
kind = "xgboost"
permutations = 0
"""

TEXTS = {"cohort": COHORT, "source": SOURCE, "experiment": EXPERIMENT}


@pytest.fixture
def texts() -> dict[str, str]:
    """A file of each kind without problems."""
    return dict(TEXTS)


@pytest.fixture
def examine(tmp_path: Path) -> Callable[[str, str], Reading]:
    """Read the text of a ``cohort``, ``source`` or ``experiment`` file."""

    def examine_text(kind: str, text: str) -> Reading:
        path = tmp_path / ("experiments/x.toml" if kind == "experiment" else f"features/{kind}.toml")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return {"cohort": examine_cohort, "source": examine_source, "experiment": examine_experiment}[kind](path)

    return examine_text


@pytest.fixture
def changed(examine: Callable[[str, str], Reading]) -> Callable[..., list[str]]:
    """What is said about a good file in which some text was replaced by another."""

    def problems_after(kind: str, *replacements: tuple[str, str]) -> list[str]:
        text = TEXTS[kind]
        for old, new in replacements:
            assert old in text
            text = text.replace(old, new, 1)
        return [str(problem) for problem in examine(kind, text).problems]

    return problems_after
