"""Contacts from heel and toe landmarks."""

from __future__ import annotations

import re

import numpy as np
from scipy import signal

from ..arrays import Floats
from .contacts import Contacts, empty_contacts
from .impacts import peak_times, rhythmic_peaks, stride_period

LEAST_VISIBLE = 0.5
"""Share of the samples in which a heel or toe has to be measured to be used; chosen by hand."""
FEWEST_SAMPLES = 64
"""Samples that a record needs to show a stride, as of an IMU."""
FLOOR_PERCENT = 5
"""Percentile of a landmark's height that is its height on the floor."""
LOWPASS_HZ, FILTERED_FROM_HZ = 20.0, 60
"""Low-pass (Hz) before heights are differentiated twice, and the rate (Hz) above which it is applied: chosen by
hand."""
LOW, HIGH_PERCENT = 0.6, 99
"""A foot is low below this share of its height at that percentile: in swing it is braked too; chosen by hand."""

_HEEL = re.compile(r"heel|calc|hee$|\.?cal$", re.IGNORECASE)
_TOE = re.compile(r"toe|hallux|mt[125]|meta|bigtoe", re.IGNORECASE)
_LEFT = re.compile(r"^(l|left)([^a-z]|(?=[A-Z])|heel|toe|foot|hee|cal|big|mt)|_l$|[ ._-]left", re.IGNORECASE)
_RIGHT = re.compile(r"^(r|right)([^a-z]|(?=[A-Z])|heel|toe|foot|hee|cal|big|mt)|_r$|[ ._-]right", re.IGNORECASE)


def foot_landmarks(names: list[str]) -> dict[str, dict[str, list[int]]]:
    """Return the indices of heel and toe landmarks by side: ``{"left": {"heel": [...], "toe": [...]}, ...}``."""
    indices: dict[str, dict[str, list[int]]] = {}
    for index, name in enumerate(names):
        side = "left" if _LEFT.search(name) else "right" if _RIGHT.search(name) else ""
        part = "heel" if _HEEL.search(name) else "toe" if _TOE.search(name) else ""
        if side and part:
            indices.setdefault(side, {}).setdefault(part, []).append(index)
    return indices


def landmark_contacts(time_s: Floats, position: Floats, names: list[str]) -> list[Contacts]:
    """Return the contacts of each foot from its heel and toe landmarks.

    The vertical axis is the one along which the other landmarks are farthest from the feet. Contact is taken where the
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
            trains.append(_contacts(time_s, columns, foot, _vertical_axis(position, feet)))
    return trains


def _vertical_axis(position: Floats, feet: dict[str, dict[str, list[int]]]) -> int:
    """Return the axis in which the body extends most above its feet."""
    lowest = [i for parts in feet.values() for indices in parts.values() for i in indices]
    others = [i for i in range(position.shape[1]) if i not in lowest]
    if not others:
        return 2
    difference = _middle(position, others) - _middle(position, lowest)
    finite = difference[np.isfinite(difference).all(axis=1)]
    return int(np.argmax(np.abs(np.median(finite, axis=0)))) if len(finite) else 2


def _middle(position: Floats, indices: list[int]) -> Floats:
    """Return the mean of the landmarks that are measured, shape (samples, 3), NaN where none is."""
    points = position[:, indices, :]
    finite = np.isfinite(points)
    count = finite.sum(axis=1)
    total = np.where(finite, points, 0.0).sum(axis=1)
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), np.nan))


def _contacts(time_s: Floats, columns: list[Floats], foot: int, axis: int) -> Contacts:
    rate_hz = 1.0 / float(np.median(np.diff(time_s)))
    columns = [c for c in columns if np.isfinite(c[:, axis]).mean() > LEAST_VISIBLE]
    if not columns or time_s.size < FEWEST_SAMPLES:
        return empty_contacts()
    # each above its own floor, as heel and toe markers are not attached at one height
    height = np.fmin.reduce([c[:, axis] - np.nanpercentile(c[:, axis], FLOOR_PERCENT) for c in columns])
    missing = ~np.isfinite(height)
    covered = np.asarray([[time_s[0], time_s[-1]]])
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
