"""Questions of PROBAST+AI about risk of bias: no information unless the run itself holds the evidence."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from workbench.results.documents.answers import NO_INFORMATION, flow_in_words, full_stop
from workbench.results.wording import number

if TYPE_CHECKING:
    from workbench.records import RunResult

Answer = tuple[str, str]
"""The answer, and the evidence for it; evidence may stand beside *no information*, for whoever answers."""
ENOUGH, FEW = 20.0, 10.0
"""Participants for each candidate feature, above and below which a sample is probably large enough, or too small
(Wolff et al. 2019, Annals of Internal Medicine 170, 51-58, question 4.1)."""


def probast_rows(result: RunResult) -> list[dict[str, str]]:
    """A row for each question of the four domains.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    list of dict
        domain, question, answer (yes, probably yes, no information, probably no, no), evidence.
    """
    rows = []
    for domain, question, answer in QUESTIONS:
        words, evidence = (NO_INFORMATION, "") if answer is None else answer(result)
        rows.append({"domain": domain, "question": question, "answer": words, "evidence": full_stop(evidence)})
    return rows


def _eligibility(result: RunResult) -> Answer:
    return NO_INFORMATION, flow_in_words(result)


def _same_way(result: RunResult) -> Answer:
    return NO_INFORMATION, result.scores.undeclared


def _available(result: RunResult) -> Answer:
    timing = [each for each in result.scores.capped if "time" in each or "measured" in each]
    return NO_INFORMATION, "; ".join(timing)


def _definition(result: RunResult) -> Answer:
    return NO_INFORMATION, result.scores.estimand


def _excluded_from_outcome(result: RunResult) -> Answer:
    held = result.scores.baseline_held
    if held is None:
        return NO_INFORMATION, ""
    return "probably yes", f"with the baseline score held fixed R2 is {number(held.performance.r2)}"


def _enough(result: RunResult) -> Answer:
    n, p = result.scores.n_participants, result.scores.n_features
    evidence = f"{n} participants for {p:,} features, {n / max(p, 1):.1f} for each"
    ratio = n / max(p, 1)
    if ratio < FEW:
        return "probably no", f"{evidence}; penalised models need fewer, and the interval of R2 shows how few these are"
    return ("probably yes" if ratio >= ENOUGH else NO_INFORMATION), evidence


def _all_included(result: RunResult) -> Answer:
    lost = result.scores.sensitivity.drop_out
    if lost is None:
        return NO_INFORMATION, ""
    evidence = f"{lost.n_lost} of {lost.n_asked} eligible participants were not analysed"
    return ("yes" if lost.n_lost == 0 else "no"), evidence


def _missing(result: RunResult) -> Answer:
    lost = result.scores.sensitivity.drop_out
    if lost is None:
        return NO_INFORMATION, ""
    if lost.n_lost == 0:
        return "probably yes", "single missing features were filled from training participants"
    weighted = "" if lost.r2_weighted is None else f"; R2 weighted for it is {number(lost.r2_weighted)}"
    return "probably no", f"{lost.n_lost} eligible participants with missing data were excluded{weighted}"


def _inside_folds(result: RunResult) -> Answer:
    fits = result.scores.blind_fits
    if not fits:
        return NO_INFORMATION, ""
    return "yes", f"replacing held-out participants by noise changed nothing that was learnt in {fits} fits"


def _optimism(result: RunResult) -> Answer:
    if not result.scores.blind_fits:
        return NO_INFORMATION, ""
    tested = result.scores.test.n_permutations
    permuted = f"; the whole procedure was repeated on {tested:,} permuted outcomes" if tested else ""
    return "yes", f"nested cross-validation, {result.scores.validation}{permuted}"


def _measures(result: RunResult) -> Answer:
    own = result.scores.performance
    if own.interval is None or own.calibration_slope != own.calibration_slope:
        return "probably no", "there is no interval, or calibration cannot be assessed"
    return "yes", "discrimination or R2 with interval, error, calibration slope and in the large"


def _same_model(result: RunResult) -> Answer:
    if not result.claim.shows_prediction:
        return NO_INFORMATION, ""
    return "yes", "the model in model/ is fitted by the procedure that was validated, to everyone analysed"


def _subgroups(result: RunResult) -> Answer:
    variables = dict.fromkeys(each.variable for each in result.scores.sensitivity.subgroups)
    return NO_INFORMATION, f"performance by {', '.join(variables)} is in subgroups.tsv" if variables else ""


def _sites(result: RunResult) -> Answer:
    across = result.scores.across_sites
    return NO_INFORMATION, "" if across is None else f"R2 {number(across)} when each whole site is left out"


SOURCES, PREDICTORS, OUTCOME, ANALYSIS = "participants and data sources", "predictors", "outcome", "analysis"
QUESTIONS: tuple[tuple[str, str, Callable[[RunResult], Answer] | None], ...] = (
    (SOURCES, "Were appropriate data sources used?", None),
    (SOURCES, "Were all inclusions and exclusions of participants appropriate?", _eligibility),
    (SOURCES, "Are the participants those for whom the model is meant?", None),
    (PREDICTORS, "Were predictors defined and assessed in the same way for all participants?", _same_way),
    (PREDICTORS, "Were predictors assessed without knowledge of the outcome?", None),
    (PREDICTORS, "Are all predictors available when the model is meant to be used?", _available),
    (OUTCOME, "Was the outcome determined appropriately, by a standard definition?", _definition),
    (OUTCOME, "Were predictors excluded from the definition of the outcome?", _excluded_from_outcome),
    (OUTCOME, "Was the outcome determined in the same way for all participants?", None),
    (OUTCOME, "Was the outcome determined without knowledge of the predictors?", None),
    (OUTCOME, "Was the time between predictors and outcome appropriate?", None),
    (ANALYSIS, "Was the number of participants reasonable for the number of candidate features?", _enough),
    (ANALYSIS, "Were all enrolled participants included in the analysis?", _all_included),
    (ANALYSIS, "Were missing data handled appropriately?", _missing),
    (ANALYSIS, "Was everything that learns, selection of features too, fitted without held-out data?", _inside_folds),
    (ANALYSIS, "Were overfitting and optimism accounted for?", _optimism),
    (ANALYSIS, "Were relevant measures of performance evaluated, calibration among them?", _measures),
    (ANALYSIS, "Were complexities of the data, such as sites or families, accounted for?", _sites),
    (ANALYSIS, "Is the final model the one whose performance was assessed?", _same_model),
    (ANALYSIS, "Was performance, and fairness, examined in relevant subgroups?", _subgroups),
)
"""Domain, question in our words, and who answers it; None: nothing in a run can. After PROBAST (Wolff et al. 2019) and
PROBAST+AI (Moons et al. 2025, BMJ 388, e082505), whose official form has to be filled by a reader."""
