"""Two loggers of one bench without a common clock: the cells' counts and the bench's load, joined by what both show."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ..arrays import Floats
from ..errors import BadInputError
from ..records import Prior
from .contact_events import LoadSignal
from .fit import fit_clock
from .settings import AlignSettings
from .waveform import WaveformLag, search_waveform

WINDOW_S, STEP_S = 60.0, 20.0
"""Length of a window whose lag is found alone, and the step from one to the next (s); chosen by hand: a bench that
moves in steps shows ten or so in a window."""
REACH_S, NEAR_SD_S = 12.0, 1.0
"""Time (s) by which a window of the bench is wider than that of the cells on either side, and SD (s) of the prior on
its lag: what a rate that is 0.25 % off leaves over eight minutes. Chosen by hand."""
LARGEST_RATE_SHARE, RATE_STEP = 0.04, 0.005
"""Share by which the bench's stated rate may be off, and the step in which rates are tried; chosen by hand."""
FEWEST_WINDOWS = 4
"""Windows on one line at the least; chosen by hand."""
OFF_LINE_S = 0.4
"""Distance (s) from the line beyond which a window's lag is another one's: pressure steps are seconds apart."""
LEAST_SHARE = 0.6
"""Share of the windows that must lie on the line; chosen by hand."""
RATE_SD_PPM = 30_000.0
"""SD (ppm) of the prior on the rate of a bench whose rows have no times: stated rates are off by some percent."""
RIVAL_S = 1.0
"""Distance (s) from the best lag beyond which another one is a rival: benches step less often. Chosen by hand."""
ROUNDS = 3
"""Rounds in which the rate is refined: what a window shows is blurred by a wrong rate."""
WORST_SD_S = 0.5
"""Standard error (s) of the joined clock beyond which it is refused: a tenth of a step of such benches."""


@dataclass(frozen=True)
class BenchClock:
    """How a bench's clock becomes that of the cells: ``t_cells = offset_s + rate * t_bench``.

    Attributes
    ----------
    sd_s
        Largest standard error over the record.
    residual_s
        RMS of the windows' lags about the line.
    windows, windows_off
        Windows on the line, and those that lie off it.
    margin_nats
        Log-likelihood by which the whole record prefers this lag to any other.
    """

    offset_s: float
    rate: float
    sd_s: float
    residual_s: float
    windows: int
    windows_off: int
    margin_nats: float
    correlation: float

    def apply(self, bench_s: Floats) -> Floats:
        """Return times of the bench on the clock of the cells."""
        return self.offset_s + self.rate * bench_s


def join_bench(cells_s: Floats, cells: Floats, bench_s: Floats, bench: Floats, *, name: str) -> BenchClock:
    """Return the clock that maps the bench's times to those of the cells.

    Each window of a minute is brought together with the bench by the alignment's own comparison of loads
    (:func:`~grfkit.sync.waveform.search_waveform`), which sees steps and not levels: a match of levels would take a
    cell's hysteresis for a lag and hide it. A line through the windows' lags is the clock.

    Parameters
    ----------
    cells
        Shape (samples,): one course of the insole, larger under load or smaller.
    bench_s, bench
        Shape (rows,): the bench's own times and its load.
    name
        What a refusal calls the run.

    Raises
    ------
    BadInputError
        If the two do not overlap or show no common course, or the windows lie on no line.
    """
    load = _smooth(bench)
    lag_s, rate, sign = _first(name, cells_s, _smooth(cells), bench_s, load)
    course = LoadSignal("cells", cells_s, sign * _smooth(cells), 0, _rate(cells_s))
    found = np.zeros((0, 2))
    for _ in range(ROUNDS):
        found = _windows(course, bench_s, load, lag_s, rate)
        if found.shape[0] < FEWEST_WINDOWS:
            raise _no_line(name, found.shape[0], 0)
        offset, rate = _line(found, rate)
        lag_s = -offset
    return _checked(name, course, bench_s, load, found, offset, rate)


def _smooth(values: Floats) -> Floats:
    """Return values without single spikes."""
    return np.asarray(ndimage.median_filter(values, 5, mode="nearest"), dtype=np.float64)


def _rate(time_s: Floats) -> float:
    return float(1.0 / np.median(np.diff(time_s)))


def _bench(time_s: Floats, value: Floats) -> LoadSignal:
    return LoadSignal("bench", time_s, value, 0, _rate(time_s))


def _first(name: str, cells_s: Floats, cells: Floats, bench_s: Floats, load: Floats) -> tuple[float, float, float]:
    """Return lag, rate and the cells' sign at which the whole records agree best: each is tried."""
    best: tuple[float, float, float, float] | None = None
    for sign in (1.0, -1.0):
        course = LoadSignal("cells", cells_s, sign * cells, 0, _rate(cells_s))
        for rate in np.arange(-LARGEST_RATE_SHARE, LARGEST_RATE_SHARE + 1e-9, RATE_STEP) + 1.0:
            lag = search_waveform([_bench(bench_s * rate, load)], [course], prior=None)
            if lag is not None and (best is None or lag.log_likelihood.max() > best[0]):
                best = (float(lag.log_likelihood.max()), lag.offset_s, float(rate), sign)
    if best is None:
        raise BadInputError(
            f"{name}: cells ({np.ptp(cells_s):.0f} s) and bench ({np.ptp(bench_s):.0f} s) share no time at which both"
            " change; are they of one run?"
        )
    return best[1], best[2], best[3]


def _windows(course: LoadSignal, bench_s: Floats, bench: Floats, lag_s: float, rate: float) -> Floats:
    """Return shape (windows, 2): time of the bench, and what the cells' time is there."""
    rows = []
    times = bench_s * rate  # on the cells' clock but for the offset
    near = Prior(offset_s=lag_s, sd_s=NEAR_SD_S)
    for low in np.arange(course.time_s[0], course.time_s[-1] - WINDOW_S / 2, STEP_S):
        of_cells = (course.time_s >= low) & (course.time_s < low + WINDOW_S)
        of_bench = (times >= low + lag_s - REACH_S) & (times < low + lag_s + WINDOW_S + REACH_S)
        if min(of_cells.sum(), of_bench.sum()) < 2:
            continue
        part = LoadSignal("cells", course.time_s[of_cells], course.value[of_cells], 0, course.rate_hz)
        lag = search_waveform([_bench(times[of_bench], bench[of_bench])], [part], prior=near)
        if lag is not None:
            centre = float(part.time_s.mean())
            rows.append(((centre + lag.offset_s) / rate, centre))
    return np.asarray(rows, dtype=np.float64).reshape(-1, 2)


def _line(found: Floats, rate: float) -> tuple[float, float]:
    """Return offset and rate of the line that most windows lie on: of those through any two, that of the most."""
    bench, off = found[:, 0], found[:, 1] - rate * found[:, 0]
    first, second = np.triu_indices(bench.size, 1)
    slope = (off[second] - off[first]) / (bench[second] - bench[first])
    slope = np.clip(slope, -LARGEST_RATE_SHARE, LARGEST_RATE_SHARE)
    left = off[None, :] - slope[:, None] * bench[None, :] - (off[first] - slope * bench[first])[:, None]
    best = np.argmin(np.minimum(np.abs(left), OFF_LINE_S).sum(axis=1))
    near = np.abs(left[best]) <= OFF_LINE_S
    line = np.polynomial.polynomial.polyfit(bench[near], off[near], 1)
    return float(line[0]), float(rate + line[1])


def _checked(
    name: str,
    course: LoadSignal,
    bench_s: Floats,
    bench: Floats,
    found: Floats,
    offset: float,
    rate: float,
) -> BenchClock:
    off = np.abs(found[:, 1] - offset - rate * found[:, 0]) > OFF_LINE_S
    used = found[~off]
    if used.shape[0] < FEWEST_WINDOWS or used.shape[0] < LEAST_SHARE * found.shape[0]:
        raise _no_line(name, found.shape[0], used.shape[0])
    fit = fit_clock(
        used[:, 0],
        used[:, 1],
        np.full(used.shape[0], -1),
        start_s=float(bench_s[0]),
        end_s=float(bench_s[-1]),
        rate=rate,
        rate_sd_ppm=RATE_SD_PPM,
    )
    whole = search_waveform([_bench(fit.offset_s + fit.rate * bench_s, bench)], [course], prior=None)
    margin = -1.0 if whole is None else _margin(whole)
    if whole is None or abs(whole.offset_s) > OFF_LINE_S or margin < AlignSettings().waveform.margin:
        raise BadInputError(
            f"{name}: cells and bench can be brought together in more than one way; record a run with steps of the"
            " load that are unlike each other"
        )
    if fit.worst_sd_s > WORST_SD_S:
        raise BadInputError(f"{name}: the bench's clock is known to {fit.worst_sd_s:.2f} s (SD) only")
    return BenchClock(
        offset_s=fit.offset_s,
        rate=fit.rate,
        sd_s=fit.worst_sd_s,
        residual_s=float(np.sqrt(np.mean(fit.residual_s**2))),
        windows=used.shape[0],
        windows_off=int(off.sum()),
        margin_nats=margin,
        correlation=whole.correlation,
    )


def _margin(whole: WaveformLag) -> float:
    """Return the log-likelihood by which the best lag is ahead of every one further off than a step of the load.

    The search's own margin starts at the next hill; of records that agree nearly perfectly the top is flat.
    """
    away = np.abs(whole.lags_s - whole.offset_s) > RIVAL_S
    return float(whole.log_likelihood.max() - whole.log_likelihood[away].max(initial=0.0))


def _no_line(name: str, windows: int, agreeing: int) -> BadInputError:
    return BadInputError(
        f"{name}: of {windows} windows of a minute {agreeing} agree on when the bench was recorded; the two files do"
        " not overlap, are of different runs, or the load hardly changes"
    )
