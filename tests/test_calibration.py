"""A small `benchmarks/calibration.py`: the same cells with few simulations and wide bands, and its own bookkeeping."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from workbench.evaluation import influence
from workbench.records import Sensitivity

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def benchmark() -> Iterator[SimpleNamespace]:
    """The modules of the benchmark, which import each other as siblings."""
    sys.path.insert(0, str(BENCHMARKS))
    import _calibration_bars as bars
    import _calibration_cells as cells
    import _calibration_people as people
    import _calibration_store as store

    yield SimpleNamespace(bars=bars, cells=cells, people=people, store=store)
    sys.path.remove(str(BENCHMARKS))


@pytest.fixture(autouse=True, scope="module")
def _nothing_beside_the_result() -> Iterator[None]:
    """Drop-out, subgroups and checks of a crossover are not counted here, and take half the time of a simulation.

    Nor are the bootstrap, candidates, and the table of folds, which take a fifth of what is left.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("workbench.results.run_result.subject_bootstrap", lambda *_, **__: None)
        patch.setattr("workbench.results.biomarkers.biomarker_table", lambda *_: pd.DataFrame())
        patch.setattr("workbench.results.run_description.fold_table", lambda _: pd.DataFrame())
        patch.setattr("workbench.results.run_description.inner_fold_table", lambda _: None)
        patch.setattr("workbench.results.run_result.gather_sensitivity", lambda *_, **__: Sensitivity())
        patch.setattr("workbench.results.run_result.crossover_checks", lambda *_, **__: (None, None))
        yield


@pytest.fixture(scope="module")
def simulate(benchmark: SimpleNamespace) -> Callable[..., dict[str, np.ndarray]]:
    """Values of the first n simulations of a cell of the table, changed where that is asked for."""

    def values(criterion: str, n_sims: int, *, where: dict[str, Any] | None = None, **changes: Any) -> Any:
        found = [cell for cell in benchmark.cells.cells(["ridge"]) if criterion in cell.criteria]
        for name, value in (where or {}).items():
            found = [cell for cell in found if getattr(cell.setting, name) == value]
        done = benchmark.cells.simulate_batch(replace(found[0], **changes), range(n_sims))
        return {name: np.array([each[name] for _, each, _ in done]) for name in done[0][1]}

    return values


HARDEST = {"design": "crossover", "sites": 3, "confounded": True}


# ---------------------------------------------------------------------------------------------------- the small version


def test_p1_nothing_is_found_where_nothing_is_but_by_chance(simulate):
    p = simulate("P1", 40, where=HARDEST, repeats=1)["p"]
    assert 0 <= np.sum(p <= 0.05) <= 5
    assert 0.3 < p.mean() < 0.7


def test_p1_has_cells_of_two_sites_of_sites_left_out_and_of_families_and_others_keep_their_key(benchmark):
    found = [cell for cell in benchmark.cells.cells(["ridge"]) if "P1" in cell.criteria]
    words = [cell.setting.in_words() for cell in found[12:]]
    assert words[0] == "single-arm, 2 sites .8 SD apart (30 + 30), site not held fixed, confounded"
    assert words[3] == "single-arm, 3 sites .8 SD apart (30 + 29 + 1), site not held fixed, no confounds"
    assert words[4] == "single-arm, 1 site, families, no confounds"
    assert [cell.leave_out for cell in found[12:17]] == ["", "site", "site", "site", ""]
    assert len({cell.key for cell in found}) == len(found)
    assert found[0].key == (
        "test Setting(design='single-arm', n=60, p=60, r2=0.0, sites=1, confounded=False, baseline_in_features=False, "
        "prognostic=0.0, outcome='') ('ridge', 10, 199, '')"
    )


def test_p1_two_sites_that_differ_are_not_found_where_outcomes_stay_in_their_site(benchmark, simulate):
    cell = next(cell for cell in benchmark.cells.cells(["ridge"]) if cell.setting.site_shares)
    p = simulate("P1", 40, where={"site_shares": cell.setting.site_shares}, repeats=1)["p"]
    assert np.sum(p <= 0.05) <= 5


def test_p1_families_move_together(benchmark, simulate):
    people = benchmark.people
    setting = people.Setting(families=True)
    dataset = people.draw_dataset(setting, np.random.default_rng(0))["set_1"]
    assert sorted(set(np.bincount(dataset.groups))) == [1, 2, 3]
    assert (dataset.sites, dataset.block_names) == (None, ())
    p = simulate("P1", 30, where={"families": True}, repeats=1)["p"]
    assert np.sum(p <= 0.05) <= 4


def test_p1_has_binary_outcomes_with_strong_and_moderate_confounds_for_four_learners(benchmark):
    learners = ("ridge", "logistic-ridge", "linear-svm", "xgboost")
    cells = [cell for cell in benchmark.cells.cells(learners) if "P1" in cell.criteria and cell.setting.log_odds]
    asked = {(cell.learner, cell.setting.n, cell.setting.log_odds) for cell in cells}
    assert asked == {(learner, *size) for learner in learners for size in ((60, 3.0), (100, 1.5))}


def test_p1_a_binary_outcome_with_a_strong_confound_is_not_found_in_noise(simulate):
    found = simulate("P1", 14, where={"log_odds": 3.0})
    assert np.sum(found["p"] <= 0.05) <= 3
    assert 0.3 < found["p"].mean() < 0.75
    assert np.mean(found["r2"] > 0.02) <= 0.1


def test_p20_units_change_nothing(benchmark, monkeypatch):
    monkeypatch.setattr(benchmark.cells, "UNIT_KINDS", ("ridge", "pls"))
    cell = next(each for each in benchmark.cells.cells(["ridge"]) if "P20" in each.criteria)
    values = benchmark.cells.simulate_batch(replace(cell, permutations=3), [0])[0][1]
    rows = benchmark.bars.rows_of(
        replace(cell, n_sims=1),
        [benchmark.store.Simulated({**values, **_of_trees()}, 0.1, "abc", "2026-01-01")],
    )
    assert [row.passed for row in rows] == [True, True, True]
    assert rows[0].value.startswith("3 of 3")


def _of_trees() -> dict[str, float]:
    return {"xgboost_same": 1.0, "xgboost_decimal": 0.001, "xgboost_verdict": 1.0}


def test_p3_and_p5_r2_is_what_the_models_achieve_and_its_interval_covers_that(simulate):
    found = simulate("P5", 8, where={"n": 100, "r2": 0.25})
    off = found["r2"] - found["achieved"]
    assert abs(off.mean()) <= 0.02 + 3 * off.std(ddof=1) / np.sqrt(8)
    assert 0 < found["achieved"].mean() < 0.25
    covered = (found["low"] <= found["achieved"].mean()) & (found["achieved"].mean() <= found["high"])
    assert covered.mean() >= 0.75


def test_p7_what_is_there_is_found(simulate):
    assert np.mean(simulate("P7", 10, where={"n": 120}, repeats=2)["p"] <= 0.05) >= 0.5


def test_p8_features_that_repeat_the_baseline_add_nothing(simulate):
    found = simulate("P8", 20, repeats=1)
    assert np.sum(found["p"] <= 0.05) <= 4
    assert np.mean(found["p_main"] <= 0.05) > 0.5, "the features alone stand for the baseline"


def test_p9_what_is_prognostic_alone_does_not_predict_the_difference_between_treatments(simulate):
    found = simulate("P9", 10, repeats=1)
    assert np.sum(found["p_difference"] <= 0.05) <= 3
    assert np.mean(found["p_change"] <= 0.05) >= 0.3
    assert found["change_called_predictive"].max() == 0


def test_p21_what_plan_promises_is_what_the_gate_gives(benchmark, monkeypatch):
    """A cell in which nearly everything is shown, and one in which eight idle confounds take most of it away."""
    without = influence.leave_one_out_r2  # of one repeat, a fifth of the time: no bound below knows how many there are
    monkeypatch.setattr(influence, "leave_one_out_r2", lambda *run, repeats, **more: without(*run, repeats=1, **more))
    cells = {
        (cell.setting.n, cell.setting.r2, cell.held[0]): replace(cell, permutations=39)
        for cell in benchmark.cells.cells(["ridge"])
        if "P21" in cell.criteria
    }
    assert len(cells) == 27
    strong, idle = (
        [values for _, values, _ in benchmark.cells.simulate_batch(cells[key], range(4))]
        for key in ((60, 0.5, 2), (60, 0.25, 8))
    )
    assert sum(each["shown_gate"] for each in strong) >= 3
    assert sum(each["shown_plan"] for each in strong) >= 3
    assert sum(each["shown_gate"] + each["shown_plan"] for each in idle) <= 4
    assert all(each["supported_gate"] <= each["shown_gate"] for each in (*strong, *idle))


def test_p21_judges_plan_and_gate_by_how_far_they_are_apart(benchmark):
    cell = next(cell for cell in benchmark.cells.cells(["ridge"]) if "P21" in cell.criteria)

    def judged(share: float) -> list[bool]:
        names = ("shown_gate", "shown_plan", "supported_gate", "supported_plan")
        simulated = [
            benchmark.store.Simulated(
                dict.fromkeys(names, 0.0) | {"shown_plan": float(number < share * 400)}, 0.1, "abc", "2026-01-01"
            )
            for number in range(400)
        ]
        return [row.passed for row in benchmark.bars.rows_of(cell, simulated)]

    assert judged(0.1) == [True, True]
    assert judged(0.11) == [False, True]


def test_p14_intervals_of_single_people_cover(simulate):
    found = simulate("P14", 15, where={"n": 60, "r2": 0.25})
    assert 0.85 <= found["covered"].mean() <= 0.97
    assert found["finite"].min() == 1


def test_the_second_generator_of_p5_is_met_by_elastic_net_alone(benchmark):
    of_p5 = {
        name: [c for c in benchmark.cells.cells([name]) if "P5" in c.criteria] for name in ("ridge", "elastic-net")
    }
    for name, found in of_p5.items():
        assert {(c.setting.n, c.setting.r2) for c in found} == {
            (n, r2) for n in (40, 100, 240) for r2 in (0.0, 0.1, 0.25, 0.5)
        }
        assert {(c.setting.p, c.setting.heavy_tails) for c in found} == {
            (60, False) if name == "ridge" else (300, True)
        }
        assert {c.repeats for c in found} == {10}


# ------------------------------------------------------------------------------------------------------ what is planted


@pytest.mark.parametrize("design", ["single-arm", "parallel", "crossover"])
def test_the_product_sees_the_design_and_holds_it_fixed(benchmark, design):
    setting = benchmark.people.Setting(design=design, sites=3, confounded=True)
    dataset = benchmark.people.draw_dataset(setting, np.random.default_rng(0))["set_1"]
    own = {"single-arm": (), "parallel": ("arm",), "crossover": ("sequence",)}[design]
    assert dataset.nuisance.variables == (*own, "age", "mean_fd", "site")
    assert len(np.unique(dataset.blocks)) == 3 * (1 + bool(own))
    assert dataset.outcome.claim == ("predictive" if design == "crossover" else "prognostic")


def test_features_have_the_share_of_the_outcome_that_was_asked_for(benchmark):
    setting = benchmark.people.Setting(n=2_000, r2=0.25, confounded=True, sites=3)
    dataset = benchmark.people.draw_dataset(setting, np.random.default_rng(1))["set_1"]
    N = np.column_stack([np.ones(dataset.n_rows), dataset.nuisance.values])

    def variance_left(known: np.ndarray) -> float:
        left = dataset.y - known @ np.linalg.lstsq(known, dataset.y, rcond=None)[0]
        return float(left @ left) / (dataset.n_rows - known.shape[1])

    explained = 1 - variance_left(np.column_stack([N, dataset.X])) / variance_left(N)
    assert explained == pytest.approx(0.25, abs=0.06)  # 3 standard errors


def test_heavy_tails_leave_the_variance_of_the_outcome(benchmark):
    settings = (benchmark.people.Setting(p=5, heavy_tails=tails) for tails in (False, True))
    plain, heavy = (benchmark.people._draw(each, np.random.default_rng(2), 20_000).y for each in settings)
    assert heavy.std() == pytest.approx(plain.std(), rel=0.03)
    kurtosis = [float(np.mean((y - y.mean()) ** 4) / y.var() ** 2) for y in (plain, heavy)]
    assert kurtosis[0] == pytest.approx(3, abs=0.3)
    assert kurtosis[1] > 5


def test_features_share_with_the_outcome_only_what_is_held_fixed(benchmark):
    setting = benchmark.people.Setting(n=2_000, r2=0.0, confounded=True, sites=3)
    dataset = benchmark.people.draw_dataset(setting, np.random.default_rng(1))["set_1"]
    N = np.column_stack([np.ones(dataset.n_rows), dataset.nuisance.values])
    both = np.column_stack([dataset.X, dataset.y])
    left = both - N @ np.linalg.lstsq(N, both, rcond=None)[0]
    r = np.corrcoef(left, rowvar=False)[-1, :-1]
    assert np.abs(r).max() < 4 / np.sqrt(dataset.n_rows)
    assert np.abs(np.corrcoef(both, rowvar=False)[-1, :-1]).min() > 0.1, "without adjustment they go together"


# ---------------------------------------------------------------------------------------------------------- bookkeeping


def test_the_table_has_at_most_twelve_designs_of_each_learner_for_p1(benchmark):
    """Beside them are the cells that METHODS names one by one."""
    for learner in ("ridge", "elastic-net", "xgboost"):
        of_p1 = [
            cell
            for cell in benchmark.cells.cells([learner])
            if "P1" in cell.criteria and not cell.setting.log_odds and cell.setting.kind != "treatment-effect"
        ]
        assert len({cell.key for cell in of_p1}) == len(of_p1)
        designs = [cell for cell in of_p1 if cell.setting not in [setting for setting, _ in benchmark.cells.SITED]]
        assert 1 <= len(designs) <= 12


def test_the_bars_are_those_of_methods_and_of_chance_below_their_n(benchmark):
    assert [benchmark.bars.most_rejections(n) for n in (1000, 200)] == [73, 21]
    assert 5 <= benchmark.bars.most_rejections(40) <= 8


def test_a_level_that_is_not_held_fails(benchmark):
    cell = next(iter(benchmark.cells.cells(["ridge"])))
    rows = {}
    for n_low in (73, 74):
        p = [0.05] * n_low + [0.5] * (1000 - n_low)
        simulated = [benchmark.store.Simulated({"p": value}, 0.1, "abc", "2026-01-01") for value in p]
        rows[n_low] = benchmark.bars.rows_of(cell, simulated)[0].passed
    assert rows == {73: True, 74: False}


def of_an_estimate(benchmark, n=1000, **values):
    """Simulations of models that reach an R2 of 0, with some of the `values` given by their number."""
    values = {"r2": lambda k: 0.05 * (-1) ** k} | values
    common = {"achieved": 0.0, "error": 1.0, "error_of_reference": 1.0, "boot_low": -0.1, "boot_high": 0.1}
    common |= {"low": -0.1, "high": 0.1}
    return [
        benchmark.store.Simulated(common | {name: of(k) for name, of in values.items()}, 0.1, "abc", "2026-01-01")
        for k in range(n)
    ]


def rows_of_p5(benchmark, share=0.5, **values):
    found = [cell for cell in benchmark.cells.cells(["ridge"]) if "P5" in cell.criteria]
    cell = next(cell for cell in found if (cell.setting.n, cell.setting.r2) == (240, share))
    rows = benchmark.bars.rows_of(cell, of_an_estimate(benchmark, **values))
    return {row.cell.rpartition(": ")[2]: row for row in rows if row.criterion == "P5"}


def test_a_criterion_is_read_off_as_many_simulations_as_methods_asks_for(benchmark):
    cell = next(each for each in benchmark.cells.cells(["ridge"]) if "P5" in each.criteria)
    simulated = of_an_estimate(benchmark, boot_low=lambda k: -0.1 if k < 500 else 0.1)
    rows = benchmark.bars.rows_of(cell, simulated)
    assert {row.criterion: row.sims for row in rows} == {"P3": 1000, "P4": 1000, "P5": 1000, "P6": 500}
    assert next(row for row in rows if row.criterion == "P6").value.startswith("100 %")


@pytest.mark.parametrize(("misses", "passed"), [(70, True), (71, False)])
def test_p5_needs_93_of_100_intervals_to_hold_the_average(benchmark, misses, passed):
    rows = rows_of_p5(benchmark, low=lambda k: 0.05 if k < misses else -0.1)
    assert rows["coverage of the 95 % interval, whatever `outer` is"].passed is passed


@pytest.mark.parametrize(("above", "passed"), [(25, True), (26, False)])
def test_p5_allows_a_lower_limit_above_0_in_25_of_1000_where_nothing_is_true(benchmark, above, passed):
    rows = rows_of_p5(benchmark, share=0.0, low=lambda k: 0.05 if k < above else -0.1)
    assert rows["lower limit above 0 where nothing is true"].passed is passed


@pytest.mark.parametrize(("half", "passed"), [(1.49, True), (1.51, False)])
def test_p5_holds_the_width_to_the_oracle_where_there_is_something_to_predict(benchmark, half, passed):
    spread = np.random.default_rng(0).standard_normal(1000)
    spread = 0.2 + 0.05 * spread / spread.std(ddof=1)
    limits = {"low": lambda k: 0.2 - half * 1.96 * 0.05, "high": lambda k: 0.2 + half * 1.96 * 0.05}
    rows = rows_of_p5(benchmark, error=lambda k: 0.8, r2=lambda k: spread[k], **limits)
    assert rows["median width, over that of the oracle"].passed is passed


def test_a_stored_simulation_is_not_made_again_and_a_torn_line_is_passed_over(benchmark, tmp_path, monkeypatch):
    cell = next(iter(benchmark.cells.cells(["ridge"])))
    made = []

    def pretend(cell: Any, numbers: Any) -> Any:
        made.extend(numbers)
        return [(number, {"p": number / 10}, 0.1) for number in numbers]

    monkeypatch.setattr(benchmark.store, "simulate_batch", pretend)
    path = tmp_path / "store.jsonl"
    benchmark.store.simulate_missing(cell, 3, benchmark.store.Store(path), 1, "three")
    path.write_text(path.read_text() + '{"cell": "torn')
    store = benchmark.store.Store(path)
    benchmark.store.simulate_missing(cell, 5, store, 1, "five")
    assert sorted(made) == [0, 1, 2, 3, 4]
    assert [each.values["p"] for each in benchmark.store.Store(path).of(cell, 5)] == [0.0, 0.1, 0.2, 0.3, 0.4]
    assert sum(_is_json(line) for line in path.read_text().splitlines()) == 5


def test_a_simulation_depends_on_its_number_alone(benchmark):
    cell = replace(next(iter(benchmark.cells.cells(["ridge"]))), repeats=1, permutations=19)
    together = benchmark.cells.simulate_batch(cell, [0, 1, 2])
    alone = benchmark.cells.simulate_batch(cell, [2])
    assert together[2][1] == alone[0][1]
    assert together[0][1] != together[1][1]


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True
