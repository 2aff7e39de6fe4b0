"""Reads the value of every criterion off the simulations of a cell and holds it to its bar (METHODS 4.3)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from _calibration_cells import Cell
from _calibration_store import Simulated

ALPHA = 0.05
BY_CHANCE = 0.999
"""At the N of the table the bars of METHODS are used; with fewer simulations the count that a level of 5 % stays below
with this probability, which is what those bars are."""
BARS = {(1000, ALPHA): 73, (200, ALPHA): 21}
REFERENCE_RMSE = {
    (40, 0.0): 0.155, (40, 0.1): 0.144, (40, 0.25): 0.158, (100, 0.0): 0.028, (100, 0.1): 0.054, (100, 0.25): 0.079,
}  # fmt: skip
"""METHODS 2.8, with 3 repeats."""
REFERENCE_POWER = {40: 0.38, 100: 0.875}
SIMULATIONS_READ = {"P6": 500}
"""Where METHODS asks for fewer simulations than another criterion that is read off the same cell: the first so many."""
LARGEST_BIAS, LEAST_COVERAGE, LEAST_POWER, MOST_APART = 0.02, 0.93, 0.8, 0.10
WIDEST, WIDTH_FROM, TWO_SIDED = 1.5, 0.10, 1.96
"""The width of the interval is held to that of an oracle, 2 x 1.96 SD of the same R2 over studies, where the average
that it is for is large enough to be of use."""
MOST_ABOVE_0, MOST_D, LEAST_CONFORMAL, MOST_ALARMS = 0.025, 0.08, 0.87, 0.05
MOST_BY_UNIT, MOST_BY_UNIT_OF_TREES, TREES = 1e-6, 0.005, ("xgboost", "random-forest")


@dataclass(frozen=True)
class Row:
    """One line of the table; `passed` is None where METHODS asks for a report alone."""

    criterion: str
    key: str
    """Of the cell in the store: several criteria may be read off one."""
    cell: str
    learner: str
    n: int
    p: int
    sims: int
    value: str
    bar: str
    passed: bool | None
    cpu_s: float
    days: str
    commits: str

    def record(self) -> dict[str, object]:
        """For the summary file."""
        return asdict(self)


def rows_of(cell: Cell, simulated: Sequence[Simulated]) -> list[Row]:
    """Every line that a cell has in the table."""
    columns = {name: _column(simulated, name) for name in sorted({name for each in simulated for name in each.values})}
    rows = []
    for criterion in cell.criteria:
        first = slice(SIMULATIONS_READ.get(criterion))
        read = simulated[first]
        for what, value, bar, passed in READ[criterion](cell, {name: of[first] for name, of in columns.items()}):
            words = ": ".join(filter(None, (_setting(criterion, cell), what)))
            rows.append(
                Row(
                    criterion=criterion,
                    key=cell.key,
                    cell=words,
                    learner=cell.learner,
                    n=cell.setting.n,
                    p=cell.setting.p,
                    sims=len(read),
                    value=value,
                    bar=bar,
                    passed=passed,
                    cpu_s=float(np.mean([each.cpu_s for each in read])),
                    days=" to ".join(dict.fromkeys((min(e.day for e in read), max(e.day for e in read)))),
                    commits=" ".join(sorted({each.commit for each in read})),
                )
            )
    return rows


def most_rejections(n_sims: int, level: float = ALPHA) -> int:
    """Largest number of rejections that passes: that of METHODS, or that of chance where N is another."""
    from scipy.stats import binom

    return BARS.get((n_sims, level), int(binom.ppf(BY_CHANCE, n_sims, level)))


def _column(simulated: Sequence[Simulated], name: str) -> np.ndarray:
    return np.array([each.values.get(name, np.nan) for each in simulated], dtype=float)


def _setting(criterion: str, cell: Cell) -> str:
    if criterion in ("P15", "P16"):
        return ""
    if criterion == "P19":
        return cell.route
    words = [cell.setting.in_words()]
    if criterion == "P2":
        words = ["12 runs: 4 feature sets, 2 of them without a fifth of the participants, x ridge, PLS, kernel ridge"]
        if cell.setting.kind == "treatment-effect":
            words.insert(0, "effect of the treatment between parallel arms")
        if cell.setting.missing:
            words = ["2 runs: late fusion of everyone, ridge on those who have every modality; PET missing by outcome"]
    if criterion == "P8":
        words = ["features null given the baseline, 30 % of their variance shared with it"]
    if criterion == "P9" and cell.setting.kind == "treatment-effect":
        words.append("features prognostic alone (R2 .25 of the outcome)")
    elif criterion == "P9":
        words = ["crossover, features prognostic alone (R2 .25 of the change)"]
        words += ["PET missing for 60 %"] if cell.setting.missing else []
    if criterion not in ("P1", "P2", "P8", "P9", "P20"):
        words.append(f"R2 {cell.setting.r2:g}")
    if cell.held:
        n, share = cell.held
        explain = f"explain {100 * share:.0f} % of the outcome" if share else "explain nothing"
        words.append(f"{n} confounds that {explain}" if n else "nothing held fixed")
    if cell.leave_out:
        words.append(f"whole {cell.leave_out}s left out")
    return ", ".join(words)


Columns = Mapping[str, np.ndarray]
Read = Iterator[tuple[str, str, str, bool | None]]


def _rejections(p: np.ndarray) -> tuple[str, str, bool]:
    n, most = len(p), most_rejections(len(p))
    rejected = int(np.sum(p <= ALPHA + 1e-12))
    return f"{rejected} of {n} ({_share(rejected / n)})", f"at most {most}", rejected <= most


def _p1(cell: Cell, columns: Columns) -> Read:
    yield ("", *_rejections(columns["p"]))


def _p2(cell: Cell, columns: Columns) -> Read:
    yield ("any of the family, corrected", *_rejections(columns["p_family"]))
    uncorrected = float(np.mean(columns["p"] <= ALPHA))
    yield "any of the family, not corrected", _share(uncorrected), "report", None


def _p3(cell: Cell, columns: Columns) -> Read:
    off = columns["r2"] - columns["achieved"]
    bias, error = float(off.mean()), float(off.std(ddof=1) / np.sqrt(len(off)))
    reached = f"r2 {columns['r2'].mean():.3f}, achieved {columns['achieved'].mean():.3f}"
    yield (
        "bias of r2",
        f"{bias:+.3f} (SE {error:.3f}; {reached})",
        f"|bias| - 2 SE at most {LARGEST_BIAS:g}",
        abs(bias) - 2 * error <= LARGEST_BIAS,
    )
    if cell.setting.r2 == 0:
        mean = float(columns["r2"].mean())
        yield "mean of r2 where nothing is true", f"{mean:.3f}", "at most 0", mean <= 0


def _p4(cell: Cell, columns: Columns) -> Read:
    rmse = float(np.sqrt(np.mean((columns["r2"] - columns["achieved"]) ** 2)))
    reference = REFERENCE_RMSE.get((cell.setting.n, cell.setting.r2))
    if reference is None:
        yield "RMSE of r2", f"{rmse:.3f}", "report", None
    else:
        yield "RMSE of r2", f"{rmse:.3f}", f"at most 1.3 x {reference:g}", rmse <= 1.3 * reference


def _p5(cell: Cell, columns: Columns) -> Read:
    low, high, n = columns["low"], columns["high"], len(columns["low"])
    average = _average(columns)
    covered = float(np.mean((low <= average) & (average <= high)))
    missed = float(np.mean(low > average))
    yield (
        "coverage of the 95 % interval, whatever `outer` is",
        f"{_share(covered)} of {average:.3f} (lower limit above it in {_share(missed)})",
        f"at least {_share(LEAST_COVERAGE)}",
        covered >= LEAST_COVERAGE - _slack(n, LEAST_COVERAGE),
    )
    width = float(np.median(high - low))
    ratio = width / (2 * TWO_SIDED * float(columns["r2"].std(ddof=1)))
    judged = average >= WIDTH_FROM
    yield (
        "median width, over that of the oracle",
        f"{ratio:.2f} ({width:.2f})",
        f"at most {WIDEST:g}" if judged else f"report: the average is below {WIDTH_FROM:g}",
        ratio <= WIDEST * (1 + _slack(n, 0.5)) if judged else None,
    )
    if cell.setting.r2 == 0:
        above = float(np.mean(low > 0))
        yield (
            "lower limit above 0 where nothing is true",
            _share(above),
            f"at most {_share(MOST_ABOVE_0)}",
            above <= MOST_ABOVE_0 + _slack(n, MOST_ABOVE_0),
        )


def _average(columns: Columns) -> float:
    """R2 of the average error of models trained on .8 n people, over the training sets of all simulations."""
    return 1 - float(columns["error"].mean()) / float(columns["error_of_reference"].mean())


def _p6(cell: Cell, columns: Columns) -> Read:
    low, high, average = columns["boot_low"], columns["boot_high"], _average(columns)
    covered = float(np.mean((low <= average) & (average <= high)))
    yield "coverage of the bootstrap over people", _share(covered), "report: conditional on the fitted models", None


def _p7(cell: Cell, columns: Columns) -> Read:
    power = float(np.mean(columns["p"] <= ALPHA + 1e-12))
    if cell.setting.n == 120:
        least = LEAST_POWER - _slack(len(columns["p"]), LEAST_POWER)
        yield "power", _share(power), f"at least {_share(LEAST_POWER)}", power >= least
    else:
        yield "power", _share(power), f"report: reference {_share(REFERENCE_POWER[cell.setting.n])}", None


def _p8(cell: Cell, columns: Columns) -> Read:
    yield ("p of the increment", *_rejections(columns["p"]))
    alone = float(np.mean(columns["p_main"] <= ALPHA))
    yield "p of the features alone, which stand for the baseline", _share(alone), "report", None
    above = float(np.mean(columns["low"] > 0))
    yield "lower bound of the increment above 0", _share(above), "report", None


def _p9(cell: Cell, columns: Columns) -> Read:
    if "p_difference" not in columns:
        value, bar, held = _rejections(columns["p"])
        yield "the effect of the treatment rejects", value, bar, held
        mean, se = float(columns["r2"].mean()), float(columns["r2"].std(ddof=1) / np.sqrt(len(columns["r2"])))
        yield "mean R2 of the effect", f"{mean:+.4f} (SE {se:.4f})", "at most 0", mean - 2 * se <= 0
        return
    difference, change = (float(np.mean(columns[f"p_{name}"] <= ALPHA + 1e-12)) for name in ("difference", "change"))
    most = MOST_D + _slack(len(columns["p_difference"]), ALPHA, only_small=True)
    yield "ketamine minus placebo rejects", _share(difference), f"at most {_share(MOST_D)}", difference <= most
    called = float(columns["change_called_predictive"].max())
    yield "change rejects, and is called prognostic", _share(change), "often; never called predictive", called == 0


def _p14(cell: Cell, columns: Columns) -> Read:
    covered = float(np.average(columns["covered"], weights=columns["people"]))
    width = (
        f"width {np.nanmean(columns['width']):.1f} SD of the outcome, which ranges over {columns['range'].mean():.1f}"
    )
    if cell.leave_out:
        yield "coverage of the 90 % interval", f"{_share(covered)} ({width})", "report; warned of in the notes", None
    else:
        bar = f"at least {_share(LEAST_CONFORMAL)}"
        yield "coverage of the 90 % interval", f"{_share(covered)} ({width})", bar, covered >= LEAST_CONFORMAL


def _p15(cell: Cell, columns: Columns) -> Read:
    if cell.simulate == "traps":
        caught, tested = int(columns["caught"][0]), int(columns["traps"][0])
        value = f"{caught} of {tested} with a test in tests/test_leak_traps.py"
        yield "leak traps caught or impossible", value, "16 of 16", caught == 16
    else:
        alarms, n = int(columns["alarm"].sum()), len(columns["alarm"])
        value = f"{alarms} of {n} clean cohorts ({int(columns['stopped'].sum())} stopped)"
        yield "false alarms", value, f"at most {_share(MOST_ALARMS)}", alarms <= max(1, MOST_ALARMS * n)


def _p16(cell: Cell, columns: Columns) -> Read:
    for kind, words in (("again", "the same seed once more"), ("8", "1 and 8 workers, threads and processes")):
        same = {name: value for name, value in columns.items() if name.endswith(f"_{kind}")}
        equal = sum(bool(np.all(value == 1)) for value in same.values())
        learners = "ridge, elastic net, XGBoost"
        yield f"{words}: {learners}", f"{equal} of {len(same)} byte for byte", "all", equal == len(same)


def _p20(cell: Cell, columns: Columns) -> Read:
    kinds = [name.removesuffix("_same") for name in columns if name.endswith("_same")]
    same = [kind for kind in kinds if np.all(columns[f"{kind}_same"] == 1)]
    others = f" (not {', '.join(sorted(set(kinds) - set(same)))})" if len(same) < len(kinds) else ""
    yield "powers of two", f"{len(same)} of {len(kinds)} models byte for byte{others}", "all", len(same) == len(kinds)
    for words, most, of_trees in (
        ("decimal factors, linear and kernel models", MOST_BY_UNIT, False),
        ("decimal factors, trees", MOST_BY_UNIT_OF_TREES, True),
    ):
        these = [kind for kind in kinds if (kind in TREES) == of_trees]
        largest = max(float(columns[f"{kind}_decimal"].max()) for kind in these)
        verdicts = all(np.all(columns[f"{kind}_verdict"] == 1) for kind in these)
        value = f"{largest:.1e}, {'no verdict' if verdicts else 'a verdict'} changed"
        yield (
            f"{words}: largest change of R2",
            value,
            f"at most {most:g}, verdicts the same",
            largest <= most and verdicts,
        )


def _p21(cell: Cell, columns: Columns) -> Read:
    for what in ("shown", "supported"):
        plan, gate = columns[f"{what}_plan"], columns[f"{what}_gate"]
        off = float(plan.mean() - gate.mean())
        few = 0.0 if len(plan) >= FULL_N else 3 * float((plan - gate).std(ddof=1) / np.sqrt(len(plan)))
        value = f"plan {_share(float(plan.mean()))}, gate {_share(float(gate.mean()))}"
        yield what, value, f"at most {100 * MOST_APART:.0f} points apart", abs(off) <= MOST_APART + few


def _p19(cell: Cell, columns: Columns) -> Read:
    n, supported = len(columns["supported"]), int(columns["supported"].sum())
    yield "supported by internal validation", f"{supported} of {n}", "0", supported == 0
    shown = columns["exploratory"] == 1
    value = f"{int(columns['named'][shown].sum())} of {int(shown.sum())} that predict"
    yield "the route is named by a reason", value, "all", bool(np.all(columns["named"][shown] == 1))


READ: Mapping[str, Callable[[Cell, Columns], Read]] = {
    "P1": _p1, "P2": _p2, "P3": _p3, "P4": _p4, "P5": _p5, "P6": _p6, "P7": _p7, "P8": _p8, "P9": _p9, "P14": _p14,
    "P15": _p15, "P16": _p16, "P19": _p19, "P20": _p20, "P21": _p21,
}  # fmt: skip
FULL_N = 200
"""From so many simulations the bars are those of METHODS; below it they are widened by what chance allows."""


def _slack(n: int, share: float, *, only_small: bool = False) -> float:
    """3 standard errors of a share, with few simulations; nothing at the N of the table."""
    return 0.0 if n >= FULL_N else 3 * float(np.sqrt(share * (1 - share) / n))


def _share(value: float) -> str:
    return f"{100 * value:.1f} %".replace(".0 %", " %")
