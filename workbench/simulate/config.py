"""What a simulated trial is asked to be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from workbench.errors import Problems, SpecError

TrialDesign = Literal["crossover", "parallel", "single-arm"]
Places = Literal["every modality", "one each", "connectivity"]
ScoreName = Literal["SHAPS", "MADRS"]

SCORES: tuple[ScoreName, ...] = ("SHAPS", "MADRS")
DESIGNS: tuple[TrialDesign, ...] = ("crossover", "parallel", "single-arm")
PLACES: tuple[Places, ...] = ("every modality", "one each", "connectivity")


@dataclass(frozen=True)
class TrialConfig:
    """One trial, METHODS section 4.1; the defaults are its default cohort.

    Parameters
    ----------
    r2 : float
        Share of the variance of the main contrast that connectivity and task together explain in the population, given
        the nuisance of the study (motion, sequence, and site where it matters): ketamine minus placebo in a crossover,
        the fall after ketamine in the other designs; 48 hours after the infusion, of either score as it is observed.
    n_regions : int
        15 (105 edges) or 50 (1,225 edges).
    circuits_in : str
        Where circuits show: in every modality, the planted ones in one modality each, or all in connectivity alone.
    carriers : int, optional
        Features of a circuit, in each modality, that show it; default: all of them.
    site_shift, site_scale : tuple of float
        Range of the shift between scanners in SD of a feature, and of the ratio of their spreads.
    site_outcome : float
        Difference between sites in the response to ketamine, in SD: above 0, site is a real confounder.
    prognostic_share, fd_share : float
        Share of the variance of the main contrast (of the signal, for prognosis, outside a crossover) that the
        prognostic-only circuit and motion have.
    interaction_share, non_linear : float, bool
        Share of the signal that the interaction-only circuit has; whether the ventral striatum acts by a threshold.
    carry_over : float
        Share of the first infusion's effect that is still there in the second period.
    uncovered : float
        Share of the connectivity scans whose field of view ends above the cerebellum: its parcels are missing in them.
    world : int
        Seed of what is true of everybody (loadings, items, scanners), kept when the seed of the trial changes.
    """

    design: TrialDesign = "crossover"
    n_patients: int = 120
    n_controls: int = 0
    r2: float = 0.25
    n_regions: Literal[15, 50] = 15
    circuits_in: Places = "every modality"
    carriers: int | None = None
    site_weights: tuple[float, ...] = (0.5, 0.3, 0.2)
    site_shift: tuple[float, float] = (0.5, 1.0)
    site_scale: tuple[float, float] = (0.8, 1.25)
    site_outcome: float = 0.4
    prognostic_share: float = 0.2
    interaction_share: float = 0.1
    fd_share: float = 0.06
    non_linear: bool = False
    carry_over: float = 0.1
    entry_threshold: int = 20
    madrs_error: float = 1.5
    dropout: float = 0.08
    missing_connectivity: float = 0.05
    missing_task: float = 0.25
    missing_pet: float = 0.60
    missing_values: float = 0.01
    uncovered: float = 0.0
    task_sessions: tuple[str, ...] = ("ses-b0", "ses-d2")
    world: int = 0

    def __post_init__(self) -> None:
        problems = Problems()
        if self.design not in DESIGNS:
            problems.add("design", f"is {self.design!r}", f"one of {', '.join(DESIGNS)}")
        if self.n_patients < 10 or self.n_controls < 0:
            problems.add("patients", f"is {self.n_patients}", "10 or more")
        if not 0 <= self.r2 < 1:
            problems.add("r2", f"is {self.r2:g}", "from 0 to below 1")
        if self.n_regions not in (15, 50):
            problems.add("n_regions", f"is {self.n_regions}", "15 or 50")
        if self.circuits_in not in PLACES:
            problems.add("circuits_in", f"is {self.circuits_in!r}", f"one of {', '.join(PLACES)}")
        if self.carriers is not None and self.carriers < 1:
            problems.add("carriers", f"is {self.carriers}", "1 or more")
        if abs(sum(self.site_weights) - 1) > 1e-9 or min(self.site_weights, default=0.0) <= 0:
            problems.add("site_weights", f"are {self.site_weights}", "shares above 0 that sum to 1")
        for name in ("dropout", "missing_connectivity", "missing_task", "missing_pet", "missing_values", "uncovered"):
            if not 0 <= getattr(self, name) < 1:
                problems.add(name, f"is {getattr(self, name):g}", "from 0 to below 1")
        problems.raise_if_any(SpecError)

    @classmethod
    def demo(cls) -> TrialConfig:
        """The repository's own study: a crossover that a laptop analyses while one watches."""
        return cls(
            n_patients=120,
            r2=0.5,
            site_shift=(0.2, 0.4),
            site_outcome=0.0,
            interaction_share=0.05,
            fd_share=0.12,
            missing_task=0.10,
            missing_pet=0.66,
        )

    @classmethod
    def review(cls) -> TrialConfig:
        """As many people as the imaging studies reviewed in 2026 have together: 482 patients and 141 controls."""
        return cls(n_patients=482, n_controls=141)


DEMO_SEED = 10
"""Seed of the repository's own study.

Seeds 0 to 19 were looked at while the settings of `TrialConfig.demo` were tuned, and this one was chosen among them for
an ordinary cross-validated r2 and no false candidate in the main run. On seeds 20 to 39, which nobody had looked at,
what the demo promises was kept 20 times of 20. docs/simulator.md says what that is.
"""
