"""``[quality.NAME]`` of a draft: the files of a pipeline that say how much everybody moved in the scanner."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from workbench.drafting.kinds import entity
from workbench.drafting.material import FileGroup
from workbench.drafting.records import Entry, Section
from workbench.drafting.sessions import Visits

READERS = (
    ("xcpd-motion", r"_motion\.tsv"),
    ("xcpd-qc", r"_desc-\w+_qc\.(tsv|csv)"),
    ("fmriprep-confounds", r"_desc-confounds_(timeseries|regressors)\.tsv"),
)
"""Readers of `quality` by the ends of names, the one that is taken first where a study has files of several."""


@dataclass(frozen=True)
class MotionFiles:
    """Files that hold the motion of one scan of everybody.

    Parameters
    ----------
    pattern : str
        Of the files, as they were found.
    section : Section
        What is said of them in ``features/cohort.toml``.
    """

    pattern: str
    section: Section


def motion_files(groups: Sequence[FileGroup], visits: Visits) -> MotionFiles | None:
    """The files that mean framewise displacement is taken from, if there are any.

    Parameters
    ----------
    groups : sequence of FileGroup
    visits : Visits

    Returns
    -------
    MotionFiles or None
        Of the scan before treatment; those of a resting scan before others.
    """
    for reader, ends in READERS:
        found = [group for group in groups if re.search(ends + "$", group.pattern)]
        if found:
            group = min(found, key=lambda each: (entity(each.pattern, "task") != "rest", each.pattern))
            return MotionFiles(group.pattern, _section(group, reader, visits))
    return None


def _section(group: FileGroup, reader: str, visits: Visits) -> Section:
    files, entries = group.pattern, []
    if group.sessions:
        counted = sorted(visits.counted.get(group.pattern, ()))
        if counted:  # the study calls its sessions otherwise: the first is written into the pattern
            files = files.replace("{session}", counted[0].removeprefix("ses-"))
        else:
            entries = [Entry("at", visits.before, "guessed", "it is the session before treatment")]
    why = "these files say how much each participant moved: mean_fd can be held fixed, and exclude"
    note = Entry("", None, "guessed", why)
    name = entity(group.pattern, "task") or "scan"
    return Section(("quality", name), (Entry("reader", reader), Entry("files", files), *entries), (note,))
