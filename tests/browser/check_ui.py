"""Look at a study in a headless browser: report, start page and MLflow's pages. `make test-browser`.

Needs chromium and nothing else. Makes the demo study in a scratch folder (or takes one that `--study` names), serves it
as `workbench ui` does, opens what a user opens, and keeps a screenshot of everything. Exit 0 if nothing is missing, the
console of the browser has no error, and no other machine was asked for anything.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from devtools import Browser, browser, find_chromium

from workbench import pipeline, tracking
from workbench.records import LoggedRun
from workbench.study import Study, open_study

SHOTS = Path(__file__).parents[2] / "build" / "browser"
COLUMNS = ["claim", "p_value", "r2", "r2_low", "r2_high", "mae", "mae_clinical", "increment", "n"]
DESKTOP, PHONE = (1400, 900), (390, 844)
NOT_EXPLAINED = ("not tested", "prediction not shown")
"""Claims with which no report ranks anything by its contribution."""
ASKED_BY_MLFLOW = "/ajax-api/2.0/mlflow/users/current"
"""MLflow asks for the name of the user and is told that there are none: its own line in the console."""

EMPTY_FIGURES = """[...document.querySelectorAll('figure')].filter((each) => {
  const image = each.querySelector('img'), drawing = each.querySelector('svg');
  if (image) return !(image.complete && image.naturalWidth > 100);
  return !drawing || drawing.querySelectorAll('path,use,circle,rect,text').length < 5
    || drawing.getBoundingClientRect().width < 100 || drawing.getBoundingClientRect().height < 40;
}).length"""
HEADERS = """[...document.querySelectorAll('.ag-header-cell')].map((cell) => {
  const box = cell.getBoundingClientRect();
  return [box.x, box.right, cell.textContent.trim()];
}).sort((a, b) => a[0] - b[0])"""
ROWS = "document.querySelectorAll('.ag-row a[href*=\"/runs/\"]').length"


@dataclass
class Look:
    """One visit: the browser, the study, and what was not as it should be."""

    page: Browser
    study: Study
    address: str
    shots: Path
    problems: list[str] = field(default_factory=list)

    @property
    def base(self) -> str:
        return self.address.partition("/workbench")[0]

    def expect(self, holds: bool, words: str) -> None:
        print(f"{'ok  ' if holds else 'FAIL'} {words}", flush=True)
        if not holds:
            self.problems.append(words)

    def shot(self, name: str, *, whole: bool = False) -> None:
        self.page.screenshot(self.shots / f"{name}.png", whole=whole)

    def fits(self, name: str) -> None:
        """On a phone nothing is wider than the screen."""
        self.page.size(*PHONE, phone=True)
        self.shot(f"{name}-phone", whole=True)
        wide = self.page.run("document.documentElement.scrollWidth")
        self.expect(wide <= PHONE[0], f"{name} fits on a phone ({wide} pixels wide)")
        self.page.size(*DESKTOP)

    def in_the_dark(self, name: str) -> None:
        self.page.theme("dark")
        self.shot(f"{name}-dark", whole=True)
        ground = self.page.run("getComputedStyle(document.body).backgroundColor")
        self.page.theme("light")
        light = self.page.run("getComputedStyle(document.body).backgroundColor")
        self.expect(ground != light, f"{name} has a dark theme")


def without_the_token(look: Look) -> None:
    """Whoever has no token reads how to get in."""
    look.page.open(f"{look.base}/workbench")
    look.expect("workbench ui" in look.page.text(), "without the token the page says what to do")
    look.shot("0-without-token")
    look.page.errors = [each for each in look.page.errors if "403" not in each]


def start_page(look: Look) -> None:
    """Every question with every run, on a desk, on a phone, in the dark."""
    look.page.open(look.address)
    look.expect("token" not in look.page.run("location.href"), "the address does not keep the token")
    text = look.page.text()
    for experiment in tracking.list_experiments(look.study):
        look.expect(experiment.question in text, f"the start page asks: {experiment.question}")
        names = {run.name for run in experiment.runs}
        look.expect(all(name in text for name in names), f"it has the runs {', '.join(sorted(names))}")
    dots = look.page.run("document.querySelectorAll('.dot').length")
    rows = look.page.run("document.querySelectorAll('table.runs tbody tr').length")
    look.expect(dots == rows > 0, f"every run has its R2 drawn ({dots} of {rows})")
    look.shot("1-start", whole=True)
    look.in_the_dark("1-start")
    look.fits("1-start")


def report_in_the_ui(look: Look) -> None:
    """The link of the start page opens the report, whose script works although it reaches nothing."""
    look.page.open(f"{look.base}/workbench")
    look.page.click("a", "report")
    arrived = "location.pathname.endsWith('/report') && document.readyState === 'complete'"
    look.page.wait_for(arrived, "the report")
    look.expect(look.page.run(EMPTY_FIGURES) == 0, "every figure of the report is drawn")
    look.page.run("document.getElementById('theme').click()")
    look.expect(bool(look.page.run("document.documentElement.dataset.theme")), "its theme can be switched")
    look.shot("2-report-in-ui")
    look.page.open(f"{look.base}/workbench")
    look.page.click("a", "Runs side by side")
    look.page.wait_for("location.pathname.endsWith('/comparison')", "the runs side by side", patience_s=90)
    look.expect("runs side by side" in look.page.text(), "the runs of an experiment stand side by side")
    look.shot("2-side-by-side")


def reports(look: Look) -> None:
    """Every report as a file: all its figures, nothing asked of anybody."""
    for experiment in tracking.list_experiments(look.study):
        for run in pipeline.comparing.last_of_each_name(experiment.runs):
            report(look, run)


def report(look: Look, run: LoggedRun) -> None:
    name = f"{run.experiment}, {run.name}"
    look.page.open((run.artifacts / "report.html").as_uri())
    drawn = {path.stem for path in (run.artifacts / "figures").glob("*.svg") if not path.stem.endswith("-dark")}
    if run.tags["claim"] in NOT_EXPLAINED:
        drawn = {each for each in drawn if not each.startswith("shap_")}
    html = look.page.run("document.documentElement.outerHTML")
    absent = sorted(each for each in drawn if f'id="{each}-' not in html and f'alt="{each}' not in html)
    shown, empty = look.page.run("document.querySelectorAll('figure').length"), look.page.run(EMPTY_FIGURES)
    look.expect(not absent, f"{name}: the report has each of {len(drawn)} figures{absent or ''}")
    look.expect(shown >= len(drawn) > 5 and empty == 0, f"{name}: {shown} figures, {empty} of them empty")
    look.shot(f"3-report-{run.experiment}-{run.run_id[:6]}", whole=True)
    look.fits(f"3-report-{run.experiment}-{run.run_id[:6]}")


def experiment_from_the_menu(look: Look) -> None:
    """MLflow's left menu, its list of experiments, and the table of runs with the columns that matter."""
    page, experiment = look.page, max(tracking.list_experiments(look.study), key=lambda each: len(each.runs))
    page.open(f"{look.base}/")
    page.wait_for("document.querySelector('nav, aside, [class*=sidebar]') || document.querySelector('a')", "the menu")
    page.click("a", "Experiments")
    page.click("a[href*='/experiments/']", experiment.name)
    page.wait_for(ROWS, "the table of runs", patience_s=60)
    page.wait_for("document.body.innerText.includes('mae_clinical')", "the columns")
    look.shot("4-experiment")
    cells = [cell for cell in page.run(HEADERS) if cell[2] in COLUMNS]
    look.expect([cell[2] for cell in cells] == COLUMNS, f"the table shows the claim and the numbers: {cells}")
    inside = all(right <= DESKTOP[0] for _, right, _ in cells)
    look.expect(inside, "no column is cut off or covered by the assistant")
    look.expect("machine_learning" in page.run("location.href"), "MLflow shows models and not chatbots")
    look.expect(experiment.question in page.text(), "the question stands above the table")
    covered = page.run(
        "[...document.querySelectorAll('button[data-assistant-ui]')].some((e) => e.getClientRects().length)"
    )
    look.expect(not covered, "the assistant is closed and has no button")
    charts(look)


def charts(look: Look) -> None:
    """MLflow draws one chart for each metric: none of p, none over time."""
    look.page.run("document.querySelector('input[value=CHART]').click()")
    look.page.wait_for("document.body.innerText.includes('Model metrics')", "the charts")
    look.page.wait_for("document.body.innerText.includes('mae_clinical')", "a chart")
    look.page.wait_for("document.querySelector('.js-plotly-plot .main-svg')", "its drawing")
    look.shot("5-charts")
    lines = look.page.text().splitlines()
    look.expect(not {"p_value", "fold_r2"} & set(lines), "no chart of p, and none of folds over time")
    look.page.run("document.querySelector('input[value=TABLE]').click()")
    look.page.wait_for(ROWS, "the table of runs")


def two_runs_compared(look: Look) -> None:
    """Two runs ticked in the table and compared."""
    page = look.page
    for row in (0, 1):
        page.run(f"document.querySelectorAll('.ag-row .ag-checkbox-input')[{row}].click()")
    page.click("button", "Compare")
    page.wait_for("document.body.innerText.includes('Comparing 2 Runs')", "the comparison", patience_s=60)
    page.wait_for("document.body.innerText.includes('mae_clinical')", "its metrics")
    page.size(1400, 2200)
    look.shot("6-compared")
    page.size(*DESKTOP)
    look.expect("Comparing 2 Runs" in page.text(), "two runs are compared")


def run_page(look: Look) -> None:
    """A run of MLflow: its note, its dataset, its report among the files."""
    page = look.page
    page.open(f"{look.base}/workbench")
    page.click("a", "all files")
    page.wait_for("document.body.innerText.includes('Datasets')", "the page of a run", patience_s=60)
    page.wait_for("/Nested cross-validation/i.test(document.body.innerText)", "its dataset")
    look.shot("7-run")
    look.expect("p_value" in page.text(), "p stands among the tags")
    look.expect("Cross-validated R2" in page.text(), "the note gives the numbers in words")


STEPS: tuple[Callable[[Look], None], ...] = (
    without_the_token,
    start_page,
    report_in_the_ui,
    reports,
    experiment_from_the_menu,
    two_runs_compared,
    run_page,
)


def look_at(study: Study, address: str, chromium: str, shots: Path) -> list[str]:
    """Go through every step; what was wrong, in words."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile, browser(chromium, Path(profile)) as page:
        page.size(*DESKTOP)
        look = Look(page, study, address, shots)
        for step in STEPS:
            try:
                step(look)
            except (TimeoutError, RuntimeError) as error:
                look.shot(f"failed-{step.__name__}")
                look.expect(False, f"{step.__name__}: {error}")
        errors = [each for each in page.errors if ASKED_BY_MLFLOW not in each]
        look.expect(not errors, f"the console has no error {errors or ''}")
        look.expect(not page.outside, f"no other machine is asked for anything {page.outside or ''}")
        return look.problems


def serve_and_look(study: Study, chromium: str, shots: Path) -> list[str]:
    """Serve the study as `workbench ui` does, and look once the address is said."""
    problems: list[str] = ["nothing was looked at"]

    def finish(address: str) -> None:
        try:
            problems[:] = look_at(study, address, chromium, shots)
        except BaseException:
            traceback.print_exc()
        os.kill(os.getpid(), signal.SIGTERM)

    def said(line: str) -> None:
        if line.startswith("Start page: "):
            threading.Thread(target=finish, args=(line.removeprefix("Start page: "),), daemon=True).start()

    pipeline.ui(study=study.root, port=free_port(), say=said)
    return problems


def free_port() -> int:
    """A port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main() -> int:
    """Run the check and keep the screenshots."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shots", type=Path, default=SHOTS, help="folder for the screenshots")
    parser.add_argument("--study", type=Path, help="a study with finished runs; default: the demo, made anew")
    arguments = parser.parse_args()
    chromium = find_chromium()
    if chromium is None:
        print("chromium is needed: apt-get install chromium, or name one in CHROMIUM", file=sys.stderr)
        return 2
    arguments.shots.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.study or Path(scratch) / "demo"
        if arguments.study is None:
            pipeline.demo(study=folder)
        problems = serve_and_look(open_study(folder), chromium, arguments.shots)
    print(f"{len(problems)} problems; screenshots: {arguments.shots}")
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main())
