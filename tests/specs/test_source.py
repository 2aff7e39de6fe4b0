import pytest

MATRIX = """
modality = "connectivity"
reader = "matrix"
files = "sub-{participant}_conn.tsv"
"""


def test_matrix_source_is_read(examine) -> None:
    spec = examine("source", MATRIX).required()
    assert spec.symmetric
    assert not spec.diagonal


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("sub-{participant}", "sub-*", "does not say where the participant id stands; write {participant}"),
        ("reader", "header = false\nreader", "regions: is missing, and header = false"),
        ("reader", 'overlaps = ["a", "a"]\nreader', "overlaps: says 'a' twice"),
        ("reader", 'confounds = ["fd", "fd"]\nreader', "confounds: says 'fd' twice"),
    ],
)
def test_contradictions_in_a_source_are_named(examine, old: str, new: str, message: str) -> None:
    (problem,) = examine("source", MATRIX.replace(old, new, 1)).problems
    assert message in str(problem)
