"""One page for each participant: what was predicted while they were held out, and what moved the prediction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workbench.records import UNASSIGNED, Contribution, ParticipantPage, Section
from workbench.results.wording import IN_BRACKETS, fixed, number, unit_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workbench.records import RunResult

MOST_PAGES = 1000
SHOWN_FEATURES = 5
WHISKERS = (
    " The thin line is one standard deviation over repeats to either side: how much depends on who else was in the "
    "training folds."
)
UNEXPLAINED = "Predictions are not explained: no prediction was shown."


def participants(result: RunResult) -> Section | None:
    """A page for each participant, in the order of their ids.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    Section or None
        None for more participants than anybody reads about. Explained only where prediction is shown.
    """
    people = sorted(set(result.predictions["participant_id"]))
    if not people or len(people) > MOST_PAGES:
        return None
    explained = result.claim.shows_prediction and result.shap is not None
    pages = _pages(result, explained)
    unit = unit_of(result.scores, IN_BRACKETS)
    note = (
        f"Bars are SHAP values{unit} of the model fitted without the participant, averaged over repeats: what each "
        "circuit added to or took from what is predicted without any. They explain the model and not the patient."
        f"{WHISKERS if result.shap_circuits is not None else ''}"
    )
    return Section(
        name="individuals",
        title="Each participant",
        question="What was predicted for whom, and why?",
        notes=(note,) if explained else (UNEXPLAINED,),
        participants=pages,
    )


def _pages(result: RunResult, explained: bool) -> tuple[ParticipantPage, ...]:
    unit = unit_of(result.scores)
    facts = (
        _facts_of_benefit(result, unit) if result.scores.sensitivity.effects is not None else _facts_of(result, unit)
    )
    if not explained or result.shap is None:
        return tuple(ParticipantPage(person, own) for person, own in facts.items())
    names = [column for column in result.shap if column not in ("participant_id", "session", "base")]
    circuits = result.features.set_index("name")["circuit"].reindex(names).fillna("").to_numpy(dtype=str)
    circuits = np.where(circuits == "", UNASSIGNED, circuits)
    values = result.shap[names].to_numpy(dtype=float)
    people = result.shap["participant_id"].to_numpy(dtype=str)
    base = result.shap["base"].to_numpy(dtype=float)
    spread = _spread(result)
    pages = []
    for person, own in facts.items():
        rows = people == person
        if not rows.any():
            pages.append(ParticipantPage(person, own))
            continue
        mean = values[rows].mean(axis=0)
        by_circuit = _by_circuit(mean, circuits, spread.get(person, {}))
        pages.append(
            ParticipantPage(person, own, float(base[rows].mean()), by_circuit, _largest(mean, np.array(names)))
        )
    return tuple(pages)


def _facts_of(result: RunResult, unit: str) -> dict[str, tuple[tuple[str, str], ...]]:
    by_person = result.predictions.groupby("participant_id", sort=True)
    decimals = 1 if result.predictions["observed"].std(ddof=0) > 1 else 2
    return {str(person): _facts(own, unit, decimals) for person, own in by_person}


def _facts_of_benefit(result: RunResult, unit: str) -> dict[str, tuple[tuple[str, str], ...]]:
    """Arm and predicted benefit: nobody's own benefit is observed."""
    assert result.benefit is not None
    return {
        str(row.participant_id): (
            ("Arm", str(row.arm)),
            ("Predicted benefit", f"{number(row.predicted_benefit)}{unit}"),
            ("Of covariates alone", f"{number(row.benefit_of_covariates)}{unit}"),
        )
        for row in result.benefit.itertuples()
    }


def _facts(own: pd.DataFrame, unit: str, decimals: int) -> tuple[tuple[str, str], ...]:
    means = (own[name].mean() for name in ("observed", "predicted", "reference"))
    ends = (own["predicted"].min(), own["predicted"].max())
    observed, predicted, reference, low, high = (fixed(value, decimals) for value in (*means, *ends))
    spread = f" ({low} to {high} over {len(own)} repeats)" if len(own) > 1 else ""
    return (
        ("Observed", f"{observed}{unit}"),
        ("Predicted", f"{predicted}{unit}{spread}"),
        ("Reference", f"{reference}{unit}"),
    )


def _spread(result: RunResult) -> dict[str, dict[str, float]]:
    """SD over repeats of each circuit's sum of SHAP values, by participant; empty with one repeat or none stored."""
    table = result.shap_circuits
    if table is None or table["repeat"].nunique() < 2:
        return {}
    by_repeat = table.drop(columns="session").groupby(["participant_id", "repeat"], sort=True).mean()
    sd = by_repeat.groupby(level="participant_id").std(ddof=1)
    return {str(person): dict(row.dropna()) for person, row in sd.iterrows()}


def _by_circuit(values: np.ndarray, circuits: np.ndarray, spread: Mapping[str, float]) -> tuple[Contribution, ...]:
    sums = pd.Series(values).groupby(circuits).sum()
    ordered = sums.reindex(sums.abs().sort_values(ascending=False, kind="stable").index)
    return tuple(_contribution(str(name), float(value), spread.get(str(name))) for name, value in ordered.items())


def _contribution(name: str, value: float, sd: float | None) -> Contribution:
    return Contribution(name, value) if sd is None else Contribution(name, value, value - float(sd), value + float(sd))


def _largest(values: np.ndarray, names: np.ndarray) -> tuple[Contribution, ...]:
    order = np.argsort(-np.abs(values), kind="stable")[:SHOWN_FEATURES]
    return tuple(Contribution(str(names[at]), float(values[at])) for at in order if values[at])
