"""Small hostile inputs, kind by kind: each is refused, or kept apart, with the message that its owner can act on."""

from __future__ import annotations

import pytest

from workbench.errors import SourceError
from workbench.sources import read_source
from workbench.specs.table_source import TableSource

HEADER = "participant_id\tage\tsex\tsite\tfirst\tsecond"
ROWS = [
    "sub-0001\t30\tM\tA\tk\tp",
    "sub-0002\t40.5\tF\tA\tp\tk",
    "sub-0003\tn/a\tF\tB\tk\tn/a",
    "sub-0004\t50\tM\tB\tp\tk",
]
MADRS = {"MADRS": {"file": "ph.tsv", "session": "session_id", "column": "MADRS"}}


def people(*more: str, header: str = HEADER, rows: list[str] = ROWS) -> str:
    return "\n".join([header, *rows, *more]) + "\n"


def like(raw: str) -> str:
    """A row of somebody called `raw`."""
    return f"{raw}\t30\tM\tA\tk\tp"


NAMES = HEADER.split("\t")


def with_cells(column: str, *cells: str) -> str:
    rows = [row.split("\t") for row in ROWS]
    for row, cell in zip(rows, cells, strict=True):
        row[NAMES.index(column)] = cell
    return people(rows=["\t".join(row) for row in rows])


PARTICIPANTS_FILES: dict[str, tuple[str | bytes, str]] = {
    "two columns of one name": (people(header=HEADER.replace("sex", "age")), r"has 2 columns named 'age'"),
    "a column without a name": (people(header=HEADER.replace("sex", "")), r"column 3 has no name"),
    "a row with a cell too many": (people(like("sub-5") + "\tx"), r"has 6 columns but line 6 has 7 cells"),
    "a row with a cell too few": (people("sub-5\t30"), r"has 6 columns but line 6 has 2 cells"),
    "a mark that is never closed": (people().replace("\tM", '\t"M', 1), r"opens in line 2 and is never closed"),
    "a header again": (people(HEADER), r"line 6 is a header again"),
    "a comment above the header": ("# export of REDCap\n" + people(), r"line 1 is '# export of REDCap': a title or"),
    "a title above the header": ("Study one\n" + people(), r"line 1 is 'Study one': a title or a comment"),
    "a comment among the rows": (people("# second site"), r"line 6 has 1 cells"),
    "two encodings": (
        people().encode() + like("sub-Jos\xe9").encode("cp1252"),
        r"not UTF-8 text \(line 6, byte 0xE9\)",
    ),
    "an id with an unbreakable space": (
        people(like("sub-0002\u00a0")),
        r"sub-0002 is there 2 times \(line 3, line 6\)",
    ),
    "an id with a zero-width space": (
        people(like("sub-\u200b0005")),
        r"line 6: the id .* invisible character \(U\+200B\)",
    ),
    "an id with a soft hyphen": (people(like("sub-00\u00ad05")), r"line 6: the id .* invisible character \(U\+00AD\)"),
    "accents in two compositions": (
        people(like("sub-Jos\u00e9"), like("sub-Jose\u0301")),
        r"look like one participant, with its accents composed otherwise \(Unicode NFC and NFD\)",
    ),
    "one participant in two spellings": (people(like("sub-2")), r"sub-0002 is written 'sub-0002' .*, 'sub-2'"),
    "one participant in other capitals": (people(like("SUB-0002")), r"'SUB-0002' .* look like one participant"),
    "a row of means": (people("Mean (SD)\t40\t\t\t\t"), r"line 6 is of 'Mean \(SD\)', not of a participant"),
    "a row of counts": (people("N = 4\t40\t\t\t\t"), r"line 6 is of 'N = 4', not of a participant"),
    "an id that became a date": (people(like("2026-03-03")), r"the id '2026-03-03' is a date"),
    "an id that became a month": (people(like("3-Mar")), r"the id '3-Mar' is a date: a spreadsheet may have made it"),
    "an id that was shortened": (people(like("1e+05")), r"the id '1e\+05' is a number that a program shortened"),
    "ids that became numbers": (people(like("5.0")), r"the id '5.0' is a number with .0 at its end"),
    "a row without an id": (people(like("")), r"no participant id in line 6"),
    "a missing code for an id": (people(like("n/a")), r"no participant id in line 6"),
    "an arm in other capitals": (
        with_cells("first", "k", "P", "k", "p"),
        r"no arm is called 'P' of sub-0002 \(line 3\)",
    ),
    "the same arm twice": (with_cells("second", "k", "k", "n/a", "k"), r"both periods have the same arm in sub-0001"),
    "only a header": (HEADER + "\n", r"holds nobody"),
}


@pytest.mark.parametrize("kind", PARTICIPANTS_FILES)
def test_a_hostile_file_of_participants_is_refused_by_name(cohort_of, write, kind):
    content, message = PARTICIPANTS_FILES[kind]
    with pytest.raises(SourceError, match=message):
        cohort_of(content, ids={"strip": ("sub-",), "pad": 4})


@pytest.mark.parametrize(
    ("cells", "doubt"),
    [
        (("M", "male", "F", "m"), r"levels that look alike .* 'M' \(1\), 'male' \(1\), 'm' \(1\)"),
        (("n/a", "n/a", "", "n/a"), r"holds no value in participants.tsv"),
        (("31", "89+", "40", "50"), r"read as text because of '89\+' \(line 3\)"),
        (
            ("31", "999", "40", "50"),
            r"holds 999 in participants.tsv \(line 3\), far from all other values \(31 to 50\)",
        ),
    ],
)
def test_a_doubtful_column_says_what_settles_it(cohort_of, cells, doubt):
    import re

    (found,) = cohort_of(with_cells("sex", *cells)).doubts["sex"]
    assert re.search(doubt, found.found)
    assert found.hint


def test_few_whole_numbers_of_many_participants_need_a_type(cohort_of):
    rows = [f"sub-{at:04}\t30\t{1 + at % 4}\tA\tk\tp" for at in range(1, 13)]
    (doubt,) = cohort_of(people(rows=rows)).doubts["sex"]
    assert "holds the whole numbers 1, 2, 3, 4" in doubt.found
    assert '[columns.sex] type = "categorical"' in doubt.hint


RATINGS: dict[str, tuple[str, str]] = {
    "dates as sessions": ("0001\t2026-03-05\t20\n0002\t2026-03-07\t21", r"a date says when, not which visit"),
    "a session in other capitals": ("0001\tses-B0\t20\n0002\tses-b0\t21", r"looks like 'ses-b0', in other capitals"),
    "sessions without their prefix": (
        "0001\tb0\t20\n0002\tb0\t21",
        r"none of its sessions is declared: the file has 'b0'",
    ),
    "a value without a session": ("0001\t\t20\n0002\tses-b0\t21", r"no session in line 2"),
    "999 among totals": ("0001\tses-b0\t999\n0002\tses-b0\t21", r'MADRS is 999 .* missing = \[.., "999"\]'),
    "-9 among totals": ("0001\tses-b0\t-9\n0002\tses-b0\t21", r'MADRS is -9 .* missing = \[.., "-9"\]'),
    "NaN among totals": ("0001\tses-b0\tNaN\n0002\tses-b0\t21", r"'NaN' is not a number; if it stands for a missing"),
    "half a point": ("0001\tses-b0\t20.5\n0002\tses-b0\t21", r"MADRS is 20.5 .*; totals go in steps of 1"),
    "a decimal comma": ("0001\tses-b0\t20,0\n0002\tses-b0\t21", r"its decimals follow a comma; .* decimal = \",\""),
    "a participant twice at a session": ("0001\tses-b0\t20\n0001\tses-b0\t21", r"sub-0001 ses-b0 is there 2 times"),
    "the number of the row for an id": (
        "0\tses-b0\t20\n1\tses-b0\t21\n2\tses-b0\t22",
        r"its ids 0 to 2 are the numbers",
    ),
    "a shortened id": (
        "1e+05\tses-b0\t20\n0002\tses-b0\t21",
        r"'1e\+05' is not in the study but looks like sub-100000",
    ),
}


@pytest.mark.parametrize("kind", RATINGS)
def test_a_hostile_file_of_ratings_is_refused_by_name(cohort_of, write, kind):
    rows, message = RATINGS[kind]
    write("ph.tsv", "participant_id\tsession_id\tMADRS\n" + rows + "\n")
    with pytest.raises(SourceError, match=message):
        cohort_of(people(like("sub-100000")), scores=MADRS)


FEATURES: dict[str, tuple[str, str]] = {
    "-999": ("0001\t0.51\t1\n0002\t-999\t2\n0004\t0.7\t3", r"holds -999 in 1 cell \('VS' of sub-0002\)"),
    "a percent sign": ("0001\t51%\t1\n0002\t0.6\t2", r"'51%' is not a number: it has a percent sign"),
    "a unit": ("0001\t3mm\t1\n0002\t0.6\t2", r"'3mm' is a number with a unit"),
    "an id in other capitals": (
        "0001\t1\t1\nSUB-0002\t0.6\t2",
        r"'SUB-0002' is not in the study but looks like sub-0002",
    ),
}


@pytest.mark.parametrize("kind", FEATURES)
def test_a_hostile_file_of_features_is_refused_by_name(cohort, write, tmp_path, kind):
    rows, message = FEATURES[kind]
    names = ["VS", "ACC", "PCC"][: rows.splitlines()[0].count("\t")]
    write("t.tsv", "\t".join(["participant_id", *names]) + "\n" + rows + "\n")
    spec = TableSource.model_validate({"modality": "x", "reader": "table", "file": "t.tsv"})
    with pytest.raises(SourceError, match=message):
        read_source("x", spec, cohort, data=tmp_path, features_dir=tmp_path / "features")


def test_regions_and_networks_called_na_or_none_stay_text(cohort, write, tmp_path):
    write("t.tsv", "participant_id\tNA\tNone\tnan\n0001\t1\t2\t3\n0002\t4\t5\t6\n")
    spec = TableSource.model_validate({"modality": "x", "reader": "table", "file": "t.tsv"})
    table = read_source("x", spec, cohort, data=tmp_path, features_dir=tmp_path / "features")
    assert list(table.features["feature"]) == ["NA", "None", "nan"]
