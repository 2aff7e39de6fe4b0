"""Take out of one lock file what another holds already: ``python docs/beside_the_lock.py LOCK FURTHER``."""

from __future__ import annotations

import re
import sys
from pathlib import Path

ENTRY = re.compile(r"\n(?=\S)")


def entries(path: Path) -> list[str]:
    """Packages of a lock file, each with its hashes."""
    return [entry for entry in ENTRY.split(path.read_text(encoding="utf-8").strip()) if entry]


def name(entry: str) -> str:
    """Package of an entry."""
    return entry.split("==")[0]


if __name__ == "__main__":
    lock, further = map(Path, sys.argv[1:])
    held = set(map(name, entries(lock)))
    kept = [entry for entry in entries(further) if name(entry) not in held]
    further.write_text("\n".join(kept) + "\n", encoding="utf-8")
