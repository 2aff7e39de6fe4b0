from dataclasses import replace

import pytest

from workbench.preregistration.frozen import FrozenPlan, Record, differences, plan_hash, plan_of, read_frozen
from workbench.preregistration.frozen import record_frozen as write
from workbench.preregistration.viewed import Look
from workbench.study import open_study

COHORT = 'participants = "p.tsv"\ndesign = "observational"\n'
SOURCE = 'modality = "structure"\nreader = "table"\nfile = "{}.tsv"\n'
EXPERIMENT = 'question = "Why?"\n[outcome]\ncolumn = "age"\n[feature_sets]\na = ["area"]\n[[models]]\nkind = "ridge"\n'


@pytest.fixture
def study(tmp_path):
    files = {
        "features/cohort.toml": COHORT,
        "features/area.toml": SOURCE.format("area"),
        "features/volume.toml": SOURCE.format("volume"),
        "experiments/age.toml": EXPERIMENT,
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return open_study(tmp_path)


def plan(study, text=EXPERIMENT):
    (study.experiments_dir / "age.toml").write_text(text)
    return plan_of(study, "age", study.experiment("age")[1], ["area"])


def test_a_plan_holds_the_experiment_the_cohort_and_the_sources_it_uses(study):
    assert set(plan(study)) == {"experiments/age.toml", "features/cohort.toml", "features/area.toml"}


@pytest.mark.parametrize(
    ("old", "new"), [("?", "Other words?"), ("[outcome]", "# note\n[outcome]"), ("[[models", "[validation]\n[[models")]
)
def test_wording_and_written_out_defaults_do_not_change_a_plan(study, old, new):
    assert differences(plan(study), plan(study, EXPERIMENT.replace(old, new))) == ()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[[models", "[validation]\nseed = 1\n[[models", "validation.seed was 0 and is 1"),
        ('"ridge"', '"ridge"\nalphas = [1]', "first [[models]]: alphas was [0.1, 1, 10, 100, 1000, 10000, 100000, "),
        ('"ridge"', '"ridge"\n[[models]]\nkind = "pls"', 'second [[models]]: kind was not there and is "pls"'),
        ("[outcome]", "confounds = []\n[outcome]", "confounds was not there and is []"),
    ],
)
def test_what_changed_is_told_by_file_and_key_with_old_and_new_value(study, old, new, said):
    before = plan(study)
    after = plan(study, EXPERIMENT.replace(old, new))
    found = differences(before, after)
    assert any(f"experiments/age.toml: {said}" in line for line in found), found
    assert plan_hash(before) != plan_hash(after)


def test_a_source_that_changed_or_came_or_went_is_a_change(study):
    before = plan(study)
    assert differences(before, {**before, "features/new.toml": {}}) == ("features/new.toml is new",)
    assert differences({**before, "features/old.toml": {}}, before) == ("features/old.toml is no longer part of it",)
    (study.features_dir / "area.toml").write_text(SOURCE.format("area").replace("reader", "gsr = true\nreader"))
    (change,) = differences(before, plan(open_study(study.root)))
    assert change.startswith("features/area.toml: gsr")


def test_a_key_that_a_later_version_brings_is_no_change_of_an_old_plan(study):
    now = plan(study)
    experiment = {key: value for key, value in now["experiments/age.toml"].items() if key != "impute_confounds"}
    source = {key: value for key, value in now["features/area.toml"].items() if key != "overlaps"}
    old = {**now, "experiments/age.toml": experiment, "features/area.toml": source}
    assert differences(old, now) == ()


def test_a_plan_that_was_written_down_is_equal_to_itself_when_it_is_read(study):
    now = plan(study)
    write(study, FrozenPlan("2026-01-01", "age", plan_hash(now), "ridge . a", now))
    (read,) = read_frozen(study, "age")
    assert differences(read.plan, now) == ()
    assert plan_hash(read.plan) == read.plan_hash
    assert read_frozen(study, "another") == ()


# ------------------------------------------------------------------------------------------------- seen from a run

NOW = {"experiments/age.toml": {"validation": {"seed": 0}}}
LOOK = Look("", "age", "ridge . a", "age", "", "", 0, "plan", "ridge", "data", "people")
SECOND = replace(LOOK, run="pls . a", settings="pls")
FROZEN = FrozenPlan("2026-02-01T", "age", "hash", "ridge . a", NOW)


def viewed(look, month):
    return replace(look, date=f"2026-{month:02d}-01T", verdict="exploratory")


def record(*ledger, frozen=(FROZEN,), together=(LOOK,), planned=(LOOK, SECOND), plan=NOW):
    return Record(tuple(ledger), tuple(frozen), plan, tuple(planned), tuple(together))


def test_the_first_look_at_a_frozen_plan():
    viewing = record().viewing(LOOK)
    assert (viewing.number, viewing.others, viewing.others_unplanned) == (1, 0, 0)
    assert (viewing.freeze.viewed_before, viewing.freeze.changed, viewing.freeze.times) == (0, (), 1)
    assert viewing.freeze.date == "2026-02-01"


def test_a_run_made_again_is_seen_as_it_was_the_first_time():
    first = record().viewing(LOOK)
    later = [viewed(replace(LOOK, settings=name), 4) for name in "xyz"]
    refrozen = replace(FROZEN, date="2026-05-01T", because="another atlas")
    assert record(viewed(LOOK, 3), *later, frozen=(FROZEN, refrozen)).viewing(LOOK) == first


def test_runs_of_one_command_are_viewed_in_their_order_and_corrected_together():
    viewing = record(together=(SECOND, LOOK)).viewing(LOOK)
    assert (viewing.number, viewing.others, viewing.others_unplanned) == (2, 0, 0)


def test_another_run_of_the_frozen_plan_viewed_before_is_counted_but_was_planned():
    viewing = record(viewed(SECOND, 3)).viewing(LOOK)
    assert (viewing.number, viewing.others, viewing.others_unplanned) == (2, 1, 0)


def test_the_plan_run_on_other_data_before_is_a_look_that_was_not_planned():
    viewing = record(viewed(replace(LOOK, data_hash="with one participant more"), 3)).viewing(LOOK)
    assert (viewing.number, viewing.others, viewing.others_unplanned) == (2, 1, 1)


def test_a_plan_frozen_after_results_were_viewed_says_how_many():
    ledger = [viewed(LOOK, 1), viewed(replace(LOOK, settings="x"), 1), viewed(replace(LOOK, outcome="sex"), 1)]
    viewing = record(*ledger).viewing(LOOK)
    assert viewing.number == 1
    assert viewing.freeze.viewed_before == 2


def test_results_that_left_the_ledger_after_freezing_are_not_forgotten():
    assert record(frozen=[replace(FROZEN, viewed_before=3)]).viewing(LOOK).freeze.viewed_before == 3


def test_the_last_frozen_plan_before_the_first_look_is_the_one_in_force():
    again = replace(FROZEN, date="2026-02-02T", because="a typing error", primary="pls . a")
    freeze = record(viewed(LOOK, 3), frozen=(FROZEN, again)).viewing(LOOK).freeze
    assert (freeze.times, freeze.because, freeze.primary) == (2, "a typing error", "pls . a")


def test_a_changed_plan_and_changed_data_are_told():
    changed = {"experiments/age.toml": {"validation": {"seed": 1}}}
    freeze = record(frozen=[replace(FROZEN, data={"ridge . a": "old"})], plan=changed).viewing(LOOK).freeze
    assert freeze.changed == ("experiments/age.toml: validation.seed was 0 and is 1",)
    assert freeze.data_changed


def test_data_are_compared_without_what_their_features_are_called():
    look = replace(LOOK, data_hash="circuits added", values_hash="same")
    frozen = replace(FROZEN, data={LOOK.run: "data"}, values={LOOK.run: "same"})
    assert not record(frozen=[frozen], together=[look]).viewing(look).freeze.data_changed
    other = replace(look, values_hash="one participant fewer")
    assert record(frozen=[frozen], together=[other]).viewing(other).freeze.data_changed


def test_descriptions_of_the_same_values_are_no_change_of_the_plan():
    plan = {**NOW, "features/a.toml": {"reader": "table", "unit": "Hz"}}
    look = replace(LOOK, values_hash="same")
    described = {**NOW, "features/a.toml": {"reader": "table", "unit": "1/s", "columns": "circuits.tsv"}}
    frozen = replace(FROZEN, plan=plan, values={LOOK.run: "same"})
    assert record(frozen=[frozen], plan=described, together=[look]).viewing(look).freeze.changed == ()
    unknown = replace(frozen, values={})
    assert len(record(frozen=[unknown], plan=described, together=[look]).viewing(look).freeze.changed) == 2


def test_a_plan_frozen_again_with_another_outcome_is_another_primary_run():
    def asking(score):
        return replace(FROZEN, plan={"experiments/age.toml": {"outcome": {"score": score}}})

    every = replace(record(), every_frozen=(asking("MADRS"), asking("SHAPS"), asking("MADRS"), FROZEN))
    assert every.viewing(LOOK).freeze.n_primaries == 3


def test_a_result_that_was_there_before_any_plan_was_viewed_before_it_whatever_it_is_called_now():
    renamed = replace(LOOK, outcome="fall in SHAPS")
    assert record(viewed(renamed, 1)).viewing(renamed).freeze.viewed_before == 1
    relabelled = replace(viewed(LOOK, 1), outcome="another label")
    assert record(relabelled).viewing(LOOK).freeze.viewed_before == 1


def test_frozen_primary_runs_are_counted_until_the_result_was_first_viewed():
    others = [
        replace(FROZEN, experiment=name, date=f"2026-0{month}-01T") for name, month in (("b", 1), ("c", 2), ("d", 5))
    ]
    every = replace(record(viewed(LOOK, 3)), every_frozen=(FROZEN, *others, others[0]))
    assert every.viewing(LOOK).freeze.n_primaries == 3
    assert replace(every, ledger=()).viewing(LOOK).freeze.n_primaries == 4


def test_only_a_plan_frozen_before_its_data_leaves_people_to_a_file():
    left_out = replace(record(), not_fixed="the participants that lost.tsv leaves out")
    assert left_out.viewing(LOOK).freeze.not_fixed == "the participants that lost.tsv leaves out"
    with_data = replace(left_out, frozen=(replace(FROZEN, data={LOOK.run: "data"}),))
    assert with_data.viewing(LOOK).freeze.not_fixed == ""


def test_without_a_frozen_plan_there_is_none():
    assert record(frozen=()).viewing(LOOK).freeze is None
