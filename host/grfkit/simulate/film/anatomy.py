"""Points of the body that nothing measured: the head above the neck, the tip of the foot."""

from __future__ import annotations

import numpy as np

from ...arrays import Floats

_TOE_PER_FOOT = 0.33
"""Length of the toes before the heads of the metatarsals, as a share of heel to heads (Dempster's foot; by hand)."""
_TIP_M = 0.018
"""Height (m) of a toe's tip that lies on the floor: toes bend where the foot pushes off."""
_EAR, _NOSE = (0.060, 0.0, 0.078), (0.120, 0.0, 0.066)
"""Ear and nose from the seventh cervical vertebra (forward, left, up), as shares of stature (Drillis and Contini: chin
at .870, vertex at 1 of stature; the vertebra at .845): set by eye against photographs."""
_EAR_APART = 0.085
"""Distance of the ears as a share of stature."""


def toe_tip(heel_m: Floats, ball_m: Floats) -> Floats:
    """Return the tip of the foot before the ball: on the line from the heel, bent where it would enter the floor."""
    foot = ball_m - heel_m
    length = _TOE_PER_FOOT * np.linalg.norm(foot, axis=1)
    tip = ball_m + _TOE_PER_FOOT * foot
    drop = np.clip(_TIP_M - ball_m[:, 2], -0.95 * length, 0.95 * length)
    bent = tip[:, 2] < _TIP_M
    ahead = foot[:, :2] / np.linalg.norm(foot[:, :2], axis=1, keepdims=True)
    flat = np.sqrt(length**2 - drop**2)
    tip[bent, :2] = (ball_m[:, :2] + ahead * flat[:, None])[bent]
    tip[bent, 2] = (ball_m[:, 2] + drop)[bent]
    return np.asarray(tip)


def head_points(vertebra_m: Floats, height_m: float) -> dict[str, Floats]:
    """Return ears, nose and the middle of the head above the seventh cervical vertebra, looking along X."""
    ear, nose = (vertebra_m + height_m * np.asarray(place) for place in (_EAR, _NOSE))
    aside = np.asarray([0.0, _EAR_APART * height_m, 0.0])
    middle = ear + height_m * np.asarray([0.006, 0.0, 0.016])
    return {"nose": nose, "head": middle, "ear_left": ear + aside, "ear_right": ear - aside}
