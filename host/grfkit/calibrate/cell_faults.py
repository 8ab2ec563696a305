"""Pressure cells that do not work, found on a bench that loads all of them alike: by cell and by sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..arrays import Floats
from ..errors import BadInputError

FaultKind = Literal["dead", "stopped", "deaf", "saturated", "noisy", "spiking"]
Mask = NDArray[np.bool_]

SMOOTH_S = 0.5
"""Time (s) over which the insole's common course, and a cell's own, are smoothed; chosen by hand."""
STUCK_SHARE = 0.1
"""Share of the common course's range that passes while a stuck cell shows one value; a live cell of 30 counts
moves three meanwhile. Chosen by hand."""
DEAD_SHARE = 0.9
"""Share of stuck samples from which a cell is dead rather than stopped; chosen by hand."""
LEAST_GOOD_SHARE = 0.5
"""Share of good samples a cell needs to be calibrated: below, its range is not covered. Chosen by hand."""
SPIKE_SDS, SPIKE_SHARE = 6.0, 1e-3
"""Distance from the cell's own course, in SDs of its noise, beyond which a sample is a spike, and the share of spikes
from which the cell is named; chosen by hand."""
LEAST_SPIKE_SHARE = 0.15
"""Share of the common range that a spike has at the least; chosen by hand."""
NOISE_TIMES, LEAST_NOISE_SHARE = 3.0, 0.15
"""Times a cell's own noise in its quietest tenth, and share of the common range, both of which the noise of a stretch
exceeds that is not used: a loose contact. Cells that are always noisy average out. Chosen by hand."""
NOISE_STRETCH_S = 2.0
"""Length (s) of a stretch whose noise is taken; chosen by hand."""
FEWEST_CELLS = 3
"""Cells that move together at the least: with fewer none can be told from a dead one."""
TRIMMED_SHARE = 0.25
"""Share of the cells, highest and lowest, that a mean leaves out at each sample; chosen by hand."""
LEAST_CORRELATION = 0.8
"""Correlation with the common course below which a cell does not answer: live cells have .95 and more. Chosen by
hand."""


@dataclass(frozen=True)
class CellFault:
    """One cell that does not work, or not always.

    Attributes
    ----------
    number
        Of the cell, from 1.
    share
        Of its samples that are not used.
    text
        A sentence for a person.
    """

    number: int
    kind: FaultKind
    share: float
    text: str


@dataclass(frozen=True)
class ExaminedCells:
    """Which samples of which cells hold.

    Attributes
    ----------
    good
        Shape (samples, cells): whether a sample may be used.
    usable
        Shape (cells,): whether the cell may be calibrated at all.
    faults
        By cell; a cell that only spikes is usable and has one too.
    """

    good: Mask
    usable: Mask
    faults: tuple[CellFault, ...]


def examine_cells(
    time_s: Floats, cells: Floats, load: Floats, *, full_scale: tuple[float, float] | None = None
) -> ExaminedCells:
    """Return which samples of which cells hold, of cells that were all loaded alike.

    A cell that shows one value while the others move a tenth of their range is stuck: ``dead`` if it nearly always is,
    ``stopped`` otherwise. One that moves, but not as the load does, is ``deaf``; at the ends of the logger's scale it
    is ``saturated``. What is left out of a ``noisy`` or ``spiking`` cell are the stretches and samples concerned.

    Parameters
    ----------
    cells
        Shape (samples, cells), as recorded.
    load
        Shape (samples,): what the bench applied at those times; NaN where it is not known.
    full_scale
        Least and largest value that the logger can show; where it is not given, none counts as saturated.

    Raises
    ------
    BadInputError
        If no cell follows the load.
    """
    rate_hz = 1.0 / float(np.median(np.diff(time_s)))
    good = np.isfinite(cells)
    saturated = _saturated(cells, full_scale) if full_scale is not None else np.zeros(cells.shape, dtype=bool)
    common = ndimage.median_filter(common_course(time_s, cells), _odd(SMOOTH_S * rate_hz), mode="nearest")
    stuck = np.stack([_stuck(cells[:, j], common) for j in range(cells.shape[1])], axis=1)
    good &= ~saturated & ~stuck
    noisy, spikes = _noise(cells, good, rate_hz, float(np.ptp(common)))
    good &= ~noisy & ~spikes
    shares = {
        "dead": stuck & (stuck.mean(axis=0) > DEAD_SHARE),
        # at an end of the scale a cell stands still because it cannot go on
        "stopped": stuck & ~saturated,
        "saturated": saturated,
        "noisy": noisy & ~stuck & ~saturated,
        "spiking": np.isfinite(cells) & ~good & ~stuck & ~saturated & ~noisy,
    }
    usable = good.mean(axis=0) >= LEAST_GOOD_SHARE
    faults = []
    for j in range(cells.shape[1]):
        kind, share = _worst({k: float(v[:, j].mean()) for k, v in shares.items()})
        follows = _follows(cells[:, j], good[:, j], load, common) if usable[j] else 0.0
        if usable[j] and follows < LEAST_CORRELATION:
            usable[j] = False
            faults.append(CellFault(j + 1, "deaf", 1.0, f"does not follow the load (correlation {follows:.2f})"))
        elif kind is not None:
            faults.append(CellFault(j + 1, kind, share, _text(kind, share)))
    if not usable.any():
        raise BadInputError("no cell follows the load; is the bench's file that of this run?")
    return ExaminedCells(good, usable, tuple(faults))


def _worst(shares: dict[str, float]) -> tuple[FaultKind | None, float]:
    if shares["dead"] > 0:
        return "dead", shares["dead"]
    kinds: Sequence[FaultKind] = ("stopped", "saturated", "noisy", "spiking")
    kind = max(kinds, key=lambda k: shares[k])
    return (kind, shares[kind]) if shares[kind] >= SPIKE_SHARE else (None, 0.0)


def _text(kind: FaultKind, share: float) -> str:
    says = {
        "dead": "shows one value while the others move",
        "stopped": "shows one value for a time while the others move",
        "saturated": "stands at an end of the logger's scale for a time",
        "noisy": "jumps far more than the others for a time",
        "spiking": "has single samples far off its course",
        "deaf": "does not follow the load",
    }
    return f"{says[kind]} ({100 * share:.3g} % of the run)"


def _saturated(cells: Floats, full_scale: tuple[float, float]) -> Mask:
    low, high = full_scale
    return np.asarray((cells <= low) | (cells >= high), dtype=bool)


def common_course(time_s: Floats, cells: Floats) -> Floats:
    """Return what most cells show together: the trimmed mean of the quieter half of those that agree.

    Parameters
    ----------
    cells
        Shape (samples, cells), all loaded alike; NaN where a sample is missing.

    Raises
    ------
    BadInputError
        If not three cells move together.
    """
    rate_hz = 1.0 / float(np.median(np.diff(time_s)))
    step = max(1, int(rate_hz / 2))
    count = cells.shape[0] // step
    slow = np.nan_to_num(cells[: count * step]).reshape(count, step, -1).mean(axis=1)
    moves = np.flatnonzero(np.ptp(slow, axis=0) > 0)
    if moves.size < FEWEST_CELLS or count < FEWEST_CELLS:
        raise BadInputError(f"{moves.size} of {cells.shape[1]} cells change at all; {FEWEST_CELLS} or more are needed")
    # ranks: a single spike of a thousand counts would carry a correlation of values
    ranks = np.argsort(np.argsort(slow[:, moves], axis=0), axis=0).astype(np.float64)
    agreement = np.median(np.corrcoef(ranks.T), axis=1)
    agree = moves[agreement >= min(LEAST_CORRELATION, float(np.percentile(agreement, 75)))]
    rough = np.nanmean(np.abs(np.diff(cells[:, agree], axis=0)), axis=0)
    quiet = agree[rough <= np.median(rough)]
    # a mean, as counts are whole numbers and many cells step at different pressures; its ends off, as some cells stop
    ordered = np.sort(cells[:, quiet] - np.nanmedian(cells[:, quiet], axis=0), axis=1)
    cut = int(TRIMMED_SHARE * quiet.size)
    middle = np.nanmean(ordered[:, cut : quiet.size - cut], axis=1)
    known = np.flatnonzero(np.isfinite(middle))
    return np.asarray(np.interp(np.arange(middle.size), known, middle[known]), dtype=np.float64)


def _odd(count: float) -> int:
    return 2 * int(count // 2) + 1


def _correlation(a: Floats, b: Floats) -> float:
    both = np.isfinite(a) & np.isfinite(b)
    if both.sum() < 3 or np.ptp(a[both]) == 0 or np.ptp(b[both]) == 0:
        return 0.0
    return float(np.corrcoef(a[both], b[both])[0, 1])


def _stuck(cell: Floats, common: Floats) -> Mask:
    """Return the samples of runs of one value during which the common course passes a tenth of its range."""
    borders = np.flatnonzero(np.diff(cell) != 0) + 1
    starts, ends = np.r_[0, borders], np.r_[borders, cell.size]
    low = np.minimum.reduceat(common, starts)
    high = np.maximum.reduceat(common, starts)
    stuck_run = high - low > STUCK_SHARE * np.ptp(common)
    return np.repeat(stuck_run, ends - starts)


def _noise(cells: Floats, good: Mask, rate_hz: float, range_: float) -> tuple[Mask, Mask]:
    """Return the samples of stretches far noisier than the cell is elsewhere, and the spikes."""
    course = ndimage.median_filter(cells, (_odd(SMOOTH_S / 2 * rate_hz), 1), mode="nearest")
    off = np.where(good, np.abs(cells - course), 0.0)
    width = max(3, int(NOISE_STRETCH_S * rate_hz))
    weight = ndimage.uniform_filter1d(good.astype(np.float64), width, axis=0, mode="nearest")
    # a mean deviation of normal noise is its SD times the root of 2 / pi
    local = ndimage.uniform_filter1d(off, width, axis=0, mode="nearest") * np.sqrt(np.pi / 2)
    noise = np.where(weight > 0.1, local / np.maximum(weight, 0.1), 0.0)
    own = np.percentile(noise, 10, axis=0)
    noisy = noise > np.maximum(NOISE_TIMES * own, LEAST_NOISE_SHARE * range_)
    spikes = off > np.maximum(SPIKE_SDS * np.median(noise, axis=0), LEAST_SPIKE_SHARE * range_)
    return noisy, spikes


def _follows(cell: Floats, good: Mask, load: Floats, common: Floats) -> float:
    """Return the correlation of a cell with the load, positive where it has the sign of the others."""
    held = np.where(good, cell, np.nan)
    way = np.sign(_correlation(common, load))
    return float(way * _correlation(held, load))
