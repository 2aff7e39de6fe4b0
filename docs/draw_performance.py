"""Measures how the cost of ridge with permutations grows, and draws docs/performance_growth.svg and .png.

    python docs/draw_performance.py

One repeat, 20 alphas, 5 covariates, one BLAS thread, CPU seconds: our path (medians of 3), and scikit-learn's
multi-column KernelRidge on the same folds (one outer fold, times their number). Refitting scikit-learn for every target
is extrapolated from the fits of one alpha in one outer fold, times the number of fits, as the picture says. Takes some
minutes; --points redraws from the numbers of the last time.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "benchmarks"))

NUMBERS = HERE / "performance_growth.json"
INK, QUIET, BLUE, ORANGE, GREY = "#222222", "#5F666D", "#0072B2", "#C24F00", "#8A929A"
SIDES = {
    "ours": ("ours", BLUE, "-", "o"),
    "kernel_ridge": ("KernelRidge, many targets at once (x folds from one)", ORANGE, "-", "s"),
    "refit": ("GridSearchCV for every target (extrapolated)", GREY, "--", ""),
}
RUNS = 15
QUIET_LOAD = 1.0


@dataclass(frozen=True)
class Size:
    """One point: everything but what a panel varies stays at these values."""

    n: int = 120
    p: int = 2000
    folds: int = 5
    permutations: int = 1000


PANELS: dict[str, tuple[str, tuple[int, ...]]] = {
    "n": ("people", (40, 80, 160, 320)),
    "p": ("features", (100, 500, 2000, 8000, 20000)),
    "folds": ("folds, outer and inner", (3, 5, 8, 10)),
    "permutations": ("permutations", (0, 100, 300, 1000, 3000)),
}


def measure(size: Size) -> dict[str, float]:
    """CPU seconds of both sides, and of refitting as extrapolated from single fits."""
    from _paired import cpu_seconds, time_in_turn
    from ridge_permutations import ALPHAS, grid_search, kernel_ridge, make_problem, ours
    from sklearn.model_selection import KFold

    from workbench.models.learner import Fold
    from workbench.records import Split

    made = make_problem(size.n, size.p, size.permutations)
    X, N, folds = made.folds[0].X, made.folds[0].nuisance, []
    for train, test in KFold(size.folds, shuffle=True, random_state=0).split(X):
        inner = KFold(size.folds, shuffle=True, random_state=0).split(train)
        folds.append(Fold(X, N, train, test, tuple(Split(train[a], train[b]) for a, b in inner)))
    seconds = time_in_turn({"ours": lambda: ours(folds, made.Y)}, runs=RUNS)["ours"].cpu
    rival = size.folds * cpu_seconds(lambda: kernel_ridge(folds[:1], made.Y))
    fits = size.folds + 1  # one alpha in every inner fold of one outer fold, and the refit
    one_fit = statistics.median(
        cpu_seconds(lambda: grid_search(folds[0], made.Y[:, 0], ALPHAS[10:11])) for _ in range(3)
    )
    one_target = one_fit / fits * size.folds * (size.folds * len(ALPHAS) + 1)
    return {"ours": seconds, "kernel_ridge": rival, "refit": one_target * (1 + size.permutations)}


def measure_all() -> dict[str, object]:
    """Every point of every panel, with what it was measured on."""
    from threadpoolctl import threadpool_limits

    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    points: dict[str, list[dict[str, float]]] = {}
    with threadpool_limits(limits=1):
        measure(Size(n=40, p=100, permutations=10))  # imports and first allocations
        for panel, (_, values) in PANELS.items():
            points[panel] = [{"at": value, **measure(Size(**{panel: value}))} for value in values]
            print(panel, points[panel], flush=True)
    return {"points": points, "machine": machine(load)}


def machine(load: float) -> str:
    """What the numbers were measured on, and whether other work was there."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    packages = ", ".join(f"{package} {version(package)}" for package in ("numpy", "scikit-learn"))
    busy = "" if load <= QUIET_LOAD else f"; a BUSY machine (load {load:.0f}), to be measured again"
    return (
        f"{time.strftime('%Y-%m-%d')}, {platform.machine()}, {cores} cores, one used, Python "
        f"{platform.python_version()}, {packages}{busy}"
    )


def draw(numbers: dict[str, object]) -> None:
    """Four panels on one logarithmic scale of seconds."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.rcParams.update({"font.size": 11, "font.family": "DejaVu Sans", "svg.hashsalt": "workbench", "text.color": INK})
    figure, axes = plt.subplots(2, 2, figsize=(9.5, 8.2), sharey=True)
    for axis, (panel, (label, _)) in zip(axes.flat, PANELS.items(), strict=True):
        _draw_panel(axis, panel, label, numbers["points"][panel])  # type: ignore[index]
    for axis in axes[:, 0]:
        axis.set_ylabel("CPU seconds, one repeat")
    figure.suptitle("What nested ridge with permutations costs, and how that grows", x=0.02, ha="left", fontsize=14)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper left", bbox_to_anchor=(0.015, 0.955), ncols=3, frameon=False, fontsize=10)
    usual = Size()
    caption = (
        f"Unless varied: {usual.n} participants, {usual.p:,} features, {usual.folds} x {usual.folds} folds, "
        f"y and {usual.permutations:,} permutations; 20 alphas, 5 covariates.\n{numbers['machine']}"
    )
    figure.text(0.02, 0.012, caption, fontsize=8.5, color=QUIET, va="bottom")
    figure.tight_layout(rect=(0, 0.05, 1, 0.92))
    for suffix, options in (("svg", {"metadata": {"Date": None}}), ("png", {"dpi": 110})):
        figure.savefig(HERE / f"performance_growth.{suffix}", **options)
    plt.close(figure)


def _draw_panel(axis, panel, label, points):
    at = [point["at"] for point in points]
    for side, (words, colour, line, marker) in SIDES.items():
        seconds = [point[side] for point in points]
        axis.plot(at, seconds, color=colour, linestyle=line, marker=marker, label=words, linewidth=1.8)
    if panel == "permutations":
        axis.set_xscale("symlog", linthresh=100)
    else:
        axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xticks(at, [f"{value:,}" for value in at])
    axis.minorticks_off()
    axis.set_xlabel(label)
    axis.grid(axis="y", color="#E3E6E9", linewidth=0.8)
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(labelleft=True)


def main() -> None:
    """Measure, keep the numbers, draw."""
    parser = argparse.ArgumentParser(description="Draw how the cost of ridge with permutations grows.")
    parser.add_argument("--points", action="store_true", help="redraw from the numbers measured last")
    options = parser.parse_args()
    if not options.points:
        NUMBERS.write_text(json.dumps(measure_all(), indent=1) + "\n", encoding="utf-8")
    draw(json.loads(NUMBERS.read_text(encoding="utf-8")))


if __name__ == "__main__":
    main()
