"""What producers to come lean on: files of groups, sessions inside a file, numbers instead of text, coverage."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from workbench.errors import Problem, SourceError
from workbench.knowledge.vocabulary import published
from workbench.records import FeatureTable
from workbench.sources.assembling.assemble import _Assembly, assemble
from workbench.sources.contract.identity import Row
from workbench.sources.contract.parsed import Parsed, ParsedMatrix, ParsedRow, ParseOptions, SourceFile
from workbench.specs.source import SourceSpec
from workbench.specs.table_source import TableSource


def named(label: str, person: str = "", session: str = "") -> SourceFile:
    return SourceFile(Path(label), label, (person,) if person else (), (session,) if session else ())


def rows_of(label: str, columns: tuple[str, ...], *rows: tuple[str, str, Any], **more: Any) -> Parsed:
    entries = [ParsedRow(Row(f"line {at + 2}", *ids), cells) for at, (*ids, cells) in enumerate(rows)]
    return Parsed(label, columns, entries, **more)


@pytest.fixture
def table_of(cohort, tmp_path):
    """Assembles files that a made-up producer parses, given as a mapping from file to what it says."""

    def build(parsed: Mapping[SourceFile, Parsed], **changes: Any) -> FeatureTable:
        declared = {"modality": "task", "reader": "table", "file": "all", "session": "session_id"} | changes
        spec: SourceSpec = TableSource.model_validate(declared)

        def parse(file: SourceFile, options: ParseOptions) -> Parsed:
            return parsed[file]

        return assemble("x", spec, cohort, list(parsed), parse, data=tmp_path, features_dir=tmp_path)

    return build


def test_files_of_groups_become_one_table_aligned_by_name(table_of):
    one = rows_of("a.tsv", ("VS", "ACC"), ("0001", "ses-b0", ["1", "2"]))
    other = rows_of("b.tsv", ("ACC", "VS"), ("0002", "ses-b0", ["4", "3"]))
    table = table_of({named("a.tsv"): one, named("b.tsv"): other})
    assert list(table.features["feature"]) == ["VS", "ACC"]
    np.testing.assert_array_equal(table.values, [[1, 2], [3, 4]])


def test_somebody_in_two_files_is_refused_with_both_places(table_of):
    one = rows_of("a.tsv", ("VS",), ("0001", "ses-b0", ["1"]))
    other = rows_of("b.tsv", ("VS",), ("0001", "ses-b0", ["2"]))
    with pytest.raises(SourceError, match=r"sub-0001 ses-b0 is there 2 times \(a.tsv line 2, b.tsv line 2\).*\[T3\]"):
        table_of({named("a.tsv"): one, named("b.tsv"): other})


def test_files_with_other_columns_are_refused_unless_the_producer_says_they_are_parts(table_of):
    one = rows_of("a.tsv", ("VS", "ACC"), ("0001", "ses-b0", ["1", "2"]))
    other = rows_of("b.tsv", ("ACC", "PCC"), ("0002", "ses-b0", ["3", "4"]))
    with pytest.raises(SourceError, match=r"has 2 columns, most files have 2; missing '.*'; unknown '.*\[T16\]"):
        table_of({named("a.tsv"): one, named("b.tsv"): other})
    parts = [rows_of(*arguments, partial=True) for arguments in (
        ("a.tsv", ("VS", "ACC"), ("0001", "ses-b0", ["1", "2"])),
        ("b.tsv", ("ACC", "PCC"), ("0002", "ses-b0", ["3", "4"])),
    )]  # fmt: skip
    table = table_of({named("a.tsv"): parts[0], named("b.tsv"): parts[1]})
    np.testing.assert_array_equal(table.values, [[1, 2, np.nan], [np.nan, 3, 4]])


def test_a_file_named_after_somebody_may_hold_several_sessions(table_of):
    file = named("sub-0001.tsv", "0001")
    table = table_of({file: rows_of("sub-0001.tsv", ("VS",), ("", "ses-b0", ["1"]), ("", "ses-d2", ["2"]))})
    assert table.rows.to_numpy().tolist() == [["sub-0001", "ses-b0"], ["sub-0001", "ses-d2"]]


def test_a_file_named_after_a_stranger_is_not_opened(table_of):
    file = named("sub-0009.tsv", "0009")
    known = named("sub-0001.tsv", "0001", "ses-b0")
    table = table_of({known: rows_of("sub-0001.tsv", ("VS",), ("", "", ["1"])), file: None})
    assert "all: 1 id not in the study, left out" in table.notes


def test_numbers_stay_numbers_with_codes_and_infinities_as_of_text(table_of):
    values = np.array([0.1 + 0.2, np.nan, 3.0])
    table = table_of({named("a.mat"): rows_of("a.mat", ("VS", "ACC", "PCC"), ("0001", "ses-b0", values))})
    assert table.values[0, 0] == 0.1 + 0.2
    assert list(table.features["feature"]) == ["VS", "PCC"]
    rows = [(person, "ses-b0", np.array([value])) for person, value in (("0001", np.inf), ("0002", 1.0))]
    wrong = rows_of("a.mat", ("VS",), *rows)
    with pytest.raises(SourceError, match=r"a.mat: line 2, column 'VS', sub-0001 ses-b0: 'inf' is not a number"):
        table_of({named("a.mat"): wrong})


def test_what_was_not_covered_is_missing_whatever_is_written(table_of):
    parsed = {
        named(f"sub-{person}.tsv", person, "ses-b0"): rows_of(
            f"sub-{person}.tsv", ("VS", "ACC"), ("", "", ["0", "1"]), coverage={"VS": share, "ACC": 1.0}
        )
        for person, share in (("0001", 0.0), ("0002", 0.4))
    }
    table = table_of(parsed)
    np.testing.assert_array_equal(table.values, [[np.nan, 1], [0, 1]])
    assert "not covered, hence missing: VS (1 file)" in table.notes


def test_a_matrix_of_numbers_with_an_uncovered_region_loses_its_edges(table_of):
    values = np.array([[1, 0.2, 0.3], [0.2, 1, 0.4], [0.3, 0.4, 1]])
    parsed = {
        named(f"{person}.mat", person, "ses-b0"): Parsed(
            f"{person}.mat", ("VS", "ACC", "PCC"), [ParsedMatrix(Row(""), values)], coverage=coverage
        )
        for person, coverage in (("0001", {"PCC": 0.0}), ("0002", {}))
    }
    table = table_of(parsed)
    assert list(table.features["feature"]) == ["ACC--PCC", "ACC--VS", "PCC--VS"]
    np.testing.assert_array_equal(table.values, [[np.nan, 0.2, np.nan], [0.4, 0.2, 0.3]])


def test_several_matrices_of_one_file_belong_to_whom_it_says(table_of):
    slabs = [ParsedMatrix(Row(f"slab {at}", person, "ses-b0"), np.eye(2) + at / 10 * (1 - np.eye(2)))
             for at, person in enumerate(("0002", "0001"), 1)]  # fmt: skip
    table = table_of({named("group.mat"): Parsed("group.mat", ("VS", "ACC"), slabs)})
    assert table.rows["participant_id"].tolist() == ["sub-0001", "sub-0002"]
    np.testing.assert_allclose(table.values[:, 0], [0.2, 0.1])


def test_what_a_file_says_of_its_columns_and_its_maker_is_kept(table_of):
    parsed = rows_of(
        "a.tac", ("VS",), ("0001", "ses-b0", ["1"]),
        described={"VS": {"unit": "SUVR", "tracer": "[11C]UCB-J"}}, provenance=("PETPrep 0.0.10",),
        left_out={"PatientName": "names a person"},
    )  # fmt: skip
    table = table_of({named("a.tac"): parsed}, tracer="[18F]FDG")
    assert table.features.loc[0, ["unit", "tracer"]].tolist() == ["SUVR", "[11C]UCB-J"]
    assert "1 file made by PETPrep 0.0.10" in table.notes
    assert table.left_out.why["PatientName"] == "names a person"


def test_problems_that_a_producer_saw_come_with_all_others(table_of):
    parsed = rows_of(
        "a.tsv",
        ("VS",),
        ("0001", "ses-b0", ["x"]),
        ("0002", "ses-b0", ["1"]),
        problems=(Problem("a.tsv", "is z-scored twice"),),
    )
    with pytest.raises(SourceError, match=r"is z-scored twice[\s\S]*'x' is not a number"):
        table_of({named("a.tsv"): parsed})


def test_a_row_of_another_length_is_an_error_of_the_file(table_of):
    with pytest.raises(SourceError, match=r"a.tsv: line 2 has 1 values for 2 columns"):
        table_of({named("a.tsv"): rows_of("a.tsv", ("VS", "ACC"), ("0001", "ses-b0", ["1"]))})


def test_the_text_of_a_file_is_let_go_once_it_became_numbers(cohort):
    """Hundreds of matrices would be held as text beside their numbers otherwise."""
    spec = TableSource.model_validate({"modality": "task", "reader": "table", "file": "all", "session": "session_id"})
    assembly = _Assembly("x", spec, cohort, None, published(), n_files=2)
    options = ParseOptions(spec, "participant_id", frozenset(), Path)
    for person in ("0001", "0002"):
        file = named(f"{person}.tsv", person, "ses-b0")
        assembly.read(file, lambda file, _: rows_of(file.label, ("VS",), ("", "", ["1"])), options)
    assert [part.parsed.entries for part in assembly.parts] == [(), ()]
    assert [part.n_values for part in assembly.parts] == [1, 1]
