"""What dividing a dataset into folds and fitting every one of them costs: fits, time, memory and disk.

What a learner takes is said by its options (`workbench.specs.learners`).
"""

from __future__ import annotations

from workbench.evaluation.cost import NOTHING, PRODUCT_SECONDS, Cost
from workbench.models.estimator_trial import try_estimator
from workbench.models.estimators import as_permuted, make_learner
from workbench.models.procedures import planned_procedures
from workbench.models.rehearsed_folds import as_drawn
from workbench.models.splitters import balanced_on_outcome, for_interval
from workbench.models.steps_in_fold import covariance_blocks, steps_of
from workbench.records import Dataset
from workbench.specs.experiment import ValidationSpec
from workbench.specs.learner_work import Work
from workbench.specs.learners import PREPARATION_SECONDS, EstimatorSpec, LearnerSpec, ScreenedSpec
from workbench.unit_files import LARGE

SCREEN_SECONDS = 1e-7
"""One feature of one target ranked in one training set."""
GEOMETRIC_MEAN_SECONDS, TANGENT_SECONDS = 1e-8, 2.5e-9
"""Of one participant and cubed number of regions: in the geometric mean of a training set, and as a tangent vector."""
COMBAT_SECONDS = 1.5e-7
"""One value of one training set."""
TREATMENT_TIMES = 4.0
"""Time of a model of the effect of a treatment beside one of the outcome: small fits are not made together."""
ON_FEATURES = frozenset({"main", "raw", "increment", "joint"})
"""Procedures that learn from the features."""
PERMUTED = frozenset({"main", "increment"})
"""Procedures that go through every permuted outcome."""
EXPLAINED_PERMUTATIONS = 200
"""Permuted outcomes of which SHAP values are summed by circuit."""
SHAP_SECONDS = 6e-9
"""One value of a held-out row explained, checked, stored and averaged."""
BASE_BYTES = 2.6e8
"""Python with all that fitting needs."""
HEADER_BYTES, PROCEDURE_BYTES = 2000.0, 250.0
"""Of the file of a work unit: at least, and of each procedure in it beside its numbers."""


def estimate(dataset: Dataset, validation: ValidationSpec, learner: LearnerSpec) -> Cost:
    """Cost of the work units of one run on one core; permutations run the whole procedure.

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
    """
    return of_run(dataset, validation, learner) + of_interval(dataset, validation, learner)


def of_run(dataset: Dataset, validation: ValidationSpec, learner: LearnerSpec, *, explained: bool = True) -> Cost:
    """Cost of every outer fold of every repeat, as the run divides its participants.

    Parameters
    ----------
    dataset : Dataset
    validation : ValidationSpec
        With the repeats and permutations of this learner.
    learner : LearnerSpec
    explained : bool
        Whether SHAP values are made and stored.

    Returns
    -------
    Cost
    """
    return of_division(dataset, as_drawn(dataset, validation, learner), learner, explained=explained)


def of_interval(dataset: Dataset, validation: ValidationSpec, learner: LearnerSpec) -> Cost:
    """Cost of the repeated 5-fold division that the interval comes from; nothing where that is the run's own.

    Parameters
    ----------
    dataset : Dataset
    validation : ValidationSpec
        With the repeats and permutations of this learner.
    learner : LearnerSpec

    Returns
    -------
    Cost
    """
    division = for_interval(dataset, validation, learner)
    if division is None:
        return NOTHING
    other, drawn, spec = division
    return of_division(other, drawn, as_permuted(spec) if validation.permutations else spec)


def of_division(
    dataset: Dataset,
    validation: ValidationSpec,
    learner: LearnerSpec,
    *,
    procedures: tuple[str, ...] | None = None,
    explained: bool = False,
) -> Cost:
    """Cost of fitting every outer fold of every repeat.

    Parameters
    ----------
    dataset : Dataset
    validation : ValidationSpec
        Its repeats and folds are those there are.
    learner : LearnerSpec
    procedures : tuple of str, optional
        Default: all that have a meaning for the data.
    explained : bool
        Whether SHAP values are made and stored.

    Returns
    -------
    Cost
    """
    n, p = dataset.n_rows, len(dataset.features)
    work = work_of(dataset, validation, learner, procedures or planned_procedures(dataset), explained=explained)
    learner = as_permuted(learner) if validation.permutations else learner
    keeps_all = work.n_features == p and isinstance(learner, ScreenedSpec)
    batched = make_learner(learner.model_copy(update={"screen": 0}) if keeps_all else learner).batched
    if isinstance(learner, EstimatorSpec):
        seconds = _estimator_seconds(dataset, work, learner, explained=explained)
    else:
        seconds = learner.seconds(work)
    if dataset.treatment is not None:
        seconds *= TREATMENT_TIMES
    if work.n_features < p:
        seconds += work.training_sets * work.targets * p * SCREEN_SECONDS
    if steps_of(dataset):
        seconds += _seconds_of_steps(dataset, work)
    n_explained = (1 + min(EXPLAINED_PERMUTATIONS, work.permutations if batched else 0)) if explained else 0
    if explained:
        seconds += work.repeats * n * p * SHAP_SECONDS + work.folds * n_explained * n * p * PRODUCT_SECONDS
    return Cost(work.fits, seconds, _memory(dataset, work, explained), _disk(dataset, work, n_explained))


def bytes_held(dataset: Dataset) -> float:
    """What the features take in memory: the table itself, and a copy where its rows are not those analysed.

    Parameters
    ----------
    dataset : Dataset

    Returns
    -------
    float
    """
    blocks = dataset.feature_blocks.blocks
    tables = sum(block.values.shape[0] * block.values.shape[1] for block in blocks)
    own = len(blocks) == 1 and len(blocks[0].at) == len(blocks[0].values)
    return 8.0 * float(tables + (0 if own else dataset.n_rows * len(dataset.features)))


def _memory(dataset: Dataset, work: Work, explained: bool) -> float:
    """Features, targets, and what a fit or the results of all units hold beside them, whichever is more."""
    n, p = dataset.n_rows, len(dataset.features)
    values = 8.0 * n * p
    fitting = values * (1.0 + (work.inner + 1) * bool(steps_of(dataset)))
    held = work.repeats * values if values / work.outer <= LARGE else 2 * values / work.outer
    results = held + 16.0 * work.folds * p if explained else 0.0
    return BASE_BYTES + bytes_held(dataset) + 24.0 * n * work.targets + max(fitting, results)


def _disk(dataset: Dataset, work: Work, n_explained: int) -> float:
    """Stored units: what is predicted, sums of squared errors by target, and SHAP values of who is held out."""
    n_test, p = work.n / work.outer, len(dataset.features)
    permuted = sum(name in PERMUTED for name in work.procedures)
    n_procedures = len(work.procedures)
    numbers = n_procedures * 2 * (n_test + 1) + 2 * permuted * work.permutations
    if n_explained:
        numbers += (n_test + 2) * p + n_explained * len(dataset.circuits)
    return work.folds * (HEADER_BYTES + n_procedures * PROCEDURE_BYTES + 8.0 * numbers)


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


def _estimator_seconds(dataset: Dataset, work: Work, learner: EstimatorSpec, *, explained: bool) -> float:
    """Every procedure's fits, at what one of them took on made-up numbers of this size; and the explanation."""
    trial = try_estimator(work.n, work.n_features, dataset, learner, outer=work.outer, inner=work.inner)
    fits = work.targets * work.permuted if trial.whole else learner.fits_of_procedures(work)
    prepared = len(work.procedures) * (work.inner + 1) * work.n * work.n_features * PREPARATION_SECONDS
    return work.folds * (fits * trial.seconds + prepared + (trial.explaining if explained else 0.0))


def work_of(
    dataset: Dataset,
    validation: ValidationSpec,
    learner: LearnerSpec,
    procedures: tuple[str, ...] = (),
    *,
    explained: bool = False,
) -> Work:
    """How much one division asks of a learner.

    Parameters
    ----------
    dataset : Dataset
    validation : ValidationSpec
        With the repeats and permutations of this learner.
    learner : LearnerSpec
    procedures : tuple of str
        Default: all that have a meaning for the data.
    explained : bool
        Whether SHAP values are made.

    Returns
    -------
    Work
    """
    n, n_features = dataset.n_rows, len(dataset.features)
    offered = learner.offered(n_features)
    learner = as_permuted(learner) if validation.permutations else learner
    procedures = procedures or planned_procedures(dataset)
    return Work(
        n=n,
        n_features=offered,
        repeats=validation.repeats,
        outer=validation.outer,
        inner=validation.inner,
        permutations=validation.permutations,
        permuted=2 if "increment" in procedures else 1,
        candidates=learner.candidates(dataset.features["modality"].value_counts().tolist()),
        one_by_one=offered < n_features or balanced_on_outcome(dataset, validation),
        procedures=procedures,
        explained=explained,
    )
