"""The example package of learners, installed outside a study: named by an experiment, checked, run in workers."""

import shutil
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from joblib.externals.loky import get_reusable_executor

from workbench import pipeline
from workbench.models import estimator_explained, estimator_lookup

pytestmark = pytest.mark.usefixtures("bare_runs", "unchecked_runs")

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "learner_package"
GROUP = estimator_lookup.GROUP
EXPERIMENT = """\
question = "Does task activation before treatment predict the fall in MADRS?"
sessions = ["ses-b0"]
[outcome]
score = "MADRS"
kind = "change"
from = "ses-b0"
at = "ses-d2"
[feature_sets]
task = ["task"]
[validation]
repeats = 1
outer = 3
inner = 2
permutations = 0
[[models]]
kind = "estimator"
estimator = "unit-weights"
grid = { least = [0.0, 0.3] }
[[models]]
kind = "estimator"
estimator = "training-median"
"""


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lab") / "study"
    pipeline.simulate_study(folder, patients=50, design="single-arm", r2=0.5, seed=3, achievable=False)
    (folder / "experiments" / "lab.toml").write_text(EXPERIMENT, encoding="utf-8")
    return folder


@pytest.fixture
def new_workers():
    """Workers of other tests know nothing of the folder of packages."""
    get_reusable_executor().shutdown(wait=True)


@pytest.fixture
def study(simulated, tmp_path, monkeypatch):
    """A study, and the package in a folder of packages beside it, as an installation leaves it."""
    packages = tmp_path / "packages"
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    shutil.copytree(EXAMPLE / "lab_learners", packages / "lab_learners", ignore=shutil.ignore_patterns("__pycache__"))
    information = packages / f"lab_learners-{project['version']}.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    (information / "top_level.txt").write_text("lab_learners\n")
    points = project["entry-points"][GROUP]
    lines = [f"[{GROUP}]", *(f"{name} = {value}" for name, value in points.items())]
    (information / "entry_points.txt").write_text("\n".join(lines) + "\n")
    monkeypatch.syspath_prepend(str(packages))
    yield shutil.copytree(simulated, tmp_path / "study")
    estimator_lookup._owner.cache_clear()
    estimator_lookup.load_class.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] == "lab_learners"]:
        del sys.modules[name]


def test_both_kinds_of_offer_are_checked_and_run_also_in_worker_processes(study, new_workers):
    report = pipeline.check("lab", study=study)
    assert [run.name for run in report.plans[0].runs] == ["unit-weights . task", "training-median . task"]
    assert list(report.problems) == []
    one, other = (pipeline.run("lab", study=study, rehearse=True, jobs=jobs) for jobs in (1, 2))
    for here, there in zip(one, other, strict=True):
        assert np.array_equal(here.result.predictions["predicted"], there.result.predictions["predicted"])
    weights, median = (run.result for run in one)
    assert weights.shap is not None
    assert median.predictions.groupby("fold")["predicted"].nunique().max() == 1
    assert median.shap is None


def test_a_run_that_is_not_explained_says_so_and_is_complete_otherwise(study, monkeypatch):
    """As where an estimator is no line and no trees, and there are more circuits than can be players."""
    monkeypatch.setattr(estimator_explained, "MOST_PLAYERS", 1)
    monkeypatch.setattr("workbench.models.estimator_trial.MOST_PLAYERS", 1)
    monkeypatch.setattr("workbench.models.estimator_trial._tried_before", estimator_trial_without_memory())
    text = EXPERIMENT.partition("[[models]]")[0] + '[[models]]\nkind = "estimator"\nestimator = "sklearn.svm.NuSVR"\n'
    (study / "experiments" / "lab.toml").write_text(text, encoding="utf-8")
    (run,) = pipeline.run("lab", study=study, rehearse=True, jobs=1)
    assert run.result.shap is None
    assert any("NuSVR is not explained: it has neither" in warning for warning in run.result.scores.notes)
    assert run.result.predictions["predicted"].notna().all()


def estimator_trial_without_memory():
    from workbench.models.estimator_trial import _tried_before

    return _tried_before.__wrapped__
