"""Which requirements that a finished run misses it never tried: nothing was refitted, tested or predicted for them.

The claim gate counts them as missed all the same; only the word for them is another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from workbench.records import Scores
from workbench.results.requirement import read_from


def _no_p(scores: Scores) -> bool:
    return scores.judged_p is None


def _no_baseline_run(scores: Scores) -> bool:
    return scores.baseline_held is None


def _no_interval(scores: Scores) -> bool:
    read = read_from(scores)
    held = read.sites_held if read.leave_out else read.performance
    return held is None or held.interval is None


def _no_repeats_with_site_held(scores: Scores) -> bool:
    read = read_from(scores)
    return bool(scores.leave_out) and read.sites_held is None


def _not_refitted(scores: Scores) -> bool:
    """Of a run whose R2 is not above 0, or falls below it, the answer is known without a refit."""
    influence = read_from(scores).influence
    if not scores.performance.r2 > 0:
        return False
    return influence is None or not (influence.n_not_positive or influence.refitted)


def _no_increment(scores: Scores) -> bool:
    increment = read_from(scores).increment
    return increment is None or (increment.delta_r2 > 0 and (increment.test is None or increment.test.p is None))


def _site_not_held(scores: Scores) -> bool:
    return read_from(scores).sites_held is None


def _sites_not_left_out(scores: Scores) -> bool:
    read = read_from(scores)
    return read.leave_out != "site" and read.across_sites is None


def _not_within_sites(scores: Scores) -> bool:
    return read_from(scores).within_sites is None


def _no_other_cohort(scores: Scores) -> bool:
    return not scores.external


NOT_TRIED: Mapping[str, Callable[[Scores], bool]] = {
    "a permutation p that can be at most .05": _no_p,
    "with the baseline score held fixed": _no_baseline_run,
    "interval above 0": _no_interval,
    "R2 above 0 in 90 % of repeats": _no_repeats_with_site_held,
    "R2 above 0 without any one participant": _not_refitted,
    "adds to the clinical model": _no_increment,
    "R2 above 0 with the site held fixed": _site_not_held,
    "R2 above 0 with whole sites left out": _sites_not_left_out,
    "R2 above 0 within the sites left out": _not_within_sites,
    "another cohort, predicted by the frozen model": _no_other_cohort,
}
"""By requirement: whether a finished run that misses it did not try it."""


def was_tried(requirement: str, scores: Scores) -> bool:
    """Whether a finished run has tried a requirement that it misses.

    Parameters
    ----------
    requirement : str
        Its name.
    scores : Scores

    Returns
    -------
    bool
    """
    return requirement not in NOT_TRIED or not NOT_TRIED[requirement](scores)
