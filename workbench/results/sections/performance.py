"""How well the model predicts, whether that is more than chance, what it adds, and what would undo it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.records import ReportTable, Section
from workbench.results import sensitivity as in_sentences
from workbench.results.details import comparator_table, labelled, sentence
from workbench.results.wording import IN_BRACKETS, between, number, p_text, unit_of, with_interval

if TYPE_CHECKING:
    import pandas as pd

    from workbench.records import RunResult

SHOWN_PARTICIPANTS = 10


def performance(result: RunResult) -> Section:
    """R2 with its interval, error and calibration, beside every other model on the same folds.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    Section
    """
    scores, texts = result.scores, labelled(result)
    own = scores.performance
    r2 = with_interval(f"R2 {number(own.r2)}", own.interval)
    facts = [(label, sentence(texts[key])) for label, key in FACTS if key in texts]
    facts += [("Calibration in the large", f"{number(own.calibration_intercept)}{unit_of(scores)}")]
    if own.auc is not None and own.brier is not None:
        facts += [("Discrimination", f"AUC {number(own.auc)}, Brier score {number(own.brier)}")]
    notes = (
        "R2 is 1 minus the squared error of the predictions over that of the reference, in participants who were held "
        "out of everything that was learnt; below 0 is worse than the reference.",
        *([sentence(f"the interval is for {own.interval.covers} ({own.interval.method}).")] if own.interval else []),
    )
    return Section(
        name="performance",
        title="Performance",
        question="How well are held-out participants predicted?",
        answer=f"{r2}, relative to {scores.reference or 'the training mean'}.",
        facts=tuple(facts),
        notes=notes,
        tables=(_as_table(comparator_table(result), "Models on the same folds"),),
        pictures=("observed_predicted", "calibration", "split_spread", "comparators"),
    )


FACTS = (("Validation", "Validation"), ("R2", "R2"), ("Error", "Error"), ("Reliability ceiling", "Reliability ceiling"))


def _as_table(frame: pd.DataFrame, caption: str) -> ReportTable:
    rows = tuple(tuple(str(cell).strip().removeprefix("> ") for cell in row) for row in frame.itertuples(index=False))
    first = [str(cell).startswith(">") for cell in frame.iloc[:, 0]] if len(frame) else []
    marked = frozenset(at for at, own in enumerate(first) if own)
    return ReportTable(tuple(str(name) for name in frame.columns), rows, caption, marked)


def chance(result: RunResult) -> Section:
    """The permutation test, the negative control and the check for leaks.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    Section
    """
    scores, texts = result.scores, labelled(result)
    p = scores.judged_p
    answer = "It was not tested." if p is None else f"p = {p_text(p)}."
    labels = ("Permutation test", "Negative control", "Leakage check", "Viewed")
    return Section(
        name="chance",
        title="Permutation test",
        question="Is that more than chance?",
        answer=answer,
        facts=tuple((label, sentence(texts[label])) for label in labels if label in texts),
        notes=(
            "Every permutation goes through the whole procedure: preparation, tuning, fitting and prediction. p is the "
            "share of permuted outcomes that are predicted as well, and never 0.",
        ),
        pictures=("permutation_null",),
    )


def increment(result: RunResult) -> Section | None:
    """What the features add to the clinical model.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    Section or None
        None without a clinical model.
    """
    texts = labelled(result)
    if "Increment" not in texts:
        return None
    return Section(
        name="increment",
        title="Increment over the clinical model",
        question="Does it add to what is known without a scanner?",
        answer=f"{texts['Increment']}.",
    )


def robustness(result: RunResult) -> Section | None:
    """Single participants, sites and the baseline score: what the result depends on.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    Section or None
        None where nothing was left out or held fixed. Names the participants whose loss lowers R2 most.
    """
    texts = labelled(result)
    facts = [(label, sentence(texts[label])) for label in ("Influence", "Sites", "Baseline") if label in texts]
    if not facts:
        return None
    influence = result.scores.influence
    tables = []
    if influence is not None and influence.by_participant:
        lowest = sorted(influence.by_participant, key=lambda pair: (pair[1], pair[0]))[:SHOWN_PARTICIPANTS]
        rows = tuple((participant, number(r2)) for participant, r2 in lowest)
        caption = "Participants without whom R2 is lowest"
        tables.append(ReportTable(("Left out", "R2 without this participant"), rows, caption))
    return Section(
        name="robustness",
        title="Robustness",
        question="What would undo it?",
        facts=tuple(facts),
        tables=tuple(tables),
    )


def sensitivity(result: RunResult) -> Section | None:
    """Drop-out, regression to the mean, subgroups and, for binary outcomes, decisions.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    Section or None
        None where the data allow none of it.
    """
    sentences = in_sentences.in_words(result.scores)
    groups = _subgroups(result)
    if not sentences and groups is None:
        return None
    return Section(
        name="sensitivity",
        title="Sensitivity",
        question="What else could change how this is read?",
        paragraphs=tuple(sentence(each) for each in sentences),
        tables=() if groups is None else (groups,),
        pictures=("decision_curve",),
    )


def _subgroups(result: RunResult) -> ReportTable | None:
    groups = result.scores.sensitivity.subgroups
    if not groups:
        return None
    unit = unit_of(result.scores, IN_BRACKETS)
    rows = tuple(
        (
            f"{each.variable}: {each.level}",
            str(each.n),
            "" if each.r2 is None else number(each.r2),
            between(each.r2_low, each.r2_high),
            "" if each.mae is None else number(each.mae),
            "" if each.bias is None else number(each.bias),
            between(each.bias_low, each.bias_high),
        )
        for each in groups
    )
    columns = ("Subgroup", "n", "R2", "95 % CI", f"MAE{unit}", f"Observed minus predicted{unit}", "95 % CI")
    return ReportTable(columns, rows, "Models trained on everybody, scored in subgroups; differences are not tested")
