"""A headless Chromium, driven over the pipes of its DevTools protocol by Python alone."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, Queue
from typing import Any
from urllib.parse import urlsplit

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
LOOPBACK = {"127.0.0.1", "localhost", "::1"}
ANSWERED_WITHIN_S = 60.0


class Browser:
    """One page of one browser with a fresh profile; what it asks of others and what its console says is kept."""

    def __init__(self, command_pipe: int, answer_pipe: int) -> None:
        self._commands = os.fdopen(command_pipe, "wb", buffering=0)
        self._answers: dict[int, Queue[dict[str, Any]]] = {}
        self._last = 0
        self._session: str | None = None
        self.outside: list[str] = []
        self.errors: list[str] = []
        threading.Thread(target=self._listen, args=(answer_pipe,), daemon=True).start()
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    def _listen(self, answer_pipe: int) -> None:
        with os.fdopen(answer_pipe, "rb", buffering=0) as answers:
            rest = b""
            while part := answers.read(1 << 20):
                *whole, rest = (rest + part).split(b"\0")
                for message in whole:
                    self._take(json.loads(message))

    def _take(self, message: dict[str, Any]) -> None:
        if "id" in message:
            waiting = self._answers.pop(message["id"], None)
            if waiting is not None:
                waiting.put(message)
            return
        parameters = message.get("params", {})
        match message.get("method"):
            case "Network.requestWillBeSent":
                self._note_request(parameters["request"]["url"])
            case "Runtime.exceptionThrown":
                details = parameters["exceptionDetails"]
                self.errors.append(str(details.get("exception", {}).get("description") or details["text"]))
            case "Runtime.consoleAPICalled" if parameters["type"] == "error":
                self.errors.append(" ".join(str(each.get("value", "")) for each in parameters["args"]))
            case "Log.entryAdded" if parameters["entry"]["level"] == "error":
                self.errors.append(f"{parameters['entry']['text']} {parameters['entry'].get('url', '')}".strip())

    def _note_request(self, url: str) -> None:
        address = urlsplit(url)
        if address.scheme in ("http", "https", "ws", "wss") and address.hostname not in LOOPBACK:
            self.outside.append(url)

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send one command and give back its result."""
        self._last += 1
        message: dict[str, Any] = {"id": self._last, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        waiting = self._answers[self._last] = Queue()
        self._commands.write(json.dumps(message).encode() + b"\0")
        try:
            answer = waiting.get(timeout=ANSWERED_WITHIN_S)
        except Empty:
            raise TimeoutError(f"the browser did not answer {method}") from None
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        return dict(answer["result"])

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression in the page; promises are waited for."""
        answer = self.send("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"].get("exception", {}).get("description", "script failed"))
        return answer["result"].get("value")

    def open(self, url: str) -> None:
        """Open an address, from the start even where only its fragment is new."""
        self.send("Page.navigate", url="about:blank")
        self.wait_for("location.href === 'about:blank'", "an empty page")
        self.send("Page.navigate", url=url)
        self.wait_for("location.href !== 'about:blank' && document.readyState === 'complete'", url)

    def wait_for(self, condition: str, name: str, *, patience_s: float = 30.0) -> None:
        """Wait until a JavaScript expression holds."""
        self.until(lambda: bool(self.run(f"Boolean({condition})")), name, patience_s=patience_s)

    def until(self, holds: Callable[[], bool], name: str, *, patience_s: float = 30.0) -> None:
        """Wait until something holds."""
        deadline = time.monotonic() + patience_s
        while True:
            try:
                if holds():
                    return
            except RuntimeError:  # the page is just being left
                pass
            if time.monotonic() > deadline:
                raise TimeoutError(f"waited {patience_s:.0f} s in vain for {name}")
            time.sleep(0.1)

    def text(self) -> str:
        """What can be read in the page."""
        return str(self.run("document.body.innerText"))

    def click(self, selector: str, text: str = "") -> None:
        """Click on the first visible element that a selector finds and that holds a text, with the mouse."""
        found = (
            f"[...document.querySelectorAll({json.dumps(selector)})].find((each) => each.getClientRects().length && "
            f"each.textContent.includes({json.dumps(text)}))"
        )
        self.wait_for(found, f"{selector} with {text!r}")
        x, y = self.run(
            f"(() => {{ const each = {found}; each.scrollIntoView({{block: 'center'}}); "
            "const box = each.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def size(self, width: int, height: int, *, phone: bool = False) -> None:
        """Set the size of the window in CSS pixels."""
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)

    def theme(self, name: str) -> None:
        """Prefer "light" or "dark"."""
        self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])

    def screenshot(self, path: Path, *, whole: bool = False) -> None:
        """Keep what is seen as a PNG; the whole page where asked."""
        more: Mapping[str, Any] = {}
        if whole:
            box = self.send("Page.getLayoutMetrics")["cssContentSize"]
            more = {"captureBeyondViewport": True, "clip": {**box, "x": 0, "y": 0, "scale": 1}}
        data = self.send("Page.captureScreenshot", format="png", **more)["data"]
        path.write_bytes(base64.b64decode(data))


def find_chromium() -> str | None:
    """The browser of this machine; the variable CHROMIUM names another."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)


@contextmanager
def browser(program: str, profile: Path) -> Iterator[Browser]:
    """A browser that reads commands from its file 3 and answers in its file 4, ended when the block is left."""
    read_commands, write_commands = os.pipe()
    read_answers, write_answers = os.pipe()
    # Not by a shell: that of Debian knows no file with a number of two digits.
    wired = (
        f"import os, sys; os.dup2({read_commands}, 3); os.dup2({write_answers}, 4); "
        "os.execvp(sys.argv[1], sys.argv[1:])"
    )
    command = [sys.executable, "-c", wired, program, *FLAGS, f"--user-data-dir={profile}", "about:blank"]
    process = subprocess.Popen(
        command, pass_fds=(read_commands, write_answers), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    os.close(read_commands)
    os.close(write_answers)
    try:
        yield Browser(write_commands, read_answers)
    finally:
        process.terminate()
        process.wait(20)
