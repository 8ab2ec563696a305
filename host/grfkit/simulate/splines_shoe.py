"""Shoe motion of the spline family: splines through key postures of every stride, differentiated into an ideal IMU."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicSpline

from ..arrays import Floats
from .splines_rhythm import GRAVITY_M_S2

STANCE = np.array([0.0, 0.12, 0.25, 0.4, 0.55, 0.7, 0.85, 1.0])
SWING = np.array([0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.92])
LANDING_WEIGHT = np.array([0.0, 0, 0, 0.05, 0.25, 0.7, 0.95])  # of the landing posture, in swing; chosen
EVERSION_STANCE = np.array([-0.5, 0.1, 0.45, 0.5, 0.3, -0.1, -0.5, -0.8])
EVERSION_SWING = np.array([-0.9, -0.8, -0.5, -0.3, -0.3, -0.4, -0.5])
YAW_DEG = np.array([0.0, 0, 0, 0, 0, 1, 3, 5, 6, 4, 0, -3, -4, -2, 0])  # abduction about toe-off; chosen
RING_SPAN_S = 0.2  # the longest ringing has died by then; chosen
SOFT_S = 0.015  # the path's acceleration is averaged over a triangle this wide each way; chosen


@dataclass(frozen=True)
class ShoeHabits:
    """One shoe's habits.

    Attributes
    ----------
    side
        +1 left, -1 right.
    landing_deg, eversion_deg, toe_out_deg
        Pitch at contact (toes up negative), excursion of eversion in stance, and heading.
    pitch_stance_deg, pitch_swing_deg
        Pitch at the key postures :data:`STANCE` and :data:`SWING`, for the first table's own landing pitch.
    swing_shape, swing_height_m
        Height of the ball of the foot in swing, and its scale.
    behind_m, height_m, heel_m
        Sensor behind and above the ball, and heel to ball.
    ring_m_s2, ring_hz, ring_decay_s
        Ringing at impact.
    slope_rad
        Of the ground, uphill positive.
    """

    side: float
    landing_deg: float
    eversion_deg: float
    toe_out_deg: float
    pitch_stance_deg: Floats
    pitch_swing_deg: Floats
    swing_shape: Floats
    swing_height_m: float
    behind_m: float
    height_m: float
    heel_m: float
    ring_m_s2: float
    ring_hz: float
    ring_decay_s: float
    slope_rad: float


def motion(
    foot: ShoeHabits, onset_s: Floats, contact_s: Floats, speed_m_s: Floats, swing: Floats, impact: Floats,
    time_s: Floats,
) -> tuple[Floats, Floats]:  # fmt: skip
    """Return specific force (m/s^2) and angular rate (rad/s), (n, 3) each, of one foot's contacts.

    ``swing`` scales each stride's swing posture, ``impact`` its ringing. Before the first and after the
    last contact the foot rests in the posture of that moment.
    """
    if onset_s.size == 0:
        rest = np.zeros((time_s.size, 3))
        rest[:, 2] = GRAVITY_M_S2
        return rest, np.zeros((time_s.size, 3))
    knots, angles, place = _postures(foot, onset_s, contact_s, speed_m_s, swing)
    inside = (time_s >= knots[0]) & (time_s <= knots[-1])
    t = np.clip(time_s, knots[0], knots[-1])
    turn = CubicSpline(knots, angles, bc_type="clamped")
    angle, rate = turn(t), turn(t, 1) * inside[:, None]
    path = CubicSpline(knots, place, bc_type="clamped")
    around = [path(np.clip(t + shift, knots[0], knots[-1])) for shift in (-SOFT_S, 0.0, SOFT_S)]
    accel = (around[0] - 2 * around[1] + around[2]) / SOFT_S**2 * inside[:, None]
    return _sensed(foot, onset_s, impact, time_s, angle, rate, accel)


def _sensed(
    foot: ShoeHabits, onset_s: Floats, impact: Floats, time_s: Floats, angle: Floats, rate: Floats, accel: Floats
) -> tuple[Floats, Floats]:
    """Return what the sensor measures: turned into its axes (heading, pitch, roll), with ringing."""
    (sp, cp), (sr, cr), (sy, cy) = ((np.sin(angle[:, i]), np.cos(angle[:, i])) for i in range(3))
    ax = cy * accel[:, 0] + sy * accel[:, 1]
    ay = cy * accel[:, 1] - sy * accel[:, 0]
    az = accel[:, 2] + GRAVITY_M_S2
    down = sp * ax + cp * az
    force = np.stack([cp * ax - sp * az, cr * ay + sr * down, cr * down - sr * ay], axis=1)
    gyro = np.stack(
        [rate[:, 1] - rate[:, 2] * sp, rate[:, 0] * cr + rate[:, 2] * cp * sr,
         rate[:, 2] * cp * cr - rate[:, 0] * sr], axis=1,
    )  # fmt: skip
    _add_ringing(foot, onset_s, impact, time_s, force, gyro)
    return force, gyro


def _add_ringing(
    foot: ShoeHabits, onset_s: Floats, impact: Floats, time_s: Floats, force: Floats, gyro: Floats
) -> None:
    """Add, in place, the transient of each contact: two damped modes up, weaker ones across and in turn.

    The second mode is 2.3 times higher and dies twice as fast (chosen); the rate's amplitude corresponds to
    the shoe rocking over a 0.2 m lever (chosen).
    """
    step = np.searchsorted(onset_s, time_s, side="right") - 1
    since = time_s - onset_s[np.maximum(step, 0)]
    hit = np.flatnonzero((step >= 0) & (since < RING_SPAN_S))
    t, size = since[hit], foot.ring_m_s2 * impact[step[hit]]
    w = 2 * np.pi * foot.ring_hz
    slow, fast, late = (_ring(t, w * k, foot.ring_decay_s / d) for k, d in ((1, 1), (2.3, 2), (0.8, 1)))
    force[hit, 2] += size * (slow + 0.45 * fast)
    force[hit, 0] -= size * (0.4 * late + 0.25 * fast)
    force[hit, 1] += size * foot.side * 0.2 * late
    gyro[hit, 1] += size / w / 0.2 * 2 * late
    gyro[hit, 0] += size / w / 0.2 * foot.side * 0.6 * fast


def _ring(time_s: Floats, omega: float, decay_s: float) -> Floats:
    """Return a damped sine of unit amplitude whose integral is zero: it rings and leaves nothing moving.

    The derivative of ``exp(-t / decay) (1 - cos(omega t)) / omega``.
    """
    fading = (1 - np.cos(omega * time_s)) / (omega * decay_s)
    ring: Floats = np.exp(-time_s / decay_s) * (np.sin(omega * time_s) - fading)
    return ring


def _postures(
    foot: ShoeHabits, onset_s: Floats, contact_s: Floats, speed_m_s: Floats, swing: Floats
) -> tuple[Floats, Floats, Floats]:
    """Return knot times, angles (pitch, roll, yaw; rad) and sensor places (m) at the key postures."""
    n = onset_s.size
    off = onset_s + contact_s
    air = np.append(onset_s[1:] - off[:-1], 0.0)
    times = np.concatenate([onset_s[:, None] + contact_s[:, None] * STANCE, off[:, None] + air[:, None] * SWING], 1)
    stride = speed_m_s * np.append(np.diff(onset_s), 0.0)
    pitch = np.radians(_pitch_deg(foot, swing))
    x, z = _ball(foot, stride, swing)
    roll = np.radians(foot.side * foot.eversion_deg * np.concatenate([EVERSION_STANCE, EVERSION_SWING]))
    yaw = np.radians(foot.side * (foot.toe_out_deg + YAW_DEG))
    x = x - foot.behind_m * np.cos(pitch) + foot.height_m * np.sin(pitch)
    z = z + foot.behind_m * np.sin(pitch) + foot.height_m * np.cos(pitch)
    c, s = np.cos(foot.slope_rad), np.sin(foot.slope_rad)
    y = np.broadcast_to(foot.side * 0.02 * np.sin(np.pi * np.append(np.zeros(8), SWING)), x.shape)
    place = np.stack([c * x - s * z, y, c * z + s * x], axis=2).reshape(n * 15, 3)
    angles = np.stack([pitch - foot.slope_rad, *np.broadcast_arrays(roll, yaw, pitch)[:2]], axis=2)
    last = n * 15 - SWING.size
    return times.reshape(-1)[:last], angles.reshape(n * 15, 3)[:last], place[:last]


def _pitch_deg(foot: ShoeHabits, swing: Floats) -> Floats:
    """Return pitch at the key postures, shape (strides, 15): the landing's own pitch blended in."""
    change = foot.landing_deg - foot.pitch_stance_deg[0]
    stance = foot.pitch_stance_deg + change * np.array([1.0, 0.25, 0, 0, 0, 0, 0, 0])
    air = foot.pitch_swing_deg + change * LANDING_WEIGHT
    scale = np.concatenate([np.ones((swing.size, 5)), np.repeat(swing[:, None], 10, axis=1)], axis=1)
    scale[:, 13:] = 1.0
    pitch: Floats = np.concatenate([stance, air]) * scale
    return pitch


def _ball(foot: ShoeHabits, stride_m: Floats, swing: Floats) -> tuple[Floats, Floats]:
    """Return forward and upward place of the ball of the foot at the key postures, (strides, 15) each.

    Forward travel in swing follows the minimum-jerk curve (Hogan 1984); the ball lands at the height that
    the landing pitch leaves it over a heel that touches (a forefoot lander's touches at once).
    """
    jerk = SWING**3 * (10 - 15 * SWING + 6 * SWING**2)
    start = np.concatenate([[0.0], np.cumsum(stride_m)[:-1]])
    x = start[:, None] + stride_m[:, None] * np.concatenate([np.zeros(8), jerk])
    landing = foot.heel_m * np.sin(np.radians(max(-foot.landing_deg, 0.0)))
    stance_z = landing * np.array([1.0, 0.15, 0, 0, 0, 0, 0, 0])
    swing_z = foot.swing_height_m * foot.swing_shape
    z = np.concatenate([stance_z, swing_z + landing * LANDING_WEIGHT])
    return x, z * np.concatenate([np.ones((swing.size, 8)), np.repeat(swing[:, None], 7, axis=1)], axis=1)
