"""Readers that come with an installed package; the example is the package of `examples/reader_package`."""

from __future__ import annotations

import importlib
import shutil
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from workbench import third_party
from workbench.errors import SourceError, SpecError
from workbench.sources import read_source, source_files
from workbench.specs import read_source_spec
from workbench.specs.readers import READER_GROUP

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "reader_package"
SPEC = 'modality = "task"\nreader = "long-table"\nfile = "roi.tsv"\nsession = "visit"\n'
ROI = """participant_id\tvisit\tregion\tvalue
0001\tses-b0\tVS_L\t0.1
0001\tses-b0\tACC\t0.2
0002\tses-b0\tACC\t0.4
sub-0004\tses-b0\tVS_L\tn/a
sub-0004\tses-b0\tACC\t0.6
0009\tses-b0\tACC\t0.7
"""


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Unpacks the example's wheel into a folder of packages, as pip does, and lets Python find it."""

    def unpack(folder: Path) -> None:
        project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
        shutil.copytree(EXAMPLE / "lab_readers", folder / "lab_readers")
        information = folder / f"lab_readers-{project['version']}.dist-info"
        information.mkdir()
        metadata = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
        (information / "METADATA").write_text(metadata)
        points = project["entry-points"][READER_GROUP]
        lines = [f"[{READER_GROUP}]", *(f"{name} = {module}" for name, module in points.items())]
        (information / "entry_points.txt").write_text("\n".join(lines) + "\n")
        monkeypatch.syspath_prepend(str(folder))

    yield unpack
    for name in [name for name in sys.modules if name.split(".")[0] == "lab_readers"]:
        del sys.modules[name]
    importlib.invalidate_caches()


@pytest.fixture
def study(tmp_path: Path) -> Path:
    (tmp_path / "study" / "features").mkdir(parents=True)
    (tmp_path / "study" / "features" / "roi.toml").write_text(SPEC)
    return tmp_path / "study"


@pytest.fixture
def read(study, cohort, write):
    def read_roi(content: str = ROI):
        write("roi.tsv", content)
        spec = read_source_spec(study / "features" / "roi.toml")
        return read_source("roi", spec, cohort, data=study.parent, features_dir=study / "features")

    return read_roi


def test_a_source_of_an_installed_reader_becomes_a_table(install, study, read, tmp_path):
    install(tmp_path / "packages")
    table = read()
    assert list(table.features["name"]) == ["roi:ACC", "roi:VS_L"]
    assert table.rows["participant_id"].tolist() == ["sub-0001", "sub-0002", "sub-0004"]
    np.testing.assert_array_equal(table.values, [[0.2, 0.1], [0.4, np.nan], [0.6, np.nan]])
    assert "roi.tsv: 1 id not in the study, left out" in table.notes
    spec = read_source_spec(study / "features" / "roi.toml")
    assert source_files(spec, data=tmp_path, features_dir=study / "features") == (tmp_path / "roi.tsv",)


def test_what_the_assembly_checks_it_checks_for_every_reader(install, read, tmp_path):
    install(tmp_path / "packages")
    with pytest.raises(SourceError, match=r"sub-0002 ses-b0: 'x' is not a number") as error:
        read(ROI.replace("0.4", "x") + "2\tses-d2\tACC\t1\n")
    assert "sub-0002 is written '0002'" in str(error.value)


def test_its_options_are_checked_like_any_other(install, study, tmp_path):
    install(tmp_path / "packages")
    (study / "features" / "roi.toml").write_text(SPEC.replace("session", "sesion"))
    with pytest.raises(SpecError, match=r"sesion.*did you mean 'session'"):
        read_source_spec(study / "features" / "roi.toml")


def test_no_package_is_imported_before_a_source_names_its_reader(install, study, tmp_path):
    install(tmp_path / "packages")
    assert third_party.names(READER_GROUP, study=study) == ("long-table",)
    (study / "features" / "other.toml").write_text('modality = "task"\nreader = "table"\nfile = "x.tsv"\n')
    read_source_spec(study / "features" / "other.toml")
    assert "lab_readers" not in sys.modules
    read_source_spec(study / "features" / "roi.toml")
    assert "lab_readers.long_table" in sys.modules


def test_a_package_that_lies_in_the_study_is_no_package(install, study):
    install(study)
    assert third_party.names(READER_GROUP, study=study) == ()
    with pytest.raises(SpecError, match="long-table"):
        read_source_spec(study / "features" / "roi.toml")
    assert "lab_readers" not in sys.modules


def test_a_package_that_lies_in_the_current_folder_is_no_package(install, study, tmp_path, monkeypatch):
    install(tmp_path / "packages")
    monkeypatch.chdir(tmp_path / "packages")
    assert third_party.names(READER_GROUP, study=study) == ()


def test_a_module_of_the_study_does_not_take_the_place_of_the_installed_one(install, study, tmp_path, monkeypatch):
    install(tmp_path / "packages")
    (study / "lab_readers").mkdir()
    (study / "lab_readers" / "__init__.py").write_text("raise SystemExit('executed')")
    monkeypatch.syspath_prepend(str(study))
    with pytest.raises(SpecError, match=r"roi.toml: reader: .* would be imported from the study or the current folder"):
        read_source_spec(study / "features" / "roi.toml")


def test_two_packages_that_offer_one_reader_are_named(install, study, tmp_path):
    install(tmp_path / "packages")
    shutil.copytree(tmp_path / "packages" / "lab_readers-0.1.0.dist-info", tmp_path / "packages" / "b-2.dist-info")
    (tmp_path / "packages" / "b-2.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: b\nVersion: 2\n")
    with pytest.raises(SpecError, match=r"is offered by b 2, lab-readers 0.1.0; uninstall all but one"):
        read_source_spec(study / "features" / "roi.toml")


def test_a_package_that_cannot_be_imported_is_named(install, study, tmp_path):
    install(tmp_path / "packages")
    (tmp_path / "packages" / "lab_readers" / "__init__.py").write_text("import no_such_package")
    with pytest.raises(SpecError, match=r"lab_readers.long_table cannot be imported \(ModuleNotFoundError: No module"):
        read_source_spec(study / "features" / "roi.toml")


def test_a_reader_that_nobody_offers_is_refused_with_what_there_is(study):
    with pytest.raises(SpecError, match=r"long-table"):
        read_source_spec(study / "features" / "roi.toml")
