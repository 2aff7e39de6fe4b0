"""What a feature table holds, feature by feature and participant by participant, before anything is asked of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from workbench.errors import listed
from workbench.records import UNASSIGNED, FeatureTable
from workbench.tables.exact_zeros import exact_zeros
from workbench.tables.plausible import Plausible, plausible

MUCH_MISSING = 0.2
"""Share of missing values from which a feature or a row is named."""
NEARLY_ALL = 0.95
"""Share of the values of a feature that are one value, from which it is nearly constant."""
FAR = 10.0
"""Robust standard deviations from the median of a feature from which a value is far from the others."""
MAD_TO_SD = 1.4826
"""Of a normal distribution: standard deviation by median absolute deviation."""


@dataclass(frozen=True, eq=False)
class Description:
    """One source described.

    Parameters
    ----------
    table : FeatureTable
    by_feature : DataFrame
        One row per feature: circuit, n, missing, mean, sd, lowest, highest, constant, nearly_constant, zeros, outside,
        far, duplicate_of.
    by_row : DataFrame
        One row per participant and session: n, missing, outside, far. It names participants.
    by_session : DataFrame
        One row per session: participants, features, missing.
    by_circuit : DataFrame
        One row per circuit, the largest first: features, share, missing.
    bounds : Plausible or None
        What the values can be.
    """

    table: FeatureTable
    by_feature: pd.DataFrame
    by_row: pd.DataFrame
    by_session: pd.DataFrame
    by_circuit: pd.DataFrame
    bounds: Plausible | None

    @property
    def lines(self) -> tuple[tuple[str, str], ...]:
        """What to look at, each with a title, without anybody's id."""
        return tuple(_lines(self))


def describe_table(table: FeatureTable, *, transformed: bool = False) -> Description:
    """Describe a feature table.

    Parameters
    ----------
    table : FeatureTable
    transformed : bool
        Its correlations were made Fisher z.

    Returns
    -------
    Description
    """
    values, features = table.values, table.features
    first = features.iloc[0]
    bounds = plausible(str(first["measure"]), str(first["unit"]), transformed=transformed)
    missing = np.isnan(values)
    outside = _outside(values, bounds)
    far = _far(values)
    zeros = exact_zeros(table)
    names = [name for row in (zeros.features.values() if zeros else ()) for name in row]
    counted = pd.Series(names, dtype="str").value_counts()
    lowest, highest = np.fmin.reduce(values), np.fmax.reduce(values)
    n = (~missing).sum(axis=0)
    by_feature = pd.DataFrame(
        {
            "feature": features["feature"],
            "circuit": features["circuit"],
            "n": n,
            "missing": missing.mean(axis=0),
            "mean": _over(np.nansum(values, axis=0), n),
            "sd": _sd(values, n),
            "lowest": lowest,
            "highest": highest,
            "constant": lowest == highest,
            "nearly_constant": _nearly_constant(values) & (lowest != highest),
            "zeros": features["feature"].map(counted).fillna(0).astype(int),
            "outside": outside.sum(axis=0),
            "far": far.sum(axis=0),
            "duplicate_of": _duplicates(values, list(features["feature"])),
        }
    )
    by_row = table.rows.assign(
        n=(~missing).sum(axis=1), missing=missing.mean(axis=1), outside=outside.sum(axis=1), far=far.sum(axis=1)
    )
    return Description(table, by_feature, by_row, _by_session(table, missing), _by_circuit(table, missing), bounds)


def _over(total: np.ndarray, n: np.ndarray) -> np.ndarray:
    return np.asarray(np.divide(total, n, out=np.full(len(n), np.nan), where=n > 0))


def _sd(values: np.ndarray, n: np.ndarray) -> np.ndarray:
    centred = values - _over(np.nansum(values, axis=0), n)
    return np.asarray(np.sqrt(_over(np.nansum(centred**2, axis=0), np.maximum(n - 1, 0))))


def _outside(values: np.ndarray, bounds: Plausible | None) -> np.ndarray:
    if bounds is None:
        return np.zeros(values.shape, dtype=bool)
    return (values < bounds.low) | (values > bounds.high)


def _far(values: np.ndarray) -> np.ndarray:
    """Values far from the median of their feature; none where more than half of them are the same."""
    with np.errstate(invalid="ignore"):
        median = np.array([np.nanmedian(column) if not np.isnan(column).all() else np.nan for column in values.T])
        away = np.abs(values - median)
        spread = np.array([np.nanmedian(column) if not np.isnan(column).all() else np.nan for column in away.T])
        return np.asarray((away > FAR * MAD_TO_SD * spread) & (spread > 0))


def _nearly_constant(values: np.ndarray) -> np.ndarray:
    nearly = np.zeros(values.shape[1], dtype=bool)
    for at, column in enumerate(values.T):
        known = np.sort(column[~np.isnan(column)])
        if len(known) > 1:
            changes = np.flatnonzero(np.diff(known))
            runs = np.diff(np.concatenate([[-1], changes, [len(known) - 1]]))
            nearly[at] = runs.max() >= NEARLY_ALL * len(known)
    return nearly


def _duplicates(values: np.ndarray, names: list[str]) -> list[str]:
    """For each feature the first one that has the same values, if there is one before it."""
    first: dict[bytes, str] = {}
    return [
        "" if (same := first.setdefault(np.ascontiguousarray(column).tobytes(), name)) == name else same
        for column, name in zip(values.T, names, strict=True)
    ]


def _by_session(table: FeatureTable, missing: np.ndarray) -> pd.DataFrame:
    rows = []
    for session in dict.fromkeys(table.rows["session"]):
        here = (table.rows["session"] == session).to_numpy()
        rows.append(
            {
                "session": session or "(none)",
                "participants": int(here.sum()),
                "features": table.values.shape[1],
                "missing": float(missing[here].mean()),
            }
        )
    return pd.DataFrame(rows)


def _by_circuit(table: FeatureTable, missing: np.ndarray) -> pd.DataFrame:
    share = pd.Series(missing.mean(axis=0))
    grouped = pd.DataFrame({"circuit": table.features["circuit"].to_numpy(), "missing": share}).groupby("circuit")
    frame = grouped.agg(features=("missing", "size"), missing=("missing", "mean")).reset_index()
    frame["share"] = frame["features"] / len(table.features)
    ordered = frame.sort_values(["features", "circuit"], ascending=[False, True], ignore_index=True)
    return ordered[["circuit", "features", "share", "missing"]]


def _lines(described: Description) -> Iterator[tuple[str, str]]:
    table, features, rows = described.table, described.by_feature, described.by_row
    n = len(features)
    known = table.values[~np.isnan(table.values)]
    if len(known):
        low, middle, high = np.quantile(known, [0.01, 0.5, 0.99])
        yield (
            "Values",
            f"{known.min():.4g} to {known.max():.4g}; 98 % of them {low:.4g} to {high:.4g}, median {middle:.4g}",
        )
    if described.bounds is None:
        yield "Plausible range", "not known for this measure; say measure and unit in the file of the source"
    else:
        outside = int(features["outside"].sum())
        where = features.loc[features["outside"] > 0, "feature"]
        words = (
            f"{outside:,} values of {len(where)} features outside ({listed(list(where), 3)})"
            if outside
            else "all inside"
        )
        yield "Plausible range", f"{described.bounds.in_words}; {words}"
    share = float(np.isnan(table.values).mean())
    much = features.loc[features["missing"] > MUCH_MISSING, "feature"]
    n_rows = int((rows["missing"] > MUCH_MISSING).sum())
    words = "none" if share == 0 else f"{share:.1%} of the values"
    if len(much) or n_rows:
        named_much = f" ({listed(list(much), 3)})" if len(much) else ""
        words += f"; more than {MUCH_MISSING:.0%} in {len(much)} features{named_much} and {n_rows} rows"
    yield "Missing", words
    for title, chosen in (
        ("Constant", features["constant"]),
        ("Nearly constant", features["nearly_constant"]),
        ("Same values", features["duplicate_of"] != ""),
        ("Exact zeros", features["zeros"] > 0),
        (f"Far (> {FAR:g} robust SD)", features["far"] > 0),
    ):
        names = list(features.loc[chosen, "feature"])
        if names:
            yield title, f"{len(names):,} of {n:,} features: {listed(names, 3)}"
    circuits = described.by_circuit
    unassigned = int(circuits.loc[circuits["circuit"] == UNASSIGNED, "features"].sum())
    named = circuits[circuits["circuit"] != UNASSIGNED]
    shown = listed([f"{row.circuit} {row.features:,}" for row in named.itertuples()], 5)
    yield "Circuits", f"{n - unassigned:,} of {n:,} features in {len(named)}" + (f": {shown}" if len(named) else "")
