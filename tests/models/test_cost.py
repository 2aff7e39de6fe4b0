import pytest

from workbench.models.cost import estimate
from workbench.specs.experiment import ValidationSpec
from workbench.specs.learners import XGBoostSpec

TREES = XGBoostSpec(kind="xgboost", trials=50)
UNTESTED = ValidationSpec(repeats=10, permutations=0)


@pytest.mark.parametrize(("n", "p", "measured"), [(26, 121, 0.75), (99, 105, 0.90), (120, 500, 1.4)])
def test_the_time_of_trees_is_within_a_factor_3_of_what_was_measured(make_dataset, n, p, measured):
    """CPU seconds of one outer fold with 50 trials, 5 inner folds and 200 rounds."""
    seconds = estimate(make_dataset(n, p), UNTESTED, TREES).seconds / 50
    assert measured / 3 < seconds < 3 * measured


def test_a_permutation_test_of_trees_is_counted_with_its_smaller_search(make_dataset):
    tested = UNTESTED.model_copy(update={"permutations": 99})
    few, many = (estimate(make_dataset(), validation, TREES) for validation in (UNTESTED, tested))
    assert many.seconds == pytest.approx(few.seconds * 100 * TREES.permuted_trials / TREES.trials)
