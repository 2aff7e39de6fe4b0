"""Contrasts are read as sums of names with weights; anything else is refused with what to write."""

from __future__ import annotations

import pytest

from workbench.specs.linear_combination import CombinationError, combination_findings, linear_combination


@pytest.mark.parametrize(
    ("text", "weights"),
    [
        ("pain_high - pain_low", {"pain_high": 1, "pain_low": -1}),
        ("-loss + win", {"loss": -1, "win": 1}),
        ("0.5*win + 0.5 * loss - neutral", {"win": 0.5, "loss": 0.5, "neutral": -1}),
        ("(win + loss)/2 - neutral", {"win": 0.5, "loss": 0.5, "neutral": -1}),
        ("win*2 - 3*(loss - win)", {"win": 5, "loss": -3}),
        ("anticip-reward - anticip-neutral", {"anticip-reward": 1, "anticip-neutral": -1}),
        ("`% change` - `bl (raw)`", {"% change": 1, "bl (raw)": -1}),
        ("win", {"win": 1}),
        ("win/2", {"win": 0.5}),
        ("2back - 0back", {"2back": 1, "0back": -1}),
        ("[11C]X - 1e-1*b", {"[11C]X": 1, "b": -0.1}),
    ],
)
def test_a_sum_of_names_gives_their_weights(text, weights):
    assert linear_combination(text) == pytest.approx(weights)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "is empty"),
        ("win -", "has its end where a name is expected"),
        ("win loss", "has 'loss' where a sign is expected"),
        ("win * loss", "multiplies names: win"),
        ("win / loss", "divides by loss"),
        ("win / 0", "divides by 0"),
        ("(win - loss", "has a bracket that is not closed"),
        ("win - 1", "has a number without a name, -1"),
        ("win - win", "'win' cancels out"),
        ("win $ loss", "cannot be read from '\\$ loss' on"),
        ("win - (1 - 1)*loss", "multiplies names: 0"),
        ("__import__('os').system('ls')", "where a sign is expected|cannot be read"),
    ],
)
def test_what_is_no_sum_of_names_is_refused(text, found):
    with pytest.raises(CombinationError, match=found):
        linear_combination(text)


def test_each_contrast_is_told_by_its_own_key():
    (finding,) = combination_findings({"good": "a - b", "bad": "a * b"})
    assert finding.key == ("contrasts", "bad")
    assert "multiplies names" in finding.found
