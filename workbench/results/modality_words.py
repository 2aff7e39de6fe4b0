"""What each modality adds, in words and as a table; nothing *adds* where prediction is not shown."""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING

from workbench.results.layout import GLUE
from workbench.results.wording import number, p_text, signed

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from workbench.records import Interval, ModalityValue, ModalityValues, RunResult

ADDS, NOT_SHOWN = "adds", "not shown"
EVERYONE, COMPLETE = "everyone", "complete"
COLUMNS = (
    "modality",
    "cases",
    "n_participants",
    "n_features",
    "shapley",
    "shapley_low",
    "shapley_high",
    "global_null_p",
    "ablation",
    "ablation_low",
    "ablation_high",
    "alone",
    "alone_low",
    "alone_high",
    "increment",
    "increment_low",
    "increment_high",
    "increment_p",
    "adds",
)
"""Of ``modality_values.tsv``."""


def modality_values_table(result: RunResult) -> pd.DataFrame | None:
    """What each modality adds, one row each.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    DataFrame or None
        `COLUMNS`; those who have every modality follow everyone, where some lack one. *adds* is empty for them, and
        where prediction is not shown or was not tested. None where modalities were not taken apart.
    """
    import pandas as pd

    apart = result.scores.modality_values
    if apart is None:
        return None
    cases = [(EVERYONE, apart), *([(COMPLETE, apart.complete)] if apart.complete is not None else [])]
    rows = [
        (
            value.modality,
            name,
            own.n_participants,
            value.n_features,
            value.shapley,
            *_ends(value.interval),
            _or_nan(value.global_null_p),
            value.ablation,
            *_ends(value.ablation_interval),
            value.alone,
            *_ends(value.alone_interval),
            _or_nan(value.increment),
            *_ends(value.increment_interval),
            _or_nan(value.increment_p),
            _verdict(value) if result.claim.shows_prediction and own is apart else "",
        )
        for name, own in cases
        for value in own.values
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def adds(value: ModalityValue) -> bool:
    """Whether all other modalities predict worse without this one, beyond the interval of the ablation.

    Parameters
    ----------
    value : ModalityValue
        Of a run whose prediction is shown.

    Returns
    -------
    bool
    """
    return value.ablation_interval is not None and value.ablation_interval.low > 0


def answer(result: RunResult) -> str:
    """Which modality adds to the others, in a sentence or two.

    Parameters
    ----------
    result : RunResult
        With modality values.

    Returns
    -------
    str
    """
    apart = result.scores.modality_values
    assert apart is not None
    if not result.claim.shows_prediction:
        return f"Nothing is said to add: {_why_not(result)}. The table holds the numbers, which rank nothing."
    adding = [value for value in apart.values if adds(value)]
    if not any(value.ablation_interval for value in apart.values):
        return "These folds allow no interval, so no modality is said to add to the others."
    if not adding:
        return (
            f"No modality is shown to add to {others(apart)}: no 95 % CI of what is lost without it lies above 0. "
            "Modalities that carry the same information can each be left out."
        )
    named = listed([value.modality for value in adding])
    n_others = len(apart.values) - len(adding)
    rest = "; this is not shown of the rest" if n_others else ""
    return f"{named[:1].upper()}{named[1:]} {'adds' if len(adding) == 1 else 'each add'} to {others(apart)}{rest}."


def in_short(result: RunResult) -> str:
    """Shapley values for the abstract, the largest first, and who adds to the others.

    "PET +0.08 (0.02 to 0.14), connectivity +0.03 (-0.04 to 0.09) of R2 0.11 (Shapley values, 95 % CI); PET adds to all
    others"

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    str
        Empty where modalities were not taken apart, or prediction is not shown.
    """
    apart = result.scores.modality_values
    if apart is None or not result.claim.shows_prediction:
        return ""
    ordered = sorted(apart.values, key=lambda value: (-value.shapley, value.modality))
    parts = [glued(f"{value.modality} {_signed(value.shapley, value.interval)}") for value in ordered]
    level = ", 95 % CI" if any(value.interval for value in ordered) else ""
    adding = [value.modality for value in ordered if adds(value)]
    verdict = f"{listed(adding)} {'adds' if len(adding) == 1 else 'each add'}" if adding else "none is shown to add"
    return (
        f"{', '.join(parts)} {glued(f'of R2 {number(apart.r2)}')} (Shapley values{level}); {verdict} to {others(apart)}"
    )


def others(apart: ModalityValues) -> str:
    """What a modality can add to: "the other", "all others"."""
    return "the other" if len(apart.values) == 2 else "all others"


def glued(text: str) -> str:
    """A text in which no line may end."""
    return text.replace(" ", GLUE)


def reading(apart: ModalityValues) -> tuple[str, ...]:
    """How the numbers are to be read.

    Parameters
    ----------
    apart : ModalityValues

    Returns
    -------
    tuple of str
    """
    n = len(apart.subsets) - 1
    notes = [
        f"The whole nested procedure was fitted with every set of the modalities ({n} sets), on the same "
        f"{apart.n_participants} participants and folds, confounds held fixed in each; R2 of no modality is 0. The "
        "Shapley value is what a modality adds on average over all orders in which they can be added: the values sum "
        "to the R2 of all, and may be negative. Left out: the fall of R2 when all others remain.",
        "A modality adds where the interval of what is lost without it lies above 0, and prediction is shown. "
        "Intervals are not corrected for the number of modalities.",
    ]
    if apart.n_permutations:
        notes.append(
            f"p (global null): {apart.n_permutations:,} permuted outcomes, the same for every set. It tests that no "
            "modality predicts, not that this one is needed."
        )
    if apart.complete is not None:
        n_lacking = apart.n_participants - apart.complete.n_participants
        notes.append(
            f"{n_lacking} participants lack a modality. With none of a set they are predicted by the reference, which "
            "knows who has what, so a modality that few have can add little. The "
            f"{apart.complete.n_participants} who have all of them stand beside, in folds of their own."
        )
    if any(value.increment is not None for value in apart.values):
        notes.append("Increment: one modality alone over the best clinical model, as for the run.")
    return tuple(notes)


def rows(apart: ModalityValues, *, shown: bool) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Headings and cells of the table of the report; columns without a value are left out.

    Parameters
    ----------
    apart : ModalityValues
    shown : bool
        Whether it may be said which modalities add.

    Returns
    -------
    tuple of (tuple of str, tuple of tuple of str)
    """
    headings = (
        "Modality",
        "Features",
        "Shapley value, 95 % CI",
        "p (global null)",
        "Left out, 95 % CI",
        f"Adds to {others(apart)}",
    )
    cells = [
        (
            value.modality,
            str(value.n_features),
            _signed(value.shapley, value.interval),
            _p(value.global_null_p),
            _signed(value.ablation, value.ablation_interval),
            _verdict(value) if shown else "",
        )
        for value in apart.values
    ]
    return _filled(headings, cells)


def rows_alone(apart: ModalityValues) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Headings and cells of one modality at a time: its R2, and what it adds to the clinical model.

    Parameters
    ----------
    apart : ModalityValues

    Returns
    -------
    tuple of (tuple of str, tuple of tuple of str)
    """
    headings = ("Modality", "R2 alone, 95 % CI", "Increment over the clinical model, 95 % CI", "p")
    cells = [
        (
            value.modality,
            _limits(number(value.alone), value.alone_interval),
            "" if value.increment is None else _signed(value.increment, value.increment_interval),
            _p(value.increment_p),
        )
        for value in apart.values
    ]
    return _filled(headings, cells)


def _filled(
    headings: Sequence[str], cells: Sequence[tuple[str, ...]]
) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """The columns in which something stands."""
    kept = [at for at in range(len(headings)) if any(row[at] for row in cells)]
    return tuple(headings[at] for at in kept), tuple(tuple(row[at] for at in kept) for row in cells)


def listed(names: Sequence[str]) -> str:
    """Names as a sentence has them: "PET", "connectivity and PET", "connectivity, PET and task".

    Parameters
    ----------
    names : sequence of str
        One at least.

    Returns
    -------
    str
    """
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def _why_not(result: RunResult) -> str:
    if result.claim.verdict == "not tested":
        return "the run was not tested"
    return "prediction is not shown"


def _verdict(value: ModalityValue) -> str:
    return ADDS if adds(value) else NOT_SHOWN


def _ends(interval: Interval | None) -> tuple[float, float]:
    return (float("nan"), float("nan")) if interval is None else (interval.low, interval.high)


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else value


def _signed(value: float, interval: Interval | None) -> str:
    return _limits(signed(value), interval)


def _limits(text: str, interval: Interval | None) -> str:
    return text if interval is None else f"{text} ({number(interval.low)} to {number(interval.high)})"


def _p(p: float | None) -> str:
    return "" if p is None or isnan(p) else p_text(p)
