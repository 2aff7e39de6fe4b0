from dataclasses import replace

import numpy as np
import pytest

from workbench.evaluation.unobserved import model_of_everyone, predict_unobserved
from workbench.records import Unobserved
from workbench.specs.experiment import ValidationSpec
from workbench.specs.learners import RidgeSpec

RIDGE = RidgeSpec(kind="ridge")


def test_people_without_an_outcome_are_predicted_by_a_model_of_everyone_else(make_dataset):
    dataset = make_dataset(n=80, r2=0.9, confounds={"motion": np.random.default_rng(1).normal(size=80)})
    lost = np.arange(70, 80)
    kept = np.delete(np.arange(80), lost)
    there = replace(
        dataset.take(kept), unobserved=Unobserved(("sub",) * 10, dataset.X[lost], dataset.nuisance.values[lost])
    )
    everyone = model_of_everyone(there, RIDGE, ValidationSpec(permutations=0), predicts=False)
    predicted, reference = predict_unobserved(there, everyone)
    N = np.column_stack([np.ones(80), dataset.nuisance.values])
    expected = N[lost] @ np.linalg.lstsq(N[kept], dataset.y[kept], rcond=None)[0]
    assert reference == pytest.approx(expected)
    y = dataset.y[lost]
    assert np.square(y - predicted).sum() < 0.4 * np.square(y - reference).sum()


def test_their_outcome_is_never_looked_at_since_there_is_none(make_dataset):
    dataset = make_dataset(n=30, r2=0.5)
    assert predict_unobserved(dataset, model_of_everyone(dataset, RIDGE, ValidationSpec(), predicts=True)) is None


def test_a_run_that_predicts_nothing_and_has_nobody_else_fits_no_model_of_everyone(make_dataset):
    assert model_of_everyone(make_dataset(n=30), RIDGE, ValidationSpec(), predicts=False) is None
