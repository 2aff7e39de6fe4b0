"""Logs what the frozen model of a run predicted in another cohort: a run of its own below that run."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.records import LoggedRun
from workbench.tracking.recording import rounded
from workbench.tracking.run_files import FILES_DIGEST, files_digest
from workbench.tracking.running import OURS, clean_up_dead_runs, discard, held
from workbench.tracking.store import local_path, open_client, prepare

if TYPE_CHECKING:
    from workbench.study import Study

EXTERNAL = "external_of"
"""Tag of such a run: the run whose model predicted. Lists of runs leave it out, since it is part of that run."""
PARENT = "mlflow.parentRunId"


@dataclass(frozen=True, eq=False)
class ExternalRun:
    """A run that says nothing yet but its name, and whose files may be written once its result is counted."""

    client: Any
    run: Any

    @property
    def run_id(self) -> str:
        """Its id."""
        return str(self.run.info.run_id)

    @property
    def artifacts(self) -> Path:
        """Folder for its files."""
        return local_path(self.run.info.artifact_uri)

    def finish(self, metrics: Mapping[str, float], tags: Mapping[str, str]) -> None:
        """Log numbers and words, and finish it.

        Parameters
        ----------
        metrics : mapping of str to float
            Those that are not a number are left out.
        tags : mapping of str to str
            Hold no participant id.
        """
        from mlflow.entities import Metric, RunTag

        now = int(time.time() * 1000)
        tags = {**tags, FILES_DIGEST: files_digest(self.artifacts)}
        numbers = [Metric(name, rounded(v), now, 0) for name, v in metrics.items() if v == v]
        self.client.log_batch(self.run_id, metrics=numbers, tags=[RunTag(k, v[:8000]) for k, v in tags.items()])
        self.client.set_terminated(self.run_id, "FINISHED")


@contextmanager
def external_run(study: Study, parent: LoggedRun, name: str) -> Iterator[ExternalRun]:
    """A run below another one; whatever fails inside takes it out of the store with its files.

    Parameters
    ----------
    study : Study
        Of the run whose model predicts.
    parent : LoggedRun
        That run.
    name : str
        Of the cohort.

    Yields
    ------
    ExternalRun
    """
    prepare(study)
    client = open_client(study)
    clean_up_dead_runs(client, study)
    experiment = client.get_experiment_by_name(parent.experiment).experiment_id
    tags = {OURS: parent.tags.get(OURS, ""), EXTERNAL: parent.run_id, PARENT: parent.run_id}
    create = partial(client.create_run, experiment, tags=tags, run_name=f"{parent.name} in {name}")
    with ExitStack() as holding:
        run = holding.enter_context(held(study, create))
        opened = ExternalRun(client, run)
        try:
            opened.artifacts.mkdir(parents=True)
            yield opened
        except BaseException as error:
            discard(client, study, run, "KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")
            raise


def set_claim(study: Study, run: LoggedRun, verdict: str) -> None:
    """Say on the page of a run what its claim is since another cohort was predicted.

    Parameters
    ----------
    study : Study
    run : LoggedRun
    verdict : str
    """
    open_client(study).set_tag(run.run_id, "claim", verdict)
