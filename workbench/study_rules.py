"""What the files of a study must agree on: names that one file uses are declared in another."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from workbench.errors import did_you_mean
from workbench.records import ALL_SOURCES
from workbench.specs import AnySource, CohortSpec, ExperimentSpec
from workbench.specs.base import Finding, Key, unknown
from workbench.specs.experiment import source_of
from workbench.specs.source import TIMINGS


def overlaps(name: str, spec: AnySource, names: Iterable[str]) -> Iterator[Finding]:
    """Overlaps of a source that name nothing, or the source itself, each placed in the source's file.

    Parameters
    ----------
    name : str
        Of the source.
    spec : AnySource
    names : iterable of str
        Every source of the study.
    """
    for position, other in enumerate(spec.overlaps):
        if other == name:
            yield Finding(("overlaps", position), "is this source itself", "name the other source")
        else:
            yield from unknown(other, names, "source", ("overlaps", position))


def timing(spec: AnySource, cohort: CohortSpec) -> Iterator[Finding]:
    """A time of measurement that is neither a session of the cohort nor one of the words for it.

    Parameters
    ----------
    spec : AnySource
    cohort : CohortSpec
    """
    if spec.timing is not None and spec.timing not in (*TIMINGS, *cohort.sessions):
        hint = did_you_mean(spec.timing, (*cohort.sessions, *TIMINGS))
        yield Finding(("timing",), f"{spec.timing!r} is neither a session of cohort.toml nor a known word", hint)


def session_codes(spec: AnySource, cohort: CohortSpec) -> Iterator[Finding]:
    """Codes of sessions that stand for no session of the cohort.

    Parameters
    ----------
    spec : AnySource
    cohort : CohortSpec
    """
    for raw, session in (spec.session_codes or {}).items():
        yield from unknown(session, cohort.sessions, "session", ("session_codes", raw))


def against_features(
    spec: ExperimentSpec, cohort: CohortSpec, sources: Mapping[str, AnySource], unread: Collection[str] = ()
) -> Iterator[Finding]:
    """Names of an experiment that no feature file declares, each placed in the experiment's file.

    Parameters
    ----------
    spec : ExperimentSpec
    cohort : CohortSpec
    sources : mapping of str to AnySource
        By name.
    unread : collection of str
        Names of sources whose files have problems of their own: nothing is said of them here.
    """
    yield from _sessions(spec, cohort)
    yield from _outcome(spec, cohort)
    yield from _feature_sets(spec, sources, unread)
    yield from _terms(spec, cohort)
    yield from _people(spec, cohort)
    if spec.harmonise is not None:
        yield from _term(spec.harmonise.batch, ("harmonise", "batch"), cohort)
        for position, source in enumerate(spec.harmonise.sources):
            if source not in unread:
                yield from unknown(source, sources, "source", ("harmonise", "sources", position))


def _sessions(spec: ExperimentSpec, cohort: CohortSpec) -> Iterator[Finding]:
    for key, sessions in (("sessions", spec.sessions), ("change", spec.change or ())):
        for position, session in enumerate(sessions):
            yield from unknown(session, cohort.sessions, "session", (key, position))
    for key in ("from", "at", "placebo_at", "until"):
        session_name = getattr(spec.outcome, "from_" if key == "from" else key)
        if session_name is not None:
            yield from unknown(session_name, cohort.sessions, "session", ("outcome", key))


def _outcome(spec: ExperimentSpec, cohort: CohortSpec) -> Iterator[Finding]:
    if spec.outcome.score is not None:
        yield from unknown(spec.outcome.score, cohort.scores, "score", ("outcome", "score"))
    if spec.outcome.apart_from is not None:
        yield from unknown(spec.outcome.apart_from, cohort.scores, "score", ("outcome", "apart_from"))
    arms = cohort.arms.names if cohort.arms else ()
    for position, arm in enumerate(spec.outcome.arms or ()):
        yield from unknown(arm, arms, "declared arm", ("outcome", "arms", position))
    both = spec.outcome.kind in ("treatment-effect", "ketamine-minus-placebo")  # enter both, or are refused with a hint
    if cohort.design == "parallel" and not spec.outcome.arms and not both:
        hint = f"say whose outcome is predicted, such as arms = [{', '.join(map(_quoted, arms[:1]))}]"
        yield Finding(("outcome", "arms"), "is missing, which a parallel design needs", hint)


def _quoted(word: str) -> str:
    return f'"{word}"'


def _feature_sets(spec: ExperimentSpec, sources: Mapping[str, AnySource], unread: Collection[str]) -> Iterator[Finding]:
    for name, members in spec.feature_sets.items():
        for position, member in enumerate(members):
            if source_of(member) not in unread:
                yield from unknown(source_of(member), sources, "source", ("feature_sets", name, position))
    if not sources and not unread:
        yield Finding((), "there is no source to predict from", "declare one as features/NAME.toml")
    for position, model in enumerate(spec.models if not spec.feature_sets else ()):
        for name in model.feature_sets or ():
            if name not in (*sources, *unread, ALL_SOURCES):
                hint = "without a table [feature_sets] each source is one, and all"
                yield Finding(("models", position, "feature_sets"), f"{name!r} is not a feature set", hint)


def _terms(spec: ExperimentSpec, cohort: CohortSpec) -> Iterator[Finding]:
    """Covariates: a column, a reserved name that this study has, or SCORE@session."""
    for key, terms in (
        (("clinical_model",), spec.clinical_model),
        (("confounds",), spec.confounds or ()),
        (("outcome", "adjust"), spec.outcome.adjust),
        (("validation", "blocks"), spec.validation.blocks),
        (("validation", "strata"), spec.validation.strata),
        (("harmonise", "preserve"), spec.harmonise.preserve if spec.harmonise else ()),
    ):
        for position, term in enumerate(terms):
            yield from _term(term, (*key, position), cohort)


def _term(term: str, key: Key, cohort: CohortSpec) -> Iterator[Finding]:
    score, at, session = term.partition("@")
    if at:
        yield from unknown(score, cohort.scores, "score", key)
        yield from unknown(session, cohort.sessions, "session", key)
    elif score in cohort.scores and score not in cohort.columns:
        first = next((name for name, each in cohort.sessions.items() if each.phase == "before"), "SESSION")
        yield Finding(key, f"{term!r} is a score, measured more than once", f"say when: {term}@{first}")
    elif term in RESERVED_NEEDS:
        what, exists = RESERVED_NEEDS[term], _exists(term, cohort)
        if not exists:
            yield Finding(key, f"{term!r} has no meaning in this study", what)


RESERVED_NEEDS = {
    "sequence": "it is the arm of the first period: a crossover with [arms] order = [..] has one",
    "arm": "it is the arm of a parallel design: [arms] column = says where it stands",
    "site": "cohort.toml does not say site = COLUMN",
}
"""What each reserved name stands for, and where the cohort says it."""


def _exists(reserved: str, cohort: CohortSpec) -> bool:
    if reserved == "site":
        return cohort.site is not None
    if reserved == "arm":
        return cohort.arms is not None and cohort.arms.column is not None
    return cohort.arms is not None and cohort.arms.order is not None


def _people(spec: ExperimentSpec, cohort: CohortSpec) -> Iterator[Finding]:
    for table in ("include", "exclude"):
        for column in getattr(spec, table):
            if column.partition("@")[0] in cohort.scores and column not in cohort.columns:
                hint = f"{table} takes participants columns; exclude_file = lists participants by id"
                yield Finding((table, column), f"{column!r} is a score", hint)
            else:
                yield from _term(column, (table, column), cohort)
    if spec.validation.leave_out == "site" and cohort.site is None:
        yield Finding(("validation", "leave_out"), "'site' has no meaning in this study", RESERVED_NEEDS["site"])
