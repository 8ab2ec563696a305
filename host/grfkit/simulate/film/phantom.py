"""The phantom before a camera: its legs as its contacts and forces move them, with a trunk, a head and arms added.

Pelvis and legs are those of the simulated landmarks (``simulate/body.py``): the centre of mass follows from the force
by integrating twice, feet stay where they touch, knees are geometry. Trunk, head and arms are invented: the trunk is
upright, an arm swings with the other leg. No person walks exactly so.
"""

from __future__ import annotations

import numpy as np

from ...arrays import Floats
from ..body import LANDMARKS
from ..truth import Truth
from .anatomy import head_points, toe_tip
from .motion import SIDES, FilmedBody

# heights above the pelvis's point, at .52 of stature, and lengths of the arm, as shares of stature (Drillis and
# Contini, in Winter, Biomechanics and Motor Control, 4th ed., fig. 4.1); shoulders less the joints' depth
_SHOULDER, _VERTEBRA = 0.298, 0.325
_HALF_SHOULDERS, _UPPER_ARM, _FOREARM, _HAND = 0.110, 0.186, 0.146, 0.070
_SWING = 0.9
"""Arm's angle for the angle of the other leg. Chosen by hand."""
_ELBOW_RAD = {"walk": 0.35, "run": 1.45}
"""How far the elbow is bent. Chosen by hand."""
_LEAN_RAD = {"walk": 0.03, "run": 0.09}
"""How far the trunk leans forward. Chosen by hand."""


def phantom_body(truth: Truth, time_s: Floats) -> FilmedBody:
    """Return the simulated person as a body that can be filmed, at these times of the reference clock."""
    now, height = truth.condition.gait, truth.height_m
    positions = truth.body(time_s)
    named = {name: positions.landmarks[:, i] for i, name in enumerate(LANDMARKS)}
    pelvis = named["pelvis"]
    points = {}
    for side in SIDES:
        for part in ("hip", "knee", "ankle", "heel"):
            points[f"{part}_{side}"] = named[f"{side}_{part}"]
        ball = named[f"{side}_toe"]
        points[f"ball_{side}"], points[f"toe_{side}"] = ball, toe_tip(points[f"heel_{side}"], ball)
    lean = np.asarray([np.sin(_LEAN_RAD[now]), 0.0, np.cos(_LEAN_RAD[now])])
    leg = 0.49 * height
    for side, other, across in (("left", "right", 1.0), ("right", "left", -1.0)):
        shoulder = pelvis + _SHOULDER * height * lean + np.asarray([0.0, across * _HALF_SHOULDERS * height, 0.0])
        ahead = points[f"ankle_{other}"][:, 0] - points[f"hip_{other}"][:, 0]
        swing = _SWING * np.arcsin(np.clip(ahead / leg, -0.9, 0.9))
        points |= _arm(shoulder, swing, _ELBOW_RAD[now], height, side)
    vertebra = pelvis + _VERTEBRA * height * lean - np.asarray([0.03 * height, 0.0, 0.0])
    points["neck"] = vertebra + np.asarray([0.025 * height, 0.0, -0.01 * height])
    points |= head_points(vertebra, height)
    # the simulated plates lie about the origin
    return FilmedBody(time_s, points, height, "phantom", (float(time_s[0]), float(time_s[-1])), opposite_m=0.0)


def _arm(shoulder: Floats, swing: Floats, bent_rad: float, height_m: float, side: str) -> dict[str, Floats]:
    def along(angle: Floats) -> Floats:
        return np.stack([np.sin(angle), np.zeros_like(angle), -np.cos(angle)], axis=1)

    elbow = shoulder + _UPPER_ARM * height_m * along(swing)
    wrist = elbow + _FOREARM * height_m * along(swing + bent_rad)
    hand = wrist + _HAND * height_m * along(swing + bent_rad)
    return {f"shoulder_{side}": shoulder, f"elbow_{side}": elbow, f"wrist_{side}": wrist, f"hand_{side}": hand}
