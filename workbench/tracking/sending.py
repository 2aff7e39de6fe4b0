"""Copies finished runs to an MLflow server that the user names, where a group looks at the runs of several studies.

The study keeps its own store, which its ledger is held against: a server that is down loses nothing, and the copy can
be made later. Numbers, settings and words are copied, none of which names a participant; files only where that is asked
for, since predictions, folds and the report hold ids and ratings.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from workbench.errors import Problem, StoreError
from workbench.tracking.mlflow_module import load_mlflow
from workbench.tracking.store import log_inputs, open_client

if TYPE_CHECKING:
    from workbench.records import LoggedRun
    from workbench.study import Study

SENT = "run_in_study"
"""Tag of a copy: the id of its run in the study."""
STUDY = "study"
"""Tag of a copy: the name of the study's folder."""
KEEPS_FILES = "mlflow-artifacts:"
"""What the server itself keeps and hands out, so that whoever asks needs neither its disk nor its address of before."""
SETTINGS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # else it tries for many minutes
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
"""Of MLflow's client; what the user has set stays."""
AT_FIRST = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}
"""Of the first request, which only finds out whether somebody answers."""


class Server:
    """An MLflow server, tried once when it is named.

    Parameters
    ----------
    address : str
        Such as ``https://mlflow.lab.example``; user and password stand in MLflow's own environment variables.

    Raises
    ------
    StoreError
        If it is no address, or nobody answers there.
    """

    def __init__(self, address: str) -> None:
        self.address = _checked(address)
        for name, value in SETTINGS.items():
            os.environ.setdefault(name, value)
        self._client = load_mlflow().MlflowClient(tracking_uri=self.address)
        with self._in_one_line(), _environment(AT_FIRST):
            self._client.search_experiments(max_results=1)

    def send(self, study: Study, runs: Sequence[LoggedRun], *, files: bool = False) -> tuple[str, ...]:
        """Copy runs that are not there yet; a copy that was not finished is made again.

        Parameters
        ----------
        study : Study
        runs : sequence of LoggedRun
            Finished, and counted by the ledger.
        files : bool
            Also everything that a run left, ids and ratings of participants among it.

        Returns
        -------
        tuple of str
            Ids of the copies, in the order of `runs`.

        Raises
        ------
        StoreError
            If one is not finished, or lacks the files that are to be sent; if the server does not take them, or keeps
            no files itself.
        """
        own = open_client(study)
        originals = [(own.get_run(run.run_id), run) for run in runs]
        for original, run in originals:
            _check_whole(original, run, files=files)
        with self._in_one_line():
            return tuple(self._copied(study.root.name, own, original, run, files=files) for original, run in originals)

    def _copied(self, study: str, own: Any, original: Any, run: LoggedRun, *, files: bool) -> str:
        """Id of the copy of a run of the study with this name, whose store `own` reads."""
        experiment = self._experiment(f"{study}/{run.experiment}", run.experiment, own)
        for earlier in self._client.search_runs([experiment], filter_string=f"tags.{SENT} = '{run.run_id}'"):
            if earlier.info.status == "FINISHED" and (not files or self._has_files(earlier)):
                return str(earlier.info.run_id)
            self._client.delete_run(earlier.info.run_id)
        tags = {**_plain_tags(original), SENT: run.run_id, STUDY: study}
        copy = self._client.create_run(
            experiment, start_time=original.info.start_time, tags=tags, run_name=original.info.run_name
        )
        copy_id = str(copy.info.run_id)
        if files:
            if not copy.info.artifact_uri.startswith(KEEPS_FILES):
                self._client.delete_run(copy_id)
                hint = "start it with --artifacts-destination, or send without files"
                raise StoreError(Problem(self.address, "keeps no files itself, so none can be sent", hint))
            self._client.log_artifacts(copy_id, str(run.artifacts))
        from mlflow.entities import Metric, Param

        metrics = [Metric(m.key, m.value, m.timestamp, m.step) for m in _metrics(own, original)]
        parameters = [Param(name, value) for name, value in original.data.params.items()]
        for first in range(0, max(len(metrics), 1), 900):  # MLflow takes 1000 things at a time
            self._client.log_batch(copy_id, metrics=metrics[first : first + 900], params=[] if first else parameters)
        if original.inputs.dataset_inputs:
            log_inputs(self._client, copy_id, original.inputs.dataset_inputs)
        self._client.set_terminated(copy_id, "FINISHED", original.info.end_time)
        return copy_id

    def _experiment(self, name: str, own_name: str, own: Any) -> str:
        """Id of the experiment there, made where needed; another run may make it at the same moment."""
        from mlflow.exceptions import MlflowException

        there = self._client.get_experiment_by_name(name)
        if there is None:
            tags = own.get_experiment_by_name(own_name).tags
            try:
                return str(self._client.create_experiment(name, tags=tags))
            except MlflowException:
                there = self._client.get_experiment_by_name(name)
                if there is None:
                    raise
        if there.lifecycle_stage == "deleted":
            self._client.restore_experiment(there.experiment_id)
        return str(there.experiment_id)

    def _has_files(self, copy: Any) -> bool:
        return bool(self._client.list_artifacts(copy.info.run_id))

    @contextmanager
    def _in_one_line(self) -> Iterator[None]:
        """Whatever keeps the server from answering, as a `StoreError`."""
        from mlflow.exceptions import MlflowException
        from requests import RequestException

        try:
            yield
        except (MlflowException, RequestException) as error:
            words = " ".join(str(error).split())
            hint = "start it, or name another: http://HOST:PORT"
            if " 401" in words or " 403" in words:
                hint = "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"
            reason = f"no MLflow server takes this ({words[:200]})"
            if "timed out" in words:
                reason = "takes the call and does not answer"
            raise StoreError(Problem(self.address, reason, hint)) from error


@contextmanager
def _environment(settings: Mapping[str, str]) -> Iterator[None]:
    """These variables inside, those of before afterwards."""
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _checked(address: str) -> str:
    """The address without a slash at its end; refused where it is none, or holds a password, which logs would show."""
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise StoreError(Problem(address, "is no address of an MLflow server", "such as https://mlflow.lab.example"))
    if parts.username or parts.password:
        shown = f"{parts.scheme}://{parts.hostname}"
        hint = "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD instead"
        raise StoreError(Problem(shown, "the address holds a user or a password", hint))
    return address.rstrip("/")


def _check_whole(original: Any, run: LoggedRun, *, files: bool) -> None:
    """Nothing goes out that looks like a whole run and is none."""
    if (original.info.status, original.info.lifecycle_stage) != ("FINISHED", "active"):
        hint = "run the experiment again, then send"
        raise StoreError(Problem(f"run {run.run_id}", "is not finished, so there is nothing to send", hint))
    if files and not (run.artifacts.is_dir() and any(run.artifacts.iterdir())):
        hint = "put its files back from a backup, or send without files"
        raise StoreError(Problem(str(run.artifacts), f"the files of run {run.run_id} are gone", hint))


def _plain_tags(original: Any) -> dict[str, str]:
    """Tags without those that MLflow sets itself; the note is one of ours."""
    mine = ("mlflow.note.content",)
    return {name: value for name, value in original.data.tags.items() if name in mine or not name.startswith("mlflow.")}


def _metrics(own: Any, original: Any) -> list[Any]:
    """Every step of every metric."""
    return [each for name in original.data.metrics for each in own.get_metric_history(original.info.run_id, name)]
