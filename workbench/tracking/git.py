"""What git says of a study, without running anything that the study's repository configures.

The configuration of a repository names commands, and a study may come from anywhere: `git status` would start a
file-system monitor, hooks, clean filters, and the fetching of objects that a partial clone lacks.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

INERT: Mapping[str, str] = {
    "core.fsmonitor": "false",
    "core.hooksPath": os.devnull,
    "core.pager": "cat",
    "core.sshCommand": "false",
    "core.gitProxy": "",
    "core.askPass": "false",
    "credential.helper": "",
    "diff.external": "",
    "gpg.program": "false",
    "protocol.allow": "never",
    "submodule.recurse": "false",
}
"""Settings that name a command, or lead to one, each with a value that runs nothing."""

ENVIRONMENT: Mapping[str, str] = {
    "GIT_OPTIONAL_LOCKS": "0",  # nothing is written, so no hook of a written index runs
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_ALLOW_PROTOCOL": "none",  # git before 2.44 does not know the line above
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}

FILTER = r"^filter\..*\.(clean|smudge|process|required)$"
LEDGER = ":(exclude)experiments/viewed.jsonl"
PATIENCE_S = 30.0


def git_state(root: Path) -> dict[str, str]:
    """Commit of the study, and whether files differ from it; the ledger of viewed results does not count.

    Files that a filter of git has changed (such as those of git-lfs) are compared as they are, unless git knows from
    their date and size that they are as they were: without the filter they may count as changed.

    Parameters
    ----------
    root : Path
        The study folder.

    Returns
    -------
    dict of str to str
        ``git_commit`` (a hash, or ``none``) and ``git_dirty`` (``true``, ``false``, or ``unknown`` where git does not
        answer).
    """
    try:
        status = ["status", "--porcelain=v2", "--branch", "--ignore-submodules=all", "--", ":/", LEDGER]
        lines = _git(root, status, {**INERT, **dict(_filters(root))}).splitlines()
    except (OSError, subprocess.SubprocessError):
        return {"git_commit": "none", "git_dirty": "unknown"}
    commit = next((line.split()[2] for line in lines if line.startswith("# branch.oid")), "none")
    dirty = any(not line.startswith("#") for line in lines)
    return {"git_commit": "none" if commit == "(initial)" else commit, "git_dirty": str(dirty).lower()}


def _filters(root: Path) -> Iterator[tuple[str, str]]:
    """Every filter that is configured anywhere, switched off; reading the configuration runs nothing."""
    names = _git(root, ["config", "--null", "--name-only", "--get-regexp", FILTER], INERT, none_is_fine=True)
    for name in filter(None, names.split("\0")):
        yield name, "false" if name.endswith(".required") else ""


def _git(root: Path, arguments: list[str], settings: Mapping[str, str], *, none_is_fine: bool = False) -> str:
    """What git prints; `none_is_fine` where its exit code 1 means that there is nothing.

    Settings are given by the environment, which takes any name: one of a filter may hold an equals sign.
    """
    known = os.environ.get("GIT_CONFIG_COUNT", "0")
    first = int(known) if known.isdigit() else 0
    given = {"GIT_CONFIG_COUNT": str(first + len(settings))}
    for number, (name, value) in enumerate(settings.items(), start=first):
        given |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    done = subprocess.run(
        ["git", "--no-pager", "-C", str(root), *arguments],
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=PATIENCE_S,
        check=False,
        cwd=root.anchor or None,
        env={**os.environ, **ENVIRONMENT, **given},
    )
    if done.returncode and not (none_is_fine and done.returncode == 1):
        raise subprocess.CalledProcessError(done.returncode, "git")
    return done.stdout
