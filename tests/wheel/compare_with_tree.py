"""A wheel (the one argument) holds every tracked file of the package, byte for byte, and nothing else of the tree."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def expected_files() -> dict[str, Path]:
    """Path in the wheel to the file of the tree."""
    pyproject = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    forced = pyproject["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "workbench"]
    names = subprocess.run(listing, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout.split("\0")
    package = {name: REPOSITORY / name for name in names if name and (REPOSITORY / name).is_file()}
    return package | {packed: REPOSITORY / name for name, packed in forced.items()}


def differences(wheel: Path) -> list[str]:
    """What is missing, what is there besides, and what has other bytes."""
    with zipfile.ZipFile(wheel) as packed:
        contents = {name: packed.read(name) for name in packed.namelist() if ".dist-info/" not in name}
    expected = expected_files()
    return [
        *(f"missing: {name}" for name in sorted(expected.keys() - contents.keys())),
        *(f"not of the tree: {name}" for name in sorted(contents.keys() - expected.keys())),
        *(
            f"other bytes: {name}"
            for name in sorted(expected.keys() & contents.keys())
            if contents[name] != expected[name].read_bytes()
        ),
    ]


if __name__ == "__main__":
    problems = differences(Path(sys.argv[1]))
    print("\n".join(problems) or f"{Path(sys.argv[1]).name}: every file as in the tree ({len(expected_files())})")
    sys.exit(bool(problems))
