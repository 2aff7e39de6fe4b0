"""What the benchmarks share, and the table that is made of what they print."""

import importlib.util
import mmap
import re
import sys
import time
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]

PRINTED = """2026-11-01, x86_64, 2 cores, load 0.3, Python 3.11.7, numpy 2.4.0
  57 x 225: something a participant reads, RESULT in the middle of a line counts for nothing

RESULT ridge_120x6670_over_kernel_ridge=7.125 ridge_120x6670_over_floor=1.75 unheard_of=3
2026-11-02, x86_64, 2 cores, load 3.6, Python 3.11.7, mlflow 3.17.2
RESULT end_to_end_wall_s=12.31 end_to_end_mlflow_ms=19.5
RESULT help_wall_s=0.21
"""


def loaded(path: str):
    spec = importlib.util.spec_from_file_location(Path(path).stem, REPOSITORY / path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def paired():
    return loaded("benchmarks/_paired.py")


@pytest.fixture(scope="module")
def table():
    return loaded("docs/performance_table.py")


def busy(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


# ----------------------------------------------------------------------------------------------------------- benchmarks


def test_sides_are_timed_in_turn_and_told_apart(paired):
    order = []
    timings = paired.time_in_turn(
        {"ours": lambda: (order.append("ours"), busy(0.01)), "theirs": lambda: (order.append("theirs"), busy(0.04))},
        runs=3,
    )
    assert order == ["ours", "theirs"] * 3
    assert 0.01 <= timings["ours"].cpu < 0.03 < timings["theirs"].cpu
    assert timings["theirs"].runs == 3


def test_waiting_costs_wall_seconds_and_no_cpu_seconds(paired):
    timing = paired.time_in_turn({"asleep": lambda: time.sleep(0.05)}, runs=1)["asleep"]
    assert timing.wall >= 0.05
    assert timing.cpu < 0.03


def test_the_median_of_the_runs_counts(paired):
    lengths = iter([0.0, 0.2, 0.02])
    timing = paired.time_in_turn({"once slow": lambda: busy(next(lengths))}, runs=3)["once slow"]
    assert 0.02 <= timing.cpu < 0.1


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peak memory is known on Linux alone")
def test_peak_memory_sees_what_was_taken_and_given_back(paired):
    def take_and_give_back():
        with mmap.mmap(-1, 64 * 2**20) as fresh:  # of the system, whatever earlier tests left to this process
            for _ in range(64):
                fresh.write(bytes(2**20))

    taken = paired.peak_memory(take_and_give_back)
    assert 60 < taken.growth_mb < 90
    assert taken.peak_mb > taken.growth_mb


def test_sizes_come_from_the_command_line_or_are_those_of_a_quick_or_usual_run(paired):
    parser = paired.arguments("Something.", ["120x6670", "300x20000"], quick=["57x225"])
    assert paired.sizes_of(parser.parse_args([])) == [(120, 6670), (300, 20000)]
    assert paired.sizes_of(parser.parse_args(["--quick"])) == [(57, 225)]
    assert paired.sizes_of(parser.parse_args(["--quick", "--sizes", "10x3"])) == [(10, 3)]


@pytest.mark.parametrize("size", ["120", "120x", "x5", "120*6670", "-3x5"])
def test_a_size_that_is_none_is_refused_with_an_example(paired, size):
    with pytest.raises(SystemExit, match=f"--sizes {re.escape(size)}: expected rows x features, such as 120x6670"):
        paired.parsed_size(size)


def test_the_last_line_holds_every_result_with_four_digits(paired, capsys):
    paired.print_result({"ours_s": 0.123456, "ratio": 12345.6})
    assert capsys.readouterr().out == "\nRESULT ours_s=0.1235 ratio=1.235e+04\n"


def test_the_machine_is_told_with_its_load_and_what_is_installed(paired, table, capsys):
    paired.print_machine("numpy", "no-such-package")
    line = capsys.readouterr().out
    assert table.MACHINE.match(line), "the table reads day and load from it"
    assert re.search(r"\d+ cores, load [\d.]+, Python 3\.\d+\.\d+, numpy \d.*, no-such-package not installed\n$", line)


def test_every_benchmark_of_the_table_tells_the_machine(table):
    texts = {path.name: path.read_text(encoding="utf-8") for path in (REPOSITORY / "benchmarks").glob("[a-z]*.py")}
    kinds = {figure.name.partition("_")[0] for figure in table.FIGURES} - {"svm", "svr", "reduction"}
    scripts = {name for kind in sorted(kinds) for name in texts if name.startswith(kind)}
    assert len(scripts) == len(kinds) == 10
    assert [name for name in sorted(scripts) if "    print_machine(" not in texts[name]] == []


# ---------------------------------------------------------------------------------------------------------------- table


def test_results_are_read_with_the_day_and_the_load_of_their_own_benchmark(table):
    found = table.results_in(PRINTED)
    assert found["ridge_120x6670_over_floor"] == (1.75, "2026-11-01")
    assert found["end_to_end_wall_s"] == (12.31, "2026-11-02, load 4")
    assert found["help_wall_s"] == (0.21, "day unknown"), "it told no machine"


def test_a_row_says_what_was_asked_and_marks_what_misses_it(table):
    lines = table.table(table.results_in(PRINTED), {}).splitlines()
    rows = {tuple(line.strip("| ").split(" | ")[:2]): line for line in lines}
    what = "Ridge, y + 1,000 permutations, 120 x 6670"
    assert rows[what, "multi-column KernelRidge / ours"] == (
        f"| {what} | multi-column KernelRidge / ours | at least 8 times | 7.125 times **(missed)** | 2026-11-01 |"
    )
    assert "| at most 2 times | 1.75 times | 2026-11-01 |" in rows[what, "ours / arithmetic floor"]
    assert rows[what, "our CPU time"].endswith("|  | not measured |  |")


def test_what_no_file_holds_keeps_its_value_and_its_day(table):
    page = table.table(table.results_in(PRINTED), {})
    again = table.table(table.results_in("RESULT help_cpu_s=0.19"), table.rows_of(page))
    assert "| wall | at most 20 s | 12.31 s | 2026-11-02, load 4 |" in again
    assert "| `workbench --help` | CPU |  | 0.19 s | day unknown |" in again
    assert table.table({}, table.rows_of(again)) == again


def test_the_page_is_rewritten_between_its_marks_alone(table, tmp_path, monkeypatch, capsys):
    page, printed = tmp_path / "performance.md", tmp_path / "bench.txt"
    page.write_text(f"before\n{table.BEGIN}\nold\n{table.END}\nafter\n")
    printed.write_text(PRINTED)
    monkeypatch.setattr(table, "PAGE", page)
    table.main([str(printed)])
    text = page.read_text()
    assert text.startswith(f"before\n{table.BEGIN}\n{table.HEADER}\n| Ridge")
    assert text.endswith(f"|\n{table.END}\nafter\n")
    assert "12.31 s" in text
    assert "5 figures filled in, 1 more were printed and have no row" in capsys.readouterr().out


def test_the_page_in_the_repository_has_the_rows_of_the_script(table):
    page = table.PAGE.read_text(encoding="utf-8")
    there = page.split(table.BEGIN)[1].split(table.END)[0].strip()
    assert table.table({}, table.rows_of(there)) == there


def test_no_figure_stands_in_two_rows(table):
    names = [figure.name for figure in table.FIGURES]
    rows = [(figure.what, figure.words) for figure in table.FIGURES]
    assert len(set(names)) == len(names)
    assert len(set(rows)) == len(rows)
