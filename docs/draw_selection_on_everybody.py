"""What selecting features in everybody before cross-validation makes of shuffled outcomes; draws the picture of it.

    python docs/draw_selection_on_everybody.py --data FOLDER     FOLDER holds the open ketamine trial (examples/kmoa)

Writes docs/selection_on_everybody.svg, .png and .json. The fall in MADRS of 26 people with 121 connections is shuffled
200 times. One side selects the ten connections that go best with the shuffled outcome in everybody, and cross-validates
ridge on them; the other selects ten anew in the training people of every fold, as `screen = 10` does.
Folds, penalties and shuffles are the same for both. About half a minute; --redraw takes the numbers of the last time.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
EXAMPLE = HERE.parent / "examples" / "kmoa"
NUMBERS = HERE / "selection_on_everybody.json"
SHUFFLES, SELECTED, REPEATS = 200, 10, 2
INK, QUIET, BLUE, ORANGE = "#222222", "#5F666D", "#0072B2", "#C24F00"
PAPER = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
LEAKY, HONEST = "ten selected in everybody", "ten selected in the training people"


def measure(data: Path) -> dict[str, list[float]]:
    """R2 of both sides for every shuffled outcome."""
    from workbench.evaluation.inference import permuted_r2
    from workbench.models.nested_cv import fit_unit, plan_units
    from workbench.models.permutations import target_matrix
    from workbench.specs.experiment import ValidationSpec
    from workbench.specs.learners import RidgeSpec

    dataset = trial(data)
    validation = ValidationSpec(repeats=REPEATS, outer=5, inner=5)
    inside, outside = RidgeSpec(kind="ridge", screen=SELECTED), RidgeSpec(kind="ridge")
    units = [replace(unit, procedures=("main",)) for unit in plan_units(dataset, validation, outside)]
    everyone = np.zeros(dataset.n_rows)
    shuffled = target_matrix(dataset.y, np.empty((dataset.n_rows, 0)), everyone, dataset.groups, SHUFFLES, 0)
    honest = permuted_r2([fit_unit(dataset, unit, inside, {"main": shuffled}, explain=0) for unit in units], "main")
    leaky = []
    for column in range(1, 1 + SHUFFLES):
        y = shuffled[:, column]
        best = np.argsort(-np.abs(np.corrcoef(dataset.X.T, y)[-1, :-1]))[:SELECTED]
        features = dataset.features.iloc[best].reset_index(drop=True)
        chosen = replace(dataset.with_features(np.ascontiguousarray(dataset.X[:, best]), features), y=y)
        results = [fit_unit(chosen, unit, outside, {"main": y[:, None]}, explain=0) for unit in units]
        leaky.append(float(permuted_r2(results, "main")[0]))
    return {"leaky": [round(r2, 4) for r2 in leaky], "honest": [round(float(r2), 4) for r2 in honest[1:]]}


def trial(data: Path):
    """The 26 people with 121 connections and the outcome, joined as the example joins them."""
    import shutil

    from workbench.pipeline import check

    with tempfile.TemporaryDirectory() as folder:
        for part in ("features", "experiments"):
            shutil.copytree(EXAMPLE / part, Path(folder) / part, ignore=shutil.ignore_patterns("tables"))
        (plan,) = check(["madrs_change"], study=folder, data=data).plans
    return next(run.dataset for run in plan.runs if run.dataset.feature_set == "attn_dmn11")


def draw(numbers: dict[str, list[float]]) -> None:
    """One dot per shuffled outcome, both sides on one axis of R2."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.rcParams.update(
        {"font.family": "DejaVu Sans", "font.size": 13, "svg.hashsalt": "workbench", "svg.fonttype": "none"}
    )
    figure, axes = plt.subplots(figsize=(8.0, 3.9), layout="constrained")
    jitter = np.random.default_rng(0)
    for height, (key, name, colour, mark) in enumerate(
        (("honest", HONEST, BLUE, "o"), ("leaky", LEAKY, ORANGE, "D")), start=0
    ):
        r2 = np.array(numbers[key])
        axes.plot(r2, height + jitter.uniform(-0.16, 0.16, len(r2)), mark, ms=4, mfc="none", mec=colour, alpha=0.7)
        axes.plot([np.median(r2)] * 2, [height - 0.24, height + 0.24], color=colour, lw=3)
        text = f"{name}: median R2 {np.median(r2):.2f}, above 0 in {np.mean(r2 > 0):.0%}"
        axes.text(axes.get_xlim()[0], height + 0.3, text, color=colour, ha="left", va="bottom", bbox=PAPER)
    left = min(min(numbers["honest"]), min(numbers["leaky"])) - 0.05
    for label in axes.texts:
        label.set_x(left)
    axes.axvline(0, color=QUIET, lw=1, ls="--")
    axes.set(xlim=(left, 0.8), ylim=(-0.4, 1.65), yticks=[])
    axes.set_xlabel("cross-validated R2 of a shuffled outcome (0: no better than the mean)", color=INK)
    axes.set_title(
        "Nothing can be predicted here: 26 participants, 121 connections, 200 shuffles", fontsize=13, loc="left"
    )
    for side in ("left", "top", "right"):
        axes.spines[side].set_visible(False)
    for ending in ("svg", "png"):
        metadata = {"Date": None} if ending == "svg" else {"Software": None}
        figure.savefig(HERE / f"selection_on_everybody.{ending}", dpi=160, metadata=metadata)


def main() -> None:
    """Measure, or take the numbers of the last time; print, and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with the files of the trial")
    parser.add_argument("--redraw", action="store_true")
    asked = parser.parse_args()
    if not asked.redraw:
        if asked.data is None:
            parser.error("--data FOLDER, or --redraw")
        NUMBERS.write_text(json.dumps(measure(asked.data)) + "\n", encoding="utf-8")
    numbers = json.loads(NUMBERS.read_text(encoding="utf-8"))
    for name, key in ((LEAKY, "leaky"), (HONEST, "honest")):
        r2 = np.array(numbers[key])
        low, high = np.quantile(r2, [0.025, 0.975])
        print(
            f"{name}: mean R2 {r2.mean():.3f}, median {np.median(r2):.3f}, 95 % {low:.3f} to {high:.3f}, "
            f"above 0 in {np.mean(r2 > 0):.3f} of {len(r2)}"
        )
    draw(numbers)


if __name__ == "__main__":
    main()
