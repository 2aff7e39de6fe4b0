"""Images of participants, sessions, contrasts and runs as one table; simulated, with values that are known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from made_volumes import SHAPE, blocks, save_analyze, save_atlas, save_nifti

from workbench.errors import SourceError
from workbench.records import Cohort, FeatureTable
from workbench.sources import read_source, source_files
from workbench.specs.maps_source import MapsSource

BIDS = "glm/**/*_statmap.nii.gz"
REWARD = {"reward anticipation": "winMinusNeutral"}


@pytest.fixture
def write_map(tmp_path: Path) -> Callable[..., Path]:
    """Writes an effect map named as FitLins does; entities that are None are left out."""

    def write(values: Sequence[float], sub: str = "0001", volume: np.ndarray | None = None, **entities: Any) -> Path:
        said = {"ses": "b0", "task": "mid", "run": None, "space": None, "contrast": "winMinusNeutral", "stat": "effect"}
        parts = [f"sub-{sub}", *(f"{key}-{value}" for key, value in (said | entities).items() if value is not None)]
        folder = tmp_path / "glm" / f"sub-{sub}"
        return save_nifti(folder / f"{'_'.join(parts)}_statmap.nii.gz", blocks(values) if volume is None else volume)

    return write


@pytest.fixture
def read(tmp_path: Path, cohort: Cohort) -> Callable[..., FeatureTable]:
    save_atlas(tmp_path)

    def read_maps(**changes: Any) -> FeatureTable:
        return read_source("task", spec_of(**changes), cohort, data=tmp_path, features_dir=tmp_path / "features")

    return read_maps


def spec_of(**changes: Any) -> MapsSource:
    said = {
        "modality": "task",
        "reader": "maps",
        "files": BIDS,
        "atlas_image": "atlas.nii.gz",
        "atlas_labels": "atlas.tsv",
        "background": 0,
    }
    return MapsSource.model_validate({key: value for key, value in (said | changes).items() if value is not None})


def row_of(table: FeatureTable, participant: str = "sub-0001") -> list[float]:
    at = table.rows.index[table.rows["participant_id"] == participant]
    return table.values[at[0]].tolist()


# ------------------------------------------------------------------------------------------------------------ contrasts


def test_ids_and_sessions_are_those_of_the_names(read, write_map):
    write_map([1, 2, 3])
    write_map([4, 5, 6], sub="0002", ses="d2")
    table = read()
    assert table.rows.to_numpy().tolist() == [["sub-0001", "ses-b0"], ["sub-0002", "ses-d2"]]
    np.testing.assert_allclose(table.values, [[1, 2, 3], [4, 5, 6]])
    assert table.features["contrast"].tolist() == ["winMinusNeutral"] * 3
    assert table.features["measure"].tolist() == ["effect"] * 3


@pytest.mark.parametrize("label", ["winMinusNeutral", "WinMinusNeutral", "winminusneutral", "win-minus-neutral"])
def test_a_contrast_is_matched_whatever_its_capitals_and_hyphens(read, write_map, label):
    write_map([1, 2, 3], contrast=label)
    write_map([4, 5, 6], sub="0002", contrast="winMinusNeutral")
    table = read(contrasts=REWARD)
    assert row_of(table) == pytest.approx([1, 2, 3])
    assert set(table.features["contrast"]) == {"reward anticipation"}
    assert table.features["region_a"].tolist()[0] == "VS--ACC"


def test_a_difference_is_no_spelling_of_a_contrast_with_the_same_letters(read, write_map):
    write_map([9, 9, 9], contrast="ab")
    write_map([5, 7, 9], contrast="a")
    write_map([1, 2, 3], contrast="b")
    assert row_of(read(contrasts={"x": "a - b"})) == pytest.approx([4, 5, 6])


def test_a_hyphen_inside_a_contrast_is_no_subtraction(read, write_map):
    write_map([1, 2, 3], contrast="anticip-reward")
    assert row_of(read(contrasts={"reward anticipation": "anticip-reward"})) == pytest.approx([1, 2, 3])


def test_contrasts_are_subtracted_within_a_participant_and_session(read, write_map):
    for sub, factor in (("0001", 1), ("0002", 10)):
        write_map([factor * 5, factor * 7, factor * 9], sub=sub, contrast="pain_high")
        write_map([factor * 1, factor * 2, factor * 3], sub=sub, contrast="pain_low")
    table = read(contrasts={"pain": "pain_high - pain_low", "low": "pain_low"})
    assert row_of(table) == pytest.approx([4, 5, 6, 1, 2, 3])
    assert row_of(table, "sub-0002") == pytest.approx([40, 50, 60, 10, 20, 30])
    assert table.features["feature"].tolist()[::3] == ["VS--ACC_pain", "VS--ACC_low"]


def test_a_difference_is_data_only_where_both_contrasts_are(read, write_map):
    high = blocks([5, 7, 9])
    high[1, 2:5, 2:5] = 0  # 9 voxels outside the mask of one contrast
    write_map([], contrast="high", volume=high)
    write_map([1, 2, 3], contrast="low")
    assert row_of(read(contrasts={"pain": "high - low"})) == pytest.approx([4, 5, 6])


def test_names_with_dollar_signs_are_taken_as_they_are(read, tmp_path):
    save_nifti(tmp_path / "glm" / "sub-0001" / "gain $5 > $0.nii", blocks([1, 2, 3]))
    save_nifti(tmp_path / "glm" / "sub-0001" / "loss_$1^$.nii", blocks([0.5, 0.5, 0.5]))
    table = read(
        files="glm/sub-{participant}/{contrast}.nii",
        contrasts={"gain $5 > $0": "gain $5 > $0", "net": "`gain $5 > $0` - `loss_$1^$`"},
    )
    assert row_of(table) == pytest.approx([1, 2, 3, 0.5, 1.5, 2.5])


def test_contrasts_of_spm_are_named_by_the_pattern(read, tmp_path):
    for number, values in (("con_0001", [1, 2, 3]), ("con_0003", [4, 5, 6])):
        save_nifti(tmp_path / "spm" / "sub-0001" / f"{number}.nii", blocks(values, outside=np.nan))
    options = {"files": "spm/sub-{participant}/{contrast}.nii", "background": "nan", "timing": "before"}
    assert row_of(read(contrasts={"emotion": "con_0003"}, **options)) == pytest.approx([4, 5, 6])


def test_a_participant_without_one_contrast_has_missing_values_and_is_counted(read, write_map):
    write_map([1, 2, 3], contrast="a")
    write_map([4, 5, 6], contrast="b")
    write_map([7, 8, 9], sub="0002", contrast="a")
    table = read(contrasts={"first": "a", "second": "b"})
    np.testing.assert_allclose(row_of(table, "sub-0002"), [7, 8, 9, np.nan, np.nan, np.nan])
    assert "1 file: no image of 'second', whose features are missing" in table.notes


def test_a_contrast_that_is_not_there_is_refused_with_the_nearest(read, write_map):
    write_map([1, 2, 3])
    with pytest.raises(
        SourceError, match=r"contrasts.pain: there is no contrast 'winMinusNeutrl'; did you mean 'winMinus"
    ):
        read(contrasts={"pain": "winMinusNeutrl"})


def test_a_sum_that_cannot_be_read_is_refused(read, write_map):
    write_map([1, 2, 3])
    with pytest.raises(SourceError, match=r"contrasts.pain: 'winMinusNeutral -' has its end where a name is expected"):
        read(contrasts={"pain": "winMinusNeutral -"})


def test_several_contrasts_are_chosen_by_name_and_never_guessed(read, write_map):
    write_map([1, 2, 3], contrast="win")
    write_map([1, 2, 3], contrast="loss")
    with pytest.raises(SourceError, match=r"finds several contrasts: loss, win; choose and name them: contrasts = "):
        read()


def test_files_that_name_no_contrast_say_how_they_could(read, write_map):
    write_map([1, 2, 3], contrast=None)
    with pytest.raises(
        SourceError, match=r"there is no contrast 'win'; write \{contrast\} where it stands in the names"
    ):
        read(contrasts={"x": "win"})


def test_two_spellings_of_one_contrast_in_one_session_are_refused(read, write_map):
    write_map([1, 2, 3], contrast="win")
    write_map([1, 2, 4], contrast="Win")
    with pytest.raises(SourceError, match=r"is one of 2 images of 'Win'.*they differ in contrast: Win, win"):
        read()


# ----------------------------------------------------------------------------------------------------------- statistics


def test_several_statistics_are_refused_until_one_is_named(read, write_map):
    write_map([1, 2, 3])
    write_map([9, 9, 9], stat="z")
    with pytest.raises(
        SourceError, match=r"finds images of several statistics: stat-effect, stat-z; .* stat = .effect."
    ):
        read()
    assert row_of(read(stat="effect")) == pytest.approx([1, 2, 3])


def test_z_maps_are_read_and_said_to_be_no_effects(read, write_map):
    write_map([9, 9, 9], stat="z")
    assert any("values are stat-z, which depends on the noise" in note for note in read().notes)


def test_z_maps_are_never_subtracted(read, write_map):
    write_map([9, 9, 9], stat="z", contrast="a")
    write_map([9, 9, 9], stat="z", contrast="b")
    with pytest.raises(SourceError, match=r"contrasts.pain: is a sum, and images are stat-z: z values cannot be added"):
        read(contrasts={"pain": "a - b"})


def test_a_statistic_that_is_not_there_is_refused(read, write_map):
    write_map([1, 2, 3])
    with pytest.raises(SourceError, match=r"finds no image of stat-z; they are stat-effect"):
        read(stat="z")


# ----------------------------------------------------------------------------------------------------------------- runs


def test_several_runs_are_refused_until_a_rule_is_declared(read, write_map):
    write_map([1, 2, 3], run="1")
    write_map([3, 4, 5], run="2")
    with pytest.raises(
        SourceError, match=r"is one of 2 runs of one session, .* runs = .mean., .first., or .fixed-effects."
    ):
        read()


def test_runs_are_averaged_or_the_first_is_taken_as_declared(read, write_map):
    for run in (2, 10, 1):
        write_map([run, run + 1, run + 2], run=run)
    assert row_of(read(runs="mean")) == pytest.approx([13 / 3, 16 / 3, 19 / 3])
    assert row_of(read(runs="first")) == pytest.approx([1, 2, 3])


def test_fixed_effects_of_runs_are_those_of_nilearn(read, write_map):
    from nilearn.glm.contrasts import compute_fixed_effects

    random = np.random.default_rng(3)
    effects, variances = [], []
    for run in (1, 2, 3):
        effects.append(write_map([], run=run, volume=random.normal(2, 1, SHAPE)))
        variances.append(write_map([], run=run, stat="variance", volume=random.uniform(0.5, 2, SHAPE)))
    images = [[nibabel.load(path) for path in paths] for paths in (effects, variances)]
    mask = nibabel.Nifti1Image(np.ones(SHAPE, dtype=np.int8), images[0][0].affine)
    expected, _, _, _ = compute_fixed_effects(*images, mask, precision_weighted=True)
    taken = row_of(read(stat="effect", runs="fixed-effects"))
    means = [np.asarray(expected.dataobj)[blocks() == number].mean() for number in (1, 2, 3)]
    assert taken == pytest.approx(means, rel=1e-5)


def test_fixed_effects_without_variance_are_refused(read, write_map):
    write_map([1, 2, 3], run="1")
    write_map([3, 4, 5], run="2")
    with pytest.raises(
        SourceError, match=r"has no stat-variance beside it, which fixed-effects needs; runs = .mean., or put"
    ):
        read(runs="fixed-effects")


def test_runs_beside_the_image_of_all_runs_are_never_counted_twice(read, write_map):
    write_map([1, 2, 3])
    write_map([3, 4, 5], run="2")
    with pytest.raises(
        SourceError, match=r"has no run-, and beside it lie 1 images of .* of single runs: nobody counts twice"
    ):
        read(runs="mean")


def test_runs_on_different_grids_are_refused(read, write_map, tmp_path):
    write_map([1, 2, 3], run="1")
    other = write_map([1, 2, 3], run="2")
    save_nifti(other, np.ones((8, 6, 5)), np.diag([6.0, 6, 6, 1]) + np.eye(4, k=3) * -24)
    with pytest.raises(SourceError, match=r"lies on another grid \(8 x 6 x 5 voxels of 6 x 6 x 6 mm\) than"):
        read(runs="mean")


# ---------------------------------------------------------------------------------------------- background, mask, space


def test_what_no_data_looks_like_is_declared():
    with pytest.raises(ValueError, match="background: is missing: zeros outside the brain would count as measured"):
        spec_of(background=None)


def test_zeros_that_are_taken_as_measured_are_said(read, write_map):
    values = blocks([1, 2, 3])
    values[1, 2, 2] = 0
    write_map([], volume=values)
    table = read(background="nan")
    assert '1 file: parcels with voxels that are exactly 0, taken as measured (background = "nan")' in table.notes


def test_a_parcel_with_too_little_data_is_missing_and_named(read, write_map):
    values = blocks([1, 2, 3])
    values[1:3, 2:5, 2:5] = 0
    write_map([], volume=values)
    write_map([4, 5, 6], sub="0002")
    table = read()
    np.testing.assert_allclose(row_of(table), [np.nan, 2, 3])
    assert "not covered, hence missing: VS--ACC (1 file)" in table.notes
    assert row_of(read(min_coverage=0.3)) == pytest.approx([1, 2, 3])


def test_the_mask_beside_an_image_says_what_is_data(read, write_map):
    path = write_map([1, 2, 3], run="1")
    mask = np.ones(SHAPE, dtype=np.uint8)
    mask[:4] = 0
    save_nifti(path.with_name("sub-0001_ses-b0_task-mid_run-1_desc-brain_mask.nii.gz"), mask)
    save_nifti(path.with_name("sub-0001_ses-b0_task-mid_run-2_desc-brain_mask.nii.gz"), 1 - mask)
    assert row_of(read(mask="beside", background=None)) == pytest.approx([2, 3])


def test_an_image_without_its_mask_is_named(read, write_map):
    write_map([1, 2, 3])
    with pytest.raises(SourceError, match=r"sub-0001_.*has no _mask image with its entities beside it; background = 0"):
        read(mask="beside")


def test_one_mask_serves_all(read, write_map, tmp_path):
    write_map([1, 2, 3])
    mask = np.ones(SHAPE, dtype=np.uint8)
    mask[9:] = 0
    save_nifti(tmp_path / "group_mask.nii.gz", mask)
    assert row_of(read(mask="group_mask.nii.gz")) == pytest.approx([1, 2])


def test_an_empty_mask_is_refused(read, write_map, tmp_path):
    write_map([1, 2, 3])
    save_nifti(tmp_path / "group_mask.nii.gz", np.zeros(SHAPE, dtype=np.uint8))
    with pytest.raises(SourceError, match=r"group_mask.nii.gz: is a mask with nothing inside"):
        read(mask="group_mask.nii.gz")


def test_images_in_two_spaces_are_refused(read, write_map):
    write_map([1, 2, 3], space="MNI152NLin2009cAsym")
    write_map([1, 2, 3], sub="0002", space="T1w")
    with pytest.raises(
        SourceError, match=r"finds images in several spaces: space-MNI152NLin2009cAsym, space-T1w; narrow"
    ):
        read()


def test_an_atlas_of_another_template_is_refused_unless_the_study_says_otherwise(read, write_map, tmp_path):
    write_map([1, 2, 3], space="MNI152NLin2009cAsym")
    save_atlas(tmp_path, "tpl-MNI152NLin6Asym_dseg.nii.gz")
    options = {"atlas_image": "tpl-MNI152NLin6Asym_dseg.nii.gz"}
    with pytest.raises(SourceError, match=r"is in the space MNI152NLin2009cAsym, and the atlas .* in MNI152NLin6Asym"):
        read(**options)
    assert row_of(read(space="MNI152NLin2009cAsym", **options)) == pytest.approx([1, 2, 3])


def test_analyze_images_with_an_analyze_atlas_are_read(read, tmp_path):
    save_analyze(tmp_path / "atlas.img", blocks())
    save_analyze(tmp_path / "pet" / "0001_bp.img", blocks([1, 2, 3]))
    table = read(files="pet/{participant}_bp.*", atlas_image="atlas.hdr", timing="before")
    assert row_of(table) == pytest.approx([1, 2, 3])
    spec = spec_of(files="pet/{participant}_bp.*", atlas_image="atlas.hdr")
    names = [path.name for path in source_files(spec, data=tmp_path, features_dir=tmp_path)]
    assert names[:2] == ["0001_bp.hdr", "0001_bp.img"]


# ---------------------------------------------------------------------------------------------------------------- files


def test_images_that_say_no_session_ask_when_they_were_made(read, write_map):
    write_map([1, 2, 3], ses=None)
    with pytest.raises(SourceError, match=r"finds images whose names say no session; say when they were made: timing"):
        read()
    assert row_of(read(timing="before")) == pytest.approx([1, 2, 3])


def test_images_of_a_group_belong_to_nobody(read, write_map, tmp_path):
    write_map([1, 2, 3])
    save_nifti(tmp_path / "glm" / "contrast-winMinusNeutral_stat-effect_statmap.nii.gz", blocks([1, 2, 3]))
    with pytest.raises(SourceError, match=r"does not say whose it is: no sub- in its name; narrow the pattern"):
        read()


def test_two_images_that_something_undeclared_tells_apart_are_refused(read, write_map):
    write_map([1, 2, 3], desc="a")
    write_map([1, 2, 3], desc="b")
    with pytest.raises(
        SourceError, match=r"is one of 2 images of 'winMinusNeutral' .*they differ in desc: a, b; narrow"
    ):
        read()


def test_a_table_is_made_anew_when_any_of_its_images_changes(read, write_map, tmp_path):
    paths = [write_map([1, 2, 3], contrast=contrast, run=run) for contrast in "ab" for run in (1, 2)]
    paths += [write_map([1, 1, 1], contrast=contrast, run=run, stat="variance") for contrast in "ab" for run in (1, 2)]
    spec = spec_of(contrasts={"x": "a - b"}, stat="effect", runs="fixed-effects")
    known = set(source_files(spec, data=tmp_path, features_dir=tmp_path))
    assert {*paths, tmp_path / "atlas.nii.gz", tmp_path / "atlas.tsv"} <= known


def test_a_copied_image_under_another_name_is_refused(read, write_map):
    first = write_map([1, 2, 3])
    second = write_map([4, 5, 6], sub="0002")
    second.write_bytes(first.read_bytes())
    with pytest.raises(SourceError, match=r"are byte for byte the same file.*\[T3\]"):
        read()


def test_a_copy_is_found_among_all_images_of_a_participant(read, write_map):
    write_map([1, 2, 3], contrast="a")
    lost = write_map([4, 5, 6], contrast="b")
    write_map([7, 8, 9], sub="0002", contrast="a")
    write_map([7, 8, 8], sub="0002", contrast="b").write_bytes(lost.read_bytes())
    with pytest.raises(SourceError, match=r"sub-0001.*contrast-b.*sub-0002.*contrast-b.*byte for byte the same"):
        read(contrasts={"x": "a", "y": "b"})


def test_regions_are_kept_and_dropped_by_name(read, write_map):
    write_map([1, 2, 3])
    assert row_of(read(keep=("VS--*",))) == pytest.approx([1, 2])
    assert row_of(read(drop=("VS--*",))) == pytest.approx([3])


def test_vanished_parcels_and_labels_without_voxels_are_named_in_the_notes(read, write_map, tmp_path):
    volume = blocks()
    volume[13, 10, 8] = 4
    save_nifti(tmp_path / "atlas.nii.gz", volume)
    (tmp_path / "atlas.tsv").write_text((tmp_path / "atlas.tsv").read_text() + "4\tnucleus\n5\tnowhere\n")
    coarse = np.diag([6.0, 6, 6, 1])
    coarse[:3, 3] = [-24, -18, -12]
    save_nifti(write_map([1, 2, 3]), np.ones((8, 6, 5)), coarse)
    notes = read().notes
    assert any(
        "parcels without any voxel on the grid of the image (6 x 6 x 6 mm), hence missing: nucleus" in n for n in notes
    )
    assert any("1 labels that the image of the atlas does not hold: nowhere" in note for note in notes)


def test_a_declared_measure_and_contrast_win_over_the_names(read, write_map):
    write_map([1, 2, 3])
    features = read(measure="percent signal change", contrast="emotional faces").features
    assert set(features["measure"]) == {"percent signal change"}
    assert set(features["contrast"]) == {"emotion"}
