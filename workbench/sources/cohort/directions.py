"""Whether scores point the way their scales do (trap T11 of METHODS 4.2).

A high SHAPS is bad and a high TEPS is good. A study that says otherwise, or whose numbers were turned round on the way,
would call worsening an improvement and nothing would look wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations

import numpy as np
import pandas as pd

from workbench.errors import Problem
from workbench.records import Scale
from workbench.specs.cohort import CohortSpec

REVERSED = "T11"
"""Guard code of a score that points the wrong way."""

FEWEST = 20
"""People rated on both scales below which a correlation says nothing about direction."""

WRONG_WAY_P = 0.001
"""One-sided level, over all pairs and sessions of a study. Measures of depression and anhedonia go together in every
sample; a correlation that is *negative* beyond chance, once both are turned so that more is worse, is an error."""


def direction_problems(spec: CohortSpec, scales: Mapping[str, Scale], scores: pd.DataFrame) -> Iterator[Problem]:
    """Scales declared against the registry, and scores that go against the others.

    Parameters
    ----------
    spec : CohortSpec
    scales : mapping of str to Scale
        By the name of the score.
    scores : DataFrame
        Long: participant_id, session, score, value.

    Yields
    ------
    Problem
    """
    declared = list(_against_the_registry(spec, scales))
    yield from (problem for _, problem in declared)
    yield from _against_the_others(spec, scales, scores, {name for name, _ in declared})


# ------------------------------------------------------------------------------------------------------------- declared


def _against_the_registry(spec: CohortSpec, scales: Mapping[str, Scale]) -> Iterator[tuple[str, Problem]]:
    """A scale of the study's own, or one lent from another instrument, that turns a known instrument round.

    Each problem comes with the score, or the scale of the study's own, that it is about.
    """
    for name, scale in scales.items():
        score = spec.scores[name]
        known = _known_direction(name) or _known_direction(score.scale or name)
        if known is None or known == scale.worse:
            continue
        own = (score.scale or name) in spec.scales
        where = f"features/cohort.toml: scales.{score.scale or name}" if own else f"features/cohort.toml: scores.{name}"
        found = (
            f"says that {scale.worse} is worse, but of the {name} {known} is worse"
            if own
            else f"is rated by the rules of the {scale.name}, of which {scale.worse} is worse; of the {name} {known} is"
        )
        hint = (
            f'take [scales.{score.scale or name}] out, or write worse = "{known}"; a score that was reversed on '
            "purpose needs a name of its own"
            if own
            else "take scale = out, or name the score after its scale"
        )
        yield (score.scale or name) if own else name, Problem(where, found, hint, REVERSED)


def _known_direction(name: str) -> str | None:
    """Which way of an instrument is worse, whatever its scoring; None where the registry does not know it."""
    from workbench.errors import SpecError
    from workbench.knowledge.scales import find_instrument

    try:
        instrument = find_instrument(name)
    except SpecError:
        return None
    ways = {scale.worse for scale in instrument.scorings.values()}
    return ways.pop() if len(ways) == 1 else None


# ------------------------------------------------------------------------------------------------------------- as rated


def _against_the_others(
    spec: CohortSpec, scales: Mapping[str, Scale], scores: pd.DataFrame, blamed: set[str]
) -> Iterator[Problem]:
    """Scores that rise with one that they should fall with; the one that most pairs speak against is named."""
    wrong = {pair: found for pair, found in _wrong_pairs(spec, scales, scores).items() if not blamed & set(pair)}
    while wrong:
        names = sorted({name for pair in wrong for name in pair})
        # Of a single pair nothing says which of the two it is: the one with fewer allies, then the later name.
        worst = max(names, key=lambda name: (sum(name in pair for pair in wrong), -_allies(name, scales, wrong), name))
        pair = min((pair for pair in wrong if worst in pair), key=lambda pair: wrong[pair][1])
        session, r, n = wrong[pair]
        other = pair[0] if pair[1] == worst else pair[1]
        moves = "rises" if r > 0 else "falls"
        at = f" at {session}" if session else ""
        found = (
            f"{worst} {moves} as {other} rises{at} (r = {r:.2f}, n = {n}), although of the {worst} "
            f"{scales[worst].worse} is worse and of the {other} {scales[other].worse} is"
        )
        hint = "its values, or those of the other, were reversed: look at the items, and score them as the scale says"
        yield Problem(f"{spec.scores[worst].file}: {worst}", found, hint, REVERSED)
        wrong = {pair: found for pair, found in wrong.items() if worst not in pair}


def _allies(name: str, scales: Mapping[str, Scale], wrong: Mapping[tuple[str, str], object]) -> int:
    """Scores of the same direction that it is not at odds with."""
    alike = [other for other in scales if other != name and scales[other].worse == scales[name].worse]
    return sum(tuple(sorted((name, other))) not in wrong for other in alike)


def _wrong_pairs(
    spec: CohortSpec, scales: Mapping[str, Scale], scores: pd.DataFrame
) -> dict[tuple[str, str], tuple[str, float, int]]:
    """Pairs of scores that go against each other: session, correlation as rated, people."""
    wide = scores.pivot_table(index=["session", "participant_id"], columns="score", values="value")
    names = sorted(name for name in wide.columns if _of_mood(name, spec, scales))
    sessions = list(dict.fromkeys(wide.index.get_level_values("session")))
    rated = {session: dict(zip(names, wide.loc[session, names].to_numpy(float).T, strict=True)) for session in sessions}
    pairs = list(combinations(names, 2))
    level = WRONG_WAY_P / max(len(pairs) * len(sessions), 1)
    found: dict[tuple[str, str], tuple[str, float, int]] = {}
    for first, second in pairs:
        expected = 1 if scales[first].worse == scales[second].worse else -1
        for session in sessions:
            both = np.stack([rated[session][first], rated[session][second]])
            both = both.compress(~np.isnan(both).any(axis=0), axis=1)
            r, n = _correlation(both), both.shape[1]
            if expected * r < 0 and _chance(abs(r), n) < level:
                previous = found.get((first, second))
                if previous is None or abs(r) > abs(previous[1]):
                    found[first, second] = (str(session), r, n)
    return found


def _of_mood(name: str, spec: CohortSpec, scales: Mapping[str, Scale]) -> bool:
    """Measures depression or anhedonia: every scale of the registry but those of the infusion itself, and the study's
    own where it says so; of another own scale (mania, well-being) nobody knows which way it should go."""
    scale = scales.get(name)
    if scale is None or scale.acute_effect:
        return False
    own = (spec.scores[name].scale or name) in spec.scales
    return scale.anhedonia or not own


def _correlation(both: np.ndarray) -> float:
    if both.shape[1] < FEWEST or (np.ptp(both, axis=1) == 0).any():
        return 0.0
    return float(np.corrcoef(both)[0, 1])


def _chance(r: float, n: int) -> float:
    """One-sided p of a correlation at least this large where there is none (Student's t)."""
    from scipy.special import stdtr

    if r >= 1:
        return 0.0
    return float(stdtr(n - 2, -r * np.sqrt((n - 2) / (1 - r * r))))
