"""Roll-over of the spline family: when each of the 16 insole cells is loaded, and by how much."""

from __future__ import annotations

import numpy as np

from ..arrays import Floats
from .family import CELL_X_MM, CELL_Y_MM
from .splines_settings import Draw

REGION_EDGES_MM = (40.0, 75.0, 150.0, 200.0)  # rear heel, front heel, arch, ball, toes; chosen
MEDIAL_ARCH_GAIN = 0.3  # the vault barely touches; chosen
FLOOR = 1e-4  # laces and sock press a little on every cell; chosen


def cell_plan(rng: np.random.Generator, draw: Draw, strike: float, bias: float) -> Floats:
    """Return one foot's plan, shape (3, 16): onset phase, release phase and gain of each cell.

    Times interpolate between the rearfoot and forefoot tables with ``strike``; within a region cells
    farther forward load later, lateral cells a little earlier than medial ones (the foot lands on its
    outer border). ``bias`` is the log ratio of medial to lateral load at 25 mm off the axis.
    """
    x, y = np.array(CELL_X_MM), np.array(CELL_Y_MM)
    region = np.searchsorted(REGION_EDGES_MM, y)
    table, value = draw.table, draw.value
    on = ((1 - strike) * table["cell_on"] + strike * table["cell_on_fore"])[region]
    on = on - 0.0012 * x + 0.01 * rng.standard_normal(16)
    off = table["cell_off"][region] - 0.0006 * x + 0.01 * rng.standard_normal(16)
    gain = table["cell_gain"][region] * np.exp(value["cell_gain_sd"] * rng.standard_normal(16))
    gain *= np.exp(-bias * x / 25)
    gain = np.where((region == 2) & (x < 0), gain * MEDIAL_ARCH_GAIN, gain)
    heel_fade = np.where(region < 2, 1 - 0.6 * strike, 1.0)
    return np.stack([on, off, gain * heel_fade])


def shares(plan: Floats, phase: Floats, shift: float, sharpness: float) -> Floats:
    """Return each cell's share of the vertical force, shape (phases, 16); rows sum to one.

    A cell ramps up at its onset and down at its release, logistic ramps of width ``sharpness`` in phase.
    """
    p = np.clip(phase, 0.0, 1.0)[:, None] - shift
    up = 1 + np.exp(np.clip((plan[0] - p) / sharpness, -40, 40))
    down = 1 + np.exp(np.clip((p - plan[1]) / sharpness, -40, 40))
    weight = plan[2] / (up * down) + FLOOR
    share: Floats = weight / weight.sum(axis=1, keepdims=True)
    return share
