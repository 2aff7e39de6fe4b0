"""The model card of a run: what the model is for, what it is not for, and how well it predicts whom."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from workbench.results.claims import plain_sentence
from workbench.results.documents.answers import (
    NO_INFORMATION,
    features_in_words,
    flow_in_words,
    full_stop,
    performance_in_words,
)
from workbench.results.external import cohort_in_short
from workbench.results.sections.background import limits
from workbench.results.wording import number, p_text

if TYPE_CHECKING:
    from workbench.records import RunResult


def model_card(result: RunResult) -> str:
    """The model card as Markdown, after Mitchell and others.

    What no run can know (who is harmed by a mistake, who paid, which ethics committee agreed) says *no information*
    until somebody writes it there.

    Parameters
    ----------
    result : RunResult

    Returns
    -------
    str

    References
    ----------
    Mitchell, M. et al. (2019). Proceedings of FAT* 2019, 220-229.
    """
    blocks = []
    for title, lines in _blocks(result):
        blocks.append("\n".join([f"## {title}", "", *(f"- {each}" for each in lines)]))
    scores = result.scores
    head = f"# Model card: {as_text(scores.display_name)}\n\n"
    head += f"{as_text(full_stop(plain_sentence(scores, result.claim.verdict)))}"
    return "\n\n".join([head, *blocks]) + "\n"


def _blocks(result: RunResult) -> Iterator[tuple[str, list[str]]]:
    scores, claim = result.scores, result.claim
    shown = claim.shows_prediction
    yield (
        "Model",
        _facts(
            ("Experiment", scores.experiment),
            ("Stored as", scores.run_name),
            ("Kind", scores.model),
            ("Settings chosen", ", ".join(f"{name} {value}" for name, value in scores.tuning.items())),
            ("Claim", f"{claim.verdict}, {claim.kind}"),
            ("Why not stronger", "; ".join(claim.reasons)),
            (
                "Files",
                "in model/ beside this card; see docs/model-files.md" if shown else "none: there is nothing to use",
            ),
        ),
    )
    yield (
        "Intended use",
        [
            "Research: testing the same question in another cohort.",
            f"Question: {as_text(scores.question)}",
            "Not for: decisions about any patient. It is no medical device, and no decision was part of the study.",
            *([] if shown else ["Not for: predicting anybody. Prediction is not shown, or was not tested."]),
        ],
    )
    yield (
        "Outcome",
        _facts(
            ("Outcome", scores.outcome + (f", in {scores.outcome_unit}" if scores.outcome_unit else "")),
            ("Estimand", scores.estimand),
            ("Reliability of the outcome", "" if scores.ceiling is None else number(scores.ceiling)),
        ),
    )
    yield (
        "Participants",
        _facts(
            ("Analysed", f"{scores.n_participants}{', simulated' if scores.synthetic else ''}"),
            ("Flow", flow_in_words(result)),
            ("Sites", str(scores.n_sites) if scores.n_sites else ""),
            ("Sex, age, ethnicity and other characteristics", _subgroups_known(result)),
        ),
    )
    yield (
        "Features",
        _facts(
            ("Given", features_in_words(result)),
            ("Held fixed", ", ".join((*scores.forced, *scores.confounds)) or "nothing"),
            ("Upstream steps", scores.undeclared or "declared in the study"),
        ),
    )
    yield (
        "Performance in participants who were held out",
        _facts(
            ("Validation", scores.validation),
            ("Performance", performance_in_words(result)),
            ("Permutation test", "" if scores.judged_p is None else f"p = {p_text(scores.judged_p)}"),
            ("In another cohort", "; ".join(map(cohort_in_short, scores.external)) or "not tested"),
        ),
    )
    yield "Subgroups", _subgroups(result) or [NO_INFORMATION]
    yield "Limits", [as_text(each) for each in limits(result).paragraphs]
    yield (
        "Ethics, funding, maintenance",
        _facts(
            ("Ethical approval", ""), ("Funding and interests", ""), ("Harm of wrong predictions", ""), ("Contact", "")
        ),
    )


def _facts(*facts: tuple[str, str]) -> list[str]:
    return [f"{label}: {as_text(text) or NO_INFORMATION}" for label, text in facts]


def _subgroups_known(result: RunResult) -> str:
    variables = dict.fromkeys(each.variable for each in result.scores.sensitivity.subgroups)
    return f"known of {', '.join(variables)}: see Subgroups" if variables else ""


def _subgroups(result: RunResult) -> list[str]:
    unit = f" {result.scores.outcome_unit}" if result.scores.outcome_unit else ""
    lines = []
    for each in result.scores.sensitivity.subgroups:
        what = f"{as_text(each.variable)} {as_text(each.level)}: n = {each.n}"
        if each.r2 is None or each.mae is None:
            lines.append(f"{what}, too few to be scored")
        else:
            lines.append(f"{what}, R2 {number(each.r2)}, MAE {number(each.mae)}{unit}")
    return lines


def as_text(text: str) -> str:
    r"""A text of the study as Markdown shows it: no markup, no link, no new line.

    >>> as_text("[a](b) <b> *c*")
    '\\[a\\](b) &lt;b&gt; \\*c\\*'
    """
    plain = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]|#])", r"\\\1", plain)
