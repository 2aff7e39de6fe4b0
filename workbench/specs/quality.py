"""``[quality.NAME]`` of ``features/cohort.toml``: motion, retained volumes and coverage, as a pipeline wrote them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from workbench.specs.base import Finding, Name, Spec, Text


class QualitySpec(Spec):
    """Files of one pipeline, one per scan, that become covariates of the participants."""

    reader: Literal["fmriprep-confounds", "xcpd-qc", "xcpd-motion", "halfpipe", "mriqc"]
    """Who wrote the files."""
    files: Text
    """Glob beside the data with {participant}, and {session} where names hold one; for mriqc also its group table."""
    at: Name | None = None
    """The session that is taken, where names hold one."""
    task: Text | None = None
    """mriqc: the task whose rows of the group table are taken."""
    runs: Literal["mean", "worst", "first"] | None = None
    """Several runs of one session. mean: as if they were one scan, volumes counted together. worst: of every column the
    worst of them. first: by name. Without, several runs are refused."""
    repetition_time_s: float | None = Field(default=None, gt=0)
    """xcpd-qc: seconds per volume, from which retained_s is made."""
    prefix: str = ""
    """Written before the names of its columns: rest_ makes rest_mean_fd."""

    def rules(self) -> Iterator[Finding]:
        """Names say whose files they are; a session is taken where there are several."""
        table = self.reader == "mriqc" and self.files.endswith((".tsv", ".csv"))
        if "{participant}" not in self.files and not table:
            hint = "write {participant} where the id stands: sub-{participant}/**/*_desc-confounds_timeseries.tsv"
            yield Finding(("files",), f"{self.files!r} does not say where the participant id stands", hint)
        if "{session}" in self.files and self.at is None:
            yield Finding(("at",), "is missing, and files have {session}", 'the session to take, such as at = "ses-b0"')
        if self.at is not None and "{session}" not in self.files and not table:
            hint = "write {session} where the session stands in files, or leave at out"
            yield Finding(("at",), "names a session, and files have no {session}", hint)
        if self.task is not None and not table:
            yield Finding(("task",), "is for the group table of MRIQC", "write the task into the pattern of files")
        if self.repetition_time_s is not None and self.reader != "xcpd-qc":
            yield Finding(("repetition_time_s",), "has a meaning for xcpd-qc only", "leave it out")
