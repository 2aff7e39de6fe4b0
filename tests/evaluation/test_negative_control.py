import numpy as np

from workbench.evaluation.negative_control import on_shuffled_outcomes
from workbench.evaluation.refits import Store
from workbench.specs.experiment import ValidationSpec
from workbench.specs.learners import LEARNERS


def test_a_shuffled_run_has_its_own_outcome_folds_and_no_permutations(make_dataset):
    rng = np.random.default_rng(2)
    dataset = make_dataset(
        n=40, r2=0.6, confounds={"motion": rng.normal(size=40)}, clinical={"age": rng.normal(size=40)}
    )
    spec = LEARNERS["ridge"](kind="ridge")
    validation = ValidationSpec(repeats=3, permutations=99)
    shuffled, units, results = on_shuffled_outcomes(dataset, validation, spec, repeats=3)
    assert {unit.procedures for unit in units} == {("main", "confounds")}
    assert len(results) == 15
    assert all(result.procedures["main"].squared_error.shape == (1,) for result in results)
    residual = shuffled.y - np.polyval(
        np.polyfit(dataset.confounds.values[:, 0], shuffled.y, 1), dataset.confounds.values[:, 0]
    )
    assert not np.allclose(shuffled.y, dataset.y)
    assert residual.std() > 1
    observed = [run.procedures["main"] for run in results]
    r2 = 1 - sum(one.squared_error[0] for one in observed) / sum(one.squared_error_reference[0] for one in observed)
    assert r2 < 0.1
    again = on_shuffled_outcomes(dataset, validation, spec, repeats=3)[0]
    np.testing.assert_array_equal(again.y, shuffled.y)


def test_shuffled_classes_stay_classes_and_blocks_keep_their_outcomes(make_dataset):
    blocks = np.repeat([0, 1], 20)
    dataset = make_dataset(n=40, binary=True, confounds={"motion": np.arange(40.0)}, blocks=blocks)
    spec = LEARNERS["logistic-ridge"](kind="logistic-ridge")
    shuffled, units, _ = on_shuffled_outcomes(dataset, ValidationSpec(repeats=2), spec, repeats=2)
    assert set(shuffled.y) == {0.0, 1.0}
    assert shuffled.y[:20].sum() == dataset.y[:20].sum()
    assert {unit.repeat for unit in units} == {0}, "one target at a time: one repeat"


def test_a_control_that_is_stored_is_taken_up(make_dataset, tmp_path, monkeypatch):
    dataset, spec = make_dataset(n=30, r2=0.5), LEARNERS["ridge"](kind="ridge")
    store = Store(tmp_path, jobs=1, resume=True)
    first = on_shuffled_outcomes(dataset, ValidationSpec(repeats=2), spec, repeats=2, fit_units=store)
    monkeypatch.setattr("workbench.models.nested_cv.fit_unit", None)  # nothing is fitted again
    again = on_shuffled_outcomes(dataset, ValidationSpec(repeats=2), spec, repeats=2, fit_units=store)
    for one, other in zip(first.results, again.results, strict=True):
        np.testing.assert_array_equal(one.procedures["main"].predicted, other.procedures["main"].predicted)
