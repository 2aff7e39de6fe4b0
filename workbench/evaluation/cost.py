"""What a run will cost, before anything is run: fits, time, memory and disk, to the nearest order.

What a learner takes is said by its options (`workbench.specs.learners`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from workbench.evaluation.apart_from import as_it_is
from workbench.evaluation.availability import FEWEST_COMPLETE, n_complete
from workbench.evaluation.baseline_held import holding_baseline
from workbench.evaluation.conformal import affordable
from workbench.evaluation.crossover import first_period_trial
from workbench.evaluation.influence import MOST_INFLUENTIAL, MOST_REFITTED, PAIRS
from workbench.evaluation.modality_sets import modality_names, proper_subsets, with_modalities
from workbench.evaluation.negative_control import SHUFFLED_REPEATS
from workbench.evaluation.sites import MOST_REPEATS, holding_site, leaving_sites_out
from workbench.models.estimator_trial import try_estimator
from workbench.models.estimators import as_permuted, make_learner
from workbench.models.procedures import planned_procedures
from workbench.models.rehearsed_folds import as_drawn
from workbench.models.splitters import balanced_on_outcome, for_interval
from workbench.models.steps_in_fold import covariance_blocks, steps_of
from workbench.records import Dataset
from workbench.specs.experiment import INFLUENCE_REPEATS, ValidationSpec
from workbench.specs.learner_work import Work
from workbench.specs.learners import PREPARATION_SECONDS, EstimatorSpec, LearnerSpec

SCREEN_SECONDS = 1e-7
"""One feature of one target ranked in one training set."""
GEOMETRIC_MEAN_SECONDS, TANGENT_SECONDS = 1e-8, 2.5e-9
"""Of one participant and cubed number of regions: in the geometric mean of a training set, and as a tangent vector."""
COMBAT_SECONDS = 1.5e-7
"""One value of one training set."""
ON_FEATURES = frozenset({"main", "raw", "increment", "joint"})
"""Procedures that learn from the features."""


@dataclass(frozen=True)
class Cost:
    """An estimate for one core."""

    fits: int
    seconds: float
    memory_bytes: float
    disk_bytes: float

    def __add__(self, other: Cost) -> Cost:
        """Of one after the other: memory is needed once."""
        memory = max(self.memory_bytes, other.memory_bytes)
        return Cost(self.fits + other.fits, self.seconds + other.seconds, memory, self.disk_bytes + other.disk_bytes)

    def times(self, factor: float) -> Cost:
        """Of so many one after the other: memory is needed once."""
        return Cost(round(self.fits * factor), self.seconds * factor, self.memory_bytes, self.disk_bytes * factor)

    @property
    def time(self) -> str:
        """Time in words."""
        if self.seconds < 60:
            return "under a minute"
        minutes = self.seconds / 60
        return f"about {minutes:.0f} min" if minutes < 90 else f"about {minutes / 60:.0f} h"

    @property
    def memory(self) -> str:
        """Memory in words."""
        return _size(self.memory_bytes)

    @property
    def disk(self) -> str:
        """Disk for the stored pieces, in words."""
        return _size(self.disk_bytes)


def estimate(dataset: Dataset, validation: ValidationSpec, learner: LearnerSpec) -> Cost:
    """Cost of one run on one core; permutations run the whole procedure.

    Where the folds are not repeated 5-fold the division that the interval comes from is counted too.

    Parameters
    ----------
    dataset : Dataset
    validation : ValidationSpec
        With the repeats and permutations of this learner.
    learner : LearnerSpec

    Returns
    -------
    Cost
        `fits` counts fits of the model that scikit-learn would have to make for the same numbers: candidate settings x
        inner folds plus the final fit, per outer fold, repeat and target.
    """
    run = _of_division(dataset, as_drawn(dataset, validation), learner)
    division = for_interval(dataset, validation, learner)
    if division is None:
        return run
    dataset, drawn, learner = division
    beside = _of_division(dataset, drawn, as_permuted(learner) if validation.permutations else learner)
    return Cost(
        fits=run.fits + beside.fits,
        seconds=run.seconds + beside.seconds,
        memory_bytes=max(run.memory_bytes, beside.memory_bytes),
        disk_bytes=run.disk_bytes + beside.disk_bytes,
    )


def _of_division(dataset: Dataset, validation: ValidationSpec, learner: LearnerSpec) -> Cost:
    """Cost of every outer fold of every repeat."""
    n, n_features = dataset.n_rows, len(dataset.features)
    work = _work(dataset, validation, learner)
    learner = as_permuted(learner) if validation.permutations else learner
    if isinstance(learner, EstimatorSpec):
        seconds = _estimator_seconds(dataset, work, learner)
    else:
        seconds = learner.seconds(work)
    if work.n_features < n_features:
        seconds += work.training_sets * work.targets * n_features * SCREEN_SECONDS
    memory = 8.0 * (3 * n * n_features + 3 * n * work.targets) + 2e8
    if steps_of(dataset):
        seconds += _seconds_of_steps(dataset, work)
        memory += 16.0 * (work.inner + 1) * n * n_features
    disk = work.folds * 8.0 * (2 * work.permuted * work.targets + 0.3 * n * n_features)
    return Cost(work.fits, seconds, memory, disk)


def _seconds_of_steps(dataset: Dataset, work: Work) -> float:
    """Tangent spaces, learnt once for all procedures, and ComBat, in every training set; permuted outcomes share them,
    but where each has folds of its own."""
    sets = work.folds * (work.inner + 1)
    procedures = len(ON_FEATURES.intersection(work.procedures))
    if work.one_by_one and work.n_features == len(dataset.features):
        sets *= work.targets
    seconds = 0.0
    for block in covariance_blocks(dataset.features):
        cubed = (float(block.pairs.max()) + 1.0) ** 3
        seconds += sets * work.n * cubed * (GEOMETRIC_MEAN_SECONDS + procedures * TANGENT_SECONDS)
    if dataset.harmonisation is not None:
        seconds += sets * procedures * work.n * len(dataset.harmonisation.columns) * COMBAT_SECONDS
    return seconds


def _estimator_seconds(dataset: Dataset, work: Work, learner: EstimatorSpec) -> float:
    """Every procedure's fits, at what one of them took on made-up numbers of this size; and the explanation."""
    trial = try_estimator(work.n, work.n_features, dataset, learner, outer=work.outer, inner=work.inner)
    fits = work.targets * work.permuted if trial.whole else learner.fits_of_procedures(work)
    prepared = len(work.procedures) * (work.inner + 1) * work.n * work.n_features * PREPARATION_SECONDS
    return work.folds * (fits * trial.seconds + prepared + trial.explaining)


def _work(dataset: Dataset, validation: ValidationSpec, learner: LearnerSpec) -> Work:
    n, n_features = dataset.n_rows, len(dataset.features)
    offered = learner.offered(n_features)
    learner = as_permuted(learner) if validation.permutations else learner
    return Work(
        n=n,
        n_features=offered,
        repeats=validation.repeats,
        outer=validation.outer,
        inner=validation.inner,
        permutations=validation.permutations,
        permuted=2 if dataset.clinical.variables else 1,
        candidates=learner.candidates(dataset.features["modality"].value_counts().tolist()),
        one_by_one=offered < n_features or balanced_on_outcome(dataset, validation),
        procedures=planned_procedures(dataset),
    )


def estimate_at_most(dataset: Dataset, validation: ValidationSpec, learner: LearnerSpec) -> Cost:
    """Cost of one run that predicts, with all that is analysed once more beside it (`sensitivity`).

    Whole sites left out, site held fixed, and for an outcome that contains the baseline score the run with that held
    fixed. A run that predicts nothing is spared all of these.

    Parameters
    ----------
    dataset, validation, learner
        As for `estimate`.

    Returns
    -------
    Cost
    """
    cost = _with_sites(dataset, validation, learner)
    held = holding_baseline(dataset) if validation.permutations else None
    return cost if held is None else cost + _with_sites(held, validation, learner)


def estimate_raw(dataset: Dataset, validation: ValidationSpec, learner: LearnerSpec) -> Cost:
    """Cost of the run once more with nothing of another score held fixed, where the outcome is taken apart from one.

    Parameters
    ----------
    dataset, validation, learner : Dataset, ValidationSpec, LearnerSpec

    Returns
    -------
    Cost
        Of nothing where it is not.
    """
    raw = as_it_is(dataset)
    return Cost(0, 0.0, 0.0, 0.0) if raw is None else estimate(raw, validation, learner)


def estimate_modalities(dataset: Dataset, validation: ValidationSpec, learner: LearnerSpec) -> Cost:
    """Cost of the run once more with every set of its modalities (`workbench.evaluation.modalities`).

    Of a set only the model itself is refitted, and of a single modality the increment; permuted outcomes where the
    learner serves them all at once.

    Parameters
    ----------
    dataset, validation, learner
        As for `estimate`.

    Returns
    -------
    Cost
        Of these refits alone; as if every set were as wide as all modalities for estimators that a trial has to time.
    """
    tuned = as_permuted(learner) if validation.permutations else learner
    one_by_one = not make_learner(learner).batched or balanced_on_outcome(dataset, validation)
    served = validation.model_copy(update={"permutations": 0} if one_by_one else {})
    nothing = dataset.nuisance.only()
    own = replace(dataset, forced=dataset.nuisance, confounds=nothing, clinical=dataset.clinical.only())
    cost = Cost(0, 0.0, 0.0, 0.0)
    timed = isinstance(learner, EstimatorSpec)
    whole = estimate(own, served, tuned) if timed else cost
    for subset in proper_subsets(modality_names(dataset, learner)):
        of_set = whole if timed else estimate(with_modalities(own, subset), served, tuned)
        cost += of_set.times(2.0 if len(subset) == 1 and dataset.clinical.variables else 1.0)
    if dataset.complete:
        return cost
    observed, of_all = validation.model_copy(update={"permutations": 0}), dataset.having_all()
    return cost + estimate(of_all, observed, tuned) + estimate_modalities(of_all, observed, tuned)


def estimate_refits(dataset: Dataset, validation: ValidationSpec, learner: LearnerSpec) -> Cost:
    """Cost of what questions refit beside a run that predicts: influence, negative control, single participants, and
    the model of everyone.

    Only the model itself is refitted, for the observed outcome. Learners that share nothing between targets keep the
    settings that they chose where somebody is left out.

    Parameters
    ----------
    dataset, validation, learner
        As for `estimate`.

    Returns
    -------
    Cost
        Of these refits alone.
    """
    alone = validation.model_copy(update={"permutations": 0, "repeats": 1})
    tuned = as_permuted(learner) if validation.permutations else learner
    own = replace(dataset, clinical=dataset.clinical.only())
    repeat, batched = _of_division(own, alone, tuned), make_learner(tuned).batched
    search = 1.0 if batched else float(_work(own, alone, tuned).fits / validation.outer)
    refits = _leave_outs(dataset, validation) / search if batched or validation.permutations else 0.0
    if affordable(dataset, tuned):
        refits += validation.outer * validation.inner
    everyone = 1 / validation.outer
    complete = validation.repeats if n_complete(dataset) >= FEWEST_COMPLETE and not dataset.complete else 0
    control = min(validation.repeats, SHUFFLED_REPEATS) if batched else 1
    beside = _of_division(own, alone, tuned.beside_main())
    beside_treatments = _of_treatments(dataset, control)
    return repeat.times(refits / validation.outer + complete) + beside.times(control + everyone + beside_treatments)


def _of_treatments(dataset: Dataset, repeats: int) -> int:
    """Repeats of what a comparison of treatments fits besides: the prognosis, or the first period of a crossover."""
    return repeats if dataset.treatment is not None or first_period_trial(dataset) is not None else 0


def estimate_external(n_features: int, n_participants: int) -> Cost:
    """Cost of one external prediction: nothing is fitted; the intervals and the comparison of the cohorts are counted.

    Parameters
    ----------
    n_features : int
    n_participants : int
        Of the training cohort, as nothing is known of the other one.

    Returns
    -------
    Cost
        Without reading the tables, which are kept once they are built.
    """
    seconds = EXTERNAL_SECONDS + 2e-5 * n_participants + 1e-7 * n_participants * n_features
    return Cost(0, seconds, 8.0 * 2 * n_participants * n_features, 0.0)


EXTERNAL_SECONDS = 1.0
"""Ledgers, MLflow and report."""


def _leave_outs(dataset: Dataset, validation: ValidationSpec) -> int:
    """Fits without a participant, or without two: in every fold without each of those it trains on."""
    n = dataset.n_participants
    left_out = n if n <= MOST_REFITTED else MOST_INFLUENTIAL
    of_a_repeat = left_out * (validation.outer - 1) + PAIRS * validation.outer
    return min(validation.repeats, INFLUENCE_REPEATS) * of_a_repeat


def _with_sites(dataset: Dataset, validation: ValidationSpec, learner: LearnerSpec) -> Cost:
    cost = estimate(dataset, validation, learner)
    tuned = as_permuted(learner) if validation.permutations else learner
    left_out = leaving_sites_out(dataset, validation)
    if left_out is not None and dataset.sites is not None:
        where, folds = left_out
        cost += estimate(where, folds.model_copy(update={"repeats": 1, "outer": len(set(dataset.sites))}), tuned)
    held = holding_site(dataset, validation)
    if held is not None:
        where, folds = held
        repeats = min(validation.repeats, MOST_REPEATS)
        cost += estimate(where, folds.model_copy(update={"repeats": repeats}), tuned)
    return cost


def _size(n_bytes: float) -> str:
    return f"{n_bytes / 1e9:.1f} GB" if n_bytes >= 1e9 else f"{max(1, n_bytes / 1e6):.0f} MB"
