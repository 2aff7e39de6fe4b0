"""Ctrl-C ends a command in one line whenever it comes."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
import time

import pytest

from workbench.cli import run_command
from workbench.cli.interrupts import interrupts


@pytest.fixture(autouse=True)
def heeded():
    """A suite started in the background ignores Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def press() -> None:
    signal.raise_signal(signal.SIGINT)


def command(monkeypatch, capsys, check, *words: str) -> tuple[int, str]:
    monkeypatch.setattr("workbench.pipeline.check", check)
    return run_command([*(words or ("check",))]), capsys.readouterr().err


def test_the_last_words_say_how_to_go_on(monkeypatch, capsys):
    code, printed = command(monkeypatch, capsys, lambda *_, **__: press())
    assert (code, printed) == (130, "Stopped. What was finished is kept; type the command again.\n")


def test_what_fails_because_of_ctrl_c_is_not_taken_for_an_error(monkeypatch, capsys):
    """A library may turn it into an error of its own."""

    def fail(*_, **__):
        try:
            press()
        except KeyboardInterrupt:
            raise ImportError("cannot import name") from None

    code, printed = command(monkeypatch, capsys, fail)
    assert (code, printed.count("\n")) == (130, 1)


def test_ctrl_c_amid_the_imports_of_a_command_is_not_taken_for_an_error(monkeypatch, capsys):
    """Until 3.11 Python makes a `RuntimeError` of it while a class with a `cached_property` is built."""

    def importing(*_):
        try:
            press()
        except KeyboardInterrupt as pressed:
            raise RuntimeError("Error calling __set_name__ on 'cached_property' instance") from pressed

    monkeypatch.setattr("workbench.cli._exit_code", importing)
    assert run_command(["check"]) == 130
    assert capsys.readouterr().err == "Stopped. What was finished is kept; type the command again.\n"


def test_a_panic_of_a_compiled_library_after_ctrl_c_is_not_taken_for_an_error(monkeypatch, capsys):
    class PanicException(BaseException):
        """As libraries written in Rust raise it."""

    def importing(*_):
        try:
            press()
        except KeyboardInterrupt as pressed:
            raise PanicException("failed to import `datetime` C API") from pressed

    monkeypatch.setattr("workbench.cli._exit_code", importing)
    assert run_command(["check"]) == 130
    assert capsys.readouterr().err == "Stopped. What was finished is kept; type the command again.\n"


def test_an_error_without_ctrl_c_stays_that_error(monkeypatch):
    def importing(*_):
        raise RuntimeError("no such thing")

    monkeypatch.setattr("workbench.cli._exit_code", importing)
    with pytest.raises(RuntimeError, match="no such thing"):
        run_command(["check"])


def test_ctrl_c_in_a_destructor_is_not_forgotten(monkeypatch, capsys):
    class Dying:
        def __del__(self):
            press()

    def work(*_, **__):
        dying = Dying()
        del dying
        time.sleep(60)
        pytest.fail("it went on")

    code, printed = command(monkeypatch, capsys, work)
    assert (code, printed.count("\n")) == (130, 1)


def test_ctrl_c_twice_in_a_row_lets_it_clean_up(monkeypatch, capsys):
    cleaned_up = []

    def work(*_, **__):
        try:
            press()
        finally:
            press()
            cleaned_up.append(True)

    code, printed = command(monkeypatch, capsys, work)
    assert (code, printed.count("\n"), cleaned_up) == (130, 1, [True])


def test_a_command_that_takes_too_long_to_stop_is_left_at_once():
    program = (
        "import signal, time; from workbench.cli import interrupts as module\n"
        "module.PATIENCE_S = 0.0\n"
        "with module.interrupts('Stopped.'):\n"
        "    try:\n"
        "        signal.raise_signal(signal.SIGINT)\n"
        "    except KeyboardInterrupt:\n"
        "        time.sleep(0.01); signal.raise_signal(signal.SIGINT)\n"
        "print('went on')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "Stopped.\n")


def test_afterwards_ctrl_c_is_what_it_was_before():
    before, hook = signal.getsignal(signal.SIGINT), sys.unraisablehook
    with interrupts("Stopped."):
        assert signal.getsignal(signal.SIGINT) is not before
    assert (signal.getsignal(signal.SIGINT), sys.unraisablehook) == (before, hook)


def test_who_has_ctrl_c_ignored_keeps_it_so():
    """`nohup`, and commands that a shell starts in the background."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with interrupts("Stopped."):
        os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_nothing_is_imported_before_the_command_line_listens():
    code = "import os, __future__, sys; known = {*sys.modules}; import workbench.cli; print({*sys.modules} - known)"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert ast.literal_eval(done.stdout) == {"workbench", "workbench.cli", "workbench.version"}
