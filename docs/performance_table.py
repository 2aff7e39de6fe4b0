"""Fills the table of docs/performance.md from what the benchmarks printed.

    make bench | tee bench.txt && python docs/performance_table.py bench.txt

Takes the line of the machine and the last line, RESULT name=value ..., of every benchmark in the files. Figures that no
file holds keep the value that the page has, with the day it was measured on.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).resolve().parent / "performance.md"
BEGIN, END = "<!-- figures: docs/performance_table.py -->", "<!-- end of figures -->"
HEADER = "| what | figure | asked | measured | on |\n|---|---|---|---|---|"
NOT_YET = "not measured"
QUIET_LOAD = 1.0
MACHINE = re.compile(r"^(\d{4}-\d\d-\d\d), .*?load ([\d.]+)", re.MULTILINE)


@dataclass(frozen=True)
class Figure:
    """One row: a RESULT name, in words, with the bound that was asked for."""

    name: str
    what: str
    words: str
    unit: str = "times"
    least: float | None = None
    most: float | None = None

    @property
    def asked(self) -> str:
        """The bound in words."""
        if self.least is not None:
            return f"at least {self.least:,g} {self.unit}"
        return f"at most {self.most:,g} {self.unit}" if self.most is not None else ""

    def measured(self, value: float) -> str:
        """The value in words, marked where it misses its bound."""
        missed = (self.least is not None and value < self.least) or (self.most is not None and value > self.most)
        digits = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.4g}"
        return f"{digits} {self.unit}{' **(missed)**' if missed else ''}"


def ridge(size: str, *, least: float | None = None, floor: float | None = None) -> list[Figure]:
    """Rows of one size of ridge, with what was asked of it against KernelRidge and the floor."""
    what = f"Ridge, y + 1,000 permutations, {size.replace('x', ' x ')}"
    return [
        Figure(f"ridge_{size}_seconds", what, "our CPU time", "s"),
        Figure(f"ridge_{size}_over_kernel_ridge", what, "multi-column KernelRidge / ours", least=least),
        Figure(f"ridge_{size}_over_floor", what, "ours / arithmetic floor", most=floor),
        Figure(f"ridge_{size}_extra_mb", what, "memory above what was resident", "MB"),
        Figure(f"ridge_{size}_difference", what, "largest difference to scikit-learn", "", most=1e-8),
    ]


def elastic_net(size: str) -> list[Figure]:
    """Rows of one size of the elastic net."""
    rows = []
    for kind, words in (("factors", "8 factors in all columns"), ("sparse", "independent columns")):
        what, name = f"Elastic-net path, {size.replace('x', ' x ')}, {words}", f"elastic_net_{kind}_{size}"
        rows += [
            Figure(f"{name}_seconds", what, "our CPU time, 5 folds", "s"),
            Figure(f"{name}_over_warm", what, "scikit-learn's warm path / ours", least=4),
            Figure(f"{name}_over_cold_grid", what, "GridSearchCV / ours (extrapolated x 5)"),
            Figure(f"{name}_difference", what, "largest difference at tolerance 1e-10", "", most=1e-6),
        ]
    return rows


def boosting(size: str) -> list[Figure]:
    """Rows of one size of XGBoost."""
    what = f"XGBoost + Optuna, 50 trials, {size.replace('x', ' x ')}"
    return [
        Figure(f"xgboost_{size}_ratio", what, "naive objective / ours", least=5),
        Figure(f"xgboost_{size}_upper", what, "upper 95 % bound of the loss in normalised MSE", "", most=0.05),
    ]


LINEAR = "at 300 x 20,000, per fit"
FIGURES = [
    *ridge("57x225"),
    *ridge("120x6670", least=8, floor=2.0),
    *ridge("300x20000", least=4.5, floor=1.7),
    *ridge("623x79800", floor=1.6),
    Figure("ridge_120x6670_himalaya_over_ours", "Ridge, y + 1,000 permutations, 120 x 6670", "himalaya / ours"),
    Figure("ridge_120x6670_julearn_over_ours", "Ridge, one target, 120 x 6670", "julearn / ours (extrapolated)"),
    Figure("ridge_120x6670_single_over_refit", "Ridge, one target, 120 x 6670", "GridSearchCV / ours", least=60),
    Figure("pls_120x6670_over_refit", "PLS + 1,000 permutations, 120 x 6670", "refitted / ours", least=6000),
    Figure("pls_120x6670_difference", "PLS + 1,000 permutations, 120 x 6670", "largest difference", "", most=1e-8),
    Figure("logistic_ratio_300x20000", f"Logistic ridge {LINEAR}", "scikit-learn / ours", least=40),
    Figure("svm_ratio_300x20000", f"Linear SVM {LINEAR}", "scikit-learn / ours", least=40),
    Figure("svr_ratio_300x20000", f"Linear SVR {LINEAR}", "scikit-learn / ours", least=40),
    Figure("reduction_ms_300x20000", "The reduction they share, 300 x 20,000", "once per training set", "ms"),
    *(elastic_net("120x6670") + elastic_net("300x5000") + boosting("120x500") + boosting("300x2000")),
    Figure(
        "modalities_over_run",
        "Three modalities of the demo trial, 1,000 permutations",
        "run with all sets / run",
        most=10,
    ),
    Figure("end_to_end_wall_s", "Whole `workbench run`, KMoA, ridge", "wall", "s", most=20),
    Figure("end_to_end_cpu_s", "Whole `workbench run`, KMoA, ridge", "CPU", "s"),
    Figure("end_to_end_outside_fitting_cpu_s", "Whole `workbench run`, KMoA, ridge", "CPU outside model fitting", "s"),
    Figure("end_to_end_mlflow_ms", "MLflow beyond its files, per run", "wall", "ms", most=25),
    Figure("end_to_end_mlflow_cpu_ms", "MLflow beyond its files, per run", "CPU", "ms"),
    Figure("end_to_end_mlflow_own_calls_ms", "MLflow beyond its files, per run", "of which its own three calls", "ms"),
    *(
        Figure(
            f"forecasts_{measure}_share",
            "Forecasts of `check`, runs of all sizes",
            f"{measure} within a factor of 2",
            "",
            least=0.9,
        )
        for measure in ("time", "memory", "disk")
    ),
    Figure("help_wall_s", "`workbench --help`", "wall", "s", most=0.3),
    Figure("help_cpu_s", "`workbench --help`", "CPU", "s"),
    Figure("features_wide_over_plain", "Wide table 200 x 5,000, checked", "ours / plain pandas"),
    Figure("features_matrices_over_plain", "200 matrix files of 100 regions, checked", "ours / plain pandas"),
    Figure("features_wide_cached_seconds", "Wide table 200 x 5,000", "from the cache", "s"),
    Figure("features_xcpd_over_pandas", "623 XCP-D matrices of 400 regions", "ours / pandas.read_csv alone", most=1.25),
    Figure(
        "features_xcpd_peak_mb", "623 XCP-D matrices of 400 regions", "peak of `workbench features`", "MB", most=2000
    ),
    Figure(
        "features_xcpd_again_wall_s", "623 XCP-D matrices of 400 regions", "`workbench features` again", "s", most=2
    ),
    Figure("features_described_over_half", "80,000 described columns", "time of 40,000 times", most=2.5),
    Figure("features_many_columns_over_half", "Wide table of 100,000 columns", "time of 50,000 times", most=2.5),
]


def results_in(text: str) -> dict[str, tuple[float, str]]:
    """Every RESULT value with the day it was measured on, marked where the machine was busy."""
    found: dict[str, tuple[float, str]] = {}
    when = ""
    for line in text.splitlines():
        machine = MACHINE.match(line)
        if machine:
            when = machine[1] + (f", load {float(machine[2]):.0f}" if float(machine[2]) > QUIET_LOAD else "")
        if line.startswith("RESULT "):
            pairs = (pair.partition("=") for pair in line.split()[1:])
            found |= {name: (float(value), when or "day unknown") for name, _, value in pairs}
            when = ""
    return found


def table(found: dict[str, tuple[float, str]], before: dict[tuple[str, str], tuple[str, str]]) -> str:
    """The rows of the page."""
    lines = [HEADER]
    for figure in FIGURES:
        if figure.name in found:
            value, when = found[figure.name]
            measured = figure.measured(value).strip()
        else:
            measured, when = before.get((figure.what, figure.words), (NOT_YET, ""))
        lines.append(f"| {figure.what} | {figure.words} | {figure.asked.strip()} | {measured} | {when} |")
    return "\n".join(lines)


def rows_of(page: str) -> dict[tuple[str, str], tuple[str, str]]:
    """Measured values that the page has already."""
    rows = (line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| "))
    cells = ([cell.strip(" |") for cell in row] for row in rows)
    return {(row[0], row[1]): (row[3], row[4] if len(row) > 4 else "") for row in cells if len(row) >= 4}


def main(paths: list[str]) -> None:
    """Rewrite the table between its marks."""
    page = PAGE.read_text(encoding="utf-8")
    start, rest = page.split(BEGIN)
    old, end = rest.split(END)
    found: dict[str, tuple[float, str]] = {}
    for path in paths:
        found |= results_in(Path(path).read_text(encoding="utf-8"))
    PAGE.write_text(f"{start}{BEGIN}\n{table(found, rows_of(old))}\n{END}{end}", encoding="utf-8")
    unused = set(found) - {figure.name for figure in FIGURES}
    print(f"{len(found) - len(unused)} figures filled in, {len(unused)} more were printed and have no row")


if __name__ == "__main__":
    main(sys.argv[1:])
