"""Candidate biomarkers: circuits that pass the circuit test, and the features within them that pass theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from workbench.evaluation.inference import benjamini_hochberg
from workbench.results.claims import AMOUNTS, named_outcome
from workbench.results.places import PLACES
from workbench.results.published import with_evidence
from workbench.tables.acute_change import CALLED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from workbench.records import CircuitTest, Claim, Scores, Verdict, Viewing

FALSE_DISCOVERY_RATE = 0.10
"""Expected share of false candidates that is accepted (METHODS 2.9, pass criterion P10)."""
ONE_DIRECTION = 0.8
"""A circuit has a direction when features of one sign carry this share of its r^2; below it, its direction is mixed."""
SUPPRESSOR = "suppressor-like"

MEASURED = ("contrast", "tracer", "measure", "unit", "reference_region", "minutes")
"""What says of a feature how it was measured; runs of before may lack the last two."""

COLUMNS = (
    "level",
    "feature",
    "modality",
    "circuit",
    "region_a",
    "region_b",
    "contrast",
    "tracer",
    "measure",
    "unit",
    "reference_region",
    "minutes",
    "session",
    "direction",
    "effect",
    "effect_low",
    "effect_high",
    "mean_abs_shap",
    "shap_null_quantile",
    "haufe_sign",
    "selection_frequency",
    "q_value",
    "evidence",
    "atlas",
    "x",
    "y",
    "z",
    "x_b",
    "y_b",
    "z_b",
    "n",
    "claim",
    "run_id",
    "synthetic",
    "sentence",
    "tag",
)
"""Columns of ``biomarkers.tsv``, in order.

`run_id` is filled when the run is kept. `selection_frequency` is empty where no stability selection was run, `evidence`
where the outcome is no effect of treatment.
"""


def candidate_circuits(circuits: pd.DataFrame, claim: Claim, viewing: Viewing | None = None) -> pd.Series:
    """Which circuits are candidates: q at most .10 in the circuit test, in a run whose prediction is shown.

    Features without a circuit are no circuit: they have no q. None is a candidate where circuits were drawn anew after
    the result was first viewed.

    Parameters
    ----------
    circuits : DataFrame
        As `workbench.evaluation.explanations.circuit_table` gives it.
    claim : Claim
    viewing : Viewing or None
        None for a rehearsal.

    Returns
    -------
    Series of bool
        In the rows of `circuits`.
    """
    as_viewed = viewing is None or not viewing.relabelled
    return (circuits["q"] <= FALSE_DISCOVERY_RATE) & claim.shows_prediction & as_viewed


def biomarker_table(features: pd.DataFrame, circuits: pd.DataFrame, scores: Scores, claim: Claim) -> pd.DataFrame:
    """One row per candidate circuit, each followed by its features that pass within it.

    Parameters
    ----------
    features : DataFrame
        As `workbench.evaluation.explanations.feature_table` gives it.
    circuits : DataFrame
        As `workbench.evaluation.explanations.circuit_table` gives it, with `candidate` decided.
    scores : Scores
    claim : Claim

    Returns
    -------
    DataFrame
        `COLUMNS`; empty when there is no candidate. Effects are in units of the outcome per SD, given the nuisance
        block. The q-value of a circuit is over all circuits; that of a feature is over the features of its circuit.
    """
    rows: list[dict[str, Any]] = []
    candidates = circuits[circuits["candidate"].astype(bool)]
    for circuit in candidates.sort_values(["q", "p", "circuit"], kind="stable").to_dict("records"):
        members = features[features["circuit"] == circuit["circuit"]].reset_index(drop=True)
        members = members.assign(q=benjamini_hochberg(members["p"].to_numpy(dtype=float)), tag=suppressor_tags(members))
        rows.append(_circuit_row(circuit, members, scores, claim.verdict))
        passing = members[members["q"] <= FALSE_DISCOVERY_RATE].sort_values(["q", "p", "name"], kind="stable")
        rows.extend(_feature_row(feature, scores, claim.verdict) for feature in passing.to_dict("records"))
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return with_evidence(table, scores).assign(
        n=scores.n_participants,
        claim=claim.verdict,
        run_id="",
        synthetic=scores.synthetic,
    )


# --------------------------------------------------------------------------------------------------------- directions


def circuit_effects(test: CircuitTest | None, circuits: Sequence[str]) -> pd.DataFrame:
    """Effect of the mean of each circuit's standardised features on the outcome, given the nuisance block.

    Parameters
    ----------
    test : CircuitTest or None
    circuits : sequence of str
        Rows of the table where nothing was measured; otherwise they are those of `test`.

    Returns
    -------
    DataFrame
        circuit, effect, effect_low, effect_high: units of the outcome per SD of the mean, 95 % interval. NaN where not
        measured. Opposite features cancel; the effect is shown only for circuits of one direction.
    """
    columns = ["circuit", "effect", "effect_low", "effect_high"]
    if test is None or test.circuit_effect is None:
        return (
            pd.DataFrame({"circuit": list(circuits)}).reindex(columns=columns).astype(dict.fromkeys(columns[1:], float))
        )
    measured = (test.circuit_effect, test.circuit_effect_low, test.circuit_effect_high)
    return pd.DataFrame(dict(zip(columns, (list(test.circuits), *measured), strict=True)))


def suppressor_tags(features: pd.DataFrame) -> list[str]:
    """Tag of each feature: *suppressor-like* where its Haufe pattern is not clearly of the sign of its effect.

    A suppressor helps the model without itself covarying with the prediction: the interval of its pattern includes 0,
    or the pattern contradicts the marginal effect. Empty where no pattern was measured.
    """
    tags = []
    for row in features.itertuples():
        if np.isnan(row.haufe):
            tags.append("")
            continue
        includes_zero = not np.isnan(row.haufe_low) and row.haufe_low <= 0 <= row.haufe_high
        contradicts = np.sign(row.haufe) != np.sign(row.r)
        tags.append(SUPPRESSOR if includes_zero or contradicts else "")
    return tags


def direction_of(values: NDArray[np.float64]) -> str:
    """*higher*, *lower* or *mixed*: the sign that carries most of the sum of squares, or empty where nothing is known.

    >>> direction_of(np.array([0.5, 0.4, -0.1])), direction_of(np.array([0.5, -0.5]))
    ('higher', 'mixed')
    """
    squares = values[~np.isnan(values)] ** 2
    if not squares.sum() > 0:
        return ""
    positive = float(squares[values[~np.isnan(values)] > 0].sum() / squares.sum())
    if positive >= ONE_DIRECTION:
        return "higher"
    return "lower" if positive <= 1 - ONE_DIRECTION else "mixed"


def _direction_of_circuit(r: NDArray[np.float64], effect: float) -> str:
    """That of its features, unless the effect of their mean has the other sign: one strong feature among weak ones."""
    direction = direction_of(r)
    return "mixed" if effect * {"higher": 1, "lower": -1}.get(direction, 0) < 0 else direction


SIGN_OF = {"higher": "positive", "lower": "negative", "mixed": "mixed", "": ""}


# --------------------------------------------------------------------------------------------------------------- rows


def _circuit_row(circuit: dict[str, Any], members: pd.DataFrame, scores: Scores, verdict: Verdict) -> dict[str, Any]:
    direction = _direction_of_circuit(members["r"].to_numpy(dtype=float), float(circuit["effect"]))
    one_way = direction in ("higher", "lower")
    described = {
        name: _shared(members[name]) if name in members else "" for name in ("modality", *MEASURED, "session", "atlas")
    }
    tagged = (members["r"].to_numpy(dtype=float) ** 2)[members["tag"].to_numpy(dtype=str) == SUPPRESSOR].sum()
    tag = SUPPRESSOR if tagged > 0.5 * float((members["r"] ** 2).sum()) else ""
    return {
        **described,
        "level": "circuit",
        "feature": "",
        "circuit": circuit["circuit"],
        "region_a": "",
        "region_b": "",
        "direction": direction,
        **{name: circuit[name] if one_way else np.nan for name in ("effect", "effect_low", "effect_high")},
        "mean_abs_shap": circuit["mean_abs_shap"],
        "selection_frequency": circuit.get("selection_frequency", np.nan),
        "shap_null_quantile": circuit["null_quantile"],
        "haufe_sign": SIGN_OF[direction_of(members["haufe"].to_numpy(dtype=float))],
        "q_value": circuit["q"],
        **dict.fromkeys(PLACES, np.nan),
        "sentence": _sentence(
            _circuit_name(circuit["circuit"], members), direction, described["session"], scores, verdict, tag
        ),
        "tag": tag,
    }


def _feature_row(feature: dict[str, Any], scores: Scores, verdict: Verdict) -> dict[str, Any]:
    direction = direction_of(np.array([feature["r"]]))
    copied = ("modality", "circuit", "region_a", "region_b", *MEASURED, "session", "atlas")
    measured = ("effect", "effect_low", "effect_high", "mean_abs_shap", "tag")
    return {
        **{name: feature.get(name, "") for name in copied},
        **{name: feature[name] for name in measured},
        "level": "feature",
        "feature": feature["name"],
        "direction": direction,
        "shap_null_quantile": np.nan,
        "selection_frequency": feature.get("selection_frequency", np.nan),
        "haufe_sign": SIGN_OF[direction_of(np.array([feature["haufe"]]))],
        "q_value": feature["q"],
        **{axis: feature.get(axis, np.nan) for axis in PLACES},
        "sentence": _sentence(_feature_name(feature), direction, feature["session"], scores, verdict, feature["tag"]),
    }


def _shared(values: pd.Series) -> str:
    """All different values of a column, in order of the alphabet."""
    return ", ".join(sorted({str(value) for value in values if str(value)}))


# ---------------------------------------------------------------------------------------------------------- sentences


def _sentence(what: str, direction: str, session: str, scores: Scores, verdict: Verdict, tag: str) -> str:
    """ "higher VS to dlPFC connectivity at ses-b0 is associated with a larger fall in MADRS (exploratory)"."""
    when = f" at {session}" if session else ""
    labels = [
        *(["exploratory"] if verdict == "exploratory" else []),
        *([tag] if tag else []),
        *(["simulated participants"] if scores.synthetic else []),
    ]
    label = f" ({'; '.join(labels)})" if labels else ""
    if direction not in ("higher", "lower"):
        return f"{what}{when} is associated with {named_outcome(scores)}, its features in both directions{label}"
    return f"higher {what}{when} is associated with {change_words(scores, more=direction == 'higher')}{label}"


def change_words(scores: Scores, *, more: bool, short: bool = False) -> str:
    """The direction in which the outcome differs: "a larger fall in MADRS from ses-b0 to ses-d2".

    Parameters
    ----------
    scores : Scores
    more : bool
        Whether the outcome is larger, higher or more likely, not the opposite.
    short : bool
        Without article and sessions: "larger fall in MADRS".

    Returns
    -------
    str
    """
    outcome = scores.outcome.partition(" from ")[0].partition(" (")[0] if short else scores.outcome
    if scores.outcome_type == "binary":
        return (
            f"{outcome} {'more' if more else 'less'} likely"
            if short
            else (f"{outcome} being {'more' if more else 'less'} likely")
        )
    if scores.outcome_kind in AMOUNTS:
        return f"{'' if short else 'a '}{'larger' if more else 'smaller'} {outcome}"
    return f"{'higher' if more else 'lower'} {outcome}"


def _circuit_name(circuit: str, members: pd.DataFrame) -> str:
    modalities = sorted(set(map(_measured, members["modality"])))
    if modalities == ["connectivity"]:
        return f"{circuit} connectivity"
    if modalities == ["task"]:
        return f"{circuit} response{_to(_shared(members['contrast']))}"
    if modalities == ["pet"]:
        return " ".join(part for part in (circuit, _shared(members["tracer"]), _measure(members["measure"])) if part)
    return f"{circuit} ({', '.join(modalities)})"


def _feature_name(feature: dict[str, Any]) -> str:
    regions = " to ".join(region for region in (feature["region_a"], feature["region_b"]) if region)
    modality = _measured(feature["modality"])
    if not regions:
        return str(feature["feature"])
    if modality == "connectivity":
        return f"{regions} connectivity"
    if modality == "task":
        return f"{regions} response{_to(feature['contrast'])}"
    if modality == "pet":
        return " ".join(part for part in (regions, feature["tracer"], feature["measure"] or "signal") if part)
    return f"{regions} {modality}"


def _measured(modality: str) -> str:
    """What was measured, of an acute change too: its circuit says what it is."""
    return modality.removesuffix(f" ({CALLED})")


def _to(contrast: str) -> str:
    return f" to {contrast}" if contrast else ""


def _measure(measures: pd.Series) -> str:
    return _shared(measures) or "signal"
