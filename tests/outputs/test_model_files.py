"""A model is handed on as files that cannot run anything, that are refused once changed, and predict bit for bit."""

import hashlib
import io
import json
import pickle
import re
import zipfile
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from workbench.errors import StoreError
from workbench.evaluation.unobserved import state_to_keep
from workbench.export import export_run, write_run
from workbench.model_files import load_model, write_model
from workbench.models.estimators import LEARNERS
from workbench.models.everyone import fit_everyone
from workbench.records import LoggedRun, ModelState
from workbench.specs import learners as specs
from workbench.specs.experiment import ValidationSpec

VALIDATION = ValidationSpec(permutations=0, inner=3)
OPTIONS = {
    "elastic-net": {"n_alphas": 8},
    "xgboost": {"trials": 2, "rounds": 20},
    "random-forest": {"trees": 20},
}
CASES = {kind: specs.LEARNERS[kind](kind=kind, **OPTIONS.get(kind, {})) for kind in LEARNERS if kind != "estimator"}
ESTIMATORS = {
    "sklearn.linear_model.HuberRegressor": False,
    "sklearn.svm.NuSVR": True,
    "sklearn.neighbors.KNeighborsRegressor": True,
    "sklearn.gaussian_process.GaussianProcessRegressor": True,
    "sklearn.ensemble.RandomForestRegressor": False,
    "sklearn.ensemble.HistGradientBoostingRegressor": False,
    "sklearn.neural_network.MLPRegressor": False,
}
"""Estimators, and whether they hold values of single participants."""


def named(estimator):
    params = {"max_iter": 2000} if "MLP" in estimator else {}
    return specs.EstimatorSpec(kind="estimator", estimator=estimator, params=params)


CASES |= {name.rpartition(".")[2]: named(name) for name in ESTIMATORS}
CASES["ridge, screened"] = specs.RidgeSpec(kind="ridge", screen=4)
CASES["xgboost, screened"] = CASES["xgboost"].model_copy(update={"screen": 4})


@pytest.fixture
def dataset(make_dataset):
    dataset = make_dataset(n=50, p=9, r2=0.6, confounds={"age": np.random.default_rng(1).normal(40, 9, 50)})
    dataset.X[3, 2] = np.nan
    return dataset


def with_outcome_of(spec, dataset):
    """The dataset with an outcome that this learner predicts."""
    if "continuous" in spec.outcome_types:
        return dataset
    y = (dataset.y > np.median(dataset.y)).astype(float)
    return replace(dataset, y=y, outcome=replace(dataset.outcome, type="binary"))


@pytest.fixture
def written(dataset, shown_result, tmp_path):
    """Fits a learner to everyone and writes the model: the model, and its folder."""

    def make(spec):
        everyone = fit_everyone(with_outcome_of(spec, dataset), spec, VALIDATION)
        write_model(replace(shown_result, model=state_to_keep(everyone)), tmp_path / "model")
        return everyone, tmp_path / "model"

    return make


@pytest.mark.parametrize("spec", CASES.values(), ids=CASES)
def test_a_model_read_back_predicts_and_explains_bit_for_bit(spec, dataset, written):
    everyone, folder = written(spec)
    N = dataset.nuisance.values
    again = load_model(folder)
    assert again.model.predict(dataset.X, N).tobytes() == everyone.model.predict(dataset.X, N).tobytes()
    assert (again.features, again.covariates) == (everyone.features, everyone.covariates)
    for one, other in zip(again.model.explain(dataset.X, N), everyone.model.explain(dataset.X, N), strict=True):
        assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize("spec", CASES.values(), ids=CASES)
def test_no_file_of_a_model_holds_a_pickle(spec, written):
    _, folder = written(spec)
    for path in folder.iterdir():
        content = path.read_bytes()
        assert not content.startswith(b"\x80")
        if zipfile.is_zipfile(io.BytesIO(content)):
            with zipfile.ZipFile(path) as archive:
                assert not any(archive.read(name).startswith(b"\x80\x04") for name in archive.namelist())


@pytest.mark.parametrize(("name", "holds"), ESTIMATORS.items())
def test_an_estimator_that_holds_participants_is_told_whatever_its_name(name, holds, dataset):
    assert fit_everyone(dataset, named(name), VALIDATION).holds_participants is holds


@pytest.mark.parametrize(("kind", "holds"), [("ridge", False), ("random-forest", False), ("kernel-ridge", True)])
def test_of_the_own_learners_kernel_machines_hold_participants(kind, holds, dataset):
    assert fit_everyone(dataset, CASES[kind], VALIDATION).holds_participants is holds


def test_a_file_that_was_changed_is_refused_with_both_hashes(written):
    _, folder = written(CASES["ridge"])
    with (folder / "spec.toml").open("a") as spec:
        spec.write("# seed = 7\n")
    with pytest.raises(StoreError, match=r"spec\.toml: is not the file that was written: SHA-256 .*model\.json says"):
        load_model(folder)


def signed(folder, name, content):
    """Whoever changes a file may change the list too: the types must be refused whatever the hashes say."""
    (folder / name).write_bytes(content)
    manifest = json.loads((folder / "model.json").read_text())
    manifest["files"][name] = hashlib.sha256(content).hexdigest()
    (folder / "model.json").write_text(json.dumps(manifest))


class Trap:
    """Would set a mark if it were ever unpickled."""

    sprung = False

    def __reduce__(self):
        return (setattr, (Trap, "sprung", True))


def test_a_pickled_array_is_refused_and_never_run(written):
    _, folder = written(CASES["ridge"])
    with np.load(folder / "arrays.npz", allow_pickle=False) as arrays:
        kept = dict(arrays)
    stored = io.BytesIO()
    np.savez(stored, **{**kept, "model.kind": np.array(Trap(), dtype=object)})
    signed(folder, "arrays.npz", stored.getvalue())
    with pytest.raises(StoreError, match=r"arrays\.npz: holds pickled objects, which are never loaded"):
        load_model(folder)
    signed(folder, "arrays.npz", pickle.dumps(Trap()))
    with pytest.raises(StoreError, match=r"arrays\.npz: holds pickled objects, which are never loaded"):
        load_model(folder)
    assert not Trap.sprung


@pytest.mark.parametrize("function", ["numpy.testing.assert_equal", "sklearn.utils.gen_batches"])
def test_a_type_that_is_not_on_the_list_is_refused_though_its_package_is_known(function, written):
    from sklearn.preprocessing import FunctionTransformer
    from skops.io import dumps

    _, folder = written(CASES["HuberRegressor"])
    module, _, name = function.rpartition(".")
    transformer = FunctionTransformer(func=getattr(pytest.importorskip(module), name))
    signed(folder, "estimator.skops", dumps(transformer))
    with pytest.raises(StoreError, match=rf"estimator\.skops: the saved model holds \S*{name}"):
        load_model(folder)
    signed(folder, "estimator.skops", b"nothing that skops wrote")
    with pytest.raises(StoreError, match=r"estimator\.skops: the saved estimator cannot be read"):
        load_model(folder)


def test_a_list_that_names_other_files_or_another_version_is_refused(written):
    _, folder = written(CASES["HuberRegressor"])
    manifest = json.loads((folder / "model.json").read_text())

    def refused(message, **changes):
        (folder / "model.json").write_text(json.dumps({**manifest, **changes}))
        with pytest.raises(StoreError, match=message):
            load_model(folder)

    refused(r"names \.\./secret, which no model has", files={**manifest["files"], "../secret": "0"})
    refused("is of version 99, this workbench reads 1", schema_version=99)
    refused("does not name every file of a model", files={})
    refused(r"was written with scikit-learn 0\.1, this is .*install", made_by={"scikit-learn": "0.1"})
    (folder / "model.json").write_text("[]")
    with pytest.raises(StoreError, match="is not the list of files of a model"):
        load_model(folder)
    with pytest.raises(StoreError, match="there is no such file; name the folder model/ of an export"):
        load_model(folder.parent)


def test_the_features_stand_beside_the_model_in_order(written, shown_result):
    _, folder = written(CASES["ridge"])
    table = pd.read_csv(folder / "features.tsv", sep="\t")
    assert table["name"].tolist() == shown_result.features["name"].tolist()
    assert "mean_abs_shap" not in table


# ------------------------------------------------------------------------------------------------------------- export


@pytest.fixture
def logged(tmp_path):
    def make(result):
        folder = tmp_path / "run"
        write_run(result, folder)
        if result.model is not None and result.claim.shows_prediction:
            write_model(result, folder / "model")
        return LoggedRun("3f2a91" * 5, "ridge . fc", "madrs_change", folder, {}, {})

    return make


def state_of(dataset, *, holds=False):
    return ModelState(fit_everyone(dataset, CASES["ridge"], VALIDATION).state(), holds)


def test_the_model_is_exported_when_asked_for(logged, shown_result, dataset, tmp_path):
    run = logged(replace(shown_result, model=state_of(dataset)))
    assert not [path for path in export_run(run, tmp_path / "without") if "model" in path.parent.name]
    export_run(run, tmp_path / "with", model=True)
    assert len(load_model(tmp_path / "with" / "model").features) == 9
    readme = (tmp_path / "with" / "README.txt").read_text()
    assert re.search(r"model/arrays\.npz +what the model learnt: NumPy arrays without pickle", readme)


def test_a_model_that_holds_participants_needs_a_word_of_its_own(logged, shown_result, dataset, tmp_path):
    run = logged(replace(shown_result, model=state_of(dataset, holds=True)))
    with pytest.raises(StoreError, match=r"holds values of single participants.*--with-participant-data"):
        export_run(run, tmp_path / "out", model=True)
    assert not (tmp_path / "out").exists()
    export_run(run, tmp_path / "out", model=True, participant_data=True)
    assert (tmp_path / "out" / "model" / "arrays.npz").is_file()


def test_a_run_that_does_not_predict_has_no_model_to_hand_on(logged, null_result, dataset, tmp_path):
    run = logged(replace(null_result, model=state_of(dataset)))
    with pytest.raises(StoreError, match="has no model to hand on: prediction not shown; export it without"):
        export_run(run, tmp_path / "out", model=True)


def test_a_run_of_an_older_version_says_that_it_left_no_model(logged, shown_result, tmp_path):
    with pytest.raises(StoreError, match="left no model; earlier versions kept none"):
        export_run(logged(shown_result), tmp_path / "out", model=True)
