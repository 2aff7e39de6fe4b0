"""The few numbers that stand below a verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.results.summary import clinical_model
from workbench.results.wording import amounts, number, p_text, signed, unit_of

if TYPE_CHECKING:
    from workbench.records import Scores


def headline_numbers(scores: Scores) -> tuple[tuple[str, str, str], ...]:
    """The few numbers that a verdict rests on: name, value, and what it is relative to or how sure it is.

    Parameters
    ----------
    scores : Scores

    Returns
    -------
    tuple of (str, str, str)
    """
    own, unit = scores.performance, unit_of(scores)
    interval = own.interval
    sure = f"95 % CI {number(interval.low)} to {number(interval.high)}; " if interval is not None else ""
    rows = [("R2", number(own.r2), f"{sure}relative to {scores.reference or 'the training mean'}")]
    p = "none" if scores.judged_p is None else p_text(scores.judged_p)
    test = scores.test
    how = test.refused or ("not tested" if scores.judged_p is None else f"{test.n_permutations:,} permutations")
    rows.append(("p", p, how))
    if own.auc is not None:
        rows.append(("AUC", number(own.auc), "" if own.brier is None else f"Brier score {number(own.brier)}"))
    else:
        clinical = clinical_model(scores)
        beside = "" if clinical is None else f"clinical model {amounts(own.mae, clinical.mae)[1]}{unit}"
        rows.append(("MAE", f"{amounts(own.mae)[0]}{unit}", beside))
    if scores.increment is not None:
        low = scores.increment.interval
        band = "" if low is None else f"95 % CI {number(low.low)} to {number(low.high)}; "
        rows.append(("Incremental R2", signed(scores.increment.delta_r2), f"{band}over the clinical model"))
    rows.append(("Participants", str(scores.n_participants), f"{scores.n_features:,} features"))
    return tuple(rows)
