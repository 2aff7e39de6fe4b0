"""docs/add-a-model.md, followed to the letter for a model that does not exist."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import pytest

from workbench.evaluation import division_cost
from workbench.models import estimators, fitted_models
from workbench.models.explanations import explained
from workbench.models.learner import Fitted, Fold, Learner
from workbench.models.state import Stateful
from workbench.specs import learners as specs

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "add-a-model.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)


def test_every_place_that_the_page_names_is_there():
    named = set(re.findall(r"`((?:workbench|tests)/[\w/.]+?)`", PAGE))
    assert len(named) >= 8
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []
    for table in (specs, estimators):
        assert isinstance(table.LEARNERS, dict)
    assert set(specs.LEARNERS) == set(estimators.LEARNERS)
    assert hasattr(specs, "AnyLearner")
    assert hasattr(specs, "ScreenedSpec")
    assert hasattr(specs.LearnerSpec, "outcome_types")
    assert callable(division_cost.estimate)


@pytest.fixture
def added(monkeypatch):
    """The page's two classes, as it has them, and its rows in the two tables."""
    names = {"LearnerSpec": specs.LearnerSpec, "Literal": Literal, "np": np, "Fitted": Fitted, "__name__": __name__}
    names |= {"Stateful": Stateful, "dataclass": dataclass, "ClassVar": ClassVar}
    for block in BLOCKS:
        exec(block, names)
    monkeypatch.setitem(specs.LEARNERS, "training-median", names["TrainingMedianSpec"])
    monkeypatch.setitem(estimators.LEARNERS, "training-median", names["TrainingMedianLearner"])
    monkeypatch.setitem(fitted_models.KINDS, "training median", names["MedianModel"])
    return names["TrainingMedianSpec"](kind="training-median")


def test_the_model_of_the_page_runs(added):
    learner: Learner = estimators.make_learner(added)
    y = np.arange(20.0)[:, None]
    fold = Fold(np.zeros((20, 2)), np.zeros((20, 0)), np.arange(15), np.arange(15, 20), ())
    fitted = learner.fit(fold, y, seed=0)
    assert fitted.predicted.tolist() == [[7.0]] * 5
    again = fitted_models.from_state(fitted_models.state_of(fitted.model()))
    assert again.predict(fold.X[:2], fold.nuisance[:2]).tolist() == [7.0, 7.0]
    explanation = explained(fitted, fold, residualised=False, circuits=np.array([0, 1]))
    assert explanation.circuit_shap.tolist() == [[0.0, 0.0]]
    assert explanation.haufe.tolist() == [0.0, 0.0]
    assert set(added.outcome_types) == {"continuous", "binary"}
