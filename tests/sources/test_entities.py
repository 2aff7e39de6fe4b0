from pathlib import Path

import pytest

from workbench.errors import SourceError
from workbench.sources.finding.entities import named_files, read_name, refuse_several, with_entities


def name_of(label: str):
    return read_name(Path(label), label)


@pytest.mark.parametrize(
    ("label", "entities", "suffix", "extension"),
    [
        (
            "sub-01_task-rest_run-01_space-fsLR_den-91k_atlas-4S156Parcels_stat-pearsoncorrelation_relmat.tsv",
            {
                "sub": "01",
                "task": "rest",
                "run": "01",
                "space": "fsLR",
                "den": "91k",
                "atlas": "4S156Parcels",
                "stat": "pearsoncorrelation",
            },
            "relmat",
            ".tsv",
        ),
        (
            "sub-subject01_task-rest_feature-corrMatrix1_atlas-schaefer400_desc-correlation_matrix.tsv.xz",
            {
                "sub": "subject01",
                "task": "rest",
                "feature": "corrMatrix1",
                "atlas": "schaefer400",
                "desc": "correlation",
            },
            "matrix",
            ".tsv.xz",
        ),
        (
            "sub-1_seg-atlas-schaefercombined417_meas-PearsonCorrelation_relmat.tsv",
            {"sub": "1", "seg": "atlas-schaefercombined417", "meas": "PearsonCorrelation"},
            "relmat",
            ".tsv",
        ),
        ("sub-1_ses-baseline_trc-11CPBR28_model-MRTM2_kinpar.tsv", {"sub": "1", "ses": "baseline", "trc": "11CPBR28",
         "model": "MRTM2"}, "kinpar", ".tsv"),
        ("sub-a_1_contrast-anticip-reward_stat-effect_statmap.nii.gz", {"sub": "a_1", "contrast": "anticip-reward",
         "stat": "effect"}, "statmap", ".nii.gz"),
        ("sub-1_desc-1.5mm_map.nii", {"sub": "1", "desc": "1.5mm"}, "map", ".nii"),
        ("sub-MOA101/ses-d2/glm/spDCM_rsTozzi.mat", {"sub": "MOA101", "ses": "d2"}, "rsTozzi", ".mat"),
        ("participants.tsv", {}, "participants", ".tsv"),
    ],
)  # fmt: skip
def test_names_of_every_pipeline_are_read(label, entities, suffix, extension):
    file = name_of(label)
    assert (dict(file.entities), file.suffix, file.extension) == (entities, suffix, extension)


def test_a_file_in_the_folder_of_somebody_else_is_refused():
    with pytest.raises(SourceError, match=r"is of sub-02 by its name and lies in the folder sub-01; find out which"):
        name_of("sub-01/func/sub-02_task-rest_relmat.tsv")


def test_ids_are_given_with_and_without_their_prefix():
    file = name_of("sub-01/ses-b0/sub-01_ses-b0_relmat.tsv").source_file()
    assert (file.ids, file.sessions) == (("01", "sub-01"), ("b0", "ses-b0"))


def test_brackets_of_a_folder_are_brackets(tmp_path):
    folder = tmp_path / "data [old]" / "[11C]PBR28 {a}"
    folder.mkdir(parents=True)
    (folder / "sub-1_tacs.tsv").touch()
    (folder / "sub-1").mkdir()
    found = named_files("[11C]PBR28 {a}/*", tmp_path / "data [old]")
    assert [file.label for file in found] == ["[11C]PBR28 {a}/sub-1_tacs.tsv"]


def test_files_are_chosen_by_entities_in_upper_and_lower_case():
    files = [name_of("sub-1_task-MID_x.tsv"), name_of("sub-1_task-rest_x.tsv"), name_of("sub-1_x.tsv")]
    assert [file.label for file in with_entities(files, {"task": "mid", "atlas": None})] == ["sub-1_task-MID_x.tsv"]


def test_files_that_differ_in_what_is_not_declared_are_refused_with_the_key():
    files = [name_of("sub-1_seg-Tian_x.tsv"), name_of("sub-1_seg-Glasser_x.tsv"), name_of("sub-1_x.tsv")]
    with pytest.raises(SourceError, match=r'several seg- values: no seg-, seg-Glasser, .*atlas = "Glasser"'):
        refuse_several(files, {"seg": "atlas", "task": "task"}, "*.tsv")
    refuse_several(files, {"task": "task"}, "*.tsv")
