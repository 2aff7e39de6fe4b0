"""Who had which treatment when: a column with arms, columns with the order of a crossover, or neither."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from workbench.drafting.cells import Table
from workbench.drafting.moments import words_in
from workbench.drafting.records import Known, guessed, question
from workbench.errors import listed

ACTIVE: dict[str, str] = {
    "ketamine": "ketamine",
    "ket": "ketamine",
    "keta": "ketamine",
    "racemic ketamine": "ketamine",
    "esketamine": "esketamine",
    "s-ketamine": "esketamine",
    "esk": "esketamine",
    "arketamine": "arketamine",
    "psilocybin": "psilocybin",
}
CONTROL: dict[str, str] = {
    "placebo": "placebo",
    "plac": "placebo",
    "pla": "placebo",
    "pbo": "placebo",
    "plc": "placebo",
    "saline": "saline",
    "nacl": "saline",
    "midazolam": "midazolam",
    "mdz": "midazolam",
    "midaz": "midazolam",
    "sham": "sham",
}
LETTERS = {"k": "ketamine", "p": "placebo", "m": "midazolam", "s": "saline"}
"""First letters that stand for an arm where the file has codes alone; anything else is asked."""

ARM_WORDS = frozenset(
    {"arm", "arms", "treatment", "treat", "drug", "infusion", "inf", "allocation", "randomisation", "randomization",
     "condition", "intervention", "medication", "tx", "sequence", "order", "period", "group"}
)  # fmt: skip
HEALTHY = frozenset(
    {"hc", "control", "controls", "healthy", "healthy control", "con", "hv", "volunteer", "ctl", "hcs", "nc"}
)
GROUP_WORDS = frozenset({"group", "diagnosis", "dx", "diag", "cohort", "type", "status", "patient", "case"})
MOST_LEVELS = 4


@dataclass(frozen=True)
class Arms:
    """How a study treats.

    Parameters
    ----------
    design : Known
    active, control : Known or None
    column : Known or None
        Parallel: of the participants.
    order : Known or None
        Crossover: a list of columns.
    codes : Known or None
        A dict.
    used : tuple of str
        Columns that are taken by this.
    """

    design: Known
    active: Known | None = None
    control: Known | None = None
    column: Known | None = None
    order: Known | None = None
    codes: Known | None = None
    used: tuple[str, ...] = field(default=())

    def arm_of(self, letter: str) -> str:
        """The arm that a code stands for; empty where none does."""
        codes = self.codes.value if self.codes else {}
        return str(codes.get(letter, codes.get(letter.upper(), "")))


def arms_of(table: Table, *, treated: bool) -> Arms:
    """Design and arms, from the columns of the participants.

    Parameters
    ----------
    table : Table
        The participants.
    treated : bool
        Whether ratings or scans have times after something: without arms, the design then has to be asked.

    Returns
    -------
    Arms
    """
    candidates = [name for name in list(table.columns)[:400] if _may_be_arms(table, name)]
    order = _order(table, candidates)
    if order:
        return _crossover(table, order)
    of_arms = [name for name in candidates if _meanings(table.levels(name)) is not None]
    if of_arms:
        best = max(of_arms, key=lambda name: (_both(table, name), len(table.filled(name))))
        return _parallel(table, best)
    sequence = next((name for name in candidates if _is_sequence(table, name)), "")
    if sequence:
        levels = listed(map(repr, table.levels(sequence)), 4)
        note = (
            f"column {sequence!r} ({levels}) looks like the order of a crossover in one column; write one column per "
            'period into the participants file, then design = "crossover" and [arms] order = [..]'
        )
        return Arms(question(note), used=(sequence,))
    if not treated:
        return Arms(guessed("observational", "no column names a treatment, and nothing is said to be after one"))
    note = (
        'no column names a treatment: "single-arm" where everyone was treated, "observational" where nobody was, '
        '"parallel" or "crossover" with [arms] where a column says who had what'
    )
    return Arms(question(note))


def _may_be_arms(table: Table, name: str) -> bool:
    levels = table.levels(name)
    if not 1 <= len(levels) <= MOST_LEVELS or max(map(len, levels)) > 30:
        return False
    words = {re.sub(r"\d+$", "", word) for word in words_in(name)}
    return bool(words & ARM_WORDS) or _meanings(levels, words_only=True) is not None


def _meanings(levels: Iterable[str], *, words_only: bool = False) -> dict[str, str] | None:
    """What each level stands for; None where no level is a treatment or a control."""
    levels = list(levels)
    meanings: dict[str, str] = {}
    for level in levels:
        plain = re.sub(r"[\s_]+", " ", level.lower()).strip()
        if plain in CONTROL or plain in ACTIVE:
            meanings[level] = CONTROL.get(plain) or ACTIVE[plain]
        elif plain in LETTERS and not words_only:
            meanings[level] = LETTERS[plain]
    if not meanings:
        return None
    others = [level for level in levels if level not in meanings]
    return meanings if len(others) <= 1 or words_only else None


def _both(table: Table, name: str) -> bool:
    """Treatment and control are both there, or one of them and a single other word."""
    return len(table.levels(name)) == 2


def _order(table: Table, candidates: Sequence[str]) -> list[str]:
    """Columns of two or more periods: alike but for a number, with the same levels, and nobody has one arm twice."""
    families: dict[str, list[str]] = {}
    for name in candidates:
        families.setdefault(re.sub(r"\d+", "#", name.lower()), []).append(name)
    for family, names in families.items():
        if "#" not in family or len(names) != 2:
            continue
        first, second = (table.columns[name] for name in names)
        filled = [
            (a, b)
            for a, b in zip(first, second, strict=True)
            if a in table.levels(names[0]) and b in table.levels(names[1])
        ]
        if set(table.levels(names[0])) == set(table.levels(names[1])) and filled and all(a != b for a, b in filled):
            return sorted(names)
    return []


def _crossover(table: Table, order: list[str]) -> Arms:
    levels = list(table.levels(order[0]))
    meanings = _meanings(levels) or {}
    words = listed(map(repr, levels))
    controls = [level for level, arm in meanings.items() if arm in CONTROL.values()]
    others = [level for level in levels if level not in controls]
    design = guessed("crossover", f"everybody has {words} in {' and '.join(map(repr, order))}, each once")
    order_known = guessed(list(order), "they are numbered and hold each arm once")
    if len(controls) != 1 or len(others) != 1:
        ask = question(f"which of {words} is the treatment under study? Write active and control, and [arms] codes")
        return Arms(
            design, ask, question(f"which of {words} is it compared with?"), order=order_known, used=tuple(order)
        )
    control, active = controls[0], others[0]
    control_name, active_name = meanings[control], meanings.get(active)
    because = f"the columns hold {words}"
    codes = {active: active_name or "ketamine", control: control_name}
    coded = {code: arm for code, arm in codes.items() if code != arm}
    return Arms(
        design,
        guessed(
            codes[active], because if active_name else f"{because}, and {active!r} is not the control; is it ketamine?"
        ),
        guessed(control_name, because),
        order=order_known,
        codes=guessed(coded, f"{control!r} is read as {control_name}") if coded else None,
        used=tuple(order),
    )


def _parallel(table: Table, column: str) -> Arms:
    levels = table.levels(column)
    words = listed(map(repr, levels))
    meanings = _meanings(levels) or {}
    others = [level for level in levels if level not in meanings]
    names = {**meanings, **{level: _name_of(level) for level in others}}
    controls = [level for level in levels if names[level] in CONTROL.values()]
    actives = [level for level in levels if level not in controls and level.lower() not in HEALTHY]
    if len(levels) == 1 and not controls:
        return Arms(
            guessed("single-arm", f"column {column!r} holds {words} alone"), guessed(names[actives[0]], f"of {words}")
        )
    if len(controls) != 1 or len(actives) != 1:
        note = f"column {column!r} holds {words}: which is the treatment under study, and which is it compared with?"
        known = {"active": question(note), "control": question(f"what is it compared with, of {words}?")}
        return Arms(
            guessed("parallel", f"column {column!r} holds {words}"), **known, column=Known(column), used=(column,)
        )
    coded = {level: names[level] for level in (*actives, *controls) if level != names[level]}
    return Arms(
        guessed("parallel", f"column {column!r} holds {words}, one for each participant"),
        guessed(names[actives[0]], f"column {column!r} holds {words}"),
        guessed(names[controls[0]], f"column {column!r} holds {words}"),
        column=Known(column),
        codes=guessed(coded, "these are the words of the column") if coded else None,
        used=(column,),
    )


def _name_of(level: str) -> str:
    return ACTIVE.get(level.lower(), level)


def _is_sequence(table: Table, name: str) -> bool:
    levels = list(table.levels(name))
    return (
        len(levels) == 2
        and all(re.fullmatch(r"[A-Za-z]{2}|[a-z]+[-_/>][a-z]+", level) for level in levels)
        and (sorted(levels[0].lower()) == sorted(levels[1].lower()))
    )


def patients_of(table: Table, *, leave_out: Iterable[str] = ()) -> tuple[str, Known] | None:
    """The column that tells patients from healthy controls, and which levels are patients.

    Parameters
    ----------
    table : Table
    leave_out : iterable of str

    Returns
    -------
    (str, Known) or None
    """
    for name in table.columns:
        if name in set(leave_out) or not set(words_in(name)) & GROUP_WORDS:
            continue
        levels = table.levels(name)
        healthy = [level for level in levels if level.lower() in HEALTHY]
        patients = [level for level in levels if level not in healthy]
        if healthy and patients and len(levels) <= 6:
            seen = listed([f"{level!r} ({count})" for level, count in levels.items()])
            return name, guessed(patients, f"column {name!r} holds {seen}: controls have no symptoms to lose")
    return None
