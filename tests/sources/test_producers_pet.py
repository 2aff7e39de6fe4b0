"""PET files of producers, whole: curves that become SUVR, with answers computed apart from the workbench."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from workbench.errors import SourceError
from workbench.records import Cohort, FeatureTable
from workbench.sources import read_source, source_files
from workbench.sources.cohort.participants import read_cohort
from workbench.specs.cohort import CohortSpec
from workbench.specs.readers import READERS

CURVES: dict[str, Any] = {"modality": "pet", "tracer": "[11C]MC1", "window_min": (60.0, 90.0)}


@pytest.fixture(scope="module")
def formats(real_data) -> Path:
    folder = real_data / "formats"
    if not folder.is_dir():
        pytest.skip("no files of producers beside the repository")
    return folder


@pytest.fixture
def cohort_with(tmp_path) -> Callable[..., Cohort]:
    def read(ids, sessions=(), **changes: Any) -> Cohort:
        (tmp_path / "participants.tsv").write_text("\n".join(["participant_id", *ids]) + "\n")
        declared = {session: {"phase": "before"} for session in sessions}
        spec = {"design": "observational", "sessions": declared, "ids": {"strip": ("sub-",)}, **changes}
        return read_cohort(CohortSpec.model_validate(spec), tmp_path)

    return read


def table_from(data: Path, cohort: Cohort, reader: str, **options: Any) -> FeatureTable:
    spec = READERS[reader].model_validate(CURVES | {"reader": reader} | options)
    return read_source("pet", spec, cohort, data=data, features_dir=data / "features")


def column(table: FeatureTable, feature: str) -> np.ndarray:
    return table.values[:, list(table.features["feature"]).index(feature)]


def read_columns(path: Path, delimiter: str = "\t") -> dict[str, np.ndarray]:
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = filter(None, csv.reader(file, delimiter=delimiter))
    return {name: np.array([float(row[at]) for row in rows]) for at, name in enumerate(header) if name}


def ratio(region: np.ndarray, reference: np.ndarray, start_s, end_s, window_min: tuple[float, float]) -> float:
    """The known answer: area under both curves in the window, frame by frame."""
    over = np.zeros(2)
    for at in range(len(start_s)):
        share = max(0.0, min(end_s[at], 60 * window_min[1]) - max(start_s[at], 60 * window_min[0]))
        over += share * np.array([region[at], reference[at]])
    return over[0] / over[1]


# ------------------------------------------------------------------------------------------------------------- petprep

PETPREP = {"reader": "petprep", "files": "*_tacs.tsv", "reference": "Left-Cerebellum-Cortex"}


def test_petprep_003_real_gives_the_suvr_of_each_scan_over_whole_frames(formats, cohort_with):
    folder = formats / "petprep_0.0.3"
    cohort = cohort_with(["sub-01", "sub-04"], ["ses-baseline", "ses-blocked"])
    table = table_from(folder, cohort, **PETPREP)
    assert table.rows.to_numpy().tolist() == [
        ["sub-01", "ses-baseline"],
        ["sub-01", "ses-blocked"],
        ["sub-04", "ses-baseline"],
        ["sub-04", "ses-blocked"],
    ]
    for at, (person, session) in enumerate(table.rows.itertuples(index=False)):
        raw = read_columns(folder / f"{person}_{session}_desc-preproc_seg-gtm_tacs.tsv")
        times = raw["frame_start"], raw["frame_end"]
        for region in ("Left-Putamen", "ctx-rh-insula"):
            expected = ratio(raw[region], raw["Left-Cerebellum-Cortex"], *times, (60, 90))
            assert column(table, region)[at] == pytest.approx(expected, rel=1e-12)


def test_what_petprep_003_real_is_of_travels_with_each_column(formats, cohort_with):
    table = table_from(formats / "petprep_0.0.3", cohort_with(["sub-01"], ["ses-baseline", "ses-blocked"]), **PETPREP)
    said = table.features.drop_duplicates(["tracer", "measure", "unit", "reference_region", "minutes"]).iloc[0]
    assert said[["tracer", "measure", "unit", "reference_region", "minutes"]].tolist() == [
        "[11C]MC1", "SUVR", "ratio", "Left-Cerebellum-Cortex", "60-90",
    ]  # fmt: skip
    assert (
        table.features.duplicated(["tracer", "measure", "unit", "reference_region", "minutes"]).sum()
        == len(table.features) - 1
    )
    assert "2 files made by PETPrep 0.0.3" in table.notes
    assert "2 files: SUVR from 6 frames, 3600 to 5400 s" in table.notes
    assert "2 files: activity in Bq/mL, which cancels in the ratio" in table.notes


def test_the_reference_region_and_the_times_are_no_features(formats, cohort_with):
    table = table_from(formats / "petprep_0.0.3", cohort_with(["sub-01"], ["ses-baseline", "ses-blocked"]), **PETPREP)
    assert not {"Left-Cerebellum-Cortex", "frame_start", "frame_end"} & set(table.features["feature"])
    assert table.left_out.why["Left-Cerebellum-Cortex"] == "the reference region"
    assert table.left_out.why["frame_start"] == "time"


def test_regions_of_petprep_003_real_that_one_scan_lacks_are_missing_and_counted(formats, cohort_with):
    folder = formats / "petprep_0.0.3"
    table = table_from(folder, cohort_with(["sub-01", "sub-04"], ["ses-baseline", "ses-blocked"]), **PETPREP)
    headers = {path.name[:6]: set(read_columns(path)) for path in sorted(folder.glob("*_tacs.tsv"))}
    only = {person: headers[person] - headers[other] for person, other in (("sub-01", "sub-04"), ("sub-04", "sub-01"))}
    lacking = {region for regions in only.values() for region in regions}
    assert lacking
    for person, regions in only.items():
        others = (table.rows["participant_id"] != person).to_numpy()
        for region in regions:
            assert np.isnan(column(table, region)[others]).all()
            assert not np.isnan(column(table, region)[~others]).any()
    (note,) = [note for note in table.notes if note.startswith("not in every file")]
    assert all(f"{region} (1 participant)" in note for region in lacking)


def test_a_window_with_a_frame_partly_in_it_is_refused_until_a_rule_is_declared(formats, cohort_with):
    folder, cohort = formats / "petprep_0.0.3", cohort_with(["sub-01"], ["ses-baseline", "ses-blocked"])
    window = (61.0, 90.0)
    with pytest.raises(
        SourceError, match=r"frame of 3600 to 3900 s \(line \d+\) is partly in the window of 61 to 90 min"
    ):
        table_from(folder, cohort, **PETPREP, window_min=window)
    raw = read_columns(folder / "sub-01_ses-baseline_desc-preproc_seg-gtm_tacs.tsv")
    curves = raw["Left-Putamen"], raw["Left-Cerebellum-Cortex"], raw["frame_start"], raw["frame_end"]
    overlap = column(table_from(folder, cohort, **PETPREP, window_min=window, frames="overlap"), "Left-Putamen")[0]
    inside = column(table_from(folder, cohort, **PETPREP, window_min=window, frames="inside"), "Left-Putamen")[0]
    assert overlap == pytest.approx(ratio(*curves, window), rel=1e-12)
    assert inside == pytest.approx(ratio(*curves, (65, 90)), rel=1e-12)
    assert overlap != inside


def test_a_window_beyond_the_scan_is_refused(formats, cohort_with):
    cohort = cohort_with(["sub-01"], ["ses-baseline", "ses-blocked"])
    with pytest.raises(
        SourceError, match=r"the window of 100 to 130 min is not within the scan, 0 to 120 min; .*delay_min"
    ):
        table_from(formats / "petprep_0.0.3", cohort, **PETPREP, window_min=(100.0, 130.0))


def test_a_reference_of_two_regions_counts_them_alike_or_by_their_volume(formats, cohort_with):
    folder, cohort = formats / "petprep_0.0.3", cohort_with(["sub-01"], ["ses-baseline", "ses-blocked"])
    both = ("Left-Cerebellum-Cortex", "Right-Cerebellum-Cortex")
    raw = read_columns(folder / "sub-01_ses-baseline_desc-preproc_seg-gtm_tacs.tsv")
    with (folder / "sub-01_desc-preproc_seg-gtm_morph.tsv").open() as file:
        volumes = {row["name"]: float(row["volume-mm3"]) for row in csv.DictReader(file, delimiter="\t")}
    times = raw["frame_start"], raw["frame_end"]
    shares = {"equal": np.array([0.5, 0.5]), "volume": np.array([volumes[name] for name in both])}
    for mean, share in shares.items():
        options = {"reference_mean": mean} | ({"volumes": "*_morph.tsv"} if mean == "volume" else {})
        table = table_from(folder, cohort, **PETPREP | {"reference": both}, **options)
        reference = (share[0] * raw[both[0]] + share[1] * raw[both[1]]) / share.sum()
        expected = ratio(raw["Left-Putamen"], reference, *times, (60, 90))
        assert column(table, "Left-Putamen")[0] == pytest.approx(expected, rel=1e-12)
        assert set(table.features["reference_region"]) == {"Left-Cerebellum-Cortex + Right-Cerebellum-Cortex"}
        assert not set(both) & set(table.features["feature"])


def test_a_misspelt_reference_region_is_named_with_the_one_that_was_meant(formats, cohort_with):
    cohort = cohort_with(["sub-01"], ["ses-baseline", "ses-blocked"])
    options = PETPREP | {"reference": "Left-Cerebelum-Cortex"}
    with pytest.raises(
        SourceError, match=r"has no region 'Left-Cerebelum-Cortex', the reference; did you mean 'Left-Cer"
    ):
        table_from(formats / "petprep_0.0.3", cohort, **options)


KM_2025 = {"reader": "petprep", "tracer": "[11C]PS13", "timing": "unknown"}


def test_petprep_of_mid_2025_real_takes_its_reference_from_another_file(formats, cohort_with):
    folder = formats / "petprep_km_2025"
    files = {"files": "*_desc-preproc_*timeseries.tsv", "reference_files": "*_ref-cerebellum_*timeseries.tsv"}
    table = table_from(folder, cohort_with(["sub-01"]), **KM_2025, **files)
    raw = read_columns(folder / "sub-01_desc-preproc_seg-gtm_timeseries.tsv")
    reference = read_columns(folder / "sub-01_ref-cerebellum_desc-preproc_seg-gtm_timeseries.tsv")["cerebellum"]
    expected = ratio(raw["Left-Putamen"], reference, raw["FrameTimesStart"], raw["FrameTimesEnd"], (60, 90))
    assert column(table, "Left-Putamen") == pytest.approx([expected], rel=1e-12)
    assert set(table.features["reference_region"]) == {"cerebellum"}
    assert "Left-Cerebellum-Cortex" in set(table.features["feature"])


def test_a_table_is_made_anew_when_its_reference_curve_or_sidecar_changes(formats):
    folder = formats / "petprep_km_2025"
    files = {"files": "*_desc-preproc_*timeseries.tsv", "reference_files": "*_ref-cerebellum_*timeseries.tsv"}
    spec = READERS["petprep"].model_validate(CURVES | KM_2025 | files)
    names = [path.name for path in source_files(spec, data=folder, features_dir=folder / "features")]
    assert names == [
        "sub-01_desc-preproc_seg-gtm_timeseries.tsv",
        "sub-01_desc-preproc_seg-gtm_timeseries.json",
        "dataset_description.json",
        "sub-01_ref-cerebellum_desc-preproc_seg-gtm_timeseries.tsv",
        "sub-01_ref-cerebellum_desc-preproc_seg-gtm_timeseries.json",
    ]


def test_files_of_petprep_without_a_session_need_to_be_placed_in_time(formats, cohort_with):
    options = {key: value for key, value in KM_2025.items() if key != "timing"}
    files = {"files": "*_desc-preproc_*timeseries.tsv", "reference": "Left-Cerebellum-Cortex"}
    with pytest.raises(SourceError, match=r"1 of 1 files name no session, such as sub-01_desc-.*; .*timing = "):
        table_from(formats / "petprep_km_2025", cohort_with(["sub-01"]), **options, **files)


def test_confounds_beside_the_curves_of_petprep_003_real_are_not_taken_for_curves(formats, cohort_with):
    cohort = cohort_with(["sub-01"], ["ses-baseline", "ses-blocked"])
    with pytest.raises(SourceError, match=r"finds files of several desc- values: desc-confounds, desc-preproc"):
        table_from(formats / "petprep_0.0.3", cohort, **PETPREP | {"files": "*_*.tsv", "seg": None})


# ------------------------------------------------------------------------------------------------ petprep_extract_tacs

EXTRACT = {"reader": "petprep-extract-tacs", "files": "sub-*_tacs.tsv", "reference": "Left-Cerebellum-Cortex"}


def test_several_desc_files_of_extract_tacs_real_are_refused_until_one_is_declared(formats, cohort_with):
    cohort = cohort_with(["sub-01", "sub-02"], ["ses-baseline", "ses-blocked"])
    with pytest.raises(SourceError, match=r'several desc- values: desc-raphe, desc-whiteMatter; .*desc = "raphe"'):
        table_from(formats / "petprep_extract_tacs", cohort, **EXTRACT)


def test_extract_tacs_real_with_float_times_gives_suvr(formats, cohort_with):
    folder = formats / "petprep_extract_tacs"
    cohort = cohort_with(["sub-01", "sub-02"], ["ses-baseline", "ses-blocked"])
    table = table_from(folder, cohort, **EXTRACT, desc="whiteMatter", keep=("Left-Putamen", "Right-*"))
    assert table.rows.to_numpy().tolist() == [["sub-01", "ses-baseline"], ["sub-02", "ses-blocked"]]
    raw = read_columns(folder / "sub-02_ses-blocked_desc-whiteMatter_tacs.tsv")
    times = raw["frame_start"], raw["frame_end"]
    expected = ratio(raw["Left-Putamen"], raw["Left-Cerebellum-Cortex"], *times, (60, 90))
    assert column(table, "Left-Putamen")[1] == pytest.approx(expected, rel=1e-12)
    assert "Left-Caudate" not in set(table.features["feature"])


def test_regions_of_one_extract_tacs_real_file_are_relative_to_a_region_of_another(formats, cohort_with):
    folder = formats / "petprep_extract_tacs"
    options = EXTRACT | {"desc": "raphe", "reference_files": "sub-*_desc-whiteMatter_tacs.tsv"}
    table = table_from(folder, cohort_with(["sub-01"], ["ses-baseline", "ses-blocked"]), **options)
    raw = read_columns(folder / "sub-01_ses-baseline_desc-raphe_tacs.tsv")
    reference = read_columns(folder / "sub-01_ses-baseline_desc-whiteMatter_tacs.tsv")["Left-Cerebellum-Cortex"]
    expected = ratio(raw["Dorsal-Raphe"], reference, raw["frame_start"], raw["frame_end"], (60, 90))
    assert list(table.features["feature"]) == ["Dorsal-Raphe", "Medial-Raphe", "Pons"]
    assert column(table, "Dorsal-Raphe") == pytest.approx([expected], rel=1e-12)


def test_the_toy_curves_of_extract_tacs_synthetic_are_refused_for_their_length(formats, cohort_with):
    """Two frames of 30 s: no window of minutes is within them."""
    options = EXTRACT | {"files": "{participant}_tacs.tsv", "reference": "regionB", "timing": "unknown"}
    with pytest.raises(
        SourceError, match=r"example_tacs.tsv: the window of 60 to 90 min is not within the scan, 0 to 1 min"
    ):
        table_from(formats / "petprep_extract_tacs", cohort_with(["example"]), **options)


# ---------------------------------------------------------------------------------------------------------------- pmod

PMOD = {"reader": "pmod", "files": "{participant}.tac", "timing": "unknown", "tracer": "[11C]PiB"} | {
    "reference": "Cerebellum_l",
    "window_min": (50.0, 70.0),
}


def test_a_region_without_voxels_in_pmod_real_is_refused_until_its_code_is_declared_or_it_is_dropped(
    formats, cohort_with
):
    folder, cohort = formats / "pmod", cohort_with(["AD06"])
    with pytest.raises(
        SourceError, match=r"column 'ThirdVentricl_C' holds no numbers but 'NaN'; leave it out: drop = "
    ):
        table_from(folder, cohort, **PMOD)
    table = table_from(folder, cohort, **PMOD, drop=("ThirdVentricl_C",))
    assert "ThirdVentricl_C" not in set(table.features["feature"])
    assert not np.isnan(table.values).any()


def test_pmod_tac_real_has_its_units_in_the_header(formats, cohort_with):
    folder = formats / "pmod"
    table = table_from(folder, cohort_with(["AD06", "AD07"], missing=("n/a", "", "NaN")), **PMOD)
    for at, person in enumerate(("AD06", "AD07")):
        raw = read_columns(folder / f"{person}.tac")
        times = raw["start[seconds]"], raw["end[kBq/cc]"]
        expected = ratio(raw["FL_strai_G_l"], raw["Cerebellum_l"], *times, (50, 70))
        assert column(table, "FL_strai_G_l")[at] == pytest.approx(expected, rel=1e-12)
    assert "2 files: activity in kBq/cc, which cancels in the ratio" in table.notes


def test_pmod_tac_in_minutes_synthetic_is_the_same_scan(formats, cohort_with, tmp_path):
    text = (formats / "pmod" / "AD06.tac").read_text()
    header, *lines = text.splitlines()
    rows = [line.split("\t") for line in lines]
    minutes = ["\t".join([*(repr(float(cell) / 60) for cell in row[:2]), *row[2:]]) for row in rows]
    (tmp_path / "AD06.tac").write_text("\n".join([header.replace("[seconds]", "[minutes]"), *minutes]) + "\n")
    cohort = cohort_with(["AD06"], missing=("n/a", "", "NaN"))
    seconds, converted = (table_from(folder, cohort, **PMOD) for folder in (formats / "pmod", tmp_path))
    np.testing.assert_allclose(converted.values, seconds.values, rtol=1e-12)


def test_pmod_voistat_real_is_no_file_of_curves(formats, cohort_with):
    options = PMOD | {"files": "{participant}_BPnd_BPnd_Logan.voistat", "reference": "Cerebellum"}
    with pytest.raises(SourceError, match=r'is a table of statistics \(.voistat\); reader = "pmod-voistat"'):
        table_from(formats / "pmod", cohort_with(["AD06"]), **options)


def test_a_csv_beside_pmod_real_is_refused_with_what_was_expected(formats, cohort_with):
    options = PMOD | {"files": "{participant}_man_fullROI.csv", "reference": "cerebellum"}
    with pytest.raises(
        SourceError, match=r"does not begin with start\[seconds\] and end\[kBq/cc\], but with 'start', 'end'"
    ):
        table_from(formats / "pmod", cohort_with(["AD06"]), **options)


# ------------------------------------------------------------------------------------------------------------- kinfitr

PBR28 = {
    "reader": "kinfitr",
    "file": "pbr28_tacdata.csv",
    "tracer": "[11C]PBR28",
    "reference": "CBL",
    "window_min": (40.0, 60.0),
    "frames": "overlap",
    "scan": "PET",
    "scan_pattern": "{participant}_{session}",
    "start": "StartTime",
    "duration": "Duration",
    "time_unit": "s",
    "drop": ("Times", "Weights"),
}


@pytest.fixture
def pbr28(real_data):
    folder = real_data / "pbr28_tacs"
    if not folder.is_dir():
        pytest.skip("no PBR28 curves beside the repository")
    return folder


@pytest.fixture
def pbr28_cohort(pbr28, cohort_with):
    with (pbr28 / "pbr28_demographics.csv").open() as file:
        ids = [row["Subjname"] for row in csv.DictReader(file)]
    return cohort_with(ids, ["1", "2"])


def test_pbr28_real_gives_the_suvr_of_each_scan_with_repeat_visits_apart(pbr28, pbr28_cohort):
    """The known answer: areas under the curves of the file, by numpy alone, for 10 participants at 2 visits."""
    table = table_from(pbr28, pbr28_cohort, **PBR28)
    with (pbr28 / "pbr28_tacdata.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(table.rows) == 20
    assert table.rows["participant_id"].nunique() == 10
    assert list(table.features["feature"]) == ["FC", "TC", "STR", "THA", "WB"]
    for at, (person, visit) in enumerate(table.rows.itertuples(index=False)):
        scan = [row for row in rows if row["PET"] == f"{person.removeprefix('sub-')}_{visit}"]
        start = np.array([float(row["StartTime"]) for row in scan])
        end = start + np.array([float(row["Duration"]) for row in scan])
        reference = np.array([float(row["CBL"]) for row in scan])
        for region in table.features["feature"]:
            expected = ratio(np.array([float(row[region]) for row in scan]), reference, start, end, (40, 60))
            assert column(table, region)[at] == pytest.approx(expected, rel=1e-12)
    visits = column(table, "FC").reshape(10, 2)
    assert (visits[:, 0] != visits[:, 1]).all()
    assert 0.5 < np.corrcoef(visits.T)[0, 1] < 1  # test and retest of one person


def test_weights_and_mid_times_of_pbr28_real_are_not_taken_for_regions(pbr28, pbr28_cohort):
    options = {key: value for key, value in PBR28.items() if key != "drop"}
    with pytest.raises(
        SourceError, match=r"column 'Times' looks like no region; leave it out: drop = \[\"Times\"\]"
    ) as e:
        table_from(pbr28, pbr28_cohort, **options)
    assert "column 'Weights' looks like no region" in str(e.value)


def test_curves_of_pbr28_real_in_rows_by_region_give_the_same_table(pbr28, pbr28_cohort, tmp_path):
    wide = table_from(pbr28, pbr28_cohort, **PBR28)
    with (pbr28 / "pbr28_tacdata.csv").open() as file:
        rows = list(csv.DictReader(file))
    lines = [",".join(("PET", "StartTime", "EndTime", "Region", "TAC"))]
    for region in ("FC", "TC", "STR", "THA", "WB", "CBL"):
        for row in rows:
            start = float(row["StartTime"])
            ends = (row["PET"], repr(start / 60), repr((start + float(row["Duration"])) / 60), region, row[region])
            lines.append(",".join(ends))
    (tmp_path / "long.csv").write_text("\n".join(lines) + "\n")
    columns = {"end": "EndTime", "time_unit": "min", "region": "Region", "activity": "TAC", "file": "long.csv"}
    options = {key: value for key, value in PBR28.items() if key not in ("duration", "drop", "time_unit", "file")}
    long = table_from(tmp_path, pbr28_cohort, **options, **columns)
    assert list(long.features["feature"]) == list(wide.features["feature"])
    np.testing.assert_allclose(long.values, wide.values, rtol=1e-9)


def test_the_toy_curves_of_petfit_synthetic_have_no_durations(formats, cohort_with):
    options = PBR28 | {"file": "test_tac_data.csv", "start": "time"}
    with pytest.raises(SourceError, match=r"duration: has no column 'Duration'"):
        table_from(formats / "kinfitr_bloodstream", cohort_with(["a"], ["1"]), **options)


# ------------------------------------------------------------------------------------- tables beside them, and refused


def wide_table(folder: Path, cohort: Cohort, file: str, **options: Any) -> FeatureTable:
    declared = {"modality": "pet", "reader": "table", "file": file, "timing": "unknown", "tracer": "[11C]SCH23390"}
    spec = READERS["table"].model_validate(declared | {"measure": "BPND", "reference": "Cerebellum"} | options)
    return read_source("pet", spec, cohort, data=folder, features_dir=folder / "features")


def test_a_wide_table_of_d1_binding_real_without_ids_is_refused(formats, cohort_with):
    with pytest.raises(SourceError, match=r"pontusps_D1R_AllData.csv: id: has no column 'participant_id'; name the"):
        wide_table(formats / "kinfitr_bloodstream", cohort_with(["1"]), "pontusps_D1R_AllData.csv")


def test_a_wide_table_of_d1_binding_real_with_ids_synthetic_is_read_with_what_it_is_of(formats, cohort_with, tmp_path):
    text = (formats / "kinfitr_bloodstream" / "pontusps_D1R_AllData.csv").read_text()
    header, *rows = text.splitlines()
    lines = [f"id,{header}", *(f"p{number:02d},{row}" for number, row in enumerate(rows))]
    (tmp_path / "d1.csv").write_text("\n".join(lines) + "\n")
    cohort = cohort_with([f"p{number:02d}" for number in range(len(rows))])
    table = wide_table(tmp_path, cohort, "d1.csv", id="id", keep=("fsl*",), unit="ratio", window_min=(0.0, 51.0))
    assert list(table.features["feature"]) == ["fslSTR", "fslLST"]
    assert table.values[0].tolist() == [1.812496, 1.596573]
    kinds = table.features[["tracer", "measure", "unit", "reference_region", "minutes"]].drop_duplicates()
    assert kinds.to_numpy().tolist() == [["[11C]SCH23390", "BPND", "ratio", "Cerebellum", "0-51"]]


def test_a_wide_table_real_that_is_only_a_header_holds_no_rows(formats, cohort_with):
    with pytest.raises(SourceError, match=r"rogeau_data.HEADER_ONLY.csv: holds no rows"):
        wide_table(formats / "kinfitr_bloodstream", cohort_with(["1"]), "rogeau_data.HEADER_ONLY.csv", id="partic_ID")


def test_an_input_function_of_bloodstream_real_is_no_table_of_scans(formats, cohort_with):
    file = "sub-01_ses-baseline_inputfunction.HEAD60.tsv"
    options = PBR28 | {"file": file, "start": "time", "duration": None, "end": "time", "drop": ()}
    given = {key: value for key, value in options.items() if value is not None}
    with pytest.raises(SourceError, match=r"HEAD60.tsv: scan: has no column 'PET'"):
        table_from(formats / "kinfitr_bloodstream", cohort_with(["a"], ["1"]), **given)


def test_curves_of_magia_real_are_a_matlab_file(formats, cohort_with):
    with pytest.raises(SourceError, match=r"AD06_tac_magia.mat: is a MATLAB file"):
        table_from(formats / "pmod", cohort_with(["AD06"]), **PMOD | {"files": "{participant}_tac_magia.mat"})


def test_acquisition_times_of_pmod_real_are_no_curves(formats, cohort_with):
    with pytest.raises(SourceError, match=r"AD06.acqtimes: does not begin with start\[seconds\]"):
        table_from(formats / "pmod", cohort_with(["AD06"]), **PMOD | {"files": "{participant}.acqtimes"})


def test_demographics_of_pbr28_real_name_scans_in_columns_and_not_in_rows(pbr28, pbr28_cohort):
    options = PBR28 | {"file": "pbr28_demographics.csv"}
    with pytest.raises(SourceError, match=r"pbr28_demographics.csv: scan: has no column 'PET'"):
        table_from(pbr28, pbr28_cohort, **options)
