"""How long `workbench --help` takes to answer, and what it imports.

    python benchmarks/help.py [--quick]

Each run is a process of its own, byte-compiled before; medians of 5. Beside it: bare Python, which nobody can go below,
and a door that imports everything at once, as most tools do. Wall time is what a person waits and what other work on
the machine spoils; CPU time says what it would be on a quiet one.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time

from _paired import arguments, print_machine, print_result

HEAVY = {"matplotlib", "mlflow", "numpy", "optuna", "pandas", "pyarrow", "scipy", "shap", "sklearn", "xgboost"}
LIMIT_S = 0.3
BARE = ["-c", "pass"]
HELP = ["-m", "workbench.cli", "--help"]
EAGER = ["-c", "import numpy, pandas, scipy.stats, sklearn.linear_model, matplotlib.pyplot, optuna, xgboost, mlflow"]
WATCHED = """
import json, runpy, sys
sys.argv = ["workbench", "--help"]
try:
    runpy.run_module("workbench.cli", run_name="__main__")
except SystemExit:
    pass
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})), file=sys.stderr)
"""


def measure(command: list[str], runs: int) -> tuple[float, float]:
    """Median wall and CPU seconds of a process, after one that warms the caches."""
    walls, cpus = [], []
    for run in range(runs + 1):
        before, start = os.times(), time.perf_counter()
        subprocess.run([sys.executable, *command], stdout=subprocess.DEVNULL, check=True)
        wall, after = time.perf_counter() - start, os.times()
        if run > 0:
            walls.append(wall)
            cpus.append(after.children_user + after.children_system - before.children_user - before.children_system)
    return statistics.median(walls), statistics.median(cpus)


def imported() -> list[str]:
    """Top-level packages that are there once help has been printed."""
    done = subprocess.run([sys.executable, "-c", WATCHED], capture_output=True, text=True, check=True)
    packages: list[str] = json.loads(done.stderr.splitlines()[-1])
    return packages


def main() -> None:
    options = arguments(__doc__).parse_args()
    print_machine("typer", "rich", "pydantic")
    runs = 1 if options.quick else 5
    heavy = sorted(HEAVY.intersection(imported()))
    print(f"  heavy packages imported: {', '.join(heavy) or 'none'}")
    bare_wall, bare_cpu = measure(BARE, runs)
    wall, cpu = measure(HELP, runs)
    eager_wall, eager_cpu = measure(EAGER, 1)
    print(
        f"  workbench --help {wall:.3f} s wall, {cpu:.3f} s CPU ({'under' if wall < LIMIT_S else 'NOT under'} "
        f"{LIMIT_S} s wall)\n"
        f"  bare Python {bare_wall:.3f} s wall, {bare_cpu:.3f} s CPU | importing everything first "
        f"{eager_wall:.2f} s wall, {eager_cpu:.2f} s CPU: {eager_cpu / cpu:.0f} times"
    )
    print_result(
        {
            "help_wall_s": wall,
            "help_cpu_s": cpu,
            "help_bare_python_wall_s": bare_wall,
            "help_heavy_packages": len(heavy),
            "help_eager_over_ours": eager_cpu / cpu,
        }
    )


if __name__ == "__main__":
    main()
