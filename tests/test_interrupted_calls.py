"""A call from Python that is interrupted: a few lines on what was done and how to go on; still a KeyboardInterrupt."""

import re
import traceback

import pytest

import workbench
from workbench.pipeline import notebook_progress
from workbench.pipeline.interrupting import REHEARSED, REPEATED, RESUMED, can_be_interrupted
from workbench.pipeline.notebook_progress import OneLine


@pytest.fixture
def in_a_notebook(monkeypatch):
    shown = OneLine(lambda *_, **__: None)
    monkeypatch.setattr("workbench.pipeline.interrupting.usual_progress", lambda: shown)
    monkeypatch.setattr(notebook_progress, "DRAWN_EVERY_S", 60.0)
    return shown


@can_be_interrupted
def fit(*, progress, resume=False, rehearse=False):
    """As `workbench.run`."""
    progress.advance("question: ridge on task", 33, 50)
    raise KeyboardInterrupt


@can_be_interrupted
def outer(*, progress):
    """A call of the user's that makes another."""
    return fit(progress=progress)


def rendered(call, **given):
    """What a notebook shows."""
    with pytest.raises(KeyboardInterrupt) as caught:
        call(**given)
    return caught.value._render_traceback_()


def test_a_notebook_shows_an_interrupted_run_as_where_it_stopped_and_how_it_goes_on(in_a_notebook):
    _, *lines = rendered(fit)
    assert lines == ["Stopped at question: ridge on task: 33 of 50.", *RESUMED]
    assert re.search("Nothing is lost.*same call with resume=True goes on from there", " ".join(lines))


def test_what_cannot_be_resumed_is_not_said_to_be(in_a_notebook):
    assert rendered(fit, rehearse=True)[-1:] == list(REHEARSED)
    assert rendered(outer)[-1:] == list(REPEATED), "the words are those of the call that the user made"


def test_the_line_that_was_typed_comes_first(in_a_notebook, tmp_path, monkeypatch):
    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("workbench.pipeline.experiment.study_with_data", stopped)
    with pytest.raises(KeyboardInterrupt) as caught:
        workbench.run("question", study=tmp_path)
    typed, *lines = caught.value._render_traceback_()
    assert typed.endswith(': workbench.run("question", study=tmp_path)')
    assert lines == ["Stopped.", *RESUMED]


def test_a_script_has_the_same_lines_below_its_traceback():
    with pytest.raises(KeyboardInterrupt) as caught:
        fit()
    assert traceback.format_exception(caught.value)[-1].strip() == RESUMED[-1]
    assert type(caught.value) is KeyboardInterrupt


@pytest.mark.parametrize(
    "name",
    ["check", "describe_features", "features", "freeze", "merge", "plan", "predict", "prune", "reproduce", "run"],
)
def test_every_call_that_may_take_long_can_be_interrupted(name, in_a_notebook, tmp_path, monkeypatch):
    """Each is stopped where it opens its study."""

    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("workbench.study._open", stopped)
    first = () if name == "prune" else (str(tmp_path),) if name == "merge" else ("question",)
    with pytest.raises(KeyboardInterrupt) as caught:
        getattr(workbench, name)(*first, study=tmp_path)
    assert "Nothing is lost" in " ".join(caught.value._render_traceback_())


def test_a_simulated_study_that_is_interrupted_is_a_few_lines(tmp_path, monkeypatch):
    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("workbench.simulate.generator.simulate_trial", stopped)
    lines = rendered(workbench.simulate_study, target=tmp_path / "study")
    assert "Stopped." in lines
    assert REPEATED[0] in lines
