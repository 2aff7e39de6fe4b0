"""What a run will cost before anything is run, question by question: each part with what it takes, and when it is made.

A run that predicts nothing is spared most questions; one that passes its permutation test is asked all of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from workbench.evaluation.apart_from import as_it_is
from workbench.evaluation.arms import PROGNOSIS_REPEATS
from workbench.evaluation.availability import FEWEST_COMPLETE, n_complete
from workbench.evaluation.baseline_held import holding_baseline
from workbench.evaluation.canary import CANARY_SHARE, CANARY_UNITS
from workbench.evaluation.conformal import affordable
from workbench.evaluation.cost import NOTHING, PRODUCT_SECONDS, Cost
from workbench.evaluation.crossover import first_period_trial
from workbench.evaluation.division_cost import (
    BASE_BYTES,
    HEADER_BYTES,
    PROCEDURE_BYTES,
    bytes_held,
    of_division,
    of_interval,
    of_run,
    work_of,
)
from workbench.evaluation.influence import MOST_INFLUENTIAL, MOST_REFITTED, PAIRS
from workbench.evaluation.modality_sets import modality_names, proper_subsets, takes_apart, with_modalities
from workbench.evaluation.negative_control import SHUFFLED_REPEATS
from workbench.evaluation.sites import MOST_REPEATS, holding_site, leaving_sites_out
from workbench.evaluation.stability import PAIRS as PAIRS_OF_HALVES
from workbench.models.estimators import as_permuted, make_learner
from workbench.models.rehearsed_folds import as_drawn
from workbench.models.splitters import balanced_on_outcome
from workbench.records import Dataset
from workbench.specs.experiment import INFLUENCE_REPEATS, ValidationSpec
from workbench.specs.learners import EstimatorSpec, LearnerSpec, LinearMachineSpec

Needs = Literal["always", "predicts", "claims"]
"""When a part is made: always, where R2 is above 0, or where it is and the permutation test is passed too."""
RUN, INTERVAL, AS_IT_IS = "the run", "5-fold for the interval", "outcome as it is"
INFLUENCE = "leaving participants out"
MODALITIES = "what each modality adds"
SITES = "whole sites left out, site held fixed"
BASELINE = "baseline score held fixed"
OF_THE_RUN = (RUN, INTERVAL, AS_IT_IS, MODALITIES)
"""What is permuted, or stands in the place of what is."""
START_SECONDS, START_BYTES = 3.0, 4.3e8
"""Starting Python, importing libraries, opening MLflow; memory while the last figure is drawn."""
LIBRARY_SECONDS = 1.0
"""Importing scikit-learn, XGBoost or Optuna, which learners of one target at a time need."""
STORE_BYTES = 9.5e5
"""The database of MLflow."""
WRITTEN_SECONDS, WRITTEN_BYTES = 3.7, 1.1e6
"""Guards, reduction, tables, figures and report of a small run that predicts nothing."""
RANKED_SECONDS, RANKED_MEMORY, RANKED_BYTES = 3.5, 1.1e8, 2.5e6
"""What more is drawn, ranked and written of a run that passes its test."""
GUARD_SECONDS = 6e-8
"""One value of the features read, hashed and guarded."""
TEST_SECONDS = 1.5e-8
"""One feature with one permuted outcome in the circuit test, beside its products."""
WRITTEN_SECONDS_PER_FEATURE, RANKED_SECONDS_PER_FEATURE = 2e-4, 2.5e-4
"""One feature written into tables, and ranked and shown."""
WRITING_MEMORY, FEATURE_MEMORY = 3.6e8, 8.6e3
"""While tables are written: at least, and of each column of SHAP values, whose Parquet writer takes so much."""
FEATURE_BYTES = 1100.0
"""One feature in tables and report, its column of SHAP values besides them."""
POINT_BYTES = 7e3
"""One participant in all pictures of contributions."""
PREDICTED_BYTES = 150.0
"""One held-out prediction in the tables of a run."""
HALF_SECONDS, HALF_SECONDS_PER_VALUE = 1e-2, 1.4e-7
"""One half of the participants in stability selection: at least, and per value in it."""


@dataclass(frozen=True)
class Part:
    """One thing that a run does, with what it costs."""

    what: str
    cost: Cost
    needs: Needs = "always"


@dataclass(frozen=True)
class Forecast:
    """Everything that one run may do."""

    parts: tuple[Part, ...]

    @property
    def least(self) -> Cost:
        """Of a run that predicts nothing."""
        return self.of(predicts=False, claims=False)

    @property
    def most(self) -> Cost:
        """Of a run that predicts and passes its permutation test, where it has one."""
        return self.of(predicts=True, claims=True)

    def of(self, *, predicts: bool, claims: bool) -> Cost:
        """Of a run of which both are known.

        Parameters
        ----------
        predicts, claims : bool
            Whether R2 is above 0, and whether it passes its permutation test.

        Returns
        -------
        Cost
        """
        made = {"always": True, "predicts": predicts, "claims": predicts and claims}
        return sum((part.cost for part in self.parts if made[part.needs]), NOTHING)

    def cost_of(self, what: str) -> Cost:
        """Of the parts that go by one name.

        Parameters
        ----------
        what : str

        Returns
        -------
        Cost
        """
        return sum((part.cost for part in self.parts if part.what == what), NOTHING)

    def slowed(self, factor: float) -> Forecast:
        """On a machine that takes so many times as long."""
        return Forecast(tuple(replace(part, cost=part.cost.slowed(factor)) for part in self.parts))


def forecast(dataset: Dataset, validation: ValidationSpec, learner: LearnerSpec) -> Forecast:
    """What one run costs, part by part, on one core.

    Parameters
    ----------
    dataset : Dataset
    validation : ValidationSpec
        With the repeats and permutations of this learner.
    learner : LearnerSpec

    Returns
    -------
    Forecast
    """
    what = (dataset, validation, learner)
    parts = [*_around(*what), Part(RUN, of_run(*what)), Part("leakage check", _of_canary(*what))]
    parts += [Part(INTERVAL, of_interval(*what)), *_beside(*what)]
    if takes_apart(*what):
        parts.append(Part(MODALITIES, estimate_modalities(*what)))
    raw = as_it_is(dataset)
    if raw is not None:
        parts.append(Part(AS_IT_IS, _without_explanation(raw, validation, learner)))
        parts.append(Part("outcome as it is, refitted", _if_it_predicts(raw, validation, learner), "predicts"))
    parts.append(Part(INFLUENCE, influence_cost(*what), "predicts"))
    parts.append(Part(SITES, sites_cost(*what), "predicts"))
    if validation.permutations:
        parts.append(Part("model of everyone", _of_everyone(*what), "claims"))
        parts.append(Part("stability selection", _of_halves(dataset), "claims"))
        held = holding_baseline(dataset)
        if held is not None:
            again = _without_explanation(held, validation, learner) + _if_it_predicts(held, validation, learner)
            parts.append(Part(BASELINE, again, "claims"))
    return Forecast(tuple(part for part in parts if part.cost != NOTHING))


# ------------------------------------------------------------------------------------------------ around what is fitted


def _around(dataset: Dataset, validation: ValidationSpec, learner: LearnerSpec) -> tuple[Part, ...]:
    """Start, guards, reduction, circuit test, and everything written and drawn."""
    n, p = dataset.n_rows, len(dataset.features)
    targets, drawn = 1 + validation.permutations, as_drawn(dataset, validation, learner)
    values = 8.0 * n * p
    seconds = n * p * GUARD_SECONDS + p * targets * (n * PRODUCT_SECONDS + TEST_SECONDS)
    seconds += p * WRITTEN_SECONDS_PER_FEATURE
    held = bytes_held(dataset) + 3 * values + 8.0 * targets * len(dataset.circuits)
    written = PREDICTED_BYTES * drawn.repeats * n + FEATURE_BYTES * p + values
    shown = RANKED_SECONDS + p * RANKED_SECONDS_PER_FEATURE
    ranked = Cost(0, shown, START_BYTES + RANKED_MEMORY + held, RANKED_BYTES + POINT_BYTES * n)
    start = START_SECONDS + (0.0 if make_learner(learner).batched else LIBRARY_SECONDS)
    peak = max(START_BYTES, WRITING_MEMORY + FEATURE_MEMORY * p) + held
    parts = (
        Part("start", Cost(0, start, START_BYTES, STORE_BYTES)),
        Part(
            "guards, tables, figures and report",
            Cost(0, WRITTEN_SECONDS + seconds, peak, WRITTEN_BYTES + written),
        ),
    )
    return (*parts, Part("ranked features and circuits", ranked, "claims")) if validation.permutations else parts


def _of_canary(dataset: Dataset, validation: ValidationSpec, learner: LearnerSpec) -> Cost:
    """Pairs of fits of the observed outcome, one of each pair with noise in place of who is held out."""
    drawn = as_drawn(dataset, validation, learner)
    spec = _tuned(learner, validation).beside_main()
    units = drawn.repeats * drawn.outer
    pairs = min(CANARY_UNITS, max(1, units // CANARY_SHARE)) if make_learner(spec).batched else 1
    return _in_memory(_alone(dataset, drawn, spec).times(2 * pairs / drawn.outer))


def _beside(dataset: Dataset, validation: ValidationSpec, learner: LearnerSpec) -> list[Part]:
    """What is refitted beside every run: control, single participants, complete cases, and arms or periods."""
    drawn, tuned = as_drawn(dataset, validation, learner), _tuned(learner, validation)
    beside = tuned.beside_main()
    repeats = min(drawn.repeats, SHUFFLED_REPEATS) if make_learner(beside).batched else 1
    repeat = _alone(dataset, drawn, tuned)
    of_others = _alone(dataset, drawn, beside)
    parts = [Part("negative control", of_others.times(repeats))]
    if affordable(dataset, tuned):
        parts.append(Part("intervals of participants", repeat.times(drawn.inner)))
    if not dataset.complete and n_complete(dataset) >= FEWEST_COMPLETE:
        parts.append(Part("complete cases", repeat.times(drawn.repeats)))
    compared = dataset.treatment is not None or first_period_trial(dataset) is not None
    if compared:
        parts.append(Part("arms or periods", of_others.times(min(repeats, PROGNOSIS_REPEATS))))
    return parts


def _of_everyone(dataset: Dataset, validation: ValidationSpec, learner: LearnerSpec) -> Cost:
    """The model fitted to everyone analysed."""
    drawn = as_drawn(dataset, validation, learner)
    return _in_memory(_alone(dataset, drawn, learner).times(1 / drawn.outer))


def _of_halves(dataset: Dataset) -> Cost:
    """Stability selection in halves of the participants."""
    values = n_complete(dataset) / 2 * len(dataset.features)
    seconds = 2 * PAIRS_OF_HALVES * (HALF_SECONDS + values * HALF_SECONDS_PER_VALUE)
    return Cost(0, seconds, BASE_BYTES + bytes_held(dataset) + 8.0 * 5 * values, 0.0)


# ------------------------------------------------------------------------------------------------ the run once more


def influence_cost(dataset: Dataset, validation: ValidationSpec, learner: LearnerSpec) -> Cost:
    """Cost of leaving participants out, one by one and in pairs: nothing where nobody is refitted.

    Of more than `MOST_REFITTED` participants the `MOST_INFLUENTIAL` are refitted. Learners that share nothing between
    targets keep the settings that they chose.

    Parameters
    ----------
    dataset, validation, learner
        As for `forecast`.

    Returns
    -------
    Cost
    """
    drawn, tuned = as_drawn(dataset, validation, learner), _tuned(learner, validation)
    batched = make_learner(tuned).batched
    if not validation.leave_one_out or (not batched and not validation.permutations):
        return NOTHING
    repeats, refits = min(drawn.repeats, INFLUENCE_REPEATS), refits_of_a_repeat(dataset, drawn.outer)
    if isinstance(tuned, LinearMachineSpec):  # its kernels are made anew, its search is not
        tuned, search = tuned.model_copy(update={"C": tuned.C[:1]}), 1.0
    else:
        once = drawn.model_copy(update={"permutations": 0})
        search = 1.0 if batched else work_of(dataset, once, tuned).fits / (drawn.repeats * drawn.outer)
    of_one = _alone(dataset, drawn, tuned).times(1 / drawn.outer)
    units = 2.0 * repeats * drawn.outer
    numbers = repeats * refits * 8.0 * 2 * (dataset.n_rows / drawn.outer + 1)
    disk = units * HEADER_BYTES + repeats * refits * PROCEDURE_BYTES + numbers
    return replace(of_one.times(repeats * refits / search), disk_bytes=disk)


def refits_of_a_repeat(dataset: Dataset, outer: int) -> int:
    """Fits without a participant, or without two: in every fold without each of those it trains on.

    Parameters
    ----------
    dataset : Dataset
    outer : int
        Folds.

    Returns
    -------
    int
    """
    n = dataset.n_participants
    left_out = n if n <= MOST_REFITTED else MOST_INFLUENTIAL
    return left_out * (outer - 1) + PAIRS * outer


def sites_cost(dataset: Dataset, validation: ValidationSpec, learner: LearnerSpec) -> Cost:
    """Cost of leaving whole sites out, and of holding site fixed; nothing with one site.

    Parameters
    ----------
    dataset, validation, learner
        As for `forecast`.

    Returns
    -------
    Cost
    """
    cost, tuned = NOTHING, _tuned(learner, validation)
    left_out = leaving_sites_out(dataset, validation)
    if left_out is not None and dataset.sites is not None:
        where, folds = left_out
        cost += of_division(where, as_drawn(where, folds, tuned), tuned)
    held = holding_site(dataset, validation)
    if held is not None:
        where, folds = held
        cost += of_division(where, folds.model_copy(update={"repeats": min(validation.repeats, MOST_REPEATS)}), tuned)
    return cost


def estimate_modalities(dataset: Dataset, validation: ValidationSpec, learner: LearnerSpec) -> Cost:
    """Cost of the run once more with every set of its modalities (`workbench.evaluation.modalities`).

    Of a set only the model itself is refitted, and of a single modality the increment; permuted outcomes where the
    learner serves them all at once.

    Parameters
    ----------
    dataset, validation, learner
        As for `forecast`.

    Returns
    -------
    Cost
        Of these refits alone; as if every set were as wide as all modalities for estimators that a trial has to time.
    """
    tuned = _tuned(learner, validation)
    one_by_one = not make_learner(learner).batched or balanced_on_outcome(dataset, validation)
    served = validation.model_copy(update={"permutations": 0} if one_by_one else {})
    timed = isinstance(learner, EstimatorSpec)
    whole, cost = _of_main(dataset, served, tuned) if timed else NOTHING, NOTHING
    for subset in proper_subsets(modality_names(dataset, learner)):
        of_set = whole if timed else _of_main(with_modalities(dataset, subset), served, tuned)
        cost += of_set.times(2.0 if len(subset) == 1 and dataset.clinical.variables else 1.0)
    if dataset.complete:
        return cost
    observed, of_all = validation.model_copy(update={"permutations": 0}), dataset.having_all()
    return cost + _of_main(of_all, observed, tuned) + estimate_modalities(of_all, observed, tuned)


def _of_main(dataset: Dataset, validation: ValidationSpec, learner: LearnerSpec) -> Cost:
    """*main* alone, in the folds of the run and in those of its interval."""
    cost = of_division(dataset, as_drawn(dataset, validation, learner), learner, procedures=("main",))
    return cost + of_interval(dataset, validation, learner)


def _without_explanation(dataset: Dataset, validation: ValidationSpec, learner: LearnerSpec) -> Cost:
    """A run that only stands beside another."""
    return of_run(dataset, validation, learner, explained=False) + of_interval(dataset, validation, learner)


def _if_it_predicts(dataset: Dataset, validation: ValidationSpec, learner: LearnerSpec) -> Cost:
    return influence_cost(dataset, validation, learner) + sites_cost(dataset, validation, learner)


def _alone(dataset: Dataset, validation: ValidationSpec, learner: LearnerSpec) -> Cost:
    """*main* for the observed outcome in one repeat."""
    once = validation.model_copy(update={"permutations": 0, "repeats": 1})
    return of_division(dataset, once, learner, procedures=("main",))


def _tuned(learner: LearnerSpec, validation: ValidationSpec) -> LearnerSpec:
    return as_permuted(learner) if validation.permutations else learner


def _in_memory(cost: Cost) -> Cost:
    """Of what is fitted and not stored."""
    return replace(cost, disk_bytes=0.0)
