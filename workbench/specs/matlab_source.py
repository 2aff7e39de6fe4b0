"""Options of readers of MATLAB files: first-level results of CONN, and dynamic causal models."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from workbench.specs.base import Finding, Text, not_together
from workbench.specs.connectivity_source import ConnectivitySource

Analysis = Literal["correlation", "semipartial-correlation", "regression", "multivariate-regression"]
FISHER_Z_ALREADY = ("correlation", "semipartial-correlation")
"""Analyses of which CONN stores Fisher z; of regressions it stores betas, and the file does not say which."""


class ConnSource(ConnectivitySource):
    """First-level results of CONN, one file for each condition with all subjects of the project in its order."""

    reader: Literal["conn"]
    folder: Text
    """Folder beside the data that holds resultsROI_Condition###.mat, such as conn_project/results/firstlevel/SBC_01."""
    subjects: Text
    """File beside the spec or the data with one participant id a line, in the order of the CONN project."""
    analysis: Analysis
    """The connectivity measure of the analysis in CONN, which its files do not say: of correlations they hold Fisher z,
    of regressions betas."""
    condition: Text | None = None
    """The condition, by its name in CONN or its number, where the study has no sessions of it."""
    conditions: dict[str, Text] = Field(default_factory=dict)
    """Session of each condition, by name or number: { rest_before = "ses-b0", rest_after = "ses-d2" }."""
    targets: bool = False
    """Keep targets that are no sources too; without, the matrix is that of the sources."""

    def place(self) -> str:
        """The folder of the results."""
        return self.folder

    def companions(self) -> tuple[str, ...]:
        """The list of subjects, and the table that describes edges."""
        return tuple(filter(None, [self.subjects, self.columns]))

    def has_sessions(self) -> bool:
        """Conditions are sessions where they are declared to be."""
        return bool(self.conditions)

    def rules(self) -> Iterator[Finding]:
        """One condition or the session of several; Fisher z is taken once."""
        yield from super().rules()
        yield from not_together(self, "condition", "conditions") if self.conditions else ()
        if self.condition is None and not self.conditions:
            hint = 'condition = "rest", or conditions = { rest = "ses-b0" } where conditions are sessions'
            yield Finding(("condition",), "is missing", hint)
        if self.transform == "fisher-z":
            what = "are Fisher z already" if self.analysis in FISHER_Z_ALREADY else "are betas, no correlations"
            yield Finding(("transform",), f'is "fisher-z", and the values of CONN {what}', 'transform = "none"')


class DcmSource(ConnectivitySource):
    """Dynamic causal models of SPM, one file for each participant and session: the matrix A, from column to row."""

    reader: Literal["dcm"]
    files: Text
    """Glob beside the data with {participant} and {session} where the ids stand, such as
    sub-{participant}/ses-{session}/glm/spDCM_*.mat."""
    regions: Text
    """File with one region a line, in the order in which the model has them, which its file does not say."""
    variable: Text | None = None
    """Variable of the file with the matrix, or with the DCM; default: DCM.Ep.A, or the one matrix that it holds."""
    diagonal: bool = False
    """Keep the self-connections too: log-scalings of self-inhibition, larger where a region inhibits itself more."""
    other_sizes: Literal["refuse", "leave out"] = "refuse"
    """What becomes of models with another number of regions: "leave out" reports how many."""

    def place(self) -> str:
        """The pattern of the files."""
        return self.files

    def companions(self) -> tuple[str, ...]:
        """The list of regions, and the table that describes edges."""
        return tuple(filter(None, [self.regions, self.columns]))

    def has_sessions(self) -> bool:
        """The names of the files hold the session."""
        return "{session}" in self.files

    def rules(self) -> Iterator[Finding]:
        """The file name says whose model it is; its parameters are no correlations."""
        yield from super().rules()
        if "{participant}" not in self.files:
            hint = "write {participant} where the id stands: sub-{participant}/glm/spDCM.mat"
            yield Finding(("files",), f"{self.files!r} does not say where the participant id stands", hint)
        if self.transform == "fisher-z":
            found = 'is "fisher-z", and parameters of a DCM are no correlations'
            yield Finding(("transform",), found, 'transform = "none"')
