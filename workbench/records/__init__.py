"""Everything that travels between stages, as frozen records in flow order: read this first.

    files -> Cohort, FeatureTable -> Outcome, Dataset -> WorkUnit -> UnitResult -> RunResult

A *row* is one participant in one session. Participant ids are the canonical text of the cohort, always with the prefix
``sub-``. Arrays follow the order of the rows of their `Dataset`; nothing is matched by position across records.

The modules in the order of the flow: `study`, `in_fold`, `data`, `units`, `sensitivity`, `claims`, `external`,
`scores`, `run`; `plan`, `report` and `study_page` stand beside them. All names can be imported from
`workbench.records`.
The modules in the order of the flow: `study`, `in_fold`, `data`, `units`, `effects`, `sensitivity`, `claims`, `scores`,
`run`; `plan`, `report` and `study_page` stand beside them. All names can be imported from `workbench.records`.
"""

from workbench.records.beside import Background, Unobserved
from workbench.records.claims import AnalysisPlan, Claim, Freeze, GateRow, Verdict, Viewing
from workbench.records.coding import (
    VariableCoding,
    as_level,
    availability_term,
    codings_from_text,
    codings_to_text,
    is_availability,
)
from workbench.records.course import AtSession, Course, CourseMean, RatedCourse, SharedWith
from workbench.records.data import (
    ELIGIBLE,
    FEATURE_COLUMNS,
    UNASSIGNED,
    ClaimKind,
    Covariates,
    Dataset,
    FeatureTable,
    FlowStep,
    Notice,
    Outcome,
    OutcomeType,
    Severity,
)
from workbench.records.effects import (
    BenefitQuarter,
    BenefitRanking,
    CrossoverChecks,
    FirstPeriod,
    OfOneOrder,
    PlaceboControl,
    Rival,
    SecondPeriod,
    TreatmentEffects,
)
from workbench.records.estimate import Estimate
from workbench.records.external import (
    CaseMix,
    ExternalRows,
    ExternalValidation,
    MissingFeatures,
    OtherMeasures,
    Policies,
    Shift,
    SitePerformance,
    UnseenLevels,
)
from workbench.records.feature_blocks import ABSENT, FeatureBlock, FeatureBlocks, Treatment
from workbench.records.fusion import Availability, CompleteCases, PatternScore
from workbench.records.in_fold import TANGENT, Batches, Harmonisation
from workbench.records.interval import Interval
from workbench.records.left_out import LeftOut
from workbench.records.modality_values import ModalityValue, ModalityValues, SubsetValue
from workbench.records.plan import CurvePoint, ExternalPower, PowerPoint, SetPlan, SizeCriterion
from workbench.records.report import Contribution, ParticipantPage, Report, ReportPicture, ReportTable, Section
from workbench.records.run import LoggedExperiment, LoggedRun, ModelState, Places, RunResult
from workbench.records.scores import (
    ALL_SOURCES,
    ApartFrom,
    Increment,
    Influence,
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
    "ALL_SOURCES",
    "ELIGIBLE",
    "FEATURE_COLUMNS",
    "PROCEDURES",
    "SCHEMA_VERSION",
    "TANGENT",
    "UNASSIGNED",
    "AnalysisPlan",
    "ApartFrom",
    "AtSession",
    "Availability",
    "Background",
    "Batches",
    "BenefitQuarter",
    "BenefitRanking",
    "CaseMix",
    "CircuitTest",
    "Claim",
    "ClaimKind",
    "Cohort",
    "CompleteCases",
    "ConformalFold",
    "Contribution",
    "Course",
    "CourseMean",
    "Covariates",
    "CrossoverChecks",
    "CurvePoint",
    "Dataset",
    "Decision",
    "Design",
    "Difference",
    "Doubt",
    "DropOut",
    "Estimate",
    "ExternalPower",
    "ExternalRows",
    "ExternalValidation",
    "FeatureBlock",
    "FeatureBlocks",
    "FeatureTable",
    "FirstPeriod",
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
    "MissingFeatures",
    "ModalityValue",
    "ModalityValues",
    "ModelState",
    "Nogueira",
    "Notice",
    "OfOneOrder",
    "OtherMeasures",
    "Outcome",
    "OutcomeType",
    "ParticipantPage",
    "PatternScore",
    "Performance",
    "PermutationTest",
    "Phase",
    "PlaceboControl",
    "Places",
    "Policies",
    "PowerPoint",
    "ProcedureResult",
    "QuestionCard",
    "RatedCourse",
    "RegressionToMean",
    "Report",
    "ReportPicture",
    "ReportTable",
    "Rival",
    "RunLine",
    "RunResult",
    "Scale",
    "ScaleEnds",
    "Scores",
    "SecondPeriod",
    "Section",
    "Sensitivity",
    "Session",
    "SetPlan",
    "Severity",
    "SharedWith",
    "Shift",
    "Shuffled",
    "SitePerformance",
    "SizeCriterion",
    "Split",
    "Stability",
    "StabilitySelection",
    "StudyPage",
    "Subgroup",
    "SubsetValue",
    "Treatment",
    "TreatmentEffects",
    "UnitResult",
    "Unobserved",
    "UnseenLevels",
    "VariableCoding",
    "Verdict",
    "Viewing",
    "WorkUnit",
    "as_level",
    "availability_term",
    "codings_from_text",
    "codings_to_text",
    "feature_set_name",
    "is_availability",
]
