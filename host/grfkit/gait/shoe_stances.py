"""Stances of a walker from the turning of a shoe alone: it turns toe up through all of swing, and toe down around it.

The foot's swing is the long stretch in which it turns toe up. It begins a constant time after toe-off and ends a
constant time before contact, when the toe comes down (Sabatini et al., IEEE Trans Biomed Eng 52, 2005, 486-494, take
the same turning points).
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
from scipy import signal

from ..arrays import Floats
from ..signals.runs import true_runs
from .contacts import GAP, ContactRule, Rejection
from .landmark_stances import FootStances, within_limits

SWING_END_TO_IC_S, TO_TO_SWING_S = 0.043, 0.036
"""From the end of a swing to a belt's force of 5 % body weight, and from the end of that force to the beginning of a
swing: means of eight people who walk slowly, normally and with an imitated stiff knee; recordings differ by 13 and
21 ms (standard deviation), alignment of their clocks included."""
_LOWPASS_HZ = 10.0
"""Of the turning; chosen by hand, above what a swing holds and below a landing's ringing."""
_DEEP_PERCENT, _LEAST_SHARE = 2.0, 0.35
"""A swing turns toe up by this share of that percentile at least; chosen by hand, so that a shuffle is none."""
_HIDES_S = 0.25
"""Gap (s) in which a swing may be hidden; chosen by hand, below the shortest swing of a walk."""


def stances_of_shoe(time_s: Floats, pitch_rad_s: Floats, rule: ContactRule) -> FootStances:
    """Return the stances of a foot from its shoe's angular velocity.

    Those beside a swing that a gap touches are rejected, and those that hold a gap in which a swing may be hidden.

    Parameters
    ----------
    time_s
        Shape (samples,), increasing evenly.
    pitch_rad_s
        About the axis to the left, toe down positive, of axes found by
        :func:`~grfkit.gait.shoe_axes.shoe_axes` ``walking``; shape (samples,), NaN where missing.
    rule
        Its limits of a contact.
    """
    known = np.isfinite(pitch_rad_s)
    if known.sum() < 2:
        return FootStances(np.zeros((0, 2)))
    filled = np.interp(time_s, time_s[known], pitch_rad_s[known])
    rate = 1.0 / float(np.median(np.diff(time_s)))
    if rate > 2.5 * _LOWPASS_HZ and filled.size > 32:
        filled = signal.sosfiltfilt(signal.butter(2, _LOWPASS_HZ, fs=rate, output="sos"), filled)
    deep = float(np.percentile(filled, _DEEP_PERCENT))
    swings = [
        (_crossing(time_s, filled, a), _crossing(time_s, filled, b), bool(known[a - 1 : b + 1].all()))
        for a, b in true_runs(filled < 0.0)
        if a > 0 and b < filled.size and filled[a:b].min() < _LEAST_SHARE * deep < 0.0
    ]
    hidden = [(time_s[a], time_s[b - 1]) for a, b in true_runs(~known) if b - a >= _HIDES_S * rate]
    spans, beside = [], []
    for before, after in pairwise(swings):
        start, end = before[1] + SWING_END_TO_IC_S, after[0] - TO_TO_SWING_S
        if before[2] and after[2] and not any(a < end and b > start for a, b in hidden):
            spans.append((start, end))
        elif start < end:
            beside.append(Rejection(start, end, GAP))
    found = within_limits(np.asarray(spans, dtype=np.float64).reshape(-1, 2), rule)
    return replace(found, rejections=(*found.rejections, *beside))


def _crossing(time: Floats, course: Floats, at: int) -> float:
    """Return when a course crosses 0 between a sample and the one before it, s."""
    before, after = course[at - 1], course[at]
    return float(time[at - 1] + before / (before - after) * (time[at] - time[at - 1]))
