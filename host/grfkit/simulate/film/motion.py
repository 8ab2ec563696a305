"""The motion that is filmed: named points of a walking body over time, and the same a little longer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...arrays import Floats
from ...errors import BadInputError

SIDES = ("left", "right")
KEYPOINTS = (
    "nose",
    *(f"{part}_{side}" for part in ("ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle") for side in SIDES),
    *(f"{part}_{side}" for part in ("heel", "toe") for side in SIDES),
)
"""Points of the body that a film's recording names; ``toe`` is the tip of the foot."""
INNER = ("neck", "head", *(f"{part}_{side}" for part in ("hand", "ball") for side in SIDES))
"""Points that only drawing needs: base of the neck, middle of the head, end of the hand, ball of the foot."""
_SLOWEST_STRIDE_S, _FASTEST_STRIDE_S = 2.0, 0.6
"""Stride times (s) between which a walker's is searched: 60 to 200 steps a minute."""
_LEAST_OVERLAP_S = 0.12
"""Seconds that two strides have to share, to be compared. Chosen by hand."""
_SEAM_S = 0.08
"""Time constant (s) in which the small step between a walker's own stride and its repeat fades. Chosen by hand."""


@dataclass(frozen=True)
class FilmedBody:
    """Named points of a body over time: X along the heading, Y left, Z up from the floor, m.

    Attributes
    ----------
    time_s
        Shape (frames,), on the clock of the forces.
    points
        By name (:data:`KEYPOINTS` and :data:`INNER`), shape (frames, 3).
    height_m
        Stature, which sets the width of the limbs.
    source
        What moved: ``markers of ...`` or ``phantom``.
    measured_s
        First and last moment of the motion that was given; what is beyond repeats the walker's own stride.
    opposite_m
        X of what the camera stands opposite, the plates' middle; None: the middle of the measured motion.
    """

    time_s: Floats
    points: Mapping[str, Floats]
    height_m: float
    source: str
    measured_s: tuple[float, float]
    opposite_m: float | None = None

    def __post_init__(self) -> None:
        """Refuse a body that lacks points or has gaps."""
        for name in (*KEYPOINTS, *INNER):
            if name not in self.points:
                raise BadInputError(f"a filmed body lacks the point '{name}'")
            if self.points[name].shape != (self.time_s.size, 3):
                raise BadInputError(f"point '{name}' has shape {self.points[name].shape}, not ({self.time_s.size}, 3)")
            if not np.isfinite(self.points[name]).all():
                raise BadInputError(f"point '{name}' has gaps; a body with gaps cannot be drawn")

    def at(self, time_s: Floats) -> FilmedBody:
        """Return the body at other times by a cubic spline, held still beyond its ends."""
        from scipy.interpolate import CubicSpline

        held = np.clip(np.asarray(time_s, dtype=np.float64), self.time_s[0], self.time_s[-1])
        names = list(self.points)
        moved = CubicSpline(self.time_s, np.stack([self.points[n] for n in names], axis=1))(held)
        points = {name: np.asarray(moved[:, i]) for i, name in enumerate(names)}
        return replace(self, time_s=np.asarray(time_s, dtype=np.float64), points=points)

    def middle(self, name: str) -> Floats:
        """Return the path of the middle between the left and the right point, shape (frames, 3)."""
        return np.asarray((self.points[f"{name}_left"] + self.points[f"{name}_right"]) / 2.0)

    def covers(self, time_s: Floats) -> NDArray[np.bool_]:
        """Return at which times the body is there, not held still before or after its motion."""
        return np.asarray((time_s >= self.time_s[0]) & (time_s <= self.time_s[-1]))

    @property
    def measured(self) -> NDArray[np.bool_]:
        """Return which samples were measured, not repeated."""
        return np.asarray((self.time_s >= self.measured_s[0]) & (self.time_s <= self.measured_s[1]))

    @property
    def middle_m(self) -> float:
        """Return X of what the camera stands opposite."""
        if self.opposite_m is not None:
            return self.opposite_m
        along = self.middle("hip")[self.measured, 0]
        return float(along.min() + along.max()) / 2

    @property
    def trunk(self) -> Floats:
        """Return the path of the middle of shoulders and hips, shape (frames, 3)."""
        return np.asarray((self.middle("shoulder") + self.middle("hip")) / 2.0)


def stride_s(body: FilmedBody) -> float:
    """Return the time (s) after which the body's pose comes again.

    The lag at which the poses, seen from the pelvis, differ least.

    Raises
    ------
    BadInputError
        If the motion is shorter than one stride.
    """
    step = float(np.median(np.diff(body.time_s)))
    pelvis = body.middle("hip")
    pose = np.stack([body.points[f"{part}_{s}"] - pelvis for part in ("ankle", "knee", "wrist") for s in SIDES], axis=1)
    last = min(_SLOWEST_STRIDE_S, float(body.time_s[-1] - body.time_s[0]) - _LEAST_OVERLAP_S)
    lags = np.arange(round(_FASTEST_STRIDE_S / step), round(last / step) + 1)
    if lags.size < 2:
        raise BadInputError(f"{body.source}: {body.time_s[-1] - body.time_s[0]:.2f} s hold no whole stride to repeat")
    away = [float(np.sqrt(np.mean((pose[lag:] - pose[:-lag]) ** 2))) for lag in lags]
    return float(lags[int(np.argmin(away))] * step)


def extended(body: FilmedBody, *, before_s: float, after_s: float) -> FilmedBody:
    """Return the body with so much more motion at either end: its own stride, moved by its own stride's length.

    The measured stretch is untouched. Nothing is known of the forces beyond it, and nothing new of the motion.
    """
    if before_s <= 0 and after_s <= 0:
        return body
    step = float(np.median(np.diff(body.time_s)))
    lag = round(stride_s(body) / step)
    travel = np.mean(body.middle("hip")[lag:] - body.middle("hip")[:-lag], axis=0)
    first, last = round(max(before_s, 0.0) / step), round(max(after_s, 0.0) / step)
    points = {}
    for name, path in body.points.items():
        path = _behind(path, lag, travel, last, step)
        points[name] = _behind(path[::-1], lag, -travel, first, step)[::-1]
    start = body.time_s[0] - first * step
    time = start + step * np.arange(body.time_s.size + first + last)
    return replace(body, time_s=time, points=points)


def _behind(path: Floats, lag: int, travel: Floats, more: int, step_s: float) -> Floats:
    """Return a path with ``more`` samples added: those one stride earlier, moved by ``travel``."""
    joined = np.concatenate([path, np.empty((more, 3))])
    count = path.shape[0]
    seam = path[-1] - (path[-1 - lag] + travel)
    for k in range(count, count + more):
        # the seam's step is counted once: what is repeated of a repeat carries it already
        fade = np.exp(-(k - count + 1) * step_s / _SEAM_S)
        joined[k] = joined[k - lag] + travel + (seam * fade if k - lag < count else 0.0)
    return joined
