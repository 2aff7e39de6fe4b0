"""A new study folder: a copy of the demo study, or a commented skeleton of one design.

The demo study is the repository's own and exists once: a wheel carries it as ``workbench/template``, a checkout is it.
"""

from __future__ import annotations

from pathlib import Path

from workbench.errors import Problem, SpecError, WorkbenchError, did_you_mean
from workbench.study_links import refuse_links_out
from workbench.whole_files import folder_to_write

DESIGNS = ("parallel", "crossover", "single-arm", "observational")

COPIED = (
    "features/*.toml",
    "features/*.tsv",
    "features/*.txt",
    "features/README.md",
    "experiments/*.toml",
    "experiments/README.md",
    "mlruns/README.md",
)
"""What the demo study consists of; built tables, results and local settings stay behind."""

GITIGNORE = """\
# Patients' data and what is made from it stay on this machine.
/sources/
workbench.local.toml
features/tables/
mlruns/*
!mlruns/README.md
"""


def init_study(target: Path, design: str | None = None) -> tuple[Path, ...]:
    """Start a study.

    Parameters
    ----------
    target : Path
        The study folder; made where it does not exist. Nothing in it is ever overwritten.
    design : str, optional
        parallel, crossover, single-arm or observational: a commented skeleton without data, whose lines to change are
        marked ``# CHANGE``. Default: a copy of the demo study, byte for byte.

    Returns
    -------
    tuple of Path
        The files written.

    Raises
    ------
    SpecError
        If the design is not known, or a file is in the way.
    """
    if design is not None and design not in DESIGNS:
        hint = did_you_mean(design, DESIGNS)
        raise SpecError(Problem("--design", f"{design!r} is not a design", hint))
    contents = _demo_study() if design is None else _skeleton(design)
    return write_study_files(target, contents)


def write_study_files(target: Path, contents: dict[Path, bytes]) -> tuple[Path, ...]:
    """Write the files of a new study, and what keeps its data out of git.

    Parameters
    ----------
    target : Path
        The study folder; made where it does not exist.
    contents : dict of Path to bytes
        By path relative to it.

    Returns
    -------
    tuple of Path
        The files written.

    Raises
    ------
    SpecError
        If a file is in the way, or a link leads out of the folder; nothing is written then.
    """
    contents = {**contents, Path(".gitignore"): GITIGNORE.encode()}
    _refuse_to_overwrite(target, contents)
    refuse_links_out(target.resolve())
    folder_to_write(target)
    for relative, content in contents.items():
        path = target / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tuple(target / relative for relative in contents)


def _demo_study() -> dict[Path, bytes]:
    root = _template_root()
    paths = sorted({path for pattern in COPIED for path in root.glob(pattern) if not path.name.startswith(".")})
    return {path.relative_to(root): path.read_bytes() for path in paths}


def _template_root() -> Path:
    """The demo study: inside an installed package, or the checkout around the code."""
    package = Path(__file__).parent
    for root in (package / "template", package.parent):
        if (root / "features" / "cohort.toml").is_file():
            return root
    raise WorkbenchError(Problem("workbench", "the demo study is not part of this installation", "install it again"))


def _skeleton(design: str) -> dict[Path, bytes]:
    skeletons = Path(__file__).parent / "skeletons"
    return {
        path.relative_to(folder): path.read_bytes()
        for folder in (skeletons / "every-design", skeletons / design)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _refuse_to_overwrite(target: Path, contents: dict[Path, bytes]) -> None:
    if target.exists() and not target.is_dir():
        raise SpecError(Problem(str(target), "is a file", "name a folder that is new or empty"))
    in_the_way = [relative.as_posix() for relative in contents if (target / relative).exists()]
    if in_the_way:
        found = f"already holds {', '.join(in_the_way)}"
        raise SpecError(Problem(str(target), found, "nothing was written; name a new folder, or move these away"))
