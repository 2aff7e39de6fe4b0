"""Files as labs have them -> records: one module per kind of file, and malformed files end here."""

from __future__ import annotations

from pathlib import Path

from workbench.knowledge.vocabulary import OWN_FILE
from workbench.records import Cohort, FeatureTable
from workbench.sources.assembling.assemble import assemble
from workbench.sources.contract.description import beside
from workbench.sources.pet.pet_description import described_pet
from workbench.sources.producers import producer_of
from workbench.specs.readers import AnySource


def read_source(name: str, spec: AnySource, cohort: Cohort, *, data: Path, features_dir: Path) -> FeatureTable:
    """Build the feature table of one source.

    Parameters
    ----------
    name : str
        Name of the source; features are named ``name:column``.
    spec : SourceSpec
    cohort : Cohort
    data, features_dir : Path
        Where the data are, and where the specification is.

    Returns
    -------
    FeatureTable

    Raises
    ------
    SourceError
        Every problem of its files, naming file, line and subject.
    """
    producer = producer_of(spec.reader, study=features_dir.parent)
    files = producer.find(spec, data)
    table = assemble(name, spec, cohort, files, producer.parse, data=data, features_dir=features_dir)
    return described_pet(table, spec.place())


def source_files(spec: AnySource, *, data: Path, features_dir: Path) -> tuple[Path, ...]:
    """Every file that a source is made from, whether or not it exists.

    Parameters
    ----------
    spec : SourceSpec
    data, features_dir : Path
        Where the data are, and where the specification is.

    Returns
    -------
    tuple of Path
        Files of values, then the tables that the specification names.
    """
    producer = producer_of(spec.reader, study=features_dir.parent)
    companions = [beside(name, features_dir=features_dir, data=data) for name in spec.companions()]
    own = features_dir.parent / OWN_FILE
    companions += [own] if own.is_file() else []
    files = [run for file in producer.find(spec, data) for run in file.runs or (file,)]
    own_files = [path for file in files for path in (file.path, *file.companions.values())]
    return (*dict.fromkeys(own_files), *companions)
