from workbench.evaluation.baseline_held import holding_baseline


def test_without_a_baseline_score_nothing_is_held_fixed(make_dataset):
    assert holding_baseline(make_dataset()) is None
