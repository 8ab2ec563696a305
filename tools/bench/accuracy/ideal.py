"""Signals of sensors without faults: the true load under every cell and the shoe's true motion."""

from __future__ import annotations

import numpy as np

from grfkit.arrays import Floats
from grfkit.simulate.imu import shoe_motion
from grfkit.simulate.insole import cell_loads
from grfkit.simulate.settings import default_settings
from grfkit.simulate.world import World

CELLS = tuple(f"cell_{cell + 1:02d}" for cell in range(16))
MOTION = ("acc_x", "acc_y", "acc_z", "gyro_x", "gyro_y", "gyro_z")
CHANNELS = (*CELLS, *MOTION)
UNITS = (*("N",) * len(CELLS), *("m/s^2",) * 3, *("rad/s",) * 3)
_STILL = (0.0, 0.0)


def ideal_signals(world: World, time_s: Floats, *, left: bool) -> Floats:
    """Return one foot's :data:`CHANNELS` as they truly are at these instants, shape (times, 22).

    No gain, dead cell, sluggishness, hysteresis, creep, saturation, preload, rounding, noise, bias, mounting, jitter,
    delay, lost sample or clock lies between the foot and these values: cells in N (their sum is the foot's vertical
    force), specific force in m/s^2 and angular rate in rad/s along the shoe (X forward, Y left, Z up when flat).

    Parameters
    ----------
    world
        Of :func:`~grfkit.simulate.lab.simulate_world`, or of a trial's truth.
    time_s
        Shape (times,), increasing, s on the reference clock.
    """
    settings = default_settings()
    insole = settings.insole.model_copy(update={"on_jitter_ms": _STILL, "off_jitter_ms": _STILL})
    motion = settings.imu.model_copy(update={"onset_jitter_ms": _STILL})
    # jitter is all that is drawn from it, and that is 0
    unused = np.random.default_rng(0)
    at = np.asarray(time_s, dtype=np.float64)
    loads = cell_loads(unused, insole, world, at, left=left)
    force, turn = shoe_motion(unused, motion, world, at, left=left)
    return np.concatenate([loads, force, turn], axis=1)
