"""What ``grf-inspect`` says of two belts that are not on one clock; nothing is corrected here."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ..arrays import Floats
from ..records import Recording
from ..signals.belt_breaks import belt_parts, told_parts
from ..signals.belt_clocks import told_shift

_FORCES = ("fx", "fy", "fz")
_SWING_PERCENT = 10.0
"""Percentile of a belt's load that stands for its zero: a walker's foot is in the air for a third of the time."""


def belt_notes(recording: Recording) -> list[str]:
    """Return that the second of two belts under a walker is late or early against the first, where it is."""
    belts = recording.of_kind("force_plate")
    if len(belts) != 2:
        return []
    (first, one), (second, two) = belts.items()
    rate_hz = float(one.attrs["rate_hz"])
    if not rate_hz > 0 or not np.array_equal(one["time"].values, two["time"].values):
        return []
    forces = [_forces(one), _forces(two)]
    up = int(np.argmax([sum(_spread(force[:, k]) for force in forces) for k in range(3)]))
    along, _ = sorted((k for k in range(3) if k != up), key=lambda k: -sum(_spread(f[:, k]) for f in forces))
    upward = [_upward(force[:, [up, along]]) for force in forces]
    parts = belt_parts(*upward, rate_hz=rate_hz)
    if parts:
        return [
            f"{second}: its clock breaks against that of the other belt: its force comes {told_parts(parts, first)};"
            " grf-sync takes that away in parts with --correct belts, where every part's shift is known"
        ]
    shift = told_shift(*upward, rate_hz=rate_hz)
    if shift is None:
        return []
    milliseconds = 1e3 * shift.late_s
    return [
        f"{second}: its force comes {abs(milliseconds):.0f} ms {'later' if milliseconds > 0 else 'earlier'} than that"
        f" of {first}: the two belts are not on one clock (together they vary by {100 * shift.sd_bw:.0f} % of body"
        f" weight, by {100 * shift.sd_without_bw:.0f} % without the shift); grf-sync takes it away with --correct belts"
    ]


def _forces(stream: xr.Dataset) -> Floats:
    """Return the three forces of a belt, shape (samples, 3), 0 where it has no such channel or one of another unit."""
    zeros = np.zeros(stream.sizes["time"])
    known = [n in stream and str(stream[n].attrs.get("units")) == "N" for n in _FORCES]
    values = [np.asarray(stream[n].values, dtype=np.float64) if k else zeros for n, k in zip(_FORCES, known)]
    return np.stack(values, axis=1)


def _spread(values: Floats) -> float:
    finite = values[np.isfinite(values)]
    return float(np.subtract(*np.percentile(finite, [95, 5]))) if finite.size else 0.0


def _upward(force: Floats) -> Floats:
    """Return force with its first column 0 in swing and positive under load; the second is turned along with it."""
    if not np.isfinite(force[:, 0]).any():
        return force
    low, high = np.nanpercentile(force[:, 0], [_SWING_PERCENT, 100.0 - _SWING_PERCENT])
    # the zero may be off, but by less than half a body weight
    down = abs(low) > abs(high)
    turned = -force if down else force
    level = -high if down else low
    return np.asarray(turned - np.asarray([level, 0.0]))
