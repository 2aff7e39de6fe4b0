"""What `check` passes, `run` does not refuse: folds are drawn, and doubtful columns refused, by both alike."""

import csv
import re
from pathlib import Path

import pytest

from workbench import pipeline
from workbench.errors import SpecError, WorkbenchError

COHORT = """data = "."
design = "observational"
site = "site"
missing = ["n/a", ""]
"""

SOURCE = """modality = "connectivity"
reader = "table"
file = "features.tsv"
measure = "Fisher z"
transform = "none"
gsr = false
"""

EXPERIMENT = """question = "Is performance associated with connectivity?"

[outcome]
column = "performance"
better = "higher"

[feature_sets]
connectivity = ["connectivity"]

[validation]
repeats = 2
outer = 5
inner = 3
permutations = 0
seed = 0
VALIDATION

[[models]]
kind = "ridge"
"""

N = 40


@pytest.fixture
def study(tmp_path):
    """Writes a study; `columns` are those of the participants beside performance."""
    import numpy as np

    def write(validation: str = "", top: str = "", cohort: str = "", **columns: list) -> Path:
        rng = np.random.default_rng(3)
        ids = [f"sub-{number:02d}" for number in range(1, N + 1)]
        known = {"performance": rng.normal(50, 10, N).round(2), "site": ["A", "B"] * (N // 2)} | columns
        tables = {
            "participants.tsv": {"participant_id": ids} | known,
            "features.tsv": {"participant_id": ids}
            | {f"R{k}--R{k + 1}": rng.normal(0, 1, N).round(4) for k in range(6)},
        }
        for name, table in tables.items():
            with (tmp_path / name).open("w", newline="") as file:
                writer = csv.writer(file, delimiter="\t")
                writer.writerow(table)
                writer.writerows(zip(*table.values(), strict=True))
        for folder in ("features", "experiments"):
            (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / "features/cohort.toml").write_text(COHORT + cohort)
        (tmp_path / "features/connectivity.toml").write_text(SOURCE)
        text = top + EXPERIMENT.replace("VALIDATION", validation)
        (tmp_path / "experiments/q.toml").write_text(text)
        return tmp_path

    return write


def checked(study: Path) -> list[str]:
    return [str(problem) for problem in pipeline.check(study=study).problems]


def refused(study: Path) -> list[str]:
    try:
        pipeline.run("q", study=study, rehearse=True, jobs=1)
    except WorkbenchError as error:
        return [str(problem) for problem in error.problems]
    return []


AGES = [float(20 + number) for number in range(N)]


@pytest.mark.parametrize(
    ("validation", "columns", "message"),
    [
        (
            'strata = ["age"]',
            {"age": AGES},
            r"strata: age: has 40 levels in 40 participants, too many to balance 5 folds on",
        ),
        ('strata = ["grade"]', {"grade": [f"g{at // 3}" for at in range(N)]}, r"strata: grade: has 14 levels"),
        ('strata = ["code"]', {"code": ["a"] * 36 + list("bcde")}, ""),
        (
            'groups = "kin"',
            {"kin": [f"k{at // 14}" for at in range(N)]},
            r"outer folds: 5 folds need at least 5 groups",
        ),
        ('groups = "kin"', {"kin": [f"k{at // 9}" for at in range(N)]}, ""),
        ('leave_out = "site"', {"site": ["A"] * 20 + ["B"] * 19 + ["C"]}, ""),
        ('leave_out = "site"', {"site": ["A"] * 20 + ["B"] * 20}, r"leave_out: needs three sites"),
        (
            'leave_out = "site"\ngroups = "kin"',
            {"site": ["A", "B", "C", "D"] * 10, "kin": [f"k{at // 2}" for at in range(N)]},
            r"20 groups have .* at two sites or more",
        ),
    ],
)
def test_check_and_run_say_the_same_of_folds(study, validation, columns, message):
    written = study(validation, **columns)
    of_check, of_run = checked(written), refused(written)
    assert of_check == of_run
    assert (len(of_check) > 0) == bool(message)
    assert message == "" or any(re.search(message, line) for line in of_check)
    assert "n_splits" not in " ".join(of_check)


def test_sites_that_are_left_out_are_counted_as_they_are(study):
    columns = {"site": ["A"] * 20 + ["B"] * 19 + ["C"]}
    report = pipeline.check(study=study('leave_out = "site"', **columns))
    (planned,) = report.plans[0].runs
    assert planned.folds == "one of 3 sites out"
    assert "site C has one participant" in " ".join(notice.text for notice in report.plans[0].warnings)
    folds = study("", **columns)
    (drawn,) = pipeline.check(study=folds).plans[0].runs
    assert drawn.folds == "2 x 5"
    n_alphas = len(planned.learner.alphas)
    of_the_other_sites = 2 * n_alphas + 1
    assert (planned.fits, drawn.fits) == (3 * of_the_other_sites, 10 * (3 * n_alphas + 1))


@pytest.mark.parametrize(
    ("use", "column", "values", "message"),
    [
        ('confounds = ["sex"]\n', "sex", ["M", "F", "m", "female"] * 10, r"confounds: sex: has levels that look alike"),
        ('clinical_model = ["educ"]\n', "educ", [9, 12, 14, 16, "20+"] * 8, r"because of '20\+' \(line 6, line 11"),
        ('confounds = ["scanner"]\n', "scanner", [1, 2, 3, 4] * 10, r"scanner: holds the whole numbers 1, 2, 3, 4"),
        ("", "site", ["Leiden", "leiden", "Utrecht", "Utrecht"] * 10, r"site: has levels that look alike"),
        (
            'include = { sex = ["M"] }\n',
            "sex",
            ["M", "F", "male", "F"] * 10,
            r"include: sex: has levels that look alike",
        ),
    ],
)
def test_a_doubtful_column_is_refused_where_it_is_used(study, use, column, values, message):

    written = study(top=use, **{column: values})
    problems = checked(written)
    assert [line for line in problems if re.search(message, line)], problems
    assert refused(written) == problems


def test_a_doubtful_column_that_nobody_uses_stands_in_no_way(study):
    assert checked(study(sex=["M", "F", "m", "female"] * 10, scanner=[1, 2, 3, 4] * 10)) == []


def test_what_the_message_proposes_settles_it(study):
    declared = '[columns.scanner]\ntype = "categorical"\n'
    assert checked(study(top='confounds = ["scanner"]\n', cohort=declared, scanner=[1, 2, 3, 4] * 10)) == []


def test_exact_zeros_are_named_by_participant_and_feature_where_people_look(study, capsys):
    from workbench.cli import run_command

    written = study()
    lines = (written / "features.tsv").read_text().splitlines()
    cells = lines[7].split("\t")
    lines[7] = "\t".join([*cells[:3], "0", *cells[4:]])
    (written / "features.tsv").write_text("\n".join(lines) + "\n")
    assert run_command(["check", "--study", str(written)]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "1 value is exactly 0" in shown
    assert "sub-07 (1: R2--R3)" in shown
    (planned,) = pipeline.check(study=written).plans[0].runs
    (notice,) = [notice for notice in planned.warnings if "exactly 0" in notice.text]
    assert "sub-" not in notice.text


def test_a_column_that_is_not_there_is_said_once_with_its_key(study):
    folder = study(top='clinical_model = ["agee", "site"]\n', age=AGES)
    (problem,) = checked(folder)
    assert problem.startswith("experiments/q.toml: clinical_model: agee: is not a column of this study; did you mean")


RATED = """
[sessions.bl]
phase = "before"

[scores.MADRS]
file = "participants.tsv"
at = { bl = "madrs_totl" }
"""


def test_of_a_score_that_cannot_be_read_only_that_is_said(study):
    folder = study(top='clinical_model = ["MADRS@bl", "age"]\n', age=AGES, cohort=RATED, madrs_total=[20] * N)
    report = pipeline.check(study=folder)
    assert [str(problem) for problem in report.problems] == [
        "features/cohort.toml: scores.MADRS.at.bl: participants.tsv has no column 'madrs_totl'; "
        "did you mean 'madrs_total'?"
    ]
    assert report.plans == ()


def printed_by_check(folder: Path, capsys) -> str:
    from workbench.cli import run_command

    run_command(["check", "--quiet", "--study", str(folder)])
    return capsys.readouterr().out


def test_a_plan_that_has_a_problem_is_not_printed_above_it(study, capsys):
    assert "Outcome" not in printed_by_check(study(top='clinical_model = ["agee"]\n', age=AGES), capsys)


def test_check_ends_with_the_command_to_type_next(study, capsys):
    folder = study(age=AGES)
    printed = printed_by_check(folder, capsys)
    assert f"  Next              workbench freeze q --anyway --study {folder}\n" in printed
    assert "mend first what can be mended: as it is written it misses " in " ".join(printed.split())
    with pytest.raises(SpecError, match="add --anyway to freeze it as it is"):
        pipeline.freeze("q", study=folder)
    pipeline.freeze("q", study=folder, anyway=True)
    assert f"  Next              workbench run q --study {folder}\n" in printed_by_check(folder, capsys)


def test_a_notebook_shows_warnings_in_words_and_that_a_frozen_plan_was_changed(study):
    folder = study(site=["A"] * 20 + ["B"] * 19 + ["C"])
    pipeline.freeze("q", study=folder, anyway=True)
    file = folder / "experiments/q.toml"
    file.write_text(file.read_text().replace("seed = 0", "seed = 1"))
    report = pipeline.check(study=folder)
    for shown in (repr(report), report._repr_html_()):
        assert "q: frozen on " in shown
        assert "and changed since: " in shown
        assert "Warning: " in shown
    assert report.warnings
