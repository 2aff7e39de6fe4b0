"""What each modality adds to a prediction: the whole procedure refitted with every set of the modalities (METHODS 2.9).

With v(S) the R2 of the nested procedure with the modalities S, on the participants and folds of the run and relative
to its reference, the Shapley value of modality m is the mean of v(S + m) - v(S) over all orders in which modalities
can be added. The nuisance block is held fixed in every S, so v of no modality is 0, and the values add up to the R2 of
the run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import combinations
from math import factorial
from typing import TYPE_CHECKING

import numpy as np

from workbench.evaluation.increment import clinical_models, delta_r2
from workbench.evaluation.inference import p_value, permuted_r2
from workbench.evaluation.intervals import increment_interval, r2_interval, ratio_interval
from workbench.evaluation.metrics import HeldOutLosses, held_out_losses
from workbench.evaluation.refits import Fits, FitUnits, fit_one, in_memory, renamed
from workbench.models.estimators import as_permuted, make_learner
from workbench.models.nested_cv import ORDER
from workbench.records import (
    Dataset,
    FeatureBlock,
    FeatureBlocks,
    Harmonisation,
    ModalityValue,
    ModalityValues,
    Notice,
    SubsetValue,
    UnitResult,
    WorkUnit,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from workbench.specs.experiment import ValidationSpec
    from workbench.specs.learners import LearnerSpec

    Floats = NDArray[np.float64]

FEWEST, MOST = 2, 5
"""Modalities that are taken apart: more would be 2^6 refits of the run or more."""
Subset = tuple[str, ...]
"""Modalities in the order of their names."""


@dataclass(frozen=True, eq=False)
class SubsetFits:
    """The run once more with every proper set of its modalities.

    Attributes
    ----------
    run : mapping of tuple of str to sequence of UnitResult
        In the folds of the run, by the modalities; without the empty set and without that of all.
    of_interval : mapping of tuple of str to sequence of UnitResult
        The same in the division that intervals come from; empty where that is the run's own.
    permuted : bool
        Whether permuted outcomes went through `run`.
    """

    run: Mapping[Subset, Sequence[UnitResult]]
    of_interval: Mapping[Subset, Sequence[UnitResult]] = field(default_factory=dict)
    permuted: bool = False


# -------------------------------------------------------------------------------------------------- what is refitted


def modality_names(dataset: Dataset) -> Subset:
    """The modalities of a feature set, sorted.

    Parameters
    ----------
    dataset : Dataset

    Returns
    -------
    tuple of str
    """
    return tuple(sorted(set(dataset.features["modality"].astype(str))))


def proper_subsets(modalities: Subset) -> Iterator[Subset]:
    """Every set of the modalities but the empty one and that of all, small ones first.

    Parameters
    ----------
    modalities : tuple of str

    Yields
    ------
    tuple of str
    """
    for size in range(1, len(modalities)):
        yield from combinations(modalities, size)


def can_be_taken_apart(dataset: Dataset) -> bool:
    """Whether a feature set has 2 to `MOST` modalities.

    Parameters
    ----------
    dataset : Dataset

    Returns
    -------
    bool
    """
    return FEWEST <= len(modality_names(dataset)) <= MOST


def takes_apart(dataset: Dataset, validation: ValidationSpec, learner: LearnerSpec) -> bool:
    """Whether a run is refitted with every set of its modalities.

    Parameters
    ----------
    dataset : Dataset
    validation : ValidationSpec
        Its `modality_values` decides, where it is given.
    learner : LearnerSpec

    Returns
    -------
    bool
        Never with one modality, nor with more than `MOST`.
    """
    if not can_be_taken_apart(dataset):
        return False
    asked = validation.modality_values
    return make_learner(learner).batched if asked is None else asked


def in_words(modalities: Subset, time: str, *, taken_apart: bool) -> str:
    """What is refitted for it, or would be, for whoever plans a run.

    Parameters
    ----------
    modalities : tuple of str
    time : str
        What it costs, in words.
    taken_apart : bool
        Whether the run does it.

    Returns
    -------
    str

    Examples
    --------
    >>> in_words(("PET", "task"), "under a minute", taken_apart=True)
    'PET, task: refitted in 2 smaller sets to say what each adds (under a minute of the time on 1 core)'
    """
    names, sets = ", ".join(modalities), 2 ** len(modalities) - 2
    if taken_apart:
        return f"{names}: refitted in {sets} smaller sets to say what each adds ({time} of the time on 1 core)"
    return f"{names}: what each adds is not worked out; modality_values = true refits {sets} smaller sets ({time})"


def too_many(dataset: Dataset, validation: ValidationSpec) -> Notice | None:
    """Why nothing is said of single modalities although it was asked for.

    Parameters
    ----------
    dataset : Dataset
    validation : ValidationSpec

    Returns
    -------
    Notice or None
        None where it is said, or was not asked for.
    """
    n = len(modality_names(dataset))
    if n <= MOST or not validation.modality_values:
        return None
    return Notice(
        f"what each of the {n} modalities adds is not worked out: that takes {2**n} refits of the run, and at most "
        f"{MOST} modalities are taken apart; name fewer sources in a feature set",
        severity="note",
    )


def with_modalities(dataset: Dataset, chosen: Sequence[str]) -> Dataset:
    """The dataset with the features of some modalities, everyone and everything else as it was.

    Where rows lack blocks, a block of another modality stays without its features, so that who has which modality is
    known in every set of them, and no row is lost.

    Parameters
    ----------
    dataset : Dataset
    chosen : sequence of str

    Returns
    -------
    Dataset
    """
    keep = dataset.features["modality"].isin(list(chosen)).to_numpy()
    blocks, first = [], 0
    for block in dataset.feature_blocks.blocks:
        own = keep[first : first + len(block.features)]
        first += len(own)
        if own.any() or not dataset.complete:
            blocks.append(_with_columns(block, own))
    return replace(
        dataset,
        feature_blocks=FeatureBlocks(tuple(blocks)),
        harmonisation=_harmonised(dataset.harmonisation, keep),
        unobserved=None,
    )


def _with_columns(block: FeatureBlock, keep: NDArray[np.bool_]) -> FeatureBlock:
    """A block with some of its features; a view of its values where it keeps all or none."""
    if keep.all():
        return block
    values = block.values[:, keep] if keep.any() else block.values[:, :0]
    return replace(block, features=block.features[keep].reset_index(drop=True), values=values)


def _harmonised(harmonisation: Harmonisation | None, keep: NDArray[np.bool_]) -> Harmonisation | None:
    """The harmonisation of the features that are kept, at their new positions."""
    if harmonisation is None:
        return None
    kept = keep[harmonisation.columns]
    position = np.cumsum(keep) - 1
    columns = position[harmonisation.columns[kept]]
    return replace(harmonisation, columns=columns, pools=harmonisation.pools[kept]) if len(columns) else None


def serves_all(learner: LearnerSpec, targets: Mapping[str, Floats]) -> bool:
    """Whether permuted outcomes go through the refits too: where all of them are served at once."""
    return targets["main"].shape[1] > 1 and make_learner(learner).batched and ORDER not in targets


def fit_subsets(
    run: Fits,
    of_interval: Fits | None,
    learner: LearnerSpec,
    targets: Mapping[str, Floats],
    *,
    fit_units: FitUnits = in_memory,
    progress: Callable[[int, int], None] | None = None,
) -> SubsetFits:
    """The run once more with every proper set of its modalities: same participants, folds, seeds and targets.

    Of single modalities the increment over the clinical model is fitted as well. Where permuted outcomes are not
    served at once, only the observed one is refitted, tuned as the run was.

    Parameters
    ----------
    run : Fits
    of_interval : Fits or None
        The division that intervals come from, where it is not that of the run.
    learner : LearnerSpec
    targets : mapping of str to ndarray of shape (n_rows, 1 + n_permutations)
        Of the run.
    fit_units : callable
        Fits and perhaps stores the units.
    progress : callable
        Called with units done and units in all.

    Returns
    -------
    SubsetFits

    Raises
    ------
    FitError
        If the procedure cannot be fitted with one of the sets.
    """
    permuted = serves_all(learner, targets)
    observed = {name: np.ascontiguousarray(targets[name][:, :1]) for name in ("main", "increment") if name in targets}
    tuned = as_permuted(learner) if targets["main"].shape[1] > 1 else learner
    subsets = list(proper_subsets(modality_names(run.dataset)))
    divisions = [(run, learner, targets) if permuted else (run, tuned, observed)]
    if of_interval is not None:
        divisions.append((of_interval, tuned, observed))
    in_all = len(subsets) * sum(len(division.units) for division, _, _ in divisions)
    fitted: list[dict[Subset, Sequence[UnitResult]]] = []
    done = 0
    for division, spec, outcomes in divisions:
        fitted.append({})
        for subset in subsets:
            advance = None if progress is None else partial(_advance, progress, done, in_all)
            fitted[-1][subset] = _fit_subset(division, subset, spec, outcomes, fit_units, advance)
            done += len(division.units)
    return SubsetFits(fitted[0], fitted[1] if len(fitted) > 1 else {}, permuted)


def _advance(progress: Callable[[int, int], None], before: int, in_all: int, done: int, _: int) -> None:
    progress(before + done, in_all)


def _fit_subset(
    division: Fits,
    subset: Subset,
    learner: LearnerSpec,
    targets: Mapping[str, Floats],
    fit_units: FitUnits,
    progress: Callable[[int, int], None] | None,
) -> Sequence[UnitResult]:
    dataset = with_modalities(division.dataset, subset)
    units = [_unit_of(unit, division.dataset, subset, targets) for unit in division.units]
    batched = make_learner(learner).batched and ORDER not in targets
    fit = partial(fit_one, dataset=dataset, learner=learner, targets=targets)
    return fit_units(fit, units, batched=batched, progress=progress)


def _unit_of(unit: WorkUnit, dataset: Dataset, subset: Subset, targets: Mapping[str, Floats]) -> WorkUnit:
    """A unit of the run with some of the modalities: its key also says which features these are."""
    wanted = ("main", "increment") if len(subset) == 1 else ("main",)
    procedures = tuple(name for name in wanted if name in unit.procedures)
    keep = dataset.features["modality"].isin(subset).to_numpy()
    features = hashlib.sha256(np.packbits(keep).tobytes()).hexdigest()
    n_targets = targets["main"].shape[1]
    return renamed(replace(unit, procedures=procedures), "modalities", unit, list(subset), features, n_targets)


# ------------------------------------------------------------------------------------------------------- reduction


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

    References
    ----------
    Shapley, L. S. (1953). Contributions to the Theory of Games II, 307-317. Covert, I., Lundberg, S., & Lee, S.-I.
    (2020). NeurIPS 33, 17212-17223 (of predictive power). Lei, J. et al. (2018). JASA 113, 1094-1111 (leaving
    covariates out).
    """
    modalities = modality_names(run.dataset)
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
