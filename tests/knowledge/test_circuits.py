import pytest

from workbench.knowledge.circuits import CIRCUITS, REGIONS, circuit_of, region_of


@pytest.mark.parametrize(
    ("label", "circuit"),
    [
        # labs
        ("VS", "reward"),
        ("NAcc_L", "reward"),
        ("ventral striatum (R)", "reward"),
        ("R_sgACC", "affective"),
        ("dACC", "salience"),
        ("amPFC", "default mode"),
        ("vmPFC", "reward"),
        ("dlPFC_left", "executive"),
        ("habenula", "reward"),
        # FreeSurfer
        ("Left-Accumbens-area", "reward"),
        ("Right-Caudate", "reward"),
        ("ctx-lh-insula", "salience"),
        ("ctx-rh-rostralanteriorcingulate", "affective"),
        ("ctx-lh-caudalanteriorcingulate", "salience"),
        ("ctx_lh_medialorbitofrontal", "reward"),
        # Tian, AAL, Harvard-Oxford, CONN
        ("NAc-shell-lh", "reward"),
        ("aHIP-rh", "affective"),
        ("Frontal_Inf_Tri_L", "executive"),
        ("Frontal_Mid_2_R", "executive"),
        ("Cingulate_Post_L", "default mode"),
        ("Cingulate_Mid_R", "salience"),
        ("Left_Insular_Cortex", "salience"),
        ("Right_Cingulate_Gyrus_anterior_division", "salience"),
        ("Left_Frontal_Orbital_Cortex", "reward"),
        ("DefaultMode.MPFC", "default mode"),
        ("Salience.AInsula (L)", "salience"),
        ("SubCalC (Subcallosal Cortex)", "affective"),
        # Schaefer: the atlas names the network, which wins over the region
        ("7Networks_LH_Cont_PCun_1", "executive"),
        ("17Networks_RH_SalVentAttnB_PFCmp_1", "salience"),
        ("LH_Default_PFC_12", "default mode"),
        ("LH_Vis_1", "visual"),
        ("Schaefer2018_17Networks_LH_ContA_Cingm_1", "executive"),
        ("FreeSurfer_Left-Accumbens-area", "reward"),
        ("RH_Limbic_OFC_2", "reward"),
        ("RH_Limbic_TempPole_1", "affective"),
        # networks
        ("DMN", "default mode"),
        ("salience network", "salience"),
        ("Central Executive Network", "executive"),
    ],
)
def test_regions_are_found_under_the_names_of_atlases_and_labs(label, circuit):
    assert circuit_of(label) == circuit


@pytest.mark.parametrize(
    "label",
    [
        "",
        "1",
        "_",
        "L",
        "wm-lh-insula",
        "Left-hippocampal-fissure",
        "Left-choroid-plexus",
        "Left-Lateral-Ventricle",
        "Left-caudate-intensity-abnormality",
        "Brain-Stem",
        "Left-VentralDC",
        "Left-Cerebellum-Cortex",
        "Left-Thalamus-Proper",
        "NAcc-ACC",
        "putamen_caudate",
        "Area_PGp",  # parietal in Glasser; the Tian atlas calls the posterior pallidum pGP
        "vaccine",
        "roi_17",
        "Background",
        "ctx-lh-unknown",
        "17Networks_LH_TempPar_1",
        "RH_Limbic",
    ],
)
def test_nothing_gets_a_circuit_by_luck(label):
    assert circuit_of(label) == ""


def test_hemisphere_and_case_never_matter():
    assert {circuit_of(label) for label in ("AMYGDALA", "amygdala_L", "lh.amygdala", "Right Amygdala")} == {"affective"}


def test_a_connection_is_no_region():
    assert region_of("VS->dlPFC") is None


def test_a_region_is_known_by_its_own_name_whatever_the_atlas_calls_it():
    assert {region_of(label).name for label in ("NAcc", "Left-Accumbens-area", "VS")} == {"ventral striatum"}


def test_a_region_inside_a_network_label_is_found():
    assert region_of("Salience.ACC").name == "ACC"
    assert region_of("DMN") is None


def test_every_region_has_a_declared_circuit_or_none():
    assert {region.circuit for region in REGIONS.values()} <= {"", *CIRCUITS}
    assert set(CIRCUITS) <= {region.circuit for region in REGIONS.values()}


def test_no_two_regions_share_a_name():
    seen = {}
    for region in REGIONS.values():
        for name in (region.name, *region.aliases):
            named = region_of(f"{name} L")  # with a hemisphere: a bare rACC may be a right ACC
            assert named is region, f"{name!r} of {region.name} is taken by {named and named.name}"
            seen[name] = region.name
    assert len(seen) > 100
