"""Forked workers: what they make and raise comes back, and they end with the process that started them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux alone")

CALLS = """
import os, signal, sys, threading, time
from functools import partial
from pathlib import Path
from workbench.errors import FitError, Problem
from workbench.forks import Forks, Shared, can_fork
from workbench.whole_files import written_whole

def doubled(number, report):
    report("doubling", number)
    return 2 * number
def refused(report):
    raise FitError(Problem("fold 3", "nothing varies", "drop the feature"))
def broken(report):
    return {}["missing"]
class TwoWords(Exception):
    def __init__(self, one, other):
        super().__init__(one + other)
def not_to_be_rebuilt(report):
    raise TwoWords("can be pickled, ", "cannot be read back")
def lengthened(shared, report):
    shared.value.append("more")
    return len(shared.value)
def killed(report):
    os.kill(os.getpid(), signal.SIGKILL)
def writes_for_ever(path, report):
    with written_whole(path) as unfinished:
        unfinished.write_text("half")
        report("writing")
        time.sleep(600)
def process_id(report):
    return os.getpid()
def waits_for_ever(report):
    report("waiting", os.getpid())
    time.sleep(600)
"""
"""Defined in the process that is forked: one without the threads of pytest."""


def script(body: str) -> list[str]:
    return [sys.executable, "-c", CALLS + textwrap.dedent(body)]


def printed(body: str) -> str:
    done = subprocess.run(script(body), capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_what_many_calls_share_is_made_once_in_a_worker():
    body = """
    with Forks(1, lambda: None) as forks:
        shared = Shared(["a", "b"])
        print(shared.value, [made for _, made in forks.start([partial(lengthened, shared)] * 3)])
    """
    assert printed(body) == "['a', 'b'] [3, 4, 5]\n"


def test_everything_is_made_by_few_workers_and_what_they_report_arrives():
    text = """
        heard = []
        with Forks(2, int) as forks:
            made = dict(forks.start([partial(doubled, n) for n in range(20)], lambda *words: heard.append(words)))
            again = {pid for _, pid in forks.start([process_id] * 4)}
        print(made == {n: 2 * n for n in range(20)}, sorted(heard) == [("doubling", n) for n in range(20)])
        print(len(again) <= 2, os.getpid() not in again)
    """
    assert printed(text) == "True True\nTrue True\n"


def test_workers_begin_before_they_are_asked(tmp_path):
    text = f"""
        marks = [Path({str(tmp_path)!r}, name) for name in "ab"]
        def mark(path, report):
            path.touch()
        with Forks(2, int) as forks:
            made = forks.start([partial(mark, path) for path in marks])
            deadline = time.monotonic() + 60
            while not all(path.exists() for path in marks) and time.monotonic() < deadline:
                time.sleep(0.01)
            print(all(path.exists() for path in marks), len(list(made)))
    """
    assert printed(text) == "True 2\n"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("refused", "FitError fold 3: nothing varies; drop the feature ()"),
        ("broken", "KeyError 'missing' ('In a worker process:', 'Traceback (most recent call last):')"),
        ("killed", "FitError a worker process was ended from outside, as happens where memory runs out; run again"),
        ("not_to_be_rebuilt", "RuntimeError Traceback (most recent call last):"),
    ],
)
def test_what_goes_wrong_in_a_worker_is_raised_here(call, message):
    text = f"""
        try:
            with Forks(2, int) as forks:
                list(forks.start([{call}, waits_for_ever]))
        except Exception as error:
            notes = [line for note in getattr(error, "__notes__", ()) for line in note.splitlines()[:2]]
            print(type(error).__name__, error, tuple(notes))
    """
    assert printed(text).startswith(message)


@pytest.mark.parametrize(
    "kills",
    [
        "list(forks.start([process_id])); os.kill(forks_pid(forks), signal.SIGKILL); forks_gone(forks)\n"
        "    list(forks.start([process_id]))",
        "list(forks.start([killed_amid_its_answer]))",
    ],
    ids=["while it waits", "amid its answer"],
)
def test_a_worker_that_is_killed_at_any_moment_is_told_in_a_sentence(kills):
    text = f"""
def forks_pid(forks):
    return next(iter(forks._workers.values())).pid
def forks_gone(forks):
    next(iter(forks._workers.values())).join()
def killed_amid_its_answer(report):
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGKILL)).start()
    return bytes(10_000_000)
def slowly(connection, wait=forks_module._received):
    time.sleep(2)
    return wait(connection)
forks_module._received = slowly
try:
  with Forks(1, int) as forks:
    {kills}
except FitError as error:
    print(error)
"""
    done = "import workbench.forks as forks_module\n" + text
    assert printed(done).startswith("a worker process was ended from outside, as happens where memory runs out")


def test_a_worker_that_is_stopped_takes_its_half_written_file_away(tmp_path):
    text = f"""
        class Stop(Exception):
            pass
        def stop(*words):
            print(len(list(Path({str(tmp_path)!r}).iterdir())))
            raise Stop
        try:
            with Forks(1, int) as forks:
                list(forks.start([partial(writes_for_ever, Path({str(tmp_path)!r}, "table"))], stop))
        except Stop:
            print(len(list(Path({str(tmp_path)!r}).iterdir())))
    """
    assert printed(text) == "1\n0\n"


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_workers_end_with_the_process_that_forked_them_however_it_ends(how):
    text = """
        with Forks(1, int) as forks:
            list(forks.start([waits_for_ever], lambda word, pid: print(pid, flush=True)))
    """
    running = subprocess.Popen(script(text), stdout=subprocess.PIPE, text=True)
    worker = int(running.stdout.readline())
    running.send_signal(how)
    running.communicate(timeout=60)
    assert ended(worker)


def ended(process: int) -> bool:
    status, deadline = Path(f"/proc/{process}/status"), time.monotonic() + 60
    while time.monotonic() < deadline:
        if not status.exists() or "State:\tZ" in status.read_text():
            return True
        time.sleep(0.05)
    os.kill(process, signal.SIGKILL)
    return False


def test_a_process_with_a_second_thread_is_not_forked():
    text = """
        print(can_fork())
        go_on = threading.Event()
        other = threading.Thread(target=go_on.wait)
        other.start()
        print(can_fork())
        go_on.set()
        other.join()
        print(can_fork())
    """
    assert printed(text) == "True\nFalse\nTrue\n"


def test_workers_that_are_kept_serve_several_runs_though_threads_have_started_since():
    body = """
    from workbench.execution import forked, forks_kept

    def ids(forks):
        return {process for _, process in forks.start([process_id] * 8)}

    with forks_kept(2):
        threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
        with forked(4) as first, forked(4) as second:
            print(len(first), first is second, ids(first) | ids(second) >= ids(first))
    with forked(2) as none:
        print(none)
    """
    assert printed(body).splitlines() == ["2 True True", "None"]
