"""Seconds by stage: which part of a command takes how long, each second counted once.

Not a benchmark itself: a script imports it as a sibling, ``from _clock import Clock``.
"""

from __future__ import annotations

import importlib
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from typing import Any


class Clock:
    """Wall and CPU seconds by stage, on one thread; what a stage calls is counted there, not in the stage."""

    def __init__(self) -> None:
        self.wall: dict[str, float] = defaultdict(float)
        self.cpu: dict[str, float] = defaultdict(float)
        self._inside: list[tuple[float, float]] = []

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count this block."""
        self._inside.append((0.0, 0.0))
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            yield
        finally:
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            wall_inside, cpu_inside = self._inside.pop()
            self.wall[name] += wall - wall_inside
            self.cpu[name] += cpu - cpu_inside
            if self._inside:
                outer_wall, outer_cpu = self._inside[-1]
                self._inside[-1] = outer_wall + wall, outer_cpu + cpu

    def around(self, run: Callable[..., Any], name: str) -> Callable[..., Any]:
        """The same function, counted."""

        @wraps(run)
        def counted(*arguments: Any, **options: Any) -> Any:
            with self.stage(name):
                return run(*arguments, **options)

        return counted

    def watch(self, stages: Mapping[str, Mapping[str, str]]) -> None:
        """Count functions, by module and name, under the name of their stage, wherever their module calls them."""
        for module_name, functions in stages.items():
            module = importlib.import_module(module_name)
            for function, name in functions.items():
                setattr(module, function, self.around(getattr(module, function), name))
