"""The demo on one core, and whether explaining, drawing and writing cost at most as much as fitting.

    python benchmarks/demo.py

`workbench demo` in a temporary folder and in this process, one job, with a clock around every stage; each CPU second is
counted once, in the innermost stage. *Fitting* is every model that is fitted: the folds of each run with y and permuted
outcomes, and the refits beside it (participants left out, shuffled outcomes, intervals, sites, baseline score held
fixed, the leakage check, the model of everyone). *Explaining* is SHAP, Haufe patterns, the circuit test, stability
selection, interactions and the tables made of them; *report* the pages, *export* all other files with the figures.
Explanations, figures, export and report together may cost as much CPU as fitting does, side by side in one run; both
are printed with the ratio. Wall seconds of the command, which uses all cores, are taken before in a process of its own.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from _clock import Clock
from _paired import arguments, print_machine, print_result

MOST_OF_FITTING, WALL_LIMIT_S = 1.0, 120.0
FITTING = "fitting"
BESIDE = ("explaining", "figures", "export", "report")
"""Stages that together are held to fitting."""
LIBRARIES = (
    *("numpy", "scipy.stats", "pandas", "sklearn.linear_model", "sklearn.model_selection", "joblib", "xgboost"),
    *("matplotlib.backends.backend_agg", "matplotlib.backends.backend_svg", "PIL.PngImagePlugin", "jinja2"),
    *("mlflow", "mlflow.store.tracking.sqlalchemy_store"),
)
REDUCED = ("shap_table", "feature_table", "circuit_table", "modality_table")
STAGES = {
    "workbench.execution": {"run_units": "storing work units"},
    "workbench.models.nested_cv": {
        "fit_units": FITTING,
        "fit_columns": FITTING,
        "fit_alone": FITTING,
        "explained": "explaining",
        "target_matrices": "folds and permuted outcomes",
        "marginal_targets": "folds and permuted outcomes",
        "plan_units": "folds and permuted outcomes",
    },
    "workbench.evaluation.canary": {"canary": FITTING},
    "workbench.evaluation.influence": dict.fromkeys(
        ("leave_one_out_r2", "leave_lowest_pairs_out", "_refits_of"), FITTING
    ),
    "workbench.evaluation.intervals": {"fit_for_interval": FITTING},
    "workbench.evaluation.sites": {"fit_other_sites": FITTING},
    "workbench.evaluation.negative_control": {"on_shuffled_outcomes": FITTING},
    "workbench.evaluation.conformal": {"conformal_folds": FITTING},
    "workbench.evaluation.unobserved": {"model_of_everyone": FITTING, "predict_unobserved": FITTING},
    "workbench.evaluation.circuit_test": {"circuit_test": "explaining"},
    "workbench.evaluation.stability": {"stability_selection": "explaining"},
    "workbench.evaluation.interactions": {"circuit_interactions": "explaining"},
    "workbench.evaluation.explanations": dict.fromkeys(REDUCED, "explaining"),
    "workbench.evaluation.explained_participants": dict.fromkeys(("measured_values", "shap_by_circuit"), "explaining"),
    "workbench.results.biomarkers": dict.fromkeys(("circuit_effects", "biomarker_table"), "explaining"),
    "workbench.results.run_result": {"reduce_run": "scores and tables"},
    "workbench.results.family": {"finish_experiment": "scores and tables"},
    "workbench.export": {"write_run": "export"},
    "workbench.model_files": {"write_model": "export"},
    "workbench.figures": {"draw_picture": "figures"},
    "workbench.pipeline.store": {"write_report": "report"},
    "workbench.pipeline.demonstration": {"simulate_study": "simulating the trial", "features": "feature tables"},
    "workbench.pipeline.experiment": {
        "load_study_data": "participants and scores",
        "plan_experiment": "joining and guards",
    },
}


def run_command(folder: Path) -> float:
    """Wall seconds of the command in a process of its own."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "workbench.cli", "demo", "--study", str(folder)]
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


def run_by_stage(folder: Path) -> Clock:
    """The same on one core in this process, and its clock."""
    clock = Clock()
    with clock.stage("everything else"):
        with clock.stage("imports"):
            for module_name in (*LIBRARIES, *STAGES):
                importlib.import_module(module_name)
        clock.watch(STAGES)
        importlib.import_module("workbench.pipeline").demo(study=folder, jobs=1, say=lambda _: None)
    return clock


def main() -> None:
    parser = arguments(__doc__)
    options = parser.parse_args()
    print_machine("numpy", "scikit-learn", "mlflow", "matplotlib")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["WORKBENCH_STATE"] = str(Path(folder) / "state")  # what is viewed here counts nowhere else
        wall = None if options.quick else run_command(Path(folder) / "command")
        clock = run_by_stage(Path(folder) / "stages")
    total = sum(clock.cpu.values())
    print(f"  workbench demo by stage, on one core{'wall s':>14}{'CPU s':>9}")
    for name in sorted(clock.cpu, key=lambda each: -clock.cpu[each]):
        print(f"    {name:34}{clock.wall[name]:9.2f}{clock.cpu[name]:9.2f}")
    print(f"    {'in all':34}{sum(clock.wall.values()):9.2f}{total:9.2f}")
    beside = sum(clock.cpu[name] for name in BESIDE)
    share = beside / clock.cpu[FITTING]
    verdict = "at most" if share <= MOST_OF_FITTING else "NOT at most"
    print(
        f"  explanations, figures, export and report {beside:.1f} s CPU, fitting {clock.cpu[FITTING]:.1f} s: "
        f"{share:.2f} times, {verdict} {MOST_OF_FITTING:g} (N = 1 demo)"
    )
    figures = {"demo_cpu_s": total, "demo_fitting_cpu_s": clock.cpu[FITTING], "demo_beside_cpu_s": beside}
    figures["demo_beside_over_fitting"] = share
    if wall is not None:
        print(f"  the command, all cores: {wall:.0f} s wall ({'under' if wall < WALL_LIMIT_S else 'NOT under'} 120)")
        figures["demo_wall_s"] = wall
    print_result(figures)


if __name__ == "__main__":
    main()
