"""What the demo promises, with plain numpy: the shipped seed shows what is typical, not what is lucky."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from workbench import pipeline
from workbench.simulate import generator
from workbench.simulate.achievable import achievable_table
from workbench.simulate.anatomy import CIRCUITS, PLANTED, features
from workbench.simulate.generator import Trial

MODALITIES = ("connectivity", "task")
MAIN = "shaps_ketamine_minus_placebo"


def analysed(demo: Trial) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features, ketamine minus placebo in SHAPS and [1 | motion | sequence] of those who have everything."""
    edges = np.arctanh(demo.scans["connectivity"]["ses-b0"])
    X = np.column_stack([edges, demo.scans["task"]["ses-b0"]])
    y = demo.shaps["ses-p2"].sum(axis=1) - demo.shaps["ses-d2"].sum(axis=1)
    have = ~np.isnan(y) & ~np.isnan(edges[:, 0]) & ~np.isnan(demo.scans["task"]["ses-b0"]).all(axis=1)
    X = np.where(np.isnan(X[have]), np.nanmean(X[have], axis=0), X[have])
    return X, y[have], np.column_stack([np.ones(have.sum()), demo.people.fd[have], demo.people.ketamine_first[have]])


def circuit_q(X: np.ndarray, y: np.ndarray, N: np.ndarray) -> dict[str, float]:
    """T_g by Freedman-Lane, Benjamini-Hochberg over circuits."""
    rng = np.random.default_rng(0)
    basis, _ = np.linalg.qr(N)
    left, x = y - basis @ (basis.T @ y), X - basis @ (basis.T @ X)
    targets = np.column_stack([left, *(rng.permutation(left) for _ in range(999))])
    targets -= basis @ (basis.T @ targets)
    r2 = ((x / np.linalg.norm(x, axis=0)).T @ (targets / np.linalg.norm(targets, axis=0))) ** 2
    circuit = np.array([feature.circuit for modality in MODALITIES for feature in features(modality)])
    statistic = np.array([r2[circuit == each].sum(axis=0) for each in CIRCUITS])
    p = (1 + (statistic[:, 1:] >= statistic[:, :1]).sum(axis=1)) / 1000
    order = p.argsort()
    q = np.minimum.accumulate((p[order] * len(p) / np.arange(1, len(p) + 1))[::-1])[::-1]
    return {CIRCUITS[k]: float(each) for k, each in zip(order, q, strict=True)}


def test_about_a_hundred_people_are_analysed(demo: Trial) -> None:
    assert 85 <= len(analysed(demo)[1]) <= 110


def test_planted_circuits_are_found_and_the_confound_only_one_is_not_once_motion_is_held_fixed(demo: Trial) -> None:
    X, y, N = analysed(demo)
    adjusted, raw = circuit_q(X, y, N), circuit_q(X, y, N[:, [0, 2]])

    assert sum(adjusted[circuit] <= 0.10 for circuit in PLANTED) >= 2
    assert adjusted["sensorimotor"] > 0.10
    assert raw["sensorimotor"] <= 0.10  # which is what there is to learn from it


@pytest.mark.parametrize("circuit", ["salience", "cerebellar", "default mode"])
def test_circuits_that_are_not_true_are_not_found(demo: Trial, circuit: str) -> None:
    assert circuit_q(*analysed(demo))[circuit] > 0.10


class FirstRunError(Exception):
    pass


def test_the_review_preset_is_simulated_built_and_sound_at_its_own_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything of `workbench demo --preset review` up to the first fit; two training sets stand for fifty."""
    asked: list[dict[str, Any]] = []

    def run(names: list[str], **options: Any) -> None:
        asked.append({"names": names, **options})
        raise FirstRunError

    monkeypatch.setattr(pipeline.demonstration, "run", run)
    monkeypatch.setattr(generator, "achievable_table", lambda config, n_train: achievable_table(config, n_train, 2))
    study, told = tmp_path / "big", list[str]()
    with pytest.raises(FirstRunError):
        pipeline.demo(study=study, preset="review", say=told.append)

    assert (asked[0]["names"], asked[0]["only"]) == (["shuffled_outcome", "madrs_change", MAIN], ("ridge",))
    assert any("482 patients and 141 healthy controls: 2350 files" in line for line in told)
    report = pipeline.check(study=study)
    assert report.problems == ()
    assert {plan.name for plan in report.plans} == {MAIN, "madrs_change", "shuffled_outcome"}
    main = next(plan for plan in report.plans if plan.name == MAIN)
    assert [(step.step, step.n) for step in main.flow] == [("in the study", 623), ("eligible", 482)]
    assert {run.dataset.n_participants for run in main.runs if run.learner.kind == "ridge"} == {324, 433, 339, 192}
