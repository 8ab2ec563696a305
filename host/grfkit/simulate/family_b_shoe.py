"""How family B's shoe moves: quintic pieces through a stride's events, the lever about toe and heel, and ringing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PPoly

from grfkit.simulate.family import Floats

GRAVITY = 9.80665
TOE_LEVER_M = 0.13  # the sensor behind the joint the foot rolls over at push-off; chosen
HEEL_LEVER_M = 0.14  # the sensor ahead of the heel's edge, the pivot of the slap; chosen
SLAP_S = 0.075  # from heel contact to foot flat; chosen between 0.05 (fast run) and 0.1 s (walk)
RISE_S = 0.0025  # onset of the transient, so that it has no corner; chosen


@dataclass(frozen=True)
class ShoeTraits:
    """A person's shoe: lengths m, angles rad (heel up positive), rates rad/s, decay s, ``slope_rad`` of the ground."""

    speed_m_s: float
    slope_rad: float
    heel_off: float
    toe_off_rad: float
    toe_off_rad_s: float
    swing_rad: float
    clearance_m: float
    ring_hz: float
    ring_decay_s: float


@dataclass(frozen=True)
class FootSteps:
    """One foot's contacts: onset and toe-off (s), pitch at contact (rad, heel up positive), transient (m/s^2)."""

    onset_s: Floats
    off_s: Floats
    land_rad: Floats
    shock_m_s2: Floats


def hermite(knots: Floats, value: Floats, rate: Floats) -> PPoly:
    """Return the C2 piecewise quintic through ``value`` with slopes ``rate`` and no curvature at the knots."""
    span = np.diff(knots)
    rise, start, end = np.diff(value), rate[:-1] * span, rate[1:] * span
    cubic = 10 * rise - 6 * start - 4 * end
    quartic = -15 * rise + 8 * start + 7 * end
    fifth = 6 * rise - 3 * (start + end)
    zero = np.zeros_like(rise)
    scaled = [fifth / span**5, quartic / span**4, cubic / span**3, zero, rate[:-1], value[:-1]]
    return PPoly(np.array(scaled), knots)


def padded(feet: FootSteps) -> FootSteps:
    """Return the contacts with two more strides before and after, so that every sample lies between two."""
    stride = float(np.median(np.diff(feet.onset_s))) if feet.onset_s.size > 1 else 2.5 * float(np.ptp(_span(feet)))
    on, off = feet.onset_s, feet.off_s
    before, after = stride * np.array([-2.0, -1.0]), stride * np.array([1.0, 2.0])
    return FootSteps(
        np.concatenate([on[0] + before, on, on[-1] + after]),
        np.concatenate([off[0] + before, off, off[-1] + after]),
        np.pad(feet.land_rad, 2, mode="edge"),
        np.pad(feet.shock_m_s2, 2, mode="edge"),
    )


def _span(feet: FootSteps) -> Floats:
    return np.array([feet.onset_s[0], feet.off_s[0]])


def _woven(*columns: Floats) -> Floats:
    """Return the columns' rows one after another: knot 0..k of stride 0, then of stride 1."""
    return np.stack(np.broadcast_arrays(*columns), axis=1).ravel()


def pitch_path(traits: ShoeTraits, feet: FootSteps) -> PPoly:
    """Return pitch against the ground: contact, flat, heel-off, toe-off, highest, next contact."""
    on, off = feet.onset_s[:-1], feet.off_s[:-1]
    contact, swing = off - on, feet.onset_s[1:] - off
    further = traits.swing_rad - traits.toe_off_rad
    peak = np.minimum(2 * further / traits.toe_off_rad_s, 0.4 * swing)
    flat, lift = on + np.minimum(SLAP_S, 0.35 * contact), on + traits.heel_off * contact
    zero = np.zeros_like(on)
    knots = _woven(on, flat, lift, off, off + peak)
    value = _woven(feet.land_rad[:-1], zero, zero, zero + traits.toe_off_rad, zero + traits.swing_rad)
    rate = _woven(zero, zero, zero, zero + traits.toe_off_rad_s, zero)
    return hermite(np.append(knots, feet.onset_s[-1]), np.append(value, feet.land_rad[-1]), np.append(rate, 0.0))


def swing_path(feet: FootSteps, middle: Floats, end: Floats, *, at: float) -> PPoly:
    """Return a path at rest in contact that passes ``middle`` at fraction ``at`` of swing and stops at ``end``.

    Where ``end`` is not zero the path goes on from there: each stride adds it, and ``middle`` is not a halt.
    """
    on, off = feet.onset_s[:-1], feet.off_s[:-1]
    swing = feet.onset_s[1:] - off
    base = np.concatenate([[0.0], np.cumsum(end)])
    knots = np.append(_woven(on, off, off + at * swing), feet.onset_s[-1])
    value = np.append(_woven(base[:-1], base[:-1], base[:-1] + middle), base[-1])
    zero = np.zeros_like(on)
    rate = np.append(_woven(zero, zero, 1.875 * end / swing), 0.0)
    return hermite(knots, value, rate)


def ringing(traits: ShoeTraits, feet: FootSteps, side: float, time_s: Floats, index: Floats) -> tuple[Floats, Floats]:
    """Return the transient's specific force (n, 3) and pitch-rate ripple (n,) of the latest contact."""
    which = index.astype(np.intp)
    since = time_s - feet.onset_s[which]
    near = np.flatnonzero(since < 12 * traits.ring_decay_s)
    age, size = since[near], feet.shock_m_s2[which[near]]
    fade = size * np.exp(-age / traits.ring_decay_s) * -np.expm1(-age / RISE_S)
    turn = 2 * np.pi * traits.ring_hz * age
    force, ripple = np.zeros((time_s.size, 3)), np.zeros(time_s.size)
    force[near, 0] = -0.45 * fade * np.sin(0.7 * turn)
    force[near, 1] = -0.18 * side * fade * np.sin(1.3 * turn)
    force[near, 2] = 1.5 * fade * np.sin(turn)
    ripple[near] = 0.03 * fade * np.sin(0.85 * turn)
    return force, ripple


def shoe_signals(traits: ShoeTraits, feet: FootSteps, *, side: float, time_s: Floats) -> tuple[Floats, Floats]:
    """Return the ideal IMU's specific force (m/s^2) and angular rate (rad/s), each (n, 3).

    ``side`` is +1 for the left foot, whose lateral side is +Y. Angles are intrinsic yaw, pitch, roll from the
    ground's own axes; the ground leans by the slope, so gravity has a part along X. A belt moves at a constant
    speed, so a shoe on it feels what a shoe on the road feels.
    """
    feet = padded(feet)
    swing = np.diff(feet.onset_s)
    still = np.zeros_like(swing)
    pitch = pitch_path(traits, feet)
    stride = traits.speed_m_s * swing
    forward = swing_path(feet, 0.5 * stride, stride, at=0.5).derivative(2)(time_s)
    upward = swing_path(feet, still + traits.clearance_m, still, at=0.4).derivative(2)(time_s)
    sideways = swing_path(feet, still + 0.02 * side, still, at=0.5).derivative(2)(time_s)
    roll, yaw = _tilt(feet, -0.09 * side), _tilt(feet, 0.06 * side)
    index = np.clip(np.searchsorted(feet.onset_s, time_s, side="right") - 1, 0, feet.onset_s.size - 1)
    turn = pitch.derivative()(time_s)
    slap = (time_s - feet.onset_s[index]) < np.minimum(SLAP_S, 0.35 * (feet.off_s - feet.onset_s))[index]
    lever = np.where(slap & (feet.land_rad[index] < 0), -HEEL_LEVER_M, TOE_LEVER_M)
    world = (
        forward + GRAVITY * np.sin(traits.slope_rad),
        sideways,
        upward + GRAVITY * np.cos(traits.slope_rad),
    )
    angles = (yaw(time_s), pitch(time_s), roll(time_s))
    rates = (yaw.derivative()(time_s), turn, roll.derivative()(time_s))
    force = _into_shoe(world, angles)
    force[:, 0] += lever * turn**2
    force[:, 2] += lever * pitch.derivative(2)(time_s)
    shake, ripple = ringing(traits, feet, side, time_s, index.astype(np.float64))
    rate = _body_rate(rates, angles)
    rate[:, 1] += ripple
    return force + shake, rate


def _tilt(feet: FootSteps, amount: float) -> PPoly:
    """Return roll or yaw: ``amount`` at contact, gone by foot flat, reversed a little at push-off."""
    on, off = feet.onset_s[:-1], feet.off_s[:-1]
    contact, zero = off - on, np.zeros_like(on)
    knots = _woven(on, on + np.minimum(SLAP_S, 0.35 * contact), on + 0.55 * contact, off)
    value = _woven(zero + amount, zero, zero, zero - 0.6 * amount)
    knots, value = np.append(knots, feet.onset_s[-1]), np.append(value, amount)
    return hermite(knots, value, np.zeros_like(knots))


def _into_shoe(world: tuple[Floats, Floats, Floats], angles: tuple[Floats, Floats, Floats]) -> Floats:
    """Return the vector in the shoe's axes: turn by yaw about Z, pitch about Y, roll about X."""
    x, y, z = world
    (cy, cp, cr), (sy, sp, sr) = (tuple(f(angle) for angle in angles) for f in (np.cos, np.sin))
    x, y = cy * x + sy * y, cy * y - sy * x
    x, z = cp * x - sp * z, sp * x + cp * z
    y, z = cr * y + sr * z, cr * z - sr * y
    return np.stack([x, y, z], axis=1)


def _body_rate(rates: tuple[Floats, Floats, Floats], angles: tuple[Floats, Floats, Floats]) -> Floats:
    """Return the angular rate in the shoe's axes from yaw, pitch and roll rates."""
    yaw, pitch, roll = rates
    cp, cr, sp, sr = np.cos(angles[1]), np.cos(angles[2]), np.sin(angles[1]), np.sin(angles[2])
    return np.stack([roll - sp * yaw, cr * pitch + sr * cp * yaw, cr * cp * yaw - sr * pitch], axis=1)
