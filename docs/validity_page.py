"""Writes docs/validity.md from the summary of the last full calibration.

    python benchmarks/calibration.py --full --summary docs/validity.json && python docs/validity_page.py

Nothing is judged here: every value, bar and verdict is as the benchmark wrote it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SUMMARY, PAGE = HERE / "validity.json", HERE / "validity.md"
CRITERIA = {
    "P1": "Where nothing is true, p is at most .05 in at most one analysis in twenty (type I error)",
    "P2": "So it is for any of the 12 runs of an experiment, after correction",
    "P3": "The cross-validated R2 is what the models achieve in new participants, neither more nor less",
    "P4": "How far a single R2 is off",
    "P5": ("The 95 % CI of R2 holds what models trained on .8 n participants achieve on average, whatever `outer` is"),
    "P6": "The bootstrap over participants, shown beside it and labelled as conditional on the fitted models",
    "P7": "What is there is found",
    "P8": "Features that only repeat the baseline score add nothing to it",
    "P9": "What is prognostic alone does not predict the difference between treatments",
    "P14": "The 90 % interval of a single participant's outcome (CV+)",
    "P15": "Leak traps, and false alarms about studies in which nothing is wrong",
    "P16": "The same seed gives the same numbers, however many work",
    "P19": "Noise and a motivated researcher: no route leads to *supported*",
    "P20": "No result depends on the unit of a feature, a covariate or the outcome",
    "P21": "What `plan` promises is what the claim gate gives: prediction shown, and supported by internal validation",
}
OTHER_MODELS = {
    "P1 of elastic net": ("P1", "elastic-net"),
    "P1 of XGBoost": ("P1", "xgboost"),
    "P3 of elastic net": ("P3", "elastic-net"),
    "P3 of XGBoost": ("P3", "xgboost"),
    "P5 of elastic net (the other generator)": ("P5", "elastic-net"),
}
"""Beside ridge, which all criteria are asked of."""
VERDICT = {True: "pass", False: "**FAIL**", None: "reported"}
HEADER = """\
# Validity

Cohorts of known truth go through the workbench's own code, from joining the rows to the claim; its p-values and
intervals are then held against what was planted. `benchmarks/calibration.py` does it, `docs/validity_page.py` writes
this page from what it measured, and `tests/test_calibration.py` is a small version that runs with every `make test`.
The criteria are those the project was given. P10 to P13 (candidate circuits) are measured by `benchmarks/biomarkers.py`
and stand in [report.md](report.md), P17 (modalities) by `benchmarks/modalities.py` and in
[modalities.md](modalities.md), P18 (twice as many participants) in [planning.md](planning.md).

Cohorts: single-arm (fall in a score), parallel (fall, arm held fixed) and crossover (ketamine minus placebo, sequence
held fixed); one site, or three that differ in outcome and features; no confounds, or age and motion with 30 % of the
variance of every feature and 20 % of that of the outcome. There are 60 features in 12 circuits of 5 (r = .5 within),
two of them active where R2 is above 0; 5 outer and 5 inner folds. Ridge: 10 repeats (P2 and P14: 1), 199 permutations.
Elastic net and XGBoost, which share no work between permutations, have small budgets: 1 repeat and 19 permutations;
one l1_ratio (.5) and 10 alphas down to a hundredth of the largest; 3 configurations of at most 50 rounds per training
fold. P5 is judged a second time on another generator, for elastic net with 10 repeats: 300 features, and noise of
Student's t with 5 degrees of freedom. *N* counts simulations; a bar on rejections allows for chance at N (5 % and 3.3
standard errors).
"""


def page(rows: list[dict[str, Any]]) -> str:
    """The whole page."""
    judged = [row for row in rows if row["passed"] is not None]
    passed = sum(row["passed"] for row in judged)
    days = sorted({day for row in rows for day in row["days"].split(" to ")})
    commits = sorted({commit for row in rows for commit in row["commits"].split()})
    # Several criteria may be read off one cell, some off its first simulations alone; its time counts once.
    of_cell = {row["key"]: row["cpu_s"] * row["sims"] for row in sorted(rows, key=lambda row: row["sims"])}
    hours = sum(of_cell.values()) / 3600
    when = " to ".join(dict.fromkeys((days[0], days[-1])))
    lines = [
        HEADER,
        f"**{passed} of {len(judged)} pass.** Measured {when} at commit {', '.join(commits)}; {hours:.1f} CPU hours.",
        "With an N below that of `--full` bars are widened by what chance allows: a pass excludes gross failure only.",
        *_not_run({(row["criterion"], row["learner"]) for row in rows}),
        "",
    ]
    for criterion in dict.fromkeys(row["criterion"] for row in rows):
        of_it = [row for row in rows if row["criterion"] == criterion]
        lines += [f"## {criterion}. {CRITERIA[criterion]}", "", *_table(of_it)]
    return "\n".join(lines)


def _not_run(run: set[tuple[str, str]]) -> list[str]:
    """Which criteria, or models that they are asked of, this table says nothing about."""
    criteria = {criterion for criterion, _ in run}
    missing = [criterion for criterion in CRITERIA if criterion not in criteria]
    missing += [words for words, asked in OTHER_MODELS.items() if asked not in run]
    return [f"Not run for this table: {', '.join(missing)}."] if missing else []


def _table(rows: list[dict[str, Any]]) -> list[str]:
    lines = ["| cell | model | n | p | N | value | bar | |", "| --- | --- | ---: | ---: | ---: | --- | --- | --- |"]
    for row in rows:
        cells = [row["cell"], row["learner"], row["n"], row["p"], row["sims"], row["value"], row["bar"]]
        texts = (str(cell).replace("|", "\\|") for cell in cells)
        lines.append(f"| {' | '.join(texts)} | {VERDICT[row['passed']]} |")
    return [*lines, ""]


def main() -> None:
    """Rewrite the page."""
    PAGE.write_text(page(json.loads(SUMMARY.read_text(encoding="utf-8"))), encoding="utf-8")


if __name__ == "__main__":
    main()
