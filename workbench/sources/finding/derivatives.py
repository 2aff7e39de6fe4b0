"""Files of a pipeline's derivatives: those that are declared, one for each session, with the rule for several runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from workbench.errors import Problem, Problems, SourceError, listed
from workbench.json_values import json_values
from workbench.sources.contract.parsed import SourceFile
from workbench.sources.files.delimited import LISTED
from workbench.sources.finding.entities import NamedFile, named_files, refuse_several, with_entities
from workbench.specs.derivative_source import DerivativeSource

OF_OTHERS = ("task", "space", "den", "res", "feature", "desc", "hemi")
"""Entities in which they may not: what is meant is declared."""

PEARSON = "Pearson r"
"""What the matrices of XCP-D, HALFpipe and giga-connectome hold; none of them writes Fisher z."""

DATASET = "dataset_description.json"
KEYS = frozenset({"task", "space", "feature"})
"""Entities with a key of their own; the others are declared in `entities`."""


def declared_files(spec: DerivativeSource, data: Path) -> list[NamedFile]:
    """Files that the glob finds and whose entities are those declared.

    Parameters
    ----------
    spec : DerivativeSource
    data : Path

    Returns
    -------
    list of NamedFile

    Raises
    ------
    SourceError
        If a file lies in somebody else's folder.
    """
    return with_entities(named_files(spec.files, data), spec.wanted())


def one_per_session(
    files: Sequence[NamedFile],
    spec: DerivativeSource,
    *,
    atlas: Mapping[str, str],
    companions: Mapping[Path, Mapping[str, Path]] | None = None,
) -> list[SourceFile]:
    """One file for each participant and session, or all runs whose mean is declared.

    Parameters
    ----------
    files : sequence of NamedFile
        Of one kind; everything that is declared was applied.
    spec : DerivativeSource
    atlas : mapping of str to str
        Entities that name the atlas, and the key that declares each.
    companions : mapping of Path to (mapping of str to Path), optional
        Files that are read along with a file.

    Returns
    -------
    list of SourceFile

    Raises
    ------
    SourceError
        If files differ in what is not declared, a name says no participant, or a session has several files and no rule.
    """
    refuse_several(files, {**atlas, **{entity: _key(entity) for entity in OF_OTHERS}}, spec.files)
    problems = Problems()
    sessions: dict[tuple[str, str], list[NamedFile]] = {}
    for file in files:
        if "sub" not in file.entities:
            problems.add(file.label, "does not say whose it is", "the name of the file, or its folder, has sub-")
        sessions.setdefault((file.entities.get("sub", ""), file.entities.get("ses", "")), []).append(file)
    chosen: list[SourceFile] = []
    without_rule: list[Sequence[NamedFile]] = []
    for several in sessions.values():
        with problems.gather():
            if len(several) > 1 and spec.runs is None:
                without_rule.append(several)
            else:
                chosen.append(_chosen(several, spec, companions or {}))
    problems.extend(_undeclared_runs(without_rule, spec.files))
    problems.raise_if_any(SourceError)
    return chosen


def _key(entity: str) -> str:
    return entity if entity in KEYS else f"entities.{entity}"


def _undeclared_runs(sessions: Sequence[Sequence[NamedFile]], where: str) -> Iterator[Problem]:
    """All sessions with several files in one sentence, with the names of the files of the first."""
    if not sessions:
        return
    names = [Path(file.label).name for file in sessions[0]]
    whose = listed(["_".join(_whose(several[0])) for several in sessions], LISTED)
    found = f"finds several files for {len(sessions)} session{'' if len(sessions) == 1 else 's'} ({whose})"
    hint = (
        'write runs = "mean" (each run weighs the same), "first", or "concatenated" (the file without run-); '
        "runs and their concatenation hold the same volumes twice"
    )
    yield Problem(where, f"{found}: {listed(names, 4)}", hint)


def _whose(file: NamedFile) -> Iterator[str]:
    return (f"{entity}-{file.entities[entity]}" for entity in ("sub", "ses") if entity in file.entities)


def _chosen(
    several: Sequence[NamedFile], spec: DerivativeSource, companions: Mapping[Path, Mapping[str, Path]]
) -> SourceFile:
    def taken(file: NamedFile) -> SourceFile:
        return replace(file.source_file(), companions=companions.get(file.path, {}))

    runs = sorted((file for file in several if "run" in file.entities), key=_run_number)
    whole = [file for file in several if "run" not in file.entities]
    if len(several) == 1:
        return taken(several[0])
    if spec.runs == "concatenated":
        return taken(_single(whole, several, "without run-"))
    if spec.runs == "first":
        first = [file for file in runs or whole if _run_number(file) == _run_number((runs or whole)[0])]
        return taken(_single(first, several, "that is the first"))
    files = [taken(file) for file in runs or whole]
    return replace(files[0], runs=tuple(files)) if len(files) > 1 else files[0]


def _single(candidates: Sequence[NamedFile], several: Sequence[NamedFile], what: str) -> NamedFile:
    if len(candidates) == 1:
        return candidates[0]
    found = f"{len(candidates)} of {len(several)} files of one session are the one {what}"
    hint = "declare what they differ in: entities = { .. }, or another rule for runs"
    raise SourceError(Problem(listed([file.label for file in several], 4), found, hint))


def _run_number(file: NamedFile) -> tuple[int, str]:
    run = file.entities.get("run", "")
    return (int(run) if run.isdecimal() else 0, run)


def dataset_of(file: NamedFile) -> dict[str, Path]:
    """The description of the dataset that a file is in, as a companion; empty where there is none.

    Parameters
    ----------
    file : NamedFile

    Returns
    -------
    dict of str to Path
    """
    n_folders = file.label.count("/") + 1
    for folder in list(file.path.parents)[:n_folders]:
        if (folder / DATASET).is_file():
            return {"dataset": folder / DATASET}
    return {}


def made_by(file: SourceFile) -> tuple[str, ...]:
    """What made a file, as the description of its dataset says: ``xcp_d 0.14.1``; empty where it does not.

    Parameters
    ----------
    file : SourceFile

    Returns
    -------
    tuple of str
        One text at most.
    """
    path = file.companions.get("dataset")
    made = read_json(path).get("GeneratedBy") if path else None
    first = made[0] if isinstance(made, list) and made and isinstance(made[0], dict) else {}
    words = [first.get(key) for key in ("Name", "Version")]
    text = " ".join(word for word in words if isinstance(word, str))
    return (text,) if text else ()


def read_json(path: Path) -> dict[str, object]:
    """A JSON file beside the data; empty where it is none, since no value depends on it alone.

    Parameters
    ----------
    path : Path

    Returns
    -------
    dict
    """
    try:
        content = json_values(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
