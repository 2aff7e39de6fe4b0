"""Writes every artifact of a run that is not a figure."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.evaluation.metrics import r2_by_fold
from workbench.export.columns import COLUMNS
from workbench.export.dictionary import MISSING, PARQUET, data_dictionary
from workbench.records import UNASSIGNED, Claim, FlowStep, RunResult, Scores
from workbench.results import documents
from workbench.results.cells import harmless
from workbench.results.modality_words import modality_values_table
from workbench.third_party import installed_version
from workbench.whole_files import folder_to_write

if TYPE_CHECKING:
    import pandas as pd

DIGITS = 6
"""Significant digits of the tables that are read rather than computed with; others hold every bit."""


def write_run(result: RunResult, folder: Path, *, run_id: str = "") -> tuple[Path, ...]:
    """Write every artifact of a run that is not a figure.

    Parameters
    ----------
    result : RunResult
    folder : Path
        Made where it does not exist.
    run_id : str
        The tracker's id of the run, for the biomarker files; no other file holds it.

    Returns
    -------
    tuple of Path
        The files written, sorted.
    """
    folder_to_write(folder)
    biomarkers = readable(_with_run(result.biomarkers, run_id))
    texts = {
        "spec.toml": result.spec_toml,
        "scores.json": _json(scores_record(result.scores, result.claim)),
        "biomarkers.json": _json(_biomarker_record(result, biomarkers, run_id)),
        "environment.txt": environment(),
        **documents.texts(result),
    }
    tables = _tables(result, biomarkers)
    texts |= {name: table_text(table) for name, table in tables.items()}
    columns = {name: list(table) for name, table in tables.items()}
    texts["data_dictionary.json"] = _json(data_dictionary(columns, result.scores))
    for name, text in texts.items():
        (folder / name).write_bytes(text.encode())
    written = [folder / name for name in texts]
    for name in PARQUET:
        table = getattr(result, name)
        if table is not None:
            table.to_parquet(folder / f"{name}.parquet", index=False)
            written.append(folder / f"{name}.parquet")
    return tuple(sorted(written))


def _tables(result: RunResult, biomarkers: pd.DataFrame) -> dict[str, pd.DataFrame]:
    tables = {
        "predictions.tsv": result.predictions,
        "folds.tsv": result.folds,
        "fold_r2.tsv": readable(r2_by_fold(result.predictions)),
        "permutation_null.tsv": result.null,
        "comparators.tsv": readable(_comparators(result.scores)),
        "circuits.tsv": readable(in_order(result.circuits, "circuits.tsv")),
        "modalities.tsv": readable(result.modalities),
        "biomarkers.tsv": biomarkers,
        "features.tsv": readable(result.features),
        "flow.tsv": _flow(result.flow),
        "participants_lost.tsv": _excluded(result.flow),
    }
    of_modalities = modality_values_table(result)
    if of_modalities is not None:
        tables["modality_values.tsv"] = readable(of_modalities)
    for name, rows_of in documents.TABLES.items():
        tables[name] = _table(rows_of(result), name)
    if result.scores.influence is not None:
        tables["influence.tsv"] = _influence(result.scores)
        tables["influence_pairs.tsv"] = _frame(result.scores.influence.by_pair, list(COLUMNS["influence_pairs.tsv"]))
    if result.inner_folds is not None:
        tables["inner_folds.tsv"] = result.inner_folds
    if result.interactions is not None:
        tables["interactions.tsv"] = readable(result.interactions)
    if result.tuning is not None:
        tables["tuning.tsv"] = result.tuning
    if result.decision_curve is not None:
        tables["decision_curve.tsv"] = readable(in_order(result.decision_curve, "decision_curve.tsv"))
    if result.benefit is not None:
        tables["benefit.tsv"] = readable(in_order(result.benefit, "benefit.tsv"))
    if result.scores.sensitivity.effects is not None:
        tables["benefit_quarters.tsv"] = readable(
            _records(result.scores.sensitivity.effects.quarters, "benefit_quarters.tsv")
        )
    if result.scores.sensitivity.subgroups:
        tables["subgroups.tsv"] = readable(_records(result.scores.sensitivity.subgroups, "subgroups.tsv"))
    course = result.scores.sensitivity.course
    if course is not None:
        tables["course.tsv"] = readable(_records(course.means, "course.tsv"))
        if course.elsewhere:
            tables["durability.tsv"] = readable(_records(course.elsewhere, "durability.tsv"))
    if result.scores.availability is not None:
        tables["availability.tsv"] = readable(_records(result.scores.availability.patterns, "availability.tsv"))
    if result.scores.sensitivity.drop_out is not None:
        tables["drop_out.tsv"] = readable(_records(result.scores.sensitivity.drop_out.differences, "drop_out.tsv"))
    return tables


def in_order(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """A table with the columns that the dictionary knows in its order, then the others."""
    known = [column for column in COLUMNS[name] if column in table]
    return table[known + [column for column in table if column not in known]]


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """A table whose numbers are rounded to what can be read.

    Parameters
    ----------
    table : DataFrame

    Returns
    -------
    DataFrame

    Examples
    --------
    >>> import pandas as pd
    >>> readable(pd.DataFrame({"q": [0.003996003996003996]}))["q"].item()
    0.003996
    """
    numbers = table.select_dtypes("float").columns
    return table.assign(**{name: [float(f"{value:.{DIGITS}g}") for value in table[name]] for name in numbers})


def table_text(table: pd.DataFrame) -> str:
    r"""A table as tab-separated text: floats to the last bit, ``n/a`` for what is missing, LF line ends.

    A text that a spreadsheet would run as a formula gets an apostrophe, which `read_table` takes away again.

    Parameters
    ----------
    table : DataFrame

    Returns
    -------
    str

    Examples
    --------
    >>> import pandas as pd
    >>> table_text(pd.DataFrame({"circuit": ["default mode", ""], "q": [0.1, float("nan")]}))
    'circuit\tq\ndefault mode\t0.1\nn/a\tn/a\n'
    """
    texts = [name for name in table if str(table[name].dtype).startswith(("object", "str", "category"))]
    safe = {name: _safe(table[name]) for name in texts}
    # pandas writes the shortest text that reads back as the same float.
    return str(table.assign(**safe).to_csv(sep="\t", index=False, na_rep=MISSING, lineterminator="\n"))


def _safe(column: pd.Series) -> list[Any]:
    """Cells of a column, texts among them that no spreadsheet runs; ids and names stand in many rows."""
    known = {"": MISSING}
    cells = column.tolist()
    known |= {cell: harmless(cell) for cell in {cell for cell in cells if isinstance(cell, str)} - {""}}
    return [known[cell] if isinstance(cell, str) else cell for cell in cells]


def scores_record(scores: Scores, claim: Claim) -> dict[str, Any]:
    """Scores and claim as plain JSON values: not a number becomes null; influence by person has its own table."""
    record: dict[str, Any] = plain(scores)
    for each in (record, record["baseline_held"]):
        if each is not None and each["influence"] is not None:
            del each["influence"]["by_participant"], each["influence"]["by_pair"]
    return record | {"claim": plain(claim)}


def plain(value: Any) -> Any:
    """Records, tuples and numpy numbers as what JSON knows; what is not a finite number becomes null.

    Parameters
    ----------
    value : object

    Returns
    -------
    object

    Examples
    --------
    >>> plain({"r2": float("nan"), "folds": (1, 2)})
    {'r2': None, 'folds': [1, 2]}
    """
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if hasattr(value, "item") and not hasattr(value, "__len__"):
        value = value.item()
    if isinstance(value, dict) or hasattr(value, "items"):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def environment() -> str:
    """Versions of Python and of every package this one needs, one per line: no host, no time, no path.

    Returns
    -------
    str
    """
    import platform
    from importlib import metadata

    try:
        needs = metadata.requires("biomarker-workbench") or []
    except metadata.PackageNotFoundError:
        needs = []
    names = {match[0] for need in needs if "extra ==" not in need and (match := re.match(r"[A-Za-z0-9._-]+", need))}
    lines = [f"python=={platform.python_version()}"]
    for name in ["biomarker-workbench", *sorted(names, key=str.lower)]:
        try:
            lines.append(f"{name}=={installed_version(name)}")
        except metadata.PackageNotFoundError:
            continue
    return "\n".join(lines) + "\n"


def _biomarker_record(result: RunResult, biomarkers: pd.DataFrame, run_id: str) -> dict[str, Any]:
    known = biomarkers.notna() & (biomarkers != "")
    rows = biomarkers.astype(object).where(known, None).to_dict(orient="records")
    return {
        "schema_version": result.scores.schema_version,
        "experiment": result.scores.experiment,
        "run_name": result.scores.run_name,
        "run_id": run_id or None,
        "claim": result.claim.verdict,
        "kind": result.claim.kind,
        "sentence": result.claim.sentence,
        "reasons": list(result.claim.reasons),
        "n": result.scores.n_participants,
        "synthetic": result.scores.synthetic,
        "why_empty": _why_empty(result) if not rows else None,
        "rows": rows,
    }


def _why_empty(result: RunResult) -> str:
    if result.claim.verdict == "not tested":
        return "No p-value tests the prediction, so no biomarker is exported."
    if not result.claim.shows_prediction:
        return "Prediction is not shown, so no biomarker is exported."
    named = [circuit for circuit in result.circuits["circuit"] if circuit != UNASSIGNED]
    if not named:
        return "No feature is assigned to a circuit, so no circuit could be tested."
    return f"None of the {len(named)} circuits tested passed the circuit test."


def _influence(scores: Scores) -> pd.DataFrame:
    """r2 without each participant, and the same with the baseline score held fixed where that was analysed."""
    assert scores.influence is not None
    table = _frame(scores.influence.by_participant, ["participant_id", "r2_without"])
    held = None if scores.baseline_held is None else scores.baseline_held.influence
    if held is None:
        return table
    return table.assign(r2_without_baseline_held=table["participant_id"].map(dict(held.by_participant)).astype(float))


def _comparators(scores: Scores) -> pd.DataFrame:
    rows = []
    for name, model in scores.comparators():
        total = model.interval_total
        ends = (None, None) if total is None else (total.low, total.high)
        rows.append((name, model.procedure, model.r2_total, *ends, model.r2, model.mae, model.auc, model.brier))
    return _frame(rows, list(COLUMNS["comparators.tsv"])).astype(
        dict.fromkeys(list(COLUMNS["comparators.tsv"])[2:], float)
    )


def _records(rows: Sequence[Any], name: str) -> pd.DataFrame:
    """Records of one kind as a table, a row each; the columns of the dictionary are their fields, in order."""
    columns = list(COLUMNS[name])
    table = _frame([[getattr(row, column) for column in columns] for row in rows], columns)
    missing = [column for column in columns if table[column].isna().any()]
    return table.astype(dict.fromkeys(missing, float))


def _table(rows: Sequence[Mapping[str, str]], name: str) -> pd.DataFrame:
    """Rows with the names of their columns, in the order of the dictionary."""
    import pandas as pd

    return pd.DataFrame(list(rows), columns=list(COLUMNS[name]))


def _with_run(biomarkers: pd.DataFrame, run_id: str) -> pd.DataFrame:
    if not run_id:
        return biomarkers
    return biomarkers.assign(run_id=run_id)


def _flow(flow: tuple[FlowStep, ...]) -> pd.DataFrame:
    return _frame([(step.step, step.n, step.excluded, step.reason) for step in flow], ["step", "n", "lost", "why"])


def _excluded(flow: tuple[FlowStep, ...]) -> pd.DataFrame:
    rows = [
        (participant, step.step, reason)
        for step in flow
        for participant, reason in zip(step.participants, step.reasons or [step.reason] * step.excluded, strict=False)
    ]
    return _frame(rows, ["participant_id", "step", "why"])


def _frame(rows: Any, columns: list[str]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(list(rows), columns=columns)


def _json(record: Any) -> str:
    return json.dumps(plain(record), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
