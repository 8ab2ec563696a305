"""How far inputs lie from those that a model was trained on, channel by channel, in the training's own spread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..arrays import Floats
from ..records.stance_set import StanceSet
from .batches import Windows
from .scaler import STILL, Scaler

FAR = 8.0
"""Distance (see :func:`distances`) beyond which a window's channel is far from training. People left out of training
sets of two people are within 5.9 (shank accelerations of 5, cells in N of 97), of eight within 4.1; wrong units begin
at 9.8 (g as m/s^2)."""
FAR_SHARE = 0.2
"""Share of the windows that have to be far for a channel to be named; chosen by hand: a knock or a wild sample is
nobody's movement."""
REFUSED = 20.0
"""Median distance beyond which a channel in a physical unit is refused: three times that of anybody left out who was
right; deg/s taken for rad/s make 57. Counts are named and never refused: those of another make of insole, of 14 bits
where training had 8, differ by as much, and cells of simulated ones do."""
STILL_SHARE = 0.08
"""Spread of all three axes of a sensor, as a share of that in training, below which it is named: people left out have
.16 and more; rad/s taken for deg/s make .017."""
_UNCALIBRATED = ("count", "relative", "unknown", "V")


class Beyond(NamedTuple):
    """A channel far from training: the median distance of its windows, and the share of them that is far."""

    channel: str
    unit: str
    median: float
    share: float

    @property
    def refused(self) -> bool:
        """Return whether no answer is safe."""
        return self.median > REFUSED and self.unit not in _UNCALIBRATED

    def __str__(self) -> str:
        """Return it in words."""
        return f"{self.channel} [{self.unit}] {self.median:.0f} times ({100 * self.share:.0f} % of windows)"


class Distances(NamedTuple):
    """Distance from training and spread within the window, by window and channel: shape (windows, channels)."""

    distance: Floats
    spread: Floats


def distances(scaler: Scaler, data: StanceSet) -> Distances:
    """Return how far every window is from training, in units of its spread; NaN where a channel is missing.

    The distance is the root mean square over the window's samples of ``(value - centre) / size``, about 1 in training
    (with min-max scaling of the distance from the middle, in half ranges). A channel that never moved in training has
    none, and with ``kind="none"``, which knows no spread, all are NaN.
    """
    centre, size = np.asarray(scaler.centre), np.asarray(scaler.size)
    if scaler.kind == "minmax":
        centre, size = centre + size / 2, size / 2
    if scaler.kind == "none":
        size = np.full_like(size, np.nan)
    size = np.where(size >= STILL / 2, np.nan, size)
    windows = Windows(data, scaler.channels, (), (), memory_mb=0)
    parts = [_of((batch.inputs - centre) / size) for batch in windows.in_order()]
    return Distances(*(np.concatenate(each) for each in zip(*parts)))


def _of(scaled: Floats) -> Distances:
    known = np.isfinite(scaled)
    count = np.maximum(known.sum(axis=1), 1)
    mean = np.where(known, scaled, 0.0).sum(axis=1) / count
    square = np.where(known, scaled, 0.0) ** 2
    rms = np.sqrt(square.sum(axis=1) / count)
    spread = np.sqrt(np.maximum(square.sum(axis=1) / count - mean**2, 0.0))
    some = known.any(axis=1)
    return Distances(np.where(some, rms, np.nan), np.where(some, spread, np.nan))


def beyond_training(scaler: Scaler, parts: Sequence[Distances]) -> list[Beyond]:
    """Return the channels that are far from training in a share of all windows."""
    far = []
    distance = np.concatenate([part.distance for part in parts]) if parts else np.zeros((0, len(scaler.channels)))
    for name, unit, column in zip(scaler.channels, scaler.units, distance.T):
        known = column[np.isfinite(column)]
        share = float(np.mean(known > FAR)) if known.size else 0.0
        if share > FAR_SHARE:
            far.append(Beyond(name, unit, float(np.median(known)), share))
    return far


def hardly_moving(scaler: Scaler, parts: Sequence[Distances]) -> list[tuple[str, float]]:
    """Return the inertial sensors (``acc``, ``gyro``) of which no axis moves as in training, and the largest share."""
    spread = np.concatenate([part.spread for part in parts]) if parts else np.zeros((0, len(scaler.channels)))
    still = []
    for sensor in ("acc", "gyro"):
        columns = [k for k, name in enumerate(scaler.channels) if name in {f"{sensor}_{a}" for a in "xyz"}]
        known = [spread[np.isfinite(spread[:, k]), k] for k in columns]
        if len(columns) == 3 and all(column.size for column in known):
            largest = max(float(np.median(column)) for column in known)
            if largest < STILL_SHARE:
                still.append((sensor, largest))
    return still
