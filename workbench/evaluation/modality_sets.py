"""A run once more with every set of its modalities: which sets, of whom, and with what (METHODS 2.9)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from workbench.evaluation.refits import Fits, FitUnits, fit_again, fit_one, in_memory, renamed
from workbench.models.estimators import as_permuted, make_learner
from workbench.models.nested_cv import ORDER, target_matrices
from workbench.models.splitters import for_interval
from workbench.records import (
    Dataset,
    FeatureBlock,
    FeatureBlocks,
    Harmonisation,
    Notice,
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
    modalities : tuple of str
        All that were taken apart.
    permuted : bool
        Whether permuted outcomes went through `run`.
    complete : tuple of Fits and SubsetFits, or None
        The same of those who have every modality, observed outcome only, where others lack some.
    """

    run: Mapping[Subset, Sequence[UnitResult]]
    of_interval: Mapping[Subset, Sequence[UnitResult]] = field(default_factory=dict)
    modalities: Subset = ()
    permuted: bool = False
    complete: tuple[Fits, SubsetFits] | None = None


def modality_names(dataset: Dataset, learner: LearnerSpec) -> Subset:
    """The modalities that a run predicts from, sorted.

    Parameters
    ----------
    dataset : Dataset
    learner : LearnerSpec
        Late fusion may be told to use some of them.

    Returns
    -------
    tuple of str
    """
    names = set(dataset.features["modality"].astype(str))
    chosen = getattr(learner, "modalities", ())
    return tuple(sorted(names.intersection(chosen) if chosen else names))


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


def can_be_taken_apart(dataset: Dataset, learner: LearnerSpec) -> bool:
    """Whether a run predicts from 2 to `MOST` modalities.

    Parameters
    ----------
    dataset : Dataset
    learner : LearnerSpec

    Returns
    -------
    bool
    """
    return FEWEST <= len(modality_names(dataset, learner)) <= MOST


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
    if not can_be_taken_apart(dataset, learner):
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
    >>> in_words(("PET", "task"), "about 8 s", taken_apart=True)
    'PET, task: refitted in 2 smaller sets to say what each adds (about 8 s of the time on 1 core)'
    """
    names, sets = ", ".join(modalities), 2 ** len(modalities) - 2
    if taken_apart:
        return f"{names}: refitted in {sets} smaller sets to say what each adds ({time} of the time on 1 core)"
    return f"{names}: what each adds is not worked out; modality_values = true refits {sets} smaller sets ({time})"


def too_many(dataset: Dataset, validation: ValidationSpec, learner: LearnerSpec) -> Notice | None:
    """Why nothing is said of single modalities although it was asked for.

    Parameters
    ----------
    dataset : Dataset
    validation : ValidationSpec
    learner : LearnerSpec

    Returns
    -------
    Notice or None
        None where it is said, or was not asked for.
    """
    n = len(modality_names(dataset, learner))
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
    modalities = modality_names(run.dataset, learner)
    subsets = list(proper_subsets(modalities))
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
    return SubsetFits(fitted[0], fitted[1] if len(fitted) > 1 else {}, modalities, permuted)


def fit_complete_cases(
    dataset: Dataset, validation: ValidationSpec, learner: LearnerSpec, fit_units: FitUnits = in_memory
) -> tuple[Fits, SubsetFits]:
    """Those who have every modality by themselves, with every set of the modalities; observed outcome only.

    They are divided into folds of their own, repeated 5-fold where the run has an interval.

    Parameters
    ----------
    dataset : Dataset
        With rows that lack modalities.
    validation : ValidationSpec
        Of the run.
    learner : LearnerSpec
    fit_units : callable
        Fits and perhaps stores the units.

    Returns
    -------
    tuple of Fits and SubsetFits

    Raises
    ------
    FitError
        If they are too few.
    """
    own = replace(dataset.having_all().without_availability(), unobserved=None)
    tuned = as_permuted(learner) if validation.permutations else learner
    observed = validation.model_copy(update={"permutations": 0})
    division = for_interval(own, observed, tuned) or (own, observed, tuned)
    run = fit_again(*division, fit_units)
    return run, fit_subsets(run, None, tuned, target_matrices(own, observed), fit_units=fit_units)


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
