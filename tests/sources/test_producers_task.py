"""Task betas as their producers write them: each test says whether the file is real, generated or synthetic."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from made_volumes import blocks, save_atlas, save_nifti

from workbench.errors import SourceError
from workbench.records import FeatureTable
from workbench.sources import read_source
from workbench.specs.readers import READERS


@pytest.fixture
def producers(real_data: Path) -> Path:
    folder = real_data / "formats"
    if not folder.is_dir():
        pytest.skip("no files of producers beside the repository")
    return folder


@pytest.fixture
def read(tmp_path: Path, cohort_of) -> Callable[..., FeatureTable]:
    """Reads a source of a study without sessions, whose participants are `ids`."""

    def read_as(ids: tuple[str, ...], **options: Any) -> FeatureTable:
        text = "participant_id\tage\n" + "".join(f"{each}\t30\n" for each in ids)
        changes = {"design": "observational", "site": None, "arms": None, "sessions": {}, "ids": {"strip": ("sub-",)}}
        cohort = cohort_of(text, **changes)
        spec = READERS[options["reader"]].model_validate({"modality": "task", "timing": "before"} | options)
        return read_source("task", spec, cohort, data=tmp_path, features_dir=tmp_path / "features")

    return read_as


# ------------------------------------------------------------------------------------------------- nilearn, FitLins, HALFpipe


@pytest.fixture
def nilearn_glm(producers: Path, tmp_path: Path) -> Path:
    """The GLM of nilearn 0.14.1 with an atlas of two parcels: one inside its mask, one half outside."""
    shutil.copytree(producers / "glm_nilearn" / "generated_nilearn_0.14.1", tmp_path / "glm")
    effect = nibabel.load(next((tmp_path / "glm").glob("**/*winMinusNeutral_stat-effect_statmap.nii.gz")))
    labels = np.zeros(effect.shape, dtype=np.int16)
    labels[4:7, 5:9, 3:7] = 1
    labels[1:4, 5:9, 3:7] = 2
    save_nifti(tmp_path / "atlas.nii.gz", labels, effect.affine)
    (tmp_path / "atlas.tsv").write_text("index\tname\n1\tlVS\n2\tedge\n")
    return tmp_path


NILEARN = {
    "reader": "maps",
    "files": "glm/**/*_statmap.nii.gz",
    "atlas_image": "atlas.nii.gz",
    "atlas_labels": "atlas.tsv",
    "stat": "effect",
    "contrasts": {"reward anticipation": "WinMinusNeutral"},
    "min_coverage": 0.0,
}


def test_GENERATED_nilearn_a_contrast_is_found_whatever_its_capitals(nilearn_glm, read):
    table = read(("sub-01",), **NILEARN, background=0)
    assert table.features["feature"].tolist() == ["lVS_reward anticipation", "edge_reward anticipation"]
    assert table.features["circuit"].tolist() == ["reward", "unassigned"]
    assert table.features["contrast"].unique().tolist() == ["reward anticipation"]


def test_GENERATED_nilearn_the_background_of_zeros_does_not_dilute_a_parcel(nilearn_glm, read):
    taken = [read(("sub-01",), **NILEARN, **how).values[0] for how in ({"background": 0}, {"mask": "beside"})]
    np.testing.assert_allclose(taken[0], taken[1], rtol=1e-12)  # the mask of the producer and its zeros agree
    diluted = read(("sub-01",), **NILEARN, background="nan")
    assert diluted.values[0, 0] == pytest.approx(taken[0][0])
    assert diluted.values[0, 1] == pytest.approx(taken[0][1] * 2 / 3)  # a third of the parcel lies outside
    assert any("exactly 0, taken as measured" in note for note in diluted.notes)


def test_GENERATED_nilearn_means_are_those_of_its_own_masker(nilearn_glm, read):
    import warnings

    from nilearn.maskers import NiftiLabelsMasker

    effect = next((nilearn_glm / "glm").glob("**/*winMinusNeutral_stat-effect_statmap.nii.gz"))
    mask = next((nilearn_glm / "glm").glob("**/*_mask.nii.gz"))
    masker = NiftiLabelsMasker(nilearn_glm / "atlas.nii.gz", mask_img=mask, standardize=None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = masker.fit_transform(effect)
    np.testing.assert_allclose(read(("sub-01",), **NILEARN, mask="beside").values[0], expected, rtol=1e-6)


def test_GENERATED_nilearn_contrasts_are_subtracted_by_their_labels(nilearn_glm, read):
    options = {**NILEARN, "contrasts": {"neutral": "win - winMinusNeutral", "win": "win"}}
    neutral, win = np.split(read(("sub-01",), **options, mask="beside").values[0], 2)
    difference = read(("sub-01",), **NILEARN, mask="beside").values[0]
    np.testing.assert_allclose(neutral, win - difference, atol=1e-6)


def test_GENERATED_nilearn_every_statistic_of_a_folder_is_never_read_as_one(nilearn_glm, read):
    with pytest.raises(SourceError, match=r"several statistics: stat-effect, stat-p, stat-rsquared, stat-t, stat-var"):
        read(("sub-01",), **{**NILEARN, "stat": None, "background": 0})


@pytest.mark.parametrize(
    ("producer", "name"),
    [
        (
            "FitLins",
            "node-runLevel/sub-01/sub-01_task-mid_space-MNI152NLin2009cAsym_contrast-antiRewvsneut_stat-effect",
        ),
        ("FitLins of a lab", "sub-01/sub-01_task-MIDT_contrast-anti_RewVsNeut_stat-effect"),
        ("HALFpipe", "sub-01/func/task-mid/sub-01_task-mid_feature-mid_taskcontrast-antiRewVsNeut_stat-effect"),
    ],
)
def test_SYNTHETIC_names_of_each_pipeline_give_the_same_contrast(tmp_path, read, producer, name):
    save_atlas(tmp_path)
    save_nifti(tmp_path / "derivatives" / f"{name}_statmap.nii.gz", blocks([1, 2, 3]))
    options = {"atlas_image": "atlas.nii.gz", "atlas_labels": "atlas.tsv", "background": 0}
    contrasts = {"reward anticipation": "antiRewVsNeut"}
    table = read(("sub-01",), reader="maps", files="derivatives/**/*_statmap.nii.gz", contrasts=contrasts, **options)
    np.testing.assert_allclose(table.values, [[1, 2, 3]])


def test_SYNTHETIC_two_features_of_halfpipe_are_never_mixed(tmp_path, read):
    save_atlas(tmp_path)
    for feature in ("mid1", "mid2"):
        name = f"sub-01_task-mid_feature-{feature}_taskcontrast-win_stat-effect_statmap.nii.gz"
        save_nifti(tmp_path / "func" / name, blocks([1, 2, 3]))
    options = {"atlas_image": "atlas.nii.gz", "atlas_labels": "atlas.tsv", "background": 0}
    with pytest.raises(SourceError, match=r"they differ in feature: mid1, mid2"):
        read(("sub-01",), reader="maps", files="func/*_statmap.nii.gz", **options)
