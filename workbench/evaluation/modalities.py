"""What each modality adds to a prediction: the whole procedure refitted with every set of the modalities (METHODS 2.9).

With v(S) the R2 of the nested procedure with the modalities S, on the participants and folds of the run and relative
to its reference, the Shapley value of modality m is the mean of v(S + m) - v(S) over all orders in which modalities
can be added. The nuisance block is held fixed in every S, so v of no modality is 0, and the values add up to the R2 of
the run. What is refitted is in `modality_sets`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import factorial
from typing import TYPE_CHECKING

import numpy as np

from workbench.evaluation.increment import clinical_models, delta_r2
from workbench.evaluation.inference import p_value, permuted_r2
from workbench.evaluation.intervals import increment_interval, r2_interval, ratio_interval
from workbench.evaluation.metrics import HeldOutLosses, held_out_losses
from workbench.evaluation.modality_sets import Subset, SubsetFits
from workbench.evaluation.refits import Fits
from workbench.records import ModalityValue, ModalityValues, SubsetValue, UnitResult

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


def modality_values(
    run: Fits, of_interval: Fits, fits: SubsetFits, *, permuted_refused: bool = False
) -> ModalityValues:
    """Shapley values, ablation, each modality alone, and the increment of each over the clinical model.

    The interval of a Shapley value is that of R2 (`ratio_interval`) for the loss L(none) - d in place of the model's,
    where d_i = sum over S of c_S [L_i(S) - L_i(S + m)], c_S = |S|! (M - |S| - 1)! / M!, L_i(S) the squared error for
    participant i with the modalities S and L_i(none) that of the reference. The interval of an ablation is that of the
    ratio L(all) / L(all but m), as of every increment.

    Parameters
    ----------
    run : Fits
        With the reference that the run is scored against.
    of_interval : Fits
        The division that intervals come from.
    fits : SubsetFits
        From `fit_subsets`.
    permuted_refused : bool
        The design allows no p.

    Returns
    -------
    ModalityValues
        With those of complete cases beside, where these were fitted.

    References
    ----------
    Shapley, L. S. (1953). Contributions to the Theory of Games II, 307-317. Covert, I., Lundberg, S., & Lee, S.-I.
    (2020). NeurIPS 33, 17212-17223 (of predictive power). Lei, J. et al. (2018). JASA 113, 1094-1111 (leaving
    covariates out).
    """
    modalities = fits.modalities
    of_run = _losses(run, fits.run, modalities)
    of_five = _losses(of_interval, fits.of_interval, modalities) if fits.of_interval else of_run
    permuted = _permuted_values(run, fits, modalities) if fits.permuted and not permuted_refused else None
    n_features = run.dataset.features["modality"].astype(str).value_counts()
    values = []
    for modality in modalities:
        value = _value_of(modality, of_run, of_five, n_features=int(n_features[modality]))
        if permuted is not None:
            observed, *null = permuted[modality]
            value = replace(value, global_null_p=p_value(observed, np.asarray(null)))
        values.append(_with_increment(value, run, of_interval, fits, refused=permuted_refused))
    return ModalityValues(
        values=tuple(values),
        subsets=tuple(SubsetValue(subset, of_run.r2(subset)) for subset in of_run.of_subset),
        n_participants=run.dataset.n_participants,
        n_permutations=0 if permuted is None else len(permuted[modalities[0]]) - 1,
        complete=None if fits.complete is None else modality_values(fits.complete[0], *fits.complete),
    )


@dataclass(frozen=True, eq=False)
class _SubsetLosses:
    """Losses of every set of modalities, (n_groups, n_repeats) each; that of none are those of the reference."""

    modalities: Subset
    of_subset: Mapping[Subset, Floats]
    whole: HeldOutLosses

    def r2(self, subset: Subset) -> float:
        """R2 of a set of modalities, averaged over repeats."""
        return float(np.mean(1 - self.of_subset[subset].sum(axis=0) / self.whole.reference.sum(axis=0)))

    def saved(self, modality: str) -> Floats:
        """d: the loss that a modality saves, by group and repeat, averaged over the orders of all modalities."""
        saved = np.zeros_like(self.whole.reference)
        for weight, without, beside in marginal_terms(self.modalities, modality):
            saved += weight * (self.of_subset[without] - self.of_subset[beside])
        return saved


def marginal_terms(modalities: Subset, modality: str) -> Iterator[tuple[float, Subset, Subset]]:
    """Weight |S|! (M - |S| - 1)! / M!, the set S, and the set with the modality, for every S without it.

    Parameters
    ----------
    modalities : tuple of str
        All M of them.
    modality : str

    Yields
    ------
    tuple of float, tuple of str, tuple of str
    """
    others = tuple(name for name in modalities if name != modality)
    for size in range(len(others) + 1):
        weight = factorial(size) * factorial(len(others) - size) / factorial(len(modalities))
        for without in combinations(others, size):
            yield weight, without, tuple(sorted((*without, modality)))


def _losses(fits: Fits, subsets: Mapping[Subset, Sequence[UnitResult]], modalities: Subset) -> _SubsetLosses:
    whole = held_out_losses(*fits, "main")
    of_subset = {
        subset: held_out_losses(fits.dataset, fits.units, results, "main").model for subset, results in subsets.items()
    }
    return _SubsetLosses(modalities, {(): whole.reference, **of_subset, modalities: whole.model}, whole)


def _value_of(modality: str, of_run: _SubsetLosses, of_five: _SubsetLosses, *, n_features: int) -> ModalityValue:
    modalities = of_run.modalities
    others = tuple(name for name in modalities if name != modality)
    whole = of_five.whole
    reference = whole.reference
    left = of_five.of_subset[others]
    share = float(left.sum() / reference.sum()) if reference.sum() > 0 else float("nan")
    what = f"what {modality} adds to R2"
    return ModalityValue(
        modality=modality,
        n_features=n_features,
        shapley=float(np.mean(of_run.saved(modality).sum(axis=0) / of_run.whole.reference.sum(axis=0))),
        interval=ratio_interval(
            whole,
            reference - of_five.saved(modality),
            reference,
            f"{what}, averaged over all orders of the modalities",
        ),
        global_null_p=None,
        alone=of_run.r2((modality,)),
        alone_interval=r2_interval(replace(whole, model=of_five.of_subset[modality,])),
        ablation=of_run.r2(modalities) - of_run.r2(others),
        ablation_interval=ratio_interval(whole, whole.model, left, f"{what} to all other modalities", scale=share),
    )


def _permuted_values(run: Fits, fits: SubsetFits, modalities: Subset) -> dict[str, Floats]:
    """Shapley values of every target, the observed first: all sets of modalities share the permuted outcomes."""
    r2 = {subset: permuted_r2(results, "main") for subset, results in fits.run.items()}
    r2[modalities] = permuted_r2(run.results, "main")
    r2[()] = np.zeros_like(r2[modalities])
    values = {}
    for modality in modalities:
        terms = marginal_terms(modalities, modality)
        values[modality] = np.sum([weight * (r2[beside] - r2[without]) for weight, without, beside in terms], axis=0)
    return values


def _with_increment(
    value: ModalityValue, run: Fits, of_interval: Fits, fits: SubsetFits, *, refused: bool
) -> ModalityValue:
    """With what the modality alone adds to the best clinical model, where there is one."""
    alone = (value.modality,)
    if not clinical_models(run) or "increment" not in fits.run[alone][0].procedures:
        return value

    def losses(division: Fits, results: Sequence[UnitResult], procedure: str) -> HeldOutLosses:
        return held_out_losses(division.dataset, division.units, results, procedure)

    baselines = {name: losses(run, run.results, name) for name in clinical_models(run)}
    best = min(baselines, key=lambda name: (float(baselines[name].model.sum()), name))
    added = losses(run, fits.run[alone], "increment")
    five = fits.of_interval.get(alone, fits.run[alone])
    permuted = permuted_r2(fits.run[alone], "increment")
    tested = len(permuted) > 1 and not refused
    return replace(
        value,
        increment=delta_r2(baselines[best], added),
        increment_interval=increment_interval(
            losses(of_interval, of_interval.results, best), losses(of_interval, five, "increment")
        ),
        increment_p=p_value(float(permuted[0]), permuted[1:]) if tested else None,
    )
