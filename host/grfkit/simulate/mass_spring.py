"""The mass-spring family of contact shapes (``A``): runners' half-sine with an impact transient, walkers' M-shape.

Numbers in the laws below (of speed, slope and strike) are assumptions, chosen by hand to look like people at usual
speeds; ranges that are drawn from are in ``settings.toml``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from ..units import G
from .family import CELL_X_MM, CELL_Y_MM, Family, Person, Situation, Steps
from .noise import ar1
from .settings import Settings, StepRanges, default_settings, draw

_STEADY_CV_PERCENT = 0.3
"""CV of step time (%) below which a person keeps pace like a machine: no drift, no asymmetry, no changes of speed.
Chosen by hand, between a metronome's 0.1 and the least of people's, 1."""
_X = np.asarray(CELL_X_MM)
_Y = np.asarray(CELL_Y_MM)


class MassSpringFamily:
    """People as mass-spring runners and three-sine walkers; ``ranges`` say how their steps vary."""

    def __init__(self, ranges: StepRanges) -> None:
        self.name = "A"
        self.ranges = ranges

    def person(self, rng: np.random.Generator, situation: Situation) -> Person:
        """Return a person drawn from this family."""
        return _draw_person(rng, situation, self.ranges)


def mass_spring_family(settings: Settings | None = None) -> Family:
    """Return the mass-spring family with its ranges from ``settings``."""
    return MassSpringFamily((settings or default_settings()).steps)


@dataclass(frozen=True)
class MassSpringPerson:
    """A person of the mass-spring family.

    Attributes
    ----------
    strike
        0 forefoot to 1 rearfoot: attack and height of the impact, and where the load begins.
    """

    situation: Situation
    ranges: StepRanges
    step_s: float
    contact_s: float
    asymmetry: float
    strike: float
    impact_bw: float
    impact_s: float
    skew: float
    braking_bw: float
    medial_bw: float
    walk: tuple[float, float, float, float]
    roll: tuple[float, float, float]
    cell_weight: Floats
    toe_off_rad: float
    ring_hz: float
    ring_s: float
    shock_m_s2: float

    def steps(self, rng: np.random.Generator) -> Steps:
        """Return the contacts over the situation's whole duration."""
        now, ranges = self.situation, self.ranges
        # enough steps for a person who speeds up all the time; what is too many is cut below
        count = int(now.duration_s / (0.8 * self.step_s)) + 8
        cv = now.step_cv_percent / 100
        steady = now.step_cv_percent < _STEADY_CV_PERCENT
        speed = np.zeros(count) if steady else _speed_changes(rng, count, self.step_s, ranges)
        left = (np.arange(count) + int(rng.integers(2))) % 2 == 0
        wander = _variability(rng, count, cv, ranges)
        # half to each side, so that a stride keeps its length
        side = np.where(left, 1.0, -1.0) * (0.0 if steady else self.asymmetry / 2)
        interval = self.step_s * (1 - 0.3 * speed) * np.exp(wander + side)
        onset = np.concatenate([[0.0], np.cumsum(interval[:-1])]) + self.step_s * float(rng.random())
        jitter = rng.normal(0, ranges.contact_cv_percent / 100, count)
        contact = self.contact_s * (1 - 0.6 * speed) * np.exp(jitter + 0.3 * wander - side)
        variation = _vary(rng, count, ranges.peak_cv_percent / 100)
        keep = onset < now.duration_s
        return Steps(onset[keep], contact[keep], left[keep], variation[keep])

    def force_bw(self, steps: Steps, index: int, phase: Floats) -> Floats:
        """Return force on the person in body weights, (phases, 3): X forward, Y left, Z up."""
        p = np.clip(np.asarray(phase, dtype=np.float64), 0.0, 1.0)
        contact = _ContactShape(float(steps.contact_s[index]), steps.variation[index])
        force = np.empty((p.size, 3))
        force[:, 2] = (
            self._run_vertical(p, contact) if self.situation.gait == "run" else self._walk_vertical(p, contact)
        )
        force[:, 0] = self._forward(p, contact)
        outward = 1.0 if steps.left[index] else -1.0
        force[:, 1] = -outward * self._medial(p, contact)
        inside = (phase >= 0) & (phase <= 1)
        return np.asarray(np.where(inside[:, None], force, 0.0))

    def load_share(self, steps: Steps, index: int, phase: Floats) -> Floats:
        """Return each of 16 cells' share of the vertical force, (phases, 16), rows sum to 1."""
        p = np.clip(np.asarray(phase, dtype=np.float64), 0.0, 1.0)
        start, slow, width = self.roll
        where = start + (232 - start) * p**slow + 6 * steps.variation[index, 3]
        spread = width * (1 + 0.5 * np.sin(np.pi * p))
        lean = 7 * np.cos(np.pi * np.clip(1.3 * p, 0, 1)) + 2 * steps.variation[index, 4]
        along = (_Y[None, :] - where[:, None]) / spread[:, None]
        across = (_X[None, :] - lean[:, None]) / 30.0
        # 1e-9: far from the centre all weights underflow, and their share would be 0 / 0
        weight = np.exp(-(along**2) - across**2) * self.cell_weight + 1e-9
        return np.asarray(weight / weight.sum(axis=1, keepdims=True))

    def shoe_motion(self, steps: Steps, left: bool, time_s: Floats) -> tuple[Floats, Floats]:
        """Return an ideal shoe IMU's specific force (m/s^2) and angular rate (rad/s), (n, 3) each."""
        return shoe_motion(self, steps, left, np.asarray(time_s, dtype=np.float64))

    def _run_vertical(self, p: Floats, contact: _ContactShape) -> Floats:
        # over a step the mean force is body weight: what the transient holds, the half-sine leaves
        impact = self.impact_bw * np.exp(contact.variation[1] * 3)
        t = p * contact.contact_s / self.impact_s
        transient = impact * t**3 * np.exp(3 * (1 - t)) * (1 - p)
        # of the kernel without its fade to toe-off: a little too much, which the balance takes back
        area = impact * self.impact_s * _TRANSIENT_AREA
        stride_share = self.step_s * np.exp(contact.variation[2])
        peak = (stride_share - area) / contact.contact_s * np.pi / 2
        shape: Floats = transient + peak * np.sin(np.pi * p**self.skew)
        return np.asarray(np.maximum(shape * (1 + contact.variation[0] - contact.variation[2]), 0.0))

    def _walk_vertical(self, p: Floats, contact: _ContactShape) -> Floats:
        first, second, third, fifth = self.walk
        uneven = second * (1 + 10 * contact.variation[1])
        shape = first * np.sin(np.pi * p) + uneven * np.sin(2 * np.pi * p)
        shape = shape + third * (1 + 2 * contact.variation[2]) * np.sin(3 * np.pi * p) + fifth * np.sin(5 * np.pi * p)
        knock = self.impact_bw * np.exp(-(((p - 0.05) / 0.018) ** 2)) * p * 20
        return np.asarray(np.maximum((shape + 0.25 * knock * self.strike) * (1 + contact.variation[0]), 0.0))

    def _forward(self, p: Floats, contact: _ContactShape) -> Floats:
        brake = self.braking_bw * (1 + 2 * contact.variation[5])
        wave = -brake * np.sin(2 * np.pi * p ** (0.95 if self.situation.gait == "run" else 1.05))
        early = 0.25 * brake * self.strike * np.exp(-(((p - 0.12) / 0.035) ** 2))
        return np.asarray((wave + early) * np.sqrt(np.sin(np.pi * p).clip(0)))

    def _medial(self, p: Floats, contact: _ContactShape) -> Floats:
        push = self.medial_bw * (1 + 0.25 * contact.variation[4])
        outward = 0.7 * self.medial_bw * np.exp(-(((p - 0.08) / 0.05) ** 2)) * np.sin(np.pi * p) * 4
        return np.asarray(push * np.sin(np.pi * p) ** 0.8 - outward)


@dataclass(frozen=True)
class _ContactShape:
    contact_s: float
    variation: Floats


_TRANSIENT_AREA = 1.49
"""Integral of t^3 exp(3 (1 - t)) over t >= 0."""


def _draw_person(rng: np.random.Generator, now: Situation, ranges: StepRanges) -> MassSpringPerson:
    """Return a person: laws of speed ``v`` and slope, each with a spread between people."""
    run = now.gait == "run"
    v = now.speed_m_s
    step = (0.365 - 0.012 * (v - 3)) if run else (0.545 - 0.12 * (v - 1.3))
    step *= float(np.exp(rng.normal(0, 0.045))) * (1 - 0.002 * now.slope_percent)
    duty = np.clip(0.335 - 0.03 * (v - 3) + rng.normal(0, 0.02), 0.25, 0.42)
    contact = 2 * step * duty if run else 2 * step * (0.625 - 0.03 * (v - 1.3) + rng.normal(0, 0.008))
    strike = float(rng.beta(1.6, 0.8))
    scale = 2 * step / contact if not run else 1.0
    brake = (0.09 * v if run else 0.14 * v) * float(np.exp(rng.normal(0, 0.12)))
    return MassSpringPerson(
        situation=now,
        ranges=ranges,
        step_s=step,
        contact_s=float(contact),
        asymmetry=draw(rng, ranges.asymmetry_percent) / 100,
        strike=strike,
        impact_bw=float((0.25 + 0.75 * strike) * (0.35 + 0.26 * (v - 1)) * np.exp(rng.normal(0, 0.15))),
        impact_s=float(0.030 - 0.008 * strike + rng.normal(0, 0.002)),
        skew=float(rng.uniform(0.92, 1.08)),
        braking_bw=float(brake),
        medial_bw=float(rng.uniform(0.02, 0.08)),
        walk=(
            float(scale * rng.uniform(0.68, 0.71)),
            float(rng.uniform(-0.03, 0.06)),
            float((0.16 + 0.16 * v) * rng.uniform(0.85, 1.15)),
            float(rng.uniform(0.0, 0.05)),
        ),
        roll=(150 - 145 * strike, float(rng.uniform(0.6, 0.85)), float(rng.uniform(48, 62))),
        cell_weight=np.exp(rng.normal(0, 0.2, 16)),
        toe_off_rad=float(rng.uniform(0.9, 1.25)),
        ring_hz=float(rng.uniform(22, 40)),
        ring_s=float(rng.uniform(0.012, 0.03)),
        shock_m_s2=float((rng.uniform(90, 260) if run else rng.uniform(30, 80)) * (0.6 + 0.4 * strike)),
    )


def _variability(rng: np.random.Generator, count: int, cv: float, ranges: StepRanges) -> Floats:
    """Return log step-time deviations of SD ``cv``: white and AR(1), plus a slow drift."""
    white = rng.normal(0, 1, count) * np.sqrt(ranges.white_share)
    slow = ar1(rng, count, ranges.ar_coefficient) * np.sqrt(1 - ranges.white_share)
    drift = rng.normal(0, ranges.drift_percent_per_min / 100) * np.arange(count) / 150
    return np.asarray(cv * (white + slow) + drift * (cv > _STEADY_CV_PERCENT / 100))


def _vary(rng: np.random.Generator, count: int, peak_cv: float) -> Floats:
    """Return per-contact deviations: peak, impact, share, place along, place across, braking (SDs differ)."""
    scale = np.asarray([peak_cv, 0.05, peak_cv / 2, 1.0, 1.0, peak_cv])
    slow = ar1(rng, count, 0.6, 6)
    return np.asarray(scale * (0.8 * rng.normal(0, 1, (count, 6)) + 0.6 * slow))


def _speed_changes(rng: np.random.Generator, count: int, step_s: float, ranges: StepRanges) -> Floats:
    """Return relative speed against the mean, per step: half of the people change it now and then."""
    if rng.random() >= ranges.speed_change_share:
        return np.zeros(count)
    time = np.arange(count) * step_s
    speed = np.zeros(count)
    for _ in range(1 + int(rng.poisson(draw(rng, ranges.speed_changes_per_min) * time[-1] / 60))):
        start, ramp = rng.uniform(0, time[-1]), draw(rng, ranges.speed_ramp_s)
        change = draw(rng, ranges.speed_change_percent) / 100
        speed += (change - 0.7 * np.interp(start, time, speed)) * np.clip((time - start) / ramp, 0, 1)
    return np.asarray(np.clip(speed, -0.15, 0.15))


_LONGEST_SWING_S = 1.4
"""Longest swing (s); in longer ones the foot rests. Chosen by hand."""
_RINGING_S = 0.16
"""Time (s) after contact in which the shoe rings: five decay times of the longest. Chosen by hand."""


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


def shoe_motion(person: MassSpringPerson, steps: Steps, left: bool, time_s: Floats) -> tuple[Floats, Floats]:
    """Return specific force (m/s^2) and angular rate (rad/s) of one shoe, shapes (n, 3)."""
    indices = np.flatnonzero(steps.left == left)
    if not indices.size:
        return np.tile([0.0, 0.0, G], (time_s.size, 1)), np.zeros((time_s.size, 3))
    cycle = _cycle(steps, indices, time_s)
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


def _cycle(steps: Steps, indices: NDArray[np.int64], time_s: Floats) -> _Cycle:
    """Return where each instant lies in the strides of one foot, with a stride added before and after them."""
    onset, contact = steps.onset_s[indices], steps.contact_s[indices]
    stride = float(np.median(np.diff(onset))) if indices.size > 1 else 1.0
    # so that times before the first and after the last contact lie in a stride, too
    onset = np.concatenate([[onset[0] - stride], onset, [onset[-1] + stride]])
    contact = np.concatenate([contact[:1], contact, contact[-1:]])
    strength = 1 + 3 * steps.variation[indices, 1]
    strength = np.concatenate([strength[:1], strength, strength[-1:]])
    at = np.clip(np.searchsorted(onset, time_s, side="right") - 1, 0, onset.size - 2)
    since = time_s - onset[at]
    contact_s = contact[at]
    swing_s = np.maximum(onset[at + 1] - onset[at] - contact_s, 0.05)
    still = swing_s > _LONGEST_SWING_S
    in_stance = ((since <= contact_s) | still).astype(np.float64)
    stance = np.where(still & (since > contact_s), 0.35, np.clip(since / contact_s, 0, 1))
    swing = np.clip((since - contact_s) / swing_s, 0, 1)
    return _Cycle(in_stance, stance, swing, contact_s, swing_s, since, strength[at])


def _pitch(person: MassSpringPerson, c: _Cycle) -> tuple[Floats, Floats]:
    """Return pitch (rad, toe down positive) and its rate; slope is continuous at toe-off and contact."""
    # radians: heel strikers land with the toes up, forefoot strikers with them a little down
    land = -0.35 * person.strike + 0.10 * (1 - person.strike)
    lift = person.toe_off_rad
    flat = np.clip(c.stance / 0.16, 0, 1)
    rise = np.clip((c.stance - 0.45) / 0.55, 0, 1)
    grounded = land * (1 - flat * flat * (3 - 2 * flat)) + lift * rise**1.5
    grounded_rate = (-land * 6 * flat * (1 - flat) / 0.16 + lift * 1.5 * np.sqrt(rise) / 0.55) / c.contact_s
    u = c.swing
    start_slope = lift * 1.5 / 0.55 * c.swing_s / c.contact_s
    turn = u**3 - 2 * u**2 + u
    free = lift + (land - lift) * u * u * (3 - 2 * u) + start_slope * turn
    free_rate = ((land - lift) * 6 * u * (1 - u) + start_slope * (3 * u**2 - 4 * u + 1)) / c.swing_s
    on_ground = c.in_stance > 0
    return np.where(on_ground, grounded, free), np.where(on_ground, grounded_rate, free_rate)


def _travel(person: MassSpringPerson, c: _Cycle) -> tuple[Floats, Floats]:
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


def _ringing(person: MassSpringPerson, c: _Cycle, outward: float) -> Floats:
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
