"""An accelerometer's scale and bias from positions at rest: gravity has one size, whichever way it points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
from scipy.optimize import least_squares

from ..arrays import Floats
from ..errors import BadInputError
from ..signals.runs import true_runs
from ..units import G

Up = Literal["+x", "-x", "+y", "-y", "+z", "-z"]
SIDES: tuple[Up, ...] = ("+x", "-x", "+y", "-y", "+z", "-z")
"""The six sides that point up in turn."""
REST_S = 2.0
"""Time (s) that a sensor lies still in each position at the least; chosen by hand."""
TRIM_S = 0.25
"""Time (s) left out at either end of a rest: it is being laid down. Chosen by hand."""
STILL_S = 0.5
"""Time (s) over which the acceleration hardly changes at rest."""
STILL_M_S2, STILL_RAD_S = 0.15, 0.15
"""SD of the acceleration (m/s^2), and of the turning rate (rad/s), of a sensor at rest at the most: chips have a tenth
of that, a worn sensor far more. Chosen by hand."""
LEAST_SHARE = 0.9
"""Share of gravity along the axis that points up: within 26 degrees. Chosen by hand."""
SCALES = (0.7, 1.4)
"""Scales between which an accelerometer is believed; beyond, the unit is another. As in ``gait/shoe_axes.py``."""


@dataclass(frozen=True)
class Rest:
    """A stretch at rest: which side was up, when, mean acceleration and turning rate (NaN without a gyro), noise."""

    up: Up
    start_s: float
    duration_s: float
    acc_m_s2: Floats
    gyro_rad_s: Floats
    noise_m_s2: float


@dataclass(frozen=True)
class AccFit:
    """Scale and bias of each axis, and each position's error when judged by the others (empty with six positions)."""

    scale: Floats
    bias_m_s2: Floats
    held_out_m_s2: Floats


def find_rests(time_s: Floats, acc_m_s2: Floats, gyro_rad_s: Floats | None, *, name: str) -> list[Rest]:
    """Return the stretches in which a sensor lies still with one of its six sides up.

    Parameters
    ----------
    acc_m_s2, gyro_rad_s
        Shape (samples, 3).

    Raises
    ------
    BadInputError
        If not all six sides point up once.
    """
    from scipy import ndimage

    step = float(np.median(np.diff(time_s)))
    width = max(3, int(STILL_S / step))

    def spread(values: Floats) -> Floats:
        mean = ndimage.uniform_filter1d(values, width, axis=0)
        square = ndimage.uniform_filter1d(values**2, width, axis=0)
        return np.asarray(np.sqrt(np.maximum(square - mean**2, 0.0)).max(axis=1))

    known = np.asarray(np.isfinite(acc_m_s2).all(axis=1), dtype=bool)
    still = known & (spread(np.where(known[:, None], acc_m_s2, 0.0)) < STILL_M_S2)
    if gyro_rad_s is not None:
        turns = np.asarray(np.isfinite(gyro_rad_s).all(axis=1), dtype=bool)
        still &= turns & (spread(np.where(turns[:, None], gyro_rad_s, 0.0)) < STILL_RAD_S)
    rests, tilted = [], 0
    trim = int(TRIM_S / step)
    for a, b in true_runs(still):
        a, b = int(a) + trim, int(b) - trim
        if (b - a) * step < REST_S - 2 * TRIM_S:
            continue
        mean = acc_m_s2[a:b].mean(axis=0)
        axis = int(np.argmax(np.abs(mean)))
        if abs(mean[axis]) < LEAST_SHARE * float(np.linalg.norm(mean)):
            tilted += 1
            continue
        # at rest an accelerometer shows what holds it up: positive on the axis that points up
        up = cast(Up, ("+" if mean[axis] > 0 else "-") + "xyz"[axis])
        turning = np.full(3, np.nan) if gyro_rad_s is None else gyro_rad_s[a:b].mean(axis=0)
        noise = float(acc_m_s2[a:b].std(axis=0).mean())
        rests.append(Rest(up, float(time_s[a]), (b - a) * step, mean, turning, noise))
    missing = [side for side in SIDES if side not in {rest.up for rest in rests}]
    if missing:
        also = f" ({tilted} rests were tilted by more than 25 degrees)" if tilted else ""
        raise BadInputError(
            f"{name}: lies still with {6 - len(missing)} of its six sides up{also}; missing are"
            f" {', '.join(missing)}. Lay it on each side for {REST_S:g} s or more"
        )
    return rests


def fit_acc(rests: list[Rest], *, name: str) -> AccFit:
    """Return scale and bias that make gravity one g in every position.

    Raises
    ------
    BadInputError
        If a scale is beyond what an accelerometer in m/s^2 can have.
    """
    means = np.stack([rest.acc_m_s2 for rest in rests])
    scale, bias = _fitted(means)
    if scale.min() < SCALES[0] or scale.max() > SCALES[1]:
        raise BadInputError(
            f"{name}: gravity would need scales of {scale.min():.3g} to {scale.max():.3g}; is it in m/s^2, and"
            " gravity in it?"
        )
    held = []
    for k, rest in enumerate(rests):
        others = [r for m, r in enumerate(rests) if m != k]
        # a side that no other position shows cannot be judged by them
        if {r.up for r in others} == set(SIDES):
            own_scale, own_bias = _fitted(np.delete(means, k, axis=0))
            held.append(float(np.linalg.norm(own_scale * (rest.acc_m_s2 - own_bias))) - G)
    return AccFit(scale, bias, np.asarray(held))


def _fitted(means: Floats) -> tuple[Floats, Floats]:
    def off(parameters: Floats) -> Floats:
        return np.asarray(np.linalg.norm(parameters[:3] * (means - parameters[3:]), axis=1) - G)

    low, high = means.min(axis=0), means.max(axis=0)
    start = np.concatenate([2 * G / (high - low), (high + low) / 2])
    found = least_squares(off, start, x_scale=np.r_[np.ones(3), np.full(3, 0.1)]).x
    return found[:3], found[3:]
