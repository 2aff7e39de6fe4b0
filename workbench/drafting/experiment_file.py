"""The first experiment of a draft: one question, from the ratings, arms and sources that were recognised."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from workbench.drafting.arms import patients_of
from workbench.drafting.people import People, Ratings, choices, rated_at
from workbench.drafting.records import DraftedFile, Entry, Kind, Known, Section, guessed, question
from workbench.drafting.sources import DraftedSource
from workbench.specs.unanswered import UNANSWERED
from workbench.tables.guards import FEWEST

NAME = "first_question"
PREFERRED = ("MADRS", "HDRS-17", "HAMD-6", "QIDS-SR16", "BDI-II", "SHAPS", "TEPS-ANT")
"""Scores by how often trials of ketamine have them as their outcome; others come after these."""
MOST_NAMED = 60
"""Columns of the participants above which none is proposed as an outcome: most are features."""
USUAL_HOURS = 24.0
"""When ketamine's effect on mood is largest in most trials: the session nearest to it is the outcome's."""

OPENING = (
    'One question, drafted from the files: each feature set with each model is one run. "guessed" is to be checked, '
    '"question" to be answered. Freeze it before it is run: workbench freeze first_question.'
)


@dataclass(frozen=True)
class _Outcome:
    """What is predicted."""

    entries: tuple[Entry, ...]
    words: str
    before: str
    """The session before treatment; empty where there is none."""
    forced_baseline: str = ""
    score: str = ""


def experiment_file(people: People, sources: Sequence[DraftedSource]) -> DraftedFile:
    """The first experiment.

    Parameters
    ----------
    people : People
    sources : sequence of DraftedSource

    Returns
    -------
    DraftedFile
    """
    outcome = _outcome(people)
    in_arm = _in_arm(people)
    counted = tuple(_counted(entry, in_arm, sources) if entry.key == "arms" else entry for entry in outcome.entries)
    n_analysed = _n_analysed(outcome, in_arm, sources)
    enough = [source for source in sources if n_analysed[source.name] >= FEWEST] or list(sources)
    names = [source.name for source in sorted(enough, key=lambda source: -n_analysed[source.name])]
    sets = tuple(Entry(name, [name]) for name in names)
    too_small = tuple(_left_out(source, n_analysed[source.name]) for source in sources if source not in enough)
    sections = [
        Section((), tuple(_top(people, enough, outcome, names))),
        Section(("outcome",), counted),
        *([Section(("feature_sets",), sets, too_small)] if sets else []),
        Section(
            ("validation",),
            (
                Entry("repeats", 10, "read", "how often participants are divided into folds anew"),
                Entry("outer", 5),
                Entry("inner", 5),
                Entry("permutations", 1000, "read", "shuffled outcomes sent through everything: the p-value"),
                Entry("seed", 0),
            ),
        ),
        Section(("models",), (Entry("kind", "ridge"), Entry("repeats", 50)), repeated=True),
    ]
    return DraftedFile(f"experiments/{NAME}.toml", OPENING, tuple(sections))


def _top(people: People, sources: Sequence[DraftedSource], outcome: _Outcome, names: Sequence[str]) -> Iterator[Entry]:
    kinds = list(dict.fromkeys(source.modality for source in sources if source.modality != UNANSWERED))
    yield Entry("question", _asked(kinds, outcome), "guessed", "most ask this; say it in your words")
    if people.participants is not None:
        patients = patients_of(people.participants, leave_out=people.arms.used)
        if patients is not None:
            column, levels = patients
            yield Entry("include", {column: levels.value}, levels.kind, levels.note)
    if any(source.has_sessions or source.session for source in sources) and people.visits.visits:
        yield _sessions(people, outcome)
    yield _clinical(people, outcome)
    if len(names) > 1:
        yield Entry(
            "primary", f"ridge . {names[0]}", "guessed", "most participants have it; only this run may carry a claim"
        )
    if not people.holds_motion and people.covariates.age:
        note = "it changes brain and symptoms alike, and a claim needs something held fixed"
        if any(source.modality in ("connectivity", "task") for source in sources):
            note += "; no file holds motion (mean FD): hold it fixed where you have it, as [columns.mean_fd]"
        yield Entry("confounds", [people.covariates.age], "guessed", note)


def _asked(kinds: Sequence[str], outcome: _Outcome) -> str:
    named = "PET" if list(kinds) == ["pet"] else " and ".join("PET" if kind == "pet" else kind for kind in kinds)
    does = "Do" if len(kinds) != 1 else "Does"
    named = named or "the features"
    if outcome.before:
        return f"{does} {named} before treatment predict {outcome.words}?"
    return f"{'Are' if len(kinds) != 1 else 'Is'} {named} associated with {outcome.words}?"


def _sessions(people: People, outcome: _Outcome) -> Entry:
    before = outcome.before or people.visits.before
    return Entry("sessions", [before], "guessed", "features that are measured after treatment predict nothing")


def _clinical(people: People, outcome: _Outcome) -> Entry:
    terms = [outcome.forced_baseline] if outcome.forced_baseline else []
    terms += [name for name in (people.covariates.age, people.covariates.sex) if name]
    if not terms:
        note = "what is known without a scanner, which features must add to? Columns of the participants, SCORE@SESSION"
        return Entry("clinical_model", [], "open", note)
    return Entry("clinical_model", terms, "guessed", "it is known without a scanner; features must add to it")


# -------------------------------------------------------------------------------------------------------------- outcome


def _outcome(people: People) -> _Outcome:
    chosen = _chosen(people)
    if chosen is None:
        return _not_known(people)
    before, after = _sides(chosen, people)
    why = "it is the first of the usual outcomes that the files have at the sessions needed"
    score = Entry("score", chosen.name, "guessed", why)
    arms = people.arms
    if arms.design.value == "observational" or not after:
        at = Entry("at", before or UNANSWERED, "guessed", "it is the first session with this score")
        return _Outcome((score, Entry("kind", "score"), at), chosen.name, "", score=chosen.name)
    baseline = f"{chosen.name}@{before}" if before else ""
    if arms.design.value == "crossover" and (pair := _pair(people, after)) is not None:
        active, control = pair
        pair_entries = (
            score,
            Entry(
                "kind",
                "ketamine-minus-placebo",
                "guessed",
                "everybody has both: their own difference, which compares treatments",
            ),
            Entry(
                "at",
                active,
                "guessed",
                f"it is the session after {arms.active.value if arms.active else 'treatment'} nearest to a day",
            ),
            Entry("placebo_at", control, "guessed", "it is as long after the control"),
            Entry("adjust", ["sequence"], "read", "who had which treatment first"),
        )
        return _Outcome(
            pair_entries,
            f"how much lower {chosen.name} is after treatment than after the control",
            before,
            baseline,
            chosen.name,
        )
    if not before:
        ask = question(f"which session is before treatment, of {choices(rated_at(chosen))}?")
        return _Outcome((score, Entry("kind", "ancova"), ask.entry("from"), Entry("at", after[0])), chosen.name, "")
    nearest = _nearest(people, after)
    entries = [
        score,
        Entry(
            "kind", "ancova", "guessed", "the score at the end, given the score at the start; or change, response .."
        ),
        Entry("from", before, "guessed", "it is the session before treatment"),
        nearest.entry("at"),
    ]
    if arms.design.value == "parallel":
        active = arms.active.value if arms.active else UNANSWERED
        kind: Kind = "guessed" if active != UNANSWERED else "question"
        note = (
            "one arm alone gives a prognostic marker" if kind == "guessed" else "whose outcome is predicted: which arm?"
        )
        entries.append(Entry("arms", [active], kind, note))
    return _Outcome(tuple(entries), f"{chosen.name} at {nearest.value}", before, baseline, chosen.name)


def _n_analysed(outcome: _Outcome, in_arm: Mapping[str, set[str]], sources: Sequence[DraftedSource]) -> dict[str, int]:
    """By source: its participants in the arms that the outcome is drafted for, before ratings that are missing."""
    chosen = next((entry.value for entry in outcome.entries if entry.key == "arms"), None)
    if chosen is None or not in_arm or not set(map(str, chosen)) <= set(in_arm):
        return {source.name: len(source.participants) for source in sources}
    analysed = set().union(*(in_arm[str(arm)] for arm in chosen))
    return {source.name: len(analysed & source.participants) for source in sources}


def _left_out(source: DraftedSource, n: int) -> Entry:
    note = (
        f"{source.name} is no feature set here: {n} of its participants are in the arms chosen above, and {FEWEST} are "
        f'needed at least; with other arms: {source.name} = ["{source.name}"]'
    )
    return Entry("", None, "open", note)


def _in_arm(people: People) -> dict[str, set[str]]:
    """Participants of every arm, as the study calls it; none where arms are not known."""
    table, column = people.participants, people.arms.column
    if table is None or column is None:
        return {}
    codes = people.arms.codes.value if people.arms.codes else {}
    levels = table.levels(str(column.value))
    cells = zip(table.columns[people.keys[table.label].column], table.columns[str(column.value)], strict=True)
    in_arm: dict[str, set[str]] = {}
    for participant, level in cells:
        if level in levels:
            in_arm.setdefault(codes.get(level, level), set()).add(people.rule.key(participant))
    return in_arm


def _counted(arms: Entry, in_arm: Mapping[str, set[str]], sources: Sequence[DraftedSource]) -> Entry:
    """The choice of arms, with how many participants each leaves, all in all and by source."""
    if not in_arm:
        return arms

    def left(those: set[str]) -> str:
        by_source = ", ".join(f"{source.name} {len(those & source.participants)}" for source in sources)
        return f"{len(those)} participants{f' ({by_source})' if by_source else ''}"

    first = [str(arm) for arm in arms.value if arm in in_arm]
    leaves = [f"{arm} {left(in_arm[arm])}" for arm in (*first, *(arm for arm in in_arm if arm not in first))]
    if len(in_arm) > 1:
        everybody = left(set().union(*in_arm.values()))
        all_arms = (
            'all arms, with kind = "treatment-effect" (and allocation in cohort.toml) in place of this line, or named '
            f'here with adjust = ["arm"], {everybody}'
        )
        leaves.append(all_arms)
    note = f"{arms.note}. Each choice leaves, before ratings that are missing: {'; '.join(leaves)}"
    return replace(arms, note=note)


def _not_known(people: People) -> _Outcome:
    """A placeholder: an outcome is never made up."""
    amounts = _amounts(people)
    ask = "what is to be predicted? No scale was recognised."
    if people.arms.design.value == "observational":
        ask += f" Columns of the participants that hold numbers: {choices(amounts)}" if amounts else ""
        return _Outcome(
            (question(f"{ask}; or take the line out, and write score = a score of cohort.toml").entry("column"),),
            "it",
            "",
        )
    ask += " Declare one in cohort.toml as [scores.NAME] and write its name; or take the line out and write column = "
    ask += f"a column of the participants: {choices(amounts)}"
    entries = [question(ask).entry("score")]
    if (
        people.arms.design.value == "parallel"
        and people.arms.active is not None
        and people.arms.active.kind != "question"
    ):
        entries.append(Entry("arms", [people.arms.active.value], "guessed", "one arm alone gives a prognostic marker"))
    return _Outcome(tuple(entries), "the outcome", "")


def _amounts(people: People) -> list[str]:
    table = people.participants
    if table is None or len(table.columns) > MOST_NAMED:
        return []
    taken = {people.keys[table.label].column, people.covariates.sex, people.covariates.site}
    return [
        name for name in table.columns if name not in taken and table.is_numeric(name) and len(table.levels(name)) > 5
    ]


def _chosen(people: People) -> Ratings | None:
    if not people.ratings:
        return None
    candidates = [each for each in people.ratings if not _is_acute(each, people)]

    def rank(each: Ratings) -> tuple[bool, int]:
        before, after = _sides(each, people)
        usual = PREFERRED.index(each.name) if each.name in PREFERRED else len(PREFERRED)
        return not (before and after), usual

    return min(candidates, key=rank, default=None)


def _is_acute(ratings: Ratings, people: People) -> bool:
    return bool(people.acute) and set(rated_at(ratings)) <= set(people.acute)


def _sides(ratings: Ratings, people: People) -> tuple[str, list[str]]:
    """The session of a score before treatment, and those after it, the earliest first."""
    rated = set(rated_at(ratings))
    visits = [visit for visit in people.visits.visits if visit.name in rated]
    some_before = any(visit.first for visit in people.visits.visits)
    before = [v.name for at, v in enumerate(visits) if v.first or (not some_before and at == 0)]
    after = [
        v.name for v in visits if v.name not in before and v.moment.when != "during" and v.name not in people.acute
    ]
    return (before[0] if before else ""), after


def _nearest(people: People, after: Sequence[str]) -> Known:
    hours = {visit.name: visit.moment.hours for visit in people.visits.visits}
    known = [name for name in after if hours.get(name)]
    if known:
        best = min(known, key=lambda name: abs((hours[name] or 0.0) - USUAL_HOURS))
        return guessed(best, "it is the session nearest to a day after treatment")
    return guessed(after[0], "it is the first session after treatment")


def _pair(people: People, after: Sequence[str]) -> tuple[str, str] | None:
    """Two sessions as long after the treatment as after the control."""
    visits = {visit.name: visit.moment for visit in people.visits.visits if visit.name in after}
    pairs = [
        (abs((a.hours or 0.0) - USUAL_HOURS), first, second)
        for first, a in visits.items()
        for second, b in visits.items()
        if a.hours is not None and a.hours == b.hours and _active(people, a.letter) and _control(people, b.letter)
    ]
    return min(pairs)[1:] if pairs else None


def _active(people: People, letter: str) -> bool:
    arms = people.arms
    if arms.active is None or not letter:
        return False
    return arms.arm_of(letter) == arms.active.value or (not arms.arm_of(letter) and letter == "d")


def _control(people: People, letter: str) -> bool:
    arms = people.arms
    return arms.control is not None and bool(letter) and arms.arm_of(letter) == arms.control.value
