"""What a study says was done to its features before they came here (traps T5, T6 and T7): refused, warned of, or noted.

Values do not show who a template, a scaling or a harmonisation was fitted on. Only whoever made the file knows, so
``[upstream]`` asks them, and a report says where nobody answered.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from workbench.errors import Problem, listed
from workbench.records import Cohort, Notice
from workbench.specs.experiment import ExperimentSpec, OutcomeSpec
from workbench.specs.readers import AnySource
from workbench.specs.source import UpstreamSpec
from workbench.tables.covariates import AT, base_of, session_of
from workbench.tables.names import looks_like_outcome

INFLATION = "at most 0.02 of R2 in simulated trials"
"""What standardising, reducing and harmonising everybody together added (benchmarks/upstream_leaks.py)."""

AGAIN = "fit it in other people, or leave it out: whatever is learnt here is learnt in training participants only"


def upstream_problems(
    experiment: ExperimentSpec, cohort: Cohort, specs: Mapping[str, AnySource], sources: Sequence[str]
) -> Iterator[Problem]:
    """Declared steps that were given the outcome of the people who are to be predicted.

    Parameters
    ----------
    experiment : ExperimentSpec
    cohort : Cohort
    specs : mapping of str to AnySource
    sources : sequence of str
        Those that are used; one without a specification is passed over.

    Yields
    ------
    Problem
    """
    for source in sources:
        said = specs[source].upstream if source in specs else None
        if said is not None:
            yield from _given_the_outcome(f"{source}: upstream", said, experiment.outcome, cohort)


def _given_the_outcome(where: str, said: UpstreamSpec, outcome: OutcomeSpec, cohort: Cohort) -> Iterator[Problem]:
    if said.used_outcome is True and said.fitted_on != "other people":
        found = "a step before this file was given the outcome of the participants it would predict"
        yield Problem(f"{where}: used_outcome", found, AGAIN, "T5")
    if said.selected_by == "outcome here":
        found = "features were selected by the outcome of the participants they would predict"
        hint = (
            "give all columns; screen = 50 in [[models]] selects them anew in the training participants of every fold"
        )
        yield Problem(f"{where}: selected_by", found, hint, "T6")
    if said.fitted_on == "other people":
        return
    for term in said.preserved:
        if why := _is_outcome(term, outcome, cohort):
            found = f"the harmonisation was told to preserve {term}, which {why}"
            hint = (
                "harmonise again without it: what is preserved is written into the features of the held-out "
                "participants"
            )
            yield Problem(f"{where}: preserved", found, hint, "T7")


def _is_outcome(term: str, outcome: OutcomeSpec, cohort: Cohort) -> str:
    """Why a preserved covariate is the outcome, or known only after the infusion; empty where it is neither."""
    column, session = base_of(term).partition(AT)[0], session_of(term, cohort)
    if session is not None and session in cohort.sessions:
        return "is known only after the infusion" if cohort.sessions[session].phase != "before" else ""
    own = {name.casefold() for name in (outcome.score, outcome.column) if name}
    return "is the outcome" if column.casefold() in own else looks_like_outcome(column, cohort)


def upstream_warnings(
    specs: Mapping[str, AnySource], sources: Sequence[str], *, harmonised: bool = False
) -> Iterator[Notice]:
    """Declared steps that learnt from everybody at once, the outcome apart.

    Parameters
    ----------
    specs : mapping of str to AnySource
    sources : sequence of str
        Those that are used; one without a specification is passed over.
    harmonised : bool
        Whether the experiment harmonises in every training set.

    Yields
    ------
    Notice
        T5, at most one per source, and one where sites are harmonised twice.
    """
    for source in sources:
        said = specs[source].upstream if source in specs else None
        if said is not None and harmonised and said.harmonised in ("combat", "other"):
            text = (
                "sites were harmonised before the file, and [harmonise] does it again in every training set: what was "
                "learnt from everybody stays in; give the features as they were before"
            )
            yield Notice(text, where=source, code="T5")
        if said is None or said.fitted_on == "other people":
            continue
        steps = ["steps before the file"] if said.fitted_on == "everyone here" else []
        steps += ["the harmonisation of sites"] if said.harmonised in ("combat", "other") else []
        if steps:
            text = (
                f"{' and '.join(steps)} learnt from all participants at once, held-out participants included; "
                "without the outcome "
                f"that changes R2 little ({INFLATION}), but the result is not that of new participants"
            )
            yield Notice(text, where=source, code="T5")


def undeclared(specs: Mapping[str, AnySource], sources: Sequence[str]) -> str:
    """A sentence for the report on sources of which nobody said how they were made; empty where there are none.

    Parameters
    ----------
    specs : mapping of str to AnySource
    sources : sequence of str
        Those that are used; one without a specification is passed over.

    Returns
    -------
    str
    """
    silent = [source for source in sources if source in specs and _open_questions(specs[source].upstream)]
    if not silent:
        return ""
    questions = dict.fromkeys(question for source in silent for question in _open_questions(specs[source].upstream))
    return (
        f"{listed(silent)}: not declared {' or '.join(questions)} ([upstream] of features/NAME.toml): a step that "
        "learnt from everybody, or knew the outcome, leaves no trace in the values"
    )


def _open_questions(said: UpstreamSpec | None) -> tuple[str, ...]:
    said = said or UpstreamSpec()
    if said.fitted_on == "other people":
        return ()
    asked = {
        "in whom earlier steps were fitted": said.fitted_on,
        "by what features were selected": said.selected_by,
        "how sites were harmonised": said.harmonised,
    }
    return tuple(question for question, answer in asked.items() if answer == "unknown")
