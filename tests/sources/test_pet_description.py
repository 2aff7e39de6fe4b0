"""What PET features must say whichever reader: tracer, measure, reference, minutes, and one scale of FDG uptake."""

from typing import Any

import pytest

from workbench.errors import SourceError
from workbench.knowledge.pet_measures import known_measure, scale_of
from workbench.sources import read_source
from workbench.specs.table_source import TableSource

WIDE = "participant_id\tVS_BPnd\tACC_BPnd\nsub-0001\t1.5\t0.4\nsub-0002\t1.7\t0.5\n"


@pytest.fixture
def read(tmp_path, cohort, write):
    def read_table(text: str = WIDE, **changes: Any):
        write("pet.tsv", text)
        declared = {"modality": "pet", "reader": "table", "file": "pet.tsv", "timing": "before"}
        given = {"tracer": "[11C]AZ10419369", "measure": "BPND", "unit": "ratio", "reference": "Cerebellum"} | changes
        spec = TableSource.model_validate(declared | {key: value for key, value in given.items() if value is not None})
        return read_source("pet", spec, cohort, data=tmp_path, features_dir=tmp_path / "features")

    return read_table


def test_what_a_wide_table_is_of_travels_with_each_column(read):
    features = read(window_min=(40.0, 60.0), reference=("Cerebellum_l", "Cerebellum_r")).features
    for key, value in {
        "tracer": "[11C]AZ10419369",
        "measure": "BPND",
        "unit": "ratio",
        "reference_region": "Cerebellum_l + Cerebellum_r",
        "minutes": "40-60",
    }.items():
        assert set(features[key]) == {value}


def test_a_columns_table_says_it_of_single_columns(read, write):
    write(
        "columns.tsv",
        "column\ttracer\tmeasure\treference_region\tminutes\nVS_BPnd\tA\tBPND\tpons\t30-60\nACC_BPnd\tB\tVT\t\t\n",
    )
    features = read(tracer=None, measure=None, reference=None, unit=None, columns="columns.tsv").features
    said = features.set_index("feature")[["tracer", "measure", "reference_region", "minutes"]]
    assert said.loc["VS_BPnd"].tolist() == ["A", "BPND", "pons", "30-60"]
    assert said.loc["ACC_BPnd"].tolist() == ["B", "VT", "", ""]


@pytest.mark.parametrize("key", ["tracer", "measure"])
def test_a_pet_source_without_tracer_or_measure_is_refused(read, key):
    with pytest.raises(ValueError, match=rf"{key}: is missing, and numbers do not show it"):
        read(**{key: None})


def test_a_columns_table_that_leaves_a_column_without_tracer_is_refused(read, write):
    write("columns.tsv", "column\ttracer\nVS_BPnd\tA\nACC_BPnd\t\n")
    with pytest.raises(SourceError, match=r"pet.tsv: 1 feature without tracer: ACC_BPnd; tracer = .*a column 'tracer'"):
        read(tracer=None, columns="columns.tsv")


def test_other_modalities_need_no_tracer(read):
    assert read(modality="thickness", tracer=None, measure=None).values.shape == (2, 2)


def test_a_window_that_runs_backwards_is_refused(read):
    with pytest.raises(ValueError, match=r"window_min: \[60.0, 40.0\] is no span of minutes after injection"):
        read(window_min=(60.0, 40.0))


def test_a_binding_potential_without_a_declared_reference_is_noted(read):
    assert "BPND: the reference region is not declared (reference = ..)" in read(reference=None).notes
    assert not any("reference region" in note for note in read(measure="VT", reference=None).notes)


FDG = {"tracer": "[18F]FDG", "reference": None}


@pytest.mark.parametrize(
    ("measure", "unit", "scale"),
    [
        ("SUV", "g/mL", "absolute"),
        ("SUV", "", "absolute"),
        ("SUVR", "ratio", "relative"),
        ("SUVr", "", "relative"),
        ("CMRglc", "µmol/100 g/min", "absolute"),
        ("CMRglc", "mg/100g/min", "absolute"),
        ("CMRglc", "relative to global", "relative"),
        ("rCMRglu", "percent of whole brain", "relative"),
        ("uptake", "kBq/cc", "absolute"),
        ("Ki", "mL/cm3/min", "absolute"),
        ("CMRglc", "", ""),
        ("FDG", "", ""),
    ],
)
def test_fdg_uptake_is_an_amount_or_a_ratio_by_measure_and_unit(measure, unit, scale):
    assert scale_of(measure, unit) == scale


def test_fdg_uptake_that_may_be_either_is_asked_for(read):
    with pytest.raises(SourceError, match=r"FDG uptake is given as CMRglc: an amount, or relative to .*; say it: "):
        read(**FDG, measure="CMRglc", unit=None)
    assert len(read(**FDG, measure="CMRglc", unit="umol/100g/min").features) == 2
    assert len(read(measure="CMRglc", unit=None, tracer="[11C]glucose").features) == 2


def test_a_source_that_mixes_amounts_and_ratios_of_fdg_is_refused(read, write):
    write("columns.tsv", "column\tmeasure\tunit\nVS_BPnd\tSUV\tg/mL\nACC_BPnd\tSUVR\tratio\n")
    with pytest.raises(
        SourceError, match=r"mixes amounts of FDG uptake \(SUV \(g/mL\)\) and ratios \(SUVR \(ratio\)\)"
    ):
        read(**FDG, measure=None, unit=None, columns="columns.tsv")


@pytest.mark.parametrize("written", ["BP_ND", "BPnd", "BP ND"])
def test_spellings_of_a_measure_are_one(written):
    assert known_measure(written) == "BPND"
