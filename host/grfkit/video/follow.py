"""One person over all pictures of a film: points, scores, and masks kept small."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from .passes import Passes
from .people import SEEN, Path
from .pose import POINTS, Picture, Pose, PoseModel, Region, import_cv

MASK_SIDE = 128
"""Pixels of a side of a kept mask: a body is about 100 of them high, a clip's 36."""
_DRIFT = 0.15
"""Share of the square's side that the hips may be off the person's path before it is looked for there. By hand."""
_LEVELS = 16
"""Grey levels of a kept mask: fewer press better, and a silhouette needs no more."""

_NO_MASK = np.zeros((0, 0), dtype=np.uint8)


@dataclass(frozen=True)
class KeptMask:
    """A mask, pressed to about 1 KB, and the square of the picture that it covers."""

    pressed: bytes
    region: Region

    def pixels(self) -> NDArray[np.uint8]:
        """Return the mask, shape (128, 128), 0 to 255."""
        return np.frombuffer(zlib.decompress(self.pressed), dtype=np.uint8).reshape(MASK_SIDE, MASK_SIDE)


def keep_mask(mask: NDArray[np.uint8], region: Region) -> KeptMask:
    """Return a square mask made small."""
    step = 256 // _LEVELS
    small = import_cv().resize(mask, (MASK_SIDE, MASK_SIDE), interpolation=import_cv().INTER_AREA)
    levels = np.where(small >= 256 - step, 255, small // step * step).astype(np.uint8)
    return KeptMask(zlib.compress(levels.tobytes(), 1), region)


@dataclass(frozen=True)
class Walker:
    """One person over the pictures of a film.

    Attributes
    ----------
    times
        Shape (frames,), s, of the film.
    points
        Shape (frames, 33, 2), px; NaN in pictures where the person is not found.
    depth, visibility
        Shape (frames, 33), px (negative is nearer) and 0 to 1.
    score
        Shape (frames,): how sure the network is that somebody is there; 0 if not found.
    masks
        One for each picture; None where the person is not found.
    """

    times: Floats
    points: Floats
    depth: Floats
    visibility: Floats
    score: Floats
    masks: tuple[KeptMask | None, ...]

    def part(self, start: int, end: int) -> Walker:
        """Return the pictures ``[start, end)``."""
        cut = slice(start, end)
        return Walker(
            self.times[cut],
            self.points[cut],
            self.depth[cut],
            self.visibility[cut],
            self.score[cut],
            self.masks[cut],
        )

    def without(self, away: NDArray[np.bool_]) -> Walker:
        """Return the walker as not found in these pictures, shape (frames,)."""
        return Walker(
            self.times,
            np.where(away[:, None, None], np.nan, self.points),
            np.where(away[:, None], np.nan, self.depth),
            np.where(away[:, None], 0.0, self.visibility),
            np.where(away, 0.0, self.score),
            tuple(None if gone else mask for gone, mask in zip(away, self.masks)),
        )


def follow(
    frames: Iterable[tuple[float, Picture]],
    path: Path | Passes,
    model: PoseModel,
    *,
    seen: Callable[[float], None] | None = None,
) -> Walker:
    """Return the person of a path in every picture of a film.

    Each picture is looked at where the last one's pose says; where that finds nobody or leaves the person's path, where
    the path says.

    Parameters
    ----------
    frames
        Time (s) and picture, in order.
    seen
        Called with the time of each picture, for progress.
    """
    follower = Follower(model)
    for time_s, picture in frames:
        follower.look(time_s, picture, path.at(time_s))
        if seen:
            seen(time_s)
    return follower.walker()


class Follower:
    """Follows one person through pictures that are given one after the other."""

    def __init__(self, model: PoseModel) -> None:
        self._model = model
        self._times: list[float] = []
        self._poses: list[Pose | None] = []
        self._masks: list[KeptMask | None] = []
        self._last: Region | None = None

    def __len__(self) -> int:
        """Return how many pictures were looked at."""
        return len(self._times)

    def look(self, time_s: float, picture: Picture, expected: Region | None) -> None:
        """Look for the person in the next picture, where it is expected by its path; None: not in the picture."""
        pose = _next(picture, self._last, expected, self._model)
        self._last = pose.following if pose else None
        self._times.append(time_s)
        self._masks.append(keep_mask(pose.mask, pose.region) if pose else None)
        # the mask was pressed: a long film's would fill the memory
        self._poses.append(replace(pose, mask=_NO_MASK) if pose else None)

    def walker(self) -> Walker:
        """Return the person in the pictures so far."""
        return _walker(self._times, self._poses, self._masks)


def _next(picture: Picture, last: Region | None, expected: Region | None, model: PoseModel) -> Pose | None:
    """Return the person's pose in the next picture, None if not found."""
    if expected is None:  # before the person comes into the picture, or after leaving it
        return None
    for region in (last, expected):
        if region is None:
            continue
        pose = model.look(picture, region)
        off = np.hypot(pose.hip[0] - expected.x, pose.hip[1] - expected.y)
        if pose.score >= SEEN and off <= _DRIFT * expected.side:
            return pose
    return None


def _walker(times: Sequence[float], poses: Sequence[Pose | None], masks: Sequence[KeptMask | None]) -> Walker:
    count = len(POINTS)
    nothing = np.full(count, np.nan)
    return Walker(
        times=np.array(times, dtype=np.float64),
        points=np.array([p.points if p else np.full((count, 2), np.nan) for p in poses]).reshape(-1, count, 2),
        depth=np.array([p.depth if p else nothing for p in poses]).reshape(-1, count),
        visibility=np.array([p.visibility if p else np.zeros(count) for p in poses]).reshape(-1, count),
        score=np.array([p.score if p else 0.0 for p in poses], dtype=np.float64),
        masks=tuple(masks),
    )
