"""Every learner on two open cohorts with known answers: is what is there found, and is nothing found where nothing is?

    python benchmarks/real_cohorts.py --data FOLDER [--permutations 199] [--looped 39] [--only ridge] [--questions age]

FOLDER holds `aomic_piop2` and `nspn_discovery`, files named as in the examples. Prints a row per question and learner:
cross-validated R2 (Brier skill for sex), corrected p, verdict, seconds. Learners that refit for every permutation get
`--looped` of them (elastic net with one mixing and a short path, trees with 10 settings), and only where R2 is above 0:
at or below it the verdict needs no p. Each learner is asked alone, so that p is not corrected over learners, as it is
in one experiment that has them all.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workbench import FinishedRun

EXAMPLES = Path(__file__).parents[1] / "examples"
BATCHED = ("ridge", "pls", "kernel-ridge", "cpm")
CONTINUOUS = ("ridge", "elastic-net", "pls", "kernel-ridge", "cpm", "linear-svr", "random-forest", "xgboost")
BINARY = ("ridge", "logistic-ridge", "linear-svm", "xgboost")
QUESTIONS = (
    ("nspn", "nspn_discovery", "age", CONTINUOUS),
    ("aomic_piop2", "aomic_piop2", "sex", BINARY),
    *(("aomic_piop2", "aomic_piop2", f"neo_{trait}", CONTINUOUS) for trait in "eoac"),
)


def with_learners(text: str, kinds: list[str], repeats: int, permutations: int) -> str:
    """The experiment with these learners instead of its own."""
    text = re.sub(r"\n\[\[models\]\].*", "\n", re.sub(r"(?m)^primary.*\n", "", text), flags=re.DOTALL)
    text = re.sub(r"repeats = \d+", f"repeats = {repeats}", text)
    text = re.sub(r"permutations = \d+", f"permutations = {permutations}", text)
    extra = {"xgboost": "trials = 10\n", "elastic-net": "l1_ratio = [0.5]\nn_alphas = 10\nsmallest = 0.05\n"}
    return text + "".join(f'\n[[models]]\nkind = "{kind}"\n{extra.get(kind, "")}' for kind in kinds)


def run_once(
    study: Path, example: str, experiment: str, kind: str, data: str, options: argparse.Namespace, permutations: int
) -> FinishedRun:
    """One learner on a copy of the example in which nothing has been viewed."""
    import workbench

    os.environ["WORKBENCH_STATE"] = f"{study}-state"
    shutil.copytree(EXAMPLES / example, study, ignore=shutil.ignore_patterns("tables", "mlruns"))
    path = study / "experiments" / f"{experiment}.toml"
    path.write_text(with_learners(path.read_text(), [kind], options.repeats, permutations))
    (finished,) = workbench.run([experiment], study=study, data=options.data / data)
    return finished


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared" / "data")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--permutations", type=int, default=199, help="of the learners that share them")
    parser.add_argument("--looped", type=int, default=39, help="permutations of the learners that refit for each")
    parser.add_argument("--only", nargs="+", default=None, help="learners, by kind")
    parser.add_argument("--questions", nargs="+", default=None, help="experiments, by name")
    options = parser.parse_args()
    if not options.data.is_dir():
        print(f"no folder {options.data}: say --data FOLDER", file=sys.stderr)
        return 2
    print(f"{'question':10}{'learner':18}{'n':>5}{'R2':>8}{'p':>8}{'seconds':>9}  verdict")
    reached: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for example, data, experiment, learners in QUESTIONS:
            if options.questions and experiment not in options.questions:
                continue
            for kind in learners:
                if options.only and kind not in options.only:
                    continue
                study = Path(folder) / f"{experiment}_{kind}"
                shared = kind in BATCHED and experiment != "sex"  # folds balanced on an outcome are redrawn with it
                start = time.perf_counter()
                finished = run_once(
                    study, example, experiment, kind, data, options, options.permutations if shared else 0
                )
                if not shared and options.looped and finished.result.scores.performance.r2 > 0:
                    study = study.with_name(f"{study.name}_tested")  # where nothing was seen that counts against it
                    finished = run_once(study, example, experiment, kind, data, options, options.looped)
                scores = finished.result.scores
                p = "-" if scores.p_family is None else f"{scores.p_family:.3f}"
                print(
                    f"{experiment:10}{kind:18}{scores.n_participants:5}{scores.performance.r2:8.3f}{p:>8}"
                    f"{time.perf_counter() - start:9.1f}  {finished.result.claim.verdict}",
                    flush=True,
                )
                reached[f"{experiment}_{kind}"] = scores.performance.r2
    print("RESULT " + " ".join(f"{name}={value:.3f}" for name, value in reached.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
