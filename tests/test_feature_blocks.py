"""Blocks of features: values stay where they are, absence is no value, complete rows are gathered once."""

import pickle
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from workbench.errors import FitError
from workbench.models.learner import refuse_untaken
from workbench.models.nested_cv import fit_alone, plan_units
from workbench.records import ABSENT, FEATURE_COLUMNS, FeatureBlock, FeatureBlocks, Treatment
from workbench.specs.experiment import ValidationSpec
from workbench.specs.learners import RidgeSpec


def described(source: str, n: int, session: str = "") -> pd.DataFrame:
    columns = {column: [""] * n for column in FEATURE_COLUMNS}
    names = [f"{source}:{at}" for at in range(n)]
    return pd.DataFrame({**columns, "name": names, "source": source, "session": session}, columns=list(FEATURE_COLUMNS))


@pytest.fixture
def fc() -> np.ndarray:
    return np.arange(12.0).reshape(4, 3)


@pytest.fixture
def pet() -> np.ndarray:
    return -np.arange(6.0).reshape(3, 2)


@pytest.fixture
def partial(fc, pet) -> FeatureBlocks:
    """Five rows: three with both blocks, one without PET, one with PET alone."""
    return FeatureBlocks(
        (
            FeatureBlock("fc", "", described("fc", 3), fc, np.array([2, 0, 1, 3, ABSENT])),
            FeatureBlock("pet", "", described("pet", 2), pet, np.array([0, 1, 2, ABSENT, 1])),
        )
    )


def test_who_has_which_block_is_known_and_rows_without_all_have_no_matrix(partial):
    assert partial.present.tolist() == [[True, True]] * 3 + [[True, False], [False, True]]
    assert not partial.complete
    with pytest.raises(ValueError, match="1 rows lack fc"):
        _ = partial.X


def test_complete_rows_are_gathered_by_position_and_only_once(partial, fc, pet):
    complete = partial.take(partial.present.all(axis=1))
    np.testing.assert_array_equal(complete.X, np.hstack([fc[[2, 0, 1]], pet]))
    assert complete.X is complete.X
    assert complete.features["name"].tolist() == ["fc:0", "fc:1", "fc:2", "pet:0", "pet:1"]


def test_values_are_the_array_of_the_table_whatever_rows_are_taken(partial, fc):
    taken = partial.take(np.array([4, 0])).take(np.array([True, False]))
    assert taken.blocks[0].values is fc
    assert taken.present.tolist() == [[False, True]]


def test_a_block_in_the_order_of_its_rows_is_not_copied(tmp_path, fc):
    np.save(tmp_path / "X.npy", fc)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    block = FeatureBlock("fc", "", described("fc", 3), mapped, np.arange(4))
    assert FeatureBlocks((block,)).X is mapped


def test_a_missing_value_is_no_absence(fc):
    fc[1] = np.nan
    blocks = FeatureBlocks((FeatureBlock("fc", "", described("fc", 3), fc, np.arange(4)),))
    assert blocks.complete
    assert np.isnan(blocks.X[1]).all()


def test_a_matrix_becomes_one_block_for_each_source_and_session(fc):
    features = pd.concat([described("fc", 1, "ses-b0"), described("fc", 1, "ses-2h"), described("pet", 1)])
    blocks = FeatureBlocks.of(fc, features)
    assert [(block.source, block.session) for block in blocks.blocks] == [
        ("fc", "ses-b0"),
        ("fc", "ses-2h"),
        ("pet", ""),
    ]
    assert blocks.X is fc
    assert all(np.shares_memory(block.values, fc) for block in blocks.blocks)
    np.testing.assert_array_equal(blocks.take(np.array([3, 1])).X, fc[[3, 1]])


def test_workers_get_the_rows_of_the_dataset_and_not_the_tables(partial):
    large = np.vstack([partial.blocks[0].values, np.zeros((100_000, 3))])
    wide = FeatureBlocks((replace(partial.blocks[0], values=large), partial.blocks[1]))
    for blocks in (wide, wide.take(np.arange(3))):
        text = pickle.dumps(blocks)
        assert len(text) < 20_000
        again = pickle.loads(text)
        np.testing.assert_array_equal(again.present, blocks.present)
        for one, other in zip(again.blocks, blocks.blocks, strict=True):
            rows = other.present
            np.testing.assert_array_equal(one.values[one.at[rows]], other.values[other.at[rows]])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"at": np.array([0, 1, 2, 3, 4])}, "rows point outside its 4 measurements"),
        ({"values": np.zeros((4, 2))}, r"values have the shape \(4, 2\), but 3 features are described"),
    ],
)
def test_a_block_that_does_not_fit_itself_is_refused(partial, change, message):
    with pytest.raises(ValueError, match=message):
        replace(partial.blocks[0], **change)


def test_rows_without_any_block_and_blocks_of_other_rows_are_refused(partial):
    first, second = partial.blocks
    nobody = replace(first, at=np.full(5, ABSENT))
    with pytest.raises(ValueError, match="1 rows have no block of features"):
        FeatureBlocks((nobody, second))
    with pytest.raises(ValueError, match=r"blocks of different rows: \[5, 4\]"):
        FeatureBlocks((first, replace(second, at=second.at[:4])))


def test_a_dataset_takes_treatment_and_weights_along_with_its_rows(make_dataset):
    arms = np.tile(["ketamine", "placebo"], 20)
    dataset = replace(
        make_dataset(), treatment=Treatment("ketamine", arms, np.full(40, 0.5)), weights=np.arange(1.0, 41.0)
    )
    taken = dataset.take(np.array([3, 0]))
    assert taken.treatment.arms.tolist() == ["placebo", "ketamine"]
    assert taken.weights.tolist() == [4, 1]
    assert dataset.without("sub-0001").weights[0] == 2


@pytest.mark.parametrize("weights", [np.full(40, -1.0), np.zeros(40), np.full(40, np.nan), np.full(40, np.inf)])
def test_weights_that_are_none_are_refused(make_dataset, weights):
    with pytest.raises(ValueError, match="weights of rows are finite, not negative, and not all 0"):
        replace(make_dataset(), weights=weights)


def test_fields_of_another_length_are_refused(make_dataset):
    with pytest.raises(ValueError, match="weights: 3 rows, but the outcome has 40"):
        replace(make_dataset(), weights=np.ones(3))
    treatment = Treatment("ketamine", np.array(["ketamine"]), np.array([0.5]))
    with pytest.raises(ValueError, match="treatment: 1 rows, but the outcome has 40"):
        replace(make_dataset(), treatment=treatment)


@pytest.mark.parametrize(
    ("arms", "probability", "message"),
    [
        (["ketamine"], [1.0], "strictly between 0 and 1"),
        (["ketamine"], [np.nan], "strictly between 0 and 1"),
        (["placebo"], [0.5], "nobody had 'ketamine'"),
        (["ketamine", "placebo"], [0.5], "2 arms, but 1 probabilities"),
    ],
)
def test_an_allocation_that_cannot_be_is_refused(arms, probability, message):
    with pytest.raises(ValueError, match=message):
        Treatment("ketamine", np.array(arms), np.array(probability))


def with_more(dataset, name):
    if name == "weights":
        return replace(dataset, weights=np.ones(dataset.n_rows))
    if name == "treatment":
        arms = np.tile(["ketamine", "placebo"], dataset.n_rows // 2)
        return replace(dataset, treatment=Treatment("ketamine", arms, np.full(dataset.n_rows, 0.5)))
    return replace(dataset, feature_blocks=halved(dataset))


def halved(dataset) -> FeatureBlocks:
    """The features in two blocks; every fourth row lacks the second, every fifth of the others the first."""
    rows = np.arange(dataset.n_rows)
    half, features = dataset.X.shape[1] // 2, dataset.features
    no_second = rows % 4 == 0
    no_first = (rows % 5 == 0) & ~no_second
    return FeatureBlocks(
        (
            FeatureBlock("a", "", features[:half], dataset.X[:, :half], np.where(no_first, ABSENT, rows)),
            FeatureBlock("b", "", features[half:], dataset.X[:, half:], np.where(no_second, ABSENT, rows)),
        )
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("weights", "model ridge: does not take weights of rows"),
        ("blocks", "model ridge: does not take rows that lack a block of features"),
    ],
)
def test_a_learner_that_does_not_say_it_takes_something_is_not_given_it(make_dataset, name, message):
    plain, spec, validation = make_dataset(), RidgeSpec(kind="ridge"), ValidationSpec(repeats=1, permutations=0)
    unit = plan_units(plain, validation, spec)[0]
    with pytest.raises(FitError, match=message):
        fit_alone("main", with_more(plain, name), unit, spec)


def test_a_learner_that_takes_it_all_is_refused_nothing(make_dataset):
    class Takes:
        takes = frozenset({"blocks", "weights", "treatment"})

    dataset = make_dataset()
    for name in Takes.takes:
        dataset = with_more(dataset, name) if name != "blocks" else dataset
    refuse_untaken(Takes(), with_more(dataset, "blocks"), "all")
