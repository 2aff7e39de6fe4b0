"""Random numbers by name, so that changing one part of a trial never changes the draws of another."""

from __future__ import annotations

import zlib

import numpy as np


def stream(seed: int, *component: str) -> np.random.Generator:
    """The generator of one component of one trial.

    Parameters
    ----------
    seed : int
        Of the trial.
    *component : str
        What is drawn, such as ``"task", "noise", "ses-b0"``. The name decides the stream, not the order of the calls.

    Returns
    -------
    Generator
        Of numpy, at its beginning: two calls give the same numbers.
    """
    spawn_key = (zlib.crc32("/".join(component).encode()),)
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=spawn_key))
