"""Which circuit a brain region belongs to, by whatever name an atlas or a lab gives it."""

from __future__ import annotations

from collections.abc import Mapping

from workbench.knowledge.regions import resolve_unless_ambiguous
from workbench.knowledge.vocabulary import NamedRegion, Vocabulary, published

CIRCUITS: Mapping[str, str] = published().circuits
"""What each circuit is, and where that comes from."""

REGIONS: Mapping[str, NamedRegion] = published().regions
"""Every region of the vocabulary, by name."""


def circuit_of(region: str, atlas: str = "", vocabulary: Vocabulary | None = None) -> str:
    """Circuit of a region, or an empty text where its name is not known or could mean several regions.

    The whole name must be known once hemisphere, numbers and words such as *cortex* are left out; a name that merely
    contains a known one (``wm-lh-insula``, ``hippocampal-fissure``) is not. A label that starts with a network, as in
    the Schaefer atlas, belongs to that network.

    Parameters
    ----------
    region : str
        Label of an atlas or a lab.
    atlas : str
        The atlas as the study declares it; it decides what an ambiguous label means.
    vocabulary : Vocabulary, optional
        With the names of a study (`vocabulary_of`); default: those of the package.

    Returns
    -------
    str
        A key of `CIRCUITS`, or an empty text.

    Examples
    --------
    >>> circuit_of("Left-Accumbens-area"), circuit_of("R_sgACC"), circuit_of("7Networks_LH_Cont_PCun_1")
    ('reward', 'affective', 'executive')
    >>> circuit_of("wm-lh-insula"), circuit_of("pGP-rh"), circuit_of("pGP-rh", atlas="Tian")
    ('', '', 'reward')
    """
    resolved = resolve_unless_ambiguous(region, atlas, vocabulary)
    return resolved.circuit if resolved else ""


def region_of(label: str) -> NamedRegion | None:
    """The region that a label names, or None; labels that name only a network are no region.

    Parameters
    ----------
    label : str
        Of an atlas or a lab.

    Returns
    -------
    NamedRegion or None
        None also where the label could mean several regions.

    Examples
    --------
    >>> region_of("NAcc_L").name
    'ventral striatum'
    """
    resolved = resolve_unless_ambiguous(label)
    return REGIONS.get(resolved.region) if resolved else None
