"""Made-up cohorts of known truth for `calibration.py`, small enough to be drawn thousands of times.

They are the Gaussian cohorts of the reference table (METHODS 2.8): p features in blocks of 5 that correlate .5, the
first two of them active. People, ratings and features are put into the product's own records, and the product makes the
outcome and joins the rows, so designs, exchangeability blocks and covariates are those of a study.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
import pandas as pd

from workbench.knowledge.scales import find_scale
from workbench.records import FEATURE_COLUMNS, Cohort, Dataset, FeatureTable, Session
from workbench.specs.experiment import ExperimentSpec
from workbench.tables.dataset import assemble
from workbench.tables.outcomes import make_outcome
from workbench.tables.people import select_people

BLOCK, WITHIN_BLOCK, ACTIVE_BLOCKS = 5, 0.5, 2
POINTS = 8.0
"""SD of the outcome that nothing held fixed explains, points of MADRS."""
SITE_WEIGHTS = (0.5, 0.3, 0.2)
SITE_OF_Y, SITE_OF_X = (0.0, 0.4, -0.4), 0.75
"""Shift of the sites in the outcome and, at most, in the features, in SD."""
APART = (0.0, 0.8, -0.8)
"""Shift in the outcome of sites of given size, in SD: enough for noise to be shown where outcomes leave their site."""
FAMILY_SIZES, SHARED_IN_FAMILY = (1, 2, 2, 3), 0.6
"""Families of these sizes in turn, and the share of the variance of outcome and features that their members share."""
LATER = ("heavy_tails", "site_shares", "site_held", "families", "log_odds", "share", "missing")
"""Settings that came later: named in the key of a cell where they are not the default, so that others keep theirs."""
CONFOUND_OF_X, CONFOUND_OF_Y = 0.3, 0.2
"""Shares of the variance of a feature and of the outcome that age and motion have together, where they confound."""
BASELINE_OF_X = 0.3
"""Share of the variance of a feature that the baseline score has, where features are null given it (P8)."""
TAILS = 5
"""Degrees of freedom of heavy-tailed noise."""
MODALITIES, MISSING = ("connectivity", "task", "pet"), 0.6
"""Where modalities are missing: three tables, and the share of the people who lack the last one."""
PERIOD, ARM = 0.5, 0.8
"""Effects of the second period and of ketamine over placebo, in SD of the outcome."""
SESSIONS = {
    "ses-b0": Session("ses-b0", "before"),
    "ses-d2": Session("ses-d2", "after", 48.0, "ketamine"),
    "ses-p2": Session("ses-p2", "after", 48.0, "placebo"),
}


@dataclass(frozen=True)
class Setting:
    """One kind of cohort, and what is asked of it.

    Parameters
    ----------
    design : str
        crossover (ketamine minus placebo, sequence held fixed), parallel (fall in both arms, arm held fixed) or
        single-arm (fall after ketamine).
    r2 : float
        Share of the variance of the outcome, given all that is held fixed, that the features have in the population.
    sites : int
        1, or 3 that differ in outcome and features and are held fixed.
    confounded : bool
        Age and motion have a share of outcome and features, and are held fixed.
    baseline_in_features : bool
        Features hold part of the baseline score, on which the fall depends, and nothing beside it.
    prognostic : float
        Share of the variance of the fall after ketamine that features have alike after placebo.
    heavy_tails : bool
        What features do not explain follows Student's t with 5 degrees of freedom, scaled to the same variance.
    outcome : str
        change, ketamine-minus-placebo or treatment-effect; empty for that of the design.
    site_shares : tuple of float
        Shares of the people in sites that lie `APART`, two or three; empty for `sites`.
    site_held : bool
        Whether site is held fixed, where there are several.
    families : bool
        People come in families that share part of outcome and features.
    share : float
        Of those with ketamine in parallel arms, or first.
    log_odds : float
        Above 0 a binary outcome, a participants column: what its log-odds rise by per SD of age and motion together,
        on which features depend too; `r2`, sites and the effects of the design have no part in it.
    missing : str
        Not empty: features come in three modalities, of which `MISSING` of the people lack PET, *at random* or *by
        outcome* (those who fare worse, for the most part), and 5 % of the others task data.
    """

    design: str = "single-arm"
    n: int = 60
    p: int = 60
    r2: float = 0.0
    sites: int = 1
    confounded: bool = False
    baseline_in_features: bool = False
    prognostic: float = 0.0
    heavy_tails: bool = False
    outcome: str = ""
    site_shares: tuple[float, ...] = ()
    site_held: bool = True
    families: bool = False
    log_odds: float = 0.0
    share: float = 0.5
    missing: str = ""

    def __str__(self) -> str:
        values = {each.name: (getattr(self, each.name), each.default) for each in fields(self)}
        shown = (f"{name}={value!r}" for name, (value, usual) in values.items() if name not in LATER or value != usual)
        return f"Setting({', '.join(shown)})"

    @property
    def n_sites(self) -> int:
        """Sites that are declared."""
        return len(self.site_shares) or self.sites

    @property
    def kind(self) -> str:
        """Kind of the outcome."""
        return self.outcome or ("ketamine-minus-placebo" if self.design == "crossover" else "change")

    def in_words(self) -> str:
        """As the cell is called in the table."""
        if self.log_odds:
            return f"binary outcome, confounds of {self.log_odds:g} in log-odds per SD"
        sites = "1 site" if self.n_sites == 1 else f"{self.n_sites} sites with effects"
        if self.site_shares:
            sizes = " + ".join(f"{round(share * self.n)}" for share in self.site_shares)
            sites = f"{self.n_sites} sites .8 SD apart ({sizes})"
        sites += "" if self.site_held or self.n_sites == 1 else ", site not held fixed"
        families = ", families" if self.families else ""
        arms = f", arms {'1:1' if self.share == 0.5 else '2:1'}" if self.kind == "treatment-effect" else ""
        words = f"{self.design}{arms}, {sites}{families}, {'confounded' if self.confounded else 'no confounds'}"
        words += f", PET missing for 60 % {self.missing}" if self.missing else ""
        return f"{words}, t5 noise" if self.heavy_tails else words


@dataclass(frozen=True, eq=False)
class _Drawn:
    """One array per property, one entry per person."""

    X: np.ndarray
    y: np.ndarray
    alike: np.ndarray
    baseline: np.ndarray
    age: np.ndarray
    fd: np.ndarray
    site: np.ndarray
    first: np.ndarray
    family: np.ndarray
    case: np.ndarray


def draw_dataset(
    setting: Setting, rng: np.random.Generator, *, n_fresh: int = 0, sources: int = 1, away: float = 0.0
) -> dict[str, Dataset]:
    """Draw a cohort and let the product join it.

    Parameters
    ----------
    n_fresh : int
        People drawn beside the n of the setting, who follow them in the rows.
    sources : int
        Tables that the blocks of features are divided into, each a feature set of its own.
    away : float
        Share of people that the second half of the tables does not have.

    Returns
    -------
    dict of str to Dataset
        By feature set: ``set_1`` .. Where modalities are missing there is one, of everyone who has one of them.
    """
    n = setting.n + n_fresh
    drawn = _draw(setting, rng, n)
    people = [f"sub-{number:05d}" for number in range(1, n + 1)]
    cohort = _cohort(setting, drawn, people)
    tables = {}
    sources = len(MODALITIES) if setting.missing else sources
    for number, columns in enumerate(np.array_split(np.arange(setting.p), sources)):
        here = np.ones(n, dtype=bool) if number < (sources + 1) // 2 else rng.permutation(n) >= round(away * n)
        if setting.missing:
            here = _measured(setting, MODALITIES[number], drawn, rng)
        tables[f"table_{number + 1}"] = _table(f"table_{number + 1}", drawn.X, columns, people, here)
    experiment = experiment_of(setting, tuple(tables))
    included, flow = select_people(experiment, cohort, {})
    outcome = make_outcome(experiment.outcome, cohort, included, seed=0)
    if setting.missing:
        tables = {
            name: _as(table, modality) for (name, table), modality in zip(tables.items(), MODALITIES, strict=True)
        }
        joined = (tables, cohort, outcome, included, flow)
        return {"set_1": assemble(experiment, "set_1", tuple(tables), *joined, given_folds=None, complete=False)}
    sets = {f"set_{number}": (name,) for number, name in enumerate(tables, start=1)}
    return {
        name: assemble(experiment, name, members, tables, cohort, outcome, included, flow, given_folds=None)
        for name, members in sets.items()
    }


def _measured(setting: Setting, modality: str, drawn: _Drawn, rng: np.random.Generator) -> np.ndarray:
    """Who has a modality."""
    n = len(drawn.y)
    if modality == "connectivity":
        return np.ones(n, dtype=bool)
    if modality == "task":
        return np.asarray(rng.random(n) >= 0.05)
    fares = rng.standard_normal(n) + (drawn.y if setting.missing == "by outcome" else 0.0)
    there = np.ones(n, dtype=bool)
    there[np.argsort(fares)[: round(MISSING * n)]] = False
    return there


def _as(table: FeatureTable, modality: str) -> FeatureTable:
    return replace(table, modality=modality, features=table.features.assign(modality=modality))


def _draw(setting: Setting, rng: np.random.Generator, n: int) -> _Drawn:
    core = _blocks(setting, rng, n)
    active = core[:, : BLOCK * ACTIVE_BLOCKS].sum(axis=1)
    block_variance = BLOCK + BLOCK * (BLOCK - 1) * WITHIN_BLOCK
    active = active / np.sqrt(ACTIVE_BLOCKS * block_variance)
    baseline, age, fd, noise, other = rng.standard_normal((5, n))
    if setting.heavy_tails:
        noise = rng.standard_t(TAILS, n) / np.sqrt(TAILS / (TAILS - 2))
    site = rng.choice(len(SITE_WEIGHTS), n, p=SITE_WEIGHTS)
    if setting.site_shares:
        ends = np.round(np.cumsum(setting.site_shares) * n).astype(int)
        site = rng.permutation(np.searchsorted(ends, np.arange(n), side="right"))
    first = rng.permutation(n) < int(setting.share * n)
    X, y = core, np.sqrt(setting.r2) * active + np.sqrt(1 - setting.r2) * noise
    if setting.baseline_in_features:
        X = np.sqrt(1 - BASELINE_OF_X) * X + np.sqrt(BASELINE_OF_X) * baseline[:, None]
    if setting.confounded:
        both = (age + fd) / np.sqrt(2)
        X = np.sqrt(1 - CONFOUND_OF_X) * X + np.sqrt(CONFOUND_OF_X) * both[:, None]
        y = y + np.sqrt(CONFOUND_OF_Y / (1 - CONFOUND_OF_Y)) * both
    if setting.n_sites > 1:
        X = X + SITE_OF_X * rng.uniform(-1, 1, (len(SITE_WEIGHTS), setting.p))[site]
        y = y + np.array(APART if setting.site_shares else SITE_OF_Y)[site]
    case = np.zeros(n, dtype=bool)
    if setting.log_odds:
        case = rng.random(n) < 1 / (1 + np.exp(-setting.log_odds * (age + fd) / np.sqrt(2)))
    family = np.repeat(np.arange(n), np.resize(FAMILY_SIZES, n))[:n]
    if setting.families:
        X = _with_family(X, family, rng)
        y = _with_family(y[:, None], family, rng)[:, 0]
    alike = np.sqrt(setting.prognostic) * active + np.sqrt(1 - setting.prognostic) * other
    return _Drawn(X, y, alike, baseline, age, fd, site, first, family, case)


def _with_family(values: np.ndarray, family: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Columns of which the members of a family share part."""
    shared = rng.standard_normal((len(values), values.shape[1]))[family]
    mixed: np.ndarray = np.sqrt(1 - SHARED_IN_FAMILY) * values + np.sqrt(SHARED_IN_FAMILY) * shared
    return mixed


def _blocks(setting: Setting, rng: np.random.Generator, n: int) -> np.ndarray:
    """Standard normal features, correlated inside a block."""
    shared = rng.standard_normal((n, setting.p // BLOCK)).repeat(BLOCK, axis=1)
    own = rng.standard_normal((n, setting.p))
    values: np.ndarray = np.sqrt(WITHIN_BLOCK) * shared + np.sqrt(1 - WITHIN_BLOCK) * own
    return values


def _cohort(setting: Setting, drawn: _Drawn, people: list[str]) -> Cohort:
    index = pd.Index(people, name="participant_id", dtype="str")
    participants = pd.DataFrame(
        {
            "age": 40 + 12 * drawn.age,
            "mean_fd": 0.2 + 0.05 * drawn.fd,
            "site": np.array(["A", "B", "C"])[drawn.site],
            "arm": np.where(drawn.first, "ketamine", "placebo"),
            "sequence": np.where(drawn.first, "ketamine", "placebo"),
            "family": [f"family-{number}" for number in drawn.family],
            "case": np.where(drawn.case, "yes", "no"),
        },
        index=index,
    ).astype({name: "str" for name in ("site", "arm", "sequence", "family", "case")})
    dropped = {"crossover": ["arm"], "parallel": ["sequence"], "single-arm": ["arm", "sequence"]}[setting.design]
    dropped += ([] if setting.n_sites > 1 else ["site"]) + ([] if setting.families else ["family"])
    other = {"ketamine": "placebo", "placebo": "ketamine"}
    sequence = participants["sequence"]
    crossover = setting.design == "crossover"
    sessions = {name: each for name, each in SESSIONS.items() if crossover or name != "ses-p2"}
    if setting.design == "parallel":
        sessions["ses-d2"] = replace(sessions["ses-d2"], arm=None)
    return Cohort(
        design=setting.design,  # type: ignore[arg-type]
        participants=participants.drop(columns=dropped),
        sessions=sessions,
        scores=_scores(setting, drawn, people),
        scales={"MADRS": find_scale("MADRS")},
        periods=pd.DataFrame({"1": sequence, "2": sequence.map(other)}, index=index)
        if crossover
        else pd.DataFrame(index=index),
        keys={person.removeprefix("sub-"): person for person in people},
        strip=("sub-",),
        active="ketamine",
        control=None if setting.design == "single-arm" else "placebo",
        allocation={"ketamine": setting.share, "placebo": 1 - setting.share} if setting.design == "parallel" else {},
    )


def _scores(setting: Setting, drawn: _Drawn, people: list[str]) -> pd.DataFrame:
    """Ratings whose contrast is the outcome drawn, design effects added."""
    before = 30 + 6 * drawn.baseline
    if setting.design == "crossover":
        after_placebo = before - POINTS * drawn.alike + POINTS * PERIOD * drawn.first
        after_ketamine = after_placebo - POINTS * drawn.y - POINTS * ARM - 2 * POINTS * PERIOD * drawn.first
        values = {"ses-b0": before, "ses-d2": after_ketamine, "ses-p2": after_placebo}
    else:
        fall = POINTS * (drawn.y + (ARM * drawn.first if setting.design == "parallel" else ARM))
        if setting.baseline_in_features:
            fall = fall + POINTS * 0.7 * drawn.baseline
        values = {"ses-b0": before, "ses-d2": before - fall}
    parts = [
        pd.DataFrame({"participant_id": people, "session": session, "score": "MADRS", "value": each})
        for session, each in values.items()
    ]
    return pd.concat(parts, ignore_index=True)


def _table(name: str, X: np.ndarray, columns: np.ndarray, people: list[str], here: np.ndarray) -> FeatureTable:
    features = pd.DataFrame("", index=range(len(columns)), columns=list(FEATURE_COLUMNS), dtype="str")
    features["feature"] = [f"f{column:03d}" for column in columns]
    features["name"] = [f"{name}:f{column:03d}" for column in columns]
    features["source"], features["modality"] = name, "connectivity"
    features["circuit"] = [f"circuit {column // BLOCK + 1:02d}" for column in columns]
    rows = pd.DataFrame({"participant_id": np.array(people)[here], "session": "ses-b0"}, dtype="str")
    return FeatureTable(name, "connectivity", rows, X[np.ix_(here, columns)], features, digest="")


def experiment_of(setting: Setting, tables: tuple[str, ...]) -> ExperimentSpec:
    outcome: dict[str, object] = {"score": "MADRS", "kind": setting.kind, "at": "ses-d2"}
    if setting.kind == "ketamine-minus-placebo":
        outcome |= {"placebo_at": "ses-p2", "adjust": ("sequence",)}
    elif setting.log_odds:
        outcome = {"column": "case", "type": "binary", "positive": "yes"}
    else:
        outcome |= {"from": "ses-b0"}
    if setting.design == "parallel" and setting.kind != "treatment-effect":
        outcome |= {"arms": ("ketamine", "placebo"), "adjust": ("arm",)}
    confounds = (
        *(("age", "mean_fd") if setting.confounded else ()),
        *(("site",) if setting.n_sites > 1 and setting.site_held else ()),
    )
    return ExperimentSpec.model_validate(
        {
            "question": "Is what the workbench says of this cohort true?",
            "sessions": ("ses-b0",),
            "outcome": outcome,
            "confounds": confounds,
            "clinical_model": ("MADRS@ses-b0",) if setting.baseline_in_features else (),
            "feature_sets": {f"set_{number}": (name,) for number, name in enumerate(tables, start=1)},
            "models": ({"kind": "ridge"},),
        }
    )
