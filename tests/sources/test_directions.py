import numpy as np
import pytest

from workbench.errors import SourceError

N = 40


@pytest.fixture
def rated(cohort_of, write):
    """Reads a cohort in which SHAPS, MADRS and TEPS-ANT go together; values or declarations are changed by a test."""

    def read(*, madrs=None, teps=None, scales=None, scores=None, n=N):
        rng = np.random.default_rng(0)
        mood = rng.standard_normal((n, 3)) * 0.7 + rng.standard_normal((n, 1))
        values = {
            "SHAPS": np.rint(35 + 4 * mood[:, 0]),
            "MADRS": np.rint(30 + 4 * mood[:, 1]) if madrs is None else madrs(mood[:, 1]),
            "TEPS": np.rint(35 - 4 * mood[:, 2]) if teps is None else teps(mood[:, 2]),
        }
        columns = "\t".join(["participant_id", *values])
        rows = [f"{k + 1}\t" + "\t".join(f"{values[name][k]:g}" for name in values) for k in range(n)]
        write("ratings.tsv", "\n".join([columns, *rows]) + "\n")
        people = "".join(f"{k + 1}\tA\tk\tp\n" for k in range(n))
        said = {
            "SHAPS": {"file": "ratings.tsv", "scoring": "14-56", "at": {"ses-b0": "SHAPS"}},
            "MADRS": {"file": "ratings.tsv", "at": {"ses-b0": "MADRS"}},
            "TEPS-ANT": {"file": "ratings.tsv", "scoring": "10-60", "at": {"ses-b0": "TEPS"}},
        }
        changes = {"scales": scales} if scales else {}
        return cohort_of(f"participant_id\tsite\tfirst\tsecond\n{people}", scores=said | (scores or {}), **changes)

    return read


def test_scores_that_go_together_raise_no_alarm(rated):
    assert set(rated().scales) == {"SHAPS", "MADRS", "TEPS-ANT"}


def test_a_score_that_goes_against_the_two_others_is_the_one_named(rated):
    with pytest.raises(SourceError) as error:
        rated(teps=lambda mood: np.rint(35 + 4 * mood))
    (problem,) = error.value.problems
    assert problem.where == "ratings.tsv: TEPS-ANT"
    assert problem.code == "T11"
    assert problem.found.startswith("TEPS-ANT rises as ")
    assert "although of the TEPS-ANT lower is worse" in problem.found


def test_a_score_that_goes_with_nothing_is_not_called_reversed(rated):
    rated(madrs=lambda mood: np.rint(30 + 4 * np.random.default_rng(5).standard_normal(len(mood))))


def test_few_people_say_nothing_about_direction(rated):
    rated(teps=lambda mood: np.rint(35 + 4 * mood), n=15)


def test_an_own_scale_may_not_turn_a_known_one_round(rated):
    own = {"minimum": 10, "maximum": 60, "worse": "higher", "source": "our code book"}
    scores = {"TEPS-ANT": {"file": "ratings.tsv", "at": {"ses-b0": "TEPS"}}}
    found = r"scales.TEPS-ANT: says that higher is worse, but of the TEPS-ANT lower is worse; .* \[T11\]"
    with pytest.raises(SourceError, match=found):
        rated(scales={"TEPS-ANT": own}, scores=scores)


def test_an_own_scale_of_another_construct_may_go_any_way(rated):
    """Of mania nobody knows which way it goes with depression."""
    own = {"minimum": 10, "maximum": 60, "worse": "lower", "source": "our code book"}
    rated(scales={"ENERGY": own}, scores={"ENERGY": {"file": "ratings.tsv", "at": {"ses-b0": "MADRS"}}})


def test_a_score_is_not_rated_by_the_rules_of_a_scale_of_the_other_direction(rated):
    scores = {"TEPS-ANT": {"file": "ratings.tsv", "scale": "SHAPS", "scoring": "14-56", "at": {"ses-b0": "TEPS"}}}
    with pytest.raises(SourceError, match=r"scores.TEPS-ANT: is rated by the rules of the SHAPS.*\[T11\]"):
        rated(scores=scores)
