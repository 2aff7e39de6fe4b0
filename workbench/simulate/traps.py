"""Leak traps: what goes wrong in real studies, planted in the files of a simulated trial in which nothing is true.

Each trap changes the files of a study as an honest mistake would (METHODS 4.2); nothing in the files says so, except
``truth.json``. What stops it, or shows that it does no harm, is elsewhere. A trap reads the files that
`workbench.simulate.writers` wrote and no others.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from workbench.errors import Problem, SpecError, StoreError, did_you_mean
from workbench.simulate.anatomy import LIMBIC
from workbench.simulate.outcomes import N_ITEMS
from workbench.simulate.streams import stream
from workbench.simulate.study_files import (
    PET_FOLDER,
    SHAPS_FILE,
    TASK_FILE,
    UPSTREAM,
    XCPD_FOLDER,
    main_experiment,
    shaps_column,
)
from workbench.simulate.tables import MISSING
from workbench.simulate.writers import TRUTH_FILE

TRAPS: dict[str, str] = {
    "T1": "a feature with a neutral name is the SHAPS two days after ketamine, with noise",
    "T2": "a feature, CADSS_40, was rated 40 minutes into the infusion and correlates .5 with the outcome",
    "T3": "one participant takes part under two ids",
    "T4": "folds are given by row, so that the two periods of a participant are in different folds",
    "T5": "the task betas were standardised and reduced to principal components in all participants together",
    "T6": "the task betas that are most associated with the outcome were selected in all participants together",
    "T7": "the task betas were harmonised between sites in all participants together, the outcome preserved",
    "T8": "sites differ in the outcome, so whatever tells sites apart predicts it",
    "T9": "the outcome is a percentage of the baseline, and the baseline is among the features",
    "T10": "one site scored the SHAPS 0-14, the others 14-56",
    "T11": "the study declares a TEPS of which higher is worse",
    "T12": "those who did not improve have no task data",
    "T13": "twenty pipelines are tried on one outcome, and the best is reported",
    "T14": "a feature with a neutral name follows the date of enrolment, and so does the outcome",
    "T15": "the task table lost its ids after a join: the id column is the number of the row, and the order another",
    "T16": "a quarter of the connectivity matrices lack four regions",
}
"""Codes of METHODS 4.2, each with what is wrong, in one sentence."""

TRAP_COLUMN = "VS_L_reserve"
"""Neutral name of a feature that is none."""
NOISE_OF_COPY = 1 / 3
"""Of its SD, added to a score that poses as a feature: it then correlates .95 with the score."""
CADSS_R = 0.5
SELECTED = 10
COMPONENTS = 20
SITE_GAP = 1.2
"""Difference in SHAPS between one site and the others, in SD."""
DRIFT = 1.5
"""Change of SHAPS from the first to the last enrolled, in SD."""
LOST_IF_WORSE, WORSE_SHARE = 0.85, 0.4
"""The share without task data among those who fare worst, and how many those are."""
REGIONS_LOST = 4


def plant(trap: str, study_folder: Path, *, seed: int = 0) -> str:
    """Change the files of a simulated study so that one guard has something to catch.

    Parameters
    ----------
    trap : str
        One of `TRAPS`.
    study_folder : Path
        A study as `workbench simulate` writes it: ``features``, ``experiments``, ``sources``. Simulate it with r2 = 0:
        then whatever is found was the trap.
    seed : int
        Of whatever is random in the trap; the trial's own draws do not change.

    Returns
    -------
    str
        What was changed, in one sentence.

    Raises
    ------
    SpecError
        If there is no such trap.
    StoreError
        If the folder holds no simulated study.
    """
    if trap not in TRAPS:
        raise SpecError(Problem("trap", f"no trap {trap!r}", did_you_mean(trap, TRAPS)))
    truth = study_folder / "sources" / TRUTH_FILE
    if not truth.is_file():
        found, hint = "holds no simulated study", "workbench simulate DIR --r2 0 writes one"
        raise StoreError(Problem(str(study_folder), found, hint))
    planted = json.loads(truth.read_text(encoding="utf-8"))
    study = _Study(study_folder, planted["config"]["design"], stream(seed, "trap", trap))
    _PLANTERS[trap](study)
    planted["trap"] = {"code": trap, "what": TRAPS[trap], "seed": seed}
    truth.write_text(json.dumps(planted, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return TRAPS[trap]


@dataclass(frozen=True)
class _Study:
    """The files of a simulated study, read and written again."""

    root: Path
    design: str
    rng: np.random.Generator

    @property
    def main(self) -> str:
        """The experiment file of the main question."""
        return f"experiments/{main_experiment(self.design)}.toml"

    def read(self, name: str) -> pd.DataFrame:
        """A table as text, nothing taken for missing."""
        return pd.read_csv(self._path(name), sep="\t", dtype=str, keep_default_na=False)

    def write(self, name: str, table: pd.DataFrame) -> None:
        """The same again."""
        table.to_csv(self._path(name), sep="\t", index=False, lineterminator="\n", encoding="utf-8")

    def replace(self, name: str, old: str, new: str) -> None:
        """Change one line of a file of the study."""
        path = self.root / name
        text = path.read_text(encoding="utf-8")
        if text.count(old) != 1:
            raise StoreError(
                Problem(str(path), f"does not say {old!r} once", "plant in a study as it was simulated, one trap each")
            )
        path.write_bytes(text.replace(old, new).encode("utf-8"))

    def hush(self, source: str) -> None:
        """Take out what the study says of how a source was made: it would not be true any more."""
        self.replace(f"features/{source}.toml", f"\n{UPSTREAM}", "")

    def _path(self, name: str) -> Path:
        return self.root / name if name.startswith("features/") else self.root / "sources" / name

    def shaps(self, session: str) -> pd.Series:
        """Totals of everybody, by participant id."""
        return _numbers(self.read(SHAPS_FILE).set_index("participant_id")[shaps_column(session)])

    def outcome(self) -> pd.Series:
        """The main outcome of everybody, by participant id: positive is better."""
        before = "ses-p2" if self.design == "crossover" else "ses-b0"
        return self.shaps(before) - self.shaps("ses-d2")

    def sites(self) -> pd.Series:
        """Site of everybody, by participant id."""
        return self.read("participants.tsv").set_index("participant_id")["site"]

    def worsen(self, points: pd.Series) -> None:
        """Add points to everybody's SHAPS two days after ketamine, inside its range."""
        table = self.read(SHAPS_FILE).set_index("participant_id")
        column = shaps_column("ses-d2")
        moved = (_numbers(table[column]) + points.reindex(table.index)).round().clip(N_ITEMS, 4 * N_ITEMS)
        table[column] = _texts(moved, 0)
        self.write(SHAPS_FILE, table.reset_index())

    def add_beta(self, values: pd.Series, name: str = TRAP_COLUMN, decimals: int = 5) -> None:
        """Add a column to the task betas, described as the others are.

        Parameters
        ----------
        values : Series
            By participant id; the same at every session of a person.
        """
        table = self.read(TASK_FILE)
        table[name] = _texts(_of_rows(table, values), decimals)
        self.write(TASK_FILE, table)
        columns = self.read("features/task_columns.tsv")
        columns.loc[len(columns)] = [name, LIMBIC, "VS_L", "feedback"]
        self.write("features/task_columns.tsv", columns)


def _numbers(texts: pd.Series) -> pd.Series:
    return texts.replace(MISSING, "nan").astype(float)


def _texts(values: pd.Series, decimals: int) -> list[str]:
    return [MISSING if np.isnan(value) else f"{value:.{decimals}f}" for value in values]


def _of_rows(table: pd.DataFrame, values: pd.Series) -> pd.Series:
    """Values by participant id, for the rows of a table whose ids are written 7 or 007."""
    return values.reindex("sub-" + table["subject"].str.zfill(3)).reset_index(drop=True)


def _standard(values: pd.Series) -> pd.Series:
    return (values - values.mean()) / values.std()


# --------------------------------------------------------------------------------------------------- features that leak


def _score_as_feature(study: _Study) -> None:
    score = _standard(study.shaps("ses-d2"))
    study.add_beta(score + study.rng.normal(0, NOISE_OF_COPY, len(score)))


def _rating_during_infusion(study: _Study) -> None:
    improvement = _standard(study.outcome())
    mixed = CADSS_R * improvement + np.sqrt(1 - CADSS_R**2) * study.rng.standard_normal(len(improvement))
    study.add_beta((30 + 12 * mixed).clip(0, 92).round(), "CADSS_40", 0)


def _baseline_of_percent_change(study: _Study) -> None:
    study.replace("experiments/madrs_change.toml", 'kind = "change" ', 'kind = "percent-change" ')
    study.replace("experiments/madrs_change.toml", '"MADRS@ses-b0", ', "")
    madrs = study.read("phenotype/madrs.tsv")
    before = madrs[madrs["session_id"] == "ses-b0"].set_index("participant_id")["MADRS_Total"]
    study.add_beta(_numbers(before), decimals=0)


def _order_as_feature(study: _Study) -> None:
    enrolled = study.read("participants.tsv").set_index("participant_id")["enrolled"]
    when = enrolled.rank() / len(enrolled)
    study.add_beta(when + study.rng.normal(0, 0.01, len(when)))
    study.worsen(-DRIFT * study.shaps("ses-d2").std() * (when - 0.5))


# -------------------------------------------------------------------------------------- who is who, and who is measured


def _person_twice(study: _Study) -> None:
    """The first person who has everything comes again as the last one, measured the same but for rounding."""
    people = study.read("participants.tsv")["participant_id"]
    first, again = _complete_person(study), f"{len(people) + 1:03d}"
    old, new = f"sub-{first:03d}", f"sub-{again}"
    for name in ("participants.tsv", *(f"phenotype/{n}.tsv" for n in _PHENOTYPES)):
        table = study.read(name)
        study.write(name, pd.concat([table, table[table["participant_id"] == old].assign(participant_id=new)]))
    table = study.read(TASK_FILE)
    study.write(TASK_FILE, pd.concat([table, table[table["subject"].astype(int) == first].assign(subject=again)]))
    sources = study.root / "sources"
    for folder in (XCPD_FOLDER, PET_FOLDER):
        for path in sorted((sources / folder / old).rglob("*.*")):
            copy = sources / path.relative_to(sources).as_posix().replace(old, new)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)


_PHENOTYPES = ("madrs", "shaps", "shaps_items", "teps", "cadss")


def _complete_person(study: _Study) -> int:
    """Number of the first person with the outcome, connectivity and task betas."""
    task = set(study.read(TASK_FILE)["subject"].astype(int))
    for participant_id in study.outcome().dropna().index:
        number = int(participant_id.removeprefix("sub-"))
        scans = study.root / "sources" / XCPD_FOLDER / participant_id / "ses-b0" / "func"
        if number in task and any(scans.glob("*_relmat.tsv")):
            return number
    raise StoreError(Problem(str(study.root), "nobody has every measurement", "simulate more participants"))


def _rows_across_folds(study: _Study) -> None:
    people = study.read("participants.tsv")["participant_id"]
    rows = people.repeat(2).reset_index(drop=True)
    folds = pd.DataFrame({"participant_id": rows, "repeat_1": [str(k % 5) for k in range(len(rows))]})
    study.write("folds.tsv", folds)
    study.replace(study.main, "outer = 5\n", 'folds = "folds.tsv"\n')


def _ids_lost(study: _Study) -> None:
    table = study.read(TASK_FILE)
    table["subject"] = table.groupby("session_id").cumcount().astype(str)
    study.write(TASK_FILE, table)


def _missing_where_worse(study: _Study) -> None:
    improvement = study.outcome()
    worse = improvement <= improvement.quantile(WORSE_SHARE)
    lost = worse & (study.rng.random(len(worse)) < LOST_IF_WORSE)
    table = study.read(TASK_FILE)
    study.write(TASK_FILE, table[~_of_rows(table, lost).to_numpy(dtype=bool)])


def _smaller_matrices(study: _Study) -> None:
    matrices = sorted((study.root / "sources" / XCPD_FOLDER).rglob("*_relmat.tsv"))
    for path in matrices[::4]:
        rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
        _rewrite(path, [row[:-REGIONS_LOST] for row in rows[:-REGIONS_LOST]])
        covered = path.with_name(path.name.replace("pearsoncorrelation_relmat", "coverage_bold"))
        lines = covered.read_text(encoding="utf-8").splitlines()
        _rewrite(covered, [line.split("\t") for line in lines[:-REGIONS_LOST]])


def _rewrite(path: Path, rows: list[list[str]]) -> None:
    path.write_bytes("".join("\t".join(row) + "\n" for row in rows).encode("utf-8"))


# ---------------------------------------------------------------------------------------------- scores and declarations


def _sites_differ(study: _Study) -> None:
    site = study.sites()
    gap = SITE_GAP * study.shaps("ses-d2").std()
    study.worsen(gap * ((site != "site-1") - 0.5))


def _two_scorings(study: _Study) -> None:
    site = study.sites()
    items = study.read("phenotype/shaps_items.tsv").set_index("participant_id")
    items = items[(site.reindex(items.index) == site.max()).to_numpy()]
    totals = study.read(SHAPS_FILE).set_index("participant_id")
    for session, rated in items.groupby("session_id"):
        answered = rated.drop(columns="session_id").apply(_numbers)
        binary = (answered >= 3).sum(axis=1).astype(float).where(answered.notna().all(axis=1))
        totals.loc[binary.index, shaps_column(str(session))] = _texts(binary, 0)
    study.write(SHAPS_FILE, totals.reset_index())


_OWN_TEPS = """
[scales.TEPS-ANT]                     # as it was entered in our data base
minimum = 10
maximum = 60
worse = "higher"
source = "the study's own code book"
"""


def _teps_upside_down(study: _Study) -> None:
    study.replace(
        "features/cohort.toml", 'column = "TEPS_ANT"\nscoring = "10-60"\n', f'column = "TEPS_ANT"\n{_OWN_TEPS}'
    )
    question = (study.root / "experiments" / "madrs_change.toml").read_text(encoding="utf-8")
    text = question.replace('score = "MADRS"', 'score = "TEPS-ANT"').replace("fall in MADRS", "change in TEPS-ANT")
    (study.root / "experiments" / "teps_change.toml").write_bytes(text.encode("utf-8"))


# ---------------------------------------------------------------------------------------- learnt from everybody at once


def _betas(study: _Study) -> tuple[pd.DataFrame, list[str], np.ndarray]:
    """The task table, its feature columns and their values, single missing ones filled with the mean of the column."""
    table = study.read(TASK_FILE)
    columns = [column for column in table.columns if column not in ("subject", "session_id")]
    values = np.column_stack([_numbers(table[column]) for column in columns])
    return table, columns, np.where(np.isnan(values), np.nanmean(values, axis=0), values)


def _components_of_everybody(study: _Study) -> None:
    study.hush("task")
    table, _, values = _betas(study)
    standard = (values - values.mean(axis=0)) / values.std(axis=0)
    left, size, _ = np.linalg.svd(standard, full_matrices=False)
    names = [f"PC_{k + 1:02d}" for k in range(COMPONENTS)]
    scores = pd.DataFrame((left * size)[:, :COMPONENTS], columns=names)
    study.write(TASK_FILE, pd.concat([table[["subject", "session_id"]], scores.map("{:.5f}".format)], axis=1))
    described = pd.DataFrame({"column": names, "circuit": "", "region_a": "", "contrast": ""})
    study.write("features/task_columns.tsv", described)


def _selected_in_everybody(study: _Study) -> None:
    study.hush("task")
    table, columns, values = _betas(study)
    y = _of_rows(table, study.outcome()).to_numpy()
    used = (table["session_id"] == "ses-b0").to_numpy() & ~np.isnan(y)
    r = np.corrcoef(values[used].T, y[used])[-1, :-1]
    best = sorted(columns[k] for k in np.argsort(-np.abs(r))[:SELECTED])
    keep = ", ".join(f'"{name}"' for name in best)
    study.replace("features/task.toml", 'measure = "beta"\n', f'measure = "beta"\nkeep = [{keep}]\n')


def _harmonised_with_the_outcome(study: _Study) -> None:
    """Location and scale of each site (Johnson 2007, without shrinkage), the outcome among what is preserved."""
    study.hush("task")
    table, columns, values = _betas(study)
    site = _of_rows(table, study.sites())
    y = _of_rows(table, study.outcome())
    indicators = pd.get_dummies(site).to_numpy(dtype=float)
    preserved = _standard(y).fillna(0).to_numpy()
    weights, *_ = np.linalg.lstsq(np.column_stack([indicators, preserved]), values, rcond=None)
    left = values - indicators @ weights[:-1] - np.outer(preserved, weights[-1])
    scale = np.vstack([left[indicators[:, k] > 0].std(axis=0) for k in range(indicators.shape[1])])
    mean = indicators.mean(axis=0) @ weights[:-1]
    harmonised = mean + np.outer(preserved, weights[-1]) + left / (indicators @ scale) * left.std(axis=0)
    table[columns] = pd.DataFrame(harmonised).map("{:.5f}".format).to_numpy()
    study.write(TASK_FILE, table)


def _twenty_pipelines(study: _Study) -> None:
    """Five penalties on each of four feature sets, as one experiment."""
    text = (study.root / study.main).read_text(encoding="utf-8")
    models = [f'[[models]]\nkind = "ridge"\nname = "ridge-{k}"\nalphas = [{10.0**k:g}]\n' for k in range(5)]
    kept = (line for line in text[: text.index("[[models]]")].splitlines() if not line.startswith("primary"))
    head = "\n".join([*kept, ""])
    (study.root / "experiments" / "best_of_20.toml").write_bytes((head + "\n".join(models)).encode("utf-8"))


_PLANTERS: dict[str, Callable[[_Study], None]] = {
    "T1": _score_as_feature,
    "T2": _rating_during_infusion,
    "T3": _person_twice,
    "T4": _rows_across_folds,
    "T5": _components_of_everybody,
    "T6": _selected_in_everybody,
    "T7": _harmonised_with_the_outcome,
    "T8": _sites_differ,
    "T9": _baseline_of_percent_change,
    "T10": _two_scorings,
    "T11": _teps_upside_down,
    "T12": _missing_where_worse,
    "T13": _twenty_pipelines,
    "T14": _order_as_feature,
    "T15": _ids_lost,
    "T16": _smaller_matrices,
}
