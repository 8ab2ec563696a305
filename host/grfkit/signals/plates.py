"""Force plates as pure arrays: axes from corners, channels to force and moment, centre of pressure.

Plate axes follow C3D: corner 1 lies at +x+y, 2 at -x+y, 3 at -x-y, 4 at +x-y, z is x cross y (for most makes
down, into the floor). Moments are about the centre of the surface (the mean of the corners).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..arrays import Floats
from ..errors import BadInputError

CHANNELS_BY_TYPE = {1: 6, 2: 6, 3: 8, 4: 6, 5: 8, 6: 12, 7: 8}
"""Analog channels of one plate by C3D plate type."""
CALIBRATED_TYPES = (4, 5, 6, 7)
"""Plate types that mean nothing without a calibration matrix."""
COP_THRESHOLD_N = 20.0
"""Force (N) below which no centre of pressure is stated, unless told otherwise: the usual threshold of a contact."""
COP_FILTER_HZ = 50.0
"""Cut-off (Hz) of the low-pass before the centre of pressure, unless told otherwise."""
SIDES_M = (0.01, 20)
"""Shortest and longest side (m) of a plate: beyond, the unit was misread."""
LEAST_SINE = 0.1
"""Sine of the angle between two sides, at the least: below, the corners lie on a line."""
MOST_TILT_DEG = 15.0
"""Angle (degrees) between a surface's normal and the axis that is vertical, at the most; chosen by hand, above the
inclines of treadmills (15 % is 8.5 degrees)."""
MARKERS_AGREE = 0.5
"""Markers tell which way is up where they lie on one side by so much: mean of their signs, hence three in four."""


class Wrench(NamedTuple):
    """Force (N) and moment (N m) about the centre of the surface, both of shape (samples, 3)."""

    force: Floats
    moment: Floats


class PlateFrame(NamedTuple):
    """Where a plate lies, global: ``axes`` (3, 3) with its x, y, z as columns, ``centre_m`` (3,)."""

    axes: Floats
    centre_m: Floats


class Pressure(NamedTuple):
    """Centre of pressure (samples, 3) in m and free moment (samples,) in N m about the upward normal."""

    cop: Floats
    free_moment: Floats


def plate_frame(corners_m: Floats) -> PlateFrame:
    """Return where a plate lies, from its corners.

    Parameters
    ----------
    corners_m
        Shape (4, 3) or flat (12,), corner by corner.

    Raises
    ------
    BadInputError
        If the corners are missing, not finite or do not span a surface.
    """
    corners = np.asarray(corners_m, dtype=np.float64).reshape(-1)
    if corners.size != 12 or not np.isfinite(corners).all():
        raise BadInputError(f"has {corners.size} corner coordinates, expected 12 finite numbers")
    at = corners.reshape(4, 3)
    x, y = at[0] - at[1], at[0] - at[3]
    z = np.cross(x, y)
    long, wide = float(np.linalg.norm(x)), float(np.linalg.norm(y))
    if min(long, wide) < SIDES_M[0] or max(long, wide) > SIDES_M[1] or np.linalg.norm(z) < LEAST_SINE * long * wide:
        raise BadInputError(
            f"has corners that make no surface (sides {long:.3g} m and {wide:.3g} m);"
            " expected sides of 0.01 m to 20 m at an angle"
        )
    # y from z and x, not from the corners: measured corners are seldom a rectangle, and axes have to be square
    axes = np.column_stack([x / long, np.cross(z, x) / np.linalg.norm(np.cross(z, x)), z / np.linalg.norm(z)])
    return PlateFrame(axes, at.mean(axis=0))


def plate_wrench(channels: Floats, *, plate_type: int, origin_m: Floats, calibration: Floats | None = None) -> Wrench:
    """Return force and moment in plate axes of one plate's channels.

    Types 1 to 4 as the C3D user guide defines them; 5 is type 3 with an 8 by 8 or 6 by 8 matrix, 6 has 12
    channels and a 12 by 12 or 6 by 12 matrix, 7 is type 5 as Kistler writes it. A matrix with six rows gives
    Fx Fy Fz Mx My Mz, one with eight rows gives the eight Kistler sums, one with twelve rows gives four
    corner sensors Fx Fy Fz each, in the order of the corners.

    Parameters
    ----------
    channels
        Shape (samples, n), in N, N m and m (types 4 to 7: whatever the matrix takes).
    origin_m
        C3D's ORIGIN: from the sensor's origin to the centre of the surface, z at most 0. Types 3, 5, 7 and
        twelve rows of type 6: half the sensor distances along x and y, and the depth of the sensors (z).

    Raises
    ------
    BadInputError
        If the type is unknown, channels or matrix do not fit it.
    """
    channel_count = CHANNELS_BY_TYPE.get(plate_type)
    if channel_count is None:
        raise BadInputError(f"is of type {plate_type}; grfkit reads types 1 to 7")
    if channels.ndim != 2 or channels.shape[1] != channel_count:
        raise BadInputError(f"of type {plate_type} has channels {channels.shape}, expected (samples, {channel_count})")
    if plate_type in CALIBRATED_TYPES:
        if calibration is None or calibration.ndim != 2 or calibration.shape[1] != channel_count:
            shape = "none" if calibration is None else f"shape {calibration.shape}"
            raise BadInputError(
                f"of type {plate_type} has {shape} as calibration matrix, expected {channel_count} columns"
            )
        channels = channels @ calibration.T
    if channels.shape[1] == 8:
        return _kistler(channels, origin_m)
    if channels.shape[1] == 12:
        return _four_sensors(channels, origin_m)
    if channels.shape[1] != 6:
        raise BadInputError(f"of type {plate_type} has a calibration matrix of {channels.shape[1]} rows")
    if plate_type == 1:
        return _from_pressure(channels)
    force = channels[:, :3]
    # M + F x o moves the moment from the sensor's origin to the centre of the surface, which is o away from it
    return Wrench(force, channels[:, 3:] + np.cross(force, origin_m))


def kistler_cop_correction(cop: Floats, polynomial: Floats) -> Floats:
    """Return the plate-axes CoP corrected by Kistler's polynomial (C3D parameter FPCOPPOLY).

    ``dx = (p1 y^4 + p2 y^2 + p3) x^3 + (p4 y^4 + p5 y^2 + p6) x`` and the same for y with x and y exchanged
    and ``p7`` to ``p12``; both are subtracted (Kistler, Multicomponent force plates, COP accuracy).

    Parameters
    ----------
    cop
        Shape (samples, 2 or 3), in the length unit of the polynomial.
    polynomial
        Shape (12,).
    """
    x, y, p = cop[:, 0], cop[:, 1], polynomial
    # both corrections are of the recorded place: y is not corrected by an x that was already
    moved = np.array(cop, dtype=np.float64)
    moved[:, 0] -= (p[0] * y**4 + p[1] * y**2 + p[2]) * x**3 + (p[3] * y**4 + p[4] * y**2 + p[5]) * x
    moved[:, 1] -= (p[6] * x**4 + p[7] * x**2 + p[8]) * y**3 + (p[9] * x**4 + p[10] * x**2 + p[11]) * y
    return moved


def to_global(wrench: Wrench, frame: PlateFrame) -> Wrench:
    """Return force and moment turned from plate to global axes (the moment's point stays the centre)."""
    return Wrench(wrench.force @ frame.axes.T, wrench.moment @ frame.axes.T)


def center_of_pressure(
    force: Floats,
    moment: Floats,
    *,
    corners_m: Floats,
    threshold_n: float = COP_THRESHOLD_N,
    rate_hz: float | None = None,
    cutoff_hz: float | None = None,
    vertical: str = "",
    polynomial: Floats | None = None,
) -> Pressure:
    """Return where the force acts on the surface, and the moment left about the surface's normal.

    With the normal n, force F and moment M about the centre: ``r = (n x M) / (n . F)`` and ``Tz = n . (M - r
    x F)``. Both hold whether the force is that on the foot or that on the plate. NaN where the force along
    n is under ``threshold_n`` (after filtering), and where force or moment is missing.

    Parameters
    ----------
    force, moment
        Shape (samples, 3), global axes, N and N m about the mean of the corners.
    corners_m
        Shape (4, 3) or (12,), global.
    rate_hz, cutoff_hz
        Where both are given, force and moment are low-passed (zero lag, corrected) *before* the division.
    vertical
        ``"+z"``, ``"-y"``...: n points that way; otherwise along the larger positive axis.
    polynomial
        Shape (12,), for lengths in m: see :func:`kistler_cop_correction`.

    Raises
    ------
    BadInputError
        If the corners make no surface or the cut-off does not fit the rate.
    """
    frame = plate_frame(corners_m)
    normal = upward(frame, vertical)
    # before the division: near contact and toe-off noise over a small force would be all that a later filter sees
    if rate_hz and cutoff_hz:
        from .filters import lowpass

        force = lowpass(force, rate_hz=rate_hz, cutoff_hz=cutoff_hz)
        moment = lowpass(moment, rate_hz=rate_hz, cutoff_hz=cutoff_hz)
    load = force @ normal
    loaded = np.abs(load) >= max(threshold_n, 1e-9)
    safe = np.where(loaded, load, np.nan)
    arm = np.cross(normal, moment) / safe[:, None]
    if polynomial is not None:
        arm = kistler_cop_correction(arm @ frame.axes, polynomial) @ frame.axes.T
    free = (moment - np.cross(arm, force)) @ normal
    return Pressure(arm + frame.centre_m, np.where(loaded, free, np.nan))


def upward(frame: PlateFrame, vertical: str = "") -> Floats:
    """Return the unit normal of the surface that points along ``vertical``, or along its positive axis."""
    normal = frame.axes[:, 2]
    axis = "xyz".index(vertical[1]) if len(vertical) == 2 else int(np.argmax(np.abs(normal)))
    sign = -1.0 if vertical[:1] == "-" else 1.0
    return normal if normal[axis] * sign >= 0 else -normal


def vertical_axis(frame: PlateFrame, points_m: Floats | None = None, hint: str = "") -> str:
    """Return which global axis points up at a plate, ``""`` where it lies along none within 15 degrees.

    The sign comes from the points (markers stand above the surface), then from ``hint`` (C3D's Y_SCREEN),
    and is positive otherwise.

    Parameters
    ----------
    points_m
        Shape (n, 3), global; missing ones NaN.
    """
    normal = frame.axes[:, 2]
    axis = int(np.argmax(np.abs(normal)))
    if abs(normal[axis]) < np.cos(np.deg2rad(MOST_TILT_DEG)):
        return ""
    name = "xyz"[axis]
    if points_m is not None and points_m.size:
        heights = points_m.reshape(-1, 3)[:, axis] - frame.centre_m[axis]
        heights = heights[np.isfinite(heights)]
        if heights.size and abs(np.mean(np.sign(heights))) > MARKERS_AGREE:
            return ("+" if np.median(heights) > 0 else "-") + name
    return hint.lower() if hint.lower() in (f"+{name}", f"-{name}") else f"+{name}"


def _from_pressure(channels: Floats) -> Wrench:
    """Type 1: Fx Fy Fz Px Py Tz; the moment about the centre that this CoP and free moment make."""
    force, x, y = channels[:, :3], channels[:, 3], channels[:, 4]
    arm = np.column_stack([x, y, np.zeros_like(x)])
    moment = np.cross(arm, force)
    moment[:, 2] += channels[:, 5]
    return Wrench(force, moment)


def _kistler(channels: Floats, origin_m: Floats) -> Wrench:
    """Types 3, 5, 7: Fx12 Fx34 Fy14 Fy23 Fz1 Fz2 Fz3 Fz4, sensors at (+-a, +-b, depth) under the centre."""
    x12, x34, y14, y23, z1, z2, z3, z4 = channels.T
    a, b, depth = abs(float(origin_m[0])), abs(float(origin_m[1])), float(origin_m[2])
    force = np.column_stack([x12 + x34, y14 + y23, z1 + z2 + z3 + z4])
    moment = np.column_stack([b * (z1 + z2 - z3 - z4), a * (-z1 + z2 + z3 - z4), b * (-x12 + x34) + a * (y14 - y23)])
    return Wrench(force, moment + np.cross(force, np.asarray([0.0, 0.0, depth])))


def _four_sensors(channels: Floats, origin_m: Floats) -> Wrench:
    """Twelve calibrated channels: Fx Fy Fz of the sensors at (+a +b), (-a +b), (-a -b), (+a -b)."""
    a, b, depth = abs(float(origin_m[0])), abs(float(origin_m[1])), float(origin_m[2])
    sensors = channels.reshape(-1, 4, 3)
    arms = np.asarray([[a, b, -depth], [-a, b, -depth], [-a, -b, -depth], [a, -b, -depth]])
    return Wrench(sensors.sum(axis=1), np.cross(arms[None], sensors).sum(axis=1))
