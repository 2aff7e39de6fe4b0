"""Runs killed, starved of disk space and interrupted, and whether anything is lost when they are resumed.

    python benchmarks/kills.py [random demo syscalls disk readonly interrupts] [--seed N] [--kills N] [--of N]

**random**: `workbench run` on a small study, killed (SIGKILL) after a random share of its CPU time, the whole process
tree and the parent alone in turn, with one job and with two, every fourth killed again while it is resumed. **demo**:
the same on the three experiments of the demo study. **syscalls**: the run is killed in the place of each call by which
it writes to the study (`_faults.c`: opening for writing, write, pwrite, rename, unlink, mkdir, truncate, fsync ..), one
after another, in forks of a process that has imported everything; while MLflow's tables are built, which is thousands
of calls on one file that is put in its place at the end, the first and the last call of each kind and ten at random.
Afterwards, resumed, predictions.tsv and scores.json must be those of an undisturbed run byte for byte; the ledger and
the registry only added to, in whole lines, the result counted once; no MLflow run left RUNNING; no temporary file and
no process left over.

**disk**: a small file system is filled so that the run has room for a tenth, two tenths .. of what it writes, and calls
of every kind fail with "no space left" from their first on; one line must name the file and what to do, with exit code
2, and the run resumed to the same bytes once there is room. **readonly**: the study is mounted read-only; what only
reads goes on, what writes says one line. **interrupts**: Ctrl-C, once or twice in a row, at random moments of every
command: one line, exit code 130, nothing left over, resumed to the same bytes.

Every failure is printed; the bar is none. Linux, with a C compiler; disk and readonly mount file systems, as root.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
from _crash import (
    FIRST_LINE,
    Ground,
    Place,
    faults_after,
    ledger_bytes,
    left_over,
    results_of,
    stage_reached,
    wait_for_cpu,
)
from _disk import full_disks, read_only
from _paired import arguments, print_machine, print_result
from _warm import ONE_JOB, Fault, Warm, faults_resumed, warm_process

DEMO = ("shaps_ketamine_minus_placebo", "madrs_change", "shuffled_outcome")
AGAIN, OWN = 4, 5
"""Every so manieth run is killed once more while it is resumed, and resumed in the end in a process of its own."""
ANY = re.compile(r"[0-9a-f]{32,}|\d+\.\d+(?=\.tmp)")
"""What differs from run to run in the name of a file: ids, keys of work units, numbers of processes."""
OF_THE_STORE = ("/mlruns/mlflow.unfinished", "/mlruns/mlflow.lock")
Failures = Iterator[str]


# ----------------------------------------------------------------------------------------------------- random moments


def undisturbed(place: Place) -> float:
    """Run to the end, in a process of its own; returns the CPU seconds of the whole tree."""
    before = os.times()
    process = place.started(*place.run("--jobs", "2", "--quiet"))
    _, printed = process.communicate()
    assert process.returncode == 0, printed
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def kill(process: subprocess.Popen[str], *, tree: bool) -> None:
    """SIGKILL to a process, or to all of its group."""
    if process.poll() is None:
        (os.killpg if tree else os.kill)(process.pid, signal.SIGKILL)
    process.communicate()


def resumed_in_own_process(place: Place, results: dict[str, bytes]) -> Failures:
    """What is wrong after a run was resumed with two jobs."""
    before = ledger_bytes(place)
    process = place.started(*place.run("--jobs", "2", "--quiet", "--resume"))
    _, printed = process.communicate()
    if process.returncode:
        yield f"resuming ended with exit code {process.returncode}: {printed}"
    else:
        yield from faults_after(place, results, before)


def random_kills(
    copy: Callable[[str], Place],
    n: int,
    rng: np.random.Generator,
    note: Callable[[str, list[str]], None],
    resumed: Callable[[Place, dict[str, bytes]], Failures] = resumed_in_own_process,
) -> None:
    """`n` runs killed at random moments of their CPU time, every fourth once more, and resumed."""
    plain = copy("undisturbed")
    cpu = undisturbed(plain)
    results = results_of(plain)
    print(f"  undisturbed: {cpu:.1f} CPU s, {len(results)} files compared", flush=True)
    for trial in range(n):
        place, reached = copy(f"killed-{trial}"), ""
        moments = [rng.uniform(0, cpu), *([rng.uniform(0, cpu / 2)] if trial % AGAIN == AGAIN - 1 else [])]
        jobs, tree = "12"[trial % 2], bool(trial // 2 % 2)
        for again, seconds in enumerate(moments):
            process = place.started(*place.run("--jobs", jobs, "--quiet", *["--resume"] * again))
            wait_for_cpu(process, seconds)
            kill(process, tree=tree)
            reached = reached or stage_reached(place)
        how = resumed_in_own_process if trial % OWN == 0 else resumed
        failures = list(how(place, results))
        note(reached, [f"killed {trial} at {moments} s, jobs {jobs}, tree {tree}: {each}" for each in failures])
        if not failures:
            shutil.rmtree(place.folder)


def random_kills_of_the_small_study(ground: Ground, n: int, rng: np.random.Generator, note: Callable) -> None:
    """`random_kills`, most of them resumed in a fork, which is sooner there."""
    with warm_process(ground) as warm:
        random_kills(ground.copy, n, rng, note, partial(faults_resumed, warm))


def demo_copies(folder: Path) -> Callable[[str], Place]:
    """Copies of the demo study, made once."""
    from workbench import pipeline

    made = folder / "demo-made"
    pipeline.simulate_study(made, preset="demo")
    pipeline.freeze([DEMO[0]], study=made)

    def copy(name: str) -> Place:
        place = Place(folder / f"demo-{name}", DEMO)
        shutil.copytree(made, place.study)
        return place

    return copy


# ------------------------------------------------------------------------------------------------- every writing call


def killed_at_every_call(ground: Ground, rng: np.random.Generator, part: tuple[int, int], note: Callable) -> None:
    """The run killed in the place of each of its calls, or of each `of`-th, and resumed, in forks."""
    with warm_process(ground) as warm:
        for with_store in (True, False):
            counted = ground.copy(f"counted-{with_store}", with_store=with_store)
            calls = warm.calls(counted, *ONE_JOB)
            chosen = ends_of_kinds(calls)[part[0] :: part[1]]
            if not with_store:
                chosen = calls_of_the_store(calls, rng) if part[0] == 0 else []
            print(f"  {len(calls)} calls, {len(chosen)} of them taken", flush=True)
            results = results_of(counted)
            for done, number in enumerate(chosen):
                if done % 50 == 0:
                    print(f"  {time.strftime('%H:%M')} {done} of {len(chosen)}", flush=True)
                place = ground.copy(f"call-{number}-{with_store}", with_store=with_store)
                failures = list(killed_at(warm, place, number, results))
                call, path = calls[number - 1]
                note(f"{call}", [f"call {number} ({call} {path}): {each}" for each in failures])
                if not failures:
                    shutil.rmtree(place.folder)


def killed_at(warm: Warm, place: Place, number: int, results: dict[str, bytes]) -> Failures:
    """What is wrong after the run was killed in the place of one call, and resumed."""
    ended = warm.run(place, *ONE_JOB, fault=Fault(number, signal=signal.SIGKILL))
    if ended.code != -signal.SIGKILL and ended.calls >= number:
        yield f"ended with {ended.code} in place of being killed: {ended.printed}"
    yield from faults_resumed(warm, place, results)


def ends_of_kinds(calls: list[tuple[str, str]]) -> list[int]:
    """Numbers of all calls: first the first and the last of each kind on each kind of file, then those between."""
    kinds: dict[tuple[str, str], list[int]] = {}
    for number, (call, path) in enumerate(calls, start=1):
        kinds.setdefault((call, ANY.sub("*", path)), []).append(number)
    ends = sorted({number for numbers in kinds.values() for number in (numbers[0], numbers[-1])})
    return [*ends, *sorted(set(range(1, len(calls) + 1)) - set(ends))]


def calls_of_the_store(calls: list[tuple[str, str]], rng: np.random.Generator) -> list[int]:
    """The same while MLflow's tables are built, and of those between ten at random."""
    every = [number for number, (_, path) in enumerate(calls, start=1) if path.startswith(OF_THE_STORE)]
    ends = ends_of_kinds([calls[number - 1] for number in every])[: 2 * len({calls[number - 1] for number in every})]
    return sorted({every[number - 1] for number in ends} | {int(each) for each in rng.choice(every, 10, replace=False)})


# ------------------------------------------------------------------------------------------------------------- Ctrl-C


def interrupted(place: Place, words: tuple[str, ...], moments: list[float]) -> tuple[int, Failures]:
    """Exit code of a command that had Ctrl-C after so many CPU seconds each, and what is wrong with how it ended."""
    heeds = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
    process = place.started(*words, **heeds)
    for seconds in moments:
        wait_for_cpu(process, seconds)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
    try:
        _, printed = process.communicate(timeout=120)
    except subprocess.TimeoutExpired:
        kill(process, tree=True)
        return -1, iter(["goes on for two minutes after Ctrl-C"])
    return process.returncode, _faults_of_interrupt(place, process.returncode, printed)


def _faults_of_interrupt(place: Place, code: int, printed: str) -> Failures:
    if code not in (0, 130):
        yield f"exit code {code}: {printed}"
    lines = [line for line in printed.splitlines() if line.startswith("Stopped")]
    if code == 130 and len(lines) != 1:
        yield f"{len(lines)} lines say that it was stopped: {printed}"
    for word in ("Traceback", "Exception ignored", "KeyboardInterrupt", "bug", "Error"):
        if word in printed:
            yield f"{word} in what it prints: {printed}"
    yield from left_over(place)


def interrupts(ground: Ground, n: int, rng: np.random.Generator, note: Callable) -> None:
    """Ctrl-C at random moments of `run`, resumed, and of other commands, run again."""
    plain = ground.copy("for-interrupts")
    cpu, heard = undisturbed(plain), heard_from()
    results = results_of(plain)
    with warm_process(ground) as warm:
        for trial in range(n):
            place, moments, jobs = (
                ground.copy(f"interrupted-{trial}"),
                moments_of(heard, cpu, trial, rng),
                "12"[trial % 2],
            )
            code, wrong = interrupted(place, place.run("--jobs", jobs, "--quiet"), moments)
            failures = [*wrong, *faults_resumed(warm, place, results)]
            note(f"run, exit code {code}", [f"run, jobs {jobs}, interrupted at {moments}: {each}" for each in failures])
            if not failures:
                shutil.rmtree(place.folder)
    out = str(ground.folder / "out")
    for words in (("features",), ("check",), ("export", "--to", out, "--force"), ("report",)):
        interrupt_command(plain, words, max(1, n // 4), rng, note)


def interrupt_command(place: Place, words: tuple[str, ...], n: int, rng: np.random.Generator, note: Callable) -> None:
    """Ctrl-C at random moments of a command that is not resumed, which must work afterwards as before."""
    before = os.times()
    _, printed = (process := place.started(*place.command(*words))).communicate()
    assert process.returncode == 0, printed
    cpu, heard = os.times().children_user - before.children_user, heard_from()
    for trial in range(n):
        shutil.rmtree(place.study / "features" / "tables", ignore_errors=True)
        moments = moments_of(heard, cpu, trial, rng)
        code, wrong = interrupted(place, place.command(*words), moments)
        note(f"{words[0]}, exit code {code}", [f"{words[0]} interrupted at {moments}: {each}" for each in wrong])
    _, printed = (process := place.started(*place.command(*words))).communicate()
    note(f"{words[0]} again", [printed] if process.returncode else [])


def heard_from() -> float:
    """CPU seconds after which a process hears Ctrl-C as the workbench has it, the slowest of some."""
    commands = [[sys.executable, "-P", "-c", FIRST_LINE]] * 5
    return max(float(subprocess.run(command, capture_output=True, check=True).stdout) for command in commands)


def moments_of(heard: float, cpu: float, trial: int, rng: np.random.Generator) -> list[float]:
    """A random moment from the first line of the workbench on; every third trial has a second one soon after."""
    first = float(rng.uniform(heard, cpu))
    return [first, first + float(rng.uniform(0, 0.1))] if trial % 3 == 2 else [first]


# --------------------------------------------------------------------------------------------------------------- whole


def main() -> None:
    """Run the parts that were named, or all."""
    parser = arguments(__doc__ or "")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)} (default: all)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kills", type=int, default=45, help="random kills of the small study")
    parser.add_argument("--of", type=int, default=10, help="one call in so many; 1 for every call, 40 CPU minutes")
    parser.add_argument("--from", type=int, default=0, dest="first", help="with --of: which of so many")
    parser.add_argument("--keep", type=Path, help="an empty folder to work in; places of failures stay there")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"{', '.join(sorted(unknown))}: the parts are {', '.join(PARTS)}")
    print_machine("numpy", "mlflow")
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="kills-", ignore_cleanup_errors=True) as temporary:
        ground = Ground(options.keep or Path(temporary)).make()
        for part in options.parts or PARTS:
            counts, failures = Counter[str](), list[str]()

            def note(kind: str, wrong: list[str], counts=counts, failures=failures) -> None:
                counts[kind] += 1
                failures += wrong
                for each in wrong:
                    print(f"  FAILED {each}", flush=True)

            print(f"{part}:", flush=True)
            PARTS[part](ground, options, np.random.default_rng(options.seed), note)
            n = sum(counts.values())
            print(f"  {n} trials ({', '.join(f'{kind} {count}' for kind, count in counts.most_common())})")
            print(f"  {len(failures)} failures; the bar is 0", flush=True)
            figures |= {f"kills_{part}_n": n, f"kills_{part}_failures": len(failures)}
    print_result(figures)
    sys.exit(any(value for name, value in figures.items() if name.endswith("failures")))


PARTS: dict[str, Callable] = {
    "random": lambda ground, options, rng, note: random_kills_of_the_small_study(
        ground, 4 if options.quick else options.kills, rng, note
    ),
    "demo": lambda ground, options, rng, note: random_kills(
        demo_copies(ground.folder), 1 if options.quick else 5, rng, note
    ),
    "syscalls": lambda ground, options, rng, note: killed_at_every_call(
        ground, rng, (options.first, 50 if options.quick else options.of), note
    ),
    "disk": lambda ground, options, rng, note: full_disks(ground, note),
    "readonly": lambda ground, options, rng, note: read_only(ground, note),
    "interrupts": lambda ground, options, rng, note: interrupts(ground, 4 if options.quick else 20, rng, note),
}

if __name__ == "__main__":
    main()
