"""Copies what a run left into a folder for a supplement, with a README that explains every file and column."""

from __future__ import annotations

import json
import shutil
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from workbench.errors import Problem, Problems, StoreError, listed
from workbench.export.columns import COLUMNS, PERSON
from workbench.export.dictionary import DARK, MODEL_FOLDER, described
from workbench.export.pseudonyms import EXPLAINED
from workbench.records import LoggedRun
from workbench.whole_files import folder_to_write

THEMES = ("light", "dark", "both")
KEPT = "Participants keep the ids of the study."
REPLACED = (
    "Participants have pseudonyms, the same in\n"
    "every export of the study, whose key stays there. Values are as they were measured: pseudonyms are no anonymity."
)
LISTED = 5
"""Names of files in one message."""


def export_run(
    logged: LoggedRun,
    to: Path,
    *,
    force: bool = False,
    model: bool = False,
    participant_data: bool = False,
    theme: Literal["light", "dark", "both"] = "both",
    more: Mapping[str, bytes] | None = None,
    pseudonyms: bool = False,
) -> tuple[Path, ...]:
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
    participant_data : bool
        Even a model that holds rows of single participants.
    theme : str
        Ground of the figures.
    more : mapping of str to bytes, optional
        Files that are made for the export, by name.
    pseudonyms : bool
        Whether the files of the run have pseudonyms in place of ids, which the README then says.

    Returns
    -------
    tuple of Path
        The files that now lie in `to`, sorted.

    Raises
    ------
    StoreError
        If the run left nothing, or no model where it is to be copied; if the model holds rows of single participants;
        or if a file of the same name with other content is in the way: every one is named.
    """
    if model:
        _refuse_model(logged, participant_data)
    if theme not in THEMES:
        raise StoreError(Problem("theme", f"is {theme!r}", f"one of {', '.join(THEMES)}"))
    contents = _contents(logged, model, theme, more or {}, KEPT if not pseudonyms else REPLACED)
    _refuse_overwriting(contents, to, force)
    for name, content in contents.items():
        target = to / name
        folder_to_write(target.parent)
        if isinstance(content, Path):
            shutil.copyfile(content, target)
        else:
            target.write_bytes(content)
    return tuple(sorted(to / name for name in contents))


def _contents(
    logged: LoggedRun, model: bool, theme: str, more: Mapping[str, bytes], ids: str
) -> dict[str, Path | bytes]:
    """Relative name to the file it is copied from, or to what is written there."""
    found = sorted(path for path in logged.artifacts.rglob("*") if path.is_file()) if logged.artifacts.is_dir() else []
    names = {path.relative_to(logged.artifacts).as_posix(): path for path in found}
    chosen = {name: path for name, path in names.items() if model or name.split("/")[0] != MODEL_FOLDER}
    chosen = {name: path for name, path in chosen.items() if not _of_other_theme(name, theme)}
    if not chosen:
        raise StoreError(f"run {logged.run_id} ({logged.name}) has no files below {logged.artifacts}; run it again")
    return {**chosen, **more, "README.txt": _readme(logged, [*chosen, *more], ids).encode()}


def _of_other_theme(name: str, theme: str) -> bool:
    """Whether a file is a figure for the ground that was not asked for."""
    if theme == "both" or not name.startswith("figures/"):
        return False
    return name.rpartition(".")[0].endswith(DARK) == (theme == "light")


def _refuse_model(logged: LoggedRun, participant_data: bool) -> None:
    """A run without a model, and one whose model is data."""
    manifest = logged.artifacts / MODEL_FOLDER / "model.json"
    run = f"run {logged.run_id[:8]} ({logged.name})"
    if not manifest.is_file():
        verdict = _scores(logged).get("claim", {}).get("verdict", "")
        if verdict in ("prediction not shown", "not tested"):
            raise StoreError(Problem(run, f"has no model to hand on: {verdict}", "export it without --with-model"))
        hint = "earlier versions kept none, and some estimators cannot be written: run it again, or export the rest"
        raise StoreError(Problem(run, "left no model", hint))
    if not participant_data and json.loads(manifest.read_text(encoding="utf-8")).get("holds_participants", True):
        found = "its model holds values of single participants, such as support vectors or neighbours"
        hint = "where you may hand on participants' data, say --with-participant-data"
        raise StoreError(Problem(run, found, hint))


def _refuse_overwriting(contents: dict[str, Path | bytes], to: Path, force: bool) -> None:
    problems = Problems()
    if to.exists() and not to.is_dir():
        problems.add(to, "is a file", "name a folder")
        problems.raise_if_any(StoreError)
    differing = []
    for name, content in contents.items():
        target = to / name
        if target.is_dir():
            problems.add(target, "is a folder where a file would be written", "export to another folder")
        elif target.exists() and not force and target.read_bytes() != _bytes(content):
            differing.append(name)
    if differing:
        files = f"{len(differing)} file{'s' if len(differing) > 1 else ''} of another export or with other content"
        hint = "export to another folder, or overwrite them with --force"
        problems.add(to, f"already holds {files} ({listed(differing, LISTED)})", hint)
    problems.raise_if_any(StoreError)


def _bytes(content: Path | bytes) -> bytes:
    return content.read_bytes() if isinstance(content, Path) else content


def _readme(logged: LoggedRun, names: list[str], ids: str) -> str:
    width = max(len(name) for name in names)
    files = [f"{name.ljust(width)}  {described(name)}".rstrip() for name in names]
    lines = [
        f"Run {logged.name} of experiment {logged.experiment}",
        f"Run id: {logged.run_id}",
        *([f"Claim: {logged.tags['claim']}"] if "claim" in logged.tags else []),
        *_summary(logged),
        "",
        "Files",
        "=====",
        *files,
        "",
        "Columns",
        "=======",
        f"Tables are tab-separated, UTF-8, with n/a for what is missing. {ids}",
        *_columns(logged, names, EXPLAINED if ids == REPLACED else PERSON["participant_id"]),
    ]
    return "\n".join(lines) + "\n"


def _summary(logged: LoggedRun) -> list[str]:
    """Question, outcome and claim in words."""
    scores = _scores(logged)
    if not scores:
        return []
    rows = {
        "Question": scores["question"],
        "Outcome": scores["outcome"] + (f", in {scores['outcome_unit']}" if scores["outcome_unit"] else ""),
        "Estimand": scores["estimand"],
        "Participants": f"{scores['n_participants']}" + (", simulated" if scores["synthetic"] else ""),
        "Claim": scores["claim"]["sentence"],
        "Why not stronger": "; ".join(scores["claim"]["reasons"]) or "every requirement is met",
    }
    return ["", *(line for name, text in rows.items() for line in _wrapped(f"{name}: {text}", "  "))]


def _columns(logged: LoggedRun, names: list[str], participant: str) -> list[str]:
    """Every column of every table that was written, with its unit; what stands in a column of participants is given."""
    scores = _scores(logged)
    unit = scores.get("outcome_unit") or "units of the outcome"
    words = {"unit": unit, "one_unit": f"one of the {unit}", "reference": scores.get("reference") or "the reference"}
    lines = []
    for name in (name for name in names if name in COLUMNS):
        there = (logged.artifacts / name).read_text(encoding="utf-8").split("\n", 1)[0].split("\t")
        explained = {column: COLUMNS[name][column].format(**words) for column in there if column in COLUMNS[name]}
        explained = {column: text.replace(PERSON["participant_id"], participant) for column, text in explained.items()}
        width = max(map(len, explained), default=0)
        lines += ["", name]
        for column, text in explained.items():
            lines += _wrapped(f"  {column.ljust(width)}  {text}", " " * (width + 4))
    return lines


def _scores(logged: LoggedRun) -> dict[str, Any]:
    path = logged.artifacts / "scores.json"
    scores: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return scores


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, 118, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
