"""The cells of `calibration.py`, and one simulation of each kind: the product judges, this only plants and counts."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from _calibration_people import POINTS, Setting, draw_dataset, experiment_of
from _calibration_routes import ROUTES, named, take

from workbench.evaluation.conformal import conformal_folds
from workbench.evaluation.refits import fit_one, in_memory
from workbench.execution import one_blas_thread, run_units
from workbench.models import nested_cv, permutations
from workbench.models.estimators import make_learner
from workbench.models.learner import residualises
from workbench.records import Covariates, Dataset, Freeze, Influence, RunResult, Split, UnitResult, Viewing, WorkUnit
from workbench.results.family import finish_experiment
from workbench.results.run_inputs import RunInputs
from workbench.results.run_result import reduce_run
from workbench.specs.experiment import ValidationSpec
from workbench.specs.learners import LEARNERS as KINDS
from workbench.specs.learners import (
    ElasticNetSpec,
    KernelRidgeSpec,
    LateFusionSpec,
    LearnerSpec,
    LinearSVMSpec,
    LinearSVRSpec,
    LogisticRidgeSpec,
    PLSSpec,
    RandomForestSpec,
    RidgeSpec,
    XGBoostSpec,
)

ROOT = Path(__file__).resolve().parents[1]
N_FRESH = 400
"""Fresh people in whom the outer models of every simulation are scored: what they achieve (P3, P5)."""
LUCKIEST_OF = 20
"""P19: trials of noise of which the luckiest is taken along a route."""
FAMILY_TABLES, FAMILY_AWAY, FAMILY_LEARNERS = 4, 0.2, ("ridge", "pls", "kernel-ridge")
"""P2: four feature sets by three models; a fifth of the people lacks the second half of the tables, so Holm is needed
beside min-p."""

LEARNERS: Mapping[str, LearnerSpec] = {
    "ridge": RidgeSpec(kind="ridge"),
    "late-fusion": LateFusionSpec(kind="late-fusion"),
    "kernel-ridge": KernelRidgeSpec(kind="kernel-ridge"),
    "pls": PLSSpec(kind="pls"),
    "elastic-net": ElasticNetSpec(kind="elastic-net", l1_ratio=(0.5,), n_alphas=10, smallest=0.01),
    "xgboost": XGBoostSpec(kind="xgboost", trials=3, permuted_trials=3, rounds=50),
    "logistic-ridge": LogisticRidgeSpec(kind="logistic-ridge", C=(1e-4, 1e-3, 1e-2, 0.1)),
    "linear-svm": LinearSVMSpec(kind="linear-svm", C=(1e-4, 1e-3, 1e-2, 0.1)),
}
"""Small budgets, since nothing is shared between permutations: elastic net with one l1_ratio and 10 alphas down to a
hundredth of the largest (in place of 3, and 20 down to a thousandth), trees with 3 configurations of at most 50 rounds
(METHODS 9), machines with 4 of 8 values of C."""

INTERVAL_PEOPLE, INTERVAL_SHARES = (40, 100, 240), (0.0, 0.1, 0.25, 0.5)
SECOND_N = {40: 1000, 100: 1000, 240: 400}
"""Studies of the second generator by participants; elastic net takes 3 s a study of 240."""

PLANNED_CONFOUNDS = ((0, 0.0), (2, 0.2), (8, 0.0))
"""P21: two confounds that explain a fifth of the outcome, and eight that explain nothing and cost a degree of freedom
each; `plan` simulates both truths."""
PLAN_PERMUTATIONS = 99
"""Those that `plan` gives a simulated trial unless it is asked for more."""

Values = dict[str, float]


@dataclass(frozen=True)
class Cell:
    """One line of the table: a setting, simulated so many times.

    Parameters
    ----------
    criteria : tuple of str
        What is read off it.
    simulate : str
        Name in `SIMULATIONS`.
    """

    criteria: tuple[str, ...]
    simulate: str
    setting: Setting
    n_sims: int
    learner: str = "ridge"
    repeats: int = 10
    permutations: int = 199
    leave_out: str = ""
    held: tuple[int, float] | None = None
    """P21: confounds beside those of the setting, which features know nothing of, and their share of the outcome."""
    route: str = ""
    """P19: name in `_calibration_routes.ROUTES`."""

    @property
    def key(self) -> str:
        """Stands in the store: all that decides the numbers of a simulation."""
        if self.route:
            return f"{self.simulate} {self.route} {ROUTES[self.route].trial}"
        budget = (self.learner, self.repeats, self.permutations, self.leave_out)
        settings = LEARNERS[self.learner].model_dump(exclude_defaults=True, exclude={"kind"})
        return f"{self.simulate} {self.setting} {budget}{settings or ''}{self.held or ''}"

    def seeds(self, number: int) -> tuple[np.random.Generator, int]:
        """The generator of who is drawn, and the seed of the analysis, of one simulation."""
        stream = np.random.SeedSequence([zlib.crc32(self.key.encode()), number])
        people, analysis = stream.spawn(2)
        return np.random.default_rng(people), int(analysis.generate_state(1)[0])

    def validation(self, seed: int) -> ValidationSpec:
        """With the repeats and permutations of the cell."""
        leave_out = {"leave_out": self.leave_out} if self.leave_out else {}
        return ValidationSpec.model_validate(
            {"repeats": self.repeats, "permutations": self.permutations, "seed": seed, **leave_out}
        )


# ----------------------------------------------------------------------------------------------------------- the cells

DESIGNS = ("single-arm", "parallel", "crossover")
PLAIN, HARDEST = ("single-arm", 1, False), ("crossover", 3, True)
FEW = {
    "elastic-net": (PLAIN, ("single-arm", 1, True), ("parallel", 3, False), HARDEST),
    "xgboost": (PLAIN, HARDEST),
}
"""Design, sites and confounds of the cells that slow learners run."""

BINARY = ((60, 3.0), (100, 1.5))
"""People, and log-odds per SD of the confounds, of a binary outcome: strong at n = 60, moderate at n = 100."""
BINARY_LEARNERS = ("ridge", "logistic-ridge", "linear-svm", "xgboost")
UNIT_SIMS, UNIT_KINDS = 5, tuple(KINDS)
"""P20: every learner there is."""
UNIT_BUDGETS: Mapping[str, LearnerSpec] = {
    "xgboost": XGBoostSpec(kind="xgboost", trials=2, permuted_trials=2, rounds=25),
    "random-forest": RandomForestSpec(kind="random-forest", trees=25),
    "linear-svr": LinearSVRSpec(kind="linear-svr", C=(1e-4, 1e-3, 1e-2, 0.1)),
}
POWERS_OF_TWO = ((2.0**30, 2.0**17), (2.0**-30, 2.0**-10), (2.0**30, 2.0**-10))
DECIMAL = ((1e-9, 1e3), (1e4, 1e-2))
"""What features with covariates, and the outcome, are multiplied with."""


SITED = (
    (Setting(confounded=True, site_shares=(0.5, 0.5), site_held=False), ""),
    (Setting(site_shares=(1 / 3, 1 / 3, 1 / 3), site_held=False), "site"),
    (Setting(site_shares=(0.8, 0.1, 0.1), site_held=False), "site"),
    (Setting(site_shares=(0.5, 29 / 60, 1 / 60), site_held=False), "site"),
    (Setting(n=60, families=True), ""),
)
"""P1: two sites that differ, site no confound; whole sites left out, of equal size, one of four fifths, one of one
person; families. Beside each what is left out."""


def _effects() -> list[Cell]:
    """The effect of a treatment: features say nothing (P1, P2), or of the outcome alone (P9), at two allocations."""
    settings = [Setting(design="parallel", outcome="treatment-effect", n=100, share=share) for share in (0.5, 2 / 3)]
    return [
        Cell(("P2",), "family", settings[0], 200, repeats=1),
        *(Cell(("P1",), "test", setting, 1000) for setting in settings),
        *(Cell(("P9",), "test", replace(setting, r2=0.25), 200) for setting in settings),
    ]


def cells(learners: Sequence[str]) -> list[Cell]:
    """Every cell of the table, in the order of the criteria."""
    found: list[Cell] = _fusion() if "late-fusion" in learners else []
    learners = [learner for learner in learners if learner != "late-fusion"]
    for learner in learners:
        found += _type_one(learner)
        found += _binary(learner)
    if "ridge" in learners:
        found.append(Cell(("P2",), "family", Setting(), 200, repeats=1))
    for learner in learners:
        found += _estimation(learner)
    if "ridge" in learners:
        found += [Cell(("P7",), "test", Setting(n=n, r2=0.25), 200) for n in (40, 100, 120)]
        found.append(Cell(("P8",), "increment", Setting(baseline_in_features=True), 200))
        found.append(Cell(("P9",), "contrast", Setting(design="crossover", n=100, prognostic=0.5), 200))
        found += _effects()
        found += [
            Cell(("P14",), "conformal", Setting(n=n, r2=r2), 200, repeats=1, permutations=0)
            for n, r2 in ((26, 0.25), (60, 0.0), (60, 0.25), (120, 0.25))
        ]
        apart = Setting(n=120, r2=0.25, sites=3)
        found.append(Cell(("P14",), "conformal", apart, 200, repeats=1, permutations=0, leave_out="site"))
        found.append(Cell(("P15",), "traps", Setting(), 1))
        found.append(Cell(("P15",), "alarm", Setting(), 100))
        found += [
            Cell(("P21",), "planned", Setting(n=n, r2=r2), 400, held=held)
            for n in (60, 120, 240)
            for r2 in (0.0, 0.25, 0.5)
            for held in PLANNED_CONFOUNDS
        ]
        found += [Cell(("P19",), "route", Setting(p=ROUTES[name].trial.kept), 50, route=name) for name in ROUTES]
        found.append(Cell(("P16",), "determinism", Setting(design="crossover", sites=3, confounded=True), 1))
        of_units = {"n_sims": UNIT_SIMS, "repeats": 1, "permutations": 19}
        found.append(Cell(("P20",), "units", Setting(r2=0.25, confounded=True), **of_units))
        found.append(Cell(("P20",), "units", Setting(confounded=True, log_odds=1.5), **of_units))
    return found


def _fusion() -> list[Cell]:
    """P1, P2 and P9 where participants lack modalities: at random, and more of those who fare worse."""
    one = {"learner": "late-fusion", "repeats": 1}
    kinds = [
        Setting(missing="at random"),
        Setting(missing="by outcome"),
        Setting(*_named(HARDEST), missing="by outcome"),
        Setting(n=120, missing="by outcome", site_shares=(0.5, 0.5), site_held=False, confounded=True),
    ]
    crossover = Setting(design="crossover", n=100, prognostic=0.5, missing="at random")
    return [
        *(Cell(("P1",), "test", setting, 1000, **one) for setting in kinds),
        Cell(("P2",), "fused_family", Setting(n=100, missing="by outcome"), 200, **one),
        Cell(("P9",), "contrast", crossover, 200, **one),
    ]


def _binary(learner: str) -> list[Cell]:
    """P1 with a binary outcome: no learner shares work between permutations that take their folds along."""
    if learner not in BINARY_LEARNERS:
        return []
    n_sims = 1000 if learner == "ridge" else 200
    kinds = [Setting(n=n, confounded=True, log_odds=log_odds) for n, log_odds in BINARY]
    return [Cell(("P1",), "test", setting, n_sims, learner, repeats=1, permutations=19) for setting in kinds]


def _type_one(learner: str) -> list[Cell]:
    if learner == "ridge":
        kinds = [(design, sites, confounded) for design in DESIGNS for sites in (1, 3) for confounded in (False, True)]
        designs = [Cell(("P1",), "test", Setting(*_named(kind)), 1000) for kind in kinds]
        return designs + [Cell(("P1",), "test", setting, 1000, leave_out=leave_out) for setting, leave_out in SITED]
    return [
        Cell(("P1",), "test", Setting(*_named(kind)), 200, learner, repeats=1, permutations=19)
        for kind in FEW.get(learner, ())
    ]


def _named(kind: tuple[str, int, bool]) -> tuple[str, int, int, float, int, bool]:
    design, sites, confounded = kind
    return design, 60, 60, 0.0, sites, confounded


def _estimation(learner: str) -> list[Cell]:
    """One set of 5-fold divisions per study: the interval of `outer` 3, 5, 10 and 20 is this one (P5).

    Elastic net meets the second generator of P5: heavy tails and 300 features, of which the interval knows nothing.
    """
    if learner == "ridge":
        cells = [(n, r2) for n in INTERVAL_PEOPLE for r2 in INTERVAL_SHARES]
        criteria = ("P3", "P4", "P5", "P6")
        return [Cell(criteria, "estimate", Setting(n=n, r2=r2), 1000, permutations=0) for n, r2 in cells]
    if "continuous" not in LEARNERS[learner].outcome_types:
        return []
    biased = [
        Cell(("P3",), "estimate", Setting(n=60, r2=r2), 200, learner, repeats=1, permutations=0) for r2 in (0.0, 0.25)
    ]
    if learner != "elastic-net":
        return biased
    other = [Setting(n=n, p=300, r2=r2, heavy_tails=True) for n in INTERVAL_PEOPLE for r2 in INTERVAL_SHARES]
    return biased + [
        Cell(("P5",), "estimate", setting, SECOND_N[setting.n], learner, permutations=0) for setting in other
    ]


# ------------------------------------------------------------------------------------------------- through the product


@dataclass(frozen=True, eq=False)
class Analysis:
    """One run of the product on a dataset in memory."""

    dataset: Dataset
    setting: Setting
    learner: LearnerSpec
    validation: ValidationSpec
    procedures: tuple[str, ...] = ("main",)
    """Fitted beside those that the score of the learner needs; others cost time and decide nothing here."""
    units: tuple[WorkUnit, ...] = ()
    results: tuple[UnitResult, ...] = ()
    targets: Mapping[str, np.ndarray] = field(default_factory=dict)

    def fitted(self) -> Analysis:
        """With every unit fitted."""
        targets = nested_cv.target_matrices(self.dataset, self.validation)
        planned = nested_cv.plan_units(self.dataset, self.validation, self.learner)
        units = tuple(replace(unit, procedures=self.needed(unit)) for unit in planned)
        fit = partial(fit_one, dataset=self.dataset, learner=self.learner, targets=targets, explain=0)
        return replace(self, units=units, results=in_memory(fit, units), targets=targets)

    def needed(self, unit: WorkUnit) -> tuple[str, ...]:
        """Trees are scored against the better of two references, of which *confounds* is one."""
        wanted = self.procedures if self.residualised else (*self.procedures, "confounds")
        return tuple(name for name in unit.procedures if name in wanted or name.partition(":")[0] in wanted)

    @property
    def residualised(self) -> bool:
        """Whether covariates are residualised out of the features."""
        return residualises(make_learner(self.learner))

    def stored(self, folder: Path, jobs: int, backend: Literal["threads", "processes"]) -> dict[str, bytes]:
        """What is kept of every unit, every procedure and explanation of it, by the name of its file."""
        fit = partial(
            nested_cv.fit_unit,
            self.dataset,
            learner=self.learner,
            targets=nested_cv.target_matrices(self.dataset, self.validation),
            explain=1,
        )
        units = nested_cv.plan_units(self.dataset, self.validation, self.learner, explain=1)
        run_units(_Of(fit), units, folder=folder, jobs=jobs, backend=backend, resume=False)
        return {path.name: path.read_bytes() for path in sorted(folder.glob("*.npz"))}

    def reduced(self, **more: object) -> RunResult:
        """The run as the product reduces it; not yet corrected over a family."""
        inputs = RunInputs(
            dataset=self.dataset,
            experiment="calibration",
            spec=experiment_of(self.setting, self.dataset.sources),
            learner=self.learner,
            validation=self.validation,
            residualised=self.residualised,
            units=self.units,
            unit_results=self.results,
            circuit_test=None,
            influence=None,
            permutation_scheme=permutations.scheme(self.dataset),
            permutation_refused=permutations.refusal(self.dataset, self.validation.permutations),
            synthetic=True,
            design=self.setting.design,  # type: ignore[arg-type]
            spec_toml="",
            spec_hash="",
        )
        return reduce_run(replace(inputs, **more))  # type: ignore[arg-type]


@dataclass(frozen=True)
class _Of:
    """`fit_unit` with the unit as its only argument, which can be pickled."""

    fit: Callable[..., UnitResult]

    def __call__(self, unit: WorkUnit) -> UnitResult:
        return self.fit(unit=unit)


def analysed(cell: Cell, dataset: Dataset, seed: int, *, procedures: tuple[str, ...] = ("main",)) -> Analysis:
    """The run that a cell asks for."""
    analysis = Analysis(dataset, cell.setting, LEARNERS[cell.learner], cell.validation(seed), procedures)
    return analysis.fitted()


# -------------------------------------------------------------------------------------------------- one of each kind


def test(cell: Cell, number: int) -> Values:
    """p of the whole procedure (P1, P7)."""
    rng, seed = cell.seeds(number)
    run = analysed(cell, draw_dataset(cell.setting, rng)["set_1"], seed).reduced()
    return {"p": _p(run), "r2": run.scores.performance.r2}


def family(cell: Cell, number: int) -> Values:
    """Smallest corrected p over 12 runs (P2), and smallest uncorrected one."""
    rng, seed = cell.seeds(number)
    datasets = draw_dataset(cell.setting, rng, sources=FAMILY_TABLES, away=FAMILY_AWAY).values()
    runs = [
        analysed(replace(cell, learner=learner), dataset, seed).reduced()
        for dataset in datasets
        for learner in FAMILY_LEARNERS
    ]
    finished = finish_experiment(runs)
    return {
        "p_family": min(_p_family(run) for run in finished),
        "p": min(_p(run) for run in finished),
        "size": float(finished[0].scores.family_size),
    }


def fused_family(cell: Cell, number: int) -> Values:
    """The same over late fusion of everyone and ridge on those who have every modality, on other participants (P2)."""
    rng, seed = cell.seeds(number)
    dataset = draw_dataset(cell.setting, rng)["set_1"]
    complete = dataset.having_all()
    complete = replace(complete, forced=complete.forced.only(), people_digest="complete")
    analysed_both = (analysed(cell, dataset, seed), analysed(replace(cell, learner="ridge"), complete, seed))
    finished = finish_experiment([each.reduced() for each in analysed_both])
    return {
        "p_family": min(_p_family(run) for run in finished),
        "p": min(_p(run) for run in finished),
        "size": float(finished[0].scores.family_size),
    }


def estimate(cell: Cell, number: int) -> Values:
    """r2 and its interval, and what the same outer models reach in fresh people (P3 to P6)."""
    rng, seed = cell.seeds(number)
    everyone = draw_dataset(cell.setting, rng, n_fresh=N_FRESH)["set_1"]
    analysis, model, reference = analysed_beside_fresh(cell, everyone, seed)
    performance = analysis.reduced().scores.performance
    found = {"r2": performance.r2, "achieved": 1 - model / reference, "error": model, "error_of_reference": reference}
    for name, interval in (("", performance.interval), ("boot_", performance.bootstrap)):
        if interval is not None:
            found |= {f"{name}low": interval.low, f"{name}high": interval.high}
    return found


def analysed_beside_fresh(cell: Cell, everyone: Dataset, seed: int) -> tuple[Analysis, float, float]:
    """The run on the n people of a cell, and the error of its outer models in the fresh people who follow in the rows.

    Fresh people stand beside those held out, who decide nothing in a fit; each is scored against the nuisance model of
    the training fold.

    Returns
    -------
    analysis : Analysis
    error, error_of_reference : float
        Mean squared errors in fresh people, over all outer models.
    """
    n = cell.setting.n
    analysis = Analysis(everyone.take(np.arange(n)), cell.setting, LEARNERS[cell.learner], cell.validation(seed))
    planned = nested_cv.plan_units(analysis.dataset, analysis.validation, analysis.learner)
    units = tuple(replace(unit, procedures=analysis.needed(unit)) for unit in planned)
    targets = {"main": everyone.y[:, None].astype(float)}
    results, model, reference = [], 0.0, 0.0
    for unit in units:
        beside = replace(unit, outer=Split(unit.outer.train, np.append(unit.outer.test, np.arange(n, everyone.n_rows))))
        result = nested_cv.fit_unit(everyone, beside, analysis.learner, targets, explain=0)
        held_out, fresh = slice(len(unit.outer.test)), slice(len(unit.outer.test), None)
        results.append(_scored_on(result, held_out, everyone.y))
        main = _scored_on(result, fresh, everyone.y).procedures["main"]
        model += float(main.squared_error[0])
        reference += float(main.squared_error_reference[0])
    scored = len(units) * (everyone.n_rows - n)
    return replace(analysis, units=units, results=tuple(results)), model / scored, reference / scored


def _scored_on(result: UnitResult, rows: slice, y: np.ndarray) -> UnitResult:
    """A unit of the observed outcome with some of the rows that it predicted."""
    observed = y[result.test[rows]]
    procedures = {
        name: replace(
            one,
            predicted=one.predicted[rows],
            reference=one.reference[rows],
            squared_error=np.square(observed - one.predicted[rows]).sum(keepdims=True),
            squared_error_reference=np.square(observed - one.reference[rows]).sum(keepdims=True),
        )
        for name, one in result.procedures.items()
    }
    return replace(result, test=result.test[rows], procedures=procedures)


def increment(cell: Cell, number: int) -> Values:
    """p and size of what features add to the clinical model (P8)."""
    rng, seed = cell.seeds(number)
    procedures = ("main", "clinical_ols", "clinical_ridge", "clinical", "increment")
    run = analysed(cell, draw_dataset(cell.setting, rng)["set_1"], seed, procedures=procedures).reduced()
    added = run.scores.increment
    assert added is not None
    assert added.test is not None
    assert added.test.p is not None
    found = {"p": added.test.p, "delta": added.delta_r2, "p_main": _p(run)}
    return found | ({} if added.interval is None else {"low": added.interval.low, "high": added.interval.high})


def contrast(cell: Cell, number: int) -> Values:
    """p of the difference between treatments and of the change, where features are prognostic alone (P9)."""
    found: Values = {}
    for kind in ("ketamine-minus-placebo", "change"):
        rng, seed = cell.seeds(number)
        asked = replace(cell, setting=replace(cell.setting, outcome=kind))
        run = analysed(asked, draw_dataset(asked.setting, rng)["set_1"], seed).reduced()
        name = "difference" if kind == "ketamine-minus-placebo" else "change"
        found |= {f"p_{name}": _p(run), f"{name}_called_predictive": float(run.scores.claim_kind == "predictive")}
    return found


def conformal(cell: Cell, number: int) -> Values:
    """Coverage and width of the 90 % intervals of single people (P14)."""
    rng, seed = cell.seeds(number)
    analysis = analysed(cell, draw_dataset(cell.setting, rng)["set_1"], seed)
    folds = conformal_folds(analysis.dataset, analysis.units, analysis.learner, analysis.validation)
    people = analysis.reduced(conformal=folds).predictions.dropna(subset=["low_90"])
    width = people["high_90"] - people["low_90"]
    y = analysis.dataset.y
    return {
        "covered": float(people["observed"].between(people["low_90"], people["high_90"]).mean()),
        "people": float(len(people)),
        "finite": float(np.isfinite(width).mean()),
        "width": float(width[np.isfinite(width)].mean()) / float(y.std(ddof=1)),
        "range": float(y.max() - y.min()) / float(y.std(ddof=1)),
    }


def traps(cell: Cell, number: int) -> Values:
    """Leak traps whose tests pass, of those that have one (P15): the tests are run, nothing is asked here again."""
    import re
    import subprocess
    import sys

    asked = [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", "tests/test_leak_traps.py"]
    told = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False).stdout
    outcome: dict[int, bool] = {}
    for verdict, name in re.findall(r"^(PASSED|FAILED|ERROR) \S+::(\S+)", told, re.MULTILINE):
        for code in re.findall(r"(?:\[T|_t)(\d+)(?=[\]_\[]|$)", name):
            outcome[int(code)] = outcome.get(int(code), True) and verdict == "PASSED"
    return {"traps": float(len(outcome)), "caught": float(sum(outcome.values()))}


def alarm(cell: Cell, number: int) -> Values:
    """Whether a clean cohort is stopped or warned of (P15), as in false_alarms.py."""
    import tempfile
    from itertools import islice

    from false_alarms import alarms_of, configs, write_clean

    config = next(islice(configs(), number, None))
    with tempfile.TemporaryDirectory() as folder:
        write_clean(config, number, Path(folder))
        found = alarms_of(Path(folder))
    return {"stopped": float(bool(found.problems)), "alarm": float(bool(found.problems or found.warnings))}


def determinism(cell: Cell, number: int) -> Values:
    """Whether the stored results of all units are the same bytes for 1 and 8 workers, and when run again (P16)."""
    import tempfile

    rng, seed = cell.seeds(number)
    dataset = draw_dataset(cell.setting, rng)["set_1"]
    found: Values = {}
    for name, repeats, n_permutations in (("ridge", 10, 199), ("elastic-net", 1, 2), ("xgboost", 1, 2)):
        validation = cell.validation(seed).model_copy(update={"repeats": repeats, "permutations": n_permutations})
        analysis = Analysis(dataset, cell.setting, LEARNERS[name], validation)
        for backend in ("threads", "processes"):
            with tempfile.TemporaryDirectory() as folder:
                alone, again, many = (
                    analysis.stored(Path(folder) / str(k), jobs, backend) for k, jobs in enumerate((1, 1, 8))
                )
            found |= {f"{name}_{backend}_again": float(alone == again), f"{name}_{backend}_8": float(alone == many)}
    return found


def units(cell: Cell, number: int) -> Values:
    """Whether results are the same in other units of features, covariates and outcome, learner by learner (P20)."""
    rng, seed = cell.seeds(number)
    dataset = draw_dataset(cell.setting, rng)["set_1"]
    found: Values = {}
    for kind in UNIT_KINDS:
        if dataset.outcome.type not in KINDS[kind].outcome_types:
            continue
        spec = UNIT_BUDGETS.get(kind) or LEARNERS.get(kind) or KINDS[kind](kind=kind)  # type: ignore[call-arg]

        def judged(of_features: float, of_outcome: float, spec: LearnerSpec = spec) -> RunResult:
            scaled = in_units(dataset, of_features, of_outcome)
            run = Analysis(scaled, cell.setting, spec, cell.validation(seed)).fitted().reduced()
            return finish_experiment([run])[0]

        here = judged(1.0, 1.0)
        powers = [(judged(*factors), _of_outcome(dataset, factors[1])) for factors in POWERS_OF_TWO]
        decimal = [judged(*factors) for factors in DECIMAL]
        r2 = here.scores.performance.r2
        found[f"{kind}_same"] = float(all(_same(here, there, factor) for there, factor in powers))
        found[f"{kind}_decimal"] = max(abs(there.scores.performance.r2 - r2) for there in decimal)
        found[f"{kind}_verdict"] = float(all(there.claim.verdict == here.claim.verdict for there in decimal))
    return found


def in_units(dataset: Dataset, of_features: float, of_outcome: float) -> Dataset:
    """The same people with features and covariates, and a continuous outcome, multiplied."""
    blocks = {name: getattr(dataset, name) for name in ("confounds", "forced", "clinical")}
    scaled = {name: replace(block, values=block.values * of_features) for name, block in blocks.items()}
    y = dataset.y * _of_outcome(dataset, of_outcome)
    return replace(dataset.with_features(dataset.X * of_features), y=y, unobserved=None, **scaled)


def _of_outcome(dataset: Dataset, factor: float) -> float:
    return 1.0 if dataset.outcome.type == "binary" else factor


def _same(here: RunResult, there: RunResult, factor: float) -> bool:
    """Whether two runs are the same bytes but for the unit of the outcome."""
    one, other = here.predictions, there.predictions
    in_unit = [name for name in ("observed", "predicted", "reference") if name in one]
    return (
        here.claim.verdict == there.claim.verdict
        and here.scores.performance.r2 == there.scores.performance.r2
        and _p(here) == _p(there)
        and here.null.equals(there.null)
        and all(np.array_equal(one[name].to_numpy() * factor, other[name].to_numpy()) for name in in_unit)
    )


def planned(cell: Cell, number: int) -> Values:
    """Whether the gate shows and supports a trial, and whether `plan` says so of one made up on the same cohort (P21).

    The rows of the gate that a trial here misses by construction are waived: 1000 permutations, and confounds where the
    cell has none. The outcome is drawn with no baseline score in it, so that no run has to hold that fixed.
    """
    from workbench.pipeline.power import PLAN_REPEATS
    from workbench.pipeline.simulated_trials import engine_of
    from workbench.planning.power import HELD_SHARE, power
    from workbench.planning.power import Cohort as Planned

    assert cell.held is not None
    rng, seed = cell.seeds(number)
    dataset = _with_confounds(draw_dataset(cell.setting, rng)["set_1"], *cell.held, rng)
    procedures = ("main", "clinical_ols", "clinical_ridge", "clinical", "increment", "confounds")
    verdict = _verdict(analysed(cell, dataset, seed, procedures=procedures))
    engine = engine_of(
        cell.validation(seed),
        LEARNERS[cell.learner],
        repeats=PLAN_REPEATS,
        jobs=1,
        permutations=PLAN_PERMUTATIONS,
        judged=True,
    )
    cohort = Planned(replace(dataset, y=np.full(dataset.n_rows, np.nan)), (seed,), seed)
    points = power([cohort], [cell.setting.r2], engine, permutations=PLAN_PERMUTATIONS)
    (point,) = (each for each in points if each.confound_share == (HELD_SHARE if cell.held[1] else 0.0))
    return {
        "shown_gate": float(verdict in ("exploratory", SUPPORTED)),
        "supported_gate": float(verdict == SUPPORTED),
        "shown_plan": float(point.n_found),
        "supported_plan": float(point.n_supported or 0),
    }


SUPPORTED = "supported by internal validation"


def _with_confounds(dataset: Dataset, n: int, share: float, rng: np.random.Generator) -> Dataset:
    """A cohort of one site with so many confounds, which explain a share of its outcome, and a clinical variable that
    does not."""
    Z = rng.standard_normal((dataset.n_rows, n))
    held = POINTS * np.sqrt(share / (1 - share)) * Z.sum(axis=1) / np.sqrt(max(n, 1))
    names = tuple(f"confound_{k}" for k in range(n))
    return replace(
        dataset,
        y=dataset.y + held,
        outcome=replace(dataset.outcome, kind="score"),
        confounds=Covariates(names, names, Z),
        clinical=Covariates(("clinical",), ("clinical",), rng.standard_normal((dataset.n_rows, 1))),
        sites=None,
    )


def _verdict(analysis: Analysis) -> str:
    """What the gate says of a finished run; participants are left out only where everything else is met."""
    from workbench.evaluation.influence import leave_one_out_r2
    from workbench.results.claims import judge
    from workbench.results.requirements_of_evidence import CLAIM_PERMUTATIONS
    from workbench.specs.experiment import INFLUENCE_REPEATS

    run = finish_experiment([analysis.reduced()])[0]
    name = run.scores.run_name
    met = Influence(1.0, 1.0, 0, refitted=True, repeats=INFLUENCE_REPEATS, by_participant=())
    scores = replace(
        run.scores,
        test=replace(run.scores.test, n_permutations=CLAIM_PERMUTATIONS),
        confounds=run.scores.confounds or ("waived",),
        influence=met,
        viewing=Viewing(1, freeze=Freeze(date="", times=1, because="", viewed_before=0, primary=name)),
    )
    if judge(scores).verdict != SUPPORTED:
        return judge(scores).verdict
    left_out = leave_one_out_r2(
        analysis.dataset, analysis.units, analysis.learner, results=analysis.results, repeats=INFLUENCE_REPEATS
    )
    r2 = list(left_out[0].values())
    influence = replace(met, lowest=min(r2), highest=max(r2), n_not_positive=sum(not value > 0 for value in r2))
    return judge(replace(scores, influence=influence)).verdict


def route(cell: Cell, number: int) -> Values:
    """Whether a route makes pure noise *supported*, and is named by a reason in the result (P19).

    The noise is the luckiest of `LUCKIEST_OF` trials, so that most of what stands in its way is the route.
    """
    import tempfile

    rng, _ = cell.seeds(number)
    taken = ROUTES[cell.route]
    taken = replace(taken, trial=replace(taken.trial, draws=LUCKIEST_OF))
    with tempfile.TemporaryDirectory() as folder:
        result = take(taken, Path(folder), rng)
    verdict = result.claim.verdict
    return {
        "supported": float(verdict.startswith("supported")),
        "exploratory": float(verdict == "exploratory"),
        "named": float(named(result.claim.reasons, taken.reason)),
    }


SIMULATIONS: Mapping[str, Callable[[Cell, int], Values]] = {
    "test": test,
    "family": family,
    "fused_family": fused_family,
    "estimate": estimate,
    "increment": increment,
    "contrast": contrast,
    "conformal": conformal,
    "traps": traps,
    "alarm": alarm,
    "determinism": determinism,
    "units": units,
    "planned": planned,
    "route": route,
}


def simulate_batch(cell: Cell, numbers: Sequence[int]) -> list[tuple[int, Values, float]]:
    """Some simulations of a cell: number, values and CPU seconds of each."""
    done = []
    with one_blas_thread():
        for number in numbers:
            start = time.process_time()
            values = SIMULATIONS[cell.simulate](cell, number)
            done.append((number, values, time.process_time() - start))
    return done


def _p(run: RunResult) -> float:
    """A p that the design refuses, as where the confounds tell the labels, rejects nothing."""
    test = run.scores.test
    if test.refused:
        return 1.0
    assert test.p is not None
    return test.p


def _p_family(run: RunResult) -> float:
    assert run.scores.p_family is not None
    return run.scores.p_family
