"""The readers of the workbench by name: the options that each of them takes."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from workbench.specs.derivative_source import GigaConnectomeSource, HalfpipeSource, XcpdSource
from workbench.specs.maps_source import MapsSource
from workbench.specs.matlab_source import ConnSource, DcmSource
from workbench.specs.matrix_source import MatrixSource
from workbench.specs.pet_sources import (
    ExtractTacsSource,
    KinfitrSource,
    KinparSource,
    PetprepSource,
    PmodSource,
    VoistatSource,
)
from workbench.specs.source import SourceSpec
from workbench.specs.table_source import TableSource
from workbench.specs.task_tables import AbcdSource, AfniSource, FeatquerySource

AnySource = Annotated[
    TableSource
    | MatrixSource
    | PetprepSource
    | ExtractTacsSource
    | PmodSource
    | KinfitrSource
    | KinparSource
    | VoistatSource
    | XcpdSource
    | HalfpipeSource
    | GigaConnectomeSource
    | ConnSource
    | DcmSource
    | MapsSource
    | AfniSource
    | FeatquerySource
    | AbcdSource,
    Field(discriminator="reader"),
]

READER_GROUP = "biomarker_workbench.sources"
"""Entry points of installed packages that offer a reader: a module with `find`, `parse` and `Options`."""

READERS: dict[str, type[SourceSpec]] = {
    "table": TableSource,
    "matrix": MatrixSource,
    "petprep": PetprepSource,
    "petprep-extract-tacs": ExtractTacsSource,
    "pmod": PmodSource,
    "kinfitr": KinfitrSource,
    "kinpar": KinparSource,
    "pmod-voistat": VoistatSource,
    "xcpd": XcpdSource,
    "halfpipe": HalfpipeSource,
    "giga-connectome": GigaConnectomeSource,
    "conn": ConnSource,
    "dcm": DcmSource,
    "maps": MapsSource,
    "afni": AfniSource,
    "featquery": FeatquerySource,
    "abcd": AbcdSource,
}
"""Option schema of every reader; `workbench.sources.producers.PRODUCERS` holds what reads them under the same names."""
