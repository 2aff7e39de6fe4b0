import numpy as np
import pytest
import xgboost

from workbench.errors import FitError
from workbench.models import tuning
from workbench.models.tuning import BoostingPair, tune_trees


@pytest.fixture
def pairs():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 6))
    y = X[:, 0] + 0.1 * rng.normal(size=30)
    made = []
    for fold in range(4):
        held_out = np.arange(30) % 4 == fold
        train = xgboost.QuantileDMatrix(X[~held_out], y[~held_out], max_bin=tuning.MAX_BIN, nthread=1)
        test = xgboost.QuantileDMatrix(X[held_out], y[held_out], ref=train, max_bin=tuning.MAX_BIN, nthread=1)
        for rows in (train, test):
            rows.set_base_margin(np.zeros(rows.num_row()))
        made.append(BoostingPair(train, test))
    return made


def tune(pairs, n_trials=12, max_rounds=30, seed=1):
    return tune_trees(
        pairs, objective="reg:squarederror", n_trials=n_trials, max_rounds=max_rounds, n_train=30, seed=seed
    )


def test_tuning_is_repeatable_and_follows_its_seed(pairs):
    assert tune(pairs) == tune(pairs)
    assert tune(pairs) != tune(pairs, seed=2)


def test_the_best_setting_beats_the_mean_on_planted_truth(pairs):
    tuned = tune(pairs)
    mean_loss = np.mean([np.mean(pair.test.get_label() ** 2) for pair in pairs])
    assert tuned.loss < 0.6 * mean_loss
    assert 1 <= tuned.rounds <= 30


def test_pruned_trials_never_change_which_setting_wins_among_those_finished(pairs):
    tuned = tune(pairs)
    fast = {**tuned.params, "learning_rate": tuning.PACE * tuned.params["learning_rate"]}
    losses = [tuning.boost_until_it_stops(fast, pair, 30 // tuning.PACE)[0] for pair in pairs]
    assert tuned.loss == pytest.approx(np.mean(losses))
    assert tuned.n_pruned > 0


def test_boosting_stops_when_patience_is_used_up(pairs, monkeypatch):
    params = {**tuning.FIXED, "learning_rate": 0.5, "max_depth": 3}
    loss, rounds = tuning.boost_until_it_stops(params, pairs[0], 200)
    monkeypatch.setattr(tuning, "PATIENCE", 10_000)
    assert (loss, rounds) == tuning.boost_until_it_stops(params, pairs[0], rounds + 4)


def test_boosting_is_that_of_xgboost_itself(pairs):
    params = {**tuning.FIXED, "objective": "reg:squarederror", "learning_rate": 0.1, "max_depth": 2, "subsample": 0.7}
    loss, rounds = tuning.boost_until_it_stops(params, pairs[0], 40)
    history = {}
    xgboost.train(params, pairs[0].train, 40, evals=[(pairs[0].test, "held")], evals_result=history, verbose_eval=0)
    looks = [*range(1, tuning.EVALUATE_EVERY), *range(tuning.EVALUATE_EVERY, 41, tuning.EVALUATE_EVERY)]
    seen = [history["held"]["rmse"][look - 1] for look in looks]
    assert rounds == looks[int(np.argmin(seen))]
    assert loss == pytest.approx(min(seen) ** 2, rel=1e-6)


def test_the_refit_has_the_rounds_of_the_search_times_its_pace(pairs):
    tuned = tune(pairs, n_trials=1, max_rounds=20)
    fast = {**tuned.params, "learning_rate": tuning.PACE * tuned.params["learning_rate"]}
    best = [tuning.boost_until_it_stops(fast, pair, 20 // tuning.PACE)[1] for pair in pairs]
    assert tuned.rounds == tuning.PACE * np.ceil(np.median(best))


def test_failed_trials_are_counted(pairs, monkeypatch):
    real, calls = tuning.boost_until_it_stops, []

    def fails_at_first(params, pair, max_rounds):
        calls.append(params)
        if len(calls) == 1:
            raise ValueError("boom")
        return real(params, pair, max_rounds)

    monkeypatch.setattr(tuning, "boost_until_it_stops", fails_at_first)
    assert tune(pairs, n_trials=4).n_failed == 1


def test_a_fold_in_which_every_trial_fails_stops_with_the_reason(pairs, monkeypatch):
    monkeypatch.setattr(tuning, "suggest_settings", lambda *_: {"max_depth": -1, "learning_rate": 0.1})
    with pytest.raises(FitError, match=r"every one of 3 trials failed; the last: .*max_depth"):
        tune(pairs, n_trials=3)


def test_tuning_says_nothing(pairs, capfd):
    tune(pairs, n_trials=2)
    assert capfd.readouterr() == ("", "")
