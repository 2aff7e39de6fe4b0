"""The open ketamine trial: who is left, and that its clean baseline raises no alarm."""

import numpy as np
import pandas as pd
import pytest

from workbench.records import FEATURE_COLUMNS, Cohort, FeatureTable, Scale, Session
from workbench.tables.dataset import assemble
from workbench.tables.guards import check_dataset, check_experiment
from workbench.tables.outcomes import make_outcome
from workbench.tables.people import select_people

ARMS = {"d": "ketamine", "p": "placebo"}


@pytest.fixture(scope="module")
def trial(real_data):
    """Read with plain pandas: stages are tested apart, and `tests/sources` reads the same files with our readers."""
    folder = real_data / "kmoa"
    people = pd.read_csv(folder / "participants.tsv", sep="\t", na_values="n/a", index_col=0)
    people.index = people.index.astype("str")
    people = people.astype({name: "str" for name in ("sex", "group", "infusion_1", "infusion_2")}).sort_index()
    periods = pd.DataFrame({str(k): people[f"infusion_{k}"].map(ARMS) for k in (1, 2)}, index=people.index)
    rated = pd.read_csv(folder / "phenotype.tsv", sep="\t", na_values="n/a").dropna(subset=["MADRS_Total"])
    scores = pd.DataFrame(
        {"participant_id": rated["participant_id"], "session": rated["session_id"], "score": "MADRS",
         "value": rated["MADRS_Total"].astype(float)}
    )  # fmt: skip
    sessions = {"ses-b0": Session("ses-b0", "before")} | {
        f"ses-{code}{day}": Session(f"ses-{code}{day}", "after", 24.0 * day, arm)
        for code, arm in ARMS.items()
        for day in (2, 10)
    }
    scale = Scale("MADRS", "MADRS", 0, 60, "higher", 1.0, 0.5, 10)
    cohort = Cohort(
        design="crossover",
        participants=people.assign(sequence=periods["1"]),
        sessions=sessions,
        scores=scores,
        scales={"MADRS": scale},
        periods=periods,
        keys={person: person for person in people.index},
        active="ketamine",
        control="placebo",
    )
    frame = pd.read_csv(folder / "ec_dmn4.tsv", sep="\t")
    names = list(frame.columns[2:])
    features = pd.DataFrame("", index=range(len(names)), columns=list(FEATURE_COLUMNS), dtype="str")
    features["feature"], features["name"], features["source"] = names, [f"dmn4:{name}" for name in names], "dmn4"
    rows = frame[["participant_id", "session_id"]].set_axis(["participant_id", "session"], axis=1)
    table = FeatureTable("dmn4", "connectivity", rows, frame[names].to_numpy(), features, "")
    return cohort, table


@pytest.mark.parametrize(
    ("outcome", "n"),
    [
        ({"score": "MADRS", "kind": "change", "from": "ses-b0", "at": "ses-d2"}, 26),
        ({"score": "MADRS", "kind": "ketamine-minus-placebo", "at": "ses-d2", "placebo_at": "ses-p2"}, 24),
    ],
)
def test_n_is_as_its_readme_says_and_no_guard_is_alarmed(trial, make_experiment, outcome, n):
    cohort, table = trial
    experiment = make_experiment(
        include={"group": ("MDD",)},
        outcome=outcome,
        clinical_model=("MADRS@ses-b0", "age", "sex"),
        feature_sets={"dmn4": ("dmn4",)},
    )
    people, flow = select_people(experiment, cohort, {})
    made = make_outcome(experiment.outcome, cohort, people, seed=0)
    dataset = assemble(
        experiment, "dmn4", ("dmn4",), {"dmn4": table}, cohort, made, people, flow, given_folds=None
    )  # fmt: skip
    assert dataset.n_rows == n
    assert [step.n for step in dataset.flow[:2]] == [58, 33]
    assert check_dataset(dataset, cohort)[0] == []
    scores = cohort.scores.pivot(index="participant_id", columns="session", values="value").loc[
        dataset.rows["participant_id"]
    ]
    first = "ses-b0" if outcome["kind"] == "change" else "ses-p2"
    np.testing.assert_array_equal(dataset.y, scores[first] - scores["ses-d2"])


def test_its_placebo_session_is_refused_as_a_baseline(trial, make_experiment):
    cohort, _ = trial
    experiment = make_experiment(sessions=("ses-p2",), include={"group": ("MDD",)})
    assert {problem.code for problem in check_experiment(experiment, cohort, {})[0]} >= {"T2"}
