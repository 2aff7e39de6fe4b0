"""L2 logistic regression, linear SVM and SVR: fits in the space of people against fits on the features, in one run.

    python benchmarks/logistic_svm.py [--sizes 120x6670 300x20000] [--quick]

One training set, four fifths of the people, features standardised beforehand for both sides; 8 latent factors run
through all columns. Every C of a grid is fitted once, and times are per fit.

ours          `workbench.models.linear_machines` on the kernel of the training set: `solve_logistic` (each C by itself,
              not started from the one before), libsvm through `fit_svc` and `fit_svr`
scikit-learn  LogisticRegression (lbfgs, its default tolerance), SVC and SVR (kernel="linear") on the features; the
              machines at the same tolerance as ours
reduction     `gram.decompose` and the kernel, imputation and scaling included: once per training set, shared by every C
              and every target, so it is reported apart; `with` is the ratio for one single fit that pays for all of it

Equality first: the largest difference of decisions in the held-out rows, as a share of the largest decision, with both
sides at a tolerance of 1e-10 (lbfgs stops at 1e-6 whatever it is told, so logistic regression is compared with
scikit-learn's newton-cg).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from _paired import arguments, print_machine, print_result, sizes_of, time_in_turn
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC, SVR
from threadpoolctl import threadpool_limits

from workbench.models.gram import decompose
from workbench.models.learner import Fold
from workbench.models.linear_machines import LIBSVM_TOLERANCE, PeopleSpace, fit_svc, fit_svr, solve_logistic
from workbench.models.preprocessing import prepare_fold
from workbench.models.training_sets import training_sets

GRID = (1e-5, 1e-4, 1e-3, 1e-2)
EQUAL_TO = 1e-8
TIGHT = 1e-10
NAMES = ("logistic", "svm", "svr")
Decide = Callable[[float, float], np.ndarray]
"""C and tolerance to decisions in the held-out rows."""


@dataclass(frozen=True, eq=False)
class Data:
    """A fold, its prepared features, and what is predicted."""

    fold: Fold
    train_X: np.ndarray  # noqa: N815 X is a matrix to every reader of the field
    test_X: np.ndarray  # noqa: N815
    y: np.ndarray
    labels: np.ndarray


def make_data(n: int, p: int, seed: int = 0) -> Data:
    rng = np.random.default_rng(seed)
    latent = rng.standard_normal((n, 8))
    X = rng.standard_normal((n, p)) + latent @ rng.standard_normal((8, p))
    y = latent[:, 0] + rng.standard_normal(n)
    train = np.arange(n * 4 // 5)
    fold = Fold(X, np.empty((n, 0)), train, np.arange(len(train), n), ())
    prepared = prepare_fold(X, fold.nuisance, fold.train, fold.test)
    score = (y[train] - y[train].mean()) / y[train].std()
    return Data(fold, prepared.train_X, prepared.test_X, score, (score > 0).astype(float))


def reduce(data: Data) -> PeopleSpace:
    sets = training_sets(data.fold, tune=False)
    decompositions, _ = decompose(data.fold.X, sets)
    space = PeopleSpace(sets[0], decompositions[0])
    assert space.kernel.shape == (len(data.y), len(data.y))  # made here, so that fits do not pay for it
    return space


def ours(space: PeopleSpace, data: Data) -> dict[str, Decide]:
    nothing = np.zeros(len(data.y))

    def logistic(C: float, tol: float) -> np.ndarray:
        dual, intercept = solve_logistic(space, data.labels, nothing, C, (nothing, 0.0))
        return space.held_out(dual) + intercept

    def svm(C: float, tol: float) -> np.ndarray:
        dual, intercept = fit_svc(space.kernel, data.labels, C, tol)
        return space.held_out(dual) + intercept

    def svr(C: float, tol: float) -> np.ndarray:
        dual, intercept = fit_svr(space.kernel, data.y, C, 0.1, tol)
        return space.held_out(dual) + intercept

    return {"logistic": logistic, "svm": svm, "svr": svr}


def theirs(data: Data) -> dict[str, Decide]:
    def logistic(C: float, tol: float) -> np.ndarray:
        options = {} if tol > TIGHT else {"solver": "newton-cg", "tol": 1e-13, "max_iter": 1000}
        return LogisticRegression(C=C, **options).fit(data.train_X, data.labels).decision_function(data.test_X)

    def svm(C: float, tol: float) -> np.ndarray:
        return SVC(kernel="linear", C=C, tol=tol).fit(data.train_X, data.labels).decision_function(data.test_X)

    def svr(C: float, tol: float) -> np.ndarray:
        return SVR(kernel="linear", C=C, epsilon=0.1, tol=tol).fit(data.train_X, data.y).predict(data.test_X)

    return {"logistic": logistic, "svm": svm, "svr": svr}


def run_size(n: int, p: int, *, quick: bool) -> dict[str, float]:
    data = make_data(n, p)
    space = reduce(data)
    mine, sklearns = ours(space, data), theirs(data)
    found: dict[str, float] = {}
    runs = 1 if quick else 3
    reduction = time_in_turn({"reduction": lambda: reduce(data)}, runs=runs)["reduction"].cpu
    found["reduction_ms"] = 1000 * reduction
    print(f"\n{n} x {p}: {len(data.y)} training people; reduction {1000 * reduction:.0f} ms, once per training set")
    print(f"{'':10} {'equal to':>9} {'ours':>10} {'sklearn':>10} {'ratio':>7} {'with':>6}")
    for name in NAMES:
        gap = max(difference(mine[name](C, TIGHT), sklearns[name](C, TIGHT)) for C in GRID)
        if gap > EQUAL_TO:
            raise SystemExit(f"{name} at {n} x {p}: decisions differ by {gap:.1e} of the largest")
        timed = time_in_turn({"ours": every(mine[name]), "sklearn": every(sklearns[name])}, runs=runs)
        one, other = (timed[side].cpu / len(GRID) for side in ("ours", "sklearn"))
        whole = other / (one + reduction)
        print(f"{name:10} {gap:9.0e} {1000 * one:7.2f} ms {1000 * other:7.1f} ms {other / one:6.1f}x {whole:5.1f}x")
        found |= {f"{name}_ratio": other / one, f"{name}_ms": 1000 * one, f"{name}_with_reduction": whole}
    return found


def every(decide: Decide) -> Callable[[], object]:
    return lambda: [decide(C, LIBSVM_TOLERANCE) for C in GRID]


def difference(mine: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(mine - other).max() / np.abs(other).max())


def main() -> None:
    options = arguments(__doc__, ("120x6670", "300x20000"), quick=("60x500",)).parse_args()
    print_machine("numpy", "scikit-learn", "scipy")
    found: list[tuple[str, float]] = []
    with threadpool_limits(limits=1):
        for n, p in sizes_of(options):
            row = run_size(n, p, quick=options.quick)
            found += [(f"{name}_{n}x{p}", value) for name, value in row.items()]
    print_result(found)


if __name__ == "__main__":
    main()
