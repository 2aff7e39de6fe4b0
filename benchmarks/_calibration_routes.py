"""Routes by which a wish may become *supported by internal validation* (P19): a study on disk, and what is done to it.

Every route goes through the public commands alone, as a motivated researcher would: a result is looked at, something is
renamed, moved, dropped or deleted, a plan is frozen, and the run that follows is judged. `tests/test_routes.py` takes
each once where something strong is planted, so that nothing but the route stands between the result and the verdict;
`calibration.py` takes each many times on pure noise. Both wait for `PERMUTATIONS` instead of 1,000.
"""

from __future__ import annotations

import contextlib
import inspect
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from workbench import FinishedRun

PERMUTATIONS = 99
"""In place of the 1,000 of the gate, whose row is told so here and nowhere else."""
REPEATS = 10
PRIMARIES = 20
SESSIONS = ("ses-b0", "ses-d2")


@dataclass(frozen=True)
class Trial:
    """A made-up single-arm trial.

    Parameters
    ----------
    columns : int
        Features drawn; of more than `kept`, those that go most with the outcome of everybody are kept.
    r2 : float
        Share of the variance of the fall that the features explain.
    regression_to_mean : bool
        The two ratings are one stable severity and noise of their own, and the features are severity before treatment
        and noise: the fall is nothing but regression to the mean, and is "predicted".
    sites : int
        Sites that differ in outcome and features.
    draws : int
        The luckiest of so many trials is the one that somebody would write up: that whose features explain most of
        the fall, in the sample.
    """

    n: int = 60
    kept: int = 8
    columns: int = 8
    r2: float = 0.0
    regression_to_mean: bool = False
    sites: int = 1
    draws: int = 1


COHORT = """\
data = "sources"
design = "single-arm"
{site}
[arms]
active = "ketamine"
[sessions.ses-b0]
phase = "before"
[sessions.ses-d2]
phase = "after"
hours = 48.0
arm = "ketamine"
[scores.mood]
file = "ratings.tsv"
session = "session_id"
column = "mood"
[scales.mood]
minimum = -100000
maximum = 100000
worse = "higher"
step = 0.125
response_fall = 0.5
source = "made up"
"""
SOURCE = """\
modality = "connectivity"
reader = "table"
file = "network.tsv"
session = "session_id"
gsr = false
[upstream]
fitted_on = "each participant"
used_outcome = false
selected_by = "nothing"
harmonised = "none"
"""
QUESTION = """\
question = "Is a wish enough?"
sessions = ["ses-b0"]
confounds = ["age"]
clinical_model = ["duration"]
[outcome]
score = "mood"
kind = "change"
from = "ses-b0"
at = "ses-d2"
[validation]
repeats = {repeats}
outer = 5
inner = 3
permutations = {permutations}
seed = 0
[[models]]
kind = "ridge"
"""


@dataclass(frozen=True, eq=False)
class StudyOnDisk:
    """A study folder with its data, and the commands that a researcher types in it."""

    root: Path
    trial: Trial = field(default_factory=Trial)

    @property
    def sources(self) -> Path:
        """Its data."""
        return self.root / "sources"

    def make(self, rng: np.random.Generator) -> StudyOnDisk:
        """Draw the trial and write every file."""
        trial = self.trial
        for folder in ("features", "experiments", "sources"):
            (self.root / folder).mkdir(parents=True)
        people, ratings, X = max((_draw(trial, rng) for _ in range(trial.draws)), key=_explained)
        site = 'site = "site"\n' if trial.sites > 1 else ""
        (self.root / "features" / "cohort.toml").write_text(COHORT.format(site=site))
        (self.root / "features" / "network.toml").write_text(SOURCE)
        self.ask(QUESTION.format(repeats=REPEATS, permutations=PERMUTATIONS))
        people.to_csv(self.sources / "participants.tsv", sep="\t", index=False)
        ratings.to_csv(self.sources / "ratings.tsv", sep="\t", index=False)
        X.to_csv(self.sources / "network.tsv", sep="\t", index=False)
        return self

    def ask(self, text: str, name: str = "question") -> None:
        """Write an experiment."""
        (self.root / "experiments" / f"{name}.toml").write_text(text)

    def change(self, file: str, *changes: tuple[str, str]) -> None:
        """Replace texts of a file of the study."""
        path = self.root / file
        text = path.read_text()
        for old, new in changes:
            assert old in text, f"{file} has no {old!r}"
            text = text.replace(old, new)
        path.write_text(text)

    def edit(self, file: str, changed: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
        """Change a table of the data."""
        table = pd.read_csv(self.sources / file, sep="\t")
        changed(table).to_csv(self.sources / file, sep="\t", index=False)

    def run(self) -> FinishedRun:
        """``workbench run question``"""
        import workbench

        (finished,) = workbench.run(["question"], study=self.root, jobs=1)
        return finished

    def freeze(self, *names: str, because: str = "") -> None:
        """``workbench freeze question``, whatever it says of the plan."""
        import workbench

        anyway = {"anyway": True} if "anyway" in inspect.signature(workbench.freeze).parameters else {}
        workbench.freeze(names or ["question"], study=self.root, again=bool(because), because=because, **anyway)

    def moved(self) -> StudyOnDisk:
        """A copy in another folder, in which nothing has been viewed."""
        leave = shutil.ignore_patterns("mlruns", "tables", "*.jsonl")
        other = self.root.with_name(f"{self.root.name}-again")
        shutil.copytree(self.root, other, ignore=leave)
        return replace(self, root=other)

    def losses(self, finished: FinishedRun) -> pd.Series:
        """Squared error of each participant, by the id in the files."""
        table = finished.result.predictions
        return ((table["observed"] - table["predicted"]) ** 2).groupby(table["participant_id"]).mean()


def _draw(trial: Trial, rng: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Participants, ratings (long) and features."""
    n = trial.n
    ids = [f"sub-{number:03d}" for number in range(1, n + 1)]
    site = np.arange(n) % trial.sites
    X = rng.standard_normal((n, trial.columns))
    noise, severity, before, after, duration, age = rng.standard_normal((6, n))
    if trial.regression_to_mean:
        y0, y1 = 30 + 4 * severity + 6 * before, 30 + 4 * severity + 6 * after
        X = 0.9 * ((y0 - y0.mean()) / y0.std())[:, None] + 0.5 * X
    else:
        fall = np.sqrt(1 - trial.r2) * noise + np.sqrt(trial.r2 / trial.columns) * X.sum(axis=1)
        if trial.sites > 1:
            shift = site / (trial.sites - 1) - 0.5
            fall, X = fall + 2.0 * shift, X + 2.0 * shift[:, None]
        y0 = 30 + 3 * severity
        y1 = y0 - 8 - 8 * fall
    if trial.columns > trial.kept:
        goes_with = np.abs(np.corrcoef(np.column_stack([y0 - y1, X]), rowvar=False)[0, 1:])
        X = X[:, np.sort(np.argsort(-goes_with)[: trial.kept])]
    participants = pd.DataFrame({"participant_id": ids, "age": (40 + 10 * age).round(1), "duration": duration.round(3)})
    if trial.sites > 1:
        participants["site"] = np.array(["north", "south", "west"])[site]
    ratings = pd.DataFrame(
        {
            "participant_id": np.repeat(ids, 2),
            "session_id": list(SESSIONS) * n,
            "mood": np.column_stack([y0, y1]).round().ravel(),
        }
    )
    features = pd.DataFrame(X.round(6), columns=[f"edge_{k:02d}" for k in range(X.shape[1])])
    features.insert(0, "session_id", SESSIONS[0])
    features.insert(0, "participant_id", ids)
    return participants, ratings, features


def _explained(drawn: tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]) -> float:
    """In-sample R2 of the fall on all features."""
    _, ratings, features = drawn
    mood = ratings["mood"].to_numpy().reshape(-1, 2)
    fall = mood[:, 0] - mood[:, 1]
    X = np.column_stack([np.ones(len(fall)), features.drop(columns=["participant_id", "session_id"]).to_numpy()])
    left = fall - X @ np.linalg.lstsq(X, fall, rcond=None)[0]
    return float(1 - left @ left / np.square(fall - fall.mean()).sum())


# -------------------------------------------------------------------------------------------------------------- routes


@dataclass(frozen=True)
class Route:
    """One way to a wished-for verdict.

    Parameters
    ----------
    after_a_look : bool
        Whether the question was run once, unfrozen, before.
    take : callable
        From there to the run that is to be *supported*.
    reason : str
        Pattern of the reason that names the route in the result.
    trial : Trial
        What the route needs of the noise that it starts from.
    needs : str
        Requirement of the gate that closes it.
    """

    after_a_look: bool
    take: Callable[[StudyOnDisk], FinishedRun]
    reason: str
    trial: Trial = field(default_factory=Trial)
    needs: str = ""


def _frozen_now(study: StudyOnDisk) -> FinishedRun:
    study.freeze()
    return study.run()


def honest(study: StudyOnDisk) -> FinishedRun:
    """A plan frozen before anything is seen, and run once: no route at all."""
    return _frozen_now(study)


def chosen_outside(study: StudyOnDisk) -> FinishedRun:
    """The best of many columns, chosen elsewhere on everybody, and nothing said of it."""
    text = (study.root / "features" / "network.toml").read_text()
    (study.root / "features" / "network.toml").write_text(text.partition("[upstream]")[0])
    return _frozen_now(study)


def refrozen(study: StudyOnDisk) -> FinishedRun:
    """A plan changed after its result was seen, and frozen again."""
    study.freeze()
    study.run()
    study.change("experiments/question.toml", ('kind = "ridge"', 'kind = "ridge"\nalphas = [1.0, 10.0]'))
    study.freeze(because="another grid")
    return study.run()


def other_outer(study: StudyOnDisk) -> FinishedRun:
    """Another number of folds."""
    study.change("experiments/question.toml", ("outer = 5", "outer = 6"))
    return _frozen_now(study)


def other_seed(study: StudyOnDisk) -> FinishedRun:
    """Another seed."""
    study.change("experiments/question.toml", ("seed = 0", "seed = 1"))
    return _frozen_now(study)


def renamed_session(study: StudyOnDisk) -> FinishedRun:
    """The session after treatment is called something else."""
    for file in ("features/cohort.toml", "experiments/question.toml", "sources/ratings.tsv"):
        study.change(file, ("ses-d2", "ses-48h"))
    return _frozen_now(study)


def renamed_score(study: StudyOnDisk) -> FinishedRun:
    """Score, column and scale are called something else."""
    for file in ("features/cohort.toml", "experiments/question.toml", "sources/ratings.tsv"):
        study.change(file, ("mood", "wellbeing"))
    return _frozen_now(study)


def renamed_ids(study: StudyOnDisk) -> FinishedRun:
    """Everybody is called something else, in every file."""
    rng = np.random.default_rng(0)
    ids = pd.read_csv(study.sources / "participants.tsv", sep="\t")["participant_id"]
    new = dict(zip(ids, [f"sub-{number}" for number in 501 + rng.permutation(len(ids))], strict=True))
    for file in ("participants.tsv", "ratings.tsv", "network.tsv"):
        study.edit(file, lambda table: table.assign(participant_id=table["participant_id"].map(new)))
    return _frozen_now(study)


def renamed_ids_and_features(study: StudyOnDisk) -> FinishedRun:
    """The same ratings under new ids with other features: the ratings alone tell."""
    columns = [f"edge_{k:02d}" for k in range(study.trial.kept)]
    noise = pd.DataFrame(np.random.default_rng(1).standard_normal((study.trial.n, len(columns))), columns=columns)
    study.edit(
        "network.tsv",
        lambda table: table.assign(**noise.add(table[columns].sum(axis=1) / np.sqrt(len(columns)), axis=0)),
    )
    return renamed_ids(study)


def rescaled(study: StudyOnDisk) -> FinishedRun:
    """The scores in another unit, under another name."""
    study.edit("ratings.tsv", lambda table: table.assign(mood=table["mood"] * 2.5 + 7))
    return renamed_score(study)


def jittered(study: StudyOnDisk) -> FinishedRun:
    """A little noise on every score, under another name, in another folder."""
    noise = (np.random.default_rng(0).normal(scale=0.3, size=2 * study.trial.n) * 8).round() / 8
    study.edit("ratings.tsv", lambda table: table.assign(mood=table["mood"] + noise))
    return renamed_score(study.moved())


def other_kind(study: StudyOnDisk) -> FinishedRun:
    """The score after treatment with its baseline held fixed, instead of the change."""
    study.change("experiments/question.toml", ('kind = "change"', 'kind = "ancova"'))
    return _frozen_now(study)


def rows_dropped(study: StudyOnDisk) -> FinishedRun:
    """The six people of the largest loss are taken out of the source files, the frozen plan unchanged."""
    study.freeze()
    worst = set(study.losses(study.run()).nlargest(6).index)
    for file in ("participants.tsv", "ratings.tsv", "network.tsv"):
        study.edit(file, lambda table: table[~table["participant_id"].isin(worst)])
    return study.run()


def ledger_deleted(study: StudyOnDisk) -> FinishedRun:
    """The ledger is gone."""
    (study.root / "experiments" / "viewed.jsonl").unlink()
    study.change("experiments/question.toml", ("seed = 0", "seed = 2"))
    return _frozen_now(study)


def second_folder(study: StudyOnDisk) -> FinishedRun:
    """The study is copied, and begun anew."""
    return _frozen_now(study.moved())


def not_tested_first(study: StudyOnDisk) -> FinishedRun:
    """Looked at without permutations, which claims nothing, and then frozen with them."""
    with_permutations = (study.root / "experiments" / "question.toml").read_text()
    study.change("experiments/question.toml", (f"permutations = {PERMUTATIONS}", "permutations = 0"))
    study.run()
    study.ask(with_permutations)
    return _frozen_now(study)


def no_confounds(study: StudyOnDisk) -> FinishedRun:
    """Nothing is adjusted for."""
    study.change("experiments/question.toml", ('confounds = ["age"]', "confounds = []"))
    return _frozen_now(study)


def whole_sites_left_out(study: StudyOnDisk) -> FinishedRun:
    """Each site is predicted by a model of the others, which differences between all three do not stop."""
    study.change("experiments/question.toml", ("outer = 5", 'outer = 5\nleave_out = "site"'))
    return _frozen_now(study)


def sites_that_nobody_declares(study: StudyOnDisk) -> FinishedRun:
    """Who was examined where stands in the file, and the study says of no column that it is the site."""
    study.edit("participants.tsv", lambda people: people.rename(columns={"site": "centre"}))
    study.change("features/cohort.toml", ('site = "site"\n', ""))
    return _frozen_now(study)


def many_primaries(study: StudyOnDisk) -> FinishedRun:
    """Twenty plans are frozen, each with a primary run, and the luckiest one is shown: here the one that is run."""
    text = (study.root / "experiments" / "question.toml").read_text()
    names = [f"question_{number}" for number in range(2, PRIMARIES + 1)]
    for number, name in enumerate(names, start=2):
        study.ask(text.replace("seed = 0", f"seed = {number}"), name)
    study.freeze("question", *names)
    return study.run()


VIEWED_BEFORE = r"frozen after \d+ results? had been viewed"
ROUTES: Mapping[str, Route] = {
    "best of 400 columns chosen outside": Route(
        False, chosen_outside, r"network: not declared .*by what features were selected", Trial(columns=400)
    ),
    "refreezing": Route(False, refrozen, VIEWED_BEFORE),
    "other outer": Route(True, other_outer, VIEWED_BEFORE),
    "other seeds": Route(True, other_seed, VIEWED_BEFORE),
    "renamed session": Route(True, renamed_session, VIEWED_BEFORE),
    "renamed score": Route(True, renamed_score, VIEWED_BEFORE),
    "renamed ids": Route(True, renamed_ids, VIEWED_BEFORE),
    "renamed ids, other features": Route(True, renamed_ids_and_features, VIEWED_BEFORE),
    "rescaled scores": Route(True, rescaled, VIEWED_BEFORE),
    "jittered scores": Route(True, jittered, VIEWED_BEFORE),
    "other kind of the same score": Route(True, other_kind, VIEWED_BEFORE),
    "rows dropped after freezing": Route(False, rows_dropped, "the data have changed since the plan was frozen"),
    "deleted ledger": Route(True, ledger_deleted, r"viewed\.jsonl lacks 1 result of this study"),
    "second study folder": Route(True, second_folder, VIEWED_BEFORE),
    "a not tested look first": Route(False, not_tested_first, VIEWED_BEFORE),
    "no confounds": Route(False, no_confounds, "no confounds were declared"),
    "20 frozen primaries": Route(False, many_primaries, "over the 20 frozen primary runs of the study p is"),
    "pure regression to the mean": Route(
        False,
        honest,
        "with the baseline score held fixed",
        Trial(n=120, regression_to_mean=True),
        needs="with the baseline score held fixed",
    ),
    "two differing sites": Route(
        False, honest, "the outcome differs between sites", Trial(sites=2), needs="R2 above 0 with the site held fixed"
    ),
    "three differing sites": Route(
        False, honest, "the outcome differs between sites", Trial(sites=3), needs="R2 above 0 with the site held fixed"
    ),
    "three differing sites, left out whole": Route(
        False,
        whole_sites_left_out,
        "permuted outcomes do as well too often|with the site held fixed",
        Trial(sites=3),
        needs="interval above 0",
    ),
    "three differing sites, not declared": Route(
        False, sites_that_nobody_declares, "looks like sites", Trial(sites=3), needs="nothing that caps the claim"
    ),
}


@contextlib.contextmanager
def few_permutations() -> Iterator[None]:
    """The gate's row of 1,000 permutations is met by `PERMUTATIONS`; pictures are not drawn."""
    with (
        mock.patch("workbench.results.requirements_of_evidence.CLAIM_PERMUTATIONS", PERMUTATIONS),
        mock.patch("workbench.figures.PICTURES", {}),
    ):
        yield


@contextlib.contextmanager
def own_registry(folder: Path) -> Iterator[None]:
    """A registry of results viewed of its own, never that of whoever runs this."""
    with mock.patch.dict(os.environ, {"WORKBENCH_STATE": str(folder), "WORKBENCH_REGISTRY": "on"}):
        yield


def take(route: Route, folder: Path, rng: np.random.Generator) -> Any:
    """One route on noise of its own, from the first look to the last run: its result."""
    with few_permutations(), own_registry(folder / "state"):
        study = StudyOnDisk(folder / "study", route.trial).make(rng)
        if route.after_a_look:
            study.run()
        return route.take(study).result


def named(reasons: Sequence[str], pattern: str) -> bool:
    """Whether a reason names the route."""
    import re

    return any(re.search(pattern, reason) for reason in reasons)
