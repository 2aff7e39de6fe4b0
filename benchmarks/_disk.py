"""Studies on a disk that is full, or that may only be read.

Not a benchmark itself: a script imports it as a sibling, ``from _disk import full_disks``.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from _crash import Ground, Place, left_over, results_of
from _warm import ONE_JOB, Ended, Fault, Warm, faults_resumed, warm_process

LEVELS = 10
ROOM = 64 * 2**20
"""Of the file system that is filled up, in bytes."""
NEVER_SAID = ("Traceback", "This is a bug", "Exception ignored", "Error:")
READING = (
    ("check",),
    ("features",),
    ("show",),
    ("show", "-v"),
    ("compare", "question"),
    ("report", "--to", "{out}/report.html"),
    ("export", "--to", "{out}/export"),
)
"""Commands that write nothing into the study, or nothing that they cannot do without."""
WRITING = (
    ("run", "question", "--jobs", "1"),
    ("run", "question", "--jobs", "1", "--rehearse"),
    ("freeze", "question"),
    ("report",),
)
Note = Callable[[str, list[str]], None]


@contextmanager
def mounted(folder: Path, *how: str) -> Iterator[None]:
    """A file system at a folder; needs root."""
    folder.mkdir(exist_ok=True, parents=True)
    subprocess.run(["mount", *how, str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def problem_lines(printed: str) -> list[str]:
    """What a command printed, without the note on a first result, which is a paragraph of its own."""
    return [line for line in re.sub(r"(?s)Note: .*?try it\.\n", "", printed).splitlines() if line.strip()]


def faults_of_message(ended: Ended, *, study: Path) -> Iterator[str]:
    """What is wrong with how a command says that it cannot write: one line, the file, what to do, exit code 2."""
    lines = problem_lines(ended.printed)
    if ended.code != 2:
        yield f"exit code {ended.code}: {ended.printed}"
    if len(lines) != 1:
        yield f"{len(lines)} lines: {ended.printed}"
    yield from (f"{word} in {ended.printed}" for word in NEVER_SAID if word in ended.printed)
    for line in lines:
        if not any(part in line for part in (str(study), "experiments/", "mlruns/", "features/")):
            yield f"names no file: {line}"
        if "; " not in line:
            yield f"does not say what to do: {line}"


# ------------------------------------------------------------------------------------------------------------ full


def full_disks(ground: Ground, note: Note) -> None:
    """Runs on disks that are full sooner or later, resumed once there is room."""
    with warm_process(ground) as warm:
        counted = ground.copy("counted", with_store=False)
        assert warm.run(counted, *ONE_JOB).code == 0
        results, size = results_of(counted), bytes_of(counted.study)
        start = bytes_of(ground.folder / "made" / "sources")
        for level in range(LEVELS):
            place = Place(ground.folder / f"full-{level}")
            with mounted(place.study, "-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs"):
                shutil.copytree(ground.folder / "made", place.study, dirs_exist_ok=True)
                shutil.rmtree(place.study / "mlruns")
                fill(place.study, int((size - start) * level / LEVELS))
                note(f"level {level}", list(filled_and_resumed(warm, place, Fault(), results, f"{level}0 %")))
        counted = ground.copy("counted-with-store")
        calls = warm.calls(counted, *ONE_JOB)
        for number in first_of_each_kind(calls):
            call, path = calls[number - 1]
            place = ground.copy(f"without-room-{number}")
            fault = Fault(number, errno.ENOSPC, lasting=True)
            note(
                f"from {call}", list(filled_and_resumed(warm, place, fault, results, f"call {number} ({call} {path})"))
            )
            shutil.rmtree(place.folder)


def filled_and_resumed(warm: Warm, place: Place, fault: Fault, results: dict[str, bytes], where: str) -> Iterator[str]:
    """What is wrong when a run finds no room, is resumed without room, and then with."""
    for more in ((), ("--resume",)):
        ended = warm.run(place, *ONE_JOB, *more, fault=fault)
        if ended.code == 0:  # it needs less than it writes: what can be made again is left out
            return
        yield from (f"{where}: {each}" for each in faults_of_message(ended, study=place.study))
    (place.study / "ballast").unlink(missing_ok=True)
    yield from (f"{where}: {each}" for each in faults_resumed(warm, place, results))


def bytes_of(folder: Path) -> int:
    """Bytes of the files in a folder, in whole pages."""
    return sum(-(-path.stat().st_size // 4096) * 4096 for path in folder.rglob("*") if path.is_file())


def fill(folder: Path, left: int) -> None:
    """Fill a disk but for so many bytes."""
    disk = os.statvfs(folder)
    with (folder / "ballast").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(4096, disk.f_bavail * disk.f_frsize - left))


def first_of_each_kind(calls: list[tuple[str, str]]) -> list[int]:
    """Numbers of the first call of each kind that needs room, on each kind of file in each folder."""
    kinds: dict[tuple[str, str], int] = {}
    for number, (call, path) in enumerate(calls, start=1):
        if call not in ("unlink", "rename", "ftruncate64", "chmod"):
            kind = re.sub(r"\.\d+\.\d+(?=\.tmp)|[0-9a-f]{32,}|[^/]+(?=\.(tsv|toml|md|json)$)", "*", path)
            kinds.setdefault((call, kind), number)
    return list(kinds.values())


# ------------------------------------------------------------------------------------------------------- read-only


def read_only(ground: Ground, note: Note) -> None:
    """Commands on a study with a finished run that may only be read, and on one that has none."""
    finished = ground.copy("finished")
    fresh = ground.copy("fresh", with_store=False)
    out = ground.folder / "out"
    out.mkdir()
    with warm_process(ground) as warm:
        ended = warm.run(finished, *ONE_JOB)
        assert ended.code == 0, ended.printed
        for place in (finished, fresh):
            before = {path: path.stat().st_mtime_ns for path in place.study.rglob("*")}
            with mounted(place.study, "--bind", str(place.study)):
                subprocess.run(["mount", "-o", "remount,ro,bind", str(place.study)], check=True)
                for words in READING if place is finished else READING[:2]:
                    note(words[0], list(reads(warm, place, tuple(word.format(out=out) for word in words))))
                for words in WRITING if place is finished else WRITING[:3]:
                    ended = warm.run(place, *words)
                    wrong = faults_of_message(ended, study=place.study)
                    note(words[0], [f"{place.folder.name}, {' '.join(words)}: {each}" for each in wrong])
            changed = {path for path in place.study.rglob("*") if before.get(path) != path.stat().st_mtime_ns}
            note("unchanged", [f"{path} was changed" for path in changed] + list(left_over(place)))


def reads(warm: Warm, place: Place, words: tuple[str, ...]) -> Iterator[str]:
    """What is wrong with a command that needs to write nothing."""
    ended = warm.run(place, *words)
    if ended.code:
        yield f"{place.folder.name}, {' '.join(words)}: exit code {ended.code}: {ended.printed}"
    yield from (f"{' '.join(words)}: {word} in {ended.printed}" for word in NEVER_SAID if word in ended.printed)
