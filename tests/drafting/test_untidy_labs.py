"""Files as labs really keep them: somebody entered twice, workbooks of several sheets, numbered scans, periods."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest
from lab_files import answered, merged_rows

import workbench
from workbench.cli.printing import _said_once
from workbench.drafting.modalities import _read
from workbench.drafting.moments import moment_of, words_in
from workbench.sources.contract.near_matches import in_what_way, loosely

REGIONS = ("NAcc_L", "NAcc_R", "Amygdala_L", "sgACC")
RATED = ("Patient", "Age", "Sex", "Treatment", "Scanner", "MADRS_bl", "MADRS_24h")


def toml(path: Path) -> dict:
    return tomllib.loads(path.read_text(encoding="utf-8"))


def rated(n: int = 40) -> list[list[str]]:
    """Header and rows of the ratings of a parallel trial."""
    rng = np.random.default_rng(3)
    rows = [list(RATED)]
    for person in range(n):
        first = int(rng.integers(24, 45))
        row = [f"SUB-{person + 1:03d}", str(rng.integers(19, 64)), rng.choice(["m", "f"])]
        row += ["ketamine" if person % 2 else "midazolam", str(person % 3 + 1), str(first)]
        rows.append([*row, str(first - int(rng.integers(0, 20)))])
    return rows


def write_rated(path: Path, rows: list[list[str]]) -> Path:
    path.write_text("\n".join(map(";".join, rows)) + "\n", encoding="utf-8-sig")
    return path


def matrix(path: Path, *, names: bool, rng: np.random.Generator) -> None:
    """A matrix of correlations with a header, and with names of rows or without."""
    values = np.corrcoef(rng.normal(size=(len(REGIONS), 80)))
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ["\t".join([*(["Node"] if names else []), *REGIONS])]
    for region, row in zip(REGIONS, values, strict=True):
        lines.append("\t".join([*([region] if names else []), *(f"{value:.6f}" for value in row)]))
    path.write_text("\n".join(lines) + "\n")


def write_xcpd(folder: Path, n: int = 40) -> Path:
    """XCP-D: matrices and quality of two numbered sessions of each participant."""
    rng = np.random.default_rng(5)
    quality = "sub\tmean_fd\tnum_dummy_volumes\tnum_censored_volumes\tnum_retained_volumes\n"
    for person in range(n):
        for session in ("01", "02"):
            stem = f"sub-{person + 1:03d}_ses-{session}_task-rest_space-fsLR"
            func = folder / f"sub-{person + 1:03d}/ses-{session}/func"
            matrix(func / f"{stem}_seg-Tian_stat-pearsoncorrelation_relmat.tsv", names=True, rng=rng)
            motion = f"{person + 1:03d}\t{rng.uniform(0.05, 0.3):.4f}\t0\t10\t170\n"
            (func / f"{stem}_desc-linc_qc.tsv").write_text(quality + motion)
            (func / f"sub-{person + 1:03d}_ses-{session}_task-rest_outliers.tsv").write_text("framewise\n0\n0\n")
    return folder


def test_somebody_entered_twice_is_left_to_check_and_the_table_is_still_that_of_the_participants(tmp_path):
    rows = rated()
    data = write_rated(tmp_path / "export.csv", [*rows, [*rows[7][:5], "40", "33"]])
    workbench.init_from(tmp_path / "study", [data])
    cohort = toml(tmp_path / "study/features/cohort.toml")
    assert cohort["participants"] == "export.csv"
    assert cohort["design"] == "parallel"
    assert cohort["site"] == "Scanner"
    text = (tmp_path / "study/features/cohort.toml").read_text()
    assert "one id stands in several rows, and check says which" in text
    assert "SUB-007" not in text, "no id is copied"
    problems = workbench.check(study=tmp_path / "study").problems
    assert any("sub-SUB-007 is there 2 times (line 8, line 42)" in str(problem) for problem in problems)


def test_rows_of_visits_without_a_session_column_are_no_table_of_participants(tmp_path):
    rows = rated()
    data = write_rated(tmp_path / "export.csv", [rows[0], *(row for row in rows[1:] for _ in range(2))])
    drafted = workbench.init_from(tmp_path / "study", [data])
    assert any("which table has one row per participant" in each for each in drafted.draft.questions)


def test_matrices_with_a_header_and_no_row_names_need_no_list_of_regions(tmp_path):
    data, rng = write_rated(tmp_path / "lab.csv", rated()), np.random.default_rng(2)
    for person in range(40):
        matrix(tmp_path / f"matrices/SUB-{person + 1:03d}_rest.tsv", names=False, rng=rng)
    workbench.init_from(tmp_path / "study", [data, tmp_path / "matrices"])
    source = toml(tmp_path / "study/features/connectivity.toml")
    assert source["files"] == "matrices/SUB-{participant}_rest.tsv"
    assert "header" not in source
    assert "regions" not in source
    assert answered(tmp_path / "study", timing="bl") == ["connectivity.timing"]
    report = workbench.check(study=tmp_path / "study")
    assert report.problems == ()
    assert report.plans[0].runs[0].dataset.n_participants == 20, "all who had ketamine"


def test_numbered_scans_are_the_first_visit_of_the_ratings_and_the_others_are_asked(tmp_path):
    data = write_rated(tmp_path / "lab.csv", rated())
    drafted = workbench.init_from(tmp_path / "study", [data, write_xcpd(tmp_path / "xcpd")])
    source = toml(tmp_path / "study/features/connectivity_Tian_rest.toml")
    assert source["session_codes"] == {"ses-01": "bl", "ses-02": "?"}
    assert list(toml(tmp_path / "study/features/cohort.toml")["sessions"]) == ["bl", "24h"]
    (asked,) = drafted.draft.questions
    assert 'which visit is ses-02: "bl", "24h"?' in asked
    file = tmp_path / "study/features/connectivity_Tian_rest.toml"
    file.write_text(file.read_text().replace('ses-02 = "?"', 'ses-02 = "24h"'))
    report = workbench.check(study=tmp_path / "study")
    assert report.problems == ()
    assert report.plans[0].runs[0].dataset.n_participants == 20


def test_motion_is_taken_from_the_quality_files_of_the_scan_before_treatment(tmp_path):
    data = write_rated(tmp_path / "lab.csv", rated())
    drafted = workbench.init_from(tmp_path / "study", [data, write_xcpd(tmp_path / "xcpd")])
    quality = toml(tmp_path / "study/features/cohort.toml")["quality"]["rest"]
    pattern = "xcpd/sub-{participant}/ses-01/func/sub-{participant}_ses-01_task-rest_space-fsLR_desc-linc_qc.tsv"
    assert quality == {"reader": "xcpd-qc", "files": pattern}
    assert toml(tmp_path / "study/features/connectivity_Tian_rest.toml")["confounds"] == ["mean_fd"]
    assert [each.label for each in drafted.draft.unused] == ["XCP-D: *_task-rest_outliers.tsv"]


def test_a_workbook_of_several_sheets_and_a_header_of_two_rows_is_read_sheet_by_sheet(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    rows = rated()
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Ratings"
    sheet.append(["Person", None, None, "Trial", None, "MADRS", None])
    for area in ("A1:C1", "D1:E1", "F1:G1"):
        sheet.merge_cells(area)
    sheet.append(["Patient", "Age", "Sex", "Treatment", "Scanner", "bl", "24h"])
    for row in rows[1:]:
        sheet.append([int(cell) if cell.isdigit() else cell for cell in row])
    merged = merged_rows(n=8)
    features = book.create_sheet("PET")
    pet = [at for at, name in enumerate(merged[0]) if name.startswith("pet_")]
    features.append(["Patient", *(merged[0][at] for at in pet)])
    for number, row in enumerate(rows[1:]):
        features.append([row[0], *(1.2 + 0.01 * number + 0.1 * at for at in range(len(pet)))])
    book.create_sheet("Codes").append(["-999 is missing"])
    book.save(tmp_path / "export.xlsx")
    drafted = workbench.init_from(tmp_path / "study", [tmp_path / "export.xlsx"])
    cohort, source = (toml(tmp_path / f"study/features/{name}.toml") for name in ("cohort", "PET"))
    assert (cohort["participants"], cohort["sheet"], cohort["header"]) == ("export.xlsx", "Ratings", 2)
    assert cohort["scores"]["MADRS"]["at"] == {"bl": "MADRS_bl", "24h": "MADRS_24h"}
    assert (source["file"], source["sheet"], source["id"]) == ("export.xlsx", "PET", "Patient")
    assert [each.label for each in drafted.draft.unused] == ["export.xlsx[Codes]"]


def test_a_number_behind_pre_and_post_is_that_of_the_infusion():
    first, second = (moment_of(words_in(name)) for name in ("MADRS_pre1", "MADRS_pre2"))
    assert (first.when, first.period, second.period) == ("before", "1", "2")
    later = [moment_of(words_in(f"MADRS_post{number}_24h")) for number in (1, 2)]
    assert [(each.hours, each.period, each.count) for each in later] == [(24.0, "1", None), (24.0, "2", None)]
    assert moment_of(["post1"]).count == 1, "alone it counts visits"


def test_ratings_before_and_after_two_infusions_are_four_sessions(tmp_path):
    lines = ["ID;Infusion1;Infusion2;MADRS_pre1;MADRS_post1_24h;MADRS_pre2;MADRS_post2_24h"]
    for person in range(30):
        arms = ["Ketamine", "Placebo"][:: 1 if person % 2 else -1]
        lines.append(";".join([str(person + 1), *arms, *(str(20 + (person * 7 + at * 5) % 20) for at in range(4))]))
    (tmp_path / "lab.csv").write_text("\n".join(lines) + "\n")
    workbench.init_from(tmp_path / "study", [tmp_path / "lab.csv"])
    at = toml(tmp_path / "study/features/cohort.toml")["scores"]["MADRS"]["at"]
    assert list(at.values()) == ["MADRS_pre1", "MADRS_post1_24h", "MADRS_pre2", "MADRS_post2_24h"]


def test_a_letter_typed_for_a_zero_is_told_and_no_id_that_has_letters_is_meant():
    assert loosely("SUB-0O7") == loosely("sub-007")
    assert in_what_way("007", "0O7") == "with the letter O for a zero"
    assert loosely("CO1") != loosely("C01")
    assert loosely("BO-12") == "bo12"


def test_a_source_with_problems_is_not_called_unknown_as_well(tmp_path):
    data = write_rated(tmp_path / "lab.csv", rated())
    workbench.init_from(tmp_path / "study", [data, write_xcpd(tmp_path / "xcpd", 30)])
    (problem,) = workbench.check(study=tmp_path / "study").problems
    assert problem.place == "features/connectivity_Tian_rest.toml: session_codes.ses-02"


def test_what_is_said_of_several_files_is_printed_once():
    lines = ["a.toml: upstream: what was done?", "b.toml: upstream: what was done?", "c.toml: gsr: removed?"]
    assert _said_once(lines) == ["a.toml, b.toml: upstream: what was done?", "c.toml: gsr: removed?"]


# ------------------------------------------------------------------------------- a table of ratings, one of connections

PAIRS = ("dlPFC-ACC", "ACC-amygdala", "PCC-mPFC", "NAc-vmPFC")


def write_connections(path: Path, names: tuple[str, ...] = PAIRS, n: int = 30) -> Path:
    """Connections and motion, with another name for the ids than the other tables have."""
    rng = np.random.default_rng(1)
    lines = [",".join(["subject", *names, "mean_fd"])]
    for person in range(n):
        row = [f"{z:.4f}" for z in np.tanh(rng.normal(0, 0.3, len(names)))]
        lines.append(",".join([f"{person + 1:03d}", *row, f"{rng.uniform(0.05, 0.4):.3f}"]))
    path.write_text("\n".join(lines) + "\n")
    return path


def write_visits(folder: Path, n: int = 30) -> list[Path]:
    """Participants with German names of columns, and their ratings, one row for each visit with the arm in it."""
    people, visits = ["ID,Alter,Geschlecht,Group"], ["ID,Group,Visit,MADRS"]
    for person in range(n):
        arm = ("Ketamine", "Placebo")[person % 2]
        people.append(f"sub-{person + 1:03d},{25 + person},{'MF'[person % 3 == 0]},{arm}")
        visits += [
            f"{person + 1},{arm},{visit},{score + person % 7}" for visit, score in (("baseline", 28), ("24h", 18))
        ]
    paths = [folder / "participants.csv", folder / "madrs.csv"]
    for path, lines in zip(paths, (people, visits), strict=True):
        path.write_text("\n".join(lines) + "\n")
    return paths


def test_two_regions_joined_by_a_hyphen_are_a_connection_and_the_study_can_be_checked(tmp_path):
    workbench.init_from(tmp_path / "study", [*write_visits(tmp_path), write_connections(tmp_path / "connectivity.csv")])
    columns = (tmp_path / "study/features/connectivity_columns.tsv").read_text().splitlines()
    assert columns == ["column\tregion_a\tregion_b", *(f"{name}\t" + name.replace("-", "\t") for name in PAIRS)]
    assert answered(tmp_path / "study", measure="Pearson r", timing="before") == [
        "connectivity.timing",
        "connectivity.measure",
    ]
    assert workbench.check(study=tmp_path / "study").problems == ()


def test_a_region_with_hyphens_in_its_name_is_no_connection():
    assert [
        _read(name).edge for name in ("Left-Accumbens-area", "NAc-core-lh", "insula-ACC", "LH_Insula-RH_Insula")
    ] == [
        False,
        False,
        True,
        True,
    ]


def test_motion_of_a_table_whose_ids_have_another_name_is_drafted_with_that_name(tmp_path):
    workbench.init_from(tmp_path / "study", [*write_visits(tmp_path), write_connections(tmp_path / "connectivity.csv")])
    motion = toml(tmp_path / "study/features/cohort.toml")["columns"]["mean_fd"]
    assert motion == {"file": "connectivity.csv", "id": "subject", "column": "mean_fd"}


def test_numbers_of_a_table_of_connectivity_that_name_no_region_are_said_to_be_left_out(tmp_path):
    odd = write_connections(tmp_path / "connectivity.csv", ("first", "second", "third", "fourth"))
    (unused,) = workbench.init_from(tmp_path / "study", [*write_visits(tmp_path), odd]).draft.unused
    assert unused.label == "connectivity.csv"
    assert unused.why.startswith("no region or connection was read from 'first', 'second', 'third' and 1 more; where")


def test_arms_beside_the_ratings_are_named_where_no_table_of_participants_has_them(tmp_path):
    _, visits = write_visits(tmp_path)
    drafted = workbench.init_from(tmp_path / "study", [visits, write_connections(tmp_path / "connectivity.csv")])
    (question,) = [each for each in drafted.draft.questions if "cohort.toml: design" in each]
    assert "column 'Group' of madrs.csv holds 'Ketamine', 'Placebo', but arms, age, sex and site are read" in question


def test_the_german_word_for_age_is_age(tmp_path):
    workbench.init_from(tmp_path / "study", [*write_visits(tmp_path), write_connections(tmp_path / "connectivity.csv")])
    assert "Alter" in toml(tmp_path / "study/experiments/first_question.toml")["clinical_model"]
