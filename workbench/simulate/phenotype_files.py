"""People and ratings of a simulated trial as BIDS has them: tables, with a dictionary (JSON) beside each."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np

from workbench.simulate.generator import Trial
from workbench.simulate.outcomes import N_ITEMS
from workbench.simulate.study_files import CADSS_FILE, MADRS_FILE, SHAPS_FILE, SHAPS_ITEMS_FILE, TEPS_FILE, shaps_column
from workbench.simulate.tables import number, table

FIRST_DAY, DAYS = date(2023, 1, 9), 900
"""The trial enrols over two and a half years."""

PARTICIPANTS = "participants.tsv"
Rows = Iterable[Sequence[str]]
Dictionary = Mapping[str, Mapping[str, Any]]

PERSON = {"Description": "Participant"}
SESSION = {"Description": "Session; sessions and the treatment before each are in features/cohort.toml"}
GROUPS = {"MDD": "Major depressive disorder", "HC": "Healthy control"}
SEXES = {"F": "Female", "M": "Male"}
CODES = {"k": "Ketamine", "p": "Placebo"}
ARMS = {"ketamine": "Ketamine", "placebo": "Placebo"}


def phenotype_files(trial: Trial) -> Iterator[tuple[str, str]]:
    """Every table of people and ratings, each followed by its dictionary.

    Parameters
    ----------
    trial : Trial

    Yields
    ------
    tuple of (str, str)
        Path relative to the data, text.
    """
    content = {"Name": "Simulated trial", "BIDSVersion": "1.9.0", "DatasetType": "raw", "Authors": []}
    yield "dataset_description.json", json.dumps(content, indent=2) + "\n"
    tables: dict[str, tuple[Rows, Dictionary]] = {
        PARTICIPANTS: (_participants(trial), _of_participants(trial)),
        MADRS_FILE: _long(trial, "MADRS_Total", trial.madrs, "Montgomery-Asberg Depression Rating Scale", (0, 60)),
        TEPS_FILE: _long(
            trial, "TEPS_ANT", trial.teps, "Temporal Experience of Pleasure Scale, anticipatory", (10, 60)
        ),
        CADSS_FILE: _long(trial, "CADSS_Total", trial.cadss, "Clinician-Administered Dissociative States Scale", None),
        SHAPS_FILE: (_shaps_totals(trial), _of_shaps_totals(trial)),
        SHAPS_ITEMS_FILE: (_shaps_items(trial), _of_shaps_items()),
    }
    for name, (rows, dictionary) in tables.items():
        yield name, table(rows)
        yield name.replace(".tsv", ".json"), json.dumps(dictionary, indent=2, ensure_ascii=False) + "\n"


# --------------------------------------------------------------------------------------------------------- participants


def _participants(trial: Trial) -> Rows:
    people, design = trial.people, trial.config.design
    yield ["participant_id", "group", "age", "sex", "site", "enrolled", *_arm_columns(trial)]
    for row, participant_id in enumerate(trial.participant_ids):
        first = bool(people.ketamine_first[row])
        given = {
            "crossover": ["k", "p"] if first else ["p", "k"],
            "parallel": ["ketamine" if first else "placebo"],
            "single-arm": [],
        }[design]
        yield [
            participant_id,
            "MDD" if people.patient[row] else "HC",
            str(int(people.age[row])),
            "F" if people.female[row] else "M",
            f"site-{people.site[row] + 1}",
            (FIRST_DAY + timedelta(days=int(people.enrolled[row] * DAYS))).isoformat(),
            *given,
        ]


def _arm_columns(trial: Trial) -> list[str]:
    return {"crossover": ["infusion_1", "infusion_2"], "parallel": ["arm"], "single-arm": []}[trial.config.design]


def _of_participants(trial: Trial) -> Dictionary:
    arms = CODES if trial.config.design == "crossover" else ARMS
    return {
        "participant_id": PERSON,
        "group": {"Description": "Diagnostic group", "Levels": GROUPS},
        "age": {"Description": "Age", "Units": "years"},
        "sex": {"Description": "Sex", "Levels": SEXES},
        "site": {"Description": "Site, each with a scanner of its own"},
        "enrolled": {"Description": "Date of enrolment (ISO 8601)"},
        **{column: {"Description": "Treatment", "Levels": arms} for column in _arm_columns(trial)},
    }


# -------------------------------------------------------------------------------------------------------------- ratings


def _long(
    trial: Trial, column: str, totals: Mapping[str, np.ndarray], scale: str, limits: tuple[int, int] | None
) -> tuple[Rows, Dictionary]:
    """One row per person and session, those of visits that were missed too."""

    def rows() -> Rows:
        yield ["participant_id", "session_id", column]
        for row, participant_id in enumerate(trial.participant_ids):
            for session in totals:
                yield [participant_id, session, number(totals[session][row])]

    return rows(), {
        "MeasurementToolMetadata": {"Description": scale},
        "participant_id": PERSON,
        "session_id": SESSION,
        column: _total(scale, limits),
    }


def _total(scale: str, limits: tuple[int, int] | None) -> Mapping[str, Any]:
    range_of_scale = {} if limits is None else {"Minimum": limits[0], "Maximum": limits[1]}
    return {"Description": f"{scale}: total", "Units": "points", **range_of_scale}


def _shaps_totals(trial: Trial) -> Rows:
    yield ["participant_id", *map(shaps_column, trial.sessions)]
    for row, participant_id in enumerate(trial.participant_ids):
        yield [participant_id, *(number(trial.shaps[session][row].sum()) for session in trial.sessions)]


SHAPS = "Snaith-Hamilton Pleasure Scale, items 1 to 4, higher is more anhedonia"


def _of_shaps_totals(trial: Trial) -> Dictionary:
    totals = {shaps_column(session): _total(f"{SHAPS}, {session}", (14, 56)) for session in trial.sessions}
    return {"MeasurementToolMetadata": {"Description": SHAPS}, "participant_id": PERSON, **totals}


def _items() -> list[str]:
    return [f"SHAPS_{item:02d}" for item in range(1, N_ITEMS + 1)]


def _shaps_items(trial: Trial) -> Rows:
    """Items 1 to 4: their sum is scored 14-56, the number of items of 3 or 4 is scored 0-14."""
    yield ["participant_id", "session_id", *_items()]
    for row, participant_id in enumerate(trial.participant_ids):
        for session in trial.sessions:
            yield [participant_id, session, *map(number, trial.shaps[session][row])]


def _of_shaps_items() -> Dictionary:
    items = {name: {"Description": f"SHAPS, item {name[-2:]}", "Minimum": 1, "Maximum": 4} for name in _items()}
    return {
        "MeasurementToolMetadata": {"Description": SHAPS},
        "participant_id": PERSON,
        "session_id": SESSION,
        **items,
    }
