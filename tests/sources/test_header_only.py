"""Matrices with a header row and no row names, as giga-connectome and many scripts write them."""

import numpy as np
import pytest

from workbench.errors import SourceError
from workbench.sources import read_source

NAMES = "A B C D"
VALUES = ["1 .1 .2 .3", ".1 1 .4 .5", ".2 .4 1 .6", ".3 .5 .6 1"]


@pytest.mark.parametrize("header", [NAMES, "0 1 2 3", "1 2 3 4"], ids=["names", "from nought", "from one"])
@pytest.mark.parametrize("delimiter", ["\t", ",", ";", " "])
def test_a_matrix_with_a_header_row_only_is_read_by_its_columns(
    write, matrix_spec, cohort, tmp_path, header, delimiter
):
    for person in ("0001", "0002"):
        text = "\n".join([header, *VALUES]).replace(" ", delimiter)
        write(f"conn/sub-{person}_ses-b0_conn.tsv", f"{text}\n{'' if person == '0001' else chr(10)}")
    table = read_source("fc", matrix_spec(), cohort, data=tmp_path, features_dir=tmp_path)
    first, second = header.split()[0], header.split()[1]
    assert table.features["feature"][0] == f"{first}--{second}"
    np.testing.assert_allclose(table.values[0], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6])


def test_a_header_that_only_counts_takes_its_names_from_the_list(write, matrix_spec, cohort, tmp_path):
    write("regions.txt", "W\nX\nY\nZ\n")
    write("conn/sub-0001_ses-b0_conn.tsv", "\n".join(["0 1 2 3", *VALUES]).replace(" ", "\t"))
    spec = matrix_spec(regions="regions.txt")
    table = read_source("fc", spec, cohort, data=tmp_path, features_dir=tmp_path)
    assert table.features["feature"][0] == "W--X"


def test_a_header_that_counts_more_columns_than_the_list_has_is_refused(write, matrix_spec, cohort, tmp_path):
    write("regions.txt", "W\nX\nY\n")
    write("conn/sub-0001_ses-b0_conn.tsv", "\n".join(["0 1 2 3", *VALUES]).replace(" ", "\t"))
    with pytest.raises(SourceError, match=r"has 4 regions, regions.txt lists 3"):
        read_source("fc", matrix_spec(regions="regions.txt"), cohort, data=tmp_path, features_dir=tmp_path)


@pytest.mark.parametrize("header", ["W X Y Z", "0 1 2 3", "Z Y X W", "lh_1 lh_2 rh_1 rh_2"])
def test_a_header_where_none_is_declared_is_named(write, matrix_spec, cohort, tmp_path, header):
    write("regions.txt", "W\nX\nY\nZ\n")
    write("conn/sub-0001_ses-b0_conn.tsv", "\n".join([header, *VALUES]).replace(" ", "\t"))
    spec = matrix_spec(regions="regions.txt", header=False)
    with pytest.raises(SourceError, match=r"has a header \(.*\) without row names; write header = true"):
        read_source("fc", spec, cohort, data=tmp_path, features_dir=tmp_path)
