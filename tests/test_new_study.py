import tomllib
from pathlib import Path

import pytest

from workbench import new_study
from workbench.errors import SpecError, WorkbenchError
from workbench.new_study import COPIED, DESIGNS, init_study
from workbench.study import check_study, open_study

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture
def template(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small demo study in place of the repository's own."""
    root = tmp_path / "template"
    files = {
        "features/cohort.toml": b'design = "observational"\r\n',
        "features/pet_columns.tsv": b"column\tcircuit\n",
        "features/README.md": b"what is measured\n",
        "features/tables/pet.parquet": b"built",
        "experiments/first.toml": b"# caf\xc3\xa9\n",
        "experiments/viewed.jsonl": b"{}\n",
        "mlruns/README.md": b"what was found\n",
        "mlruns/mlflow.db": b"results",
        "workbench.local.toml": b'data = "/home/me"\n',
    }
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    monkeypatch.setattr(new_study, "_template_root", lambda: root)
    return root


def test_demo_study_is_copied_byte_for_byte_without_what_was_made_from_it(template: Path, tmp_path: Path) -> None:
    written = init_study(tmp_path / "mine")
    names = {path.relative_to(tmp_path / "mine").as_posix() for path in written}
    assert names == {
        ".gitignore",
        "features/cohort.toml",
        "features/pet_columns.tsv",
        "features/README.md",
        "experiments/first.toml",
        "mlruns/README.md",
    }
    for name in names - {".gitignore"}:
        assert (tmp_path / "mine" / name).read_bytes() == (template / name).read_bytes()


def test_new_study_keeps_data_and_results_out_of_git(template: Path, tmp_path: Path) -> None:
    init_study(tmp_path / "mine")
    ignored = (tmp_path / "mine/.gitignore").read_text().splitlines()
    assert {"/sources/", "workbench.local.toml", "features/tables/", "mlruns/*"} <= set(ignored)


def test_nothing_is_written_where_a_file_is_in_the_way(template: Path, tmp_path: Path) -> None:
    (tmp_path / "mine/features").mkdir(parents=True)
    (tmp_path / "mine/features/cohort.toml").write_text("mine")
    with pytest.raises(SpecError, match=r"already holds features/cohort\.toml; nothing was written"):
        init_study(tmp_path / "mine")
    assert [path for path in (tmp_path / "mine").rglob("*") if path.is_file()] == [
        tmp_path / "mine/features/cohort.toml"
    ]
    assert (tmp_path / "mine/features/cohort.toml").read_text() == "mine"


def test_a_folder_with_data_only_is_no_obstacle(template: Path, tmp_path: Path) -> None:
    (tmp_path / "mine/sources").mkdir(parents=True)
    assert init_study(tmp_path / "mine")


def test_a_file_as_target_is_refused(template: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    with pytest.raises(SpecError, match="is a file; name a folder"):
        init_study(tmp_path / "mine")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no /proc, below which no folder can be made")
def test_where_no_folder_can_be_made_the_target_is_named(template: Path) -> None:
    with pytest.raises(WorkbenchError, match=r"/proc/study: no folder can be made there; name another folder"):
        init_study(Path("/proc/study"))


def test_unknown_design_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="'cross-over' is not a design; did you mean 'crossover'"):
        init_study(tmp_path / "mine", "cross-over")


def test_installation_without_the_demo_study_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(new_study, "__file__", str(tmp_path / "site-packages" / "workbench" / "new_study.py"))
    with pytest.raises(WorkbenchError, match="the demo study is not part of this installation; install it again"):
        init_study(tmp_path / "mine")


@pytest.mark.parametrize("design", DESIGNS)
def test_skeleton_is_a_study_that_lacks_nothing_but_its_data(tmp_path: Path, design: str) -> None:
    init_study(tmp_path / "mine", design)
    study = open_study(tmp_path / "mine")
    assert study.cohort.design == design
    assert set(study.sources) == {"connectivity", "task", "pet"}
    (problem,) = check_study(study)
    assert "no such folder" in problem.found


@pytest.mark.parametrize("design", DESIGNS)
def test_skeleton_marks_the_lines_to_change_and_explains_its_keys(tmp_path: Path, design: str) -> None:
    for path in init_study(tmp_path / "mine", design):
        if path.suffix == ".toml":
            text = path.read_text(encoding="utf-8")
            assert "# CHANGE" in text
            assert max(map(len, text.splitlines())) <= 130
    assert (tmp_path / "mine/README.md").is_file()


def test_repository_s_own_study_is_copied_byte_for_byte(tmp_path: Path) -> None:
    written = init_study(tmp_path / "mine")
    for path in written:
        if path.name != ".gitignore":
            assert path.read_bytes() == (REPOSITORY / path.relative_to(tmp_path / "mine")).read_bytes()


def test_wheel_carries_every_file_of_the_demo_study_and_nothing_else_of_it() -> None:
    """Files by name: a forced folder would take built tables along, which git ignores and hatchling then does not."""
    pyproject = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    forced = pyproject["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    files = {path.relative_to(REPOSITORY).as_posix() for pattern in COPIED for path in REPOSITORY.glob(pattern)}
    assert forced == {name: f"workbench/template/{name}" for name in sorted(files)}
