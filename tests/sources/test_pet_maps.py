"""Parametric maps of PET (mimap) with an atlas: the reader of maps, with what a PET source says of its features."""

from typing import Any

import numpy as np
import pytest
from made_volumes import blocks, save_atlas, save_nifti

from workbench.errors import SourceError
from workbench.sources import read_source
from workbench.specs.readers import READERS

FOLDER = "petsurfer/sub-{0}/ses-b0/pet/"
NAME = FOLDER + "sub-{0}_ses-b0_trc-az_space-MNI152NLin2009cAsym_desc-sm6_model-{1}_meas-{2}_mimap.nii.gz"
REGIONS = ["VS--ACC", "VS--PCC", "ACC--PCC"]


@pytest.fixture
def read(tmp_path, cohort):
    def read_maps(**changes: Any):
        declared = {
            "modality": "pet",
            "reader": "maps",
            "files": "petsurfer/**/*_meas-BPND_mimap.nii.gz",
            "atlas_image": "atlas.nii.gz",
            "atlas_labels": "atlas.tsv",
            "background": 0,
            "space": "MNI152NLin2009cAsym",
            "tracer": "[11C]AZ10419369",
            "measure": "BPND",
            "unit": "ratio",
            "reference": "Cerebellum",
            "window_min": (0.0, 93.0),
        }
        spec = READERS["maps"].model_validate({k: v for k, v in (declared | changes).items() if v is not None})
        return read_source("pet", spec, cohort, data=tmp_path, features_dir=tmp_path / "features")

    return read_maps


@pytest.fixture
def write_map(tmp_path):
    def write(person: str, model: str, measure: str, values: list[float]) -> None:
        path = tmp_path / NAME.format(person, model, measure)
        path.parent.mkdir(parents=True, exist_ok=True)
        save_nifti(path, blocks(values))

    save_atlas(tmp_path)
    return write


def test_petsurfer_km_maps_synthetic_give_the_mean_of_each_parcel_with_tracer_and_reference(read, write_map):
    write_map("0001", "MRTM2", "BPND", [1.5, 0.4, 0.2])
    write_map("0002", "MRTM2", "BPND", [1.7, 0.5, 0.3])
    write_map("0002", "MA1", "VT", [3.0, 4.0, 5.0])
    table = read()
    assert table.rows.to_numpy().tolist() == [["sub-0001", "ses-b0"], ["sub-0002", "ses-b0"]]
    assert list(table.features["feature"]) == REGIONS
    np.testing.assert_allclose(table.values, [[1.5, 0.4, 0.2], [1.7, 0.5, 0.3]], rtol=1e-6)
    kinds = table.features[["tracer", "measure", "unit", "reference_region", "minutes"]].drop_duplicates()
    assert kinds.to_numpy().tolist() == [["[11C]AZ10419369", "BPND", "ratio", "Cerebellum", "0-93"]]


def test_maps_of_two_models_are_not_taken_for_one_another(read, write_map):
    write_map("0001", "MRTM1", "BPND", [1.5, 0.4, 0.2])
    write_map("0001", "MRTM2", "BPND", [1.6, 0.5, 0.3])
    with pytest.raises(SourceError, match=r"model"):
        read()


@pytest.mark.parametrize("key", ["tracer", "measure"])
def test_maps_of_pet_without_tracer_or_measure_are_refused(read, key):
    with pytest.raises(ValueError, match=rf"{key}: is missing, and numbers do not show it"):
        read(**{key: None})
