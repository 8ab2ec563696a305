"""Axes of a sensor on a shoe, found from its own signals: where up is, and where the foot points."""

from __future__ import annotations

from typing import Literal

import numpy as np

from ..arrays import Floats
from ..errors import BadInputError
from ..units import G

ShoeAxes = Literal["sensor", "level", "walking"]
AXES_OF_SHOES: tuple[ShoeAxes, ...] = ("sensor", "level", "walking")
_STILL_SHARE = 0.25
"""Share of the samples, those that turn least, in which the foot stands flat: walking has some 60 % stance, of which
half is flat. Chosen by hand."""
_BESIDE_S = 0.15
"""Time (s) before and after the foot stands flat in which it turns toe down: slap and heel rise. Chosen by hand."""
_LEAST_S = 2.0
"""Length of a record (s) that has a whole stride in it; chosen by hand."""
_LEAST_UP_G, _MOST_UP_G = 0.7, 1.4
"""Acceleration at rest (g) between which an accelerometer is scaled to 1 g: real ones err by 5 %, those of
Pearl 2022 by 26 %; beyond, the unit is another."""
_LEAST_LEVEL = 0.5
"""Share of an axis that has to be level for its heading to be certain. Chosen by hand."""
_BACKWARD = np.asarray([1.0, 0.0, 0.0])
"""The sensors of Pearl 2022 point their x backward and up the instep, in everybody."""


def shoe_axes(acc_m_s2: Floats, gyro_rad_s: Floats, *, rate_hz: float, axes: ShoeAxes) -> tuple[Floats, Floats]:
    """Return acceleration and angular velocity of a shoe in other axes, from these signals alone.

    * ``sensor``: as recorded.
    * ``level``: x forward, y left, z up of a foot that stands flat. Up is the acceleration while the foot hardly turns;
      forward is the sensor's own x axis, reversed and made level. Accelerations are scaled to 1 g at rest.
    * ``walking``: up and scale likewise; left is the axis about which the foot turns most over the whole record, made
      level, with the sign that makes heel rise and foot slap a positive rotation (toe down). This holds however the
      sensor is turned about the vertical, but not for people who circle their feet.

    Parameters
    ----------
    acc_m_s2, gyro_rad_s
        Shape (samples, 3), gravity included.

    Raises
    ------
    BadInputError
        If the acceleration at rest is not about 1 g, or the heading is not certain.
    """
    if axes == "sensor":
        return acc_m_s2, gyro_rad_s
    if len(gyro_rad_s) < _LEAST_S * rate_hz:
        raise BadInputError(
            f"a shoe's axes are found from its walk, and {len(gyro_rad_s)} samples at {rate_hz:g} Hz are too few; give"
            f" {_LEAST_S:g} s or more"
        )
    still = _still(gyro_rad_s)
    rest = np.median(acc_m_s2[still], axis=0)
    length = float(np.linalg.norm(rest))
    if not _LEAST_UP_G * G < length < _MOST_UP_G * G:
        raise BadInputError(
            f"a shoe's acceleration at rest is {length:.2f} m/s^2, expected about {G:.2f} m/s^2: check unit and sensor"
        )
    up = rest / length
    left = _left_of_walk(gyro_rad_s, still, rate_hz) if axes == "walking" else np.cross(up, -_BACKWARD)
    left = left - (left @ up) * up
    if not float(np.linalg.norm(left)) > _LEAST_LEVEL:
        raise BadInputError("which way a shoe points is not certain: the axis it turns about most is upright")
    left /= np.linalg.norm(left)
    turn = np.stack([np.cross(left, up), left, up], axis=1)
    return acc_m_s2 @ turn * (G / length), gyro_rad_s @ turn


def _still(gyro_rad_s: Floats) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Return which samples turn least, shape (samples,)."""
    speed = np.linalg.norm(gyro_rad_s, axis=1)
    return np.asarray(speed <= np.nanquantile(speed, _STILL_SHARE))


def _left_of_walk(gyro_rad_s: Floats, still: np.ndarray[tuple[int], np.dtype[np.bool_]], rate_hz: float) -> Floats:
    """Return the main axis of rotation, about which the foot turns toe down beside where it stands flat."""
    axis = np.asarray(np.linalg.eigh(gyro_rad_s.T @ gyro_rad_s)[1][:, -1])
    reach = round(_BESIDE_S * rate_hz)
    near = np.convolve(still, np.ones(2 * reach + 1), mode="same") > 0
    return axis if float((gyro_rad_s[near & ~still] @ axis).mean()) > 0 else -axis
