"""What becomes of 2,000 bad inputs: refused in one clear line that names the file, or read whole.

    python benchmarks/bad_inputs.py [--inputs 2000] [--seed 0] [--apart 0.05] [--kinds tables images ..] [--show 20]

Specifications, tables, matrices, MATLAB files, workbooks, images, JSON sidecars and what the workbench has stored
are made bad by hypothesis, structure and bytes, in small studies in which nothing else is wrong. `workbench check` or
`workbench features` then meets them, a share (`--apart`) in a process of its own with 4 GB of addresses and without
the rights of root over files.

A failure is a traceback, ten seconds of work or a gigabyte, another exit code than 0 and 2, a message that names no
file or is no clear line, anything written outside of the study, executed or fetched, a stray warning, and a partial
result taken for whole: whatever is accepted is read again by plain other means (`_plain_readers.py`), and must be the
same numbers. The bar is 0 of each.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator

from _bad_inputs import KINDS, BadInput, bad_inputs
from _bad_judge import CLASSES, Failure, judged


def shares(n: int, kinds: list[str]) -> dict[str, int]:
    """How many inputs of each kind."""
    together = sum(KINDS[kind][0] for kind in kinds)
    return {kind: max(1, round(n * KINDS[kind][0] / together)) for kind in kinds}


def main() -> int:
    """Make them, meet them, print what became of them; 1 where anything failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--apart", type=float, default=0.05, help="share that is met in a process of its own")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--show", type=int, default=20, help="failures that are printed")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as state:
        os.environ["WORKBENCH_STATE"] = state
        return count(given)


def count(given: argparse.Namespace) -> int:
    """Meet all inputs, print the table, and say how many failed."""
    begun, failures, refused, slowest, largest = time.process_time(), [], Counter[str](), 0.0, 0.0
    sizes = shares(given.inputs, given.kinds)
    every = max(1, round(1 / given.apart)) if given.apart else 0
    for kind, n in sizes.items():
        for at, bad in enumerate(_drawn(kind, n, given.seed)):
            apart = bool(every) and at % every == every - 1
            outcome, found = judged(bad, apart=apart)
            failures += found
            for failure in found[: max(0, given.show - len(failures) + len(found))]:
                print(failure, flush=True)
            refused[kind] += outcome.code == 2
            slowest = max(slowest, outcome.seconds)
            largest = max(largest, outcome.memory_mb * (not apart))
    by = Counter((each.bad.kind, each.what) for each in failures)
    print(f"{'kind':<12}{'inputs':>7}{'refused':>9}  " + "  ".join(CLASSES))
    for kind, n in sizes.items():
        counts = "  ".join(f"{by[kind, what]:>{len(what)}}" for what in CLASSES)
        print(f"{kind:<12}{n:>7}{refused[kind]:>9}  {counts}")
    n = sum(sizes.values())
    print(f"seed {given.seed}: {n} inputs, {sum(refused.values())} refused, {len(failures)} failures (bar 0)")
    cpu = time.process_time() - begun
    print(f"slowest {slowest:.1f} s (bar 10), most memory {largest:.0f} MB (bar 1024), CPU {cpu:.0f} s")
    print(f"RESULT bad_inputs={n} bad_inputs_failures={len(failures)}")
    return 1 if failures else 0


def _drawn(kind: str, n: int, number: int) -> Iterator[BadInput]:
    drawn = list(bad_inputs(kind, n, number))
    if len(drawn) < n:
        raise SystemExit(f"only {len(drawn)} of {n} {kind} were made")
    yield from drawn


__all__ = ["Failure", "count", "main"]

if __name__ == "__main__":
    sys.exit(main())
