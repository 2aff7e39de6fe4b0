import random
from pathlib import Path

import pytest

from workbench.errors import SpecError
from workbench.knowledge.circuits import circuit_of
from workbench.knowledge.regions import (
    AmbiguousRegionError,
    recognise_atlas,
    resolve,
    template,
    unassigned,
)
from workbench.knowledge.vocabulary import published

KNOWN = Path(__file__).parents[1] / "fixtures" / "known_regions.txt"


def known() -> list[tuple[str, ...]]:
    """Label, declared atlas, hemisphere, region and circuit of labels with known answers."""
    lines = KNOWN.read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in line.split("|")] for line in lines if line and not line.startswith("#")]
    return [(label, *("" if cell == "-" else cell for cell in cells)) for label, *cells in rows]


# ------------------------------------------------------------------------------------------------------- known answers


@pytest.mark.parametrize(("label", "atlas", "hemisphere", "region", "circuit"), known())
def test_labels_of_atlases_pipelines_and_labs_are_what_they_are(label, atlas, hemisphere, region, circuit):
    resolved = resolve(label, atlas)
    assert (resolved.hemisphere, resolved.region, resolved.circuit) == (hemisphere, region, circuit)
    assert resolved.label == label
    assert resolved.recognised


def test_the_known_answers_are_many_and_cover_every_family_of_atlases():
    assert len(known()) >= 200
    recognised = {resolve(label, atlas).recognised.split(":")[0] for label, atlas, *_ in known()}
    families = {family.title.split(":")[0] for family in published().families}
    assert families == recognised


@pytest.mark.parametrize(
    ("label", "network"),
    [
        ("17Networks_RH_SalVentAttnB_PFCmp_1", "SalVentAttnB"),
        ("LH_Default_PFC_12", "Default"),
        ("LH_Limbic_OFC_1", "Limbic"),
        ("DefaultMode.MPFC (1,55,-3)", "DefaultMode"),
        ("CO_LABEL_10", "CO"),
        ("ctx-lh-insula", ""),
    ],
)
def test_the_network_is_the_one_that_the_atlas_names(label, network):
    assert resolve(label).network == network


@pytest.mark.parametrize("label", ["7Networks_LH_Vis_1", "R_V1_ROI", "ctx-lh-pericalcarine", "Calcarine_L", "V1"])
def test_visual_cortex_has_a_region_and_no_part_in_the_reward_circuit(label):
    resolved = resolve(label)
    assert resolved.region == "occipital cortex"
    assert resolved.circuit == "visual"


@pytest.mark.parametrize(
    "label",
    [
        "",
        "1",
        "_",
        "L",
        "R_L",
        "roi_17",
        "wm-lh-insula",
        "Left-Cerebellum-White-Matter",
        "Vermis-White-Matter",
        "Left-Lateral-Ventricle",
        "3rd-Ventricle",
        "Left-hippocampal_fissure",
        "Hippocampal fissure",  # DiFuMo: between regions
        "Thalamus and globus pallidus",  # DiFuMo: two regions
        "Cerebrospinal fluid (between middle frontal gyrus and skull)",  # the gyrus is only beside it
        "Internal capsule",
        "Left-Caudate-Putamen",
        "putamen_caudate",
        "NAcc-ACC",
        "Left-caudate-intensity-abnormality",
        "ctx-lh-unknown",
        "ctx-rh-corpuscallosum",
        "Background",
        "CSF",
        "WM-hypointensities",
        "lh_MeanThickness_thickness",
        "EstimatedTotalIntraCranialVol",
        "lhCortexVol",
        "faceVsControlPeak1",
        "antGainVsAntControlPeak3",
        "46",  # an area of Glasser's, where that is declared
        "Salience_of_cues",  # a questionnaire, not a network
        "Default_mode_score_total",
        "vaccine",
        "VAS_left",
        "response",
        "lithium",
        "MADRS_total",
        "reward",
        "reward_RT",
        "RT",
    ],
)
def test_what_is_no_region_of_the_vocabulary_stays_unrecognised(label):
    assert resolve(label) is None
    assert circuit_of(label) == ""


# ----------------------------------------------------------------------------------------------------------- ambiguity


@pytest.mark.parametrize(
    ("label", "meanings"),
    [
        ("SN", ["substantia nigra", "salience network"]),
        ("pGP-rh", ["pallidum", "inferior parietal lobule"]),
        ("PGp", ["pallidum", "inferior parietal lobule"]),
        ("rACC", ["pgACC", "right ACC"]),
        ("LPFC", ["lateral PFC", "left prefrontal cortex"]),
        ("RPFC", ["frontal pole", "right prefrontal cortex"]),
        ("FP_l", ["frontal pole", "fronto-parietal network"]),
        ("Left-LP", ["left thalamus", "left angular gyrus"]),
        ("PC", ["PCC", "precuneus"]),
        ("SCC", ["subcallosal cingulate", "supracalcarine"]),
        ("Middle_Temporal_Area", ["middle temporal gyrus", "occipital cortex"]),
    ],
)
def test_a_label_that_could_be_two_regions_is_refused_with_both(label, meanings):
    with pytest.raises(AmbiguousRegionError, match="declare the atlas") as refused:
        resolve(label)
    for meaning in meanings:
        assert any(meaning in candidate for candidate in refused.value.candidates)
    assert circuit_of(label) == ""


@pytest.mark.parametrize(
    ("label", "atlas", "region"),
    [
        ("pGP-rh", "Tian_Subcortex_S2", "pallidum"),
        ("PGp", "Glasser", "inferior parietal lobule"),
        ("FP_l", "Harvard-Oxford", "frontal pole"),
        ("Left-LP", "FreeSurfer", "thalamus"),
        ("PC", "CONN", "PCC"),
        ("SCC", "HOA", "occipital cortex"),
        ("46", "HCPMMP", "dlPFC"),
        ("R_1", "glasser", "sensorimotor cortex"),
        ("IC", "HO2", "insula"),
    ],
)
def test_a_declared_atlas_decides(label, atlas, region):
    assert resolve(label, atlas).region == region


def test_an_atlas_that_is_not_known_decides_nothing():
    assert resolve("NAcc_L", "simulated, 15 regions") == resolve("NAcc_L")
    with pytest.raises(AmbiguousRegionError):
        resolve("SN", "hospital atlas")  # HO is Harvard-Oxford only where it stands alone


def test_readings_that_agree_on_the_region_leave_only_the_hemisphere_open():
    assert resolve("lOFC").hemisphere == ""  # lateral, or left
    assert resolve("lOFC_R").hemisphere == "right"


@pytest.mark.parametrize(
    ("labels", "atlas"),
    [
        (["aGP-rh", "pGP-rh", "aPUT-rh", "pCAU-lh", "lAMY-lh"], "tian"),
        (["LH_Vis_1", "RH_Vis_2", "RH_Default_PFC_2", "LH_Cont_Par_1", "LH_Limbic_OFC_1"], "schaefer"),
        (["LH_Vis_1", "RH_Default_PFC_2", "LH-NAC", "RH-RN", "Cerebellar_Region1"], "4S"),
        (["L_V1_ROI", "R_PGp_ROI", "L_46_ROI", "L_p24_ROI", "R_OFC_ROI"], "glasser"),
        (["Frontal_Sup_2_L", "ACC_sub_R", "N_Acc_L", "Thal_AV_L", "SN_pc_R"], "aal"),
        (["VS", "dlPFC", "vmPFC", "sgACC", "rAI"], ""),  # names in use are of no atlas
        (["Amygdala_L", "Hippocampus_R", "Caudate_L", "Putamen_L", "Pallidum_R"], ""),  # names of several atlases
        (["pGP-rh", "aGP-rh"], ""),  # too few
        (["aGP-rh", "pGP-rh", "nonsense", "more", "still more"], ""),
        ([], ""),
    ],
)
def test_the_labels_of_one_file_tell_the_atlas_where_one_alone_has_them(labels, atlas):
    assert recognise_atlas(labels) == atlas


# ---------------------------------------------------------------------------------------------------------- properties

CASES = (str.lower, str.upper, str.title, str.swapcase)
SEPARATORS = ("_", "-", " ", ".", "__", " - ")


@pytest.mark.parametrize("seed", range(4))
def test_case_and_separators_never_matter(seed):
    draw = random.Random(seed)
    for label, atlas, hemisphere, region, circuit in known():
        if "(" in label:  # what stands in parentheses is set apart by them
            continue
        varied = "".join(draw.choice(SEPARATORS) if letter in "_- ." else letter for letter in label)
        varied = draw.choice(CASES)(varied)
        resolved = resolve(varied, atlas)
        assert resolved is not None, varied
        assert (resolved.hemisphere, resolved.region, resolved.circuit) == (hemisphere, region, circuit), varied


def test_composed_and_decomposed_letters_are_the_same_name(own):
    vocabulary = own('[regions."noyau caud\u00e9"]\ncircuit = "reward"')
    assert resolve("Noyau_caude\u0301_L", vocabulary=vocabulary).region == "noyau caud\u00e9"


NOTATIONS = {
    "left": ("{}_L", "L_{}", "{}-lh", "lh.{}", "Left-{}", "{} left", "{} (L)", "{} (left)", "LH_{}", "l{}", "left{}"),
    "right": (
        "{}_R",
        "R_{}",
        "{}-rh",
        "rh.{}",
        "Right-{}",
        "{} right",
        "{} (R)",
        "{} (right)",
        "RH_{}",
        "r{}",
        "right{}",
    ),
    "midline": ("{}_M", "{} midline", "{} (m)"),
    "both": ("{}_bilateral", "bilat {}"),
}
NAMES = ("VS", "NAcc", "caudate", "dlPFC", "vmPFC", "sgACC", "amygdala", "hippocampus", "insula", "dACC", "IPS", "VTA")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("hemisphere", NOTATIONS)
def test_every_notation_of_the_hemisphere_is_understood_and_changes_nothing_else(name, hemisphere):
    plain = resolve(name)
    assert plain.hemisphere == ""
    for notation in NOTATIONS[hemisphere]:
        resolved = resolve(notation.format(name))
        assert resolved.hemisphere == hemisphere, notation
        assert (resolved.region, resolved.circuit) == (plain.region, plain.circuit)


def test_left_and_right_are_mirror_images_for_every_name_in_use():
    for region in published().regions.values():
        for name in (region.name, *region.aliases):
            left, right = (resolve(f"{side}-{name}") for side in ("Left", "Right"))
            assert (left.hemisphere, right.hemisphere) == ("left", "right")
            assert (left.region, left.circuit) == (right.region, right.circuit) == (region.name, region.circuit)


def test_every_name_of_every_atlas_is_read_as_its_region_when_the_atlas_is_declared():
    vocabulary = published()
    for family in vocabulary.families[1:]:
        for region, names in family.names.items():
            for name in names:
                assert resolve(name.rstrip("*"), family.key).region == region, (family.key, name)


def test_no_atlas_gives_one_name_to_two_regions_and_every_entry_has_a_source():
    vocabulary = published()
    for family in vocabulary.families:
        assert list(family.problems(family.key)) == []
        assert family.title
        assert family.source
        assert family.labels or family.key == "names"
        assert set(family.names) <= set(vocabulary.regions)
        assert set(family.networks) <= {*vocabulary.circuits, "", "none"}
    for circuit, text in vocabulary.circuits.items():
        assert "(" in text, f"{circuit} has no source"


# ------------------------------------------------------------------------------------------- what has no circuit


def test_labels_without_a_circuit_are_listed_once_in_their_order_with_the_reason():
    rows = unassigned(["VS_L", "Left-Thalamus", "roi_17", "SN", "Left-Thalamus", "None_3", "putamin_R"])
    assert [row.label for row in rows] == ["Left-Thalamus", "roi_17", "SN", "None_3", "putamin_R"]
    assert [row.why for row in rows] == [
        "thalamus is in none of the circuits",
        "not recognised",
        "ambiguous: substantia nigra or salience network",
        "the None network is in none of the circuits",
        "not recognised; did you mean 'putamen'?",
    ]
    assert [row.hemisphere for row in rows] == ["left", "", "", "", "right"]


def test_the_template_is_a_table_to_fill_in_whatever_the_labels_hold():
    text = template(unassigned(["Left-Thalamus", "odd\tname\nhere"]), key="region")
    lines = [line.split("\t") for line in text.splitlines()]
    assert lines[0] == ["region", "circuit", "region_a", "hemisphere", "why"]
    assert lines[1] == ["Left-Thalamus", "", "thalamus", "left", "thalamus is in none of the circuits"]
    assert [len(line) for line in lines] == [5, 5, 5]


def test_nothing_is_unassigned_where_every_label_has_a_circuit():
    assert unassigned(["VS", "dlPFC_L", "LH_Vis_3"]) == ()


def test_a_filled_in_template_is_read_as_a_table_of_columns(tmp_path):
    from workbench.sources.contract.description import read_columns_table

    text = template(unassigned(["Left-Thalamus", "roi_17"])).replace("\t\tthalamus", "\treward\tthalamus")
    (tmp_path / "columns.tsv").write_text(text, encoding="utf-8")
    described = read_columns_table("columns.tsv", features_dir=tmp_path, data=tmp_path)
    assert described.columns["Left-Thalamus"]["circuit"] == "reward"
    assert described.columns["roi_17"]["circuit"] == ""


# -------------------------------------------------------------------------------------------------- a study's own names


@pytest.fixture
def own(tmp_path):
    """The vocabulary with what a study declares."""

    def read(text):
        path = tmp_path / "regions.toml"
        path.write_text(text, encoding="utf-8")
        return published().with_own(path)

    return read


def test_a_study_adds_circuits_regions_names_and_an_atlas(own):
    vocabulary = own("""
        [circuits]
        "limbic 5-HT" = "raphe, amygdala and hippocampus (our protocol)"

        [regions."raphe nuclei"]
        circuit = "limbic 5-HT"
        aliases = ["RphN"]
        source = "our protocol"

        [regions."reward hub"]
        circuit = "reward"

        [networks]
        "limbic 5-HT" = ["Serotonin"]

        [atlases.ours]
        title = "ROIs of 2019"
        exact = true
        names = { caudate = ["P 17"] }
    """)
    circuits = {
        "RphN_L": "limbic 5-HT",
        "Raphe_D": "limbic 5-HT",  # its published names have the circuit too
        "reward_hub": "reward",
        "Serotonin_3": "limbic 5-HT",
        "L_P17": "reward",
        "vmPFC": "reward",
    }
    assert {label: resolve(label, vocabulary=vocabulary).circuit for label in circuits} == circuits
    assert resolve("RphN_L", vocabulary=vocabulary).recognised == "name of the study: RphN"
    assert resolve("L_P17", vocabulary=vocabulary).recognised == "ROIs of 2019: P 17"
    assert resolve("RphN_L") is None
    assert resolve("P18", vocabulary=vocabulary) is None


def test_what_a_study_says_goes_before_every_published_name(own):
    vocabulary = own('[regions."substantia nigra"]\naliases = ["SN"]\n[regions.vmPFC]\ncircuit = "default mode"')
    assert resolve("SN_L", vocabulary=vocabulary).region == "substantia nigra"
    assert resolve("vmPFC", vocabulary=vocabulary).circuit == "default mode"
    assert resolve("Left_Frontal_Medial_Cortex", vocabulary=vocabulary).circuit == "default mode"
    assert resolve("vmPFC").circuit == "reward"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[region.x]\ncircuit = 'reward'", "region is not a key I know; did you mean 'regions'"),
        ("[regions.x]\ncircuits = 'reward'", "circuits is not a key I know; did you mean 'circuit'"),
        ("[regions.x]\ncircuit = 'rewards'", "'rewards' is not a circuit I know; did you mean 'reward'"),
        ("[regions.x]\naliases = ['y']", "regions.x: has no circuit"),
        ("[regions.x]\ncircuit = ''\naliases = 'y'", "aliases is not a list of names"),
        ("[regions.x]\ncircuit = 3", "circuit is not a text"),
        ("[regions]\nx = 'reward'", "regions.x is not a table"),
        ("regions = 3", "regions is not a table"),
        ("[networks]\nexecutiv = ['A']", "'executiv' is not a circuit I know; did you mean 'executive'"),
        ("[atlases.a.names]\ncaudat = ['A']", "'caudat' is not a region I know; did you mean 'caudate'"),
        ("[atlases.a]\ntitel = 'x'", "titel is not a key I know; did you mean 'title'"),
        ("[atlases.a]\nexact = 1", "exact is neither true nor false"),
        ("[atlases.a]\npattern = '('", "pattern is no regular expression"),
        ("[atlases.a]\nnames = 3", "is not a table"),
        ("[atlases.a.names]\ncaudate = ['C*x']", "'C*x' has a * inside"),
        ("[circuits]\nnone = 'x'", "'none' stands for no circuit"),
        ("[atlases.a.names]\ncaudate = ['17']", "'17' is only a hemisphere, a number or a word that is left out"),
        ("[atlases.a.names]\ncaudate = ['A x']\nputamen = ['a_X']", "'A x' is caudate, and 'a_X' is putamen"),
        ("[circuits]\nx = 3", "x is not a text"),
        ("[ambiguous]\nx = 3", "x is not a list of names"),
        ("[regions", "cannot be read"),
    ],
)
def test_a_mistake_in_a_study_s_own_names_is_said_with_the_way_out(own, text, message):
    with pytest.raises(SpecError, match=r"features/regions.toml") as refused:
        own(text)
    assert message in str(refused.value)


def test_all_mistakes_of_the_file_are_said_at_once(own):
    with pytest.raises(SpecError) as refused:
        own("[regions.x]\ncircuit = 'rewards'\nalias = []\n[atlases.a.names]\ncaudat = ['A']")
    assert len(refused.value.problems) == 3


def test_a_file_that_is_missing_or_no_text_is_said(tmp_path):
    with pytest.raises(SpecError, match="no such file"):
        published().with_own(tmp_path / "regions.toml")
    (tmp_path / "regions.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SpecError, match="is saved as UTF-16; save it again as UTF-8"):
        published().with_own(tmp_path / "regions.toml")
