"""Keeps every run in MLflow, finds it again and shows it in the browser: the only package that imports mlflow.

A run is opened before its files are written, so that they lie in their final place at once and may name the run::

    with open_run(study, result) as opened:
        write_run(result, opened.artifacts, run_id=opened.run_id)

A command that keeps several runs opens them with one `Recorder`, which looks up once what they share. It begins a run
with nothing but its name, so that its result can be counted before anything of it is written.

One MLflow run per `RunResult`; none per fold, trial or permutation. Nothing that is logged names a participant.
"""

from workbench.tracking.browser import serve_ui, ui_url
from workbench.tracking.external_runs import external_run, set_claim
from workbench.tracking.finding import TOGETHER, find_run, finished_runs, hide_uncounted, list_experiments, list_runs
from workbench.tracking.git import git_state
from workbench.tracking.one_at_a_time import held_alone, holder_of
from workbench.tracking.other_store import StoredRun, stored_runs, take_over
from workbench.tracking.recording import OpenRun, Recorder, open_run
from workbench.tracking.remembered import remember_script
from workbench.tracking.run_files import FILES_DIGEST, files_digest
from workbench.tracking.running import failed_runs, remove_failed_runs
from workbench.tracking.sending import Server
from workbench.tracking.store import keep_private, prepare, repair_artifact_locations

__all__ = [
    "FILES_DIGEST",
    "TOGETHER",
    "OpenRun",
    "Recorder",
    "Server",
    "StoredRun",
    "external_run",
    "failed_runs",
    "files_digest",
    "find_run",
    "finished_runs",
    "git_state",
    "held_alone",
    "hide_uncounted",
    "holder_of",
    "keep_private",
    "list_experiments",
    "list_runs",
    "open_run",
    "prepare",
    "remember_script",
    "remove_failed_runs",
    "repair_artifact_locations",
    "serve_ui",
    "set_claim",
    "stored_runs",
    "take_over",
    "ui_url",
]
