"""Where candidates lie in the brain: coordinates of the study, pictures of them, images that other programs open."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from workbench.errors import SourceError, StoreError
from workbench.export import effect_images, read_run, write_run
from workbench.figures import PICTURES, draw_picture
from workbench.results.biomarkers import COLUMNS
from workbench.results.places import PLACES, with_places
from workbench.sources.atlas.coordinates import read_places
from workbench.specs.maps_source import MapsSource

CENTRES = {1: (-10.0, 12.0, -8.0), 2: (10.0, 12.0, -8.0), 3: (0.0, 52.0, 4.0)}
NAMES = {1: "VS_L", 2: "VS_R", 3: "mPFC"}


@pytest.fixture
def atlas(tmp_path):
    """Three parcels of 27 voxels of 2 mm, each with its centre where `CENTRES` says."""
    import nibabel

    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = (-90, -126, -72)
    values = np.zeros((91, 109, 91), dtype=np.int16)
    for number, centre in CENTRES.items():
        i, j, k = (int(at) for at in np.linalg.inv(affine)[:3] @ [*centre, 1])
        values[i - 1 : i + 2, j - 1 : j + 2, k - 1 : k + 2] = number
    nibabel.save(nibabel.Nifti1Image(values, affine), tmp_path / "atlas.nii.gz")
    lines = [f"{number}\t{name}" for number, name in NAMES.items()]
    (tmp_path / "atlas.tsv").write_text("index\tname\n" + "\n".join(lines) + "\n")
    return tmp_path / "atlas.nii.gz", tmp_path / "atlas.tsv"


def source(atlas):
    return MapsSource.model_validate(
        {
            "reader": "maps",
            "modality": "task",
            "files": "sub-*.nii.gz",
            "atlas_image": atlas[0].name,
            "atlas_labels": atlas[1].name,
            "background": 0,
            "timing": "before",
        }
    )


def feature(name, source, first, second="", effect=1.0, contrast=""):
    return {
        **dict.fromkeys(("modality", "session", "circuit", "tracer", "measure", "unit", "atlas", "tag"), ""),
        "name": name,
        "feature": name.partition(":")[2],
        "source": source,
        "region_a": first,
        "region_b": second,
        "contrast": contrast,
        "effect": effect,
        "effect_low": effect - 1,
        "effect_high": effect + 1,
    }


ROWS = [
    feature("task:VS_L", "task", "VS_L", effect=2.0, contrast="reward > no reward"),
    feature("task:mPFC", "task", "mPFC", effect=-1.25, contrast="reward > no reward"),
    feature("conn:VS_L--mPFC", "conn", "VS_L", "mPFC", effect=1.5),
    feature("conn:VS_R--mPFC", "conn", "VS_R", "mPFC", effect=-0.5),
    feature("conn:VS_R--unknown", "conn", "VS_R", "unknown"),
]
PLACED = {"task": {NAMES[at].casefold(): CENTRES[at] for at in CENTRES}}
PLACED["conn"] = PLACED["task"]


@pytest.fixture
def placed(shown_result):
    features = with_places(pd.DataFrame(ROWS), PLACED)
    rows = features.assign(level="feature", feature=features["name"], q_value=0.01, sentence="it is")
    return replace(shown_result, features=features, biomarkers=rows.reindex(columns=list(COLUMNS)))


def test_coordinates_are_those_of_the_atlas_image_of_a_source(atlas):
    places = read_places({"task": source(atlas)}, features_dir=atlas[0].parent, data=atlas[0].parent)
    assert set(places["task"]) == {"vs_l", "vs_r", "mpfc"}
    for number, centre in CENTRES.items():
        assert places["task"][NAMES[number].casefold()] == pytest.approx(centre, abs=1e-9)


def test_a_table_of_the_study_says_where_the_regions_of_other_sources_lie(atlas, tmp_path):
    (tmp_path / "coordinates.tsv").write_text("name\tx\ty\tz\nPCC\t0\t-50\t28\nmPFC\t1\t2\t3\n")
    other = source(atlas).model_copy(update={"atlas_image": "nowhere.nii"})
    places = read_places({"task": source(atlas), "conn": other}, features_dir=tmp_path, data=tmp_path)
    assert places["conn"] == {"pcc": (0.0, -50.0, 28.0), "mpfc": (1.0, 2.0, 3.0)}
    assert places["task"]["mpfc"] == pytest.approx(CENTRES[3])
    assert places["task"]["pcc"] == (0.0, -50.0, 28.0)


def test_a_table_without_coordinates_is_refused(tmp_path):
    (tmp_path / "coordinates.tsv").write_text("index\tname\n1\tPCC\n")
    with pytest.raises(SourceError, match=r"coordinates\.tsv: has no coordinates; columns name, x, y and z, in mm"):
        read_places({}, features_dir=tmp_path, data=tmp_path)


def test_both_ends_of_a_connection_have_columns_of_their_own():
    table = with_places(pd.DataFrame(ROWS), PLACED).set_index("name")
    assert table.loc["conn:VS_L--mPFC", list(PLACES)].tolist() == [*CENTRES[1], *CENTRES[3]]
    assert table.loc["task:VS_L", ["x", "y", "z"]].tolist() == list(CENTRES[1])
    assert table.loc["task:VS_L", ["x_b", "y_b", "z_b"]].isna().all()
    assert table.loc["conn:VS_R--unknown", ["x_b", "y_b", "z_b"]].isna().all()
    assert with_places(pd.DataFrame(ROWS), {})[list(PLACES)].isna().all(axis=None)


def test_coordinates_are_written_and_read_back(placed, tmp_path):
    write_run(placed, tmp_path)
    again = read_run(tmp_path)
    for written, read in ((placed.features, again.features), (placed.biomarkers, again.biomarkers)):
        assert np.array_equal(written[list(PLACES)], read[list(PLACES)], equal_nan=True)


@pytest.mark.parametrize("name", ["brain", "connectome", "chord", "network_matrix"])
def test_candidates_are_drawn_where_they_lie(name, placed, tmp_path):
    written = draw_picture(name, result=placed, folder=tmp_path)
    assert {path.name for path in written} == {
        f"{name}{theme}.{kind}" for theme in ("", "-dark") for kind in ("png", "svg")
    }
    alt = PICTURES[name](placed).alt
    assert ("VS_L to mPFC" in alt) == (name != "brain")
    if name == "brain":
        assert "VS_L +2 points per SD" in alt
        assert "mPFC -1.2 points per SD" in alt or "mPFC -1.3 points per SD" in alt


@pytest.mark.parametrize("name", ["brain", "connectome", "chord", "network_matrix"])
def test_nothing_is_drawn_of_a_run_that_does_not_predict_or_knows_no_place(name, placed, null_result, shown_result):
    assert PICTURES[name](replace(placed, claim=null_result.claim)) is None
    assert PICTURES[name](replace(placed, claim=replace(placed.claim, verdict="not tested"))) is None
    assert PICTURES[name](shown_result) is None


def test_drawing_a_glass_brain_does_not_import_all_of_nilearn(placed):
    import sys

    if "nilearn" in sys.modules:
        pytest.skip("another test has imported nilearn")
    PICTURES["brain"](placed)
    assert "nilearn" not in sys.modules


def test_images_of_effects_open_in_nilearn_and_their_labels_in_pandas(placed, atlas, tmp_path):
    from nilearn.image import load_img

    made = effect_images(placed, {"task": atlas})
    assert sorted(made) == ["images/task_reward-no-reward_effect.nii.gz", "images/task_reward-no-reward_effect.tsv"]
    for name, content in made.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    image, labels = load_img(tmp_path / min(made)), load_img(atlas[0])
    assert np.array_equal(image.affine, labels.affine)
    values, parcels = image.get_fdata(), labels.get_fdata()
    assert set(np.unique(values[parcels == 1])) == {2.0}
    assert set(np.unique(values[parcels == 3])) == {-1.25}
    assert not values[(parcels != 1) & (parcels != 3)].any()
    table = pd.read_csv(tmp_path / max(made), sep="\t")
    assert table[["index", "name", "effect"]].to_numpy().tolist() == [[1, "VS_L", 2.0], [3, "mPFC", -1.25]]
    assert table.loc[0, ["x", "y", "z"]].tolist() == list(CENTRES[1])
    assert effect_images(placed, {"task": atlas}) == made


def test_no_image_is_made_of_a_run_that_does_not_predict_and_a_missing_atlas_is_named(placed, null_result, atlas):
    assert effect_images(replace(placed, claim=null_result.claim), {"task": atlas}) == {}
    gone = (atlas[0].with_name("gone.nii"), atlas[1])
    with pytest.raises(StoreError, match=r"gone\.nii: there is no such file; the atlas must lie where the study says"):
        effect_images(placed, {"task": gone})
