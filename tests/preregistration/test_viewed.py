from dataclasses import replace

import pytest

from workbench.preregistration.append_only import now
from workbench.preregistration.viewed import Look, as_viewed, earlier, first_view, settings_digest, unrecorded
from workbench.specs.experiment import ValidationSpec
from workbench.specs.learners import PLSSpec, RidgeSpec

LOOK = Look(
    date="",
    experiment="madrs",
    run="ridge . dmn4",
    outcome="fall in MADRS from ses-b0 to ses-d2",
    arms="ketamine",
    family="",
    seed=0,
    spec_hash="plan",
    settings="a",
    data_hash="data",
    people_digest="people",
)


def test_the_same_thing_under_another_name_is_the_same_look():
    renamed = replace(LOOK, experiment="again", run="mine . dmn4", spec_hash="other", date="2026", run_id="1")
    assert renamed.key == LOOK.key


@pytest.mark.parametrize("what", ["settings", "data_hash", "people_digest"])
def test_other_settings_data_or_people_are_another_look(what):
    assert replace(LOOK, **{what: "other"}).key != LOOK.key


def test_looks_at_one_outcome_count_together_whoever_was_analysed():
    assert LOOK.counts_with(replace(LOOK, people_digest="without one", experiment="another"))
    assert not LOOK.counts_with(replace(LOOK, outcome="fall in SHAPS"))
    assert not LOOK.counts_with(replace(LOOK, arms="placebo"))


def test_a_declared_family_counts_together_but_no_family_is_not_one():
    other = replace(LOOK, outcome="fall in SHAPS")
    assert replace(LOOK, family="clinical").counts_with(replace(other, family="clinical"))
    assert not LOOK.counts_with(other)


def test_only_what_was_viewed_before_the_first_time_counts_and_each_once():
    others = [replace(LOOK, settings=name) for name in "bbc"]
    ledger = [*others, LOOK, replace(LOOK, settings="d"), LOOK]
    assert [look.settings for look in earlier(ledger, LOOK)] == ["b", "c"]
    assert first_view(ledger, LOOK) is ledger[3]
    assert first_view(others, LOOK) is None


def test_a_line_of_an_earlier_version_or_of_another_account_counts_by_label_and_arms():
    mine = replace(LOOK, digests={"key": "mine", "look": "a"})
    assert mine.same_outcome(LOOK)
    assert mine.same_look(LOOK)
    assert not mine.same_outcome(replace(LOOK, outcome="fall in SHAPS", digests={"key": "theirs", "look": "a"}))


def test_a_run_that_no_ledger_knows_counts_with_everything_and_is_no_look_again():
    lost = unrecorded("f00", "2026-01-01")
    assert LOOK.same_outcome(lost)
    assert not LOOK.same_look(lost)
    assert [look.run_id for look in earlier([lost, LOOK], LOOK)] == ["f00"]


def test_what_was_seen_is_rounded_and_what_is_not_a_number_is_left_out():
    seen = as_viewed(LOOK, date=now(), verdict="exploratory", r2=0.123456, p=1 / 1001, run_id="f00")
    assert (seen.r2, seen.p, seen.run_id) == (0.1235, 0.000999, "f00")
    assert seen.date
    assert as_viewed(LOOK, date=now(), verdict="", r2=float("nan"), p=None, run_id="").r2 is None


def test_the_seed_the_grid_the_kind_and_the_folds_are_settings():
    digests = {
        settings_digest(learner, validation)
        for learner in (RidgeSpec(kind="ridge"), RidgeSpec(kind="ridge", alphas=(1.0,)), PLSSpec(kind="pls"))
        for validation in (ValidationSpec(), ValidationSpec(seed=1), ValidationSpec(repeats=11))
    }
    assert len(digests) == 9


def test_a_name_or_a_default_written_out_is_no_setting():
    plain = settings_digest(RidgeSpec(kind="ridge"), ValidationSpec())
    named = RidgeSpec(kind="ridge", name="mine", feature_sets=("a",), repeats=10)
    assert settings_digest(named, ValidationSpec(repeats=10)) == plain


def test_the_digest_of_settings_is_pinned_since_old_looks_hang_on_it():
    digest = settings_digest(RidgeSpec(kind="ridge", alphas=(1.0, 10.0)), ValidationSpec(seed=3))
    assert digest[:16] == "d935a7badc369a15"
