"""Permuted targets: what the outcome would look like were the features useless, with design and nuisance kept.

Permutations are drawn over exchangeable groups of rows. Two groups (people, families, or single rows where nobody has
more than one) are exchangeable when their rows lie in the same exchangeability blocks in the same order, which implies
equal size (Winkler et al. 2014, 2015). With covariates held fixed a continuous outcome is permuted after Freedman and
Lane, a binary one by `conditional_permutation`.
"""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from math import exp, lgamma, log

import numpy as np

from workbench.models.conditional_permutation import conditional_rows
from workbench.models.preprocessing import NuisanceModel, spanning_basis
from workbench.records import Dataset

PERMUTATION_STREAM = 2
"""Spawn key of the permutation stream; the folds and the learners have others (`nested_cv`)."""
MOST_KEPT = 2**22
"""Numbers of rows, over all permutations of the labels of a design, up to which the last few are kept: 32 MB each."""
PROBES = 199
"""Permutations drawn to see whether the covariates held fixed let the labels of a binary outcome move at all."""


def target_matrix(
    y: np.ndarray,
    nuisance: np.ndarray,
    blocks: np.ndarray,
    groups: np.ndarray,
    n_permutations: int,
    seed: int,
    *,
    binary: bool = False,
) -> np.ndarray:
    """Observed outcome and its permutations with the nuisance block held fixed.

    With N = [1 | nuisance] and g its whole-sample least-squares coefficients, e = y - N g, column b > 0 of a continuous
    outcome is ``N g + Pi_b e`` (Freedman and Lane); without nuisance, and of a binary outcome always, it is ``Pi_b y``,
    the observed values bit for bit in another order. Pi_b is that of `outcome_rows`.

    Parameters
    ----------
    y : ndarray of shape (n_rows,)
        Observed outcome.
    nuisance : ndarray of shape (n_rows, n_nuisance)
        N without its intercept, complete values.
    blocks, groups : ndarray of int, shape (n_rows,)
        Exchangeability blocks, and rows that move together.
    binary : bool
        Whether y is 0 or 1.

    Returns
    -------
    ndarray of shape (n_rows, 1 + n_permutations)
        Column 0 is `y`.

    References
    ----------
    Freedman, D., Lane, D. (1983). J. Business & Economic Statistics 1, 292-298.
    Winkler, A. M. et al. (2014). NeuroImage 92, 381-397; (2015). NeuroImage 123, 253-268.
    """
    targets = np.empty((len(y), 1 + n_permutations))
    targets[:, 0] = y
    if n_permutations == 0:
        return targets
    order = outcome_rows(y, nuisance, blocks, groups, n_permutations, seed, binary=binary)
    if nuisance.shape[1] == 0 or binary:
        targets[:, 1:] = np.asarray(y)[order].T
    else:
        explained = _explained(y, nuisance)
        targets[:, 1:] = explained[:, None] + (y - explained)[order].T
    return targets


def permuted_outcomes(dataset: Dataset, nuisance: np.ndarray, n_permutations: int, seed: int) -> np.ndarray:
    """`target_matrix` of a dataset, with these covariates held fixed, and those that a harmonisation preserves.

    Parameters
    ----------
    dataset : Dataset
    nuisance : ndarray of shape (n_rows, n_nuisance)
        Complete values, without intercept.
    n_permutations, seed : int

    Returns
    -------
    ndarray of shape (n_rows, 1 + n_permutations)
        Column 0 is the observed outcome.
    """
    nuisance = beside_preserved(dataset, nuisance)
    return target_matrix(
        dataset.y, nuisance, dataset.blocks, dataset.groups, n_permutations, seed, binary=is_binary(dataset)
    )


def beside_preserved(dataset: Dataset, nuisance: np.ndarray) -> np.ndarray:
    """Covariates that permuted outcomes are held against: N, and what a harmonisation preserves beside it.

    ComBat divides what is left of a feature by the scale of its site, and not the effect that it preserves, estimated
    with noise. Features that know nothing of a preserved covariate come to follow it, and predict an outcome that goes
    with it: 18 of 24 null studies were rejected by outcomes permuted away from it (60 people, 1,000 features, sites
    that differ 3.3-fold in SD, r = .6). Held fixed here, it is in the permuted outcomes as in the observed one.

    Parameters
    ----------
    dataset : Dataset
    nuisance : ndarray of shape (n_rows, n_nuisance)

    Returns
    -------
    ndarray of shape (n_rows, n_columns)
        `nuisance` itself where nothing else is preserved.
    """
    plan = dataset.harmonisation
    if plan is None:
        return nuisance
    known = {tuple(column) for column in nuisance.T.tolist()}
    new = [column for column in plan.batches.preserved.T if tuple(column.tolist()) not in known]
    return np.column_stack([nuisance, *new]) if new else nuisance


def _held(dataset: Dataset) -> tuple[str, ...]:
    """Names of the covariates of `beside_preserved`."""
    plan = dataset.harmonisation
    preserved = () if plan is None else tuple(coding.term for coding in plan.coding)
    return tuple(dict.fromkeys((*dataset.nuisance.variables, *preserved)))


def is_binary(dataset: Dataset) -> bool:
    """Whether the outcome is 0 or 1, so that it is permuted as labels.

    Parameters
    ----------
    dataset : Dataset

    Returns
    -------
    bool
    """
    return dataset.outcome.type == "binary"


def outcome_rows(
    y: np.ndarray,
    nuisance: np.ndarray,
    blocks: np.ndarray,
    groups: np.ndarray,
    n_permutations: int,
    seed: int,
    *,
    binary: bool = False,
) -> np.ndarray:
    """For each permutation, the row whose value every row receives, as the outcome and its covariates allow.

    It depends on the rows, blocks, groups and seed alone, for a binary outcome with nuisance on the outcome and the
    nuisance too, so runs on the same participants share their permutations whatever the features and the model; the
    first B are the same however many are drawn.

    Parameters
    ----------
    y, nuisance, blocks, groups, n_permutations, seed, binary
        As in `target_matrix`.

    Returns
    -------
    ndarray of int, shape (n_permutations, n_rows)
    """
    if not binary or nuisance.shape[1] == 0:
        return permuted_rows(blocks, groups, n_permutations, seed)
    labels, held = (np.asarray(each, dtype=float).tobytes() for each in (y, nuisance))
    rows_of_block, rows_of_group = (np.asarray(each, dtype=np.int64).tobytes() for each in (blocks, groups))
    draw = _rows_of_labels if n_permutations * len(y) <= MOST_KEPT else _rows_of_labels.__wrapped__
    return draw(labels, held, rows_of_block, rows_of_group, n_permutations, seed)


@lru_cache(maxsize=4)  # a run asks for the same for its targets, its folds and the test of circuits
def _rows_of_labels(
    labels: bytes, held: bytes, blocks: bytes, groups: bytes, n_permutations: int, seed: int
) -> np.ndarray:
    """`conditional_rows` of arrays as bytes, not to be written to."""
    y = np.frombuffer(labels)
    nuisance = np.frombuffer(held).reshape(len(y), -1)
    classes = _exchangeable(np.frombuffer(blocks, dtype=np.int64), np.frombuffer(groups, dtype=np.int64))
    order = conditional_rows(y, nuisance, classes, n_permutations, seed, (PERMUTATION_STREAM,))
    order.flags.writeable = False
    return order


def permuted_rows(blocks: np.ndarray, groups: np.ndarray, n_permutations: int, seed: int) -> np.ndarray:
    """`outcome_rows` where nothing is held fixed but blocks and groups: every order is equally likely.

    Parameters
    ----------
    blocks, groups : ndarray of int, shape (n_rows,)
    n_permutations, seed : int

    Returns
    -------
    ndarray of int, shape (n_permutations, n_rows)
    """
    order = np.tile(np.arange(len(groups)), (n_permutations, 1))
    stream = np.random.SeedSequence(seed, spawn_key=(PERMUTATION_STREAM,))
    members_of = _exchangeable(blocks, groups)
    # One generator per class keeps the first permutations the same when more are asked for.
    for members, child in zip(members_of, stream.spawn(len(members_of)), strict=True):
        moved = np.tile(np.arange(len(members)), (n_permutations, 1))
        moved = np.random.default_rng(child).permuted(moved, axis=1)
        order[:, members] = members[moved]
    return order


def scheme(dataset: Dataset) -> str:
    """How outcomes were permuted, in words for a reader.

    "outcomes of whole participants exchanged within sites, with age and sex held fixed (Freedman-Lane)"; of a binary
    outcome "(conditional permutation)".

    Parameters
    ----------
    dataset : Dataset

    Returns
    -------
    str
    """
    groups, blocks = np.asarray(dataset.groups), np.asarray(dataset.blocks)
    what = "outcomes" if dataset.treatment is None else "arms"
    if len(np.unique(groups)) < dataset.n_participants:
        what += " of whole groups"
    elif dataset.n_rows > dataset.n_participants:
        what += " of whole participants"
    where = f"within {_within(dataset)}" if len(np.unique(blocks)) > 1 else "freely"
    n, moving = dataset.n_participants, participants_that_move(dataset)
    where += f" ({moving} of {n} participants can move)" if moving < n else ""
    held = _held(dataset)
    if dataset.treatment is not None:
        effect = f"modified by {_listed(held)}" if held else "the same in everyone"
        return f"randomised again: {what} exchanged {where}, with an effect of the treatment that is {effect}"
    how = "conditional permutation" if is_binary(dataset) else "Freedman-Lane"
    return f"{what} exchanged {where}" + (f", with {_listed(held)} held fixed ({how})" if held else "")


def participants_that_move(dataset: Dataset) -> int:
    """Participants who have somebody to exchange outcomes with; the others keep theirs in every permutation."""
    moves = np.zeros(dataset.n_rows, dtype=bool)
    for members in _exchangeable(np.asarray(dataset.blocks), np.asarray(dataset.groups)):
        moves[members] = len(members) > 1
    return int(dataset.rows["participant_id"][moves].nunique())


def _within(dataset: Dataset) -> str:
    """What outcomes stay inside of: "sites and arms"."""
    return _listed(tuple(f"{name}s" for name in dataset.block_names)) if dataset.block_names else "blocks"


def refusal(dataset: Dataset, n: int, alpha: float = 0.05) -> str:
    """Why no permutation p can be given, or an empty text.

    A p-value is refused where the blocks and groups leave fewer than ``1 / alpha`` distinct permutations of the outcome
    (METHODS 2.2): the product over exchangeable classes of k! / (m_1! m_2! ..), with m the numbers of equal values. So
    it is where fewer than half of the participants can move: those of a site of one, or in a family like no other, keep
    their outcome, and what is shuffled around them is no picture of chance. And it is where the covariates held fixed
    tell the labels of a binary outcome so well that they hardly move: where a share of at least `alpha` of permutations
    is the observed outcome, no p can be smaller.

    Parameters
    ----------
    dataset : Dataset
    n : int
        Permutations asked for; with 0 there is nothing to refuse.
    alpha : float
        Level that a p-value must be able to reach.

    Returns
    -------
    str
    """
    if n == 0:
        return ""
    moved = _moved(dataset)
    # Residuals that differ by rounding alone are the same value.
    moved = np.round(moved / (np.abs(moved).max() or 1.0), 10)
    log_distinct = 0.0
    for members in _exchangeable(np.asarray(dataset.blocks), np.asarray(dataset.groups)):
        log_distinct += lgamma(len(members) + 1)
        ties = Counter(tuple(moved[rows]) for rows in members)
        log_distinct -= sum(lgamma(count + 1) for count in ties.values())
    where = f" within {_within(dataset)}" if len(np.unique(dataset.blocks)) > 1 else ""
    if log_distinct >= log(1 / alpha) - 1e-9:
        n_participants, moving = dataset.n_participants, participants_that_move(dataset)
        if 2 * moving >= n_participants:
            return _refusal_of_labels(dataset, alpha)
        return (
            f"only {moving} of {n_participants} participants have somebody to exchange outcomes with{where}, "
            "and at least half must"
        )
    n_distinct = round(exp(log_distinct))
    permutations = "permutation" if n_distinct == 1 else "distinct permutations"
    return (
        f"the design leaves {n_distinct} {permutations} of the outcome{where}, "
        f"and at least {round(1 / alpha)} are needed for p <= {alpha:g}"
    )


def _moved(dataset: Dataset) -> np.ndarray:
    """What permutations move: the arms of a trial, the labels of a binary outcome, what N leaves of another."""
    if dataset.treatment is not None:
        return np.asarray(dataset.treatment.allocated)
    y = np.asarray(dataset.y, dtype=float)
    nuisance = beside_preserved(dataset, dataset.nuisance.values)
    return y if nuisance.shape[1] == 0 or is_binary(dataset) else y - _explained(y, nuisance)


def _refusal_of_labels(dataset: Dataset, alpha: float) -> str:
    """Why labels of a binary outcome move too little where covariates are held fixed, or an empty text."""
    held = _held(dataset)
    if not is_binary(dataset) or not held:
        return ""
    targets = permuted_outcomes(dataset, dataset.nuisance.values, PROBES, seed=0)
    unmoved = float((targets[:, 1:] == targets[:, :1]).all(axis=0).mean())
    if unmoved < alpha:
        return ""
    return (
        f"with {_listed(held)} held fixed {100 * unmoved:.0f} % of the permutations leave the outcome as "
        f"it is, so that no p can be below {unmoved:.2g}"
    )


def _exchangeable(blocks: np.ndarray, groups: np.ndarray) -> list[np.ndarray]:
    """Classes of exchangeable groups, each as positions of shape (n_groups, n_rows_per_group)."""
    classes: dict[tuple[int, ...], list[np.ndarray]] = {}
    for group in np.unique(groups):
        rows = np.flatnonzero(groups == group)
        classes.setdefault(tuple(np.asarray(blocks)[rows].tolist()), []).append(rows)
    return [np.stack(classes[signature]) for signature in sorted(classes, key=lambda key: (len(key), key))]


def _explained(y: np.ndarray, nuisance: np.ndarray) -> np.ndarray:
    """Least squares of the outcome on [1 | nuisance] in everyone, however few they are."""
    basis = spanning_basis(nuisance, nuisance[:0])
    explained: np.ndarray = NuisanceModel.of(basis, y[:, None], binary=False).predicted(basis.train)[:, 0]
    return explained


def _listed(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
