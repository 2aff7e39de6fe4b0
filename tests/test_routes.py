"""Every route by which a wish may become *supported* ends below it, and the result names the route (METHODS 4.3, P19).

Something strong is planted, so that nothing stands between the result and the verdict but the route: without one, the
same study is *supported*.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from workbench.pipeline.ledger import history
from workbench.study import open_study

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))
import _calibration_routes as routes  # noqa: E402

sys.path.remove(str(BENCHMARKS))

PLANTED = routes.Trial(r2=0.8)


@pytest.fixture(scope="module", autouse=True)
def _few_permutations(bare_runs, unchecked_runs, equal_runs_once) -> Iterator[None]:
    """No route goes through what bare runs leave out; the gate is content with one repeat without each participant."""
    with routes.few_permutations(), pytest.MonkeyPatch.context() as patch:
        patch.setattr("workbench.results.requirements_of_evidence.INFLUENCE_REPEATS", 1)
        # No route resumes a run, or reads its files.
        patch.setattr("workbench.execution.fitting.save_unit", lambda *_: None)
        patch.setattr("workbench.pipeline.store._Unfinished.write_tables", lambda _: None)
        yield


@pytest.fixture(scope="module")
def templates(tmp_path_factory) -> Path:
    """A study with its registry, as they are when made and once its question was run, unfrozen."""
    from workbench.tracking import prepare

    folder = tmp_path_factory.mktemp("routes")
    with routes.own_registry(folder / "made" / "state"):
        study = routes.StudyOnDisk(folder / "made" / "study", PLANTED).make(np.random.default_rng(1))
        prepare(open_study(study.root))  # MLflow's tables take seconds to build
    shutil.copytree(folder / "made", folder / "run")
    with routes.own_registry(folder / "run" / "state"):
        routes.StudyOnDisk(folder / "run" / "study", PLANTED).run()
    return folder


@pytest.fixture
def begin(templates, tmp_path, monkeypatch):
    """The study after a look, or before any; each test has it to itself."""

    def begun(*, after_a_look: bool) -> routes.StudyOnDisk:
        shutil.copytree(templates / ("run" if after_a_look else "made"), tmp_path / "own")
        monkeypatch.setenv("WORKBENCH_STATE", str(tmp_path / "own" / "state"))
        return routes.StudyOnDisk(tmp_path / "own" / "study", PLANTED)

    return begun


def test_without_a_route_the_planted_signal_is_supported(begin):
    claim = routes.honest(begin(after_a_look=False)).result.claim
    assert claim.verdict == "supported by internal validation", claim.reasons


@pytest.mark.parametrize("name", routes.ROUTES)
def test_a_route_ends_below_supported_and_is_named_by_a_reason(name, begin, tmp_path):
    from workbench.results.requirements import SUPPORTED

    route = routes.ROUTES[name]
    if route.needs and route.needs not in {requirement.name for requirement in SUPPORTED}:
        pytest.skip(f"the gate has no row {route.needs!r}")
    if route.trial == routes.Trial(columns=route.trial.columns):
        result = route.take(begin(after_a_look=route.after_a_look)).result
    else:
        result = routes.take(route, tmp_path, np.random.default_rng(1))
    assert not result.claim.verdict.startswith("supported"), name
    assert result.scores.performance.r2 > 0, "the route alone stands in the way"
    assert routes.named(result.claim.reasons, route.reason), result.claim.reasons


def test_a_switched_off_registry_misses_a_row_and_says_so(begin, monkeypatch):
    monkeypatch.setenv("WORKBENCH_REGISTRY", "off")
    claim = routes.honest(begin(after_a_look=False)).result.claim
    assert claim.verdict == "exploratory"
    (reason,) = claim.reasons
    assert reason == "the registry of results viewed in other study folders is switched off (WORKBENCH_REGISTRY)"


def test_a_simulated_trial_made_again_elsewhere_is_new_and_a_real_one_is_not(begin):
    """The demo keeps its verdict, however often it is made; what was seen of simulated people counts for real ones."""
    study = begin(after_a_look=False)
    study.change("features/cohort.toml", ('data = "sources"', 'data = "sources"\nsynthetic = true'))
    study.run()
    again = study.moved()
    claim = routes.honest(again).result.claim
    assert claim.verdict == "supported by internal validation", claim.reasons
    assert "simulated" in claim.sentence
    real = again.moved()
    real.change("features/cohort.toml", ("synthetic = true", "synthetic = false"))
    claim = routes.honest(real).result.claim
    assert routes.named(claim.reasons, routes.VIEWED_BEFORE), claim.reasons


def test_a_simulated_trial_made_again_in_the_folder_that_was_removed_is_new(begin):
    """Whoever clones the repository once more into the same place gets the demo's verdict once more."""
    study = begin(after_a_look=False)
    study.change("features/cohort.toml", ('data = "sources"', 'data = "sources"\nsynthetic = true'))
    study.run()
    (study.root / "experiments" / "viewed.jsonl").unlink()
    assert len(history(open_study(study.root)).looks) == 1, "its run is still there"
    shutil.rmtree(study.root / "mlruns")
    assert history(open_study(study.root)).looks == ()
    study.change("features/cohort.toml", ("synthetic = true", "synthetic = false"))
    assert len(history(open_study(study.root)).looks) == 1, "of real people nothing is forgotten"


def test_circuits_added_after_freezing_are_neither_a_look_nor_other_data(begin):
    study = begin(after_a_look=False)
    study.freeze()
    study.run()
    path = study.root / "features" / "network.toml"
    (study.root / "features" / "columns.tsv").write_text(
        "column\tcircuit\n" + "".join(f"edge_{k:02d}\treward\n" for k in range(study.trial.kept))
    )
    path.write_text(
        path.read_text().replace('session = "session_id"\n', 'session = "session_id"\ncolumns = "columns.tsv"\n')
    )
    scores = study.run().result.scores
    assert scores.viewing.number == 1
    assert not scores.viewing.freeze.data_changed
    assert scores.viewing.freeze.changed == ()
    assert scores.viewing.relabelled, "circuits that are drawn after the result was viewed make no candidate"
