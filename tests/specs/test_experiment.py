import pytest
from pydantic import ValidationError

from workbench.specs.experiment import SESSIONS_OF_KIND, OutcomeSpec

CHANGE = 'kind = "change"\nfrom = "ses-b0"\nat = "ses-d2"'


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('score = "MADRS"', "", "outcome: names neither a score nor a column"),
        ('score = "MADRS"', 'score = "MADRS"\ncolumn = "age"', "outcome: names both a score and a column"),
        ('score = "MADRS"', 'column = "fd"', "outcome.kind: is 'change', which is made from a score"),
        ('from = "ses-b0"\n', "", "outcome.from: is missing, which kind = 'change' needs"),
        ('at = "ses-d2"\n', "", "outcome.at: is missing, which kind = 'change' needs"),
        ('at = "ses-d2"', 'at = "ses-b0"', "outcome.at: is 'ses-b0', the same session as from"),
        ('at = "ses-d2"', 'at = "ses-d2"\nplacebo_at = "ses-p2"', "outcome.placebo_at: has no meaning for kind ="),
        ('at = "ses-d2"', 'at = "ses-d2"\nuntil = "ses-d10"', "outcome.until: has no meaning for kind = 'change'"),
        ('at = "ses-d2"', 'at = "ses-d2"\nthreshold = 0.5', "outcome.threshold: has no meaning for kind = 'change'"),
        ('at = "ses-d2"', 'at = "ses-d2"\npositive = "F"', "outcome.positive: is for a participants column"),
        ('"change"', '"ketamine-minus-placebo"', "outcome.placebo_at: is missing"),
        (
            '"change"',
            '"treatment-effect"\narms = ["ketamine"]',
            "outcome.arms: has no meaning for kind = 'treatment-eff",
        ),
        ('"change"', '"area-under-course"', "outcome.until: is missing, which kind = 'area-under-course' needs"),
        ('"change"', '"area-under-course"', "outcome.at: has no meaning for kind = 'area-under-course'"),
        ('"change"', '"durability"', "outcome.until: is missing, which kind = 'durability' needs"),
        ('"change"', '"durability"', "outcome.contrast: is missing, which kind = 'durability' needs; write contrast ="),
        ('at = "ses-d2"', 'at = "ses-d2"\ncontrast = "share"', "outcome.contrast: has no meaning for kind = 'change'"),
        (
            'at = "ses-d2"',
            'at = "ses-d2"\nmissing_sessions = "complete"',
            "missing_sessions: has no meaning for",
        ),
        ('at = "ses-d2"', 'at = "ses-d2"\napart_from = "MADRS"', "outcome.apart_from: is 'MADRS', the outcome itself"),
        ('"change"', '"response"\napart_from = "SHAPS"', "outcome.apart_from: has no meaning for kind = 'response'"),
        ('edges = ["edges"]', 'edges = ["edges@change"]', "change: is missing, which 'edges@change' needs"),
        ('edges = ["edges"]', 'edges = ["edges@late"]', 'found "edges@late"; a name has letters'),
        ("[feature_sets]", '[external.other]\ndata = "o"\n[feature_sets]', "external.other.study: is missing"),
        ("permutations = 100", "hold_out = {}", "validation.hold_out: names nobody"),
        ("permutations = 100", 'leave_out = "site"\nfolds = "f.tsv"', "validation.folds: cannot stand beside"),
        ('sessions = ["ses-b0"]', 'sessions = ["a"]\nchange = ["a", "b"]', "change: cannot stand beside 'sessions'"),
        ('sessions = ["ses-b0"]', 'change = ["a", "a"]', "change: says 'a' twice"),
        ('"MADRS@ses-b0"', '"MADRS@"', "clinical_model, first value: 'MADRS@' cannot be read; write SCORE@session"),
        ("[outcome]", 'confounds = ["age^x"]\n[outcome]', "confounds, first value: 'age^x' cannot be read"),
        ("[outcome]", 'confounds = ["MADRS@b0"]\n[outcome]', "confounds, first value: 'MADRS@b0' cannot be read"),
        ("min = 18, max = 65", "min = 66, max = 65", "include.age: min 66 is above max 65"),
        ("{ min = 18, max = 65 }", "{}", "include.age: has no bound"),
        ('edges = ["edges"]', "edges = []", "feature_sets.edges: names no source"),
        ('edges = ["edges"]', 'edges = ["edges", "edges"]', "feature_sets.edges: says 'edges' twice"),
        ('edges = ["edges"]', 'a = ["x", "y"]\nb = ["y", "x"]', "feature_sets.b: holds the same sources as 'a'"),
        ('"xgboost"', '"ridge"', "second [[models]]: is the second model called 'ridge'; give each a name"),
        ('"xgboost"', '"xgboost"\nfeature_sets = ["egdes"]', "'egdes' is not a feature set of this study; did you"),
        ('"xgboost"', '"xgboost"\nfeature_sets = []', "feature_sets: is empty, so the model never runs"),
        ("[0.1, 1, 10]", "[1, 1.0]", "first [[models]]: alphas: says 1.0 twice"),
    ],
)
def test_contradictions_in_an_experiment_are_named(changed, old: str, new: str, message: str) -> None:
    said = changed("experiment", (old, new))
    assert any(message in each for each in said), said


def test_what_follows_from_one_mistake_is_not_said_again(changed) -> None:
    assert len(changed("experiment", ('"change"', '"durability"'))) == 2, "until and contrast"
    assert len(changed("experiment", ('score = "MADRS"', ""))) == 1


@pytest.mark.parametrize("kind", SESSIONS_OF_KIND)
def test_each_kind_of_outcome_is_read_with_exactly_its_sessions(kind: str) -> None:
    needed = dict(zip(SESSIONS_OF_KIND[kind], ("ses-1", "ses-2", "ses-3"), strict=False))
    other = {"contrast": "kept-or-lost"} if kind == "durability" else {}
    assert OutcomeSpec(score="MADRS", kind=kind, **needed, **other).kind == kind
    for key in needed:
        without = {name: each for name, each in needed.items() if name != key}
        with pytest.raises(ValidationError, match=f"{key}: is missing"):
            OutcomeSpec(score="MADRS", kind=kind, **without, **other)


def test_every_kind_is_made_from_sessions() -> None:
    choices = set(OutcomeSpec.model_fields["kind"].annotation.__args__)
    assert choices == set(SESSIONS_OF_KIND)


def test_two_models_of_a_kind_are_told_apart_by_name(changed) -> None:
    assert changed("experiment", ('kind = "xgboost"', 'kind = "ridge"\nname = "ridge-wide"')) == []


@pytest.mark.parametrize("term", ["age", "age^2", "scanner type"])
def test_confound_terms_are_columns_and_their_powers(changed, term: str) -> None:
    assert changed("experiment", ("[outcome]", f'confounds = ["{term}"]\n[outcome]')) == []


def test_no_confounds_at_all_is_not_the_same_as_the_sources_lists(examine, texts) -> None:
    assert examine("experiment", texts["experiment"]).required().confounds is None
    empty = texts["experiment"].replace("[outcome]", "confounds = []\n[outcome]")
    assert examine("experiment", empty).required().confounds == ()


COLUMN = """
question = "Is age written in the edges?"
clinical_model = ["sex"]
[outcome]
column = "age"
[[models]]
kind = "ridge"
"""


def test_observational_outcome_is_a_column(examine) -> None:
    assert examine("experiment", COLUMN).problems == ()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('["sex"]', '["age"]', "clinical_model: holds 'age', which is the outcome"),
        ('["sex"]', '["sex"]\nconfounds = ["age^2"]', "confounds: holds 'age^2', which is the outcome"),
        ('column = "age"', 'column = "age"\nat = "ses-1"', "outcome.at: has no meaning for a participants column"),
        ('column = "age"', 'column = "sex"\ntype = "binary"', "outcome.positive: is missing, which a binary column"),
        ('column = "age"', 'column = "age"\ntype = "continuous"\npositive = "F"', "is given for a continuous column"),
        ('column = "age"', 'column = "sex"\ntype = "binary"\npositive = "F"\nbetter = "lower"', "outcome.better: is"),
    ],
)
def test_contradictions_about_a_column_are_named(examine, old: str, new: str, message: str) -> None:
    said = [str(problem) for problem in examine("experiment", COLUMN.replace(old, new, 1)).problems]
    assert any(message in each for each in said), said


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "better: is missing: an effect is a benefit or a harm"),
        ({"type": "binary", "positive": "yes"}, "type: is binary, and the effect of a treatment is asked for"),
    ],
)
def test_the_effect_on_a_column_needs_numbers_and_a_direction(given, message) -> None:
    with pytest.raises(ValidationError, match=message):
        OutcomeSpec(column="relief", kind="treatment-effect", **given)
    assert OutcomeSpec(column="relief", kind="treatment-effect", better="higher").kind == "treatment-effect"
