"""Finds the run that a person means."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from workbench.errors import StoreError
from workbench.records import LoggedRun
from workbench.tracking.store import local_path, need_store, open_client, repair_artifact_locations

if TYPE_CHECKING:
    from workbench.study import Study


def list_runs(study: Study, experiment: str | None = None) -> tuple[LoggedRun, ...]:
    """Finished runs, the last finished first.

    Parameters
    ----------
    study : Study
    experiment : str, optional
        Only the runs of this experiment.

    Raises
    ------
    StoreError
        If nothing has been run yet.
    """
    need_store(study)
    repair_artifact_locations(study)
    client = open_client(study)
    names = {each.experiment_id: each.name for each in client.search_experiments()}
    wanted = [key for key, name in names.items() if experiment in (None, name)]
    runs = [run for run in _search(client, wanted) if run.info.status == "FINISHED"]
    return tuple(_logged(run, names[run.info.experiment_id]) for run in runs)


def _search(client: Any, experiment_ids: Sequence[str]) -> Iterator[Any]:
    order, token = ["attributes.end_time DESC", "attributes.start_time DESC"], None
    while experiment_ids:
        page = client.search_runs(list(experiment_ids), order_by=order, max_results=1000, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _logged(run: Any, experiment: str) -> LoggedRun:
    return LoggedRun(
        run_id=run.info.run_id,
        name=run.info.run_name,
        experiment=experiment,
        artifacts=local_path(run.info.artifact_uri),
        tags={name: value for name, value in run.data.tags.items() if not name.startswith("mlflow.")},
        metrics=dict(run.data.metrics),
    )


def find_run(study: Study, run: str = "latest") -> LoggedRun:
    """The finished run that a person means.

    Parameters
    ----------
    study : Study
    run : str
        MLflow run id, a unique prefix of one, a run name, or ``latest`` for the last finished run.

    Raises
    ------
    StoreError
        If there is none, or more than one; the message lists the choices.
    """
    runs = list_runs(study)
    if not runs:
        raise StoreError(f"{study.root}: no run has finished yet; start with: workbench run EXPERIMENT")
    if run == "latest":
        return runs[0]
    chosen = [each for each in runs if run and (each.run_id.startswith(run.lower()) or each.name == run)]
    if len(chosen) == 1:
        return chosen[0]
    if chosen:
        raise StoreError(f"{len(chosen)} runs are meant by {run!r}; give more of one id:\n{_choices(chosen)}")
    raise StoreError(f"no finished run has the id or name {run!r}; the last ones are:\n{_choices(runs)}")


def _choices(runs: Sequence[LoggedRun], most: int = 10) -> str:
    lines = [f"  {run.run_id[:8]}  {run.name}  ({run.experiment}: {run.tags.get('claim', '')})" for run in runs[:most]]
    return "\n".join([*lines, *([f"  and {len(runs) - most} more"] if len(runs) > most else [])])
