"""What the claim lacks, what the study cannot say, how it was done with references, and what made the numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.records import ReportTable, Section
from workbench.results.claims import LIMIT_OF_KIND
from workbench.results.details import sentence
from workbench.results.requirements import gate_rows
from workbench.results.sections.references import REFERENCES, cited
from workbench.results.wording import listed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from workbench.records import GateRow, RunResult, Scores


def requirements(result: RunResult) -> Section:
    """Every row of the claim gate with why the run misses it.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    Section
    """
    rows = gate_rows(result.scores)
    cells = tuple((row.requirement, row.status, sentence(row.missed)) for row in rows)
    marked = frozenset(at for at, row in enumerate(rows) if row.missed)
    return Section(
        name="requirements",
        title="Requirements of the claim",
        question="Why is the verdict not stronger?",
        answer=_missed(rows),
        tables=(ReportTable(("Requirement", "Status", "Why"), cells, "The claim gate, row by row", marked),),
    )


def _missed(rows: Sequence[GateRow]) -> str:
    """How many requirements are missed or were not tried, and which: the table of all may be folded."""
    missed, not_tried = (
        [row.requirement for row in rows if row.status == status] for status in ("missed", "not tried")
    )
    named = f": {'; '.join(missed)}" if missed else ""
    counted = f"{len(missed)} of {len(rows)} requirements {'is' if len(missed) == 1 else 'are'} missed{named}."
    return f"{counted} Not tried: {'; '.join(not_tried)}." if not_tried else counted


def limits(result: RunResult) -> Section:
    """What the design cannot say, whatever its numbers are.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    Section
    """
    return Section(
        name="limits",
        title="Limits",
        question="What can this study not say?",
        paragraphs=tuple(_limits(result.scores)),
    )


def _limits(scores: Scores) -> Iterator[str]:
    yield LIMIT_OF_KIND[scores.claim_kind]
    if scores.apart_from is not None:
        yield (
            f"The {scores.apart_from.name} was held fixed, and it is known only after treatment: this tells what goes "
            f"along with improvement beyond that in {scores.apart_from.score}, as far as a score that is rated with "
            "error tells it, and predicts nobody before treatment."
        )
    if scores.pharmacodynamic:
        yield (
            f"{listed(scores.pharmacodynamic)}: an acute change is known only after treatment has begun. It is a "
            "pharmacodynamic marker and cannot choose who is treated."
        )
    if scores.n_participants < 100:
        yield (
            f"{scores.n_participants} participants are few: R2 of such samples varies widely between studies, and the "
            "interval shows how widely."
        )
    yield "No other cohort was predicted. Whether the result holds for other scanners, sites and patients is not known."
    if scores.n_sites < 2:
        yield "All participants are of one site, or no site is declared: differences between sites cannot be examined."
    if not scores.confounds:
        yield "No confound is held fixed: motion, age, sex or severity may carry what the features seem to predict."
    if scores.increment is None:
        yield "No clinical model stands beside the features: what they add to a clinical interview is not known."
    yield "The decision of a clinician was not part of the study, and nothing here was developed as a medical device."
    if scores.synthetic:
        yield "The participants are simulated: nothing here is a finding about patients."


def methods(result: RunResult) -> Section:
    """How it was done, in a paragraph that a paper can take over, with references.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    Section
    """
    text, keys = methods_text(result)
    return Section(
        name="methods",
        title="Methods",
        question="How was it done?",
        paragraphs=(text,),
        notes=tuple(f"{key}. {REFERENCES[key].text}" for key in cited(keys)),
    )


LEARNT_BY = {"Varoquaux 2010": "tangent vectors", "Johnson 2007": "ComBat", "Fortin 2018": "ComBat"}
"""Papers of what is learnt from the features in the fold, and the word that tells it."""


def methods_text(result: RunResult) -> tuple[str, tuple[str, ...]]:
    """The methods of a run in a paragraph, and the references that it cites by author and year.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    tuple of (str, tuple of str)
        The paragraph, and keys of `references.REFERENCES`.
    """
    from workbench.models.targets import circuit_permutations

    scores = result.scores
    keys = ["Varoquaux 2018", "Pedregosa 2011"]
    parts = [
        f"The outcome was {scores.outcome}{f' in {scores.outcome_unit}' if scores.outcome_unit else ''}, observed in "
        f"{scores.n_participants} participants. {scores.n_features:,} features ({scores.features_name}) were given to "
        f"{scores.model} in nested cross-validation ({scores.validation}); preparation, tuning and every other step "
        "that learns was fitted to training participants alone (Varoquaux 2018)."
    ]
    if scores.availability is not None:
        parts.append(
            "Participants were predicted from the modalities that they have: ridge for each among those who have it, "
            "weighted by non-negative least squares of inner out-of-fold predictions for every pattern of "
            "availability. Availability was held fixed, and outcomes were permuted within its patterns."
        )
    if scores.in_fold:
        keys += [key for key, word in LEARNT_BY.items() if any(word in words for words in scores.in_fold)]
        parts.append(f"Before that, in every training set: {'; '.join(scores.in_fold)} ({'; '.join(keys[2:])}).")
    held = ", ".join((*scores.forced, *scores.confounds))
    if held:
        parts.append(
            f"{held} {'were' if ',' in held else 'was'} held fixed: features and outcome were adjusted with "
            "coefficients of the training participants."
        )
    parts.append(
        f"R2 compares squared errors of held-out predictions with those of {scores.reference or 'the training mean'}."
    )
    if scores.performance.interval is not None:
        keys.append("Bates 2024")
        parts.append(
            f"Its 95 % interval is for {scores.performance.interval.covers} ({scores.performance.interval.method}; see "
            "Bates 2024 on what cross-validation estimates)."
        )
    if scores.test.p is not None:
        keys += ["Winkler 2014", "Phipson 2010"]
        family = f", corrected over {scores.family_size} runs" if scores.family_size > 1 else ""
        parts.append(
            f"The whole procedure was repeated on {scores.test.n_permutations:,} permuted outcomes "
            f"({scores.test.scheme}; Winkler 2014); p counts the observed one among them (Phipson 2010){family}."
        )
    if scores.increment is not None:
        parts.append(
            f"The increment over a clinical model ({', '.join(scores.clinical_model)}) was tested in the same way."
        )
    if result.claim.shows_prediction and result.circuits["mean_abs_shap"].notna().any():
        keys += ["Lundberg 2017", "Haufe 2014", "Benjamini 1995"]
        parts.append(
            "Predictions of held-out participants were explained by SHAP values (Lundberg 2017) summed by circuit, "
            "beside Haufe patterns (Haufe 2014); circuits, and features within them, were tested marginally (sum of "
            f"squared partial correlations) against {circuit_permutations(scores.test.n_permutations):,} permuted "
            f"outcomes, with the false discovery rate controlled at 10 % (Benjamini 1995){_selected(scores)}."
        )
    parts.append(
        "Claims follow a gate whose requirements are listed in this report. Analyses were run with biomarker-workbench "
        "on scikit-learn (Pedregosa 2011)."
    )
    return " ".join(parts), tuple(keys)


def _selected(scores: Scores) -> str:
    """Stability selection in a clause."""
    found = scores.stability
    if found is None:
        return ""
    return (
        f"; beside that, a lasso was fitted in {2 * found.pairs} halves of the participants (complementary pairs), and "
        "decides nothing"
    )


DOCUMENTS = (
    ("model_card.md", "What the model is for and what it is not for, and how well it predicts whom"),
    ("tripod_ai.tsv", "TRIPOD+AI: what the run says of each item, and what it leaves to the authors"),
    ("probast_ai.tsv", "PROBAST+AI: no information wherever the run holds no evidence"),
    ("methods.md, references.bib", "The paragraph above with its references, as Markdown and BibTeX"),
)
"""Documents that lie beside a report, and what they are."""


def documents(result: RunResult) -> Section:
    """The documents that were filled from the run; a report may be sent without them, so they are named, not linked.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    Section
    """
    files: tuple[tuple[str, str], ...] = DOCUMENTS
    if result.claim.shows_prediction:
        files += (("model/", "The model fitted to everyone analysed, as files without pickle"),)
    return Section("documents", "Documents", "What lies beside this report?", facts=files)


def specification(result: RunResult) -> Section:
    """The experiment as it was run, every default written out, and how the plan stands.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    Section
    """
    from workbench.results.claims import viewed

    return Section(
        name="specification",
        title="Specification",
        question="What exactly was asked?",
        answer=f"{sentence(viewed(result.scores))}." if viewed(result.scores) else "",
        preformatted=result.spec_toml,
    )


def environment(result: RunResult) -> Section | None:
    """Hashes that tell data and specification, where the tracker has them.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    Section or None
    """
    names = {"data_hash": "Data", "spec_hash": "Specification", "git_commit": "Commit of the study"}
    facts = tuple((label, str(result.tags[name])) for name, label in names.items() if result.tags.get(name))
    facts += (("Seed", str(result.scores.seed)),)
    return Section("provenance", "Provenance", "From what, and can it be repeated?", facts=facts)


def packages(versions: str) -> Section:
    """Versions of the packages that produced the numbers.

    Parameters
    ----------
    versions : str
        One per line.

    Returns
    -------
    Section
    """
    return Section("environment", "Environment", "With which software?", preformatted=versions.strip())
