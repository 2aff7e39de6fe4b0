"""Pictures of a run, as PNG and SVG, light and dark: labelled, colour-blind-safe, the same bytes for the same result.

Each picture carries the claim and n, and says in its alternative text what a person who cannot see it would be told.
"""

from __future__ import annotations

from pathlib import Path

from workbench.figures import calibration, circuits, comparators, flow, permutations, predictions, splits
from workbench.figures.style import look, save
from workbench.records import RunResult

PICTURES = {
    "observed_predicted": predictions.draw,
    "permutation_null": permutations.draw,
    "calibration": calibration.draw,
    "shap_circuits": circuits.draw,
    "split_spread": splits.draw,
    "comparators": comparators.draw,
    "flow": flow.draw,
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
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    with look():
        for name, draw in PICTURES.items():
            picture = draw(result)
            if picture is not None:
                written += save(picture, folder / name)
    return tuple(written)
