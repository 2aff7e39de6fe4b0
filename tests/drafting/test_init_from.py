"""A study drafted from files as labs have them: what is guessed, what is asked, and that check then passes."""

from __future__ import annotations

import csv
import re
import time
import tomllib
from itertools import combinations
from pathlib import Path

import pandas as pd
import pytest
from lab_files import EDGES, REGIONS, answered, merged_rows, write_crossover, write_merged

import workbench
from workbench.drafting.cells import Table
from workbench.drafting.scales import rating_columns
from workbench.errors import SpecError
from workbench.specs.readers import READERS
from workbench.specs.reading import examine_source
from workbench.specs.table_source import TableSource


def toml(path: Path) -> dict:
    return tomllib.loads(path.read_text(encoding="utf-8"))


@pytest.fixture
def merged(tmp_path: Path):
    """A draft of the merged export, its study and its data."""
    data = write_merged(tmp_path / "export.csv")
    return workbench.init_from(tmp_path / "study", [data]), tmp_path / "study", data


def test_a_merged_export_is_recognised_as_the_parallel_trial_that_it_is(merged):
    _, study, _ = merged
    cohort = toml(study / "features/cohort.toml")
    assert cohort["participants"] == "export.csv"
    assert cohort["id"] == "Subject"
    assert cohort["site"] == "Site"
    assert cohort["design"] == "parallel"
    assert cohort["arms"] == {"active": "ketamine", "control": "midazolam", "column": "Treatment"}
    assert cohort["missing"] == ["n/a", "", "-999"]
    assert cohort["sessions"] == {
        "bl": {"phase": "before"},
        "24h": {"phase": "after", "hours": 24.0},
        "wk1": {"phase": "after", "hours": 168.0},
    }
    assert cohort["scores"]["MADRS"]["at"] == {"bl": "MADRS_bl", "24h": "MADRS_24h", "wk1": "MADRS_wk1"}
    assert cohort["columns"]["mean_fd"] == {"column": "mean_FD"}


def test_each_modality_of_a_merged_export_is_a_source_with_the_regions_of_its_columns(merged):
    _, study, _ = merged
    kinds = {path.stem: toml(path)["modality"] for path in study.glob("features/*.toml") if path.stem != "cohort"}
    assert kinds == {"connectivity": "connectivity", "pet": "pet", "task": "task"}
    edges = (study / "features/connectivity_columns.tsv").read_text().splitlines()
    assert edges[:2] == ["column\tregion_a\tregion_b", f"fc_{EDGES[0]}\tNAcc_L\tNAcc_R"]
    assert len(edges) == 1 + len(EDGES)
    assert (study / "features/pet_columns.tsv").read_text().splitlines()[1] == f"pet_bpnd_{REGIONS[0]}\t{REGIONS[0]}"


def test_what_a_merged_export_does_not_tell_is_asked_and_nothing_else(merged):
    drafted, study, _ = merged
    problems = workbench.check(study=study).problems
    assert len(problems) == len(drafted.draft.questions) == 6
    asked = {problem.place for problem in problems}
    assert asked == {
        "features/cohort.toml: scores.SHAPS.scoring",
        "features/connectivity.toml: measure",
        "features/connectivity.toml: timing",
        "features/pet.toml: timing",
        "features/pet.toml: tracer",
        "features/task.toml: timing",
    }
    scoring = next(problem for problem in problems if "scoring" in problem.place)
    assert scoring.hint.startswith("how is SHAPS scored? totals run from 18 to ")
    assert '"14-56"' in scoring.hint
    assert '"0-14"' not in scoring.hint, "totals above 14 cannot be scored 0-14"


def test_check_passes_once_the_marked_answers_of_a_merged_export_are_filled(merged):
    _, study, _ = merged
    answered(study, scoring="14-56", measure="Pearson r", timing="bl", tracer="[11C]raclopride")
    report = workbench.check(study=study)
    assert report.problems == ()
    (plan,) = report.plans
    assert plan.outcome.label == "MADRS at 24h given MADRS at bl"
    assert {run.name: run.dataset.n_participants for run in plan.runs} == {
        "ridge . connectivity": 29,
        "ridge . pet": 19,
        "ridge . task": 29,
    }, "30 had ketamine, one of them without a rating at 24 hours"
    assert report.circuits == (), "regions that were read from the names have circuits"


def test_a_draft_of_enough_participants_is_frozen_once_upstream_is_declared(tmp_path):
    rows = merged_rows(n=130)
    (tmp_path / "export.csv").write_text("\n".join(map(",".join, rows)) + "\n")
    study = tmp_path / "study"
    workbench.init_from(study, [tmp_path / "export.csv"])
    answered(study, scoring="14-56", measure="Pearson r", timing="bl", tracer="[11C]raclopride")
    with pytest.raises(SpecError, match="upstream steps declared"):
        workbench.freeze("first_question", study=study)
    for path in study.glob("features/*.toml"):  # take the marks off, as the draft says
        path.write_text(re.sub(r"^# (\[upstream\]|\w+ = .*)$", r"\1", path.read_text(), flags=re.MULTILINE))
    (frozen,) = workbench.freeze("first_question", study=study)
    assert frozen.claim.best_verdict.startswith("supported by internal validation")


def test_nothing_of_the_data_is_copied_and_every_guess_says_why(merged):
    drafted, study, data = merged
    rows = merged_rows()
    written = "\n".join(path.read_text() for path in drafted.written)
    assert not any(row[0] in written for row in rows[1:]), "no id"
    assert rows[1][12] not in written, "no value"
    assert (study / toml(study / "features/cohort.toml")["data"]).resolve() == data.parent.resolve()
    guesses = re.findall(r"^# guessed: (?:.*\n#    )*.*$", written, flags=re.MULTILINE)
    assert len(guesses) == len(drafted.draft.guessed) > 15
    assert all(re.sub(r"\n#    ", " ", guess).endswith("; check it") for guess in guesses)


def test_the_draft_of_a_parallel_trial_says_how_many_participants_each_choice_of_arms_leaves(merged):
    drafted, study, _ = merged
    (arms,) = (line for line in drafted.draft.guessed if "outcome.arms" in line)
    assert "ketamine 30 participants (connectivity 30, pet 20, task 30); midazolam 30 participants" in arms
    assert re.search(
        r'all arms, .*kind = "treatment-effect".*, 60 participants \(connectivity 60, pet 40, task 60\)', arms
    )
    comments = " ".join(re.sub(r"\n# +", " ", (study / "experiments/first_question.toml").read_text()).split())
    assert "ketamine 30 participants (connectivity 30, pet 20, task 30)" in comments


def test_a_source_of_too_few_participants_in_the_arms_chosen_is_no_feature_set_of_the_draft(tmp_path):
    people, pet = ["subject,arm,age,MADRS_pre,MADRS_post"], ["id,BPND_VS,BPND_ACC,BPND_mPFC,BPND_AMY"]
    people += [f"{i},{'ketamine' if i % 2 else 'placebo'},{20 + i},{25 + i % 9},{9 + i % 7}" for i in range(1, 41)]
    pet += [f"sub-{i:03d}," + ",".join(f"{2 + (7 * i * k) % 11 / 10}" for k in range(1, 5)) for i in range(1, 14)]
    table = ["id," + ",".join(f"{a}__{b}" for a, b in combinations(("PCC", "mPFC", "VS", "dACC"), 2))]
    table += [
        f"sub-{i:03d}," + ",".join(f"{(13 * i * k) % 19 / 20 - 0.45:.3f}" for k in range(1, 7)) for i in range(1, 41)
    ]
    files = {"clinical.csv": people, "connectivity.csv": table, "pet.csv": pet}
    for name, lines in files.items():
        (tmp_path / name).write_text("\n".join(lines) + "\n")
    drafted = workbench.init_from(tmp_path / "study", [tmp_path / name for name in files])
    written = tomllib.loads((tmp_path / "study/experiments/first_question.toml").read_text())
    assert written["feature_sets"] == {"connectivity": ["connectivity"]}
    assert written["question"].startswith("Does connectivity before treatment predict")
    (said,) = (line for line in drafted.draft.open if "is no feature set here" in line)
    assert "pet is no feature set here: 7 of its participants are in the arms chosen above, and 10 are needed" in said


def test_who_has_no_value_of_a_source_is_not_counted_among_its_participants(merged):
    drafted, study, _ = merged
    assert "pet (pet): 40 participants of the study" in drafted.draft.recognised, "20 rows hold -999 alone"
    assert (study / "features/pet.toml").read_text().startswith("# 8 columns of export.csv: 40 participants.")


def features_and_ratings(folder: Path) -> list[Path]:
    """Two files of the merged export: connectivity, one row each, and long ratings with the arm; no participants."""
    header, *rows = merged_rows()
    kept = [0, *(at for at, name in enumerate(header) if name.startswith("fc_"))]
    features, ratings = folder / "fc.csv", folder / "ratings.csv"
    features.write_text("\n".join(",".join(row[at] for at in kept) for row in (header, *rows)) + "\n")
    arm, bl, later = (header.index(name) for name in ("Treatment", "MADRS_bl", "MADRS_24h"))
    long = [f"{row[0]},{visit},{row[arm]},{row[at]}" for row in rows for visit, at in (("bl", bl), ("24h", later))]
    ratings.write_text("\n".join(["Subject,visit,Treatment,MADRS", *long]) + "\n")
    return [features, ratings]


def test_a_table_of_features_that_is_taken_for_that_of_the_participants_is_said_to_look_like_one(tmp_path):
    draft = workbench.init_from(tmp_path / "study", features_and_ratings(tmp_path)).draft
    assert (
        draft.recognised[0] == "60 participants of fc.csv, by Subject, which looks like a table of features (see below)"
    )
    said = draft.guessed[0]
    assert said.startswith(
        'features/cohort.toml: participants = "fc.csv", because no other table has one row per parti'
    )
    assert re.search(
        "28 columns of numbers, and none is age, sex, site, an arm or a rating.*make a participants.csv", said
    )


def test_a_table_that_says_something_of_participants_is_taken_without_such_a_doubt(merged):
    drafted, _, _ = merged
    assert drafted.draft.recognised[0] == "60 participants of export.csv, by Subject"
    assert not any("looks like a table of features" in line for line in drafted.draft.guessed)


@pytest.mark.parametrize(
    ("given", "name", "file"),
    [
        (lambda frame: {"pet": frame}, "pet", "pet.tsv"),
        (lambda frame: [frame], r"files\[0\]", "files_0.tsv"),
        (lambda frame: frame, "table", "table.tsv"),
    ],
)
def test_a_data_frame_is_refused_with_how_a_file_is_made_of_it_and_that_file_is_taken(
    merged, tmp_path, monkeypatch, given, name, file
):
    _, _, data = merged
    frame = pd.read_csv(data)
    how = rf'is a DataFrame, and files are wanted;.*frame\.to_csv\("{file}", sep="\\t", index=False\)'
    with pytest.raises(SpecError, match=rf"init_from: {name}: {how}") as refused:
        workbench.init_from(tmp_path / "other", given(frame))
    assert not (tmp_path / "other").exists()
    monkeypatch.chdir(tmp_path)
    (call,) = re.findall(r"frame\.to_csv\(.*?\)", str(refused.value))
    eval(call, {"frame": frame})  # as it is to be typed
    assert workbench.init_from("other", file).draft.recognised[0].startswith(f"60 participants of {file}")


def test_a_draft_never_writes_over_a_file(merged):
    _, study, data = merged
    with pytest.raises(SpecError, match=r"already holds .*features/cohort\.toml.*nothing was written"):
        workbench.init_from(study, [data])


def test_decimal_commas_are_recognised_and_declared_where_they_can_be_read(tmp_path):
    data = write_merged(tmp_path / "export.csv", ";", ",")
    workbench.init_from(tmp_path / "study", [data])
    cohort, pet = (toml(tmp_path / f"study/features/{name}.toml") for name in ("cohort", "pet"))
    assert cohort["missing"] == ["n/a", "", "-999"]
    assert cohort["columns"]["mean_fd"] == {"column": "mean_FD"}
    if "decimal" not in TableSource.model_fields:
        pytest.skip("tables with decimal commas are not read by this version")
    assert cohort["decimal"] == pet["decimal"] == ","
    answered(tmp_path / "study", scoring="14-56", measure="Pearson r", timing="bl", tracer="[11C]raclopride")
    assert workbench.check(study=tmp_path / "study").problems == ()


def test_a_sheet_of_excel_is_drafted_like_the_same_table_as_text(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    if "sheet" not in TableSource.model_fields:
        pytest.skip("Excel is not read by this version")
    book = openpyxl.Workbook()
    for row in merged_rows():
        book.active.append([float(cell) if re.fullmatch(r"-?\d+(\.\d+)?", cell) else cell for cell in row])
    book.save(tmp_path / "export.xlsx")
    workbench.init_from(tmp_path / "study", [tmp_path / "export.xlsx"])
    asked = answered(tmp_path / "study", scoring="14-56", measure="Pearson r", timing="bl", tracer="[11C]raclopride")
    assert len(asked) == 6
    assert workbench.check(study=tmp_path / "study").problems == ()


@pytest.mark.parametrize(
    ("spelt", "n", "words"),
    [
        (
            "KET_{}-x",
            0,
            "none of its 12 ids is in the participants file: say in [ids] of cohort.toml what to strip and",
        ),
        ("{}", 12, ""),
    ],
)
def test_only_participants_of_the_study_are_said_to_have_a_source(tmp_path, spelt, n, words):
    with write_merged(tmp_path / "export.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = [{name: row[name] for name in row if not name.startswith("pet_")} for row in csv.DictReader(file)]
    lines = [rows[0].keys(), *(row.values() for row in rows)]
    (tmp_path / "own.csv").write_text("".join(",".join(line) + "\n" for line in lines))
    lines = [["participant_id", *(f"bpnd_{region}" for region in REGIONS)]]
    lines += [[spelt.format(row["Subject"]), *(f"1.{i}{j}" for j in range(len(REGIONS)))] for i, row in enumerate(rows)]
    (tmp_path / "pet.csv").write_text("".join(",".join(line) + "\n" for line in lines[:13]))
    drafted = workbench.init_from(tmp_path / "study", [tmp_path / "own.csv", tmp_path / "pet.csv"])
    (line,) = (each for each in drafted.draft.recognised if each.startswith("pet "))
    assert line.startswith(f"pet (pet): {n} participants of the study" + (f"; {words}" if words else ""))


def test_a_crossover_in_several_files_is_put_together_by_a_rule_for_its_ids(tmp_path):
    data = write_crossover(tmp_path / "data")
    drafted = workbench.init_from(tmp_path / "study", [data])
    cohort = toml(tmp_path / "study/features/cohort.toml")
    assert cohort["ids"] == {"strip": ["sub-"], "pad": 3}
    assert cohort["design"] == "crossover"
    assert cohort["arms"]["order"] == ["infusion_1", "infusion_2"]
    assert cohort["arms"]["codes"] == {"k": "ketamine", "p": "placebo"}
    assert cohort["sessions"]["ses-k1"] == {"phase": "after", "hours": 24.0, "arm": "ketamine"}
    assert cohort["sessions"]["ses-p1"]["arm"] == "placebo"
    pet = (tmp_path / "study/features/pet_raclopride_bl.toml").read_text()
    assert "1 of its ids is not in the participants file" in pet
    assert toml(tmp_path / "study/features/pet_raclopride_bl.toml")["timing"] == "ses-b0", "bl stands in its name"
    assert toml(tmp_path / "study/features/pet_raclopride_bl.toml")["tracer"] == "[11C]raclopride"
    matrices = toml(tmp_path / "study/features/connectivity.toml")
    assert matrices["files"] == "matrices/sub-{participant}_ses-{session}_conn.tsv"
    assert matrices["measure"] == "Pearson r"
    assert matrices["transform"] == "fisher-z"
    experiment = toml(tmp_path / "study/experiments/first_question.toml")
    assert experiment["include"] == {"group": ["MDD"]}
    assert experiment["outcome"]["kind"] == "ketamine-minus-placebo"
    assert experiment["outcome"]["at"] == "ses-k1"
    assert experiment["outcome"]["placebo_at"] == "ses-p1"
    assert drafted.draft.questions == ()
    report = workbench.check(study=tmp_path / "study")
    assert report.problems == ()
    assert [run.dataset.n_participants for run in report.plans[0].runs] == [20, 20]


def test_two_columns_that_may_hold_the_ids_are_asked_for(tmp_path):
    lines = ["code_a,code_b,age,MADRS_bl,MADRS_24h"]
    lines += [f"A{n:02d},Z{97 - n},{20 + n},{30 + n % 5},{20 + n % 7}" for n in range(12)]
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    drafted = workbench.init_from(tmp_path / "study", [tmp_path / "t.csv"])
    (question,) = [each for each in drafted.draft.questions if "cohort.toml: id" in each]
    assert '"code_a" (A00)' in question
    assert '"code_b" (Z97)' in question


def test_an_outcome_is_never_made_up(tmp_path):
    lines = ["participant_id,age,sex,wellbeing,lh_insula_thickness,rh_insula_thickness,lh_cuneus_thickness"]
    lines += [f"s{n},{20 + n},{'MF'[n % 2]},{n * 3 % 17},2.{n},2.{n + 1},1.{n}" for n in range(12)]
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    workbench.init_from(tmp_path / "study", [tmp_path / "t.csv"])
    (problem,) = workbench.check(study=tmp_path / "study").problems
    assert problem.place == "experiments/first_question.toml: outcome.column"
    assert "what is to be predicted? No scale was recognised" in problem.hint
    assert '"wellbeing"' in problem.hint


def test_folders_and_files_that_are_not_there_are_refused(tmp_path):
    with pytest.raises(SpecError, match="no such file or folder; --from takes tables and folders"):
        workbench.init_from(tmp_path / "study", [tmp_path / "absent.csv"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(SpecError, match="hold no table or file of a participant"):
        workbench.init_from(tmp_path / "study", [tmp_path / "empty"])


# --------------------------------------------------------------------------------------------------------------- scales


def table(**columns: list[str]) -> Table:
    return Table(Path("t.csv"), "t.csv", columns)


@pytest.mark.parametrize(
    ("column", "words"),
    [
        ("MADRS_48h", "48h"),
        ("pre_inf1_madrs_total", "pre_inf1"),
        ("X2hr_inf1_madrs_total", "2hr_inf1"),
        ("madrsTotal.T2", "t2"),
    ],
)
def test_the_time_in_the_name_of_a_rating_is_read(column, words):
    (scale,) = rating_columns(table(**{column: ["12", "40", "33"]}), ())
    assert scale.name == "MADRS"
    assert scale.by_moment == {words: (column,)}


def test_an_abbreviation_of_several_scales_is_told_by_its_values_or_asked():
    (told,) = rating_columns(table(HAMD_bl=["12", "40", "33"]), ())
    assert (told.scale.value, told.scale.kind) == ("HDRS-17", "guessed")
    (asked,) = rating_columns(table(HAMD_bl=["12", "9", "3"]), ())
    assert asked.scale.kind == "question"
    assert '"HDRS-17" or "HAMD-6"' in asked.scale.note


def test_items_are_taken_together_only_where_all_are_there():
    items = {f"madrs_{n}": ["0", "6", "3"] for n in range(1, 11)}
    (scale,) = rating_columns(table(**items), ())
    assert scale.items
    assert scale.by_moment[""] == tuple(items)
    del items["madrs_4"]
    assert rating_columns(table(**items), ()) == []


def test_columns_made_from_a_rating_are_no_ratings():
    columns = {"madrs_bl": ["30", "20"], "madrs_delta_d2": ["-3", "4"], "madrs_responder": ["0", "1"]}
    (scale,) = rating_columns(table(**columns), ())
    assert scale.by_moment == {"bl": ("madrs_bl",)}


# ---------------------------------------------------------------------------------------------- files of producers


def test_the_real_kmoa_files_become_a_crossover_that_asks_only_what_its_numbers_measure(real_data, tmp_path):
    started = time.perf_counter()
    workbench.init_from(tmp_path / "study", [real_data / "kmoa"])
    cohort = toml(tmp_path / "study/features/cohort.toml")
    assert cohort["design"] == "crossover"
    assert cohort["arms"]["codes"] == {"d": "ketamine", "p": "placebo"}
    assert set(cohort["scores"]) == {"MADRS", "HAMD-6", "HDRS-17"}
    assert cohort["sessions"]["ses-d10"] == {"phase": "after", "hours": 240.0, "arm": "ketamine"}
    asked = answered(tmp_path / "study", measure="spectral DCM A")
    assert asked == ["ec_attn_dmn11.measure", "ec_attn_dmn_sal15.measure", "ec_dmn4.measure"]
    report = workbench.check(study=tmp_path / "study")
    assert report.problems == ()
    assert time.perf_counter() - started < 120, "within two minutes, where ten are promised"


def test_the_real_nspn_files_become_five_sources_and_ask_for_the_outcome(real_data, tmp_path):
    workbench.init_from(tmp_path / "study", [real_data / "nspn_discovery"])
    asked = answered(tmp_path / "study", column="age", measure="similarity")
    assert sorted(asked) == ["first_question.column", "msn_lh_edges.measure"]
    sources = {path.stem for path in (tmp_path / "study/features").glob("*.toml")} - {"cohort"}
    assert sources == {"area", "thickness", "mt_frac030", "mt_wm", "msn_lh_edges"}


def test_the_real_duloxetine_participants_become_a_parallel_trial(real_data, tmp_path):
    workbench.init_from(tmp_path / "study", [real_data / "duloxetine"])
    cohort = toml(tmp_path / "study/features/cohort.toml")
    assert cohort["design"] == "parallel"
    assert cohort["arms"] == {"active": "duloxetine", "control": "placebo", "column": "Drug"}
    experiment = toml(tmp_path / "study/experiments/first_question.toml")
    assert experiment["include"] == {"type": ["patient"]}
    assert experiment["outcome"]["score"] == "?"


def test_the_real_cnp_phenotype_is_rated_once_and_its_total_is_found(real_data, tmp_path):
    workbench.init_from(tmp_path / "study", [real_data / "cnp_phenotype"])
    cohort = toml(tmp_path / "study/features/cohort.toml")
    assert cohort["design"] == "observational"
    assert cohort["scores"] == {"HDRS-17": {"file": "phenotype.tsv", "at": {"ses-1": "hamd_17"}}}


def test_the_generated_matrices_of_xcpd_are_recognised_and_who_took_part_is_asked(real_data, tmp_path):
    folder = real_data / "formats/xcpd/generated_by_writer_26.1.1"
    drafted = workbench.init_from(tmp_path / "study", [folder])
    source = toml(tmp_path / "study/features/connectivity_Tian_rest.toml")
    assert source["atlas"] == "Tian"
    assert source["modality"] == "connectivity"
    assert any("which table has one row per participant" in question for question in drafted.draft.questions)


ANSWERS = {
    "regions": "regions.txt",
    "subjects": "subjects.txt",
    "analysis": "correlation",
    "condition": "rest",
    "tracer": "[11C]raclopride",
    "measure": "VT",
    "reference": "Left-Cerebellum-Cortex",
    "window_min": "60 to 90",
    "atlas_image": "atlas.nii.gz",
    "atlas_labels": "atlas.tsv",
}


@pytest.mark.parametrize(
    ("reader", "sample"),
    [
        ("xcpd", "xcpd/generated_by_writer_26.1.1"),
        ("halfpipe", "halfpipe/real_1.2.3dev_ds000030_TRUNCATED"),
        ("giga-connectome", "giga_connectome_like/halfpipe2bids_draft"),
        ("conn", "conn/synthetic_twin_from_source"),
        ("dcm", "spectral_dcm"),
        ("petprep", "petprep_0.0.3"),
        ("kinpar", "petprep_km_2025"),
        ("maps", "glm_nilearn/generated_nilearn_0.14.1"),
    ],
)
def test_what_is_drafted_for_the_files_of_a_producer_is_what_its_reader_takes(real_data, tmp_path, reader, sample):
    """The README beside each sample says whether it is real, generated or synthetic."""
    if reader not in READERS:
        pytest.skip(f"this version has no reader {reader!r}")
    workbench.init_from(tmp_path / "study", [real_data / "formats" / sample])
    drafted = [path for path in sorted((tmp_path / "study/features").glob("*.toml")) if path.stem != "cohort"]
    assert {toml(path)["reader"] for path in drafted} == {reader}
    for path in drafted:
        asked = re.compile(r'^(\w+) = "\?"$', re.MULTILINE)
        text = asked.sub(lambda key: f'{key[1]} = "{ANSWERS[key[1]]}"', path.read_text())
        path.write_text(text.replace('"60 to 90"', "[60, 90]"))
        assert examine_source(path).problems == ()
