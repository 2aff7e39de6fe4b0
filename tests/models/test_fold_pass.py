"""The compiled pass over the features and that of numpy both find what preparing every fold explicitly finds."""

import importlib.util
import platform
import shutil
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.model_selection import KFold

from workbench.models import fold_pass
from workbench.models.fold_pass import Library, compiled, pass_over, plan_pass
from workbench.models.gram import linear_kernels
from workbench.models.learner import Fold
from workbench.models.preprocessing import prepare_fold
from workbench.models.training_sets import training_sets
from workbench.records import Split

HOOK = Path(__file__).resolve().parents[2] / "hatch_build.py"
needs_library = pytest.mark.skipif(compiled() is None, reason="nothing was compiled: no compiler, or no AVX2")


def passes():
    """Every pass that this machine can do, by name."""
    library = compiled()
    return {"numpy": None} | {
        f"{width} values at once": Library(library.code, width)
        for width in fold_pass.WIDTHS
        if library is not None and width <= library.width
    }


def make_fold(n, p, q, *, seed=0, folds=5):
    rng = np.random.default_rng(seed)
    N = rng.standard_normal((n, q)) + 5
    X = rng.standard_normal((n, p)) + 0.5 * N @ rng.standard_normal((q, p))
    X = X * 10.0 ** rng.uniform(-3, 3, p) + rng.standard_normal(p)
    train, test = next(KFold(folds, shuffle=True, random_state=seed).split(X))
    inner = KFold(folds, shuffle=True, random_state=seed).split(train)
    return Fold(X, N, train, test, tuple(Split(train[a], train[b]) for a, b in inner))


def with_trouble(fold):
    """Missing values in training and held-out rows, a far offset, constant columns, one that N explains."""
    X = fold.X.copy()
    X[fold.train[2], 3] = X[fold.test[0], 5] = X[fold.train[0], 7] = X[fold.test[1], 7] = np.nan
    X[fold.train, 9] = np.nan
    X[:, 11], X[:, 12] = 4.0, 0.0
    X[:, 13] += 1e6
    X[:, 14] = 2 * fold.nuisance[:, 0] + 1e-9 * X[:, 14] if fold.nuisance.size else 1.0
    return Fold(X, fold.nuisance, fold.train, fold.test, fold.inner)


def use(library, monkeypatch):
    monkeypatch.setattr(fold_pass, "compiled", lambda: library)


@pytest.mark.parametrize("name", passes())
@pytest.mark.parametrize(("n", "p", "q"), [(40, 60, 2), (57, 225, 5), (31, 193, 0), (120, 1000, 3), (26, 700, 1)])
def test_every_kernel_is_that_of_features_prepared_explicitly(name, n, p, q, monkeypatch):
    use(passes()[name], monkeypatch)
    fold = with_trouble(make_fold(n, p, q))
    sets = training_sets(fold, tune=True)
    kernels = linear_kernels(fold.X, sets)
    for one, kernel in zip(sets, kernels, strict=True):
        prepared = prepare_fold(fold.X, fold.nuisance, one.train, one.test)
        train, test = prepared.train_X, prepared.test_X
        near = {"rtol": 0, "atol": 1e-9 * p}
        assert_allclose(kernel.among, train @ train.T, **near)
        assert_allclose(kernel.across, test @ train.T, **near)
        assert_allclose(kernel.own, np.square(test).sum(axis=1), **near)


@needs_library
def test_registers_of_4_and_of_8_values_give_the_same_bits(monkeypatch):
    found = passes()
    if len(found) < 3:
        pytest.skip("this processor has no AVX-512")
    fold = with_trouble(make_fold(57, 500, 2))
    plan = plan_pass(training_sets(fold, tune=True))
    results = []
    for name in list(found)[1:]:
        use(found[name], monkeypatch)
        results.append(pass_over(fold.X, plan))
    for narrow, wide in zip(results[0].grams, results[1].grams, strict=True):
        assert_array_equal(narrow, wide)
    assert_array_equal(results[0].means, results[1].means)
    assert_array_equal(results[0].scales, results[1].scales)
    assert_array_equal(results[0].delicate, results[1].delicate)


@pytest.mark.parametrize("name", passes())
def test_the_columns_that_need_care_are_told_and_left_out(name, monkeypatch):
    use(passes()[name], monkeypatch)
    fold = with_trouble(make_fold(57, 225, 2))
    plan = plan_pass(training_sets(fold, tune=True))
    found = pass_over(fold.X, plan)
    assert {3, 7, 9, 11, 12, 14} <= set(found.delicate.tolist())
    assert 5 not in found.delicate  # only a held-out row misses it
    without = fold.X.copy()
    without[:, found.delicate] = 0.0
    for gram, expected in zip(found.grams, pass_over(without, plan).grams, strict=True):
        assert_allclose(gram, expected, rtol=1e-12)


@pytest.mark.parametrize("name", passes())
@pytest.mark.parametrize(
    "layout",
    [
        np.asfortranarray,
        lambda X: np.repeat(X, 2, axis=1)[:, ::2],
        lambda X: np.repeat(X, 2, axis=0)[::2],
        lambda X: X[::-1].copy()[::-1],
        lambda X: X.astype(">f8"),
    ],
    ids=["columns first", "every second column", "every second row", "rows backwards", "other byte order"],
)
def test_how_the_features_lie_in_memory_changes_no_number(name, layout, monkeypatch):
    use(passes()[name], monkeypatch)
    fold = with_trouble(make_fold(40, 300, 2))
    plan = plan_pass(training_sets(fold, tune=True))
    before = fold.X.copy()
    for gram, expected in zip(pass_over(layout(fold.X), plan).grams, pass_over(fold.X, plan).grams, strict=True):
        assert_array_equal(gram, expected)
    assert_array_equal(fold.X, before)  # never written to


@needs_library
def test_rows_that_the_data_do_not_have_are_refused():
    fold = make_fold(40, 50, 1)
    with pytest.raises(IndexError, match="rows 0 to 39 of 30"):
        pass_over(fold.X[:30], plan_pass(training_sets(fold, tune=True)))


# ------------------------------------------------------------------------------------------------------------ compiling


@pytest.fixture
def hook(monkeypatch):
    """The build hook, without the builder that would call it."""
    interface = types.ModuleType("hatchling.builders.hooks.plugin.interface")
    interface.BuildHookInterface = object
    for name in ("hatchling", "hatchling.builders", "hatchling.builders.hooks", "hatchling.builders.hooks.plugin"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, interface.__name__, interface)
    spec = importlib.util.spec_from_file_location("hatch_build", HOOK)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def checkout(hook, tmp_path):
    """A folder with the source alone, to be compiled in."""
    source = tmp_path / hook.SOURCE
    source.parent.mkdir(parents=True)
    shutil.copy(fold_pass.SOURCE, source)
    return tmp_path


@pytest.fixture
def fresh():
    """`compiled` asked anew, here and for whoever comes after."""
    compiled.cache_clear()
    yield compiled
    compiled.cache_clear()


def test_the_pass_is_compiled_wherever_it_can_be(hook, checkout):
    """A machine with a compiler that falls back on numpy would be slow without anybody noticing."""
    if platform.machine() not in ("x86_64", "AMD64") or not any(map(shutil.which, ("cc", "gcc", "clang"))):
        pytest.skip("no x86-64, or no C compiler")
    assert hook.compile_library(checkout) == ""
    assert (checkout / hook.LIBRARY).exists()
    processor = Path("/proc/cpuinfo")
    if processor.exists() and "avx2" in processor.read_text():
        assert compiled() is not None, "workbench/models/_fold_pass.so is missing or old: run make install"


def test_without_a_compiler_it_says_so_and_keeps_no_old_library(hook, checkout, monkeypatch):
    monkeypatch.setattr(hook.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(hook.shutil, "which", lambda name: None)
    (checkout / hook.LIBRARY).write_bytes(b"old")
    assert "no C compiler" in hook.compile_library(checkout)
    assert not (checkout / hook.LIBRARY).exists()


def test_on_another_processor_nothing_is_compiled(hook, checkout, monkeypatch):
    monkeypatch.setattr(hook.platform, "machine", lambda: "arm64")
    assert "written for x86-64, this is arm64" in hook.compile_library(checkout)


@needs_library
def test_what_the_compiler_says_is_handed_on(hook, checkout):
    (checkout / hook.SOURCE).write_text("int broken(")
    assert "error" in hook.compile_library(checkout)
    assert not (checkout / hook.LIBRARY).exists()


@needs_library
def test_a_library_of_another_source_is_not_used(fresh, tmp_path, monkeypatch):
    changed = tmp_path / "fold_pass.c"
    changed.write_text(fold_pass.SOURCE.read_text() + "\n/* changed */\n")
    monkeypatch.setattr(fold_pass, "SOURCE", changed)
    assert fresh() is None


def test_a_file_that_is_no_library_is_not_used(fresh, tmp_path, monkeypatch):
    broken = tmp_path / "_fold_pass.so"
    broken.write_bytes(b"nothing that could be loaded")
    monkeypatch.setattr(fold_pass, "LIBRARY", broken)
    assert fresh() is None
