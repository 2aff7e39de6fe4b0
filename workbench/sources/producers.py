"""The table of producers: who finds and parses the files of each reader; others come with installed packages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.sources.contract.parsed import Parsed, ParseOptions, SourceFile
from workbench.sources.maps import maps
from workbench.sources.matrices import conn, connectivity, dcm, giga_connectome, halfpipe, xcpd
from workbench.sources.pet import kinfitr, kinpar, petprep, pmod, pmod_voistat
from workbench.sources.tabulated import abcd, afni, featquery, wide_table
from workbench.specs.readers import READER_GROUP
from workbench.third_party import load


@dataclass(frozen=True)
class Producer:
    """Two functions that know one kind of file, and no participant of a study.

    Parameters
    ----------
    find : callable
        ``find(spec, data)``: the files, in an order of their own, and what their names say.
    parse : callable
        ``parse(file, options)``: one file as it is written.
    version : str
        Package and version of a producer that is not the workbench's own: another one builds its tables anew.
    """

    find: Callable[[Any, Path], Sequence[SourceFile]]
    parse: Callable[[SourceFile, ParseOptions], Parsed]
    version: str = ""


PRODUCERS: dict[str, Producer] = {
    "table": Producer(wide_table.find, wide_table.parse),
    "matrix": Producer(connectivity.find, connectivity.parse),
    "xcpd": Producer(xcpd.find, xcpd.parse),
    "halfpipe": Producer(halfpipe.find, halfpipe.parse),
    "giga-connectome": Producer(giga_connectome.find, giga_connectome.parse),
    "conn": Producer(conn.find, conn.parse),
    "dcm": Producer(dcm.find, dcm.parse),
    "abcd": Producer(abcd.find, abcd.parse),
    "afni": Producer(afni.find, afni.parse),
    "featquery": Producer(featquery.find, featquery.parse),
    "petprep": Producer(petprep.find, petprep.parse),
    "petprep-extract-tacs": Producer(petprep.find, petprep.parse),
    "pmod": Producer(pmod.find, pmod.parse),
    "kinfitr": Producer(kinfitr.find, kinfitr.parse),
    "kinpar": Producer(kinpar.find, kinpar.parse),
    "pmod-voistat": Producer(pmod_voistat.find, pmod_voistat.parse),
    "maps": Producer(maps.find, maps.parse),
}
"""Producers by the name of a reader; their options are in `workbench.specs.readers.READERS`, under the same names."""


def producer_of(reader: str, *, study: Path) -> Producer:
    """The producer of a reader: the workbench's own, or that of an installed package.

    Parameters
    ----------
    reader : str
        As the specification of a source names it.
    study : Path
        Folder of the study, from which nothing is imported.

    Returns
    -------
    Producer

    Raises
    ------
    SpecError
        If no package offers it, or the one that does lies in the study.
    """
    if reader in PRODUCERS:
        return PRODUCERS[reader]
    offered = load(READER_GROUP, reader, study=study)
    return Producer(offered.module.find, offered.module.parse, offered.version)
