"""Quality control files become covariates: one definition of mean FD, declared rules, nothing guessed."""

import json
import math

import pandas as pd
import pytest

from workbench.errors import Problems, SourceError
from workbench.records import Cohort, Session
from workbench.sources.cohort.participants import read_cohort
from workbench.sources.cohort.quality import quality_columns, quality_files_not_there
from workbench.specs.cohort import CohortSpec
from workbench.specs.quality import QualitySpec

FMRIPREP = {"reader": "fmriprep-confounds", "files": "sub-{participant}/*_desc-confounds_timeseries.tsv"}


@pytest.fixture
def cohort():
    people = [f"sub-{number:02d}" for number in range(1, 5)]
    index = pd.Index(people, name="participant_id", dtype="str")
    nobody = pd.DataFrame(index=index)
    return Cohort(
        design="observational",
        participants=nobody,
        sessions={"ses-1": Session("ses-1", "before"), "ses-2": Session("ses-2", "before")},
        scores=pd.DataFrame(columns=["participant_id", "session", "score", "value"]),
        scales={},
        periods=nobody,
        keys={person.removeprefix("sub-"): person for person in people},
        strip=("sub-",),
    )


def columns_of(cohort, data, **keys):
    problems = Problems()
    made, sessions, notes = quality_columns(
        {"rest": QualitySpec(**keys)}, cohort, list(cohort.participants.index), data, problems
    )
    problems.raise_if_any(SourceError)
    return made, sessions, notes


def written(path, *displacements, column="framewise_displacement"):
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [f"{number}\t{cell}" for number, cell in enumerate(displacements)]
    path.write_text("\n".join([f"trans_x\t{column}", *rows]) + "\n")


def confounds(tmp_path, participant, *displacements, run=""):
    written(tmp_path / f"sub-{participant}" / f"sub-{participant}_{run}desc-confounds_timeseries.tsv", *displacements)


def test_the_first_volume_has_no_displacement_whatever_a_pipeline_writes(cohort, tmp_path):
    confounds(tmp_path, "01", "n/a", 0.1, 0.3, 0.2)
    written(tmp_path / "xcpd" / "sub-01_motion.tsv", "0.0", 0.1, 0.3, 0.2)
    (tmp_path / "xcpd" / "sub-01_desc-linc_qc.csv").write_text(
        "sub,mean_fd,num_dummy_volumes,num_censored_volumes,num_retained_volumes\n01,0.15,0,1,3\n"
    )
    (tmp_path / "hp").mkdir()
    (tmp_path / "hp" / "sub-01.json").write_text(json.dumps({"FDMean": 0.15, "NumberOfVolumes": 4}))
    (tmp_path / "mriqc").mkdir()
    (tmp_path / "mriqc" / "sub-01_bold.json").write_text(json.dumps({"fd_mean": 0.2, "size_t": 4, "tsnr": 50.0}))
    for keys in (
        FMRIPREP,
        {"reader": "xcpd-motion", "files": "xcpd/sub-{participant}_motion.tsv"},
        {"reader": "xcpd-qc", "files": "xcpd/sub-{participant}_desc-linc_qc.csv"},
        {"reader": "halfpipe", "files": "hp/sub-{participant}.json"},
        {"reader": "mriqc", "files": "mriqc/sub-{participant}_bold.json"},
    ):
        made, _, _ = columns_of(cohort, tmp_path, **keys)
        assert made.loc["sub-01", "mean_fd"] == pytest.approx(0.2, abs=1e-12), keys["reader"]
        assert made.loc["sub-01", "n_volumes"] == 4
        assert made.loc["sub-02"].isna().all()


def test_what_was_corrected_is_noted(cohort, tmp_path):
    (tmp_path / "sub-01.json").write_text(json.dumps({"FDMean": 0.15, "NumberOfVolumes": 4}))
    _, _, notes = columns_of(cohort, tmp_path, reader="halfpipe", files="sub-{participant}.json")
    assert "quality.rest: halfpipe counts the first volume as 0 in its mean FD: multiplied by n / (n - 1)" in notes


def test_retained_volumes_and_time_come_from_xcpd(cohort, tmp_path):
    text = "sub\tmean_fd\tnum_dummy_volumes\tnum_censored_volumes\tnum_retained_volumes\n01\t0.1\t0\t20\t180\n"
    (tmp_path / "sub-01_desc-linc_qc.tsv").write_text(text)
    keys = {"reader": "xcpd-qc", "files": "sub-{participant}_desc-linc_qc.tsv", "repetition_time_s": 2.5}
    made, _, _ = columns_of(cohort, tmp_path, **keys)
    assert made.loc["sub-01", ["n_volumes", "n_retained", "retained_s"]].tolist() == [200, 180, 450]


def test_dummy_volumes_before_xcpd_leave_the_mean_undefined(cohort, tmp_path):
    text = "sub\tmean_fd\tnum_dummy_volumes\tnum_censored_volumes\tnum_retained_volumes\n01\t0.1\t4\t20\t180\n"
    (tmp_path / "sub-01_desc-linc_qc.tsv").write_text(text)
    with pytest.raises(SourceError, match=r"dummy volumes were removed.*xcpd-motion"):
        columns_of(cohort, tmp_path, reader="xcpd-qc", files="sub-{participant}_desc-linc_qc.tsv")


@pytest.mark.parametrize(
    ("runs", "expected"),
    [("mean", (0.26, 8)), ("worst", (0.3, 3)), ("first", (0.2, 3))],
)
def test_several_runs_follow_the_declared_rule(cohort, tmp_path, runs, expected):
    confounds(tmp_path, "01", "n/a", 0.1, 0.3, run="run-1_")
    confounds(tmp_path, "01", "n/a", 0.5, 0.1, 0.3, 0.3, run="run-2_")
    made, _, _ = columns_of(cohort, tmp_path, **FMRIPREP, runs=runs)
    mean_fd, n_volumes = expected
    # 2 displacements of mean .2 and 4 of mean .3
    assert made.loc["sub-01", "mean_fd"] == pytest.approx({"mean": (0.4 + 1.2) / 6}.get(runs, mean_fd))
    assert made.loc["sub-01", "n_volumes"] == n_volumes
    assert made.loc["sub-01", "max_fd"] == (0.3 if runs == "first" else 0.5)


def test_several_runs_without_a_rule_are_refused_by_name(cohort, tmp_path):
    for run in ("run-1_", "run-2_"):
        confounds(tmp_path, "01", "n/a", 0.1, 0.3, run=run)
    with pytest.raises(SourceError, match=r"1 participants have several scans \(sub-01: .*run-1_.*run-2_.*runs = "):
        columns_of(cohort, tmp_path, **FMRIPREP)


def test_the_session_that_is_taken_is_that_of_the_column(cohort, tmp_path):
    for session, displacement in (("1", 0.1), ("2", 0.7)):
        written(tmp_path / f"sub-01_ses-{session}_motion.tsv", "0", displacement, displacement)
    keys = {"reader": "xcpd-motion", "files": "sub-{participant}_ses-{session}_motion.tsv"}
    made, sessions, _ = columns_of(cohort, tmp_path, **keys, at="ses-2", prefix="rest_")
    assert made.loc["sub-01", "rest_mean_fd"] == pytest.approx(0.7)
    assert sessions == dict.fromkeys(made.columns, "ses-2")


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (
            ("n/a", 0.1, "n/a", 0.2),
            "1 volumes after the first have no framewise_displacement; the first volume of a run",
        ),
        ((0.2, 0.1, 0.3), "its first volume has the framewise_displacement 0.2"),
        (("n/a", "0,3"), "framewise_displacement has cells that are no numbers.*line 3: '0,3'"),
        (("n/a",), "has 1 volumes"),
    ],
)
def test_displacements_that_are_not_those_of_one_run_are_refused(cohort, tmp_path, cells, message):
    confounds(tmp_path, "01", *cells)
    with pytest.raises(SourceError, match=message):
        columns_of(cohort, tmp_path, **FMRIPREP)


def test_a_table_without_displacements_says_what_it_has(cohort, tmp_path):
    written(tmp_path / "sub-01" / "sub-01_desc-confounds_timeseries.tsv", 0.1, 0.2, column="FramewiseDisplacement")
    with pytest.raises(SourceError, match="has no column 'framewise_displacement'"):
        columns_of(cohort, tmp_path, **FMRIPREP)


def test_no_file_and_no_session_are_said(cohort, tmp_path):
    with pytest.raises(SourceError, match="no file fits 'sub-"):
        columns_of(cohort, tmp_path, **FMRIPREP)
    written(tmp_path / "sub-01_ses-1_motion.tsv", 0, 0.1)
    keys = {"reader": "xcpd-motion", "files": "sub-{participant}_ses-{session}_motion.tsv"}
    with pytest.raises(SourceError, match="no file is of the session 'ses-2'"):
        columns_of(cohort, tmp_path, **keys, at="ses-2")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is no JSON"),
        ("[1]", "is JSON without keys"),
        ('{"fd_mean": null, "size_t": 4, "tsnr": 3}', "fd_mean is None"),
    ],
)
def test_json_that_is_not_that_of_a_scan_is_refused(cohort, tmp_path, text, message):
    (tmp_path / "sub-01_bold.json").write_text(text)
    with pytest.raises(SourceError, match=message):
        columns_of(cohort, tmp_path, reader="mriqc", files="sub-{participant}_bold.json")


GROUP = """bids_name\tfd_mean\tsize_t\ttsnr
sub-01_task-rest_bold\t0.2\t200\t50
sub-02_task-rest_bold\t0.3\t210\t40
sub-02_task-mid_bold\t0.9\t300\t30
"""


def test_the_group_table_of_mriqc_has_a_row_for_every_scan(cohort, tmp_path):
    (tmp_path / "group_bold.tsv").write_text(GROUP)
    made, _, _ = columns_of(cohort, tmp_path, reader="mriqc", files="group_bold.tsv", task="rest")
    assert made["mean_fd"].tolist()[:2] == [0.2, 0.3]
    assert math.isnan(made["mean_fd"].iloc[2])
    with pytest.raises(SourceError, match='has scans of mid, rest; task = "mid" says which is taken'):
        columns_of(cohort, tmp_path, reader="mriqc", files="group_bold.tsv")
    with pytest.raises(SourceError, match="has no scan of task 'res'; did you mean 'rest'"):
        columns_of(cohort, tmp_path, reader="mriqc", files="group_bold.tsv", task="res")


def test_a_mean_over_runs_of_unknown_length_is_refused(cohort, tmp_path):
    (tmp_path / "group_bold.tsv").write_text(
        "bids_name\tfd_mean\ttsnr\nsub-01_run-1_bold\t0.2\t50\nsub-01_run-2_bold\t0.4\t40\n"
    )
    keys = {"reader": "mriqc", "files": "group_bold.tsv"}
    with pytest.raises(SourceError, match="do not say how many volumes a run has, by which means over runs"):
        columns_of(cohort, tmp_path, **keys, runs="mean")
    made, _, _ = columns_of(cohort, tmp_path, **keys, runs="worst")
    assert made.loc["sub-01", ["mean_fd", "tsnr"]].tolist() == [0.4, 40]


@pytest.mark.parametrize("cells", [("n/a", "0.1"), ("0.1", "n/a")])
def test_the_worst_of_runs_is_unknown_where_one_is_in_whatever_order(cohort, tmp_path, cells):
    rows = [f"sub-01_run-{run}_bold\t{cell}\t200\t50" for run, cell in enumerate(cells, start=1)]
    (tmp_path / "group_bold.tsv").write_text("\n".join(["bids_name\tfd_mean\tsize_t\ttsnr", *rows]) + "\n")
    made, _, _ = columns_of(cohort, tmp_path, reader="mriqc", files="group_bold.tsv", runs="worst")
    assert math.isnan(made.loc["sub-01", "mean_fd"])


def test_a_scan_of_somebody_who_only_looks_like_a_participant_is_refused(cohort, tmp_path):
    confounds(tmp_path, "01", "n/a", 0.1)
    confounds(tmp_path, "2", "n/a", 0.1)
    with pytest.raises(SourceError, match="'2'"):
        columns_of(cohort, tmp_path, **FMRIPREP)


def test_coverage_counts_regions_outside_of_the_image_as_not_covered(cohort, tmp_path):
    said = {"FDMean": 0.1, "NumberOfVolumes": 100, "Coverage": [1.0, 0.5, None, float("nan")], "MeanGMTSNR": 70.0}
    (tmp_path / "sub-01.json").write_text(json.dumps(said))
    made, _, _ = columns_of(cohort, tmp_path, reader="halfpipe", files="sub-{participant}.json")
    assert made.loc["sub-01", ["coverage", "tsnr"]].tolist() == [0.375, 70.0]


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"files": "x_confounds.tsv"}, "does not say where the participant id stands"),
        ({"files": "sub-{participant}_ses-{session}_x.tsv"}, "is missing, and files have {session}"),
        ({"files": "sub-{participant}_x.tsv", "at": "ses-1"}, "names a session, and files have no {session}"),
        ({"files": "sub-{participant}_x.tsv", "task": "rest"}, "is for the group table of MRIQC"),
        ({"files": "sub-{participant}_x.tsv", "repetition_time_s": 2.0}, "has a meaning for xcpd-qc only"),
    ],
)
def test_keys_that_contradict_each_other_are_found(keys, words):
    spec = QualitySpec.model_construct(**{"reader": "fmriprep-confounds", **keys})
    assert any(words in finding.found for finding in spec.rules())


# ------------------------------------------------------------------------------------------- in the cohort of a study


def test_quality_stands_beside_the_covariates_of_the_cohort(tmp_path):
    (tmp_path / "participants.tsv").write_text("participant_id\tage\n01\t30\n02\t40\n")
    for participant, displacement in (("01", 0.1), ("02", 0.4)):
        confounds(tmp_path, participant, "n/a", displacement, displacement)
    said = {"design": "observational", "quality": {"rest": FMRIPREP}}
    cohort = read_cohort(CohortSpec.model_validate(said), tmp_path)
    assert cohort.participants["mean_fd"].tolist() == pytest.approx([0.1, 0.4])
    assert list(cohort.participants.columns) == ["age", "mean_fd", "max_fd", "n_volumes"]


def test_a_column_that_both_make_is_refused(tmp_path):
    (tmp_path / "participants.tsv").write_text("participant_id\tmean_fd\n01\t30\n")
    confounds(tmp_path, "01", "n/a", 0.1)
    said = {"design": "observational", "quality": {"rest": FMRIPREP}}
    with pytest.raises(SourceError, match="makes 'mean_fd', which is a column of the participants too"):
        read_cohort(CohortSpec.model_validate(said), tmp_path)
    twice = {"design": "observational", "quality": {"rest": FMRIPREP, "task": FMRIPREP}}
    (tmp_path / "participants.tsv").write_text("participant_id\n01\n")
    with pytest.raises(SourceError, match=r"quality.task: makes 'mean_fd', which is there already; .*prefix"):
        read_cohort(CohortSpec.model_validate(twice), tmp_path)


# ------------------------------------------------------------------------------------------- producers' own samples


def sampled(cohort_ids, data, **keys):
    index = pd.Index([f"sub-{each}" for each in cohort_ids], name="participant_id", dtype="str")
    people = pd.DataFrame(index=index)
    scores = pd.DataFrame(columns=["participant_id", "session", "score", "value"])
    keyed = {each: f"sub-{each}" for each in cohort_ids}
    cohort = Cohort("observational", people, {}, scores, {}, people, keyed, strip=("sub-",))
    return columns_of(cohort, data, **keys)[0]


def test_real_halfpipe_and_fmriprep_files_of_one_run_have_the_same_mean_fd(real_data):
    """REAL: HALFpipe 1.2.3 wrote 0.16212 and fMRIPrep 25.0 a table with 0.16319, of the same run."""
    folder = real_data / "formats"
    halfpipe = sampled(
        ["10159", "10171"],
        folder / "halfpipe" / "real_1.2.3dev_ds000030_TRUNCATED" / "derivatives" / "halfpipe",
        reader="halfpipe",
        files="sub-{participant}/func/task-rest/*_atlas-schaefer400_timeseries.json",
    )
    fmriprep = sampled(
        ["10159"],
        folder / "fmriprep_confounds" / "fmriprep25.0_via_halfpipe",
        reader="fmriprep-confounds",
        files="sub-{participant}_task-rest_desc-confounds_timeseries.tsv",
    )
    assert halfpipe.loc["sub-10159", "mean_fd"] == pytest.approx(fmriprep.loc["sub-10159", "mean_fd"], abs=1e-6)
    assert fmriprep.loc["sub-10159", "mean_fd"] == pytest.approx(0.16319, abs=1e-5)
    assert fmriprep.loc["sub-10159", "n_volumes"] == halfpipe.loc["sub-10159", "n_volumes"] == 152
    assert 0.8 < halfpipe.loc["sub-10159", "coverage"] < 1


def test_real_fmriprep_tables_of_three_generations_are_read(real_data, tmp_path):
    """REAL, cut to 30 rows by nilearn: 1.4 to 20.1, and 21; the order of columns differs."""
    folder = real_data / "formats" / "fmriprep_confounds" / "nilearn_testdata"
    for number, name in enumerate(
        (
            "test_desc-confounds_regressors.tsv",
            "no_nonsteady_desc-confounds_regressors.tsv",
            "test-v21_desc-confounds_timeseries.tsv",
        ),
        1,
    ):
        (tmp_path / f"sub-{number}.tsv").write_bytes((folder / name).read_bytes())
    made = sampled(["1", "2", "3"], tmp_path, reader="fmriprep-confounds", files="sub-{participant}.tsv")
    assert (made["n_volumes"] == 30).all()
    assert made["mean_fd"].between(0.001, 2).all()


def test_real_xcpd_files_are_read(real_data):
    """REAL: XCP-D 0.14.1, CIFTI: no registration columns; the motion table is cut to five volumes."""
    folder = real_data / "formats" / "xcpd" / "real_0.14.1_ds003085" / "func"
    qc = sampled(["01"], folder, reader="xcpd-qc", files="sub-{participant}_*_desc-linc_qc.tsv")
    assert qc.loc["sub-01", "mean_fd"] == pytest.approx(0.09761548359483403 * 271 / 270)
    assert qc.loc["sub-01", ["n_volumes", "n_retained"]].tolist() == [271, 250]
    motion = sampled(["01"], folder, reader="xcpd-motion", files="sub-{participant}_*_motion.HEAD5.tsv")
    assert motion.loc["sub-01", "n_volumes"] == 5


def test_real_mriqc_files_of_a_trial_are_read(real_data):
    """REAL: MRIQC 22.0.1, ds000208; fd_perc is of all volumes and fd_mean of all but the first."""
    ids = [f"{number:02d}" for number in range(1, 77)]
    made = sampled(
        ids, real_data / "duloxetine" / "mriqc", reader="mriqc", files="sub-{participant}_task-rest_bold.json"
    )
    assert made["mean_fd"].notna().sum() >= 70
    assert made.loc["sub-01", "mean_fd"] == pytest.approx(0.375576096814679)
    assert made.loc["sub-01", "n_volumes"] == 298


def test_patterns_that_no_file_fits_are_named_where_there_is_no_cohort_yet(tmp_path):
    spec = QualitySpec(reader="fmriprep-confounds", files="sub-{participant}/*_desc-confounds_timeseries.tsv")
    (problem,) = quality_files_not_there({"motion": spec}, tmp_path)
    assert problem.where == "quality.motion: files"
    assert "no file fits 'sub-{participant}/*_desc-confounds_timeseries.tsv'" in problem.found
    (tmp_path / "sub-01").mkdir()
    (tmp_path / "sub-01" / "sub-01_desc-confounds_timeseries.tsv").write_text("framewise_displacement\n0.1\n")
    assert list(quality_files_not_there({"motion": spec}, tmp_path)) == []
