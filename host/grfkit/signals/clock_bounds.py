"""Lines under (or over) a cloud of points: what is left of a clock's offset once every delay is taken off.

A delay is never negative, so ``arrival - device time`` of packets lies above the clocks' true offset and touches it
where nothing was in the way; ``host sent - device received`` of time requests lies below. A supporting line of the
cloud (Moon, Skelly, Towsley 1999, doi 10.1109/INFCOM.1999.749287) is offset and drift at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats


def lower_hull(x: Floats, y: Floats) -> NDArray[np.int64]:
    """Return the indices of the lower convex hull of points whose ``x`` rise (equal ones are allowed)."""
    hull: list[int] = []
    xs, ys = x.tolist(), y.tolist()
    for k, (at, value) in enumerate(zip(xs, ys)):
        while len(hull) > 1:
            a, b = hull[-2], hull[-1]
            # Andrew's monotone chain: b stays where it lies below the line from a to the new point
            if (ys[b] - ys[a]) * (at - xs[a]) < (value - ys[a]) * (xs[b] - xs[a]):
                break
            hull.pop()
        if len(hull) == 1 and xs[hull[0]] == at:
            hull = [hull[0] if ys[hull[0]] <= value else k]
            continue
        hull.append(k)
    return np.asarray(hull, dtype=np.int64)


def line_below(x: Floats, y: Floats, *, most_slope: float) -> tuple[float, float]:
    """Return ``(level, slope)`` of the line below all points that is least far from them on average.

    ``y >= level + slope * (x - x[-1])`` for every point. The optimum is the hull's edge over the mean of ``x``; a slope
    beyond ``most_slope`` is clipped and the level lowered until the line is below again.

    Parameters
    ----------
    x, y
        Shape (points,), at least one; ``x`` rises.
    """
    hull = lower_hull(x, y)
    slope = 0.0
    if hull.size > 1:
        # the sum of distances depends on the line's height at the mean of x alone, which the edge there makes greatest
        edge = int(np.clip(np.searchsorted(x[hull], x.mean()), 1, hull.size - 1))
        a, b = hull[edge - 1], hull[edge]
        slope = float((y[b] - y[a]) / (x[b] - x[a])) if x[b] > x[a] else 0.0
    slope = float(np.clip(slope, -most_slope, most_slope))
    return float(np.min(y[hull] - slope * (x[hull] - x[-1]))), slope


def line_above(x: Floats, y: Floats, *, most_slope: float) -> tuple[float, float]:
    """Return the same above all points."""
    level, slope = line_below(x, -y, most_slope=most_slope)
    return -level, -slope


MOST_DRIFT, UNKNOWN_DRIFT = 100e-6, 50e-6
"""Of two crystals at their worst, and of two as they mostly are."""
TWO_WAY_SLOPE_FROM_S, ONE_WAY_SLOPE_FROM_S = 25.0, 120.0
"""Span (s) from which the drift is fitted: of time requests, and of arrivals alone, whose least delay wanders with the
link."""
_ONE_WAY_BIAS_S = 4e-3
"""Least delay (s) of a packet on its way, taken off where only arrivals are known."""
_FEW_S, _MOST_KNOTS = 0.1, 1500
"""Uncertainty (s) of one arrival, which falls with their number; knots of a whole recording at most."""
_RECENT_S = 21.0
"""Time (s) before the last arrival of which arrivals count where no drift is fitted: 50 ppm are 1 ms in it; chosen by
hand."""
_LEAST_DISTANCE_S = 1e-5
"""Distance (s) of the points from an edge, at the least, by which its slope is weighed: an edge that touches all of its
points must not have infinite weight."""
_LEAST_SPREAD_S = 1e-3
"""Uncertainty (s) of arrivals alone, at the least, beside that of the least delay; chosen by hand."""
_REQUEST_S = 10.0
"""Time (s) between two bursts of time requests: one burst beyond either end of a window counts as well."""


@dataclass(frozen=True)
class OffsetBand:
    """A clock's offset near a time: ``level_s + slope * (t - at_s)``, surely within ``half_s`` of it.

    Attributes
    ----------
    two_way
        Whether time requests bound it from below; otherwise delay and offset cannot be separated.
    sloped
        Whether the slope was fitted, or is held at 0.
    """

    at_s: float
    level_s: float
    slope: float
    half_s: float
    two_way: bool
    sloped: bool

    def offset_s(self, device_s: Floats | float) -> Floats:
        """Return host time less device time."""
        return np.asarray(self.level_s + self.slope * (np.asarray(device_s) - self.at_s), dtype=np.float64)


def two_way_band(device_s: Floats, low_s: Floats, up_s: Floats, *, at_s: float, slope_from_s: float) -> OffsetBand:
    """Return the band that time requests leave: above every ``low_s``, below every ``up_s``, the offset in the middle.

    Slopes of both edges are weighed by how tightly their points lie on them. With all delays the same both ways the
    middle is the offset; it is off by half their difference, and never by more than half the band.

    Parameters
    ----------
    device_s
        Device time at the request's arrival, shape (exchanges,), rising, at least one.
    low_s, up_s
        Host's sending less device's receiving; host's receiving less device's answering.
    slope_from_s
        The slope is held at 0 while the exchanges span less, and the edges give way by 50 ppm with age.
    """
    sloped = bool(device_s[-1] - device_s[0] >= slope_from_s)
    slope = 0.0
    if sloped:
        ends = device_s - device_s[-1]
        low, low_slope = line_above(device_s, low_s, most_slope=MOST_DRIFT)
        up, up_slope = line_below(device_s, up_s, most_slope=MOST_DRIFT)
        low_w = 1 / max(float(np.median(low + low_slope * ends - low_s)), _LEAST_DISTANCE_S) ** 2
        up_w = 1 / max(float(np.median(up_s - up - up_slope * ends)), _LEAST_DISTANCE_S) ** 2
        slope = (low_w * low_slope + up_w * up_slope) / (low_w + up_w)
    # every exchange carried to at_s; without a fitted slope an old one is a looser bound, by what the clocks may drift
    age = at_s - device_s
    slack = 0.0 if sloped else UNKNOWN_DRIFT * np.abs(age)
    lower, upper = float(np.max(low_s + slope * age - slack)), float(np.min(up_s + slope * age + slack))
    # the edges may cross where the clocks did not keep the slope: the gap between them is the doubt all the same
    return OffsetBand(at_s, (lower + upper) / 2, slope, abs(upper - lower) / 2, True, sloped)


def one_way_band(device_s: Floats, up_s: Floats, *, at_s: float, slope_from_s: float) -> OffsetBand:
    """Return the band that arrivals alone allow: the least delay is taken as ``_ONE_WAY_BIAS_S``, as such links show.

    Parameters
    ----------
    device_s, up_s
        Device time, and host's arrival less device time, shape (points,), rising, at least one.
    """
    sloped = bool(device_s[-1] - device_s[0] >= slope_from_s)
    if sloped:
        level, slope = line_below(device_s, up_s, most_slope=MOST_DRIFT)
        level += slope * (at_s - device_s[-1])
        spread = float(np.median(up_s - level - slope * (device_s - at_s)))
    else:
        slope, near = 0.0, up_s[device_s >= device_s[-1] - _RECENT_S]
        level, spread = float(near.min()), float(np.median(near) - near.min())
    return OffsetBand(
        at_s,
        level - _ONE_WAY_BIAS_S,
        slope,
        _ONE_WAY_BIAS_S + max(spread, _LEAST_SPREAD_S, _FEW_S / up_s.size),
        False,
        sloped,
    )


def offset_over_time(
    sent_s: Floats, arrival_s: Floats, exchanges: Floats, *, window_s: float = 300.0
) -> tuple[Floats, Floats, float]:
    """Return ``(knots_s, offset_s, uncertainty_s)`` of a whole recording, seen from its end.

    Every minute (in more than a day, at 1500 places) the band of the half window before and after; straight between.

    Parameters
    ----------
    sent_s, arrival_s
        Device time when packets were ready, and the host's when they came; shape (packets,), at least one, rising.
    exchanges
        Shape (n, 4): t1, t2, t3, t4 in s, t2 and t3 of the device unwrapped; n may be 0.
    """
    first, last = float(sent_s[0]), float(sent_s[-1])
    span = last - first
    count = min(_MOST_KNOTS, max(2, int(span // 60) + 1)) if span > window_s else 1
    knots = np.linspace(first, last, count) if count > 1 else np.asarray([(first + last) / 2])
    bands = []
    for knot in knots:
        # at the ends of a recording the window stays whole and is no longer centred
        begin = np.clip(knot - window_s / 2, first, max(first, last - window_s))
        bands.append(_band_within(sent_s, arrival_s, exchanges, begin, begin + window_s, float(knot)))
    if count == 1:
        knots = np.asarray([first, last]) if last > first else np.asarray([first])
        offsets = bands[0].offset_s(knots)
    else:
        offsets = np.asarray([band.level_s for band in bands])
    return knots, offsets, max(band.half_s for band in bands)


def _band_within(
    sent_s: Floats, arrival_s: Floats, exchanges: Floats, begin_s: float, end_s: float, at_s: float
) -> OffsetBand:
    inside = (exchanges[:, 1] >= begin_s - _REQUEST_S) & (exchanges[:, 1] <= end_s + _REQUEST_S)
    if inside.any():
        t1, t2, t3, t4 = exchanges[inside].T
        return two_way_band(t2, t1 - t2, t4 - t3, at_s=at_s, slope_from_s=TWO_WAY_SLOPE_FROM_S)
    within = (sent_s >= begin_s) & (sent_s <= end_s)
    if not within.any():
        within = np.ones(sent_s.size, dtype=bool)
    return one_way_band(
        sent_s[within], arrival_s[within] - sent_s[within], at_s=at_s, slope_from_s=ONE_WAY_SLOPE_FROM_S
    )
