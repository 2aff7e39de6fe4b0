"""What a stranger has: the exported files, the feature tables, the covariates of the study and scikit-learn."""

import tomllib

import numpy as np
import pandas as pd
import pytest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.preprocessing import StandardScaler

import workbench
from workbench import pipeline

pytestmark = pytest.mark.usefixtures("bare_runs")

EXPERIMENT = """\
question = "Does task activation before treatment go with the fall in MADRS?"
sessions = ["ses-b0"]
confounds = {confounds}
[outcome]
score = "MADRS"
kind = "change"
from = "ses-b0"
at = "ses-d2"
[feature_sets]
task = ["task"]
[validation]
repeats = 2
outer = 4
inner = 3
permutations = 0
{more}
[[models]]
kind = "ridge"
alphas = [10.0, 100.0, 1000.0, 10000.0]
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reproduced")
    pipeline.simulate_study(folder, patients=50, design="single-arm", r2=0.5, seed=3, achievable=False)
    (folder / "experiments" / "plain.toml").write_text(EXPERIMENT.format(confounds="[]", more=""))
    held = EXPERIMENT.format(confounds='["mean_fd", "age"]', more="inner_seed = 7")
    (folder / "experiments" / "held.toml").write_text(held)
    return folder


def residuals(X_train, N_train, X_test, N_test):
    """Both less what least squares on the covariates of the training rows predicts."""
    model = LinearRegression().fit(N_train, X_train)
    return X_train - model.predict(N_train), X_test - model.predict(N_test)


def predicted(X, N, y, train, test, alpha):
    """Ridge as the architecture page describes it: fitted on the training rows, the held-out rows predicted."""
    imputer = SimpleImputer().fit(X[train])
    X_train, X_test = residuals(imputer.transform(X[train]), N[train], imputer.transform(X[test]), N[test])
    scaler = StandardScaler().fit(X_train)
    outcome = LinearRegression().fit(N[train], y[train])
    model = Ridge(alpha=alpha, fit_intercept=False)
    model.fit(scaler.transform(X_train), y[train] - outcome.predict(N[train]))
    return outcome.predict(N[test]) + model.predict(scaler.transform(X_test))


def mean_fd(scans):
    """Over all volumes but the first, which XCP-D counts as 0."""
    (file,) = scans.rglob("*_desc-linc_qc.tsv")
    (row,) = pd.read_csv(file, sep="\t").to_dict("records")
    n_volumes = row["num_censored_volumes"] + row["num_retained_volumes"]
    return row["mean_fd"] * n_volumes / (n_volumes - 1)


@pytest.mark.parametrize("name", ["plain", "held"])
def test_predictions_of_ridge_are_reproduced_from_the_exported_files(study, tmp_path, name):
    (run,) = workbench.run([name], study=study, jobs=1)
    workbench.export_run(run.run_id, to=tmp_path / "export", study=study)

    def read(table):
        found = pd.read_csv(tmp_path / "export" / table, sep="\t", dtype={"participant_id": str}, na_values=["n/a"])
        return found.set_index("participant_id")

    spec = tomllib.loads((tmp_path / "export" / "spec.toml").read_text())
    folds, inner, predictions = read("folds.tsv"), read("inner_folds.tsv"), read("predictions.tsv")
    people = folds.index
    table, _ = pipeline.features(["task"], study=study)["task"]
    rows = table.rows.assign(position=np.arange(len(table.rows)))[table.rows["session"] == spec["sessions"][0]]
    X = table.values[rows.set_index("participant_id").loc[people, "position"]]
    y = predictions[predictions["repeat"] == 0].loc[people, "observed"].to_numpy()
    known = pd.read_csv(study / "sources" / "participants.tsv", sep="\t", index_col="participant_id").loc[people]
    known["mean_fd"] = [mean_fd(study / "sources" / "derivatives" / "xcp_d" / person) for person in people]
    N = np.column_stack([np.zeros(len(people)), known[spec["confounds"]].to_numpy(dtype=float)])
    (model,) = spec["models"]
    for repeat in range(spec["validation"]["repeats"]):
        for fold in sorted(folds[f"repeat_{repeat}"].unique()):
            test = np.flatnonzero(folds[f"repeat_{repeat}"] == fold)
            train = np.flatnonzero(folds[f"repeat_{repeat}"] != fold)
            part = inner[f"repeat_{repeat}_fold_{fold}"].to_numpy()
            errors = []
            for alpha in model["alphas"]:
                losses = []
                for number in np.unique(part[train]):
                    held, kept = np.flatnonzero(part == number), train[part[train] != number]
                    losses.append(np.square(y[held] - predicted(X, N, y, kept, held, alpha)).mean())
                errors.append(np.mean(losses))
            ours = predicted(X, N, y, train, test, model["alphas"][int(np.argmin(errors))])
            theirs = predictions[predictions["repeat"] == repeat].loc[people[test], "predicted"]
            assert theirs.to_numpy() == pytest.approx(ours, rel=1e-8)
