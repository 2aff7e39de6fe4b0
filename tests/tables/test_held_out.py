"""Who is locked for one final prediction."""

from types import SimpleNamespace

import pandas as pd
import pytest

from workbench.errors import TableError
from workbench.tables.held_out import held_out

LISTED = SimpleNamespace(validation=SimpleNamespace(hold_out="locked.tsv", groups=None))


def cohort(family):
    people = pd.Index(["a", "b", "c", "d"], name="participant_id")
    return SimpleNamespace(participants=pd.DataFrame({"family": family}, index=people))


def test_whole_families_may_be_locked():
    assert held_out(LISTED, cohort(["1", "1", "2", None]), {"a", "b"}) == ("a", "b")


def test_a_family_is_not_split_between_those_locked_and_those_trained_on():
    with pytest.raises(TableError, match=r"locks some members of 1 family.*lock whole families"):
        held_out(LISTED, cohort(["1", "1", "2", None]), {"a"})


def test_locking_everybody_or_nobody_is_refused():
    with pytest.raises(TableError, match="locks nobody"):
        held_out(LISTED, cohort([None] * 4), set())
    with pytest.raises(TableError, match="locks everybody"):
        held_out(LISTED, cohort([None] * 4), {"a", "b", "c", "d"})
