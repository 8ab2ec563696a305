"""Impacts in a shoe IMU's acceleration: once a stride, by the jerk, and distinguished from push-offs.

A shoe jerks twice a stride: when it lands and when it leaves. Where the contact time is known from the other device
the two are distinguished by their order, as stance and swing differ in length.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, signal

from ..arrays import Floats
from .contacts import MOST_MISSING, Contacts, bridged, covered_stretches, edges_recorded, empty_contacts, smoothed

LOWPASS_HZ, SMOOTHING_S = 60.0, 0.012
"""Low-pass (Hz) of the acceleration and width (s) of the jerk's envelope; the reference design."""
BRIDGE_S = 0.02
"""Hole (s) that is bridged: longer than a shock."""
FEWEST_SAMPLES = 64
"""Samples that a record needs to show a stride."""
NEW_RHYTHM = 0.5
"""What it costs (in log height of a peak) to begin the rhythm anew; chosen by hand."""
NEAR_S = 0.045
"""Time (s) about an instant of the stride in which a shock is looked for; chosen by hand."""
MOVE_S = 0.06
"""Time (s) about a contact time before push-off in which the landing is looked for; chosen by hand."""
FEWEST_PEAKS = 8
"""Peaks that the stride's usual jerk is averaged over, at the least."""
STRIDE_S = (0.4, 1.8)
"""Shortest and longest stride (s): a sprint's and a slow walk's."""
STRONG, LEAST_PERIODICITY = 0.7, 0.1
"""Share of the highest top of the autocorrelation that an earlier one needs to be the stride; and what the highest
needs for there to be a rhythm at all; chosen by hand."""
USUAL_STRIDE_S = 0.75
"""Stride (s) of a run, where the record does not show its own."""
LEAST_HEIGHT = 0.08
"""Share of the envelope's 99th percentile that a peak needs; chosen by hand."""
PEAK_DISTANCE_S = 0.06
"""Time (s) between two peaks of one shoe at the least."""
UNEVEN_SD = 0.08
"""SD of the stride as a share of the period; chosen by hand, above a runner's 1 to 3 %."""
SPACING = (0.6, 1.5)
"""Between these shares of the period a peak follows the one before."""
HIGH = 0.25
"""Share of the median peak's height below which a peak is none; chosen by hand."""
STANCE = (0.1, 0.9)
"""Contact time that can tell landing from push-off: at least so many seconds, and at most that share of a stride."""
MOST_STRIDES = 2000
"""Strides that the usual jerk is taken from, evenly spread; enough for a median."""
PERIOD_HZ, PERIOD_S = 100, 120
"""Rate (Hz) and length (s) of the signal whose autocorrelation shows the stride: 10 ms will do for a spacing, and over
longer a runner changes pace."""


@dataclass(frozen=True)
class Shocks:
    """An acceleration as its shocks are looked for: the envelope of its jerk's magnitude, and where samples miss."""

    rate_hz: float
    missing: NDArray[np.bool_]
    envelope: Floats


@dataclass(frozen=True)
class Impacts:
    """The landings of one shoe.

    Attributes
    ----------
    contacts
        Stamped at the envelope's peak; no toe-off.
    landing_evidence
        Log ratio of the jerk one contact time after the rhythm's peaks to that one contact time before them:
        positive where these peaks are the landings, negative where they are push-offs (``contacts`` are the landings
        all the same); near 0 where the two look alike; NaN where no contact time was given.
    """

    contacts: Contacts
    landing_evidence: float


def impacts(
    time_s: Floats, acceleration: Floats, *, foot: int = -1, stance_s: float = float("nan"), other: bool = False
) -> Impacts:
    """Return the contacts a shoe IMU shows, from the envelope of the jerk's magnitude.

    Axis signs, axis order and gravity do not matter. One contact per stride; the stride period is taken from the
    envelope's own autocorrelation, and the path of peaks that keeps it best is taken. The contact is stamped at the
    envelope's peak: its delay after initial contact varies least from contact to contact and between shoes.

    Parameters
    ----------
    time_s
        Shape (samples,), increasing.
    acceleration
        Shape (samples, axes), any unit, NaN where missing.
    stance_s
        The person's usual contact time in this trial, from the other device.
    other
        The other shock of the stride: what is taken for push-offs, where ``stance_s`` is known.
    """
    parts = shocks_in(time_s, acceleration)
    if parts is None:
        return Impacts(empty_contacts(), float("nan"))
    envelope, rate_hz = parts.envelope, parts.rate_hz
    peaks = rhythmic_peaks(envelope, rate_hz, envelope_period(envelope, rate_hz))
    evidence = _landing_evidence(envelope, rate_hz, peaks, stance_s)
    if np.isfinite(evidence) and (evidence < 0) != other:
        peaks = _peaks_before(envelope, rate_hz, peaks, stance_s)
    return stamped(time_s, parts, peaks, evidence, foot)


def shocks_in(time_s: Floats, acceleration: Floats) -> Shocks | None:
    """Return the envelope in which an acceleration's shocks are looked for, None where there is too little of it."""
    if time_s.size < FEWEST_SAMPLES:
        return None
    rate_hz = 1.0 / float(np.median(np.diff(time_s)))
    missing = np.asarray(~np.isfinite(acceleration).all(axis=1), dtype=bool)
    if missing.mean() > MOST_MISSING:
        return None
    return Shocks(rate_hz, missing, jerk_envelope(time_s, acceleration, missing, rate_hz))


def stamped(time_s: Floats, parts: Shocks, peaks: NDArray[np.int64], evidence: float, foot: int) -> Impacts:
    """Return the contacts at an envelope's peaks, those beside missing samples left out."""
    covered = covered_stretches(time_s, parts.missing, BRIDGE_S)
    if not peaks.size:
        none = np.zeros(0)
        return Impacts(Contacts(none, none, none, np.zeros(0, dtype=np.int64), covered), evidence)
    onset = peak_times(time_s, parts.envelope, peaks)
    keep = np.isfinite(onset)
    keep &= edges_recorded(time_s, parts.missing, np.where(keep, onset, time_s[0]), parts.rate_hz)
    feet = np.full(int(keep.sum()), foot, dtype=np.int64)
    unknown = np.full(int(keep.sum()), np.nan)
    height = parts.envelope[peaks][keep]
    # a shoe is stopped the harder, the faster the ground takes up its load
    return Impacts(Contacts(onset[keep], unknown, height, feet, covered, {"loading_rate": height}), evidence)


def jerk_envelope(time_s: Floats, acceleration: Floats, missing: NDArray[np.bool_], rate_hz: float) -> Floats:
    """Return the smoothed magnitude of the jerk, whose peaks are a shoe's shocks; ``missing`` rows are bridged."""
    columns = [bridged(time_s, acceleration[:, k], missing) for k in range(acceleration.shape[1])]
    smooth = np.stack([smoothed(c, rate_hz, LOWPASS_HZ) for c in columns], axis=1)
    jerk = np.sqrt(np.sum(np.gradient(smooth, axis=0) ** 2, axis=1)) * rate_hz
    return np.asarray(ndimage.uniform_filter1d(jerk, max(1, round(SMOOTHING_S * rate_hz)), mode="nearest"))


def _landing_evidence(envelope: Floats, rate_hz: float, peaks: NDArray[np.int64], stance_s: float) -> float:
    """Return the log ratio of the stride's usual jerk a contact time after the peaks to that before them."""
    if peaks.size < FEWEST_PEAKS or not np.isfinite(stance_s):
        return float("nan")
    period = float(np.median(np.diff(peaks))) / rate_hz
    if not STANCE[0] < stance_s < STANCE[1] * period or abs(2.0 * stance_s - period) < NEAR_S:
        return float("nan")  # a contact time before and after would be the same place
    width = max(1, round(period * rate_hz))
    inner = peaks[peaks + width < envelope.size]
    inner = inner[:: max(1, inner.size // MOST_STRIDES)]
    # the stride from one peak to the next, sample by sample the median of all: single knocks leave no trace
    folded = np.median(envelope[inner[:, None] + np.arange(width)[None, :]], axis=0)
    at = np.arange(width) / rate_hz

    def height(where: float) -> float:
        """Return the highest usual jerk about an instant (s) of the stride."""
        distance = np.abs((at - where + period / 2.0) % period - period / 2.0)
        return float(folded[distance < NEAR_S].max(initial=1e-12))

    return float(np.log(height(stance_s) / height(-stance_s)))


def _peaks_before(envelope: Floats, rate_hz: float, peaks: NDArray[np.int64], stance_s: float) -> NDArray[np.int64]:
    """Return the highest sample one contact time (+- ``MOVE_S``) before each peak."""
    reach = np.arange(-round(MOVE_S * rate_hz), round(MOVE_S * rate_hz) + 1)
    centre = peaks - round(stance_s * rate_hz)
    centre = centre[(centre + reach[0] >= 0)]
    window = envelope[centre[:, None] + reach[None, :]]
    tops = np.unique(centre + reach[np.argmax(window, axis=1)])
    high = envelope[tops] > HIGH * float(np.median(envelope[tops])) if tops.size else np.zeros(0, dtype=bool)
    return np.asarray(tops[high], dtype=np.int64)


def stride_period(time_s: Floats, load: Floats) -> float:
    """Return the period (s) of a near-periodic signal from its autocorrelation, NaN if it has none."""
    rate_hz = 1.0 / float(np.median(np.diff(time_s)))
    return envelope_period(np.nan_to_num(load - np.nanmean(load)), rate_hz)


def envelope_period(values: Floats, rate_hz: float) -> float:
    """Return the stride period: the first strong peak of the autocorrelation between the ends of ``STRIDE_S``."""
    step = max(1, int(rate_hz // PERIOD_HZ))
    size = min(values.size, int(PERIOD_S * rate_hz))
    start = (values.size - size) // 2
    part = values[start : start + size]
    part = part[: part.size // step * step].reshape(-1, step).mean(axis=1)
    # the root, or else the few hardest landings decide the autocorrelation
    part = np.sqrt(np.abs(part)) * np.sign(part)
    part = part - part.mean()
    rate = rate_hz / step
    # zeros for as long again, so that the end of the record is not correlated with its beginning
    spectrum = np.fft.rfft(part, 2 * part.size)
    correlation = np.fft.irfft(np.abs(spectrum) ** 2)[: int(STRIDE_S[1] * rate) + 2]
    first = int(STRIDE_S[0] * rate)
    if correlation.size <= first + 3 or correlation[0] <= 0:
        return float("nan")
    correlation = correlation / correlation[0]
    tops, _ = signal.find_peaks(correlation[first:])
    if not tops.size:
        return float("nan")
    tops = tops + first
    best = float(correlation[tops].max())
    # two strides correlate as well as one: the first strong top is the stride
    strong = tops[correlation[tops] > STRONG * best]
    return float(strong[0] / rate) if best > LEAST_PERIODICITY else float("nan")


def rhythmic_peaks(envelope: Floats, rate_hz: float, period: float, bonus: Floats | None = None) -> NDArray[np.int64]:
    """Return one peak per stride: the path of high peaks whose spacing is most even (dynamic programming).

    ``bonus``, of the envelope's shape, is added to the log height of a peak.
    """
    if not np.isfinite(period):
        period = USUAL_STRIDE_S
    height = LEAST_HEIGHT * float(np.percentile(envelope, 99.0))
    candidates, _ = signal.find_peaks(envelope, height=height, distance=max(1, int(PEAK_DISTANCE_S * rate_hz)))
    if candidates.size < 2:
        return np.asarray(candidates, dtype=np.int64)
    at = candidates / rate_hz
    gain = np.log(envelope[candidates] / height) + (0.0 if bonus is None else bonus[candidates])
    best, before = gain.copy(), np.full(candidates.size, -1)
    first = np.searchsorted(at, at - SPACING[1] * period)
    last = np.searchsorted(at, at - SPACING[0] * period)
    record, owner = 0.0, -1  # the best path that ended long ago: after a gap the rhythm starts anew
    closed = 0
    for k in range(candidates.size):
        while closed < first[k]:
            if best[closed] > record:
                record, owner = float(best[closed]), closed
            closed += 1
        total, link = record - NEW_RHYTHM, owner
        if last[k] > first[k]:
            uneven = (at[k] - at[first[k] : last[k]]) / period - 1.0
            scores = best[first[k] : last[k]] - 0.5 * (uneven / UNEVEN_SD) ** 2
            top = int(np.argmax(scores))
            if scores[top] > total:
                total, link = float(scores[top]), int(first[k]) + top
        if total > 0:
            best[k] += total
            before[k] = link
    path = [int(np.argmax(best))]
    while before[path[-1]] >= 0:
        path.append(int(before[path[-1]]))
    peaks = candidates[path[::-1]]
    high = envelope[peaks] > HIGH * float(np.median(envelope[peaks]))
    return np.asarray(peaks[high], dtype=np.int64)


def peak_times(time_s: Floats, envelope: Floats, peaks: NDArray[np.int64]) -> Floats:
    """Return the time of each peak, to a fraction of a sample by a parabola; NaN at the record's ends."""
    inner = (peaks > 0) & (peaks < envelope.size - 1)
    safe = np.clip(peaks, 1, envelope.size - 2)
    before, at, after = envelope[safe - 1], envelope[safe], envelope[safe + 1]
    # the vertex of the parabola through three samples; the bound keeps a flat top from dividing by zero
    shift = 0.5 * (before - after) / np.minimum(before - 2.0 * at + after, -1e-30)
    step = 0.5 * (time_s[safe + 1] - time_s[safe - 1])
    return np.where(inner, time_s[safe] + np.clip(shift, -0.5, 0.5) * step, np.nan)
