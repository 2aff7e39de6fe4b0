"""What [harmonise] asks of a study: who can be harmonised, what is preserved, and what is refused."""

import re

import numpy as np
import pandas as pd
import pytest

from workbench.errors import TableError
from workbench.specs.harmonise import HarmoniseSpec
from workbench.specs.table_source import TableSource
from workbench.tables.dataset import assemble
from workbench.tables.guards import check_dataset, check_experiment
from workbench.tables.harmonised import preserved_cap
from workbench.tables.outcomes import make_outcome
from workbench.tables.people import select_people

SPEC = {"method": "combat", "preserve": ("age", "sex")}


@pytest.fixture
def sited(make_cohort):
    """40 people at three sites, whose age and sex are known but for two."""
    rng = np.random.default_rng(1)
    age, site = rng.uniform(20, 60, 40), np.resize(["A", "B", "B", "C"], 40).astype(object)
    age[3], site[6] = np.nan, None
    return make_cohort(columns={"age": age, "sex": np.resize(["F", "M", "M"], 40), "site": site})


@pytest.fixture
def joined(make_experiment, make_table):
    def join(cohort, harmonise=None, **changes):
        experiment = make_experiment(harmonise=harmonise, **changes)
        outcome = make_outcome(experiment.outcome, cohort, list(cohort.participants.index), seed=0)
        people, flow = select_people(experiment, cohort, {})
        tables = {
            "fc": make_table("fc", list(cohort.participants.index), np.random.default_rng(2).normal(size=(40, 6)))
        }
        return assemble(experiment, "fc", ("fc",), tables, cohort, outcome, people, flow, given_folds=None)

    return join


def test_who_lacks_a_site_or_what_is_preserved_is_excluded_in_the_flow(sited, joined):
    plain, dataset = joined(sited), joined(sited, SPEC)
    step = dataset.flow[-1]
    assert step.step == "with site and age and sex, to harmonise"
    assert set(step.reasons) == {"no site", "no age"}
    assert dataset.n_participants == plain.n_participants - 2
    assert len(dataset.harmonisation.batches) == dataset.n_rows
    assert sorted(set(dataset.harmonisation.batches.labels)) == ["A", "B", "C"]
    assert [coding.term for coding in dataset.harmonisation.coding] == ["age", "sex"]
    assert "ComBat over 3 levels of site, preserving age, sex in fc" in dataset.in_fold[0]


def test_a_part_of_the_rows_keeps_its_batches(sited, joined):
    dataset = joined(sited, SPEC)
    part = dataset.take(np.array([4, 1, 9]))
    assert part.harmonisation.batches.labels.tolist() == dataset.harmonisation.batches.labels[[4, 1, 9]].tolist()
    assert (part.harmonisation.batches.preserved == dataset.harmonisation.batches.preserved[[4, 1, 9]]).all()


def test_the_hash_of_the_data_knows_batches_and_what_is_preserved(sited, joined):
    one, other = joined(sited, SPEC), joined(sited, {"method": "combat", "preserve": ("age",)})
    assert len({joined(sited).data_hash, one.data_hash, other.data_hash}) == 3
    assert joined(sited, SPEC).data_hash == one.data_hash


def test_where_everybody_is_at_one_site_there_is_nothing_to_harmonise(make_cohort, joined):
    dataset = joined(make_cohort(columns={"site": ["A"] * 40}), {"method": "combat"})
    assert dataset.harmonisation is None
    assert dataset.in_fold == ()
    assert "everyone analysed has site A: there is nothing to harmonise" in dataset.notes


def test_a_covariate_that_sites_do_not_share_is_refused(make_cohort, joined):
    site = np.resize(["A", "B"], 40)
    cohort = make_cohort(columns={"site": site, "scanner": np.where(site == "A", 3.0, 7.0)})
    with pytest.raises(TableError, match="preserve: scanner: scanner does not vary within any site"):
        joined(cohort, {"method": "combat", "preserve": ("scanner",)})


def test_a_reference_that_nobody_has_is_refused_with_the_nearest_one(sited, joined):
    spec = {"method": "combat", "unseen": "reference", "reference": "a"}
    with pytest.raises(TableError, match=r"reference: nobody analysed has site 'a'; known: A, B, C"):
        joined(sited, spec)


def test_priors_are_shared_by_source_or_by_all(sited, joined):
    assert len(set(joined(sited, SPEC).harmonisation.pools)) == 1
    assert (joined(sited, {**SPEC, "priors": "all"}).harmonisation.pools == 0).all()


@pytest.mark.parametrize("column", ["responder", "madrs_change", "CADSS_40"])
def test_a_column_that_looks_like_the_outcome_is_not_preserved(make_cohort, make_experiment, column):
    cohort = make_cohort(columns={"site": np.resize(["A", "B"], 40), column: np.arange(40.0)})
    experiment = make_experiment(harmonise={"method": "combat", "preserve": (column,)})
    problems, _ = check_experiment(experiment, cohort, {"fc": TableSource(modality="c", reader="table", file="f.tsv")})
    assert [problem.code for problem in problems] == ["T7"]
    assert f"harmonise: preserve: {column}: looks like" in str(problems[0])


def told(make_cohort, joined, make, preserve, confounds=()):
    """Problems and warnings of T7 where columns are made of the outcome and noise."""
    site = np.resize(["A", "B"], 40)
    plain = joined(make_cohort(columns={"site": site}))
    rng = np.random.default_rng(5)
    y = pd.Series(plain.y, index=plain.rows["participant_id"]).reindex(make_cohort().participants.index)
    y = y.fillna(y.mean()).to_numpy()
    columns = {"site": site, **make((y - y.mean()) / y.std(), rng)}
    cohort = make_cohort(columns=columns)
    dataset = joined(cohort, {"method": "combat", "preserve": preserve}, confounds=confounds)
    problems, warnings = check_dataset(dataset, cohort, {}, {})
    return ([str(one) for one in problems if one.code == "T7"], [str(one) for one in warnings if one.code == "T7"])


@pytest.mark.parametrize(
    ("make", "preserve", "message"),
    [
        (lambda y, rng: {"neutral": 3 * y + 7}, ("neutral",), r"neutral correlates .* with the outcome"),
        (lambda y, rng: {"group": np.where(y > 0, "high", "low")}, ("group",), "the outcome follows from group"),
        (
            lambda y, rng: {"one": y + 3 * (u := rng.normal(size=40)), "other": u},
            ("one", "other"),
            "the outcome follows from one, other",
        ),
    ],
)
def test_what_tells_the_outcome_by_its_values_is_not_preserved_whatever_its_name(
    make_cohort, joined, make, preserve, message
):
    problems, _ = told(make_cohort, joined, make, preserve)
    assert len(problems) == 1
    assert re.search(message, problems[0]), problems
    assert "written into the features of the held-out participants" in problems[0]


def test_what_goes_with_the_outcome_is_preserved_with_a_warning_unless_it_is_held_fixed(make_cohort, joined):
    def related(y, rng):
        return {"severity": 0.6 * y + 0.8 * rng.normal(size=40), "unrelated": rng.normal(size=40)}

    problems, warnings = told(make_cohort, joined, related, ("severity",))
    assert problems == []
    assert "severity: preserved, and associated with the outcome" in warnings[0]
    assert told(make_cohort, joined, related, ("severity",), ("severity",)) == ([], [])
    assert told(make_cohort, joined, related, ("unrelated",)) == ([], [])


def test_a_score_after_the_infusion_is_not_preserved(make_cohort, make_experiment):
    cohort = make_cohort(columns={"site": np.resize(["A", "B"], 40)})
    experiment = make_experiment(harmonise={"method": "combat", "preserve": ("TEPS@ses-d2",)})
    specs = {"fc": TableSource(modality="c", reader="table", file="f.tsv")}
    problems, _ = check_experiment(experiment, cohort, specs)
    assert [problem.code for problem in problems] == ["T2"]
    assert "harmonise: preserve: TEPS@ses-d2: ses-d2 is during or after an infusion" in str(problems[0])


def test_sites_that_were_harmonised_before_are_warned_of(sited, joined):
    said = {"harmonised": "combat", "fitted_on": "other people"}
    specs = {"fc": TableSource.model_validate({"modality": "c", "reader": "table", "file": "f.tsv", "upstream": said})}
    for spec, warned in ((SPEC, True), (None, False)):
        _, warnings = check_dataset(joined(sited, spec), sited, specs, {})
        assert any("does it again in every training set" in str(one) for one in warnings) == warned


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"unseen": "reference"}, "is missing, which unseen"),
        ({"reference": "A"}, "has no meaning for unseen"),
        ({"preserve": ["site^2"]}, "which is the batch"),
        ({"preserve": ["age", "age"]}, "twice"),
    ],
)
def test_keys_that_contradict_each_other_are_found(keys, words):
    spec = HarmoniseSpec.model_construct(**{"method": "combat", **keys})
    assert any(words in finding.found for finding in spec.rules())


def test_what_is_preserved_and_not_held_fixed_keeps_a_claim_at_exploratory(sited, joined):
    assert preserved_cap(joined(sited)) == ()
    (reason,) = preserved_cap(joined(sited, SPEC))
    assert reason == (
        "the harmonisation preserves age, sex, which are neither among the confounds nor otherwise held fixed"
    )
    assert "preserves sex, which is neither" in preserved_cap(joined(sited, SPEC, confounds=("age",)))[0]
    assert preserved_cap(joined(sited, SPEC, confounds=("age", "sex"))) == ()
