"""Files of pipelines: which are taken, what is never guessed, and runs by a declared rule."""

import json

import numpy as np
import pytest
from pydantic import ValidationError

from workbench.errors import SourceError
from workbench.sources import read_source, source_files
from workbench.specs.readers import READERS

REGIONS = ("VS", "ACC", "PCC")


def correlation(seed):
    return np.corrcoef(np.random.default_rng(seed).standard_normal((3, 30)))


def spec_of(reader="xcpd", **options):
    declared = {"modality": "connectivity", "reader": reader, "files": "**/*.tsv", **options}
    return READERS[reader].model_validate(declared)


@pytest.fixture
def relmat(write):
    """Writes a matrix of XCP-D; keywords are entities."""

    def write_file(seed, sub="0001", ses="b0", atlas="Own", space="fsLR", task="rest", run="", end="relmat"):
        run = f"_run-{run}" if run else ""
        file = f"sub-{sub}_ses-{ses}_task-{task}{run}_space-{space}_atlas-{atlas}_stat-pearsoncorrelation_{end}.tsv"
        matrix = correlation(seed).tolist()
        rows = ["\t".join(("Node", *REGIONS))]
        rows += ["\t".join((name, *map(repr, row))) for name, row in zip(REGIONS, matrix, strict=True)]
        return write(f"sub-{sub}/ses-{ses}/func/{file}", "\n".join(rows) + "\n")

    return write_file


@pytest.fixture
def read(tmp_path, cohort):
    def read_files(reader="xcpd", **options):
        return read_source("fc", spec_of(reader, **options), cohort, data=tmp_path, features_dir=tmp_path)

    return read_files


def edges(*matrices):
    return [[matrix[1, 2], matrix[0, 1], matrix[0, 2]] for matrix in matrices]


def values_of(table):
    order = [list(table.features["feature"]).index(name) for name in ("ACC--PCC", "ACC--VS", "PCC--VS")]
    return table.values[:, order]


@pytest.fixture
def runs(relmat):
    relmat(1, run="01")
    relmat(2, run="2")
    relmat(3)  # their concatenation
    relmat(4, sub="0002")


def test_runs_and_their_concatenation_are_never_both_taken(runs, read):
    expected = (
        r"finds several files for 1 session \(sub-0001_ses-b0\): sub-0001_ses-b0_task-rest_run-01_.*_run-2_.*"
        r'; write runs = "mean" .*hold the same volumes twice'
    )
    with pytest.raises(SourceError, match=expected):
        read()


def test_the_concatenation_of_runs_is_the_file_without_run(runs, read):
    np.testing.assert_allclose(values_of(read(runs="concatenated")), edges(correlation(3), correlation(4)))


def test_the_first_run_has_the_lowest_number(runs, read):
    np.testing.assert_allclose(values_of(read(runs="first")), edges(correlation(1), correlation(4)))


def test_the_mean_of_runs_leaves_their_concatenation_out(runs, read):
    table = read(runs="mean")
    np.testing.assert_allclose(values_of(table), edges((correlation(1) + correlation(2)) / 2, correlation(4)))
    assert table.rows["participant_id"].tolist() == ["sub-0001", "sub-0002"]


def test_runs_are_averaged_as_fisher_z_and_transformed_once(runs, read):
    with np.errstate(divide="ignore"):
        expected = (np.arctanh(correlation(1)) + np.arctanh(correlation(2))) / 2
    table = read(runs="mean", transform="fisher-z")
    np.testing.assert_allclose(values_of(table)[0], edges(expected)[0], rtol=1e-10)


def test_every_run_is_part_of_what_a_table_is_made_from(runs, tmp_path):
    paths = source_files(spec_of(runs="mean"), data=tmp_path, features_dir=tmp_path)
    assert sorted(path.name.split("_space")[0] for path in paths) == [
        "sub-0001_ses-b0_task-rest_run-01",
        "sub-0001_ses-b0_task-rest_run-2",
        "sub-0002_ses-b0_task-rest",
    ]


def test_a_concatenation_that_is_not_there_is_refused(relmat, read):
    relmat(1, run="1")
    relmat(2, run="2")
    with pytest.raises(SourceError, match=r"0 of 2 files of one session are the one without run-"):
        read(runs="concatenated")


def test_a_run_copied_under_another_number_is_refused(relmat, read):
    relmat(1, run="1")
    relmat(1, run="2")
    with pytest.raises(SourceError, match=r"byte for byte the same file"):
        read(runs="mean")


def test_a_bad_cell_of_a_later_run_is_named_with_its_file(relmat, read):
    relmat(1, run="1")
    path = relmat(2, run="2")
    path.write_text(path.read_text().replace("1.0", "one", 1))
    with pytest.raises(SourceError, match=r"run-2_.*_relmat.tsv: line \d, column .*: 'one' is not a number"):
        read(runs="mean")


def test_a_region_that_one_run_did_not_cover_comes_from_the_others(relmat, read):
    relmat(1, run="1")
    path = relmat(2, run="2")
    lines = [line.split("\t") for line in path.read_text().splitlines()]
    lines[1][1:] = ["n/a"] * 3
    for line in lines[1:]:
        line[1] = "n/a"
    path.write_text("\n".join("\t".join(line) for line in lines))
    both = (correlation(1) + correlation(2)) / 2
    expected = [both[1, 2], correlation(1)[0, 1], correlation(1)[0, 2]]
    np.testing.assert_allclose(values_of(read(runs="mean"))[0], expected)


@pytest.mark.parametrize(
    ("other", "message", "option"),
    [
        ({"atlas": "Tian"}, r'several atlas- values: atlas-Own, atlas-Tian; declare which is meant: atlas = "Own"',
         {"atlas": "own"}),
        ({"task": "faces"}, r'several task- values: task-faces, task-rest; .*task = "faces"', {"task": "rest"}),
        ({"space": "MNI"}, r'several space- values: space-MNI, space-fsLR; .*space = "MNI"', {"space": "fsLR"}),
        ({"space": "fsLR_den-91k"}, r'no den-, den-91k; .*entities = \{ den = "91k" \}', None),
    ],
)  # fmt: skip
def test_files_that_differ_in_more_than_runs_need_a_declaration(relmat, read, other, message, option):
    relmat(1)
    relmat(2, sub="0002", **other)
    with pytest.raises(SourceError, match=message):
        read()
    if option is not None:
        np.testing.assert_allclose(values_of(read(**option)), edges(correlation(1)))


def test_matrices_of_so_many_volumes_are_taken_on_request_only(relmat, read):
    relmat(1)
    relmat(2, end="desc-100volumes_relmat")
    np.testing.assert_allclose(values_of(read()), edges(correlation(1)))
    np.testing.assert_allclose(values_of(read(volumes=100)), edges(correlation(2)))


def test_a_file_without_a_participant_in_its_name_is_refused(write, read):
    write("task-rest_atlas-Own_stat-pearsoncorrelation_relmat.tsv", "Node\tVS\nVS\t1\n")
    with pytest.raises(SourceError, match=r"relmat.tsv: does not say whose it is; the name of the file, or its folder"):
        read()


def test_a_coverage_of_other_regions_is_refused(relmat, read):
    path = relmat(1)
    path.with_name(path.name.replace("pearsoncorrelation_relmat", "coverage_bold")).write_text("VS\tPCC\n0.5\t1\n")
    with pytest.raises(SourceError, match=r"coverage_bold.tsv: is of other regions than sub-0001.*\('ACC'\)"):
        read()


def test_what_a_region_covers_too_little_is_missing(relmat, read):
    for seed, person in ((1, "0001"), (2, "0002")):
        path = relmat(seed, sub=person)
        share = "0.4" if person == "0002" else "0.6"
        wide = path.with_name(path.name.replace("pearsoncorrelation_relmat", "coverage_bold"))
        wide.write_text(f"VS\tACC\tPCC\n{share}\t1\t1\n")
    table = read(min_coverage=0.5)
    assert np.isnan(values_of(table)).tolist() == [[False, False, False], [False, True, True]]
    assert "not covered, hence missing: VS (1 file)" in table.notes


def test_a_broken_description_of_the_dataset_is_no_obstacle(relmat, read, write):
    relmat(1)
    write("dataset_description.json", "{")
    assert not any("made by" in note for note in read().notes)
    write("dataset_description.json", json.dumps({"GeneratedBy": [{"Name": "xcp_d", "Version": "26.1.1"}]}))
    assert "1 file made by xcp_d 26.1.1" in read().notes


def test_sessions_in_names_and_a_declared_time_exclude_each_other(relmat, read):
    relmat(1)
    with pytest.raises(SourceError, match=r"timing: stands beside sessions in the names of files; leave timing out"):
        read(timing="before")


def test_an_id_that_halfpipe_stripped_meets_the_one_it_was(tmp_path, cohort_of, write):
    people = "participant_id\nsubject_01\nsubject_02\n"
    cohort = cohort_of(people, design="observational", arms=None, sessions={}, site=None, ids={})
    write_halfpipe(write, "subject01")
    table = read_source("fc", halfpipe(), cohort, data=tmp_path, features_dir=tmp_path)
    assert table.rows["participant_id"].tolist() == ["sub-subject_01"]


def test_people_whom_stripped_ids_could_not_tell_apart_are_no_cohort(cohort_of):
    """So that of the spellings that an id may have had, one person at most is in the study."""
    people = "participant_id\nsubject_01\nsubject-01\n"
    with pytest.raises(SourceError, match=r"'subject-01' \(line 3\) and 'subject_01' look like one participant"):
        cohort_of(people, design="observational", arms=None, sessions={}, site=None, ids={})


def halfpipe():
    return spec_of("halfpipe", regions="lut.tsv")


def write_halfpipe(write, person, feature="corr"):
    write("lut.tsv", "1\tVS\n2\tACC\n3\tPCC\n")
    name = f"sub-{person}_task-rest_feature-{feature}_atlas-own_desc-correlation_matrix.tsv"
    text = "\n".join("\t".join(f"{each:.10f}" for each in row) for row in correlation(len(feature)))
    write(f"sub-{person}/func/{name}", text)


def test_of_several_halfpipe_features_one_is_declared(tmp_path, cohort, write, read):
    write_halfpipe(write, "0001")
    write_halfpipe(write, "0001", "corrGsr")
    with pytest.raises(
        SourceError, match=r'several feature- values: feature-corr, feature-corrGsr; .*feature = "corr"'
    ):
        read("halfpipe", regions="lut.tsv")
    assert read("halfpipe", regions="lut.tsv", feature="corrGsr").values.shape == (1, 3)


def test_an_older_halfpipe_matrix_is_text(tmp_path, write, read):
    write_halfpipe(write, "0001")
    (path,) = (tmp_path / "sub-0001" / "func").iterdir()
    path.rename(path.with_suffix(".txt"))
    assert read("halfpipe", regions="lut.tsv", files="**/*").values.shape == (1, 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"connectivity": "correlation"}, r'min_volumes: is missing, and connectivity = "correlation"'),
        ({"min_volumes": 100}, r"min_volumes: stands there, and no time series are read"),
        (
            {"connectivity": "covariance", "min_volumes": 100, "transform": "fisher-z"},
            r"transform: is \"fisher-z\", and covariances are no correlations",
        ),
    ],
)
def test_options_that_contradict_each_other_are_refused(options, message):
    with pytest.raises(ValidationError, match=message):
        spec_of(**options)
