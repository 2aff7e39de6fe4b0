"""Studies of any size, written in seconds: what `forecasts.py` runs, from 26 participants to 100,000 features.

Not a benchmark itself: a script imports it as a sibling, ``from _forecast_studies import CASES``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

CIRCUITS = 12
STEPS = 2001
"""Values are written with three decimals, of which there are so many between -1 and 1, drawn from a table of texts."""
DECLARED = """[upstream]
fitted_on = "each participant"
used_outcome = false
selected_by = "nothing"
harmonised = "none"
"""
SESSIONS = """[sessions.ses-b0]
phase = "before"
[sessions.ses-d2]
phase = "after"
hours = 48.0
arm = "ketamine"
"""
PLACEBO = """[sessions.ses-p2]
phase = "after"
hours = 48.0
arm = "placebo"
"""
ARMS = {
    "observational": "",
    "single-arm": '[arms]\nactive = "ketamine"\n' + SESSIONS.replace('arm = "ketamine"\n', ""),
    "crossover": '[arms]\nactive = "ketamine"\ncontrol = "placebo"\norder = ["first", "second"]\n' + SESSIONS + PLACEBO,
    "parallel": '[arms]\nactive = "ketamine"\ncontrol = "placebo"\ncolumn = "arm"\n'
    'allocation = { ketamine = 0.5, placebo = 0.5 }\n[sessions.ses-b0]\nphase = "before"\n'
    '[sessions.ses-d2]\nphase = "after"\nhours = 48.0\n',
}
MADRS = '[scores.MADRS]\nfile = "madrs.tsv"\nsession = "session_id"\ncolumn = "total"\n'
OUTCOMES = {
    "number": 'column = "number"\nbetter = "higher"\n',
    "binary": 'column = "yes"\ntype = "binary"\npositive = "1"\n',
    "change": 'score = "MADRS"\nkind = "change"\nfrom = "ses-b0"\nat = "ses-d2"\n',
    "ancova": 'score = "MADRS"\nkind = "ancova"\nfrom = "ses-b0"\nat = "ses-d2"\n',
    "ketamine-minus-placebo": 'score = "MADRS"\nkind = "ketamine-minus-placebo"\nat = "ses-d2"\n'
    'placebo_at = "ses-p2"\n',
    "treatment-effect": 'score = "MADRS"\nkind = "treatment-effect"\nfrom = "ses-b0"\nat = "ses-d2"\n',
}


@dataclass(frozen=True)
class Case:
    """One study with one run: how many take part, what is measured, how much it predicts, and what is asked."""

    name: str
    n: int
    p: tuple[int, ...]
    """Features of each modality."""
    model: str
    """The ``[[models]]`` entry, as TOML."""
    outcome: str = "number"
    validation: dict[str, object] = field(default_factory=dict)
    loading: float = 0.0
    """How much of the outcome is in each of a tenth of the features."""
    design: str = "observational"
    sites: int = 0
    missing: float = 0.0
    """Share of participants who lack a modality."""
    confounds: tuple[str, ...] = ()
    clinical: tuple[str, ...] = ()
    harmonise: bool = False
    quick: bool = False


def write_study(case: Case, folder: Path) -> None:
    """Participants, ratings, a wide table for each modality, and the study files with one experiment."""
    rng = np.random.default_rng(case.n)
    for name in ("sources", "features", "experiments"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    ids = [f"sub-{number:05d}" for number in range(1, case.n + 1)]
    latent = rng.standard_normal(case.n)
    _write_people(case, folder, ids, latent, rng)
    for number, p in enumerate(case.p):
        _write_modality(case, folder, number, p, ids, latent, rng)
    (folder / "experiments" / "asked.toml").write_text(_experiment(case))


def _write_people(case: Case, folder: Path, ids: list[str], latent: np.ndarray, rng: np.random.Generator) -> None:
    n = case.n
    columns = {
        "participant_id": ids,
        "age": rng.integers(18, 65, n).tolist(),
        "sex": rng.choice(["F", "M"], n).tolist(),
        "bmi": (24 + 4 * rng.standard_normal(n)).round(1).tolist(),
        "number": (latent + 0.5 * rng.standard_normal(n)).round(4).tolist(),
        "yes": (latent + 0.3 * rng.standard_normal(n) > 0).astype(int).tolist(),
        "site": [f"site{k % max(case.sites, 1)}" for k in range(n)],
        "first": [("ketamine", "placebo")[k % 2] for k in range(n)],
        "second": [("placebo", "ketamine")[k % 2] for k in range(n)],
        "arm": [("ketamine", "placebo")[k % 2] for k in range(n)],
    }
    if not case.sites:
        del columns["site"]
    if case.design != "crossover":
        del columns["first"], columns["second"]
    if case.design != "parallel":
        del columns["arm"]
    _write_table(folder / "sources" / "participants.tsv", columns)
    site = 'site = "site"\n' if case.sites else ""
    scores = ""
    if case.design != "observational":
        _write_ratings(case, folder, ids, latent, rng)
        scores = MADRS
    (folder / "features" / "cohort.toml").write_text(
        f'data = "sources"\nparticipants = "participants.tsv"\nid = "participant_id"\n{site}'
        f'design = "{case.design}"\nmissing = ["n/a", ""]\n[ids]\nstrip = ["sub-"]\n{ARMS[case.design]}{scores}'
    )


def _write_ratings(case: Case, folder: Path, ids: list[str], latent: np.ndarray, rng: np.random.Generator) -> None:
    baseline = 32 + 5 * rng.standard_normal(case.n)
    treated = np.ones(case.n) if case.design != "parallel" else (np.arange(case.n) % 2 == 0).astype(float)
    after = baseline - 8 - treated * 6 * latent + 2 * rng.standard_normal(case.n)
    placebo = baseline - 4 + 3 * rng.standard_normal(case.n)
    ratings = {"ses-b0": baseline, "ses-d2": after} | ({"ses-p2": placebo} if case.design == "crossover" else {})
    totals = [np.clip(values, 0, 60).round().astype(int).tolist() for values in ratings.values()]
    _write_table(
        folder / "sources" / "madrs.tsv",
        {
            "participant_id": ids * len(ratings),
            "session_id": [session for session in ratings for _ in ids],
            "total": [total for of_session in totals for total in of_session],
        },
    )


def _write_modality(
    case: Case, folder: Path, number: int, p: int, ids: list[str], latent: np.ndarray, rng: np.random.Generator
) -> None:
    texts = np.array([f"{value:.3f}" for value in np.linspace(-1, 1, STEPS)])
    loadings = np.zeros(p, dtype=np.float32)
    loadings[:: 10 if p >= 10 else 2] = case.loading
    names = [f"f{number}_{k}" for k in range(p)]
    lacks = rng.random(case.n) < case.missing
    with (folder / "sources" / f"m{number}.tsv").open("w") as file:
        file.write("\t".join(["participant_id", *names]) + "\n")
        for person, value, gone in zip(ids, latent, lacks, strict=True):
            if gone:
                continue
            cells = 0.25 * (rng.standard_normal(p, dtype=np.float32) + loadings * value)
            steps = np.clip((cells + 1) * (STEPS // 2), 0, STEPS - 1).astype(int)
            file.write("\t".join([person, *texts[steps].tolist()]) + "\n")
    _write_table(
        folder / "sources" / f"m{number}_columns.tsv",
        {"column": names, "circuit": [f"circuit {k % CIRCUITS}" for k in range(p)]},
    )
    modality = ("connectivity", "task", "structure")[number % 3]
    keys = {"modality": modality, "reader": "table", "file": f"m{number}.tsv", "columns": f"m{number}_columns.tsv"}
    if modality == "connectivity":
        keys |= {"measure": "partial correlation", "gsr": False}
    lines = [f"{key} = {json.dumps(value)}" for key, value in keys.items()]
    (folder / "features" / f"m{number}.toml").write_text("\n".join(lines) + "\n" + DECLARED)


def _experiment(case: Case) -> str:
    sources = [f"m{number}" for number in range(len(case.p))]
    lines = ['question = "Does it predict?"', f"confounds = {json.dumps(case.confounds)}"]
    lines += [f"clinical_model = {json.dumps(case.clinical)}"] if case.clinical else []
    lines += ["[outcome]", OUTCOMES[case.outcome], "[feature_sets]", f"all = {json.dumps(sources)}", "[validation]"]
    lines += [f"{key} = {json.dumps(value)}" for key, value in case.validation.items()]
    lines += ["[harmonise]", 'method = "combat"', 'batch = "site"'] if case.harmonise else []
    return "\n".join([*lines, "[[models]]", case.model]) + "\n"


def _write_table(path: Path, columns: dict[str, list[object]]) -> None:
    rows = ["\t".join(columns), *("\t".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
    path.write_text("\n".join(rows) + "\n")


def _drawn(repeats: int, permutations: int, outer: int = 5, inner: int = 5, **more: object) -> dict[str, object]:
    return {"repeats": repeats, "outer": outer, "inner": inner, "permutations": permutations, **more}


CASES = (
    Case(
        "ridge, a small trial",
        26,
        (6,),
        'kind = "ridge"',
        "change",
        _drawn(20, 500),
        0.8,
        "single-arm",
        clinical=("MADRS@ses-b0", "age", "sex"),
        quick=True,
    ),
    Case("ridge, nothing in it", 57, (225,), 'kind = "ridge"', "number", _drawn(10, 1000), quick=True),
    Case(
        "ridge, an edge table",
        120,
        (4000,),
        'kind = "ridge"',
        validation=_drawn(2, 500),
        loading=0.3,
        confounds=("age",),
    ),
    Case(
        "ridge, four sites",
        200,
        (1000,),
        'kind = "ridge"',
        "change",
        _drawn(2, 100),
        0.3,
        "single-arm",
        sites=4,
        confounds=("age",),
    ),
    Case(
        "ridge, 22 sites left out",
        1204,
        (20,),
        'kind = "ridge"',
        validation={"leave_out": "site", "permutations": 100},
        loading=0.3,
        sites=22,
    ),
    Case("ridge, 100,000 features", 40, (100_000,), 'kind = "ridge"', validation=_drawn(1, 100), loading=0.0),
    Case(
        "ridge, ten folds",
        40,
        (1000,),
        'kind = "ridge"',
        validation=_drawn(10, 500, outer=10, inner=3),
        loading=0.4,
        quick=True,
    ),
    Case(
        "ridge, many participants",
        500,
        (40,),
        'kind = "ridge"',
        validation=_drawn(4, 500),
        loading=0.3,
        confounds=("age",),
        clinical=("sex", "bmi"),
    ),
    Case(
        "ridge, crossover",
        60,
        (300,),
        'kind = "ridge"',
        "ketamine-minus-placebo",
        _drawn(5, 200),
        0.5,
        "crossover",
        confounds=("age",),
        clinical=("MADRS@ses-b0", "age"),
    ),
    Case("ridge, parallel arms", 60, (60,), 'kind = "ridge"', "treatment-effect", _drawn(3, 200), 0.8, "parallel"),
    Case("ridge, three modalities", 90, (400, 120, 20), 'kind = "ridge"', validation=_drawn(2, 200), loading=0.4),
    Case(
        "ridge, harmonised",
        120,
        (800,),
        'kind = "ridge"',
        validation=_drawn(3, 100),
        loading=0.4,
        sites=3,
        harmonise=True,
    ),
    Case(
        "banded ridge, three modalities",
        120,
        (400, 100, 40),
        'kind = "banded-ridge"',
        validation=_drawn(1, 100),
        loading=0.4,
    ),
    Case(
        "late fusion, modalities missing",
        120,
        (600, 150, 30),
        'kind = "late-fusion"',
        validation=_drawn(2, 100),
        loading=0.4,
        missing=0.15,
    ),
    Case("elastic net, untested", 80, (300,), 'kind = "elastic-net"', validation=_drawn(3, 0), loading=0.4),
    Case(
        "elastic net, tested",
        60,
        (100,),
        'kind = "elastic-net"',
        validation=_drawn(1, 20, inner=3),
        loading=0.6,
    ),
    Case("PLS, nothing in it", 120, (2000,), 'kind = "pls"', validation=_drawn(3, 300)),
    Case("kernel ridge", 120, (400,), 'kind = "kernel-ridge"', validation=_drawn(2, 50), loading=0.4),
    Case("CPM", 60, (3000,), 'kind = "cpm"', validation=_drawn(1, 50), loading=0.3),
    Case("linear SVR", 120, (1000,), 'kind = "linear-svr"', validation=_drawn(2, 10), loading=0.3),
    Case("linear SVM", 80, (500,), 'kind = "linear-svm"', "binary", _drawn(1, 10), 0.4),
    Case("logistic ridge", 150, (200,), 'kind = "logistic-ridge"', "binary", _drawn(2, 20), 0.4, confounds=("age",)),
    Case(
        "XGBoost, untested", 60, (200,), 'kind = "xgboost"\ntrials = 20', validation=_drawn(1, 0, inner=3), loading=0.8
    ),
    Case(
        "XGBoost, tested",
        40,
        (30,),
        'kind = "xgboost"\npermuted_trials = 5',
        validation=_drawn(1, 20, inner=3),
        loading=0.8,
    ),
    Case("random forest", 100, (500,), 'kind = "random-forest"\ntrees = 60', validation=_drawn(2, 0), loading=0.5),
    Case(
        "a named estimator",
        80,
        (100,),
        'kind = "estimator"\nestimator = "sklearn.svm.NuSVR"\ngrid = { C = [0.1, 1.0, 10.0] }',
        validation=_drawn(2, 10, inner=3),
        loading=0.5,
    ),
)
