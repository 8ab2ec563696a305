"""How well the force on both feet follows a body's acceleration, at every lag.

Newton's second law: the force on both feet is mass times acceleration of the whole body, which sensors on trunk and
legs show in part. Gait repeats, so both courses look alike at every lag by whole strides: what a course's own past
foretells is taken off first (an autoregression over a stride and more, of the body's course, applied to both; Box and
Jenkins call it prewhitening). What is left differs from stride to stride, and both devices saw it: its correlation r
over n independent samples is worth ``-n/2 ln(1 - r^2)`` nats.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft, linalg, signal

from ..arrays import Floats

GRID_HZ = 25.0
"""Rate (Hz) of the grid on which courses are compared; a trunk follows the force up to 10 Hz."""
BAND_HZ = (0.6, 10.0)
"""Band (Hz) of a course: slower is posture and a drifting zero, faster skin and straps; chosen by hand, and so that the
filter settles within ``EDGE_S``: one from 0.3 Hz on took even steps of records that began together for evidence."""
ORDER_S = 1.6
"""Past (s) from which a course is foretold: a slow walker's stride."""
HOLE_S = 0.1
"""Time (s) between two known samples beyond which nothing is interpolated."""
EDGE_S = 2.0
"""Ends (s) of a record that are left out, where the filter still settles; chosen by hand."""
BARTLETT_S = 3.0
"""Time (s) over which what is left correlates with itself, for Bartlett's formula; chosen by hand."""
LARGEST_CORRELATION = 0.995
"""Correlation at the most, which keeps equal courses from being infinite evidence."""
_RIDGE = 1e-4
"""Share of the variance added to it, as white noise, so that a course without any of its own can be foretold."""


@dataclass(frozen=True)
class Course:
    """A course on an even grid.

    Attributes
    ----------
    start_s
        Time of the first sample.
    value
        Shape (samples,): band-passed, 0 where nothing is known.
    known
        Shape (samples,): 1.0 where it is known.
    """

    start_s: float
    value: Floats
    known: Floats

    @property
    def time_s(self) -> Floats:
        """Return the times of the samples."""
        return np.asarray(self.start_s + np.arange(self.value.size) / GRID_HZ)


def course_of(time_s: Floats, value: Floats, *, rate: float = 1.0, shift_s: float = 0.0) -> Course | None:
    """Return the course of a signal on the grid, its time multiplied by ``rate``; None where it is too short.

    The grid begins ``shift_s`` after the first sample.

    Parameters
    ----------
    time_s, value
        Shape (samples,): increasing time, NaN where missing.
    """
    finite = np.isfinite(value)
    if finite.sum() < 8 or time_s[finite][-1] - time_s[finite][0] < 2.0 * (ORDER_S + EDGE_S):
        return None
    at, values = rate * time_s[finite], value[finite]
    even_hz = max(GRID_HZ * 2.0, min(200.0, 1.0 / float(np.median(np.diff(at)))))
    even = np.arange(at[0], at[-1], 1.0 / even_hz)
    highest = min(BAND_HZ[1], 0.4 * even_hz)
    sections = signal.butter(4, (BAND_HZ[0], highest), btype="band", fs=even_hz, output="sos")
    smooth = signal.sosfiltfilt(sections, np.interp(even, at, values - values.mean()))
    grid = np.arange(at[0] + shift_s, at[-1], 1.0 / GRID_HZ)
    nearest = np.clip(np.searchsorted(at, grid), 1, at.size - 1)
    hole = at[nearest] - at[nearest - 1] > HOLE_S
    # records often begin together, and so would what a filter makes of their ends
    hole |= (grid < at[0] + EDGE_S) | (grid > at[-1] - EDGE_S)
    course = np.where(hole, 0.0, np.interp(grid, even, smooth))
    return Course(float(grid[0]), np.asarray(course), (~hole).astype(np.float64))


def foretold(course: Course) -> Floats:
    """Return the filter that leaves of a course what its own past over ``ORDER_S`` does not foretell (Yule-Walker)."""
    order = round(ORDER_S * GRID_HZ)
    correlation = _autocorrelation(course.value, order + 1)
    correlation[0] *= 1.0 + _RIDGE
    weights = linalg.solve_toeplitz(correlation[:-1], correlation[1:])
    return np.concatenate([[1.0], -np.asarray(weights)])


def unforetold(course: Course, weights: Floats) -> Course:
    """Return what a filter leaves of a course; the first samples, whose past is not known, are unknown."""
    left = signal.lfilter(weights, 1.0, course.value)
    # a sample counts where all of its past does
    past = np.cumsum(np.concatenate([np.zeros(weights.size), course.known]))
    known = ((past[weights.size :] - past[: -weights.size]) > weights.size - 0.5).astype(np.float64)
    return Course(course.start_s, np.asarray(left * known), known)


def agreement_between(body: list[Course], force: Course, *, shortest_s: float) -> tuple[Floats, Floats]:
    """Return lags (s) and nats of a course on grids that begin one after the other, evenly within a grid step.

    Parameters
    ----------
    body
        The same course, each ``1 / (GRID_HZ n)`` later than the one before.
    """
    parts = [agreement(course, force, shortest_s=shortest_s) for course in body]
    count = min(part[0].size for part in parts)
    # a later beginning of the device's grid makes lags smaller: the last grid has the first lag
    lags = np.stack([lag[-count:] for lag, _, _ in parts[::-1]], axis=1).ravel()
    nats = np.stack([value[-count:] for _, value, _ in parts[::-1]], axis=1).ravel()
    return lags, nats


def agreement(body: Course, force: Course, *, shortest_s: float) -> tuple[Floats, Floats, Floats]:
    """Return lags (reference time less device time, s), nats, and correlations of two courses at every lag."""
    x, y = force, body
    size = fft.next_fast_len(x.value.size + y.value.size, real=True)

    def together(a: Floats, b: Floats) -> Floats:
        """Return the cross-correlation of two courses at every lag."""
        product = fft.irfft(fft.rfft(a, size) * np.conj(fft.rfft(b, size)), size)
        return np.concatenate([product[size - y.value.size + 1 :], product[: x.value.size]])

    count = np.maximum(np.rint(together(x.known, y.known)), 0.0)
    power = np.maximum(together(x.value**2, y.known), 0.0) * np.maximum(together(x.known, y.value**2), 0.0)
    enough = (count >= shortest_s * GRID_HZ) & (power > 0)
    r = np.where(enough, together(x.value, y.value) / np.sqrt(np.where(enough, power, 1.0)), 0.0)
    # more force is more acceleration: a negative correlation is no evidence
    r = np.clip(r, 0.0, LARGEST_CORRELATION)
    nats = -0.5 * count / bartlett(x.value, y.value) * np.log1p(-(r**2))
    lags = x.start_s - y.start_s + (np.arange(nats.size) - (y.value.size - 1)) / GRID_HZ
    return lags, nats, r


def local_lag(body: Course, force: Course, about_s: float, window: NDArray[np.bool_], reach_s: float) -> float:
    """Return the lag (s) at which a stretch of the body's course follows the force best, NaN at the reach's ends.

    Parameters
    ----------
    window
        Shape (samples of the body,): the stretch.
    about_s, reach_s
        Lags looked at: so far (s) about this one.
    """
    time_s, value = body.time_s[window], body.value[window]
    lags = about_s + np.arange(-reach_s, reach_s + 1e-9, 0.01)
    moved = time_s[None, :] + lags[:, None]
    other = np.interp(moved, force.time_s, force.value)
    known = np.interp(moved, force.time_s, force.known) > 0.99
    known &= (moved >= force.start_s) & (moved <= force.time_s[-1]) & (body.known[window] > 0)[None, :]
    if known.mean() < 0.8:
        return float("nan")
    other, mine = np.where(known, other, 0.0), np.where(known, value[None, :], 0.0)
    power = np.sqrt((other**2).sum(axis=1) * (mine**2).sum(axis=1))
    r = (other * mine).sum(axis=1) / np.maximum(power, 1e-12)
    top = int(np.argmax(r))
    if top in (0, lags.size - 1):
        return float("nan")
    before, at, after = r[top - 1], r[top], r[top + 1]
    return float(lags[top] + 0.005 * (before - after) / min(before - 2 * at + after, -1e-12))


def bartlett(x: Floats, y: Floats) -> float:
    """Return how many samples make one independent sample for the correlation of two series."""
    count = round(BARTLETT_S * GRID_HZ)
    rx, ry = _autocorrelation(x, count), _autocorrelation(y, count)
    return max(1.0, 1.0 + 2.0 * float((rx[1:] * ry[1:]).sum()))


def _autocorrelation(values: Floats, count: int) -> Floats:
    spectrum = np.abs(fft.rfft(values, fft.next_fast_len(2 * values.size, real=True))) ** 2
    correlation = fft.irfft(spectrum)[:count]
    return np.asarray(correlation / max(float(correlation[0]), 1e-12), dtype=np.float64)
