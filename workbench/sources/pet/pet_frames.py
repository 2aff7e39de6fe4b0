"""Time-activity curves to SUVR: which frames a window takes, with what weight, and the ratio of weighted means."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.errors import Problem, Problems, SourceError, listed

SLACK_S = 0.5
"""Seconds within which two times are one: frame times are written as whole seconds, or as rounded minutes."""

MINUTE_S = 60.0


@dataclass(frozen=True, eq=False)
class Frames:
    """When each frame of a scan was measured.

    Parameters
    ----------
    start_s, end_s : ndarray of shape (n_frames,)
        Seconds after injection.
    lines : tuple of int
        Line of each frame in its file.
    """

    start_s: np.ndarray
    end_s: np.ndarray
    lines: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.lines)

    def words(self, at: int) -> str:
        """One frame, as messages name it: ``frame of 3000 to 3300 s (line 29)``."""
        return f"frame of {self.start_s[at]:g} to {self.end_s[at]:g} s (line {self.lines[at]})"


def frame_weights(frames: Frames, window_min: tuple[float, float], rule: str | None, label: str) -> np.ndarray:
    """Weight of every frame in the mean over a window: its duration, or the part of it that lies in the window.

    Parameters
    ----------
    frames : Frames
    window_min : (float, float)
        Minutes after injection, from and to.
    rule : "inside", "overlap" or None
        Of frames partly in the window: left out; weighted by the part in the window; or refused, where nobody said.
    label : str
        How messages name the file.

    Returns
    -------
    ndarray of shape (n_frames,)
        Sums to 1; 0 for frames that do not count.

    Raises
    ------
    SourceError
        If frames are not in order, overlap, or leave a part of the window unmeasured; if the window is not within the
        scan; if a frame is partly in it and no rule is declared; if no frame is left.
    """
    _refuse_disorder(frames, label)
    low, high = (minute * MINUTE_S for minute in window_min)
    measured = frames.end_s - frames.start_s > 0
    _refuse_outside(frames, measured, window_min, label)
    within = np.clip(np.minimum(frames.end_s, high) - np.maximum(frames.start_s, low), 0.0, None)
    duration = frames.end_s - frames.start_s
    partly = measured & (within > SLACK_S) & (duration - within > SLACK_S)
    if partly.any() and rule is None:
        some = [frames.words(int(at)) for at in np.flatnonzero(partly)]
        found = f"{listed(some, 3)} {'is' if len(some) == 1 else 'are'} partly in the window of {_words(window_min)}"
        hint = 'frames = "overlap" weights them by the part in the window, frames = "inside" leaves them out'
        raise SourceError(Problem(label, found, hint))
    weights = np.where(partly, 0.0 if rule == "inside" else within, np.where(within > SLACK_S, duration, 0.0))
    if not weights.sum() > 0:
        found = f"no frame lies wholly in the window of {_words(window_min)}"
        raise SourceError(Problem(label, found, 'a wider window, or frames = "overlap"'))
    whole: np.ndarray = weights / weights.sum()
    return whole


def frame_span(frames: Frames, weights: np.ndarray) -> str:
    """What the frames that count cover, in words: ``4 frames, 2400 to 3600 s``.

    Parameters
    ----------
    frames : Frames
    weights : ndarray of shape (n_frames,)
        From `frame_weights`.

    Returns
    -------
    str
    """
    at = np.flatnonzero(weights)
    return f"{len(at)} frame{'' if len(at) == 1 else 's'}, {frames.start_s[at[0]]:g} to {frames.end_s[at[-1]]:g} s"


def suvr(activity: np.ndarray, reference: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Standardised uptake value ratio: mean activity over the window, region by reference.

    SUVR = sum(w a) / sum(w r). Injected activity, body weight and the unit of activity cancel; decay correction does
    not, since it differs between frames, so curves are taken as decay-corrected.

    Parameters
    ----------
    activity : ndarray of shape (n_frames, n_regions)
    reference : ndarray of shape (n_frames,)
        Activity of the reference region in the same frames and unit.
    weights : ndarray of shape (n_frames,)
        From `frame_weights`.

    Returns
    -------
    ndarray of shape (n_regions,)
        NaN for a region without a value in any frame that counts: no mean of what is left is made.

    References
    ----------
    Lopresti, B. J. et al. (2005). J Nucl Med 46, 1959-1972.
    """
    counts = weights > 0
    means = weights[counts] @ activity[counts]
    ratio: np.ndarray = means / (weights[counts] @ reference[counts])
    return ratio


def _words(window_min: tuple[float, float]) -> str:
    return f"{window_min[0]:g} to {window_min[1]:g} min"


def _refuse_disorder(frames: Frames, label: str) -> None:
    """Frames run forward in time and do not overlap; a frame without duration is a point that a program has added."""
    problems = Problems()
    if not len(frames):
        raise SourceError(Problem(label, "holds no frame", "export the curves again"))
    for at in np.flatnonzero(frames.end_s < frames.start_s):
        problems.add(label, f"the {frames.words(int(at))} ends before it starts", "see which column is which")
    for at in np.flatnonzero(frames.start_s[1:] < frames.end_s[:-1] - SLACK_S):
        first, second = frames.words(int(at)), frames.words(int(at) + 1)
        problems.add(label, f"the {second} begins before the end of the {first}", "frames follow each other in time")
    problems.raise_if_any(SourceError)


def _refuse_outside(frames: Frames, measured: np.ndarray, window_min: tuple[float, float], label: str) -> None:
    low, high = (minute * MINUTE_S for minute in window_min)
    start, end = frames.start_s[measured], frames.end_s[measured]
    if not len(start):
        raise SourceError(Problem(label, "holds no frame that lasts", "see which column is which"))
    if low < start[0] - SLACK_S or high > end[-1] + SLACK_S:
        found = (
            f"the window of {_words(window_min)} is not within the scan, {start[0] / 60:.4g} to {end[-1] / 60:.4g} min"
        )
        hint = "window_min counts from injection: where frames count from a later start of the scan, write delay_min"
        raise SourceError(Problem(label, found, hint))
    gaps = [
        f"{before:g} to {after:g} s"
        for before, after in zip(end[:-1], start[1:], strict=True)
        if min(after, high) - max(before, low) > SLACK_S
    ]
    if gaps:
        found = f"no frame covers {listed(gaps, 3)} of the window of {_words(window_min)}"
        raise SourceError(Problem(label, found, "frames are missing from the file: export it again, or another window"))
