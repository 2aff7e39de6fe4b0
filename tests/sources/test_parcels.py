"""Means of parcels: against nilearn, and against values that are known because they were put there."""

import warnings
from pathlib import Path

import nibabel
import numpy as np
import pytest
from made_volumes import AFFINE, BLOCKS, SHAPE, blocks, save_analyze, save_atlas, save_nifti

from workbench.errors import SourceError
from workbench.sources.atlas.parcels import (
    Parcellation,
    on_grid,
    parcel_means,
    read_parcellation,
    refuse_other_space,
)
from workbench.sources.files.volumes import read_volume


@pytest.fixture
def atlas(tmp_path: Path) -> Parcellation:
    return parcellation(*save_atlas(tmp_path))


def parcellation(image: Path, labels: Path) -> Parcellation:
    return read_parcellation(image, labels, image_label=image.name, labels_label=labels.name)


def means_of(path: Path, atlas: Parcellation, **options):
    return parcel_means(read_volume(path, path.name), atlas, **{"background": "nan"} | options)


GRIDS = {
    "the grid of the atlas": (SHAPE, AFFINE),
    "4 mm": ((12, 9, 8), np.array([[4.0, 0, 0, -24], [0, 4, 0, -18], [0, 0, 4, -12], [0, 0, 0, 1]])),
    "axis from right to left": (
        (20, 15, 12),
        np.array([[-2.5, 0, 0, 24], [0, 2.5, 0, -18], [0, 0, 2.5, -12], [0, 0, 0, 1]]),
    ),
    "oblique": ((18, 14, 11), np.array([[3, 0.3, 0, -25], [-0.3, 3, 0.1, -17], [0, 0.1, 3, -12], [0, 0, 0, 1]])),
}


@pytest.mark.parametrize("grid", GRIDS)
def test_means_are_those_of_nilearn_on_every_grid(tmp_path, atlas, grid):
    from nilearn.maskers import NiftiLabelsMasker

    shape, affine = GRIDS[grid]
    image = save_nifti(tmp_path / "map.nii.gz", np.random.default_rng(1).normal(5, 1, shape), np.array(affine))
    masker = NiftiLabelsMasker(tmp_path / "atlas.nii.gz", strategy="mean", standardize=None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = masker.fit_transform(image)
    assert expected.shape == (3,)
    np.testing.assert_allclose(means_of(image, atlas).means, expected, rtol=1e-6)


def test_left_stays_left_where_the_axes_of_image_and_atlas_run_opposite_ways(tmp_path, atlas):
    flipped = AFFINE @ np.array([[-1.0, 0, 0, SHAPE[0] - 1], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    image = save_nifti(tmp_path / "map.nii", blocks([1, 2, 3])[::-1], flipped)
    np.testing.assert_allclose(means_of(image, atlas).means, [1, 2, 3])


def test_zeros_outside_the_mask_of_a_program_do_not_dilute_a_parcel(tmp_path, atlas):
    values = blocks([2.0, 4.0, 6.0])
    values[1:3, 2:5, 2:5] = 0  # 18 of the 27 voxels of the first block
    image = save_nifti(tmp_path / "map.nii.gz", values)
    taken = means_of(image, atlas, background=0)
    np.testing.assert_allclose(taken.means, [2, 4, 6])
    np.testing.assert_allclose(taken.coverage, [1 / 3, 1, 1])
    diluted = means_of(image, atlas, background="nan")
    assert diluted.means[0] == pytest.approx(2 / 3)
    assert diluted.n_zeros.tolist() == [18, 0, 0]


def test_a_mask_says_what_is_data_and_leaves_true_zeros_alone(tmp_path, atlas):
    values = blocks([2.0, 4.0, 6.0])
    values[1, 2, 2] = 0  # inside the mask: measured, and zero
    mask = np.ones(SHAPE, dtype=np.uint8)
    mask[4:6] = 0
    image = save_nifti(tmp_path / "map.nii.gz", values)
    taken = means_of(image, atlas, mask=mask)
    np.testing.assert_allclose(taken.means, [26 * 2 / 27, 4, 6])
    np.testing.assert_allclose(taken.coverage, [1, 1 / 3, 1])


def test_nan_and_infinite_voxels_are_no_data_and_a_parcel_of_them_is_missing(tmp_path, atlas):
    values = blocks([2.0, 4.0, np.nan])
    values[1, 2, 2], values[4, 2, 2] = np.nan, np.inf
    taken = means_of(save_nifti(tmp_path / "map.nii.gz", values), atlas)
    np.testing.assert_allclose(taken.means, [2, 4, np.nan])
    np.testing.assert_allclose(taken.coverage, [26 / 27, 26 / 27, 0])
    assert taken.n_infinite == 1


def test_a_parcel_that_vanishes_between_the_voxels_of_a_coarse_grid_is_named(tmp_path):
    values = blocks()
    values[13, 10, 8] = 4
    save_atlas(tmp_path)
    save_nifti(tmp_path / "atlas.nii.gz", values)
    (tmp_path / "atlas.tsv").write_text((tmp_path / "atlas.tsv").read_text() + "4\tnucleus\n5\tnowhere\n")
    atlas = parcellation(tmp_path / "atlas.nii.gz", tmp_path / "atlas.tsv")
    coarse = np.array([[6.0, 0, 0, -24], [0, 6, 0, -18], [0, 0, 6, -12], [0, 0, 0, 1]])
    image = read_volume(save_nifti(tmp_path / "map.nii", np.ones((8, 6, 5)), coarse), "map.nii")
    assert atlas.absent == ("nowhere",)
    assert atlas.vanished(image.grid, "map.nii") == ("nucleus",)
    taken = parcel_means(image, atlas, background="nan")
    assert np.isnan(taken.means[3])
    assert taken.coverage[3] == 0


def test_many_images_on_one_grid_lay_the_atlas_over_it_once(tmp_path, atlas, monkeypatch):
    image = save_nifti(tmp_path / "map.nii", np.ones((8, 6, 5)), np.diag([6.0, 6, 6, 1]) + np.eye(4, k=3) * -24)
    parcels = [atlas.on(read_volume(image, "map.nii").grid, "map.nii") for _ in range(3)]
    assert parcels[0] is parcels[1] is parcels[2]


def test_an_atlas_is_read_again_only_when_its_files_change(tmp_path):
    image, labels = save_atlas(tmp_path)
    first = parcellation(image, labels)
    assert parcellation(image, labels) is first
    labels.write_text(labels.read_text().replace("VS--ACC", "NAcc"))
    assert parcellation(image, labels).names[0] == "NAcc"


def test_an_image_that_holds_no_parcel_is_refused(tmp_path, atlas):
    away = AFFINE.copy()
    away[:3, 3] = 500
    image = save_nifti(tmp_path / "map.nii", np.ones(SHAPE), away)
    with pytest.raises(
        SourceError, match=r"map.nii: no parcel of atlas.nii.gz lies in it \(16 x 12 x 10 voxels of 3 x 3"
    ):
        means_of(image, atlas)


def test_an_image_without_place_is_never_laid_over_an_atlas_with_one(tmp_path, atlas):
    image = save_analyze(tmp_path / "map.img", blocks([1, 2, 3]))
    with pytest.raises(
        SourceError, match=r"map.img: does not say where its voxels lie.*left and right would be a guess"
    ):
        means_of(image, atlas)


def test_two_analyze_images_on_one_grid_meet_voxel_by_voxel(tmp_path):
    _, labels = save_atlas(tmp_path)
    atlas = parcellation(save_analyze(tmp_path / "atlas.img", blocks()), labels)
    image = save_analyze(tmp_path / "map.img", blocks([1, 2, 3]))
    np.testing.assert_allclose(means_of(image, atlas).means, [1, 2, 3])


def test_a_nifti_header_without_codes_says_no_place(tmp_path, atlas):
    image = save_nifti(tmp_path / "map.nii", np.ones((8, 6, 5)), code=0)
    with pytest.raises(SourceError, match="does not say where its voxels lie"):
        means_of(image, atlas)


def test_numbers_that_no_label_names_are_refused(tmp_path):
    image, labels = save_atlas(tmp_path)
    labels.write_text("index\tname\n1\tVS\n2\tACC\n")
    with pytest.raises(SourceError, match=r"atlas.nii.gz: holds 3, which atlas.tsv does not name"):
        parcellation(image, labels)


def test_an_atlas_of_fractions_is_refused(tmp_path):
    image, labels = save_atlas(tmp_path)
    save_nifti(image, blocks([0.5, 1, 2]))
    with pytest.raises(SourceError, match="holds values that are not whole numbers"):
        parcellation(image, labels)


@pytest.mark.parametrize("large", [3 + 2.0**32, -3e38, 3e38])
@pytest.mark.parametrize("code", [0, 4], ids=["no place", "a place"])
@pytest.mark.filterwarnings("error")
def test_a_number_beyond_32_bits_does_not_become_that_of_another_parcel(tmp_path, code, large):
    _, labels = save_atlas(tmp_path)
    image = save_nifti(tmp_path / "large.nii.gz", blocks([1, 2, large]), code=code)
    with pytest.raises(SourceError, match=r"large.nii.gz: holds values .* of more than 32 bits"):
        parcellation(image, labels)


def test_a_whole_number_that_would_wrap_round_to_a_parcel_is_refused(tmp_path):
    _, labels = save_atlas(tmp_path)
    values = blocks().astype(np.int64)
    values[values == 3] += 2**32
    image = nibabel.Nifti1Image(values, None, dtype="int64")
    nibabel.save(image, tmp_path / "wraps.nii.gz")
    with pytest.raises(SourceError, match=r"wraps.nii.gz: holds values .* of more than 32 bits"):
        parcellation(tmp_path / "wraps.nii.gz", labels)


@pytest.mark.parametrize(
    ("spaces", "space", "message"),
    [
        (("MNI152NLin2009cAsym", "T1w"), "", r"finds images in several spaces \(MNI152NLin2009cAsym, T1w\)"),
        (
            ("MNI152NLin2009cAsym", ""),
            "MNI152NLin6Asym",
            r"in the space MNI152NLin2009cAsym, and the atlas .* in MNI152NLin6",
        ),
        (("T1w",), "MNI152", r"in the space T1w, and the atlas .* in MNI152;.*write space = .T1w."),
    ],
)
def test_images_and_atlas_of_different_templates_are_refused(atlas, spaces, space, message):
    other = Parcellation(atlas.names, atlas.index, atlas.volume, space)
    with pytest.raises(SourceError, match=message):
        refuse_other_space(spaces, other, "files")


def test_a_header_that_says_only_mni_does_not_contradict_a_template_of_that_family(atlas):
    assert atlas.space == "MNI152"
    refuse_other_space(("MNI152NLin2009cAsym",), atlas, "files")


def test_a_mask_on_another_grid_is_taken_by_the_nearest_voxel(tmp_path, atlas):
    fine = AFFINE @ np.diag([0.5, 0.5, 0.5, 1])
    image = save_nifti(tmp_path / "mask.nii", np.repeat(np.repeat(np.repeat(blocks(), 2, 0), 2, 1), 2, 2), fine)
    np.testing.assert_array_equal(on_grid(read_volume(image, "mask"), atlas.volume.grid, "map"), blocks())
    assert set(BLOCKS) == set(atlas.names)


def weights_of(*scales: float) -> np.ndarray:
    """One volume for each block, with its scale inside."""
    return np.stack([(blocks() == number) * scale for number, scale in enumerate(scales, 1)], axis=-1)


def test_maps_of_probabilities_give_means_weighted_by_each_map(tmp_path):
    _, labels = save_atlas(tmp_path)
    weights = weights_of(1.0, 0.5, 0.25)
    weights[1, 2, 2, 0] = 3.0  # one voxel of the first block counts three times
    atlas = parcellation(save_nifti(tmp_path / "probseg.nii.gz", weights), labels)
    values = blocks([2, 4, 6])
    values[1, 2, 2] = 10
    taken = means_of(save_nifti(tmp_path / "map.nii", values), atlas)
    np.testing.assert_allclose(taken.means, [(26 * 2 + 3 * 10) / 29, 4, 6])
    np.testing.assert_allclose(taken.coverage, 1)


def test_coverage_of_a_map_of_probabilities_is_the_share_of_its_weight(tmp_path):
    _, labels = save_atlas(tmp_path)
    weights = weights_of(1.0, 0.5, 0.25)
    weights[1, 2, 2, 0] = 3.0
    atlas = parcellation(save_nifti(tmp_path / "probseg.nii.gz", weights), labels)
    values = blocks([2, 4, 6])
    values[1, 2, 2] = 0
    taken = means_of(save_nifti(tmp_path / "map.nii", values), atlas, background=0)
    np.testing.assert_allclose(taken.means, [2, 4, 6])
    np.testing.assert_allclose(taken.coverage, [26 / 29, 1, 1])


def test_maps_of_ones_give_the_means_of_their_labels_on_another_grid(tmp_path):
    """The values are constant across the edge of a block, where linear interpolation and the nearest voxel differ."""
    image, labels = save_atlas(tmp_path)
    of_labels = parcellation(image, labels)
    of_maps = parcellation(save_nifti(tmp_path / "probseg.nii.gz", weights_of(1.0, 1.0, 1.0)), labels)
    shape, affine = GRIDS["axis from right to left"]
    x = affine[0, 0] * np.arange(shape[0]) + affine[0, 3]
    values = np.broadcast_to(np.where(x < 0, 1.0, 7.0)[:, None, None], shape).copy()
    volume = save_nifti(tmp_path / "map.nii", values, affine)
    np.testing.assert_allclose(means_of(volume, of_maps).means, means_of(volume, of_labels).means)


def test_a_map_for_which_the_table_has_no_name_is_refused(tmp_path):
    _, labels = save_atlas(tmp_path)
    labels.write_text("index\tname\n1\tVS\n2\tACC\n")
    with pytest.raises(SourceError, match=r"holds 3, which atlas.tsv does not name"):
        parcellation(save_nifti(tmp_path / "probseg.nii.gz", weights_of(1.0, 1.0, 1.0)), labels)
