"""Writes what a run leaves, one plain file per table or record; reads it back; copies it out for a supplement.

Every file is a function of the result alone: two runs of one experiment give the same bytes. The run id of the tracker,
which is new each time, stands in the biomarker files only.
"""

from workbench.export.columns import COLUMNS
from workbench.export.copying import export_run
from workbench.export.dictionary import FILES, MODEL_FOLDER
from workbench.export.differences import FileDifference, compare_folders
from workbench.export.images import effect_images
from workbench.export.pseudonyms import (
    Pseudonyms,
    ids_in,
    key_of_study,
    pseudonymised,
    refuse_ids,
    write_pseudonymised,
)
from workbench.export.reading import read_run
from workbench.export.writing import environment, write_run

__all__ = [
    "COLUMNS",
    "FILES",
    "MODEL_FOLDER",
    "FileDifference",
    "Pseudonyms",
    "compare_folders",
    "effect_images",
    "environment",
    "export_run",
    "ids_in",
    "key_of_study",
    "pseudonymised",
    "read_run",
    "refuse_ids",
    "write_pseudonymised",
    "write_run",
]
