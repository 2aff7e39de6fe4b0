import numpy as np
import pandas as pd
import pytest

from workbench.evaluation.decision import THRESHOLDS, decision, decision_curve, net_benefit

Y = np.array([1.0, 1.0, 0.0, 0.0, 0.0])


def table_of(*predicted) -> pd.DataFrame:
    return pd.concat(
        [pd.DataFrame({"observed": Y, "predicted": each, "repeat": k}) for k, each in enumerate(predicted)]
    )


def test_net_benefit_by_hand():
    """Threshold .2: three acted on, two rightly; a wrong one costs a quarter (Vickers and Elkin 2006)."""
    predicted = np.array([0.9, 0.2, 0.5, 0.1, 0.0])
    assert net_benefit(Y, predicted, np.array([0.2, 0.6])) == pytest.approx([(2 - 1 / 4) / 5, 1 / 5])


def test_acting_on_everyone_breaks_even_at_the_prevalence():
    curve = decision_curve(table_of(Y), None).set_index("threshold")
    assert curve.loc[0.4, "treat_all"] == pytest.approx(0)
    assert curve.loc[0.2, "treat_all"] == pytest.approx(0.4 - 0.6 / 4)
    assert (curve["treat_none"] == 0).all()


def test_perfect_predictions_are_worth_the_prevalence_at_every_threshold():
    curve = decision_curve(table_of(Y), None)
    assert curve["predictions"].to_numpy() == pytest.approx(np.full(99, 0.4))
    found = decision(curve, "")
    assert (found.low, found.high, found.share) == (0.01, 0.99, 1.0)
    assert (found.gain, found.at) == (pytest.approx(0.4), 0.4)


def test_predictions_that_say_nothing_are_best_nowhere():
    found = decision(decision_curve(table_of(np.full(5, 0.4)), None), "")
    assert (found.low, found.high, found.share) == (None, None, 0.0)
    assert found.gain == pytest.approx(0)


def test_the_clinical_model_has_to_be_beaten_too():
    curve = decision_curve(table_of(Y), table_of(Y))
    assert list(curve) == ["threshold", "predictions", "clinical", "treat_all", "treat_none"]
    assert decision(curve, "clinical_ols").share == 0.0


def test_repeats_are_averaged():
    both = decision_curve(table_of(Y, np.zeros(5)), None)["predictions"].to_numpy()
    assert both == pytest.approx(np.full(99, 0.2))
    assert len(both) == len(THRESHOLDS)
