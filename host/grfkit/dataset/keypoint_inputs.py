"""Inputs from the keypoints of a film: where a walker's joints are, and how fast, in leg lengths."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from ..arrays import Floats
from ..errors import BadInputError
from ..records.film_streams import BACKGROUND
from ..signals.film_time import leaps
from ..signals.filters import lowpass
from ..signals.side_legs import LEGS_PUT_RIGHT, legs_put_back
from .motion import SIDES, Side
from .resample import derivatives, resampled, stance_times

JOINTS = ("hip", "knee", "ankle", "heel", "toe")
SHOULDER = "shoulder"
OTHER: dict[Side, Side] = {"left": "right", "right": "left"}
_PLACES = tuple(f"{foot}_{joint}_{axis}" for foot in ("own", "other") for joint in JOINTS for axis in "xz")
_TRUNK = tuple(f"{SHOULDER}_{axis}" for axis in "xz")
POSITIONS = (*_PLACES, *_TRUNK)
"""Of the window's own foot, the other one, and the middle of both shoulders: forward of the pelvis, above the floor."""
KEYPOINT_CHANNELS = (*POSITIONS, *(f"{name}_velocity" for name in (*POSITIONS, "pelvis_x")))
KEYPOINT_UNITS = ("leg",) * len(POSITIONS) + ("leg/s",) * (len(POSITIONS) + 1)
"""A length is measured in legs of the walker: the film knows no metres."""
SPEED_LEGS = "speed_leg_s"
"""Scalar of a window: speed of the pelvis over the standing foot, legs per second."""
NEAR = "near_side"
"""Scalar of a window: 1 where its foot is the one nearer to the camera, 0 where the other leg hides it."""

POSITION_LOWPASS_HZ, VELOCITY_LOWPASS_HZ = 6.0, 4.0
"""Of positions, and once more before velocities are taken. Positions: what a walker's joints do (Winter 2009: 6 Hz).
Velocities: points found in pictures at 60 Hz are too noisy beyond; of 12 rendered walkers left out in turn, kernel
ridge errs by 6.2 % BW with 4 Hz, 6.4 with 8."""
MARGIN_S = 0.08
"""Time (s) before contact and after toe-off that a window of contacts seen in a film has more: these are off by up to
.03 s (95 %), and what lies beyond a window is lost. Of the same walkers: 6.4 % BW with .06 or .1 s, 6.7 without."""
LEAP_LEG, LEAP_FRAMES = 0.06, 7
"""A point further (legs) than this from the median of so many frames has leapt, as to the other leg where both pass,
and is filled in from its neighbours. Chosen on rendered films of 60 Hz: a pose model's points are else within 0.03."""
GAP_S = 0.2
"""Points further apart than this (s) are not filled in. Chosen by hand: legs that pass each other hide
one another for 0.1 s."""
PASS_GAP_S = 0.5
"""Time (s) without a pelvis from which on the walker was out of the picture: another pass."""
PASSING_LEG_S = 0.35
"""Speed (legs per second) in the picture beyond which a walker passes through it, and shows which way; slower ones are
on a treadmill, or the camera goes along. Chosen by hand: people on treadmills drift by 0.1, slow walkers make 0.8."""
_FEWEST = 8
"""Frames of a pass, at the least."""
_STANDING = (0.25, 0.65)
"""Part of a stance in which the foot is flat on the floor, so that the pelvis moves over it: chosen by hand, after the
toes are down and before the heel is up."""


@dataclass(frozen=True)
class SidePass:
    """One pass of a walker: evenly timed positions and velocities, in leg lengths, turned so that forward is +x.

    Attributes
    ----------
    position, velocity
        By name of a point (``heel_left``; ``shoulder`` and ``pelvis`` are middles): shape (frames, 2), x in the picture
        and z above the floor.
    near
        The side that faces the camera.
    """

    time_s: Floats
    position: dict[str, Floats]
    velocity: dict[str, Floats]
    near: Side

    def window(self, side: Side, ic_s: float, to_s: float, points: int) -> tuple[Floats, Floats, float]:
        """Return times, channels and speed of a window that begins :data:`MARGIN_S` before contact, and ends as late.

        Where a point is not seen beyond the contact, or the walker has left the picture, it stays where it was last.
        """
        at = stance_times(ic_s - MARGIN_S, to_s + MARGIN_S, points)
        values, speed = self.inputs(side, np.clip(at, self.time_s[0], self.time_s[-1]))
        inside = np.flatnonzero((at >= ic_s) & (at <= to_s))
        for channel in values.T:
            unseen = ~np.isfinite(channel)
            unseen[inside] = False
            if unseen.any() and not unseen.all():
                seen = np.flatnonzero(~unseen)
                # of the nearest time: a straight line would go on to where nobody is
                channel[unseen] = channel[seen[np.abs(seen - np.flatnonzero(unseen)[:, None]).argmin(axis=1)]]
        return at, values, speed

    def inputs(self, side: Side, at_s: Floats) -> tuple[Floats, float]:
        """Return a foot's channels at the times of a stance, shape (times, channels), and the speed, legs per second.

        The camera may stand, or move along: the pelvis's speed is taken over the foot that stands.
        """
        position = {name: resampled(self.time_s, path, at_s, gap_s=GAP_S) for name, path in self.position.items()}
        velocity = {name: resampled(self.time_s, path, at_s, gap_s=GAP_S) for name, path in self.velocity.items()}
        speed = _speed(position, side, at_s)
        forward = position["pelvis"][:, 0]
        moving = velocity["pelvis"][:, 0]
        places, speeds = [], []
        for name in _names(side):
            places.append(position[name] - np.stack([forward, np.zeros_like(forward)], axis=1))
            speeds.append(velocity[name] - np.stack([moving, np.zeros_like(moving)], axis=1))
        over_ground = moving - moving.mean() + speed
        return np.concatenate([*places, *speeds, over_ground[:, None]], axis=1), speed


def _names(side: Side) -> list[str]:
    """Return the points of a window's channels, in order."""
    return [*(f"{joint}_{foot}" for foot in (side, OTHER[side]) for joint in JOINTS), SHOULDER]


def _speed(position: dict[str, Floats], side: Side, at_s: Floats) -> float:
    """Return the slope of the pelvis's way over the foot while it is flat on the floor; NaN where that is not seen."""
    low, high = (round(share * (len(at_s) - 1)) for share in _STANDING)
    flat = slice(low, high + 1)
    foot = (position[f"heel_{side}"] + position[f"toe_{side}"])[flat, 0] / 2.0
    way, time = position["pelvis"][flat, 0] - foot, at_s[flat] - at_s[flat].mean()
    return float(time @ way / (time @ time))


def keypoint_stream(streams: dict[str, xr.Dataset]) -> tuple[str, xr.Dataset]:
    """Return name and dataset of the only stream of keypoints.

    Raises
    ------
    BadInputError
        If there is none, or several.
    """
    found = {name: stream for name, stream in streams.items() if stream.attrs.get("kind") == "keypoints"}
    if len(found) != 1:
        held = ", ".join(streams) or "nothing"
        if not found and BACKGROUND in {str(s.attrs.get("picture")) for s in streams.values()}:
            raise BadInputError(
                f"the film was read by background subtraction, which finds no joints, so no contacts and no force"
                f" without plates (it holds {held}); read it again by the pose model: leave out --picture"
                f" (picture='{BACKGROUND}' in Python)"
            )
        raise BadInputError(
            f"there are {len(found)} streams of keypoints, expected those of one film (it holds {held}); give a film,"
            " or a trial that was aligned with one"
        )
    return next(iter(found.items()))


def near_side(stream: xr.Dataset) -> Side:
    """Return the side that faces the camera.

    Raises
    ------
    BadInputError
        If the film does not say.
    """
    near = str(stream.attrs.get("near_side", ""))
    if near not in SIDES:
        raise BadInputError(
            "which side of the walker faces the camera is not known; state it with --near-side left or right"
        )
    return "left" if near == "left" else "right"


def passes_of(stream: xr.Dataset) -> list[SidePass]:
    """Return the walker's passes through the picture.

    Raises
    ------
    BadInputError
        If the stream does not say which side is near, how long a leg is, where the floor is and which way the walker
        goes; if a point is not among its keypoints; or if the walker is never seen for some frames.
    """
    near, leg, floor, heading = near_side(stream), *(_stated(stream, n) for n in ("leg_px", "floor_px", "heading"))
    time = np.asarray(stream["time"].values, dtype=np.float64)
    paths = _points(stream, time, leg)
    known = np.isfinite(time) & np.isfinite(paths["pelvis"]).all(axis=1)
    frames = np.flatnonzero(known)
    if frames.size < _FEWEST:
        raise BadInputError("the walker's hips are hardly ever seen in the film; film the whole body from the side")
    trunk = np.stack([paths[name][:, 0] / leg for name in ("pelvis", SHOULDER)], axis=1)
    leapt = np.searchsorted(time[frames], [leap.after_s for leap in leaps(time, trunk)]) - 1
    borders = np.union1d(np.flatnonzero(np.diff(time[frames]) > PASS_GAP_S), leapt.astype(np.intp))
    firsts, lasts = frames[np.r_[0, borders + 1]], frames[np.r_[borders, frames.size - 1]]
    scaled = {name: np.stack([path[:, 0], floor - path[:, 1]], axis=1) / leg for name, path in paths.items()}
    facing = float(np.sign(heading))
    return [
        _pass(time[a : b + 1], {n: p[a : b + 1] for n, p in scaled.items()}, facing, near)
        for a, b in zip(firsts, lasts)
        if b + 1 - a >= _FEWEST
    ]


def _stated(stream: xr.Dataset, name: str) -> float:
    value = float(stream.attrs.get(name, np.nan))
    if not np.isfinite(value) or value == 0:
        raise BadInputError(f"the stream of keypoints does not state '{name}'; read the film anew")
    return value


def _points(stream: xr.Dataset, time: Floats, leg_px: float) -> dict[str, Floats]:
    """Return the paths that the channels are made of, px; legs are told apart where the reader did not."""
    names = [str(n) for n in stream["landmark"].values]
    needed = [f"{joint}_{side}" for joint in (*JOINTS, SHOULDER) for side in SIDES]
    missing = [name for name in needed if name not in names]
    if missing:
        raise BadInputError(f"the keypoints lack {', '.join(missing)}; expected {', '.join(needed)}")
    values = np.asarray(stream["position"].values, dtype=np.float64)
    if LEGS_PUT_RIGHT not in stream.attrs:
        values, _ = legs_put_back(time, values, names, leg_px=leg_px)
    paths = {name: values[:, names.index(name)] for name in needed}
    for middle, joint in (("pelvis", "hip"), (SHOULDER, SHOULDER)):
        paths[middle] = (paths[f"{joint}_left"] + paths[f"{joint}_right"]) / 2.0
    return {n: p for n, p in paths.items() if not n.startswith(f"{SHOULDER}_")}


def _pass(time: Floats, paths: dict[str, Floats], facing: float, near: Side) -> SidePass:
    """Return one pass on even times, the frames of a phone being uneven; derivatives are of whole passes.

    ``near`` is the side of a walker who faces as the film says; whoever comes back shows the other one.
    """
    way = paths["pelvis"][:, 0]
    seen = np.isfinite(way)
    slope = float(np.polyfit(time[seen] - time[seen].mean(), way[seen], 1)[0])
    turned = float(np.sign(slope)) if abs(slope) > PASSING_LEG_S else facing
    near = near if turned == facing else OTHER[near]
    paths = {name: path * np.asarray([turned, 1.0]) for name, path in paths.items()}
    step = float(np.median(np.diff(time)))
    even = np.arange(time[0], time[-1] + 1e-3 * step, step)
    names = list(paths)
    at_even = np.stack([resampled(time, without_leaps(paths[n]), even, gap_s=GAP_S) for n in names], axis=1)
    rate = 1.0 / step
    if rate > 2.0 * POSITION_LOWPASS_HZ:
        at_even = lowpass(at_even, rate_hz=rate, cutoff_hz=POSITION_LOWPASS_HZ)
    cutoff = VELOCITY_LOWPASS_HZ if rate > 2.0 * VELOCITY_LOWPASS_HZ else None
    moving = derivatives(even, at_even, order=1, lowpass_hz=cutoff)
    return SidePass(
        even, {n: at_even[:, i] for i, n in enumerate(names)}, {n: moving[:, i] for i, n in enumerate(names)}, near
    )


def without_leaps(path: Floats) -> Floats:
    """Return a path in legs, shape (frames, 2), NaN where it leaps away for a few frames and comes back."""
    half = LEAP_FRAMES // 2
    seen = np.isfinite(path).all(axis=1)
    around = np.pad(path, ((half, half), (0, 0)), mode="edge")
    near = np.lib.stride_tricks.sliding_window_view(around, LEAP_FRAMES, axis=0)
    some = np.isfinite(near).all(axis=(1, 2))
    middle = np.median(near, axis=2)
    leaps = seen & some & (np.hypot(*(path - middle).T) > LEAP_LEG)
    return np.where(leaps[:, None], np.nan, path)


def pass_of(passes: list[SidePass], start_s: float, end_s: float) -> SidePass | None:
    """Return the pass in which a stance lies as a whole, None where none is."""
    for walked in passes:
        slack = 0.5 * float(walked.time_s[1] - walked.time_s[0])
        if start_s >= walked.time_s[0] - slack and end_s <= walked.time_s[-1] + slack:
            return walked
    return None
