"""Small clean studies in memory, one for each kind of input: every file by its path, ready to be made bad.

Not a benchmark itself: `bad_inputs.py` and `tests/test_bad_inputs.py` import it as a sibling.
"""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

N_PARTICIPANTS = 12
REGIONS = ("VS", "ACC", "PCC", "Caudate")
IDS = tuple(f"{number:02}" for number in range(1, N_PARTICIPANTS + 1))
SEED = 16

COHORT = """\
design = "single-arm"
data = "sources"
participants = "participants.tsv"
site = "site"
synthetic = true
ids = { strip = ["sub-"], pad = 2 }
missing = ["n/a"]

[arms]
active = "ketamine"

[sessions.ses-b0]
phase = "before"

[sessions.ses-d2]
phase = "after"
hours = 48.0
arm = "ketamine"

[scores.MADRS]
file = "phenotype/madrs.tsv"
session = "session_id"
column = "MADRS"
"""

EXPERIMENT = """\
question = "Do features before treatment predict the fall in MADRS two days later?"
sessions = ["ses-b0"]
clinical_model = ["MADRS@ses-b0", "age"]

[outcome]
score = "MADRS"
kind = "change"
from = "ses-b0"
at = "ses-d2"

[feature_sets]
all = ["SOURCE"]

[validation]
repeats = 2
outer = 3
inner = 2
permutations = 9
seed = 0

[[models]]
kind = "ridge"
"""


@dataclass(frozen=True, eq=False)
class CleanStudy:
    """A study in which nothing is wrong.

    Parameters
    ----------
    name : str
        Of its source, ``features/NAME.toml``.
    files : mapping of str to bytes
        By path relative to the study.
    targets : tuple of str
        Those that are made bad.
    """

    name: str
    files: Mapping[str, bytes]
    targets: tuple[str, ...]

    @property
    def spec(self) -> str:
        """The file of its source."""
        return f"features/{self.name}.toml"


def table_text(header: Sequence[str], rows: Sequence[Sequence[object]], mark: str = "\t") -> bytes:
    """A table as a program writes it."""
    return ("\n".join(mark.join(map(str, row)) for row in [header, *rows]) + "\n").encode()


def _drawn() -> np.random.Generator:
    return np.random.default_rng(SEED)


def participants() -> list[list[object]]:
    """Rows of ``participants.tsv``."""
    rng = _drawn()
    ages = rng.integers(20, 60, N_PARTICIPANTS) + 0.5
    return [
        [f"sub-{each}", age, "FM"[at % 2], "AB"[at % 2]] for at, (each, age) in enumerate(zip(IDS, ages, strict=True))
    ]


PEOPLE = ("participant_id", "age", "sex", "site")
RATED = ("participant_id", "session_id", "MADRS")


def ratings() -> list[list[object]]:
    """Rows of ``phenotype/madrs.tsv``: everyone before and after."""
    rng = _drawn()
    rows: list[list[object]] = []
    for each in IDS:
        before = int(rng.integers(25, 40))
        rows += [[f"sub-{each}", "ses-b0", before], [f"sub-{each}", "ses-d2", before - int(rng.integers(2, 20))]]
    return rows


def feature_rows() -> list[list[object]]:
    """Rows of a wide table: a number for each region."""
    values = _drawn().normal(1.0, 0.2, (N_PARTICIPANTS, len(REGIONS))).round(6)
    return [[f"sub-{each}", *map(float, row)] for each, row in zip(IDS, values, strict=True)]


def matrices(signed: bool = True) -> dict[str, np.ndarray]:
    """A symmetric matrix of correlations for each participant."""
    rng = _drawn()
    made = {}
    for each in IDS:
        values = rng.uniform(-0.8 if signed else 0.1, 0.8, (len(REGIONS), len(REGIONS))).round(5)
        made[each] = np.triu(values, 1) + np.triu(values, 1).T + np.eye(len(REGIONS))
    return made


def _study(
    name: str, spec: str, files: Mapping[str, bytes], targets: Sequence[str], cohort: str = COHORT
) -> CleanStudy:
    common = {
        "features/cohort.toml": cohort.encode(),
        f"features/{name}.toml": spec.encode(),
        "experiments/fall.toml": EXPERIMENT.replace("SOURCE", name).encode(),
        "sources/participants.tsv": table_text(PEOPLE, participants()),
        "sources/phenotype/madrs.tsv": table_text(RATED, ratings()),
    }
    return CleanStudy(name, {**common, **files}, tuple(targets))


TABLE = """\
modality = "pet"
tracer = "[11C]X"
measure = "SUVR"
reader = "table"
file = "pet.tsv"
timing = "before"
"""


def table_study() -> CleanStudy:
    """Three tables of text: participants, ratings in rows, features in columns."""
    files = {"sources/pet.tsv": table_text(("participant_id", *REGIONS), feature_rows())}
    return _study("pet", TABLE, files, ["sources/participants.tsv", "sources/phenotype/madrs.tsv", "sources/pet.tsv"])


def long_study() -> CleanStudy:
    """A table with a row for each participant and region."""
    rows = [[row[0], region, value] for row in feature_rows() for region, value in zip(REGIONS, row[1:], strict=True)]
    spec = TABLE + 'pivot = { feature = "region", value = "suvr" }\n'
    return _study(
        "pet", spec, {"sources/pet.tsv": table_text(("participant_id", "region", "suvr"), rows)}, ["sources/pet.tsv"]
    )


def packed_study() -> CleanStudy:
    """A packed table."""
    content = gzip.compress(table_text(("participant_id", *REGIONS), feature_rows()), mtime=0)
    return _study(
        "pet", TABLE.replace("pet.tsv", "pet.tsv.gz"), {"sources/pet.tsv.gz": content}, ["sources/pet.tsv.gz"]
    )


MATRIX = """\
modality = "connectivity"
reader = "matrix"
files = "conn/sub-{participant}_ses-{session}.tsv"
"""


def matrix_study() -> CleanStudy:
    """A matrix of text for each participant, with names."""
    files = {
        f"sources/conn/sub-{each}_ses-b0.tsv": table_text(
            ("Node", *REGIONS), [[region, *map(float, row)] for region, row in zip(REGIONS, values, strict=True)]
        )
        for each, values in matrices().items()
    }
    return _study("conn", MATRIX, files, list(files)[:2])


def array_study() -> CleanStudy:
    """A NumPy array for each participant, and the names of its regions."""
    files = {"sources/regions.txt": ("\n".join(REGIONS) + "\n").encode()}
    for each, values in matrices().items():
        content = io.BytesIO()
        np.save(content, values)
        files[f"sources/conn/sub-{each}_ses-b0.npy"] = content.getvalue()
    spec = MATRIX.replace(".tsv", ".npy") + 'regions = "regions.txt"\n'
    return _study("conn", spec, files, list(files)[1:3])


DCM = """\
modality = "connectivity"
reader = "dcm"
files = "dcm/{participant}_ses-{session}.mat"
regions = "regions.txt"
"""


def matlab_bytes(variables: Mapping[str, object], *, compressed: bool = False) -> bytes:
    """A MATLAB file of version 5."""
    from scipy.io import savemat

    content = io.BytesIO()
    savemat(content, dict(variables), do_compression=compressed)
    return content.getvalue()


def hdf5_bytes(variables: Mapping[str, np.ndarray]) -> bytes:
    """A MATLAB file of version 7.3: numbers backwards in HDF5, after 512 bytes of text."""
    import h5py

    content = io.BytesIO()
    with h5py.File(content, "w", userblock_size=512) as file:
        for name, value in variables.items():
            file.create_dataset(name, data=value.T).attrs["MATLAB_class"] = np.bytes_(b"double")
    return b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(512, b" ") + content.getvalue()[512:]


def matlab_study() -> CleanStudy:
    """Dynamic causal models: version 5 plain, packed, and version 7.3 in turn."""
    files = {"sources/regions.txt": ("\n".join(REGIONS) + "\n").encode()}
    for at, (each, values) in enumerate(matrices().items()):
        A = values - np.eye(len(REGIONS)) + np.diag([-0.5] * len(REGIONS))
        model = {"DCM": {"Ep": {"A": A}}} if at % 3 < 2 else {"A": A}
        content = hdf5_bytes({"A": A}) if at % 3 == 2 else matlab_bytes(model, compressed=at % 3 == 1)
        files[f"sources/dcm/{each}_ses-b0.mat"] = content
    return _study("dcm", DCM, files, list(files)[1:4])


CONN = """\
modality = "connectivity"
reader = "conn"
folder = "conn"
subjects = "subjects.txt"
analysis = "correlation"
condition = "rest"
timing = "before"
"""


def conn_study() -> CleanStudy:
    """A project of CONN: all participants in one MATLAB file."""
    Z = np.stack([np.where(np.eye(len(REGIONS)) > 0, np.nan, values) for values in matrices().values()], axis=2)
    names = np.empty((1, len(REGIONS)), dtype=object)
    names[0] = list(REGIONS)
    files = {
        "sources/subjects.txt": ("\n".join(f"sub-{each}" for each in IDS) + "\n").encode(),
        "sources/conn/resultsROI_Condition001.mat": matlab_bytes({"Z": Z, "names": names, "names2": names}),
        "sources/conn/_list_conditions.txt": b"rest\n",
    }
    return _study("conn", CONN, files, list(files))


def workbook_bytes(sheets: Mapping[str, Sequence[Sequence[object]]]) -> bytes:
    """An Excel workbook."""
    import openpyxl

    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(list(row))
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def workbook_study() -> CleanStudy:
    """Ratings and features in workbooks."""
    files = {
        "sources/phenotype/madrs.xlsx": workbook_bytes({"ratings": [RATED, *ratings()]}),
        "sources/pet.xlsx": workbook_bytes({"suvr": [("participant_id", *REGIONS), *feature_rows()]}),
    }
    cohort = COHORT.replace("madrs.tsv", "madrs.xlsx")
    return _study("pet", TABLE.replace("pet.tsv", "pet.xlsx"), files, list(files), cohort)


MAPS = """\
modality = "task"
reader = "maps"
files = "maps/sub-{participant}_ses-{session}.SUFFIX"
atlas_image = "atlas.nii.gz"
atlas_labels = "atlas.tsv"
background = 0
"""
SHAPE = (6, 5, 4)
AFFINE = np.diag([3.0, 3.0, 3.0, 1.0])


def image_bytes(values: np.ndarray, *, packed: bool) -> bytes:
    """A NIfTI image."""
    import nibabel

    image = nibabel.Nifti1Image(values, AFFINE)
    image.header.set_sform(AFFINE, code=4)
    content: bytes = image.to_bytes()
    return gzip.compress(content, mtime=0) if packed else content


def image_study(suffix: str) -> CleanStudy:
    """A map for each participant (``nii`` or ``nii.gz``), an atlas of four parcels and its names."""
    atlas = np.repeat(np.arange(1, 5, dtype=np.int16), 30).reshape((4, 5, 6)).T.reshape(SHAPE)
    names = [[at, region] for at, region in enumerate(REGIONS, 1)]
    files = {
        "sources/atlas.nii.gz": image_bytes(atlas, packed=True),
        "sources/atlas.tsv": table_text(("index", "name"), names),
    }
    rng = _drawn()
    for each in IDS:
        values = rng.normal(1.0, 0.3, SHAPE).astype(np.float32)
        files[f"sources/maps/sub-{each}_ses-b0.{suffix}"] = image_bytes(values, packed=suffix.endswith("gz"))
    return _study(
        "task", MAPS.replace("SUFFIX", suffix), files, [*list(files)[2:4], "sources/atlas.nii.gz", "sources/atlas.tsv"]
    )


CURVES = """\
modality = "pet"
reader = "petprep"
files = "curves/*_tacs.tsv"
tracer = "[11C]X"
window_min = [20.0, 40.0]
reference = "Caudate"
"""
QUALITY = '\n[quality.rest]\nreader = "mriqc"\nfiles = "mriqc/sub-{participant}_bold.json"\n'


def sidecar_study() -> CleanStudy:
    """JSON files everywhere: of PET scans, of datasets, of tables, of quality control."""
    rng = _drawn()
    frames = [[start, start + 600] for start in range(0, 2400, 600)]
    files: dict[str, bytes] = {
        "sources/curves/dataset_description.json": json.dumps(
            {"Name": "x", "GeneratedBy": [{"Name": "PETPrep", "Version": "0.0.3"}]}
        ).encode(),
        "sources/participants.json": json.dumps({"sex": {"Levels": {"F": "female", "M": "male"}}}).encode(),
    }
    for each in IDS:
        rows = [[*frame, *rng.uniform(1, 2, len(REGIONS)).round(4)] for frame in frames]
        stem = f"sources/curves/sub-{each}_ses-b0_tacs"
        files[f"{stem}.tsv"] = table_text(("frame_start", "frame_end", *REGIONS), rows)
        sidecar = {
            "Units": "Bq/mL",
            "TracerName": "X",
            "FrameTimesStart": [0, 600, 1200, 1800],
            "FrameDuration": [600] * 4,
        }
        files[f"{stem}.json"] = json.dumps(sidecar).encode()
        quality = {"fd_mean": round(float(rng.uniform(0.05, 0.3)), 4), "size_t": 200, "tsnr": 50.0}
        files[f"sources/mriqc/sub-{each}_bold.json"] = json.dumps(quality).encode()
    targets = [
        "sources/curves/sub-01_ses-b0_tacs.json",
        "sources/mriqc/sub-01_bold.json",
        "sources/curves/dataset_description.json",
        "sources/participants.json",
    ]
    return _study("pet", CURVES, files, targets, COHORT + QUALITY)
