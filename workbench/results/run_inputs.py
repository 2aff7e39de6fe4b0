"""All that one run is reduced from: its units, what refits left beside them, and what was declared."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from workbench.evaluation.metrics import against_better_reference
from workbench.evaluation.refits import Fits
from workbench.evaluation.sites import OtherSites

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pandas as pd

    from workbench.evaluation.influence import WithoutEach
    from workbench.evaluation.modality_sets import SubsetFits
    from workbench.records import (
        CircuitTest,
        ConformalFold,
        Dataset,
        Design,
        ModelState,
        Notice,
        Places,
        StabilitySelection,
        UnitResult,
        WorkUnit,
    )
    from workbench.specs.experiment import ExperimentSpec, ValidationSpec
    from workbench.specs.learners import LearnerSpec


@dataclass(frozen=True, eq=False)
class RunInputs:
    """All that one run is reduced from.

    Attributes
    ----------
    validation : ValidationSpec
        With the model's own repeats and permutations.
    residualised : bool
        Whether confounds were residualised out of the features, or were an offset, as for trees.
    circuit_test : CircuitTest or None
    influence : WithoutEach or None
    permutation_scheme, permutation_refused : str
        In words; the second is empty unless no p-value may be given.
    warnings : tuple of Notice
        What the guards said about the experiment, and what could not be analysed.
    """

    dataset: Dataset
    experiment: str
    spec: ExperimentSpec
    learner: LearnerSpec
    validation: ValidationSpec
    residualised: bool
    units: Sequence[WorkUnit]
    unit_results: Sequence[UnitResult]
    circuit_test: CircuitTest | None
    influence: WithoutEach | None
    permutation_scheme: str
    permutation_refused: str
    synthetic: bool
    design: Design
    spec_toml: str
    spec_hash: str
    warnings: tuple[Notice, ...] = ()
    conformal: Sequence[ConformalFold] = ()
    """Of the first repeat; empty where the model gives no intervals of single people."""
    other_sites: OtherSites = field(default_factory=OtherSites)
    """The same model with each whole site left out in turn, and on K folds with site in the nuisance block."""
    blind_fits: int = 0
    """Fits in which the held-out people were noise, and nothing that was learnt changed."""
    interval_units: Sequence[WorkUnit] = ()
    interval_results: Sequence[UnitResult] = ()
    """The observed outcome once more in repeated 5-fold divisions, for the intervals; empty where `units` are such, or
    where there is no interval."""
    shuffled: Fits | None = None
    """The run once more on shuffled outcomes; None where the design leaves too few distinct shuffles."""
    pairs: Sequence[tuple[str, str, float]] = ()
    """r2 refitted without both of some pairs of people; empty where nothing is refitted."""
    model: ModelState | None = None
    """Of everyone analysed; None where the run predicts nothing, or its learner keeps no model that can be written."""
    unobserved: tuple[np.ndarray, np.ndarray] | None = None
    """Prediction and reference for those of ``dataset.unobserved``."""
    capped: tuple[str, ...] = ()
    """Why the claim is exploratory at most, whatever the numbers are."""
    baseline: str = ""
    """The baseline score of the outcome, as a term; empty where it has none."""
    places: Places = field(default_factory=dict)
    """Where regions lie, as far as the study says."""
    undeclared: str = ""
    """Sources of which the upstream steps are not declared, in a sentence."""
    selection: StabilitySelection | None = None
    """None where the run does not predict, or was not tested."""
    interactions: pd.DataFrame | None = None
    """Of circuits, for boosted trees that predict."""
    prognosis: np.ndarray | None = None
    """The outcome of each row predicted without the arm, where the effect of a treatment is predicted."""
    first_period: Fits | None = None
    """The first period of a crossover alone; None for other outcomes."""
    modality_fits: SubsetFits | None = None
    """The run once more with every set of its modalities; None where they are not taken apart."""
    complete_cases: Fits | None = None
    """The run once more on those who have every modality; None where everyone has, or too few do."""
    published_as: str = ""
    """The cohort of the evidence map that the study's participants are; empty where none is declared."""
    pharmacodynamic: tuple[str, ...] = ()
    """Sources taken as acute changes."""

    @property
    def run(self) -> Fits:
        """The run's own units."""
        return Fits(self.dataset, self.units, self.unit_results)

    @property
    def of_interval(self) -> Fits:
        """The division that intervals come from: one of its own where the folds are not repeated 5-fold."""
        if self.interval_results:
            return Fits(self.dataset, self.interval_units, self.interval_results)
        return self.run

    def rescored(self) -> RunInputs:
        """The same, scored against the better of two references where the learner may bend the covariates."""
        if self.residualised:
            return self
        return replace(
            self,
            unit_results=against_better_reference(self.unit_results),
            interval_results=against_better_reference(self.interval_results),
        )
