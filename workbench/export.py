"""Writes what a run leaves, one plain file per table or record, and copies it out for a supplement.

Every file is a function of the result alone: two runs of one experiment give the same bytes. The run id of the tracker,
which is new each time, stands in the biomarker files only.
"""

from __future__ import annotations

import json
import math
import re
import shutil
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import Problems, StoreError
from workbench.records import UNASSIGNED, Claim, FlowStep, LoggedRun, RunResult, Scores

if TYPE_CHECKING:
    import pandas as pd

MISSING = "n/a"
"""A missing value in a table, as in BIDS."""

MODEL_FOLDER = "model"
"""Artifacts below this folder are the fitted model, copied only when asked for."""

FILES = {
    "spec.toml": "the experiment as it was run, every default written out",
    "predictions.tsv": "one row per held-out prediction: observed, predicted, and the reference it is judged against",
    "folds.tsv": "who was held out in which fold of which repeat; can be given back as folds of an experiment",
    "scores.json": "every number of the run that is not a table, and the claim they allow",
    "influence.tsv": "cross-validated R2 when each participant in turn is left out",
    "permutation_null.tsv": "cross-validated R2 of every permuted outcome, the whole procedure run again",
    "shap.parquet": "held-out SHAP value of every feature for every participant, mean over repeats",
    "circuits.tsv": "every circuit tested: size of its SHAP values, circuit test with p and q, candidate or not",
    "modalities.tsv": "size of the SHAP values of every modality",
    "biomarkers.tsv": "candidate biomarkers; no rows where prediction is not shown",
    "biomarkers.json": "the same with the claim, its reasons and the run id",
    "features.tsv": "what every feature is: source, modality, session, circuit, regions, unit",
    "flow.tsv": "how many participants were left after each step, and why the others went",
    "participants_lost.tsv": "the ids behind flow.tsv",
    "environment.txt": "versions of the packages that produced the numbers",
    "figures/observed_predicted": "observed against predicted outcome, one point per participant",
    "figures/permutation_null": "cross-validated R2 beside those of permuted outcomes",
    "figures/calibration": "mean observed outcome by predicted outcome",
    "figures/shap_circuits": "mean |SHAP| by circuit with what permuted outcomes reach",
    "figures/split_spread": "cross-validated R2 of every repeat: how much depends on the draw of the folds",
    "report.html": "the run as one page",
    "model_card.md": "what the model is for and what it is not for",
    "tripod_ai.tsv": "items of the TRIPOD+AI reporting guideline",
    MODEL_FOLDER: "the fitted model",
}
"""What each file of a run is, for the README of an export."""


# ------------------------------------------------------------------------------------------------------------- writing


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
    folder.mkdir(parents=True, exist_ok=True)
    biomarkers = _with_run(result.biomarkers, run_id)
    texts = {
        "spec.toml": result.spec_toml,
        "scores.json": _json(scores_record(result.scores, result.claim)),
        "biomarkers.json": _json(_biomarker_record(result, biomarkers, run_id)),
        "environment.txt": environment(),
    }
    texts |= {name: table_text(table) for name, table in _tables(result, biomarkers).items()}
    for name, text in texts.items():
        (folder / name).write_bytes(text.encode())
    written = [folder / name for name in texts]
    if result.shap is not None:
        result.shap.to_parquet(folder / "shap.parquet", index=False)
        written.append(folder / "shap.parquet")
    return tuple(sorted(written))


def _tables(result: RunResult, biomarkers: pd.DataFrame) -> dict[str, pd.DataFrame]:
    tables = {
        "predictions.tsv": result.predictions,
        "folds.tsv": result.folds,
        "permutation_null.tsv": result.null,
        "circuits.tsv": result.circuits,
        "modalities.tsv": result.modalities,
        "biomarkers.tsv": biomarkers,
        "features.tsv": result.features,
        "flow.tsv": _flow(result.flow),
        "participants_lost.tsv": _lost(result.flow),
    }
    if result.scores.influence is not None:
        tables["influence.tsv"] = _frame(result.scores.influence.by_participant, ["participant_id", "r2_without"])
    return tables


def table_text(table: pd.DataFrame) -> str:
    r"""A table as tab-separated text: floats to the last bit, ``n/a`` for what is missing, LF line ends.

    >>> import pandas as pd
    >>> table_text(pd.DataFrame({"circuit": ["default mode", ""], "q": [0.1, float("nan")]}))
    'circuit\tq\ndefault mode\t0.1\nn/a\tn/a\n'
    """
    # pandas writes the shortest text that reads back as the same float.
    return str(table.replace({"": MISSING}).to_csv(sep="\t", index=False, na_rep=MISSING, lineterminator="\n"))


def scores_record(scores: Scores, claim: Claim) -> dict[str, Any]:
    """Scores and claim as plain JSON values: not a number becomes null; influence by person has its own table."""
    record: dict[str, Any] = plain(scores)
    if record["influence"] is not None:
        del record["influence"]["by_participant"]
    return record | {"claim": plain(claim)}


def plain(value: Any) -> Any:
    """Records, tuples and numpy numbers as what JSON knows; what is not a finite number becomes null.

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
    """Versions of Python and of every package this one needs, one per line: no host, no time, no path."""
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
            lines.append(f"{name}=={metadata.version(name)}")
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
    if result.claim.verdict == "prediction not shown":
        return "Prediction is not shown, so no biomarker is exported."
    named = [circuit for circuit in result.circuits["circuit"] if circuit != UNASSIGNED]
    if not named:
        return "No feature is assigned to a circuit, so no circuit could be tested."
    return f"None of the {len(named)} circuits tested passed the circuit test."


def _with_run(biomarkers: pd.DataFrame, run_id: str) -> pd.DataFrame:
    if not run_id:
        return biomarkers
    return biomarkers.assign(run_id=run_id)


def _flow(flow: tuple[FlowStep, ...]) -> pd.DataFrame:
    return _frame([(step.step, step.n, step.lost, step.why) for step in flow], ["step", "n", "lost", "why"])


def _lost(flow: tuple[FlowStep, ...]) -> pd.DataFrame:
    rows = [(participant, step.step, step.why) for step in flow for participant in step.participants]
    return _frame(rows, ["participant_id", "step", "why"])


def _frame(rows: Any, columns: list[str]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(list(rows), columns=columns)


def _json(record: Any) -> str:
    return json.dumps(plain(record), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


# ------------------------------------------------------------------------------------------------------------- copying


def export_run(logged: LoggedRun, to: Path, *, force: bool = False, model: bool = False) -> tuple[Path, ...]:
    """Copy what a run left into a folder, with a README that says what each file is.

    Parameters
    ----------
    logged : LoggedRun
    to : Path
        Made where it does not exist; files of other names in it are left alone.
    force : bool
        Overwrite files that differ.
    model : bool
        Also copy the fitted model.

    Returns
    -------
    tuple of Path
        The files that now lie in `to`, sorted.

    Raises
    ------
    StoreError
        If the run left nothing, or a file of the same name with other content is in the way: every one is named.
    """
    contents = _contents(logged, model)
    _refuse_overwriting(contents, to, force)
    for name, content in contents.items():
        target = to / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, Path):
            shutil.copyfile(content, target)
        else:
            target.write_bytes(content)
    return tuple(sorted(to / name for name in contents))


def _contents(logged: LoggedRun, model: bool) -> dict[str, Path | bytes]:
    """Relative name to the file it is copied from, or to what is written there."""
    found = sorted(path for path in logged.artifacts.rglob("*") if path.is_file()) if logged.artifacts.is_dir() else []
    names = {path.relative_to(logged.artifacts).as_posix(): path for path in found}
    chosen = {name: path for name, path in names.items() if model or name.split("/")[0] != MODEL_FOLDER}
    if not chosen:
        raise StoreError(f"run {logged.run_id} ({logged.name}) has no files below {logged.artifacts}; run it again")
    return {**chosen, "README.txt": _readme(logged, list(chosen)).encode()}


def _refuse_overwriting(contents: dict[str, Path | bytes], to: Path, force: bool) -> None:
    problems = Problems()
    if to.exists() and not to.is_dir():
        problems.add(to, "is a file", "name a folder")
        problems.raise_if_any(StoreError)
    for name, content in contents.items():
        target = to / name
        if target.is_dir():
            problems.add(target, "is a folder where a file would be written", "export to another folder")
        elif target.exists() and not force and target.read_bytes() != _bytes(content):
            problems.add(target, "already holds something else", "export to another folder, or overwrite with --force")
    problems.raise_if_any(StoreError)


def _bytes(content: Path | bytes) -> bytes:
    return content.read_bytes() if isinstance(content, Path) else content


def _readme(logged: LoggedRun, names: list[str]) -> str:
    lines = [
        f"Run {logged.name} of experiment {logged.experiment}",
        f"Run id: {logged.run_id}",
        *([f"Claim: {logged.tags['claim']}"] if "claim" in logged.tags else []),
        "",
        "Tables are tab-separated, UTF-8, with n/a for what is missing. Participants keep the ids of the study.",
        "",
    ]
    width = max(len(name) for name in names)
    lines += [f"{name.ljust(width)}  {_described(name)}".rstrip() for name in names]
    return "\n".join(lines) + "\n"


def _described(name: str) -> str:
    """What a file is, found by its name, by its name without ending (pictures come in two), or by its folder.

    >>> _described("figures/calibration.svg")
    'mean observed outcome by predicted outcome'
    """
    for key in (name, name.rpartition(".")[0], name.split("/")[0]):
        if key in FILES:
            return FILES[key]
    return ""
