"""What a candidate feature added to the prediction at each of its values, one point per participant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.figures.style import BLUE, GREY, INK, VERMILLION, Picture, canvas
from workbench.figures.words import balanced, feature_words, with_unit, without_source
from workbench.records import RunResult
from workbench.results.wording import IN_BRACKETS, unit_of

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes

MOST = 6
"""Features drawn, in two columns."""
PANEL = 2.25
"""Inches of a row of panels, its axis included."""
SPAN = 0.6
"""Share of the participants that the trend at a value is fitted to, the nearest (Cleveland 1979)."""


def draw(result: RunResult) -> Picture | None:
    """SHAP value against measured value of the candidate features with the largest mean |SHAP|.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    Picture or None
        None without a candidate feature, and for runs of older versions.
    """
    if not result.claim.shows_prediction or result.shap is None or result.feature_values is None:
        return None
    names = _candidates(result)
    if not names:
        return None
    title = "Candidate features: value against contribution"
    short, source = without_source(names)
    caption = (
        "Each point is a participant, held out of the models that explain them; the line is a trend (locally weighted "
        "least squares). Values of other features are not held fixed, and no interaction is drawn. SHAP values say "
        f"what the model used, not what causes the outcome.{source}"
    )
    rows = (len(names) + 1) // 2
    figure, axes = canvas(result, title, caption, height=PANEL * rows, left=0.9, below=-0.6)
    box = axes.get_position()
    axes.set_axis_off()
    index = ["participant_id", "session"]
    shap, values = result.shap.set_index(index), result.feature_values.set_index(index)
    shap, values = shap[names], values.reindex(shap.index)[names]
    largest = float(shap.abs().max(axis=None)) or 1.0
    units = result.features.set_index("name")["unit"]
    for at, (name, words) in enumerate(zip(names, short, strict=True)):
        width, height = box.width * (0.8 if len(names) == 1 else 0.435), box.height / rows
        left, bottom = box.x0 + (at % 2) * (box.width - width), box.y1 - (at // 2 + 1) * height
        panel = figure.add_axes((left, bottom + 0.36 * height, width, 0.56 * height))
        panel.patch.set_visible(False)
        _panel(panel, values[name].to_numpy(dtype=float), shap[name].to_numpy(dtype=float), largest)
        panel.set_xlabel(feature_words(with_unit(words, units[name]), 36), fontsize=10.5)
        if at % 2 == 0:
            panel.set_ylabel(balanced(f"SHAP{unit_of(result.scores, IN_BRACKETS)}", 18), fontsize=10.5)
    return Picture(figure, title, _alt(result, names, values.to_numpy(dtype=float), shap.to_numpy(dtype=float)))


def _candidates(result: RunResult) -> list[str]:
    """Candidate features whose values are kept, the largest mean |SHAP| first."""
    if "feature" not in result.biomarkers or result.shap is None or result.feature_values is None:
        return []
    rows = result.biomarkers[result.biomarkers["level"] == "feature"]
    ordered = rows.sort_values(["mean_abs_shap", "feature"], ascending=[False, True])["feature"]
    return [str(name) for name in ordered if name in result.feature_values and name in result.shap][:MOST]


def _panel(axes: Axes, values: np.ndarray, shap: np.ndarray, largest: float) -> None:
    import numpy as np

    there = ~(np.isnan(values) | np.isnan(shap))
    values, shap = values[there], shap[there]
    axes.axhline(0, color=GREY, linewidth=0.8, linestyle=":")
    axes.scatter(values, shap, s=16, color=BLUE, alpha=0.55, linewidth=0)
    grid, line = trend(values, shap)
    axes.plot(grid, line, color=VERMILLION, linewidth=2.0)
    axes.set_ylim(-1.1 * largest, 1.1 * largest)
    axes.tick_params(labelsize=10, labelcolor=INK)
    axes.locator_params(nbins=5)


def trend(values: np.ndarray, shap: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Locally weighted least squares of SHAP values on measured values (lowess without reweighting).

    Parameters
    ----------
    values, shap : ndarray of shape (n_participants,)
        Complete.

    Returns
    -------
    grid, line : ndarray of shape (n_points,)
        Empty where a line has no slope: fewer than ten participants or two different values.

    References
    ----------
    Cleveland, W. S. (1979). J. American Statistical Association 74, 829-836.
    """
    import numpy as np

    if len(values) < 10 or len(np.unique(values)) < 2:
        return np.empty(0), np.empty(0)
    grid = np.linspace(values.min(), values.max(), 41)
    nearest = max(2, int(np.ceil(SPAN * len(values))))
    line = np.empty(len(grid))
    for at, place in enumerate(grid):
        distance = np.abs(values - place)
        reach = max(float(np.sort(distance)[nearest - 1]), 1e-12) * 1.0001
        weight = np.clip(1 - (distance / reach) ** 3, 0, None) ** 3
        mean_x, mean_y = np.average(values, weights=weight), np.average(shap, weights=weight)
        spread = float(weight @ (values - mean_x) ** 2)
        slope = float(weight @ ((values - mean_x) * (shap - mean_y))) / spread if spread > 0 else 0.0
        line[at] = mean_y + slope * (place - mean_x)
    return grid, line


def _alt(result: RunResult, names: list[str], values: np.ndarray, shap: np.ndarray) -> str:
    import numpy as np

    words = []
    for at, name in enumerate(names):
        there = ~(np.isnan(values[:, at]) | np.isnan(shap[:, at]))
        x, y = values[there, at], shap[there, at]
        varies = len(x) > 2 and np.ptp(x) > 0 and np.ptp(y) > 0
        goes = float(np.corrcoef(x, y)[0, 1]) if varies else 0.0
        way = "rises" if goes > 0.3 else "falls" if goes < -0.3 else "neither rises nor falls clearly"
        words.append(f"with {name} the SHAP value {way}")
    return f"Scatter plots of SHAP value against measured value: {'; '.join(words)}. {result.claim.sentence}"
