"""The flow: composes the stages, and is what a notebook calls.

    files -> sources -> tables -> models -> results -> figures / report / export / tracking

Stages never import each other; whatever two of them must agree on travels in a record through here. Each module owns
a step and leans on none but those before it: `progress`, `study_data`, `named_estimators`, `experiment_plan`,
`single_run`, `comparing`, `reports`, `start_page`, `store`, `ledger`, `claim_gate`, `checks`, `aligned`, `experiment`,
`freezing`, `simulated_trials`, `reproducing`, `present_plans`, `pruning`, `merging`, `power`, `pages`, `sending`,
`scaffold`, `demonstration`; `permissions`, `progress` and `interrupting` stand below them all.
"""

from workbench.pipeline.aligned import AlignedData, aligned_data, fit_model
from workbench.pipeline.checks import CheckReport, check
from workbench.pipeline.circuits import WithoutCircuit
from workbench.pipeline.claim_gate import PlannedClaim, that_carries
from workbench.pipeline.comparing import Comparison, compare
from workbench.pipeline.demonstration import demo
from workbench.pipeline.describing import DescribedSource, circuits_template, describe_features
from workbench.pipeline.experiment import run
from workbench.pipeline.experiment_plan import ExperimentPlan
from workbench.pipeline.freezing import Frozen, freeze
from workbench.pipeline.merging import Merged, Refused, merge
from workbench.pipeline.power import StudyPlan, plan
from workbench.pipeline.predicting import ExternalPrediction, predict
from workbench.pipeline.progress import Progress, Silent
from workbench.pipeline.pruning import Piece, Pruned, prune
from workbench.pipeline.reports import report
from workbench.pipeline.reproducing import Reproduction, reproduce
from workbench.pipeline.scaffold import DraftedStudy, init, init_from, simulate_study
from workbench.pipeline.sending import send
from workbench.pipeline.store import FinishedRun, FinishedRuns, export_run, list_runs, load_model, show_run, ui
from workbench.pipeline.study_data import describe, features

__all__ = [
    "AlignedData",
    "CheckReport",
    "Comparison",
    "DescribedSource",
    "DraftedStudy",
    "ExperimentPlan",
    "ExternalPrediction",
    "FinishedRun",
    "FinishedRuns",
    "Frozen",
    "Merged",
    "Piece",
    "PlannedClaim",
    "Progress",
    "Pruned",
    "Refused",
    "Reproduction",
    "Silent",
    "StudyPlan",
    "WithoutCircuit",
    "aligned_data",
    "check",
    "circuits_template",
    "compare",
    "demo",
    "describe",
    "describe_features",
    "export_run",
    "features",
    "fit_model",
    "freeze",
    "init",
    "init_from",
    "list_runs",
    "load_model",
    "merge",
    "plan",
    "predict",
    "prune",
    "report",
    "reproduce",
    "run",
    "send",
    "show_run",
    "simulate_study",
    "that_carries",
    "ui",
]
