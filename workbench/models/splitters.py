"""Outer and inner folds: who is held out when, drawn over people and never over rows (DESIGN, Folds)."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from workbench.errors import FitError, Problem
from workbench.records import Dataset, Split
from workbench.specs.experiment import INTERVAL_FOLDS, INTERVAL_REPEATS, ValidationSpec
from workbench.specs.learners import LearnerSpec

LARGEST_RANDOM_STATE = 2**32


@dataclass(frozen=True, eq=False)
class _People:
    """The participants of a dataset, sorted by id, with what their folds depend on."""

    ids: np.ndarray
    of_row: np.ndarray
    """Position in `ids` of each row."""
    groups: np.ndarray
    strata: np.ndarray | None
    sites: np.ndarray | None

    @classmethod
    def of(cls, dataset: Dataset, validation: ValidationSpec) -> _People:
        ids, first, of_row = np.unique(
            dataset.rows["participant_id"].to_numpy(str), return_index=True, return_inverse=True
        )
        strata = None if dataset.strata is None else np.asarray(dataset.strata)[first]
        if balanced_on_outcome(dataset, validation):
            levels = np.column_stack([*([] if strata is None else [strata]), np.asarray(dataset.y)[first]])
            strata = np.unique(levels, axis=0, return_inverse=True)[1].ravel()
        sites = None if dataset.sites is None else np.asarray(dataset.sites).astype(str)[first]
        return cls(ids, of_row, np.asarray(dataset.groups)[first], strata, sites)

    def split(self, train: np.ndarray, test: np.ndarray) -> Split:
        """Rows of two sets of people."""
        return Split(self._rows(train), self._rows(test))

    def members(self, rows: np.ndarray) -> np.ndarray:
        """The people of some rows, in ascending order."""
        among = np.zeros(len(self.ids), dtype=bool)
        among[self.of_row[rows]] = True
        return among.nonzero()[0]

    def divided(self, members: np.ndarray, fold_of: np.ndarray, n_splits: int) -> tuple[Split, ...]:
        """Rows of some people in and out of each of several folds."""
        of_person = np.full(len(self.ids), n_splits)
        of_person[members] = fold_of
        of_row = of_person[self.of_row]
        apart = [(of_row != fold, of_row == fold) for fold in range(n_splits)]
        if len(members) < len(self.ids):
            among = of_row < n_splits
            apart = [(train & among, test) for train, test in apart]
        return tuple(Split(train.nonzero()[0], test.nonzero()[0]) for train, test in apart)

    def _rows(self, members: np.ndarray) -> np.ndarray:
        among = np.zeros(len(self.ids), dtype=bool)
        among[members] = True
        return np.flatnonzero(among[self.of_row])


def balanced_on_outcome(dataset: Dataset, validation: ValidationSpec) -> bool:
    """Whether folds are drawn so that each holds equal shares of both classes of a binary outcome.

    Such folds depend on the outcome, so a permuted outcome needs folds of its own: held fixed, they tell the observed
    outcome from permuted ones without any feature (METHODS 2.1). Given folds, and sites left out, depend on nothing.

    Parameters
    ----------
    dataset : Dataset
    validation : ValidationSpec

    Returns
    -------
    bool
    """
    drawn = dataset.given_folds is None and validation.leave_out is None
    return drawn and dataset.outcome.type == "binary" and validation.balance_outcome


def for_interval(
    dataset: Dataset, validation: ValidationSpec, learner: LearnerSpec
) -> tuple[Dataset, ValidationSpec, LearnerSpec] | None:
    """The same analysis on a division of its own into repeated 5-fold, for the 95 % interval; observed outcome only.

    Where `outer` is not 5 the division is the one that ``outer = 5`` would have drawn from the same seed, so `outer`
    moves no interval. Given folds serve where they are repeated 5-fold; in place of others at least `INTERVAL_REPEATS`
    repeats are drawn.

    Parameters
    ----------
    dataset : Dataset
    validation : ValidationSpec
    learner : LearnerSpec

    Returns
    -------
    dataset, validation, learner
        Or None: the folds of the run are repeated 5-fold already, too few repeats were requested for an interval,
        whole sites are left out, or there are too few people for 5 folds with their inner ones.
    """
    repeats = learner.repeats or validation.repeats
    available = len(np.unique(dataset.groups))
    if validation.leave_out is not None or available - math.ceil(available / INTERVAL_FOLDS) < validation.inner:
        return None
    if dataset.given_folds is None:
        if validation.outer == INTERVAL_FOLDS or repeats < INTERVAL_REPEATS:
            return None
    else:
        if _is_repeated_five_fold(dataset, learner.repeats):
            return None
        repeats = max(repeats, INTERVAL_REPEATS)
    own = {"outer": INTERVAL_FOLDS, "repeats": repeats, "permutations": 0, "folds": None}
    return (
        replace(dataset, given_folds=None),
        validation.model_copy(update=own),
        learner.model_copy(update={"repeats": repeats}),
    )


def _is_repeated_five_fold(dataset: Dataset, repeats: int | None) -> bool:
    assert dataset.given_folds is not None
    used = dataset.given_folds.iloc[:, :repeats]
    analysed = used[used.index.isin(dataset.rows["participant_id"])]
    return used.shape[1] >= INTERVAL_REPEATS and bool((analysed.nunique() == INTERVAL_FOLDS).all())


def outer_folds(dataset: Dataset, validation: ValidationSpec, repeats: int) -> tuple[tuple[Split, ...], ...]:
    """Outer folds of every repeat.

    Repeat r of seed s is ``KFold(outer, shuffle=True, random_state=1000 * s + r)`` over participants sorted by id; with
    groups beyond persons ``GroupKFold``, with strata ``StratifiedKFold`` or ``StratifiedGroupKFold``, with the same
    random_state; a binary outcome counts as a stratum (`balanced_on_outcome`). Leaving sites out has one repeat and one
    fold per site, sites sorted by name. Folds given by the user replace all of these, fold numbers in ascending order.

    Parameters
    ----------
    dataset : Dataset
    validation : ValidationSpec
    repeats : int
        At least 1; of given folds the first `repeats` columns are used, or all if there are fewer.

    Returns
    -------
    tuple of tuple of Split
        Per repeat, per fold; every row is a test row once per repeat.

    Raises
    ------
    FitError
        If there are too few people, or given folds do not fit them.
    """
    people = _People.of(dataset, validation)
    if dataset.given_folds is not None:
        return _given_folds(dataset.given_folds, people, repeats)
    everyone = np.arange(len(people.ids))
    if validation.leave_out == "site":
        return (_leave_sites_out(people, everyone),)
    first = 1000 * validation.seed
    return tuple(
        _draw(people, everyone, validation.outer, (first + repeat) % LARGEST_RANDOM_STATE, "outer")
        for repeat in range(repeats)
    )


def participants_of(dataset: Dataset, validation: ValidationSpec) -> _People:
    """The participants whose folds are drawn: found once for all inner folds of a run.

    Parameters
    ----------
    dataset : Dataset
    validation : ValidationSpec

    Returns
    -------
    _People
    """
    return _People.of(dataset, validation)


def inner_folds(
    dataset: Dataset,
    train: np.ndarray,
    validation: ValidationSpec,
    seed: int,
    *,
    participants: _People | None = None,
) -> tuple[Split, ...]:
    """Inner folds of one outer training set, drawn like the outer ones in the order of the sorted ids.

    Parameters
    ----------
    dataset : Dataset
    train : ndarray of int
        Rows of the outer training set.
    validation : ValidationSpec
    seed : int
        random_state, unless the experiment gives an `inner_seed`.
    participants
        From `participants_of`, where many inner folds are drawn.

    Returns
    -------
    tuple of Split
        Positions in the rows of the dataset, all inside `train`. Where outer folds leave sites out, so do these; a
        training set of one single site, or whose other sites are too few people to learn from, is split like any other.
    """
    people = participants or participants_of(dataset, validation)
    members = people.members(train)
    if validation.leave_out == "site" and people.sites is not None and len(np.unique(people.sites[members])) > 1:
        splits = _leave_sites_out(people, members)
        if min(len(split.train) for split in splits) > _fewest_rows(dataset):
            return splits
    random_state = validation.inner_seed if validation.inner_seed is not None else seed
    return _draw(people, members, validation.inner, random_state % LARGEST_RANDOM_STATE, "inner")


def _fewest_rows(dataset: Dataset) -> int:
    """Rows that a training set must have more of: those that least squares on everything held fixed would take."""
    return len(dataset.nuisance.names) + len(dataset.clinical.names) + 2


def _draw(people: _People, members: np.ndarray, n_splits: int, random_state: int, level: str) -> tuple[Split, ...]:
    """The scikit-learn splitter that the groups and strata ask for, over people."""
    groups = people.groups[members]
    available = len(set(groups.tolist()))
    grouped = available < len(members)
    units = "groups of participants" if grouped else "participants"
    if available < n_splits:
        raise FitError(
            Problem(
                f"{level} folds",
                f"{n_splits} folds need at least {n_splits} {units}, there are {available}",
                f"include more participants or lower [validation] {level}",
            )
        )
    if not grouped and people.strata is None:
        return people.divided(members, k_folds(len(members), n_splits, random_state), n_splits)
    strata = None if people.strata is None else people.strata[members]
    splitter = _splitter(n_splits, random_state, grouped=grouped, stratified=strata is not None)
    with warnings.catch_warnings():
        # A class smaller than the number of folds is spread as far as it goes, which is what we want.
        warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
        try:
            drawn = list(splitter.split(np.zeros(len(members)), strata, groups if grouped else None))
        except ValueError as error:
            raise FitError(
                Problem(
                    f"{level} folds",
                    f"every stratum has fewer participants than there are folds ({n_splits})",
                    f"declare fewer or larger strata, or lower [validation] {level}",
                )
            ) from error
    return _rows(people, ((members[train], members[test]) for train, test in drawn), level)


def k_folds(n: int, n_splits: int, random_state: int) -> np.ndarray:
    """Fold that each position is held out in, by scikit-learn's ``KFold(n_splits, shuffle=True, random_state=..)``.

    Written out, since importing scikit-learn takes longer than fitting a small study.
    """
    order = np.arange(n)
    np.random.RandomState(random_state).shuffle(order)
    fold_of = np.empty(n, dtype=np.intp)
    fold_of[order] = np.arange(n_splits).repeat([n // n_splits + (fold < n % n_splits) for fold in range(n_splits)])
    return fold_of


def _splitter(n_splits: int, random_state: int, *, grouped: bool, stratified: bool):  # type: ignore[no-untyped-def]
    from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

    kind = {
        (False, False): KFold,
        (True, False): GroupKFold,
        (False, True): StratifiedKFold,
        (True, True): StratifiedGroupKFold,
    }[grouped, stratified]
    return kind(n_splits, shuffle=True, random_state=random_state)


def _leave_sites_out(people: _People, members: np.ndarray) -> tuple[Split, ...]:
    """``LeaveOneGroupOut`` on sites; nobody's group may reach into two sites."""
    if people.sites is None:
        raise FitError(Problem("[validation] leave_out", "there is no site", "declare `site` in features/cohort.toml"))
    sites = people.sites[members]
    names = np.unique(sites)
    if len(names) < 2:
        raise FitError(
            Problem("[validation] leave_out", f"all participants are from one site ({names[0]})", "drop leave_out")
        )
    groups = people.groups[members]
    spanning = sum(len(np.unique(sites[groups == group])) > 1 for group in np.unique(groups))
    if spanning:
        raise FitError(
            Problem(
                "[validation] leave_out",
                f"{spanning} groups have participants at two sites or more",
                "a group may not be split between training and test: drop `groups` or leave_out",
            )
        )
    return _rows(people, ((members[sites != name], members[sites == name]) for name in names), "outer")


def _given_folds(table: pd.DataFrame, people: _People, repeats: int) -> tuple[tuple[Split, ...], ...]:
    """Folds of the user's table, once they are known to fit the people analysed."""
    where = "[validation] folds"
    index = table.index.to_numpy(str)
    listed, counts = np.unique(index, return_counts=True)
    if (counts > 1).any():
        raise FitError(Problem(where, f"{listed[counts > 1][0]} is listed twice", "one row per participant"))
    missing = np.setdiff1d(people.ids, listed)
    if len(missing):
        raise FitError(
            Problem(
                where,
                (
                    f"{len(missing)} of the {len(people.ids)} participants analysed are not in the table, such as "
                    f"{missing[0]}"
                ),
                "give every participant a fold, or exclude those who have none",
            )
        )
    if table.shape[1] == 0:
        raise FitError(Problem(where, "the table has no column of fold numbers", "one column per repeat"))
    position = {participant: row for row, participant in enumerate(index)}
    numbers = table.iloc[[position[participant] for participant in people.ids]]
    if numbers.isna().to_numpy().any():
        raise FitError(Problem(where, "some participants analysed have no fold number", "give every repeat a number"))
    return tuple(_given_repeat(people, numbers[column].to_numpy(), str(column)) for column in numbers.columns[:repeats])


def _given_repeat(people: _People, number: np.ndarray, column: str) -> tuple[Split, ...]:
    where = f"[validation] folds, column {column}"
    folds = np.unique(number)
    if len(folds) < 2:
        raise FitError(Problem(where, "everyone analysed has the same fold number", "at least two folds are needed"))
    torn = [group for group in np.unique(people.groups) if len(np.unique(number[people.groups == group])) > 1]
    if torn:
        example = people.ids[people.groups == torn[0]]
        raise FitError(
            Problem(
                where,
                f"{len(torn)} groups are split between folds, such as that of {' and '.join(example[:2])}",
                "participants of one group stay in one fold",
                "T4",
            )
        )
    everyone = np.arange(len(people.ids))
    return _rows(people, ((everyone[number != fold], everyone[number == fold]) for fold in folds), "outer")


def _rows(people: _People, folds: Iterable[tuple[np.ndarray, np.ndarray]], level: str) -> tuple[Split, ...]:
    splits = tuple(people.split(train, test) for train, test in folds)
    if any(len(split.train) == 0 or len(split.test) == 0 for split in splits):
        raise FitError(
            Problem(
                f"{level} folds", "a fold came out empty", f"lower [validation] {level}, or use fewer groups or strata"
            )
        )
    return splits
