"""Studies made: a copy of the demo study, the skeleton of a design, or a trial of known truth with its study."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import Problem, Problems, SpecError, did_you_mean
from workbench.new_study import init_study, write_study_files
from workbench.pipeline.checks import check
from workbench.pipeline.interrupting import can_be_interrupted
from workbench.study import open_study

if TYPE_CHECKING:
    from workbench.drafting import Draft


SMALL = 100
"""Patients below which chance may make a feature look like the outcome."""
DRAWS = 10
"""Trials drawn at most, until `check` passes."""


def init(target: str | Path, *, design: str | None = None) -> tuple[Path, ...]:
    """A copy of the demo study, or with a design a commented skeleton without data.

    Parameters
    ----------
    target : path
        The study folder; made where it does not exist. Nothing in it is ever overwritten.
    design : str, optional
        ``parallel``, ``crossover``, ``single-arm`` or ``observational``.

    Returns
    -------
    tuple of Path
        The files written.
    """
    return init_study(Path(target), design)


@dataclass(frozen=True)
class DraftedStudy:
    """A study that was drafted from files and written.

    Parameters
    ----------
    written : tuple of Path
    draft : Draft
        What was recognised, guessed and asked.
    """

    written: tuple[Path, ...]
    draft: Draft

    def __repr__(self) -> str:
        draft = self.draft
        parts = [
            ("Recognised", draft.recognised),
            ("Guessed, to be checked", draft.guessed),
            ("Worth saying", draft.open),
            ('To be answered in the files, a value for each "?"', draft.questions),
            ("No part of the draft", tuple(f"{each.label}: {each.why}" for each in draft.unused)),
            ("Written", tuple(map(str, self.written))),
        ]
        return "\n\n".join("\n  ".join([title, *lines]) for title, lines in parts if lines)


def init_from(target: str | Path, files: str | Path | Sequence[str | Path]) -> DraftedStudy:
    """Draft a study from the tables and folders that a lab has: every guess is marked, and what cannot be known asked.

    Parameters
    ----------
    target : path
        The study folder; nothing in it is ever overwritten.
    files : path or sequence of path
        Tables and folders. They are read and nothing of them is copied: the study names them where they are, and so
        takes no data frame; ``frame.to_csv(path, sep="\\t", index=False)`` makes a file of one.

    Returns
    -------
    DraftedStudy

    Raises
    ------
    SpecError
        If nothing can be drafted from these files, something is none, or a file is in the way.
    """
    from workbench.drafting import draft_study

    draft = draft_study(Path(target), _paths(files))
    contents = {Path(name): text.encode("utf-8") for name, text in draft.texts.items()}
    return DraftedStudy(write_study_files(Path(target), contents), draft)


def _paths(files: Any) -> list[Path]:
    """The paths of files; whatever is none, such as a data frame, is refused with how a file is made of it."""
    if isinstance(files, str | PathLike):
        return [Path(files)]
    if isinstance(files, Mapping):
        named = {str(name): each for name, each in files.items()}
    elif hasattr(files, "to_csv"):
        named = {"table": files}
    else:
        named = {f"files[{at}]": each for at, each in enumerate(files)}
    problems = Problems()
    for name, each in named.items():
        if not isinstance(each, str | PathLike):
            written = f"{re.sub(r'[^A-Za-z0-9_-]+', '_', name).strip('_')}.tsv"
            hint = (
                f'a study names the files of its numbers: frame.to_csv("{written}", sep="\\t", index=False), '
                f'with the ids of participants in a column, then give "{written}"'
            )
            problems.add(f"init_from: {name}", f"is a {type(each).__name__}, and files are wanted", hint)
    problems.raise_if_any(SpecError)
    return [Path(each) for each in named.values()]


@can_be_interrupted
def simulate_study(
    target: str | Path,
    *,
    preset: str | None = None,
    patients: int | None = None,
    design: str | None = None,
    r2: float | None = None,
    seed: int | None = None,
    uncovered: float | None = None,
    achievable: bool = True,
) -> tuple[Path, ...]:
    """Write a trial of known truth, with a study that reads it.

    Parameters
    ----------
    target : path
        The study folder.
    preset : str, optional
        ``demo`` (the repository's own study) or ``review`` (623 people, as many as the imaging studies reviewed).
    patients, design, r2
        Replace those of the preset; the default is a crossover of 120 with the r2 of the simulator's default cohort.
    seed : int, optional
        Of who is drawn and what happens to them; default: that of the demo. Of fewer than a hundred patients, by
        chance, some trials have a feature that `check` takes for the outcome itself; without a seed the next one is
        drawn then.
    uncovered : float, optional
        Share of the connectivity scans without the cerebellum, whose parcels are missing in them; default: none.
    achievable : bool
        Work out, too, what ridge trained on so many people can achieve in fresh people: a few seconds.

    Returns
    -------
    tuple of Path
        The files written: those of the study, then its data.
    """
    from workbench.execution import one_blas_thread
    from workbench.simulate.config import DEMO_SEED, TrialConfig
    from workbench.simulate.generator import simulate_trial
    from workbench.simulate.writers import refuse_other_study, write_study, write_trial

    presets = {"demo": TrialConfig.demo, "review": TrialConfig.review}
    if preset is not None and preset not in presets:
        raise SpecError(Problem("--preset", f"no preset {preset!r}", did_you_mean(preset, presets)))
    config = presets[preset]() if preset else TrialConfig()
    wanted = {"n_patients": patients, "design": design, "r2": r2, "uncovered": uncovered}
    config = replace(config, **{key: value for key, value in wanted.items() if value is not None})  # type: ignore[arg-type]
    root = Path(target)
    refuse_other_study(config, root)
    first = DEMO_SEED if seed is None else seed
    for drawn in range(first, first + (DRAWS if seed is None and config.n_patients < SMALL else 1)):
        with one_blas_thread():  # threads that fight over a busy machine took ten times as long
            trial = simulate_trial(config, drawn, achievable=achievable)
        written = write_study(trial, root)
        data = write_trial(trial, root / open_study(root).cohort.data)
        if seed is not None or config.n_patients >= SMALL or not check(study=root).problems:
            break
    return (*written, *data)
