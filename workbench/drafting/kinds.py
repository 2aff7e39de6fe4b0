"""What files of one kind are, by the names that producers give them, and what reads them."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Parameters
    ----------
    producer : str
        Who writes it, in words.
    pattern : str
        Regular expression for the end of a name.
    reader : str
        The reader made for it; where this version has none, what is read as a plain matrix is.
    modality, measure, unit : str
    note : str
        What the user should know.
    square : bool
        A matrix between regions, which the plain reader of matrices may read as well.
    secondary : bool
        It stands beside files of a main kind and is no source by itself: coverage, quality, time series.
    """

    producer: str
    pattern: str
    reader: str
    modality: str
    measure: str = ""
    unit: str = ""
    note: str = ""
    square: bool = False
    secondary: bool = False

    def is_of(self, name: str) -> bool:
        """Whether a name is of this kind."""
        return re.search(self.pattern + "$", name, re.IGNORECASE) is not None


KINDS: tuple[Kind, ...] = (
    Kind("XCP-D", r"_(stat-pearsoncorrelation_relmat|measure-pearsoncorrelation_conmat)\.tsv", "xcpd", "connectivity",
         "Pearson r", square=True),
    Kind("XCP-D", r"_stat-coverage_bold\.tsv", "xcpd", "connectivity", secondary=True),
    Kind("XCP-D", r"_(measure|stat)-(coverage|reho|alff)\w*\.tsv", "xcpd", "connectivity", secondary=True),
    Kind("XCP-D", r"_(desc-\w+_)?(motion|outliers|qc)\.(tsv|csv)", "xcpd", "connectivity", secondary=True),
    Kind("giga-connectome", r"_meas-PearsonCorrelation\w*(_desc-\w+)?_relmat\.tsv", "giga-connectome", "connectivity",
         "Pearson r", square=True),
    Kind("HALFpipe", r"_feature-\w+_atlas-\w+_desc-correlation_matrix\.(tsv|txt)", "halfpipe", "connectivity",
         "Pearson r", square=True),
    Kind("HALFpipe", r"_feature-\w+_taskcontrast-\w+_stat-effect_statmap\.nii(\.gz)?", "maps", "task", "beta"),
    Kind("CONN", r"resultsROI_Condition\d+\.mat", "conn", "connectivity", "Fisher z"),
    Kind("CONN", r"resultsROI_(Subject|.*Condition).*\.mat", "conn", "connectivity", secondary=True),
    Kind("SPM spectral DCM", r"spDCM\w*\.mat", "dcm", "connectivity", "spectral DCM A", "Hz"),
    Kind("nilearn or FitLins", r"_contrast-[\w-]+_stat-effect_statmap\.nii(\.gz)?", "maps", "task", "beta"),
    Kind("a task model", r"_stat-(z|t|p|variance|dof|f)_statmap\.nii(\.gz)?", "maps", "task", secondary=True),
    Kind("PETPrep", r"_kinpar\.tsv", "kinpar", "pet"),
    Kind("PETPrep", r"_(desc-\w+_)?tacs\.tsv", "petprep", "pet"),
    Kind("PETPrep", r"_(morph|dseg)\.tsv", "petprep", "pet", secondary=True),
    Kind("PMOD", r"\.voistat", "pmod-voistat", "pet"),
    Kind("PMOD", r"\.tac", "pmod", "pet"),
    Kind("fMRIPrep", r"_desc-confounds_(timeseries|regressors)\.tsv", "fmriprep", "quality", secondary=True),
    Kind("time series", r"_timeseries\.tsv", "xcpd", "connectivity", secondary=True),
    Kind("a BIDS dataset", r"_(sessions|scans|events|physio|inputfunction|blood)\.tsv", "", "", secondary=True),
)  # fmt: skip


def kind_of(name: str) -> Kind | None:
    """The kind that a file is of, by its name; None where no producer is known for it.

    Parameters
    ----------
    name : str

    Returns
    -------
    Kind or None

    Examples
    --------
    >>> kind_of("sub-01_task-rest_space-fsLR_seg-Tian_stat-pearsoncorrelation_relmat.tsv").producer
    'XCP-D'
    """
    return next((kind for kind in KINDS if kind.is_of(name)), None)


def entity(name: str, *keys: str) -> str:
    """The value of the first of these keys in a name of BIDS; empty where there is none.

    Parameters
    ----------
    name : str
    *keys : str

    Returns
    -------
    str

    Examples
    --------
    >>> entity("sub-{participant}_seg-4S156Parcels_relmat.tsv", "atlas", "seg")
    '4S156Parcels'
    """
    for key in keys:
        match = re.search(rf"(?:^|[_/]){key}-([A-Za-z0-9+]+)", name)
        if match:
            return match[1]
    return ""
