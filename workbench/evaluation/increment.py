"""What the features add to the clinical model: incremental R2, its interval and its permutation test (METHODS 2.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from workbench.evaluation.inference import permutation_test
from workbench.evaluation.intervals import increment_interval
from workbench.evaluation.metrics import HeldOutLosses, held_out_losses
from workbench.records import Increment

if TYPE_CHECKING:
    from workbench.evaluation.refits import Fits


def increment(run: Fits, of_interval: Fits, permuted: np.ndarray, *, scheme: str, refused: str) -> Increment:
    """What the features add to the best clinical model; the baseline gets its best shot.

    Parameters
    ----------
    run : Fits
        With procedure *increment* and at least one clinical model among those of its units.
    of_interval : Fits
        The division that intervals come from.
    permuted : ndarray of shape (1 + n_permutations,)
        r2 of *increment*, the observed one first.
    scheme, refused : str
        How outcomes are permuted, in words; why no p-value may be given, empty where one may.

    Returns
    -------
    Increment
    """

    def losses(procedure: str, fits: Fits = run) -> HeldOutLosses:
        return held_out_losses(run.dataset, fits.units, fits.results, procedure)

    baselines = {name: losses(name) for name in clinical_models(run)}
    best = min(baselines, key=lambda name: (float(baselines[name].model.sum()), name))
    joint = "joint" in run.results[0].procedures
    held = f"{scheme}; the clinical variables held fixed as well"
    tested = len(permuted) > 1 or refused
    return Increment(
        delta_r2=delta_r2(baselines[best], losses("increment")),
        interval=increment_interval(losses(best, of_interval), losses("increment", of_interval)),
        test=permutation_test(permuted, scheme=held, refused=refused) if tested else None,
        against=best,
        joint_delta_r2=delta_r2(baselines[best], losses("joint")) if joint else float("nan"),
    )


def clinical_models(run: Fits) -> list[str]:
    """Clinical models among the procedures of a run.

    Parameters
    ----------
    run : Fits

    Returns
    -------
    list of str
        Names of procedures, such as ``clinical_ols``.
    """
    return [name for name in run.results[0].procedures if name.startswith("clinical")]


def delta_r2(clinical: HeldOutLosses, added: HeldOutLosses) -> float:
    """(SSE of clinical - SSE of clinical and features) / SSE of the training mean, by repeat, averaged over repeats.

    Parameters
    ----------
    clinical, added : HeldOutLosses
        Of the clinical model, and of the clinical variables with the features.

    Returns
    -------
    float
    """
    return float(np.mean((clinical.model - added.model).sum(axis=0) / added.mean.sum(axis=0)))
