"""Left and right legs told apart: a pose model exchanges them where one hides the other."""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from .follow import Walker
from .pose import INDEX

_LEG = ("knee", "ankle", "heel", "toe")
LEFT = [INDEX[f"{name}_left"] for name in _LEG]
"""Rows of the left leg's points below the hip."""
RIGHT = [INDEX[f"{name}_right"] for name in _LEG]
"""Rows of the right leg's points below the hip, in the same order."""
RELABELLED = 0.05
"""What it costs to call a leg other than the network does, in leg lengths of a point's leap. Chosen by hand: at 60 fps
legs that were exchanged leap by up to a leg, those that were not by a hundredth."""
_LARGEST = 1.0  # leap beyond which a worse one costs no more, leg lengths
_CERTAIN = 0.6  # share of pictures from which on the network's depths say which side is the near one


def exchanged(walker: Walker, leg_px: float) -> NDArray[np.bool_]:
    """Return in which pictures the network exchanged the legs, shape (frames,).

    The labels are those with which both legs move most evenly. Every point is expected where its last two places,
    relative to the hips, let it go on; the mean leaps from there, and :data:`RELABELLED` for each label that is not
    the network's, have the least sum that any order of labels has (dynamic programming over pairs of pictures).
    """
    legs = _relative(walker) / leg_px
    seen = np.flatnonzero(np.isfinite(legs).all(axis=(1, 2, 3)))
    swapped = np.zeros(len(legs), dtype=bool)
    # a second without sight is a new beginning: nothing goes on evenly over it
    for run in np.split(seen, np.flatnonzero(np.diff(walker.times[seen]) > 1.0) + 1):
        if run.size >= 3:
            swapped[run] = _labels(legs[run], walker.times[run])
    return swapped


def repaired(walker: Walker, leg_px: float, near_side: str) -> tuple[Walker, int, bool]:
    """Return the walker with legs that keep their labels, how many pictures had others, and whether sides were wrong.

    Parameters
    ----------
    near_side
        ``left`` or ``right``: the side that faces the camera. Where the network's depths say in most pictures that
        another side is nearer, all points change sides.
    """
    swapped = exchanged(walker, leg_px)
    legs = np.arange(walker.points.shape[1])
    legs[LEFT], legs[RIGHT] = RIGHT, LEFT
    turned = near_by_depth(walker) not in (near_side, None)
    everything = np.array([INDEX[_other(name)] for name in INDEX])
    order = np.where(swapped[:, None], legs, np.arange(legs.size))
    if turned:
        order = np.take_along_axis(order, np.broadcast_to(everything, order.shape), axis=1)
    rows = np.arange(len(order))[:, None]
    fixed = Walker(
        walker.times,
        walker.points[rows, order],
        walker.depth[rows, order],
        walker.visibility[rows, order],
        walker.score,
        walker.masks,
    )
    return fixed, int(swapped.sum()), turned


def near_by_depth(walker: Walker) -> str | None:
    """Return the side whose hip and shoulder the network sees nearer in most pictures; None if it wavers."""
    sides = [walker.depth[:, INDEX[f"hip_{s}"]] + walker.depth[:, INDEX[f"shoulder_{s}"]] for s in ("left", "right")]
    ahead = sides[0] < sides[1]
    seen = np.isfinite(sides[0])
    share = float(ahead[seen].mean()) if seen.any() else 0.5
    if share >= _CERTAIN:
        return "left"
    return "right" if share <= 1 - _CERTAIN else None


def _other(name: str) -> str:
    """Return the point of the other side."""
    if name.endswith("_left"):
        return name[: -len("left")] + "right"
    return name[: -len("right")] + "left" if name.endswith("_right") else name


def _relative(walker: Walker) -> Floats:
    """Return the legs' points relative to the hips, shape (frames, leg, point, 2), px."""
    hips = walker.points[:, [INDEX["hip_left"], INDEX["hip_right"]]].mean(axis=1)
    legs: Floats = np.stack([walker.points[:, LEFT], walker.points[:, RIGHT]], axis=1) - hips[:, None, None]
    return legs


def _labels(legs: Floats, times: Floats) -> NDArray[np.bool_]:
    """Return the cheapest labels (False: the network's) of a run of pictures."""
    both = np.stack([legs, legs[:, ::-1]])  # (label, frame, leg, point, 2)
    count = len(times)
    cost = {(a, b): RELABELLED * (a + b) for a, b in product((0, 1), repeat=2)}
    back: list[dict[tuple[int, int], int]] = []
    for i in range(2, count):
        ahead = (times[i] - times[i - 1]) / (times[i - 1] - times[i - 2])
        best: dict[tuple[int, int], float] = {}
        came: dict[tuple[int, int], int] = {}
        for b, c in product((0, 1), repeat=2):
            ways = []
            for a in (0, 1):
                expected = both[b, i - 1] + ahead * (both[b, i - 1] - both[a, i - 2])
                leaps = np.hypot(*np.moveaxis(both[c, i] - expected, -1, 0))
                ways.append(cost[a, b] + float(np.minimum(leaps, _LARGEST).mean()) + RELABELLED * c)
            came[b, c] = int(np.argmin(ways))
            best[b, c] = ways[came[b, c]]
        cost = best
        back.append(came)
    last = min(cost, key=lambda pair: cost[pair])
    labels = [last[1], last[0]]
    for came in reversed(back):
        labels.append(came[labels[-1], labels[-2]])
    return np.array(labels[::-1], dtype=bool)
