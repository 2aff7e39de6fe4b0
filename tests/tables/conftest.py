"""Small cohorts, feature tables and experiments made directly, without files."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from workbench.records import FEATURE_COLUMNS, Cohort, FeatureTable, Scale, Session
from workbench.specs.experiment import ExperimentSpec

MADRS = Scale("MADRS", "MADRS", 0, 60, "higher", response_fall=0.5, remission_at_most=9, reliability=0.91)
TEPS = Scale("TEPS", "TEPS", 10, 60, "lower")
SHAPS = Scale("SHAPS", "SHAPS", 14, 56, "higher", zero=14)

SESSIONS = {
    "ses-b0": Session("ses-b0", "before"),
    "ses-2h": Session("ses-2h", "after", 2.0, "ketamine"),
    "ses-d2": Session("ses-d2", "after", 48.0, "ketamine"),
    "ses-p2": Session("ses-p2", "after", 48.0, "placebo"),
}


def people_of(n: int) -> list[str]:
    return [f"sub-{k:04d}" for k in range(1, n + 1)]


@pytest.fixture
def make_cohort() -> Callable[..., Cohort]:
    """A crossover of n people: odd ones had ketamine first; scores as ``{(score, session): values}``, NaN left out."""

    def make(
        n: int = 40,
        scores: dict[tuple[str, str], Any] | None = None,
        columns: dict[str, Any] | None = None,
        **changes: Any,
    ) -> Cohort:
        rng = np.random.default_rng(7)
        index = pd.Index(people_of(n), name="participant_id", dtype="str")
        if scores is None:
            baseline = rng.integers(22, 45, n)
            scores = {
                ("MADRS", "ses-b0"): baseline,
                ("MADRS", "ses-d2"): np.clip(baseline - rng.integers(-4, 22, n), 0, 60),
                ("MADRS", "ses-p2"): np.clip(baseline - rng.integers(-6, 8, n), 0, 60),
            }
        long = [
            (person, session, score, float(value))
            for (score, session), values in scores.items()
            for person, value in zip(index, values, strict=True)
            if not np.isnan(value)
        ]
        participants = pd.DataFrame(
            {
                "age": rng.uniform(18, 65, n).round(1),
                "sex": pd.Series(np.where(np.arange(n) % 3 == 0, "M", "F"), dtype="str").to_numpy(),
                "site": np.where(np.arange(n) % 4 < 2, "A", "B"),
                "sequence": np.where(np.arange(n) % 2 == 0, "ketamine", "placebo"),
            },
            index=index,
        ).astype({"sex": "str", "site": "str", "sequence": "str"})
        for name, values in (columns or {}).items():
            participants[name] = pd.Series(values, index=index)
        other = {"ketamine": "placebo", "placebo": "ketamine"}
        periods = pd.DataFrame({"1": participants["sequence"], "2": participants["sequence"].map(other)}, index=index)
        cohort = Cohort(
            design="crossover",
            participants=participants,
            sessions=SESSIONS,
            scores=pd.DataFrame(long, columns=["participant_id", "session", "score", "value"]),
            scales={"MADRS": MADRS, "TEPS": TEPS, "SHAPS": SHAPS},
            periods=periods,
            keys={person.removeprefix("sub-"): person for person in index},
            strip=("sub-",),
            active="ketamine",
            control="placebo",
        )
        return replace(cohort, **changes)

    return make


@pytest.fixture
def make_table() -> Callable[..., FeatureTable]:
    def make(
        source: str,
        people: list[str],
        values: np.ndarray,
        *,
        session: str = "ses-b0",
        names: list[str] | None = None,
        **changes: Any,
    ) -> FeatureTable:
        values = np.asarray(values, dtype=float)
        names = names or [f"f{k}" for k in range(values.shape[1])]
        features = pd.DataFrame("", index=range(len(names)), columns=list(FEATURE_COLUMNS), dtype="str")
        features["feature"] = names
        features["name"] = [f"{source}:{name}" for name in names]
        features["source"] = source
        features["circuit"] = "reward"
        rows = pd.DataFrame({"participant_id": people, "session": session}, dtype="str")
        table = FeatureTable(source, "connectivity", rows, values, features, digest="")
        return replace(table, digest=table.content_digest(), **changes)

    return make


@pytest.fixture
def make_experiment() -> Callable[..., ExperimentSpec]:
    def make(**changes: Any) -> ExperimentSpec:
        said: dict[str, Any] = {
            "question": "Does it?",
            "sessions": ("ses-b0",),
            "outcome": {"score": "MADRS", "kind": "change", "from": "ses-b0", "at": "ses-d2"},
            "feature_sets": {"fc": ("fc",)},
            "models": ({"kind": "ridge"},),
        }
        return ExperimentSpec.model_validate(said | changes)

    return make
