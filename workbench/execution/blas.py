"""One linear-algebra thread in whatever process fits, so that sums are made in one order on every machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_found: tuple[int, Any] = (0, None)
"""How many modules were imported when libraries were last looked for, and those that were found."""


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """One BLAS and OpenMP thread, whatever the machine: sums in one order, and no threads fighting over cores."""
    limits = pin_blas()
    try:
        yield
    finally:
        limits.restore_original_limits()


def pin_blas() -> Any:
    """One BLAS and OpenMP thread from now on.

    Returns
    -------
    threadpool_limits
        Can restore what there was before.
    """
    import scipy.linalg  # noqa: F401  (loads its own BLAS, which would not be pinned if it came later)

    return _libraries().limit(limits=1)


def _libraries() -> Any:
    """Libraries that have threads; looked for, which takes longer than a small fit, only where more was imported."""
    global _found
    import sys

    from threadpoolctl import ThreadpoolController

    imported, libraries = len(sys.modules), _found[1]
    if imported != _found[0]:
        libraries = ThreadpoolController()
        _found = imported, libraries
    return libraries
