"""Reads what a run left back into the record it was written from."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import StoreError, listed
from workbench.export.dictionary import MISSING, PARQUET
from workbench.json_values import json_values, reader_of
from workbench.records import FEATURE_COLUMNS, SCHEMA_VERSION, Claim, FlowStep, RunResult, Scores
from workbench.results.cells import as_written

if TYPE_CHECKING:
    import pandas as pd

WORDS = {
    *FEATURE_COLUMNS,
    *("participant_id", "participant_a", "participant_b", "step", "why", "model", "procedure", "note"),
    *("setting", "value", "grid", "edge", "arm", "first_arm"),
    *("level", "direction", "haufe_sign", "evidence", "claim", "run_id", "sentence", "tag"),
}
"""Columns that hold text in every table, even where nothing is known in any row."""


def read_run(folder: Path, *, tags: Mapping[str, str] | None = None, shap: bool = True) -> RunResult:
    """The result of a run, from its artifacts.

    Parameters
    ----------
    folder : Path
        The artifacts of a run, or an export of one.
    tags : mapping of str to str, optional
        What the tracker says of the run; no file holds it.
    shap : bool
        Also read the SHAP value of every person and feature, by far the largest file, and what is drawn beside them.

    Returns
    -------
    RunResult
        Equal to the one that was written, but for tables rounded for reading, parameters, and tags.

    Raises
    ------
    StoreError
        If the folder holds no run, or one that this version cannot read.
    """
    record = _scores_record(folder)
    tables = {name: read_table(folder / f"{name}.tsv") for name in TABLES}
    _add_medians(record, tables["permutation_null"])
    claim = _restored(Claim, record.pop("claim"), "claim", folder)
    if record["influence"] is not None:
        _add_influence(record, folder)
    curve, inner = folder / "decision_curve.tsv", folder / "inner_folds.tsv"
    tuning, pairs, benefit = (folder / f"{name}.tsv" for name in ("tuning", "interactions", "benefit"))
    return RunResult(
        scores=_restored(Scores, record, "scores", folder),
        claim=claim,
        null=tables.pop("permutation_null"),
        flow=_flow(tables.pop("flow"), tables.pop("participants_lost")),
        **{name: _parquet(folder / f"{name}.parquet") if shap else None for name in PARQUET},
        tuning=read_table(tuning) if tuning.exists() else None,
        interactions=read_table(pairs) if pairs.exists() else None,
        benefit=read_table(benefit) if benefit.exists() else None,
        spec_toml=_text(folder / "spec.toml"),
        tags=dict(tags or {}),
        params={},
        decision_curve=read_table(curve) if curve.exists() else None,
        inner_folds=_whole_numbers(read_table(inner)) if inner.exists() else None,
        **tables,
    )


TABLES = (
    "predictions",
    "folds",
    "permutation_null",
    "circuits",
    "modalities",
    "features",
    "biomarkers",
    "flow",
    "participants_lost",
)
"""Tables of a run, by the name of their file; most by that of their field too."""


def read_table(path: Path) -> pd.DataFrame:
    """A table of a run as it was written: numbers to the last bit, empty text where a text is missing."""
    import pandas as pd

    columns = _text(path).split("\n", 1)[0].split("\t")
    words = [column for column in columns if column in WORDS]
    table = pd.read_csv(
        path,
        sep="\t",
        keep_default_na=False,
        na_values=[MISSING],
        dtype=dict.fromkeys(words, "str"),
    )
    return table.assign(**{column: [as_written(cell) for cell in table[column].fillna("")] for column in words})


def _parquet(path: Path) -> pd.DataFrame | None:
    import pandas as pd

    return pd.read_parquet(path) if path.exists() else None


def _whole_numbers(table: pd.DataFrame) -> pd.DataFrame:
    """A table of fold numbers, some of them missing, without turning them into floats."""
    return table.astype(dict.fromkeys(table.columns[1:], "Int64"))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise StoreError(f"{path}: cannot be read ({error.strerror}); the run is not whole, run it again") from error


def _scores_record(folder: Path) -> dict[str, Any]:
    path = folder / "scores.json"
    try:
        record: dict[str, Any] = json_values(_text(path))
        version = record["schema_version"]
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{path}: is not the scores of a run; run the experiment again") from error
    if version != SCHEMA_VERSION:
        age = "a newer" if version > SCHEMA_VERSION else "an older"
        raise StoreError(
            f"{path}: written by {age} workbench (records of version {version}, this one reads {SCHEMA_VERSION}); "
            "environment.txt beside it names the version that reads it, or run the experiment again"
        )
    if "owed" in record:  # what earlier versions called it
        record["sensitivity"] = record.pop("owed")
    record.setdefault("warnings", _warnings_of(record["notes"]))
    return record


def _warnings_of(notes: Sequence[str]) -> list[dict[str, str]]:
    """Warnings of a run that earlier versions wrote, which kept a code at the end of the text alone."""
    coded = [match for note in notes if (match := re.fullmatch(r"(?P<text>.*) \[(?P<code>T\d+)\]", note, re.DOTALL))]
    return [match.groupdict() for match in coded]


def _add_medians(record: dict[str, Any], null: pd.DataFrame) -> None:
    """Medians of the nulls for records that hold their means."""
    increment = record["increment"] or {}
    for test, column in ((record["test"], "r2"), (increment.get("test"), "increment")):
        if test is not None and "null_median" not in test:
            test["null_median"] = float(null[column].median()) if column in null else None


def _add_influence(record: dict[str, Any], folder: Path) -> None:
    """What `scores.json` leaves to the tables of single participants and pairs."""
    table = read_table(folder / "influence.tsv")
    record["influence"]["by_participant"] = table[["participant_id", "r2_without"]].to_numpy().tolist()
    pairs = folder / "influence_pairs.tsv"
    record["influence"]["by_pair"] = read_table(pairs).to_numpy().tolist() if pairs.exists() else []
    held = record.get("baseline_held")
    if held is not None and held["influence"] is not None:
        columns = table[["participant_id", "r2_without_baseline_held"]].dropna()
        held["influence"] |= {"by_participant": columns.to_numpy().tolist(), "by_pair": []}


def _flow(steps: pd.DataFrame, excluded: pd.DataFrame) -> tuple[FlowStep, ...]:
    flow = []
    for step in steps.itertuples():
        rows = excluded[excluded["step"] == step.step]
        participants, reasons = tuple(rows["participant_id"]), tuple(rows["why"])
        flow.append(FlowStep(str(step.step), int(step.n), int(step.lost), str(step.why), participants, reasons))
    return tuple(flow)


# -------------------------------------------------------------------------------------------------- records from JSON


def _restored(kind: type, record: Mapping[str, Any], name: str, folder: Path) -> Any:
    """A record with every field that was written; one that is newer than the file keeps its default."""
    from pydantic import ValidationError

    try:
        return reader_of(kind).validate_python(record)
    except ValidationError as error:
        places = listed(".".join(map(str, (name, *each["loc"]))) for each in error.errors())
        found = f"{folder / 'scores.json'}: {places} cannot be read; run the experiment again"
        raise StoreError(found) from error
