"""The four programs of SLURM that are called, and what they answer: sbatch, squeue and scancel."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from workbench.errors import FitError, Problem, Problems, SpecError, did_you_mean

JOB_NAME = "workbench"
"""Of every array: who looks at the queue learns nothing else."""
OURS = {"array", "chdir", "error", "export", "input", "job-name", "output", "parsable", "test-only", "wait", "wrap"}
"""Options of sbatch that the workbench sets itself."""
KNOWN = {"account", "begin", "constraint", "cores-per-socket", "cpus-per-task", "deadline", "dependency", "exclude"}
KNOWN |= {"exclusive", "extra", "gres", "hold", "licenses", "mail-type", "mail-user", "mem", "mem-per-cpu", "nice"}
KNOWN |= {"no-requeue", "nodelist", "nodes", "ntasks", "oversubscribe", "partition", "prefer", "priority", "qos"}
KNOWN |= {"requeue", "reservation", "time", "time-min", "tmp"}
"""Options of sbatch that can be given, with their long names."""
PRIVATE = ("MLFLOW_", "WORKBENCH_")
"""Beginnings of names in the environment that jobs have no use for, such as the password of a server."""
PATIENCE_S = 120.0
"""How long one of SLURM's programs may take to answer."""
ENDED_WELL = "COMPLETED"
NOT_ENDED = {"PENDING", "RUNNING", "SUSPENDED", "COMPLETING", "CONFIGURING", "RESIZING", "REQUEUED", "REQUEUE_HOLD"}
NOT_ENDED |= {"REQUEUE_FED", "SPECIAL_EXIT", "SIGNALING", "STAGE_OUT", "STOPPED", "RESV_DEL_HOLD"}


def check_options(options: Sequence[str], problems: Problems) -> None:
    """Note what is wrong with options for sbatch before anything is read.

    Parameters
    ----------
    options : sequence of str
        Such as ``--partition=short``.
    problems : Problems
    """
    for option in options:
        where = f"--slurm-option {option}"
        match = re.fullmatch(r"--([a-z][a-z-]*)(?:=([^\n\r\0]+))?", option)
        if match is None:
            problems.add(where, "is no option of sbatch in its long form", "such as --slurm-option=--partition=short")
        elif match[1] in OURS:
            problems.add(where, "is set by the workbench", "leave it out")
        elif match[1] not in KNOWN:
            problems.add(where, "is no option that can be given", did_you_mean(match[1], KNOWN))


def submit(script: Path, *, tasks: int, options: Sequence[str]) -> str:
    """Hand a job array to SLURM.

    Parameters
    ----------
    script : Path
        Its folder is where the tasks run and where their logs are written: ``task-N.log``.
    tasks : int
        Of the array.
    options : sequence of str
        For sbatch, checked already.

    Returns
    -------
    str
        Number of the job.

    Raises
    ------
    FitError
        With what sbatch says.
    """
    own = [f"--job-name={JOB_NAME}", f"--array=0-{tasks - 1}", f"--chdir={script.parent}", "--output=task-%a.log"]
    answer = _asked(["sbatch", "--parsable", *options, *own, str(script)], cwd=script.parent)
    return answer.strip().splitlines()[-1].partition(";")[0]


def try_options(options: Sequence[str], folder: Path) -> None:
    """Ask sbatch whether it would take a job with these options; nothing is submitted.

    Parameters
    ----------
    options : sequence of str
    folder : Path
        Exists.

    Raises
    ------
    FitError
        With what sbatch says.
    """
    _asked(["sbatch", "--test-only", *options, "--wrap=true"], cwd=folder)


def states(job: str) -> Mapping[int, str] | None:
    """The state of each task of an array, as squeue has it; None where SLURM does not answer just now.

    Parameters
    ----------
    job : str

    Returns
    -------
    mapping of int to str or None
        Empty where the job is forgotten, some minutes after it ended.
    """
    command = ["squeue", "--noheader", "--states=all", "--array", f"--jobs={job}", "--format=%K %T"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode:
        return {} if "Invalid job id" in done.stderr else None
    lines = (line.split() for line in done.stdout.splitlines())
    return {int(parts[0]): parts[1] for parts in lines if len(parts) == 2 and parts[0].isdigit()}


def is_in(job: str, folder: Path) -> bool:
    """Whether a job is one of the workbench that runs in a folder: what a file says of a job is not believed.

    Parameters
    ----------
    job : str
    folder : Path

    Returns
    -------
    bool
    """
    if not job.isdigit():
        return False
    command = ["squeue", "--noheader", "--me", f"--jobs={job}", "--format=%j %Z"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return any(line.strip() == f"{JOB_NAME} {folder}" for line in done.stdout.splitlines())


def cancel(job: str) -> None:
    """Call off a job, and whatever of it is running.

    Parameters
    ----------
    job : str
    """
    try:
        subprocess.run(["scancel", job], capture_output=True, timeout=PATIENCE_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return


def _asked(command: Sequence[str], *, cwd: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(PRIVATE)}
    try:
        done = subprocess.run(
            command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )
    except FileNotFoundError as error:
        hint = "run where jobs are submitted, or leave --backend out"
        raise SpecError(Problem("--backend slurm", f"there is no {command[0]} on this machine", hint)) from error
    except subprocess.TimeoutExpired as error:
        raise FitError(
            Problem(command[0], f"has not answered for {PATIENCE_S:.0f} s", "ask whether SLURM is up")
        ) from error
    if done.returncode:
        words = " ".join(done.stderr.split()) or f"exit code {done.returncode}"
        raise FitError(Problem(command[0], words, "see --slurm-option, and whether sinfo lists nodes that are up"))
    return done.stdout
