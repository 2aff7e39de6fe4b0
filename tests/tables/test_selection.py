"""Lists of columns: made by the outcome, by a paper that is right, by a circuit, or by nobody."""

import numpy as np
import pytest

from workbench.specs.table_source import TableSource
from workbench.tables.dataset import assemble
from workbench.tables.guards import check_dataset
from workbench.tables.outcomes import make_outcome
from workbench.tables.people import select_people
from workbench.tables.selection import LISTED_P, SEPARATED, separation

N, P, KEPT = 60, 72, 10
NOTHING = np.empty((N, 0))
ONE_BLOCK = np.zeros(N, dtype=int)


def correlated(rng, n=N, p=P, within=0.5):
    """Columns in blocks of six that share half their variance, as those of one region or circuit do."""
    shared = np.repeat(rng.standard_normal((n, p // 6)), 6, axis=1)
    return np.sqrt(within) * shared + np.sqrt(1 - within) * rng.standard_normal((n, p))


def kept_first(X, kept):
    others = np.setdiff1d(np.arange(X.shape[1]), kept)
    return X[:, [*kept, *others]]


def best_by(X, y, k=KEPT):
    return np.argsort(-np.abs(np.corrcoef(X.T, y)[-1, :-1]))[:k]


def alarmed(X, kept, y, nuisance=NOTHING):
    share, p = separation(kept_first(X, kept), len(kept), y, nuisance, np.zeros(len(y), dtype=int))
    return share >= SEPARATED and p <= LISTED_P


@pytest.mark.parametrize("seed", range(5))
def test_columns_selected_by_a_shuffled_outcome_are_seen(seed):
    rng = np.random.default_rng(seed)
    X, y = correlated(rng), rng.standard_normal(N)
    assert alarmed(X, best_by(X, y), y)
    share, p = separation(kept_first(X, best_by(X, y)), KEPT, y, NOTHING, ONE_BLOCK)
    assert share == 1.0
    assert p == 1 / 5000


def test_columns_selected_by_a_binary_outcome_and_with_covariates_are_seen():
    rng = np.random.default_rng(3)
    X, age = correlated(rng), rng.standard_normal(N)
    y = (rng.standard_normal(N) + age > 0).astype(float)
    assert alarmed(X, best_by(X, y), y)
    residual = y - np.polyval(np.polyfit(age, y, 1), age)
    assert alarmed(X, best_by(X, residual), y, age[:, None])


def test_a_circuit_kept_for_its_name_is_not_taken_for_a_selection():
    alarms = 0
    for seed in range(60):
        rng = np.random.default_rng(100 + seed)
        X, y = correlated(rng), rng.standard_normal(N)
        alarms += alarmed(X, np.arange(12), y)
    assert alarms == 0


def test_a_circuit_that_truly_predicts_is_rarely_taken_for_one():
    """R2 = .25 in the mean of the kept circuit and none elsewhere, 60 people: a list from a paper that is right."""
    alarms = 0
    for seed in range(40):
        rng = np.random.default_rng(200 + seed)
        X = correlated(rng)
        signal = X[:, :12].mean(axis=1)
        y = 0.5 * signal / signal.std() + np.sqrt(0.75) * rng.standard_normal(N)
        alarms += alarmed(X, np.arange(12), y)
    assert alarms <= 9


def test_missing_values_and_columns_that_do_not_vary_do_no_harm():
    rng = np.random.default_rng(5)
    X, y = correlated(rng), rng.standard_normal(N)
    kept = best_by(X, y)
    X[rng.random(X.shape) < 0.03] = np.nan
    others = np.setdiff1d(np.arange(P), kept)
    X[:, others[0]], X[:, others[1]] = np.nan, 7.0
    assert alarmed(X, kept, y)


def test_nothing_is_said_where_no_column_that_varies_was_left_out():
    rng = np.random.default_rng(6)
    X = np.column_stack([rng.standard_normal((N, 4)), np.ones((N, 3))])
    assert separation(X, 4, rng.standard_normal(N), NOTHING, ONE_BLOCK) == (0.5, 1.0)


# ------------------------------------------------------------------------------------------------- what becomes of it


@pytest.fixture
def kept_by(make_cohort, make_table, make_experiment):
    """Problems and warnings of a source that keeps ten of 72 columns: the best, or one of two columns less good."""

    def judge(upstream=None, swapped=0):
        cohort = make_cohort(N)
        people = list(cohort.participants.index)
        experiment = make_experiment()
        chosen, flow = select_people(experiment, cohort, {})
        outcome = make_outcome(experiment.outcome, cohort, chosen, seed=0)
        X = correlated(np.random.default_rng(8))
        order = best_by(X, outcome.values.to_numpy(), P)
        kept = [*order[: KEPT - swapped], *order[30 : 30 + swapped]]
        table = make_table("fc", people, X[:, kept])
        args = (experiment, "fc", ("fc",), {"fc": table}, cohort, outcome, chosen, flow)
        dataset = assemble(*args, given_folds=None)
        said = {"modality": "connectivity", "reader": "table", "file": "fc.tsv", "upstream": upstream}
        left_out = {"fc": np.delete(X, kept, axis=1)}
        return check_dataset(dataset, cohort, {"fc": TableSource.model_validate(said)}, left_out)

    return judge


def test_a_list_of_unknown_origin_is_refused_and_the_message_knows_both_ways_out(kept_by):
    ((problem,), _) = kept_by()
    assert problem.code == "T6"
    assert (
        "fc: the 10 columns kept of 72 are more associated with the outcome than those left out, in 100 % of all pairs"
        in str(problem)
    )
    assert "screen = 50 in [[models]] selects in the training participants only" in problem.hint
    assert '[upstream] selected_by = "literature", reference = ".."' in problem.hint


def test_a_list_that_only_stands_out_is_warned_of(kept_by):
    problems, warnings = kept_by(swapped=1)
    assert problems == []
    assert [warning.code for warning in warnings] == ["T6"]


@pytest.mark.parametrize("swapped", [0, 1])
def test_a_list_of_declared_origin_is_warned_of_only_where_it_is_the_best_of_all(kept_by, swapped):
    problems, warnings = kept_by({"selected_by": "literature", "reference": "doi:10.1/x"}, swapped)
    assert problems == []
    coded = [warning for warning in warnings if warning.code == "T6"]
    assert len(coded) == (swapped == 0)
    assert all("declared as selected by literature (doi:10.1/x) [T6]" in str(warning) for warning in coded)
