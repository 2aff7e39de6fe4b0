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


# ------------------------------------------------------------------------------------------- nilearn, FitLins, HALFpipe


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
    assert "1 file made by nilearn 0.14.1" in table.notes


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


# ----------------------------------------------------------------------------------------------------------------- AFNI

QUOTED = "roi_betas/afni_3dROIstats_quoted/stats_10006.txt"
THALAMUS = {"reader": "afni", "files": "stats_10006.txt", "dataset": "**/sub-{participant}/*_stats+tlrc*"}


def test_REAL_3dROIstats_headings_lose_their_blanks_and_gaps_in_the_numbers_stay(producers, read, tmp_path):
    shutil.copy(producers / QUOTED, tmp_path)
    table = read(("sub-10006",), **THALAMUS, contrast="EDS-IDS")
    assert table.features["feature"].tolist()[-2:] == ["Mean_14", "Mean_17"]
    assert table.values[0, [0, -1]].tolist() == [28.326362, 18.109154]
    assert set(table.features["contrast"]) == {"EDS-IDS"}


def test_REAL_3dROIstats_contrasts_are_the_labels_of_sub_bricks_and_regions_those_of_the_mask(
    producers, read, tmp_path
):
    shutil.copy(producers / QUOTED, tmp_path)
    numbers = [*range(1, 15), 17]
    (tmp_path / "mask.tsv").write_text("index\tname\n" + "".join(f"{each}\tnucleus {each}\n" for each in numbers))
    table = read(("sub-10006",), **THALAMUS, labels="mask.tsv", contrasts={"set shift": "eds-ids_g"})
    assert table.features["feature"].tolist()[-1] == "nucleus 17_set shift"
    assert table.values.shape == (1, 15)


def test_REAL_3dROIstats_a_label_table_of_another_mask_is_refused(producers, read, tmp_path):
    shutil.copy(producers / QUOTED, tmp_path)
    (tmp_path / "mask.tsv").write_text("index\tname\n" + "".join(f"{each}\tnucleus {each}\n" for each in range(1, 16)))
    with pytest.raises(
        SourceError, match=r"mask.tsv names no region '17'; the label table of the mask that 3dROIstats"
    ):
        read(("sub-10006",), **THALAMUS, labels="mask.tsv")


def write_roistats(folder: Path, *lines: str, heading: str = "Mean_1  \tMean_2  ") -> None:
    (folder / "roi.txt").write_text("\n".join([f"File\tSub-brick\t{heading}", *lines]) + "\n")


ROISTATS = {"reader": "afni", "files": "roi.txt", "dataset": "{participant}_stats+tlrc*"}


def test_SYNTHETIC_3dROIstats_betas_are_subtracted_and_their_t_statistics_left_alone(tmp_path, read):
    write_roistats(
        tmp_path,
        "sub-01_stats+tlrc[1]\t0[gain#0_Coef]\t3\t5",
        "sub-01_stats+tlrc[2]\t0[gain#0_Tstat]\t90\t90",
        "sub-01_stats+tlrc[3]\t0[neutral#0_Coef]\t1\t1.5",
        "sub-02_stats+tlrc[1]\t0[gain#0_Coef]\t7\tn/a",
        "sub-02_stats+tlrc[3]\t0[neutral#0_Coef]\t1\t1.5",
    )
    table = read(("sub-01", "sub-02"), **ROISTATS, contrasts={"reward anticipation": "gain - neutral"})
    np.testing.assert_array_equal(table.values, [[2, 3.5], [6, np.nan]])


def test_SYNTHETIC_3dROIstats_a_cell_that_is_no_number_is_not_lost_in_a_difference(tmp_path, read):
    write_roistats(tmp_path, "sub-01_stats+tlrc\t0[a]\t3\t5*", "sub-01_stats+tlrc\t1[b]\t1\t1")
    expected = r"line 2, column 'Mean_2_x', sub-01: '5\*' is not a number: a mark follows it"
    with pytest.raises(SourceError, match=expected):
        read(("sub-01",), **ROISTATS, contrasts={"x": "a - b"})


def test_SYNTHETIC_3dROIstats_one_contrast_twice_in_one_session_is_refused(tmp_path, read):
    write_roistats(
        tmp_path, "sub-01_stats+tlrc\t0[a]\t3\t5", "sub-01_stats+tlrc\t0[A]\t1\t1", "sub-01_stats+tlrc\t0[a]\t2\t2"
    )
    with pytest.raises(
        SourceError, match=r"roi.txt: line 4: has 'a' of one participant and session again, after line 2.*T3"
    ):
        read(("sub-01",), **ROISTATS, contrasts={"x": "a"})


def test_SYNTHETIC_3dROIstats_several_statistics_are_refused_until_one_is_named(tmp_path, read):
    heading = "Mean_1\tNZMean_1\tSigma_1"
    write_roistats(tmp_path, "sub-01_stats+tlrc\t0[a]\t3\t5\t0.1", heading=heading)
    with pytest.raises(
        SourceError, match=r"holds several statistics: Mean, NZMean, Sigma; say which is meant: statistic ="
    ):
        read(("sub-01",), **ROISTATS)
    table = read(("sub-01",), **ROISTATS, statistic="NZMean")
    assert table.values.tolist() == [[5]]
    assert table.features["measure"].tolist() == ["NZMean"]
    with pytest.raises(SourceError, match=r"roi.txt: statistic: has no column like Med_1"):
        read(("sub-01",), **ROISTATS, statistic="Med")


def test_SYNTHETIC_3dROIstats_without_header_is_refused(tmp_path, read):
    (tmp_path / "roi.txt").write_text("3\t5\n4\t6\n")
    with pytest.raises(SourceError, match=r"has no column 'File', as 3dROIstats writes it; .* without -quiet"):
        read(("sub-01",), **ROISTATS)


def test_SYNTHETIC_3dROIstats_a_dataset_named_otherwise_is_refused_with_its_line(tmp_path, read):
    write_roistats(tmp_path, "sub-01_stats+tlrc\t0[a]\t3\t5", "group_stats\t0[a]\t1\t1")
    with pytest.raises(
        SourceError, match=r"roi.txt: line 3: the dataset 'group_stats' is not named like '\{participant\}_"
    ):
        read(("sub-01",), **ROISTATS)


def test_SYNTHETIC_3dROIstats_a_region_that_one_mask_did_not_hold_is_missing(tmp_path, read):
    for participant, heading, cells in (("01", "Mean_1\tMean_2", "3\t5"), ("02", "Mean_2", "6")):
        line = f"x+tlrc\t0[a]\t{cells}"
        (tmp_path / f"{participant}.txt").write_text(f"File\tSub-brick\t{heading}\n{line}\n")
    table = read(("sub-01", "sub-02"), reader="afni", files="{participant}.txt")
    np.testing.assert_array_equal(table.values, [[3, 5], [np.nan, 6]])


# ----------------------------------------------------------------------------------------------------------------- ABCD


def test_REAL_abcd_headers_every_beta_has_its_contrast_and_others_are_none(producers):
    from workbench.knowledge.contrasts import contrast_named
    from workbench.sources.files.delimited import read_text_table
    from workbench.sources.tabulated.abcd import beta_of

    table = read_text_table(producers / "roi_betas" / "abcd_headers" / "abcd_mid_columns_seen.csv", "seen")
    seen = {column: beta_of(column) for column in table.columns["column"] if not column.startswith("(")}
    assert [column for column, beta in seen.items() if beta is None] == ["tfmri_mid_all_b_dof"]
    betas = {column: beta for column, beta in seen.items() if beta is not None}
    assert {contrast_named(beta.contrast).name for beta in betas.values()} == {"reward anticipation"}
    assert betas["tfmri_ma_acdn_b_scs_aalh"].region == "Left-Accumbens-area"
    assert betas["mr_y_tfmri__mid__arvn__aseg__cwm__lh_beta"].region == "Left-Cerebral-White-Matter"


def abcd_cohort_ids() -> tuple[str, ...]:
    return ("NDAR_INV0001", "NDAR_INV0002")


def test_SYNTHETIC_abcd_release_3_the_descriptions_under_the_header_are_no_participant(tmp_path, cohort_of):
    (tmp_path / "abcd_midaparc03.txt").write_text(
        '"subjectkey"\t"src_subject_id"\t"eventname"\t"tfmri_ma_acdn_b_scs_aalh"\t"tfmri_mid_all_b_dof"\n'
        '"The NDAR Global Unique Identifier (GUID)"\t"Subject ID how it\'s defined in lab/project"\t"The event name'
        ' for which the data was collected"\t"Beta weight for MID"\t"Degrees of freedom"\n'
        '"NDAR_INV0001"\t"NDAR_INV0001"\t"baseline_year_1_arm_1"\t"0.25"\t"300"\n'
        '"NDAR_INV0002"\t"NDAR_INV0002"\t"baseline_year_1_arm_1"\t""\t"300"\n'
        '"NDAR_INV0002"\t"NDAR_INV0002"\t"2_year_follow_up_y_arm_1"\t"-0.5"\t"300"\n'
    )
    table = read_abcd(tmp_path, cohort_of, "abcd_midaparc03.txt")
    assert table.rows.to_numpy().tolist() == [
        ["sub-NDAR_INV0001", "baseline_year_1_arm_1"],
        ["sub-NDAR_INV0002", "2_year_follow_up_y_arm_1"],
    ]
    assert table.values.ravel().tolist() == [0.25, -0.5]
    assert table.features["circuit"].tolist() == ["reward"]
    assert table.left_out.why["tfmri_mid_all_b_dof"] == "no task beta"


def test_SYNTHETIC_abcd_release_6_is_read_from_parquet(tmp_path, cohort_of):
    import pandas as pd

    name = "mr_y_tfmri__mid__arvn__aseg.parquet"
    beta = "mr_y_tfmri__mid__arvn__aseg__cwm__lh_beta"
    pd.DataFrame(
        {
            "participant_id": ["NDAR_INV0001", "NDAR_INV0002"],
            "session_id": ["baseline_year_1_arm_1"] * 2,
            beta: [0.125, np.nan],
            "mr_y_tfmri__mid__arvn__aseg__cwm__rh_beta": [1.0, 2.0],
            "mr_y_tfmri__mid__arvn__aseg__cwm__lh_se": [0.1, 0.1],
        }
    ).to_parquet(tmp_path / name)
    table = read_abcd(tmp_path, cohort_of, name)
    np.testing.assert_array_equal(table.values, [[0.125, 1], [np.nan, 2]])
    assert table.features["contrast"].unique().tolist() == ["reward anticipation"]
    assert any("made by the tabulated imaging of the ABCD study" in note for note in table.notes)


def read_abcd(folder: Path, cohort_of: Callable[..., Any], name: str) -> FeatureTable:
    text = "participant_id\tage\n" + "".join(f"{each}\t10\n" for each in abcd_cohort_ids())
    sessions = {
        "baseline_year_1_arm_1": {"phase": "before"},
        "2_year_follow_up_y_arm_1": {"phase": "after", "hours": 1.0},
    }
    changes = {"design": "observational", "site": None, "arms": None, "sessions": sessions, "ids": {}}
    spec = READERS["abcd"].model_validate({"modality": "task", "reader": "abcd", "file": name})
    return read_source("task", spec, cohort_of(text, **changes), data=folder, features_dir=folder / "features")


def test_SYNTHETIC_abcd_a_table_without_betas_is_refused(tmp_path, cohort_of):
    (tmp_path / "mri.csv").write_text("src_subject_id,eventname,smri_thick\nNDAR_INV0001,baseline_year_1_arm_1,2\n")
    with pytest.raises(SourceError, match=r"has no column that is named like a task beta of the ABCD study"):
        read_abcd(tmp_path, cohort_of, "mri.csv")


def test_SYNTHETIC_abcd_a_parquet_file_cut_short_is_named(tmp_path, cohort_of):
    (tmp_path / "mri.parquet").write_bytes(b"PAR1" + bytes(2000))
    with pytest.raises(SourceError, match=r"mri.parquet: is a Parquet file that cannot be read"):
        read_abcd(tmp_path, cohort_of, "mri.parquet")


def test_SYNTHETIC_abcd_a_table_without_events_is_refused(tmp_path, cohort_of):
    (tmp_path / "mri.csv").write_text("src_subject_id,tfmri_ma_acdn_b_scs_aalh\nNDAR_INV0001,2\n")
    with pytest.raises(SourceError, match=r"mri.csv: session: has no column 'session_id', 'eventname'"):
        read_abcd(tmp_path, cohort_of, "mri.csv")


# -------------------------------------------------------------------------------------------------------- FSL featquery

FEATQUERY = {"reader": "featquery", "files": "feat/{participant}.feat/{region}_featquery/report.txt"}


def write_report(folder: Path, participant: str, region: str, **means: str) -> None:
    path = folder / "feat" / f"{participant}.feat" / f"{region}_featquery" / "report.txt"
    path.parent.mkdir(parents=True)
    lines = [
        f"{at} stats/{image} 120 -3.1 -1.2 {mean} 0.9 2.4 4.4 1.5 45 55 32 2.00 -10.00 5.00 "
        for at, (image, mean) in enumerate(means.items(), 1)
    ]
    path.write_text("\n".join(lines) + "\n")


def test_SYNTHETIC_featquery_the_reports_of_all_regions_are_one_row(tmp_path, read):
    for participant, shift in (("01", 0), ("02", 10)):
        write_report(tmp_path, participant, "NAcc_L", cope1=f"{shift + 1}", cope2=f"{shift + 0.25}")
        write_report(tmp_path, participant, "Putamen_R", cope1=f"{shift + 2}", cope2="0.5")
    contrasts = {"reward anticipation": "cope1", "difference": "cope1 - cope2"}
    table = read(("sub-01", "sub-02"), **FEATQUERY, contrasts=contrasts)
    np.testing.assert_allclose(table.values, [[1, 2, 0.75, 1.5], [11, 12, 0.75, 11.5]])
    assert table.features["circuit"].tolist()[0] == "reward"
    assert table.features["contrast"].tolist()[::2] == ["reward anticipation", "difference"]
    median = read(("sub-01", "sub-02"), **FEATQUERY, contrasts=contrasts, statistic="median")
    assert set(median.values.ravel()) == {0.9, 0.0}


def test_SYNTHETIC_featquery_a_region_without_a_report_is_missing(tmp_path, read):
    write_report(tmp_path, "01", "NAcc_L", cope1="1")
    write_report(tmp_path, "01", "Putamen_R", cope1="2")
    write_report(tmp_path, "02", "NAcc_L", cope1="3")
    np.testing.assert_array_equal(read(("sub-01", "sub-02"), **FEATQUERY).values, [[1, 2], [3, np.nan]])


def test_SYNTHETIC_featquery_several_images_are_chosen_and_never_guessed(tmp_path, read):
    write_report(tmp_path, "01", "NAcc_L", cope1="1", pe1="2")
    with pytest.raises(SourceError, match=r"finds several contrasts: cope1, pe1; choose and name them"):
        read(("sub-01",), **FEATQUERY)


def test_SYNTHETIC_featquery_two_reports_of_one_region_are_refused(tmp_path, read):
    for folder in ("a.feat", "b.feat"):
        path = tmp_path / "01" / folder / "NAcc_L_featquery" / "report.txt"
        path.parent.mkdir(parents=True)
        path.write_text("1 stats/cope1 120 -3 -1 1 0.9 2 4 1\n")
    with pytest.raises(SourceError, match=r"01/b.feat.*is a second report of 'NAcc_L', after 01/a.feat.*\[T3\]"):
        read(("sub-01",), reader="featquery", files="{participant}/*.feat/{region}_featquery/report.txt")


def test_SYNTHETIC_featquery_what_is_no_report_is_refused_with_its_line(tmp_path, read):
    write_report(tmp_path, "01", "NAcc_L", cope1="1")
    (tmp_path / "feat/01.feat/NAcc_L_featquery/report.txt").write_text("cope1 0.5\n")
    with pytest.raises(SourceError, match=r"report.txt: line 1: is no line of a report of featquery \(2 words"):
        read(("sub-01",), **FEATQUERY)


@pytest.mark.parametrize("files", ["feat/{participant}.txt", "feat/{region}.txt"])
def test_a_pattern_of_featquery_says_whose_and_which_region(files):
    with pytest.raises(ValueError, match="does not say where"):
        READERS["featquery"].model_validate({"modality": "task", "reader": "featquery", "files": files})


# ------------------------------------------------------------------------------------------------------ tables of a lab


@pytest.mark.skipif("pivot" not in READERS["table"].model_fields, reason="the reader table cannot turn long tables")
def test_REAL_williamspanlab_contrasts_in_rows_become_columns_and_doses_sessions(producers, cohort_of, tmp_path):
    shutil.copy(producers / "roi_betas/williamspanlab_demo/KET_nonconscious_ROI_peak_Data4R_all_demo.csv", tmp_path)
    text = "participant_id\tage\n" + "".join(f"{each}\t30\n" for each in range(1, 14))
    sessions = {name: {"phase": "before"} for name in ("placebo", "low", "high")}
    changes = {"design": "observational", "site": None, "arms": None, "sessions": sessions, "ids": {}}
    regions = ("Right_antInsula_peak_nonconscious", "Right_Amygdala_peak_nonconscious")
    options = {
        "file": "KET_nonconscious_ROI_peak_Data4R_all_demo.csv",
        "id": "Subjects",
        "session": "Dosage",
        "session_codes": {"0.5mg/kg": "high", "0.05mg/kg": "low", "Placebo": "placebo"},
        "pivot": {"feature": "Contrast", "value": regions},
        "pivot_pattern": "(?P<contrast>[A-Za-z]+vsNeutral)_(?P<feature>.+)_peak_nonconscious",
    }
    spec = READERS["table"].model_validate({"modality": "task", "reader": "table"} | options)
    table = read_source("task", spec, cohort_of(text, **changes), data=tmp_path, features_dir=tmp_path / "features")
    assert table.values.shape == (39, 4)
    assert table.features["contrast"].tolist() == ["HappyvsNeutral"] * 2 + ["ThreatvsNeutral"] * 2
    first = dict(zip(table.rows["session"][:3], table.values[:3, 0], strict=True))
    assert first["high"] == pytest.approx(-0.431723862886429)
