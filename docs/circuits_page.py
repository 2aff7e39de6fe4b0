"""Writes docs/circuits.md from the vocabulary of circuits and regions.

    python docs/circuits_page.py

`tests/knowledge/test_circuits_page.py` holds the page to what this writes.
"""

from __future__ import annotations

from pathlib import Path

from workbench.knowledge.vocabulary import GENERAL, AtlasNames, Vocabulary, published

PAGE = Path(__file__).resolve().parent / "circuits.md"

HEADER = """\
# Circuits and regions

Features are summed, tested and explained by circuit. Which circuit a feature belongs to follows from the name of its
region, whatever atlas, pipeline or lab wrote that name. This page is the vocabulary
([`workbench/knowledge/regions.toml`](../workbench/knowledge/regions.toml)); `docs/circuits_page.py` writes it.

## How a label is read

| label | hemisphere | region | circuit | why |
| --- | --- | --- | --- | --- |
| `NAcc_L`, `lVS`, `Left-Accumbens-area`, `NAc-core-lh`, `BG_L_6_3` | left | ventral striatum | reward | a name in use, or a name of an atlas |
| `7Networks_LH_Cont_pCun_1` | left | precuneus | executive | where the atlas names a network, it decides |
| `LH_Limbic_OFC_1` | left | OFC | reward | *limbic* is left to the region after it |
| `R_V1_ROI` | right | occipital cortex | visual | a region without part in the reward circuit |
| `Left-Thalamus` | left | thalamus | none | a region of none of the circuits: listed as unassigned |
| `lOFC` | open | OFC | reward | lateral or left: the same region, so only the hemisphere is open |
| `rACC`, `SN`, `PGp` | | | | refused with its meanings: rostral or right ACC; substantia nigra or salience network; pallidum (Tian) or parietal (Glasser) |
| `wm-lh-insula`, `putamen_caudate` | | | | not recognised: the whole name must be known |

* Case, `_`, `-`, `.` and spaces never matter, nor how the hemisphere is written (`L`, `lh`, `left`, `(L)`, before, after, or
  glued in front). Numbers, `cortex`, `gyrus`, `area` and what was measured (`thickness`, `BPnd`) are left out, except in
  atlases whose names they are (`p24`, `8BM`, `CG_L_7_7`).
* The study's own names go first; then those of the atlas that it declares, or whose labels look like this one; then all.
  `atlas = "Tian"` makes `pGP-rh` the pallidum. Where all labels of a file are those of one atlas, it need not be declared.
* Names inside parentheses help where the label alone does not: `AC (Cingulate Gyrus, anterior division)`.

From Python:

    from workbench.knowledge.regions import resolve, template, unassigned
    resolve("rdlPFC")                        # right dlPFC (name in use: dlPFC)
    resolve("pGP-rh", atlas="Tian").circuit  # 'reward'
    print(template(unassigned(labels)))      # what has no circuit, and why, as a table to fill in

## A study's own names

`features/regions.toml` adds circuits, regions and names, or moves a region to another circuit, with the keys of the package's
file. It is checked when the study is opened; a key, circuit or region that is not known is said with the closest one.

    [circuits]
    "limbic 5-HT" = "raphe, amygdala, hippocampus (our protocol, section 4)"

    [regions."raphe nuclei"]          # known to the package, here in another circuit
    circuit = "limbic 5-HT"

    [regions."seed of 2019"]          # new
    circuit = "reward"
    aliases = ["seedVS", "VS2019"]
    source = "sphere of 5 mm, our protocol"

    [atlases.ours]                    # names that count before all others
    title = "ROIs of our scanner"
    exact = true                      # numbers are part of the names
    names = { caudate = ["P 17", "P 18"], "ventral striatum" = ["P 19"] }

The `circuit` column of a source's `columns` table, or of its list of regions, goes before all of this.

## What has no circuit

`check`, `plan` and `freeze` count the features that belong to no circuit and name the first of them, before anything is frozen.

    workbench features --circuits-template

writes `features/NAME_circuits.tsv` for each such source: every column (or region, for matrices) with the circuit that it has, and
why it has none. Fill in the empty ones, and name the file in the source: `columns = "NAME_circuits.tsv"`, for matrices
`regions = "NAME_circuits.tsv"`. A file that is there already is left as it is.

## Coordinates

`read_atlas` makes an `Atlas` of a user's own files: labels, networks, and the
centre of each label in mm, computed from the image (labels, or a map of probabilities for each). Label tables may be BIDS
`dseg.tsv`, FreeSurfer colour tables, text or XML of AAL, XML of FSL, Connectome Workbench, CONN, CBIG's centroids, or plain
names:

    from workbench.sources.atlas.atlas_files import read_atlas
    atlas = read_atlas(Path("atlas-4S456Parcels_dseg.tsv"), Path("atlas-4S456Parcels_dseg.nii.gz"), name="4S456Parcels")
    atlas.coordinates, atlas.networks        # mm, one row for each label; as the table says
    [region.circuit for region in atlas.regions() if region]

A flipped image, or the table of another atlas, is noticed by hemispheres and numbers. The space is that of the file
name (`tpl-`, `space-`) or of the header; otherwise it is left open.

No label table and no coordinates of another project are in this repository: which region a name stands for is our own
reading, and coordinates come from the files that the user has.
"""  # noqa: E501


def page(vocabulary: Vocabulary) -> str:
    """The whole page."""
    general, *atlases = vocabulary.families
    return "\n".join(
        [HEADER, *_circuits(vocabulary), *_regions(vocabulary, general), *_ambiguous(vocabulary), *_atlases(atlases)]
    )


def _circuits(vocabulary: Vocabulary) -> list[str]:
    general = vocabulary.families[0]
    lines = [
        "## Circuits",
        "",
        "| circuit | what it is, and who says so | networks of this name |",
        "| --- | --- | --- |",
    ]
    for circuit, text in vocabulary.circuits.items():
        lines.append(f"| **{circuit}** | {text} | {_names(general.networks.get(circuit, ()))} |")
    return [*lines, ""]


def _regions(vocabulary: Vocabulary, general: AtlasNames) -> list[str]:
    assert general.key == GENERAL
    lines = [
        "## Regions and the names in use",
        "",
        "Which region belongs to which circuit is a convention of the field, not a measurement; the source is that of",
        "the circuit. Regions without a circuit are known so that they are not mistaken for one that has.",
        "",
        "| circuit | region | names in use |",
        "| --- | --- | --- |",
    ]
    order = [*vocabulary.circuits, ""]
    for region in sorted(vocabulary.regions.values(), key=lambda region: order.index(region.circuit)):
        lines.append(f"| {region.circuit or 'none'} | **{region.name}** | {_names(region.aliases)} |")
    return [*lines, ""]


def _ambiguous(vocabulary: Vocabulary) -> list[str]:
    lines = ["## Refused as they are", "", "| name | can be |", "| --- | --- |"]
    lines += [f"| `{name}` | {' or '.join(meanings)} |" for name, meanings in vocabulary.ambiguous.items()]
    closing = "Other names are refused because two of the lists above or below claim them, such as `LPFC` and `LP`."
    return [*lines, "", closing, ""]


def _atlases(atlases: list[AtlasNames]) -> list[str]:
    lines = [
        "## Atlases",
        "",
        "| atlas | declared as | names | source | where its labels were seen |",
        "| --- | --- | --- | --- | --- |",
    ]
    for atlas in atlases:
        n_names = sum(map(len, atlas.names.values())) + sum(map(len, atlas.networks.values()))
        declared = _names(atlas.declared)
        lines.append(f"| {atlas.title} | {declared} | {n_names} | {atlas.source} | {atlas.labels} |")
    return [*lines, ""]


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


if __name__ == "__main__":
    PAGE.write_text(page(published()), encoding="utf-8")
