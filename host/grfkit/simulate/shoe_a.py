"""Shoe motion of family A: foot pitch, swing, and the ringing of an impact, for a whole record at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..units import G
from .family import Floats, Steps

if TYPE_CHECKING:
    from .family_a import PersonA

_LONGEST_SWING_S = 1.4
_RINGING_S = 0.16


@dataclass(frozen=True)
class _Cycle:
    """Where each instant lies: in stance (``stance`` in [0, 1]) or in swing (``swing`` in (0, 1])."""

    in_stance: Floats
    stance: Floats
    swing: Floats
    contact_s: Floats
    swing_s: Floats
    since_onset_s: Floats
    strength: Floats


def shoe_motion(person: PersonA, steps: Steps, left: bool, time_s: Floats) -> tuple[Floats, Floats]:
    """Return specific force (m/s^2) and angular rate (rad/s) of one shoe, shapes (n, 3)."""
    own = np.flatnonzero(steps.left == left)
    if not own.size:
        return np.tile([0.0, 0.0, G], (time_s.size, 1)), np.zeros((time_s.size, 3))
    cycle = _cycle(steps, own, time_s)
    pitch, rate = _pitch(person, cycle)
    forward, up = _travel(person, cycle)
    up = up + G
    cosine, sine = np.cos(pitch), np.sin(pitch)
    force = np.empty((time_s.size, 3))
    force[:, 0] = forward * cosine - up * sine
    force[:, 2] = forward * sine + up * cosine
    sway = np.sin(np.pi * cycle.swing) * (1 - cycle.in_stance)
    outward = 1.0 if left else -1.0
    force[:, 1] = outward * 4.0 * np.sin(2 * np.pi * cycle.swing) * sway
    force += _ringing(person, cycle, outward)
    turn = np.stack([0.18 * outward * rate * sway + 0.1 * outward * rate, rate, 0.12 * outward * rate], axis=1)
    return force, turn


def _cycle(steps: Steps, own: NDArray[np.int64], time_s: Floats) -> _Cycle:
    onset, contact = steps.onset_s[own], steps.contact_s[own]
    stride = float(np.median(np.diff(onset))) if own.size > 1 else 1.0
    onset = np.concatenate([[onset[0] - stride], onset, [onset[-1] + stride]])
    contact = np.concatenate([contact[:1], contact, contact[-1:]])
    strength = 1 + 3 * steps.variation[own, 1]
    strength = np.concatenate([strength[:1], strength, strength[-1:]])
    at = np.clip(np.searchsorted(onset, time_s, side="right") - 1, 0, onset.size - 2)
    since = time_s - onset[at]
    held = contact[at]
    swing_s = np.maximum(onset[at + 1] - onset[at] - held, 0.05)
    still = swing_s > _LONGEST_SWING_S
    in_stance = ((since <= held) | still).astype(np.float64)
    stance = np.where(still & (since > held), 0.35, np.clip(since / held, 0, 1))
    swing = np.clip((since - held) / swing_s, 0, 1)
    return _Cycle(in_stance, stance, swing, held, swing_s, since, strength[at])


def _pitch(person: PersonA, c: _Cycle) -> tuple[Floats, Floats]:
    """Return pitch (rad, toe down positive) and its rate; slope is continuous at toe-off and contact."""
    land = -0.35 * person.strike + 0.10 * (1 - person.strike)
    lift = person.toe_off_rad
    flat = np.clip(c.stance / 0.16, 0, 1)
    rise = np.clip((c.stance - 0.45) / 0.55, 0, 1)
    held = land * (1 - flat * flat * (3 - 2 * flat)) + lift * rise**1.5
    held_rate = (-land * 6 * flat * (1 - flat) / 0.16 + lift * 1.5 * np.sqrt(rise) / 0.55) / c.contact_s
    u = c.swing
    start_slope = lift * 1.5 / 0.55 * c.swing_s / c.contact_s
    turn = u**3 - 2 * u**2 + u
    free = lift + (land - lift) * u * u * (3 - 2 * u) + start_slope * turn
    free_rate = ((land - lift) * 6 * u * (1 - u) + start_slope * (3 * u**2 - 4 * u + 1)) / c.swing_s
    on_ground = c.in_stance > 0
    return np.where(on_ground, held, free), np.where(on_ground, held_rate, free_rate)


def _travel(person: PersonA, c: _Cycle) -> tuple[Floats, Floats]:
    """Return acceleration of the shoe forward and up (m/s^2), gravity not included."""
    run = person.situation.gait == "run"
    length = person.situation.speed_m_s * (c.contact_s + c.swing_s)
    u, swinging = c.swing, 1 - c.in_stance
    forward = 2 * length / c.swing_s * np.pi / c.swing_s * np.sin(2 * np.pi * u**0.9) * swinging
    height = 0.28 if run else 0.12
    up = 16 * height / c.swing_s**2 * (2 - 12 * u + 12 * u * u) * swinging
    heel = np.clip((c.stance - 0.5) / 0.5, 0, 1)
    rising = (14.0 if run else 4.0) * np.sin(np.pi * heel) * c.in_stance
    return forward + 0.6 * rising, up + rising


def _ringing(person: PersonA, c: _Cycle, outward: float) -> Floats:
    """Return the impact transient and its ringing (m/s^2), within 0.16 s of contact."""
    ring = np.zeros((c.stance.size, 3))
    near = np.flatnonzero((c.since_onset_s >= 0) & (c.since_onset_s < _RINGING_S))
    t = c.since_onset_s[near]
    wave = person.shock_m_s2 * c.strength[near] * np.exp(-t / person.ring_s)
    angle = 2 * np.pi * person.ring_hz * t
    ring[near, 2] = wave * np.sin(angle)
    ring[near, 0] = -0.55 * wave * np.sin(1.15 * angle)
    ring[near, 1] = 0.25 * outward * wave * np.sin(0.85 * angle)
    return ring
