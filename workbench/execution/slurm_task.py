"""What a task of a SLURM array does: fits its share of the work units, and stores each result.

Started by the script that `workbench.execution.on_slurm` writes, with a folder and the digest of what lies in it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from workbench.errors import WorkbenchError
from workbench.execution.blas import one_blas_thread
from workbench.execution.fitting import FitAndStore
from workbench.execution.slurm_files import read_manifest, read_task, write_failure
from workbench.execution.versions import refuse_other_versions


def fit_share(folder: Path, digest: str, task: int) -> None:
    """Fit the units of one task; those that were stored before it ends, however it ends, stay.

    Parameters
    ----------
    folder : Path
        Where the run that submitted the array wrote what is to be fitted.
    digest : str
        Of the list of files in it.
    task : int
        Which one this is.

    Raises
    ------
    WorkbenchError
        If a file is not what was written, packages differ, or a model cannot be fitted.
    """
    manifest = read_manifest(folder, digest)
    refuse_other_versions(manifest.versions, f"the node {os.environ.get('SLURMD_NODENAME', '')}")
    together, batches = read_task(folder, manifest, task)
    fit, done, total = FitAndStore(together, Path(manifest.units)), 0, sum(map(len, batches))
    with one_blas_thread():
        for batch in batches:
            fit(batch)
            done += len(batch)
            print(f"{done} of {total} fitted", flush=True)


def main() -> int:
    """Fit the share of the task that the environment names; the exit code."""
    folder, digest, task = Path(sys.argv[1]), sys.argv[2], int(os.environ["SLURM_ARRAY_TASK_ID"])
    try:
        fit_share(folder, digest, task)
    except WorkbenchError as error:
        print(error, file=sys.stderr)
        write_failure(folder, task, error)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
