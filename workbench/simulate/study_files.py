"""The study that reads a simulated trial, as text: ``features/`` and ``experiments/`` for its design.

The repository's own study is what this gives for `TrialConfig.demo`; a test holds the two together byte for byte.
"""

from __future__ import annotations

from workbench.simulate.anatomy import MODALITIES, PET_REFERENCE, TRACER, features
from workbench.simulate.config import TrialConfig
from workbench.simulate.outcomes import HOURS, infusions, visits

XCPD_FOLDER = "derivatives/xcp_d"
PET_FOLDER = "derivatives/petsurfer-km"
SPACE = "MNI152NLin2009cAsym"
QC_FILES = f"{XCPD_FOLDER}/sub-{{participant}}/ses-{{session}}/func/*_task-rest_*_desc-linc_qc.tsv"
TASK_FILE = "task/reward_emotion_betas.tsv"
MADRS_FILE = "phenotype/madrs.tsv"
SHAPS_FILE = "phenotype/shaps.tsv"
SHAPS_ITEMS_FILE = "phenotype/shaps_items.tsv"
TEPS_FILE = "phenotype/teps.tsv"
CADSS_FILE = "phenotype/cadss.tsv"

DESIGN_WORDS = {
    "crossover": "everyone had both treatments, in random order",
    "parallel": "half had ketamine, half placebo, at random",
    "single-arm": "everyone had ketamine, nobody placebo",
}


XCPD_ENDINGS = {
    "relmat": "_seg-{atlas}_stat-pearsoncorrelation_relmat.tsv",
    "coverage": "_seg-{atlas}_stat-coverage_bold.tsv",
    "qc": "_desc-linc_qc.tsv",
}


def atlas_label(n_regions: int) -> str:
    """What the files of XCP-D call the parcels of the simulated brain (``seg-``).

    Parameters
    ----------
    n_regions : int

    Returns
    -------
    str
    """
    return f"Simulated{n_regions}"


def xcpd_file(kind: str, participant_id: str, session: str, n_regions: int) -> str:
    """Path of a file of XCP-D, under the names of versions 0.7 to 0.14.

    Parameters
    ----------
    kind : str
        One of `XCPD_ENDINGS`.
    participant_id, session : str
        With ``sub-`` and ``ses-``.
    n_regions : int

    Returns
    -------
    str
        Relative to the data.
    """
    ending = XCPD_ENDINGS[kind].format(atlas=atlas_label(n_regions))
    scan = f"{participant_id}/{session}/func/{participant_id}_{session}_task-rest"
    return f"{XCPD_FOLDER}/{scan}_space-{SPACE}{ending}"


def kinpar_file(participant_id: str, session: str) -> str:
    """Path of a table of kinetic parameters of petsurfer-km.

    Parameters
    ----------
    participant_id, session : str
        With ``sub-`` and ``ses-``.

    Returns
    -------
    str
        Relative to the data.
    """
    scan = f"{participant_id}/{session}/pet/{participant_id}_{session}"
    return f"{PET_FOLDER}/{scan}_trc-AZ10419369_model-MRTM2_kinpar.tsv"


def study_files(config: TrialConfig) -> dict[str, str]:
    """Text of every file of the study, by path relative to its folder.

    Parameters
    ----------
    config : TrialConfig

    Returns
    -------
    dict of str to str
    """
    files = {"features/cohort.toml": _cohort(config)}
    files |= {f"features/{name}.toml": text for name, text in _sources(config).items()}
    files |= {f"features/{name}_columns.tsv": _columns(name, config) for name in MODALITIES}
    files |= {f"experiments/{name}.toml": text for name, text in _experiments(config).items()}
    return files


# ------------------------------------------------------------------------------------------------------------ features


def _cohort(config: TrialConfig) -> str:
    return "\n".join(
        [
            "# Who is in the study, when they were seen and what was rated.",
            f"# A simulated trial of known truth: {DESIGN_WORDS[config.design]}. Nobody in it is real.",
            "",
            'data = "sources"                      # written by the simulator; real data: --data DIR',
            'participants = "participants.tsv"',
            'id = "participant_id"',
            'site = "site"',
            f'design = "{config.design}"',
            'missing = ["n/a", ""]',
            "synthetic = true                      # every result says so",
            "",
            "[ids]                                 # 7, 007 and sub-007 are one participant, whatever the file",
            'strip = ["sub-"]',
            "pad = 3",
            "",
            *_arms(config),
            "",
            "[sessions.ses-b0]                     # before any infusion",
            'phase = "before"',
            "",
            *_after(config),
            "[quality.rest]                        # makes mean_fd, the mean framewise displacement in mm",
            'reader = "xcpd-qc"',
            f'files = "{QC_FILES}"',
            'at = "ses-b0"',
            "",
            "[scores.MADRS]                        # long: one row per participant and session",
            f'file = "{MADRS_FILE}"',
            'session = "session_id"',
            'column = "MADRS_Total"',
            "",
            "[scores.SHAPS]                        # wide: one column per session; higher is more anhedonia",
            f'file = "{SHAPS_FILE}"',
            'scoring = "14-56"',
            "[scores.SHAPS.at]",
            *[f'{session} = "{shaps_column(session)}"' for session in ("ses-b0", *visits(config))],
            "",
            "[scores.TEPS-ANT]                     # anticipated pleasure: higher is better, the scale says so",
            f'file = "{TEPS_FILE}"',
            'session = "session_id"',
            'column = "TEPS_ANT"',
            'scoring = "10-60"',
            "",
            "[scores.CADSS]                        # dissociation during the infusion: never a baseline predictor",
            f'file = "{CADSS_FILE}"',
            'session = "session_id"',
            'column = "CADSS_Total"',
            "",
        ]
    )


def shaps_column(session: str) -> str:
    """Column of the SHAPS total of a session.

    Parameters
    ----------
    session : str
        With or without ``ses-``.

    Returns
    -------
    str
    """
    return f"SHAPS_{session.removeprefix('ses-')}"


def _arms(config: TrialConfig) -> list[str]:
    lines = ["[arms]", 'active = "ketamine"']
    if config.design == "single-arm":
        return lines
    lines.append('control = "placebo"')
    if config.design == "crossover":
        return [*lines, 'order = ["infusion_1", "infusion_2"]', 'codes = { k = "ketamine", p = "placebo" }']
    return [*lines, 'column = "arm"', "allocation = { ketamine = 0.5, placebo = 0.5 }"]


def _after(config: TrialConfig) -> list[str]:
    lines = []
    for session in (*infusions(config), *visits(config)):
        visit = session.removeprefix("ses-")
        during = session in infusions(config)
        note = f"[sessions.{session}]".ljust(38) + "# 40 minutes into the infusion"
        lines += [note if during else f"[sessions.{session}]"]
        lines += [f'phase = "{"during" if during else "after"}"', f"hours = {HOURS[visit]}"]
        if config.design == "crossover":
            lines.append(f'arm = "{"ketamine" if visit.startswith("d") else "placebo"}"')
        lines.append("")
    return lines


UPSTREAM = """\
[upstream]                            # what was done before these files: their values do not tell
fitted_on = "each participant"        # no step learnt from several participants at once
used_outcome = false
selected_by = "nothing"               # every column there is
harmonised = "none"                   # sites as they are
"""


def _sources(config: TrialConfig) -> dict[str, str]:
    site = config.site_outcome > 0
    confounds = '["mean_fd", "site"]   # motion, and site: sites respond differently' if site else '["mean_fd"]'
    note = "" if site else "               # motion changes connectivity, and those who move improve less"
    connectivity = f"""\
# Resting-state connectivity before treatment: matrices of Pearson correlations, as XCP-D writes them.

modality = "connectivity"
reader = "xcpd"
files = "{XCPD_FOLDER}/**/*_relmat.tsv"
columns = "connectivity_columns.tsv"  # which circuit each edge belongs to
atlas = "{atlas_label(config.n_regions)}"                 # seg- in the names of the files
task = "rest"
min_coverage = 0.5                    # a region of which less was measured is missing
gsr = false
transform = "fisher-z"
confounds = {confounds}{note}
"""
    task = f"""\
# Reward and emotion task: mean beta of 24 regions in 3 contrasts, before treatment and two days after.
# The task was added when the trial had begun, so those enrolled early do not have it.

modality = "task"
reader = "table"
file = "{TASK_FILE}"
id = "subject"                        # written 7, not sub-007: see [ids] in cohort.toml
session = "session_id"
columns = "task_columns.tsv"          # region, contrast and circuit of each column
measure = "beta"
unit = "percent signal change"
"""
    pet = f"""\
# 5-HT1B binding before treatment, a table of petsurfer-km for each scan.
# Only one site has a camera: about a third of the participants have this.

modality = "pet"
reader = "kinpar"
files = "{PET_FOLDER}/**/*_kinpar.tsv"
columns = "pet_columns.tsv"           # circuit of each region
tracer = "{TRACER}"
model = "MRTM2"
measure = "BPND"                      # k2/k2a - 1
unit = "ratio"
reference = "{PET_REFERENCE}"
"""
    sources = {"connectivity": connectivity, "task": task, "pet": pet}
    return {name: f"{text}\n{UPSTREAM}" for name, text in sources.items()}


def _columns(modality: str, config: TrialConfig) -> str:
    """What each column of a source is; columns that say nothing in this modality are left out."""
    found = features(modality, config.n_regions)
    keys = ["circuit", "region_a"]
    keys += ["region_b"] if modality == "connectivity" else []
    keys += ["contrast"] if modality == "task" else []
    rows = ["\t".join(["column", *keys])]
    rows += ["\t".join([feature.name, *(getattr(feature, key) for key in keys)]) for feature in found]
    return "\n".join(rows) + "\n"


# --------------------------------------------------------------------------------------------------------- experiments

VALIDATION = """\
[validation]
repeats = 10                          # participants are divided into folds anew ten times
outer = 5
inner = 5
permutations = {permutations}
seed = 0
"""


def main_experiment(design: str) -> str:
    """Name of the experiment in which r2 is planted.

    Parameters
    ----------
    design : str
        Of the trial: ``crossover``, or any other.

    Returns
    -------
    str
    """
    return "shaps_ketamine_minus_placebo" if design == "crossover" else "shaps_change"


def _experiments(config: TrialConfig) -> dict[str, str]:
    main = main_experiment(config.design)
    if config.design == "crossover":
        return {
            main: _main_question(config, shuffle=False),
            "shuffled_outcome": _main_question(config, shuffle=True),
            "madrs_change": _change_question(config, "MADRS", shuffle=False),
        }
    return {
        main: _change_question(config, "SHAPS", shuffle=False),
        "shuffled_outcome": _change_question(config, "SHAPS", shuffle=True),
        "madrs_change": _change_question(config, "MADRS", shuffle=False),
    }


def _who(config: TrialConfig) -> str:
    """Keys of the whole file that all experiments share."""
    include = (
        'include = { group = ["MDD"] }         # controls have no depression to lose\n' if config.n_controls else ""
    )
    return (
        f"{include}"
        'sessions = ["ses-b0"]                 # features from before any infusion\n'
        'clinical_model = ["MADRS@ses-b0", "age", "sex"]  # what is known without a scanner; features must add to it\n'
    )


PRIMARY = 'primary = "ridge . connectivity_task"  # the run that may carry a claim: workbench freeze, then run\n'
SHUFFLED = "shuffle = true                        # whoever improved, it is no longer their own improvement\n"

ALL_SETS = """\
[feature_sets]
connectivity_task = ["connectivity", "task"]
connectivity = ["connectivity"]
task = ["task"]
"""
PET_SET = 'pet = ["pet"]                         # a third of the participants\n'
FEWEST_WITH_PET = 15
"""Participants expected to have PET and an outcome, below which PET alone is no feature set: too few to validate."""


def _all_sets(config: TrialConfig) -> str:
    """Every feature set of a trial of this size; PET, which few have, only where enough of them are analysed."""
    analysed = config.n_patients * (1 - config.dropout) * (0.5 if config.design == "parallel" else 1.0)
    return ALL_SETS + (PET_SET if analysed * (1 - config.missing_pet) >= FEWEST_WITH_PET else "")


JOINT_SET = """\
[feature_sets]
connectivity_task = ["connectivity", "task"]
"""
RIDGE = """\
[[models]]
kind = "ridge"
"""
TREES = """\
[[models]]                            # trees, beside the linear model
kind = "xgboost"
feature_sets = ["connectivity"]
trials = 8                            # few, so that the demo is quick: 50 and more for a study
rounds = 50
repeats = 2
permutations = 0                      # without a permutation p a result is not tested
"""


def _main_question(config: TrialConfig, *, shuffle: bool) -> str:
    question = (
        "Control: with everybody's outcome shuffled, is it true that nothing predicts it?"
        if shuffle
        else "Do circuits before treatment predict how much less anhedonia there is after ketamine than after placebo?"
    )
    outcome = (
        "[outcome]\n"
        'score = "SHAPS"\n'
        'kind = "ketamine-minus-placebo"       # each participant\'s own difference; positive is better\n'
        'at = "ses-d2"\n'
        'placebo_at = "ses-p2"\n'
        'adjust = ["sequence"]                 # who had ketamine first\n'
    )
    return _file(question, config, outcome, shuffle=shuffle)


def _change_question(config: TrialConfig, score: str, *, shuffle: bool) -> str:
    question = (
        "Control: with everybody's outcome shuffled, is it true that nothing predicts it?"
        if shuffle
        else f"Do circuits before treatment predict the fall in {score} two days after ketamine?"
    )
    kind = (
        'kind = "change"                       # without placebo in it: a marker of the course, not of the treatment\n'
    )
    arms = 'arms = ["ketamine"]\n' if config.design == "parallel" else ""
    outcome = f'[outcome]\nscore = "{score}"\n{kind}from = "ses-b0"\nat = "ses-d2"\n{arms}'
    main = config.design != "crossover" and score == "SHAPS"
    return _file(question, config, outcome, shuffle=shuffle, main=main)


def _file(question: str, config: TrialConfig, outcome: str, *, shuffle: bool, main: bool | None = None) -> str:
    """One experiment; the main question has every feature set, more permutations and two models."""
    main = (main is None or main) and not shuffle
    return "\n".join(
        [
            f'question = "{question}"\n{_who(config)}{PRIMARY if main else ""}',
            outcome + (SHUFFLED if shuffle else ""),
            _all_sets(config) if main else JOINT_SET,
            VALIDATION.format(permutations=1000 if main else 500),
            *([RIDGE, TREES] if main else [RIDGE]),
        ]
    )
