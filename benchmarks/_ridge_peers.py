"""Ridge as two other tools run it, timed beside ours where they are installed: himalaya and julearn.

Neither does the same work, so neither is held to our numbers; what each leaves out makes it faster, not slower.

himalaya  KernelRidgeCV takes all targets at once, an alpha for each. It has no step before the kernel inside its inner
          folds: missing values and scaling are learnt once from the outer training rows, so the held-out rows of an
          inner fold have helped to scale those that they are predicted from. No confounds.
julearn   Removes the covariates from the features and scales these inside every fold, as we do. The outcome keeps them,
          and nothing is imputed: missing values are filled before, from everyone. One target at a time.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from sklearn.impute import SimpleImputer
from sklearn.model_selection import KFold
from sklearn.preprocessing import StandardScaler

from workbench.models.learner import Fold

ABSENT = "not installed"


def himalaya_seconds(folds: Sequence[Fold], Y: np.ndarray, alphas: Sequence[float]) -> float | None:
    """CPU seconds of himalaya over the outer folds, all targets at once; None where it is not installed."""
    if find_spec("himalaya") is None:
        return None
    from himalaya.kernel_ridge import KernelRidgeCV

    start = time.process_time()
    for fold in folds:
        filled, scaler = SimpleImputer().fit(fold.X[fold.train]), StandardScaler()
        train = scaler.fit_transform(filled.transform(fold.X[fold.train]))
        test = scaler.transform(filled.transform(fold.X[fold.test]))
        inner = KFold(len(fold.inner), shuffle=True, random_state=0)
        model = KernelRidgeCV(alphas=np.array(alphas), kernel="linear", fit_intercept=True, cv=inner, warn=False)
        predicted = model.fit(train, Y[fold.train]).predict(test)
        if not np.isfinite(predicted).all():
            raise SystemExit("himalaya predicts values that are not numbers")
    return time.process_time() - start


JULEARN = """
import json, sys, time, warnings
warnings.simplefilter("ignore")
try:
    from julearn import run_cross_validation
    from julearn.pipeline import PipelineCreator
except ImportError:
    print(json.dumps(None)); raise SystemExit
import numpy as np, pandas as pd
from sklearn.model_selection import KFold
held = np.load(sys.argv[1])
features = [f"f{k}" for k in range(held["X"].shape[1])]
covariates = [f"n{k}" for k in range(held["N"].shape[1])]
data = pd.DataFrame(np.column_stack([held["X"], held["N"], held["y"]]), columns=[*features, *covariates, "y"])
model = PipelineCreator(problem_type="regression", apply_to="features")
model.add("confound_removal", confounds="covariates")
model.add("zscore")
model.add("ridge", alpha=held["alphas"].tolist())
start = time.process_time()
run_cross_validation(
    X=["f[0-9]+", "n[0-9]+"], y="y", data=data, model=model, scoring="neg_mean_squared_error",
    X_types={"features": ["f[0-9]+"], "covariates": ["n[0-9]+"]},
    cv=[(held["train"], held["test"])],
    search_params={"kind": "grid", "cv": KFold(int(held["inner"]), shuffle=True, random_state=0)},
)
print(json.dumps(time.process_time() - start))
"""


def julearn_seconds(fold: Fold, y: np.ndarray, alphas: Sequence[float], python: Path) -> float | None:
    """CPU seconds of julearn for one outer fold and one target; None where the interpreter does not have it."""
    with tempfile.TemporaryDirectory() as folder:
        held = Path(folder) / "problem.npz"
        np.savez(
            held,
            X=SimpleImputer().fit_transform(fold.X),
            N=fold.nuisance,
            y=y,
            train=fold.train,
            test=fold.test,
            inner=len(fold.inner),
            alphas=np.array(alphas),
        )
        done = subprocess.run(
            [str(python), "-c", JULEARN, str(held)], capture_output=True, text=True, env=_one_thread(), check=False
        )
    if done.returncode:
        raise SystemExit(f"julearn failed:\n{done.stderr[-2000:]}")
    seconds: float | None = json.loads(done.stdout.splitlines()[-1])
    return seconds


def _one_thread() -> dict[str, str]:
    return {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
