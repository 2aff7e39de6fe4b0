"""Everything that travels between stages, as frozen records in flow order: read this first.

    files -> Cohort, FeatureTable -> Outcome, Dataset -> WorkUnit -> UnitResult -> RunResult

A *row* is one participant in one session. Participant ids are the canonical text of the cohort, always with the prefix
``sub-``. Arrays follow the order of the rows of their `Dataset`; nothing is matched by position across records.

The modules in the order of the flow: `study`, `in_fold`, `data`, `units`, `sensitivity`, `claims`, `scores`, `run`;
`plan`, `report` and `study_page` stand beside them. All names can be imported from `workbench.records`.
"""

from workbench.records.beside import Background, Unobserved
from workbench.records.claims import AnalysisPlan, Claim, Freeze, GateRow, Verdict, Viewing
from workbench.records.coding import (
    AVAILABILITY,
    VariableCoding,
    as_level,
    availability_term,
    codings_from_text,
    codings_to_text,
)
from workbench.records.data import (
    ELIGIBLE,
    FEATURE_COLUMNS,
    UNASSIGNED,
    ClaimKind,
    Covariates,
    Dataset,
    FeatureTable,
    FlowStep,
    LeftOut,
    Notice,
    Outcome,
    OutcomeType,
    Severity,
)
from workbench.records.feature_blocks import ABSENT, FeatureBlock, FeatureBlocks, Treatment
from workbench.records.fusion import Availability, CompleteCases, PatternScore
from workbench.records.in_fold import TANGENT, Batches, Harmonisation
from workbench.records.plan import CurvePoint, PowerPoint, SetPlan, SizeCriterion
from workbench.records.report import Contribution, ParticipantPage, Report, ReportPicture, ReportTable, Section
from workbench.records.run import LoggedExperiment, LoggedRun, ModelState, Places, RunResult
from workbench.records.scores import (
    Increment,
    Influence,
    Interval,
    Nogueira,
    Performance,
    PermutationTest,
    Scores,
    Shuffled,
    Stability,
    feature_set_name,
)
from workbench.records.sensitivity import (
    Decision,
    Difference,
    DropOut,
    RegressionToMean,
    ScaleEnds,
    Sensitivity,
    Subgroup,
)
from workbench.records.study import Cohort, Design, Doubt, Phase, Scale, Session
from workbench.records.study_page import QuestionCard, RunLine, StudyPage
from workbench.records.units import (
    PROCEDURES,
    CircuitTest,
    ConformalFold,
    ProcedureResult,
    Split,
    StabilitySelection,
    UnitResult,
    WorkUnit,
)
from workbench.records.version import SCHEMA_VERSION

__all__ = [
    "ABSENT",
    "AVAILABILITY",
    "ELIGIBLE",
    "FEATURE_COLUMNS",
    "PROCEDURES",
    "SCHEMA_VERSION",
    "TANGENT",
    "UNASSIGNED",
    "AnalysisPlan",
    "Availability",
    "Background",
    "Batches",
    "CircuitTest",
    "Claim",
    "ClaimKind",
    "Cohort",
    "CompleteCases",
    "ConformalFold",
    "Contribution",
    "Covariates",
    "CurvePoint",
    "Dataset",
    "Decision",
    "Design",
    "Difference",
    "Doubt",
    "DropOut",
    "FeatureBlock",
    "FeatureBlocks",
    "FeatureTable",
    "FlowStep",
    "Freeze",
    "GateRow",
    "Harmonisation",
    "Increment",
    "Influence",
    "Interval",
    "LeftOut",
    "LoggedExperiment",
    "LoggedRun",
    "ModelState",
    "Nogueira",
    "Notice",
    "Outcome",
    "OutcomeType",
    "ParticipantPage",
    "PatternScore",
    "Performance",
    "PermutationTest",
    "Phase",
    "Places",
    "PowerPoint",
    "ProcedureResult",
    "QuestionCard",
    "RegressionToMean",
    "Report",
    "ReportPicture",
    "ReportTable",
    "RunLine",
    "RunResult",
    "Scale",
    "ScaleEnds",
    "Scores",
    "Section",
    "Sensitivity",
    "Session",
    "SetPlan",
    "Severity",
    "Shuffled",
    "SizeCriterion",
    "Split",
    "Stability",
    "StabilitySelection",
    "StudyPage",
    "Subgroup",
    "Treatment",
    "UnitResult",
    "Unobserved",
    "VariableCoding",
    "Verdict",
    "Viewing",
    "WorkUnit",
    "as_level",
    "availability_term",
    "codings_from_text",
    "codings_to_text",
    "feature_set_name",
]
