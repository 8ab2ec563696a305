"""A sender's clock on the recorder's, by offsets measured between them now and then (Lab Streaming Layer)."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..arrays import Floats
from .robust import MAD_TO_SD, MEDIAN_TO_MEAN_ERROR

# What drift is likely before anything is measured, ppm (SD): crystals of computers and phones; it matters for a few
# offsets only
_DRIFT_SD_PPM = 100.0
# Of fewer offsets than this a drift beyond that many ppm is one exchange that was held up; chosen by hand
_FEW, _LARGEST_DRIFT_OF_FEW_PPM = 5, 1000.0
# What a clock drifts at the most: counted samples of an inertial sensor are 13,400 ppm off their nominal rate at worst
_LARGEST_DRIFT = 0.02
# Scatter (SD, s) of offsets at the least, of many and of few: LSL states errors below 1 ms in a local network
_LEAST_SCATTER_S, _SCATTER_OF_FEW_S = 1e-4, 1e-3
# A clock was set where the offset jumps by more than this, s, and by more than any clock drifts, ppm; chosen by hand:
# an exchange in a local network is not off by a tenth of a second time and again
_SET_BY_S, _SET_BY_PPM = 0.1, 1000.0
# Offsets that stand on another level before they come back: held up, not set; and those at an end, unless the stamps
# leap with them; chosen by hand (LSL measures every 5 s)
_STRAYS = 3
# Offsets a block, and blocks at the least, by which a wandering clock is seen (one minute each); chosen by hand
_BLOCK, _FEWEST_BLOCKS = 12, 4
# A wander matters beyond this, s, and is one beyond so many standard errors; chosen by hand
_LEAST_WANDER_S, _WANDER_ERRORS = 1e-3, 5.0
# Points of the first guess of a line, whose slope is the median of those of all pairs
_GUESS_POINTS = 150
# Tukey's biweight at 95 % efficiency (Holland & Welsch 1977), and rounds enough to settle
_TUKEY, _ROUNDS = 4.685, 20
# Stamps this long (s) before or after two offsets may be where a clock was set between them; LSL measures every 5 s
_NEAR_S = 10.0


@dataclass(frozen=True)
class OffsetLine:
    """Offsets of one stretch of a clock: a straight line, and what the clock wanders around it.

    ``offset = offset_s + drift * (t - centre_s) + wander``; ``scatter_s`` is the SD (from the MAD) of the measured
    offsets around that, ``span_s`` how long a time they cover, ``count`` how many they are.
    """

    centre_s: float
    offset_s: float
    drift: float
    scatter_s: float
    span_s: float
    count: int
    wander_at_s: Floats = field(default_factory=lambda: np.empty(0))
    wander_s: Floats = field(default_factory=lambda: np.empty(0))

    def at(self, stamps_s: Floats) -> Floats:
        """Return the offsets (s) at times of the clock (s)."""
        offsets = self.offset_s + self.drift * (stamps_s - self.centre_s)
        if self.wander_at_s.size:
            offsets = offsets + np.interp(stamps_s, self.wander_at_s, self.wander_s)
        return np.asarray(offsets, dtype=np.float64)


@dataclass(frozen=True)
class ClockOffsets:
    """Stamps of a stream on the recorder's clock.

    Attributes
    ----------
    shift_s
        Shape (samples,): what each stamp is moved by.
    lines
        One for each stretch between two times that the sender's clock was set.
    starts
        Row at which each stretch begins.
    recorder_set_s
        By how much the recorder's clock was set while the sender's went on; taken out.
    strays
        Offsets left out, since they stand on another level for a moment.
    """

    shift_s: Floats
    lines: list[OffsetLine]
    starts: list[int]
    recorder_set_s: list[float]
    strays: int


def clock_offsets(stamps_s: Floats, at_s: Floats, offsets_s: Floats) -> ClockOffsets:
    """Return the shift of each stamp, from offsets measured at times of the same clock.

    A robust line through the offsets of each stretch; where its residuals wander in blocks of 12 by more than 1 ms, the
    blocks' medians are followed. A jump of the offsets by more than .1 s is a clock that was set: the sender's where
    its stamps leap as well, or else the recorder's. A few offsets that jump and come back were held up.

    Parameters
    ----------
    stamps_s
        Shape (samples,), as recorded: they may go back where the clock was set.
    at_s, offsets_s
        Shape (offsets,): sender's time, and recorder's clock minus sender's. None: no shift.
    """
    good = np.isfinite(at_s) & np.isfinite(offsets_s)
    at, offsets = np.asarray(at_s[good], dtype=np.float64), np.asarray(offsets_s[good], dtype=np.float64)
    if not at.size or not stamps_s.size:
        return ClockOffsets(np.zeros(stamps_s.size), [], [0], [], 0)
    kept = _without_strays(at, offsets, stamps_s)
    strays, at, offsets = int(at.size - kept.size), at[kept], offsets[kept].copy()
    bounds, starts, recorder = [0], [0], []
    jumps = _jumps(at, offsets)
    for jump, previous, following in zip(jumps, [-1, *jumps[:-1]], [*jumps[1:], at.size - 1]):
        moved = float(offsets[jump + 1] - offsets[jump])
        row = _leap_between(stamps_s, at[jump], at[jump + 1], -moved, starts[-1])
        if row is not None:
            bounds.append(jump + 1)
            starts.append(row)
        elif min(jump - previous, following - jump) > _STRAYS:
            offsets[jump + 1 :] -= moved
            recorder.append(moved)
    lines = [_line(at[a:b], offsets[a:b]) for a, b in zip(bounds, [*bounds[1:], at.size])]
    shift = np.empty(stamps_s.size)
    for line, a, b in zip(lines, starts, [*starts[1:], stamps_s.size]):
        shift[a:b] = line.at(stamps_s[a:b])
    return ClockOffsets(shift, lines, starts, recorder, strays)


def _usual_drift(at: Floats, offsets: Floats) -> float:
    """Return the median drift from one offset to the next, within what a clock can."""
    steps = np.diff(at)
    moving = steps > 0
    drift = float(np.median(np.diff(offsets)[moving] / steps[moving])) if moving.any() else 0.0
    most = _LARGEST_DRIFT if at.size >= _FEW else _LARGEST_DRIFT_OF_FEW_PPM * 1e-6
    return float(np.clip(drift, -most, most))


def _jumps(at: Floats, offsets: Floats) -> list[int]:
    """Return the offsets after which the next one stands on another level, or is of an earlier time."""
    steps = np.diff(at)
    off = np.diff(offsets) - _usual_drift(at, offsets) * steps
    return [
        int(k) for k in np.flatnonzero((np.abs(off) > _SET_BY_S + _SET_BY_PPM * 1e-6 * np.abs(steps)) | (steps < 0))
    ]


def _without_strays(at: Floats, offsets: Floats, stamps: Floats) -> np.ndarray:
    """Return the offsets to keep: without short runs on another level, unless the stamps leap with them."""
    rows = np.arange(at.size)
    while (jumps := _jumps(at[rows], offsets[rows])) and rows.size > 1:
        runs = np.split(rows, np.asarray(jumps) + 1)
        short = [
            k for k, run in enumerate(runs) if run.size <= _STRAYS and not _leaps_with(runs, k, at, offsets, stamps)
        ]
        # where all are short nothing says which are right
        if not short or len(runs) == len(short):
            break
        worst = min(short, key=lambda k: runs[k].size)
        rows = np.concatenate([run for k, run in enumerate(runs) if k != worst])
    return rows


def _leaps_with(runs: list[np.ndarray], k: int, at: Floats, offsets: Floats, stamps: Floats) -> bool:
    """Return whether the stamps leap where a run begins and where it ends: the clock was set there."""
    sides = [(left, left + 1) for left in (k - 1, k) if left >= 0 and left + 1 < len(runs)]
    ends = [(runs[left][-1], runs[right][0]) for left, right in sides]
    return all(_leap_between(stamps, at[i], at[j], offsets[i] - offsets[j], 0) is not None for i, j in ends)


def _leap_between(stamps: Floats, before_s: float, after_s: float, leap_s: float, first: int) -> int | None:
    """Return the row from which the stamps have leapt by about ``leap_s`` or more, None if they nowhere did."""
    steps = np.diff(stamps[first:])
    if leap_s < 0 or after_s < before_s:
        back = np.flatnonzero(steps < min(0.5 * leap_s, -0.5 * _SET_BY_S))
        return first + int(back[0]) + 1 if back.size else None
    here = stamps[first:]
    near = np.flatnonzero((here[1:] >= before_s - _NEAR_S) & (here[:-1] <= after_s + _NEAR_S))
    if not near.size:
        return None
    widest = int(near[np.argmax(steps[near])])
    return first + widest + 1 if steps[widest] >= 0.5 * leap_s else None


def _line(at: Floats, offsets: Floats) -> OffsetLine:
    """Return the robust line through the offsets of one stretch, and what they wander around it."""
    centre, span = float(np.median(at)), float(at.max() - at.min())
    level, drift = _guess(at - centre, offsets)
    held_up = at.size < _FEW and abs(drift) > _LARGEST_DRIFT_OF_FEW_PPM * 1e-6
    for _ in range(0 if held_up else _ROUNDS):
        residual = offsets - level - drift * (at - centre)
        scatter = _scatter(residual)
        weight = np.clip(1.0 - (residual / (_TUKEY * scatter)) ** 2, 0.0, None) ** 2
        level, drift = _weighted(at - centre, offsets, weight, scatter)
    if held_up:
        level, drift = float(np.median(offsets)), 0.0
    residual = offsets - level - drift * (at - centre)
    knots, wander = _wander(at, residual)
    if knots.size:
        residual = residual - np.interp(at, knots, wander)
    scatter = MAD_TO_SD * float(np.median(np.abs(residual - np.median(residual))))
    return OffsetLine(centre, level, drift, scatter, span, int(at.size), knots, wander)


def _guess(t: Floats, offsets: Floats) -> tuple[float, float]:
    """Return level and slope: the median slope of all pairs (Theil 1950, Sen 1968) of some of the points."""
    some = np.unique(np.linspace(0, t.size - 1, min(t.size, _GUESS_POINTS)).astype(np.int64))
    i, j = np.triu_indices(some.size, 1)
    apart = t[some[j]] - t[some[i]]
    usable = np.abs(apart) > 0
    slopes = (offsets[some[j]] - offsets[some[i]])[usable] / apart[usable]
    slope = float(np.median(slopes)) if slopes.size else 0.0
    return float(np.median(offsets - slope * t)), slope


def _scatter(residual: Floats) -> float:
    few = residual.size < _FEW
    measured = MAD_TO_SD * float(np.median(np.abs(residual)))
    return max(measured, _SCATTER_OF_FEW_S if few else _LEAST_SCATTER_S)


def _weighted(t: Floats, offsets: Floats, weight: Floats, scatter: float) -> tuple[float, float]:
    """Return level and slope by weighted least squares, the slope with a normal prior of 100 ppm around none."""
    total = float(weight.sum())
    mean_t, mean = float(weight @ t) / total, float(weight @ offsets) / total
    spread = float(weight @ (t - mean_t) ** 2) + (scatter / (_DRIFT_SD_PPM * 1e-6)) ** 2
    slope = float(weight @ ((t - mean_t) * (offsets - mean))) / spread
    return mean - slope * mean_t, slope


def _wander(at: Floats, residual: Floats) -> tuple[Floats, Floats]:
    """Return times and sizes (s) of a wander around the line, by medians of blocks; none where it is not seen."""
    count = at.size // _BLOCK
    if count < _FEWEST_BLOCKS:
        return np.empty(0), np.empty(0)
    blocks = np.array_split(np.arange(at.size), count)
    times = np.asarray([np.median(at[block]) for block in blocks])
    levels = np.asarray([np.median(residual[block]) for block in blocks])
    # a block that stands alone was held up: the clock does not come back within a minute
    around = np.stack([np.r_[levels[0], levels[:-1]], levels, np.r_[levels[1:], levels[-1]]])
    levels = np.median(around, axis=0)
    noise = MAD_TO_SD * float(np.median(np.abs(np.diff(residual)))) / np.sqrt(2.0)
    error = MEDIAN_TO_MEAN_ERROR * noise / np.sqrt(_BLOCK)
    if np.abs(levels).max() <= max(_LEAST_WANDER_S, _WANDER_ERRORS * error):
        return np.empty(0), np.empty(0)
    return times, levels
