"""A rehearsal through the public command: nothing of the real scores may appear in it."""

import re
import shutil

import numpy as np
import pandas as pd
import pytest

from workbench import pipeline
from workbench.cli import run_command

pytestmark = pytest.mark.usefixtures("bare_runs")

EXPERIMENT = """\
question = "Does task activation before treatment go with the course of MADRS?"
sessions = ["ses-b0"]
clinical_model = ["MADRS@ses-b0", "age"]
confounds = ["mean_fd"]
[outcome]
score = "MADRS"
kind = "{kind}"
from = "ses-b0"
at = "ses-d2"
[feature_sets]
task = ["task"]
[validation]
repeats = 2
outer = 3
inner = 2
permutations = 19
[[models]]
kind = "ridge"
screen = 10
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rehearsal") / "study"
    pipeline.simulate_study(folder, patients=50, design="single-arm", r2=0.5, seed=3, achievable=False)
    for kind in ("change", "response"):
        (folder / "experiments" / f"{kind}.toml").write_text(EXPERIMENT.format(kind=kind), encoding="utf-8")
    return folder


def other_ratings(study):
    """Other values for every rating of MADRS; who was rated when stays as it is."""
    path = study / "sources" / "phenotype" / "madrs.tsv"
    table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    drawn = np.random.default_rng(5).integers(8, 40, len(table)).astype(str)
    table["MADRS_Total"] = np.where(table["MADRS_Total"] == "n/a", "n/a", drawn)
    table.to_csv(path, sep="\t", index=False, lineterminator="\n")


def everything(finished):
    """Every number, table and text of a rehearsal."""
    result = finished.result
    tables = (result.predictions, result.null, result.features, result.circuits, result.biomarkers)
    return [repr(result.scores), repr(result.claim), *(table.to_csv() for table in tables), repr(result.flow)]


def test_studies_that_differ_in_their_scores_alone_give_the_same_rehearsal_to_the_byte(study, capsys, monkeypatch):
    run, returned = pipeline.run, []

    def remembered(*args, **kwargs):
        returned.append(run(*args, **kwargs))
        return returned[-1]

    monkeypatch.setattr(pipeline, "run", remembered)
    command = ["run", "change", "response", "--rehearse", "--verbose", "--study", str(study), "--jobs", "1"]
    printed, results = [], []
    for real in ("as they are", "others"):
        if real == "others":
            other_ratings(study)
        shutil.rmtree(study / "mlruns", ignore_errors=True)
        assert run_command(command) == 0
        printed.append(capsys.readouterr())
        results.append([everything(each) for each in returned[-1]])
    assert [len(each) for each in results] == [2, 2]
    assert printed[0] == printed[1]
    assert results[0] == results[1]
    (rehearsed, *_) = returned[-1]
    assert rehearsed.one_line().startswith("rehearsal on simulated scores, ")
    assert set(returned[-1].table()["run_id"]) == {"rehearsal"}
    assert rehearsed.abstract().startswith("Rehearsal: all scores were simulated, so that no number below")
    text = " ".join(printed[0].out.split())
    assert "Rehearsal: all scores were simulated" in text
    assert "the simulated fall in MADRS from ses-b0 to ses-d2" in text
    assert "If nothing happened MADRS would improve" in text
    assert not re.search(r"viewed for this outcome", text)
