"""Where things lie in a study folder, and what its files say taken together.

A study is a folder with ``features/`` (what is measured), ``experiments/`` (what is asked) and ``mlruns/`` (what was
found). Each file is checked by itself in `workbench.specs`; here names that one file uses must be declared in another.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

from workbench.errors import Problem, Problems, SpecError, did_you_mean, is_text, listed, quoted
from workbench.knowledge.vocabulary import OWN_FILE, Vocabulary, vocabulary_of
from workbench.new_study import init_study
from workbench.specs import AnySource, CohortSpec, ExperimentSpec
from workbench.specs.base import NAME_PATTERN, Finding, Spec, Text
from workbench.specs.cohort import COHORT_FILE
from workbench.specs.experiment import source_of
from workbench.specs.explaining import place_in_words
from workbench.specs.reading import examine, examine_cohort, examine_experiment, examine_source
from workbench.study_links import refuse_links_out
from workbench.study_rules import against_features, overlaps, session_codes, timing

__all__ = ["Examined", "LocalSpec", "Study", "check_study", "init_study", "open_study"]

LOCAL_FILE = "workbench.local.toml"
DATA_OPTION = "--data"
"""Who named the data folder, where the command did."""


class LocalSpec(Spec):
    """``workbench.local.toml``: what differs between machines; never committed."""

    data: Text | None = None
    """Folder of the data on this machine; relative to the study."""


@dataclass(frozen=True)
class Examined:
    """An experiment as far as it can be understood.

    Attributes
    ----------
    spec : ExperimentSpec or None
        With problems, only good for finding more of them.
    """

    name: str
    spec: ExperimentSpec | None
    problems: tuple[Problem, ...]


@dataclass(frozen=True)
class Study:
    """A study folder whose feature files are read and whose experiments are found.

    Attributes
    ----------
    root, data : Path
        Absolute; `data` is where the data files lie, and may not exist on this machine.
    sources : mapping of str to spec
        By name, which is the stem of the file.
    experiment_paths : mapping of str to Path
        By name, which is the stem of the file; read when asked for.
    data_from : str
        Who said where the data are, in words.
    unread : frozenset of str
        Sources whose files have problems; empty in a study that can be used.
    """

    root: Path
    data: Path
    cohort: CohortSpec
    sources: Mapping[str, AnySource]
    experiment_paths: Mapping[str, Path]
    data_from: str = COHORT_FILE
    unread: frozenset[str] = frozenset()

    @property
    def features_dir(self) -> Path:
        """What is measured."""
        return self.root / "features"

    @property
    def tables_dir(self) -> Path:
        """Built feature tables; never committed."""
        return self.features_dir / "tables"

    @property
    def experiments_dir(self) -> Path:
        """What is asked."""
        return self.root / "experiments"

    @property
    def viewed_file(self) -> Path:
        """The ledger of results viewed."""
        return self.experiments_dir / "viewed.jsonl"

    @property
    def frozen_file(self) -> Path:
        """Plans as they were frozen."""
        return self.experiments_dir / "frozen.jsonl"

    @property
    def mlruns_dir(self) -> Path:
        """What was found."""
        return self.root / "mlruns"

    @property
    def database(self) -> Path:
        """MLflow's SQLite file."""
        return self.mlruns_dir / "mlflow.db"

    @property
    def artifacts_dir(self) -> Path:
        """Files of finished runs."""
        return self.mlruns_dir / "artifacts"

    @property
    def units_dir(self) -> Path:
        """Stored work of running and interrupted runs."""
        return self.mlruns_dir / "units"

    def vocabulary(self) -> Vocabulary:
        """Circuits, regions and names of the package, after those that ``features/regions.toml`` of the study adds.

        Raises
        ------
        SpecError
            With all problems of that file.
        """
        return vocabulary_of(self.root)

    def source(self, name: str) -> AnySource:
        """The spec of a source.

        Raises
        ------
        SpecError
            If no file declares it; names the closest one.
        """
        if name not in self.sources:
            raise SpecError(Problem(name, "no such source in features/", did_you_mean(name, self.sources)))
        return self.sources[name]

    def experiment(self, name_or_path: str | Path) -> tuple[str, ExperimentSpec]:
        """Name and spec of an experiment, given by name or by path.

        Raises
        ------
        SpecError
            If there is no such experiment, or with all problems of its file, alone and against the feature files.
        """
        examined = self.examine(name_or_path)
        if examined.problems or examined.spec is None:
            raise SpecError(examined.problems)
        return examined.name, examined.spec

    def examine(self, name_or_path: str | Path) -> Examined:
        """An experiment as far as it can be understood, with all problems of its file."""
        path = self._experiment_path(name_or_path)
        label = _label(path, self.root)
        if not re.match(NAME_PATTERN, path.stem):
            return Examined(path.stem, None, (_bad_name(label),))
        reading = examine_experiment(path, label)
        if reading.spec is None:
            return Examined(path.stem, None, reading.problems)
        undeclared = _problems(label, against_features(reading.spec, self.cohort, self.sources, self.unread))
        named = {source_of(member) for members in reading.spec.feature_sets.values() for member in members}
        spec = None if undeclared or named & self.unread else reading.spec
        return Examined(path.stem, spec, (*reading.problems, *undeclared))

    def _experiment_path(self, name_or_path: str | Path) -> Path:
        name = str(name_or_path)
        if name in self.experiment_paths:
            return self.experiment_paths[name]
        if isinstance(name_or_path, Path) or name.endswith(".toml") or "/" in name or "\\" in name:
            given = Path(os.path.expanduser(name_or_path))
            for path in (given, self.root / given, self.experiments_dir / given):
                if path.is_file():
                    return path.resolve()
            name = given.stem
        if name in self.experiment_paths:
            hint = f"there is {_label(self.experiment_paths[name], self.root)}"
        elif self.experiment_paths:
            hint = did_you_mean(name, self.experiment_paths)
        else:
            hint = "experiments/ holds no *.toml yet"
        raise SpecError(Problem(str(name_or_path), "no such experiment", hint))

    def data_problem(self) -> Problem | None:
        """What is wrong with the data folder as a whole, said once instead of for every file in it."""
        if self.data.is_dir():
            return None
        found = "is a file, not a folder" if self.data.exists() else f"no such folder: {self.data}"
        if self.data_from == DATA_OPTION:
            return Problem(DATA_OPTION, found, "name the folder that holds the files of the study")
        hint = f"put {self._expected_files()} there, say --data DIR, or data = in {LOCAL_FILE}"
        if self.cohort.synthetic:
            hint = f"workbench demo --study {quoted(self.root)} simulates the data of the demo; else {hint}"
        return Problem(f"{self.data_from}: data", found, hint)

    def _expected_files(self) -> str:
        """Files of the data folder that the specs name, in words."""
        cohort = self.cohort
        specs = (*cohort.columns.values(), *(cohort.quality or {}).values(), *cohort.scores.values())
        named = [getattr(spec, key, None) for spec in (*specs, *self.sources.values()) for key in ("file", "files")]
        return listed(dict.fromkeys([cohort.participants, *filter(None, named)]))


# -------------------------------------------------------------------------------------------------------------- opening


@overload
def open_study(root: Path, data: Path | None = None) -> Study: ...


@overload
def open_study(root: Path, data: Path | None = None, *, problems: Problems) -> Study | None: ...


def open_study(root: Path, data: Path | None = None, *, problems: Problems | None = None) -> Study | None:
    """Read the feature files of a study and find its experiments.

    Parameters
    ----------
    root : Path
        The study folder.
    data : Path, optional
        Where the data are; goes before ``workbench.local.toml``, which goes before ``data`` of ``cohort.toml``.
    problems : Problems, optional
        Collects the problems instead of raising them; the study then holds what could be understood, good for finding
        more problems only, or is None where ``cohort.toml`` could not be.

    Returns
    -------
    Study or None

    Raises
    ------
    SpecError
        With all problems of all files in ``features/``.
    """
    found = Problems() if problems is None else problems
    known_before = len(found)
    study = None
    with found.gather():
        study = _open(_absolute(Path(root)), data, found)
    if problems is None and len(found) > known_before:
        raise SpecError(found)
    return study


def _open(root: Path, data: Path | None, problems: Problems) -> Study | None:
    _require_study(root)
    refuse_links_out(root)
    cohort = examine_cohort(root / COHORT_FILE, COHORT_FILE)
    problems.extend(cohort.problems)
    problems.extend(_no_file(root / LOCAL_FILE, LOCAL_FILE))
    with problems.gather():
        vocabulary_of(root)
    sources = _read_sources(root, problems)
    experiments = {path.stem: path for path in _toml_files(root, "experiments", problems)}
    if cohort.spec is None:
        for path in experiments.values():
            problems.extend(examine_experiment(path, _label(path, root)).problems)
        return None
    for name, spec in sources.items():
        problems.extend(_problems(f"features/{name}.toml", timing(spec, cohort.spec)))
        problems.extend(_problems(f"features/{name}.toml", session_codes(spec, cohort.spec)))
    folder, said_by = _data_folder(root, data, cohort.spec, problems)
    unread = frozenset(path.stem for path in _toml_files(root, "features", problems)) - set(sources)
    return Study(root, folder, cohort.spec, sources, experiments, said_by, unread)


def _require_study(root: Path) -> None:
    if not is_text(root):
        found = "the name of a folder on the way to the study is not written in UTF-8"
        raise SpecError(Problem(ascii(str(root)), found, "rename that folder: results are addressed by it"))
    if (root / COHORT_FILE).is_file():
        return
    if not root.is_dir():
        raise SpecError(Problem(str(root), "no such folder", "start a study with: workbench init DIR"))
    if (root / "cohort.toml").is_file() or (root.parent / COHORT_FILE).is_file():
        raise SpecError(Problem(str(root), "is a folder inside a study", f"the study is {root.parent}: say --study"))
    expected = f"expected {COHORT_FILE} in it; say --study DIR, or start a study with: workbench init DIR"
    raise SpecError(Problem(str(root), "is not a study", expected))


def _absolute(path: Path, root: Path = Path()) -> Path:
    """A path without links and ``~``; one that leads in a circle, or to nobody's home, is no folder later on."""
    return Path(os.path.realpath(root / os.path.expanduser(path)))


def _toml_files(root: Path, folder: str, problems: Problems) -> list[Path]:
    """Spec files by name; hidden ones are what other systems leave behind (``._pet.toml``)."""
    try:
        names = sorted(os.listdir(root / folder))
    except FileNotFoundError:
        return []
    except OSError as error:
        problems.add(f"{folder}/", f"cannot be read ({error.strerror})", "let this account read the folder")
        return []
    names = [name for name in names if name.endswith(".toml") and not name.startswith(".")]
    for name in names:
        problems.extend(_no_file(root / folder / name, f"{folder}/{name}"))
    return [root / folder / name for name in names]


def _no_file(path: Path, label: str) -> list[Problem]:
    """What stands where a file is meant to be: passed over, it would look as if nobody had written one."""
    if path.is_file() or not os.path.lexists(path):
        return []
    what = "is a folder" if path.is_dir() else "is a link to nothing" if path.is_symlink() else "is no ordinary file"
    return [Problem(label, what, "expected a TOML file")]


def _read_sources(root: Path, problems: Problems) -> dict[str, AnySource]:
    sources: dict[str, AnySource] = {}
    names: dict[str, Path] = {}
    for path in _toml_files(root, "features", problems):
        if path.name in (Path(COHORT_FILE).name, Path(OWN_FILE).name):
            continue
        label = _label(path, root)
        if not re.match(NAME_PATTERN, path.stem):
            problems.extend([_bad_name(label)])
            continue
        names[path.stem] = path
        if not path.is_file():
            continue
        reading = examine_source(path, label)
        problems.extend(reading.problems)
        if reading.spec is not None:
            sources[path.stem] = reading.spec
    for name, spec in sources.items():
        problems.extend(_problems(_label(names[name], root), overlaps(name, spec, names)))
    return sources


def _bad_name(label: str) -> Problem:
    hint = "the file name is its name: letters, digits, - _ and . only, starting with a letter or digit"
    return Problem(label, "cannot be a name", hint)


def _data_folder(root: Path, data: Path | None, cohort: CohortSpec, problems: Problems) -> tuple[Path, str]:
    if data is not None:
        return _absolute(Path(data)), DATA_OPTION
    if (root / LOCAL_FILE).is_file():
        local = examine(root / LOCAL_FILE, LOCAL_FILE, LocalSpec)
        problems.extend(local.problems)
        if local.spec is not None and local.spec.data is not None:
            return _absolute(Path(local.spec.data), root), LOCAL_FILE
    return _absolute(Path(cohort.data), root), COHORT_FILE


def _label(path: Path, root: Path) -> str:
    """A file as messages name it: relative to the study when it lies in it, with forward slashes everywhere."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def _problems(label: str, findings: Iterable[Finding]) -> list[Problem]:
    return [
        Problem(f"{label}: {place}" if (place := place_in_words(key)) else label, found, hint)
        for key, found, hint in findings
    ]


def check_study(study: Study, experiments: Sequence[str | Path] = ()) -> list[Problem]:
    """Everything that can be said about a study without reading data: its data folder and its experiments.

    Parameters
    ----------
    experiments : sequence of str or Path
        Names or paths; default: all of the study.
    """
    problems = Problems()
    missing = study.data_problem()
    problems.extend([missing] if missing else [])
    for wanted in experiments or tuple(study.experiment_paths):
        with problems.gather():
            problems.extend(study.examine(wanted).problems)
    return list(problems)
