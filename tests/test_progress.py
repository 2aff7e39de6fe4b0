"""What a user sees while work goes on: a bar for every piece of work, also for one that is begun anew."""

from workbench.cli.progress import _Bars
from workbench.pipeline.progress import shown


class Recorded:
    """A progress that keeps what it is told."""

    def __init__(self):
        self.seen = []

    def say(self, text):
        self.seen.append(text)

    def advance(self, label, done, total):
        self.seen.append((label, done, total))


class FakeBars:
    """Stands for the bars of rich."""

    console = None

    def __init__(self):
        self.tasks = []

    def start(self):
        pass

    def add_task(self, label, total):
        self.tasks.append({"label": label, "total": total})
        return len(self.tasks) - 1

    def update(self, task, **shown):
        self.tasks[task].update(shown)


def three_units(fit, units, *, batched=True, progress=None):
    for done in range(1, len(units) + 1):
        progress(done, len(units))
    return [fit(unit) for unit in units]


def test_units_are_shown_under_the_label_of_whoever_asked_for_them():
    progress = Recorded()
    fit_units = shown(three_units, progress, "asked: ridge on task, negative control")
    assert fit_units(abs, [-1, -2], batched=False, progress=None) == [1, 2]
    assert progress.seen == [("asked: ridge on task, negative control", done, 2) for done in (1, 2)]


def test_a_progress_of_the_callers_own_goes_before():
    progress, own = Recorded(), []
    shown(three_units, progress, "label")(abs, [1], progress=lambda *done: own.append(done))
    assert (progress.seen, own) == ([], [(1, 1)])


def test_a_bar_goes_when_its_work_is_done_and_comes_back_when_more_is_begun():
    """Whole sites left out, then site held fixed: one label, two pieces of work."""
    drawn = FakeBars()
    bars = _Bars(drawn)
    bars.advance("across sites", 1, 2)
    assert drawn.tasks == [{"label": "across sites", "total": 2, "completed": 1, "visible": True}]
    bars.advance("across sites", 2, 2)
    assert not drawn.tasks[0]["visible"]
    bars.advance("across sites", 1, 50)
    assert drawn.tasks == [{"label": "across sites", "total": 50, "completed": 1, "visible": True}]
