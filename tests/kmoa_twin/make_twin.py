"""Writes the synthetic twin of the KMoA trial: the same files, columns and traps, made-up people.

    python tests/kmoa_twin/make_twin.py

Effective connectivity of the default mode carries a signal about the fall in MADRS; nothing here was measured.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
EXAMPLE = HERE.parents[1] / "examples" / "kmoa" / "features"
SESSIONS = ("ses-b0", "ses-d2", "ses-d10", "ses-p2", "ses-p10")


def columns_of(source: str) -> list[str]:
    """Names of the connections, from the example study's own table."""
    with (EXAMPLE / f"{source}_columns.tsv").open(newline="") as file:
        return [row["column"] for row in csv.DictReader(file, delimiter="\t")]


def write(name: str, header: list[str], rows: list[list[str]]) -> None:
    """One TSV with LF line ends."""
    with (HERE / name).open("w", newline="") as file:
        csv.writer(file, delimiter="\t", lineterminator="\n").writerows([header, *rows])


def main() -> None:
    """26 patients with everything, 4 who miss a rating or a scan, 6 controls."""
    rng = np.random.default_rng(2026)
    people = [f"sub-TWIN{number:03d}" for number in range(1, 37)]
    group = ["MDD"] * 30 + ["HC"] * 6
    first = [str(arm) for arm in rng.permutation(["d", "p"] * 18)]
    age = rng.integers(20, 62, 36)
    sex = rng.choice(["F", "M"], 36)
    dmn4 = 0.35 * rng.standard_normal((36, 16))
    attn = 0.35 * rng.standard_normal((36, 121))
    signal = dmn4[:, [1, 4, 6]].sum(axis=1) / 0.35
    baseline = np.clip(np.round(31 + 4 * rng.standard_normal(36)), 20, 50)
    fall = 9 + 5.0 * signal + 3.0 * rng.standard_normal(36)
    after = np.clip(np.round(baseline - fall), 0, 60)
    placebo = np.clip(np.round(baseline - 3 + 3.5 * rng.standard_normal(36)), 0, 60)
    ratings: list[list[str]] = []
    for i, person in enumerate(people):
        values = {session: float(baseline[i] if session == "ses-b0" else after[i]) for session in SESSIONS[:3]}
        values |= {session: float(placebo[i]) for session in SESSIONS[3:]}
        if group[i] == "HC":
            values = {session: float(rng.integers(0, 4)) for session in SESSIONS}
        if i in (26, 27):
            del values["ses-d2"]
        if i in (4, 11):
            del values["ses-p2"]
        for session in SESSIONS:
            total = f"{values[session]:.0f}" if session in values else "n/a"
            ratings.append([person, session, total, "n/a", "n/a"])
    ratings.append([people[3], "n/a", "n/a", "n/a", "n/a"])
    demographics = [
        [people[i], str(age[i]), str(sex[i]), group[i], first[i], {"d": "p", "p": "d"}[first[i]]] for i in range(36)
    ]
    write("participants.tsv", ["participant_id", "age", "sex", "group", "infusion_1", "infusion_2"], demographics)
    write("phenotype.tsv", ["participant_id", "session_id", "MADRS_Total", "HAMD_Bech", "HAM17_Total"], ratings)
    for source, values in {"ec_dmn4": dmn4, "ec_attn_dmn11": attn}.items():
        rows = [
            [person, "ses-b0", *(f"{value:.6f}" for value in values[i])]
            for i, person in enumerate(people)
            if i not in (28, 29)
        ]
        write(f"{source}.tsv", ["participant_id", "session_id", *columns_of(source)], rows)


if __name__ == "__main__":
    main()
