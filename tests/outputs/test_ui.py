"""The UI of a study: who is let in, what its start page says, how its server begins and ends."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from made_studies import study_at, study_with_store

from workbench import tracking
from workbench.errors import StoreError
from workbench.pipeline import start_page
from workbench.preregistration.append_only import now
from workbench.preregistration.viewed import Look, record_look
from workbench.records import RunLine, RunResult, StudyPage
from workbench.reporting import study_html
from workbench.study import Study
from workbench.tracking import browser, store
from workbench.tracking.access import Guard

HOSTILE = '<script>alert(1)</script> "><img src=x onerror=alert(2)> {{ 7 * 7 }}'


def keep(study: Study, result: RunResult) -> str:
    with tracking.open_run(study, result) as opened:
        (opened.artifacts / "report.html").write_text(f"<title>{result.scores.run_name}</title>")
    look = Look(now(), "madrs_change", "ridge . dmn4", "fall in MADRS", "", "", 0, "", "", "", "", run_id=opened.run_id)
    record_look(study, look)
    return opened.run_id


@pytest.fixture
def study(empty_store: Path, tmp_path: Path) -> Study:
    return study_with_store(tmp_path / "study", empty_store)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# ------------------------------------------------------------------------------------------------------ who is let in


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    text: str


TOKEN, PORT = "k" * 32, 5000


def ask(path: str, *, method: str = "GET", kind: str = "http", **headers: str) -> tuple[Answer, dict]:
    """What the guard answers, before an app that lets everything be read; and the scope as a log would see it."""
    sent: list[dict] = []

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": b"secret"})

    async def receive():
        return {"type": "http.request"}

    async def send(message):
        sent.append(message)

    path, _, query = path.partition("?")
    given = {"host": f"127.0.0.1:{PORT}"} | {name.replace("_", "-"): value for name, value in headers.items()}
    scope = {
        "type": kind,
        "scheme": "http",
        "method": method,
        "path": path,
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in given.items()],
    }
    asyncio.run(Guard(app, TOKEN, PORT)(scope, receive, send))
    if kind == "websocket":
        return Answer(sent[0].get("code", 200), {}, ""), scope
    received = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return Answer(sent[0]["status"], received, sent[1]["body"].decode()), scope


def cookie() -> str:
    answer, _ = ask(f"/workbench?token={TOKEN}")
    return answer.headers["set-cookie"].partition(";")[0]


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "OPTIONS"])
@pytest.mark.parametrize(
    "path",
    ["/", "/workbench", "/api/2.0/mlflow/runs/delete", "/get-artifact", "/static-files/x.js", "/health/", "/version"],
)
def test_without_the_token_nothing_but_the_health_is_answered(path, method):
    answer, _ = ask(path, method=method)
    assert answer.status == 403
    assert "secret" not in answer.text
    assert "Open the address that <code>workbench ui</code> printed" in answer.text


def test_the_health_is_open_and_everything_else_of_it_is_not():
    assert ask("/health")[0].text == "secret"
    assert ask("/health", kind="websocket")[0].status == 1008


@pytest.mark.parametrize("token", ["", TOKEN[:-1], TOKEN + "x", TOKEN.upper(), "é"])
def test_a_wrong_token_lets_nobody_in(token):
    assert ask(f"/workbench?token={token}")[0].status == 403
    assert ask("/workbench", authorization=f"Bearer {token}")[0].status == 403
    assert ask("/workbench", cookie=f"workbench-{PORT}={token}")[0].status == 403


def test_the_token_becomes_a_cookie_and_leaves_the_address():
    answer, _ = ask(f"/workbench?token={TOKEN}&a=1")
    assert (answer.status, answer.headers["location"]) == (303, "/workbench?a=1")
    given = answer.headers["set-cookie"]
    assert given.startswith("workbench-5000=")
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(given.split("; "))
    assert TOKEN not in given
    assert answer.headers["referrer-policy"] == "no-referrer"
    followed, _ = ask("/workbench", cookie=given.partition(";")[0])
    assert (followed.status, followed.text) == (200, "secret")
    assert followed.headers["referrer-policy"] == "no-referrer"


def test_who_comes_from_another_site_is_led_on_by_a_page_of_this_one():
    """A browser sends no strict cookie with a redirect that another site began."""
    answer, _ = ask(f"/workbench?token={TOKEN}", sec_fetch_site="cross-site")
    assert answer.status == 200
    assert 'http-equiv="refresh" content="0; url=/workbench"' in answer.text
    assert TOKEN not in answer.text


def test_a_token_leads_to_no_other_host():
    answer, _ = ask(f"//elsewhere.example/x?token={TOKEN}")
    assert answer.headers["location"] == "/elsewhere.example/x"


@pytest.mark.parametrize("path", ["/workbench?token=", "/x?a=1&tok%65n="])
def test_no_log_can_write_the_token(path):
    for _, scope in (ask(path + TOKEN), ask(path + TOKEN, cookie=cookie()), ask(path + "wrong")):
        assert b"tok" not in scope["query_string"]


def test_a_program_may_send_the_token_as_mlflow_does():
    assert ask("/api/2.0/mlflow/experiments/search", authorization=f"Bearer {TOKEN}")[0].text == "secret"


@pytest.mark.parametrize("origin", ["http://127.0.0.1:6000", "http://elsewhere.example", "null"])
def test_a_page_of_another_port_cannot_use_the_cookie(origin):
    """Browsers send the cookie of one port to all ports of a host, and MLflow lets every local page call it."""
    assert ask("/api/2.0/mlflow/runs/delete", method="POST", cookie=cookie(), origin=origin)[0].status == 403
    own = ask("/api/2.0/mlflow/runs/delete", method="POST", cookie=cookie(), origin="http://127.0.0.1:5000")
    assert own[0].status == 200


# ----------------------------------------------------------------------------------------------------- the start page


def test_the_start_page_lists_questions_with_the_verdict_of_every_run(study, shown_result, null_result):
    first, second = keep(study, shown_result), keep(study, null_result)
    keep(study, null_result)
    page = start_page.study_page(study)
    (card,) = page.cards
    assert card.question == null_result.scores.question
    assert [(run.name, run.verdict, run.earlier) for run in card.runs] == [
        (null_result.scores.run_name, "prediction not shown", 1),
        (shown_result.scores.run_name, "exploratory", 0),
    ]
    html = study_html(page)
    interval = shown_result.scores.performance.interval
    assert f"{shown_result.scores.performance.r2:.2f} ({interval.low:.2f} to {interval.high:.2f})" in html
    assert f'href="/workbench/runs/{first}/report"' in html
    assert f"/runs/{second}" not in html, "an earlier run of the same name is only counted"
    links = dict(card.links)
    assert links["Runs side by side"] == "/workbench/experiments/madrs_change/comparison"
    assert "viewStateShareKey=headline&workflowType=machine_learning" in links["Headline results in MLflow"]
    assert first in links["Compare in MLflow"]


def test_text_of_a_hostile_study_stays_text(study, shown_result):
    scores = replace(shown_result.scores, question=HOSTILE, run_name=HOSTILE)
    run_id = keep(study, replace(shown_result, scores=scores, tags={**shown_result.tags, "outcome": HOSTILE}))
    client = store.open_client(study)
    client.set_tag(run_id, "claim", HOSTILE)
    experiment = client.get_experiment_by_name("madrs_change").experiment_id
    client.set_experiment_tag(experiment, "mlflow.sharedViewState.own", json.dumps({"name": HOSTILE}))
    html = study_html(replace(start_page.study_page(study), title=HOSTILE))
    assert html.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 5
    assert "<script>alert" not in html
    assert "<img" not in html
    assert "{{ 7 * 7 }}" in html
    assert re.findall(r'(?:src|href)="([^"#/][^"]*)"', html) == ["data:,"], "every address is of this server"


def test_runs_are_never_in_the_order_of_their_r2_and_intervals_share_an_axis(study, shown_result, null_result):
    keep(study, shown_result)
    keep(study, null_result)
    html = study_html(start_page.study_page(study))
    zeros = set(re.findall(r'class="zero" style="left:([\d.]+)%"', html))
    assert len(zeros) == 1
    assert html.index("xgboost . dmn4") < html.index("ridge . fc+task+pet")


def test_a_run_without_numbers_has_its_place():
    bare = RunLine("ridge . fc", "not tested", "", False, None, None, None, None, "", "", "", "", "/#/x", "")
    card = start_page.QuestionCard("a", "", "", (bare,), ())
    html = study_html(StudyPage("s", False, (card,), 1))
    assert 'class="dot"' not in html
    assert "No run has finished yet" in study_html(StudyPage("s", False, (), 0))


def test_the_report_is_shown_of_runs_that_count_and_lie_in_the_study(study, shown_result, tmp_path):
    run_id = keep(study, shown_result)
    assert start_page.report_page(study, run_id) == "<title>ridge . fc+task+pet</title>"
    assert start_page.report_page(study, "0" * 32) is None
    inside = tracking.find_run(study, run_id).artifacts / "report.html"
    (tmp_path / "other.html").write_text("of somebody else")
    inside.unlink()
    inside.symlink_to(tmp_path / "other.html")
    assert start_page.report_page(study, run_id) is None


def test_what_mlflow_remembers_is_set_for_every_experiment_and_only_once(study, shown_result):
    keep(study, shown_result)
    script = tracking.remember_script(study.database, ["7", "</script>"])
    assert "</script>" not in script
    remembered = json.loads(re.search(r"remembered = (\{.*\});", script)[1])
    assert list(remembered["experiments"]) == ["7", "</script>"]
    assert json.loads(remembered["experiments"]["7"])["selectedColumns"][0] == "tags.`claim`"
    assert remembered["mark"] not in tracking.remember_script(study.database.with_name("other.db"), ["7"])


# ------------------------------------------------------------------------------------------------- who reads the files


def test_a_new_store_is_private_and_a_folder_that_was_opened_stays_so(study):
    study.database.rename(study.root / "kept.db")
    study.mlruns_dir.chmod(0o755)
    assert mode_after_making_the_store(study) == 0o700
    study.mlruns_dir.chmod(0o750)
    tracking.prepare(study)
    assert stat.S_IMODE(study.mlruns_dir.stat().st_mode) == 0o750


def test_a_study_that_a_group_shares_stays_shared(study):
    study.database.rename(study.root / "kept.db")
    study.root.chmod(0o2775)
    study.mlruns_dir.chmod(0o775)
    assert mode_after_making_the_store(study) == 0o775


def mode_after_making_the_store(study: Study) -> int:
    tracking.prepare(study)
    return stat.S_IMODE(study.mlruns_dir.stat().st_mode)


# ------------------------------------------------------------------------------------------- how it begins and ends


def test_a_busy_port_suggests_the_next_free_one(study):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(StoreError, match=rf"port {port} .* cannot be used .*workbench ui --port \d+"):
            tracking.serve_ui(study, port, server="none")


def test_a_server_that_stops_while_starting_shows_its_last_words(study, monkeypatch):
    dying = [sys.executable, "-c", "print('no room for me'); raise SystemExit(3)"]
    monkeypatch.setattr(browser, "_server_command", lambda *_: dying)
    with pytest.raises(StoreError, match=r"(?s)stopped while starting.*no room for me"):
        tracking.serve_ui(study, free_port(), server="none")


STAND_IN = """
import http.server as h, json, os, sys
told = json.loads(sys.stdin.readline())
class Ok(h.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
server = h.HTTPServer(("127.0.0.1", told["port"]), Ok)
server.handle_request()
print(os.getcwd(), told["study"])
"""


@pytest.fixture
def stand_in(monkeypatch):
    """A small server that is asked once: what is tested is how it is started, announced and ended."""
    monkeypatch.setattr(browser, "_server_command", lambda *_: [sys.executable, "-c", STAND_IN])


def test_the_address_and_the_tunnel_are_said_and_the_server_ends_with_us(study, stand_in):
    port, lines = free_port(), []
    tracking.serve_ui(study, port, server="none", say=lines.append)
    assert re.fullmatch(rf"Start page: http://127\.0\.0\.1:{port}/workbench\?token=[\w-]{{32}}", lines[0])
    assert f"ssh -L {port}:127.0.0.1:{port} " in lines[1]
    assert lines[-1] == "The UI has stopped."
    folder, told = (study.mlruns_dir / "ui.log").read_text().split()[-2:]
    assert told == str(study.root)
    assert not Path(folder).is_relative_to(study.root)


def test_every_start_has_a_token_of_its_own_and_an_open_folder_is_said(study, stand_in):
    study.mlruns_dir.chmod(0o755)
    first, second = [], []
    for lines in (first, second):
        tracking.serve_ui(study, free_port(), server="none", say=lines.append)
    assert first[0].partition("token=")[2] != second[0].partition("token=")[2]
    assert any("Everybody on this machine can read" in line for line in first)


def test_a_browser_is_handed_the_address_in_a_private_file(study, stand_in, monkeypatch):
    """Its arguments are in the list of processes."""
    opened = []

    def look(uri: str) -> None:
        path = Path(uri.removeprefix("file://"))
        opened.append((uri, stat.S_IMODE(path.stat().st_mode), path.read_text()))

    monkeypatch.setattr("webbrowser.open", look)
    lines: list[str] = []
    tracking.serve_ui(study, free_port(), server="none", open_browser=True, say=lines.append)
    ((uri, mode, text),) = opened
    token = lines[0].partition("token=")[2]
    assert (mode, token in uri, token in text) == (0o600, False, True)


def test_the_plugin_of_mlflow_is_a_plain_function_and_refuses_to_serve_without_a_token(monkeypatch):
    import tomllib

    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["mlflow.app"] == {"workbench": "workbench.pipeline.start_page:create"}
    monkeypatch.delenv("WORKBENCH_UI_TOKEN", raising=False)
    with pytest.raises(StoreError, match=r"WORKBENCH_UI_TOKEN.*: not set; start the server with: workbench ui"):
        start_page.create()


# ----------------------------------------------------------------------------------------------------- a real server


@dataclass
class Running:
    parent: subprocess.Popen
    port: int
    token: str
    study: Study
    run_id: str

    @property
    def server(self) -> int:
        return int(Path(f"/proc/{self.parent.pid}/task/{self.parent.pid}/children").read_text().split()[0])

    def get(self, path: str, *, token: str | None = None, data: bytes | None = None, **headers: str) -> Answer:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data=data, headers=headers)
        if token is not None:
            request.add_header("Authorization", f"Bearer {token}")
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return Answer(answer.status, dict(answer.headers.items()), answer.read().decode())
        except urllib.error.HTTPError as error:
            return Answer(error.code, dict(error.headers.items()), error.read().decode())


SERVING = """
import sys
from pathlib import Path
from workbench import tracking
from workbench.study import open_study
tracking.serve_ui(open_study(Path(sys.argv[1])), int(sys.argv[2]), server="workbench.pipeline.start_page",
                  say=lambda line: print(line, flush=True))
"""


@pytest.fixture(scope="module")
def running(empty_store: Path, tmp_path_factory, shown_result) -> Iterator[Running]:
    study = study_at(tmp_path_factory.mktemp("served") / "study")
    (study.root / "features").mkdir(parents=True)
    (study.root / "experiments").mkdir()
    (study.root / "features" / "cohort.toml").write_text('design = "single-arm"\n')
    study.mlruns_dir.mkdir()
    (study.root / "mlflow.py").write_text("raise SystemExit('a module of the study was imported')")
    shutil.copyfile(empty_store, study.database)
    run_id, port = keep(study, shown_result), free_port()
    command = [sys.executable, "-c", SERVING, str(study.root), str(port)]
    parent = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=study.root, env={**os.environ, "PYTHONSAFEPATH": "1"}
    )
    line = parent.stdout.readline()
    yield Running(parent, port, line.strip().partition("token=")[2], study, run_id)
    parent.kill()
    parent.wait()


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_real_server_keeps_to_itself_and_ends_with_its_parent(running):
    """One test, since starting MLflow takes seconds: strangers, the owner, the pages, the log, the end."""
    strangers(running)
    the_owner(running)
    what_others_see_of_the_process(running)
    running.parent.send_signal(signal.SIGKILL)
    running.parent.wait()
    deadline = time.monotonic() + 20
    while browser._healthy(running.port):
        assert time.monotonic() < deadline, "the server outlives its parent"
        time.sleep(0.1)


def strangers(running: Running) -> None:
    assert running.get("/health").text == "OK"
    delete = json.dumps({"run_id": running.run_id}).encode()
    paths = ("/", "/workbench", "/api/2.0/mlflow/experiments/get?experiment_id=1", "/version", "/metrics")
    assert {running.get(path).status for path in paths} == {403}
    refused = running.get("/api/2.0/mlflow/runs/delete", data=delete, **{"Content-Type": "application/json"})
    assert refused.status == 403
    assert tracking.find_run(running.study).run_id == running.run_id


def the_owner(running: Running) -> None:
    start = running.get("/workbench", token=running.token)
    assert running.study.root.name in start.text
    assert "ridge . fc+task+pet" in start.text
    assert "exploratory" in start.text
    assert "default-src 'none'" in start.headers["content-security-policy"]
    report = running.get(f"/workbench/runs/{running.run_id}/report", token=running.token)
    assert report.text == "<title>ridge . fc+task+pet</title>"
    assert report.headers["content-security-policy"].startswith("sandbox allow-scripts")
    assert running.get("/workbench/runs/none/report", token=running.token).status == 404
    index = running.get("/", token=running.token)
    assert index.text.index("workbench/remember.js") < index.text.index("static-files")
    assert "machine_learning" in running.get("/workbench/remember.js", token=running.token).text
    found = running.get("/ajax-api/2.0/mlflow/experiments/get?experiment_id=1", token=running.token)
    assert json.loads(found.text)["experiment"]["name"] == "madrs_change"
    assistant = "/ajax-api/3.0/mlflow/assistant/message"
    assert running.get(assistant, token=running.token, data=b"{}").status == 404
    other_host = running.get("/workbench", token=running.token, Host="elsewhere.example")
    assert (other_host.status, "Invalid Host header" in other_host.text) == (403, True)
    assert running.get(f"/workbench?token={running.token}").status == 403, "this client keeps no cookie"


def what_others_see_of_the_process(running: Running) -> None:
    process = Path(f"/proc/{running.server}")
    assert not Path(os.readlink(process / "cwd")).is_relative_to(running.study.root)
    for seen in (process / "cmdline", process / "environ", running.study.mlruns_dir / "ui.log"):
        assert running.token.encode() not in seen.read_bytes(), seen
    log = (running.study.mlruns_dir / "ui.log").read_text()
    assert '"GET /workbench HTTP/1.1" 303' in log
