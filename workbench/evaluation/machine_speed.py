"""How fast this machine is beside the one that costs are stated for: a short measurement, once per process.

The stated machine is one core of a 2.6 GHz server processor with OpenBLAS and nothing else to do.
"""

from __future__ import annotations

import time
from functools import lru_cache

STATED_SECONDS = 0.0114
"""CPU seconds of `_work` on the stated machine."""
MEASUREMENTS = 5
SLOWEST, FASTEST = 8.0, 0.25
"""A factor beyond these says more about the moment than about the machine."""


@lru_cache(maxsize=1)
def slowness() -> float:
    """How many times as long this machine takes as the stated one: above 1 it is slower.

    CPU seconds of the same few steps of Python, of small and large products of matrices, of a decomposition and of
    passes through memory: about a tenth of a second. The fastest of five counts, since other work that shares a
    processor for a moment makes it half as slow again.

    Returns
    -------
    float
    """
    from workbench.execution import one_blas_thread

    with one_blas_thread():
        _seconds()  # loads what is loaded once
        taken = min(_seconds() for _ in range(MEASUREMENTS))
    return min(SLOWEST, max(FASTEST, taken / STATED_SECONDS))


def _seconds() -> float:
    start = time.process_time()
    _work()
    return time.process_time() - start


def _work() -> None:
    import numpy as np

    rng = np.random.default_rng(0)
    wide, square = rng.standard_normal((120, 2000)), rng.standard_normal((80, 80))
    gram = wide @ wide.T
    np.linalg.eigh(gram)
    for _ in range(60):
        square = np.clip(square @ square.T / 80.0, -1.0, 1.0)  # nothing that only some processors do many at a time
    total = 0
    for number in range(40_000):
        total += number & 3
    np.square(wide).sum(axis=0)
