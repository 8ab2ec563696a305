"""Contacts from heel and toe landmarks."""

from __future__ import annotations

import numpy as np
from scipy import signal

from ..arrays import Floats
from .contacts import Contacts, covered_stretches, empty_contacts
from .foot_speed import heading, speed_landings
from .impacts import peak_times, rhythmic_peaks, stride_period
from .marker_names import foot_landmarks

LEAST_VISIBLE = 0.5
"""Share of the samples in which a heel or toe has to be measured to be used; chosen by hand."""
FEWEST_SAMPLES = 64
"""Samples that a record needs to show a stride, as of an IMU."""
BRIDGE_S = 0.1
"""Hole (s) in a foot's course that still counts as seen, chosen by hand: markers flicker, and a contact seldom falls
into it."""
FLOOR_PERCENT = 5
"""Percentile of a landmark's height that is its height on the floor."""
LOWPASS_HZ, FILTERED_FROM_HZ = 10.0, 60
"""Low-pass (Hz) before heights are differentiated twice, and the rate (Hz) above which it is applied; by hand. At
20 Hz noise of some millimetres had peaks of its own, after which whole stretches of contacts were 0.1 s early (found in
8 of 30 simulated treadmill trials, seeds 32,000,000 on; at 10 Hz in none)."""
LOW, HIGH_PERCENT = 0.6, 99
"""A foot is low below this share of its height at that percentile: in swing it is braked too; chosen by hand."""


def landmark_contacts(time_s: Floats, position: Floats, names: list[str]) -> list[Contacts]:
    """Return the contacts of each foot from its heel and toe landmarks.

    Where heel, toe and some landmark of the body are seen, contact is taken where the foot goes backwards under the
    body about as fast as the ground (:mod:`.foot_speed`). Of feet alone it is taken where their downward motion is
    stopped: the peak of the vertical acceleration of the lower of heel and toe, once a stride; of real runners that
    lies 50 to 190 ms before the force or at it (:func:`shows_speed` tells which).

    The vertical axis is the one along which the other landmarks are farthest from the feet; up is where they are, and
    Z where there are no others. Covered are the stretches in which the foot was seen.

    Parameters
    ----------
    position
        Shape (samples, landmarks, 3), m, NaN where missing.
    """
    feet = foot_landmarks(names)
    if time_s.size >= FEWEST_SAMPLES and shows_speed(position, names):
        return _by_speed(time_s, position, feet)
    trains = []
    for foot, side in enumerate(("left", "right")):
        parts = feet.get(side, {})
        columns = [_middle(position, parts[p]) for p in ("heel", "toe") if p in parts]
        if columns:
            axis, sign = _vertical_axis(position, feet)
            trains.append(_contacts(time_s, [sign * column[:, axis] for column in columns], foot))
    return trains


def shows_speed(position: Floats, names: list[str]) -> bool:
    """Return whether landmarks show a foot's speed under the body: heel and toe of a foot, and of the body any."""
    feet = foot_landmarks(names)
    return bool(_pointing(position, feet)) and bool(_body(position, feet))


def _pointing(position: Floats, feet: dict[str, dict[str, list[int]]]) -> list[Floats]:
    """Return from heel to toe of each foot of which both are seen, shape (samples, 3)."""
    both = [[_middle(position, parts[p]) for p in ("toe", "heel")] for parts in feet.values() if len(parts) == 2]
    return [toe - heel for toe, heel in both if _seen(toe - heel)]


def _body(position: Floats, feet: dict[str, dict[str, list[int]]]) -> list[Floats]:
    """Return the landmarks other than the feet's that are seen, each of shape (samples, 3)."""
    of_feet = {i for parts in feet.values() for indices in parts.values() for i in indices}
    others = [position[:, i, :] for i in range(position.shape[1]) if i not in of_feet]
    return [other for other in others if _seen(other)]


def _by_speed(time_s: Floats, position: Floats, feet: dict[str, dict[str, list[int]]]) -> list[Contacts]:
    """Return each foot's contacts from its backward speed under the body."""
    rate_hz = 1.0 / float(np.median(np.diff(time_s)))
    axis, _ = _vertical_axis(position, feet)
    floor = [k for k in range(3) if k != axis]
    # each filled before the mean is taken: one that goes missing must not move it
    body = np.mean([_filled(time_s, other[:, floor]) for other in _body(position, feet)], axis=0)
    along = heading([_filled(time_s, p[:, floor]) for p in _pointing(position, feet)], rate_hz)
    trains = []
    for foot, side in enumerate(("left", "right")):
        points = [_middle(position, indices) for indices in feet.get(side, {}).values()]
        points = [point for point in points if _seen(point)]
        if not points:
            continue
        missing = np.asarray(~np.isfinite(points).all(axis=(0, 2)), dtype=bool)
        middle = np.mean([_filled(time_s, point[:, floor]) for point in points], axis=0)
        at, speed_m_s = speed_landings(np.sum((middle - body) * along, axis=1), rate_hz)
        whole = np.clip(np.round(at).astype(np.int64), 1, time_s.size - 2)
        # a landing beside a hole is where the straight line that fills it has its corner
        seen = ~missing[whole] & ~missing[whole - 1] & ~missing[whole + 1]
        onset = np.interp(at[seen], np.arange(time_s.size), time_s)
        sides = np.full(onset.size, foot, dtype=np.int64)
        covered = covered_stretches(time_s, missing, BRIDGE_S)
        trains.append(Contacts(onset, np.full(onset.size, np.nan), speed_m_s[seen], sides, covered))
    return trains


def _seen(points: Floats) -> bool:
    """Return whether points, shape (samples, 3), are measured often enough to be used."""
    return bool(np.isfinite(points).all(axis=1).mean() > LEAST_VISIBLE)


def _filled(time_s: Floats, points: Floats) -> Floats:
    """Return points, shape (samples, axes), with straight lines where they are missing."""
    known = np.isfinite(points).all(axis=1)
    return np.stack([np.interp(time_s, time_s[known], column[known]) for column in points.T], axis=1)


def foot_heights(position: Floats, names: list[str]) -> list[Floats | None]:
    """Return how high (m) each foot is, left then right: its lowest of heel and toe above where that stands.

    NaN where it is not seen; None for a foot of which neither is measured half of the time.

    Parameters
    ----------
    position
        Shape (samples, landmarks, 3), m, NaN where missing.
    """
    if not len(position):
        return [None, None]
    feet = foot_landmarks(names)
    heights: list[Floats | None] = []
    for side in ("left", "right"):
        columns = [_middle(position, feet.get(side, {})[p]) for p in ("heel", "toe") if p in feet.get(side, {})]
        axis, sign = _vertical_axis(position, feet)
        courses = [sign * column[:, axis] for column in columns]
        seen = [h for h in courses if np.isfinite(h).mean() > LEAST_VISIBLE]
        heights.append(np.fmin.reduce([h - np.nanpercentile(h, FLOOR_PERCENT) for h in seen]) if seen else None)
    return heights


def _vertical_axis(position: Floats, feet: dict[str, dict[str, list[int]]]) -> tuple[int, float]:
    """Return the axis in which the body extends most above its feet, and whether up is along (1) or against it (-1)."""
    lowest = [i for parts in feet.values() for indices in parts.values() for i in indices]
    others = [i for i in range(position.shape[1]) if i not in lowest]
    if not others:
        return 2, 1.0
    difference = _middle(position, others) - _middle(position, lowest)
    finite = difference[np.isfinite(difference).all(axis=1)]
    if not len(finite):
        return 2, 1.0
    above = np.median(finite, axis=0)
    axis = int(np.argmax(np.abs(above)))
    return axis, 1.0 if above[axis] >= 0 else -1.0


def _middle(position: Floats, indices: list[int]) -> Floats:
    """Return the mean of the landmarks that are measured, shape (samples, 3), NaN where none is."""
    points = position[:, indices, :]
    finite = np.isfinite(points)
    count = finite.sum(axis=1)
    total = np.where(finite, points, 0.0).sum(axis=1)
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), np.nan))


def _contacts(time_s: Floats, heights: list[Floats], foot: int) -> Contacts:
    """Return one foot's contacts from the heights (samples,) of its heel and toe."""
    if time_s.size < FEWEST_SAMPLES:
        return empty_contacts()
    heights = [h for h in heights if np.isfinite(h).mean() > LEAST_VISIBLE]
    if not heights:
        return empty_contacts()
    rate_hz = 1.0 / float(np.median(np.diff(time_s)))
    # each above its own floor, as heel and toe markers are not attached at one height
    height = np.fmin.reduce([h - np.nanpercentile(h, FLOOR_PERCENT) for h in heights])
    missing = ~np.isfinite(height)
    covered = covered_stretches(time_s, missing, BRIDGE_S)
    filled = np.interp(time_s, time_s[~missing], height[~missing])
    if rate_hz > FILTERED_FROM_HZ:
        filled = signal.sosfiltfilt(signal.butter(2, LOWPASS_HZ, fs=rate_hz, output="sos"), filled)
    stop = np.gradient(np.gradient(filled)) * rate_hz**2
    envelope = np.clip(np.where(filled < LOW * float(np.percentile(filled, HIGH_PERCENT)), stop, 0.0), 0.0, None)
    peaks = rhythmic_peaks(envelope, rate_hz, stride_period(time_s, filled))
    peaks = peaks[(peaks > 1) & (peaks < time_s.size - 2)]
    # beside a hole a peak is the corner of the straight line that fills it
    peaks = peaks[~missing[peaks] & ~missing[peaks - 1] & ~missing[peaks + 1]]
    onset = peak_times(time_s, envelope, peaks)
    feet = np.full(peaks.size, foot, dtype=np.int64)
    return Contacts(onset, np.full(peaks.size, np.nan), envelope[peaks], feet, covered)
