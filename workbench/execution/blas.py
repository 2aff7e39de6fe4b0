"""One linear-algebra thread in whatever process fits, so that sums are made in one order on every machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


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
    from threadpoolctl import threadpool_limits

    return threadpool_limits(limits=1)
