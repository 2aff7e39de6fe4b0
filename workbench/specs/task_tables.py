"""Options of the readers of task betas in tables: 3dROIstats of AFNI, and releases of the ABCD study."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from workbench.specs.base import Finding, Text
from workbench.specs.source import SourceSpec

PARTICIPANT, SESSION = "{participant}", "{session}"


class AfniSource(SourceSpec):
    """Tables of 3dROIstats: one row for each dataset and sub-brick, one column for each region of a mask."""

    reader: Literal["afni"]
    files: Text
    """Glob beside the data; with {participant} (and {session}) where a table is of one participant."""
    dataset: Text | None = None
    """What the column File holds, where a table is of several: "**/sub-{participant}/*_stats+tlrc*"."""
    labels: Text | None = None
    """Table that names the numbers of the mask; without it features are Mean_1, Mean_2 .."""
    statistic: Text | None = None
    """Which columns are read, where there are several: "Mean", "NZMean", "Med" .."""
    contrasts: dict[Text, Text] = Field(default_factory=dict)
    """Contrasts by the name that their features get: the label in brackets after the sub-brick (of "3[win#0_Coef]" it
    is "win"), or a sum of labels."""
    keep: tuple[Text, ...] = ()
    """Globs of the features that are kept; default: every region."""
    drop: tuple[Text, ...] = ()
    """Globs of features left out."""

    def place(self) -> str:
        """The pattern of the files."""
        return self.files

    def companions(self) -> tuple[str, ...]:
        """The names of the regions, and the table that describes columns."""
        return tuple(filter(None, [self.labels, self.columns]))

    def has_sessions(self) -> bool:
        """The name of the table, or of the dataset, holds the session."""
        return SESSION in self.files or SESSION in (self.dataset or "")

    def keeps(self) -> tuple[str, ...]:
        """As declared."""
        return self.keep

    def drops(self) -> tuple[str, ...]:
        """As declared."""
        return self.drop

    def rules(self) -> Iterator[Finding]:
        """One place says whose each row is."""
        yield from super().rules()
        if PARTICIPANT in self.files and self.dataset is not None:
            hint = "keep {participant} in files for one table each, or dataset for tables of several participants"
            yield Finding(("dataset",), "stands beside files with {participant}", hint)
        elif PARTICIPANT not in self.files and PARTICIPANT not in (self.dataset or ""):
            hint = (
                'files = "roi/{participant}.txt", or dataset = "**/sub-{participant}/*" for what the column File holds'
            )
            yield Finding(("dataset",), "is missing, and files does not say where the participant id stands", hint)
        if self.contrast is not None and self.contrasts:
            yield Finding(("contrast",), "stands beside contrasts", "contrasts names each contrast: leave contrast out")


class FeatquerySource(SourceSpec):
    """Reports of featquery (FSL): one for each region of each participant."""

    reader: Literal["featquery"]
    files: Text
    """Glob beside the data with {participant}, {region} and perhaps {session}:
    sub-{participant}/*.feat/featquery_{region}/report.txt."""
    statistic: Literal["mean", "median", "min", "max", "10%", "90%"] = "mean"
    """Over the voxels of a region."""
    contrasts: dict[Text, Text] = Field(default_factory=dict)
    """Contrasts by the name that their features get: the image of a line without its folder (cope1), or a sum of
    images."""
    keep: tuple[Text, ...] = ()
    """Globs of the features that are kept; default: every region."""
    drop: tuple[Text, ...] = ()
    """Globs of features left out."""

    def place(self) -> str:
        """The pattern of the files."""
        return self.files

    def has_sessions(self) -> bool:
        """The names of the files hold the session."""
        return SESSION in self.files

    def keeps(self) -> tuple[str, ...]:
        """As declared."""
        return self.keep

    def drops(self) -> tuple[str, ...]:
        """As declared."""
        return self.drop

    def rules(self) -> Iterator[Finding]:
        """The pattern says whose a report is, and of which region, since the report does not."""
        yield from super().rules()
        for what in (PARTICIPANT, "{region}"):
            if what not in self.files:
                hint = "sub-{participant}/*.feat/featquery_{region}/report.txt"
                yield Finding(("files",), f"{self.files!r} does not say where {what} stands", hint)
        if self.contrast is not None and self.contrasts:
            yield Finding(("contrast",), "stands beside contrasts", "contrasts names each contrast: leave contrast out")


class AbcdSource(SourceSpec):
    """Task betas of the ABCD study as its releases tabulate them: CSV, the text of the NDA, or Parquet."""

    reader: Literal["abcd"]
    file: Text
    """File beside the data: abcd_midaparc03.txt, mri_y_tfmr_mid_arvn_aseg.csv, mr_y_tfmri__mid__arvn__aseg.parquet."""
    id: Text | None = None
    """Column with the participant id; default: the first of participant_id, src_subject_id and subjectkey."""
    session: Text | None = None
    """Column with the session; default: session_id or eventname."""
    keep: tuple[Text, ...] = ()
    """Globs of the betas that are kept; default: all of the file."""
    drop: tuple[Text, ...] = ()
    """Globs of betas left out."""

    def place(self) -> str:
        """The file."""
        return self.file

    def has_sessions(self) -> bool:
        """Every table of the study has a column with the event."""
        return True

    def keeps(self) -> tuple[str, ...]:
        """As declared."""
        return self.keep

    def drops(self) -> tuple[str, ...]:
        """As declared."""
        return self.drop
