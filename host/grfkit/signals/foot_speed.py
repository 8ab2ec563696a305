"""Landings from how fast a foot goes backwards under the body: a foot on the ground goes as fast as the ground."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, signal

from ..arrays import Floats

LOWPASS_HZ = 12.0
"""Low-pass (Hz) of a foot's course along the heading; between 8 and 20 Hz the lag's SD between 20 real runners differs
by 0.6 ms."""
SHARE = 0.5
"""A foot has landed where its backward speed reaches this share of the fastest of its stance. At a half, real runners
and walkers of four data sets and simulated runners land within 10 ms of each other (medians); at .85 those of one set
have the least SD (4.8 ms, not 6.5), but the sets differ by up to 50 ms."""
SHORTEST_STRIDE_S = 0.45
"""Between two instants at which a foot is foremost; a sprinter's stride lasts as long."""
LEAST_REACH = 0.4
"""Share of its usual range by which a foot turns back; less is no stride. Chosen by hand."""
FASTEST_WITHIN_S, LANDED_WITHIN_S = 0.35, 0.25
"""After it was foremost a foot is fastest, and has landed, within these times (s); chosen by hand."""
HEADING_S = 2.0
"""Time (s) over which the feet's pointing is averaged: some strides, so that toeing out and swing cancel."""


def heading(pointing: list[Floats], rate_hz: float) -> Floats:
    """Return the heading at every sample, shape (samples, 2): where the feet point on the whole.

    Parameters
    ----------
    pointing
        From heel to toe of each foot, shape (samples, 2), no NaN.
    """
    size = max(1, round(HEADING_S * rate_hz))
    along = ndimage.uniform_filter1d(np.mean(pointing, axis=0), size, axis=0, mode="nearest")
    return np.asarray(along / np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9))


def speed_landings(ahead: Floats, rate_hz: float) -> tuple[Floats, Floats]:
    """Return the landings of one foot, in samples and fractions, and its backward speed (m/s) in each stance.

    Parameters
    ----------
    ahead
        How far (m) the foot is ahead of the body, shape (samples,), no NaN.
    """
    if rate_hz > 2.5 * LOWPASS_HZ:
        ahead = signal.sosfiltfilt(signal.butter(2, LOWPASS_HZ, fs=rate_hz, output="sos"), ahead)
    low, high = np.percentile(ahead, [5, 95])
    foremost, _ = signal.find_peaks(
        ahead,
        distance=max(1, round(SHORTEST_STRIDE_S * rate_hz)),
        prominence=max(LEAST_REACH * (high - low), 1e-9),
    )
    backward = -np.gradient(ahead) * rate_hz
    found = [_reached(backward, int(peak), rate_hz) for peak in foremost]
    rows = np.asarray([row for row in found if row is not None], dtype=np.float64).reshape(-1, 2)
    return rows[:, 0], rows[:, 1]


def _reached(backward: Floats, foremost: int, rate_hz: float) -> tuple[float, float] | None:
    """Return where a foot's speed first reaches its share of the stance's fastest, and that; None where it does not."""
    end = foremost + round(FASTEST_WITHIN_S * rate_hz)
    if end >= backward.size:
        return None
    part = backward[foremost : end + 1]
    fastest = float(part.max())
    above: NDArray[np.int64] = np.flatnonzero((part[:-1] < SHARE * fastest) & (part[1:] >= SHARE * fastest))
    if not above.size or above[0] > LANDED_WITHIN_S * rate_hz:
        return None
    k = int(above[0])
    return foremost + k + float((SHARE * fastest - part[k]) / (part[k + 1] - part[k])), fastest
