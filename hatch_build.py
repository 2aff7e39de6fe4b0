"""Compile `workbench/models/fold_pass.c` when the package is installed; without a compiler numpy does its work."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCE = Path("workbench", "models", "fold_pass.c")
LIBRARY = SOURCE.with_name("_fold_pass.so")
FLAGS = ("-std=gnu11", "-O3", "-ffp-contract=fast", "-fPIC", "-shared")


class CompiledFoldPass(BuildHookInterface):
    """Puts the library beside its source, and into the wheel, which is then one of this platform."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, before anything is collected."""
        failure = compile_library(Path(self.root))
        if failure:
            self.app.display_warning(f"{SOURCE} was not compiled, numpy does its work: {failure}")
            return
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"
        build_data["force_include"][str(Path(self.root, LIBRARY))] = LIBRARY.as_posix()


def compile_library(root: Path) -> str:
    """Compile the library under this folder; gives back why not, or nothing. A library of before does not stay."""
    library, source = root / LIBRARY, root / SOURCE
    library.unlink(missing_ok=True)
    if platform.machine() not in ("x86_64", "AMD64"):
        return f"it is written for x86-64, this is {platform.machine()}"
    compiler = next(filter(shutil.which, (os.environ.get("CC", ""), "cc", "gcc", "clang")), None)
    if compiler is None:
        return "no C compiler (cc, gcc, clang or $CC)"
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    made = library.with_suffix(".new")
    command = [compiler, *FLAGS, f'-DSOURCE_DIGEST="{digest}"', "-o", str(made), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return f"{compiler} says\n{done.stderr.strip()}"
    made.replace(library)
    return ""
