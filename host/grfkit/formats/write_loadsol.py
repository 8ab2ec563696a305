"""Text of a loadsol (loadapp) export: both feet with IMU, or one; right foot's zones in reversed order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..arrays import Floats
from ..errors import BadInputError

_AXES = ("xAcc", "yAcc", "zAcc", "xGyro", "yGyro", "zGyro")
_MISSING_FORCE = "-1.000\t-1.000\t-1.000\t0.000"
_MISSING_IMU = "\t".join(["-"] * 6)


@dataclass(frozen=True)
class LoadsolFoot:
    """One foot of an export; a row that is NaN in ``zones_n`` was not received.

    Attributes
    ----------
    sensor
        Name of the insole, e.g. ``PGV247-L``.
    right
        Writes the zones as lateral, medial, heel instead of heel, medial, lateral.
    zones_n
        Shape (samples, 3): heel, medial, lateral (N).
    acc_g, gyro_rad_s
        Shape (samples, 3) each.
    """

    sensor: str
    right: bool
    zones_n: Floats
    acc_g: Floats
    gyro_rad_s: Floats


def loadsol_text(feet: Sequence[LoadsolFoot], time_s: Floats, *, file_name: str, comment: str) -> str:
    """Return the export; a sample that was not received has zones -1, total 0 and ``-`` for the IMU.

    Raises
    ------
    BadInputError
        If there is no foot or lengths differ.
    """
    if not feet or any(foot.zones_n.shape != (time_s.size, 3) for foot in feet):
        raise BadInputError(f"a loadsol export needs one or two feet with {time_s.size} samples each")
    tail = "\t\t" if len(feet) == 2 else "\t"
    names = "\t".join(_sensor_names(foot) for foot in feet) + tail
    unit = "\t".join(["Time[secs]", *["Force[N]"] * 4, "Time[secs]", *["[g]"] * 3, *["[rad/s]"] * 3])
    head = [file_name, f"comment {comment}", names, "\t".join([unit] * len(feet)) + "\t"]
    stamps = [f"{t:.3f}" for t in time_s.tolist()]
    columns = [_rows(foot, stamps) for foot in feet]
    rows = ["\t".join(row) + tail for row in zip(*columns)]
    return "\n".join([*head, *rows, "\t"]) + "\n"


def _sensor_names(foot: LoadsolFoot) -> str:
    zones = ["lateral", "medial", "heel"] if foot.right else ["heel", "medial", "lateral"]
    force = [f"{foot.sensor}::{zone}" for zone in zones]
    imu = [f"{foot.sensor}::{axis}" for axis in _AXES]
    return "\t".join(["", *force, foot.sensor, "", *imu])


def _rows(foot: LoadsolFoot, stamps: Sequence[str]) -> list[str]:
    zones = foot.zones_n[:, ::-1] if foot.right else foot.zones_n
    force = np.column_stack([zones, foot.zones_n.sum(axis=1)])
    lost = np.isnan(force).any(axis=1)
    motion = np.column_stack([foot.acc_g, foot.gyro_rad_s])
    form_force, form_imu = "\t".join(["%.3f"] * 4), "\t".join(["%.3f"] * 6)
    rows = []
    # adding 0.0 makes 0.0 of -0.0
    for stamp, lost_row, loads, turns in zip(stamps, lost.tolist(), force.tolist(), (motion + 0.0).tolist()):
        left = _MISSING_FORCE if lost_row else form_force % tuple(loads)
        right = _MISSING_IMU if lost_row else form_imu % tuple(turns)
        rows.append(f"{stamp}\t{left}\t{stamp}\t{right}")
    return rows
