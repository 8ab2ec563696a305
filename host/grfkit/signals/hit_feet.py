"""Which foot hit a plate, by the side of the line of progress on which it landed.

Feet alternate, and the left one lands to the left. So the hits of a pass are labelled together: their order says which
belong to one foot, and the distance across the line of progress whose foot that is. People whose feet land on one line
are left without labels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from .step_direction import horizontal

PASS_GAP_S = 2.5
"""Time (s) without a hit after which another pass begins: longer than any stride."""
WHOLE_STEPS = 0.25
"""Share of a step by which an interval may differ from whole steps for the order of the feet to be known."""
LEAST_LOG_ODDS = 4.6
"""Log odds from which a foot is labelled: 99 %."""
LEAST_SPREAD_M, UNKNOWN_SPREAD_M = 0.02, 0.04
"""SD (m) of a hit across the line of progress at the least, and where too few passes tell it; chosen by hand."""
FEWEST_PASSES = 4
"""Passes from which the spread of their hits is taken."""
ROUNDS = 20
"""Rounds in which step width and spread are fitted: either changes little after a few."""


def hit_feet(onset_s: Floats, place_m: Floats, push: Floats, up: Floats, step_s: float) -> NDArray[np.int64]:
    """Return the foot of each hit: 0 left, 1 right, -1 where its side does not tell.

    Parameters
    ----------
    onset_s
        Shape (hits,), increasing.
    place_m
        Shape (hits, 3): centre of pressure, NaN where unknown.
    push
        Shape (hits, 3): direction of progress by each hit's own force, NaN where it shows none.
    up
        Shape (3,): unit vector; the axes are right-handed.
    step_s
        The person's usual step time, by which the order of the feet is known where hits are some steps apart.
    """
    feet = np.full(onset_s.size, -1, dtype=np.int64)
    known = np.isfinite(place_m).all(axis=1)
    rows = np.flatnonzero(known)
    if not rows.size:
        return feet
    level = horizontal(place_m[rows], up)
    lap, second = _order(onset_s[rows], step_s)
    pushed = horizontal(push[rows], up)
    forward = _forward(level, pushed, lap)
    axis = _axis(forward, pushed)
    ahead = np.sign(forward @ axis)  # of each lap: which way along the line; 0 where unknown
    left_m = (level @ np.cross(up, axis)) * ahead[lap]
    log_odds = _log_odds(left_m, ahead[lap], lap, second)
    feet[rows] = np.where(log_odds > LEAST_LOG_ODDS, 0, np.where(log_odds < -LEAST_LOG_ODDS, 1, -1))
    return feet


def _order(onset_s: Floats, step_s: float) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return each hit's lap (a stretch whose steps can be counted), and whether it is of the lap's second foot."""
    steps = np.diff(onset_s) / step_s
    whole = np.rint(steps)
    broken = (np.diff(onset_s) > PASS_GAP_S) | (np.abs(steps - whole) > WHOLE_STEPS) | (whole < 1)
    lap = np.concatenate([[0], np.cumsum(broken)]).astype(np.int64)
    count = np.concatenate([[0.0], np.cumsum(np.where(broken, 0.0, whole))])
    first = np.searchsorted(lap, lap)
    return lap, (count - count[first]) % 2 == 1


def _forward(level_m: Floats, push: Floats, lap: NDArray[np.int64]) -> Floats:
    """Return the direction of progress of each lap: from its first hit to its last, else by the forces."""
    starts = np.searchsorted(lap, np.arange(lap[-1] + 1))
    ends = np.append(starts[1:], lap.size) - 1
    way = level_m[ends] - level_m[starts]
    pushed = np.add.reduceat(np.nan_to_num(push), starts, axis=0)
    forward = np.where((ends > starts)[:, None], way, pushed)
    size = np.linalg.norm(forward, axis=1, keepdims=True)
    return np.asarray(np.where(size > 0, forward / np.where(size > 0, size, 1.0), 0.0))


def _axis(forward: Floats, push: Floats) -> Floats:
    """Return the line of progress of all laps, whichever way they go along it: that of the forces, where they show one.

    The way from hit to hit leans towards the second foot; over laps that begin with either foot that is averaged out.
    """
    shown = push[np.isfinite(push).all(axis=1)]
    lines = shown if len(shown) else forward
    _, vectors = np.linalg.eigh(lines.T @ lines)
    return np.asarray(vectors[:, -1])


def _log_odds(left_m: Floats, ahead: Floats, lap: NDArray[np.int64], second: NDArray[np.bool_]) -> Floats:
    """Return the log odds that each hit is of the left foot."""
    laps = int(lap[-1]) + 1
    n_first, n_second = np.bincount(lap, ~second, laps), np.bincount(lap, second, laps)
    mean_first = np.bincount(lap, left_m * ~second, laps) / np.maximum(n_first, 1)
    mean_second = np.bincount(lap, left_m * second, laps) / np.maximum(n_second, 1)
    both = (n_first > 0) & (n_second > 0) & (np.bincount(lap, ahead, laps) != 0)
    odds = np.zeros(lap.size)
    if not both.any():
        return odds
    # how far the first foot of a lap lies to the left of the second: plus or minus the width of a step
    apart, share = (mean_first - mean_second)[both], (1 / n_first[both] + 1 / n_second[both]) / 2.0
    width, spread = _width_and_spread(apart, share)
    of_lap = np.zeros(laps)
    of_lap[both] = 2.0 * width * apart / (2.0 * spread**2 * share)
    odds = of_lap[lap] * np.where(second, -1.0, 1.0)
    single = ~both[lap] & (ahead != 0)
    if single.any() and both.sum() >= FEWEST_PASSES:
        # one foot alone: by its side of the line that the other laps keep, which lies where it lies in the laboratory
        signs = np.bincount(lap, ahead, laps)[both] / np.bincount(lap, minlength=laps)[both]
        line = (mean_first + mean_second)[both] / 2.0 * signs
        around = float(np.hypot(max(float(np.std(line)), LEAST_SPREAD_M), spread))
        beside = left_m - float(np.median(line)) * ahead
        odds = np.where(single, 2.0 * (width / 2.0) * beside / around**2, odds)
    return odds


def _width_and_spread(apart_m: Floats, share: Floats) -> tuple[float, float]:
    """Return the width of a step (m), and the SD (m) of a hit about it, from distances whose signs are not known."""
    width = float(np.median(np.abs(apart_m)))
    spread = UNKNOWN_SPREAD_M
    if apart_m.size < FEWEST_PASSES:
        return width, spread
    for _ in range(ROUNDS):
        sure = np.tanh(width * apart_m / (2.0 * spread**2 * share))
        width = float(np.average(apart_m * sure, weights=1 / share))
        squares = (apart_m**2 - 2.0 * width * apart_m * sure + width**2) / (2.0 * share)
        spread = max(float(np.sqrt(np.mean(squares))), LEAST_SPREAD_M)
    return width, spread
