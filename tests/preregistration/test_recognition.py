"""The same values of an outcome are recognised under other names, and other outcomes are not taken for them."""

import json
import re

import numpy as np
import pytest

from workbench.preregistration.recognition import Seen, digests, key_name, same_look, same_outcome, seen_in_parts

KEY, OTHER_KEY = b"k" * 32, b"l" * 32
N = 60


def people(rng, n=N, *, levels=None, r=0.6):
    """Ids, features, and ratings before and after; on a scale of whole points where `levels` per SD are given."""
    before, noise = rng.standard_normal((2, n))
    after = r * before + np.sqrt(1 - r**2) * noise
    if levels:
        before, after = np.round(30 + levels * before), np.round(20 + levels * after)
    return [f"sub-{number:03d}" for number in range(n)], rng.standard_normal((n, 10)), before, after


def look(ids, X, before, after, *, outcome=None, scores=("MADRS",), key=KEY, settings="a"):
    outcome = before - after if outcome is None else outcome
    return digests(Seen(ids, [X], np.column_stack([outcome, before, after]), scores, settings), key)


def same(one, other, *, same_study=True):
    assert same_outcome(one, other, KEY, same_study=same_study) == same_outcome(other, one, KEY, same_study=same_study)
    return same_outcome(one, other, KEY, same_study=same_study)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(params=[None, 7], ids=["continuous", "points"])
def seen(request, rng):
    return people(rng, levels=request.param)


def renamed(ids):
    return [f"P{number:04d}" for number in np.random.default_rng(5).permutation(len(ids))]


def test_another_kind_or_session_of_the_same_score_in_the_same_people_counts_together(seen, rng):
    ids, X, before, after = seen
    day_ten = people(rng)[3]
    one = look(*seen)
    assert same(one, look(ids, X, before, after, outcome=after))
    assert same(one, look(ids, X, day_ten, day_ten[::-1], outcome=day_ten))


def test_a_renamed_rescaled_or_reversed_score_in_the_same_people_counts_together(seen):
    ids, X, before, after = seen
    one = look(*seen)
    for factor in (2.54, -1.0, 1e6):
        assert same(one, look(ids, X, factor * before + 3, factor * after + 3, scores=("wellbeing",)))


@pytest.mark.parametrize("same_study", [True, False])
def test_jittered_scores_of_the_same_people_count_together_in_any_folder(seen, rng, same_study):
    ids, X, before, after = seen
    jitter = 0.05 * before.std() * rng.standard_normal((2, N))
    one = look(*seen)
    assert same(one, look(ids, X, before + jitter[0], after + jitter[1], scores=("x",)), same_study=same_study)


def test_people_left_out_by_their_loss_change_nothing(seen):
    ids, X, before, after = seen
    left = np.sort(np.argsort(np.abs(after - 0.6 * before))[: N - 25])
    fewer = look([ids[k] for k in left], X[left], before[left], after[left], scores=("x",))
    assert same(look(*seen), fewer, same_study=False)


def test_renamed_ids_are_recognised_by_what_was_measured_in_them(seen, rng):
    ids, X, before, after = seen
    jitter = 0.05 * before.std() * rng.standard_normal((2, N))
    assert same(look(*seen), look(renamed(ids), X, before + jitter[0], after + jitter[1], scores=("x",)))


def test_renamed_ids_with_other_features_are_recognised_by_their_ranks_alone(seen, rng):
    ids, X, before, after = seen
    mixed = rng.permutation(N)
    other = look(renamed(ids), rng.standard_normal(X.shape), 3 * before[mixed], 3 * after[mixed], scores=("x",))
    assert same(look(*seen), other, same_study=False)


@pytest.mark.parametrize("levels", [None, 7, 2, 1])
def test_other_people_under_the_same_ids_elsewhere_are_not_confused(levels):
    rng = np.random.default_rng(1)
    found = [
        same(look(*people(rng, levels=levels)), look(*people(rng, levels=levels)), same_study=False) for _ in range(25)
    ]
    assert not any(found)


@pytest.mark.parametrize("r", [0.0, 0.5, 0.9])
def test_other_scores_of_the_same_people_are_other_outcomes(r):
    """Five scales of one questionnaire, or two instruments: a correlation of .9 is not one score."""
    rng = np.random.default_rng(2)
    for _ in range(25):
        ids, X, first, second = people(rng, r=r)
        a = digests(Seen(ids, [X], first[:, None], ("NEO_N",), "a"), KEY)
        b = digests(Seen(ids, [X], second[:, None], ("NEO_E",), "a"), KEY)
        assert not same(a, b)


def test_two_dichotomies_of_the_same_people_are_other_outcomes_and_a_cut_of_a_score_is_not(rng):
    ids, X, before, _ = people(rng)
    cut = [digests(Seen(ids, [X], (v > 0).astype(float)[:, None], (name,), "a"), KEY) for name, v in
           (("sex", rng.standard_normal(N)), ("hand", rng.standard_normal(N)), ("severe", before))]  # fmt: skip
    assert not same(cut[0], cut[1])
    assert same(cut[2], digests(Seen(ids, [X], before[:, None], ("score",), "a"), KEY))


def test_disjoint_people_of_one_study_do_not_count_together(seen):
    ids, X, before, after = seen
    half = N // 2
    first, second = (look(ids[part], X[part], before[part], after[part]) for part in (slice(half), slice(half, N)))
    assert not same(first, second)


def test_the_same_data_and_settings_are_one_look_and_another_key_tells_nothing(seen):
    assert same_look(look(*seen), look(*seen)) is True
    assert same_look(look(*seen), look(*seen, settings="b")) is False
    assert same_look(look(*seen), look(*seen, key=OTHER_KEY)) is None


def test_a_digest_holds_no_id_no_value_and_no_name_and_is_another_under_another_key(seen):
    written = look(*seen)
    text = json.dumps(written)
    assert not re.search(r"sub-|MADRS", text)
    other = look(*seen, key=OTHER_KEY)
    assert all(written[field] != other[field] for field in written)
    assert written["key"] == key_name(KEY)
    assert len(text) < 60 * N


def test_people_without_a_rating_or_without_features_are_no_match(rng):
    ids, X, before, after = people(rng)
    before[::2], X[1::2] = np.nan, np.nan
    alone = look(ids, X, before, after)
    other = people(rng)
    assert same(alone, alone)
    assert not same(alone, look(renamed(other[0]), np.full_like(X, np.nan), *other[2:], scores=("x",)))


def test_looks_that_each_share_little_may_together_have_seen_everybody(rng):
    """Two looks, each at 28 of 60 participants among as many others, are no look at these; together they are."""
    ids, X, before, after = people(rng)
    others = people(np.random.default_rng(9), n=60)

    def mixed(of_these, of_others):
        parts = [(mine[of_these], theirs[of_others]) for mine, theirs in ((X, others[1]), (before, others[2]))]
        fall = np.concatenate([after[of_these], others[3][of_others]])
        named = [*np.array(ids)[of_these], *(f"other-{number}" for number in of_others)]
        return look(named, np.concatenate(parts[0]), np.concatenate(parts[1]), fall)

    one, other = mixed(np.arange(28), np.arange(30)), mixed(np.arange(30, 58), np.arange(30, 60))
    everyone = look(ids, X, before, after)
    assert not same(everyone, one)
    assert not same(everyone, other)
    assert seen_in_parts(everyone, [one, other], KEY, same_study=[True, True]) == (True, True)
    assert seen_in_parts(everyone, [one], KEY, same_study=[True]) == (False,)
    unlike = look(others[0], *others[1:], scores=("SHAPS",))
    assert seen_in_parts(everyone, [one, other, unlike], KEY, same_study=[True, True, False]) == (True, True, False)
