"""Does the camera stand still? The background's shift from picture to picture, outside the people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from ..errors import RefusedError
from .pose import Picture, import_cv

_WIDTH = 480  # px of the picture in which marks are followed
_MARKS, _LEAST_MARKS = 200, 12
_QUALITY, _APART = 0.01, 8.0  # of Shi and Tomasi's corners: share of the best one's, and px between two
_ROUND_TRIP = 0.5  # px that a mark followed there and back may be off

CAMERA_MOVES = 0.1
"""Shift of the background, in leg lengths, from which on a film is refused: 8 cm of the floor. Chosen by hand."""


class HasPoints(Protocol):
    """Somebody in the picture: points around whom no marks are taken, px, shape (points, 2)."""

    @property
    def points(self) -> Floats:
        """Return the points."""


class Background:
    """Follows marks of the background through pictures that are given one after the other.

    Corners (Shi and Tomasi 1994) outside the people are followed from picture to picture (Lucas and Kanade 1981) and
    back; the median of their shifts is the camera's.
    """

    def __init__(self) -> None:
        self._cv = import_cv()
        self._last: NDArray[np.uint8] | None = None
        self._people: Sequence[HasPoints] = ()
        self._scale = 1.0
        self._times: list[float] = []
        self._shifts: list[Floats] = []

    def look(self, picture: Picture, time_s: float, people: Sequence[HasPoints]) -> None:
        """Take the next picture, and the people in it."""
        cv = self._cv
        self._scale = picture.shape[1] / _WIDTH
        size = (_WIDTH, max(1, round(picture.shape[0] / self._scale)))
        grey = cv.resize(cv.cvtColor(picture, cv.COLOR_RGB2GRAY), size, interpolation=cv.INTER_AREA)
        if self._last is not None and self._last.shape == grey.shape:
            self._shifts.append(self._shift(self._last, grey, [*self._people, *people]))
            self._times.append(time_s)
        self._last, self._people = grey, people

    def shift_px(self, start_s: float, end_s: float) -> float:
        """Return the background's largest distance from its median place in a time, px; NaN without marks."""
        times = np.array(self._times)
        within = (times > start_s) & (times <= end_s)
        if not within.any():
            return float("nan")
        steps = np.array(self._shifts)[within]
        if np.isnan(steps).any(axis=1).mean() > 0.5:
            return float("nan")
        places = np.cumsum(np.nan_to_num(steps), axis=0)
        return float(np.hypot(*(places - np.median(places, axis=0)).T).max()) * self._scale

    def _shift(self, last: NDArray[np.uint8], grey: NDArray[np.uint8], people: Sequence[HasPoints]) -> Floats:
        """Return the median shift of marks between two pictures, NaN if there are too few."""
        cv = self._cv
        free = np.full(last.shape, 255, dtype=np.uint8)
        for pose in people:
            low, high = (np.array(f(pose.points, axis=0)) / self._scale for f in (np.min, np.max))
            margin = 0.15 * (high[1] - low[1])
            (left, top), (right, bottom) = (
                np.clip(v, 0, last.shape[::-1]).astype(int) for v in (low - margin, high + margin)
            )
            free[top:bottom, left:right] = 0
        marks = cv.goodFeaturesToTrack(last, _MARKS, _QUALITY, _APART, mask=free)
        if marks is None or len(marks) < _LEAST_MARKS:
            return np.full(2, np.nan)
        moved, found, _ = cv.calcOpticalFlowPyrLK(last, grey, marks, None)
        back, again, _ = cv.calcOpticalFlowPyrLK(grey, last, moved, None)
        good = (found.ravel() == 1) & (again.ravel() == 1) & (np.hypot(*(back - marks)[:, 0].T) < _ROUND_TRIP)
        if good.sum() < _LEAST_MARKS:
            return np.full(2, np.nan)
        shift: Floats = np.median((moved - marks)[good, 0], axis=0).astype(np.float64)
        return shift


def refuse_moving(shift: float, name: str) -> None:
    """Refuse a film whose background shifts by too much (leg lengths; NaN is not known).

    Raises
    ------
    RefusedError
        With what to do.
    """
    if shift > CAMERA_MOVES:
        raise RefusedError(
            f"{name}: the camera moves (the background shifts by {shift:.2f} of the leg's length, expected below"
            f" {CAMERA_MOVES}); put it on a tripod or a table, and do not follow the walker with it"
        )
