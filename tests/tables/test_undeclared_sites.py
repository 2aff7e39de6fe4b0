"""Sites that the study declares nowhere, in a column that says what it is."""

from dataclasses import replace

import numpy as np
import pytest

from workbench.pipeline import check, simulate_study
from workbench.tables.dataset import assemble
from workbench.tables.outcomes import make_outcome
from workbench.tables.people import select_people
from workbench.tables.undeclared_sites import undeclared_site_cap, undeclared_site_warnings, undeclared_sites

CENTRES = np.resize(["Leiden", "Basel", "Aarhus"], 40)


@pytest.fixture
def without_sites(make_cohort, make_table, make_experiment):
    """A dataset and its cohort, none of whose sites is declared, with more columns of the participants."""

    def make(confounds=(), **columns):
        cohort = make_cohort(columns=columns)
        cohort = replace(cohort, participants=cohort.participants.drop(columns="site"))
        table = make_table("fc", list(cohort.participants.index), np.random.default_rng(1).standard_normal((40, 3)))
        experiment = make_experiment(confounds=tuple(confounds))
        people, flow = select_people(experiment, cohort, {})
        outcome = make_outcome(experiment.outcome, cohort, people, seed=0)
        dataset = assemble(experiment, "fc", ("fc",), {"fc": table}, cohort, outcome, people, flow, given_folds=None)
        return dataset, cohort

    return make


@pytest.mark.parametrize("name", ["centre", "Study_Site", "StudySite", "scanner", "MRI scanner", "hospital"])
def test_a_column_that_looks_like_sites_is_named_and_caps_the_claim(without_sites, name):
    dataset, cohort = without_sites(**{name: CENTRES})
    assert undeclared_sites(dataset, cohort) == (name,)
    (warning,) = undeclared_site_warnings(dataset, cohort)
    assert f'write site = "{name}" in features/cohort.toml' in str(warning)
    assert undeclared_site_cap(dataset, cohort) == (
        f'"{name}" of the participants looks like sites and the study declares none',
    )


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("centre", np.full(40, "Leiden")),
        ("site_of_scan", [f"room {k}" for k in range(40)]),
        ("hospital_stays", np.arange(40) % 4),
        ("handedness", np.resize(["left", "right"], 40)),
        ("website", np.resize(["yes", "no"], 40)),
    ],
)
def test_one_site_counts_and_other_columns_are_no_sites(without_sites, name, values):
    assert undeclared_sites(*without_sites(**{name: values})) == ()


def test_numbers_of_sites_are_sites(without_sites):
    assert undeclared_sites(*without_sites(scanner=np.arange(40) % 3)) == ("scanner",)


def test_sites_that_are_declared_or_held_fixed_are_dealt_with(without_sites):
    dataset, cohort = without_sites(centre=CENTRES)
    assert undeclared_sites(replace(dataset, sites=CENTRES), cohort) == ()
    assert undeclared_sites(*without_sites(confounds=["centre"], centre=CENTRES)) == ()


def test_check_warns_of_sites_that_nobody_declared_and_the_gate_names_them(tmp_path):
    simulate_study(tmp_path, patients=60, design="parallel", achievable=False)
    people = tmp_path / "sources" / "participants.tsv"
    header, rest = people.read_text(encoding="utf-8").split("\n", 1)
    people.write_text("\n".join([header.replace("site", "centre"), rest]), encoding="utf-8")
    spec = tmp_path / "features" / "cohort.toml"
    spec.write_text(spec.read_text(encoding="utf-8").replace('site = "site"\n', ""), encoding="utf-8")
    features = tmp_path / "features" / "connectivity.toml"
    text = features.read_text(encoding="utf-8")
    features.write_text(text.replace('"mean_fd", "site"', '"mean_fd"'), encoding="utf-8")
    report = check("madrs_change", study=tmp_path)
    assert report.problems == ()
    assert any('write site = "centre" in features/cohort.toml' in warning for warning in report.warnings)
    (row,) = (row for row in report.claims["madrs_change"][0].rows if row.requirement == "nothing that caps the claim")
    assert row.missed == '"centre" of the participants looks like sites and the study declares none'
    assert "sites in features/cohort.toml" in row.mend
