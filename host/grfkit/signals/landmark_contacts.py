"""Contacts from heel and toe landmarks."""

from __future__ import annotations

import numpy as np
from scipy import signal

from ..arrays import Floats
from .contacts import Contacts, covered_stretches, empty_contacts
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

    The vertical axis is the one along which the other landmarks are farthest from the feet; up is where they are, and
    Z where there are no others. Covered are the stretches in which the foot was seen. Contact is taken where the
    foot's downward motion is stopped: the peak of the vertical acceleration of the lower of heel and toe, once a
    stride, to a fraction of a sample.

    Parameters
    ----------
    position
        Shape (samples, landmarks, 3), m, NaN where missing.
    """
    feet = foot_landmarks(names)
    trains = []
    for foot, side in enumerate(("left", "right")):
        parts = feet.get(side, {})
        columns = [_middle(position, parts[p]) for p in ("heel", "toe") if p in parts]
        if columns:
            axis, sign = _vertical_axis(position, feet)
            trains.append(_contacts(time_s, [sign * column[:, axis] for column in columns], foot))
    return trains


def foot_heights(position: Floats, names: list[str]) -> list[Floats | None]:
    """Return how high (m) each foot is, left then right: its lowest of heel and toe above where that stands.

    NaN where it is not seen; None for a foot of which neither is measured half of the time.

    Parameters
    ----------
    position
        Shape (samples, landmarks, 3), m, NaN where missing.
    """
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
    heights = [h for h in heights if np.isfinite(h).mean() > LEAST_VISIBLE]
    if not heights or time_s.size < FEWEST_SAMPLES:
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
