"""From answers of windows to one curve per foot on the recording's clock; what nobody knows stays NaN."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ..arrays import Floats
from ..dataset.resample import linear
from ..signals.clocks import increasing

LONGEST_SWING_S = 1.0
"""A foot that shows no stance for longer may stand still or not be worn: nobody knows its force."""


class Sampled(Protocol):
    """Anything of a foot that has the samples of a wearable."""

    @property
    def time_s(self) -> Floats:
        """Return the times, increasing."""
        ...

    @property
    def rate_hz(self) -> float:
        """Return the rate."""
        ...


@dataclass(frozen=True)
class FootCurve:
    """Force of one foot at the samples of its wearable.

    Attributes
    ----------
    time_s
        Shape (samples,), increasing.
    force_bw
        Shape (samples, axes): up, forward, medial of this foot; BW, NaN where it is not known.
    """

    time_s: Floats
    force_bw: Floats
    rate_hz: float
    axes: tuple[str, ...]

    def at(self, time_s: Floats) -> Floats:
        """Return the force at other times by straight lines, NaN beside what is not known, shape (n, axes)."""
        return linear(self.time_s, self.force_bw, time_s)


def sample_times(base: xr.Dataset) -> tuple[Floats, NDArray[np.bool_]]:
    """Return a stream's times that increase, and in which of them a signal was received."""
    time = np.asarray(base["time"].values, dtype=np.float64)
    keep = increasing(time)
    signals = [
        np.asarray(v.values, dtype=np.float64) for n, v in base.data_vars.items() if not str(n).startswith("time")
    ]
    received = np.asarray(np.isfinite(np.stack(signals, axis=1)).any(axis=1), dtype=bool)
    return time[keep], received[keep]


def between(time_s: Floats, start_s: float, end_s: float) -> slice:
    """Return which of increasing times lie from start to end, both included."""
    return slice(int(np.searchsorted(time_s, start_s, "left")), int(np.searchsorted(time_s, end_s, "right")))


def from_stances(
    base: xr.Dataset,
    answers: Sequence[tuple[Floats, Floats]],
    turned_down: Sequence[tuple[float, float]],
    axes: tuple[str, ...],
) -> FootCurve:
    """Return the curve of a foot from its stances.

    Parameters
    ----------
    base
        The stream whose samples the curve has.
    answers
        Times (points,) and force (points, axes; BW; NaN where not answered) of each stance, in order of contact.
    turned_down
        From when to when a contact was turned down.
    """
    time, received = sample_times(base)
    force = np.full((time.size, len(axes)), np.nan)
    for (before, _), (after, _) in pairwise(answers):
        start, end = float(before[-1]), float(after[0])
        # a contact that was turned down loads the foot: the time between is then no swing
        disturbed = any(a < end and b > start for a, b in turned_down)
        if 0 < end - start <= LONGEST_SWING_S and not disturbed:
            swing = between(time, start, end)
            force[swing] = np.where(received[swing, None], 0.0, np.nan)
    # after the swings, whose borders share a sample with the stance: its force stands, not 0
    for at, values in answers:
        inside = between(time, at[0], at[-1])
        force[inside] = linear(at, values, time[inside])
    return FootCurve(time, force, float(base.attrs["rate_hz"]), axes)


def from_windows(
    base: xr.Dataset,
    first: NDArray[np.int64],
    answers: Floats,
    any_input: Sequence[NDArray[np.bool_]],
    *,
    rate_hz: float,
    axes: tuple[str, ...],
) -> FootCurve:
    """Return the curve of a foot from continuous windows; where they overlap, the mean of their answers.

    Parameters
    ----------
    first
        Shape (windows,): first sample of each window, counted at ``rate_hz`` from the stream's first time.
    answers
        Shape (windows, points, axes), BW.
    any_input
        Per window, shape (points,): whether any input was known.
    """
    time, received = sample_times(base)
    length = int(first.max()) + answers.shape[1]
    total, count = np.zeros((length, len(axes))), np.zeros(length)
    for k, values, good in zip(first, answers, any_input):
        part = slice(int(k), int(k) + values.shape[0])
        usable = good & np.isfinite(values).all(axis=1)
        total[part][usable] += values[usable]
        count[part][usable] += 1
    mean = np.where(count[:, None] > 0, total / np.maximum(count, 1)[:, None], np.nan)
    force = linear(time[0] + np.arange(length) / rate_hz, mean, time)
    force[~received] = np.nan
    return FootCurve(time, force, float(base.attrs["rate_hz"]), axes)


def common_times(feet: Sequence[Sampled]) -> Floats:
    """Return one time base of all feet: their own samples where these are the same, else evenly at the highest rate."""
    first = feet[0].time_s
    if all(c.time_s.shape == first.shape and np.allclose(c.time_s, first, atol=1e-9) for c in feet):
        return first
    start, end = min(float(c.time_s[0]) for c in feet), max(float(c.time_s[-1]) for c in feet)
    rate = max(c.rate_hz for c in feet)
    return start + np.arange(int((end - start) * rate + 1e-6) + 1) / rate
