import pytest

from workbench.specs.table_source import TableSource
from workbench.tables.guards import check_dataset, check_experiment
from workbench.tables.upstream import undeclared, upstream_warnings

DECLARED = {
    "fitted_on": "each participant",
    "used_outcome": False,
    "selected_by": "nothing",
    "harmonised": "none",
}


def sources(**upstream):
    said = {"modality": "connectivity", "reader": "table", "file": "fc.tsv"}
    return {"fc": TableSource.model_validate(said | ({"upstream": upstream} if upstream else {}))}


def refused(experiment, cohort, **upstream):
    problems, _ = check_experiment(experiment, cohort, sources(**upstream))
    return [(problem.code, str(problem)) for problem in problems]


@pytest.mark.parametrize(
    ("upstream", "code", "words"),
    [
        ({"used_outcome": True}, "T5", "fc: upstream: used_outcome: a step before this file was given the outcome"),
        (
            {"selected_by": "outcome here"},
            "T6",
            ("screen = 50 in [[models]] selects them anew in the training participants"),
        ),
        ({"harmonised": "combat", "preserved": ("age", "MADRS")}, "T7", "told to preserve MADRS, which is the outcome"),
        ({"harmonised": "combat", "preserved": ("MADRS@ses-d2",)}, "T7", "is known only after the infusion"),
        ({"harmonised": "other", "preserved": ("responder",)}, "T7", "looks like response or remission"),
    ],
)
def test_a_declared_step_that_knew_the_outcome_is_refused(make_cohort, make_experiment, upstream, code, words):
    ((found, text),) = refused(make_experiment(), make_cohort(), **upstream)
    assert found == code
    assert words in text


@pytest.mark.parametrize(
    "upstream",
    [
        DECLARED,
        {"fitted_on": "other people", "used_outcome": True},
        {"harmonised": "combat", "preserved": ("age", "sex", "MADRS@ses-b0")},
        {"fitted_on": "everyone here", "used_outcome": False},
        {},
    ],
)
def test_what_knew_nothing_of_these_outcomes_is_not_refused(make_cohort, make_experiment, upstream):
    assert refused(make_experiment(), make_cohort(), **upstream) == []


def test_a_source_that_the_experiment_does_not_use_is_not_its_business(make_cohort, make_experiment):
    specs = sources(**DECLARED) | {"pet": sources(used_outcome=True)["fc"]}
    experiment = make_experiment(feature_sets={"fc": ("fc",)})
    assert check_experiment(experiment, make_cohort(), specs)[0] == []


@pytest.mark.parametrize(
    ("upstream", "words"),
    [
        ({"fitted_on": "everyone here"}, "fc: steps before the file learnt from all participants at once"),
        ({"harmonised": "combat"}, "fc: the harmonisation of sites learnt from all participants at once"),
    ],
)
def test_a_step_fitted_on_everybody_is_warned_of_with_what_it_can_do(upstream, words):
    (warning,) = upstream_warnings(sources(**upstream), ["fc"])
    assert str(warning).startswith(words)
    assert "of R2 in simulated trials" in warning.text
    assert (warning.where, warning.code) == ("fc", "T5")


@pytest.mark.parametrize("upstream", [DECLARED, {"fitted_on": "other people", "harmonised": "combat"}, {}])
def test_what_was_fitted_elsewhere_or_alone_is_not_warned_of(upstream):
    assert list(upstream_warnings(sources(**upstream), ["fc"])) == []


def test_silence_is_said_in_the_report_and_is_no_alarm(joined_clean):
    dataset, cohort = joined_clean
    problems, warnings = check_dataset(dataset, cohort, sources())
    assert problems == []
    assert not [warning for warning in warnings if warning.code]
    said = undeclared(sources(), ["fc"])
    assert said.startswith("fc: not declared in whom earlier steps were fitted or by what features were selected or")
    assert undeclared(sources(**DECLARED), ["fc"]) == ""
    assert undeclared(sources(fitted_on="other people"), ["fc"]) == ""
    assert undeclared(sources(fitted_on="each participant"), ["fc"]).startswith("fc: not declared by what features")


@pytest.fixture
def joined_clean(make_cohort, make_table, make_experiment):
    import numpy as np

    from workbench.tables.dataset import assemble
    from workbench.tables.outcomes import make_outcome
    from workbench.tables.people import select_people

    cohort = make_cohort(40)
    people = list(cohort.participants.index)
    table = make_table("fc", people, np.random.default_rng(11).standard_normal((40, 12)))
    experiment = make_experiment()
    chosen, flow = select_people(experiment, cohort, {})
    outcome = make_outcome(experiment.outcome, cohort, chosen, seed=0)
    args = (experiment, "fc", ("fc",), {"fc": table}, cohort, outcome, chosen, flow)
    return assemble(*args, given_folds=None), cohort
