"""Accelerometers that nobody wore: what sensors fixed to pelvis, thighs, shanks and feet would show, from landmarks."""

from __future__ import annotations

import numpy as np

from ..arrays import Floats
from ..signals.filters import lowpass
from ..units import G
from .landmarks import LANDMARKS, SIDES, Points

SENSORS = ("pelvis", *(f"{part}_{side}" for part in ("thigh", "shank", "foot") for side in SIDES))
"""Where the virtual accelerometers are."""
CHANNELS = tuple(f"virtual_{sensor}_acc_{axis}" for sensor in SENSORS for axis in "xyz")
"""The names of what they show, such as ``virtual_shank_left_acc_x``."""
_UP = np.asarray([0.0, 0.0, 1.0])


def virtual_accelerometers(points: Points, *, lowpass_hz: float | None) -> Floats:
    """Return the specific force (m/s^2) that accelerometers on seven segments would show, shape (frames, 7, 3).

    The second derivative of a point fixed in the segment, less gravity (a sensor at rest shows +9.81 upwards), along
    the segment's own axes: X forward, Y to the body's left, Z up (of thigh and shank along the bone). The points are
    the pelvis centre and the middles of hip and knee, knee and ankle, heel and toe. Eleven landmarks do not show
    everything: pelvis, thighs and shanks turn about the vertical and about the bone as the line of the hips does, and a
    pelvis does not tilt forward. Impacts above the low-pass, soft tissue and noise of a real sensor are not in it.

    Parameters
    ----------
    points
        The eleven landmarks (:data:`~grfkit.gait.landmarks.LANDMARKS`), Z up, m; NaN where missing, and NaN beside.
    lowpass_hz
        Corrected zero-lag cut-off of the landmarks beforehand; None filters nothing.

    Returns
    -------
    array
        In the order of :data:`SENSORS`.
    """
    time, position = points.time_s, points.position
    if lowpass_hz is not None:
        rate = 1.0 / float(np.median(np.diff(time)))
        position = lowpass(position.reshape(len(time), -1), rate_hz=rate, cutoff_hz=lowpass_hz).reshape(position.shape)
    where = {name: position[:, k] for k, name in enumerate(LANDMARKS)}
    across = where["hip_left"] - where["hip_right"]
    sensors = {"pelvis": (where["pelvis"], _axes(up=_perpendicular(_UP, across), left=across))}
    for side in SIDES:
        hip, knee, ankle, heel, toe = (where[f"{part}_{side}"] for part in ("hip", "knee", "ankle", "heel", "toe"))
        for name, upper, lower in (("thigh", hip, knee), ("shank", knee, ankle)):
            bone = upper - lower
            sensors[f"{name}_{side}"] = ((upper + lower) / 2.0, _axes(up=bone, left=_perpendicular(across, bone)))
        sole = toe - heel
        above = _perpendicular(ankle - heel, sole)
        sensors[f"foot_{side}"] = ((heel + toe) / 2.0, _axes(up=above, left=np.cross(above, sole)))
    return np.stack([_shown(time, *sensors[name]) for name in SENSORS], axis=1)


def _perpendicular(vector: Floats, to: Floats) -> Floats:
    """Return the part of a vector that is perpendicular to another, shape (frames, 3)."""
    share = (vector * to).sum(axis=-1, keepdims=True) / (to * to).sum(axis=-1, keepdims=True)
    return np.asarray(vector - share * to)


def _axes(*, up: Floats, left: Floats) -> Floats:
    """Return a segment's axes, rows X, Y and Z, shape (frames, 3, 3), from two perpendicular directions."""
    z = up / np.linalg.norm(up, axis=1, keepdims=True)
    y = left / np.linalg.norm(left, axis=1, keepdims=True)
    return np.stack([np.cross(y, z), y, z], axis=1)


def _shown(time_s: Floats, path: Floats, axes: Floats) -> Floats:
    """Return what a sensor at a point shows along its axes, shape (frames, 3)."""
    acceleration = np.gradient(np.gradient(path, time_s, axis=0), time_s, axis=0) + G * _UP
    return np.asarray(np.einsum("fij,fj->fi", axes, acceleration))


def mirrored_sensors(values: Floats) -> Floats:
    """Return the sensors, shape (frames, 7, 3), of the body seen in a mirror: left becomes right, Y turns."""
    other = {"left": "right", "right": "left"}
    partner = [f"{n.split('_')[0]}_{other[n.split('_')[1]]}" if "_" in n else n for n in SENSORS]
    return np.asarray(values[:, [SENSORS.index(n) for n in partner]] * np.asarray([1.0, -1.0, 1.0]))
