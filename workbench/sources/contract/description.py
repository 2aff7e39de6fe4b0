"""What each feature is (regions, circuit, contrast, tracer, unit), and the table that comes of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from workbench.errors import Problem, Problems, SourceError, did_you_mean, listed
from workbench.knowledge.vocabulary import Vocabulary
from workbench.records import FEATURE_COLUMNS, TANGENT, UNASSIGNED, FeatureTable, LeftOut
from workbench.sources.files.delimited import LISTED, TextTable, read_text_table
from workbench.sources.files.gathered import put_in_order, without
from workbench.specs.source import SourceSpec

DESCRIBED = ("circuit", "region_a", "region_b", "contrast", "tracer", "unit", "measure", "reference_region", "minutes")
"""What a `columns` table may say about a column."""

NO_VALUE = "no value"
"""Why a column without any number is no feature."""

DIRECTED = "->"
UNDIRECTED = "--"
"""How an edge is written between two region names."""


@dataclass(frozen=True)
class Described:
    """A `columns` table: what a lab says about its columns.

    Parameters
    ----------
    columns : mapping of str to mapping of str to str
        By column, in the order of the file.
    """

    label: str
    columns: Mapping[str, Mapping[str, str]]


def beside(name: str, *, features_dir: Path, data: Path) -> Path:
    """A file named by a source: beside its specification, or else beside the data.

    Parameters
    ----------
    name : str
        Path relative to either folder.
    features_dir, data : Path

    Returns
    -------
    Path
        The one beside the data where neither exists.
    """
    path = features_dir / name
    return path if path.exists() or path.is_symlink() else data / name


def read_columns_table(name: str, *, features_dir: Path, data: Path) -> Described:
    """Read a `columns` table.

    Parameters
    ----------
    name : str
        As the specification writes it.
    features_dir, data : Path
        Where it may lie (`beside`).

    Returns
    -------
    Described

    Raises
    ------
    SourceError
        If it lacks the column ``column``, names a column twice, or has a heading that is nearly a known one.
    """
    table = read_text_table(beside(name, features_dir=features_dir, data=data), name)
    problems = Problems()
    names = table.column("column")
    for heading in table.columns:
        meant = did_you_mean(heading, DESCRIBED)
        if heading not in ("column", *DESCRIBED) and meant.startswith("did you mean"):
            problems.add(name, f"{heading!r} is not a heading I know", meant)
    twice = sorted(column for column, count in Counter(names).items() if count > 1)
    if twice:
        problems.add(name, f"describes {listed(map(repr, twice), LISTED)} twice", "one row per column")
    if TANGENT in table.columns.get("measure", ()):
        hint = f'transform = "{TANGENT}" of the source makes it in every fold; give what was made before another name'
        problems.add(name, f"says that the measure of a column is {TANGENT!r}", hint)
    problems.raise_if_any(SourceError)
    return Described(name, _by_column(table, names))


def _by_column(table: TextTable, names: Sequence[str]) -> dict[str, dict[str, str]]:
    given = [heading for heading in DESCRIBED if heading in table.columns]
    return {
        column: {heading: table.columns[heading][position] for heading in given}
        for position, column in enumerate(names)
    }


def describe_features(
    source: str,
    spec: SourceSpec,
    features: Sequence[str],
    described: Mapping[str, Mapping[str, str]],
    region_circuits: Mapping[str, str] | None = None,
    vocabulary: Vocabulary | None = None,
    *,
    edges: Mapping[str, tuple[str, str]] | None = None,
) -> pd.DataFrame:
    """One row of `FEATURE_COLUMNS` per feature.

    The circuit is what the study says; else that of the regions (an edge between two circuits is named after both);
    else `UNASSIGNED`.

    Parameters
    ----------
    source : str
        Name of the source.
    spec : SourceSpec
    features : sequence of str
        Columns, or edges, in the order of the table.
    described : mapping
        What is known by feature; empty texts count as not said.
    region_circuits : mapping of str to str
        Circuit by region, where the study gives one; the vocabulary is asked for the others.
    vocabulary : Vocabulary, optional
        Names of regions; default: those of the package.
    edges : mapping of str to (str, str), optional
        Regions of the features that are edges between them; of the others they are told from the name.

    Returns
    -------
    DataFrame of shape (n_features, len(FEATURE_COLUMNS))
        Text throughout, rows in the order of `features`.
    """
    known = [described.get(feature, {}) for feature in features]
    of_source = {
        "source": source,
        "modality": spec.modality,
        "contrast": spec.contrast or "",
        "tracer": spec.tracer or "",
        "measure": spec.measure or "",
        "unit": spec.unit or "",
        "atlas": spec.atlas or "",
        "reference_region": reference_words(spec.reference),
        "minutes": window_words(spec.window_min),
    }
    columns = {heading: [text] * len(known) for heading, text in of_source.items()}
    columns |= {"feature": list(features), "name": [f"{source}:{feature}" for feature in features]}
    pairs = [(edges or {}).get(feature) or regions_in(feature) for feature in features]
    columns |= {heading: [pair[at] for pair in pairs] for at, heading in enumerate(("region_a", "region_b"))}
    columns |= {heading: [""] * len(known) for heading in FEATURE_COLUMNS if heading not in columns}
    for at, more in enumerate(known):
        if more.get("region_a"):
            columns["region_b"][at] = ""
        for heading, text in more.items():
            if text and heading in columns:
                columns[heading][at] = text
    if spec.projected():
        columns |= {"measure": [TANGENT] * len(known), "unit": [""] * len(known)}
    columns["circuit"] = _circuits(columns, region_circuits or {}, spec.atlas or "", vocabulary)
    return pd.DataFrame(columns, columns=list(FEATURE_COLUMNS), dtype="str")


def _circuits(
    columns: Mapping[str, Sequence[str]], given: Mapping[str, str], atlas: str, vocabulary: Vocabulary | None
) -> list[str]:
    """The circuit of every feature: as given, or of its regions, or of the region that it is named after."""
    from workbench.knowledge.circuits import circuit_of

    @cache
    def of_region(region: str) -> str:
        return given.get(region) or circuit_of(region, atlas, vocabulary)

    @cache
    def between(*circuits: str) -> str:
        return edge_circuit(*circuits) if all(circuits) else UNASSIGNED

    each = zip(columns["circuit"], columns["feature"], columns["region_a"], columns["region_b"], strict=True)
    return [
        circuit or (between(of_region(a), of_region(b)) if a and b else between(of_region(a or feature)))
        for circuit, feature, a, b in each
    ]


def reference_words(reference: str | tuple[str, ...] | None) -> str:
    """One reference region, or several, in one text.

    Parameters
    ----------
    reference : str, tuple of str or None

    Returns
    -------
    str

    Examples
    --------
    >>> reference_words(("Left-Cerebellum-Cortex", "Right-Cerebellum-Cortex"))
    'Left-Cerebellum-Cortex + Right-Cerebellum-Cortex'
    """
    return " + ".join((reference,) if isinstance(reference, str) else reference or ())


def window_words(window_min: tuple[float, float] | None) -> str:
    """Minutes after injection, from-to.

    >>> window_words((60, 90)), window_words(None)
    ('60-90', '')
    """
    return "-".join(f"{minute:g}" for minute in window_min or ())


def regions_in(feature: str) -> tuple[str, str]:
    """The two regions of an edge by its name, or two empty texts.

    Parameters
    ----------
    feature : str

    Returns
    -------
    (str, str)

    Examples
    --------
    >>> regions_in("PCC->AG_L"), regions_in("thickness")
    (('PCC', 'AG_L'), ('', ''))
    """
    for sign in (DIRECTED, UNDIRECTED):
        region_a, found, region_b = feature.partition(sign)
        if found and region_a and region_b:
            return region_a, region_b
    return "", ""


def edge_circuit(*circuits: str) -> str:
    """The circuit of an edge: that of its regions, or both names where it runs between two circuits.

    Parameters
    ----------
    *circuits : str
        Of its regions.

    Returns
    -------
    str

    Examples
    --------
    >>> edge_circuit("salience", "default mode"), edge_circuit("reward", "reward")
    ('default mode - salience', 'reward')
    """
    return " - ".join(sorted(set(circuits)))


def fisher_z(correlations: np.ndarray, *, out: np.ndarray | None = None) -> np.ndarray:
    """Variance-stabilise correlations: arctanh(r).

    Parameters
    ----------
    correlations : ndarray
        Pearson r, strictly inside (-1, 1), or NaN.
    out : ndarray, optional
        Where z is written, of the same shape; may be `correlations` itself.

    Returns
    -------
    ndarray
        Fisher z, unitless; standard error 1/sqrt(n - 3) for n independent volumes.

    Raises
    ------
    SourceError
        If any |r| is 1 or more: a diagonal, a duplicated region, or values that are no correlations.

    References
    ----------
    Fisher, R. A. (1921). Metron 1, 3-32.
    """
    beyond = np.fmax(
        np.fmax.reduce(correlations, axis=None, initial=0), -np.fmin.reduce(correlations, axis=None, initial=0)
    )
    if beyond >= 1:
        outside = correlations[np.abs(correlations) >= 1]
        worst = outside[np.abs(outside).argmax()]
        found = f"{len(outside)} values are not inside -1 to 1 (the largest is {worst:g}), so fisher-z has no meaning"
        hint = 'a diagonal, a region that is there twice, or values that are Fisher z already: transform = "none"'
        raise SourceError(Problem("", found, hint))
    z: np.ndarray = np.arctanh(correlations, out=out)
    return z


def build_table(
    source: str,
    spec: SourceSpec,
    *,
    people: Sequence[str],
    sessions: Sequence[str],
    values: np.ndarray,
    features: pd.DataFrame,
    notes: Sequence[str] = (),
    left_out: LeftOut | None = None,
) -> FeatureTable:
    """Put rows in order, leave out rows and columns without any value, and say so.

    Parameters
    ----------
    source : str
        Name of the source.
    spec : SourceSpec
    people, sessions : sequence of str
        Participant id and session of every row of `values`.
    values : ndarray of shape (n_rows, n_features)
        C-contiguous, and used up: the table takes its memory over.
    features : DataFrame
        From `describe_features`.
    notes : sequence of str
        What is already noted; what is left out is added to a copy.
    left_out : LeftOut, optional
        Columns that are no features, of the same rows.

    Returns
    -------
    FeatureTable
        Rows sorted by participant and session.

    Raises
    ------
    SourceError
        If nothing is left.
    """
    notes = list(notes)
    empty_rows, empty_columns = _empty(values)
    if empty_rows.any():
        notes.append(f"{empty_rows.sum()} rows without any value left out")
    if empty_columns.any():
        names = features["feature"][empty_columns]
        notes.append(f"features without any value left out: {listed(names, 5)}")
        left_out = left_out and replace(left_out, why={**left_out.why, **dict.fromkeys(names, NO_VALUE)})
    if empty_rows.all() or empty_columns.all():
        raise SourceError(Problem(source, "holds no value at all", "check the missing codes and the files"))
    rows = pd.DataFrame({"participant_id": list(people), "session": list(sessions)}, dtype="str")[~empty_rows]
    order = rows.reset_index(drop=True).sort_values(["participant_id", "session"]).index
    values = without(values, empty_rows, empty_columns)
    put_in_order(values, order.to_numpy())
    table = FeatureTable(
        source=source,
        modality=spec.modality,
        rows=rows.reset_index(drop=True).loc[order].reset_index(drop=True),
        values=values,
        features=features[~empty_columns].reset_index(drop=True),
        digest="",
        overlaps=tuple(spec.overlaps),
        confounds=tuple(spec.confounds),
        notes=tuple(notes),
        left_out=left_out and _numbers_of(left_out, ~empty_rows, order),
    )
    return replace(table, digest=table.content_digest())


def _empty(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which rows and which columns hold no value, row by row, since most are known after the first."""
    rows, columns = np.zeros(len(values), dtype=bool), np.ones(values.shape[1], dtype=bool)
    for at, row in enumerate(values):
        if columns.any():
            missing = np.isnan(row)
            rows[at] = missing.all()
            columns &= missing
        else:
            rows[at] = bool(np.isnan(row[:1]).all()) and np.isnan(row).all()
    return rows, columns


def _numbers_of(left_out: LeftOut, kept: np.ndarray, order: pd.Index) -> LeftOut:
    """Columns that hold any number, in the rows of the table."""
    empty = np.isnan(left_out.values).all(axis=0)
    why = {**left_out.why, **{left_out.columns[at]: NO_VALUE for at in np.flatnonzero(empty)}}
    columns = tuple(left_out.columns[at] for at in np.flatnonzero(~empty))
    return LeftOut(why, columns, left_out.values[:, ~empty][kept][order])
