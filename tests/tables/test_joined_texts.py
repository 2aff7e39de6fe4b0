"""The texts of a column as one: the same bytes whatever holds them, since digests of tables are made of them."""

import pandas as pd
import pytest

from workbench.records.joined_texts import joined_texts


@pytest.mark.parametrize("texts", [["VS", "", "Vigil\u00e0ncia \u03b1"], ["a"], []])
@pytest.mark.parametrize("dtype", ["str", "object"])
def test_texts_are_joined_alike_whatever_holds_them(texts, dtype):
    assert joined_texts(pd.Series(texts, dtype=dtype)) == "\x1f".join(texts).encode()


def test_a_part_of_a_column_is_joined_as_that_part():
    column = pd.Series([f"edge {number}" for number in range(9)], dtype="str")
    assert joined_texts(column[3:6]) == b"edge 3\x1fedge 4\x1fedge 5"
