"""Shoe IMUs: an ideal motion, mounted askew, with bias, noise, rounding and a limited range."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..arrays import Floats
from ..records import Channel
from ..units import G
from .rest import Rest
from .sampling import Sampling
from .settings import ImuRanges, draw
from .world import World

_SHOCK_S = 0.2
"""Time (s) after a landing in which the shoe rings: six decay times of the longest. Chosen by hand."""
_MOST_EARLY_S = 0.006
"""Most (s) that an impact comes early or late: chosen by hand, four SDs of the largest jitter."""


def imu_channels(
    rng: np.random.Generator, ranges: ImuRanges, world: World, sampling: Sampling, *, left: bool
) -> list[Channel]:
    """Return ``acc_*`` (m/s^2) and ``gyro_*`` (rad/s) in the sensor's frame."""
    force, turn = shoe_motion(rng, ranges, world, sampling.world_s, left=left)
    mount = _mount(rng, ranges)
    # a rate of turning is an axial vector: under a mirrored mounting it keeps its sense, and its sign turns
    handed = float(np.sign(np.linalg.det(mount)))
    force, turn = _turned(force, mount), handed * _turned(turn, mount)
    noise = rng.standard_normal((force.shape[0], 6), dtype=np.float32)
    force = force + rng.normal(0, ranges.acc_bias_m_s2, 3) + noise[:, :3] * ranges.acc_noise_m_s2
    turn = turn + rng.normal(0, ranges.gyro_bias_rad_s, 3) + noise[:, 3:] * ranges.gyro_noise_rad_s
    force = _digitise(force, ranges.range_g * G)
    turn = _digitise(turn, float(np.deg2rad(ranges.gyro_range_deg_s)))
    received = sampling.received
    axes = "xyz"
    return [Channel(f"acc_{axes[k]}", force[received, k], "m/s^2", "sensor") for k in range(3)] + [
        Channel(f"gyro_{axes[k]}", turn[received, k], "rad/s", "sensor") for k in range(3)
    ]


def shoe_motion(
    rng: np.random.Generator, ranges: ImuRanges, world: World, time_s: Floats, *, left: bool
) -> tuple[Floats, Floats]:
    """Return the shoe's motion before any sensor, along the shoe: specific force (m/s^2) and rate (rad/s), (n, 3).

    Impacts come early or late by the range's onset jitter.
    """
    steps = world.steps
    jitter = rng.normal(0, draw(rng, ranges.onset_jitter_ms) * 1e-3, steps.onset_s.size)
    # the foot's impact and the plate's threshold are not the same instant
    moved = replace(steps, onset_s=steps.onset_s + np.clip(jitter, -_MOST_EARLY_S, _MOST_EARLY_S))
    if steps.onset_s.size:
        force, turn = world.person.shoe_motion(moved, left, time_s)
        force, turn = np.array(force), np.array(turn)
    else:
        force, turn = np.tile([0.0, 0.0, G], (time_s.size, 1)), np.zeros((time_s.size, 3))
    for rest in world.rests:
        _add_rest(rng, rest, time_s, force, turn)
    return force, turn


def _add_rest(rng: np.random.Generator, rest: Rest, time_s: Floats, force: Floats, turn: Floats) -> None:
    """Put a still foot into a rest, weightless in flight, with a shock at each landing."""
    at = slice(*np.searchsorted(time_s, [rest.start_s, rest.end_s]))
    time = time_s[at]
    force[at] = [0.0, 0.0, G]
    turn[at] = 0.0
    for jump in rest.jumps:
        air = (time >= jump.take_off_s) & (time < jump.landing_s)
        # views of the rest's samples, so that this writes into the arrays given
        force[at][air] = [0.0, 0.0, 0.3]
        turn[at][air, 1] = 3.0 * np.cos(np.pi * (time[air] - jump.take_off_s) / (jump.landing_s - jump.take_off_s))
        since = time - jump.landing_s
        near = (since >= 0) & (since < _SHOCK_S)
        hz, decay, shock = rng.uniform(22, 40), rng.uniform(0.012, 0.03), rng.uniform(60, 140)
        wave = shock * np.exp(-since[near] / decay) * np.sin(2 * np.pi * hz * since[near])
        force[at][near] += wave[:, None] * np.asarray([-0.4, 0.15, 1.0])


def _mount(rng: np.random.Generator, ranges: ImuRanges) -> Floats:
    """Return a rotation by small random angles with the sign of each axis at random (maybe left-handed)."""
    from scipy.spatial.transform import Rotation

    tilt = Rotation.from_rotvec(np.deg2rad(rng.normal(0, ranges.mount_tilt_deg, 3))).as_matrix()
    return np.asarray(np.diag(rng.choice([-1.0, 1.0], 3)) @ tilt)


def _turned(values: Floats, mount: Floats) -> Floats:
    """Return ``values @ mount.T``, column by column: a matrix library's threads cost more than they save."""
    turned = np.empty_like(values)
    for axis in range(3):
        turned[:, axis] = values[:, 0] * mount[axis, 0]
        turned[:, axis] += values[:, 1] * mount[axis, 1]
        turned[:, axis] += values[:, 2] * mount[axis, 2]
    return turned


def _digitise(values: Floats, limit: float) -> Floats:
    # 16 bits, as the sensors have
    step = limit / 2**15
    return np.asarray(np.clip(np.round(values / step), -(2**15), 2**15 - 1) * step)
