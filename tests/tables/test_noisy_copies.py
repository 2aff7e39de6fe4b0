"""Participants entered twice with noise: found by what they agree on and by profiles that are too much alike."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from workbench.knowledge.scales import find_scale
from workbench.records import Background, Cohort
from workbench.tables.guards import check_dataset
from workbench.tables.noisy_copies import agreement, noisy_copies

NOBODY = pd.DataFrame(index=pd.Index([], name="participant_id", dtype="str"))
NO_SCORES = pd.DataFrame(columns=["participant_id", "session", "score", "value"])
COHORT = Cohort("single-arm", NOBODY, {}, NO_SCORES, {"MADRS": find_scale("MADRS")}, NOBODY, {})


@pytest.fixture
def trial(make_dataset):
    """Forty people with ratings, age and sex, whose features correlate in fours as real ones do."""

    def make(seed=0, n=40, p=120, families=0.0):
        rng = np.random.default_rng(seed)
        dataset = make_dataset(n, p, seed=seed)
        shared = np.repeat(rng.standard_normal((n, p // 4)), 4, axis=1)
        X = 0.7 * shared + 0.7 * dataset.X
        if families:
            X = np.sqrt(families) * np.repeat(X[::2], 2, axis=0) + np.sqrt(1 - families) * X
        before = rng.integers(22, 45, n).astype(float)
        after = np.clip(before - rng.integers(-4, 22, n), 0, 60)
        people = dataset.rows["participant_id"]
        ratings = pd.DataFrame({"ses-b0": before, "ses-d2": after}, index=pd.Index(people))
        known = pd.DataFrame(
            {"MADRS@ses-b0": before, "age": rng.uniform(18, 65, n).round(1), "sex": rng.choice(["F", "M"], n)},
            index=pd.Index(people),
        )
        outcome = replace(dataset.outcome, score="MADRS", scale=find_scale("MADRS"), ratings=ratings, unit="points")
        return replace(dataset.with_features(X), y=before - after, outcome=outcome, background=Background(known))

    return make


def entered_twice(dataset, who, noise, *, seed=0, **changed):
    """The dataset with some rows once more, under other ids, their features with noise of so many SD."""
    n, who = dataset.n_rows, np.asarray(who)
    both = dataset.take(np.r_[np.arange(n), who])
    rng = np.random.default_rng(seed)
    X = both.X.copy()
    X[n:] += noise * dataset.X.std(axis=0) * rng.standard_normal((len(who), X.shape[1]))
    people = both.rows["participant_id"].to_numpy(str).copy()
    people[n:] = [f"sub-9{number:03d}" for number in range(len(who))]

    def renamed(frame):
        again = frame.iloc[who].copy()
        for column, value in changed.items():
            if column in again:
                again[column] = value
        again.index = pd.Index(people[n:])
        return pd.concat([frame, again])

    return replace(
        both.with_features(X),
        rows=both.rows.assign(participant_id=people),
        groups=np.arange(both.n_rows),
        outcome=replace(both.outcome, ratings=renamed(both.outcome.ratings)),
        background=Background(renamed(both.background.values)),
    )


@pytest.mark.parametrize("noise", [0.1, 0.3, 0.5, 0.7])
def test_a_participant_entered_twice_with_noise_is_refused_and_named(trial, noise):
    dataset = entered_twice(trial(), [7], noise)
    problems, warnings = noisy_copies(dataset, COHORT, "feature set conn")
    (problem,) = problems
    assert problem.code == "T3"
    assert "sub-0008 and sub-9000 (r = 0." in problem.found
    assert "family = in cohort.toml" in problem.hint
    assert warnings == []


def test_twenty_participants_entered_twice_are_found_under_noise_as_large_as_the_signal(trial):
    for seed in range(10):
        dataset = entered_twice(trial(seed), range(20), 1.0, seed=seed)
        (problem,) = noisy_copies(dataset, COHORT, "feature set conn")[0]
        assert "and 15 more" in problem.found or "more have nearly the same conn values" in problem.found


def test_the_guard_of_a_run_stops_it(trial):
    problems, _ = check_dataset(entered_twice(trial(), [1, 2], 0.2), COHORT)
    assert [problem.code for problem in problems if "nearly the same" in problem.found] == ["T3"]


@pytest.mark.parametrize("changed", [{"age": 99.0}, {"sex": "other"}, {"ses-d2": 60.0}, {"ses-b0": 3.0}])
def test_whoever_differs_in_anything_declared_is_somebody_else(trial, changed):
    dataset = entered_twice(trial(), [7], 0.3, **changed)
    assert noisy_copies(dataset, COHORT, "set") == ([], [])


def test_ratings_within_a_step_are_the_same(trial):
    plain = trial()
    rating = plain.outcome.ratings["ses-d2"].iloc[7] + 1
    assert noisy_copies(entered_twice(plain, [7], 0.3, **{"ses-d2": rating}), COHORT, "set")[0] != []


def test_declared_families_are_exempt_and_others_are_named(trial):
    dataset = entered_twice(trial(), [7], 0.3)
    groups = dataset.groups.copy()
    groups[-1] = groups[7]
    assert noisy_copies(replace(dataset, groups=groups), COHORT, "set") == ([], [])
    assert noisy_copies(dataset, COHORT, "set")[0] != []


def test_two_hundred_honest_trials_raise_no_alarm(trial):
    alarms = [seed for seed in range(200) if any(noisy_copies(trial(seed), COHORT, "set"))]
    assert alarms == []


def test_siblings_who_were_not_declared_and_differ_in_their_ratings_raise_no_alarm(trial):
    alarms = [seed for seed in range(50) if any(noisy_copies(trial(seed, families=0.5), COHORT, "set"))]
    assert alarms == []


def test_people_alike_in_what_was_declared_do_not_resemble_each_other_for_that(trial):
    """A site that shifts every feature, in a study that declares little, makes no copies."""
    for seed in range(20):
        dataset = trial(seed)
        site = np.random.default_rng(seed).choice(["A", "B"], dataset.n_rows)
        X = dataset.X + 1.5 * (site == "A")[:, None] * np.random.default_rng(seed).standard_normal(dataset.X.shape[1])
        known = Background(pd.DataFrame({"site": site}, index=pd.Index(dataset.rows["participant_id"])))
        binary = replace(dataset.outcome, type="binary", ratings=None, scale=None, unit="")
        dataset = replace(dataset.with_features(X), y=np.arange(40.0) % 2, outcome=binary, background=known)
        assert noisy_copies(dataset, COHORT, "set") == ([], [])


@pytest.mark.parametrize(("n", "p"), [(40, 12), (60, 24), (100, 60)])
def test_where_hardly_anything_is_declared_agreement_alone_raises_no_alarm(trial, n, p):
    """Sex and a binary outcome: a quarter of all pairs agree."""
    for seed in range(40):
        dataset = trial(seed, n, p)
        known = Background(dataset.background.values[["sex"]])
        outcome = replace(dataset.outcome, type="binary", ratings=None, scale=None, unit="")
        dataset = replace(dataset, y=np.arange(n) % 2.0, outcome=outcome, background=known)
        assert noisy_copies(dataset, COHORT, "set") == ([], [])


def test_few_features_tell_nothing(trial):
    dataset = entered_twice(trial(), [7], 0.1)
    few = dataset.with_features(dataset.X[:, :9], dataset.features[:9])
    assert noisy_copies(few, COHORT, "set") == ([], [])


def test_the_unit_of_a_feature_decides_nothing(trial):
    dataset = entered_twice(trial(), [7], 0.5)
    scaled = dataset.with_features(dataset.X * np.geomspace(1e-6, 1e6, dataset.X.shape[1]) + 3.0)
    (one,), (other,) = noisy_copies(dataset, COHORT, "set")[0], noisy_copies(scaled, COHORT, "set")[0]
    assert one.found == other.found


def test_missing_values_agree_with_everything_and_text_by_its_words():
    declared = pd.DataFrame({"age": [30.0, np.nan, 31.0], "sex": ["F", "F", None]})
    assert agreement(declared, [0.5, 0.0]).tolist() == [[True, True, False], [True, True, True], [False, True, True]]


def test_real_cohorts_raise_no_alarm(real_data):
    from workbench.pipeline import check

    examples = {"kmoa": "kmoa", "nspn": "nspn_discovery", "aomic_piop2": "aomic_piop2"}
    root = Path(__file__).parents[2] / "examples"
    for example, data in examples.items():
        report = check(study=root / example, data=real_data / data)
        said = [str(problem) for problem in report.problems]
        said += [warning for plan in report.plans for warning in plan.warnings]
        assert [text for text in said if "nearly the same" in text] == []
