"""The vocabulary of contrasts: every label means one contrast, and every contrast says where it comes from."""

import re
from collections import Counter

import pytest

from workbench.knowledge.contrasts import contrast_named, contrasts


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("anticipationMoneyVsControl", "reward anticipation"),
        ("anticip-reward", "reward anticipation"),
        ("antiRewvsneut", "reward anticipation"),
        ("acdn", "reward anticipation"),
        ("Reward Feedback", "reward feedback"),
        ("HappyvsNeutral", "positive faces"),
        ("faceVsControl", "emotion"),
        ("csvcg", "response inhibition"),
    ],
)
def test_labels_of_pipelines_and_releases_have_one_name(label, name):
    assert contrast_named(label).name == name


@pytest.mark.parametrize("label", ["win", "neutral", "reward", "con_0001", "", "contrast 1"])
def test_a_label_that_could_mean_several_contrasts_means_none(label):
    assert contrast_named(label) is None


def test_no_label_means_two_contrasts():
    spelt = Counter(
        re.sub(r"[\s_-]", "", label.casefold())
        for contrast in contrasts().values()
        for label in (contrast.name, *contrast.aliases)
    )
    assert [label for label, n in spelt.items() if n > 1] == []


def test_every_contrast_is_defined_and_has_a_source():
    assert len(contrasts()) >= 9
    for contrast in contrasts().values():
        assert contrast.definition
        assert len(contrast.source) > 20
        assert set(contrast.unverified) <= set(contrast.aliases)


def test_contrasts_of_the_simulator_are_in_the_vocabulary():
    from workbench.simulate.anatomy import CONTRASTS

    assert [contrast_named(label).name for label in CONTRASTS] == ["reward anticipation", "reward feedback", "emotion"]
