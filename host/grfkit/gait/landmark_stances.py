"""Stances of a runner or walker from the eleven landmarks alone: contact and toe-off of each foot.

Walking by Zeni, Richards & Higginson (Gait Posture 27, 2008, 710-714): contact where the heel is farthest ahead of the
pelvis, toe-off where the toe is farthest behind it. Running: contact a constant time after the ankle is farthest ahead,
toe-off where the toe's vertical acceleration is greatest at the end of stance (De Witt, J Biomech 43, 2010, 3067-3069).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import signal

from ..arrays import Floats
from ..signals.runs import true_runs
from .contacts import TOO_LONG, TOO_SHORT, ContactRule, Rejection
from .landmarks import Points

RUNNING_IC_S, RUNNING_TO_S = 0.0255, 0.0065
"""From the ankle farthest ahead to a belt's force of 5 % body weight, and from the toe's greatest vertical acceleration
to the end of it: medians of the 20 runners of RBDS at three speeds; people differ by 6 and 12 ms (standard
deviation)."""
_LOWPASS_HZ, _ACCELERATION_HZ = 10.0, 20.0
"""Of the courses whose turning points are looked for, and of the toe's acceleration, as for the models' inputs."""
_SHORTEST_STRIDE_S = 0.45
"""Between two turning points of one foot; a sprinter's stride lasts as long."""
_LEAST_SHARE = 0.4
"""Share of its usual range that a turning point stands out by; less is no stride."""
_AFTER_IC_S = 0.1
"""A runner's toe-off comes later than this after contact: the landing itself accelerates the toe, too."""
_MOST_HOLE_S = 0.1
"""Longest hole in the landmarks that is bridged; nothing is looked for in longer ones."""


@dataclass(frozen=True)
class FootStances:
    """Contacts and toe-offs of one foot, s, shape (stances, 2), and what was rejected."""

    spans: Floats
    rejections: tuple[Rejection, ...] = ()


def stances_of_landmarks(points: Points, side: str, rule: ContactRule) -> FootStances:
    """Return the stances of one foot.

    Parameters
    ----------
    points
        The eleven landmarks of one pass, heading along X, Z up, m.
    side
        ``left`` or ``right``.
    rule
        Its limits of a contact; a rule for walkers takes the walkers' turning points.
    """
    walking = rule.name.endswith("walking")
    ahead = points.path(f"{'heel' if walking else 'ankle'}_{side}") - points.path("pelvis")
    behind = points.path(f"{'toe' if walking else 'ankle'}_{side}") - points.path("pelvis")
    time = points.time_s
    foremost = _turns(time, ahead[:, 0])
    hindmost = _turns(time, -behind[:, 0])
    found: list[tuple[float, float]] = []
    lift = None if walking else _acceleration(time, points.path(f"toe_{side}")[:, 2])
    for begin in foremost:
        later = hindmost[hindmost > begin]
        following = foremost[foremost > begin]
        if not later.size or (following.size and following[0] < later[0]):
            continue
        span = (begin, later[0]) if lift is None else _running(time, lift, float(begin), float(later[0]))
        if span is not None:
            found.append(span)
    return within_limits(np.asarray(found, dtype=np.float64).reshape(-1, 2), rule)


def _running(time: Floats, lift: Floats, foremost_s: float, hindmost_s: float) -> tuple[float, float] | None:
    """Return contact and toe-off of a runner's stance, between the ankle farthest ahead and farthest behind."""
    contact = foremost_s + RUNNING_IC_S
    first, last = np.searchsorted(time, [contact + _AFTER_IC_S, hindmost_s])
    part = lift[first:last]
    if part.size < 3 or not np.isfinite(part).all():
        return None
    at = first + int(part.argmax())
    return contact, _peak_s(time, lift, at) + RUNNING_TO_S


def within_limits(spans: Floats, rule: ContactRule) -> FootStances:
    """Return the spans that a contact can last; the others are rejected."""
    kept, rejected = [], []
    for start, end in spans:
        if rule.shortest_s <= end - start <= rule.longest_s:
            kept.append((start, end))
        else:
            why = TOO_SHORT if end - start < rule.shortest_s else TOO_LONG
            rejected.append(Rejection(float(start), float(end), why))
    return FootStances(np.asarray(kept, dtype=np.float64).reshape(-1, 2), tuple(rejected))


def _turns(time: Floats, course: Floats) -> Floats:
    """Return the times at which a course is greatest, one a stride, s."""
    filled, known = _filled(time, course)
    if not known.any():
        return np.zeros(0)
    rate = 1.0 / float(np.median(np.diff(time)))
    smooth = _smoothed(filled, rate, _LOWPASS_HZ)
    low, high = np.percentile(smooth[known], [5, 95])
    peaks, _ = signal.find_peaks(
        smooth, distance=max(1, round(_SHORTEST_STRIDE_S * rate)), prominence=_LEAST_SHARE * max(high - low, 1e-9)
    )
    return np.asarray([_peak_s(time, smooth, int(k)) for k in peaks if known[k]], dtype=np.float64)


def _acceleration(time: Floats, height: Floats) -> Floats:
    """Return a point's vertical acceleration, NaN where the point is not known."""
    filled, known = _filled(time, height)
    if not known.any():
        return filled
    rate = 1.0 / float(np.median(np.diff(time)))
    second = np.gradient(np.gradient(_smoothed(filled, rate, _ACCELERATION_HZ))) * rate**2
    return np.asarray(np.where(known, second, np.nan))


def _filled(time: Floats, course: Floats) -> tuple[Floats, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    """Return a course with its holes bridged, and where it is known or bridged by a short one."""
    missing = ~np.isfinite(course)
    if missing.all():
        return course, ~missing
    known = np.ones(course.size, dtype=bool)
    for start, end in true_runs(missing):
        if start == 0 or end == course.size or time[end - 1] - time[start] > _MOST_HOLE_S:
            known[start:end] = False
    return np.interp(time, time[~missing], course[~missing]), known


def _smoothed(course: Floats, rate_hz: float, cutoff_hz: float) -> Floats:
    if rate_hz <= 2.5 * cutoff_hz or course.size < 32:
        return course
    sections = signal.butter(2, cutoff_hz, fs=rate_hz, output="sos")
    return np.asarray(signal.sosfiltfilt(sections, course))


def _peak_s(time: Floats, course: Floats, at: int) -> float:
    """Return the time of a peak, to a fraction of a sample by the parabola through it and its neighbours."""
    if not 0 < at < course.size - 1:
        return float(time[at])
    before, here, after = course[at - 1 : at + 2]
    bend = before - 2.0 * here + after
    shift = 0.5 * (before - after) / bend if bend < 0 else 0.0
    return float(time[at] + shift * (time[at + 1] - time[at - 1]) / 2.0)
