"""Pictures of a run, as PNG and SVG, light and dark: labelled, colour-blind-safe, the same bytes for the same result.

Each picture carries the claim and n, and says in its alternative text what a person who cannot see it would be told.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.figures import (
    beeswarm,
    benefit,
    brain,
    calibration,
    chord,
    circuits,
    comparators,
    comparison,
    course,
    decision,
    dependence,
    features,
    flow,
    learning_curve,
    modalities,
    network_matrix,
    permutations,
    predictions,
    sizes,
    splits,
    tuning,
)
from workbench.figures.style import look, save
from workbench.records import RunResult, SetPlan

if TYPE_CHECKING:
    from workbench.tables.describing import Description

PICTURES = {
    "observed_predicted": predictions.draw,
    "permutation_null": permutations.draw,
    "calibration": calibration.draw,
    "shap_circuits": circuits.draw,
    "shap_beeswarm": beeswarm.draw_circuits,
    "shap_beeswarm_features": beeswarm.draw_features,
    "shap_features": sizes.draw_features,
    "shap_modalities": sizes.draw_modalities,
    "dependence": dependence.draw,
    "tuning": tuning.draw,
    "split_spread": splits.draw,
    "comparators": comparators.draw,
    "modalities": modalities.draw,
    "decision_curve": decision.draw,
    "benefit_quarters": benefit.draw_quarters,
    "benefit_calibration": benefit.draw_calibration,
    "course": course.draw,
    "durability": course.draw_durability,
    "flow": flow.draw,
    "brain": brain.draw,
    "connectome": brain.draw_connections,
    "chord": chord.draw,
    "network_matrix": network_matrix.draw,
}
"""File name to the function that draws it; a function returns None where there is nothing to draw."""


def draw_run(result: RunResult, folder: Path) -> tuple[Path, ...]:
    """Draw every picture of a run.

    Parameters
    ----------
    result : RunResult
    folder : Path
        Made where it does not exist.

    Returns
    -------
    tuple of Path
        ``NAME.png`` (200 dpi) and ``NAME.svg`` of each picture, and ``NAME-dark`` of both. A picture without its
        numbers (no permutations, one repeat, no SHAP values) is left out.
    """
    return tuple(path for name in PICTURES for path in draw_picture(name, result=result, folder=folder))


def draw_picture(name: str, *, result: RunResult, folder: Path) -> tuple[Path, ...]:
    """Draw one picture of a run, by its name in `PICTURES`; the files written, none where its numbers are missing.

    Parameters
    ----------
    name : str
    result : RunResult
    folder : Path
        Made where it does not exist.

    Returns
    -------
    tuple of Path
    """
    folder.mkdir(parents=True, exist_ok=True)
    with look():
        picture = PICTURES[name](result)
        return () if picture is None else save(picture, folder / name)


def draw_comparison(experiment: str, results: Sequence[RunResult], path: Path) -> tuple[Path, ...]:
    """Draw the runs of an experiment beside each other.

    Parameters
    ----------
    experiment : str
    results : sequence of RunResult
    path : Path
        Without suffix, in a folder that exists.

    Returns
    -------
    tuple of Path
    """
    with look():
        return save(comparison.draw(experiment, results), path)


def draw_features(description: Description, folder: Path, *, synthetic: bool = False) -> tuple[Path, ...]:
    """Draw what a source holds: values, missing ones, circuits.

    Parameters
    ----------
    description : Description
    folder : Path
        Made where it does not exist.
    synthetic : bool
        The participants are simulated.

    Returns
    -------
    tuple of Path
    """
    folder.mkdir(parents=True, exist_ok=True)
    with look():
        return save(features.draw(description, synthetic=synthetic), folder / "features")


def draw_learning_curve(plan: SetPlan, folder: Path) -> tuple[Path, ...]:
    """Draw the learning curve of a plan; the files written, none where the study is too small for one.

    Parameters
    ----------
    plan : SetPlan
    folder : Path
        Made where it does not exist.

    Returns
    -------
    tuple of Path
    """
    folder.mkdir(parents=True, exist_ok=True)
    with look():
        picture = learning_curve.draw(plan)
        return () if picture is None else save(picture, folder / "learning_curve")
