"""Two belts of one walker on different clocks: by how much, from what two feet cannot do.

Someone who walks carries one body weight at every moment, but for small accelerations: where one foot unloads the other
loads. Belts that are not on one clock break that. The shift at which the summed force varies least is that of their
clocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats

RATE_HZ = 100.0
"""Rate (Hz) to which force is averaged: walking holds nothing beyond 20 Hz that matters here, and it is quick."""
WIDEST_S = 0.5
"""Largest shift (s) that is looked for; chosen by hand: half of a usual stride, for at a whole stride's shift the
forces fit nearly as well."""
MOST_OF_STRIDE = 0.4
"""Share of a stride up to which a shift is believed; chosen by hand, a tenth below the half at which late and early are
the same, and at which both feet land together: so do the two feet of somebody who hops on belts of one clock."""
FORWARD = 8.0
"""Weight of the forward force's variance beside the vertical one's. Of 1 to 8, 8 came nearest to the lags by pelvis
sensors of 26 real walks (Pearl 2024; 13 ms at most, 23 ms without the forward force): limping moves the weight of
a double support, and less so its braking."""
LEAST_S = 10.0
"""Shortest record (s) that is judged; chosen by hand: nine strides."""
UNLOADED_BW, LOADED_BW = 0.05, 0.3
"""Load below which a foot is in the air, and above which it stands."""
LEAST_SWING, LEAST_STANCE = 0.1, 0.35
"""Shares of the time that each foot is in the air and on its belt at the least; a walk's are .3 to .4 and .6 to .7."""
NEVER_LEFT_BW, STEADY_BW = 0.5, 0.35
"""Load that both feet together fall below for a twentieth of the time at most, and its SD at most, once the shift is
mended. A run's is 0; of real walks it is .8 to .9, and the SD .04 to .23, the largest with imitated stiff knees."""
TOLD_S, TOLD_GAIN = 0.03, 1.15
"""Shift (s) from which on belts are called shifted, and the ratio by which the summed force must vary less without it.
Of 28 real walks those whose belts are on one clock show 0.020 s and 1.05 at most, the shifted ones 0.047 s and 1.29 at
least (Pearl 2024); smaller shifts are not told."""
AGREE_S = 0.05
"""Distance (s) of the answers with and without the forward force up to which both are believed; beyond, the vertical
force alone is: one belt's horizontal axes may be turned."""


@dataclass(frozen=True)
class BeltShift:
    """How the second belt's clock lies to the first's.

    Attributes
    ----------
    late_s
        By how much the second belt's samples come later than the first's; negative where they come earlier.
    sd_bw, sd_without_bw
        SD of the summed vertical force as recorded, and without the shift, in mean loads.
    gain
        Variance of the summed forces as recorded over that without the shift.
    stride_s
        Usual time between a foot's contacts: a shift by whole strides more looks the same.
    """

    late_s: float
    sd_bw: float
    sd_without_bw: float
    gain: float
    stride_s: float


def told_shift(first: Floats, second: Floats, *, rate_hz: float) -> BeltShift | None:
    """Return the shift of two belts, as :func:`belt_shift`, where it is large and clear enough to be told."""
    shift = belt_shift(first, second, rate_hz=rate_hz)
    return None if shift is None or abs(shift.late_s) < TOLD_S or shift.gain < TOLD_GAIN else shift


def belt_shift(first: Floats, second: Floats, *, rate_hz: float) -> BeltShift | None:
    """Return by how much one belt of a walker is late against the other; None where it cannot be told.

    Parameters
    ----------
    first, second
        Force of the belts, shape (samples, 2): up and forward (0 where unknown), any unit, missing samples NaN.

    Returns
    -------
    BeltShift or None
        None where the record is short, is not of somebody who walks with a foot on each belt, or the shift is near half
        a stride.
    """
    known = belt_averages(first, second, rate_hz=rate_hz)
    if known is None:
        return None
    step, a, b = known
    reach = round(WIDEST_S / step)
    sums = [a[reach:-reach] + b[reach + k : len(b) - reach + k] for k in range(-reach, reach + 1)]
    variances = np.asarray([np.nanvar(total, axis=0) for total in sums])
    up, both = variances[:, 0], variances[:, 0] + FORWARD * variances[:, 1]
    cost = both if abs(_least(both) - _least(up)) * step <= AGREE_S else up
    best = int(cost.argmin())
    low, sd = float(np.nanpercentile(sums[best][:, 0], 5)), float(np.sqrt(up[best]))
    if best in (0, len(cost) - 1) or low < NEVER_LEFT_BW or sd > STEADY_BW:
        return None
    late, stride = (_least(cost) - reach) * step, _stride([a[:, 0], b[:, 0]]) * step
    if not abs(late) <= MOST_OF_STRIDE * stride:
        return None
    return BeltShift(late, float(np.sqrt(up[reach])), sd, float(cost[reach] / cost[best]), stride)


def belt_averages(first: Floats, second: Floats, *, rate_hz: float) -> tuple[float, Floats, Floats] | None:
    """Return the time between means of both belts' force and these, in mean loads; None where nobody walks on them."""
    a, b = (_averaged(values, rate_hz) for values in (first, second))
    step = max(1, round(rate_hz / RATE_HZ)) / rate_hz
    known: NDArray[np.bool_] = np.isfinite(np.concatenate([a, b], axis=1)).all(axis=1)
    if known.sum() * step < LEAST_S or len(a) < 4 * round(WIDEST_S / step):
        return None
    a, b = np.where(known[:, None], a, np.nan), np.where(known[:, None], b, np.nan)
    mean = float(np.nanmean(a[:, 0] + b[:, 0]))
    if not mean > 0:
        return None
    a, b = a / mean, b / mean
    return (step, a, b) if all(_steps(values[:, 0]) for values in (a, b)) else None


def _averaged(values: Floats, rate_hz: float) -> Floats:
    """Return force at about :data:`RATE_HZ`: means of as many samples; one that misses a sample is missing."""
    every = max(1, round(rate_hz / RATE_HZ))
    whole = len(values) // every * every
    return np.asarray(np.asarray(values, dtype=np.float64)[:whole].reshape(-1, every, values.shape[1]).mean(axis=1))


def _steps(load: Floats) -> bool:
    """Return whether a foot stands on a belt and leaves it as in a walk."""
    known = load[np.isfinite(load)]
    return bool((known < UNLOADED_BW).mean() >= LEAST_SWING and (known > LOADED_BW).mean() >= LEAST_STANCE)


def _stride(loads: Sequence[Floats]) -> float:
    """Return the usual number of samples from one loading of a belt to its next, NaN where none comes again."""
    between = [np.diff(np.flatnonzero(np.diff((load > LOADED_BW).astype(int)) > 0)) for load in loads]
    every = np.concatenate(between)
    return float(np.median(every)) if every.size else float("nan")


def _least(cost: Floats) -> float:
    """Return where a cost is least, between its points by a parabola."""
    i = int(cost.argmin())
    if i in (0, len(cost) - 1):
        return float(i)
    before, here, after = cost[i - 1 : i + 2]
    bend = before - 2 * here + after
    return i + float(0.5 * (before - after) / bend) if bend > 0 else float(i)
