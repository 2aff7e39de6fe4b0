"""What a notebook shows while work goes on: one line that is drawn again, and nothing outside of a kernel."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from workbench.pipeline import notebook_progress
from workbench.pipeline.notebook_progress import OneLine, usual_progress
from workbench.pipeline.progress import Silent


class Cell:
    """What is below a cell: lines, of which those with an id can be replaced."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def display(self, data: dict[str, str], *, raw: bool, display_id: bool = False) -> Line | None:
        assert raw
        self.lines.append(data["text/plain"])
        return Line(self, len(self.lines) - 1) if display_id else None


class Line:
    """One of them, to be drawn again."""

    def __init__(self, cell: Cell, at: int) -> None:
        self.cell, self.at = cell, at

    def update(self, data: dict[str, str], *, raw: bool) -> None:
        assert raw
        self.cell.lines[self.at] = data["text/plain"]


def test_work_is_one_line_and_what_is_said_stays(monkeypatch):
    cell = Cell()
    monkeypatch.setattr(notebook_progress, "DRAWN_EVERY_S", 0.0)
    progress = OneLine(cell.display)
    for done in range(1, 51):
        progress.advance("madrs_change: ridge on task", done, 50)
    assert cell.lines == ["madrs_change: ridge on task: 50 of 50"]
    progress.say("the first result of this outcome")
    progress.advance("madrs_change: ridge on pet", 1, 50)
    assert cell.lines[1:] == ["the first result of this outcome", "madrs_change: ridge on pet: 1 of 50"]


def test_what_is_said_in_words_of_the_command_line_is_followed_by_those_of_python():
    cell = Cell()
    OneLine(cell.display).say("the first result: Ctrl-C, then workbench freeze question, or run --rehearse to try it")
    assert cell.lines[1:] == ["In Python: workbench freeze is workbench.freeze(..), --rehearse is rehearse=True."]


def test_the_line_is_drawn_twice_a_second_and_at_the_end(monkeypatch):
    cell, drawn = Cell(), []
    monkeypatch.setattr(Line, "update", lambda _, data, raw: drawn.append(data["text/plain"]))
    progress = OneLine(cell.display)
    for done in range(1, 1001):
        progress.advance("ridge", done, 1000)
    assert len(drawn) < 100
    assert drawn[-1] == "ridge: 1000 of 1000"


@pytest.fixture
def ipython(monkeypatch) -> ModuleType:
    """IPython as far as it is asked."""
    made, shown = ModuleType("IPython"), ModuleType("IPython.display")
    shown.display = Cell().display
    monkeypatch.setitem(sys.modules, "IPython", made)
    monkeypatch.setitem(sys.modules, "IPython.display", shown)
    return made


class WithKernel:
    kernel = object()


@pytest.mark.parametrize(("shell", "shows"), [(WithKernel(), True), (object(), False), (None, False)])
def test_only_a_kernel_shows_progress_by_itself(ipython, monkeypatch, shell, shows):
    ipython.get_ipython = lambda: shell
    monkeypatch.setitem(sys.modules, "ipykernel", ModuleType("ipykernel"))
    assert isinstance(usual_progress(), OneLine if shows else Silent)


def test_a_script_is_silent(monkeypatch):
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    assert isinstance(usual_progress(), Silent)
