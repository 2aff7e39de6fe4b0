"""What a user, never a study, allows: ``config.toml`` in the user's own configuration folder.

It lies in ``$XDG_CONFIG_HOME/biomarker-workbench``, else in ``~/.config/biomarker-workbench``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from workbench.errors import Problem, SpecError
from workbench.specs.base import Finding, Spec, Text, repeated
from workbench.specs.reading import examine


class UserConfiguration(Spec):
    """Settings of one user on one machine; none of them changes a number by itself."""

    estimators: tuple[Text, ...] = ()
    """Classes of installed packages that experiments may name: "package.module.Class"."""
    linked_folders: tuple[Text, ...] = ()
    """Folders outside of a study that links in it may lead to, and what is in them: results on a larger disk."""

    def rules(self) -> Iterator[Finding]:
        """Every class is named once, by its whole path, and so is every folder."""
        yield from repeated(self.estimators, ("estimators",))
        for position, name in enumerate(self.estimators):
            if "." not in name or not all(part.isidentifier() for part in name.split(".")):
                yield Finding(("estimators", position), f"{name!r} names no class", 'such as "package.module.Class"')
        for position, folder in enumerate(self.linked_folders):
            if not Path(folder).expanduser().is_absolute():
                hint = 'a whole path, such as "/scratch/anna/mlruns"'
                yield Finding(("linked_folders", position), f"{folder!r} depends on the current folder", hint)


def configuration_file() -> Path:
    """Where the configuration of the user lies, whether it is there or not.

    Returns
    -------
    Path
        Under ``$XDG_CONFIG_HOME`` where that is an absolute path, else under ``~/.config``.
    """
    given = Path(os.environ.get("XDG_CONFIG_HOME", ""))
    # Relative paths are to be ignored (XDG Base Directory Specification 0.8): they would depend on the current folder.
    folder = given if given.is_absolute() else Path.home() / ".config"
    return folder / "biomarker-workbench" / "config.toml"


def read_user_configuration(study: Path) -> UserConfiguration:
    """The configuration of the user; empty where there is none.

    Parameters
    ----------
    study : Path
        Folder of the study.

    Returns
    -------
    UserConfiguration

    Raises
    ------
    SpecError
        With all problems of the file, or if it lies in the study, of which nothing is allowed to allow itself.
    """
    path = configuration_file()
    if not path.exists():
        return UserConfiguration()
    if path.resolve().is_relative_to(study.resolve()):
        hint = "a study cannot allow its own code: set XDG_CONFIG_HOME to a folder outside"
        raise SpecError(Problem(str(path), "lies in the study", hint))
    configuration: UserConfiguration = examine(path, str(path), UserConfiguration).required()
    return configuration
