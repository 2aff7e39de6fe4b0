import pytest

MATRIX = """
modality = "connectivity"
reader = "matrix"
files = "sub-{participant}_conn.tsv"
"""

NO_REFERENCE = 'upstream.reference: is missing, and selected_by = "literature"; reference = "doi:.."'
NO_ATLAS = "upstream.selected_by: is an atlas that has no name"
NOT_HARMONISED = 'upstream.preserved: stands beside harmonised = "unknown"; harmonised = "combat", or "other"'


def test_what_was_done_upstream_is_not_known_unless_it_is_said(examine) -> None:
    assert examine("source", MATRIX).required().upstream is None
    said = examine("source", f"{MATRIX}[upstream]\nfitted_on = 'everyone here'\n").required().upstream
    assert (said.fitted_on, said.used_outcome, said.selected_by) == ("everyone here", "unknown", "unknown")


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
        ('{participant}_conn.tsv"', '{participant}_conn.tsv"\n[upstream]\nselected_by = "literature"', NO_REFERENCE),
        ('{participant}_conn.tsv"', '{participant}_conn.tsv"\n[upstream]\nselected_by = "atlas"', NO_ATLAS),
        ('{participant}_conn.tsv"', '{participant}_conn.tsv"\n[upstream]\npreserved = ["age"]', NOT_HARMONISED),
    ],
)
def test_contradictions_in_a_source_are_named(examine, old: str, new: str, message: str) -> None:
    (problem,) = examine("source", MATRIX.replace(old, new, 1)).problems
    assert message in str(problem)
