import errno
import json

import numpy as np
import pandas as pd
import pytest

from workbench.tables import feature_table
from workbench.tables.feature_table import cached_table, content_key, describe


@pytest.fixture
def table(make_table):
    values = np.random.default_rng(0).standard_normal((3, 4))
    values[1, 2] = np.nan
    return make_table(
        "fc", ["sub-0001", "sub-0002", "sub-0003"], values, names=["a", "NA", "c->d", "nan"], notes=("told",)
    )


@pytest.fixture
def cached(table, tmp_path):
    builds = []

    def get(key="key"):
        def build():
            builds.append(key)
            return table

        return cached_table("fc", key, build, tmp_path / "tables")

    get.builds = builds
    return get


def test_a_cached_table_is_the_table_that_was_built(cached, table):
    assert cached()[1] is True
    kept, rebuilt = cached()
    assert not rebuilt
    assert kept.digest == table.digest == kept.content_digest()
    assert kept.features.equals(table.features)
    assert kept.rows.equals(table.rows)
    assert (kept.notes, kept.modality) == (table.notes, table.modality)


def test_another_key_builds_anew(cached):
    cached()
    assert cached("other")[1] is True
    assert cached("other")[1] is False


def torn_parquet(folder):
    path = folder / "fc.parquet"
    path.write_bytes(path.read_bytes()[:100])


def torn_json(folder):
    (folder / "fc.json").write_text("{")


def torn_values(folder):
    path = folder / "fc.values.npy"
    path.write_bytes(path.read_bytes()[:-8])


def other_values(folder):
    path = folder / "fc.values.npy"
    path.write_bytes(path.read_bytes()[:-8] + bytes(8))


def absent_parquet(folder):
    (folder / "fc.parquet").unlink()


def other_description(folder):
    described = pd.read_parquet(folder / "fc.parquet")
    described.assign(circuit="another circuit").to_parquet(folder / "fc.parquet", index=False)


def values_of_another_shape(folder):
    values = np.load(folder / "fc.values.npy")
    np.save(folder / "fc.values.npy", values.reshape(len(values), 2, -1).reshape(-1, len(values)))


def another_version(folder):
    said = json.loads((folder / "fc.json").read_text())
    (folder / "fc.json").write_text(json.dumps(said | {"schema_version": 0}))


def another_digest(folder):
    said = json.loads((folder / "fc.json").read_text())
    (folder / "fc.json").write_text(json.dumps(said | {"digest": "0" * 64}))


@pytest.mark.parametrize(
    "spoil",
    [
        torn_parquet,
        torn_values,
        other_values,
        other_description,
        values_of_another_shape,
        torn_json,
        absent_parquet,
        another_version,
        another_digest,
    ],
)
def test_what_cannot_be_trusted_is_built_anew(cached, tmp_path, spoil):
    cached()
    spoil(tmp_path / "tables")
    assert cached()[1] is True
    assert cached()[1] is False


def test_nothing_half_written_is_left_behind(cached, tmp_path):
    cached()
    assert sorted(path.name for path in (tmp_path / "tables").iterdir()) == [
        "fc.json",
        "fc.parquet",
        "fc.values.npy",
    ]


def test_the_key_follows_content_and_not_dates(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text("1")
    key = content_key("spec", [path])
    path.touch()
    assert content_key("spec", [path]) == key
    assert content_key("other", [path]) != key
    path.write_text("2")
    assert content_key("spec", [path]) != key
    path.unlink()
    assert content_key("spec", [path]) not in (key, "")


@pytest.mark.parametrize("position", [0, 5, 11])
def test_a_value_that_changed_is_noticed_in_whichever_piece_it_lies(cached, table, tmp_path, monkeypatch, position):
    monkeypatch.setattr(feature_table, "PIECE", 40)  # five values, of twelve
    cached()
    path = tmp_path / "tables" / "fc.values.npy"
    values = np.load(path)
    values.flat[position] += 1e-12
    np.save(path, values)
    kept, rebuilt = cached()
    assert rebuilt
    np.testing.assert_array_equal(kept.values, table.values)


def test_many_values_are_described_in_parts_and_as_well(make_table, monkeypatch):
    values = np.random.default_rng(1).integers(0, 2, (9, 6)).astype(float)
    values[:, 2], values[:, 3] = 4.0, np.nan
    values[3, 2] = values[0, 0] = np.nan
    table = make_table("fc", [f"sub-{k:04d}" for k in range(9)], values)
    whole = describe(table)
    assert whole.loc[0, ["missing", "constant"]].tolist() == [11 / 54, 1]
    monkeypatch.setattr(feature_table, "PIECE", 64)
    assert describe(table).equals(whole)


def test_describe_counts_people_features_and_missing_values(table):
    described = describe(table)
    assert described.loc[0, ["participants", "features", "constant", "circuits"]].tolist() == [3, 4, 0, 1]
    assert described.loc[0, "missing"] == pytest.approx(1 / 12)


@pytest.mark.parametrize(
    ("key", "value"),
    [("confounds", []), ("overlaps", ["pet"]), ("notes", []), ("modality", "pet"), ("source", "other")],
)
def test_a_description_that_was_changed_is_noticed_and_the_table_built_anew(make_table, tmp_path, key, value):
    """Without its confounds a table is the same numbers and another question."""
    values = np.random.default_rng(0).standard_normal((3, 4))
    people = ["sub-0001", "sub-0002", "sub-0003"]
    table = make_table("fc", people, values, notes=("one row left out",), confounds=("mean_fd",))
    cached_table("fc", "key", lambda: table, tmp_path)
    path = tmp_path / "fc.json"
    described = json.loads(path.read_text())
    assert described[key] != value
    path.write_text(json.dumps({**described, key: value}))
    kept, rebuilt = cached_table("fc", "key", lambda: table, tmp_path)
    assert rebuilt
    assert kept.confounds == ("mean_fd",)
    assert json.loads(path.read_text()) == described


@pytest.mark.parametrize("number", [errno.EROFS, errno.ENOSPC, errno.EACCES])
def test_a_cache_that_cannot_be_written_is_done_without(table, tmp_path, monkeypatch, number):
    def refuse(*_, **__):
        raise OSError(number, "refused")

    monkeypatch.setattr("os.replace", refuse)
    assert cached_table("fc", "key", lambda: table, tmp_path) == (table, True)
    assert list(tmp_path.iterdir()) == []


def test_an_error_that_is_not_of_the_disk_is_not_hidden(table, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise OSError(errno.EINVAL, "a bug")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="a bug"):
        cached_table("fc", "key", lambda: table, tmp_path)


def test_many_values_are_mapped_into_memory_and_to_change_them_changes_no_file(cached, table, tmp_path, monkeypatch):
    cached()
    monkeypatch.setattr(feature_table, "MAPPED", 0)
    kept, rebuilt = cached()
    assert not rebuilt
    np.testing.assert_array_equal(kept.values, table.values)
    kept.values[0, 0] = 7.0
    again, rebuilt = cached()
    assert not rebuilt
    np.testing.assert_array_equal(again.values, table.values)


def test_a_folder_in_the_place_of_a_stored_file_is_named(tmp_path):
    from workbench.errors import StoreError
    from workbench.whole_files import written_whole

    (tmp_path / "pet.npy").mkdir()
    with (
        pytest.raises(StoreError, match=r"pet.npy: is a folder, where a file is to be written; move it away"),
        written_whole(tmp_path / "pet.npy") as path,
    ):
        path.write_bytes(b"")
    assert [path.name for path in tmp_path.iterdir()] == ["pet.npy"]
