"""The notebooks of the documentation run: each is made from a script of docs/gallery, run here as it stands."""

from __future__ import annotations

import runpy
from pathlib import Path

import matplotlib as mpl
import pytest

GALLERY = Path(__file__).resolve().parents[1] / "docs" / "gallery"
DRAWN = ("observed_predicted", "shap_beeswarm")
"""Pictures of the run that are drawn here; all are where the documentation is built."""


@pytest.fixture
def notebook(tmp_path, monkeypatch):
    """Runs a script as its notebook would be run, anywhere, and gives the names it leaves."""
    from workbench import figures

    monkeypatch.setattr(figures, "PICTURES", {name: figures.PICTURES[name] for name in DRAWN})
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)

    def run(name: str) -> dict:
        import matplotlib.pyplot as plt

        with mpl.rc_context({"backend": "agg", "figure.max_open_warning": 0}):
            try:
                return runpy.run_path(str(GALLERY / name))
            finally:
                plt.close("all")

    return run


def test_the_first_hour_is_done_by_notebook_only(notebook, capsys):
    left = notebook("plot_a_first_run.py")
    (run,) = left["runs"]
    assert left["report"].problems == ()
    assert run.result.claim.shows_prediction, "there is something to look at"
    assert run.result.scores.experiment == "first_question"
    assert [path.name for path in run.figures] == [f"{name}.png" for name in sorted(DRAWN)]
    status = left["gate"].set_index("requirement")["status"]
    assert status["R2 above 0"] == "met"
    assert status["at least 1000 permutations"] == "missed"
    assert status["at least 50 participants in the other cohort"] == "does not apply", "nobody else was predicted"
    assert left["page"].read_text(encoding="utf-8").lower().startswith("<!doctype html>")
    assert {"scores.json", "predictions.tsv", "observed_predicted.png"} <= {path.name for path in left["supplement"]}
    told = capsys.readouterr().out
    assert "- experiments/first_question.toml: at least 1000 permutations: 199 permutations" in told
    assert "first_question | ridge on connectivity " in told


def test_the_notebook_on_planning_uses_no_outcome(notebook):
    left = notebook("plot_what_a_study_can_show.py")
    assert {row.r2 for row in left["plan"][0].plan.power} == {0.25, 0.5}
    assert not (left["study"] / "experiments" / "viewed.jsonl").exists()


def test_every_script_of_the_gallery_is_run_here():
    assert {path.name for path in GALLERY.glob("plot_*.py")} == {
        "plot_a_first_run.py",
        "plot_what_a_study_can_show.py",
    }
