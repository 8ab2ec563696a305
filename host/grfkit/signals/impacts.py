"""Impacts in a shoe IMU's acceleration: once a stride, by the jerk, and told from push-off.

A shoe jerks twice a stride: when it lands and when it leaves. Where the contact time is known from the other device
the two are told apart by their order, for stance and swing last differently long.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, signal

from ..arrays import Floats
from .contacts import Contacts, bridged, covered_stretches, edges_seen, empty_contacts, smoothed

_NEW_RHYTHM = 0.5
_NEAR_S = 0.045
_MOVE_S = 0.06


@dataclass(frozen=True)
class Impacts:
    """The landings of one shoe.

    Attributes
    ----------
    contacts
        Stamped at the envelope's peak; no toe-off.
    landing_evidence
        Log ratio of the jerk one contact time after the rhythm found to that one contact time before it: positive
        where the rhythm found was that of the landings, negative where it was that of push-off (``contacts`` are the
        landings all the same); near 0 where it cannot be told; NaN where no contact time was given.
    """

    contacts: Contacts
    landing_evidence: float


def impact_contacts(time_s: Floats, acceleration: Floats, *, foot: int = -1) -> Contacts:
    """Return the contacts of :func:`impacts`, without a contact time to tell landing from push-off."""
    return impacts(time_s, acceleration, foot=foot).contacts


def impacts(time_s: Floats, acceleration: Floats, *, foot: int = -1, stance_s: float = float("nan")) -> Impacts:
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
    """
    nothing = Impacts(empty_contacts(), float("nan"))
    if time_s.size < 64:
        return nothing
    rate_hz = 1.0 / float(np.median(np.diff(time_s)))
    missing = np.asarray(~np.isfinite(acceleration).all(axis=1), dtype=bool)
    if missing.mean() > 0.9:
        return nothing
    columns = [bridged(time_s, acceleration[:, k], missing) for k in range(acceleration.shape[1])]
    smooth = np.stack([smoothed(c, rate_hz, 60.0) for c in columns], axis=1)
    jerk = np.sqrt(np.sum(np.gradient(smooth, axis=0) ** 2, axis=1)) * rate_hz
    envelope = ndimage.uniform_filter1d(jerk, max(1, round(0.012 * rate_hz)), mode="nearest")
    covered = covered_stretches(time_s, missing, 0.02)
    peaks = rhythmic_peaks(envelope, rate_hz, envelope_period(envelope, rate_hz))
    evidence = _landing_evidence(envelope, rate_hz, peaks, stance_s)
    if evidence < 0:
        peaks = _peaks_before(envelope, rate_hz, peaks, stance_s)
    if not peaks.size:
        none = np.zeros(0)
        return Impacts(Contacts(none, none, none, np.zeros(0, dtype=np.int64), covered), evidence)
    onset = peak_times(time_s, envelope, peaks)
    keep = np.isfinite(onset)
    keep &= edges_seen(time_s, missing, np.where(keep, onset, time_s[0]), rate_hz)
    feet = np.full(int(keep.sum()), foot, dtype=np.int64)
    unknown = np.full(int(keep.sum()), np.nan)
    return Impacts(Contacts(onset[keep], unknown, envelope[peaks][keep], feet, covered), evidence)


def _landing_evidence(envelope: Floats, rate_hz: float, peaks: NDArray[np.int64], stance_s: float) -> float:
    """Return the log ratio of the stride's usual jerk a contact time after the peaks to that before them."""
    if peaks.size < 8 or not np.isfinite(stance_s):
        return float("nan")
    period = float(np.median(np.diff(peaks))) / rate_hz
    if not 0.1 < stance_s < 0.9 * period or abs(2.0 * stance_s - period) < _NEAR_S:
        return float("nan")  # a contact time before and after would be the same place
    width = max(1, round(period * rate_hz))
    inner = peaks[peaks + width < envelope.size]
    inner = inner[:: max(1, inner.size // 2000)]
    folded = np.median(envelope[inner[:, None] + np.arange(width)[None, :]], axis=0)
    at = np.arange(width) / rate_hz

    def height(where: float) -> float:
        distance = np.abs((at - where + period / 2.0) % period - period / 2.0)
        return float(folded[distance < _NEAR_S].max(initial=1e-12))

    return float(np.log(height(stance_s) / height(-stance_s)))


def _peaks_before(envelope: Floats, rate_hz: float, peaks: NDArray[np.int64], stance_s: float) -> NDArray[np.int64]:
    """Return the highest sample one contact time (+-60 ms) before each peak."""
    reach = np.arange(-round(_MOVE_S * rate_hz), round(_MOVE_S * rate_hz) + 1)
    centre = peaks - round(stance_s * rate_hz)
    centre = centre[(centre + reach[0] >= 0)]
    window = envelope[centre[:, None] + reach[None, :]]
    found = np.unique(centre + reach[np.argmax(window, axis=1)])
    high = envelope[found] > 0.25 * float(np.median(envelope[found])) if found.size else np.zeros(0, dtype=bool)
    return np.asarray(found[high], dtype=np.int64)


def stride_period(time_s: Floats, load: Floats) -> float:
    """Return the period (s) of a near-periodic signal from its autocorrelation, NaN if it has none."""
    rate_hz = 1.0 / float(np.median(np.diff(time_s)))
    return envelope_period(np.nan_to_num(load - np.nanmean(load)), rate_hz)


def envelope_period(values: Floats, rate_hz: float) -> float:
    """Return the stride period: the first strong peak of the autocorrelation between 0.4 and 1.8 s."""
    step = max(1, int(rate_hz // 100))
    size = min(values.size, int(120 * rate_hz))
    start = (values.size - size) // 2
    part = values[start : start + size]
    part = part[: part.size // step * step].reshape(-1, step).mean(axis=1)
    part = np.sqrt(np.abs(part)) * np.sign(part)
    part = part - part.mean()
    rate = rate_hz / step
    spectrum = np.fft.rfft(part, 2 * part.size)
    correlation = np.fft.irfft(np.abs(spectrum) ** 2)[: int(1.8 * rate) + 2]
    first = int(0.4 * rate)
    if correlation.size <= first + 3 or correlation[0] <= 0:
        return float("nan")
    correlation = correlation / correlation[0]
    tops, _ = signal.find_peaks(correlation[first:])
    if not tops.size:
        return float("nan")
    tops = tops + first
    best = float(correlation[tops].max())
    strong = tops[correlation[tops] > 0.7 * best]
    return float(strong[0] / rate) if best > 0.1 else float("nan")


def rhythmic_peaks(envelope: Floats, rate_hz: float, period: float) -> NDArray[np.int64]:
    """Return one peak per stride: the path of high peaks whose spacing is most even (dynamic programming)."""
    if not np.isfinite(period):
        period = 0.75
    height = 0.08 * float(np.percentile(envelope, 99.0))
    found, _ = signal.find_peaks(envelope, height=height, distance=max(1, int(0.06 * rate_hz)))
    if found.size < 2:
        return np.asarray(found, dtype=np.int64)
    at = found / rate_hz
    gain = np.log(envelope[found] / height)
    best, before = gain.copy(), np.full(found.size, -1)
    first = np.searchsorted(at, at - 1.5 * period)
    last = np.searchsorted(at, at - 0.6 * period)
    record, owner = 0.0, -1  # the best path that ended long ago: after a gap the rhythm starts anew
    done = 0
    for k in range(found.size):
        while done < first[k]:
            if best[done] > record:
                record, owner = float(best[done]), done
            done += 1
        total, link = record - _NEW_RHYTHM, owner
        if last[k] > first[k]:
            uneven = (at[k] - at[first[k] : last[k]]) / period - 1.0
            scores = best[first[k] : last[k]] - 0.5 * (uneven / 0.08) ** 2
            top = int(np.argmax(scores))
            if scores[top] > total:
                total, link = float(scores[top]), int(first[k]) + top
        if total > 0:
            best[k] += total
            before[k] = link
    path = [int(np.argmax(best))]
    while before[path[-1]] >= 0:
        path.append(int(before[path[-1]]))
    chosen = found[path[::-1]]
    high = envelope[chosen] > 0.25 * float(np.median(envelope[chosen]))
    return np.asarray(chosen[high], dtype=np.int64)


def peak_times(time_s: Floats, envelope: Floats, peaks: NDArray[np.int64]) -> Floats:
    """Return the time of each peak, to a fraction of a sample by a parabola; NaN at the record's ends."""
    inner = (peaks > 0) & (peaks < envelope.size - 1)
    safe = np.clip(peaks, 1, envelope.size - 2)
    before, at, after = envelope[safe - 1], envelope[safe], envelope[safe + 1]
    shift = 0.5 * (before - after) / np.minimum(before - 2.0 * at + after, -1e-30)
    step = 0.5 * (time_s[safe + 1] - time_s[safe - 1])
    return np.where(inner, time_s[safe] + np.clip(shift, -0.5, 0.5) * step, np.nan)
