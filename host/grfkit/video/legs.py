"""Left and right legs told apart: a pose model exchanges them where one hides the other."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter
from scipy.signal import find_peaks

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
_LARGEST = 1.0  # leap beyond which a worse one costs no more, leg lengths; also what a step without a crossing costs
_CERTAIN = 0.6  # share of pictures from which on the network's depths say which side is the near one
_STEP = 0.3  # least distance between the ankles at a step, leg lengths: half that of a slow walker. Chosen by hand
_APART, _WIDE = 0.25, 0.5  # shares of the usual distance at a step: legs are apart, and a step is one
_SMOOTHED_S = 0.1  # longer than most glitches of the network, shorter than a crossing of the legs
_FASTEST_STEP_S = 0.3  # 200 steps a minute
_BESIDE = 0.5  # share of a step's time that legs may be side by side in passing: more is a foot drawn up to the other
_STEP_S = 1.0  # time between two steps' middles beyond which a walk is taken to be interrupted, s
AGREED = 0.7
"""Share of pictures in which the network's labels have to alternate from step to step, to believe that the legs do.
Chosen by hand: who draws one foot up to the other has one half."""


def exchanged(walker: Walker, leg_px: float) -> NDArray[np.bool_]:
    """Return in which pictures the network exchanged the legs, shape (frames,).

    Two things are asked of the labels. Who walks passes one leg by the other, so that the leg ahead alternates from
    step to step; where the network's labels do so in most pictures (:data:`AGREED`), they are made to do so in all.
    And both legs move evenly: every point is expected where its last two places, relative to the hips, let it go on;
    the mean leaps from there, and :data:`RELABELLED` for each label that is not the network's, have the least sum that
    any order of labels has (dynamic programming over pairs of pictures).
    """
    legs = _relative(walker) / leg_px
    seen = np.flatnonzero(np.isfinite(legs).all(axis=(1, 2, 3)))
    swapped = np.zeros(len(legs), dtype=bool)
    # a second without sight is a new beginning: nothing goes on evenly over it
    for run in np.split(seen, np.flatnonzero(np.diff(walker.times[seen]) > 1.0) + 1):
        if run.size >= 3:
            swapped[run] = _labels(legs[run], walker.times[run], _passing(legs[run], walker.times[run]))
    return swapped


def alternating(walker: Walker, leg_px: float) -> float:
    """Return in what share of the pictures the network's legs pass each other step by step; NaN where nobody steps."""
    legs = _relative(walker) / leg_px
    seen = np.isfinite(legs).all(axis=(1, 2, 3))
    if seen.sum() < 3:
        return float("nan")
    shares = [_kept(chain)[0] for chain in _chains(legs[seen], walker.times[seen]) if len(chain) > 2]
    return float(np.mean(shares)) if shares else float("nan")


class _StepAhead(NamedTuple):
    """Pictures of a run in which the legs are apart, and the share in which the network has the left one on the right.

    On the right of the picture, that is: which way the walker goes does not matter here.
    """

    pictures: NDArray[np.intp]
    peak_s: float
    left_right: float


def _chains(legs: Floats, times: Floats) -> list[list[_StepAhead]]:
    """Return the steps of a run, in groups without interruption.

    A step is a peak of the distance between the ankles (median over :data:`_SMOOTHED_S`), which does not say which is
    which; the legs pass each other where it is least between two peaks.
    """
    ankles = legs[:, 0, 1, 0] - legs[:, 1, 1, 0]
    frame_s = float(np.median(np.diff(times)))
    width = min(2 * int(_SMOOTHED_S / frame_s / 2 + 1e-6) + 1, 2 * ((len(ankles) - 1) // 2) + 1)
    distance = median_filter(np.abs(ankles), width, mode="nearest")
    usual = float(np.percentile(distance, 90))
    if usual < _STEP:
        return []
    # borders as low points, so that a step that the film cuts has its peak
    padded = np.concatenate([[0.0], distance, [0.0]])
    peaks, _ = find_peaks(padded, height=_WIDE * usual, distance=max(1, round(_FASTEST_STEP_S / frame_s)))
    low = list(np.flatnonzero(distance <= _APART * usual))
    for first, second in zip(peaks[:-1] - 1, peaks[1:] - 1):  # a quick crossing that the median hides
        between = first + int(np.argmin(distance[first : second + 1]))
        low += [between] if distance[between] <= _WIDE * usual else []
    ends = np.concatenate([[-1], np.unique(np.array(low, dtype=np.intp)), [len(ankles)]])
    chains: list[list[_StepAhead]] = []
    for peak in peaks - 1:
        after = int(np.searchsorted(ends, peak))
        start, end = int(ends[after - 1]) + 1, int(ends[after])
        clear = start + np.flatnonzero(np.abs(ankles[start:end]) > _APART * usual)
        step = _StepAhead(clear, float(times[peak]), float((ankles[clear] > 0).mean()))
        if not chains or not _follows(chains[-1][-1], step, times):
            chains.append([])
        chains[-1].append(step)
    return chains


def _follows(last: _StepAhead, step: _StepAhead, times: Floats) -> bool:
    """Return whether legs pass each other between two steps: quickly, not after they stood side by side."""
    between = step.peak_s - last.peak_s
    beside = float(times[step.pictures[0]] - times[last.pictures[-1]])
    return between <= _STEP_S and 0.0 < beside <= _BESIDE * between


def _kept(chain: Sequence[_StepAhead]) -> tuple[float, bool]:
    """Return the share of pictures in which the network's labels alternate, and whether left begins on the right."""
    even = np.arange(len(chain)) % 2 == 0
    held = [s.left_right if e else 1.0 - s.left_right for s, e in zip(chain, even)]
    share = float(np.average(held, weights=[len(s.pictures) for s in chain]))
    return max(share, 1.0 - share), share >= 0.5


def _passing(legs: Floats, times: Floats) -> Floats:
    """Return what each label of each picture costs by the legs' passing each other, shape (frames, 2)."""
    cost = np.zeros((len(legs), 2))
    ankles = legs[:, 0, 1, 0] - legs[:, 1, 1, 0]
    for chain in _chains(legs, times):
        share, left = _kept(chain)
        if len(chain) < 3 or share < AGREED:
            continue
        for step in chain:
            wrong = (ankles[step.pictures] > 0) != left
            cost[step.pictures, 0] = np.where(wrong, _LARGEST, 0.0)
            cost[step.pictures, 1] = np.where(wrong, 0.0, _LARGEST)
            left = not left
    return cost


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


def _labels(legs: Floats, times: Floats, passing: Floats) -> NDArray[np.bool_]:
    """Return the cheapest labels (False: the network's) of a run of pictures; ``passing``: what else each costs."""
    both = np.stack([legs, legs[:, ::-1]])  # (label, frame, leg, point, 2)
    count = len(times)
    cost = {(a, b): RELABELLED * (a + b) + passing[0, a] + passing[1, b] for a, b in product((0, 1), repeat=2)}
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
                ways.append(cost[a, b] + float(np.minimum(leaps, _LARGEST).mean()) + RELABELLED * c + passing[i, c])
            came[b, c] = int(np.argmin(ways))
            best[b, c] = ways[came[b, c]]
        cost = best
        back.append(came)
    last = min(cost, key=lambda pair: cost[pair])
    labels = [last[1], last[0]]
    for came in reversed(back):
        labels.append(came[labels[-1], labels[-2]])
    return np.array(labels[::-1], dtype=bool)
