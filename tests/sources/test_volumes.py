"""Images as they lie on disk: what is read, and what each kind of broken file is told to be."""

import gzip
from pathlib import Path

import nibabel
import numpy as np
import pytest
from made_volumes import SHAPE, blocks, save_analyze, save_nifti

from workbench.errors import SourceError
from workbench.sources.files.volumes import halves, read_volume


def test_numbers_are_scaled_as_the_header_says(tmp_path):
    image = nibabel.Nifti1Image(np.ones(SHAPE, dtype=np.int16), np.eye(4))
    image.header.set_slope_inter(0.25, 1)
    nibabel.save(image, tmp_path / "map.nii")
    assert read_volume(tmp_path / "map.nii", "map.nii").values.max() == 1.25


def test_a_last_axis_of_one_volume_is_dropped(tmp_path):
    save_nifti(tmp_path / "map.nii.gz", np.ones((*SHAPE, 1)))
    assert read_volume(tmp_path / "map.nii.gz", "map").values.shape == SHAPE


def test_several_volumes_in_one_file_are_refused(tmp_path):
    save_nifti(tmp_path / "map.nii.gz", np.ones((*SHAPE, 3)))
    with pytest.raises(SourceError, match=r"map: holds several volumes \(16 x 12 x 10 x 3\); one volume for each"):
        read_volume(tmp_path / "map.nii.gz", "map")


def test_either_half_of_an_analyze_image_stands_for_both(tmp_path):
    save_analyze(tmp_path / "map.img", blocks([1, 2, 3]))
    header, voxels = (read_volume(tmp_path / f"map.{half}", "map") for half in ("hdr", "img"))
    np.testing.assert_array_equal(header.values, voxels.values)
    assert not header.grid.placed
    assert [path.name for path in halves(tmp_path / "map.hdr")] == ["map.hdr", "map.img"]


def test_an_analyze_image_without_its_other_half_is_named(tmp_path):
    save_analyze(tmp_path / "map.img", blocks([1, 2, 3]))
    (tmp_path / "map.img").unlink()
    with pytest.raises(SourceError, match=r"map.img: there is no such file"):
        read_volume(tmp_path / "map.hdr", "map.hdr")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"is empty \(0 bytes\); fetch it with `datalad get"),
        (b"../../.git/annex/objects/Xx/Yy/MD5E-s12--0", "was not fetched: it is only a DataLad pointer"),
        (b"region\tvalue\n" * 200, r"is no image that can be read \(.*\); NIfTI \(.nii, .nii.gz\) or Analyze"),
        (gzip.compress(b"no image" * 99, mtime=0), "is no image that can be read"),
    ],
)
def test_a_file_that_is_no_image_is_told_what_it_is(tmp_path, content, message):
    (tmp_path / "map.nii.gz").write_bytes(content)
    with pytest.raises(SourceError, match=message):
        read_volume(tmp_path / "map.nii.gz", "map.nii.gz")


@pytest.mark.parametrize("name", ["map.nii", "map.nii.gz"])
def test_an_image_that_was_cut_short_is_named(tmp_path, name):
    path = save_nifti(tmp_path / name, np.random.default_rng(0).normal(size=SHAPE))
    path.write_bytes(path.read_bytes()[:-4000])
    with pytest.raises(SourceError, match=rf"{name}: is cut short( or damaged)?: "):
        read_volume(path, name)


def test_a_surface_is_refused_as_no_volume(tmp_path):
    coordinates = nibabel.gifti.GiftiDataArray(np.zeros((4, 3), dtype=np.float32))
    nibabel.save(nibabel.gifti.GiftiImage(darrays=[coordinates]), tmp_path / "map.gii")
    with pytest.raises(SourceError, match=r"is not a volume; .* write surfaces and CIFTI as tables"):
        read_volume(tmp_path / "map.gii", "map.gii")


def test_a_missing_image_is_named_with_its_folder(tmp_path):
    with pytest.raises(SourceError, match=r"map.nii: there is no such file in"):
        read_volume(Path(tmp_path / "map.nii"), "map.nii")
