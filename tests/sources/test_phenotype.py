"""Ratings and covariates as labs and open datasets hold them: items, dictionaries, times in names, many files."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from workbook_writers import write_workbook

from workbench.errors import SourceError
from workbench.records import Cohort
from workbench.sources.cohort.participants import read_cohort
from workbench.specs.cohort import CohortSpec

SESSIONS = {"ses-b0": {"phase": "before"}, "ses-d2": {"phase": "after", "hours": 48.0}}
CODES = {"BL": "ses-b0", "48h": "ses-d2"}
PEOPLE = "participant_id\tage\nsub-01\t30\nsub-02\t41\nsub-03\t52\n"
EXPECTED = {("sub-01", "ses-b0"): 30, ("sub-01", "ses-d2"): 12, ("sub-02", "ses-b0"): 28, ("sub-02", "ses-d2"): 20}


@pytest.fixture
def read(tmp_path: Path, write) -> Callable[..., Cohort]:
    """Reads a cohort; ``data`` is another folder than the one that is written to."""

    def read_them(score: dict[str, Any] | None = None, *, data: Path | None = None, **changes: Any) -> Cohort:
        if data is None and "participants" not in changes:
            write("participants.tsv", PEOPLE)
        said: dict[str, Any] = {"design": "observational", "ids": {"strip": ("sub-",)}, "sessions": SESSIONS} | changes
        if score is not None:
            said["scores"] = {"MADRS": score}
        return read_cohort(CohortSpec.model_validate(said), data or tmp_path)

    return read_them


def totals(cohort: Cohort, name: str = "MADRS") -> dict[tuple[str, str], float]:
    rows = cohort.scores[cohort.scores["score"] == name]
    return {(row.participant_id, row.session): row.value for row in rows.itertuples()}


# ------------------------------------------------------------------------------------------ where a rating may be found


def test_a_long_file_with_ids_and_sessions_of_its_own(read, write):
    write("m.csv", "Subject;visit;total\n01;BL;30\n01;48h;12\n02;BL;28\n02;48h;20\n")
    score = {"file": "m.csv", "id": "Subject", "session": "visit", "column": "total", "session_codes": CODES}
    assert totals(read(score)) == EXPECTED


def test_times_in_the_names_of_columns(read, write):
    write("m.tsv", "participant_id\tBL_madrs_total\tX48h_madrs_total\n01\t30\t12\n02\t28\t20\n")
    score = {"file": "m.tsv", "columns_pattern": "X?(?P<session>.+)_madrs_total", "session_codes": CODES}
    assert totals(read(score)) == EXPECTED


def test_times_in_the_second_row_of_a_header(read, write):
    write("m.csv", ";MADRS;;SHAPS\nparticipant_id;BL;48h;BL\n01;30;12;5\n02;28;20;6\n")
    score = {
        "file": "m.csv",
        "header": 2,
        "header_is": ("feature", "session"),
        "column": "MADRS",
        "session_codes": CODES,
    }
    assert totals(read(score)) == EXPECTED


def test_a_sheet_of_a_workbook_with_several(read, tmp_path):
    sheets = {
        "people": [["ID", "age"], ["01", 30], ["02", 41]],
        "ratings": [["ID", "BL", "48h"], ["01", 30, 12], ["02", 28, 20]],
    }
    write_workbook(tmp_path / "study.xlsx", sheets)
    score = {"file": "study.xlsx", "sheet": "ratings", "at": {"ses-b0": "BL", "ses-d2": "48h"}}
    cohort = read(score, participants="study.xlsx", sheet="people", id="ID")
    assert totals(cohort) == EXPECTED
    assert cohort.participants["age"].to_dict() == {"sub-01": 30, "sub-02": 41}


def test_one_merged_export_with_a_decimal_comma_says_it_once(read, write):
    write("all.csv", "sep=;\nID;age;bmi;BL;48h\n01;30;22,5;30;12\n02;41;24,1;28;20\n")
    score = {"file": "all.csv", "at": {"ses-b0": "BL", "ses-d2": "48h"}}
    cohort = read(score, participants="all.csv", id="ID", decimal=",")
    assert cohort.participants["bmi"].tolist() == [22.5, 24.1]
    assert totals(cohort) == EXPECTED


def test_a_decimal_comma_that_is_not_declared_makes_a_doubtful_column(read, write):
    write("all.csv", "ID;bmi\n01;22,5\n02;24\n03;25\n04;27\n")
    (doubt,) = read(participants="all.csv", id="ID").doubts["bmi"]
    assert 'decimal = ","' in doubt.hint


def test_a_decimal_point_in_a_file_of_commas_is_refused(read, write):
    write("all.csv", "ID;bmi\n01;22,5\n02;24.1\n03;25\n")
    with pytest.raises(SourceError, match=r"line 3, column 'bmi', sub-02: '24.1' has a decimal point, and decimal"):
        read(participants="all.csv", id="ID", decimal=",")


def test_a_file_for_each_participant(read, write):
    write("sub-01/sub-01_sessions.tsv", "session_id\tacq_time\tmadrs\nses-b0\tn/a\t30\nses-d2\tn/a\t12\n")
    write("sub-02/sub-02_sessions.tsv", "session_id\tmadrs\nses-b0\t28\nses-d2\t20\n")
    score = {"file": "sub-{participant}/sub-{participant}_sessions.tsv", "session": "session_id", "column": "madrs"}
    assert totals(read(score)) == EXPECTED
    write("sub-02/sub-02_sessions.tsv", "session_id\tmadrs\nses-b0\t28\nses-d2\t99\n")
    with pytest.raises(SourceError, match=r"MADRS is 99 in sub-02 ses-d2 \(sub-02/sub-02_sessions.tsv line 3\)"):
        read(score)


def test_a_file_for_each_participant_that_is_nowhere(read):
    with pytest.raises(SourceError, match=r"sessions.tsv: no file in .* is like this; check the pattern and --data"):
        read({"file": "sub-{participant}/sessions.tsv", "session": "session_id", "column": "madrs"})


def test_a_file_that_was_not_fetched_names_the_command(read, tmp_path):
    (tmp_path / "m.tsv").symlink_to("../.git/annex/objects/nowhere")
    with pytest.raises(SourceError, match=r"m.tsv: was not fetched: .*`datalad get m.tsv`"):
        read({"file": "m.tsv", "session": "session_id", "column": "madrs"})


def test_a_covariate_of_another_file_with_ids_and_sessions_of_its_own(read, write):
    write("qc.csv", "Subject,visit,fd\n01,BL,0.11\n01,48h,0.5\n02,BL,0.12\n")
    declared = {"file": "qc.csv", "id": "Subject", "session": "visit", "at": "ses-b0", "session_codes": CODES}
    cohort = read(columns={"fd": declared})
    assert cohort.participants["fd"].to_dict()["sub-01"] == 0.11


@pytest.mark.parametrize(
    ("score", "message"),
    [
        ({"file": "m.tsv", "columns_pattern": "(?P<item>.+)_madrs"}, "has no session"),
        ({"file": "m.tsv", "columns_pattern": "(?P<session>.+)_madrs", "column": "x"}, "that names no feature"),
        ({"file": "m.tsv", "header": 2, "header_is": ("feature", "session")}, "says which feature of header_is"),
        ({"file": "m.tsv", "at": {"ses-b0": "a"}, "session_codes": CODES}, "cannot stand beside"),
        ({"file": "m.tsv", "session": "s", "column": "c", "session_codes": {"BL": "ses-x"}}, "is not a session"),
    ],
)
def test_keys_of_a_score_that_contradict_each_other_are_refused(read, score, message):
    with pytest.raises(ValidationError, match=message):
        read(score)


def test_sessions_in_names_that_are_not_declared_are_all_refused(read, write):
    write("m.tsv", "participant_id\tBL_madrs\t48h_madrs\n01\t30\t12\n")
    with pytest.raises(SourceError, match=r"none of its sessions is declared: the file has 'BL', '48h'.*session_codes"):
        read({"file": "m.tsv", "columns_pattern": "(?P<session>.+)_madrs"})


def test_a_pattern_that_fits_no_column_shows_the_names(read, write):
    write("m.tsv", "participant_id\tBL_madrs\n01\t30\n")
    with pytest.raises(SourceError, match=r"scores.M.+columns_pattern: fits no column of m.tsv; there are 'BL_madrs'"):
        read({"file": "m.tsv", "columns_pattern": "(?P<session>.+)_shaps"})


# -------------------------------------------------------------------------------------------------------------- items

TEPS = [f"teps{number}" for number in range(1, 19)]
ANTICIPATORY = tuple(f"teps{number}" for number in (1, 4, 6, 8, 10, 11, 13, 15, 16, 18))
CONSUMMATORY = tuple(f"teps{number}" for number in (2, 3, 5, 7, 9, 12, 14, 17))


def teps(read, write, columns, scale, answers=None, **more):
    answers = answers or ["6"] * 18
    write("t.tsv", "\t".join(["participant_id", "session_id", *TEPS]) + "\n" + "\t".join(["01", "ses-b0", *answers]))
    score = {"file": "t.tsv", "session": "session_id", "column": columns, "scale": scale, **more}
    return read(scores={"T": score})


def test_a_reversed_item_must_be_said_to_be_turned_or_not(read, write):
    with pytest.raises(
        ValidationError, match=r"reverse: is missing, and item 13 of TEPS-ANT is answered the other way"
    ):
        teps(read, write, ANTICIPATORY, "TEPS-ANT")


def test_a_reversed_item_is_turned_inside_its_range(read, write):
    assert totals(teps(read, write, ANTICIPATORY, "TEPS-ANT", reverse=("teps13",)), "T") == {("sub-01", "ses-b0"): 55}
    assert totals(teps(read, write, ANTICIPATORY, "TEPS-ANT", reverse=()), "T") == {("sub-01", "ses-b0"): 60}


def test_the_consummatory_subscale_has_no_reversed_item(read, write):
    assert totals(teps(read, write, CONSUMMATORY, "TEPS-CON"), "T") == {("sub-01", "ses-b0"): 48}


def test_items_of_another_subscale_are_refused_by_their_numbers(read, write):
    columns = (*CONSUMMATORY[:-1], "teps18")
    with pytest.raises(SourceError, match=r"are numbered 2, 3, 5, 7, 9, 12, 14, 18; TEPS-CON has the items 2, 3, 5"):
        teps(read, write, columns, "TEPS-CON")


def test_an_answer_is_held_to_its_range_before_it_is_turned(read, write):
    answers = ["6"] * 18
    answers[12] = "0"
    with pytest.raises(SourceError, match=r"column 'teps13', sub-01 ses-b0: the answer is 0, and the item goes from 1"):
        teps(read, write, ANTICIPATORY, "TEPS-ANT", answers, reverse=("teps13",))


def test_an_item_to_turn_that_is_not_there_is_named(read, write):
    message = r"cohort.toml: scores.T.reverse: no item of t.tsv is like 'teps_13'; did you mean 'teps13'"
    with pytest.raises(SourceError, match=message):
        teps(read, write, ANTICIPATORY, "TEPS-ANT", reverse=("teps_13",))


BDI = [f"bdi{number}" for number in range(1, 22)]


def bdi(read, write, sixteen: str, **more):
    answers = ["1"] * 21
    answers[15] = sixteen
    write("b.tsv", "\t".join(["participant_id", "session_id", *BDI]) + "\n" + "\t".join(["01", "ses-b0", *answers]))
    score = {"file": "b.tsv", "session": "session_id", "column": tuple(BDI), "scale": "BDI-II", **more}
    return read(scores={"B": score})


def test_items_of_the_bdi_that_are_coded_0_to_6_are_refused_with_the_way_to_recode_them(read, write):
    with pytest.raises(
        SourceError, match=r"column 'bdi16', .* the answer is 5, and the item goes from 0 to 3"
    ) as error:
        bdi(read, write, "5")
    assert "items 16 and 18 have seven answers" in str(error.value)
    assert "recode = {" in str(error.value)


def test_items_that_are_coded_otherwise_are_recoded_by_number_whatever_their_spelling(read, write):
    recode = {"bdi16": {"5": 1.0, "4": 2.0, "6": 3.0}}
    assert totals(bdi(read, write, "5.0", recode=recode), "B") == {("sub-01", "ses-b0"): 21}
    assert totals(bdi(read, write, "6", recode=recode), "B") == {("sub-01", "ses-b0"): 23}
    with pytest.raises(SourceError, match=r"scores.B.recode: no item of b.tsv is like 'bdi_16'"):
        bdi(read, write, "1", recode={"bdi_16": {"5": 1.0}})


def test_items_with_their_time_in_the_name_are_summed_by_session(read, write):
    names = [f"{when}_madrs_{item}" for when in ("BL", "48h") for item in range(1, 11)]
    cells = ["3"] * 10 + ["1"] * 9 + ["2"]
    write("m.tsv", "\t".join(["participant_id", *names]) + "\n" + "\t".join(["01", *cells]) + "\n")
    score = {"file": "m.tsv", "columns_pattern": r"(?P<session>.+)_madrs_(?P<item>\d+)", "session_codes": CODES}
    assert totals(read(score)) == {("sub-01", "ses-b0"): 30, ("sub-01", "ses-d2"): 11}
    write("m.tsv", "\t".join(["participant_id", *names[:-1]]) + "\n" + "\t".join(["01", *cells[:-1]]) + "\n")
    with pytest.raises(SourceError, match=r"the session '48h' has no '10', which other sessions have"):
        read(score)


# -------------------------------------------------------------------------------------------------------- dictionaries


def test_codes_that_a_dictionary_explains_are_offered_as_they_would_be_written(read, write):
    rows = "".join(f"{at:02}\t{1 + at % 3}\n" for at in range(1, 10))
    write("p.tsv", "participant_id\tscanner\n" + rows)
    write("p.json", '{"scanner": {"Levels": {"1": "Prisma", "2": "Skyra", "3": "GE"}}, "Tool": {"TermURL": "x"}}')
    (doubt,) = read(participants="p.tsv").doubts["scanner"]
    assert 'codes = { "1" = "Prisma", "2" = "Skyra", "3" = "GE" }' in doubt.hint


def test_values_beyond_the_limits_of_a_dictionary_are_named(read, write):
    write("p.tsv", "participant_id\titem\n01\t2\n02\t-9999\n03\t4\n")
    write("p.json", '{"item": {"MinValue": "0", "MaxValue": 4}}')
    found = [doubt.found for doubt in read(participants="p.tsv").doubts["item"]]
    assert "holds -9999 (line 3) in p.tsv, and its dictionary (JSON) gives 0 to 4" in found


def test_levels_that_no_cell_has_are_noted(read, write):
    write("p.tsv", "participant_id\tsex\n01\tm\n02\tf\n03\tf\n")
    write("p.json", '{"sex": {"Levels": {"M": "male", "F": "female"}}}')
    (note,) = read(participants="p.tsv").notes
    assert note == "p.tsv: sex holds 'm', 'f', and its dictionary (JSON) lists 'M', 'F': nothing is taken from it"


@pytest.mark.parametrize("content", ["{", "[1]", '{"age": 3}', '{"age": {"Levels": "x", "MinValue": true}}'])
def test_a_dictionary_that_is_none_says_nothing(read, write, content):
    write("participants.json", content)
    assert read().notes == ()


# -------------------------------------------------------------------------------------------------------- open datasets


@pytest.fixture
def sample(real_data) -> Callable[[str], Path]:
    def folder(name: str) -> Path:
        return real_data / "formats" / "phenotype" / name

    return folder


def test_REAL_ds005917_phenotype_is_read(read, sample):
    score = {"file": "phenotype/phenotype.tsv", "session": "session_id", "column": "MADRS_Total"}
    cohort = read(score, data=sample("ds005917"))
    assert len(cohort.participants) == 58
    assert totals(cohort)["sub-MOA101", "ses-b0"] == 35
    assert sum(session == "ses-b0" for _, session in totals(cohort)) == 56
    assert any("without session" in note for note in cohort.notes)


def test_REAL_ds000030_items_with_minus_9999_are_refused_until_the_code_is_declared(read, sample):
    columns = {name: {"file": "phenotype/hamilton.tsv", "column": name} for name in ("hamilton16b", "hamd_17")}
    doubts = read(data=sample("ds000030"), sessions={}, columns=columns).doubts["hamilton16b"]
    assert any("holds -9999 in phenotype/hamilton.tsv" in doubt.found for doubt in doubts)
    cohort = read(data=sample("ds000030"), sessions={}, columns=columns, missing=("n/a", "", "-9999"))
    assert not any("-9999" in doubt.found for doubt in cohort.doubts["hamilton16b"])
    assert cohort.participants["hamd_17"].notna().sum() == 142


def test_REAL_ds000030_items_of_the_hdrs_are_summed_as_published(read, sample):
    items = tuple(f"hamilton{number}" for number in (*range(1, 16), "16a", 17))
    file = "phenotype/hamilton.tsv"
    scores = {
        name: {"file": file, "at": {"ses-b0": columns}, "scale": "HDRS-17"}
        for name, columns in {"items": items, "total": "hamd_17"}.items()
    }
    cohort = read(scores=scores, data=sample("ds000030"))
    summed, published = totals(cohort, "items"), totals(cohort, "total")
    assert (len(summed), len(published)) == (138, 142), "four lack an item"
    assert sum(summed[whose] == published[whose] for whose in summed) == 132, (
        "six totals are not the sum of their items"
    )


def test_REAL_ds002748_with_CRLF_and_hyphens_in_its_names_is_read(read, sample):
    cohort = read(data=sample("ds002748"), sessions={}, columns={"ICD-10": {"type": "categorical"}})
    assert len(cohort.participants) == 72
    assert cohort.participants["MADRS"].notna().sum() == 27
    assert any("gender holds 'm', 'f'" in note for note in cohort.notes)


def test_REAL_ds003474_whose_missing_code_is_NaN_asks_for_it(read, sample):
    (doubt,) = read(data=sample("ds003474"), sessions={}).doubts["BDI"]
    assert "'NaN'" in doubt.found
    cohort = read(data=sample("ds003474"), sessions={}, missing=("n/a", "NaN"))
    assert cohort.participants["BDI"].dtype == float


def test_REAL_ds004920_BDI_items_16_and_18_are_refused_and_recoded(read, sample, tmp_path):
    folder = sample("ds004920") / "phenotype"
    shutil.copy(folder / "becks_depression_inventory.tsv", tmp_path / "bdi.tsv")
    lines = (tmp_path / "bdi.tsv").read_text().splitlines()
    people = "\n".join(line.split("\t")[0] for line in lines) + "\n"
    (tmp_path / "participants.tsv").write_text(people)
    items = tuple(f"bdi_q{number}" for number in range(1, 22))
    score = {"file": "bdi.tsv", "at": {"ses-b0": items}, "scale": "BDI-II"}
    with pytest.raises(
        SourceError, match=r"column 'bdi_q16', sub-1002 ses-b0: the answer is 5, and the item goes from"
    ):
        read(scores={"BDI": score}, participants="participants.tsv")
    sixteen = {"5": 1.0, "4": 2.0, "6": 3.0}
    recode = {"bdi_q16": sixteen, "bdi_q18": {"5": 1.0, "4": 2.0, "6": 3.0}}
    cohort = read(scores={"BDI": score | {"recode": recode}}, participants="participants.tsv")
    answers = dict(
        zip(lines[0].split("\t"), next(line for line in lines if "sub-1002" in line).split("\t"), strict=True)
    )
    plain = sum(float(answers[item]) for item in items)
    assert totals(cohort, "BDI")["sub-1002", "ses-b0"] == plain - 5 + 1
    assert cohort.scores["value"].max() <= 63


def test_REAL_ds004920_TEPS_is_summed_with_item_13_turned_already(read, sample):
    folder = sample("ds004920") / "phenotype"
    items = tuple(f"score_teps_q{number}" for number in range(1, 19))
    name = "temporal_experience_of_pleasure_scale.tsv"
    score = {"file": name, "at": {"ses-b0": items}, "scale": "TEPS", "reverse": ()}
    cohort = read(scores={"TEPS": score}, participants=name, data=folder)
    assert totals(cohort, "TEPS")["sub-1001", "ses-b0"] == 89
    assert cohort.scores["value"].between(18, 108).all()


def test_REAL_ds005237_definitions_are_no_participants(read, sample):
    with pytest.raises(SourceError, match=r"cohort.toml: id: .+_definitions.tsv has no column 'participant_id'"):
        read(data=sample("ds005237_TCP"), sessions={}, participants="phenotype/shaps01_definitions.tsv")
    assert len(read(data=sample("ds005237_TCP"), sessions={}).participants) > 200


def test_REAL_cnp_phenotype_is_read_whole(read, real_data):
    cohort = read(data=real_data / "cnp_phenotype", sessions={}, participants="phenotype.tsv")
    assert len(cohort.participants) == 272
    assert cohort.participants["chapphy_total"].notna().sum() > 200


def test_REAL_kmoa_is_a_crossover_with_its_own_files(read, real_data):
    arms = {
        "active": "ketamine",
        "control": "placebo",
        "order": ("infusion_1", "infusion_2"),
        "codes": {"d": "ketamine", "p": "placebo"},
    }
    score = {"file": "phenotype.tsv", "session": "session_id", "column": "MADRS_Total"}
    cohort = read(score, data=real_data / "kmoa", design="crossover", arms=arms)
    assert len(cohort.participants) == 58
    assert cohort.participants["sequence"].value_counts().sum() == 58 - cohort.participants["sequence"].isna().sum()
    assert sum(session == "ses-d2" for _, session in totals(cohort)) == 46
