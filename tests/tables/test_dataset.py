import hashlib
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from workbench.errors import GuardError, TableError
from workbench.records import Treatment
from workbench.tables.data_digest import data_hash
from workbench.tables.dataset import assemble
from workbench.tables.outcomes import make_outcome
from workbench.tables.people import select_people


@pytest.fixture
def join(make_cohort, make_table, make_experiment):
    """Joins table `fc` (everyone), `pet` (the first ten) and whatever else is given."""

    def run(
        cohort=None, tables=None, sources=("fc",), folds=None, common_to=(), exclusions=None, complete=True, **said
    ):
        cohort = cohort or make_cohort(20)
        everyone = list(cohort.participants.index)
        X = np.random.default_rng(3).standard_normal((len(everyone), 6))
        tables = {
            "fc": make_table("fc", everyone, X[:, :4], confounds=("age",)),
            "pet": make_table("pet", everyone[:10], X[:10, 4:], session="", confounds=("sex",)),
            **(tables or {}),
        }
        experiment = make_experiment(**said)
        people, flow = select_people(experiment, cohort, exclusions or {})
        outcome = make_outcome(experiment.outcome, cohort, people, seed=0)
        return assemble(
            experiment, "set", sources, tables, cohort, outcome, people, flow, given_folds=folds, common_to=common_to,
            complete=complete,
        )  # fmt: skip

    return run


def test_rows_are_sorted_people_with_outcome_and_features(join, make_cohort):
    cohort = make_cohort(20)
    dataset = join(cohort)
    assert dataset.rows["participant_id"].tolist() == list(cohort.participants.index)
    assert set(dataset.rows["session"]) == {"ses-b0"}
    assert dataset.X.shape == (20, 4)
    change = cohort.score("MADRS", "ses-b0") - cohort.score("MADRS", "ses-d2")
    np.testing.assert_array_equal(dataset.y, change)
    assert set(dataset.features["session"]) == {"ses-b0"}


def test_the_order_of_rows_in_a_table_changes_nothing(join, make_table, make_cohort):
    cohort = make_cohort(20)
    people = list(cohort.participants.index)
    X = np.random.default_rng(0).standard_normal((20, 3))
    shuffle = np.random.default_rng(1).permutation(20)
    plain = join(cohort, {"fc": make_table("fc", people, X)})
    shuffled = join(cohort, {"fc": make_table("fc", [people[k] for k in shuffle], X[shuffle])})
    np.testing.assert_array_equal(plain.X, shuffled.X)
    assert plain.data_hash == shuffled.data_hash


def test_who_lacks_a_modality_leaves_the_feature_set_and_the_flow_says_so(join):
    dataset = join(sources=("fc", "pet"))
    assert dataset.n_rows == 10
    steps = {step.step: (step.n, step.excluded, step.reason) for step in dataset.flow}
    assert steps["with fc at ses-b0"] == (20, 0, "")
    assert steps["with pet"] == (10, 10, "no pet (10)")
    assert dataset.availability["pet"].sum() == 10
    assert len(dataset.availability) == 20


def test_common_people_have_every_set(join):
    dataset = join(sources=("fc",), common_to=(("fc",), ("pet",)))
    assert dataset.n_rows == 10
    assert "with pet (common to all feature sets)" in [step.step for step in dataset.flow]


def test_single_missing_values_stay_missing(join, make_table, make_cohort):
    cohort = make_cohort(20)
    X = np.random.default_rng(0).standard_normal((20, 3))
    X[4, 1] = np.nan
    dataset = join(cohort, {"fc": make_table("fc", list(cohort.participants.index), X)})
    assert np.argwhere(np.isnan(dataset.X)).tolist() == [[4, 1]]


def test_change_features_are_second_minus_first_session_of_the_same_person(join, make_table, make_cohort):
    cohort = make_cohort(20)
    people = list(cohort.participants.index)
    X = np.random.default_rng(0).standard_normal((20, 3))
    first = make_table("fc", people, X)
    rows = pd.concat([first.rows, first.rows.iloc[::-1][:15].assign(session="ses-2h")], ignore_index=True)
    both = replace(first, rows=rows, values=np.vstack([X, X[::-1][:15] + 2]))
    dataset = join(cohort, {"fc": both}, sessions=(), change=("ses-b0", "ses-2h"))
    assert dataset.n_rows == 15
    np.testing.assert_allclose(dataset.X, 2)
    assert set(dataset.features["session"]) == {"ses-2h minus ses-b0"}


def test_features_of_different_sessions_are_named_after_them(join, make_table, make_cohort):
    cohort = make_cohort(20)
    people = list(cohort.participants.index)
    other = make_table("task", people, np.random.default_rng(5).standard_normal((20, 2)), session="ses-p0")
    dataset = join(cohort, {"task": other}, sources=("fc", "task"), sessions=("ses-b0", "ses-p0"))
    assert list(dataset.features["name"])[3:5] == ["fc:f3@ses-b0", "task:f0@ses-p0"]


def test_sessions_that_do_not_fit_are_refused(join, make_table, make_cohort):
    with pytest.raises(TableError, match=r"sessions: fc: has none of the sessions asked for; .* it has ses-b0"):
        join(sessions=("ses-p2",))
    with pytest.raises(TableError, match=r"change: fc: has no row at ses-2h; it has 'ses-b0'"):
        join(sessions=(), change=("ses-b0", "ses-2h"))


def test_confounds_are_the_union_over_the_sources_of_the_experiment(join):
    assert join(feature_sets={"a": ("fc",), "b": ("pet",)}).confounds.variables == ("age", "sex")
    assert join(feature_sets={"a": ("fc",)}).confounds.variables == ("age",)
    assert join(confounds=()).confounds.variables == ()
    assert join(confounds=("sex", "age^2")).confounds.names == ("sex[M]", "age^2")


def test_a_name_in_confounds_and_clinical_model_enters_once(join):
    dataset = join(confounds=("sex",), clinical_model=("MADRS@ses-b0", "sex", "age"))
    assert dataset.confounds.variables == ("sex",)
    assert dataset.clinical.variables == ("MADRS@ses-b0", "age")
    assert any("sex of the clinical model enters once" in note for note in dataset.notes)


def test_adjustments_and_the_ancova_baseline_are_forced(join):
    outcome = {"score": "MADRS", "kind": "ancova", "from": "ses-b0", "at": "ses-d2", "adjust": ("sequence",)}
    dataset = join(outcome=outcome, clinical_model=("MADRS@ses-b0", "age"), confounds=("sequence", "sex"))
    assert dataset.forced.names == ("MADRS@ses-b0", "sequence[placebo]")
    assert dataset.confounds.names == ("sex[M]",)
    assert dataset.clinical.variables == ("age",)
    assert dataset.nuisance.names == ("MADRS@ses-b0", "sequence[placebo]", "sex[M]")
    assert dataset.block_names == ("site", "sequence")
    assert len(set(dataset.blocks)) == 4


def test_a_missing_confound_leaves_the_row_out_unless_it_is_imputed(join, make_cohort):
    fd = np.full(20, 0.2)
    fd[[3, 7]], fd[8] = np.nan, 0.4
    cohort = make_cohort(20, columns={"fd": fd})
    dataset = join(cohort, confounds=("fd",))
    assert dataset.n_rows == 18
    assert dataset.flow[-1].reason == "no fd (2)"
    assert dataset.flow[-1].participants == ("sub-0004", "sub-0008")
    imputed = join(cohort, confounds=("fd",), impute_confounds=True)
    assert imputed.n_rows == 20
    assert imputed.confounds.values[3, 0] == 0.2


def test_clinical_variables_may_be_missing(join, make_cohort):
    cohort = make_cohort(20, columns={"illness_years": [np.nan, *range(19)]})
    dataset = join(cohort, clinical_model=("illness_years",))
    assert dataset.n_rows == 20
    assert np.isnan(dataset.clinical.values[0, 0])


@pytest.mark.parametrize("key", ["clinical_model", "confounds"])
def test_covariates_after_the_infusion_stop_the_join(join, make_cohort, key):
    cohort = make_cohort(20, columns={"cadss": np.arange(20.0)}, column_sessions={"cadss": "ses-d2"})
    with pytest.raises(GuardError, match=rf"{key}: cadss: ses-d2 is during or after an infusion for 20 of 20.*\[T2\]"):
        join(cohort, **{key: ("cadss",)})


def test_families_and_named_groups_stay_together(join, make_cohort):
    family = pd.Series(["f1", "f1", None, "f2"] + [None] * 14 + ["f2", "f1"], dtype="str").to_numpy()
    dataset = join(make_cohort(20, columns={"family": family}))
    assert len(set(dataset.groups)) == 17
    assert dataset.groups[0] == dataset.groups[1] == dataset.groups[19]
    assert dataset.groups[3] == dataset.groups[18]
    assert len(set(join(validation={"groups": "site"}).groups)) == 2


def test_blocks_follow_what_is_held_fixed_or_what_is_named(join):
    assert len(set(join(confounds=("site", "sequence")).blocks)) == 4
    assert join(confounds=("sequence",)).block_names == ("site", "sequence")
    assert len(set(join(validation={"blocks": ("sex",)}).blocks)) == 2
    assert join().strata is None
    assert len(set(join(validation={"strata": ("site", "sex")}).strata)) == 4


def test_outcomes_stay_in_their_site_wherever_a_site_is_declared(join, make_cohort):
    """A site need not be a confound: two sites that differ reject 41 % of nulls otherwise."""
    dataset = join(confounds=("age",))
    assert dataset.block_names == ("site",)
    assert np.array_equal(np.unique(dataset.sites, return_inverse=True)[1], dataset.blocks)
    cohort = make_cohort(20)
    nowhere = replace(cohort, participants=cohort.participants.drop(columns="site"))
    assert (join(nowhere).block_names, set(join(nowhere).blocks)) == ((), {0})
    assert join(validation={"blocks": ("sex",)}).block_names == ("sex",), "what the experiment names replaces it"


def test_where_sites_are_left_out_no_list_of_blocks_lets_outcomes_leave_their_site(join, make_cohort):
    site = pd.Series(list("ABCA") * 5, dtype="str").to_numpy()
    cohort = make_cohort(20, columns={"site": site})
    dataset = join(cohort, validation={"leave_out": "site", "blocks": ("sex",)})
    assert dataset.block_names == ("site", "sex")
    assert all(len(set(dataset.sites[dataset.blocks == block])) == 1 for block in set(dataset.blocks))


def test_leaving_sites_out_takes_site_out_of_the_nuisance_block(join, make_cohort):
    site = pd.Series(["A", "B", "C", None] * 5, dtype="str").to_numpy()
    dataset = join(make_cohort(20, columns={"site": site}), confounds=("site", "age"), validation={"leave_out": "site"})
    assert dataset.confounds.variables == ("age",)
    assert dataset.n_rows == 15
    assert set(dataset.sites) == {"A", "B", "C"}
    assert len(set(dataset.blocks)) == 3


def test_given_folds_must_cover_everyone_who_is_analysed(join, make_cohort):
    people = list(make_cohort(20).participants.index)
    folds = pd.DataFrame({"r0": np.arange(21) % 5}, index=[*reversed(people), "sub-9999"])
    assert join(folds=folds).given_folds.index.tolist() == people
    with pytest.raises(TableError, match=r"has no fold for sub-0001"):
        join(folds=folds.drop(index="sub-0001"), validation={"folds": "folds.tsv"})


def test_digests_tell_people_and_data_apart(join, make_cohort):
    dataset = join()
    assert dataset.people_digest == hashlib.sha256("\n".join(dataset.rows["participant_id"]).encode()).hexdigest()
    assert join(sources=("fc", "pet")).people_digest != dataset.people_digest
    other = join(confounds=())
    assert other.people_digest == dataset.people_digest
    assert other.data_hash != dataset.data_hash
    assert join().data_hash == dataset.data_hash


def test_names_of_features_and_circuits_are_left_out_of_the_hash_of_values(join):
    dataset = join()
    called = dataset.features.assign(name=dataset.features["name"] + "_new", circuit="reward")
    described = replace(dataset.with_features(features=called), rows=dataset.rows.assign(session="ses-baseline"))
    assert data_hash(described) != data_hash(dataset)
    assert data_hash(described, named=False) == data_hash(dataset, named=False)
    for other in (replace(dataset, y=dataset.y + 1), dataset.without("sub-0002"), dataset.with_features(2 * dataset.X)):
        assert data_hash(other, named=False) != data_hash(dataset, named=False)


def test_nobody_left_tells_the_whole_flow(join, make_table):
    with pytest.raises(
        TableError, match=r"no participant is left; in the study: 20; .*with fc at ses-b0: 0 \(no fc at"
    ):
        join(tables={"fc": make_table("fc", ["sub-0999"], np.ones((1, 2)))})


def test_with_blocks_one_source_is_enough_and_values_are_those_of_the_tables(join, make_cohort, make_table):
    cohort = make_cohort(20)
    people = list(cohort.participants.index)
    tables = {
        "fc": make_table("fc", people[5:], np.arange(60.0).reshape(15, 4)),
        "pet": make_table("pet", people[:10], np.arange(20.0).reshape(10, 2), session=""),
    }
    dataset = join(cohort, tables, ("fc", "pet"), complete=False, exclude={"age": {"max": 0}})
    assert dataset.n_rows == 20
    assert dataset.feature_blocks.present.sum(axis=0).tolist() == [15, 10]
    assert all(block.values is tables[block.source].values for block in dataset.feature_blocks.blocks), (
        "nothing was copied"
    )
    both = dataset.take(dataset.feature_blocks.present.all(axis=1))
    complete = join(cohort, tables, ("fc", "pet"), exclude={"age": {"max": 0}})
    np.testing.assert_array_equal(both.X, complete.X)
    pd.testing.assert_frame_equal(both.features, complete.features)
    assert both.rows.equals(complete.rows)


def test_who_has_no_source_at_all_is_told_in_the_flow(join, make_cohort, make_table):
    cohort = make_cohort(20)
    people = list(cohort.participants.index)
    tables = {
        "fc": make_table("fc", people[:8], np.ones((8, 2))),
        "pet": make_table("pet", people[4:12], np.ones((8, 2))),
    }
    dataset = join(cohort, tables, ("fc", "pet"), complete=False)
    assert dataset.n_rows == 12
    step = next(step for step in dataset.flow if step.step == "with fc or pet")
    assert (step.n, step.excluded, step.participants[0]) == (12, 8, people[12])


def test_presence_treatment_and_weights_are_part_of_the_data(join, make_cohort):
    dataset = join(make_cohort(20), sources=("fc", "pet"), complete=False)
    fewer = dataset.feature_blocks.blocks[1]
    absent = np.where(np.arange(20) == 3, -1, fewer.at)
    blocks = (dataset.feature_blocks.blocks[0], replace(fewer, at=absent))
    others = [
        replace(dataset, feature_blocks=replace(dataset.feature_blocks, blocks=blocks)),
        replace(dataset, weights=np.ones(20)),
        replace(dataset, treatment=Treatment("k", np.tile(["k", "p"], 10), np.full(20, 0.5))),
        replace(dataset, treatment=Treatment("k", np.tile(["k", "p"], 10), np.full(20, 0.4))),
    ]
    assert len({data_hash(each) for each in [dataset, *others]}) == 5


@pytest.fixture
def parallel(make_cohort):
    columns = {"arm": ["ketamine", "placebo"] * 10, "block": ["b1"] * 8 + ["b2"] * 12}
    shares = {"ketamine": 0.5, "placebo": 0.5}
    return make_cohort(20, columns=columns, design="parallel", allocation=shares, randomised_within=("block",))


EFFECT = {"score": "MADRS", "kind": "treatment-effect", "from": "ses-b0", "at": "ses-d2"}


FALL = {"score": "MADRS", "kind": "change", "from": "ses-b0", "at": "ses-d2"}


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        ({**FALL, "arms": ("ketamine", "placebo")}, True),
        ({**FALL, "arms": ("ketamine", "placebo"), "adjust": ("arm",)}, False),
        ({**FALL, "arms": ("ketamine",)}, False),
        (EFFECT, False),
    ],
)
def test_arms_that_are_analysed_as_one_without_their_treatment_held_fixed_are_remarked(join, parallel, outcome, said):
    from workbench.tables.alarms import dataset_warnings

    found = [each.text for each in dataset_warnings(join(parallel, outcome=outcome), parallel)]
    assert (
        any("2 arms (ketamine, placebo) are analysed together and their treatment is not" in x for x in found) is said
    )


def test_the_rows_of_both_arms_know_their_arm_and_arms_move_within_strata_and_sites(join, parallel):
    dataset = join(parallel, outcome=EFFECT)
    assert dataset.n_rows == 20
    assert dataset.treatment.arms[:2].tolist() == ["ketamine", "placebo"]
    assert dataset.block_names == ("site", "block")
    assert len(set(dataset.blocks.tolist())) == 4
    assert dataset.forced.names == ("MADRS@ses-b0",)
    other = join(
        parallel, outcome={"score": "MADRS", "kind": "change", "from": "ses-b0", "at": "ses-d2", "arms": ("ketamine",)}
    )
    assert other.treatment is None
    assert (other.n_rows, other.block_names) == (10, ("site",))
