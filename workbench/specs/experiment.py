"""``experiments/NAME.toml``: one question."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from workbench.errors import did_you_mean
from workbench.specs.base import (
    NAME_PATTERN,
    Finding,
    Key,
    Name,
    Number,
    Spec,
    Text,
    not_together,
    repeated,
    unknown,
)
from workbench.specs.bounds import Bounds as Bounds
from workbench.specs.bounds import HoldOut
from workbench.specs.bounds import Rule as Rule
from workbench.specs.external import ExternalSpec
from workbench.specs.harmonise import HarmoniseSpec
from workbench.specs.learners import AnyLearner

SESSIONS_OF_KIND: Mapping[str, tuple[str, ...]] = {
    "score": ("at",),
    "change": ("from", "at"),
    "percent-change": ("from", "at"),
    "ancova": ("from", "at"),
    "ketamine-minus-placebo": ("at", "placebo_at"),
    "treatment-effect": ("from", "at"),
    "response": ("from", "at"),
    "remission": ("at",),
    "area-under-course": ("from", "until"),
    "durability": ("from", "at", "until"),
}
"""The sessions that each kind of outcome is made from: all are needed, and no other has a meaning."""

CHANGE = "@change"
"""Ends the name of a source that is taken as the change between the two sessions of `change`."""

Member = Annotated[str, StringConstraints(pattern=NAME_PATTERN.removesuffix("$") + f"({CHANGE})?$")]
"""A source in a feature set."""

BASELINE_HELD = ("change", "percent-change", "response", "remission", "area-under-course", "durability")
"""Kinds of outcome that are made from the baseline score, or depend on it: regression to the mean alone predicts them
(METHODS 2.4), so that their claim is read from the run that holds the baseline score fixed."""
SITES_TO_HOLD_FIXED = 2
"""Fewest sites of which the site can be held fixed."""
SITES_TO_LEAVE_OUT = 3
"""Fewest sites that are left out in turn: with two, a training set is one site, and its inner folds are of another
kind."""
INTERVAL_FOLDS, INTERVAL_REPEATS = 5, 10
"""The 95 % interval comes from repeated 5-fold divisions whatever `outer` is, so that no number of folds narrows it,
and from at least ten repeats, so that the draw of the folds does not decide it (METHODS 2.1)."""
INFLUENCE_REPEATS = 5
"""Repeats over which r2 without each participant is averaged: a single one may say anything (METHODS 7)."""

CONFOUND_TERM = re.compile(r"^[^@^\s][^@^]*(\^[2-9])?$")
"""A column, or a power of it: ``age``, ``age^2``."""


def source_of(member: str) -> str:
    """The source that a member of a feature set is made from.

    Parameters
    ----------
    member : str

    Returns
    -------
    str

    Examples
    --------
    >>> source_of("connectivity@change"), source_of("task")
    ('connectivity', 'task')
    """
    return member.removesuffix(CHANGE)


class OutcomeSpec(Spec):
    """What is predicted."""

    score: Name | None = None
    """A rating scale of features/cohort.toml."""
    column: Text | None = None
    """A participants column instead of a score (observational studies)."""
    kind: Literal[
        "score",
        "change",
        "percent-change",
        "ancova",
        "ketamine-minus-placebo",
        "treatment-effect",
        "response",
        "remission",
        "area-under-course",
        "durability",
    ] = "score"
    """What is made of the score: see the page on outcomes."""
    type: Literal["continuous", "binary"] | None = None
    """Of a participants column; default: continuous where every value is a number."""
    positive: Text | None = None
    """Level of a binary column that counts as 1."""
    better: Literal["higher", "lower"] | None = None
    """Direction of a participants column, which has none otherwise."""
    from_: Name | None = Field(default=None, alias="from")
    """Session before treatment."""
    at: Name | None = None
    """Session at which the outcome is read (after ketamine)."""
    placebo_at: Name | None = None
    """Session after placebo, for ketamine-minus-placebo."""
    until: Name | None = None
    """Last session of the course: area-under-course and durability."""
    missing_sessions: Literal["complete", "interpolate"] | None = None
    """Area under the course: complete (the default) leaves out whoever lacks a session of the course; interpolate
    draws a straight line from the rating before a missing one to that after it, and still needs the first and the
    last."""
    contrast: Literal["kept-or-lost", "kept-or-not", "share"] | None = None
    """Durability. kept-or-lost: who keeps the response, among responders at the early session; kept-or-not: who
    responds at both sessions, among everyone; share: how much of the early improvement is left, among responders."""
    apart_from: Name | None = None
    """Score of general depression whose improvement over the same sessions is held fixed in every training fold, so
    that what is predicted is the part of the improvement that is not shared with it."""
    adjust: tuple[Text, ...] = ()
    """Nuisance beside the confounds, such as "sequence"."""
    arms: tuple[Text, ...] | None = None
    """Required for parallel designs: whose outcome."""
    threshold: Number | None = Field(default=None, gt=0, lt=1)
    """Response and durability: relative fall; default: the rule of the scale."""
    cutoff: Number | None = None
    """Remission: at most; default: the rule of the scale."""
    shuffle: bool = False
    """Shuffle the outcome once, by the seed, before anything else: a control experiment of which nothing must come."""

    def rules(self) -> Iterator[Finding]:
        """One thing is predicted, from the sessions its kind needs."""
        if (self.score is None) == (self.column is None):
            found = "names neither a score nor a column" if self.score is None else "names both a score and a column"
            yield Finding((), found, 'write score = "MADRS", or column = "age" for an observational question')
        elif self.column is not None:
            yield from self._column_rules(self.column)
        else:
            yield from self._score_rules()
        yield from repeated(self.adjust, ("adjust",))
        yield from repeated(self.arms or (), ("arms",))
        if self.kind == "treatment-effect" and self.arms is not None:
            yield Finding(("arms",), "has no meaning for kind = 'treatment-effect'", "take it out: both arms enter")
        for key, kinds in KEYS_OF_KINDS.items():
            if getattr(self, key) is not None and self.kind not in kinds:
                meant = " or ".join(map(repr, kinds))
                yield Finding((key,), f"has no meaning for kind = {self.kind!r}", f"it is for kind = {meant}")

    def _column_rules(self, column: str) -> Iterator[Finding]:
        if self.kind == "treatment-effect":
            yield from self._column_of_an_effect()
        elif self.kind != "score":
            hint = "a participants column has one value per participant: leave out kind, or predict a score"
            yield Finding(
                ("kind",), f"is {self.kind!r}, which is made from a score, but column = {column!r} is given", hint
            )
        for key, value in self._sessions.items():
            if value is not None:
                yield Finding((key,), "has no meaning for a participants column", "leave it out, or predict a score")
        if self.type == "continuous" and self.positive is not None:
            yield Finding(("positive",), "is given for a continuous column", 'leave it out, or write type = "binary"')
        if self.type == "binary" and self.better is not None:
            yield Finding(("better",), "is given for a binary column", "positive = says which level is predicted")
        if self.type == "binary" and self.positive is None:
            yield Finding(("positive",), "is missing, which a binary column needs", 'such as positive = "F"')

    def _column_of_an_effect(self) -> Iterator[Finding]:
        if self.type == "binary" or self.positive is not None:
            hint = "an effect is a difference of two means: name a column of numbers"
            yield Finding(("type",), "is binary, and the effect of a treatment is asked for", hint)
        elif self.better is None:
            yield Finding(("better",), "is missing: an effect is a benefit or a harm", 'such as better = "higher"')

    def _score_rules(self) -> Iterator[Finding]:
        for key in ("type", "positive", "better"):
            if getattr(self, key) is not None:
                hint = "leave it out: the scale of the score says it"
                yield Finding((key,), "is for a participants column, and a score is predicted", hint)
        needed = SESSIONS_OF_KIND[self.kind]
        for key, value in self._sessions.items():
            if key in needed and value is None:
                yield Finding((key,), f"is missing, which kind = {self.kind!r} needs", SESSION_KEYS[key])
            if key not in needed and value is not None:
                hint = f"it is made from {' and '.join(needed)}; leave {key} out"
                yield Finding((key,), f"has no meaning for kind = {self.kind!r}", hint)
        for first, second in combinations(needed, 2):
            if self._sessions[first] is not None and self._sessions[first] == self._sessions[second]:
                found = f"is {self._sessions[second]!r}, the same session as {first}"
                yield Finding((second,), found, "name two sessions")
        if self.kind == "durability" and self.contrast is None:
            hint = 'write contrast = "kept-or-lost", "kept-or-not" or "share"'
            yield Finding(("contrast",), "is missing, which kind = 'durability' needs", hint)
        if self.apart_from is not None and self.apart_from == self.score:
            hint = "name the score of general depression"
            yield Finding(("apart_from",), f"is {self.apart_from!r}, the outcome itself", hint)

    @property
    def _sessions(self) -> dict[str, str | None]:
        return {"from": self.from_, "at": self.at, "placebo_at": self.placebo_at, "until": self.until}


SESSION_KEYS = {
    "from": 'the session before treatment, such as from = "ses-b0"',
    "at": 'the session at which the outcome is read, such as at = "ses-d2"',
    "placebo_at": 'the session after placebo, such as placebo_at = "ses-p2"',
    "until": 'the last session of the course, such as until = "ses-d10"',
}

KEYS_OF_KINDS: Mapping[str, tuple[str, ...]] = {
    "threshold": ("response", "durability"),
    "cutoff": ("remission",),
    "missing_sessions": ("area-under-course",),
    "contrast": ("durability",),
    "apart_from": ("change", "percent-change", "ancova", "ketamine-minus-placebo", "area-under-course"),
}
"""Keys that have a meaning for some kinds of outcome only."""


class ValidationSpec(Spec):
    """How it is validated."""

    repeats: int = Field(default=10, ge=1)
    """How often the outer folds are drawn anew."""
    outer: int = Field(default=5, ge=2)
    """Outer folds: each is predicted by a model that never saw it."""
    inner: int = Field(default=5, ge=2)
    """Inner folds, in which settings are chosen."""
    permutations: int = Field(default=1000, ge=0)
    """Shuffled outcomes sent through the whole procedure; 1,000 for a claim."""
    seed: int = Field(default=0, ge=0)
    """The only source of randomness."""
    inner_seed: int | None = Field(default=None, ge=0)
    """random_state of KFold(inner, shuffle=True) in every training fold; default: spawned from the seed."""
    folds: Text | None = None
    """Table beside the data: participant_id, then one column of outer fold numbers per repeat."""
    leave_out: Literal["site"] | None = None
    """Leave one site out instead of outer folds and repeats."""
    groups: Text | None = None
    """Column whose members are never split, such as "family"."""
    strata: tuple[Text, ...] = ()
    """Columns whose levels the folds are balanced on."""
    balance_outcome: bool = True
    """Binary outcomes: drawn folds hold equal shares of both classes, and a shuffled outcome takes its folds along;
    false leaves the outcome out of the folds, so that all shuffled outcomes share them (much faster for ridge)."""
    blocks: tuple[Text, ...] = ()
    """Columns inside whose levels outcomes may be exchanged; default: site where the study declares it, sequence and
    arm where they are held fixed. Where whole sites are left out, site is always one of them."""
    hold_out: HoldOut | None = None
    """Who is locked for one final prediction and enters nothing before it, neither fits nor guards nor plans: rules
    like those of include, such as { site = ["S3"] }, or a table beside the data with participant_id."""
    modality_values: bool | None = None
    """Refit every set of modalities of a feature set with 2 to 5 of them, to say what each adds; default: where the
    model serves all permuted outcomes at once."""
    # Written out only where it is not the default, so that files of old keep their fingerprint.
    leave_one_out: bool = Field(default=True, exclude_if=lambda refitted: refitted)
    """Refit a model that predicts without each participant (of more than 100, the 25 on whom R2 hangs most); false
    takes them out of the score alone, which saves time and supports no claim."""
    people: Literal["available", "common"] = "available"
    """available: each feature set uses those who have it; common: only those who have every set."""

    def rules(self) -> Iterator[Finding]:
        """Folds come from one place."""
        yield from not_together(self, "leave_out", "folds")
        if self.hold_out is not None and not self.hold_out:
            yield Finding(("hold_out",), "names nobody", 'such as hold_out = { site = ["S3"] }, or leave it out')
        yield from repeated(self.strata, ("strata",))
        yield from repeated(self.blocks, ("blocks",))


class ExperimentSpec(Spec):
    """One question, one file, one MLflow experiment."""

    question: Text
    """The question in words; does not change results."""
    include: dict[Text, Rule] = {}
    """Keys AND, lists OR, bounds inclusive."""
    exclude: dict[Text, Rule] = {}
    """Who is left out, although included: any one key suffices. participant_id takes ids; an exclude_file keeps them
    out of a file that is shared."""
    exclude_quality: dict[Text, Bounds] | None = None
    """Bounds that a scan must keep, by column of [quality]: { mean_fd = { max = 0.5 }, n_volumes = { min = 150 } };
    whoever is outside, or has no value, is excluded, rule by rule."""
    exclude_file: Text | None = None
    """Table beside the data with participant_id (and reason)."""
    sessions: tuple[Name, ...] = ()
    """Session of the features; empty where the sources have none."""
    change: tuple[Name, Name] | None = None
    """Acute-change features: second minus first session, of every source, or of those called SOURCE@change."""
    clinical_model: tuple[Text, ...] = ()
    """The comparator: columns, SCORE@session before the first active infusion, sequence, arm, site."""
    confounds: tuple[Text, ...] | None = None
    """Replaces the sources' lists; [] means none."""
    impute_confounds: bool = False
    """Fill missing confounds from the training participants; else whoever lacks one is excluded, and counted."""
    family: Name | None = None
    """Experiments of one family share the correction for several tests."""
    primary: Text | None = None
    """The run that may carry a claim once the experiment is frozen, as "MODEL . FEATURE_SET"; needed with several."""
    outcome: OutcomeSpec
    feature_sets: dict[Name, tuple[Member, ...]] = {}
    """Default: each source alone, and all that do not overlap together. SOURCE@change is the acute change of a source
    between the two sessions of change, beside features from before treatment."""
    validation: ValidationSpec = ValidationSpec()
    harmonise: HarmoniseSpec | None = None
    """How differences between sites are taken out of the features, in every training set."""
    models: tuple[AnyLearner, ...] = Field(min_length=1)
    """Each model runs on each feature set, unless it names some."""
    external: dict[Name, ExternalSpec] = {}
    """Other cohorts that a finished run is applied to; no part of the plan."""

    def rules(self) -> Iterator[Finding]:
        """Features, people and models are named without contradiction."""
        yield from self._changes()
        yield from repeated(self.sessions, ("sessions",))
        yield from repeated(self.change or (), ("change",))
        yield from repeated(self.clinical_model, ("clinical_model",))
        yield from self._terms()
        yield from self._feature_sets()
        yield from self._models()
        yield from self._primary()
        yield from self._harmonise()
        yield from self._stray_keys()
        yield from self._never_opened()

    def _never_opened(self) -> Iterator[Finding]:
        """Nobody is locked for a prediction that such an outcome has none of."""
        asked = self.outcome
        why = "an effect is observed in nobody" if asked.kind == "treatment-effect" else ""
        why = "it is known only after treatment" if asked.apart_from is not None else why
        if why and self.validation.hold_out is not None:
            found = "locks participants for a prediction that this outcome has none of"
            yield Finding(("validation", "hold_out"), found, f"{why}: leave hold_out out")

    @property
    def changing(self) -> tuple[str, ...]:
        """Members of feature sets that are acute changes, ``SOURCE@change``, each once."""
        members = dict.fromkeys(member for each in self.feature_sets.values() for member in each)
        return tuple(member for member in members if member.endswith(CHANGE))

    def _changes(self) -> Iterator[Finding]:
        """Features before treatment stand beside acute changes only where each says which it is."""
        if not self.changing:
            yield from not_together(self, "sessions", "change")
        elif self.change is None:
            hint = 'such as change = ["ses-b0", "ses-2h"]'
            yield Finding(("change",), f"is missing, which {self.changing[0]!r} needs", hint)

    def _terms(self) -> Iterator[Finding]:
        for position, term in enumerate(self.clinical_model):
            if "@" in term and not all(part.strip() for part in (term.partition("@")[0], term.partition("@")[2])):
                yield Finding(
                    ("clinical_model", position), f"{term!r} cannot be read", "write SCORE@session: MADRS@ses-b0"
                )
        outcome = self.outcome.column
        for key, terms in (
            (("confounds",), self.confounds or ()),
            (("outcome", "adjust"), self.outcome.adjust),
            (("clinical_model",), self.clinical_model),
        ):
            for term in terms:
                if outcome is not None and term.partition("^")[0] == outcome:
                    yield Finding(key, f"holds {term!r}, which is the outcome", "the outcome never explains itself")
        for position, term in enumerate(self.confounds or ()):
            if not CONFOUND_TERM.match(term):
                hint = "a column, or a power of it: age, age^2; scores go into clinical_model"
                yield Finding(("confounds", position), f"{term!r} cannot be read", hint)
        yield from repeated(self.confounds or (), ("confounds",))
        if outcome is not None and outcome in self.validation.strata:
            hint = "leave it out: the folds of a binary outcome are balanced on it by themselves (balance_outcome)"
            yield Finding(("validation", "strata"), f"holds {outcome!r}, which is the outcome", hint)

    def _feature_sets(self) -> Iterator[Finding]:
        seen: dict[frozenset[str], str] = {}
        for name, sources in self.feature_sets.items():
            key: Key = ("feature_sets", name)
            if not sources:
                yield Finding(key, "names no source", 'such as ["connectivity"]')
            yield from repeated(sources, key)
            first = seen.setdefault(frozenset(sources), name)
            if first != name:
                yield Finding(key, f"holds the same sources as {first!r}", "one of the two is enough")

    def _models(self) -> Iterator[Finding]:
        labels: list[str] = []
        for position, model in enumerate(self.models):
            if model.label in labels:
                hint = f'give each a name, such as name = "{model.label}-{position + 1}"'
                yield Finding(("models", position), f"is the second model called {model.label!r}", hint)
            labels.append(model.label)
            if self.feature_sets:
                for name in model.feature_sets or ():
                    key: Key = ("models", position, "feature_sets")
                    yield from unknown(name, self.feature_sets, "feature set", key)

    def _primary(self) -> Iterator[Finding]:
        if self.primary is None:
            return
        known = [model.run_name(name) for model in self.models for name in model.feature_sets or self.feature_sets]
        hint = (
            did_you_mean(self.primary, known) if known else 'such as "MODEL . FEATURE_SET", with a blank on either side'
        )
        model, separator, _ = self.primary.partition(" . ")
        if (known and self.primary not in known) or not separator or model not in [each.label for each in self.models]:
            yield Finding(("primary",), f"{self.primary!r} is not a run of this experiment", hint)

    def _harmonise(self) -> Iterator[Finding]:
        """What is preserved is written into the features of those held out: never what is to be predicted."""
        spec = self.harmonise
        if spec is None:
            return
        own = {name.casefold() for name in (self.outcome.score, self.outcome.column) if name}
        for position, term in enumerate(spec.preserve):
            if term.partition("@")[0].partition("^")[0].casefold() in own:
                found = f"holds {term!r}, which the outcome is made from"
                hint = "what is preserved is written into the features of the held-out participants: leave it out"
                yield Finding(("harmonise", "preserve", position), found, hint)
        if spec.batch.casefold() in own:
            yield Finding(
                ("harmonise", "batch"), f"is {spec.batch!r}, which is the outcome", "name where they were measured"
            )
        if self.validation.leave_out == spec.batch and spec.unseen == "refuse":
            hint = 'unseen = "reference" or "none" says what becomes of a site that is left out'
            yield Finding(("harmonise", "unseen"), f'is "refuse", and leave_out = "{spec.batch}"', hint)

    def _stray_keys(self) -> Iterator[Finding]:
        """Tables with free names swallow keys of the whole file that were written after them."""
        keys = {field.alias or name for name, field in type(self).model_fields.items()} - {"family"}
        for table in ("include", "exclude", "exclude_quality", "feature_sets"):
            for name in keys & set(getattr(self, table) or ()):
                yield Finding((table, name), "is a key of the whole file", "move it above the first [table]")
