"""Traps of time-activity curves: windows, frames, references, units, several scans, and how scans are named."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from workbench.errors import SourceError
from workbench.sources import read_source
from workbench.sources.pet.pet_frames import Frames, frame_weights, suvr
from workbench.specs.readers import READERS

FRAMES = [(0, 600), (600, 1200), (1200, 1800), (1800, 2400)]
"""Four frames of ten minutes."""

VS, REFERENCE = (2.0, 3.0, 5.0, 4.0), (1.0, 2.0, 2.0, 4.0)
"""Over 10 to 40 min: (3 + 5 + 4) / (2 + 2 + 4) = 1.5."""


def frames_of(*times: tuple[float, float]) -> Frames:
    start, end = np.array(times, dtype=float).T
    return Frames(start, end, tuple(range(2, len(times) + 2)))


# -------------------------------------------------------------------------------------------------------------- frames


def test_a_mean_over_a_window_is_weighted_by_the_duration_of_frames():
    weights = frame_weights(frames_of((0, 600), (600, 900), (900, 1800)), (10, 30), None, "a.tsv")
    np.testing.assert_allclose(weights, [0, 0.25, 0.75])


def test_suvr_is_the_ratio_of_means_and_not_the_mean_of_ratios():
    activity, reference = np.array([[2.0], [9.0]]), np.array([1.0, 3.0])
    assert suvr(activity, reference, np.array([0.5, 0.5])) == pytest.approx([11 / 4])


def test_a_region_that_lacks_a_frame_of_the_window_is_missing_and_one_that_lacks_another_is_not():
    activity = np.array([[np.nan, 1.0], [4.0, np.nan], [4.0, 2.0]])
    assert suvr(activity, np.ones(3), np.array([0.0, 0.5, 0.5]))[0] == 4.0
    assert np.isnan(suvr(activity, np.ones(3), np.array([0.0, 0.5, 0.5]))[1])


@pytest.mark.parametrize(
    ("times", "message"),
    [
        (
            [(0, 600), (500, 1200), (1200, 1800)],
            r"frame of 500 to 1200 s \(line 3\) begins before the end of the frame of 0",
        ),
        ([(0, 600), (900, 600), (1200, 1800)], r"the frame of 900 to 600 s \(line 3\) ends before it starts"),
        ([(0, 600), (900, 1800)], r"no frame covers 600 to 900 s of the window of 10 to 30 min; frames are missing"),
        ([(0, 600), (600, 1200)], r"the window of 10 to 30 min is not within the scan, 0 to 20 min"),
        ([(1200, 1800), (1800, 2400)], r"the window of 10 to 30 min is not within the scan, 20 to 40 min"),
    ],
)
def test_frames_that_overlap_run_backwards_or_are_missing_are_refused(times, message):
    with pytest.raises(SourceError, match=f"a.tsv: .*{message}"):
        frame_weights(frames_of(*times), (10, 30), None, "a.tsv")


def test_a_gap_outside_the_window_and_a_point_without_duration_change_nothing():
    times = [(0, 0), (17, 300), (400, 600), (600, 1200), (1200, 1800)]
    weights = frame_weights(frames_of(*times), (10, 30), None, "a.tsv")
    np.testing.assert_allclose(weights, [0, 0, 0, 0.5, 0.5])


def test_a_rule_for_frames_partly_in_the_window_may_leave_none():
    with pytest.raises(
        SourceError, match=r"no frame lies wholly in the window of 12 to 18 min; a wider window, or frames"
    ):
        frame_weights(frames_of((0, 600), (600, 1200)), (12, 18), "inside", "a.tsv")


def test_rounded_minutes_are_no_frames_partly_in_the_window():
    weights = frame_weights(frames_of((0, 599.9), (600.1, 1200.2), (1200, 1800)), (10, 30), None, "a.tsv")
    np.testing.assert_allclose(weights, [0, 0.5, 0.5], atol=1e-3)


# --------------------------------------------------------------------------------------------------------------- scans


@pytest.fixture
def scan(write) -> Callable[..., Path]:
    """Writes the curves of one scan."""

    def write_scan(
        name: str,
        *,
        header: tuple[str, str] = ("frame_start", "frame_end"),
        factor: float = 1.0,
        **curves: tuple[float, ...],
    ) -> Path:
        curves = curves or {"VS": VS, "Cerebellum": REFERENCE}
        lines = ["\t".join((*header, *curves))]
        for at, (start, end) in enumerate(FRAMES):
            values = [factor * curve[at] for curve in curves.values()]
            lines.append("\t".join(map(str, (start, end, *values))))
        return write(name, "\n".join(lines) + "\n")

    return write_scan


@pytest.fixture
def read(tmp_path, cohort):
    def read_curves(reader: str = "petprep", in_cohort=cohort, **changes: Any):
        declared = {
            "modality": "pet",
            "reader": reader,
            "files": "petprep/**/*_tacs.tsv",
            "tracer": "[11C]PBR28",
            "reference": "Cerebellum",
            "window_min": (10.0, 40.0),
        }
        given = {key: value for key, value in (declared | changes).items() if value is not None}
        spec = READERS[reader].model_validate(given)
        return read_source("pet", spec, in_cohort, data=tmp_path, features_dir=tmp_path / "features")

    return read_curves


FOLDER = "petprep/sub-0001/ses-b0/pet/"


@pytest.mark.parametrize(
    "name",
    [
        "sub-0001_ses-b0_desc-preproc_seg-gtm_tacs.tsv",
        "sub-0001_ses-b0_seg-gtm_desc-preproc_tacs.tsv",
        "sub-0001_ses-b0_trc-pbr28_rec-acdyn_seg-gtm_pvc-agtm_desc-preproc_tacs.tsv",
    ],
)
def test_entities_of_petprep_are_read_in_any_order(scan, read, name):
    scan(FOLDER + name)
    table = read()
    assert table.rows.to_numpy().tolist() == [["sub-0001", "ses-b0"]]
    assert table.values.tolist() == [[1.5]]


def test_petprep_0010_synthetic_has_its_reference_under_a_label(scan, read):
    """Its curve has a name of its own, which the pattern of the scans finds too."""
    scan(FOLDER + "sub-0001_ses-b0_seg-gtm_desc-preproc_tacs.tsv", VS=VS)
    scan(FOLDER + "sub-0001_ses-b0_seg-gtm_label-cerebellum_desc-preproc_tacs.tsv", cerebellum=REFERENCE)
    table = read(reference=None, reference_files="petprep/**/*_label-cerebellum_*_tacs.tsv")
    assert table.values.tolist() == [[1.5]]
    assert table.features["reference_region"].tolist() == ["cerebellum"]


def test_a_scan_without_its_reference_curve_is_named(scan, read):
    scan(FOLDER + "sub-0001_ses-b0_tacs.tsv", VS=VS)
    with pytest.raises(SourceError, match=r"sub-0001_ses-b0_tacs.tsv: no file of reference_files is of this scan"):
        read(reference=None, reference_files="petprep/**/*_label-cerebellum_tacs.tsv")


def test_a_reference_curve_with_other_frames_is_refused(scan, read, write):
    scan(FOLDER + "sub-0001_ses-b0_tacs.tsv", VS=VS)
    write(FOLDER + "sub-0001_ses-b0_label-ref_tacs.tsv", "frame_start\tframe_end\tref\n0\t1200\t1\n1200\t2400\t2\n")
    with pytest.raises(
        SourceError, match=r"the frames of the reference curve .*label-ref_tacs.tsv are not those of the scan"
    ):
        read(reference=None, reference_files="petprep/**/*_label-ref_tacs.tsv")


def test_a_reference_curve_in_another_unit_is_refused_whether_or_not_its_sidecar_says_so(scan, read, write):
    scan(FOLDER + "sub-0001_ses-b0_tacs.tsv", VS=VS)
    scan(FOLDER + "sub-0001_ses-b0_label-ref_tacs.tsv", factor=0.001, ref=REFERENCE)
    options = {"reference": None, "reference_files": "petprep/**/*_label-ref_tacs.tsv"}
    with pytest.raises(
        SourceError, match=r"have 1.5e\+03 times the activity of the reference curve .* different units"
    ):
        read(**options)
    write(FOLDER + "sub-0001_ses-b0_tacs.json", '{"Units": "Bq/mL"}')
    write(FOLDER + "sub-0001_ses-b0_label-ref_tacs.json", '{"Units": "kBq/mL"}')
    with pytest.raises(SourceError, match=r"is in Bq/mL, and its reference curve .*label-ref_tacs.tsv in kBq/mL"):
        read(**options)


def test_units_that_differ_between_scans_cancel_and_are_reported(scan, read, write):
    for person, factor, unit in (("0001", 1.0, "kBq/mL"), ("0002", 1000.0, "Bq/mL")):
        stem = f"petprep/sub-{person}/sub-{person}_ses-b0_tacs"
        scan(f"{stem}.tsv", factor=factor)
        write(f"{stem}.json", f'{{"Units": "{unit}"}}')
    table = read()
    np.testing.assert_allclose(table.values, [[1.5], [1.5]])
    for unit in ("kBq/mL", "Bq/mL"):
        assert f"1 file: activity in {unit}, which cancels in the ratio" in table.notes


@pytest.mark.parametrize(
    ("sidecar", "message"),
    [
        ('{"FrameTimesStart": [0, 10, 20, 30]}', r"lets frame 2 start at 10 s, and the table at 600; .* another unit"),
        ('{"FrameTimesStart": [0, 600, 1200]}', r"lists 3 frames, and the table has 4"),
        ('{"ImageDecayCorrected": false}', r"says that activity is not decay-corrected"),
        ('{"InjectionStart": -1800}', r"injection be at -1800 s, and delay_min is 0; write delay_min = 30"),
        ('{"Units": ', r"sub-0001_ses-b0_tacs.json: is no JSON \(line 1"),
        ("[1, 2]", r"sub-0001_ses-b0_tacs.json: is no table of keys"),
    ],
)
def test_a_sidecar_that_contradicts_the_curves_is_refused(scan, read, write, sidecar, message):
    scan(FOLDER + "sub-0001_ses-b0_tacs.tsv")
    write(FOLDER + "sub-0001_ses-b0_tacs.json", sidecar)
    with pytest.raises(SourceError, match=message):
        read()


def test_a_late_scan_whose_frames_count_from_its_start_is_placed_by_its_delay(scan, read):
    scan(FOLDER + "sub-0001_ses-b0_tacs.tsv")
    with pytest.raises(
        SourceError, match=r"the window of 60 to 90 min is not within the scan, 0 to 40 min; .*delay_min"
    ):
        read(window_min=(60.0, 90.0))
    table = read(window_min=(60.0, 90.0), delay_min=50.0)
    assert table.values.tolist() == [[1.5]]
    assert table.features["minutes"].tolist() == ["60-90"]


def test_several_scans_in_one_session_need_a_rule(scan, read):
    for run, factor in (("1", (1.0, 1.0, 1.0, 1.0)), ("2", VS), ("10", REFERENCE)):
        scan(FOLDER + f"sub-0001_ses-b0_run-{run}_tacs.tsv", VS=factor, Cerebellum=REFERENCE)
    with pytest.raises(SourceError, match=r"1 session has several scans, such as .*run-10.*; runs = "):
        read()
    assert read(runs="first").values.tolist() == [[3 / 8]]
    assert read(runs="last").values.tolist() == [[1.0]]
    assert read(runs="mean").values.tolist() == [[pytest.approx((3 / 8 + 1.5 + 1) / 3)]]
    assert read(run="2").values.tolist() == [[1.5]]


def test_repeat_visits_are_sessions_apart(scan, read):
    for session, curve in (("b0", VS), ("d2", REFERENCE)):
        scan(f"petprep/sub-0001/ses-{session}/pet/sub-0001_ses-{session}_tacs.tsv", VS=curve, Cerebellum=REFERENCE)
    table = read()
    assert table.rows["session"].tolist() == ["ses-b0", "ses-d2"]
    assert table.values.tolist() == [[1.5], [1.0]]


@pytest.mark.parametrize(("entity", "other"), [("rec", "acstat"), ("pvc", "agtm"), ("trc", "fdg"), ("seg", "raphe")])
def test_files_that_differ_in_tracer_segmentation_or_correction_are_refused_until_one_is_declared(
    scan, read, entity, other
):
    scan(FOLDER + "sub-0001_ses-b0_tacs.tsv")
    scan(FOLDER + f"sub-0001_ses-b0_{entity}-{other}_tacs.tsv", VS=REFERENCE, Cerebellum=REFERENCE)
    with pytest.raises(SourceError, match=rf"finds files of several {entity}- values: no {entity}-, {entity}-{other}"):
        read()
    assert read(**{entity: ""}).values.tolist() == [[1.5]]
    assert read(**{entity: other}).values.tolist() == [[1.0]]
    with pytest.raises(SourceError, match=rf"none of 2 files is of {entity} 'none'; they have no {entity}-"):
        read(**{entity: "none"})


def test_a_placeholder_of_0_bytes_is_named_with_the_way_to_fetch_it(scan, read, write):
    write(FOLDER + "sub-0001_ses-b0_tacs.tsv", b"")
    with pytest.raises(
        SourceError, match=r"sub-0001_ses-b0_tacs.tsv: is empty \(0 bytes\); fetch it with `datalad get"
    ):
        read()


def test_a_reference_without_activity_or_with_a_missing_frame_is_refused(scan, read, write):
    scan(FOLDER + "sub-0001_ses-b0_tacs.tsv", VS=VS, Cerebellum=(0.0, 0.0, 0.0, 0.0))
    with pytest.raises(SourceError, match=r"Cerebellum: the mean activity of the reference over the window is 0"):
        read()
    path = scan(FOLDER + "sub-0001_ses-b0_tacs.tsv")
    path.write_text(path.read_text().replace("5.0\t2.0", "5.0\tn/a"))
    with pytest.raises(SourceError, match=r"the reference has no value in the frame of 1200 to 1800 s \(line 4\)"):
        read()


def test_a_frame_without_a_time_is_refused(scan, read):
    path = scan(FOLDER + "sub-0001_ses-b0_tacs.tsv")
    path.write_text(path.read_text().replace("1200\t1800", "n/a\t1800"))
    with pytest.raises(SourceError, match=r"no time in line 4; every frame has a start and an end"):
        read()


def test_a_table_without_frame_times_says_what_was_expected(scan, read):
    scan(FOLDER + "sub-0001_ses-b0_tacs.tsv", header=("FrameTimeStart", "FrameTimeEnd"))
    with pytest.raises(SourceError, match=r"no columns frame_start and frame_end.*did you mean 'FrameTimesStart'"):
        read()


def test_a_glob_that_only_some_scans_match_is_no_problem_and_one_that_none_matches_is(scan, read):
    scan("petprep/sub-0001/sub-0001_ses-b0_tacs.tsv", VS=VS, vessel=VS, Cerebellum=REFERENCE)
    scan("petprep/sub-0002/sub-0002_ses-b0_tacs.tsv")
    table = read(drop=("ves*",))
    assert table.features["feature"].tolist() == ["VS"]
    with pytest.raises(SourceError, match=r"drop: no column is like 'vesel'; did you mean 'vessel'"):
        read(drop=("vesel",))


# ------------------------------------------------------------------------------------------------------------- kinfitr


@pytest.fixture
def read_table(read, write):
    def read_text(text: str, **changes: Any):
        write("tacs.csv", text)
        declared = {
            "file": "tacs.csv",
            "files": None,
            "scan": "PET",
            "scan_pattern": "{participant}_{session}",
            "start": "Start",
            "duration": "Duration",
            "time_unit": "min",
        }
        return read("kinfitr", **declared | changes)

    return read_text


def curves_of(*scans: str, header: str = "PET,Start,Duration,VS,Cerebellum") -> str:
    rows = (f"{scan},{10 * at},10,{VS[at]},{REFERENCE[at]}" for scan in scans for at in range(len(FRAMES)))
    return "\n".join((header, *rows)) + "\n"


def test_scans_of_one_table_are_divided_into_participant_and_session(read_table):
    table = read_table(curves_of("0001_ses-b0", "0001_ses-d2", "0002_ses-b0"))
    assert table.rows.to_numpy().tolist() == [["sub-0001", "ses-b0"], ["sub-0001", "ses-d2"], ["sub-0002", "ses-b0"]]
    assert table.values.tolist() == [[1.5]] * 3


def test_a_name_of_a_scan_that_can_be_divided_in_two_ways_is_refused(read_table):
    with pytest.raises(SourceError, match=r"tacs.csv: PET: '0001_a_ses-b0' cannot be divided in one way"):
        read_table(curves_of("0001_a_ses-b0", "0002_ses-b0"))


def test_a_scan_that_is_there_twice_is_refused_with_both_places(read_table):
    with pytest.raises(SourceError, match=r"sub-0001 ses-b0 is there 2 times \(line 2, line 10\)"):
        read_table(curves_of("0001_ses-b0", "0002_ses-b0", "0001_ses-b0"))


def test_rows_sorted_by_time_across_scans_are_read_as_those_sorted_by_scan(read_table):
    header, *rows = curves_of("0001_ses-b0", "0002_ses-b0").splitlines()
    by_time = sorted(rows, key=lambda row: int(row.split(",")[1]))
    assert read_table("\n".join((header, *by_time))).values.tolist() == [[1.5], [1.5]]


def test_every_scan_that_the_window_does_not_fit_is_named(read_table):
    cut = "".join(curves_of("0001_ses-b0", "0002_ses-b0").splitlines(keepends=True)[:-1])
    with pytest.raises(SourceError, match=r"tacs.csv: 0002_ses-b0: the window of 10 to 40 min is not within the scan"):
        read_table(cut)


def test_a_region_with_two_values_for_one_frame_is_refused(read_table):
    text = "PET,Start,Duration,Region,TAC\n" + "".join(
        f"0001_ses-b0,{10 * at},10,{region},{curve[at]}\n"
        for region, curve in (("VS", VS), ("Cerebellum", REFERENCE))
        for at in range(4)
    )
    assert read_table(text, region="Region", activity="TAC").values.tolist() == [[1.5]]
    again = text + text.splitlines()[1] + "\n"
    with pytest.raises(SourceError, match=r"region 'VS' has two values for one frame \(line 2, line 10\)"):
        read_table(again, region="Region", activity="TAC")


def test_a_column_of_words_may_be_dropped_and_is_refused_otherwise(read_table):
    header, *rows = curves_of("0001_ses-b0").splitlines()
    text = "\n".join((f"{header},Genotype", *(f"{row},HAB" for row in rows)))
    with pytest.raises(SourceError, match=r"column 'Genotype' holds no numbers but 'HAB'; leave it out: drop = "):
        read_table(text)
    assert read_table(text, drop=("Genotype",)).values.tolist() == [[1.5]]


def test_declared_columns_that_are_not_there_are_named_together(read_table):
    with pytest.raises(SourceError) as error:
        read_table(curves_of("0001_ses-b0"), start="StartTime", duration="duration")
    assert "tacs.csv: start: has no column 'StartTime'; did you mean 'Start'?" in str(error.value)
    assert "tacs.csv: duration: has no column 'duration'; did you mean 'Duration'?" in str(error.value)
