"""Signals at other times: splines, straight lines, stances of equal length, continuous windows, derivatives."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from ..errors import BadInputError
from ..signals.filters import lowpass

WINDOWS = ("stance", "continuous")
_ROUNDING, _SAME_START = 1e-9, 1e-6
"""A start this little behind the last possible one is still a window, and two starts this close are one: rounding
of sums (s, or samples where starts are counted in samples)."""


def check_window(window: str, cut: str, allowed: Sequence[str] = ("force",)) -> None:
    """Refuse a kind of window or cut that does not exist.

    Raises
    ------
    BadInputError
        If the window is unknown, or no detector of that name cuts stances here.
    """
    if window not in WINDOWS:
        raise BadInputError(f"window is '{window}', expected one of {', '.join(WINDOWS)}")
    if window == "stance" and cut not in allowed:
        raise BadInputError(
            f"cut is '{cut}'; stances of these recordings are cut by {', '.join(allowed)}: their other signals show"
            " no toe-off. Take window='continuous', which needs no cut"
        )


def resampled(time_s: Floats, values: Floats, at_s: Floats, *, gap_s: float = 0.1) -> Floats:
    """Return the values at other times, by a cubic spline through the measured samples of each channel.

    Parameters
    ----------
    time_s, values
        Shape (samples,), increasing, and (samples, ...); NaN where missing.
    at_s
        Shape (n,), increasing.
    gap_s
        Times between two measured samples further apart than this are NaN, and so are those before the first or after
        the last one (by more than a tenth of a sample period).

    Returns
    -------
    array
        Shape (n, ...).
    """
    from scipy.interpolate import CubicSpline

    columns = values.reshape(len(time_s), -1)
    step = float(np.median(np.diff(time_s)))
    low, high = np.searchsorted(time_s, [at_s[0] - gap_s - 8 * step, at_s[-1] + gap_s + 8 * step])
    time_s, columns = time_s[low:high], columns[low:high]  # a spline hardly depends on what is eight knots away
    measured = np.isfinite(columns)
    result = np.full((len(at_s), columns.shape[1]), np.nan)
    complete = measured.all(axis=0)
    # a cubic spline needs four points
    if len(time_s) < 4:
        return result.reshape((len(at_s), *values.shape[1:]))
    if complete.any():
        result[:, complete] = CubicSpline(time_s, columns[:, complete])(at_s)
        result[~_reached(time_s, at_s, gap_s)] = np.nan
    for channel in np.flatnonzero(~complete):
        times = time_s[measured[:, channel]]
        if times.size >= 4:
            path = CubicSpline(times, columns[measured[:, channel], channel])(at_s)
            result[:, channel] = np.where(_reached(times, at_s, gap_s), path, np.nan)
    return result.reshape((len(at_s), *values.shape[1:]))


def _reached(time_s: Floats, at_s: Floats, gap_s: float) -> NDArray[np.bool_]:
    """Return which times lie between measured samples no further apart than ``gap_s``."""
    # a contact at the first or last sample may lie beside it by rounding of another clock
    slack = 0.1 * float(np.median(np.diff(time_s)))
    after = np.clip(np.searchsorted(time_s, at_s), 1, time_s.size - 1)
    near = time_s[after] - time_s[after - 1] <= gap_s
    return np.asarray(near & (at_s >= time_s[0] - slack) & (at_s <= time_s[-1] + slack), dtype=bool)


def linear(time_s: Floats, values: Floats, at_s: Floats) -> Floats:
    """Return the values at other times by straight lines, shape (n, channels); NaN beyond the ends and beside NaN."""
    columns = values.reshape(len(time_s), -1)
    return np.stack([np.interp(at_s, time_s, c, left=np.nan, right=np.nan) for c in columns.T], axis=1)


def stance_times(ic_s: float, to_s: float, points: int) -> Floats:
    """Return ``points`` times from contact to toe-off, both included (101 points: 0 to 100 % of stance)."""
    if points < 2 or not to_s > ic_s:
        raise BadInputError(f"a stance from {ic_s} s to {to_s} s cannot be cut into {points} points")
    return np.linspace(ic_s, to_s, points)


def continuous_starts(start_s: float, end_s: float, *, window_s: float, overlap: float) -> Floats:
    """Return where windows of ``window_s`` begin: from the start on, each sharing ``overlap`` (0 to 1) with the last.

    The last window ends at ``end_s`` and may share more, so that every sample is in some window. A record shorter than
    a window gives one that runs over its end (weight 0 there).

    Raises
    ------
    BadInputError
        If the window is not longer than 0 or the overlap not in [0, 1).
    """
    if not window_s > 0 or not 0 <= overlap < 1:
        raise BadInputError(f"window_s is {window_s} and overlap {overlap}; expected more than 0 and [0, 1)")
    last = end_s - window_s
    if last <= start_s:
        return np.asarray([start_s])
    starts = np.arange(start_s, last + _ROUNDING, window_s * (1.0 - overlap))
    return starts if last - starts[-1] < _SAME_START else np.append(starts, last)


def derivatives(time_s: Floats, values: Floats, *, order: int, lowpass_hz: float | None) -> Floats:
    """Return the first or second derivative by central differences, after a zero-lag low-pass.

    Parameters
    ----------
    values
        Shape (samples, ...); NaN where missing, and NaN beside.
    order
        1 or 2.
    lowpass_hz
        Corrected cut-off (order 2 each way); None filters nothing.
    """
    rate = 1.0 / float(np.median(np.diff(time_s)))
    flat = values.reshape(len(time_s), -1)
    smooth = flat if lowpass_hz is None else lowpass(flat, rate_hz=rate, cutoff_hz=lowpass_hz)
    # with the times themselves, so that an uneven sample does not bend the slope
    for _ in range(order):
        smooth = np.gradient(smooth, time_s, axis=0)
    return np.asarray(smooth.reshape(values.shape))
