"""Landing frame: landmarks and forces turned to the heading, with the floor under the pelvis as origin."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..arrays import Floats
from ..errors import BadInputError
from .landmarks import LANDMARKS, Points

FEWEST_FRAMES = 8
"""Frames that a heading is found from, at the least."""
SLOWEST_M_S = 0.2
"""Speed (m/s) over the ground below which there is no heading; chosen by hand, far below a slow walk's."""
LOW_SHARE, HEIGHT_PERCENT = 0.25, (1.0, 99.0)
"""Lowest share of a foot's range of height in which it may stand, and the percentiles between which that range is
taken; chosen by hand."""


@dataclass(frozen=True)
class Travel:
    """How a body moves over its ground.

    Attributes
    ----------
    heading_rad
        From lab X to the direction of travel over the ground, positive to the left.
    speed_m_s
        Over the ground; of a treadmill over the belt.
    ground_m_s
        Velocity of the ground in the lab, shape (3,): of a belt backwards, of a floor 0.
    body_m_s
        Velocity of the pelvis in the lab, shape (3,), vertical 0.
    """

    heading_rad: float
    speed_m_s: float
    ground_m_s: Floats
    body_m_s: Floats


def travel(points: Points, *, overground: bool = False) -> Travel:
    """Return heading and speed of a trial: the pelvis's velocity with respect to the foot that stands.

    Holds on floors and belts and in any direction. A foot stands in the calmer half (by horizontal acceleration) of the
    frames in which the middle of its heel and toe is in the lowest quarter of what it reaches; a standing foot's
    velocity is the median there. Toes point ahead on the whole.

    Parameters
    ----------
    points
        The eleven landmarks, Z up, m.
    overground
        The ground is known not to move.

    Raises
    ------
    BadInputError
        If there are fewer than eight frames, the body does not travel over its ground, or its toes point back.
    """
    if points.time_s.size < FEWEST_FRAMES:
        raise BadInputError(
            f"{points.time_s.size} frames are too few to find a heading; expected {FEWEST_FRAMES} or more"
        )
    feet = [(points.path(f"heel_{s}") + points.path(f"toe_{s}")) / 2.0 for s in ("left", "right")]
    # the pelvis against the standing foot: on a belt the pelvis stands still in the lab, and only the foot travels
    standing = np.concatenate([_standing_velocity(points.time_s, foot) for foot in feet])
    ground = np.zeros(3) if overground or not len(standing) else np.median(standing, axis=0)
    body = _mean_velocity(points.time_s, points.path("pelvis"))
    ground[2] = body[2] = 0.0
    over = body - ground
    speed = float(np.hypot(over[0], over[1]))
    if not np.isfinite(speed) or speed < SLOWEST_M_S:
        raise BadInputError(
            f"the body travels at {speed:.2f} m/s over its ground; a heading needs {SLOWEST_M_S:g} m/s or more"
        )
    ahead = np.nanmean([points.path(f"toe_{s}") - points.path(f"heel_{s}") for s in ("left", "right")], axis=(0, 1))
    if float(ahead[:2] @ over[:2]) < 0.0:
        raise BadInputError(
            "the toes point against the direction of travel: are heel and toe exchanged, is Z not up, or does the"
            " person walk backwards?"
        )
    return Travel(float(np.arctan2(over[1], over[0])), speed, ground, body)


def _standing_velocity(time_s: Floats, foot: Floats) -> Floats:
    velocity = np.gradient(foot, time_s, axis=0)
    usable = np.isfinite(velocity).all(axis=1)
    if not usable.any():
        return np.zeros((0, 3))
    low, high = np.nanpercentile(foot[:, 2], HEIGHT_PERCENT)
    usable &= foot[:, 2] < low + LOW_SHARE * (high - low)
    # low is not enough: a foot that just lands or leaves is low too, but is being braked or pushed off
    change = np.gradient(velocity, time_s, axis=0)
    change_m_s2 = np.hypot(change[:, 0], change[:, 1])
    calm = np.isfinite(change_m_s2) & usable
    if not calm.any():
        return np.asarray(velocity[usable])
    return np.asarray(velocity[calm & (change_m_s2 <= np.median(change_m_s2[calm]))])


def _mean_velocity(time_s: Floats, path: Floats) -> Floats:
    """Return the slope of a straight line through a path, shape (3,)."""
    visible = np.isfinite(path).all(axis=1)
    # not from first to last frame: within a stride the pelvis speeds up and slows down, and most of it averages out
    t = time_s[visible] - time_s[visible].mean()
    return np.asarray(t @ path[visible] / (t @ t))


def aligned(vectors: Floats, heading_rad: float) -> Floats:
    """Return vectors, shape (..., 3), turned about Z such that the heading becomes X."""
    c, s = np.cos(heading_rad), np.sin(heading_rad)
    return np.asarray(vectors @ np.asarray([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]]).T)


def heading_aligned(points: Points, moved: Travel) -> tuple[Points, Travel]:
    """Return landmarks and travel with the heading along X."""
    turn = moved.heading_rad
    ground, body = aligned(moved.ground_m_s, turn), aligned(moved.body_m_s, turn)
    turned = replace(points, position=aligned(points.position, turn))
    return turned, Travel(0.0, moved.speed_m_s, ground, body)


def landing_frame(
    position: Floats,
    time_s: Floats,
    *,
    origin_m: Floats,
    at_s: float,
    drift_m_s: Floats,
    floor_m: float = 0.0,
) -> Floats:
    """Return positions from the floor under ``origin_m``, shape (frames, points, 3).

    Parameters
    ----------
    position
        Shape (frames, points, 3), heading along X.
    origin_m
        The pelvis centre at contact, shape (3,).
    drift_m_s
        Velocity of the frame in the lab from ``at_s`` on, shape (3,): of the ground (a belt becomes a floor), or of
        the body (a floor becomes a belt).
    """
    base = np.asarray([origin_m[0], origin_m[1], floor_m])
    moved = (time_s - at_s)[:, None] * drift_m_s
    return np.asarray(position - (base + moved)[:, None])


def mirrored(position: Floats) -> Floats:
    """Return landmarks, shape (frames, 11, 3), of the body seen in a mirror: left becomes right, Y turns."""
    swap = [LANDMARKS.index(_other(name)) for name in LANDMARKS]
    return np.asarray(position[:, swap] * np.asarray([1.0, -1.0, 1.0]))


def _other(name: str) -> str:
    part, _, side = name.partition("_")
    return f"{part}_{'right' if side == 'left' else 'left'}" if side else name
