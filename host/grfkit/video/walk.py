"""What a film shows of a walk: direction, near side, length of the leg, floor; or why no force can be told of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import medfilt

from ..arrays import Floats
from ..errors import BadInputError, RefusedError
from .follow import Walker
from .legs import alternating
from .pose import INDEX

GOING = 0.3
"""Speed across the picture from which on somebody goes somewhere, leg lengths/s: a fifth of a slow walk. By hand."""
_AROUND_S = 0.5  # time over which speed is taken: a step, so that the pelvis's own rhythm is left out
LEAST_WALK_S = 1.0
"""Time that the whole walker has to be in the picture, s: about two steps. Chosen by hand."""
_BRIDGED_S = 0.2  # pictures without the person that do not end a walk, s
LEAST_LEG_PX = 40.0
"""Length of the leg below which no film is read: a picture's pixel would be 2 cm of the leg. Chosen by hand."""
FRONTAL = 0.4
"""Width of the shoulders over the trunk's length from which on a film is not from the side: 0.17 on a real film from
the side; from the front 0.6 to 0.8, so that this is about 30 degrees off. Chosen by hand."""
NEARER = 1.3
"""Ratio of the leg's lengths at the ends of a walk from which on it goes towards the camera or away. Chosen by hand."""
_SOMEWHERE = 1.0  # leg lengths across the picture below which legs have to pass each other; chosen by hand
_MOSTLY = 0.25  # share of the pictures in which somebody goes somewhere, from which on that is the direction
_FOOT = 0.08  # least length of the foot across the picture, in legs, that says which way a person looks
_MARGIN = (
    0.1,
    0.02,
)  # leg lengths from the sides and the bottom: a network squeezes a foot that is cut into the picture
_TRUNK_MARGIN = 0.4  # leg lengths from the sides to the hips: nearer, the foot ahead would be outside at a landing
_CROWN = 0.7  # top of the head above the ears, in distances from the ears to the shoulders; chosen by hand


@dataclass(frozen=True)
class Walk:
    """The part of a film in which the whole walker goes one way, and the measures of its pictures.

    Attributes
    ----------
    start, end
        Pictures ``[start, end)``.
    heading
        1.0 if the walker goes to the right of the picture, -1.0 to the left.
    near_side
        ``left`` or ``right``: the side of the body that faces the camera.
    leg_px
        Hip to ankle along the knee, px: the median over the walk of both legs.
    floor_px, floor_slope
        y of the floor under the walker in the middle of the walk, px, and how it changes with x, px/px.
    travel
        How far the hips go across the picture, in legs; about 0 on a treadmill.
    frontal
        Median width of the shoulders over the length of the trunk.
    nearer
        Length of the leg at the end of the walk over that at its start.
    """

    start: int
    end: int
    heading: float
    near_side: str
    leg_px: float
    floor_px: float
    floor_slope: float
    travel: float
    frontal: float
    nearer: float


def leg_lengths(walker: Walker) -> Floats:
    """Return the length of each leg, hip to knee to ankle, px, shape (frames, 2: left, right)."""
    sides = []
    for side in ("left", "right"):
        hip, knee, ankle = (walker.points[:, INDEX[f"{name}_{side}"]] for name in ("hip", "knee", "ankle"))
        sides.append(np.hypot(*(hip - knee).T) + np.hypot(*(knee - ankle).T))
    return np.column_stack(sides)


def hips(walker: Walker) -> Floats:
    """Return the middle of the hips, px, shape (frames, 2)."""
    middle: Floats = walker.points[:, [INDEX["hip_left"], INDEX["hip_right"]]].mean(axis=1)
    return middle


def shoulders(walker: Walker) -> Floats:
    """Return the middle of the shoulders, px, shape (frames, 2)."""
    middle: Floats = walker.points[:, [INDEX["shoulder_left"], INDEX["shoulder_right"]]].mean(axis=1)
    return middle


def find_walk(walker: Walker, width: int, height: int, near_side: str | None, *, name: str) -> Walk:
    """Return the walk: the longest part in which head and feet are in the picture and the walker goes one way.

    Standing before and after belongs to it, so that a jump there can tie the film to other recordings. Who goes nowhere
    (a treadmill) has the direction of the feet.

    Raises
    ------
    BadInputError
        If the walker is cut off by the picture's edge for all but a moment, or too small.
    RefusedError
        If it is not seen from the side, or no side can be told.
    """
    whole = in_picture(walker, width, height)
    seen = np.isfinite(walker.points[:, 0, 0])
    leg = float(np.nanmedian(leg_lengths(walker)[whole if whole.sum() > 3 else seen]))
    if leg < LEAST_LEG_PX:
        raise BadInputError(
            f"{name}: the walker's leg is {leg:.0f} px long, expected at least {LEAST_LEG_PX:.0f}; film from nearer, or"
            " with more pixels"
        )
    _check_upright(walker, name)
    direction = _directions(walker, leg)
    going = direction[whole] if whole.any() else np.zeros(1)
    heading = float(np.sign(going.sum())) if np.abs(going).mean() > _MOSTLY else _facing(walker, leg)
    start, end = _longest(walker.times, whole & (direction != -heading if heading else True))
    if end <= start or walker.times[end - 1] - walker.times[start] < LEAST_WALK_S:
        longest = walker.times[end - 1] - walker.times[start] if end > start else 0.0
        _refuse_hole(walker.times, name)
        raise BadInputError(
            f"{name}: head and feet of the walker are in the picture for {longest:.1f} s on end, expected"
            f" {LEAST_WALK_S:.0f} s or more; film from farther away, so that the whole body is seen over several steps"
        )
    return _measured(walker.part(start, end), start, end, heading, near_side, name)


def _check_upright(walker: Walker, name: str) -> None:
    """Refuse a walker whose trunk does not stand in the picture: who walks stoops, but by less than 45 degrees."""
    ankles = walker.points[:, [INDEX["ankle_left"], INDEX["ankle_right"]]].mean(axis=1)
    x, y = np.nanmedian(ankles - shoulders(walker), axis=0)
    if y < abs(x):
        lies = "upside down" if y < -abs(x) else "on the side"
        raise RefusedError(
            f"{name}: the walker is {lies} in the picture; turn the film (a phone's editor, or ffmpeg -vf transpose or"
            " hflip,vflip) so that the head is above the feet"
        )


def _refuse_hole(times: Floats, name: str) -> None:
    """Refuse a film whose pictures are missing where the walk would be long enough with them."""
    steps = np.diff(times)
    at = int(np.argmax(steps)) if steps.size else 0
    if steps.size and steps[at] > _BRIDGED_S:
        raise BadInputError(
            f"{name}: no picture is there for {steps[at]:.1f} s from {times[at]:.2f} s on, and the walk is too short"
            f" without (expected {LEAST_WALK_S:.0f} s on end); take the file that the camera wrote, or film again"
        )


def in_picture(walker: Walker, width: int, height: int) -> NDArray[np.bool_]:
    """Return in which pictures head and feet lie within the picture, shape (frames,)."""
    feet = walker.points[:, [INDEX[f"{part}_{side}"] for part in ("heel", "toe") for side in ("left", "right")]]
    ears = walker.points[:, [INDEX["ear_left"], INDEX["ear_right"]]].mean(axis=1)
    crown = ears - _CROWN * (shoulders(walker) - ears)
    points = np.concatenate([feet, crown[:, None], ears[:, None]], axis=1)
    leg = float(np.nanmedian(leg_lengths(walker))) if np.isfinite(points).any() else 0.0
    side, bottom = (share * leg for share in _MARGIN)
    x, y = points[..., 0], points[..., 1]
    hip = hips(walker)[:, 0]
    with np.errstate(invalid="ignore"):
        inside = (x >= side) & (x < width - side) & (y >= 0) & (y < height - bottom)
        trunk = (hip >= _TRUNK_MARGIN * leg) & (hip < width - _TRUNK_MARGIN * leg)
    return np.asarray(inside.all(axis=1) & trunk, dtype=bool)


def against(walker: Walker, walk: Walk) -> NDArray[np.bool_]:
    """Return in which pictures the walker goes the other way than in the walk, shape (frames,)."""
    return np.asarray(_directions(walker, walk.leg_px) == -walk.heading, dtype=bool)


def _directions(walker: Walker, leg: float) -> Floats:
    """Return for each picture 1 if the walker goes to the right, -1 to the left, 0 if nowhere or not seen."""
    x = hips(walker)[:, 0]
    seen = np.isfinite(x)
    smooth = medfilt(x[seen], 5) if seen.sum() >= 5 else x[seen]
    times = walker.times[seen]
    after, before = (np.clip(times + d, times[0], times[-1]) for d in (_AROUND_S / 2, -_AROUND_S / 2))
    moved = np.interp(after, times, smooth) - np.interp(before, times, smooth)
    speed = np.divide(moved, after - before, out=np.zeros_like(moved), where=after > before) / leg
    direction = np.zeros(len(x))
    direction[seen] = np.where(np.abs(speed) > GOING, np.sign(speed), 0.0)
    return direction


def _facing(walker: Walker, leg: float) -> float:
    """Return the direction in which the feet point across the picture, 0.0 if they do not clearly."""
    feet = [walker.points[:, INDEX[f"toe_{s}"], 0] - walker.points[:, INDEX[f"heel_{s}"], 0] for s in ("left", "right")]
    length = float(np.nanmedian(np.concatenate(feet))) / leg
    return float(np.sign(length)) if abs(length) > _FOOT else 0.0


def _longest(times: Floats, good: NDArray[np.bool_]) -> tuple[int, int]:
    """Return the longest run ``[start, end)`` of good pictures, short breaks bridged; (0, 0) if there is none."""
    at = np.flatnonzero(good)
    if not at.size:
        return 0, 0
    breaks = np.flatnonzero((np.diff(times[at]) > _BRIDGED_S) & (np.diff(at) > 1)) + 1
    runs = np.split(at, breaks)
    longest = max(runs, key=lambda run: float(times[run[-1]] - times[run[0]]))
    return int(longest[0]), int(longest[-1]) + 1


def _measured(part: Walker, start: int, end: int, heading: float, near_side: str | None, name: str) -> Walk:
    """Return the measures of the part of a walk; refuse one that is not from the side."""
    lengths = leg_lengths(part)
    leg = float(np.nanmedian(lengths))
    trunk = np.hypot(*(shoulders(part) - hips(part)).T)
    across = part.points[:, INDEX["shoulder_left"]] - part.points[:, INDEX["shoulder_right"]]
    frontal = float(np.nanmedian(np.abs(across[:, 0]) / trunk))
    quarter = max(3, (end - start) // 4)
    nearer = float(np.nanmedian(lengths[-quarter:]) / np.nanmedian(lengths[:quarter]))
    if frontal > FRONTAL or max(nearer, 1 / nearer) > NEARER:
        raise RefusedError(
            f"{name}: the walk is not seen from the side (shoulders {frontal:.2f} of the trunk wide, expected below"
            f" {FRONTAL:.1f}; leg {nearer:.2f} times as long at the end as at the start); put the camera beside the"
            " walkway, at right angles to it"
        )
    side = near_side or {1.0: "right", -1.0: "left"}.get(heading)
    if side is None or not heading:
        raise RefusedError(
            f"{name}: the walker goes nowhere and the feet do not say which way the body looks, so that the near side"
            " is unknown; film from the side, at right angles to the walkway"
        )
    floor, slope = _floor(part)
    x = hips(part)[:, 0]
    travel = float(np.nanmax(x) - np.nanmin(x)) / leg
    if travel < _SOMEWHERE and np.isnan(alternating(part, leg)):
        raise RefusedError(
            f"{name}: the person does not walk (the hips go {travel:.1f} leg lengths across the picture, and the legs"
            " do not pass each other); name another with --walker, or the part of the film with the walk"
        )
    return Walk(start, end, heading, side, leg, floor, slope, travel, frontal, nearer)


def _floor(part: Walker) -> tuple[float, float]:
    """Return y of the floor in the middle of a walk, px, and its slope: a line through the lower feet."""
    rows = [INDEX[f"{name}_{side}"] for name in ("heel", "toe") for side in ("left", "right")]
    feet = part.points[:, rows]
    seen = np.isfinite(feet).all(axis=(1, 2))
    low = feet[seen][np.arange(int(seen.sum())), np.argmax(feet[seen, :, 1], axis=1)]
    middle = float(np.median(low[:, 0]))
    if np.ptp(low[:, 0]) < 100:  # about nowhere: no slope can be told
        return float(np.median(low[:, 1])), 0.0
    x, y = low[:, 0] - middle, low[:, 1]
    slope = 0.0
    for _ in range(3):  # a line that outliers above it (both feet in the air, a foot that rolls) do not pull up
        level = float(np.median(y - slope * x))
        keep = np.abs(y - slope * x - level) <= 3 * np.median(np.abs(y - slope * x - level)) + 1e-9
        slope = float(np.polyfit(x[keep], y[keep], 1)[0])
    return float(np.median(y - slope * x)), slope
