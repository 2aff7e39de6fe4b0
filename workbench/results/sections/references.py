"""The papers that a methods paragraph cites, for a list of references and for BibTeX."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Reference(NamedTuple):
    """One paper."""

    authors: str
    title: str
    journal: str
    year: int
    doi: str

    @property
    def text(self) -> str:
        """As a list of references has it."""
        return f"{self.authors} ({self.year}). {self.title}. {self.journal}. doi:{self.doi}"

    def bibtex(self, key: str) -> str:
        """As an entry of a BibTeX file.

        Parameters
        ----------
        key : str
            Author and year.

        Returns
        -------
        str
        """
        fields = {
            "author": self.authors.replace("; ", " and "),
            "title": f"{{{self.title}}}",
            "journal": self.journal.partition(",")[0],
            "year": str(self.year),
            "doi": self.doi,
        }
        lines = [f"  {name} = {{{value}}}," for name, value in fields.items()]
        return "\n".join([f"@article{{{key.replace(' ', '').lower()},", *lines, "}"])


REFERENCES = {
    "Bates 2024": Reference(
        "Bates, S.; Hastie, T.; Tibshirani, R.",
        "Cross-validation: what does it estimate and how well does it do it?",
        "Journal of the American Statistical Association, 119, 1434-1445",
        2024,
        "10.1080/01621459.2023.2197686",
    ),
    "Fortin 2018": Reference(
        "Fortin, J.-P.; Cullen, N.; Sheline, Y. I.; et al.",
        "Harmonization of cortical thickness measurements across scanners and sites",
        "NeuroImage, 167, 104-120",
        2018,
        "10.1016/j.neuroimage.2017.11.024",
    ),
    "Johnson 2007": Reference(
        "Johnson, W. E.; Li, C.; Rabinovic, A.",
        "Adjusting batch effects in microarray expression data using empirical Bayes methods",
        "Biostatistics, 8, 118-127",
        2007,
        "10.1093/biostatistics/kxj037",
    ),
    "Varoquaux 2010": Reference(
        "Varoquaux, G.; Baronnet, F.; Kleinschmidt, A.; Fillard, P.; Thirion, B.",
        "Detection of brain functional-connectivity difference in post-stroke patients using group-level covariance "
        "modeling",
        "Medical Image Computing and Computer-Assisted Intervention, LNCS 6361, 200-208",
        2010,
        "10.1007/978-3-642-15705-9_25",
    ),
    "Benjamini 1995": Reference(
        "Benjamini, Y.; Hochberg, Y.",
        "Controlling the false discovery rate: a practical and powerful approach to multiple testing",
        "Journal of the Royal Statistical Society B, 57, 289-300",
        1995,
        "10.1111/j.2517-6161.1995.tb02031.x",
    ),
    "Haufe 2014": Reference(
        "Haufe, S.; Meinecke, F.; Görgen, K.; Dähne, S.; Haynes, J.-D.; Blankertz, B.; Bießmann, F.",
        "On the interpretation of weight vectors of linear models in multivariate neuroimaging",
        "NeuroImage, 87, 96-110",
        2014,
        "10.1016/j.neuroimage.2013.10.067",
    ),
    "Lundberg 2017": Reference(
        "Lundberg, S. M.; Lee, S.-I.",
        "A unified approach to interpreting model predictions",
        "Advances in Neural Information Processing Systems, 30, 4765-4774",
        2017,
        "10.48550/arXiv.1705.07874",
    ),
    "Pedregosa 2011": Reference(
        "Pedregosa, F.; Varoquaux, G.; Gramfort, A.; et al.",
        "Scikit-learn: machine learning in Python",
        "Journal of Machine Learning Research, 12, 2825-2830",
        2011,
        "10.48550/arXiv.1201.0490",
    ),
    "Phipson 2010": Reference(
        "Phipson, B.; Smyth, G. K.",
        "Permutation p-values should never be zero: calculating exact p-values when permutations are randomly drawn",
        "Statistical Applications in Genetics and Molecular Biology, 9, 39",
        2010,
        "10.2202/1544-6115.1585",
    ),
    "Varoquaux 2018": Reference(
        "Varoquaux, G.",
        "Cross-validation failure: small sample sizes lead to large error bars",
        "NeuroImage, 180, 68-77",
        2018,
        "10.1016/j.neuroimage.2017.06.061",
    ),
    "Winkler 2014": Reference(
        "Winkler, A. M.; Ridgway, G. R.; Webster, M. A.; Smith, S. M.; Nichols, T. E.",
        "Permutation inference for the general linear model",
        "NeuroImage, 92, 381-397",
        2014,
        "10.1016/j.neuroimage.2014.01.060",
    ),
}
"""By first author and year, as texts cite them."""


def cited(keys: Iterable[str]) -> tuple[str, ...]:
    """Keys in the order of the alphabet, each once.

    Parameters
    ----------
    keys : iterable of str

    Returns
    -------
    tuple of str
    """
    return tuple(sorted(set(keys)))


def bibtex(keys: Iterable[str]) -> str:
    """A BibTeX file of the papers cited.

    Parameters
    ----------
    keys : iterable of str
        Of `REFERENCES`.

    Returns
    -------
    str
    """
    return "\n\n".join(REFERENCES[key].bibtex(key) for key in cited(keys)) + "\n"
