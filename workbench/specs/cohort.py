"""``features/cohort.toml``: who is in the study, when they were seen and what was rated."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from workbench.errors import SpecError
from workbench.records import Design, Phase, Scale
from workbench.specs.base import Columns, Finding, Key, Name, Number, Spec, Text, not_together, repeated, unknown
from workbench.specs.column_names import groups_of, header_findings, pattern_findings
from workbench.specs.quality import QualitySpec
from workbench.specs.table_file import Decimal, HeaderRows, TableFileSpec

COHORT_FILE = "features/cohort.toml"
"""Where it lies in a study."""

RESERVED = ("sequence", "arm", "period", "site")
"""Names that the workbench gives a meaning of its own."""

SHARES_SUM_TO = 1.0
SHARES_TOLERANCE = 0.011
"""Shares of three arms are written as 0.33, 0.33 and 0.33, or 0.34."""


class IdsSpec(Spec):
    """The only way ids meet: prefixes are stripped, then digits are padded with zeros."""

    strip: tuple[Text, ...] = ()
    """Prefixes removed in this order, such as "sub-"."""
    pad: int = Field(default=0, ge=0, le=20)
    """Digits an all-digit id is padded to."""


class ArmsSpec(Spec):
    """Treatments and who had them when."""

    active: Text
    """The treatment under study, such as "ketamine"."""
    control: Text | None = None
    """What it is compared with, such as "placebo" or "midazolam"."""
    order: tuple[Text, ...] | None = None
    """Crossover: participants columns that hold the arm of each period, in order."""
    column: Text | None = None
    """Parallel: the participants column that holds the arm."""
    allocation: dict[Text, Number] | None = None
    """Parallel: share of each arm in the randomisation scheme."""
    strata: tuple[Text, ...] | None = None
    """Parallel: participants columns inside whose levels arms were allocated: strata, blocks of the randomisation."""
    codes: dict[str, Text] = {}
    """What the codes of the column(s) stand for, such as { d = "ketamine", p = "placebo" }."""

    @property
    def names(self) -> tuple[str, ...]:
        """Every arm that is declared, the active one first."""
        declared = (self.active, *([self.control] if self.control else ()), *(self.allocation or ()))
        return tuple(dict.fromkeys(declared))

    def rules(self) -> Iterator[Finding]:
        """Two different arms; codes and shares name arms that are declared."""
        if self.active == self.control:
            yield Finding(("control",), f"is {self.control!r}, the same as active", "name what it is compared with")
        if self.order is not None and len(self.order) < 2:
            yield Finding(("order",), "names fewer than two periods", "one participants column per period, in order")
        yield from repeated(self.order or (), ("order",))
        yield from repeated(self.strata or (), ("strata",))
        for code, arm in self.codes.items():
            yield from unknown(arm, self.names, "declared arm", ("codes", code))
        if self.allocation is not None:
            yield from self._shares(self.allocation)

    def _shares(self, shares: dict[str, float]) -> Iterator[Finding]:
        for arm in (self.active, self.control):
            if arm is not None and arm not in shares:
                yield Finding(("allocation",), f"has no share for {arm!r}", f"write {{ {arm} = 0.5, ... }}")
        total = sum(shares.values())
        if min(shares.values(), default=0.0) <= 0 or abs(total - SHARES_SUM_TO) > SHARES_TOLERANCE:
            yield Finding(("allocation",), f"the shares sum to {total:g}", "shares are above 0 and sum to 1")


class SessionSpec(Spec):
    """One visit."""

    phase: Phase
    """Relative to the first infusion where no arm is named."""
    hours: Number | None = None
    """Hours from the infusion of that arm."""
    arm: Text | None = None
    """The arm whose infusion this session follows."""

    def rules(self) -> Iterator[Finding]:
        """Hours agree with the phase."""
        if self.hours is not None and self.phase == "before" and self.hours > 0:
            hint = "hours before an infusion are negative, or left out"
            yield Finding(("hours",), f"is {self.hours:g} although phase is 'before'", hint)
        if self.hours is not None and self.phase == "after" and self.hours < 0:
            yield Finding(
                ("hours",), f"is {self.hours:g} although phase is 'after'", "hours after an infusion are positive"
            )


class ColumnSpec(TableFileSpec):
    """A covariate: one that lives in another file, or one of participants.tsv that needs a type or codes.

    Where the file is that of the participants, what the study says of that file holds here too.
    """

    file: Text | None = None
    """File beside the data; default: the participants file."""
    column: Text | None = None
    """Column in that file; default: the covariate's own name."""
    type: Literal["number", "categorical"] | None = None
    """Default: number where every value is one."""
    codes: dict[str, Text] | None = None
    """What codes stand for, such as {"1" = "M", "2" = "F"}; implies categorical."""
    session: Text | None = None
    """Column with the session id, where the file has several rows per person."""
    at: Text | None = None
    """The session to take, where `session` is given."""

    def rules(self) -> Iterator[Finding]:
        """`session` and `at` go together; codes are for categories."""
        yield from super().rules()
        if self.session is not None and self.at is None:
            yield Finding(("at",), "is missing", "session = names the column; at = says which session to take")
        if self.at is not None and self.session is None:
            yield Finding(("session",), "is missing", "at = names a session; session = says which column holds it")
        if self.session is not None and self.file is None:
            yield Finding(
                ("file",), "is missing", ("the participants file has one row per participant; name the other file")
            )
        if self.codes is not None and self.type == "number":
            yield Finding(("codes",), "are given for a number", 'leave out codes, or write type = "categorical"')


class ScoreSpec(TableFileSpec):
    """A rating: long (one row per person and session) or wide (one column per session).

    Where the file is that of the participants, what the study says of that file holds here too.
    """

    file: Text
    """File beside the data (TSV, CSV or XLSX), or one file per participant: sub-{participant}/.._sessions.tsv."""
    session: Text | None = None
    """Long: column with the session id."""
    column: Columns | None = None
    """Long: column of the total, or columns of items that are summed (complete rows only)."""
    at: dict[Name, Columns] | None = None
    """Wide: column (or item columns) of each session."""
    header_is: tuple[Literal["feature", "session"], ...] | None = None
    """Wide, with the session in the header: header = 2, header_is = ["feature", "session"]; `column` names the
    feature, or the items."""
    columns_pattern: Text | None = None
    """Wide, with the session in the names: "(?P<session>.+)_shaps_total", or with items
    "(?P<session>.+)_madrs_(?P<item>[0-9]+)"."""
    reverse: tuple[Text, ...] | None = None
    """Items (or globs) whose answers are turned round before they are summed; [] where the file has them turned."""
    recode: dict[Text, dict[Text, Number]] | None = None
    """Answers of items (or globs) that the file codes otherwise: { bdi_q16 = { "5" = 1, "4" = 2, "6" = 3 } }."""
    scale: Text | None = None
    """Name in the registry of scales where the score's own name is not one, or a key of [scales]."""
    scoring: Text | None = None
    """Scoring of a scale that has several, such as "14-56" for SHAPS."""

    def rules(self) -> Iterator[Finding]:
        """Long (session and column) or wide (at, or sessions in the names of columns), never both."""
        yield from super().rules()
        yield from header_findings(self.header_is, self.header, ("header_is",))
        yield from pattern_findings(self.columns_pattern, ("columns_pattern",), ("session", "feature", "item"))
        yield from not_together(self, "at", "session", "header_is", "columns_pattern")
        parts = self.header_is or groups_of(self.columns_pattern)
        if self.at is not None:
            yield from not_together(self, "at", "column")
            yield from not_together(self, "at", "session_codes")
            if not self.at:
                yield Finding(("at",), "names no session", 'write ses-b0 = "COLUMN" for each session')
        elif self.header_is is not None or self.columns_pattern is not None:
            key = "columns_pattern" if self.header_is is None else "header_is"
            if parts and "session" not in parts:
                yield Finding((key,), "has no session", "one part of the names says when it was rated")
            if "feature" in parts and self.column is None:
                yield Finding(("column",), "is missing", f"it says which feature of {key} the score is")
            if self.column is not None and parts and "feature" not in parts:
                yield Finding(("column",), "stands beside a pattern that names no feature", "leave it out")
        elif self.session is None and self.column is None:
            hint = "long files: session = and column =; wide files: a table [scores.NAME.at] with a column per session"
            yield Finding((), "does not say where the values are", hint)
        else:
            for key in ("session", "column"):
                if getattr(self, key) is None:
                    hint = "a long file has one row per participant and session: name both columns"
                    yield Finding((key,), "is missing", hint)
        items: list[tuple[Key, object]] = [(("at", name), columns) for name, columns in (self.at or {}).items()]
        items.append((("column",), self.column))
        for place, columns in items:
            if isinstance(columns, tuple):
                yield from repeated(columns, place)

    @property
    def sums_items(self) -> bool:
        """Several columns make one total."""
        lists = [self.column, *(self.at or {}).values()]
        named = any(isinstance(columns, tuple) and len(columns) > 1 for columns in lists)
        return named or "item" in groups_of(self.columns_pattern)


class ScaleSpec(Spec):
    """A scale that the registry does not know."""

    minimum: Number
    """Lowest total there can be."""
    maximum: Number
    """Highest total there can be."""
    worse: Literal["higher", "lower"]
    """Which totals mean more symptoms."""
    label: Text | None = None
    """Name in texts and figures; default: the key of the scale."""
    step: Annotated[float, Field(gt=0)] | None = 1.0
    """Totals are multiples of it; a total that is none is refused."""
    response_fall: float | None = Field(default=None, gt=0, lt=1)
    """Share of the baseline by which a total falls in a response, such as 0.5."""
    remission_at_most: Number | None = None
    """Total that counts as remission, or below."""
    zero: Number | None = None
    """Subtracted before a percentage is taken, such as 14 where totals run from 14 to 56."""
    reliability: float | None = Field(default=None, gt=0, le=1)
    """Of a total, 0 to 1: the highest R2 that any model can reach follows from it."""
    anhedonia: bool = False
    """True where the scale measures anhedonia."""
    items: tuple[Number, ...] | None = None
    """Highest answer of each item, where the total is the sum of its items."""
    lowest_item: Number | None = None
    """Lowest answer of every item; default: 0."""
    source: Text
    """Where range and rules come from."""

    def rules(self) -> Iterator[Finding]:
        """A range, and rules inside it."""
        if self.minimum >= self.maximum:
            yield Finding(("maximum",), f"is {self.maximum:g}, not above the minimum {self.minimum:g}")
            return
        if self.items is not None and sum(self.items) != self.maximum:
            yield Finding(("items",), f"sum to {sum(self.items):g}, and the maximum is {self.maximum:g}")
        for key in ("zero", "remission_at_most"):
            value = getattr(self, key)
            if value is not None and not self.minimum <= value <= self.maximum:
                yield Finding((key,), f"is {value:g}, outside {self.minimum:g} to {self.maximum:g}")


class CohortSpec(Spec):
    """Who is in the study."""

    data: Text = "."
    """Folder of the data relative to the study; --data and workbench.local.toml override it; never hashed."""
    participants: Text = "participants.tsv"
    """Table of everyone in the study (TSV, CSV or XLSX), one row each."""
    id: Text = "participant_id"
    """Column with the participant id, in every file that names no other."""
    sheet: Text | None = None
    """Sheet of the participants' workbook (.xlsx); needed where several sheets hold data."""
    header: HeaderRows | None = None
    """Rows of the participants file that name the columns, 1 by default."""
    decimal: Decimal | None = None
    """"," where decimals follow a comma in the whole participants file; a point otherwise."""
    site: Text | None = None
    """Column with the site; declaring it changes nothing by itself."""
    family: Text | None = None
    """Column with the family: members are never split between training and test."""
    design: Design
    """crossover, parallel, single-arm or observational: what a claim may say follows from it."""
    missing: tuple[str, ...] = ("n/a", "")
    """Cells that mean that nothing was measured, in every file."""
    synthetic: bool = False
    """True for simulated people: every result says so."""
    published_as: Text | None = None
    """Cohort of the evidence map (``workbench/knowledge/studies.tsv``) that these participants are: its papers are no
    independent support for what is found in them. Never hashed."""
    ids: IdsSpec = IdsSpec()
    arms: ArmsSpec | None = None
    """Which treatment is studied, which it is compared with, and who had which when."""
    sessions: dict[Name, SessionSpec] = {}
    """Every session by its label, with its time before or after the infusion."""
    columns: dict[Text, ColumnSpec] = {}
    """Covariates that need more than their name: another file, a type, codes."""
    scores: dict[Name, ScoreSpec] = {}
    """Rating scales: where their totals or items are."""
    scales: dict[Name, ScaleSpec] = {}
    """Scales that the registry does not know."""
    quality: dict[Name, QualitySpec] | None = None
    """Quality control files, whose columns (mean_fd, n_volumes, ...) become covariates."""

    @property
    def participants_file(self) -> TableFileSpec:
        """How the participants file is written."""
        return TableFileSpec(sheet=self.sheet, header=self.header, decimal=self.decimal, id=self.id)

    def rules(self) -> Iterator[Finding]:
        """Arms fit the design; sessions, scores and scales name what is declared."""
        yield from self._arms_fit_design()
        if self.published_as is not None:
            from workbench.knowledge.evidence import cohorts

            yield from unknown(self.published_as, cohorts(), "cohort of the evidence map", ("published_as",))
        for name, session in self.sessions.items():
            if session.arm is not None:
                key = ("sessions", name, "arm")
                if self.arms is None:
                    yield Finding(
                        key, f"names the arm {session.arm!r}, but there is no [arms]", "declare [arms] active ="
                    )
                else:
                    yield from unknown(session.arm, self.arms.names, "declared arm", key)
        yield from self._columns_fit()
        for name, quality in (self.quality or {}).items():
            if quality.at is not None:
                yield from unknown(quality.at, self.sessions, "session", ("quality", name, "at"))
        for name, score in self.scores.items():
            for session_name in score.at or ():
                yield from unknown(session_name, self.sessions, "session", ("scores", name, "at", session_name))
            for raw, session_name in (score.session_codes or {}).items():
                yield from unknown(session_name, self.sessions, "session", ("scores", name, "session_codes", raw))
            yield from self._scale_is_known(name, score)
            yield from self._all_items(name, score)

    def _arms_fit_design(self) -> Iterator[Finding]:
        if self.arms is None:
            if self.design in ("crossover", "parallel"):
                hint = 'write [arms] with active = "ketamine" and control = "placebo"'
                yield Finding(("arms",), f"is missing, which a {self.design} design needs", hint)
            return
        for key in ("control", "column") if self.design == "parallel" else ("control",):
            if self.design in ("crossover", "parallel") and getattr(self.arms, key) is None:
                yield Finding(("arms", key), f"is missing, which a {self.design} design needs", ARM_KEYS[key])
        for key, designs in BELONGS_TO.items():
            if getattr(self.arms, key) is not None and self.design not in designs:
                yield Finding(
                    ("arms", key),
                    f"has no meaning in a {self.design} design",
                    f"it is for {' and '.join(designs)} designs",
                )

    def _columns_fit(self) -> Iterator[Finding]:
        for name, column in self.columns.items():
            if name in RESERVED:
                hint = "write site = at the top" if name == "site" else "the design and [arms] say it; use another name"
                yield Finding(("columns", name), "is a reserved name", hint)
            for raw, session_name in (column.session_codes or {}).items():
                yield from unknown(session_name, self.sessions, "session", ("columns", name, "session_codes", raw))
            if column.at is not None and self.sessions:
                yield from unknown(column.at, self.sessions, "session", ("columns", name, "at"))

    def _all_items(self, name: str, score: ScoreSpec) -> Iterator[Finding]:
        """Items that are summed are all items of their scale."""
        from workbench.knowledge.scales import find_scale

        wanted = score.scale or name
        try:
            scale = self.scales.get(wanted) or find_scale(wanted, score.scoring)
        except SpecError:  # told by `_scale_is_known`
            return
        if isinstance(scale, Scale) and scale.reversed_items and score.sums_items and score.reverse is None:
            numbers = " and ".join(map(str, scale.reversed_items))
            found = f"is missing, and item {numbers} of {scale.name} is answered the other way round"
            hint = "name its columns where the file has answers as given; [] where it has them turned already"
            yield Finding(("scores", name, "reverse"), found, hint)
        lists: dict[Key, object] = {("at", session): columns for session, columns in (score.at or {}).items()}
        for key, columns in {("column",): score.column, **lists}.items():
            if not isinstance(columns, tuple) or len(columns) < 2:
                continue
            place = ("scores", name, *key)
            if isinstance(scale, Scale) and scale.no_sum:
                hint = f"name the column of the total: the {scale.no_sum}"
                yield Finding(place, f"the total of {scale.name} is not the sum of its items", hint)
            elif scale.items and len(columns) != len(scale.items):
                hint = (
                    "name every item, or the column of the total; a shorter form is a scale of its own: [scales.NAME]"
                )
                yield Finding(place, f"names {len(columns)} items, and {wanted} has {len(scale.items)}", hint)

    def _scale_is_known(self, name: str, score: ScoreSpec) -> Iterator[Finding]:
        from workbench.knowledge.scales import SCALES, find_instrument, find_scale

        scale = score.scale or name
        key: Key = ("scores", name, "scale") if score.scale else ("scores", name)
        if scale in self.scales:
            return
        try:
            find_instrument(scale)
            key = ("scores", name, "scoring")
            find_scale(scale, score.scoring)
        except SpecError as error:
            for problem in error.problems:
                hint = problem.hint
                if hint.startswith("known:"):  # nothing resembles it, and the list of all spellings is long
                    hint = f"known: {', '.join(SCALES)}; declare a scale of your own under [scales.{name}]"
                yield Finding(key, f"{scale!r} is {problem.found}", hint)


ARM_KEYS = {"control": 'such as control = "placebo"', "column": "the participants column that holds the arm"}
BELONGS_TO = {
    "control": ("crossover", "parallel"),
    "order": ("crossover",),
    "column": ("parallel",),
    "allocation": ("parallel",),
    "strata": ("parallel",),
}
"""Keys of [arms] and the designs in which they say something."""
