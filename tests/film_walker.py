"""A walker of sines for the tests of rendered films."""

from __future__ import annotations

import numpy as np

from grfkit.simulate.film.motion import INNER, KEYPOINTS, FilmedBody

STRIDE_S, SPEED_M_S = 1.0, 1.2


def stick_walker(duration_s: float = 1.7) -> FilmedBody:
    """Return a body whose limbs swing as sines, 1.2 m/s along X."""
    time = np.arange(round(duration_s * 100)) / 100.0
    phase = 2 * np.pi * time / STRIDE_S
    heights = {
        "nose": 1.62, "ear": 1.62, "head": 1.65, "neck": 1.45, "shoulder": 1.40, "elbow": 1.12, "wrist": 0.88,
        "hand": 0.80, "hip": 0.90, "knee": 0.48, "ankle": 0.08, "heel": 0.03, "ball": 0.03, "toe": 0.02,
    }  # fmt: skip
    swing = {
        "elbow": -0.05,
        "wrist": -0.15,
        "hand": -0.2,
        "knee": 0.15,
        "ankle": 0.3,
        "heel": 0.3,
        "ball": 0.3,
        "toe": 0.3,
    }
    ahead = {"nose": 0.12, "ear": 0.02, "head": 0.03, "heel": -0.05, "ball": 0.13, "toe": 0.2}
    points = {}
    for name in (*KEYPOINTS, *INNER):
        part, _, side = name.partition("_")
        sign = {"left": 1.0, "right": -1.0}.get(side, 0.0)
        x = SPEED_M_S * time + ahead.get(part, 0.0) + sign * swing.get(part, 0.0) * np.sin(phase)
        lift = 0.05 * np.maximum(0.0, sign * np.cos(phase)) if part in ("ankle", "heel", "ball", "toe") else 0.0
        points[name] = np.stack([x, np.full(time.size, 0.1 * sign), heights[part] + lift * np.ones(time.size)], axis=1)
    return FilmedBody(time, points, 1.75, "sines", (0.0, float(time[-1])))
