import nibabel
import numpy as np
import pytest

from workbench.errors import SourceError
from workbench.knowledge.vocabulary import published
from workbench.sources.atlas.atlas_files import read_atlas

AFFINE = np.array([[-2.0, 0, 0, 90], [0, 2, 0, -126], [0, 0, 2, -72], [0, 0, 0, 1]])
"""2 mm, x runs from right to left, as in MNI152 of FSL."""

LABELS = "index\tlabel\tnetwork_label\n0\tbackground\tn/a\n3\tLH_Limbic_OFC_1\tLimbic\n8\tRH-NAC\tn/a\n9\tLH-NAC\tn/a\n"


def save(path, values, affine=AFFINE, *, mni=False):
    image = nibabel.Nifti1Image(values, affine)
    image.header.set_sform(affine, code=4 if mni else 2)
    image.header.set_qform(affine, code=4 if mni else 2)
    nibabel.save(image, path)
    return path


@pytest.fixture
def labels(tmp_path):
    path = tmp_path / "labels.tsv"
    path.write_text(LABELS)
    return path


@pytest.fixture
def values():
    """A box left of the midline, and one voxel right of it."""
    values = np.zeros((91, 109, 91), dtype=np.int16)
    values[60:63, 80:82, 30] = 3  # x = 90 - 2 * 61 = -32
    values[40, 70, 33] = 8  # x = 90 - 2 * 40 = 10
    return values


def test_centres_are_the_mean_position_of_the_voxels_in_mm(tmp_path, labels, values):
    atlas = read_atlas(labels, save(tmp_path / "atlas.nii.gz", values), name="4S456Parcels")
    assert atlas.labels == ("LH_Limbic_OFC_1", "RH-NAC")
    assert atlas.index == (3, 8)
    assert atlas.networks == ("Limbic", "")
    np.testing.assert_allclose(atlas.coordinates, [[-32, 35, -12], [10, 14, -6]], atol=1e-9)
    assert atlas.absent == ("LH-NAC",)
    assert atlas.source == "labels.tsv; centres computed from atlas.nii.gz"
    assert len(atlas) == 2


def test_the_labels_of_an_atlas_are_resolved_with_its_name(tmp_path, labels, values):
    atlas = read_atlas(labels, save(tmp_path / "atlas.nii.gz", values), name="4S456Parcels")
    assert [(region.hemisphere, region.region, region.circuit) for region in atlas.regions()] == [
        ("left", "OFC", "reward"),
        ("right", "ventral striatum", "reward"),
    ]
    (tmp_path / "regions.toml").write_text('[regions.OFC]\ncircuit = "affective"\n')
    own = published().with_own(tmp_path / "regions.toml")
    assert atlas.regions(own)[0].circuit == "affective"


def test_a_label_that_is_ambiguous_alone_is_clear_among_those_of_its_atlas(tmp_path):
    path = tmp_path / "labels.txt"
    path.write_text("aGP-rh\npGP-rh\naPUT-rh\nodd\npCAU-rh\n" + "\n".join(f"THA-{n}-rh" for n in "ABCDEF"))
    regions = read_atlas(path).regions()
    assert regions[1].region == "pallidum"
    assert regions[3] is None


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.float32, np.float64])
def test_the_type_of_the_numbers_in_the_image_changes_nothing(tmp_path, labels, values, dtype):
    atlas = read_atlas(labels, save(tmp_path / "atlas.nii.gz", values.astype(dtype)))
    np.testing.assert_allclose(atlas.coordinates[1], [10, 14, -6], atol=1e-9)


def test_the_orientation_of_the_image_changes_nothing(tmp_path, labels, values):
    flipped = AFFINE @ np.array([[-1.0, 0, 0, 90], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    one = read_atlas(labels, save(tmp_path / "las.nii.gz", values))
    other = read_atlas(labels, save(tmp_path / "ras.nii.gz", values[::-1], flipped))
    np.testing.assert_allclose(one.coordinates, other.coordinates, atol=1e-9)


def test_numbers_as_large_as_freesurfer_s_cost_no_memory(tmp_path):
    (tmp_path / "lut.txt").write_text("3 Left-A 1 1 1 0\n14175 Left-B 1 1 1 0\n2000000000 Left-C 1 1 1 0\n")
    values = np.zeros((91, 4, 4), dtype=np.int32)
    values[60, 1, 1], values[70, 2, 2] = 14175, 2_000_000_000
    atlas = read_atlas(tmp_path / "lut.txt", save(tmp_path / "seg.nii.gz", values))
    assert atlas.index == (14175, 2_000_000_000)


def test_maps_of_probabilities_are_weighted(tmp_path):
    (tmp_path / "difumo.csv").write_text(
        "Component,Difumo_names,Yeo_networks7\n1,Caudate,No network found\n2,Insula,SalVentAttnA\n"
    )
    maps = np.zeros((91, 109, 91, 2), dtype=np.float32)
    maps[40, 70, 33, 0], maps[50, 70, 33, 0] = 3, 1
    maps[45, 60, 40, 1], maps[0, 0, 0, 1] = 2, -5  # what is negative weighs nothing
    atlas = read_atlas(tmp_path / "difumo.csv", save(tmp_path / "maps.nii.gz", maps))
    np.testing.assert_allclose(atlas.coordinates, [[5, 14, -6], [0, -6, 8]], atol=1e-6)
    assert atlas.networks == ("No network found", "SalVentAttnA")


def test_the_space_is_that_of_the_file_name_else_of_the_header_else_unknown(tmp_path, labels, values):
    assert read_atlas(labels, save(tmp_path / "atlas.nii.gz", values)).space == ""
    assert read_atlas(labels, save(tmp_path / "a.nii.gz", values, mni=True)).space == "MNI152"
    named = save(tmp_path / "tpl-MNI152NLin2009cAsym_atlas-x_dseg.nii.gz", values, mni=True)
    assert read_atlas(labels, named).space == "MNI152NLin2009cAsym"


def test_a_table_without_image_has_its_own_coordinates_or_none(tmp_path, labels):
    assert read_atlas(labels).coordinates is None
    (tmp_path / "centres.csv").write_text("ROI Label,ROI Name,R,A,S\n1,LH_Vis_1,-26,-34,-18\n2,RH_Vis_1,28,-36,-14\n")
    atlas = read_atlas(tmp_path / "centres.csv")
    np.testing.assert_array_equal(atlas.coordinates, [[-26, -34, -18], [28, -36, -14]])
    assert atlas.source == "centres.csv"


# ------------------------------------------------------------------------------------------------------ what is refused


def test_a_flipped_image_is_noticed_by_its_hemispheres(tmp_path, labels, values):
    with pytest.raises(SourceError, match=r"other side: LH_Limbic_OFC_1 \(x = 32 mm\)"):
        read_atlas(labels, save(tmp_path / "atlas.nii.gz", values[::-1]))


def test_regions_of_the_midline_may_reach_across_it(tmp_path):
    (tmp_path / "labels.txt").write_text("Cingulate_Ant_L\n")
    values = np.zeros((91, 109, 91), dtype=np.uint8)
    values[44, 80, 40] = 1  # x = 2
    assert read_atlas(tmp_path / "labels.txt", save(tmp_path / "a.nii.gz", values)).coordinates[0, 0] == 2


def test_a_table_of_another_atlas_is_noticed_by_its_numbers(tmp_path, labels, values):
    values[0, 0, 0] = 77
    with pytest.raises(SourceError, match=r"atlas.nii.gz: holds 77, which labels.tsv does not name"):
        read_atlas(labels, save(tmp_path / "atlas.nii.gz", values))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda values: values + 0.5 * (values > 0), "not whole numbers above 0"),
        (lambda values: -values, "not whole numbers above 0"),
        (lambda values: np.where(values > 0, np.nan, 0), "not whole numbers above 0"),
        (lambda values: 1e30 * values, "not whole numbers above 0"),
        (lambda values: 0 * values, "holds nothing but 0"),
        (lambda values: np.zeros((4, 4, 4, 2)), "holds nothing above 0"),
        (lambda values: np.zeros((4, 4)), "has 2 dimensions"),
    ],
)
def test_an_image_without_labels_is_refused(tmp_path, labels, values, change, message):
    path = save(tmp_path / "atlas.nii.gz", change(values).astype(np.float32))
    with pytest.raises(SourceError, match=message):
        read_atlas(labels, path)


def test_what_is_no_volume_is_refused(tmp_path, labels):
    with pytest.raises(SourceError, match="there is no such file"):
        read_atlas(labels, tmp_path / "atlas.nii.gz")
    (tmp_path / "text.nii").write_text("not an image")
    with pytest.raises(SourceError, match="is no image that can be read"):
        read_atlas(labels, tmp_path / "text.nii")
    surface = nibabel.gifti.GiftiImage(darrays=[nibabel.gifti.GiftiDataArray(np.zeros(4, dtype=np.float32))])
    nibabel.save(surface, tmp_path / "lh.label.gii")
    with pytest.raises(SourceError, match="is not a NIfTI volume"):
        read_atlas(labels, tmp_path / "lh.label.gii")
    axis = nibabel.cifti2.ScalarAxis(["a"])
    brain = nibabel.cifti2.BrainModelAxis.from_mask(np.ones((2, 2, 2), dtype=bool), affine=AFFINE, name="thalamus_left")
    nibabel.save(nibabel.Cifti2Image(np.ones((1, 8), dtype=np.float32), (axis, brain)), tmp_path / "a.dscalar.nii")
    with pytest.raises(SourceError, match="is not a NIfTI volume"):
        read_atlas(labels, tmp_path / "a.dscalar.nii")
