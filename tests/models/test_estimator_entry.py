"""What an entry that names an estimator may say, what is refused with which words, and how it is written down."""

import numpy as np
import pytest
from sklearn.ensemble import AdaBoostRegressor
from sklearn.linear_model import Ridge, RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import SVC, SVR

from workbench.errors import SpecError
from workbench.models.estimator_building import is_of_trees
from workbench.models.estimator_entry import handed_over, outcome_problems, settle
from workbench.models.estimator_lookup import Allowed
from workbench.specs.learners import EstimatorSpec

NUSVR = "sklearn.svm.NuSVR"
ADABOOST = "sklearn.ensemble.AdaBoostRegressor"
PIPELINE = "sklearn.pipeline.Pipeline"
STEPS = (("svr", {"estimator": "sklearn.svm.SVR"}),)


@pytest.fixture
def settled(tmp_path):
    """A function: an entry settled as an experiment of some study would have it."""

    def settle_entry(estimator, classes=(), **options):
        spec = EstimatorSpec(kind="estimator", estimator=estimator, **options)
        allowed = Allowed(tmp_path / "study", classes, tmp_path / "config.toml")
        return settle(spec, allowed, "experiments/x.toml: first [[models]]")

    return settle_entry


def test_defaults_of_the_class_are_written_out_and_settling_again_changes_nothing(settled):
    spec = settled(NUSVR, params={"nu": 0.3}, grid={"C": (0.1, 1.0)})
    assert spec.params == {
        "nu": 0.3,
        "kernel": "rbf",
        "degree": 3,
        "gamma": "scale",
        "coef0": 0.0,
        "shrinking": True,
        "tol": 0.001,
        "cache_size": 200,
        "verbose": False,
        "max_iter": -1,
    }
    assert settled(spec.estimator, params=spec.params, grid=spec.grid) == spec


def test_none_infinity_and_estimators_inside_are_written_as_a_file_holds_them(settled):
    spec = settled(
        "sklearn.linear_model.RANSACRegressor", params={"estimator": {"estimator": "sklearn.linear_model.Ridge"}}
    )
    assert spec.params["min_samples"] == "none"
    assert spec.params["stop_n_inliers"] == "inf"
    assert spec.params["estimator"]["params"]["alpha"] == 1.0
    assert "random_state" not in spec.params
    assert "random_state" not in spec.params["estimator"]["params"]


def test_parameters_of_an_estimator_inside_reach_it(settled):
    spec = settled(PIPELINE, params={"steps": STEPS, "svr__C": 3.0}, grid={"svr__gamma": (0.1, 1.0)})
    ((name, inside),) = spec.params["steps"]
    assert (name, inside["params"]["C"]) == ("svr", 3.0)


@pytest.mark.parametrize(
    ("estimator", "options", "message"),
    [
        ("sklearn.svm.NuSVRR", {}, r"sklearn.svm has no 'NuSVRR'; did you mean 'sklearn.svm.NuSVR'\?"),
        ("NuSVR", {}, r"'NuSVR' is offered by no installed package; did you mean 'sklearn.svm.NuSVR'\?"),
        ("sklearn.svms.NuSVR", {}, r"sklearn.svms cannot be imported .*did you mean 'sklearn.svm.NuSVR'\?"),
        ("sklearn.linear_model.ridge_regression", {}, "is not a class; name the class of an estimator"),
        ("sklearn.model_selection.KFold", {}, "KFold is not a scikit-learn estimator"),
        (
            "sklearn.linear_model.LassoCV",
            {},
            "LassoCV has a cross-validation of its own.*give the values to try as grid",
        ),
        ("sklearn.model_selection.GridSearchCV", {}, "has a cross-validation of its own"),
        ("sklearn.ensemble.StackingRegressor", {}, "has a cross-validation of its own"),
        ("sklearn.calibration.CalibratedClassifierCV", {}, "would divide the training rows without regard to families"),
        (NUSVR, {"params": {"gama": 1.0}}, r"gama: is not a parameter of NuSVR; did you mean 'gamma'\?"),
        (NUSVR, {"grid": {"Cs": (1.0, 2.0)}}, "Cs: is not a parameter of NuSVR"),
        (NUSVR, {"params": {"nu": 2.0}}, "The 'nu' parameter of NuSVR must be a float in the range"),
        (NUSVR, {"grid": {"C": (1.0, -1.0)}}, "grid: The 'C' parameter of NuSVR must be"),
        (NUSVR, {"space": {"nu": {"low": 0.1, "high": 3.0}}}, "space: The 'nu' parameter of NuSVR must be"),
        (ADABOOST, {}, "estimator: is left to AdaBoostRegressor, whose default is not written down"),
        (
            ADABOOST,
            {"params": {"estimator": {"estimator": "sklearn.linear_model.RidgeCV"}}},
            "RidgeCV has a cross-valid",
        ),
        (ADABOOST, {"params": {"estimator": {"estimator": "os.path.join"}}}, "os.path.join is neither of scikit-learn"),
        (PIPELINE, {}, r"steps: is missing, which Pipeline needs; such as steps = \[\["),
        (PIPELINE, {"params": {"steps": STEPS, "memory": "cache"}}, "memory: is a cache of fits"),
        (PIPELINE, {"params": {"steps": STEPS}, "grid": {"svr__CC": (1.0, 2.0)}}, r"svr__CC: is not .*'svr__C'\?"),
        ("sklearn.neural_network.MLPRegressor", {"params": {"early_stopping": True}}, "holds rows out by itself"),
        (
            "sklearn.ensemble.GradientBoostingRegressor",
            {"params": {"n_iter_no_change": 5}},
            "n_iter_no_change: holds rows out by itself",
        ),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_way_out(estimator, options, message, settled):
    with pytest.raises(SpecError, match=message) as caught:
        settled(estimator, **options)
    assert all(problem.where.startswith("experiments/x.toml: first [[models]]") for problem in caught.value.problems)


def test_every_problem_of_an_entry_is_told_at_once(settled):
    with pytest.raises(SpecError) as caught:
        settled(NUSVR, params={"nuu": 1.0, "Cc": 2.0, "kernel": "bogus"}, grid={"Gamma": (1.0,), "nu": (0.5, 7.0)})
    problems = [str(problem) for problem in caught.value.problems]
    assert len(problems) == 5
    for name in ("nuu", "Cc", "kernel", "Gamma", "nu'"):
        assert any(name in problem for problem in problems), name


@pytest.mark.parametrize(
    ("estimator", "outcome", "message"),
    [
        (NUSVR, "binary", "NuSVR predicts numbers, not probabilities, and the outcome is binary"),
        ("sklearn.svm.SVC", "binary", "SVC has no predict_proba as it is written"),
        ("sklearn.naive_bayes.GaussianNB", "continuous", "predicts classes, and the outcome is continuous"),
        ("sklearn.decomposition.PCA", "continuous", "PCA is a transformer, which predicts no outcome"),
        ("sklearn.cluster.KMeans", "binary", "KMeans is a transformer, which predicts no outcome"),
        ("sklearn.ensemble.IsolationForest", "binary", "is neither regressor nor classifier"),
    ],
)
def test_an_estimator_that_cannot_predict_the_outcome_is_refused(estimator, outcome, message, settled):
    (problem,) = outcome_problems(settled(estimator), outcome, "models: x")
    assert message in problem.found


def test_an_estimator_that_can_is_not(settled):
    assert list(outcome_problems(settled(NUSVR), "continuous", "")) == []
    assert list(outcome_problems(settled("sklearn.naive_bayes.GaussianNB"), "binary", "")) == []


@pytest.mark.parametrize(
    ("estimator", "grid", "message"),
    [
        (RidgeCV(), None, "RidgeCV has a cross-validation of its own"),
        (SVC(probability=True), None, "makes probabilities by a cross-validation of its own"),
        (SVR(kernel=np.dot), None, "kernel: is a function"),
        (make_pipeline(FunctionTransformer(np.tanh), Ridge()), None, "functiontransformer__func: is a function"),
        (make_pipeline(Ridge(), memory="cache"), None, "memory: is a cache of fits"),
        (AdaBoostRegressor(), None, "estimator: is left to AdaBoostRegressor"),
        (Ridge, None, r"Ridge is a class; hand over an object: Ridge\(\)"),
        ("ridge", None, "str is not a scikit-learn estimator"),
        (Ridge(), {"alphas": [1.0, 2.0]}, r"alphas: is not a parameter of Ridge; did you mean 'alpha'\?"),
    ],
)
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_an_object_is_refused_for_the_same_reasons(estimator, grid, message):
    with pytest.raises(SpecError, match=message):
        handed_over(estimator, grid=grid)


@pytest.mark.parametrize(
    ("estimator", "expected"),
    [
        (NUSVR, False),
        ("sklearn.tree.DecisionTreeRegressor", True),
        ("sklearn.ensemble.HistGradientBoostingRegressor", True),
        ("sklearn.ensemble.GradientBoostingRegressor", True),
    ],
)
def test_tree_ensembles_are_known_for_what_they_are_also_inside_others(estimator, expected, settled):
    from workbench.models.estimator import prototype_of

    bagged = settled("sklearn.ensemble.BaggingRegressor", params={"estimator": {"estimator": estimator}})
    for spec in (settled(estimator), bagged, settled(PIPELINE, params={"steps": (("one", {"estimator": estimator}),)})):
        assert is_of_trees(prototype_of(spec)) is expected
