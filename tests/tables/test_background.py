import numpy as np
import pytest

from workbench.records import Session
from workbench.tables.background import background, baseline_term, unobserved
from workbench.tables.covariates import encode
from workbench.tables.dataset import assemble
from workbench.tables.outcomes import make_outcome
from workbench.tables.people import select_people

CHANGE = {"score": "MADRS", "kind": "change", "from": "ses-b0", "at": "ses-d2"}
CONTRAST = {"score": "MADRS", "kind": "ketamine-minus-placebo", "at": "ses-d2", "placebo_at": "ses-p2"}


@pytest.fixture
def known(make_cohort, make_experiment):
    def make(cohort=None, **said):
        cohort, experiment = cohort or make_cohort(20), make_experiment(**said)
        people, _ = select_people(experiment, cohort, {})
        return background(experiment, cohort, make_outcome(experiment.outcome, cohort, people, seed=0), people)

    return make


def some_without_a_rating(make_cohort, n=20, lost=(3, 4)):
    baseline = np.linspace(22, 44, n)
    after = baseline / 2
    after[list(lost)] = np.nan
    return make_cohort(n, {("MADRS", "ses-b0"): baseline, ("MADRS", "ses-d2"): after})


def test_everyone_asked_about_is_in_it_with_an_outcome_or_without(known, make_cohort):
    found = known(some_without_a_rating(make_cohort), clinical_model=("age",))
    assert len(found.values) == 20
    assert list(found.values) == ["age", "sex", "site", "sequence", "MADRS@ses-b0"]
    assert (found.clinical, found.severity) == (("age",), "MADRS@ses-b0")


def test_without_a_clinical_model_being_analysed_goes_by_what_a_person_brings(known):
    assert known().clinical == ("age", "sex", "MADRS@ses-b0")


def test_who_had_another_arm_was_not_asked_about(known, make_cohort):
    arms = ["ketamine", "placebo"] * 10
    cohort = make_cohort(20, columns={"arm": arms}, design="parallel")
    assert len(known(cohort, outcome={**CHANGE, "arms": ("ketamine",)}).values) == 10


def test_the_outcome_is_never_its_own_background(known):
    found = known(outcome={"column": "sex", "type": "binary", "positive": "F"})
    assert "sex" not in found.values
    assert found.severity == ""


@pytest.mark.parametrize(
    ("outcome", "clinical", "term"),
    [
        (CHANGE, (), "MADRS@ses-b0"),
        (CONTRAST, (), "MADRS@ses-b0"),
        (CONTRAST, ("age", "MADRS@ses-b0"), "MADRS@ses-b0"),
        ({"score": "MADRS", "kind": "score", "at": "ses-b0"}, (), ""),
        ({"column": "age"}, (), ""),
    ],
)
def test_severity_is_the_score_before_treatment(make_cohort, make_experiment, outcome, clinical, term):
    cohort, experiment = make_cohort(20), make_experiment(outcome=outcome, clinical_model=clinical)
    spec = experiment.outcome
    assert baseline_term(spec, cohort.sessions, lambda session: len(cohort.score("MADRS", session)) > 0) == term


def test_the_baseline_of_remission_is_the_last_score_before_treatment_not_that_of_a_screening(make_experiment):
    """With the first one held fixed, regression to the mean since the screening is left in."""
    sessions = {name: Session(name, phase) for name, phase in (("screen", "before"), ("b0", "before"), ("d2", "after"))}
    remission = make_experiment(outcome={"score": "MADRS", "kind": "remission", "at": "d2"}).outcome
    assert baseline_term(remission, sessions) == "MADRS@b0"
    assert baseline_term(remission, sessions, lambda session: session == "screen") == "MADRS@screen"


def test_outcomes_keep_the_ratings_and_the_scale_they_are_made_from(make_cohort, make_experiment):
    cohort = some_without_a_rating(make_cohort)
    outcome = make_outcome(make_experiment().outcome, cohort, list(cohort.participants.index), seed=0)
    assert outcome.scale.name == "MADRS"
    assert list(outcome.ratings) == ["ses-b0", "ses-d2"]
    assert outcome.ratings["ses-b0"].notna().all()
    assert outcome.ratings["ses-d2"].isna().sum() == 2
    shuffled = make_experiment(outcome={**CHANGE, "shuffle": True}).outcome
    again = make_outcome(shuffled, cohort, list(cohort.participants.index), seed=0)
    assert again.ratings.equals(outcome.ratings)


def test_those_lost_get_the_columns_of_those_analysed(make_cohort):
    cohort = make_cohort(20)
    people = list(cohort.participants.index)
    nuisance, _ = encode(("age", "sex", "site"), cohort, people[:15])
    everyone, _ = encode(("age", "sex", "site"), cohort, people)
    found = unobserved(np.ones((5, 2)), nuisance, cohort, people[15:])
    assert found.participants == tuple(people[15:])
    np.testing.assert_array_equal(found.nuisance, everyone.values[15:])


def test_who_lacks_a_covariate_that_is_held_fixed_cannot_be_predicted(make_cohort):
    age = np.linspace(20, 60, 20)
    age[16] = np.nan
    cohort = make_cohort(20, columns={"age": age})
    people = list(cohort.participants.index)
    nuisance, _ = encode(("age",), cohort, people[:15])
    found = unobserved(np.arange(8.0).reshape(4, 2), nuisance, cohort, people[16:])
    assert found.participants == tuple(people[17:])
    np.testing.assert_array_equal(found.X, [[2, 3], [4, 5], [6, 7]])
    assert unobserved(np.ones((1, 2)), nuisance, cohort, people[16:17]) is None


def test_a_dataset_holds_those_with_features_and_no_outcome(make_cohort, make_table, make_experiment):
    cohort = some_without_a_rating(make_cohort, lost=(3, 4, 19))
    people = list(cohort.participants.index)
    X = np.random.default_rng(0).standard_normal((20, 4))
    experiment = make_experiment(confounds=("age",))
    included, flow = select_people(experiment, cohort, {})
    outcome = make_outcome(experiment.outcome, cohort, included, seed=0)
    tables = {"fc": make_table("fc", people[:19], X[:19])}
    dataset = assemble(experiment, "fc", ("fc",), tables, cohort, outcome, included, flow, given_folds=None)
    assert dataset.unobserved.participants == (people[3], people[4])
    np.testing.assert_array_equal(dataset.unobserved.X, X[[3, 4]])
    np.testing.assert_array_equal(dataset.unobserved.nuisance[:, 0], cohort.participants["age"].iloc[[3, 4]])
    assert len(dataset.background.values) == 20


def test_a_level_that_nobody_analysed_had_is_no_reference_level(make_cohort):
    """The reference has no column of its own: taken for it, somebody from a new site would be predicted as another."""
    site = np.array(["A", "B"] * 8 + ["A", "B", "C", "C"])
    cohort = make_cohort(20, columns={"site": site, "handedness": np.array(["right"] * 19 + ["left"])})
    people = list(cohort.participants.index)
    nuisance, _ = encode(("site", "handedness"), cohort, people[:16])
    assert nuisance.names == ("site[B]",)
    assert unobserved(np.ones((2, 2)), nuisance, cohort, people[18:]) is None
    found = unobserved(np.ones((4, 2)), nuisance, cohort, people[16:])
    assert found.participants == tuple(people[16:18])
    assert found.nuisance.tolist() == [[0.0], [1.0]]
