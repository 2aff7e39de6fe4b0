"""What every producer keeps, whatever its files look like: each has a writer in `source_writers`.

A writer gets a small cohort, cell by cell as text, and leaves files that say it; every test then asks the same of the
table that comes of them, or of the error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from source_writers import TWO_SESSIONS, WRITERS, Values, Writer

from workbench.errors import SourceError
from workbench.records import Cohort, FeatureTable
from workbench.sources import read_source, source_files
from workbench.sources.producers import PRODUCERS
from workbench.specs.readers import READERS
from workbench.specs.source import SourceSpec


@pytest.fixture(params=sorted(PRODUCERS))
def reader(request) -> str:
    assert request.param in WRITERS, f"producer {request.param!r} has no writer: it must keep the contract too"
    return request.param


of_text = pytest.mark.parametrize("reader", sorted(name for name in WRITERS if WRITERS[name].text))
"""Asked of producers whose cells are text, where what is no number can stand at all."""


of_edges = pytest.mark.parametrize("reader", sorted(name for name in WRITERS if WRITERS[name].edges))
"""Asked of producers that may name a feature like an edge."""


@pytest.fixture
def writer(reader: str) -> Writer:
    return WRITERS[reader]


@pytest.fixture
def read(reader: str, writer: Writer, tmp_path: Path, cohort: Cohort) -> Callable[..., FeatureTable]:
    """Reads what lies there, or writes `values` first; keywords change the options."""

    def read_values(values: Values | None = None, in_cohort: Cohort = cohort, **changes: Any) -> FeatureTable:
        if values is not None:
            writer.write(tmp_path, values)
        spec = spec_of(reader, writer, **changes)
        return read_source("x", spec, in_cohort, data=tmp_path, features_dir=tmp_path / "features")

    return read_values


def spec_of(reader: str, writer: Writer, **changes: Any) -> SourceSpec:
    declared = {"modality": "connectivity", "reader": reader, **writer.options, **changes}
    return READERS[reader].model_validate(declared)


def by_name(table: FeatureTable) -> dict[tuple[str, str, str], float]:
    rows = table.rows.itertuples(index=False)
    return {
        (row.participant_id, row.session, feature): value
        for row, values in zip(rows, table.values, strict=True)
        for feature, value in zip(table.features["feature"], values, strict=True)
    }


def changed(values: Values, cells: Mapping[tuple[str, str], tuple[str, str, str]]) -> Values:
    return {**values, **cells}


def test_every_producer_has_options_and_options_have_a_producer():
    assert set(PRODUCERS) == set(READERS)


def test_the_same_cohort_gives_the_same_table(read, writer):
    expected = {
        (f"sub-{person}", session, feature): float(cell)
        for (person, session), cells in TWO_SESSIONS.items()
        for feature, cell in zip(writer.features, cells, strict=True)
    }
    table = read(TWO_SESSIONS)
    assert by_name(table) == pytest.approx(expected, rel=writer.precision, abs=0)
    assert table.rows.to_numpy().tolist() == sorted([f"sub-{person}", session] for person, session in TWO_SESSIONS)
    assert table.rows["participant_id"].dtype == "str"
    assert list(table.features["name"]) == [f"x:{feature}" for feature in writer.features]


@of_edges
def test_edges_have_their_regions_and_circuits(read, writer):
    features = read(TWO_SESSIONS).features.set_index("feature")
    assert features.loc[writer.features[1], ["region_a", "region_b"]].tolist() == ["VS", "PCC"]
    assert features.loc[writer.features[1], "circuit"] == "default mode - reward"


def test_the_order_in_which_people_are_written_changes_nothing(read):
    backwards = dict(reversed(TWO_SESSIONS.items()))
    first, second = read(TWO_SESSIONS), read(backwards)
    assert first.digest == second.digest
    assert first.notes == second.notes


def test_the_digest_is_that_of_the_content(read):
    table = read(TWO_SESSIONS)
    assert table.digest == table.content_digest() == read().digest
    other = changed(TWO_SESSIONS, {("0004", "ses-b0"): ("0.7", "-0.8", "0.91")})
    assert read(other).digest != table.digest


def test_inputs_stay_as_they_are(read, reader, writer, tmp_path):
    writer.write(tmp_path, TWO_SESSIONS)
    paths = source_files(spec_of(reader, writer), data=tmp_path, features_dir=tmp_path / "features")
    before = {path: path.read_bytes() for path in paths}
    read()
    assert before == {path: path.read_bytes() for path in paths}
    assert tmp_path / writer.any_file("0001", "ses-b0") in before


@of_text
def test_missing_codes_of_the_study_are_missing_in_every_spelling(read, writer, cohort_of):
    values = changed(TWO_SESSIONS, {("0002", "ses-b0"): ("n/a", "0.5", "-999.0")})
    table = read(values, cohort_of(missing=("n/a", "", "-999")))
    cells = by_name(table)
    assert np.isnan(cells["sub-0002", "ses-b0", writer.features[0]])
    assert np.isnan(cells["sub-0002", "ses-b0", writer.features[2]])
    assert np.isnan(list(cells.values())).sum() == 2


@of_text
def test_a_cell_that_is_no_number_is_named_by_file_row_and_column(read, writer):
    with pytest.raises(SourceError) as error:
        read(changed(TWO_SESSIONS, {("0002", "ses-b0"): ("x1", "0.5", "0.6")}))
    expected = f"{writer.any_file('0002', 'ses-b0')}: {writer.place_of['VS--ACC']}: 'x1' is not a number"
    assert expected in str(error.value)


@of_text
@pytest.mark.parametrize("cell", ["inf", "1_000", "0,5", "#VALUE!", "NaN", "\u22120.5"])
def test_nothing_is_guessed_to_be_a_number_or_missing(read, cell):
    with pytest.raises(SourceError, match="is not a number"):
        read(changed(TWO_SESSIONS, {("0002", "ses-b0"): (cell, "0.5", "0.6")}))


def test_somebody_without_any_value_has_no_row(read):
    table = read(changed(TWO_SESSIONS, {("0002", "ses-b0"): ("n/a", "n/a", "n/a")}))
    assert "sub-0002" not in set(table.rows["participant_id"])
    assert "1 rows without any value left out" in table.notes


def test_unknown_ids_are_counted_without_being_named(read):
    table = read(changed(TWO_SESSIONS, {("0009", "ses-b0"): ("0.11", "0.22", "0.33")}))
    assert "sub-0009" not in set(table.rows["participant_id"])
    assert any("1 id not in the study, left out" in note for note in table.notes)
    assert not any("0009" in note for note in table.notes)


def test_ids_that_never_meet_show_both_spellings_and_the_rule(read):
    strangers = {("MOA11", "ses-b0"): ("0.1", "0.2", "0.3"), ("MOA12", "ses-b0"): ("0.4", "0.5", "0.6")}
    with pytest.raises(SourceError, match=r"none of its 2 ids is in the study: the file writes 'MOA11', the study has"):
        read(strangers)


def test_an_id_that_looks_like_somebody_is_not_dropped_in_silence(read):
    with pytest.raises(SourceError, match=r"'SUB0002' is not in the study but looks like sub-0002.*\[T3\]"):
        read(changed(TWO_SESSIONS, {("SUB0002", "ses-d2"): ("0.11", "0.22", "0.33")}))


def test_ids_meet_under_the_rule_of_the_study(read):
    values = {("sub-2" if person == "0002" else person, session): v for (person, session), v in TWO_SESSIONS.items()}
    assert read(values).digest == read(TWO_SESSIONS).digest


def test_one_person_in_two_spellings_is_refused_and_named(read):
    twice = changed(TWO_SESSIONS, {("2", "ses-d2"): ("0.11", "0.22", "0.33")})
    with pytest.raises(SourceError, match=r"sub-0002 is written '0002' \(.*\), '2' \(.*\).*\[T3\]"):
        read(twice)


def test_sessions_that_are_not_declared_are_counted(read):
    table = read(changed(TWO_SESSIONS, {("0004", "ses-x"): ("0.11", "0.22", "0.33")}))
    assert any(re.search(r"1 row of sessions not declared \((ses-)?x\)", note) for note in table.notes)
    assert set(table.rows["session"]) == {"ses-b0", "ses-d2"}


def test_sessions_that_are_all_undeclared_are_refused(read):
    values = {(person, f"visit{session[-1]}"): cells for (person, session), cells in TWO_SESSIONS.items()}
    with pytest.raises(SourceError, match=r"none of its sessions is declared: the file has 'visit"):
        read(values)


def test_a_file_of_0_bytes_is_named_with_the_way_to_fetch_it(read, writer, tmp_path):
    writer.write(tmp_path, TWO_SESSIONS)
    name = writer.any_file("0002", "ses-b0")
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(SourceError, match=rf"{name}: is empty \(0 bytes\); fetch it with `datalad get"):
        read()


@of_text
def test_a_file_of_blank_lines_is_refused(read, writer, tmp_path):
    writer.write(tmp_path, TWO_SESSIONS)
    (tmp_path / writer.any_file("0002", "ses-b0")).write_bytes(b"\n \n\n")
    with pytest.raises(SourceError, match=r"holds nothing but white space \(4 bytes\)"):
        read()


def test_a_file_that_was_not_fetched_is_named(read, writer, tmp_path):
    writer.write(tmp_path, TWO_SESSIONS)
    name = writer.any_file("0002", "ses-b0")
    (tmp_path / name).write_bytes(b"../../.git/annex/objects/Xx/Yy/MD5E-s12--0")
    with pytest.raises(SourceError, match=rf"{name}: was not fetched: it is only a DataLad pointer"):
        read()


@of_text
def test_a_file_that_is_no_text_is_named(read, writer, tmp_path):
    writer.write(tmp_path, TWO_SESSIONS)
    name = writer.any_file("0002", "ses-b0")
    (tmp_path / name).write_bytes(b"\x93NUMPY\x01\x00v\xff\xfe\x00")
    with pytest.raises(SourceError, match=rf"{name}: is a NumPy array"):
        read()


@of_text
def test_a_file_that_cannot_be_opened_is_named(read, writer, tmp_path, monkeypatch):
    writer.write(tmp_path, TWO_SESSIONS)
    name = writer.any_file("0002", "ses-b0")
    read_bytes = Path.read_bytes

    def refuse(path: Path) -> bytes:
        if path == tmp_path / name:
            raise PermissionError(13, "Permission denied", str(path))
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(SourceError, match=rf"{name}: cannot be read \(Permission denied\)"):
        read()


@of_text
def test_a_file_with_cells_too_many_is_refused(read, writer, tmp_path):
    writer.write(tmp_path, TWO_SESSIONS)
    path = tmp_path / writer.any_file("0002", "ses-b0")
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:-1], lines[-1] + "\t7"]) + "\n")
    with pytest.raises(SourceError, match=r"the header has \d columns but line \d has \d cells|is not square|17 words"):
        read()


def test_nothing_there_is_explained(read):
    with pytest.raises(SourceError, match=r"there is no such file in|no file in .* is like this"):
        read()


@of_text
def test_all_problems_come_at_once(read, writer):
    """A bad cell, a look-alike and a second spelling, in one error."""
    wrong = {
        ("0002", "ses-b0"): ("x1", "0.5", "0.6"),
        ("SUB0004", "ses-b0"): ("0.11", "0.22", "0.33"),
        ("1", "ses-p2"): ("0.12", "0.23", "0.34"),
    }
    with pytest.raises(SourceError) as error:
        read(changed(TWO_SESSIONS, wrong))
    message = str(error.value)
    for expected in ("'x1' is not a number", "looks like sub-0004", "sub-0001 is written"):
        assert expected in message


def test_fisher_z_is_taken_of_every_value_and_refuses_what_is_no_correlation(read, writer):
    if not writer.correlations:
        with pytest.raises(ValidationError, match=r'transform: is "fisher-z", and '):
            read(TWO_SESSIONS, transform="fisher-z")
        return
    raw, z = read(TWO_SESSIONS), read(transform="fisher-z")
    np.testing.assert_allclose(np.tanh(z.values), raw.values, rtol=1e-12)
    with pytest.raises(SourceError, match=r"1 values are not inside -1 to 1 \(the largest is 1.2\)"):
        read(changed(TWO_SESSIONS, {("0004", "ses-b0"): ("1.2", "0.1", "0.2")}), transform="fisher-z")


def test_a_columns_table_adds_what_the_study_knows(read, writer, tmp_path):
    (tmp_path / "columns.tsv").write_text(
        "column\tcircuit\tunit\n" + "".join(f"{feature}\tmine\tz\n" for feature in writer.features)
    )
    features = read(TWO_SESSIONS, columns="columns.tsv").features
    assert set(features["circuit"]) == {"mine"}
    assert set(features["unit"]) == {"z"}


def test_columns_that_are_no_features_are_kept_with_their_reason(read, writer, tmp_path):
    table = read(TWO_SESSIONS)
    assert table.left_out.columns == ()
    if writer.with_text_column is None:
        return
    options = writer.with_text_column(tmp_path)
    left_out = read(**options).left_out
    assert left_out.columns == ("volume",)
    assert left_out.why["scanner"] == "not numbers"
    assert left_out.values.shape == (4, 1)


def test_a_duplicate_row_or_copied_file_is_refused(read, writer, tmp_path):
    writer.write(tmp_path, TWO_SESSIONS)
    path = tmp_path / writer.any_file("0001", "ses-b0")
    if writer.name_twice is not None:
        expected = writer.name_twice(tmp_path)
    elif writer.whole:
        text = path.read_text()
        path.write_text(text + text.splitlines()[-1] + "\n")
        expected = r"sub-0004 ses-b0 is there 2 times \(line 5, line 6\)"
    else:
        (tmp_path / writer.any_file("0002", "ses-b0")).write_bytes(path.read_bytes())
        expected = "are byte for byte the same file"
    with pytest.raises(SourceError, match=rf"{expected}.*\[T3\]"):
        read()
