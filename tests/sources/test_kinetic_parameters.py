"""Tables of kinetic parameters: which column is read, what BPND is, what the sidecar says, and what names a person."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from workbench.errors import SourceError
from workbench.knowledge.pet_measures import known_measure
from workbench.sources import read_source
from workbench.specs.readers import READERS

FOLDER = "petsurfer/sub-0001/ses-b0/pet/"
MRTM = "ROI\tk2\tk2a\tk2-k2a\nLeft-Putamen\t0.12\t0.04\t0.08\nLeft-Caudate\t0.09\t0.03\t0.06\n"


@pytest.fixture
def read(tmp_path, cohort):
    def read_tables(reader: str = "kinpar", in_cohort=cohort, **changes: Any):
        declared = {
            "modality": "pet",
            "reader": reader,
            "files": "petsurfer/**/*_kinpar.tsv",
            "tracer": "[11C]AZ10419369",
            "measure": "BPND",
            "reference": "Cerebellum",
        }
        given = {key: value for key, value in (declared | changes).items() if value is not None}
        spec = READERS[reader].model_validate(given)
        return read_source("pet", spec, in_cohort, data=tmp_path, features_dir=tmp_path / "features")

    return read_tables


def values_of(table) -> dict[str, list[float]]:
    return dict(zip(table.features["feature"], table.values.T.tolist(), strict=True))


# -------------------------------------------------------------------------------------------------------------- kinpar


def test_bpnd_is_k2_over_k2a_minus_1_and_never_the_column_k2_minus_k2a(read, write):
    write(FOLDER + "sub-0001_ses-b0_trc-az_model-MRTM2_kinpar.tsv", MRTM)
    table = read()
    np.testing.assert_allclose(values_of(table)["Left-Putamen"], [2.0])
    np.testing.assert_allclose(values_of(table)["Left-Caudate"], [2.0])
    assert "1 file: BPND is k2/k2a - 1" in table.notes


def test_the_column_k2_minus_k2a_is_refused_as_a_binding_potential():
    declared = {"modality": "pet", "reader": "kinpar", "files": "*", "tracer": "x", "measure": "BPND"}
    with pytest.raises(
        ValueError, match=r"parameter: is 'k2-k2a', a difference of rate constants, and BPND is k2/k2a - 1"
    ):
        READERS["kinpar"].model_validate(declared | {"parameter": "k2-k2a"})
    assert known_measure("k2-k2a") == ""


def test_a_column_named_like_the_measure_is_taken_before_rate_constants(read, write):
    write(FOLDER + "sub-0001_ses-b0_kinpar.tsv", "ROI\tBP_ND\tk2\tk2a\nLeft-Putamen\t1.9\t0.12\t0.04\n")
    assert values_of(read()) == {"Left-Putamen": [1.9]}


def test_freesurfers_own_first_header_cell_is_read_as_the_region(read, write):
    write(FOLDER + "sub-0001_ses-b0_model-MRTM1_kinpar.tsv", MRTM.replace("ROI", "frame_start"))
    np.testing.assert_allclose(values_of(read())["Left-Putamen"], [2.0])


def test_a_table_of_vt_without_a_header_loses_no_region(read, write):
    write(FOLDER + "sub-0001_ses-b0_model-MA1_kinpar.tsv", "Left-Putamen\t3.5\nLeft-Caudate\t4.5\n")
    assert values_of(read(measure="VT", reference=None)) == {"Left-Putamen": [3.5], "Left-Caudate": [4.5]}
    with pytest.raises(
        SourceError, match=r"has no header: its first line is Left-Putamen, 3.5; only tables of VT or Ki"
    ):
        read()


def test_a_parameter_that_is_not_there_is_named_with_the_columns_that_are(read, write):
    write(FOLDER + "sub-0001_ses-b0_kinpar.tsv", MRTM)
    with pytest.raises(SourceError, match=r"has no column for VT; it has k2, k2a, k2-k2a"):
        read(measure="VT", reference=None)
    with pytest.raises(SourceError, match=r"has no column for kappa"):
        read(measure="VT", reference=None, parameter="kappa")


def test_a_region_whose_k2a_is_0_has_no_bpnd_and_is_counted(read, write):
    write(FOLDER + "sub-0001_ses-b0_kinpar.tsv", MRTM + "Left-vessel\t0.1\t0\t0.1\nRight-vessel\t0.1\tn/a\t0.1\n")
    table = read()
    assert list(table.features["feature"]) == ["Left-Putamen", "Left-Caudate"]
    assert "1 file: BPND is k2/k2a - 1; missing where k2a is 0 (1 regions)" in table.notes


def test_a_rate_constant_that_is_no_number_is_named_by_line_and_region(read, write):
    write(FOLDER + "sub-0001_ses-b0_kinpar.tsv", MRTM.replace("0.03", "nan"))
    with pytest.raises(SourceError, match=r"_kinpar.tsv: line 3, column 'k2a', Left-Caudate: 'nan' is not a number"):
        read()


def test_what_the_sidecar_says_travels_with_the_columns(read, write):
    stem = FOLDER + "sub-0001_ses-b0_model-MRTM2_kinpar"
    write(f"{stem}.tsv", MRTM)
    sidecar = (
        '{"ModelName": "MRTM2", "ReferenceRegion": ["8", "47"], "InputValues": [0.031], "SoftwareName": "petsurfer-km",'
        ' "SoftwareVersion": "1.2"}'
    )
    write(f"{stem}.json", sidecar)
    table = read(reference=None, unit="ratio")
    assert table.features["reference_region"].unique().tolist() == ["8 + 47"]
    assert "1 file made by petsurfer-km 1.2" in table.notes
    assert "1 file: model MRTM2, input 0.031" in table.notes
    with pytest.raises(
        SourceError, match=r"_kinpar.json: names '8 \+ 47' as reference region, and the source 'Cerebellum'"
    ):
        read()


def test_a_binding_potential_whose_reference_nobody_names_is_asked_for_once(read, write):
    for person in ("0001", "0002"):
        write(f"petsurfer/sub-{person}/sub-{person}_ses-b0_kinpar.tsv", MRTM.replace("0.12", f"0.{person}"))
    with pytest.raises(SourceError) as error:
        read(reference=None)
    assert str(error.value).count("reference: is missing, no sidecar names it, and BPND is relative to one") == 1


def test_tables_of_several_models_are_refused_until_one_is_declared(read, write):
    write(FOLDER + "sub-0001_ses-b0_model-MRTM1_kinpar.tsv", MRTM)
    write(FOLDER + "sub-0001_ses-b0_model-MRTM2_kinpar.tsv", MRTM.replace("0.12", "0.16"))
    with pytest.raises(SourceError, match=r'several model- values: model-MRTM1, model-MRTM2; .*model = "MRTM1"'):
        read()
    np.testing.assert_allclose(values_of(read(model="mrtm2"))["Left-Putamen"], [3.0])


def test_a_region_that_is_there_twice_is_refused_with_both_lines(read, write):
    write(FOLDER + "sub-0001_ses-b0_kinpar.tsv", MRTM + "Left-Putamen\t0.1\t0.1\t0\n")
    with pytest.raises(SourceError, match=r"region 'Left-Putamen' is there twice \(line 2, line 4\)"):
        read()


def test_regions_that_one_table_lacks_are_missing_and_counted(read, write):
    write("petsurfer/sub-0001/sub-0001_ses-b0_kinpar.tsv", MRTM)
    write("petsurfer/sub-0002/sub-0002_ses-b0_kinpar.tsv", "ROI\tk2\tk2a\nLeft-Putamen\t0.08\t0.04\n")
    table = read()
    assert np.isnan(values_of(table)["Left-Caudate"][1])
    assert "not in every file, hence missing: Left-Caudate (1 participant)" in table.notes


@pytest.fixture(scope="module")
def km_2025(real_data) -> Path:
    folder = real_data / "formats" / "petprep_km_2025"
    if not folder.is_dir():
        pytest.skip("no kinetic parameters of petprep_km beside the repository")
    return folder


@pytest.mark.parametrize(("model", "n_regions", "putamen"), [("ma1", 176, "Left-Putamen"), ("2tcm", 1, "")])
def test_petprep_km_2025_real_has_its_regions_under_name_and_an_explicit_vt(
    km_2025, cohort_of, model, n_regions, putamen
):
    cohort = cohort_of("participant_id\nsub-01\n", design="observational", site=None, arms=None, sessions={}, ids={})
    options = {"files": "*_kinpar.tsv", "measure": "VT", "tracer": "[11C]PS13", "model": model, "timing": "unknown"}
    spec = READERS["kinpar"].model_validate({"modality": "pet", "reader": "kinpar", **options})
    table = read_source("pet", spec, cohort, data=km_2025, features_dir=km_2025 / "features")
    assert table.values.shape == (1, n_regions)
    rows = [
        line.split("\t") for line in (km_2025 / f"sub-01_seg-gtm_model-{model}_kinpar.tsv").read_text().splitlines()
    ]
    expected = {row[0]: float(row[rows[0].index("VT")]) for row in rows[1:]}
    assert {feature: values[0] for feature, values in values_of(table).items()} == expected
    assert "1 file made by petprep_km 0.1.0" in table.notes
    assert f"1 file: model {model}, blood arterial" in table.notes


# -------------------------------------------------------------------------------------------------------------- voistat

ABOUT = "# PMOD_VOI_STATISTICS\n# VERSION[3.807]\n# DATA\n"
COLUMNS = "// Component [string]\tFile [string]\tPatientName [string]\tPatientID [string]\tStudyDate [date_time]\t"


def voistat(*rows: str, title: str = "BPnd_Logan |> BPnd_SRTM", value: str = "Averaged [1/1]") -> str:
    header = f"{COLUMNS}SeriesDescription [string]\tVoiName(Region) [string]\tTime [seconds]\t{value}"
    personal = "secret/Doe.dcm\tDoe_1\tDoe^Jane\tMRN4711\t20200229_080000"
    return ABOUT + "\n".join((header, *(f"{personal}\t{title}\t{row}" for row in rows))) + "\n"


VOISTAT = {"reader": "pmod-voistat", "files": "pmod/{participant}_{session}.voistat"}


def test_columns_of_a_voistat_that_name_a_person_are_dropped_and_never_shown(read, write):
    write("pmod/0001_ses-b0.voistat", voistat("Putamen_l\t0.5\t1.9", "Putamen_r\t0.5\t1.8"))
    table = read(**VOISTAT)
    assert values_of(table) == {"Putamen_l": [1.9], "Putamen_r": [1.8]}
    assert table.left_out.why["PatientName [string]"] == table.left_out.why["PatientID [string]"] == "names a person"
    everything = f"{table} {table.notes} {table.left_out} {table.features.to_csv()} {table.rows.to_csv()}"
    assert not any(word in everything for word in ("Doe", "MRN4711", "secret", "20200229"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (voistat("Putamen_l\t0.5\tx"), r"column 'Putamen_l', sub-0001 ses-b0: 'x' is not a number"),
        (voistat("Putamen_l\t0.5\t1\t2"), r"the header has 9 columns but line 5 has 10 cells"),
        (voistat("A\t0.5\t1", "A\t0.5\t2"), r"region 'A' is there twice \(line 5, line 6\)"),
        (voistat("A\t0.5\t1", title="SUVR_late"), r"holds SUVR by the title of its map, and measure is 'BPND'"),
        (voistat("A\t7.5\t1", value="Averaged [kBq/cc]"), r"holds activity over time .*; save the curves as .tac"),
        (voistat("A\t7.5\t1", value="Median [1/1]"), r"has no column 'Averaged'; it has SeriesDescription, VoiName"),
        (voistat(), "holds no region"),
        ("Region\tBPnd\nA\t1\n", r"is no table of statistics of PMOD"),
    ],
)
def test_what_is_wrong_with_a_voistat_is_said_without_naming_anybody(read, write, text, message):
    write("pmod/0001_ses-b0.voistat", text)
    with pytest.raises(SourceError, match=message) as error:
        read(**VOISTAT)
    assert not any(word in str(error.value) for word in ("Doe", "MRN4711", "secret", "20200229"))


@pytest.fixture(scope="module")
def pmod(real_data) -> Path:
    folder = real_data / "formats" / "pmod"
    if not folder.is_dir():
        pytest.skip("no files of PMOD beside the repository")
    return folder


@pytest.fixture
def pmod_cohort(cohort_of):
    people = "participant_id\nAD06\nAD07\n"
    missing = ("n/a", "", "NaN")
    return cohort_of(people, design="observational", site=None, arms=None, sessions={}, ids={}, missing=missing)


def read_pmod(folder: Path, cohort, files: str, **changes: Any):
    declared = {"modality": "pet", "reader": "pmod-voistat", "files": files, "timing": "unknown", "tracer": "[11C]PiB"}
    spec = READERS["pmod-voistat"].model_validate(declared | {"measure": "BPND", "reference": "Cerebellum"} | changes)
    return read_source("pet", spec, cohort, data=folder, features_dir=folder / "features")


def test_pmod_voistat_real_gives_bpnd_of_each_region(pmod, pmod_cohort):
    table = read_pmod(pmod, pmod_cohort, "{participant}_BPnd_BPnd_Logan.voistat")
    assert table.rows["participant_id"].tolist() == ["sub-AD06", "sub-AD07"]
    assert values_of(table)["FL_mid_fr_G_l"] == [0.9104868637000144, 1.0698418874816917]
    assert "2 files made by PMOD 3.807" in table.notes
    assert table.left_out.why["PatientName [string]"] == "names a person"


def test_pmod_voistat_real_of_curves_is_refused(pmod, pmod_cohort):
    with pytest.raises(SourceError, match=r"holds activity over time \(Averaged \[kBq/cc\]\).*save the curves as .tac"):
        read_pmod(pmod, pmod_cohort, "{participant}_TAC.HEAD204.voistat")


def test_a_measure_that_pmod_voistat_real_does_not_hold_is_refused(pmod, pmod_cohort):
    with pytest.raises(SourceError, match=r"holds BPND by the title of its map, and measure is 'SUVR'"):
        read_pmod(pmod, pmod_cohort, "{participant}_BPnd_BPnd_Logan.voistat", measure="SUVR")
