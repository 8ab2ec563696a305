"""Notes on values too large for a person or a sensor: their unit may be stated wrongly."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ..arrays import Floats
from ..records import Recording

# All chosen by hand, far above what gait gives and below what a wrong unit makes of it (a factor of 9.81 or more):
# force of one foot or plate, N (running stays below 4 kN)
_LARGEST_FORCE_N = 20e3
# acceleration, m/s^2 (500 g)
_LARGEST_ACCELERATION = 5000.0
# extent of all landmarks, m (a laboratory)
_LARGEST_EXTENT_M = 20.0
# percentiles between which landmarks reach, and the upper one for forces: single wild samples are no wrong unit
_LOW_PERCENT, _HIGH_PERCENT = 1.0, 99.0
# samples and frames looked at: enough for a percentile, and quick for a recording of hours
_MOST_SAMPLES, _MOST_FRAMES = 200_000, 100


def doubts(recording: Recording) -> list[str]:
    """Return a note for each stream whose values are too large to be true in their unit.

    Beyond 20 kN in the 99th percentile of a foot's or plate's force (running is below 4), 5,000 m/s^2 of an
    accelerometer, and 20 m from the 1st to the 99th percentile of the places of landmarks.
    """
    notes = []
    for name, stream in recording.streams.items():
        if doubt := _doubt(stream):
            notes.append(f"{name}: {doubt}: is the unit right?")
    return notes


def _doubt(stream: xr.Dataset) -> str:
    kind = stream.attrs["kind"]
    if kind == "landmarks":
        return _extent(stream)
    worst = ""
    for name, item in stream.data_vars.items():
        unit = item.attrs.get("units")
        sizes = _sizes(item.values) if unit in ("N", "m/s^2") else np.empty(0)
        if not sizes.size:
            continue
        if unit == "N" and kind in ("force_plate", "insole"):
            reached = float(np.percentile(sizes, _HIGH_PERCENT))
            worst = worst or (f"values of {name} reach {reached:.3g} N" if reached > _LARGEST_FORCE_N else "")
        elif unit == "m/s^2" and kind == "imu":
            reached = float(sizes.max())
            worst = worst or (f"values of {name} reach {reached:.3g} m/s^2" if reached > _LARGEST_ACCELERATION else "")
    return worst


def _sizes(values: Floats) -> Floats:
    some = np.abs(values[:: max(1, values.shape[0] // _MOST_SAMPLES)])
    return np.asarray(some[np.isfinite(some)], dtype=np.float64)


def _extent(stream: xr.Dataset) -> str:
    position = np.asarray(stream["position"].values, dtype=np.float64)
    some = position[:: max(1, position.shape[0] // _MOST_FRAMES)].reshape(-1, position.shape[-1])
    some = some[np.isfinite(some).all(axis=1)]
    if not some.size:
        return ""
    low, high = np.percentile(some, [_LOW_PERCENT, _HIGH_PERCENT], axis=0)
    reached = float(np.max(high - low))
    return f"its landmarks reach over {reached:.3g} m" if reached > _LARGEST_EXTENT_M else ""
