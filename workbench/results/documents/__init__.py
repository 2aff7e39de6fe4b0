"""Documents that are filled from a run: model card, reporting guidelines, methods with references."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.results.documents.model_card import model_card
from workbench.results.documents.probast import probast_rows
from workbench.results.documents.tripod import tripod_rows
from workbench.results.sections.background import methods_text
from workbench.results.sections.references import REFERENCES, bibtex, cited

if TYPE_CHECKING:
    from workbench.records import RunResult

TABLES = {"tripod_ai.tsv": tripod_rows, "probast_ai.tsv": probast_rows}
"""Documents that are tables, by file; each function gives the rows, with the names of its columns as keys."""


def texts(result: RunResult) -> dict[str, str]:
    """Documents that are texts, by the name of their file.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    dict of str to str
        Markdown, and BibTeX of the papers that the methods cite.
    """
    text, keys = methods_text(result)
    references = "\n".join(f"- {key}. {REFERENCES[key].text}" for key in cited(keys))
    methods = f"# Methods\n\n{text}\n\n## References\n\n{references}\n"
    return {"model_card.md": model_card(result), "methods.md": methods, "references.bib": bibtex(keys)}
