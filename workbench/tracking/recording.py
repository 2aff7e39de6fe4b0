"""Logs a run: its numbers, what it was run on, and the claim in words."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.records import RunResult, Scores
from workbench.results.wording import p_text
from workbench.tracking.git import git_state
from workbench.tracking.run_files import FILES_DIGEST, files_digest
from workbench.tracking.running import OURS, clean_up_dead_runs, discard, held
from workbench.tracking.saved_view import P_VALUE, QUESTION, VIEW, VIEWS, saved_view
from workbench.tracking.store import local_path, log_inputs, open_client, prepare
from workbench.tracking.words import best_clinical, experiment_note, note, without_ids

if TYPE_CHECKING:
    from workbench.study import Study

COLUMNS_LISTED = 400
"""Features in the schema of the dataset: MLflow keeps 65,535 characters of it."""
DIGEST_LENGTH = 36
"""Characters that MLflow keeps of the digest of a dataset."""


@dataclass(frozen=True)
class OpenRun:
    """A run that is being written."""

    run_id: str
    artifacts: Path
    """Folder that holds its files; made already."""


class Recorder:
    """Keeps the runs of one command; what they share, such as the store and the state of git, is looked up once."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self._experiments: dict[str, str] = {}
        self._begun: dict[str, tuple[Any, ExitStack]] = {}

    def make_ready(self) -> None:
        """Load MLflow, open the store and ask git, which takes a second or two, before there is a run to keep."""
        self._client, self._git  # noqa: B018

    @cached_property
    def _client(self) -> Any:
        prepare(self.study)
        client = open_client(self.study)
        clean_up_dead_runs(client, self.study)
        return client

    @cached_property
    def _git(self) -> dict[str, str]:
        return git_state(self.study.root)

    def begin(self, result: RunResult) -> str:
        """Open a run that says nothing yet but its name: whoever looks at it now learns nothing of the result.

        It holds its lock until it is finished or discarded (`running.held`).

        Returns
        -------
        str
            The run id.
        """
        client, experiment = self._client, result.scores.experiment
        if experiment not in self._experiments:
            self._experiments[experiment] = _experiment(client, self.study, result.scores)
        of_plan, name = {OURS: str(result.tags.get(OURS, ""))}, result.scores.run_name
        create = partial(client.create_run, self._experiments[experiment], tags=of_plan, run_name=name)
        holding = ExitStack()
        run = holding.enter_context(held(self.study, create))
        self._begun[str(run.info.run_id)] = run, holding
        return str(run.info.run_id)

    @contextmanager
    def open_run(self, result: RunResult, run_id: str | None = None) -> Iterator[OpenRun]:
        """Open a run, let the caller write its files, then log the numbers and finish it.

        If anything fails inside, the run is marked FAILED (KILLED after Ctrl-C), deleted from the table of runs
        together with its files, and the error goes on: what is listed is complete.

        Parameters
        ----------
        run_id : str, optional
            One that was begun; default: begin one.

        Yields
        ------
        OpenRun
            The run id, and the folder to write to.
        """
        client, run_id = self._client, self.begin(result) if run_id is None else run_id
        opened = OpenRun(run_id, local_path(self._begun[run_id][0].info.artifact_uri))
        try:
            opened.artifacts.mkdir(parents=True)
            yield opened
            told = {**self._git, FILES_DIGEST: files_digest(opened.artifacts)}
            client.log_batch(run_id, metrics=_metrics(result), params=_params(result), tags=_tags(result, told))
            log_inputs(client, run_id, [_analysed_table(result)])
            client.set_terminated(run_id, "FINISHED")
        except BaseException as error:
            if isinstance(error, OSError) and error.filename is None:
                error.filename = str(opened.artifacts)  # the system does not say it of a disk that is full
            self.discard(run_id, "KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")
            raise
        self._let_go(run_id)

    def discard(self, run_id: str, status: str) -> None:
        """Mark a run that was begun and not finished, and delete it, with its files; once is enough."""
        if run_id in self._begun:
            discard(self._client, self.study, self._begun[run_id][0], status)
            self._let_go(run_id)

    def _let_go(self, run_id: str) -> None:
        _, holding = self._begun.pop(run_id)
        holding.close()


def open_run(study: Study, result: RunResult) -> AbstractContextManager[OpenRun]:
    """Open one run of a study; see `Recorder.open_run`.

    Parameters
    ----------
    study : Study
    result : RunResult

    Returns
    -------
    context manager of OpenRun
    """
    return Recorder(study).open_run(result)


def _experiment(client: Any, study: Study, scores: Scores) -> str:
    """Id of the MLflow experiment, made or brought back from the bin where needed, its page up to date."""
    found = client.get_experiment_by_name(scores.experiment)
    if found is None:
        location = (study.artifacts_dir.resolve() / scores.experiment).as_uri()
        found = client.get_experiment(client.create_experiment(scores.experiment, artifact_location=location))
    elif found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    wanted = {
        "mlflow.note.content": experiment_note(scores),
        QUESTION: scores.question,
        "mlflow.experimentKind": "custom_model_development",  # opens the page for models, not the one for chatbots
        f"{VIEWS}{VIEW}": saved_view(found.creation_time or 0),
    }
    for key, text in wanted.items():
        if found.tags.get(key) != text:
            client.set_experiment_tag(found.experiment_id, key, text)
    return str(found.experiment_id)


def headline(result: RunResult) -> dict[str, float]:
    """The metrics that the table of runs shows: `rounded`, absent ones left out.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    dict of str to float
        Some of `HEADLINE`, in that order; errors in units of the outcome. p is a tag, as text: `saved_view.P_VALUE`.
    """
    scores = result.scores
    interval, increment, clinical = scores.performance.interval, scores.increment, best_clinical(scores)
    values = {
        "r2": scores.performance.r2,
        "r2_low": None if interval is None else interval.low,
        "r2_high": None if interval is None else interval.high,
        "mae": scores.performance.mae,
        "mae_clinical": None if clinical is None else clinical.mae,
        "increment": None if increment is None else increment.delta_r2,
        "n": scores.n_participants,
    }
    return {name: rounded(value) for name, value in values.items() if value is not None and value == value}


def rounded(value: float) -> float:
    """Four significant digits, since the UI prints what it is given; more where two decimals of them would be others.

    Parameters
    ----------
    value : float

    Returns
    -------
    float

    Examples
    --------
    >>> rounded(0.23044187), rounded(1234567.0)
    (0.2304, 1235000.0)
    >>> rounded(0.324962)  # 0.32, as everywhere else: 0.325 would be read as 0.33
    0.32496
    """
    candidates = [float(f"{value:.{digits}g}") for digits in range(4, 18)]
    if abs(value) >= 100:
        return candidates[0]
    return next((each for each in candidates if f"{each:.2f}" == f"{value:.2f}"), value)


def _metrics(result: RunResult) -> list[Any]:
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    return [Metric(name, value, now, 0) for name, value in headline(result).items()]


def _analysed_table(result: RunResult) -> Any:
    """The table that was analysed, as MLflow's column of datasets shows it: name, digest, columns and their number.

    No value of any participant and no path is in it; at most `COLUMNS_LISTED` columns, as MLflow refuses long schemas.
    """
    from mlflow.entities import Dataset, DatasetInput, InputTag

    scores = result.scores
    names = [str(name) for name in result.features["name"]]
    columns = [{"name": name, "type": "double", "required": False} for name in names[:COLUMNS_LISTED]]
    table = Dataset(
        name=scores.feature_set,
        digest=str(result.tags.get("data_hash", ""))[:DIGEST_LENGTH] or "unknown",
        source_type="workbench",
        source=json.dumps({"sources": list(scores.sources)}),
        schema=json.dumps({"mlflow_colspec": columns}),
        profile=json.dumps({"num_rows": scores.n_rows, "num_elements": scores.n_rows * scores.n_features}),
    )
    return DatasetInput(table, [InputTag("mlflow.data.context", "nested cross-validation")])


def _params(result: RunResult) -> list[Any]:
    from mlflow.entities import Param

    return [Param(name, _text(value)) for name, value in result.params.items()]


def _text(value: Any) -> str:
    """A parameter as text, within the 6000 characters that MLflow keeps."""
    listed = ", ".join(str(part) for part in value) if isinstance(value, list | tuple) else str(value)
    return listed[:6000]


def _tags(result: RunResult, git: Mapping[str, str]) -> list[Any]:
    from mlflow.entities import RunTag

    tags = {
        **result.tags,
        "claim": result.claim.verdict,
        P_VALUE: _p_value(result.scores),
        **git,
        "mlflow.note.content": note(result),
    }
    known = _participants(result)
    return [RunTag(name, without_ids(str(value), known)[:8000]) for name, value in tags.items()]


def _p_value(scores: Scores) -> str:
    p = scores.judged_p if scores.judged_p is not None else scores.test.p
    return "" if p is None else p_text(p)


def _participants(result: RunResult) -> frozenset[str]:
    lost = (participant for step in result.flow for participant in step.participants)
    return frozenset(result.predictions["participant_id"].unique()).union(lost)
