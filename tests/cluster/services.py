"""Starts real services on 127.0.0.1 in one temporary folder, and stops them: SLURM, PostgreSQL, MLflow, Dask.

Nothing outside that folder is written or changed: each service has settings, sockets and data of its own there, and
runs beside one that the machine may have.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

START_S = 120.0
SLURM_CONF = """
ClusterName=workbench
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={daemon}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} State=UNKNOWN
PartitionName=debug Nodes=ALL Default=YES MaxTime=00:30:00 State=UP
"""


def install(packages: Sequence[str], programs: Sequence[str]) -> None:
    """Install Debian packages where a program of theirs is missing."""
    places = [*os.environ.get("PATH", "").split(os.pathsep), "/usr/sbin", "/usr/local/sbin"]
    missing = [name for name in programs if shutil.which(name, path=os.pathsep.join(places)) is None]
    if not missing:
        return
    print(f"installing {', '.join(packages)} (missing: {', '.join(missing)}) ...", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["apt-get", "update", "-qq"],
        ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages],
    ):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{' '.join(command)} failed; run it as root, then try again:\n{done.stderr[-2000:]}")


def free_port() -> int:
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def running(command: Sequence[str], log: Path, **options: object) -> Iterator[subprocess.Popen[bytes]]:
    """A process in the foreground, ended afterwards with all that it started."""
    with log.open("ab") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True, **options)  # type: ignore[call-overload]
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, 15)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()


def wait_until(ready: Callable[[], bool], what: str, log: Path, process: subprocess.Popen[bytes] | None = None) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and (process is None or process.poll() is None):
        if ready():
            return
        time.sleep(0.2)
    tail = log.read_text(errors="replace")[-2000:] if log.exists() else ""
    sys.exit(f"{what} did not start:\n{tail}")


def answers(command: Sequence[str], environment: Mapping[str, str], text: str = "") -> bool:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return done.returncode == 0 and text in done.stdout


@contextmanager
def slurm(folder: Path, *, cpus: int) -> Iterator[dict[str, str]]:
    """SLURM on this node alone; gives the environment in which its commands find it."""
    host = socket.gethostname().partition(".")[0]
    for name in ("munge", "state", "spool"):
        (folder / name).mkdir(parents=True)
    folder.chmod(0o755)
    (folder / "munge").chmod(0o755)
    key = folder / "munge" / "munge.key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o600)
    conf = folder / "slurm.conf"
    conf.write_text(SLURM_CONF.format(folder=folder, host=host, cpus=cpus, controller=free_port(), daemon=free_port()))
    environment = {**os.environ, "SLURM_CONF": str(conf), "PATH": f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin"}
    which = {name: shutil.which(name, path=environment["PATH"]) or name for name in ("munged", "slurmctld", "slurmd")}
    munge = [which["munged"], "--foreground", "--force", f"--key-file={key}"]
    munge += [
        f"--{name}-file={folder}/munge/munged.{ending}"
        for name, ending in (("log", "log"), ("pid", "pid"), ("seed", "seed"))
    ]
    log = folder / "start.log"
    with running([*munge, f"--socket={folder}/munge/munge.socket"], log) as process:
        wait_until((folder / "munge" / "munge.socket").exists, "munged", log, process)
        controller = running([which["slurmctld"], "-D", "-f", str(conf)], log, env=environment)
        daemon = running([which["slurmd"], "-D", "-f", str(conf)], log, env=environment)
        with controller, daemon:
            idle = ["sinfo", "--noheader", "--format=%T"]
            wait_until(lambda: answers(idle, environment, "idle"), "SLURM", folder / "slurmctld.log")
            yield environment


@contextmanager
def postgresql(folder: Path) -> Iterator[str]:
    """A PostgreSQL of our own; gives the address of a database for MLflow."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1]
    data, log, port, password = folder / "data", folder / "postgresql.log", free_port(), os.urandom(12).hex()
    folder.mkdir(parents=True)
    (folder / "password").write_text(password)
    for path in (folder, folder / "password"):
        shutil.chown(path, "postgres")
    own = ["runuser", "-u", "postgres", "--"]
    made = [*own, programs / "initdb", "-D", data, "--auth=scram-sha-256", f"--pwfile={folder}/password"]
    subprocess.run([str(part) for part in made], check=True, capture_output=True, cwd="/")
    settings = ["-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={folder}", "-p", str(port)]
    command = [str(part) for part in [*own, programs / "postgres", "-D", data, *settings]]
    environment = {**os.environ, "PGPASSWORD": password}
    with running(command, log, cwd="/") as process:
        ask = [str(programs / "psql"), "-h", "127.0.0.1", "-p", str(port), "-U", "postgres", "-c", "select 1"]
        wait_until(lambda: answers(ask, environment), "PostgreSQL", log, process)
        yield f"postgresql+psycopg2://postgres:{password}@127.0.0.1:{port}/postgres"


@contextmanager
def mlflow_server(folder: Path, database: str, workers: int = 2) -> Iterator[str]:
    """An MLflow tracking server that keeps artifacts itself; gives its address."""
    folder.mkdir(parents=True, exist_ok=True)
    port, log = free_port(), folder / "mlflow.log"
    # The address of the database holds a password: environment, not command line, which everybody can list.
    environment = {
        **os.environ,
        "MLFLOW_BACKEND_STORE_URI": database,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--artifacts-destination", str(folder / "artifacts"), "--workers", str(workers)]
    upgrade = [sys.executable, "-m", "mlflow", "db", "upgrade", database]
    subprocess.run(upgrade, env=environment, check=True, capture_output=True)
    with running(command, log, env=environment) as process:
        wait_until(lambda: _up(f"http://127.0.0.1:{port}/health"), "the MLflow server", log, process)
        yield f"http://127.0.0.1:{port}"


def _up(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=2) as answer:
            return int(answer.status) == 200
    except OSError:
        return False


@contextmanager
def dask_scheduler(folder: Path, *, workers: int) -> Iterator[str]:
    """A Dask scheduler and worker processes, as somebody else would have started them; gives its address."""
    folder.mkdir(parents=True)
    port, log = free_port(), folder / "dask.log"
    address = f"tcp://127.0.0.1:{port}"
    scheduler = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", str(port)]
    worker = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--host", "127.0.0.1", "--nthreads", "1"]
    worker += ["--nworkers", str(workers), "--no-dashboard", "--local-directory", str(folder)]
    nowhere = ["--no-dashboard", "--dashboard-address", "127.0.0.1:0"]

    def started() -> bool:
        return log.exists() and log.read_text(errors="replace").count("Starting established") >= workers

    with running([*scheduler, *nowhere], log, cwd=folder), running([*worker, *nowhere[1:]], log, cwd=folder) as process:
        wait_until(started, "Dask", log, process)
        yield address
