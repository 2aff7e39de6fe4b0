from __future__ import annotations

import os
import shutil
import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from made_studies import study_with_store
from mlflow.exceptions import MlflowException

from workbench import tracking
from workbench.errors import StoreError
from workbench.records import LoggedRun
from workbench.study import Study
from workbench.tracking import sending
from workbench.tracking.mlflow_module import store_uri


@pytest.fixture
def study(tmp_path, empty_store):
    return study_with_store(tmp_path / "trial", empty_store)


@pytest.fixture
def server(tmp_path, empty_store, monkeypatch):
    """A store of its own in place of a server: the same client speaks to both."""
    database = tmp_path / "server.db"
    shutil.copyfile(empty_store, database)
    monkeypatch.setattr(sending, "_checked", lambda address: store_uri(database))
    return tracking.Server("http://127.0.0.1:1")


def keep(study: Study, result) -> LoggedRun:
    with tracking.open_run(study, result) as opened:
        (opened.artifacts / "predictions.tsv").write_text("participant_id\n")
    return LoggedRun(opened.run_id, "", result.scores.experiment, opened.artifacts, {}, {}, "")


def test_a_copy_has_the_numbers_settings_and_words_of_the_run_and_no_file(study, server, shown_result):
    run = keep(study, shown_result)
    (copy,) = server.send(study, [run])
    own = tracking.store.open_client(study).get_run(run.run_id)
    there = server._client.get_run(copy)
    assert there.info.status == "FINISHED"
    assert (there.info.start_time, there.info.end_time) == (own.info.start_time, own.info.end_time)
    assert (there.data.metrics, there.data.params) == (own.data.metrics, own.data.params)
    assert there.data.tags["claim"] == own.data.tags["claim"]
    assert there.data.tags["mlflow.note.content"] == own.data.tags["mlflow.note.content"]
    assert there.data.tags["run_in_study"] == run.run_id
    assert there.inputs.dataset_inputs[0].dataset.digest == own.inputs.dataset_inputs[0].dataset.digest
    assert server._client.list_artifacts(copy) == []
    experiment = server._client.get_experiment(there.info.experiment_id)
    assert experiment.name == f"trial/{shown_result.scores.experiment}"
    words = "".join([*there.data.tags.values(), *there.data.params.values(), *experiment.tags.values()])
    assert "sub-" not in words


def test_a_run_that_is_there_is_not_sent_again_and_a_half_sent_one_is(study, server, shown_result):
    run = keep(study, shown_result)
    (first,) = server.send(study, [run])
    assert server.send(study, [run]) == (first,)
    server._client.set_terminated(first, "RUNNING")
    (second,) = server.send(study, [run])
    assert second != first
    experiment = server._client.get_run(second).info.experiment_id
    assert [each.info.run_id for each in server._client.search_runs([experiment])] == [second]


def test_a_table_that_another_run_logs_at_the_same_moment_is_logged_the_second_time(
    study, server, shown_result, monkeypatch
):
    """Two that are the first of an experiment both add its row; PostgreSQL refuses one of them."""
    run = keep(study, shown_result)
    log_inputs, refusals = server._client.log_inputs, ["duplicate key value violates unique constraint"]

    def raced(*arguments):
        if refusals:
            raise MlflowException(refusals.pop())
        log_inputs(*arguments)

    monkeypatch.setattr(server._client, "log_inputs", raced)
    (copy,) = server.send(study, [run])
    assert len(server._client.get_run(copy).inputs.dataset_inputs) == 1
    refusals += ["the server is on fire"] * 2
    with pytest.raises(StoreError, match=r"no MLflow server takes this \(the server is on fire"):
        server.send(study, [keep(study, shown_result)])


def test_what_is_no_whole_run_of_the_study_is_not_sent(study, server, shown_result):
    """A copy that says FINISHED and holds no file would be taken for a run without results."""
    run = keep(study, shown_result)
    shutil.rmtree(run.artifacts)
    with pytest.raises(StoreError, match=rf"the files of run {run.run_id} are gone; put its files back from a backup"):
        server.send(study, [run], files=True)
    tracking.store.open_client(study).set_terminated(run.run_id, "KILLED")
    with pytest.raises(StoreError, match=f"run {run.run_id}: is not finished, so there is nothing to send"):
        server.send(study, [run])
    assert server._client.search_runs(["0", "1"]) == []


def test_files_are_not_written_to_a_disk_that_the_server_merely_names(study, server, shown_result):
    run = keep(study, shown_result)
    with pytest.raises(StoreError, match="keeps no files itself, so none can be sent; start it with --artifacts-dest"):
        server.send(study, [run], files=True)
    assert server._client.search_runs(["0", "1"]) == []


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("mlflow.lab.example", "is no address of an MLflow server; such as https://"),
        ("sqlite:///mlflow.db", "is no address of an MLflow server"),
        ("https://me:secret@mlflow.lab.example", r"https://mlflow.lab.example: the address holds a user or a password"),
    ],
)
def test_an_address_is_checked_before_anything_is_sent(address, message):
    with pytest.raises(StoreError, match=message) as caught:
        tracking.Server(address)
    assert "secret" not in str(caught.value)


@pytest.fixture
def refusing():
    """A server that lets nobody in."""

    class Refuses(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(401)

        def do_POST(self) -> None:
            self.send_error(401)

        def log_message(self, *_: object) -> None:
            pass

    listener = HTTPServer(("127.0.0.1", 0), Refuses)
    threading.Thread(target=listener.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{listener.server_port}"
    listener.shutdown()
    listener.server_close()


def test_a_server_that_is_down_or_lets_nobody_in_is_named_with_what_to_do(refusing, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(
        StoreError, match=r"no MLflow server takes this \(.*401.*set MLFLOW_TRACKING_USERNAME and MLFLOW"
    ):
        tracking.Server(refusing)
    with pytest.raises(StoreError, match=r"127\.0\.0\.1:9: no MLflow server takes this .*; start it, or name another"):
        tracking.Server("http://127.0.0.1:9")


def test_a_server_that_takes_the_call_and_never_answers_is_given_up_at_once(monkeypatch):
    """Without trying again, which MLflow does for minutes; what the user has set is as before afterwards."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "77")
    monkeypatch.setitem(sending.AT_FIRST, "MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(StoreError, match=f"{address}: takes the call and does not answer; start it, or name"):
            tracking.Server(address)
    assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "77"


def test_a_run_that_could_not_be_sent_is_kept_and_the_command_that_sends_it_later_is_shown(monkeypatch):
    from types import SimpleNamespace

    from workbench.pipeline import experiment

    def refuse(*_: object, **__: object) -> None:
        raise StoreError("http://h: no MLflow server takes this")

    server = SimpleNamespace(address="http://h", send=refuse)
    run = SimpleNamespace(
        run_id="0123456789", result=SimpleNamespace(scores=SimpleNamespace(display_name="ridge on dmn4"))
    )
    monkeypatch.setattr(tracking, "find_run", lambda study, run_id: run_id)
    warnings: list[str] = []
    experiment._send(None, run, server, files=True, warn=warnings.append)
    assert warnings[0].startswith("ridge on dmn4 is kept here and was not sent: http://h: no MLflow server takes this")
    assert warnings[0].endswith("send it later: workbench send 01234567 --to http://h --files")
