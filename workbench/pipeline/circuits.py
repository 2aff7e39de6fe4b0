"""Features that no circuit is known for: told before anything is frozen, with a table to fill in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.errors import listed
from workbench.records import UNASSIGNED, FeatureTable

if TYPE_CHECKING:
    from workbench.study import Study

NAMED = 4
"""Features that are named before the rest is only counted."""


@dataclass(frozen=True)
class WithoutCircuit:
    """Features of one source that belong to no circuit.

    Parameters
    ----------
    labels : tuple of str
        Regions without a circuit, or columns where the source has no regions; each once.
    template : str
        A table to fill in, tab-separated: every region (or column) with the circuit that it has, if any, and why it has
        none.
    key : str
        ``columns`` or ``regions``: the key of the source that names such a table.
    """

    source: str
    n_features: int
    n_without: int
    labels: tuple[str, ...]
    template: str
    key: str

    @property
    def file(self) -> str:
        """The template, relative to the study."""
        return f"features/{self.source}_circuits.tsv"

    @property
    def in_words(self) -> str:
        """How many features, which ones, and what to do."""
        what = "regions" if self.key == "regions" else "features"
        return (
            f"{self.source}: {self.n_without:,} of {self.n_features:,} features belong to no circuit ({what}: "
            f"{listed(list(self.labels), NAMED)}); they are tested and explained as {UNASSIGNED!r}. "
            f"workbench features --circuits-template writes {self.file} to fill in"
        )


def without_circuit(study: Study, tables: Iterable[FeatureTable]) -> tuple[WithoutCircuit, ...]:
    """The features of each table that have no circuit.

    Parameters
    ----------
    study : Study
    tables : iterable of FeatureTable

    Returns
    -------
    tuple of WithoutCircuit
        One for each table with such features.
    """
    found = [_of_table(study, table) for table in tables]
    return tuple(each for each in found if each is not None)


def _of_table(study: Study, table: FeatureTable) -> WithoutCircuit | None:
    features = table.features
    lacking = features[features["circuit"] == UNASSIGNED]
    if lacking.empty:
        return None
    by_region = study.sources[table.source].reader == "matrix"
    ends = ("region_a", "region_b") if by_region else ("feature",)
    every = list(dict.fromkeys(label for end in ends for label in features[end] if label))
    circuits = _circuits(study, table, every, by_region=by_region)
    involved = {label for end in ends for label in lacking[end] if label}
    labels = tuple(label for label in every if label in involved and not circuits[label][0])
    key = "regions" if by_region else "columns"
    return WithoutCircuit(
        table.source, len(features), len(lacking), labels, _template(table, every, circuits, key), key
    )


def _circuits(
    study: Study, table: FeatureTable, labels: Sequence[str], *, by_region: bool
) -> dict[str, tuple[str, str]]:
    """By label: the circuit that it has, and why it has none."""
    from workbench.knowledge.circuits import circuit_of
    from workbench.knowledge.regions import unassigned

    vocabulary = study.vocabulary()
    atlas = str(table.features["atlas"].iloc[0])
    if by_region:
        known = {label: circuit_of(label, atlas, vocabulary) for label in labels}
    else:
        circuits = table.features["circuit"].where(table.features["circuit"] != UNASSIGNED, "")
        known = dict(zip(table.features["feature"], circuits, strict=True))
    why = {each.label: each.why for each in unassigned([each for each in labels if not known[each]], atlas, vocabulary)}
    return {label: (known[label], why.get(label, "")) for label in labels}


def _template(table: FeatureTable, labels: Sequence[str], circuits: dict[str, tuple[str, str]], key: str) -> str:
    rows: list[tuple[str, ...]]
    if key == "regions":
        rows = [("region", "circuit", "why"), *((label, *circuits[label]) for label in labels)]
    else:
        kept = [name for name in ("region_a", "region_b", "contrast") if (table.features[name] != "").any()]
        described = table.features.set_index("feature")
        rows = [("column", "circuit", *kept, "why")]
        rows += [
            (label, circuits[label][0], *(str(described.at[label, name]) for name in kept), circuits[label][1])
            for label in labels
        ]
    return "".join("\t".join(" ".join(cell.split()) for cell in row) + "\n" for row in rows)


def write_templates(found: Sequence[WithoutCircuit], root: Path) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """Write the tables to fill in; one that is there already is left as it is.

    Parameters
    ----------
    found : sequence of WithoutCircuit
    root : Path
        The study folder.

    Returns
    -------
    (tuple of Path, tuple of Path)
        The files written, and those that were there.
    """
    written, there = [], []
    for each in found:
        path = root / each.file
        if path.exists():
            there.append(path)
        else:
            path.write_text(each.template, encoding="utf-8")
            written.append(path)
    return tuple(written), tuple(there)
