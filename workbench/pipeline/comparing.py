"""The runs of an experiment beside each other: their numbers, and paired differences where the folds are identical."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.errors import Problem, StoreError
from workbench.whole_files import folder_to_write

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from workbench.evaluation.comparison import PairedDifference
    from workbench.records import LoggedRun, ReportTable, RunResult


@dataclass(frozen=True, eq=False)
class Comparison:
    """The last run of each name in an experiment, and every pair of them."""

    experiment: str
    results: tuple[RunResult, ...]
    pairs: tuple[PairedDifference, ...]
    written: tuple[Path, ...] = ()

    def __repr__(self) -> str:
        tables = (self.runs_in_words(), self.differences_in_words())
        shown = [table.to_string(index=False) for table in tables if len(table)]
        return "\n\n".join([*shown, *self.not_compared()])

    def runs(self) -> pd.DataFrame:
        """One row per run: n, R2 with its interval, MAE, p and verdict."""
        import pandas as pd

        return pd.DataFrame([{"run": each.scores.display_name, **row_of(each)} for each in self.results])

    def differences(self) -> pd.DataFrame:
        """One row per pair: the better run, the other, share of squared error saved, interval, p, or what differs."""
        import pandas as pd

        columns = ("better", "worse", "reduction", "low", "high", "p", "p_family", "refused")
        return pd.DataFrame([[getattr(pair, name) for name in columns] for pair in self.pairs], columns=list(columns))

    def runs_in_words(self) -> pd.DataFrame:
        """The runs as a page writes their numbers: run, n, R2, 95 % CI, MAE, p, verdict."""
        import pandas as pd

        return pd.DataFrame([{"run": each.scores.display_name, **words_of(each)} for each in self.results])

    def differences_in_words(self) -> pd.DataFrame:
        """The pairs that are compared, likewise: better, worse, share saved, 95 % CI, p (Holm)."""
        import pandas as pd

        from workbench.results.wording import between, number, p_text

        rows = [
            {
                "better": pair.better,
                "worse": pair.worse,
                "share saved": number(pair.reduction),
                "95 % CI": between(pair.low, pair.high) or "-",
                "p (Holm)": "-" if pair.p_family is None else p_text(pair.p_family),
            }
            for pair in self.pairs
            if pair.reduction is not None
        ]
        return pd.DataFrame(rows)

    def not_compared(self) -> tuple[str, ...]:
        """Why pairs are not compared: one sentence for each reason, with all pairs that it holds for."""
        by_reason: dict[str, list[PairedDifference]] = {}
        for pair in self.pairs:
            if pair.refused:
                by_reason.setdefault(pair.refused.split(":")[0], []).append(pair)
        return tuple(self._not_compared(reason, pairs) for reason, pairs in by_reason.items())

    def _not_compared(self, reason: str, pairs: Sequence[PairedDifference]) -> str:
        if len(pairs) == len(self.pairs) > 1:
            return f"No two of these {len(self.results)} runs are compared ({reason})."
        if len(pairs) == 1:
            return f"Not compared: {pairs[0].better} and {pairs[0].worse} ({pairs[0].refused})."
        others: dict[str, list[str]] = {}
        for pair in pairs:
            others.setdefault(pair.better, []).append(pair.worse)
        named = "; ".join(f"{run} with {', '.join(with_them)}" for run, with_them in others.items())
        return f"Not compared ({reason}): {named}."


def row_of(result: RunResult) -> dict[str, object]:
    """The numbers of a run in a table of runs.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    dict of str to object
        n, r2 and the ends of its 95 % interval, mae, p (the one that the claim is judged by), verdict.
    """
    scores, interval = result.scores, result.scores.performance.interval
    return {
        "n": scores.n_participants,
        "r2": scores.performance.r2,
        "r2_low": None if interval is None else interval.low,
        "r2_high": None if interval is None else interval.high,
        "mae": scores.performance.mae,
        "p": scores.judged_p,
        "verdict": result.claim.verdict,
    }


def words_of(result: RunResult) -> dict[str, object]:
    """The same as its page writes them; ``-`` where there is no interval or nothing was tested.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    dict of str to object
        n, R2, 95 % CI, MAE, p, verdict.
    """
    from workbench.results.wording import amounts, between, number, p_text

    scores, performance = result.scores, result.scores.performance
    interval = performance.interval
    return {
        "n": scores.n_participants,
        "R2": number(performance.r2),
        "95 % CI": "-" if interval is None else between(interval.low, interval.high),
        "MAE": amounts(performance.mae)[0],
        "p": "-" if scores.judged_p is None else p_text(scores.judged_p),
        "verdict": result.claim.verdict,
    }


def compare(experiment: str, *, study: str | Path = ".", to: str | Path | None = None) -> Comparison:
    """Compare the finished runs of an experiment; nothing is fitted again.

    Parameters
    ----------
    experiment : str
    study : path
        The study folder.
    to : path, optional
        Write the runs there (TSV), and beside it ``STEM_differences.tsv`` and a figure, ``STEM.png`` and ``STEM.svg``.

    Returns
    -------
    Comparison
        Of runs with one name the last one.

    Raises
    ------
    StoreError
        If the experiment has no finished run.
    """
    from workbench import tracking
    from workbench.export import read_run
    from workbench.study import open_study

    logged = tracking.list_runs(open_study(Path(study)), experiment)
    if not logged:
        hint = f"run it first: workbench run {experiment}"
        raise StoreError(Problem(experiment, "no finished run of this experiment", hint))
    last = last_of_each_name(logged)
    comparison = compared(experiment, [read_run(each.artifacts, tags=each.tags, shap=False) for each in last])
    if to is None:
        return comparison
    return Comparison(experiment, comparison.results, comparison.pairs, _written(comparison, Path(to).expanduser()))


def last_of_each_name(logged: Sequence[LoggedRun]) -> tuple[LoggedRun, ...]:
    """Runs, the last finished first; of several with one name the first is taken.

    Parameters
    ----------
    logged : sequence of LoggedRun

    Returns
    -------
    tuple of LoggedRun
    """
    return tuple({each.name: each for each in reversed(logged)}.values())


def compared(experiment: str, results: Sequence[RunResult]) -> Comparison:
    """The comparison of runs, every one with every other.

    Parameters
    ----------
    experiment : str
    results : sequence of RunResult
        One of each name.

    Returns
    -------
    Comparison
    """
    from workbench.evaluation.comparison import Compared, paired_differences

    runs = [Compared(each.scores.display_name, each.predictions, each.claim.shows_prediction) for each in results]
    return Comparison(experiment, tuple(results), paired_differences(runs))


def difference_table(comparison: Comparison) -> ReportTable:
    """The pairs for a report.

    Parameters
    ----------
    comparison : Comparison

    Returns
    -------
    ReportTable
    """
    from workbench.records import ReportTable
    from workbench.results.wording import number, p_text

    rows = []
    for pair in comparison.pairs:
        if pair.reduction is None:
            rows.append((pair.better, pair.worse, "", "", pair.refused))
            continue
        interval = "" if pair.low is None or pair.high is None else f" ({number(pair.low)} to {number(pair.high)})"
        p = "" if pair.p_family is None else p_text(pair.p_family)
        note = "" if interval else "no interval: fewer than 10 repeats of 5 folds"
        rows.append((pair.better, pair.worse, f"{number(pair.reduction)}{interval}", p, note))
    columns = ("Run", "Compared with", "Share of squared error saved, 95 % CI", "p (Holm)", "Why not compared")
    return ReportTable(columns, tuple(rows), "Paired differences on identical folds")


def _written(comparison: Comparison, path: Path) -> tuple[Path, ...]:
    from workbench.export.writing import readable, table_text
    from workbench.figures import draw_comparison

    folder_to_write(path.parent)
    beside = path.with_name(f"{path.stem}_differences.tsv")
    path.write_text(table_text(readable(comparison.runs())), encoding="utf-8")
    beside.write_text(table_text(readable(comparison.differences())), encoding="utf-8")
    drawn = draw_comparison(comparison.experiment, comparison.results, path.with_suffix(""))
    return (path, beside, *drawn)
