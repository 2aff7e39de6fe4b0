"""Where classes come from: installed packages outside the study, offered by them or allowed by the user alone."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from fits import explained_fit

from workbench.errors import SpecError
from workbench.models import estimator_lookup
from workbench.models.estimator_entry import settle
from workbench.models.estimator_lookup import GROUP, Allowed, find_class, load_class, version_of
from workbench.models.estimators import make_learner
from workbench.specs.learners import EstimatorSpec
from workbench.specs.user_configuration import configuration_file, read_user_configuration

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "learner_package"
LOUD = "open({file!r}, 'a').write('executed')\nfrom sklearn.svm import SVR\nclass Mine(SVR):\n    pass\n"


@pytest.fixture(autouse=True)
def _forget():
    """What other tests imported or looked up is not remembered."""
    caches = (estimator_lookup._owner, load_class)
    for cache in caches:
        cache.cache_clear()
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] in ("lab_learners", "mine")]:
        del sys.modules[name]
    for cache in caches:
        cache.cache_clear()


@pytest.fixture
def study(tmp_path):
    folder = tmp_path / "study"
    folder.mkdir()
    return folder


@pytest.fixture
def install(monkeypatch):
    """A function: unpacks the example package into a folder of packages as an installation does."""

    def unpack(folder):
        project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        shutil.copytree(EXAMPLE / "lab_learners", folder / "lab_learners", ignore=shutil.ignore_patterns("__pycache__"))
        information = folder / f"lab_learners-{project['version']}.dist-info"
        information.mkdir()
        metadata = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
        (information / "METADATA").write_text(metadata)
        (information / "top_level.txt").write_text("lab_learners\n")
        points = project["entry-points"][GROUP]
        lines = [f"[{GROUP}]", *(f"{name} = {value}" for name, value in points.items())]
        (information / "entry_points.txt").write_text("\n".join(lines) + "\n")
        monkeypatch.syspath_prepend(str(folder))

    return unpack


@pytest.fixture
def module(monkeypatch, tmp_path):
    """A function: a package ``mine`` in some folder, which says so when it is executed; installed or not."""

    def write(folder, *, installed):
        (folder / "mine").mkdir(parents=True)
        (folder / "mine" / "__init__.py").write_text(LOUD.format(file=str(tmp_path / "executed")))
        if installed:
            information = folder / "mine-2.5.dist-info"
            information.mkdir()
            (information / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 2.5\n")
            (information / "top_level.txt").write_text("mine\n")
        monkeypatch.syspath_prepend(str(folder))

    return write


def allowed(study, *classes):
    return Allowed(study, classes, Path("config.toml"))


def entry(estimator, **options):
    return EstimatorSpec(kind="estimator", estimator=estimator, **options)


# ------------------------------------------------------------------------------------------------ the user's own list


def test_a_class_that_the_user_allowed_is_found_and_its_version_known(study, module, tmp_path):
    module(tmp_path / "packages", installed=True)
    path, cls = find_class("mine.Mine", allowed(study, "mine.Mine"), "x")
    assert (path, cls.__name__) == ("mine.Mine", "Mine")
    assert version_of(path) == ("mine", "2.5")
    assert (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    ("where", "installed", "classes", "message"),
    [
        (
            "packages",
            True,
            (),
            r"neither of scikit-learn nor on the user's own list; .* estimators = \[\"mine.Mine\"\]",
        ),
        ("packages", False, ("mine.Mine",), "mine, which mine.Mine is from, is not an installed package"),
        ("study", False, ("mine.Mine",), "is not an installed package"),
        ("study", True, ("mine.Mine",), "is not an installed package"),
        ("study/packages", True, ("mine.Mine",), "is not an installed package"),
    ],
)
def test_what_is_not_allowed_or_lies_in_the_study_is_not_even_executed(
    where, installed, classes, message, study, module, tmp_path
):
    module(tmp_path / where, installed=installed)
    with pytest.raises(SpecError, match=message):
        find_class("mine.Mine", allowed(study, *classes), "x")
    assert not (tmp_path / "executed").exists()


def test_a_module_of_the_study_is_not_taken_for_an_installed_one(study, module, tmp_path):
    module(tmp_path / "packages", installed=True)
    module(study, installed=False)
    with pytest.raises(SpecError, match="would be imported from the study"):
        find_class("mine.Mine", allowed(study, "mine.Mine"), "x")
    assert not (tmp_path / "executed").exists()


def test_the_list_is_the_users_own_and_never_the_studys(study, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "own"))
    assert read_user_configuration(study).estimators == ()
    configuration_file().parent.mkdir(parents=True)
    configuration_file().write_text('estimators = ["mine.Mine"]\n')
    assert read_user_configuration(study).estimators == ("mine.Mine",)
    configuration_file().write_text('estimator = ["mine.Mine"]\n')
    with pytest.raises(SpecError, match="did you mean 'estimators'"):
        read_user_configuration(study)
    configuration_file().write_text('estimators = ["Mine"]\n')
    with pytest.raises(SpecError, match="'Mine' names no class"):
        read_user_configuration(study)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(study))
    configuration_file().parent.mkdir(parents=True)
    configuration_file().write_text('estimators = ["mine.Mine"]\n')
    with pytest.raises(SpecError, match="a study cannot allow its own code"):
        read_user_configuration(study)
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative")
    assert configuration_file() == Path.home() / ".config" / "biomarker-workbench" / "config.toml"


# ------------------------------------------------------------------------------------------------- the example package


def test_the_example_package_offers_an_estimator_by_name_and_by_path(study, install, tmp_path):
    install(tmp_path / "packages")
    spec = settle(entry("unit-weights", grid={"least": (0.0, 0.3)}), allowed(study), "x")
    assert (spec.estimator, spec.label) == ("lab_learners.unit_weights.UnitWeights", "unit-weights")
    assert settle(spec, allowed(study), "x") == spec
    assert version_of(spec.estimator) == ("lab-learners", "0.1.0")


def test_nothing_of_a_package_is_imported_before_its_name_is_used(study, install, tmp_path):
    install(tmp_path / "packages")
    with pytest.raises(SpecError, match="did you mean 'unit-weights'"):
        settle(entry("unit-weight"), allowed(study), "x")
    settle(entry("sklearn.svm.NuSVR"), allowed(study), "x")
    assert "lab_learners" not in sys.modules
    settle(entry("unit-weights"), allowed(study), "x")
    assert "lab_learners.training_median" not in sys.modules


def test_a_package_in_the_study_offers_nothing(study, install):
    install(study)
    with pytest.raises(SpecError, match="'unit-weights' is offered by no installed package"):
        settle(entry("unit-weights"), allowed(study), "x")
    assert "lab_learners" not in sys.modules


def test_the_estimator_of_the_package_learns_signs_and_is_explained_by_its_coefficients(
    study, install, make_fold, tmp_path
):
    install(tmp_path / "packages")
    fold, y = make_fold(120, 8, n_nuisance=1, carriers=(0, 1, 2), r2=0.7)
    spec = settle(entry("unit-weights", grid={"least": (0.0, 0.3)}), allowed(study), "x")
    fitted = explained_fit(make_learner(spec), fold, y[:, None])
    assert dict(fitted.chosen) == {"least": 0.3}
    assert np.array_equal(np.flatnonzero(fitted.weights), [0, 1, 2])
    assert np.ptp(fitted.weights[:3]) < 1e-12
    assert np.corrcoef(fitted.predicted[:, 0], y[fold.test])[0, 1] > 0.6


def test_a_learner_that_the_package_offers_whole_sees_the_fold_itself(study, install, make_fold, tmp_path):
    install(tmp_path / "packages")
    fold, y = make_fold(40, 3)
    spec = settle(entry("training-median", params={"quantile": 0.25}), allowed(study), "x")
    learner = make_learner(spec)
    assert learner.batched
    fitted = learner.fit(fold, np.column_stack([y, -y]), seed=0)
    assert np.allclose(fitted.predicted, [[np.quantile(y[fold.train], 0.25), np.quantile(-y[fold.train], 0.25)]])
    with pytest.raises(SpecError, match=r"cannot be made: .*'quantil'.* its options: quantile"):
        settle(entry("training-median", params={"quantil": 0.25}), allowed(study), "x")
    with pytest.raises(SpecError, match="chooses its settings itself; give its options under params"):
        settle(entry("training-median", grid={"quantile": (0.25, 0.5)}), allowed(study), "x")


def test_the_estimator_of_the_package_passes_scikit_learns_own_checks(install, tmp_path):
    """In a Python of its own, as a user of the package would run them."""
    install(tmp_path / "packages")
    program = (
        "from sklearn.utils.estimator_checks import check_estimator\n"
        "from lab_learners.unit_weights import UnitWeights\n"
        "check_estimator(UnitWeights(), on_skip=None)\n"
    )
    done = subprocess.run(
        [
            sys.executable,
            "-W",
            "ignore",
            "-c",
            f"import sys; sys.path.insert(0, {str(tmp_path / 'packages')!r})\n{program}",
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_two_packages_that_offer_one_name_are_told_apart_by_the_user(study, install, tmp_path):
    install(tmp_path / "packages")
    other = tmp_path / "packages" / "other-1.0.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
    (other / "entry_points.txt").write_text(f"[{GROUP}]\nunit-weights = other:Weights\n")
    with pytest.raises(SpecError, match="'unit-weights' is offered by lab-learners and other; uninstall all but one"):
        settle(entry("unit-weights"), allowed(study), "x")
