"""The user's registry: where it lies, who may read it, and what is said where it cannot be."""

import os
import stat
from types import SimpleNamespace

import pytest

from workbench.errors import StoreError
from workbench.preregistration import registry
from workbench.preregistration.registry import Registered


@pytest.fixture
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


def test_it_lies_where_the_platform_or_the_user_says(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("WORKBENCH_STATE")
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    assert registry.folder() == tmp_path / ".local" / "state" / "biomarker-workbench"
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "xdg"))
    assert registry.folder() == tmp_path / "xdg" / "biomarker-workbench"
    monkeypatch.setenv("WORKBENCH_STATE", str(tmp_path / "own"))
    assert registry.folder() == tmp_path / "own"


def test_the_key_is_made_once_and_for_the_user_alone(state):
    assert registry.find_key() is None
    registry.make_ready()
    key = registry.find_key()
    registry.make_ready()
    assert registry.find_key() == key
    assert stat.S_IMODE((state / "key").stat().st_mode) == 0o600
    registry.register(Registered("2026", "s", "f00", {"key": "k"}))
    assert stat.S_IMODE((state / "viewed.jsonl").stat().st_mode) == 0o600


def test_a_damaged_key_or_line_is_told_and_never_taken_for_nothing(state):
    registry.make_ready()
    (state / "viewed.jsonl").write_text("{\n")
    with pytest.raises(StoreError, match=r"viewed\.jsonl, line 1: is damaged"):
        registry.make_ready()
    (state / "key").write_text("short")
    with pytest.raises(StoreError, match=r"key: cannot be read .*restore it"):
        registry.find_key()


def test_a_folder_that_cannot_be_made_names_the_way_out(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("WORKBENCH_STATE", str(tmp_path / "file" / "state"))
    with pytest.raises(StoreError, match=r"cannot be written \(Not a directory\).*WORKBENCH_STATE=FOLDER"):
        registry.make_ready()


def test_lines_of_another_key_are_told_apart(state):
    registry.make_ready()
    key = registry.find_key()
    registry.register(Registered("2026", "s", "f00", {"key": registry.key_name(key)}))
    assert registry.read_registry(key)[1] is False
    registry.register(Registered("2026", "s", "f01", {"key": "another"}))
    lines, others = registry.read_registry(key)
    assert [line.run_id for line in lines] == ["f00"]
    assert others


def test_switched_off_nothing_is_written_and_an_unknown_switch_is_refused(state, monkeypatch):
    monkeypatch.setenv("WORKBENCH_REGISTRY", "off")
    registry.make_ready()
    with registry.locked():
        registry.register(Registered("2026", "s", "f00", {}))
    assert set(os.listdir(state)) <= {"key", "key.lock"}
    monkeypatch.setenv("WORKBENCH_REGISTRY", "perhaps")
    with pytest.raises(StoreError, match="WORKBENCH_REGISTRY: is 'perhaps'; on or off"):
        registry.switched_off()


def test_a_study_is_known_by_a_hash_of_its_folder(tmp_path):
    one, other = SimpleNamespace(root=tmp_path / "a"), SimpleNamespace(root=tmp_path / "b")
    assert registry.study_hash(one, b"k" * 32) != registry.study_hash(other, b"k" * 32)
    assert str(tmp_path) not in registry.study_hash(one, b"k" * 32)
