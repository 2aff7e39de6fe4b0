"""What each modality adds, on studies of known truth; and what taking a run apart costs.

    python benchmarks/modalities.py [--studies 200] [--n 240] [--cells ..] [--no-cost]

Every study is 10 x 5-fold cross-validation of ridge (alpha chosen in 5 inner folds), with every set of three modalities
of 20 Gaussian features (4 circuits of 5, r = .5 within). What a Shapley value estimates is known: the same value of the
average error of models trained on .8 n participants, worked out from the weights of models of many other training sets
and the population they come from. Of every cell are printed, by modality, the target, the mean estimate, how often the
95 % interval holds the target, and how often its lower limit is above 0.

Bars (METHODS P17): for a modality of pure noise the lower limit is above 0 in at most 16 of 200 studies, for one that
is informative the interval covers in at least .93. The words *adds* need the lower limit of the ablation above 0, which
is printed beside.

Ridge is written out for many training sets at once, as in `intervals.py`; weights of the sets of modalities and the
interval are the product's (`evaluation.modalities.marginal_terms`, `evaluation.intervals.log_ratio_limits`).

The cost is that of the product on the demo trial with three modalities and 1,000 permutations: CPU seconds of the
ridge run alone, and of the refits with every set of modalities. Bar: both together at most 10 times the run.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations

import numpy as np
from _paired import cpu_seconds, print_machine, print_result
from intervals import FOLDS, REPEATS, Fits, dealt, held_out, tuned

from workbench.evaluation.intervals import log_ratio_limits
from workbench.evaluation.modalities import marginal_terms

MODALITIES = ("a", "b", "c")
PER_MODALITY, CIRCUIT, WITHIN = 20, 5, 0.5
P = PER_MODALITY * len(MODALITIES)
COLUMNS = {name: np.arange(k * PER_MODALITY, (k + 1) * PER_MODALITY) for k, name in enumerate(MODALITIES)}
SUBSETS = tuple(subset for size in range(1, 4) for subset in combinations(MODALITIES, size))
NOISE_BAR, COVERAGE_BAR, COST_BAR = 16 / 200, 0.93, 10.0

Values = np.ndarray
Subset = tuple[str, ...]


@dataclass(frozen=True)
class Cell:
    """A population.

    Attributes
    ----------
    shares : tuple of float
        R2 in the population of the first circuit of each modality.
    shared : float
        Correlation of the first circuit of *a* with that of *b*, feature by feature: 0, or the same information twice.
    """

    shares: tuple[float, float, float]
    shared: float = 0.0

    @property
    def covariance(self) -> Values:
        """Of the features, (P, P); variances are 1."""
        block = np.full((CIRCUIT, CIRCUIT), WITHIN) + (1 - WITHIN) * np.eye(CIRCUIT)
        whole = np.kron(np.eye(P // CIRCUIT), block)
        a, b = COLUMNS["a"][:CIRCUIT], COLUMNS["b"][:CIRCUIT]
        whole[np.ix_(a, b)] = whole[np.ix_(b, a)] = self.shared * block
        return whole

    @property
    def weights(self) -> Values:
        """Of the features in the outcome, whose variance is 1."""
        weights = np.zeros(P)
        for name, share in zip(MODALITIES, self.shares, strict=True):
            weights[COLUMNS[name][:CIRCUIT]] = np.sqrt(share / (CIRCUIT + CIRCUIT * (CIRCUIT - 1) * WITHIN))
        return weights

    @property
    def noise(self) -> float:
        """Variance that no feature knows of."""
        return 1 - float(self.weights @ self.covariance @ self.weights)

    @property
    def informative(self) -> tuple[bool, ...]:
        """Which modalities know anything of the outcome."""
        return tuple(bool((self.covariance @ self.weights)[COLUMNS[name]].any()) for name in MODALITIES)

    def draw(self, rng: np.random.Generator, n: int) -> tuple[Values, Values]:
        """Features and outcome of n participants."""
        X = rng.standard_normal((n, P)) @ np.linalg.cholesky(self.covariance).T
        return X, X @ self.weights + np.sqrt(self.noise) * rng.standard_normal(n)

    def risk(self, fits: Fits, subset: Subset) -> Values:
        """Error of every model in new participants of the population, (n_models,)."""
        off = np.tile(-self.weights, (len(fits.weights), 1))
        off[:, columns_of(subset)] += fits.weights
        varied: Values = np.einsum("sp,pq,sq->s", off, self.covariance, off)
        return self.noise + np.square(fits.intercepts) + varied


CELLS = {
    "two of three": Cell((0.15, 0.15, 0.0)),
    "all three": Cell((0.15, 0.15, 0.15)),
    "none": Cell((0.0, 0.0, 0.0)),
    "the same twice": Cell((0.15, 0.0, 0.0), shared=0.8),
}


def columns_of(subset: Subset) -> Values:
    """Columns of a set of modalities."""
    return np.concatenate([COLUMNS[name] for name in subset])


def saved(losses: Mapping[Subset, Values], name: str) -> Values:
    """What a modality saves of the squared error, averaged over orders."""
    terms = [weight * (losses[one] - losses[other]) for weight, one, other in marginal_terms(MODALITIES, name)]
    return np.sum(terms, axis=0)


# --------------------------------------------------------------------------------------------------------- the truth


def risks(cell: Cell, n: int, numbers: Iterable[int], seed: int) -> dict[Subset, float]:
    """Error in new participants of models trained on .8 n, summed over training sets; of the mean for no modality."""
    n_train, total = round(0.8 * n), dict.fromkeys(((), *SUBSETS), 0.0)
    for number in numbers:
        rng = np.random.default_rng([seed, 1, n, number])
        X, y = cell.draw(rng, n_train)
        train = np.ones((1, n_train), dtype=bool)
        inner = dealt(rng, train)
        total[()] += 1 + float(y.mean()) ** 2
        for subset in SUBSETS:
            total[subset] += float(cell.risk(tuned(X[:, columns_of(subset)], y, train, inner), subset)[0])
    return total


def targets(total: Mapping[Subset, float]) -> dict[str, float]:
    """Shapley value of every modality, from errors over many independent training sets."""
    losses = {subset: np.array(error) for subset, error in total.items()}
    return {name: float(saved(losses, name)) / total[()] for name in MODALITIES}


# ----------------------------------------------------------------------------------------------------------- studies


@dataclass(frozen=True)
class Estimate:
    """Of one modality in one study."""

    value: float
    low: float
    high: float
    ablation_low: float


def study(cell: Cell, n: int, number: int, seed: int) -> dict[str, Estimate]:
    """Cross-validation with every set of modalities, on the same participants and folds."""
    rng = np.random.default_rng([seed, 0, n, number])
    X, y = cell.draw(rng, n)
    fold = np.stack([rng.permutation(np.arange(n) % FOLDS) for _ in range(REPEATS)], axis=1)
    train = np.concatenate([number != fold.T for number in range(FOLDS)])
    inner = dealt(rng, train)
    losses: dict[Subset, Values] = {}
    for subset in SUBSETS:
        errors = tuned(X[:, columns_of(subset)], y, train, inner).squared_errors(X[:, columns_of(subset)], y)
        losses[subset], losses[()] = (held_out(each, fold) for each in errors)
    return {name: _estimate(losses, name) for name in MODALITIES}


def _estimate(losses: Mapping[Subset, Values], name: str) -> Estimate:
    reference, whole = losses[()], losses[MODALITIES]
    own = saved(losses, name)
    limits = log_ratio_limits(reference - own, reference)
    without = log_ratio_limits(whole, losses[tuple(each for each in MODALITIES if each != name)])
    assert limits is not None
    assert without is not None
    high, _, low = (-np.expm1(limit) for limit in limits)
    value = float((own.sum(axis=0) / reference.sum(axis=0)).mean())
    return Estimate(value, float(low), float(high), float(-np.expm1(without[2])))


def judge(name: str, n: int, n_studies: int, n_sets: int) -> dict[str, float]:
    """One cell, printed as lines of a Markdown table."""
    cell, seed = CELLS[name], list(CELLS).index(name)
    start = time.process_time()
    truth = targets(risks(cell, n, range(n_sets), seed))
    found = [study(cell, n, number, seed) for number in range(n_studies)]
    figures = report(name, n, truth, found)
    print(f"<!-- {(time.process_time() - start) / n_studies:.2f} s a study -->", flush=True)
    return figures


def report(name: str, n: int, truth: Mapping[str, float], found: Sequence[Mapping[str, Estimate]]) -> dict[str, float]:
    """The lines of a cell; least coverage and most false claims of it."""
    cell, n_studies = CELLS[name], len(found)
    figures: dict[str, float] = {}
    for modality, informative in zip(MODALITIES, cell.informative, strict=True):
        own = [each[modality] for each in found]
        covered = np.mean([each.low <= truth[modality] <= each.high for each in own])
        above, adds = (int(np.sum(low)) for low in zip(*((e.low > 0, e.ablation_low > 0) for e in own), strict=True))
        width = np.median([each.high - each.low for each in own])
        kind = "informative" if informative else "noise"
        print(
            f"| {name} | {n} | {modality}, {kind} | {truth[modality]:.3f} | {np.mean([e.value for e in own]):.3f} | "
            f"{100 * covered:.1f} | {above} of {n_studies} | {adds} of {n_studies} | {width:.2f} |",
            flush=True,
        )
        if informative:
            figures["covered"] = min(figures.get("covered", 1.0), float(covered))
        else:
            figures["above"] = max(figures.get("above", 0.0), above / n_studies)
            figures["adds"] = max(figures.get("adds", 0.0), adds / n_studies)
    return figures


# -------------------------------------------------------------------------------------------------------------- cost


def cost(permutations: int) -> float:
    """CPU seconds of a ridge run of the demo trial with three modalities, and with every set of them, over the run."""
    import tempfile
    from pathlib import Path

    import workbench
    from workbench.evaluation.modalities import modality_values
    from workbench.evaluation.modality_sets import fit_subsets
    from workbench.evaluation.refits import Fits as OfRun
    from workbench.evaluation.refits import fit_one
    from workbench.models.nested_cv import plan_units, target_matrices
    from workbench.pipeline.experiment_plan import open_experiment

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        workbench.simulate_study(root, preset="demo")
        text = (root / "experiments" / "shaps_ketamine_minus_placebo.toml").read_text()
        head, _, tail = text.partition("[feature_sets]")
        sets = '[feature_sets]\nthree = ["connectivity", "task", "pet"]\n\n'
        models = '[[models]]\nkind = "ridge"\n'
        kept = head.replace('primary = "ridge . connectivity_task"', "").split("[[models]]")[0]
        validation = tail[tail.index("[validation]") : tail.index("[[models]]")]
        (root / "experiments" / "three.toml").write_text(kept + sets + validation + models)
        _, plan = open_experiment("three", root, None)
    (planned,) = plan.runs
    dataset, learner = planned.dataset, planned.learner
    validation = planned.validation.model_copy(update={"permutations": permutations})
    units, outcomes = plan_units(dataset, validation, learner), target_matrices(dataset, validation)
    fit = partial(fit_one, dataset=dataset, learner=learner, targets=outcomes)
    run = OfRun(dataset, units, [])
    taken: list[tuple[float, float]] = []
    for _ in range(3):
        alone = cpu_seconds(lambda: run._replace(results=[fit(unit) for unit in units]))
        apart = cpu_seconds(lambda: fit_subsets(run, None, learner, outcomes))
        taken.append((alone, apart))
    whole = run._replace(results=[fit(unit) for unit in units])
    values = modality_values(whole, whole, fit_subsets(whole, None, learner, outcomes))
    gap = abs(sum(value.shapley for value in values.values) - values.r2)
    alone, apart = np.median(np.array(taken), axis=0)
    ratio = (alone + apart) / alone
    print(
        f"\n{dataset.n_participants} participants, {len(dataset.features)} features, {len(values.values)} modalities, "
        f"{len(units)} outer folds, {permutations:,} permutations: run {alone:.1f} s, its sets of modalities "
        f"{apart:.1f} s more, together {ratio:.1f} times the run (bar {COST_BAR:g}); values sum to R2 within {gap:.1g}"
    )
    return float(ratio)


def main() -> None:
    """Print the tables, and whether the bars are kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=20, help="per cell; 0 leaves the cells out")
    parser.add_argument("--training-sets", type=int, default=400, help="behind every target")
    parser.add_argument("--n", nargs="+", type=int, default=[240], help="participants")
    parser.add_argument("--cells", nargs="+", choices=CELLS, default=list(CELLS))
    parser.add_argument("--permutations", type=int, default=1000)
    parser.add_argument("--no-cost", action="store_true")
    options = parser.parse_args()
    print_machine("numpy", "scipy")
    print("\n| cell | n | modality | target | mean | covers % | lower limit above 0 | ablation above 0 | width |")
    print("| --- | ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    cells = [(name, n) for name in options.cells for n in options.n if options.studies]
    figures = [judge(*each, options.studies, options.training_sets) for each in cells]
    results = _worst(figures)
    if not options.no_cost:
        results["modalities_over_run"] = cost(options.permutations)
    print(f"bars: noise above 0 in at most {NOISE_BAR:.0%}, informative covered in at least {COVERAGE_BAR:.0%}")
    print_result(results)


def _worst(figures: Sequence[Mapping[str, float]]) -> dict[str, float]:
    covered = [each["covered"] for each in figures if "covered" in each]
    above = [each["above"] for each in figures if "above" in each]
    results = {"modality_least_coverage": min(covered)} if covered else {}
    return results | ({"modality_most_above_0": max(above)} if above else {})


if __name__ == "__main__":
    main()
