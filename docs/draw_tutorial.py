"""Pictures of the tutorial from a finished demo: ``python docs/draw_tutorial.py STUDY RUN`` (needs chromium)."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from workbench import show_run

PICTURES = Path(__file__).parent / "pictures"
FIGURES = ("shap_beeswarm",)
WIDTH, HEIGHT = 1100, 840


def screenshot(page: Path, picture: Path) -> None:
    """The top of a page, as a browser shows it."""
    browser = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chromium-browser"))), None)
    if browser is None:
        sys.exit("chromium is not installed")
    options = [
        f"--window-size={WIDTH},{HEIGHT}",
        f"--screenshot={picture}",
        "--headless",
        "--no-sandbox",
        "--hide-scrollbars",
    ]
    subprocess.run([browser, "--no-sandbox", *options, page.resolve().as_uri()], check=True, stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python docs/draw_tutorial.py STUDY RUN")
    run = show_run(sys.argv[2], study=sys.argv[1])
    folder = run.artifacts
    assert folder is not None
    PICTURES.mkdir(exist_ok=True)
    screenshot(folder / "report.html", PICTURES / "report_top.png")
    for name in FIGURES:
        shutil.copy(next(folder.rglob(f"{name}.png")), PICTURES)
