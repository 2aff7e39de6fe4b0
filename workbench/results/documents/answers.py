"""What a document says where a run says nothing: no information, never yes by silence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.results.details import sentence
from workbench.results.wording import number, with_interval

if TYPE_CHECKING:
    from workbench.records import RunResult

NO_INFORMATION = "no information"


def flow_in_words(result: RunResult) -> str:
    """Participants after each step, with how many were excluded and why; no participant is named.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    str
    """
    steps = []
    for step in result.flow:
        excluded = f" ({step.excluded} excluded: {step.reason})" if step.excluded else ""
        steps.append(f"{step.step} {step.n}{excluded}")
    return "; ".join(steps)


def performance_in_words(result: RunResult) -> str:
    """R2 with its interval, error and calibration of the held-out predictions.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    str
    """
    scores = result.scores
    own, unit = scores.performance, f" {scores.outcome_unit}" if scores.outcome_unit else ""
    parts = [
        f"cross-validated {with_interval(f'R2 {number(own.r2)}', own.interval)} relative to "
        f"{scores.reference or 'the training mean'}",
        f"MAE {number(own.mae)}{unit}",
    ]
    if own.calibration_slope == own.calibration_slope:
        parts.append(f"calibration slope {number(own.calibration_slope)}")
    parts.append(f"calibration in the large {number(own.calibration_intercept)}{unit}")
    if own.auc is not None and own.brier is not None:
        parts.append(f"AUC {number(own.auc)}, Brier score {number(own.brier)}")
    return "; ".join(parts)


def features_in_words(result: RunResult) -> str:
    """How many features of which modality and session, with the units that are declared.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    str
    """
    texts = []
    for modality, own in result.features.groupby("modality", sort=True):
        sessions = sorted({str(each) for each in own["session"] if str(each)})
        units = sorted({str(each) for each in own["unit"] if str(each)}) if "unit" in own else []
        where = f" at {', '.join(sessions)}" if sessions else ""
        texts.append(f"{len(own):,} {modality} features{where}" + (f" ({', '.join(units)})" if units else ""))
    return "; ".join(texts)


def full_stop(text: str) -> str:
    """A text as a sentence, empty where there is none.

    Parameters
    ----------
    text : str

    Returns
    -------
    str

    Examples
    --------
    >>> full_stop("nothing was resampled"), full_stop("Does it predict?"), full_stop("")
    ('Nothing was resampled.', 'Does it predict?', '')
    """
    if not text or text.endswith("?"):
        return sentence(text)
    return f"{sentence(text.rstrip('.'))}."
