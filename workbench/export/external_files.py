"""What a frozen model predicted in another cohort, as plain files: written once, read whenever its run is shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import Problem, StoreError
from workbench.export.writing import plain, table_text
from workbench.json_values import json_values, reader_of
from workbench.records import SCHEMA_VERSION, ExternalValidation
from workbench.whole_files import folder_to_write

if TYPE_CHECKING:
    import pandas as pd

RECORD, PREDICTIONS, CIRCUITS = "external.json", "external_predictions.tsv", "external_circuits.tsv"
"""Numbers, one row per participant, and what each circuit added to each prediction."""


def write_external(
    folder: Path, validation: ExternalValidation | None, predictions: pd.DataFrame, circuits: pd.DataFrame | None
) -> tuple[Path, ...]:
    """Write one external prediction.

    Parameters
    ----------
    folder : Path
        Made where it does not exist.
    validation : ExternalValidation or None
        None where nobody has an outcome: no number of it is written then.
    predictions : DataFrame
        participant_id, site, observed (where there is one), predicted, reference, low_90, high_90.
    circuits : DataFrame or None
        participant_id, base, then a column per circuit: SHAP values summed over its features.

    Returns
    -------
    tuple of Path
    """
    folder_to_write(folder)
    texts = {PREDICTIONS: table_text(predictions)}
    if circuits is not None:
        texts[CIRCUITS] = table_text(circuits)
    if validation is not None:
        texts[RECORD] = json.dumps(plain(validation), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    for name, text in texts.items():
        (folder / name).write_bytes(text.encode())
    return tuple(folder / name for name in texts)


def read_external(folder: Path) -> ExternalValidation | None:
    """The numbers of an external prediction; None where the folder holds none.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    ExternalValidation or None

    Raises
    ------
    StoreError
        If they cannot be read, or were written by another version.
    """
    path = folder / RECORD
    if not path.is_file():
        return None
    try:
        record: dict[str, Any] = json_values(path.read_text(encoding="utf-8"))
        if record["schema_version"] != SCHEMA_VERSION:
            raise StoreError(
                Problem(str(path), f"is of version {record['schema_version']}", "predict the cohort again")
            )
        read: ExternalValidation = reader_of(ExternalValidation).validate_python(record)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(Problem(str(path), "is no external prediction", "predict the cohort again")) from error
    return read
