"""The signals about each blow, scaled, for a report to lay over each other."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr

from ..arrays import Floats
from ..signals.clocks import dejittered
from ..signals.contacts import bridged
from ..signals.impacts import jerk_envelope
from .blows import Pairs, all_plates
from .contact_events import device_loads

COURSE_S = (-0.06, 0.14)
"""Stretch (s) about a blow that is shown: a rise and what follows; chosen by eye."""
COURSE_STEP_S = 0.001
MOST_COURSES = 60
"""Blows that are shown, evenly spread."""


def courses(
    reference: Mapping[str, xr.Dataset], device: Mapping[str, xr.Dataset], kind: str, pairs: Pairs, *, shift_s: float
) -> tuple[Floats, Floats, Floats]:
    """Return times from the blow (s), and what reference and device show there, shape (blows, times), each 0 to 1.

    Landmarks show a contact by several points' motion, which is no single course: the second one is NaN.

    Parameters
    ----------
    reference
        Plates, or the insoles that stand in for them.
    device
        The streams of one class, ``kind``.
    shift_s
        Reference minus device time.
    """
    about = np.arange(*COURSE_S, COURSE_STEP_S)
    at = pairs.onset_s[:: max(1, -(-pairs.onset_s.size // MOST_COURSES))]
    loads = all_plates(reference) or device_loads(reference)
    plate_course = _together([(p.time_s, p.value) for p in loads], at, about)
    if kind == "insole":
        signals = [(p.time_s + shift_s, p.value) for p in device_loads(device)]
    elif kind == "imu":
        signals = [(t + shift_s, v) for t, v in map(_shocks, device.values())]
    else:
        return about, plate_course, np.full(plate_course.shape, np.nan)
    return about, plate_course, _together(signals, at, about)


def _shocks(stream: xr.Dataset) -> tuple[Floats, Floats]:
    names = [n for n in ("acc_x", "acc_y", "acc_z") if n in stream]
    time_s = dejittered(np.asarray(stream["time"].values, dtype=np.float64))
    values = np.stack([stream[n].values for n in names], axis=1)
    missing = np.asarray(~np.isfinite(values).all(axis=1), dtype=bool)
    return time_s, jerk_envelope(time_s, values, missing, 1.0 / float(np.median(np.diff(time_s))))


def _together(signals: list[tuple[Floats, Floats]], at_s: Floats, about_s: Floats) -> Floats:
    """Return for each blow the signal that moves most there, scaled to its own range."""
    rows = []
    for at in at_s:
        parts = []
        for time_s, value in signals:
            near = slice(*np.searchsorted(time_s, [at + about_s[0] - 0.05, at + about_s[-1] + 0.05]))
            if near.stop - near.start > 3 and np.isfinite(value[near]).any():
                part = bridged(time_s[near], value[near], ~np.isfinite(value[near]))
                parts.append(np.interp(at + about_s, time_s[near], part))
        if not parts:
            rows.append(np.full(about_s.size, np.nan))
            continue
        course = max(parts, key=lambda p: float(np.ptp(p)))
        rows.append((course - course.min()) / max(float(np.ptp(course)), 1e-12))
    return np.asarray(rows).reshape(-1, about_s.size)
