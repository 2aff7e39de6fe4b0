"""How fast this machine is beside the stated one: measured, bounded, and by its fastest moment."""

from itertools import cycle

import pytest

from workbench.evaluation import machine_speed
from workbench.evaluation.machine_speed import FASTEST, MEASUREMENTS, SLOWEST, STATED_SECONDS

measured = machine_speed.slowness  # the rest of the suite is told 1.0


@pytest.fixture
def timed(monkeypatch):
    """A function: slowness where the work takes these many times the stated seconds, in turn."""

    def slowness(*times):
        turns = cycle(times)
        monkeypatch.setattr(machine_speed, "_seconds", lambda: STATED_SECONDS * next(turns))
        return measured.__wrapped__()

    return slowness


def test_a_machine_that_takes_twice_as_long_is_twice_as_slow(timed):
    assert timed(2.0) == pytest.approx(2.0)


def test_one_slow_moment_says_nothing_about_the_machine(timed):
    assert timed(*[1.0] * MEASUREMENTS, 50.0) == pytest.approx(1.0)


def test_no_machine_is_taken_to_be_slower_or_faster_than_is_plausible(timed):
    assert timed(1000.0) == SLOWEST
    assert timed(0.001) == FASTEST


def test_real_work_is_measured():
    assert machine_speed._seconds() > 0
    assert FASTEST <= measured.__wrapped__() <= SLOWEST
