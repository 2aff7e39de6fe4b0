"""Conditional permutation of a binary outcome: labels change places as often as the covariates held fixed allow.

Freedman-Lane adds permuted residuals to what the nuisance model explains. Of labels 0 and 1 that makes fractions, whose
residuals are spread alike everywhere, where those of a Bernoulli variable are small wherever its probability is near 0
or 1. Here the labels themselves are permuted, with probability proportional to

    prod over the rows i of p(y_pi(i) | N_i),   p = logistic model of the outcome on N, of the whole sample,

which keeps them 0 and 1 and as dependent on N as they are. With p known the test is exact; it is robust as far as p is
right, which for few covariates a logistic model is nearly enough (METHODS 2.2).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from workbench.models.preprocessing import NIL_SHARE, Floats
from workbench.models.probabilities import CONVERGED, NEWTON_STEPS, expit, log_loss

SWEEPS = 60
"""Proposed swaps of every group from the observed order to the hub, and again from the hub to every permutation."""
CHUNK = 256
"""Permutations drawn together, which bounds the memory; each chunk has a stream of its own."""
PENALTY = 0.1
"""On the squared coefficients of the logistic model, per SD of a covariate: a normal prior of SD 3.2 in log-odds, which
moves nothing that tens of participants can tell, and keeps the coefficients of covariates that separate the classes
finite."""
HUB = 0
"""Place of the hub's stream among those of an exchangeable class; chunks follow."""


def conditional_rows(
    y: Floats,
    nuisance: Floats,
    classes: Sequence[NDArray[np.intp]],
    n_permutations: int,
    seed: int,
    spawn_key: tuple[int, ...],
) -> NDArray[np.intp]:
    """For each permutation, the row whose label every row receives.

    Groups of one exchangeable class are paired off at random, again and again, and a pair changes places with odds
    ``exp(sum over their rows (y_j - y_i) (eta_i - eta_j))``, eta the log-odds given N: a Markov chain that has the
    conditional distribution above. From the observed order the chain is run to a hub, and from there once for every
    permutation, which makes observed and permuted labels exchangeable however many sweeps there are (Besag and Clifford
    1989). The first permutations are the same however many are drawn.

    Parameters
    ----------
    y : ndarray of shape (n_rows,)
        0 and 1.
    nuisance : ndarray of shape (n_rows, n_nuisance)
        N without its intercept, complete values.
    classes : sequence of ndarray of int, shape (n_groups, n_rows_per_group)
        Positions of groups that may change places with each other.
    n_permutations : int
    seed, spawn_key : int, tuple of int
        Of the streams.

    Returns
    -------
    ndarray of int, shape (n_permutations, n_rows)

    References
    ----------
    Berrett, T. B., Wang, Y., Barber, R. F., Samworth, R. J. (2020). The conditional permutation test for independence
    while controlling for confounders. J. Royal Statistical Society B 82, 175-197 (the parallelised pairwise sampler).
    Besag, J., Clifford, P. (1989). Generalized Monte Carlo significance tests. Biometrika 76, 633-642.
    """
    eta = nuisance_log_odds(y, nuisance)
    order = np.tile(np.arange(len(y)), (n_permutations, 1))
    for number, members in enumerate(classes):
        if len(members) < 2:
            continue
        labels, odds = np.asarray(y, dtype=float)[members], eta[members]

        def streams(chunk: int, number: int = number) -> np.random.SeedSequence:
            return np.random.SeedSequence(seed, spawn_key=(*spawn_key, number, chunk))

        hub = _swept(np.arange(len(members))[None], labels, odds, streams(HUB))
        for chunk, start in enumerate(range(0, n_permutations, CHUNK), start=HUB + 1):
            drawn = order[start : start + CHUNK]
            moved = _swept(np.repeat(hub, len(drawn), axis=0), labels, odds, streams(chunk))
            drawn[:, members] = members[moved]
    return order


def _swept(place: NDArray[np.intp], labels: Floats, eta: Floats, stream: np.random.SeedSequence) -> NDArray[np.intp]:
    """Which group's labels every group holds after `SWEEPS` sweeps, (n_permutations, n_groups).

    Parameters
    ----------
    place : ndarray of int, shape (n_permutations, n_groups)
        The same before; written to.
    labels, eta : ndarray of shape (n_groups, n_rows_per_group)
    """
    n_permutations, n_groups = place.shape
    row, n_pairs = np.arange(n_permutations)[:, None], n_groups // 2
    everyone = np.tile(np.arange(n_groups), (n_permutations, 1))
    # Two generators per sweep, each drawn from row by row: more permutations begin with the same ones.
    for pairing, accepting in zip(*[iter(stream.spawn(2 * SWEEPS))] * 2, strict=True):
        paired = np.random.default_rng(pairing).permuted(everyone, axis=1)
        one, other = paired[:, :n_pairs], paired[:, n_pairs : 2 * n_pairs]
        of_one, of_other = place[row, one], place[row, other]
        gained = ((labels[of_other] - labels[of_one]) * (eta[one] - eta[other])).sum(axis=-1)
        swap = np.random.default_rng(accepting).random(gained.shape) < expit(gained)
        place[row, one], place[row, other] = np.where(swap, of_other, of_one), np.where(swap, of_one, of_other)
    return place


def nuisance_log_odds(y: Floats, nuisance: Floats) -> Floats:
    """Log-odds of a binary outcome given N: logistic ridge regression on the standardised covariates of everyone.

    Minimises ``sum_i (log(1 + exp(eta_i)) - y_i eta_i) + PENALTY |beta|^2 / 2`` over beta and a free intercept, by
    Newton steps that are halved until the objective falls.

    Parameters
    ----------
    y : ndarray of shape (n_rows,)
    nuisance : ndarray of shape (n_rows, n_nuisance)
    """
    y = np.asarray(y, dtype=float)
    centred = nuisance - nuisance.sum(axis=0) / len(y)
    spread = np.sqrt(np.square(centred).sum(axis=0) / len(y))
    varies = spread > NIL_SHARE * np.sqrt(np.square(nuisance).sum(axis=0) / len(y))
    design = np.column_stack([np.ones(len(y)), centred[:, varies] / spread[varies]])
    if np.ptp(y) == 0:
        return np.zeros(len(y))
    penalty = np.append(0.0, np.full(design.shape[1] - 1, PENALTY))
    beta, eta = np.zeros(design.shape[1]), np.zeros(len(y))
    objective = log_loss(eta, y)
    for _ in range(NEWTON_STEPS):
        p = expit(eta)
        hessian = (design * (p * (1 - p))[:, None]).T @ design + np.diag(penalty)
        step = np.linalg.solve(hessian, design.T @ (y - p) - penalty * beta)
        largest = float(np.abs(design @ step).max())
        while True:
            trial = beta + step
            value = log_loss(design @ trial, y) + 0.5 * float(penalty @ np.square(trial))
            if value <= objective + 1e-12 * abs(objective) or largest <= CONVERGED:
                break
            step, largest = step / 2, largest / 2
        beta, eta, objective = trial, design @ trial, value
        if largest <= CONVERGED:
            break
    return eta
